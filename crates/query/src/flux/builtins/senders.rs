//! Packages `http`, `slack` and `pagerduty`: what reaches other servers. Nothing is sent here: requests go through the
//! door of the query's caller, who decides whether and where to.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::host::OutgoingRequest;
use super::super::value::{Record, Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;
use crate::error::QueryError;

/// Sends a request and gives the status of the answer.
fn post(call: &mut Call<'_>) -> Result<Value> {
    let url: Text = call.required("url")?;
    let data: Option<Arc<[u8]>> = call.optional("data")?;
    let headers = call.optional("headers")?.map(headers).transpose()?.unwrap_or_default();
    let body = data.map(|data| data.to_vec()).unwrap_or_default();
    let request = OutgoingRequest { method: "POST", url: url.to_string(), headers, body };
    let runtime = Arc::clone(call.runtime());
    runtime.step(1)?;
    let sent = async { runtime.host.send(request).await.map_err(QueryError::from) };
    Ok(Value::Int(runtime.wait(sent)?.into()))
}

/// The headers of a record.
fn headers(record: Record) -> Result<Vec<(String, String)>> {
    let header = |(name, value): (Text, Value)| match value {
        Value::String(value) => Ok((name.to_string(), value.to_string())),
        other => Err(FluxError::invalid(format!("header \"{name}\" must be a string, got {}", other.kind()))),
    };
    record.fields().into_iter().map(header).collect()
}

fn basic_authorization(call: &mut Call<'_>) -> Result<Value> {
    let (user, password): (Text, Text) = (call.required("u")?, call.required("p")?);
    Ok(Value::text(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
}

/// A text as one segment of a path, with what Go leaves as it is.
fn path_escape(call: &mut Call<'_>) -> Result<Value> {
    let text: Text = call.required("inputString")?;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => escaped.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'$' | b'&' | b'+' | b'=' | b':' | b'@' => escaped.push(char::from(byte)),
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    Ok(Value::text(escaped))
}

/// The functions of package `http`.
pub(super) const HTTP: Functions = &[("post", post), ("basicAuth", basic_authorization), ("pathEscape", path_escape)];

/// A color that Slack knows: one of its words, or six hexadecimal digits behind `#`.
fn color(call: &mut Call<'_>) -> Result<Value> {
    let color: Text = call.required("color")?;
    let is_hexadecimal = |digits: &str| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if matches!(&*color, "good" | "warning" | "danger") || color.strip_prefix('#').is_some_and(is_hexadecimal) {
        return Ok(Value::String(color));
    }
    Err(FluxError::invalid(format!("{color:?} is no color: there are good, warning, danger, and such as #1a2b3c")))
}

/// The function of package `slack`.
pub(super) const SLACK: Functions = &[("validateColorString", color)];

/// Gives each table a column that is the same for the same series: by it PagerDuty knows what belongs together.
fn dedup_key(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let default: Vec<Text> = ["_start", "_stop", "_level"].map(Text::from).to_vec();
    let exclude: Vec<Text> = call.or("exclude", default)?;
    Ok(call.per_table(input, move |_, table| {
        let mut hash = Sha256::new();
        for (label, value) in table.key().columns().iter().filter(|(label, _)| !exclude.contains(label)) {
            hash.update(format!("{label}\n{value}\n"));
        }
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let column = Vector::constant(ColumnType::String, Value::text(digits), table.rows());
        Ok(Some(table.with_column("_pagerdutyDedupKey", column)))
    }))
}

/// The function of package `pagerduty`.
pub(super) const PAGERDUTY: Functions = &[("dedupKey", dedup_key)];

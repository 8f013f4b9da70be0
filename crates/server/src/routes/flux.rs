//! `POST /api/v2/query`: a Flux script, answered as annotated CSV (wire-api section 2.2), or with `"type": "influxql"`
//! statements of InfluxQL, answered as `/query` answers them. `POST /api/v2/query/explain` takes the same and says how
//! it would be done.

mod influxql;
pub(super) mod tools;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use catalog::{Organisation, Principal};
use futures::{FutureExt as _, Stream, StreamExt as _};
use http::{HeaderMap, StatusCode, header};
use query::flux::{File, FluxMode, FluxPart, FluxRequest, Table, parse, parse_json};
use query::{FluxResult, QueryError};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::flux_host::ScriptHost;
use crate::format::annotated_csv::{Annotation, Dialect, Encoder};
use crate::format::gzip;
use crate::limits;
use crate::metrics::TransferKind;
use crate::request::Parameters;
use crate::scope;
use crate::state::AppState;

/// The body in JSON. What is not known is ignored, because clients send more than InfluxDB reads.
#[derive(Debug, Default, Deserialize)]
struct QueryBody {
    #[serde(default)]
    query: String,
    ast: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "extern")]
    external: Option<Value>,
    now: Option<String>,
    dialect: Option<DialectBody>,
    params: Option<Map<String, Value>>,
    /// Where InfluxQL looks for measurements without a database: a bucket, or a database and a retention policy.
    bucket: Option<String>,
    db: Option<String>,
    rp: Option<String>,
}

impl QueryBody {
    fn read(headers: &HeaderMap, body: &[u8]) -> ApiResult<Self> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.trim_start().to_ascii_lowercase().starts_with("application/vnd.flux") {
            let query = String::from_utf8(body.to_vec()).map_err(|_| refused("the script is not UTF-8"))?;
            return Ok(Self { query, ..Self::default() });
        }
        serde_json::from_slice(body).map_err(refused)
    }

    fn language(&self) -> ApiResult<Language> {
        match self.kind.as_deref() {
            None | Some("" | "flux") => Ok(Language::Flux),
            Some("influxql") => Ok(Language::Influxql),
            Some(other) => Err(refused(format_args!("unknown query type: {other}"))),
        }
    }
}

/// What a query is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Flux,
    Influxql,
}

/// How the answer is to be.
#[derive(Debug, Default, Deserialize)]
struct DialectBody {
    header: Option<bool>,
    delimiter: Option<String>,
    annotations: Option<Vec<String>>,
    #[serde(rename = "commentPrefix")]
    comment_prefix: Option<String>,
    #[serde(rename = "dateTimeFormat")]
    date_time_format: Option<String>,
}

/// Whatever is wrong with a request before its script is looked at.
fn refused(cause: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(format!("failed to decode request body: {cause}"))
}

impl DialectBody {
    fn dialect(&self) -> ApiResult<Dialect> {
        let mut dialect = Dialect { header: self.header.unwrap_or(true), ..Dialect::default() };
        if let Some(delimiter) = self.delimiter.as_deref().filter(|text| !text.is_empty()) {
            let mut characters = delimiter.chars();
            match (characters.next(), characters.next()) {
                (Some(character), None) if !matches!(character, '"' | '\r' | '\n') => dialect.delimiter = character,
                _ => return Err(refused(format_args!("invalid dialect delimiter: must be length 1 and not a quote"))),
            }
        }
        if self.comment_prefix.as_ref().is_some_and(|prefix| prefix.chars().count() > 1) {
            return Err(refused("invalid dialect comment prefix: must be length 0 or 1"));
        }
        match self.date_time_format.as_deref() {
            None | Some("" | "RFC3339" | "RFC3339Nano") => {}
            Some(other) => return Err(refused(format_args!("unknown dialect date time format: {other}"))),
        }
        for (place, name) in dialect.annotations.iter_mut().zip(self.annotations.iter().flatten()) {
            *place = Some(match name.as_str() {
                "datatype" => Annotation::Datatype,
                "group" => Annotation::Group,
                "default" => Annotation::Default,
                other => return Err(refused(format_args!("unknown dialect annotation type: {other}"))),
            });
        }
        Ok(dialect)
    }
}

/// A request that is understood.
struct Script {
    files: Vec<File>,
    params: Option<Map<String, Value>>,
    dialect: Dialect,
    now_ns: i64,
    bytes: u64,
}

/// The organisation that a request means, its headers, and its body.
async fn understood(
    state: &AppState,
    principal: &Principal,
    parameters: &Parameters,
    request: Request,
) -> ApiResult<(Arc<Organisation>, HeaderMap, QueryBody)> {
    let organisation = scope::organisation(state, principal, parameters).map_err(|error| refused(error.message()))?;
    let (parts, body) = request.into_parts();
    let body = state.bodies().read_small_body(body, &parts.headers).await?;
    let body = QueryBody::read(&parts.headers, &body.bytes)?;
    Ok((organisation, parts.headers, body))
}

/// Runs a script.
pub(super) async fn query(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> ApiResult<Response> {
    let (organisation, headers, body) = understood(&state, &principal, &parameters, request).await?;
    if body.language()? == Language::Influxql {
        let runner = influxql::runner(&state, Principal::clone(&principal), organisation, &body);
        return influxql::answer(runner, &headers, &body).await;
    }
    let script = script(&state, body)?;
    let host = ScriptHost { state: state.clone(), principal: Principal::clone(&principal), organisation };
    let organisation = host.organisation.id.to_string();
    let Script { files, params, now_ns, .. } = script;
    let request = FluxRequest { files, params, now_ns, host: Arc::new(host), mode: FluxMode::Run };
    let answer = async {
        let result = state.query().flux(request).await?;
        if wants_nothing(&headers) {
            return run_to_end(result).await;
        }
        let text = encoded(result, script.dialect);
        let content_type = (header::CONTENT_TYPE, "text/csv; charset=utf-8");
        if !gzip::is_wanted(&headers) {
            return Ok(([content_type], Body::from_stream(text)).into_response());
        }
        let head = [content_type, (header::CONTENT_ENCODING, "gzip"), (header::VARY, "Accept-Encoding")];
        Ok((head, Body::from_stream(gzip::compressed(text))).into_response())
    };
    let answer: ApiResult<Response> = answer.await;
    let status = answer.as_ref().map_or_else(|error| error.code().status(), Response::status);
    state.metrics().transferred(TransferKind::Query, organisation, status, script.bytes);
    answer
}

/// Says how a query would be done, line by line: which parts the storage would do.
pub(super) async fn explain(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> ApiResult<Response> {
    let (organisation, _, body) = understood(&state, &principal, &parameters, request).await?;
    let lines = match body.language()? {
        Language::Influxql => {
            let runner = influxql::runner(&state, Principal::clone(&principal), organisation, &body);
            influxql::plan(&runner, &body).await?
        }
        Language::Flux => {
            let Script { files, params, now_ns, .. } = script(&state, body)?;
            let host = ScriptHost { state: state.clone(), principal: Principal::clone(&principal), organisation };
            let request = FluxRequest { files, params, now_ns, host: Arc::new(host), mode: FluxMode::Explain };
            plan(state.query().flux(request).await?).await?
        }
    };
    let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// The lines of a script's plan.
async fn plan(mut result: FluxResult) -> ApiResult<Vec<String>> {
    let mut lines = Vec::new();
    while let Some(part) = result.next().await {
        if let FluxPart::Table(table) = part? {
            let plan = table.column("plan").into_iter().flat_map(query::flux::Vector::values);
            lines.extend(plan.map(|line| line.to_string()));
        }
    }
    Ok(lines)
}

/// Whether the caller wants to know only whether the script failed: `Prefer: return-no-content`, or the same with
/// `-with-error`. InfluxDB loses the errors of the former.
fn wants_nothing(headers: &HeaderMap) -> bool {
    let values = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut wishes = values.flat_map(|value| value.split(',')).map(str::trim);
    wishes.any(|wish| matches!(wish, "return-no-content" | "return-no-content-with-error"))
}

/// Runs a script for its effects.
async fn run_to_end(mut result: FluxResult) -> ApiResult<Response> {
    while let Some(part) = result.next().await {
        part?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn script(state: &AppState, request: QueryBody) -> ApiResult<Script> {
    let dialect = request.dialect.unwrap_or_default().dialect()?;
    let now_ns = match request.now.as_deref().filter(|text| !text.is_empty()) {
        None => state.now_ns(),
        Some(text) => {
            let time = chrono::DateTime::parse_from_rfc3339(text).map_err(refused)?;
            time.timestamp_nanos_opt().ok_or_else(|| refused("now is out of range"))?
        }
    };
    let mut files = Vec::new();
    if let Some(external) = request.external.filter(|value| !value.is_null()) {
        files.extend(parse_json(&external).map_err(refused)?);
    }
    let bytes = request.query.len() as u64;
    match request.ast.filter(|value| !value.is_null()) {
        Some(tree) if request.query.is_empty() => files.extend(parse_json(&tree).map_err(refused)?),
        _ if request.query.is_empty() => return Err(refused("request body requires either query or AST")),
        _ => files.push(parse(&request.query).map_err(|error| ApiError::from(QueryError::from(error)))?),
    }
    Ok(Script { files, params: request.params, dialect, now_ns, bytes })
}

/// The text of an answer, made while it is sent.
fn encoded(result: FluxResult, dialect: Dialect) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
    let encoding = Encoding { result, encoder: Encoder::new(dialect), table: None, is_done: false };
    futures::stream::unfold(encoding, |mut encoding| async move {
        let text = encoding.next().await?;
        Some((Ok(Bytes::from(text)), encoding))
    })
}

/// An answer that is being sent.
struct Encoding {
    result: FluxResult,
    encoder: Encoder,
    /// The table that is being written, and its next row.
    table: Option<(Table, usize)>,
    is_done: bool,
}

impl Encoding {
    /// The next piece of the text; none if it has ended.
    async fn next(&mut self) -> Option<String> {
        let mut text = String::new();
        while !self.is_done && text.len() < limits::FLUX_PIECE_BYTES {
            if let Some((table, first)) = self.table.take() {
                let next = self.encoder.rows_of(&table, first, limits::FLUX_PIECE_ROWS, &mut text);
                self.table = next.map(|next| (table, next));
                continue;
            }
            let part = match self.result.next().now_or_never() {
                Some(part) => part,
                // What there is goes out before more is waited for.
                None if !text.is_empty() => break,
                None => self.result.next().await,
            };
            match part {
                Some(Ok(FluxPart::Result(name))) => self.encoder.result(&name, &mut text),
                Some(Ok(FluxPart::Table(table))) => self.table = Some((table, 0)),
                Some(Err(error)) => {
                    self.encoder.error(&ApiError::from(error).logged_message(), &mut text);
                    self.is_done = true;
                }
                None => {
                    self.encoder.finish(&mut text);
                    self.is_done = true;
                }
            }
        }
        (!text.is_empty()).then_some(text)
    }
}

//! Packages `json` and `experimental/json`: values to JSON in the form of Go's encoder, and back.

use std::fmt::Write as _;
use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::library::strings::check_length;
use super::super::value::{Record, Text, Value};
use super::Functions;

fn encode(call: &mut Call<'_>) -> Result<Value> {
    let mut text = String::new();
    write_value(&call.value("v"), &mut text)?;
    Ok(Value::Bytes(Arc::from(text.into_bytes())))
}

fn write_value(value: &Value, text: &mut String) -> Result<()> {
    check_length(text.len()).map_err(FluxError::invalid)?;
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) => text.push_str(&value.to_string()),
        Value::Float(number) => write_float(*number, text)?,
        Value::Time(time) => write_text(&crate::influxql::format_time(*time, None), text),
        Value::String(_) | Value::Duration(_) | Value::Regexp(_) => {
            write_text(&value.to_string(), text);
        }
        Value::Array(values) => {
            text.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_value(value, text)?;
            }
            text.push(']');
        }
        Value::Record(record) => {
            let mut fields: Vec<(Text, Value)> = record.fields();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            write_members(fields, text)?;
        }
        Value::Dict(entries) => {
            let members = entries.iter().map(|(key, value)| (Text::from(key.to_string()), value.clone()));
            write_members(members.collect(), text)?;
        }
        other => return Err(FluxError::invalid(format!("cannot encode a {} as JSON", other.kind()))),
    }
    Ok(())
}

fn write_members(members: Vec<(Text, Value)>, text: &mut String) -> Result<()> {
    text.push('{');
    for (place, (name, value)) in members.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        write_text(name, text);
        text.push(':');
        write_value(value, text)?;
    }
    text.push('}');
    Ok(())
}

fn write_float(number: f64, text: &mut String) -> Result<()> {
    if !number.is_finite() {
        let shown = super::super::value::format_float(number);
        return Err(FluxError::invalid(format!("json: unsupported value: {shown}")));
    }
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let short = format!("{number:e}");
        // Go writes a sign in front of every exponent.
        text.push_str(&if short.contains("e-") { short } else { short.replace('e', "e+") });
    } else {
        text.push_str(&number.to_string());
    }
    Ok(())
}

fn write_text(value: &str, text: &mut String) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            // As Go does, so that the text may stand in HTML and JavaScript.
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
}

fn parse(call: &mut Call<'_>) -> Result<Value> {
    let data: Arc<[u8]> = call.required("data")?;
    let value = serde_json::from_slice(&data);
    read(value.map_err(|error| FluxError::invalid(format!("cannot read JSON: {error}")))?)
}

/// Every number is a float.
fn read(value: serde_json::Value) -> Result<Value> {
    Ok(match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(values) => {
            let values = values.into_iter().map(read).collect::<Result<Vec<Value>>>()?;
            let mut kinds = values.iter().filter(|value| !value.is_null()).map(Value::kind);
            if let Some(first) = kinds.next()
                && kinds.any(|kind| kind != first)
            {
                return Err(FluxError::invalid("array values must all be the same type"));
            }
            Value::Array(Arc::new(values))
        }
        serde_json::Value::Object(members) => {
            let member = |(name, value): (String, serde_json::Value)| Ok((Text::from(name), read(value)?));
            Value::Record(Record::new(members.into_iter().map(member).collect::<Result<_>>()?))
        }
    })
}

/// The functions of package `json`.
pub(super) const JSON: Functions = &[("encode", encode)];

/// The functions of package `experimental/json`.
pub(super) const EXPERIMENTAL_JSON: Functions = &[("parse", parse)];

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: Value) -> String {
        let mut text = String::new();
        write_value(&value, &mut text).map(|()| text).unwrap_or_else(|error| error.message)
    }

    #[test]
    fn texts_and_numbers_are_those_of_go() {
        assert_eq!(written(Value::text("a\"<b>\u{1}\u{2028}é")), "\"a\\\"\\u003cb\\u003e\\u0001\\u2028é\"");
        for (number, expected) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (0.0, "0"),
            (f64::NAN, "json: unsupported value: NaN"),
        ] {
            assert_eq!(written(Value::Float(number)), expected);
        }
    }
}

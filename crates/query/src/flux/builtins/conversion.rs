//! Conversions of values: `int(v: …)`, `string(v: …)`, ….

use super::super::duration::Duration;
use super::super::error::{FluxError, Result};
use super::super::value::{Text, Value};
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[
    ("bool", |call| convert("bool", &call.value("v"))),
    ("bytes", |call| convert("bytes", &call.value("v"))),
    ("duration", |call| convert("duration", &call.value("v"))),
    ("float", |call| convert("float", &call.value("v"))),
    ("int", |call| convert("int", &call.value("v"))),
    ("string", |call| convert("string", &call.value("v"))),
    ("time", |call| convert("time", &call.value("v"))),
    ("uint", |call| convert("uint", &call.value("v"))),
];

/// A value as one of another type; null stays null.
///
/// # Errors
/// If it cannot be converted.
pub fn convert(to: &str, value: &Value) -> Result<Value> {
    let converted = match (to, value) {
        (_, Value::Null) => Some(Value::Null),
        ("bool", value) => to_bool(value)?,
        ("int", value) => to_int(value)?,
        ("uint", value) => to_uint(value)?,
        ("float", value) => to_float(value)?,
        ("string", value) => to_string(value),
        ("time", value) => to_time(value)?,
        ("duration", value) => match value {
            Value::Duration(_) => Some(value.clone()),
            Value::String(text) => Some(Value::Duration(Duration::parse(text)?)),
            Value::Int(nanoseconds) => Some(Value::Duration(Duration::from_nanoseconds(*nanoseconds))),
            Value::UInt(nanoseconds) => {
                let nanoseconds = i64::try_from(*nanoseconds).unwrap_or(i64::MAX);
                Some(Value::Duration(Duration::from_nanoseconds(nanoseconds)))
            }
            _ => None,
        },
        ("bytes", Value::String(text)) => Some(Value::Bytes(text.as_bytes().into())),
        _ => None,
    };
    converted.ok_or_else(|| FluxError::invalid(format!("cannot convert {} to {to}", value.kind())))
}

fn syntax(text: &Text, to: &str) -> FluxError {
    FluxError::invalid(format!("cannot convert string \"{text}\" to {to} due to invalid syntax"))
}

fn to_bool(value: &Value) -> Result<Option<Value>> {
    let wrong = |kind: &str, text: &str| {
        Err(FluxError::invalid(format!("cannot convert {kind} {text} to bool, must be 0 or 1")))
    };
    Ok(match value {
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) => match &**text {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            other => return Err(FluxError::invalid(format!("cannot convert string \"{other}\" to bool"))),
        },
        Value::Int(value @ (0 | 1)) => Some(Value::Bool(*value == 1)),
        Value::Int(value) => return wrong("int", &value.to_string()),
        Value::UInt(value @ (0 | 1)) => Some(Value::Bool(*value == 1)),
        Value::UInt(value) => return wrong("uint", &value.to_string()),
        Value::Float(value) if *value == 0.0 || *value == 1.0 => Some(Value::Bool(*value == 1.0)),
        Value::Float(value) => return wrong("float", &format!("{value:.6}")),
        _ => None,
    })
}

#[allow(clippy::cast_possible_truncation, reason = "what is beyond an integer is its end")]
fn to_int(value: &Value) -> Result<Option<Value>> {
    Ok(match value {
        Value::Int(_) => Some(value.clone()),
        Value::String(text) => Some(Value::Int(text.parse().map_err(|_| syntax(text, "int"))?)),
        Value::UInt(value) => Some(Value::Int(value.cast_signed())),
        Value::Float(value) => Some(Value::Int(*value as i64)),
        Value::Bool(value) => Some(Value::Int(i64::from(*value))),
        Value::Time(value) => Some(Value::Int(*value)),
        Value::Duration(value) => Some(Value::Int(value.nanoseconds)),
        _ => None,
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "what is beyond an integer is its end")]
fn to_uint(value: &Value) -> Result<Option<Value>> {
    Ok(match value {
        Value::UInt(_) => Some(value.clone()),
        Value::String(text) => Some(Value::UInt(text.parse().map_err(|_| syntax(text, "uint"))?)),
        Value::Int(value) | Value::Time(value) => Some(Value::UInt(value.cast_unsigned())),
        Value::Float(value) => Some(Value::UInt(*value as u64)),
        Value::Bool(value) => Some(Value::UInt(u64::from(*value))),
        Value::Duration(value) => Some(Value::UInt(value.nanoseconds.cast_unsigned())),
        _ => None,
    })
}

fn to_float(value: &Value) -> Result<Option<Value>> {
    Ok(match value {
        Value::String(text) => Some(Value::Float(text.parse().map_err(|_| syntax(text, "float"))?)),
        Value::Bool(value) => Some(Value::Float(f64::from(u8::from(*value)))),
        _ => value.as_number().map(Value::Float),
    })
}

fn to_string(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Time(time) => {
            let time = chrono::DateTime::from_timestamp_nanos(*time);
            Some(Value::text(time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true)))
        }
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok().map(Value::text),
        Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Duration(_) => {
            Some(Value::text(value.to_string()))
        }
        _ => None,
    }
}

fn to_time(value: &Value) -> Result<Option<Value>> {
    Ok(match value {
        Value::Time(_) => Some(value.clone()),
        Value::Int(value) => Some(Value::Time(*value)),
        Value::UInt(value) => Some(Value::Time(value.cast_signed())),
        Value::String(text) => Some(Value::Time(parse_time(text).ok_or_else(|| syntax(text, "time"))?)),
        _ => None,
    })
}

/// A time as text: RFC 3339, or a date alone.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return time.timestamp_nanos_opt();
    }
    let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_nanos_opt()
}

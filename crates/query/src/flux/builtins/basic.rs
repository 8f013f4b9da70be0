//! The scalar functions that every script has.

use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::value::{Text, Value};
use super::Functions;

pub(super) const FUNCTIONS: Functions =
    &[("contains", contains), ("die", die), ("length", length), ("queryTime", query_time)];

fn contains(call: &mut Call<'_>) -> Result<Value> {
    let (value, set): (Value, Arc<Vec<Value>>) = (call.value("value"), call.required("set")?);
    Ok(Value::Bool(set.iter().any(|known| !known.is_null() && known.equals(&value))))
}

fn die(call: &mut Call<'_>) -> Result<Value> {
    let message: Text = call.required("msg")?;
    Err(FluxError::invalid(message.to_string()))
}

fn length(call: &mut Call<'_>) -> Result<Value> {
    let values: Arc<Vec<Value>> = call.required("arr")?;
    Ok(Value::Int(i64::try_from(values.len()).unwrap_or(i64::MAX)))
}

/// The moment of the query, which `now` gives unless a script sets it.
fn query_time(call: &mut Call<'_>) -> Result<Value> {
    Ok(Value::Time(call.runtime().now_ns))
}

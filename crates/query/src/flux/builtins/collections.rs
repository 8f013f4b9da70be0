//! Packages `array`, `dict` and `types`: bindings that work on values.

use std::sync::Arc;

use super::super::error::{Code, FluxError, Result};
use super::super::function::{Call, Function};
use super::super::interpret::dict_of;
use super::super::value::{Record, Text, Value};
use super::Functions;
use crate::limits;

fn array(call: &Call<'_>) -> Result<Arc<Vec<Value>>> {
    call.required("arr")
}

fn concat(call: &mut Call<'_>) -> Result<Value> {
    let more: Arc<Vec<Value>> = call.required("v")?;
    let values = array(call)?;
    let length = values.len().saturating_add(more.len());
    if length > limits::FLUX_ARRAY_LENGTH {
        let message =
            format!("an array of {length} values is too long, at most {} are possible", limits::FLUX_ARRAY_LENGTH);
        return Err(FluxError::new(Code::ResourceExhausted, message));
    }
    let values: Vec<Value> = values.iter().chain(more.iter()).cloned().collect();
    Ok(Value::Array(Arc::new(values)))
}

fn filter(call: &mut Call<'_>) -> Result<Value> {
    let function: Function = call.required("fn")?;
    let mut kept = Vec::new();
    for value in array(call)?.iter() {
        call.runtime().step(1)?;
        match call.invoke(&function, vec![("x", value.clone())])? {
            Value::Bool(true) => kept.push(value.clone()),
            Value::Bool(false) | Value::Null => {}
            other => return Err(FluxError::invalid(format!("fn should give a bool, but gives a {}", other.kind()))),
        }
    }
    Ok(Value::Array(Arc::new(kept)))
}

fn map(call: &mut Call<'_>) -> Result<Value> {
    let function: Function = call.required("fn")?;
    let mut mapped = Vec::new();
    for value in array(call)?.iter() {
        call.runtime().step(1)?;
        mapped.push(call.invoke(&function, vec![("x", value.clone())])?);
    }
    Ok(Value::Array(Arc::new(mapped)))
}

/// The functions of package `array` over values; also those of `experimental/array`.
pub(super) const ARRAY: Functions = &[("concat", concat), ("filter", filter), ("map", map)];

type Entries = Arc<Vec<(Value, Value)>>;

fn dict(call: &Call<'_>) -> Result<Entries> {
    match call.value("dict") {
        Value::Dict(entries) => Ok(entries),
        other => {
            let kind = other.kind();
            Err(FluxError::invalid(format!("keyword argument \"dict\" should be of kind dictionary, but got {kind}")))
        }
    }
}

fn place(entries: &Entries, key: &Value) -> std::result::Result<usize, usize> {
    entries.binary_search_by(|(known, _)| known.total_order(key))
}

fn from_list(call: &mut Call<'_>) -> Result<Value> {
    let pairs: Arc<Vec<Value>> = call.required("pairs")?;
    let pair = |pair: &Value| match pair {
        Value::Record(record) => match (record.get("key"), record.get("value")) {
            (Some(key), Some(value)) => Ok((key, value)),
            _ => Err(FluxError::invalid("pairs should be records with key and value")),
        },
        other => Err(FluxError::invalid(format!("pairs should be records, but one is a {}", other.kind()))),
    };
    Ok(Value::Dict(Arc::new(dict_of(pairs.iter().map(pair).collect::<Result<_>>()?))))
}

fn get(call: &mut Call<'_>) -> Result<Value> {
    let entries = dict(call)?;
    let found = place(&entries, &call.value("key")).ok().and_then(|place| entries.get(place));
    Ok(found.map_or_else(|| call.value("default"), |(_, value)| value.clone()))
}

fn insert(call: &mut Call<'_>) -> Result<Value> {
    let mut entries = dict(call)?.to_vec();
    entries.push((call.value("key"), call.value("value")));
    Ok(Value::Dict(Arc::new(dict_of(entries))))
}

fn remove(call: &mut Call<'_>) -> Result<Value> {
    let entries = dict(call)?;
    let mut left = entries.to_vec();
    if let Ok(place) = place(&entries, &call.value("key")) {
        left.remove(place);
    }
    Ok(Value::Dict(Arc::new(left)))
}

/// The functions of package `dict`.
pub(super) const DICT: Functions = &[("fromList", from_list), ("get", get), ("insert", insert), ("remove", remove)];

/// The kinds that `isType` knows.
const KINDS: [&str; 9] = ["string", "bytes", "int", "uint", "float", "bool", "time", "duration", "regexp"];

fn is_type(call: &mut Call<'_>) -> Result<Value> {
    let kind: Text = call.required("type")?;
    if !KINDS.contains(&&*kind) {
        let message = format!("\"{kind}\" is not a type that isType knows; it knows {}", KINDS.join(", "));
        return Err(FluxError::invalid(message));
    }
    Ok(Value::Bool(call.value("v").kind() == &*kind))
}

/// The functions of package `types`.
pub(super) const TYPES: Functions = &[
    ("isType", is_type),
    ("isNumeric", |call| Ok(Value::Bool(matches!(call.value("v"), Value::Int(_) | Value::UInt(_) | Value::Float(_))))),
];

/// The names of a record's properties, sorted.
pub(super) fn object_keys(call: &mut Call<'_>) -> Result<Value> {
    let record: Record = call.required("o")?;
    let mut names: Vec<Text> = record.fields().into_iter().map(|(name, _)| name).collect();
    names.sort();
    Ok(Value::texts(names))
}

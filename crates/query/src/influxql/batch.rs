//! Series as one table: the measurement, the time, the tags, the columns. What InfluxDB 3 answers to InfluxQL.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::{Field, Schema};

use super::execute::Series;
use super::value::Value;
use crate::error::QueryError;

/// The name of the measurement's column, as in InfluxDB 3.
const MEASUREMENT: &str = "iox::measurement";

/// The rows of all series. A column that a series does not have is null in its rows.
///
/// # Errors
/// If the columns cannot be put together, which is a fault of ours.
pub fn to_batch(series: &[Series]) -> Result<RecordBatch, QueryError> {
    let mut names: Vec<&str> = Vec::new();
    let mut known: HashSet<&str> = HashSet::new();
    let mut add = |name| {
        if known.insert(name) {
            names.push(name);
        }
    };
    // The time comes before the tags.
    let has_time = |series: &Series| matches!(series.rows.first().and_then(|row| row.first()), Some(Value::Time(_)));
    series
        .iter()
        .filter(|series| has_time(series))
        .filter_map(|series| series.columns.first())
        .for_each(|name| add(name));
    series.iter().flat_map(|series| &series.tags).for_each(|(tag, _)| add(tag));
    series.iter().flat_map(|series| series.columns.iter()).for_each(|column| add(column));
    let measurements = series.iter().flat_map(|series| series.rows.iter().map(|_| Some(series.name.as_str())));
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    if series.iter().any(|series| !series.name.is_empty()) || series.is_empty() {
        arrays.push(Arc::new(measurements.collect::<StringArray>()));
        fields.push(Field::new(MEASUREMENT, arrow::datatypes::DataType::Utf8, false));
    }
    for name in names {
        let array = column(series, name);
        fields.push(Field::new(name, array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(|error| QueryError::Internal(error.to_string()))
}

/// The values of one column, of the first type that is found; integers beside floats become floats.
fn column(series: &[Series], name: &str) -> ArrayRef {
    let mut values: Vec<Value> = Vec::new();
    for series in series {
        let place = series.columns.iter().position(|column| column == name);
        let tag = series.tags.iter().find(|(tag, value)| tag == name && !value.is_empty());
        for row in &series.rows {
            values.push(match (place.and_then(|place| row.get(place)), tag) {
                (Some(value), _) => value.clone(),
                (None, Some((_, value))) => Value::Text(Arc::clone(value)),
                (None, None) => Value::Null,
            });
        }
    }
    let has_float = values.iter().any(|value| matches!(value, Value::Float(_)));
    let first = values.iter().find(|value| **value != Value::Null);
    match first {
        Some(Value::Time(_)) => {
            let times = values.iter().map(|value| if let Value::Time(time) = value { Some(*time) } else { None });
            Arc::new(times.collect::<TimestampNanosecondArray>())
        }
        Some(Value::Float(_) | Value::Integer(_) | Value::Unsigned(_)) if has_float => {
            Arc::new(values.iter().map(|value| value.as_scalar().as_f64()).collect::<Float64Array>())
        }
        Some(Value::Integer(_)) => {
            let numbers =
                values.iter().map(|value| if let Value::Integer(number) = value { Some(*number) } else { None });
            Arc::new(numbers.collect::<Int64Array>())
        }
        Some(Value::Unsigned(_)) => {
            let numbers =
                values.iter().map(|value| if let Value::Unsigned(number) = value { Some(*number) } else { None });
            Arc::new(numbers.collect::<UInt64Array>())
        }
        Some(Value::Boolean(_)) => {
            let booleans =
                values.iter().map(|value| if let Value::Boolean(value) = value { Some(*value) } else { None });
            Arc::new(booleans.collect::<BooleanArray>())
        }
        _ => {
            let texts = values.iter().map(|value| if let Value::Text(text) = value { Some(&**text) } else { None });
            Arc::new(texts.collect::<StringArray>())
        }
    }
}

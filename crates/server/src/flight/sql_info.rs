//! What this server says of itself by `GetSqlInfo`: the numbers are those of `SqlInfo` in FlightSql.proto.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array, UnionArray, new_empty_array,
};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, UnionFields, UnionMode};
use arrow::error::ArrowError;

use crate::middleware::API_VERSION;

/// A value, of the kinds that are used here.
#[derive(Debug, Clone, Copy)]
enum Info {
    Text(&'static str),
    Flag(bool),
    Number(i64),
}

/// The version of Arrow's format that messages are written in.
const ARROW_VERSION: &str = "1.5.0";

/// Identifiers without quotes are lower case (`SQL_CASE_SENSITIVITY_LOWERCASE`).
const LOWER_CASE: i64 = 3;
/// Quoted ones are as they are written (`SQL_CASE_SENSITIVITY_CASE_INSENSITIVE` is 1, `UNKNOWN` is 0).
const UNKNOWN_CASE: i64 = 0;

const INFOS: [(u32, Info); 20] = [
    (0, Info::Text("Freshet")),
    (1, Info::Text(API_VERSION)),
    (2, Info::Text(ARROW_VERSION)),
    // Read only, by SQL, not by Substrait.
    (3, Info::Flag(true)),
    (4, Info::Flag(true)),
    (5, Info::Flag(false)),
    // No transactions, no cancelling by name (a call that is dropped is cancelled), no ingestion, no timeouts of one's
    // own.
    (8, Info::Number(0)),
    (9, Info::Flag(false)),
    (10, Info::Flag(false)),
    (11, Info::Flag(false)),
    (100, Info::Number(0)),
    (101, Info::Number(0)),
    // No data definition.
    (500, Info::Flag(false)),
    (501, Info::Flag(false)),
    (502, Info::Flag(false)),
    (503, Info::Number(LOWER_CASE)),
    (504, Info::Text("\"")),
    (505, Info::Number(UNKNOWN_CASE)),
    // Whoever is told of a table may read it; nulls sort behind all values.
    (506, Info::Flag(true)),
    (507, Info::Number(0)),
];

/// The kinds of values, in the order that FlightSql.proto prescribes.
fn kinds() -> Vec<Field> {
    let list = |data_type| DataType::List(Arc::new(Field::new_list_field(data_type, true)));
    let entries = Fields::from(vec![
        Field::new("keys", DataType::Int32, false),
        Field::new("values", list(DataType::Int32), true),
    ]);
    let map = DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false);
    vec![
        Field::new("string_value", DataType::Utf8, false),
        Field::new("bool_value", DataType::Boolean, false),
        Field::new("bigint_value", DataType::Int64, false),
        Field::new("int32_bitmask", DataType::Int32, false),
        Field::new("string_list", list(DataType::Utf8), true),
        Field::new("int32_to_int32_list_map", map, true),
    ]
}

/// The columns of the answer.
pub(super) fn schema() -> SchemaRef {
    let value = DataType::Union(UnionFields::from_fields(kinds()), UnionMode::Dense);
    let fields = vec![Field::new("info_name", DataType::UInt32, false), Field::new("value", value, false)];
    Arc::new(Schema::new(fields))
}

/// What is known of the wanted numbers, of all if none are named. What is not known is left out, as is prescribed.
pub(super) fn rows(wanted: &[u64]) -> Result<RecordBatch, ArrowError> {
    let is_wanted = |number: u32| wanted.is_empty() || wanted.contains(&u64::from(number));
    let (mut names, mut kinds_of, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    let (mut texts, mut flags, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for (name, info) in INFOS.into_iter().filter(|(name, _)| is_wanted(*name)) {
        let (kind, offset) = match info {
            Info::Text(text) => (0_i8, push(&mut texts, text)),
            Info::Flag(flag) => (1, push(&mut flags, flag)),
            Info::Number(number) => (2, push(&mut numbers, number)),
        };
        names.push(name);
        kinds_of.push(kind);
        offsets.push(offset);
    }
    let fields = UnionFields::from_fields(kinds());
    let mut children: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(texts)),
        Arc::new(BooleanArray::from(flags)),
        Arc::new(Int64Array::from(numbers)),
        Arc::new(Int32Array::from(Vec::<i32>::new())),
    ];
    children.extend(kinds().iter().skip(children.len()).map(|field| new_empty_array(field.data_type())));
    let values = UnionArray::try_new(fields, kinds_of.into(), Some(offsets.into()), children)?;
    RecordBatch::try_new(schema(), vec![Arc::new(UInt32Array::from(names)), Arc::new(values)])
}

/// Adds a value and says where it is.
fn push<T>(values: &mut Vec<T>, value: T) -> i32 {
    values.push(value);
    i32::try_from(values.len()).unwrap_or(i32::MAX) - 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow::util::pretty::pretty_format_batches;

    use super::*;

    #[test]
    fn wanted_or_all() {
        assert_eq!(rows(&[]).unwrap().num_rows(), INFOS.len());
        let some = pretty_format_batches(&[rows(&[3, 0, 507, 99_999]).unwrap()]).unwrap().to_string();
        let lines: Vec<&str> = some.lines().filter(|line| line.contains('{')).collect();
        assert_eq!(lines.len(), 3, "{some}");
        assert!(lines[0].contains("0 ") && lines[0].contains("{string_value=Freshet}"), "{some}");
        assert!(lines[1].contains("{bool_value=true}") && lines[2].contains("{bigint_value=0}"), "{some}");
    }
}

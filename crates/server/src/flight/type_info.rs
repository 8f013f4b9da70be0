//! The types of columns as `GetXdbcTypeInfo` tells them to ODBC and JDBC: the numbers are those of FlightSql.proto.

use std::sync::Arc;

use arrow::array::builder::{ListBuilder, StringBuilder};
use arrow::array::{ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

/// A type: its name, its number, digits or bits, what stands around a literal, and whether it has no sign.
struct TypeInfo {
    name: &'static str,
    number: i32,
    size: Option<i32>,
    quote: Option<&'static str>,
    unsigned: Option<bool>,
}

const fn number(name: &'static str, number: i32, bits: i32, unsigned: bool) -> TypeInfo {
    TypeInfo { name, number, size: Some(bits), quote: None, unsigned: Some(unsigned) }
}

/// In order of their numbers, as is prescribed.
const TYPES: [TypeInfo; 6] = [
    TypeInfo { name: "BOOLEAN", number: -7, size: Some(1), quote: None, unsigned: None },
    number("BIGINT", -5, 64, false),
    number("BIGINT UNSIGNED", -5, 64, true),
    number("DOUBLE", 8, 53, false),
    TypeInfo { name: "VARCHAR", number: 12, size: None, quote: Some("'"), unsigned: None },
    TypeInfo { name: "TIMESTAMP", number: 93, size: Some(29), quote: Some("'"), unsigned: None },
];

/// The columns of the answer.
pub(super) fn schema() -> SchemaRef {
    let field = |name: &str, data_type, nullable| Field::new(name, data_type, nullable);
    let texts = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, false)));
    Arc::new(Schema::new(vec![
        field("type_name", DataType::Utf8, false),
        field("data_type", DataType::Int32, false),
        field("column_size", DataType::Int32, true),
        field("literal_prefix", DataType::Utf8, true),
        field("literal_suffix", DataType::Utf8, true),
        field("create_params", texts, true),
        field("nullable", DataType::Int32, false),
        field("case_sensitive", DataType::Boolean, false),
        field("searchable", DataType::Int32, false),
        field("unsigned_attribute", DataType::Boolean, true),
        field("fixed_prec_scale", DataType::Boolean, false),
        field("auto_increment", DataType::Boolean, true),
        field("local_type_name", DataType::Utf8, true),
        field("minimum_scale", DataType::Int32, true),
        field("maximum_scale", DataType::Int32, true),
        field("sql_data_type", DataType::Int32, false),
        field("datetime_subcode", DataType::Int32, true),
        field("num_prec_radix", DataType::Int32, true),
        field("interval_precision", DataType::Int32, true),
    ]))
}

/// The types of this number, or all.
pub(super) fn rows(wanted: Option<i32>) -> Result<RecordBatch, ArrowError> {
    /// Nulls are allowed, and a column may stand in any condition.
    const NULLABLE: i32 = 1;
    const SEARCHABLE: i32 = 3;
    let types: Vec<&TypeInfo> = TYPES.iter().filter(|info| wanted.is_none_or(|number| number == info.number)).collect();
    let texts = |text: fn(&TypeInfo) -> Option<&'static str>| -> ArrayRef {
        Arc::new(types.iter().map(|info| text(info)).collect::<StringArray>())
    };
    let numbers = |number: fn(&TypeInfo) -> Option<i32>| -> ArrayRef {
        Arc::new(types.iter().map(|info| number(info)).collect::<Int32Array>())
    };
    let flags = |flag: fn(&TypeInfo) -> Option<bool>| -> ArrayRef {
        Arc::new(types.iter().map(|info| flag(info)).collect::<BooleanArray>())
    };
    let schema = schema();
    let mut parameters =
        ListBuilder::new(StringBuilder::new()).with_field(Arc::new(Field::new_list_field(DataType::Utf8, false)));
    types.iter().for_each(|_| parameters.append(false));
    let null = |index: usize| new_null_array(schema.field(index).data_type(), types.len());
    let columns: Vec<ArrayRef> = vec![
        texts(|info| Some(info.name)),
        numbers(|info| Some(info.number)),
        numbers(|info| info.size),
        texts(|info| info.quote),
        texts(|info| info.quote),
        Arc::new(parameters.finish()),
        numbers(|_| Some(NULLABLE)),
        flags(|info| Some(info.quote.is_some())),
        numbers(|_| Some(SEARCHABLE)),
        flags(|info| info.unsigned),
        flags(|_| Some(false)),
        flags(|_| None),
        texts(|info| Some(info.name)),
        null(13),
        null(14),
        numbers(|info| Some(info.number)),
        null(16),
        numbers(|info| info.unsigned.map(|_| 2)),
        null(18),
    ];
    RecordBatch::try_new(Arc::clone(&schema), columns)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn by_number_or_all() {
        assert_eq!(rows(None).unwrap().num_rows(), TYPES.len());
        assert_eq!(rows(Some(-5)).unwrap().num_rows(), 2);
        assert_eq!(rows(Some(4711)).unwrap().num_rows(), 0);
        assert!(TYPES.is_sorted_by_key(|info| info.number));
    }
}

//! Rows that are read: columns of Arrow from a scan, or of the rows of a subquery, behind one way to look at a cell.

use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BooleanArray, DictionaryArray, Float64Array, Int64Array, RecordBatch,
    StringArray, UInt64Array,
};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type};

use super::value::{Kind, Scalar, Value};

/// One column of some rows.
#[derive(Debug, Clone)]
pub(super) enum Column {
    /// Null in every row.
    Absent,
    Float(Float64Array),
    Integer(Int64Array),
    Unsigned(UInt64Array),
    Boolean(BooleanArray),
    Text(StringArray),
    /// Keys and their texts.
    Tag(DictionaryArray<Int32Type>, StringArray),
    /// The same text in every row.
    Constant(Arc<str>),
    /// The values of a subquery.
    Values(Vec<Value>),
}

impl Column {
    /// A column of a scan.
    pub(super) fn from_array(array: &ArrayRef) -> Self {
        use arrow::datatypes::DataType;
        match array.data_type() {
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().clone()),
            DataType::Int64 => Self::Integer(array.as_primitive::<Int64Type>().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::Utf8 => Self::Text(array.as_string::<i32>().clone()),
            DataType::Dictionary(..) => match array.as_dictionary_opt::<Int32Type>() {
                Some(tags) => match tags.values().as_string_opt::<i32>() {
                    Some(texts) => Self::Tag(tags.clone(), texts.clone()),
                    None => Self::Absent,
                },
                None => Self::Absent,
            },
            _ => Self::Absent,
        }
    }

    /// The value in a row.
    pub(super) fn get(&self, row: usize) -> Scalar<'_> {
        match self {
            Self::Absent => Scalar::Null,
            Self::Float(array) if array.is_valid(row) => Scalar::Float(array.value(row)),
            Self::Integer(array) if array.is_valid(row) => Scalar::Integer(array.value(row)),
            Self::Unsigned(array) if array.is_valid(row) => Scalar::Unsigned(array.value(row)),
            Self::Boolean(array) if array.is_valid(row) => Scalar::Boolean(array.value(row)),
            Self::Text(array) if array.is_valid(row) => Scalar::Text(array.value(row)),
            Self::Tag(keys, texts) => match keys.key(row) {
                Some(key) if texts.is_valid(key) => Scalar::Text(texts.value(key)),
                _ => Scalar::Null,
            },
            Self::Constant(text) => Scalar::Text(text),
            Self::Values(values) => values.get(row).map_or(Scalar::Null, Value::as_scalar),
            _ => Scalar::Null,
        }
    }

    /// Whether two rows of a tag have the same value, which costs no comparison of texts where the keys are the same.
    pub(super) fn same_tag(&self, left: usize, right: usize) -> bool {
        match self {
            Self::Tag(keys, _) if keys.key(left) == keys.key(right) => true,
            Self::Constant(_) | Self::Absent => true,
            _ => self.get(left) == self.get(right),
        }
    }
}

/// A column that a query reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub(super) name: String,
    /// What it is taken for; none is what nobody knows.
    pub(super) kind: Option<Kind>,
}

/// Some rows of one source.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) times: Vec<i64>,
    /// One for each slot.
    pub(super) columns: Vec<Column>,
    /// One for each tag of `GROUP BY`.
    pub(super) groups: Vec<Column>,
    /// All tags of the series in order of their names, where the order of series matters.
    pub(super) series: Vec<Column>,
}

impl Chunk {
    /// The times of a batch.
    pub(super) fn times_of(batch: &RecordBatch, index: usize) -> Vec<i64> {
        batch
            .column(index)
            .as_primitive_opt::<TimestampNanosecondType>()
            .map_or_else(Vec::new, |times| times.values().to_vec())
    }

    /// The runs of rows that have the same tags in `columns`.
    pub(super) fn runs(&self, columns: &[Column]) -> Vec<(usize, usize)> {
        let mut runs = Vec::new();
        let mut start = 0;
        for row in 1..self.times.len() {
            if !columns.iter().all(|column| column.same_tag(row - 1, row)) {
                runs.push((start, row));
                start = row;
            }
        }
        if start < self.times.len() {
            runs.push((start, self.times.len()));
        }
        runs
    }
}

/// The texts of tags in a row; one that is missing is empty.
pub(super) fn tag_values(columns: &[Column], row: usize) -> Vec<Arc<str>> {
    let text = |column: &Column| match column {
        Column::Constant(text) => Arc::clone(text),
        column => match column.get(row) {
            Scalar::Text(text) => Arc::from(text),
            _ => Arc::from(""),
        },
    };
    columns.iter().map(text).collect()
}

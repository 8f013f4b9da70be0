//! From the columns that sources and merge work with to the columns that a query asked for.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use crate::ids::ColumnId;
use crate::table::{TableSchema, arrow_type, time_type};

/// Some rows: columns in an agreed order, and their number, since there may be no column.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) len: usize,
}

impl Rows {
    pub(super) fn slice(&self, offset: usize, len: usize) -> Self {
        Self { columns: self.columns.iter().map(|column| column.slice(offset, len)).collect(), len }
    }

    /// The columns at `indices` as a batch of `schema`.
    pub(super) fn into_batch(self, indices: &[usize], schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let columns = indices.iter().map(|index| ArrayRef::clone(&self.columns[*index])).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.len));
        RecordBatch::try_new_with_options(SchemaRef::clone(schema), columns, &options)
    }
}

/// The type of a column's values; text for one that the table does not know, which is then null in every row.
pub(super) fn column_type(schema: &TableSchema, column: ColumnId) -> DataType {
    if column == ColumnId::TIME {
        return time_type();
    }
    schema.column(column).map_or(DataType::Utf8, |column| arrow_type(column.kind))
}

/// `len` nulls of a column's type.
pub(super) fn nulls(schema: &Arc<TableSchema>, column: ColumnId, len: usize) -> ArrayRef {
    new_null_array(&column_type(schema, column), len)
}

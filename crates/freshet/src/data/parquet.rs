//! Parquet to line protocol, batch by batch. Files of Freshet say in their footers what their columns are; of others
//! the dictionaries are tags and the rest fields, unless the options say otherwise.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Float64Type, Int64Type, Schema, TimeUnit, TimestampNanosecondType, UInt64Type,
};
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use storage::flush::footer::decode_table;
use storage::{ColumnKind, FieldKind, line_text};

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParquetError {
    #[error("cannot be opened: {0}")]
    Open(#[from] std::io::Error),
    #[error(transparent)]
    Parquet(#[from] parquet::errors::ParquetError),
    #[error(transparent)]
    Arrow(#[from] arrow::error::ArrowError),
    #[error("Freshet did not write it: give --measurement")]
    NoMeasurement,
    #[error("it has no column \"time\"")]
    NoTime,
    #[error("column {name:?} has the type {found}, which no tag or field can have")]
    Type { name: String, found: DataType },
    #[error("column {0:?} is unknown to the file's own footer")]
    Footer(String),
}

/// A column on its way into lines.
struct Column {
    index: usize,
    /// As it is written in a line.
    key: String,
    kind: ColumnKind,
}

/// The rows of a file as lines.
pub(crate) struct ParquetLines {
    batches: ParquetRecordBatchReader,
    measurement: String,
    time: usize,
    columns: Vec<Column>,
}

impl ParquetLines {
    /// Opens a file. `measurement` and `tags` count for files that Freshet did not write.
    pub(crate) fn open(
        path: &Path,
        measurement: Option<&str>,
        tags: &[String],
        batch_rows: usize,
    ) -> Result<Self, ParquetError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.with_batch_size(batch_rows);
        let schema = Arc::clone(builder.schema());
        let time = schema.index_of("time").map_err(|_| ParquetError::NoTime)?;
        let (measurement, columns) = match decode_table(builder.metadata().file_metadata()) {
            Ok((name, known)) => {
                let column = |(index, field): (usize, &Arc<Field>)| {
                    let id: Option<i64> =
                        field.metadata().get(PARQUET_FIELD_ID_META_KEY).and_then(|text| text.parse().ok());
                    let found = known.iter().find(|column| Some(column.id.0) == id);
                    let found = found.ok_or_else(|| ParquetError::Footer(field.name().clone()))?;
                    Ok(Column { index, key: key(&found.name), kind: found.kind })
                };
                (name, others(&schema, time).map(column).collect::<Result<_, ParquetError>>()?)
            }
            Err(_) => {
                let name = measurement.ok_or(ParquetError::NoMeasurement)?.to_owned();
                let column = |(index, field): (usize, &Arc<Field>)| {
                    let kind = guess(field, tags)?;
                    Ok(Column { index, key: key(field.name()), kind })
                };
                (name, others(&schema, time).map(column).collect::<Result<_, ParquetError>>()?)
            }
        };
        let mut head = String::new();
        line_text::push_measurement(&mut head, &measurement);
        Ok(Self { batches: builder.build()?, measurement: head, time, columns })
    }

    /// The next rows: of each its line, or why it is no point; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Result<String, &'static str>>>, ParquetError> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        self.lines(&batch?).map(Some)
    }

    fn lines(&self, batch: &RecordBatch) -> Result<Vec<Result<String, &'static str>>, ParquetError> {
        let nanoseconds = DataType::Timestamp(TimeUnit::Nanosecond, None);
        let times = cast(batch.column(self.time), &nanoseconds)?;
        let times = times.as_primitive::<TimestampNanosecondType>();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            arrays.push(cast(batch.column(column.index), &plain_type(column.kind))?);
        }
        let line = |row: usize| {
            if times.is_null(row) {
                return Err("the time is missing");
            }
            let mut line = self.measurement.clone();
            for (column, array) in self.columns.iter().zip(&arrays).filter(|(column, _)| column.kind == ColumnKind::Tag)
            {
                let value = array.as_string::<i32>();
                if value.is_valid(row) && !value.value(row).is_empty() {
                    line.push(',');
                    line.push_str(&column.key);
                    line.push('=');
                    line_text::push_name(&mut line, value.value(row));
                }
            }
            let mut separator = ' ';
            for (column, array) in self.columns.iter().zip(&arrays) {
                if let ColumnKind::Field(kind) = column.kind
                    && array.is_valid(row)
                {
                    line.push(separator);
                    line.push_str(&column.key);
                    line.push('=');
                    push_field(&mut line, kind, array, row)?;
                    separator = ',';
                }
            }
            if separator == ' ' {
                return Err("there is no value of a field");
            }
            line.push_str(&format!(" {}", times.value(row)));
            Ok(line)
        };
        Ok((0..batch.num_rows()).map(line).collect())
    }
}

fn others(schema: &Schema, time: usize) -> impl Iterator<Item = (usize, &Arc<Field>)> {
    schema.fields().iter().enumerate().filter(move |(index, _)| *index != time)
}

fn key(name: &str) -> String {
    let mut key = String::new();
    line_text::push_name(&mut key, name);
    key
}

fn plain_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Tag | ColumnKind::Field(FieldKind::String) => DataType::Utf8,
        ColumnKind::Field(FieldKind::Float) => DataType::Float64,
        ColumnKind::Field(FieldKind::Integer) => DataType::Int64,
        ColumnKind::Field(FieldKind::Unsigned) => DataType::UInt64,
        ColumnKind::Field(FieldKind::Boolean) => DataType::Boolean,
    }
}

/// What a column of somebody else's file is.
fn guess(field: &Field, tags: &[String]) -> Result<ColumnKind, ParquetError> {
    let is_tag = tags.contains(field.name());
    Ok(match field.data_type() {
        DataType::Dictionary(_, values) if matches!(**values, DataType::Utf8 | DataType::LargeUtf8) => ColumnKind::Tag,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View if is_tag => ColumnKind::Tag,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ColumnKind::Field(FieldKind::String),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnKind::Field(FieldKind::Float),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnKind::Field(FieldKind::Integer),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            ColumnKind::Field(FieldKind::Unsigned)
        }
        DataType::Boolean => ColumnKind::Field(FieldKind::Boolean),
        found => return Err(ParquetError::Type { name: field.name().clone(), found: found.clone() }),
    })
}

fn push_field(line: &mut String, kind: FieldKind, array: &ArrayRef, row: usize) -> Result<(), &'static str> {
    match kind {
        FieldKind::Float => {
            let value = array.as_primitive::<Float64Type>().value(row);
            if !value.is_finite() {
                return Err("a float is not finite, which no point can have");
            }
            line_text::push_float(line, value);
        }
        FieldKind::Integer => line.push_str(&format!("{}i", array.as_primitive::<Int64Type>().value(row))),
        FieldKind::Unsigned => line.push_str(&format!("{}u", array.as_primitive::<UInt64Type>().value(row))),
        FieldKind::Boolean => line.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        FieldKind::String => line_text::push_string(line, array.as_string::<i32>().value(row)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow::array::{Float32Array, Int32Array, StringArray, TimestampMicrosecondArray};
    use parquet::arrow::ArrowWriter;

    use super::*;

    #[test]
    fn a_foreign_file_is_read_by_its_types() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("time", Arc::new(TimestampMicrosecondArray::from(vec![Some(-1), None, Some(2), Some(3)]))),
            ("host", Arc::new(StringArray::from(vec!["a b", "x", "y", "z"]))),
            ("note", Arc::new(StringArray::from(vec![Some(""), None, None, None]))),
            ("n", Arc::new(Int32Array::from(vec![Some(7), Some(1), None, None]))),
            ("f", Arc::new(Float32Array::from(vec![Some(0.5), Some(1.0), None, Some(f32::NAN)]))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        assert!(matches!(ParquetLines::open(&path, None, &[], 10), Err(ParquetError::NoMeasurement)));
        let mut lines = ParquetLines::open(&path, Some("m"), &["host".to_owned()], 10).unwrap();
        assert_eq!(
            lines.next().unwrap().unwrap(),
            [
                Ok("m,host=a\\ b note=\"\",n=7i,f=0.5 -1000".to_owned()),
                Err("the time is missing"),
                Err("there is no value of a field"),
                Err("a float is not finite, which no point can have"),
            ]
        );
        assert!(lines.next().unwrap().is_none());
    }
}

//! Whole measurements on their way out, so that what is read back is what was stored: line protocol, annotated CSV, or
//! Parquet with our keys in its footer.
//!
//! Annotated CSV is that of `influx write`: a block for each measurement, with a row of types, a row of names, and an
//! empty line behind it. An empty string is two quotation marks; nothing between two commas is no value.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float64Type, Int32Type, Int64Type, Schema, SchemaRef, TimestampNanosecondType, UInt64Type,
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use storage::line_text;
use storage::{ColumnKind, FieldKind, TableSnapshot};

use super::EncodeError;

/// Rows of a row group.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    /// Line protocol, times in nanoseconds.
    LineProtocol,
    /// Annotated CSV.
    Csv,
    /// One Parquet file of one measurement.
    Parquet,
}

impl ExportFormat {
    /// The format of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "lp" => Some(Self::LineProtocol),
            "csv" => Some(Self::Csv),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::LineProtocol => "text/plain; charset=utf-8",
            Self::Csv => "text/csv",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// A column of the rows: what it holds, and its name as it was written.
struct Column {
    name: String,
    kind: ColumnKind,
}

/// Turns the rows of tables into bytes, table after table.
pub(crate) struct Exporter {
    format: ExportFormat,
    table: Option<(Arc<TableSnapshot>, Vec<Column>)>,
    parquet: Option<ArrowWriter<Vec<u8>>>,
    schema: SchemaRef,
}

impl Exporter {
    pub(crate) fn new(format: ExportFormat) -> Self {
        Self { format, table: None, parquet: None, schema: Arc::new(Schema::empty()) }
    }

    /// Begins a table, and ends the one before.
    pub(crate) fn begin(&mut self, table: &Arc<TableSnapshot>) -> Result<Bytes, EncodeError> {
        let is_first = self.table.is_none();
        let columns = (1..table.schema().fields().len()).filter_map(|index| table.column(index));
        let columns: Vec<Column> =
            columns.map(|column| Column { name: column.name.clone(), kind: column.kind }).collect();
        let bytes = match self.format {
            ExportFormat::LineProtocol => Bytes::new(),
            ExportFormat::Csv => csv_head(&columns, is_first).into(),
            ExportFormat::Parquet => {
                self.begin_parquet(table)?;
                Bytes::new()
            }
        };
        self.table = Some((Arc::clone(table), columns));
        Ok(bytes)
    }

    /// The rows of a batch of the table.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, EncodeError> {
        let Some((table, columns)) = &self.table else { return Ok(Bytes::new()) };
        let measurement = &table.table_schema().measurement;
        Ok(match self.format {
            ExportFormat::LineProtocol => lines(measurement, columns, batch).into(),
            ExportFormat::Csv => csv_rows(measurement, columns, batch).into(),
            ExportFormat::Parquet => {
                let Some(writer) = &mut self.parquet else { return Ok(Bytes::new()) };
                writer.write(&RecordBatch::try_new(Arc::clone(&self.schema), batch.columns().to_vec())?)?;
                std::mem::take(writer.inner_mut()).into()
            }
        })
    }

    /// The end of everything.
    pub(crate) fn finish(&mut self) -> Result<Bytes, EncodeError> {
        match self.parquet.take() {
            Some(writer) => Ok(writer.into_inner()?.into()),
            None => Ok(Bytes::new()),
        }
    }

    fn begin_parquet(&mut self, table: &Arc<TableSnapshot>) -> Result<(), EncodeError> {
        let schema = table.schema();
        let with_id = |(index, field): (usize, &Arc<arrow::datatypes::Field>)| {
            let id = table.column(index).map_or(1, |column| column.id.0);
            let metadata = [("PARQUET:field_id".to_owned(), id.to_string())];
            field.as_ref().clone().with_metadata(metadata.into())
        };
        self.schema = Arc::new(Schema::new(schema.fields().iter().enumerate().map(with_id).collect::<Vec<_>>()));
        let keys = storage::flush::footer::encode_table(table.table_schema())?;
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .set_key_value_metadata(Some(keys))
            .build();
        self.parquet = Some(ArrowWriter::try_new(Vec::new(), Arc::clone(&self.schema), Some(properties))?);
        Ok(())
    }
}

/// The text of a tag in a row, if it has one.
fn tag_text(array: &ArrayRef, row: usize) -> Option<&str> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::Dictionary(..) => {
            let dictionary = array.as_dictionary_opt::<Int32Type>()?;
            let key = dictionary.key(row)?;
            Some(dictionary.values().as_string_opt::<i32>()?.value(key))
        }
        _ => Some(array.as_string_opt::<i32>()?.value(row)),
    }
}

fn time(batch: &RecordBatch, row: usize) -> i64 {
    batch.column(0).as_primitive::<TimestampNanosecondType>().value(row)
}

fn lines(measurement: &str, columns: &[Column], batch: &RecordBatch) -> String {
    let mut text = String::new();
    let mut head = String::new();
    line_text::push_measurement(&mut head, measurement);
    let keys: Vec<String> = columns
        .iter()
        .map(|column| {
            let mut key = String::new();
            line_text::push_name(&mut key, &column.name);
            key
        })
        .collect();
    for row in 0..batch.num_rows() {
        let start = text.len();
        text.push_str(&head);
        let cells = || columns.iter().zip(&keys).zip(batch.columns().iter().skip(1));
        for ((column, key), array) in cells() {
            if column.kind == ColumnKind::Tag
                && let Some(value) = tag_text(array, row).filter(|value| !value.is_empty())
            {
                let _ = write!(text, ",{key}=");
                line_text::push_name(&mut text, value);
            }
        }
        let mut separator = ' ';
        for ((column, key), array) in cells() {
            if let ColumnKind::Field(kind) = column.kind
                && array.is_valid(row)
            {
                let _ = write!(text, "{separator}{key}=");
                push_field(&mut text, kind, array, row);
                separator = ',';
            }
        }
        if separator == ' ' {
            // Without a value there is no point.
            text.truncate(start);
            continue;
        }
        let _ = writeln!(text, " {}", time(batch, row));
    }
    text
}

fn push_field(text: &mut String, kind: FieldKind, array: &ArrayRef, row: usize) {
    let _ = match kind {
        FieldKind::Float => {
            line_text::push_float(text, array.as_primitive::<Float64Type>().value(row));
            Ok(())
        }
        FieldKind::Integer => write!(text, "{}i", array.as_primitive::<Int64Type>().value(row)),
        FieldKind::Unsigned => write!(text, "{}u", array.as_primitive::<UInt64Type>().value(row)),
        FieldKind::Boolean => write!(text, "{}", array.as_boolean().value(row)),
        FieldKind::String => {
            line_text::push_string(text, array.as_string::<i32>().value(row));
            Ok(())
        }
    };
}

/// The rows of types and of names. Time comes last, as in the examples of `influx write`.
fn csv_head(columns: &[Column], is_first: bool) -> String {
    let mut text = String::from(if is_first { "" } else { "\n" });
    text.push_str("#datatype measurement");
    for column in columns {
        text.push_str(match column.kind {
            ColumnKind::Tag => ",tag",
            ColumnKind::Field(FieldKind::Float) => ",double",
            ColumnKind::Field(FieldKind::Integer) => ",long",
            ColumnKind::Field(FieldKind::Unsigned) => ",unsignedLong",
            ColumnKind::Field(FieldKind::Boolean) => ",boolean",
            ColumnKind::Field(FieldKind::String) => ",string",
        });
    }
    text.push_str(",dateTime:number\n_measurement");
    for column in columns {
        text.push(',');
        push_cell(&mut text, &column.name);
    }
    text.push_str(",time\n");
    text
}

fn csv_rows(measurement: &str, columns: &[Column], batch: &RecordBatch) -> String {
    let mut text = String::new();
    let mut head = String::new();
    push_cell(&mut head, measurement);
    for row in 0..batch.num_rows() {
        text.push_str(&head);
        for (column, array) in columns.iter().zip(batch.columns().iter().skip(1)) {
            text.push(',');
            if array.is_null(row) {
                continue;
            }
            let _ = match column.kind {
                ColumnKind::Tag => {
                    push_cell(&mut text, tag_text(array, row).unwrap_or_default());
                    Ok(())
                }
                ColumnKind::Field(FieldKind::Float) => {
                    line_text::push_float(&mut text, array.as_primitive::<Float64Type>().value(row));
                    Ok(())
                }
                ColumnKind::Field(FieldKind::Integer) => {
                    write!(text, "{}", array.as_primitive::<Int64Type>().value(row))
                }
                ColumnKind::Field(FieldKind::Unsigned) => {
                    write!(text, "{}", array.as_primitive::<UInt64Type>().value(row))
                }
                ColumnKind::Field(FieldKind::Boolean) => write!(text, "{}", array.as_boolean().value(row)),
                ColumnKind::Field(FieldKind::String) => {
                    push_cell(&mut text, array.as_string::<i32>().value(row));
                    Ok(())
                }
            };
        }
        let _ = writeln!(text, ",{}", time(batch, row));
    }
    text
}

/// A text that a reader of CSV takes for the same text; one that is empty, or could be an annotation, is in quotation
/// marks.
fn push_cell(text: &mut String, value: &str) {
    let is_plain = !value.is_empty() && !value.starts_with('#') && !value.contains([',', '"', '\r', '\n', ' ']);
    if is_plain {
        text.push_str(value);
    } else {
        let _ = write!(text, "\"{}\"", value.replace('"', "\"\""));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow::array::{DictionaryArray, Float64Array, StringArray, TimestampNanosecondArray, UInt64Array};
    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    fn batch() -> (Vec<Column>, RecordBatch) {
        let column = |name: &str, kind| Column { name: name.to_owned(), kind };
        let columns = vec![
            column("a b", ColumnKind::Tag),
            column("f", ColumnKind::Field(FieldKind::Float)),
            column("s,=", ColumnKind::Field(FieldKind::String)),
            column("u", ColumnKind::Field(FieldKind::Unsigned)),
        ];
        let tags: DictionaryArray<Int32Type> = [Some("x=1, \"y\""), None, None].into_iter().collect();
        let arrays: Vec<ArrayRef> = vec![
            Arc::new(TimestampNanosecondArray::from(vec![-5, 7, 8])),
            Arc::new(tags),
            Arc::new(Float64Array::from(vec![Some(1.5), None, None])),
            Arc::new(StringArray::from(vec![Some(""), Some("#q\"\\\n"), None])),
            Arc::new(UInt64Array::from(vec![None, Some(u64::MAX), None])),
        ];
        let time = Field::new("time", DataType::Timestamp(TimeUnit::Nanosecond, None), false);
        let others = arrays.iter().skip(1).zip(["t", "f", "s", "u"]);
        let fields = others.map(|(array, name)| Field::new(name, array.data_type().clone(), true));
        let schema = Schema::new(std::iter::once(time).chain(fields).collect::<Vec<_>>());
        (columns, RecordBatch::try_new(Arc::new(schema), arrays).unwrap())
    }

    #[test]
    fn line_protocol_escapes_and_leaves_out_rows_without_a_value() {
        let (columns, batch) = batch();
        assert_eq!(
            lines("m ,", &columns, &batch),
            "m\\ \\,,a\\ b=x\\=1\\,\\ \"y\" f=1.5,s\\,\\==\"\" -5\n\
             m\\ \\, s\\,\\==\"#q\\\"\\\\\n\",u=18446744073709551615u 7\n"
        );
    }

    #[test]
    fn csv_tells_an_empty_string_from_none() {
        let (columns, batch) = batch();
        assert_eq!(
            csv_head(&columns, true) + &csv_rows("m", &columns, &batch),
            "#datatype measurement,tag,double,string,unsignedLong,dateTime:number\n\
             _measurement,\"a b\",f,\"s,=\",u,time\n\
             m,\"x=1, \"\"y\"\"\",1.5,\"\",,-5\nm,,,\"#q\"\"\\\n\",18446744073709551615,7\nm,,,,,8\n"
        );
        assert!(csv_head(&columns, false).starts_with("\n#datatype"));
    }
}

//! The formats that are text: JSON, JSON lines, CSV and the table for people.

use arrow::csv::Writer as CsvWriter;
use arrow::csv::WriterBuilder as CsvWriterBuilder;
use arrow::datatypes::SchemaRef;
use arrow::json::writer::{JsonArray, LineDelimited, Writer as JsonWriter};
use arrow::record_batch::RecordBatch;
use arrow::util::pretty::pretty_format_batches_with_schema;
use bytes::Bytes;

use super::{Encode, EncodeError};

/// JSON in both shapes. Null values leave their key out, and a time is `2024-01-01T00:00:00` with its fraction.
pub(super) enum JsonEncoder {
    /// `[{…},{…}]`
    Array(JsonWriter<Vec<u8>, JsonArray>),
    /// `{…}\n{…}\n`
    Lines(JsonWriter<Vec<u8>, LineDelimited>),
}

impl JsonEncoder {
    pub(super) fn array() -> Self {
        Self::Array(JsonWriter::new(Vec::new()))
    }

    pub(super) fn lines() -> Self {
        Self::Lines(JsonWriter::new(Vec::new()))
    }

    fn take(&mut self) -> Bytes {
        let buffer = match self {
            Self::Array(writer) => writer.get_mut(),
            Self::Lines(writer) => writer.get_mut(),
        };
        std::mem::take(buffer).into()
    }
}

impl Encode for JsonEncoder {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, EncodeError> {
        match self {
            Self::Array(writer) => writer.write(batch)?,
            Self::Lines(writer) => writer.write(batch)?,
        }
        Ok(self.take())
    }

    fn finish(&mut self) -> Result<Bytes, EncodeError> {
        match self {
            Self::Array(writer) => writer.finish()?,
            Self::Lines(writer) => writer.finish()?,
        }
        Ok(self.take())
    }
}

/// CSV with a header row, which is there even if no row is.
pub(super) struct CsvEncoder {
    schema: SchemaRef,
    has_header: bool,
}

impl CsvEncoder {
    pub(super) fn new(schema: &SchemaRef) -> Self {
        Self { schema: SchemaRef::clone(schema), has_header: false }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<Bytes, EncodeError> {
        let mut bytes = Vec::new();
        let header = !std::mem::replace(&mut self.has_header, true);
        let mut writer: CsvWriter<&mut Vec<u8>> = CsvWriterBuilder::new().with_header(header).build(&mut bytes);
        writer.write(batch)?;
        drop(writer);
        Ok(bytes.into())
    }
}

impl Encode for CsvEncoder {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, EncodeError> {
        self.write(batch)
    }

    fn finish(&mut self) -> Result<Bytes, EncodeError> {
        if self.has_header {
            return Ok(Bytes::new());
        }
        self.write(&RecordBatch::new_empty(SchemaRef::clone(&self.schema)))
    }
}

/// A table with borders. It holds all batches until the end, up to its limit.
pub(super) struct PrettyEncoder {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    bytes: u64,
    limit_bytes: u64,
}

impl PrettyEncoder {
    pub(super) fn new(schema: &SchemaRef, limit_bytes: u64) -> Self {
        Self { schema: SchemaRef::clone(schema), batches: Vec::new(), bytes: 0, limit_bytes }
    }
}

impl Encode for PrettyEncoder {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, EncodeError> {
        self.bytes += batch.get_array_memory_size() as u64;
        if self.bytes > self.limit_bytes {
            return Err(EncodeError::TooLarge { limit_bytes: self.limit_bytes });
        }
        self.batches.push(batch.clone());
        Ok(Bytes::new())
    }

    fn finish(&mut self) -> Result<Bytes, EncodeError> {
        let table = pretty_format_batches_with_schema(SchemaRef::clone(&self.schema), &self.batches)?;
        Ok(table.to_string().into())
    }
}

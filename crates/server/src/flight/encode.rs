//! Batches as messages of Flight: Arrow's IPC format, without dictionaries and views, which not every client reads.
//!
//! Columns say in their metadata what InfluxDB 3 says of them (`iox::column::type`): clients make points out of rows by
//! it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array as _, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::{
    DictionaryTracker, EncodedData, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message,
};
use bytes::Bytes;

use super::wire::Message;
use crate::limits::FLIGHT_MESSAGE_BYTES;

/// The key of a column's kind in its metadata.
const COLUMN_TYPE: &str = "iox::column::type";

/// The schema as it is sent.
pub(super) fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let plain = Field::new(field.name(), plain_type(field.data_type()), field.is_nullable());
            match column_type(field) {
                Some(kind) => plain.with_metadata(HashMap::from([(COLUMN_TYPE.to_owned(), kind.to_owned())])),
                None => plain,
            }
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// What InfluxDB 3 calls a column of this type. Only tags are dictionaries.
fn column_type(field: &Field) -> Option<&'static str> {
    Some(match field.data_type() {
        DataType::Dictionary(..) => "iox::column_type::tag",
        DataType::Timestamp(..) if field.name() == "time" => "iox::column_type::timestamp",
        DataType::Float64 => "iox::column_type::field::float",
        DataType::Int64 => "iox::column_type::field::integer",
        DataType::UInt64 => "iox::column_type::field::uinteger",
        DataType::Utf8 | DataType::Utf8View => "iox::column_type::field::string",
        DataType::Boolean => "iox::column_type::field::boolean",
        _ => return None,
    })
}

fn plain_type(data_type: &DataType) -> DataType {
    let plain = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(plain_type(field.data_type())));
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(field) | DataType::ListView(field) => DataType::List(plain(field)),
        DataType::LargeList(field) | DataType::LargeListView(field) => DataType::LargeList(plain(field)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain).collect()),
        other => other.clone(),
    }
}

/// A schema on its own, as messages carry it: Arrow's encapsulated format.
pub(super) fn schema_bytes(schema: &Schema) -> Result<Vec<u8>, ArrowError> {
    let mut bytes = Vec::new();
    write_message(&mut bytes, schema_data(schema, &mut DictionaryTracker::new(false)), &IpcWriteOptions::default())?;
    Ok(bytes)
}

fn schema_data(schema: &Schema, tracker: &mut DictionaryTracker) -> EncodedData {
    IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(schema, tracker, &IpcWriteOptions::default())
}

/// A message of Flight around one of Arrow's.
fn flight_data(data: &EncodedData) -> Bytes {
    Message::new().bytes(2, &data.ipc_message).bytes(1000, &data.arrow_data).into_bytes()
}

/// Turns the batches of one answer into messages.
pub(super) struct Encoder {
    schema: SchemaRef,
    tracker: DictionaryTracker,
    context: IpcWriteContext,
    options: IpcWriteOptions,
}

impl Encoder {
    /// An encoder for batches of this schema, and the message that has to come before them.
    pub(super) fn new(schema: &Schema) -> (Self, Bytes) {
        let schema = plain_schema(schema);
        let mut tracker = DictionaryTracker::new(false);
        let first = flight_data(&schema_data(&schema, &mut tracker));
        let (context, options) = (IpcWriteContext::default(), IpcWriteOptions::default());
        (Self { schema, tracker, context, options }, first)
    }

    /// The messages of a batch: several if it is large, none if it is empty.
    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<Vec<Bytes>, ArrowError> {
        let plain = |(array, field): (&arrow::array::ArrayRef, &FieldRef)| {
            if array.data_type() == field.data_type() { Ok(Arc::clone(array)) } else { cast(array, field.data_type()) }
        };
        let columns = batch.columns().iter().zip(self.schema.fields()).map(plain).collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        let mut size_bytes = 0;
        for column in batch.columns() {
            size_bytes += column.to_data().get_slice_memory_size()?;
        }
        let pieces = size_bytes.div_ceil(FLIGHT_MESSAGE_BYTES).max(1);
        let rows = batch.num_rows().div_ceil(pieces).max(1);
        let mut messages = Vec::with_capacity(pieces);
        for start in (0..batch.num_rows()).step_by(rows) {
            let piece = batch.slice(start, rows.min(batch.num_rows() - start));
            let (dictionaries, rows) =
                IpcDataGenerator::default().encode(&piece, &mut self.tracker, &self.options, &mut self.context)?;
            messages.extend(dictionaries.iter().map(flight_data));
            messages.push(flight_data(&rows));
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow::array::{ArrayRef, AsArray as _, Float64Array, StringArray, StringViewArray, StructArray};
    use arrow::datatypes::Int32Type;
    use arrow::ipc::reader::StreamReader;

    use super::super::arguments::stream_of;
    use super::*;

    /// What a client reads of the messages.
    fn decoded(first: Bytes, messages: Vec<Bytes>) -> Vec<RecordBatch> {
        let stream = stream_of(std::iter::once(first).chain(messages).map(|message| message.to_vec())).unwrap();
        StreamReader::try_new(std::io::Cursor::new(stream), None).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn dictionaries_and_views_become_plain() {
        let tags: arrow::array::DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        let inner: ArrayRef = Arc::new(StringViewArray::from(vec!["x", "y", "z"]));
        let nested = StructArray::from(vec![(Arc::new(Field::new("v", DataType::Utf8View, true)), inner)]);
        let batch = RecordBatch::try_from_iter([
            ("t", Arc::new(tags) as ArrayRef),
            ("f", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
            ("s", Arc::new(nested)),
        ])
        .unwrap();
        let (mut encoder, first) = Encoder::new(&batch.schema());
        let messages = encoder.batch(&batch.slice(1, 2)).unwrap();
        let read = decoded(first, messages);
        assert_eq!(read.len(), 1);
        let schema = read[0].schema();
        assert_eq!(schema.field(0).data_type(), &DataType::Utf8);
        assert_eq!(schema.field(0).metadata()[COLUMN_TYPE], "iox::column_type::tag");
        assert_eq!(schema.field(1).metadata()[COLUMN_TYPE], "iox::column_type::field::float");
        assert_eq!(read[0].column(0).as_string::<i32>(), &StringArray::from(vec!["b", "a"]));
        let nested = read[0].column(2).as_struct();
        assert_eq!(nested.column(0).as_string::<i32>(), &StringArray::from(vec!["y", "z"]));
    }

    #[test]
    fn large_batches_are_parted() {
        let text = "x".repeat(1 << 20);
        let texts: StringArray = (0..7).map(|_| Some(text.as_str())).collect();
        let batch = RecordBatch::try_from_iter([("s", Arc::new(texts) as ArrayRef)]).unwrap();
        let (mut encoder, first) = Encoder::new(&batch.schema());
        let messages = encoder.batch(&batch).unwrap();
        assert_eq!(messages.len(), 4);
        assert!(messages.iter().all(|message| message.len() < FLIGHT_MESSAGE_BYTES + (1 << 16)));
        assert_eq!(decoded(first, messages).iter().map(RecordBatch::num_rows).sum::<usize>(), 7);
        assert!(encoder.batch(&batch.slice(0, 0)).unwrap().is_empty());
    }
}

//! The format Parquet: one file, streamed row group by row group.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{Encode, EncodeError};

/// Rows of a row group: small enough that a group of wide rows fits in memory many times over.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// The writer of one file. `None` once it is finished.
pub(super) struct ParquetEncoder {
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl ParquetEncoder {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, EncodeError> {
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), SchemaRef::clone(schema), Some(properties))?;
        Ok(Self { writer: Some(writer) })
    }
}

impl Encode for ParquetEncoder {
    fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, EncodeError> {
        let Some(writer) = &mut self.writer else {
            return Ok(Bytes::new());
        };
        writer.write(batch)?;
        // The writer counts offsets itself, so what it has written can be taken away.
        Ok(std::mem::take(writer.inner_mut()).into())
    }

    fn finish(&mut self) -> Result<Bytes, EncodeError> {
        let Some(writer) = self.writer.take() else {
            return Ok(Bytes::new());
        };
        Ok(writer.into_inner()?.into())
    }
}

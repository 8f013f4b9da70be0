//! Encoding sorted rows as one Parquet file: encodings, row groups, statistics, footer. Runs on a blocking thread.
//!
//! Every choice of the file's shape stands here with its reason.

use std::io::Write;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use std::sync::Arc;

use super::footer::{FooterError, FooterMetadata};
use super::measure::ColumnMeasure;
use super::sort::SortedRows;
use crate::ids::ColumnId;
use crate::table::{ColumnKind, ColumnStatistics, TableSchema, arrow_type};

/// Rows of a row group: the unit that a scan prunes and hands to a thread. Smaller ones repeat dictionaries, larger
/// ones cost the writer memory.
pub(crate) const ROW_GROUP_ROWS: usize = 128 << 10;

/// Encoded bytes after which a row group ends before it has that many rows, so that long strings stay bounded.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Text of string fields after which a row group ends. A reader's batch never crosses a row group, so whatever its
/// number of rows, it stays far below Arrow's 2 GiB an array, even if a dictionary makes the text small in the file.
const ROW_GROUP_TEXT_BYTES: usize = 64 << 20;

/// Rows that are put together and encoded at once: with ten columns 2.5 MB, which stays in the cache.
const BATCH_ROWS: usize = 32 << 10;

/// Text of string fields in one batch. Far below Arrow's 2 GiB an array and Parquet's 2 GiB a page.
const BATCH_TEXT_BYTES: usize = 16 << 20;

/// Rows of a page: what a scan can skip inside a row group.
const PAGE_ROWS: usize = 20_000;

/// Bytes of a minimum or maximum in row group statistics and page index; longer ones are cut, the maximum upwards.
const STATISTICS_BYTES: usize = 64;

/// Rows of a float column that are tried with each encoding, in [`SAMPLE_PIECES`] pieces over the whole file.
const SAMPLE_ROWS: usize = 8192;
const SAMPLE_PIECES: usize = 4;

/// Below this many rows the choice of an encoding saves less than it costs.
const SAMPLE_ROWS_MIN: usize = 1024;

/// A dictionary must save this much of the file against plain or split floats: reading it costs a look-up a value.
const DICTIONARY_GAIN: f64 = 0.9;

/// Why a file could not be encoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error(transparent)]
    Footer(#[from] FooterError),
}

/// Writes all of `rows` to `sink` and returns it together with what was measured of the columns, the time first.
pub(crate) fn encode_rows<W: Write + Send>(
    schema: &TableSchema,
    rows: &SortedRows,
    footer: &FooterMetadata,
    mut sink: W,
) -> Result<(W, Vec<ColumnStatistics>), EncodeError> {
    let arrow_schema = schema.physical_schema();
    let properties = writer_properties(schema, rows, footer)?;
    let mut writer = ArrowWriter::try_new(&mut sink, SchemaRef::clone(&arrow_schema), Some(properties))?;
    let columns: Vec<ColumnId> =
        std::iter::once(ColumnId::TIME).chain(schema.columns.iter().map(|column| column.id)).collect();
    let mut measures: Vec<ColumnMeasure> = columns.iter().copied().map(ColumnMeasure::new).collect();
    let mut row_group_text_bytes = 0;
    for bounds in rows.batch_bounds(BATCH_ROWS, BATCH_TEXT_BYTES).windows(2) {
        let arrays = rows.columns(bounds[0]..bounds[1], &columns)?;
        for (measure, array) in measures.iter_mut().zip(&arrays) {
            measure.add(array);
        }
        row_group_text_bytes += arrays.iter().map(text_bytes).sum::<usize>();
        if row_group_text_bytes > ROW_GROUP_TEXT_BYTES {
            writer.flush()?;
            row_group_text_bytes = 0;
        }
        writer.write(&RecordBatch::try_new(SchemaRef::clone(&arrow_schema), arrays)?)?;
    }
    let metadata = writer.finish()?;
    drop(writer);
    let statistics =
        measures.into_iter().enumerate().map(|(leaf, measure)| measure.finish(column_bytes(&metadata, leaf)));
    let statistics = statistics.collect();
    Ok((sink, statistics))
}

/// Text in a string field; 0 for any other column.
fn text_bytes(array: &ArrayRef) -> usize {
    array.as_string_opt::<i32>().map_or(0, |text| text.value_data().len())
}

/// Compressed bytes of a column in all row groups.
fn column_bytes(metadata: &ParquetMetaData, leaf: usize) -> u64 {
    let sizes = metadata.row_groups().iter().filter_map(|group| group.columns().get(leaf));
    sizes.map(|column| column.compressed_size().unsigned_abs()).sum()
}

fn writer_properties(
    schema: &TableSchema,
    rows: &SortedRows,
    footer: &FooterMetadata,
) -> Result<WriterProperties, EncodeError> {
    let mut builder = base_properties()?
        .set_key_value_metadata(Some(footer.encode()?))
        .set_sorting_columns(Some(sorting_columns(schema, &footer.sort_tags)))
        .set_column_encoding(ColumnPath::from("time"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(ColumnPath::from("time"), false);
    for column in &schema.columns {
        let path = ColumnPath::from(column.physical_name.as_str());
        builder = match arrow_type(column.kind) {
            DataType::Int64 | DataType::UInt64 => builder
                .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
                .set_column_dictionary_enabled(path, false),
            DataType::Float64 => match float_encoding(rows, column.id)? {
                FloatEncoding::Dictionary => builder.set_column_dictionary_enabled(path, true),
                FloatEncoding::Plain(encoding) => {
                    builder.set_column_encoding(path.clone(), encoding).set_column_dictionary_enabled(path, false)
                }
            },
            DataType::Boolean => builder.set_column_dictionary_enabled(path, false),
            // Tags and strings: dictionaries, and plain where a dictionary outgrows its page.
            _ => builder.set_column_dictionary_enabled(path, true),
        };
    }
    Ok(builder.build())
}

fn base_properties() -> Result<WriterPropertiesBuilder, ParquetError> {
    Ok(WriterProperties::builder()
        .set_created_by(concat!("freshet ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_column_index_truncate_length(Some(STATISTICS_BYTES))
        .set_statistics_truncate_length(Some(STATISTICS_BYTES))
        .set_statistics_enabled(EnabledStatistics::Page))
}

/// The order of rows, by column index in the file.
fn sorting_columns(schema: &TableSchema, sort_tags: &[ColumnId]) -> Vec<SortingColumn> {
    let index = |id: &ColumnId| schema.columns.iter().position(|column| column.id == *id);
    let tags = sort_tags.iter().filter_map(index).map(|index| index as i32 + 1);
    tags.chain([0])
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: column_idx != 0 })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum FloatEncoding {
    Dictionary,
    Plain(Encoding),
}

/// The encoding that makes a sample of the column smallest.
fn float_encoding(rows: &SortedRows, column: ColumnId) -> Result<FloatEncoding, EncodeError> {
    if rows.len() < SAMPLE_ROWS_MIN {
        return Ok(FloatEncoding::Plain(Encoding::PLAIN));
    }
    let pieces = if rows.len() <= SAMPLE_ROWS { 1 } else { SAMPLE_PIECES };
    let piece_rows = SAMPLE_ROWS.min(rows.len()) / pieces;
    let mut sample = Vec::with_capacity(pieces);
    for piece in 0..pieces {
        let start = rows.len() / pieces * piece;
        sample.extend(rows.columns(start..start + piece_rows, &[column])?);
    }
    let split = encoded_bytes(&sample, FloatEncoding::Plain(Encoding::BYTE_STREAM_SPLIT))?;
    let plain = encoded_bytes(&sample, FloatEncoding::Plain(Encoding::PLAIN))?;
    let dictionary = encoded_bytes(&sample, FloatEncoding::Dictionary)?;
    if (dictionary as f64) < plain.min(split) as f64 * DICTIONARY_GAIN {
        return Ok(FloatEncoding::Dictionary);
    }
    Ok(FloatEncoding::Plain(if split < plain { Encoding::BYTE_STREAM_SPLIT } else { Encoding::PLAIN }))
}

/// Bytes of the sample's column chunk in that encoding.
fn encoded_bytes(sample: &[ArrayRef], encoding: FloatEncoding) -> Result<u64, EncodeError> {
    let kind = ColumnKind::Field(line_protocol::FieldKind::Float);
    let schema = Arc::new(Schema::new(vec![Field::new("sample", arrow_type(kind), true)]));
    let path = ColumnPath::from("sample");
    let builder = base_properties()?.set_statistics_enabled(EnabledStatistics::None);
    let builder = match encoding {
        FloatEncoding::Dictionary => builder.set_column_dictionary_enabled(path, true),
        FloatEncoding::Plain(encoding) => {
            builder.set_column_encoding(path.clone(), encoding).set_column_dictionary_enabled(path, false)
        }
    };
    let mut writer = ArrowWriter::try_new(Vec::new(), SchemaRef::clone(&schema), Some(builder.build()))?;
    for piece in sample {
        writer.write(&RecordBatch::try_new(SchemaRef::clone(&schema), vec![ArrayRef::clone(piece)])?)?;
    }
    Ok(column_bytes(&writer.finish()?, 0))
}

//! Encoding sorted rows as one Parquet file: encodings, row groups, statistics, footer. Runs on a blocking thread.
//!
//! Every choice of the file's shape stands here with its reason.

use std::borrow::Borrow;
use std::io::Write;
use std::ops::Range;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{RowGroupMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use std::sync::Arc;

use super::footer::{FooterError, FooterMetadata};
use super::measure::ColumnMeasure;
use super::sort::SortedRows;
use super::wide::{self, WideWriter};
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
pub(crate) const PAGE_ROWS: usize = 20_000;

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
    sink: W,
) -> Result<(W, Vec<ColumnStatistics>), EncodeError> {
    if wide::is_wide(schema.columns.len()) {
        return encode_wide_rows(schema, rows, footer, sink);
    }
    let samples = float_samples(schema, rows)?;
    let mut encoder = FileEncoder::new(schema, &footer.sort_tags, &samples, sink)?;
    for bounds in rows.batch_bounds(BATCH_ROWS, BATCH_TEXT_BYTES).windows(2) {
        encoder.write(rows.columns(bounds[0]..bounds[1], &encoder.columns)?)?;
    }
    encoder.finish(footer)
}

/// [`encode_rows`] of a wide table: the rows are in memory, so that each column is put together when its turn comes.
fn encode_wide_rows<W: Write + Send>(
    schema: &TableSchema,
    rows: &SortedRows,
    footer: &FooterMetadata,
    sink: W,
) -> Result<(W, Vec<ColumnStatistics>), EncodeError> {
    let arrow_schema = schema.physical_schema();
    let mut writer =
        WideWriter::new(SchemaRef::clone(&arrow_schema), sorting_columns(schema, &footer.sort_tags), sink)?;
    let columns = file_columns(schema);
    let mut measures: Vec<ColumnMeasure> = columns.iter().copied().map(ColumnMeasure::new).collect();
    for bounds in rows.batch_bounds(ROW_GROUP_ROWS, ROW_GROUP_TEXT_BYTES).windows(2) {
        writer.write_group(|index| {
            let arrays = rows.columns(bounds[0]..bounds[1], &columns[index..=index])?;
            measures[index].add(&arrays[0]);
            Ok(arrays)
        })?;
    }
    let writer = FileWriter::Wide(writer);
    FileEncoder { writer, schema: arrow_schema, columns, measures, row_group_text_bytes: 0 }.finish(footer)
}

/// The columns of a file in their order.
fn file_columns(schema: &TableSchema) -> Vec<ColumnId> {
    std::iter::once(ColumnId::TIME).chain(schema.columns.iter().map(|column| column.id)).collect()
}

/// What writes the columns.
enum FileWriter<W: Write + Send> {
    /// All at the same time.
    Together(ArrowWriter<W>),
    /// One after the other.
    Wide(WideWriter<W>),
}

/// A file that is being written, batch by batch.
pub(crate) struct FileEncoder<W: Write + Send> {
    writer: FileWriter<W>,
    schema: SchemaRef,
    /// The columns of a batch in their order.
    pub(crate) columns: Vec<ColumnId>,
    measures: Vec<ColumnMeasure>,
    row_group_text_bytes: usize,
}

/// Some values of float columns; see [`float_samples`].
pub(crate) type FloatSamples = Vec<(ColumnId, Vec<ArrayRef>)>;

impl<W: Write + Send> FileEncoder<W> {
    /// Begins a file of a table's rows. The samples decide how floats are encoded: a column without one is plain.
    pub(crate) fn new(
        schema: &TableSchema,
        sort_tags: &[ColumnId],
        samples: &FloatSamples,
        sink: W,
    ) -> Result<Self, EncodeError> {
        let arrow_schema = schema.physical_schema();
        let writer = if wide::is_wide(schema.columns.len()) {
            let sorting = sorting_columns(schema, sort_tags);
            FileWriter::Wide(WideWriter::new(SchemaRef::clone(&arrow_schema), sorting, sink)?)
        } else {
            let properties = writer_properties(schema, sort_tags, samples)?;
            FileWriter::Together(ArrowWriter::try_new(sink, SchemaRef::clone(&arrow_schema), Some(properties))?)
        };
        let columns = file_columns(schema);
        let measures = columns.iter().copied().map(ColumnMeasure::new).collect();
        Ok(Self { writer, schema: arrow_schema, columns, measures, row_group_text_bytes: 0 })
    }

    /// Adds rows, which come after those before in the order of the file: one array for each of `columns`.
    pub(crate) fn write(&mut self, arrays: Vec<ArrayRef>) -> Result<(), EncodeError> {
        for (measure, array) in self.measures.iter_mut().zip(&arrays) {
            measure.add(array);
        }
        let writer = match &mut self.writer {
            FileWriter::Wide(writer) => return writer.write(arrays),
            FileWriter::Together(writer) => writer,
        };
        self.row_group_text_bytes += arrays.iter().map(text_bytes).sum::<usize>();
        if self.row_group_text_bytes > ROW_GROUP_TEXT_BYTES {
            writer.flush()?;
            self.row_group_text_bytes = 0;
        }
        Ok(writer.write(&RecordBatch::try_new(SchemaRef::clone(&self.schema), arrays)?)?)
    }

    /// Ends the file; returns the sink and what was measured of the columns, the time first.
    pub(crate) fn finish(self, footer: &FooterMetadata) -> Result<(W, Vec<ColumnStatistics>), EncodeError> {
        let pairs = footer.encode()?;
        // The last row group ends here, so that its sizes are known; what is left to write is the footer.
        let (row_groups, sink) = match self.writer {
            FileWriter::Together(mut writer) => {
                pairs.into_iter().for_each(|pair| writer.append_key_value_metadata(pair));
                writer.flush()?;
                (writer.flushed_row_groups().to_vec(), writer.into_inner()?)
            }
            FileWriter::Wide(mut writer) => (writer.end_rows(pairs)?, writer.into_inner()?),
        };
        let measures = self.measures.into_iter().enumerate();
        let statistics = measures.map(|(leaf, measure)| measure.finish(column_bytes(&row_groups, leaf))).collect();
        Ok((sink, statistics))
    }
}

/// Text in a string field; 0 for any other column.
fn text_bytes(array: &ArrayRef) -> usize {
    array.as_string_opt::<i32>().map_or(0, |text| text.value_data().len())
}

/// Compressed bytes of a column in all row groups.
fn column_bytes<G: Borrow<RowGroupMetaData>>(row_groups: &[G], leaf: usize) -> u64 {
    let sizes = row_groups.iter().filter_map(|group| group.borrow().columns().get(leaf));
    sizes.map(|column| column.compressed_size().unsigned_abs()).sum()
}

fn writer_properties(
    schema: &TableSchema,
    sort_tags: &[ColumnId],
    samples: &FloatSamples,
) -> Result<WriterProperties, EncodeError> {
    let mut builder = base_properties()?
        .set_sorting_columns(Some(sorting_columns(schema, sort_tags)))
        .set_column_encoding(ColumnPath::from("time"), Encoding::DELTA_BINARY_PACKED)
        .set_column_dictionary_enabled(ColumnPath::from("time"), false);
    for column in &schema.columns {
        let path = ColumnPath::from(column.physical_name.as_str());
        builder = match arrow_type(column.kind) {
            DataType::Int64 | DataType::UInt64 => builder
                .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
                .set_column_dictionary_enabled(path, false),
            DataType::Float64 => match float_encoding(sample_of(samples, column.id))? {
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

pub(super) fn base_properties() -> Result<WriterPropertiesBuilder, ParquetError> {
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
pub(super) enum FloatEncoding {
    Dictionary,
    Plain(Encoding),
}

/// The rows at which a sample of `row_count` rows is taken, in pieces over the whole; none if they are too few.
pub(crate) fn sample_pieces(row_count: usize) -> Vec<Range<usize>> {
    if row_count < SAMPLE_ROWS_MIN {
        return Vec::new();
    }
    let pieces = if row_count <= SAMPLE_ROWS { 1 } else { SAMPLE_PIECES };
    let piece_rows = SAMPLE_ROWS.min(row_count) / pieces;
    (0..pieces).map(|piece| row_count / pieces * piece).map(|start| start..start + piece_rows).collect()
}

/// Samples of the float columns.
fn float_samples(schema: &TableSchema, rows: &SortedRows) -> Result<FloatSamples, ArrowError> {
    let floats: Vec<ColumnId> = float_columns(schema).collect();
    let mut samples: FloatSamples = floats.iter().map(|column| (*column, Vec::new())).collect();
    for piece in sample_pieces(rows.len()) {
        for ((_, pieces), array) in samples.iter_mut().zip(rows.columns(piece, &floats)?) {
            pieces.push(array);
        }
    }
    Ok(samples)
}

/// The columns whose encoding depends on their values.
pub(crate) fn float_columns(schema: &TableSchema) -> impl Iterator<Item = ColumnId> {
    schema.columns.iter().filter(|column| arrow_type(column.kind) == DataType::Float64).map(|column| column.id)
}

fn sample_of(samples: &FloatSamples, column: ColumnId) -> &[ArrayRef] {
    samples.iter().find(|(id, _)| *id == column).map(|(_, pieces)| pieces.as_slice()).unwrap_or_default()
}

/// The encoding that makes a sample of the column smallest.
pub(super) fn float_encoding(sample: &[ArrayRef]) -> Result<FloatEncoding, EncodeError> {
    if sample.is_empty() {
        return Ok(FloatEncoding::Plain(Encoding::PLAIN));
    }
    let split = encoded_bytes(sample, FloatEncoding::Plain(Encoding::BYTE_STREAM_SPLIT))?;
    let plain = encoded_bytes(sample, FloatEncoding::Plain(Encoding::PLAIN))?;
    let dictionary = encoded_bytes(sample, FloatEncoding::Dictionary)?;
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
    Ok(column_bytes(writer.finish()?.row_groups(), 0))
}

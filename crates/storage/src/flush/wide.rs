//! Files of very many columns: written a row group at a time, and in it column by column.
//!
//! A writer of a column takes buffers of its own, a compressor and an encoder, whatever it is given, and so does a
//! reader of what it compressed: of some thousand columns that is more memory than all of their values. Here one column
//! exists at a time, what is gathered of a row group follows the values that are given, and small columns are not
//! compressed. A row group ends after some bytes, as one of wide rows must not be larger than one of narrow rows.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array, new_null_array};
use arrow::compute::{concat, filter, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use line_protocol::Presence;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, compute_leaves};
use parquet::basic::{Compression, Encoding};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, RowGroupMetaData, SortingColumn};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use super::encode::{self, EncodeError, FloatEncoding, ROW_GROUP_ROWS};

/// Columns from which a table is wide. Below it one writer takes all columns at once, which is quicker.
const WIDE_COLUMNS: usize = 256;

/// Memory of the values gathered for a row group after which it ends. Each row group costs a reader and a writer more
/// than a kilobyte for each column, so of thousands of columns there must not be many.
pub(crate) const GATHERED_BYTES: usize = 32 << 20;

/// Memory of one gathered piece beside its values.
const PIECE_BYTES: usize = 160;

/// Sparse pieces of a column that become one, so that a piece of few values does not cost more than they do.
const PIECES_MAX: usize = 16;

/// Bytes of values below which a column of a row group is not compressed: it would gain less than a page of the disk,
/// and each reader would need tables for it that are larger.
const COMPRESSED_BYTES_MIN: usize = 32 << 10;

/// Cells of a batch of rows in memory: eight megabytes of numbers.
const BATCH_CELLS: usize = 1 << 20;

/// Whether files of a table of so many columns are written here.
pub(crate) fn is_wide(columns: usize) -> bool {
    columns > WIDE_COLUMNS
}

/// Rows of a batch of so many columns, of `rows` that are wanted: fewer where they are wide.
pub(crate) fn batch_rows(rows: usize, columns: usize) -> usize {
    rows.min((BATCH_CELLS / columns.max(1)).max(1))
}

/// A file that is being written.
pub(crate) struct WideWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    schema: SchemaRef,
    gathered: Vec<Vec<Piece>>,
    row_count: usize,
    size_bytes: usize,
    /// [`GATHERED_BYTES`].
    size_bytes_max: usize,
}

/// Some values of one column.
struct Piece {
    /// The first row of the group that it is about.
    start: usize,
    /// How many rows it is about.
    len: usize,
    /// The rows that have a value, from `start` on; `None`: `array` has an entry for each.
    rows: Option<Vec<u32>>,
    array: ArrayRef,
}

impl<W: Write + Send> WideWriter<W> {
    /// Begins a file whose rows are in the order of `sorting`.
    pub(crate) fn new(schema: SchemaRef, sorting: Vec<SortingColumn>, sink: W) -> Result<Self, EncodeError> {
        let properties = encode::base_properties()?.set_sorting_columns(Some(sorting)).build();
        let writer = ArrowWriter::try_new(sink, SchemaRef::clone(&schema), Some(properties))?;
        let (writer, _) = writer.into_serialized_writer()?;
        let gathered = schema.fields().iter().map(|_| Vec::new()).collect();
        Ok(Self { writer, schema, gathered, row_count: 0, size_bytes: 0, size_bytes_max: GATHERED_BYTES })
    }

    /// Adds rows: one array for each column.
    pub(crate) fn write(&mut self, arrays: Vec<ArrayRef>) -> Result<(), EncodeError> {
        let len = arrays.first().map_or(0, Array::len);
        if self.row_count > 0 && self.row_count + len > ROW_GROUP_ROWS {
            self.end_group()?;
        }
        for (pieces, array) in self.gathered.iter_mut().zip(arrays) {
            let Some(piece) = Piece::of(array, self.row_count)? else { continue };
            self.size_bytes += piece.size_bytes();
            pieces.push(piece);
            if pieces.len().is_multiple_of(PIECES_MAX) {
                let before: usize = pieces.iter().map(Piece::size_bytes).sum();
                join_sparse(pieces)?;
                let after: usize = pieces.iter().map(Piece::size_bytes).sum();
                self.size_bytes = (self.size_bytes + after).saturating_sub(before);
            }
        }
        self.row_count += len;
        if self.size_bytes > self.size_bytes_max {
            // Much of it may be what pieces of a value or two cost beside it.
            self.gathered.iter_mut().try_for_each(join_sparse)?;
            self.size_bytes = self.gathered.iter().flatten().map(Piece::size_bytes).sum();
            if self.size_bytes > self.size_bytes_max / 4 * 3 {
                self.end_group()?;
            }
        }
        Ok(())
    }

    fn end_group(&mut self) -> Result<(), EncodeError> {
        let (row_count, mut gathered) = (self.row_count, std::mem::take(&mut self.gathered));
        let schema = SchemaRef::clone(&self.schema);
        self.write_group(|index| {
            let pieces = gathered.get_mut(index).map(std::mem::take).unwrap_or_default();
            all_rows(pieces, schema.field(index).data_type(), row_count)
        })?;
        self.gathered = schema.fields().iter().map(|_| Vec::new()).collect();
        (self.row_count, self.size_bytes) = (0, 0);
        Ok(())
    }

    /// Writes a row group. `column` gives the values of each column in turn, the same number of rows of each.
    pub(crate) fn write_group(
        &mut self,
        mut column: impl FnMut(usize) -> Result<Vec<ArrayRef>, EncodeError>,
    ) -> Result<(), EncodeError> {
        let schema = SchemaRef::clone(&self.schema);
        let mut group = self.writer.next_row_group()?;
        for (index, field) in schema.fields().iter().enumerate() {
            encode_column(field, &column(index)?)?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }

    /// Writes what is left and what the footer needs besides; what is left to write is the footer.
    pub(crate) fn end_rows(&mut self, metadata: Vec<KeyValue>) -> Result<Vec<RowGroupMetaData>, EncodeError> {
        if self.row_count > 0 {
            self.end_group()?;
        }
        for pair in metadata {
            self.writer.append_key_value_metadata(pair);
        }
        Ok(self.writer.flushed_row_groups().to_vec())
    }

    /// Writes the footer and returns the sink.
    pub(crate) fn into_inner(self) -> Result<W, EncodeError> {
        Ok(self.writer.into_inner()?)
    }
}

impl Piece {
    /// What is to be kept of an array, whose first value is of the row `start`; nothing of one without values.
    fn of(array: ArrayRef, start: usize) -> Result<Option<Self>, EncodeError> {
        let len = array.len();
        let value_count = len - array.null_count();
        if value_count == 0 {
            return Ok(None);
        }
        let is_text = matches!(array.data_type(), DataType::Dictionary(..));
        let sparse = array.nulls().filter(|_| Presence::is_sparse(value_count, len) && !is_text);
        let Some(nulls) = sparse else { return Ok(Some(Self { start, len, rows: None, array })) };
        let rows = nulls.valid_indices().map(|row| row as u32).collect();
        let array = filter(&array, &BooleanArray::new(nulls.inner().clone(), None))?;
        Ok(Some(Self { start, len, rows: Some(rows), array }))
    }

    fn size_bytes(&self) -> usize {
        PIECE_BYTES + self.array.get_array_memory_size() + self.rows.as_ref().map_or(0, |rows| rows.capacity() * 4)
    }

    /// A value or null for each row.
    fn dense(&self) -> Result<ArrayRef, EncodeError> {
        let Some(rows) = &self.rows else { return Ok(Arc::clone(&self.array)) };
        let mut places: Vec<Option<u32>> = vec![None; self.len];
        for (place, row) in (0_u32..).zip(rows) {
            if let Some(slot) = places.get_mut(*row as usize) {
                *slot = Some(place);
            }
        }
        Ok(take(&self.array, &UInt32Array::from(places), None)?)
    }
}

/// Makes one of all pieces of a column, if all of them are sparse.
fn join_sparse(pieces: &mut Vec<Piece>) -> Result<(), EncodeError> {
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(()) };
    let (start, end) = (first.start, last.start + last.len);
    let mut numbers = Vec::new();
    for piece in pieces.iter() {
        let Some(rows) = &piece.rows else { return Ok(()) };
        numbers.extend(rows.iter().map(|row| row + (piece.start - start) as u32));
    }
    let arrays: Vec<&dyn Array> = pieces.iter().map(|piece| &*piece.array).collect();
    let array = concat(&arrays)?;
    *pieces = vec![Piece { start, len: end - start, rows: Some(numbers), array }];
    Ok(())
}

/// The column of all rows of a group: its pieces, and nulls between them.
fn all_rows(pieces: Vec<Piece>, data_type: &DataType, row_count: usize) -> Result<Vec<ArrayRef>, EncodeError> {
    let (mut arrays, mut next) = (Vec::with_capacity(pieces.len() + 1), 0);
    for piece in pieces {
        if piece.start > next {
            arrays.push(new_null_array(data_type, piece.start - next));
        }
        arrays.push(piece.dense()?);
        next = piece.start + piece.len;
    }
    if next < row_count {
        arrays.push(new_null_array(data_type, row_count - next));
    }
    Ok(arrays)
}

/// One column of a row group as it lies in the file.
fn encode_column(field: &Arc<Field>, arrays: &[ArrayRef]) -> Result<ArrowColumnChunk, EncodeError> {
    let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
    let path = ColumnPath::from(field.name().as_str());
    let mut builder = encode::base_properties()?;
    // Pages are skipped by tags and time only; of a field more pages would mean more to keep of it.
    if field.is_nullable() && !matches!(field.data_type(), DataType::Dictionary(..)) {
        builder = builder.set_data_page_row_count_limit(ROW_GROUP_ROWS);
    }
    if value_bytes(arrays) < COMPRESSED_BYTES_MIN {
        builder = builder.set_compression(Compression::UNCOMPRESSED);
    }
    let builder = match field.data_type() {
        DataType::Float64 => match encode::float_encoding(&sample(arrays)?)? {
            FloatEncoding::Dictionary => builder.set_column_dictionary_enabled(path, true),
            FloatEncoding::Plain(encoding) => {
                builder.set_column_encoding(path.clone(), encoding).set_column_dictionary_enabled(path, false)
            }
        },
        DataType::Timestamp(..) | DataType::Int64 | DataType::UInt64 => builder
            .set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED)
            .set_column_dictionary_enabled(path, false),
        DataType::Boolean => builder.set_column_dictionary_enabled(path, false),
        _ => builder.set_column_dictionary_enabled(path, true),
    };
    // Nothing is written to this sink: it lends its kind of column writer.
    let lender = ArrowWriter::try_new(std::io::sink(), schema, Some(builder.build()))?;
    let (_lender, factory) = lender.into_serialized_writer()?;
    let mut writers = factory.create_column_writers(0)?;
    let missing = || ParquetError::General("a column of a wide table has no writer".to_owned());
    let mut writer = writers.pop().ok_or_else(missing)?;
    for array in arrays {
        for leaf in compute_leaves(field, array)? {
            writer.write(&leaf)?;
        }
    }
    Ok(writer.close()?)
}

/// Bytes of the values in memory.
fn value_bytes(arrays: &[ArrayRef]) -> usize {
    let bytes = |array: &ArrayRef| match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value_data().len(),
        DataType::Boolean => (array.len() - array.null_count()) / 8,
        DataType::Dictionary(..) => array.len(),
        _ => (array.len() - array.null_count()) * 8,
    };
    arrays.iter().map(bytes).sum()
}

/// Pieces of a float column by which its encoding is chosen; none if it has too few values.
fn sample(arrays: &[ArrayRef]) -> Result<Vec<ArrayRef>, EncodeError> {
    let mut values: Vec<ArrayRef> = Vec::with_capacity(arrays.len());
    for array in arrays.iter().filter(|array| array.null_count() < array.len()) {
        values.push(match array.nulls() {
            Some(nulls) => filter(array, &BooleanArray::new(nulls.inner().clone(), None))?,
            None => Arc::clone(array),
        });
    }
    let row_count = values.iter().map(|array| array.len()).sum();
    let pieces = encode::sample_pieces(row_count);
    if pieces.is_empty() {
        return Ok(Vec::new());
    }
    let arrays: Vec<&dyn Array> = values.iter().map(|array| &**array).collect();
    let all = concat(&arrays)?;
    Ok(pieces.into_iter().map(|piece| all.slice(piece.start, piece.len())).collect())
}

#[cfg(test)]
#[path = "wide/tests.rs"]
mod tests;

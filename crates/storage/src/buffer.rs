//! The rows of a table between the WAL and its files.
//!
//! A batch becomes one immutable chunk of Arrow arrays without a copy; small chunks are merged as they pile up, so a
//! client that writes single points leaves few of them. Readers share chunks and never hold a lock while they read.
//! The caller applies batches in sequence order, so a later position is a later write. Nothing here does I/O or
//! decides which value of a point wins: `flush` and `scan` do.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, UInt32Array, UInt64Array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::{concat, filter, take};
use arrow::error::ArrowError;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use line_protocol::{FieldValues, Presence};
use std::hash::BuildHasher;

use crate::buffered::{BufferedRows, Chunk, ChunkColumn, SeriesTable};
use crate::ids::{Sequence, TableId};
use crate::limits;
use crate::rows::{FieldRows, SeriesKeys, TableRows};
use crate::table::{ColumnKind, arrow_type};

/// Bytes that a series costs in the index besides its key: the end in the arena, the id and its hash-table slot.
const SERIES_OVERHEAD_BYTES: usize = 16;

/// Bytes that a column of a chunk costs besides its values: its entry, the array, and what the allocator rounds up.
const COLUMN_OVERHEAD_BYTES: usize = 200;

/// The rows of one table as Arrow arrays, ready to be applied. Made on the writer's own thread, since applying
/// happens on the one thread that all writers wait for.
#[derive(Debug)]
pub(crate) struct PreparedRows {
    /// The table.
    pub(crate) table: TableId,
    series: SeriesKeys,
    row_series: Vec<u32>,
    times: Vec<i64>,
    time_range: (i64, i64),
    columns: Vec<ChunkColumn>,
    bytes: usize,
}

impl PreparedRows {
    /// Turns rows into arrays. Numbers are moved, or copied where that saves memory; strings are moved. Fails if a
    /// column is not as long as the rows or its text is longer than an Arrow string array can be, which the checks of
    /// the parser and of the WAL rule out.
    pub(crate) fn new(rows: TableRows) -> Result<Self, ArrowError> {
        let row_count = rows.times.len();
        let columns = rows.columns.into_iter().map(|field| chunk_column(field, row_count));
        let mut columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
        columns.sort_unstable_by_key(|column| column.column);
        let time_range = rows.times.iter().fold((i64::MAX, i64::MIN), |(low, high), t| (low.min(*t), high.max(*t)));
        let (row_series, times) = (fitted(rows.row_series), fitted(rows.times));
        let bytes = rows_bytes(&row_series, &times, &columns);
        Ok(Self { table: rows.table, series: rows.series, row_series, times, time_range, columns, bytes })
    }

    /// The number of rows.
    #[must_use]
    pub(crate) fn row_count(&self) -> usize {
        self.times.len()
    }
}

/// The values without much room behind them. A parser's vector doubles as it grows, so that up to half of it is empty,
/// and rows stay in the buffer for minutes: a copy of a few bytes a row costs less than that memory.
fn fitted<T: Copy>(values: Vec<T>) -> Vec<T> {
    let spare = values.capacity() - values.len();
    if spare > values.len() / 8 { values.as_slice().to_vec() } else { values }
}

/// The memory of some rows.
fn rows_bytes(row_series: &Vec<u32>, times: &Vec<i64>, columns: &[ChunkColumn]) -> usize {
    let column = |column: &ChunkColumn| {
        let rows = column.rows.as_ref().map_or(0, |rows| rows.len() * 4);
        COLUMN_OVERHEAD_BYTES + column.array.get_buffer_memory_size() + rows
    };
    row_series.capacity() * 4 + times.capacity() * 8 + columns.iter().map(column).sum::<usize>()
}

fn chunk_bytes(chunk: &Chunk) -> usize {
    rows_bytes(&chunk.row_series, &chunk.times, &chunk.columns)
}

fn chunk_column(field: FieldRows, row_count: usize) -> Result<ChunkColumn, ArrowError> {
    let is_whole = match &field.presence {
        Presence::All => field.values.len() == row_count,
        Presence::Bits(bits) => field.values.len() == row_count && bits.len() * 8 >= row_count,
        Presence::Rows(rows) => {
            field.values.len() == rows.len() && rows.last().is_some_and(|last| (*last as usize) < row_count)
        }
    };
    if !is_whole {
        return Err(ArrowError::InvalidArgumentError(format!(
            "column {} has {} values for {row_count} rows",
            field.column,
            field.values.len()
        )));
    }
    let kind = field.values.kind();
    let (nulls, rows) = match field.presence {
        Presence::All => (None, None),
        Presence::Bits(bits) => (Some(NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(bits), 0, row_count))), None),
        Presence::Rows(rows) => (None, Some(rows.into())),
    };
    let array: ArrayRef = match field.values {
        FieldValues::Float(values) => Arc::new(Float64Array::try_new(ScalarBuffer::from(fitted(values)), nulls)?),
        FieldValues::Integer(values) => Arc::new(Int64Array::try_new(ScalarBuffer::from(fitted(values)), nulls)?),
        FieldValues::Unsigned(values) => Arc::new(UInt64Array::try_new(ScalarBuffer::from(fitted(values)), nulls)?),
        FieldValues::Boolean(values) => Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls)),
        FieldValues::String(values) => {
            let offsets = values
                .offsets
                .into_iter()
                .map(|offset| i32::try_from(offset).map_err(|_| ArrowError::OffsetOverflowError(offset as usize)))
                .collect::<Result<Vec<i32>, ArrowError>>()?;
            let text = Buffer::from_vec(values.bytes.into_bytes());
            Arc::new(StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(offsets)), text, nulls)?)
        }
    };
    Ok(ChunkColumn { column: field.column, kind, array, rows })
}

/// The buffered rows of one table.
#[derive(Debug, Default)]
pub(crate) struct TableBuffer {
    series: SeriesTable,
    open_series: SeriesKeys,
    index: HashTable<u32>,
    hasher: RandomState,
    chunks: Vec<Arc<Chunk>>,
    first_sequence: Option<Sequence>,
    last_sequence: Sequence,
    time_range: Option<(i64, i64)>,
    row_count: usize,
    bytes: usize,
    since_ns: i64,
}

impl TableBuffer {
    /// Adds rows. `sequence` is not smaller than that of any call before; `now_ns` is noted with the first rows.
    pub(crate) fn apply(&mut self, sequence: Sequence, mut rows: PreparedRows, now_ns: i64) -> Result<(), ArrowError> {
        if self.first_sequence.is_none() {
            self.first_sequence = Some(sequence);
            self.since_ns = now_ns;
        }
        self.last_sequence = sequence;
        let (low, high) = self.time_range.unwrap_or(rows.time_range);
        self.time_range = Some((low.min(rows.time_range.0), high.max(rows.time_range.1)));
        self.row_count += rows.times.len();
        self.bytes += rows.bytes;
        let ids: Vec<u32> = rows.series.iter().map(|key| self.intern(key)).collect();
        for series in &mut rows.row_series {
            *series = ids.get(*series as usize).copied().unwrap_or_default();
        }
        self.push_chunk(Chunk {
            row_series: rows.row_series,
            times: rows.times,
            columns: rows.columns,
            sequences: vec![(0, sequence)],
        })
    }

    /// The id of a series in this buffer.
    fn intern(&mut self, key: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(key);
        let Self { series, open_series, index, hasher, .. } = self;
        let key_of = |id: u32| -> &[u8] {
            match (id as usize).checked_sub(series.len()) {
                Some(open) => open_series.get(open as u32),
                None => series.key(id),
            }
        };
        if let Some(id) = index.find(hash, |id| key_of(*id) == key) {
            return *id;
        }
        let id = (series.len() + open_series.len()) as u32;
        index.insert_unique(hash, id, |id| hasher.hash_one(key_of(*id)));
        open_series.push_encoded(key);
        self.bytes += key.len() + SERIES_OVERHEAD_BYTES;
        id
    }

    /// Appends a chunk and merges small neighbours of like size, so that n single rows leave about log2(n) chunks.
    fn push_chunk(&mut self, chunk: Chunk) -> Result<(), ArrowError> {
        let mut last = chunk;
        while let Some(previous) = self.chunks.last() {
            let rows = previous.times.len();
            if rows >= limits::CHUNK_ROWS_MIN || rows >= 2 * last.times.len() {
                break;
            }
            let merged = merge_chunks(previous, &last)?;
            // Those of the two are part of the sum, whatever they have in common.
            self.bytes = (self.bytes + chunk_bytes(&merged)).saturating_sub(chunk_bytes(previous) + chunk_bytes(&last));
            last = merged;
            self.chunks.pop();
        }
        self.chunks.push(Arc::new(last));
        Ok(())
    }

    /// All rows so far, shared.
    pub(crate) fn snapshot(&mut self) -> Option<BufferedRows> {
        if !self.open_series.is_empty() {
            self.series.push(Arc::new(std::mem::take(&mut self.open_series)));
        }
        Some(BufferedRows {
            series: self.series.clone(),
            chunks: self.chunks.clone(),
            sequences: (self.first_sequence?, self.last_sequence),
            deletes_applied: Sequence::ZERO,
            time_range: self.time_range?,
            row_count: self.row_count,
        })
    }

    /// Takes all rows out, for a flush, and leaves the buffer empty. `None` if it is empty already.
    pub(crate) fn take(&mut self) -> Option<BufferedRows> {
        let rows = self.snapshot();
        *self = Self::default();
        rows
    }

    /// Bytes of memory that the rows and their series take.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The sequence of the oldest row, or `None` if there is none.
    #[must_use]
    pub(crate) fn first_sequence(&self) -> Option<Sequence> {
        self.first_sequence
    }

    /// Earliest and latest time of the rows, or `None` if there is none.
    #[must_use]
    pub(crate) fn time_range(&self) -> Option<(i64, i64)> {
        self.time_range
    }

    /// When the oldest row came, in nanoseconds since the epoch.
    #[must_use]
    pub(crate) fn since_ns(&self) -> Option<i64> {
        self.first_sequence.map(|_| self.since_ns)
    }
}

/// One chunk of the rows of two.
fn merge_chunks(first: &Chunk, second: &Chunk) -> Result<Chunk, ArrowError> {
    let rows = (first.times.len(), second.times.len());
    let mut columns = Vec::with_capacity(first.columns.len().max(second.columns.len()));
    let (mut left, mut right) = (first.columns.iter().peekable(), second.columns.iter().peekable());
    while let Some(id) = left.peek().into_iter().chain(right.peek()).map(|column| column.column).min() {
        let head = left.next_if(|column| column.column == id);
        let tail = right.next_if(|column| column.column == id);
        columns.extend(joined(head, tail, rows)?);
    }
    let shifted = second.sequences.iter().map(|(row, sequence)| (row + rows.0 as u32, *sequence));
    Ok(Chunk {
        row_series: [&first.row_series[..], &second.row_series].concat(),
        times: [&first.times[..], &second.times].concat(),
        columns,
        sequences: first.sequences.iter().copied().chain(shifted).collect(),
    })
}

/// A field's column in the rows of two chunks, of which one may lack it.
fn joined(
    head: Option<&ChunkColumn>,
    tail: Option<&ChunkColumn>,
    rows: (usize, usize),
) -> Result<Option<ChunkColumn>, ArrowError> {
    let Some(ChunkColumn { column, kind, .. }) = head.or(tail) else { return Ok(None) };
    let value_count = |part: Option<&ChunkColumn>| part.map_or(0, |part| part.array.len() - part.array.null_count());
    let is_sparse = Presence::is_sparse(value_count(head) + value_count(tail), rows.0 + rows.1);
    let (array, rows) = if is_sparse {
        let (mut numbers, mut arrays) = (Vec::new(), Vec::new());
        for (part, shift) in [(head, 0), (tail, rows.0 as u32)] {
            if let Some(part) = part {
                numbers.extend(part.places().map(|(row, _)| row as u32 + shift));
                arrays.push(packed(part)?);
            }
        }
        let arrays: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
        (concat(&arrays)?, Some(numbers.into()))
    } else {
        let data_type = arrow_type(ColumnKind::Field(*kind));
        let dense = |part: Option<&ChunkColumn>, rows| match part {
            Some(part) => spread(part, rows),
            None => Ok(new_null_array(&data_type, rows)),
        };
        (concat(&[&*dense(head, rows.0)?, &*dense(tail, rows.1)?])?, None)
    };
    Ok(Some(ChunkColumn { column: *column, kind: *kind, array, rows }))
}

/// The values of a column without anything for rows that have none.
fn packed(column: &ChunkColumn) -> Result<ArrayRef, ArrowError> {
    match column.array.nulls() {
        Some(nulls) if nulls.null_count() > 0 => filter(&column.array, &BooleanArray::new(nulls.inner().clone(), None)),
        _ => Ok(Arc::clone(&column.array)),
    }
}

/// A value or null for each row of the column's chunk.
fn spread(column: &ChunkColumn, rows: usize) -> Result<ArrayRef, ArrowError> {
    let Some(given) = &column.rows else { return Ok(Arc::clone(&column.array)) };
    let mut places: Vec<Option<u32>> = vec![None; rows];
    for (place, row) in (0_u32..).zip(given.iter()) {
        if let Some(slot) = places.get_mut(*row as usize) {
            *slot = Some(place);
        }
    }
    take(&column.array, &UInt32Array::from(places), None)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use arrow::array::{AsArray as _, PrimitiveArray};
    use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int64Type};

    use super::*;
    use crate::ids::ColumnId;

    fn primitive<T: ArrowPrimitiveType>(column: &ChunkColumn) -> &PrimitiveArray<T> {
        column.array.as_primitive::<T>()
    }

    fn row(time: i64, tag: &str, column: i64, value: FieldValues) -> PreparedRows {
        let mut series = SeriesKeys::default();
        series.push([(ColumnId(2), tag)]);
        let columns = vec![FieldRows { column: ColumnId(column), values: value, presence: Presence::All }];
        let rows = TableRows { table: TableId(7), series, row_series: vec![0], times: vec![time], columns };
        PreparedRows::new(rows).unwrap()
    }

    #[test]
    fn single_rows_pile_up_into_few_chunks() {
        let mut buffer = TableBuffer::default();
        for n in 0..1000 {
            let tag = format!("t{}", n % 3);
            buffer.apply(Sequence(n as u64 + 1), row(n, &tag, 3, FieldValues::Integer(vec![n])), 5).unwrap();
        }
        let rows = buffer.snapshot().unwrap();
        assert_eq!((rows.row_count, rows.series.len(), rows.time_range), (1000, 3, (0, 999)));
        assert_eq!(rows.sequences, (Sequence(1), Sequence(1000)));
        assert!(rows.chunks.len() <= 12, "{} chunks", rows.chunks.len());
        let values: Vec<i64> =
            rows.chunks.iter().flat_map(|chunk| primitive::<Int64Type>(&chunk.columns[0]).values().to_vec()).collect();
        assert_eq!(values, (0..1000).collect::<Vec<_>>());
        let series: Vec<u32> = rows.chunks.iter().flat_map(|chunk| chunk.row_series.clone()).collect();
        assert!(series.iter().enumerate().all(|(n, series)| *series == n as u32 % 3));
    }

    #[test]
    fn a_snapshot_does_not_see_later_rows() {
        let mut buffer = TableBuffer::default();
        buffer.apply(Sequence(1), row(1, "a", 3, FieldValues::Integer(vec![1])), 5).unwrap();
        let before = buffer.snapshot().unwrap();
        buffer.apply(Sequence(2), row(2, "b", 4, FieldValues::Float(vec![2.5])), 6).unwrap();
        assert_eq!((before.row_count, before.chunks.len(), before.series.len()), (1, 1, 1));
        let after = buffer.take().unwrap();
        assert_eq!((after.row_count, after.series.len()), (2, 2));
        assert!(buffer.take().is_none());
        assert_eq!(buffer.bytes(), 0);
    }

    #[test]
    fn merged_chunks_fill_missing_columns_with_nulls() {
        let mut buffer = TableBuffer::default();
        buffer.apply(Sequence(1), row(1, "a", 3, FieldValues::Integer(vec![1])), 5).unwrap();
        buffer.apply(Sequence(2), row(2, "a", 4, FieldValues::Float(vec![2.5])), 6).unwrap();
        let rows = buffer.snapshot().unwrap();
        assert_eq!(rows.chunks.len(), 1);
        let chunk = &rows.chunks[0];
        assert_eq!(chunk.sequences, [(0, Sequence(1)), (1, Sequence(2))]);
        assert_eq!(primitive::<Int64Type>(&chunk.columns[0]).iter().collect::<Vec<_>>(), [Some(1), None]);
        assert_eq!(primitive::<Float64Type>(&chunk.columns[1]).iter().collect::<Vec<_>>(), [None, Some(2.5)]);
    }

    /// Points that each give one of many fields: the buffer holds their values and not rows × columns.
    #[test]
    fn columns_of_few_rows_stay_sparse_as_chunks_grow() {
        let mut buffer = TableBuffer::default();
        for n in 0..512 {
            let value = FieldValues::Integer(vec![n]);
            buffer.apply(Sequence(n as u64 + 1), row(n, "a", 3 + n % 256, value), 5).unwrap();
        }
        let counted = buffer.bytes();
        let rows = buffer.snapshot().unwrap();
        let chunk = &rows.chunks[0];
        assert_eq!((rows.chunks.len(), chunk.columns.len(), chunk.times.len()), (1, 256, 512));
        assert!(chunk.columns.is_sorted_by_key(|column| column.column));
        for (n, column) in chunk.columns.iter().enumerate() {
            assert_eq!(column.rows.as_deref(), Some(&[n as u32, n as u32 + 256][..]));
            assert_eq!(primitive::<Int64Type>(column).values(), &[n as i64, n as i64 + 256]);
            assert_eq!((column.place(n), column.place(n + 256), column.place(n + 1)), (Some(0), Some(1), None));
        }
        assert_eq!(counted, chunk_bytes(chunk) + 3 + SERIES_OVERHEAD_BYTES);
        assert!(counted < 512 * (4 + 8 + 16 + 8) + 256 * (COLUMN_OVERHEAD_BYTES + 128), "{counted} bytes");
    }

    #[test]
    fn a_sparse_column_becomes_dense_beside_many_values() {
        let mut series = SeriesKeys::default();
        series.push([]);
        let batch = |values: FieldValues, presence, rows: usize| {
            let columns = vec![FieldRows { column: ColumnId(3), values, presence }];
            let (row_series, times) = (vec![0; rows], vec![0; rows]);
            let series = series.clone();
            PreparedRows::new(TableRows { table: TableId(7), series, row_series, times, columns }).unwrap()
        };
        let text = |values: &[&str]| {
            let mut column = line_protocol::StringColumn::default();
            for value in values {
                column.bytes.push_str(value);
                column.offsets.push(column.bytes.len() as u32);
            }
            FieldValues::String(column)
        };
        let mut buffer = TableBuffer::default();
        buffer.apply(Sequence(1), batch(text(&["x"]), Presence::Rows(vec![6]), 8), 5).unwrap();
        buffer.apply(Sequence(2), batch(text(&["a", "b", "c", "d", "e"]), Presence::All, 5), 5).unwrap();
        let rows = buffer.snapshot().unwrap();
        let column = &rows.chunks[0].columns[0];
        assert!(column.rows.is_none());
        let expected = [None; 6].into_iter().chain([Some("x"), None]).chain(["a", "b", "c", "d", "e"].map(Some));
        assert!(column.array.as_string::<i32>().iter().eq(expected));
    }

    #[test]
    fn rows_that_do_not_exist_are_refused() {
        let mut series = SeriesKeys::default();
        series.push([]);
        let presence = Presence::Rows(vec![2]);
        let columns = vec![FieldRows { column: ColumnId(3), values: FieldValues::Integer(vec![1]), presence }];
        let (row_series, times) = (vec![0; 2], vec![0; 2]);
        let rows = TableRows { table: TableId(7), series, row_series, times, columns };
        assert!(PreparedRows::new(rows).is_err());
    }

    #[test]
    fn columns_of_another_length_are_refused() {
        let columns =
            vec![FieldRows { column: ColumnId(3), values: FieldValues::Integer(vec![1, 2]), presence: Presence::All }];
        let rows = TableRows {
            table: TableId(7),
            series: SeriesKeys::default(),
            row_series: vec![0],
            times: vec![1],
            columns,
        };
        assert!(PreparedRows::new(rows).is_err());
    }

    #[test]
    fn room_that_the_parser_left_is_given_back() {
        let with_room = |values: &[i64]| {
            let mut roomy = Vec::with_capacity(8192);
            roomy.extend_from_slice(values);
            roomy
        };
        let times: Vec<i64> = (0..5000).collect();
        let mut series = SeriesKeys::default();
        series.push([]);
        let values = FieldValues::Integer(with_room(&times));
        let columns = vec![FieldRows { column: ColumnId(3), values, presence: Presence::All }];
        let (row_series, times) = (vec![0; 5000], with_room(&times));
        let rows = PreparedRows::new(TableRows { table: TableId(7), series, row_series, times, columns }).unwrap();
        assert_eq!(rows.bytes, 5000 * (4 + 8 + 8) + COLUMN_OVERHEAD_BYTES);
        assert_eq!(primitive::<Int64Type>(&rows.columns[0]).values()[4999], 4999);
    }

    #[test]
    fn the_memory_of_buffered_rows_is_counted() {
        let mut buffer = TableBuffer::default();
        assert_eq!(buffer.since_ns(), None);
        buffer.apply(Sequence(1), row(1, "a", 3, FieldValues::Integer(vec![1])), 5).unwrap();
        assert!(buffer.bytes() >= 4 + 8 + 8 + 3);
        assert_eq!((buffer.since_ns(), buffer.first_sequence()), (Some(5), Some(Sequence(1))));
    }
}

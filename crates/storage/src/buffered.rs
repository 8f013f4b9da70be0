//! The buffered rows of one table at one moment: immutable, shared by a flush and by every scan that began while they
//! were in memory.
//!
//! The buffer builds these values; `flush` sorts and writes them, `scan` reads them. Nothing here changes rows or
//! does I/O.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef};
use line_protocol::FieldKind;

use crate::ids::{ColumnId, Sequence};
use crate::rows::SeriesKeys;

/// The rows of one table, oldest first.
#[derive(Debug, Clone)]
pub struct BufferedRows {
    /// The distinct series of the buffer; a series that no row names may be among them.
    pub series: SeriesTable,
    /// The rows. A later position (later chunk, or later row of a chunk) is a later write.
    pub chunks: Vec<Arc<Chunk>>,
    /// First and last WAL sequence of the rows, both inclusive.
    pub sequences: (Sequence, Sequence),
    /// What every delete up to this record means is not among the rows any more.
    pub deletes_applied: Sequence,
    /// Earliest and latest time in nanoseconds, both inclusive.
    pub time_range: (i64, i64),
    /// Rows in all chunks, duplicates included.
    pub row_count: usize,
}

/// Some rows, in the order in which they were written.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Per row: the series, an id in the buffer's [`SeriesTable`].
    pub row_series: Vec<u32>,
    /// Per row: nanoseconds since the epoch.
    pub times: Vec<i64>,
    /// The fields that have a value in some row, by ascending id; any other field is null in every row.
    pub columns: Vec<ChunkColumn>,
    /// Where each WAL record's rows begin: (first row, sequence), both ascending.
    pub sequences: Vec<(u32, Sequence)>,
}

impl Chunk {
    /// A field's column; `None` if no row has a value.
    #[must_use]
    pub fn column(&self, id: ColumnId) -> Option<&ChunkColumn> {
        self.columns.binary_search_by_key(&id, |column| column.column).ok().and_then(|index| self.columns.get(index))
    }
}

/// The values of one field in a chunk.
#[derive(Debug, Clone)]
pub struct ChunkColumn {
    /// The field's column.
    pub column: ColumnId,
    /// The field's type.
    pub kind: FieldKind,
    /// The values, of [`crate::table::arrow_type`] of that kind: those of `rows`, otherwise one for each row of the
    /// chunk, null where it has none.
    pub array: ArrayRef,
    /// Where few rows of the chunk have a value: their numbers, ascending. What a chunk costs so follows its values.
    pub rows: Option<Arc<[u32]>>,
}

impl ChunkColumn {
    /// Where the value of a row lies in `array`; `None` if it has none.
    #[must_use]
    pub fn place(&self, row: usize) -> Option<usize> {
        let place = match &self.rows {
            None => row,
            Some(rows) => rows.binary_search(&u32::try_from(row).ok()?).ok()?,
        };
        (place < self.array.len() && self.array.is_valid(place)).then_some(place)
    }

    /// The rows that have a value and where it lies, both ascending.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let given = self.rows.iter().flat_map(|rows| rows.iter().map(|row| *row as usize));
        let all = 0..if self.rows.is_some() { 0 } else { self.array.len() };
        given.chain(all).enumerate().map(|(place, row)| (row, place)).filter(|(_, place)| self.array.is_valid(*place))
    }
}

/// Series ids and their encoded keys: shared segments, each with the id of its first key.
#[derive(Debug, Clone, Default)]
pub struct SeriesTable {
    segments: Vec<(u32, Arc<SeriesKeys>)>,
    len: u32,
}

impl SeriesTable {
    /// A table of these keys: ids go on from one segment to the next.
    #[must_use]
    pub fn new(segments: impl IntoIterator<Item = Arc<SeriesKeys>>) -> Self {
        let mut table = Self::default();
        for keys in segments {
            table.push(keys);
        }
        table
    }

    /// Appends a segment and returns the id of its first key.
    pub fn push(&mut self, keys: Arc<SeriesKeys>) -> u32 {
        let start = self.len;
        self.len += keys.len() as u32;
        self.segments.push((start, keys));
        start
    }

    /// The encoded key of a series (see [`SeriesKeys`]); empty for an id that does not exist.
    #[must_use]
    pub fn key(&self, id: u32) -> &[u8] {
        let next = self.segments.partition_point(|(start, _)| *start <= id);
        match next.checked_sub(1).and_then(|index| self.segments.get(index)) {
            Some((start, keys)) => keys.get(id - start),
            None => &[],
        }
    }

    /// All keys by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().flat_map(|(_, keys)| keys.iter())
    }

    /// The number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_on_from_segment_to_segment() {
        let mut first = SeriesKeys::default();
        first.push([(ColumnId(2), "a")]);
        first.push([]);
        let mut second = SeriesKeys::default();
        second.push([(ColumnId(2), "b")]);
        let (keys, last) = ([first.get(0).to_vec(), Vec::new()], second.get(0).to_vec());
        let mut table = SeriesTable::new([Arc::new(first), Arc::new(SeriesKeys::default())]);
        assert_eq!(table.push(Arc::new(second)), 2);
        assert_eq!(table.len(), 3);
        assert_eq!((table.key(0), table.key(1), table.key(2)), (&keys[0][..], &keys[1][..], &last[..]));
        assert_eq!(table.key(3), &[] as &[u8]);
        assert_eq!(table.iter().collect::<Vec<_>>(), [&keys[0][..], &keys[1][..], &last[..]]);
        assert!(SeriesTable::default().is_empty());
    }
}

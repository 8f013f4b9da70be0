//! Buffered rows without what was deleted: each row is held against the tombstones that came after it.
//!
//! A chunk that no tombstone concerns is shared, any other is copied. Rows keep their order and their sequences, so a
//! row that was written after a tombstone stays whatever comes of the ones before it.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray};
use arrow::compute::{filter, nullif};
use arrow::error::ArrowError;

use super::{DeletedFields, TableDelete};
use crate::buffered::{BufferedRows, Chunk, ChunkColumn};
use crate::ids::ColumnId;
use crate::rows::series_key_tags;

/// A delete with the series that it means, by their ids; `None`: all.
struct SeriesDelete<'a> {
    delete: &'a TableDelete,
    series: Option<Vec<bool>>,
}

impl SeriesDelete<'_> {
    fn means(&self, series: u32, time: i64) -> bool {
        let (first, last) = self.delete.time_range;
        let in_time = first <= time && time <= last;
        in_time && self.series.as_ref().is_none_or(|series_meant| series_meant[series as usize])
    }
}

/// The rows that are left. The bounds of times and sequences stay as they were, as bounds of what is left.
pub(crate) fn without_deleted(rows: BufferedRows, deletes: &[Arc<TableDelete>]) -> Result<BufferedRows, ArrowError> {
    let concerns = |delete: &&Arc<TableDelete>| {
        delete.sequence > rows.sequences.0.max(rows.deletes_applied) && delete.overlaps(rows.time_range)
    };
    let deletes: Vec<SeriesDelete<'_>> =
        deletes.iter().filter(concerns).map(|delete| by_series(delete, &rows)).collect();
    if deletes.is_empty() {
        return Ok(rows);
    }
    let mut chunks = Vec::with_capacity(rows.chunks.len());
    for chunk in &rows.chunks {
        match Marks::of(chunk, &deletes) {
            None => chunks.push(Arc::clone(chunk)),
            Some(marks) => {
                let left = marks.apply(chunk)?;
                if !left.times.is_empty() {
                    chunks.push(Arc::new(left));
                }
            }
        }
    }
    let row_count = chunks.iter().map(|chunk| chunk.times.len()).sum();
    Ok(BufferedRows { chunks, row_count, ..rows })
}

fn by_series<'a>(delete: &'a TableDelete, rows: &BufferedRows) -> SeriesDelete<'a> {
    let is_meant = |key: &[u8]| {
        delete.tags.iter().all(|term| {
            let tag = series_key_tags(key).find(|(column, _)| *column == term.column);
            term.holds_for(tag.map(|(_, value)| value))
        })
    };
    let series = (!delete.tags.is_empty()).then(|| rows.series.iter().map(is_meant).collect());
    SeriesDelete { delete, series }
}

/// What goes of one chunk.
struct Marks {
    /// Per row: whether it stays.
    kept: Vec<bool>,
    /// Per field that loses values: in which rows.
    nulled: Vec<(ColumnId, Vec<bool>)>,
}

impl Marks {
    /// `None` if nothing goes.
    fn of(chunk: &Chunk, deletes: &[SeriesDelete<'_>]) -> Option<Self> {
        let len = chunk.times.len();
        let mut marks = Self { kept: vec![true; len], nulled: Vec::new() };
        let mut is_hit = false;
        for meant in deletes {
            // Rows come by ascending sequence: those that are older than the delete come first.
            let records_before = chunk.sequences.partition_point(|(_, sequence)| *sequence < meant.delete.sequence);
            let end = chunk.sequences.get(records_before).map_or(len, |(row, _)| *row as usize);
            let rows = chunk.row_series.iter().zip(&chunk.times).take(end).enumerate();
            let hits: Vec<usize> =
                rows.filter(|(_, (series, time))| meant.means(**series, **time)).map(|(row, _)| row).collect();
            if hits.is_empty() {
                continue;
            }
            match &meant.delete.fields {
                DeletedFields::All => hits.iter().for_each(|row| marks.kept[*row] = false),
                DeletedFields::Some(fields) => {
                    for field in fields.iter().filter(|field| chunk.column(**field).is_some()) {
                        let nulled = marks.nulled_rows(*field, len);
                        hits.iter().for_each(|row| nulled[*row] = true);
                    }
                }
            }
            is_hit = true;
        }
        is_hit.then_some(marks)
    }

    fn nulled_rows(&mut self, field: ColumnId, len: usize) -> &mut Vec<bool> {
        let index = match self.nulled.iter().position(|(column, _)| *column == field) {
            Some(index) => index,
            None => {
                self.nulled.push((field, vec![false; len]));
                self.nulled.len() - 1
            }
        };
        &mut self.nulled[index].1
    }

    fn apply(mut self, chunk: &Chunk) -> Result<Chunk, ArrowError> {
        let nulled = |column: &ChunkColumn| self.nulled.iter().find(|(field, _)| *field == column.column);
        let nulled: Vec<Option<&Vec<bool>>> =
            chunk.columns.iter().map(|column| nulled(column).map(|(_, rows)| rows)).collect();
        if !self.nulled.is_empty() {
            let mut has_value = vec![false; self.kept.len()];
            for (column, nulled) in chunk.columns.iter().zip(&nulled) {
                for (row, _) in column.places().filter(|(row, _)| nulled.is_none_or(|rows| !rows[*row])) {
                    has_value[row] = true;
                }
            }
            self.kept.iter_mut().zip(has_value).for_each(|(kept, has_value)| *kept &= has_value);
        }
        let mut columns = Vec::with_capacity(chunk.columns.len());
        for (column, nulled) in chunk.columns.iter().zip(nulled) {
            let left = match &column.rows {
                None => self.left_of_all(column, nulled)?,
                Some(rows) => self.left_of_some(column, rows, nulled)?,
            };
            columns.extend(Some(left).filter(|column| column.array.null_count() < column.array.len()));
        }
        Ok(Chunk {
            row_series: self.pick(&chunk.row_series),
            times: self.pick(&chunk.times),
            columns,
            sequences: self.shifted(chunk),
        })
    }

    /// What is left of a column with an entry for each row.
    fn left_of_all(&self, column: &ChunkColumn, nulled: Option<&Vec<bool>>) -> Result<ChunkColumn, ArrowError> {
        let array = match nulled {
            Some(rows) => nullif(&column.array, &BooleanArray::from(rows.clone()))?,
            None => Arc::clone(&column.array),
        };
        let array = filter(&array, &BooleanArray::from(self.kept.clone()))?;
        Ok(ChunkColumn { array, ..column.clone() })
    }

    /// What is left of a column that has values of some `rows` only.
    fn left_of_some(
        &self,
        column: &ChunkColumn,
        rows: &[u32],
        nulled: Option<&Vec<bool>>,
    ) -> Result<ChunkColumn, ArrowError> {
        let is_left = |row: &u32| self.kept[*row as usize] && nulled.is_none_or(|rows| !rows[*row as usize]);
        let mask: BooleanArray = rows.iter().map(|row| Some(is_left(row))).collect();
        let array = filter(&column.array, &mask)?;
        // The numbers of rows among those that are kept.
        let (mut number, mut next) = (0_u32, 0);
        let mut numbers = Vec::with_capacity(array.len());
        for row in rows.iter().filter(|row| is_left(row)) {
            number += self.kept[next..*row as usize].iter().filter(|kept| **kept).count() as u32;
            numbers.push(number);
            next = *row as usize;
        }
        Ok(ChunkColumn { array, rows: Some(numbers.into()), ..column.clone() })
    }

    fn pick<T: Copy>(&self, values: &[T]) -> Vec<T> {
        values.iter().zip(&self.kept).filter(|(_, kept)| **kept).map(|(value, _)| *value).collect()
    }

    /// Where each record's rows begin among those that are left; records without rows are left out.
    fn shifted(&self, chunk: &Chunk) -> Vec<(u32, crate::ids::Sequence)> {
        let ends = chunk.sequences.iter().skip(1).map(|(row, _)| *row as usize).chain([self.kept.len()]);
        let mut start = 0_u32;
        let mut shifted = Vec::with_capacity(chunk.sequences.len());
        for ((row, sequence), end) in chunk.sequences.iter().zip(ends) {
            let left = self.kept[*row as usize..end].iter().filter(|kept| **kept).count() as u32;
            if left > 0 {
                shifted.push((start, *sequence));
                start += left;
            }
        }
        shifted
    }
}

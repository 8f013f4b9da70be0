//! Merging sources that overlap in time: the union of their points in order, each point once.
//!
//! Sources come by ascending sequence, each sorted by (tags, time) and without duplicates. Where several hold a point,
//! each field takes the value of the last source that has one. Tags are compared once a run (the consecutive rows of
//! one series in one source); within a series only times are compared. Memory: a batch or two of each source.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBufferBuilder, DictionaryArray, Int32Array, StringArray, TimestampNanosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{SortColumn, SortOptions, concat, interleave, lexsort_to_indices, take};
use arrow::datatypes::{DataType, Int32Type, TimestampNanosecondType};
use arrow::error::ArrowError;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use hashbrown::HashMap;

use super::ScanError;
use super::project::Rows;

/// Text of string fields after which an output batch ends early. A source's batch holds at most 64 MiB of it, so a
/// batch stays far below Arrow's 2 GiB an array.
const BATCH_TEXT_BYTES: usize = 64 << 20;

pub(super) type RowStream = BoxStream<'static, Result<Rows, ScanError>>;

/// The columns of all sources: the tags in sort order, the time, then fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct MergeColumns {
    pub(super) tag_count: usize,
    pub(super) columns: usize,
}

impl MergeColumns {
    fn time(self) -> usize {
        self.tag_count
    }
}

/// Merges the sources, given by ascending sequence.
pub(super) fn stream(sources: Vec<RowStream>, columns: MergeColumns, batch_rows: usize) -> RowStream {
    let cursors = sources.into_iter().map(Cursor::new).collect();
    let merger = Merger { cursors, columns, batch_rows };
    stream::try_unfold(merger, |mut merger| async move {
        let rows = merger.next_rows().await?;
        Ok((rows.len > 0).then_some((rows, merger)))
    })
    .boxed()
}

/// The rows of one source in the order of its columns up to the time. It is read whole: for the rare file that was
/// written in another order than the table now has.
pub(super) fn sorted(source: RowStream, columns: MergeColumns, batch_rows: usize) -> RowStream {
    let sorting = async move {
        let batches: Vec<Rows> = source.try_collect().await?;
        let len = batches.iter().map(|rows| rows.len).sum();
        if len == 0 {
            return Ok(stream::empty().boxed());
        }
        let column = |index: usize| {
            let pieces: Vec<&dyn Array> = batches.iter().map(|rows| &*rows.columns[index]).collect();
            concat(&pieces)
        };
        let all = (0..columns.columns).map(column).collect::<Result<Vec<ArrayRef>, ArrowError>>()?;
        let options = Some(SortOptions { descending: false, nulls_first: true });
        let key = all.iter().take(columns.time() + 1);
        let key: Vec<SortColumn> = key.map(|values| SortColumn { values: ArrayRef::clone(values), options }).collect();
        let order = lexsort_to_indices(&key, None)?;
        let sorted = all.iter().map(|values| take(values, &order, None)).collect::<Result<Vec<ArrayRef>, _>>()?;
        let rows = Rows { columns: sorted, len };
        let starts = (0..len).step_by(batch_rows);
        Ok::<_, ScanError>(
            stream::iter(starts.map(move |start| Ok(rows.slice(start, batch_rows.min(len - start))))).boxed(),
        )
    };
    stream::once(sorting).try_flatten().boxed()
}

/// A source's rows with what comparing needs.
#[derive(Debug)]
struct SourceBatch {
    tags: Vec<TagValues>,
    times: TimestampNanosecondArray,
    fields: Vec<ArrayRef>,
    /// Where each run of equal tags ends.
    run_ends: Vec<usize>,
}

#[derive(Debug)]
struct TagValues {
    keys: Int32Array,
    values: StringArray,
}

impl TagValues {
    fn get(&self, row: usize) -> Option<&str> {
        if self.keys.is_null(row) {
            return None;
        }
        let key = self.keys.value(row) as usize;
        (!self.values.is_null(key)).then(|| self.values.value(key))
    }

    /// Marks the rows whose key differs from the row before.
    fn mark_changes(&self, changes: &mut [bool]) {
        let keys = self.keys.values();
        match self.keys.nulls() {
            None => {
                for (pair, change) in keys.windows(2).zip(changes.iter_mut().skip(1)) {
                    *change |= pair[0] != pair[1];
                }
            }
            Some(nulls) => {
                for row in 1..keys.len() {
                    let (before, now) = (nulls.is_valid(row - 1), nulls.is_valid(row));
                    changes[row] |= before != now || (now && keys[row - 1] != keys[row]);
                }
            }
        }
    }
}

impl SourceBatch {
    fn new(rows: &Rows, columns: MergeColumns) -> Self {
        let tag = |column: &ArrayRef| {
            let dictionary = column.as_dictionary::<Int32Type>();
            TagValues { keys: dictionary.keys().clone(), values: dictionary.values().as_string::<i32>().clone() }
        };
        let tags: Vec<TagValues> = rows.columns[..columns.tag_count].iter().map(tag).collect();
        let mut changes = vec![false; rows.len];
        tags.iter().for_each(|tag| tag.mark_changes(&mut changes));
        let starts = changes.iter().enumerate().skip(1).filter(|(_, change)| **change).map(|(row, _)| row);
        Self {
            run_ends: starts.chain([rows.len]).collect(),
            tags,
            times: rows.columns[columns.time()].as_primitive::<TimestampNanosecondType>().clone(),
            fields: rows.columns[columns.time() + 1..].to_vec(),
        }
    }

    /// Text of the string fields in some rows.
    fn text_bytes(&self, start: usize, len: usize) -> usize {
        let texts = self.fields.iter().filter(|field| *field.data_type() == DataType::Utf8);
        texts
            .map(|field| {
                let offsets = field.as_string::<i32>().value_offsets();
                (offsets[start + len] - offsets[start]) as usize
            })
            .sum()
    }
}

/// A source and where its next row is.
struct Cursor {
    source: RowStream,
    batch: Option<Arc<SourceBatch>>,
    row: usize,
    /// Index of the run that `row` is in.
    run: usize,
    /// The batch's index in the output that is being made, once it gave a row to it.
    slot: Option<usize>,
}

impl Cursor {
    fn new(source: RowStream) -> Self {
        Self { source, batch: None, row: 0, run: 0, slot: None }
    }

    /// Loads the next batch if the present one is used up; without one the source has ended.
    async fn fill(&mut self, columns: MergeColumns) -> Result<(), ScanError> {
        while self.batch.as_ref().is_none_or(|batch| self.run >= batch.run_ends.len()) {
            let Some(rows) = self.source.try_next().await? else {
                self.batch = None;
                break;
            };
            if rows.len > 0 {
                self.batch = Some(Arc::new(SourceBatch::new(&rows, columns)));
                (self.row, self.run, self.slot) = (0, 0, None);
            }
        }
        Ok(())
    }

    /// The times from the next row to the end of its run; empty after the last batch.
    fn run_times(&self) -> &[i64] {
        let batch = self.batch.as_ref();
        batch.and_then(|batch| batch.times.values().get(self.row..*batch.run_ends.get(self.run)?)).unwrap_or_default()
    }

    /// How the series of the next row stands to that of another cursor.
    fn compare_series(&self, other: &Self) -> Ordering {
        let (Some(mine), Some(others)) = (&self.batch, &other.batch) else {
            return Ordering::Equal;
        };
        let tags = mine.tags.iter().zip(&others.tags);
        tags.map(|(mine, others)| mine.get(self.row).cmp(&others.get(other.row)))
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    /// Passes `len` rows of the run; says whether the run has ended.
    fn advance(&mut self, len: usize) -> bool {
        let has_ended = len >= self.run_times().len();
        self.row += len;
        self.run += usize::from(has_ended);
        has_ended
    }
}

/// How many of these ascending times are before `time`. Near ones are looked at first.
fn times_before(times: &[i64], time: i64) -> usize {
    let mut bound = 1;
    while times.get(bound).is_some_and(|candidate| *candidate < time) {
        bound *= 2;
    }
    times[..times.len().min(bound)].partition_point(|candidate| *candidate < time)
}

struct Merger {
    cursors: Vec<Cursor>,
    columns: MergeColumns,
    batch_rows: usize,
}

impl Merger {
    /// The next rows; none when all sources have ended.
    async fn next_rows(&mut self) -> Result<Rows, ScanError> {
        let mut output = Output::default();
        self.cursors.iter_mut().for_each(|cursor| cursor.slot = None);
        while output.len < self.batch_rows && output.text_bytes < BATCH_TEXT_BYTES {
            for cursor in &mut self.cursors {
                cursor.fill(self.columns).await?;
            }
            self.cursors.retain(|cursor| cursor.batch.is_some());
            if self.cursors.is_empty() {
                break;
            }
            let active = self.least_series();
            self.merge_series(&active, &mut output);
        }
        Ok(output.finish(self.columns)?)
    }

    /// The cursors whose next row belongs to the least series, by ascending sequence.
    fn least_series(&self) -> Vec<usize> {
        let mut least: Vec<usize> = Vec::with_capacity(self.cursors.len());
        for (index, cursor) in self.cursors.iter().enumerate() {
            let ordering = least.first().map_or(Ordering::Equal, |first| cursor.compare_series(&self.cursors[*first]));
            if ordering.is_lt() {
                least.clear();
            }
            if ordering.is_le() {
                least.push(index);
            }
        }
        least
    }

    /// Merges the present runs of the `active` cursors, all of one series, by time until one of the runs has ended
    /// (its series may go on in the next batch) or the output is full.
    fn merge_series(&mut self, active: &[usize], output: &mut Output) {
        while output.len < self.batch_rows && output.text_bytes < BATCH_TEXT_BYTES {
            let first_time = |index: &usize| self.cursors[*index].run_times().first().copied();
            let Some(least) = active.iter().filter_map(first_time).min() else {
                return;
            };
            let next = active.iter().filter_map(first_time).filter(|time| *time > least).min();
            let holders = active.iter().copied().filter(|index| first_time(index) == Some(least));
            let holders: Holders = holders.collect();
            let mut has_ended = false;
            if let [only] = holders.as_slice() {
                let cursor = &mut self.cursors[*only];
                let times = cursor.run_times();
                let len = next.map_or(times.len(), |next| times_before(times, next));
                let len = len.min(self.batch_rows - output.len);
                output.push(cursor, len);
                has_ended = cursor.advance(len);
            } else {
                output.push_merged(&mut self.cursors, &holders);
                for index in holders {
                    has_ended |= self.cursors[index].advance(1);
                }
            }
            if has_ended {
                return;
            }
        }
    }
}

type Holders = Vec<usize>;

/// (Slot, row) of a source row.
type Place = (usize, usize);

/// Rows on their way out, as places in the sources' batches.
#[derive(Default)]
struct Output {
    batches: Vec<Arc<SourceBatch>>,
    /// Consecutive rows of one run: (slot, first row, rows).
    pieces: Vec<(usize, usize, usize)>,
    /// Points that several sources hold: (output row, their places by ascending sequence).
    merged: Vec<(usize, Vec<Place>)>,
    len: usize,
    text_bytes: usize,
}

impl Output {
    fn slot(&mut self, cursor: &mut Cursor) -> Option<usize> {
        if cursor.slot.is_none() {
            cursor.slot = Some(self.batches.len());
            self.batches.push(Arc::clone(cursor.batch.as_ref()?));
        }
        cursor.slot
    }

    fn push(&mut self, cursor: &mut Cursor, len: usize) {
        let Some(slot) = self.slot(cursor) else { return };
        self.text_bytes += self.batches[slot].text_bytes(cursor.row, len);
        self.pieces.push((slot, cursor.row, len));
        self.len += len;
    }

    /// Appends one row for the next rows of all `holders`, which are the same point.
    fn push_merged(&mut self, cursors: &mut [Cursor], holders: &[usize]) {
        let mut places = Vec::with_capacity(holders.len());
        for holder in holders {
            let cursor = &mut cursors[*holder];
            let Some(slot) = self.slot(cursor) else { continue };
            self.text_bytes += self.batches[slot].text_bytes(cursor.row, 1);
            places.push((slot, cursor.row));
        }
        if let Some((slot, row)) = places.last() {
            self.pieces.push((*slot, *row, 1));
            self.merged.push((self.len, places));
            self.len += 1;
        }
    }

    fn finish(self, columns: MergeColumns) -> Result<Rows, ArrowError> {
        if self.batches.is_empty() {
            return Ok(Rows { columns: Vec::new(), len: 0 });
        }
        let mut arrays = Vec::with_capacity(columns.columns);
        for tag in 0..columns.tag_count {
            arrays.push(self.tag(tag)?);
        }
        let mut times = Vec::with_capacity(self.len);
        for (slot, start, len) in &self.pieces {
            times.extend_from_slice(&self.batches[*slot].times.values()[*start..start + len]);
        }
        arrays.push(Arc::new(TimestampNanosecondArray::from(times)));
        let field_count = columns.columns - columns.tag_count - 1;
        if let (&[(slot, start, len)], true) = (self.pieces.as_slice(), self.merged.is_empty()) {
            arrays.extend(self.batches[slot].fields.iter().map(|field| field.slice(start, len)));
        } else if field_count > 0 {
            let mut places: Vec<Place> = Vec::with_capacity(self.len);
            for (slot, start, len) in &self.pieces {
                places.extend((*start..start + len).map(|row| (*slot, row)));
            }
            for field in 0..field_count {
                arrays.push(self.field(field, &mut places)?);
            }
        }
        Ok(Rows { columns: arrays, len: self.len })
    }

    /// A tag of all rows with a dictionary of its own, in which each value is once.
    fn tag(&self, tag: usize) -> Result<ArrayRef, ArrowError> {
        let mut keys: Vec<i32> = Vec::with_capacity(self.len);
        let mut valid = BooleanBufferBuilder::new(self.len);
        let mut numbers: HashMap<&str, i32, foldhash::fast::RandomState> = HashMap::default();
        let mut values: Vec<&str> = Vec::new();
        // Neighbouring pieces mostly have the same value.
        let mut last: Option<(&str, i32)> = None;
        for (slot, start, len) in &self.pieces {
            let value = self.batches[*slot].tags[tag].get(*start);
            if let Some(value) = value.filter(|value| last.is_none_or(|(known, _)| known != *value)) {
                let key = *numbers.entry(value).or_insert_with(|| {
                    values.push(value);
                    values.len() as i32 - 1
                });
                last = Some((value, key));
            }
            let key = value.and(last).map_or(0, |(_, key)| key);
            keys.resize(keys.len() + len, key);
            valid.append_n(*len, value.is_some());
        }
        let nulls = NullBuffer::new(valid.finish());
        let keys = Int32Array::try_new(keys.into(), (nulls.null_count() > 0).then_some(nulls))?;
        let values = Arc::new(StringArray::from_iter_values(values));
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?))
    }

    /// A field of all rows; of merged points the last value that is not null. `places` is given back as it came.
    fn field(&self, field: usize, places: &mut [Place]) -> Result<ArrayRef, ArrowError> {
        let arrays: Vec<&dyn Array> = self.batches.iter().map(|batch| &*batch.fields[field]).collect();
        for (row, candidates) in &self.merged {
            let given = candidates.iter().rev().find(|(slot, row)| arrays[*slot].is_valid(*row));
            if let Some(place) = given.or(candidates.last()) {
                places[*row] = *place;
            }
        }
        interleave(&arrays, places)
    }
}

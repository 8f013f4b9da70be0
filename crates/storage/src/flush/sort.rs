//! Sorting buffered rows into the order of files, and merging the rows of one point.
//!
//! The order is (tags in the table's sort order, null first and then bytes ascending; time). Strings are compared only
//! between distinct tag values: those become ranks, series are ordered by their ranks, and rows are distributed to
//! their series by counting. Rows of one series and time become one row, each field with its last value that is not
//! null. Nothing here does I/O.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBufferBuilder, DictionaryArray, Int32Array, PrimitiveArray, StringArray,
    TimestampNanosecondArray, new_null_array,
};
use arrow::buffer::NullBuffer;
use arrow::compute::interleave;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use hashbrown::HashMap;

use crate::buffered::{BufferedRows, ChunkColumn, SeriesTable};
use crate::ids::ColumnId;
use crate::rows::series_key_tags;
use crate::table::{ColumnKind, TableSchema, arrow_type};

/// Marks a series that is not selected.
const NOT_SELECTED: u32 = u32::MAX;

/// The series of a buffer in the order of files, and their tags as sorted dictionaries.
#[derive(Debug)]
pub(crate) struct SeriesOrder {
    /// Per series id: its place in the order, or [`NOT_SELECTED`].
    rank_of_series: Vec<u32>,
    /// Selected series.
    series_count: usize,
    tags: Vec<TagColumn>,
}

/// One tag of every selected series.
#[derive(Debug)]
pub(crate) struct TagColumn {
    pub(crate) column: ColumnId,
    /// The distinct values, ascending.
    pub(crate) values: Arc<StringArray>,
    /// Per rank of a series: 0 for null, otherwise one more than the index in `values`.
    codes: Vec<u32>,
}

impl TagColumn {
    fn code(&self, rank: u32) -> u32 {
        self.codes.get(rank as usize).copied().unwrap_or(0)
    }

    /// The tag of consecutive runs of rows, given as (rows, rank of their series); `row_count` is their sum.
    fn rows(&self, runs: impl Iterator<Item = (usize, u32)>, row_count: usize) -> Result<ArrayRef, ArrowError> {
        let runs: Vec<(usize, u32)> = runs.map(|(rows, rank)| (rows, self.code(rank))).collect();
        // Whoever groups or encodes a batch looks at every value of its dictionary, so a batch of a tag with very many
        // values gets only those that its rows have.
        let used = (self.values.len() > row_count).then(|| {
            let mut used: Vec<u32> = runs.iter().map(|(_, code)| *code).filter(|code| *code > 0).collect();
            used.sort_unstable();
            used.dedup();
            used
        });
        let key = |code: u32| match &used {
            None => code.saturating_sub(1) as i32,
            Some(used) => used.binary_search(&code).map_or(0, |index| index as i32),
        };
        let mut keys = Vec::with_capacity(row_count);
        let mut valid = BooleanBufferBuilder::new(row_count);
        for (rows, code) in &runs {
            keys.resize(keys.len() + rows, key(*code));
            valid.append_n(*rows, *code > 0);
        }
        let nulls = NullBuffer::new(valid.finish());
        let keys = Int32Array::try_new(keys.into(), (nulls.null_count() > 0).then_some(nulls))?;
        let values: ArrayRef = match &used {
            None => Arc::<StringArray>::clone(&self.values),
            Some(used) => {
                let value = |code: &u32| self.values.value(*code as usize - 1);
                Arc::new(StringArray::from_iter_values(used.iter().map(value)))
            }
        };
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, values)?))
    }
}

impl SeriesOrder {
    /// Orders the series for which `selected` holds by the table's tags in sort order.
    pub(crate) fn new(schema: &TableSchema, series: &SeriesTable, selected: impl Fn(&[u8]) -> bool) -> Self {
        let sort_tags = schema.sort_tags();
        let mut encoded: Vec<TagEncoder<'_>> = sort_tags.iter().map(|_| TagEncoder::default()).collect();
        let mut slots: Vec<(ColumnId, usize)> = sort_tags.iter().enumerate().map(|(slot, id)| (*id, slot)).collect();
        slots.sort_unstable();
        let mut ids = Vec::with_capacity(series.len());
        for (id, key) in series.iter().enumerate() {
            if !selected(key) {
                continue;
            }
            ids.push(id as u32);
            for (column, value) in series_key_tags(key) {
                let slot = slots.binary_search_by_key(&column, |(id, _)| *id).ok();
                if let Some(encoder) = slot.and_then(|index| encoded.get_mut(slots[index].1)) {
                    encoder.push(ids.len() - 1, value);
                }
            }
        }
        let ranked: Vec<(Vec<&str>, Vec<u32>)> = encoded.into_iter().map(|tag| tag.finish(ids.len())).collect();
        let mut order: Vec<u32> = (0..ids.len() as u32).collect();
        for (values, codes) in ranked.iter().rev() {
            order = counting_sort(&order, codes, values.len() + 1);
        }
        let mut rank_of_series = vec![NOT_SELECTED; series.len()];
        for (rank, index) in order.iter().enumerate() {
            rank_of_series[ids[*index as usize] as usize] = rank as u32;
        }
        let tags = sort_tags.into_iter().zip(ranked).map(|(column, (values, codes))| TagColumn {
            column,
            values: Arc::new(StringArray::from_iter_values(values)),
            codes: order.iter().map(|index| codes[*index as usize]).collect(),
        });
        Self { rank_of_series, series_count: ids.len(), tags: tags.collect() }
    }

    /// The number of selected series.
    pub(crate) fn len(&self) -> usize {
        self.series_count
    }

    fn tag(&self, column: ColumnId) -> Option<&TagColumn> {
        self.tags.iter().find(|tag| tag.column == column)
    }
}

/// Collects the values of one tag and numbers them.
#[derive(Default)]
struct TagEncoder<'a> {
    numbers: HashMap<&'a str, u32, foldhash::fast::RandomState>,
    /// (Index of the series, number of its value), for those that have the tag.
    pairs: Vec<(u32, u32)>,
}

impl<'a> TagEncoder<'a> {
    fn push(&mut self, series_index: usize, value: &'a str) {
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(value).or_insert(next);
        self.pairs.push((series_index as u32, number));
    }

    /// The distinct values ascending, and per series 0 for null or one more than the value's index.
    fn finish(self, series_count: usize) -> (Vec<&'a str>, Vec<u32>) {
        let mut values: Vec<(&str, u32)> = self.numbers.into_iter().collect();
        values.sort_unstable();
        let mut code_of_number = vec![0_u32; values.len()];
        for (index, (_, number)) in values.iter().enumerate() {
            code_of_number[*number as usize] = index as u32 + 1;
        }
        let mut codes = vec![0_u32; series_count];
        for (series, number) in self.pairs {
            codes[series as usize] = code_of_number[number as usize];
        }
        (values.into_iter().map(|(value, _)| value).collect(), codes)
    }
}

/// `items` by ascending `codes[item]`, equal ones in their order. Codes are below `code_count`.
fn counting_sort(items: &[u32], codes: &[u32], code_count: usize) -> Vec<u32> {
    let mut starts = vec![0_u32; code_count + 1];
    for item in items {
        starts[codes[*item as usize] as usize + 1] += 1;
    }
    if starts.iter().filter(|count| **count > 0).count() <= 1 {
        return items.to_vec();
    }
    for index in 1..starts.len() {
        starts[index] += starts[index - 1];
    }
    let mut sorted = vec![0_u32; items.len()];
    for item in items {
        let start = &mut starts[codes[*item as usize] as usize];
        sorted[*start as usize] = *item;
        *start += 1;
    }
    sorted
}

/// The order of a table's tags in the sort key of its files, chosen once, at its first flush: rising cardinality, so
/// that long runs of equal values come first, then the name.
#[must_use]
pub fn choose_tag_order(schema: &TableSchema, rows: &BufferedRows) -> Vec<ColumnId> {
    let order = SeriesOrder::new(schema, &rows.series, |_| true);
    let mut tags: Vec<_> = schema
        .tags()
        .map(|tag| (order.tag(tag.id).map_or(0, |column| column.values.len()), tag.name.as_str(), tag.id))
        .collect();
    tags.sort_unstable();
    tags.into_iter().map(|(_, _, id)| id).collect()
}

/// Buffered rows in the order of files, each (series, time) once. Columns are put together batch by batch.
#[derive(Debug)]
pub(crate) struct SortedRows {
    schema: Arc<TableSchema>,
    order: Arc<SeriesOrder>,
    /// Per output row: its time.
    times: Vec<i64>,
    /// Where each series begins: (first output row, rank), both ascending.
    runs: Vec<(u32, u32)>,
    /// Positions in the chunks, one after another, in order. One each output row, unless there are duplicates.
    positions: Vec<u32>,
    /// With duplicates: per output row its first index in `positions`, and at the end their number.
    groups: Option<Vec<u32>>,
    chunk_starts: Vec<u32>,
    rows: BufferedRows,
    /// Per position in the chunks: its output row, or [`NOT_SELECTED`]. Made when a sparse column is asked for.
    outputs: OnceLock<Vec<u32>>,
}

/// More rows than 32 bits can count in one buffer.
#[derive(Debug, thiserror::Error)]
#[error("a table's buffer holds {0} rows, more than can be sorted at once")]
pub struct TooManyRows(usize);

impl SortedRows {
    /// Sorts the rows of selected series whose time lies in `time_range` (inclusive).
    ///
    /// # Errors
    /// If there are 2³² rows or more.
    pub(crate) fn sort(
        schema: Arc<TableSchema>,
        rows: BufferedRows,
        order: Arc<SeriesOrder>,
        time_range: (i64, i64),
    ) -> Result<Self, TooManyRows> {
        let mut chunk_starts = Vec::with_capacity(rows.chunks.len());
        let mut total = 0_usize;
        for chunk in &rows.chunks {
            chunk_starts.push(u32::try_from(total).map_err(|_| TooManyRows(total))?);
            total += chunk.times.len();
        }
        u32::try_from(total).map_err(|_| TooManyRows(total))?;
        let distributed = distribute(&rows, &order, &chunk_starts, time_range);
        let Distributed { mut times, mut positions, mut runs } = distributed;
        let duplicates = sort_runs(&mut times, &mut positions, &runs);
        let groups = duplicates.then(|| group_equal_times(&mut times, &mut runs));
        Ok(Self { schema, order, times, runs, positions, groups, chunk_starts, rows, outputs: OnceLock::new() })
    }

    /// The number of distinct points.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// Per row: its time.
    pub(crate) fn times(&self) -> &[i64] {
        &self.times
    }

    /// The given columns of the rows in `range`, in that order; [`ColumnId::TIME`] is the time.
    ///
    /// # Errors
    /// What Arrow reports, for instance more than 2 GiB of text in `range`.
    pub(crate) fn columns(&self, range: Range<usize>, columns: &[ColumnId]) -> Result<Vec<ArrayRef>, ArrowError> {
        let range = range.start.min(self.len())..range.end.min(self.len());
        let plain =
            if self.groups.is_none() { self.locate(self.positions[range.clone()].iter().copied()) } else { vec![] };
        let column = |id: &ColumnId| -> Result<ArrayRef, ArrowError> {
            if *id == ColumnId::TIME {
                return Ok(Arc::new(TimestampNanosecondArray::from(self.times[range.clone()].to_vec())));
            }
            let kind = self.schema.column(*id).map(|column| column.kind);
            match kind {
                None => Err(ArrowError::SchemaError(format!("the table has no column {id}"))),
                Some(ColumnKind::Tag) => self.tag(*id, range.clone()),
                Some(kind) => self.field(*id, kind, range.clone(), &plain),
            }
        };
        columns.iter().map(column).collect()
    }

    /// The runs of one series within `range`: (rows of the range, rank).
    fn runs_in(&self, range: Range<usize>) -> impl Iterator<Item = (Range<usize>, u32)> {
        let first = self.runs.partition_point(|(start, _)| *start as usize <= range.start).saturating_sub(1);
        let rest = self.runs.get(first..).unwrap_or_default();
        let end = range.end;
        rest.iter().enumerate().map_while(move |(index, (start, rank))| {
            let next = rest.get(index + 1).map_or(self.len(), |(next, _)| *next as usize);
            let run = (*start as usize).max(range.start)..next.min(end);
            (!run.is_empty()).then_some((run, *rank))
        })
    }

    fn tag(&self, column: ColumnId, range: Range<usize>) -> Result<ArrayRef, ArrowError> {
        let Some(tag) = self.order.tag(column) else {
            return Ok(new_null_array(&arrow_type(ColumnKind::Tag), range.len()));
        };
        let row_count = range.len();
        tag.rows(self.runs_in(range).map(|(run, rank)| (run.len(), rank)), row_count)
    }

    fn field(
        &self,
        column: ColumnId,
        kind: ColumnKind,
        range: Range<usize>,
        plain: &[(usize, usize)],
    ) -> Result<ArrayRef, ArrowError> {
        let columns: Vec<Option<&ChunkColumn>> = self.rows.chunks.iter().map(|chunk| chunk.column(column)).collect();
        if columns.iter().all(Option::is_none) {
            return Ok(new_null_array(&arrow_type(kind), range.len()));
        }
        if columns.iter().flatten().any(|column| column.rows.is_some()) {
            return self.scattered(&columns, kind, range);
        }
        let arrays = self.chunk_arrays(&columns, kind);
        let references: Vec<&dyn Array> = arrays.iter().map(|array| &**array).collect();
        match &self.groups {
            None => interleave(&references, plain),
            Some(groups) => {
                let bounds = &groups[range.start..=range.end];
                let given = |position: u32| {
                    let (chunk, row) = self.locate_one(position, 0);
                    references[chunk].is_valid(row)
                };
                let last_given = bounds.windows(2).map(|bound| {
                    let group = &self.positions[bound[0] as usize..bound[1] as usize];
                    let last = group[group.len() - 1];
                    if group.len() == 1 {
                        last
                    } else {
                        group.iter().rev().copied().find(|p| given(*p)).unwrap_or(last)
                    }
                });
                interleave(&references, &self.locate(last_given))
            }
        }
    }

    /// A column's array of every chunk, null arrays where a chunk lacks it.
    fn chunk_arrays(&self, columns: &[Option<&ChunkColumn>], kind: ColumnKind) -> Vec<ArrayRef> {
        let lacking = self.rows.chunks.iter().zip(columns).filter(|(_, column)| column.is_none());
        let longest = lacking.map(|(chunk, _)| chunk.times.len()).max().unwrap_or(0);
        let nulls = new_null_array(&arrow_type(kind), longest);
        columns.iter().map(|column| Arc::clone(column.map_or(&nulls, |column| &column.array))).collect()
    }

    /// A column of which some chunks have few values: each value goes where its row is, so that what this costs follows
    /// the values.
    fn scattered(
        &self,
        columns: &[Option<&ChunkColumn>],
        kind: ColumnKind,
        range: Range<usize>,
    ) -> Result<ArrayRef, ArrowError> {
        let outputs = self.outputs.get_or_init(|| self.output_rows());
        let null = new_null_array(&arrow_type(kind), 1);
        let mut arrays: Vec<&dyn Array> = vec![&*null];
        let mut given: Vec<(usize, (usize, usize))> = Vec::new();
        for (column, chunk_start) in columns.iter().zip(&self.chunk_starts) {
            let Some(column) = column else { continue };
            for (row, place) in column.places() {
                let output = outputs[*chunk_start as usize + row] as usize;
                if range.contains(&output) {
                    given.push((output - range.start, (arrays.len(), place)));
                }
            }
            arrays.push(&*column.array);
        }
        // Chunks and their rows come in the order in which they were written: of one row's values the last counts.
        scatter(&arrays, &given, range.len())
    }

    /// Per position in the chunks: the row that it goes to.
    fn output_rows(&self) -> Vec<u32> {
        let mut outputs = vec![NOT_SELECTED; self.rows.chunks.iter().map(|chunk| chunk.times.len()).sum()];
        for row in 0..self.len() {
            for position in &self.positions[self.positions_of(row)] {
                outputs[*position as usize] = row as u32;
            }
        }
        outputs
    }

    /// Where the positions of an output row lie in `positions`.
    fn positions_of(&self, row: usize) -> Range<usize> {
        match &self.groups {
            None => row..row + 1,
            Some(groups) => groups[row] as usize..groups[row + 1] as usize,
        }
    }

    /// (Chunk, row) of each position.
    fn locate(&self, positions: impl Iterator<Item = u32>) -> Vec<(usize, usize)> {
        let mut located = Vec::with_capacity(positions.size_hint().0);
        let mut chunk = 0;
        for position in positions {
            let place = self.locate_one(position, chunk);
            chunk = place.0;
            located.push(place);
        }
        located
    }

    /// (Chunk, row) of a position, which often lies in the chunk `near` or the one after it.
    fn locate_one(&self, position: u32, near: usize) -> (usize, usize) {
        let starts = &self.chunk_starts;
        let within = |chunk: usize| {
            starts.get(chunk).is_some_and(|start| *start <= position)
                && starts.get(chunk + 1).is_none_or(|end| position < *end)
        };
        let chunk = if within(near) {
            near
        } else if within(near + 1) {
            near + 1
        } else {
            starts.partition_point(|start| *start <= position).saturating_sub(1)
        };
        (chunk, (position - starts[chunk]) as usize)
    }

    /// The first rows of batches that hold at most `row_limit` rows and, unless a single row is larger, at most
    /// `text_limit_bytes` of text in string fields; the number of rows is the last entry.
    pub(crate) fn batch_bounds(&self, row_limit: usize, text_limit_bytes: usize) -> Vec<usize> {
        let text = self.text_columns();
        let mut bounds = vec![0];
        let (mut start, mut bytes) = (0, 0);
        if !text.is_empty() {
            for row in 0..self.len() {
                let row_bytes = self.text_bytes(row, &text);
                if row > start && (row - start == row_limit || bytes + row_bytes > text_limit_bytes) {
                    bounds.push(row);
                    (start, bytes) = (row, 0);
                }
                bytes += row_bytes;
            }
        } else {
            bounds.extend((row_limit..self.len()).step_by(row_limit.max(1)));
        }
        bounds.push(self.len());
        bounds.dedup();
        bounds
    }

    /// The string fields' columns by chunk.
    fn text_columns(&self) -> Vec<Vec<Option<&ChunkColumn>>> {
        let is_text = |kind| arrow_type(kind) == DataType::Utf8;
        let fields = self.schema.fields().filter(|column| is_text(column.kind));
        fields
            .map(|field| self.rows.chunks.iter().map(|chunk| chunk.column(field.id)).collect())
            .filter(|columns: &Vec<Option<&ChunkColumn>>| columns.iter().any(Option::is_some))
            .collect()
    }

    /// An upper bound of the text in one row: of duplicates, the longest value of each field.
    fn text_bytes(&self, row: usize, text: &[Vec<Option<&ChunkColumn>>]) -> usize {
        let positions = &self.positions[self.positions_of(row)];
        let longest = |columns: &Vec<Option<&ChunkColumn>>| {
            let length = |position: &u32| {
                let (chunk, row) = self.locate_one(*position, 0);
                let Some(column) = columns[chunk] else { return 0 };
                let array = column.array.as_string_opt::<i32>();
                array.zip(column.place(row)).map_or(0, |(array, place)| array.value_length(place) as usize)
            };
            positions.iter().map(length).max().unwrap_or(0)
        };
        text.iter().map(longest).sum()
    }
}

/// An array of `len` values: each of `given`, (row, (array, place in it)), where it belongs, of one row's values the
/// last; null everywhere else. The first of `arrays` is one null.
fn scatter(arrays: &[&dyn Array], given: &[(usize, (usize, usize))], len: usize) -> Result<ArrayRef, ArrowError> {
    macro_rules! numbers {
        ($kind:ty) => {{
            let arrays: Vec<_> = arrays.iter().map(|array| array.as_primitive::<$kind>()).collect();
            let mut values = vec![Default::default(); len];
            let mut valid = BooleanBufferBuilder::new(len);
            valid.append_n(len, false);
            for (row, (array, place)) in given {
                values[*row] = arrays[*array].value(*place);
                valid.set_bit(*row, true);
            }
            let nulls = NullBuffer::new(valid.finish());
            Ok(Arc::new(PrimitiveArray::<$kind>::try_new(values.into(), Some(nulls))?))
        }};
    }
    match arrays[0].data_type() {
        DataType::Float64 => numbers!(Float64Type),
        DataType::Int64 => numbers!(Int64Type),
        DataType::UInt64 => numbers!(UInt64Type),
        _ => {
            let mut places = vec![(0, 0); len];
            given.iter().for_each(|(row, place)| places[*row] = *place);
            interleave(arrays, &places)
        }
    }
}

struct Distributed {
    times: Vec<i64>,
    positions: Vec<u32>,
    runs: Vec<(u32, u32)>,
}

/// Puts the selected rows in the order of their series, within a series in the order in which they were written.
fn distribute(rows: &BufferedRows, order: &SeriesOrder, chunk_starts: &[u32], time_range: (i64, i64)) -> Distributed {
    let (first, last) = time_range;
    let mut starts = vec![0_u32; order.len() + 1];
    for chunk in &rows.chunks {
        for (series, time) in chunk.row_series.iter().zip(&chunk.times) {
            let rank = order.rank_of_series[*series as usize];
            if rank != NOT_SELECTED && first <= *time && *time <= last {
                starts[rank as usize + 1] += 1;
            }
        }
    }
    let mut runs = Vec::new();
    for rank in 0..order.len() {
        if starts[rank + 1] > 0 {
            runs.push((starts[rank], rank as u32));
        }
        starts[rank + 1] += starts[rank];
    }
    let total = starts[order.len()] as usize;
    let (mut times, mut positions) = (vec![0_i64; total], vec![0_u32; total]);
    for (chunk, chunk_start) in rows.chunks.iter().zip(chunk_starts) {
        for (row, (series, time)) in chunk.row_series.iter().zip(&chunk.times).enumerate() {
            let rank = order.rank_of_series[*series as usize];
            if rank != NOT_SELECTED && first <= *time && *time <= last {
                let slot = &mut starts[rank as usize];
                times[*slot as usize] = *time;
                positions[*slot as usize] = chunk_start + row as u32;
                *slot += 1;
            }
        }
    }
    Distributed { times, positions, runs }
}

/// Sorts by time each run that is not sorted yet, and says whether some time comes twice in a run.
fn sort_runs(times: &mut [i64], positions: &mut [u32], runs: &[(u32, u32)]) -> bool {
    let mut duplicates = false;
    for (index, (start, _)) in runs.iter().enumerate() {
        let end = runs.get(index + 1).map_or(times.len(), |(next, _)| *next as usize);
        let run = *start as usize..end;
        let (run_times, run_positions) = (&mut times[run.clone()], &mut positions[run]);
        if !run_times.is_sorted() {
            let mut pairs: Vec<(i64, u32)> = run_times.iter().copied().zip(run_positions.iter().copied()).collect();
            pairs.sort();
            for (slot, (time, position)) in pairs.into_iter().enumerate() {
                run_times[slot] = time;
                run_positions[slot] = position;
            }
        }
        duplicates |= run_times.windows(2).any(|pair| pair[0] == pair[1]);
    }
    duplicates
}

/// Makes the rows of a run with equal times one row: `times` and `runs` then count merged rows. Returns where each
/// merged row's rows begin, and their number at the end.
fn group_equal_times(times: &mut Vec<i64>, runs: &mut [(u32, u32)]) -> Vec<u32> {
    let total = times.len();
    let mut groups = Vec::with_capacity(total + 1);
    let run_ends: Vec<usize> = runs.iter().skip(1).map(|(start, _)| *start as usize).chain([total]).collect();
    for ((start, _), end) in runs.iter_mut().zip(run_ends) {
        let old = *start as usize..end;
        *start = groups.len() as u32;
        for index in old.clone() {
            if index == old.start || times[index] != times[index - 1] {
                groups.push(index as u32);
            }
        }
    }
    *times = groups.iter().map(|index| times[*index as usize]).collect();
    groups.push(total as u32);
    groups
}

#[cfg(test)]
#[path = "sort/tests.rs"]
mod tests;

//! Aggregates by group and window over one table: the direct path of all languages.
//!
//! ```text
//! table ── storage's scan by series (pruned, only wanted fields) ── runs ── row filter ── windows ── states by group
//! ```
//!
//! Rows of a series come together and ascend in time, so the group is looked up once a run and the window by arithmetic
//! once a window; between, loops over slices of one type do the work. Each partition of the scan is a task with states
//! of its own, and the states are merged in the order of the partitions. It knows storage, and no language: what is
//! done with the states (filling, transformations, names) is the caller's.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use storage::{RowsNeeded, SeriesBatch, SeriesPartition, SeriesPredicate, SeriesScanRequest, TableSnapshot, TagFilter};
use tokio::task::JoinSet;

use super::budget::Budget;
use super::partial::{AggregateFunction, Partial, Values};
use super::window::Windows;
use crate::error::QueryError;
use crate::limits;

/// Says which rows of a batch count; it may look at the columns of [`WindowAggregate::fields`] and the tags of
/// [`WindowAggregate::tags`]. Rows outside of runs are never asked for.
pub(crate) type RowFilter = Arc<dyn Fn(&SeriesBatch) -> BooleanBuffer + Send + Sync>;

/// One aggregate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aggregate {
    pub(crate) function: AggregateFunction,
    /// The place of its argument in [`WindowAggregate::fields`]. A column of text has no values for it.
    pub(crate) field: usize,
}

/// What is asked.
#[derive(Clone)]
pub(crate) struct WindowAggregate {
    pub(crate) table: Arc<TableSnapshot>,
    /// Tags that are read, by index in [`TableSnapshot::schema`]; the first `group_tags` of them make the groups.
    pub(crate) tags: Vec<usize>,
    /// How many of the tags make the groups.
    pub(crate) group_tags: usize,
    /// Fields that are read, by index in [`TableSnapshot::schema`].
    pub(crate) fields: Vec<usize>,
    /// Both inclusive, in nanoseconds.
    pub(crate) time_range: (i64, i64),
    /// `tag IN (values)`, all of which hold; the empty text also stands for a series without the tag.
    pub(crate) tag_filters: Vec<TagFilter>,
    /// Which series count, by the values of `tags`.
    pub(crate) series_filter: Option<SeriesPredicate>,
    /// Which rows count.
    pub(crate) row_filter: Option<RowFilter>,
    /// The windows; without them all rows of a group are in one, which starts at 0.
    pub(crate) windows: Option<Windows>,
    pub(crate) aggregates: Vec<Aggregate>,
    /// Which rows of each series the aggregates need.
    pub(crate) rows: RowsNeeded,
    /// How many tasks may work on it.
    pub(crate) partitions: usize,
    /// How many groups there may be.
    pub(crate) groups_max: usize,
}

/// A group and its windows.
#[derive(Debug)]
pub(crate) struct WindowGroup {
    /// The values of the group's tags; none is a tag that its series do not have.
    pub(crate) tags: Vec<Option<Arc<str>>>,
    /// The starts of the windows with rows, ascending.
    pub(crate) windows: Vec<i64>,
    /// For each window one state for each aggregate, window by window.
    pub(crate) states: Vec<Partial>,
}

/// Bytes that a group or window takes beside its states.
const ENTRY_BYTES: usize = 96;

/// Runs it to its end: the groups in the order in which they were met. Their memory is charged to `budget`.
///
/// # Errors
/// If there are too many groups, if memory runs out, or if a file cannot be read.
pub(crate) async fn window_aggregate(
    request: WindowAggregate,
    budget: &Budget,
) -> Result<Vec<WindowGroup>, QueryError> {
    let scan = SeriesScanRequest {
        tags: request.tags.clone(),
        fields: request.fields.clone(),
        time_range: request.time_range,
        tag_filters: request.tag_filters.clone(),
        keep: request.series_filter.clone(),
        rows: request.rows,
        batch_rows: limits::BATCH_ROWS,
        partitions: request.partitions,
    };
    let partitions = request.table.scan_series(&scan).await.map_err(failed)?;
    let request = Arc::new(request);
    let parts = each_partition(partitions, |mut partition| {
        let (request, budget) = (Arc::clone(&request), budget.child());
        async move {
            let mut groups = Groups::new(&request);
            while let Some(batch) = partition.next().await.map_err(failed)? {
                budget.charge(groups.add(&batch)?)?;
                // Decoding never waits, and other queries and the end of this one have to have a turn.
                tokio::task::yield_now().await;
            }
            Ok((groups.list, budget))
        }
    })
    .await?;
    let mut merged = Groups::new(&request);
    let count = parts.len();
    for (place, (groups, child)) in parts.into_iter().enumerate() {
        budget.absorb(child)?;
        match (place, count) {
            (_, 1) => merged.list = groups,
            _ => budget.charge(merged.merge(groups)?)?,
        }
    }
    Ok(merged.list)
}

pub(crate) fn failed(error: storage::ScanError) -> QueryError {
    QueryError::Internal(error.to_string())
}

/// Runs something on each partition, the first one here and each other one as a task of its own; the results come in
/// the order of the partitions. If one fails, or this is dropped, the others end.
///
/// # Errors
/// The first one that is found.
pub(crate) async fn each_partition<T, F>(
    partitions: Vec<SeriesPartition>,
    work: impl Fn(SeriesPartition) -> F,
) -> Result<Vec<T>, QueryError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, QueryError>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut partitions = partitions.into_iter();
    let first = partitions.next();
    let mut results: Vec<Option<T>> = Vec::new();
    results.push(None);
    for (place, partition) in partitions.enumerate() {
        let task = work(partition);
        results.push(None);
        tasks.spawn(async move { (place + 1, task.await) });
    }
    if let (Some(first), Some(place)) = (first, results.first_mut()) {
        *place = Some(work(first).await?);
    }
    while let Some(joined) = tasks.join_next().await {
        let (place, result) = joined.map_err(|error| QueryError::Internal(error.to_string()))?;
        if let Some(slot) = results.get_mut(place) {
            *slot = Some(result?);
        }
    }
    Ok(results.into_iter().flatten().collect())
}

/// The groups so far.
struct Groups<'a> {
    request: &'a WindowAggregate,
    list: Vec<WindowGroup>,
    places: HashMap<Box<[u8]>, usize>,
    /// The key that is being made.
    key: Vec<u8>,
}

impl<'a> Groups<'a> {
    fn new(request: &'a WindowAggregate) -> Self {
        Self { request, list: Vec::new(), places: HashMap::new(), key: Vec::new() }
    }

    /// The group of some tags, and by how many bytes this grew.
    fn place<'t>(&mut self, tags: impl Iterator<Item = Option<&'t str>> + Clone) -> Result<(usize, usize), QueryError> {
        self.key.clear();
        for tag in tags.clone() {
            // Lengths make different lists of texts different keys.
            let len = tag.map_or(0, |tag| tag.len() as u64 + 1);
            self.key.extend_from_slice(&len.to_le_bytes());
            self.key.extend_from_slice(tag.unwrap_or_default().as_bytes());
        }
        if let Some(place) = self.places.get(self.key.as_slice()) {
            return Ok((*place, 0));
        }
        if self.list.len() >= self.request.groups_max {
            return Err(QueryError::Plan(format!("the query has more than {} series", self.request.groups_max)));
        }
        let place = self.list.len();
        self.places.insert(self.key.as_slice().into(), place);
        let tags = tags.map(|tag| tag.map(Arc::from)).collect();
        self.list.push(WindowGroup { tags, windows: Vec::new(), states: Vec::new() });
        Ok((place, ENTRY_BYTES + 2 * self.key.len()))
    }

    /// Takes in the rows of a batch. Returns by how many bytes this grew.
    fn add(&mut self, batch: &SeriesBatch) -> Result<usize, QueryError> {
        let request = self.request;
        let columns: Vec<Values<'_>> = batch.columns.iter().map(Values::of).collect();
        let mask = request.row_filter.as_ref().map(|filter| filter(batch));
        let mut bytes = 0;
        for (run, rows) in batch.runs.iter().enumerate() {
            let passing = mask.as_ref().map(|mask| mask.slice(rows.start, rows.len()));
            if passing.as_ref().is_some_and(|passing| passing.count_set_bits() == 0) {
                continue;
            }
            let (place, more) = self.place((0..request.group_tags).map(|tag| batch.tag(run, tag)))?;
            bytes += more;
            let Some(group) = self.list.get_mut(place) else { continue };
            let mut rows_of_group = RowsOfGroup { request, group, columns: &columns, times: &batch.times, cursor: 0 };
            match passing {
                None => bytes += rows_of_group.add(rows.clone()),
                Some(passing) => {
                    for (from, to) in passing.set_slices() {
                        bytes += rows_of_group.add(rows.start + from..rows.start + to);
                    }
                }
            }
        }
        Ok(bytes)
    }

    /// Takes in the groups of another partition. Returns by how many bytes this grew.
    fn merge(&mut self, groups: Vec<WindowGroup>) -> Result<usize, QueryError> {
        let width = self.request.aggregates.len();
        let mut bytes = 0;
        for other in groups {
            let (place, more) = self.place(other.tags.iter().map(Option::as_deref))?;
            bytes += more;
            let Some(group) = self.list.get_mut(place) else { continue };
            if group.windows.is_empty() {
                (group.windows, group.states) = (other.windows, other.states);
                continue;
            }
            let mut cursor = 0;
            for (start, states) in other.windows.iter().zip(other.states.chunks(width.max(1))) {
                let (at, _) = group.window(*start, width, &mut cursor);
                let mine = group.states.get_mut(at * width..(at + 1) * width).unwrap_or_default();
                for ((aggregate, mine), state) in self.request.aggregates.iter().zip(mine).zip(states) {
                    aggregate.function.merge(mine, *state);
                }
            }
        }
        Ok(bytes)
    }
}

impl WindowGroup {
    /// The place of the window that starts at `start`, which is made if there is none, and whether it was. `cursor` is
    /// where the last one was found.
    fn window(&mut self, start: i64, width: usize, cursor: &mut usize) -> (usize, bool) {
        for at in [*cursor, *cursor + 1] {
            if self.windows.get(at) == Some(&start) {
                *cursor = at;
                return (at, false);
            }
        }
        let (at, is_new) = match self.windows.last() {
            Some(last) if *last >= start => match self.windows.binary_search(&start) {
                Ok(at) => (at, false),
                Err(at) => (at, true),
            },
            _ => (self.windows.len(), true),
        };
        if is_new {
            self.windows.insert(at, start);
            let place = at * width;
            self.states.splice(place..place, std::iter::repeat_n(Partial::Empty, width));
        }
        *cursor = at;
        (at, is_new)
    }
}

/// Rows of one run, on their way into the states of its group.
struct RowsOfGroup<'a> {
    request: &'a WindowAggregate,
    group: &'a mut WindowGroup,
    columns: &'a [Values<'a>],
    times: &'a [i64],
    cursor: usize,
}

impl RowsOfGroup<'_> {
    /// Takes in rows whose times ascend. Returns by how many bytes this grew.
    fn add(&mut self, rows: Range<usize>) -> usize {
        let Some(windows) = &self.request.windows else { return self.add_to(0, rows) };
        let times = self.times;
        let mut bytes = 0;
        let mut row = rows.start;
        let mut bounds: Option<(i64, i64)> = None;
        while row < rows.end {
            let Some(time) = times.get(row).copied() else { break };
            let (start, end) = next_bounds(windows, bounds, time);
            bounds = Some((start, end));
            let rest = times.get(row..rows.end).unwrap_or_default();
            let len = before(rest, end).max(1);
            bytes += self.add_to(start, row..row + len);
            row += len;
        }
        bytes
    }

    fn add_to(&mut self, start: i64, rows: Range<usize>) -> usize {
        let width = self.request.aggregates.len();
        let (at, is_new) = self.group.window(start, width, &mut self.cursor);
        let states = self.group.states.get_mut(at * width..(at + 1) * width).unwrap_or_default();
        for (aggregate, state) in self.request.aggregates.iter().zip(states) {
            if let Some(values) = self.columns.get(aggregate.field) {
                aggregate.function.update(state, values, self.times, rows.clone());
            }
        }
        if is_new { ENTRY_BYTES + width * size_of::<Partial>() } else { 0 }
    }
}

/// The window of `time`. The one behind the last one is found without a division.
fn next_bounds(windows: &Windows, last: Option<(i64, i64)>, time: i64) -> (i64, i64) {
    if let (Some((_, start)), None) = (last, windows.zone)
        && let Some(end) = start.checked_add(windows.every)
        && (start..end).contains(&time)
        && end < i64::MAX / 2
        && start > i64::MIN / 2
    {
        return (start, end);
    }
    windows.bounds(time)
}

/// How many of these ascending times are before `end`. Near ones are looked at first.
fn before(times: &[i64], end: i64) -> usize {
    let mut bound = 1;
    while times.get(bound).is_some_and(|time| *time < end) {
        bound *= 2;
    }
    times.get(..times.len().min(bound + 1)).unwrap_or_default().partition_point(|time| *time < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_window_is_the_one_that_division_finds() {
        for (every, offset) in [(10, 0), (7, 3), (60, -11)] {
            let windows = Windows { every, offset, zone: None };
            let mut last = None;
            for time in (-500..500).step_by(3) {
                let found = next_bounds(&windows, last, time);
                assert_eq!(found, windows.bounds(time), "{time}");
                last = Some(found);
            }
        }
    }

    #[test]
    fn windows_are_kept_in_order_whatever_order_they_come_in() {
        let mut group = WindowGroup { tags: Vec::new(), windows: Vec::new(), states: Vec::new() };
        let mut cursor = 0;
        for start in [30, 40, 10, 20, 40, 0, 30, 50] {
            let (at, _) = group.window(start, 1, &mut cursor);
            AggregateFunction::Count.merge(&mut group.states[at], Partial::Count(start as u64 + 1));
        }
        assert_eq!(group.windows, [0, 10, 20, 30, 40, 50]);
        assert_eq!(group.states, [1, 11, 21, 62, 82, 51].map(Partial::Count));
    }

    #[test]
    fn times_before_an_end_are_counted() {
        let times: Vec<i64> = (0..100).map(|n| n * 2).collect();
        for end in -1..205 {
            assert_eq!(before(&times, end), times.iter().filter(|time| **time < end).count(), "{end}");
        }
        assert_eq!(before(&[], 5), 0);
    }
}

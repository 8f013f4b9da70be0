//! Where the series of a row group are, and at which times they have rows: read once, kept, and asked instead of tags
//! and times by every scan after it.
//!
//! A run is the rows of one series, which stand together and ascend in time. Agents report at a fixed interval, so the
//! times of a run are mostly few pieces of equal steps, and rows are found by arithmetic. Nothing here reads files.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};

use crate::ids::ColumnId;

/// Rows that a run has on average for a layout to pay: below, it would be as large as the columns themselves.
const RUN_ROWS_MIN: usize = 8;

/// Rows that a piece of equal steps has on average for times to be kept; below, they are read with each scan.
const PIECE_ROWS_MIN: usize = 6;

/// The key of a tag that a series does not have.
pub(super) const NO_TAG: i32 = -1;

/// What is known of a row group.
#[derive(Debug)]
pub(super) enum Layout {
    /// Where its series are.
    Runs(Runs),
    /// Its series are too short for it to pay.
    Scattered,
}

/// The runs of a row group.
#[derive(Debug)]
pub(super) struct Runs {
    /// The first row of each run, ascending, and behind them the number of rows.
    starts: Vec<u32>,
    tags: Vec<TagRuns>,
    times: Times,
}

/// One tag of all runs.
#[derive(Debug)]
pub(super) struct TagRuns {
    pub(super) column: ColumnId,
    /// For each run the index of its value, or [`NO_TAG`].
    pub(super) keys: Vec<i32>,
    pub(super) values: StringArray,
}

#[derive(Debug)]
enum Times {
    /// Pieces by ascending row; for each run the index of its first one, and behind them the number of pieces.
    Regular { pieces: Vec<Piece>, firsts: Vec<u32> },
    /// They stand in the file.
    Stored,
}

/// Rows at equal steps of time, up to the next piece.
#[derive(Debug, Clone, Copy)]
struct Piece {
    row: u32,
    start: i64,
    step: i64,
}

impl Piece {
    fn time(&self, row: u32) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i64::from(row - self.row)))
    }

    /// The first row at or behind `time`, of those up to `end`.
    fn first_row_from(&self, time: i64, end: u32) -> u32 {
        if time <= self.start {
            return self.row;
        }
        if self.step <= 0 {
            return end;
        }
        let steps = (i128::from(time) - i128::from(self.start) + i128::from(self.step) - 1) / i128::from(self.step);
        u32::try_from(steps).ok().and_then(|steps| self.row.checked_add(steps)).map_or(end, |row| row.min(end))
    }
}

impl Layout {
    /// The layout of a row group, from all its tags (dictionaries, in the order of the file) and its times.
    pub(super) fn of(tags: &[(ColumnId, ArrayRef)], times: &ArrayRef) -> Self {
        let times = times.as_primitive::<TimestampNanosecondType>().values();
        let mut changes = vec![false; times.len()];
        for (_, tag) in tags {
            mark_changes(tag, &mut changes);
        }
        let mut starts: Vec<u32> = Vec::new();
        starts
            .extend((0..times.len()).filter(|row| *row == 0 || changes.get(*row) == Some(&true)).map(|row| row as u32));
        if starts.len() * RUN_ROWS_MIN > times.len() {
            return Self::Scattered;
        }
        let tag_runs = |(column, tag): &(ColumnId, ArrayRef)| {
            let dictionary = tag.as_dictionary::<Int32Type>();
            let (keys, values) = (dictionary.keys(), dictionary.values().as_string::<i32>());
            let key = |row: &u32| {
                let row = *row as usize;
                let key = keys.is_valid(row).then(|| keys.value(row));
                key.filter(|key| values.is_valid(*key as usize)).unwrap_or(NO_TAG)
            };
            TagRuns { column: *column, keys: starts.iter().map(key).collect(), values: values.clone() }
        };
        let tags = tags.iter().map(tag_runs).collect();
        starts.push(times.len() as u32);
        let times = Times::of(times, &starts);
        Self::Runs(Runs { starts, tags, times })
    }

    /// About how many bytes of memory it takes.
    pub(super) fn size_bytes(&self) -> usize {
        let Self::Runs(runs) = self else { return size_of::<Self>() };
        let tag = |tag: &TagRuns| tag.keys.len() * 4 + tag.values.get_array_memory_size() + size_of::<TagRuns>();
        let times = match &runs.times {
            Times::Regular { pieces, firsts } => pieces.len() * size_of::<Piece>() + firsts.len() * 4,
            Times::Stored => 0,
        };
        size_of::<Self>() + runs.starts.len() * 4 + runs.tags.iter().map(tag).sum::<usize>() + times
    }
}

impl Times {
    fn of(times: &[i64], starts: &[u32]) -> Self {
        let most = times.len() / PIECE_ROWS_MIN + starts.len();
        let (mut pieces, mut firsts) = (Vec::new(), Vec::with_capacity(starts.len()));
        for bounds in starts.windows(2) {
            let (mut row, end) = (bounds[0] as usize, bounds[1] as usize);
            firsts.push(pieces.len() as u32);
            while row < end {
                let start = times[row];
                let next = times.get(row + 1).filter(|_| row + 1 < end);
                let step = next.map_or(0, |next| next.saturating_sub(start));
                pieces.push(Piece { row: row as u32, start, step });
                let steady = times[row..end].windows(2).take_while(|pair| pair[1].saturating_sub(pair[0]) == step);
                // Without a second row there is no step.
                row += if step == 0 { 1 } else { steady.count() + 1 };
            }
            if pieces.len() > most {
                return Self::Stored;
            }
        }
        firsts.push(pieces.len() as u32);
        pieces.shrink_to_fit();
        Self::Regular { pieces, firsts }
    }
}

/// Marks the rows whose tag differs from that of the row before.
fn mark_changes(tag: &ArrayRef, changes: &mut [bool]) {
    let keys = tag.as_dictionary::<Int32Type>().keys();
    match keys.nulls() {
        None => {
            for (pair, change) in keys.values().windows(2).zip(changes.iter_mut().skip(1)) {
                *change |= pair[0] != pair[1];
            }
        }
        Some(nulls) => {
            for (row, change) in changes.iter_mut().enumerate().skip(1) {
                let (before, now) = (nulls.is_valid(row - 1), nulls.is_valid(row));
                *change |= before != now || (now && keys.value(row - 1) != keys.value(row));
            }
        }
    }
}

impl Runs {
    /// How many runs there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The tag of all runs; `None` if the file is older than the tag.
    pub(super) fn tag(&self, column: ColumnId) -> Option<&TagRuns> {
        self.tags.iter().find(|tag| tag.column == column)
    }

    /// The rows of a run.
    pub(super) fn rows(&self, run: usize) -> Range<u32> {
        self.starts[run]..self.starts[run + 1]
    }

    /// Whether times have to be read from the file.
    pub(super) fn times_are_stored(&self) -> bool {
        matches!(self.times, Times::Stored)
    }

    /// The rows of a run from `first` to `last`, both inclusive; all of them if times are stored.
    pub(super) fn rows_within(&self, run: usize, (first, last): (i64, i64)) -> Range<u32> {
        let rows = self.rows(run);
        let Times::Regular { pieces, firsts } = &self.times else { return rows };
        let pieces = &pieces[firsts[run] as usize..firsts[run + 1] as usize];
        let row_from = |time: i64| {
            // The last piece that begins at or before `time`; its successor is the answer if it ends before.
            let next = pieces.partition_point(|piece| piece.start < time);
            let end = pieces.get(next).map_or(rows.end, |piece| piece.row);
            next.checked_sub(1).map_or(rows.start, |at| pieces[at].first_row_from(time, end))
        };
        let end = last.checked_add(1).map_or(rows.end, row_from);
        row_from(first)..end
    }

    /// Writes the times of some rows of a run to `times`, which has a place for each.
    pub(super) fn fill_times(&self, run: usize, rows: Range<u32>, times: &mut [i64]) {
        let Times::Regular { pieces, firsts } = &self.times else { return };
        let (from, to) = (firsts[run] as usize, firsts[run + 1] as usize);
        let mut at = from + pieces[from..to].partition_point(|piece| piece.row <= rows.start).saturating_sub(1);
        let (mut row, mut left) = (rows.start, times);
        while row < rows.end && at < to {
            let piece = pieces[at];
            let end = pieces.get(at + 1).filter(|_| at + 1 < to).map_or(rows.end, |next| next.row.min(rows.end));
            let (now, rest) = left.split_at_mut((end - row) as usize);
            let mut time = piece.time(row);
            for place in now {
                *place = time;
                time = time.wrapping_add(piece.step);
            }
            (row, left, at) = (end, rest, at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, TimestampNanosecondArray};

    use super::*;
    use crate::flush::fixtures::Random;

    fn layout(rows: &[(Option<&str>, i64)]) -> Layout {
        let tags: DictionaryArray<Int32Type> = rows.iter().map(|(tag, _)| *tag).collect();
        let times: TimestampNanosecondArray = rows.iter().map(|(_, time)| Some(*time)).collect();
        let (tags, times): (ArrayRef, ArrayRef) = (Arc::new(tags), Arc::new(times));
        Layout::of(&[(ColumnId(2), tags)], &times)
    }

    #[test]
    fn runs_are_found_and_short_ones_do_not_pay() {
        let rows: Vec<_> = [None, Some("a"), Some("b")].iter().flat_map(|tag| (0..10).map(|n| (*tag, n * 5))).collect();
        let Layout::Runs(runs) = layout(&rows) else { panic!("they pay") };
        assert_eq!((runs.len(), runs.rows(1)), (3, 10..20));
        let tag = runs.tag(ColumnId(2)).unwrap();
        let value = |run: usize| (tag.keys[run] != NO_TAG).then(|| tag.values.value(tag.keys[run] as usize));
        assert_eq!((value(0), value(1), value(2)), (None, Some("a"), Some("b")));
        assert!(runs.tag(ColumnId(3)).is_none());
        assert!(!runs.times_are_stored());
        let names: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        let short: Vec<_> = names.iter().map(|name| (Some(name.as_str()), 0)).collect();
        assert!(matches!(layout(&short), Layout::Scattered));
    }

    /// Random gaps in mostly regular times, asked for random ranges.
    #[test]
    fn rows_are_found_by_time() {
        let mut random = Random(7);
        for _ in 0..200 {
            let (mut rows, mut time) = (Vec::new(), 0);
            for tag in ["a", "b", "c"] {
                time -= random.below(50) as i64;
                for _ in 0..20 + random.below(100) as usize {
                    time += if random.below(20) == 0 { 1 + random.below(40) as i64 } else { 10 };
                    rows.push((Some(tag), time));
                }
            }
            let Layout::Runs(runs) = layout(&rows) else { panic!("they pay") };
            if runs.times_are_stored() {
                continue;
            }
            for run in 0..3 {
                let all = runs.rows(run).start as usize..runs.rows(run).end as usize;
                let mut times = vec![0; all.len()];
                runs.fill_times(run, runs.rows(run), &mut times);
                assert!(times.iter().eq(rows[all.clone()].iter().map(|(_, time)| time)));
                for _ in 0..20 {
                    let first = times[random.below(times.len() as u64) as usize] + random.below(21) as i64 - 10;
                    let last = first + random.below(400) as i64 - 20;
                    let found = runs.rows_within(run, (first, last));
                    let wanted = |row: &usize| (first..=last).contains(&rows[*row].1);
                    let expected: Vec<usize> = all.clone().filter(wanted).collect();
                    let found: Vec<usize> = (found.start as usize..found.end as usize).collect();
                    assert_eq!(found, expected, "{first}..={last}");
                    if let (Some(from), Some(to)) = (expected.first(), expected.last()) {
                        let mut some = vec![0; expected.len()];
                        runs.fill_times(run, *from as u32..*to as u32 + 1, &mut some);
                        assert!(some.iter().eq(rows[*from..=*to].iter().map(|(_, time)| time)));
                    }
                }
            }
        }
    }

    #[test]
    fn times_without_steps_stay_in_the_file() {
        let mut random = Random(1);
        let mut time = 0;
        let mut step = || {
            time += 1 + random.below(1_000_000) as i64;
            (Some("a"), time)
        };
        let rows: Vec<_> = (0..1000).map(|_| step()).collect();
        let Layout::Runs(runs) = layout(&rows) else { panic!("one series") };
        assert!(runs.times_are_stored());
        assert_eq!(runs.rows_within(0, (5, 6)), 0..1000);
    }
}

//! Raw rows of several series, in the order of time.
//!
//! Rows at the same time come in the order in which InfluxDB's merge gives them: a binary heap of the series by time
//! alone, where a series that has more rows goes to the end. It looks arbitrary, but clients compare answers.

use std::collections::VecDeque;

use super::value::Value;

/// A row: its time and its columns.
pub(super) type TimedRow = (i64, Vec<Value>);

/// The rows of one series, in the order of the answer.
pub(super) trait SeriesRows {
    /// A row of it.
    type Row;

    /// The time of the next row; none behind the last one.
    fn time(&self) -> Option<i64>;

    /// The next row.
    fn row(&mut self) -> Option<Self::Row>;

    /// Goes on to the row behind it.
    fn pass(&mut self);
}

impl SeriesRows for VecDeque<TimedRow> {
    type Row = TimedRow;

    fn time(&self) -> Option<i64> {
        self.front().map(|(time, _)| *time)
    }

    fn row(&mut self) -> Option<TimedRow> {
        self.front_mut().map(|(time, values)| (*time, std::mem::take(values)))
    }

    fn pass(&mut self) {
        self.pop_front();
    }
}

/// The rows of several series while they are merged.
pub(super) struct Merge<S> {
    heap: Vec<S>,
    descending: bool,
}

impl<S: SeriesRows> Merge<S> {
    /// Of series whose rows are in the order of the answer each.
    pub(super) fn new(series: impl IntoIterator<Item = S>, descending: bool) -> Self {
        let heap = series.into_iter().filter(|rows| rows.time().is_some()).collect();
        let mut merge = Self { heap, descending };
        for node in (0..merge.heap.len() / 2).rev() {
            merge.down(node, merge.heap.len());
        }
        merge
    }

    /// The next row, unless it is only passed over.
    fn step<R>(&mut self, take: impl FnOnce(&mut S) -> R) -> Option<R> {
        let last = self.heap.len().checked_sub(1)?;
        self.heap.swap(0, last);
        self.down(0, last);
        let mut next = self.heap.pop()?;
        let taken = take(&mut next);
        next.pass();
        if next.time().is_some() {
            self.heap.push(next);
            self.up(last);
        }
        Some(taken)
    }

    /// Leaves out the next row; says whether there was one.
    pub(super) fn skip_row(&mut self) -> bool {
        self.step(|_| ()).is_some()
    }

    fn is_before(&self, left: usize, right: usize) -> bool {
        let time = |place: usize| self.heap.get(place).and_then(S::time).unwrap_or_default();
        if self.descending { time(left) > time(right) } else { time(left) < time(right) }
    }

    fn up(&mut self, mut node: usize) {
        while node > 0 {
            let parent = (node - 1) / 2;
            if !self.is_before(node, parent) {
                break;
            }
            self.heap.swap(node, parent);
            node = parent;
        }
    }

    fn down(&mut self, mut node: usize, end: usize) {
        loop {
            let left = 2 * node + 1;
            if left >= end {
                break;
            }
            let right = left + 1;
            let child = if right < end && self.is_before(right, left) { right } else { left };
            if !self.is_before(child, node) {
                break;
            }
            self.heap.swap(node, child);
            node = child;
        }
    }
}

impl<S: SeriesRows> Iterator for Merge<S> {
    type Item = S::Row;

    fn next(&mut self) -> Option<S::Row> {
        self.step(S::row).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: i64, times: &[i64]) -> VecDeque<TimedRow> {
        times.iter().map(|time| (*time, vec![Value::Integer(name)])).collect()
    }

    fn merge(series: Vec<VecDeque<TimedRow>>, descending: bool) -> Vec<TimedRow> {
        Merge::new(series, descending).collect()
    }

    #[test]
    fn rows_come_in_the_order_of_time() {
        let merged = merge(vec![series(1, &[1, 4, 9]), series(2, &[2, 3, 10]), series(3, &[])], false);
        assert_eq!(merged.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 3, 4, 9, 10]);
        let merged = merge(vec![series(1, &[9, 4]), series(2, &[10, 3])], true);
        assert_eq!(merged.iter().map(|row| row.0).collect::<Vec<_>>(), [10, 9, 4, 3]);
    }

    #[test]
    fn rows_at_one_time_come_in_the_order_of_the_heap() {
        let merged = merge(vec![series(1, &[5]), series(2, &[5]), series(3, &[5])], false);
        assert_eq!(merged.iter().map(|row| row.1[0].clone()).collect::<Vec<_>>(), [1, 3, 2].map(Value::Integer));
    }

    #[test]
    fn rows_that_are_passed_over_change_nothing_behind_them() {
        let all = || vec![series(1, &[1, 4, 9]), series(2, &[1, 4]), series(3, &[4, 5])];
        let mut skipping = Merge::new(all(), false);
        assert!(skipping.skip_row() && skipping.skip_row());
        assert_eq!(skipping.collect::<Vec<_>>(), merge(all(), false)[2..]);
    }
}

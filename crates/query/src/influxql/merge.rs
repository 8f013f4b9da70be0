//! Raw rows of several series, in the order of time.
//!
//! Rows at the same time come in the order in which InfluxDB's merge gives them: a binary heap of the series by time
//! alone, where a series that has more rows goes to the end. It looks arbitrary, but clients compare answers.

use std::collections::VecDeque;

use super::value::Value;

/// A row: its time and its columns.
pub(super) type TimedRow = (i64, Vec<Value>);

/// Merges series whose rows are in the order of the answer each.
pub(super) fn merge(series: Vec<VecDeque<TimedRow>>, descending: bool) -> Vec<TimedRow> {
    let mut merge = Merge { heap: series.into_iter().filter(|rows| !rows.is_empty()).collect(), descending };
    let count = merge.heap.iter().map(VecDeque::len).sum();
    let mut rows = Vec::with_capacity(count);
    for node in (0..merge.heap.len() / 2).rev() {
        merge.down(node, merge.heap.len());
    }
    while !merge.heap.is_empty() {
        let last = merge.heap.len() - 1;
        merge.heap.swap(0, last);
        merge.down(0, last);
        let Some(mut next) = merge.heap.pop() else { break };
        rows.extend(next.pop_front());
        if !next.is_empty() {
            merge.heap.push(next);
            merge.up(last);
        }
    }
    rows
}

struct Merge {
    heap: Vec<VecDeque<TimedRow>>,
    descending: bool,
}

impl Merge {
    fn is_before(&self, left: usize, right: usize) -> bool {
        let time = |place: usize| self.heap.get(place).and_then(VecDeque::front).map_or(0, |(time, _)| *time);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: i64, times: &[i64]) -> VecDeque<TimedRow> {
        times.iter().map(|time| (*time, vec![Value::Integer(name)])).collect()
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
}

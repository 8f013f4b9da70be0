//! What of a large answer is read at a time: times, or groups, by how many rows they are thought to have, and the
//! memory that such a slice may take. It reads nothing.

use std::sync::Arc;

use super::execute::Budget;
use super::raw::TagTexts;
use crate::error::QueryError;
use crate::limits;

/// The memory of one slice.
pub(super) struct SliceMemory {
    budget: Budget,
    cap_bytes: usize,
    most_bytes: std::sync::atomic::AtomicUsize,
}

impl SliceMemory {
    /// Memory for one slice; more than so much of it is refused, so that a smaller slice can be tried.
    pub(super) fn new(budget: &Budget, cap_bytes: usize) -> Arc<Self> {
        Arc::new(Self { budget: budget.child(), cap_bytes, most_bytes: 0.into() })
    }

    /// How much a slice should take.
    pub(super) fn target_bytes(budget: &Budget) -> usize {
        (budget.limit_bytes / limits::SLICE_SHARE).min(limits::SLICE_BYTES)
    }

    /// Takes more.
    pub(super) fn take(&self, bytes: usize) -> Result<(), QueryError> {
        use std::sync::atomic::Ordering;
        let all = self.budget.reservation.size().saturating_add(bytes);
        if all > self.cap_bytes {
            let cause = format!("a part of the answer takes more than {} bytes", self.cap_bytes);
            return Err(QueryError::Memory { limit_bytes: self.budget.limit_bytes, cause });
        }
        self.most_bytes.fetch_max(all, Ordering::Relaxed);
        self.budget.charge(bytes)
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.budget.reservation.shrink(bytes);
    }

    /// How many rows the next slice should have, if one that was to have `asked` of them, and had perhaps `rows`, took
    /// what this one has taken.
    pub(super) fn next_rows(&self, asked: u64, rows: u64) -> u64 {
        let taken = self.most_bytes.load(std::sync::atomic::Ordering::Relaxed).max(1) as u64;
        let target = Self::target_bytes(&self.budget) as u64;
        let next = (u128::from(rows) * u128::from(target) / u128::from(taken)).min(u128::from(u64::MAX)) as u64;
        let most = asked.saturating_mul(limits::SLICE_GROWTH);
        next.clamp((asked / limits::SLICE_GROWTH).max(limits::SLICE_ROWS_MIN).min(most), most)
    }
}

/// How many of the first groups belong in a slice of so many rows, at least one, and how many rows they have.
pub(super) fn group_ranges(groups: &[(TagTexts, u64)], target: u64) -> Option<(usize, u64)> {
    let mut rows = groups.first()?.1;
    let mut count = 1;
    for (_, more) in groups.iter().skip(1) {
        if rows.saturating_add(*more) > target {
            break;
        }
        rows += more;
        count += 1;
    }
    Some((count, rows))
}

/// A range of times, cut from one end to the other.
pub(super) struct TimeSlices {
    /// Ranges of times, and how many rows are in each.
    distribution: Vec<((i64, i64), u64)>,
    /// What is left, both inclusive; none at the end.
    left: Option<(i64, i64)>,
    /// Of so many rows of the distribution one is wanted.
    share: f64,
    descending: bool,
}

impl TimeSlices {
    /// Of a table whose rows are distributed so, of which `rows` are wanted.
    pub(super) fn new(
        mut distribution: Vec<((i64, i64), u64)>,
        time_range: (i64, i64),
        rows: u64,
        descending: bool,
    ) -> Self {
        distribution.retain(|((first, last), _)| *first <= time_range.1 && *last >= time_range.0);
        let first = distribution.iter().map(|((first, _), _)| *first).min().map(|first| first.max(time_range.0));
        let last = distribution.iter().map(|((_, last), _)| *last).max().map(|last| last.min(time_range.1));
        let left = first.zip(last).filter(|(first, last)| first <= last);
        let mut slices = Self { distribution, left, share: 1.0, descending };
        let all = left.map_or(0.0, |range| slices.rows_within(range));
        slices.share = (rows as f64 / all.max(1.0)).max(f64::MIN_POSITIVE);
        slices
    }

    /// How many rows are thought to be wanted of a range, if rows are spread evenly.
    fn rows_within(&self, (from, to): (i64, i64)) -> f64 {
        let length = |from: i64, to: i64| (to as f64 - from as f64).max(0.0) + 1.0;
        let rows = |((first, last), rows): &((i64, i64), u64)| {
            let (start, end) = (from.max(*first), to.min(*last));
            if start > end { 0.0 } else { *rows as f64 * length(start, end) / length(*first, *last) }
        };
        self.share * self.distribution.iter().map(rows).sum::<f64>()
    }

    /// The next range with about so many rows; none if nothing is left.
    pub(super) fn next(&self, target: u64) -> Option<(i64, i64)> {
        let (first, last) = self.left?;
        // The shortest one that has as many, found by halving.
        let (mut short, mut long) = (0, last.abs_diff(first));
        let slice = |length: u64| match self.descending {
            false => (first, first.saturating_add_unsigned(length).min(last)),
            true => (last.saturating_sub_unsigned(length).max(first), last),
        };
        while short < long {
            let middle = short + (long - short) / 2;
            if self.rows_within(slice(middle)) >= target as f64 {
                long = middle;
            } else {
                short = middle + 1;
            }
        }
        Some(slice(long))
    }

    /// Goes on behind a range that was the next one.
    pub(super) fn pass(&mut self, (from, to): (i64, i64)) {
        self.left = self.left.and_then(|(first, last)| {
            let left = if self.descending { (first, from.checked_sub(1)?) } else { (to.checked_add(1)?, last) };
            (left.0 <= left.1).then_some(left)
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn all_slices(mut slices: TimeSlices, target: u64) -> Vec<(i64, i64)> {
        let mut all = Vec::new();
        while let Some(slice) = slices.next(target) {
            slices.pass(slice);
            all.push(slice);
        }
        all
    }

    #[test]
    fn slices_cover_every_time_once_and_have_about_as_many_rows() {
        let distribution = vec![((0, 999), 1_000), ((500, 1_499), 3_000), ((9_000, 9_000), 10)];
        for descending in [false, true] {
            let slices = TimeSlices::new(distribution.clone(), (100, 20_000), 3_910, descending);
            let mut all = all_slices(slices, 500);
            if descending {
                all.reverse();
            }
            assert_eq!((all[0].0, all.last().unwrap().1), (100, 9_000));
            assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{all:?}");
            assert!((7..=9).contains(&all.len()), "{all:?}");
        }
    }

    #[test]
    fn the_ends_of_time_are_times_as_well() {
        let whole = (i64::MIN, i64::MAX);
        for descending in [false, true] {
            let slices = || TimeSlices::new(vec![(whole, 1_000)], whole, 1_000, descending);
            assert_eq!(all_slices(slices(), 10_000), [whole]);
            assert!(all_slices(slices(), 300).len() <= 5);
        }
        assert_eq!(all_slices(TimeSlices::new(vec![((5, 5), 7)], whole, 7, false), 1), [(5, 5)]);
        assert!(all_slices(TimeSlices::new(vec![((5, 5), 7)], (6, 9), 0, false), 1).is_empty());
        assert!(all_slices(TimeSlices::new(Vec::new(), whole, 0, true), 1).is_empty());
    }

    #[test]
    fn groups_are_gathered_until_a_slice_is_full() {
        let groups: Vec<(TagTexts, u64)> = [3, 4, 2, 9].map(|rows| (Vec::new(), rows)).into();
        assert_eq!(group_ranges(&groups, 8), Some((2, 7)));
        assert_eq!(group_ranges(&groups[2..], 8), Some((1, 2)));
        assert_eq!(group_ranges(&groups[3..], 8), Some((1, 9)));
        assert_eq!(group_ranges(&[], 8), None);
    }
}

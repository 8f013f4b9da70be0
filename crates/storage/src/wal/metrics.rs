//! Numbers about the WAL, counted without locks and read as one plain value.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Upper bounds of the classes of sync times in microseconds; a last class holds what is longer.
pub const SYNC_BOUNDS_US: [u64; 14] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];

/// What the WAL has done since it started, and what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalMetrics {
    /// Records that became durable.
    pub records: u64,
    /// Their bytes.
    pub record_bytes: u64,
    /// Groups that became durable, each with one sync.
    pub groups: u64,
    /// Appends that were refused because the queue was full.
    pub overloads: u64,
    /// Groups that found no space.
    pub out_of_space: u64,
    /// Writes and syncs that failed for another reason; after the first the WAL is poisoned.
    pub failures: u64,
    /// Records in the queue.
    pub queue_records: u64,
    /// Their bytes.
    pub queue_bytes: u64,
    /// Segments on the disk.
    pub segments: u64,
    /// Their bytes that hold records.
    pub segment_bytes: u64,
    /// The last durable sequence.
    pub durable_sequence: u64,
    /// How long groups took to sync.
    pub syncs: SyncTimes,
}

/// A histogram of sync times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncTimes {
    /// Syncs by class: up to the bound of [`SYNC_BOUNDS_US`] at the same place, the last one beyond all bounds.
    pub counts: [u64; SYNC_BOUNDS_US.len() + 1],
    /// The sum of all times in microseconds.
    pub total_us: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) record_bytes: AtomicU64,
    pub(crate) groups: AtomicU64,
    pub(crate) overloads: AtomicU64,
    pub(crate) out_of_space: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) durable_sequence: AtomicU64,
    sync_counts: [AtomicU64; SYNC_BOUNDS_US.len() + 1],
    sync_total_us: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn record_sync(&self, took: Duration) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = SYNC_BOUNDS_US.partition_point(|bound| *bound < took_us);
        if let Some(count) = self.sync_counts.get(class) {
            Self::add(count, 1);
        }
        Self::add(&self.sync_total_us, took_us);
    }

    /// The counters; the caller fills in queue and segments.
    pub(crate) fn read(&self) -> WalMetrics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WalMetrics {
            records: get(&self.records),
            record_bytes: get(&self.record_bytes),
            groups: get(&self.groups),
            overloads: get(&self.overloads),
            out_of_space: get(&self.out_of_space),
            failures: get(&self.failures),
            durable_sequence: get(&self.durable_sequence),
            syncs: SyncTimes {
                counts: std::array::from_fn(|class| self.sync_counts.get(class).map_or(0, get)),
                total_us: get(&self.sync_total_us),
            },
            ..WalMetrics::default()
        }
    }
}

/// Runs `work` and says how long it took.
#[expect(clippy::disallowed_methods, reason = "a duration is measured for a metric; nothing is decided by it")]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_times_fall_into_their_class() {
        let check = |took_us: u64, class: usize| {
            let counters = Counters::default();
            counters.record_sync(Duration::from_micros(took_us));
            let syncs = counters.read().syncs;
            assert_eq!(syncs.counts.iter().position(|count| *count == 1), Some(class), "{took_us} µs");
            assert_eq!(syncs.total_us, took_us);
        };
        check(0, 0);
        check(50, 0);
        check(51, 1);
        check(1_000_000, 13);
        check(1_000_001, 14);
    }
}

//! What the engine tells about itself: counters, sizes and health. Plain numbers; the server words them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::compaction_metrics::CompactionMetrics;
use super::flusher::FlushReport;
use super::write::WriteOutcome;
use super::{Engine, ReplayState};
use crate::error::WriteError;
use crate::store::retry::StoreMetrics;
use crate::wal::{WalMetrics, WalStatus};

/// Whether the engine can do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Running,
    /// Records of the last run are being read back; queries wait.
    Replaying,
    /// The disk of the write-ahead log is full; writing goes on when there is space.
    OutOfSpace,
    /// No write is accepted until a restart.
    Poisoned(String),
}

/// The engine's health, and the tables that cannot be flushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineStatus {
    /// Whether writes are taken.
    pub health: Health,
    /// Measurement and cause of each table whose last flush failed; their rows are in memory and in the WAL.
    pub failing_tables: Vec<(String, String)>,
    /// Why the last operation of a cloud's object store was given up, if it was.
    pub failing_store: Option<String>,
}

/// Counters since the start, and sizes of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineMetrics {
    /// Points that were stored.
    pub points_written: u64,
    /// Points that were refused in partial writes.
    pub points_dropped: u64,
    /// Write requests that stored nothing, by mistake of the client or for lack of means.
    pub writes_failed: u64,
    /// Bytes of line protocol.
    pub bytes_received: u64,
    /// Bytes of rows that are in no committed file.
    pub unflushed_bytes: u64,
    /// Tables (measurements) of all buckets.
    pub tables: u64,
    /// Live files.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Their rows.
    pub file_rows: u64,
    /// Flushes that committed something.
    pub flushes: u64,
    /// Rows that they wrote.
    pub flushed_rows: u64,
    /// Bytes that they wrote.
    pub flushed_bytes: u64,
    /// Tables whose last flush failed.
    pub failing_tables: u64,
    /// Compaction, retention and deletion.
    pub compaction: CompactionMetrics,
    /// Deletes that are not applied to all files yet.
    pub pending_deletes: u64,
    /// The write-ahead log.
    pub wal: WalMetrics,
    /// The object store, if it is not on the local disk.
    pub store: Option<StoreMetrics>,
}

/// Counters that writers and flushes add to.
#[derive(Debug, Default)]
pub(super) struct Counters {
    points_written: AtomicU64,
    points_dropped: AtomicU64,
    writes_failed: AtomicU64,
    bytes_received: AtomicU64,
    flushes: AtomicU64,
    flushed_rows: AtomicU64,
    flushed_bytes: AtomicU64,
}

impl Counters {
    pub(super) fn write(&self, bytes: usize, result: &Result<WriteOutcome, WriteError>) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
        match result {
            Ok(outcome) => {
                self.points_written.fetch_add(outcome.accepted as u64, Ordering::Relaxed);
                let dropped = outcome.dropped.as_ref().map_or(0, |dropped| dropped.dropped);
                self.points_dropped.fetch_add(dropped as u64, Ordering::Relaxed);
            }
            Err(_) => {
                self.writes_failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn flushed(&self, report: &FlushReport) {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.flushed_rows.fetch_add(report.rows, Ordering::Relaxed);
        self.flushed_bytes.fetch_add(report.bytes, Ordering::Relaxed);
    }
}

impl Engine {
    /// Whether the engine can do its work, and what stands in its way.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        let wal_status = self.inner.wal.status();
        let state = self.inner.shared.lock();
        let failing_tables = state
            .tables
            .iter()
            .filter_map(|(table, live)| {
                let measurement = self.inner.shared.registry.table(*table)?.schema.measurement.clone();
                Some((measurement, live.flush_error.clone()?))
            })
            .collect();
        let fault = state.fault.clone();
        drop(state);
        let health = match (&*self.inner.replay.borrow(), fault) {
            (ReplayState::Failed(cause), _) => Health::Poisoned(cause.clone()),
            (_, Some(fault)) => Health::Poisoned(fault),
            (replay, None) => match wal_status {
                WalStatus::Poisoned(cause) => Health::Poisoned(cause.to_string()),
                WalStatus::OutOfSpace(_) => Health::OutOfSpace,
                WalStatus::Running if *replay == ReplayState::Running => Health::Replaying,
                WalStatus::Running => Health::Running,
            },
        };
        let failing_store = self.inner.store.health().and_then(|health| health.failing());
        EngineStatus { health, failing_tables, failing_store }
    }

    /// The numbers of now.
    #[must_use]
    pub fn metrics(&self) -> EngineMetrics {
        let counters = &self.inner.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let state = self.inner.shared.lock();
        let files = || state.tables.values().flat_map(|table| table.files.iter());
        EngineMetrics {
            points_written: read(&counters.points_written),
            points_dropped: read(&counters.points_dropped),
            writes_failed: read(&counters.writes_failed),
            bytes_received: read(&counters.bytes_received),
            unflushed_bytes: state.unflushed_bytes as u64,
            tables: state.tables.len() as u64,
            files: files().count() as u64,
            file_bytes: files().map(|file| file.size_bytes).sum(),
            file_rows: files().map(|file| file.row_count).sum(),
            flushes: read(&counters.flushes),
            flushed_rows: read(&counters.flushed_rows),
            flushed_bytes: read(&counters.flushed_bytes),
            failing_tables: state.tables.values().filter(|table| table.flush_error.is_some()).count() as u64,
            compaction: self.inner.compactor.metrics(),
            pending_deletes: state.deletes.len() as u64,
            wal: self.inner.wal.metrics(),
            store: self.inner.store.health().map(|health| health.metrics()),
        }
    }
}

//! Replay: the records that were durable but in no committed file when the process ended.
//!
//! It runs beside new writes. Its rows are older than theirs, so they are gathered apart and put in front of the
//! buffers as pending rows when all are read; queries and ordinary flushes wait until then. What exceeds a part of
//! the buffer's memory is flushed on the way: those rows are the oldest, so the order of files stays right.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::flusher::Selection;
use super::state::Pending;
use super::{Inner, ReplayState};
use crate::buffer::{PreparedRows, TableBuffer};
use crate::delete::Tombstone;
use crate::ids::{Sequence, TableId};
use crate::rows::RowBatch;
use crate::wal::{Record, Replay};

/// Reads all records and says how it ended. Runs on a thread that may block.
pub(super) fn run(inner: &Arc<Inner>, records: Replay, done: &watch::Sender<ReplayState>) {
    let handle = tokio::runtime::Handle::current();
    let mut replayed = Replayed::default();
    let result = records.into_iter().try_for_each(|record| {
        let (sequence, record) = record.map_err(|error| error.to_string())?;
        replayed.apply(inner, sequence, record)?;
        if replayed.bytes() >= inner.buffer_limit_bytes / 4 {
            replayed.hand_over(inner);
            handle.block_on(inner.flush_tables(Selection::Replayed)).map_err(|error| error.to_string())?;
        }
        Ok::<(), String>(())
    });
    match result {
        Ok(()) => {
            replayed.hand_over(inner);
            {
                let mut state = inner.shared.lock();
                state.replaying = None;
                state.trim_deletes();
            }
            tracing::info!(records = replayed.records, rows = replayed.rows, "the write-ahead log was replayed");
            done.send_replace(ReplayState::Done);
            inner.flush_wanted.notify_one();
        }
        Err(cause) => {
            tracing::error!(cause, "the write-ahead log could not be replayed");
            done.send_replace(ReplayState::Failed(cause));
        }
    }
}

/// Rows that were read back.
#[derive(Default)]
struct Replayed {
    tables: HashMap<TableId, TableBuffer>,
    records: usize,
    rows: usize,
    /// The last record that was read.
    last: Sequence,
}

impl Replayed {
    fn bytes(&self) -> usize {
        self.tables.values().map(TableBuffer::bytes).sum()
    }

    fn apply(&mut self, inner: &Arc<Inner>, sequence: Sequence, record: Record) -> Result<(), String> {
        self.records += 1;
        self.last = sequence;
        match record {
            Record::Write(batch) => self.apply_rows(inner, sequence, batch),
            Record::Delete { bucket, filter, .. } => {
                let tombstone = Tombstone { sequence, bucket, filter };
                inner.shared.lock().apply_delete(&inner.shared.registry, tombstone);
                Ok(())
            }
            Record::BucketDrop { bucket, .. } => {
                let mut state = inner.shared.lock();
                // The catalog follows with the first flush.
                for table in inner.shared.registry.bucket_tables(bucket) {
                    self.tables.remove(&table.schema.table);
                }
                state.drop_bucket(&inner.shared.registry, sequence, bucket);
                Ok(())
            }
        }
    }

    fn apply_rows(&mut self, inner: &Inner, sequence: Sequence, batch: RowBatch) -> Result<(), String> {
        let now_ns = inner.options.clock.now_ns();
        for rows in batch.tables {
            let flushed = inner.shared.lock().tables.get(&rows.table).map_or(Sequence::ZERO, |table| table.flushed);
            // A table that is not registered was dropped with its bucket; rows up to `flushed` are in files.
            if flushed >= sequence || inner.shared.registry.table(rows.table).is_none() {
                continue;
            }
            let rows = PreparedRows::new(rows).map_err(|error| error.to_string())?;
            self.rows += rows.row_count();
            let buffer = self.tables.entry(rows.table).or_default();
            buffer.apply(sequence, rows, now_ns).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Makes the rows read so far visible as pending rows, which stand before the buffers' newer rows.
    fn hand_over(&mut self, inner: &Inner) {
        let mut state = inner.shared.lock();
        state.replaying = state.replaying.max(Some(self.last));
        for (table, mut buffer) in self.tables.drain() {
            let bytes = buffer.bytes();
            if let Some(rows) = buffer.take() {
                state.unflushed_bytes += bytes;
                state.tables.entry(table).or_default().pending.push_back(Pending { rows, bytes });
            }
        }
    }
}

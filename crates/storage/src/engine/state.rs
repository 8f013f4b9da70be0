//! What is live: the buffers, the rows on their way to files, and the files, under one lock.
//!
//! The lock is held for moving pointers only, never while rows are read, sorted or written. Whoever also needs the
//! registry takes this lock first.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Weak};

use arrow::error::ArrowError;
use catalog::BucketId;
use parking_lot::{Mutex, MutexGuard};

use super::tombstones::LiveDeletes;
use crate::buffer::{PreparedRows, TableBuffer};
use crate::buffered::BufferedRows;
use crate::delete::Tombstone;
use crate::ids::{FileId, Sequence, TableId};
use crate::schema::Registry;
use crate::table::DataFile;

/// Rows that were taken out of the buffer and are not in committed files yet. Still visible to queries.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) rows: BufferedRows,
    pub(super) bytes: usize,
}

/// One table's rows wherever they are.
#[derive(Debug)]
pub(super) struct TableState {
    pub(super) buffer: TableBuffer,
    /// Oldest first; all older than the buffer's rows.
    pub(super) pending: VecDeque<Pending>,
    /// Live files, in no order.
    pub(super) files: Arc<[DataFile]>,
    /// Rows up to this sequence are in files.
    pub(super) flushed: Sequence,
    /// Deletes that may mean some of its rows, by ascending sequence.
    pub(super) tombstones: Arc<[Arc<Tombstone>]>,
    /// Why the last flush of this table failed. It is tried again with every flush; its WAL is kept meanwhile.
    pub(super) flush_error: Option<String>,
}

impl Default for TableState {
    fn default() -> Self {
        Self {
            buffer: TableBuffer::default(),
            pending: VecDeque::new(),
            files: Arc::new([]),
            flushed: Sequence::ZERO,
            tombstones: Arc::new([]),
            flush_error: None,
        }
    }
}

impl TableState {
    /// Moves the buffer's rows to the end of `pending`.
    pub(super) fn rotate(&mut self) {
        let bytes = self.buffer.bytes();
        if let Some(rows) = self.buffer.take() {
            self.pending.push_back(Pending { rows, bytes });
        }
    }

    /// The sequence of the oldest row behind the first `parts` pending parts.
    fn first_unflushed(&self, parts: usize) -> Option<Sequence> {
        self.pending.get(parts).map(|pending| pending.rows.sequences.0).or_else(|| self.buffer.first_sequence())
    }

    fn unflushed_bytes(&self) -> usize {
        self.buffer.bytes() + self.pending.iter().map(|pending| pending.bytes).sum::<usize>()
    }
}

/// Everything under the lock.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tables: HashMap<TableId, TableState>,
    /// The last record that was applied.
    pub(super) applied: Sequence,
    /// The last record that replay has read, until it has read all.
    pub(super) replaying: Option<Sequence>,
    /// Deletes that some table still needs.
    pub(super) deletes: LiveDeletes,
    /// Bucket drops that the catalog has not committed yet; their records must stay in the WAL.
    pub(super) uncommitted_drops: BTreeMap<Sequence, BucketId>,
    /// Bytes of all rows that are in no committed file.
    pub(super) unflushed_bytes: usize,
    /// Lists of files that were replaced while a query held them.
    old_files: Vec<Weak<[DataFile]>>,
    /// A row that could not be applied although it is durable: only a restart brings it back.
    pub(super) fault: Option<String>,
}

impl State {
    /// Adds durable rows to their tables' buffers. Rows of a table that is gone belong to a bucket that was dropped.
    /// Returns the size of the largest buffer that grew.
    pub(super) fn apply(
        &mut self,
        registry: &Registry,
        sequence: Sequence,
        tables: Vec<PreparedRows>,
        now_ns: i64,
    ) -> Result<usize, ArrowError> {
        let mut largest = 0;
        for rows in tables {
            if registry.table(rows.table).is_none() {
                continue;
            }
            let buffer = &mut self.tables.entry(rows.table).or_default().buffer;
            let before = buffer.bytes();
            buffer.apply(sequence, rows, now_ns)?;
            // Chunks that were joined may take less than before.
            self.unflushed_bytes = (self.unflushed_bytes + buffer.bytes()).saturating_sub(before);
            largest = largest.max(buffer.bytes());
        }
        self.applied = self.applied.max(sequence);
        Ok(largest)
    }

    /// Adds a durable delete to the tables that it concerns.
    pub(super) fn apply_delete(&mut self, registry: &Registry, tombstone: Tombstone) {
        let sequence = tombstone.sequence;
        let every_table = self.replaying.is_some();
        self.deletes.add(&mut self.tables, registry, tombstone, (false, every_table));
        self.applied = self.applied.max(sequence);
    }

    /// The record up to which all deletes are in the tables' lists.
    pub(super) fn deletes_through(&self) -> Sequence {
        self.replaying.unwrap_or(self.applied)
    }

    /// Takes deletes away from tables that need them no more; to be called when files were replaced.
    pub(super) fn trim_deletes(&mut self) {
        self.deletes.trim(&mut self.tables);
    }

    /// Forgets the tables of a bucket that was dropped by the record at `sequence`.
    pub(super) fn drop_bucket(&mut self, registry: &Registry, sequence: Sequence, bucket: BucketId) {
        for table in registry.remove_bucket(bucket) {
            if let Some(state) = self.tables.remove(&table) {
                self.unflushed_bytes = self.unflushed_bytes.saturating_sub(state.unflushed_bytes());
                self.hold(&state.files);
            }
        }
        self.deletes.remove_bucket(bucket);
        self.uncommitted_drops.insert(sequence, bucket);
        self.applied = self.applied.max(sequence);
    }

    /// The record up to which the WAL is needed no more once the first pending parts of some tables (`flushing`: how
    /// many) are committed: everything at or before it is in files then.
    pub(super) fn watermark(&self, flushing: &HashMap<TableId, usize>) -> Sequence {
        let unflushed = |(table, state): (&TableId, &TableState)| {
            state.first_unflushed(flushing.get(table).copied().unwrap_or_default())
        };
        let rows = self.tables.iter().filter_map(unflushed).min();
        let first_needed = rows.into_iter().chain(self.uncommitted_drops.keys().next().copied()).min();
        first_needed.map_or(self.applied, |first| Sequence(first.0.saturating_sub(1)))
    }

    /// Notes that the first `parts` pending parts of a table are in `files`, which are committed now.
    pub(super) fn commit_flush(&mut self, table: TableId, parts: usize, flushed: Sequence, files: Vec<DataFile>) {
        let Some(state) = self.tables.get_mut(&table) else { return };
        let released: usize = state.pending.drain(..parts.min(state.pending.len())).map(|pending| pending.bytes).sum();
        self.unflushed_bytes = self.unflushed_bytes.saturating_sub(released);
        state.flushed = state.flushed.max(flushed);
        // Readers hold the old list as long as they need it.
        let files = state.files.iter().cloned().chain(files).collect();
        let old = std::mem::replace(&mut state.files, files);
        self.hold(&old);
    }

    /// Notes that `outputs` stand for the files `inputs` of a table; both facts are committed.
    pub(super) fn commit_replacement(&mut self, table: TableId, inputs: &[FileId], outputs: Vec<DataFile>) {
        let Some(state) = self.tables.get_mut(&table) else { return };
        let kept = state.files.iter().filter(|file| !inputs.contains(&file.file)).cloned();
        let files = kept.chain(outputs).collect();
        let old = std::mem::replace(&mut state.files, files);
        self.hold(&old);
    }

    /// Remembers a list of files as long as somebody reads by it.
    pub(super) fn hold(&mut self, files: &Arc<[DataFile]>) {
        // The caller's own and nobody else's: there is no reader, and none can come.
        if Arc::strong_count(files) > 1 {
            self.old_files.retain(|list| list.strong_count() > 0);
            self.old_files.push(Arc::downgrade(files));
        }
    }

    /// Those of the files that a query may still read.
    pub(super) fn files_in_use(&self, files: &HashSet<FileId>) -> HashSet<FileId> {
        let old: Vec<Arc<[DataFile]>> = self.old_files.iter().filter_map(Weak::upgrade).collect();
        let lists = old.iter().chain(self.tables.values().map(|table| &table.files));
        lists.flat_map(|list| list.iter()).map(|file| file.file).filter(|file| files.contains(file)).collect()
    }
}

/// The state and its lock.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) registry: Registry,
    /// Held while the catalog's tables come or go, so that a write that is late cannot bring back a dropped bucket.
    pub(super) schema_lock: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

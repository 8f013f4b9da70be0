//! Flushing: rows out of the buffer, into files, and both facts into the catalog by one transaction.
//!
//! One flush runs at a time. Its order is what makes it exactly-once: rows leave the buffer but stay visible; files
//! are durable before the commit names them; the commit names files and watermark together; only then do the rows
//! go and the WAL is cut. A crash between any two steps leaves rows in the WAL, and perhaps files that nothing names.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use futures::StreamExt as _;
use tokio::sync::{Notify, watch};

use super::state::Pending;
use super::tombstones::tombstones_of;
use super::{Inner, commit_faults};
use crate::buffered::BufferedRows;
use crate::delete::{TableDelete, Tombstones, without_deleted};
use crate::flush::{WrittenFile, choose_tag_order, write_table};
use crate::ids::{ColumnId, Sequence, TableId};
use crate::lake::{CommitError, FlushCommit, LakeError, NewDataFile};
use crate::limits;
use crate::table::{BucketInfo, DataFile, TableSchema};

/// What a flush did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Tables whose rows are in files now.
    pub tables: usize,
    /// Files that were written.
    pub files: usize,
    /// Rows in them.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why rows are still not in files. They stay in memory and in the WAL, and the next flush tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushFailure {
    /// Some tables could not be written; the others were.
    #[error("{count} tables could not be flushed, {measurement:?} first: {cause}")]
    Tables {
        /// How many.
        count: usize,
        /// The measurement of one of them.
        measurement: String,
        /// Why that one failed.
        cause: String,
    },
    /// The catalog did not commit.
    #[error("the catalog did not commit the flush: {0}")]
    Commit(#[from] CommitError),
    /// The engine is poisoned or still reading its WAL.
    #[error("{0}")]
    Refused(String),
}

impl FlushFailure {
    /// Whether the catalog cannot be reached just now, so that the next flush may succeed.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Commit(error) if error.is_temporary())
    }
}

/// Which tables a flush takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Selection {
    /// All rows of now.
    All,
    /// Tables with enough buffered bytes, or with rows older than the flush age, and those that failed before.
    Due,
    /// Only what replay has put into `pending`; the buffers are left alone, since older records may still come.
    Replayed,
}

/// One table's part of a flush.
struct Work {
    schema: Arc<TableSchema>,
    bucket: BucketInfo,
    new_tag_order: Option<Vec<ColumnId>>,
    parts: Vec<Pending>,
    /// The deletes of the moment at which the rows were taken.
    deletes: Tombstones,
}

/// What became of a [`Work`].
#[derive(Debug)]
struct Written {
    table: TableId,
    measurement: String,
    new_tag_order: Option<Vec<ColumnId>>,
    /// How many parts, from the first on, are in `files`.
    parts: usize,
    /// The last sequence of those parts.
    flushed: Sequence,
    files: Vec<WrittenFile>,
    /// Why the part after them could not be written.
    failure: Option<String>,
}

/// A commit of a flush that happened or not: the catalog could not be asked, or did not answer for good.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Option<(FlushCommit, Vec<Written>)>);

impl Inner {
    /// Flushes the selected tables. A table that fails is set aside and reported; the others are committed.
    pub(super) async fn flush_tables(&self, selection: Selection) -> Result<FlushReport, FlushFailure> {
        let mut unanswered = self.flush_lock.lock().await;
        self.answer(&mut unanswered).await.map_err(CommitError::NotCommitted)?;
        self.commit_drops().await.map_err(CommitError::NotCommitted)?;
        let work = self.select(selection);
        if work.is_empty() {
            return Ok(FlushReport::default());
        }
        let written: Vec<Written> = futures::stream::iter(work)
            .map(|work| self.write_files(work))
            .buffer_unordered(self.store.flush_concurrency())
            .collect()
            .await;
        let failure = self.set_aside(&written);
        let written = written.into_iter().filter(|table| table.parts > 0).collect();
        let report = self.commit_files(written, &mut unanswered).await?;
        self.flush_progress.notify_waiters();
        failure.map_or(Ok(report), Err)
    }

    /// Takes the rows of the selected tables out of the buffer and lists what is to be written.
    fn select(&self, selection: Selection) -> Vec<Work> {
        let now_ns = self.options.clock.now_ns();
        let age_ns = i64::try_from(self.options.flush_age.as_nanos()).unwrap_or(i64::MAX);
        let mut state = self.shared.lock();
        let through = state.deletes_through();
        let full = state.unflushed_bytes >= self.buffer_limit_bytes / 2;
        let mut work = Vec::new();
        for (table, live) in &mut state.tables {
            let due = match selection {
                Selection::All => true,
                Selection::Replayed => false,
                Selection::Due => {
                    let old = live.buffer.since_ns().is_some_and(|since| now_ns.saturating_sub(since) >= age_ns);
                    full || old || live.buffer.bytes() as u64 >= self.options.flush_table_bytes
                }
            };
            if due {
                live.rotate();
            }
            if live.pending.is_empty() {
                continue;
            }
            let Some(entry) = self.shared.registry.table(*table) else { continue };
            let Some(bucket) = self.shared.registry.bucket(entry.schema.bucket) else { continue };
            work.push(Work {
                schema: Arc::clone(&entry.schema),
                bucket,
                new_tag_order: None,
                parts: live.pending.iter().cloned().collect(),
                deletes: tombstones_of(live, through),
            });
        }
        work
    }

    /// Writes the files of one table: a file or more for each part, so that the sequences of files are disjoint.
    async fn write_files(&self, mut work: Work) -> Written {
        let table = work.schema.table;
        if let Some(first) = work.parts.first().filter(|_| work.schema.tag_order.is_empty()) {
            let order = choose_tag_order(&work.schema, &first.rows);
            if !order.is_empty() {
                work.schema = Arc::new(TableSchema { tag_order: order.clone(), ..(*work.schema).clone() });
                work.new_tag_order = Some(order);
            }
        }
        let prefix = crate::lake::table_directory(work.schema.bucket, table);
        let mut written = Written {
            table,
            measurement: work.schema.measurement.clone(),
            new_tag_order: work.new_tag_order,
            parts: 0,
            flushed: Sequence::ZERO,
            files: Vec::new(),
            failure: None,
        };
        let deletes: Arc<[_]> = TableDelete::resolve_all(&work.deletes.list, &work.schema).into();
        for part in &work.parts {
            let rows = match apply_deletes(part.rows.clone(), Arc::clone(&deletes), work.deletes.through).await {
                Ok(rows) => rows,
                Err(cause) => {
                    written.failure = Some(cause);
                    break;
                }
            };
            match write_table(&self.store, &work.schema, &work.bucket, &rows, &prefix).await {
                Ok(files) => {
                    written.files.extend(files);
                    written.parts += 1;
                    written.flushed = part.rows.sequences.1;
                }
                Err(error) => {
                    written.failure = Some(error.to_string());
                    break;
                }
            }
        }
        written
    }

    /// Commits the files of all tables in one transaction, then lets go of the rows.
    async fn commit_files(
        &self,
        written: Vec<Written>,
        unanswered: &mut Unanswered,
    ) -> Result<FlushReport, FlushFailure> {
        if written.is_empty() {
            return Ok(FlushReport::default());
        }
        let mut commit = FlushCommit::default();
        for table in &written {
            commit.flushed.push((table.table, table.flushed));
            commit.tag_orders.extend(table.new_tag_order.clone().map(|order| (table.table, order)));
            commit.files.extend(table.files.iter().map(|file| NewDataFile::of(table.table, file)));
        }
        // Older records may still be read back while replay runs, so only its end moves the watermark.
        if self.replay_is_done() {
            let flushing = written.iter().map(|table| (table.table, table.parts)).collect();
            let state = self.shared.lock();
            commit.watermark = state.watermark(&flushing);
            (commit.deletes, commit.forgotten_deletes) = state.deletes.to_commit(commit.watermark);
        }
        match self.commit_once(&commit).await {
            Ok(files) => Ok(self.let_go(&commit, written, files)),
            Err(error) => {
                if matches!(error, CommitError::Unknown(_)) {
                    unanswered.0 = Some((commit, written));
                }
                Err(error.into())
            }
        }
    }

    /// Finds out how the last commit ended before anything else is written: the same rows in other files would be
    /// there twice.
    pub(super) async fn answer(&self, unanswered: &mut Unanswered) -> Result<(), LakeError> {
        let Some((commit, _)) = &unanswered.0 else { return Ok(()) };
        let answer = self.lake.committed_files(commit).await?;
        let Some((commit, written)) = unanswered.0.take() else { return Ok(()) };
        match answer {
            Some(files) => {
                self.store.named(commit.files.iter().map(|file| file.path.as_str()));
                self.let_go(&commit, written, files);
            }
            None => self.store.delete_unnamed(commit.files.iter().map(|file| file.path.as_str())).await,
        }
        Ok(())
    }

    /// Lets go of rows that are in committed files.
    fn let_go(&self, commit: &FlushCommit, written: Vec<Written>, files: Vec<DataFile>) -> FlushReport {
        let mut report = FlushReport { tables: written.len(), files: files.len(), ..FlushReport::default() };
        let mut by_table: HashMap<TableId, Vec<DataFile>> = HashMap::new();
        for file in files {
            report.rows += file.row_count;
            report.bytes += file.size_bytes;
            by_table.entry(file.table).or_default().push(file);
        }
        let mut state = self.shared.lock();
        for table in written {
            if let Some(order) = table.new_tag_order {
                self.shared.registry.set_tag_order(table.table, order);
            }
            let files = by_table.remove(&table.table).unwrap_or_default();
            state.commit_flush(table.table, table.parts, table.flushed, files);
        }
        state.deletes.committed(&commit.deletes, &commit.forgotten_deletes);
        state.trim_deletes();
        drop(state);
        self.counters.flushed(&report);
        if let Err(error) = self.wal.delete_through(commit.watermark) {
            tracing::warn!(%error, "segments of the write-ahead log could not be deleted");
        }
        report
    }

    /// Commits, and where the database does not say how it ended, reads the watermark back before another try: a
    /// second commit of the same files would double their rows for outside readers.
    async fn commit_once(&self, commit: &FlushCommit) -> Result<Vec<DataFile>, CommitError> {
        let faults = &*self.options.commit_faults;
        let result = match commit_faults::commit(faults, self.lake.commit_flush(commit)).await {
            Err(CommitError::Unknown(cause)) => {
                tracing::warn!(%cause, "a flush was committed or not; the catalog is asked");
                match self.lake.committed_files(commit).await {
                    Ok(Some(files)) => Ok(files),
                    Ok(None) => commit_faults::commit(faults, self.lake.commit_flush(commit)).await,
                    Err(error) => {
                        tracing::warn!(%error, "the catalog does not say whether a flush was committed");
                        Err(CommitError::Unknown(cause))
                    }
                }
            }
            result => result,
        };
        let paths = commit.files.iter().map(|file| file.path.as_str());
        match &result {
            Ok(_) => self.store.named(paths),
            Err(CommitError::NotCommitted(_)) => self.store.delete_unnamed(paths).await,
            Err(CommitError::Unknown(_)) => self.store.leave(paths),
        }
        result
    }

    /// Notes which tables failed and which do no longer. Rows that could not be written stay pending.
    fn set_aside(&self, written: &[Written]) -> Option<FlushFailure> {
        let count = written.iter().filter(|table| table.failure.is_some()).count();
        let mut failure = None;
        let mut state = self.shared.lock();
        for table in written {
            if let Some(live) = state.tables.get_mut(&table.table) {
                live.flush_error = table.failure.clone();
            }
            if let Some(cause) = table.failure.clone() {
                tracing::error!(measurement = table.measurement, cause, "a table could not be flushed");
                failure = Some(FlushFailure::Tables { count, measurement: table.measurement.clone(), cause });
            }
        }
        failure
    }
}

/// The rows that are left after the deletes, of which the list holds all up to `through`.
async fn apply_deletes(
    rows: BufferedRows,
    deletes: Arc<[Arc<TableDelete>]>,
    through: Sequence,
) -> Result<BufferedRows, String> {
    let left = if deletes.is_empty() {
        rows
    } else {
        let applying = tokio::task::spawn_blocking(move || without_deleted(rows, &deletes));
        let left = applying.await.map_err(|error| error.to_string())?;
        left.map_err(|error| error.to_string())?
    };
    Ok(BufferedRows { deletes_applied: through, ..left })
}

/// Flushes what is due until the engine closes or is dropped.
pub(super) async fn flush_loop(engine: Weak<Inner>, wanted: Arc<Notify>, mut closing: watch::Receiver<bool>) {
    let mut pause = limits::FLUSH_CHECK_INTERVAL;
    loop {
        tokio::select! {
            () = wanted.notified() => {}
            () = tokio::time::sleep(pause) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        let Some(engine) = engine.upgrade() else { return };
        if !engine.replay_is_done() {
            continue;
        }
        pause = match engine.flush_tables(Selection::Due).await {
            Ok(_) => limits::FLUSH_CHECK_INTERVAL,
            Err(error) => {
                tracing::error!(%error, "flush failed");
                limits::FLUSH_RETRY_INTERVAL
            }
        };
    }
}

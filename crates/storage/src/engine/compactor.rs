//! Compaction: which files are merged is `compact::plan`'s word, how is `compact::merge`'s; here is when, and the
//! exchange of old files for new ones.
//!
//! One lock is held by whoever merges, retires or deletes files, so that a file is never deleted between the commit
//! that replaced it and the moment when new queries stop seeing it. Flushes, writes and queries never wait for it: a
//! flush only adds files later than all others, which is why merging those of before stays right beside it.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use catalog::BucketId;
use futures::StreamExt as _;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio::time::Instant;

use super::commit_faults::commit;
use super::compaction_metrics::CompactionMetrics;
use super::flusher::{FlushFailure, Selection};
use super::merge_plan::{Notes, Which, Work, batches};
use super::{Engine, Inner};
use crate::compact::plan::Reason;
use crate::compact::{Background, CompactionError, Job, TrustedTime, Weight, cuts, writer_memory_bytes};
use crate::delete::TableDelete;
use crate::flush::WrittenFile;
use crate::ids::{FileId, TableId};
use crate::lake::{CommitError, LakeError, NewDataFile, Replacement};
use crate::limits;
use crate::scan::{TableSnapshot, TableSnapshotParts};
use crate::table::DataFile;

/// What a request to compact did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Groups of files that were merged.
    pub merges: usize,
    /// Files that were read.
    pub files_read: usize,
    /// Files that were written.
    pub files_written: usize,
    /// Rows that were read.
    pub rows_read: u64,
    /// Rows that were written.
    pub rows_written: u64,
    /// Bytes that were read.
    pub bytes_read: u64,
    /// Bytes that were written.
    pub bytes_written: u64,
    /// Files that went whole because all of their rows were past their retention or deleted.
    pub files_retired: usize,
}

impl CompactReport {
    fn add(&mut self, other: &Self) {
        self.merges += other.merges;
        self.files_read += other.files_read;
        self.files_written += other.files_written;
        self.rows_read += other.rows_read;
        self.rows_written += other.rows_written;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
        self.files_retired += other.files_retired;
    }
}

/// Why files are not as they should be after a request to compact. They are as they were before, or merged in part.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompactFailure {
    /// The points in memory could not be put into files first.
    #[error(transparent)]
    Flush(#[from] FlushFailure),
    /// Some groups could not be merged; the others were.
    #[error("{count} measurements could not be compacted, {measurement:?} first: {cause}")]
    Tables {
        /// How many.
        count: usize,
        /// The measurement of one of them.
        measurement: String,
        /// Why that one failed.
        cause: String,
    },
    /// The catalog did not commit.
    #[error("the catalog did not commit the compaction: {0}")]
    Commit(#[from] CommitError),
    /// Too many requests wait already.
    #[error("too many requests to compact wait for each other")]
    Busy,
    /// The engine closes.
    #[error("the engine closes")]
    Closing,
    /// A task ended as it should not.
    #[error("internal error: {0}")]
    Internal(String),
}

/// The state of compaction.
#[derive(Debug)]
pub(super) struct Compactor {
    /// Held by whoever merges, retires or deletes files.
    pub(super) lock: Mutex<()>,
    background: Background,
    waiting: Semaphore,
    pub(super) time: parking_lot::Mutex<TrustedTime>,
    started: Instant,
    pub(super) notes: parking_lot::Mutex<Notes>,
    pub(super) counters: parking_lot::Mutex<CompactionMetrics>,
    /// Replacements of which nobody said whether they were committed.
    unanswered: parking_lot::Mutex<Option<Vec<Replacement>>>,
}

impl Compactor {
    /// Starts from the time of the catalog's newest snapshot.
    pub(super) fn new(newest_snapshot_ns: i64) -> Self {
        Self {
            lock: Mutex::new(()),
            background: Background::default(),
            waiting: Semaphore::new(limits::COMPACTION_WAITING),
            time: parking_lot::Mutex::new(TrustedTime::new(newest_snapshot_ns)),
            started: Instant::now(),
            notes: parking_lot::Mutex::default(),
            counters: parking_lot::Mutex::default(),
            unanswered: parking_lot::Mutex::default(),
        }
    }

    /// How long the engine has been running.
    pub(super) fn running(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn metrics(&self) -> CompactionMetrics {
        CompactionMetrics { deletion_waits: self.time.lock().is_waiting(), ..*self.counters.lock() }
    }

    fn note_result(&self, table: TableId, failed: bool) {
        self.notes.lock().result(table, failed.then(|| self.running()));
    }
}

/// What became of a [`Work`].
struct Done {
    work: Work,
    written: Result<Vec<WrittenFile>, CompactionError>,
}

/// A table whose files could not be merged.
struct FailedTable {
    table: TableId,
    measurement: String,
    cause: String,
}

impl Engine {
    /// Puts all rows of now into files and merges until no two files of a table overlap, small ones are joined, and no
    /// row is past its bucket's retention; then removes what no snapshot needs any more. It goes on when the caller
    /// goes away.
    ///
    /// # Errors
    /// [`CompactFailure`]; no point is lost, and what was merged stays merged.
    pub async fn compact(&self) -> Result<CompactReport, CompactFailure> {
        let inner = Arc::clone(&self.inner);
        let settling = tokio::spawn(async move {
            let _waiting = inner.compactor.waiting.try_acquire().map_err(|_| CompactFailure::Busy)?;
            inner.replayed().await.map_err(FlushFailure::Refused)?;
            inner.flush_tables(Selection::All).await?;
            inner.settle().await
        });
        settling.await.map_err(|error| CompactFailure::Internal(error.to_string()))?
    }

    /// Does at once what the background does from time to time.
    ///
    /// # Errors
    /// [`CompactFailure`]; the background would log it and go on.
    pub async fn maintain(&self) -> Result<CompactReport, CompactFailure> {
        self.inner.replayed().await.map_err(FlushFailure::Refused)?;
        self.inner.maintain().await
    }
}

impl Inner {
    async fn settle(&self) -> Result<CompactReport, CompactFailure> {
        let _alone = self.compactor.lock.lock().await;
        self.observe_clock();
        self.answer_replacements().await?;
        // Flushes go on: what they add from here on belongs to the next request.
        let bound = self.shared.lock().applied;
        let mut report = self.retire().await?;
        let mut failures: Vec<FailedTable> = Vec::new();
        let mut which = Which::All;
        loop {
            let work = self.plan_merges(true, bound, &which);
            if work.is_empty() {
                break;
            }
            // What a merge made may be merged again; the other tables are as they were.
            let mut merged: HashSet<TableId> = work.iter().map(|work| work.schema.table).collect();
            for batch in batches(work) {
                let (done, failed) = self.run_batch(batch).await?;
                report.add(&done);
                for failed in &failed {
                    merged.remove(&failed.table);
                }
                failures.extend(failed);
            }
            which = Which::Only(merged);
        }
        self.end_of_files().await.map_err(CommitError::NotCommitted)?;
        let count = failures.len();
        match failures.into_iter().next() {
            Some(FailedTable { measurement, cause, .. }) => Err(CompactFailure::Tables { count, measurement, cause }),
            None => Ok(report),
        }
    }

    pub(super) async fn maintain(&self) -> Result<CompactReport, CompactFailure> {
        let mut report = {
            let _alone = self.compactor.lock.lock().await;
            self.observe_clock();
            self.answer_replacements().await?;
            self.retire().await?
        };
        if self.options.compactions > 0 {
            self.merge_what_pays(&mut report).await?;
        }
        self.compactor.notes.lock().retain(|table| self.shared.registry.table(table).is_some());
        let _alone = self.compactor.lock.lock().await;
        self.end_of_files().await.map_err(CommitError::NotCommitted)?;
        Ok(report)
    }

    /// Merges by one plan, then what the merges made, until nothing of it pays. What is flushed meanwhile waits for the
    /// next time.
    async fn merge_what_pays(&self, report: &mut CompactReport) -> Result<(), CompactFailure> {
        let mut which = Which::All;
        loop {
            let bound = self.shared.lock().applied;
            let work = self.plan_merges(false, bound, &which);
            if work.is_empty() {
                return Ok(());
            }
            let mut merged = HashSet::new();
            for batch in batches(work) {
                // The lock is given back after each batch, so that a request to compact does not wait for all. What it
                // did to the files of a group takes the group out of the plan.
                let _alone = self.compactor.lock.lock().await;
                self.answer_replacements().await?;
                let batch: Vec<Work> = batch.into_iter().filter_map(|work| self.renewed(work)).collect();
                merged.extend(batch.iter().map(|work| work.schema.table));
                // What failed is logged, and left alone for a while.
                let (done, _) = self.run_batch(batch).await?;
                report.add(&done);
            }
            which = Which::Only(merged);
        }
    }

    /// Rows of the bucket before this time are gone, as far as deletion is concerned.
    pub(super) fn cutoff(&self, bucket: BucketId) -> i64 {
        let Some(retention) = self.options.retention.retention(bucket) else { return i64::MIN };
        let retention_ns = i64::try_from(retention.as_nanos()).unwrap_or(i64::MAX);
        self.compactor.time.lock().now_ns().saturating_sub(retention_ns)
    }

    /// Memory of one merge.
    pub(super) fn compaction_memory_bytes(&self) -> u64 {
        let all = (self.options.memory_limit_bytes as f64 * limits::COMPACTION_SHARE) as u64;
        all / self.options.compactions.max(1) as u64
    }

    /// Rows that are read at once from each input: fewer where a row is wide, so that many inputs fit.
    pub(super) fn batch_rows(&self, columns: usize) -> usize {
        let row_bytes = (columns as u64 + 1) * 24;
        let rows = self.compaction_memory_bytes() / 16 / row_bytes;
        usize::try_from(rows).unwrap_or(usize::MAX).clamp(256, 8192)
    }

    /// Ends files of which all rows are past their retention or deleted.
    async fn retire(&self) -> Result<CompactReport, CompactFailure> {
        let mut replacements = Vec::new();
        for table in self.tables_with_files(&Which::All) {
            let deletes = TableDelete::resolve_all(&table.deletes.list, &table.schema);
            let is_deleted = |file: &DataFile| {
                deletes.iter().any(|delete| delete.concerns(file) && delete.takes_all_of(file.time_range))
            };
            let gone = table.files.iter().filter(|file| file.time_range.1 < table.cutoff || is_deleted(file));
            let inputs: Vec<FileId> = gone.map(|file| file.file).collect();
            if !inputs.is_empty() {
                replacements.push(Replacement { table: table.schema.table, inputs, outputs: Vec::new() });
            }
        }
        let mut report = CompactReport::default();
        if !replacements.is_empty() {
            let done = self.replace(replacements).await?;
            report.files_retired = done.iter().map(|replacement| replacement.inputs.len()).sum();
            self.compactor.counters.lock().files_retired += report.files_retired as u64;
            tracing::info!(files = report.files_retired, "files without a row that is wanted were retired");
        }
        Ok(report)
    }

    /// Merges the groups and commits those that could be merged. Also returns the tables that failed.
    async fn run_batch(&self, batch: Vec<Work>) -> Result<(CompactReport, Vec<FailedTable>), CompactFailure> {
        let start = Instant::now();
        let done: Vec<Done> = futures::stream::iter(batch)
            .map(|work| self.merge(work))
            .buffer_unordered(self.options.compactions.max(1))
            .collect()
            .await;
        let (mut merged, mut failed) = (Vec::new(), Vec::new());
        for Done { work, written } in done {
            let table = work.schema.table;
            self.compactor.note_result(table, written.is_err());
            match written {
                Ok(files) => merged.push((work, files)),
                Err(error) => {
                    let measurement = work.schema.measurement.clone();
                    tracing::warn!(measurement, %error, "files could not be merged");
                    failed.push(FailedTable { table, measurement, cause: error.to_string() });
                }
            }
        }
        let replacements: Vec<Replacement> = merged.iter().map(|(work, files)| replacement(work, files)).collect();
        if *self.closing.borrow() && !failed.is_empty() {
            self.discard(&replacements).await;
            return Err(CompactFailure::Closing);
        }
        let committed = self.replace(replacements).await?;
        let (mut report, mut reasons) = (CompactReport::default(), Vec::new());
        for (work, files) in merged {
            let table = work.schema.table;
            if committed.iter().any(|replacement| replacement.table == table) {
                report.add(&report_of(&work, &files));
                reasons.push(work.reason);
            } else if self.shared.registry.table(table).is_some() {
                // A table that was dropped is no failure; for any other the catalog and the memory disagree.
                self.compactor.note_result(table, true);
                let (measurement, cause) = (work.schema.measurement.clone(), "its files are not live".to_owned());
                failed.push(FailedTable { table, measurement, cause });
            }
        }
        self.count(&report, reasons.into_iter(), failed.len(), start.elapsed());
        Ok((report, failed))
    }

    fn count(&self, report: &CompactReport, reasons: impl Iterator<Item = Reason>, failures: usize, time: Duration) {
        let mut counters = self.compactor.counters.lock();
        for reason in reasons {
            let index = Reason::ALL.iter().position(|known| *known == reason);
            if let Some(count) = index.and_then(|index| counters.merges.get_mut(index)) {
                *count += 1;
            }
        }
        counters.failures += failures as u64;
        counters.files_read += report.files_read as u64;
        counters.files_written += report.files_written as u64;
        counters.rows_read += report.rows_read;
        counters.rows_written += report.rows_written;
        counters.bytes_read += report.bytes_read;
        counters.bytes_written += report.bytes_written;
        counters.time += time;
    }

    async fn merge(&self, work: Work) -> Done {
        let columns = work.schema.columns.len();
        let weights: Vec<Weight> = work
            .inputs
            .iter()
            .map(|file| Weight { time_range: file.time_range, size_bytes: file.size_bytes })
            .collect();
        let file_bytes = self.options.compacted_file_bytes;
        let writer_bytes = writer_memory_bytes(&work.inputs, columns, file_bytes).max(1);
        let writers = usize::try_from(self.compaction_memory_bytes() / 2 / writer_bytes).unwrap_or(usize::MAX);
        let job = Job {
            store: self.store.clone(),
            schema: Arc::clone(&work.schema),
            bucket: work.bucket.clone(),
            snapshot: Arc::new(TableSnapshot::new(TableSnapshotParts {
                schema: Arc::clone(&work.schema),
                files: Arc::clone(&work.inputs),
                buffers: Vec::new(),
                deletes: work.deletes.clone(),
                delete_files: None,
                store: self.store.clone(),
                footers: Arc::clone(&self.footers),
                visible_from: work.cutoff,
            })),
            inputs: Arc::clone(&work.inputs),
            path_prefix: crate::lake::table_directory(work.schema.bucket, work.schema.table),
            cuts: cuts(&weights, work.cutoff, file_bytes),
            writers: writers.clamp(1, limits::COMPACTION_WRITERS),
            batch_rows: self.batch_rows(columns),
            closing: self.closing.subscribe(),
        };
        // A drop of the bucket must not take the files away from under the merge.
        self.shared.lock().hold(&work.inputs);
        let written = match self.compactor.background.handle() {
            Err(cause) => Err(CompactionError::Threads(cause)),
            Ok(handle) => {
                let of_thread = handle.clone();
                let running = handle.spawn_blocking(move || job.run(&of_thread));
                running.await.unwrap_or_else(|error| Err(error.into()))
            }
        };
        Done { work, written }
    }

    /// Commits replacements, and lets new queries see them. What concerns a table that was dropped meanwhile is left
    /// out; its files are removed again. Returns what was committed.
    async fn replace(&self, mut replacements: Vec<Replacement>) -> Result<Vec<Replacement>, CommitError> {
        while !replacements.is_empty() {
            match self.replace_once(&replacements).await {
                Ok(files) => {
                    self.let_see(&replacements, files);
                    break;
                }
                Err(CommitError::NotCommitted(LakeError::UnknownTable(gone) | LakeError::FilesGone(gone))) => {
                    let (lost, rest) = replacements.into_iter().partition(|replacement| replacement.table == gone);
                    replacements = rest;
                    self.discard(&lost).await;
                }
                Err(error) => {
                    match &error {
                        CommitError::NotCommitted(_) => self.discard(&replacements).await,
                        CommitError::Unknown(_) => {
                            self.store.leave(output_paths(&replacements));
                            *self.compactor.unanswered.lock() = Some(replacements);
                        }
                    }
                    return Err(error);
                }
            }
        }
        Ok(replacements)
    }

    /// Lets new queries see what was committed.
    fn let_see(&self, replacements: &[Replacement], files: Vec<Vec<DataFile>>) {
        let mut state = self.shared.lock();
        for (replacement, files) in replacements.iter().zip(files) {
            state.commit_replacement(replacement.table, &replacement.inputs, files);
        }
        state.trim_deletes();
    }

    /// Finds out how the last commit ended before another merge reads files that may be live no more.
    async fn answer_replacements(&self) -> Result<(), CommitError> {
        let Some(replacements) = self.compactor.unanswered.lock().clone() else { return Ok(()) };
        match self.lake.replaced_files(&replacements).await? {
            Some(files) => self.let_see(&replacements, files),
            None => self.discard(&replacements).await,
        }
        *self.compactor.unanswered.lock() = None;
        Ok(())
    }

    /// Commits, and where the database does not say how it ended, looks before another try.
    async fn replace_once(&self, replacements: &[Replacement]) -> Result<Vec<Vec<DataFile>>, CommitError> {
        let faults = &*self.options.commit_faults;
        match commit(faults, self.lake.replace_files(replacements)).await {
            Err(CommitError::Unknown(cause)) => {
                tracing::warn!(%cause, "a compaction was committed or not; the catalog is asked");
                match self.lake.replaced_files(replacements).await {
                    Ok(Some(files)) => Ok(files),
                    Ok(None) => commit(faults, self.lake.replace_files(replacements)).await,
                    Err(error) => {
                        tracing::warn!(%error, "the catalog does not say whether a compaction was committed");
                        Err(CommitError::Unknown(cause))
                    }
                }
            }
            result => result,
        }
    }

    /// Removes files that were written and not committed.
    async fn discard(&self, replacements: &[Replacement]) {
        self.store.delete_unnamed(output_paths(replacements)).await;
    }
}

fn output_paths(replacements: &[Replacement]) -> impl Iterator<Item = &str> {
    replacements.iter().flat_map(|replacement| &replacement.outputs).map(|file| file.path.as_str())
}

fn replacement(work: &Work, files: &[WrittenFile]) -> Replacement {
    let table = work.schema.table;
    Replacement {
        table,
        inputs: work.inputs.iter().map(|file| file.file).collect(),
        outputs: files.iter().map(|file| NewDataFile::of(table, file)).collect(),
    }
}

fn report_of(work: &Work, files: &[WrittenFile]) -> CompactReport {
    CompactReport {
        merges: 1,
        files_read: work.inputs.len(),
        files_written: files.len(),
        rows_read: work.inputs.iter().map(|file| file.row_count).sum(),
        rows_written: files.iter().map(|file| file.row_count).sum(),
        bytes_read: work.inputs.iter().map(|file| file.size_bytes).sum(),
        bytes_written: files.iter().map(|file| file.size_bytes).sum(),
        files_retired: 0,
    }
}

/// Merges, retires and deletes what is due until the engine closes or is dropped.
pub(super) async fn compact_loop(engine: Weak<Inner>, mut closing: watch::Receiver<bool>) {
    let mut orphans_due = Duration::ZERO;
    loop {
        tokio::select! {
            () = tokio::time::sleep(limits::COMPACTION_INTERVAL) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        let Some(engine) = engine.upgrade() else { return };
        if !engine.replay_is_done() {
            continue;
        }
        if let Err(error) = engine.maintain().await {
            tracing::error!(%error, "compaction failed");
        }
        if engine.compactor.running() >= orphans_due {
            orphans_due = engine.compactor.running() + limits::ORPHAN_INTERVAL;
            engine.remove_orphans().await;
        }
    }
}

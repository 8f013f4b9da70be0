//! The door to the storage engine: open, write, snapshot, flush, close.
//!
//! ```text
//! write ── registrar (new columns committed) ── Wal::append ──▶ apply ──▶ acknowledged
//!                                                                │ State: buffer → pending → files
//! flusher ── select ── flush::write_table ── Lake::commit_flush ─┘
//! ```
//!
//! Everything else in this crate is reached through here. The engine never knows who may do what: the server asks it
//! only for what is allowed.

mod backup;
mod commit_faults;
mod compaction_metrics;
mod compactor;
mod create_table;
mod delete;
mod flusher;
mod history;
mod lifetime;
mod materialise;
mod merge_plan;
mod metrics;
mod registrar;
mod replay;
mod state;
mod store_watch;
mod tombstones;
mod write;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use catalog::database::{Location, PostgresLocation};
use catalog::{BucketId, Clock, OrganisationId};
use tokio::sync::{Mutex, Notify, Semaphore, watch};

use self::backup::Backups;
pub use self::backup::{Backup, BackupError};
pub use self::commit_faults::{CommitFault, CommitFaults, NoCommitFaults};
pub use self::compaction_metrics::CompactionMetrics;
use self::compactor::Compactor;
pub use self::compactor::{CompactFailure, CompactReport};
pub use self::create_table::{CreateTableError, TableDefinition};
pub use self::delete::DeleteRequest;
use self::flusher::Selection;
pub use self::flusher::{FlushFailure, FlushReport};
pub use self::history::SnapshotHistory;
pub use self::materialise::{DeleteFilesError, DeleteFilesReport};
pub use self::metrics::{EngineMetrics, EngineStatus, Health};
use self::registrar::Registrar;
use self::state::{Shared, State, TableState};
use self::tombstones::tombstones_of;
pub use self::write::{Acceptance, WriteOutcome, WriteRequest};
use crate::buffer::PreparedRows;
use crate::delete::{DeleteFilter, Tombstone};
use crate::disk::{Disk, RealDisk};
use crate::error::WriteError;
use crate::ids::{FileId, Sequence, TableId};
use crate::lake::{Lake, LakeError, NotKept};
use crate::limits;
use crate::scan::{FOOTER_CACHE_BYTES, FooterCache, ScanError, Snapshot, TableSnapshot, TableSnapshotParts};
use crate::schema::SchemaLimits;
use crate::store::{OpenStoreError, Store};
use crate::table::{BucketInfo, DataFile};
use crate::wal::{self, EncodedRecord, RecoveryError, Wal, WalError, WalOptions};

/// Where an engine keeps its data and what it may use.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// The data directory; made if it does not exist.
    pub data_dir: PathBuf,
    /// Memory of the whole process; the engine takes [`limits::BUFFER_SHARE`] of it for buffered rows.
    pub memory_limit_bytes: u64,
    /// Buffered bytes of a table that make it flush.
    pub flush_table_bytes: u64,
    /// The age of a buffered row that makes its table flush.
    pub flush_age: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The schema of PostgreSQL that is the catalog; without one it is `catalog.sqlite` in the data directory.
    pub catalog: Option<PostgresLocation>,
    /// The file system of the write-ahead log.
    pub wal_disk: Arc<dyn Disk>,
    /// Bounds of the write-ahead log.
    pub wal: WalOptions,
    /// Threads that parse and encode writes.
    pub workers: usize,
    /// Merges that run at the same time in the background; 0 leaves merging to [`Engine::compact`].
    pub compactions: usize,
    /// Bytes that files grow to.
    pub compacted_file_bytes: u64,
    /// How long a snapshot of the catalog is kept after the next one, and with it the files that it names.
    pub keep_snapshots: Duration,
    /// How long the rows of each bucket are kept.
    pub retention: Arc<dyn RetentionSource>,
    /// How large schemas may become.
    pub schema_limits: SchemaLimits,
    /// Where the data files lie; `files` in the data directory if there is none.
    pub store: Option<Store>,
    /// Whether files that the catalog says to be elsewhere have been moved to `store`.
    pub files_were_moved: bool,
    /// The age from which objects in a cloud's store that no row names are deleted.
    pub unnamed_object_age: Duration,
    /// What goes wrong with commits of the catalog.
    pub commit_faults: Arc<dyn CommitFaults>,
}

/// Tells how long the rows of a bucket are kept. Asked whenever files are looked at, so that a change counts at once.
pub trait RetentionSource: Send + Sync + std::fmt::Debug {
    /// The retention of a bucket; `None` for ever. A bucket that is not known is kept for ever.
    fn retention(&self, bucket: BucketId) -> Option<Duration>;
}

/// Everything is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepForever;

impl RetentionSource for KeepForever {
    fn retention(&self, _bucket: BucketId) -> Option<Duration> {
        None
    }
}

impl EngineOptions {
    /// The defaults for a data directory on the local file system.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>, memory_limit_bytes: u64, clock: Arc<dyn Clock>) -> Self {
        Self {
            data_dir: data_dir.into(),
            memory_limit_bytes,
            flush_table_bytes: limits::FLUSH_TABLE_BYTES,
            flush_age: limits::FLUSH_AGE,
            clock,
            catalog: None,
            wal_disk: Arc::new(RealDisk),
            wal: WalOptions::default(),
            workers: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            compactions: 1,
            compacted_file_bytes: limits::COMPACTED_FILE_BYTES,
            keep_snapshots: limits::KEEP_SNAPSHOTS,
            retention: Arc::new(KeepForever),
            schema_limits: SchemaLimits::default(),
            store: None,
            files_were_moved: false,
            unnamed_object_age: limits::UNNAMED_OBJECT_AGE,
            commit_faults: Arc::new(NoCommitFaults),
        }
    }
}

/// Why an engine cannot be opened. The data directory is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory cannot be used.
    #[error("cannot use the data directory {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has the directory open.
    #[error("the data directory {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] LakeError),
    /// The directory of the data files.
    #[error(transparent)]
    Store(#[from] OpenStoreError),
    /// The catalog names files that are not where they should be.
    #[error(
        "the catalog names {path:?}, which is not in {}: start with the --object-store that the files are in, or with \
         --object-store-moved if they were moved there in part",
        directory.display()
    )]
    FilesMissing {
        /// One of the files.
        path: String,
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// The write-ahead log.
    #[error(transparent)]
    Wal(#[from] RecoveryError),
    /// The log's thread.
    #[error(transparent)]
    WalStart(#[from] WalError),
    /// A worker thread failed.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The write-ahead log could not be replayed, so rows would be missing.
    #[error("queries are refused, because the write-ahead log could not be replayed: {0}")]
    Replay(String),
    /// No such snapshot of the catalog is kept.
    #[error(
        "there is no such snapshot: the oldest that is kept is {} of {}, the newest is {} of {}",
        .0.oldest.id, .0.oldest.time_text(), .0.newest.id, .0.newest.time_text()
    )]
    NotKept(NotKept),
    /// The catalog cannot be read.
    #[error(transparent)]
    Catalog(#[from] LakeError),
    /// A file of an earlier snapshot cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
}

/// Why a bucket was not dropped or renamed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// The record could not be made durable.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] LakeError),
}

impl BucketError {
    /// Whether the catalog cannot be reached just now.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Catalog(error) if error.is_temporary())
    }
}

/// How far the replay is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ReplayState {
    Running,
    Done,
    Failed(String),
}

/// What a WAL record carries to the moment when it is durable.
#[derive(Debug)]
enum Durable {
    Rows(Vec<PreparedRows>),
    Delete(BucketId, DeleteFilter),
    BucketDrop(BucketId),
}

/// The storage engine. Clones share one engine.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: EngineOptions,
    buffer_limit_bytes: usize,
    shared: Arc<Shared>,
    lake: Lake,
    store: Store,
    footers: Arc<FooterCache>,
    wal: Wal<Durable>,
    registrar: Registrar,
    compactor: Compactor,
    backups: Backups,
    counters: metrics::Counters,
    workers: Semaphore,
    waiting_writes: Semaphore,
    flush_lock: Mutex<flusher::Unanswered>,
    /// Held while a table is made by itself.
    creations: Mutex<()>,
    /// The delete up to which the delete file of each data file is up to date; held during a round.
    materialised: Mutex<HashMap<FileId, Sequence>>,
    flush_wanted: Arc<Notify>,
    flush_progress: Notify,
    replay: watch::Sender<ReplayState>,
    closing: watch::Sender<bool>,
    /// Held as long as the engine lives; the operating system releases it when the process ends.
    _lock: std::fs::File,
}

impl Engine {
    /// Opens the data directory, and makes it if it does not exist. On return writes are accepted, while records that
    /// are in no file yet are still being read; queries wait for them.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is changed then.
    pub async fn open(options: EngineOptions) -> Result<Self, OpenError> {
        let lock = lock_directory(&options.data_dir)?;
        let store = match options.store.clone() {
            Some(store) => store.with_upload_list(&options.data_dir.join("uploads"))?,
            None => Store::local(&options.data_dir.join("files"))?,
        };
        let files_root = PathBuf::from(store.data_path());
        let wal_dir = options.data_dir.join("wal");
        let location = match &options.catalog {
            Some(location) => Location::Postgres(location.clone()),
            None => Location::Sqlite(options.data_dir.join("catalog.sqlite")),
        };
        let log_is_empty = !std::fs::read_dir(&wal_dir).is_ok_and(|mut entries| entries.next().is_some());
        let (lake, loaded) = Lake::open(&location, &files_root, Arc::clone(&options.clock), log_is_empty).await?;
        lake.place_files(store.data_path(), options.files_were_moved).await?;
        refuse_missing_files(&store, &loaded.files, options.files_were_moved)?;
        let watermark = loaded.watermark;
        let newest_snapshot_ns = lake.newest_snapshot_ns().await?.unwrap_or_else(|| options.clock.now_ns());
        let shared = Arc::new(Shared::default());
        load_state(&shared, loaded);

        let disk = Arc::clone(&options.wal_disk);
        let recovery_dir = wal_dir.clone();
        let recovery = tokio::task::spawn_blocking(move || wal::recover(&disk, &recovery_dir, watermark))
            .await
            .map_err(|error| OpenError::Internal(error.to_string()))??;
        if let Some(tail) = recovery.log.torn_tail() {
            let (segment, offset) = (tail.path.display(), tail.offset);
            tracing::warn!(%segment, offset, "a torn tail was cut off the write-ahead log");
        }
        {
            let mut state = shared.lock();
            state.applied = Sequence(recovery.log.next_sequence().0.saturating_sub(1));
            state.replaying = Some(watermark);
        }
        let flush_wanted = Arc::new(Notify::new());
        let apply = apply_durable(&options, Arc::clone(&shared), Arc::clone(&flush_wanted));
        let wal = Wal::start(Arc::clone(&options.wal_disk), &wal_dir, recovery.log, options.wal.clone(), apply)?;
        let inner = Arc::new(Inner {
            buffer_limit_bytes: (options.memory_limit_bytes as f64 * limits::BUFFER_SHARE) as usize,
            footers: Arc::new(FooterCache::new(FOOTER_CACHE_BYTES)),
            registrar: Registrar::start(lake.clone(), Arc::clone(&shared), &options),
            compactor: Compactor::new(newest_snapshot_ns),
            backups: Backups::default(),
            shared,
            lake,
            store,
            wal,
            counters: metrics::Counters::default(),
            workers: Semaphore::new(options.workers.max(1)),
            waiting_writes: Semaphore::new(limits::BUFFER_WAITING_WRITES),
            flush_lock: Mutex::default(),
            creations: Mutex::default(),
            materialised: Mutex::default(),
            flush_wanted,
            flush_progress: Notify::new(),
            replay: watch::channel(ReplayState::Running).0,
            closing: watch::channel(false).0,
            _lock: lock,
            options,
        });
        let (replayer, replay) = (Arc::clone(&inner), recovery.replay);
        tokio::task::spawn_blocking(move || replay::run(&replayer, replay, &replayer.replay));
        let wanted = Arc::clone(&inner.flush_wanted);
        tokio::spawn(flusher::flush_loop(Arc::downgrade(&inner), wanted, inner.closing.subscribe()));
        tokio::spawn(compactor::compact_loop(Arc::downgrade(&inner), inner.closing.subscribe()));
        tokio::spawn(materialise::materialise_loop(Arc::downgrade(&inner), inner.closing.subscribe()));
        tokio::spawn(store_watch::watch_loop(Arc::downgrade(&inner), inner.closing.subscribe()));
        Ok(Self { inner })
    }

    /// Writes points. `Ok` means that they are durable and that every later snapshot has them.
    ///
    /// # Errors
    /// [`WriteError`]; then none of the points is stored, except that after [`WriteError::Poisoned`] they may be.
    pub async fn write(&self, request: WriteRequest) -> Result<WriteOutcome, WriteError> {
        self.inner.write(request, Acceptance::default()).await
    }

    /// Writes points like [`Self::write`], with another answer to lines that are bad.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_accepting(
        &self,
        request: WriteRequest,
        acceptance: Acceptance,
    ) -> Result<WriteOutcome, WriteError> {
        self.inner.write(request, acceptance).await
    }

    /// Makes a measurement without rows. Where two make it at once, one is told that it exists.
    ///
    /// # Errors
    /// [`CreateTableError`]; then nothing was made.
    pub async fn create_table(
        &self,
        bucket: Arc<BucketInfo>,
        definition: TableDefinition,
    ) -> Result<(), CreateTableError> {
        let _one_at_a_time = self.inner.creations.lock().await;
        self.inner.create_table(bucket, definition).await
    }

    /// Deletes rows or values of a bucket. `Ok` means that the fact is durable and that no later snapshot has them;
    /// what is written afterwards stays. No file is touched. Waits until replay is done.
    ///
    /// # Errors
    /// [`WriteError`]; then nothing is deleted, except that after [`WriteError::Poisoned`] it may be.
    pub async fn delete(&self, request: DeleteRequest) -> Result<(), WriteError> {
        self.inner.delete(request).await
    }

    /// The rows of a bucket as they are now; rows older than `retention` are left out. A bucket that was never
    /// written to has no tables. Waits until replay is done.
    ///
    /// # Errors
    /// [`SnapshotError`] if replay failed.
    pub async fn snapshot(&self, bucket: BucketId, retention: Option<Duration>) -> Result<Snapshot, SnapshotError> {
        self.inner.replayed().await.map_err(SnapshotError::Replay)?;
        let inner = &self.inner;
        let visible_from = inner.visible_from(retention);
        let mut state = inner.shared.lock();
        let tables = inner.shared.registry.bucket_tables(bucket);
        let through = state.deletes_through();
        let tables = tables.into_iter().map(|entry| {
            let live = state.tables.entry(entry.schema.table).or_default();
            let mut buffers: Vec<_> = live.pending.iter().map(|pending| pending.rows.clone()).collect();
            buffers.extend(live.buffer.snapshot());
            TableSnapshot::new(TableSnapshotParts {
                schema: Arc::clone(&entry.schema),
                files: Arc::clone(&live.files),
                buffers,
                deletes: tombstones_of(live, through),
                delete_files: None,
                store: inner.store.clone(),
                footers: Arc::clone(&inner.footers),
                visible_from,
            })
        });
        Ok(Snapshot::new(tables))
    }

    /// Puts all rows that are in memory now into committed files. It goes on when the caller goes away, so that no
    /// file is left between its end and its commit.
    ///
    /// # Errors
    /// [`FlushFailure`]; the rows that are not in files stay in memory and in the WAL.
    pub async fn flush(&self) -> Result<FlushReport, FlushFailure> {
        let inner = Arc::clone(&self.inner);
        let flushing = tokio::spawn(async move {
            inner.replayed().await.map_err(FlushFailure::Refused)?;
            inner.flush_tables(Selection::All).await
        });
        flushing.await.map_err(|error| FlushFailure::Refused(error.to_string()))?
    }

    /// Notes a bucket's new name, or its organisation's.
    ///
    /// # Errors
    /// If the catalog fails; the old name stays then.
    pub async fn rename_bucket(&self, bucket: BucketInfo) -> Result<(), BucketError> {
        if self.inner.shared.registry.bucket(bucket.bucket).is_some() {
            self.inner.lake.rename_bucket(&bucket).await?;
            self.inner.shared.registry.commit([bucket], []);
        }
        Ok(())
    }

    /// Drops all rows of a bucket. On return the fact is durable: no restart brings the rows back.
    ///
    /// # Errors
    /// If it cannot be made durable; the rows stay then. An error of the catalog comes after that point: the rows are
    /// gone, and the next start finishes the drop.
    pub async fn drop_bucket(&self, organisation: OrganisationId, bucket: BucketId) -> Result<(), BucketError> {
        self.inner.replayed().await.map_err(WriteError::Internal)?;
        // Not beside a flush: it could commit files of the tables that are about to go.
        let mut no_flush = self.inner.flush_lock.lock().await;
        self.inner.answer(&mut no_flush).await?;
        let _no_registration = self.inner.shared.schema_lock.lock().await;
        if self.inner.shared.registry.bucket(bucket).is_none() {
            // Nothing was written to it, and a write that is on its way finds that it comes too late.
            self.inner.shared.registry.remove_bucket(bucket);
            return Ok(());
        }
        let record = EncodedRecord::bucket_drop(organisation, bucket);
        let appended = self.inner.wal.append(record, Durable::BucketDrop(bucket)).map_err(write::write_error)?;
        appended.await.map_err(write::write_error)?;
        self.inner.commit_drops().await?;
        Ok(())
    }

    /// Stops accepting writes, waits for those under way, and flushes. The engine only answers queries afterwards.
    ///
    /// # Errors
    /// If not everything could be flushed; what is missing is in the WAL, and the next start reads it.
    pub async fn close(&self) -> Result<(), FlushFailure> {
        self.inner.closing.send_replace(true);
        let inner = Arc::clone(&self.inner);
        let closed = tokio::task::spawn_blocking(move || inner.wal.close()).await;
        closed.map_err(|error| FlushFailure::Refused(error.to_string()))?;
        let flushed = match self.inner.replayed().await {
            Ok(()) => self.inner.flush_tables(Selection::All).await.map(|_| ()),
            Err(cause) => Err(FlushFailure::Refused(cause)),
        };
        // A merge that runs has seen that the engine closes, and gives up.
        let _no_compaction = self.inner.compactor.lock.lock().await;
        self.inner.lake.close().await;
        flushed
    }

    /// Waits until the records of the last run are read back.
    ///
    /// # Errors
    /// [`SnapshotError`] if that failed.
    pub async fn replayed(&self) -> Result<(), SnapshotError> {
        self.inner.replayed().await.map_err(SnapshotError::Replay)
    }
}

impl Inner {
    async fn replayed(&self) -> Result<(), String> {
        let mut replay = self.replay.subscribe();
        let state = replay.wait_for(|state| *state != ReplayState::Running).await;
        match state.as_deref() {
            Ok(ReplayState::Done) => Ok(()),
            Ok(ReplayState::Failed(cause)) => Err(cause.clone()),
            _ => Err("the engine was closed".to_owned()),
        }
    }

    fn replay_is_done(&self) -> bool {
        *self.replay.borrow() == ReplayState::Done
    }

    fn check_accepting(&self) -> Result<(), WriteError> {
        if *self.closing.borrow() {
            return Err(WriteError::Closed);
        }
        if let Some(fault) = &self.shared.lock().fault {
            return Err(WriteError::Poisoned { cause: fault.clone() });
        }
        match &*self.replay.borrow() {
            ReplayState::Failed(cause) => Err(WriteError::Poisoned { cause: cause.clone() }),
            _ => Ok(()),
        }
    }

    /// Takes buckets whose drop is durable out of the catalog. What fails is tried again with the next flush; until
    /// then the records of the drops are kept.
    async fn commit_drops(&self) -> Result<(), LakeError> {
        let drops = self.shared.lock().uncommitted_drops.clone();
        for (sequence, bucket) in drops {
            commit_faults::repeatable(&*self.options.commit_faults, self.lake.drop_bucket(bucket)).await?;
            self.shared.lock().uncommitted_drops.remove(&sequence);
        }
        Ok(())
    }
}

/// What the WAL's thread does with a record as soon as it is durable, before its writer is told.
fn apply_durable(
    options: &EngineOptions,
    shared: Arc<Shared>,
    flush_wanted: Arc<Notify>,
) -> Box<dyn FnMut(Sequence, Durable) + Send> {
    let clock = Arc::clone(&options.clock);
    let flush_table_bytes = options.flush_table_bytes;
    Box::new(move |sequence, durable| {
        let mut state = shared.lock();
        match durable {
            Durable::Rows(tables) => match state.apply(&shared.registry, sequence, tables, clock.now_ns()) {
                Ok(largest) if largest as u64 >= flush_table_bytes => flush_wanted.notify_one(),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, %sequence, "durable rows could not be applied");
                    state.fault = Some(format!("record {sequence} could not be applied: {error}"));
                }
            },
            Durable::Delete(bucket, filter) => {
                state.apply_delete(&shared.registry, Tombstone { sequence, bucket, filter });
            }
            Durable::BucketDrop(bucket) => state.drop_bucket(&shared.registry, sequence, bucket),
        }
    })
}

fn load_state(shared: &Shared, loaded: crate::lake::LakeState) {
    let mut state = shared.lock();
    let schemas = loaded.tables.into_iter().map(|(schema, flushed)| {
        state.tables.insert(schema.table, TableState { flushed, ..TableState::default() });
        schema
    });
    let schemas: Vec<_> = schemas.collect();
    shared.registry.commit(loaded.buckets, schemas);
    let mut files: HashMap<TableId, Vec<DataFile>> = HashMap::new();
    for file in loaded.files {
        files.entry(file.table).or_default().push(file);
    }
    for (table, files) in files {
        state.tables.entry(table).or_default().files = files.into();
    }
    let State { tables, deletes, .. } = &mut *state;
    for tombstone in loaded.tombstones {
        deletes.add(tables, &shared.registry, tombstone, (true, false));
    }
}

/// Refuses a local directory that has neither the oldest nor the newest file: then it is not theirs. Only some that are
/// missing are told by the queries that need them.
fn refuse_missing_files(store: &Store, files: &[DataFile], were_moved: bool) -> Result<(), OpenError> {
    let (Some(root), false) = (store.local_root(), were_moved) else { return Ok(()) };
    let ends = [files.first(), files.last()];
    match files.last() {
        Some(file) if !ends.into_iter().flatten().any(|file| root.join(&file.path).exists()) => {
            Err(OpenError::FilesMissing { path: file.path.clone(), directory: root.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Makes the data directory and takes its lock.
pub(crate) fn lock_directory(data_dir: &std::path::Path) -> Result<std::fs::File, OpenError> {
    let directory = |source| OpenError::Directory { path: data_dir.to_owned(), source };
    std::fs::create_dir_all(data_dir).map_err(directory)?;
    let lock = std::fs::File::create(data_dir.join("lock")).map_err(directory)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse(data_dir.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(directory(source)),
    }
}

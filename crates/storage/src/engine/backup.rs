//! A backup: everything that is acknowledged when it begins, in a copy of the catalog and the files that it names.
//!
//! The engine flushes, copies the catalog, and deletes none of its files until the [`Backup`] is dropped. Who takes it
//! reads the files through the store, wherever that is; nothing here decides where they go.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};

use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::ObjectStoreExt as _;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Engine, FlushFailure, Inner};
use crate::ids::FileId;
use crate::lake::{self, CommitError, FlushCommit, LakeError, NamedFile, SnapshotInfo};
use crate::store::Store;

/// The folder below the data directory for copies of the databases.
const FOLDER: &str = "backup";

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// One is being taken.
    #[error("another backup is being taken")]
    Busy,
    /// Not everything could be put into files.
    #[error(transparent)]
    Flush(#[from] FlushFailure),
    /// The catalog cannot be copied.
    #[error(transparent)]
    Catalog(#[from] LakeError),
    /// The catalog did not take the deletes of now.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// There is no room for the copy.
    #[error("cannot use the folder {} for the copies of the databases: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The files that a backup still needs; unset as long as they are not known, which means all.
type Pin = OnceLock<HashSet<FileId>>;

/// What backups hold.
#[derive(Debug)]
pub(super) struct Backups {
    running: Arc<Semaphore>,
    pins: Mutex<Vec<Weak<Pin>>>,
}

impl Default for Backups {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(1)), pins: Mutex::default() }
    }
}

impl Backups {
    fn pin(&self) -> Arc<Pin> {
        let pin = Arc::new(Pin::new());
        let mut pins = self.pins.lock();
        pins.retain(|pin| pin.strong_count() > 0);
        pins.push(Arc::downgrade(&pin));
        pin
    }

    /// Those of the files that a backup may still read.
    pub(super) fn pinned(&self, files: &HashSet<FileId>) -> HashSet<FileId> {
        let pins: Vec<Arc<Pin>> = self.pins.lock().iter().filter_map(Weak::upgrade).collect();
        let is_pinned = |file: &FileId| pins.iter().any(|pin| pin.get().is_none_or(|pinned| pinned.contains(file)));
        files.iter().copied().filter(is_pinned).collect()
    }
}

/// A backup under way. Its files stay until this is dropped, and no other backup begins.
#[derive(Debug)]
pub struct Backup {
    newest: SnapshotInfo,
    files: Vec<NamedFile>,
    folder: PathBuf,
    store: Store,
    _pin: Arc<Pin>,
    _permit: OwnedSemaphorePermit,
}

impl Backup {
    /// The newest snapshot in it.
    #[must_use]
    pub fn newest(&self) -> SnapshotInfo {
        self.newest
    }

    /// The files, by their paths relative to the root of the files.
    #[must_use]
    pub fn files(&self) -> &[NamedFile] {
        &self.files
    }

    /// The copy of the catalog.
    #[must_use]
    pub fn catalog_path(&self) -> PathBuf {
        self.folder.join("catalog.sqlite")
    }

    /// A folder for more copies, which goes with the backup.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// What the store reports, also within the stream.
    pub async fn read(
        &self,
        file: &NamedFile,
    ) -> object_store::Result<BoxStream<'static, object_store::Result<Bytes>>> {
        let object = self.store.object_store().get(&object_store::path::Path::from(file.path.as_str())).await?;
        Ok(object.into_stream())
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        // What stays is removed by the next backup.
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "copies for a backup could not be removed");
        }
    }
}

impl Engine {
    /// Begins a backup of everything that is acknowledged now. Waits until replay is done.
    ///
    /// # Errors
    /// [`BackupError`]; nothing is held then.
    pub async fn backup(&self) -> Result<Backup, BackupError> {
        let inner = &self.inner;
        let permit = Arc::clone(&inner.backups.running).try_acquire_owned().map_err(|_| BackupError::Busy)?;
        self.flush().await?;
        inner.commit_deletes().await?;
        let folder = inner.options.data_dir.join(FOLDER);
        let made = prepare(&folder);
        made.map_err(|source| BackupError::Folder { path: folder.clone(), source })?;
        let pin = inner.backups.pin();
        let target = folder.join("catalog.sqlite");
        let copy = if inner.options.catalog.is_some() {
            inner.lake.copy_into(&target).await?;
            lake::read_copy(&target).await?
        } else {
            lake::copy_catalog(&inner.options.data_dir.join("catalog.sqlite"), &target).await?
        };
        // Nothing else sets it.
        let _ = pin.set(copy.files.iter().map(|file| file.file).collect());
        let (newest, files, store) = (copy.newest, copy.files, inner.store.clone());
        Ok(Backup { newest, files, folder, store, _pin: pin, _permit: permit })
    }
}

impl Inner {
    /// Puts the deletes of now into the catalog, which a flush does only together with rows.
    async fn commit_deletes(&self) -> Result<(), CommitError> {
        let _no_flush = self.flush_lock.lock().await;
        let mut commit = FlushCommit::default();
        {
            let state = self.shared.lock();
            commit.watermark = state.watermark(&HashMap::new());
            (commit.deletes, commit.forgotten_deletes) = state.deletes.to_commit(commit.watermark);
        }
        if commit.deletes.is_empty() {
            return Ok(());
        }
        // A commit that is repeated changes nothing more, so one whose answer is lost needs no second look.
        self.lake.commit_flush(&commit).await?;
        let mut state = self.shared.lock();
        state.deletes.committed(&commit.deletes, &commit.forgotten_deletes);
        Ok(())
    }
}

/// An empty folder, for its owner only: password hashes come into it.
fn prepare(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::DirBuilder::new().mode(0o700).create(folder)
}

//! The doctor: a data directory that no server has open, looked at and put right.
//!
//! ```text
//! Doctor::open ── takes the directory's lock
//!   examine        catalog ↔ files ↔ log: a report, nothing is changed
//!   repair_*       one kind of damage each; what is taken out is kept in `<data-dir>/aside`
//!   rebuild_catalog   a new catalog from the footers of the files alone
//! ```
//!
//! A catalog in PostgreSQL is checked out: an SQLite file in the data directory takes its place until the doctor is
//! closed (`postgres.rs`). So everything below works on a file.
//!
//! Nothing here knows the resources' database beyond which buckets there are.

mod choose;
mod examine;
mod log;
mod postgres;
mod rebuild;
mod statistics;

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::log::{AsideReport, LostRecords, SegmentReport};
use self::postgres::CheckedOut;
pub use self::rebuild::{LostDelete, RebuildReport};
use crate::engine::{OpenError, lock_directory};
use crate::lake::{CommitError, LakeError};
use crate::scan::ScanError;
use crate::store::{OpenStoreError, Store};
use crate::wal::RecoveryError;

/// Where what is taken out goes, below the data directory.
const ASIDE: &str = "aside";

/// Why the doctor cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DoctorError {
    /// There is no such data directory.
    #[error("{} is no data directory: it has neither catalog.sqlite nor files", .0.display())]
    NoDataDirectory(PathBuf),
    /// The files are not in the data directory.
    #[error("the files lie in {0}: give --object-store")]
    Elsewhere(String),
    /// It cannot be opened, above all because a server has it open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The place of the files.
    #[error(transparent)]
    OpenStore(#[from] OpenStoreError),
    /// The catalog cannot be used.
    #[error(transparent)]
    Catalog(#[from] LakeError),
    /// The catalog did not take a change.
    #[error("the catalog was not changed: {0}")]
    Commit(#[from] CommitError),
    /// The log cannot be read at all.
    #[error(transparent)]
    Log(#[from] RecoveryError),
    /// A file cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// The store.
    #[error("cannot use the files: {0}")]
    Store(#[from] object_store::Error),
    /// A local file.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The records before a damaged place could not be put into files.
    #[error("what the log holds before the damaged place could not be put into files: {0}")]
    Flush(#[from] crate::engine::FlushFailure),
    /// The resources' database.
    #[error(transparent)]
    Resources(#[from] catalog::OpenError),
    /// A file belongs to a bucket that has no name in it.
    #[error("internal error: {0}")]
    Internal(String),
}

/// A file that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFinding {
    /// Its path relative to the root of the files.
    pub path: String,
    /// What is wrong with it.
    pub cause: String,
    /// Bucket and measurement, as far as the catalog knows them.
    pub table: Option<(String, String)>,
    /// The rows that the catalog counts in it.
    pub rows: u64,
}

/// What was found. It is well if all lists are empty and there is no catalog error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Why the catalog cannot be read; then nothing is known of the files.
    pub catalog_error: Option<String>,
    /// Live data files that were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Live data files that are not there.
    pub missing: Vec<FileFinding>,
    /// Live data files that are not what the catalog says, or cannot be read.
    pub damaged: Vec<FileFinding>,
    /// Files that only older snapshots or outside readers need and that are not there.
    pub missing_of_the_past: Vec<String>,
    /// Files that no row of the catalog names.
    pub orphaned: Vec<String>,
    /// The segments of the log that a start would read.
    pub segments: Vec<SegmentReport>,
}

impl Report {
    /// Whether a server starts over it and answers every query of now. Orphans do no harm.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let is_whole = |segment: &SegmentReport| segment.damage.is_none();
        self.catalog_error.is_none()
            && self.missing.is_empty()
            && self.damaged.is_empty()
            && self.segments.iter().all(is_whole)
    }
}

/// A data directory that is locked.
#[derive(Debug)]
pub struct Doctor {
    data_dir: PathBuf,
    store: Store,
    /// The store, if it is not the folder in the data directory.
    elsewhere: Option<Store>,
    lock: Option<File>,
    /// The catalog in PostgreSQL that the file stands for.
    postgres: Option<CheckedOut>,
}

impl Doctor {
    /// Takes the directory's lock. The files lie in `elsewhere`, or in the data directory.
    ///
    /// # Errors
    /// [`DoctorError::NoDataDirectory`]; [`DoctorError::Open`] if a server has it open.
    pub fn open(data_dir: &Path, elsewhere: Option<Store>) -> Result<Self, DoctorError> {
        if !data_dir.join("catalog.sqlite").exists() && !data_dir.join("files").exists() {
            return Err(DoctorError::NoDataDirectory(data_dir.to_owned()));
        }
        let (lock, store) = Self::take(data_dir, elsewhere.as_ref())?;
        Ok(Self { data_dir: data_dir.to_owned(), store, elsewhere, lock: Some(lock), postgres: None })
    }

    /// Takes the lock, and opens the place of the files.
    fn take(data_dir: &Path, elsewhere: Option<&Store>) -> Result<(File, Store), DoctorError> {
        let lock = lock_directory(data_dir)?;
        let store = match elsewhere {
            Some(store) => store.clone(),
            None => Store::local(&data_dir.join("files"))?,
        };
        Ok((lock, store))
    }

    fn catalog_path(&self) -> PathBuf {
        self.data_dir.join("catalog.sqlite")
    }

    fn files_root(&self) -> PathBuf {
        PathBuf::from(self.store.data_path())
    }

    /// The folder for what is taken out; made when it is needed.
    fn aside(&self) -> Result<PathBuf, DoctorError> {
        let folder = self.data_dir.join(ASIDE);
        std::fs::create_dir_all(&folder).map_err(file_error(&folder))?;
        Ok(folder)
    }
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> DoctorError {
    move |source| DoctorError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;

//! `--errors-file`: rows and lines that were refused, each below a comment that says why, so that they can be put right
//! and written again.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::WriteCommandError;

/// The file, if one is asked for, and how many rows were skipped.
pub(crate) struct Rejected {
    file: Option<(PathBuf, Mutex<File>)>,
    skipped: AtomicU64,
}

impl Rejected {
    pub(super) fn create(path: Option<&Path>) -> Result<Self, WriteCommandError> {
        let create = |path: &Path| match File::create(path) {
            Ok(file) => Ok((path.to_owned(), Mutex::new(file))),
            Err(source) => Err(WriteCommandError::Rejected { path: path.to_owned(), source }),
        };
        Ok(Self { file: path.map(create).transpose()?, skipped: AtomicU64::new(0) })
    }

    /// Whether what is refused is kept in a file.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// Rows that were skipped so far.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// A row is skipped.
    pub(super) fn skip(&self, origin: &str, line: u64, cause: &str, text: &str) -> Result<(), WriteCommandError> {
        self.skipped.fetch_add(1, Ordering::Relaxed);
        self.write(&format!("{origin}, line {line}: {cause}"), text)
    }

    /// Lines were refused.
    pub(super) fn write(&self, cause: &str, text: &str) -> Result<(), WriteCommandError> {
        let Some((path, file)) = &self.file else { return Ok(()) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writeln!(file, "# error: {}\n{}", cause.replace('\n', " "), text.trim_end_matches('\n'));
        written.map_err(|source| WriteCommandError::Rejected { path: path.clone(), source })
    }
}

//! How far an import is: a small JSON file, replaced as a whole after each batch that the server has stored.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("cannot use the state file {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the state file {} is damaged: {source}", path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("{file} has changed since the import began; remove the state file {} to begin anew", path.display())]
    Changed { path: PathBuf, file: String },
}

/// What is known of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// Its bytes, by which another file of the same name is told.
    size: u64,
    /// The last line or row that was dealt with; 0 at the beginning.
    through: u64,
    /// Lines that were refused up to there.
    refused: u64,
}

/// The line behind all others: the file is at its end.
pub(crate) const DONE: u64 = u64::MAX;

/// The state of one import. Without a path it is only kept in memory.
#[derive(Debug)]
pub(crate) struct State {
    path: Option<PathBuf>,
    files: BTreeMap<String, Progress>,
}

impl State {
    /// Takes up the state that is there, or begins.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, StateError> {
        let Some(path) = path else { return Ok(Self { path: None, files: BTreeMap::new() }) };
        let files = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StateError::Damaged { path: path.to_owned(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(StateError::File { path: path.to_owned(), source }),
        };
        Ok(Self { path: Some(path.to_owned()), files })
    }

    /// The line or row after which a file goes on, and how many were refused before.
    pub(crate) fn begin(&mut self, file: &str, size: u64) -> Result<(u64, u64), StateError> {
        let progress = self.files.entry(file.to_owned()).or_insert(Progress { size, ..Progress::default() });
        match &self.path {
            Some(path) if progress.size != size => {
                Err(StateError::Changed { path: path.clone(), file: file.to_owned() })
            }
            _ => Ok((progress.through, progress.refused)),
        }
    }

    /// Notes that everything up to a line or row is dealt with.
    pub(crate) fn reached(&mut self, file: &str, through: u64, refused: u64) -> Result<(), StateError> {
        if let Some(progress) = self.files.get_mut(file) {
            progress.through = progress.through.max(through);
            progress.refused = refused;
        }
        let Some(path) = &self.path else { return Ok(()) };
        let failed = |source| StateError::File { path: path.clone(), source };
        let bytes = serde_json::to_vec(&self.files).map_err(|error| failed(error.into()))?;
        let part = path.with_added_extension("part");
        std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path)).map_err(failed)
    }

    /// Removes the file: the import is at its end.
    pub(crate) fn finish(self) -> Result<(), StateError> {
        match self.path {
            Some(path) => std::fs::remove_file(&path).or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(StateError::File { path, source: error }),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_state_is_taken_up_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut state = State::open(Some(&path)).unwrap();
        assert_eq!(state.begin("a", 10).unwrap(), (0, 0));
        state.reached("a", 7, 2).unwrap();
        let mut state = State::open(Some(&path)).unwrap();
        assert_eq!(state.begin("a", 10).unwrap(), (7, 2));
        assert_eq!(state.begin("b", 10).unwrap(), (0, 0));
        assert!(matches!(state.begin("a", 11), Err(StateError::Changed { .. })));
        state.finish().unwrap();
        assert!(!path.exists());
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(State::open(Some(&path)), Err(StateError::Damaged { .. })));
        let mut state = State::open(None).unwrap();
        assert_eq!(state.begin("-", 0).unwrap(), (0, 0));
        state.reached("-", 3, 0).unwrap();
        state.finish().unwrap();
    }
}

//! Which objects may lie in a store without a row of the catalog that names them: a list on the local disk, so that
//! nothing ever has to list the store.
//!
//! A name is written into the list, and synced, before the first byte of its object is sent. It is settled when the
//! catalog names the object, or when the object was deleted. What a process leaves behind unsettled, by a crash or
//! because a commit failed, is looked up in the catalog later, and deleted if it is not there. The list decides nothing
//! about data: lose it, and objects stay that nobody needs.
//!
//! The file is text, one name a line; a line that is cut off by a crash names an object that was never begun.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits;

/// The first line of the file.
const HEADER: &str = "freshet objects under way 1";

/// The list.
#[derive(Debug)]
pub(super) struct UploadList {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    lines: usize,
    names: HashMap<String, Phase>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// It is being written, or waits for its commit.
    UnderWay,
    /// Since then nobody is going to name it, as far as this process knows.
    Left(Instant),
}

impl UploadList {
    /// Opens the list, and makes it if it does not exist. What stands in it was left by earlier runs.
    ///
    /// # Errors
    /// If it cannot be read or written, or a newer version wrote it.
    pub(super) fn open(path: &FilePath) -> std::io::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        match lines.next() {
            None | Some(HEADER) => {}
            Some(_) => {
                return Err(std::io::Error::other("the list of objects under way was written by a newer Freshet"));
            }
        }
        let now = Instant::now();
        let names: HashMap<String, Phase> = lines.map(|name| (name.to_owned(), Phase::Left(now))).collect();
        let file = write_anew(path, names.keys())?;
        Ok(Self { path: path.to_owned(), state: Mutex::new(State { file, lines: names.len(), names }) })
    }

    /// Notes, durably, that an object of this name is going to be written.
    ///
    /// # Errors
    /// If it cannot be noted; then the object must not be written.
    pub(super) fn begin(&self, name: &str) -> std::io::Result<()> {
        let mut state = self.state.lock();
        if state.lines >= limits::UPLOAD_LIST_LINES.max(2 * state.names.len()) {
            self.rewrite(&mut state)?;
        }
        // A write that fails in the middle must not run into the next line; the next one makes the file anew.
        let written = state.file.write_all(format!("{name}\n").as_bytes()).and_then(|()| state.file.sync_data());
        if let Err(error) = written {
            state.lines = usize::MAX;
            return Err(error);
        }
        state.lines = state.lines.saturating_add(1);
        state.names.insert(name.to_owned(), Phase::UnderWay);
        Ok(())
    }

    /// Forgets objects that the catalog names now, or that are gone.
    pub(super) fn settle<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let mut state = self.state.lock();
        for name in names {
            state.names.remove(name);
        }
        if state.names.is_empty()
            && state.lines > 0
            && let Err(error) = self.rewrite(&mut state)
        {
            // Its names are looked up in vain by the next start.
            tracing::warn!(%error, "the list of objects under way could not be emptied");
        }
    }

    /// Notes that nobody in this process is going to name these objects.
    pub(super) fn leave<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let now = Instant::now();
        let mut state = self.state.lock();
        for name in names {
            if let Some(phase) = state.names.get_mut(name) {
                *phase = Phase::Left(now);
            }
        }
    }

    /// The objects that were left at least `age` ago.
    pub(super) fn left(&self, age: Duration) -> Vec<String> {
        let state = self.state.lock();
        let left = state.names.iter().filter(|(_, phase)| matches!(phase, Phase::Left(at) if at.elapsed() >= age));
        left.map(|(name, _)| name.clone()).collect()
    }

    fn rewrite(&self, state: &mut State) -> std::io::Result<()> {
        state.file = write_anew(&self.path, state.names.keys())?;
        state.lines = state.names.len();
        Ok(())
    }
}

/// Writes the file beside its place, and puts it there when it is durable.
fn write_anew<'a>(path: &FilePath, names: impl Iterator<Item = &'a String>) -> std::io::Result<File> {
    let mut text = format!("{HEADER}\n");
    for name in names {
        text += name;
        text.push('\n');
    }
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    if let Some(directory) = path.parent() {
        File::open(directory)?.sync_all()?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn left(list: &UploadList) -> Vec<String> {
        let mut names = list.left(Duration::ZERO);
        names.sort();
        names
    }

    #[test]
    fn what_is_not_settled_is_known_to_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("uploads");
        let list = UploadList::open(&path).unwrap();
        for name in ["a", "b", "c", "d"] {
            list.begin(name).unwrap();
        }
        assert!(left(&list).is_empty(), "what is under way is nobody's orphan");
        list.leave(["b", "never begun"].into_iter());
        assert_eq!(left(&list), ["b"]);
        assert!(list.left(Duration::from_secs(60)).is_empty());
        list.settle(["a", "b"].into_iter());
        drop(list);
        // A line without an end was being written when the process died.
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"tor").unwrap();
        let list = UploadList::open(&path).unwrap();
        // "a" and "b" stand in the file still; that they are named, or gone, is found when they are looked up.
        assert_eq!(left(&list), ["a", "b", "c", "d"]);
        list.settle(["a", "b", "c", "d"].into_iter());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{HEADER}\n"));
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("uploads");
        let list = UploadList::open(&path).unwrap();
        list.begin("kept").unwrap();
        for number in 0..3 * limits::UPLOAD_LIST_LINES {
            let name = number.to_string();
            // Not through `begin`, whose syncs take their time.
            list.state.lock().lines += 1;
            if number % 1000 == 0 {
                list.begin(&name).unwrap();
                list.settle([name.as_str()].into_iter());
            }
        }
        assert!(list.state.lock().lines <= limits::UPLOAD_LIST_LINES + 1000);
        assert_eq!(left(&UploadList::open(&path).unwrap()).iter().filter(|name| *name == "kept").count(), 1);
    }

    #[test]
    fn a_newer_list_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("uploads");
        std::fs::write(&path, "freshet objects under way 2\nx\n").unwrap();
        assert!(UploadList::open(&path).unwrap_err().to_string().contains("newer"));
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("x\n"));
    }
}

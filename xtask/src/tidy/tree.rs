//! The files that the checks look at: what git tracks or would track, with their text.
//!
//! Tests make a tree of samples instead; no check touches the disk itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use super::rust_source::RustSource;
use crate::command;
use crate::error::TaskError;

/// Endings of the files whose text is read; all others are known by path only.
const TEXT_ENDINGS: [&str; 10] = [".rs", ".toml", ".md", ".py", ".js", ".cjs", ".mjs", ".sh", ".txt", ".jsonl"];

/// The files of the checkout, by their path with `/`.
pub(super) struct Tree {
    /// All files, and all folders that hold one (with a slash at the end).
    paths: BTreeSet<String>,
    texts: BTreeMap<String, String>,
    rust: BTreeMap<String, RustSource>,
}

impl Tree {
    /// Reads the checkout. Ignored files are left out, so that a build in it changes nothing.
    pub(super) fn read(root: &Path) -> Result<Self, TaskError> {
        let listed = command::output(Command::new("git").current_dir(root).args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]))?;
        let mut files = BTreeMap::new();
        // A file deleted but not yet committed is listed too.
        for path in listed.split('\0').filter(|path| !path.is_empty() && root.join(path).is_file()) {
            let text = if TEXT_ENDINGS.iter().any(|ending| path.ends_with(ending)) {
                let full_path = root.join(path);
                let bytes = fs::read(&full_path).map_err(TaskError::at(full_path))?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            } else {
                None
            };
            files.insert(path.to_owned(), text);
        }
        Ok(Self::new(files))
    }

    /// A tree of samples.
    #[cfg(test)]
    pub(super) fn of(samples: &[(&str, &str)]) -> Self {
        Self::new(samples.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned()))).collect())
    }

    fn new(files: BTreeMap<String, Option<String>>) -> Self {
        let mut paths = BTreeSet::new();
        for path in files.keys() {
            let folders = path.match_indices('/').map(|(slash, _)| path[..=slash].to_owned());
            paths.extend(folders);
            paths.insert(path.clone());
        }
        let texts: BTreeMap<_, _> = files.into_iter().filter_map(|(path, text)| Some((path, text?))).collect();
        let mut rust: BTreeMap<_, _> = texts
            .iter()
            .filter(|(path, _)| path.ends_with(".rs"))
            .map(|(path, text)| (path.clone(), RustSource::new(path, text)))
            .collect();
        let test_modules: Vec<String> = rust.values().flat_map(RustSource::test_module_files).collect();
        for path in test_modules {
            if let Some(source) = rust.get_mut(&path) {
                source.mark_as_test();
            }
        }
        Self { paths, texts, rust }
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether a file or a folder of this path exists.
    pub(super) fn contains(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.paths.contains(path) || self.paths.contains(&format!("{path}/"))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// All files with text: path and text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// All Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &RustSource> {
        self.rust.values()
    }

    /// The folders that hold a crate's `Cargo.toml` (not the root's), without a slash at the end.
    pub(super) fn crate_folders(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().filter_map(|path| path.strip_suffix("/Cargo.toml")).filter(|folder| *folder != "fuzz")
    }
}

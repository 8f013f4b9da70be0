//! Where the checkout and its build folder stand.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command;
use crate::error::TaskError;

/// The checkout that the task works on.
pub(crate) struct Workspace {
    /// The folder of the root `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's build folder, which several checkouts may share.
    pub(crate) target_dir: PathBuf,
}

impl Workspace {
    /// Asks cargo, because `CARGO_TARGET_DIR` and cargo's configuration both decide.
    pub(crate) fn find() -> Result<Self, TaskError> {
        let answer =
            command::output(command::cargo().args(["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
        let unexpected = |detail: String| TaskError::UnexpectedAnswer { command: "cargo metadata".to_owned(), detail };
        let metadata: serde_json::Value =
            serde_json::from_str(&answer).map_err(|error| unexpected(error.to_string()))?;
        let path = |key: &str| {
            metadata[key].as_str().map(PathBuf::from).ok_or_else(|| unexpected(format!("the answer has no `{key}`")))
        };
        Ok(Self { root: path("workspace_root")?, target_dir: path("target_directory")? })
    }

    /// The text of a file of the checkout.
    pub(crate) fn read(&self, path: &str) -> Result<String, TaskError> {
        let path = self.root.join(path);
        fs::read_to_string(&path).map_err(TaskError::at(path))
    }

    /// Where tools for tests and benchmarks are installed: shared by all checkouts that share the build folder.
    pub(crate) fn tools_dir(&self) -> Result<PathBuf, TaskError> {
        let tools_dir = self.target_dir.join("tools");
        create_folder(&tools_dir)?;
        Ok(tools_dir)
    }
}

/// Creates a folder and those above it.
pub(crate) fn create_folder(path: &Path) -> Result<(), TaskError> {
    fs::create_dir_all(path).map_err(TaskError::at(path))
}

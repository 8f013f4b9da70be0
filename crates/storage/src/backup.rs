//! What stands in the manifest of a backup: which files belong to it, and how each is known again.
//!
//! A backup is a directory with `manifest.json`, a folder for the copies of the databases, and `files/` as the data
//! directory has it. Plain values; no I/O here.

use serde::{Deserialize, Serialize};

/// The version of the manifest that this code writes, and the newest that it reads.
pub const MANIFEST_VERSION: u32 = 1;

/// The file's name, and that of the last entry of a backup on its way.
pub const MANIFEST: &str = "manifest.json";

/// The folder of the data files, in a backup as in a data directory.
pub const FILES: &str = "files/";

/// The list of all that a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// When it was begun: RFC 3339.
    pub created: String,
    /// The version of the server that it comes from.
    pub server: String,
    /// The newest snapshot in it.
    pub snapshot_id: i64,
    /// The copy of the lake's catalog: one of the files.
    pub catalog: String,
    /// The copy of the resources: one of the files.
    pub resources: String,
    /// Everything, by path relative to the backup's directory.
    pub files: Vec<ManifestFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// The path relative to the backup's directory, with `/` between its parts.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of its bytes in hexadecimal digits; missing on its way where the receiver said that it has the file.
    pub sha256: Option<String>,
}

/// What a receiver has already: `files` of earlier backups, by path, with their sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// Paths and sizes.
    #[serde(default)]
    pub have: Vec<(String, u64)>,
}

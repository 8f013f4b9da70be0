//! `freshet backup` and `freshet restore`: a server's data into a directory, and from there into a data directory.
//!
//! ```text
//! POST /api/freshet/v1/backup ── archive (tar, its parts checked) ── DIR/files/… DIR/databases-…/… DIR/manifest.json
//! DIR ── every checksum of the manifest ── a data directory that did not exist or was empty
//! ```
//!
//! A backup is valid as soon as its manifest has its name, and the one before stays valid until then: files are
//! immutable, databases have a folder of their own, and what only the older one needs goes afterwards.

mod archive;
mod directory;
mod restore;

use std::path::PathBuf;

use freshet_client::RequestError;
use futures::TryStreamExt as _;
use tokio_util::io::StreamReader;

use self::archive::{Archive, ArchiveError};
use self::directory::{BackupDirectory, DirectoryError};
pub(crate) use self::restore::{RestoreError, restore};
use crate::connection::{self, ConnectionError};
use crate::options::BackupOptions;
use crate::progress;

/// Why there is no new backup; the one before is as good as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupCommandError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("the archive ended before its manifest: {} files are kept for the next try", .0)]
    NoManifest(usize),
}

/// Takes a backup; prints what it holds.
pub(crate) async fn run(options: BackupOptions) -> Result<(), BackupCommandError> {
    let client = connection::client(&options.connection, |builder| builder.gzip(false))?;
    let mut directory = BackupDirectory::open(PathBuf::from(&options.directory), options.verify)?;
    let pieces = client.backup(&directory.have()).await?;
    let progress = progress::bytes(None, options.quiet);
    let counted = progress.clone();
    let bytes = pieces.inspect_ok(move |piece| counted.inc(piece.len() as u64)).map_err(std::io::Error::other);
    let mut archive = Archive::new(StreamReader::new(bytes));
    let manifest = loop {
        match archive.next_file().await? {
            None => return Err(BackupCommandError::NoManifest(directory.received())),
            Some(file) if file.path == storage::backup::MANIFEST => break archive.read_small(&file).await?,
            Some(file) => {
                let mut target = directory.begin(&file.path)?;
                archive.read_into(&file, |bytes| target.write(bytes)).await?;
                directory.finish(target, file)?;
            }
        }
    };
    let report = directory.complete(&manifest)?;
    progress.finish_and_clear();
    let text = format!(
        "snapshot {} of {}: {} files of {} bytes, {} bytes received, {} files removed",
        report.manifest.snapshot_id,
        report.manifest.created,
        report.manifest.files.len(),
        report.manifest.files.iter().map(|file| file.size).sum::<u64>(),
        report.received_bytes,
        report.removed
    );
    crate::print_line(&text).map_err(|source| DirectoryError::Output(source).into())
}

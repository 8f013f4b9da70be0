//! From the directory of a backup to a data directory that a server can be started over.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use object_store::buffered::BufWriter;
use sha2::{Digest as _, Sha256};
use storage::backup::{FILES, Manifest, ManifestFile};
use storage::store::{OpenStoreError, Store};
use tokio::io::AsyncWriteExt as _;

use super::directory::{DirectoryError, file_error, hexadecimal, read_manifest};
use crate::options::RestoreOptions;
use crate::progress;

/// Bytes that are copied at once.
const PIECE_BYTES: usize = 1 << 20;

/// Why there is no restored data directory; what was begun is removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("{} holds no whole backup: it has no manifest.json", .0.display())]
    NoManifest(PathBuf),
    #[error("{} is not empty: give a directory that does not exist yet", .0.display())]
    NotEmpty(PathBuf),
    #[error("{path} is damaged: its checksum is not that of the manifest")]
    Checksum { path: String },
    #[error(transparent)]
    OpenStore(#[from] OpenStoreError),
    #[error("cannot store {path}: {source}")]
    Store { path: String, source: std::io::Error },
}

/// Restores a backup, and checks every file of it on the way.
pub(crate) async fn restore(options: RestoreOptions) -> Result<(), RestoreError> {
    let root = options.directory;
    let manifest = read_manifest(&root)?.ok_or_else(|| RestoreError::NoManifest(root.clone()))?;
    let target = options.data_dir;
    prepare(&target)?;
    let copied = copy_all(&root, &target, &manifest, options.quiet).await;
    if copied.is_err() {
        // It was empty before. What cannot be removed makes the next try refuse it, which is as it should be.
        let _ = fs::remove_dir_all(&target);
    }
    copied?;
    let bytes = manifest.files.iter().map(|file| file.size).sum::<u64>();
    let (snapshot, created, count) = (manifest.snapshot_id, &manifest.created, manifest.files.len());
    let text = format!("snapshot {snapshot} of {created}: {count} files of {bytes} bytes restored");
    crate::print_line(&text).map_err(|source| DirectoryError::Output(source).into())
}

/// Makes the directory, or takes one that is there and empty.
fn prepare(target: &Path) -> Result<(), RestoreError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(target);
    made.map_err(file_error(target))?;
    let mut entries = fs::read_dir(target).map_err(file_error(target))?;
    if entries.next().is_some() { Err(RestoreError::NotEmpty(target.to_owned())) } else { Ok(()) }
}

/// The databases come last: without them a directory is none that a server takes for whole.
async fn copy_all(root: &Path, target: &Path, manifest: &Manifest, quiet: bool) -> Result<(), RestoreError> {
    let store = Store::local(&target.join("files"))?;
    let progress = progress::bytes(Some(manifest.files.iter().map(|file| file.size).sum()), quiet);
    for file in &manifest.files {
        if let Some(path) = file.path.strip_prefix(FILES) {
            copy_data_file(root, &store, file, path).await?;
            progress.inc(file.size);
        }
    }
    for (path, name) in [(&manifest.catalog, "catalog.sqlite"), (&manifest.resources, "resources.sqlite")] {
        let missing = || DirectoryError::Damaged { path: path.clone(), cause: "the manifest does not list it" };
        let file = manifest.files.iter().find(|file| file.path == *path).ok_or_else(missing)?;
        copy_database(root, file, &target.join(name))?;
        progress.inc(file.size);
    }
    let synced = fs::File::open(target).and_then(|folder| folder.sync_all());
    synced.map_err(file_error(target))?;
    progress.finish_and_clear();
    Ok(())
}

/// Reads a file of the backup to its end, and compares its checksum.
fn read_checked(
    root: &Path,
    file: &ManifestFile,
    mut take: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), RestoreError> {
    let path = root.join(&file.path);
    let mut source = fs::File::open(&path).map_err(file_error(&path))?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        let count = source.read(&mut buffer).map_err(file_error(&path))?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        digest.update(piece);
        take(piece).map_err(file_error(&path))?;
    }
    if Some(hexadecimal(digest)) == file.sha256 {
        Ok(())
    } else {
        Err(RestoreError::Checksum { path: file.path.clone() })
    }
}

async fn copy_data_file(root: &Path, store: &Store, file: &ManifestFile, path: &str) -> Result<(), RestoreError> {
    let failed = |source| RestoreError::Store { path: path.to_owned(), source };
    let local = root.join(&file.path);
    let mut source = tokio::fs::File::open(&local).await.map_err(file_error(&local))?;
    let place = object_store::path::Path::from(path);
    let mut upload = BufWriter::new(std::sync::Arc::clone(store.object_store()), place);
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; PIECE_BYTES]);
    loop {
        let count = tokio::io::AsyncReadExt::read(&mut source, &mut buffer).await.map_err(file_error(&local))?;
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            break;
        }
        digest.update(piece);
        upload.write_all(piece).await.map_err(failed)?;
    }
    if Some(hexadecimal(digest)) != file.sha256 {
        upload.abort().await.map_err(|error| failed(error.into()))?;
        return Err(RestoreError::Checksum { path: file.path.clone() });
    }
    upload.shutdown().await.map_err(failed)
}

fn copy_database(root: &Path, file: &ManifestFile, target: &Path) -> Result<(), RestoreError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(target);
    let mut copy = made.map_err(file_error(target))?;
    read_checked(root, file, |piece| copy.write_all(piece))?;
    Ok(copy.sync_all().map_err(file_error(target))?)
}

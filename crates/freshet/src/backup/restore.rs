//! From the directory of a backup to a data directory that a server can be started over.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::SystemClock;
use catalog::database::{Location, LocationError, PostgresDatabase};
use futures::StreamExt as _;
use object_store::buffered::BufWriter;
use sha2::{Digest as _, Sha256};
use storage::backup::{FILES, Manifest, ManifestFile};
use storage::lake::{Lake, LakeError, restore_catalog};
use storage::store::{OpenStoreError, Store};
use tokio::io::AsyncWriteExt as _;

use super::directory::{DirectoryError, file_error, hexadecimal, read_manifest};
use crate::data_directory::{self, DataDirectoryError};
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
    #[error("{0} holds objects already: name a place that is empty")]
    StoreNotEmpty(String),
    #[error("the files cannot be listed: {0}")]
    List(#[source] object_store::Error),
    #[error(transparent)]
    OpenStore(#[from] OpenStoreError),
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    #[error(transparent)]
    Lake(#[from] LakeError),
    #[error(transparent)]
    Resources(#[from] catalog::OpenError),
    #[error("cannot store {path}: {source}")]
    Store { path: String, source: std::io::Error },
}

/// Restores a backup, and checks every file of it on the way.
pub(crate) async fn restore(options: RestoreOptions) -> Result<(), RestoreError> {
    let root = &options.directory;
    let manifest = read_manifest(root)?.ok_or_else(|| RestoreError::NoManifest(root.clone()))?;
    let database = options.catalog.as_deref().map(PostgresDatabase::parse).transpose()?;
    let target = &options.data_dir;
    prepare(target)?;
    let copied = copy_all(&options, database.as_ref(), &manifest).await;
    if copied.is_err() {
        // It was empty before. What cannot be removed makes the next try refuse it, which is as it should be.
        let _ = fs::remove_dir_all(target);
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
async fn copy_all(
    options: &RestoreOptions,
    database: Option<&PostgresDatabase>,
    manifest: &Manifest,
) -> Result<(), RestoreError> {
    let (root, target) = (&options.directory, &options.data_dir);
    let store = match &options.object_store {
        Some(address) => address.open()?,
        None => Store::local(&target.join("files"))?,
    };
    // Files of another catalog are not to be mixed with these.
    if let Some(found) = store.object_store().list(None).next().await {
        found.map_err(RestoreError::List)?;
        return Err(RestoreError::StoreNotEmpty(store.data_path().to_owned()));
    }
    let progress = progress::bytes(Some(manifest.files.iter().map(|file| file.size).sum()), options.quiet);
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
    place_databases(target, &store, database).await?;
    let synced = fs::File::open(target).and_then(|folder| folder.sync_all());
    synced.map_err(file_error(target))?;
    progress.finish_and_clear();
    Ok(())
}

/// Brings the databases where they are to be, and writes into the catalog where the files are now.
async fn place_databases(
    target: &Path,
    store: &Store,
    database: Option<&PostgresDatabase>,
) -> Result<(), RestoreError> {
    let (lake_file, resources_file) = (target.join("catalog.sqlite"), target.join("resources.sqlite"));
    let location = match database {
        None => Location::Sqlite(lake_file),
        Some(database) => {
            let id = data_directory::identify_new(target)?;
            restore_catalog(&lake_file, &database.lake(&id), Arc::new(SystemClock)).await?;
            catalog::restore(&resources_file, &database.resources(&id)).await?;
            for file in [&lake_file, &resources_file] {
                fs::remove_file(file).map_err(file_error(file))?;
            }
            Location::Postgres(database.lake(&id))
        }
    };
    let (lake, _) = Lake::open(&location, Path::new(store.data_path()), Arc::new(SystemClock), false).await?;
    let placed = lake.place_files(store.data_path(), true).await;
    lake.close().await;
    Ok(placed?)
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

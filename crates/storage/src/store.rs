//! Where Parquet files lie: an object store, which on local disk is made durable by [`DurableLocalStore`], and in a
//! cloud is asked again within bounds ([`retry`]).
//!
//! Whatever a [`Store`] says is written survives a crash of the machine. This module knows paths and bytes, never
//! what is in the files, and never decides when one may be deleted. It never lists a cloud's store: what may lie there
//! without a name in the catalog stands in a list on the local disk (`uploads`).

pub mod address;
pub mod faults;
pub mod retry;
mod uploads;

use std::collections::HashSet;
use std::fs::File;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use parking_lot::Mutex;

pub use self::address::{AddressError, Cloud, StoreAddress};
use self::retry::{CloudStore, RetryPolicy, RetryingStore, StoreHealth};
use self::uploads::UploadList;
use crate::limits;

/// How many directories are remembered as durable. One is about 100 bytes; a table has one, so this covers every
/// table that a server can serve from memory, and when it is full it is only forgotten, at the price of some syncs.
const REMEMBERED_DIRECTORIES: usize = 100_000;

/// The object store that holds the data files.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<dyn ObjectStore>,
    /// Where the files lie, if that is a local disk.
    local_root: Option<Arc<FilePath>>,
    /// What the catalog's paths are relative to, with a slash at its end.
    data_path: Arc<str>,
    /// Whether a cloud's store answers; none for a local one.
    health: Option<Arc<StoreHealth>>,
    uploads: Option<Arc<UploadList>>,
}

/// A file on the local disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// The path relative to the root, as the catalog names files.
    pub path: String,
    /// The time of the last change in nanoseconds since the epoch.
    pub changed_ns: i64,
}

/// Why a local store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStoreError {
    /// The directory cannot be made or synced.
    #[error("cannot prepare the data directory {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The object store refuses it.
    #[error(transparent)]
    Store(#[from] object_store::Error),
    /// The catalog names this directory for other programs.
    #[error("the path of the data directory is not valid UTF-8: {}", .0.display())]
    Path(PathBuf),
    /// The list of objects under way cannot be read or written.
    #[error("cannot use {}: {source}", path.display())]
    Uploads {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Notes that an upload was left in the middle, should its future be dropped.
struct UnderWay<'a> {
    uploads: &'a UploadList,
    path: &'a str,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.uploads.leave(std::iter::once(self.path));
    }
}

impl Store {
    /// A store over `inner`, which must be durable when it says that an object is written.
    #[must_use]
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, local_root: None, data_path: "memory:///".into(), health: None, uploads: None }
    }

    /// A store in a cloud, whose files are at `data_path` for other programs. Operations are tried again by `policy`.
    #[must_use]
    pub fn remote<T: CloudStore>(store: Arc<T>, data_path: &str, policy: RetryPolicy) -> Self {
        let health = Arc::new(StoreHealth::default());
        let inner = Arc::new(RetryingStore::new(store, policy, Arc::clone(&health)));
        Self { inner, local_root: None, data_path: data_path.into(), health: Some(health), uploads: None }
    }

    /// A durable store below the directory `path`, which is made if it does not exist.
    ///
    /// # Errors
    /// If the directory cannot be made or synced.
    pub fn local(path: &FilePath) -> std::result::Result<Self, OpenStoreError> {
        let store = DurableLocalStore::open(path)?;
        let root = Arc::clone(&store.root);
        // Not the canonical path: a link may lead elsewhere tomorrow.
        let named = std::path::absolute(path).map_err(|_| OpenStoreError::Path(path.to_owned()))?;
        let named = named.to_str().ok_or_else(|| OpenStoreError::Path(path.to_owned()))?;
        let data_path = format!("{}/", named.trim_end_matches('/')).into();
        Ok(Self { inner: Arc::new(store), local_root: Some(root), data_path, health: None, uploads: None })
    }

    /// The same store; what is written into a cloud's store is noted in the list at `path` until it is settled.
    ///
    /// # Errors
    /// If the list cannot be used.
    pub fn with_upload_list(self, path: &FilePath) -> std::result::Result<Self, OpenStoreError> {
        if self.local_root.is_some() {
            return Ok(self);
        }
        let list = UploadList::open(path);
        let list = list.map_err(|source| OpenStoreError::Uploads { path: path.to_owned(), source })?;
        Ok(Self { uploads: Some(Arc::new(list)), ..self })
    }

    /// Where other programs find the files: an absolute directory or the URL of a prefix, with a slash at its end.
    #[must_use]
    pub fn data_path(&self) -> &str {
        &self.data_path
    }

    /// Whether the store answers; `None` for a local one, whose errors are those of the operations.
    #[must_use]
    pub fn health(&self) -> Option<&Arc<StoreHealth>> {
        self.health.as_ref()
    }

    /// Where the files lie, if that is a local disk.
    #[must_use]
    pub fn local_root(&self) -> Option<&FilePath> {
        self.local_root.as_deref()
    }

    /// Tables that a flush should write at the same time.
    #[must_use]
    pub fn flush_concurrency(&self) -> usize {
        if self.local_root.is_some() { limits::FLUSH_CONCURRENCY } else { limits::STORE_FLUSH_CONCURRENCY }
    }

    /// Runs `write`, which stores an object under a name that no other ever has. The name is noted before, and stays
    /// noted until [`Self::named`] or [`Self::delete_unnamed`] settles it. `write` says whether there is an object.
    ///
    /// # Errors
    /// What `write` reports, or that the name could not be noted.
    pub(crate) async fn write_new(&self, path: &Path, write: impl Future<Output = Result<bool>>) -> Result<bool> {
        let Some(uploads) = &self.uploads else { return write.await };
        let (list, name) = (Arc::clone(uploads), path.to_string());
        let begun = tokio::task::spawn_blocking(move || list.begin(&name)).await;
        begun.map_err(std::io::Error::other).flatten().map_err(|source| object_store::Error::Generic {
            store: "list of objects under way",
            source: Box::new(source),
        })?;
        let under_way = UnderWay { uploads, path: path.as_ref() };
        let written = write.await;
        if matches!(written, Ok(true)) {
            std::mem::forget(under_way);
        }
        written
    }

    /// Notes that nobody in this process is going to name these files; whether the catalog does is looked up later.
    pub(crate) fn leave<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        if let Some(uploads) = &self.uploads {
            uploads.leave(paths);
        }
    }

    /// Asks a cloud's store for the end of a file, or for one that cannot be there if there is no file: whether it
    /// answers stands in [`Self::health`] afterwards.
    pub(crate) async fn probe(&self, file: Option<(&str, u64)>) {
        let Some(health) = &self.health else { return };
        let (name, range) = match file {
            Some((path, size_bytes)) => (path, size_bytes.saturating_sub(8)..size_bytes),
            None => ("probe", 0..1),
        };
        match (self.inner.get_range(&Path::from(name), range).await, file) {
            (Err(object_store::Error::NotFound { .. }), Some((path, _))) => {
                health.misses(format!("the object store has no {path}, which the catalog names"));
            }
            // Who may not list a bucket is not told what is not in it. A wrong key has another code.
            (Err(object_store::Error::PermissionDenied { source, .. }), None)
                if source.to_string().contains("AccessDenied") =>
            {
                health.succeeded();
            }
            _ => {}
        }
    }

    /// Notes that the catalog names these files.
    pub(crate) fn named<'a>(&self, paths: impl Iterator<Item = &'a str>) {
        if let Some(uploads) = &self.uploads {
            uploads.settle(paths);
        }
    }

    /// Objects that were left without a name at least `age` ago. They may have got one all the same.
    pub(crate) fn left(&self, age: std::time::Duration) -> Vec<String> {
        self.uploads.as_ref().map_or_else(Vec::new, |uploads| uploads.left(age))
    }

    /// Deletes files; those that are gone already are no failure. Returns which are gone.
    pub(crate) async fn delete_all(&self, paths: Vec<String>) -> HashSet<String> {
        use futures::StreamExt as _;
        if self.local_root.is_none() {
            let requests: Vec<Result<Path>> = paths.iter().map(|path| Ok(Path::from(path.as_str()))).collect();
            let mut answers = self.inner.delete_stream(futures::stream::iter(requests).boxed());
            let mut gone = HashSet::with_capacity(paths.len());
            while let Some(answer) = answers.next().await {
                match answer {
                    Ok(path) => drop(gone.insert(path.into())),
                    Err(error) => tracing::warn!(%error, "a file could not be deleted; it is tried again"),
                }
            }
            return gone;
        }
        let mut gone = HashSet::with_capacity(paths.len());
        for path in paths {
            match self.delete(&path).await {
                Ok(()) => drop(gone.insert(path)),
                Err(error) => tracing::warn!(%error, path, "a file could not be deleted; it is tried again"),
            }
        }
        gone
    }

    /// Deletes files that no catalog names, as far as the store lets us; what stays is found as an orphan later. In a
    /// cloud's store a request that seemed to fail may still arrive, so nothing is deleted before
    /// [`limits::UNNAMED_OBJECT_AGE`].
    pub async fn delete_unnamed(&self, paths: impl Iterator<Item = &str>) {
        if let Some(uploads) = &self.uploads {
            return uploads.leave(paths);
        }
        for path in paths {
            if let Err(error) = self.inner.delete(&Path::from(path)).await {
                tracing::warn!(%error, path, "a file that no catalog names could not be deleted");
            }
        }
    }

    /// Deletes a file; one that is gone already is no failure.
    ///
    /// # Errors
    /// If the store refuses; the file may be there or not.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.inner.delete(&Path::from(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All files that lie on the local disk, those of uploads that were never completed too. `None` for a remote store,
    /// where listing costs money and time, and what is not complete is not there.
    ///
    /// # Errors
    /// If a directory cannot be read.
    pub async fn list_local(&self) -> std::io::Result<Option<Vec<LocalFile>>> {
        let Some(root) = self.local_root.clone() else { return Ok(None) };
        let listing = tokio::task::spawn_blocking(move || list_files(&root));
        listing.await.map_err(std::io::Error::other).flatten().map(Some)
    }

    /// Deletes a file by what [`Self::list_local`] called it. Object stores do not show uploads under way, so they
    /// cannot delete them either.
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn delete_local(&self, file: &LocalFile) -> std::io::Result<()> {
        let Some(root) = &self.local_root else { return Ok(()) };
        match tokio::fs::remove_file(root.join(&file.path)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens a file for reading where it lies on the local disk; `None` for any other store.
    pub(crate) fn open_local(&self, path: &str) -> Option<std::io::Result<File>> {
        self.local_root.as_ref().map(|root| File::open(root.join(path)))
    }

    /// The object store itself.
    #[must_use]
    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.inner
    }
}

/// Files on local disk that are synced before a write is reported as done.
///
/// `object_store`'s own [`LocalFileSystem`] writes to a staging file and renames it, but never syncs. This wrapper
/// syncs the file after the rename, then the directory that names it, then each parent up to the root, unless that
/// parent's entry is known to be durable. Directories are never removed, so a remembered one stays true.
#[derive(Debug, Clone)]
pub struct DurableLocalStore {
    files: Arc<LocalFileSystem>,
    root: Arc<FilePath>,
    durable_directories: Arc<Mutex<HashSet<PathBuf>>>,
}

impl DurableLocalStore {
    /// Opens the store below `root`; makes the directory and syncs its parent if it is missing.
    ///
    /// # Errors
    /// If the directory cannot be made or synced.
    pub fn open(root: &FilePath) -> std::result::Result<Self, OpenStoreError> {
        let prepared = prepare_root(root);
        let root = prepared.map_err(|source| OpenStoreError::Directory { path: root.to_owned(), source })?;
        #[expect(clippy::disallowed_methods, reason = "this wrapper is the durable store that the ban points to")]
        let files = LocalFileSystem::new_with_prefix(&root)?;
        Ok(Self { files: Arc::new(files), root: root.into(), durable_directories: Arc::default() })
    }

    async fn sync(&self, location: &Path) -> Result<()> {
        let store = self.clone();
        let path = self.files.path_to_filesystem(location)?;
        let joined = tokio::task::spawn_blocking(move || store.sync_file_and_directories(&path)).await;
        joined.map_err(std::io::Error::other).flatten().map_err(sync_error)
    }

    /// Makes the file at `path` and every directory entry on the way to it durable.
    fn sync_file_and_directories(&self, path: &FilePath) -> std::io::Result<()> {
        File::open(path)?.sync_all()?;
        let mut passed = Vec::new();
        let mut next = path.parent();
        while let Some(directory) = next.filter(|directory| directory.starts_with(&*self.root)) {
            File::open(directory)?.sync_all()?;
            if self.durable_directories.lock().contains(directory) {
                break;
            }
            passed.push(directory.to_owned());
            next = directory.parent();
        }
        let mut durable = self.durable_directories.lock();
        if durable.len() + passed.len() > REMEMBERED_DIRECTORIES {
            durable.clear();
        }
        durable.extend(passed);
        Ok(())
    }
}

fn list_files(root: &FilePath) -> std::io::Result<Vec<LocalFile>> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let path = entry.path();
            let changed = entry.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH);
            let changed_ns = changed.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
            // Our own names are text; what is not was put there by somebody else.
            if let Some(path) = path.strip_prefix(root).ok().and_then(FilePath::to_str) {
                files.push(LocalFile { path: path.to_owned(), changed_ns });
            }
        }
    }
    Ok(files)
}

fn prepare_root(root: &FilePath) -> std::io::Result<PathBuf> {
    let missing: Vec<&FilePath> = root.ancestors().take_while(|path| !path.exists()).collect();
    std::fs::create_dir_all(root)?;
    for directory in missing {
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(FilePath::new(".")))?.sync_all()?;
    }
    root.canonicalize()
}

fn sync_error(source: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "DurableLocalStore", source: Box::new(source) }
}

impl std::fmt::Display for DurableLocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DurableLocalStore({})", self.root.display())
    }
}

#[async_trait]
impl ObjectStore for DurableLocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let result = self.files.put_opts(location, payload, options).await?;
        self.sync(location).await?;
        Ok(result)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.files.put_multipart_opts(location, options).await?;
        let upload = DurableUpload { upload, store: self.clone(), location: location.clone() };
        Ok(Box::new(upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await?;
        self.sync(to).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.files.rename_opts(from, to, options).await?;
        self.sync(to).await
    }
}

/// An upload whose completion waits for the disk.
#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    store: DurableLocalStore,
    location: Path,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let result = self.upload.complete().await?;
        self.store.sync(&self.location).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    #[tokio::test]
    async fn puts_uploads_copies_and_renames_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("new/data");
        let store = Store::local(&root).unwrap();
        let objects = store.object_store();
        let path = |text: &str| Path::parse(text).unwrap();

        objects.put(&path("1/2/a"), "one".into()).await.unwrap();
        let mut upload = objects.put_multipart(&path("1/3/b")).await.unwrap();
        upload.put_part("part ".into()).await.unwrap();
        upload.put_part("two".into()).await.unwrap();
        assert!(objects.head(&path("1/3/b")).await.is_err(), "an upload is not visible before it is complete");
        upload.complete().await.unwrap();
        objects.copy(&path("1/2/a"), &path("4/c")).await.unwrap();
        objects.rename(&path("4/c"), &path("4/d")).await.unwrap();

        for (name, expected) in [("1/2/a", "one"), ("1/3/b", "part two"), ("4/d", "one")] {
            assert_eq!(objects.get(&path(name)).await.unwrap().bytes().await.unwrap(), expected);
            assert_eq!(std::fs::read_to_string(root.join(name)).unwrap(), expected);
        }
        objects.delete(&path("4/d")).await.unwrap();
        assert_eq!(objects.list(None).count().await, 2);
    }

    #[tokio::test]
    async fn an_aborted_upload_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::local(directory.path()).unwrap();
        let path = Path::from("x/y");
        let mut upload = store.object_store().put_multipart(&path).await.unwrap();
        upload.put_part("lost".into()).await.unwrap();
        upload.abort().await.unwrap();
        assert_eq!(store.object_store().list(None).count().await, 0);
    }

    #[test]
    fn every_directory_on_the_way_is_remembered_and_the_memory_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let store = DurableLocalStore::open(directory.path()).unwrap();
        let parent = store.root.join("a/b");
        std::fs::create_dir_all(&parent).unwrap();
        std::fs::write(parent.join("f"), "x").unwrap();
        store.sync_file_and_directories(&parent.join("f")).unwrap();
        let expected: HashSet<PathBuf> = ["a/b", "a", ""].iter().map(|path| store.root.join(path)).collect();
        let remembered: HashSet<PathBuf> = store.durable_directories.lock().iter().map(|p| p.join("")).collect();
        assert_eq!(remembered, expected.iter().map(|path| path.join("")).collect());

        store.durable_directories.lock().extend((0..REMEMBERED_DIRECTORIES).map(|i| PathBuf::from(i.to_string())));
        std::fs::create_dir_all(store.root.join("c")).unwrap();
        std::fs::write(store.root.join("c/f"), "x").unwrap();
        store.sync_file_and_directories(&store.root.join("c/f")).unwrap();
        assert!(store.durable_directories.lock().len() <= 2);
        assert!(store.sync_file_and_directories(&store.root.join("c/missing")).is_err());
    }
}

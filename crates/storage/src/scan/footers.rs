//! The cache of Parquet footers and of what was found out about files: the layouts of row groups, the last values of
//! their runs, the distinct values of tags, sketches of series. Files are immutable, so an entry is never wrong, only
//! unused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{Array as _, ArrayRef, LargeStringArray};
use hashbrown::HashMap;
use object_store::ObjectStore;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};

use super::ScanError;
use super::file::StoreReader;
use super::layout::Layout;
use super::sketch::SeriesSketch;
use crate::flush::footer;
use crate::ids::{ColumnId, FileId};
use crate::table::DataFile;

/// The default size of the cache. A footer with page index takes about 2 KB a column and row group in memory, so
/// this holds some thousand files of an ordinary table.
pub const FOOTER_CACHE_BYTES: u64 = 64 << 20;

/// Bytes that are read in front of the footer's metadata in the hope that the page index is in them.
const PAGE_INDEX_GUESS_BYTES: u64 = 32 << 10;

/// What an entry of the last values takes beside its array.
const LAST_ENTRY_BYTES: usize = 64;

/// Footers with page index, by file. Shared by all snapshots of an engine.
#[derive(Debug)]
pub struct FooterCache {
    capacity_bytes: u64,
    clock: AtomicU64,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_file: HashMap<FileId, Entry, foldhash::fast::RandomState>,
    size_bytes: u64,
}

#[derive(Debug)]
struct Entry {
    footer: ArrowReaderMetadata,
    /// By row group; those that were asked for.
    layouts: Vec<Option<Arc<Layout>>>,
    /// By row group and column; those that were asked for.
    lasts: HashMap<(usize, ColumnId), ArrayRef, foldhash::fast::RandomState>,
    /// By tag; those that were asked for.
    tag_values: HashMap<ColumnId, LargeStringArray, foldhash::fast::RandomState>,
    series: Option<Arc<SeriesSketch>>,
    size_bytes: u64,
    last_used: u64,
}

impl FooterCache {
    /// An empty cache that keeps at most `capacity_bytes`.
    #[must_use]
    pub fn new(capacity_bytes: u64) -> Self {
        Self { capacity_bytes, clock: AtomicU64::new(0), entries: Mutex::default() }
    }

    /// Bytes of the footers in the cache.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.entries.lock().size_bytes
    }

    /// Forgets a file that no snapshot names any more.
    pub fn forget(&self, file: FileId) {
        self.entries.lock().remove(file);
    }

    /// The footer of a file, from the cache or from the store. Two readers may fetch the same one at once.
    pub(crate) async fn get(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &DataFile,
    ) -> Result<ArrowReaderMetadata, ScanError> {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        if let Some(entry) = self.entries.lock().by_file.get_mut(&file.file) {
            entry.last_used = now;
            return Ok(entry.footer.clone());
        }
        let footer = load(store, file).await?;
        let size_bytes = footer.metadata().memory_size() as u64;
        self.entries.lock().insert(
            file.file,
            Entry {
                footer: footer.clone(),
                layouts: Vec::new(),
                lasts: HashMap::default(),
                tag_values: HashMap::default(),
                series: None,
                size_bytes,
                last_used: now,
            },
            self.capacity_bytes,
        );
        Ok(footer)
    }

    /// The layout of a row group, if it is known.
    pub(super) fn layout(&self, file: FileId, group: usize) -> Option<Arc<Layout>> {
        self.entries.lock().by_file.get(&file)?.layouts.get(group)?.clone()
    }

    /// Keeps the layout of a row group with the footer of its file, if that is still there.
    pub(super) fn keep_layout(&self, file: FileId, group: usize, layout: &Arc<Layout>) {
        let mut entries = self.entries.lock();
        let Some(mut entry) = entries.remove(file) else { return };
        if entry.layouts.len() <= group {
            entry.layouts.resize(group + 1, None);
        }
        let Some(place) = entry.layouts.get_mut(group) else { return };
        let before = place.replace(Arc::clone(layout)).map_or(0, |layout| layout.size_bytes());
        entry.size_bytes = (entry.size_bytes + layout.size_bytes() as u64).saturating_sub(before as u64);
        if entry.size_bytes > self.capacity_bytes {
            // Better the footer alone than nothing.
            entry.layouts.clear();
            entry.lasts.clear();
            entry.tag_values.clear();
            entry.series = None;
            entry.size_bytes = entry.footer.metadata().memory_size() as u64;
        }
        entries.insert(file, entry, self.capacity_bytes);
    }

    /// The values of a column in the last row of each run of a row group, if they are known.
    pub(super) fn last(&self, file: FileId, group: usize, column: ColumnId) -> Option<ArrayRef> {
        self.entries.lock().by_file.get(&file)?.lasts.get(&(group, column)).cloned()
    }

    /// Keeps last values of a row group with the footer of its file, if that is still there and has room.
    pub(super) fn keep_last(&self, file: FileId, group: usize, columns: Vec<(ColumnId, ArrayRef)>) {
        let mut entries = self.entries.lock();
        let Some(mut entry) = entries.remove(file) else { return };
        for (column, array) in columns {
            let size_bytes = (array.get_array_memory_size() + LAST_ENTRY_BYTES) as u64;
            let has_room = entry.size_bytes + size_bytes <= self.capacity_bytes;
            if has_room && entry.lasts.insert((group, column), array).is_none() {
                entry.size_bytes += size_bytes;
            }
        }
        entries.insert(file, entry, self.capacity_bytes);
    }

    /// The distinct values of a tag in a file, ascending, if they are known.
    pub(super) fn tag_values(&self, file: FileId, tag: ColumnId) -> Option<LargeStringArray> {
        let mut entries = self.entries.lock();
        let entry = entries.by_file.get_mut(&file)?;
        let found = entry.tag_values.get(&tag)?.clone();
        entry.last_used = self.clock.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    /// Keeps the distinct values of a tag, unless they would crowd out too much else.
    pub(super) fn keep_tag_values(&self, file: FileId, tag: ColumnId, values: &LargeStringArray) {
        let size_bytes = (values.get_array_memory_size() + LAST_ENTRY_BYTES) as u64;
        self.keep(file, size_bytes, |entry| entry.tag_values.insert(tag, values.clone()).is_none());
    }

    /// The sketch of the series of a file, if it is known.
    pub(super) fn series_sketch(&self, file: FileId) -> Option<Arc<SeriesSketch>> {
        let mut entries = self.entries.lock();
        let entry = entries.by_file.get_mut(&file)?;
        let found = entry.series.clone()?;
        entry.last_used = self.clock.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }

    /// Keeps the sketch of the series of a file.
    pub(super) fn keep_series_sketch(&self, file: FileId, sketch: &Arc<SeriesSketch>) {
        let size_bytes = sketch.size_bytes() as u64;
        self.keep(file, size_bytes, |entry| entry.series.replace(Arc::clone(sketch)).is_none());
    }

    /// Adds something to an entry, if that is still there and the cache has room; `add` says whether it is new.
    fn keep(&self, file: FileId, size_bytes: u64, add: impl FnOnce(&mut Entry) -> bool) {
        let mut entries = self.entries.lock();
        let Some(mut entry) = entries.remove(file) else { return };
        let has_room = size_bytes <= self.capacity_bytes / 2 && entry.size_bytes + size_bytes <= self.capacity_bytes;
        if has_room && add(&mut entry) {
            entry.size_bytes += size_bytes;
        }
        entries.insert(file, entry, self.capacity_bytes);
    }
}

impl Entries {
    fn insert(&mut self, file: FileId, entry: Entry, capacity_bytes: u64) {
        if entry.size_bytes > capacity_bytes {
            return;
        }
        self.remove(file);
        if self.size_bytes + entry.size_bytes > capacity_bytes {
            self.shrink(capacity_bytes.saturating_sub(entry.size_bytes).min(capacity_bytes / 4 * 3));
        }
        self.size_bytes += entry.size_bytes;
        self.by_file.insert(file, entry);
    }

    fn remove(&mut self, file: FileId) -> Option<Entry> {
        let entry = self.by_file.remove(&file)?;
        self.size_bytes -= entry.size_bytes;
        Some(entry)
    }

    /// Drops the entries that were not used for longest until `size_bytes` is reached. Called once for a quarter of
    /// the cache, so that sorting does not count.
    fn shrink(&mut self, size_bytes: u64) {
        let mut by_age: Vec<(u64, FileId)> =
            self.by_file.iter().map(|(file, entry)| (entry.last_used, *file)).collect();
        by_age.sort_unstable();
        for (_, file) in by_age {
            if self.size_bytes <= size_bytes {
                break;
            }
            self.remove(file);
        }
    }
}

async fn load(store: &Arc<dyn ObjectStore>, file: &DataFile) -> Result<ArrowReaderMetadata, ScanError> {
    let path: Arc<str> = file.path.as_str().into();
    let failed = |source| ScanError::File { path: Arc::clone(&path), source };
    let hint = (file.footer_size_bytes + 8 + PAGE_INDEX_GUESS_BYTES).min(file.size_bytes);
    let mut reader = StoreReader::new(Arc::clone(store), &file.path);
    let metadata = ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Optional)
        .with_prefetch_hint(usize::try_from(hint).ok())
        .load_and_finish(&mut reader, file.size_bytes)
        .await
        .map_err(failed)?;
    let checked = footer::check_version(metadata.file_metadata());
    checked.map_err(|source| ScanError::Footer { path: Arc::clone(&path), source })?;
    ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new()).map_err(failed)
}

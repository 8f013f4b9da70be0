//! A database in a folder, and short ways to ask it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catalog::{BucketId, ManualClock, OrganisationId};
use parking_lot::Mutex;
use storage::{BucketInfo, Engine, EngineOptions, OpenError, Precision, RetentionSource, TableSnapshot, WriteRequest};

use crate::table_rows::rows;

/// 2026-01-01T00:00:00Z.
pub(crate) const NOW_NS: i64 = 1_767_225_600_000_000_000;

/// A retention that a test sets, for all buckets.
#[derive(Debug, Default)]
pub(crate) struct Retention(pub(crate) Mutex<Option<Duration>>);

impl RetentionSource for Retention {
    fn retention(&self, _bucket: BucketId) -> Option<Duration> {
        *self.0.lock()
    }
}

pub(crate) struct Database {
    pub(crate) engine: Engine,
    pub(crate) bucket: Arc<BucketInfo>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) retention: Arc<Retention>,
    folder: PathBuf,
}

impl Database {
    pub(crate) async fn open(folder: &Path) -> Self {
        Self::with(folder, |_| {}).await
    }

    pub(crate) async fn with(folder: &Path, adjust: impl FnOnce(&mut EngineOptions)) -> Self {
        Self::at(folder, NOW_NS, adjust).await
    }

    pub(crate) async fn at(folder: &Path, now_ns: i64, adjust: impl FnOnce(&mut EngineOptions)) -> Self {
        let clock = Arc::new(ManualClock::new(now_ns));
        let retention = Arc::new(Retention::default());
        let mut options = EngineOptions::new(folder, 1 << 30, Arc::clone(&clock) as Arc<dyn catalog::Clock>);
        options.retention = Arc::clone(&retention) as Arc<dyn RetentionSource>;
        adjust(&mut options);
        let bucket = BucketInfo {
            organisation: OrganisationId::from_u64(1).unwrap(),
            organisation_name: "o".to_owned(),
            bucket: BucketId::from_u64(16).unwrap(),
            name: "b".to_owned(),
        };
        // A task of the engine before may still be at its end.
        let engine = loop {
            match Engine::open(options.clone()).await {
                Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        };
        Self { engine, bucket: Arc::new(bucket), clock, retention, folder: folder.to_owned() }
    }

    pub(crate) async fn write(&self, lines: &str) {
        let request = WriteRequest {
            bucket: Arc::clone(&self.bucket),
            retention: None,
            body: lines.to_owned().into(),
            precision: Precision::Nanosecond,
        };
        let outcome = self.engine.write(request).await.unwrap();
        assert_eq!(outcome.dropped, None, "{lines}");
    }

    pub(crate) async fn table(&self, measurement: &str) -> Option<Arc<TableSnapshot>> {
        let retention = *self.retention.0.lock();
        let snapshot = self.engine.snapshot(self.bucket.bucket, retention).await.unwrap();
        snapshot.table(measurement).map(Arc::clone)
    }

    /// All rows of a measurement as `column=value` texts without nulls, sorted.
    pub(crate) async fn rows(&self, measurement: &str) -> Vec<String> {
        match self.table(measurement).await {
            Some(table) => rows(&table).await,
            None => Vec::new(),
        }
    }

    /// Parquet files below the data directory.
    pub(crate) fn parquet_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.join("files")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }

    pub(crate) fn files_on_disk(&self) -> usize {
        self.parquet_files().len()
    }

    /// The time ranges of the files on the disk that no other one names as its input, from their footers, ascending.
    pub(crate) fn catalog_ranges(&self) -> Vec<(i64, i64)> {
        use parquet::file::reader::FileReader as _;
        let mut ranges = Vec::new();
        for path in self.parquet_files() {
            let reader = parquet::file::reader::SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
            let footer = storage::flush::FooterMetadata::decode(reader.metadata().file_metadata()).unwrap();
            if footer.level > 0 {
                assert!(!footer.inputs.is_empty());
                ranges.push(footer.time_range);
            }
        }
        ranges.sort_unstable();
        ranges
    }
}

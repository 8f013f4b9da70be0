//! An engine over a temporary directory, short ways to ask it, and its rows as texts.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "tests, none of which uses all of it")]

#[path = "on_postgres.rs"]
pub(crate) mod on_postgres;
pub(crate) mod table_rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catalog::{BucketId, ManualClock, OrganisationId};
use parking_lot::Mutex;
use storage::disk::Disk;
use storage::{
    BucketInfo, DeleteFilter, DeleteRequest, DeleteTerm, Engine, EngineOptions, OpenError, Precision, RetentionSource,
    TableSnapshot, WriteError, WriteOutcome, WriteRequest,
};

pub(crate) use table_rows::rows;

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

pub(crate) fn bucket(id: u64, name: &str) -> Arc<BucketInfo> {
    Arc::new(BucketInfo {
        organisation: OrganisationId::from_u64(1).unwrap(),
        organisation_name: "o".to_owned(),
        bucket: BucketId::from_u64(id).unwrap(),
        name: name.to_owned(),
    })
}

/// Opens an engine. A process that was just dropped may hold the directory a moment longer.
pub(crate) async fn open_engine(options: &EngineOptions) -> Result<Engine, OpenError> {
    loop {
        match Engine::open(options.clone()).await {
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            opened => return opened,
        }
    }
}

impl Database {
    pub(crate) async fn open(folder: &Path) -> Self {
        Self::with(folder, |_| {}).await
    }

    /// With the write-ahead log on this disk.
    pub(crate) async fn open_on(folder: &Path, disk: Arc<dyn Disk>) -> Self {
        Self::with(folder, |options| options.wal_disk = disk).await
    }

    pub(crate) async fn with(folder: &Path, adjust: impl FnOnce(&mut EngineOptions)) -> Self {
        Self::at(folder, NOW_NS, adjust).await
    }

    pub(crate) async fn at(folder: &Path, now_ns: i64, adjust: impl FnOnce(&mut EngineOptions)) -> Self {
        let clock = Arc::new(ManualClock::new(now_ns));
        let retention = Arc::new(Retention::default());
        let mut options = EngineOptions::new(folder, 1 << 30, Arc::clone(&clock) as Arc<dyn catalog::Clock>);
        options.catalog = on_postgres::catalog_of(folder);
        options.retention = Arc::clone(&retention) as Arc<dyn RetentionSource>;
        adjust(&mut options);
        let engine = open_engine(&options).await.unwrap();
        Self { engine, bucket: bucket(16, "b"), clock, retention, folder: folder.to_owned() }
    }

    /// An engine that the test opened itself; the clock and the retention here are not those that it asks.
    pub(crate) fn over(engine: Engine) -> Self {
        let (clock, retention) = (Arc::new(ManualClock::new(NOW_NS)), Arc::default());
        Self { engine, bucket: bucket(16, "b"), clock, retention, folder: PathBuf::new() }
    }

    /// The same engine, asked about another bucket.
    pub(crate) fn with_bucket(&self, bucket: Arc<BucketInfo>) -> Self {
        Self {
            engine: self.engine.clone(),
            bucket,
            clock: Arc::clone(&self.clock),
            retention: Arc::clone(&self.retention),
            folder: self.folder.clone(),
        }
    }

    pub(crate) async fn try_write(&self, lines: &str) -> Result<WriteOutcome, WriteError> {
        let request = WriteRequest {
            bucket: Arc::clone(&self.bucket),
            retention: None,
            body: lines.to_owned().into(),
            precision: Precision::Nanosecond,
        };
        self.engine.write(request).await
    }

    pub(crate) async fn write(&self, lines: &str) {
        let outcome = self.try_write(lines).await.unwrap();
        assert_eq!(outcome.dropped, None, "{lines}");
    }

    pub(crate) async fn delete(&self, time_range: (i64, i64), terms: Vec<DeleteTerm>) -> Result<(), WriteError> {
        let (organisation, bucket) = (self.bucket.organisation, self.bucket.bucket);
        let filter = DeleteFilter { time_range, terms };
        self.engine.delete(DeleteRequest { organisation, bucket, filter }).await
    }

    pub(crate) async fn table(&self, measurement: &str) -> Option<Arc<TableSnapshot>> {
        let retention = *self.retention.0.lock();
        let snapshot = self.engine.snapshot(self.bucket.bucket, retention).await.unwrap();
        snapshot.table(measurement).map(Arc::clone)
    }

    /// All rows of a measurement, see [`rows`].
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

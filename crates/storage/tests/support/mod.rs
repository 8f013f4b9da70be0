//! An engine over a temporary directory, and its rows as texts.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use catalog::{BucketId, ManualClock, OrganisationId};
use futures::TryStreamExt as _;
use storage::disk::{Disk, RealDisk};
use storage::{
    BucketInfo, DeleteFilter, DeleteRequest, DeleteTerm, Engine, EngineOptions, Precision, ScanRequest, WriteError,
    WriteRequest,
};

/// 2026-01-01T00:00:00Z.
const NOW_NS: i64 = 1_767_225_600_000_000_000;

pub(crate) struct Database {
    pub(crate) engine: Engine,
    pub(crate) bucket: Arc<BucketInfo>,
}

pub(crate) fn bucket(id: u64, name: &str) -> Arc<BucketInfo> {
    Arc::new(BucketInfo {
        organisation: OrganisationId::from_u64(1).unwrap(),
        organisation_name: "o".to_owned(),
        bucket: BucketId::from_u64(id).unwrap(),
        name: name.to_owned(),
    })
}

impl Database {
    pub(crate) async fn open(data_dir: &Path) -> Self {
        Self::open_on(data_dir, Arc::new(RealDisk)).await
    }

    /// With the write-ahead log on this disk. A process that was just dropped may hold the directory a moment longer.
    pub(crate) async fn open_on(data_dir: &Path, disk: Arc<dyn Disk>) -> Self {
        Self::open_with(data_dir, disk, 1 << 30).await
    }

    /// With less memory: a replay then flushes on its way.
    pub(crate) async fn open_with(data_dir: &Path, disk: Arc<dyn Disk>, memory_limit_bytes: u64) -> Self {
        let clock = Arc::new(ManualClock::new(NOW_NS));
        let mut options = EngineOptions::new(data_dir, memory_limit_bytes, clock);
        options.wal_disk = disk;
        loop {
            match Engine::open(options.clone()).await {
                Ok(engine) => return Self { engine, bucket: bucket(16, "b") },
                Err(storage::OpenError::InUse(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(crate) fn with_bucket(&self, bucket: Arc<BucketInfo>) -> Self {
        Self { engine: self.engine.clone(), bucket }
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

    pub(crate) async fn delete(&self, time_range: (i64, i64), terms: Vec<DeleteTerm>) -> Result<(), WriteError> {
        let (organisation, bucket) = (self.bucket.organisation, self.bucket.bucket);
        let filter = DeleteFilter { time_range, terms };
        self.engine.delete(DeleteRequest { organisation, bucket, filter }).await
    }

    /// All rows of a measurement as `column=value` by name without nulls, then `@` and the time, sorted.
    pub(crate) async fn rows(&self, measurement: &str) -> Vec<String> {
        let snapshot = self.engine.snapshot(self.bucket.bucket, None).await.unwrap();
        let Some(table) = snapshot.table(measurement) else { return Vec::new() };
        let scan = table.scan(ScanRequest { partitions: 2, ..ScanRequest::default() }).unwrap();
        let mut rows = Vec::new();
        for partition in &scan.partitions {
            let batches: Vec<_> = partition.stream().try_collect().await.unwrap();
            for batch in batches {
                for row in 0..batch.num_rows() {
                    let mut cells = Vec::new();
                    let mut time = 0;
                    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
                        if field.name() == "time" {
                            let times = array.as_any().downcast_ref::<arrow::array::TimestampNanosecondArray>();
                            time = times.unwrap().value(row);
                        } else if array.is_valid(row) {
                            let formatter = ArrayFormatter::try_new(array, &FormatOptions::default()).unwrap();
                            cells.push(format!("{}={}", field.name(), formatter.value(row)));
                        }
                    }
                    cells.sort();
                    rows.push(format!("{} @{time}", cells.join(" ")));
                }
            }
        }
        rows.sort();
        rows
    }
}

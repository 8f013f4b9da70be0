//! The end of files: kept for a time, then deleted; nothing leaks, nothing live goes.

use std::time::Duration;

use crate::support::{Database, NOW_NS};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn replaced_files_stay_for_the_kept_time() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    for value in 0..4 {
        database.write(&format!("m f={value} 1")).await;
        database.engine.flush().await.unwrap();
    }
    database.clock.advance(HOUR * 5);
    // The snapshots of the flushes are old now, but they were the newest until this moment.
    database.engine.compact().await.unwrap();
    assert_eq!(database.files_on_disk(), 5);
    database.clock.advance(HOUR / 2);
    database.engine.maintain().await.unwrap();
    assert_eq!(database.files_on_disk(), 5);
    let waiting = database.engine.metrics().compaction.waiting;
    assert_eq!((waiting.count, waiting.scheduled), (4, 0));
    assert!(waiting.bytes > 0);
    database.clock.advance(HOUR);
    database.engine.maintain().await.unwrap();
    assert_eq!(database.files_on_disk(), 1);
    let compaction = database.engine.metrics().compaction;
    assert_eq!((compaction.files_deleted, compaction.waiting), (4, storage::lake::EndedFiles::default()));
    assert!(compaction.snapshots_expired > 3);
    assert_eq!(database.rows("m").await.len(), 1);
}

#[tokio::test]
async fn files_of_a_dropped_bucket_go_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m,t=a f=1 1\nn,t=b g=2 2").await;
    database.engine.flush().await.unwrap();
    database.engine.drop_bucket(database.bucket.organisation, database.bucket.bucket).await.unwrap();
    database.engine.maintain().await.unwrap();
    assert_eq!(database.files_on_disk(), 2);
    // A restart in between changes nothing.
    drop(database);
    let database = Database::at(folder.path(), NOW_NS + 7_200_000_000_000, |_| {}).await;
    database.engine.maintain().await.unwrap();
    assert_eq!(database.files_on_disk(), 0);
}

#[tokio::test]
async fn what_a_crash_left_behind_is_removed_when_it_is_old_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let real_now_ns = |path: &std::path::Path| {
        let changed = std::fs::metadata(path).unwrap().modified().unwrap();
        i64::try_from(changed.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos()).unwrap()
    };
    // Another real time than the clock's would be that of files from the future.
    let marker = folder.path().join("marker");
    std::fs::write(&marker, "").unwrap();
    let now_ns = real_now_ns(&marker);
    let database = Database::at(folder.path(), now_ns, |_| {}).await;
    for value in 0..2 {
        database.write(&format!("m f={value} 1")).await;
        database.engine.flush().await.unwrap();
    }
    database.engine.compact().await.unwrap();
    assert_eq!(database.files_on_disk(), 3);
    let orphan = database.parquet_files()[0].with_file_name("0192-orphan.parquet");
    std::fs::write(&orphan, "half a file").unwrap();
    // What an upload leaves that a crash cut off; the object store itself never shows it.
    let upload = database.parquet_files()[0].with_file_name("0193-cut.parquet#1");
    std::fs::write(&upload, "less").unwrap();
    database.engine.remove_orphans().await;
    assert!(orphan.exists(), "it could be of a restored catalog");
    // Time passes in steps that are believed.
    for _ in 0..3 {
        database.clock.advance(HOUR * 9);
        database.engine.remove_orphans().await;
    }
    assert!(!orphan.exists() && !upload.exists());
    assert_eq!(database.files_on_disk(), 3, "files that only an old snapshot names are no orphans");
    assert_eq!(database.engine.metrics().compaction.orphans_deleted, 2);
    assert_eq!(database.rows("m").await.len(), 1);
}

//! Retention: what is past it goes, and a wrong clock destroys nothing.

use std::time::Duration;

use crate::support::{Database, NOW_NS};

const HOUR: Duration = Duration::from_secs(3600);
const HOUR_NS: i64 = 3_600_000_000_000;

/// Three files: old, at the border of a retention of ten hours, and new.
async fn three_files(database: &Database) {
    for hours in [[30, 29], [11, 9], [2, 1]] {
        let lines = hours.map(|hours| format!("m,h=h{hours} f=1 {}\n", NOW_NS - hours * HOUR_NS));
        database.write(&lines.concat()).await;
        database.engine.flush().await.unwrap();
    }
}

#[tokio::test]
async fn files_past_their_retention_go_and_border_files_lose_rows() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    three_files(&database).await;
    database.engine.maintain().await.unwrap();
    assert_eq!(database.engine.metrics().files, 3, "without retention all stay");
    *database.retention.0.lock() = Some(10 * HOUR);
    let report = database.engine.maintain().await.unwrap();
    assert_eq!(report.files_retired, 1);
    let metrics = database.engine.metrics();
    assert_eq!((metrics.files, metrics.file_rows), (2, 4));
    assert_eq!(database.rows("m").await.len(), 3, "queries hide the rest");
    let report = database.engine.compact().await.unwrap();
    assert_eq!(report.rows_written, 3 + 1, "the border file without its old row, and both files as one: {report:?}");
    let metrics = database.engine.metrics();
    assert_eq!((metrics.files, metrics.file_rows), (1, 3));
    // A longer retention does not bring back what is gone, and what is there stays.
    *database.retention.0.lock() = None;
    assert_eq!(database.rows("m").await.len(), 3);
    drop(database);
    let database = Database::open(folder.path()).await;
    assert_eq!(database.rows("m").await.len(), 3);
}

#[tokio::test]
async fn a_clock_that_jumps_forward_hides_and_does_not_delete() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    three_files(&database).await;
    *database.retention.0.lock() = Some(48 * HOUR);
    database.engine.maintain().await.unwrap();
    assert!(!database.engine.metrics().compaction.deletion_waits);
    database.clock.advance(1000 * HOUR);
    assert_eq!(database.rows("m").await, [] as [String; 0], "queries go by the clock");
    for _ in 0..2 {
        let report = database.engine.maintain().await.unwrap();
        assert_eq!(report.files_retired, 0);
        let report = database.engine.compact().await.unwrap();
        assert_eq!(report.files_retired, 0);
    }
    assert!(database.engine.metrics().compaction.deletion_waits);
    // It was wrong, and is set right: nothing is lost.
    database.clock.set_ns(NOW_NS);
    database.engine.maintain().await.unwrap();
    assert_eq!(database.rows("m").await.len(), 6);
    assert!(!database.engine.metrics().compaction.deletion_waits);
    // In steps of hours it is believed.
    for _ in 0..5 {
        database.clock.advance(10 * HOUR);
        database.engine.maintain().await.unwrap();
    }
    assert_eq!(database.engine.metrics().file_rows, 0);
}

#[tokio::test]
async fn a_clock_that_goes_back_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    three_files(&database).await;
    *database.retention.0.lock() = Some(48 * HOUR);
    database.clock.set_ns(0);
    database.engine.maintain().await.unwrap();
    database.write(&format!("m,h=h0 f=1 {NOW_NS}")).await;
    database.engine.compact().await.unwrap();
    assert_eq!(database.rows("m").await.len(), 7);
}

/// After a start the catalog's newest snapshot is what time is known from.
#[tokio::test]
async fn a_clock_that_is_wrong_at_the_start_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    {
        let database = Database::open(folder.path()).await;
        three_files(&database).await;
        database.engine.close().await.unwrap();
    }
    let database = Database::at(folder.path(), NOW_NS + 9000 * HOUR_NS, |_| {}).await;
    *database.retention.0.lock() = Some(48 * HOUR);
    let report = database.engine.compact().await.unwrap();
    assert_eq!(report.files_retired, 0);
    let compaction = database.engine.metrics().compaction;
    assert!(compaction.deletion_waits);
    assert_eq!(compaction.files_deleted, 0, "nor do snapshots expire by a wrong clock");
    assert_eq!(database.engine.metrics().file_rows, 6);
}

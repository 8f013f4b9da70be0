//! Earlier snapshots: what they show, and until when.

use std::time::Duration;

use storage::{DeleteFilter, DeleteRequest, SnapshotError, SnapshotSelector};

use crate::support::rows;
use crate::support::{Database, NOW_NS};

const HOUR: Duration = Duration::from_secs(3600);

async fn newest(database: &Database) -> i64 {
    database.engine.history().list().await.unwrap().last().unwrap().id
}

async fn rows_at(database: &Database, at: SnapshotSelector) -> Result<Vec<String>, SnapshotError> {
    let retention = *database.retention.0.lock();
    let snapshot = database.engine.snapshot_at(database.bucket.bucket, retention, at).await?;
    Ok(match snapshot.table("m") {
        Some(table) => rows(table).await,
        None => Vec::new(),
    })
}

async fn delete_all(database: &Database, time_range: (i64, i64)) {
    let filter = DeleteFilter { time_range, terms: Vec::new() };
    let (organisation, bucket) = (database.bucket.organisation, database.bucket.bucket);
    database.engine.delete(DeleteRequest { organisation, bucket, filter }).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_stays_as_it_was_through_overwrites_merges_and_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let empty = newest(&database).await;
    let mut known = Vec::new();
    for value in 0..3 {
        database.write(&format!("m,t=a f={value} 1\nm,t=b f={value} {}", value + 2)).await;
        database.write(&format!("m g{value}=1i {}", value + 20)).await;
        database.engine.flush().await.unwrap();
        database.clock.advance(Duration::from_secs(60));
        known.push((newest(&database).await, database.rows("m").await));
    }
    database.write("m,t=a f=99 1").await;
    database.engine.compact().await.unwrap();
    known.push((newest(&database).await, database.rows("m").await));
    delete_all(&database, (2, 3)).await;
    let hidden = database.rows("m").await;
    assert_eq!(rows_at(&database, SnapshotSelector::Id(known[3].0)).await.unwrap(), known[3].1, "deleted later");
    database.engine.materialise_deletes().await.unwrap();
    known.push((newest(&database).await, hidden.clone()));
    database.engine.compact().await.unwrap();
    known.push((newest(&database).await, hidden));
    for (id, expected) in &known {
        assert_eq!(&rows_at(&database, SnapshotSelector::Id(*id)).await.unwrap(), expected, "snapshot {id}");
    }
    assert_eq!(known.iter().map(|(_, rows)| rows.len()).collect::<Vec<_>>(), [3, 5, 7, 7, 5, 5]);
    assert_eq!(rows_at(&database, SnapshotSelector::Id(empty)).await.unwrap(), Vec::<String>::new());
    // A minute passed between the first flushes.
    let at = |seconds: i64| SnapshotSelector::Time(NOW_NS + seconds * 1_000_000_000);
    assert_eq!(rows_at(&database, at(0)).await.unwrap(), known[0].1);
    assert_eq!(rows_at(&database, at(59)).await.unwrap(), known[0].1);
    assert_eq!(rows_at(&database, at(60)).await.unwrap(), known[1].1);
    assert_eq!(rows_at(&database, at(3_600)).await.unwrap(), known[5].1);
}

#[tokio::test]
async fn a_snapshot_has_the_columns_of_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m f=1 1").await;
    database.engine.flush().await.unwrap();
    let before = newest(&database).await;
    database.write("m,t=a g=1 2\nn f=1 1").await;
    database.engine.flush().await.unwrap();
    let snapshot =
        database.engine.snapshot_at(database.bucket.bucket, None, SnapshotSelector::Id(before)).await.unwrap();
    let names: Vec<_> = snapshot.tables().map(|table| table.table_schema().measurement.clone()).collect();
    assert_eq!(names, ["m"]);
    let schema = snapshot.table("m").unwrap().schema();
    let columns: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(columns, ["time", "f"]);
}

#[tokio::test]
async fn rows_past_retention_stay_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write(&format!("m f=1 {}\nm f=2 {}", NOW_NS - 1, NOW_NS + 1)).await;
    database.engine.flush().await.unwrap();
    let id = newest(&database).await;
    assert_eq!(rows_at(&database, SnapshotSelector::Id(id)).await.unwrap().len(), 2);
    *database.retention.0.lock() = Some(Duration::ZERO);
    assert_eq!(rows_at(&database, SnapshotSelector::Id(id)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn snapshots_expire_and_what_is_not_kept_says_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m f=1 1").await;
    database.engine.flush().await.unwrap();
    let old = newest(&database).await;
    database.clock.advance(HOUR / 2);
    database.write("m f=2 1").await;
    database.engine.compact().await.unwrap();
    let new = newest(&database).await;
    assert_eq!(rows_at(&database, SnapshotSelector::Id(old)).await.unwrap().len(), 1);
    let running = database.engine.snapshot_at(database.bucket.bucket, None, SnapshotSelector::Id(old)).await.unwrap();
    database.clock.advance(HOUR * 2);
    database.engine.maintain().await.unwrap();
    let error = rows_at(&database, SnapshotSelector::Id(old)).await.unwrap_err().to_string();
    assert!(error.contains(&format!("the oldest that is kept is {new} of 2026-01-01T00:30:00.000000Z")), "{error}");
    for at in [SnapshotSelector::Id(new + 1), SnapshotSelector::Time(NOW_NS)] {
        assert!(matches!(rows_at(&database, at).await, Err(SnapshotError::NotKept(_))), "{at:?}");
    }
    // Who reads it already has its files until the end.
    assert_eq!(rows(running.table("m").unwrap()).await.len(), 1);
    drop(running);
    database.engine.maintain().await.unwrap();
    assert_eq!(database.files_on_disk(), 1);
}

#[tokio::test]
async fn keeping_none_makes_deletes_final_at_the_next_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::with(folder.path(), |options| options.keep_snapshots = Duration::ZERO).await;
    database.write("m f=1 1\nm f=2 2").await;
    database.engine.flush().await.unwrap();
    let before = newest(&database).await;
    delete_all(&database, (1, 1)).await;
    database.engine.compact().await.unwrap();
    assert!(matches!(rows_at(&database, SnapshotSelector::Id(before)).await, Err(SnapshotError::NotKept(_))));
    assert_eq!((database.files_on_disk(), database.rows("m").await.len()), (1, 1));
}

#[test]
fn snapshots_have_names() {
    let parse = |text: &str| text.parse::<SnapshotSelector>().ok();
    assert_eq!(parse("12"), Some(SnapshotSelector::Id(12)));
    assert_eq!(parse("2026-01-01T00:00:00Z"), Some(SnapshotSelector::Time(NOW_NS)));
    assert_eq!(parse("2026-01-01T01:00:00.000000001+01:00"), Some(SnapshotSelector::Time(NOW_NS + 1)));
    for text in ["", "-1", "1.5", "99999999999999999999", "2026-01-01", "yesterday", "9999-01-01T00:00:00Z"] {
        assert_eq!(parse(text), None, "{text}");
    }
}

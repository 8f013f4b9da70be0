//! Deletes and compaction: what is deleted leaves the files, and its delete files go with the data files.

use std::time::Duration;

use storage::{DeleteFilter, DeleteRequest, DeleteSubject, DeleteTerm};

use crate::support::Database;

const ALL: (i64, i64) = (i64::MIN, i64::MAX);

fn term(subject: DeleteSubject, value: &str) -> DeleteTerm {
    DeleteTerm { subject, is_equal: true, value: value.to_owned() }
}

async fn delete(database: &Database, time_range: (i64, i64), terms: Vec<DeleteTerm>) {
    let (organisation, bucket) = (database.bucket.organisation, database.bucket.bucket);
    let filter = DeleteFilter { time_range, terms };
    database.engine.delete(DeleteRequest { organisation, bucket, filter }).await.unwrap();
}

/// Three files of ten points each, of two series.
async fn filled(folder: &std::path::Path) -> Database {
    let database = Database::open(folder).await;
    for file in 0..3_i64 {
        let line = |n: i64| format!("m,t=t{} f={n}i,g=1i {}\n", n % 2, file * 1000 + n);
        database.write(&(0..10).map(line).collect::<String>()).await;
        database.engine.flush().await.unwrap();
    }
    database
}

#[tokio::test]
async fn deleted_rows_and_values_leave_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path()).await;
    delete(&database, (0, 999), vec![term(DeleteSubject::Tag("t".to_owned()), "t1")]).await;
    delete(&database, (1000, 1999), vec![]).await;
    delete(&database, (2000, 2999), vec![term(DeleteSubject::Field, "g")]).await;
    // A point after the deletes of its series, time and field.
    database.write("m,t=t1 g=7i 1\nm,t=t1 g=8i 2001").await;
    let expected = database.rows("m").await;
    assert_eq!(expected.len(), 5 + 10 + 1);
    let report = database.engine.compact().await.unwrap();
    assert_eq!((report.files_retired, report.merges > 0), (1, true), "{report:?}");
    let metrics = database.engine.metrics();
    assert_eq!((metrics.file_rows, metrics.pending_deletes), (16, 0));
    assert_eq!(database.rows("m").await, expected);
    drop(database);
    let database = Database::open(folder.path()).await;
    assert_eq!(database.rows("m").await, expected);
    // What is deleted stays so although no tombstone says it any more.
    assert_eq!(database.engine.metrics().pending_deletes, 0);
}

#[tokio::test]
async fn many_deletes_make_a_busy_table_rewrite_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let database = filled(folder.path()).await;
    for n in 0..40 {
        delete(&database, (n, 2000 + n), vec![term(DeleteSubject::Tag("t".to_owned()), "t0")]).await;
        if n == 10 {
            database.engine.maintain().await.unwrap();
            assert!(database.engine.metrics().pending_deletes >= 10, "a few deletes wait");
        }
    }
    let expected = database.rows("m").await;
    database.engine.maintain().await.unwrap();
    assert_eq!(database.engine.metrics().pending_deletes, 0);
    assert_eq!(database.rows("m").await, expected);
}

#[tokio::test]
async fn delete_files_go_with_their_data_files_and_are_no_orphans() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("marker");
    std::fs::write(&marker, "").unwrap();
    let changed = std::fs::metadata(&marker).unwrap().modified().unwrap();
    let now_ns = changed.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let database = Database::at(folder.path(), i64::try_from(now_ns).unwrap(), |_| {}).await;
    database.write("m,t=a f=1i 1\nm,t=b f=2i 2\nm,t=c f=3i 3").await;
    database.engine.flush().await.unwrap();
    delete(&database, ALL, vec![term(DeleteSubject::Tag("t".to_owned()), "a")]).await;
    assert_eq!(database.engine.materialise_deletes().await.unwrap().files, 1);
    // A second delete file for the same data file replaces the first.
    delete(&database, ALL, vec![term(DeleteSubject::Tag("t".to_owned()), "b")]).await;
    assert_eq!(database.engine.materialise_deletes().await.unwrap().files, 1);
    assert_eq!(database.files_on_disk(), 3);
    for _ in 0..4 {
        database.clock.advance(Duration::from_secs(9 * 3600));
        database.engine.remove_orphans().await;
    }
    assert_eq!(database.files_on_disk(), 3, "the catalog names them");
    database.engine.maintain().await.unwrap();
    assert_eq!(database.files_on_disk(), 2, "no snapshot shows the first delete file any more");
    let report = database.engine.compact().await.unwrap();
    assert_eq!((report.merges, report.rows_written), (1, 1), "{report:?}");
    database.clock.advance(Duration::from_secs(2 * 3600));
    database.engine.maintain().await.unwrap();
    assert_eq!(database.files_on_disk(), 1);
    assert_eq!(database.engine.metrics().compaction.waiting, storage::lake::EndedFiles::default());
    assert_eq!(database.rows("m").await.len(), 1);
}

//! Deletes as the engine's users see them: what was deleted is gone for good, and what was written afterwards stays;
//! across flushes, restarts, crashes and bucket drops.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use storage::disk::SimulatedDisk;
use storage::{DeleteFilesReport, DeleteSubject, DeleteTerm, WriteError};

use support::{Database, bucket};

/// Every test of this file with its catalog in PostgreSQL.
#[test]
fn on_postgres() {
    testkit::again_on_postgres(&[], 9);
}

const ALL: (i64, i64) = (i64::MIN, i64::MAX);

fn tag(name: &str, value: &str) -> DeleteTerm {
    DeleteTerm { subject: DeleteSubject::Tag(name.to_owned()), is_equal: true, value: value.to_owned() }
}

fn field(name: &str) -> DeleteTerm {
    DeleteTerm { subject: DeleteSubject::Field, is_equal: true, value: name.to_owned() }
}

fn measurement(name: &str) -> DeleteTerm {
    DeleteTerm { subject: DeleteSubject::Measurement, is_equal: true, value: name.to_owned() }
}

fn not(term: DeleteTerm) -> DeleteTerm {
    DeleteTerm { is_equal: false, ..term }
}

/// One step of a story, for tests that cut it at every place.
#[derive(Debug, Clone)]
enum Step {
    Write(&'static str),
    Delete((i64, i64), Vec<DeleteTerm>),
    Flush,
}

async fn take(database: &Database, step: &Step) {
    match step {
        Step::Write(lines) => database.write(lines).await,
        Step::Delete(time_range, terms) => database.delete(*time_range, terms.clone()).await.unwrap(),
        Step::Flush => {
            database.engine.flush().await.unwrap();
        }
    }
}

/// Writes, deletes and flushes in every order that matters, and the rows of `m` after each step.
fn story() -> Vec<(Step, Vec<&'static str>)> {
    use Step::{Delete, Flush, Write};
    vec![
        (Write("m,t=a x=1i,y=1i 1\nm,t=b x=2i 2"), vec!["t=a x=1 y=1 @1", "t=b x=2 @2"]),
        (Delete(ALL, vec![tag("t", "b")]), vec!["t=a x=1 y=1 @1"]),
        (Write("m,t=b y=3i 2"), vec!["t=a x=1 y=1 @1", "t=b y=3 @2"]),
        (Flush, vec!["t=a x=1 y=1 @1", "t=b y=3 @2"]),
        (Delete((1, 1), vec![field("y")]), vec!["t=a x=1 @1", "t=b y=3 @2"]),
        (Delete((2, 2), vec![field("y")]), vec!["t=a x=1 @1"]),
        (Write("m,t=b z=4i 2\nm,t=a y=5i 1"), vec!["t=a x=1 y=5 @1", "t=b z=4 @2"]),
        (Delete((0, 1), vec![]), vec!["t=b z=4 @2"]),
        (Write("m,t=a z=6i 1"), vec!["t=a z=6 @1", "t=b z=4 @2"]),
        (Flush, vec!["t=a z=6 @1", "t=b z=4 @2"]),
        (Flush, vec!["t=a z=6 @1", "t=b z=4 @2"]),
        (Delete(ALL, vec![not(tag("t", "a"))]), vec!["t=a z=6 @1"]),
        (Write("m x=7i 1"), vec!["t=a z=6 @1", "x=7 @1"]),
        (Delete(ALL, vec![tag("t", "")]), vec!["t=a z=6 @1"]),
        (Delete(ALL, vec![measurement("m")]), vec![]),
        (Write("m,t=a y=8i 1"), vec!["t=a y=8 @1"]),
        (Flush, vec!["t=a y=8 @1"]),
    ]
}

#[tokio::test]
async fn a_delete_means_what_was_written_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    for (number, (step, expected)) in story().iter().enumerate() {
        take(&database, step).await;
        assert_eq!(database.rows("m").await, *expected, "after step {number}: {step:?}");
    }
    // Two files of before the last delete are left, and nothing but compaction rewrites them.
    assert!(database.engine.metrics().pending_deletes > 0);
    let report = database.engine.compact().await.unwrap();
    assert!(report.files_retired > 0, "{report:?}");
    assert_eq!(database.engine.metrics().pending_deletes, 0);
    assert_eq!(database.rows("m").await, story().last().unwrap().1);
}

/// The process dies and the power fails after every step in turn; what was acknowledged must hold, and go on to hold.
#[tokio::test]
async fn a_crash_after_any_step_brings_nothing_back() {
    let story = story();
    for crash_after in 1..=story.len() {
        let folder = tempfile::tempdir().unwrap();
        let disk = SimulatedDisk::new();
        let database = Database::open_on(folder.path(), Arc::new(disk.clone())).await;
        for (step, _) in &story[..crash_after] {
            take(&database, step).await;
        }
        drop(database);
        disk.crash(crash_after as u64);
        let database = Database::open_on(folder.path(), Arc::new(disk.clone())).await;
        assert_eq!(database.rows("m").await, story[crash_after - 1].1, "reopened after {crash_after} steps");
        for (number, (step, expected)) in story.iter().enumerate().skip(crash_after) {
            take(&database, step).await;
            assert_eq!(database.rows("m").await, *expected, "crash after {crash_after} steps, then step {number}");
        }
        database.engine.close().await.unwrap();
        drop(database);
        let database = Database::open_on(folder.path(), Arc::new(disk)).await;
        assert_eq!(database.rows("m").await, story.last().unwrap().1, "the second start after {crash_after} steps");
    }
}

/// A replay that does not fit into memory writes files on its way, in the middle of deletes and of writes after them.
#[tokio::test]
async fn a_replay_that_flushes_on_its_way_applies_deletes_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new();
    let text = "y".repeat(20_000);
    let mut expected = Vec::new();
    {
        let database = Database::open_on(folder.path(), Arc::new(disk.clone())).await;
        database.write("m,t=old f=1i 1").await;
        database.engine.flush().await.unwrap();
        for round in 0..40_i64 {
            for name in ["a", "b"] {
                database.write(&format!("m,t={name} f={round}i,s=\"{text}\" {round}")).await;
            }
            database.delete((round, round), vec![tag("t", "a")]).await.unwrap();
            database.delete((round, round), vec![field("s")]).await.unwrap();
            if round % 3 == 0 {
                database.write(&format!("m,t=a g={round}i {round}")).await;
                expected.push(format!("g={round} t=a @{round}"));
            }
            expected.push(format!("f={round} t=b @{round}"));
        }
        database.delete((1, 1), vec![tag("t", "old")]).await.unwrap();
        expected.sort();
        assert_eq!(database.rows("m").await, expected);
    }
    for seed in 0..3 {
        disk.crash(seed);
        // A tenth of a megabyte of rows makes a flush.
        let database = Database::with(folder.path(), |options| {
            options.wal_disk = Arc::new(disk.clone());
            options.memory_limit_bytes = 1 << 20;
        })
        .await;
        assert_eq!(database.rows("m").await, expected, "start {seed}");
        assert!(database.engine.metrics().files > 3, "the replay has written files");
    }
    let database = Database::open_on(folder.path(), Arc::new(disk)).await;
    database.engine.flush().await.unwrap();
    assert_eq!(database.rows("m").await, expected);
}

#[tokio::test]
async fn too_many_deletes_are_applied_by_a_flush_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open_on(folder.path(), Arc::new(SimulatedDisk::new())).await;
    let limit = storage::limits::TOMBSTONES_PER_TABLE;
    let delete = async |number: usize| database.delete(ALL, vec![tag("t", &format!("v{number}"))]).await;
    database.write("m,t=a f=1 1\nm,t=v5 f=1 1").await;
    for number in 0..limit {
        delete(number).await.unwrap();
    }
    assert_eq!(database.engine.metrics().pending_deletes, limit as u64);
    // All of them mean buffered rows only, so a flush makes room.
    delete(limit).await.unwrap();
    assert_eq!(database.engine.metrics().pending_deletes, 1);
    // The file of that flush needs all that follow.
    for number in 1..limit {
        delete(limit + number).await.unwrap();
    }
    let error = delete(2 * limit).await.unwrap_err();
    assert!(matches!(error, WriteError::Overloaded { retry_after_s: 30, .. }), "{error}");
    assert_eq!(database.rows("m").await, ["f=1.0 t=a @1"]);
    // Another measurement is not held up.
    database.write("n f=1 1").await;
    database.delete(ALL, vec![measurement("n")]).await.unwrap();
}

#[tokio::test]
async fn a_delete_that_means_nothing_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.delete(ALL, vec![]).await.unwrap();
    database.write("m,t=a f=1 10").await;
    database.engine.flush().await.unwrap();
    let before = database.engine.metrics().wal.records;
    database.delete((11, 20), vec![]).await.unwrap();
    database.delete(ALL, vec![measurement("other")]).await.unwrap();
    let metrics = database.engine.metrics();
    assert_eq!((metrics.wal.records, metrics.pending_deletes), (before, 0));
    // A tag that does not exist is looked at when rows are, and no row has it.
    database.delete(ALL, vec![tag("rack", "a")]).await.unwrap();
    database.delete(ALL, vec![field("nothing")]).await.unwrap();
    assert_eq!(database.rows("m").await, ["f=1.0 t=a @10"]);
}

#[tokio::test]
async fn deletes_go_when_no_file_and_no_buffer_needs_them() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m,t=a f=1 10\nm,t=b f=1 20").await;
    database.delete(ALL, vec![tag("t", "a")]).await.unwrap();
    assert_eq!(database.engine.metrics().pending_deletes, 1);
    // The flush applies it to the rows that it writes.
    database.engine.flush().await.unwrap();
    assert_eq!(database.engine.metrics().pending_deletes, 0);
    assert_eq!(database.engine.metrics().file_rows, 1);
    // The file needs the next ones, of which the last includes the others.
    database.delete((20, 20), vec![tag("t", "b")]).await.unwrap();
    database.delete((15, 25), vec![tag("t", "b")]).await.unwrap();
    database.delete((0, 30), vec![tag("t", "b")]).await.unwrap();
    database.write("other f=1 1").await;
    database.engine.flush().await.unwrap();
    assert_eq!(database.engine.metrics().pending_deletes, 1);
    assert_eq!(database.rows("m").await, [] as [&str; 0]);
    database.engine.close().await.unwrap();
    drop(database);
    let database = Database::open(folder.path()).await;
    assert_eq!(database.rows("m").await, [] as [&str; 0]);
    assert_eq!(database.engine.metrics().pending_deletes, 1);
}

#[tokio::test]
async fn the_log_is_cut_behind_a_delete_that_files_still_need() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m,t=a f=1 10").await;
    database.engine.flush().await.unwrap();
    database.delete(ALL, vec![tag("t", "a")]).await.unwrap();
    let text = "y".repeat(700_000);
    for round in 0..3 {
        for n in 0..60 {
            database.write(&format!("big,n={round} s=\"{text}{n}\" {n}")).await;
        }
        database.engine.flush().await.unwrap();
    }
    assert!(database.engine.metrics().wal.segments <= 1);
    drop(database);
    let database = Database::open(folder.path()).await;
    assert_eq!(database.rows("m").await, [] as [&str; 0]);
}

#[tokio::test]
async fn a_bucket_takes_its_deletes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m f=1 1").await;
    database.engine.flush().await.unwrap();
    database.delete(ALL, vec![]).await.unwrap();
    let other = database.with_bucket(bucket(17, "c"));
    other.write("m f=1 1").await;
    other.engine.flush().await.unwrap();
    assert_eq!(other.rows("m").await, ["f=1.0 @1"], "deletes of another bucket mean nothing here");
    database.engine.drop_bucket(database.bucket.organisation, database.bucket.bucket).await.unwrap();
    assert_eq!(database.engine.metrics().pending_deletes, 0);
    database.delete(ALL, vec![]).await.unwrap();
    drop(database);
    drop(other);
    let database = Database::open(folder.path()).await;
    assert_eq!(database.engine.metrics().pending_deletes, 0);
    assert_eq!(database.with_bucket(bucket(17, "c")).rows("m").await, ["f=1.0 @1"]);
}

#[tokio::test]
async fn the_limits_of_deletes() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m,t=a f=1 1").await;
    let error = database.delete(ALL, vec![tag("t", &"x".repeat(70_000))]).await.unwrap_err();
    assert!(matches!(error, WriteError::Limit(_)), "{error}");
    assert_eq!(error.to_string(), "the predicate of the delete takes more than 65536 bytes");
    database.engine.close().await.unwrap();
    assert!(matches!(database.delete(ALL, vec![]).await, Err(WriteError::Closed)));
}

/// The rows of `m` as DuckDB reads them; `None` if the tests of clients are to be left out.
fn duckdb_rows(data_dir: &Path) -> Option<Vec<String>> {
    if std::env::var("FRESHET_TEST_CLIENTS").is_ok_and(|value| value == "skip") {
        return None;
    }
    let Some(python) = std::env::var_os("FRESHET_TEST_PYTHON") else {
        panic!("FRESHET_TEST_PYTHON is not set: run `cargo xtask test`, or set FRESHET_TEST_CLIENTS=skip");
    };
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/python/lake_rows.py");
    let catalog = support::on_postgres::reader_argument(data_dir);
    let output = Command::new(python).arg(program).arg(catalog).args(["b", "m"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

async fn check_duckdb(database: &Database, data_dir: &Path, case: &str) {
    let expected = database.rows("m").await;
    if let Some(found) = duckdb_rows(data_dir) {
        assert_eq!(found, expected, "{case}");
    }
}

#[tokio::test]
async fn an_outside_reader_sees_no_deleted_row_after_materialisation() {
    let folder = tempfile::tempdir().unwrap();
    let report = |files, rows| DeleteFilesReport { files, rows };
    let mut database = Database::open(folder.path()).await;
    assert_eq!(database.engine.materialise_deletes().await.unwrap(), report(0, 0));
    for day in 0..3_i64 {
        let lines: String = (0..100).map(|n| format!("m,t=h{} f={n}i,g=1i {}\n", n % 5, day * 1000 + n)).collect();
        database.write(&lines).await;
        database.engine.flush().await.unwrap();
    }
    // Of the first file a fifth, of the second all, of the third nothing.
    database.delete((0, 999), vec![tag("t", "h1")]).await.unwrap();
    database.delete((1000, 1999), vec![]).await.unwrap();
    database.delete(ALL, vec![tag("t", "nobody")]).await.unwrap();
    assert_eq!(database.engine.materialise_deletes().await.unwrap(), report(2, 120));
    check_duckdb(&database, folder.path(), "first round").await;
    assert_eq!(database.engine.materialise_deletes().await.unwrap(), report(0, 0), "nothing is new");
    // A second delete of the same files: one delete file for each, with all positions.
    database.delete(ALL, vec![tag("t", "h2")]).await.unwrap();
    database.delete((50, 60), vec![]).await.unwrap();
    assert_eq!(database.engine.materialise_deletes().await.unwrap(), report(2, 20 + 20 + 7 + 20));
    check_duckdb(&database, folder.path(), "second round").await;
    // Later points of the same series stay, before and after their flush.
    database.write("m,t=h1 f=1000i 1\nm,t=h2 f=1001i 1002").await;
    database.engine.flush().await.unwrap();
    check_duckdb(&database, folder.path(), "points after the deletes").await;
    database.engine.close().await.unwrap();
    drop(database);

    // What an earlier process wrote is known by its counts.
    database = Database::open(folder.path()).await;
    assert_eq!(database.engine.materialise_deletes().await.unwrap(), report(0, 0));
    check_duckdb(&database, folder.path(), "restart").await;
    database.delete((2000, 2999), vec![not(tag("t", "h3"))]).await.unwrap();
    drop(database);
    database = Database::open(folder.path()).await;
    assert_eq!(database.engine.materialise_deletes().await.unwrap(), report(1, 80));
    check_duckdb(&database, folder.path(), "a delete that was replayed").await;
    drop(database);

    // The directory is moved: paths in delete files are absolute.
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("moved");
    std::fs::rename(folder.path(), &moved).unwrap();
    let database = Database::open(&moved).await;
    check_duckdb(&database, &moved, "moved").await;
    // A field cannot be deleted by position.
    database.delete(ALL, vec![field("f"), tag("t", "h0")]).await.unwrap();
    assert_eq!(database.engine.materialise_deletes().await.unwrap(), report(0, 0));
    database.engine.compact().await.unwrap();
    check_duckdb(&database, &moved, "compacted").await;
    assert_eq!(database.engine.metrics().pending_deletes, 0);
    database.delete((2000, 2999), vec![]).await.unwrap();
    database.engine.drop_bucket(database.bucket.organisation, database.bucket.bucket).await.unwrap();
    assert_eq!(database.engine.materialise_deletes().await.unwrap(), report(0, 0));
}

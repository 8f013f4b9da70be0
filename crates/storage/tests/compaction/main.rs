//! Compaction, retention and the end of files, as users of the engine see them: the rows stay what they are, files
//! become few and do not overlap, and what nobody needs any more goes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod deletes;
mod history;
mod lifetime;
mod retention;
#[path = "../support/mod.rs"]
mod support;
mod wide;

use std::sync::Arc;

use futures::TryStreamExt as _;
use storage::ScanRequest;
use support::{Database, NOW_NS};

/// Every test of compaction with its catalog in PostgreSQL.
#[test]
fn on_postgres() {
    testkit::again_on_postgres(&[], 9);
}

#[tokio::test]
async fn overlapping_files_become_one_and_the_last_value_that_was_given_stays() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    for lines in ["m,t=a x=1i,y=1i 10\nm,t=b x=7i 5", "m,t=a x=2i 10\nm,t=a x=3i 20", "m,t=a z=3i 10"] {
        database.write(lines).await;
        database.engine.flush().await.unwrap();
    }
    let before = database.rows("m").await;
    assert_eq!(before.len(), 3);
    assert!(before.contains(&"t=a x=2 y=1 z=3 @10".to_owned()), "{before:?}");
    let report = database.engine.compact().await.unwrap();
    assert_eq!((report.merges, report.files_read, report.files_written), (1, 3, 1));
    assert_eq!((report.rows_read, report.rows_written), (5, 3));
    let metrics = database.engine.metrics();
    assert_eq!((metrics.files, metrics.file_rows), (1, 3));
    assert_eq!((metrics.compaction.merges[0], metrics.compaction.waiting.count), (1, 3));
    assert_eq!(database.rows("m").await, before);
    assert_eq!(database.engine.compact().await.unwrap(), storage::CompactReport::default(), "nothing is left to do");

    // What comes later wins over the merged file, and is merged with it.
    database.write("m,t=a x=9i 10").await;
    let report = database.engine.compact().await.unwrap();
    assert_eq!((report.merges, report.rows_written), (1, 3));
    let after = database.rows("m").await;
    assert!(after.contains(&"t=a x=9 y=1 z=3 @10".to_owned()), "{after:?}");
    drop(database);
    let database = Database::open(folder.path()).await;
    assert_eq!(database.rows("m").await, after);
    assert_eq!(database.engine.metrics().files, 1);
}

#[tokio::test]
async fn a_large_output_is_cut_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::with(folder.path(), |options| options.compacted_file_bytes = 8_000).await;
    for flush in 0..6 {
        let line = |n: i64| format!("m,host=h{} f={},s=\"text {n}\" {}\n", n % 7, n as f64 / 3.0, n * 1000 + flush);
        database.write(&(0..2000).map(line).collect::<String>()).await;
        database.engine.flush().await.unwrap();
    }
    let before = database.rows("m").await;
    let report = database.engine.compact().await.unwrap();
    assert!(report.files_written >= 4, "{report:?}");
    assert_eq!(report.rows_written, 12_000);
    let ranges = database.catalog_ranges();
    assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{ranges:?}");
    assert_eq!(database.rows("m").await, before);
    let table = database.table("m").await.unwrap();
    assert!(table.row_count_is_exact());
}

#[tokio::test]
async fn small_neighbours_are_joined_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    for flush in 0..16 {
        database.write(&format!("m f={flush} {}", flush * 1000)).await;
        database.engine.flush().await.unwrap();
        database.engine.maintain().await.unwrap();
    }
    let metrics = database.engine.metrics();
    assert!(metrics.files <= 7, "{}", metrics.files);
    assert!(metrics.compaction.merges[4] >= 3, "{metrics:?}");
    assert_eq!(database.rows("m").await.len(), 16);
}

/// More groups than one commit takes: the plan of all tables is made once, and only what was merged is looked at again.
#[tokio::test]
async fn tables_at_rest_are_not_planned_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let tables = 2 * storage::limits::COMPACTION_BATCH_GROUPS + 10;
    for flush in 0..4 {
        let lines: String = (0..tables).map(|table| format!("m{table} f={flush} 1000\n")).collect();
        database.write(&lines).await;
        database.engine.flush().await.unwrap();
    }
    let planned = || database.engine.metrics().compaction.tables_planned;
    let report = database.engine.maintain().await.unwrap();
    assert_eq!((report.merges, report.files_written), (tables, tables));
    assert_eq!(planned(), 2 * tables as u64);
    assert_eq!(database.engine.maintain().await.unwrap(), storage::CompactReport::default());
    assert_eq!(planned(), 2 * tables as u64, "nothing changed");
    database.write("m5 f=9 500").await;
    database.engine.flush().await.unwrap();
    database.engine.maintain().await.unwrap();
    assert!(planned() - 2 * tables as u64 <= 2, "one table changed");
    // A request to compact looks at all of them, and again at what it merged.
    database.engine.compact().await.unwrap();
    assert_eq!(database.rows("m5").await, ["f=3.0 @1000", "f=9.0 @500"]);
}

#[tokio::test]
async fn columns_that_come_between_the_files_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    for lines in ["m,t=a x=1i 1", "m,t=a,u=b x=2i,y=1.5 1", "m s=\"s\",b=true 1\nm,u=z w=3u 0"] {
        database.write(lines).await;
        database.engine.flush().await.unwrap();
    }
    let before = database.rows("m").await;
    database.engine.compact().await.unwrap();
    assert_eq!(database.rows("m").await, before);
    assert_eq!(database.engine.metrics().files, 1);
    // A tag that comes later sorts before all others, in the merged file too.
    database.write("m,a=1,t=a x=5i 1").await;
    let before = database.rows("m").await;
    database.engine.compact().await.unwrap();
    assert_eq!(database.rows("m").await, before);
}

#[tokio::test]
async fn a_dropped_bucket_leaves_nothing_to_merge() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    for value in 0..3 {
        database.write(&format!("m f={value} 1")).await;
        database.engine.flush().await.unwrap();
    }
    let (compacted, dropped) = tokio::join!(
        database.engine.compact(),
        database.engine.drop_bucket(database.bucket.organisation, database.bucket.bucket)
    );
    compacted.unwrap();
    dropped.unwrap();
    assert_eq!(database.rows("m").await, [] as [String; 0]);
    // Whoever won: nothing is left that nobody names.
    database.clock.advance(std::time::Duration::from_secs(7200));
    database.engine.compact().await.unwrap();
    assert_eq!(database.files_on_disk(), 0);
}

/// Queries, flushes and merges at the same time: each query sees all that was acknowledged before it began, each point
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_sees_one_snapshot_while_files_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::open(folder.path()).await);
    let (written, _) = tokio::sync::watch::channel(0_i64);
    let written = Arc::new(written);
    let writer = {
        let (database, written) = (Arc::clone(&database), Arc::clone(&written));
        tokio::spawn(async move {
            for round in 1..=60_i64 {
                // Ten points, five of which every round writes again.
                let line = |n: i64| {
                    let time = if n < 5 { n } else { round * 100 + n };
                    format!("m,t=t{} f={round}i {time}\n", n % 3)
                };
                database.write(&(0..10).map(line).collect::<String>()).await;
                written.send_replace(round);
                if round % 3 == 0 {
                    database.engine.flush().await.unwrap();
                }
            }
        })
    };
    let compactor = {
        let (database, mut written) = (Arc::clone(&database), written.subscribe());
        tokio::spawn(async move {
            let mut merges = 0;
            while *written.borrow_and_update() < 60 {
                merges += database.engine.compact().await.unwrap().merges;
                merges += database.engine.maintain().await.unwrap().merges;
            }
            merges
        })
    };
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (database, written) = (Arc::clone(&database), written.subscribe());
            tokio::spawn(async move {
                let mut queries = 0;
                while *written.borrow() < 60 {
                    let least = *written.borrow();
                    let Some(table) = database.table("m").await else { continue };
                    let most = *written.borrow() + 1;
                    let rows = support::rows(&table).await;
                    let count = rows.len() as i64;
                    assert!((5 + 5 * least..=5 + 5 * most).contains(&count) || least == 0, "{least} {most} {count}");
                    let round = |row: &String| row.split_once("f=").unwrap().1.split(' ').next().unwrap().parse();
                    let is_overwritten = |row: &&String| row.rsplit_once('@').unwrap().1.parse::<i64>().unwrap() < 5;
                    let overwritten: Vec<i64> =
                        rows.iter().filter(is_overwritten).map(|row| round(row).unwrap()).collect();
                    let newest = overwritten.iter().copied().max().unwrap_or(0);
                    assert!(overwritten.iter().all(|value| *value == newest), "one write is seen whole: {rows:?}");
                    assert!(newest >= least, "{newest} {least}");
                    queries += 1;
                }
                queries
            })
        })
        .collect();
    writer.await.unwrap();
    let merges = compactor.await.unwrap();
    let mut queries = 0;
    for reader in readers {
        queries += reader.await.unwrap();
    }
    assert!(merges > 0 && queries > 0, "{merges} merges, {queries} queries");
    assert_eq!(database.rows("m").await.len(), 305);
}

/// A query that began before a merge reads its old files to the end, though they are deleted as soon as they may be.
#[tokio::test]
async fn a_running_query_keeps_the_files_that_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::with(folder.path(), |options| options.keep_snapshots = std::time::Duration::ZERO).await;
    for flush in 0..4 {
        database.write(&(0..100).map(|n| format!("m f={flush} {n}\n")).collect::<String>()).await;
        database.engine.flush().await.unwrap();
    }
    let table = database.table("m").await.unwrap();
    let scan = table.scan(ScanRequest { batch_rows: 10, ..ScanRequest::default() }).unwrap();
    let mut stream = scan.partitions[0].stream();
    drop((table, scan));
    assert!(stream.try_next().await.unwrap().is_some());
    database.clock.set_ns(NOW_NS + 1_000_000_000);
    database.engine.compact().await.unwrap();
    database.engine.compact().await.unwrap();
    assert_eq!(database.files_on_disk(), 5, "four old ones and the merged one");
    let rest: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(rest.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 90);
    drop(rest);
    database.engine.compact().await.unwrap();
    assert_eq!(database.files_on_disk(), 1);
}

/// `cargo test -p storage --test compaction bytes_of_small_files -- --nocapture`: what the planner's simulation of many
/// small tables takes a file to be.
#[tokio::test]
async fn bytes_of_small_files() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let mut sizes = Vec::new();
    for rows in [10_i64, 1000, 40_000] {
        let line = |n: i64| format!("m{rows},host=a f={} {}\n", (n * n % 1000) as f64 / 10.0, n * 60_000_000_000);
        database.write(&(0..rows).map(line).collect::<String>()).await;
        let before = database.engine.metrics().file_bytes;
        database.engine.flush().await.unwrap();
        sizes.push((rows, database.engine.metrics().file_bytes - before));
    }
    println!("rows and bytes of files of one series with one float: {sizes:?}");
    let [(_, ten), _, (rows, most)] = sizes[..] else { panic!("three files") };
    assert!(ten < 2500, "{ten}");
    assert!((most as f64) < rows as f64 * 6.0, "{most}");
}

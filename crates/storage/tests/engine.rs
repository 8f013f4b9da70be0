//! The engine as its users see it: what was acknowledged is there, once, with the value that was given last; across
//! flushes, restarts and schema changes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use storage::{
    Acceptance, ColumnKind, CreateTableError, Engine, EngineOptions, FieldKind, Health, OpenError, Precision,
    SchemaLimits, TableDefinition, WriteError, WriteOutcome, WriteRequest,
};

use support::{Database, NOW_NS, bucket, rows};

#[tokio::test]
async fn a_write_is_visible_at_once_and_after_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let expected = ["f=1.5 host=a n=2 @1", "host=b s=x @2"];
    {
        let database = Database::open(folder.path()).await;
        database.write("cpu,host=a f=1.5,n=2i 1\ncpu,host=b s=\"x\" 2").await;
        assert_eq!(database.rows("cpu").await, expected);
        // Dropped without close, as a crash would.
    }
    let database = Database::open(folder.path()).await;
    assert_eq!(database.rows("cpu").await, expected);
    // What a replay brought back is flushed without being asked for too, and whichever comes first has it to report.
    database.engine.flush().await.unwrap();
    let metrics = database.engine.metrics();
    assert_eq!((metrics.files, metrics.unflushed_bytes), (1, 0));
    assert_eq!(database.rows("cpu").await, expected);
    database.engine.close().await.unwrap();
    drop(database);
    let database = Database::open(folder.path()).await;
    assert_eq!(database.rows("cpu").await, expected);
    assert_eq!(database.engine.metrics().unflushed_bytes, 0);
}

#[tokio::test]
async fn the_last_value_that_was_given_wins_across_flushes() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m,t=a x=1i,y=1i 10").await;
    database.engine.flush().await.unwrap();
    database.write("m,t=a x=2i 10").await;
    database.engine.flush().await.unwrap();
    database.write("m,t=a z=3i 10\nm,t=a z=4i 10").await;
    assert_eq!(database.rows("m").await, ["t=a x=2 y=1 z=4 @10"]);
    database.engine.flush().await.unwrap();
    assert_eq!(database.rows("m").await, ["t=a x=2 y=1 z=4 @10"]);
    assert_eq!(database.engine.metrics().files, 3);
}

#[tokio::test]
async fn a_type_conflict_drops_the_point_and_keeps_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let outcome = database.try_write("m a=1i,b=1 1\nm a=2.5 2\nm a=3i,c=t 3").await.unwrap();
    assert_eq!(outcome.accepted, 2);
    assert_eq!(
        outcome.dropped.unwrap().to_string(),
        "partial write: field type conflict: input field \"a\" on measurement \"m\" is type float, already exists \
         as type integer dropped=1"
    );
    let outcome = database.try_write("m a=\"text\",d=1i 4").await.unwrap();
    assert_eq!((outcome.accepted, outcome.dropped.unwrap().dropped), (0, 1));
    let table = database.table("m").await.unwrap();
    let names: Vec<_> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["time", "a", "b", "c"], "a field that only a dropped point had is not registered");
    assert_eq!(database.rows("m").await.len(), 2);
}

#[tokio::test]
async fn a_write_says_what_a_bad_line_means_for_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let write = async |lines: &str, acceptance: Acceptance| {
        let request = WriteRequest {
            bucket: Arc::clone(&database.bucket),
            retention: None,
            body: lines.to_owned().into(),
            precision: Precision::Nanosecond,
        };
        database.engine.write_accepting(request, acceptance).await
    };
    let lines = "m,t=a f=1 1\nbad\nm,t=b f=2i 2\n\nm,t=c f=3 3";
    assert!(matches!(write(lines, Acceptance::WellFormed).await, Err(WriteError::Parse(_))));
    assert!(matches!(write(lines, Acceptance::Whole).await, Err(WriteError::Parse(_))));
    assert!(database.table("m").await.is_none());
    let outcome = write(lines, Acceptance::Partial).await.unwrap();
    assert_eq!(outcome.accepted, 2);
    let dropped = outcome.dropped.unwrap();
    let named: Vec<_> = dropped.lines().iter().map(|line| (line.line, line.text.as_str())).collect();
    assert_eq!(named, [(2, "bad"), (3, "m,t=b f=2i 2")]);
    assert_eq!((dropped.dropped, dropped.over_limit), (2, false));
    assert_eq!(database.rows("m").await, ["f=1.0 t=a @1", "f=3.0 t=c @3"]);
    let refused = write("new g=1 1\nm f=1i 4", Acceptance::Whole).await;
    let Err(WriteError::Refused(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.lines()[0].line, 2);
    assert!(database.table("new").await.is_none(), "what is refused registers nothing");
    assert_eq!(write("m f=4 4", Acceptance::Whole).await.unwrap().accepted, 1);
}

#[tokio::test]
async fn a_table_is_made_before_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let columns = vec![("t".to_owned(), ColumnKind::Tag), ("f".to_owned(), ColumnKind::Field(FieldKind::Integer))];
    let definition = TableDefinition { measurement: "m".to_owned(), columns };
    {
        let database = Database::open(folder.path()).await;
        let bucket = || Arc::clone(&database.bucket);
        database.engine.create_table(bucket(), definition.clone()).await.unwrap();
        let again = database.engine.create_table(bucket(), definition).await;
        assert!(matches!(again, Err(CreateTableError::Exists)), "{again:?}");
    }
    let database = Database::open(folder.path()).await;
    let outcome = database.try_write("m,t=a f=1i 1\nm f=1.5 2").await.unwrap();
    assert_eq!((outcome.accepted, outcome.dropped.unwrap().dropped), (1, 1));
    assert_eq!(database.rows("m").await, ["f=1 t=a @1"]);
}

#[tokio::test]
async fn writes_that_race_for_a_new_field_agree_on_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::open(folder.path()).await);
    let writes = (0..32).map(|n| {
        let database = Arc::clone(&database);
        tokio::spawn(async move {
            let value = if n % 2 == 0 { "1i" } else { "1.5" };
            database.try_write(&format!("m,n={n} f={value} 1")).await.unwrap()
        })
    });
    let mut accepted = 0;
    for write in writes.collect::<Vec<_>>() {
        accepted += write.await.unwrap().accepted;
    }
    assert_eq!(accepted, 16);
    assert_eq!(database.rows("m").await.len(), 16);
}

#[tokio::test]
async fn points_beyond_retention_are_dropped_and_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let hour = Duration::from_secs(3600);
    let request = |time: i64| WriteRequest {
        bucket: Arc::clone(&database.bucket),
        retention: Some(hour),
        body: format!("m f=1 {time}\nm f=2 {NOW_NS}").into(),
        precision: Precision::Nanosecond,
    };
    let outcome = database.engine.write(request(NOW_NS - 3_600_000_000_001)).await.unwrap();
    assert_eq!((outcome.accepted, outcome.dropped.unwrap().dropped), (1, 1));
    let outcome = database.engine.write(request(NOW_NS - 3_600_000_000_000)).await.unwrap();
    assert_eq!((outcome.accepted, outcome.dropped), (2, None));
    database.clock.set_ns(NOW_NS + 1);
    let snapshot = database.engine.snapshot(database.bucket.bucket, Some(hour)).await.unwrap();
    assert_eq!(rows(snapshot.table("m").unwrap()).await.len(), 1);
    let snapshot = database.engine.snapshot(database.bucket.bucket, None).await.unwrap();
    assert_eq!(rows(snapshot.table("m").unwrap()).await.len(), 2);
}

#[tokio::test]
async fn a_dropped_bucket_stays_empty_and_a_new_one_of_its_name_starts_empty() {
    let folder = tempfile::tempdir().unwrap();
    {
        let database = Database::open(folder.path()).await;
        database.write("m f=1 1").await;
        database.engine.flush().await.unwrap();
        database.write("m f=2 2").await;
        let organisation = database.bucket.organisation;
        database.engine.drop_bucket(organisation, database.bucket.bucket).await.unwrap();
        assert_eq!(database.rows("m").await, [] as [String; 0]);
    }
    let database = Database::open(folder.path()).await;
    assert_eq!(database.rows("m").await, [] as [String; 0]);
    let again = database.with_bucket(bucket(17, "b"));
    assert_eq!(again.rows("m").await, [] as [String; 0]);
    again.write("m f=\"now a string\" 3").await;
    assert_eq!(again.rows("m").await.len(), 1);
    again.engine.flush().await.unwrap();
    assert_eq!(again.rows("m").await.len(), 1);
}

/// The write had looked the bucket up before it was deleted.
#[tokio::test]
async fn a_write_that_comes_after_the_drop_of_an_empty_bucket_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.engine.drop_bucket(database.bucket.organisation, database.bucket.bucket).await.unwrap();
    let error = database.try_write("m f=1 1").await.unwrap_err();
    assert!(matches!(error, WriteError::BucketDropped), "{error}");
    assert!(database.table("m").await.is_none());
}

#[tokio::test]
async fn bad_lines_store_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let error = database.try_write("m f=1 1\nm f= 2\n,t=1 f=1 3").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "unable to parse 'm f= 2': missing field value\nunable to parse ',t=1 f=1 3': missing measurement"
    );
    assert!(database.table("m").await.is_none());
    assert_eq!(database.try_write("").await.unwrap(), WriteOutcome::default());
    assert_eq!(database.try_write("# only a comment\n\n").await.unwrap(), WriteOutcome::default());
}

#[tokio::test]
async fn strange_names_and_extreme_times_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let long = "k".repeat(60_000);
    let lines = [
        "a\u{0}b,\u{1}t=\u{7} f=1 1".to_owned(),
        "CASE,Tag=1,tag=2 Field=1,field=2,tag=3 2".to_owned(),
        "case f=1 3".to_owned(),
        format!("{long} f=1 4"),
        format!("m,t={long} f=1 5"),
        "m f=1 9223372036854775806".to_owned(),
        "m f=1 -9223372036854775806".to_owned(),
        format!("m s=\"{}\" 6", "x".repeat(1 << 20)),
    ];
    let expected = {
        let database = Database::open(folder.path()).await;
        for line in &lines {
            database.write(line).await;
        }
        let mut all = Vec::new();
        for measurement in ["a\u{0}b", "CASE", "case", long.as_str(), "m"] {
            all.push(database.rows(measurement).await);
        }
        assert_eq!(all.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1, 1, 4]);
        assert_eq!(all[1], ["Field=1.0 Tag=1 field=2.0 tag::field=3.0 tag=2 @2"]);
        database.engine.close().await.unwrap();
        all
    };
    let database = Database::open(folder.path()).await;
    for (measurement, rows) in ["a\u{0}b", "CASE", "case", long.as_str(), "m"].iter().zip(expected) {
        assert_eq!(database.rows(measurement).await, rows);
    }
}

/// Every test of this file with its catalog in PostgreSQL.
#[test]
fn on_postgres() {
    testkit::again_on_postgres(&[], 9);
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let options = EngineOptions::new(folder.path(), 1 << 30, Arc::clone(&database.clock) as Arc<dyn catalog::Clock>);
    assert!(matches!(Engine::open(options).await, Err(OpenError::InUse(_))));
    database.engine.replayed().await.unwrap();
    assert_eq!(database.engine.status().health, Health::Running);
}

#[tokio::test]
async fn a_closed_engine_takes_no_writes() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    database.write("m f=1 1").await;
    database.engine.close().await.unwrap();
    assert!(matches!(database.try_write("m f=2 2").await, Err(WriteError::Closed)));
    assert_eq!(database.engine.metrics().files, 1);
}

#[tokio::test]
async fn a_point_without_room_for_its_columns_is_dropped_and_the_others_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SchemaLimits { tables_per_bucket: 100, columns_per_table: 4 };
    let database = Database::with(folder.path(), |options| options.schema_limits = limits).await;
    database.write("m,t=a f=1 1").await;
    // The second point takes the last two columns, whole or not at all; the others use what there is.
    let lines = "m,t=a f=2,g=1,h=1,i=1 2\nm,t=a,u=b g=2 3\nm,t=a h=3 4\nm,u=c,v=d f=4 5\nm,u=c f=5,g=5 6\nn x=1 7";
    let outcome = database.try_write(lines).await.unwrap();
    assert_eq!(outcome.accepted, 3);
    assert_eq!(
        outcome.dropped.unwrap().to_string(),
        "partial write: max-columns-per-measurement limit exceeded: measurement \"m\" has no room for \"h\" beside 4 \
         tags and fields; max-columns-per-measurement limit exceeded: measurement \"m\" has no room for \"v\" beside \
         4 tags and fields dropped=3"
    );
    let expected = ["f=1.0 t=a @1", "f=5.0 g=5.0 u=c @6", "g=2.0 t=a u=b @3"];
    assert_eq!(database.rows("m").await, expected);
    assert_eq!(database.rows("n").await, ["x=1.0 @7"]);
    let refused = database.try_write("m,t=a i=1 8").await.unwrap();
    assert_eq!((refused.accepted, refused.dropped.unwrap().dropped), (0, 1));
    drop(database);
    let database = Database::with(folder.path(), |options| options.schema_limits = limits).await;
    assert_eq!(database.rows("m").await, expected);
    assert_eq!(database.try_write("m,t=a i=1 8").await.unwrap().accepted, 0);
    // What is there already stays writable under a smaller limit, and grows under a larger one.
    drop(database);
    let smaller = SchemaLimits { columns_per_table: 1, tables_per_bucket: 1 };
    let database = Database::with(folder.path(), |options| options.schema_limits = smaller).await;
    database.write("m,t=a,u=b f=9,g=9 9").await;
    drop(database);
    let database = Database::open(folder.path()).await;
    database.write("m,t=a i=1 8").await;
}

#[tokio::test]
async fn a_point_of_a_measurement_without_room_is_dropped_and_the_others_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SchemaLimits { tables_per_bucket: 2, columns_per_table: 4 };
    let database = Database::with(folder.path(), |options| options.schema_limits = limits).await;
    let outcome = database.try_write("a f=1 1\nb f=1 1\nc f=1 1\na f=2 2\nc f=2 2").await.unwrap();
    assert_eq!(outcome.accepted, 3);
    assert_eq!(
        outcome.dropped.unwrap().to_string(),
        "partial write: max-measurements-per-bucket limit exceeded: the bucket has no room for \"c\" beside 2 \
         measurements dropped=2"
    );
    assert!(database.table("c").await.is_none());
    assert_eq!(database.rows("a").await.len(), 2);
    // Another bucket has a limit of its own.
    database.with_bucket(bucket(17, "other")).write("c f=1 1").await;
}

/// Each of the writes has room when it is planned.
#[tokio::test]
async fn writes_that_race_for_the_last_columns_and_measurements_keep_the_limits() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SchemaLimits { tables_per_bucket: 3, columns_per_table: 5 };
    let database = Database::with(folder.path(), |options| options.schema_limits = limits).await;
    database.write("m,t=a f=1 1").await;
    let database = Arc::new(database);
    let writes = (0..24).map(|n| {
        let database = Arc::clone(&database);
        let lines = format!("m,t=a f{n}=1,g{n}=1 2\nm{n} f=1 1");
        tokio::spawn(async move { database.try_write(&lines).await.unwrap() })
    });
    let mut accepted = 0;
    for write in writes.collect::<Vec<_>>() {
        accepted += write.await.unwrap().accepted;
    }
    let snapshot = database.engine.snapshot(database.bucket.bucket, None).await.unwrap();
    assert_eq!(snapshot.tables().count(), 3);
    let columns = database.table("m").await.unwrap().schema().fields().len() - 1;
    assert!((4..=5).contains(&columns), "{columns}");
    // One point has the two new fields; those of another one stand in the columns that are left or nowhere.
    assert_eq!(accepted, 1 + 2);
}

#[tokio::test]
async fn ten_thousand_new_measurements_in_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let lines: String = (0..10_000).map(|n| format!("m{n},t=a f={n}i,g=1 1\n")).collect();
    database.write(&lines).await;
    assert_eq!(database.rows("m9999").await, ["f=9999 g=1.0 t=a @1"]);
    let snapshot = database.engine.snapshot(database.bucket.bucket, None).await.unwrap();
    assert_eq!(snapshot.tables().count(), 10_000);
}

#[tokio::test]
async fn old_segments_go_once_their_rows_are_in_files() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    for n in 0..3 {
        let text = "y".repeat(700_000);
        for k in 0..60 {
            database.write(&format!("m,n={n} s=\"{text}{k}\" {k}")).await;
        }
        database.engine.flush().await.unwrap();
    }
    let metrics = database.engine.metrics();
    assert!(metrics.wal.segments <= 1, "{} segments are left", metrics.wal.segments);
    assert_eq!(database.rows("m").await.len(), 180);
}

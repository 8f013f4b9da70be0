//! The catalog as a whole: what is registered and committed is there, once, and nothing else is.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod duckdb;
mod replace;
mod support;

use std::collections::HashMap;

use catalog::BucketId;
use line_protocol::FieldKind;

use super::statistics::Bounds;
use super::*;
use crate::delete::{DeleteFilter, DeleteSubject, DeleteTerm, Tombstone};
use crate::ids::{ColumnId, FileId, Sequence, TableId};
use crate::table::{BucketInfo, ColumnKind, ColumnStatistics, StatisticsValue, TableSchema};
use support::{FLOAT, INTEGER, STRING, TAG, TestLake, bucket, column, file, new_table};

/// Every row of the catalog, by table.
async fn dump(lake: &Lake) -> Vec<(String, Vec<String>)> {
    if lake.database.is_postgres() {
        let schema = texts(lake, "SELECT CAST(current_schema() AS VARCHAR)").await.remove(0);
        return support::dump_postgres(&schema);
    }
    let tables = texts(lake, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").await;
    let mut dump = Vec::new();
    for table in tables {
        let columns = texts(lake, format!("SELECT name FROM pragma_table_info('{table}')").leak()).await;
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
        let statement = format!("SELECT {} FROM {table} ORDER BY 1", quoted.join(" || ',' || "));
        let rows = texts(lake, statement.leak()).await;
        dump.push((table, rows));
    }
    dump
}

async fn texts(lake: &Lake, statement: &'static str) -> Vec<String> {
    lake.read::<(String,)>("test", sql::statement(statement)).await.unwrap().into_iter().map(|(text,)| text).collect()
}

fn column_names(schema: &TableSchema) -> Vec<(i64, &str, &str)> {
    schema.columns.iter().map(|column| (column.id.0, column.name.as_str(), column.physical_name.as_str())).collect()
}

#[tokio::test]
async fn a_registration_may_be_repeated() {
    let test = TestLake::new().await;
    let request = Registration {
        buckets: vec![bucket(1, "metrics")],
        tables: vec![
            new_table(1, "cpu", &[("host", TAG), ("usage", FLOAT)]),
            new_table(1, "Cpu", &[("time", TAG), ("host", TAG), ("host", STRING), ("Host", INTEGER)]),
            // Named twice: the columns are those of both.
            new_table(1, "cpu", &[("usage", FLOAT), ("region", TAG)]),
        ],
        columns: Vec::new(),
    };
    let registered = test.lake.register(request.clone()).await.unwrap();
    let [cpu, other] = &registered.tables[..] else { panic!("two tables") };
    assert_eq!((cpu.table, cpu.measurement.as_str()), (TableId(2), "cpu"));
    assert_eq!(column_names(cpu), [(2, "host", "host"), (3, "usage", "usage"), (4, "region", "region")]);
    assert_eq!((other.table, other.measurement.as_str()), (TableId(3), "Cpu"));
    assert_eq!(
        column_names(other),
        [(2, "time", "time~2"), (3, "host", "host"), (4, "host", "host~4"), (5, "Host", "Host~5")]
    );
    assert_eq!(texts(&test.lake, "SELECT table_name FROM ducklake_table ORDER BY table_id").await, ["cpu", "Cpu~3"]);
    assert_eq!(
        texts(&test.lake, "SELECT changes_made FROM ducklake_snapshot_changes ORDER BY snapshot_id").await,
        [
            "created_schema:\"main\"",
            "created_schema:\"metrics\",created_table:\"metrics\".\"cpu\",created_table:\"metrics\".\"Cpu~3\""
        ]
    );

    let before = dump(&test.lake).await;
    assert_eq!(test.lake.register(request).await.unwrap(), registered);
    let again = Registration { columns: vec![(cpu.table, column("usage", FLOAT))], ..Registration::default() };
    assert_eq!(test.lake.register(again).await.unwrap().tables, std::slice::from_ref(cpu));
    assert_eq!(test.lake.register(Registration::default()).await.unwrap(), Registered::default());
    assert_eq!(dump(&test.lake).await, before);
}

#[tokio::test]
async fn new_columns_alter_a_table() {
    let test = TestLake::new().await;
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    let request = Registration {
        columns: vec![
            (cpu.table, column("a", INTEGER)),
            (cpu.table, column("b", STRING)),
            (cpu.table, column("a", INTEGER)),
            (cpu.table, column("HOST", TAG)),
        ],
        ..Registration::default()
    };
    let registered = test.lake.register(request).await.unwrap();
    assert_eq!(
        column_names(&registered.tables[0]),
        [(2, "host", "host"), (3, "a", "a"), (4, "b", "b"), (5, "HOST", "HOST~5")]
    );
    let columns = "SELECT column_id || ' ' || begin_snapshot || ' ' || column_name || ' ' || column_type || ' ' || \
                   CASE WHEN nulls_allowed THEN 1 ELSE 0 END FROM ducklake_column ORDER BY column_id";
    assert_eq!(
        texts(&test.lake, columns).await,
        ["1 1 time timestamp_ns 0", "2 1 host varchar 1", "3 2 a int64 1", "4 2 b varchar 1", "5 2 HOST~5 varchar 1"]
    );
    let versions = "SELECT begin_snapshot || ' ' || schema_version || ' ' || table_id FROM ducklake_schema_versions";
    assert_eq!(texts(&test.lake, versions).await, ["1 1 2", "2 2 2"]);
    let tags = "SELECT column_id || ' ' || \"key\" || ' ' || \"value\" FROM ducklake_column_tag ORDER BY 1";
    assert_eq!(texts(&test.lake, tags).await, ["2 comment tag", "5 comment tag \"HOST\""]);
}

#[tokio::test]
async fn a_refused_registration_leaves_nothing() {
    let test = TestLake::new().await;
    let cpu = test.table("cpu", &[("usage", FLOAT), ("host", TAG)]).await;
    let before = dump(&test.lake).await;
    let refused = |tables: Vec<NewTable>, columns: Vec<(TableId, NewColumn)>| Registration {
        buckets: vec![bucket(2, "other")],
        tables: [vec![new_table(2, "fresh", &[("x", FLOAT)])], tables].concat(),
        columns,
    };
    let cases = [
        (
            refused(vec![], vec![(cpu.table, column("usage", INTEGER))]),
            "field \"usage\" of measurement \"cpu\" is integer, but exists as float",
        ),
        (
            refused(vec![new_table(1, "cpu", &[("usage", STRING)])], vec![]),
            "field \"usage\" of measurement \"cpu\" is string, but exists as float",
        ),
        (
            refused(vec![new_table(1, "new", &[("a", STRING), ("a", FLOAT)])], vec![]),
            "field \"a\" of measurement \"new\" is float, but exists as string",
        ),
        (refused(vec![new_table(9, "m", &[])], vec![]), "bucket 0000000000000009 is not in the catalog"),
        (refused(vec![], vec![(TableId(77), column("a", FLOAT))]), "table 77 is not in the catalog"),
    ];
    for (request, message) in cases {
        assert_eq!(test.lake.register(request).await.unwrap_err().to_string(), message);
        assert_eq!(dump(&test.lake).await, before);
    }
    // A tag is no field: they may share a name.
    let request = Registration { columns: vec![(cpu.table, column("usage", TAG))], ..Registration::default() };
    test.lake.register(request).await.unwrap();
}

#[tokio::test]
async fn any_name_survives() {
    let test = TestLake::new().await;
    let long = "L".repeat(65_000);
    let awkward =
        ["", "a\0b", "\u{1}\u{7f}\u{85}", "q\"uo'te;--", long.as_str(), "日本", "select", "x.y", "Ü", "ü", "time"];
    let columns: Vec<(&str, ColumnKind)> = awkward.iter().flat_map(|name| [(*name, TAG), (*name, FLOAT)]).collect();
    let request = Registration {
        buckets: vec![bucket(1, "b")],
        tables: awkward.iter().map(|name| new_table(1, name, &columns)).collect(),
        columns: Vec::new(),
    };
    let registered = test.lake.register(request.clone()).await.unwrap();
    for (schema, name) in registered.tables.iter().zip(awkward) {
        assert_eq!(schema.measurement, name);
        let names: Vec<(&str, ColumnKind)> =
            schema.columns.iter().map(|column| (column.name.as_str(), column.kind)).collect();
        assert_eq!(names, columns);
    }
    assert_eq!(test.lake.register(request).await.unwrap(), registered);
    let (_lake, state) = test.reopen().await;
    assert_eq!(state.tables.into_iter().map(|(schema, _)| schema).collect::<Vec<_>>(), registered.tables);
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let test = TestLake::new().await;
    let cpu = test.table("cpu", &[("host", TAG), ("region", TAG)]).await;
    let mem = test.table("mem", &[("used", INTEGER)]).await;
    let mut first = file(&cpu, "a.parquet", 10, (5, 9));
    first.sort_tags = vec![ColumnId(3), ColumnId(2)];
    first.time_range = (i64::MIN + 2, i64::MAX - 1);
    let commit = FlushCommit {
        files: vec![first, file(&mem, "a.parquet", 7, (6, 8)), file(&cpu, "b.parquet", 1, (1, 4))],
        flushed: vec![(cpu.table, Sequence(9)), (mem.table, Sequence(8))],
        tag_orders: vec![(cpu.table, vec![ColumnId(3), ColumnId(2)])],
        watermark: Sequence(8),
        ..FlushCommit::default()
    };
    let files = test.lake.commit_flush(&commit).await.unwrap();
    assert_eq!(files.iter().map(|file| file.file).collect::<Vec<_>>(), [0, 1, 2].map(FileId));
    // A watermark never goes back.
    let stale =
        FlushCommit { flushed: vec![(cpu.table, Sequence(3))], watermark: Sequence(7), ..FlushCommit::default() };
    assert_eq!(test.lake.commit_flush(&stale).await.unwrap(), []);
    let watermarks = [(cpu.table, Sequence(9)), (mem.table, Sequence(8))];
    assert_eq!(test.lake.flushed_sequences().await.unwrap(), watermarks);

    let (_lake, state) = test.reopen().await;
    let cpu = TableSchema { tag_order: vec![ColumnId(3), ColumnId(2)], ..cpu };
    assert_eq!(state.buckets, [bucket(1, "b")]);
    assert_eq!(state.tables, [(cpu, Sequence(9)), (mem, Sequence(8))]);
    assert_eq!(state.files, files);
    assert_eq!(state.watermark, Sequence(8));
    let row_ids = "SELECT data_file_id || ' ' || path || ' ' || row_id_start FROM ducklake_data_file";
    assert_eq!(texts(&test.lake, row_ids).await, ["0 a.parquet 0", "1 a.parquet 0", "2 b.parquet 10"]);
}

#[tokio::test]
async fn a_moved_data_directory_opens() {
    let test = TestLake::new().await;
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    test.lake.close().await;
    let moved = test.directory.path().join("elsewhere");
    let (lake, state) = Lake::open(&test.location, &moved, test.clock(), false).await.unwrap();
    assert_eq!(state.tables, [(cpu, Sequence::ZERO)]);
    let path = texts(&lake, "SELECT \"value\" FROM ducklake_metadata WHERE \"key\" = 'data_path'").await;
    assert_eq!(path, [format!("{}/", moved.display())]);
}

#[tokio::test]
async fn a_newer_catalog_is_refused_and_left_alone() {
    let test = TestLake::new().await;
    test.table("cpu", &[("host", TAG)]).await;
    for (statement, restore, message) in [
        (
            "UPDATE freshet_format SET version = 3",
            "UPDATE freshet_format SET version = 2",
            "the catalog has format 3, and this version reads up to format 2: use a newer Freshet",
        ),
        (
            "UPDATE ducklake_metadata SET \"value\" = '2.0' WHERE \"key\" = 'version'",
            "UPDATE ducklake_metadata SET \"value\" = '1.0' WHERE \"key\" = 'version'",
            "the catalog is DuckLake 2.0, and this version of Freshet writes DuckLake 1.0",
        ),
    ] {
        let lake = if test.lake.database.is_postgres() {
            // PostgreSQL lets nobody in beside the first.
            test.lake.close().await;
            Lake::open(&test.location, &test.files_root(), test.clock(), false).await.unwrap().0
        } else {
            test.lake.clone()
        };
        support::execute(&lake, statement).await;
        let before = dump(&lake).await;
        let elsewhere = test.directory.path().join("elsewhere");
        if let Location::Postgres(location) = &test.location {
            lake.close().await;
            let error = Lake::open(&test.location, &elsewhere, test.clock(), false).await.unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(support::dump_postgres(&location.schema), before);
            testkit::postgres_sql(&format!("SET search_path TO {}; {restore}", location.schema));
            continue;
        }
        let error = Lake::open(&test.location, &elsewhere, test.clock(), false).await.unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(dump(&lake).await, before);
        support::execute(&lake, restore).await;
    }
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing() {
    let test = TestLake::new().await;
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    let mem = test.table("mem", &[("used", INTEGER)]).await;
    let committed = FlushCommit {
        files: vec![file(&cpu, "a.parquet", 10, (1, 2))],
        flushed: vec![(cpu.table, Sequence(2))],
        ..FlushCommit::default()
    };
    test.lake.commit_flush(&committed).await.unwrap();
    let before = dump(&test.lake).await;
    let dropped = TableSchema { table: TableId(99), ..mem.clone() };
    let mut misplaced = file(&cpu, "c.parquet", 1, (3, 3));
    misplaced.path = format!("{}sub/c.parquet", table_directory(cpu.bucket, cpu.table));
    let cases = [
        // The same path again: the database refuses it in the middle of the transaction.
        (vec![file(&mem, "b.parquet", 1, (3, 3)), file(&cpu, "a.parquet", 10, (1, 2))], "failed to write files"),
        (vec![file(&mem, "b.parquet", 1, (3, 3)), file(&dropped, "c.parquet", 1, (3, 3))], "table 99 is not"),
        (vec![file(&mem, "b.parquet", 1, (3, 3)), misplaced], "is not directly in directory"),
        (vec![file(&mem, "b.parquet", u64::MAX, (3, 3))], "row count 18446744073709551615 is too large"),
    ];
    for (files, message) in cases {
        let tag_orders = vec![(cpu.table, vec![ColumnId(2)])];
        let flushed = vec![(cpu.table, Sequence(3))];
        let commit = FlushCommit { files, flushed, tag_orders, watermark: Sequence(3), ..FlushCommit::default() };
        let error = test.lake.commit_flush(&commit).await.unwrap_err();
        assert!(matches!(error, CommitError::NotCommitted(_)), "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(dump(&test.lake).await, before);
    }
    let commit = FlushCommit { files: vec![file(&mem, "b.parquet", 1, (3, 3))], ..FlushCommit::default() };
    test.lake.commit_flush(&commit).await.unwrap();
}

#[tokio::test]
async fn deletes_come_and_go_with_commits() {
    let test = TestLake::new().await;
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    let tombstone = |sequence: u64, bucket: u64, value: &str| {
        let term = DeleteTerm { subject: DeleteSubject::Measurement, is_equal: true, value: value.to_owned() };
        let filter = DeleteFilter { time_range: (i64::MIN + 2, i64::MAX - 1), terms: vec![term] };
        Arc::new(Tombstone { sequence: Sequence(sequence), bucket: BucketId::from_u64(bucket).unwrap(), filter })
    };
    let live = async || {
        let (_lake, state) = test.reopen().await;
        state.tombstones.into_iter().map(Arc::new).collect::<Vec<_>>()
    };
    let (first, second) = (tombstone(4, 1, "a\u{0}ü"), tombstone(5, 1, ""));
    let mut new = file(&cpu, "a.parquet", 10, (1, 3));
    new.deletes_applied = Sequence(6);
    let commit = FlushCommit {
        files: vec![new],
        flushed: vec![(cpu.table, Sequence(3))],
        watermark: Sequence(6),
        deletes: vec![Arc::clone(&first), Arc::clone(&second)],
        ..FlushCommit::default()
    };
    let files = test.lake.commit_flush(&commit).await.unwrap();
    assert_eq!(files[0].deletes_applied, Sequence(6));
    assert_eq!(test.lake.committed_files(&commit).await.unwrap(), Some(files));
    assert_eq!(live().await, [Arc::clone(&first), Arc::clone(&second)]);
    // Whoever tries again brings the same ones, and forgets what is gone already.
    let third = tombstone(7, 1, "c");
    let commit = FlushCommit {
        deletes: vec![Arc::clone(&second), Arc::clone(&third)],
        forgotten_deletes: vec![first.sequence, Sequence(2)],
        ..FlushCommit::default()
    };
    for _ in 0..2 {
        test.lake.commit_flush(&commit).await.unwrap();
        assert_eq!(live().await, [Arc::clone(&second), Arc::clone(&third)]);
    }
    // A bucket takes its own with it.
    let other = tombstone(8, 2, "d");
    let commit = FlushCommit { deletes: vec![Arc::clone(&other)], ..FlushCommit::default() };
    test.lake.commit_flush(&commit).await.unwrap();
    test.lake.drop_bucket(cpu.bucket).await.unwrap();
    assert_eq!(live().await, [other]);
}

#[tokio::test]
async fn a_data_file_has_one_live_delete_file_as_long_as_it_lives() {
    let test = TestLake::new().await;
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    let files = vec![file(&cpu, "a.parquet", 10, (1, 1)), file(&cpu, "b.parquet", 10, (2, 2))];
    let files = test.lake.commit_flush(&FlushCommit { files, ..FlushCommit::default() }).await.unwrap();
    let delete_file = |file: FileId, name: &str, delete_count: u64| NewDeleteFile {
        table: cpu.table,
        file,
        path: format!("{}{name}", table_directory(cpu.bucket, cpu.table)),
        delete_count,
        size_bytes: 100,
        footer_size_bytes: 50,
    };
    let (first, second) = (files[0].file, files[1].file);
    let commit = async |new: &[NewDeleteFile]| test.lake.commit_delete_files(new).await.unwrap();
    assert_eq!(commit(&[delete_file(first, "1.parquet", 3), delete_file(second, "2.parquet", 4)]).await, [""; 0]);
    // One is replaced; a data file that is gone has none.
    let gone = delete_file(FileId(99), "4.parquet", 1);
    let both = [delete_file(first, "3.parquet", 5), gone.clone()];
    assert_eq!(commit(&both).await, [gone.path.as_str()]);
    assert_eq!(test.lake.delete_counts().await.unwrap(), [(first, 5), (second, 4)].into());
    let rows = "SELECT begin_snapshot || ' ' || coalesce(CAST(end_snapshot AS TEXT), '-') || ' ' || data_file_id \
                || ' ' || path FROM ducklake_delete_file ORDER BY delete_file_id";
    assert_eq!(texts(&test.lake, rows).await, ["3 4 0 1.parquet", "3 - 1 2.parquet", "4 - 0 3.parquet"]);
    let changes = "SELECT changes_made FROM ducklake_snapshot_changes WHERE snapshot_id > 2 ORDER BY snapshot_id";
    assert_eq!(texts(&test.lake, changes).await, ["deleted_from_table:2", "deleted_from_table:2"]);
    let misplaced = NewDeleteFile { path: "elsewhere/5.parquet".to_owned(), ..delete_file(first, "", 6) };
    let error = test.lake.commit_delete_files(&[misplaced]).await.unwrap_err();
    assert!(matches!(error, CommitError::NotCommitted(LakeError::FilePath { .. })), "{error}");
    // A round that has nothing to say makes no snapshot, and a dropped bucket leaves nothing live.
    assert_eq!(commit(std::slice::from_ref(&gone)).await, [gone.path]);
    test.lake.drop_bucket(cpu.bucket).await.unwrap();
    assert_eq!(test.lake.delete_counts().await.unwrap(), HashMap::new());
    assert_eq!(texts(&test.lake, "SELECT CAST(max(snapshot_id) AS TEXT) FROM ducklake_snapshot").await, ["5"]);
}

#[tokio::test]
async fn files_of_before_deletes_have_applied_those_before_their_last_row() {
    let test = TestLake::new().await;
    if test.lake.database.is_postgres() {
        // The first schema there knows deletes.
        return;
    }
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    let commit = FlushCommit { files: vec![file(&cpu, "a.parquet", 1, (4, 9))], ..FlushCommit::default() };
    test.lake.commit_flush(&commit).await.unwrap();
    // Back to the tables of version 1, as far as deletes go.
    for statement in [
        "DROP TABLE freshet_delete",
        "ALTER TABLE freshet_file DROP COLUMN deletes_applied",
        "UPDATE freshet_format SET version = 1",
        "DELETE FROM _sqlx_migrations WHERE version = 4",
    ] {
        support::execute(&test.lake, statement).await;
    }
    let (_lake, state) = test.reopen().await;
    assert_eq!(state.files[0].deletes_applied, Sequence(9));
    assert_eq!(texts(&test.lake, "SELECT CAST(version AS TEXT) FROM freshet_format").await, ["2"]);
}

/// A file's statistics of one column: its values, `None` for null.
fn measured(column: i64, values: &[Option<StatisticsValue>]) -> ColumnStatistics {
    let present: Vec<&StatisticsValue> = values.iter().flatten().collect();
    let contains_nan = present.iter().any(|value| matches!(value, StatisticsValue::Float(float) if float.is_nan()));
    ColumnStatistics {
        column: ColumnId(column),
        size_bytes: 1,
        value_count: present.len() as u64,
        null_count: (values.len() - present.len()) as u64,
        range: support::range(present.into_iter()),
        contains_nan,
    }
}

/// Column, contains_null, contains_nan, minimum and maximum of every row of `ducklake_table_column_stats`.
type StatisticsRow = (i64, bool, Option<bool>, Option<String>, Option<String>);

async fn column_statistics(lake: &Lake) -> Vec<StatisticsRow> {
    let statement = "SELECT column_id, contains_null, contains_nan, min_value, max_value \
         FROM ducklake_table_column_stats ORDER BY column_id";
    lake.read("test", sql::statement(statement)).await.unwrap()
}

#[tokio::test]
async fn statistics_of_a_table_are_those_of_all_its_values() {
    use StatisticsValue::{Float, Integer, Text, Time};
    let test = TestLake::new().await;
    let schema = test.table("m", &[("tag", TAG), ("f", FLOAT), ("i", INTEGER), ("late", INTEGER)]).await;
    let text = |text: &str| Some(Text(text.to_owned()));
    let files: Vec<[Vec<Option<StatisticsValue>>; 4]> = vec![
        // All null first: the bounds are to be those of later files.
        [
            vec![Some(Time(5)), Some(Time(6))],
            vec![None, None],
            vec![None, Some(Float(1.0))],
            vec![Some(Integer(1)), Some(Integer(9))],
        ],
        [
            vec![Some(Time(-7)), Some(Time(6))],
            vec![text("b"), text("a")],
            vec![Some(Float(1e300)), None],
            vec![Some(Integer(10)), Some(Integer(i64::MIN))],
        ],
        [
            vec![Some(Time(1_000_000_000)), Some(Time(0))],
            vec![text(&"z".repeat(99)), None],
            vec![Some(Float(f64::NAN)), Some(Float(-2.5))],
            vec![Some(Integer(i64::MAX)), None],
        ],
        [vec![Some(Time(500))], vec![text("")], vec![Some(Float(-0.0))], vec![None]],
    ];
    let mut whole: [Vec<Option<StatisticsValue>>; 4] = Default::default();
    for (number, columns) in files.iter().enumerate() {
        let mut new = file(&schema, &format!("{number}.parquet"), columns[0].len() as u64, (1, 1));
        new.statistics = columns.iter().zip(1..).map(|(values, column)| measured(column, values)).collect();
        for (of_all, values) in whole.iter_mut().zip(columns) {
            of_all.extend(values.iter().cloned());
        }
        test.lake.commit_flush(&FlushCommit { files: vec![new], ..FlushCommit::default() }).await.unwrap();
        let rows = column_statistics(&test.lake).await;
        let expected: Vec<_> = whole
            .iter()
            .zip(1..)
            .map(|(values, column)| measured(column, values))
            .filter(|column| column.value_count > 0)
            .map(|column| {
                let is_float = column.column == ColumnId(3);
                let Bounds { min, max } = Bounds::of(column.range.as_ref());
                (column.column.0, column.null_count > 0, is_float.then_some(column.contains_nan), min, max)
            })
            .collect();
        assert_eq!(rows, expected, "after file {number}");
    }
    let totals: (i64, i64, i64) =
        sql::statement("SELECT record_count, next_row_id, file_size_bytes FROM ducklake_table_stats")
            .row(&mut test.lake.database.begin_read().await.unwrap())
            .await
            .unwrap();
    assert_eq!(totals, (7, 7, 400));
}

#[tokio::test]
async fn a_bound_that_cannot_be_said_stays_unsaid() {
    use StatisticsValue::{Text, Time};
    let test = TestLake::new().await;
    let schema = test.table("m", &[("tag", TAG)]).await;
    let unsayable = "\u{10ffff}".repeat(20);
    for (number, (time, tag)) in [(5, "a"), (i64::MIN + 2, unsayable.as_str()), (7, "b")].into_iter().enumerate() {
        let mut new = file(&schema, &format!("{number}.parquet"), 1, (1, 1));
        new.statistics = vec![measured(1, &[Some(Time(time))]), measured(2, &[Some(Text(tag.to_owned()))])];
        test.lake.commit_flush(&FlushCommit { files: vec![new], ..FlushCommit::default() }).await.unwrap();
    }
    let statement = "SELECT coalesce(min_value, '?') || ' ' || coalesce(max_value, '?') \
                     FROM ducklake_table_column_stats ORDER BY column_id";
    assert_eq!(texts(&test.lake, statement).await, ["? ?", "? ?"]);
}

#[tokio::test]
async fn a_dropped_bucket_begins_empty_again() {
    let test = TestLake::new().await;
    let kept = Registration {
        buckets: vec![bucket(2, "kept")],
        tables: vec![new_table(2, "cpu", &[("host", TAG)])],
        columns: vec![],
    };
    let kept = test.lake.register(kept).await.unwrap().tables;
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    let files = vec![file(&cpu, "a.parquet", 1, (1, 1)), file(&kept[0], "a.parquet", 1, (1, 1))];
    let files = test.lake.commit_flush(&FlushCommit { files, ..FlushCommit::default() }).await.unwrap();
    test.lake.drop_bucket(cpu.bucket).await.unwrap();
    // Again, and one that never was: nothing to do.
    let before = dump(&test.lake).await;
    test.lake.drop_bucket(cpu.bucket).await.unwrap();
    test.lake.drop_bucket(BucketId::from_u64(77).unwrap()).await.unwrap();
    assert_eq!(dump(&test.lake).await, before);

    let live = "SELECT 'schema ' || schema_name FROM ducklake_schema WHERE end_snapshot IS NULL \
                UNION ALL SELECT 'table ' || table_id FROM ducklake_table WHERE end_snapshot IS NULL \
                UNION ALL SELECT DISTINCT 'column of ' || table_id FROM ducklake_column WHERE end_snapshot IS NULL \
                UNION ALL SELECT DISTINCT 'tags of ' || table_id FROM ducklake_column_tag WHERE end_snapshot IS NULL \
                UNION ALL SELECT 'file ' || data_file_id FROM ducklake_data_file WHERE end_snapshot IS NULL";
    assert_eq!(
        texts(&test.lake, live).await,
        ["schema main", "schema kept", "table 2", "column of 2", "tags of 2", "file 1"]
    );
    let late = FlushCommit { files: vec![file(&cpu, "b.parquet", 1, (2, 2))], ..FlushCommit::default() };
    let error = test.lake.commit_flush(&late).await.unwrap_err();
    assert!(matches!(error, CommitError::NotCommitted(LakeError::UnknownTable(table)) if table == cpu.table));

    // The same name under another id: a new schema and a new table, without files.
    let again = Registration {
        buckets: vec![bucket(3, "b")],
        tables: vec![new_table(3, "cpu", &[("host", FLOAT)])],
        columns: vec![],
    };
    let again = test.lake.register(again).await.unwrap().tables;
    assert_ne!(again[0].table, cpu.table);
    let (_lake, state) = test.reopen().await;
    assert_eq!(state.buckets, [bucket(2, "kept"), bucket(3, "b")]);
    assert_eq!(state.tables, [(kept[0].clone(), Sequence::ZERO), (again[0].clone(), Sequence::ZERO)]);
    assert_eq!(state.files, files[1..]);
}

#[tokio::test]
async fn a_bucket_is_renamed_in_place() {
    let test = TestLake::new().await;
    let cpu = test.table("cpu", &[("host", TAG)]).await;
    let buckets = vec![bucket(2, "taken")];
    test.lake.register(Registration { buckets, ..Registration::default() }).await.unwrap();
    let schemas = "SELECT schema_name FROM ducklake_schema WHERE end_snapshot IS NULL ORDER BY schema_id";
    for (name, expected) in [("new", "new"), ("NEW", "NEW"), ("Taken", "acme.Taken"), ("b", "b")] {
        test.lake.rename_bucket(&bucket(1, name)).await.unwrap();
        let before = dump(&test.lake).await;
        test.lake.rename_bucket(&bucket(1, name)).await.unwrap();
        assert_eq!(dump(&test.lake).await, before, "a name that it has already changes nothing");
        assert_eq!(texts(&test.lake, schemas).await, ["main", expected, "taken"]);
    }
    let organisation = BucketInfo { organisation_name: "new owner".to_owned(), ..bucket(1, "b") };
    test.lake.rename_bucket(&organisation).await.unwrap();
    test.lake.rename_bucket(&bucket(9, "unknown")).await.unwrap();
    let tags = "SELECT \"key\" || ' ' || \"value\" FROM ducklake_tag WHERE object_id = 1 AND end_snapshot IS NULL";
    assert_eq!(texts(&test.lake, tags).await, ["freshet.bucket \"b\"", "freshet.organisation \"new owner\""]);
    let (_lake, state) = test.reopen().await;
    assert_eq!(state.buckets, [organisation, bucket(2, "taken")]);
    assert_eq!(state.tables, [(cpu, Sequence::ZERO)]);
}

#[tokio::test]
async fn ten_thousand_measurements_fit_in_one_registration() {
    let test = TestLake::new().await;
    let names: Vec<String> = (0..10_000).map(|number| format!("measurement {number}")).collect();
    let columns = [("host", TAG), ("value", FLOAT), ("count", ColumnKind::Field(FieldKind::Unsigned))];
    let request = Registration {
        buckets: vec![bucket(1, "b")],
        tables: names.iter().map(|name| new_table(1, name, &columns)).collect(),
        columns: Vec::new(),
    };
    let registered = test.lake.register(request.clone()).await.unwrap().tables;
    assert_eq!(
        registered.iter().map(|schema| &schema.measurement).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    let commit = FlushCommit {
        files: registered.iter().map(|schema| file(schema, "a.parquet", 1, (1, 1))).collect(),
        flushed: registered.iter().map(|schema| (schema.table, Sequence(1))).collect(),
        tag_orders: registered.iter().map(|schema| (schema.table, vec![ColumnId(2)])).collect(),
        watermark: Sequence(1),
        ..FlushCommit::default()
    };
    let files = test.lake.commit_flush(&commit).await.unwrap();
    let (_lake, state) = test.reopen().await;
    assert_eq!((state.tables.len(), &state.files), (10_000, &files));
    assert!(state.tables.iter().all(|(schema, flushed)| *flushed == Sequence(1) && schema.tag_order.len() == 1));
    assert_eq!(test.lake.register(request).await.unwrap().tables.len(), 10_000);
}

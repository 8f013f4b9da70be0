//! DuckDB attaches the live catalog and reads what was committed: every row, and no fewer under a filter.
//!
//! `tests/clients/python/lake_read.py` is the reader. Its Python comes from `FRESHET_TEST_PYTHON`, which
//! `cargo xtask test` sets; without it these tests fail, unless `FRESHET_TEST_CLIENTS=skip` asks to leave them out.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray,
    UInt64Array,
};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use line_protocol::FieldKind;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use super::support::{self, BOOLEAN, FLOAT, INTEGER, STRING, TAG, TestLake, UNSIGNED, bucket, new_table};
use super::*;

/// A value of a tag or field; `None` is null.
type Cell = Option<StatisticsValue>;

/// Rows of a file: the time, then a cell for each of the first columns of the table. Later ones are null.
type Rows<'a> = &'a [(i64, Vec<Cell>)];

fn text(text: &str) -> Cell {
    Some(StatisticsValue::Text(text.to_owned()))
}

fn float(float: f64) -> Cell {
    Some(StatisticsValue::Float(float))
}

fn integer(integer: i64) -> Cell {
    Some(StatisticsValue::Integer(integer))
}

fn unsigned(unsigned: u64) -> Cell {
    Some(StatisticsValue::Unsigned(unsigned))
}

fn boolean(boolean: bool) -> Cell {
    Some(StatisticsValue::Boolean(boolean))
}

/// Writes a Parquet file of `rows` and describes it as a flush would. Columns that no row has a cell for are missing
/// in the file, as in one that is older than the column.
fn write_file(root: &Path, schema: &TableSchema, name: &str, rows: Rows<'_>) -> NewDataFile {
    let width = rows.iter().map(|(_, cells)| cells.len()).max().unwrap();
    let times: Vec<i64> = rows.iter().map(|(time, _)| *time).collect();
    let columns: Vec<Vec<Cell>> =
        (0..width).map(|index| rows.iter().map(|(_, cells)| cells.get(index).cloned().flatten()).collect()).collect();
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(TimestampNanosecondArray::from(times.clone()))];
    for (column, cells) in schema.columns.iter().zip(&columns) {
        arrays.push(array(column.kind, cells));
    }
    let physical = schema.physical_schema();
    let physical = Arc::new(physical.project(&(0..=width).collect::<Vec<_>>()).unwrap());

    let path = format!("{}{name}", table_directory(schema.bucket, schema.table));
    let full_path = root.join(&path);
    fs::create_dir_all(full_path.parent().unwrap()).unwrap();
    let batch = RecordBatch::try_new(Arc::clone(&physical), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&full_path).unwrap(), physical, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let bytes = fs::read(&full_path).unwrap();
    let footer: [u8; 4] = bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap();
    let time_cells: Vec<Cell> = times.iter().map(|time| Some(StatisticsValue::Time(*time))).collect();
    let all = std::iter::once(&time_cells).chain(&columns);
    NewDataFile {
        path,
        row_count: rows.len() as u64,
        size_bytes: bytes.len() as u64,
        footer_size_bytes: u64::from(u32::from_le_bytes(footer)),
        time_range: (*times.iter().min().unwrap(), *times.iter().max().unwrap()),
        statistics: all.zip(1..).map(|(cells, column)| measured(column, cells)).collect(),
        ..support::file(schema, name, 0, (1, 1))
    }
}

fn array(kind: ColumnKind, cells: &[Cell]) -> ArrayRef {
    macro_rules! values {
        ($variant:ident) => {
            cells.iter().map(|cell| match cell {
                Some(StatisticsValue::$variant(value)) => Some(value.to_owned()),
                None => None,
                Some(other) => panic!("{other:?} in a column of another type"),
            })
        };
    }
    match kind {
        ColumnKind::Tag => {
            let values: Vec<Option<String>> = values!(Text).collect();
            Arc::new(values.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())
        }
        ColumnKind::Field(FieldKind::String) => Arc::new(values!(Text).collect::<StringArray>()),
        ColumnKind::Field(FieldKind::Float) => Arc::new(values!(Float).collect::<Float64Array>()),
        ColumnKind::Field(FieldKind::Integer) => Arc::new(values!(Integer).collect::<Int64Array>()),
        ColumnKind::Field(FieldKind::Unsigned) => Arc::new(values!(Unsigned).collect::<UInt64Array>()),
        ColumnKind::Field(FieldKind::Boolean) => Arc::new(values!(Boolean).collect::<BooleanArray>()),
    }
}

/// What the reader is to find in a table: names as in the catalog, rows with every value as text.
fn expectation(schema_name: &str, table_name: &str, schema: &TableSchema, files: &[Rows<'_>]) -> Value {
    let cell = |cell: Option<&Cell>| match cell {
        None | Some(None) => Value::Null,
        Some(Some(StatisticsValue::Text(text))) => json!(text),
        Some(Some(StatisticsValue::Float(float))) => json!(format!("{float:e}")),
        Some(Some(StatisticsValue::Integer(integer))) => json!(integer.to_string()),
        Some(Some(StatisticsValue::Unsigned(unsigned))) => json!(unsigned.to_string()),
        Some(Some(StatisticsValue::Boolean(boolean))) => json!(boolean.to_string()),
        Some(Some(StatisticsValue::Time(_))) => panic!("a time is no field"),
    };
    let rows: Vec<Value> = files
        .iter()
        .flat_map(|rows| rows.iter())
        .map(|(time, cells)| {
            let cells = (0..schema.columns.len()).map(|index| cell(cells.get(index)));
            std::iter::once(json!(time.to_string())).chain(cells).collect()
        })
        .collect();
    let columns: Vec<Value> = schema
        .columns
        .iter()
        .map(|column| {
            json!({
                "name": column.physical_name,
                "real_name": column.name,
                "kind": super::super::load::kind_text(column.kind),
            })
        })
        .collect();
    json!({
        "schema": schema_name,
        "table": table_name,
        "measurement": schema.measurement,
        "columns": columns,
        "rows": rows,
    })
}

/// Runs the reader over the catalog, unless the tests of clients are to be left out.
fn run_reader(test: &TestLake, expected: &Value) {
    if std::env::var("FRESHET_TEST_CLIENTS").is_ok_and(|value| value == "skip") {
        return;
    }
    let Some(python) = std::env::var_os("FRESHET_TEST_PYTHON") else {
        panic!("FRESHET_TEST_PYTHON is not set: run `cargo xtask test`, or set FRESHET_TEST_CLIENTS=skip");
    };
    let expected_path = test.directory.path().join("expected.json");
    fs::write(&expected_path, serde_json::to_vec(expected).unwrap()).unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/python/lake_read.py");
    let output = Command::new(python).arg(program).arg(test.reader_argument()).arg(expected_path).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    println!("{said}");
}

/// Writes one file for each of `files`, named by `prefix` and a number, and commits them together.
async fn commit(test: &TestLake, schema: &TableSchema, prefix: &str, files: &[Rows<'_>]) {
    let files = files
        .iter()
        .enumerate()
        .map(|(number, rows)| write_file(&test.files_root(), schema, &format!("{prefix}{number}.parquet"), rows))
        .collect();
    let commit = FlushCommit { files, ..FlushCommit::default() };
    test.lake.commit_flush(&commit).await.unwrap();
}

/// Times at and near every limit.
const TIMES: [i64; 7] = [i64::MIN + 2, -9_223_286_400_000_000_000, -1, 0, 1, 1_577_836_800_123_456_789, i64::MAX - 1];

#[rustfmt::skip]
const TEXTS: [&str; 18] = [
    "", "a", "A", "b", "\u{1}", "\u{1}\u{2}", "tab\there", "a\0", "a\0b", "\0", "ü", "日本語", "'", "\"",
    "\u{10ffff}", "\u{d7ff}", "NULL", "nan",
];

#[rustfmt::skip]
const FLOATS: [f64; 15] = [
    0.0, -0.0, 1.5, -1.5, 1e-5, 1e16, 123_456_789_012_345_680.0, f64::MAX, f64::MIN, 5e-324, f64::MIN_POSITIVE,
    f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.1,
];

/// A column of each kind.
const COLUMNS: [(&str, ColumnKind); 6] =
    [("tag", TAG), ("text", STRING), ("float", FLOAT), ("integer", INTEGER), ("unsigned", UNSIGNED), ("flag", BOOLEAN)];

/// Files for [`COLUMNS`]: one a value, so that each bound is tight, then some that mix values with nulls.
fn extreme_files() -> Vec<Vec<(i64, Vec<Cell>)>> {
    let long = ["x".repeat(64), "x".repeat(65), format!("{}ü", "x".repeat(63)), "x".repeat(1 << 20)];
    let unsayable = "\u{10ffff}".repeat(20);
    let long = long.iter().map(String::as_str).chain([unsayable.as_str()]);
    let texts: Vec<Cell> = TEXTS.into_iter().chain(long).map(text).collect();
    let floats = FLOATS.map(float);
    let integers = [0, 1, -1, i64::MIN, i64::MAX, 1 << 53, (1 << 53) + 1].map(integer);
    let unsigneds = [0, 1, u64::MAX, u64::MAX - 1, 1 << 63].map(unsigned);
    let pick = |cells: &[Cell], index: usize| cells[index % cells.len()].clone();
    let mut files = Vec::new();
    for index in 0..texts.len() {
        let mut cells = vec![pick(&texts, index), pick(&texts, index + 7), pick(&floats, index)];
        cells.extend([pick(&integers, index), pick(&unsigneds, index), boolean(index % 2 == 0)]);
        files.push(vec![(TIMES[index % TIMES.len()], cells)]);
    }
    let mixed = (0..9).map(|index| {
        let text = pick(&texts, index * 2).filter(|_| index % 3 > 0);
        (index as i64 * 1_000, vec![text, None, pick(&floats, index + 3), None])
    });
    files.push(mixed.collect());
    files.push(vec![(7, vec![None; 6]), (8, vec![])]);
    files
}

#[tokio::test]
async fn duckdb_reads_every_row_under_every_filter() {
    let test = TestLake::new().await;
    let schema = test.table("values", &COLUMNS).await;
    let files = extreme_files();
    let files: Vec<Rows<'_>> = files.iter().map(Vec::as_slice).collect();
    // Two commits, so that statistics of the table are merged.
    let (first, later) = files.split_at(10);
    commit(&test, &schema, "a", first).await;
    commit(&test, &schema, "b", later).await;
    let expected = expectation("b", "values", &schema, &files);
    run_reader(&test, &json!({ "tables": [expected], "pruned": [] }));
}

#[tokio::test]
async fn duckdb_reads_awkward_names_and_later_columns() {
    let test = TestLake::new().await;
    let long = "n".repeat(300);
    let names = ["a\0b", "q\"uo'te, \"x\".\"y\"", long.as_str(), "Ü", "ü", "select", "rowid", "\u{1}"];
    let mut columns: Vec<(&str, ColumnKind)> = names.iter().flat_map(|name| [(*name, TAG), (*name, FLOAT)]).collect();
    columns.extend([("time", TAG), ("TIME", FLOAT), ("Select", INTEGER)]);
    let cells: Vec<Cell> = columns
        .iter()
        .zip(0_u32..)
        .map(|((name, kind), number)| match kind {
            ColumnKind::Tag => text(name),
            ColumnKind::Field(FieldKind::Float) => float(f64::from(number) + 0.5),
            _ => integer(i64::from(number)),
        })
        .collect();
    let mut bucket = bucket(1, "my \"bucket\".x");
    bucket.organisation_name = "org\0".to_owned();
    let request = Registration {
        buckets: vec![bucket],
        tables: names.iter().map(|name| new_table(1, name, &columns)).collect(),
        columns: Vec::new(),
    };
    let mut expected = Vec::new();
    for schema in test.lake.register(request).await.unwrap().tables {
        // The first file has only some of the columns, the third one none.
        let old = vec![(1, cells[..3].to_vec()), (2, cells[..1].to_vec())];
        let rows: [Rows<'_>; 3] = [&old, &[(3, cells.clone())], &[(4, vec![])]];
        commit(&test, &schema, "", &rows).await;
        let name: String = sql::statement("SELECT table_name FROM ducklake_table WHERE table_id = $1")
            .bind(schema.table.0)
            .value(&mut test.lake.database.begin_read().await.unwrap())
            .await
            .unwrap();
        expected.push(expectation("my \"bucket\".x", &name, &schema, &rows));
    }
    run_reader(&test, &json!({ "tables": expected, "pruned": [], "operators": ["="] }));
}

#[tokio::test]
async fn duckdb_skips_files_by_their_bounds() {
    let test = TestLake::new().await;
    let schema = test.table("m", &COLUMNS).await;
    let row = |time: i64, first: &str, number: u32| {
        let cells = vec![
            text(&first.repeat(64)),
            text(first),
            float(f64::from(number) - 2.0),
            integer(i64::from(number) - 2),
            unsigned(u64::from(number) << 62),
            boolean(number > 1),
        ];
        (time, cells)
    };
    let near = [row(10, "a", 0), row(20, "b", 1)];
    let far = [row(1_000_000_000_000_000_030, "m", 2), row(1_000_000_000_000_000_040, "n", 3)];
    commit(&test, &schema, "", &[&near, &far]).await;
    // A query that does not skip the second file fails now.
    fs::remove_file(test.files_root().join(format!("{}1.parquet", table_directory(schema.bucket, schema.table))))
        .unwrap();
    let kept = expectation("b", "m", &schema, &[&near]);
    let gone = expectation("b", "m", &schema, &[&far]);
    run_reader(&test, &json!({ "tables": [], "pruned": [{ "kept": kept, "gone": gone }] }));
}

#[tokio::test]
async fn duckdb_sees_a_bucket_come_go_and_change() {
    let test = TestLake::new().await;
    let first = test.table("cpu", &[("host", TAG)]).await;
    let second = Registration {
        buckets: vec![bucket(2, "second")],
        tables: vec![new_table(2, "cpu", &[("host", TAG)])],
        columns: vec![],
    };
    let second = test.lake.register(second).await.unwrap().tables.remove(0);
    let rows: [Rows<'_>; 1] = [&[(1, vec![text("a")]), (2, vec![None])]];
    commit(&test, &first, "", &rows).await;
    commit(&test, &second, "", &rows).await;
    run_reader(
        &test,
        &json!({ "pruned": [], "schemas": ["b", "second"], "tables": [
            expectation("b", "cpu", &first, &rows), expectation("second", "cpu", &second, &rows),
        ]}),
    );

    test.lake.drop_bucket(first.bucket).await.unwrap();
    test.lake.rename_bucket(&bucket(2, "b")).await.unwrap();
    run_reader(
        &test,
        &json!({ "pruned": [], "schemas": ["b"], "tables": [
            expectation("b", "cpu", &second, &rows),
        ]}),
    );

    test.lake.drop_bucket(second.bucket).await.unwrap();
    let again = test.table("cpu", &[("host", INTEGER)]).await;
    run_reader(&test, &json!({ "pruned": [], "schemas": ["b"], "tables": [expectation("b", "cpu", &again, &[])] }));
    let rows: [Rows<'_>; 1] = [&[(1, vec![integer(5)])]];
    commit(&test, &again, "", &rows).await;
    run_reader(&test, &json!({ "pruned": [], "schemas": ["b"], "tables": [expectation("b", "cpu", &again, &rows)] }));
}

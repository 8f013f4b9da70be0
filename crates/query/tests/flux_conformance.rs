//! Flux by its rules: the texts in `tests/golden/flux`, run through the engine without any bucket.
//!
//! A text begins with what every script of it begins with. Then come lines of `expression -> what display gives`, or,
//! between lines of `====`, whole scripts: a name, the script, `->`, and the tables that it gives. `-> error: words`
//! stands for a failure with these words, `-> nothing` for no table.
//!
//! A table is a line of `label:type`, with a star for columns of the group key, and its rows; `-` begins the next table
//! of the same columns. Times are seconds since 1970 behind an `@`. A row of nothing but nulls and empty texts in its
//! one column is `<empty>`; a table without rows is `empty:` and its key.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use query::flux::{
    BucketReference, BucketRow, DatabaseRow, FluxError, FluxHost, FluxPart, FluxRequest, Table, Value, parse,
};
use query::{QueryEngine, QueryOptions};

/// 2026-05-17T13:14:15Z.
const NOW_NS: i64 = 1_779_023_655_000_000_000;

/// There is nothing to read.
#[derive(Debug)]
struct Nowhere;

impl FluxHost for Nowhere {
    fn snapshot(&self, bucket: BucketReference) -> BoxFuture<'_, Result<storage::Snapshot, FluxError>> {
        Box::pin(async move { Err(bucket.not_found()) })
    }

    fn buckets(&self) -> BoxFuture<'_, Result<Vec<BucketRow>, FluxError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn databases(&self) -> BoxFuture<'_, Result<Vec<DatabaseRow>, FluxError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn write(&self, bucket: BucketReference, _lines: String) -> BoxFuture<'_, Result<(), FluxError>> {
        Box::pin(async move { Err(bucket.not_found()) })
    }
}

fn engine(folder: &tempfile::TempDir) -> QueryEngine {
    let options = QueryOptions {
        memory_limit_bytes: 1 << 28,
        spill_dir: folder.path().join("spill"),
        spill_limit_bytes: 1 << 30,
        threads: 2,
        running: 4,
        waiting: 16,
        timeout: Duration::from_secs(60),
    };
    QueryEngine::new(options).unwrap()
}

/// What a script gives, as text: tables, `nothing`, or `error: …`.
async fn answer(engine: &QueryEngine, script: &str) -> String {
    match tables(engine, script).await {
        Err(message) => format!("error: {message}"),
        Ok(tables) if tables.is_empty() => "nothing".to_owned(),
        Ok(tables) => show(&tables),
    }
}

async fn tables(engine: &QueryEngine, script: &str) -> Result<Vec<Table>, String> {
    let file = parse(script).map_err(|error| error.to_string())?;
    let request = FluxRequest { files: vec![file], now_ns: NOW_NS, host: Arc::new(Nowhere), params: None };
    let mut result = engine.flux(request).await.map_err(|error| error.to_string())?;
    let mut tables = Vec::new();
    while let Some(part) = result.next().await {
        if let FluxPart::Table(table) = part.map_err(|error| error.to_string())? {
            tables.push(table);
        }
    }
    Ok(tables)
}

fn show(tables: &[Table]) -> String {
    let mut text = String::new();
    let mut last_head = String::new();
    for table in tables {
        let label = |column: &query::flux::Column| {
            let star = if table.key().contains(&column.label) { "*" } else { "" };
            format!("{}:{}{star}", column.label, column.data.column_type().name())
        };
        let head = table.columns().iter().map(label).collect::<Vec<String>>().join(",");
        if head == last_head {
            text.push_str("-\n");
        } else {
            writeln!(text, "{head}").unwrap();
            last_head = head;
        }
        for row in 0..table.rows() {
            let cells: Vec<String> = table.columns().iter().map(|column| cell(&column.data.value(row))).collect();
            let row = cells.join(",");
            writeln!(text, "{}", if row.is_empty() { "<empty>" } else { &row }).unwrap();
        }
        if table.rows() == 0 {
            let key = table.key().columns().iter().map(|(label, value)| format!("{label}={}", cell(value)));
            writeln!(text, "{}", format!("empty: {}", key.collect::<Vec<String>>().join(",")).trim_end()).unwrap();
        }
    }
    text.trim_end().to_owned()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Time(time) if time % 1_000_000_000 == 0 => format!("@{}", time / 1_000_000_000),
        other => other.to_string(),
    }
}

/// Whether an answer is the expected one; an error only has to have the words.
fn agrees(answer: &str, expected: &str) -> bool {
    match (expected.strip_prefix("error: "), answer.strip_prefix("error: ")) {
        (Some(words), Some(message)) => message.contains(words),
        (None, None) => answer == expected,
        _ => false,
    }
}

/// A case: its name, its script and what it gives.
struct Case {
    name: String,
    script: String,
    expected: String,
    is_value: bool,
}

fn cases(text: &str) -> Vec<Case> {
    if !text.contains("\n====\n") {
        let (imports, lines): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("import "));
        let head = imports.join("\n");
        let lines = lines.into_iter().filter(|line| !line.is_empty() && !line.starts_with("# "));
        return lines.map(|line| value_case(&head, line)).collect();
    }
    let mut parts = text.split("\n====\n");
    let head = parts.next().unwrap();
    parts.map(|part| table_case(head, part)).collect()
}

fn value_case(head: &str, line: &str) -> Case {
    let (expression, expected) = line.rsplit_once(" ->").unwrap_or_else(|| panic!("no ` ->` in {line}"));
    let script = format!("import shown_by \"array\"\n{head}\nshown_by.from(rows: [{{v: display(v: {expression})}}])");
    let expected = expected.strip_prefix(' ').unwrap_or(expected).to_owned();
    Case { name: line.to_owned(), script, expected, is_value: true }
}

fn table_case(head: &str, part: &str) -> Case {
    let (name, rest) = part.split_once('\n').unwrap();
    let (script, expected) = rest.rsplit_once("\n->").unwrap_or_else(|| panic!("no `->` in {name}"));
    Case {
        name: name.to_owned(),
        script: format!("{head}\n{script}"),
        expected: expected.trim().to_owned(),
        is_value: false,
    }
}

async fn check(name: &str, text: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(&folder);
    let mut failures = String::new();
    let cases = cases(text);
    for case in &cases {
        let mut answer = answer(&engine, &case.script).await;
        if case.is_value && !answer.starts_with("error: ") {
            let shown = answer.strip_prefix("v:string\n").unwrap_or(&answer);
            answer = if shown == "<empty>" { String::new() } else { shown.replace('\n', "\\n") };
        }
        if !agrees(&answer, &case.expected) {
            writeln!(failures, "{}\nexpected:\n{}\ngiven:\n{answer}\n", case.name, case.expected).unwrap();
        }
    }
    assert!(failures.is_empty(), "{name}:\n{failures}");
    cases.len()
}

macro_rules! texts {
    ($($name:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let text = include_str!(concat!("../../../tests/golden/flux/", stringify!($name), ".txt"));
                assert!(check(stringify!($name), text).await > 0);
            }
        )*
    };
}

texts!(
    aggregates,
    conversions,
    date,
    edges,
    math,
    monitoring,
    operators,
    packages,
    regexp,
    streams,
    strings,
    transformations,
    values
);

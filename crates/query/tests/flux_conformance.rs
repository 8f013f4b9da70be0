//! Flux by its rules: the texts in `tests/golden/flux`, run through the engine over two small buckets: `b` holds
//! [`LINES`], and `copy` what the scripts write.
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
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::{BucketId, ManualClock, OrganisationId};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use query::flux::{
    BucketReference, BucketRow, DatabaseRow, FluxError, FluxHost, FluxMode, FluxPart, FluxRequest, OutgoingRequest,
    Table, Value, parse,
};
use query::{QueryEngine, QueryOptions};
use storage::{BucketInfo, Engine, EngineOptions, Precision, WriteRequest};

#[path = "flux_conformance/kinds.rs"]
mod kinds;

/// 2026-05-17T13:14:15Z.
const NOW_NS: i64 = 1_779_023_655_000_000_000;

/// What bucket `b` holds, with times in seconds.
const LINES: &str = "\
m,t=a f=1.5,i=1i,s=\"x\" 0
m,t=a f=2.5 10
m,t=a f=-4,i=3i 20
m,t=b f=4,i=7i 10
m,t=b,u=c f=0.5 30
n,t=a on=true 20
recent f=7 1779023600";

/// The buckets by name and id.
const BUCKETS: [(&str, u64); 2] = [("b", 16), ("copy", 17)];

/// Two buckets without anybody in front of them.
#[derive(Debug, Clone)]
struct Host(Arc<Engine>);

impl Host {
    async fn new(folder: &Path) -> Self {
        let options = EngineOptions::new(folder.join("data"), 1 << 30, Arc::new(ManualClock::new(NOW_NS)));
        let host = Self(Arc::new(Engine::open(options).await.unwrap()));
        host.store(BUCKETS[0], LINES.to_owned(), Precision::Second).await;
        host
    }

    async fn store(&self, (name, id): (&str, u64), lines: String, precision: Precision) {
        let bucket = BucketInfo {
            organisation: OrganisationId::from_u64(1).unwrap(),
            organisation_name: "o".to_owned(),
            bucket: BucketId::from_u64(id).unwrap(),
            name: name.to_owned(),
        };
        let request = WriteRequest { bucket: Arc::new(bucket), retention: None, body: lines.into(), precision };
        assert_eq!(self.0.write(request).await.unwrap().dropped, None);
    }

    fn find(bucket: &BucketReference) -> Result<(&'static str, u64), FluxError> {
        let named = |(name, id): &&(&str, u64)| match (&bucket.name, &bucket.id) {
            (Some(wanted), _) => wanted == name,
            (None, Some(wanted)) => *wanted == format!("{id:016x}"),
            (None, None) => false,
        };
        BUCKETS.iter().find(named).copied().ok_or_else(|| bucket.not_found())
    }

    fn row((name, id): &(&str, u64)) -> BucketRow {
        BucketRow {
            name: (*name).to_owned(),
            id: format!("{id:016x}"),
            organisation_id: format!("{:016x}", 1),
            retention_policy: String::new(),
            retention_period_ns: 0,
        }
    }
}

impl FluxHost for Host {
    fn snapshot(&self, bucket: BucketReference) -> BoxFuture<'_, Result<storage::Snapshot, FluxError>> {
        Box::pin(async move {
            let (_, id) = Self::find(&bucket)?;
            Ok(self.0.snapshot(BucketId::from_u64(id).unwrap(), None).await.unwrap())
        })
    }

    fn buckets(&self) -> BoxFuture<'_, Result<Vec<BucketRow>, FluxError>> {
        Box::pin(async { Ok(BUCKETS.iter().map(Self::row).collect()) })
    }

    fn databases(&self) -> BoxFuture<'_, Result<Vec<DatabaseRow>, FluxError>> {
        let row = |bucket: &(&str, u64)| DatabaseRow {
            database: bucket.0.to_owned(),
            policy: "autogen".to_owned(),
            is_default: true,
            bucket: Self::row(bucket),
        };
        Box::pin(async move { Ok(BUCKETS.iter().map(row).collect()) })
    }

    fn write(&self, bucket: BucketReference, lines: String) -> BoxFuture<'_, Result<(), FluxError>> {
        Box::pin(async move {
            let found = Self::find(&bucket)?;
            self.store(found, lines, Precision::Nanosecond).await;
            Ok(())
        })
    }

    /// The status is the last part of the address; the request has to be what stands before it.
    fn send(&self, request: OutgoingRequest) -> BoxFuture<'_, Result<u16, FluxError>> {
        let OutgoingRequest { method, url, headers, body } = request;
        let sent = format!("{method} {headers:?} {}", String::from_utf8_lossy(&body));
        Box::pin(async move {
            let (wanted, status) = url.rsplit_once('/').unwrap();
            if wanted == "http://any" || wanted == sent {
                Ok(status.parse().unwrap())
            } else {
                Err(FluxError::invalid(format!("sent {sent}")))
            }
        })
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
async fn answer(engine: &QueryEngine, host: &Host, script: &str) -> String {
    match tables(engine, host, script).await {
        Err(message) => format!("error: {message}"),
        Ok(tables) if tables.is_empty() => "nothing".to_owned(),
        Ok(tables) => show(&tables),
    }
}

async fn tables(engine: &QueryEngine, host: &Host, script: &str) -> Result<Vec<Table>, String> {
    let file = parse(script).map_err(|error| error.to_string())?;
    let host = Arc::new(host.clone());
    let request = FluxRequest { files: vec![file], now_ns: NOW_NS, host, params: None, mode: FluxMode::Run };
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
    /// The line of the script behind what all scripts of the text begin with.
    first_line: u32,
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
    Case { name: line.to_owned(), script, expected, is_value: true, first_line: 1 }
}

fn table_case(head: &str, part: &str) -> Case {
    let (name, rest) = part.split_once('\n').unwrap();
    let (script, expected) = rest.rsplit_once("\n->").unwrap_or_else(|| panic!("no `->` in {name}"));
    Case {
        name: name.to_owned(),
        script: format!("{head}\n{script}"),
        expected: expected.trim().to_owned(),
        is_value: false,
        first_line: u32::try_from(head.split('\n').count()).unwrap() + 1,
    }
}

/// A file of `tests/golden`, read when it is needed: a changed text needs no new build.
fn golden(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn check(name: &str) -> usize {
    let text = golden(&format!("flux/{name}.txt"));
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(&folder);
    let host = Host::new(folder.path()).await;
    let mut failures = String::new();
    let cases = cases(&text);
    for case in &cases {
        let mut answer = answer(&engine, &host, &case.script).await;
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
        /// The names of all texts.
        const TEXTS: &[&str] = &[$(stringify!($name)),*];

        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                assert!(check(stringify!($name)).await > 0);
            }
        )*
    };
}

/// Every text is checked.
#[test]
fn all_texts_are_named() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/flux");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TEXTS.contains(&name.strip_suffix(".txt").unwrap()), "{name}");
    }
}

texts!(
    aggregates,
    buckets,
    conversions,
    date,
    edges,
    forecasts,
    kinds_aggregates,
    kinds_packages,
    kinds_rows,
    kinds_values,
    math,
    monitoring,
    operators,
    packages,
    regexp,
    senders,
    streams,
    strings,
    transformations,
    values
);

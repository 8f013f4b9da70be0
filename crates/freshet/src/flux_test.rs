//! `freshet flux test`: runs the test cases of Flux files in this process, without a server and without buckets.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catalog::{Clock as _, SystemClock};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use query::flux::{
    BucketReference, BucketRow, DatabaseRow, File, FluxError, FluxHost, FluxMode, FluxPart, FluxRequest, Table,
    TestCase, parse, test_cases,
};
use query::{QueryEngine, QueryError};

use crate::options::FluxTestOptions;
use crate::print_line;

/// Rows of differences that are shown of a case: more than these nobody reads.
const SHOWN_ROWS: usize = 20;
/// The longest time of one case.
const CASE_TIMEOUT: Duration = Duration::from_secs(60);
/// Memory of one case.
const CASE_MEMORY_BYTES: usize = 1 << 30;
/// How deep directories are looked into.
const DIRECTORY_DEPTH: usize = 32;

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FluxTestError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot start the query engine: {0}")]
    Engine(#[from] query::EngineError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
    #[error("there is no test case in these files")]
    NoCase,
    #[error("{failed} of {all} failed")]
    Failed { failed: usize, all: usize },
}

/// There are no buckets.
#[derive(Debug)]
struct NoBuckets;

impl FluxHost for NoBuckets {
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

/// What came of the cases.
#[derive(Debug, Default)]
struct Totals {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Runs the cases of all files; an error if one fails.
pub(crate) async fn run(options: FluxTestOptions) -> Result<(), FluxTestError> {
    let mut files = Vec::new();
    for path in &options.files {
        collect(path, true, DIRECTORY_DEPTH, &mut files)?;
    }
    let spill_dir = std::env::temp_dir().join(format!("freshet-flux-test-{}", std::process::id()));
    let engine = QueryEngine::new(query::QueryOptions {
        memory_limit_bytes: CASE_MEMORY_BYTES,
        spill_dir: spill_dir.clone(),
        spill_limit_bytes: 0,
        threads: 1,
        running: 1,
        waiting: 1,
        timeout: CASE_TIMEOUT,
    })?;
    let totals = run_files(&engine, &options, &files).await;
    // The folder is empty: nothing spills. What cannot be removed is in nobody's way.
    let _ = std::fs::remove_dir_all(&spill_dir);
    let Totals { passed, failed, skipped } = totals?;
    let skipped_words = if skipped > 0 { format!(", {skipped} skipped") } else { String::new() };
    print_line(&format!("{passed} passed, {failed} failed{skipped_words}"))?;
    match (failed, passed + skipped) {
        (0, 0) => Err(FluxTestError::NoCase),
        (0, _) => Ok(()),
        _ => Err(FluxTestError::Failed { failed, all: passed + failed }),
    }
}

/// Files as they are named; of directories those whose names end as InfluxDB's do.
fn collect(path: &Path, is_named: bool, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), FluxTestError> {
    let failure = |source| FluxTestError::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(failure)?.is_dir() {
        if is_named || path.to_string_lossy().ends_with("_test.flux") {
            files.push(path.to_owned());
        }
        return Ok(());
    }
    if depth == 0 {
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(failure)?.collect::<Result<Vec<_>, _>>().map_err(failure)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().try_for_each(|path| collect(path, false, depth - 1, files))
}

async fn run_files(
    engine: &QueryEngine,
    options: &FluxTestOptions,
    files: &[PathBuf],
) -> Result<Totals, FluxTestError> {
    let mut totals = Totals::default();
    for path in files {
        let text =
            std::fs::read_to_string(path).map_err(|source| FluxTestError::Read { path: path.clone(), source })?;
        let cases = match parse(&text) {
            Ok(file) => test_cases(&file),
            Err(error) => {
                print_line(&format!("{}: failed\n{}", path.display(), indented(&error.message)))?;
                totals.failed += 1;
                continue;
            }
        };
        for case in cases {
            if !options.name.as_ref().is_none_or(|part| case.name.contains(part.as_str())) {
                continue;
            }
            let place = format!("{}:{}: {}", path.display(), case.line, case.name);
            if let Some(tag) = case.tags.iter().find(|tag| !options.tags.contains(tag)) {
                print_line(&format!("{place}: skipped, because it has the tag {tag}"))?;
                totals.skipped += 1;
                continue;
            }
            match problem(engine, case).await {
                None => {
                    print_line(&format!("{place}: ok"))?;
                    totals.passed += 1;
                }
                Some(problem) => {
                    print_line(&format!("{place}: failed\n{}", indented(&problem)))?;
                    totals.failed += 1;
                }
            }
        }
    }
    Ok(totals)
}

/// What is wrong with a case.
async fn problem(engine: &QueryEngine, case: TestCase) -> Option<String> {
    let script = match case.script {
        Ok(script) => script,
        Err(error) => return Some(error.message),
    };
    match differences(engine, script).await {
        Ok(differences) if differences.is_empty() => None,
        Ok(differences) => Some(differences),
        Err(error) => Some(error.to_string()),
    }
}

/// The rows that a script gives, as text.
async fn differences(engine: &QueryEngine, script: File) -> Result<String, QueryError> {
    let request = FluxRequest {
        files: vec![script],
        params: None,
        now_ns: SystemClock.now_ns(),
        host: Arc::new(NoBuckets),
        mode: FluxMode::Run,
    };
    let mut result = engine.flux(request).await?;
    let (mut text, mut rows) = (String::new(), 0);
    while let Some(part) = result.next().await {
        let FluxPart::Table(table) = part? else { continue };
        if table.rows() > 0 && rows < SHOWN_ROWS {
            show(&table, SHOWN_ROWS - rows, &mut text);
        }
        rows += table.rows();
    }
    if rows > SHOWN_ROWS {
        let _ = writeln!(text, "… and {} more rows", rows - SHOWN_ROWS);
    }
    Ok(text)
}

/// Writes a table: its columns with their types, those of the group key with a star, and its rows.
fn show(table: &Table, rows: usize, text: &mut String) {
    let label = |column: &query::flux::Column| {
        let star = if table.key().contains(&column.label) { "*" } else { "" };
        format!("{}{star}:{}", column.label, column.data.column_type().name())
    };
    let head: Vec<String> = table.columns().iter().map(label).collect();
    let _ = writeln!(text, "{}", head.join("  "));
    for row in 0..table.rows().min(rows) {
        let cells: Vec<String> = table.columns().iter().map(|column| column.data.value(row).to_string()).collect();
        let _ = writeln!(text, "{}", cells.join("  "));
    }
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("    {line}")).collect::<Vec<String>>().join("\n")
}

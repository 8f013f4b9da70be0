//! Flux: scripts over streams of tables.
//!
//! ```text
//! text ── flux (parser) ── lower (what is run) ── interpret: values, calls; streams are only described ──┐
//!                                                                                                        │
//! results ◀── stream: tables one after another ◀── source: storage scans, predicates, pushed operations ◀┘
//! ```
//!
//! A script runs on a thread of its own, beside the query threads: it is ordinary code that waits where the storage
//! makes it wait, within the memory and the time of all queries. What it reads and writes it reaches through
//! [`FluxHost`], which answers for permissions. Functions are in [`builtins`], whose head says how to add one.

pub mod builtins;
mod check;
mod columnar;
pub mod duration;
mod error;
mod explain;
pub mod function;
mod host;
pub mod interpret;
mod ir;
mod library;
mod lower;
mod operators;
pub mod package;
mod pushdown;
pub mod runtime;
mod source;
pub mod stream;
pub mod table;
mod testcase;
pub mod value;
pub mod vector;
pub mod window;

use std::sync::Arc;

pub use flux::ast::File;
pub use flux::{monitoring, task};
use tokio::sync::mpsc;

pub use self::error::{Code, FluxError, Result};
pub use self::host::{BucketReference, BucketRow, DatabaseRow, FluxHost, OutgoingRequest, secret_not_found};
use self::interpret::Interpreter;
use self::package::{Package, UNIVERSE, load};
use self::runtime::{Runtime, lock};
pub use self::table::{Column, GroupKey, Table};
pub use self::testcase::{TestCase, test_cases};
pub use self::value::{Text, Value, format_float};
pub use self::vector::{ColumnType, Vector};

/// The files of one script, and all that its answer depends on.
#[derive(Debug, Clone)]
pub struct FluxRequest {
    /// Its files: first one that only sets options and names, if there is one; then the script.
    pub files: Vec<File>,
    /// The properties of the record `params`, if the request has some.
    pub params: Option<serde_json::Map<String, serde_json::Value>>,
    /// `now()` in nanoseconds since 1970.
    pub now_ns: i64,
    /// What it may reach.
    pub host: Arc<dyn FluxHost>,
    /// What of it is done.
    pub mode: FluxMode,
}

/// What is done of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FluxMode {
    /// All of it; what the storage can do it does.
    #[default]
    Run,
    /// All of it, and the storage only reads rows. The answer is the same; tests compare both.
    Interpret,
    /// Nothing is read or written but what it needs to be understood. The answer is one table with the lines of a plan
    /// in its column `plan`: what the storage would do, and what is done on tables.
    Explain,
}

/// A piece of the answer to a script.
#[derive(Debug, Clone)]
pub enum FluxPart {
    /// A result begins; its tables follow.
    Result(Text),
    /// The next table of the result.
    Table(Table),
}

/// Reads a script.
///
/// # Errors
/// What is wrong with its text, and where.
pub fn parse(text: &str) -> Result<File> {
    let parsed = flux::parse(text, &flux::Limits::default());
    parsed.into_result().map_err(|errors| FluxError::invalid(errors.to_string()))
}

/// Reads the files of a script, or of a part of one, from the JSON form of its tree.
///
/// # Errors
/// What is wrong with the tree.
pub fn parse_json(value: &serde_json::Value) -> Result<Vec<File>> {
    let wrong = |error: flux::json::ReadError| FluxError::invalid(error.to_string());
    let mut tree = value.clone();
    // As in InfluxDB, the outermost node needs no type: clients leave it out.
    if let Some(node) = tree.as_object_mut()
        && node.get("type").is_none_or(serde_json::Value::is_null)
    {
        let kind = if node.contains_key("files") { "Package" } else { "File" };
        node.insert("type".to_owned(), kind.into());
    }
    let files = match tree.get("type").and_then(serde_json::Value::as_str) {
        Some("Package") => flux::json::read_package(&tree).map_err(wrong)?.files,
        _ => vec![flux::json::read_file(&tree).map_err(wrong)?],
    };
    for file in &files {
        let errors = flux::check(file, flux::Limits::default().reported_errors);
        if !errors.is_empty() {
            return Err(FluxError::invalid(flux::SyntaxErrors(errors).to_string()));
        }
    }
    Ok(files)
}

/// The JSON form of a script's tree, as `/api/v2/query/ast` answers it.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn syntax_tree(text: &str) -> Result<String> {
    Ok(flux::json::write_package(&flux::json::package_of(parse(text)?)))
}

/// One thing that is wrong with a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// The line, counted from 1.
    pub line: u32,
    /// The byte in its line, counted from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

/// What is wrong with a script before it runs: its text, its names, its types.
///
/// # Errors
/// Only faults of the server.
pub fn analyze(text: &str) -> Result<Vec<ScriptError>> {
    let parsed = flux::parse(text, &flux::Limits::default());
    let script_error = |location: flux::Location, message: String| ScriptError {
        line: location.start.line,
        column: location.start.column,
        message,
    };
    if !parsed.errors.is_empty() {
        return Ok(parsed.errors.into_iter().map(|error| script_error(error.location, error.message)).collect());
    }
    match lower::lower(&parsed.file) {
        Ok(program) => {
            let errors = check::errors(&[program], &[])?;
            Ok(errors.into_iter().map(|(location, message)| script_error(location, message)).collect())
        }
        Err(error) => Ok(vec![ScriptError { line: 1, column: 1, message: error.message }]),
    }
}

/// A function that every script has, for editors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// Its name.
    pub name: String,
    /// Its parameters by name, each with the word for its type.
    pub params: std::collections::BTreeMap<String, &'static str>,
}

/// The functions that every script has, by name.
///
/// # Errors
/// Only faults of the server.
pub fn suggestions() -> Result<Vec<Suggestion>> {
    check::suggestions()
}

/// JSON as values of a script; an array becomes an array, an object a record.
#[must_use]
pub fn value_of_json(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::UInt(value),
            (None, None) => number.as_f64().map_or(Value::Null, Value::Float),
        },
        Json::String(text) => Value::text(text),
        Json::Array(values) => Value::Array(Arc::new(values.iter().map(value_of_json).collect())),
        Json::Object(fields) => Value::Record(record_of_json(fields)),
    }
}

fn record_of_json(fields: &serde_json::Map<String, serde_json::Value>) -> value::Record {
    let field = |(name, value): (&String, &serde_json::Value)| (Text::from(name.as_str()), value_of_json(value));
    value::Record::new(fields.iter().map(field).collect())
}

/// Runs a script on this thread, and sends its results as they come.
pub(crate) fn execute(
    files: &[File],
    params: Option<Value>,
    runtime: &Arc<Runtime>,
    sender: &mpsc::Sender<std::result::Result<FluxPart, FluxError>>,
) -> Result<()> {
    let result = run(files, params, runtime, sender);
    runtime.clear();
    result
}

fn run(
    files: &[File],
    params: Option<Value>,
    runtime: &Arc<Runtime>,
    sender: &mpsc::Sender<std::result::Result<FluxPart, FluxError>>,
) -> Result<()> {
    let programs = files.iter().map(lower::lower).collect::<Result<Vec<_>>>()?;
    let names: &[&str] = if params.is_some() { &["params"] } else { &[] };
    check::check(&programs, names)?;
    let universe = load(runtime, UNIVERSE)?;
    let script = Arc::new(Package::new("", Arc::from("main"), universe));
    lock(&runtime.packages).insert(Arc::from(""), Arc::clone(&script));
    if let Some(params) = params {
        script.define(Arc::from("params"), params);
    }
    for program in &programs {
        Interpreter::new(Arc::clone(runtime)).run_program(program, &script)?;
    }
    let results = lock(&runtime.yields).clone();
    if results.is_empty() {
        let message = "this Flux script returns no streaming data. Consider adding a \"yield\" or invoking streaming \
                       functions directly, without performing an assignment";
        return Err(FluxError::invalid(message));
    }
    let streams: Vec<stream::Stream> = results.iter().map(|(_, stream)| stream.clone()).collect();
    stream::prepare(runtime, &streams)?;
    if runtime.explains {
        let lines = explain::explain(runtime, &results)?.into_iter().map(|line| Some(Text::from(line)));
        let table = Table::new(GroupKey::default(), vec![Column::new("plan", Vector::texts(lines.collect()))]);
        // Nobody who left needs to know of it.
        let _ = sender.blocking_send(Ok(FluxPart::Table(table)));
        return Ok(());
    }
    let left = |_| FluxError::new(Code::Canceled, "nobody reads the result any more");
    for (name, stream) in results {
        let mut tables = stream::open(runtime, &stream)?;
        // An error before the first table is an answer of its own.
        let first = tables.next().transpose()?;
        sender.blocking_send(Ok(FluxPart::Result(name))).map_err(left)?;
        for table in first.into_iter().map(Ok).chain(tables) {
            sender.blocking_send(Ok(FluxPart::Table(table?))).map_err(left)?;
        }
    }
    Ok(())
}

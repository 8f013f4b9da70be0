//! InfluxQL over snapshots: the direct path, without DataFusion's planner.
//!
//! ```text
//! text ── influxql (parser) ── check (InfluxDB's own refusals) ── planner (names → slots, functions, windows)
//!      ── execute: scan → groups (states by window) → fill, transformations, merge → answer: parts of series
//!                  ├─ direct: one table, plain functions → the same groups, by slices of columns
//!                  └─ raw: rows of tables, by slices of times or groups → merge
//! ```
//!
//! A scan comes sorted by tags and time, so rows of one group and window follow each other, and what is kept is small
//! for all functions that need no points of their own. Nothing here resolves databases or checks permissions: the
//! caller brings a [`Databases`] with a snapshot for each that a statement [`names`](needed_databases). Nor is anything
//! written or deleted: a statement that deletes becomes a list for the storage engine, by a [`RemovalRequest`]. A
//! failure of a statement is text in the words of InfluxDB, because clients match them.

mod aggregate;
mod answer;
mod batch;
mod check;
mod columns;
mod continuous;
mod direct;
mod direct_filter;
mod execute;
mod groups;
mod indicators;
mod merge;
mod node;
mod plan;
mod planner;
mod raw;
mod removal;
mod rewrite;
mod schema;
mod series_set;
mod show;
mod slices;
mod time_range;
mod transform;
mod value;

use datafusion::execution::memory_pool::MemoryReservation;
use influxql::ast::{Measurement, NameOrAll, Select, ShowScope, Source};
pub use influxql::{Parameters, Statement, ast};
use influxql::{ParseError, ParseOptions};
use storage::{DeleteFilter, Snapshot};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::answer::Sink;
pub(crate) use self::execute::Budget;
use crate::error::QueryError;

pub use self::answer::{AnswerPart, HeldMemory, InfluxqlAnswer};
pub use self::batch::to_batch;
pub use self::continuous::{ContinuousWindows, within};
pub use self::execute::Series;
pub use self::removal::RemovalRequest;
pub use self::value::Value;

/// A database and a retention policy as a statement names them; none is what the request says.
pub type DatabaseName = (Option<String>, Option<String>);

/// The snapshots that a statement reads.
#[derive(Debug, Clone, Default)]
pub struct Databases {
    snapshots: Vec<(DatabaseName, Snapshot)>,
    row_by_row: bool,
}

impl Databases {
    /// Adds what a name stands for.
    pub fn insert(&mut self, name: DatabaseName, snapshot: Snapshot) {
        self.snapshots.push((name, snapshot));
    }

    /// Makes statements read all rows one by one, even those for which there is a shorter way. The answers are the
    /// same; this is how tests find out.
    pub fn read_row_by_row(&mut self) {
        self.row_by_row = true;
    }

    fn get(&self, database: &Option<String>, retention_policy: &Option<String>) -> Result<&Snapshot, String> {
        let mut known = self.snapshots.iter();
        let found = known.find(|((name, policy), _)| name == database && policy == retention_policy);
        let missing = || format!("database not found: {}", database.as_deref().unwrap_or_default());
        found.map(|(_, snapshot)| snapshot).ok_or_else(missing)
    }
}

/// Parses the statements of a text. Regular expressions and time zones are checked, as InfluxDB does.
///
/// # Errors
/// What is wrong with the text, and where.
pub fn parse(text: &str, parameters: Option<&Parameters>) -> Result<Vec<Statement>, ParseError> {
    let options = ParseOptions {
        parameters,
        regex_error: Some(|text| rewrite::regex(text).err()),
        zone_exists: Some(|name| name.parse::<chrono_tz::Tz>().is_ok()),
        ..ParseOptions::default()
    };
    influxql::parse_query(text, &options).map(|query| query.statements)
}

/// The values of `$name`, from JSON. One that cannot be used is an error of the statement that uses it.
#[must_use]
pub fn bind(object: &serde_json::Map<String, serde_json::Value>) -> Parameters {
    use influxql::{Parameter, Scalar};
    use serde_json::Value as Json;
    let scalar = |value: &Json| match value {
        Json::String(text) => Scalar::String(text.clone()),
        Json::Bool(boolean) => Scalar::Boolean(*boolean),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Scalar::Integer(integer),
            (None, Some(number)) => Scalar::Number(number),
            (None, None) => Scalar::Other,
        },
        _ => Scalar::Other,
    };
    let parameter = |value: &Json| match value {
        Json::Object(entries) => {
            Parameter::from_object(entries.iter().map(|(kind, value)| (kind.clone(), scalar(value))).collect())
        }
        value => Parameter::from(scalar(value)),
    };
    object.iter().map(|(name, value)| (name.clone(), parameter(value))).collect()
}

/// A time as text: RFC 3339 in a zone, with as many digits of a second as it has.
#[must_use]
pub fn format_time(time: i64, zone: Option<chrono_tz::Tz>) -> String {
    use chrono::{DateTime, SecondsFormat};
    let utc = DateTime::from_timestamp_nanos(time);
    let text = match zone {
        None => utc.to_rfc3339_opts(SecondsFormat::Nanos, true),
        Some(zone) => utc.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Nanos, true),
    };
    // As Go writes it, without the zeros at the end of the fraction.
    match text.split_once('.') {
        Some((seconds, rest)) => {
            let (fraction, zone) = rest.split_at(rest.len().min(9));
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{seconds}{point}{fraction}{zone}")
        }
        None => text,
    }
}

/// The databases that a statement reads, each once.
#[must_use]
pub fn needed_databases(statement: &Statement) -> Vec<DatabaseName> {
    let mut names = Vec::new();
    match statement {
        Statement::Select(select) => of_select(select, &mut names),
        Statement::Explain(explain) => of_select(&explain.select, &mut names),
        Statement::ShowSeries(scope) | Statement::ShowFieldKeys(scope) => of_scope(scope, &mut names),
        Statement::ShowTagKeys { scope, .. } | Statement::ShowTagValues { scope, .. } => of_scope(scope, &mut names),
        Statement::ShowCardinality(cardinality) => {
            of_sources(&cardinality.database, &cardinality.sources, &mut names);
        }
        Statement::ShowMeasurements(show) => {
            let name = |name: &Option<NameOrAll>| match name {
                Some(NameOrAll::Name(name)) => Some(name.clone()),
                _ => None,
            };
            names.push((name(&show.database), name(&show.retention_policy)));
        }
        _ => {}
    }
    names.sort();
    names.dedup();
    names
}

fn of_select(select: &Select, names: &mut Vec<DatabaseName>) {
    for source in &select.sources {
        match source {
            Source::Measurement(measurement) => {
                names.push((measurement.database.clone(), measurement.retention_policy.clone()));
            }
            Source::Subquery(inner) => of_select(inner, names),
        }
    }
}

fn of_scope(scope: &ShowScope, names: &mut Vec<DatabaseName>) {
    of_sources(&scope.database, &scope.sources, names);
}

fn of_sources(database: &Option<String>, sources: &[Measurement], names: &mut Vec<DatabaseName>) {
    if sources.is_empty() {
        names.push((database.clone(), None));
    }
    for source in sources {
        names.push((source.database.clone().or_else(|| database.clone()), source.retention_policy.clone()));
    }
}

/// One statement that reads, and all that its answer depends on.
#[derive(Debug, Clone)]
pub struct InfluxqlRequest {
    /// A `SELECT`, an `EXPLAIN`, or a `SHOW` of what is in databases.
    pub statement: Statement,
    /// What it reads.
    pub databases: Databases,
    /// `now()` in nanoseconds since 1970.
    pub now_ns: i64,
}

/// Runs a statement to its end; its answer goes to `sender`.
pub(crate) async fn execute(
    request: InfluxqlRequest,
    budget: Budget,
    sender: mpsc::Sender<Result<AnswerPart, QueryError>>,
) -> Result<(), QueryError> {
    let mut sink = Sink::new(sender, &budget);
    let InfluxqlRequest { statement, databases, now_ns } = request;
    let series = match &statement {
        Statement::Select(select) => {
            let plan = planner::plan(select, &databases, now_ns).map_err(QueryError::Plan)?;
            execute::run(&plan, &budget, &mut sink).await?;
            Vec::new()
        }
        Statement::Explain(explain) => {
            let started = Instant::now();
            let plan = planner::plan(&explain.select, &databases, now_ns).map_err(QueryError::Plan)?;
            let planning = started.elapsed();
            if explain.analyze {
                let series = execute::collect(&plan, &budget).await?;
                show::explain_analyze(&plan, planning, started.elapsed(), &series)
            } else {
                show::explain(&plan)
            }
        }
        other => {
            show::run(other, &databases, now_ns, &budget, &mut sink).await?;
            Vec::new()
        }
    };
    for series in series {
        sink.add(series).await?;
    }
    sink.finish().await
}

/// What the storage engine has to delete for a statement.
pub(crate) async fn deletes(
    request: RemovalRequest,
    reservation: MemoryReservation,
    limit_bytes: usize,
) -> Result<Vec<DeleteFilter>, QueryError> {
    removal::deletes(request, &Budget { reservation, limit_bytes }).await
}

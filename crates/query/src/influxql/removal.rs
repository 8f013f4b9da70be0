//! `DELETE`, `DROP SERIES` and `DROP MEASUREMENT`, told as deletes of the storage engine. Nothing is deleted here.
//!
//! ```text
//! WHERE ── bounds of time ─────────────────────────────────────────────────┐
//!       └─ tags: `=` and `!=` joined by AND ── terms, one for each ────────┼── DeleteFilter
//!                anything else ── a scan: the values that it holds for ────┘
//! ```
//!
//! A delete of the engine knows `=`, `!=` and AND only. OR and regular expressions become one delete for each
//! combination of values that the rows have, which means the same rows: what comes later is not meant by a delete.

mod condition;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt as _;
use influxql::ast::{Measurement, MeasurementName, Removal};
use influxql::{Expression, Operator, Statement};
use storage::{DeleteFilter, DeleteSubject, DeleteTerm, ScanRequest, Snapshot, TableSnapshot};

use self::condition::Condition;
use super::columns::{Chunk, Column, tag_values};
use super::execute::Budget;
use super::rewrite;
use super::schema::TableColumns;
use super::time_range::{Moment, is_time, split};
use crate::error::QueryError;
use crate::limits;
use crate::ops::window::{MAX_TIME, MIN_TIME};

/// A statement that deletes, and the bucket that it is about.
#[derive(Debug, Clone)]
pub struct RemovalRequest {
    /// A `DELETE`, a `DROP SERIES` or a `DROP MEASUREMENT`. Retention policies of its sources are not looked at.
    pub statement: Statement,
    /// All rows of the bucket, also those that are past its retention.
    pub snapshot: Snapshot,
    /// `now()` in nanoseconds since 1970.
    pub now_ns: i64,
}

/// The tables that a statement is about, by measurement.
type Tables<'a> = BTreeMap<&'a str, &'a Arc<TableSnapshot>>;

/// What the storage engine has to delete: all of them, in any order.
pub(crate) async fn deletes(request: RemovalRequest, budget: &Budget) -> Result<Vec<DeleteFilter>, QueryError> {
    let RemovalRequest { statement, snapshot, now_ns } = request;
    let removal = match &statement {
        Statement::DropMeasurement { name } => {
            return Ok(vec![DeleteFilter { time_range: (MIN_TIME, MAX_TIME), terms: vec![of_measurement(name)] }]);
        }
        Statement::DropSeries(removal) => {
            if removal.condition.as_ref().is_some_and(mentions_time) {
                return Err(plan("DROP SERIES doesn't support time in WHERE clause"));
            }
            removal
        }
        Statement::Delete(removal) => removal,
        other => return Err(plan(format!("not implemented: {other}"))),
    };
    let (condition, time_range) = parted(removal, now_ns)?;
    let tables = tables(&removal.sources, &snapshot)?;
    if let Some(condition) = &condition {
        check_fields(condition, &tables)?;
    }
    if time_range.0 > time_range.1 {
        return Ok(Vec::new());
    }
    let terms = condition.as_ref().map_or_else(|| Some(Vec::new()), Condition::terms);
    let mut filters = Vec::new();
    match (terms, condition) {
        (Some(terms), _) if is_everything(&removal.sources) => filters.push(DeleteFilter { time_range, terms }),
        (Some(terms), _) => {
            for name in tables.keys() {
                let terms = std::iter::once(of_measurement(name)).chain(terms.iter().cloned()).collect();
                push(&mut filters, DeleteFilter { time_range, terms })?;
            }
        }
        (None, Some(condition)) => {
            for table in tables.values() {
                resolve(table, &condition, time_range, budget, &mut filters).await?;
            }
        }
        (None, None) => {}
    }
    Ok(filters)
}

fn plan(text: impl Into<String>) -> QueryError {
    QueryError::Plan(text.into())
}

fn of_measurement(name: &str) -> DeleteTerm {
    DeleteTerm { subject: DeleteSubject::Measurement, is_equal: true, value: name.to_owned() }
}

/// Whether no measurement is left out. The regular expression is how people of 1.x write that.
fn is_everything(sources: &[Measurement]) -> bool {
    let is_all = |source: &Measurement| matches!(&source.name, MeasurementName::Regex(text) if text == ".*");
    sources.is_empty() || sources.iter().any(is_all)
}

fn mentions_time(expression: &Expression) -> bool {
    let mut found = false;
    expression.walk(&mut |inner| {
        found |= is_time(inner);
        !found
    });
    found
}

/// What is asked of tags, and the times, both inclusive.
fn parted(removal: &Removal, now: i64) -> Result<(Option<Condition>, (i64, i64)), QueryError> {
    // A query takes bounds out of an OR as if AND stood there. In a delete that would not be what was asked for.
    let mut has_time_in_or = false;
    if let Some(condition) = &removal.condition {
        condition.walk(&mut |inner| {
            let is_or = matches!(inner, Expression::Binary(binary) if binary.operator == Operator::Or);
            has_time_in_or |= is_or && mentions_time(inner);
            !has_time_in_or
        });
    }
    if has_time_in_or {
        return Err(plan("time is not supported below OR during deletion: use one statement for each range"));
    }
    let (rest, range) = split(removal.condition.as_ref(), Moment { now, zone: None }).map_err(QueryError::Plan)?;
    let condition = rest.as_ref().map(Condition::of).transpose().map_err(QueryError::Plan)?;
    let range = (range.min.unwrap_or(MIN_TIME).max(MIN_TIME), range.max.unwrap_or(MAX_TIME).min(MAX_TIME));
    Ok((condition, range))
}

/// The tables that the sources mean; what does not exist is no error.
fn tables<'a>(sources: &[Measurement], snapshot: &'a Snapshot) -> Result<Tables<'a>, QueryError> {
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut patterns = Vec::new();
    for source in sources {
        match &source.name {
            MeasurementName::Name(name) => {
                names.insert(name);
            }
            MeasurementName::Regex(text) => patterns.push(rewrite::regex(text).map_err(QueryError::Plan)?),
        }
    }
    let is_meant = |name: &str| {
        sources.is_empty() || names.contains(name) || patterns.iter().any(|pattern| pattern.is_match(name))
    };
    let with_rows = snapshot.tables().filter(|table| table.row_count_bound() > 0);
    let named = with_rows.map(|table| (table.table_schema().measurement.as_str(), table));
    Ok(named.filter(|(name, _)| is_meant(name)).collect())
}

/// A name that is a field of one of the tables is refused, as in InfluxDB; `name::tag` says that the tag is meant.
fn check_fields(condition: &Condition, tables: &Tables<'_>) -> Result<(), QueryError> {
    let untyped = condition.untyped_names();
    let mut fields = tables.values().flat_map(|table| table.table_schema().fields());
    if fields.any(|field| untyped.contains(field.name.as_str())) {
        return Err(plan(condition::FIELDS));
    }
    Ok(())
}

/// Adds one more delete, unless there are too many.
fn push(filters: &mut Vec<DeleteFilter>, filter: DeleteFilter) -> Result<(), QueryError> {
    let limit = limits::INFLUXQL_DELETES;
    if filters.len() >= limit {
        return Err(plan(format!(
            "max-deletes limit exceeded: the statement needs more than {limit} deletes, one for each \
             measurement and combination of tag values that it means; nothing was deleted"
        )));
    }
    filters.push(filter);
    Ok(())
}

/// One delete for each combination of the values that the condition asks for and holds for.
async fn resolve(
    table: &Arc<TableSnapshot>,
    condition: &Condition,
    time_range: (i64, i64),
    budget: &Budget,
    filters: &mut Vec<DeleteFilter>,
) -> Result<(), QueryError> {
    let columns = TableColumns::of(table);
    let tags: Vec<&str> = condition.names().into_iter().collect();
    // The place of each tag in the scan; one that the table does not have is empty in all series.
    let known: Vec<(&str, usize)> = tags.iter().filter_map(|tag| Some((*tag, columns.index(tag, true)?))).collect();
    let request = ScanRequest {
        projection: Some(std::iter::once(0).chain(known.iter().map(|(_, index)| *index)).collect()),
        time_range,
        batch_rows: limits::BATCH_ROWS,
        ..ScanRequest::default()
    };
    let failed = |error: storage::ScanError| QueryError::Internal(error.to_string());
    let measurement = table.table_schema().measurement.as_str();
    let mut seen: BTreeSet<Vec<Arc<str>>> = BTreeSet::new();
    for partition in table.scan(request).map_err(failed)?.partitions {
        let mut batches = partition.stream();
        while let Some(batch) = batches.try_next().await.map_err(failed)? {
            let columns = batch.columns().iter().skip(1).map(Column::from_array).collect();
            let chunk = Chunk { times: Chunk::times_of(&batch, 0), columns, groups: Vec::new(), series: Vec::new() };
            for (row, _) in chunk.runs(&chunk.columns) {
                let values = tag_values(&chunk.columns, row);
                if seen.contains(&values) {
                    continue;
                }
                let value_of = |tag: &str| {
                    let place = known.iter().position(|(name, _)| *name == tag);
                    place.and_then(|place| values.get(place)).map_or("", |value| &**value)
                };
                if condition.holds_for(&value_of) {
                    let terms = tags.iter().map(|tag| DeleteTerm {
                        subject: DeleteSubject::Tag((*tag).to_owned()),
                        is_equal: true,
                        value: value_of(tag).to_owned(),
                    });
                    let terms = std::iter::once(of_measurement(measurement)).chain(terms).collect();
                    push(filters, DeleteFilter { time_range, terms })?;
                }
                budget.charge(values.iter().map(|value| value.len() + 32).sum::<usize>() + 32)?;
                seen.insert(values);
            }
            // A scan of rows in memory never waits, and other queries and the end of this one have to have a turn.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

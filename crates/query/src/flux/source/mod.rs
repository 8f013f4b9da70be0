//! Buckets as streams of tables, and what of a plan the storage does: times, measurements, fields, tags and values.
//!
//! ```text
//! from |> range |> filter…        one table for each series and field, by its group key
//!   [|> group(columns)]           keeps `_start` and `_stop` in the key, as InfluxDB does
//!   [|> window] |> aggregate      columns in the order of the storage
//! ```
//!
//! The predicate of a filter is split: what compares a column with a constant is evaluated here, first against
//! measurement, field and tags, then against values; the rest stays a function that is called for each row.

pub(crate) mod predicate;
mod read;
pub(crate) mod series;
pub(crate) mod target;

use std::sync::Arc;

use self::predicate::Predicate;
use self::target::Target;
use super::error::{FluxError, Result};
use super::function::Function;
use super::host::BucketReference;
use super::pushdown;
use super::runtime::{Runtime, lock};
use super::stream::{self, Bounds, Shape, Stream, Tables};
use super::table::{Column, Table};
use super::window::WindowSpec;

/// A bucket that a script reads.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) bucket: BucketReference,
}

/// `from |> range |> filter…`.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    read: &'a Arc<Read>,
    pub(crate) bounds: Bounds,
    /// The last one first.
    filters: Vec<&'a Function>,
}

impl Chain<'_> {
    /// The conditions that the storage evaluates, and how many functions are left beside them.
    pub(crate) fn split(&self, runtime: &Arc<Runtime>) -> Result<(Predicate, usize)> {
        let (mut all, mut left) = (Predicate::Constant(true), 0);
        for function in self.filters.iter().rev() {
            let (part, rest) = predicate::split(runtime, function)?;
            left += usize::from(rest.is_some());
            all = all.and(part.unwrap_or(Predicate::Constant(true)));
        }
        Ok((all, left))
    }

    /// What there is to read of the bucket's measurements, in their order.
    pub(crate) fn tables(&self, runtime: &Arc<Runtime>, predicate: &Predicate) -> Result<Vec<Target>> {
        let snapshot = snapshot(runtime, &self.read.bucket)?;
        Ok(snapshot.tables().filter_map(|table| Target::new(table, Some(predicate))).collect())
    }

    /// What the script calls the bucket.
    pub(crate) fn bucket(&self) -> &str {
        self.read.bucket.label()
    }

    /// What there is to read, in the order of the measurements; none if a part of a filter has to be called for each
    /// row.
    pub(crate) fn targets(&self, runtime: &Arc<Runtime>) -> Result<Option<Vec<Target>>> {
        match self.split(runtime)? {
            (predicate, 0) => self.tables(runtime, &predicate).map(Some),
            _ => Ok(None),
        }
    }
}

/// The chain that ends here, if it is one.
pub(crate) fn chain(stream: &Stream) -> Option<Chain<'_>> {
    let (mut here, mut bounds, mut filters) = (stream, None, Vec::new());
    loop {
        match &here.0.shape {
            Shape::Filter { function, keeps_empty: false } => filters.push(function),
            // The last range has been cut by those before it.
            Shape::Range => bounds = bounds.or(here.bounds()),
            Shape::Read(read) => return bounds.map(|bounds| Chain { read, bounds, filters }),
            _ => return None,
        }
        here = here.0.inputs.first()?;
    }
}

/// Checks that all buckets that are read exist, may be read, and are read within bounds.
pub(crate) fn prepare(runtime: &Arc<Runtime>, results: &[Stream]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    let mut reads = Vec::new();
    for stream in results {
        find_reads(stream, &mut seen, &mut reads)?;
    }
    for read in reads {
        snapshot(runtime, &read.bucket).map_err(|error| error.context("failed to initialize execute state"))?;
    }
    Ok(())
}

fn find_reads(stream: &Stream, seen: &mut std::collections::HashSet<usize>, reads: &mut Vec<Arc<Read>>) -> Result<()> {
    if !seen.insert(Arc::as_ptr(&stream.0) as usize) {
        return Ok(());
    }
    if let Some(chain) = chain(stream) {
        reads.push(Arc::clone(chain.read));
        return Ok(());
    }
    // Filters stand between a bucket and its range at most.
    let mut here = stream;
    while let (Shape::Filter { .. }, Some(input)) = (&here.0.shape, here.0.inputs.first()) {
        here = input;
    }
    if let Shape::Read(read) = &here.0.shape {
        let message = format!(
            "error in building plan while starting program: cannot submit unbounded read to \"{}\"; try bounding \
             'from' with a call to 'range'",
            read.bucket.label()
        );
        return Err(FluxError::invalid(message));
    }
    stream.0.inputs.iter().try_for_each(|input| find_reads(input, seen, reads))
}

/// What is in a bucket, the same for the whole script.
fn snapshot(runtime: &Arc<Runtime>, bucket: &BucketReference) -> Result<storage::Snapshot> {
    if let Some((_, snapshot)) = lock(&runtime.snapshots).iter().find(|(known, _)| known == bucket) {
        return Ok(snapshot.clone());
    }
    let snapshot = runtime.handle.block_on(runtime.host.snapshot(bucket.clone()))?;
    lock(&runtime.snapshots).push((bucket.clone(), snapshot.clone()));
    Ok(snapshot)
}

/// Reads what ends here out of the storage, if it can do that.
pub(crate) fn open(runtime: &Arc<Runtime>, stream: &Stream) -> Result<Option<Tables>> {
    match &stream.0.shape {
        Shape::Filter { .. } | Shape::Range => match chain(stream) {
            Some(chain) => open_chain(runtime, &chain).map(Some),
            None => pushdown::open(runtime, stream),
        },
        Shape::Group { columns, except } if is_pushed_group(runtime, stream) => {
            let Some(input) = stream.0.inputs.first() else { return Ok(None) };
            let (columns, except) = (Arc::clone(columns), *except);
            let regroup = stream::merged(move |_, table| {
                let mut columns = columns.to_vec();
                if !except {
                    columns.extend([Arc::from("_start"), Arc::from("_stop")]);
                }
                super::builtins::group::split(&table, &columns, except)
            });
            regroup(runtime, vec![stream::open(runtime, input)?]).map(Some)
        }
        _ => match column_order(runtime, stream) {
            Some(order) => Ok(Some(ordered(run(runtime, stream)?, order))),
            None => pushdown::open(runtime, stream),
        },
    }
}

/// The order of columns.
pub(crate) type ColumnOrder = fn(&Table) -> Vec<Column>;

/// The order that the columns have where InfluxDB's planner takes part; none is that of the operation.
pub(crate) fn column_order(runtime: &Arc<Runtime>, stream: &Stream) -> Option<ColumnOrder> {
    match &stream.0.shape {
        Shape::Aggregate { .. } => is_pushed_aggregate(runtime, stream).then_some(storage_order as ColumnOrder),
        Shape::Window(spec) if spec.is_everything() => {
            let is_pushed = aggregated_windows(runtime, stream)?;
            Some(if is_pushed { storage_order } else { time_first_order })
        }
        _ => None,
    }
}

/// The tables of an operation: by what is pushed down, otherwise from its inputs.
fn run(runtime: &Arc<Runtime>, stream: &Stream) -> Result<Tables> {
    match pushdown::open(runtime, stream)? {
        Some(tables) => Ok(tables),
        None => stream::run(runtime, stream)?,
    }
}

fn open_chain(runtime: &Arc<Runtime>, chain: &Chain<'_>) -> Result<Tables> {
    let snapshot = snapshot(runtime, &chain.read.bucket)?;
    let mut parts = Vec::new();
    let mut rest = Vec::new();
    for function in chain.filters.iter().rev() {
        let (predicate, other) = predicate::split(runtime, function)?;
        parts.extend(predicate);
        rest.extend(other);
    }
    let predicate = parts.into_iter().reduce(|left, right| Predicate::And(Box::new(left), Box::new(right)));
    let tables = read::open(runtime, &snapshot, chain.bounds, predicate);
    if rest.is_empty() {
        return Ok(tables);
    }
    let filter = stream::one_by_one(move |runtime, table| {
        let mut table = table;
        for function in &rest {
            table = super::builtins::filter::apply(runtime, function, table)?;
        }
        Ok((table.rows() > 0).then_some(table))
    });
    filter(runtime, vec![tables])
}

/// Whether a chain is read by the storage alone.
fn is_pushed_chain(runtime: &Arc<Runtime>, stream: &Stream) -> bool {
    let all = |chain: Chain<'_>| {
        let mut filters = chain.filters.iter();
        filters.all(|function| predicate::split(runtime, function).is_ok_and(|(_, rest)| rest.is_none()))
    };
    chain(stream).is_some_and(all)
}

fn is_pushed_group(runtime: &Arc<Runtime>, stream: &Stream) -> bool {
    let Shape::Group { columns, except } = &stream.0.shape else { return false };
    let input = stream.0.inputs.first();
    let is_row = |column: &super::value::Text| matches!(&**column, "_time" | "_value");
    input.is_some_and(|input| is_pushed_chain(runtime, input))
        && if *except {
            columns.iter().filter(|column| is_row(column)).count() == 2
        } else {
            !columns.iter().any(is_row)
        }
}

/// Whether the storage of InfluxDB aggregates this, which shows in the order of the columns.
fn is_pushed_aggregate(runtime: &Arc<Runtime>, stream: &Stream) -> bool {
    let (name, column) = match &stream.0.shape {
        Shape::Aggregate { name, column } | Shape::Selector { name, column } => (*name, column),
        _ => return false,
    };
    let Some(input) = stream.0.inputs.first() else { return false };
    if **column != *"_value" {
        return false;
    }
    match &input.0.shape {
        Shape::Group { .. } => {
            matches!(name, "count" | "sum" | "first" | "last" | "min" | "max") && is_pushed_group(runtime, input)
        }
        Shape::Window(spec) => {
            let below = input.0.inputs.first();
            spec.is_simple() && below.is_some_and(|below| is_pushed_chain(runtime, below))
        }
        _ => is_pushed_chain(runtime, input),
    }
}

/// Whether this is the end of `aggregateWindow` with an aggregate that InfluxDB has an operation for, and if so,
/// whether its storage does it.
fn aggregated_windows(runtime: &Arc<Runtime>, stream: &Stream) -> Option<bool> {
    let duplicate = stream.0.inputs.first()?;
    let Shape::Duplicate { column, to } = &duplicate.0.shape else { return None };
    if !matches!(&**column, "_start" | "_stop") || **to != *"_time" {
        return None;
    }
    let mut aggregate = duplicate.0.inputs.first()?;
    if matches!(aggregate.0.shape, Shape::FillEmpty) {
        aggregate = aggregate.0.inputs.first()?;
    }
    let Shape::Aggregate { name: "mean" | "sum" | "count", .. } = &aggregate.0.shape else { return None };
    let windows = aggregate.0.inputs.first()?;
    let is_window = matches!(&windows.0.shape, Shape::Window(spec) if !WindowSpec::is_everything(spec));
    is_window.then(|| is_pushed_aggregate(runtime, aggregate))
}

fn ordered(tables: Tables, order: ColumnOrder) -> Tables {
    Box::new(tables.map(move |table| {
        let table = table?;
        Ok(table.with(table.key().clone(), order(&table)))
    }))
}

/// `_start`, `_stop`, `_time`, `_value`, then all others by name.
fn storage_order(table: &Table) -> Vec<Column> {
    let mut columns = table.columns().to_vec();
    let rank = |label: &str| {
        let first = ["_start", "_stop", "_time", "_value"].iter().position(|known| *known == label);
        first.unwrap_or(usize::MAX)
    };
    columns
        .sort_by(|left, right| rank(&left.label).cmp(&rank(&right.label)).then_with(|| left.label.cmp(&right.label)));
    columns
}

/// `_time`, then the others as they are.
fn time_first_order(table: &Table) -> Vec<Column> {
    let mut columns = table.columns().to_vec();
    columns.sort_by_key(|column| *column.label != *"_time");
    columns
}

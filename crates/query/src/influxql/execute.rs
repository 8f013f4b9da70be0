//! Runs a [`Plan`]: reads its sources, fills its groups, and makes series of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono_tz::Tz;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryStreamExt as _};
use influxql::ast::Fill;
use storage::{ScanRequest, TableSnapshot, TagFilter};

use super::aggregate::{Function, Point, State};
use super::answer::Sink;
use super::columns::{Chunk, Column, Slot};
use super::direct;
use super::groups::{Group, GroupKey, Groups};
use super::merge::{Merge, TimedRow};
use super::node::Node;
use super::plan::{CallPlan, Plan, PlannedSource, Projection};
use super::raw::RawPlan;
use super::schema::TableColumns;
use super::value::{Kind, Scalar, Value};
use crate::error::QueryError;
use crate::limits;
pub(crate) use crate::ops::budget::Budget;
use crate::ops::fill::{FillWith, fill};
use crate::ops::window::Windows;

/// A series of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The measurement; `SHOW` answers may have none.
    pub name: String,
    /// The tags that group, by name.
    pub tags: Vec<(String, Arc<str>)>,
    /// The names of the columns.
    pub columns: Arc<[String]>,
    /// Rows, each with a value for every column.
    pub rows: Vec<Vec<Value>>,
    /// The zone that times are shown in; none is UTC.
    pub zone: Option<Tz>,
}

/// Runs a plan to its end; the series go to the sink.
pub(super) fn run<'a>(plan: &'a Plan, budget: &'a Budget, sink: &'a mut Sink) -> BoxFuture<'a, Result<(), QueryError>> {
    async move {
        if let Projection::Raw { fields, required } = &plan.projection {
            if required.is_empty() {
                return Ok(());
            }
            if let Some(tables) = plan.raw_tables() {
                for table in tables {
                    read_raw(plan, &RawPlan::new(plan, table, fields, required), budget, sink).await?;
                }
                return Ok(());
            }
        }
        let mut groups = Groups::new(plan);
        for (place, source) in plan.sources.iter().enumerate() {
            match source {
                PlannedSource::Table(table) => {
                    if !direct::read(plan, table, &mut groups, budget).await? {
                        read_table(plan, (table, place), &mut groups, budget).await?;
                    }
                }
                PlannedSource::Subquery(inner) => {
                    for (place, series) in collect(inner, budget).await?.into_iter().enumerate() {
                        let name = Arc::from(series.name.as_str());
                        let chunk = subquery_chunk(plan, series, place);
                        budget.charge(groups.add(&name, &chunk).map_err(QueryError::Plan)?)?;
                    }
                }
            }
        }
        finish(plan, groups.map, budget, sink).await
    }
    .boxed()
}

/// Runs a plan to its end; its series are charged to the budget.
pub(super) async fn collect(plan: &Plan, budget: &Budget) -> Result<Vec<Series>, QueryError> {
    let mut sink = Sink::gathering(budget);
    run(plan, budget, &mut sink).await?;
    let (series, held) = sink.into_series();
    budget.absorb(held)?;
    Ok(series)
}

/// The raw rows of one table. Which series a page of them shows is known when all are there.
async fn read_raw(plan: &Plan, raw: &RawPlan<'_>, budget: &Budget, sink: &mut Sink) -> Result<(), QueryError> {
    if !plan.series_page.is_part() {
        return raw.run(budget, sink).await;
    }
    let mut gathered = Sink::gathering(budget);
    raw.run(budget, &mut gathered).await?;
    let (mut series, held) = gathered.into_series();
    cut_series(plan, &mut series);
    budget.absorb(held)?;
    for series in series {
        sink.add(series).await?;
    }
    Ok(())
}

/// The bounds of all that the functions of a plan see.
pub(super) fn scan_range(plan: &Plan) -> (i64, i64) {
    let calls = match &plan.projection {
        Projection::Raw { .. } => &[],
        Projection::Calls { calls, .. } => calls.as_slice(),
    };
    let ranges = calls.iter().map(|call| &call.range).chain([&plan.range]);
    let bounds = ranges.map(|range| (range.min.unwrap_or(i64::MIN), range.max.unwrap_or(i64::MAX)));
    bounds.fold((i64::MAX, i64::MIN), |(min, max), (from, to)| (min.min(from), max.max(to)))
}

/// Reads a table row by row; `place` is its place among the sources.
async fn read_table(
    plan: &Plan,
    (table, place_of_source): (&Arc<TableSnapshot>, usize),
    groups: &mut Groups<'_>,
    budget: &Budget,
) -> Result<(), QueryError> {
    let known = TableColumns::of(table);
    let mut projection = vec![0];
    let mut place = |index: usize| match projection.iter().position(|known| *known == index) {
        Some(place) => place,
        None => {
            projection.push(index);
            projection.len() - 1
        }
    };
    let slot_place =
        |slot: &Slot| known.index(&slot.name, slot.kind == Some(Kind::Tag)).filter(|_| slot.kind.is_some());
    let slots: Vec<Option<usize>> = plan.slots.iter().map(|slot| slot_place(slot).map(&mut place)).collect();
    let dimensions: Vec<Option<usize>> =
        plan.dimensions.iter().map(|tag| known.index(tag, true).map(&mut place)).collect();
    let series: Vec<Option<usize>> = match plan.projection {
        Projection::Raw { .. } => known.tags.iter().map(|(_, index)| Some(place(*index))).collect(),
        Projection::Calls { .. } => Vec::new(),
    };
    let tag_filters = plan
        .tag_filters
        .iter()
        .filter_map(|(tag, values)| Some(TagFilter { column: known.index(tag, true)?, values: values.clone() }));
    let request = ScanRequest {
        projection: Some(projection.clone()),
        time_range: scan_range(plan),
        tag_filters: tag_filters.collect(),
        limit: None,
        batch_rows: limits::BATCH_ROWS,
        partitions: 1,
    };
    let scan = table.scan(request).map_err(|error| QueryError::Internal(error.to_string()))?;
    let measurement: Arc<str> = Arc::from(table.table_schema().measurement.as_str());
    for partition in &scan.partitions {
        let mut batches = partition.stream();
        while let Some(batch) = batches.try_next().await.map_err(|error| QueryError::Internal(error.to_string()))? {
            let pick = |places: &[Option<usize>]| {
                let column = |place: &Option<usize>| {
                    let array = place.and_then(|place| batch.columns().get(place));
                    array.map_or(Column::Absent, Column::from_array)
                };
                places.iter().map(column).collect::<Vec<_>>()
            };
            let chunk = Chunk {
                times: Chunk::times_of(&batch, 0),
                columns: pick(&slots),
                groups: pick(&dimensions),
                // A measurement that is asked for twice gives its series twice.
                series: pick(&series).into_iter().chain([source_key(place_of_source)]).collect(),
            };
            budget.charge(groups.add(&measurement, &chunk).map_err(QueryError::Plan)?)?;
            // A scan of rows in memory never waits, and other queries and the end of this one have to have a turn.
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

/// A part of the key of series that orders them by where they come from.
fn source_key(place: usize) -> Column {
    Column::Constant(Arc::from(format!("{place:012}")))
}

/// The rows of a subquery's series.
fn subquery_chunk(plan: &Plan, series: Series, place: usize) -> Chunk {
    let Series { tags, columns, rows, .. } = series;
    let column = |name: &str| {
        if let Some(index) = columns.iter().skip(1).position(|column| column == name) {
            let value = |row: &Vec<Value>| row.get(index + 1).cloned().unwrap_or(Value::Null);
            return Column::Values(rows.iter().map(value).collect());
        }
        match tags.iter().find(|(tag, _)| tag == name) {
            Some((_, value)) if !value.is_empty() => Column::Constant(Arc::clone(value)),
            _ => Column::Absent,
        }
    };
    let time = |row: &Vec<Value>| if let Some(Value::Time(time)) = row.first() { *time } else { 0 };
    Chunk {
        columns: plan.slots.iter().map(|slot| column(&slot.name)).collect(),
        groups: plan.dimensions.iter().map(|name| column(name)).collect(),
        // The order of the series is that of the subquery's answer.
        series: vec![source_key(place)],
        times: rows.iter().map(time).collect(),
    }
}

/// Series of the groups, in the order of their names and tags; a descending answer turns that order too.
async fn finish(
    plan: &Plan,
    groups: BTreeMap<GroupKey, Group>,
    budget: &Budget,
    sink: &mut Sink,
) -> Result<(), QueryError> {
    let columns: Arc<[String]> = std::iter::once(&plan.time_name).chain(&plan.columns).cloned().collect();
    // Those of one measurement, where only some of them are shown.
    let mut of_measurement: Vec<Series> = Vec::new();
    let mut groups: Vec<(GroupKey, Group)> = groups.into_iter().collect();
    if plan.descending {
        groups.reverse();
    }
    for ((name, tags), group) in groups {
        let mut rows = match group {
            Group::Raw(series) => raw_rows(plan, series),
            Group::Calls(states) => call_rows(plan, states, budget)?,
        };
        // Windows may be many, and other queries and the end of this one have to have a turn.
        tokio::task::yield_now().await;
        plan.page.cut(&mut rows);
        if rows.is_empty() {
            continue;
        }
        let with_time = |(time, mut values): TimedRow| {
            values.insert(0, Value::Time(time));
            values
        };
        let series = Series {
            name: name.to_string(),
            tags: plan.dimensions.iter().cloned().zip(tags).collect(),
            columns: Arc::clone(&columns),
            rows: rows.into_iter().map(with_time).collect(),
            zone: plan.zone,
        };
        if !plan.series_page.is_part() {
            sink.add(series).await?;
            continue;
        }
        budget.charge(series.rows.len() * (columns.len() + 1) * size_of::<Value>())?;
        if of_measurement.last().is_some_and(|last| last.name != *name) {
            add_shown(plan, &mut of_measurement, sink).await?;
        }
        of_measurement.push(series);
    }
    add_shown(plan, &mut of_measurement, sink).await
}

/// Adds those of the series that the page shows.
async fn add_shown(plan: &Plan, series: &mut Vec<Series>, sink: &mut Sink) -> Result<(), QueryError> {
    cut_series(plan, series);
    for series in series.drain(..) {
        sink.add(series).await?;
    }
    Ok(())
}

/// Keeps the series of `SLIMIT` and `SOFFSET`. Which these are does not depend on the order of the answer: InfluxDB
/// counts them by the names of the tags that they have, then by their values.
fn cut_series(plan: &Plan, series: &mut Vec<Series>) {
    if !plan.series_page.is_part() {
        return;
    }
    let key = |series: &Series| {
        let present = || series.tags.iter().filter(|(_, value)| !value.is_empty());
        let names = present().map(|(tag, _)| tag.as_str()).chain(present().map(|(_, value)| value.as_ref()));
        names.collect::<Vec<_>>().join("|")
    };
    let mut order: Vec<(String, usize)> = series.iter().map(key).zip(0..).collect();
    order.sort_unstable();
    plan.series_page.cut(&mut order);
    let kept: BTreeSet<usize> = order.into_iter().map(|(_, place)| place).collect();
    let mut place = 0;
    series.retain(|_| {
        place += 1;
        kept.contains(&(place - 1))
    });
}

fn raw_rows(plan: &Plan, series: BTreeMap<Vec<Arc<str>>, std::collections::VecDeque<TimedRow>>) -> Vec<TimedRow> {
    let mut series: Vec<_> = series
        .into_values()
        .map(|mut rows| {
            // Files come by time, so this sorts what is sorted already, unless a scan comes to do it otherwise.
            let slice = rows.make_contiguous();
            if plan.descending {
                slice.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
            } else {
                slice.sort_by_key(|(time, _)| *time);
            }
            rows
        })
        .collect();
    if plan.descending {
        series.reverse();
    }
    Merge::new(series, plan.descending).collect()
}

/// The rows of a group: the results of all calls at the same time, one after another.
fn call_rows(plan: &Plan, states: Vec<BTreeMap<i64, State>>, budget: &Budget) -> Result<Vec<TimedRow>, QueryError> {
    let Projection::Calls { calls, auxiliary, fields, is_selector } = &plan.projection else { return Ok(Vec::new()) };
    let mut results = Vec::with_capacity(calls.len());
    for (call, states) in calls.iter().zip(states) {
        let points = call_points(plan, call, states, *is_selector, budget)?;
        results.push(points.into_iter().peekable());
    }
    // What stands at a time that only others have: the number, in the type of the call, or what it had before.
    let number = |call: &CallPlan| match plan.fill {
        Fill::Integer(value) if plan.windows.is_some() => Scalar::Integer(value).cast(call.result_kind()).to_value(),
        Fill::Number(value) if plan.windows.is_some() => Scalar::Float(value).cast(call.result_kind()).to_value(),
        _ => Value::Null,
    };
    let keeps_last = plan.fill == Fill::Previous && plan.windows.is_some();
    let mut defaults: Vec<Value> = calls.iter().map(number).collect();
    let mut rows = Vec::new();
    loop {
        let times = results.iter_mut().filter_map(|points| points.peek().map(|point| point.time));
        let Some(time) = (if plan.descending { times.max() } else { times.min() }) else { break };
        let mut slots = Vec::with_capacity(calls.len() + auxiliary.len());
        let mut beside = vec![Value::Null; auxiliary.len()];
        for (points, default) in results.iter_mut().zip(&mut defaults) {
            match points.next_if(|point| point.time == time) {
                Some(point) => {
                    if keeps_last {
                        *default = point.value.clone();
                    }
                    slots.push(point.value);
                    if !point.auxiliary.is_empty() {
                        beside = point.auxiliary;
                    }
                }
                None => slots.push(default.clone()),
            }
        }
        slots.append(&mut beside);
        let get = |slot: usize| slots.get(slot).map_or(Scalar::Null, Value::as_scalar);
        let values = fields.iter().map(|field: &Node| field.eval(&get).to_value()).collect();
        rows.push((time, values));
    }
    Ok(rows)
}

/// The results of one call in the order of the answer.
fn call_points(
    plan: &Plan,
    call: &CallPlan,
    states: BTreeMap<i64, State>,
    is_selector: bool,
    budget: &Budget,
) -> Result<Vec<Point>, QueryError> {
    let function = &call.function;
    let whole_start = plan.range.min.unwrap_or(0);
    let keeps_times = function.keeps_times() || (is_selector && plan.windows.is_none());
    let windows = plan.windows.as_ref();
    let mut points = Vec::new();
    for (start, state) in states {
        let start = if plan.windows.is_some() { start } else { whole_start };
        let mut results = state.finish(function, start, windows);
        if !keeps_times && !function.is_whole() {
            results.iter_mut().for_each(|point| point.time = start);
        }
        points.append(&mut results);
    }
    if plan.descending {
        points.reverse();
    }
    if let Some(windows) = windows
        && plan.fill != Fill::None
        && !keeps_times
        && !function.is_whole()
        && *function != Function::Distinct
    {
        points = filled(plan, call, windows, points, budget)?;
    }
    for transform in &call.transforms {
        points = transform.apply(points, plan.descending).map_err(QueryError::Plan)?;
    }
    Ok(points)
}

/// The points, with one for each window that has none.
fn filled(
    plan: &Plan,
    call: &CallPlan,
    windows: &Windows,
    points: Vec<Point>,
    budget: &Budget,
) -> Result<Vec<Point>, QueryError> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(points) };
    let is_count = matches!(call.function, Function::Count | Function::CountDistinct);
    let number = |value: Scalar<'_>| FillWith::Value(value.cast(call.kind).to_value());
    let with = match plan.fill {
        Fill::Null if is_count => FillWith::Value(Value::Integer(0)),
        Fill::Null | Fill::None => FillWith::Missing,
        Fill::Previous => FillWith::Previous,
        Fill::Linear => FillWith::Linear,
        Fill::Integer(value) => number(Scalar::Integer(value)),
        Fill::Number(value) => number(Scalar::Float(value)),
    };
    let lowest = call.range.min.map(|min| windows.bounds(min).0);
    let highest = call.range.max.map(|max| windows.bounds(max).0);
    let (from, mut to) = if plan.descending {
        (highest.unwrap_or(first.time), lowest.unwrap_or(last.time))
    } else {
        (lowest.unwrap_or(first.time), highest.unwrap_or(last.time))
    };
    // More windows than the page shows are never shown.
    if let (Some(rows), true) = (plan.page.end(), call.transforms.is_empty()) {
        let span = windows.every.saturating_mul(i64::try_from(rows).unwrap_or(i64::MAX));
        if plan.descending {
            to = to.max(from.saturating_sub(span));
        } else {
            to = to.min(from.saturating_add(span));
        }
    }
    let count = windows.count(from.min(to), from.max(to));
    if count > limits::INFLUXQL_WINDOWS {
        return Err(QueryError::Plan(format!(
            "max-select-buckets limit exceeded: ({count}/{})",
            limits::INFLUXQL_WINDOWS
        )));
    }
    budget.charge(usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(size_of::<Point>()))?;
    let mut auxiliary: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    let rows = points
        .into_iter()
        .map(|point| {
            if !point.auxiliary.is_empty() {
                auxiliary.insert(point.time, point.auxiliary);
            }
            (point.time, point.value)
        })
        .collect();
    let rows = fill(rows, windows, (from, to), plan.descending, &with);
    let point = |(time, value)| Point { time, value, auxiliary: auxiliary.remove(&time).unwrap_or_default() };
    Ok(rows.into_iter().map(point).collect())
}

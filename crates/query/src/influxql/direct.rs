//! The direct path: what a statement asks of one table, read series by series and computed over slices of columns. The
//! groups that it fills are those that reading row by row would have filled.
//!
//! Functions that keep all their points, values beside a selector, several sources, and sources whose types do not
//! agree are left to the other way.

use std::collections::VecDeque;
use std::sync::Arc;

use storage::{RowsNeeded, SeriesBatch, SeriesScanRequest, TableSnapshot, TagFilter};
use tokio::runtime::Handle;

use super::aggregate::{Function, Point, State};
use super::columns::Column;
use super::direct_filter::{Place, part};
use super::execute::{Budget, scan_range};
use super::groups::{ENTRY_BYTES, Group, Groups};
use super::merge::TimedRow;
use super::node::Node;
use super::plan::{CallPlan, Plan, Projection};
use super::schema::TableColumns;
use super::value::{Kind, Scalar, Value};
use crate::error::QueryError;
use crate::limits;
use crate::ops::partial::{AggregateFunction, Number, Partial};
use crate::ops::window_aggregate::{
    Aggregate, RowFilter, WindowAggregate, WindowGroup, each_partition, failed, window_aggregate,
};
use influxql::ast::Fill;

/// Reads a table into the groups, if the plan can be run like this; says whether it was.
pub(super) async fn read(
    plan: &Plan,
    table: &Arc<TableSnapshot>,
    groups: &mut Groups<'_>,
    budget: &Budget,
) -> Result<bool, QueryError> {
    if plan.row_by_row || plan.sources.len() != 1 {
        return Ok(false);
    }
    match &plan.projection {
        Projection::Raw { fields, required } => {
            let raw = RawPlan::new(plan, table, fields, required);
            raw.read(groups, budget).await?;
            Ok(true)
        }
        Projection::Calls { calls, auxiliary, .. } if auxiliary.is_empty() => {
            let Some(lowered) = CallsPlan::new(plan, table, calls) else { return Ok(false) };
            lowered.read(groups, budget).await?;
            Ok(true)
        }
        Projection::Calls { .. } => Ok(false),
    }
}

/// What is read of a table: each column once.
struct Columns {
    known: TableColumns,
    tags: Vec<usize>,
    fields: Vec<usize>,
}

/// The place of an index in a list, to which it is added if it is not there.
fn place_in(list: &mut Vec<usize>, index: usize) -> usize {
    list.iter().position(|known| *known == index).unwrap_or_else(|| {
        list.push(index);
        list.len() - 1
    })
}

impl Columns {
    /// The dimensions come first among the tags; those that the table has.
    fn new(plan: &Plan, table: &TableSnapshot) -> Self {
        let known = TableColumns::of(table);
        let tags = plan.dimensions.iter().filter_map(|tag| known.index(tag, true)).collect();
        Self { known, tags, fields: Vec::new() }
    }

    fn place(&mut self, plan: &Plan, slot: usize) -> Place {
        let Some(slot) = plan.slots.get(slot) else { return Place::Absent };
        let Some(kind) = slot.kind else { return Place::Absent };
        match self.known.index(&slot.name, kind == Kind::Tag) {
            Some(index) if kind == Kind::Tag => Place::Tag(place_in(&mut self.tags, index)),
            Some(index) => Place::Field(place_in(&mut self.fields, index)),
            None => Place::Absent,
        }
    }

    /// The places of all slots that some nodes use; those of others are not read.
    fn places<'n>(&mut self, plan: &Plan, nodes: impl Iterator<Item = &'n Node>) -> Vec<Place> {
        let mut used = Vec::new();
        nodes.for_each(|node| node.slots(&mut used));
        let place = |slot: usize| if used.contains(&slot) { self.place(plan, slot) } else { Place::Absent };
        (0..plan.slots.len()).map(place).collect()
    }

    fn tag_filters(&self, plan: &Plan) -> Vec<TagFilter> {
        let filter = |(tag, values): &(String, Vec<String>)| {
            Some(TagFilter { column: self.known.index(tag, true)?, values: values.clone() })
        };
        plan.tag_filters.iter().filter_map(filter).collect()
    }
}

/// How many tasks may work on a query.
fn partitions() -> usize {
    Handle::try_current().map_or(1, |handle| handle.metrics().num_workers())
}

fn measurement(table: &TableSnapshot) -> Arc<str> {
    Arc::from(table.table_schema().measurement.as_str())
}

/// The values of the dimensions of a group, from those that the table has.
fn dimensions<'t>(plan: &Plan, known: &TableColumns, tags: impl Iterator<Item = Option<&'t str>>) -> Vec<Arc<str>> {
    let mut tags = tags;
    let value = |dimension: &String| match known.index(dimension, true) {
        Some(_) => tags.next().flatten().map_or_else(|| Arc::from(""), Arc::from),
        None => Arc::from(""),
    };
    plan.dimensions.iter().map(value).collect()
}

/// Functions over one table.
struct CallsPlan<'a> {
    plan: &'a Plan,
    calls: &'a [CallPlan],
    known: TableColumns,
    request: WindowAggregate,
    /// For each call its aggregate; none if the table does not have its field.
    aggregates: Vec<Option<usize>>,
}

impl<'a> CallsPlan<'a> {
    /// None if a function has to see points, or would have to be cast.
    fn new(plan: &'a Plan, table: &Arc<TableSnapshot>, calls: &'a [CallPlan]) -> Option<Self> {
        let mut columns = Columns::new(plan, table);
        let group_tags = columns.tags.len();
        let schema = table.schema();
        let (mut aggregates, mut places) = (Vec::new(), Vec::new());
        for call in calls {
            let function = aggregate_function(&call.function)?;
            if call.range != calls.first()?.range {
                return None;
            }
            let Place::Field(field) = columns.place(plan, call.input) else {
                places.push(None);
                continue;
            };
            let column = schema.fields().get(*columns.fields.get(field)?)?;
            if number_kind(column.data_type())? != call.input_kind {
                return None;
            }
            places.push(Some(aggregates.len()));
            aggregates.push(Aggregate { function, field });
        }
        let condition = plan.condition.as_ref();
        let slots = columns.places(plan, condition.into_iter());
        let (series_filter, row_filter) = part(condition, &plan.slots, &slots);
        let only_last = plan.windows.is_none()
            && row_filter.is_none()
            && aggregates.iter().all(|aggregate| aggregate.function == AggregateFunction::Last);
        let request = WindowAggregate {
            table: Arc::clone(table),
            tag_filters: columns.tag_filters(plan),
            tags: columns.tags,
            group_tags,
            fields: columns.fields,
            time_range: scan_range(plan),
            series_filter,
            row_filter,
            windows: plan.windows,
            aggregates,
            rows: if only_last { RowsNeeded::LastWithAllFields } else { RowsNeeded::All },
            partitions: partitions(),
            groups_max: limits::INFLUXQL_SERIES,
        };
        Some(Self { plan, calls, known: columns.known, request, aggregates: places })
    }

    async fn read(&self, groups: &mut Groups<'_>, budget: &Budget) -> Result<(), QueryError> {
        let width = self.request.aggregates.len();
        if width == 0 {
            return Ok(());
        }
        let mut found = Vec::new();
        if let Some(time_range) = self.page_range() {
            found = window_aggregate(WindowAggregate { time_range, ..self.request.clone() }, budget).await?;
            // Windows of a series without points are shown only if it has points elsewhere.
            let has_all = |group: &WindowGroup| {
                (0..width).all(|at| group.states.iter().skip(at).step_by(width).any(|state| *state != Partial::Empty))
            };
            if !found.iter().all(has_all) {
                found.clear();
            }
        }
        if found.is_empty() {
            found = window_aggregate(self.request.clone(), budget).await?;
        }
        let name = measurement(&self.request.table);
        for group in found {
            let tags = dimensions(self.plan, &self.known, group.tags.iter().map(Option::as_deref));
            let mut states = vec![std::collections::BTreeMap::new(); self.calls.len()];
            for (at, states) in self.aggregates.iter().zip(&mut states) {
                let Some(at) = at else { continue };
                let of_call = group.states.iter().skip(*at).step_by(width);
                let known =
                    group.windows.iter().zip(of_call).filter_map(|(start, partial)| Some((*start, state(*partial)?)));
                states.extend(known);
                budget.charge(states.len() * (size_of::<State>() + ENTRY_BYTES))?;
            }
            groups.map.insert((Arc::clone(&name), tags), Group::Calls(states));
        }
        Ok(())
    }

    /// The times of the windows that the page shows, if it shows the first ones of a single series, all of them whether
    /// they have points or not.
    fn page_range(&self) -> Option<(i64, i64)> {
        let plan = self.plan;
        let windows = plan.windows.filter(|windows| windows.zone.is_none())?;
        let is_simple = plan.dimensions.is_empty() && self.calls.iter().all(|call| call.transforms.is_empty());
        if !is_simple || matches!(plan.fill, Fill::None | Fill::Linear) {
            return None;
        }
        let span = windows.every.checked_mul(i64::try_from(plan.page.end()?).ok()?)?;
        let (min, max) = (plan.range.min, plan.range.max);
        if plan.descending {
            let (_, end) = windows.bounds(max?);
            Some((min.unwrap_or(i64::MIN).max(end.checked_sub(span)?), max?))
        } else {
            let (start, _) = windows.bounds(min?);
            Some((min?, max.unwrap_or(i64::MAX).min(start.checked_add(span)?.checked_sub(1)?)))
        }
    }
}

fn aggregate_function(function: &Function) -> Option<AggregateFunction> {
    Some(match function {
        Function::Count => AggregateFunction::Count,
        Function::Sum => AggregateFunction::Sum,
        Function::Mean => AggregateFunction::Mean,
        Function::Min => AggregateFunction::Min,
        Function::Max => AggregateFunction::Max,
        Function::First => AggregateFunction::First,
        Function::Last => AggregateFunction::Last,
        Function::Spread => AggregateFunction::Spread,
        _ => return None,
    })
}

/// The kind of a column of numbers or booleans.
fn number_kind(data_type: &arrow::datatypes::DataType) -> Option<Kind> {
    use arrow::datatypes::DataType;
    Some(match data_type {
        DataType::Float64 => Kind::Float,
        DataType::Int64 => Kind::Integer,
        DataType::UInt64 => Kind::Unsigned,
        DataType::Boolean => Kind::Boolean,
        _ => return None,
    })
}

fn value(number: Number) -> Value {
    match number {
        Number::Float(value) => Value::Float(value),
        Number::Integer(value) => Value::Integer(value),
        Number::Unsigned(value) => Value::Unsigned(value),
        Number::Boolean(value) => Value::Boolean(value),
    }
}

/// The state of a function; none if it has seen nothing.
fn state(partial: Partial) -> Option<State> {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Some(match partial {
        Partial::Empty => return None,
        Partial::Count(number) => State::Count(count(number)),
        Partial::Sum(sum) => State::Sum(value(sum)),
        Partial::Mean { sum, count: number } => State::Mean { sum, count: count(number) },
        Partial::Point { time, value: number } => {
            State::Best(Some(Point { time, value: value(number), auxiliary: Vec::new() }))
        }
        Partial::Range { low, high } => State::Range(Some((value(low), value(high)))),
    })
}

/// Rows of one table.
struct RawPlan<'a> {
    plan: &'a Plan,
    table: Arc<TableSnapshot>,
    known: TableColumns,
    scan: SeriesScanRequest,
    rows: Arc<RawRows>,
}

/// How rows become those of the answer.
struct RawRows {
    /// Tags of the groups, and behind them all tags of the series by name, by place in the request.
    group_tags: usize,
    series_tags: Vec<usize>,
    nodes: Vec<Node>,
    places: Vec<Place>,
    /// Of these fields one must be there.
    required: Vec<usize>,
    filter: Option<RowFilter>,
    descending: bool,
    /// Rows of a series that are shown, at most.
    most: usize,
}

/// Rows of one series.
struct SeriesRows {
    group: Vec<Option<Arc<str>>>,
    series: Vec<Arc<str>>,
    rows: VecDeque<TimedRow>,
}

impl<'a> RawPlan<'a> {
    fn new(plan: &'a Plan, table: &Arc<TableSnapshot>, fields: &[Node], required: &[usize]) -> Self {
        let mut columns = Columns::new(plan, table);
        let group_tags = columns.tags.len();
        let all: Vec<usize> = columns.known.tags.iter().map(|(_, index)| *index).collect();
        let series_tags = all.into_iter().map(|index| place_in(&mut columns.tags, index)).collect();
        let required_nodes: Vec<Node> = required.iter().map(|slot| Node::Slot(*slot, None)).collect();
        let places = columns.places(plan, fields.iter().chain(&plan.condition).chain(&required_nodes));
        let (keep, filter) = part(plan.condition.as_ref(), &plan.slots, &places);
        let field = |slot: &usize| match places.get(*slot) {
            Some(Place::Field(field)) => Some(*field),
            _ => None,
        };
        let rows = RawRows {
            group_tags,
            series_tags,
            nodes: fields.to_vec(),
            required: required.iter().filter_map(field).collect(),
            places,
            filter,
            descending: plan.descending,
            most: plan.page.end().unwrap_or(usize::MAX),
        };
        // Of each series one row is shown at most, and any value of a field that is read makes it one.
        let only_last = rows.most == 1
            && rows.descending
            && rows.filter.is_none()
            && (0..columns.fields.len()).all(|field| rows.required.contains(&field));
        let scan = SeriesScanRequest {
            tag_filters: columns.tag_filters(plan),
            tags: columns.tags,
            fields: columns.fields,
            rows: if only_last { RowsNeeded::LastWithAnyField } else { RowsNeeded::All },
            time_range: scan_range(plan),
            keep,
            batch_rows: limits::BATCH_ROWS,
            partitions: partitions(),
        };
        Self { plan, table: Arc::clone(table), known: columns.known, scan, rows: Arc::new(rows) }
    }

    async fn read(&self, groups: &mut Groups<'_>, budget: &Budget) -> Result<(), QueryError> {
        if self.rows.required.is_empty() {
            return Ok(());
        }
        let partitions = self.table.scan_series(&self.scan).await.map_err(failed)?;
        let parts = each_partition(partitions, |mut partition| {
            let (rows, budget) = (Arc::clone(&self.rows), budget.child());
            async move {
                let mut series = Vec::new();
                while let Some(batch) = partition.next().await.map_err(failed)? {
                    budget.charge(rows.add(&batch, &mut series))?;
                    tokio::task::yield_now().await;
                }
                Ok((series, budget))
            }
        })
        .await?;
        let name = measurement(&self.table);
        for (found, child) in parts {
            budget.absorb(child)?;
            for SeriesRows { group, series, rows } in found {
                let tags = dimensions(self.plan, &self.known, group.iter().map(Option::as_deref));
                let key = (Arc::clone(&name), tags);
                if groups.map.len() >= limits::INFLUXQL_SERIES && !groups.map.contains_key(&key) {
                    return Err(QueryError::Plan(format!(
                        "the query has more than {} series",
                        limits::INFLUXQL_SERIES
                    )));
                }
                let entry = groups.map.entry(key);
                if let Group::Raw(known) = entry.or_insert_with(|| Group::Raw(std::collections::BTreeMap::new())) {
                    let before = known.entry(series).or_default();
                    self.rows.append(before, rows);
                }
            }
        }
        Ok(())
    }
}

/// Where a column of the answer comes from, in one run.
enum Cell<'a> {
    Constant(Value),
    Field(&'a Column, Option<Kind>),
    Computed(&'a Node),
}

impl RawRows {
    /// Adds later rows to those of a series, in the order of the answer, no more than are shown.
    fn append(&self, before: &mut VecDeque<TimedRow>, mut rows: VecDeque<TimedRow>) {
        if self.descending {
            rows.append(before);
            *before = rows;
        } else {
            before.append(&mut rows);
        }
        before.truncate(self.most);
    }

    /// Takes in the rows of a batch. Returns by how many bytes this grew.
    fn add(&self, batch: &SeriesBatch, into: &mut Vec<SeriesRows>) -> usize {
        let columns: Vec<Column> = batch.columns.iter().map(Column::from_array).collect();
        let mask = self.filter.as_ref().map(|filter| filter(batch));
        // A column without nulls makes every row one of the answer.
        let all_required = self.required.iter().any(|field| {
            batch.columns.get(*field).is_some_and(|column| arrow::array::Array::null_count(&**column) == 0)
        });
        let mut bytes = 0;
        for (run, range) in batch.runs.iter().enumerate() {
            let is_wanted = |row: &usize| {
                mask.as_ref().is_none_or(|mask| mask.value(*row))
                    && (all_required
                        || self
                            .required
                            .iter()
                            .any(|field| columns.get(*field).is_some_and(|column| column.get(*row) != Scalar::Null)))
            };
            let known = self.same_series(batch, run, into.last());
            let shown = if known && !self.descending { into.last().map_or(0, |series| series.rows.len()) } else { 0 };
            let left = self.most.saturating_sub(shown);
            let cells = self.cells(batch, run, &columns);
            let row = |row: usize| self.row(batch, run, row, &cells, &columns);
            let rows: VecDeque<TimedRow> = if self.descending {
                range.clone().rev().filter(is_wanted).take(left).map(row).collect()
            } else {
                range.clone().filter(is_wanted).take(left).map(row).collect()
            };
            if rows.is_empty() {
                continue;
            }
            let row_bytes = rows.front().map_or(0, |row| row.1.iter().map(Value::size_bytes).sum::<usize>());
            let count = match into.last_mut().filter(|_| known) {
                Some(last) => {
                    let before = last.rows.len();
                    self.append(&mut last.rows, rows);
                    last.rows.len() - before
                }
                None => {
                    let count = rows.len();
                    into.push(self.series(batch, run, rows));
                    count
                }
            };
            // Texts of tags are shared, and those of fields are about of one size.
            bytes += count * (ENTRY_BYTES / 2 + row_bytes);
        }
        bytes
    }

    fn series(&self, batch: &SeriesBatch, run: usize, rows: VecDeque<TimedRow>) -> SeriesRows {
        let tag = |tag: usize| batch.tag(run, tag);
        SeriesRows {
            group: (0..self.group_tags).map(|place| tag(place).map(Arc::from)).collect(),
            series: self.series_tags.iter().map(|place| Arc::from(tag(*place).unwrap_or(""))).collect(),
            rows,
        }
    }

    /// Whether a run belongs to the series that came last.
    fn same_series(&self, batch: &SeriesBatch, run: usize, last: Option<&SeriesRows>) -> bool {
        last.is_some_and(|last| {
            let mut tags = self.series_tags.iter().zip(&last.series);
            tags.all(|(place, known)| batch.tag(run, *place).unwrap_or("") == &**known)
        })
    }

    /// Where the columns of the answer come from; what is the same in all rows of the run is made once.
    fn cells<'a>(&'a self, batch: &SeriesBatch, run: usize, columns: &'a [Column]) -> Vec<Cell<'a>> {
        let cell = |node: &'a Node| match node {
            Node::Slot(slot, kind) => match self.places.get(*slot) {
                Some(Place::Field(field)) => {
                    columns.get(*field).map_or(Cell::Constant(Value::Null), |column| Cell::Field(column, *kind))
                }
                Some(Place::Tag(tag)) => {
                    let text = batch.tag(run, *tag).map_or(Scalar::Null, Scalar::Text);
                    Cell::Constant(kind.map_or(text, |kind| text.cast(kind)).to_value())
                }
                _ => Cell::Constant(Value::Null),
            },
            node => Cell::Computed(node),
        };
        self.nodes.iter().map(cell).collect()
    }

    fn row(&self, batch: &SeriesBatch, run: usize, row: usize, cells: &[Cell<'_>], columns: &[Column]) -> TimedRow {
        let get = |slot: usize| match self.places.get(slot) {
            Some(Place::Field(field)) => columns.get(*field).map_or(Scalar::Null, |column| column.get(row)),
            Some(Place::Tag(tag)) => batch.tag(run, *tag).map_or(Scalar::Null, Scalar::Text),
            _ => Scalar::Null,
        };
        // One more for the time, which comes to the front in the end.
        let mut values = Vec::with_capacity(cells.len() + 1);
        values.extend(cells.iter().map(|cell| match cell {
            Cell::Constant(value) => value.clone(),
            Cell::Field(column, kind) => {
                let value = column.get(row);
                kind.map_or(value, |kind| value.cast(kind)).to_value()
            }
            Cell::Computed(node) => node.eval(&get).to_value(),
        }));
        (batch.times.get(row).copied().unwrap_or_default(), values)
    }
}

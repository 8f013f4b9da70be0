//! The direct path of functions: what a statement asks of one table, read series by series and computed over slices of
//! columns. The groups that it fills are those that reading row by row would have filled.
//!
//! Functions that keep all their points, values beside a selector, several sources, and sources whose types do not
//! agree are left to the other way.

use std::sync::Arc;

use storage::{RowsNeeded, TableSnapshot, TagFilter};
use tokio::runtime::Handle;

use super::aggregate::{Function, Point, State};
use super::direct_filter::{Place, part};
use super::execute::{Budget, scan_range};
use super::groups::{ENTRY_BYTES, Group, Groups};
use super::node::Node;
use super::plan::{CallPlan, Plan, Projection};
use super::schema::TableColumns;
use super::value::{Kind, Value};
use crate::error::QueryError;
use crate::limits;
use crate::ops::partial::{AggregateFunction, Number, Partial};
use crate::ops::window_aggregate::{Aggregate, WindowAggregate, WindowGroup, window_aggregate};
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
        Projection::Calls { calls, auxiliary, .. } if auxiliary.is_empty() => {
            let Some(lowered) = CallsPlan::new(plan, table, calls) else { return Ok(false) };
            lowered.read(groups, budget).await?;
            Ok(true)
        }
        Projection::Calls { .. } | Projection::Raw { .. } => Ok(false),
    }
}

/// What is read of a table: each column once.
pub(super) struct Columns {
    pub(super) known: TableColumns,
    pub(super) tags: Vec<usize>,
    pub(super) fields: Vec<usize>,
}

/// The place of an index in a list, to which it is added if it is not there.
pub(super) fn place_in(list: &mut Vec<usize>, index: usize) -> usize {
    list.iter().position(|known| *known == index).unwrap_or_else(|| {
        list.push(index);
        list.len() - 1
    })
}

impl Columns {
    /// The dimensions come first among the tags; those that the table has.
    pub(super) fn new(plan: &Plan, table: &TableSnapshot) -> Self {
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
    pub(super) fn places<'n>(&mut self, plan: &Plan, nodes: impl Iterator<Item = &'n Node>) -> Vec<Place> {
        let mut used = Vec::new();
        nodes.for_each(|node| node.slots(&mut used));
        let place = |slot: usize| if used.contains(&slot) { self.place(plan, slot) } else { Place::Absent };
        (0..plan.slots.len()).map(place).collect()
    }

    pub(super) fn tag_filters(&self, plan: &Plan) -> Vec<TagFilter> {
        let filter = |(tag, values): &(String, Vec<String>)| {
            Some(TagFilter { column: self.known.index(tag, true)?, values: values.clone() })
        };
        plan.tag_filters.iter().filter_map(filter).collect()
    }
}

/// How many tasks may work on a query.
pub(super) fn partitions() -> usize {
    Handle::try_current().map_or(1, |handle| handle.metrics().num_workers())
}

pub(super) fn measurement(table: &TableSnapshot) -> Arc<str> {
    Arc::from(table.table_schema().measurement.as_str())
}

/// The values of the dimensions of a group, from those that the table has.
pub(super) fn dimensions<'t>(
    plan: &Plan,
    known: &TableColumns,
    tags: impl Iterator<Item = Option<&'t str>>,
) -> Vec<Arc<str>> {
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

//! Makes the tables of a pipeline out of its lanes: groups them, puts windows in order, and gives the columns that the
//! interpreter's operations would have left, in their order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::error::Result;
use super::super::stream::Bounds;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::lanes::Lane;
use super::pattern::{Pipeline, Rejoin};
use crate::ops::partial::{AggregateFunction, Number, Partial};
use crate::ops::window::Windows;

/// Columns that every table has that is read.
const BOUNDS: [&str; 2] = ["_start", "_stop"];
const NAMES: [&str; 2] = ["_field", "_measurement"];

/// What comes out of the rows of a table in a window.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// Where the window starts.
    pub(super) start: i64,
    pub(super) value: Value,
    /// Of a selected row.
    pub(super) time: Option<i64>,
    /// The lane of a selected row, by place in its group; none is a row without values.
    lane: Option<usize>,
}

/// Lanes whose rows would be one table, in the order in which they would come.
pub(super) struct Group<'l> {
    pub(super) key: GroupKey,
    pub(super) lanes: Vec<&'l Lane<'l>>,
}

/// Where a column of a row comes from.
#[derive(Debug, Clone)]
enum Source {
    /// The same in all rows.
    Constant(ColumnType, Value),
    Time,
    Value,
    /// `_field` of the row's lane.
    Field,
    /// `_measurement` of the row's lane.
    Measurement,
    /// A tag of the row's lane.
    Tag,
}

/// The tables of the pipeline.
pub(super) fn make(pipeline: &Pipeline<'_>, lanes: &[Lane<'_>]) -> Result<Vec<Table>> {
    let groups = groups(pipeline, lanes);
    let windows = pipeline.windows();
    let empty = empty_windows(pipeline, lanes)?;
    let mut tables = Vec::with_capacity(groups.len());
    for group in groups {
        let cells = group.cells(pipeline, &empty);
        match (windows, &pipeline.rejoin) {
            (None, _) => tables.push(group.table(pipeline, &cells, pipeline.chain.bounds, None)),
            (Some(windows), Some(rejoin)) => {
                let bounds = pipeline.chain.bounds;
                tables.push(group.table(pipeline, &cells, bounds, Some((*rejoin, windows))));
            }
            (Some(windows), None) => {
                let table = |cell: &Cell| {
                    let window = clip(windows, cell.start, pipeline.chain.bounds);
                    let is_empty = pipeline.selects && cell.lane.is_none();
                    let cells = if is_empty { &[] } else { std::slice::from_ref(cell) };
                    group.table(pipeline, cells, window, None)
                };
                tables.extend(cells.iter().map(table));
            }
        }
    }
    if pipeline.group.is_some() || pipeline.window.is_some() {
        tables.sort_by(|left, right| left.key().order(right.key()));
    }
    Ok(tables)
}

/// The starts of all windows, where those without rows count too.
pub(super) fn empty_windows(pipeline: &Pipeline<'_>, lanes: &[Lane<'_>]) -> Result<Vec<i64>> {
    Ok(match (pipeline.window, pipeline.windows()) {
        // There are as many as can be: recognising it has counted them.
        (Some(spec), Some(_)) if spec.create_empty && !lanes.is_empty() => {
            spec.all(pipeline.chain.bounds)?.into_iter().map(|window| window.0).collect()
        }
        _ => Vec::new(),
    })
}

fn clip(windows: Windows, start: i64, bounds: Bounds) -> Bounds {
    (start.max(bounds.0), start.saturating_add(windows.every).min(bounds.1))
}

/// The lanes by the key that they have behind `group`, each in the order in which it is met.
pub(super) fn groups<'l>(pipeline: &Pipeline<'_>, lanes: &'l [Lane<'l>]) -> Vec<Group<'l>> {
    let Some(group) = pipeline.group else {
        return lanes.iter().map(|lane| Group { key: lane.key.clone(), lanes: vec![lane] }).collect();
    };
    let mut groups: Vec<Group<'l>> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    for lane in lanes {
        let key = lane.key.without(|label| !group.is_key(label));
        let place = *places.entry(key.bytes()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.lanes.push(lane),
            None => groups.push(Group { key, lanes: vec![lane] }),
        }
    }
    groups
}

impl<'l> Group<'l> {
    /// What the rows are in each window. `empty` are windows that are there without rows.
    pub(super) fn cells(&self, pipeline: &Pipeline<'_>, empty: &[i64]) -> Vec<Cell> {
        let mut cells = match self.lanes.as_slice() {
            [lane] => lane.states.iter().map(|(start, state)| cell(*start, *state, 0)).collect::<Vec<Cell>>(),
            lanes => combined(pipeline.function, lanes),
        };
        if empty.is_empty() {
            return cells;
        }
        let nothing = match pipeline.function {
            AggregateFunction::Count => Value::Int(0),
            _ => Value::Null,
        };
        let mut filled = Vec::with_capacity(empty.len());
        let mut found = std::mem::take(&mut cells).into_iter().peekable();
        for start in empty {
            let known = found.next_if(|cell| cell.start == *start);
            filled.push(known.unwrap_or_else(|| Cell {
                start: *start,
                value: nothing.clone(),
                time: None,
                lane: None,
            }));
        }
        filled
    }

    /// A table of some windows. `window` is what its bounds are.
    pub(super) fn table(
        &self,
        pipeline: &Pipeline<'_>,
        cells: &[Cell],
        window: Bounds,
        rejoin: Option<(Rejoin<'_>, Windows)>,
    ) -> Table {
        let mut key = self.key.clone();
        if pipeline.window.is_some() {
            key = key.with("_start", Value::Time(window.0)).with("_stop", Value::Time(window.1));
        }
        let bounds = pipeline.chain.bounds;
        let cells: Vec<&Cell> = cells.iter().filter(|cell| is_row(pipeline, cell)).collect();
        let times: Option<Vector> = rejoin.map(|(rejoin, windows)| {
            let time = |cell: &&Cell| Some(time_of(rejoin, windows, bounds, cell));
            Vector::Time(cells.iter().map(time).collect())
        });
        let mut columns: Vec<Column> = Vec::new();
        for (label, source) in self.layout(pipeline, &key) {
            let data = match (&source, &times) {
                (Source::Time, Some(times)) => times.clone(),
                _ => self.column(pipeline, &label, &source, &cells),
            };
            columns.push(Column::new(label, data));
        }
        if let (false, Some(times)) = (pipeline.selects, times) {
            columns.push(Column::new("_time", times));
        }
        Table::new(key, columns)
    }

    /// The columns in their order.
    fn layout(&self, pipeline: &Pipeline<'_>, key: &GroupKey) -> Vec<(Text, Source)> {
        let bounds = pipeline.chain.bounds;
        let bound = |label: &str| match label {
            "_start" => Some(Value::Time(bounds.0)),
            "_stop" => Some(Value::Time(bounds.1)),
            _ => None,
        };
        let source = |label: &str| match (key.get(label).cloned().or_else(|| bound(label)), label) {
            (Some(value), _) => {
                let kind = ColumnType::of(&value).unwrap_or(ColumnType::String);
                Source::Constant(kind, value)
            }
            (None, "_field") => Source::Field,
            (None, "_measurement") => Source::Measurement,
            (None, _) => Source::Tag,
        };
        let mut layout: Vec<(Text, Source)> = Vec::new();
        let mut last: Option<&Lane<'_>> = None;
        let shown = if pipeline.selects { self.lanes.as_slice() } else { self.lanes.get(..1).unwrap_or_default() };
        for lane in shown {
            let is_same = |last: &Lane<'_>| {
                std::ptr::eq(last.target, lane.target)
                    && last.tags.iter().zip(lane.tags.iter()).all(|(left, right)| left.is_some() == right.is_some())
            };
            if last.is_some_and(is_same) {
                continue;
            }
            last = Some(lane);
            let tags = lane.target.tags.iter().zip(lane.tags.iter());
            let tags = tags.filter(|(_, value)| value.is_some()).map(|((name, _), _)| &**name);
            let rows: &[&str] = if pipeline.selects { &["_time", "_value"] } else { &[] };
            for label in BOUNDS.iter().chain(rows).chain(&NAMES).copied().chain(tags) {
                let is_new = !layout.iter().any(|(known, _)| **known == *label);
                // An aggregate keeps the columns of the key only.
                if is_new && (pipeline.selects || key.contains(label)) {
                    let source = match label {
                        "_time" => Source::Time,
                        "_value" => Source::Value,
                        label => source(label),
                    };
                    layout.push((Text::from(label), source));
                }
            }
        }
        if !pipeline.selects {
            layout.push((Text::from("_value"), Source::Value));
        }
        layout
    }

    fn column(&self, pipeline: &Pipeline<'_>, label: &Text, source: &Source, cells: &[&Cell]) -> Vector {
        let lane = |cell: &&Cell| cell.lane.and_then(|lane| self.lanes.get(lane)).copied();
        let texts = |text: &dyn Fn(&Lane<'_>) -> Option<Text>| {
            Vector::texts(cells.iter().map(|cell| lane(cell).and_then(text)).collect())
        };
        match source {
            Source::Constant(kind, value) => Vector::Constant(*kind, value.clone(), cells.len()),
            Source::Time => Vector::Time(cells.iter().map(|cell| cell.time).collect()),
            Source::Value => {
                let mut values = VectorBuilder::with_capacity(self.kind(pipeline.function), cells.len());
                cells.iter().for_each(|cell| push(&mut values, &cell.value));
                values.finish()
            }
            Source::Field => texts(&|lane| Some(Arc::clone(&lane.field.name))),
            Source::Measurement => texts(&|lane| Some(Arc::clone(&lane.target.measurement))),
            Source::Tag => texts(&|lane| {
                let place = lane.target.tags.iter().position(|(name, _)| name == label)?;
                lane.tags.get(place).cloned().flatten()
            }),
        }
    }

    /// The type of the result.
    pub(super) fn kind(&self, function: AggregateFunction) -> ColumnType {
        match function {
            AggregateFunction::Count => ColumnType::Int,
            AggregateFunction::Mean => ColumnType::Float,
            _ => self.lanes.first().map_or(ColumnType::Float, |lane| lane.field.kind),
        }
    }
}

/// Whether a cell is a row: rows of windows that only `table.fill` makes are not there without it.
pub(super) fn is_row(pipeline: &Pipeline<'_>, cell: &Cell) -> bool {
    match &pipeline.rejoin {
        Some(rejoin) if pipeline.selects && !rejoin.fills => cell.lane.is_some(),
        _ => true,
    }
}

/// The time of a row behind `aggregateWindow`.
pub(super) fn time_of(rejoin: Rejoin<'_>, windows: Windows, bounds: Bounds, cell: &Cell) -> i64 {
    let window = clip(windows, cell.start, bounds);
    if rejoin.time_source == "_start" { window.0 } else { window.1 }
}

/// A value of another type than its column cannot come here, and would be a null.
pub(super) fn push(values: &mut VectorBuilder, value: &Value) {
    if values.push(value).is_err() {
        values.push_nulls(1);
    }
}

/// The states of several lanes in each window, as if their rows stood one behind the other.
fn combined(function: AggregateFunction, lanes: &[&Lane<'_>]) -> Vec<Cell> {
    let mut windows: BTreeMap<i64, (Partial, usize)> = BTreeMap::new();
    for (place, lane) in lanes.iter().enumerate() {
        for (start, state) in &lane.states {
            match windows.entry(*start) {
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert((*state, place));
                }
                std::collections::btree_map::Entry::Occupied(mut entry) => {
                    let (known, _) = entry.get_mut();
                    if is_better(function, *known, *state) {
                        entry.insert((*state, place));
                    } else if matches!(known, Partial::Count(_) | Partial::Sum(_) | Partial::Mean { .. }) {
                        function.merge(known, *state);
                    }
                }
            }
        }
    }
    windows.into_iter().map(|(start, (state, lane))| cell(start, state, lane)).collect()
}

/// Whether a selector takes the row of a later lane.
fn is_better(function: AggregateFunction, known: Partial, other: Partial) -> bool {
    let (Partial::Point { value: known, .. }, Partial::Point { value: other, .. }) = (known, other) else {
        return false;
    };
    match function {
        // Rows are first and last by their place, not by their time.
        AggregateFunction::Last => true,
        AggregateFunction::Min => other < known,
        AggregateFunction::Max => other > known,
        _ => false,
    }
}

fn cell(start: i64, state: Partial, lane: usize) -> Cell {
    let (value, time) = match state {
        Partial::Count(count) => (Value::Int(i64::try_from(count).unwrap_or(i64::MAX)), None),
        Partial::Sum(sum) => (number(sum), None),
        Partial::Mean { sum, count } => (Value::Float(sum / count as f64), None),
        Partial::Point { time, value } => (number(value), Some(time)),
        Partial::Empty | Partial::Range { .. } => (Value::Null, None),
    };
    Cell { start, value, time, lane: Some(lane) }
}

fn number(number: Number) -> Value {
    match number {
        Number::Float(value) => Value::Float(value),
        Number::Integer(value) => Value::Int(value),
        Number::Unsigned(value) => Value::UInt(value),
        Number::Boolean(value) => Value::Bool(value),
    }
}

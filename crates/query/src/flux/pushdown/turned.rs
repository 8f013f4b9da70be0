//! Aggregates whose fields become columns, `… |> aggregateWindow |> pivot` or `… |> last |> pivot`: out of the lanes
//! comes one table for each series or group, without a table for each of its fields in between.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::Int64Array;

use super::super::error::Result;
use super::super::runtime::Runtime;
use super::super::source::column_order;
use super::super::source::target::{KeyTemplate, Target};
use super::super::stream::Stream;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::lanes::{self, Wanted};
use super::pattern::{self, Pipeline};
use super::pivot::{has_reserved_field, of_fields};
use super::tables::{self, Group};

/// The pipeline below a pivot on fields, and its last stream, if there is one whose rows have times.
pub(super) fn recognise(stream: &Stream) -> Option<(Pipeline<'_>, &Stream)> {
    let input = of_fields(stream)?;
    let pipeline = pattern::recognise(input)?;
    let has_times = if pipeline.window.is_some() { pipeline.rejoin.is_some() } else { pipeline.selects };
    let has_fields = pipeline.group.is_none_or(|group| group.is_key("_field"));
    (has_times && has_fields).then_some((pipeline, input))
}

/// What there is to read; none if the interpreter has to see it.
pub(super) fn targets(runtime: &Arc<Runtime>, pipeline: &Pipeline<'_>) -> Result<Option<Vec<Target>>> {
    let targets = pipeline.targets(runtime)?;
    Ok(targets.filter(|targets| !targets.iter().any(has_reserved_field)))
}

/// The tables of the pivot; none if the interpreter has to see it.
pub(super) fn make(runtime: &Arc<Runtime>, pipeline: &Pipeline<'_>, input: &Stream) -> Result<Option<Vec<Table>>> {
    let Some(targets) = targets(runtime, pipeline)? else { return Ok(None) };
    // Of series that are not grouped only the order of the results counts.
    let keys = pipeline.group.is_some();
    let lanes = lanes::read(runtime, pipeline, &targets, Wanted { from: i64::MIN, keys })?;
    runtime.step(lanes.len() as u64)?;
    let empty = tables::empty_windows(pipeline, &lanes)?;
    let mut outputs: Vec<Vec<Group<'_>>> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut last: Option<*const Option<Text>> = None;
    for group in tables::groups(pipeline, &lanes) {
        let series = group.lanes.first().map(|lane| lane.tags.as_ptr());
        let place = if keys {
            let key = group.key.without(|label| label == "_field").bytes();
            *places.entry(key).or_insert(outputs.len())
        } else if targets.len() == 1 && series == last && !outputs.is_empty() {
            outputs.len() - 1
        } else {
            let key = key_of(pipeline, &group).without(|label| label == "_field").bytes();
            *places.entry(key).or_insert(outputs.len())
        };
        last = series;
        match outputs.get_mut(place) {
            Some(output) => output.push(group),
            None => outputs.push(vec![group]),
        }
    }
    let order = column_order(runtime, input);
    let mut made = Vec::with_capacity(outputs.len());
    for mut output in outputs {
        let field = |group: &Group<'_>| group.lanes.first().map(|lane| Text::clone(&lane.field.name));
        output.sort_by_key(field);
        made.extend(table(pipeline, &output, &empty, order));
    }
    made.sort_by(|left, right| left.key().order(right.key()));
    Ok(Some(made))
}

/// The key of a group's table.
fn key_of(pipeline: &Pipeline<'_>, group: &Group<'_>) -> GroupKey {
    match group.lanes.first() {
        Some(lane) if pipeline.group.is_none() => {
            KeyTemplate::new(pipeline.chain.bounds, lane.target, Some(lane.field)).of(&lane.tags)
        }
        _ => group.key.clone(),
    }
}

/// The table of groups that differ in their fields only, which stand by name.
fn table(
    pipeline: &Pipeline<'_>,
    groups: &[Group<'_>],
    empty: &[i64],
    order: Option<super::super::source::ColumnOrder>,
) -> Option<Table> {
    let bounds = pipeline.chain.bounds;
    let first = groups.first()?;
    let first = Group { key: key_of(pipeline, first), lanes: first.lanes.clone() };
    let rejoin = pipeline.rejoin.zip(pipeline.windows());
    // What the table of the first field would look like.
    let shown = first.table(pipeline, &[], bounds, rejoin);
    let mut times: Vec<i64> = Vec::new();
    let mut places: HashMap<i64, usize> = HashMap::new();
    let mut fields: Vec<(Text, Vector)> = Vec::new();
    for group in groups {
        let cells = group.cells(pipeline, empty);
        let mut values: Vec<Value> = vec![Value::Null; times.len()];
        for cell in cells.into_iter().filter(|cell| tables::is_row(pipeline, cell)) {
            let time = match rejoin {
                Some((rejoin, windows)) => tables::time_of(rejoin, windows, bounds, &cell),
                None => cell.time?,
            };
            let next = times.len();
            let place = *places.entry(time).or_insert(next);
            if place == next {
                times.push(time);
            }
            values.resize(values.len().max(times.len()), Value::Null);
            if let Some(slot) = values.get_mut(place) {
                *slot = cell.value;
            }
        }
        let mut builder = VectorBuilder::with_capacity(group.kind(pipeline.function), values.len());
        values.iter().for_each(|value| tables::push(&mut builder, value));
        fields.push((Text::clone(&group.lanes.first()?.field.name), builder.finish()));
    }
    let key = shown.key().without(|label| label == "_field");
    let constant = |label: &Text| {
        let value = key.get(label).cloned().unwrap_or_default();
        let kind = ColumnType::of(&value).unwrap_or(ColumnType::String);
        Column::new(Text::clone(label), Vector::constant(kind, value, times.len()))
    };
    let ordered = order.map_or_else(|| shown.columns().to_vec(), |order| order(&shown));
    let mut columns: Vec<Column> = Vec::with_capacity(ordered.len() + fields.len());
    for column in &ordered {
        match &*column.label {
            "_time" => columns.push(Column::new("_time", Vector::Time(Int64Array::from(times.clone())))),
            label if key.contains(label) => columns.push(constant(&column.label)),
            _ => {}
        }
    }
    for (label, values) in fields {
        let missing = times.len() - values.len();
        let values = if missing == 0 { values } else { lengthened(&values, missing) };
        columns.push(Column::new(label, values));
    }
    Some(Table::new(key, columns))
}

/// A column with rows without a value behind it.
fn lengthened(values: &Vector, missing: usize) -> Vector {
    let mut builder = VectorBuilder::with_capacity(values.column_type(), values.len() + missing);
    for value in values.values() {
        tables::push(&mut builder, &value);
    }
    builder.push_nulls(missing);
    builder.finish()
}

//! Reads buckets: for each measurement one scan of its wide table, and a table for each series and field out of it.

use std::sync::Arc;

use arrow::array::Int64Array;
use storage::{Snapshot, TableSnapshot};

use super::super::error::Result;
use super::super::runtime::Runtime;
use super::super::stream::{Bounds, Tables};
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::predicate::Predicate;
use super::series::{self, Series};
use super::target::{KeyTemplate, Target};

/// The tables of a bucket.
pub(super) fn open(
    runtime: &Arc<Runtime>,
    snapshot: &Snapshot,
    bounds: Bounds,
    predicate: Option<Predicate>,
) -> Tables {
    let measurements: Vec<Arc<TableSnapshot>> = snapshot.tables().cloned().collect();
    let runtime = Arc::clone(runtime);
    let read = move |table: Arc<TableSnapshot>| -> Tables {
        match Target::new(&table, predicate.as_ref()) {
            None => Box::new(std::iter::empty()),
            Some(target) => match read(&runtime, &Arc::new(target), bounds) {
                Ok(tables) => Box::new(tables.into_iter().map(Ok)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            },
        }
    };
    Box::new(measurements.into_iter().flat_map(read))
}

/// The tables of a measurement, by their keys.
fn read(runtime: &Arc<Runtime>, target: &Arc<Target>, bounds: Bounds) -> Result<Vec<Table>> {
    if bounds.0 >= bounds.1 {
        return Ok(Vec::new());
    }
    let budget = runtime.budget();
    let (all, _) = series::read(runtime, target, bounds, None, &budget)?;
    // From here on each table holds its memory itself.
    drop(budget);
    let mut tables = Vec::with_capacity(all.len() * target.fields.len());
    let keys: Vec<KeyTemplate> =
        target.fields.iter().map(|field| KeyTemplate::new(bounds, target, Some(field))).collect();
    for series in all {
        let mut times = None;
        for (place, (field, key)) in target.fields.iter().zip(&keys).enumerate() {
            let Some((times, values)) = points(&series, place, field.kind, &mut times) else { continue };
            let key = key.of(&series.tags);
            let columns = columns(target, &series.tags, &key, times, values);
            tables.push(runtime.holding(Table::new(key, columns))?);
        }
    }
    tables.sort_by(|left, right| left.key().order(right.key()));
    Ok(tables)
}

/// The rows of a series in which a field has a value; none if there are none. `all_times` are the times of all rows of
/// the series, which its fields share.
fn points(
    series: &Series,
    place: usize,
    kind: ColumnType,
    all_times: &mut Option<Int64Array>,
) -> Option<(Int64Array, Vector)> {
    let columns =
        || series.chunks.iter().map(|chunk| (&chunk.times, chunk.columns.get(place).and_then(Option::as_ref)));
    let is_whole = columns().all(|(_, column)| column.is_some_and(|column| column.validity().is_none()));
    if is_whole {
        let times = all_times.get_or_insert_with(|| join_times(series)).clone();
        let mut columns = columns().filter_map(|(_, column)| column);
        let values = match series.chunks.len() {
            1 => columns.next().cloned()?,
            _ => join(kind, times.len(), columns)?,
        };
        return (!times.is_empty()).then_some((times, values));
    }
    let (mut times, mut values) = (VectorBuilder::new(ColumnType::Time), VectorBuilder::new(kind));
    for (chunk, column) in columns() {
        let Some(column) = column else { continue };
        let chunk = Vector::Time(chunk.clone());
        // A column of another type than its field's cannot come here.
        let added = match column.validity() {
            None => times.append(&chunk).and_then(|()| values.append(column)),
            Some(valid) => times.append(&chunk.filter(&valid)).and_then(|()| values.append(&column.filter(&valid))),
        };
        added.ok()?;
    }
    match times.finish() {
        Vector::Time(times) if !times.is_empty() => Some((times, values.finish())),
        _ => None,
    }
}

/// The times of all rows of a series.
fn join_times(series: &Series) -> Int64Array {
    if let [chunk] = series.chunks.as_slice() {
        return chunk.times.clone();
    }
    Int64Array::from(series.chunks.iter().flat_map(|chunk| chunk.times.values().iter().copied()).collect::<Vec<i64>>())
}

/// One column behind the other.
fn join<'c>(kind: ColumnType, rows: usize, columns: impl Iterator<Item = &'c Vector>) -> Option<Vector> {
    let mut values = VectorBuilder::with_capacity(kind, rows);
    for column in columns {
        values.append(column).ok()?;
    }
    Some(values.finish())
}

/// The columns of a table in their order.
fn columns(target: &Target, tags: &[Option<Text>], key: &GroupKey, times: Int64Array, values: Vector) -> Vec<Column> {
    let rows = times.len();
    let constant = |label: &str| {
        let value = key.get(label).cloned().unwrap_or_default();
        let kind = if matches!(value, Value::Time(_)) { ColumnType::Time } else { ColumnType::String };
        Column::new(label, Vector::constant(kind, value, rows))
    };
    let mut columns = Vec::with_capacity(6 + tags.len());
    columns.extend(["_start", "_stop"].map(constant));
    columns.push(Column::new("_time", Vector::Time(times)));
    columns.push(Column::new("_value", values));
    columns.extend(["_field", "_measurement"].map(constant));
    let present = target.tags.iter().zip(tags).filter(|(_, value)| value.is_some());
    columns.extend(present.map(|((name, _), _)| constant(name)));
    columns
}

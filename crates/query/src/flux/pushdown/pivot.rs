//! `from |> range |> filter… |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> filter…`: a
//! row of the storage is a row of the result, and conditions on it are looked at while it is read.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::buffer::BooleanBuffer;

use super::super::builtins::filter;
use super::super::columnar::{self, Calls};
use super::super::error::Result;
use super::super::function::Function;
use super::super::runtime::Runtime;
use super::super::source::series::{self, Chunk, ChunkFilter, Series};
use super::super::source::target::{KeyTemplate, Target};
use super::super::source::{Chain, chain};
use super::super::stream::{Shape, Stream, Tables};
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};

/// Such a pipeline.
#[derive(Debug)]
pub(super) struct Pivot<'a> {
    pub(super) chain: Chain<'a>,
    /// Conditions on its rows, the first one first.
    filters: Vec<&'a Function>,
}

/// The pipeline that ends here, if it is one.
pub(super) fn recognise(stream: &Stream) -> Option<Pivot<'_>> {
    let (mut here, mut filters) = (stream, Vec::new());
    while let Shape::Filter { function, keeps_empty: false } = &here.0.shape {
        filters.push(function);
        here = here.0.inputs.first()?;
    }
    filters.reverse();
    Some(Pivot { chain: chain(of_fields(here)?)?, filters })
}

/// What a pivot of `_value` on `_field` by `_time` turns.
pub(super) fn of_fields(stream: &Stream) -> Option<&Stream> {
    let Shape::Pivot { rows, columns, value } = &stream.0.shape else { return None };
    let is = |labels: &[Text], wanted: &str| matches!(labels, [label] if **label == *wanted);
    let is_of_fields = is(rows, "_time") && is(columns, "_field") && **value == *"_value";
    is_of_fields.then(|| stream.0.inputs.first()).flatten()
}

impl Pivot<'_> {
    /// What there is to read; none if the interpreter has to see it.
    pub(super) fn targets(&self, runtime: &Arc<Runtime>) -> Result<Option<Vec<Target>>> {
        let targets = self.chain.targets(runtime)?;
        let is_reserved = |target: &Target| target.has_reserved_tag() || has_reserved_field(target);
        Ok(targets.filter(|targets| !targets.iter().any(is_reserved)))
    }
}

impl std::fmt::Display for Pivot<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("fields as columns")?;
        match self.filters.len() {
            0 => Ok(()),
            1 => formatter.write_str(", with a function over them while they are read,"),
            count => write!(formatter, ", with {count} functions over them while they are read,"),
        }
    }
}

/// The tables of the pipeline; none if the interpreter has to see it, which may have an error to report.
pub(super) fn open(runtime: &Arc<Runtime>, pivot: &Pivot<'_>) -> Result<Option<Tables>> {
    let Some(targets) = pivot.targets(runtime)? else { return Ok(None) };
    let bounds = pivot.chain.bounds;
    let mut tables = Vec::new();
    if bounds.0 >= bounds.1 {
        return Ok(Some(Box::new(std::iter::empty())));
    }
    for target in targets {
        let target = Arc::new(target);
        let key = Arc::new(KeyTemplate::new(bounds, &target, None));
        let filter = (!pivot.filters.is_empty()).then(|| chunk_filter(runtime, &target, &key, &pivot.filters));
        let budget = runtime.budget();
        let (all, is_filtered) = series::read(runtime, &target, bounds, filter, &budget)?;
        // From here on each table holds its memory itself.
        drop(budget);
        for series in all {
            let mut table = table(&target, &key, &series);
            if !is_filtered {
                for function in &pivot.filters {
                    let Ok(filtered) = filter::apply(runtime, function, table) else { return Ok(None) };
                    table = filtered;
                }
            }
            if table.rows() > 0 {
                tables.push(runtime.holding(table)?);
            }
        }
    }
    tables.sort_by(|left, right| left.key().order(right.key()));
    Ok(Some(Box::new(tables.into_iter().map(Ok))))
}

/// Whether a field would become a column that is there already.
pub(super) fn has_reserved_field(target: &Target) -> bool {
    target.fields.iter().any(|field| {
        matches!(&*field.name, "_start" | "_stop" | "_time" | "_measurement")
            || target.tags.iter().any(|(tag, _)| *tag == field.name)
    })
}

/// The conditions over the rows of a chunk.
fn chunk_filter(
    runtime: &Arc<Runtime>,
    target: &Arc<Target>,
    key: &Arc<KeyTemplate>,
    filters: &[&Function],
) -> ChunkFilter {
    let (runtime, target, key) = (Arc::clone(runtime), Arc::clone(target), Arc::clone(key));
    let filters: Vec<Function> = filters.iter().copied().cloned().collect();
    Arc::new(move |tags: &[Option<Text>], chunk: &Chunk| {
        let mut columns = fixed_columns(&target, tags, &key.of(tags), chunk.times.clone());
        let fields = target.fields.iter().zip(&chunk.columns);
        columns.extend(fields.filter_map(|(field, data)| Some(Column::new(Text::clone(&field.name), data.clone()?))));
        let table = Table::new(GroupKey::default(), columns);
        let mut rows: Option<BooleanBuffer> = None;
        for function in &filters {
            let mask = columnar::mask(&runtime, function, &table, Calls::Closures)?;
            rows = Some(match rows {
                Some(before) => &before & &mask,
                None => mask,
            });
        }
        rows
    })
}

/// What stands in front of the fields.
fn fixed_columns(target: &Target, tags: &[Option<Text>], key: &GroupKey, times: Int64Array) -> Vec<Column> {
    let rows = times.len();
    let constant = |label: &str| {
        let value = key.get(label).cloned().unwrap_or_default();
        let kind = if matches!(value, Value::Time(_)) { ColumnType::Time } else { ColumnType::String };
        Column::new(label, Vector::constant(kind, value, rows))
    };
    let mut columns = Vec::with_capacity(4 + tags.len() + target.fields.len());
    columns.extend(["_start", "_stop"].map(constant));
    columns.push(Column::new("_time", Vector::Time(times)));
    columns.push(constant("_measurement"));
    let present = target.tags.iter().zip(tags).filter(|(_, value)| value.is_some());
    columns.extend(present.map(|((name, _), _)| constant(name)));
    columns
}

/// The table of a series: a row for each time at which a field has a value.
fn table(target: &Target, key: &KeyTemplate, series: &Series) -> Table {
    let times: Vec<i64> = series.chunks.iter().flat_map(|chunk| chunk.times.values().iter().copied()).collect();
    let mut fields: Vec<(Text, Vector)> = Vec::new();
    for (place, field) in target.fields.iter().enumerate() {
        if !series.has_field.get(place).copied().unwrap_or_default() {
            continue;
        }
        let mut values = VectorBuilder::with_capacity(field.kind, times.len());
        for chunk in &series.chunks {
            // A column of another type than its field's cannot come here.
            let column = chunk.columns.get(place).and_then(Option::as_ref);
            if column.is_none_or(|column| values.append(column).is_err()) {
                values.push_nulls(chunk.times.len());
            }
        }
        fields.push((Text::clone(&field.name), values.finish()));
    }
    let mut vectors = vec![Vector::Time(Int64Array::from(times))];
    vectors.extend(fields.iter().map(|(_, values)| values.clone()));
    if let Some(rows) = row_order(vectors.get(1..).unwrap_or_default()) {
        vectors = vectors.iter().map(|values| values.take(&rows)).collect();
    }
    let mut vectors = vectors.into_iter();
    let times = match vectors.next() {
        Some(Vector::Time(times)) => times,
        _ => Int64Array::from(Vec::<i64>::new()),
    };
    let key = key.of(&series.tags);
    let mut columns = fixed_columns(target, &series.tags, &key, times);
    columns.extend(fields.into_iter().zip(vectors).map(|((label, _), values)| Column::new(label, values)));
    Table::new(key, columns)
}

/// The rows in the order in which a pivot meets them: those of the first field by time, then those that only the second
/// field has, and so on; none if that is the order in which they are. Rows without a value are left out.
fn row_order(fields: &[Vector]) -> Option<Vec<usize>> {
    if fields.first().is_some_and(|first| first.validity().is_none()) {
        return None;
    }
    let mut rows = Vec::new();
    let mut seen: Option<BooleanBuffer> = None;
    for field in fields {
        let valid = field.validity().unwrap_or_else(|| BooleanBuffer::new_set(field.len()));
        let new = match &seen {
            Some(seen) => &valid & &(!seen),
            None => valid.clone(),
        };
        rows.extend(new.set_indices());
        seen = Some(match seen {
            Some(seen) => &seen | &valid,
            None => valid,
        });
    }
    Some(rows)
}

//! What chooses and orders rows: `limit`, `sort`, `distinct`, `union`, `yield`.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::stream::{Shape, Stream};
use super::super::table::{Column, Merger};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;

pub(super) const FUNCTIONS: Functions =
    &[("distinct", distinct), ("limit", limit), ("sort", sort), ("union", union), ("yield", yield_as)];

fn limit(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let (count, offset): (i64, i64) = (call.required("n")?, call.or("offset", 0)?);
    let (Ok(count), Ok(offset)) = (usize::try_from(count), usize::try_from(offset)) else {
        return Err(FluxError::invalid("limit needs n and offset that are not negative"));
    };
    let shape = Shape::Limit { count, offset };
    Ok(call.shaped(input, shape, move |_, table| Ok(Some(table.slice(offset, offset.saturating_add(count))))))
}

/// The order of two rows: nulls first, however the rest is sorted.
fn row_order(vectors: &[&Vector], descending: bool, left: usize, right: usize) -> Ordering {
    for vector in vectors {
        let (left, right) = (vector.value(left), vector.value(right));
        let order = left.total_order(&right);
        let order = if descending && !left.is_null() && !right.is_null() { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The order of the rows by a column of numbers or times that has a value in each of them.
pub(super) fn order_of(column: &Vector, descending: bool) -> Option<Vec<usize>> {
    fn sorted<T: Copy>(values: &[T], descending: bool, order: impl Fn(&T, &T) -> Ordering) -> Vec<usize> {
        let mut rows: Vec<(usize, T)> = values.iter().copied().enumerate().collect();
        let order = |left: &(usize, T), right: &(usize, T)| {
            let order = order(&left.1, &right.1);
            if descending { order.reverse() } else { order }
        };
        if !rows.is_sorted_by(|left, right| order(left, right).is_le()) {
            rows.sort_by(order);
        }
        rows.into_iter().map(|(row, _)| row).collect()
    }
    if column.validity().is_some() {
        return None;
    }
    Some(match column {
        Vector::Int(values) | Vector::Time(values) => sorted(values.values(), descending, i64::cmp),
        Vector::UInt(values) => sorted(values.values(), descending, u64::cmp),
        Vector::Float(values) => sorted(values.values(), descending, f64::total_cmp),
        _ => return None,
    })
}

fn sort(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let columns: Vec<Text> = call.or("columns", vec![Text::from("_value")])?;
    let descending = call.or("desc", false)?;
    let shape = Shape::Sort { columns: columns.clone(), descending };
    Ok(call.shaped(input, shape, move |runtime, table| {
        runtime.step(table.rows() as u64)?;
        if columns.iter().filter(|label| table.column(label).is_some()).count() == 1
            && let Some(column) = columns.iter().find_map(|label| table.column(label))
            && let Some(rows) = order_of(column, descending)
        {
            return Ok(Some(if rows.is_sorted() { table } else { table.take(&rows) }));
        }
        let vectors: Vec<&Vector> = columns.iter().filter_map(|label| table.column(label)).collect();
        let mut rows: Vec<usize> = (0..table.rows()).collect();
        rows.sort_by(|left, right| row_order(&vectors, descending, *left, *right));
        Ok(Some(table.take(&rows)))
    }))
}

fn distinct(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let column: Text = call.or("column", Text::from("_value"))?;
    let shape = Shape::Distinct { column: Text::clone(&column) };
    Ok(call.shaped(input, shape, move |runtime, table| {
        runtime.step(table.rows() as u64)?;
        let values = match table.column(&column) {
            // A column that is not there is the empty text.
            None => Vector::constant(ColumnType::String, Value::text(""), 1),
            Some(values) if table.key().contains(&column) => values.slice(0, 1),
            Some(values) => {
                let mut seen = HashSet::new();
                let is_new = |row: &usize| {
                    let mut key = Vec::new();
                    values.value(*row).write_key(&mut key);
                    seen.insert(key)
                };
                let rows: Vec<usize> = (0..table.rows()).filter(is_new).collect();
                values.take(&rows)
            }
        };
        let key = table.key().without(|label| label == "_value");
        let rows = values.len();
        let table = table.with_key(key).of_key(rows, vec![Column::new("_value", values)]);
        Ok(Some(table))
    }))
}

fn union(call: &mut Call<'_>) -> Result<Value> {
    let tables: Arc<Vec<Value>> = call.required("tables")?;
    let stream = |value: &Value| match value {
        Value::Stream(stream) => Ok(stream.clone()),
        other => Err(FluxError::invalid(format!("expected stream but found {}", other.kind()))),
    };
    let inputs = tables.iter().map(stream).collect::<Result<Vec<Stream>>>()?;
    if inputs.len() < 2 {
        return Err(FluxError::invalid("union must have at least two streams as input"));
    }
    Ok(call.whole(inputs, |_, inputs| {
        let mut merger = Merger::default();
        inputs.into_iter().flatten().for_each(|table| merger.add(table));
        merger.finish()
    }))
}

fn yield_as(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let name: Text = call.or("name", Text::from("_result"))?;
    let result = call.per_table(input, |_, table| Ok(Some(table)));
    if let Value::Stream(stream) = &result {
        call.runtime().add_result(&name, stream.clone())?;
    }
    Ok(result)
}

//! Selectors: one row out of each table.

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::stream::Shape;
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[("first", first), ("last", last), ("max", max), ("min", min)];

/// A selector by one column: `run` finds the row. A table without one becomes empty.
fn selector(
    call: &mut Call<'_>,
    name: &'static str,
    run: impl Fn(&Vector) -> Result<Option<usize>> + Send + Sync + 'static,
) -> Result<Value> {
    let input = call.stream("tables")?;
    let column: Text = call.or("column", Text::from("_value"))?;
    let shape = Shape::Selector { name, column: Text::clone(&column) };
    Ok(call.shaped(input, shape, move |runtime, table| {
        runtime.step(table.rows() as u64)?;
        let values = table.column(&column);
        let values = values.ok_or_else(|| FluxError::invalid(format!("no column \"{column}\" exists")))?;
        let row: Vec<usize> = run(values)?.into_iter().collect();
        Ok(Some(table.take(&row)))
    }))
}

fn first(call: &mut Call<'_>) -> Result<Value> {
    selector(call, "first", |column| Ok((0..column.len()).find(|row| !column.is_null(*row))))
}

fn last(call: &mut Call<'_>) -> Result<Value> {
    selector(call, "last", |column| Ok((0..column.len()).rev().find(|row| !column.is_null(*row))))
}

/// The first of the rows than which none is better.
fn best(column: &Vector, name: &str, better: std::cmp::Ordering) -> Result<Option<usize>> {
    let kind = column.column_type();
    if !kind.is_numeric() && kind != ColumnType::Time {
        let kind = kind.name();
        let message =
            format!("invalid use of function: *universe.{name}Selector has no implementation for type {kind}");
        return Err(FluxError::invalid(message));
    }
    let mut best: Option<(usize, Value)> = None;
    for row in 0..column.len() {
        let value = column.value(row);
        let is_better = match &best {
            _ if value.is_null() => false,
            None => true,
            Some((_, known)) => value.compare(known) == Some(better),
        };
        if is_better {
            best = Some((row, value));
        }
    }
    Ok(best.map(|(row, _)| row))
}

fn min(call: &mut Call<'_>) -> Result<Value> {
    selector(call, "min", |column| best(column, "Min", std::cmp::Ordering::Less))
}

fn max(call: &mut Call<'_>) -> Result<Value> {
    selector(call, "max", |column| best(column, "Max", std::cmp::Ordering::Greater))
}

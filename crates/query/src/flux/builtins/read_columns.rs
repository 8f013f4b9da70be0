//! What table functions need of columns: numbers out of them, and the messages for those that are not there.

use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::table::{Column, Table};
use super::super::value::Value;
use super::super::vector::{ColumnType, Vector};
use super::unsupported_aggregate;

/// The column of that name.
pub(super) fn existing<'a>(table: &'a Table, label: &str) -> Result<&'a Vector> {
    table.column(label).ok_or_else(|| FluxError::invalid(format!("no column \"{label}\" exists")))
}

/// The numbers of a column of numbers.
pub(super) fn numbers(vector: &Vector) -> Result<Vec<Option<f64>>> {
    let kind = vector.column_type();
    if !kind.is_numeric() {
        return Err(unsupported_aggregate(vector));
    }
    Ok((0..vector.len()).map(|row| vector.number(row)).collect())
}

/// The times of a column of times.
pub(super) fn times(table: &Table, label: &str) -> Result<Vec<Option<i64>>> {
    let vector = existing(table, label)?;
    let kind = vector.column_type();
    if kind != ColumnType::Time {
        let kind = kind.name();
        return Err(FluxError::invalid(format!("time column \"{label}\" is type {kind} and not time")));
    }
    Ok((0..vector.len()).map(|row| vector.integer(row)).collect())
}

/// A table of one row: the key's columns and a float.
pub(super) fn float_row(table: &Table, label: &str, value: Option<f64>) -> Table {
    table.of_key(1, vec![floats(label, vec![value])])
}

/// A column of floats.
pub(super) fn floats(label: &str, values: Vec<Option<f64>>) -> Column {
    Column::new(label, Vector::Float(values.into()))
}

/// A column of integers.
pub(super) fn integers(label: &str, values: Vec<Option<i64>>) -> Column {
    Column::new(label, Vector::Int(values.into()))
}

/// A column of texts.
pub(super) fn texts<T: AsRef<str>>(label: &str, values: impl IntoIterator<Item = T>) -> Column {
    let values = values.into_iter().map(|text| Some(Arc::from(text.as_ref()))).collect();
    Column::new(label, Vector::texts(values))
}

/// A column of values of one type.
pub(super) fn values(label: &str, values: &[Value], otherwise: ColumnType) -> Result<Column> {
    Ok(Column::new(label, Vector::from_values(values, otherwise)?))
}

//! Packages `testing` and `internal/debug`: comparing streams, and streams that pass through.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::table::{Column, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, VectorBuilder};
use super::Functions;
use super::read_columns::texts;

/// How `diff` compares.
#[derive(Debug, Clone, Copy)]
struct Comparison {
    epsilon: f64,
    nans_equal: bool,
    verbose: bool,
}

impl Comparison {
    fn of(call: &Call<'_>) -> Result<Self> {
        Ok(Self {
            epsilon: call.or("epsilon", 0.000_001)?,
            nans_equal: call.or("nansEqual", false)?,
            verbose: call.or("verbose", false)?,
        })
    }

    fn same(self, left: &Value, right: &Value) -> bool {
        match (left, right) {
            (Value::Float(left), Value::Float(right)) => {
                left == right
                    || (left - right).abs() <= self.epsilon
                    || (self.nans_equal && left.is_nan() && right.is_nan())
            }
            (left, right) => left.kind() == right.kind() && left.equals(right),
        }
    }
}

/// The rows of one key that are wanted and that came, with what they are.
fn differences(comparison: Comparison, want: Option<&Table>, got: Option<&Table>) -> Result<Option<Table>> {
    let Some(some) = want.or(got) else { return Ok(None) };
    let mut labels: Vec<(Text, ColumnType)> = Vec::new();
    for column in [want, got].into_iter().flatten().flat_map(Table::columns) {
        if !labels.iter().any(|(label, _)| *label == column.label) {
            labels.push((Arc::clone(&column.label), column.data.column_type()));
        }
    }
    let value = |table: Option<&Table>, label: &str, row: usize| {
        table.and_then(|table| table.column(label)).map_or(Value::Null, |vector| vector.value(row))
    };
    let rows = |table: Option<&Table>| table.map_or(0, Table::rows);
    let mut marks: Vec<&'static str> = Vec::new();
    let mut builders: Vec<VectorBuilder> = labels.iter().map(|(_, kind)| VectorBuilder::new(*kind)).collect();
    for row in 0..rows(want).max(rows(got)) {
        let is_in_both = row < rows(want) && row < rows(got);
        let is_same =
            |(label, _): &(Text, ColumnType)| comparison.same(&value(want, label, row), &value(got, label, row));
        let sides: &[(&str, Option<&Table>)] = match is_in_both && labels.iter().all(is_same) {
            true if comparison.verbose => &[("", want)],
            true => &[],
            false => &[("-", want), ("+", got)],
        };
        for (mark, table) in sides.iter().filter(|(_, table)| row < rows(*table)) {
            marks.push(mark);
            for ((label, _), builder) in labels.iter().zip(&mut builders) {
                // A column that is of another type there shows as missing.
                let value = value(*table, label, row);
                builder.push(if ColumnType::of(&value) == Some(builder.column_type()) {
                    &value
                } else {
                    &Value::Null
                })?;
            }
        }
    }
    if marks.is_empty() {
        return Ok(None);
    }
    let data = labels.into_iter().zip(builders);
    let columns = [texts("_diff", marks)]
        .into_iter()
        .chain(data.map(|((label, _), builder)| Column::new(label, builder.finish())));
    Ok(Some(some.with(some.key().clone(), columns.collect())))
}

/// All differences of two streams, table by table.
fn all_differences(comparison: Comparison, want: Vec<Table>, got: Vec<Table>) -> Result<Vec<Table>> {
    let mut pairs: BTreeMap<Vec<u8>, (Option<Table>, Option<Table>)> = BTreeMap::new();
    for table in want {
        let key = table.key().bytes();
        pairs.entry(key).or_default().0 = Some(table);
    }
    for table in got {
        let key = table.key().bytes();
        pairs.entry(key).or_default().1 = Some(table);
    }
    let mut found = Vec::new();
    for (want, got) in pairs.values() {
        found.extend(differences(comparison, want.as_ref(), got.as_ref())?);
    }
    found.sort_by(|left, right| left.key().order(right.key()));
    Ok(found)
}

/// The rows in which two streams differ: `-` marks those that are wanted, `+` those that are there.
pub(super) fn diff(call: &mut Call<'_>) -> Result<Value> {
    let comparison = Comparison::of(call)?;
    let inputs = vec![call.stream("want")?, call.stream("got")?];
    Ok(call.whole(inputs, move |_, inputs| {
        let mut inputs = inputs.into_iter();
        let (want, got) = (inputs.next().unwrap_or_default(), inputs.next().unwrap_or_default());
        all_differences(comparison, want, got)
    }))
}

fn assert_equals(call: &mut Call<'_>) -> Result<Value> {
    let comparison = Comparison { epsilon: 0.0, nans_equal: true, verbose: false };
    let name: Text = call.required("name")?;
    let inputs = vec![call.stream("want")?, call.stream("got")?];
    Ok(call.whole(inputs, move |_, inputs| {
        let mut inputs = inputs.into_iter();
        let (want, got) = (inputs.next().unwrap_or_default(), inputs.next().unwrap_or_default());
        match all_differences(comparison, want, got.clone())?.first() {
            None => Ok(got),
            Some(table) => {
                let message =
                    format!("test {name} failed: {} rows of a table are not what they should be", table.rows());
                Err(FluxError::invalid(message))
            }
        }
    }))
}

fn assert_empty(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    Ok(call.per_table(input, |_, table| match table.rows() {
        0 => Ok(Some(table)),
        rows => Err(FluxError::invalid(format!("there should be no rows, but a table has {rows}"))),
    }))
}

/// The functions of package `testing`.
pub(super) const TESTING: Functions = &[("diff", diff), ("assertEquals", assert_equals), ("assertEmpty", assert_empty)];

/// A null of a type, for scripts that need one.
fn null(call: &mut Call<'_>) -> Result<Value> {
    call.or("type", Text::from("string"))?;
    Ok(Value::Null)
}

fn slurp(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    Ok(call.per_table(input, |_, table| Ok(Some(table))))
}

/// The functions of package `internal/debug`.
pub(super) const DEBUG: Functions = &[
    ("null", null),
    ("pass", slurp),
    ("slurp", slurp),
    ("opaque", slurp),
    ("sink", |call| {
        let input = call.stream("tables")?;
        Ok(call.per_table(input, |_, _| Ok(None)))
    }),
];

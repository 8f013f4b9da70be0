//! Package `experimental` and its neighbour `events`: small tools over streams and values.

use std::sync::Arc;

use super::super::duration::Duration;
use super::super::error::{Code, FluxError, Result};
use super::super::function::{Call, Function, Time};
use super::super::stream::{Run, Shape, node};
use super::super::table::{Column, Table};
use super::super::value::{Record, Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;
use super::collections::object_keys;
use super::group::by_values;
use super::read_columns::{existing, integers, times};

/// What a function gives, or why it fails.
fn catch(call: &mut Call<'_>) -> Result<Value> {
    let function: Function = call.required("fn")?;
    let (value, code, message) = match call.invoke(&function, Vec::new()) {
        Ok(value) => (value, Value::Null, Value::Null),
        // Limits end a script.
        Err(error) if matches!(error.code, Code::ResourceExhausted | Code::Canceled) => return Err(error),
        Err(error) => {
            let number = match error.code {
                Code::NotFound => 5,
                Code::PermissionDenied => 7,
                Code::Unimplemented => 12,
                Code::Internal => 13,
                _ => 3,
            };
            (Value::Null, Value::UInt(number), Value::text(error.message))
        }
    };
    let fields = [("value", value), ("code", code), ("msg", message)];
    Ok(Value::Record(Record::new(fields.into_iter().map(|(name, value)| (Text::from(name), value)).collect())))
}

/// Reads one stream to its end, and gives the other.
fn chain(call: &mut Call<'_>) -> Result<Value> {
    let (first, second) = (call.stream("first")?, call.stream("second")?);
    call.read_now(&first)?;
    Ok(Value::Stream(second))
}

fn set(call: &mut Call<'_>) -> Result<Value> {
    let record: Record = call.required("o")?;
    let fields = record.fields();
    for (label, value) in &fields {
        if ColumnType::of(value).is_none() {
            let kind = value.kind();
            return Err(FluxError::invalid(format!("property \"{label}\" is {kind}, which a column cannot hold")));
        }
    }
    let input = call.stream("tables")?;
    Ok(call.regroup(input, move |_, table| {
        let mut key = table.key().clone();
        let mut changed = table;
        for (label, value) in &fields {
            let Some(kind) = ColumnType::of(value) else { continue };
            if key.contains(label) {
                key = key.with(label, value.clone());
            }
            changed = changed.with_column(label, Vector::constant(kind, value.clone(), changed.rows()));
        }
        Ok(vec![changed.with_key(key)])
    }))
}

fn group(call: &mut Call<'_>) -> Result<Value> {
    let columns: Vec<Text> = call.required("columns")?;
    let mode: Text = call.required("mode")?;
    if &*mode != "extend" {
        return Err(FluxError::invalid(format!("mode must be \"extend\", but is \"{mode}\"")));
    }
    let input = call.stream("tables")?;
    Ok(call.regroup(input, move |_, table| {
        let mut labels: Vec<Text> = table.key().columns().iter().map(|(label, _)| Arc::clone(label)).collect();
        for label in &columns {
            existing(&table, label)?;
            if !labels.contains(label) {
                labels.push(Arc::clone(label));
            }
        }
        Ok(by_values(&table, &labels))
    }))
}

/// Every column that is not of the key becomes rows of `_field` and `_value`.
fn unpivot(call: &mut Call<'_>) -> Result<Value> {
    let others: Vec<Text> = call.or("otherColumns", vec![Text::from("_time")])?;
    let input = call.stream("tables")?;
    Ok(call.regroup(input, move |_, table| {
        for label in others.iter().filter(|label| &***label != "_time") {
            let missing = || FluxError::invalid(format!("unpivot could not find column named \"{label}\""));
            table.column(label).ok_or_else(missing)?;
        }
        let is_value = |column: &&Column| !table.key().contains(&column.label) && !others.contains(&column.label);
        let parts = table.columns().iter().filter(is_value).map(|column| unpivoted(&table, column, &others));
        Ok(parts.filter(|part| part.rows() > 0).collect())
    }))
}

/// The rows of a table that have a value in one column, with its name and value instead of the columns.
fn unpivoted(table: &Table, column: &Column, others: &[Text]) -> Table {
    let rows: Vec<usize> = (0..table.rows()).filter(|row| !column.data.is_null(*row)).collect();
    let key = table.key().columns().iter();
    let mut columns: Vec<Column> =
        key.map(|(label, _)| Column::new(Arc::clone(label), table.key_vector(label, rows.len()))).collect();
    let name = Value::String(Arc::clone(&column.label));
    columns.push(Column::new("_field", Vector::constant(ColumnType::String, name.clone(), rows.len())));
    for label in others {
        if let Some(other) = table.column(label) {
            columns.push(Column::new(Arc::clone(label), other.take(&rows)));
        }
    }
    columns.push(Column::new("_value", column.data.take(&rows)));
    table.with(table.key().with("_field", name), columns)
}

fn preview(call: &mut Call<'_>) -> Result<Value> {
    let limit = |name: &str| -> Result<usize> {
        let count: i64 = call.or(name, 5)?;
        usize::try_from(count).map_err(|_| FluxError::invalid(format!("{name} must not be negative, but is {count}")))
    };
    let (rows, tables) = (limit("nrows")?, limit("ntables")?);
    let input = call.stream("tables")?;
    let bounds = input.bounds();
    // What is not shown is not read.
    let run: Run = Box::new(move |_, inputs| {
        let shown = inputs.into_iter().flatten().take(tables);
        Ok(Box::new(shown.map(move |table| table.map(|table| table.slice(0, rows)))))
    });
    Ok(node(call.place.clone(), vec![input], Shape::Other, bounds, run))
}

/// The functions of package `experimental`.
pub(super) const EXPERIMENTAL: Functions = &[
    ("catch", catch),
    ("chain", chain),
    ("diff", super::testing::diff),
    ("fill", super::fill::fill),
    ("group", group),
    ("join", super::join::join_on_time),
    ("objectKeys", object_keys),
    ("preview", preview),
    ("set", set),
    ("unpivot", unpivot),
];

/// How long each row lasts: until the next one, and the last one until the end.
fn event_duration(call: &mut Call<'_>) -> Result<Value> {
    let unit: Duration = call.or("unit", Duration::from_nanoseconds(1_000_000_000))?;
    if unit.months != 0 || unit.nanoseconds <= 0 {
        return Err(FluxError::invalid(format!("unit must be a positive duration without months, but is {unit}")));
    }
    let label: Text = call.or("timeColumn", Text::from("_time"))?;
    let stop_label: Text = call.or("stopColumn", Text::from("_stop"))?;
    let to: Text = call.or("columnName", Text::from("duration"))?;
    let stop = call.optional::<Time>("stop")?.map(|stop| stop.0);
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let times = times(&table, &label)?;
        let last = match stop {
            Some(stop) => Some(stop),
            None => existing(&table, &stop_label)?.integer(table.rows().saturating_sub(1)),
        };
        let next = times.iter().skip(1).copied().chain([last]);
        let durations = times
            .iter()
            .zip(next)
            .map(|(time, next)| time.zip(next).map(|(time, next)| next.saturating_sub(time) / unit.nanoseconds));
        let durations = integers("", durations.collect());
        Ok(Some(table.with_column(&to, durations.data)))
    }))
}

/// The functions of package `contrib/tomhollingworth/events`.
pub(super) const EVENTS: Functions = &[("duration", event_duration)];

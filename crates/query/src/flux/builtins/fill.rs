//! What fills rows, picks them by place (`tail`, `sample`) or by hour, and moves their times.

use std::sync::Arc;

use super::super::duration::Duration;
use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::Functions;
use super::date;
use super::read_columns::{existing, times};
use super::statistics::column;

/// Values for nulls.
pub(super) fn fill(call: &mut Call<'_>) -> Result<Value> {
    let label = column(call)?;
    let use_previous = call.or("usePrevious", false)?;
    let value = call.value("value");
    if call.has("value") == use_previous {
        return Err(FluxError::invalid("fill requires exactly one of value or usePrevious"));
    }
    let kind = if use_previous { None } else { ColumnType::of(&value) };
    if !use_previous && kind.is_none() {
        let given = value.kind();
        return Err(FluxError::invalid(format!("value {given} type not supported by fill")));
    }
    let input = call.stream("tables")?;
    Ok(call.regroup(input, move |_, table| {
        let filled = match (table.column(&label), kind) {
            (None, None) => return Err(FluxError::invalid(format!("fill column not found: {label}"))),
            (None, Some(kind)) => table.with_column(&label, Vector::constant(kind, value.clone(), table.rows())),
            (Some(vector), Some(kind)) if vector.column_type() != kind => {
                let (left, right) = (vector.column_type().name(), kind.name());
                return Err(FluxError::invalid(format!("fill column type mismatch: {left}/{right}")));
            }
            (Some(vector), _) => {
                let filled = fill_vector(vector, use_previous, &value)?;
                let is_null_key = table.key().get(&label).is_some_and(Value::is_null);
                let key = match is_null_key && !use_previous {
                    true => table.key().with(&label, value.clone()),
                    false => table.key().clone(),
                };
                table.with_column(&label, filled).with_key(key)
            }
        };
        Ok(vec![filled])
    }))
}

fn fill_vector(vector: &Vector, use_previous: bool, value: &Value) -> Result<Vector> {
    if let Vector::Constant(kind, known, rows) = vector {
        let fills = known.is_null() && !use_previous;
        return Ok(if fills { Vector::constant(*kind, value.clone(), *rows) } else { vector.clone() });
    }
    let mut builder = VectorBuilder::with_capacity(vector.column_type(), vector.len());
    let mut with = if use_previous { Value::Null } else { value.clone() };
    for value in vector.values() {
        if value.is_null() {
            builder.push(&with)?;
        } else {
            builder.push(&value)?;
            if use_previous {
                with = value;
            }
        }
    }
    Ok(builder.finish())
}

fn tail(call: &mut Call<'_>) -> Result<Value> {
    let (n, offset): (i64, i64) = (call.required("n")?, call.or("offset", 0)?);
    let count = usize::try_from(n).map_err(|_| FluxError::invalid(format!("n must not be negative, but is {n}")))?;
    let offset = usize::try_from(offset)
        .map_err(|_| FluxError::invalid(format!("offset must not be negative, but is {offset}")))?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let end = table.rows().saturating_sub(offset);
        Ok(Some(table.slice(end.saturating_sub(count), end)))
    }))
}

fn sample(call: &mut Call<'_>) -> Result<Value> {
    let (n, position): (i64, i64) = (call.required("n")?, call.or("pos", -1)?);
    let step = usize::try_from(n).ok().filter(|step| *step > 0);
    let step = step.ok_or_else(|| FluxError::invalid(format!("n must be a positive integer, but was {n}")))?;
    if position >= n {
        return Err(FluxError::invalid(format!("pos must be less than n, but {position} >= {n}")));
    }
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |runtime, table| {
        // Without a place the rows are as good as random: they differ from query to query.
        let anywhere = usize::try_from(runtime.now_ns.unsigned_abs() % step as u64).unwrap_or(0);
        let first = usize::try_from(position).unwrap_or(anywhere);
        let rows: Vec<usize> = (first..table.rows()).step_by(step).collect();
        Ok(Some(table.take(&rows)))
    }))
}

/// The table with the times of some columns moved, in its key as well.
fn move_times(table: &Table, labels: &[Text], change: impl Fn(i64) -> i64) -> Result<Table> {
    let column = |column: &Column| {
        if !labels.contains(&column.label) {
            return Ok(column.clone());
        }
        if column.data.column_type() != ColumnType::Time {
            return Err(FluxError::invalid(format!("column \"{}\" is not of type time", column.label)));
        }
        let moved = match &column.data {
            Vector::Constant(kind, Value::Time(time), rows) => {
                Vector::constant(*kind, Value::Time(change(*time)), *rows)
            }
            data => Vector::Time((0..data.len()).map(|row| data.integer(row).map(&change)).collect()),
        };
        Ok(Column::new(Arc::clone(&column.label), moved))
    };
    let columns = table.columns().iter().map(column).collect::<Result<Vec<Column>>>()?;
    let key = table.key().columns().iter().map(|(label, value)| match value {
        Value::Time(time) if labels.contains(label) => (Arc::clone(label), Value::Time(change(*time))),
        value => (Arc::clone(label), value.clone()),
    });
    Ok(table.with(GroupKey::new(key.collect()), columns))
}

fn time_shift(call: &mut Call<'_>) -> Result<Value> {
    let duration: Duration = call.required("duration")?;
    let columns: Vec<Text> = call.or("columns", ["_start", "_stop", "_time"].map(Text::from).to_vec())?;
    let input = call.stream("tables")?;
    Ok(call.regroup(input, move |_, table| Ok(vec![move_times(&table, &columns, |time| duration.add_to(time))?])))
}

fn truncate_time_column(call: &mut Call<'_>) -> Result<Value> {
    let label: Text = call.or("timeColumn", Arc::from("_time"))?;
    let truncation = date::Truncation::of(call)?;
    let input = call.stream("tables")?;
    Ok(call.regroup(input, move |_, table| {
        existing(&table, &label)?;
        Ok(vec![move_times(&table, std::slice::from_ref(&label), |time| truncation.apply(time))?])
    }))
}

/// The rows of some hours of the day, both included; over midnight where the last comes before the first.
fn hour_selection(call: &mut Call<'_>) -> Result<Value> {
    let hour = |name: &str| -> Result<i64> {
        let hour: i64 = call.required(name)?;
        if !(0..=23).contains(&hour) {
            return Err(FluxError::invalid(format!("{name} must be between 0 and 23, but is {hour}")));
        }
        Ok(hour)
    };
    let (start, stop) = (hour("start")?, hour("stop")?);
    let label: Text = call.or("timeColumn", Arc::from("_time"))?;
    let location = date::location(call)?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let is_selected = |time: i64| {
            let hour = date::hour(location, time);
            if start <= stop { (start..=stop).contains(&hour) } else { hour >= start || hour <= stop }
        };
        let times = times(&table, &label)?.into_iter().enumerate();
        let rows: Vec<usize> = times.filter(|(_, time)| time.is_some_and(is_selected)).map(|(row, _)| row).collect();
        Ok(Some(table.take(&rows)))
    }))
}

/// The functions of the universe that fill, pick and shift rows.
pub(super) const FUNCTIONS: Functions = &[
    ("fill", fill),
    ("tail", tail),
    ("sample", sample),
    ("timeShift", time_shift),
    ("_truncateTimeColumn", truncate_time_column),
    ("_hourSelection", hour_selection),
];

//! `difference`, `derivative`, `cumulativeSum`, `elapsed`, averages that move, `integral` and states over tables.

use std::sync::Arc;

use super::super::duration::Duration;
use super::super::error::{Code, FluxError, Result};
use super::super::function::{Call, Function};
use super::super::interpret::RowFunction;
use super::super::library::analysis;
use super::super::library::running::{self, Falling};
use super::super::table::{Column, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;
use super::read_columns::{existing, float_row, integers, numbers, times};
use super::statistics::{VALUE, column};
use super::value_column;
use crate::limits;

/// The argument `columns`.
fn columns(call: &Call<'_>) -> Result<Vec<Text>> {
    call.or("columns", vec![Arc::from(VALUE)])
}

/// The argument `timeColumn`.
pub(super) fn time_column(call: &Call<'_>) -> Result<Text> {
    call.or("timeColumn", Arc::from("_time"))
}

/// A unit of time in nanoseconds, one second if none is given.
pub(super) fn unit(call: &Call<'_>, name: &str) -> Result<i64> {
    let unit: Duration = call.or(name, Duration::from_nanoseconds(1_000_000_000))?;
    if unit.months != 0 || unit.nanoseconds <= 0 {
        return Err(FluxError::invalid(format!("{name} must be a positive duration without months, but is {unit}")));
    }
    Ok(unit.nanoseconds)
}

fn falling(call: &Call<'_>) -> Result<Falling> {
    Ok(Falling { non_negative: call.or("nonNegative", false)?, initial_zero: call.or("initialZero", false)? })
}

/// The table with some of its columns made anew.
fn replace(table: &Table, labels: &[Text], change: impl Fn(&Vector, &str) -> Result<Vector>) -> Result<Table> {
    let column = |column: &Column| match labels.contains(&column.label) {
        true => Ok(Column::new(Arc::clone(&column.label), change(&column.data, &column.label)?)),
        false => Ok(column.clone()),
    };
    let columns = table.columns().iter().map(column).collect::<Result<Vec<Column>>>()?;
    Ok(table.with(table.key().clone(), columns))
}

fn whole(vector: &Vector) -> impl Iterator<Item = Option<i128>> + '_ {
    vector.values().map(|value| match value {
        Value::Int(value) => Some(i128::from(value)),
        Value::UInt(value) => Some(i128::from(value)),
        _ => None,
    })
}

fn difference(call: &mut Call<'_>) -> Result<Value> {
    let columns = columns(call)?;
    let falling = falling(call)?;
    let first = usize::from(!call.or("keepFirst", false)?);
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let changed = replace(&table, &columns, |vector, label| match vector.column_type() {
            ColumnType::Int | ColumnType::UInt => {
                Ok(Vector::Int(running::integer_difference(whole(vector), falling).into()))
            }
            ColumnType::Float => Ok(Vector::Float(running::difference(numbers(vector)?, falling).into())),
            ColumnType::Time => {
                Err(FluxError::invalid("difference does not support time columns. Try the elapsed function"))
            }
            kind => Err(FluxError::invalid(format!("unsupported difference column type {label}:{}", kind.name()))),
        })?;
        Ok(Some(changed.slice(first, changed.rows())))
    }))
}

#[allow(clippy::cast_precision_loss, reason = "a unit is a few digits")]
fn derivative(call: &mut Call<'_>) -> Result<Value> {
    let columns = columns(call)?;
    let (falling, unit, time_label) = (falling(call)?, unit(call, "unit")? as f64, time_column(call)?);
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let all = times(&table, &time_label)?;
        let rows = running::ascending(all.iter().copied()).map_err(FluxError::invalid)?;
        let times: Vec<i64> = rows.iter().filter_map(|row| all.get(*row).copied().flatten()).collect();
        let kept = if rows.len() == table.rows() { table } else { table.take(&rows) };
        let changed = replace(&kept, &columns, |vector, label| {
            let kind = vector.column_type();
            if !kind.is_numeric() {
                let kind = kind.name();
                return Err(FluxError::invalid(format!("unsupported derivative column type {label}:{kind}")));
            }
            Ok(Vector::Float(running::derivative(&times, &numbers(vector)?, unit, falling).into()))
        })?;
        Ok(Some(changed.slice(1, changed.rows())))
    }))
}

fn cumulative_sum(call: &mut Call<'_>) -> Result<Value> {
    let columns = columns(call)?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let changed = replace(&table, &columns, |vector, label| match vector {
            _ if vector.column_type() == ColumnType::Float => {
                let mut sum = 0.0;
                let sums = numbers(vector)?.into_iter().map(|value| {
                    sum += value.unwrap_or(0.0);
                    Some(sum)
                });
                Ok(Vector::Float(sums.collect()))
            }
            _ if matches!(vector.column_type(), ColumnType::Int | ColumnType::UInt) => {
                let mut sum = 0i128;
                let sums = whole(vector).map(|value| {
                    sum += value.unwrap_or(0);
                    sum
                });
                // Sums wrap around as those of 64 bits do.
                Ok(if vector.column_type() == ColumnType::Int {
                    Vector::Int(sums.map(|sum| Some(sum as i64)).collect())
                } else {
                    Vector::UInt(sums.map(|sum| Some(sum as u64)).collect())
                })
            }
            _ => {
                let kind = vector.column_type().name();
                Err(FluxError::invalid(format!("unsupported cumulative sum column type {label}:{kind}")))
            }
        })?;
        Ok(Some(changed))
    }))
}

fn elapsed(call: &mut Call<'_>) -> Result<Value> {
    let (unit, time_label) = (unit(call, "unit")?, time_column(call)?);
    let to: Text = call.or("columnName", Arc::from("elapsed"))?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let mut previous: Option<i64> = None;
        let since = times(&table, &time_label)?.into_iter().map(|time| {
            let before = previous;
            previous = time.or(previous);
            time.zip(before).map(|(time, before)| time.saturating_sub(before) / unit)
        });
        let since = Vector::Int(since.collect());
        Ok(Some(table.with_column(&to, since).slice(1, table.rows())))
    }))
}

/// How `movingAverage` and `exponentialMovingAverage` go through a column.
type Average = fn(&[Option<f64>], usize) -> (usize, Vec<Option<f64>>);

fn average(call: &mut Call<'_>, name: &'static str, average: Average) -> Result<Value> {
    let n: i64 = call.required("n")?;
    let count = usize::try_from(n).ok().filter(|count| *count > 0).ok_or_else(|| {
        FluxError::invalid(format!("cannot take {name} with a period of {n} (must be greater than 0)"))
    })?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let missing = || FluxError::invalid(format!("cannot find {VALUE} column"));
        let vector = table.column(VALUE).ok_or_else(missing)?;
        if !vector.column_type().is_numeric() {
            let kind = vector.column_type().name();
            return Err(FluxError::invalid(format!("cannot take {name} of column {VALUE} (type {kind})")));
        }
        let (first, averages) = average(&numbers(vector)?, count);
        let kept = table.slice(first, first + averages.len());
        Ok(Some(kept.with_column(VALUE, Vector::Float(averages.into()))))
    }))
}

/// How an analysis goes through a column.
type Analysis = fn(&[Option<f64>], usize) -> Vec<Option<f64>>;

/// An analysis of each column whose first result is that of row `n`.
fn analyse(call: &mut Call<'_>, analysis: Analysis) -> Result<Value> {
    let n: i64 = call.required("n")?;
    let positive = || FluxError::invalid(format!("n must be greater than 0, but is {n}"));
    let count = usize::try_from(n).ok().filter(|count| *count > 0).ok_or_else(positive)?;
    let columns = match call.optional("column")? {
        Some(column) => vec![column],
        None => columns(call)?,
    };
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        for label in &columns {
            existing(&table, label)?;
        }
        let mut kept = table.slice(count, table.rows());
        for label in &columns {
            let results = analysis(&numbers(existing(&table, label)?)?, count);
            kept = kept.with_column(label, Vector::Float(results.into()));
        }
        Ok(Some(kept))
    }))
}

#[allow(clippy::cast_precision_loss, reason = "a unit is a few digits")]
fn integral(call: &mut Call<'_>) -> Result<Value> {
    let (label, unit, time_label) = (column(call)?, unit(call, "unit")? as f64, time_column(call)?);
    let interpolate: Text = call.or("interpolate", Arc::from(""))?;
    if !matches!(&*interpolate, "" | "linear") {
        return Err(FluxError::invalid(format!("unknown interpolation type {interpolate}, only linear is possible")));
    }
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |_, table| {
        let values = numbers(value_column(&table, &label)?)?;
        let times = times(&table, &time_label)?;
        let points: Vec<(i64, f64)> =
            times.into_iter().zip(values).filter_map(|(time, value)| time.zip(value)).collect();
        let bound = |name: &str| match table.key().get(name) {
            Some(Value::Time(time)) => Ok(*time),
            _ => Err(FluxError::invalid(format!("integral function needs {name} column to be part of group key"))),
        };
        let bounds = match interpolate.is_empty() {
            true => None,
            false => Some((bound("_start")?, bound("_stop")?)),
        };
        Ok(Some(float_row(&table, &label, running::integral(&points, unit, bounds))))
    }))
}

fn state_tracking(call: &mut Call<'_>) -> Result<Value> {
    let function: Function = call.required("fn")?;
    let count_label: Text = call.or("countColumn", Arc::from(""))?;
    let duration_label: Text = call.or("durationColumn", Arc::from(""))?;
    let time_label = time_column(call)?;
    let unit = if duration_label.is_empty() { 0 } else { unit(call, "durationUnit")? };
    let input = call.stream("tables")?;
    let name: Text = Arc::from("r");
    Ok(call.per_table(input, move |runtime, table| {
        let times = if duration_label.is_empty() { vec![None; table.rows()] } else { times(&table, &time_label)? };
        let mut function = RowFunction::new(runtime, &function);
        let rows = Arc::new(table.clone());
        let state = |(row, time): (usize, Option<i64>)| match function.row(&name, &rows, row)? {
            Value::Bool(is_in_state) => Ok((time.unwrap_or(0), is_in_state)),
            Value::Null => Ok((time.unwrap_or(0), false)),
            other => Err(FluxError::invalid(format!("fn should give a bool, but gives a {}", other.kind()))),
        };
        let states = times.into_iter().enumerate().map(state).collect::<Result<Vec<(i64, bool)>>>()?;
        let states = running::states(states, unit);
        let mut table = table;
        if !count_label.is_empty() {
            let counts = integers("", states.iter().map(|state| Some(state.0)).collect());
            table = table.with_column(&count_label, counts.data);
        }
        if !duration_label.is_empty() {
            let durations = integers("", states.iter().map(|state| Some(state.1)).collect());
            table = table.with_column(&duration_label, durations.data);
        }
        Ok(Some(table))
    }))
}

/// Puts rows on the line between two points at every multiple of a duration between them.
fn interpolate_linear(call: &mut Call<'_>) -> Result<Value> {
    let every = unit(call, "every")?;
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |runtime, table| {
        let vector = existing(&table, VALUE)?;
        if vector.column_type() != ColumnType::Float {
            let kind = vector.column_type().name();
            return Err(FluxError::invalid(format!("cannot interpolate {kind} values; expected float values")));
        }
        let values = numbers(vector)?;
        let mut points: Vec<(i64, f64)> = Vec::with_capacity(values.len());
        for point in times(&table, "_time")?.into_iter().zip(values).filter_map(|(time, value)| time.zip(value)) {
            if let Some(before) = points.last().copied() {
                let mut at = before.0.saturating_sub(before.0.rem_euclid(every)).saturating_add(every);
                while at < point.0 {
                    runtime.step(1)?;
                    points.push((at, running::line(before, point, at)));
                    if points.len() > limits::FLUX_WINDOW_ROWS {
                        let rows = limits::FLUX_WINDOW_ROWS;
                        let message = format!("more than {rows} rows would lie between the points of a table");
                        return Err(FluxError::new(Code::ResourceExhausted, message));
                    }
                    at = at.saturating_add(every);
                }
            }
            points.push(point);
        }
        Ok(Some(with_points(&table, &points)))
    }))
}

/// The key, time and value of a table with other points.
fn with_points(table: &Table, points: &[(i64, f64)]) -> Table {
    let column = |column: &Column| {
        let data = match &*column.label {
            "_time" => Vector::Time(points.iter().map(|point| Some(point.0)).collect()),
            VALUE => Vector::Float(points.iter().map(|point| Some(point.1)).collect()),
            label if table.key().contains(label) => table.key_vector(label, points.len()),
            _ => return None,
        };
        Some(Column::new(Arc::clone(&column.label), data))
    };
    Table::new(table.key().clone(), table.columns().iter().filter_map(column).collect())
}

/// The functions of the universe that go through rows.
pub(super) const RUNNING: Functions = &[
    ("difference", difference),
    ("derivative", derivative),
    ("cumulativeSum", cumulative_sum),
    ("elapsed", elapsed),
    ("movingAverage", |call| average(call, "moving average", running::moving_average)),
    ("exponentialMovingAverage", |call| average(call, "exponential moving average", running::exponential_average)),
    ("chandeMomentumOscillator", |call| analyse(call, analysis::momentum)),
    ("relativeStrengthIndex", |call| analyse(call, analysis::relative_strength)),
    ("kaufmansAMA", |call| analyse(call, analysis::adaptive_average)),
    ("integral", integral),
    ("stateTracking", state_tracking),
];

/// The functions of package `interpolate`.
pub(super) const INTERPOLATE: Functions = &[("linear", interpolate_linear)];

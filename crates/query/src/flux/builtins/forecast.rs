//! `holtWinters`: values that go on as a column of numbers did, by the same search as InfluxQL's `holt_winters`.

use super::super::error::{Code, FluxError, Result};
use super::super::function::Call;
use super::super::table::{Column, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;
use super::read_columns::{floats, numbers};
use super::running::{time_column, unit};
use super::statistics::{VALUE, column};
use crate::ops::forecast::Forecast;

pub(super) const FUNCTIONS: Functions = &[("holtWinters", holt_winters)];

const TIME: &str = "_time";

fn holt_winters(call: &mut Call<'_>) -> Result<Value> {
    let (label, time_label) = (column(call)?, time_column(call)?);
    let whole = |count: i64| usize::try_from(count).unwrap_or(0);
    let forecast = Forecast {
        values: whole(call.required("n")?),
        season: whole(call.or("seasonality", 0)?),
        with_fit: call.or("withFit", false)?,
        every: unit(call, "interval")?,
    };
    let input = call.stream("tables")?;
    Ok(call.per_table(input, move |runtime, table| {
        if let Some(label) = [TIME, VALUE].into_iter().find(|label| table.key().contains(label)) {
            return Err(FluxError::invalid(format!("column {label} of the result is part of the group key")));
        }
        let points = points(&table, &label, &time_label, forecast.every)?;
        runtime.step(table.rows() as u64)?;
        let foretold = match forecast.values {
            0 => Vec::new(),
            _ => {
                let rounded: Vec<(i64, f64)> = points.iter().map(|point| (point.window, point.value)).collect();
                forecast.run(&rounded).map_err(|message| FluxError::new(Code::ResourceExhausted, message))?
            }
        };
        // The answer goes on from the time that was given, not from that of its window.
        let from = if forecast.with_fit { points.first() } else { points.last() };
        let shift = from.map_or(0, |point| point.time.saturating_sub(point.window));
        let (times, values): (Vec<Option<i64>>, Vec<Option<f64>>) =
            foretold.into_iter().map(|(time, value)| (Some(time.saturating_add(shift)), Some(value))).unzip();
        let rows = times.len();
        let time = Column::new(TIME, Vector::Time(times.into()));
        Ok(Some(table.of_key(rows, vec![time, floats(VALUE, values)])))
    }))
}

/// The first row of a window.
struct Point {
    time: i64,
    /// The middle of its window: a whole number of intervals since 1970.
    window: i64,
    /// NaN for null.
    value: f64,
}

/// The first row of each window, from the first row with a value on. Rows without a time, and those that go back, are
/// left out.
fn points(table: &Table, label: &Text, time_label: &Text, every: i64) -> Result<Vec<Point>> {
    let missing = |what: &str, label: &str| FluxError::invalid(format!("cannot find {what} {label}"));
    let times = table.column(time_label).ok_or_else(|| missing("time column", time_label))?;
    if times.column_type() != ColumnType::Time {
        let kind = times.column_type().name();
        return Err(FluxError::invalid(format!("time column \"{time_label}\" is type {kind} and not time")));
    }
    let vector = table.column(label).ok_or_else(|| missing("column", label))?;
    if !vector.column_type().is_numeric() {
        let kind = vector.column_type().name();
        return Err(FluxError::invalid(format!("holtWinters can work only on numerical types, got {kind}")));
    }
    let mut points: Vec<Point> = Vec::new();
    for (row, value) in numbers(vector)?.into_iter().enumerate() {
        let Some(time) = times.integer(row) else { continue };
        let window = rounded(time, every);
        match points.last() {
            None if value.is_none() => {}
            Some(last) if window <= last.window => {}
            _ => points.push(Point { time, window, value: value.unwrap_or(f64::NAN) }),
        }
    }
    Ok(points)
}

/// The nearest whole number of intervals since 1970; halves go up.
fn rounded(time: i64, every: i64) -> i64 {
    let rest = time.rem_euclid(every);
    let down = time.saturating_sub(rest);
    if rest < every - rest { down } else { down.saturating_add(every) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_up() {
        assert_eq!([14, 15, 16, -15, -16].map(|time| rounded(time, 10)), [10, 20, 20, -10, -20]);
    }
}

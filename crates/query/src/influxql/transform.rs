//! Functions of one point after another: derivatives, differences, sums and averages along a series.
//!
//! They skip points without a value. Of several points at one time, derivatives and differences take the first.

use std::collections::VecDeque;

use influxql::Operator;

use super::aggregate::Point;
use super::indicators::Indicator;
use super::value::{Kind, Value, binary};
use crate::ops::forecast::Forecast;
use crate::ops::window::Windows;

/// A function of points in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Transform {
    /// The change per so many nanoseconds.
    Derivative {
        unit: i64,
        non_negative: bool,
    },
    Difference {
        non_negative: bool,
    },
    CumulativeSum,
    MovingAverage(usize),
    /// The time since the point before, in units of so many nanoseconds.
    Elapsed(i64),
    HoltWinters(Forecast),
    Indicator(Indicator),
}

impl Transform {
    /// The type of its result, if it takes points of this type.
    pub(super) fn result_kind(&self, input: Kind) -> Option<Kind> {
        match self {
            Self::Elapsed(_) => Some(Kind::Integer),
            Self::Derivative { .. } | Self::MovingAverage(_) | Self::HoltWinters(_) | Self::Indicator(_) => {
                input.is_number().then_some(Kind::Float)
            }
            Self::Difference { .. } | Self::CumulativeSum => input.is_number().then_some(input),
        }
    }

    /// How many windows before the first one it has to see.
    pub(super) fn windows_before(&self) -> i64 {
        match self {
            // One for all of them, also for a moving average of more: its first values are missing in InfluxDB too.
            Self::Derivative { .. }
            | Self::Difference { .. }
            | Self::Elapsed(_)
            | Self::MovingAverage(_)
            | Self::Indicator(_) => 1,
            Self::CumulativeSum | Self::HoltWinters(_) => 0,
        }
    }

    /// The results for points in the order of the answer.
    ///
    /// # Errors
    /// A limit would be exceeded.
    pub(super) fn apply(&self, points: Vec<Point>, descending: bool) -> Result<Vec<Point>, String> {
        let points = points.into_iter().filter(|point| point.value != Value::Null);
        let result = |time: i64, value: Value| Point { time, value, auxiliary: Vec::new() };
        let forward = |span: i64| if descending { span.wrapping_neg() } else { span };
        Ok(match self {
            Self::Derivative { unit, non_negative } => changes(points, |previous, point| {
                let change = difference(previous, point)?;
                let change = change.as_scalar().as_f64()?;
                if *non_negative && change < 0.0 {
                    return None;
                }
                let elapsed = forward(point.time.wrapping_sub(previous.time));
                let rate = if elapsed > 0 { change / (elapsed as f64 / *unit as f64) } else { 0.0 };
                Some(result(point.time, Value::Float(rate)))
            }),
            Self::Difference { non_negative } => changes(points, |previous, point| {
                let change = difference(previous, point)?;
                let is_negative = change.as_scalar().as_f64().is_some_and(|change| change < 0.0);
                (!(*non_negative && is_negative)).then(|| result(point.time, change))
            }),
            Self::CumulativeSum => {
                let mut sum = Value::Null;
                points
                    .map(|point| {
                        sum = match &sum {
                            Value::Null => point.value,
                            sum => binary(Operator::Add, sum.as_scalar(), point.value.as_scalar()).to_value(),
                        };
                        result(point.time, sum.clone())
                    })
                    .collect()
            }
            Self::MovingAverage(size) => moving_average(points, *size),
            Self::Elapsed(unit) => {
                let mut previous: Option<i64> = None;
                points
                    .filter_map(|point| {
                        let before = previous.replace(point.time)?;
                        // Negative where the answer runs backwards, unlike the time of a derivative.
                        let elapsed = point.time.wrapping_sub(before) / (*unit).max(1);
                        Some(result(point.time, Value::Integer(elapsed)))
                    })
                    .collect()
            }
            Self::HoltWinters(forecast) => return holt_winters(forecast, points, descending),
            Self::Indicator(indicator) => {
                let (times, values): (Vec<i64>, Vec<f64>) = numbers(points).unzip();
                let results = times.into_iter().zip(indicator.run(values.into_iter()));
                results.filter_map(|(time, value)| Some(result(time, Value::Float(value?)))).collect()
            }
        })
    }
}

/// Times and values of points that are numbers.
fn numbers(points: impl Iterator<Item = Point>) -> impl Iterator<Item = (i64, f64)> {
    points.filter_map(|point| Some((point.time, point.value.as_scalar().as_f64()?)))
}

/// A forecast looks at the points as they came, also where the answer runs backwards.
fn holt_winters(
    forecast: &Forecast,
    points: impl Iterator<Item = Point>,
    descending: bool,
) -> Result<Vec<Point>, String> {
    let mut points: Vec<(i64, f64)> = numbers(points).collect();
    points.sort_by_key(|(time, _)| *time);
    let point = |(time, value)| Point { time, value: Value::Float(value), auxiliary: Vec::new() };
    let foretold = forecast.run(&points)?.into_iter().filter(|(_, value)| !value.is_nan());
    let mut results: Vec<Point> = foretold.map(point).collect();
    if descending {
        results.reverse();
    }
    Ok(results)
}

/// A result for each two points that follow each other and are not at the same time.
fn changes(points: impl Iterator<Item = Point>, mut change: impl FnMut(&Point, &Point) -> Option<Point>) -> Vec<Point> {
    let mut previous: Option<Point> = None;
    let mut results = Vec::new();
    for point in points {
        if let Some(before) = &previous {
            if before.time == point.time {
                continue;
            }
            results.extend(change(before, &point));
        }
        previous = Some(point);
    }
    results
}

fn difference(previous: &Point, point: &Point) -> Option<Value> {
    let change = binary(Operator::Subtract, point.value.as_scalar(), previous.value.as_scalar()).to_value();
    (change != Value::Null).then_some(change)
}

fn moving_average(points: impl Iterator<Item = Point>, size: usize) -> Vec<Point> {
    let (mut sum, mut window) = (0.0, VecDeque::new());
    let mut results = Vec::new();
    for point in points {
        let value = point.value.as_scalar().as_f64().unwrap_or_default();
        if window.len() == size {
            sum -= window.pop_front().unwrap_or_default();
        }
        sum += value;
        window.push_back(value);
        if window.len() == size {
            let value = Value::Float(sum / size as f64);
            results.push(Point { time: point.time, value, auxiliary: Vec::new() });
        }
    }
    results
}

/// The area below the points, by trapezia; where windows part, the value there is that on the line between the points.
pub(super) fn integral(points: &[Point], unit: i64, windows: Option<&Windows>) -> Vec<Point> {
    let bounds = |time: i64| windows.map_or((0, i64::MAX), |windows| windows.bounds(time));
    let span = |from: i64, to: i64| to.wrapping_sub(from) as f64 / unit.max(1) as f64;
    let mut points = points.iter().filter_map(|point| Some((point.time, point.value.as_scalar().as_f64()?)));
    let Some((mut time, mut value)) = points.next() else { return Vec::new() };
    let (mut start, mut end) = bounds(time);
    let mut sum = 0.0;
    let mut results = Vec::new();
    let area = |start: i64, sum: f64| Point { time: start, value: Value::Float(sum), auxiliary: Vec::new() };
    for (next_time, next_value) in points {
        if next_time == time {
            value = next_value;
            continue;
        }
        if windows.is_some() && next_time >= end {
            if time != end {
                let at_end =
                    value + (next_value - value) * end.wrapping_sub(time) as f64 / next_time.wrapping_sub(time) as f64;
                sum += 0.5 * (at_end + value) * span(time, end);
                (time, value) = (end, at_end);
            }
            results.push(area(start, sum));
            (start, end) = bounds(next_time);
            sum = 0.0;
        }
        sum += 0.5 * (next_value + value) * span(time, next_time);
        (time, value) = (next_time, next_value);
    }
    // A last point at the start of its window has no area behind it.
    if time != start || windows.is_none() {
        results.push(area(start, sum));
    }
    results
}

//! Functions of the points of a window: what is kept while points go by, and what comes out in the end.
//!
//! Counts, sums, means, deviations, extremes and the first and last `n` are kept in constant space. A median, a mode, a
//! percentile and what needs points in order keep the points themselves; the caller counts the bytes that `update`
//! says.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use super::value::{Kind, Scalar, Value};
use crate::ops::window::Windows;

/// A function of points.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Function {
    Count,
    CountDistinct,
    Sum,
    Mean,
    Min,
    Max,
    First,
    Last,
    Spread,
    Stddev,
    Median,
    Mode,
    Percentile(f64),
    Distinct,
    /// The area per so many nanoseconds.
    Integral(i64),
    /// The `count` highest or lowest points, at most one for each combination of these tags (slots).
    Ranked {
        highest: bool,
        count: usize,
        tags: Vec<usize>,
    },
    /// So many points at random.
    Sample(usize),
    /// The points themselves.
    Points,
}

impl Function {
    /// The type of its result, if it takes points of this type.
    pub(super) fn result_kind(&self, input: Kind) -> Option<Kind> {
        let number = input.is_number();
        match self {
            Self::Count | Self::CountDistinct => Some(Kind::Integer),
            Self::Sum | Self::Spread | Self::Percentile(_) | Self::Ranked { .. } => number.then_some(input),
            Self::Mean | Self::Stddev | Self::Median | Self::Integral(_) => number.then_some(Kind::Float),
            Self::Min | Self::Max => (number || input == Kind::Boolean).then_some(input),
            Self::First | Self::Last | Self::Mode | Self::Distinct | Self::Sample(_) | Self::Points => Some(input),
        }
    }

    /// Whether it picks a point, whose time and other values can be shown.
    pub(super) fn is_selector(&self) -> bool {
        matches!(
            self,
            Self::Min
                | Self::Max
                | Self::First
                | Self::Last
                | Self::Percentile(_)
                | Self::Ranked { .. }
                | Self::Sample(_)
        )
    }

    /// Whether its results keep their own times in windows too, and windows without any are not filled.
    pub(super) fn keeps_times(&self) -> bool {
        matches!(self, Self::Ranked { .. } | Self::Sample(_) | Self::Points)
    }

    /// Whether it looks at all points of a series at once, and not window by window.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Points | Self::Integral(_))
    }
}

/// A point, or a result.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) time: i64,
    pub(super) value: Value,
    /// The values beside it that are shown.
    pub(super) auxiliary: Vec<Value>,
}

impl Point {
    fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.value.size_bytes() + self.auxiliary.iter().map(Value::size_bytes).sum::<usize>()
    }
}

/// What a function keeps of the points so far.
#[derive(Debug, Clone)]
pub(super) enum State {
    Count(i64),
    Sum(Value),
    Mean { sum: f64, count: i64 },
    Deviation { count: f64, mean: f64, squares: f64 },
    Range(Option<(Value, Value)>),
    Best(Option<Point>),
    Ranked(Vec<Point>),
    RankedBy(HashMap<Vec<Arc<str>>, Point>),
    Distinct(HashMap<Key, i64>),
    Sample { seen: u64, random: u64, points: Vec<Point> },
    Points(Vec<Point>),
}

/// A value that can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Bits(u64),
    Integer(i64),
    Boolean(bool),
    Text(Arc<str>),
}

/// A row that a point stands in.
pub(super) struct Row<'a> {
    pub(super) time: i64,
    /// The function's argument.
    pub(super) value: Scalar<'a>,
    /// The values of all slots.
    pub(super) slots: &'a dyn Fn(usize) -> Scalar<'a>,
    /// The slots that are shown beside the result.
    pub(super) auxiliary: &'a [usize],
}

impl Row<'_> {
    fn point(&self) -> Point {
        let auxiliary = self.auxiliary.iter().map(|slot| (self.slots)(*slot).to_value()).collect();
        Point { time: self.time, value: self.value.to_value(), auxiliary }
    }
}

/// Which of two values comes first; nothing comes before or behind what it cannot be compared with.
pub(super) fn order(left: Scalar<'_>, right: Scalar<'_>) -> Ordering {
    match (left, right) {
        (Scalar::Float(left), Scalar::Float(right)) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
        (Scalar::Integer(left), Scalar::Integer(right)) => left.cmp(&right),
        (Scalar::Unsigned(left), Scalar::Unsigned(right)) => left.cmp(&right),
        (Scalar::Boolean(left), Scalar::Boolean(right)) => left.cmp(&right),
        (Scalar::Text(left), Scalar::Text(right)) => left.cmp(right),
        _ => Ordering::Equal,
    }
}

impl State {
    /// Nothing seen yet. `seed` is where random numbers begin.
    pub(super) fn new(function: &Function, seed: u64) -> Self {
        match function {
            Function::Count => Self::Count(0),
            Function::CountDistinct | Function::Distinct => Self::Distinct(HashMap::new()),
            Function::Sum => Self::Sum(Value::Null),
            Function::Mean => Self::Mean { sum: 0.0, count: 0 },
            Function::Stddev => Self::Deviation { count: 0.0, mean: 0.0, squares: 0.0 },
            Function::Spread => Self::Range(None),
            Function::Min | Function::Max | Function::First | Function::Last => Self::Best(None),
            Function::Ranked { tags, .. } if tags.is_empty() => Self::Ranked(Vec::new()),
            Function::Ranked { .. } => Self::RankedBy(HashMap::new()),
            Function::Sample(_) => Self::Sample { seen: 0, random: seed | 1, points: Vec::new() },
            Function::Median | Function::Mode | Function::Percentile(_) | Function::Integral(_) | Function::Points => {
                Self::Points(Vec::new())
            }
        }
    }

    /// One more point. Returns by how many bytes this grew.
    pub(super) fn update(&mut self, function: &Function, row: &Row<'_>) -> usize {
        match self {
            Self::Count(count) => *count += 1,
            Self::Sum(sum) => {
                *sum = match sum {
                    Value::Null => row.value.to_value(),
                    _ => super::value::binary(influxql::Operator::Add, sum.as_scalar(), row.value).to_value(),
                }
            }
            Self::Mean { sum, count } => {
                *sum += row.value.as_f64().unwrap_or_default();
                *count += 1;
            }
            Self::Deviation { count, mean, squares } => {
                let value = row.value.as_f64().unwrap_or_default();
                *count += 1.0;
                let before = value - *mean;
                *mean += before / *count;
                *squares += before * (value - *mean);
            }
            Self::Range(range) => match range {
                None => *range = Some((row.value.to_value(), row.value.to_value())),
                Some((low, high)) => {
                    if order(row.value, low.as_scalar()).is_lt() {
                        *low = row.value.to_value();
                    }
                    if order(row.value, high.as_scalar()).is_gt() {
                        *high = row.value.to_value();
                    }
                }
            },
            Self::Best(best) => {
                if best.as_ref().is_none_or(|best| is_better(function, row, best)) {
                    *best = Some(row.point());
                }
            }
            Self::Points(points) => {
                let point = row.point();
                let bytes = point.size_bytes();
                points.push(point);
                return bytes;
            }
            _ => return self.update_collected(function, row),
        }
        0
    }

    fn update_collected(&mut self, function: &Function, row: &Row<'_>) -> usize {
        match (self, function) {
            (Self::Distinct(seen), _) => {
                let before = seen.len();
                let first = seen.entry(key(row.value)).or_insert(row.time);
                *first = (*first).min(row.time);
                return (seen.len() - before) * (size_of::<(Key, i64)>() + row.value.to_value().size_bytes());
            }
            (Self::Ranked(points), Function::Ranked { highest, count, .. }) => {
                let point = row.point();
                let bytes = if points.len() < 2 * count { point.size_bytes() } else { 0 };
                points.push(point);
                // Sorting now and then keeps the work for each point small.
                if points.len() > 2 * count {
                    points.sort_by(|left, right| rank(*highest, left, right));
                    points.truncate(*count);
                }
                return bytes;
            }
            (Self::RankedBy(best), Function::Ranked { highest, tags, .. }) => {
                let text = |slot: &usize| match (row.slots)(*slot) {
                    Scalar::Text(text) => Arc::from(text),
                    _ => Arc::from(""),
                };
                let tags: Vec<Arc<str>> = tags.iter().map(text).collect();
                let point = row.point();
                match best.get_mut(&tags) {
                    Some(best) => {
                        if rank(*highest, &point, best).is_lt() {
                            *best = point;
                        }
                    }
                    None => {
                        let bytes = point.size_bytes() + tags.iter().map(|tag| tag.len() + 16).sum::<usize>();
                        best.insert(tags, point);
                        return bytes;
                    }
                }
            }
            (Self::Sample { seen, random, points }, Function::Sample(size)) => {
                *seen += 1;
                if points.len() < *size {
                    let point = row.point();
                    let bytes = point.size_bytes();
                    points.push(point);
                    return bytes;
                }
                let place = usize::try_from(next_random(random) % *seen).unwrap_or(usize::MAX);
                if let Some(old) = points.get_mut(place) {
                    *old = row.point();
                }
            }
            _ => {}
        }
        0
    }

    /// The results of a window that starts at `start`. `kind` is the type of the points.
    pub(super) fn finish(self, function: &Function, start: i64, windows: Option<&Windows>) -> Vec<Point> {
        let one = |value: Value| vec![Point { time: start, value, auxiliary: Vec::new() }];
        match self {
            Self::Count(count) => one(Value::Integer(count)),
            Self::Sum(sum) => one(sum),
            Self::Mean { sum, count } => one(Value::Float(sum / count as f64)),
            // Of one point there is no deviation.
            Self::Deviation { count, .. } if count < 2.0 => one(Value::Null),
            Self::Deviation { count, squares, .. } => one(Value::Float((squares / (count - 1.0)).sqrt())),
            Self::Range(None) => Vec::new(),
            Self::Range(Some((low, high))) => {
                let spread = super::value::binary(influxql::Operator::Subtract, high.as_scalar(), low.as_scalar());
                one(spread.to_value())
            }
            Self::Best(best) => best.into_iter().collect(),
            Self::Distinct(seen) if *function == Function::CountDistinct => {
                one(Value::Integer(i64::try_from(seen.len()).unwrap_or(i64::MAX)))
            }
            Self::Distinct(seen) => distinct(seen, start),
            Self::Ranked(points) => ranked(function, points),
            Self::RankedBy(best) => ranked(function, best.into_values().collect()),
            Self::Sample { mut points, .. } => {
                points.sort_by_key(|point| point.time);
                points
            }
            Self::Points(mut points) => match function {
                Function::Median => median(points).map_or_else(Vec::new, one),
                Function::Mode => mode(points).map_or_else(Vec::new, one),
                Function::Percentile(percent) => percentile(points, *percent).into_iter().collect(),
                Function::Integral(unit) => {
                    points.sort_by_key(|point| point.time);
                    super::transform::integral(&points, *unit, windows)
                }
                _ => {
                    points.sort_by_key(|point| point.time);
                    points
                }
            },
        }
    }
}

/// Xorshift: which points a sample holds need not be hard to guess.
fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn key(value: Scalar<'_>) -> Key {
    match value {
        Scalar::Null => Key::Bits(0),
        // Both zeros are one value.
        Scalar::Float(value) => Key::Bits(if value == 0.0 { 0 } else { value.to_bits() }),
        Scalar::Integer(value) => Key::Integer(value),
        Scalar::Unsigned(value) => Key::Integer(value as i64),
        Scalar::Boolean(value) => Key::Boolean(value),
        Scalar::Text(value) => Key::Text(value.into()),
    }
}

/// Whether a row takes the place of the best one so far. Of equal extremes the earliest counts; of several first or
/// last points at one time the largest value.
fn is_better(function: &Function, row: &Row<'_>, best: &Point) -> bool {
    let by_value = order(row.value, best.value.as_scalar());
    let by_time = row.time.cmp(&best.time);
    match function {
        Function::Min => by_value.is_lt() || (by_value.is_eq() && by_time.is_lt()),
        Function::Max => by_value.is_gt() || (by_value.is_eq() && by_time.is_lt()),
        Function::First => by_time.is_lt() || (by_time.is_eq() && by_value.is_gt()),
        _ => by_time.is_gt() || (by_time.is_eq() && by_value.is_gt()),
    }
}

/// The better of two points first, of equal ones the earlier.
fn rank(highest: bool, left: &Point, right: &Point) -> Ordering {
    let by_value = order(left.value.as_scalar(), right.value.as_scalar());
    (if highest { by_value.reverse() } else { by_value }).then(left.time.cmp(&right.time))
}

fn ranked(function: &Function, mut points: Vec<Point>) -> Vec<Point> {
    if let Function::Ranked { highest, count, .. } = function {
        points.sort_by(|left, right| rank(*highest, left, right));
        points.truncate(*count);
    }
    points.sort_by_key(|point| point.time);
    points
}

fn distinct(seen: HashMap<Key, i64>, start: i64) -> Vec<Point> {
    let mut values: Vec<(i64, Key)> = seen.into_iter().map(|(key, time)| (time, key)).collect();
    values.sort_by(|(left_time, left), (right_time, right)| {
        let by_value = match (left, right) {
            (Key::Bits(left), Key::Bits(right)) => f64::from_bits(*left).total_cmp(&f64::from_bits(*right)),
            (Key::Integer(left), Key::Integer(right)) => left.cmp(right),
            (Key::Boolean(left), Key::Boolean(right)) => left.cmp(right),
            (Key::Text(left), Key::Text(right)) => left.cmp(right),
            _ => Ordering::Equal,
        };
        left_time.cmp(right_time).then(by_value)
    });
    let value = |key: Key| match key {
        Key::Bits(bits) => Value::Float(f64::from_bits(bits)),
        Key::Integer(value) => Value::Integer(value),
        Key::Boolean(value) => Value::Boolean(value),
        Key::Text(value) => Value::Text(value),
    };
    values.into_iter().map(|(_, key)| Point { time: start, value: value(key), auxiliary: Vec::new() }).collect()
}

fn sort_by_value(points: &mut [Point]) {
    points
        .sort_by(|left, right| order(left.value.as_scalar(), right.value.as_scalar()).then(left.time.cmp(&right.time)));
}

fn median(mut points: Vec<Point>) -> Option<Value> {
    sort_by_value(&mut points);
    let middle = points.len() / 2;
    let high = points.get(middle)?.value.as_scalar().as_f64()?;
    if points.len() % 2 == 1 {
        return Some(Value::Float(high));
    }
    let low = points.get(middle.checked_sub(1)?)?.value.as_scalar().as_f64()?;
    Some(Value::Float(low + (high - low) / 2.0))
}

/// The most frequent value; of several the one that came first.
fn mode(mut points: Vec<Point>) -> Option<Value> {
    sort_by_value(&mut points);
    let mut best: Option<(usize, i64, &Value)> = None;
    for group in points.chunk_by(|left, right| left.value == right.value) {
        let Some(first) = group.first() else { continue };
        let is_better = match best {
            None => true,
            Some((count, time, _)) => group.len() > count || (group.len() == count && first.time < time),
        };
        // As in InfluxDB, a value that occurs once counts only if it is the smallest.
        if is_better && (best.is_none() || group.len() > 1) {
            best = Some((group.len(), first.time, &first.value));
        }
    }
    best.map(|(_, _, value)| value.clone())
}

/// A point of the data: the nearest rank.
fn percentile(mut points: Vec<Point>, percent: f64) -> Option<Point> {
    let rank = (points.len() as f64 * percent / 100.0 + 0.5).floor() - 1.0;
    if !(rank >= 0.0 && rank < points.len() as f64) {
        return None;
    }
    sort_by_value(&mut points);
    points.into_iter().nth(rank as usize)
}

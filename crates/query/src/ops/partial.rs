//! States of aggregates over numbers, and the loops that fill them from slices of columns.
//!
//! Rows come in runs whose times ascend. States of parts of the rows can be merged; which part is merged into which
//! changes nothing but the last digits of sums of floats.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};

/// A function that is computed in constant space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AggregateFunction {
    /// Values that are not null.
    Count,
    /// Integers wrap around.
    Sum,
    /// As a float.
    Mean,
    /// The smallest value; of equal ones the earliest.
    Min,
    /// The largest value; of equal ones the earliest.
    Max,
    /// The earliest value; of several at one time the largest.
    First,
    /// The latest value; of several at one time the largest.
    Last,
    /// The smallest and the largest value.
    Spread,
}

/// A value of a column of numbers or booleans.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) enum Number {
    /// `DOUBLE`
    Float(f64),
    /// `BIGINT`
    Integer(i64),
    /// `UBIGINT`
    Unsigned(u64),
    /// `BOOLEAN`
    Boolean(bool),
}

/// What an aggregate keeps of the values so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Partial {
    /// No value so far.
    Empty,
    /// How many values.
    Count(u64),
    /// Their sum.
    Sum(Number),
    /// Sum and number.
    Mean {
        /// The sum of all values.
        sum: f64,
        /// How many there are.
        count: u64,
    },
    /// The value that was picked, and its time.
    Point {
        /// In nanoseconds.
        time: i64,
        /// Its value.
        value: Number,
    },
    /// The smallest and the largest.
    Range {
        /// The smallest.
        low: Number,
        /// The largest.
        high: Number,
    },
}

/// A column whose values are looked at.
pub(super) enum Values<'a> {
    Float(&'a [f64], Option<&'a NullBuffer>),
    Integer(&'a [i64], Option<&'a NullBuffer>),
    Unsigned(&'a [u64], Option<&'a NullBuffer>),
    Boolean(&'a BooleanArray),
    /// Of another type: its values are counted, and no more.
    Other(&'a ArrayRef),
}

impl<'a> Values<'a> {
    pub(super) fn of(array: &'a ArrayRef) -> Self {
        let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
        match array.data_type() {
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().values(), nulls),
            DataType::Int64 => Self::Integer(array.as_primitive::<Int64Type>().values(), nulls),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().values(), nulls),
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            _ => Self::Other(array),
        }
    }
}

/// A number in a slice.
trait Native: Copy + PartialOrd {
    fn number(self) -> Number;
    fn as_f64(self) -> f64;
    fn add(self, other: Self) -> Self;

    /// The sum as a float. Integers are added as such where that is exact, since it does not wait for each addition.
    fn float_sum(values: &[Self]) -> f64 {
        values.iter().fold(0.0, |sum, value| sum + value.as_f64())
    }
}

impl Native for f64 {
    fn number(self) -> Number {
        Number::Float(self)
    }
    fn as_f64(self) -> f64 {
        self
    }
    fn add(self, other: Self) -> Self {
        self + other
    }
}

/// Integers below this can be added a million times and stay exact as floats.
const EXACT: u64 = 1 << 32;

impl Native for i64 {
    fn number(self) -> Number {
        Number::Integer(self)
    }
    fn as_f64(self) -> f64 {
        self as f64
    }
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn float_sum(values: &[Self]) -> f64 {
        let mut pieces = values.chunks(1 << 20);
        pieces
            .try_fold(0.0, |sum, piece| {
                let (size, total) = piece
                    .iter()
                    .fold((0, 0_i64), |(size, total), value| (size | value.unsigned_abs(), total.wrapping_add(*value)));
                (size < EXACT).then_some(sum + total as f64)
            })
            .unwrap_or_else(|| values.iter().fold(0.0, |sum, value| sum + *value as f64))
    }
}

impl Native for u64 {
    fn number(self) -> Number {
        Number::Unsigned(self)
    }
    fn as_f64(self) -> f64 {
        self as f64
    }
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
}

impl Native for bool {
    fn number(self) -> Number {
        Number::Boolean(self)
    }
    fn as_f64(self) -> f64 {
        0.0
    }
    fn add(self, _other: Self) -> Self {
        self
    }
}

impl AggregateFunction {
    /// What it is of some values at ascending times, none of which is null.
    fn of<T: Native>(self, values: &[T], times: &[i64]) -> Partial {
        let point = |place: usize| match (times.get(place), values.get(place)) {
            (Some(time), Some(value)) => Partial::Point { time: *time, value: value.number() },
            _ => Partial::Empty,
        };
        let Some((first, rest)) = values.split_first() else { return Partial::Empty };
        match self {
            Self::Count => Partial::Count(values.len() as u64),
            Self::Sum => Partial::Sum(rest.iter().fold(*first, |sum, value| sum.add(*value)).number()),
            Self::Mean => Partial::Mean { sum: T::float_sum(values), count: values.len() as u64 },
            Self::Min => point(best(values, |value, best| value < best)),
            Self::Max => point(best(values, |value, best| value > best)),
            Self::First => point(0),
            Self::Last => point(values.len() - 1),
            Self::Spread => {
                let bounds = rest.iter().fold((*first, *first), |(low, high), value| {
                    (if *value < low { *value } else { low }, if *value > high { *value } else { high })
                });
                Partial::Range { low: bounds.0.number(), high: bounds.1.number() }
            }
        }
    }

    /// The state after some rows more, whose times ascend.
    pub(super) fn update(self, state: &mut Partial, values: &Values<'_>, times: &[i64], rows: Range<usize>) {
        match values {
            Values::Float(values, nulls) => self.update_valid(state, values, *nulls, times, rows),
            Values::Integer(values, nulls) => self.update_valid(state, values, *nulls, times, rows),
            Values::Unsigned(values, nulls) => self.update_valid(state, values, *nulls, times, rows),
            Values::Boolean(array) => {
                let values: Vec<bool> = rows.clone().map(|row| array.value(row)).collect();
                let nulls = array.nulls().map(|nulls| nulls.slice(rows.start, rows.len()));
                let times = times.get(rows.clone()).unwrap_or_default();
                self.update_valid(state, &values, nulls.as_ref(), times, 0..values.len());
            }
            Values::Other(array) if self == Self::Count => {
                let count = array.nulls().map_or(0, |nulls| nulls.slice(rows.start, rows.len()).null_count());
                match rows.len() - count {
                    0 => {}
                    count => self.merge(state, Partial::Count(count as u64)),
                }
            }
            Values::Other(_) => {}
        }
    }

    fn update_valid<T: Native>(
        self,
        state: &mut Partial,
        values: &[T],
        nulls: Option<&NullBuffer>,
        times: &[i64],
        rows: Range<usize>,
    ) {
        let mut add = |rows: Range<usize>| {
            if let (Some(values), Some(times)) = (values.get(rows.clone()), times.get(rows)) {
                self.merge(state, self.of(values, times));
            }
        };
        match nulls {
            None => add(rows),
            Some(nulls) => {
                let valid = nulls.inner().slice(rows.start, rows.len());
                valid.set_slices().for_each(|(from, to)| add(rows.start + from..rows.start + to));
            }
        }
    }

    /// Takes in the state of later rows, or of other rows at the same times.
    pub(crate) fn merge(self, state: &mut Partial, other: Partial) {
        *state = match (*state, other) {
            (state, Partial::Empty) => state,
            (Partial::Empty, other) => other,
            (Partial::Count(count), Partial::Count(other)) => Partial::Count(count + other),
            (Partial::Sum(sum), Partial::Sum(other)) => Partial::Sum(sum.plus(other)),
            (Partial::Mean { sum, count }, Partial::Mean { sum: other, count: more }) => {
                Partial::Mean { sum: sum + other, count: count + more }
            }
            (Partial::Range { low, high }, Partial::Range { low: other_low, high: other_high }) => Partial::Range {
                low: if other_low < low { other_low } else { low },
                high: if other_high > high { other_high } else { high },
            },
            (Partial::Point { time, value }, Partial::Point { time: other_time, value: other }) => {
                // What cannot be compared counts as equal.
                let by_value = other.partial_cmp(&value).unwrap_or(Ordering::Equal);
                let by_time = other_time.cmp(&time);
                let is_better = match self {
                    Self::Min => by_value.then(by_time).is_lt(),
                    Self::Max => by_value.reverse().then(by_time).is_lt(),
                    Self::First => by_time.then(by_value.reverse()).is_lt(),
                    _ => by_time.then(by_value).is_gt(),
                };
                if is_better {
                    Partial::Point { time: other_time, value: other }
                } else {
                    Partial::Point { time, value }
                }
            }
            (state, _) => state,
        };
    }
}

/// The place of the first value that no other one beats.
fn best<T: Native>(values: &[T], beats: impl Fn(T, T) -> bool) -> usize {
    let Some(mut best) = values.first().copied() else { return 0 };
    let mut place = 0;
    for (at, value) in values.iter().enumerate() {
        if beats(*value, best) {
            (best, place) = (*value, at);
        }
    }
    place
}

impl Number {
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Float(left), Self::Float(right)) => Self::Float(left + right),
            (Self::Integer(left), Self::Integer(right)) => Self::Integer(left.wrapping_add(right)),
            (Self::Unsigned(left), Self::Unsigned(right)) => Self::Unsigned(left.wrapping_add(right)),
            (left, _) => left,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, Float64Array, Int64Array};

    use super::*;

    const ALL: [AggregateFunction; 8] = [
        AggregateFunction::Count,
        AggregateFunction::Sum,
        AggregateFunction::Mean,
        AggregateFunction::Min,
        AggregateFunction::Max,
        AggregateFunction::First,
        AggregateFunction::Last,
        AggregateFunction::Spread,
    ];

    fn states(array: &ArrayRef, rows: Range<usize>) -> [Partial; 8] {
        let times: Vec<i64> = (0..array.len() as i64).map(|row| row * 10).collect();
        ALL.map(|function| {
            let mut state = Partial::Empty;
            function.update(&mut state, &Values::of(array), &times, rows.clone());
            state
        })
    }

    #[test]
    fn nulls_do_not_count_and_the_earliest_extreme_wins() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(3), Some(-1), None, Some(3), Some(-1), None]));
        let integer = |value: i64| Number::Integer(value);
        let point = |time, value| Partial::Point { time, value: integer(value) };
        let expected = [
            Partial::Count(4),
            Partial::Sum(integer(4)),
            Partial::Mean { sum: 4.0, count: 4 },
            point(20, -1),
            point(10, 3),
            point(10, 3),
            point(50, -1),
            Partial::Range { low: integer(-1), high: integer(3) },
        ];
        assert_eq!(states(&array, 0..7), expected);
        // In whatever parts the rows come.
        for cut in 0..7 {
            let (left, right) = (states(&array, 0..cut), states(&array, cut..7));
            for (function, (mut state, (other, expected))) in
                ALL.iter().zip(left.into_iter().zip(right.into_iter().zip(expected)))
            {
                function.merge(&mut state, other);
                assert_eq!(state, expected, "{function:?} cut at {cut}");
            }
        }
        assert_eq!(states(&array, 3..4), [Partial::Empty; 8]);
    }

    #[test]
    fn sums_wrap_and_means_do_not() {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 1, i64::MAX]));
        let [_, sum, mean, ..] = states(&array, 0..3);
        assert_eq!(sum, Partial::Sum(Number::Integer(-1)));
        assert_eq!(mean, Partial::Mean { sum: 2.0 * i64::MAX as f64, count: 3 });
        let array: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 1.0]));
        let [.., min, _, _, _, _] = states(&array, 0..2);
        // What cannot be compared beats nothing and is beaten by nothing.
        assert!(matches!(min, Partial::Point { time: 0, .. }));
    }

    #[test]
    fn booleans_are_picked() {
        let array: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
        let [count, _, _, min, max, _, last, _] = states(&array, 0..3);
        let point = |time, value| Partial::Point { time, value: Number::Boolean(value) };
        assert_eq!((count, min, max, last), (Partial::Count(2), point(20, false), point(0, true), point(20, false)));
    }
}

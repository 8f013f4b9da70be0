//! What a writer measures of the columns it writes, for the catalog's statistics. No I/O.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type};

use crate::ids::ColumnId;
use crate::table::{ColumnStatistics, StatisticsValue};

/// Gathers the statistics of one column over all batches of a file.
#[derive(Debug)]
pub(crate) struct ColumnMeasure {
    column: ColumnId,
    value_count: u64,
    null_count: u64,
    contains_nan: bool,
    range: Option<(StatisticsValue, StatisticsValue)>,
}

impl ColumnMeasure {
    pub(crate) fn new(column: ColumnId) -> Self {
        Self { column, value_count: 0, null_count: 0, contains_nan: false, range: None }
    }

    /// Adds the column's values in one more batch.
    pub(crate) fn add(&mut self, array: &ArrayRef) {
        let nulls = array.null_count() as u64;
        self.null_count += nulls;
        self.value_count += array.len() as u64 - nulls;
        match array.data_type() {
            DataType::Timestamp(..) => {
                self.add_range(
                    primitive_range::<TimestampNanosecondType>(array).map(|r| both(r, StatisticsValue::Time)),
                );
            }
            DataType::Int64 => {
                self.add_range(primitive_range::<Int64Type>(array).map(|r| both(r, StatisticsValue::Integer)));
            }
            DataType::UInt64 => {
                self.add_range(primitive_range::<UInt64Type>(array).map(|r| both(r, StatisticsValue::Unsigned)));
            }
            DataType::Float64 => {
                let (range, nan) = float_range(array.as_primitive());
                self.contains_nan |= nan;
                self.add_range(range.map(|r| both(r, StatisticsValue::Float)));
            }
            DataType::Boolean => {
                let values = array.as_boolean();
                let range = arrow::compute::min_boolean(values).zip(arrow::compute::max_boolean(values));
                self.add_range(range.map(|r| both(r, StatisticsValue::Boolean)));
            }
            DataType::Utf8 => {
                let values = array.as_string::<i32>();
                let range = arrow::compute::min_string(values).zip(arrow::compute::max_string(values));
                self.add_text(range);
            }
            DataType::Dictionary(..) => {
                // A dictionary may hold values that no row has: only those that are used count.
                let dictionary = array.as_dictionary::<Int32Type>();
                let values = dictionary.values().as_string::<i32>();
                let mut used = vec![false; values.len()];
                dictionary.keys().iter().flatten().for_each(|key| used[key as usize] = true);
                let used = || used.iter().enumerate().filter(|(_, used)| **used).map(|(key, _)| values.value(key));
                self.add_text(used().min().zip(used().max()));
            }
            _ => {}
        }
    }

    fn add_text(&mut self, range: Option<(&str, &str)>) {
        let Some((least, most)) = range else { return };
        match &mut self.range {
            Some((StatisticsValue::Text(known_least), StatisticsValue::Text(known_most))) => {
                if least < known_least.as_str() {
                    least.clone_into(known_least);
                }
                if most > known_most.as_str() {
                    most.clone_into(known_most);
                }
            }
            range => *range = Some(both((least.to_owned(), most.to_owned()), StatisticsValue::Text)),
        }
    }

    fn add_range(&mut self, range: Option<(StatisticsValue, StatisticsValue)>) {
        let Some((least, most)) = range else { return };
        self.range = Some(match self.range.take() {
            None => (least, most),
            Some((known_least, known_most)) => (
                if is_less(&least, &known_least) { least } else { known_least },
                if is_less(&known_most, &most) { most } else { known_most },
            ),
        });
    }

    /// The statistics of the whole file, whose column takes `size_bytes`.
    pub(crate) fn finish(self, size_bytes: u64) -> ColumnStatistics {
        ColumnStatistics {
            column: self.column,
            size_bytes,
            value_count: self.value_count,
            null_count: self.null_count,
            range: self.range,
            contains_nan: self.contains_nan,
        }
    }
}

fn both<T>((least, most): (T, T), wrap: fn(T) -> StatisticsValue) -> (StatisticsValue, StatisticsValue) {
    (wrap(least), wrap(most))
}

fn is_less(left: &StatisticsValue, right: &StatisticsValue) -> bool {
    use StatisticsValue::{Boolean, Float, Integer, Text, Time, Unsigned};
    match (left, right) {
        (Time(left), Time(right)) | (Integer(left), Integer(right)) => left < right,
        (Float(left), Float(right)) => left < right,
        (Unsigned(left), Unsigned(right)) => left < right,
        (Boolean(left), Boolean(right)) => !left & right,
        (Text(left), Text(right)) => left < right,
        _ => false,
    }
}

fn primitive_range<T: ArrowPrimitiveType>(array: &ArrayRef) -> Option<(T::Native, T::Native)> {
    let values: &PrimitiveArray<T> = array.as_primitive();
    arrow::compute::min(values).zip(arrow::compute::max(values))
}

/// The bounds of the values that are numbers, and whether some value is not.
fn float_range(values: &PrimitiveArray<Float64Type>) -> (Option<(f64, f64)>, bool) {
    let mut nan = false;
    let mut range: Option<(f64, f64)> = None;
    for value in values.iter().flatten() {
        if value.is_nan() {
            nan = true;
        } else {
            let (least, most) = range.get_or_insert((value, value));
            *least = least.min(value);
            *most = most.max(value);
        }
    }
    (range, nan)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray, UInt64Array};

    use super::*;
    use StatisticsValue::{Boolean, Float, Integer, Text, Unsigned};

    fn check(batches: Vec<ArrayRef>, range: Option<(StatisticsValue, StatisticsValue)>, nulls: u64, nan: bool) {
        let mut measure = ColumnMeasure::new(ColumnId(4));
        let total: usize = batches.iter().map(|batch| batch.len()).sum();
        batches.iter().for_each(|batch| measure.add(batch));
        let statistics = measure.finish(10);
        assert_eq!(statistics.range, range);
        assert_eq!((statistics.null_count, statistics.contains_nan, statistics.size_bytes), (nulls, nan, 10));
        assert_eq!(statistics.value_count + nulls, total as u64);
    }

    #[test]
    fn ranges_cover_all_batches() {
        let int = |values: &[Option<i64>]| Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
        check(vec![int(&[Some(3), None]), int(&[Some(-9)])], Some((Integer(-9), Integer(3))), 1, false);
        check(vec![int(&[None, None])], None, 2, false);
        let most = Arc::new(UInt64Array::from(vec![u64::MAX, 0]));
        check(vec![most], Some((Unsigned(0), Unsigned(u64::MAX))), 0, false);
        let floats = |values: &[f64]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        check(vec![floats(&[f64::NAN, 2.0]), floats(&[-1.0])], Some((Float(-1.0), Float(2.0))), 0, true);
        check(vec![floats(&[f64::NAN])], None, 0, true);
        check(vec![Arc::new(BooleanArray::from(vec![true]))], Some((Boolean(true), Boolean(true))), 0, false);
        let text = |values: &[Option<&str>]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
        let range = Some((Text(String::new()), Text("zz".into())));
        check(vec![text(&[Some("b"), None]), text(&[Some("")]), text(&[Some("zz")])], range, 1, false);
        let tags: DictionaryArray<Int32Type> = vec![Some("a"), None, Some("c")].into_iter().collect();
        check(vec![Arc::new(tags)], Some((Text("a".into()), Text("c".into()))), 1, false);
        let tags: DictionaryArray<Int32Type> = vec![Some("z"), Some("m"), Some("b"), Some("a")].into_iter().collect();
        check(vec![Arc::new(tags.slice(1, 2))], Some((Text("b".into()), Text("m".into()))), 0, false);
    }
}

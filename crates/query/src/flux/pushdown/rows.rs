//! Conditions on rows, all rows of a batch at once.

use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanBufferBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use flux::ast::Operator;
use storage::SeriesBatch;

use super::super::source::predicate::{Predicate, compares};
use super::super::value::{Text, Value};

/// The rows of a batch whose value in `column` fulfils a condition on tags and value. `tags` are the names of the tags
/// of the batch. Rows without a value, and those outside of runs, may be among them.
pub(super) fn mask(predicate: &Predicate, batch: &SeriesBatch, column: &ArrayRef, tags: &[Text]) -> BooleanBuffer {
    if !predicate.mentions_tags() {
        return of_values(predicate, column);
    }
    let mut bits = BooleanBufferBuilder::new(column.len());
    for (run, rows) in batch.runs.iter().enumerate() {
        bits.append_n(rows.start.saturating_sub(bits.len()), false);
        let tag = |name: &str| {
            let place = tags.iter().position(|known| **known == *name)?;
            batch.tag(run, place).map(Text::from)
        };
        let left = predicate.reduce(&tag);
        bits.append_buffer(&of_values(&left, &column.slice(rows.start, rows.len())));
    }
    bits.append_n(column.len().saturating_sub(bits.len()), false);
    bits.finish()
}

/// The values that fulfil a condition on nothing else.
pub(in super::super) fn of_values(predicate: &Predicate, column: &ArrayRef) -> BooleanBuffer {
    match predicate {
        Predicate::And(left, right) => &of_values(left, column) & &of_values(right, column),
        Predicate::Or(left, right) => &of_values(left, column) | &of_values(right, column),
        Predicate::Constant(true) => BooleanBuffer::new_set(column.len()),
        Predicate::Constant(false) => BooleanBuffer::new_unset(column.len()),
        Predicate::Exists(_) => match column.nulls() {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(column.len()),
        },
        Predicate::Compare(_, operator, constant) => comparison(*operator, column, constant),
    }
}

/// The values that compare with a constant; a row without a value does not.
pub(super) fn comparison(operator: Operator, column: &ArrayRef, constant: &Value) -> BooleanBuffer {
    let all = match (column.data_type(), constant) {
        (DataType::Float64, Value::Float(_) | Value::Int(_) | Value::UInt(_)) => {
            let constant = constant.as_number().unwrap_or(f64::NAN);
            numbers(operator, column.as_primitive::<Float64Type>().values(), |value| value, constant)
        }
        (DataType::Int64, Value::Int(constant)) => {
            numbers(operator, column.as_primitive::<Int64Type>().values(), |value| value, *constant)
        }
        (DataType::Int64, Value::Float(constant)) => {
            numbers(operator, column.as_primitive::<Int64Type>().values(), |value| value as f64, *constant)
        }
        (DataType::UInt64, Value::UInt(constant)) => {
            numbers(operator, column.as_primitive::<UInt64Type>().values(), |value| value, *constant)
        }
        _ => None,
    };
    let Some(all) = all else {
        return BooleanBuffer::collect_bool(column.len(), |row| {
            let value = value(column, row);
            !value.is_null() && compares(operator, &value, constant)
        });
    };
    match column.nulls() {
        Some(nulls) => &all & nulls.inner(),
        None => all,
    }
}

fn numbers<T: Copy, V: PartialOrd + Copy>(
    operator: Operator,
    values: &[T],
    convert: impl Fn(T) -> V,
    constant: V,
) -> Option<BooleanBuffer> {
    let test = |test: fn(&V, &V) -> bool| {
        BooleanBuffer::collect_bool(values.len(), |row| {
            values.get(row).is_some_and(|value| test(&convert(*value), &constant))
        })
    };
    Some(match operator {
        Operator::Equal => test(V::eq),
        Operator::NotEqual => test(V::ne),
        Operator::LessThan => test(V::lt),
        Operator::LessThanEqual => test(V::le),
        Operator::GreaterThan => test(V::gt),
        Operator::GreaterThanEqual => test(V::ge),
        _ => return None,
    })
}

/// A value of a field.
pub(super) fn value(column: &ArrayRef, row: usize) -> Value {
    if !column.is_valid(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Float64 => Value::Float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt64 => Value::UInt(column.as_primitive::<UInt64Type>().value(row)),
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::Utf8 => Value::text(column.as_string::<i32>().value(row)),
        _ => Value::Null,
    }
}

//! What operators do to whole columns. A null operand gives null.

use std::borrow::Cow;

use arrow::array::{Array as _, BooleanArray, Float64Array, Int64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use flux::ast::{LogicalOperator, Operator};

use super::super::operators;
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::Cells;

/// Whether it is null in all rows.
pub(super) fn is_null(cells: &Cells) -> bool {
    matches!(cells, Cells::Scalar(Value::Null) | Cells::Column(Vector::Constant(_, Value::Null, _)))
}

/// The value in a row; none for what is no single value.
pub(super) fn value(cells: &Cells, row: usize) -> Option<Value> {
    match cells {
        Cells::Scalar(value) => Some(value.clone()),
        Cells::Column(column) => Some(column.value(row)),
        Cells::Row | Cells::Fields(_) => None,
    }
}

/// The rows in which it is true; none if it is of another type.
pub(super) fn truths(cells: &Cells, rows: usize) -> Option<BooleanBuffer> {
    match cells {
        Cells::Scalar(Value::Bool(true)) => Some(BooleanBuffer::new_set(rows)),
        Cells::Scalar(Value::Bool(false) | Value::Null) => Some(BooleanBuffer::new_unset(rows)),
        Cells::Column(Vector::Constant(_, Value::Null, _)) => Some(BooleanBuffer::new_unset(rows)),
        Cells::Column(Vector::Bool(values)) => Some(match values.nulls() {
            Some(nulls) => values.values() & nulls.inner(),
            None => values.values().clone(),
        }),
        _ => None,
    }
}

/// The rows in which it has a value.
fn validity(cells: &Cells, rows: usize) -> Option<BooleanBuffer> {
    match cells {
        Cells::Scalar(value) if value.is_null() => Some(BooleanBuffer::new_unset(rows)),
        Cells::Column(column) => Some(column.validity().unwrap_or_else(|| BooleanBuffer::new_set(rows))),
        _ => Some(BooleanBuffer::new_set(rows)),
    }
}

fn boolean(values: BooleanBuffer, nulls: Option<NullBuffer>) -> Cells {
    Cells::Column(Vector::Bool(BooleanArray::new(values, nulls)))
}

/// `exists a`, `not a`, `-a`.
pub(super) fn unary(operator: Operator, operand: &Cells, rows: usize) -> Option<Cells> {
    match (operator, operand) {
        (Operator::Exists, Cells::Scalar(value)) => Some(Cells::Scalar(Value::Bool(!value.is_null()))),
        (Operator::Exists, Cells::Column(_)) => Some(boolean(validity(operand, rows)?, None)),
        (operator, Cells::Scalar(value)) => operators::unary(operator, value).ok().map(Cells::Scalar),
        (Operator::Not, Cells::Column(Vector::Bool(values))) => {
            Some(boolean(!values.values(), values.nulls().cloned()))
        }
        (Operator::Subtraction, Cells::Column(Vector::Float(values))) => {
            Some(Cells::Column(Vector::Float(values.unary(|value| -value))))
        }
        (Operator::Subtraction, Cells::Column(Vector::Int(values))) => {
            Some(Cells::Column(Vector::Int(values.unary(i64::wrapping_neg))))
        }
        (_, Cells::Column(Vector::Constant(_, Value::Null, _))) => Some(Cells::Scalar(Value::Null)),
        _ => None,
    }
}

/// `a and b`, `a or b`, where a null on the left is false.
pub(super) fn logical(operator: LogicalOperator, left: &Cells, right: &Cells, rows: usize) -> Option<Cells> {
    let (left, right_truths) = (truths(left, rows)?, truths(right, rows)?);
    let right_validity = validity(right, rows)?;
    let (values, valid) = match operator {
        LogicalOperator::And => (&left & &right_truths, &(!&left) | &right_validity),
        LogicalOperator::Or => (&left | &right_truths, &left | &right_validity),
    };
    let nulls = (valid.count_set_bits() < rows).then(|| NullBuffer::new(valid));
    Some(boolean(values, nulls))
}

/// `yes` in the rows that are set, `no` in the others.
pub(super) fn select(test: &BooleanBuffer, yes: &Cells, no: &Cells) -> Option<Cells> {
    match (yes, no) {
        (Cells::Fields(yes), Cells::Fields(no)) if yes.iter().map(|it| &it.0).eq(no.iter().map(|it| &it.0)) => {
            let fields =
                yes.iter().zip(no).map(|((label, yes), (_, no))| Some((Text::clone(label), select(test, yes, no)?)));
            return fields.collect::<Option<_>>().map(Cells::Fields);
        }
        _ if is_null(yes) && is_null(no) => return Some(yes.clone()),
        _ => {}
    }
    let kind = |cells: &Cells| match cells {
        Cells::Column(column) => Some(column.column_type()),
        Cells::Scalar(value) => ColumnType::of(value),
        _ => None,
    };
    let kind = if is_null(yes) { kind(no)? } else { kind(yes)? };
    let mut builder = VectorBuilder::with_capacity(kind, test.len());
    for (row, is_set) in test.iter().enumerate() {
        builder.push(&value(if is_set { yes } else { no }, row)?).ok()?;
    }
    Some(Cells::Column(builder.finish()))
}

/// Numbers on one side of an operator.
enum Side<'a, T: Clone> {
    Column(Cow<'a, [T]>, Option<&'a NullBuffer>),
    Constant(T),
}

impl<'a, T: Copy> Side<'a, T> {
    fn nulls(&self) -> Option<&'a NullBuffer> {
        match self {
            Self::Column(_, nulls) => *nulls,
            Self::Constant(_) => None,
        }
    }
}

fn integers(cells: &Cells) -> Option<Side<'_, i64>> {
    match cells {
        Cells::Scalar(Value::Int(value)) => Some(Side::Constant(*value)),
        Cells::Column(Vector::Int(values)) => Some(Side::Column(Cow::Borrowed(values.values()), values.nulls())),
        _ => None,
    }
}

fn times(cells: &Cells) -> Option<Side<'_, i64>> {
    match cells {
        Cells::Scalar(Value::Time(value)) => Some(Side::Constant(*value)),
        Cells::Column(Vector::Time(values)) => Some(Side::Column(Cow::Borrowed(values.values()), values.nulls())),
        _ => None,
    }
}

fn floats(cells: &Cells) -> Option<Side<'_, f64>> {
    match cells {
        Cells::Scalar(Value::Float(value)) => Some(Side::Constant(*value)),
        Cells::Column(Vector::Float(values)) => Some(Side::Column(Cow::Borrowed(values.values()), values.nulls())),
        _ => None,
    }
}

/// Numbers of any type.
fn numbers(cells: &Cells) -> Option<Side<'_, f64>> {
    match cells {
        Cells::Scalar(value) => value.as_number().map(Side::Constant),
        Cells::Column(Vector::Int(values)) => {
            let values_of = values.values().iter().map(|value| *value as f64).collect();
            Some(Side::Column(Cow::Owned(values_of), values.nulls()))
        }
        Cells::Column(Vector::UInt(values)) => {
            let values_of = values.values().iter().map(|value| *value as f64).collect();
            Some(Side::Column(Cow::Owned(values_of), values.nulls()))
        }
        cells => floats(cells),
    }
}

/// `a + b`, `a < b`, `a =~ b`, … for the types that are worth a loop of their own.
pub(super) fn binary(operator: Operator, left: &Cells, right: &Cells) -> Option<Vector> {
    match operator {
        Operator::Addition
        | Operator::Subtraction
        | Operator::Multiplication
        | Operator::Division
        | Operator::Modulo
        | Operator::Power => arithmetic(operator, left, right),
        Operator::RegexpMatch | Operator::NotRegexpMatch => {
            let (Cells::Column(Vector::String(texts)), Cells::Scalar(Value::Regexp(regexp))) = (left, right) else {
                return None;
            };
            let wanted = operator == Operator::RegexpMatch;
            let matches = texts.iter().map(|text| text.as_ref().map(|text| regexp.is_match(text) == wanted));
            Some(Vector::Bool(matches.collect()))
        }
        _ => comparison(operator, left, right),
    }
}

fn arithmetic(operator: Operator, left: &Cells, right: &Cells) -> Option<Vector> {
    if let (Some(left), Some(right)) = (floats(left), floats(right)) {
        let compute = |compute: fn(f64, f64) -> f64| {
            let nulls = NullBuffer::union(left.nulls(), right.nulls());
            Some(Vector::Float(Float64Array::new(each(&left, &right, compute)?.into(), nulls)))
        };
        return match operator {
            Operator::Addition => compute(|left, right| left + right),
            Operator::Subtraction => compute(|left, right| left - right),
            Operator::Multiplication => compute(|left, right| left * right),
            Operator::Division => compute(|left, right| left / right),
            Operator::Modulo => compute(|left, right| left % right),
            _ => compute(f64::powf),
        };
    }
    let (left, right) = (integers(left)?, integers(right)?);
    let compute = |compute: fn(i64, i64) -> i64| {
        let nulls = NullBuffer::union(left.nulls(), right.nulls());
        Some(Vector::Int(Int64Array::new(each(&left, &right, compute)?.into(), nulls)))
    };
    match operator {
        Operator::Addition => compute(i64::wrapping_add),
        Operator::Subtraction => compute(i64::wrapping_sub),
        Operator::Multiplication => compute(i64::wrapping_mul),
        // A zero is an error, and a power is a float.
        _ => match (&right, operator) {
            (Side::Constant(divisor), Operator::Division) if *divisor != 0 => compute(i64::wrapping_div),
            (Side::Constant(divisor), Operator::Modulo) if *divisor != 0 => compute(i64::wrapping_rem),
            _ => None,
        },
    }
}

fn comparison(operator: Operator, left: &Cells, right: &Cells) -> Option<Vector> {
    if let (Some(left), Some(right)) = (integers(left), integers(right)) {
        return compared(operator, &left, &right);
    }
    if let (Some(left), Some(right)) = (times(left), times(right)) {
        return compared(operator, &left, &right);
    }
    if let (Cells::Column(Vector::String(texts)), Cells::Scalar(Value::String(constant))) = (left, right) {
        let test: fn(&str, &str) -> bool = match operator {
            Operator::Equal => |left, right| left == right,
            Operator::NotEqual => |left, right| left != right,
            Operator::LessThan => |left, right| left < right,
            Operator::LessThanEqual => |left, right| left <= right,
            Operator::GreaterThan => |left, right| left > right,
            Operator::GreaterThanEqual => |left, right| left >= right,
            _ => return None,
        };
        let all = texts.iter().map(|text| text.as_ref().map(|text| test(text, constant)));
        return Some(Vector::Bool(all.collect()));
    }
    // Integers of both kinds are compared as what they are, not as floats.
    let is_float = |cells: &Cells| floats(cells).is_some();
    if !is_float(left) && !is_float(right) {
        return None;
    }
    compared(operator, &numbers(left)?, &numbers(right)?)
}

fn compared<T: PartialOrd + Copy>(operator: Operator, left: &Side<'_, T>, right: &Side<'_, T>) -> Option<Vector> {
    let test = |test: fn(&T, &T) -> bool| {
        let values = match (left, right) {
            (Side::Column(left, _), Side::Constant(right)) => bits(left, |value| test(value, right)),
            (Side::Constant(left), Side::Column(right, _)) => bits(right, |value| test(left, value)),
            (Side::Column(left, _), Side::Column(right, _)) => {
                let at = |row: usize| left.get(row).zip(right.get(row)).is_some_and(|(left, right)| test(left, right));
                BooleanBuffer::collect_bool(left.len(), at)
            }
            (Side::Constant(_), Side::Constant(_)) => return None,
        };
        Some(Vector::Bool(BooleanArray::new(values, NullBuffer::union(left.nulls(), right.nulls()))))
    };
    match operator {
        Operator::Equal => test(T::eq),
        Operator::NotEqual => test(T::ne),
        Operator::LessThan => test(T::lt),
        Operator::LessThanEqual => test(T::le),
        Operator::GreaterThan => test(T::gt),
        Operator::GreaterThanEqual => test(T::ge),
        _ => None,
    }
}

fn bits<T>(values: &[T], test: impl Fn(&T) -> bool) -> BooleanBuffer {
    BooleanBuffer::collect_bool(values.len(), |row| values.get(row).is_some_and(&test))
}

fn each<T: Copy>(left: &Side<'_, T>, right: &Side<'_, T>, compute: fn(T, T) -> T) -> Option<Vec<T>> {
    Some(match (left, right) {
        (Side::Column(left, _), Side::Constant(right)) => left.iter().map(|left| compute(*left, *right)).collect(),
        (Side::Constant(left), Side::Column(right, _)) => right.iter().map(|right| compute(*left, *right)).collect(),
        (Side::Column(left, _), Side::Column(right, _)) => {
            left.iter().zip(right.iter()).map(|(left, right)| compute(*left, *right)).collect()
        }
        (Side::Constant(_), Side::Constant(_)) => return None,
    })
}

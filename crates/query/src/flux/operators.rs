//! What operators do to values. A null operand gives null.

use flux::ast::Operator;

use super::error::{FluxError, Result};
use super::library::strings::check_length;
use super::value::Value;

/// `-a`, `+a`, `not a`.
pub(crate) fn unary(operator: Operator, value: &Value) -> Result<Value> {
    match (operator, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Operator::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
        (Operator::Addition, Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Duration(_)) => {
            Ok(value.clone())
        }
        (Operator::Subtraction, Value::Int(value)) => Ok(Value::Int(value.wrapping_neg())),
        (Operator::Subtraction, Value::Float(value)) => Ok(Value::Float(-value)),
        (Operator::Subtraction, Value::Duration(value)) => {
            let negative = value.checked_neg();
            negative.map(Value::Duration).ok_or_else(|| FluxError::invalid("duration is out of range"))
        }
        (operator, value) => {
            let message = format!("unsupported unary expression {} {}", operator.as_str(), value.kind());
            Err(FluxError::invalid(message))
        }
    }
}

/// `a + b`, `a == b`, `a =~ b`, ….
pub(crate) fn binary(operator: Operator, left: &Value, right: &Value) -> Result<Value> {
    if left.is_null() || right.is_null() {
        return Ok(Value::Null);
    }
    let result = match operator {
        Operator::Addition
        | Operator::Subtraction
        | Operator::Multiplication
        | Operator::Division
        | Operator::Modulo
        | Operator::Power => arithmetic(operator, left, right)?,
        Operator::RegexpMatch | Operator::NotRegexpMatch => match (left, right) {
            (Value::String(text), Value::Regexp(regexp)) => {
                Some(Value::Bool(regexp.is_match(text) == (operator == Operator::RegexpMatch)))
            }
            _ => None,
        },
        _ => compare(operator, left, right),
    };
    result.ok_or_else(|| {
        let (left, operator, right) = (left.kind(), operator.as_str(), right.kind());
        FluxError::invalid(format!("unsupported binary expression {left} {operator} {right}"))
    })
}

/// The result of a comparison; none if the types cannot be compared.
pub(crate) fn compare(operator: Operator, left: &Value, right: &Value) -> Option<Value> {
    let is_number = |value: &Value| value.as_number().is_some();
    let comparable = left.kind() == right.kind() || (is_number(left) && is_number(right));
    if !comparable {
        return None;
    }
    let order = left.compare(right);
    let result = match operator {
        Operator::Equal => left.equals(right),
        Operator::NotEqual => !left.equals(right),
        Operator::LessThan => order.is_some_and(std::cmp::Ordering::is_lt),
        Operator::LessThanEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Operator::GreaterThan => order.is_some_and(std::cmp::Ordering::is_gt),
        Operator::GreaterThanEqual => order.is_some_and(std::cmp::Ordering::is_ge),
        _ => return None,
    };
    // Lists and records are equal or not, and have no order; durations neither.
    let is_equality = matches!(operator, Operator::Equal | Operator::NotEqual);
    let has_order = !matches!(left, Value::Bool(_) | Value::Array(_) | Value::Record(_) | Value::Dict(_));
    (is_equality || has_order).then_some(Value::Bool(result))
}

#[allow(clippy::cast_precision_loss, reason = "what Flux does too")]
fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Option<Value>> {
    let zero = |divisor_is_zero: bool| match operator {
        Operator::Division if divisor_is_zero => Err(FluxError::invalid("cannot divide by zero")),
        Operator::Modulo if divisor_is_zero => Err(FluxError::invalid("cannot mod zero")),
        _ => Ok(()),
    };
    Ok(match (left, right) {
        (Value::Int(left), Value::Int(right)) => {
            zero(*right == 0)?;
            Some(match operator {
                Operator::Addition => Value::Int(left.wrapping_add(*right)),
                Operator::Subtraction => Value::Int(left.wrapping_sub(*right)),
                Operator::Multiplication => Value::Int(left.wrapping_mul(*right)),
                Operator::Division => Value::Int(left.wrapping_div(*right)),
                Operator::Modulo => Value::Int(left.wrapping_rem(*right)),
                _ => Value::Float((*left as f64).powf(*right as f64)),
            })
        }
        (Value::UInt(left), Value::UInt(right)) => {
            zero(*right == 0)?;
            Some(match operator {
                Operator::Addition => Value::UInt(left.wrapping_add(*right)),
                Operator::Subtraction => Value::UInt(left.wrapping_sub(*right)),
                Operator::Multiplication => Value::UInt(left.wrapping_mul(*right)),
                Operator::Division => Value::UInt(left.wrapping_div(*right)),
                Operator::Modulo => Value::UInt(left.wrapping_rem(*right)),
                _ => Value::Float((*left as f64).powf(*right as f64)),
            })
        }
        (Value::Float(left), Value::Float(right)) => Some(Value::Float(match operator {
            Operator::Addition => left + right,
            Operator::Subtraction => left - right,
            Operator::Multiplication => left * right,
            Operator::Division => left / right,
            Operator::Modulo => left % right,
            _ => left.powf(*right),
        })),
        (Value::String(left), Value::String(right)) if operator == Operator::Addition => {
            check_length(left.len().saturating_add(right.len())).map_err(FluxError::invalid)?;
            Some(Value::text([&**left, &**right].concat()))
        }
        _ => temporal(operator, left, right)?,
    })
}

/// Times and durations.
fn temporal(operator: Operator, left: &Value, right: &Value) -> Result<Option<Value>> {
    let out_of_range = || FluxError::invalid("duration is out of range");
    Ok(match (operator, left, right) {
        (Operator::Addition, Value::Duration(left), Value::Duration(right)) => {
            Some(Value::Duration(left.checked_add(*right).ok_or_else(out_of_range)?))
        }
        (Operator::Subtraction, Value::Duration(left), Value::Duration(right)) => {
            let negative = right.checked_neg();
            let difference = negative.and_then(|right| left.checked_add(right));
            Some(Value::Duration(difference.ok_or_else(out_of_range)?))
        }
        (Operator::Addition, Value::Time(time), Value::Duration(duration))
        | (Operator::Addition, Value::Duration(duration), Value::Time(time)) => {
            Some(Value::Time(duration.add_to(*time)))
        }
        (Operator::Subtraction, Value::Time(time), Value::Duration(duration)) => {
            let negative = duration.checked_neg().ok_or_else(out_of_range)?;
            Some(Value::Time(negative.add_to(*time)))
        }
        _ => None,
    })
}

//! Operators on numbers, and between a vector and a number. Between two vectors see [`super::matching`].

use super::{EvalError, Evaluator, Result, Steps, Value, merged, unnamed};
use crate::ast::{Binary, Operator};
use crate::value::{ABSENT, Series};

impl Evaluator<'_> {
    pub(super) fn binary(&mut self, binary: &Binary, steps: Steps) -> Result<Value> {
        let left = self.eval(&binary.left, steps)?;
        let right = self.eval(&binary.right, steps)?;
        match (left, right) {
            (Value::Scalar(left), Value::Scalar(right)) => {
                let pairs = left.iter().zip(&right);
                Ok(Value::Scalar(pairs.map(|(left, right)| of_numbers(binary.operator, *left, *right)).collect()))
            }
            (Value::Vector(series), Value::Scalar(scalar)) => self.with_scalar(binary, series, &scalar, false),
            (Value::Scalar(scalar), Value::Vector(series)) => self.with_scalar(binary, series, &scalar, true),
            (Value::Vector(left), Value::Vector(right)) if binary.operator.is_set() => {
                self.set_operation(binary, left, right, steps).map(Value::Vector)
            }
            (Value::Vector(left), Value::Vector(right)) => self.matched(binary, left, right, steps).map(Value::Vector),
            (Value::Text(_), _) | (_, Value::Text(_)) => Err(EvalError::execution("expected a number")),
        }
    }

    fn with_scalar(
        &mut self,
        binary: &Binary,
        series: Vec<Series>,
        scalar: &[f64],
        scalar_is_left: bool,
    ) -> Result<Value> {
        let (operator, returns_bool) = (binary.operator, binary.returns_bool);
        self.work(series.len() * scalar.len())?;
        let element = |step: usize, value: f64| {
            let (left, right) = if scalar_is_left { (scalar[step], value) } else { (value, scalar[step]) };
            let result = of_numbers(operator, left, right);
            match operator.is_comparison() && !returns_bool {
                // A comparison keeps the samples of the vector for which it is true.
                true if result == 1.0 => value,
                true => ABSENT,
                false => result,
            }
        };
        if operator.is_comparison() && !returns_bool {
            return Ok(Value::Vector(series.into_iter().map(|series| series.map(element)).collect()));
        }
        let mapped = series.into_iter().map(|series| unnamed(series).map(element)).collect();
        merged(mapped).map(Value::Vector)
    }
}

/// The result of an operator; of a comparison 0 or 1.
pub(super) fn of_numbers(operator: Operator, left: f64, right: f64) -> f64 {
    let truth = |is_true: bool| f64::from(u8::from(is_true));
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Modulo => left % right,
        Operator::Power => left.powf(right),
        Operator::Atan2 => left.atan2(right),
        Operator::Equal => truth(left == right),
        Operator::NotEqual => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        // Set operators have no numbers; the parser lets none come here.
        Operator::And | Operator::Or | Operator::Unless => f64::NAN,
    }
}

//! The types of operands and arguments. The texts are Prometheus's, because people search for them.

use super::{ParseError, Parser};
use crate::ast::{Aggregate, AggregateKind, Binary, Cardinality, Expr, ExprKind, Grouping, ValueType};
use crate::functions::Function;
use crate::labels::is_label_name;

impl Parser<'_> {
    fn expect_type(&self, expr: &Expr, expected: ValueType, context: &str) -> Result<(), ParseError> {
        let found = expr.value_type();
        if found == expected {
            return Ok(());
        }
        let message = format!("expected type {} in {context}, got {}", expected.as_str(), found.as_str());
        Err(self.error(expr.at, message))
    }

    pub(super) fn check_binary(&self, binary: &Binary, has_matching: bool, at: usize) -> Result<(), ParseError> {
        let operator = binary.operator;
        let types = (binary.left.value_type(), binary.right.value_type());
        for (side, found) in [(&binary.left, types.0), (&binary.right, types.1)] {
            if !matches!(found, ValueType::Scalar | ValueType::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return Err(self.error(side.at, message));
            }
        }
        let fail = |message: String| Err(self.error(at, message));
        let both_scalar = types == (ValueType::Scalar, ValueType::Scalar);
        let any_scalar = types.0 == ValueType::Scalar || types.1 == ValueType::Scalar;
        if binary.returns_bool && !operator.is_comparison() {
            return fail("bool modifier can only be used on comparison operators".to_owned());
        }
        if operator.is_comparison() && both_scalar && !binary.returns_bool {
            return fail("comparisons between scalars must use BOOL modifier".to_owned());
        }
        if operator.is_set() && any_scalar {
            return fail(format!("set operator {:?} not allowed in binary scalar expression", operator.as_str()));
        }
        if has_matching && any_scalar {
            return fail("vector matching only allowed between instant vectors".to_owned());
        }
        let many = match &binary.cardinality {
            Cardinality::OneToOne => return Ok(()),
            Cardinality::ManyToOne(labels) | Cardinality::OneToMany(labels) => labels,
        };
        if operator.is_set() {
            return fail(format!("no grouping allowed for {:?} operation", operator.as_str()));
        }
        if let Grouping::Only(on) = &binary.matching
            && let Some(label) = many.iter().find(|label| on.contains(label))
        {
            return fail(format!("label {label:?} must not occur in ON and GROUP clause at once"));
        }
        Ok(())
    }

    pub(super) fn check_call(&self, function: Function, arguments: &[Expr], at: usize) -> Result<(), ParseError> {
        let signature = function.signature();
        let (most, name) = (signature.arguments.len(), signature.name);
        let least = most - signature.optional;
        let count = arguments.len();
        let wrong = if signature.variadic || signature.optional > 0 {
            let least_message = format!("expected at least {least} argument(s) in call to {name:?}, got {count}");
            let most_message = format!("expected at most {most} argument(s) in call to {name:?}, got {count}");
            match count {
                _ if count < least => Some(least_message),
                _ if count > most && !signature.variadic => Some(most_message),
                _ => None,
            }
        } else {
            (count != most).then(|| format!("expected {most} argument(s) in call to {name:?}, got {count}"))
        };
        if let Some(message) = wrong {
            return Err(self.error(at, message));
        }
        let types = signature.arguments.iter().chain(signature.arguments.last().into_iter().cycle());
        let context = format!("call to function {name:?}");
        arguments.iter().zip(types).try_for_each(|(argument, expected)| self.expect_type(argument, *expected, &context))
    }

    pub(super) fn check_aggregate(&self, aggregate: &Aggregate, word: &str, at: usize) -> Result<(), ParseError> {
        self.expect_type(&aggregate.inner, ValueType::Vector, "aggregation expression")?;
        let Some(parameter) = &aggregate.parameter else { return Ok(()) };
        let expected = if aggregate.kind == AggregateKind::CountValues { ValueType::String } else { ValueType::Scalar };
        self.expect_type(parameter, expected, "aggregation parameter")?;
        match &parameter.unwrapped().kind {
            ExprKind::String(label) if !is_label_name(label) => {
                Err(self.error(at, format!("invalid label name {label:?} in {word}")))
            }
            _ => Ok(()),
        }
    }
}

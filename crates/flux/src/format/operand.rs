//! Which operands need parentheses.

use crate::ast::{Expression, LogicalOperator, Operator};

/// How loosely an expression holds together; 0 for what needs no parentheses anywhere.
pub(super) fn looseness(expression: &Expression) -> u8 {
    match expression {
        Expression::Call(_) | Expression::Member(_) | Expression::Index(_) => 1,
        Expression::PipeForward(_) => 2,
        Expression::Function(_) => 3,
        Expression::Unary(_) => 8,
        Expression::Binary(node) => match node.operator {
            Operator::Power => 4,
            Operator::Multiplication | Operator::Division | Operator::Modulo => 5,
            Operator::Addition | Operator::Subtraction => 6,
            _ => 7,
        },
        Expression::Logical(node) => match node.operator {
            LogicalOperator::And => 9,
            LogicalOperator::Or => 10,
        },
        Expression::Conditional(_) => 11,
        _ => 0,
    }
}

/// The expression without parentheses that nobody commented: they are put back where they are needed.
pub(super) fn bare(expression: &Expression) -> &Expression {
    let mut bare = expression;
    while let Expression::Paren(node) = bare {
        if !node.lparen.is_empty() || !node.rparen.is_empty() {
            break;
        }
        bare = &node.expression;
    }
    bare
}

/// Whether the first operand of an expression needs parentheses.
pub(super) fn left_needs_parens(parent: &Expression, left: &Expression) -> bool {
    // `1.a` would be a number and a name.
    let number = matches!((parent, left), (Expression::Member(_), Expression::Integer(_)));
    number || swallows(left) || looseness(left) > looseness(parent)
}

/// Whether the second operand of an operator needs parentheses: all operators lean to the left.
pub(super) fn right_needs_parens(parent: &Expression, right: &Expression) -> bool {
    swallows(right) || looseness(right) >= looseness(parent)
}

/// Whether the operand of a sign, `not` or `exists` needs parentheses.
pub(super) fn argument_needs_parens(operator: Operator, argument: &Expression) -> bool {
    let is_word = |operator| matches!(operator, Operator::Not | Operator::Exists);
    match argument {
        Expression::Unary(inner) => is_word(inner.operator) && !is_word(operator),
        _ if is_word(operator) => swallows(argument) || looseness(argument) > 8,
        _ => looseness(argument) > 1,
    }
}

/// Whether everything that is written behind it would belong to it.
fn swallows(operand: &Expression) -> bool {
    matches!(operand, Expression::Function(_) | Expression::Conditional(_))
}

/// Whether the text would begin with `{`, which opens a block in the body of a function.
pub(super) fn begins_with_brace(expression: &Expression) -> bool {
    let mut first = bare(expression);
    while let Some(left) = first.left_operand().map(bare) {
        if left_needs_parens(first, left) {
            return false;
        }
        first = left;
    }
    matches!(first, Expression::Object(_))
}

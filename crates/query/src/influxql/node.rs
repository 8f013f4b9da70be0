//! Expressions over the slots of a row, ready to be evaluated.

use regex::Regex;

use influxql::Operator;

use super::value::{Kind, Scalar, Value, binary, math};

/// An expression whose names are slots.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// The value of a slot, cast to its kind.
    Slot(usize, Option<Kind>),
    /// A tag in a condition: one that is missing is the empty string.
    Tag(usize),
    /// A constant.
    Literal(Value),
    /// Two operands.
    Binary(Operator, Box<Node>, Box<Node>),
    /// Whether a text matches; `false` at the end of `!~`.
    Matches(Box<Node>, Regex, bool),
    /// A function of numbers.
    Math(&'static str, Vec<Node>),
}

impl Node {
    /// The parts of a condition all of which must hold.
    pub(super) fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::Binary(Operator::And, left, right) => {
                let mut parts = left.conjuncts();
                parts.extend(right.conjuncts());
                parts
            }
            other => vec![other],
        }
    }

    /// The slots that it looks at; one may come several times.
    pub(super) fn slots(&self, into: &mut Vec<usize>) {
        match self {
            Self::Slot(slot, _) | Self::Tag(slot) => into.push(*slot),
            Self::Literal(_) => {}
            Self::Binary(_, left, right) => {
                left.slots(into);
                right.slots(into);
            }
            Self::Matches(operand, ..) => operand.slots(into),
            Self::Math(_, arguments) => arguments.iter().for_each(|argument| argument.slots(into)),
        }
    }

    /// The value in a row, whose slots `get` looks up.
    pub(super) fn eval<'a>(&'a self, get: &impl Fn(usize) -> Scalar<'a>) -> Scalar<'a> {
        match self {
            Self::Slot(slot, None) => get(*slot),
            Self::Slot(slot, Some(kind)) => get(*slot).cast(*kind),
            Self::Tag(slot) => match get(*slot) {
                Scalar::Null => Scalar::Text(""),
                value => value,
            },
            Self::Literal(value) => value.as_scalar(),
            Self::Binary(Operator::And, left, right) => match left.eval(get) {
                Scalar::Boolean(false) => Scalar::Boolean(false),
                left => binary(Operator::And, left, right.eval(get)),
            },
            Self::Binary(operator, left, right) => binary(*operator, left.eval(get), right.eval(get)),
            Self::Matches(operand, regex, expected) => match operand.eval(get) {
                Scalar::Text(text) => Scalar::Boolean(regex.is_match(text) == *expected),
                _ => Scalar::Boolean(false),
            },
            Self::Math(name, arguments) => {
                let mut values = arguments.iter().map(|argument| argument.eval(get));
                let first = values.next().unwrap_or(Scalar::Null);
                math(name, first, values.next())
            }
        }
    }
}

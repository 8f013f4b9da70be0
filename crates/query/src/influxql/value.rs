//! Values and what operators make of them: the rules of InfluxDB's evaluator, where nothing is an error. What makes no
//! sense is null, and a comparison that makes no sense is false.

use std::sync::Arc;

use influxql::Operator;

use crate::ops::fill::Interpolate;

/// A value of a result.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is called as what it holds")]
pub enum Value {
    Null,
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    Text(Arc<str>),
    /// Nanoseconds since 1970.
    Time(i64),
}

/// A value that is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    Text(&'a str),
}

/// The types of fields, by which of them wins where measurements do not agree: the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Float,
    Integer,
    Unsigned,
    String,
    Boolean,
    Tag,
}

impl Kind {
    /// As InfluxDB calls it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Tag => "tag",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Float | Self::Integer | Self::Unsigned)
    }

    /// A value of this type.
    pub(super) fn zero(self) -> Scalar<'static> {
        match self {
            Self::Float => Scalar::Float(0.0),
            Self::Integer => Scalar::Integer(0),
            Self::Unsigned => Scalar::Unsigned(0),
            Self::Boolean => Scalar::Boolean(false),
            Self::String | Self::Tag => Scalar::Text(""),
        }
    }
}

impl Value {
    pub(super) fn as_scalar(&self) -> Scalar<'_> {
        match self {
            Self::Null => Scalar::Null,
            Self::Float(value) => Scalar::Float(*value),
            Self::Integer(value) | Self::Time(value) => Scalar::Integer(*value),
            Self::Unsigned(value) => Scalar::Unsigned(*value),
            Self::Boolean(value) => Scalar::Boolean(*value),
            Self::Text(value) => Scalar::Text(value),
        }
    }

    /// Bytes of memory that it takes.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Self>() + if let Self::Text(text) = self { text.len() } else { 0 }
    }
}

impl<'a> Scalar<'a> {
    pub(super) fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Float(value) => Value::Float(value),
            Self::Integer(value) => Value::Integer(value),
            Self::Unsigned(value) => Value::Unsigned(value),
            Self::Boolean(value) => Value::Boolean(value),
            Self::Text(value) => Value::Text(value.into()),
        }
    }

    /// A number as a float.
    pub(super) fn as_f64(self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(value),
            Self::Integer(value) => Some(value as f64),
            Self::Unsigned(value) => Some(value as f64),
            _ => None,
        }
    }

    /// This value as one of that type: numbers are converted, all else must be of it already.
    pub(super) fn cast(self, kind: Kind) -> Self {
        match (kind, self) {
            (Kind::Float, value) => value.as_f64().map_or(Self::Null, Self::Float),
            (Kind::Integer, Self::Float(value)) => Self::Integer(value as i64),
            (Kind::Integer, Self::Unsigned(value)) => Self::Integer(value as i64),
            (Kind::Unsigned, Self::Float(value)) => Self::Unsigned(value as u64),
            (Kind::Unsigned, Self::Integer(value)) => Self::Unsigned(value as u64),
            (Kind::Integer, value @ Self::Integer(_))
            | (Kind::Unsigned, value @ Self::Unsigned(_))
            | (Kind::String | Kind::Tag, value @ Self::Text(_))
            | (Kind::Boolean, value @ Self::Boolean(_)) => value,
            _ => Self::Null,
        }
    }
}

impl Interpolate for Value {
    fn missing() -> Self {
        Self::Null
    }

    fn is_missing(&self) -> bool {
        *self == Self::Null
    }

    fn between(&self, next: &Self, from: i64, to: i64, at: i64) -> Self {
        let on_line = |value: f64, next: f64| (next - value) / (to - from) as f64 * (at - from) as f64 + value;
        match (self, next) {
            (Self::Float(value), Self::Float(next)) => Self::Float(on_line(*value, *next)),
            (Self::Integer(value), Self::Integer(next)) => Self::Integer(on_line(*value as f64, *next as f64) as i64),
            (Self::Unsigned(value), Self::Unsigned(next)) => {
                Self::Unsigned(on_line(*value as f64, *next as f64) as u64)
            }
            _ => Self::Null,
        }
    }
}

/// What an operator other than a match makes of two values.
pub(super) fn binary<'a>(operator: Operator, left: Scalar<'a>, right: Scalar<'a>) -> Scalar<'a> {
    use Scalar::{Boolean, Float, Integer, Null, Text, Unsigned};
    // What is missing is not true; compared with anything, it makes nothing true either.
    let (left, right) = match (operator, left, right) {
        (Operator::And | Operator::Or, Null, Boolean(_)) => (Boolean(false), right),
        (Operator::And | Operator::Or, Boolean(_), Null) => (left, Boolean(false)),
        (_, left, right) => (left, right),
    };
    let known = match (left, right) {
        (Boolean(left), Boolean(right)) => booleans(operator, left, right),
        // Bits of a boolean and of anything else are not set.
        (Boolean(_), _) if matches!(operator, Operator::BitAnd | Operator::BitOr | Operator::BitXor) => {
            Some(Boolean(false))
        }
        (Integer(left), Integer(right)) => integers(operator, left, right),
        (Unsigned(left), Unsigned(right)) => unsigned(operator, left, right),
        (Integer(left), Unsigned(right)) => mixed(operator, left, right, false),
        (Unsigned(left), Integer(right)) => mixed(operator, right, left, true),
        (Float(_), _) | (_, Float(_)) => match (left.as_f64(), right.as_f64()) {
            (Some(left), Some(right)) => floats(operator, left, right),
            _ => None,
        },
        (Text(left), Text(right)) => match operator {
            Operator::Equal => Some(Boolean(left == right)),
            Operator::NotEqual => Some(Boolean(left != right)),
            _ => None,
        },
        _ => None,
    };
    known.unwrap_or(if operator.precedence() == 3 { Boolean(false) } else { Null })
}

fn compare<T: PartialOrd>(operator: Operator, left: T, right: T) -> Option<bool> {
    Some(match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Less => left < right,
        Operator::LessOrEqual => left <= right,
        Operator::Greater => left > right,
        Operator::GreaterOrEqual => left >= right,
        _ => return None,
    })
}

fn booleans(operator: Operator, left: bool, right: bool) -> Option<Scalar<'static>> {
    Some(Scalar::Boolean(match operator {
        Operator::And | Operator::BitAnd => left && right,
        Operator::Or | Operator::BitOr => left || right,
        Operator::BitXor | Operator::NotEqual => left != right,
        Operator::Equal => left == right,
        _ => return None,
    }))
}

fn floats(operator: Operator, left: f64, right: f64) -> Option<Scalar<'static>> {
    Some(Scalar::Float(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        // As in InfluxDB: nothing is divided by zero.
        Operator::Divide | Operator::Remainder if right == 0.0 => 0.0,
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
        _ => return compare(operator, left, right).map(Scalar::Boolean),
    }))
}

fn integers(operator: Operator, left: i64, right: i64) -> Option<Scalar<'static>> {
    Some(Scalar::Integer(match operator {
        Operator::Add => left.wrapping_add(right),
        Operator::Subtract => left.wrapping_sub(right),
        Operator::Multiply => left.wrapping_mul(right),
        // A division of integers is one of floats.
        Operator::Divide => return floats(operator, left as f64, right as f64),
        Operator::Remainder if right == 0 => 0,
        Operator::Remainder => left.wrapping_rem(right),
        Operator::BitAnd => left & right,
        Operator::BitOr => left | right,
        Operator::BitXor => left ^ right,
        _ => return compare(operator, left, right).map(Scalar::Boolean),
    }))
}

fn unsigned(operator: Operator, left: u64, right: u64) -> Option<Scalar<'static>> {
    Some(Scalar::Unsigned(match operator {
        Operator::Add => left.wrapping_add(right),
        Operator::Subtract => left.wrapping_sub(right),
        Operator::Multiply => left.wrapping_mul(right),
        Operator::Divide | Operator::Remainder if right == 0 => 0,
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
        Operator::BitAnd => left & right,
        Operator::BitOr => left | right,
        Operator::BitXor => left ^ right,
        _ => return compare(operator, left, right).map(Scalar::Boolean),
    }))
}

/// A signed and an unsigned integer; `swapped` says that the unsigned one stands on the left.
fn mixed(operator: Operator, signed: i64, other: u64, swapped: bool) -> Option<Scalar<'static>> {
    let (left, right) = (i128::from(signed), i128::from(other));
    let (left, right) = if swapped { (right, left) } else { (left, right) };
    if let Some(answer) = compare(operator, left, right) {
        return Some(Scalar::Boolean(answer));
    }
    let signed = signed as u64;
    if swapped { unsigned(operator, other, signed) } else { unsigned(operator, signed, other) }
}

/// The functions of one or two numbers.
pub(super) const MATH_FUNCTIONS: [&str; 18] = [
    "abs", "acos", "asin", "atan", "atan2", "ceil", "cos", "exp", "floor", "ln", "log", "log10", "log2", "pow",
    "round", "sin", "sqrt", "tan",
];

/// What a function of [`MATH_FUNCTIONS`] makes of its arguments.
pub(super) fn math<'a>(name: &str, first: Scalar<'a>, second: Option<Scalar<'a>>) -> Scalar<'a> {
    match (name, first, second) {
        ("abs", Scalar::Integer(value), _) => return Scalar::Integer(value.wrapping_abs()),
        ("abs" | "ceil" | "floor" | "round", Scalar::Unsigned(_), _)
        | ("ceil" | "floor" | "round", Scalar::Integer(_), _) => return first,
        ("pow", Scalar::Integer(base), Some(Scalar::Integer(exponent))) => {
            return Scalar::Integer((base as f64).powf(exponent as f64) as i64);
        }
        _ => {}
    }
    let Some(value) = first.as_f64() else { return Scalar::Null };
    let other = second.and_then(Scalar::as_f64);
    let answer = match (name, other) {
        ("abs", _) => value.abs(),
        ("acos", _) => value.acos(),
        ("asin", _) => value.asin(),
        ("atan", _) => value.atan(),
        ("atan2", Some(other)) => value.atan2(other),
        ("ceil", _) => value.ceil(),
        ("cos", _) => value.cos(),
        ("exp", _) => value.exp(),
        ("floor", _) => value.floor(),
        ("ln", _) => value.ln(),
        ("log", Some(base)) => value.ln() / base.ln(),
        ("log10", _) => value.log10(),
        ("log2", _) => value.log2(),
        ("pow", Some(exponent)) => value.powf(exponent),
        ("round", _) => value.round(),
        ("sin", _) => value.sin(),
        ("sqrt", _) => value.sqrt(),
        ("tan", _) => value.tan(),
        _ => return Scalar::Null,
    };
    // JSON has no other numbers.
    if answer.is_finite() { Scalar::Float(answer) } else { Scalar::Null }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_never_fail() {
        use Scalar::{Boolean, Float, Integer, Null, Text, Unsigned};
        for (left, operator, right, expected) in [
            (Integer(7), Operator::Divide, Integer(2), Float(3.5)),
            (Integer(7), Operator::Divide, Integer(0), Float(0.0)),
            (Integer(7), Operator::Remainder, Integer(0), Integer(0)),
            (Float(7.0), Operator::Divide, Integer(0), Float(0.0)),
            (Integer(i64::MIN), Operator::Remainder, Integer(-1), Integer(0)),
            (Integer(i64::MAX), Operator::Add, Integer(1), Integer(i64::MIN)),
            (Unsigned(7), Operator::Divide, Unsigned(2), Unsigned(3)),
            (Integer(-1), Operator::Less, Unsigned(0), Boolean(true)),
            (Unsigned(0), Operator::Less, Integer(-1), Boolean(false)),
            (Integer(2), Operator::Multiply, Float(1.5), Float(3.0)),
            (Text("a"), Operator::Equal, Integer(1), Boolean(false)),
            (Text("a"), Operator::NotEqual, Integer(1), Boolean(false)),
            (Null, Operator::Equal, Boolean(false), Boolean(false)),
            (Null, Operator::Or, Boolean(true), Boolean(true)),
            (Null, Operator::Add, Integer(1), Null),
            (Text("a"), Operator::Add, Text("b"), Null),
        ] {
            assert_eq!(binary(operator, left, right), expected, "{left:?} {operator:?} {right:?}");
        }
        assert_eq!(math("sqrt", Float(-1.0), None), Null);
        assert_eq!(math("abs", Integer(i64::MIN), None), Integer(i64::MIN));
    }
}

//! What of a filter's function the storage evaluates: comparisons of a column with a constant, `exists`, `and`, `or`.
//!
//! The rules are those of InfluxDB's storage: a tag that a series does not have is the empty text, and a comparison
//! of values of types that cannot be compared is false, never an error.

use std::sync::Arc;

use flux::ast::{LogicalOperator, Operator};

use super::super::error::Result;
use super::super::function::{Closure, Function};
use super::super::interpret::Interpreter;
use super::super::ir::{Expr, Lambda};
use super::super::operators;
use super::super::runtime::Runtime;
use super::super::value::{Text, Value};

/// A condition.
#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    And(Box<Predicate>, Box<Predicate>),
    Or(Box<Predicate>, Box<Predicate>),
    /// A column and a constant.
    Compare(Text, Operator, Value),
    /// Whether there is a value.
    Exists(Text),
    Constant(bool),
}

/// The column with the values of fields.
pub(crate) const VALUE: &str = "_value";

impl std::fmt::Display for Predicate {
    /// As a script would have it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::And(left, right) => write!(formatter, "({left} and {right})"),
            Self::Or(left, right) => write!(formatter, "({left} or {right})"),
            Self::Compare(name, operator, Value::String(text)) => {
                write!(formatter, "r.{name} {} {text:?}", operator.as_str())
            }
            Self::Compare(name, operator, Value::Regexp(regexp)) => {
                write!(formatter, "r.{name} {} /{}/", operator.as_str(), regexp.as_str())
            }
            Self::Compare(name, operator, constant) => write!(formatter, "r.{name} {} {constant}", operator.as_str()),
            Self::Exists(name) => write!(formatter, "exists r.{name}"),
            Self::Constant(value) => write!(formatter, "{value}"),
        }
    }
}

impl Predicate {
    /// What is left of it for a series. `column` gives the text of the columns that are known; none is one that the
    /// series does not have.
    pub(crate) fn reduce(&self, column: &dyn Fn(&str) -> Option<Text>) -> Self {
        self.reduce_but(&|_| false, column)
    }

    /// What is left of it when only some columns are known yet: the others stay.
    pub(crate) fn reduce_some(&self, known: &[(&str, &Text)]) -> Self {
        let find = |name: &str| known.iter().find(|(label, _)| *label == name).map(|(_, text)| Arc::clone(text));
        self.reduce_but(&|name| find(name).is_none(), &find)
    }

    /// What is left of it. Columns that are open stay, and always that of the values.
    fn reduce_but(&self, is_open: &dyn Fn(&str) -> bool, column: &dyn Fn(&str) -> Option<Text>) -> Self {
        match self {
            Self::And(left, right) => match (left.reduce_but(is_open, column), right.reduce_but(is_open, column)) {
                (Self::Constant(false), _) | (_, Self::Constant(false)) => Self::Constant(false),
                (Self::Constant(true), other) | (other, Self::Constant(true)) => other,
                (left, right) => Self::And(Box::new(left), Box::new(right)),
            },
            Self::Or(left, right) => match (left.reduce_but(is_open, column), right.reduce_but(is_open, column)) {
                (Self::Constant(true), _) | (_, Self::Constant(true)) => Self::Constant(true),
                (Self::Constant(false), other) | (other, Self::Constant(false)) => other,
                (left, right) => Self::Or(Box::new(left), Box::new(right)),
            },
            Self::Compare(name, ..) | Self::Exists(name) if **name == *VALUE || is_open(name) => self.clone(),
            Self::Compare(name, operator, constant) => {
                let text = column(name).unwrap_or_else(|| Arc::from(""));
                Self::Constant(compares(*operator, &Value::String(text), constant))
            }
            Self::Exists(name) => Self::Constant(column(name).is_some_and(|text| !text.is_empty())),
            Self::Constant(value) => Self::Constant(*value),
        }
    }

    /// Both conditions.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Constant(true), other) | (other, Self::Constant(true)) => other,
            (left, right) => Self::And(Box::new(left), Box::new(right)),
        }
    }

    /// Whether it looks at values.
    pub(crate) fn mentions_value(&self) -> bool {
        match self {
            Self::And(left, right) | Self::Or(left, right) => left.mentions_value() || right.mentions_value(),
            Self::Compare(name, ..) | Self::Exists(name) => **name == *VALUE,
            Self::Constant(_) => false,
        }
    }

    /// Whether it looks at tags, as soon as measurement and field are known.
    pub(crate) fn mentions_tags(&self) -> bool {
        match self {
            Self::And(left, right) | Self::Or(left, right) => left.mentions_tags() || right.mentions_tags(),
            Self::Compare(name, ..) | Self::Exists(name) => **name != *VALUE,
            Self::Constant(_) => false,
        }
    }

    /// Whether a series with these tags may have values that fulfil it: what it says of values is taken to be true.
    pub(crate) fn may_hold<'t>(&self, tag: &dyn Fn(&str) -> Option<&'t str>) -> bool {
        match self {
            Self::And(left, right) => left.may_hold(tag) && right.may_hold(tag),
            Self::Or(left, right) => left.may_hold(tag) || right.may_hold(tag),
            Self::Compare(name, ..) | Self::Exists(name) if **name == *VALUE => true,
            Self::Exists(name) => tag(name).is_some_and(|text| !text.is_empty()),
            Self::Compare(name, operator, constant) => {
                let text = tag(name).unwrap_or_default();
                match (operator, constant) {
                    (Operator::Equal, Value::String(constant)) => *text == **constant,
                    (Operator::NotEqual, Value::String(constant)) => *text != **constant,
                    (operator, constant) => compares(*operator, &Value::text(text), constant),
                }
            }
            Self::Constant(value) => *value,
        }
    }

    /// Whether both are written alike.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::And(left, right), Self::And(other_left, other_right))
            | (Self::Or(left, right), Self::Or(other_left, other_right)) => {
                left.is_like(other_left) && right.is_like(other_right)
            }
            (Self::Compare(name, operator, constant), Self::Compare(other_name, other_operator, other)) => {
                let same = match (constant, other) {
                    (Value::Regexp(left), Value::Regexp(right)) => left.as_str() == right.as_str(),
                    (left, right) => left.kind() == right.kind() && left.equals(right),
                };
                name == other_name && operator == other_operator && same
            }
            (Self::Exists(name), Self::Exists(other)) => name == other,
            (Self::Constant(left), Self::Constant(right)) => left == right,
            _ => false,
        }
    }

    /// The tags whose values are known before reading: each with the values that it may have.
    pub(crate) fn tag_values(&self) -> Vec<(Text, Vec<String>)> {
        match self {
            Self::And(left, right) => [left.tag_values(), right.tag_values()].concat(),
            _ => self.one_of().into_iter().collect(),
        }
    }

    /// `tag == a or tag == b or …`.
    fn one_of(&self) -> Option<(Text, Vec<String>)> {
        match self {
            Self::Compare(name, Operator::Equal, Value::String(text)) if **name != *VALUE => {
                Some((Arc::clone(name), vec![text.to_string()]))
            }
            Self::Or(left, right) => {
                let (left, right) = (left.one_of()?, right.one_of()?);
                (left.0 == right.0).then(|| (left.0, [left.1, right.1].concat()))
            }
            _ => None,
        }
    }
}

pub(crate) fn compares(operator: Operator, value: &Value, constant: &Value) -> bool {
    match (operator, value, constant) {
        (Operator::RegexpMatch, Value::String(text), Value::Regexp(regexp)) => regexp.is_match(text),
        (Operator::NotRegexpMatch, Value::String(text), Value::Regexp(regexp)) => !regexp.is_match(text),
        _ => matches!(operators::compare(operator, value, constant), Some(Value::Bool(true))),
    }
}

/// Splits a filter's function: what the storage evaluates, and the rest of it.
pub(crate) fn split(runtime: &Arc<Runtime>, function: &Function) -> Result<(Option<Predicate>, Option<Function>)> {
    let whole = || Ok((None, Some(function.clone())));
    let Function::Closure(closure) = function else { return whole() };
    let lambda = &closure.lambda;
    let [parameter] = lambda.parameters.as_slice() else { return whole() };
    if !lambda.body.is_empty() {
        return whole();
    }
    let mut parts = Vec::new();
    conjuncts(&lambda.result, &mut parts);
    let (mut pushed, mut rest) = (None::<Predicate>, None::<Expr>);
    for part in parts {
        match compile(runtime, closure, &parameter.name, part) {
            Some(predicate) => {
                pushed = Some(match pushed {
                    Some(before) => Predicate::And(Box::new(before), Box::new(predicate)),
                    None => predicate,
                });
            }
            None => {
                let location = part.location();
                rest = Some(match rest {
                    Some(before) => Expr::Logical(LogicalOperator::And, Box::new((before, part.clone())), location),
                    None => part.clone(),
                });
            }
        }
    }
    let rest = rest.map(|result| {
        let lambda = Lambda { result, ..Lambda::clone(lambda) };
        Function::Closure(Arc::new(Closure { lambda: Arc::new(lambda), scope: closure.scope.clone() }))
    });
    Ok((pushed, rest))
}

fn conjuncts<'a>(expression: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match expression {
        Expr::Logical(LogicalOperator::And, pair, _) => {
            conjuncts(&pair.0, parts);
            conjuncts(&pair.1, parts);
        }
        other => parts.push(other),
    }
}

/// The column that `r.name` is, if it is one that the storage knows.
fn column<'a>(expression: &'a Expr, row: &str) -> Option<&'a Text> {
    match expression {
        Expr::Member(object, name, _) if matches!(&**object, Expr::Name(known, _) if **known == *row) => {
            (!matches!(&**name, "_time" | "_start" | "_stop")).then_some(name)
        }
        _ => None,
    }
}

fn compile(runtime: &Arc<Runtime>, closure: &Closure, row: &str, expression: &Expr) -> Option<Predicate> {
    match expression {
        Expr::Logical(operator, pair, _) => {
            let left = Box::new(compile(runtime, closure, row, &pair.0)?);
            let right = Box::new(compile(runtime, closure, row, &pair.1)?);
            Some(match operator {
                LogicalOperator::And => Predicate::And(left, right),
                LogicalOperator::Or => Predicate::Or(left, right),
            })
        }
        Expr::Unary(Operator::Exists, operand, _) => column(operand, row).cloned().map(Predicate::Exists),
        // A series without the tag has the empty text for it.
        Expr::Unary(Operator::Not, operand, _) => match &**operand {
            Expr::Unary(Operator::Exists, operand, _) => column(operand, row)
                .filter(|name| ***name != *VALUE)
                .map(|name| Predicate::Compare(Arc::clone(name), Operator::Equal, Value::text(""))),
            _ => None,
        },
        Expr::Binary(operator, pair, _) => {
            let name = column(&pair.0, row)?;
            if pair.1.mentions(row) {
                return None;
            }
            let constant = Interpreter::new(Arc::clone(runtime)).eval(&pair.1, &closure.scope).ok()?;
            let is_order = !matches!(
                operator,
                Operator::Equal | Operator::NotEqual | Operator::RegexpMatch | Operator::NotRegexpMatch
            );
            let is_pushed = match &constant {
                _ if **name == *VALUE => !constant.is_null(),
                _ if is_order => false,
                // In a row, a tag that is not there is null and equals nothing.
                Value::String(text) => !(text.is_empty() && *operator == Operator::Equal),
                Value::Regexp(_) => true,
                _ => false,
            };
            is_pushed.then(|| Predicate::Compare(Arc::clone(name), *operator, constant))
        }
        Expr::Literal(Value::Bool(constant), _) => Some(Predicate::Constant(*constant)),
        _ => None,
    }
}

//! Operators with their texts.

/// The operators of unary and binary expressions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Operator {
    /// `*`
    Multiplication,
    /// `/`
    Division,
    /// `%`
    Modulo,
    /// `^`
    Power,
    /// `+`
    Addition,
    /// `-`
    Subtraction,
    /// `<=`
    LessThanEqual,
    /// `<`
    LessThan,
    /// `>=`
    GreaterThanEqual,
    /// `>`
    GreaterThan,
    /// `not`
    Not,
    /// `exists`
    Exists,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    RegexpMatch,
    /// `!~`
    NotRegexpMatch,
    /// None was written between two expressions.
    #[default]
    Invalid,
}

/// The operators of logical expressions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogicalOperator {
    /// `and`
    #[default]
    And,
    /// `or`
    Or,
}

/// Each operator with its text; an operator between two expressions that is missing has a text of its own.
const OPERATORS: [(Operator, &str); 17] = [
    (Operator::Multiplication, "*"),
    (Operator::Division, "/"),
    (Operator::Modulo, "%"),
    (Operator::Power, "^"),
    (Operator::Addition, "+"),
    (Operator::Subtraction, "-"),
    (Operator::LessThanEqual, "<="),
    (Operator::LessThan, "<"),
    (Operator::GreaterThanEqual, ">="),
    (Operator::GreaterThan, ">"),
    (Operator::Not, "not"),
    (Operator::Exists, "exists"),
    (Operator::Equal, "=="),
    (Operator::NotEqual, "!="),
    (Operator::RegexpMatch, "=~"),
    (Operator::NotRegexpMatch, "!~"),
    (Operator::Invalid, "<INVALID_OP>"),
];

impl Operator {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        OPERATORS.iter().find(|(operator, _)| *operator == self).map_or("", |(_, text)| text)
    }

    /// The operator with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        OPERATORS.iter().find(|(_, candidate)| *candidate == text).map(|(operator, _)| *operator)
    }
}

impl LogicalOperator {
    /// The operator as written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Or => "or",
        }
    }
}

//! Expressions: fields, conditions, dimensions and arguments.

use crate::duration::Duration;

/// A value, or how one is computed.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// A field, a tag or `time`.
    Reference(Reference),
    /// `mean(value)`
    Call(Call),
    /// `DISTINCT value`; with parentheses it is a [`Call`].
    Distinct(String),
    /// `*`
    Wildcard(Wildcard),
    /// `/^cpu/`: the text between the slashes, with `\/` as `/`.
    Regex(String),
    /// A number with a point.
    Number(f64),
    /// A number without.
    Integer(i64),
    /// One that is too large for [`Expression::Integer`].
    Unsigned(u64),
    /// `'text'`, which is also how a time is written.
    String(String),
    /// `true`
    Boolean(bool),
    /// `10m`
    Duration(Duration),
    /// Two operands and what joins them.
    Binary(Box<Binary>),
    /// An expression in parentheses.
    Paren(Box<Self>),
}

/// The name of a field or tag, and what to take it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The name. Parts that were joined by points are one name.
    pub name: String,
    /// What stands behind `::`.
    pub data_type: Option<DataType>,
}

/// What stands behind the `::` of a [`Reference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is called as it is written")]
pub enum DataType {
    Float,
    Integer,
    Unsigned,
    String,
    Boolean,
    Tag,
    /// A field of any type.
    Field,
}

impl DataType {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Tag => "tag",
            Self::Field => "field",
        }
    }
}

/// A function and its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The name in lower case; whether there is such a function is for the planner to say.
    pub name: String,
    /// The arguments.
    pub arguments: Vec<Expression>,
}

/// What a `*` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wildcard {
    /// `*`: fields and tags.
    All,
    /// `*::field`
    Fields,
    /// `*::tag`
    Tags,
}

/// An operation on two operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// What is done.
    pub operator: Operator,
    /// The left operand.
    pub left: Expression,
    /// The right operand.
    pub right: Expression,
}

/// What joins two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`as_str` says how each is written")]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    BitAnd,
    BitOr,
    BitXor,
    And,
    Or,
    Equal,
    NotEqual,
    Matches,
    NotMatches,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// As it is printed; `<>` is another way to write `!=`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "^",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Matches => "=~",
            Self::NotMatches => "!~",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// How tightly it binds: 1 (`OR`) to 5 (`*`). Operators that bind equally group from the left.
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::Equal
            | Self::NotEqual
            | Self::Matches
            | Self::NotMatches
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual => 3,
            Self::Add | Self::Subtract | Self::BitOr | Self::BitXor => 4,
            Self::Multiply | Self::Divide | Self::Remainder | Self::BitAnd => 5,
        }
    }

    /// Whether the result is a number: all but the comparisons, `AND` and `OR`.
    pub const fn is_arithmetic(self) -> bool {
        self.precedence() > 3
    }
}

impl Expression {
    /// A [`Reference`] without a type.
    pub fn reference(name: impl Into<String>) -> Self {
        Self::Reference(Reference { name: name.into(), data_type: None })
    }

    /// A [`Binary`].
    pub fn binary(left: Self, operator: Operator, right: Self) -> Self {
        Self::Binary(Box::new(Binary { operator, left, right }))
    }

    /// Visits this expression and all below it, each one before its operands, from the left to the right. Where the
    /// visitor says no, what is below is left out.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self) -> bool) {
        if !visit(self) {
            return;
        }
        match self {
            Self::Call(call) => call.arguments.iter().for_each(|argument| argument.walk(visit)),
            Self::Binary(binary) => {
                binary.left.walk(visit);
                binary.right.walk(visit);
            }
            Self::Paren(inner) => inner.walk(visit),
            _ => {}
        }
    }

    /// Whether there is a call in it.
    pub fn has_call(&self) -> bool {
        let mut found = false;
        self.walk(&mut |expression| {
            found |= matches!(expression, Self::Call(_));
            !found
        });
        found
    }
}

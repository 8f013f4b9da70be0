//! The syntax tree of a query.

use crate::functions::Function;
use crate::labels::Matcher;

/// What an expression evaluates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// One number for each step.
    Scalar,
    /// Series with one sample for each step.
    Vector,
    /// Series with the samples of a time range for each step.
    Matrix,
    /// A text.
    String,
}

impl ValueType {
    /// As Prometheus's messages call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Vector => "instant vector",
            Self::Matrix => "range vector",
            Self::String => "string",
        }
    }
}

/// An expression and where it begins in the text, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it begins.
    pub at: usize,
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A number.
    Number(f64),
    /// A text.
    String(String),
    /// `-x`; a plus sign leaves nothing behind.
    Negation(Box<Expr>),
    /// `(x)`
    Parens(Box<Expr>),
    /// Series with their last sample.
    Selector(Selector),
    /// Series with the samples of the last `range_ms`.
    Range {
        /// The series.
        selector: Selector,
        /// How far back, in milliseconds.
        range_ms: i64,
    },
    /// `x[range:step]`
    Subquery(Box<Subquery>),
    /// A function.
    Call {
        /// Which.
        function: Function,
        /// Its arguments.
        arguments: Vec<Expr>,
    },
    /// An aggregation.
    Aggregate(Box<Aggregate>),
    /// An operator between two expressions.
    Binary(Box<Binary>),
}

/// Which series are meant, and at what time.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// All of these hold; that on the name is among them.
    pub matchers: Vec<Matcher>,
    /// The time that is meant.
    pub time: TimeShift,
    /// The place of the selector among those of the query.
    pub index: usize,
}

/// `offset` and `@`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TimeShift {
    /// How far back, in milliseconds.
    pub offset_ms: i64,
    /// The time that stands in place of the step's.
    pub at: Option<At>,
}

/// The time after `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The start of the query.
    Start,
    /// Its end.
    End,
    /// This time, in milliseconds since 1970.
    Time(i64),
}

/// `x[range:step]`
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub inner: Expr,
    /// How far back, in milliseconds.
    pub range_ms: i64,
    /// The time from one evaluation to the next, in milliseconds.
    pub step_ms: i64,
    /// The time that is meant.
    pub time: TimeShift,
}

/// The labels that a grouping names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grouping {
    /// `by` or `on`: only these.
    Only(Vec<String>),
    /// `without` or `ignoring`: all but these.
    Without(Vec<String>),
}

/// Which aggregation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PromQL's")]
pub enum AggregateKind {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    Quantile,
    CountValues,
}

/// An aggregation over series.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub kind: AggregateKind,
    /// The first argument of those that have two.
    pub parameter: Option<Expr>,
    /// What is aggregated.
    pub inner: Expr,
    /// By which labels.
    pub grouping: Grouping,
}

/// An operator between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the signs")]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Atan2,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Unless,
}

impl Operator {
    /// Whether it compares.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
    }

    /// Whether it is one of `and`, `or`, `unless`.
    #[must_use]
    pub fn is_set(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Unless)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Power => "^",
            Self::Atan2 => "atan2",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }
}

/// How many series of each side may have the same labels of the match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cardinality {
    /// One and one.
    OneToOne,
    /// `group_left`: many on the left; with labels of the right that the result gets.
    ManyToOne(Vec<String>),
    /// `group_right`: many on the right; with labels of the left that the result gets.
    OneToMany(Vec<String>),
}

/// An operator with its two sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// Which.
    pub operator: Operator,
    /// The left side.
    pub left: Expr,
    /// The right side.
    pub right: Expr,
    /// `bool`: a comparison gives 0 or 1.
    pub returns_bool: bool,
    /// Which labels have to be the same.
    pub matching: Grouping,
    /// How many series match.
    pub cardinality: Cardinality,
}

impl Expr {
    /// Without parentheses around it.
    #[must_use]
    pub fn unwrapped(&self) -> &Self {
        match &self.kind {
            ExprKind::Parens(inner) => inner.unwrapped(),
            _ => self,
        }
    }

    /// What it evaluates to.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match &self.kind {
            ExprKind::Number(_) => ValueType::Scalar,
            ExprKind::String(_) => ValueType::String,
            ExprKind::Negation(inner) | ExprKind::Parens(inner) => inner.value_type(),
            ExprKind::Selector(_) | ExprKind::Aggregate(_) => ValueType::Vector,
            ExprKind::Range { .. } | ExprKind::Subquery(_) => ValueType::Matrix,
            ExprKind::Call { function, .. } => function.signature().returns,
            ExprKind::Binary(binary) => {
                let both =
                    binary.left.value_type() == ValueType::Scalar && binary.right.value_type() == ValueType::Scalar;
                if both { ValueType::Scalar } else { ValueType::Vector }
            }
        }
    }

    /// The expressions that it is made of.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Selector(_) | ExprKind::Range { .. } => Vec::new(),
            ExprKind::Negation(inner) | ExprKind::Parens(inner) => vec![inner],
            ExprKind::Subquery(subquery) => vec![&subquery.inner],
            ExprKind::Call { arguments, .. } => arguments.iter().collect(),
            ExprKind::Aggregate(aggregate) => aggregate.parameter.iter().chain([&aggregate.inner]).collect(),
            ExprKind::Binary(binary) => vec![&binary.left, &binary.right],
        }
    }
}

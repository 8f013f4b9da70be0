//! A script as it is run: the syntax tree without what only people need, with constants made and calls named.

use std::sync::Arc;

use flux::Location;
use flux::ast::{LogicalOperator, Operator, TypeExpression};

use super::value::{Text, Value};

/// One file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    /// The package's name.
    pub(crate) package: Text,
    /// What it imports.
    pub(crate) imports: Vec<Import>,
    /// Its statements.
    pub(crate) body: Vec<Statement>,
}

/// An import.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    /// The name to use instead of the package's own.
    pub(crate) alias: Option<Text>,
    /// Which package.
    pub(crate) path: Text,
    pub(crate) location: Location,
}

/// A statement.
#[derive(Debug, Clone)]
pub(crate) enum Statement {
    /// `name = value`
    Assign(Text, Expr, Location),
    /// `option name = value`, or of a package.
    Option { package: Option<Text>, name: Text, value: Expr, location: Location },
    /// An expression alone.
    Expression(Expr),
    /// `return value`
    Return(Expr, Location),
    /// `builtin name : type`
    Builtin(Text, Box<TypeExpression>),
    /// `testcase name { … }`, which only a test run looks at.
    TestCase,
}

/// A function's text.
#[derive(Debug, Clone)]
pub(crate) struct Lambda {
    pub(crate) parameters: Vec<Parameter>,
    /// What comes before the result.
    pub(crate) body: Vec<Statement>,
    pub(crate) result: Expr,
    pub(crate) location: Location,
}

/// A parameter of a function.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: Text,
    pub(crate) default: Option<Expr>,
    /// Whether it takes the piped value.
    pub(crate) is_pipe: bool,
}

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct CallExpr {
    /// What the function is called here.
    pub(crate) name: Text,
    pub(crate) callee: Expr,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) pipe: Option<Expr>,
    pub(crate) location: Location,
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) name: Text,
    pub(crate) value: Expr,
}

/// `{with with fields}`.
#[derive(Debug, Clone)]
pub(crate) struct RecordExpr {
    pub(crate) with: Option<Expr>,
    pub(crate) fields: Vec<(Text, Expr)>,
    pub(crate) location: Location,
}

/// An expression.
#[derive(Debug, Clone)]
pub(crate) enum Expr {
    Literal(Value, Location),
    Name(Text, Location),
    /// The parts of a string: texts are literals.
    Interpolation(Vec<Expr>, Location),
    Array(Vec<Expr>, Location),
    Dict(Vec<(Expr, Expr)>, Location),
    Record(Box<RecordExpr>),
    Function(Arc<Lambda>),
    Call(Box<CallExpr>),
    Member(Box<Expr>, Text, Location),
    Index(Box<(Expr, Expr)>, Location),
    Unary(Operator, Box<Expr>, Location),
    Binary(Operator, Box<(Expr, Expr)>, Location),
    Logical(LogicalOperator, Box<(Expr, Expr)>, Location),
    Conditional(Box<(Expr, Expr, Expr)>, Location),
}

impl Expr {
    /// Where it stands.
    pub(crate) fn location(&self) -> Location {
        match self {
            Self::Literal(_, location)
            | Self::Name(_, location)
            | Self::Interpolation(_, location)
            | Self::Array(_, location)
            | Self::Dict(_, location)
            | Self::Member(_, _, location)
            | Self::Index(_, location)
            | Self::Unary(_, _, location)
            | Self::Binary(_, _, location)
            | Self::Logical(_, _, location)
            | Self::Conditional(_, location) => *location,
            Self::Record(record) => record.location,
            Self::Function(lambda) => lambda.location,
            Self::Call(call) => call.location,
        }
    }

    /// The expressions right below this one; those of functions too.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Literal(..) | Self::Name(..) => Vec::new(),
            Self::Interpolation(parts, _) | Self::Array(parts, _) => parts.iter().collect(),
            Self::Dict(entries, _) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Record(record) => record.with.iter().chain(record.fields.iter().map(|(_, value)| value)).collect(),
            Self::Function(lambda) => {
                let defaults = lambda.parameters.iter().filter_map(|parameter| parameter.default.as_ref());
                let body = lambda.body.iter().filter_map(|statement| match statement {
                    Statement::Assign(_, value, _)
                    | Statement::Option { value, .. }
                    | Statement::Expression(value)
                    | Statement::Return(value, _) => Some(value),
                    Statement::Builtin(..) | Statement::TestCase => None,
                });
                defaults.chain(body).chain([&lambda.result]).collect()
            }
            Self::Call(call) => {
                let arguments = call.arguments.iter().map(|argument| &argument.value);
                [&call.callee].into_iter().chain(&call.pipe).chain(arguments).collect()
            }
            Self::Member(object, ..) => vec![object],
            Self::Index(pair, _) | Self::Binary(_, pair, _) | Self::Logical(_, pair, _) => vec![&pair.0, &pair.1],
            Self::Unary(_, operand, _) => vec![operand],
            Self::Conditional(parts, _) => vec![&parts.0, &parts.1, &parts.2],
        }
    }

    /// Whether a name is used in it. A name that an inner function defines anew counts as well.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        match self {
            Self::Name(known, _) => **known == *name,
            _ => self.children().into_iter().any(|child| child.mentions(name)),
        }
    }
}

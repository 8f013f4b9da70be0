//! Expressions with operands.

use super::{
    Block, BooleanLiteral, Comments, DateTimeLiteral, DurationLiteral, FloatLiteral, Identifier, IntegerLiteral,
    LabelLiteral, LogicalOperator, Meta, Operator, PipeLiteral, RegexpLiteral, StringLiteral, UnsignedIntegerLiteral,
};
use crate::location::Location;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// What could not be read as an expression.
    Bad(Box<BadExpression>),
    /// A name; `true` and `false` too.
    Identifier(Identifier),
    /// `12`
    Integer(IntegerLiteral),
    /// `12` of an unsigned type. No text is read as one; InfluxDB's JSON form has it.
    UnsignedInteger(UnsignedIntegerLiteral),
    /// `1.2`
    Float(FloatLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `.label`
    Label(LabelLiteral),
    /// A truth value. No text is read as one (see [`Identifier`]); InfluxDB's JSON form has it.
    Boolean(BooleanLiteral),
    /// `1h30m`
    Duration(DurationLiteral),
    /// `2026-01-01T00:00:00Z`
    DateTime(DateTimeLiteral),
    /// `/pattern/`
    Regexp(RegexpLiteral),
    /// `<-`
    Pipe(PipeLiteral),
    /// `"text ${expression}"`
    StringExpression(Box<StringExpression>),
    /// `(expression)`
    Paren(Box<ParenExpression>),
    /// `[a, b]`
    Array(Box<ArrayExpression>),
    /// `[key: value]`
    Dict(Box<DictExpression>),
    /// `{key: value}`
    Object(Box<ObjectExpression>),
    /// `(parameters) => body`
    Function(Box<FunctionExpression>),
    /// `callee(arguments)`
    Call(Box<CallExpression>),
    /// `object.property`
    Member(Box<MemberExpression>),
    /// `array[index]`
    Index(Box<IndexExpression>),
    /// `argument |> call()`
    PipeForward(Box<PipeExpression>),
    /// `-a`, `+a`, `not a`, `exists a`
    Unary(Box<UnaryExpression>),
    /// `a + b`, `a == b`, …
    Binary(Box<BinaryExpression>),
    /// `a and b`, `a or b`
    Logical(Box<LogicalExpression>),
    /// `if test then consequent else alternate`
    Conditional(Box<ConditionalExpression>),
}

impl Default for Expression {
    fn default() -> Self {
        Self::Bad(Box::default())
    }
}

impl Expression {
    /// Place, comments, errors.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Bad(node) => &node.meta,
            Self::Identifier(node) => &node.meta,
            Self::Integer(node) => &node.meta,
            Self::UnsignedInteger(node) => &node.meta,
            Self::Float(node) => &node.meta,
            Self::String(node) => &node.meta,
            Self::Label(node) => &node.meta,
            Self::Boolean(node) => &node.meta,
            Self::Duration(node) => &node.meta,
            Self::DateTime(node) => &node.meta,
            Self::Regexp(node) => &node.meta,
            Self::Pipe(node) => &node.meta,
            Self::StringExpression(node) => &node.meta,
            Self::Paren(node) => &node.meta,
            Self::Array(node) => &node.meta,
            Self::Dict(node) => &node.meta,
            Self::Object(node) => &node.meta,
            Self::Function(node) => &node.meta,
            Self::Call(node) => &node.meta,
            Self::Member(node) => &node.meta,
            Self::Index(node) => &node.meta,
            Self::PipeForward(node) => &node.meta,
            Self::Unary(node) => &node.meta,
            Self::Binary(node) => &node.meta,
            Self::Logical(node) => &node.meta,
            Self::Conditional(node) => &node.meta,
        }
    }

    /// Where it was written.
    pub fn location(&self) -> Location {
        self.meta().location
    }

    /// The first operand of an expression that begins with one. Chains such as `a |> b() |> c()` grow on this side,
    /// so walk it with a loop.
    pub fn left_operand(&self) -> Option<&Expression> {
        match self {
            Self::Call(node) => Some(&node.callee),
            Self::Member(node) => Some(&node.object),
            Self::Index(node) => Some(&node.array),
            Self::PipeForward(node) => Some(&node.argument),
            Self::Binary(node) => Some(&node.left),
            Self::Logical(node) => Some(&node.left),
            _ => None,
        }
    }
}

/// What could not be read as an expression.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BadExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// What is wrong; empty where another error says so.
    pub text: String,
}

/// A string with interpolation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StringExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Its parts in order.
    pub parts: Vec<StringPart>,
}

/// A part of a string with interpolation.
#[derive(Debug, Clone, PartialEq)]
pub enum StringPart {
    /// Text between interpolations.
    Text(TextPart),
    /// `${expression}`
    Interpolated(InterpolatedPart),
}

/// Text between interpolations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TextPart {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The text with escapes resolved.
    pub value: String,
}

/// `${expression}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InterpolatedPart {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The expression.
    pub expression: Expression,
}

/// `(expression)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParenExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Comments before `(`.
    pub lparen: Comments,
    /// The expression.
    pub expression: Expression,
    /// Comments before `)`.
    pub rparen: Comments,
}

/// `[a, b]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArrayExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Comments before `[`.
    pub lbrack: Comments,
    /// The elements.
    pub elements: Vec<ArrayItem>,
    /// Comments before `]`.
    pub rbrack: Comments,
}

/// An element of an array.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArrayItem {
    /// The element.
    pub expression: Expression,
    /// Comments before the comma behind it.
    pub comma: Comments,
}

/// `[key: value]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DictExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Comments before `[`.
    pub lbrack: Comments,
    /// The entries.
    pub elements: Vec<DictItem>,
    /// Comments before `]`.
    pub rbrack: Comments,
}

/// An entry of a dictionary.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DictItem {
    /// Its key.
    pub key: Expression,
    /// Its value.
    pub value: Expression,
    /// Comments before the comma behind it.
    pub comma: Comments,
}

/// `{with with properties}`, and the arguments of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Comments before `{`.
    pub lbrace: Comments,
    /// The record it extends.
    pub with: Option<WithSource>,
    /// The properties.
    pub properties: Vec<Property>,
    /// Comments before `}`.
    pub rbrace: Comments,
}

/// `source with`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WithSource {
    /// The record's name.
    pub source: Identifier,
    /// Comments before `with`.
    pub with: Comments,
}

/// `key: value` of a record, or a parameter of a function with its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Property {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The key.
    pub key: PropertyKey,
    /// Comments before `:` or `=`.
    pub separator: Comments,
    /// The value; none for `{key}`, which is `{key: key}`, and for a parameter without default.
    pub value: Option<Expression>,
    /// Comments before the comma behind it.
    pub comma: Comments,
}

/// The key of a property.
#[derive(Debug, Clone, PartialEq)]
pub enum PropertyKey {
    /// `key`
    Identifier(Identifier),
    /// `"key"`
    String(StringLiteral),
}

impl Default for PropertyKey {
    fn default() -> Self {
        Self::Identifier(Identifier::default())
    }
}

impl PropertyKey {
    /// The key's text.
    pub fn name(&self) -> &str {
        match self {
            Self::Identifier(node) => &node.name,
            Self::String(node) => &node.value,
        }
    }

    /// Place, comments, errors.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Identifier(node) => &node.meta,
            Self::String(node) => &node.meta,
        }
    }
}

/// `(parameters) => body`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FunctionExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Comments before `(`.
    pub lparen: Comments,
    /// The parameters; a value is the default, or `<-`.
    pub parameters: Vec<Property>,
    /// Comments before `)`.
    pub rparen: Comments,
    /// Comments before `=>`.
    pub arrow: Comments,
    /// What it does.
    pub body: FunctionBody,
}

/// The body of a function.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionBody {
    /// `{ statements }`
    Block(Block),
    /// `expression`
    Expression(Expression),
}

impl Default for FunctionBody {
    fn default() -> Self {
        Self::Expression(Expression::default())
    }
}

/// `callee(arguments)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The function.
    pub callee: Expression,
    /// Comments before `(`.
    pub lparen: Comments,
    /// The arguments: nothing, or one record.
    pub arguments: Vec<Expression>,
    /// Comments before `)`.
    pub rparen: Comments,
}

/// `object.property` or `object["property"]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemberExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The record.
    pub object: Expression,
    /// Comments before `.` or `[`.
    pub lbrack: Comments,
    /// Which member.
    pub property: PropertyKey,
    /// Comments before `]`.
    pub rbrack: Comments,
}

/// `array[index]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The array.
    pub array: Expression,
    /// Comments before `[`.
    pub lbrack: Comments,
    /// Which element.
    pub index: Expression,
    /// Comments before `]`.
    pub rbrack: Comments,
}

/// `argument |> call()`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PipeExpression {
    /// Place, errors, and the comments before `|>`.
    pub meta: Meta,
    /// What is piped.
    pub argument: Expression,
    /// Where to.
    pub call: CallExpression,
}

/// `-a`, `not a`, ….
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnaryExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The operator.
    pub operator: Operator,
    /// The operand.
    pub argument: Expression,
}

/// `a + b`, `a == b`, ….
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BinaryExpression {
    /// Place, errors, and the comments before the operator.
    pub meta: Meta,
    /// The operator.
    pub operator: Operator,
    /// The first operand.
    pub left: Expression,
    /// The second operand.
    pub right: Expression,
}

/// `a and b`, `a or b`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogicalExpression {
    /// Place, errors, and the comments before the operator.
    pub meta: Meta,
    /// The operator.
    pub operator: LogicalOperator,
    /// The first operand.
    pub left: Expression,
    /// The second operand.
    pub right: Expression,
}

/// `if test then consequent else alternate`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConditionalExpression {
    /// Place, errors.
    pub meta: Meta,
    /// Comments before `if`.
    pub tk_if: Comments,
    /// The condition.
    pub test: Expression,
    /// Comments before `then`.
    pub tk_then: Comments,
    /// The value if it holds.
    pub consequent: Expression,
    /// Comments before `else`.
    pub tk_else: Comments,
    /// The value if not.
    pub alternate: Expression,
}

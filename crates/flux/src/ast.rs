//! The syntax tree: what was written, with its places, comments and errors. It never says what a script means.
//!
//! Names and fields follow InfluxDB's JSON form of the tree, so that both can be read side by side.

mod expression;
mod literal;
mod operator;
mod type_expression;

pub use expression::{
    ArrayExpression, ArrayItem, BadExpression, BinaryExpression, CallExpression, ConditionalExpression, DictExpression,
    DictItem, Expression, FunctionBody, FunctionExpression, IndexExpression, InterpolatedPart, LogicalExpression,
    MemberExpression, ObjectExpression, ParenExpression, PipeExpression, Property, PropertyKey, StringExpression,
    StringPart, TextPart, UnaryExpression, WithSource,
};
pub use literal::{
    BooleanLiteral, DateTimeLiteral, Duration, DurationLiteral, DurationUnit, FloatLiteral, Identifier, IntegerLiteral,
    LabelLiteral, PipeLiteral, RegexpLiteral, StringLiteral, UnsignedIntegerLiteral,
};
pub use operator::{LogicalOperator, Operator};
pub use type_expression::{
    Constraint, FunctionType, ParameterKind, ParameterType, PropertyType, RecordType, Type, TypeExpression,
};

use crate::location::Location;

/// Comments before a token, each with its slashes and its line break.
pub type Comments = Box<[String]>;

/// What every node has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meta {
    /// The place it was read from.
    pub location: Location,
    /// What few nodes have, kept apart so that a node stays small.
    pub extra: Option<Box<MetaExtra>>,
}

/// What few nodes have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetaExtra {
    /// Comments before the node's own token.
    pub comments: Comments,
    /// What was wrong here, in InfluxDB's words.
    pub errors: Vec<String>,
    /// Attributes before a clause or statement.
    pub attributes: Vec<Attribute>,
}

impl Meta {
    /// The comments before the node's own token.
    pub fn comments(&self) -> &[String] {
        self.extra.as_ref().map_or(&[], |extra| &extra.comments)
    }

    /// What was wrong here.
    pub fn errors(&self) -> &[String] {
        self.extra.as_ref().map_or(&[], |extra| &extra.errors)
    }

    /// The attributes of a clause or statement.
    pub fn attributes(&self) -> &[Attribute] {
        self.extra.as_ref().map_or(&[], |extra| &extra.attributes)
    }
}

/// `@name(parameter, …)`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attribute {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The name without its `@`.
    pub name: String,
    /// The values in the brackets.
    pub parameters: Vec<Expression>,
}

/// All files of one package. A query is a package of one file, or of two with an `extern`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Package {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The import path; empty for a query.
    pub path: String,
    /// The package's name; `main` without a clause.
    pub package: String,
    /// Its files.
    pub files: Vec<File>,
}

/// One source text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct File {
    /// From the first byte of the source to its last.
    pub meta: Meta,
    /// The source, where it is known; the nodes' locations point into it.
    pub source: String,
    /// The file's name; empty for a query.
    pub name: String,
    /// Which parser made the tree.
    pub metadata: String,
    /// The package clause.
    pub package: Option<PackageClause>,
    /// The imports, all before the body.
    pub imports: Vec<ImportDeclaration>,
    /// The statements.
    pub body: Vec<Statement>,
    /// Comments behind the last statement.
    pub eof: Comments,
}

impl File {
    /// The name of the file's package: that of its clause, or `main`.
    pub fn package_name(&self) -> &str {
        self.package.as_ref().map_or("main", |clause| &clause.name.name)
    }
}

/// `package name`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PackageClause {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The package's name.
    pub name: Identifier,
}

/// `import alias "path"`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportDeclaration {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The name to use instead of the package's own.
    pub alias: Option<Identifier>,
    /// Which package.
    pub path: StringLiteral,
}

/// `{ statements }` as a function's or a test case's body.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Comments before `{`.
    pub lbrace: Comments,
    /// The statements.
    pub body: Vec<Statement>,
    /// Comments before `}`.
    pub rbrace: Comments,
}

/// A statement of a file or block.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    /// A token that starts no statement.
    Bad(Box<BadStatement>),
    /// `expression`
    Expression(Box<ExpressionStatement>),
    /// `id = init`
    Variable(Box<VariableAssignment>),
    /// `option …`
    Option(Box<OptionStatement>),
    /// `return argument`
    Return(Box<ReturnStatement>),
    /// `builtin id : type`
    Builtin(Box<BuiltinStatement>),
    /// `testcase id { … }`
    TestCase(Box<TestCaseStatement>),
}

impl Statement {
    /// Place, comments, errors.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Bad(node) => &node.meta,
            Self::Expression(node) => &node.meta,
            Self::Variable(node) => &node.meta,
            Self::Option(node) => &node.meta,
            Self::Return(node) => &node.meta,
            Self::Builtin(node) => &node.meta,
            Self::TestCase(node) => &node.meta,
        }
    }

    pub(crate) fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Bad(node) => &mut node.meta,
            Self::Expression(node) => &mut node.meta,
            Self::Variable(node) => &mut node.meta,
            Self::Option(node) => &mut node.meta,
            Self::Return(node) => &mut node.meta,
            Self::Builtin(node) => &mut node.meta,
            Self::TestCase(node) => &mut node.meta,
        }
    }
}

/// A token that starts no statement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BadStatement {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The token.
    pub text: String,
}

/// An expression for its value or its effect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExpressionStatement {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The expression.
    pub expression: Expression,
}

/// `id = init`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VariableAssignment {
    /// Place, errors, and the comments before `=`.
    pub meta: Meta,
    /// The name.
    pub id: Identifier,
    /// Its value.
    pub init: Expression,
}

/// `object.property = init`, only in an option.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemberAssignment {
    /// Place, errors, and the comments before `=`.
    pub meta: Meta,
    /// The option of another package.
    pub member: MemberExpression,
    /// Its value.
    pub init: Expression,
}

/// What an option sets.
#[derive(Debug, Clone, PartialEq)]
pub enum Assignment {
    /// `id = init`
    Variable(Box<VariableAssignment>),
    /// `package.id = init`
    Member(Box<MemberAssignment>),
}

/// `option assignment`.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionStatement {
    /// Place, comments, errors.
    pub meta: Meta,
    /// What it sets.
    pub assignment: Assignment,
}

/// `return argument`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReturnStatement {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The function's value.
    pub argument: Expression,
}

/// `builtin id : type`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuiltinStatement {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Comments before `:`.
    pub colon: Comments,
    /// The name.
    pub id: Identifier,
    /// Its type.
    pub type_expression: TypeExpression,
}

/// `testcase id extends "path" { … }`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestCaseStatement {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The name.
    pub id: Identifier,
    /// The test case it extends.
    pub extends: Option<StringLiteral>,
    /// What it does.
    pub block: Block,
}

//! The types of `builtin` statements, as written.

use super::{Comments, Identifier, Meta, PropertyKey, StringLiteral};

/// A type with the constraints on its variables.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TypeExpression {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The type.
    pub monotype: Type,
    /// What stands behind `where`.
    pub constraints: Vec<Constraint>,
}

/// `A: Numeric + Comparable`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Constraint {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The variable.
    pub variable: Identifier,
    /// What its types must be.
    pub kinds: Vec<Identifier>,
}

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// `A`: a type variable is one letter.
    Variable(Meta, Identifier),
    /// `int`
    Named(Meta, Identifier),
    /// `dynamic`
    Dynamic(Meta),
    /// `[T]`
    Array(Meta, Box<Type>),
    /// `stream[T]`
    Stream(Meta, Box<Type>),
    /// `vector[T]`
    Vector(Meta, Box<Type>),
    /// `[K:V]`
    Dict(Meta, Box<(Type, Type)>),
    /// `{A with a: T}`
    Record(Box<RecordType>),
    /// `(a: T) => R`
    Function(Box<FunctionType>),
}

impl Default for Type {
    fn default() -> Self {
        Self::Named(Meta::default(), Identifier::default())
    }
}

impl Type {
    /// Place, comments, errors.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Variable(meta, _)
            | Self::Named(meta, _)
            | Self::Dynamic(meta)
            | Self::Array(meta, _)
            | Self::Stream(meta, _)
            | Self::Vector(meta, _)
            | Self::Dict(meta, _) => meta,
            Self::Record(node) => &node.meta,
            Self::Function(node) => &node.meta,
        }
    }
}

/// `{A with a: T}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecordType {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The variable for all other properties.
    pub variable: Option<Identifier>,
    /// The properties.
    pub properties: Vec<PropertyType>,
}

/// `a: T` of a record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PropertyType {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The property.
    pub name: PropertyKey,
    /// Its type.
    pub monotype: Type,
}

/// `(a: T) => R`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FunctionType {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Comments before `(`.
    pub lparen: Comments,
    /// The parameters.
    pub parameters: Vec<ParameterType>,
    /// The type of the value.
    pub monotype: Type,
}

/// A parameter of a function's type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParameterType {
    /// Place, comments, errors.
    pub meta: Meta,
    /// How it is given.
    pub kind: ParameterKind,
    /// Its name; a piped one may have none.
    pub name: Option<Identifier>,
    /// Its type.
    pub monotype: Type,
    /// `?a: T = "default"`
    pub default: Option<StringLiteral>,
}

/// How a parameter is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ParameterKind {
    /// `a: T`
    #[default]
    Required,
    /// `?a: T`
    Optional,
    /// `<-a: T`
    Pipe,
}

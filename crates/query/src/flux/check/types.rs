//! Types, as far as they are known without inference of parameters.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};

use flux::ast::Type as Declared;

use super::super::error::Result;
use super::super::function::Signature;
use super::super::ir::{Expr, Lambda, Statement};
use super::super::package::program;
use super::super::runtime::lock;
use super::super::value::{Text, Value};

/// A type.
#[derive(Debug, Clone, Default)]
pub(super) enum Type {
    /// Not known.
    #[default]
    Any,
    Bool,
    Int,
    UInt,
    Float,
    String,
    Time,
    Duration,
    Regexp,
    Bytes,
    Array(Box<Type>),
    /// All of its properties are known.
    Record(Vec<(Text, Type)>),
    Stream(Box<Type>),
    Function(Arc<FunctionType>),
    /// A letter of a declaration.
    Variable(Text),
    /// An imported package by its path.
    Package(Text),
}

/// The type of a function.
#[derive(Debug, Clone)]
pub(super) struct FunctionType {
    pub(super) parameters: Vec<Parameter>,
    pub(super) result: Type,
}

/// A parameter of a function.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: Text,
    pub(super) kind: Type,
    pub(super) is_optional: bool,
    pub(super) is_pipe: bool,
}

impl Type {
    /// The type of a constant.
    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::UInt(_) => Self::UInt,
            Value::Float(_) => Self::Float,
            Value::String(_) => Self::String,
            Value::Time(_) => Self::Time,
            Value::Duration(_) => Self::Duration,
            Value::Regexp(_) => Self::Regexp,
            Value::Bytes(_) => Self::Bytes,
            _ => Self::Any,
        }
    }

    /// The type that a prelude declares.
    fn of_declaration(declared: &Declared) -> Self {
        match declared {
            Declared::Variable(_, name) => Self::Variable(Arc::from(name.name.as_str())),
            Declared::Named(_, name) => match name.name.as_str() {
                "bool" => Self::Bool,
                "int" => Self::Int,
                "uint" => Self::UInt,
                "float" => Self::Float,
                "string" => Self::String,
                "time" => Self::Time,
                "duration" => Self::Duration,
                "regexp" => Self::Regexp,
                "bytes" => Self::Bytes,
                _ => Self::Any,
            },
            Declared::Array(_, element) => Self::Array(Box::new(Self::of_declaration(element))),
            Declared::Stream(_, row) => Self::Stream(Box::new(Self::of_declaration(row))),
            Declared::Function(function) => {
                let parameter = |parameter: super::super::function::SignatureParameter| Parameter {
                    kind: parameter.declared.as_ref().map_or(Self::Any, Self::of_declaration),
                    name: parameter.name,
                    is_optional: parameter.is_optional,
                    is_pipe: parameter.is_pipe,
                };
                let expression = flux::ast::TypeExpression { monotype: declared.clone(), ..Default::default() };
                let signature = Signature::of_type(&expression).unwrap_or_default();
                Self::Function(Arc::new(FunctionType {
                    parameters: signature.parameters.into_iter().map(parameter).collect(),
                    result: Self::of_declaration(&function.monotype),
                }))
            }
            Declared::Dynamic(_) | Declared::Vector(..) | Declared::Dict(..) | Declared::Record(_) => Self::Any,
        }
    }

    /// The type of a function of a prelude, as far as its text tells without looking into it.
    fn of_lambda(lambda: &Lambda) -> Self {
        let parameter = |parameter: &super::super::ir::Parameter| Parameter {
            name: Arc::clone(&parameter.name),
            kind: match &parameter.default {
                // A duration may be given as one, or be taken for none by its default.
                Some(Expr::Literal(value, _)) => Self::of_value(value),
                _ => Self::Any,
            },
            is_optional: parameter.default.is_some(),
            is_pipe: parameter.is_pipe,
        };
        let parameters = lambda.parameters.iter().map(parameter).collect();
        Self::Function(Arc::new(FunctionType { parameters, result: Self::Any }))
    }

    /// Whether it is a time or a duration.
    pub(super) fn is_temporal(&self) -> bool {
        matches!(self, Self::Time | Self::Duration)
    }

    /// This type, or the other where this one is not known.
    pub(super) fn or(self, other: Self) -> Self {
        if matches!(self, Self::Any | Self::Variable(_)) { other } else { self }
    }

    /// What is wrong if a value of another type is given; nothing where something is not known.
    pub(super) fn mismatches(&self, found: &Self) -> Vec<String> {
        let differ = || vec![format!("expected {} but found {}", self.with_kind(), found.with_kind())];
        match (self, found) {
            (Self::Any | Self::Variable(_), _) | (_, Self::Any | Self::Variable(_)) => Vec::new(),
            (Self::Array(expected), Self::Array(found)) | (Self::Stream(expected), Self::Stream(found)) => {
                expected.mismatches(found)
            }
            (Self::Record(expected), Self::Record(found)) => {
                let mut messages = Vec::new();
                for (name, kind) in found {
                    match expected.iter().find(|(known, _)| known == name) {
                        Some((_, expected)) => messages.extend(expected.mismatches(kind)),
                        None => messages.push(format!("found unexpected label {name}")),
                    }
                }
                let is_missing = |name: &Text| !found.iter().any(|(known, _)| known == name);
                let missing = expected.iter().filter(|(name, _)| is_missing(name));
                messages.extend(missing.map(|(name, _)| format!("record is missing label {name}")));
                messages
            }
            (Self::Function(_), Self::Function(_)) => Vec::new(),
            _ if std::mem::discriminant(self) == std::mem::discriminant(found) => Vec::new(),
            _ => differ(),
        }
    }

    /// Notes what the letters of this type stand for if it is that one; the first meaning counts.
    pub(super) fn bind(&self, found: &Self, bound: &mut HashMap<Text, Type>) {
        match (self, found) {
            (_, Self::Any) => {}
            (Self::Variable(name), found) => {
                bound.entry(Arc::clone(name)).or_insert_with(|| found.clone());
            }
            (Self::Array(inner), Self::Array(found)) | (Self::Stream(inner), Self::Stream(found)) => {
                inner.bind(found, bound);
            }
            (Self::Function(inner), Self::Function(found)) => inner.result.bind(&found.result, bound),
            _ => {}
        }
    }

    /// This type with the meaning of its letters; those without one are not known.
    pub(super) fn substitute(&self, bound: &HashMap<Text, Type>) -> Self {
        match self {
            Self::Variable(name) => bound.get(name).cloned().unwrap_or_else(|| self.clone()),
            Self::Array(inner) => Self::Array(Box::new(inner.substitute(bound))),
            Self::Stream(inner) => Self::Stream(Box::new(inner.substitute(bound))),
            other => other.clone(),
        }
    }

    /// One word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Any | Self::Variable(_) => "any",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::UInt => "uint",
            Self::Float => "float",
            Self::String => "string",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Regexp => "regexp",
            Self::Bytes => "bytes",
            Self::Array(_) => "array",
            Self::Record(_) => "object",
            Self::Stream(_) => "stream",
            Self::Function(_) => "function",
            Self::Package(_) => "package",
        }
    }

    fn with_kind(&self) -> String {
        match self {
            Self::Array(_) => format!("{self} (array)"),
            Self::Record(_) => format!("{self} (record)"),
            Self::Stream(_) => format!("{self} (stream)"),
            Self::Function(_) => format!("{self} (function)"),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("A"),
            Self::Array(element) => write!(formatter, "[{element}]"),
            Self::Record(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
                write!(formatter, "{{{}}}", fields.join(", "))
            }
            Self::Stream(row) => write!(formatter, "stream[{row}]"),
            Self::Function(function) => {
                let parameter = |parameter: &Parameter| {
                    let mark = if parameter.is_pipe {
                        "<-"
                    } else if parameter.is_optional {
                        "?"
                    } else {
                        ""
                    };
                    format!("{mark}{}: {}", parameter.name, parameter.kind)
                };
                let parameters: Vec<String> = function.parameters.iter().map(parameter).collect();
                write!(formatter, "({}) => {}", parameters.join(", "), function.result)
            }
            Self::Variable(name) => formatter.write_str(name),
            Self::Package(path) => write!(formatter, "package {path}"),
            simple => formatter.write_str(simple.word()),
        }
    }
}

/// The types of a package's members by name.
pub(super) type Members = Arc<HashMap<Text, Type>>;

/// The types of all packages that were looked at, for the whole process.
static PACKAGES: LazyLock<Mutex<HashMap<Text, Members>>> = LazyLock::new(Mutex::default);

/// The types of a package's members; none if there is no such package.
pub(super) fn package_types(path: &str) -> Result<Option<Members>> {
    if let Some(types) = lock(&PACKAGES).get(path) {
        return Ok(Some(Arc::clone(types)));
    }
    let Some(program) = program(path)? else { return Ok(None) };
    let mut types = HashMap::new();
    for statement in &program.body {
        let (name, kind) = match statement {
            Statement::Builtin(name, declared) => (name, Type::of_declaration(&declared.monotype)),
            Statement::Assign(name, Expr::Function(lambda), _) => (name, Type::of_lambda(lambda)),
            Statement::Assign(name, Expr::Literal(value, _), _) => (name, Type::of_value(value)),
            Statement::Assign(name, ..) | Statement::Option { name, .. } => (name, Type::Any),
            _ => continue,
        };
        types.insert(Arc::clone(name), kind);
    }
    let types = Arc::new(types);
    lock(&PACKAGES).insert(Arc::from(path), Arc::clone(&types));
    Ok(Some(types))
}

//! Functions: those of the script with what they close over, and builtins. What a builtin gets is a [`Call`].

use std::fmt;
use std::sync::Arc;

use flux::Location;
use flux::ast::{ParameterKind, Type, TypeExpression};

use super::duration::Duration;
use super::error::{FluxError, Result};
use super::interpret::Interpreter;
use super::ir::Lambda;
use super::package::Scope;
use super::runtime::{Place, Runtime};
use super::stream::Stream;
use super::value::{Record, Text, Value};

/// Something to call.
#[derive(Debug, Clone)]
pub enum Function {
    /// A function of a script or a prelude.
    Closure(Arc<Closure>),
    /// A function in Rust.
    Builtin(Arc<Builtin>),
}

/// A function's text with its surroundings.
#[derive(Debug)]
pub struct Closure {
    pub(crate) lambda: Arc<Lambda>,
    pub(crate) scope: Scope,
}

/// What a builtin does.
pub type BuiltinFunction = fn(&mut Call<'_>) -> Result<Value>;

/// A function in Rust, with the signature that its prelude declares.
pub struct Builtin {
    /// Its name.
    pub name: Text,
    /// Its parameters.
    pub signature: Signature,
    pub(crate) function: BuiltinFunction,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Builtin").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The parameters of a function.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signature {
    /// In the order of the text.
    pub parameters: Vec<SignatureParameter>,
}

/// A parameter of a signature.
#[derive(Debug, Clone, PartialEq)]
pub struct SignatureParameter {
    /// Its name.
    pub name: Text,
    /// Whether it may be left out.
    pub is_optional: bool,
    /// Whether it takes the piped value.
    pub is_pipe: bool,
    /// Its type, where it is declared.
    pub declared: Option<Type>,
}

impl Signature {
    /// The signature of a declared type; none if it is not that of a function.
    #[must_use]
    pub fn of_type(expression: &TypeExpression) -> Option<Self> {
        let Type::Function(function) = &expression.monotype else { return None };
        let parameter = |parameter: &flux::ast::ParameterType| SignatureParameter {
            name: Arc::from(parameter.name.as_ref().map_or("<-", |name| name.name.as_str())),
            is_optional: parameter.kind == ParameterKind::Optional,
            is_pipe: parameter.kind == ParameterKind::Pipe,
            declared: Some(parameter.monotype.clone()),
        };
        Some(Self { parameters: function.parameters.iter().map(parameter).collect() })
    }

    /// The signature of a function's text.
    pub(crate) fn of_lambda(lambda: &Lambda) -> Self {
        let parameter = |parameter: &super::ir::Parameter| SignatureParameter {
            name: Arc::clone(&parameter.name),
            is_optional: parameter.default.is_some(),
            is_pipe: parameter.is_pipe,
            declared: None,
        };
        Self { parameters: lambda.parameters.iter().map(parameter).collect() }
    }
}

impl Function {
    /// Its parameters.
    #[must_use]
    pub fn signature(&self) -> Signature {
        match self {
            Self::Closure(closure) => Signature::of_lambda(&closure.lambda),
            Self::Builtin(builtin) => builtin.signature.clone(),
        }
    }
}

/// The call of a builtin: its arguments, and whom it calls for.
#[derive(Debug)]
pub struct Call<'a> {
    /// Calls the functions among the arguments.
    pub interpreter: &'a mut Interpreter,
    /// Where in the user's script it happens, and what it is called there.
    pub place: Place,
    pub(crate) arguments: Vec<(Text, Value)>,
}

impl Call<'_> {
    /// What the running script shares.
    #[must_use]
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.interpreter.runtime
    }

    /// Where the call stands in the user's script.
    #[must_use]
    pub fn location(&self) -> Location {
        self.place.location
    }

    /// An argument; null where none is given.
    #[must_use]
    pub fn value(&self, name: &str) -> Value {
        let mut arguments = self.arguments.iter();
        arguments.find(|(known, _)| **known == *name).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Whether an argument is given, be it null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.arguments.iter().any(|(known, _)| **known == *name)
    }

    /// An argument that has to be there.
    ///
    /// # Errors
    /// If it is missing or of another type.
    pub fn required<T: FromValue>(&self, name: &str) -> Result<T> {
        match self.optional(name)? {
            Some(value) => Ok(value),
            None if self.has(name) => {
                let wanted = T::KIND;
                Err(FluxError::invalid(format!("keyword argument \"{name}\" should be of kind {wanted}, but got null")))
            }
            None => Err(FluxError::invalid(format!("missing required keyword argument \"{name}\""))),
        }
    }

    /// An argument that may be left out.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn optional<T: FromValue>(&self, name: &str) -> Result<Option<T>> {
        let value = self.value(name);
        if value.is_null() {
            return Ok(None);
        }
        let kind = value.kind();
        T::from_value(value).map(Some).ok_or_else(|| {
            let wanted = T::KIND;
            FluxError::invalid(format!("keyword argument \"{name}\" should be of kind {wanted}, but got {kind}"))
        })
    }

    /// An argument, or what it is without.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn or<T: FromValue>(&self, name: &str, default: T) -> Result<T> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    /// The piped stream, or the one that is given by that name.
    ///
    /// # Errors
    /// If it is missing or something else.
    pub fn stream(&self, name: &str) -> Result<Stream> {
        self.required(name)
    }

    /// A moment: a time, a duration from now, or an integer of seconds, as `range` takes it.
    ///
    /// # Errors
    /// If it is something else, or missing.
    pub fn moment(&mut self, name: &str) -> Result<Option<i64>> {
        match self.value(name) {
            Value::Null => Ok(None),
            Value::Time(time) => Ok(Some(time)),
            Value::Duration(duration) => Ok(Some(duration.add_to(self.interpreter.now()?))),
            Value::Int(seconds) => Ok(Some(seconds.saturating_mul(1_000_000_000))),
            other => Err(FluxError::invalid(format!("value is not a time, got {}", other.kind()))),
        }
    }

    /// Calls a function that was given.
    ///
    /// # Errors
    /// Those of the function.
    pub fn invoke(&mut self, function: &Function, arguments: Vec<(&str, Value)>) -> Result<Value> {
        let arguments = arguments.into_iter().map(|(name, value)| (Arc::from(name), value)).collect();
        self.interpreter.call(function, arguments, None, self.place.clone())
    }
}

/// What an argument can be taken for.
pub trait FromValue: Sized {
    /// The kind in messages.
    const KIND: &'static str;

    /// The value, if it is one of them.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! from_value {
    ($type:ty, $kind:literal, $pattern:pat => $value:expr) => {
        impl FromValue for $type {
            const KIND: &'static str = $kind;

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    $pattern => Some($value),
                    _ => None,
                }
            }
        }
    };
}

from_value!(bool, "bool", Value::Bool(value) => value);
from_value!(i64, "int", Value::Int(value) => value);
from_value!(u64, "uint", Value::UInt(value) => value);
from_value!(f64, "float", Value::Float(value) => value);
from_value!(Text, "string", Value::String(value) => value);
from_value!(Duration, "duration", Value::Duration(value) => value);
from_value!(Function, "function", Value::Function(value) => value);
from_value!(Record, "object", Value::Record(value) => value);
from_value!(Stream, "stream", Value::Stream(value) => value);
from_value!(Arc<Vec<Value>>, "array", Value::Array(value) => value);
from_value!(Arc<[u8]>, "bytes", Value::Bytes(value) => value);
from_value!(Arc<super::value::Regexp>, "regexp", Value::Regexp(value) => value);

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(
    /// Nanoseconds since 1970.
    pub i64,
);

from_value!(Time, "time", Value::Time(value) => Time(value));

impl FromValue for Vec<Text> {
    const KIND: &'static str = "array of strings";

    fn from_value(value: Value) -> Option<Self> {
        let Value::Array(values) = value else { return None };
        values.iter().cloned().map(Text::from_value).collect()
    }
}

impl FromValue for Vec<f64> {
    const KIND: &'static str = "array of floats";

    fn from_value(value: Value) -> Option<Self> {
        let Value::Array(values) = value else { return None };
        values.iter().cloned().map(f64::from_value).collect()
    }
}

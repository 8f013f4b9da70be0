//! Values for the `$name` of a text. They stand for one token each, so no value can change what a statement does.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::duration::Duration;
use crate::token::Kind;

/// The parameters of a request, by name without the `$`.
pub type Parameters = HashMap<String, Parameter>;

/// What a `$name` stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    /// `'text'`
    String(String),
    /// A number with a point.
    Number(f64),
    /// A number without.
    Integer(i64),
    /// `true` or `false`
    Boolean(bool),
    /// What stands between the slashes of a regular expression.
    Regex(String),
    /// A name.
    Identifier(String),
    /// `10m`; the text is checked where it is used.
    Duration(String),
    /// A value of no use, and the error of a statement that uses it.
    Invalid(String),
}

/// A JSON value that is no list or object.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A string.
    String(String),
    /// A number with a point or exponent.
    Number(f64),
    /// A number without.
    Integer(i64),
    /// `true` or `false`
    Boolean(bool),
    /// Anything else; `null`, for one.
    Other,
}

impl From<Scalar> for Parameter {
    fn from(value: Scalar) -> Self {
        match value {
            Scalar::String(text) => Self::String(text),
            Scalar::Number(number) => Self::Number(number),
            Scalar::Integer(integer) => Self::Integer(integer),
            Scalar::Boolean(boolean) => Self::Boolean(boolean),
            Scalar::Other => Self::Invalid("unable to bind parameter with type <nil>".to_owned()),
        }
    }
}

impl Parameter {
    /// What an object stands for: `{"regex": "^cpu"}`, `{"identifier": "host"}`, `{"duration": "10m"}` and the like.
    /// The caller has the entries; more or fewer than one are an error.
    pub fn from_object(entries: Vec<(String, Scalar)>) -> Self {
        let Ok([(kind, value)]) = <[_; 1]>::try_from(entries) else {
            return Self::Invalid("bound object parameter value must have exactly one entry".to_owned());
        };
        let message = match (kind.as_str(), value) {
            ("ident" | "identifier", Scalar::String(name)) => return Self::Identifier(name),
            ("ident" | "identifier", _) => "identifier must be a string value",
            ("regex", Scalar::String(text)) => return Self::Regex(text),
            ("regex", _) => "regex literal must be a string value",
            ("string", Scalar::String(text)) => return Self::String(text),
            ("string", _) => "string literal must be a string value",
            ("float" | "number", Scalar::Number(number)) => return Self::Number(number),
            ("float" | "number", Scalar::Integer(integer)) => return Self::Number(integer as f64),
            ("float" | "number", _) => "number literal must be a float value",
            ("int" | "integer", Scalar::Integer(integer)) => return Self::Integer(integer),
            ("int" | "integer", _) => "integer literal must be an integer value",
            ("duration", Scalar::String(text)) => return Self::Duration(text),
            ("duration", Scalar::Integer(nanoseconds)) => return Self::Duration(Duration(nanoseconds).to_string()),
            ("duration", _) => "duration literal must be a string or integer value",
            _ => return Self::Invalid(format!("unknown bind object type: {kind}")),
        };
        Self::Invalid(message.to_owned())
    }

    /// The token that it stands for, if it is of any use.
    pub(crate) fn token(&self) -> Option<(Kind, Cow<'_, str>)> {
        Some(match self {
            Self::String(text) => (Kind::String, Cow::Borrowed(text)),
            Self::Number(number) => (Kind::Number, Cow::Owned(number.to_string())),
            Self::Integer(integer) => (Kind::Integer, Cow::Owned(integer.to_string())),
            Self::Boolean(boolean) => (Kind::Boolean(*boolean), Cow::Borrowed("")),
            Self::Regex(text) => (Kind::Regex, Cow::Borrowed(text)),
            Self::Identifier(name) => (Kind::Identifier, Cow::Borrowed(name)),
            Self::Duration(text) => (Kind::Duration, Cow::Borrowed(text)),
            Self::Invalid(_) => return None,
        })
    }
}

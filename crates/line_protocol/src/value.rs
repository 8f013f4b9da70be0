//! One field value of any type, read from text. This is the complete reader; the parser has shorter ways for the type
//! that a column had in the line before and comes here when they do not apply.

use memchr::memchr2;

use crate::batch::FieldKind;
use crate::error::Cause;
use crate::key::Fault;
use crate::number;

/// A field value as it stands in the body.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    /// A finite float.
    Float(f64),
    /// An integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A boolean.
    Boolean(bool),
    /// What stands between the quotes, still escaped.
    String(&'a str),
}

impl Value<'_> {
    /// Its type.
    pub(crate) fn kind(&self) -> FieldKind {
        match self {
            Self::Float(_) => FieldKind::Float,
            Self::Integer(_) => FieldKind::Integer,
            Self::Unsigned(_) => FieldKind::Unsigned,
            Self::Boolean(_) => FieldKind::Boolean,
            Self::String(_) => FieldKind::String,
        }
    }
}

/// If a line ends at this position: where the next one starts. A line ends with the body, with `\n` or with `\r\n`
/// (a `\r` at the end of the body counts as such).
#[inline(always)]
pub(crate) fn end_of_line(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at) {
        None => Some(at),
        Some(b'\n') => Some(at + 1),
        Some(b'\r') => match bytes.get(at + 1) {
            None => Some(at + 1),
            Some(b'\n') => Some(at + 2),
            Some(_) => None,
        },
        Some(_) => None,
    }
}

/// Whether a value may end here: before a comma, a space or the end of the line.
#[inline(always)]
pub(crate) fn ends_value(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), None | Some(b',' | b' ' | b'\n')) || end_of_line(bytes, at).is_some()
}

/// Reads the value that starts at `at`, and returns where it ends.
pub(crate) fn read(text: &str, at: usize) -> Result<(Value<'_>, usize), Fault> {
    let bytes = text.as_bytes();
    let rest = bytes.get(at..).unwrap_or_default();
    if ends_value(bytes, at) {
        return Err(Fault::new(at, Cause::MissingFieldValue));
    }
    if rest.first() == Some(&b'"') {
        return read_string(text, at);
    }
    let value = number::integer(rest)
        .map(|(value, used)| (Value::Integer(value), used))
        .or_else(|| number::unsigned(rest).map(|(value, used)| (Value::Unsigned(value), used)))
        .or_else(|| number::boolean(rest).map(|(value, used)| (Value::Boolean(value), used)));
    let value = match value {
        Some(value) => Some(value),
        None => number::float(rest).map(|(value, used)| (Value::Float(value), used)),
    };
    match value {
        Some((value, used)) if ends_value(bytes, at + used) => Ok((value, at + used)),
        _ => Err(scalar_fault(text, at)),
    }
}

/// Reads a string from its opening quote on.
fn read_string(text: &str, at: usize) -> Result<(Value<'_>, usize), Fault> {
    let bytes = text.as_bytes();
    let Some(quote) = closing_quote(bytes, at) else {
        return Err(Fault::new(at, Cause::UnbalancedQuotes));
    };
    if !ends_value(bytes, quote + 1) {
        return Err(Fault::new(quote + 1, Cause::TextAfterQuote));
    }
    Ok((Value::String(text.get(at + 1..quote).unwrap_or_default()), quote + 1))
}

/// The quote that closes the string whose opening quote is at `at`.
#[inline(always)]
pub(crate) fn closing_quote(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let found = at + memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(found) == Some(&b'"') {
            return Some(found);
        }
        // The byte after a backslash cannot close the string, whether or not the pair is an escape.
        at = found + 2;
    }
}

/// What is wrong with a value that is neither string nor well-formed.
#[cold]
fn scalar_fault(text: &str, at: usize) -> Fault {
    let bytes = text.as_bytes();
    let mut end = at;
    while !ends_value(bytes, end) {
        end += 1;
    }
    let token = text.get(at..end).unwrap_or_default();
    let cause = if token.bytes().next().is_some_and(number::begins_number) {
        number::number_cause(token)
    } else {
        Cause::InvalidBoolean
    };
    Fault::new(at, cause)
}

/// Unescapes what stands between quotes: `\"` and `\\`, nothing else.
pub(crate) fn unescape_string(raw: &str) -> String {
    let mut string = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('\\') {
        string.push_str(before);
        let mut characters = after.chars();
        match characters.next() {
            Some(escaped @ ('"' | '\\')) => string.push(escaped),
            Some(other) => {
                string.push('\\');
                string.push(other);
            }
            None => string.push('\\'),
        }
        rest = characters.as_str();
    }
    string.push_str(rest);
    string
}

//! The errors of a tree: those that the parser left in its nodes, and the rules that need a whole node. It knows
//! nothing about names and types.

use std::fmt;

use crate::ast::{Expression, File, ObjectExpression, Operator, PropertyKey, Statement};
use crate::location::Location;
use crate::walk::{Node, walk};

/// One thing that is wrong with the text of a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error {file}@{location}: {message}")]
pub struct SyntaxError {
    /// The file's name; empty for a query.
    pub file: String,
    /// The node it is about.
    pub location: Location,
    /// What is wrong, in InfluxDB's words.
    pub message: String,
}

/// What stops a script from being run: all that is wrong with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxErrors(
    /// In the order of the text, outer nodes first.
    pub Vec<SyntaxError>,
);

impl fmt::Display for SyntaxErrors {
    /// The message that InfluxDB answers.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("compilation failed: ")?;
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n\n")?;
            }
            error.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for SyntaxErrors {}

/// What is wrong with a file, at most this many errors.
pub fn check(file: &File, errors_max: usize) -> Vec<SyntaxError> {
    let mut errors = Vec::new();
    for node in walk(Node::File(file)) {
        let location = node.meta().location;
        let mut report = |message: String| errors.push(SyntaxError { file: file.name.clone(), location, message });
        for message in node.meta().errors() {
            report(message.clone());
        }
        match node {
            Node::Statement(Statement::Bad(bad)) => report(format!("invalid statement: {}", bad.text)),
            Node::Expression(Expression::Bad(bad)) if !bad.text.is_empty() => {
                report(format!("invalid expression: {}", bad.text));
            }
            Node::Expression(Expression::Object(record)) => check_record(record, report),
            _ => {}
        }
        if errors.len() >= errors_max {
            errors.truncate(errors_max);
            break;
        }
    }
    if errors.is_empty() { missing_operators(file, errors_max) } else { errors }
}

/// Expressions without an operator between them. Mostly they follow from another error, so they are reported only
/// where there is none.
fn missing_operators(file: &File, errors_max: usize) -> Vec<SyntaxError> {
    let missing = walk(Node::File(file)).filter_map(|node| match node {
        Node::Expression(Expression::Binary(binary)) if binary.operator == Operator::Invalid => {
            let message = "expected an operator between two expressions".to_owned();
            Some(SyntaxError { file: file.name.clone(), location: binary.meta.location, message })
        }
        _ => None,
    });
    missing.take(errors_max).collect()
}

/// Either all properties of a record have values, or none has.
fn check_record(record: &ObjectExpression, mut report: impl FnMut(String)) {
    let (mut with_value, mut without_value) = (false, false);
    for property in record.properties.iter().filter(|property| property.meta.errors().is_empty()) {
        match (&property.key, &property.value) {
            (_, Some(_)) => with_value = true,
            (key, None) => {
                without_value = true;
                if let PropertyKey::String(key) = key {
                    report(format!("string literal key {} must have a value", key.value));
                }
            }
        }
    }
    if with_value && without_value {
        report("cannot mix implicit and explicit properties".to_owned());
    }
}

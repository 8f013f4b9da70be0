//! Flux: text to syntax tree and back. Pure: it knows no tables, no types, no functions and no engine.
//!
//! ```text
//!  text ──parse──▶ File ──format──▶ text
//!                   │ ▲
//!              json::write, json::read: the form of InfluxDB's `/api/v2/query/ast` and of `extern`
//! ```
//!
//! [`parse()`] never fails. What is wrong with a text becomes [`SyntaxError`]s in InfluxDB's words, and the tree holds
//! bad nodes in its place. Trees are never higher than [`Limits::tree_height`], so that recursion over one is safe.
//!
//! The grammar is that of InfluxDB 2.9, with these differences. A regular expression is not compiled here: it needs
//! an engine. `\\` in one is always an escaped backslash, so that the slash behind it ends the expression. Two
//! expressions without an operator between them are an error of the text, and so is `{a b}`, for which InfluxDB has
//! a message without words. Nesting ends earlier, see [`Limits::nesting`].
//!
//! ```
//! use flux::{Limits, ast::Statement, format, parse};
//!
//! let parsed = parse("from(bucket:\"a\")|>range(start:-1h)", &Limits::default());
//! assert!(parsed.errors.is_empty());
//! assert!(matches!(parsed.file.body[0], Statement::Expression(_)));
//! assert_eq!(format(&parsed.file).unwrap(), "from(bucket: \"a\") |> range(start: -1h)");
//!
//! let parsed = parse("from(bucket: \"a\"", &Limits::default());
//! assert_eq!(parsed.errors[0].to_string(), "error @1:1-1:17: expected RPAREN, got EOF");
//! ```

pub mod ast;
mod check;
mod format;
pub mod json;
mod lexer;
pub mod limits;
mod literal;
mod location;
pub mod monitoring;
mod parser;
pub mod task;
mod token;
pub mod walk;

pub use check::{SyntaxError, SyntaxErrors, check};
pub use format::{FormatError, format};
pub use limits::Limits;
pub use location::{Location, Position};

/// What a text holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The tree; with bad nodes where there are errors.
    pub file: ast::File,
    /// What is wrong, in the order of the text; empty for a good script.
    pub errors: Vec<SyntaxError>,
}

impl Parsed {
    /// The file, if nothing is wrong.
    pub fn into_result(self) -> Result<ast::File, SyntaxErrors> {
        if self.errors.is_empty() { Ok(self.file) } else { Err(SyntaxErrors(self.errors)) }
    }
}

/// Reads a script.
pub fn parse(source: &str, limits: &Limits) -> Parsed {
    let bytes_max = limits.source_bytes.min(limits::SOURCE_BYTES_MAX);
    if source.len() > bytes_max {
        let message = format!("the script has {} bytes, at most {bytes_max} are read", source.len());
        let error = SyntaxError { file: String::new(), location: Location::default(), message };
        return Parsed { file: ast::File::default(), errors: vec![error] };
    }
    let file = parser::parse_file(source, limits);
    let errors = check(&file, limits.reported_errors);
    Parsed { file, errors }
}

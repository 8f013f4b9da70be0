//! InfluxQL: text to a syntax tree, and back. Pure: no I/O, and it knows neither data nor how a query runs.
//!
//! ```text
//!  SELECT mean("value") FROM cpu WHERE host =~ /^a/ AND time > now() - 1h GROUP BY time(10m)
//!  └── lexer: one token at a time, because `/` divides or begins a regular expression ─────┘
//!          │ parser: one function a rule, one token ahead; `$name` becomes the token of its value
//!          ▼
//!  Query { statements: [Select { fields, sources, condition, dimensions, fill, … }] }
//!          │ Display
//!          ▼
//!  SELECT mean(value) FROM cpu WHERE host =~ /^a/ AND time > now() - 1h GROUP BY time(10m)
//! ```
//!
//! The grammar, the order in which errors are found, and their words and places are those of InfluxDB 1.x as
//! implemented. What InfluxDB finds out only when it compiles a query (unknown functions, `mean(value), value`) is not
//! found here. The differences:
//!
//! - From later versions than 1.6, whose errors are in `tests/refused.txt`: `SHOW MEASUREMENTS ON db.rp` and `ON *.*`,
//!   `SHOW TAG KEYS … WITH KEY`, `DELETE FROM rp.m`. Options and words of 1.12 (`FUTURE LIMIT`, `PAST LIMIT`,
//!   `VERBOSE`) are not there.
//! - Lenient: a comment may stand wherever a blank may; a quoted name may follow a word without a blank; a regular
//!   expression may follow a comma without one.
//! - Strict: a NUL is an illegal character, not the end of the text; a point of a field's name needs a name behind it;
//!   `SHOW SERIES EXACT` needs its `CARDINALITY`; a duration whose parts overflow twice is an error as well; what is
//!   wrong with a parameter's value is told as it is.
//! - Printed text always parses to the same tree: numbers keep all digits and a point, names are quoted wherever they
//!   must be, `a / -b` is `a / (-1 * b)`, and `SHOW TAG KEYS` keeps its `WITH KEY`.
//! - Regular expressions stay text, and time zones stay names, unless [`ParseOptions`] has checks for them.
//!
//! ```
//! use influxql::{ParseOptions, Statement, parse_query};
//!
//! let query = parse_query("select MEAN(\"value\") from cpu; SHOW DATABASES", &ParseOptions::default())?;
//! assert_eq!(query.to_string(), "SELECT mean(value) FROM cpu;\nSHOW DATABASES");
//! assert_eq!(query.statements[1], Statement::ShowDatabases);
//!
//! let error = parse_query("SELECT mean(value FROM cpu", &ParseOptions::default()).unwrap_err();
//! assert_eq!(error.to_string(), "found FROM, expected ) at line 1, char 19");
//! # Ok::<(), influxql::ParseError>(())
//! ```

pub mod ast;
mod duration;
mod error;
mod lexer;
pub mod limits;
mod parameters;
mod parser;
mod time_literal;
mod token;

pub use ast::{Expression, Operator, Query, Select, Statement};
pub use duration::{Duration, DurationError};
pub use error::{PARSE_ERROR_PREFIX, ParseError, Position};
pub use limits::Limits;
pub use parameters::{Parameter, Parameters, Scalar};
pub use parser::{ParseOptions, parse_expression, parse_query, parse_statement};
pub use time_literal::{TimeLiteral, TimeLiteralError, parse_time_literal};

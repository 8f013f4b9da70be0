//! PromQL: from text to an answer, over samples that somebody else reads; and the messages of Prometheus's remote
//! protocols.
//!
//! ```text
//! text ── lexer ── parser (types checked) ── Query ── selections: which series, from when to when
//!                                              │                      │ the caller reads them
//!                                              └── evaluate ◀─────────┘ ── Answer
//! ```
//!
//! The rules are those of Prometheus 3: ranges and the lookback leave out their start, a dot of a regular expression
//! is also a line break, a duration is a number of seconds. Native histograms are not known. Nothing here reads or
//! writes, waits or knows a clock; a query is canceled by a function that it asks now and then.

pub mod ast;
mod calendar;
mod eval;
pub mod functions;
mod labels;
mod lexer;
mod limits;
mod parser;
mod print;
mod query;
pub mod remote;
mod value;

pub use eval::EvalError;
pub use labels::{Labels, METRIC_NAME, MatchKind, Matcher, RegexError, is_label_name};
pub use lexer::parse_duration_ms;
pub use limits::{LOOKBACK_MS, Limits};
pub use parser::{ParseError, parse, parse_selector};
pub use print::{number_text, print};
pub use query::{Query, QueryError, Selection, TimeRange};
pub use value::{Answer, STALE_NAN, SampleSeries, is_stale};

//! The limits of one parse, each with its reason. How long a query may run and how much it may read is for the engine
//! to bound; this module only bounds what a text may cost before anything runs.

/// Bounds on what the parser accepts. `Limits::default()` is what the server uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest text in bytes. A syntax tree takes up to fifty times the memory of its text, so one query is bounded
    /// to some tens of megabytes. Dashboards send a few hundred bytes a query.
    pub text_bytes: usize,
    /// Most statements in a text. Each one is planned and answered even if it does nothing, and a dashboard that
    /// sends all its panels at once has some dozens.
    pub statements: usize,
    /// Deepest nesting of parentheses, calls and subqueries. The parser calls itself for each, and so does whoever
    /// walks the tree; a level costs some kilobytes of stack, up to fifteen without optimisation. Queries that people
    /// write have less than ten.
    pub nesting: usize,
    /// Largest height of the tree of one expression. A chain of operators (`host = 'a' OR host = 'b' OR …`) leans to
    /// the left and is as high as it is long. Printing, cloning and dropping a tree go down to its end, at up to 250
    /// bytes of stack a level, 750 without optimisation; threads have two megabytes.
    pub height: usize,
}

/// How much of a name, string or number is quoted in an error, in bytes; an ellipsis marks the cut. An answer must not
/// be as large as the longest text.
pub const QUOTED_BYTES_MAX: usize = 1_024;

impl Default for Limits {
    fn default() -> Self {
        Self { text_bytes: 1024 * 1024, statements: 1_000, nesting: 50, height: 1_000 }
    }
}

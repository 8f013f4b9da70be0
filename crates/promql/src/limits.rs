//! The limits of one query, each with its reason. What memory all queries may take together is for the caller to bound.

/// Bounds on what a query may cost. `Limits::default()` is what the server uses, with `values` by its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest text in bytes. Dashboards send a few hundred bytes a query; generated rules reach some kilobytes.
    pub text_bytes: usize,
    /// Largest height of the syntax tree, which parser and evaluator go down. A chain of operators is as high as it is
    /// long. A level costs up to two kilobytes of stack without optimisation; threads have two megabytes.
    pub height: usize,
    /// Deepest nesting of parentheses, calls and subqueries. The parser calls itself several times for each. Queries
    /// that people write have less than ten.
    pub nesting: usize,
    /// Most steps of a range query: Prometheus's, enough for 60 s over a week or an hour over a year.
    pub steps: usize,
    /// Most steps of a subquery: a month of seconds, or two years of minutes. Each is a value of each series.
    pub subquery_steps: usize,
    /// Most samples and intermediate values that are held at the same time: Prometheus's `--query.max-samples`.
    pub values: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 128 * 1024,
            nesting: 100,
            height: 400,
            steps: 11_000,
            subquery_steps: 3_000_000,
            values: 50_000_000,
        }
    }
}

/// How far back an instant selector looks for the last sample, in milliseconds: Prometheus's default.
pub const LOOKBACK_MS: i64 = 5 * 60 * 1000;

/// The resolution of a subquery that names none, in milliseconds: Prometheus's default evaluation interval.
pub(crate) const SUBQUERY_STEP_MS: i64 = 60 * 1000;

/// Bytes of a compiled regular expression. The default of the crate is 10 MiB, and a query may have many.
pub(crate) const REGEX_BYTES: usize = 1 << 20;

/// Values between two looks at whether the query has been canceled: some tens of microseconds of work.
pub(crate) const CHECK_VALUES: usize = 16_384;

//! Why a query failed, and whose fault it is.

use std::time::Duration;

use datafusion::error::DataFusionError;

/// Why a query gave no result, or broke off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The text cannot be parsed, names what does not exist, or asks for what is not there.
    #[error("{0}")]
    Plan(String),
    /// The statement would change something.
    #[error("only statements that read are allowed: {0}")]
    ReadOnly(String),
    /// A parameter cannot be used.
    #[error("parameter ${name}: {cause}")]
    Parameter {
        /// Its name without the `$`.
        name: String,
        /// What is wrong.
        cause: &'static str,
    },
    /// The text is too long.
    #[error("the query has {bytes} bytes, more than {limit}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The data does not allow it: a cast that fails, a division by zero.
    #[error("{0}")]
    Execution(String),
    /// The memory for queries is used up.
    #[error("the query needs more memory than the limit of {limit_bytes} bytes for all queries allows: {cause}")]
    Memory {
        /// The limit.
        limit_bytes: usize,
        /// What asked for more.
        cause: String,
    },
    /// The time for one query is used up.
    #[error("the query took longer than {} s", .0.as_secs())]
    Timeout(Duration),
    /// As many queries as may are running and waiting.
    #[error("{running} queries are running and {waiting} are waiting, which are as many as may")]
    Busy {
        /// Queries that may run.
        running: usize,
        /// Queries that may wait.
        waiting: usize,
    },
    /// A Flux script failed, in InfluxDB's words.
    #[error(transparent)]
    Flux(#[from] crate::flux::FluxError),
    /// A fault of the server.
    #[error("internal error: {0}")]
    Internal(String),
}

impl QueryError {
    /// Sorts an error of DataFusion by its root cause; the text keeps its context.
    pub(crate) fn from_datafusion(error: &DataFusionError, memory_limit_bytes: usize) -> Self {
        let text = error.strip_backtrace();
        match error.find_root() {
            DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::Diagnostic(..) => Self::Plan(text),
            DataFusionError::Execution(_) | DataFusionError::ArrowError(..) => Self::Execution(text),
            DataFusionError::ResourcesExhausted(cause) => {
                Self::Memory { limit_bytes: memory_limit_bytes, cause: cause.clone() }
            }
            _ => Self::Internal(text),
        }
    }
}

/// Why the query engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The folder for spilled data or the memory pool.
    #[error("the query runtime cannot be set up: {0}")]
    Runtime(#[from] DataFusionError),
    /// The query threads.
    #[error("the query threads cannot be started: {0}")]
    Threads(#[from] std::io::Error),
}

//! The log: lines on standard error, as text or JSON. What is logged is decided where it happens.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::options::LogFormat;

/// The filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("invalid value {filter:?} of --log-level: {source}")]
pub(crate) struct LogFilterError {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Begins to log. Only the first call of a process counts.
pub(crate) fn start(filter: &str, format: LogFormat) -> Result<(), LogFilterError> {
    let invalid = |source| LogFilterError { filter: filter.to_owned(), source };
    let parsed = EnvFilter::builder().parse(filter).map_err(invalid)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log was started before");
    }
    Ok(())
}

//! `freshet flush`, `compact`, `health` and `ping`: one request each, its answer on standard output.

use std::io::Write as _;

use freshet_client::{HealthStatus, RequestError};

use crate::connection::{self, ConnectionError};
use crate::options::{CompactOptions, ConnectionOptions};

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdministrationError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the server is not well: {0}")]
    Unwell(String),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Has the server put everything into files; prints its report.
pub(crate) async fn flush(options: ConnectionOptions) -> Result<(), AdministrationError> {
    let report = connection::client(&options, |builder| builder)?.flush().await?;
    print(&report.to_string())
}

/// Has the server merge its files; prints its report, or that it has begun.
pub(crate) async fn compact(options: CompactOptions) -> Result<(), AdministrationError> {
    let report = connection::client(&options.connection, |builder| builder)?.compact(options.wait).await?;
    print(&report.to_string())
}

/// Asks how the server is.
pub(crate) async fn health(options: ConnectionOptions) -> Result<(), AdministrationError> {
    let health = connection::client(&options, |builder| builder)?.health().await?;
    let message = health.message.unwrap_or_default();
    match health.status {
        HealthStatus::Pass => print(if message.is_empty() { "pass" } else { &message }),
        HealthStatus::Fail => Err(AdministrationError::Unwell(message)),
    }
}

/// Asks for a sign of life; prints the server's version.
pub(crate) async fn ping(options: ConnectionOptions) -> Result<(), AdministrationError> {
    let ping = connection::client(&options, |builder| builder)?.ping().await?;
    print(ping.version.as_deref().unwrap_or("the server answers"))
}

fn print(text: &str) -> Result<(), AdministrationError> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

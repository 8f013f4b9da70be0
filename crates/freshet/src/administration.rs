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
    let message = message_of_health(&options).await?;
    print(if message.is_empty() { "pass" } else { &message })
}

/// What a server says that is well.
async fn message_of_health(options: &ConnectionOptions) -> Result<String, AdministrationError> {
    let health = connection::client(options, |builder| builder)?.health().await?;
    let message = health.message.unwrap_or_default();
    match health.status {
        HealthStatus::Pass => Ok(message),
        HealthStatus::Fail => Err(AdministrationError::Unwell(message)),
    }
}

/// Asks how the server is, as InfluxDB's command line does; prints `OK` and nothing else.
pub(crate) async fn ping(options: ConnectionOptions) -> Result<(), AdministrationError> {
    message_of_health(&options).await?;
    print("OK")
}

fn print(text: &str) -> Result<(), AdministrationError> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

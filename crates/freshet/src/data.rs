//! `freshet data`: points of a bucket out of a server, and into one.
//!
//! ```text
//! export   GET /api/freshet/v1/export ── file (part, then its name) │ directory │ standard output
//! import   line protocol ─┐
//!          annotated CSV ─┼─ lines with their numbers ── crate::write (delivery, report) ── state file
//!          Parquet ───────┤
//!          TSM shards ────┤ (buckets and mappings made first)
//!          a server ──────┘ (the same, by slices of time that are read back)
//! ```

pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod influxdb;
pub(crate) mod parquet;
pub(crate) mod state;
pub(crate) mod target;
pub(crate) mod tsm;

use crate::options::DataCommand;

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataCommandError {
    #[error(transparent)]
    Export(#[from] export::ExportError),
    #[error(transparent)]
    Import(#[from] import::ImportError),
}

/// Runs it.
pub(crate) async fn run(command: DataCommand) -> Result<(), DataCommandError> {
    match command {
        DataCommand::Export(options) => Ok(export::run(options).await?),
        DataCommand::Import(options) => Ok(import::run(options).await?),
    }
}

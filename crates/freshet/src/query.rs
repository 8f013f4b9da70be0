//! `freshet query`: sends a query and copies the answer to standard output as it comes.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use freshet_client::{FluxQuery, QueryError, SqlFormat, SqlQuery};
use futures::{Stream, StreamExt as _};

use crate::connection::{self, ConnectionError};
use crate::options::{Language, QueryOptions, RowFormat};

/// Why the rows are not all there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryCommandError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("give --bucket (or --database): which data is meant?")]
    NoBucket,
    #[error("give --org: a script belongs to an organisation")]
    NoOrganisation,
    #[error("the answer to Flux is CSV: --format must be table or csv")]
    FluxFormat,
    #[error("cannot read the query from standard input: {0}")]
    Input(#[source] std::io::Error),
    #[error("cannot read the query from {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[source] std::io::Error),
}

/// Runs the query.
pub(crate) async fn run(options: QueryOptions) -> Result<(), QueryCommandError> {
    let client = connection::client(&options.connection, |builder| builder)?;
    let text = query_text(&options)?;
    let org = options.target.org.filter(|org| !org.is_empty());
    let bucket = options.target.bucket.filter(|bucket| !bucket.is_empty());
    let format = if options.raw { RowFormat::Csv } else { options.format };
    let mut query = match options.language {
        Language::Flux => {
            let annotations = match format {
                RowFormat::Table => false,
                RowFormat::Csv => true,
                RowFormat::Json | RowFormat::Jsonl => return Err(QueryCommandError::FluxFormat),
            };
            let org = org.ok_or(QueryCommandError::NoOrganisation)?;
            let query = FluxQuery { annotations, ..FluxQuery::new(org, text) };
            return print(client.query_flux_stream(&query).await?).await;
        }
        Language::Sql => SqlQuery::new(bucket.ok_or(QueryCommandError::NoBucket)?, text),
        Language::Influxql => SqlQuery::influxql(bucket.ok_or(QueryCommandError::NoBucket)?, text),
    };
    let format = match format {
        RowFormat::Table => SqlFormat::Pretty,
        RowFormat::Csv => SqlFormat::Csv,
        RowFormat::Json => SqlFormat::Json,
        RowFormat::Jsonl => SqlFormat::JsonLines,
    };
    query.snapshot = options.snapshot.filter(|snapshot| !snapshot.is_empty());
    query.org = org;
    print(client.query_sql_stream(&query, format).await?).await
}

/// Copies an answer to standard output as it comes.
async fn print<B: AsRef<[u8]>>(
    mut pieces: impl Stream<Item = Result<B, QueryError>> + Unpin,
) -> Result<(), QueryCommandError> {
    let mut output = std::io::stdout().lock();
    let mut last = b'\n';
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let piece = piece.as_ref();
        last = piece.last().copied().unwrap_or(last);
        output.write_all(piece).map_err(QueryCommandError::Output)?;
    }
    // A shell's prompt belongs on a line of its own.
    if last != b'\n' {
        output.write_all(b"\n").map_err(QueryCommandError::Output)?;
    }
    output.flush().map_err(QueryCommandError::Output)
}

/// The query, from wherever the options say it is.
fn query_text(options: &QueryOptions) -> Result<String, QueryCommandError> {
    if let Some(path) = &options.file {
        return std::fs::read_to_string(path).map_err(|source| QueryCommandError::File { path: path.clone(), source });
    }
    match options.query.as_deref() {
        None | Some("-") => read_input().map_err(QueryCommandError::Input),
        Some(text) => Ok(text.to_owned()),
    }
}

fn read_input() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

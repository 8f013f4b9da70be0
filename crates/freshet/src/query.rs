//! `freshet query`: sends a query and copies the answer to standard output as it comes.

use std::io::{Read as _, Write as _};

use freshet_client::{QueryError, SqlFormat, SqlQuery};
use futures::StreamExt as _;

use crate::connection::{self, ConnectionError};
use crate::options::{Language, QueryOptions, RowFormat};

/// Why the rows are not all there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryCommandError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("give --bucket (or --database): which data is meant?")]
    NoBucket,
    #[error("cannot read the query from standard input: {0}")]
    Input(#[source] std::io::Error),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[source] std::io::Error),
}

/// Runs the query.
pub(crate) async fn run(options: QueryOptions) -> Result<(), QueryCommandError> {
    let client = connection::client(&options.connection, |builder| builder)?;
    let bucket = options.target.bucket.filter(|bucket| !bucket.is_empty()).ok_or(QueryCommandError::NoBucket)?;
    let text = match options.query.as_str() {
        "-" => read_input().map_err(QueryCommandError::Input)?,
        text => text.to_owned(),
    };
    let format = match options.format {
        RowFormat::Table => SqlFormat::Pretty,
        RowFormat::Csv => SqlFormat::Csv,
        RowFormat::Json => SqlFormat::Json,
        RowFormat::Jsonl => SqlFormat::JsonLines,
    };
    let mut query = match options.language {
        Language::Sql => SqlQuery::new(bucket, text),
        Language::Influxql => SqlQuery::influxql(bucket, text),
    };
    query.org = options.target.org.filter(|org| !org.is_empty());
    let mut pieces = client.query_sql_stream(&query, format).await?;
    let mut output = std::io::stdout().lock();
    let mut last = b'\n';
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        last = piece.last().copied().unwrap_or(last);
        output.write_all(&piece).map_err(QueryCommandError::Output)?;
    }
    // A shell's prompt belongs on a line of its own.
    if last != b'\n' {
        output.write_all(b"\n").map_err(QueryCommandError::Output)?;
    }
    output.flush().map_err(QueryCommandError::Output)
}

fn read_input() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text)?;
    Ok(text)
}

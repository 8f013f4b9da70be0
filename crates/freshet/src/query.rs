//! `freshet query`: sends a query and copies the answer to standard output as it comes.

use std::io::Write as _;

use freshet_client::{FluxQuery, QueryError, SqlFormat, SqlQuery};
use futures::{Stream, StreamExt as _};

use crate::connection::{self, ConnectionError};
use crate::options::{Language, QueryOptions, RowFormat};
use crate::script::{self, ScriptError};

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
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error("cannot write to standard output: {0}")]
    Output(#[source] std::io::Error),
}

/// Runs the query.
pub(crate) async fn run(options: QueryOptions) -> Result<(), QueryCommandError> {
    let client = connection::client(&options.connection, |builder| builder)?;
    let mut text = script::read("query", options.query.as_deref(), options.file.as_deref())?;
    if options.explain && options.language != Language::Flux {
        text.insert_str(0, "EXPLAIN ");
    }
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
            if options.explain {
                let plan = client.explain_flux(&query).await?;
                return print(futures::stream::iter([Ok(plan)])).await;
            }
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

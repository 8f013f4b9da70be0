//! `GET /api/freshet/v1/export`: all points of a bucket, or those of a measurement or a range of times, as they were
//! stored. The answer is made while it is sent; an export that breaks off cuts the connection.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use catalog::{Action, Permission};
use chrono::DateTime;
use futures::StreamExt as _;
use http::{HeaderValue, header};
use query::ExportedRows;
use storage::TableSnapshot;

use super::v3::query::selector;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::Authenticated;
use crate::budget::CpuPool;
use crate::format::export::{ExportFormat, Exporter};
use crate::request::Parameters;
use crate::request::RequestError;
use crate::scope;
use crate::state::AppState;

/// Streams the points; needs the right to read the bucket.
pub(super) async fn export(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Response> {
    let format = parameters.get("format").unwrap_or("lp");
    let unknown = || ApiError::invalid(format!("unknown format {format:?}, expected one of lp, csv, parquet"));
    let format = ExportFormat::from_name(format).ok_or_else(unknown)?;
    let start = time(&parameters, "start")?.unwrap_or(i64::MIN);
    // Without the stop itself, as everywhere in these languages but in a delete.
    let stop = time(&parameters, "stop")?.map_or(i64::MAX, |stop| stop.saturating_sub(1));
    let at = selector(parameters.get("snapshot"), None)?;
    let bucket = parameters.get("bucket").ok_or(RequestError::MissingBucket)?.to_owned();
    let organisation = match scope::named_organisation(&state, &parameters)? {
        Some(named) => named,
        None => scope::own_organisation(&state, &principal)?.ok_or(RequestError::MissingOrganisation)?,
    };
    let found = scope::bucket(&state, &organisation, &bucket)?;
    if !principal.allows(&Permission::on_bucket(Action::Read, found.id, organisation.id)) {
        return Err(ApiError::new(Code::Forbidden, "insufficient permissions for read"));
    }
    let retention = (!found.retention.is_zero()).then_some(found.retention);
    let snapshot = match at {
        Some(at) => state.engine().snapshot_at(found.id, retention, at).await?,
        None => state.engine().snapshot(found.id, retention).await?,
    };
    let tables: Vec<Arc<TableSnapshot>> = match parameters.get("measurement") {
        Some(measurement) => {
            let table = snapshot.table(measurement);
            let absent = || ApiError::not_found(format!("measurement {measurement:?} not found"));
            vec![Arc::clone(table.ok_or_else(absent)?)]
        }
        None => snapshot.tables().map(Arc::clone).collect(),
    };
    if format == ExportFormat::Parquet && tables.len() != 1 {
        return Err(ApiError::invalid("a Parquet file holds one measurement: name it"));
    }
    let rows = state.query().export(tables.clone(), (start, stop))?;
    let export =
        Export { exporter: Some(Exporter::new(format)), rows, tables, begun: 0, cpu: state.formatter().cpu.clone() };
    let pieces = futures::stream::unfold(export, |mut export| async move {
        let piece = export.next().await?;
        if let Err(error) = &piece {
            tracing::warn!(error, "an export was cut off in the middle");
        }
        Some((piece, export))
    });
    let content_type = HeaderValue::from_static(format.content_type());
    let body = Body::from_stream(pieces.map(|piece| piece.map_err(std::io::Error::other)));
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

fn time(parameters: &Parameters, name: &str) -> ApiResult<Option<i64>> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    let refuse = || ApiError::invalid(format!("{name} must be a time like 2026-01-01T00:00:00Z, and is {text:?}"));
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| refuse())?;
    time.timestamp_nanos_opt().map(Some).ok_or_else(refuse)
}

/// An answer on its way.
struct Export {
    /// `None` once everything is sent, or something failed.
    exporter: Option<Exporter>,
    rows: ExportedRows,
    tables: Vec<Arc<TableSnapshot>>,
    /// How many tables were begun.
    begun: usize,
    cpu: CpuPool,
}

impl Export {
    /// The next piece that is not empty; an error is the last one.
    async fn next(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            let mut exporter = self.exporter.take()?;
            let batch = match self.rows.next().await {
                Some(Ok(batch)) => Some(batch),
                Some(Err(error)) => return Some(Err(error.to_string())),
                None => None,
            };
            let is_last = batch.is_none();
            // A table without rows begins and ends all the same, so that its columns are not lost.
            let until = batch.as_ref().map_or(self.tables.len(), |(table, _)| table + 1);
            let begin: Vec<_> = self.tables.get(self.begun..until).unwrap_or_default().to_vec();
            self.begun = until;
            let work = move || {
                let mut bytes = Vec::new();
                for table in &begin {
                    bytes.extend_from_slice(&exporter.begin(table)?);
                }
                match batch {
                    Some((_, batch)) => bytes.extend_from_slice(&exporter.batch(&batch)?),
                    None => bytes.extend_from_slice(&exporter.finish()?),
                }
                Ok::<_, crate::format::EncodeError>((exporter, Bytes::from(bytes)))
            };
            let (exporter, bytes) = match self.cpu.run(work).await {
                Ok(Ok(done)) => done,
                Ok(Err(error)) => return Some(Err(error.to_string())),
                Err(error) => return Some(Err(error.to_string())),
            };
            self.exporter = (!is_last).then_some(exporter);
            if !bytes.is_empty() {
                return Some(Ok(bytes));
            }
        }
    }
}

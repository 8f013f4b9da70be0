//! Remote read: the samples of a bucket for a Prometheus that asks its own questions of them. The answer is of the kind
//! `SAMPLES`, which every reader knows.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use catalog::Action;
use http::{StatusCode, header};
use promql::Selection;
use promql::remote::{ReadQuery, ReadRequest, encode_read_response};
use query::promql::Wanted;

use super::{Target, answered, path_parameters};
use crate::api_error::{ApiError, ApiResult};
use crate::limits::{REMOTE_READ_QUERIES, REMOTE_READ_SAMPLES};
use crate::metrics::TransferKind;
use crate::request::Parameters;
use crate::state::AppState;

/// Answers with samples, compressed.
pub(super) async fn read(State(state): State<AppState>, request: Request) -> Response {
    answered(answer(&state, request).await)
}

async fn answer(state: &AppState, request: Request) -> ApiResult<Response> {
    let (mut parts, body) = request.into_parts();
    let parameters = Parameters::from_uri(&parts.uri)?;
    let path = path_parameters(state, &mut parts).await?;
    let target = Target::of(state, &parts, &parameters, &path, Action::Read).await?;
    let body = state.bodies().read_snappy_body(body).await?;
    let request = ReadRequest::decode(&body.bytes);
    let request = request.map_err(|error| ApiError::invalid(format!("cannot read the read request: {error}")))?;
    if request.queries.len() > REMOTE_READ_QUERIES {
        let message = format!("the request has {} queries, more than {REMOTE_READ_QUERIES}", request.queries.len());
        return Err(ApiError::invalid(message));
    }
    let selection =
        |query: ReadQuery| Selection { matchers: query.matchers, start_ms: query.start_ms, end_ms: query.end_ms };
    let selections = request.queries.into_iter().map(selection).collect();
    let snapshot = target.snapshot(state).await?;
    let found = state.query().promql_series(snapshot, selections, Wanted::Samples).await;
    let status = if found.is_ok() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    target.transferred(state, TransferKind::Query, status, body.wire_bytes);
    let (mut results, memory) = found.map_err(ApiError::promql)?;
    let samples: usize = results.iter().flatten().map(|series| series.times.len()).sum();
    if samples > REMOTE_READ_SAMPLES {
        let message = format!("the answer has {samples} samples, more than {REMOTE_READ_SAMPLES}: ask for less");
        return Err(ApiError::invalid(message));
    }
    // A row may have values of other metrics only.
    results.iter_mut().for_each(|series| series.retain(|series| !series.times.is_empty()));
    let encode = move || {
        let bytes = encode_read_response(&results);
        drop((results, memory));
        snap::raw::Encoder::new().compress_vec(&bytes)
    };
    let bytes = state.formatter().cpu.run(encode).await?.map_err(ApiError::internal)?;
    let headers = [(header::CONTENT_TYPE, "application/x-protobuf"), (header::CONTENT_ENCODING, "snappy")];
    Ok((headers, bytes).into_response())
}

//! `GET` and `POST /api/v3/query_influxql`: one InfluxQL statement as a table, in the formats of `query_sql`. The parts
//! that InfluxQL needs are those of `/query`, so it stands beside it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use catalog::Principal;
use http::{HeaderMap, StatusCode, header};
use query::influxql::{bind, parse, to_batch};

use super::statements::Runner;
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::format::Format;
use crate::metrics::TransferKind;
use crate::request::{Parameters, RequestError};
use crate::routes::query_sql::QueryRequest;
use crate::scope;
use crate::state::AppState;

/// `GET`: everything is in the query string.
pub(in crate::routes) async fn by_address(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let request = QueryRequest::from_parameters(&parameters)?;
    answer(&state, &principal, &parameters, &headers, request).await
}

/// `POST`: JSON or a form; `org` and `orgID` may stand in the query string.
pub(in crate::routes) async fn by_body(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> ApiResult<Response> {
    let (headers, request) = QueryRequest::from_body(&state, request).await?;
    answer(&state, &principal, &parameters, &headers, request).await
}

async fn answer(
    state: &AppState,
    principal: &Principal,
    parameters: &Parameters,
    headers: &HeaderMap,
    request: QueryRequest,
) -> ApiResult<Response> {
    if request.snapshot.is_some() || parameters.get("snapshot").is_some() {
        return Err(ApiError::invalid("earlier snapshots are read by SQL only: use /api/v3/query_sql"));
    }
    let missing = || ApiError::invalid("missing query parameter 'q'");
    let text = request.q.as_deref().map(str::trim).filter(|text| !text.is_empty()).ok_or_else(missing)?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::negotiate(request.format.as_deref(), accept)?;
    let organisation = match scope::named_organisation(state, parameters)? {
        Some(named) => named,
        None => scope::own_organisation(state, principal)?.ok_or(RequestError::MissingOrganisation)?,
    };
    let bound = request.params.as_ref().map(bind);
    let mut statements = parse(text, bound.as_ref()).map_err(|error| ApiError::influxql(&error.to_string()))?;
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
        return Err(ApiError::invalid("exactly one InfluxQL statement is needed"));
    };
    let runner = Runner {
        state: state.clone(),
        principal: principal.clone(),
        organisation: Arc::clone(&organisation),
        database: request.db.clone(),
        retention_policy: None,
    };
    let result = async {
        let result = runner.run(statement).await?;
        let batch = state.formatter().cpu.run(move || to_batch(&result.series)).await??;
        let schema = batch.schema();
        let batches = futures::stream::iter([Ok::<_, query::QueryError>(batch)]);
        state.formatter().respond(format, schema, batches).await
    };
    let result = result.await;
    let status = result.as_ref().map_or_else(|error| error.code().status(), |_| StatusCode::OK);
    let organisation = organisation.id.to_string();
    state.metrics().transferred(TransferKind::Query, organisation, status, text.len() as u64);
    result
}

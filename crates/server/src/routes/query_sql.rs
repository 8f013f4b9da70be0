//! `GET` and `POST /api/v3/query_sql`: one SQL query over a bucket, in the formats of InfluxDB 3 (wire-api section 4).

use axum::extract::{Request, State};
use axum::response::Response;
use catalog::{Action, Permission, Principal};
use http::{HeaderMap, StatusCode, header};
use query::SqlRequest;
use serde::Deserialize;
use serde_json::{Map, Value};
use storage::SnapshotSelector;

use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::Authenticated;
use crate::format::Format;
use crate::json;
use crate::metrics::TransferKind;
use crate::request::{Parameters, RequestError};
use crate::scope;
use crate::state::AppState;

/// A query, however it came.
#[derive(Debug, Default, Deserialize)]
pub(super) struct QueryRequest {
    pub(super) db: Option<String>,
    pub(super) q: Option<String>,
    pub(super) format: Option<String>,
    #[serde(default)]
    pub(super) params: Option<Map<String, Value>>,
    /// An earlier snapshot: its id (a number or a text) or a time.
    #[serde(default)]
    pub(super) snapshot: Option<Value>,
}

impl QueryRequest {
    /// From a query string or a form, where `params` is JSON in a string.
    pub(super) fn from_parameters(parameters: &Parameters) -> Result<Self, RequestError> {
        let text = |key: &str| parameters.get(key).map(str::to_owned);
        let params = parameters.get("params").map(serde_json::from_str).transpose().map_err(RequestError::Json)?;
        let snapshot = text("snapshot").map(Value::from);
        Ok(Self { db: text("db"), q: text("q"), format: text("format"), params, snapshot })
    }

    /// From a body, which is JSON or a form; with the headers beside it.
    pub(super) async fn from_body(state: &AppState, request: Request) -> ApiResult<(HeaderMap, Self)> {
        let (parts, body) = request.into_parts();
        let body = state.bodies().read_small_body(body, &parts.headers).await?;
        let request = if is_form(&parts.headers) {
            Self::from_parameters(&Parameters::from_form(&body.bytes)?)?
        } else {
            json::parse(&body.bytes)?
        };
        Ok((parts.headers, request))
    }
}

/// `GET`: everything is in the query string.
pub(super) async fn by_address(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let request = QueryRequest::from_parameters(&parameters)?;
    answer(&state, &principal, &parameters, &headers, request).await
}

/// `POST`: the query is JSON, or a form; `org` and `orgID` may stand in the query string.
pub(super) async fn by_body(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> ApiResult<Response> {
    let (headers, request) = QueryRequest::from_body(&state, request).await?;
    answer(&state, &principal, &parameters, &headers, request).await
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
}

/// The snapshot that a request names, in its address or in its body.
pub(super) fn selector(parameter: Option<&str>, field: Option<&Value>) -> ApiResult<Option<SnapshotSelector>> {
    let text = match (parameter, field) {
        (Some(text), _) => text.to_owned(),
        (None, None | Some(Value::Null)) => return Ok(None),
        (None, Some(Value::String(text))) => text.clone(),
        (None, Some(other)) => other.to_string(),
    };
    // The plus of an offset is a blank in an address that nobody escaped.
    let text = match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains('T') && offset.contains(':') => format!("{time}+{offset}"),
        _ => text,
    };
    Ok(Some(text.parse::<SnapshotSelector>()?))
}

async fn answer(
    state: &AppState,
    principal: &Principal,
    parameters: &Parameters,
    headers: &HeaderMap,
    request: QueryRequest,
) -> ApiResult<Response> {
    let missing = |name: &str| ApiError::invalid(format!("missing query parameter '{name}'"));
    let database = request.db.filter(|text| !text.is_empty()).ok_or_else(|| missing("db"))?;
    let text = request.q.filter(|text| !text.is_empty()).ok_or_else(|| missing("q"))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::negotiate(request.format.as_deref(), accept)?;
    let at = selector(parameters.get("snapshot"), request.snapshot.as_ref())?;
    let organisation = match scope::named_organisation(state, parameters)? {
        Some(named) => named,
        None => scope::own_organisation(state, principal)?.ok_or(RequestError::MissingOrganisation)?,
    };
    let bucket = scope::bucket(state, &organisation, &database)
        .map_err(|_| ApiError::not_found(format!("database not found: {database}")))?;
    if !principal.allows(&Permission::on_bucket(Action::Read, bucket.id, organisation.id)) {
        return Err(ApiError::new(Code::Forbidden, "insufficient permissions for read"));
    }
    let query_bytes = text.len() as u64;
    let retention = (!bucket.retention.is_zero()).then_some(bucket.retention);
    let result = async {
        let snapshot = match at {
            Some(at) => state.engine().snapshot_at(bucket.id, retention, at).await?,
            None => state.engine().snapshot(bucket.id, retention).await?,
        };
        let history = Some(state.engine().history());
        let request = SqlRequest { query: text, params: request.params.unwrap_or_default(), history };
        let result = state.query().sql(snapshot, request).await?;
        state.formatter().respond(format, result.schema(), result).await
    };
    let result = result.await;
    let status = result.as_ref().map_or_else(|error| error.code().status(), |_| StatusCode::OK);
    state.metrics().transferred(TransferKind::Query, organisation.id.to_string(), status, query_bytes);
    result
}

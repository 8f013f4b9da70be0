//! What clients ask about the server itself: kinds of resources, flags, settings, the one source that there is; and the
//! lists of what this server does not do, which are empty.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use catalog::{Action, Permission, ResourceType};
use http::StatusCode;
use serde_json::{Value, json};

use super::documents::organisation_of_body;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::Authenticated;
use crate::extract::JsonBody;
use crate::json::Json;
use crate::request::Parameters;
use crate::scope;
use crate::state::AppState;

/// `GET /api/v2/resources`: the kinds of resources that permissions speak of.
pub(super) async fn resources(Authenticated(_): Authenticated) -> Json<Vec<&'static str>> {
    Json(ResourceType::ALL.iter().map(|kind| kind.as_str()).collect())
}

/// `GET /api/v2/flags`: those of InfluxDB 2.9, which only its user interface looks at.
pub(super) async fn flags(Authenticated(_): Authenticated) -> Json<Value> {
    Json(json!({
        "appMetrics": false,
        "cursorAtEOF": false,
        "newAutoRefresh": true,
        "refreshSingleCell": true,
        "timeFilterFlags": false,
    }))
}

/// `GET /api/v2/config`: the settings of the server, for operators.
pub(super) async fn config(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
) -> ApiResult<Json<Value>> {
    principal.require(Permission::on_type(Action::Read, ResourceType::Users))?;
    let settings: serde_json::Map<String, Value> =
        state.settings().iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    Ok(Json(json!({ "config": settings })))
}

/// The id of the one source, which is InfluxDB's.
const SOURCE: &str = "020f755c3c082000";

/// The server itself, as the user interface of Chronograf sees it.
fn source() -> Value {
    let own = format!("/api/v2/sources/{SOURCE}");
    json!({
        "id": SOURCE,
        "orgID": "50616e67652c206c",
        "default": true,
        "name": "autogen",
        "type": "self",
        "url": "",
        "telegraf": "",
        "token": "",
        "defaultRP": "",
        "links": {
            "buckets": format!("{own}/buckets"),
            "health": format!("{own}/health"),
            "query": format!("{own}/query"),
            "self": own,
        },
    })
}

/// `GET /api/v2/sources`: the server itself.
pub(super) async fn sources(Authenticated(_): Authenticated) -> Json<Value> {
    Json(json!({ "sources": [source()], "links": { "self": "/api/v2/sources" } }))
}

/// `GET /api/v2/sources/{id}`
pub(super) async fn find_source(Authenticated(_): Authenticated, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id: catalog::DocumentId = crate::extract::path_id(&id)?;
    if id.to_string() == SOURCE { Ok(Json(source())) } else { Err(ApiError::not_found("source not found")) }
}

/// `GET /api/v2/sources/{id}/health`
pub(super) async fn source_health(Authenticated(_): Authenticated, Path(id): Path<String>) -> ApiResult<Json<Value>> {
    let id: catalog::DocumentId = crate::extract::path_id(&id)?;
    if id.to_string() != SOURCE {
        return Err(ApiError::not_found("source not found"));
    }
    Ok(Json(json!({ "name": "source", "status": "pass", "message": "source is healthy" })))
}

/// `POST /api/v2/sources`: there is the server itself and no other.
pub(super) async fn create_source(Authenticated(_): Authenticated) -> ApiError {
    ApiError::new(Code::NotImplemented, "sources other than this server are not supported")
}

/// What this server does not do, and how the list of it is called.
pub(super) trait Absent: Send + Sync + 'static {
    /// Its permissions.
    const RESOURCE: ResourceType;
    /// What a client is told that wants one.
    const REASON: &'static str;
}

/// Remote servers.
pub(super) struct Remotes;

impl Absent for Remotes {
    const RESOURCE: ResourceType = ResourceType::Remotes;
    const REASON: &'static str = "replication to other servers is not supported: let the agents write to both";
}

/// Replications to remote servers.
pub(super) struct Replications;

impl Absent for Replications {
    const RESOURCE: ResourceType = ResourceType::Replications;
    const REASON: &'static str = Remotes::REASON;
}

/// `GET` of a list that is always empty.
pub(super) async fn none_of<A: Absent>(
    State(state): State<AppState>,
    Authenticated(_): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<Value>> {
    scope::named_organisation(&state, &parameters)?;
    let nothing: [Value; 0] = [];
    Ok(Json(json!({ A::RESOURCE.as_str(): nothing })))
}

/// `POST` to it: 501.
pub(super) async fn refuse<A: Absent>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Response> {
    let organisation = organisation_of_body(&state, &body)?;
    principal.require(Permission::in_organisation(Action::Write, A::RESOURCE, organisation.id))?;
    Err(ApiError::new(Code::NotImplemented, A::REASON))
}

/// `GET`, `PATCH` and `DELETE` of one: there is none.
pub(super) async fn not_there<A: Absent>(
    Authenticated(_): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let _: catalog::DocumentId = crate::extract::path_id(&id)?;
    let singular = A::RESOURCE.as_str().trim_end_matches('s');
    Ok((StatusCode::NOT_FOUND, ApiError::not_found(format!("{singular} not found"))).into_response())
}

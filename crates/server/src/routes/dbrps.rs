//! `/api/v2/dbrps`: which bucket a database and retention policy of InfluxDB 1.x are (wire-api 3.5). Mappings that
//! follow from a bucket's name are virtual: they can be looked at and not changed.

use axum::extract::{Path, State};
use catalog::{Action, BucketId, Dbrp, DbrpId, DbrpUpdate, NewDbrp, Organisation, Permission, Principal, ResourceType};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json, null_is_default};
use crate::request::Parameters;
use crate::scope;
use crate::state::AppState;

/// A mapping on the wire.
#[derive(Debug, Serialize)]
pub(super) struct DbrpJson {
    id: String,
    database: String,
    retention_policy: String,
    default: bool,
    r#virtual: bool,
    #[serde(rename = "orgID")]
    org_id: String,
    #[serde(rename = "bucketID")]
    bucket_id: String,
}

impl From<Dbrp> for DbrpJson {
    fn from(dbrp: Dbrp) -> Self {
        Self {
            id: dbrp.id.to_string(),
            database: dbrp.database,
            retention_policy: dbrp.retention_policy,
            default: dbrp.is_default,
            r#virtual: dbrp.is_virtual,
            org_id: dbrp.organisation_id.to_string(),
            bucket_id: dbrp.bucket_id.to_string(),
        }
    }
}

/// What lists and changes stand in.
#[derive(Debug, Serialize)]
pub(super) struct Content<T> {
    content: T,
}

/// The organisation that the request has to name.
fn organisation(state: &AppState, parameters: &Parameters) -> ApiResult<Arc<Organisation>> {
    let named = scope::named_organisation(state, parameters)?;
    named.ok_or_else(|| ApiError::invalid("either 'org' or 'orgID' must be provided"))
}

/// Whether the principal may do this to the mapping: by a right on mappings, or by one on the bucket behind it.
fn may(who: &Principal, action: Action, dbrp: &Dbrp) -> bool {
    let organisation = dbrp.organisation_id;
    let on_mapping = Permission::on_one(action, ResourceType::Dbrp, dbrp.id.get(), Some(organisation));
    who.allows(&on_mapping)
        || (action == Action::Read && who.allows(&Permission::on_bucket(action, dbrp.bucket_id, organisation)))
}

/// `GET /api/v2/dbrps`: all that the principal may read, narrowed by `id`, `bucketID`, `db`, `rp` and `default`.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<Content<Vec<DbrpJson>>>> {
    let organisation = organisation(&state, &parameters)?;
    let id: Option<DbrpId> = parameters.id("id")?;
    let bucket_id: Option<BucketId> = parameters.id("bucketID")?;
    let default = parameters.get("default").map(|_| parameters.flag("default"));
    let matches = |dbrp: &Dbrp| {
        id.is_none_or(|id| id == dbrp.id)
            && bucket_id.is_none_or(|id| id == dbrp.bucket_id)
            && parameters.get("db").is_none_or(|name| name == dbrp.database)
            && parameters.get("rp").is_none_or(|name| name == dbrp.retention_policy)
            && default.is_none_or(|default| default == dbrp.is_default)
            && may(&principal, Action::Read, dbrp)
    };
    let found = state.catalog().list_dbrps(organisation.id).into_iter().filter(matches);
    Ok(Json(Content { content: found.map(DbrpJson::from).collect() }))
}

#[derive(Debug, Deserialize)]
pub(super) struct DbrpRequest {
    #[serde(default, deserialize_with = "null_is_default")]
    org: String,
    #[serde(rename = "orgID", default, deserialize_with = "null_is_default")]
    org_id: String,
    #[serde(rename = "bucketID", default, deserialize_with = "null_is_default")]
    bucket_id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    database: String,
    #[serde(default, deserialize_with = "null_is_default")]
    retention_policy: String,
    #[serde(default, deserialize_with = "null_is_default")]
    default: bool,
}

/// `POST /api/v2/dbrps`: stores a mapping. The answer is the mapping itself, without `content` around it.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(request): JsonBody<DbrpRequest>,
) -> ApiResult<Created<DbrpJson>> {
    let named = [("orgID", request.org_id.as_str()), ("org", request.org.as_str())];
    let named = named.into_iter().filter(|(_, value)| !value.is_empty());
    let pairs = named.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let organisation = organisation(&state, &Parameters::from_pairs(pairs))?;
    let bucket_id: BucketId = path_id(&request.bucket_id)?;
    principal.require(Permission::in_organisation(Action::Write, ResourceType::Dbrp, organisation.id))?;
    let new = NewDbrp {
        organisation_id: organisation.id,
        database: request.database,
        retention_policy: request.retention_policy,
        is_default: request.default,
        bucket_id,
    };
    Ok(Created(state.catalog().create_dbrp(new).await?.into()))
}

/// The mapping of the path, if the principal may do this to it.
fn mapping(state: &AppState, who: &Principal, parameters: &Parameters, id: &str, action: Action) -> ApiResult<Dbrp> {
    let organisation = organisation(state, parameters)?;
    let dbrp = state.catalog().find_dbrp(organisation.id, path_id(id)?)?;
    if !may(who, action, &dbrp) {
        who.require(Permission::on_one(action, ResourceType::Dbrp, dbrp.id.get(), Some(dbrp.organisation_id)))?;
    }
    if action == Action::Write && dbrp.is_virtual {
        return Err(ApiError::invalid(
            "a virtual mapping follows from the name of its bucket: rename the bucket, or create a mapping",
        ));
    }
    Ok(dbrp)
}

/// `GET /api/v2/dbrps/{id}`
pub(super) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    parameters: Parameters,
) -> ApiResult<Json<Content<DbrpJson>>> {
    let dbrp = mapping(&state, &principal, &parameters, &id, Action::Read)?;
    Ok(Json(Content { content: dbrp.into() }))
}

#[derive(Debug, Deserialize)]
pub(super) struct UpdateRequest {
    retention_policy: Option<String>,
    default: Option<bool>,
}

/// `PATCH /api/v2/dbrps/{id}`: another name of the policy, or whether it is the default.
pub(super) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    parameters: Parameters,
    JsonBody(request): JsonBody<UpdateRequest>,
) -> ApiResult<Json<Content<DbrpJson>>> {
    let dbrp = mapping(&state, &principal, &parameters, &id, Action::Write)?;
    let update = DbrpUpdate { retention_policy: request.retention_policy, is_default: request.default };
    let dbrp = state.catalog().update_dbrp(dbrp.organisation_id, dbrp.id, update).await?;
    Ok(Json(Content { content: dbrp.into() }))
}

/// `DELETE /api/v2/dbrps/{id}`. The bucket stays.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    parameters: Parameters,
) -> ApiResult<StatusCode> {
    let dbrp = mapping(&state, &principal, &parameters, &id, Action::Write)?;
    state.catalog().delete_dbrp(dbrp.organisation_id, dbrp.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

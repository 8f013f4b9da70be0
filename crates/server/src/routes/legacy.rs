//! `/private/legacy/authorizations`: the users of the API of 1.x (wire-api section 2), as `influx v1 auth` manages
//! them. What would be the token of an authorization is the name of the user; its password is set by itself.

use std::sync::Arc;

use axum::extract::{Path, State};
use catalog::{
    Action, AuthorizationStatus, Catalog, CatalogError, NewV1User, OrganisationId, UserId, V1User, V1UserId,
    V1UserUpdate,
};
use http::StatusCode;
use serde::Deserialize;

use super::authorizations::{
    AuthorizationJson, AuthorizationsJson, Guarded, PermissionRequest, UpdateRequest, check, given, permitted, place,
    wanted_permissions,
};
use super::users::SelfLink;
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::JsonBody;
use crate::json::{Created, Json, null_is_default};
use crate::request::Parameters;
use crate::scope;
use crate::state::AppState;

impl Guarded for V1User {
    type Id = V1UserId;

    fn find(catalog: &Catalog, id: V1UserId) -> Result<Arc<Self>, CatalogError> {
        catalog.find_v1_user(id)
    }

    fn place(&self) -> (u64, OrganisationId, UserId) {
        (self.id.get(), self.organisation_id, self.user_id)
    }
}

/// `GET`: all that the principal may read, narrowed by `token` (the name), `user`, `userID`, `org`, `orgID` and
/// `authID`.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<AuthorizationsJson>> {
    let organisation = scope::named_organisation(&state, &parameters)?;
    let user_id: Option<UserId> = parameters.id("userID")?;
    let acts_for = parameters.get("user").map(|name| state.catalog().find_user_by_name(name)).transpose()?;
    let id: Option<V1UserId> = parameters.id("authID")?.or(parameters.id("id")?);
    let matches = |user: &&Arc<V1User>| {
        parameters.get("token").is_none_or(|name| name == user.name)
            && user_id.is_none_or(|id| id == user.user_id)
            && acts_for.as_ref().is_none_or(|found| found.id == user.user_id)
            && id.is_none_or(|id| id == user.id)
            && organisation.as_ref().is_none_or(|organisation| organisation.id == user.organisation_id)
            && check(&principal, Action::Read, user.as_ref()).is_ok()
    };
    let users = state.catalog().list_v1_users();
    let found = users.iter().filter(matches);
    let authorizations = found.map(|user| AuthorizationJson::of_v1_user(&state, user)).collect();
    let links = SelfLink { this: "/private/legacy/authorizations".to_owned() };
    Ok(Json(AuthorizationsJson { links, authorizations }))
}

#[derive(Debug, Deserialize)]
pub(super) struct LegacyRequest {
    #[serde(rename = "orgID")]
    org_id: Option<String>,
    #[serde(rename = "userID")]
    user_id: Option<String>,
    /// The name.
    token: Option<String>,
    status: Option<String>,
    description: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    permissions: Vec<PermissionRequest>,
}

/// `POST`: a user without a password. It can be given only what its creator may do.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(request): JsonBody<LegacyRequest>,
) -> ApiResult<Created<AuthorizationJson>> {
    let permissions = wanted_permissions(&request.permissions)?;
    let name = given(request.token.as_ref())
        .ok_or_else(|| ApiError::invalid("token required for v1 user authorization type"))?;
    let (organisation_id, user_id) = place(&principal, request.org_id.as_ref(), request.user_id.as_ref())?;
    let status: Option<AuthorizationStatus> = given(request.status.as_ref()).map(str::parse).transpose()?;
    let new = NewV1User {
        name: name.to_owned(),
        status: status.unwrap_or(AuthorizationStatus::Active),
        description: request.description.unwrap_or_default(),
        organisation_id,
        user_id,
        permissions,
    };
    let user = state.catalog().create_v1_user(new, None, Some(&principal.permissions)).await?;
    Ok(Created(AuthorizationJson::of_v1_user(&state, &user)))
}

/// `GET …/{id}`
pub(super) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<AuthorizationJson>> {
    let user: Arc<V1User> = permitted(&state, &principal, &id, Action::Read)?;
    Ok(Json(AuthorizationJson::of_v1_user(&state, &user)))
}

/// `PATCH …/{id}`: status and description.
pub(super) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<UpdateRequest>,
) -> ApiResult<Json<AuthorizationJson>> {
    let before: Arc<V1User> = permitted(&state, &principal, &id, Action::Write)?;
    let status = request.status.as_deref().map(str::parse).transpose()?;
    let update = V1UserUpdate { status, description: request.description };
    let after = state.catalog().update_v1_user(before.id, update).await?;
    Ok(Json(AuthorizationJson::of_v1_user(&state, &after)))
}

/// `DELETE …/{id}`
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let user: Arc<V1User> = permitted(&state, &principal, &id, Action::Write)?;
    state.catalog().delete_v1_user(user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default, deserialize_with = "null_is_default")]
    password: String,
}

/// `POST …/{id}/password`: 8 to 72 bytes.
pub(super) async fn set_password(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewPassword>,
) -> ApiResult<StatusCode> {
    let user: Arc<V1User> = permitted(&state, &principal, &id, Action::Write)?;
    state.catalog().set_v1_password(user.id, &new.password, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

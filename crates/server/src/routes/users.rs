//! `/api/v2/users`: users, without their passwords.

use axum::extract::{Path, State};
use catalog::{Action, Permission, ResourceType, Role, User, UserFilter, UserId, UserStatus, UserUpdate};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::api_error::ApiResult;
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json};
use crate::request::Parameters;
use crate::state::AppState;

/// A user on the wire; `role` where it is owner or member of something.
#[derive(Debug, Serialize)]
pub(super) struct UserJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    links: SelfLink,
    id: String,
    name: String,
    status: &'static str,
}

/// The link of a resource to itself.
#[derive(Debug, Serialize)]
pub(super) struct SelfLink {
    #[serde(rename = "self")]
    pub(super) this: String,
}

impl UserJson {
    pub(super) fn new(user: &User) -> Self {
        Self {
            role: None,
            links: SelfLink { this: format!("/api/v2/users/{}", user.id) },
            id: user.id.to_string(),
            name: user.name.clone(),
            status: user.status.as_str(),
        }
    }

    pub(super) fn with_role(user: &User, role: Role) -> Self {
        Self { role: Some(role.as_str()), ..Self::new(user) }
    }
}

/// A list of users.
#[derive(Debug, Serialize)]
pub(super) struct UsersJson {
    pub(super) links: SelfLink,
    pub(super) users: Vec<UserJson>,
}

/// `GET /api/v2/users`: those that the principal may read, narrowed by `id` and `name`.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<UsersJson>> {
    let filter = UserFilter { id: parameters.id("id")?, name: parameters.get("name").map(str::to_owned) };
    let visible = |user: &User| principal.allows(&Permission::on_user(Action::Read, user.id));
    let users = state.catalog().list_users(&filter, &parameters.page()?, visible)?;
    let users = users.iter().map(|user| UserJson::new(user)).collect();
    Ok(Json(UsersJson { links: SelfLink { this: "/api/v2/users".to_owned() }, users }))
}

#[derive(Debug, Deserialize)]
pub(super) struct UserRequest {
    name: Option<String>,
    status: Option<String>,
}

impl UserRequest {
    fn status(&self) -> ApiResult<Option<UserStatus>> {
        Ok(self.status.as_deref().filter(|text| !text.is_empty()).map(str::parse).transpose()?)
    }
}

/// `POST /api/v2/users`.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(request): JsonBody<UserRequest>,
) -> ApiResult<Created<UserJson>> {
    principal.require(Permission::on_type(Action::Write, ResourceType::Users))?;
    let status = request.status()?.unwrap_or(UserStatus::Active);
    let user = state.catalog().create_user(&request.name.unwrap_or_default(), status).await?;
    Ok(Created(UserJson::new(&user)))
}

/// `GET /api/v2/users/{id}`.
pub(super) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<UserJson>> {
    let id: UserId = path_id(&id)?;
    principal.require(Permission::on_user(Action::Read, id))?;
    Ok(Json(UserJson::new(&*state.catalog().find_user(id)?)))
}

/// `PATCH /api/v2/users/{id}`.
pub(super) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<UserRequest>,
) -> ApiResult<Json<UserJson>> {
    let id: UserId = path_id(&id)?;
    principal.require(Permission::on_user(Action::Write, id))?;
    let update = UserUpdate { status: request.status()?, name: request.name };
    Ok(Json(UserJson::new(&*state.catalog().update_user(id, update).await?)))
}

/// `DELETE /api/v2/users/{id}`, with its tokens and sessions.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: UserId = path_id(&id)?;
    principal.require(Permission::on_user(Action::Write, id))?;
    state.catalog().delete_user(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

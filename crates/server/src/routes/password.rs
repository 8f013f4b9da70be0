//! Passwords: set by whoever may write the user, or changed by the user with the old one (HTTP Basic).

use axum::Extension;
use axum::extract::{Path, State};
use axum::routing::{MethodRouter, post};
use catalog::{Action, Permission, UserId};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::signin::verified_user;
use crate::api_error::ApiResult;
use crate::auth::{self, AuthError};
use crate::extract::{JsonBody, path_id};
use crate::json::null_is_default;
use crate::serve::PeerAddress;
use crate::state::AppState;

#[derive(Deserialize)]
pub(super) struct NewPassword {
    #[serde(default, deserialize_with = "null_is_default")]
    password: String,
}

/// `POST /api/v2/users/{id}/password`. It shares its path with [`change`], which takes no token, so it looks at
/// credentials itself.
pub(super) fn admin_route() -> MethodRouter<AppState> {
    post(set)
}

async fn set(
    State(state): State<AppState>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: axum::extract::Request,
) -> ApiResult<StatusCode> {
    let principal = auth::principal(&state, &headers).await?;
    let id: UserId = path_id(&id)?;
    principal.require(Permission::on_user(Action::Write, id))?;
    let JsonBody(new) = read(&state, body).await?;
    state.catalog().set_password(id, &new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/v2/users/{id}/password` with the old password.
pub(super) async fn change(
    State(state): State<AppState>,
    peer: Option<Extension<PeerAddress>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: axum::extract::Request,
) -> ApiResult<StatusCode> {
    let id: UserId = path_id(&id)?;
    let user = verified_user(&state, peer, &headers).await?;
    if user.id != id {
        return Err(AuthError::Missing.into());
    }
    let JsonBody(new) = read(&state, body).await?;
    state.catalog().set_password(id, &new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/v2/me/password` with the old password.
pub(super) async fn change_own(
    State(state): State<AppState>,
    peer: Option<Extension<PeerAddress>>,
    headers: HeaderMap,
    body: axum::extract::Request,
) -> ApiResult<StatusCode> {
    let user = verified_user(&state, peer, &headers).await?;
    let JsonBody(new) = read(&state, body).await?;
    state.catalog().set_password(user.id, &new.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The body is read after the credentials were checked.
async fn read(state: &AppState, request: axum::extract::Request) -> ApiResult<JsonBody<NewPassword>> {
    use axum::extract::FromRequest as _;
    JsonBody::from_request(request, state).await
}

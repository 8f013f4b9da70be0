//! `/api/v2/orgs/{id}/secrets`: secrets of an organisation, which scripts and notifications use. Values come in and
//! never go out.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use catalog::{Action, OrganisationId, Permission, Principal, ResourceType, Secret};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Json, null_is_default};
use crate::state::AppState;

/// The organisation of the path, if the principal may do this to its secrets.
fn organisation(state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<OrganisationId> {
    let id = path_id(id)?;
    who.require(Permission::in_organisation(action, ResourceType::Secrets, id))?;
    Ok(state.catalog().find_organisation(id)?.id)
}

/// `GET`: the names.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    let id = organisation(&state, &principal, &id, Action::Read)?;
    let own = format!("/api/v2/orgs/{id}");
    let links = json!({ "org": own, "self": format!("{own}/secrets") });
    Ok(Json(json!({ "links": links, "secrets": state.catalog().list_secret_names(id) })))
}

/// `PATCH`: stores these, others stay.
pub(super) async fn store(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(secrets): JsonBody<BTreeMap<String, String>>,
) -> ApiResult<StatusCode> {
    let id = organisation(&state, &principal, &id, Action::Write)?;
    let secrets = secrets.into_iter().map(|(name, value)| (name, Secret::from(value))).collect();
    state.catalog().put_secrets(id, state.secret_key(), secrets).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE …/{key}`. One that is not there is no error, as in InfluxDB.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, key)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let id = organisation(&state, &principal, &id, Action::Write)?;
    state.catalog().delete_secrets(id, &[key]).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub(super) struct Names {
    #[serde(default, deserialize_with = "null_is_default")]
    secrets: Vec<String>,
}

/// `POST …/delete`: deletes several.
pub(super) async fn remove_several(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, word)): Path<(String, String)>,
    JsonBody(names): JsonBody<Names>,
) -> ApiResult<StatusCode> {
    let id = organisation(&state, &principal, &id, Action::Write)?;
    // A secret may be called `delete`, so that the word stands where names do.
    if word != "delete" {
        return Err(ApiError::not_found("path not found"));
    }
    state.catalog().delete_secrets(id, &names.secrets).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! Members and owners of resources: one set of handlers for the lists of all kinds.

use axum::extract::{Path, State};
use catalog::{Action, MappedResource, Permission, Principal, Role, UserId};
use http::StatusCode;
use serde::Deserialize;

use super::users::{SelfLink, UserJson, UsersJson};
use crate::api_error::ApiResult;
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json, null_is_default};
use crate::state::AppState;

/// A kind of resources that have members, owners or labels.
pub(super) trait Mapped: Send + Sync + 'static {
    /// The path of the list of them.
    const AT: &'static str;

    /// The resource of an id in the path, if the principal may do this to it.
    fn resource(state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<MappedResource>;
}

/// Organisations.
pub(super) struct Orgs;

impl Mapped for Orgs {
    const AT: &'static str = "/api/v2/orgs";

    fn resource(_state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<MappedResource> {
        let id = path_id(id)?;
        who.require(Permission::on_organisation(action, id))?;
        Ok(MappedResource::organisation(id))
    }
}

/// Buckets.
pub(super) struct Buckets;

impl Mapped for Buckets {
    const AT: &'static str = "/api/v2/buckets";

    fn resource(state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<MappedResource> {
        let bucket = state.catalog().find_bucket(path_id(id)?)?;
        who.require(Permission::on_bucket(action, bucket.id, bucket.organisation_id))?;
        Ok(MappedResource::bucket(bucket.id))
    }
}

/// Which of the two lists.
pub(super) trait List: Send + Sync + 'static {
    /// What those in it are.
    const ROLE: Role;
    /// Its name in paths.
    const NAME: &'static str;
}

/// Members.
pub(super) struct Members;

impl List for Members {
    const ROLE: Role = Role::Member;
    const NAME: &'static str = "members";
}

/// Owners.
pub(super) struct Owners;

impl List for Owners {
    const ROLE: Role = Role::Owner;
    const NAME: &'static str = "owners";
}

/// Who is to be added; a name beside the id is ignored.
#[derive(Deserialize)]
pub(super) struct AddRequest {
    #[serde(default, deserialize_with = "null_is_default")]
    id: String,
}

/// `GET …/{id}/members` and `…/owners`
pub(super) async fn list<R: Mapped, L: List>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<UsersJson>> {
    let resource = R::resource(&state, &principal, &id, Action::Read)?;
    let users = state.catalog().list_mappings(resource, L::ROLE)?;
    let this = format!("{}/{:016x}/{}", R::AT, resource.id, L::NAME);
    let users = users.iter().map(|user| UserJson::with_role(user, L::ROLE)).collect();
    Ok(Json(UsersJson { links: SelfLink { this }, users }))
}

/// `POST`: adds a user.
pub(super) async fn add<R: Mapped, L: List>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<AddRequest>,
) -> ApiResult<Created<UserJson>> {
    let resource = R::resource(&state, &principal, &id, Action::Write)?;
    let user = state.catalog().add_mapping(resource, path_id(&request.id)?, L::ROLE).await?;
    Ok(Created(UserJson::with_role(&user, L::ROLE)))
}

/// `DELETE …/{user_id}`
pub(super) async fn remove<R: Mapped, L: List>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, user_id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let resource = R::resource(&state, &principal, &id, Action::Write)?;
    let user_id: UserId = path_id(&user_id)?;
    state.catalog().remove_mapping(resource, user_id, L::ROLE).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! Members and owners of organisations and buckets: one set of handlers for the four lists.

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

/// Who is to be added; a name beside the id is ignored.
#[derive(Deserialize)]
pub(super) struct AddRequest {
    #[serde(default, deserialize_with = "null_is_default")]
    id: String,
}

/// The resources that have such lists here.
#[derive(Clone, Copy)]
enum Kind {
    Org,
    Bucket,
}

impl Kind {
    /// The resource of an id in the path, if the principal may do this to it.
    fn resource(self, state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<MappedResource> {
        match self {
            Self::Org => {
                let id = path_id(id)?;
                who.require(Permission::on_organisation(action, id))?;
                Ok(MappedResource::organisation(id))
            }
            Self::Bucket => {
                let bucket = state.catalog().find_bucket(path_id(id)?)?;
                who.require(Permission::on_bucket(action, bucket.id, bucket.organisation_id))?;
                Ok(MappedResource::bucket(bucket.id))
            }
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Org => "/api/v2/orgs",
            Self::Bucket => "/api/v2/buckets",
        }
    }
}

fn plural(role: Role) -> &'static str {
    match role {
        Role::Owner => "owners",
        Role::Member => "members",
    }
}

fn list(state: &AppState, who: &Principal, kind: Kind, role: Role, id: &str) -> ApiResult<Json<UsersJson>> {
    let resource = kind.resource(state, who, id, Action::Read)?;
    let users = state.catalog().list_mappings(resource, role)?;
    let this = format!("{}/{:016x}/{}", kind.path(), resource.id, plural(role));
    let users = users.iter().map(|user| UserJson::with_role(user, role)).collect();
    Ok(Json(UsersJson { links: SelfLink { this }, users }))
}

async fn add(
    state: &AppState,
    who: &Principal,
    (kind, role): (Kind, Role),
    id: &str,
    request: &AddRequest,
) -> ApiResult<Created<UserJson>> {
    let resource = kind.resource(state, who, id, Action::Write)?;
    let user = state.catalog().add_mapping(resource, path_id(&request.id)?, role).await?;
    Ok(Created(UserJson::with_role(&user, role)))
}

async fn remove(
    state: &AppState,
    who: &Principal,
    (kind, role): (Kind, Role),
    id: &str,
    user_id: &str,
) -> ApiResult<StatusCode> {
    let resource = kind.resource(state, who, id, Action::Write)?;
    let user_id: UserId = path_id(user_id)?;
    state.catalog().remove_mapping(resource, user_id, role).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET`, `POST` and `DELETE` of one list.
macro_rules! handlers {
    ($list:ident, $add:ident, $remove:ident: $kind:expr, $role:expr) => {
        pub(super) async fn $list(
            State(state): State<AppState>,
            Authenticated(principal): Authenticated,
            Path(id): Path<String>,
        ) -> ApiResult<Json<UsersJson>> {
            list(&state, &principal, $kind, $role, &id)
        }

        pub(super) async fn $add(
            State(state): State<AppState>,
            Authenticated(principal): Authenticated,
            Path(id): Path<String>,
            JsonBody(request): JsonBody<AddRequest>,
        ) -> ApiResult<Created<UserJson>> {
            add(&state, &principal, ($kind, $role), &id, &request).await
        }

        pub(super) async fn $remove(
            State(state): State<AppState>,
            Authenticated(principal): Authenticated,
            Path((id, user_id)): Path<(String, String)>,
        ) -> ApiResult<StatusCode> {
            remove(&state, &principal, ($kind, $role), &id, &user_id).await
        }
    };
}

handlers!(org_members, add_org_member, remove_org_member: Kind::Org, Role::Member);
handlers!(org_owners, add_org_owner, remove_org_owner: Kind::Org, Role::Owner);
handlers!(bucket_members, add_bucket_member, remove_bucket_member: Kind::Bucket, Role::Member);
handlers!(bucket_owners, add_bucket_owner, remove_bucket_owner: Kind::Bucket, Role::Owner);

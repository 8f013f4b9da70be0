//! `/api/v2/authorizations`: tokens and what they permit (wire-api section 5). A token's text is shown once, when it is
//! made.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Path, State};
use catalog::{
    Action, Authorization, AuthorizationFilter, AuthorizationId, AuthorizationStatus, AuthorizationUpdate, BucketId,
    Catalog, CatalogError, NewAuthorization, OrganisationId, ParseIdError, Permission, Principal, Resource,
    ResourceType, Secret, UserId, V1User,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::users::SelfLink;
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json, null_is_default};
use crate::request::Parameters;
use crate::scope;
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// An authorization on the wire. It has no `Debug`, because it can hold the text of a token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthorizationJson {
    id: String,
    /// Empty except in the answer that creates it.
    token: String,
    status: &'static str,
    description: String,
    #[serde(rename = "orgID")]
    org_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<String>,
    #[serde(rename = "userID")]
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    permissions: Vec<PermissionJson>,
    links: AuthorizationLinks,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct AuthorizationLinks {
    #[serde(rename = "self")]
    this: String,
    user: String,
}

#[derive(Debug, Serialize)]
struct PermissionJson {
    action: &'static str,
    resource: ResourceJson,
}

#[derive(Debug, Serialize)]
struct ResourceJson {
    #[serde(rename = "type")]
    resource_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "orgID", skip_serializing_if = "Option::is_none")]
    org_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<String>,
}

impl AuthorizationJson {
    /// As the answer to the setup has it.
    pub(super) fn without_names(authorization: &Authorization, token: Option<&Secret>) -> Self {
        let permissions = authorization.permissions.as_slice().iter();
        let permissions = permissions.map(|permission| PermissionJson {
            action: permission.action.as_str(),
            resource: ResourceJson::new(&permission.resource),
        });
        Self {
            id: authorization.id.to_string(),
            token: token.map(|token| token.expose().to_owned()).unwrap_or_default(),
            status: authorization.status.as_str(),
            description: authorization.description.clone(),
            org_id: authorization.organisation_id.to_string(),
            org: None,
            user_id: authorization.user_id.to_string(),
            user: None,
            permissions: permissions.collect(),
            links: AuthorizationLinks {
                this: format!("/api/v2/authorizations/{}", authorization.id),
                user: format!("/api/v2/users/{}", authorization.user_id),
            },
            created_at: rfc3339_nano(authorization.created_at_ns),
            updated_at: rfc3339_nano(authorization.updated_at_ns),
        }
    }

    /// With the names of what the ids mean, as far as it still exists.
    fn new(state: &AppState, authorization: &Authorization, token: Option<&Secret>) -> Self {
        let catalog = state.catalog();
        let org_name = |id: OrganisationId| catalog.find_organisation(id).ok().map(|found| found.name.clone());
        let mut this = Self::without_names(authorization, token);
        this.org = org_name(authorization.organisation_id);
        this.user = catalog.find_user(authorization.user_id).ok().map(|user| user.name.clone());
        for (permission, json) in authorization.permissions.as_slice().iter().zip(&mut this.permissions) {
            json.resource.org = permission.resource.organisation_id.and_then(org_name);
            json.resource.name = resource_name(state, &permission.resource);
        }
        this
    }
}

impl AuthorizationJson {
    /// A user of 1.x in the same shape: its name stands where the token of others does not.
    pub(super) fn of_v1_user(state: &AppState, user: &V1User) -> Self {
        let org_name = |id: OrganisationId| state.catalog().find_organisation(id).ok().map(|found| found.name.clone());
        let permission = |permission: &Permission| {
            let mut resource = ResourceJson::new(&permission.resource);
            resource.org = permission.resource.organisation_id.and_then(org_name);
            resource.name = resource_name(state, &permission.resource);
            PermissionJson { action: permission.action.as_str(), resource }
        };
        Self {
            id: user.id.to_string(),
            token: user.name.clone(),
            status: user.status.as_str(),
            description: user.description.clone(),
            org_id: user.organisation_id.to_string(),
            org: org_name(user.organisation_id),
            user_id: user.user_id.to_string(),
            user: state.catalog().find_user(user.user_id).ok().map(|found| found.name.clone()),
            permissions: user.permissions.as_slice().iter().map(permission).collect(),
            links: AuthorizationLinks {
                this: format!("/private/legacy/authorizations/{}", user.id),
                user: format!("/api/v2/users/{}", user.user_id),
            },
            created_at: rfc3339_nano(user.created_at_ns),
            updated_at: rfc3339_nano(user.updated_at_ns),
        }
    }
}

impl ResourceJson {
    fn new(resource: &Resource) -> Self {
        Self {
            resource_type: resource.resource_type.as_str(),
            id: resource.id.map(|id| format!("{id:016x}")),
            org_id: resource.organisation_id.map(|id| id.to_string()),
            name: None,
            org: None,
        }
    }
}

fn resource_name(state: &AppState, resource: &Resource) -> Option<String> {
    let (catalog, id) = (state.catalog(), resource.id?);
    match resource.resource_type {
        ResourceType::Buckets => catalog.find_bucket(BucketId::from_u64(id)?).ok().map(|found| found.name.clone()),
        ResourceType::Orgs => {
            catalog.find_organisation(OrganisationId::from_u64(id)?).ok().map(|found| found.name.clone())
        }
        ResourceType::Users => catalog.find_user(UserId::from_u64(id)?).ok().map(|found| found.name.clone()),
        _ => None,
    }
}

/// Whether the principal may do this to an authorization: it needs the right on authorizations of the organisation,
/// and on the user behind it. Everybody has the latter on themselves, so that the holder of an all-access token can
/// manage the tokens of its own user, which InfluxDB's rules do not let it.
pub(super) fn check<T: Guarded>(
    who: &Principal,
    action: Action,
    guarded: &T,
) -> Result<(), catalog::PermissionDeniedError> {
    let (id, organisation, user) = guarded.place();
    who.require(Permission::on_one(action, ResourceType::Authorizations, id, Some(organisation)))?;
    check_user(who, action, user)
}

/// The one of an id in the path, if the principal may do this to it.
pub(super) fn permitted<T: Guarded>(state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<Arc<T>> {
    let found = T::find(state.catalog(), path_id(id)?)?;
    check(who, action, found.as_ref())?;
    Ok(found)
}

/// What is guarded as authorizations are: they themselves, and the users of the API of 1.x.
pub(super) trait Guarded: Sized {
    type Id: FromStr<Err = ParseIdError>;

    fn find(catalog: &Catalog, id: Self::Id) -> Result<Arc<Self>, CatalogError>;

    /// Its id, its organisation, and whoever it acts for.
    fn place(&self) -> (u64, OrganisationId, UserId);
}

impl Guarded for Authorization {
    type Id = AuthorizationId;

    fn find(catalog: &Catalog, id: AuthorizationId) -> Result<Arc<Self>, CatalogError> {
        catalog.find_authorization(id)
    }

    fn place(&self) -> (u64, OrganisationId, UserId) {
        (self.id.get(), self.organisation_id, self.user_id)
    }
}

fn check_user(who: &Principal, action: Action, user: UserId) -> Result<(), catalog::PermissionDeniedError> {
    if who.user_id == user { Ok(()) } else { who.require(Permission::on_user(action, user)) }
}

#[derive(Serialize)]
pub(super) struct AuthorizationsJson {
    pub(super) links: SelfLink,
    pub(super) authorizations: Vec<AuthorizationJson>,
}

/// `GET /api/v2/authorizations`: all that the principal may read, narrowed by `id`, `user`, `userID`, `org` and
/// `orgID`.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<AuthorizationsJson>> {
    let organisation = scope::named_organisation(&state, &parameters)?;
    let filter = AuthorizationFilter {
        user_id: parameters.id("userID")?,
        user: parameters.get("user").map(str::to_owned),
        organisation_id: organisation.map(|organisation| organisation.id),
        organisation: None,
    };
    let id: Option<AuthorizationId> = parameters.id("id")?;
    // An unknown id is 404, as in InfluxDB; one that is known and of another filter is an empty list.
    id.map(|id| state.catalog().find_authorization(id)).transpose()?;
    let visible = |authorization: &Authorization| {
        id.is_none_or(|id| id == authorization.id) && check(&principal, Action::Read, authorization).is_ok()
    };
    let found = state.catalog().list_authorizations(&filter, visible)?;
    let authorizations = found.iter().map(|found| AuthorizationJson::new(&state, found, None)).collect();
    let links = SelfLink { this: "/api/v2/authorizations".to_owned() };
    Ok(Json(AuthorizationsJson { links, authorizations }))
}

#[derive(Debug, Deserialize)]
pub(super) struct AuthorizationRequest {
    #[serde(rename = "orgID")]
    org_id: Option<String>,
    #[serde(rename = "userID")]
    user_id: Option<String>,
    status: Option<String>,
    description: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    permissions: Vec<PermissionRequest>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PermissionRequest {
    action: String,
    resource: ResourceRequest,
}

#[derive(Debug, Deserialize)]
struct ResourceRequest {
    #[serde(rename = "type")]
    resource_type: String,
    id: Option<String>,
    #[serde(rename = "orgID")]
    org_id: Option<String>,
}

impl PermissionRequest {
    pub(super) fn permission(&self) -> ApiResult<Permission> {
        let id = given(self.resource.id.as_ref()).map(catalog::id::parse_id).transpose()?;
        let organisation_id = given(self.resource.org_id.as_ref()).map(str::parse).transpose()?;
        Ok(Permission {
            action: self.action.parse()?,
            resource: Resource {
                resource_type: self.resource.resource_type.parse()?,
                id: id.map(std::num::NonZeroU64::get),
                organisation_id,
            },
        })
    }
}

/// An empty text counts as not given.
pub(super) fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

impl AuthorizationRequest {
    fn status(&self) -> ApiResult<Option<AuthorizationStatus>> {
        Ok(given(self.status.as_ref()).map(str::parse).transpose()?)
    }
}

/// The permissions of a request, at least one.
pub(super) fn wanted_permissions(wanted: &[PermissionRequest]) -> ApiResult<Vec<Permission>> {
    let permissions = wanted.iter().map(PermissionRequest::permission).collect::<ApiResult<Vec<_>>>()?;
    if permissions.is_empty() {
        return Err(catalog::CatalogError::PermissionsMissing.into());
    }
    Ok(permissions)
}

/// The organisation in which something is made and the user that it acts for, otherwise the principal's own, if the
/// principal may make it there.
pub(super) fn place(
    principal: &Principal,
    org_id: Option<&String>,
    user_id: Option<&String>,
) -> ApiResult<(OrganisationId, UserId)> {
    let org_id = given(org_id).ok_or_else(|| ApiError::invalid("org id required: invalid ID"))?;
    let organisation_id: OrganisationId = path_id(org_id)?;
    let user_id = given(user_id).map(path_id).transpose()?.unwrap_or(principal.user_id);
    principal.require(Permission::in_organisation(Action::Write, ResourceType::Authorizations, organisation_id))?;
    check_user(principal, Action::Write, user_id)?;
    Ok((organisation_id, user_id))
}

/// `POST /api/v2/authorizations`: a token for the given user, otherwise the principal's own. It can be given only what
/// its creator may do.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(request): JsonBody<AuthorizationRequest>,
) -> ApiResult<Created<AuthorizationJson>> {
    let permissions = wanted_permissions(&request.permissions)?;
    let (organisation_id, user_id) = place(&principal, request.org_id.as_ref(), request.user_id.as_ref())?;
    let new = NewAuthorization {
        organisation_id,
        user_id,
        status: request.status()?.unwrap_or(AuthorizationStatus::Active),
        description: request.description.unwrap_or_default(),
        permissions,
        token: None,
    };
    let created = state.catalog().create_authorization(new, Some(&principal.permissions)).await?;
    Ok(Created(AuthorizationJson::new(&state, &created.authorization, Some(&created.token))))
}

/// `GET /api/v2/authorizations/{id}`.
pub(super) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<AuthorizationJson>> {
    let found: Arc<Authorization> = permitted(&state, &principal, &id, Action::Read)?;
    Ok(Json(AuthorizationJson::new(&state, &found, None)))
}

#[derive(Debug, Deserialize)]
pub(super) struct UpdateRequest {
    pub(super) status: Option<String>,
    pub(super) description: Option<String>,
}

/// `PATCH /api/v2/authorizations/{id}`: status and description.
pub(super) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<UpdateRequest>,
) -> ApiResult<Json<AuthorizationJson>> {
    let before: Arc<Authorization> = permitted(&state, &principal, &id, Action::Write)?;
    let status = request.status.as_deref().map(str::parse).transpose()?;
    let update = AuthorizationUpdate { status, description: request.description };
    let after = state.catalog().update_authorization(before.id, update).await?;
    Ok(Json(AuthorizationJson::new(&state, &after, None)))
}

/// `DELETE /api/v2/authorizations/{id}`.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let found: Arc<Authorization> = permitted(&state, &principal, &id, Action::Write)?;
    state.catalog().delete_authorization(found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/v2/orgs`: organisations.

use axum::extract::{Path, State};
use catalog::{Action, Organisation, OrganisationFilter, OrganisationId, OrganisationUpdate, Permission, ResourceType};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::buckets;
use super::users::SelfLink;
use crate::api_error::ApiResult;
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json};
use crate::request::{Parameters, percent_encode};
use crate::scope;
use crate::state::AppState;
use crate::times::rfc3339_nano;
use crate::uninterrupted::uninterrupted;

/// An organisation on the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrgJson {
    links: OrgLinks,
    id: String,
    name: String,
    description: String,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Serialize)]
struct OrgLinks {
    buckets: String,
    dashboards: String,
    labels: String,
    logs: String,
    members: String,
    owners: String,
    secrets: String,
    #[serde(rename = "self")]
    this: String,
    tasks: String,
}

impl OrgJson {
    pub(super) fn new(organisation: &Organisation) -> Self {
        let own = format!("/api/v2/orgs/{}", organisation.id);
        let by_name = |resource: &str| format!("/api/v2/{resource}?org={}", percent_encode(&organisation.name));
        Self {
            links: OrgLinks {
                buckets: by_name("buckets"),
                dashboards: by_name("dashboards"),
                labels: format!("{own}/labels"),
                logs: format!("{own}/logs"),
                members: format!("{own}/members"),
                owners: format!("{own}/owners"),
                secrets: format!("{own}/secrets"),
                tasks: by_name("tasks"),
                this: own,
            },
            id: organisation.id.to_string(),
            name: organisation.name.clone(),
            description: organisation.description.clone(),
            created_at: rfc3339_nano(organisation.created_at_ns),
            updated_at: rfc3339_nano(organisation.updated_at_ns),
        }
    }
}

#[derive(Serialize)]
pub(super) struct OrgsJson {
    links: SelfLink,
    orgs: Vec<OrgJson>,
}

/// `GET /api/v2/orgs`: those that the principal may read, narrowed by `org`, `orgID` and `userID`.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<OrgsJson>> {
    let named = scope::named_organisation(&state, &parameters)?;
    let filter = OrganisationFilter {
        id: named.as_ref().map(|organisation| organisation.id),
        name: None,
        user_id: parameters.id("userID")?,
    };
    let visible =
        |organisation: &Organisation| principal.allows(&Permission::on_organisation(Action::Read, organisation.id));
    let orgs = state.catalog().list_organisations(&filter, &parameters.page()?, visible)?;
    let orgs = orgs.iter().map(|organisation| OrgJson::new(organisation)).collect();
    Ok(Json(OrgsJson { links: SelfLink { this: "/api/v2/orgs".to_owned() }, orgs }))
}

#[derive(Debug, Deserialize)]
pub(super) struct OrgRequest {
    name: Option<String>,
    description: Option<String>,
}

/// `POST /api/v2/orgs`: with the two system buckets; the principal's user becomes the owner.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(request): JsonBody<OrgRequest>,
) -> ApiResult<Created<OrgJson>> {
    principal.require(Permission::on_type(Action::Write, ResourceType::Orgs))?;
    let (name, description) = (request.name.unwrap_or_default(), request.description.unwrap_or_default());
    let organisation = state.catalog().create_organisation(&name, &description, Some(principal.user_id)).await?;
    Ok(Created(OrgJson::new(&organisation)))
}

/// `GET /api/v2/orgs/{id}`.
pub(super) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<OrgJson>> {
    let id: OrganisationId = path_id(&id)?;
    principal.require(Permission::on_organisation(Action::Read, id))?;
    Ok(Json(OrgJson::new(&*state.catalog().find_organisation(id)?)))
}

/// `PATCH /api/v2/orgs/{id}`.
pub(super) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<OrgRequest>,
) -> ApiResult<Json<OrgJson>> {
    let id: OrganisationId = path_id(&id)?;
    principal.require(Permission::on_organisation(Action::Write, id))?;
    let before = state.catalog().find_organisation(id)?;
    let update = OrganisationUpdate { name: request.name, description: request.description };
    uninterrupted(async move {
        let after = state.catalog().update_organisation(id, update).await?;
        if before.name != after.name {
            buckets::tell_engine_of_names(&state, &after).await?;
        }
        Ok(Json(OrgJson::new(&after)))
    })
    .await
}

/// `DELETE /api/v2/orgs/{id}`, with its buckets and their points, its tokens and its members.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: OrganisationId = path_id(&id)?;
    principal.require(Permission::on_organisation(Action::Write, id))?;
    uninterrupted(async move {
        for bucket in state.catalog().delete_organisation(id).await? {
            buckets::drop_points(&state, id, bucket).await;
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

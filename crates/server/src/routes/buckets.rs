//! `/api/v2/buckets` (wire-api 2.3): buckets, and what the engine has to be told when they change.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use catalog::{
    Action, Bucket, BucketFilter, BucketId, BucketUpdate, MappedResource, NewBucket, Organisation, OrganisationId,
    Permission, ResourceType,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::BucketInfo;

use super::labels::labels_of;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json};
use crate::paging::PageLinks;
use crate::request::Parameters;
use crate::scope;
use crate::state::AppState;
use crate::times::rfc3339_nano;
use crate::uninterrupted::uninterrupted;

/// A bucket on the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketJson {
    id: String,
    #[serde(rename = "orgID")]
    org_id: String,
    #[serde(rename = "type")]
    bucket_type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    name: String,
    retention_rules: [RetentionJson; 1],
    created_at: String,
    updated_at: String,
    links: BucketLinks,
    labels: Value,
}

/// The one retention rule; zero seconds mean for ever.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RetentionJson {
    #[serde(rename = "type")]
    rule_type: &'static str,
    every_seconds: u64,
    shard_group_duration_seconds: u64,
}

#[derive(Debug, Serialize)]
struct BucketLinks {
    labels: String,
    members: String,
    org: String,
    owners: String,
    #[serde(rename = "self")]
    this: String,
    write: String,
}

impl BucketJson {
    /// With the labels that it has now.
    pub(super) fn new(state: &AppState, bucket: &Bucket) -> Self {
        let own = format!("/api/v2/buckets/{}", bucket.id);
        Self {
            id: bucket.id.to_string(),
            org_id: bucket.organisation_id.to_string(),
            bucket_type: bucket.bucket_type.as_str(),
            description: bucket.description.clone(),
            name: bucket.name.clone(),
            retention_rules: [RetentionJson {
                rule_type: "expire",
                every_seconds: bucket.retention.as_secs(),
                shard_group_duration_seconds: bucket.shard_group_duration.as_secs(),
            }],
            created_at: rfc3339_nano(bucket.created_at_ns),
            updated_at: rfc3339_nano(bucket.updated_at_ns),
            links: BucketLinks {
                labels: format!("{own}/labels"),
                members: format!("{own}/members"),
                org: format!("/api/v2/orgs/{}", bucket.organisation_id),
                owners: format!("{own}/owners"),
                write: format!("/api/v2/write?org={}&bucket={}", bucket.organisation_id, bucket.id),
                this: own,
            },
            labels: labels_of(state, MappedResource::bucket(bucket.id)),
        }
    }
}

#[derive(Serialize)]
pub(super) struct BucketsJson {
    links: PageLinks,
    buckets: Vec<BucketJson>,
}

/// `GET /api/v2/buckets`: those that the principal may read, narrowed by `id`, `name`, `org` and `orgID`.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<BucketsJson>> {
    let page = parameters.page()?;
    let organisation = scope::named_organisation(&state, &parameters)?;
    let filter = BucketFilter {
        id: parameters.id("id")?,
        organisation_id: organisation.as_ref().map(|organisation| organisation.id),
        name: parameters.get("name").map(str::to_owned),
    };
    let visible =
        |bucket: &Bucket| principal.allows(&Permission::on_bucket(Action::Read, bucket.id, bucket.organisation_id));
    let buckets = state.catalog().list_buckets(&filter, &page, visible)?;
    // The links call the name `bucket`, as InfluxDB's do.
    let in_links = [
        ("bucket", parameters.get("name")),
        ("id", parameters.get("id")),
        ("org", parameters.get("org")),
        ("orgID", parameters.get("orgID")),
    ];
    let links = PageLinks::new("/api/v2/buckets", &page, &in_links, buckets.len());
    Ok(Json(BucketsJson { links, buckets: buckets.iter().map(|bucket| BucketJson::new(&state, bucket)).collect() }))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BucketRequest {
    #[serde(rename = "orgID")]
    org_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    retention_rules: Option<Vec<RetentionRequest>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetentionRequest {
    every_seconds: Option<i64>,
    shard_group_duration_seconds: Option<i64>,
}

impl BucketRequest {
    /// Retention and shard group duration, where they are given.
    fn durations(&self) -> ApiResult<(Option<Duration>, Option<Duration>)> {
        let unprocessable = |message: &str| ApiError::new(Code::UnprocessableEntity, message);
        let seconds = |value: Option<i64>, message: &str| {
            let value = value.map(u64::try_from).transpose().map_err(|_| unprocessable(message))?;
            Ok::<_, ApiError>(value.map(Duration::from_secs))
        };
        match self.retention_rules.as_deref().unwrap_or_default() {
            [] => Ok((None, None)),
            [rule] => Ok((
                seconds(rule.every_seconds, "expiration seconds cannot be negative")?,
                seconds(rule.shard_group_duration_seconds, "shard-group duration seconds cannot be negative")?,
            )),
            _ => Err(unprocessable("buckets cannot have more than one retention rule at this time")),
        }
    }
}

/// `POST /api/v2/buckets`.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(request): JsonBody<BucketRequest>,
) -> ApiResult<Created<BucketJson>> {
    let Some(org_id) = request.org_id.as_deref().filter(|text| !text.is_empty()) else {
        return Err(ApiError::invalid("organization id must be provided"));
    };
    let organisation_id: OrganisationId = path_id(org_id)?;
    let (retention, shard_group_duration) = request.durations()?;
    principal.require(Permission::in_organisation(Action::Write, ResourceType::Buckets, organisation_id))?;
    let new = NewBucket {
        organisation_id,
        name: request.name.unwrap_or_default(),
        description: request.description.unwrap_or_default(),
        retention: retention.unwrap_or_default(),
        shard_group_duration,
    };
    Ok(Created(BucketJson::new(&state, &*state.catalog().create_bucket(new).await?)))
}

/// The bucket of an id in the path, if the principal may do this to it.
fn permitted(state: &AppState, who: &catalog::Principal, id: &str, action: Action) -> ApiResult<Arc<Bucket>> {
    let bucket = state.catalog().find_bucket(path_id(id)?)?;
    who.require(Permission::on_bucket(action, bucket.id, bucket.organisation_id))?;
    Ok(bucket)
}

/// `GET /api/v2/buckets/{id}`.
pub(super) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<BucketJson>> {
    Ok(Json(BucketJson::new(&state, &*permitted(&state, &principal, &id, Action::Read)?)))
}

/// `PATCH /api/v2/buckets/{id}`: what is not given stays.
pub(super) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<BucketRequest>,
) -> ApiResult<Json<BucketJson>> {
    let before = permitted(&state, &principal, &id, Action::Write)?;
    let (retention, shard_group_duration) = request.durations()?;
    let update = BucketUpdate { name: request.name, description: request.description, retention, shard_group_duration };
    uninterrupted(async move {
        let after = state.catalog().update_bucket(before.id, update).await?;
        if before.name != after.name {
            let organisation = state.catalog().find_organisation(after.organisation_id)?;
            state.engine().rename_bucket(bucket_info(&organisation, &after)).await?;
        }
        Ok(Json(BucketJson::new(&state, &after)))
    })
    .await
}

/// `DELETE /api/v2/buckets/{id}`, with its points.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let bucket = permitted(&state, &principal, &id, Action::Write)?;
    uninterrupted(async move {
        state.catalog().delete_bucket(bucket.id).await?;
        drop_points(&state, bucket.organisation_id, bucket.id).await;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

/// Drops the points of a bucket that the catalog does not have any more.
///
/// The catalog goes first, and remembers the bucket until the points are gone too: after a crash in between
/// [`finish_drops`] goes on. The other way round a crash would leave a bucket that still exists, whose deletion nobody
/// was told of, without its points. For the same reason a failure here does not turn the answer into an error: the
/// bucket is gone, and the next start tries again.
pub(super) async fn drop_points(state: &AppState, organisation: OrganisationId, bucket: BucketId) {
    if let Err(error) = state.engine().drop_bucket(organisation, bucket).await {
        tracing::error!(%organisation, %bucket, %error, "the points of a deleted bucket could not be dropped");
        return;
    }
    if let Err(error) = state.catalog().forget_dropped_bucket(bucket).await {
        tracing::warn!(%bucket, %error, "a dropped bucket is still remembered");
    }
}

/// Drops the points of buckets that were deleted when the server last ended.
pub(crate) async fn finish_drops(state: AppState) {
    for (organisation, bucket) in state.catalog().dropped_buckets() {
        drop_points(&state, organisation, bucket).await;
    }
}

/// Tells the engine that an organisation has a new name, which is part of its buckets' names in the lake.
pub(super) async fn tell_engine_of_names(state: &AppState, organisation: &Organisation) -> ApiResult<()> {
    for bucket in state.catalog().all_buckets() {
        if bucket.organisation_id == organisation.id {
            state.engine().rename_bucket(bucket_info(organisation, &bucket)).await?;
        }
    }
    Ok(())
}

/// A bucket as the engine knows it.
pub(crate) fn bucket_info(organisation: &Organisation, bucket: &Bucket) -> BucketInfo {
    BucketInfo {
        organisation: organisation.id,
        organisation_name: organisation.name.clone(),
        bucket: bucket.id,
        name: bucket.name.clone(),
    }
}

//! `POST /write`: line protocol into the bucket of `db` and `rp`.
//!
//! Every unit that InfluxDB 1.x has for `precision` means what it says; InfluxDB 2 takes minutes and hours for
//! nanoseconds. `consistency` is ignored.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use catalog::{
    Action, Bucket, CatalogError, NewBucket, Organisation, OrganisationId, Permission, Principal, ResourceType,
};
use http::StatusCode;
use storage::Precision;

use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::describe;
use crate::body::ContentEncoding;
use crate::dbrp::{self, DEFAULT_POLICY, DbrpError};
use crate::metrics::TransferKind;
use crate::request::Parameters;
use crate::routes::write::{FORBIDDEN, Target, write_body};
use crate::state::AppState;

/// Answers 204, or says what is wrong.
pub(in crate::routes) async fn write(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = match target(&state, &parts).await {
        Ok(target) => target,
        Err(error) => return error.into_v1_response(),
    };
    let organisation = target.organisation.id.to_string();
    let mut wire_bytes = 0;
    let response = match write_body(&state, target, body, &mut wire_bytes).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_v1_response(),
    };
    state.metrics().transferred(TransferKind::Write, organisation, response.status(), wire_bytes as u64);
    response
}

async fn target(state: &AppState, parts: &http::request::Parts) -> ApiResult<Target> {
    let parameters = Parameters::from_uri(&parts.uri)?;
    let (principal, organisation) = super::caller(state, parts, &parameters).await?;
    let database = parameters.get("db").ok_or_else(|| ApiError::invalid("missing db"))?;
    let precision = precision(parameters.get("precision"))?;
    let encoding = ContentEncoding::from_headers(&parts.headers)?;
    let policy = parameters.get("rp");
    let bucket = database_bucket(state, &principal, &organisation, database, policy).await?;
    if !principal.allows(&Permission::on_bucket(Action::Write, bucket.id, organisation.id)) {
        return Err(ApiError::new(Code::Forbidden, FORBIDDEN));
    }
    Ok(Target { organisation: Arc::clone(&organisation), bucket, precision, encoding })
}

/// The bucket of a database that is written to; where there is none it may be made.
pub(in crate::routes) async fn database_bucket(
    state: &AppState,
    principal: &Principal,
    organisation: &Organisation,
    database: &str,
    policy: Option<&str>,
) -> ApiResult<Arc<Bucket>> {
    match dbrp::find(state, organisation, Some(database), policy) {
        Ok(bucket) => Ok(bucket),
        Err(DbrpError::NoDatabase) => Err(ApiError::invalid("missing db")),
        Err(DbrpError::Database(_) | DbrpError::Policy(_)) if state.auto_create_buckets() => {
            create_bucket(state, principal, organisation.id, database, policy).await
        }
        Err(DbrpError::Database(_) | DbrpError::Policy(_)) => Err(ApiError::not_found("no dbrp mapping found")),
    }
}

/// The bucket of a database that is written to for the first time. Whoever may make buckets makes it by this.
async fn create_bucket(
    state: &AppState,
    principal: &Principal,
    organisation_id: OrganisationId,
    database: &str,
    policy: Option<&str>,
) -> ApiResult<Arc<Bucket>> {
    if !principal.allows(&Permission::in_organisation(Action::Write, ResourceType::Buckets, organisation_id)) {
        return Err(ApiError::new(Code::Forbidden, FORBIDDEN));
    }
    if database.contains('/') || policy.is_some_and(|policy| policy.contains('/')) {
        return Err(ApiError::invalid("a database that is to be made has no slash in its name"));
    }
    let name = match policy {
        None | Some(DEFAULT_POLICY) => database.to_owned(),
        Some(policy) => format!("{database}/{policy}"),
    };
    let new = NewBucket {
        organisation_id,
        name: name.clone(),
        description: String::new(),
        retention: Duration::ZERO,
        shard_group_duration: None,
    };
    match state.catalog().create_bucket(new).await {
        Ok(bucket) => {
            tracing::info!(by = describe(principal), bucket = %bucket.id, name, "made a bucket for a write");
            Ok(bucket)
        }
        // Another write was faster.
        Err(CatalogError::BucketExists { .. }) => Ok(state.catalog().find_bucket_by_name(organisation_id, &name)?),
        Err(error) => Err(error.into()),
    }
}

fn precision(text: Option<&str>) -> ApiResult<Precision> {
    Ok(match text {
        None | Some("n" | "ns") => Precision::Nanosecond,
        Some("u" | "µ" | "us") => Precision::Microsecond,
        Some("ms") => Precision::Millisecond,
        Some("s") => Precision::Second,
        Some("m") => Precision::Minute,
        Some("h") => Precision::Hour,
        Some(other) => {
            return Err(ApiError::invalid(format!("invalid precision {other:?} (use n, u, ms, s, m or h)")));
        }
    })
}

//! `POST /api/v2/delete`: points or fields of a bucket, by time and predicate (wire-api section 2.4).
//!
//! As in a write, what the head of the request decides is answered before the body is read. 204 means that the fact is
//! durable and that no later query sees what was deleted; nothing may have matched.

mod predicate;

use std::sync::Arc;

use axum::extract::{Request, State};
use catalog::{Action, Bucket, Organisation, Permission, Principal};
use chrono::DateTime;
use http::StatusCode;
use serde::Deserialize;
use storage::{DeleteFilter, DeleteRequest};

pub(crate) use self::predicate::PredicateError;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::{Authenticated, describe};
use crate::json;
use crate::request::{Parameters, RequestError};
use crate::scope;
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// What a token without the right to write is told.
const FORBIDDEN: &str = "insufficient permissions to delete";

/// The earliest and latest time of a point (models/time.go).
const TIMES_NS: (i64, i64) = (i64::MIN + 2, i64::MAX - 1);

/// A body that says no delete. The texts are InfluxDB's where it has one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeleteBodyError {
    /// The body is not the JSON that is wanted.
    #[error("error decoding json body: {0}")]
    Json(#[source] serde_json::Error),
    /// The body is JSON but no object; a list could be read as one.
    #[error("error decoding json body: the body must be an object with start, stop and perhaps predicate")]
    NoObject,
    /// A time is missing or is none.
    #[error(
        "error decoding json body: invalid RFC3339Nano for field {field}, please format your time with RFC3339Nano \
         format, example: {example}"
    )]
    Time {
        /// `start` or `stop`.
        field: &'static str,
        /// A time as it should be.
        example: &'static str,
    },
    /// A time that no point can have.
    #[error("error decoding json body: invalid {field} time, {field} time must not be {side} {bound}")]
    OutOfRange {
        /// `start` or `stop`.
        field: &'static str,
        /// `before` or `after`.
        side: &'static str,
        /// The first or last time.
        bound: String,
    },
    /// The range has no time.
    #[error("error decoding json body: start time must not be after stop time")]
    Reversed,
    /// The predicate.
    #[error("error decoding json body: {0}")]
    Predicate(#[from] PredicateError),
}

/// A misspelt key must not widen what is deleted, so unknown ones are refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteJson {
    #[serde(default)]
    start: Option<String>,
    #[serde(default)]
    stop: Option<String>,
    #[serde(default)]
    predicate: Option<String>,
}

impl DeleteJson {
    fn filter(&self) -> Result<DeleteFilter, DeleteBodyError> {
        let start = time_ns(self.start.as_deref(), "start", "2009-01-02T23:00:00Z")?;
        let stop = time_ns(self.stop.as_deref(), "stop", "2009-01-01T23:00:00Z")?;
        if start > stop {
            return Err(DeleteBodyError::Reversed);
        }
        let terms = predicate::parse(self.predicate.as_deref().unwrap_or_default())?;
        Ok(DeleteFilter { time_range: (start, stop), terms })
    }
}

/// Nanoseconds since the epoch of a time in RFC 3339 that a point may have.
fn time_ns(text: Option<&str>, field: &'static str, example: &'static str) -> Result<i64, DeleteBodyError> {
    let time = text.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let time = time.ok_or(DeleteBodyError::Time { field, example })?;
    let out_of_range = |side, bound| DeleteBodyError::OutOfRange { field, side, bound: rfc3339_nano(bound) };
    match time.timestamp_nanos_opt() {
        Some(time_ns) if (TIMES_NS.0..=TIMES_NS.1).contains(&time_ns) => Ok(time_ns),
        _ if time.timestamp() < 0 => Err(out_of_range("before", TIMES_NS.0)),
        _ => Err(out_of_range("after", TIMES_NS.1)),
    }
}

/// Answers 204, or says what is wrong.
pub(super) async fn delete(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> ApiResult<StatusCode> {
    let (organisation, bucket) = target(&state, &principal, &parameters)?;
    if !principal.allows(&Permission::on_bucket(Action::Write, bucket.id, organisation.id)) {
        return Err(ApiError::new(Code::Forbidden, FORBIDDEN));
    }
    let (parts, body) = request.into_parts();
    let body = state.bodies().read_small_body(body, &parts.headers).await?;
    let request: DeleteJson = json::parse(&body.bytes).map_err(|error| match error {
        RequestError::Json(error) => ApiError::from(DeleteBodyError::Json(error)),
        error => error.into(),
    })?;
    if body.bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
        return Err(DeleteBodyError::NoObject.into());
    }
    let filter = request.filter()?;
    let (start, stop) = (rfc3339_nano(filter.time_range.0), rfc3339_nano(filter.time_range.1));
    let (by, terms) = (describe(&principal), filter.terms.len());
    tracing::info!(by, bucket = %bucket.id, start, stop, terms, "deleting points on request");
    state.engine().delete(DeleteRequest { organisation: organisation.id, bucket: bucket.id, filter }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The bucket that `bucket` and `bucketID` name in the organisation of the request.
fn target(
    state: &AppState,
    principal: &Principal,
    parameters: &Parameters,
) -> ApiResult<(Arc<Organisation>, Arc<Bucket>)> {
    let organisation = scope::organisation(state, principal, parameters)?;
    let id: Option<catalog::BucketId> = parameters.id("bucketID")?;
    let by_id = id.map(|id| scope::bucket(state, &organisation, &id.to_string())).transpose()?;
    let by_name = parameters.get("bucket").map(|name| scope::bucket(state, &organisation, name)).transpose()?;
    match (by_id, by_name) {
        (Some(by_id), Some(by_name)) if by_id.id != by_name.id => {
            let bucket = parameters.get("bucket").unwrap_or_default().to_owned();
            Err(RequestError::BucketMismatch { bucket, id: by_id.id.to_string() }.into())
        }
        (by_id, by_name) => {
            let bucket = by_id.or(by_name).ok_or(RequestError::MissingBucket)?;
            Ok((organisation, bucket))
        }
    }
}

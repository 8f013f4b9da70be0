//! `POST /api/v2/write`: line protocol into a bucket (wire-api section 1).
//!
//! Everything that can be known without the body is checked before it is read, in this order: token, precision,
//! bucket, encoding, organisation, bucket, permission. 204 means that the points are durable and visible.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use catalog::{Action, AuthenticationError, Bucket, Organisation, Permission};
use http::{HeaderMap, StatusCode};
use storage::{PartialWrite, Precision, WriteOutcome, WriteRequest};

use super::buckets::bucket_info;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::{self, AuthError};
use crate::body::ContentEncoding;
use crate::metrics::TransferKind;
use crate::request::Parameters;
use crate::scope;
use crate::state::AppState;

/// What a token without the right to write is told.
pub(super) const FORBIDDEN: &str = "insufficient permissions for write";

/// Answers 204, or says what is wrong.
pub(super) async fn write(State(state): State<AppState>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = match Target::of(&state, &parts).await {
        Ok(target) => target,
        Err(error) => return error.into_response(),
    };
    let organisation = target.organisation.id.to_string();
    let mut wire_bytes = 0;
    let response = match write_body(&state, target, body, &mut wire_bytes).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => error.into_response(),
    };
    state.metrics().transferred(TransferKind::Write, organisation, response.status(), wire_bytes as u64);
    response
}

/// Where the points go and how they come: all that the head of the request says.
pub(super) struct Target {
    pub(super) organisation: Arc<Organisation>,
    pub(super) bucket: Arc<Bucket>,
    pub(super) precision: Precision,
    pub(super) encoding: ContentEncoding,
}

impl Target {
    async fn of(state: &AppState, parts: &http::request::Parts) -> ApiResult<Self> {
        let principal = principal(state, &parts.headers).await?;
        let parameters = Parameters::from_uri(&parts.uri)?;
        let precision = parameters.precision()?;
        let bucket = parameters.get("bucket").ok_or_else(|| ApiError::not_found("bucket not found"))?;
        let encoding = ContentEncoding::from_headers(&parts.headers)?;
        let organisation = scope::organisation(state, &principal, &parameters)?;
        let bucket = scope::bucket(state, &organisation, bucket)?;
        if !principal.allows(&Permission::on_bucket(Action::Write, bucket.id, organisation.id)) {
            return Err(ApiError::new(Code::Forbidden, FORBIDDEN));
        }
        Ok(Self { organisation, bucket, precision, encoding })
    }
}

/// Writes answer an inactive token in their own words.
async fn principal(state: &AppState, headers: &HeaderMap) -> ApiResult<catalog::Principal> {
    auth::principal(state, headers).await.map_err(|error| match error {
        AuthError::Rejected(AuthenticationError::TokenInactive) => {
            ApiError::from(error).prefixed(&format!("{FORBIDDEN}: "))
        }
        error => error.into(),
    })
}

/// Reads the body and writes its points. `wire_bytes` becomes what came over the wire.
pub(super) async fn write_body(
    state: &AppState,
    target: Target,
    body: axum::body::Body,
    wire_bytes: &mut usize,
) -> ApiResult<()> {
    let body = state.bodies().read_write_body(body, target.encoding).await?;
    *wire_bytes = body.wire_bytes;
    let retention = target.bucket.retention;
    let request = WriteRequest {
        bucket: Arc::new(bucket_info(&target.organisation, &target.bucket)),
        retention: (!retention.is_zero()).then_some(retention),
        body: body.bytes.clone(),
        precision: target.precision,
    };
    let WriteOutcome { dropped, .. } = state.engine().write(request).await?;
    // The body counts against the budget until here.
    drop(body);
    match dropped {
        None => Ok(()),
        Some(partial) => Err(partial_error(&partial)),
    }
}

/// Some points were not stored; the others were.
fn partial_error(partial: &PartialWrite) -> ApiError {
    ApiError::new(Code::UnprocessableEntity, format!("failure writing points to database: {partial}"))
}

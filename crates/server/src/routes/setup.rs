//! `/api/v2/setup`: whether the server can still be set up, and setting it up (wire-api 2.1).

use std::time::Duration;

use axum::extract::State;
use catalog::{OnboardingRequest, Secret};
use serde::{Deserialize, Serialize};

use super::authorizations::AuthorizationJson;
use super::buckets::BucketJson;
use super::orgs::OrgJson;
use super::users::UserJson;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::extract::JsonBody;
use crate::json::{Created, Json, null_is_default};
use crate::state::AppState;

#[derive(Serialize)]
pub(super) struct Allowed {
    allowed: bool,
}

/// `GET /api/v2/setup`.
pub(super) async fn is_allowed(State(state): State<AppState>) -> Json<Allowed> {
    Json(Allowed { allowed: state.catalog().is_onboarding_allowed() })
}

/// What the client chooses. It has no `Debug`, because it holds a password and a token.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetupRequest {
    #[serde(default, deserialize_with = "null_is_default")]
    username: String,
    #[serde(default, deserialize_with = "null_is_default")]
    password: String,
    #[serde(default, deserialize_with = "null_is_default")]
    org: String,
    #[serde(default, deserialize_with = "null_is_default")]
    bucket: String,
    #[serde(default, deserialize_with = "null_is_default")]
    retention_period_seconds: i64,
    /// The name lies: it is in nanoseconds.
    #[serde(default, deserialize_with = "null_is_default")]
    retention_period_hrs: i64,
    #[serde(default, deserialize_with = "null_is_default")]
    token: String,
}

impl SetupRequest {
    fn retention(&self) -> ApiResult<Duration> {
        let negative = |_| ApiError::new(Code::UnprocessableEntity, "expiration seconds cannot be negative");
        if self.retention_period_seconds != 0 {
            return u64::try_from(self.retention_period_seconds).map(Duration::from_secs).map_err(negative);
        }
        u64::try_from(self.retention_period_hrs).map(Duration::from_nanos).map_err(negative)
    }
}

#[derive(Serialize)]
pub(super) struct SetupJson {
    user: UserJson,
    bucket: BucketJson,
    org: OrgJson,
    auth: AuthorizationJson,
}

/// `POST /api/v2/setup`: the first user, organisation, bucket and the operator token, which is shown here only.
pub(super) async fn onboard(
    State(state): State<AppState>,
    JsonBody(request): JsonBody<SetupRequest>,
) -> ApiResult<Created<SetupJson>> {
    let retention = request.retention()?;
    let secret = |text: String| (!text.is_empty()).then(|| Secret::from(text));
    let request = OnboardingRequest {
        username: request.username,
        password: secret(request.password),
        organisation: request.org,
        bucket: request.bucket,
        retention,
        token: secret(request.token),
    };
    let result = state.catalog().onboard(request).await?;
    Ok(Created(SetupJson {
        user: UserJson::new(&result.user),
        bucket: BucketJson::new(&state, &result.bucket),
        org: OrgJson::new(&result.organisation),
        auth: AuthorizationJson::without_names(&result.authorization, Some(&result.token)),
    }))
}

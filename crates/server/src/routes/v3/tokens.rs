//! `/api/v3/configure/token`: tokens as InfluxDB 3 names and lists them. They are authorizations like all others: the
//! name is the description, and an admin's token has all the permissions of whoever makes it.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, UInt64Array};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use catalog::{
    Action, Authorization, AuthorizationFilter, AuthorizationStatus, AuthorizationUpdate, CreatedAuthorization,
    NewAuthorization, OnboardingRequest, Permission, ResourceType, Secret,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha512};

use super::caller;
use super::databases::{not_found, table};
use super::query::Caller;
use crate::api_error::{ApiError, ApiResult, Code, V3Result};
use crate::auth::{Authenticated, describe};
use crate::extract::V3Body;
use crate::format::Format;
use crate::json::Created;
use crate::request::Parameters;
use crate::routes::authorizations::check;
use crate::state::AppState;
use crate::times::rfc3339_nano;
use crate::uninterrupted::uninterrupted;

/// The name of the first token, as in InfluxDB.
const ADMIN: &str = "_admin";

/// The user, the organisation and the bucket of a server that is set up by its first token.
const FIRST_USER: &str = "admin";
const FIRST_ORGANISATION: &str = "default";

/// The random bytes of a token.
const TOKEN_BYTES: usize = 64;

/// A token on the wire. It has no `Debug`, because it holds the text of the token.
#[derive(Serialize)]
struct TokenJson {
    id: u64,
    name: String,
    token: String,
    /// The SHA-512 of the token, by which InfluxDB 3 tells tokens apart.
    hash: String,
    created_at: String,
    expiry: Option<String>,
}

fn made(created: &CreatedAuthorization) -> Response {
    let authorization = &created.authorization;
    let token = created.token.expose();
    let json = TokenJson {
        id: authorization.id.get(),
        name: authorization.description.clone(),
        token: token.to_owned(),
        hash: Sha512::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        created_at: rfc3339_nano(authorization.created_at_ns),
        expiry: authorization.expires_at_ns.map(rfc3339_nano),
    };
    Created(json).into_response()
}

/// A token as InfluxDB 3 makes them.
fn random_token() -> ApiResult<Secret> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(format!("apiv3_{}", URL_SAFE_NO_PAD.encode(bytes)).into())
}

fn exists(name: &str) -> ApiError {
    ApiError::new(Code::Conflict, format!("token name already exists, {name}"))
}

/// `POST …/admin`: sets an empty server up and answers its first token. Nobody has to show one for it.
pub(super) async fn create_first(State(state): State<AppState>) -> V3Result<Response> {
    let request = OnboardingRequest {
        username: FIRST_USER.to_owned(),
        password: None,
        organisation: FIRST_ORGANISATION.to_owned(),
        bucket: FIRST_ORGANISATION.to_owned(),
        retention: std::time::Duration::ZERO,
        token: Some(random_token()?),
    };
    if !state.catalog().is_onboarding_allowed() {
        return Err(exists(ADMIN).into());
    }
    let result = state.catalog().onboard(request).await?;
    tracing::info!(user = FIRST_USER, organisation = FIRST_ORGANISATION, "the server is set up by its first token");
    let update = AuthorizationUpdate { description: Some(ADMIN.to_owned()), ..AuthorizationUpdate::default() };
    let authorization = state.catalog().update_authorization(result.authorization.id, update).await?;
    Ok(made(&CreatedAuthorization { authorization, token: result.token }))
}

/// Those that the caller may see in an organisation, by name.
fn tokens(state: &AppState, caller: &Caller) -> ApiResult<Vec<Arc<Authorization>>> {
    let organisation = caller.organisation.id;
    let filter = AuthorizationFilter { organisation_id: Some(organisation), ..AuthorizationFilter::default() };
    let visible = |authorization: &Authorization| check(&caller.principal, Action::Read, authorization).is_ok();
    let mut tokens = state.catalog().list_authorizations(&filter, visible)?;
    tokens.sort_by(|left, right| left.description.cmp(&right.description).then(left.id.cmp(&right.id)));
    Ok(tokens)
}

/// `GET`: the tokens of the organisation, without their texts.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> V3Result<Response> {
    let format = Format::negotiate(parameters.get("format"), request.headers())?;
    let caller = caller(&state, principal, &parameters)?;
    let tokens = tokens(&state, &caller)?;
    let texts = |text: fn(&Authorization) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(tokens.iter().map(|token| text(token))))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("token_id", Arc::new(UInt64Array::from_iter_values(tokens.iter().map(|token| token.id.get())))),
        ("name", texts(|token| token.description.clone())),
        ("status", texts(|token| token.status.as_str().to_owned())),
        ("created_at", texts(|token| rfc3339_nano(token.created_at_ns))),
        ("expiry", Arc::new(tokens.iter().map(|token| token.expires_at_ns.map(rfc3339_nano)).collect::<StringArray>())),
    ];
    Ok(table(&state, format, columns).await?)
}

/// A token to make.
#[derive(Debug, Deserialize)]
pub(super) struct TokenRequest {
    token_name: String,
    expiry_secs: Option<u64>,
}

/// `POST …/named_admin`: a token with the permissions of whoever makes it.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    V3Body(request): V3Body<TokenRequest>,
) -> V3Result<Response> {
    let caller = caller(&state, principal, &parameters)?;
    let organisation_id = caller.organisation.id;
    let make = Permission::in_organisation(Action::Write, ResourceType::Authorizations, organisation_id);
    caller.principal.require(make)?;
    if request.token_name.is_empty() {
        return Err(ApiError::invalid("the name of a token is not empty").into());
    }
    let expires_at_ns = request.expiry_secs.map(|seconds| end_of(state.now_ns(), seconds)).transpose()?;
    if tokens(&state, &caller)?.iter().any(|token| token.description == request.token_name) {
        return Err(exists(&request.token_name).into());
    }
    let new = NewAuthorization {
        organisation_id,
        user_id: caller.principal.user_id,
        description: request.token_name,
        status: AuthorizationStatus::Active,
        permissions: caller.principal.permissions.as_slice().to_vec(),
        token: Some(random_token()?),
    };
    let granter = Some(&caller.principal.permissions);
    let created = state.catalog().create_expiring_authorization(new, granter, expires_at_ns).await?;
    tracing::info!(by = describe(&caller.principal), authorization = %created.authorization.id, "made a token");
    Ok(made(&created))
}

/// The time so many seconds from now.
fn end_of(now_ns: i64, seconds: u64) -> ApiResult<i64> {
    let invalid = || ApiError::invalid("expiry_secs is a number of seconds, not zero, that ends before the year 2262");
    let length_ns =
        i64::try_from(seconds).ok().filter(|seconds| *seconds > 0).and_then(|s| s.checked_mul(1_000_000_000));
    length_ns.and_then(|length| now_ns.checked_add(length)).ok_or_else(invalid)
}

/// `POST …/admin/regenerate`: another text for the first token; the old one is unknown from then on.
pub(super) async fn regenerate(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> V3Result<Response> {
    let caller = caller(&state, principal, &parameters)?;
    let old = named(&state, &caller, ADMIN)?;
    check(&caller.principal, Action::Write, old.as_ref())?;
    let new = NewAuthorization {
        organisation_id: old.organisation_id,
        user_id: old.user_id,
        description: ADMIN.to_owned(),
        status: AuthorizationStatus::Active,
        permissions: old.permissions.as_slice().to_vec(),
        token: Some(random_token()?),
    };
    let granter = caller.principal.permissions.clone();
    let created = uninterrupted(async move {
        let created = state.catalog().create_authorization(new, Some(&granter)).await?;
        state.catalog().delete_authorization(old.id).await?;
        Ok(created)
    })
    .await?;
    Ok(made(&created))
}

/// The token of a name that the caller may see.
fn named(state: &AppState, caller: &Caller, name: &str) -> ApiResult<Arc<Authorization>> {
    tokens(state, caller)?.into_iter().find(|token| token.description == name).ok_or_else(|| not_found(name))
}

/// `DELETE ?token_name`.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> V3Result<StatusCode> {
    let caller = caller(&state, principal, &parameters)?;
    let missing = || ApiError::invalid("missing query parameter 'token_name'");
    let found = named(&state, &caller, parameters.get("token_name").ok_or_else(missing)?)?;
    check(&caller.principal, Action::Write, found.as_ref())?;
    state.catalog().delete_authorization(found.id).await?;
    tracing::info!(by = describe(&caller.principal), authorization = %found.id, "deleted a token");
    Ok(StatusCode::OK)
}

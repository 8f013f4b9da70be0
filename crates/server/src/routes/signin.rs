//! `/api/v2/signin` and `/api/v2/signout`: sessions of the user interface, by cookie (wire-api 2.1).

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use catalog::{CatalogError, Class, User};
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::{AuthError, SESSION_COOKIE, basic_credentials, session_key};
use crate::serve::{OverTls, PeerAddress};
use crate::state::AppState;
use crate::times::http_date;

/// `POST /api/v2/signin`: 204 and a cookie for the right name and password. Every failure is the same 401.
pub(super) async fn signin(
    State(state): State<AppState>,
    peer: Option<Extension<PeerAddress>>,
    over_tls: Option<Extension<OverTls>>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let user = verified_user(&state, peer, &headers).await?;
    let created = state.catalog().create_session(user.id).await.map_err(same_refusal)?;
    let secure = if over_tls.is_some_and(|Extension(OverTls(over_tls))| over_tls) { "; Secure" } else { "" };
    let expires = http_date(created.session.expires_at_ns);
    let key = created.key.expose();
    let cookie = format!("{SESSION_COOKIE}={key}; Path=/api/; Expires={expires}; HttpOnly{secure}; SameSite=Strict");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// `POST /api/v2/signout`: ends the session of the cookie.
pub(super) async fn signout(State(state): State<AppState>, headers: HeaderMap) -> ApiResult<Response> {
    let key = session_key(&headers).ok_or(AuthError::Missing)?;
    if !state.catalog().delete_session(key).await? {
        return Err(AuthError::Missing.into());
    }
    let cookie = format!("{SESSION_COOKIE}=; Path=/api/; Max-Age=0; HttpOnly; SameSite=Strict");
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// The user of HTTP Basic, if the password is right. Guessing is slowed by address.
pub(super) async fn verified_user(
    state: &AppState,
    peer: Option<Extension<PeerAddress>>,
    headers: &HeaderMap,
) -> ApiResult<Arc<User>> {
    let address: Option<IpAddr> = peer.map(|Extension(PeerAddress(address))| address.ip());
    let wait = state.throttle().wait(address, Instant::now());
    if !wait.is_zero() {
        let error = ApiError::new(Code::TooManyRequests, "too many failed attempts, try again later");
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        return Err(error.retry_after_s(seconds));
    }
    let (name, password) = basic_credentials(headers).ok_or(AuthError::Missing)?;
    let verified = state.catalog().verify_password(&name, &password).await;
    match &verified {
        Ok(_) => state.throttle().note(address, true, Instant::now()),
        Err(error) if error.class() == Class::Unauthorized => {
            state.throttle().note(address, false, Instant::now());
            state.metrics().signin_failed();
        }
        Err(_) => {}
    }
    Ok(verified?)
}

/// An inactive or vanished user is told no more than a wrong password.
fn same_refusal(error: CatalogError) -> ApiError {
    match error.class() {
        Class::Forbidden | Class::NotFound => AuthError::Missing.into(),
        _ => error.into(),
    }
}

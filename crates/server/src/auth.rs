//! Who is asking: from the headers of a request to a [`Principal`], and the checks of what that may do.
//!
//! `Authorization: Token …` or `Bearer …`, in any case, otherwise the session cookie. HTTP Basic counts only where
//! [`basic_credentials`] is called: signin and the password endpoints. Routes behind [`authenticate`] cannot be reached
//! without a principal; what it may do there each handler says with [`Principal::require`].

use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use catalog::{AuthenticationError, Class, Credential, Principal, V1Authentication};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiResult, Code};
use crate::request::Parameters;
use crate::state::AppState;

/// The cookie of a session.
pub(crate) const SESSION_COOKIE: &str = "influxdb-oss-session";

/// Why nobody stands behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthError {
    /// Neither a token nor a cookie, or in a scheme that does not count here.
    #[error("unauthorized access")]
    Missing,
    /// There is a token or a cookie, but it stands for nobody who may do anything.
    #[error(transparent)]
    Rejected(#[from] AuthenticationError),
}

/// What a request shows to say who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown<'a> {
    Token(&'a str),
    SessionKey(&'a str),
}

/// The token of the `Authorization` header, otherwise the key of the cookie.
fn shown(headers: &HeaderMap) -> Option<Shown<'_>> {
    token(headers).map(Shown::Token).or_else(|| session_key(headers).map(Shown::SessionKey))
}

/// The token of `Authorization: Token …` or `Bearer …`.
fn token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let is_known = scheme.eq_ignore_ascii_case("token") || scheme.eq_ignore_ascii_case("bearer");
    let token = token.trim();
    (is_known && !token.is_empty()).then_some(token)
}

/// The key of the session cookie.
pub(crate) fn session_key(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    let (_, key) = cookies.find(|(name, _)| *name == SESSION_COOKIE)?;
    let key = key.trim_matches('"');
    (!key.is_empty()).then_some(key)
}

/// Name and password of `Authorization: Basic …`. Drivers in Go leave the padding out.
pub(crate) fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD_NO_PAD.decode(encoded.trim().trim_end_matches('=')).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Whoever is asking. A session that was used is renewed.
pub(crate) async fn principal(state: &AppState, headers: &HeaderMap) -> Result<Principal, AuthError> {
    match shown(headers).ok_or(AuthError::Missing)? {
        Shown::Token(token) => Ok(state.catalog().authenticate_token(token)?),
        Shown::SessionKey(key) => {
            let principal = state.catalog().authenticate_session(key)?;
            // Not a reason to refuse: the session is good now.
            if let Err(error) = state.catalog().renew_session(key).await {
                tracing::warn!(%error, "a session could not be renewed");
            }
            Ok(principal)
        }
    }
}

/// Whoever is asking on an endpoint of InfluxDB 1.x: `u` and `p`, otherwise the `Authorization` header, which may be
/// Basic. A name is that of a user of 1.x; where there is none of it, the password is a token. Cookies do not count.
///
/// Only a password that has to be hashed can be guessed, so only there a client that failed has to wait.
pub(crate) async fn v1_principal(
    state: &AppState,
    headers: &HeaderMap,
    parameters: &Parameters,
    address: Option<IpAddr>,
) -> ApiResult<Principal> {
    if let (Some(name), Some(password)) = (parameters.get("u"), parameters.get("p")) {
        return v1_user_or_token(state, name, password, address).await;
    }
    if let Some(token) = token(headers) {
        // Agents of 1.x write `Token name:password`; but a token may have a colon of its own.
        return match (state.catalog().authenticate_token(token), token.split_once(':')) {
            (Ok(principal), _) => Ok(principal),
            (Err(AuthenticationError::Unauthorized), Some((name, password))) => {
                v1_user_or_token(state, name, password, address).await
            }
            (Err(error), _) => Err(AuthError::Rejected(error).into()),
        };
    }
    let (name, password) = basic_credentials(headers).ok_or(AuthError::Missing)?;
    v1_user_or_token(state, &name, &password, address).await
}

/// The user of 1.x of this name and password. Where there is none of the name, whoever has the token.
async fn v1_user_or_token(
    state: &AppState,
    name: &str,
    password: &str,
    address: Option<IpAddr>,
) -> ApiResult<Principal> {
    match state.catalog().remembered_v1_user(name, password).map_err(AuthError::Rejected)? {
        V1Authentication::Known(principal) => return Ok(principal),
        V1Authentication::NoSuchUser => {
            return Ok(state.catalog().authenticate_token(password).map_err(AuthError::Rejected)?);
        }
        V1Authentication::NotRemembered => {}
    }
    let wait = state.throttle().wait(address, Instant::now());
    if !wait.is_zero() {
        let error = ApiError::new(Code::TooManyRequests, "too many failed attempts, try again later");
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        return Err(error.retry_after_s(seconds));
    }
    let verified = state.catalog().verify_v1_user(name, password).await;
    match &verified {
        Ok(_) => state.throttle().note(address, true, Instant::now()),
        Err(error) if error.class() == Class::Unauthorized => {
            state.throttle().note(address, false, Instant::now());
            state.metrics().signin_failed();
        }
        Err(_) => {}
    }
    Ok(verified?.map_err(AuthError::Rejected)?)
}

/// Stands before all routes that need a principal, and gives it to the handler.
pub(crate) async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    // No route has this method, and whoever asks for the others need not be known.
    if request.method() == Method::OPTIONS {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    match principal(&state, request.headers()).await {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(error) => ApiError::from(error).into_response(),
    }
}

/// The principal that [`authenticate`] found. On a route that does not stand behind it, nobody.
#[derive(Debug)]
pub(crate) struct Authenticated(pub(crate) Principal);

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &AppState) -> Result<Self, ApiError> {
        parts.extensions.get::<Principal>().cloned().map(Self).ok_or_else(|| AuthError::Missing.into())
    }
}

/// How a principal is named in the log: never by anything secret.
pub(crate) fn describe(principal: &Principal) -> String {
    match principal.credential {
        Credential::Authorization(id) => format!("authorization {id} of user {}", principal.user_id),
        Credential::V1User(id) => format!("user {id} of 1.x, for user {}", principal.user_id),
        Credential::Job(id) => format!("job {id}"),
        Credential::Session => format!("session of user {}", principal.user_id),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_counts_as_a_token_or_a_cookie() {
        let cookie = "influxdb-oss-session=k==";
        for (pairs, expected) in [
            (&[][..], None),
            (&[("authorization", "Token x")], Some(Shown::Token("x"))),
            (&[("authorization", "token x")], Some(Shown::Token("x"))),
            (&[("authorization", "BEARER x==")], Some(Shown::Token("x=="))),
            (&[("authorization", "Token  x")], Some(Shown::Token("x"))),
            (&[("authorization", "Token ")], None),
            (&[("authorization", "Token")], None),
            (&[("authorization", "x")], None),
            (&[("authorization", "Basic dTpw")], None),
            (&[("authorization", "Digest x")], None),
            (&[("cookie", cookie)], Some(Shown::SessionKey("k=="))),
            (&[("cookie", "a=b; influxdb-oss-session=k; c=d")], Some(Shown::SessionKey("k"))),
            (&[("cookie", "influxdb-oss-session=")], None),
            (&[("cookie", "xinfluxdb-oss-session=k")], None),
            (&[("authorization", "Basic dTpw"), ("cookie", cookie)], Some(Shown::SessionKey("k=="))),
            (&[("authorization", "Token x"), ("cookie", cookie)], Some(Shown::Token("x"))),
        ] {
            assert_eq!(shown(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[test]
    fn basic() {
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        for (value, expected) in [
            ("Basic dTpwYXNzd29yZDE=", pair("u", "password1")),
            ("Basic dTpwYXNzd29yZDE", pair("u", "password1")),
            ("basic dTpwOnE=", pair("u", "p:q")),
            ("Basic !!!", None),
            ("Basic dQ==", None),
            ("Token dTpw", None),
        ] {
            assert_eq!(basic_credentials(&headers(&[("authorization", value)])), expected, "{value}");
        }
    }
}

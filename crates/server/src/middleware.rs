//! What happens around every request: its id and log span, the headers that every answer has, CORS, counting, and the
//! answers that the router itself would give without a body.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use tracing::Instrument;

use crate::api_error::{ApiError, Code};
use crate::cors;
use crate::request_id::{REQUEST_ID, request_id};
use crate::state::AppState;

/// Says which product answers; clients test that it is there, and `OSS` keeps the CLI from offering Cloud's commands.
const BUILD: (HeaderName, HeaderValue) = (HeaderName::from_static("x-influxdb-build"), HeaderValue::from_static("OSS"));

/// The version that clients parse: the InfluxDB release whose API this is, then ours.
pub(crate) const API_VERSION: &str = concat!("v2.9.0-freshet.", env!("CARGO_PKG_VERSION"));

const VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-influxdb-version"), HeaderValue::from_static(API_VERSION));

/// Wraps every request, the unknown paths too.
pub(crate) async fn observe(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let user_agent = request.headers().get(header::USER_AGENT).cloned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let is_preflight = cors::is_preflight(&method, request.headers());
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        %method,
        path = request.uri().path(),
    );
    let in_flight = state.metrics().request_started();
    let started = tokio::time::Instant::now();

    let mut response = if is_preflight {
        cors::preflight_status().into_response()
    } else {
        next.run(request).instrument(span.clone()).await
    };

    let headers = response.headers_mut();
    headers.insert(BUILD.0, BUILD.1);
    headers.insert(VERSION.0, VERSION.1);
    headers.insert(REQUEST_ID, id);
    cors::add_headers(origin.as_ref(), is_preflight, headers);
    let duration = started.elapsed();
    let user_agent = user_agent.as_ref().and_then(|value| value.to_str().ok());
    let route = route.as_ref().map(MatchedPath::as_str);
    state.metrics().request_finished(&method, route, response.status(), user_agent, duration);
    tracing::debug!(parent: &span, status = response.status().as_u16(), ?duration, "answered");
    drop(in_flight);
    response
}

/// The router answers a wrong method with an `Allow` header and nothing else; clients expect JSON. The router adds the
/// header last, and to every answer for a wrong method, also to 401 and a preflight. So this stands around it, keeps
/// what [`observe`] has added, and takes the header from answers that are not about methods.
pub(crate) fn with_body_for_405(mut response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().remove(header::ALLOW);
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let allow = parts.headers.get(header::ALLOW).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let allow = allow.split(',').map(str::trim).collect::<Vec<_>>().join(", ");
    if let Ok(value) = HeaderValue::from_str(&allow) {
        parts.headers.insert(header::ALLOW, value);
    }
    let (answer, body) = ApiError::new(Code::MethodNotAllowed, format!("allow: {allow}")).into_response().into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.extend(answer.headers);
    Response::from_parts(parts, body)
}

/// What a client gets when a handler panicked; the panic itself is in the log already.
pub(crate) fn answer_panic(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    ApiError::internal(format!("a handler panicked: {}", text.unwrap_or("no message"))).into_response()
}

/// Any path that no route has.
pub(crate) async fn path_not_found() -> ApiError {
    ApiError::not_found("path not found")
}

/// Removes slashes from the end of the path, as InfluxDB does (http/router.go), before the router sees it.
pub(crate) fn strip_trailing_slashes<B>(mut request: http::Request<B>) -> http::Request<B> {
    let path = request.uri().path();
    let stripped = path.trim_end_matches('/');
    if stripped.len() == path.len() || stripped.is_empty() {
        return request;
    }
    let path_and_query = match request.uri().query() {
        Some(query) => format!("{stripped}?{query}"),
        None => stripped.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = path_and_query.parse().ok();
    // Both are parts of an address that was valid; should they not make one, the request stays as it is.
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn trailing_slashes() {
        for (given, expected) in [
            ("/", "/"),
            ("/ping", "/ping"),
            ("/ping/", "/ping"),
            ("/api/v2/buckets//?org=o", "/api/v2/buckets?org=o"),
            ("http://localhost/ping/", "http://localhost/ping"),
            ("//", "//"),
        ] {
            let request = strip_trailing_slashes(Request::builder().uri(given).body(()).unwrap());
            assert_eq!(request.uri().to_string(), expected, "{given}");
        }
    }

    #[tokio::test]
    async fn a_wrong_method_names_the_right_ones() {
        let bare = [(header::ALLOW, "GET,HEAD,POST"), (header::CONTENT_LENGTH, "0"), (REQUEST_ID, "7")];
        let bare = (StatusCode::METHOD_NOT_ALLOWED, bare).into_response();
        let answer = with_body_for_405(bare);
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()[header::ALLOW], "GET, HEAD, POST");
        assert_eq!(answer.headers()[REQUEST_ID], "7");
        assert_eq!(answer.headers().get(header::CONTENT_LENGTH), None);
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.unwrap();
        assert_eq!(&body[..], br#"{"code":"method not allowed","message":"allow: GET, HEAD, POST"}"#);
        let refused = with_body_for_405((StatusCode::UNAUTHORIZED, [(header::ALLOW, "GET")]).into_response());
        assert_eq!(refused.headers().get(header::ALLOW), None);
    }
}

//! Cross-origin requests as InfluxDB answers them (kit/transport/http/middleware.go): the origin is echoed, a preflight
//! is answered 204 with fixed lists, and credentials are never allowed, so another origin cannot use a cookie.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// Methods that a page may use.
const ALLOW_METHODS: HeaderValue = HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE, PATCH");
/// Headers that a page may send; `Content-Encoding` is added to InfluxDB's list because we accept what it names.
const ALLOW_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept, Content-Type, Content-Length, Content-Encoding, Accept-Encoding, Authorization, User-Agent",
);

/// Whether this is a preflight: it is answered before routing, authentication and everything else.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    method == Method::OPTIONS && headers.contains_key(header::ORIGIN)
}

/// The answer to a preflight; [`add_headers`] completes it.
pub(crate) fn preflight_status() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Adds what a browser needs to see to the response for a request with this origin.
pub(crate) fn add_headers(origin: Option<&HeaderValue>, preflight: bool, response: &mut HeaderMap) {
    let Some(origin) = origin else { return };
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    // The answer differs by origin, so a shared cache must not serve one origin's copy to another.
    response.append(header::VARY, HeaderValue::from_static("Origin"));
    if preflight {
        response.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOW_METHODS);
        response.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
    }
}

//! The id of a request: the client's `X-Request-Id` if it is usable, otherwise a new UUID. It goes into the log span of
//! the request and back to the client, so that an answer without details can be found in the log.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::REQUEST_ID_CHARACTERS;

/// The header that carries the id in both directions.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request with these headers.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let from_client = headers.get(&REQUEST_ID).filter(|value| is_usable(value.as_bytes()));
    match from_client {
        Some(value) => value.clone(),
        // A UUID is ASCII, so the second branch is never taken.
        None => HeaderValue::try_from(uuid::Uuid::now_v7().to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
    }
}

/// Whether a client's id may stand in our log: short, and of characters that cannot forge a line or a field.
fn is_usable(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    !id.is_empty() && id.len() <= REQUEST_ID_CHARACTERS && id.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_client_is_kept_if_it_is_plain() {
        for (id, kept) in [
            ("abc-1", true),
            ("0195f0a2-7b1e-7c3d-8a4b-1c2d3e4f5a6b", true),
            ("", false),
            ("two words", false),
            ("a\"b", false),
            (&"x".repeat(128), true),
            (&"x".repeat(129), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(id) {
                headers.insert(REQUEST_ID, value);
            }
            assert_eq!(request_id(&headers).as_bytes() == id.as_bytes(), kept, "{id:?}");
        }
    }

    #[test]
    fn ids_made_here_differ() {
        let headers = HeaderMap::new();
        assert_ne!(request_id(&headers), request_id(&headers));
        assert_eq!(request_id(&headers).len(), 36);
    }
}

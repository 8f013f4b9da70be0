//! How answers become errors, and which of them are worth a second try.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::{Rejection, RequestError, WithCauses, WriteError, parse_retry_after};

fn rejection(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Rejection {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Rejection::from_parts(StatusCode::from_u16(status).unwrap(), &map, body.as_bytes(), SystemTime::UNIX_EPOCH)
}

#[test]
fn code_and_message_come_from_the_body_then_from_headers_then_from_the_status() {
    let check = |status, headers, body, code: Option<&str>, message: &str| {
        let rejection = rejection(status, headers, body);
        assert_eq!((rejection.code.as_deref(), rejection.message.as_str()), (code, message), "{body}");
    };
    let v2 = r#"{"code":"not found","message":"bucket \"x\" not found"}"#;
    check(404, &[], v2, Some("not found"), "bucket \"x\" not found");
    check(404, &[("x-influxdb-error", "other")], v2, Some("not found"), "bucket \"x\" not found");
    check(400, &[], r#"{"error":"database is required"}"#, None, "database is required");
    check(400, &[("x-influxdb-error", "from the header")], "", None, "from the header");
    check(413, &[("x-platform-error-code", "request too large")], "", Some("request too large"), "Payload Too Large");
    check(502, &[], "  upstream is gone\n", None, "upstream is gone");
    check(400, &[], "[1]", None, "[1]");
    check(500, &[], r#"{"code":7}"#, None, r#"{"code":7}"#);
    check(599, &[], "", None, "no message");
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let rejection = rejection(500, &[], &format!("x{}", "é".repeat(5000)));
    assert_eq!(rejection.message.len(), 4095);
    assert!(rejection.message.ends_with('é'));
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let check = |value, seconds: Option<u64>| {
        assert_eq!(parse_retry_after(value, now), seconds.map(Duration::from_secs), "{value}");
    };
    check("0", Some(0));
    check(" 120 ", Some(120));
    check("Sun, 06 Nov 1994 08:50:07 GMT", Some(30));
    check("Sun, 06 Nov 1994 08:49:07 GMT", Some(0));
    check("-1", None);
    check("1.5", None);
    check("soon", None);
    check("", None);
}

#[test]
fn only_passing_states_are_retryable() {
    for (status, expected) in [
        (200, false),
        (301, false),
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, true),
        (413, false),
        (415, false),
        (422, false),
        (429, true),
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
        (505, false),
    ] {
        assert_eq!(rejection(status, &[], "").is_retryable(), expected, "{status}");
    }
    let timeout = RequestError::Timeout { source: "late".into() };
    let transport = RequestError::Transport { source: "reset".into() };
    assert!(timeout.is_retryable() && transport.is_retryable());
    assert!(!RequestError::AnswerTooLarge { limit_bytes: 1 }.is_retryable());
    assert!(!WriteError::Compress { source: "closing".into() }.is_retryable());
}

#[test]
fn the_text_of_an_error_names_status_code_and_message() {
    let text = |body| WriteError::Request(rejection(404, &[], body).into()).to_string();
    assert_eq!(text(r#"{"code":"not found","message":"no"}"#), "the server answered 404 (not found): no");
    assert_eq!(text("no"), "the server answered 404: no");
    let broken = WriteError::Request(RequestError::Transport { source: "reset by peer".into() });
    assert_eq!(WithCauses(&broken).to_string(), "the connection to the server failed: reset by peer");
}

//! Nothing secret reaches the log or an answer: tokens, passwords, session keys.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::Request;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Setup, TestServer};

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const PASSWORD: &str = "a-secret-password";
const OPERATOR: &str = "a-secret-operator-token";

fn request(method: &str, address: &str, headers: &[(&str, &str)], body: String) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn neither_logs_nor_answers_show_them() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let server = TestServer::with(Setup { onboard: false, ..Setup::default() }).await;
    let operator = format!("Token {OPERATOR}");
    let authorized = [("authorization", operator.as_str())];

    let setup = format!(r#"{{"username":"u","password":"{PASSWORD}","org":"o","bucket":"b","token":"{OPERATOR}"}}"#);
    let made = server.send(request("POST", "/api/v2/setup", &[], setup.clone())).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(made.text().contains(OPERATOR) && !made.text().contains(PASSWORD));
    let org = made.json()["org"]["id"].as_str().unwrap().to_owned();

    let body = format!(r#"{{"orgID":"{org}","permissions":[{{"action":"read","resource":{{"type":"buckets"}}}}]}}"#);
    let made = server.send(request("POST", "/api/v2/authorizations", &authorized, body)).await;
    let token = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 88);

    let basic = format!("Basic {}", base64(&format!("u:{PASSWORD}")));
    let signed_in = server.send(request("POST", "/api/v2/signin", &[("authorization", &basic)], String::new())).await;
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    let key = cookie.split_once('=').unwrap().1.to_owned();
    assert_eq!(key.len(), 88);

    let mut answers = Vec::new();
    for (method, address, body) in [
        ("GET", "/api/v2/authorizations", ""),
        ("GET", "/api/v2/me", ""),
        ("GET", "/api/v2/users", ""),
        ("GET", "/metrics", ""),
        ("GET", "/health", ""),
        ("POST", "/api/v2/write?org=o&bucket=b", "m f=1"),
        ("POST", "/api/v2/write?org=o&bucket=b", "bad"),
        ("POST", "/api/v2/setup", setup.as_str()),
        ("POST", "/api/v2/buckets", "not json"),
        ("GET", "/api/v3/query_sql?db=b&q=SELEC", ""),
        ("GET", "/api/v2/nope", ""),
        ("POST", "/api/freshet/v1/flush", ""),
    ] {
        let token_header = format!("Bearer {token}");
        for headers in [&authorized[..], &[("cookie", cookie.as_str())], &[("authorization", &token_header)]] {
            answers.push(server.send(request(method, address, headers, body.to_owned())).await.text());
        }
    }
    for (name, value) in [("authorization", "Token a-secret-that-is-wrong"), ("authorization", &basic)] {
        let headers = [(name, value)];
        answers.push(server.send(request("GET", "/api/v2/me", &headers, String::new())).await.text());
    }

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("/api/v2/setup"), "nothing was logged: {log}");
    let encoded = basic.trim_start_matches("Basic ");
    let secrets = [PASSWORD, OPERATOR, token.as_str(), key.as_str(), encoded, "a-secret-that-is-wrong"];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        for answer in &answers {
            assert!(!answer.contains(secret), "{secret} is in an answer: {answer}");
        }
    }
    for hash in ["$argon2", "hashedToken"] {
        assert!(answers.iter().all(|answer| !answer.contains(hash)), "{hash}");
    }
}

/// Base64 of ASCII text.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index) & 63) as usize];
            encoded.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    encoded
}

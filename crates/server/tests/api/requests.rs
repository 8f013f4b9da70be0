//! What a text file cannot say about requests: when bodies are read, how long they may take, ids, and overload.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use http::Request;
use server::Limits;
use tokio::sync::mpsc;

use crate::support::{Answer, Setup, TOKEN, TestServer, small_limits};

fn write_request(address: &str, token: Option<&str>, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method("POST").uri(address);
    if let Some(token) = token {
        request = request.header("authorization", format!("Token {token}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// A body that notes when somebody looks at it.
fn watched_body() -> (Body, Arc<AtomicBool>) {
    let looked_at = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&looked_at);
    let body = futures::stream::once(async move {
        note.store(true, Ordering::SeqCst);
        Ok::<_, io::Error>("m f=1")
    });
    (Body::from_stream(body), looked_at)
}

#[tokio::test]
async fn what_the_head_decides_is_answered_before_the_body_is_read() {
    let server = TestServer::start(&[]).await;
    let reader = server.token(r#"[{"action":"read","resource":{"type":"buckets","orgID":"<org>"}}]"#).await;
    let good = "/api/v2/write?org=o&bucket=b";
    for (address, token, headers, status) in [
        (good, None, &[][..], 401),
        (good, Some("unknown"), &[], 401),
        (good, Some(reader.as_str()), &[], 403),
        ("/api/v2/write?org=o&bucket=absent", Some(TOKEN), &[], 404),
        ("/api/v2/write?org=absent&bucket=b", Some(TOKEN), &[], 404),
        ("/api/v2/write?bucket=b", Some(TOKEN), &[], 400),
        ("/api/v2/write?org=o", Some(TOKEN), &[], 404),
        ("/api/v2/write?org=o&bucket=b&precision=h", Some(TOKEN), &[], 400),
        (good, Some(TOKEN), &[("content-encoding", "br")], 415),
        ("/api/v2/nope", Some(TOKEN), &[], 404),
    ] {
        let (body, looked_at) = watched_body();
        let answer = server.send(write_request(address, token, headers, body)).await;
        assert_eq!(answer.status, status, "{address}: {}", answer.text());
        assert!(!looked_at.load(Ordering::SeqCst), "{address} {status}: the body was read");
    }
    let (body, looked_at) = watched_body();
    assert_eq!(server.send(write_request(good, Some(TOKEN), &[], body)).await.status, 204);
    assert!(looked_at.load(Ordering::SeqCst));
}

#[tokio::test]
async fn json_bodies_are_read_after_authentication() {
    let server = TestServer::start(&[]).await;
    for path in ["/api/v2/buckets", "/api/v2/orgs", "/api/v2/users", "/api/v2/authorizations", "/api/v3/query_sql"] {
        let (body, looked_at) = watched_body();
        assert_eq!(server.send(write_request(path, Some("unknown"), &[], body)).await.status, 401, "{path}");
        assert!(!looked_at.load(Ordering::SeqCst), "{path}");
    }
}

#[tokio::test]
async fn every_answer_has_an_id() {
    let server = TestServer::start(&[]).await;
    let id_of = async |given: Option<&str>, path: &str| {
        let mut request = Request::builder().uri(path);
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        server.send(request.body(Body::empty()).unwrap()).await.header("x-request-id").to_owned()
    };
    assert_eq!(id_of(Some("abc-1"), "/ping").await, "abc-1");
    assert_eq!(id_of(Some("abc-1"), "/api/v2/buckets").await, "abc-1");
    assert_eq!(id_of(Some("abc-1"), "/nope").await, "abc-1");
    for unusable in ["two words", "a\"b", &"x".repeat(129)] {
        let id = id_of(Some(unusable), "/ping").await;
        assert_eq!(id.len(), 36, "{unusable}: {id}");
    }
    assert_ne!(id_of(None, "/ping").await, id_of(None, "/ping").await);
}

#[tokio::test]
async fn every_answer_names_the_product() {
    let server = TestServer::start(&[]).await;
    for path in ["/ping", "/health", "/metrics", "/api/v2/buckets", "/api/v2/nope", "/nope"] {
        let answer = server.send(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("x-influxdb-build"), "OSS", "{path}");
        let version = answer.header("x-influxdb-version");
        assert!(version.starts_with("v2."), "{path}: {version}");
    }
}

/// A body whose pieces the test sends one by one.
fn body_in_pieces() -> (Body, mpsc::Sender<io::Result<Bytes>>) {
    let (sender, receiver) = mpsc::channel(16);
    let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
        let piece: io::Result<Bytes> = receiver.recv().await?;
        Some((piece, receiver))
    });
    (Body::from_stream(pieces.boxed()), sender)
}

#[tokio::test]
async fn a_client_that_stops_in_the_middle_is_answered_408() {
    let limits = Limits { body_stall: Duration::from_millis(30), ..Limits::default() };
    let server = TestServer::with(Setup { limits, ..Setup::default() }).await;
    let (body, sender) = body_in_pieces();
    sender.send(Ok("m f=1 1\nm f=".into())).await.unwrap();
    let answer = server.write(body).await;
    assert_eq!((answer.status, answer.header("x-platform-error-code")), (408, "request timeout"), "{}", answer.text());
    drop(sender);
    assert_nothing_was_stored(&server).await;
}

#[tokio::test]
async fn a_connection_that_breaks_stores_nothing() {
    let server = TestServer::start(&[]).await;
    let (body, sender) = body_in_pieces();
    sender.send(Ok("m f=1 1\nm f=2 2\n".into())).await.unwrap();
    sender.send(Err(io::Error::other("reset"))).await.unwrap();
    let answer = server.write(body).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_nothing_was_stored(&server).await;
}

async fn assert_nothing_was_stored(server: &TestServer) {
    let tables = server.query("SELECT count(*) AS n FROM information_schema.tables WHERE table_name = 'm'").await;
    assert_eq!(tables, serde_json::json!([{ "n": 0 }]));
    let metrics = server.call("GET", "/metrics", "").await.text();
    assert!(metrics.lines().any(|line| line == "freshet_body_bytes 0"), "{metrics}");
}

fn is_busy(answer: &Answer) -> bool {
    answer.status == 503
        && answer.header("x-platform-error-code") == "unavailable"
        && answer.header("retry-after") == "1"
}

#[tokio::test]
async fn bodies_beyond_the_budget_are_refused_until_others_end() {
    let limits = Limits { bodies_in_flight_bytes: 100 << 10, ..small_limits() };
    let server = Arc::new(TestServer::with(Setup { limits, ..Setup::default() }).await);
    let (body, sender) = body_in_pieces();
    let first = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.write(body).await }
    });
    sender.send(Ok(vec![b' '; 40 << 10].into())).await.unwrap();
    while !server.call("GET", "/metrics", "").await.text().contains("\nfreshet_body_bytes 40960\n") {
        tokio::task::yield_now().await;
    }
    let second = || vec![b' '; 64 << 10];
    let refused = server.write(second()).await;
    assert!(is_busy(&refused), "{} {}", refused.status, refused.text());
    sender.send(Ok("\nm f=1 1".into())).await.unwrap();
    drop(sender);
    let answer = first.await.unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(server.write(second()).await.status, 204);
    assert_eq!(server.query("SELECT f FROM m").await, serde_json::json!([{ "f": 1.0 }]));
}

#[tokio::test]
async fn an_overloaded_server_refuses_and_recovers() {
    let limits = Limits { bodies_in_flight_bytes: 256 << 10, ..small_limits() };
    let server = Arc::new(TestServer::with(Setup { limits, ..Setup::default() }).await);
    let lines = |writer: usize| format!("m,w={writer} f=1 1\n{}", " ".repeat(60 << 10));
    let (mut stored, mut refused): (Vec<usize>, usize) = (Vec::new(), 0);
    let mut waiting: Vec<usize> = (0..64).collect();
    for _ in 0..200 {
        if waiting.is_empty() {
            break;
        }
        let tasks: Vec<_> = waiting
            .drain(..)
            .map(|writer| {
                let server = Arc::clone(&server);
                tokio::spawn(async move { (writer, server.write(lines(writer)).await) })
            })
            .collect();
        for task in tasks {
            let (writer, answer) = task.await.unwrap();
            match answer.status {
                204 => stored.push(writer),
                _ => {
                    assert!(is_busy(&answer), "{} {}", answer.status, answer.text());
                    refused += 1;
                    waiting.push(writer);
                }
            }
        }
    }
    assert_eq!(stored.len(), 64);
    assert!(refused > 0, "the server was never overloaded");
    assert_eq!(server.query("SELECT count(*) AS n FROM m").await, serde_json::json!([{ "n": 64 }]));
}

#[tokio::test]
async fn many_bad_lines_do_not_make_an_endless_answer() {
    let server = TestServer::start(&[]).await;
    let answer = server.write("bad\n".repeat(100_000)).await;
    assert_eq!(answer.status, 400);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("unable to parse 'bad': missing fields\n"), "{}", &message[..100]);
    assert_eq!(message.lines().count(), 1001);
    assert!(message.ends_with("and 99000 more lines that cannot be parsed"));
}

#[tokio::test]
async fn a_batch_of_ten_thousand_new_measurements() {
    let server = TestServer::start(&[]).await;
    let lines: String = (0..10_000).map(|number| format!("m{number},t=a f={number}i 1\n")).collect();
    let answer = server.write(lines).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(server.query("SELECT f FROM m9999").await, serde_json::json!([{ "f": 9999 }]));
    let count = server.query("SELECT count(*) AS n FROM information_schema.tables WHERE table_schema = 'iox'").await;
    assert_eq!(count, serde_json::json!([{ "n": 10_000 }]));
}

#[tokio::test]
async fn a_session_works_wherever_a_token_does() {
    let server = TestServer::start(&[]).await;
    let request = Request::builder().method("POST").uri("/api/v2/signin");
    let request = request.header("authorization", "Basic dTpwYXNzd29yZDE=").body(Body::empty()).unwrap();
    let answer = server.send(request).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    let call = async |method: &str, address: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(address).header("cookie", &cookie);
        server.send(request.body(Body::from(body)).unwrap()).await
    };
    assert_eq!(call("POST", "/api/v2/write?org=o&bucket=b", "m f=1 1").await.status, 204);
    assert_eq!(call("GET", "/api/v3/query_sql?db=b&q=SELECT+f+FROM+m", "").await.text(), r#"[{"f":1.0}]"#);
    assert_eq!(call("GET", "/api/v2/me", "").await.json()["name"], "u");
    assert_eq!(call("GET", "/api/v2/buckets", "").await.json()["buckets"].as_array().unwrap().len(), 3);
    assert_eq!(call("POST", "/api/v2/signout", "").await.status, 204);
    assert_eq!(call("GET", "/api/v2/me", "").await.status, 401);
}

#[tokio::test]
async fn a_result_as_parquet() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.write("m,t=a f=1,i=2i 1767225600000000000\nm,t=b f=2 1767225601000000000").await.status, 204);
    let answer = server.call("GET", "/api/v3/query_sql?db=b&q=SELECT+*+FROM+m+ORDER+BY+time&format=parquet", "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/vnd.apache.parquet"));
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(answer.body, 100).unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    let rows = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
    let expected = "\
+---------------------+---+-----+---+
| time                | t | f   | i |
+---------------------+---+-----+---+
| 2026-01-01T00:00:00 | a | 1.0 | 2 |
| 2026-01-01T00:00:01 | b | 2.0 |   |
+---------------------+---+-----+---+";
    assert_eq!(rows, expected);
}

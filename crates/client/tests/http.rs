//! The client against an HTTP server: what goes over the wire, and what comes of the answers.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub, reason = "tests")]

mod support;

use std::io::Read;
use std::time::Duration;

use freshet_client::{
    BatchWriterBuilder, Client, ClientBuilder, ContentEncoding, FlushError, HealthStatus, PostWriteRequest, Precision,
    QueryError, RequestError, RetryPolicy, SqlFormat, SqlQuery, WriteError,
};
use futures::StreamExt;
use hyper::Method;
use serde_json::{Value, json};
use support::{Answer, TestServer};

fn builder(server: &TestServer) -> ClientBuilder {
    Client::builder(&server.url).token("secret").environment_proxy(false)
}

fn client(server: &TestServer) -> Client {
    builder(server).build().unwrap()
}

fn write(body: &str) -> PostWriteRequest {
    PostWriteRequest { body: body.to_owned().into(), bucket: "b".to_owned(), ..PostWriteRequest::default() }
}

fn status(status: u16, body: &'static str) -> Answer {
    Answer::Http(status, Vec::new(), body)
}

/// A writer that does not wait between attempts.
fn hasty(builder: BatchWriterBuilder) -> BatchWriterBuilder {
    let delay = Duration::from_millis(1);
    builder.retry(RetryPolicy { delay_first: delay, delay_max: delay, ..RetryPolicy::default() })
}

fn gunzip(body: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn a_write_has_the_parameters_of_the_request_and_no_others() {
    let mut server = TestServer::start([]).await;
    let client = client(&server);
    let all = PostWriteRequest {
        org: "o".to_owned(),
        org_id: Some("0123456789abcdef".to_owned()),
        precision: Some(Precision::Milliseconds),
        ..write("m f=1 1")
    };
    let odd = PostWriteRequest { bucket: "a b&c=d/ü+%#?".to_owned(), org: "x\u{1F600}\"'\n".to_owned(), ..write("") };
    for (request, expected) in [
        (&write("m f=1"), "/api/v2/write?bucket=b"),
        (&all, "/api/v2/write?org=o&orgID=0123456789abcdef&bucket=b&precision=ms"),
        (&odd, "/api/v2/write?org=x%F0%9F%98%80%22%27%0A&bucket=a+b%26c%3Dd%2F%C3%BC%2B%25%23%3F"),
        (&PostWriteRequest::default(), "/api/v2/write?bucket="),
    ] {
        client.post_write(request).await.unwrap();
        let seen = server.seen.recv().await.unwrap();
        assert_eq!((seen.method.clone(), seen.path_and_query.as_str()), (Method::POST, expected));
        assert_eq!(seen.body, request.body);
        assert_eq!(seen.header("authorization"), "Token secret");
        assert_eq!(seen.header("content-type"), "text/plain; charset=utf-8");
        assert!(seen.header("user-agent").starts_with("freshet-client/"));
        assert!(!seen.headers.contains_key("content-encoding"));
    }
    let anonymous = Client::builder(&server.url).environment_proxy(false).build().unwrap();
    anonymous.post_write(&write("m f=1")).await.unwrap();
    assert!(!server.seen.recv().await.unwrap().headers.contains_key("authorization"));
}

#[tokio::test]
async fn gzip_is_used_where_it_is_on_and_worth_it_and_a_caller_may_compress_alone() {
    let mut server = TestServer::start([]).await;
    let large: String = (0..200).map(|number| format!("m f={number} {number}\n")).collect();
    let client = builder(&server).gzip(true).build().unwrap();

    client.post_write(&write(&large)).await.unwrap();
    let seen = server.seen.recv().await.unwrap();
    assert_eq!(seen.header("content-encoding"), "gzip");
    assert!(seen.body.len() < large.len() / 2);
    assert_eq!(gunzip(&seen.body), large);

    client.post_write(&write("m f=1")).await.unwrap();
    assert_eq!(server.seen.recv().await.unwrap().header("content-encoding"), "");

    let plain = PostWriteRequest { content_encoding: Some(ContentEncoding::Identity), ..write(&large) };
    client.post_write(&plain).await.unwrap();
    assert_eq!(server.seen.recv().await.unwrap().text(), large);

    let own = PostWriteRequest { body: seen.body.clone(), content_encoding: Some(ContentEncoding::Gzip), ..write("") };
    client.post_write(&own).await.unwrap();
    let again = server.seen.recv().await.unwrap();
    assert_eq!((again.header("content-encoding"), &again.body), ("gzip", &seen.body));
}

#[tokio::test]
async fn a_refusal_comes_back_with_status_code_message_and_wait() {
    let json = r#"{"code":"unavailable","message":"memory is full"}"#;
    let server = TestServer::start([
        Answer::Http(503, vec![("retry-after", "7")], json),
        Answer::Http(400, vec![("x-influxdb-error", "bad line")], ""),
        status(200, "<html>a page</html>"),
        Answer::Http(302, vec![("location", "/elsewhere")], ""),
        status(201, ""),
    ])
    .await;
    let client = client(&server);
    let refused = async || match client.post_write(&write("m f=1")).await {
        Err(error @ WriteError::Request(RequestError::Rejected(_))) => error,
        other => panic!("{other:?}"),
    };
    let busy = refused().await;
    assert!(busy.is_retryable());
    assert_eq!(busy.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(busy.to_string(), "the server answered 503 (unavailable): memory is full");
    let bad = refused().await;
    assert_eq!((bad.is_retryable(), bad.rejection().unwrap().message.as_str()), (false, "bad line"));
    assert_eq!(refused().await.rejection().unwrap().status, 200);
    assert_eq!(refused().await.rejection().unwrap().status, 302);
    client.post_write(&write("m f=1")).await.unwrap();
}

#[tokio::test]
async fn broken_connections_and_silence_are_retryable_errors_that_name_no_secret() {
    let server = TestServer::start([Answer::Reset, Answer::Hang]).await;
    let broken = client(&server).post_write(&write("m f=1")).await.unwrap_err();
    assert!(matches!(broken, WriteError::Request(RequestError::Transport { .. })), "{broken:?}");
    let hasty = builder(&server).timeout(Duration::from_millis(100)).build().unwrap();
    let silent = hasty.post_write(&write("m f=1")).await.unwrap_err();
    assert!(matches!(silent, WriteError::Request(RequestError::Timeout { .. })), "{silent:?}");
    let closed_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = Client::builder(format!("http://127.0.0.1:{closed_port}")).environment_proxy(false);
    let nobody = nobody.token("secret").build().unwrap().post_write(&write("m f=1")).await.unwrap_err();
    assert!(matches!(nobody, WriteError::Request(RequestError::Transport { .. })), "{nobody:?}");
    for error in [broken, silent, nobody] {
        assert!(error.is_retryable());
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn the_batch_writer_repeats_after_503_and_after_a_reset_but_not_after_400() {
    let busy = Answer::Http(503, vec![("retry-after", "0")], "");
    let mut server = TestServer::start([busy, Answer::Reset, status(204, ""), status(400, "no")]).await;
    let writer = hasty(client(&server).batch_writer("b")).org("").interval(Duration::from_millis(1)).start().unwrap();
    writer.write("m f=1").await.unwrap();
    writer.flush().await.unwrap();
    let bodies = [server.seen.recv().await, server.seen.recv().await, server.seen.recv().await];
    let [first, second, third] = bodies.map(|seen| seen.unwrap());
    assert_eq!(first.path_and_query, "/api/v2/write?bucket=b&precision=ns", "an empty organisation is not sent");
    let timestamp = first.text().strip_prefix("m f=1 ").unwrap().trim_end().parse::<i64>().unwrap();
    assert!(timestamp > 1_700_000_000_000_000_000);
    assert_eq!([second.body, third.body], [first.body.clone(), first.body]);

    writer.write("m f=2 2").await.unwrap();
    let Err(FlushError::Failed(failures)) = writer.close().await else { panic!("the 400 is lost") };
    assert_eq!((failures.failures[0].lines.as_str(), failures.failures[0].attempts), ("m f=2 2\n", 1));
    assert_eq!((writer.lines_written(), writer.lines_failed()), (1, 1));
}

#[tokio::test]
async fn the_batch_writer_cuts_compressed_batches_that_are_too_large() {
    let mut server = TestServer::start([status(413, "")]).await;
    let writer = hasty(client(&server).batch_writer("b")).gzip(true).start().unwrap();
    let lines: String = (0..400).map(|number| format!("m f={number} {number}\n")).collect();
    writer.write(lines.as_str()).await.unwrap();
    writer.close().await.unwrap();
    let bodies = [server.seen.recv().await, server.seen.recv().await, server.seen.recv().await];
    let [whole, first, second] = bodies.map(|seen| gunzip(&seen.unwrap().body));
    assert_eq!(whole, lines);
    assert_eq!([first, second].concat(), lines);
}

#[tokio::test]
async fn queries_send_their_parameters_and_return_rows() {
    let answer = "{\"time\":\"2024-01-01T00:00:00\",\"v\":1}\n{\"time\":\"2024-01-01T00:00:01\"}\n";
    let array = status(200, r#"[{"v":2}]"#);
    let mut server = TestServer::start([status(200, answer), array, status(200, "not rows")]).await;
    let client = client(&server);
    let rows = client.query_sql("my db", "SELECT 1").await.unwrap();
    assert_eq!(json!(rows), json!([{"time": "2024-01-01T00:00:00", "v": 1}, {"time": "2024-01-01T00:00:01"}]));
    let seen = server.seen.recv().await.unwrap();
    assert_eq!((seen.method.clone(), seen.path_and_query.as_str()), (Method::POST, "/api/v3/query_sql"));
    assert_eq!(seen.header("content-type"), "application/json");
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body, json!({"db": "my db", "q": "SELECT 1", "format": "jsonl"}));

    let query = SqlQuery::new("d", "SELECT $a, $b").param("a", "x\"y").param("b", 1.5).org("my org").org_id("id");
    assert_eq!(json!(client.query_sql_rows(&query).await.unwrap()), json!([{"v": 2}]));
    let seen = server.seen.recv().await.unwrap();
    assert_eq!(seen.path_and_query, "/api/v3/query_sql?org=my+org&orgID=id");
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["params"], json!({"a": "x\"y", "b": 1.5}));

    assert!(matches!(client.query_sql("d", "x").await, Err(QueryError::MalformedRow { row: 1, .. })));
}

#[tokio::test]
async fn query_answers_are_bounded_streamed_and_refused() {
    let server = TestServer::start([
        status(200, "a,b\n1,2\n"),
        status(200, "a,b\n1,2\n"),
        status(200, "more than ten bytes"),
        Answer::Http(404, Vec::new(), r#"{"code":"not found","message":"database \"d\" not found"}"#),
    ])
    .await;
    let client = builder(&server).answer_bytes_max(10).build().unwrap();
    assert_eq!(client.query_sql_raw("d", "SELECT 1", SqlFormat::Csv).await.unwrap(), "a,b\n1,2\n");
    let mut stream = client.query_sql_stream(&SqlQuery::new("d", "SELECT 1"), SqlFormat::Csv).await.unwrap();
    let mut whole = Vec::new();
    while let Some(piece) = stream.next().await {
        whole.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(whole, b"a,b\n1,2\n");
    let large = client.query_sql_raw("d", "SELECT 1", SqlFormat::Csv).await;
    assert!(matches!(large, Err(QueryError::Request(RequestError::AnswerTooLarge { limit_bytes: 10 }))));
    let missing = client.query_sql("d", "SELECT 1").await.unwrap_err();
    assert_eq!(missing.rejection().unwrap().message, "database \"d\" not found");
    assert!(!missing.is_retryable());
}

#[tokio::test]
async fn health_ping_and_flush_read_what_servers_say() {
    let pass = r#"{"name":"freshet","status":"pass","message":"ready","version":"2.9","commit":"abc","checks":[]}"#;
    let mut server = TestServer::start([
        status(200, pass),
        status(503, r#"{"name":"influxdb","status":"fail","message":"no disk"}"#),
        status(200, "OK"),
        status(200, "<html>"),
        status(503, "proxy"),
        Answer::Http(204, vec![("x-influxdb-version", "v2.9.0"), ("x-influxdb-build", "OSS")], ""),
        status(500, ""),
        status(200, r#"{"tables":3}"#),
        status(403, r#"{"code":"forbidden","message":"operators only"}"#),
    ])
    .await;
    let client = client(&server);
    let health = client.health().await.unwrap();
    assert_eq!((health.status, health.version.as_deref()), (HealthStatus::Pass, Some("2.9")));
    let health = client.health().await.unwrap();
    assert_eq!((health.status, health.message.as_deref()), (HealthStatus::Fail, Some("no disk")));
    assert_eq!(client.health().await.unwrap().status, HealthStatus::Pass);
    assert!(matches!(client.health().await, Err(RequestError::MalformedAnswer { .. })));
    assert_eq!(client.health().await.unwrap_err().rejection().unwrap().message, "proxy");
    let ping = client.ping().await.unwrap();
    assert_eq!((ping.version.as_deref(), ping.build.as_deref()), (Some("v2.9.0"), Some("OSS")));
    assert!(client.ping().await.unwrap_err().is_retryable());
    assert_eq!(client.flush().await.unwrap(), json!({"tables": 3}));
    assert_eq!(client.flush().await.unwrap_err().rejection().unwrap().status, 403);

    let mut asked = Vec::new();
    while let Ok(seen) = server.seen.try_recv() {
        asked.push(format!("{} {}", seen.method, seen.path_and_query));
    }
    asked.dedup();
    assert_eq!(asked, ["GET /health", "GET /ping", "POST /api/freshet/v1/flush"]);
}

#[tokio::test]
async fn tls_works_with_a_root_that_is_trusted_and_only_then() {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let mut server = TestServer::start_tls(config).await;

    let stranger = client(&server).post_write(&write("m f=1")).await.unwrap_err();
    assert!(matches!(stranger, WriteError::Request(RequestError::Transport { .. })), "{stranger:?}");
    let trusting = builder(&server).root_certificate_pem(certified.cert.pem()).build().unwrap();
    trusting.post_write(&write("m f=1")).await.unwrap();
    assert_eq!(server.seen.recv().await.unwrap().text(), "m f=1");
}

//! Rules that only a process with sockets and signals can keep: TLS, other origins, cookies, slow and broken clients,
//! an orderly stop and the start after it.

use reqwest::Method;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::json;
use testkit::{Server, until, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::command_line::freshet;
use crate::server;

/// A connection on which the head of a write has been sent: so many bytes of body, or chunks if there is no number.
pub(crate) async fn begin_write(server: &Server, length: Option<usize>) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let length = length.map_or("Transfer-Encoding: chunked".to_owned(), |bytes| format!("Content-Length: {bytes}"));
    let head = format!(
        "POST /api/v2/write?org={}&bucket={} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {}\r\n{length}\r\n\
         Connection: close\r\n\r\n",
        server.organisation(),
        server.bucket(),
        server.token()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Everything that the server still says on a connection.
async fn read_all(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    within("the end of the answer", stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// A number from /metrics.
pub(crate) async fn metric(server: &Server, name: &str) -> f64 {
    let text = server.send(server.request(Method::GET, "/metrics")).await.expect(200).body;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// Waits until so many requests are being answered besides the one that asks.
async fn until_in_flight(server: &Server, expected: u32) {
    until("requests in flight", async || {
        (metric(server, "http_api_requests_in_flight").await == f64::from(expected + 1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn tls_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let identity = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, identity.cert.pem()).unwrap();
    std::fs::write(&key, identity.signing_key.serialize_pem()).unwrap();
    let mut server = server()
        .env("FRESHET_TLS_CERT", &certificate)
        .args(["--tls-key".into(), key.into_os_string()])
        .root_certificate_pem(identity.cert.pem())
        .start()
        .await;
    assert!(server.url().starts_with("https://"));
    server.write("m f=1 1").await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 1);

    // Our own command line trusts the certificate when it is told to, and only then.
    let trusting = freshet(&["ping", "--url", server.url(), "--ca-cert", certificate.to_str().unwrap()]).await;
    assert_eq!((trusting.code, &*trusting.output), (0, "OK\n"), "{trusting:?}");
    let strange = freshet(&["ping", "--url", server.url()]).await;
    assert_eq!(strange.code, 1, "{strange:?}");
    assert!(strange.errors.starts_with("freshet: the connection to the server failed"), "{strange:?}");

    let mut plain = TcpStream::connect(server.address()).await.unwrap();
    plain.write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Either a TLS alert or a reset: no HTTP at all.
    let _ = within("the end of the connection", plain.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
    server.stop().await;
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_with_a_token() {
    let mut server = server().start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let origin = "https://dashboard.example";
    let url = format!("{}/api/v2/write", server.url());
    let preflight = client
        .request(Method::OPTIONS, &url)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization");
    let answer = server.send(preflight).await.expect(204);
    assert_eq!(answer.headers["access-control-allow-origin"], origin);
    let allowed = |name: &str| answer.headers[name].to_str().unwrap().to_ascii_lowercase();
    assert!(allowed("access-control-allow-methods").contains("post"));
    assert!(allowed("access-control-allow-headers").contains("authorization"));

    let path = format!("/api/v2/write?org={}&bucket={}", server.organisation(), server.bucket());
    let write = server.request(Method::POST, &path).header("origin", origin).body("m f=1 1");
    let answer = server.send(write).await.expect(204);
    assert_eq!(answer.headers["access-control-allow-origin"], origin);
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    // An error is readable for the page too; without an origin nothing is said about origins.
    let answer = server.send(client.post(&url).header("origin", origin)).await.expect(401);
    assert_eq!(answer.headers["access-control-allow-origin"], origin);
    let answer = server.send(client.post(&url)).await.expect(401);
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    let _ = server.send(client.request(Method::OPTIONS, &url)).await.expect(405);
    server.stop().await;
}

#[tokio::test]
async fn a_session_lasts_from_signin_to_signout() {
    let mut server = server().start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("{}{path}", server.url());
    let (name, password) = server.user();
    let wrong = client.post(url("/api/v2/signin")).basic_auth(name, Some("wrong-password"));
    let _ = server.send(wrong).await.expect(401);
    let signin = client.post(url("/api/v2/signin")).basic_auth(name, Some(password));
    let answer = server.send(signin).await.expect(204);
    let cookie = answer.headers[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();

    let me = server.send(client.get(url("/api/v2/me")).header(COOKIE, &cookie)).await.expect(200);
    assert_eq!(me.json()["name"], name);
    let path = format!("/api/v2/write?org={}&bucket={}", server.organisation(), server.bucket());
    let write = |cookie: &str| client.post(url(&path)).header(COOKIE, cookie).body("m f=1");
    let _ = server.send(write(&cookie)).await.expect(204);
    let _ = server.send(write("influxdb-oss-session=guessed")).await.expect(401);

    let _ = server.send(client.post(url("/api/v2/signout")).header(COOKIE, &cookie)).await.expect(204);
    let _ = server.send(write(&cookie)).await.expect(401);
    let _ = server.send(client.post(url("/api/v2/signout")).header(COOKIE, &cookie)).await.expect(401);
    server.stop().await;
}

#[tokio::test]
async fn a_slow_client_is_answered_408_and_holds_nobody_up() {
    let mut server = server().args(["--body-stall", "1s"]).start().await;
    let mut slow = begin_write(&server, Some(20)).await;
    slow.write_all(b"slow f=1").await.unwrap();
    until_in_flight(&server, 1).await;
    for number in 0..20 {
        server.write(format!("quick f={number} {number}")).await;
    }
    let answer = read_all(slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"message\":\"unable to read data: the body stalled"), "{answer}");
    until_in_flight(&server, 0).await;
    assert_eq!(server.sql_number("SELECT count(*) FROM quick").await, 20);
    let tables = server.sql("SHOW TABLES").await;
    assert!(!json!(tables).to_string().contains("slow"), "{tables:?}");
    server.stop().await;
}

#[tokio::test]
async fn of_a_body_that_is_cut_off_nothing_is_stored() {
    let mut server = server().start().await;
    for (length, sent) in [(Some(20), "cut f=1 1\ncut f"), (None, "a\r\ncut f=1 1\n\r\n"), (None, "ff\r\ncut f=1 1\n")]
    {
        let mut stream = begin_write(&server, length).await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        until_in_flight(&server, 1).await;
        drop(stream);
        until_in_flight(&server, 0).await;
    }
    // Half closed: the client listens still, and is told.
    let mut stream = begin_write(&server, Some(20)).await;
    stream.write_all(b"cut f=1 1\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = read_all(stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let tables = server.sql("SHOW TABLES").await;
    assert!(!json!(tables).to_string().contains("cut"), "{tables:?}");
    assert_eq!(metric(&server, "freshet_body_bytes").await, 0.0);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_drains_and_flushes_and_the_next_start_has_everything() {
    let mut server = server().start().await;
    server.write("m,t=a f=1 1").await;
    let mut late = begin_write(&server, Some(11)).await;
    late.write_all(b"m,t=b").await.unwrap();
    until_in_flight(&server, 1).await;
    server.terminate();
    until("the end of listening", async || TcpStream::connect(server.address()).await.is_err().then_some(())).await;
    late.write_all(b" f=2 2").await.unwrap();
    let answer = read_all(late).await;
    assert!(answer.starts_with("HTTP/1.1 204 "), "{answer}");
    let (code, log) = server.wait().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the server has stopped"), "{log}");

    // All points are in files, so the log has nothing left to read.
    server.restart().await;
    assert_eq!(metric(&server, "freshet_file_rows").await, 2.0);
    assert_eq!(metric(&server, "freshet_buffer_bytes").await, 0.0);
    let rows = server.sql("SELECT t, f FROM m ORDER BY time").await;
    assert_eq!(json!(rows), json!([{"t": "a", "f": 1.0}, {"t": "b", "f": 2.0}]));
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_never_ends_is_cut_at_the_end_of_the_drain() {
    let mut server = server().args(["--drain", "1s"]).start().await;
    server.write("m f=1 1").await;
    let mut slow = begin_write(&server, Some(20)).await;
    slow.write_all(b"slow f=1").await.unwrap();
    until_in_flight(&server, 1).await;
    let log = server.stop().await;
    assert!(log.contains("did not end in time"), "{log}");
    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_restart_keeps_organisations_buckets_users_and_tokens() {
    let mut server = server().start().await;
    let organisation = server.send(server.request(Method::GET, "/api/v2/orgs")).await.expect(200).json();
    let id = organisation["orgs"][0]["id"].as_str().unwrap().to_owned();
    let bucket = json!({"name": "second", "orgID": id, "retentionRules": [{"everySeconds": 7200}]});
    let bucket = server.send(server.request(Method::POST, "/api/v2/buckets").json(&bucket)).await.expect(201).json();
    let permissions = json!([{"action": "write", "resource": {"type": "buckets", "id": bucket["id"], "orgID": id}}]);
    let token = json!({"orgID": id, "permissions": permissions});
    let token = server.send(server.request(Method::POST, "/api/v2/authorizations").json(&token)).await.expect(201);
    let token = token.json()["token"].as_str().unwrap().to_owned();
    let lists = ["/api/v2/orgs", "/api/v2/buckets?limit=100", "/api/v2/users", "/api/v2/authorizations"];
    let mut before = Vec::new();
    for list in lists {
        before.push(server.send(server.request(Method::GET, list)).await.expect(200).body);
    }
    server.kill9().await;
    server.restart().await;
    for (list, before) in lists.iter().zip(before) {
        assert_eq!(server.send(server.request(Method::GET, list)).await.expect(200).body, before);
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let write = |bucket: &str| {
        let url = format!("{}/api/v2/write?orgID={id}&bucket={bucket}", server.url());
        client.post(url).bearer_auth(&token).body("m f=1")
    };
    let _ = server.send(write("second")).await.expect(204);
    let _ = server.send(write(server.bucket())).await.expect(403);
    server.stop().await;
}

/// Points that were written before their bucket had a retention.
#[tokio::test]
async fn a_shorter_retention_deletes_what_is_past_it() {
    let mut server = server().start().await;
    let now = server.sql_number("SELECT CAST(now() AS BIGINT)").await;
    let hours_ago = |hours: i64| now - hours * 3_600_000_000_000;
    for lines in [format!("m f=1 {}\nm f=2 {}", hours_ago(5), hours_ago(4)), format!("m f=3 {}", hours_ago(1))] {
        server.write(lines).await;
        server.flush().await;
    }
    let path = format!("/api/v2/buckets?org={}&name={}", server.organisation(), server.bucket());
    let found = server.send(server.request(Method::GET, &path)).await.expect(200).json();
    let path = format!("/api/v2/buckets/{}", found["buckets"][0]["id"].as_str().unwrap());
    let rule = json!({"type": "expire", "everySeconds": 3 * 3600, "shardGroupDurationSeconds": 3600});
    let rules = json!({ "retentionRules": [rule] });
    let _ = server.send(server.request(Method::PATCH, &path).json(&rules)).await.expect(200);
    server.compact().await;
    assert_eq!(metric(&server, "freshet_files_retired_total").await, 1.0);
    assert_eq!(metric(&server, "freshet_file_rows").await, 1.0);
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 1);
    server.stop().await;
}

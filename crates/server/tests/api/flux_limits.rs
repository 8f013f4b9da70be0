//! The bounds of Flux over HTTP: time, memory, neighbours, clients that leave, and scripts that want too much. Each is
//! an error that names its limit, and the server goes on.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;

use crate::support::{Answer, Setup, TOKEN, TestServer};

/// Work for hours, which takes no memory.
const SLOW: &str = "import \"array\"\nimport \"strings\"\n\
    a = strings.split(v: strings.repeat(v: \",\", i: 3000), t: \",\")\n\
    slow = (n) => length(arr: array.map(arr: a, fn: (x) => length(arr: array.map(arr: a, fn: (x) => x + n))))\n\
    one = array.from(rows: [{v: 1}])\n";

fn request(script: &str) -> Request<Body> {
    let request = Request::builder().method("POST").uri("/api/v2/query?org=o");
    let request = request.header("authorization", format!("Token {TOKEN}"));
    request.header("content-type", "application/vnd.flux").body(Body::from(script.to_owned())).unwrap()
}

async fn run(server: &TestServer, script: &str) -> Answer {
    server.send(request(script)).await
}

/// How many queries run, and how much memory they hold.
async fn running(server: &TestServer) -> (u64, u64) {
    let text = server.call("GET", "/metrics", "").await.text();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    (value("freshet_queries_running"), value("freshet_query_memory_bytes"))
}

async fn until_running(server: &TestServer, queries: u64) {
    let waited = async {
        loop {
            match running(server).await {
                (0, bytes) if queries == 0 && bytes > 0 => {}
                (count, _) if count == queries => return,
                _ => {}
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waited).await.unwrap();
}

async fn is_unharmed(server: &TestServer) {
    until_running(server, 0).await;
    let answer = run(server, "import \"array\"\narray.from(rows: [{v: 1}])").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, ",result,table,v\r\n,_result,0,1\r\n\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_has_a_limit() {
    let server = TestServer::with(Setup { query_timeout: Duration::from_secs(1), ..Setup::default() }).await;
    let answer = run(&server, &format!("{SLOW}one |> map(fn: (r) => ({{v: slow(n: \"\")}}))")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.json()["message"], "the query took longer than 1 s");
    // Behind the first table it is a table.
    let script = format!("{SLOW}one |> yield(name: \"a\")\none |> map(fn: (r) => ({{v: slow(n: \"\")}}))");
    let answer = run(&server, &script).await;
    assert_eq!(answer.status, 200);
    let expected = ",result,table,v\r\n,a,0,1\r\n\r\n,error,reference\r\n,the query took longer than 1 s,\r\n";
    assert!(answer.text().replace("\r\n\r\n", "\r\n").contains(&expected.replace("\r\n\r\n", "\r\n")), "{answer:?}");
    is_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_has_a_limit() {
    let server = TestServer::with(Setup { query_memory_limit_bytes: 1 << 20, ..Setup::default() }).await;
    let many = "import \"generate\"\ndata = generate.from(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z, \
                count: 100000, fn: (n) => n)\n";
    for script in [format!("{many}data"), format!("{many}data |> group(columns: [\"_value\"])")] {
        let answer = run(&server, &script).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid")), "{}", answer.text());
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("needs more memory than the limit of 1048576 bytes for all queries"), "{message}");
    }
    is_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_have_a_limit_and_leaving_clients_make_room() {
    let server = Arc::new(TestServer::with(Setup { queries: (1, 0), ..Setup::default() }).await);
    let slow = format!("{SLOW}one |> map(fn: (r) => ({{v: slow(n: \"\")}}))");
    let client = tokio::spawn({
        let server = Arc::clone(&server);
        async move { run(&server, &slow).await }
    });
    until_running(&server, 1).await;
    let answer = run(&server, SLOW).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("unavailable")), "{}", answer.text());
    assert_eq!(answer.json()["message"], "1 queries are running and 0 are waiting, which are as many as may");
    // Its client leaves before the answer has begun.
    client.abort();
    is_unharmed(&server).await;
    // Another one leaves when it has read the first rows.
    let script = format!("{SLOW}one |> yield(name: \"a\")\none |> map(fn: (r) => ({{v: slow(n: \"\")}}))");
    let mut response = server.response(request(&script)).await;
    assert_eq!(response.status(), 200);
    let first = response.body_mut().frame().await.unwrap().unwrap();
    assert!(first.into_data().is_ok());
    assert_eq!(running(&server).await.0, 1);
    drop(response);
    is_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_want_too_much() {
    // A join counts its rows up to its limit, which takes a while in a debug build.
    let server = TestServer::with(Setup { query_timeout: Duration::from_secs(600), ..Setup::default() }).await;
    let head = "import \"array\"\nimport \"generate\"\nimport \"strings\"\n\
        many = (n) => generate.from(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z, count: n, fn: (n) => n)\n\
        all = many(n: 6000) |> map(fn: (r) => ({r with k: 1}))\n";
    for (script, words) in [
        ("f = (g) => g(g: g)\nx = f(g: f)", "stand in each other deeper than"),
        ("many(n: 9000000000000000000)", "count must be between 0 and 1000000"),
        ("x = strings.repeat(v: \"0123456789\", i: 100000000)", "too long"),
        (
            "f = (v, n, f) => if n == 0 then v else f(v: v + v, n: n - 1, f: f)\nx = f(v: \"0123456789\", n: 40, f: f)",
            "long",
        ),
        (
            "f = (v, n, f) => if n == 0 then v else f(v: array.concat(arr: v, v: v), n: n - 1, f: f)\n\
          x = f(v: [1, 2], n: 40, f: f)",
            "at most 1000000 are possible",
        ),
        ("join(tables: {l: all, r: all}, on: [\"k\"])", "limit"),
        (
            "many(n: 1) |> range(start: 2026-01-01, stop: 2027-01-01) |> window(every: 1ms, createEmpty: true)",
            "the limit",
        ),
        (
            "many(n: 2) |> range(start: 2026-01-01, stop: 2027-01-01) |> aggregateWindow(every: 1ns, fn: sum)",
            "the limit",
        ),
        (
            "many(n: 6000) |> range(start: 2026-01-01, stop: 2027-01-01) |> window(every: 1s, period: 24h)",
            "more than 20000000 rows",
        ),
        ("x = linearBins(start: 0.0, width: 1.0, count: 1000000000)", "too large"),
    ] {
        let answer = run(&server, &format!("{head}{script}")).await;
        assert_eq!(answer.status, 400, "{script}: {}", answer.text());
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains(words), "{script}: {message}");
    }
    let deep = format!("x = {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let answer = run(&server, &deep).await;
    assert!(answer.status == 400 && answer.text().contains("nested too deep"), "{}", answer.text());
    is_unharmed(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_both_ways() {
    let server = TestServer::start(&[]).await;
    let plain = run(&server, "import \"array\"\narray.from(rows: [{v: 1}])").await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, b"import \"array\"\narray.from(rows: [{v: 1}])").unwrap();
    let mut compressed = request("");
    compressed.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    compressed.headers_mut().insert("accept-encoding", "gzip, deflate".parse().unwrap());
    *compressed.body_mut() = Body::from(encoder.finish().unwrap());
    let answer = server.send(compressed).await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, "gzip"));
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text());
    assert_eq!(plain.header("content-encoding"), "");
    // Errors before the first table are as they always are.
    let mut wrong = request("x");
    wrong.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let answer = server.send(wrong).await;
    assert_eq!((answer.status, answer.header("content-encoding")), (400, ""));
    assert!(answer.json()["message"].as_str().unwrap().contains("undefined identifier x"));
    let mut wrong = request("x");
    wrong.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
    assert_eq!(server.send(wrong).await.status, 400);
}

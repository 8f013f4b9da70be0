//! Answers of `/query` that are larger than the memory for queries: what is sent while they are computed, and what ends
//! them.

#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::{Body, to_bytes};
use futures::StreamExt as _;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Setup, TOKEN, TestServer};

const ROWS: usize = 120_000;

/// A server with much less memory for queries than an answer of all rows takes.
async fn large() -> TestServer {
    let server = TestServer::with(Setup { query_memory_limit_bytes: 4 << 20, ..Setup::default() }).await;
    let lines: String = (0..ROWS).map(|n| format!("m,host=h{} f={n},s=\"text {n}\" {n}\n", n % 3)).collect();
    assert_eq!(server.call("POST", "/write?db=b", lines).await.status, 204);
    server
}

fn asked(parameters: &str, accept: &str) -> Request<Body> {
    let request = Request::get(format!("/query?db=b&{parameters}")).header("accept", accept);
    request.header("authorization", format!("Token {TOKEN}")).body(Body::empty()).unwrap()
}

const ALL: &str = "epoch=ns&q=SELECT+*+FROM+m";

fn expected_row(n: usize) -> Value {
    json!([n, n as f64, format!("h{}", n % 3), format!("text {n}")])
}

#[tokio::test]
async fn a_large_answer_has_every_row_once_in_all_forms() {
    let server = large().await;
    let answer = server.send(asked(ALL, "application/json")).await;
    let mut whole = answer.json();
    let result = whole["results"][0].take();
    assert_eq!((&result["error"], &result["partial"]), (&Value::Null, &Value::Null));
    let rows = result["series"][0]["values"].as_array().unwrap();
    assert_eq!((result["series"].as_array().unwrap().len(), rows.len()), (1, ROWS));
    let is_expected = |(n, row): (usize, &Value)| {
        let expected = expected_row(n);
        (row[0] == expected[0])
            && row[1].as_f64() == expected[1].as_f64()
            && (&row[2], &row[3]) == (&expected[2], &expected[3])
    };
    assert!(rows.iter().enumerate().all(is_expected));
    let table = server.send(asked(ALL, "text/csv")).await.text();
    assert_eq!(table.lines().count(), ROWS + 1);
    assert_eq!(table.lines().last(), Some("m,,119999,119999,h2,text 119999"));
    // Its head says how many rows follow, so it cannot be made while they come.
    let packed = server.send(asked(ALL, "application/x-msgpack")).await;
    assert!(packed.body.len() < 1_000, "{} bytes", packed.body.len());
    assert!(String::from_utf8_lossy(&packed.body).contains("memory"), "{packed:?}");
}

/// Of all chunks but the last one both its series, where more of it follows, and its result say so.
#[tokio::test]
async fn chunks_of_a_large_answer_say_what_follows() {
    let server = large().await;
    let query = "epoch=ns&chunked=true&chunk_size=999&q=SELECT+f+FROM+m+GROUP+BY+host";
    let text = server.send(asked(query, "application/json")).await.text();
    let chunks: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_series = ROWS / 3;
    assert_eq!(chunks.len(), 3 * of_series.div_ceil(999));
    let mut rows = 0;
    for (place, chunk) in chunks.iter().enumerate() {
        let (result, series) = (&chunk["results"][0], &chunk["results"][0]["series"][0]);
        let host = rows / of_series;
        assert_eq!(series["tags"], json!({ "host": format!("h{host}") }));
        let values = series["values"].as_array().unwrap();
        let in_order =
            |(at, row): (usize, &Value)| row[0].as_u64() == Some(((rows % of_series + at) * 3 + host) as u64);
        assert!(values.iter().enumerate().all(in_order), "chunk {place}");
        rows += values.len();
        let partial = |is: bool| if is { json!(true) } else { Value::Null };
        assert_eq!(series["partial"], partial(!rows.is_multiple_of(of_series)), "chunk {place}");
        assert_eq!(result["partial"], partial(place + 1 < chunks.len()), "chunk {place}");
    }
    assert_eq!(rows, ROWS);
}

/// The statements that run, without the question itself.
async fn running(server: &TestServer) -> Vec<Value> {
    let mut answer = server.send(asked("q=SHOW+QUERIES", "*/*")).await.json();
    let rows = answer["results"][0]["series"][0]["values"].take();
    rows.as_array().unwrap().iter().filter(|row| !row[1].as_str().unwrap().starts_with("SHOW")).cloned().collect()
}

#[tokio::test]
async fn an_answer_that_is_read_is_a_query_that_runs() {
    let server = large().await;
    let mut body = server.response(asked(ALL, "*/*")).await.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"{\"results\":[{\"statement_id\":0,\"series\":[{\"name\":\"m\","));
    let shown = running(&server).await;
    assert_eq!((shown.len(), &shown[0][1]), (1, &json!("SELECT * FROM m")));
    // A client that leaves ends it.
    drop(body);
    let ended = async {
        let is_over = |metrics: &str| metrics.lines().any(|line| line == "freshet_query_memory_bytes 0");
        while !is_over(&server.call("GET", "/metrics", "").await.text()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ended).await.expect("the query goes on");
    assert_eq!(running(&server).await, Vec::<Value>::new());
}

#[tokio::test]
async fn an_answer_that_is_killed_ends_with_an_error() {
    let server = large().await;
    let mut body = server.response(asked(ALL, "*/*")).await.into_body().into_data_stream();
    let first = body.next().await.unwrap().unwrap();
    let shown = running(&server).await;
    let killed = server.send(asked(&format!("q=KILL+QUERY+{}", shown[0][0]), "*/*")).await.json();
    assert_eq!(killed["results"][0], json!({ "statement_id": 0 }));
    let rest = to_bytes(Body::from_stream(body), usize::MAX).await.unwrap();
    let all: Value = serde_json::from_slice(&[first, rest].concat()).unwrap();
    let result = &all["results"][0];
    assert_eq!(result["error"], json!("query interrupted"));
    let rows = result["series"][0]["values"].as_array().unwrap().len();
    assert!(rows > 0 && rows < ROWS, "{rows} rows");
}

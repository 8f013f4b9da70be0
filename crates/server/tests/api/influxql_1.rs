//! What InfluxQL and the endpoints of 1.x do beyond one request and its answer: jobs, killed statements, remembered
//! passwords, other encodings, and the answers that InfluxDB 1.6.7 gave where 2.9 has none.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use axum::body::Body;
use catalog::Clock as _;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Clocked, START_S, TOKEN, TestServer};

/// When the clock of the tests begins.
const NOW_NS: i64 = START_S * 1_000_000_000;

fn escape(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// The first result of a query.
async fn ask(server: &TestServer, query: &str) -> Value {
    let answer = server.call("POST", &format!("/query?db=b&epoch=s&q={}", escape(query)), "").await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json()["results"][0].take()
}

async fn rows(server: &TestServer, query: &str) -> Value {
    ask(server, query).await["series"][0]["values"].take()
}

#[tokio::test]
async fn a_continuous_query_computes_each_window_once() {
    let Clocked { server, clock } = &Clocked::new().await;
    let start_s = NOW_NS / 1_000_000_000;
    let line = |second: i64, value: i64| format!("m,t=a f={value} {}", start_s + second);
    let body = [line(10, 1), line(20, 2), line(70, 10), line(130, 100)].join("\n");
    assert_eq!(server.call("POST", "/write?db=b&precision=s", body).await.status, 204);
    let create = "CREATE CONTINUOUS QUERY q ON b BEGIN SELECT sum(f) AS f INTO sums FROM m GROUP BY time(1m), * END";
    assert_eq!(ask(server, create).await, json!({"statement_id": 0}));
    let at = |seconds: i64| {
        clock.set_ns(NOW_NS + seconds * 1_000_000_000);
        server.state.run_due_jobs()
    };
    assert_eq!(at(59).await, 0, "no window has ended");
    assert_eq!(at(60).await, 1);
    let sums = "SELECT f, t FROM sums";
    assert_eq!(rows(server, sums).await, json!([[start_s, 3, "a"]]));
    assert_eq!(at(60).await, 0, "once");
    // What comes late into a window that is done is not counted any more, as in InfluxDB.
    assert_eq!(server.call("POST", "/write?db=b&precision=s", line(30, 5)).await.status, 204);
    assert_eq!(at(190).await, 1, "two windows at once");
    let expected = json!([[start_s, 3, "a"], [start_s + 60, 10, "a"], [start_s + 120, 100, "a"]]);
    assert_eq!(rows(server, sums).await, expected);
    assert_eq!(ask(server, "DROP CONTINUOUS QUERY q ON b").await, json!({"statement_id": 0}));
    assert_eq!(at(600).await, 0);
}

#[tokio::test]
async fn a_continuous_query_that_fails_says_so_and_goes_on() {
    let clocked = Clocked::new().await;
    let server = &clocked.server;
    ask(server, "CREATE DATABASE gone").await;
    let create = "CREATE CONTINUOUS QUERY q ON b BEGIN SELECT sum(f) AS f INTO gone..sums FROM m GROUP BY time(1m) END";
    assert_eq!(ask(server, create).await, json!({"statement_id": 0}));
    ask(server, "DROP DATABASE gone").await;
    assert_eq!(clocked.at(60).await, 1);
    let catalog = server.state.catalog();
    let job = catalog.list_jobs().pop().unwrap();
    let runs = catalog.list_job_runs(job.id);
    assert_eq!(runs.last().unwrap().error.as_deref(), Some("database not found: gone"));
    ask(server, "CREATE DATABASE gone").await;
    let line = format!("m f=1 {}", clocked.clock.now_ns() + 1);
    assert_eq!(server.call("POST", "/write?db=b", line).await.status, 204);
    assert_eq!(clocked.at(120).await, 1);
    assert_eq!(catalog.list_job_runs(job.id).last().unwrap().error, None);
    assert_eq!(rows(server, "SELECT f FROM gone..sums").await, json!([[NOW_NS / 1_000_000_000 + 60, 1]]));
}

#[tokio::test]
async fn a_continuous_query_needs_the_rights_of_its_parts() {
    let server = TestServer::start(&[]).await;
    let on_bucket = |action: &str| {
        format!(r#"[{{"action":"{action}","resource":{{"type":"buckets","id":"<bucket>","orgID":"<org>"}}}}]"#)
    };
    for (action, lacking) in [("read", "write"), ("write", "read")] {
        let token = server.token(&on_bucket(action)).await;
        let create = "CREATE CONTINUOUS QUERY q ON b BEGIN SELECT sum(f) INTO n FROM m GROUP BY time(1m) END";
        let address = format!("/query?u=x&p={token}&q={}", escape(create));
        let answer = server.send(Request::post(address).body(Body::empty()).unwrap()).await;
        let text = format!("insufficient permissions for {lacking}");
        assert_eq!(answer.json()["results"][0]["error"], json!(text));
    }
    assert!(server.state.catalog().list_jobs().is_empty());
}

/// A statement that is killed says so; one of somebody else cannot be.
#[tokio::test]
async fn a_running_query_is_shown_and_killed() {
    let server = Arc::new(TestServer::start(&[]).await);
    // Large enough to run until it is killed.
    let lines: String = (0..200_000).map(|number| format!("m f={number} {number}\n")).collect();
    assert_eq!(server.call("POST", "/write?db=b", lines).await.status, 204);
    let slow = "SELECT count(f) FROM (SELECT f FROM m), (SELECT f FROM m), (SELECT f FROM m), (SELECT f FROM m)";
    let running = tokio::spawn({
        let server = Arc::clone(&server);
        async move { ask(&server, slow).await }
    });
    let shown = loop {
        let queries = rows(&server, "SHOW QUERIES").await;
        let is_slow = |row: &&Value| row[1].as_str().unwrap().starts_with("SELECT count");
        let found = queries.as_array().unwrap().iter().find(is_slow);
        if let Some(row) = found {
            break row.clone();
        }
        assert!(!running.is_finished(), "it ended before it was seen");
        tokio::task::yield_now().await;
    };
    assert_eq!((&shown[2], &shown[4]), (&json!("b"), &json!("running")));
    let token = server.token(r#"[{"action":"read","resource":{"type":"buckets"}}]"#).await;
    let kill = format!("KILL QUERY {}", shown[0]);
    let foreign = format!("/query?u=x&p={token}&q={}", escape("KILL QUERY 99999"));
    let answer = server.send(Request::post(foreign).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.json()["results"][0]["error"], json!("no such query id: 99999"));
    assert_eq!(ask(&server, &kill).await, json!({"statement_id": 0}));
    assert_eq!(running.await.unwrap()["error"], json!("query interrupted"));
    let left = rows(&server, "SHOW QUERIES").await;
    assert_eq!(left.as_array().unwrap().len(), 1, "only the question itself: {left}");
}

#[tokio::test]
async fn an_analysed_query_says_what_it_took() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.call("POST", "/write?db=b", "m,t=a f=1 1\nm,t=b f=2 2").await.status, 204);
    let lines = rows(&server, "EXPLAIN ANALYZE SELECT f FROM m GROUP BY t").await;
    let lines: Vec<&str> = lines.as_array().unwrap().iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(lines[..2], [".", "└── select"]);
    assert!(
        lines[2].starts_with("    ├── execution_time: ") && lines[4].starts_with("    ├── total_time: "),
        "{lines:?}"
    );
    assert_eq!(lines[5..8], ["    ├── series: 2", "    ├── rows: 2", "    └── plan"]);
    assert_eq!(lines.last().unwrap(), &"        └── MEASUREMENT: m, AT MOST 2 ROWS");
}

#[tokio::test]
async fn counters_and_diagnostics_are_shown_by_module() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.call("POST", "/write?db=b", "m f=1 1\nm f=2 2").await.status, 204);
    let stats = ask(&server, "SHOW STATS FOR 'httpd'").await;
    assert_eq!(stats["series"][0]["name"], json!("httpd"));
    assert_eq!(stats["series"][0]["columns"][0], json!("pointsWrittenOK"));
    assert_eq!(stats["series"][0]["values"][0][0], json!(2));
    let diagnostics = ask(&server, "SHOW DIAGNOSTICS").await;
    let names: Vec<&str> =
        diagnostics["series"].as_array().unwrap().iter().map(|series| series["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["build", "runtime", "system"]);
    let vars = server.send(Request::get("/debug/vars").body(Body::empty()).unwrap()).await;
    let vars = vars.json();
    assert_eq!(vars["httpd"]["name"], json!("httpd"));
    assert_eq!(vars["httpd"]["values"]["pointsWrittenOK"], json!(2));
    assert!(vars["system"]["uptime"].is_u64() && vars["memstats"]["Alloc"].is_u64(), "{vars}");
    let token = server.token(r#"[{"action":"read","resource":{"type":"buckets"}}]"#).await;
    let address = format!("/query?u=x&p={token}&q=SHOW+STATS");
    let answer = server.send(Request::post(address).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.json()["results"][0]["error"], json!("insufficient permissions for read"));
}

#[tokio::test]
async fn message_pack_where_it_is_accepted() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.call("POST", "/write?db=b&precision=s", "m f=1.5 1").await.status, 204);
    let request = Request::get("/query?db=b&q=SELECT+f+FROM+m")
        .header("authorization", format!("Token {TOKEN}"))
        .header("accept", "application/x-msgpack");
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-msgpack"));
    let expected = b"\x81\xa7results\x91\x82\xacstatement_id\x00\xa6series\x91\x83\xa4name\xa1m\xa7columns\x92\xa4time\
                     \xa1f\xa6values\x91\x92\xc7\x0c\x05\0\0\0\0\0\0\0\x01\0\0\0\0\xcb\x3f\xf8\0\0\0\0\0\0";
    assert_eq!(answer.body[..], expected[..]);
}

/// A client that does not wait for the whole answer does not keep the server at it.
#[tokio::test]
async fn statements_are_run_as_the_answer_is_read() {
    let server = TestServer::start(&[]).await;
    let query = "CREATE DATABASE first; CREATE DATABASE second";
    let request = Request::post(format!("/query?chunked=true&q={}", escape(query)))
        .header("authorization", format!("Token {TOKEN}"));
    let response = server.response(request.body(Body::empty()).unwrap()).await;
    let names = rows(&server, "SHOW DATABASES").await.to_string();
    assert!(names.contains("first") && !names.contains("second"), "{names}");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    assert_eq!(String::from_utf8(body.to_vec()).unwrap().lines().count(), 2);
    assert!(rows(&server, "SHOW DATABASES").await.to_string().contains("second"));
}

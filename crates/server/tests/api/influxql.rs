//! Answers that InfluxDB 2.9 and 1.6.7 gave to InfluxQL over `tests/golden/recorded/influxql_data.lp`, against ours to
//! the same queries. A case that differs stands in `tests/golden/recorded/influxql_differences.txt` (of 1.6.7 in
//! `influxql_1_6_differences.txt`) with the reason; one that does not differ any more must leave that list.
//!
//! Answers are compared as JSON. Floats may differ in their last digits, because a sum depends on the order of its
//! parts, and that order is not the same.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::support::{Answer, TestServer};

#[derive(Deserialize)]
struct Case {
    query: String,
    status: u16,
    body: String,
}

/// How much two floats may differ, in parts of their size.
const TOLERANCE: f64 = 1e-12;

fn escape(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// Whether our answer is theirs; an object of ours may have more keys where theirs is an error.
fn same(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Number(theirs), Value::Number(ours)) => {
            let (theirs, ours) = (theirs.as_f64().unwrap(), ours.as_f64().unwrap());
            (theirs - ours).abs() <= TOLERANCE * theirs.abs().max(ours.abs())
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(theirs, ours)| same(theirs, ours))
        }
        (Value::Object(theirs), Value::Object(ours)) => {
            let is_error = theirs.contains_key("code") || (theirs.contains_key("error") && theirs.len() == 1);
            (is_error || theirs.len() == ours.len())
                && theirs.iter().all(|(key, theirs)| ours.get(key).is_some_and(|ours| same(theirs, ours)))
        }
        (theirs, ours) => theirs == ours,
    }
}

async fn ask(server: &TestServer, query: &str) -> Answer {
    server.call("GET", &format!("/query?db=b&q={}", escape(query)), "").await
}

/// Asks every recorded question, and compares the answers.
async fn compare(recorded: &str, differences: &str) {
    let server = TestServer::start(&[]).await;
    let data = include_str!("../../../../tests/golden/recorded/influxql_data.lp");
    assert_eq!(server.call("POST", "/write?db=b&precision=s", data).await.status, 204);
    let lines = differences.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut known: BTreeMap<&str, &str> = lines.map(|line| line.split_once(" -- ").unwrap()).collect();
    let (mut unexpected, mut outdated, mut passed) = (String::new(), Vec::new(), 0);
    for line in recorded.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let answer = ask(&server, &case.query).await;
        let theirs: Value = serde_json::from_str(&case.body).unwrap();
        let is_same = answer.status == case.status && same(&theirs, &answer.json());
        match (is_same, known.remove(case.query.as_str())) {
            (true, None) => passed += 1,
            (true, Some(_)) => outdated.push(case.query),
            (false, Some(_)) => {}
            (false, None) => {
                let (query, theirs, ours) = (case.query, case.body.trim(), answer.text());
                unexpected.push_str(&format!(
                    "{query}\n  theirs: {} {theirs}\n  ours:   {} {ours}\n",
                    case.status, answer.status
                ));
            }
        }
    }
    assert!(unexpected.is_empty(), "{passed} are right\n{unexpected}");
    assert!(outdated.is_empty(), "no longer different: {outdated:?}");
    assert!(known.is_empty(), "not a recorded query: {known:?}");
}

#[tokio::test]
async fn influxql_answers_are_those_of_influxdb() {
    let recorded = include_str!("../../../../tests/golden/recorded/influxql_2_9.jsonl");
    compare(recorded, include_str!("../../../../tests/golden/recorded/influxql_differences.txt")).await;
}

/// What InfluxDB 2.9 was not asked, or has not: forecasts, technical analysis, users, cardinalities.
#[tokio::test]
async fn influxql_answers_are_those_of_influxdb_1() {
    let recorded = include_str!("../../../../tests/golden/recorded/influxql_1_6.jsonl");
    compare(recorded, include_str!("../../../../tests/golden/recorded/influxql_1_6_differences.txt")).await;
}

#[tokio::test]
async fn influxql_needs_permissions() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.call("POST", "/write?db=b", "m f=1 1").await.status, 204);
    let on_bucket = |action: &str| {
        format!(r#"[{{"action":"{action}","resource":{{"type":"buckets","id":"<bucket>","orgID":"<org>"}}}}]"#)
    };
    let (reader, writer) = (server.token(&on_bucket("read")).await, server.token(&on_bucket("write")).await);
    let forbidden = r#"{"results":[{"statement_id":0,"error":"insufficient permissions for read"}]}"#;
    let forbidden_write = r#"{"results":[{"statement_id":0,"error":"insufficient permissions for write"}]}"#;
    let one = concat!(
        r#"{"results":[{"statement_id":0,"series":[{"name":"m","columns":["time","f"],"#,
        r#""values":[["1970-01-01T00:00:00.000000001Z",1]]}]}]}"#
    );
    let done = r#"{"results":[{"statement_id":0}]}"#;
    for (token, query, expected) in [
        (&reader, "SELECT f FROM m", one),
        (&writer, "SELECT f FROM m", forbidden),
        (&writer, "SHOW MEASUREMENTS", forbidden),
        (&reader, "SELECT f INTO n FROM m", forbidden_write),
        (&writer, "SELECT f INTO n FROM m", forbidden),
        (&reader, "CREATE DATABASE x", forbidden_write),
        (&reader, "DROP DATABASE b", forbidden_write),
        // A database that is there: agents ask for it at every start, and need no more than to write.
        (&writer, "CREATE DATABASE b", done),
        (
            &writer,
            "SHOW DATABASES",
            r#"{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"]}]}]}"#,
        ),
        (
            &reader,
            "SHOW DATABASES",
            r#"{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["b"]]}]}]}"#,
        ),
        (&reader, "ALTER RETENTION POLICY autogen ON b DURATION 1d", forbidden_write),
        (&reader, "DELETE FROM m", forbidden_write),
        (&reader, "DROP SERIES FROM m", forbidden_write),
        (&reader, "DROP MEASUREMENT m", forbidden_write),
        (&reader, "SELECT f FROM m", one),
        (&writer, "DELETE FROM m WHERE t !~ /x/", done),
        (&reader, "SELECT f FROM m", done),
        (&writer, "DROP SERIES FROM m", done),
        (&writer, "DROP MEASUREMENT m", done),
    ] {
        let address = format!("/query?db=b&p={token}&u=x&q={}", escape(query));
        let request = http::Request::builder().method("POST").uri(address);
        let answer = server.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.text().trim()), (200, expected), "{query}");
    }
    // A statement means all policies of a database: who may not write to one of them deletes nothing.
    assert_eq!(server.call("POST", "/write?db=b", "m f=1 1").await.status, 204);
    assert_eq!(
        server.call("POST", "/query?q=CREATE+RETENTION+POLICY+week+ON+b+DURATION+7d+REPLICATION+1", "").await.status,
        200
    );
    for (query, expected) in [("DELETE FROM m", forbidden_write), ("DELETE FROM autogen.m", done)] {
        let address = format!("/query?db=b&p={writer}&u=x&q={}", escape(query));
        let request = http::Request::builder().method("POST").uri(address);
        let answer = server.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.text().trim(), expected, "{query}");
        let left = ask(&server, "SELECT f FROM m").await;
        assert_eq!(left.text().trim() == one, expected == forbidden_write, "{query}");
    }
    let request = http::Request::builder().method("POST").uri(format!("/write?db=b&u=x&p={reader}"));
    let answer = server.send(request.body("m f=1".into()).unwrap()).await;
    assert_eq!(answer.status, 403);
}

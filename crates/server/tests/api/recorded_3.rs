//! Answers that InfluxDB 3.6 gave, recorded in `tests/golden/recorded/influxdb_3_6.jsonl`, against ours to the same
//! requests, from the first token of an empty server on: the status, the answer where there is one, and of an error its
//! keys. `influxdb_3_6_differences.txt` lists where we differ: number, our status, and behind ` -- ` the reason.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use catalog::ManualClock;
use http::Request;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{Answer, Setup, TestServer};

/// One recorded exchange.
#[derive(Deserialize)]
struct Exchange {
    method: String,
    path: String,
    body: Option<String>,
    headers: BTreeMap<String, String>,
    /// Whether the token was sent, as soon as there was one.
    auth: bool,
    status: u16,
    response_headers: BTreeMap<String, String>,
    response: String,
}

/// Two minutes after the first point.
const NOW_NS: i64 = 1_767_225_720_000_000_000;

async fn ask(server: &TestServer, exchange: &Exchange, token: Option<&str>) -> Answer {
    // InfluxDB 3 does not look at organisations; here they have to be there.
    let path = exchange.path.replace("org=x", "org=default");
    let mut request = Request::builder().method(exchange.method.as_str()).uri(path);
    for (name, value) in &exchange.headers {
        request = request.header(name, value.replace("TOKEN", token.unwrap_or_default()));
    }
    if let (Some(token), true, false) = (token, exchange.auth, exchange.headers.contains_key("Authorization")) {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    server.send(request.body(Body::from(exchange.body.clone().unwrap_or_default())).unwrap()).await
}

/// Whether two answers say the same: a float that is whole may be written with or without its point.
fn is_equal(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Number(theirs), Value::Number(ours)) => theirs.as_f64() == ours.as_f64(),
        (Value::Array(theirs), Value::Array(ours)) => {
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(theirs, ours)| is_equal(theirs, ours))
        }
        (Value::Object(theirs), Value::Object(ours)) => {
            let is_in_ours = |(key, value): (&String, &Value)| ours.get(key).is_some_and(|ours| is_equal(value, ours));
            theirs.len() == ours.len() && theirs.iter().all(is_in_ours)
        }
        _ => theirs == ours,
    }
}

/// What differs between the two, if anything does.
fn difference(exchange: &Exchange, answer: &Answer) -> Option<String> {
    if exchange.status != answer.status {
        return Some(format!("status {}, ours is {}: {}", exchange.status, answer.status, answer.text()));
    }
    let content_type = exchange.response_headers.get("content-type").filter(|kind| kind.contains('/'));
    if let Some(theirs) = content_type
        && !answer.header("content-type").starts_with(theirs.as_str())
    {
        return Some(format!("content type {theirs}, ours is {}", answer.header("content-type")));
    }
    let theirs: Option<Value> = serde_json::from_str(&exchange.response).ok();
    let ours: Option<Value> = serde_json::from_slice(&answer.body).ok();
    match (theirs, ours) {
        (Some(Value::Object(theirs)), Some(Value::Object(ours))) => {
            let missing: Vec<&String> = theirs.keys().filter(|key| !ours.contains_key(*key)).collect();
            if !missing.is_empty() {
                return Some(format!("ours lacks {missing:?}"));
            }
            // What is stored and found is the same, what is made and worded is not.
            let is_same = |key: &&str| {
                let (theirs, ours) = (theirs.get(*key), ours.get(*key));
                theirs.zip(ours).map_or(theirs == ours, |(theirs, ours)| is_equal(theirs, ours))
            };
            let same = ["results", "name"].iter().all(is_same);
            (!same).then(|| format!("ours is {ours:?}"))
        }
        (Some(theirs), Some(ours)) => (!is_equal(&theirs, &ours)).then(|| format!("ours is {ours}")),
        (None, _) if exchange.status < 300 => {
            (exchange.response != answer.text()).then(|| format!("ours is {:?}", answer.text()))
        }
        (None, _) => None,
        (Some(_), None) => Some(format!("ours is no JSON: {:?}", answer.text())),
    }
}

/// The number of an exchange, our status, and why.
fn differences() -> BTreeMap<usize, u16> {
    let text = include_str!("../../../../tests/golden/recorded/influxdb_3_6_differences.txt");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let known = lines.map(|line| {
        let (head, reason) = line.split_once(" -- ").unwrap();
        assert!(!reason.is_empty(), "{line}");
        let (number, status) = head.split_once(' ').unwrap();
        (number.parse().unwrap(), status.parse().unwrap())
    });
    known.collect()
}

#[tokio::test]
async fn answers_are_those_of_influxdb_3() {
    let clock = Arc::new(ManualClock::new(NOW_NS));
    let setup = Setup { onboard: false, auto_create_buckets: true, clock, ..Setup::default() };
    let server = TestServer::with(setup).await;
    let text = include_str!("../../../../tests/golden/recorded/influxdb_3_6.jsonl");
    let (mut token, mut unexpected, mut known) = (None, String::new(), differences());
    for (index, line) in text.lines().enumerate() {
        let exchange: Exchange = serde_json::from_str(line).unwrap();
        let answer = ask(&server, &exchange, token.as_deref()).await;
        if token.is_none() && answer.status == 201 {
            token = Some(answer.json()["token"].as_str().unwrap().to_owned());
            assert!(token.as_ref().is_some_and(|token| token.starts_with("apiv3_") && token.len() == 92), "{token:?}");
        }
        let number = index + 1;
        match (difference(&exchange, &answer), known.remove(&number)) {
            (Some(_), Some(status)) => assert_eq!(answer.status, status, "{number}: {}", answer.text()),
            (Some(found), None) => {
                unexpected.push_str(&format!("{number} {} {} {found}\n", exchange.method, exchange.path));
            }
            (None, Some(_)) => unexpected.push_str(&format!("{number} is no longer different\n")),
            (None, None) => {}
        }
    }
    assert!(unexpected.is_empty(), "\n{unexpected}");
    assert!(known.is_empty(), "there are no such exchanges: {known:?}");
}

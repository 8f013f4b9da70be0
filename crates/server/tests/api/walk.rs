//! A walk through the resources of InfluxDB 2.9 and the endpoints of 1.x, recorded in
//! `tests/golden/recorded/http_2_9.jsonl`, asked of one of our servers from its first exchange to its last: status,
//! code, and the keys of what is answered. Values are compared where they are of more interest, in `recorded.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use http::Request;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{TOKEN, TestServer};

/// One recorded exchange.
#[derive(Deserialize)]
struct Exchange {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    token: bool,
    body: String,
    status: u16,
    code: Option<String>,
    answer: String,
}

/// Where we differ: method, path (`*` is anything), a part of the body, and why.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    ("GET", "/api/v2", "", "links lead only to what is there, and SQL is"),
    ("GET", "/api/v2/orgs/*/labels", "", "every error has a body and a code"),
    ("PUT", "/api/v2/buckets/*", "", "the same"),
    ("POST", "/api/v2/buckets", r#""name": """#, "a bucket without a name could not be addressed"),
    ("POST", "/api/v2/buckets", r#""everySeconds": 60"#, "a mistake of the client is no internal error"),
    ("POST", "/api/v2/query/ast", "x = \"", "a tree of what is no script is of no use; the facts say 400 too"),
    ("POST", "/api/v2/delete*", "a='b'", "strings in single quotes are taken"),
    ("POST", "/api/v2/delete*", "_field=", "a field can be deleted"),
    ("GET", "/api/v2/config", "", "the settings are those of another program"),
    ("POST", "/write*", "", "errors have what clients of 1.x read beside what those of 2 read"),
    ("GET", "/query?db=gbx*", "", "the same"),
    (
        "POST",
        "/api/v2/templates/export",
        "",
        "buckets are listed in another order: the one that it means has no retention",
    ),
    ("GET", "/debug/vars", "", "InfluxDB 1.x has it, and its agents ask for it"),
];

/// Whether a text is as a pattern with one `*` at most.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => text.starts_with(start) && text.ends_with(end),
        None => pattern == text,
    }
}

/// Notes which of our ids stands for which of theirs.
fn match_ids(theirs: &Value, ours: &Value, ids: &mut BTreeMap<String, String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (key, value) in theirs {
                if let Some(other) = ours.get(key) {
                    if let (true, Value::String(value), Value::String(other)) =
                        (key.to_lowercase().ends_with("id"), value, other)
                    {
                        ids.insert(value.clone(), other.clone());
                    }
                    match_ids(value, other, ids);
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            theirs.iter().zip(ours).for_each(|(theirs, ours)| match_ids(theirs, ours, ids));
        }
        _ => {}
    }
}

/// The paths of all keys; entries of a list are one place. A list that is empty hides what is below it.
fn keys(value: &Value, at: &str, found: &mut BTreeSet<String>, hidden: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let at = format!("{at}/{key}");
                keys(value, &at, found, hidden);
                found.insert(at);
            }
        }
        Value::Array(list) if list.is_empty() => {
            hidden.insert(format!("{at}/*"));
        }
        Value::Array(list) => list.iter().for_each(|entry| keys(entry, &format!("{at}/*"), found, hidden)),
        Value::Null => {
            hidden.insert(at.to_owned());
        }
        _ => {}
    }
}

/// What is in the one answer and not in the other.
fn compare(theirs: &Value, ours: &Value) -> Vec<String> {
    let (mut their_keys, mut our_keys, mut hidden) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    keys(theirs, "", &mut their_keys, &mut hidden);
    keys(ours, "", &mut our_keys, &mut hidden);
    let is_seen = |key: &&String| !hidden.iter().any(|place| key.starts_with(place.as_str()) && *key != place);
    let missing = their_keys.difference(&our_keys).filter(is_seen).map(|key| format!("{key} is missing"));
    let added = our_keys.difference(&their_keys).filter(is_seen).map(|key| format!("{key} is ours alone"));
    missing.chain(added).collect()
}

#[tokio::test]
async fn the_walk_goes_as_in_influxdb() {
    let server = TestServer::start(&[]).await;
    let golden = server.placeholders().fill(r#"{"orgID":"<org>","name":"golden"}"#);
    assert_eq!(server.call("POST", "/api/v2/buckets", golden).await.status, 201);
    let (mut ids, mut unexpected, mut unused) = (BTreeMap::new(), String::new(), DIFFERENCES.to_vec());
    for line in include_str!("../../../../tests/golden/recorded/http_2_9.jsonl").lines() {
        let exchange: Exchange = serde_json::from_str(line).unwrap();
        let translate = |text: &str| {
            ids.iter().fold(text.to_owned(), |text, (theirs, ours): (&String, &String)| text.replace(theirs, ours))
        };
        let mut request = Request::builder().method(exchange.method.as_str()).uri(translate(&exchange.path));
        if exchange.token {
            request = request.header("authorization", format!("Token {TOKEN}"));
        }
        for (name, value) in &exchange.headers {
            request = request.header(name, value);
        }
        let answer = server.send(request.body(Body::from(translate(&exchange.body))).unwrap()).await;
        let mut found = Vec::new();
        if answer.status != exchange.status {
            found.push(format!("status {}, ours is {}: {}", exchange.status, answer.status, answer.text()));
        } else if exchange.code.as_deref().unwrap_or_default() != answer.header("x-platform-error-code") {
            found.push(format!("code {:?}, ours is {:?}", exchange.code, answer.header("x-platform-error-code")));
        }
        match (serde_json::from_str::<Value>(&exchange.answer), serde_json::from_slice::<Value>(&answer.body)) {
            (Ok(theirs), Ok(ours)) if answer.status == exchange.status => {
                match_ids(&theirs, &ours, &mut ids);
                found.extend(compare(&theirs, &ours));
            }
            (Ok(_), Err(_)) => found.push("ours is no JSON".to_owned()),
            _ => {}
        }
        let known = DIFFERENCES.iter().find(|known| {
            matches(known.0, &exchange.method) && matches(known.1, &exchange.path) && exchange.body.contains(known.2)
        });
        match known {
            Some(known) if !found.is_empty() => unused.retain(|candidate| candidate != known),
            _ => found.iter().for_each(|difference| {
                unexpected
                    .push_str(&format!("{} {} {}: {difference}\n", exchange.method, exchange.path, exchange.body));
            }),
        }
    }
    assert!(unexpected.is_empty(), "\n{unexpected}");
    assert!(unused.is_empty(), "no longer different: {unused:?}");
}

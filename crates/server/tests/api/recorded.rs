//! Answers that InfluxDB 2.9 gave, recorded in `tests/golden/recorded/influxdb_2_9.jsonl`, against ours to the same
//! requests: status, code, and the answer with ids translated and times and tokens left out.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use http::Request;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{Answer, TOKEN, TestServer};

/// One recorded exchange.
#[derive(Deserialize)]
struct Exchange {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    /// Whether the operator's token was sent.
    token: bool,
    body: String,
    status: u16,
    /// `X-Platform-Error-Code`.
    code: Option<String>,
    answer: String,
}

/// Where we differ: method, end of the path, a part of the body, our status, and why.
const DIFFERENCES: &[(&str, &str, &str, u16, &str)] = &[
    (
        "GET",
        "?org=o&limit=2",
        "",
        200,
        "ids of buckets are not random but rise, so the order is that of their creation",
    ),
    ("GET", "&descending=true", "", 200, "the same"),
    ("POST", "/buckets", r#""name": """#, 400, "a bucket without a name could not be addressed"),
    ("POST", "/buckets", r#""everySeconds": 60"#, 422, "a mistake of the client is no internal error"),
    ("POST", "/buckets", "not json", 400, "the words are those of another JSON parser"),
    ("POST", "/delete?org=o&bucket=gbx", "a='b'", 204, "strings in single quotes are taken"),
    ("POST", "/delete?org=o&bucket=gbx", "_field=", 204, "a field can be deleted"),
    ("PUT", "/buckets/e0aec99b2f825af9", "{}", 405, "every error has a body and a code"),
];

/// Recorded ids and ours.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Ids {
    /// A recorded text with our ids.
    fn translate(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Compares what InfluxDB said with what we say; `at` is the place in the answer.
fn compare(theirs: &Value, ours: &Value, at: &str, ids: &mut Ids, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            let keys: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
            // Ids first: the links beside them hold them too.
            if let (Some(Value::String(theirs)), Some(Value::String(ours))) = (theirs.get("id"), ours.get("id"))
                && is_id(theirs)
                && is_id(ours)
            {
                ids.0.insert(theirs.clone(), ours.clone());
            }
            for key in keys {
                let at = format!("{at}/{key}");
                match (theirs.get(key), ours.get(key)) {
                    (Some(theirs), Some(ours)) => compare(theirs, ours, &at, ids, found),
                    (Some(_), None) => found.push(format!("{at}: missing")),
                    (None, _) => found.push(format!("{at}: not in InfluxDB's answer")),
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                compare(theirs, ours, &format!("{at}/{index}"), ids, found);
            }
        }
        (Value::String(theirs), Value::String(ours)) => {
            // A check is its own task here.
            let varies = [
                "createdAt",
                "updatedAt",
                "started",
                "up",
                "version",
                "commit",
                "token",
                "taskID",
                "latestCompleted",
                "latestScheduled",
            ];
            let key = at.rsplit('/').next().unwrap();
            if !(varies.contains(&key) && theirs.is_empty() == ours.is_empty()) && ids.translate(theirs) != *ours {
                found.push(format!("{at}: {theirs:?}, ours is {ours:?}"));
            }
        }
        _ if theirs == ours => {}
        _ => found.push(format!("{at}: {theirs}, ours is {ours}")),
    }
}

async fn ask(server: &TestServer, exchange: &Exchange, ids: &Ids) -> Answer {
    let mut request = Request::builder().method(exchange.method.as_str()).uri(ids.translate(&exchange.path));
    if exchange.token {
        request = request.header("authorization", format!("Token {TOKEN}"));
    }
    for (name, value) in &exchange.headers {
        request = request.header(name, value);
    }
    server.send(request.body(Body::from(ids.translate(&exchange.body))).unwrap()).await
}

#[tokio::test]
async fn answers_are_those_of_influxdb() {
    let server = TestServer::start(&[]).await;
    let text = include_str!("../../../../tests/golden/recorded/influxdb_2_9.jsonl");
    let (mut ids, mut unexpected, mut unused) = (Ids::default(), String::new(), DIFFERENCES.to_vec());
    for line in text.lines() {
        let exchange: Exchange = serde_json::from_str(line).unwrap();
        let answer = ask(&server, &exchange, &ids).await;
        let mut found = Vec::new();
        if answer.status != exchange.status {
            found.push(format!("status: {}, ours is {}", exchange.status, answer.status));
        }
        if exchange.code.as_deref().unwrap_or_default() != answer.header("x-platform-error-code") {
            found.push(format!("code: {:?}, ours is {:?}", exchange.code, answer.header("x-platform-error-code")));
        }
        match serde_json::from_str(&exchange.answer) {
            Ok(_) if answer.body.is_empty() => found.push("there is no body".to_owned()),
            Ok(theirs) => compare(&theirs, &answer.json(), "", &mut ids, &mut found),
            Err(_) if exchange.answer.is_empty() && !answer.body.is_empty() => found.push("there is a body".to_owned()),
            Err(_) => {}
        }
        let is_known = |known: &&(&str, &str, &str, u16, &str)| {
            known.0 == exchange.method && exchange.path.ends_with(known.1) && exchange.body.contains(known.2)
        };
        match DIFFERENCES.iter().find(is_known) {
            Some(known) if !found.is_empty() => {
                assert_eq!(answer.status, known.3, "{known:?}");
                unused.retain(|candidate| candidate != known);
            }
            _ => {
                for difference in found {
                    unexpected.push_str(&format!("{} {} {difference}\n", exchange.method, exchange.path));
                }
            }
        }
    }
    assert!(unexpected.is_empty(), "\n{unexpected}");
    assert!(unused.is_empty(), "no longer different: {unused:?}");
}

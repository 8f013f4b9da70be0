//! Answers that InfluxDB 2.9 gave to Flux over `tests/golden/recorded/influxql_data.lp`, against ours to the same
//! scripts. A script that differs stands in `tests/golden/recorded/flux_differences.txt`, by its number in the recorded
//! file and with the reason; one that does not differ any more must leave that list.
//!
//! Tables may come in another order, their rows may not. Floats may differ in their last digits, because a sum depends
//! on the order of its parts.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use catalog::NewBucket;
use http::Request;
use serde::Deserialize;
use serde_json::json;

use crate::support::{Answer, TOKEN, TestServer};

#[derive(Deserialize)]
struct Case {
    query: String,
    status: u16,
    body: String,
}

/// How much two floats may differ, in parts of their size.
const TOLERANCE: f64 = 1e-12;

async fn ask(server: &TestServer, query: &str) -> Answer {
    let dialect = json!({ "header": true, "annotations": ["datatype", "group", "default"] });
    let body = json!({ "query": query, "type": "flux", "dialect": dialect }).to_string();
    let request = Request::builder().method("POST").uri("/api/v2/query?org=o");
    let request = request.header("authorization", format!("Token {TOKEN}")).header("content-type", "application/json");
    server.send(request.body(Body::from(body)).unwrap()).await
}

/// A table of an answer: its head and its rows, without its number.
type Table = (Vec<String>, Vec<Vec<String>>);

/// The tables of an answer, sorted.
fn tables(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let (mut head, mut number): (Vec<String>, Option<String>) = (Vec::new(), None);
    for line in text.split("\r\n") {
        let cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        if line.is_empty() {
            if !head.is_empty() && number.is_none() {
                tables.push((std::mem::take(&mut head), Vec::new()));
            }
            (head, number) = (Vec::new(), None);
        } else if line.starts_with("#default") && cells.len() > 2 {
            // The number of an empty table stands here.
            head.push([&cells[..2], &cells[3..]].concat().join(","));
        } else if line.starts_with('#') || (number.is_none() && line.starts_with(",result,table")) {
            head.push(line.to_owned());
        } else {
            if number.as_ref() != cells.get(2) {
                number = cells.get(2).cloned();
                tables.push((head.clone(), Vec::new()));
            }
            tables.last_mut().unwrap().1.push(cells.into_iter().skip(3).collect());
        }
    }
    tables.sort();
    tables
}

fn same_cell(theirs: &str, ours: &str) -> bool {
    if theirs == ours {
        return true;
    }
    match (theirs.parse::<f64>(), ours.parse::<f64>()) {
        (Ok(theirs), Ok(ours)) => (theirs - ours).abs() <= TOLERANCE * theirs.abs().max(ours.abs()),
        // The moment of the query is another one.
        _ => theirs.starts_with("2026-11-22T10:3") && ours.starts_with("20"),
    }
}

fn same(case: &Case, answer: &Answer) -> bool {
    let text = answer.text();
    if answer.status != case.status {
        return false;
    }
    if case.status != 200 {
        return text.trim() == case.body.trim();
    }
    let (theirs, ours) = (tables(&case.body), tables(&text));
    theirs.len() == ours.len()
        && theirs.iter().zip(&ours).all(|(theirs, ours)| {
            let rows = theirs.1.iter().zip(&ours.1);
            theirs.0 == ours.0
                && theirs.1.len() == ours.1.len()
                && rows.clone().all(|(theirs, ours)| {
                    theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(theirs, ours)| same_cell(theirs, ours))
                })
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn flux_answers_are_those_of_influxdb() {
    let server = TestServer::start(&[]).await;
    let catalog = server.state.catalog();
    let organisation_id = catalog.find_organisation_by_name("o").unwrap().id;
    let bucket = NewBucket {
        organisation_id,
        name: "golden".to_owned(),
        description: String::new(),
        retention: Duration::ZERO,
        shard_group_duration: None,
    };
    catalog.create_bucket(bucket).await.unwrap();
    let data = include_str!("../../../../tests/golden/recorded/influxql_data.lp");
    assert_eq!(server.call("POST", "/api/v2/write?org=o&bucket=golden&precision=s", data).await.status, 204);
    let differences = include_str!("../../../../tests/golden/recorded/flux_differences.txt");
    let lines = differences.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut known: BTreeMap<usize, &str> = lines
        .map(|line| line.split_once(" -- ").unwrap())
        .map(|(number, reason)| (number.parse().unwrap(), reason))
        .collect();
    let (mut unexpected, mut failed, mut outdated, mut passed) = (String::new(), Vec::new(), Vec::new(), 0);
    for (index, line) in include_str!("../../../../tests/golden/recorded/flux_2_9.jsonl").lines().enumerate() {
        let case: Case = serde_json::from_str(line).unwrap();
        let answer = ask(&server, &case.query).await;
        match (same(&case, &answer), known.remove(&(index + 1))) {
            (true, None) => passed += 1,
            (true, Some(_)) => outdated.push(index + 1),
            (false, Some(_)) => {}
            (false, None) => {
                let (query, theirs, ours) = (case.query, case.body.trim(), answer.text());
                failed.push(index + 1);
                unexpected.push_str(&format!(
                    "### {}\n{query}\n  theirs: {} {theirs}\n  ours:   {} {ours}\n",
                    index + 1,
                    case.status,
                    answer.status
                ));
            }
        }
    }
    assert!(unexpected.is_empty(), "{passed} are right\n{unexpected}\nnot right: {failed:?}");
    assert!(outdated.is_empty(), "no longer different: {outdated:?}");
    assert!(known.is_empty(), "not a recorded script: {known:?}");
}

//! A continuous query over kill -9: what ended while nobody ran is computed after the restart.

use reqwest::Method;
use serde_json::Value;
use testkit::{Server, until};

use crate::server;

async fn influxql(server: &Server, query: &str) -> Value {
    let path = format!("/query?db={}", server.bucket());
    let request = server.request(Method::POST, &path).form(&[("q", query), ("epoch", "s")]);
    let answer = server.send(request).await.expect(200);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let result = answer["results"][0].clone();
    assert!(result["error"].is_null(), "{query}: {result}");
    result
}

/// The total of all windows that were computed.
async fn total(server: &Server) -> Option<f64> {
    influxql(server, "SELECT sum(s) FROM sums").await["series"][0]["values"][0][1].as_f64()
}

#[tokio::test]
async fn a_continuous_query_makes_up_for_a_crash() {
    let mut server = server().start().await;
    let select = "SELECT sum(f) AS s INTO sums FROM m GROUP BY time(1s)";
    let create = format!("CREATE CONTINUOUS QUERY q ON \"{}\" BEGIN {select} END", server.bucket());
    influxql(&server, &create).await;
    // The server's own clock: the time of a point without one.
    server.write("clock f=1").await;
    let now = influxql(&server, "SELECT f FROM clock").await["series"][0]["values"][0][0].as_i64().unwrap();
    let lines: String =
        (1..=5).map(|second| format!("m f={second} {}\n", (now + 1 + second) * 1_000_000_000)).collect();
    server.write(lines).await;
    server.kill9().await;
    server.restart().await;
    until("all windows", async || total(&server).await.filter(|total| *total == 15.0)).await;
    let windows = influxql(&server, "SELECT s FROM sums").await["series"][0]["values"].clone();
    assert_eq!(windows.as_array().unwrap().len(), 5, "{windows}");
    // Nothing is computed that is not due any more.
    server.stop().await;
    server.restart().await;
    assert_eq!(total(&server).await, Some(15.0));
    server.stop().await;
}

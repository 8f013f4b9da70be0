//! Debian's Prometheus beside the server: it writes to us and reads from us, and we answer as it does.

use promql::remote::WriteRequest;
use promql::{Labels, SampleSeries};
use reqwest::Method;
use serde_json::Value;
use testkit::{Prometheus, Server, until};

use crate::prometheus_queries::{Random, START_MS, samples, vector};
use crate::server;

/// Queries that every run of the tests asks; `cargo xtask oracle promql` asks more.
const QUERIES: usize = 400;

fn message(series: Vec<SampleSeries>) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&WriteRequest { series, histograms: 0 }.encode()).unwrap()
}

async fn write(server: &Server, message: Vec<u8>) {
    let path = format!("/api/v1/write?bucket={}", server.bucket());
    let answer = server.send(server.request(Method::POST, &path).body(message)).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
}

async fn ask(server: &Server, path: &str, parameters: &[(&str, String)]) -> Value {
    let path = format!("/prometheus/{}/api/v1/{path}", server.bucket());
    server.send(server.request(Method::POST, &path).form(parameters)).await.json()
}

/// The series of an answer by their labels; of an error its type.
fn sorted(answer: &Value) -> Vec<Value> {
    if answer["status"] == "error" {
        return vec![answer["errorType"].clone()];
    }
    let mut result = answer["data"]["result"].as_array().cloned().unwrap_or_default();
    result.sort_by_key(|series| series["metric"].to_string());
    result
}

/// Equal but for rounding.
fn same(ours: &Value, theirs: &Value) -> bool {
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(key, ours)| theirs.get(key).is_some_and(|theirs| same(ours, theirs)))
        }
        (ours, theirs) => match (number(ours), number(theirs)) {
            (Some(one), Some(other)) if one.is_finite() && other.is_finite() => {
                (one - other).abs() <= 1e-6 + 1e-8 * one.abs().max(other.abs())
            }
            _ => ours == theirs,
        },
    }
}

#[tokio::test]
async fn answers_are_those_of_prometheus() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let queries = number("FRESHET_PROMQL_QUERIES").map_or(QUERIES, |count| count as usize);
    let seed = number("FRESHET_PROMQL_SEED").unwrap_or(1);
    let Some(prometheus) = Prometheus::start("global: {scrape_interval: 1h}\n").await else { return };
    let mut server = server().start().await;
    let mut random = Random::new(seed);
    let data = samples(&mut random);
    write(&server, message(data.clone())).await;
    prometheus.write(message(data)).await;
    let (mut answered, mut failed, mut different) = (0, 0, Vec::new());
    for place in 0..queries {
        if place == queries / 2 {
            // From the buffer first, then from a file.
            server.flush().await;
        }
        let query = vector(&mut random, place % 4);
        let time = START_MS / 1000 + random.below(3_200) as i64;
        let mut parameters = vec![("query", query)];
        let path = if place % 3 == 0 {
            parameters.push(("time", format!("{time}.5")));
            "query"
        } else {
            let step = 1 + random.below(90);
            let end = time + (step * random.below(40)) as i64;
            parameters.push(("start", format!("{time}.5")));
            parameters.extend([("end", format!("{end}.5")), ("step", step.to_string())]);
            "query_range"
        };
        let ours = sorted(&ask(&server, path, &parameters).await);
        let theirs = sorted(&prometheus.ask(path, &parameters).await);
        if !same(&Value::from(ours.clone()), &Value::from(theirs.clone())) {
            different.push(format!("{parameters:?}\n  Prometheus {}\n  ours       {}", text(&theirs), text(&ours)));
        } else if theirs.first().is_some_and(Value::is_string) {
            failed += 1;
        } else if !theirs.is_empty() {
            answered += 1;
        }
    }
    println!("{queries} queries with seed {seed}: {answered} have the same series, {failed} the same error");
    let shown: Vec<&str> = different.iter().take(20).map(String::as_str).collect();
    assert!(different.is_empty(), "{} of {queries} differ with seed {seed}:\n{}", different.len(), shown.join("\n"));
    assert!(answered > queries / 2, "{answered} of {queries} have series");
    server.stop().await;
}

/// The beginning of an answer.
fn text(series: &[Value]) -> String {
    Value::from(series.to_vec()).to_string().chars().take(1_500).collect()
}

#[tokio::test]
async fn prometheus_writes_to_and_reads_from_a_bucket() {
    let mut server = server().start().await;
    let remote = |path: &str| {
        let address = format!("{}/api/v1/{path}?bucket={}", server.url(), server.bucket());
        let authorization = format!("{{type: Bearer, credentials: \"{}\"}}", server.token());
        format!("{{url: \"{address}\", authorization: {authorization}")
    };
    let writer = format!("remote_write:\n  - {}}}\n", remote("write"));
    let Some(writer) = Prometheus::start(&writer).await else { return };
    let reader = format!("remote_read:\n  - {}, read_recent: true}}\n", remote("read"));
    let Some(reader) = Prometheus::start(&reader).await else { return };
    // It passes on only what is later than its own start.
    let now = writer.ask("query", &[("query", "time()".to_owned())]).await;
    let start_ms = (now["data"]["result"][0].as_f64().unwrap() * 1000.0) as i64 + 1_000;
    let series = |job: &str, slope: f64| SampleSeries {
        labels: Labels::new([("__name__", "jobs_total"), ("job", job)]),
        times: (0..20).map(|place| start_ms + place * 1_000).collect(),
        values: (0..20).map(|place| place as f64 * slope).collect(),
    };
    writer.write(message(vec![series("a", 1.0), series("b \"ü\"", 2.5)])).await;
    let time = || ("time", format!("{:.3}", (start_ms + 19_500) as f64 / 1000.0));
    let query = |text: &str| [("query", text.to_owned()), time()];
    let count = query("sum(count_over_time(jobs_total[1m]))");
    until("the samples of Prometheus", async || {
        let answer = ask(&server, "query", &count).await;
        (answer["data"]["result"][0]["value"][1] == "40").then_some(())
    })
    .await;
    for text in ["rate(jobs_total[30s])", "jobs_total{job=~\"b.*\"}", "sum(jobs_total) by (job)", "count(jobs_total)"] {
        let theirs = sorted(&writer.ask("query", &query(text)).await);
        assert!(!theirs.is_empty() && theirs[0].is_object(), "{text}: {theirs:?}");
        let [ours, read] =
            [sorted(&ask(&server, "query", &query(text)).await), sorted(&reader.ask("query", &query(text)).await)];
        assert!(same(&Value::from(ours.clone()), &Value::from(theirs.clone())), "{text}: {ours:?} {theirs:?}");
        assert!(same(&Value::from(read.clone()), &Value::from(theirs.clone())), "{text}: {read:?} {theirs:?}");
    }
    server.stop().await;
}

//! `/metrics` and `/ready`: what happened is counted, in a text that a Prometheus server can read.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use crate::support::TestServer;

/// The samples by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = TestServer::start(&[]).await;
    let body = "m f=1 1\nm f=2 2\n";
    assert_eq!(server.write(body).await.status, 204);
    assert_eq!(server.write("m f=1i 3\nm f=3 4").await.status, 422);
    assert_eq!(server.write("bad").await.status, 400);
    server.query("SELECT f FROM m").await;
    let answer = server.call("GET", "/metrics", "").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    let samples = samples(&text);
    let organisation = server.named("org");
    for (name, expected) in [
        ("freshet_write_points_total".to_owned(), 3.0),
        ("freshet_write_points_dropped_total".to_owned(), 1.0),
        ("freshet_write_failed_total".to_owned(), 1.0),
        ("freshet_write_bytes_total".to_owned(), (body.len() + "m f=1i 3\nm f=3 4".len() + "bad".len()) as f64),
        (format!("http_write_request_count{{org_id=\"{organisation}\",status=\"204\"}}"), 1.0),
        (format!("http_write_request_count{{org_id=\"{organisation}\",status=\"422\"}}"), 1.0),
        (format!("http_write_request_bytes{{org_id=\"{organisation}\",status=\"204\"}}"), body.len() as f64),
        (format!("http_query_request_count{{org_id=\"{organisation}\",status=\"200\"}}"), 1.0),
        ("freshet_wal_records_total".to_owned(), 2.0),
        ("freshet_wal_sync_duration_seconds_count".to_owned(), 2.0),
        ("freshet_wal_sync_duration_seconds_bucket{le=\"+Inf\"}".to_owned(), 2.0),
        ("freshet_tables".to_owned(), 1.0),
        ("freshet_files".to_owned(), 0.0),
        ("freshet_compactions_total{reason=\"overlap\"}".to_owned(), 0.0),
        ("freshet_write_amplification".to_owned(), 1.0),
        ("freshet_deletion_waits".to_owned(), 0.0),
        ("freshet_body_bytes".to_owned(), 0.0),
        ("freshet_queries_total".to_owned(), 1.0),
        ("freshet_queries_failed_total".to_owned(), 0.0),
        ("influxdb_buckets_total".to_owned(), 3.0),
        ("influxdb_tokens_total".to_owned(), 1.0),
    ] {
        assert_eq!(samples.get(&name), Some(&expected), "{name}\n{text}");
    }
    assert!(samples["freshet_buffer_bytes"] > 0.0);
    assert!(samples["process_resident_memory_bytes"] > 1e6);
    let requests = concat!(
        r#"http_api_requests_total{handler="platform",method="POST",path="/api/v2/write","#,
        r#"response_code="204",status="2XX",user_agent="unknown"}"#
    );
    assert_eq!(samples.get(requests), Some(&1.0), "{text}");
}

#[tokio::test]
async fn every_family_is_described_once_before_its_samples() {
    let server = TestServer::start(&[]).await;
    server.write("m f=1 1").await;
    let text = server.call("GET", "/metrics", "").await.text();
    let (mut described, mut family) = (Vec::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            name.clone_into(&mut family);
            assert!(!described.contains(&family), "{family} is described twice");
            described.push(family.clone());
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            assert!(name == family || base == Some(&family), "{line} stands under {family}");
        }
    }
    assert!(described.len() > 30, "{described:?}");
}

#[tokio::test]
async fn ready_says_since_when() {
    let server = TestServer::start(&[]).await;
    let ready = server.call("GET", "/ready", "").await.json();
    assert_eq!(ready["status"], "ready");
    let started = ready["started"].as_str().unwrap();
    assert!(started.ends_with('Z') && started.contains('T'), "{started}");
    assert!(ready["up"].as_str().unwrap().ends_with('s'));
}

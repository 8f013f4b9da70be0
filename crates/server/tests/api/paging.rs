//! Lists page by page: every entry comes once, by links, by offset and behind an id, in both directions.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::TestServer;

fn ids(page: &Value, key: &str) -> Vec<String> {
    page[key].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

/// A server with 45 buckets: two of the system, `b`, and 42 more.
async fn server_with_buckets() -> TestServer {
    let server = TestServer::start(&[]).await;
    for number in 0..42 {
        let body = format!(r#"{{"orgID":"<org>","name":"bucket {number}"}}"#);
        let answer = server.call("POST", "/api/v2/buckets", server.placeholders().fill(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    server
}

#[tokio::test]
async fn next_links_lead_through_all_entries() {
    let server = server_with_buckets().await;
    for start in ["/api/v2/buckets?org=o", "/api/v2/buckets?limit=7", "/api/v2/buckets?limit=9&descending=true"] {
        let (mut address, mut seen) = (Some(start.to_owned()), Vec::new());
        while let Some(current) = address {
            let page = server.call("GET", &current, "").await.json();
            seen.extend(ids(&page, "buckets"));
            address = page["links"]["next"].as_str().map(str::to_owned);
            assert!(seen.len() <= 45, "{start}");
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (45, 45), "{start}");
        let mut sorted = seen.clone();
        sorted.sort();
        if start.contains("descending") {
            sorted.reverse();
        }
        assert_eq!(seen, sorted, "{start}");
    }
}

#[tokio::test]
async fn pages_behind_an_id() {
    let server = server_with_buckets().await;
    for direction in ["", "&descending=true"] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let after = seen.last().map(|id| format!("&after={id}")).unwrap_or_default();
            let page = server.call("GET", &format!("/api/v2/buckets?limit=10{direction}{after}"), "").await.json();
            let page = ids(&page, "buckets");
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        let distinct: BTreeSet<&String> = seen.iter().collect();
        assert_eq!((seen.len(), distinct.len()), (45, 45), "{direction}");
    }
}

#[tokio::test]
async fn organisations_and_users_are_paged_too() {
    let server = TestServer::start(&[]).await;
    for number in 0..4 {
        for path in ["/api/v2/orgs", "/api/v2/users"] {
            let answer = server.call("POST", path, format!(r#"{{"name":"name {number}"}}"#)).await;
            assert_eq!(answer.status, 201, "{}", answer.text());
        }
    }
    for (path, key) in [("/api/v2/orgs", "orgs"), ("/api/v2/users", "users")] {
        let mut seen = BTreeSet::new();
        for (offset, expected) in [(0, 2), (2, 2), (4, 1), (6, 0)] {
            let page = server.call("GET", &format!("{path}?limit=2&offset={offset}"), "").await.json();
            let page = ids(&page, key);
            assert_eq!(page.len(), expected, "{path} {offset}");
            seen.extend(page);
        }
        assert_eq!(seen.len(), 5, "{path}");
        for bad in ["limit=0", "limit=101", "limit=x", "offset=-1", "after=zz"] {
            assert_eq!(server.call("GET", &format!("{path}?{bad}"), "").await.status, 400, "{path} {bad}");
        }
    }
}

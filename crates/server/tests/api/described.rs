//! The description of the API against the table of routes, both ways.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use crate::permissions::routes_in;
use crate::support::TestServer;

/// What the description says there is.
async fn described(server: &TestServer) -> BTreeSet<(String, String)> {
    let answer = server.call("GET", "/api/v2/swagger.json", "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json; charset=utf-8"));
    let mut described = BTreeSet::new();
    for (path, operations) in answer.json()["paths"].as_object().unwrap() {
        described.extend(operations.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    described
}

#[tokio::test]
async fn every_route_is_described() {
    let server = TestServer::start(&[]).await;
    let described = described(&server).await;
    let mut routed = routes_in(include_str!("../../src/routes.rs"));
    routed.extend(routes_in(include_str!("../../src/routes/v3/mod.rs")));
    let prometheus = routes_in(include_str!("../../src/routes/prometheus/mod.rs"));
    let below = prometheus.iter().filter(|(_, path)| !path.starts_with("/api/v1/prom/"));
    routed.extend(below.map(|(method, path)| (method.clone(), format!("/prometheus/{{bucket}}{path}"))));
    routed.extend(prometheus);
    assert!(routed.len() > 250, "{}", routed.len());
    // Flight is described by its own protocol.
    routed.retain(|(_, path)| !path.starts_with("/arrow.flight"));
    let missing: Vec<_> = routed.difference(&described).collect();
    assert!(missing.is_empty(), "not described: {missing:?}");
    // The table of routes takes this one from elsewhere.
    let elsewhere = ("POST".to_owned(), "/api/v2/users/{id}/password".to_owned());
    let unknown: Vec<_> = described.difference(&routed).filter(|known| **known != elsewhere).collect();
    assert!(unknown.is_empty(), "described and not there: {unknown:?}");
}

#[tokio::test]
async fn everything_described_is_there() {
    let server = TestServer::start(&[]).await;
    for (method, path) in described(&server).await {
        let parts = path.split('/').map(|part| match part.strip_prefix('{') {
            Some(name) if name.contains("id}") => "00000000000000aa",
            Some(_) => "x",
            None => part,
        });
        let address = parts.collect::<Vec<&str>>().join("/");
        let answer = server.call(&method, &address, "").await;
        let said = String::from_utf8_lossy(&answer.body);
        let is_there = answer.status != 405 && !said.contains("path not found");
        let is_well = answer.status < 500 || answer.status == 501;
        assert!(is_there && is_well, "{method} {path}: {} {}", answer.status, said.get(..200).unwrap_or(&said));
    }
}

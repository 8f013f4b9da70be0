//! Secrets in scripts: who reads them, and whose.

#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::support::{Answer, TOKEN, TestServer};

async fn ask(server: &TestServer, token: &str, organisation: &str, key: &str) -> Answer {
    let script = format!(
        "import \"array\"\nimport \"influxdata/influxdb/secrets\"\narray.from(rows: [{{v: \
         secrets.get(key: \"{key}\")}}])"
    );
    let request = Request::builder().method("POST").uri(format!("/api/v2/query?org={organisation}"));
    let request = request.header("authorization", format!("Token {token}"));
    let request = request.header("content-type", "application/vnd.flux").header("accept", "application/csv");
    server.send(request.body(Body::from(script)).unwrap()).await
}

#[tokio::test]
async fn a_script_reads_the_secrets_that_its_author_may_read() {
    let server = TestServer::start(&[]).await;
    let secrets = format!("/api/v2/orgs/{}/secrets", server.named("org"));
    assert_eq!(server.call("PATCH", &secrets, r#"{"k":"hidden value","other":"x"}"#).await.status, 204);
    let found = ask(&server, TOKEN, "o", "k").await;
    assert!(found.status == 200 && found.text().contains(",hidden value\r\n"), "{}", found.text());
    let missing = ask(&server, TOKEN, "o", "none").await;
    assert_eq!((missing.status, &missing.json()["code"]), (404, &json!("not found")), "{}", missing.text());
    assert!(missing.text().contains("could not find secret"), "{}", missing.text());
    // Whoever may read buckets may not read secrets.
    let token = server.token(r#"[{"action":"read","resource":{"type":"buckets","orgID":"<org>"}}]"#).await;
    let refused = ask(&server, &token, "o", "k").await;
    assert_eq!(
        (refused.status, refused.text().contains("insufficient permissions")),
        (403, true),
        "{}",
        refused.text()
    );
    let reader = server.token(r#"[{"action":"read","resource":{"type":"secrets","orgID":"<org>"}}]"#).await;
    assert_eq!(ask(&server, &reader, "o", "k").await.status, 200);
    // Another organisation has its own.
    assert_eq!(server.call("POST", "/api/v2/orgs", r#"{"name":"p"}"#).await.status, 201);
    assert_eq!(ask(&server, TOKEN, "p", "k").await.status, 404);
}

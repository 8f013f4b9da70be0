//! When the disk fails: what clients are told, what /health says, and what goes on.

#![allow(clippy::unwrap_used, reason = "tests")]

use storage::disk::SimulatedDisk;

use crate::support::{Setup, TestServer};

async fn server_on(disk: &SimulatedDisk) -> TestServer {
    TestServer::with(Setup { wal_disk: Some(disk.clone()), ..Setup::default() }).await
}

#[tokio::test]
async fn after_a_failed_sync_no_write_is_taken() {
    let disk = SimulatedDisk::new();
    let server = server_on(&disk).await;
    assert_eq!(server.write("m f=1 1").await.status, 204);
    disk.fail_sync_after(0);
    for _ in 0..3 {
        // Also later writes, whose syncs the disk would let through.
        let answer = server.write("m f=2 2").await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        assert_eq!(answer.header("x-platform-error-code"), "unavailable");
        assert_eq!(answer.header("retry-after"), "30");
    }
    let health = server.call("GET", "/health", "").await;
    assert_eq!(health.status, 503);
    let health = health.json();
    assert_eq!(health["status"], "fail");
    assert_eq!(health["checks"][0]["name"], "write-ahead log");
    assert_eq!(health["message"], "the write-ahead log failed; writes are refused until a restart");
    // What was acknowledged can be read, and nothing else.
    assert_eq!(server.query("SELECT f FROM m").await, serde_json::json!([{ "f": 1.0 }]));
}

#[tokio::test]
async fn a_full_disk_recovers_by_itself() {
    let disk = SimulatedDisk::new();
    // Without room that was set aside before, the next record needs new space.
    disk.disable_allocation();
    let server = server_on(&disk).await;
    assert_eq!(server.write("m f=1 1").await.status, 204);
    disk.set_capacity(Some(0));
    let answer = server.write("m f=2 2").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("x-platform-error-code"), "unavailable");
    assert_eq!(answer.header("retry-after"), "10");
    assert_eq!(server.call("GET", "/health", "").await.status, 503);
    assert_eq!(server.query("SELECT count(*) AS n FROM m").await, serde_json::json!([{ "n": 1 }]));
    disk.set_capacity(None);
    assert_eq!(server.write("m f=2 2").await.status, 204);
    assert_eq!(server.call("GET", "/health", "").await.status, 200);
    assert_eq!(server.query("SELECT count(*) AS n FROM m").await, serde_json::json!([{ "n": 2 }]));
}

#[tokio::test]
async fn a_closed_server_takes_nothing_more() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.write("m f=1 1").await.status, 204);
    // Whether the last flush succeeds is not the point here.
    let _ = server.state.engine().close().await;
    server.state.catalog().close().await;
    let answer = server.write("m f=2 2").await;
    assert_eq!((answer.status, answer.header("x-platform-error-code")), (503, "unavailable"), "{}", answer.text());
    let answer = server.call("POST", "/api/v2/users", r#"{"name":"x"}"#).await;
    assert_eq!((answer.status, answer.header("x-platform-error-code")), (503, "unavailable"), "{}", answer.text());
}

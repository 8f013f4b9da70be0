//! Compression bombs: what they cost the process, measured as its peak memory.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use server::Limits;

use crate::support::{Setup, TOKEN, TestServer, gzip};

const MIB: u64 = 1 << 20;

/// The memory limit of the server, in bytes.
const MEMORY_LIMIT_BYTES: u64 = 256 * MIB;

/// The most memory that this process ever had, in bytes.
fn peak_memory_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Blanks that decompress to 1 GiB, of which each member is 16 MiB.
fn bomb(member: Vec<u8>) -> Vec<u8> {
    member.repeat(64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bomb_costs_no_more_than_the_limit() {
    let limits = Limits::for_memory(MEMORY_LIMIT_BYTES);
    let all_bodies = limits.bodies_in_flight_bytes;
    let setup = Setup { limits, memory_limit_bytes: MEMORY_LIMIT_BYTES, ..Setup::default() };
    let server = Arc::new(TestServer::with(setup).await);
    let blanks = vec![b' '; 16 << 20];
    let bombs = [("gzip", bomb(gzip(&blanks))), ("zstd", bomb(zstd::encode_all(&blanks[..], 3).unwrap()))];
    drop(blanks);
    let before = peak_memory_bytes();
    for (encoding, bomb) in bombs {
        assert!(bomb.len() < 2 << 20, "{encoding}: {}", bomb.len());
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let request = Request::builder().method("POST").uri("/api/v2/write?org=o&bucket=b");
                let request = request.header("authorization", format!("Token {TOKEN}"));
                let request = request.header("content-encoding", encoding).body(Body::from(bomb.clone())).unwrap();
                let server = Arc::clone(&server);
                tokio::spawn(async move { server.send(request).await })
            })
            .collect();
        for task in tasks {
            let answer = task.await.unwrap();
            assert!(matches!(answer.status, 413 | 503), "{encoding}: {} {}", answer.status, answer.text());
        }
    }
    let grown = peak_memory_bytes() - before;
    println!("peak memory grew by {} MiB", grown / MIB);
    // On top of the budget come the 16 bodies as this test holds them, and what the allocator has not given back yet.
    let slack = 64 * MIB;
    assert!(grown <= all_bodies + slack, "{} MiB", grown / MIB);
    assert_eq!(server.write("m f=1 1").await.status, 204);
}

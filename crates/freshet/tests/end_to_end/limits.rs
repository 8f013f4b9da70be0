//! The bounds of a server, met in earnest: bombs, overload, a million tag values, ten thousand measurements.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use testkit::{Answer, Server, until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::rules::{begin_write, metric};
use crate::{PROGRAM, server};

const MIB: u64 = 1 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn write_gzip(server: &Server, body: Vec<u8>) -> Answer {
    let path = format!("/api/v2/write?org={}&bucket={}", server.organisation(), server.bucket());
    server.send(server.request(Method::POST, &path).header("content-encoding", "gzip").body(body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gzip_bomb_costs_no_more_than_the_memory_limit() {
    let limit_bytes = 256 * MIB;
    let server = Server::builder(PROGRAM).args(["--memory-limit", "256MiB"]).start().await;
    server.write("before f=1 1").await;
    // 1 GiB in about 1 MiB: members of 16 MiB, of empty lines and of one long line of points that are all good.
    let blank = gzip(&vec![b'\n'; 16 << 20]).repeat(64);
    let points = gzip("bomb f=1 1\n".repeat(1 << 20).as_bytes()).repeat(96);
    assert!(blank.len() < 2 << 20 && points.len() < 4 << 20, "{} {}", blank.len(), points.len());
    let server = Arc::new(server);
    let mut bombs = JoinSet::new();
    for number in 0..16 {
        let (server, bomb) = (Arc::clone(&server), if number % 2 == 0 { blank.clone() } else { points.clone() });
        bombs.spawn(async move { write_gzip(&server, bomb).await });
    }
    let mut too_large = 0;
    while let Some(answer) = bombs.join_next().await {
        let answer = answer.unwrap();
        match answer.status.as_u16() {
            413 => {
                assert_eq!(answer.json()["code"], "request too large");
                too_large += 1;
            }
            503 => assert!(answer.headers.contains_key("retry-after"), "{answer:?}"),
            _ => panic!("{answer:?}"),
        }
    }
    // One alone is never refused for want of room.
    assert_eq!(write_gzip(&server, blank).await.status, 413);
    assert!(server.peak_memory_bytes() < limit_bytes, "{} MiB after {too_large}", server.peak_memory_bytes() / MIB);
    assert_eq!(metric(&server, "freshet_body_bytes").await, 0.0);
    server.write("before f=2 2").await;
    assert_eq!(server.sql_number("SELECT count(*) FROM before").await, 2);
    let tables = server.sql("SHOW TABLES").await;
    assert!(!json!(tables).to_string().contains("bomb"), "{tables:?}");
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test]
async fn overload_is_answered_503_and_passes() {
    // Bodies in flight have a quarter of it.
    let mut server = Server::builder(PROGRAM).args(["--memory-limit", "128MiB", "--body-stall", "5m"]).start().await;
    let text = "x".repeat(1 << 19);
    let batch =
        |number: i64| -> String { (0..8).map(|line| format!("probe s=\"{text}\" {}\n", 8 * number + line)).collect() };
    server.write(batch(0)).await;
    let mut stored = 1;
    // Bodies that begin and do not go on fill the room, until a whole one is refused.
    let mut stalled: Vec<TcpStream> = Vec::new();
    let piece = vec![b'\n'; 6 << 20];
    let refused = until("a refusal", async || {
        let mut stream = begin_write(&server, Some(12 << 20)).await;
        // One that is refused itself is closed while it sends.
        let _ = stream.write_all(&piece).await;
        stalled.push(stream);
        let answer = server.try_write(batch(stored)).await.unwrap();
        if answer.status == 204 {
            stored += 1;
            return None;
        }
        Some(answer)
    })
    .await;
    let refused = refused.expect(503);
    assert_eq!(refused.json()["code"], "unavailable");
    assert_eq!(refused.headers["x-platform-error-code"], "unavailable");
    let retry_after_s: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&retry_after_s), "{retry_after_s}");
    // What needs no room for a body goes on.
    let query = format!(
        "/api/v3/query_sql?org={}&db={}&q=SELECT+count(*)+AS+n+FROM+probe",
        server.organisation(),
        server.bucket()
    );
    let answer = server.send(server.request(Method::GET, &query)).await.expect(200);
    assert_eq!(answer.json(), json!([{ "n": 8 * stored }]));
    let _ = server.send(server.request(Method::GET, "/health")).await.expect(200);

    drop(stalled);
    until("the end of the overload", async || {
        let answer = server.try_write(batch(stored)).await.unwrap();
        assert!([204, 503].contains(&answer.status.as_u16()), "{answer:?}");
        (answer.status == 204).then_some(())
    })
    .await;
    stored += 1;
    assert_eq!(server.sql_number("SELECT count(*) FROM probe").await, 8 * stored);
    server.stop().await;
}

#[tokio::test]
async fn a_full_buffer_makes_writers_wait_and_loses_nothing() {
    // The buffer has two fifths of it, and no measurement flushes by its size.
    let arguments = ["--memory-limit", "128MiB", "--flush-table-bytes", "1GiB"];
    let mut server = Server::builder(PROGRAM).args(arguments).start().await;
    let text = "x".repeat(1 << 17);
    let mut stored = 0;
    for number in 0..100_i64 {
        let lines: String = (0..8).map(|line| format!("full s=\"{text}\" {}\n", 8 * number + line)).collect();
        until("room", async || {
            let answer = server.try_write(lines.clone()).await.unwrap();
            assert!([204, 503].contains(&answer.status.as_u16()), "{answer:?}");
            (answer.status == 204).then_some(())
        })
        .await;
        stored += 8;
    }
    assert!(metric(&server, "freshet_flushes_total").await > 0.0);
    assert_eq!(server.sql_number("SELECT count(*) FROM full").await, stored);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_tag_values() {
    let mut server = server().start().await;
    let per_batch = 50_000;
    for batch in 0..20_u64 {
        let mut lines = String::new();
        for number in batch * per_batch..(batch + 1) * per_batch {
            writeln!(lines, "wide,id=tag-value-{number:07} f={number}i {number}").unwrap();
        }
        server.write(lines).await;
    }
    let check = async |server: &Server| {
        let rows = server.sql("SELECT count(*) AS rows, min(id) AS first, max(id) AS last, sum(f) AS total FROM wide");
        let expected = json!([{
            "rows": 1_000_000,
            "first": "tag-value-0000000",
            "last": "tag-value-0999999",
            "total": 499_999_500_000_i64,
        }]);
        assert_eq!(json!(rows.await), expected);
        for number in [0, 654_321, 999_999] {
            let query = format!("SELECT f FROM wide WHERE id = 'tag-value-{number:07}'");
            assert_eq!(json!(server.sql(&query).await), json!([{ "f": number }]));
        }
    };
    check(&server).await;
    server.kill9().await;
    server.restart().await;
    server.flush().await;
    check(&server).await;
    assert!(server.peak_memory_bytes() < 1024 * MIB, "{} MiB", server.peak_memory_bytes() / MIB);
    server.stop().await;
}

#[tokio::test]
async fn a_batch_of_ten_thousand_new_measurements() {
    let mut server = server().start().await;
    let mut lines = String::new();
    for number in 0..10_000 {
        writeln!(lines, "measurement_{number},t=a f={number}i {number}").unwrap();
    }
    server.write(lines).await;
    let check = async |server: &Server| {
        let query = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'iox'";
        assert_eq!(server.sql_number(query).await, 10_000);
        for number in [0, 4_567, 9_999] {
            assert_eq!(server.sql_number(&format!("SELECT f FROM measurement_{number}")).await, number);
        }
    };
    check(&server).await;
    server.kill9().await;
    server.restart().await;
    check(&server).await;
    server.stop().await;
    server.restart().await;
    assert_eq!(metric(&server, "freshet_file_rows").await, 10_000.0);
    check(&server).await;
    server.stop().await;
}

/// Over a real connection: before the first byte of the answer, and behind it.
#[tokio::test]
async fn a_script_ends_when_its_client_leaves() {
    let mut server = server().start().await;
    let slow = "import \"array\"\nimport \"strings\"\n\
        a = strings.split(v: strings.repeat(v: \",\", i: 3000), t: \",\")\n\
        slow = (n) => length(arr: array.map(arr: a, fn: (x) => length(arr: array.map(arr: a, fn: (x) => x + n))))\n\
        one = array.from(rows: [{v: 1}])\n";
    let path = format!("/api/v2/query?org={}", server.organisation());
    let running = async |server: &Server, expected: f64| {
        until("the number of queries", async || {
            (metric(server, "freshet_queries_running").await == expected).then_some(())
        })
        .await;
    };
    for begins in ["", "one |> yield(name: \"a\")\n"] {
        let script = format!("{slow}{begins}one |> map(fn: (r) => ({{v: slow(n: \"\")}}))");
        let request = server.request(Method::POST, &path).header("content-type", "application/vnd.flux").body(script);
        let (sender, mut begun) = tokio::sync::mpsc::channel(1);
        let is_begun = !begins.is_empty();
        let client = tokio::spawn(async move {
            let mut answer = request.send().await.unwrap();
            while let Some(piece) = answer.chunk().await.unwrap() {
                sender.send(piece).await.unwrap();
            }
        });
        if is_begun {
            assert!(begun.recv().await.unwrap().starts_with(b",result,table,v"));
        }
        running(&server, 1.0).await;
        client.abort();
        running(&server, 0.0).await;
    }
    server.stop().await;
}

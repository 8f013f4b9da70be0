//! `kill -9` under load: every acknowledged point is there after the restart, once and with its values; no other than
//! those that were sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use testkit::{Row, Server, within};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::server;

const WRITERS: u64 = 4;
const ROUNDS: u64 = 6;
const LINES_PER_BATCH: u64 = 40;

/// What one writer did in one round: its points are numbered from 0.
#[derive(Debug, Clone, Copy, Default)]
struct Written {
    acknowledged: u64,
    sent: u64,
}

/// One writer's measurement of a round: a new one each time, so that registrations are under way when the kill comes.
fn measurement(writer: u64, round: u64) -> String {
    format!("load_{writer}_{round}")
}

/// The point of a number; its time is the number.
fn line(measurement: &str, number: u64) -> String {
    // A further field now and then, so that columns are registered under load too.
    let further = number / 200;
    format!(
        "{measurement},host=h{} number={number}i,half={},text=\"point {number}\",further_{further}=true {number}\n",
        number % 7,
        number as f64 / 2.0
    )
}

fn expected_row(number: u64) -> Row {
    let row = json!({
        "number": number,
        "host": format!("h{}", number % 7),
        "half": number as f64 / 2.0,
        "text": format!("point {number}"),
    });
    row.as_object().unwrap().clone()
}

/// Counts acknowledgements, and says when there are enough to kill the server.
#[derive(Debug, Default)]
struct Progress {
    batches: AtomicU64,
    enough: Notify,
}

/// Writes batch after batch until the server is gone. Every answer must be 204.
async fn write_until_killed(
    server: Arc<Server>,
    writer: u64,
    round: u64,
    wanted: u64,
    progress: Arc<Progress>,
) -> Written {
    let measurement = measurement(writer, round);
    let mut written = Written::default();
    loop {
        let numbers = written.sent..written.sent + LINES_PER_BATCH;
        let body: String = numbers.map(|number| line(&measurement, number)).collect();
        written.sent += LINES_PER_BATCH;
        match server.try_write(body).await {
            Ok(answer) => assert_eq!(answer.status, 204, "{}", answer.body),
            Err(_) => return written,
        }
        written.acknowledged = written.sent;
        if progress.batches.fetch_add(1, Ordering::Relaxed) + 1 == wanted {
            progress.enough.notify_one();
        }
    }
}

/// One round of load, ended by the kill. `compacts` flushes and merges files beside the writers, one after another.
async fn load_and_kill(server: Server, round: u64, compacts: bool) -> (Server, Vec<Written>) {
    let server = Arc::new(server);
    let progress = Arc::new(Progress::default());
    let wanted = 12 + 9 * round;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (server, progress) = (Arc::clone(&server), Arc::clone(&progress));
        writers.spawn(async move { (writer, write_until_killed(server, writer, round, wanted, progress).await) });
    }
    let compactions = compacts.then(|| {
        let server = Arc::clone(&server);
        tokio::spawn(async move { while server.try_compact().await.is_ok() {} })
    });
    within("the load before the kill", progress.enough.notified()).await;
    server.kill();
    let mut written = vec![Written::default(); WRITERS as usize];
    while let Some(ended) = within("the end of the writers", writers.join_next()).await {
        let (writer, result) = ended.unwrap();
        written[writer as usize] = result;
    }
    if let Some(compactions) = compactions {
        within("the end of the compactions", compactions).await.unwrap();
    }
    let mut server = Arc::into_inner(server).unwrap();
    let (code, _log) = server.wait().await;
    assert_eq!(code, None, "a killed process has no exit code");
    (server, written)
}

async fn check_rows(server: &Server, measurement: &str, written: Written) {
    let query = format!("SELECT number, host, half, text FROM {measurement} ORDER BY time");
    let answer = server.try_sql(&query).await;
    if answer.status == 400 && written.acknowledged == 0 && answer.body.contains("not found") {
        return;
    }
    let rows: Vec<Row> = serde_json::from_str(&answer.expect(200).body).unwrap();
    let count = rows.len() as u64;
    assert!((written.acknowledged..=written.sent).contains(&count), "{measurement}: {written:?}, but {count} rows");
    // What was in flight is one batch, stored as a whole or not at all; so the rows are the first ones, each once.
    for (number, row) in rows.iter().enumerate() {
        assert_eq!(*row, expected_row(number as u64), "{measurement}");
    }
    assert_eq!(count % LINES_PER_BATCH, 0, "{measurement}: part of a batch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_points_survive() {
    let mut server = server().args(["--flush-table-bytes", "64KiB"]).start().await;
    let mut tables = BTreeMap::new();
    for round in 0..ROUNDS {
        let (killed, written) = load_and_kill(server, round, round % 2 == 1).await;
        server = killed;
        for (writer, written) in written.into_iter().enumerate() {
            tables.insert(measurement(writer as u64, round), written);
        }
        server.restart().await;
        if round == 3 {
            // Killed again before the replay of the log can have ended or been flushed.
            server.kill9().await;
            server.restart().await;
        }
        for (measurement, written) in &tables {
            check_rows(&server, measurement, *written).await;
        }
    }
    let acknowledged: u64 = tables.values().map(|written| written.acknowledged).sum();
    assert!(acknowledged >= ROUNDS * LINES_PER_BATCH * 12, "{acknowledged}");
    server.stop().await;
    server.restart().await;
    for (measurement, written) in &tables {
        check_rows(&server, measurement, *written).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overwrites_and_drops_survive() {
    let mut server = server().start().await;
    server.write("m,t=a f=1,g=1 10\nm,t=b f=1 10").await;
    server.flush().await;
    server.write("m,t=a f=2 10\nm,t=a f=3 11").await;
    let other = json!({"name": "other", "orgID": organisation_id(&server).await});
    let created = server.send(server.request(reqwest::Method::POST, "/api/v2/buckets").json(&other)).await.expect(201);
    let path = format!("/api/v2/write?org={}&bucket=other", server.organisation());
    let lost = server.send(server.request(reqwest::Method::POST, &path).body("gone f=1 1")).await;
    assert_eq!(lost.status, 204);
    let path = format!("/api/v2/buckets/{}", created.json()["id"].as_str().unwrap());
    let _ = server.send(server.request(reqwest::Method::DELETE, &path)).await.expect(204);
    server.kill9().await;
    server.restart().await;
    let rows = server.sql("SELECT t, f, g, CAST(time AS BIGINT) AS at FROM m ORDER BY time, t").await;
    let expected = json!([
        {"t": "a", "f": 2.0, "g": 1.0, "at": 10},
        {"t": "b", "f": 1.0, "at": 10},
        {"t": "a", "f": 3.0, "at": 11},
    ]);
    assert_eq!(json!(rows), expected);
    // A bucket of the same name starts empty.
    let _ = server.send(server.request(reqwest::Method::POST, "/api/v2/buckets").json(&other)).await.expect(201);
    let body = json!({"db": "other", "q": "SHOW TABLES", "format": "json"});
    let path = format!("/api/v3/query_sql?org={}", server.organisation());
    let tables = server.send(server.request(reqwest::Method::POST, &path).json(&body)).await.expect(200);
    assert!(!tables.body.contains("gone"), "{}", tables.body);
}

/// Writes batches and deletes every second one of them, until the server is gone. Returns how many batches were written
/// for certain, and how many of their deletes were acknowledged and sent.
async fn write_and_delete_until_killed(server: Arc<Server>, enough: Arc<Notify>) -> (u64, u64, u64) {
    let (mut written, mut deleted, mut sent) = (0, 0, 0);
    loop {
        let first = written * LINES_PER_BATCH;
        let body: String = (first..first + LINES_PER_BATCH).map(|number| line("deleted", number)).collect();
        match server.try_write(body).await {
            Ok(answer) => assert_eq!(answer.status, 204, "{}", answer.body),
            Err(_) => return (written, deleted, sent),
        }
        written += 1;
        if written.is_multiple_of(2) {
            sent += 1;
            let path = format!("/api/v2/delete?org={}&bucket={}", server.organisation(), server.bucket());
            let time = |number: u64| format!("1970-01-01T00:00:00.{number:09}Z");
            let range = json!({"start": time(first), "stop": time(first + LINES_PER_BATCH - 1)});
            match server.request(reqwest::Method::POST, &path).json(&range).send().await {
                Ok(answer) => assert_eq!(answer.status(), 204),
                Err(_) => return (written, deleted, sent),
            }
            deleted += 1;
        }
        if deleted == 25 {
            enough.notify_one();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_deletes_survive() {
    let server = Arc::new(server().args(["--flush-table-bytes", "16KiB"]).start().await);
    let enough = Arc::new(Notify::new());
    let writer = tokio::spawn(write_and_delete_until_killed(Arc::clone(&server), Arc::clone(&enough)));
    within("the load before the kill", enough.notified()).await;
    server.kill();
    let (written, deleted, sent) = within("the end of the writer", writer).await.unwrap();
    let mut server = Arc::into_inner(server).unwrap();
    let _ = server.wait().await;
    for _ in 0..2 {
        server.restart().await;
        let rows = server.sql("SELECT number FROM deleted ORDER BY time").await;
        let mut found = BTreeMap::<u64, u64>::new();
        for row in rows {
            *found.entry(row["number"].as_u64().unwrap() / LINES_PER_BATCH).or_default() += 1;
        }
        // The last write and the last delete may have been on their way.
        for batch in 0..=written {
            let count = found.remove(&batch).unwrap_or_default();
            let delete = batch.div_ceil(2);
            let is_second = batch % 2 == 1;
            let allowed: &[u64] = match () {
                () if is_second && delete <= deleted => &[0],
                () if batch == written || (is_second && delete <= sent) => &[0, LINES_PER_BATCH],
                () => &[LINES_PER_BATCH],
            };
            assert!(allowed.contains(&count), "batch {batch} of {written}, {deleted} of {sent} deletes: {count} rows");
        }
        assert_eq!(found, BTreeMap::new());
        // What comes back from the log once more has been killed before it was in files, and after.
        server.flush().await;
        server.kill9().await;
    }
}

async fn organisation_id(server: &Server) -> String {
    let path = format!("/api/v2/orgs?org={}", server.organisation());
    let found = server.send(server.request(reqwest::Method::GET, &path)).await.expect(200);
    found.json()["orgs"][0]["id"].as_str().unwrap().to_owned()
}

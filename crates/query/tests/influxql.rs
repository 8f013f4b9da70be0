//! InfluxQL over a real engine: rows in files and in memory together, and where the limits are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use catalog::{BucketId, ManualClock, OrganisationId};
use query::influxql::{Databases, InfluxqlRequest, RemovalRequest, Series, Value, parse};
use query::{QueryEngine, QueryError, QueryOptions};
use storage::{BucketInfo, DeleteFilter, DeleteRequest, Engine, EngineOptions, Precision, WriteRequest};

#[path = "influxql/model.rs"]
mod model;
#[path = "influxql/paths.rs"]
mod paths;
#[path = "influxql/streaming.rs"]
mod streaming;

/// 2026-01-01T00:00:00Z.
const NOW_NS: i64 = 1_767_225_600_000_000_000;

struct Database {
    engine: Engine,
    queries: QueryEngine,
    bucket: Arc<BucketInfo>,
    folder: tempfile::TempDir,
}

async fn open_engine(folder: &std::path::Path) -> Engine {
    let options = EngineOptions::new(folder, 1 << 30, Arc::new(ManualClock::new(NOW_NS)));
    Engine::open(options).await.unwrap()
}

fn query_engine(folder: &std::path::Path, memory_limit_bytes: usize) -> QueryEngine {
    let options = QueryOptions {
        memory_limit_bytes,
        spill_dir: folder.join("spill"),
        spill_limit_bytes: 1 << 30,
        threads: 2,
        running: 4,
        waiting: 16,
        timeout: Duration::from_secs(60),
    };
    QueryEngine::new(options).unwrap()
}

impl Database {
    async fn open(memory_limit_bytes: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = open_engine(folder.path()).await;
        let bucket = BucketInfo {
            organisation: OrganisationId::from_u64(1).unwrap(),
            organisation_name: "o".to_owned(),
            bucket: BucketId::from_u64(16).unwrap(),
            name: "b".to_owned(),
        };
        let queries = query_engine(folder.path(), memory_limit_bytes);
        Self { engine, queries, bucket: Arc::new(bucket), folder }
    }

    /// Stops the engine and starts it anew over the same folder.
    async fn restarted(self) -> Self {
        self.engine.close().await.unwrap();
        drop(self.engine);
        Self { engine: open_engine(self.folder.path()).await, ..self }
    }

    async fn write(&self, lines: String) {
        let request = WriteRequest {
            bucket: Arc::clone(&self.bucket),
            retention: None,
            body: lines.into(),
            precision: Precision::Second,
        };
        assert_eq!(self.engine.write(request).await.unwrap().dropped, None);
    }

    async fn request(&self, text: &str) -> InfluxqlRequest {
        let statement = parse(text, None).unwrap().pop().unwrap();
        let snapshot = self.engine.snapshot(self.bucket.bucket, None).await.unwrap();
        let mut databases = Databases::default();
        databases.insert((None, None), snapshot);
        InfluxqlRequest { statement, databases, now_ns: NOW_NS }
    }

    async fn query(&self, text: &str) -> Result<Vec<Series>, QueryError> {
        self.queries.influxql(self.request(text).await).await?.collect().await.map(|(series, _)| series)
    }

    /// The deletes of a statement.
    async fn deletes(&self, text: &str) -> Result<Vec<DeleteFilter>, QueryError> {
        let statement = parse(text, None).unwrap().pop().unwrap();
        let snapshot = self.engine.snapshot(self.bucket.bucket, None).await.unwrap();
        self.queries.influxql_deletes(RemovalRequest { statement, snapshot, now_ns: NOW_NS }).await
    }

    /// How many rows there are, perhaps with a condition.
    async fn count(&self, condition: &str) -> usize {
        let series = self.query(&format!("SELECT f FROM m {condition}")).await.unwrap();
        series.iter().map(|series| series.rows.len()).sum()
    }

    /// The values of the first column behind the time, series by series.
    async fn numbers(&self, text: &str) -> Vec<Vec<Value>> {
        let series = self.query(text).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        series.into_iter().map(|series| series.rows.into_iter().map(|mut row| row.remove(1)).collect()).collect()
    }
}

#[tokio::test]
async fn files_and_memory_are_one() {
    let database = Database::open(64 << 20).await;
    let lines = |from: i64| (from..from + 10).map(|n| format!("m,t={} f={n},i={n}i {n}\n", n % 2)).collect::<String>();
    database.write(lines(0)).await;
    database.engine.flush().await.unwrap();
    database.write(lines(10)).await;
    database.engine.flush().await.unwrap();
    // These overlap both files, and the newer value counts.
    database.write("m,t=0 f=100 4\nm,t=1 f=200 15\nm,t=0 f=300 20\n".to_owned()).await;
    let float = |value: f64| Value::Float(value);
    let integer = |value: i64| Value::Integer(value);
    assert_eq!(database.numbers("SELECT count(f) FROM m").await, [[integer(21)]]);
    assert_eq!(database.numbers("SELECT sum(i) FROM m GROUP BY t").await, [[integer(90)], [integer(100)]]);
    assert_eq!(database.numbers("SELECT max(f) FROM m GROUP BY t").await, [[float(300.0)], [float(200.0)]]);
    assert_eq!(database.numbers("SELECT last(f) FROM m WHERE t = '1'").await, [[float(19.0)]]);
    let windows = "SELECT count(i) FROM m WHERE time >= 0s AND time < 20s GROUP BY time(8s)";
    assert_eq!(database.numbers(windows).await, [[integer(8), integer(8), integer(4)]]);
    let ordered = database.numbers("SELECT i FROM m ORDER BY time DESC LIMIT 3").await;
    assert_eq!(ordered, [[integer(19), integer(18), integer(17)]]);
    // Times rise over all sources.
    let all = database.query("SELECT f FROM m").await.unwrap().remove(0);
    assert!(all.rows.is_sorted_by_key(|row| if let Value::Time(time) = row[0] { time } else { panic!() }));
    assert_eq!(all.rows.len(), 21);
}

#[tokio::test]
async fn limits_are_errors_that_name_them() {
    let database = Database::open(1 << 20).await;
    database.write((0..40_000).map(|n| format!("m f={n},s=\"some text {n}\" {n}\n")).collect()).await;
    let error = database.query("SELECT * FROM m").await.unwrap_err();
    assert!(matches!(error, QueryError::Memory { limit_bytes, .. } if limit_bytes == 1 << 20), "{error}");
    // What needs no points of its own needs no memory either.
    assert_eq!(database.numbers("SELECT count(f) FROM m").await, [[Value::Integer(40_000)]]);
    let error = database.query("SELECT mean(f) FROM m WHERE time >= 0 AND f < 9 GROUP BY time(1s)").await.unwrap_err();
    assert!(error.to_string().starts_with("max-select-buckets limit exceeded: (1767225601/"), "{error}");
    // A page of them is made alone.
    let page = database.numbers("SELECT count(f) FROM m WHERE time >= 39999s GROUP BY time(1s) LIMIT 2").await;
    assert_eq!(page, [[Value::Integer(1), Value::Integer(0)]]);
}

#[tokio::test]
async fn what_nobody_waits_for_ends_and_holds_nothing() {
    let database = Database::open(64 << 20).await;
    database.write((0..40_000).map(|n| format!("m,t={} f={n} {n}\n", n % 1_000)).collect()).await;
    let mut query = Box::pin(database.query("SELECT f FROM m"));
    // It is begun, then its reader leaves.
    while database.queries.metrics().running == 0 {
        assert!(futures::poll!(&mut query).is_pending());
        tokio::task::yield_now().await;
    }
    drop(query);
    let ended = async {
        while database.queries.metrics().running > 0 || database.queries.metrics().memory_bytes > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the query goes on");
    // An answer holds its memory as long as it is there.
    let request = database.request("SELECT f FROM m").await;
    let (series, memory) = database.queries.influxql(request).await.unwrap().collect().await.unwrap();
    assert_eq!(series.iter().map(|series| series.rows.len()).sum::<usize>(), 40_000);
    assert_eq!(database.queries.metrics().memory_bytes, memory.bytes());
    drop(memory);
    assert_eq!(database.queries.metrics().memory_bytes, 0);
}

/// A `DELETE` means what a `SELECT` with the same condition shows, no more and no less, in files and in memory.
#[tokio::test]
async fn a_delete_means_what_a_select_shows() {
    let line = |n: usize| {
        let tag = |name: &str, value: usize| if value == 0 { String::new() } else { format!(",{name}=v{value}") };
        format!("m{}{}{} f={n} {n}\n", tag("a", n % 5), tag("b", n % 3), tag("c", n % 2))
    };
    for (condition, deletes) in [
        ("a = 'v1'", 1),
        ("a != 'v1' AND b = '' AND time > 50s", 1),
        ("a =~ /v[12]/", 2),
        ("a !~ /v[12]/", 3),
        ("a = 'v1' OR b = 'v1'", 7),
        ("(a = 'v3' OR a = '') AND (b !~ /^$/ AND c != 'v1')", 4),
        ("absent = '' AND a =~ /4/", 1),
        ("absent != ''", 1),
        ("a =~ /nothing/", 0),
        ("a =~ /v1/ AND time >= 20s AND time < 22s", 1),
        ("time >= 100s AND time < 90s AND a =~ /v/", 0),
        ("false", 0),
        ("true", 1),
    ] {
        let database = Database::open(64 << 20).await;
        database.write((0..60).map(line).collect()).await;
        database.engine.flush().await.unwrap();
        database.write((60..120).map(line).collect()).await;
        let meant = database.count(&format!("WHERE {condition}")).await;
        let filters = database.deletes(&format!("DELETE FROM m WHERE {condition}")).await.unwrap();
        assert_eq!(filters.len(), deletes, "{condition}");
        for filter in filters {
            let (organisation, bucket) = (database.bucket.organisation, database.bucket.bucket);
            database.engine.delete(DeleteRequest { organisation, bucket, filter }).await.unwrap();
        }
        let left = (database.count(&format!("WHERE {condition}")).await, database.count("").await);
        assert_eq!(left, (0, 120 - meant), "{condition}");
    }
}

#[tokio::test]
async fn too_many_deletes_are_refused_before_one_is_made() {
    let database = Database::open(64 << 20).await;
    database.write((0..1_001).map(|n| format!("m,t=v{n} f=1 1\n")).collect()).await;
    let error = database.deletes("DELETE FROM m WHERE t =~ /./").await.unwrap_err().to_string();
    assert!(error.starts_with("max-deletes limit exceeded: the statement needs more than 1000 deletes"), "{error}");
    assert_eq!(database.deletes("DELETE FROM m WHERE t =~ /./ AND t != 'v7'").await.unwrap().len(), 1_000);
    assert_eq!(database.deletes("DELETE FROM m WHERE t != ''").await.unwrap().len(), 1);
    // Measurements count as well, unless all of them are meant.
    database.write((0..1_001).map(|n| format!("m{n},t=a f=1 1\n")).collect()).await;
    assert!(database.deletes("DROP SERIES FROM /^m/").await.is_err());
    assert_eq!(database.deletes("DROP SERIES FROM /.*/").await.unwrap().len(), 1);
    assert_eq!(database.deletes("DELETE WHERE t = 'a' AND time < now()").await.unwrap().len(), 1);
}

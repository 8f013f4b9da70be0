//! SQL over a real engine: what a statement answers, what it may not do, and where its limits are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::pretty::pretty_format_batches;
use catalog::{BucketId, ManualClock, OrganisationId};
use futures::TryStreamExt as _;
use query::{QueryEngine, QueryError, QueryOptions, SqlRequest};
use storage::{BucketInfo, Engine, EngineOptions, Precision, WriteRequest};

/// 2026-01-01T00:00:00Z.
const NOW_NS: i64 = 1_767_225_600_000_000_000;

struct Database {
    engine: Engine,
    queries: QueryEngine,
    bucket: Arc<BucketInfo>,
    folder: tempfile::TempDir,
}

fn query_options(data_dir: &Path) -> QueryOptions {
    QueryOptions {
        memory_limit_bytes: 64 << 20,
        spill_dir: data_dir.join("spill"),
        spill_limit_bytes: 1 << 30,
        threads: 2,
        running: 4,
        waiting: 16,
        timeout: Duration::from_secs(60),
    }
}

impl Database {
    async fn open() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut QueryOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = EngineOptions::new(folder.path(), 1 << 30, Arc::new(ManualClock::new(NOW_NS)));
        let engine = Engine::open(options).await.unwrap();
        let bucket = BucketInfo {
            organisation: OrganisationId::from_u64(1).unwrap(),
            organisation_name: "o".to_owned(),
            bucket: BucketId::from_u64(16).unwrap(),
            name: "b".to_owned(),
        };
        let mut options = query_options(folder.path());
        change(&mut options);
        Self { engine, queries: QueryEngine::new(options).unwrap(), bucket: Arc::new(bucket), folder }
    }

    async fn write(&self, lines: &str) {
        let request = WriteRequest {
            bucket: Arc::clone(&self.bucket),
            retention: None,
            body: lines.to_owned().into(),
            precision: Precision::Nanosecond,
        };
        let outcome = self.engine.write(request).await.unwrap();
        assert_eq!(outcome.dropped, None);
    }

    async fn try_sql_with(&self, query: &str, params: serde_json::Value) -> Result<Vec<RecordBatch>, QueryError> {
        let serde_json::Value::Object(params) = params else { panic!("parameters are an object") };
        let snapshot = self.engine.snapshot(self.bucket.bucket, None).await.unwrap();
        let request = SqlRequest { query: query.to_owned(), params, ..SqlRequest::default() };
        self.queries.sql(snapshot, request).await?.try_collect().await
    }

    async fn try_sql(&self, query: &str) -> Result<Vec<RecordBatch>, QueryError> {
        self.try_sql_with(query, serde_json::json!({})).await
    }

    /// The answer's rows, cells parted by a space and a bar, without the frame.
    async fn sql(&self, query: &str) -> Vec<String> {
        rows(&self.try_sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}")))
    }
}

fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let text = pretty_format_batches(batches).unwrap().to_string();
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(" | ");
    text.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect()
}

async fn weather() -> Database {
    let database = Database::open().await;
    let base = NOW_NS;
    let minute = 60_000_000_000;
    let mut lines = String::new();
    for n in 0..6 {
        let time = base + n * minute * 10;
        lines += &format!("weather,city=Oslo degrees={n}.5,sun={} {time}\n", n % 2 == 0);
        lines += &format!("weather,city=Rome,country=IT degrees={} {time}\n", n + 20);
    }
    database.write(&lines).await;
    database
}

#[tokio::test]
async fn rows_and_filters() {
    let database = weather().await;
    assert_eq!(
        database.sql("SELECT * FROM weather WHERE city = 'Oslo' ORDER BY time LIMIT 2").await,
        ["2026-01-01T00:00:00 | Oslo |  | 0.5 | true", "2026-01-01T00:10:00 | Oslo |  | 1.5 | false"]
    );
    let where_clauses = [
        ("city IN ('Rome', 'Paris') AND country = 'IT'", "6"),
        ("country IS NULL", "6"),
        ("city LIKE 'R%'", "6"),
        ("city <> 'Rome'", "6"),
        ("city = 'Paris'", "0"),
        ("city = ''", "0"),
        ("sun", "3"),
        ("degrees > 21 AND time >= '2026-01-01T00:20:00Z'", "4"),
        ("time > '2026-01-01T00:20:00Z' AND time <= '2026-01-01T00:40:00Z'", "4"),
        ("time BETWEEN '2026-01-01T00:20:00' AND '2026-01-01T00:30:00'", "4"),
        ("time = to_timestamp_nanos(1767225600000000000)", "2"),
        ("time < now() - interval '100 years'", "0"),
        ("time >= '2026-01-01T00:50:00Z' OR city = 'Oslo'", "7"),
        ("false", "0"),
    ];
    for flushed in [false, true] {
        for (clause, expected) in where_clauses {
            let query = format!("SELECT count(*) FROM weather WHERE {clause}");
            assert_eq!(database.sql(&query).await, [expected], "{clause}, flushed: {flushed}");
        }
        database.engine.flush().await.unwrap();
    }
}

#[tokio::test]
async fn aggregates_windows_and_joins() {
    let database = weather().await;
    assert_eq!(
        database
            .sql(
                "SELECT date_bin(INTERVAL '30 minutes', time) AS start, city, avg(degrees) FROM weather \
                 GROUP BY 1, 2 ORDER BY 2, 1"
            )
            .await,
        [
            "2026-01-01T00:00:00 | Oslo | 1.5",
            "2026-01-01T00:30:00 | Oslo | 4.5",
            "2026-01-01T00:00:00 | Rome | 21.0",
            "2026-01-01T00:30:00 | Rome | 24.0",
        ]
    );
    assert_eq!(
        database
            .sql(
                "SELECT a.degrees, b.degrees FROM weather a JOIN weather b ON a.time = b.time \
                 WHERE a.city = 'Oslo' AND b.city = 'Rome' ORDER BY a.time DESC LIMIT 1"
            )
            .await,
        ["5.5 | 25.0"]
    );
    assert_eq!(
        database
            .sql("SELECT degrees - lag(degrees) OVER (ORDER BY time) FROM weather WHERE city = 'Oslo' LIMIT 2")
            .await,
        ["", "1.0"]
    );
}

#[tokio::test]
async fn a_filter_on_a_field_sees_only_the_newest_value() {
    let database = Database::open().await;
    database.write("m,t=a f=1,g=1 10").await;
    database.engine.flush().await.unwrap();
    database.write("m,t=a f=2 10").await;
    for _ in 0..2 {
        assert_eq!(database.sql("SELECT f FROM m WHERE f = 1").await, [] as [&str; 0]);
        assert_eq!(database.sql("SELECT f, g FROM m WHERE f = 2").await, ["2.0 | 1.0"]);
        assert_eq!(database.sql("SELECT count(*) FROM m").await, ["1"]);
        assert_eq!(database.sql("SELECT f FROM m LIMIT 1").await, ["2.0"]);
        database.engine.flush().await.unwrap();
    }
}

#[tokio::test]
async fn names_in_any_case_and_with_any_character() {
    let database = Database::open().await;
    database.write("Two\\ Words,Tag\\ =x Field=1,field=2i,Tag\\ =\"same\" 1\nselect from=true 2").await;
    assert_eq!(
        database.sql("SELECT \"Tag \", \"Tag ::field\", \"Field\", field FROM \"Two Words\"").await,
        ["x | same | 1.0 | 2"]
    );
    assert_eq!(database.sql("SELECT \"from\" FROM \"select\"").await, ["true"]);
}

#[tokio::test]
async fn tables_and_columns_can_be_listed() {
    let database = weather().await;
    database.write("air,city=Oslo co2=400i,ok=true,note=\"x\",u=1u 1").await;
    let tables = database.sql("SHOW TABLES").await;
    assert!(tables.contains(&"public | iox | air | BASE TABLE".to_owned()), "{tables:?}");
    assert!(tables.contains(&"public | iox | weather | BASE TABLE".to_owned()), "{tables:?}");
    assert!(tables.iter().any(|table| table.contains("information_schema")), "{tables:?}");
    assert_eq!(
        database
            .sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox' ORDER BY table_name")
            .await,
        ["air", "weather"]
    );
    assert_eq!(
        database
            .sql(
                "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
                 WHERE table_name = 'air' ORDER BY ordinal_position"
            )
            .await,
        [
            "time | Timestamp(ns) | NO",
            "city | Dictionary(Int32, Utf8) | YES",
            "co2 | Int64 | YES",
            "note | Utf8 | YES",
            "ok | Boolean | YES",
            "u | UInt64 | YES",
        ]
    );
    assert_eq!(database.sql("SHOW COLUMNS FROM air").await.len(), 6);
    assert_eq!(database.sql("SELECT count(*) FROM iox.air").await, ["1"]);
    assert_eq!(database.sql("SELECT count(*) FROM public.iox.air").await, ["1"]);
}

#[tokio::test]
async fn parameters_stand_for_values() {
    let database = weather().await;
    let query = "SELECT count(*) FROM weather WHERE city = $city AND degrees >= $least AND ($all OR sun)";
    let answer = async |params| Ok::<_, QueryError>(rows(&database.try_sql_with(query, params).await?));
    assert_eq!(answer(serde_json::json!({"city": "Oslo", "least": 1.5, "all": true})).await.unwrap(), ["5"]);
    assert_eq!(answer(serde_json::json!({"city": "Oslo", "least": 2, "all": false})).await.unwrap(), ["2"]);
    let injected = serde_json::json!({"city": "Oslo' OR '1'='1", "least": 0, "all": true});
    assert_eq!(answer(injected).await.unwrap(), ["0"]);
    let missing = answer(serde_json::json!({"city": "Oslo"})).await.unwrap_err();
    assert!(matches!(&missing, QueryError::Plan(message) if message.contains("$least")), "{missing:?}");
    let list = answer(serde_json::json!({"city": ["Oslo"], "least": 0, "all": true})).await.unwrap_err();
    assert!(matches!(&list, QueryError::Parameter { name, .. } if name == "city"), "{list:?}");
}

#[tokio::test]
async fn nothing_can_be_changed_and_no_file_be_read() {
    let database = weather().await;
    let secret = database.folder.path().join("secret.csv");
    std::fs::write(&secret, "a,b\n1,2\n").unwrap();
    let target = database.folder.path().join("out.csv");
    let statements = [
        "INSERT INTO weather (time, degrees) VALUES (now(), 1)".to_owned(),
        "DELETE FROM weather".to_owned(),
        "UPDATE weather SET degrees = 1".to_owned(),
        "DROP TABLE weather".to_owned(),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE VIEW v AS SELECT 1".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        format!("COPY weather TO '{}'", target.display()),
        format!("CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '{}'", secret.display()),
        format!("SELECT * FROM '{}'", secret.display()),
        "SELECT 1; SELECT 2".to_owned(),
        "EXPLAIN ANALYZE DROP TABLE weather".to_owned(),
    ];
    for statement in &statements {
        let error = database.try_sql(statement).await.unwrap_err();
        assert!(matches!(error, QueryError::ReadOnly(_) | QueryError::Plan(_)), "{statement}: {error:?}");
    }
    assert!(!target.exists());
    assert_eq!(database.sql("SELECT count(*) FROM weather").await, ["12"]);
}

#[tokio::test]
async fn errors_name_what_is_wrong() {
    let database = weather().await;
    let message = async |query: &str| database.try_sql(query).await.unwrap_err();
    let unknown_table = message("SELECT * FROM nothing").await;
    assert!(matches!(&unknown_table, QueryError::Plan(text) if text.contains("nothing")), "{unknown_table:?}");
    let unknown_column = message("SELECT nothing FROM weather").await;
    assert!(matches!(&unknown_column, QueryError::Plan(text) if text.contains("nothing")), "{unknown_column:?}");
    let syntax = message("SELEC 1").await;
    assert!(matches!(&syntax, QueryError::Plan(_)), "{syntax:?}");
    let division = message("SELECT 1 / 0").await;
    assert!(matches!(&division, QueryError::Execution(_) | QueryError::Plan(_)), "{division:?}");
    let cast = message("SELECT CAST(city AS BIGINT) FROM weather").await;
    assert!(matches!(&cast, QueryError::Execution(_)), "{cast:?}");
    let long = message(&format!("SELECT '{}'", "x".repeat(2 << 20))).await;
    assert!(matches!(long, QueryError::TooLong { .. }), "{long:?}");
    let deep = message(&format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000))).await;
    assert!(matches!(deep, QueryError::Plan(_)), "{deep:?}");
}

#[tokio::test]
async fn a_query_beyond_its_memory_fails_and_the_next_one_runs() {
    let database = Database::with(|options| {
        options.memory_limit_bytes = 4 << 20;
        options.spill_limit_bytes = 1 << 20;
    })
    .await;
    let lines: String = (0..50_000).map(|n| format!("m,t=a f={n}i,s=\"{n}-{:0>40}\" {n}\n", n * 7)).collect();
    database.write(&lines).await;
    let error = database.try_sql("SELECT array_agg(s ORDER BY f DESC) FROM m").await.unwrap_err();
    assert!(matches!(error, QueryError::Memory { limit_bytes: 4_194_304, .. }), "{error:?}");
    assert_eq!(database.sql("SELECT count(*), max(f) FROM m").await, ["50000 | 49999"]);
    assert_eq!(database.queries.metrics().failed, 1);
}

#[tokio::test]
async fn a_query_that_takes_too_long_ends() {
    let database = Database::with(|options| options.timeout = Duration::from_millis(50)).await;
    let endless = "SELECT count(*) FROM generate_series(1, 100000000000) a";
    let error = database.try_sql(endless).await.unwrap_err();
    assert!(matches!(error, QueryError::Timeout(_)), "{error:?}");
}

#[tokio::test]
async fn too_many_queries_are_refused_and_dropped_ones_make_room() {
    let database = Database::with(|options| {
        options.running = 1;
        options.waiting = 0;
    })
    .await;
    let snapshot = async || database.engine.snapshot(database.bucket.bucket, None).await.unwrap();
    let request =
        SqlRequest { query: "SELECT * FROM generate_series(1, 100000000000)".to_owned(), ..SqlRequest::default() };
    let running = database.queries.sql(snapshot().await, request.clone()).await.unwrap();
    let refused = database.queries.sql(snapshot().await, request.clone()).await.unwrap_err();
    assert!(matches!(refused, QueryError::Busy { running: 1, waiting: 0 }), "{refused:?}");
    drop(running);
    // The place is free as soon as the query threads have seen that nobody reads any more.
    let place = async {
        while database.queries.sql(snapshot().await, request.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), place).await.unwrap();
}

/// Two hosts with a gap each, in the first five seconds of the day.
async fn gaps() -> Database {
    let database = Database::open().await;
    let mut lines = String::new();
    for (host, second, fields) in
        [("a", 0, "f=1,i=10i,u=5u,s=\"x\""), ("a", 3, "f=4,i=13i,u=2u,s=\"y\""), ("b", 2, "f=8"), ("b", 60, "f=9")]
    {
        lines += &format!("m,host={host} {fields} {}\n", NOW_NS + second * 1_000_000_000);
    }
    database.write(&lines).await;
    database
}

const RANGE: &str = "time >= '2026-01-01T00:00:00' AND time < '2026-01-01T00:00:05'";

#[tokio::test]
async fn windows_without_points_are_filled() {
    let database = gaps().await;
    for flushed in [false, true] {
        let query = format!(
            "SELECT extract(second FROM date_bin_gapfill(INTERVAL '1 second', time)) AS t, host, max(f), locf(max(f)), \
             interpolate(max(f)), interpolate(max(i)), interpolate(max(u)), coalesce(locf(max(s)), '-') FROM m \
             WHERE {RANGE} GROUP BY date_bin_gapfill(INTERVAL '1 second', time), host ORDER BY host, 1"
        );
        assert_eq!(
            database.sql(&query).await,
            [
                "0 | a | 1.0 | 1.0 | 1.0 | 10 | 5 | x",
                "1 | a |  | 1.0 | 2.0 | 11 | 4 | x",
                "2 | a |  | 1.0 | 3.0 | 12 | 3 | x",
                "3 | a | 4.0 | 4.0 | 4.0 | 13 | 2 | y",
                "4 | a |  | 4.0 |  |  |  | y",
                "0 | b |  |  |  |  |  | -",
                "1 | b |  |  |  |  |  | -",
                "2 | b | 8.0 | 8.0 | 8.0 |  |  | -",
                "3 | b |  | 8.0 |  |  |  | -",
                "4 | b |  | 8.0 |  |  |  | -",
            ],
            "flushed: {flushed}"
        );
        database.engine.flush().await.unwrap();
    }
    // Without groups, with an origin, over a day that has 60 windows more than points, and within a larger query.
    let whole = "SELECT date_bin_gapfill(INTERVAL '2 seconds', time, TIMESTAMP '2026-01-01T00:00:01') AS t, count(f) \
                 FROM m WHERE time BETWEEN '2026-01-01T00:00:00' AND '2026-01-01T00:00:04' GROUP BY t";
    assert_eq!(
        database.sql(whole).await,
        ["2025-12-31T23:59:59 | 1", "2026-01-01T00:00:01 | 1", "2026-01-01T00:00:03 | 1"]
    );
    let many = "SELECT count(*), sum(c) FROM \
                (SELECT date_bin_gapfill(INTERVAL '1 millisecond', time) AS t, count(f) AS c \
                FROM m WHERE time >= '2026-01-01' AND time < '2026-01-01T00:01:00' GROUP BY t)";
    assert_eq!(database.sql(many).await, ["60000 | 3"]);
    let having = format!(
        "SELECT date_bin_gapfill(INTERVAL '1 second', time) AS t, host, locf(max(f)) AS l FROM m WHERE {RANGE} \
         GROUP BY t, host HAVING host = 'b' ORDER BY t LIMIT 3"
    );
    let rows = ["2026-01-01T00:00:00 | b | ", "2026-01-01T00:00:01 | b | ", "2026-01-01T00:00:02 | b | 8.0"];
    assert_eq!(database.sql(&having).await, rows);
    // Months, and the days of a zone whose clocks are put forward.
    database.write("z f=1 1767225600000000000\nz f=2 1774742400000000000\nz f=3 1774828800000000000").await;
    let months = "SELECT date_bin_gapfill(INTERVAL '1 month', time) AS t, locf(max(f)) FROM z \
                  WHERE time >= '2026-01-15' AND time < '2026-04-01' GROUP BY t ORDER BY t";
    assert_eq!(
        database.sql(months).await,
        ["2026-01-01T00:00:00 | ", "2026-02-01T00:00:00 | ", "2026-03-01T00:00:00 | 3.0"]
    );
    let days = "SELECT date_bin_wallclock_gapfill(INTERVAL '1 day', tz(time, 'Europe/Berlin')) AS t, count(f) FROM z \
                WHERE time >= '2026-03-27T23:00:00Z' AND time < '2026-03-30T22:00:00Z' GROUP BY t ORDER BY t";
    assert_eq!(
        database.sql(days).await,
        ["2026-03-28T00:00:00+01:00 | ", "2026-03-29T00:00:00+01:00 | 1", "2026-03-30T00:00:00+02:00 | 1"]
    );
}

#[tokio::test]
async fn what_cannot_be_filled_is_told() {
    let database = gaps().await;
    let bin = "date_bin_gapfill(INTERVAL '1 second', time)";
    for (query, expected) in [
        (format!("SELECT {bin} AS t, max(f) FROM m GROUP BY t"), "missing both upper and lower time bounds"),
        (format!("SELECT {bin} AS t, max(f) FROM m WHERE time < now() GROUP BY t"), "missing lower time bound"),
        (format!("SELECT {bin} AS t, max(f) FROM m WHERE time > '2026-01-01' GROUP BY t"), "missing upper time bound"),
        (format!("SELECT {bin} FROM m"), "must be one of the expressions of GROUP BY"),
        ("SELECT locf(max(f)) FROM m".to_owned(), "need date_bin_gapfill in GROUP BY"),
        (format!("SELECT {bin} AS t, interpolate(max(s)) FROM m WHERE {RANGE} GROUP BY t"), "interpolate cannot be of"),
        (format!("SELECT {bin} AS t, locf(host) FROM m WHERE {RANGE} GROUP BY t, host"), "must be an aggregate"),
        (
            format!("SELECT max(f) FROM m WHERE {RANGE} GROUP BY {bin}, date_bin_gapfill(INTERVAL '2 seconds', time)"),
            "can stand once in GROUP BY",
        ),
    ] {
        let error = database.try_sql(&query).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{query}: {error}");
    }
    // Bounds may come from parameters.
    let query = format!("SELECT {bin} AS t, count(f) FROM m WHERE time >= $from AND time <= $to GROUP BY t ORDER BY t");
    let params = serde_json::json!({ "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:01Z" });
    let answer = database.try_sql_with(&query, params).await.unwrap();
    assert_eq!(rows(&answer), ["2026-01-01T00:00:00 | 1", "2026-01-01T00:00:01 | "]);
}

#[tokio::test]
async fn selectors_choose_rows() {
    let database = gaps().await;
    for _ in 0..2 {
        let query = "SELECT selector_first(f, time)['value'], selector_last(f, time)['time'], \
                     selector_min(i, time)['time'], \
                     selector_max(s, time)['value'], selector_max(u, time)['time'] FROM m";
        let expected = ["1.0 | 2026-01-01T00:01:00 | 2026-01-01T00:00:00 | y | 2026-01-01T00:00:00"];
        assert_eq!(database.sql(query).await, expected);
        let groups = "SELECT host, selector_max(f, time)['value'] AS v, selector_first(host, time)['value'] AS h, \
                      selector_first(i, time)['value'] AS i FROM m GROUP BY host ORDER BY host";
        assert_eq!(database.sql(groups).await, ["a | 4.0 | a | 10", "b | 9.0 | b | "]);
        let none = "SELECT selector_last(f, time)['value'] FROM m WHERE f > 100";
        assert_eq!(database.sql(none).await, [""]);
        database.engine.flush().await.unwrap();
    }
    // Of equal values the earliest.
    database.write("t f=1 3\nt f=1 2\nt f=1 5\nt f=2 7\nt f=2 6").await;
    let ties =
        "SELECT CAST(selector_min(f, time)['time'] AS BIGINT), CAST(selector_max(f, time)['time'] AS BIGINT) FROM t";
    assert_eq!(database.sql(ties).await, ["2 | 6"]);
    for (query, expected) in [
        ("SELECT selector_first(f) FROM m", "selector_first"),
        ("SELECT selector_first(f, f) FROM m", "expects a value and a time"),
    ] {
        let error = database.try_sql(query).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{query}: {error}");
    }
}

#[tokio::test]
async fn times_in_zones() {
    let database = Database::open().await;
    // Around the night in which clocks are put forward, 2026-03-29T01:00:00Z.
    database.write("m f=1 1774738800000000000\nm f=2 1774745999000000000\nm f=3 1774746000000000000").await;
    assert_eq!(
        database.sql("SELECT tz(time, 'Europe/Berlin'), tz(time) FROM m WHERE f <> 2 ORDER BY time").await,
        ["2026-03-29T00:00:00+01:00 | 2026-03-28T23:00:00Z", "2026-03-29T03:00:00+02:00 | 2026-03-29T01:00:00Z",]
    );
    let bins = "SELECT DISTINCT date_bin_wallclock(INTERVAL '12 hours', tz(time, 'Europe/Berlin')) AS t, \
                date_bin_wallclock(INTERVAL '1 day', time) AS u FROM m ORDER BY u, t";
    assert_eq!(
        database.sql(bins).await,
        ["2026-03-29T00:00:00+01:00 | 2026-03-28T00:00:00", "2026-03-29T00:00:00+01:00 | 2026-03-29T00:00:00",]
    );
    for (query, expected) in [
        ("SELECT tz(time, 'Mars/X') FROM m", "the time zone \"Mars/X\" is not known"),
        ("SELECT tz(f, 'UTC') FROM m", "tz expects a time in nanoseconds"),
        ("SELECT tz(time, CAST(f AS VARCHAR)) FROM m", "must be the name of a time zone"),
    ] {
        let error = database.try_sql(query).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{query}: {error}");
    }
}

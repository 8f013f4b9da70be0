//! The endpoints of InfluxDB 3 beside those that are asked for points: writing, and what is configured.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use catalog::{Clock as _, ManualClock};
use http::Request;
use serde_json::{Value, json};

use crate::permissions::routes_in;
use crate::support::{Answer, Setup, TestServer, gzip};

/// A request with some token.
async fn send(server: &TestServer, method: &str, address: &str, body: &str, token: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(address);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    server.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// The rows of a query, as the operator.
async fn rows(server: &TestServer, database: &str, sql: &str) -> Value {
    let body = json!({"db": database, "q": sql}).to_string();
    let answer = server.call("POST", "/api/v3/query_sql", body).await;
    assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn good_lines_are_stored_and_bad_ones_are_named() {
    let server = TestServer::start(&[]).await;
    let lines =
        "m,t=a f=1 1767225600000000000\nbad\nm,t=b f=\"x\" 1767225601000000000\nm,t=c f=3,g=1i 1767225602000000000";
    let answer = server.call("POST", "/api/v3/write_lp?db=new", lines).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let error = answer.json();
    assert_eq!(error["error"], "partial write of line protocol occurred");
    let conflict =
        "field type conflict: input field \"f\" on measurement \"m\" is type string, already exists as type float";
    assert_eq!(
        error["data"],
        json!([
            {"error_message": "missing fields", "line_number": 2, "original_line": "bad"},
            {"error_message": conflict, "line_number": 3, "original_line": "m,t=b f=x 1767225601"},
        ])
    );
    assert_eq!(rows(&server, "new", "SELECT t FROM m ORDER BY time").await, json!([{"t": "a"}, {"t": "c"}]));
}

#[tokio::test]
async fn all_or_nothing() {
    let server = TestServer::start(&[]).await;
    let write =
        async |lines: &str| server.call("POST", "/api/v3/write_lp?db=b&accept_partial=false", lines.to_owned()).await;
    assert_eq!(write("m f=1 1").await.status, 204);
    let broken = write("new f=1 1\nnew f=").await;
    assert_eq!(broken.status, 400);
    assert_eq!(broken.json()["error"], "parsing failed for write_lp endpoint");
    assert_eq!(broken.json()["data"]["line_number"], 2);
    let conflict = write("new f=1 1\nm f=1i 2").await;
    assert_eq!(conflict.status, 400);
    assert_eq!(
        (&conflict.json()["data"]["line_number"], &conflict.json()["data"]["original_line"]),
        (&json!(2), &json!("m f=1i 2000000000"))
    );
    let tables =
        rows(&server, "b", "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox'").await;
    assert_eq!(tables, json!([{"table_name": "m"}]));
}

#[tokio::test]
async fn precisions_and_bodies() {
    let server = TestServer::start(&[]).await;
    let second = "2026-01-01T00:00:00";
    for (precision, time) in [
        ("", "1767225600"),
        ("", "1767225600000"),
        ("&precision=auto", "1767225600000000"),
        ("", "1767225600000000000"),
        ("&precision=second", "1767225600"),
        ("&precision=ms&no_sync=true", "1767225600000"),
        ("&precision=microsecond", "1767225600000000"),
        ("&precision=n&org=nobody", "1767225600000000000"),
    ] {
        let address = format!("/api/v3/write_lp?db=b{precision}");
        let answer = server.call("POST", &address, format!("m f=1 {time}")).await;
        assert_eq!(answer.status, 204, "{precision}: {}", answer.text());
    }
    assert_eq!(rows(&server, "b", "SELECT time, f FROM m").await, json!([{"time": second, "f": 1.0}]));
    for (address, lines, part) in [
        ("?db=b&precision=h", "m f=1", "unknown precision `h`"),
        ("?db=b&accept_partial=maybe", "m f=1", "accept_partial is true or false"),
        ("?db=b", "", "incoming write was empty"),
        ("", "m f=1", "missing query parameter 'db'"),
        ("?db=no%20name", "m f=1", "invalid character in database or rp name"),
    ] {
        let answer = server.call("POST", &format!("/api/v3/write_lp{address}"), lines.to_owned()).await;
        assert_eq!(answer.status, 400, "{address}");
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{address}: {}", answer.text());
    }
    let request = Request::builder().method("POST").uri("/api/v3/write_lp?db=b").header("content-encoding", "gzip");
    let request = request.header("authorization", format!("Bearer {}", crate::support::TOKEN));
    let answer = server.send(request.body(Body::from(gzip(b"zipped f=1 1"))).unwrap()).await;
    assert_eq!(answer.status, 204);
}

/// Method, address, body, a permission that suffices, the status with it, and that without it.
type Row = (&'static str, &'static str, &'static str, &'static str, u16, u16);

const WRITE_BUCKET: &str = r#"[{"action":"write","resource":{"type":"buckets","id":"<bucket>","orgID":"<org>"}}]"#;
const WRITE_BUCKETS: &str = r#"[{"action":"write","resource":{"type":"buckets","orgID":"<org>"}}]"#;
const READ_BUCKET: &str = r#"[{"action":"read","resource":{"type":"buckets","id":"<bucket>","orgID":"<org>"}}]"#;
const AUTHORIZATIONS: &str = concat!(
    r#"[{"action":"write","resource":{"type":"authorizations","orgID":"<org>"}},"#,
    r#"{"action":"read","resource":{"type":"authorizations","orgID":"<org>"}},"#,
    r#"{"action":"write","resource":{"type":"users"}}]"#
);

const LAST: &str = r#"{"db":"b","table":"m","name":"c"}"#;
const DISTINCT: &str = r#"{"db":"b","table":"m","name":"c","columns":["t"]}"#;

const ROWS: [Row; 18] = [
    ("POST", "/api/v3/write_lp?db=b", "m f=1", WRITE_BUCKET, 204, 403),
    ("POST", "/api/v3/write_lp?db=new", "m f=1", WRITE_BUCKETS, 204, 404),
    ("GET", "/api/v3/query_sql?db=b&q=SELECT+1", "", READ_BUCKET, 200, 403),
    ("POST", "/api/v3/query_influxql", r#"{"db":"b","q":"SHOW MEASUREMENTS"}"#, READ_BUCKET, 200, 403),
    ("POST", "/api/v3/configure/database", r#"{"db":"new"}"#, WRITE_BUCKETS, 200, 401),
    ("PUT", "/api/v3/configure/database", r#"{"db":"b","retention_period":"2h"}"#, WRITE_BUCKET, 200, 404),
    ("DELETE", "/api/v3/configure/database?db=b", "", WRITE_BUCKET, 200, 404),
    ("POST", "/api/v3/configure/database/retention_period?db=b&duration=2h", "", WRITE_BUCKET, 204, 404),
    ("DELETE", "/api/v3/configure/database/retention_period?db=b", "", WRITE_BUCKET, 204, 404),
    ("POST", "/api/v3/configure/table", r#"{"db":"b","table":"t"}"#, WRITE_BUCKET, 200, 404),
    ("DELETE", "/api/v3/configure/table?db=b&table=m", "", WRITE_BUCKET, 200, 404),
    ("POST", "/api/v3/configure/last_cache", LAST, WRITE_BUCKET, 201, 404),
    ("DELETE", "/api/v3/configure/last_cache?db=b&table=m&name=known", "", WRITE_BUCKET, 200, 404),
    ("POST", "/api/v3/configure/distinct_cache", DISTINCT, WRITE_BUCKET, 201, 404),
    ("DELETE", "/api/v3/configure/distinct_cache?db=b&table=m&name=known", "", WRITE_BUCKET, 200, 404),
    ("POST", "/api/v3/configure/token/named_admin", r#"{"token_name":"n"}"#, AUTHORIZATIONS, 201, 401),
    ("POST", "/api/v3/configure/token/admin/regenerate", "", AUTHORIZATIONS, 201, 404),
    ("DELETE", "/api/v3/configure/token?token_name=_admin", "", AUTHORIZATIONS, 200, 404),
];

#[tokio::test]
async fn who_may_do_what() {
    for (method, address, body, permissions, status, refused) in ROWS {
        let server = TestServer::start(&[]).await;
        assert_eq!(server.write("m,t=a f=1").await.status, 204);
        for (kind, body) in [("last", LAST), ("distinct", DISTINCT)] {
            let known = body.replace("\"c\"", "\"known\"");
            let made = server.call("POST", &format!("/api/v3/configure/{kind}_cache"), known).await;
            assert_eq!(made.status, 201, "{}", made.text());
        }
        let labels = r#"[{"action":"read","resource":{"type":"labels"}}]"#;
        let new = format!(r#"{{"orgID":"<org>","description":"_admin","permissions":{labels}}}"#);
        let new = server.placeholders().fill(&new);
        assert_eq!(server.call("POST", "/api/v2/authorizations", new).await.status, 201);
        let token = server.token(&server.placeholders().fill(permissions)).await;
        let weak = server.token(r#"[{"action":"write","resource":{"type":"labels"}}]"#).await;
        for (token, expected) in [(None, 401), (Some("unknown"), 401), (Some(&*weak), refused)] {
            let answer = send(&server, method, address, body, token).await;
            assert_eq!(answer.status, expected, "{method} {address} {token:?}: {}", answer.text());
            assert!(answer.json()["error"].is_string(), "{method} {address}: {}", answer.text());
        }
        let expected = if address.ends_with("regenerate") { 403 } else { status };
        let answer = send(&server, method, address, body, Some(&token)).await;
        // The token of an operator permits more than this one does, so that it may not be made again.
        assert_eq!(answer.status, expected, "{method} {address}: {}", answer.text());
    }
}

#[test]
fn no_route_is_missing_above() {
    let source = include_str!("../../src/routes/v3/mod.rs");
    let (protected, _) = source.split_once("fn open_routes").unwrap();
    let with_path = |row: &Row| (row.0.to_owned(), row.1.split('?').next().unwrap().to_owned());
    let covered: BTreeSet<(String, String)> = ROWS.iter().map(with_path).collect();
    let lists = ["/api/v3/configure/database", "/api/v3/configure/token"];
    let missing: Vec<_> = routes_in(protected)
        .into_iter()
        .filter(|route| !covered.contains(route))
        // Queries are in `permissions`, and lists leave out what may not be seen.
        .filter(|(method, path)| !(path.starts_with("/api/v3/query_") || method == "GET" && lists.contains(&&**path)))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn databases() {
    let server = TestServer::start(&[]).await;
    let list = async || server.call("GET", "/api/v3/configure/database?format=csv", "").await.text();
    assert_eq!(list().await, "iox::database\n_monitoring\n_tasks\nb\n");
    let create = async |body: Value| server.call("POST", "/api/v3/configure/database", body.to_string()).await;
    assert_eq!(create(json!({"db": "d", "retention_period": "30d"})).await.status, 200);
    let retention = async || {
        let found = server.call("GET", "/api/v2/buckets?org=o&name=d", "").await.json();
        found["buckets"][0]["retentionRules"].clone()
    };
    assert_eq!(retention().await[0]["everySeconds"], 30 * 86_400);
    let again = create(json!({"db": "d"})).await;
    assert_eq!((again.status, again.json()["code"].as_str().unwrap()), (409, "conflict"));
    let put = async |body: Value| server.call("PUT", "/api/v3/configure/database", body.to_string()).await.status;
    assert_eq!(put(json!({"db": "d", "retention_period": null})).await, 200);
    assert_eq!(retention().await[0]["everySeconds"], 0);
    let path = "/api/v3/configure/database/retention_period?db=d";
    assert_eq!(server.call("POST", &format!("{path}&duration=2h"), "").await.status, 204);
    assert_eq!(retention().await[0]["everySeconds"], 7200);
    assert_eq!(server.call("DELETE", path, "").await.status, 204);
    assert_eq!(retention().await[0]["everySeconds"], 0);
    for (body, part) in [
        (json!({"db": "bad name"}), "invalid character"),
        (json!({"db": "x", "retention_period": "soon"}), "invalid duration"),
        (json!({"db": 1}), "invalid type"),
        (json!({}), "missing field `db`"),
    ] {
        let answer = create(body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{}", answer.text());
    }
    let remove =
        async |rest: &str| server.call("DELETE", &format!("/api/v3/configure/database?db={rest}"), "").await.status;
    assert_eq!(remove("d&hard_delete_at=never").await, 400);
    assert_eq!(remove("d&hard_delete_at=2026-01-01T00:00:00Z").await, 200);
    assert_eq!(remove("d").await, 404);
    let read =
        server.token(r#"[{"action":"read","resource":{"type":"buckets","id":"<bucket>","orgID":"<org>"}}]"#).await;
    let seen = send(&server, "GET", "/api/v3/configure/database?format=json&show_deleted=true", "", Some(&read)).await;
    assert_eq!(seen.json(), json!([{"iox::database": "b", "deleted": false}]));
}

#[tokio::test]
async fn tables() {
    let server = TestServer::start(&[]).await;
    let create = async |body: Value| server.call("POST", "/api/v3/configure/table", body.to_string()).await;
    let kinds = ["utf8", "int64", "uint64", "float64", "bool"];
    let fields: Vec<Value> = kinds.iter().map(|kind| json!({"name": format!("f_{kind}"), "type": kind})).collect();
    let body = json!({"db": "b", "table": "t", "tags": ["a", "b"], "fields": fields});
    assert_eq!(create(body.clone()).await.status, 200);
    assert_eq!(create(body).await.status, 409);
    let columns = "SELECT column_name AS c FROM information_schema.columns WHERE table_name = 't'";
    let names: Vec<String> = rows(&server, "b", columns)
        .await
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["c"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["time", "a", "b", "f_bool", "f_float64", "f_int64", "f_uint64", "f_utf8"]);
    assert_eq!(rows(&server, "b", "SELECT * FROM t").await, json!([]));
    // The types are those of the definition.
    assert_eq!(server.write("t f_int64=1i,f_utf8=\"x\" 1").await.status, 204);
    assert_eq!(server.write("t f_int64=1.5 2").await.status, 422);
    for (body, status) in [
        (json!({"db": "absent", "table": "t"}), 404),
        (json!({"db": "b", "table": ""}), 400),
        (json!({"db": "b", "table": "x", "fields": [{"name": "f", "type": "int8"}]}), 400),
        (json!({"db": "b", "table": "x", "tags": ["time"]}), 400),
        (json!({"db": "b", "table": "x", "tags": ["a", "a"]}), 400),
    ] {
        let answer = create(body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let remove = async |table: &str| {
        server.call("DELETE", &format!("/api/v3/configure/table?db=b&table={table}"), "").await.status
    };
    assert_eq!(remove("t").await, 200);
    assert_eq!(remove("absent").await, 404);
    assert_eq!(rows(&server, "b", "SELECT * FROM t").await, json!([]));
}

#[tokio::test]
async fn caches() {
    let clock = Arc::new(ManualClock::new(1_767_225_700_000_000_000));
    let server = TestServer::with(Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() }).await;
    let lines = "m,t=a,u=x f=1,g=1i 1767225600000000000\nm,t=a,u=x f=2 1767225610000000000\n\
        m,t=a,u=x f=3 1767225620000000000\nm,t=b,u=x f=4 1767225600000000000\nm,t=b,u=y g=5i 1767225630000000000\n\
        other,t=a f=1 1767225600000000000";
    assert_eq!(server.write(lines).await.status, 204);
    let create = async |kind: &str, body: Value| {
        server.call("POST", &format!("/api/v3/configure/{kind}_cache"), body.to_string()).await
    };
    let body = json!({"db": "b", "table": "m", "name": "lc", "key_columns": ["t"], "value_columns": ["f"], "count": 2});
    let made = create("last", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let columns =
        json!({"table": "m", "name": "lc", "key_columns": ["t"], "value_columns": ["f"], "count": 2, "ttl": 14_400});
    assert_eq!(made.json(), columns);
    assert_eq!(create("last", body).await.status, 409);
    let last = "SELECT * FROM last_cache('m', 'lc') ORDER BY t, time DESC";
    let (at_20, at_10) = ("2026-01-01T00:00:20", "2026-01-01T00:00:10");
    let expected = json!([
        {"t": "a", "f": 3.0, "time": at_20},
        {"t": "a", "f": 2.0, "time": at_10},
        {"t": "b", "f": 4.0, "time": "2026-01-01T00:00:00"},
    ]);
    assert_eq!(rows(&server, "b", last).await, expected);
    // Files, deletes and later rows change nothing of what a cache is.
    assert_eq!(server.call("POST", "/api/freshet/v1/flush", "").await.status, 200);
    assert_eq!(rows(&server, "b", last).await, expected);
    assert_eq!(server.write("m,t=a,u=x f=7 1767225640000000000").await.status, 204);
    let newest = "SELECT f FROM last_cache('m', 'lc') WHERE t = 'a' ORDER BY time DESC";
    assert_eq!(rows(&server, "b", newest).await, json!([{"f": 7.0}, {"f": 3.0}]));

    // Without names: all tags are keys, all fields values, and the name is made.
    let made = create("last", json!({"db": "b", "table": "other"})).await.json();
    assert_eq!(made["name"], "other_last_cache");
    assert_eq!(rows(&server, "b", "SELECT t, f FROM last_cache('other')").await, json!([{"t": "a", "f": 1.0}]));

    let made = create("distinct", json!({"db": "b", "table": "m", "name": "dc", "columns": ["t", "u"]})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let distinct = "SELECT * FROM distinct_cache('m', 'dc') ORDER BY t, u";
    assert_eq!(
        rows(&server, "b", distinct).await,
        json!([{"t": "a", "u": "x"}, {"t": "b", "u": "x"}, {"t": "b", "u": "y"}])
    );
    let small = json!({"db": "b", "table": "m", "name": "small", "columns": ["t", "u"], "max_cardinality": 2});
    assert_eq!(create("distinct", small).await.status, 201);
    assert_eq!(rows(&server, "b", "SELECT count(*) AS n FROM distinct_cache('m', 'small')").await, json!([{"n": 2}]));

    // What is too old is not there any more.
    clock.set_ns(clock.now_ns() + i64::try_from(Duration::from_hours(4).as_nanos()).unwrap());
    assert_eq!(rows(&server, "b", last).await, json!([]));
    assert_eq!(rows(&server, "b", distinct).await.as_array().unwrap().len(), 3);
    refusals(&server).await;
    let remove = async |rest: &str| server.call("DELETE", &format!("/api/v3/configure/{rest}"), "").await.status;
    assert_eq!(remove("last_cache?db=b&table=m&name=lc").await, 200);
    assert_eq!(remove("last_cache?db=b&table=m&name=lc").await, 404);
    assert_eq!(remove("distinct_cache?db=b&table=m").await, 400);
}

/// Caches that cannot be had, over the tables of `caches`.
async fn refusals(server: &TestServer) {
    for (kind, body, part) in [
        ("last", json!({"db": "b", "table": "absent"}), "not found: absent"),
        ("last", json!({"db": "b", "table": "m", "count": 11}), "count is from 1 to 10"),
        ("last", json!({"db": "b", "table": "m", "ttl": 0}), "ttl is from 1"),
        ("last", json!({"db": "b", "table": "m", "key_columns": ["nope"]}), "no tag or field \"nope\""),
        ("last", json!({"db": "b", "table": "m", "key_columns": ["f"]}), "\"f\" is a float"),
        ("last", json!({"db": "b", "table": "m", "key_columns": ["t"], "value_columns": ["t"]}), "a key and a value"),
        ("distinct", json!({"db": "b", "table": "m", "columns": []}), "needs a column"),
        ("distinct", json!({"db": "b", "table": "m", "columns": ["t", "t"]}), "named twice"),
        ("distinct", json!({"db": "b", "table": "m", "columns": ["time"]}), "no tag or field \"time\""),
    ] {
        let answer = server.call("POST", &format!("/api/v3/configure/{kind}_cache"), body.to_string()).await;
        assert!(matches!(answer.status, 400 | 404), "{body}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().contains(part), "{body}: {}", answer.text());
    }
    let calls =
        ["last_cache('m', 'no')", "last_cache('m', 'dc')", "distinct_cache('m')", "last_cache(m)", "last_cache()"];
    for call in calls {
        let body = json!({"db": "b", "q": format!("SELECT * FROM {call}")}).to_string();
        let answer = server.call("POST", "/api/v3/query_sql", body).await;
        assert_eq!(answer.status, 400, "{call}: {}", answer.text());
    }
}

#[tokio::test]
async fn tokens() {
    let clock = Arc::new(ManualClock::new(1_767_225_600_000_000_000));
    let server = TestServer::with(Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() }).await;
    let make = async |body: Value| server.call("POST", "/api/v3/configure/token/named_admin", body.to_string()).await;
    let made = make(json!({"token_name": "ci", "expiry_secs": 60})).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!((&made["name"], &made["expiry"]), (&json!("ci"), &json!("2026-01-01T00:01:00Z")));
    assert_eq!(made["hash"].as_str().unwrap().len(), 128);
    let token = made["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("apiv3_") && token.len() == 92, "{token}");
    let again = make(json!({"token_name": "ci"})).await;
    assert_eq!(again.status, 409, "{}", again.text());
    // The token may do what its maker may, until it ends.
    let status = async |token: &str| send(&server, "GET", "/api/v3/configure/token?format=json", "", Some(token)).await;
    let listed = status(&token).await.json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"ci"), "{listed}");
    assert!(!listed.to_string().contains("apiv3_"), "{listed}");
    clock.set_ns(clock.now_ns() + i64::try_from(Duration::from_secs(60).as_nanos()).unwrap());
    assert_eq!(status(&token).await.status, 401);
    let forever = make(json!({"token_name": "forever", "expiry_secs": null})).await.json();
    let token = forever["token"].as_str().unwrap().to_owned();
    assert_eq!(status(&token).await.status, 200);
    let remove = async |name: &str| {
        server.call("DELETE", &format!("/api/v3/configure/token?token_name={name}"), "").await.status
    };
    assert_eq!(remove("forever").await, 200);
    assert_eq!(status(&token).await.status, 401);
    assert_eq!(remove("forever").await, 404);
    for body in [json!({"token_name": ""}), json!({}), json!({"token_name": "x", "expiry_secs": 0})] {
        assert_eq!(make(body.clone()).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn the_first_token_sets_the_server_up() {
    let server = TestServer::with(Setup { onboard: false, ..Setup::default() }).await;
    let first = send(&server, "POST", "/api/v3/configure/token/admin", "", None).await;
    assert_eq!(first.status, 201, "{}", first.text());
    let token = first.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(send(&server, "POST", "/api/v3/write_lp?db=d", "m f=1", Some(&token)).await.status, 204);
    let second = send(&server, "POST", "/api/v3/configure/token/admin", "", None).await;
    assert_eq!((second.status, second.json()["error"].as_str().unwrap()), (409, "token name already exists, _admin"));
    let path = "/api/v3/configure/token/admin/regenerate";
    let made = send(&server, "POST", path, "", Some(&token)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(send(&server, "POST", path, "", Some(&token)).await.status, 401);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    // Basic, with the token as the password, as InfluxDB 3 takes it.
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("anybody:{token}"));
    let request = Request::builder().uri("/api/v3/query_sql?db=d&q=SELECT+f+FROM+m");
    let request = request.header("authorization", format!("Basic {basic}"));
    assert_eq!(server.send(request.body(Body::empty()).unwrap()).await.json(), json!([{"f": 1.0}]));
}

//! The catalogs in PostgreSQL: `freshet serve --catalog postgres://…`.

use std::ffi::OsStr;

use reqwest::Method;
use serde_json::json;
use testkit::{Answer, PostgresCluster, Server, python, until};

use crate::ducklake::compare_catalog;
use crate::server;

/// A server whose catalogs are in this schema and the one beside it.
async fn start(cluster: &PostgresCluster, schema: &str) -> Server {
    server().arg("--catalog").arg(url(cluster, schema)).start().await
}

fn url(cluster: &PostgresCluster, schema: &str) -> String {
    format!("{}?schema={schema}", cluster.url())
}

async fn post(server: &Server, path: &str, body: serde_json::Value) -> Answer {
    server.send(server.request(Method::POST, path).json(&body)).await
}

async fn delete(server: &Server, predicate: &str) {
    let path = format!("/api/v2/delete?org={}&bucket={}", server.organisation(), server.bucket());
    let range = json!({"start": "1970-01-01T00:00:00Z", "stop": "1970-01-02T00:00:00Z", "predicate": predicate});
    let _ = post(server, &path, range).await.expect(204);
}

/// Flushes; the status, with which a flush may be refused while PostgreSQL is away.
async fn flush_status(server: &Server) -> u16 {
    post(server, "/api/freshet/v1/flush", json!({})).await.status.as_u16()
}

async fn new_user(server: &Server, name: &str) -> Answer {
    post(server, "/api/v2/users", json!({ "name": name })).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_with_the_catalogs_in_postgresql() {
    let (Some(python), Some(cluster)) = (python(), testkit::postgres()) else { return };
    let mut server = start(cluster, "whole").await;
    server.write("m,t=a f=1,g=1 10\nm,t=b f=2 20\nother,t=a s=\"x\" 10").await;
    server.flush().await;
    server.write("m,t=a f=3 10\nm,t=c f=4 30").await;
    let _ = new_user(&server, "kept").await.expect(201);
    server.kill9().await;
    server.restart().await;
    let rows = "SELECT t, f, g, CAST(time AS BIGINT) AS at FROM m ORDER BY time";
    let expected = json!([
        {"t": "a", "f": 3.0, "g": 1.0, "at": 10}, {"t": "b", "f": 2.0, "at": 20}, {"t": "c", "f": 4.0, "at": 30},
    ]);
    assert_eq!(json!(server.sql(rows).await), expected);
    assert!(new_user(&server, "kept").await.body.contains("already exists"));

    delete(&server, "t=\"b\"").await;
    server.compact().await;
    let expected = json!([{"t": "a", "f": 3.0, "g": 1.0, "at": 10}, {"t": "c", "f": 4.0, "at": 30}]);
    assert_eq!(json!(server.sql(rows).await), expected);
    let printed = compare_catalog(&server, &python, OsStr::new(&url(cluster, "whole")), &[]).await;
    assert!(printed.contains("2 tables, 3 rows"), "{printed}");
    let log = server.stop().await;
    server.restart().await;
    assert_eq!(json!(server.sql(rows).await), expected);
    for name in ["catalog.sqlite", "resources.sqlite"] {
        assert!(!server.data_dir().join(name).exists(), "{name}");
    }
    let log = format!("{log}{}", server.log());
    assert!(log.contains("postgres://freshet@127.0.0.1:") && !log.contains(cluster.password()), "{log}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_cannot_have_one_catalog() {
    let Some(cluster) = testkit::postgres() else { return };
    let mut first = start(cluster, "shared").await;
    first.write("m f=1 1").await;
    let refused = async || server().arg("--catalog").arg(url(cluster, "shared")).start_and_fail().await;
    let (code, log) = refused().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("is in use by another server (process "), "{log}");
    first.stop().await;
    let (code, log) = refused().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("belongs to the data directory with the id"), "{log}");
    first.restart().await;
    assert_eq!(first.sql_number("SELECT count(*) AS n FROM m").await, 1);
    first.stop().await;

    // The directory has no catalog of its own to fall back to.
    let bare = server().data_dir(first.data_dir()).start_and_fail().await;
    assert_eq!(bare.0, Some(1));
    assert!(bare.1.contains("has its catalogs in PostgreSQL: start with --catalog"), "{}", bare.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_lose_and_double_nothing() {
    const ROUNDS: i64 = 12;
    let (Some(python), Some(cluster)) = (python(), PostgresCluster::start()) else { return };
    let mut server = start(&cluster, "cut").await;
    for round in 0..ROUNDS {
        let lines: String = (0..50).map(|number| format!("m{number},t=a f={round}i {round}\n")).collect();
        server.write(lines).await;
        // A flush is a transaction over fifty tables; the connection ends somewhere in it, or before, or after.
        let (_, ()) = tokio::join!(flush_status(&server), async {
            for _ in 0..3 {
                tokio::task::block_in_place(|| cluster.terminate_connections());
            }
        });
        until("a flush that succeeds", async || (flush_status(&server).await == 200).then_some(())).await;
    }
    server.kill9().await;
    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) AS n FROM m49").await, ROUNDS);
    // Every row is in the files once.
    let printed = compare_catalog(&server, &python, OsStr::new(&url(&cluster, "cut")), &[]).await;
    assert!(printed.contains(&format!("50 tables, {} rows", 50 * ROUNDS)), "{printed}");
    server.compact().await;
    compare_catalog(&server, &python, OsStr::new(&url(&cluster, "cut")), &[]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_away_known_columns_are_written_and_all_else_waits() {
    let Some(cluster) = PostgresCluster::start() else { return };
    let mut server = start(&cluster, "away").await;
    server.write("m,t=a f=1 1").await;
    tokio::task::block_in_place(|| cluster.stop());
    server.write("m,t=a f=2 2").await;
    let path = format!("/api/v2/write?org={}&bucket={}", server.organisation(), server.bucket());
    let request = server.request(Method::POST, &path).body("m,t=a new=1 3");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let text = answer.text().await.unwrap();
    assert!(text.contains("new columns cannot be registered, because the catalog cannot be reached"), "{text}");
    assert_eq!(flush_status(&server).await, 503);
    let refused = new_user(&server, "late").await.expect(503);
    assert!(refused.body.contains("the resource database cannot be reached, try again later"), "{}", refused.body);
    assert_eq!(server.sql_number("SELECT count(*) AS n FROM m").await, 2);

    tokio::task::block_in_place(|| cluster.restart());
    server.write("m,t=a new=1 3").await;
    server.flush().await;
    let _ = new_user(&server, "late").await.expect(201);
    server.kill9().await;
    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) AS n FROM m").await, 3);
    server.stop().await;

    tokio::task::block_in_place(|| cluster.stop());
    let arguments = ["--catalog".to_owned(), url(&cluster, "away")];
    let (code, log) = server_again(&server, &arguments).await;
    assert_eq!(code, Some(1));
    assert!(log.contains("cannot be reached") && !log.contains(cluster.password()), "{log}");
}

/// Starts one more server over the directory of one that has ended, which must refuse.
async fn server_again(ended: &Server, arguments: &[String]) -> (Option<i32>, String) {
    server().data_dir(ended.data_dir()).args(arguments).start_and_fail().await
}

#[tokio::test]
async fn a_reader_of_the_lake_sees_no_secrets() {
    let (Some(python), Some(cluster)) = (python(), testkit::postgres()) else { return };
    // A user that may do no more than docs/formats/catalog.md asks for.
    cluster.sql(
        "CREATE ROLE owner LOGIN PASSWORD 'owner'; CREATE ROLE reader LOGIN PASSWORD 'reader'; \
         GRANT CREATE ON DATABASE postgres TO owner",
    );
    let as_user = |name: &str| url(cluster, "readable").replace("freshet:not-a-secret", &format!("{name}:{name}"));
    let mut server = server().env("FRESHET_CATALOG", as_user("owner")).start().await;
    server.write("m,t=a f=1 1").await;
    server.flush().await;
    cluster.sql("GRANT USAGE ON SCHEMA readable TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA readable TO reader");
    let printed = compare_catalog(&server, &python, OsStr::new(&as_user("reader")), &[]).await;
    assert!(printed.contains("1 tables, 1 rows"), "{printed}");
    let can = |what: &str| cluster.sql(&format!("SELECT has_schema_privilege('reader', '{what}', 'USAGE')"));
    assert_eq!((can("readable").as_str(), can("readable_resources").as_str()), ("t", "f"));
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_address_is_refused_without_its_password() {
    let cases = [
        ("mysql://u:s3cret@h/d", "it does not start with postgres://"),
        ("postgres://u:s3cret@h:port/d", "the catalog is no URL of the form postgres://"),
        ("postgres://u:s3cret@h/d?schema=A", "the schema \"A\" of the catalog is not made of"),
    ];
    for (address, message) in cases {
        let (code, log) = server().arg("--catalog").arg(address).start_and_fail().await;
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains(message) && !log.contains("s3cret"), "{log}");
    }
}

//! The data files in a real S3 server, which goes away and comes back.

use reqwest::Method;
use serde_json::json;
use testkit::{S3Server, Server, ServerBuilder, python, until};

use crate::ducklake::compare;
use crate::server;

fn server_on(s3: &S3Server, prefix: &str) -> ServerBuilder {
    let environment = s3.environment();
    let builder = server().args(["--object-store", &s3.address(prefix)]);
    environment.into_iter().fold(builder, |builder, (name, value)| builder.env(name, value))
}

async fn metric(server: &Server, line_start: &str) -> u64 {
    let text = server.send(server.request(Method::GET, "/metrics")).await.expect(200).body;
    let line = text.lines().find(|line| line.starts_with(line_start)).unwrap_or_else(|| panic!("{line_start}\n{text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

fn requests(operation: &str) -> String {
    format!("freshet_object_store_requests_total{{operation=\"{operation}\"}} ")
}

async fn health(server: &Server) -> (u16, String) {
    let answer = server.send(server.request(Method::GET, "/health")).await;
    (answer.status.as_u16(), answer.body)
}

async fn wait_for_health(server: &Server, status: u16) -> String {
    until("the health", async || {
        let (found, body) = health(server).await;
        (found == status).then_some(body)
    })
    .await
}

async fn delete(server: &Server, start: &str, stop: &str) {
    let path = format!("/api/v2/delete?org={}&bucket={}", server.organisation(), server.bucket());
    let range = json!({"start": start, "stop": stop});
    let _ = server.send(server.request(Method::POST, &path).json(&range)).await.expect(204);
}

#[tokio::test]
async fn files_go_to_s3_and_everything_works_as_on_a_disk() {
    let Some(s3) = S3Server::start().await else { return };
    let mut server = server_on(&s3, "some/prefix").start().await;
    for flush in 0..3 {
        let lines: String =
            (0..100_i64).map(|point| format!("m,t=a f={flush},i={point}i {}\n", point * 1_000_000_000)).collect();
        server.write(lines).await;
        server.flush().await;
    }
    assert_eq!(s3.parquet_files("some/prefix").len(), 3);
    assert!(!server.data_dir().join("files").exists(), "nothing on the disk");
    assert_eq!(server.sql_number("SELECT CAST(sum(f) AS BIGINT) FROM m").await, 200);
    delete(&server, "1970-01-01T00:00:00Z", "1970-01-01T00:00:09Z").await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 90);
    server.compact().await;
    assert_eq!(metric(&server, "freshet_files ").await, 1);
    server.write("m,t=b f=1 1").await;
    server.kill9().await;

    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 91);
    assert_eq!(server.sql_number("SELECT CAST(sum(f) AS BIGINT) FROM m").await, 181);
    assert_eq!(health(&server).await.0, 200);
    let log = server.stop().await;
    assert!(!log.contains(s3.secret()), "{log}");

    // A stopped server has everything in files, so the next one only asks whether the store is there.
    server.restart().await;
    until("the only request", async || (metric(&server, &requests("get")).await == 1).then_some(())).await;
    for operation in ["put", "delete", "other"] {
        assert_eq!(metric(&server, &requests(operation)).await, 0, "{operation}");
    }
    assert_eq!(metric(&server, &requests("get")).await, 1);
    server.stop().await;
}

#[tokio::test]
async fn a_large_file_goes_to_s3_in_parts() {
    let Some(s3) = S3Server::start().await else { return };
    let mut server = server_on(&s3, "").start().await;
    let mut random = 1_u64;
    for time in 0..24 {
        let mut text = String::new();
        while text.len() < 900_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += &format!("{:08x}", random >> 32);
        }
        server.write(format!("m s=\"{text}\" {time}")).await;
    }
    server.flush().await;
    let files = s3.parquet_files("");
    assert!(files.len() == 1 && files[0].1 > (8 << 20), "{files:?}");
    assert!(metric(&server, &requests("put")).await >= 4, "begin, parts, end");
    assert_eq!(server.sql_number("SELECT sum(length(s)) FROM m").await, 24 * 900_000);
    server.stop().await;
}

#[tokio::test]
async fn while_s3_is_away_points_are_taken_and_it_is_said() {
    let Some(mut s3) = S3Server::start().await else { return };
    let mut server = server_on(&s3, "p").start().await;
    server.write("m f=1 1\nn f=1 1").await;
    server.flush().await;
    s3.kill().await;
    server.write("m f=2 2\nn f=2 2").await;
    let answer = server.send(server.request(Method::POST, "/api/freshet/v1/flush")).await;
    assert!(answer.status.is_server_error(), "{answer:?}");
    let body = wait_for_health(&server, 503).await;
    assert!(body.contains("\"name\":\"flush\"") && body.contains("\"name\":\"object store\""), "{body}");
    assert_eq!(metric(&server, "freshet_object_store_failing ").await, 1);
    server.write("m f=3 3").await;
    assert_eq!(s3.parquet_files("p").len(), 2);
    // A start without the store: points are taken, and its absence is seen before anything is lost by it.
    let log = server.log();
    assert!(log.contains("Connection refused"), "the cause under all the others: {log}");
    server.kill9().await;
    server.restart().await;
    server.write("m f=4 4").await;
    let body = wait_for_health(&server, 503).await;
    assert!(body.contains("\"name\":\"object store\""), "{body}");

    s3.restart().await;
    wait_for_health(&server, 200).await;
    server.flush().await;
    for (table, count, sum) in [("m", 4, 10), ("n", 2, 3)] {
        assert_eq!(server.sql_number(&format!("SELECT count(*) FROM {table}")).await, count);
        assert_eq!(server.sql_number(&format!("SELECT CAST(sum(f) AS BIGINT) FROM {table}")).await, sum);
    }
    let log = server.stop().await;
    assert!(!log.contains(s3.secret()), "{log}");
}

/// Seen at the start, not at the first flush.
#[tokio::test]
async fn a_bucket_that_is_not_there_and_a_wrong_key_are_said_at_once() {
    let Some(s3) = S3Server::start().await else { return };
    let environment = s3.environment();
    let missing = server().args(["--object-store", "s3://no-such-bucket/p"]);
    let missing = environment.into_iter().fold(missing, |builder, (name, value)| builder.env(name, value));
    for (builder, code) in [
        (missing, "NoSuchBucket"),
        (server_on(&s3, "p").env("AWS_SECRET_ACCESS_KEY", "not the key"), "SignatureDoesNotMatch"),
    ] {
        let mut server = builder.start().await;
        let body = wait_for_health(&server, 503).await;
        assert!(body.contains("\"name\":\"object store\""), "{body}");
        server.write("m f=1 1").await;
        server.terminate();
        let (exit, log) = server.wait().await;
        assert_ne!(exit, Some(0), "a stop that leaves points in the log says so");
        assert!(log.contains(code), "{log}");
        assert!(!log.contains(s3.secret()), "{log}");
    }
}

#[tokio::test]
async fn s3_goes_away_in_the_middle_of_flushes_and_nothing_is_lost() {
    let Some(mut s3) = S3Server::start().await else { return };
    let mut server = server_on(&s3, "p").args(["--flush-table-bytes", "64KiB"]).start().await;
    let mut written = 0;
    for round in 0..3 {
        for _ in 0..8 {
            let lines: String =
                (written..written + 2000).map(|point| format!("m{},t=a i={point}i {point}\n", point % 20)).collect();
            server.write(lines).await;
            written += 2000;
        }
        s3.kill().await;
        server.write(format!("m0,t=b i={round}i {round}")).await;
        if round == 1 {
            server.kill9().await;
            s3.restart().await;
            server.restart().await;
        } else {
            s3.restart().await;
        }
    }
    wait_for_health(&server, 200).await;
    server.compact().await;
    let mut rows = 0;
    for table in 0..20 {
        rows += server.sql_number(&format!("SELECT count(*) FROM m{table}")).await;
    }
    assert_eq!(rows, i64::from(written) + 3);
    assert_eq!(server.sql_number("SELECT CAST(max(i) AS BIGINT) FROM m19").await, i64::from(written) - 1);
    server.stop().await;
}

#[tokio::test]
async fn a_catalog_is_not_used_with_another_store() {
    let Some(s3) = S3Server::start().await else { return };
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let start = |prefix: &str| server_on(&s3, prefix).data_dir(&data_dir);
    let mut first = start("a").start().await;
    first.write("m f=1 1").await;
    first.stop().await;
    let (_, log) = server().data_dir(&data_dir).start_and_fail().await;
    assert!(log.contains("the catalog's files are in s3://lake/a/, and not in /"), "{log}");
    let (_, log) = start("b").start_and_fail().await;
    assert!(log.contains("copy all files below it") && log.contains("--object-store-moved"), "{log}");
    std::fs::rename(s3.bucket_dir().join("a"), s3.bucket_dir().join("b")).unwrap();
    let mut moved = start("b").arg("--object-store-moved").start().await;
    assert_eq!(moved.sql_number("SELECT count(*) FROM m").await, 1);
    moved.stop().await;
    let mut again = start("b").start().await;
    assert_eq!(again.sql_number("SELECT count(*) FROM m").await, 1);
    again.stop().await;
}

#[tokio::test]
async fn a_directory_of_its_own_holds_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let files = directory.path().join("elsewhere");
    let mut server = server().args(["--object-store", &format!("file://{}", files.display())]).start().await;
    server.write("m f=1 1").await;
    server.flush().await;
    assert!(files.read_dir().unwrap().next().is_some());
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn an_outside_duckdb_reads_the_lake_over_s3() {
    let (Some(s3), Some(python)) = (S3Server::start().await, python()) else { return };
    let mut server = server_on(&s3, "lake/of/ours").start().await;
    for flush in 0..4_i64 {
        let lines: String = (0..200_i64)
            .map(|point| {
                let time = 1_700_000_000_000_000_000 + (point + flush * 100) * 1_000_000_000;
                format!("cpu,host=h{} f={flush}.5,i={point}i {time}\nmem used={point}i {time}\n", point % 5)
            })
            .collect();
        server.write(lines).await;
        server.flush().await;
    }
    server.compact().await;
    delete(&server, "2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z").await;
    server.compact().await;
    let printed = compare(&server, &python, &s3.environment()).await;
    assert!(printed.contains("2 tables"), "{printed}");
    server.stop().await;
}

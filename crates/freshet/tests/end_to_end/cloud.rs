//! Everything away from the data directory: files in a real S3 server, catalogs in a real PostgreSQL.

use std::ffi::OsStr;
use std::path::Path;

use reqwest::Method;
use serde_json::json;
use testkit::{PostgresCluster, S3Server, Server, python};

use crate::command_line::{Ended, run};
use crate::ducklake::compare_catalog;
use crate::server;

const ROWS: &str = "SELECT t, f, g, CAST(time AS BIGINT) AS at FROM m ORDER BY time, t";

/// Where a server has its files and catalogs.
struct Place<'a> {
    s3: &'a S3Server,
    cluster: &'a PostgresCluster,
    name: &'a str,
}

impl Place<'_> {
    fn catalog(&self) -> String {
        format!("{}?schema={}", self.cluster.url(), self.name)
    }

    /// The options that name it.
    fn options(&self) -> [String; 4] {
        ["--object-store".to_owned(), self.s3.address(self.name), "--catalog".to_owned(), self.catalog()]
    }

    async fn start(&self, data_dir: Option<&Path>) -> Server {
        let environment = self.s3.environment();
        let builder = server().args(self.options());
        let builder = environment.into_iter().fold(builder, |builder, (name, value)| builder.env(name, value));
        match data_dir {
            Some(data_dir) => builder.data_dir(data_dir).start().await,
            None => builder.start().await,
        }
    }

    /// A command with the keys of S3.
    async fn run(&self, arguments: &[&str]) -> Ended {
        let environment = self.s3.environment();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        run(arguments, &environment, "").await
    }

    async fn outside_reader_agrees(&self, server: &Server, python: &Path, expected: &str) {
        let url = self.catalog();
        let printed = compare_catalog(server, python, OsStr::new(&url), &self.s3.environment()).await;
        assert!(printed.contains(expected), "{printed}");
    }
}

async fn delete(server: &Server, predicate: &str) {
    let path = format!("/api/v2/delete?org={}&bucket={}", server.organisation(), server.bucket());
    let range = json!({"start": "1970-01-01T00:00:00Z", "stop": "1970-01-02T00:00:00Z", "predicate": predicate});
    let _ = server.send(server.request(Method::POST, &path).json(&range)).await.expect(204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_with_files_in_s3_and_catalogs_in_postgresql() {
    let (Some(s3), Some(python), Some(cluster)) = (S3Server::start().await, python(), testkit::postgres()) else {
        return;
    };
    let place = Place { s3: &s3, cluster, name: "cloud" };
    let mut server = place.start(None).await;
    for flush in 0..3_i64 {
        server.write(format!("m,t=a f={flush} 10\nm,t=b f={flush},g=1i {}\nother s=\"x\" {flush}", 20 + flush)).await;
        server.flush().await;
    }
    delete(&server, "t=\"b\" AND f=\"x\"").await;
    delete(&server, "_measurement=\"other\"").await;
    server.compact().await;
    let expected = json!([
        {"t": "a", "f": 2.0, "at": 10}, {"t": "b", "f": 0.0, "g": 1, "at": 20},
        {"t": "b", "f": 1.0, "g": 1, "at": 21}, {"t": "b", "f": 2.0, "g": 1, "at": 22},
    ]);
    assert_eq!(json!(server.sql(ROWS).await), expected);
    place.outside_reader_agrees(&server, &python, "4 rows").await;

    // What is in the log only is there after a crash, in the order in which it came.
    server.write("m,t=a f=7 10\nm,t=c f=8 30").await;
    delete(&server, "t=\"b\"").await;
    server.write("m,t=b f=9 21").await;
    server.kill9().await;
    server.restart().await;
    let expected =
        json!([{"t": "a", "f": 7.0, "at": 10}, {"t": "b", "f": 9.0, "at": 21}, {"t": "c", "f": 8.0, "at": 30}]);
    assert_eq!(json!(server.sql(ROWS).await), expected);
    server.compact().await;
    assert_eq!(json!(server.sql(ROWS).await), expected);
    place.outside_reader_agrees(&server, &python, "3 rows").await;
    assert!(!server.data_dir().join("files").exists() && !server.data_dir().join("catalog.sqlite").exists());

    // A backup goes into another schema and another place of the same S3, and onto a disk.
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("backup");
    let directory = directory.to_str().unwrap();
    let connection = ["--url", server.url(), "--token", server.token()];
    place.run(&[&["backup", directory], &connection[..]].concat()).await.succeeded();
    server.write("m,t=z f=1 99").await;
    let other = Place { s3: &s3, cluster, name: "cloud_again" };
    let data_dir = folder.path().join("again");
    let options = other.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let restore = |data_dir| [&["restore", directory, "--data-dir", data_dir], &options[..]].concat();
    place.run(&restore(data_dir.to_str().unwrap())).await.succeeded();
    let mut restored = other.start(Some(&data_dir)).await;
    assert_eq!(json!(restored.sql(ROWS).await), expected);
    restored.write("m,t=d f=1 40").await;
    restored.compact().await;
    assert_eq!(restored.sql_number("SELECT count(*) FROM m").await, 4);
    other.outside_reader_agrees(&restored, &python, "4 rows").await;
    // Never over a catalog that is there.
    let over = place.run(&restore(folder.path().join("third").to_str().unwrap())).await;
    assert!(over.code != 0 && over.errors.contains("cloud_again"), "{over:?}");
    assert_eq!(restored.sql_number("SELECT count(*) FROM m").await, 4);
    restored.stop().await;

    let on_disk = folder.path().join("disk");
    place.run(&["restore", directory, "--data-dir", on_disk.to_str().unwrap()]).await.succeeded();
    let mut restored = crate::server().data_dir(&on_disk).start().await;
    assert_eq!(json!(restored.sql(ROWS).await), expected);
    restored.stop().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 4);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_works_on_catalogs_in_postgresql_and_files_in_s3() {
    let (Some(s3), Some(cluster)) = (S3Server::start().await, testkit::postgres()) else { return };
    let place = Place { s3: &s3, cluster, name: "ward" };
    let mut server = place.start(None).await;
    let data_dir = server.data_dir().to_owned();
    let options = place.options();
    let doctor = async |more: &[&str]| {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        place.run(&[&["doctor", "--data-dir", data_dir.to_str().unwrap()], &options[..], more].concat()).await
    };
    server.write("m,t=a f=1 10\nkept f=1 1").await;
    server.flush().await;
    server.write("m,t=b f=2 20").await;
    let busy = doctor(&[]).await;
    assert!(busy.code != 0 && busy.errors.contains("in use"), "{busy:?}");
    server.kill9().await;
    let well = doctor(&["--deep"]).await;
    assert!(well.code == 0 && well.output.contains("catalog: 2 files"), "{well:?}");
    assert!(!data_dir.join("catalog.sqlite").exists() && !data_dir.join("resources.sqlite").exists());

    // A file that is gone is told, and taken out where that is asked for.
    let (lost, _) = s3.parquet_files("ward").into_iter().next().unwrap();
    std::fs::remove_file(lost).unwrap();
    let missing = doctor(&[]).await;
    assert!(missing.code == 1 && missing.output.contains("missing "), "{missing:?}");
    let repaired = doctor(&["--repair", "files,log"]).await;
    assert!(repaired.code == 0 && repaired.output.contains("1 files taken out"), "{repaired:?}");
    server.restart().await;
    let count = async |measurement: &str| server.sql_number(&format!("SELECT count(*) FROM {measurement}")).await;
    assert_eq!(count("m").await + count("kept").await, 2, "one of three points was in the lost file");
    server.write("kept f=2 2").await;
    server.compact().await;
    server.stop().await;

    // A repair that was cut off keeps the server out until another doctor has been there.
    std::fs::write(data_dir.join("catalog.sqlite"), "").unwrap();
    let environment = s3.environment();
    let again = crate::server().args(place.options()).data_dir(&data_dir);
    let again = environment.into_iter().fold(again, |builder, (name, value)| builder.env(name, value));
    let (_, log) = again.start_and_fail().await;
    assert!(log.contains("freshet doctor"), "{log}");
    std::fs::remove_file(data_dir.join("catalog.sqlite")).unwrap();

    // The schemas are lost, and made anew from the files.
    cluster.sql("DROP SCHEMA ward CASCADE; DROP SCHEMA ward_resources CASCADE");
    let told = doctor(&[]).await;
    assert!(told.code == 1 && told.output.contains("--rebuild-catalog"), "{told:?}");
    let rebuilt = doctor(&["--rebuild-catalog"]).await;
    assert!(rebuilt.code == 0 && rebuilt.output.contains("rebuilt: 1 buckets"), "{rebuilt:?}");
    let well = doctor(&["--deep"]).await;
    assert_eq!(well.code, 0, "{well:?}");
}

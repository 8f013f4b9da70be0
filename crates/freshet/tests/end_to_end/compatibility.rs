//! Data directories of earlier versions, kept in `tests/compat`, are opened by the program of now, with all their rows.
//!
//! Each `<version>.tar.gz` is a directory as a killed server left it: both databases, Parquet files, and a write-ahead
//! log with records that are in no file. A format that changes gets a new one beside the old ones, by
//!
//! ```sh
//! cargo test --package freshet --test end_to_end -- --ignored make_the_data_directory_of_this_version
//! ```

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::json;
use testkit::{Server, run};
use tokio::process::Command;

use crate::{checkout, server};

/// Written first, and put into files by a flush.
const IN_FILES: &str = "\
cpu,host=a,zone=north f=1.5,i=-2i,u=3u,s=\"first\",b=true 1000000000
cpu,host=b f=2.5 1000000001
cpu,host=a,zone=north f=9,i=9i 1000000002
Cpu,Host=A F=1 1
both,name=tag name=\"field\" 5
\u{1}odd\\ name,t\\,ag=\\=value fi\\ eld=\"x\\\"y\\\\z\" 7
limits f=1.7976931348623157e308,i=-9223372036854775808i,u=18446744073709551615u -9223372036854775806
limits f=-5e-324,i=9223372036854775807i,u=0u 9223372036854775806
";

/// Written after the flush: what is left for the write-ahead log, with an overwrite, a new tag, field and measurement.
const IN_THE_LOG: &str = "\
cpu,host=a,zone=north f=2,s=\"second\" 1000000002
cpu,host=c,rack=7 f=3.5,extra=1i 1000000003
later n=1i 1
";

/// In a bucket that was dropped after it: must not come back.
const DROPPED: &str = "gone f=1 1";

fn folder() -> PathBuf {
    checkout().join("tests/compat")
}

/// All archives, by name.
fn archives() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut archives: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(".tar.gz")).collect();
    archives.sort();
    archives
}

async fn check_rows(server: &Server) {
    for (query, expected) in [
        (
            "SELECT host, zone, rack, f, i, u, s, b, extra, CAST(time AS BIGINT) AS at FROM cpu ORDER BY time",
            json!([
                {"host": "a", "zone": "north", "f": 1.5, "i": -2, "u": 3, "s": "first", "b": true, "at": 1_000_000_000},
                {"host": "b", "f": 2.5, "at": 1_000_000_001},
                {"host": "a", "zone": "north", "f": 2.0, "i": 9, "s": "second", "at": 1_000_000_002},
                {"host": "c", "rack": "7", "f": 3.5, "extra": 1, "at": 1_000_000_003},
            ]),
        ),
        ("SELECT \"Host\", \"F\" FROM \"Cpu\"", json!([{"Host": "A", "F": 1.0}])),
        ("SELECT name, \"name::field\" FROM \"both\"", json!([{"name": "tag", "name::field": "field"}])),
        ("SELECT \"t,ag\", \"fi eld\" FROM \"\u{1}odd name\"", json!([{"t,ag": "=value", "fi eld": "x\"y\\z"}])),
        (
            "SELECT f, i, u, CAST(time AS BIGINT) AS at FROM limits ORDER BY time",
            json!([
                {"f": f64::MAX, "i": i64::MIN, "u": u64::MAX, "at": -9_223_372_036_854_775_806_i64},
                {"f": -5e-324, "i": i64::MAX, "u": 0, "at": 9_223_372_036_854_775_806_i64},
            ]),
        ),
        ("SELECT n FROM later", json!([{"n": 1}])),
    ] {
        assert_eq!(json!(server.sql(query).await), expected, "{query}");
    }
    let body = json!({"db": "other", "q": "SHOW TABLES", "format": "json"});
    let path = format!("/api/v3/query_sql?org={}", server.organisation());
    let tables = server.send(server.request(Method::POST, &path).json(&body)).await;
    assert!(!tables.body.contains("gone"), "{}", tables.body);
}

async fn tar(arguments: &[&str], directory: &Path) {
    let mut command = Command::new("tar");
    command.args(arguments);
    let _ = run(command, directory).await;
}

#[tokio::test]
async fn data_directories_of_earlier_versions_open() {
    let archives = archives();
    assert!(!archives.is_empty(), "no archive in {}", folder().display());
    for archive in archives {
        let directory = tempfile::tempdir().unwrap();
        tar(&["-xzf", archive.to_str().unwrap()], directory.path()).await;
        let mut server = server().data_dir(directory.path().join("data")).start().await;
        check_rows(&server).await;
        // It is a live server: users and tokens work, and new points join the old ones.
        let (name, password) = server.user();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let signin = client.post(format!("{}/api/v2/signin", server.url())).basic_auth(name, Some(password));
        let _ = server.send(signin).await.expect(204);
        server.write("cpu,host=d,zone=south f=4.5,extra=2i 1000000004\nnew f=1 1").await;
        server.flush().await;
        server.stop().await;
        server.restart().await;
        assert_eq!(server.sql_number("SELECT count(*) FROM cpu").await, 5);
        assert_eq!(server.sql_number("SELECT count(*) FROM new").await, 1);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_data_directory_of_a_later_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let mut first = server().data_dir(&data_dir).start().await;
    first.write("m f=1 1").await;
    first.stop().await;
    let newest = std::fs::read_dir(data_dir.join("wal")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let segment = std::fs::read(&newest).unwrap();
    // Every database and the log carry a version that grows; a program never opens what it does not know.
    let mut changed = segment.clone();
    let version_at = 8;
    changed[version_at] += 1;
    std::fs::write(&newest, &changed).unwrap();
    let (code, log) = server().data_dir(&data_dir).start_and_fail().await;
    assert_eq!(code, Some(1), "{log}");
    std::fs::write(&newest, &segment).unwrap();
    let again = server().data_dir(&data_dir).start().await;
    assert_eq!(again.sql_number("SELECT count(*) FROM m").await, 1);
}

#[tokio::test]
#[ignore = "writes into tests/compat; run it when a format changes"]
async fn make_the_data_directory_of_this_version() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = server().data_dir(directory.path().join("data")).start().await;
    let organisations = server.send(server.request(Method::GET, "/api/v2/orgs")).await.expect(200).json();
    let other = json!({"name": "other", "orgID": organisations["orgs"][0]["id"]});
    let other = server.send(server.request(Method::POST, "/api/v2/buckets").json(&other)).await.expect(201).json();
    let path = format!("/api/v2/write?org={}&bucket=other", server.organisation());
    let _ = server.send(server.request(Method::POST, &path).body(DROPPED)).await.expect(204);
    server.write(IN_FILES).await;
    server.flush().await;
    // The databases without journals, as they are most of the time.
    server.stop().await;
    server.restart().await;
    server.write(IN_THE_LOG).await;
    let path = format!("/api/v2/buckets/{}", other["id"].as_str().unwrap());
    let _ = server.send(server.request(Method::DELETE, &path)).await.expect(204);
    check_rows(&server).await;
    server.kill9().await;

    std::fs::create_dir_all(folder()).unwrap();
    let archive = folder().join(concat!(env!("CARGO_PKG_VERSION"), ".tar.gz"));
    tar(&["-czf", archive.to_str().unwrap(), "--exclude=spill", "--exclude=lock", "data"], directory.path()).await;
    let bytes = std::fs::metadata(&archive).unwrap().len();
    assert!(bytes < 200_000, "{bytes}");
}

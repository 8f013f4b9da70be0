//! The server's options by flag and by environment, the first set-up, and how the program starts and stops.

use testkit::{Server, within};

use crate::{PROGRAM, server};

/// A server that gets its data directory as the variable says; everything else is up to the test.
fn by_environment(data_dir: &std::path::Path) -> testkit::ServerBuilder {
    Server::builder(PROGRAM)
        .bare()
        .data_dir(data_dir)
        .env("FRESHET_DATA_DIR", data_dir)
        .env("FRESHET_HTTP_BIND", "127.0.0.1:0")
        .env("FRESHET_MEMORY_LIMIT", "256MiB")
}

#[tokio::test]
async fn a_server_starts_by_environment_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = by_environment(&directory.path().join("data"))
        .env("FRESHET_MODE", "cloud")
        .env("FRESHET_INIT_USERNAME", "test-user")
        .env("FRESHET_INIT_PASSWORD", "test-password")
        .env("FRESHET_INIT_ORG", "test-org")
        .env("FRESHET_INIT_BUCKET", "test-bucket")
        .env("FRESHET_INIT_TOKEN", "test-token")
        .env("FRESHET_INIT_RETENTION", "30d")
        .env("FRESHET_FLUSH_TABLE_BYTES", "1MiB")
        .env("FRESHET_FLUSH_AGE", "1h")
        .env("FRESHET_QUERY_TIMEOUT", "10s")
        .env("FRESHET_QUERY_SPILL_LIMIT", "1GiB")
        .env("FRESHET_BODY_STALL", "5s")
        .env("FRESHET_DRAIN", "5s")
        .env("FRESHET_LOG_LEVEL", "debug")
        .env("FRESHET_LOG_FORMAT", "json")
        .start()
        .await;
    // Cloud mode: no organisation is needed.
    let request = server.request(reqwest::Method::POST, "/api/v2/write?bucket=test-bucket").body("m f=1");
    let _ = server.send(request).await.expect(204);
    let buckets =
        server.send(server.request(reqwest::Method::GET, "/api/v2/buckets?name=test-bucket")).await.expect(200);
    assert_eq!(buckets.json()["buckets"][0]["retentionRules"][0]["everySeconds"], 30 * 86_400);
    let log = server.stop().await;
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let levels: Vec<(String, String)> =
        lines.map(|line| (line["level"].to_string(), line["message"].to_string())).collect();
    assert!(levels.contains(&("\"INFO\"".to_owned(), "\"the server starts\"".to_owned())), "{levels:?}");
    assert!(levels.iter().any(|(level, _)| level == "\"DEBUG\""), "{levels:?}");
    assert!(!log.contains("test-password") && !log.contains("test-token"), "{log}");
}

#[tokio::test]
async fn the_official_images_variables_set_an_empty_server_up() {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, "test-token\n").unwrap();
    let mut server = by_environment(&directory.path().join("data"))
        .env("DOCKER_INFLUXDB_INIT_MODE", "setup")
        .env("DOCKER_INFLUXDB_INIT_USERNAME", "test-user")
        .env("DOCKER_INFLUXDB_INIT_PASSWORD", "test-password")
        .env("DOCKER_INFLUXDB_INIT_ORG", "test-org")
        .env("DOCKER_INFLUXDB_INIT_BUCKET", "test-bucket")
        .env("DOCKER_INFLUXDB_INIT_RETENTION", "1w")
        .env("DOCKER_INFLUXDB_INIT_ADMIN_TOKEN_FILE", &token_file)
        .start()
        .await;
    server.write("m f=1").await;
    let buckets =
        server.send(server.request(reqwest::Method::GET, "/api/v2/buckets?name=test-bucket")).await.expect(200);
    assert_eq!(buckets.json()["buckets"][0]["retentionRules"][0]["everySeconds"], 7 * 86_400);
    server.stop().await;
}

#[tokio::test]
async fn later_starts_ignore_the_first_setup() {
    let mut first = server().start().await;
    first.write("m f=1 1").await;
    first.stop().await;
    let mut second = server().data_dir(first.data_dir()).args(["--log-level", "info"]).start().await;
    assert_eq!(second.sql_number("SELECT count(*) FROM m").await, 1);
    let log = second.stop().await;
    assert!(log.contains("set up before"), "{log}");
}

#[tokio::test]
async fn a_data_directory_has_one_server() {
    let first = server().start().await;
    let (code, log) = server().data_dir(first.data_dir()).start_and_fail().await;
    assert_eq!(code, Some(1));
    let last = log.lines().last().unwrap();
    assert!(
        last.starts_with("freshet: the data directory ") && last.ends_with(" is in use by another process"),
        "{log}"
    );
    first.write("m f=1 1").await;
}

#[tokio::test]
async fn what_cannot_work_ends_with_one_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, expected) in [
        (&["--memory-limit", "1MiB"][..], "memory limit"),
        (&["--init-retention", "1m"], "first set-up failed"),
        (&["--init-password", "short"], "first set-up failed"),
        (&["--tls-cert", file, "--tls-key", file], "holds no certificate"),
        (&["--log-level", "storage=loud"], "--log-level"),
    ] {
        // Of an option that is given twice the parser would complain: the first set-up is given anew here.
        let data_dir = directory.path().join("data");
        let mut arguments: Vec<&str> = arguments.to_vec();
        for default in [
            ["--data-dir", data_dir.to_str().unwrap()],
            ["--http-bind", "127.0.0.1:0"],
            ["--init-username", "u"],
            ["--init-org", "o"],
            ["--init-bucket", "b"],
            ["--init-token", "t"],
        ] {
            if !arguments.contains(&default[0]) {
                arguments.extend(default);
            }
        }
        let (code, log) = Server::builder(PROGRAM).bare().args(arguments).start_and_fail().await;
        assert_eq!(code, Some(1), "{log}");
        let last = log.lines().last().unwrap_or_default();
        assert!(last.starts_with("freshet: ") && last.contains(expected), "{log}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let builder = Server::builder(PROGRAM).bare().arg("--data-dir").arg(&data_dir).args(["--http-bind", &address]);
    let (code, log) = builder.start_and_fail().await;
    assert_eq!(code, Some(1));
    assert!(log.contains(&format!("cannot listen on {address}")), "{log}");
}

#[tokio::test]
async fn a_clean_stop_leaves_everything_in_files() {
    let mut server = server().start().await;
    server.write("m,t=a f=1 1\nm,t=b f=2 2").await;
    let log = server.stop().await;
    assert!(log.contains("the server has stopped"), "{log}");
    let files = std::fs::read_dir(server.data_dir().join("files")).unwrap().count();
    assert!(files > 0);
    server.restart().await;
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 2);
    server.stop().await;
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    use tokio::io::AsyncWriteExt as _;
    let mut server = server().start().await;
    // A request whose body never comes holds the server up.
    let mut slow = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /api/v2/write?org={}&bucket={} HTTP/1.1\r\n\
         Host: x\r\nAuthorization: Token {}\r\nContent-Length: 10\r\n\r\nm",
        server.organisation(),
        server.bucket(),
        server.token()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let is_in_flight = async || {
        let metrics = server.send(server.request(reqwest::Method::GET, "/metrics")).await.body;
        metrics.lines().any(|line| line.contains("in_flight") && line.ends_with(" 2")).then_some(())
    };
    testkit::until("the slow request", is_in_flight).await;
    server.terminate();
    testkit::until("the first signal", async || server.log().contains("stopping").then_some(())).await;
    server.terminate();
    let (code, _log) = within("the end", server.wait()).await;
    assert_eq!(code, Some(130));
}

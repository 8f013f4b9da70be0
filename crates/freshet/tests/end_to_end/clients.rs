//! The official clients, unmodified, and our own.

use std::time::Duration;

use freshet_client::{Client, FluxQuery, Point, PostWriteRequest, Precision, SqlQuery};
use serde_json::json;
use testkit::{Server, influx_shell, run};
use tokio::process::Command;

use crate::programs::{go, javascript, pythonic, rust};
use crate::server;

#[tokio::test]
async fn javascript_apis() {
    javascript(server(), "apis.cjs").await;
}

#[tokio::test]
async fn javascript_setup() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    let server = server().bare().data_dir(&data_dir).arg("--data-dir").arg(&data_dir);
    javascript(server.args(["--http-bind", "127.0.0.1:0"]), "setup.cjs").await;
}

#[tokio::test]
async fn javascript_write_api() {
    javascript(server(), "write_api.cjs").await;
}

#[tokio::test]
async fn javascript_query_api() {
    javascript(server(), "query_api.cjs").await;
}

#[tokio::test]
async fn python_queries() {
    pythonic(server(), "queries.py").await;
}

#[tokio::test]
async fn our_client_runs_flux() {
    let mut server = server().start().await;
    server.write("m,t=a f=1 1000000000\nm,t=b f=3 2000000000").await;
    let client = own_client(&server);
    let script = "from(bucket: params.bucket) |> range(start: 0) |> group() |> sum() |> keep(columns: [\"_value\"])";
    let query = FluxQuery::new(server.organisation(), script).param("bucket", server.bucket());
    let query = FluxQuery { annotations: false, ..query };
    assert_eq!(client.query_flux(&query).await.unwrap(), ",result,table,_value\r\n,_result,0,4\r\n\r\n");
    let refused = client.query_flux(&FluxQuery::new(server.organisation(), "x")).await.unwrap_err();
    assert_eq!(refused.rejection().unwrap().status, 400);
    server.stop().await;
}

#[tokio::test]
async fn python_client() {
    pythonic(server(), "client.py").await;
}

#[tokio::test]
async fn python_client_of_influxdb_1() {
    pythonic(server(), "influxdb1.py").await;
}

#[tokio::test]
async fn python_client_of_influxdb_3() {
    pythonic(server(), "influx3.py").await;
}

#[tokio::test]
async fn javascript_client_of_influxdb_3() {
    javascript(server(), "influx3.cjs").await;
}

#[tokio::test]
async fn python_clients_of_flight_sql() {
    pythonic(server(), "flight.py").await;
}

#[tokio::test]
async fn rust_client_of_flight_sql() {
    rust(server(), "cpu,host=a usage=1 1\ncpu,host=b usage=2 2\ncpu,host=c usage=3 3", 4).await;
}

/// The same over TLS, where gRPC chooses HTTP/2 by ALPN.
#[tokio::test]
async fn python_clients_of_flight_sql_over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let identity = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    std::fs::write(&certificate, identity.cert.pem()).unwrap();
    std::fs::write(&key, identity.signing_key.serialize_pem()).unwrap();
    let server = server().arg("--tls-cert").arg(&certificate).arg("--tls-key").arg(&key);
    pythonic(server.root_certificate_pem(identity.cert.pem()), "flight.py").await;
}

#[tokio::test]
async fn javascript_client_of_influxdb_1() {
    javascript(server(), "influx1.cjs").await;
}

#[tokio::test]
async fn go_client_of_influxdb_1() {
    go(server(), "influxdb1-client", 4).await;
}

#[tokio::test]
async fn go_client_of_influxdb_2() {
    go(server(), "influxdb2-client", 8).await;
}

/// The shell of InfluxDB 1.6, line by line as a person types it.
#[tokio::test]
async fn shell_of_influxdb_1() {
    let Some(program) = influx_shell() else { return };
    let mut server = server().start().await;
    let address = server.url().trim_start_matches("http://").to_owned();
    let (host, port) = address.split_once(':').unwrap();
    let shell = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(["-host", host, "-port", port, "-username", "anybody", "-password", server.token()]);
        command.args(arguments).env("HOME", server.data_dir());
        run(command, server.data_dir())
    };
    shell(&["-execute", "CREATE DATABASE shell"]).await;
    let printed = shell(&["-execute", "SHOW DATABASES"]).await;
    assert!(printed.lines().any(|line| line == "shell"), "{printed}");
    shell(&["-database", "shell", "-execute", "INSERT m,t=a f=1.5 1000000000"]).await;
    shell(&["-database", "shell", "-execute", "INSERT m,t=b f=2 2000000000"]).await;
    let csv = ["-database", "shell", "-format", "csv", "-precision", "s", "-execute", "SELECT * FROM m"];
    assert_eq!(shell(&csv).await, "name,time,f,t\nm,1,1.5,a\nm,2,2,b\n");
    let column = ["-database", "shell", "-precision", "rfc3339", "-execute", "SELECT mean(f) FROM m GROUP BY t"];
    let printed = shell(&column).await;
    assert!(printed.contains("tags: t=b") && printed.contains("1970-01-01T00:00:00Z 2"), "{printed}");
    let json = ["-database", "shell", "-format", "json", "-execute", "SHOW MEASUREMENTS"];
    assert!(shell(&json).await.contains(r#""values":[["m"]]"#));
    // A conversation as at a terminal, which the shell asks for before it takes `use` and `insert`.
    let session = server.data_dir().join("session.txt");
    let lines = "use shell\ninsert m,t=c f=7 3000000000\nselect f from m where t = 'c'\nexit\n";
    std::fs::write(&session, lines).unwrap();
    let program = program.display();
    let token = server.token();
    let call = format!("{program} -host {host} -port {port} -username anybody -password {token} -format csv");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("script -qec '{call}' /dev/null < {}", session.display())]);
    command.env("HOME", server.data_dir()).env("TERM", "dumb");
    let printed = run(command, server.data_dir()).await;
    assert!(printed.contains("Using database shell") && printed.contains("m,3000000000,7"), "{printed}");
    server.stop().await;
}

fn own_client(server: &Server) -> Client {
    let builder = Client::builder(server.url()).token(server.token()).environment_proxy(false);
    builder.timeout(Duration::from_secs(60)).build().unwrap()
}

#[tokio::test]
async fn our_client_posts_and_queries() {
    let mut server = server().start().await;
    let client = own_client(&server);
    let request = PostWriteRequest {
        body: "m,t=a f=1 1\nm,t=b f=2 2".into(),
        bucket: server.bucket().to_owned(),
        org: server.organisation().to_owned(),
        precision: Some(Precision::Seconds),
        ..PostWriteRequest::default()
    };
    client.post_write(&request).await.unwrap();
    let query = SqlQuery::new(server.bucket(), "SELECT t, f FROM m WHERE t = $t").param("t", "b");
    let rows = client.query_sql_rows(&query).await.unwrap();
    assert_eq!(json!(rows), json!([{"t": "b", "f": 2.0}]));
    let rows = client.query_influxql(server.bucket(), "SELECT sum(f) FROM m").await.unwrap();
    let epoch = "1970-01-01T00:00:00";
    assert_eq!(json!(rows), json!([{"iox::measurement": "m", "time": epoch, "sum": 3.0}]));

    let refused = client.post_write(&PostWriteRequest { body: "m f=".into(), ..request.clone() }).await.unwrap_err();
    let rejection = refused.rejection().unwrap().clone();
    assert_eq!((rejection.status, rejection.code.as_deref()), (400, Some("invalid")));
    let refused = client.post_write(&PostWriteRequest { org_id: Some("0000000000000001".to_owned()), ..request }).await;
    assert_eq!(refused.unwrap_err().rejection().unwrap().status, 404);

    assert_eq!(client.health().await.unwrap().status, freshet_client::HealthStatus::Pass);
    assert!(client.ping().await.unwrap().version.unwrap().starts_with("v2"));
    assert_eq!(client.flush().await.unwrap()["rows"], 2);
    server.stop().await;
}

#[tokio::test]
async fn our_writer_loses_nothing() {
    let mut server = server().start().await;
    let writer = own_client(&server)
        .batch_writer(server.bucket())
        .org(server.organisation())
        .batch_lines(500)
        .gzip(true)
        .start()
        .unwrap();
    for number in 0..5_000_i64 {
        let point = Point::builder("load").tag("host", format!("h{}", number % 10)).field("n", number);
        // Every other point gets its time from the writer.
        let point = if number % 2 == 0 { point.timestamp_ns(number) } else { point.tag("unique", number.to_string()) };
        writer.write(point.build().unwrap()).await.unwrap();
    }
    writer.close().await.unwrap();
    assert_eq!(writer.lines_written(), 5_000);
    let rows = server.sql("SELECT count(*) AS rows, count(DISTINCT n) AS numbers, sum(n) AS total FROM load").await;
    assert_eq!(json!(rows), json!([{"rows": 5_000, "numbers": 5_000, "total": 4_999 * 5_000 / 2}]));
    server.stop().await;
}

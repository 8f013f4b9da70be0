//! `freshet write`, `query`, `flush`, `health` and `ping` as a person or a script uses them: output, errors, codes.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::{Server, within};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{PROGRAM, checkout, server};

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) output: String,
    /// Standard error.
    pub(crate) errors: String,
}

impl Ended {
    /// The same, if it succeeded.
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// Runs the program without any variable of ours in its environment.
pub(crate) async fn freshet(arguments: &[&str]) -> Ended {
    run(arguments, &[], "").await
}

pub(crate) async fn run(arguments: &[&str], environment: &[(&str, &str)], input: impl Into<Vec<u8>>) -> Ended {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("FRESHET_") || name.starts_with("INFLUX_")) {
            command.env_remove(name);
        }
    }
    // Nobody's profiles of servers.
    command.env("HOME", "/nonexistent");
    command.args(arguments).envs(environment.iter().copied()).env("NO_PROXY", "*").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.into());
    let output = within("the command", async {
        // A program that does not want its input has closed it.
        let _ = stdin.write_all(&input).await;
        drop(stdin);
        child.wait_with_output().await.unwrap()
    })
    .await;
    Ended {
        code: output.status.code().unwrap(),
        output: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A command against this server's first bucket.
async fn with_server(server: &Server, arguments: &[&str], input: impl Into<Vec<u8>>) -> Ended {
    let target = ["--url", server.url(), "--token", server.token()];
    let bucket = ["--org", server.organisation(), "--bucket", server.bucket()];
    let needs_bucket = ["write", "query", "delete"].contains(&arguments[0]);
    let arguments = [arguments, &target, if needs_bucket { &bucket } else { &[] }].concat();
    run(&arguments, &[], input).await
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn write_takes_files_and_standard_input() {
    let mut server = server().start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (plain, compressed) = (path("plain.lp"), path("compressed.lp.gz"));
    std::fs::write(&plain, "# a comment\nfiles n=1i 1\n\nfiles n=2i,s=\"two\nlines\" 2\n").unwrap();
    std::fs::write(&compressed, gzip("files n=3i 3\nfiles n=4i 4")).unwrap();

    let ended = with_server(&server, &["write", &plain, &compressed], "").await.succeeded();
    assert!(ended.errors.starts_with("4 lines written in ") && ended.errors.contains(", 0 refused"), "{ended:?}");
    assert_eq!(ended.output, "");
    let ended = with_server(&server, &["write", "--quiet"], "files n=5i 5").await.succeeded();
    assert_eq!((ended.output.as_str(), ended.errors.as_str()), ("", ""));
    // Gzip is recognised on standard input too, and sent again without compression where that is asked for.
    let _ = with_server(&server, &["write", "--gzip", "false", "-"], gzip("files n=6i 6")).await.succeeded();
    // As `influx write` takes them: a file by its flag, lines as arguments.
    let _ = with_server(&server, &["write", "-f", &plain, "files n=7i 7\nfiles n=8i 8"], "").await.succeeded();
    let query = "SELECT count(*) AS rows, sum(n) AS total FROM files";
    assert_eq!(json!(server.sql(query).await), json!([{"rows": 8, "total": 36}]));
    assert_eq!(json!(server.sql("SELECT s FROM files WHERE n = 2").await), json!([{"s": "two\nlines"}]));
    server.stop().await;
}

#[tokio::test]
async fn write_takes_precisions_batches_and_connections() {
    let mut server = server().start().await;
    for (unit, nanoseconds) in [("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000_i64)] {
        let line = format!("p,unit={unit} f=1 7");
        let _ = with_server(&server, &["write", "--precision", unit], line).await.succeeded();
        let query = format!("SELECT CAST(time AS BIGINT) FROM p WHERE unit = '{unit}'");
        assert_eq!(server.sql_number(&query).await, 7 * nanoseconds);
    }
    let lines: String = (0..10_000).map(|number| format!("many n={number}i {number}\n")).collect();
    let arguments = ["write", "--batch-lines", "300", "--connections", "4"];
    let ended = with_server(&server, &arguments, lines).await.succeeded();
    assert!(ended.errors.starts_with("10000 lines written"), "{ended:?}");
    let rows = server.sql("SELECT count(*) AS rows, sum(n) AS total FROM many").await;
    assert_eq!(json!(rows), json!([{"rows": 10_000, "total": 9_999 * 10_000 / 2}]));
    server.stop().await;
}

#[tokio::test]
async fn write_names_bad_lines_and_stores_the_others() {
    let mut server = server().start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lines.lp");
    let lines: String = (1..=50)
        .map(
            |number| if number % 20 == 0 { format!("bad,n={number}\n") } else { format!("good f={number} {number}\n") },
        )
        .collect();
    std::fs::write(&path, lines + "good f=\"text\" 60\n").unwrap();
    let ended = with_server(&server, &["write", path.to_str().unwrap()], "").await;
    assert_eq!(ended.code, 1, "{ended:?}");
    for expected in ["line 20: unable to parse", "line 40: unable to parse", "dropped=1", "3 lines were not stored"] {
        assert!(ended.errors.contains(expected), "{expected}: {ended:?}");
    }
    assert_eq!(server.sql_number("SELECT count(*) FROM good").await, 48);

    // What no line is to blame for ends the command at once.
    let absent = ["write", "--url", server.url(), "--token", server.token(), "--org", server.organisation()];
    let ended = run(&[&absent[..], &["--bucket", "absent"]].concat(), &[], "m f=1").await;
    assert_eq!(ended.code, 1);
    assert!(ended.errors.contains("bucket \"absent\" not found"), "{ended:?}");
    let ended = run(&absent, &[], "m f=1").await;
    assert_eq!((ended.code, ended.errors.contains("--bucket")), (1, true), "{ended:?}");
    let ended = with_server(&server, &["write", "/no/such/file"], "").await;
    assert_eq!((ended.code, ended.errors.contains("cannot open /no/such/file")), (1, true), "{ended:?}");
    server.stop().await;
}

#[tokio::test]
async fn query_prints_tables_csv_and_json() {
    let mut server = server().start().await;
    server.write("m,t=a f=1.5,n=2i 1767225600000000000\nm,t=b f=2.5 1767225601000000000").await;
    let sql = "SELECT t, f, n FROM m ORDER BY time";
    let query = async |format: &'static str| {
        let arguments = ["query", "--language", "sql", "--format", format, sql];
        with_server(&server, &arguments, "").await.succeeded().output
    };
    let table = with_server(&server, &["query", "--language", "sql", sql], "").await.succeeded().output;
    assert_eq!(table, query("table").await);
    assert_eq!(
        table,
        "+---+-----+---+\n| t | f   | n |\n+---+-----+---+\n| a | 1.5 | 2 |\n| b | 2.5 |   |\n+---+-----+---+\n"
    );
    assert_eq!(query("csv").await, "t,f,n\na,1.5,2\nb,2.5,\n");
    let rows = json!([{"t": "a", "f": 1.5, "n": 2}, {"t": "b", "f": 2.5}]);
    assert_eq!(serde_json::from_str::<Value>(&query("json").await).unwrap(), rows);
    let lines = query("jsonl").await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json!(lines), rows);
    let piped = with_server(&server, &["query", "--language", "sql", "--format", "csv", "-"], sql).await.succeeded();
    assert_eq!(piped.output, query("csv").await);
    let influxql = ["query", "--language", "influxql", "--format", "csv", "SELECT max(f), t FROM m"];
    let rows = with_server(&server, &influxql, "").await.succeeded().output;
    assert_eq!(rows, "iox::measurement,time,max,t\nm,2026-01-01T00:00:01,2.5,b\n");
    server.stop().await;
}

#[tokio::test]
async fn query_is_flux_unless_it_says_otherwise() {
    let mut server = server().start().await;
    server.write("m,t=a f=1.5 1000000000").await;
    let bucket = server.bucket().to_owned();
    let script = format!("from(bucket: \"{bucket}\") |> range(start: 0) |> keep(columns: [\"t\", \"_value\"])");
    let plain = with_server(&server, &["query", &script], "").await.succeeded().output;
    assert_eq!(plain, ",result,table,_value,t\r\n,_result,0,1.5,a\r\n\r\n");
    let annotated = with_server(&server, &["query", "--format", "csv", "-"], script.as_str()).await.succeeded().output;
    assert!(annotated.starts_with("#datatype,string,long,double,string\r\n#group,"), "{annotated}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("script.flux").to_str().unwrap().to_owned();
    std::fs::write(&file, &script).unwrap();
    assert_eq!(with_server(&server, &["query", "--raw", "-f", &file], "").await.succeeded().output, annotated);
    let ended = with_server(&server, &["query", "-f", "/no/such/file"], "").await;
    assert_eq!((ended.code, ended.errors.contains("cannot read the query from /no")), (1, true), "{ended:?}");
    let ended = with_server(&server, &["query", "--format", "json", &script], "").await;
    assert_eq!((ended.code, ended.errors.contains("--format must be table or csv")), (1, true), "{ended:?}");
    let ended = with_server(&server, &["query", "SELECT 1"], "").await;
    assert_eq!((ended.code, ended.errors.contains("undefined identifier SELECT")), (1, true), "{ended:?}");
    server.stop().await;
}

#[tokio::test]
async fn query_says_what_is_wrong() {
    let mut server = server().start().await;
    let ended = with_server(&server, &["query", "--language", "sql", "SELEC"], "").await;
    assert_eq!((ended.code, ended.output.as_str()), (1, ""), "{ended:?}");
    assert!(ended.errors.starts_with("freshet: ") && ended.errors.lines().count() == 1, "{ended:?}");
    let ended = run(&["query", "--language", "sql", "--url", server.url(), "SELECT 1"], &[], "").await;
    assert_eq!((ended.code, ended.errors.contains("--bucket")), (1, true), "{ended:?}");
    server.stop().await;
}

#[tokio::test]
async fn delete_takes_the_flags_of_influx() {
    let mut server = server().start().await;
    server.write("m,t=a f=1 1\nm,t=b f=2 2\nm,t=b f=3 3").await;
    let range = ["--start", "1970-01-01T00:00:00Z", "--stop", "1970-01-01T00:00:00.000000002Z"];
    let arguments = [&["delete", "--predicate", "t=\"b\" AND _measurement=\"m\""], &range[..]].concat();
    let ended = with_server(&server, &arguments, "").await.succeeded();
    assert_eq!((ended.output.as_str(), ended.errors.as_str()), ("", ""));
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 2);
    server.flush().await;
    let _ = with_server(&server, &[&["delete"], &range[..]].concat(), "").await.succeeded();
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 1);

    let refused = with_server(&server, &[&["delete", "-p", "t=a OR t=b"], &range[..]].concat(), "").await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.errors.contains("the logical operator OR is not supported yet at position 4"), "{refused:?}");
    let no_times = with_server(&server, &["delete"], "").await;
    assert!(no_times.code == 2 && no_times.errors.contains("--start"), "{no_times:?}");
    let connection = ["--url", server.url(), "--token", server.token(), "--org", server.organisation()];
    let no_bucket = freshet(&[&["delete"], &range[..], &connection].concat()).await;
    assert!(no_bucket.code == 1 && no_bucket.errors.contains("--bucket"), "{no_bucket:?}");
    let unknown = freshet(&[&["delete", "--bucket-id", "00000000000000ff"], &range[..], &connection].concat()).await;
    assert!(unknown.code == 1 && unknown.errors.contains("not found"), "{unknown:?}");
    server.stop().await;
}

#[tokio::test]
async fn flush_health_and_ping() {
    let mut server = server().start().await;
    server.write("m f=1 1\nm f=2 2").await;
    let report = with_server(&server, &["flush"], "").await.succeeded().output;
    assert_eq!(serde_json::from_str::<Value>(&report).unwrap()["rows"], 2, "{report}");
    let again = with_server(&server, &["flush"], "").await.succeeded().output;
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap()["rows"], 0, "{again}");
    server.write("m f=3 1").await;
    let report = with_server(&server, &["compact", "--wait"], "").await.succeeded().output;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["merges"], &report["rows_written"]), (&Value::from(1), &Value::from(2)), "{report}");
    let started = with_server(&server, &["compact"], "").await.succeeded().output;
    assert_eq!(started, "{\"status\":\"started\"}\n");
    let health = freshet(&["health", "--url", server.url()]).await.succeeded();
    assert_eq!(health.output, "ready for queries and writes\n");
    assert_eq!(freshet(&["ping", "--url", server.url()]).await.succeeded().output, "OK\n");

    let refused = freshet(&["flush", "--url", server.url(), "--token", "nobody"]).await;
    assert_eq!((refused.code, refused.errors.contains("unauthorized access")), (1, true), "{refused:?}");
    let url = server.url().to_owned();
    server.stop().await;
    for command in ["flush", "compact", "health", "ping"] {
        let ended = freshet(&[command, "--url", &url]).await;
        assert_eq!((ended.code, ended.output.as_str()), (1, ""), "{ended:?}");
        assert!(ended.errors.starts_with("freshet: the connection to the server failed: "), "{ended:?}");
    }
}

#[tokio::test]
async fn options_come_from_the_environment_too() {
    let mut server = server().start().await;
    let ours = [
        ("FRESHET_URL", server.url()),
        ("FRESHET_TOKEN", server.token()),
        ("FRESHET_ORG", server.organisation()),
        ("FRESHET_BUCKET", server.bucket()),
        ("FRESHET_PRECISION", "s"),
        ("FRESHET_BATCH_LINES", "1"),
        ("FRESHET_CONNECTIONS", "2"),
        ("FRESHET_GZIP", "false"),
        ("FRESHET_RETRY_TIME", "1s"),
        ("FRESHET_QUIET", "true"),
        ("FRESHET_LANGUAGE", "sql"),
        ("FRESHET_FORMAT", "csv"),
    ];
    let ended = run(&["write", "--format", "lp"], &ours, "e f=1 1\ne f=2 2").await.succeeded();
    assert_eq!(ended.errors, "", "FRESHET_QUIET");
    let ended = run(&["query", "SELECT f, CAST(time AS BIGINT) AS at FROM e ORDER BY time"], &ours, "").await;
    assert_eq!(ended.succeeded().output, "f,at\n1.0,1000000000\n2.0,2000000000\n");
    let wrong = run(&["ping"], &[&ours[..], &[("FRESHET_CA_CERT", "/no/such/file")]].concat(), "").await;
    assert_eq!((wrong.code, wrong.errors.contains("/no/such/file")), (1, true), "{wrong:?}");

    // The variables of InfluxDB's command line count where ours are missing; a flag counts before all.
    let theirs = [
        ("INFLUX_HOST", server.url()),
        ("INFLUX_TOKEN", server.token()),
        ("INFLUX_ORG", server.organisation()),
        ("INFLUX_BUCKET_NAME", server.bucket()),
    ];
    let _ = run(&["write"], &theirs, "i f=1 1").await.succeeded();
    let refused = run(&["write", "--token", "nobody"], &theirs, "i f=1 1").await;
    assert_eq!((refused.code, refused.errors.contains("unauthorized access")), (1, true), "{refused:?}");
    let refused = run(&["write"], &[&theirs[..], &[("FRESHET_TOKEN", "nobody")]].concat(), "i f=1 1").await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(server.sql_number("SELECT count(*) FROM i").await, 1);
    server.stop().await;
}

#[tokio::test]
async fn the_program_prints_its_own_documentation() {
    let printed = freshet(&["config-docs"]).await.succeeded().output;
    assert_eq!(printed, std::fs::read_to_string(checkout().join("docs/config.md")).unwrap());
    let help = freshet(&["--help"]).await.succeeded().output;
    for command in ["serve", "write", "query", "delete", "flush", "health", "ping"] {
        assert!(help.contains(&format!("  {command}")), "{help}");
    }
    let version = freshet(&["--version"]).await.succeeded().output;
    assert!(version.starts_with("freshet 0."));
    assert_eq!(freshet(&["version"]).await.succeeded().output, version);
    assert_eq!(freshet(&[]).await.code, 2);
}

//! `freshet write` with the flags of `influx write`: CSV, addresses, headers, encodings, files of errors, dry runs.

use std::io::Write as _;

use testkit::Server;

use crate::command_line::{Ended, run};
use crate::server;

async fn write(server: &Server, arguments: &[&str], input: impl Into<Vec<u8>>) -> Ended {
    let variables = [
        ("INFLUX_HOST", server.url()),
        ("INFLUX_TOKEN", server.token()),
        ("INFLUX_ORG", server.organisation()),
        ("INFLUX_BUCKET_NAME", server.bucket()),
    ];
    run(&[&["write"], arguments].concat(), &variables, input).await
}

#[tokio::test]
async fn csv_comes_from_files_standard_input_and_addresses() {
    let mut server = server().start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("points.csv");
    let table = "m|measurement,host|tag,n|long,time|dateTime:number\ncpu,a,1,1\ncpu,b,2,2\n";
    std::fs::write(&path, table).unwrap();
    let _ = write(&server, &["-f", path.to_str().unwrap()], "").await.succeeded();
    let _ = write(&server, &["--format", "csv", "-"], table.replace("cpu", "piped")).await.succeeded();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(table.replace("cpu", "packed").as_bytes()).unwrap();
    let packed_path = directory.path().join("points.csv.gz");
    std::fs::write(&packed_path, packed.finish().unwrap()).unwrap();
    let _ = write(&server, &["-f", packed_path.to_str().unwrap(), "--compression", "gzip"], "").await.succeeded();
    // A file without names: three lines to leave out, a header instead.
    let bare = "a\nb\nc\ncpu;a;5;7\n";
    let header = "m|measurement;host|tag;n|long;time|dateTime:number";
    let arguments = ["--format", "csv", "--skipHeader", "3", "--header", "sep=;", "--header", header];
    let _ = write(&server, &arguments, bare.replace("cpu", "bare")).await.succeeded();
    let latin = b"m|measurement,s|string,time|dateTime:number\nlatin,caf\xe9,1\n";
    let _ = write(&server, &["--format", "csv", "--encoding", "ISO-8859-1"], latin.as_slice()).await.succeeded();
    let seconds = "m|measurement,n|long,time|dateTime\nsecs,1,5\nsecs,2,1970-01-01T00:00:06Z\n";
    let _ = write(&server, &["--format", "csv", "-p", "s"], seconds).await.succeeded();
    for (table, rows, total) in [("cpu", 2, 3), ("piped", 2, 3), ("packed", 2, 3), ("bare", 1, 5), ("secs", 2, 3)] {
        assert_eq!(server.sql_number(&format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
        assert_eq!(server.sql_number(&format!("SELECT sum(n) FROM {table}")).await, total, "{table}");
    }
    assert_eq!(server.sql_number("SELECT CAST(max(time) AS BIGINT) FROM secs").await, 6_000_000_000_i64);
    assert_eq!(server.sql_number("SELECT count(*) FROM latin WHERE s = 'café'").await, 1);

    // From an address, here the server's own, which refuses whoever has no token.
    let url = format!("{}/health", server.url());
    let ended = write(&server, &["-u", &url, "--max-line-length", "10"], "").await;
    assert!(ended.code == 1 && ended.errors.contains("longer than 10 bytes"), "{ended:?}");
    let ended = write(&server, &["--source-url", &format!("{}/api/v2/buckets", server.url())], "").await;
    assert!(ended.code == 1 && ended.errors.contains("the server answered 401"), "{ended:?}");
    let ended = write(&server, &["--header", "x", "m f=1"], "").await;
    assert!(ended.code == 1 && ended.errors.contains("--header belongs to CSV"), "{ended:?}");
    let ended = write(&server, &["--encoding", "EBCDIC", "m f=1"], "").await;
    assert!(ended.code == 1 && ended.errors.contains("the encoding \"EBCDIC\" is not known"), "{ended:?}");
    server.stop().await;
}

#[tokio::test]
async fn lines_come_from_an_address() {
    let mut server = server().start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/points.csv?version=2", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(connection.read_u8().await.unwrap());
        }
        let body = "m|measurement,n|long,time|dateTime:number\nfetched,1,1\nfetched,2,2\n";
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        connection.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    let _ = write(&server, &["-u", &url], "").await.succeeded();
    assert_eq!(server.sql_number("SELECT sum(n) FROM fetched").await, 3);
    let request = served.await.unwrap().to_lowercase();
    assert!(request.starts_with("get /points.csv?version=2 ") && !request.contains("authorization"), "{request}");
    server.stop().await;
}

#[tokio::test]
async fn rows_that_are_no_points_end_the_command_or_are_kept() {
    let mut server = server().start().await;
    let directory = tempfile::tempdir().unwrap();
    let errors_file = directory.path().join("errors.csv");
    let table = "m|measurement,n|long,time|dateTime:number\nrows,1,1\nrows,much,2\nrows,3,3\n";
    let ended = write(&server, &["--format", "csv"], table).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.errors.contains("standard input, line 3: \"much\" in column \"n\" is no integer"), "{ended:?}");
    assert_eq!(server.sql_number("SELECT sum(n) FROM rows").await, 1);
    let ended = write(&server, &["--format", "csv", "--skipRowOnError"], table).await.succeeded();
    assert!(ended.errors.contains("line 3: \"much\"") && ended.errors.contains("1 refused"), "{ended:?}");
    assert_eq!(server.sql_number("SELECT sum(n) FROM rows").await, 4);
    let arguments = ["--format", "csv", "--errors-file", errors_file.to_str().unwrap()];
    let _ = write(&server, &arguments, table).await.succeeded();
    let kept = std::fs::read_to_string(&errors_file).unwrap();
    assert_eq!(kept, "# error: standard input, line 3: \"much\" in column \"n\" is no integer\nrows,much,2\n");
    // Lines that the server refuses are kept too, and are a failure.
    let ended = write(&server, &["--errors-file", errors_file.to_str().unwrap()], "m f=1 1\nbad\nm f=2 2\n").await;
    assert!(ended.code == 1 && ended.errors.contains("1 lines were not stored"), "{ended:?}");
    let kept = std::fs::read_to_string(&errors_file).unwrap();
    assert!(kept.starts_with("# error: unable to parse") && kept.ends_with("\nbad\n"), "{kept}");
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 2);
    let ended = write(&server, &["--errors-file", "/no/such/directory/file", "m f=1"], "").await;
    assert!(ended.code == 1 && ended.errors.contains("cannot write to /no/such"), "{ended:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_dry_run_prints_and_stores_nothing() {
    let mut server = server().start().await;
    let table = "#constant measurement,dry\nn|double,time|dateTime\n1,1970-01-01T00:00:01Z\n";
    let ended = write(&server, &["dryrun", "--format", "csv", "--debug"], table).await.succeeded();
    assert_eq!(ended.output, "dry n=1.0 1000000000\n");
    assert!(ended.errors.starts_with("columns:\n") && ended.errors.contains("Measurement"), "{ended:?}");
    let ended = write(&server, &["dryrun", "dry f=1 1\ndry f=2"], "").await.succeeded();
    assert_eq!((ended.output.as_str(), ended.errors.as_str()), ("dry f=1 1\ndry f=2\n", ""));
    let ended = write(&server, &["dryrun", "--format", "csv"], "m|measurement,n|long\nm,x\n").await;
    assert!(ended.code == 1 && ended.errors.contains("line 2: \"x\""), "{ended:?}");
    let tables = server.sql("SELECT table_name FROM information_schema.tables WHERE table_name = 'dry'").await;
    assert!(tables.is_empty(), "{tables:?}");
    // Ids stand for names, and a limit of the rate lets everything through in its time.
    let bucket = server.bucket().to_owned();
    let ids = ["--bucket-id", &bucket, "--org-id", server.organisation(), "--rate-limit", "1 GB / s", "ids f=1"];
    let _ = write(&server, &ids, "").await.succeeded();
    assert_eq!(server.sql_number("SELECT count(*) FROM ids").await, 1);
    server.stop().await;
}

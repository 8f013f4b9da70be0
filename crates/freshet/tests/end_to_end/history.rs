//! SQL over earlier snapshots, over HTTP and by `freshet query --snapshot`.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Server;

use crate::command_line::freshet;
use crate::server;

async fn newest(server: &Server) -> i64 {
    server.sql_number("SELECT max(snapshot_id) FROM system.snapshots").await
}

async fn query(server: &Server, snapshot: &str, sql: &str) -> crate::command_line::Ended {
    let (url, token, org, bucket) = (server.url(), server.token(), server.organisation(), server.bucket());
    let connection = ["--url", url, "--token", token, "--org", org, "--bucket", bucket, "--format", "csv"];
    freshet(&[&["query", "--language", "sql", "--snapshot", snapshot], &connection[..], &[sql]].concat()).await
}

#[tokio::test]
async fn sql_reads_an_earlier_snapshot() {
    let mut server = server().start().await;
    server.write("m,t=a f=1 1\nm,t=b f=2 2").await;
    server.flush().await;
    let first = newest(&server).await;
    server.write("m,t=a f=10 1\nm,t=c f=3 3").await;
    server.flush().await;
    let body = json!({"start": "1970-01-01T00:00:00Z", "stop": "1970-01-01T00:00:01Z", "predicate": "t=\"b\""});
    let path = format!("/api/v2/delete?org={}&bucket={}", server.organisation(), server.bucket());
    let _ = server.send(server.request(Method::POST, &path).json(&body)).await.expect(204);
    server.compact().await;

    let sum = "SELECT sum(f) AS f FROM m";
    assert_eq!(server.sql_number("SELECT CAST(sum(f) AS BIGINT) FROM m").await, 13);
    let read = async |method: Method, path: String, body: Option<Value>| {
        let request = server.request(method, &path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        server.send(request).await
    };
    let base = format!("/api/v3/query_sql?org={}", server.organisation());
    let address = format!("{base}&db={}&q={}&snapshot=", server.bucket(), sum.replace(' ', "+"));
    let expected = json!([{"f": 3.0}]);
    let by_address = read(Method::GET, format!("{address}{first}"), None).await.expect(200);
    assert_eq!(by_address.json(), expected);
    for snapshot in [json!(first), json!(first.to_string())] {
        let body = json!({"db": server.bucket(), "q": sum, "snapshot": snapshot});
        assert_eq!(read(Method::POST, base.clone(), Some(body)).await.expect(200).json(), expected);
    }
    // The command line, by id and by the time of the snapshot.
    assert_eq!(query(&server, &first.to_string(), sum).await.output, "f\n3.0\n");
    let time =
        &server.sql(&format!("SELECT snapshot_time AS t FROM system.snapshots WHERE snapshot_id = {first}")).await;
    let time = format!("{}Z", time[0]["t"].as_str().unwrap());
    assert_eq!(query(&server, &time, sum).await.output, "f\n3.0\n");
    // A time whose offset nobody escaped.
    let offset = time.replace('Z', "+00:00");
    assert_eq!(read(Method::GET, format!("{address}{offset}"), None).await.expect(200).json(), expected);

    let absent = read(Method::GET, format!("{address}99999999"), None).await.expect(404);
    assert!(absent.body.contains("the oldest that is kept is 0 of 2"), "{absent:?}");
    let ended = query(&server, "99999999", sum).await;
    assert!(ended.code == 1 && ended.errors.contains("the oldest that is kept is 0 of"), "{ended:?}");
    let _ = read(Method::GET, format!("{address}soon"), None).await.expect(400);
    server.stop().await;
}

#[tokio::test]
async fn snapshots_that_nobody_keeps_are_gone_with_what_was_deleted() {
    let mut server = server().args(["--snapshot-retention", "0"]).start().await;
    server.write("m f=1 1\nm f=2 2").await;
    server.flush().await;
    let first = newest(&server).await;
    let body = json!({"start": "1970-01-01T00:00:00Z", "stop": "1970-01-01T00:00:00.000000001Z"});
    let path = format!("/api/v2/delete?org={}&bucket={}", server.organisation(), server.bucket());
    let _ = server.send(server.request(Method::POST, &path).json(&body)).await.expect(204);
    server.compact().await;
    let ended = query(&server, &first.to_string(), "SELECT * FROM m").await;
    assert!(ended.code == 1 && ended.errors.contains("there is no such snapshot"), "{ended:?}");
    assert_eq!(server.sql_number("SELECT count(*) FROM m").await, 1);
    server.stop().await;
}

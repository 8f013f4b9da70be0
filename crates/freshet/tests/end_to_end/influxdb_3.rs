//! What is configured by InfluxDB 3's endpoints, over kill -9: it is there after the restart, with what it shows.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::Server;

use crate::server;

/// The body of the answer, which must have this status.
async fn configure(server: &Server, what: &str, body: Value, status: u16) -> String {
    let request = server.request(Method::POST, &format!("/api/v3/configure/{what}")).json(&body);
    server.send(request).await.expect(status).body
}

#[tokio::test]
async fn caches_tables_and_tokens_are_there_after_a_crash() {
    let mut server = server().start().await;
    let database = server.bucket();
    // A row without a time has the server's own, which no cache finds too old.
    server.write("cpu,host=a usage=1\ncpu,host=b usage=2").await;
    server.flush().await;
    server.write("cpu,host=a usage=3").await;
    configure(&server, "last_cache", json!({"db": database, "table": "cpu", "name": "last"}), 201).await;
    let distinct = json!({"db": database, "table": "cpu", "name": "hosts", "columns": ["host"]});
    configure(&server, "distinct_cache", distinct, 201).await;
    let fields = json!([{"name": "f", "type": "int64"}]);
    let table = json!({"db": database, "table": "made", "tags": ["t"], "fields": fields});
    configure(&server, "table", table.clone(), 200).await;
    let token = json!({"token_name": "ci", "expiry_secs": 3600});
    let made: Value = serde_json::from_str(&configure(&server, "token/named_admin", token, 201).await).unwrap();
    let token = made["token"].as_str().unwrap().to_owned();
    let last = "SELECT host, usage FROM last_cache('cpu', 'last') ORDER BY host";
    let hosts = "SELECT host FROM distinct_cache('cpu', 'hosts') ORDER BY host";
    let expected =
        (json!([{"host": "a", "usage": 3.0}, {"host": "b", "usage": 2.0}]), json!([{"host": "a"}, {"host": "b"}]));
    for _ in 0..2 {
        assert_eq!((json!(server.sql(last).await), json!(server.sql(hosts).await)), expected);
        server.kill9().await;
        server.restart().await;
    }
    configure(&server, "table", table, 409).await;
    let path = format!("/api/v3/query_sql?db={}&q=SELECT+1+AS+one", server.bucket());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("{}{path}", server.url())).bearer_auth(token);
    assert_eq!(server.send(request).await.expect(200).json(), json!([{"one": 1}]));
    server.stop().await;
}

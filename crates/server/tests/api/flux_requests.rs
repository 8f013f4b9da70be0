//! What requests with Flux may look like: bodies, dialects, parameters, preferences, writing, and the tools of editors.

#![allow(clippy::unwrap_used, reason = "tests")]

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, TOKEN, TestServer};

const HEAD: &str = "import \"array\"\n";

async fn post(server: &TestServer, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method("POST").uri("/api/v2/query?org=o");
    request = request.header("authorization", format!("Token {TOKEN}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.send(request.body(body.into()).unwrap()).await
}

async fn run(server: &TestServer, script: &str) -> Answer {
    post(server, &[("content-type", "application/vnd.flux")], script.to_owned()).await
}

async fn run_json(server: &TestServer, body: &Value) -> Answer {
    post(server, &[], body.to_string()).await
}

fn rows(script: &str) -> String {
    format!("{HEAD}array.from(rows: [{{a: 1, b: \"x, y\"}}, {{a: 2, b: \"\"}}]){script}")
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_and_dialects() {
    let server = TestServer::start(&[]).await;
    let plain = ",result,table,a,b\r\n,_result,0,1,\"x, y\"\r\n,_result,0,2,\r\n\r\n";
    let answer = run(&server, &rows("")).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, plain));
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    let query = rows("");
    // What is not known is ignored.
    let same = json!({ "query": query, "type": "flux", "dialect": { "quoteChar": "\"" }, "other": 1 });
    assert_eq!(run_json(&server, &same).await.text(), plain);
    let dialect = json!({ "header": false, "delimiter": ";", "annotations": ["group", "default"] });
    let answer = run_json(&server, &json!({ "query": query, "dialect": dialect })).await;
    assert_eq!(answer.text(), "#group;false;false;false;false\r\n#default;_result;;;\r\n;;0;1;x, y\r\n;;0;2;\r\n\r\n");
    for (body, message) in [
        (json!({}), "failed to decode request body: request body requires either query or AST"),
        (json!({ "query": "1", "type": "sql" }), "failed to decode request body: unknown query type: sql"),
        (
            json!({ "query": "1", "dialect": { "annotations": ["x"] } }),
            "failed to decode request body: unknown dialect annotation type: x",
        ),
        (json!({ "query": "a(" }), "compilation failed: error @1:1-1:3: expected RPAREN, got EOF"),
        (json!({ "query": "x" }), "error @1:1-1:2: undefined identifier x"),
    ] {
        let answer = run_json(&server, &body).await;
        assert_eq!((answer.status, &answer.json()), (400, &json!({ "code": "invalid", "message": message })), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_part_of_a_dialect() {
    let server = TestServer::start(&[]).await;
    let query = format!("{HEAD}array.from(rows: [{{a: 1.5, t: 2026-01-01T00:00:00.5Z}}]) |> group(columns: [\"a\"])");
    let ask = async |dialect: Value| run_json(&server, &json!({ "query": query, "dialect": dialect })).await;
    let (head, row) = (",result,table,a,t\r\n", ",0,1.5,2026-01-01T00:00:00.5Z\r\n\r\n");
    let types = "#datatype,string,long,double,dateTime:RFC3339\r\n";
    let (group, default) = ("#group,false,false,true,false\r\n", "#default,_result,,,\r\n");
    for (dialect, expected) in [
        (json!(null), format!("{head},_result{row}")),
        (json!({}), format!("{head},_result{row}")),
        (json!({ "annotations": ["datatype", "group", "default"] }), format!("{types}{group}{default}{head},{row}")),
        (json!({ "annotations": ["default", "datatype"] }), format!("{default}{types}{head},{row}")),
        (json!({ "annotations": ["group"], "header": false }), format!("{group},_result{row}")),
        (json!({ "header": true, "delimiter": "\t" }), format!("{head},_result{row}").replace(',', "\t")),
        (json!({ "commentPrefix": "", "dateTimeFormat": "RFC3339Nano" }), format!("{head},_result{row}")),
        (json!({ "commentPrefix": "//".split_at(1).0, "dateTimeFormat": "RFC3339" }), format!("{head},_result{row}")),
    ] {
        let answer = ask(dialect.clone()).await;
        assert_eq!((answer.status, answer.text()), (200, expected), "{dialect}");
    }
    for (dialect, message) in [
        (json!({ "delimiter": ",," }), "invalid dialect delimiter"),
        (json!({ "delimiter": "\n" }), "invalid dialect delimiter"),
        (json!({ "commentPrefix": "##" }), "invalid dialect comment prefix: must be length 0 or 1"),
        (json!({ "dateTimeFormat": "unix" }), "unknown dialect date time format: unix"),
        (json!({ "annotations": ["type"] }), "unknown dialect annotation type: type"),
        (json!({ "header": 1 }), "failed to decode request body"),
    ] {
        let answer = ask(dialect.clone()).await;
        assert_eq!(answer.status, 400, "{dialect}");
        assert!(answer.json()["message"].as_str().unwrap().contains(message), "{dialect}: {}", answer.text());
    }
    // An error behind the first table is written in the dialect too.
    let script = format!(
        "{HEAD}d = array.from(rows: [{{a: 0}}])\nd |> yield(name: \"x\")\nd |> map(fn: (r) => ({{b: 1 / r.a}}))"
    );
    let dialect = json!({ "delimiter": ";", "annotations": ["datatype", "group", "default"] });
    let answer = run_json(&server, &json!({ "query": script, "dialect": dialect })).await;
    let head = "\r\n#datatype;string;string\r\n#group;true;true\r\n#default;;\r\n;error;reference\r\n;";
    assert!(answer.text().contains(head), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_request() {
    let server = TestServer::start(&[]).await;
    for (body, message) in [
        ("", "failed to decode request body"),
        ("[]", "failed to decode request body"),
        ("{\"query\": 1}", "failed to decode request body"),
        ("{\"query\": \"1\", \"type\": \"influxql\"}", "failed to parse query: found 1, expected SELECT"),
        ("{\"query\": \" \", \"type\": \"influxql\"}", "failed to decode request body"),
        ("{\"query\": \"1\", \"now\": \"yesterday\"}", "failed to decode request body"),
        ("{\"query\": \"1\", \"extern\": {\"type\": \"Nothing\"}}", "failed to decode request body"),
        ("{\"query\": \"1\", \"params\": []}", "failed to decode request body"),
        ("{\"ast\": {\"files\": 1}}", "failed to decode request body"),
        ("{\"query\": \"1 |> 2\"}", "compilation failed: error @1:"),
        ("{\"query\": \"x = 1\"}", "this Flux script returns no streaming data"),
        ("{\"query\": \"import \\\"nope\\\"\"}", "invalid import path nope"),
        ("{\"query\": \"limit(m: 1)\"}", "found unexpected argument m"),
        ("{\"query\": \"limit()\"}", "missing required argument n"),
        ("{\"query\": \"1 + 1.5\"}", "expected int but found float"),
        ("{\"query\": \"true + true\"}", "bool is not Addable"),
        ("{\"query\": \"limit(n: \\\"1\\\")\"}", "expected int but found string (argument n)"),
        ("{\"query\": \"range(start: -1h)\"}", "missing pipe argument"),
        ("{\"query\": \"from(bucket: \\\"b\\\")\"}", "cannot submit unbounded read to \\\"b\\\""),
        ("{\"query\": \"from(bucket: \\\"b\\\") |> range(start: 1h, stop: -1h)\"}", "cannot query an empty range"),
    ] {
        let answer = post(&server, &[], body).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("invalid")),
            "{body}: {}",
            answer.text()
        );
        assert!(answer.text().contains(message), "{body}: {}", answer.text());
    }
    let unknown = run(&server, "from(bucket: \"nope\") |> range(start: -1h)").await;
    assert_eq!((unknown.status, unknown.json()["code"].as_str()), (404, Some("not found")));
    for (address, status) in [("/api/v2/query", 400), ("/api/v2/query?org=nobody", 400), ("/api/v2/query?orgID=1", 400)]
    {
        let answer = server.call("POST", address, r#"{"query":"1"}"#).await;
        assert_eq!(answer.status, status, "{address}: {}", answer.text());
    }
    let request = Request::builder().method("POST").uri("/api/v2/query?org=o").body(Body::from("{}")).unwrap();
    assert_eq!(server.send(request).await.status, 401);
}

/// The tree of a script as JSON.
async fn tree(server: &TestServer, text: &str) -> Value {
    let body = json!({ "query": text }).to_string();
    server.call("POST", "/api/v2/query/ast", body).await.json()["ast"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_options_and_trees() {
    let server = TestServer::start(&[]).await;
    let script = format!("{HEAD}array.from(rows: [{{a: params.n, t: now(), v: v.x}}])");
    let external = tree(&server, "option v = {x: 7}").await["files"][0].clone();
    let now = "2026-01-01T00:00:00Z";
    let expected = format!(",result,table,a,t,v\r\n,_result,0,5,{now},7\r\n\r\n");
    let body = json!({ "query": script, "params": { "n": 5 }, "extern": external, "now": now });
    assert_eq!(run_json(&server, &body).await.text(), expected);
    let body = json!({ "ast": tree(&server, &script).await, "params": { "n": 5 }, "extern": external, "now": now });
    assert_eq!(run_json(&server, &body).await.text(), expected);
    let answer = server.call("POST", "/api/v2/query/ast", r#"{"query":"a("}"#).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("invalid AST: "), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_behind_the_first_table_are_a_table() {
    let server = TestServer::start(&[]).await;
    let script = format!(
        "{HEAD}data = array.from(rows: [{{a: 1, g: \"x\"}}, {{a: 0, g: \"y\"}}]) |> group(columns: [\"g\"])\n\
         data |> yield(name: \"first\")\ndata |> map(fn: (r) => ({{b: 1 / r.a}})) |> yield(name: \"second\")"
    );
    let answer = run(&server, &script).await;
    assert_eq!(answer.status, 200);
    let (head, error) =
        answer.text().split_once("\r\n,error,reference\r\n").map(|(l, r)| (l.to_owned(), r.to_owned())).unwrap();
    assert!(head.starts_with(",result,table,a,g\r\n,first,0,1,x\r\n"), "{head}");
    assert!(error.contains("failed to evaluate map function: cannot divide by zero"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_nothing_gets_errors_only() {
    let server = TestServer::start(&[]).await;
    for wish in ["return-no-content", "return-no-content-with-error"] {
        let headers = [("content-type", "application/vnd.flux"), ("prefer", wish)];
        let answer = post(&server, &headers, rows("")).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(post(&server, &headers, "from(bucket: \"b\")").await.status, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_write_points() {
    let server = TestServer::start(&[]).await;
    let lines = "m,t=a f=1.5,s=\"x \\\"y\\\"\" 1000000000\nm,t=b f=2 2000000000";
    assert_eq!(server.call("POST", "/api/v2/write?org=o&bucket=b", lines).await.status, 204);
    let range = "from(bucket: \"b\") |> range(start: 0, stop: 10)";
    let script = format!("{range} |> set(key: \"_measurement\", value: \"n 1\") |> to(bucket: \"b\", org: \"o\")");
    assert_eq!(run(&server, &script).await.status, 200);
    let filter = "filter(fn: (r) => r._measurement == \"n 1\" and r._field == \"s\")";
    let read = format!("{range} |> {filter} |> keep(columns: [\"_value\", \"t\", \"_time\"])");
    let expected = ",result,table,_time,_value,t\r\n,_result,0,1970-01-01T00:00:01Z,\"x \"\"y\"\"\",a\r\n\r\n";
    assert_eq!(run(&server, &read).await.text(), expected);
    let count = "import \"influxdata/influxdb\"\n\
                 influxdb.cardinality(bucket: \"b\", start: 0, stop: 10, predicate: (r) => r.t == \"a\")";
    assert_eq!(run(&server, count).await.text(), ",result,table,_value\r\n,_result,0,4\r\n\r\n");
    // Who may only read writes nothing.
    let permission = r#"[{"action":"read","resource":{"type":"buckets","id":"<bucket>","orgID":"<org>"}}]"#;
    let token = server.token(permission).await;
    let request = Request::builder().method("POST").uri("/api/v2/query?org=o");
    let request = request.header("authorization", format!("Token {token}"));
    let request = request.header("content-type", "application/vnd.flux").body(Body::from(script)).unwrap();
    assert_eq!(server.send(request).await.status, 404);
    let names = run(
        &server,
        "buckets() |> filter(fn: (r) => r.name == \"b\") |> keep(columns: [\"name\", \"retentionPeriod\"])",
    )
    .await;
    assert_eq!(names.text(), ",result,table,name,retentionPeriod\r\n,_result,0,b,0\r\n\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_errors_that_name_them() {
    let server = TestServer::start(&[]).await;
    let deep = "f = (g, n) => if n == 0 then 0 else g(g: g, n: n - 1)\nx = f(g: f, n: 1000000)";
    let answer = run(&server, deep).await;
    assert!(answer.text().contains("calls and expressions stand in each other deeper than"), "{}", answer.text());
    let timed = "map(fn: (r) => ({_time: 2026-01-01T00:00:00Z, v: r.a})) |> range(start: 0, stop: 2030-01-01)";
    let windows = rows(&format!("|> {timed} |> window(every: 1ms, createEmpty: true)"));
    let answer = run(&server, &windows).await;
    assert!(answer.text().contains("windows, the limit for a table"), "{}", answer.text());
    assert_eq!(run(&server, &rows("")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn editors_get_help() {
    let server = TestServer::start(&[]).await;
    let analyze = |query: &str| json!({ "query": query, "type": "flux" }).to_string();
    let answer = server.call("POST", "/api/v2/query/analyze", analyze("from(bucket: \"b\")\n  |> foo()")).await;
    let error = json!({ "line": 2, "column": 6, "character": 0, "message": "undefined identifier foo" });
    assert_eq!(answer.json(), json!({ "errors": [error] }));
    assert_eq!(server.call("POST", "/api/v2/query/analyze", analyze("x = 1")).await.json(), json!({ "errors": [] }));
    let answer = server.call("GET", "/api/v2/query/suggestions/limit", "").await;
    let expected = json!({ "name": "limit", "params": { "tables": "stream", "n": "int", "offset": "int" } });
    assert_eq!(answer.json(), expected);
    let all = server.call("GET", "/api/v2/query/suggestions", "").await.json();
    assert!(all["funcs"].as_array().unwrap().contains(&expected));
    assert_eq!(server.call("GET", "/api/v2/query/suggestions/nothing", "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn influxql_is_a_type_of_query() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.write("m,host=a f=1 1000000000\nm,host=b f=3 2000000000").await.status, 204);
    let mean = "SELECT mean(f) FROM m WHERE time < 10s";
    let rows = json!([["1970-01-01T00:00:00Z", 2]]);
    for place in [json!({ "bucket": "b" }), json!({ "db": "b" }), json!({ "db": "b", "rp": "autogen" })] {
        let mut body = json!({ "query": mean, "type": "influxql" });
        body.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        let answer = run_json(&server, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["results"][0]["series"][0]["values"], rows, "{body}");
    }
    let body = json!({ "query": "SELECT f FROM m WHERE host = $host", "type": "influxql", "bucket": "b",
        "params": { "host": "b" } });
    let answer = post(&server, &[("accept", "application/csv")], body.to_string()).await;
    assert_eq!(answer.text(), "name,tags,time,f\nm,,2000000000,3\n");
    let nowhere = run_json(&server, &json!({ "query": mean, "type": "influxql" })).await;
    assert!(nowhere.text().contains("database name required"), "{}", nowhere.text());
}

async fn explain(server: &TestServer, body: &Value) -> Answer {
    let request = Request::builder().method("POST").uri("/api/v2/query/explain?org=o");
    let request = request.header("authorization", format!("Token {TOKEN}"));
    server.send(request.body(Body::from(body.to_string())).unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_say_what_the_storage_does() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.write("m,host=a f=1,g=2i 1000000000\nn,host=b f=3 2000000000").await.status, 204);
    let read = "from(bucket: \"b\") |> range(start: 0, stop: 60)";
    // `@` stands for the place of the last operation.
    let check = async |operations: &str, expected: &str| {
        let script = format!("{read} |> {operations}");
        let answer = explain(&server, &json!({ "query": script })).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
        let rows = "rows of \"b\" from 1970-01-01T00:00:00.000000000Z to before 1970-01-01T00:01:00.000000000Z";
        let line = script.lines().count();
        let last = script.lines().last().unwrap();
        let place = format!("@{line}:{}-{line}:{}", last.rfind("|> ").unwrap() + 4, last.len() + 1);
        let expected = expected.replace("ROWS", rows).replace('@', &place);
        assert_eq!(answer.text(), expected, "{script}");
    };
    check(
        r#"filter(fn: (r) => r.host == "a" and r._value > 0) |> difference()"#,
        r#"result "_result"
  difference @: on tables
    storage: ROWS
      "m": f, g; where host is a; if (r.host == "a" and r._value > 0)
      "n": f; where host is a; if (r.host == "a" and r._value > 0)
"#,
    )
    .await;
    check(
        r#"filter(fn: (r) => r._field == "f") |> group(columns: ["host"]) |> aggregateWindow(every: 10s, fn: max)
            |> sort()"#,
        r#"result "_result"
  sort @: on tables
    storage: max of windows of 10s, by host, of ROWS
      "m": f
      "n": f
"#,
    )
    .await;
    check(
        r#"filter(fn: (r) => r._measurement == "x") |> keep(columns: ["host"]) |> group() |> distinct(column: "host")"#,
        r#"result "_result"
  storage: values of host of ROWS
    nothing: no measurement has such fields or tags
"#,
    )
    .await;
    check(
        r#"filter(fn: (r) => r._value * 2.0 > 1.0) |> yield(name: "x")"#,
        r#"result "x"
  yield @: on tables
    filter: a function over the columns of tables
      storage: ROWS
        "m": f, g
        "n": f
"#,
    )
    .await;
    let answer = explain(&server, &json!({ "query": "SELECT f FROM m", "type": "influxql", "bucket": "b" })).await;
    assert!(answer.status == 200 && answer.text().contains("MEASUREMENT: m"), "{}", answer.text());
    assert_eq!(explain(&server, &json!({ "query": "x" })).await.status, 400);
}

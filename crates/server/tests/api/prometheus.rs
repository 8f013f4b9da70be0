//! Prometheus's API: what is written by remote write is there for PromQL, for remote read and for the other languages.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use axum::body::Body;
use http::Request;
use promql::remote::{ReadQuery, ReadRequest, WriteRequest, decode_read_response};
use promql::{Labels, MatchKind, Matcher, STALE_NAN, SampleSeries, is_stale};
use serde_json::{Value, json};

use crate::support::{Answer, TOKEN, TestServer};

/// 2023-11-14T22:13:20Z.
const START_MS: i64 = 1_700_000_000_000;

fn series(labels: &[(&str, &str)], values: &[f64]) -> SampleSeries {
    let times = (0..values.len()).map(|place| START_MS + place as i64 * 15_000).collect();
    SampleSeries { labels: Labels::new(labels.iter().copied()), times, values: values.to_vec() }
}

fn encoded(series: Vec<SampleSeries>) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(&WriteRequest { series, histograms: 0 }.encode()).unwrap()
}

async fn write(server: &TestServer, series: Vec<SampleSeries>) {
    let answer = server.call("POST", "/api/v1/write?bucket=b", encoded(series)).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
}

async fn ask(server: &TestServer, address: &str) -> Value {
    let answer = server.call("GET", address, Body::empty()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["status"], "success");
    answer["data"].clone()
}

/// An error's status, type and text.
fn error(answer: &Answer) -> (u16, String, String) {
    let json = answer.json();
    assert_eq!(json["status"], "error", "{json}");
    (answer.status, json["errorType"].as_str().unwrap().to_owned(), json["error"].as_str().unwrap().to_owned())
}

async fn filled() -> TestServer {
    let server = TestServer::start(&[]).await;
    write(
        &server,
        vec![
            series(&[("__name__", "req_total"), ("job", "api"), ("code", "200")], &[0.0, 30.0, 60.0, 90.0]),
            series(&[("__name__", "req_total"), ("job", "api"), ("code", "500")], &[1.0, 1.0, 2.0, STALE_NAN]),
            series(&[("__name__", "special")], &[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-7]),
        ],
    )
    .await;
    server
}

#[tokio::test]
async fn queries_answer_what_was_written() {
    let server = filled().await;
    let data = ask(&server, "/api/v1/query?bucket=b&query=req_total&time=1700000030").await;
    let metric = |code: &str| json!({"__name__": "req_total", "job": "api", "code": code});
    let expected = json!({"resultType": "vector", "result": [
        {"metric": metric("200"), "value": [1_700_000_030, "60"]},
        {"metric": metric("500"), "value": [1_700_000_030, "2"]},
    ]});
    assert_eq!(data, expected);
    // The series that has ended is gone at once.
    let data = ask(&server, "/api/v1/query?bucket=b&query=count(req_total)&time=1700000045.5").await;
    assert_eq!(data["result"], json!([{"metric": {}, "value": [1_700_000_045.5, "1"]}]));
    let address = "/api/v1/query_range?db=b&start=2023-11-14T22:13:20Z&end=1700000045&step=15s&query=";
    let data = ask(&server, &format!("{address}sum(req_total)")).await;
    let values = json!([[1_700_000_000, "1"], [1_700_000_015, "31"], [1_700_000_030, "62"], [1_700_000_045, "90"]]);
    assert_eq!(data, json!({"resultType": "matrix", "result": [{"metric": {}, "values": values}]}));
    let data = ask(&server, &format!("{address}special")).await;
    let values =
        json!([[1_700_000_000, "NaN"], [1_700_000_015, "+Inf"], [1_700_000_030, "-Inf"], [1_700_000_045, "1e-07"]]);
    assert_eq!(data["result"][0]["values"], values);
    let data = ask(&server, "/api/v1/query?bucket=b&query=scalar(vector(1))&time=5").await;
    assert_eq!(data, json!({"resultType": "scalar", "result": [5, "1"]}));
    // The other languages see numbers only.
    let rows = server.query("SELECT max(value) AS most, count(non_finite) AS others FROM special").await;
    assert_eq!(rows, json!([{"most": 1e-7, "others": 3}]));
}

#[tokio::test]
async fn the_bucket_is_named_in_many_ways_and_parameters_may_be_a_form() {
    let server = filled().await;
    let post = |address: &str, body: &str| {
        Request::post(address)
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    for (address, body) in [
        ("/api/v1/query?bucket=b", "query=count(req_total)&time=1700000015"),
        ("/api/v1/query", "db=b&query=count(req_total)&time=1700000015"),
        ("/prometheus/b/api/v1/query", "query=count(req_total)&time=1700000015"),
        ("/prometheus/b/api/v1/query?org=o", "query=count(req_total)&time=1700000015"),
    ] {
        let answer = server.send(post(address, body)).await;
        assert_eq!(answer.json()["data"]["result"][0]["value"][1], "2", "{address}: {}", answer.text());
    }
    // Basic, with the token as the password, as Prometheus and Grafana can send it.
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("any:{TOKEN}"));
    let request =
        Request::get("/prometheus/b/api/v1/label/code/values").header("authorization", format!("Basic {basic}"));
    let answer = server.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.json()["data"], json!(["200", "500"]), "{}", answer.text());
}

#[tokio::test]
async fn series_labels_and_values() {
    let server = filled().await;
    let address = "/api/v1/series?bucket=b&match[]=req_total%7Bcode=%22500%22%7D&match[]=%7Bcode=~%225..%22%7D";
    let data = ask(&server, address).await;
    assert_eq!(data, json!([{"__name__": "req_total", "job": "api", "code": "500"}]));
    assert_eq!(ask(&server, "/api/v1/labels?bucket=b").await, json!(["__name__", "code", "job"]));
    assert_eq!(ask(&server, "/api/v1/labels?bucket=b&match[]=special").await, json!(["__name__"]));
    let names = "/api/v1/label/__name__/values?bucket=b";
    assert_eq!(ask(&server, names).await, json!(["req_total", "special"]));
    assert_eq!(ask(&server, &format!("{names}&limit=1")).await, json!(["req_total"]));
    assert_eq!(ask(&server, &format!("{names}&start=1&end=2")).await, json!([]));
    assert_eq!(ask(&server, "/api/v1/metadata?bucket=b").await, json!({}));
    assert_eq!(ask(&server, "/api/v1/status/buildinfo").await["version"], "3.0.0");
    let answer = server.call("GET", "/api/v1/series?bucket=b", Body::empty()).await;
    assert_eq!(error(&answer).2, "no match[] parameter provided");
}

#[tokio::test]
async fn fields_of_line_protocol_are_metrics() {
    let server = TestServer::start(&[]).await;
    let lines = "cpu,host=a usage_idle=90.5,cores=4i,up=true,note=\"x\" 1700000000000000000\n\
                 cpu,host=b usage_idle=80 1700000000000999999\n\
                 temp value=20.5,other=1 1700000000000000000";
    assert_eq!(server.write(lines).await.status, 204);
    let names = ask(&server, "/api/v1/label/__name__/values?bucket=b").await;
    assert_eq!(names, json!(["cpu_cores", "cpu_up", "cpu_usage_idle", "temp", "temp_other"]));
    for (query, expected) in [
        ("sum(cpu_usage_idle)", "170.5"),
        ("cpu_cores{host=\"a\"}", "4"),
        ("cpu_up", "1"),
        ("temp - temp_other", "19.5"),
        ("count({__name__=~\"cpu_.*\",host!=\"b\"})", "3"),
        ("count(cpu_usage_idle{none=\"\"})", "2"),
    ] {
        let mut address = "/api/v1/query?bucket=b&time=1700000001&query=".to_owned();
        query.bytes().for_each(|byte| address.push_str(&format!("%{byte:02X}")));
        let data = ask(&server, &address).await;
        assert_eq!(data["result"][0]["value"][1], expected, "{query}: {data}");
    }
}

#[tokio::test]
async fn remote_read_gives_the_samples_back() {
    let server = filled().await;
    let matcher = |name: &str, kind, value: &str| Matcher::new(name, kind, value).unwrap();
    let name = matcher("__name__", MatchKind::Equal, "req_total");
    let ended = ReadQuery {
        start_ms: START_MS + 15_000,
        end_ms: START_MS + 45_000,
        matchers: vec![name.clone(), matcher("code", MatchKind::NotMatches, "2..")],
    };
    let nothing = ReadQuery { start_ms: 0, end_ms: 1, matchers: vec![name] };
    let request = ReadRequest { queries: vec![ended, nothing] }.encode();
    let body = snap::raw::Encoder::new().compress_vec(&request).unwrap();
    for address in ["/api/v1/read?bucket=b", "/api/v1/prom/read?db=b"] {
        let answer = server.call("POST", address, body.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            (answer.header("content-type"), answer.header("content-encoding")),
            ("application/x-protobuf", "snappy")
        );
        let bytes = snap::raw::Decoder::new().decompress_vec(&answer.body).unwrap();
        let results = decode_read_response(&bytes).unwrap();
        assert_eq!((results.len(), results[0].len(), results[1].len()), (2, 1, 0));
        let series = &results[0][0];
        assert_eq!(series.times, [START_MS + 15_000, START_MS + 30_000, START_MS + 45_000]);
        assert!(series.values[..2] == [1.0, 2.0] && is_stale(series.values[2]), "{series:?}");
        assert_eq!(series.labels.get("code"), "500");
    }
}

#[tokio::test]
async fn samples_survive_a_flush_with_their_markers() {
    let server = filled().await;
    assert_eq!(server.call("POST", "/api/freshet/v1/flush", Body::empty()).await.status, 200);
    write(&server, vec![series(&[("__name__", "req_total"), ("job", "api"), ("code", "500")], &[5.0])]).await;
    let address = "/api/v1/query_range?bucket=b&start=1700000000&end=1700000045&step=15&query=";
    let data = ask(&server, &format!("{address}req_total%7Bcode%3D%22500%22%7D")).await;
    let values = json!([[1_700_000_000, "5"], [1_700_000_015, "1"], [1_700_000_030, "2"]]);
    assert_eq!(data["result"][0]["values"], values);
}

#[tokio::test]
async fn writes_that_cannot_be_stored_say_what_and_the_rest_is() {
    let server = TestServer::start(&[]).await;
    let good = series(&[("__name__", "good")], &[1.0, 2.0]);
    let bad = series(&[("job", "nameless")], &[1.0, 2.0, 3.0]);
    let answer = server.call("POST", "/api/v1/write?bucket=b", encoded(vec![bad, good])).await;
    let text = "3 samples were not stored: the series {job=\"nameless\"} has no name";
    assert_eq!(error(&answer), (400, "bad_data".to_owned(), text.to_owned()));
    assert_eq!(server.query("SELECT count(value) AS n FROM good").await, json!([{"n": 2}]));
    let far = SampleSeries { times: vec![i64::MAX], values: vec![1.0], ..series(&[("__name__", "far")], &[]) };
    let answer = server.call("POST", "/api/v1/write?bucket=b", encoded(vec![far])).await;
    assert!(error(&answer).2.contains("out of range"), "{}", answer.text());
    let conflict = "text value=\"x\" 1";
    assert_eq!(server.write(conflict).await.status, 204);
    let answer =
        server.call("POST", "/api/v1/write?bucket=b", encoded(vec![series(&[("__name__", "text")], &[1.0])])).await;
    assert!(answer.status == 400 && error(&answer).2.contains("field type conflict"), "{}", answer.text());
    for (body, part) in [
        (b"not snappy".to_vec(), "snappy: corrupt data"),
        (snap::raw::Encoder::new().compress_vec(b"\x0a\x05a").unwrap(), "ends in the middle"),
        // A head that promises four gigabytes.
        (vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0], "larger than"),
    ] {
        let answer = server.call("POST", "/api/v1/write?bucket=b", body).await;
        assert!(matches!(answer.status, 400 | 413) && error(&answer).2.contains(part), "{}", answer.text());
    }
    let request = Request::post("/api/v1/write?bucket=b")
        .header("authorization", format!("Token {TOKEN}"))
        .header("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request");
    let answer = server.send(request.body(Body::from(encoded(Vec::new()))).unwrap()).await;
    assert_eq!(answer.status, 415, "{}", answer.text());
}

#[tokio::test]
async fn requests_that_make_no_sense_have_prometheus_errors() {
    let server = filled().await;
    for (address, expected) in [
        (
            "/api/v1/query?bucket=b&query=1%2B",
            (400, "bad_data", "invalid parameter \"query\": 1:3: parse error: unexpected end of input"),
        ),
        (
            "/api/v1/query?bucket=b",
            (400, "bad_data", "invalid parameter \"query\": 1:1: parse error: no expression found in input"),
        ),
        (
            "/api/v1/query?bucket=b&query=1&time=x",
            (400, "bad_data", "invalid parameter \"time\": cannot parse \"x\" to a valid timestamp"),
        ),
        (
            "/api/v1/query?query=1",
            (400, "bad_data", "the request names no bucket: give bucket or db, or ask below /prometheus/{bucket}"),
        ),
        ("/api/v1/query?bucket=none&query=1", (404, "not_found", "bucket \"none\" not found")),
        (
            "/api/v1/query_range?bucket=b&query=1&start=1&end=2",
            (400, "bad_data", "invalid parameter \"step\": cannot parse \"\" to a valid duration"),
        ),
        (
            "/api/v1/query_range?bucket=b&query=1&start=2&end=1&step=1",
            (400, "bad_data", "invalid parameter \"end\": end timestamp must not be before start time"),
        ),
        (
            "/api/v1/query_range?bucket=b&query=1&start=1&end=2&step=0",
            (
                400,
                "bad_data",
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a \
                 positive integer",
            ),
        ),
        (
            "/api/v1/query_range?bucket=b&query=1&start=1&end=20000&step=1",
            (
                400,
                "bad_data",
                "exceeded maximum resolution of 11000 points per timeseries. Try decreasing the query \
                 resolution (?step=XX)",
            ),
        ),
        (
            "/api/v1/query?bucket=b&query=sum%20by(job)(req_total)*on(job)req_total&time=1700000000",
            (422, "execution", ""),
        ),
        (
            "/api/v1/label/a/values?bucket=b&match[]=1",
            (
                400,
                "bad_data",
                "invalid parameter \"match[]\": 1:1: parse error: only a selector of series is allowed here",
            ),
        ),
    ] {
        let answer = server.call("GET", address, Body::empty()).await;
        let (status, kind, text) = error(&answer);
        assert_eq!((status, kind.as_str()), (expected.0, expected.1), "{address}: {text}");
        assert!(expected.2.is_empty() || text == expected.2, "{address}: {text}");
    }
}

#[tokio::test]
async fn permissions_are_those_of_the_bucket() {
    let server = filled().await;
    let reader = server.token(r#"[{"action":"read","resource":{"type":"buckets","id":"<bucket>"}}]"#).await;
    let writer = server.token(r#"[{"action":"write","resource":{"type":"buckets","id":"<bucket>"}}]"#).await;
    let send = async |method: &str, address: &str, token: &str, body: Vec<u8>| {
        let request = Request::builder().method(method).uri(address).header("authorization", format!("Bearer {token}"));
        server.send(request.body(Body::from(body)).unwrap()).await.status
    };
    let empty = encoded(Vec::new());
    for (method, address, allowed, denied) in [
        ("GET", "/api/v1/query?bucket=b&query=1", &reader, &writer),
        ("GET", "/api/v1/query_range?bucket=b&query=1&start=1&end=1&step=1", &reader, &writer),
        ("GET", "/api/v1/series?bucket=b&match[]=up", &reader, &writer),
        ("GET", "/api/v1/labels?bucket=b", &reader, &writer),
        ("GET", "/prometheus/b/api/v1/label/a/values", &reader, &writer),
        ("GET", "/api/v1/metadata?bucket=b", &reader, &writer),
        ("POST", "/api/v1/read?bucket=b", &reader, &writer),
        ("POST", "/api/v1/write?bucket=b", &writer, &reader),
        ("POST", "/api/v1/prom/write?db=b", &writer, &reader),
    ] {
        let status = send(method, address, allowed, empty.clone()).await;
        assert!(matches!(status, 200 | 204), "{address}: {status}");
        assert_eq!(send(method, address, denied, empty.clone()).await, 403, "{address}");
        assert_eq!(send(method, address, "nobody", empty.clone()).await, 401, "{address}");
    }
    assert_eq!(send("GET", "/api/v1/status/buildinfo", &reader, Vec::new()).await, 200);
    assert_eq!(send("GET", "/api/v1/status/buildinfo", "nobody", Vec::new()).await, 401);
}

#[tokio::test]
async fn a_write_of_1_x_makes_the_bucket_of_a_new_database() {
    let server = TestServer::start(&["auto-create-buckets".to_owned()]).await;
    let body = encoded(vec![series(&[("__name__", "up")], &[1.0])]);
    let answer = server.call("POST", "/api/v1/prom/write?db=new", body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    let data = ask(&server, "/prometheus/new/api/v1/query?query=up&time=1700000000").await;
    assert_eq!(data["result"][0]["value"][1], "1");
}

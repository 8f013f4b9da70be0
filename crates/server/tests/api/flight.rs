//! Flight SQL over the router: statuses, bounds and what stands in messages, by a client of gRPC that knows bytes only.
//! The drivers that people use are in `crates/freshet/tests/end_to_end/clients.rs`.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::util::pretty::pretty_format_batches;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::json;

use crate::support::{Setup, TOKEN, TestServer, small_limits};

/// The codes of gRPC that are used here.
const OK: u32 = 0;
const INVALID_ARGUMENT: u32 = 3;
const NOT_FOUND: u32 = 5;
const PERMISSION_DENIED: u32 = 7;
const RESOURCE_EXHAUSTED: u32 = 8;
const UNIMPLEMENTED: u32 = 12;
const UNAVAILABLE: u32 = 14;
const UNAUTHENTICATED: u32 = 16;

/// A field of a protocol buffer that holds bytes.
fn field(number: u32, value: &[u8]) -> Vec<u8> {
    let varint = |mut value: u64| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    [varint(u64::from(number) << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

/// A command of Flight SQL in its `Any`.
fn command(name: &str, message: &[u8]) -> Vec<u8> {
    let url = format!("type.googleapis.com/arrow.flight.protocol.sql.{name}");
    [field(1, url.as_bytes()), field(2, message)].concat()
}

/// The value of a field, which must be there.
fn value(message: &[u8], number: u32) -> Vec<u8> {
    let mut rest = message;
    let mut found = None;
    while !rest.is_empty() {
        let mut varint = || {
            let mut value = 0_u64;
            for shift in (0..).step_by(7) {
                let byte = rest[0];
                rest = &rest[1..];
                value |= u64::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            value
        };
        let (key, length) = (varint(), varint());
        if key & 7 == 2 {
            if key >> 3 == u64::from(number) {
                found = Some(rest[..length as usize].to_vec());
            }
            rest = &rest[length as usize..];
        }
    }
    found.unwrap()
}

/// What came of a call.
struct Answer {
    status: u32,
    message: String,
    messages: Vec<Vec<u8>>,
    authorization: Option<String>,
}

/// Calls a method with messages, each in its frame.
async fn call(server: &TestServer, method: &str, headers: &[(&str, &str)], messages: &[&[u8]]) -> Answer {
    let mut request = Request::builder().method("POST").uri(format!("/arrow.flight.protocol.FlightService/{method}"));
    for (name, value) in [("content-type", "application/grpc")].iter().chain(headers) {
        request = request.header(*name, *value);
    }
    let frame = |message: &&[u8]| [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat();
    let body: Vec<u8> = messages.iter().flat_map(frame).collect();
    let response = server.response(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(response.status(), 200);
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let text = |name: &str| {
        let value = trailers.get(name).or_else(|| parts.headers.get(name));
        value.map(|value| value.to_str().unwrap().replace("%20", " ").replace("%22", "\"")).unwrap_or_default()
    };
    let bytes = collected.to_bytes();
    let (mut rest, mut messages) = (&bytes[..], Vec::new());
    while let Some((head, after)) = rest.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        messages.push(after[..length].to_vec());
        rest = &after[length..];
    }
    let authorization = parts.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    Answer { status: text("grpc-status").parse().unwrap(), message: text("grpc-message"), messages, authorization }
}

/// The rows of an answer as a table of text.
fn table(answer: &Answer) -> String {
    assert_eq!(answer.status, OK, "{}", answer.message);
    let mut stream = Vec::new();
    for message in &answer.messages {
        let header = value(message, 2);
        stream.extend([0xff; 4]);
        stream.extend((header.len().next_multiple_of(8) as u32).to_le_bytes());
        stream.extend(&header);
        stream.resize(stream.len().next_multiple_of(8), 0);
        stream.extend(value(message, 1000));
    }
    let reader = StreamReader::try_new(std::io::Cursor::new(stream), None).unwrap();
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    pretty_format_batches(&batches).unwrap().to_string()
}

fn rows(answer: &Answer) -> Vec<String> {
    let table = table(answer);
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(" ");
    table.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect()
}

async fn server() -> TestServer {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.write("m,t=a f=1 1\nm,t=b f=2 2").await.status, 204);
    server
}

const BEARER: (&str, &str) = ("authorization", "Bearer operator-token");
const DATABASE: (&str, &str) = ("database", "b");

/// The ticket of the clients of InfluxDB 3.
fn ticket(json: serde_json::Value) -> Vec<u8> {
    field(1, json.to_string().as_bytes())
}

async fn ask(server: &TestServer, json: serde_json::Value) -> Answer {
    call(server, "DoGet", &[BEARER], &[&ticket(json)]).await
}

#[tokio::test]
async fn tickets_of_influxdb_3() {
    let server = server().await;
    let sql = json!({"database": "b", "sql_query": "SELECT t, f FROM m ORDER BY f", "query_type": "sql"});
    assert_eq!(rows(&ask(&server, sql).await), ["a 1.0", "b 2.0"]);
    let params = json!({"database": "b", "sql_query": "SELECT f FROM m WHERE t = $t", "params": {"t": "b"}});
    assert_eq!(rows(&ask(&server, params).await), ["2.0"]);
    let influxql = json!({"database": "b", "sql_query": "SELECT sum(f) FROM m", "query_type": "influxql"});
    assert_eq!(rows(&ask(&server, influxql).await), ["m 1970-01-01T00:00:00 3.0"]);
    let nothing = json!({"database": "b", "sql_query": "SELECT f FROM m WHERE f > 9"});
    assert_eq!(ask(&server, nothing).await.messages.len(), 1, "the columns come without rows, too");
}

#[tokio::test]
async fn errors_are_statuses_of_grpc() {
    let server = server().await;
    let weak = server.token(r#"[{"action":"write","resource":{"type":"labels"}}]"#).await;
    let weak = format!("Token {weak}");
    let query = |database: &str, text: &str| ticket(json!({"database": database, "sql_query": text}));
    for (headers, message, status, part) in [
        (&[][..], query("b", "SELECT 1"), UNAUTHENTICATED, "unauthorized access"),
        (&[("authorization", "Bearer wrong")], query("b", "SELECT 1"), UNAUTHENTICATED, "unauthorized access"),
        (&[("authorization", &*weak)], query("b", "SELECT 1"), PERMISSION_DENIED, "insufficient permissions for read"),
        (&[BEARER], query("absent", "SELECT 1"), NOT_FOUND, "database not found: absent"),
        (&[BEARER], query("b", "SELEC"), INVALID_ARGUMENT, "SELEC"),
        (&[BEARER], query("b", "DROP TABLE m"), INVALID_ARGUMENT, "only statements that read"),
        (&[BEARER], ticket(json!({"sql_query": "SELECT 1"})), INVALID_ARGUMENT, "no database"),
        (
            &[BEARER, DATABASE, ("bucket", "c")],
            ticket(json!({"sql_query": "SELECT 1"})),
            INVALID_ARGUMENT,
            "more than one",
        ),
        (&[BEARER], field(1, b"\xff"), INVALID_ARGUMENT, "broken"),
    ] {
        let answer = call(&server, "DoGet", headers, &[&message]).await;
        assert_eq!(answer.status, status, "{}", answer.message);
        assert!(answer.message.contains(part), "{}", answer.message);
        assert!(answer.messages.is_empty());
    }
    for method in ["ListFlights", "DoExchange", "PollFlightInfo", "Nonsense"] {
        assert_eq!(call(&server, method, &[BEARER], &[b""]).await.status, UNIMPLEMENTED, "{method}");
    }
    assert_eq!(call(&server, "DoGet", &[BEARER], &[]).await.status, INVALID_ARGUMENT);
    let request = Request::builder().method("POST").uri("/arrow.flight.protocol.FlightService/DoGet");
    assert_eq!(server.send(request.body(Body::empty()).unwrap()).await.status, 415);
}

#[tokio::test]
async fn statements_by_their_info() {
    let server = server().await;
    let statement = command("CommandStatementQuery", &field(1, b"SELECT f FROM m ORDER BY f"));
    let descriptor = field(2, &statement);
    let info = call(&server, "GetFlightInfo", &[BEARER, DATABASE], &[&descriptor]).await;
    assert_eq!(info.status, OK, "{}", info.message);
    let ticket = value(&value(&info.messages[0], 3), 1);
    let answer = call(&server, "DoGet", &[BEARER, DATABASE], &[&ticket]).await;
    assert_eq!(rows(&answer), ["1.0", "2.0"]);
    let schema = call(&server, "GetSchema", &[BEARER, DATABASE], &[&descriptor]).await;
    assert_eq!(value(&schema.messages[0], 1), value(&info.messages[0], 1));
    let none = call(&server, "GetFlightInfo", &[BEARER], &[&descriptor]).await;
    assert_eq!(none.status, INVALID_ARGUMENT);
}

#[tokio::test]
async fn prepared_statements_keep_nothing_here() {
    let server = server().await;
    let request = command("ActionCreatePreparedStatementRequest", &field(1, b"SELECT f FROM m WHERE t = 'b'"));
    let action = [field(1, b"CreatePreparedStatement"), field(2, &request)].concat();
    let made = call(&server, "DoAction", &[BEARER, DATABASE], &[&action]).await;
    assert_eq!(made.status, OK, "{}", made.message);
    let handle = value(&value(&value(&made.messages[0], 1), 2), 1);
    let query = command("CommandPreparedStatementQuery", &field(1, &handle));
    // Another server has the handle too, as far as it has the data.
    for server in [&server, &self::server().await] {
        let answer = call(server, "DoGet", &[BEARER, DATABASE], &[&field(1, &query)]).await;
        assert_eq!(rows(&answer), ["2.0"]);
    }
    let action = [field(1, b"ClosePreparedStatement"), field(2, &command("x", b""))].concat();
    let closed = call(&server, "DoAction", &[BEARER, DATABASE], &[&action]).await;
    assert_eq!((closed.status, closed.messages.len()), (OK, 0));
    let foreign = call(&server, "DoAction", &[BEARER, DATABASE], &[&field(1, b"BeginTransaction")]).await;
    assert_eq!(foreign.status, UNIMPLEMENTED);
    let update = field(1, &field(2, &command("CommandStatementUpdate", &field(1, b"DELETE FROM m"))));
    assert_eq!(call(&server, "DoPut", &[BEARER, DATABASE], &[&update]).await.status, UNIMPLEMENTED);
}

#[tokio::test]
async fn what_there_is() {
    let server = server().await;
    let get = async |name: &str, message: &[u8]| {
        call(&server, "DoGet", &[BEARER, DATABASE], &[&field(1, &command(name, message))]).await
    };
    assert_eq!(rows(&get("CommandGetCatalogs", b"").await), ["public"]);
    let schemas = ["public information_schema", "public iox", "public system"];
    assert_eq!(rows(&get("CommandGetDbSchemas", b"").await), schemas);
    assert_eq!(rows(&get("CommandGetDbSchemas", &field(2, b"i_x")).await), ["public iox"]);
    assert_eq!(rows(&get("CommandGetTables", &field(2, b"iox")).await), ["public iox m BASE TABLE"]);
    assert_eq!(rows(&get("CommandGetTables", &[field(2, b"iox"), field(3, b"x%")].concat()).await), [""; 0]);
    assert_eq!(rows(&get("CommandGetTables", &[field(2, b"iox"), field(4, b"VIEW")].concat()).await), [""; 0]);
    assert_eq!(rows(&get("CommandGetTableTypes", b"").await), ["BASE TABLE", "VIEW"]);
    let renamed = [BEARER, DATABASE, ("x-influxdata-base-table-type", "TABLE")];
    let tables = field(1, &command("CommandGetTables", &field(2, b"iox")));
    assert_eq!(rows(&call(&server, "DoGet", &renamed, &[&tables]).await), ["public iox m TABLE"]);
    assert!(table(&get("CommandGetSqlInfo", b"").await).contains("Freshet"));
    assert!(table(&get("CommandGetXdbcTypeInfo", b"").await).contains("TIMESTAMP"));
    for name in
        ["CommandGetPrimaryKeys", "CommandGetImportedKeys", "CommandGetExportedKeys", "CommandGetCrossReference"]
    {
        assert_eq!(rows(&get(name, b"").await), [""; 0], "{name}");
    }
    assert_eq!(get("CommandStatementIngest", b"").await.status, UNIMPLEMENTED);
    // A database without a table has its schemas.
    assert_eq!(server.call("POST", "/api/v3/configure/database", r#"{"db":"empty"}"#).await.status, 200);
    let schemas_of = field(1, &command("CommandGetDbSchemas", b""));
    let empty = call(&server, "DoGet", &[BEARER, ("database", "empty")], &[&schemas_of]).await;
    assert!(rows(&empty).contains(&"public iox".to_owned()));
}

#[tokio::test]
async fn a_handshake_says_how_to_go_on() {
    let server = server().await;
    use base64::Engine as _;
    let basic = |password: &str| {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("anybody:{password}")))
    };
    let answer = call(&server, "Handshake", &[("authorization", &*basic(TOKEN))], &[&field(2, b"payload")]).await;
    assert_eq!((answer.status, answer.authorization), (OK, Some(format!("Bearer {TOKEN}"))));
    assert_eq!(value(&answer.messages[0], 2), b"payload");
    let refused = call(&server, "Handshake", &[("authorization", &*basic("wrong"))], &[]).await;
    assert_eq!((refused.status, refused.authorization), (UNAUTHENTICATED, None));
    let token = call(&server, "Handshake", &[BEARER], &[]).await;
    assert_eq!(token.authorization, Some(format!("Bearer {TOKEN}")));
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends() {
    let server = server().await;
    let endless = json!({"database": "b", "sql_query": "SELECT * FROM generate_series(1, 100000000000)"});
    let mut open = Vec::new();
    // As many as may run at the same time.
    for _ in 0..4 {
        let message = ticket(endless.clone());
        let frame = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
        let request = Request::builder().method("POST").uri("/arrow.flight.protocol.FlightService/DoGet");
        let request = request.header("content-type", "application/grpc").header(BEARER.0, BEARER.1);
        let mut body = server.response(request.body(Body::from(frame)).unwrap()).await.into_body();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        open.push(body);
    }
    let next = ask(&server, json!({"database": "b", "sql_query": "SELECT 1 AS one"}));
    let mut next = std::pin::pin!(next);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut next).await.is_err(), "there is no place for it");
    drop(open);
    assert_eq!(rows(&tokio::time::timeout(Duration::from_secs(60), next).await.unwrap()), ["1"]);
}

#[tokio::test]
async fn messages_have_bounds() {
    let server = server().await;
    let large = vec![b' '; 5 << 20];
    let answer = call(&server, "DoGet", &[BEARER], &[&field(1, &large)]).await;
    assert_eq!(answer.status, INVALID_ARGUMENT, "{}", answer.message);
    let long = ticket(json!({"database": "b", "sql_query": " ".repeat((1 << 20) + 1)}));
    let answer = call(&server, "DoGet", &[BEARER], &[&long]).await;
    assert!(answer.status == INVALID_ARGUMENT && answer.message.contains("bytes"), "{}", answer.message);
    let handle = field(1, &field(1, b"SELECT $1"));
    let first = field(1, &field(2, &command("CommandPreparedStatementQuery", &handle)));
    let more = field(1000, &vec![0; 700 << 10]);
    let answer = call(&server, "DoPut", &[BEARER, DATABASE], &[&first, &more, &more]).await;
    assert_eq!(answer.status, RESOURCE_EXHAUSTED, "{}", answer.message);
    // The text of an error is cut before a client would refuse the head of the answer.
    let unknown = ticket(json!({"database": "b", "sql_query": format!("SELECT {}", "x".repeat(100_000))}));
    let answer = call(&server, "DoGet", &[BEARER], &[&unknown]).await;
    assert!(answer.status == INVALID_ARGUMENT && answer.message.len() < 8 << 10, "{}", answer.message.len());
    // Where there is no memory for bodies the call is told to come again.
    let small = TestServer::with(Setup { limits: small_limits(), ..Setup::default() }).await;
    let busy = call(&small, "DoGet", &[BEARER], &[&ticket(json!({"database": "b", "sql_query": "SELECT 1"}))]).await;
    assert_eq!(busy.status, UNAVAILABLE, "{}", busy.message);
}

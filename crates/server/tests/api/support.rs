//! What the tests of this folder share: a server over a temporary directory, and placeholders for what varies.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "tests; not every test uses all of it")]

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use catalog::{Catalog, Clock, ManualClock, OnboardingRequest, SecretKey, SystemClock};
use http::{HeaderMap, Request};
use query::{QueryEngine, QueryOptions};
use server::{AppState, Limits, Mode, ServerOptions};
use storage::disk::SimulatedDisk;
use storage::{Engine, EngineOptions};
use tempfile::TempDir;
use tower::ServiceExt as _;

const MIB: u64 = 1 << 20;

/// The operator token of every test server.
pub(crate) const TOKEN: &str = "operator-token";

/// A server without a socket.
pub(crate) struct TestServer {
    pub(crate) state: AppState,
    router: Router,
    names: Vec<(String, &'static str)>,
    _directory: TempDir,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The text of a header, empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What a test wants to be different.
pub(crate) struct Setup {
    pub(crate) mode: Mode,
    pub(crate) limits: Limits,
    pub(crate) onboard: bool,
    pub(crate) clock: Arc<dyn Clock>,
    /// The disk of the write-ahead log; the machine's if there is none.
    pub(crate) wal_disk: Option<SimulatedDisk>,
    pub(crate) memory_limit_bytes: u64,
    pub(crate) auto_create_buckets: bool,
    /// Memory of all queries.
    pub(crate) query_memory_limit_bytes: usize,
    /// Queries that may run, and that may wait.
    pub(crate) queries: (usize, usize),
    pub(crate) query_timeout: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mode: Mode::Oss,
            limits: Limits::default(),
            onboard: true,
            clock: Arc::new(SystemClock),
            wal_disk: None,
            memory_limit_bytes: 256 * MIB,
            auto_create_buckets: false,
            query_memory_limit_bytes: 64 << 20,
            queries: (4, 4),
            query_timeout: Duration::from_secs(60),
        }
    }
}

/// Limits that a test reaches quickly.
pub(crate) fn small_limits() -> Limits {
    Limits {
        write_body_bytes: 4 << 10,
        decompressed_body_bytes: 64 << 10,
        bodies_in_flight_bytes: 1 << 20,
        json_body_bytes: 4 << 10,
        ..Limits::default()
    }
}

impl TestServer {
    /// A server with user `u`, organisation `o`, bucket `b` and [`TOKEN`], unless the options say otherwise.
    pub(crate) async fn start(options: &[String]) -> Self {
        let has = |option: &str| options.iter().any(|candidate| candidate.trim() == option);
        Self::with(Setup {
            mode: if has("mode cloud") { Mode::Cloud } else { Mode::Oss },
            limits: if has("small-limits") { small_limits() } else { Limits::default() },
            onboard: !has("not-onboarded"),
            auto_create_buckets: has("auto-create-buckets"),
            ..Setup::default()
        })
        .await
    }

    /// A server as the test wants it.
    pub(crate) async fn with(setup: Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(directory.path().join("resources.sqlite"), Arc::clone(&setup.clock)).await.unwrap();
        let mut engine_options =
            EngineOptions::new(directory.path().join("data"), setup.memory_limit_bytes, Arc::clone(&setup.clock));
        if let Some(disk) = setup.wal_disk {
            engine_options.wal_disk = Arc::new(disk);
        }
        let engine = Engine::open(engine_options).await.unwrap();
        let query = QueryEngine::new(QueryOptions {
            memory_limit_bytes: setup.query_memory_limit_bytes,
            spill_dir: directory.path().join("spill"),
            spill_limit_bytes: 64 * MIB,
            threads: 2,
            running: setup.queries.0,
            waiting: setup.queries.1,
            timeout: setup.query_timeout,
        });
        let server_options = ServerOptions {
            mode: setup.mode,
            limits: setup.limits,
            clock: setup.clock,
            commit: "test".to_owned(),
            auto_create_buckets: setup.auto_create_buckets,
            secret_key: SecretKey::from_hex(&"5c".repeat(32)).unwrap(),
            settings: vec![("mode".to_owned(), "test".to_owned())],
        };
        let state = AppState::new(catalog, engine, query.unwrap(), server_options);
        let names = if setup.onboard { onboard(state.catalog()).await } else { Vec::new() };
        Self { router: server::app(state.clone()), state, names, _directory: directory }
    }

    pub(crate) fn placeholders(&self) -> Placeholders {
        let known = self.names.iter().map(|(value, name)| (value.clone(), format!("<{name}>"))).collect();
        Placeholders { known, ids: 0, tokens: 0 }
    }

    /// The value behind a name of the setup.
    pub(crate) fn named(&self, name: &str) -> &str {
        self.names.iter().find(|(_, candidate)| *candidate == name).map(|(value, _)| value.as_str()).unwrap()
    }

    /// The answer, whose body is not read yet.
    pub(crate) async fn response(&self, request: Request<Body>) -> axum::response::Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.response(request).await;
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    /// A body of line protocol for the bucket `b`, with the operator token.
    pub(crate) async fn write(&self, lines: impl Into<Body>) -> Answer {
        self.call("POST", "/api/v2/write?org=o&bucket=b", lines).await
    }

    /// The answer to a query of the bucket `b`, as JSON.
    pub(crate) async fn query(&self, sql: &str) -> serde_json::Value {
        let body = serde_json::json!({ "db": "b", "q": sql });
        let answer = self.call("POST", "/api/v3/query_sql", body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// A new token with these permissions, in the organisation `o`. `<org>`, `<bucket>` and `<user>` are filled in.
    pub(crate) async fn token(&self, permissions: &str) -> String {
        let body = format!(r#"{{"orgID":"<org>","permissions":{permissions}}}"#);
        let answer = self.call("POST", "/api/v2/authorizations", self.placeholders().fill(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// A request with the operator token.
    pub(crate) async fn call(&self, method: &str, address: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder().method(method).uri(address);
        self.send(request.header("authorization", format!("Token {TOKEN}")).body(body.into()).unwrap()).await
    }
}

async fn onboard(catalog: &Catalog) -> Vec<(String, &'static str)> {
    let request = OnboardingRequest {
        username: "u".to_owned(),
        password: Some("password1".into()),
        organisation: "o".to_owned(),
        bucket: "b".to_owned(),
        retention: Duration::ZERO,
        token: Some(TOKEN.into()),
    };
    let result = catalog.onboard(request).await.unwrap();
    vec![
        (result.organisation.id.to_string(), "org"),
        (result.bucket.id.to_string(), "bucket"),
        (result.user.id.to_string(), "user"),
        (result.authorization.id.to_string(), "auth"),
        (TOKEN.to_owned(), "token"),
    ]
}

/// What varies from run to run, and the names that stand for it.
pub(crate) struct Placeholders {
    known: Vec<(String, String)>,
    ids: usize,
    tokens: usize,
}

impl Placeholders {
    /// A request with values for names.
    pub(crate) fn fill(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, (value, name)| text.replace(name, value))
    }

    /// An answer with names for values.
    pub(crate) fn replace(&mut self, text: &str) -> String {
        let version = concat!("v2.9.0-freshet.", env!("CARGO_PKG_VERSION"));
        let text = without_file_sizes(&text.replace(version, "<version>"));
        let mut replaced = String::new();
        let mut rest = text.as_str();
        while let Some(character) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || "-_=".contains(c);
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = &rest[..length];
            if length == 0 {
                replaced.push(character);
                rest = &rest[character.len_utf8()..];
            } else if let Some((time, after)) = split_time(rest) {
                replaced.push_str(time);
                rest = after;
            } else {
                replaced.push_str(&self.name_of(word));
                rest = &rest[length..];
            }
        }
        replaced
    }

    fn name_of(&mut self, word: &str) -> String {
        // `org=<id>` in a link, a cookie; the signs at the end of a token are part of it.
        if let Some((key, value)) = word.split_once('=').filter(|(_, value)| !value.trim_matches('=').is_empty()) {
            return format!("{key}={}", self.name_of(value));
        }
        if let Some((_, name)) = self.known.iter().find(|(value, _)| value == word) {
            return name.clone();
        }
        let is_id = word.len() == 16 && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        // Ids that somebody wrote by hand begin with zeros or are all the same digit.
        let is_random_id = is_id && !word.starts_with("0000000") && !word.starts_with("ffffffff");
        let name = if is_random_id {
            self.ids += 1;
            format!("<id {}>", self.ids)
        } else if word.len() == 88 && word.ends_with("==") {
            self.tokens += 1;
            format!("<token {}>", self.tokens)
        } else {
            return word.to_owned();
        };
        self.known.push((word.to_owned(), name.clone()));
        name
    }
}

/// The size of a file depends on how it is encoded, which is not the server's to promise.
fn without_file_sizes(text: &str) -> String {
    let Some((before, after)) = text.split_once("\"bytes\":") else {
        return text.to_owned();
    };
    format!("{before}\"bytes\":<number>{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// A time of now at the start of the text (`2026-…Z`, or the date of a cookie), and what follows it.
fn split_time(text: &str) -> Option<(&'static str, &str)> {
    let end = text.find(['"', ' ', ',', ';', '\n']).unwrap_or(text.len());
    let word = &text[..end];
    let year: Option<u32> = word.get(..5).and_then(|start| start.strip_suffix('-')?.parse().ok());
    if year.is_some_and(|year| year >= 2026) && word.ends_with('Z') && word.contains('T') {
        return Some(("<time>", &text[end..]));
    }
    if let Some(after) = text.strip_prefix("Expires=") {
        let end = after.find("GMT")? + 3;
        return Some(("Expires=<time>", &after[end..]));
    }
    None
}

/// The body after the directives of its case.
pub(crate) fn encode_body(mut body: Vec<u8>, directives: &[String]) -> Vec<u8> {
    for directive in directives {
        let (name, value) = directive.split_once(' ').unwrap_or((directive, ""));
        let number = || value.parse::<usize>().unwrap();
        match name {
            "gzip" => body = gzip(&body),
            "zlib" => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&body).unwrap();
                body = encoder.finish().unwrap();
            }
            "zstd" => body = zstd::encode_all(&body[..], 3).unwrap(),
            "repeat" => body = body.repeat(number()),
            "cut" => body.truncate(body.len().saturating_sub(number())),
            "flip" => {
                let index = body.len() - number();
                body[index] ^= 0xff;
            }
            "append" => body.extend_from_slice(value.as_bytes()),
            "newline" => body.push(b'\n'),
            "deflate" => {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&body).unwrap();
                body = encoder.finish().unwrap();
            }
            // `\xHH` becomes that byte; every other backslash stays.
            "bytes" => body = unescape(&body),
            // `<fill>` becomes so many times the letter x.
            "fill" => body = String::from_utf8(body).unwrap().replace("<fill>", &"x".repeat(number())).into_bytes(),
            "second-member" => body.extend(gzip(value.as_bytes())),
            unknown => panic!("unknown directive {unknown}"),
        }
    }
    body
}

fn unescape(body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = body;
    while let Some((&first, after)) = rest.split_first() {
        if let Some(([high, low], after)) = rest.strip_prefix(b"\\x").and_then(|digits| digits.split_first_chunk()) {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&[*high, *low]).unwrap(), 16).unwrap());
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// When the clock of [`Clocked`] begins: 2026-11-22T00:00:00Z.
pub(crate) const START_S: i64 = 1_795_305_600;

/// A server whose clock the test sets.
pub(crate) struct Clocked {
    pub(crate) server: TestServer,
    pub(crate) clock: Arc<ManualClock>,
}

impl Clocked {
    pub(crate) async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START_S * 1_000_000_000));
        let setup = Setup { clock: Arc::<ManualClock>::clone(&clock), ..Setup::default() };
        Self { server: TestServer::with(setup).await, clock }
    }

    /// Sets the time to so many seconds after the start and runs what is due; says how many runs there were.
    pub(crate) async fn at(&self, second: i64) -> usize {
        self.clock.set_ns((START_S + second) * 1_000_000_000);
        self.server.state.run_due_jobs().await
    }
}

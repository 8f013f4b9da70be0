//! Golden HTTP cases: every `tests/golden/http/*.txt` is a conversation with a fresh server, without a socket.
//!
//! ```text
//! !mode cloud                     options of the file: mode, small-limits, not-onboarded
//!
//! === an unknown bucket           the title of a case
//! @gzip                           what is done to the body before it is sent
//! POST /api/v2/write?org=o&bucket=x
//! Authorization: Token <token>
//!
//! m f=1
//! ----
//! 404                             the answer: status, the headers of interest, a blank line, the body
//! Content-Type: application/json; charset=utf-8
//!
//! {"code":"not found","message":"bucket \"x\" not found"}
//! ```
//!
//! Directives, applied to the body in their order: `@bytes` (`\xHH` is a byte), `@fill N` (`<fill>` is N times x),
//! `@repeat N`, `@newline`, `@gzip`, `@zlib`, `@deflate`, `@zstd`, `@second-member TEXT`, `@cut N`, `@flip N` (the byte
//! N from the end is inverted), `@append TEXT`. The line breaks at the end of a body are not sent.
//!
//! In answers, ids, times and tokens are replaced by placeholders in the order of their first appearance: `<id 1>`,
//! `<time>`, `<token 1>`; the ones of the setup have names: `<org>`, `<bucket>`, `<user>`, `<auth>`, `<token>`.
//! Requests may use the same placeholders. `FRESHET_UPDATE_GOLDEN=1` writes the answers into the files instead of
//! comparing them.

#![allow(clippy::expect_used, reason = "tests")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::support::{Placeholders, TestServer, encode_body};
use axum::body::Body;
use http::{HeaderMap, Request};

/// Headers that an answer shows in the files; the others are on every answer or vary.
const HEADERS: [&str; 8] = [
    "content-type",
    "x-platform-error-code",
    "allow",
    "retry-after",
    "set-cookie",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
];

/// One case as it stands in a file.
struct Case {
    /// Comments and the title, as they are.
    head: String,
    directives: Vec<String>,
    request: String,
    answer: String,
}

fn parse_file(text: &str) -> (Vec<String>, Vec<Case>) {
    let mut parts = text.split("\n=== ");
    let options = parts.next().unwrap_or_default().lines().filter_map(|line| line.strip_prefix('!'));
    let options = options.map(str::to_owned).collect();
    let cases = parts.map(|part| {
        let (request, answer) = part.split_once("\n----\n").unwrap_or((part, ""));
        let (head, rest) = request.split_once('\n').expect("a case has a title and a request");
        let directives: Vec<String> =
            rest.lines().map_while(|line| line.strip_prefix('@')).map(str::to_owned).collect();
        let request = rest.lines().skip(directives.len()).collect::<Vec<_>>().join("\n");
        Case { head: head.to_owned(), directives, request, answer: answer.trim_end().to_owned() }
    });
    (options, cases.collect())
}

fn request(case: &Case, placeholders: &Placeholders) -> Request<Body> {
    let text = placeholders.fill(&case.request);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let (method, address) = lines.next().and_then(|line| line.split_once(' ')).expect("METHOD ADDRESS");
    let mut request = Request::builder().method(method).uri(address);
    for line in lines {
        let (name, value) = line.split_once(':').expect("Name: value");
        request = request.header(name.trim(), value.trim());
    }
    let body = encode_body(body.trim_end_matches('\n').as_bytes().to_vec(), &case.directives);
    request.body(Body::from(body)).expect("a request")
}

fn answer_text(status: u16, headers: &HeaderMap, body: &[u8], placeholders: &mut Placeholders) -> String {
    let mut text = format!("{status}\n");
    for name in HEADERS {
        for value in headers.get_all(name) {
            let _ = writeln!(text, "{name}: {}", value.to_str().expect("text"));
        }
    }
    if !body.is_empty() {
        let _ = write!(text, "\n{}", String::from_utf8_lossy(body));
    }
    placeholders.replace(text.trim_end())
}

async fn run_file(path: &Path) -> Result<(), String> {
    let update = std::env::var_os("FRESHET_UPDATE_GOLDEN").is_some();
    let text = std::fs::read_to_string(path).expect("a readable file");
    let (options, cases) = parse_file(&text);
    let server = TestServer::start(&options).await;
    let mut placeholders = server.placeholders();
    let mut failures = String::new();
    let mut updated = options.iter().map(|option| format!("!{option}\n")).collect::<String>();
    for case in &cases {
        let response = server.send(request(case, &placeholders)).await;
        for required in ["x-influxdb-build", "x-influxdb-version", "x-request-id"] {
            assert!(response.headers.contains_key(required), "{required} is missing: {}", case.head);
        }
        let answer = answer_text(response.status, &response.headers, &response.body, &mut placeholders);
        if answer != case.answer {
            let _ = write!(failures, "\n=== {}\nexpected:\n{}\ngot:\n{answer}\n", case.head, case.answer);
        }
        let directives: String = case.directives.iter().map(|directive| format!("@{directive}\n")).collect();
        let _ = write!(updated, "\n=== {}\n{directives}{}\n----\n{answer}\n", case.head, case.request);
    }
    if update {
        std::fs::write(path, updated).expect("a writable file");
        return Ok(());
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("{}:{failures}", path.display())) }
}

#[tokio::test]
async fn golden_http_cases() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/http");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of golden cases")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 5, "only {paths:?}");
    let mut failures = String::new();
    for path in paths {
        if let Err(text) = run_file(&path).await {
            failures.push_str(&text);
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

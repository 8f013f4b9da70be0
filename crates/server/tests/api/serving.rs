//! The accept loop over real sockets: TLS, HTTP/2, slow and cut-off clients, and the orderly end.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use server::{Limits, ServeConfig, TlsFiles, serve};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::support::{Setup, TOKEN, TestServer};

/// A server that listens.
struct Listening {
    address: SocketAddr,
    server: TestServer,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
}

impl Listening {
    async fn start(limits: Limits, tls: Option<TlsFiles>) -> Self {
        Self::over(TestServer::with(Setup { limits, ..Setup::default() }).await, tls).await
    }

    async fn over(server: TestServer, tls: Option<TlsFiles>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let state = server.state.clone();
        let ended = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            serve(ServeConfig { listener, tls }, state, shutdown).await.unwrap();
        });
        Self { address, server, stop: Some(stop), ended }
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

fn head(method: &str, path: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {TOKEN}\r\n{more}\r\n")
}

fn write_head(more: &str) -> String {
    head("POST", "/api/v2/write?org=o&bucket=b", more)
}

/// Sends and reads until the server closes.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
    stream.write_all(text.as_bytes()).await.unwrap();
    read_to_end(stream).await
}

async fn read_to_end(mut stream: impl AsyncRead + Unpin) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    // A reset is an end too; what came before it counts.
    let _ = read.expect("the server neither answers nor closes");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until the text is there.
async fn read_until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut answer = String::new();
    while !answer.contains(text) {
        let mut piece = [0; 1024];
        let count = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed after {answer}");
        answer.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    answer
}

#[tokio::test]
async fn requests_over_one_connection() {
    let listening = Listening::start(Limits::default(), None).await;
    let mut stream = listening.connect().await;
    for _ in 0..3 {
        stream.write_all(write_head("Content-Length: 7\r\n").as_bytes()).await.unwrap();
        stream.write_all(b"m f=1 1").await.unwrap();
        assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 204"));
    }
    let answer = exchange(stream, &head("HEAD", "/ping", "Connection: close\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 204") && answer.contains("x-influxdb-version"), "{answer}");
}

#[tokio::test]
async fn a_client_that_expects_a_refusal_need_not_send_its_body() {
    let listening = Listening::start(Limits::default(), None).await;
    let refused = "POST /api/v2/write?org=o&bucket=b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
                   Content-Length: 1000000\r\nConnection: close\r\n\r\n";
    let answer = exchange(listening.connect().await, refused).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let mut stream = listening.connect().await;
    let accepted = write_head("Expect: 100-continue\r\nContent-Length: 7\r\nConnection: close\r\n");
    stream.write_all(accepted.as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    assert!(exchange(stream, "m f=1 1").await.starts_with("HTTP/1.1 204"));
}

/// The head of a write without a token.
fn refused_head(content_length: usize) -> String {
    format!("POST /api/v2/write?org=o&bucket=b HTTP/1.1\r\nHost: x\r\nContent-Length: {content_length}\r\n\r\n")
}

/// The server once closed such connections, and the reset threw the answer away.
#[tokio::test]
async fn a_client_that_sends_on_reads_its_refusal() {
    let listening = Listening::start(Limits::default(), None).await;
    let mut stream = listening.connect().await;
    let body = vec![b'\n'; 16 << 20];
    for _ in 0..2 {
        stream.write_all(refused_head(body.len()).as_bytes()).await.unwrap();
        stream.write_all(&body).await.unwrap();
        let answer = read_until(&mut stream, "}").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    // The connection is as good as before.
    let answer = exchange(stream, &head("GET", "/ping", "Connection: close\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[tokio::test]
async fn a_refused_client_that_never_ends_is_cut() {
    let limits = Limits { body_total: Duration::from_millis(50), ..Limits::default() };
    let listening = Listening::start(limits, None).await;
    let mut stream = listening.connect().await;
    stream.write_all(refused_head(1 << 40).as_bytes()).await.unwrap();
    let endless = async { while stream.write_all(&[b'\n'; 1 << 16]).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(20), endless).await.expect("the server reads for ever");
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_at_once() {
    let listening = Listening::start(Limits::default(), None).await;
    let answer = exchange(listening.connect().await, &write_head("Content-Length: 99999999999\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn silent_connections_and_slow_heads_are_cut() {
    let brief = Duration::from_millis(50);
    let listening = Listening::start(Limits { first_request: brief, idle: brief, ..Limits::default() }, None).await;
    // Nothing, the beginning of HTTP/2, the whole of it without a request, and half a head of HTTP/1.
    let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for begun in ["", "PRI * HTT", http2, "POST /api/v2/write HTTP/1.1\r\nHost:"] {
        let mut stream = listening.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        // It ends by itself; there is nobody to answer.
        let answer = read_to_end(stream).await;
        assert!(!answer.contains("HTTP/1.1 2"), "{begun}: {answer}");
    }
    // After a request too: silence, and half a head.
    for begun in ["", "POST /api/v2/write HTTP/1.1\r\nHost:"] {
        let mut stream = listening.connect().await;
        stream.write_all((head("GET", "/ping", "") + begun).as_bytes()).await.unwrap();
        let answer = read_to_end(stream).await;
        assert_eq!(answer.matches("HTTP/1.1 2").count(), 1, "{begun}: {answer}");
    }
}

#[tokio::test]
async fn requests_may_be_longer_apart_than_the_first_from_the_opening() {
    let brief = Duration::from_millis(50);
    let listening = Listening::start(Limits { first_request: brief, ..Limits::default() }, None).await;
    let mut stream = listening.connect().await;
    stream.write_all(head("GET", "/ping", "").as_bytes()).await.unwrap();
    read_until(&mut stream, "\r\n\r\n").await;
    let mut byte = [0];
    assert!(tokio::time::timeout(4 * brief, stream.read(&mut byte)).await.is_err(), "the connection was closed");
    let answer = exchange(stream, &head("GET", "/ping", "Connection: close\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[tokio::test]
async fn heads_have_a_limit() {
    let listening = Listening::start(Limits::default(), None).await;
    let long = format!("X-Long: {}\r\nConnection: close\r\n", "x".repeat(100 << 10));
    let answer = exchange(listening.connect().await, &head("GET", "/ping", &long)).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    let mut stream = listening.connect().await;
    let endless = format!("GET /ping HTTP/1.1\r\nHost: x\r\nX-Long: {}", "x".repeat(256 << 10));
    // The server may close before it has taken all of it.
    let _ = stream.write_all(endless.as_bytes()).await;
    let answer = read_to_end(stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn slow_bodies_are_answered_408() {
    let limits = Limits { body_stall: Duration::from_millis(50), ..Limits::default() };
    let listening = Listening::start(limits, None).await;
    let answer = exchange(listening.connect().await, &(write_head("Content-Length: 100\r\n") + "m f=1 1\n")).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"request timeout\""), "{answer}");
}

#[tokio::test]
async fn cut_off_clients_store_nothing_and_free_everything() {
    let listening = Listening::start(Limits::default(), None).await;
    for _ in 0..20 {
        let mut stream = listening.connect().await;
        stream.write_all((write_head("Content-Length: 100\r\n") + "m f=1 1\n").as_bytes()).await.unwrap();
    }
    loop {
        let metrics = listening.server.call("GET", "/metrics", "").await.text();
        let has = |line: &str| metrics.lines().any(|candidate| candidate == line);
        if has("http_connections 0") && has("freshet_body_bytes 0") && has("http_api_requests_in_flight 1") {
            break;
        }
        tokio::task::yield_now().await;
    }
    let tables = "SELECT count(*) AS n FROM information_schema.tables WHERE table_name = 'm'";
    assert_eq!(listening.server.query(tables).await, serde_json::json!([{ "n": 0 }]));
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let listening = Listening::start(Limits { connections: 1, ..Limits::default() }, None).await;
    let mut first = listening.connect().await;
    first.write_all(head("GET", "/ping", "").as_bytes()).await.unwrap();
    read_until(&mut first, "\r\n\r\n").await;
    let mut second = listening.connect().await;
    second.write_all(head("GET", "/ping", "Connection: close\r\n").as_bytes()).await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(50), second.read(&mut byte)).await;
    assert!(early.is_err(), "the second connection was served beside the first");
    drop(first);
    let answer = read_to_end(second).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_takes_no_new_ones() {
    let mut listening = Listening::start(Limits::default(), None).await;
    let mut idle = listening.connect().await;
    idle.write_all(head("GET", "/ping", "").as_bytes()).await.unwrap();
    read_until(&mut idle, "\r\n\r\n").await;
    let mut writing = listening.connect().await;
    let text = write_head("Expect: 100-continue\r\nContent-Length: 15\r\n");
    writing.write_all(text.as_bytes()).await.unwrap();
    // The server has begun to read the body.
    read_until(&mut writing, "\r\n\r\n").await;
    writing.write_all(b"m f=1 1\n").await.unwrap();

    listening.stop();
    assert_eq!(read_to_end(idle).await, "", "an idle connection is closed");
    while TcpStream::connect(listening.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!listening.ended.is_finished());
    writing.write_all(b"m f=2 2").await.unwrap();
    let answer = read_to_end(writing).await;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    listening.ended.await.unwrap();
    assert_eq!(listening.server.query("SELECT count(*) AS n FROM m").await, serde_json::json!([{ "n": 2 }]));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let limits = Limits { drain: Duration::from_millis(100), ..Limits::default() };
    let mut listening = Listening::start(limits, None).await;
    let mut stuck = listening.connect().await;
    stuck.write_all(write_head("Expect: 100-continue\r\nContent-Length: 15\r\n").as_bytes()).await.unwrap();
    read_until(&mut stuck, "\r\n\r\n").await;
    listening.stop();
    listening.ended.await.unwrap();
    assert_eq!(read_to_end(stuck).await, "");
}

/// A crash may come between the two.
#[tokio::test]
async fn points_of_a_bucket_that_was_deleted_before_the_start_are_dropped() {
    let server = TestServer::start(&[]).await;
    assert_eq!(server.write("m f=1 1").await.status, 204);
    let bucket = server.named("bucket").parse().unwrap();
    server.state.catalog().delete_bucket(bucket).await.unwrap();
    let tables = async |state: &server::AppState| state.engine().snapshot(bucket, None).await.unwrap().tables().count();
    assert_eq!(tables(&server.state).await, 1);
    let listening = Listening::over(server, None).await;
    while !listening.server.state.catalog().dropped_buckets().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(tables(&listening.server.state).await, 0);
}

#[tokio::test]
async fn http2_without_tls() {
    let listening = Listening::start(Limits::default(), None).await;
    let stream = TokioIo::new(listening.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let connection = tokio::spawn(connection);
    for number in 0..3 {
        let request = Request::builder().method("POST").uri("http://x/api/v2/write?org=o&bucket=b");
        let request = request.header("authorization", format!("Token {TOKEN}"));
        let response = sender.send_request(request.body(Body::from(format!("m f={number} {number}"))).unwrap()).await;
        assert_eq!(response.unwrap().status(), 204);
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    assert_eq!(listening.server.query("SELECT count(*) AS n FROM m").await, serde_json::json!([{ "n": 3 }]));
}

struct Identity {
    files: TlsFiles,
    roots: RootCertStore,
    _directory: tempfile::TempDir,
}

fn identity() -> Identity {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    Identity { files, roots, _directory: directory }
}

fn connector(roots: RootCertStore, protocol: &[u8]) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn tls() {
    let identity = identity();
    let listening = Listening::start(Limits::default(), Some(identity.files.clone())).await;
    let name = || ServerName::try_from("localhost").unwrap();
    let connector_1 = connector(identity.roots.clone(), b"http/1.1");
    let stream = connector_1.connect(name(), listening.connect().await).await.unwrap();
    let text = write_head("Content-Length: 7\r\nConnection: close\r\n") + "m f=1 1";
    assert!(exchange(stream, &text).await.starts_with("HTTP/1.1 204"));

    // A cookie that was given over TLS never travels without.
    let stream = connector_1.connect(name(), listening.connect().await).await.unwrap();
    let signin = "POST /api/v2/signin HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpwYXNzd29yZDE=\r\n\
                  Connection: close\r\n\r\n";
    let answer = exchange(stream, signin).await;
    assert!(answer.contains("HttpOnly; Secure; SameSite=Strict"), "{answer}");

    let connector_2 = connector(identity.roots, b"h2");
    let stream = connector_2.connect(name(), listening.connect().await).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    // Nobody speaks to this port without TLS, and strangers do not trust its certificate.
    let answer = exchange(listening.connect().await, &head("GET", "/ping", "Connection: close\r\n")).await;
    assert!(!answer.contains("HTTP/1.1 204"), "{answer}");
    let stranger = connector(RootCertStore::empty(), b"http/1.1");
    assert!(stranger.connect(name(), listening.connect().await).await.is_err());
    assert_eq!(listening.server.query("SELECT f FROM m").await, serde_json::json!([{ "f": 1.0 }]));
}

#[tokio::test]
async fn without_tls_a_cookie_is_not_marked_secure() {
    let listening = Listening::start(Limits::default(), None).await;
    let signin = "POST /api/v2/signin HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dTpwYXNzd29yZDE=\r\n\
                  Connection: close\r\n\r\n";
    let answer = exchange(listening.connect().await, signin).await;
    assert!(answer.contains("HttpOnly; SameSite=Strict"), "{answer}");
}

#[tokio::test]
async fn failed_signins_of_one_address_have_to_wait() {
    let limits = Limits { signin_free_failures: 2, ..Limits::default() };
    let listening = Listening::start(limits, None).await;
    let signin = |credentials: &str| {
        format!(
            "POST /api/v2/signin HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\nConnection: close\r\n\r\n"
        )
    };
    let mut last = String::new();
    for _ in 0..4 {
        last = exchange(listening.connect().await, &signin("dTp3cm9uZ3Bhc3M=")).await;
    }
    assert!(last.starts_with("HTTP/1.1 429") && last.contains("retry-after: "), "{last}");
    // The right password has to wait too, so that an attacker learns nothing.
    let right = exchange(listening.connect().await, &signin("dTpwYXNzd29yZDE=")).await;
    assert!(right.starts_with("HTTP/1.1 429"), "{right}");
}

/// A client that sends the password of a user of 1.x with every write: what was right is remembered, and guessing from
/// its address is slowed all the same.
#[tokio::test]
async fn failed_passwords_of_influxdb_1_have_to_wait() {
    let limits = Limits { signin_free_failures: 2, ..Limits::default() };
    let listening = Listening::start(limits, None).await;
    for query in ["CREATE+USER+ada+WITH+PASSWORD+'right'", "GRANT+ALL+ON+b+TO+ada"] {
        assert_eq!(listening.server.call("POST", &format!("/query?q={query}"), "").await.status, 200);
    }
    let write = |password: &str| {
        let head = format!("POST /write?db=b&u=ada&p={password} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        format!("{head}Content-Length: 7\r\n\r\nm f=1 1")
    };
    assert!(exchange(listening.connect().await, &write("right")).await.starts_with("HTTP/1.1 204 "));
    let mut last = String::new();
    for _ in 0..4 {
        last = exchange(listening.connect().await, &write("wrong")).await;
    }
    assert!(last.starts_with("HTTP/1.1 429 ") && last.contains("retry-after: "), "{last}");
    assert!(exchange(listening.connect().await, &write("right")).await.starts_with("HTTP/1.1 204 "));
    let changed = listening.server.call("POST", "/query?q=SET+PASSWORD+FOR+ada+=+'other'", "").await;
    assert_eq!(changed.status, 200);
    assert!(exchange(listening.connect().await, &write("right")).await.starts_with("HTTP/1.1 429 "));
}

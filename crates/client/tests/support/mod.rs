//! An HTTP server in the test's process: answers from a list, remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Method, Request, Response, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// What the server does with a request.
#[derive(Clone)]
pub enum Answer {
    /// Answers with a status, headers and a body.
    Http(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Resets the connection without an answer.
    Reset,
    /// Never answers.
    Hang,
}

/// A request as it came.
#[derive(Debug)]
pub struct Seen {
    pub method: Method,
    pub path_and_query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Seen {
    /// A header's value as text, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

/// The server; it ends with the test's runtime.
pub struct TestServer {
    /// `http://` or `https://` with address and port.
    pub url: String,
    /// What was asked.
    pub seen: mpsc::UnboundedReceiver<Seen>,
}

struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    seen: mpsc::UnboundedSender<Seen>,
}

impl TestServer {
    /// A server that gives these answers in turn, and 204 after them.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::listen(answers.into_iter().collect(), None).await
    }

    /// The same with TLS.
    pub async fn start_tls(config: rustls::ServerConfig) -> Self {
        Self::listen(VecDeque::new(), Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(answers: VecDeque<Answer>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, seen) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { answers: Mutex::new(answers), seen: sender });
        let scheme = if tls.is_some() { "https" } else { "http" };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Closing such a connection resets it.
                stream.set_zero_linger().unwrap();
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, shared).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, shared).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url: format!("{scheme}://localhost:{port}").replace("http://localhost", "http://127.0.0.1"), seen }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    // An error is what a test asked for.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Full<Bytes>>, io::Error> {
    let (parts, body) = request.into_parts();
    let seen = Seen {
        method: parts.method,
        path_and_query: parts.uri.to_string(),
        headers: parts.headers,
        body: body.collect().await.map_err(io::Error::other)?.to_bytes(),
    };
    let _ = shared.seen.send(seen);
    let answer = shared.answers.lock().unwrap().pop_front();
    match answer.unwrap_or(Answer::Http(204, Vec::new(), "")) {
        Answer::Http(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            Ok(response.body(Full::from(body)).unwrap())
        }
        Answer::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        Answer::Hang => Ok(std::future::pending::<Result<_, Infallible>>().await.unwrap()),
    }
}

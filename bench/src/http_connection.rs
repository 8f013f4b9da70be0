//! One keep-alive HTTP/1.1 connection to a server on this machine: as little work as possible beside the server's own.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::BenchError;

/// Longer than any server takes for a batch; then the request counts as failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// What is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: hyper::Method,
    /// Path and query string.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    pub(crate) fn post(path: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { method: hyper::Method::POST, path: path.into(), body: body.into(), ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The connection; opened at the first request, and again after the server closed it.
pub(crate) struct Connection {
    port: u16,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) fn to(port: u16) -> Self {
        Self { port, sender: None }
    }

    /// Sends one request and reads the whole answer.
    pub(crate) async fn send(&mut self, call: &Call) -> Result<Answer, BenchError> {
        let answer = timeout(REQUEST_TIMEOUT, self.send_untimed(call)).await;
        let answer = answer.unwrap_or_else(|_| Err(BenchError::Network(std::io::ErrorKind::TimedOut.into())));
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn send_untimed(&mut self, call: &Call) -> Result<Answer, BenchError> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.open().await?,
        };
        sender.ready().await?;
        let mut builder = Request::builder()
            .method(call.method.clone())
            .uri(&call.path)
            .header("host", format!("127.0.0.1:{}", self.port));
        for (name, value) in &call.headers {
            builder = builder.header(*name, value);
        }
        let request = builder.body(Full::new(call.body.clone())).map_err(std::io::Error::other)?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        self.sender = Some(sender);
        Ok(Answer { status, body })
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, BenchError> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the connection; its error shows at the next request.
        tokio::spawn(connection);
        Ok(sender)
    }
}

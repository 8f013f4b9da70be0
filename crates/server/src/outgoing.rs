//! Requests to other servers: notifications, what scripts send, and remote templates. All of them go through this
//! door, which bounds how many there are, how long they take, where they are sent on to, and how much of an answer is
//! read.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::sync::{OnceCell, Semaphore};

use crate::limits::{
    OUTGOING_ANSWER_BYTES, OUTGOING_AT_ONCE, OUTGOING_CONNECT_TIME, OUTGOING_REDIRECTS, OUTGOING_TIME,
};

/// Why there is no answer. Addresses may hold secrets, so no text names more than their hosts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutgoingError {
    /// The address is none, or of another protocol.
    #[error("the address must begin with http:// or https:// and a host")]
    Address,
    /// A header cannot be sent.
    #[error("the header {0:?} cannot be sent")]
    Header(String),
    /// The answer took too long.
    #[error("{host} did not answer within {} s", OUTGOING_TIME.as_secs())]
    Timeout {
        /// The other server.
        host: String,
    },
    /// The answer is too long.
    #[error("the answer of {host} is longer than {limit} bytes")]
    TooLong {
        /// The other server.
        host: String,
        /// What is read at most.
        limit: usize,
    },
    /// It cannot be reached, or what it says is no HTTP.
    #[error("no answer of {host}: {cause}")]
    Failed {
        /// The other server.
        host: String,
        /// Why, from the outside to the root.
        cause: String,
    },
    /// There is no client.
    #[error("no requests can be sent: {0}")]
    Client(String),
}

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Bytes of the answer that are read; one that is longer is an error.
    pub(crate) answer_bytes: usize,
}

impl Request {
    /// A request of a script or notification, of whose answer only the status counts.
    pub(crate) fn notification(
        method: Method,
        url: String,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Self, OutgoingError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let wrong = || OutgoingError::Header(name.clone());
            let value = value.parse().map_err(|_| wrong())?;
            map.append(http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?, value);
        }
        let answer_bytes = OUTGOING_ANSWER_BYTES;
        Ok(Self { method, url, headers: map, body: body.into(), answer_bytes })
    }
}

/// The door. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// Made when it is first needed.
    client: Arc<OnceCell<Client>>,
    places: Arc<Semaphore>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { client: Arc::default(), places: Arc::new(Semaphore::new(OUTGOING_AT_ONCE)) }
    }
}

fn client() -> Result<Client, OutgoingError> {
    Client::builder()
        .user_agent(concat!("freshet/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(OUTGOING_CONNECT_TIME)
        .timeout(OUTGOING_TIME)
        .redirect(Policy::limited(OUTGOING_REDIRECTS))
        .build()
        .map_err(|error| OutgoingError::Client(causes(&error)))
}

/// An error with all of its causes; where it went to stands elsewhere.
fn causes(error: &dyn std::error::Error) -> String {
    let all = std::iter::successors(Some(error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<String>>().join(": ")
}

impl Outgoing {
    /// Sends a request and reads the answer: its status and its body.
    pub(crate) async fn send(&self, request: Request) -> Result<(u16, Bytes), OutgoingError> {
        let url = Url::parse(&request.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or(OutgoingError::Address)?;
        let host = url.host_str().ok_or(OutgoingError::Address)?.to_owned();
        let failed = |error: reqwest::Error| {
            let host = host.clone();
            if error.is_timeout() {
                OutgoingError::Timeout { host }
            } else {
                OutgoingError::Failed { host, cause: causes(&error.without_url()) }
            }
        };
        let client = self.client.get_or_try_init(async || client()).await?;
        // The semaphore is never closed.
        let _place = self.places.acquire().await.map_err(|error| OutgoingError::Client(error.to_string()))?;
        let sent = client.request(request.method, url).headers(request.headers).body(request.body).send();
        let mut response = sent.await.map_err(failed)?;
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            if body.len() + piece.len() > request.answer_bytes {
                return Err(OutgoingError::TooLong { host, limit: request.answer_bytes });
            }
            body.extend_from_slice(&piece);
        }
        Ok((response.status().as_u16(), body.freeze()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::{get, post};

    use super::*;

    /// A server, and where it is.
    async fn server() -> String {
        let router = Router::new()
            .route(
                "/echo",
                post(|headers: HeaderMap, body: String| async move { format!("{:?} {body}", headers.get("x")) }),
            )
            .route("/round", get(|| async { Redirect::temporary("/round") }))
            .route("/away", get(|| async { Redirect::temporary("ftp://localhost/x") }))
            .route("/once", get(|| async { Redirect::temporary("/long") }))
            .route("/long", get(|| async { "x".repeat(OUTGOING_ANSWER_BYTES + 1) }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    async fn ask(method: Method, url: String, headers: &[(String, String)]) -> Result<(u16, Bytes), OutgoingError> {
        let request = Request::notification(method, url, headers, b"text".to_vec())?;
        Outgoing::default().send(request).await
    }

    #[tokio::test]
    async fn what_is_sent_arrives_and_what_comes_back_is_bounded() {
        let server = server().await;
        let header = [("x".to_owned(), "y".to_owned())];
        let (status, body) = ask(Method::POST, format!("{server}/echo"), &header).await.unwrap();
        assert_eq!((status, &*body), (200, &b"Some(\"y\") text"[..]));
        assert_eq!(ask(Method::GET, format!("{server}/nowhere"), &[]).await.unwrap().0, 404);
        for path in ["/round", "/away"] {
            let error = ask(Method::GET, format!("{server}{path}"), &[]).await.unwrap_err();
            assert!(matches!(error, OutgoingError::Failed { .. }), "{path}: {error}");
        }
        let error = ask(Method::GET, format!("{server}/once"), &[]).await.unwrap_err();
        assert!(matches!(error, OutgoingError::TooLong { .. }), "{error}");
    }

    #[tokio::test]
    async fn only_http_is_spoken_and_no_address_is_told() {
        for url in ["", "/x", "file:///etc/passwd", "ftp://a/b", "http://", "data:,x", "unix:/run/x"] {
            let error = ask(Method::GET, url.to_owned(), &[]).await.unwrap_err();
            assert!(matches!(error, OutgoingError::Address), "{url}: {error}");
        }
        let header = [("a\nb".to_owned(), "c".to_owned())];
        assert!(matches!(ask(Method::GET, "http://a".to_owned(), &header).await, Err(OutgoingError::Header(_))));
        let header = [("a".to_owned(), "b\nc".to_owned())];
        assert!(matches!(ask(Method::GET, "http://a".to_owned(), &header).await, Err(OutgoingError::Header(_))));
        // Nobody listens on port 1.
        let error = ask(Method::GET, "http://user:secret@127.0.0.1:1/hidden".to_owned(), &[]).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("no answer of 127.0.0.1: ") && !text.contains("secret") && !text.contains("hidden"),
            "{text}"
        );
    }
}

//! The client: where the server is, who calls, and how a request is sent and its answer read within limits.
//!
//! The operations stand in `write`, `query` and `admin`. Redirects are never followed: a redirected POST may turn
//! into a GET that succeeds without having written anything.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, RequestBuilder, Response, Url};

use crate::error::{BoxedCause, Rejection, RequestError};

/// Time limit of a request where the caller sets none. A server that syncs before it answers may take seconds under
/// load; the JavaScript client's 10 s made it send batches twice.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Time limit of a query where the caller sets none, until the last byte of its answer.
const QUERY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);

/// A host that does not answer a connection attempt by then is down.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(10);

/// How much of an answer is held in memory where the caller sets no limit.
const ANSWER_BYTES_MAX_DEFAULT: usize = 256 << 20;

/// How much of a refusal's body is read: its JSON is far smaller.
const REJECTION_BYTES_MAX: usize = 64 << 10;

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The URL cannot be parsed.
    #[error("the server's URL is not valid")]
    InvalidUrl {
        /// What is wrong with it.
        #[source]
        source: BoxedCause,
    },
    /// The URL is not one that a server can have.
    #[error("the server's URL {reason}")]
    UnsuitableUrl {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The token has characters that a header cannot hold.
    #[error("the token has characters that an HTTP header cannot hold")]
    InvalidToken,
    /// The PEM text is damaged or has no certificate in it.
    #[error("no root certificate could be read from the PEM text")]
    InvalidCertificate {
        /// What is wrong with it, where something could be read at all.
        #[source]
        source: Option<BoxedCause>,
    },
    /// The HTTP library could not be set up.
    #[error("the HTTP client could not be set up")]
    Setup {
        /// What it reported.
        #[source]
        source: BoxedCause,
    },
}

/// Settings of a [`Client`], made by [`Client::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone)]
pub struct ClientBuilder {
    url: String,
    token: Option<String>,
    timeout: Duration,
    query_timeout: Duration,
    root_certificates_pem: Vec<Vec<u8>>,
    gzip: bool,
    answer_bytes_max: usize,
    environment_proxy: bool,
    accept_any_certificate: bool,
}

impl ClientBuilder {
    /// Sets the token that each request carries as `Authorization: Token …`.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Limits the time of each request except queries, from connecting to the last byte of the answer; 30 s if not
    /// set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Limits the time of each query, until the last byte of its answer has been read; 5 minutes if not set.
    pub fn query_timeout(mut self, query_timeout: Duration) -> Self {
        self.query_timeout = query_timeout;
        self
    }

    /// Trusts the certificates in a PEM text, besides those that the system trusts. May be called more than once.
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates_pem.push(pem.into());
        self
    }

    /// Compresses bodies of writes that leave their encoding open and have at least 1,000 bytes; off if not set.
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.gzip = gzip;
        self
    }

    /// Limits how many bytes of an answer the client holds in memory; 256 MiB if not set. Streams are not limited.
    pub fn answer_bytes_max(mut self, answer_bytes_max: usize) -> Self {
        self.answer_bytes_max = answer_bytes_max;
        self
    }

    /// Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` of the environment count; they do if not set.
    pub fn environment_proxy(mut self, environment_proxy: bool) -> Self {
        self.environment_proxy = environment_proxy;
        self
    }

    /// Whether any certificate of the server is taken, also an expired one or that of somebody in between; off if not
    /// set. Nothing that is sent is safe then.
    pub fn accept_any_certificate(mut self, accept_any_certificate: bool) -> Self {
        self.accept_any_certificate = accept_any_certificate;
        self
    }

    /// The client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A URL, token or certificate that cannot be used, see [`BuildError`].
    pub fn build(self) -> Result<Client, BuildError> {
        let endpoints = Endpoints::new(&self.url)?;
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let mut value =
                HeaderValue::from_str(&format!("Token {token}")).map_err(|_invalid| BuildError::InvalidToken)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("freshet-client/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(self.timeout.min(CONNECT_TIMEOUT_MAX))
            .redirect(reqwest::redirect::Policy::none())
            .danger_accept_invalid_certs(self.accept_any_certificate);
        for pem in &self.root_certificates_pem {
            for certificate in certificates(pem)? {
                builder = builder.add_root_certificate(certificate);
            }
        }
        if !self.environment_proxy {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|source| BuildError::Setup { source: source.into() })?;
        Ok(Client {
            inner: Arc::new(Inner {
                http,
                endpoints,
                gzip: self.gzip,
                timeout: self.timeout,
                query_timeout: self.query_timeout,
                answer_bytes_max: self.answer_bytes_max,
            }),
        })
    }
}

/// Without the token.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientBuilder").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, BuildError> {
    match Certificate::from_pem_bundle(pem) {
        Ok(certificates) if certificates.is_empty() => Err(BuildError::InvalidCertificate { source: None }),
        Ok(certificates) => Ok(certificates),
        Err(source) => Err(BuildError::InvalidCertificate { source: Some(source.into()) }),
    }
}

/// The URLs of the operations, joined once.
pub(crate) struct Endpoints {
    /// With a slash at its end.
    pub(crate) base: Url,
    pub(crate) write: Url,
    pub(crate) query: Url,
    pub(crate) query_explain: Url,
    pub(crate) query_sql: Url,
    pub(crate) query_influxql: Url,
    pub(crate) health: Url,
    pub(crate) ping: Url,
    pub(crate) flush: Url,
    pub(crate) compact: Url,
    pub(crate) delete: Url,
    pub(crate) backup: Url,
    pub(crate) export: Url,
}

impl Endpoints {
    fn new(url: &str) -> Result<Self, BuildError> {
        let unsuitable = |reason| Err(BuildError::UnsuitableUrl { reason });
        let mut base = Url::parse(url).map_err(|source| BuildError::InvalidUrl { source: source.into() })?;
        if !matches!(base.scheme(), "http" | "https") {
            return unsuitable("does not start with http:// or https://");
        }
        if !base.username().is_empty() || base.password().is_some() {
            return unsuitable("has a user name or password in it; use the token");
        }
        if base.query().is_some() || base.fragment().is_some() {
            return unsuitable("has a query or fragment");
        }
        // Without a slash at its end the last segment of the path would be replaced instead of followed.
        let directory = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&directory);
        let join = |path| base.join(path).map_err(|source| BuildError::InvalidUrl { source: source.into() });
        Ok(Self {
            write: join("api/v2/write")?,
            query: join("api/v2/query")?,
            query_sql: join("api/v3/query_sql")?,
            query_explain: join("api/v2/query/explain")?,
            query_influxql: join("api/v3/query_influxql")?,
            health: join("health")?,
            ping: join("ping")?,
            flush: join("api/freshet/v1/flush")?,
            compact: join("api/freshet/v1/compact")?,
            delete: join("api/v2/delete")?,
            backup: join("api/freshet/v1/backup")?,
            export: join("api/freshet/v1/export")?,
            base: base.clone(),
        })
    }
}

/// A client of one server. Clones are cheap and share the connections.
///
/// ```
/// use freshet_client::Client;
///
/// let client = Client::builder("http://127.0.0.1:8086").token("my-token").gzip(true).build()?;
/// # drop(client);
/// # Ok::<(), freshet_client::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    endpoints: Endpoints,
    gzip: bool,
    timeout: Duration,
    query_timeout: Duration,
    answer_bytes_max: usize,
}

/// Without the token.
impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write_url = self.inner.endpoints.write.as_str();
        formatter.debug_struct("Client").field("write_url", &write_url).finish_non_exhaustive()
    }
}

impl Client {
    /// Starts the settings of a client for the server at `url`, for example `https://host:8086`. A path is kept, for
    /// servers behind a proxy.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            token: None,
            timeout: TIMEOUT_DEFAULT,
            query_timeout: QUERY_TIMEOUT_DEFAULT,
            root_certificates_pem: Vec::new(),
            gzip: false,
            answer_bytes_max: ANSWER_BYTES_MAX_DEFAULT,
            environment_proxy: true,
            accept_any_certificate: false,
        }
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.inner.endpoints
    }

    pub(crate) fn gzip(&self) -> bool {
        self.inner.gzip
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.inner.timeout
    }

    pub(crate) fn query_timeout(&self) -> Duration {
        self.inner.query_timeout
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.inner.http.get(url)
    }

    /// Of any address; one that is none is an error where the request is sent.
    pub(crate) fn get_any(&self, url: &str) -> RequestBuilder {
        self.inner.http.get(url)
    }

    pub(crate) fn post(&self, url: Url) -> RequestBuilder {
        self.inner.http.post(url)
    }

    pub(crate) fn method(&self, method: reqwest::Method, url: Url) -> RequestBuilder {
        self.inner.http.request(method, url)
    }

    /// Sends a request and returns the answer, whatever its status, as soon as its headers are there.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, RequestError> {
        Ok(request.send().await?)
    }

    /// Reads the whole body, within the client's limit.
    pub(crate) async fn read_answer(&self, mut response: Response) -> Result<Bytes, RequestError> {
        let limit_bytes = self.inner.answer_bytes_max;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > limit_bytes {
                return Err(RequestError::AnswerTooLarge { limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// Turns an answer that is no success into an error. The status decides, so a body that breaks off, or is too
    /// long, counts as far as it was read.
    pub(crate) async fn rejection(&self, mut response: Response) -> RequestError {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = REJECTION_BYTES_MAX - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == REJECTION_BYTES_MAX {
                break;
            }
        }
        Rejection::from_parts(response.status(), response.headers(), &body, system_time()).into()
    }
}

/// The only clock of this crate that is not tokio's.
#[expect(clippy::disallowed_methods, reason = "a client stamps points with its own machine's time; tests inject it")]
pub(crate) fn system_time() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{BuildError, Client, Endpoints};

    #[test]
    fn a_path_in_the_url_is_kept() {
        for (url, expected) in [
            ("http://host", "http://host/api/v2/write"),
            ("http://host:8086/", "http://host:8086/api/v2/write"),
            ("https://host/influx", "https://host/influx/api/v2/write"),
            ("https://host/a/b//", "https://host/a/b/api/v2/write"),
            ("http://[::1]:8086", "http://[::1]:8086/api/v2/write"),
        ] {
            assert_eq!(Endpoints::new(url).unwrap().write.as_str(), expected);
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_before_anything_is_sent() {
        let build = |url: &str| Client::builder(url).build();
        assert!(matches!(build("not a url"), Err(BuildError::InvalidUrl { .. })));
        assert!(matches!(build(""), Err(BuildError::InvalidUrl { .. })));
        for url in ["ftp://host", "localhost:8086", "http://me:secret@host", "http://host?org=x", "http://host#top"] {
            assert!(matches!(build(url), Err(BuildError::UnsuitableUrl { .. })), "{url}");
        }
        let builder = Client::builder("http://host");
        assert!(matches!(builder.clone().token("a\nb").build(), Err(BuildError::InvalidToken)));
        for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(builder.clone().root_certificate_pem(pem).build().is_err(), "{pem}");
        }
    }

    #[test]
    fn the_token_does_not_show() {
        let builder = Client::builder("http://host").token("very-secret");
        assert!(!format!("{builder:?}").contains("very-secret"));
        assert!(!format!("{:?}", builder.build().unwrap()).contains("very-secret"));
    }
}

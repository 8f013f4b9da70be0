//! What can go wrong in a request: one enum per operation, all built on [`RequestError`].
//!
//! Errors never hold the token, nor the URL that a request was sent to.

use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde::Deserialize;

/// The cause below an error, of whatever library it comes from.
pub type BoxedCause = Box<dyn std::error::Error + Send + Sync>;

/// An error with all causes below it, on one line. [`fmt::Display`] of an error itself names only the topmost.
pub(crate) struct WithCauses<'a>(pub(crate) &'a (dyn std::error::Error + 'static));

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// A message from a server is cut to this length, so that a web page sent by mistake does not fill a log.
const MESSAGE_BYTES_MAX: usize = 4096;

/// An answer by which the server refused a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Rejection {
    /// The HTTP status, for example 404.
    pub status: u16,
    /// The error code of the v2 API, for example `not found`; older and other servers may send none.
    pub code: Option<String>,
    /// What the server said: `message` of the JSON body, else its `error` (v1 and v3), else the header
    /// `X-Influxdb-Error`, else the body as text, else the name of the status.
    pub message: String,
    /// How long the server asked the client to wait (`Retry-After`, in seconds or as a date).
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Rejection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the server answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(formatter, " ({code})")?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// The error bodies of the three API generations, all fields optional.
#[derive(Default, Deserialize)]
struct ErrorBody {
    code: Option<String>,
    message: Option<String>,
    error: Option<String>,
}

impl Rejection {
    /// Reads the parts of an answer; `now` turns a `Retry-After` that is a date into a duration.
    pub(crate) fn from_parts(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let parsed: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
        let text = || Some(String::from_utf8_lossy(body).trim().to_owned()).filter(|text| !text.is_empty());
        let mut message = parsed
            .message
            .or(parsed.error)
            .or_else(|| header("x-influxdb-error"))
            .or_else(text)
            .unwrap_or_else(|| status.canonical_reason().unwrap_or("no message").to_owned());
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        Self {
            status: status.as_u16(),
            code: parsed.code.or_else(|| header("x-platform-error-code")),
            message,
            retry_after: header(RETRY_AFTER.as_str()).and_then(|value| parse_retry_after(&value, now)),
        }
    }

    /// Whether the same request may succeed later: 408, 429, and all of 5xx but 501 and 505.
    ///
    /// A 500 is among them because InfluxDB answers it for time-outs and full caches.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..=599) && !matches!(self.status, 501 | 505)
    }
}

/// `Retry-After` of RFC 9110, section 10.2.3: a number of seconds or an HTTP date; a date gone by means "now".
fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = SystemTime::from(DateTime::parse_from_rfc2822(value).ok()?);
    Some(date.duration_since(now).unwrap_or_default())
}

/// A request that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server refused the request.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// No complete answer came within the time limit; the server may or may not have done its work.
    #[error("the server did not answer in time")]
    Timeout {
        /// What the HTTP library reported.
        #[source]
        source: BoxedCause,
    },
    /// The connection could not be made, or broke; the server may or may not have done its work.
    #[error("the connection to the server failed")]
    Transport {
        /// What the HTTP library reported.
        #[source]
        source: BoxedCause,
    },
    /// The answer is longer than the client may hold, see [`ClientBuilder::answer_bytes_max`].
    ///
    /// [`ClientBuilder::answer_bytes_max`]: crate::ClientBuilder::answer_bytes_max
    #[error("the server's answer is longer than {limit_bytes} bytes")]
    AnswerTooLarge {
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The server said that all is well, in a form that this client does not know.
    #[error("the server's answer is not in the expected form")]
    MalformedAnswer {
        /// Where the answer stops to be what was expected.
        #[source]
        source: serde_json::Error,
    },
}

impl RequestError {
    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Rejected(rejection) => rejection.is_retryable(),
            Self::Timeout { .. } | Self::Transport { .. } => true,
            Self::AnswerTooLarge { .. } | Self::MalformedAnswer { .. } => false,
        }
    }

    /// The server's refusal, where there is one.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Rejected(rejection) => Some(rejection),
            _ => None,
        }
    }
}

impl From<reqwest::Error> for RequestError {
    /// Without the URL, which says nothing that the caller does not know and may end in logs.
    fn from(error: reqwest::Error) -> Self {
        let timeout = error.is_timeout();
        let source = Box::new(error.without_url());
        if timeout { Self::Timeout { source } } else { Self::Transport { source } }
    }
}

/// A write that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The request failed. A rejection with status 422 means that some of the points were stored.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The body could not be compressed, because the runtime is shutting down.
    #[error("the body could not be compressed")]
    Compress {
        /// What went wrong.
        #[source]
        source: BoxedCause,
    },
}

impl WriteError {
    /// Whether the same write may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Request(error) => error.is_retryable(),
            Self::Compress { .. } => false,
        }
    }

    /// The server's refusal, where there is one.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Request(error) => error.rejection(),
            Self::Compress { .. } => None,
        }
    }

    /// How long the server asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.rejection().and_then(|rejection| rejection.retry_after)
    }

    /// Whether the server found the body too large (413): half of it may pass.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.rejection().is_some_and(|rejection| rejection.status == 413)
    }
}

/// A query that did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The request failed.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A row of the answer is not a JSON object.
    #[error("row {row} of the answer is not a JSON object")]
    MalformedRow {
        /// The number of the row, from 1.
        row: usize,
        /// Where it stops to be one.
        #[source]
        source: serde_json::Error,
    },
}

impl QueryError {
    /// Whether the same query may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Request(error) => error.is_retryable(),
            Self::MalformedRow { .. } => false,
        }
    }

    /// The server's refusal, where there is one.
    #[must_use]
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Request(error) => error.rejection(),
            Self::MalformedRow { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;

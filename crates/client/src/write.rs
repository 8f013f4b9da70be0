//! One write: the request as InfluxDB's v2 API defines it, and its way to `POST /api/v2/write`.
//!
//! A write is tried once; [`BatchWriter`](crate::BatchWriter) is the part that batches and retries.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};

use crate::client::Client;
use crate::compress::{self, GZIP_BYTES_MIN};
use crate::error::WriteError;

/// The unit of the times in a body of line protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// `ns`, what servers assume where none is given.
    #[default]
    Nanoseconds,
    /// `us`
    Microseconds,
    /// `ms`
    Milliseconds,
    /// `s`
    Seconds,
}

/// The name of a unit of time is none of `ns`, `us`, `ms`, `s`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid precision {name:?}; valid precision units are ns, us, ms, and s")]
pub struct InvalidPrecision {
    /// What was given.
    pub name: String,
}

impl FromStr for Precision {
    type Err = InvalidPrecision;

    fn from_str(name: &str) -> Result<Self, InvalidPrecision> {
        let units = [Self::Nanoseconds, Self::Microseconds, Self::Milliseconds, Self::Seconds];
        units.into_iter().find(|unit| unit.as_str() == name).ok_or_else(|| InvalidPrecision { name: name.to_owned() })
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Precision {
    /// The name in the query parameter `precision`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        }
    }

    /// Nanoseconds since 1970 in this unit, rounded towards the past.
    pub(crate) fn convert_ns(self, timestamp_ns: i64) -> i64 {
        let unit_ns = match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
        };
        timestamp_ns.div_euclid(unit_ns)
    }
}

/// How the bytes of a [`PostWriteRequest`] are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentEncoding {
    /// Line protocol as it is; sent as it is, even by a client with gzip on.
    Identity,
    /// Line protocol that the caller compressed with gzip.
    Gzip,
}

/// The request of `POST /api/v2/write`, field by field as in the v2 API clients of InfluxDB.
///
/// ```
/// use freshet_client::{PostWriteRequest, Precision};
///
/// let request = PostWriteRequest {
///     body: "cpu,host=a usage=0.5 1700000000".into(),
///     bucket: "metrics".to_owned(),
///     org: "factory".to_owned(),
///     precision: Some(Precision::Seconds),
///     ..PostWriteRequest::default()
/// };
/// # assert!(request.org_id.is_none());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PostWriteRequest {
    /// Line protocol; encoded as `content_encoding` says.
    pub body: Bytes,
    /// Name or id of the bucket that takes all points.
    pub bucket: String,
    /// Name or id of the organisation. An empty one is not sent: servers in Cloud mode take the token's.
    pub org: String,
    /// Id of the organisation. Where `org` is given as well, both must mean the same one.
    pub org_id: Option<String>,
    /// Unit of the times in the body; servers take `None` as nanoseconds.
    pub precision: Option<Precision>,
    /// `None` leaves it to the client: plain, or compressed on the way where
    /// [`ClientBuilder::gzip`](crate::ClientBuilder::gzip) is on and the body has at least 1,000 bytes.
    pub content_encoding: Option<ContentEncoding>,
}

impl Client {
    /// Sends one write, once. `Ok` means that the server has taken every point.
    ///
    /// # Errors
    ///
    /// [`WriteError::Request`] with the server's refusal, a broken connection or a time-out. A refusal with status
    /// 422 means a partial write: the message says what was dropped, the rest is stored. Success is 204 (or the 201
    /// of InfluxDB Cloud); another status below 400 comes from something that is no such server and is an error.
    pub async fn post_write(&self, request: &PostWriteRequest) -> Result<(), WriteError> {
        let (body, encoding) = self.encode_body(request).await?;
        let mut url = self.endpoints().write.clone();
        {
            let mut parameters = url.query_pairs_mut();
            if !request.org.is_empty() {
                parameters.append_pair("org", &request.org);
            }
            if let Some(org_id) = &request.org_id {
                parameters.append_pair("orgID", org_id);
            }
            parameters.append_pair("bucket", &request.bucket);
            if let Some(precision) = request.precision {
                parameters.append_pair("precision", precision.as_str());
            }
        }
        let mut http_request = self
            .post(url)
            .timeout(self.timeout())
            .header(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if encoding == ContentEncoding::Gzip {
            http_request = http_request.header(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let response = self.send(http_request.body(body)).await?;
        match response.status().as_u16() {
            201 | 204 => Ok(()),
            _ => Err(self.rejection(response).await.into()),
        }
    }

    /// The body as it goes out.
    async fn encode_body(&self, request: &PostWriteRequest) -> Result<(Bytes, ContentEncoding), WriteError> {
        match request.content_encoding {
            Some(encoding) => Ok((request.body.clone(), encoding)),
            None if self.gzip() && request.body.len() >= GZIP_BYTES_MIN => {
                Ok((compress::gzip(request.body.clone()).await?, ContentEncoding::Gzip))
            }
            None => Ok((request.body.clone(), ContentEncoding::Identity)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidPrecision, Precision};

    #[test]
    fn a_precision_reads_back_from_its_name_and_from_no_other() {
        for name in ["ns", "us", "ms", "s"] {
            assert_eq!(name.parse::<Precision>().map(|precision| precision.to_string()), Ok(name.to_owned()));
        }
        for name in ["", "n", "u", "m", "h", "NS", "ns "] {
            assert_eq!(name.parse::<Precision>(), Err(InvalidPrecision { name: name.to_owned() }));
        }
    }
}

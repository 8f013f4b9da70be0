//! What requests say in their query strings and how it is read: parameters, precision, pages.
//!
//! Unknown parameters are ignored; of a parameter given twice the first counts. Nothing here looks anything up.

use std::str::FromStr;

use catalog::{Page, ParseIdError};
use http::Uri;
use storage::Precision;

/// A request that cannot be understood. All of them are 400 `invalid`; the texts are InfluxDB's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// The query string is not made of `key=value`.
    #[error("invalid query string: {0}")]
    Query(&'static str),
    /// The body is not the JSON that is wanted.
    #[error("failed to unmarshal json: {0}")]
    Json(#[source] serde_json::Error),
    /// The body is not the form that is wanted.
    #[error("failed to decode request body: {0}")]
    Form(&'static str),
    /// Neither `org` nor `orgID` (http/organization.go).
    #[error("Please provide either orgID or org")]
    MissingOrganisation,
    /// `org` and `orgID` name two organisations.
    #[error("org {org:?} and orgID {id} are different organizations")]
    OrganisationMismatch {
        /// The value of `org`.
        org: String,
        /// The value of `orgID`.
        id: String,
    },
    /// A request of Prometheus that names no bucket in any way.
    #[error("the request names no bucket: give bucket or db, or ask below /prometheus/{{bucket}}")]
    MissingPrometheusBucket,
    /// Neither `bucket` nor `bucketID` (http/delete_handler.go).
    #[error("Please provide either bucketID or bucket")]
    MissingBucket,
    /// `bucket` and `bucketID` name two buckets.
    #[error("bucket {bucket:?} and bucketID {id} are different buckets")]
    BucketMismatch {
        /// The value of `bucket`.
        bucket: String,
        /// The value of `bucketID`.
        id: String,
    },
    /// A text that should be an identifier.
    #[error(transparent)]
    Id(#[from] ParseIdError),
    /// A precision that a write cannot have.
    #[error("invalid precision; valid precision units are ns, us, ms, and s")]
    Precision,
    /// A page that is empty or too large.
    #[error("limit must be between 1 and 100")]
    Limit,
    /// A page that begins nowhere.
    #[error("offset must be a whole number that is not negative")]
    Offset,
}

/// The parameters of a query string or of a form.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// The parameters of a request's address.
    pub(crate) fn from_uri(uri: &Uri) -> Result<Self, RequestError> {
        Self::parse(uri.query().unwrap_or_default()).map_err(RequestError::Query)
    }

    /// The parameters of a body of type `application/x-www-form-urlencoded`.
    pub(crate) fn from_form(body: &[u8]) -> Result<Self, RequestError> {
        let text = std::str::from_utf8(body).map_err(|_| RequestError::Form("it is not UTF-8"))?;
        Self::parse(text).map_err(RequestError::Form)
    }

    /// Parameters that came in another form.
    pub(crate) fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decode(key)?, percent_decode(value)?))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The value of `key`; an empty one counts as not given.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(candidate, _)| candidate == key);
        pair.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of `key`, those that are empty left out.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, value)| known == key && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// These parameters, and behind them others.
    pub(crate) fn followed_by(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The value of `key` as an identifier.
    pub(crate) fn id<Id: FromStr<Err = ParseIdError>>(&self, key: &str) -> Result<Option<Id>, RequestError> {
        self.get(key).map(|text| text.parse().map_err(RequestError::Id)).transpose()
    }

    /// All values of `key` as identifiers; for lists that may name several.
    pub(crate) fn ids<Id: FromStr<Err = ParseIdError>>(&self, key: &str) -> Result<Vec<Id>, RequestError> {
        let given = self.0.iter().filter(|(candidate, value)| candidate == key && !value.is_empty());
        given.map(|(_, value)| value.parse().map_err(RequestError::Id)).collect()
    }

    /// `precision` of a write: ns (the default), us, ms or s.
    pub(crate) fn precision(&self) -> Result<Precision, RequestError> {
        match self.get("precision") {
            None | Some("ns") => Ok(Precision::Nanosecond),
            Some("us") => Ok(Precision::Microsecond),
            Some("ms") => Ok(Precision::Millisecond),
            Some("s") => Ok(Precision::Second),
            Some(_) => Err(RequestError::Precision),
        }
    }

    /// Whether `key` says yes.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|text| matches!(text, "true" | "1" | "t" | "T" | "TRUE"))
    }

    /// `limit`, `offset`, `after` and `descending` of a list.
    pub(crate) fn page(&self) -> Result<Page, RequestError> {
        let default = Page::default();
        let limit = match self.get("limit") {
            None => default.limit,
            Some(text) => text.parse().ok().filter(|limit| (1..=100).contains(limit)).ok_or(RequestError::Limit)?,
        };
        let offset = match self.get("offset") {
            None => 0,
            Some(text) => text.parse().map_err(|_| RequestError::Offset)?,
        };
        let after = self.get("after").map(catalog::id::parse_id).transpose()?.map(std::num::NonZeroU64::get);
        let descending = self.flag("descending");
        Ok(Page { limit, offset, after, descending })
    }
}

/// Undoes `%XX` and `+`.
fn percent_decode(text: &str) -> Result<String, &'static str> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err("a percent escape is broken");
                };
                (high << 4 | low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| "it is not UTF-8")
}

/// Escapes a value for a query string, as Go's url.QueryEscape does, which made the links on record.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            b' ' => encoded.push('+'),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::parse(query).unwrap()
    }

    #[test]
    fn query_strings() {
        for (query, key, expected) in [
            ("org=o&bucket=b", "bucket", Some("b")),
            ("org=o&bucket=b", "orgID", None),
            ("bucket=", "bucket", None),
            ("bucket", "bucket", None),
            ("bucket=a%2Fb+c%20d", "bucket", Some("a/b c d")),
            ("bucket=%C3%A9", "bucket", Some("é")),
            ("a=1&a=2", "a", Some("1")),
            ("&&a=1", "a", Some("1")),
            ("a=b=c", "a", Some("b=c")),
        ] {
            assert_eq!(parameters(query).get(key), expected, "{query}");
        }
        for broken in ["a=%", "a=%2", "a=%zz", "a=%ff", "%=1"] {
            assert!(Parameters::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn precisions() {
        for (text, expected) in [
            ("", Some(Precision::Nanosecond)),
            ("ns", Some(Precision::Nanosecond)),
            ("us", Some(Precision::Microsecond)),
            ("ms", Some(Precision::Millisecond)),
            ("s", Some(Precision::Second)),
            ("n", None),
            ("u", None),
            ("m", None),
            ("h", None),
            ("NS", None),
        ] {
            assert_eq!(parameters(&format!("precision={text}")).precision().ok(), expected, "{text}");
        }
    }

    #[test]
    fn pages() {
        let page = |query: &str| parameters(query).page();
        assert_eq!(page("").unwrap(), Page::default());
        let full = page("limit=7&offset=3&after=00000000000000ff&descending=true").unwrap();
        assert_eq!(full, Page { limit: 7, offset: 3, after: Some(255), descending: true });
        for bad in ["limit=0", "limit=101", "limit=-1", "limit=x", "offset=-1", "offset=x", "after=1"] {
            assert!(page(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_survive_a_link() {
        for text in ["o", "a b", "ä/ö&=", "100%", "a+b", "~._-"] {
            let query = format!("x={}", percent_encode(text));
            assert_eq!(parameters(&query).get("x"), Some(text));
        }
    }
}

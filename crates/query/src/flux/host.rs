//! The door from a script to what it may read and write: the caller of a query stands behind it, and decides what
//! exists, what may be seen, and how anything is written.

use std::fmt;

use futures::future::BoxFuture;
use storage::Snapshot;

use super::error::{Code, FluxError, Result};

/// A bucket as a script names it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketReference {
    /// Its name, or
    pub name: Option<String>,
    /// its id.
    pub id: Option<String>,
    /// Another organisation's name.
    pub organisation: Option<String>,
    /// Another organisation's id.
    pub organisation_id: Option<String>,
}

impl BucketReference {
    /// The name or id as it was given.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().or(self.id.as_deref()).unwrap_or_default()
    }

    /// What is said of a bucket that does not exist or may not be read.
    #[must_use]
    pub fn not_found(&self) -> FluxError {
        FluxError::new(Code::NotFound, format!("could not find bucket \"{}\"", self.label()))
    }
}

/// A bucket as `buckets()` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRow {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The id of its organisation.
    pub organisation_id: String,
    /// The retention policy; empty for most.
    pub retention_policy: String,
    /// How long points stay, in nanoseconds; 0: for ever.
    pub retention_period_ns: i64,
}

/// A bucket as InfluxDB 1.x sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseRow {
    /// The database.
    pub database: String,
    /// The retention policy.
    pub policy: String,
    /// Whether it is the one that is meant where none is named.
    pub is_default: bool,
    /// The bucket.
    pub bucket: BucketRow,
}

/// A request to another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// Its method.
    pub method: &'static str,
    /// Where it goes.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// What a script may reach. Every method answers for the caller's permissions.
pub trait FluxHost: fmt::Debug + Send + Sync {
    /// What is in a bucket at this moment.
    fn snapshot(&self, bucket: BucketReference) -> BoxFuture<'_, Result<Snapshot>>;

    /// The buckets of the organisation that may be read.
    fn buckets(&self) -> BoxFuture<'_, Result<Vec<BucketRow>>>;

    /// The same as databases and retention policies of InfluxDB 1.x.
    fn databases(&self) -> BoxFuture<'_, Result<Vec<DatabaseRow>>>;

    /// Writes line protocol with times in nanoseconds to a bucket, all of it or with an error that says what was not.
    fn write(&self, bucket: BucketReference, lines: String) -> BoxFuture<'_, Result<()>>;

    /// The value of a secret of the organisation. Without an organisation there is none.
    fn secret(&self, key: &str) -> Result<String> {
        Err(secret_not_found(key))
    }

    /// Sends a request to another server and gives the status of its answer. Whether and where to is decided behind
    /// the door.
    fn send(&self, request: OutgoingRequest) -> BoxFuture<'_, Result<u16>> {
        let message = format!("no request is sent to {:?}: scripts reach no other servers here", request.url);
        Box::pin(async move { Err(FluxError::new(Code::PermissionDenied, message)) })
    }
}

/// What is said of a secret that does not exist.
#[must_use]
pub fn secret_not_found(key: &str) -> FluxError {
    FluxError::new(Code::NotFound, format!("could not find secret \"{key}\""))
}

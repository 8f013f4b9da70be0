//! Line protocol in datagrams, as the `[[udp]]` of InfluxDB 1.x takes it: into one bucket, without credentials and
//! without an answer, so only for networks that are trusted. What cannot be stored is dropped, counted and logged.
//!
//! Datagrams are written together, some at a time; if one of them is broken, each by itself.

use std::ops::Range;
use std::sync::Arc;

use catalog::{Organisation, OrganisationFilter, Page};
use http::StatusCode;
use storage::{Precision, WriteError, WriteRequest};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::api_error::{ApiError, ApiResult};
use crate::limits::{DATAGRAM_BYTES, UDP_BATCH_BYTES, UDP_BATCH_TIME};
use crate::metrics::TransferKind;
use crate::request::RequestError;
use crate::routes::bucket_info;
use crate::scope;
use crate::state::AppState;

/// Where datagrams come in, and where their points go.
#[derive(Debug)]
pub struct UdpConfig {
    /// A bound socket.
    pub socket: UdpSocket,
    /// The name of the organisation; the first one if there is none.
    pub organisation: Option<String>,
    /// The name or id of the bucket.
    pub bucket: String,
    /// The unit of times.
    pub precision: Precision,
}

/// Datagrams that have come and are not written yet.
#[derive(Debug, Default)]
struct Batch {
    text: Vec<u8>,
    datagrams: Vec<Range<usize>>,
}

impl Batch {
    fn push(&mut self, datagram: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(datagram);
        self.datagrams.push(start..self.text.len());
        // A datagram ends its last line, whether it says so or not.
        self.text.push(b'\n');
    }
}

/// Takes datagrams until `stop` is ready, and writes those that have come.
pub async fn receive_datagrams(config: UdpConfig, state: AppState, stop: impl Future<Output = ()> + Send) {
    let mut buffer = vec![0; DATAGRAM_BYTES];
    let mut batch = Batch::default();
    let mut due = Instant::now();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep_until(due), if !batch.datagrams.is_empty() => {
                write(&config, &state, std::mem::take(&mut batch)).await;
            }
            received = config.socket.recv(&mut buffer) => match received {
                Ok(length) => {
                    if batch.datagrams.is_empty() {
                        due = Instant::now() + UDP_BATCH_TIME;
                    }
                    batch.push(&buffer[..length]);
                    if batch.text.len() >= UDP_BATCH_BYTES {
                        write(&config, &state, std::mem::take(&mut batch)).await;
                    }
                }
                // An error of an earlier send of somebody else's, which says nothing about the next datagram.
                Err(error) => tracing::debug!(%error, "no datagram"),
            },
        }
    }
    if !batch.datagrams.is_empty() {
        write(&config, &state, batch).await;
    }
}

async fn write(config: &UdpConfig, state: &AppState, batch: Batch) {
    let Batch { text, datagrams } = batch;
    let text = bytes::Bytes::from(text);
    let failed = match store(config, state, text.clone()).await {
        Ok(()) => None,
        Err(Failure::Broken(_)) if datagrams.len() > 1 => {
            let mut failed = None;
            for datagram in &datagrams {
                if let Err(error) = store(config, state, text.slice(datagram.clone())).await {
                    let (count, first) = failed.take().unwrap_or((0, error));
                    failed = Some((count + 1, first));
                }
            }
            failed
        }
        Err(error) => Some((datagrams.len(), error)),
    };
    if let Some((count, Failure::Broken(error) | Failure::Other(error))) = failed {
        let (datagrams, cause) = (datagrams.len(), error.logged_message());
        tracing::warn!(count, datagrams, cause, "datagrams were dropped or not stored whole");
    }
}

/// Why something was not stored.
enum Failure {
    /// The text is no line protocol.
    Broken(ApiError),
    Other(ApiError),
}

async fn store(config: &UdpConfig, state: &AppState, body: bytes::Bytes) -> Result<(), Failure> {
    let organisation = organisation(config, state).map_err(Failure::Other)?;
    let size = body.len() as u64;
    let stored = into_bucket(config, state, &organisation, body).await;
    let status = match &stored {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(Failure::Broken(error) | Failure::Other(error)) => error.code().status(),
    };
    state.metrics().transferred(TransferKind::Write, organisation.id.to_string(), status, size);
    stored
}

fn organisation(config: &UdpConfig, state: &AppState) -> ApiResult<Arc<Organisation>> {
    match &config.organisation {
        Some(name) => Ok(state.catalog().find_organisation_by_name(name)?),
        None => {
            let page = Page { limit: 1, ..Page::default() };
            let first = state.catalog().list_organisations(&OrganisationFilter::default(), &page, |_| true)?.pop();
            Ok(first.ok_or(RequestError::MissingOrganisation)?)
        }
    }
}

async fn into_bucket(
    config: &UdpConfig,
    state: &AppState,
    organisation: &Organisation,
    body: bytes::Bytes,
) -> Result<(), Failure> {
    let bucket = scope::bucket(state, organisation, &config.bucket).map_err(|error| Failure::Other(error.into()))?;
    let request = WriteRequest {
        bucket: Arc::new(bucket_info(organisation, &bucket)),
        retention: (!bucket.retention.is_zero()).then_some(bucket.retention),
        body,
        precision: config.precision,
    };
    match state.engine().write(request).await {
        Ok(outcome) => match outcome.dropped {
            None => Ok(()),
            Some(dropped) => Err(Failure::Other(ApiError::invalid(dropped.to_string()))),
        },
        Err(error @ WriteError::Parse(_)) => Err(Failure::Broken(error.into())),
        Err(error) => Err(Failure::Other(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_end_their_lines() {
        let mut batch = Batch::default();
        batch.push(b"m f=1");
        batch.push(b"m f=2\n");
        assert_eq!(batch.text, b"m f=1\nm f=2\n\n");
        assert_eq!(batch.datagrams, [0..5, 6..12]);
    }
}

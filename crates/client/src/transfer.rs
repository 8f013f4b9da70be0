//! Whole sets of data: the archive of a backup, and points of a bucket in one of the forms of an export.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Response, StatusCode};
use serde_json::json;

use crate::client::Client;
use crate::error::RequestError;

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExportFormat {
    /// Line protocol with times in nanoseconds.
    LineProtocol,
    /// Annotated CSV, one block of columns for each measurement.
    Csv,
    /// One Apache Parquet file; of one measurement only.
    Parquet,
}

impl ExportFormat {
    /// The name in the request's `format`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LineProtocol => "lp",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Which points of a bucket are exported, and how. Empty texts stand for everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// Name or id of the bucket.
    pub bucket: String,
    /// Name or id of its organisation.
    pub org: String,
    /// One measurement.
    pub measurement: Option<String>,
    /// The earliest time, RFC 3339.
    pub start: Option<String>,
    /// The end of the times, RFC 3339; points at that time are left out.
    pub stop: Option<String>,
    /// An earlier snapshot: its id or a time.
    pub snapshot: Option<String>,
    /// The form.
    pub format: ExportFormat,
}

impl Client {
    /// Takes a backup of a Freshet server: a tar archive, piece by piece, whose last file is the manifest. Files that
    /// are named in `have` with their sizes are listed and not sent. Needs an operator's token.
    ///
    /// # Errors
    ///
    /// The server's refusal, a broken connection or a time-out, before the stream begins or as its last item.
    pub async fn backup(
        &self,
        have: &[(String, u64)],
    ) -> Result<impl Stream<Item = Result<Bytes, RequestError>> + Send + Unpin + 'static, RequestError> {
        let url = self.endpoints().backup.clone();
        let request = self.post(url).timeout(self.query_timeout()).json(&json!({ "have": have }));
        self.pieces(self.send(request).await?).await
    }

    /// Reads what is at any address, piece by piece. This client's token goes along, so the address of somebody else
    /// needs a client without one.
    ///
    /// # Errors
    ///
    /// An address that is none, a refusal, a broken connection or a time-out, before the stream begins or as its last
    /// item.
    pub async fn download(
        &self,
        url: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, RequestError>> + Send + Unpin + 'static, RequestError> {
        let request = self.get_any(url).timeout(self.query_timeout());
        self.pieces(self.send(request).await?).await
    }

    /// Exports points of a Freshet server, piece by piece. An export that was cut off ends with an error.
    ///
    /// # Errors
    ///
    /// The server's refusal, a broken connection or a time-out, before the stream begins or as its last item.
    pub async fn export(
        &self,
        export: &ExportRequest,
    ) -> Result<impl Stream<Item = Result<Bytes, RequestError>> + Send + Unpin + 'static, RequestError> {
        let mut url = self.endpoints().export.clone();
        {
            let mut parameters = url.query_pairs_mut();
            parameters.append_pair("bucket", &export.bucket).append_pair("format", export.format.as_str());
            if !export.org.is_empty() {
                parameters.append_pair("org", &export.org);
            }
            let ExportRequest { measurement, start, stop, snapshot, .. } = export;
            let given = [("measurement", measurement), ("start", start), ("stop", stop), ("snapshot", snapshot)];
            for (name, value) in given {
                if let Some(value) = value {
                    parameters.append_pair(name, value);
                }
            }
        }
        self.pieces(self.send(self.get(url).timeout(self.query_timeout())).await?).await
    }

    pub(crate) async fn pieces(
        &self,
        response: Response,
    ) -> Result<impl Stream<Item = Result<Bytes, RequestError>> + Send + Unpin + 'static, RequestError> {
        if response.status() != StatusCode::OK {
            return Err(self.rejection(response).await);
        }
        Ok(response.bytes_stream().map(|piece| piece.map_err(RequestError::from)))
    }
}

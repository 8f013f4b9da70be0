//! Results of queries on their way out: Arrow batches as JSON, JSON lines, CSV, a table of text, or Parquet, in the
//! shapes of InfluxDB 3 (wire-api section 4).
//!
//! Answers are streamed batch by batch; only the table of text has to see all rows first. An error before the first
//! byte is an ordinary answer; one after it cuts the connection, so that no client takes half a result for a whole one.

pub(crate) mod annotated_csv;
pub(crate) mod export;
pub(crate) mod gzip;
pub(crate) mod influx;
mod message_pack;
mod parquet;
mod text;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, header};

use crate::api_error::ApiResult;
use crate::budget::CpuPool;

/// The formats of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One array of objects; nulls are left out.
    Json,
    /// One object a line.
    JsonLines,
    /// A header row and data rows, no annotations.
    Csv,
    /// A table of text.
    Pretty,
    /// One Parquet file.
    Parquet,
}

/// A format that we do not write. The texts are InfluxDB's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormatError {
    /// The value of `format`.
    #[error("unknown format `{0}`, expected one of `parquet`, `csv`, `pretty`, `json`, `json_lines`, `jsonl`")]
    Name(String),
    /// The value of `Accept`.
    #[error("invalid mime type ({0})")]
    MediaType(String),
}

/// Why a result could not be encoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    /// A value that the format cannot hold.
    #[error("the result cannot be written: {0}")]
    Arrow(#[from] ArrowError),
    /// The same, from the writer of Parquet.
    #[error("the result cannot be written: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    /// A footer that cannot be made.
    #[error("the result cannot be written: {0}")]
    Footer(#[from] storage::flush::FooterError),
    /// The table of text would be too large.
    #[error(
        "the result is larger than {limit_bytes} bytes, the most that the format pretty can hold; use csv or jsonl"
    )]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
}

impl Format {
    /// The format that a request wants: by `format`, otherwise by `Accept`.
    pub(crate) fn negotiate(format: Option<&str>, headers: &HeaderMap) -> Result<Self, FormatError> {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        match format {
            Some(name) => Self::from_name(name).ok_or_else(|| FormatError::Name(name.to_owned())),
            None => Self::from_accept(accept.unwrap_or_default()),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "json" => Some(Self::Json),
            "jsonl" | "json_lines" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            "pretty" => Some(Self::Pretty),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// The first media type of the list that we know; quality values are not weighed.
    fn from_accept(accept: &str) -> Result<Self, FormatError> {
        let types = accept.split(',').map(|entry| entry.split(';').next().unwrap_or_default().trim());
        let known = types.filter_map(|media_type| match media_type.to_ascii_lowercase().as_str() {
            "" | "*/*" | "application/*" | "application/json" => Some(Self::Json),
            "application/jsonl" | "application/x-ndjson" => Some(Self::JsonLines),
            "text/csv" | "application/csv" => Some(Self::Csv),
            "text/plain" | "text/*" => Some(Self::Pretty),
            "application/vnd.apache.parquet" => Some(Self::Parquet),
            _ => None,
        });
        known.into_iter().next().ok_or_else(|| FormatError::MediaType(accept.to_owned()))
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::JsonLines => "application/jsonl",
            Self::Csv => "text/csv",
            Self::Pretty => "text/plain; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
        })
    }

    fn encoder(self, schema: &SchemaRef, pretty_limit_bytes: u64) -> Result<Box<dyn Encode>, EncodeError> {
        Ok(match self {
            Self::Json => Box::new(text::JsonEncoder::array()),
            Self::JsonLines => Box::new(text::JsonEncoder::lines()),
            Self::Csv => Box::new(text::CsvEncoder::new(schema)),
            Self::Pretty => Box::new(text::PrettyEncoder::new(schema, pretty_limit_bytes)),
            Self::Parquet => Box::new(parquet::ParquetEncoder::new(schema)?),
        })
    }
}

/// Turns batches into bytes, one after another.
trait Encode: Send {
    /// The bytes that this batch adds; may be none yet.
    fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, EncodeError>;

    /// The bytes that end the answer.
    fn finish(&mut self) -> Result<Bytes, EncodeError>;
}

/// What an answer is made with.
#[derive(Debug, Clone)]
pub(crate) struct Formatter {
    /// Where encoding runs.
    pub(crate) cpu: CpuPool,
    /// Bytes that the table of text may hold.
    pub(crate) pretty_limit_bytes: u64,
}

impl Formatter {
    /// The answer that streams `batches`. Its first bytes are made here, so that what fails until then is an answer of
    /// its own.
    pub(crate) async fn respond<E>(
        &self,
        format: Format,
        schema: SchemaRef,
        batches: impl Stream<Item = Result<RecordBatch, E>> + Send + 'static,
    ) -> ApiResult<Response>
    where
        E: std::error::Error + Send + Sync + 'static,
        crate::api_error::ApiError: From<E>,
    {
        let encoder = format.encoder(&schema, self.pretty_limit_bytes)?;
        let mut source = Source { encoder: Some(encoder), batches: batches.boxed(), cpu: self.cpu.clone() };
        let first = match source.next().await {
            Some(Ok(bytes)) => bytes,
            Some(Err(SourceError::Query(error))) => return Err(error.into()),
            Some(Err(SourceError::Encode(error))) => return Err(error.into()),
            Some(Err(SourceError::Worker(error))) => return Err(error.into()),
            None => Bytes::new(),
        };
        let rest = futures::stream::unfold(source, |mut source| async move {
            let next = source.next().await?;
            if let Err(error) = &next {
                tracing::warn!(%error, "a result was cut off in the middle");
            }
            Some((next, source))
        });
        let body = Body::from_stream(futures::stream::iter([Ok(first)]).chain(rest));
        Ok(([(header::CONTENT_TYPE, format.content_type())], body).into_response())
    }
}

/// What can end a result early.
#[derive(Debug, thiserror::Error)]
enum SourceError<E> {
    #[error(transparent)]
    Query(E),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Worker(#[from] crate::budget::WorkerDied),
}

/// The encoded pieces of a result.
struct Source<E> {
    /// `None` once the result has ended or failed.
    encoder: Option<Box<dyn Encode>>,
    batches: BoxStream<'static, Result<RecordBatch, E>>,
    cpu: CpuPool,
}

impl<E: Send + 'static> Source<E> {
    /// The next piece that is not empty; an error is the last item.
    async fn next(&mut self) -> Option<Result<Bytes, SourceError<E>>> {
        loop {
            let mut encoder = self.encoder.take()?;
            let batch = match self.batches.next().await {
                Some(Ok(batch)) => Some(batch),
                Some(Err(error)) => return Some(Err(SourceError::Query(error))),
                None => None,
            };
            let is_last = batch.is_none();
            let work = move || {
                let bytes = match batch {
                    Some(batch) => encoder.batch(&batch),
                    None => encoder.finish(),
                };
                bytes.map(|bytes| (encoder, bytes))
            };
            let (encoder, bytes) = match self.cpu.run(work).await {
                Ok(Ok(done)) => done,
                Ok(Err(error)) => return Some(Err(error.into())),
                Err(error) => return Some(Err(error.into())),
            };
            self.encoder = (!is_last).then_some(encoder);
            if !bytes.is_empty() {
                return Some(Ok(bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests;

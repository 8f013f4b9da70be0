//! A client for Freshet, and for any other server that speaks the InfluxDB v2 write protocol.
//!
//! - [`Client::post_write`] sends one [`PostWriteRequest`], once.
//! - [`Client::batch_writer`] starts a [`BatchWriter`], which collects lines, compresses, repeats what failed for a
//!   passing reason, holds back a caller that is too fast, and loses nothing on [`close`](BatchWriter::close).
//! - [`Client::query_sql`] and its relatives run SQL (`/api/v3/query_sql`) and return rows, bytes or a stream.
//! - [`Client::query_flux`] and [`Client::query_flux_stream`] run Flux (`/api/v2/query`) and return annotated CSV.
//! - [`Client::delete`] deletes points by time and predicate.
//! - [`Client::health`], [`Client::ping`], [`Client::flush`] and [`Client::compact`] are for those who look after a
//!   server.
//! - [`Client::call`] sends an [`ApiRequest`] to any other path of the JSON API.
//!
//! Lines come from [`Point::builder`], which escapes exactly and refuses what line protocol cannot express, or as raw
//! text. The crate depends on no other part of Freshet. It runs on tokio.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use freshet_client::{Client, Point, PostWriteRequest};
//!
//! let client = Client::builder("http://127.0.0.1:8086").token("my-token").build()?;
//! let point = Point::builder("cpu").tag("host", "web-1").field("usage", 0.5).build()?;
//! let request = PostWriteRequest {
//!     body: point.to_string().into(),
//!     bucket: "metrics".to_owned(),
//!     org: "factory".to_owned(),
//!     ..PostWriteRequest::default()
//! };
//! client.post_write(&request).await?;
//! for row in client.query_sql("metrics", "SELECT time, usage FROM cpu ORDER BY time").await? {
//!     println!("{}: {}", row["time"], row["usage"]);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The folder `examples/` has programs that run against a server named by `FRESHET_URL` and `FRESHET_TOKEN`.

mod admin;
mod api;
mod batch_writer;
mod client;
mod compress;
mod delete;
mod error;
mod flux;
mod lines;
mod point;
mod query;
mod retry;
mod transfer;
mod write;

pub use admin::{Health, HealthStatus, Ping};
pub use api::{ApiRequest, Method};
pub use batch_writer::{
    BatchFailure, BatchWriter, BatchWriterBuilder, FlushError, QueueError, StartError, WriteFailures,
};
pub use client::{BuildError, Client, ClientBuilder};
pub use delete::DeleteRequest;
pub use error::{BoxedCause, QueryError, Rejection, RequestError, WriteError};
pub use flux::FluxQuery;
pub use lines::Lines;
pub use point::{FieldValue, NameKind, Point, PointBuilder, PointError};
pub use query::{QueryLanguage, Row, SqlFormat, SqlQuery};
pub use retry::RetryPolicy;
pub use transfer::{ExportFormat, ExportRequest};
pub use write::{ContentEncoding, InvalidPrecision, PostWriteRequest, Precision};

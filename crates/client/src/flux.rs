//! Queries in Flux over `POST /api/v2/query`, as annotated CSV: all of it or piece by piece.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Response, StatusCode, Url};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::error::{QueryError, RequestError};

/// A Flux script with its parameters.
///
/// ```
/// use freshet_client::FluxQuery;
///
/// let script = r#"from(bucket: params.bucket) |> range(start: -1h) |> mean()"#;
/// let query = FluxQuery::new("factory", script).param("bucket", "metrics");
/// # drop(query);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FluxQuery {
    /// The script.
    pub script: String,
    /// The properties of the record `params` in the script; none without any.
    pub params: Map<String, Value>,
    /// Name or id of the organisation.
    pub org: String,
    /// Whether the rows `#datatype`, `#group` and `#default` stand above the names of columns.
    pub annotations: bool,
}

#[derive(Serialize)]
struct FluxBody<'a> {
    query: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    dialect: Dialect,
    #[serde(skip_serializing_if = "Map::is_empty")]
    params: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct Dialect {
    header: bool,
    annotations: &'static [&'static str],
}

impl FluxQuery {
    /// A script without parameters, answered with annotations.
    pub fn new(org: impl Into<String>, script: impl Into<String>) -> Self {
        Self { script: script.into(), org: org.into(), annotations: true, ..Self::default() }
    }

    /// Sets the property `params.name`.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }
}

impl Client {
    /// Runs a script and returns the whole answer as CSV. An error that comes after the first table is a table of its
    /// own, with the columns `error` and `reference`.
    ///
    /// # Errors
    ///
    /// [`QueryError::Request`] with the server's refusal, a broken connection, a time-out or an answer above
    /// [`ClientBuilder::answer_bytes_max`](crate::ClientBuilder::answer_bytes_max).
    pub async fn query_flux(&self, query: &FluxQuery) -> Result<Bytes, QueryError> {
        let response = self.start_flux(query).await?;
        Ok(self.read_answer(response).await?)
    }

    /// Runs a script and returns the CSV piece by piece, as the server sends it. The pieces do not end where rows end.
    ///
    /// # Errors
    ///
    /// [`QueryError::Request`] with the server's refusal, a broken connection or a time-out, before the stream begins
    /// or as its last item.
    pub async fn query_flux_stream(
        &self,
        query: &FluxQuery,
    ) -> Result<impl Stream<Item = Result<Bytes, QueryError>> + Send + Unpin + 'static, QueryError> {
        let response = self.start_flux(query).await?;
        Ok(response.bytes_stream().map(|piece| piece.map_err(|error| RequestError::from(error).into())))
    }

    /// How a script would be done: its plan, line by line, with the parts that the server's storage would do. Nothing
    /// of it is run.
    ///
    /// # Errors
    ///
    /// As [`Self::query_flux`].
    pub async fn explain_flux(&self, query: &FluxQuery) -> Result<Bytes, QueryError> {
        let response = self.send_flux(self.endpoints().query_explain.clone(), query).await?;
        Ok(self.read_answer(response).await?)
    }

    /// Sends a script; the answer is a success and its body is still to be read.
    async fn start_flux(&self, query: &FluxQuery) -> Result<Response, RequestError> {
        self.send_flux(self.endpoints().query.clone(), query).await
    }

    async fn send_flux(&self, mut url: Url, query: &FluxQuery) -> Result<Response, RequestError> {
        url.query_pairs_mut().append_pair("org", &query.org);
        let annotations: &[&str] = if query.annotations { &["datatype", "group", "default"] } else { &[] };
        let dialect = Dialect { header: true, annotations };
        let body = FluxBody { query: &query.script, kind: "flux", dialect, params: &query.params };
        let response = self.send(self.post(url).timeout(self.query_timeout()).json(&body)).await?;
        if response.status() == StatusCode::OK { Ok(response) } else { Err(self.rejection(response).await) }
    }
}

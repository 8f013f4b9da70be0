//! Queries in SQL and InfluxQL over `POST /api/v3/query_sql` and `query_influxql`, as rows, bytes or a stream.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use reqwest::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::error::{QueryError, RequestError};

/// One row: the columns by name. A column that is null in this row is missing.
pub type Row = Map<String, Value>;

/// The form in which the server writes the result of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqlFormat {
    /// One array of objects.
    Json,
    /// One object per line.
    JsonLines,
    /// A header line, then one line per row.
    Csv,
    /// A table drawn with ASCII characters.
    Pretty,
    /// An Apache Parquet file.
    Parquet,
}

impl SqlFormat {
    /// The name in the request's `format`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Csv => "csv",
            Self::Pretty => "pretty",
            Self::Parquet => "parquet",
        }
    }
}

/// The language of a [`SqlQuery`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueryLanguage {
    /// SQL.
    #[default]
    Sql,
    /// InfluxQL.
    InfluxQl,
}

/// A query with its parameters, in SQL unless it says otherwise.
///
/// ```
/// use freshet_client::SqlQuery;
///
/// let query = SqlQuery::new("metrics", "SELECT * FROM cpu WHERE host = $host AND usage > $least")
///     .param("host", "web-1")
///     .param("least", 0.9);
/// # drop(query);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SqlQuery {
    /// The database: name or id of a bucket.
    pub db: String,
    /// The language of the text.
    pub language: QueryLanguage,
    /// The text, in which `$name` stands for a parameter.
    pub sql: String,
    /// The values of the parameters.
    pub params: Map<String, Value>,
    /// Name or id of the organisation, for a token that belongs to none (an operator's on Freshet).
    pub org: Option<String>,
    /// Id of the organisation, for the same case.
    pub org_id: Option<String>,
    /// An earlier snapshot of a Freshet server: its id, or a time (RFC 3339) at which it was the newest. SQL only.
    pub snapshot: Option<String>,
}

/// The body of the request, as InfluxDB 3 reads it.
#[derive(Serialize)]
struct QueryBody<'a> {
    db: &'a str,
    q: &'a str,
    format: &'static str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    params: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<&'a str>,
}

impl SqlQuery {
    /// A query without parameters.
    pub fn new(db: impl Into<String>, sql: impl Into<String>) -> Self {
        Self { db: db.into(), sql: sql.into(), ..Self::default() }
    }

    /// A query in InfluxQL without parameters: one statement.
    pub fn influxql(db: impl Into<String>, text: impl Into<String>) -> Self {
        Self { language: QueryLanguage::InfluxQl, ..Self::new(db, text) }
    }

    /// Sets the parameter `$name`.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params.insert(name.into(), value.into());
        self
    }

    /// Sets the organisation by name or id.
    #[must_use]
    pub fn org(mut self, org: impl Into<String>) -> Self {
        self.org = Some(org.into());
        self
    }

    /// Sets the organisation by id.
    #[must_use]
    pub fn org_id(mut self, org_id: impl Into<String>) -> Self {
        self.org_id = Some(org_id.into());
        self
    }
}

impl Client {
    /// Runs `sql` on the database (bucket) `db` and returns all rows.
    ///
    /// # Errors
    ///
    /// See [`query_sql_rows`](Self::query_sql_rows).
    pub async fn query_sql(&self, db: &str, sql: &str) -> Result<Vec<Row>, QueryError> {
        self.query_sql_rows(&SqlQuery::new(db, sql)).await
    }

    /// Runs one InfluxQL statement on the database `db` and returns all rows, each with its measurement as
    /// `iox::measurement`.
    ///
    /// # Errors
    ///
    /// See [`query_sql_rows`](Self::query_sql_rows).
    pub async fn query_influxql(&self, db: &str, text: &str) -> Result<Vec<Row>, QueryError> {
        self.query_sql_rows(&SqlQuery::influxql(db, text)).await
    }

    /// Runs a query and returns all rows.
    ///
    /// # Errors
    ///
    /// [`QueryError::Request`] with the server's refusal, a broken connection, a time-out or an answer above the
    /// client's limit; [`QueryError::MalformedRow`] where the answer is something else than rows.
    pub async fn query_sql_rows(&self, query: &SqlQuery) -> Result<Vec<Row>, QueryError> {
        parse_rows(&self.query_sql_bytes(query, SqlFormat::JsonLines).await?)
    }

    /// Runs `sql` on the database (bucket) `db` and returns the whole answer in `format`.
    ///
    /// # Errors
    ///
    /// See [`query_sql_bytes`](Self::query_sql_bytes).
    pub async fn query_sql_raw(&self, db: &str, sql: &str, format: SqlFormat) -> Result<Bytes, QueryError> {
        self.query_sql_bytes(&SqlQuery::new(db, sql), format).await
    }

    /// Runs a query and returns the whole answer in `format`.
    ///
    /// # Errors
    ///
    /// [`QueryError::Request`] with the server's refusal, a broken connection, a time-out or an answer above
    /// [`ClientBuilder::answer_bytes_max`](crate::ClientBuilder::answer_bytes_max).
    pub async fn query_sql_bytes(&self, query: &SqlQuery, format: SqlFormat) -> Result<Bytes, QueryError> {
        let response = self.start_query(query, format).await?;
        Ok(self.read_answer(response).await?)
    }

    /// Runs a query and returns the answer in `format` piece by piece, as the server sends it. The pieces do not end
    /// where rows end. After an error the stream is over, and what came before is not the whole answer.
    ///
    /// # Errors
    ///
    /// [`QueryError::Request`] with the server's refusal, a broken connection or a time-out, before the stream begins
    /// or as its last item.
    pub async fn query_sql_stream(
        &self,
        query: &SqlQuery,
        format: SqlFormat,
    ) -> Result<impl Stream<Item = Result<Bytes, QueryError>> + Send + Unpin + 'static, QueryError> {
        let response = self.start_query(query, format).await?;
        Ok(response.bytes_stream().map(|piece| piece.map_err(|error| RequestError::from(error).into())))
    }

    /// Sends a query; the answer is a success and its body is still to be read.
    async fn start_query(&self, query: &SqlQuery, format: SqlFormat) -> Result<Response, RequestError> {
        let mut url = match query.language {
            QueryLanguage::Sql => self.endpoints().query_sql.clone(),
            QueryLanguage::InfluxQl => self.endpoints().query_influxql.clone(),
        };
        for (name, value) in [("org", &query.org), ("orgID", &query.org_id)] {
            if let Some(value) = value {
                url.query_pairs_mut().append_pair(name, value);
            }
        }
        let snapshot = query.snapshot.as_deref();
        let body = QueryBody { db: &query.db, q: &query.sql, format: format.as_str(), params: &query.params, snapshot };
        let response = self.send(self.post(url).timeout(self.query_timeout()).json(&body)).await?;
        if response.status() == StatusCode::OK { Ok(response) } else { Err(self.rejection(response).await) }
    }
}

/// The rows of JSON lines, or of one JSON array from a server that knows no JSON lines.
fn parse_rows(answer: &[u8]) -> Result<Vec<Row>, QueryError> {
    if answer.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice(answer).map_err(|source| RequestError::MalformedAnswer { source }.into());
    }
    let mut rows = Vec::new();
    for row in serde_json::Deserializer::from_slice(answer).into_iter() {
        rows.push(row.map_err(|source| QueryError::MalformedRow { row: rows.len() + 1, source })?);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::parse_rows;
    use crate::error::{QueryError, RequestError};

    #[test]
    fn rows_come_from_lines_or_from_an_array() {
        let check = |answer: &str, expected: Value| {
            assert_eq!(serde_json::to_value(parse_rows(answer.as_bytes()).unwrap()).unwrap(), expected);
        };
        check("", json!([]));
        check("\n", json!([]));
        check("[]", json!([]));
        check("{\"a\":1}\n", json!([{"a": 1}]));
        check("{\"a\":1}\n{\"b\":\"x\\ny\"}", json!([{"a": 1}, {"b": "x\ny"}]));
        check(" [{\"a\":1},{\"a\":2}]\n", json!([{"a": 1}, {"a": 2}]));
        check("{\"u\":18446744073709551615}", json!([{"u": u64::MAX}]));
    }

    #[test]
    fn anything_else_names_the_row() {
        let row = |answer: &str| match parse_rows(answer.as_bytes()) {
            Err(QueryError::MalformedRow { row, .. }) => row,
            other => panic!("{other:?}"),
        };
        assert_eq!(row("OK"), 1);
        assert_eq!(row("{\"a\":1}\n{\"a\":"), 2);
        assert_eq!(row("{\"a\":1}\n7"), 2);
        let array = parse_rows(b"[{\"a\":1},");
        assert!(matches!(array, Err(QueryError::Request(RequestError::MalformedAnswer { .. }))));
    }
}

//! Requests to a server: the few that nearly every test makes, and a door to all others.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Map, Value, json};

use crate::server::Server;
use crate::wait::within;

/// A row of a query: columns by name; one that is null is missing.
pub type Row = Map<String, Value>;

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The same answer, whose status must be this one.
    ///
    /// # Panics
    /// If it is another one.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

/// Sends a request and reads the answer; an error if the connection breaks.
///
/// # Panics
/// If that takes too long.
pub(crate) async fn exchange(request: RequestBuilder) -> reqwest::Result<Answer> {
    within("an answer", async {
        let response = request.send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { status, headers, body: response.text().await? })
    })
    .await
}

impl Server {
    /// A request with the operator token.
    pub fn request(&self, method: Method, path_and_query: &str) -> RequestBuilder {
        let url = format!("{}{path_and_query}", self.url());
        self.http().request(method, url).header("authorization", format!("Token {}", self.token()))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// If the connection breaks or it takes too long.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = exchange(request).await;
        answer.unwrap_or_else(|error| panic!("{error:?}; the server's log:\n{}", self.log()))
    }

    /// Tries to write lines with times in nanoseconds into the first bucket; an error if the connection breaks.
    ///
    /// # Errors
    /// If no answer came.
    pub async fn try_write(&self, lines: impl Into<reqwest::Body>) -> reqwest::Result<Answer> {
        let path = format!("/api/v2/write?org={}&bucket={}", self.organisation(), self.bucket());
        exchange(self.request(Method::POST, &path).body(lines)).await
    }

    /// Writes lines, all of which must be stored.
    ///
    /// # Panics
    /// If they are not.
    pub async fn write(&self, lines: impl Into<reqwest::Body>) {
        let answer = self.try_write(lines).await;
        let answer = answer.unwrap_or_else(|error| panic!("{error:?}; the server's log:\n{}", self.log()));
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
    }

    /// Asks by SQL, in the first bucket.
    pub async fn try_sql(&self, query: &str) -> Answer {
        let body = json!({"db": self.bucket(), "q": query, "format": "json"});
        let path = format!("/api/v3/query_sql?org={}", self.organisation());
        self.send(self.request(Method::POST, &path).json(&body)).await
    }

    /// The rows of a query in the first bucket.
    ///
    /// # Panics
    /// If the query is refused.
    pub async fn sql(&self, query: &str) -> Vec<Row> {
        let answer = self.try_sql(query).await.expect(200);
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error} in {}", answer.body))
    }

    /// The only number of a query's only row.
    ///
    /// # Panics
    /// If there is no such number.
    pub async fn sql_number(&self, query: &str) -> i64 {
        let rows = self.sql(query).await;
        let number = rows.first().and_then(|row| row.values().next()).and_then(Value::as_i64);
        number.unwrap_or_else(|| panic!("no number in {rows:?}"))
    }

    /// Has all that is in memory written into files.
    ///
    /// # Panics
    /// If that fails.
    pub async fn flush(&self) {
        let answer = self.send(self.request(Method::POST, "/api/freshet/v1/flush")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }

    /// Has files merged until none overlap.
    ///
    /// # Panics
    /// If that fails.
    pub async fn compact(&self) {
        let answer = self.try_compact().await;
        let answer = answer.unwrap_or_else(|error| panic!("{error:?}; the server's log:\n{}", self.log()));
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }

    /// Tries to have files merged until none overlap; an error if the connection breaks.
    ///
    /// # Errors
    /// If no answer came.
    pub async fn try_compact(&self) -> reqwest::Result<Answer> {
        exchange(self.request(Method::POST, "/api/freshet/v1/compact?wait=true")).await
    }
}

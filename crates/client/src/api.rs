//! Requests to any path of the JSON API, for what has no operation of its own here.

use bytes::Bytes;
use futures::Stream;
use reqwest::RequestBuilder;
use serde_json::Value;

use crate::client::Client;
use crate::error::RequestError;

/// The methods that the API knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, or does something.
    Post,
    /// Changes a part.
    Patch,
    /// Replaces.
    Put,
    /// Removes.
    Delete,
}

impl Method {
    fn as_http(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Patch => reqwest::Method::PATCH,
            Self::Put => reqwest::Method::PUT,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

/// A request: a path such as `api/v2/buckets`, without a slash in front, with parameters and perhaps a body.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiRequest {
    method: Method,
    path: String,
    parameters: Vec<(String, String)>,
    body: Option<Value>,
}

impl ApiRequest {
    /// A request without parameters and body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), parameters: Vec::new(), body: None }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

impl Client {
    /// Sends a request and reads the JSON of the answer; null if it has no body.
    ///
    /// # Errors
    ///
    /// The server's refusal, a broken connection, a time-out, or an answer that is no JSON.
    pub async fn call(&self, request: &ApiRequest) -> Result<Value, RequestError> {
        // Some resources have another form too, which is sent where none is asked for.
        let request = self.request(request).header(reqwest::header::ACCEPT, "application/json");
        let response = self.send(request.timeout(self.timeout())).await?;
        if !response.status().is_success() {
            return Err(self.rejection(response).await);
        }
        let body = self.read_answer(response).await?;
        let malformed = |source| RequestError::MalformedAnswer { source };
        if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body).map_err(malformed) }
    }

    /// Sends a request and returns the answer as a text in one of the forms that the resource has, `form` by its MIME
    /// type.
    ///
    /// # Errors
    ///
    /// The server's refusal, a broken connection, a time-out, or an answer that is no text.
    pub async fn call_text(&self, request: &ApiRequest, form: &str) -> Result<String, RequestError> {
        let request = self.request(request).header(reqwest::header::ACCEPT, form);
        let response = self.send(request.timeout(self.timeout())).await?;
        if !response.status().is_success() {
            return Err(self.rejection(response).await);
        }
        let body = self.read_answer(response).await?;
        let malformed = |_| RequestError::MalformedAnswer { source: serde::de::Error::custom("it is not UTF-8") };
        String::from_utf8(body.into()).map_err(malformed)
    }

    /// Sends a request and returns the body of the answer piece by piece, as long as the time limit of queries allows.
    ///
    /// # Errors
    ///
    /// The server's refusal, a broken connection or a time-out, before the stream begins or as its last item.
    pub async fn call_stream(
        &self,
        request: &ApiRequest,
    ) -> Result<impl Stream<Item = Result<Bytes, RequestError>> + Send + Unpin + 'static, RequestError> {
        self.pieces(self.send(self.request(request).timeout(self.query_timeout())).await?).await
    }

    fn request(&self, request: &ApiRequest) -> RequestBuilder {
        let mut url = self.endpoints().base.clone();
        url.set_path(&format!("{}{}", url.path(), request.path));
        if !request.parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.parameters);
        }
        let builder = self.method(request.method.as_http(), url);
        match &request.body {
            Some(body) => builder.json(body),
            None => builder,
        }
    }
}

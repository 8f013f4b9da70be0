//! Health, ping, flush and compaction.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, system_time};
use crate::error::{Rejection, RequestError};

/// Whether a server is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// It works.
    Pass,
    /// It does not work, or only in part.
    Fail,
}

/// What `GET /health` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// Whether the server is well.
    pub status: HealthStatus,
    /// The name of the service.
    pub name: Option<String>,
    /// What the server has to say, above all where it is not well.
    pub message: Option<String>,
    /// The server's version.
    pub version: Option<String>,
    /// The commit that the server was built from.
    pub commit: Option<String>,
}

impl Health {
    /// What a server says that says no more than that it is well.
    const PASS: Self = Self { status: HealthStatus::Pass, name: None, message: None, version: None, commit: None };
}

/// What `GET /ping` says, in its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ping {
    /// The version of InfluxDB that the server is, or stands in for (`X-Influxdb-Version`).
    pub version: Option<String>,
    /// The kind of server (`X-Influxdb-Build`), for example `OSS`.
    pub build: Option<String>,
}

impl Client {
    /// Asks the server how it is. `Ok` may well say [`HealthStatus::Fail`].
    ///
    /// # Errors
    ///
    /// No answer, or one that does not come from a health check.
    pub async fn health(&self) -> Result<Health, RequestError> {
        let url = self.endpoints().health.clone();
        let response = self.send(self.get(url).timeout(self.timeout())).await?;
        let status = response.status();
        if status != StatusCode::OK && status != StatusCode::SERVICE_UNAVAILABLE {
            return Err(self.rejection(response).await);
        }
        let headers = response.headers().clone();
        let body = self.read_answer(response).await?;
        match serde_json::from_slice(&body) {
            Ok(health) => Ok(health),
            // InfluxDB 3 answers with the text `OK`.
            Err(_) if status == StatusCode::OK && body.trim_ascii() == b"OK" => Ok(Health::PASS),
            Err(source) if status == StatusCode::OK => Err(RequestError::MalformedAnswer { source }),
            // A 503 that is no health report comes from a proxy.
            Err(_) => Err(Rejection::from_parts(status, &headers, &body, system_time()).into()),
        }
    }

    /// Asks the server for a sign of life, which needs no token on most servers.
    ///
    /// # Errors
    ///
    /// No answer, or any other than 200 and 204.
    pub async fn ping(&self) -> Result<Ping, RequestError> {
        let url = self.endpoints().ping.clone();
        let response = self.send(self.get(url).timeout(self.timeout())).await?;
        if !matches!(response.status(), StatusCode::OK | StatusCode::NO_CONTENT) {
            return Err(self.rejection(response).await);
        }
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Ping { version: header("x-influxdb-version"), build: header("x-influxdb-build") })
    }

    /// Has a Freshet server write all that it holds in memory into Parquet files, and waits until it is done. Needs an
    /// operator's token. Returns the server's report, a JSON object.
    ///
    /// A flush may take as long as a query, so it has the time limit of one.
    ///
    /// # Errors
    ///
    /// The server's refusal (404 from a server that is not Freshet), a broken connection or a time-out.
    pub async fn flush(&self) -> Result<Value, RequestError> {
        let url = self.endpoints().flush.clone();
        let response = self.send(self.post(url).timeout(self.query_timeout())).await?;
        if response.status() != StatusCode::OK {
            return Err(self.rejection(response).await);
        }
        let body = self.read_answer(response).await?;
        serde_json::from_slice(&body).map_err(|source| RequestError::MalformedAnswer { source })
    }

    /// Has a Freshet server merge its Parquet files until none overlap, and apply retention. Needs an operator's token.
    /// With `wait` it returns when that is done, with the server's report; otherwise as soon as it has begun. The
    /// server goes on when the client goes away.
    ///
    /// # Errors
    ///
    /// The server's refusal (404 from a server that is not Freshet), a broken connection or a time-out.
    pub async fn compact(&self, wait: bool) -> Result<Value, RequestError> {
        let mut url = self.endpoints().compact.clone();
        if wait {
            url.set_query(Some("wait=true"));
        }
        let response = self.send(self.post(url).timeout(self.query_timeout())).await?;
        if !matches!(response.status(), StatusCode::OK | StatusCode::ACCEPTED) {
            return Err(self.rejection(response).await);
        }
        let body = self.read_answer(response).await?;
        serde_json::from_slice(&body).map_err(|source| RequestError::MalformedAnswer { source })
    }
}

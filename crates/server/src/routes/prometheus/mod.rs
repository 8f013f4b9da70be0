//! Prometheus's API over a bucket: remote write 1.0, remote read, and the queries that Grafana and others send.
//!
//! The bucket is that of the address (`/prometheus/{bucket}/api/v1/…`), else of `bucket`, else of `db` and `rp`. The
//! organisation is that of `org` or `orgID`, else the token's. Credentials are taken in every form that the endpoints
//! of InfluxDB 1.x take, because Prometheus knows Basic and Bearer only. Errors have Prometheus's shape.

mod answer;
mod query;
mod read;
mod series;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use catalog::{Action, Bucket, Organisation, Permission};
use http::{Method, StatusCode, header};

use crate::api_error::{ApiError, ApiResult, Code};
use crate::dbrp;
use crate::metrics::TransferKind;
use crate::request::{Parameters, RequestError};
use crate::scope;
use crate::state::AppState;

/// The routes, at their usual places and below `/prometheus/{bucket}`.
pub(super) fn routes() -> Router<AppState> {
    api()
        .nest("/prometheus/{bucket}", api())
        .route("/api/v1/prom/write", post(write::write))
        .route("/api/v1/prom/read", post(read::read))
}

fn api() -> Router<AppState> {
    Router::new()
        .route("/api/v1/write", post(write::write))
        .route("/api/v1/read", post(read::read))
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/series", get(series::series).post(series::series))
        .route("/api/v1/labels", get(series::labels).post(series::labels))
        .route("/api/v1/label/{name}/values", get(series::values))
        .route("/api/v1/metadata", get(series::metadata))
        .route("/api/v1/status/buildinfo", get(series::build_info))
}

/// What a request is about.
struct Target {
    organisation: Arc<Organisation>,
    bucket: Arc<Bucket>,
}

/// A request that has been read as far as its parameters.
struct Asked {
    target: Target,
    /// Those of the form, then those of the address.
    parameters: Parameters,
    /// The label of the path.
    label: Option<String>,
}

impl Target {
    /// Who asks, and for which bucket. `path` are the parameters of the path.
    async fn of(
        state: &AppState,
        parts: &http::request::Parts,
        parameters: &Parameters,
        path: &[(String, String)],
        action: Action,
    ) -> ApiResult<Self> {
        let (principal, own) = super::v1::caller(state, parts, parameters).await?;
        let organisation = scope::named_organisation(state, parameters)?.unwrap_or(own);
        let in_path = path.iter().find(|(name, _)| name == "bucket").map(|(_, value)| value.as_str());
        let bucket = match (in_path.or_else(|| parameters.get("bucket")), parameters.get("db")) {
            (Some(bucket), _) => scope::bucket(state, &organisation, bucket)?,
            (None, Some(database)) if action == Action::Write => {
                let policy = parameters.get("rp");
                super::v1::write::database_bucket(state, &principal, &organisation, database, policy).await?
            }
            (None, Some(database)) => dbrp::find(state, &organisation, Some(database), parameters.get("rp"))?,
            (None, None) => return Err(RequestError::MissingPrometheusBucket.into()),
        };
        if !principal.allows(&Permission::on_bucket(action, bucket.id, organisation.id)) {
            let what =
                if action == Action::Write { super::write::FORBIDDEN } else { "insufficient permissions for read" };
            return Err(ApiError::new(Code::Forbidden, what));
        }
        Ok(Self { organisation, bucket })
    }

    async fn snapshot(&self, state: &AppState) -> ApiResult<storage::Snapshot> {
        let retention = (!self.bucket.retention.is_zero()).then_some(self.bucket.retention);
        Ok(state.engine().snapshot(self.bucket.id, retention).await?)
    }

    fn transferred(&self, state: &AppState, kind: TransferKind, status: StatusCode, bytes: usize) {
        state.metrics().transferred(kind, self.organisation.id.to_string(), status, bytes as u64);
    }
}

/// The parameters of the path.
async fn path_parameters(state: &AppState, parts: &mut http::request::Parts) -> ApiResult<Vec<(String, String)>> {
    match RawPathParams::from_request_parts(parts, state).await {
        Ok(path) => Ok(path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        Err(rejection) => Err(ApiError::invalid(rejection.to_string())),
    }
}

impl Asked {
    /// Reads a query, whose parameters may stand in its address and in a form.
    async fn of(state: &AppState, request: Request) -> ApiResult<Self> {
        let (mut parts, body) = request.into_parts();
        let mut parameters = Parameters::from_uri(&parts.uri)?;
        if parts.method == Method::POST {
            let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let content_type = content_type.unwrap_or_default().trim_start().to_ascii_lowercase();
            let body = state.bodies().read_small_body(body, &parts.headers).await?;
            if content_type.starts_with("application/x-www-form-urlencoded") {
                parameters = Parameters::from_form(&body.bytes)?.followed_by(parameters);
            }
        }
        let path = path_parameters(state, &mut parts).await?;
        let target = Target::of(state, &parts, &parameters, &path, Action::Read).await?;
        let label = path.into_iter().find(|(name, _)| name == "name").map(|(_, value)| value);
        Ok(Self { target, parameters, label })
    }
}

/// An answer, or an error in Prometheus's shape.
fn answered(result: ApiResult<Response>) -> Response {
    result.unwrap_or_else(ApiError::into_prometheus_response).into_response()
}

/// A parameter that cannot be understood.
fn bad_parameter(name: &str, cause: impl std::fmt::Display) -> ApiError {
    ApiError::invalid(format!("invalid parameter {name:?}: {cause}"))
}

/// A time as Prometheus takes it, in milliseconds since 1970: seconds with a fraction, or RFC 3339.
fn time_ms(parameters: &Parameters, name: &str) -> ApiResult<Option<i64>> {
    let Some(text) = parameters.get(name) else { return Ok(None) };
    let unknown = || bad_parameter(name, format!("cannot parse {text:?} to a valid timestamp"));
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = (seconds * 1000.0).round();
        return if ms.is_finite() { Ok(Some(ms as i64)) } else { Err(unknown()) };
    }
    // The plus of an offset is a blank in an address that nobody escaped.
    let time = chrono::DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map_err(|_| unknown())?;
    Ok(Some(time.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        let time = |text: &str| {
            time_ms(&Parameters::from_pairs(vec![("t".to_owned(), text.to_owned())]), "t")
                .map_err(|e| e.message().to_owned())
        };
        assert_eq!(time("1700000000.1234"), Ok(Some(1_700_000_000_123)));
        assert_eq!(time("-1.5"), Ok(Some(-1500)));
        assert_eq!(time("2023-11-14T22:13:20.5Z"), Ok(Some(1_700_000_000_500)));
        assert_eq!(time("2023-11-14T23:13:20 01:00"), Ok(Some(1_700_000_000_000)));
        assert_eq!(time(""), Ok(None));
        for text in ["now", "NaN", "inf"] {
            let expected = format!("invalid parameter \"t\": cannot parse {text:?} to a valid timestamp");
            assert_eq!(time(text), Err(expected));
        }
    }
}

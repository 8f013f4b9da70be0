//! `POST /api/freshet/v1/compact`: merges files until none overlap, and applies retention. For operators.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use catalog::{Action, Permission, ResourceType};
use http::StatusCode;
use serde::Serialize;
use storage::CompactReport;

use crate::api_error::ApiResult;
use crate::auth::{Authenticated, describe};
use crate::json::Json;
use crate::request::Parameters;
use crate::state::AppState;

/// What was done.
#[derive(Serialize)]
struct CompactJson {
    merges: usize,
    files_read: usize,
    files_written: usize,
    rows_read: u64,
    rows_written: u64,
    bytes_read: u64,
    bytes_written: u64,
    files_retired: usize,
}

impl From<CompactReport> for CompactJson {
    fn from(report: CompactReport) -> Self {
        Self {
            merges: report.merges,
            files_read: report.files_read,
            files_written: report.files_written,
            rows_read: report.rows_read,
            rows_written: report.rows_written,
            bytes_read: report.bytes_read,
            bytes_written: report.bytes_written,
            files_retired: report.files_retired,
        }
    }
}

/// What is told to a client that does not wait.
#[derive(Serialize)]
struct Started {
    status: &'static str,
}

/// With `wait=true` returns when all points of now are in files that do not overlap; otherwise at once, with 202.
pub(super) async fn compact(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Response> {
    // It touches the buckets of all organisations.
    principal.require(Permission::on_type(Action::Write, ResourceType::Buckets))?;
    let by = describe(&principal);
    if parameters.flag("wait") {
        let report = state.engine().compact().await?;
        tracing::info!(by, ?report, "compacted on request");
        return Ok(Json(CompactJson::from(report)).into_response());
    }
    let engine = state.engine().clone();
    tokio::spawn(async move {
        match engine.compact().await {
            Ok(report) => tracing::info!(by, ?report, "compacted on request"),
            Err(error) => tracing::error!(by, %error, "a request to compact failed"),
        }
    });
    Ok((StatusCode::ACCEPTED, Json(Started { status: "started" })).into_response())
}

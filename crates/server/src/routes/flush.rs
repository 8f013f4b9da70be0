//! `POST /api/freshet/v1/flush`: puts all buffered points into files, for backups and outside readers. For operators.

use axum::extract::State;
use catalog::{Action, Permission, ResourceType};
use serde::Serialize;

use crate::api_error::ApiResult;
use crate::auth::{Authenticated, describe};
use crate::json::Json;
use crate::state::AppState;

/// What was flushed.
#[derive(Serialize)]
pub(super) struct FlushJson {
    tables: usize,
    files: usize,
    rows: u64,
    bytes: u64,
}

/// Returns when all points of now are in files that the catalog names.
pub(super) async fn flush(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
) -> ApiResult<Json<FlushJson>> {
    // It touches the buckets of all organisations.
    principal.require(Permission::on_type(Action::Write, ResourceType::Buckets))?;
    let report = state.engine().flush().await?;
    tracing::info!(by = describe(&principal), ?report, "flushed on request");
    Ok(Json(FlushJson { tables: report.tables, files: report.files, rows: report.rows, bytes: report.bytes }))
}

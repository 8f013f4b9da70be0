//! `/api/v3/configure/table`: measurements, before anything is written to them, and their end.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::Deserialize;
use storage::{ColumnKind, DeleteFilter, DeleteRequest, DeleteSubject, DeleteTerm, FieldKind, TableDefinition};

use super::caller;
use super::databases::{changeable, check_hard_delete, not_found};
use crate::api_error::{ApiError, ApiResult, V3Result};
use crate::auth::{Authenticated, describe};
use crate::extract::V3Body;
use crate::json::null_is_default;
use crate::request::Parameters;
use crate::routes::buckets::bucket_info;
use crate::state::AppState;

/// A measurement to make.
#[derive(Debug, Deserialize)]
pub(super) struct TableRequest {
    db: String,
    table: String,
    #[serde(default, deserialize_with = "null_is_default")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    fields: Vec<FieldRequest>,
}

/// A field of it.
#[derive(Debug, Deserialize)]
struct FieldRequest {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

/// `POST`: a measurement with its tags and fields.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    V3Body(request): V3Body<TableRequest>,
) -> V3Result<StatusCode> {
    let caller = caller(&state, principal, &parameters)?;
    let bucket = changeable(&state, &caller, Some(&request.db))?;
    let mut columns: Vec<(String, ColumnKind)> = request.tags.into_iter().map(|name| (name, ColumnKind::Tag)).collect();
    for field in request.fields {
        columns.push((field.name, ColumnKind::Field(kind(&field.kind)?)));
    }
    let info = Arc::new(bucket_info(&caller.organisation, &bucket));
    let definition = TableDefinition { measurement: request.table, columns };
    state.engine().create_table(info, definition).await?;
    Ok(StatusCode::OK)
}

/// The type of a field by InfluxDB 3's name.
fn kind(name: &str) -> ApiResult<FieldKind> {
    Ok(match name {
        "utf8" => FieldKind::String,
        "int64" => FieldKind::Integer,
        "uint64" => FieldKind::Unsigned,
        "float64" => FieldKind::Float,
        "bool" => FieldKind::Boolean,
        other => {
            return Err(ApiError::invalid(format!(
                "unknown type `{other}`, expected one of `utf8`, `int64`, `uint64`, `float64`, `bool`"
            )));
        }
    })
}

/// `DELETE ?db&table`: all rows of a measurement. What its columns are stays known.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> V3Result<StatusCode> {
    let caller = caller(&state, principal, &parameters)?;
    let bucket = changeable(&state, &caller, parameters.get("db"))?;
    let missing = || ApiError::invalid("missing query parameter 'table'");
    let table = parameters.get("table").ok_or_else(missing)?;
    check_hard_delete(&parameters)?;
    // Rows past the retention count as well: a longer one would show them again.
    if state.engine().snapshot(bucket.id, None).await?.table(table).is_none() {
        return Err(not_found(table).into());
    }
    let measurement = DeleteTerm { subject: DeleteSubject::Measurement, is_equal: true, value: table.to_owned() };
    let filter = DeleteFilter { time_range: (i64::MIN, i64::MAX), terms: vec![measurement] };
    tracing::info!(by = describe(&caller.principal), bucket = %bucket.id, table, "deleting a table");
    state.engine().delete(DeleteRequest { organisation: bucket.organisation_id, bucket: bucket.id, filter }).await?;
    Ok(StatusCode::OK)
}

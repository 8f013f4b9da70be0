//! `/api/v3/configure/database`: the buckets of an organisation as InfluxDB 3 manages them.
//!
//! A database that is deleted is gone at once, with its points; InfluxDB 3 keeps it for a while. So `hard_delete_at`
//! may name a time, and may not be `never`.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use axum::extract::{Request, State};
use axum::response::Response;
use catalog::{Action, Bucket, BucketUpdate, Permission, ResourceType};
use http::StatusCode;
use query::QueryError;
use serde::{Deserialize, Deserializer};

use super::caller;
use super::query::Caller;
use super::write::make_database;
use crate::api_error::{ApiError, ApiResult, V3Result};
use crate::auth::Authenticated;
use crate::extract::V3Body;
use crate::format::Format;
use crate::request::Parameters;
use crate::routes::buckets::drop_points;
use crate::scope;
use crate::state::AppState;
use crate::uninterrupted::uninterrupted;

/// `GET`: the databases that the caller may read, by name.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> V3Result<Response> {
    let format = Format::negotiate(parameters.get("format"), request.headers())?;
    let caller = caller(&state, principal, &parameters)?;
    let organisation = caller.organisation.id;
    let is_listed = |bucket: &Bucket| {
        bucket.organisation_id == organisation
            && caller.principal.allows(&Permission::on_bucket(Action::Read, bucket.id, organisation))
    };
    let buckets = state.catalog().all_buckets();
    let listed = buckets.iter().filter(|bucket| is_listed(bucket));
    let mut names: Vec<&str> = listed.map(|bucket| bucket.name.as_str()).collect();
    names.sort_unstable();
    let count = names.len();
    let mut columns: Vec<(&str, ArrayRef)> = vec![("iox::database", Arc::new(StringArray::from(names)))];
    if parameters.flag("show_deleted") {
        columns.push(("deleted", Arc::new(BooleanArray::from(vec![false; count]))));
    }
    Ok(table(&state, format, columns).await?)
}

/// An answer of one table.
pub(super) async fn table(state: &AppState, format: Format, columns: Vec<(&str, ArrayRef)>) -> ApiResult<Response> {
    let batch = RecordBatch::try_from_iter(columns).map_err(ApiError::internal)?;
    let schema = batch.schema();
    state.formatter().respond(format, schema, futures::stream::iter([Ok::<_, QueryError>(batch)])).await
}

/// A database to make or to change.
#[derive(Debug, Deserialize)]
pub(super) struct DatabaseRequest {
    db: String,
    /// `Some(None)` is `null`: for ever.
    #[serde(default, deserialize_with = "given")]
    retention_period: Option<Option<String>>,
}

/// Tells `null` from what is not there.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `POST`: a new database.
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    V3Body(request): V3Body<DatabaseRequest>,
) -> V3Result<StatusCode> {
    let caller = caller(&state, principal, &parameters)?;
    let organisation = caller.organisation.id;
    caller.principal.require(Permission::in_organisation(Action::Write, ResourceType::Buckets, organisation))?;
    let retention = request.retention_period.flatten().as_deref().map(period).transpose()?;
    make_database(&state, &caller, &request.db, retention.unwrap_or_default()).await?;
    Ok(StatusCode::OK)
}

/// `PUT`: another retention; without one, none.
pub(super) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    V3Body(request): V3Body<DatabaseRequest>,
) -> V3Result<StatusCode> {
    let caller = caller(&state, principal, &parameters)?;
    let bucket = changeable(&state, &caller, Some(&request.db))?;
    let retention = request.retention_period.flatten().as_deref().map(period).transpose()?;
    set(&state, &bucket, retention.unwrap_or_default()).await?;
    Ok(StatusCode::OK)
}

/// `POST …/retention_period?db&duration`.
pub(super) async fn set_retention(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> V3Result<StatusCode> {
    let caller = caller(&state, principal, &parameters)?;
    let bucket = changeable(&state, &caller, parameters.get("db"))?;
    let duration = parameters.get("duration").ok_or_else(|| ApiError::invalid("missing query parameter 'duration'"))?;
    set(&state, &bucket, period(duration)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE …/retention_period?db`: for ever.
pub(super) async fn clear_retention(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> V3Result<StatusCode> {
    let caller = caller(&state, principal, &parameters)?;
    let bucket = changeable(&state, &caller, parameters.get("db"))?;
    set(&state, &bucket, Duration::ZERO).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn set(state: &AppState, bucket: &Bucket, retention: Duration) -> ApiResult<()> {
    // The length of a shard group is not known here: the default of the retention.
    let shard_group_duration = Some(Duration::ZERO);
    let update = BucketUpdate { retention: Some(retention), shard_group_duration, ..BucketUpdate::default() };
    state.catalog().update_bucket(bucket.id, update).await?;
    Ok(())
}

/// `DELETE ?db`: the database with its points.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> V3Result<StatusCode> {
    let caller = caller(&state, principal, &parameters)?;
    let bucket = changeable(&state, &caller, parameters.get("db"))?;
    check_hard_delete(&parameters)?;
    uninterrupted(async move {
        state.catalog().delete_bucket(bucket.id).await?;
        drop_points(&state, bucket.organisation_id, bucket.id).await;
        Ok(())
    })
    .await?;
    Ok(StatusCode::OK)
}

/// When InfluxDB 3 would delete what is marked as deleted. Here it is always now.
pub(super) fn check_hard_delete(parameters: &Parameters) -> ApiResult<()> {
    match parameters.get("hard_delete_at") {
        None | Some("now" | "default") => Ok(()),
        Some("never") => Err(ApiError::invalid("hard_delete_at cannot be never: what is deleted here is gone at once")),
        Some(time) if chrono::DateTime::parse_from_rfc3339(time).is_ok() => Ok(()),
        Some(other) => Err(ApiError::invalid(format!(
            "hard_delete_at is now, default, never or a time by RFC 3339, not {other:?}"
        ))),
    }
}

/// The bucket of a database that the caller may change.
pub(super) fn changeable(state: &AppState, caller: &Caller, database: Option<&str>) -> ApiResult<Arc<Bucket>> {
    let name = database.ok_or_else(|| ApiError::invalid("missing query parameter 'db'"))?;
    let bucket = scope::bucket(state, &caller.organisation, name).map_err(|_| not_found(name))?;
    let allows = |action| caller.principal.allows(&Permission::on_bucket(action, bucket.id, bucket.organisation_id));
    if !allows(Action::Read) && !allows(Action::Write) {
        return Err(not_found(name));
    }
    caller.principal.require(Permission::on_bucket(Action::Write, bucket.id, bucket.organisation_id))?;
    Ok(bucket)
}

/// The answer where something is not there.
pub(super) fn not_found(name: &str) -> ApiError {
    ApiError::not_found(format!("the requested resource was not found: {name}"))
}

/// A period as InfluxDB 3 writes it: numbers with units, such as `30d` or `1h 30m`.
pub(super) fn period(text: &str) -> ApiResult<Duration> {
    let invalid =
        || ApiError::invalid(format!("invalid duration {text:?}: numbers with units are wanted, as 30d or 1h30m"));
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = match unit {
            "ns" => Duration::from_nanos(1),
            "us" => Duration::from_micros(1),
            "ms" => Duration::from_millis(1),
            "s" | "sec" | "second" | "seconds" => Duration::from_secs(1),
            "m" | "min" | "minute" | "minutes" => Duration::from_mins(1),
            "h" | "hr" | "hour" | "hours" => Duration::from_hours(1),
            "d" | "day" | "days" => Duration::from_hours(24),
            "w" | "week" | "weeks" => Duration::from_hours(24 * 7),
            // The lengths of humantime, which InfluxDB 3 reads them with.
            "M" | "month" | "months" => Duration::from_secs(2_630_016),
            "y" | "year" | "years" => Duration::from_secs(31_557_600),
            _ => return Err(invalid()),
        };
        let number: u32 = number.parse().map_err(|_| invalid())?;
        total = unit.checked_mul(number).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        rest = after.trim_start();
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn periods() {
        for (text, seconds) in [("30d", 30 * 86_400), ("1h30m", 5400), ("1h 30min", 5400), ("2 weeks", 0), ("0s", 0)] {
            match period(text) {
                Ok(found) => assert_eq!(found.as_secs(), seconds, "{text}"),
                Err(_) => assert_eq!(text, "2 weeks"),
            }
        }
        for bad in ["", " ", "30", "d", "-1d", "1.5h", "30x", "4294967296y", "1h,2m"] {
            assert!(period(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn null_is_not_missing() {
        let parse = |text: &str| serde_json::from_str::<DatabaseRequest>(text).unwrap().retention_period;
        assert_eq!(parse(r#"{"db":"d"}"#), None);
        assert_eq!(parse(r#"{"db":"d","retention_period":null}"#), Some(None));
        assert_eq!(parse(r#"{"db":"d","retention_period":"1h"}"#), Some(Some("1h".to_owned())));
    }
}

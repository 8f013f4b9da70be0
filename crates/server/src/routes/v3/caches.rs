//! `/api/v3/configure/last_cache` and `/distinct_cache`: caches of tables, which SQL reads by `last_cache('table',
//! 'name')` and `distinct_cache('table', 'name')`. What they hold is the query engine's to find; here they are defined.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use catalog::{Bucket, CacheKind, NewCache};
use http::StatusCode;
use query::{CacheDefinition, CacheKind as Holds, Caches};
use serde::{Deserialize, Serialize};
use storage::{FieldKind, TableSnapshot};

use super::caller;
use super::databases::{changeable, not_found};
use crate::api_error::{ApiError, ApiResult, V3Result};
use crate::auth::{Authenticated, describe};
use crate::extract::V3Body;
use crate::json::Created;
use crate::limits::{CACHE_AGE_S, CACHE_COLUMNS, CACHE_ROWS, DISTINCT_CACHE_ROWS};
use crate::request::Parameters;
use crate::state::AppState;

/// What a last cache is, as it is asked for, answered and stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LastDefinition {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_columns: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_columns: Option<Vec<String>>,
    count: Option<u64>,
    /// Seconds.
    ttl: Option<u64>,
}

/// What a distinct cache is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DistinctDefinition {
    columns: Vec<String>,
    max_cardinality: Option<u64>,
    /// Seconds.
    max_age: Option<u64>,
}

/// A cache to make.
#[derive(Debug, Deserialize)]
pub(super) struct CacheRequest<D> {
    db: String,
    table: String,
    name: Option<String>,
    #[serde(flatten)]
    definition: D,
}

/// A cache that was made.
#[derive(Serialize)]
struct CacheJson<'a, D> {
    table: &'a str,
    name: &'a str,
    #[serde(flatten)]
    definition: &'a D,
}

/// A kind of caches.
trait Definition: Serialize {
    const KIND: CacheKind;

    /// With what was left out, if it can be had over this table.
    fn checked(self, table: &TableSnapshot) -> ApiResult<Self>
    where
        Self: Sized;

    /// The columns in the name of a cache that was given none.
    fn named_columns(&self) -> &[String];
}

impl Definition for LastDefinition {
    const KIND: CacheKind = CacheKind::Last;

    fn checked(mut self, table: &TableSnapshot) -> ApiResult<Self> {
        self.count = Some(within("count", self.count.unwrap_or(1), CACHE_ROWS)?);
        self.ttl = Some(within("ttl", self.ttl.unwrap_or(4 * 3600), CACHE_AGE_S)?);
        check_columns(table, self.key_columns.as_deref().unwrap_or_default(), true)?;
        check_columns(table, self.value_columns.as_deref().unwrap_or_default(), false)?;
        let both = |name: &&String| self.key_columns.as_ref().is_some_and(|keys| keys.contains(*name));
        if let Some(name) = self.value_columns.iter().flatten().find(both) {
            return Err(ApiError::invalid(format!("column {name:?} is a key and a value")));
        }
        Ok(self)
    }

    fn named_columns(&self) -> &[String] {
        self.key_columns.as_deref().unwrap_or_default()
    }
}

impl Definition for DistinctDefinition {
    const KIND: CacheKind = CacheKind::Distinct;

    fn checked(mut self, table: &TableSnapshot) -> ApiResult<Self> {
        let limit = DISTINCT_CACHE_ROWS;
        self.max_cardinality = Some(within("max_cardinality", self.max_cardinality.unwrap_or(limit), limit)?);
        self.max_age = Some(within("max_age", self.max_age.unwrap_or(24 * 3600), CACHE_AGE_S)?);
        if self.columns.is_empty() {
            return Err(ApiError::invalid("a distinct cache needs a column"));
        }
        check_columns(table, &self.columns, true)?;
        Ok(self)
    }

    fn named_columns(&self) -> &[String] {
        &self.columns
    }
}

fn within(name: &str, value: u64, limit: u64) -> ApiResult<u64> {
    if (1..=limit).contains(&value) {
        return Ok(value);
    }
    Err(ApiError::invalid(format!("{name} is from 1 to {limit}, not {value}")))
}

/// Columns of the table that are named once each. Keys are tags, or fields that are no floats.
fn check_columns(table: &TableSnapshot, names: &[String], are_keys: bool) -> ApiResult<()> {
    let schema = table.schema();
    if names.len() > CACHE_COLUMNS {
        return Err(ApiError::invalid(format!("a cache has at most {CACHE_COLUMNS} columns")));
    }
    for (index, name) in names.iter().enumerate() {
        let found = schema.index_of(name).ok().and_then(|index| table.column(index));
        let column = found.ok_or_else(|| ApiError::invalid(format!("the table has no tag or field {name:?}")))?;
        if are_keys && column.kind == storage::ColumnKind::Field(FieldKind::Float) {
            return Err(ApiError::invalid(format!("column {name:?} is a float, and floats tell no rows apart")));
        }
        if names.iter().take(index).any(|before| before == name) {
            return Err(ApiError::invalid(format!("column {name:?} is named twice")));
        }
    }
    Ok(())
}

/// `POST …/last_cache`.
pub(super) async fn create_last(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    V3Body(request): V3Body<CacheRequest<LastDefinition>>,
) -> V3Result<Response> {
    Ok(create(&state, principal, &parameters, request).await?)
}

/// `POST …/distinct_cache`.
pub(super) async fn create_distinct(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    V3Body(request): V3Body<CacheRequest<DistinctDefinition>>,
) -> V3Result<Response> {
    Ok(create(&state, principal, &parameters, request).await?)
}

async fn create<D: Definition>(
    state: &AppState,
    principal: catalog::Principal,
    parameters: &Parameters,
    request: CacheRequest<D>,
) -> ApiResult<Response> {
    let caller = caller(state, principal, parameters)?;
    let bucket = changeable(state, &caller, Some(&request.db))?;
    let snapshot = state.engine().snapshot(bucket.id, None).await?;
    let table = snapshot.table(&request.table).ok_or_else(|| not_found(&request.table))?;
    let definition = request.definition.checked(table)?;
    let name = request.name.filter(|name| !name.is_empty()).unwrap_or_else(|| {
        let columns: String = definition.named_columns().iter().map(|column| format!("_{column}")).collect();
        format!("{}{columns}_{}_cache", request.table, D::KIND)
    });
    let new = NewCache {
        kind: D::KIND,
        bucket_id: bucket.id,
        table: request.table.clone(),
        name: name.clone(),
        definition: serde_json::to_string(&definition).map_err(ApiError::internal)?,
    };
    state.catalog().create_cache(new).await?;
    tracing::info!(by = describe(&caller.principal), bucket = %bucket.id, name, "made a cache");
    Ok(Created(CacheJson { table: &request.table, name: &name, definition: &definition }).into_response())
}

/// `DELETE …/last_cache?db&table&name`.
pub(super) async fn remove_last(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> V3Result<StatusCode> {
    Ok(remove(&state, principal, &parameters, CacheKind::Last).await?)
}

/// `DELETE …/distinct_cache?db&table&name`.
pub(super) async fn remove_distinct(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> V3Result<StatusCode> {
    Ok(remove(&state, principal, &parameters, CacheKind::Distinct).await?)
}

async fn remove(
    state: &AppState,
    principal: catalog::Principal,
    parameters: &Parameters,
    kind: CacheKind,
) -> ApiResult<StatusCode> {
    let caller = caller(state, principal, parameters)?;
    let bucket = changeable(state, &caller, parameters.get("db"))?;
    let given = |name: &'static str| {
        parameters.get(name).ok_or_else(|| ApiError::invalid(format!("missing query parameter '{name}'")))
    };
    let (table, name) = (given("table")?, given("name")?);
    state.catalog().delete_cache(bucket.id, kind, table, name).await?;
    tracing::info!(by = describe(&caller.principal), bucket = %bucket.id, name, "deleted a cache");
    Ok(StatusCode::OK)
}

/// The caches of a bucket as queries know them.
pub(super) fn caches_of(state: &AppState, bucket: &Bucket) -> Caches {
    let definition = |cache: &catalog::Cache| {
        let kind = match cache.kind {
            CacheKind::Last => serde_json::from_str(&cache.definition).map(LastDefinition::holds),
            CacheKind::Distinct => serde_json::from_str(&cache.definition).map(DistinctDefinition::holds),
        };
        match kind {
            Ok(kind) => Some(CacheDefinition { table: cache.table.clone(), name: cache.name.clone(), kind }),
            Err(error) => {
                tracing::error!(cache = %cache.id, %error, "the definition of a cache cannot be read");
                None
            }
        }
    };
    let definitions = state.catalog().list_caches(bucket.id).iter().filter_map(|cache| definition(cache)).collect();
    Caches { definitions, now_ns: state.now_ns() }
}

impl LastDefinition {
    fn holds(self) -> Holds {
        Holds::Last {
            keys: self.key_columns,
            values: self.value_columns,
            count: self.count.unwrap_or(1),
            ttl: Duration::from_secs(self.ttl.unwrap_or_default()),
        }
    }
}

impl DistinctDefinition {
    fn holds(self) -> Holds {
        Holds::Distinct {
            columns: self.columns,
            max_cardinality: self.max_cardinality.unwrap_or_default(),
            max_age: Duration::from_secs(self.max_age.unwrap_or_default()),
        }
    }
}

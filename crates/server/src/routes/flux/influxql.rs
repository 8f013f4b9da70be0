//! `"type": "influxql"` of `/api/v2/query`: statements of InfluxQL over a bucket, or over a database and its retention
//! policy, answered as `/query` of 1.x answers them. InfluxDB 2.0 knew it, 2.9 refuses it.

use std::sync::Arc;

use ::query::influxql::{Statement, Value, bind, parse};
use axum::response::Response;
use catalog::{Organisation, Principal};
use http::HeaderMap;

use super::{QueryBody, refused};
use crate::api_error::{ApiError, ApiResult};
use crate::routes::v1::{Runner, query};
use crate::state::AppState;

/// Runs the statements of a request.
pub(super) fn runner(
    state: &AppState,
    principal: Principal,
    organisation: Arc<Organisation>,
    body: &QueryBody,
) -> Runner {
    Runner {
        state: state.clone(),
        principal,
        organisation,
        database: body.bucket.clone().or_else(|| body.db.clone()).filter(|name| !name.is_empty()),
        retention_policy: body.rp.clone().filter(|name| !name.is_empty()),
    }
}

fn statements(prefix: &str, body: &QueryBody) -> ApiResult<Vec<Statement>> {
    let text = body.query.trim();
    if text.is_empty() {
        return Err(refused("request body requires a query"));
    }
    let bound = body.params.as_ref().map(bind);
    let text = format!("{prefix}{text}");
    parse(&text, bound.as_ref()).map_err(|error| ApiError::influxql(&error.to_string()))
}

/// The answer to the statements.
pub(super) async fn answer(runner: Runner, headers: &HeaderMap, body: &QueryBody) -> ApiResult<Response> {
    query::respond(runner, statements("", body)?, headers).await
}

/// The lines of `EXPLAIN` for the one statement.
pub(super) async fn plan(runner: &Runner, body: &QueryBody) -> ApiResult<Vec<String>> {
    let is_explain = body.query.trim_start().get(..7).is_some_and(|word| word.eq_ignore_ascii_case("explain"));
    let mut statements = statements(if is_explain { "" } else { "EXPLAIN " }, body)?;
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
        return Err(ApiError::invalid("exactly one InfluxQL statement is needed"));
    };
    let result = runner.run(statement).await?;
    if let Some(error) = result.error {
        return Err(ApiError::invalid(error));
    }
    let rows = result.series.into_iter().flat_map(|series| series.rows);
    let line = |row: Vec<Value>| match row.into_iter().next() {
        Some(Value::Text(line)) => Some(line.to_string()),
        _ => None,
    };
    Ok(rows.filter_map(line).collect())
}

//! SQL: one statement that reads, with parameters, to a logical plan.

use std::collections::HashMap;

use datafusion::common::ParamValues;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;

use crate::error::QueryError;
use crate::limits;

/// A SQL query and its parameters (`$name` in the text).
#[derive(Debug, Clone, Default)]
pub struct SqlRequest {
    /// One statement.
    pub query: String,
    /// Values by name: strings, numbers, booleans and null.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// What `system.snapshots` lists; without it there is no such table.
    pub history: Option<storage::SnapshotHistory>,
}

/// The logical plan of a request, with its parameters filled in. Statements that change something are refused.
pub(crate) async fn plan(
    state: &SessionState,
    request: &SqlRequest,
    memory_limit_bytes: usize,
) -> Result<LogicalPlan, QueryError> {
    if request.query.len() > limits::QUERY_BYTES {
        return Err(QueryError::TooLong { bytes: request.query.len(), limit: limits::QUERY_BYTES });
    }
    let refuse = |error: DataFusionError| QueryError::from_datafusion(&error, memory_limit_bytes);
    let plan = state.create_logical_plan(&request.query).await.map_err(refuse)?;
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&plan).map_err(|error| QueryError::ReadOnly(error.strip_backtrace()))?;
    if request.params.is_empty() {
        return Ok(plan);
    }
    let params = request
        .params
        .iter()
        .map(|(name, value)| Ok((name.clone(), scalar(name, value)?)))
        .collect::<Result<HashMap<String, ScalarValue>, QueryError>>()?;
    plan.with_param_values(ParamValues::from(params)).map_err(refuse)
}

fn scalar(name: &str, value: &serde_json::Value) -> Result<ScalarValue, QueryError> {
    let refuse = |cause| QueryError::Parameter { name: name.to_owned(), cause };
    match value {
        serde_json::Value::Null => Ok(ScalarValue::Null),
        serde_json::Value::Bool(value) => Ok(ScalarValue::from(*value)),
        serde_json::Value::String(value) => Ok(ScalarValue::from(value.as_str())),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(ScalarValue::from)
            .or_else(|| number.as_u64().map(ScalarValue::from))
            .or_else(|| number.as_f64().map(ScalarValue::from))
            .ok_or_else(|| refuse("the number does not fit 64 bits")),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            Err(refuse("a string, number, boolean or null is needed"))
        }
    }
}

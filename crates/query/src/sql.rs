//! SQL: one statement that reads, with parameters, to a logical plan, and what InfluxDB 3 has beside stock DataFusion:
//! time zones, selectors, windows without points.

mod gap_fill;
mod gap_fill_exec;
mod planner;
mod selectors;
mod zones;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ParamValues;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::registry::FunctionRegistry as _;
use datafusion::logical_expr::{AggregateUDF, LogicalPlan, ScalarUDF};
use datafusion::scalar::ScalarValue;

pub(crate) use self::planner::Planner;
use crate::caches::Caches;
use crate::error::QueryError;
use crate::limits;

/// A SQL query and its parameters (`$name` in the text).
#[derive(Debug, Clone, Default)]
pub struct SqlRequest {
    /// One statement.
    pub query: String,
    /// Values by name: strings, numbers, booleans and null.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Values as one row of Arrow: a column stands for the parameter of its name, where that is no number, otherwise
    /// for that of its place (`$1` is the first).
    pub arguments: Option<RecordBatch>,
    /// What `system.snapshots` lists; without it there is no such table.
    pub history: Option<storage::SnapshotHistory>,
    /// What `last_cache` and `distinct_cache` know.
    pub caches: Caches,
}

/// What is known of a query before it runs.
#[derive(Debug, Clone)]
pub struct SqlDescription {
    /// The schema of its rows.
    pub schema: SchemaRef,
    /// A field for each parameter that has no value yet, in order; the type is `Null` where any will do.
    pub parameters: SchemaRef,
}

/// Makes the functions known that stock DataFusion does not have.
pub(crate) fn register(state: &mut SessionState) -> Result<(), DataFusionError> {
    state.register_udf(Arc::new(ScalarUDF::from(zones::ZoneFunction::new())))?;
    state.register_udf(Arc::new(ScalarUDF::from(zones::WallclockFunction::new())))?;
    for function in gap_fill::GapFillFunction::all() {
        state.register_udf(Arc::new(ScalarUDF::from(function)))?;
    }
    for function in selectors::SelectorFunction::all() {
        state.register_udaf(Arc::new(AggregateUDF::from(function)))?;
    }
    Ok(())
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
    let values = values(request, &plan)?;
    let plan = match values.is_empty() {
        true => plan,
        false => plan.with_param_values(ParamValues::from(values)).map_err(refuse)?,
    };
    // What still lacks a value is only described, and its type is that of the plan as it is.
    match parameters(&plan).map_err(refuse)?.fields().is_empty() {
        true => gap_fill::rewrite(plan, state).map_err(refuse),
        false => Ok(plan),
    }
}

/// The values of all parameters by name, without the `$`.
fn values(request: &SqlRequest, plan: &LogicalPlan) -> Result<HashMap<String, ScalarValue>, QueryError> {
    let mut values = HashMap::new();
    for (name, value) in &request.params {
        values.insert(name.clone(), scalar(name, value)?);
    }
    let Some(arguments) = &request.arguments else { return Ok(values) };
    if arguments.num_rows() != 1 {
        return Err(QueryError::Plan(format!("the parameters have {} rows, not one", arguments.num_rows())));
    }
    let known = plan.get_parameter_names().map_err(|error| QueryError::Plan(error.strip_backtrace()))?;
    for (index, (field, array)) in arguments.schema().fields().iter().zip(arguments.columns()).enumerate() {
        let name = field.name().trim_start_matches('$');
        // Drivers call columns by numbers of their own, so that a number says nothing about a place.
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        let is_known = !is_number && known.iter().any(|known| known.trim_start_matches('$') == name);
        let name = if is_known { name.to_owned() } else { (index + 1).to_string() };
        let value = ScalarValue::try_from_array(array, 0);
        let cause = "its type cannot be used in a query";
        values.insert(name.clone(), value.map_err(|_| QueryError::Parameter { name, cause })?);
    }
    Ok(values)
}

/// A field for each parameter of the plan: `$1` before `$2` before `$10` before names.
pub(crate) fn parameters(plan: &LogicalPlan) -> Result<SchemaRef, DataFusionError> {
    let types: BTreeMap<(usize, String), DataType> = plan
        .get_parameter_types()?
        .into_iter()
        .map(|(name, known)| {
            let place = name.trim_start_matches('$').parse().unwrap_or(usize::MAX);
            ((place, name), known.unwrap_or(DataType::Null))
        })
        .collect();
    let fields = types.into_iter().map(|((_, name), known)| Field::new(name, known, true));
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
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

//! `GET` and `POST /api/v3/query_sql` and `/api/v3/query_influxql`: one query over a bucket as a table, in the formats
//! of InfluxDB 3. What stands behind them is shared with Flight SQL.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use catalog::{Action, Bucket, Organisation, Permission, Principal};
use http::{HeaderMap, Method, StatusCode, header};
use query::influxql::{bind, parse};
use query::{QueryResult, SqlDescription, SqlRequest};
use serde::Deserialize;
use serde_json::{Map, Value};
use storage::{Snapshot, SnapshotSelector};

use super::caches::caches_of;
use super::caller;
use crate::api_error::{ApiError, ApiResult, Code, V3Result};
use crate::auth::Authenticated;
use crate::format::Format;
use crate::json;
use crate::metrics::TransferKind;
use crate::request::{Parameters, RequestError};
use crate::routes::v1::{Runner, StatementResult};
use crate::scope;
use crate::state::AppState;

/// Whoever asks, and for which organisation.
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) organisation: Arc<Organisation>,
}

impl Caller {
    /// The bucket of a database, if the caller may read it.
    fn readable(&self, state: &AppState, database: &str) -> ApiResult<Arc<Bucket>> {
        let bucket = scope::bucket(state, &self.organisation, database)
            .map_err(|_| ApiError::not_found(format!("database not found: {database}")))?;
        if !self.principal.allows(&Permission::on_bucket(Action::Read, bucket.id, self.organisation.id)) {
            return Err(ApiError::new(Code::Forbidden, "insufficient permissions for read"));
        }
        Ok(bucket)
    }

    /// What a bucket holds now, or held.
    async fn snapshot(&self, state: &AppState, bucket: &Bucket, at: Option<SnapshotSelector>) -> ApiResult<Snapshot> {
        let retention = (!bucket.retention.is_zero()).then_some(bucket.retention);
        Ok(match at {
            Some(at) => state.engine().snapshot_at(bucket.id, retention, at).await?,
            None => state.engine().snapshot(bucket.id, retention).await?,
        })
    }

    /// The rows of a SQL query over a database.
    pub(crate) async fn sql(
        &self,
        state: &AppState,
        database: &str,
        request: SqlRequest,
        at: Option<SnapshotSelector>,
    ) -> ApiResult<QueryResult> {
        let bucket = self.readable(state, database)?;
        let snapshot = self.snapshot(state, &bucket, at).await?;
        let (history, caches) = (Some(state.engine().history()), caches_of(state, &bucket));
        let request = SqlRequest { history, caches, ..request };
        Ok(state.query().sql(snapshot, request).await?)
    }

    /// What a SQL query would answer, without running it.
    pub(crate) async fn describe(
        &self,
        state: &AppState,
        database: &str,
        request: SqlRequest,
    ) -> ApiResult<SqlDescription> {
        let bucket = self.readable(state, database)?;
        let snapshot = self.snapshot(state, &bucket, None).await?;
        let (history, caches) = (Some(state.engine().history()), caches_of(state, &bucket));
        let request = SqlRequest { history, caches, ..request };
        Ok(state.query().describe_sql(snapshot, request).await?)
    }

    /// The answer to one InfluxQL statement.
    pub(crate) async fn influxql(
        &self,
        state: &AppState,
        database: Option<String>,
        text: &str,
        params: Option<&Map<String, Value>>,
    ) -> ApiResult<StatementResult> {
        let bound = params.map(bind);
        let mut statements = parse(text, bound.as_ref()).map_err(|error| ApiError::influxql(&error.to_string()))?;
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(ApiError::invalid("exactly one InfluxQL statement is needed"));
        };
        let runner = Runner {
            state: state.clone(),
            principal: self.principal.clone(),
            organisation: Arc::clone(&self.organisation),
            database,
            retention_policy: None,
        };
        runner.run(statement).await?.whole().await
    }
}

/// A query, however it came.
#[derive(Debug, Default, Deserialize)]
struct QueryRequest {
    db: Option<String>,
    q: Option<String>,
    format: Option<String>,
    #[serde(default)]
    params: Option<Map<String, Value>>,
    /// An earlier snapshot: its id (a number or a text) or a time.
    #[serde(default)]
    snapshot: Option<Value>,
}

impl QueryRequest {
    /// From a query string or a form, where `params` is JSON in a string.
    fn from_parameters(parameters: &Parameters) -> Result<Self, RequestError> {
        let text = |key: &str| parameters.get(key).map(str::to_owned);
        let params = parameters.get("params").map(serde_json::from_str).transpose().map_err(RequestError::Json)?;
        let snapshot = text("snapshot").map(Value::from);
        Ok(Self { db: text("db"), q: text("q"), format: text("format"), params, snapshot })
    }
}

/// A request whose query is read.
struct Asked {
    caller: Caller,
    request: QueryRequest,
    text: String,
    format: Format,
    at: Option<SnapshotSelector>,
}

impl Asked {
    /// `GET` has everything in the query string. `POST` has JSON or a form; `org` and `orgID` may stand in the query
    /// string beside it.
    async fn read(state: &AppState, principal: Principal, parameters: Parameters, request: Request) -> ApiResult<Self> {
        let (parts, body) = request.into_parts();
        let mut request = if parts.method == Method::POST {
            let body = state.bodies().read_small_body(body, &parts.headers).await?;
            if is_form(&parts.headers) {
                QueryRequest::from_parameters(&Parameters::from_form(&body.bytes)?)?
            } else {
                json::parse(&body.bytes)?
            }
        } else {
            QueryRequest::from_parameters(&parameters)?
        };
        let text = request.q.take().filter(|text| !text.trim().is_empty()).ok_or_else(|| missing("q"))?;
        let format = Format::negotiate(request.format.as_deref(), &parts.headers)?;
        let at = selector(parameters.get("snapshot"), request.snapshot.as_ref())?;
        Ok(Self { caller: caller(state, principal, &parameters)?, request, text, format, at })
    }

    /// Counts an answer.
    fn count(&self, state: &AppState, answer: &ApiResult<Response>) {
        let status = answer.as_ref().map_or_else(|error| error.code().status(), |_| StatusCode::OK);
        let organisation = self.caller.organisation.id.to_string();
        state.metrics().transferred(TransferKind::Query, organisation, status, self.text.len() as u64);
    }
}

fn missing(name: &str) -> ApiError {
    ApiError::invalid(format!("missing query parameter '{name}'"))
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
}

/// The snapshot that a request names, in its address or in its body.
pub(in crate::routes) fn selector(
    parameter: Option<&str>,
    field: Option<&Value>,
) -> ApiResult<Option<SnapshotSelector>> {
    let text = match (parameter, field) {
        (Some(text), _) => text.to_owned(),
        (None, None | Some(Value::Null)) => return Ok(None),
        (None, Some(Value::String(text))) => text.clone(),
        (None, Some(other)) => other.to_string(),
    };
    // The plus of an offset is a blank in an address that nobody escaped.
    let text = match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains('T') && offset.contains(':') => format!("{time}+{offset}"),
        _ => text,
    };
    Ok(Some(text.parse::<SnapshotSelector>()?))
}

/// `/api/v3/query_sql`.
pub(in crate::routes) async fn sql(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> V3Result<Response> {
    let mut asked = Asked::read(&state, principal, parameters, request).await?;
    let database = asked.request.db.take().filter(|text| !text.is_empty()).ok_or_else(|| missing("db"))?;
    let params = asked.request.params.take().unwrap_or_default();
    let request = SqlRequest { query: asked.text.clone(), params, ..SqlRequest::default() };
    let answer = async {
        let result = asked.caller.sql(&state, &database, request, asked.at).await?;
        state.formatter().respond(asked.format, result.schema(), result).await
    };
    let answer = answer.await;
    asked.count(&state, &answer);
    Ok(answer?)
}

/// `/api/v3/query_influxql`.
pub(in crate::routes) async fn influxql(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
    request: Request,
) -> V3Result<Response> {
    let mut asked = Asked::read(&state, principal, parameters, request).await?;
    if asked.at.is_some() {
        return Err(ApiError::invalid("earlier snapshots are read by SQL only: use /api/v3/query_sql").into());
    }
    let database = asked.request.db.take();
    let answer = async {
        let result = asked.caller.influxql(&state, database, &asked.text, asked.request.params.as_ref()).await?;
        let batch = state.formatter().cpu.run(move || query::influxql::to_batch(&result.series)).await??;
        let schema = batch.schema();
        let batches = futures::stream::iter([Ok::<_, query::QueryError>(batch)]);
        state.formatter().respond(asked.format, schema, batches).await
    };
    let answer = answer.await;
    asked.count(&state, &answer);
    Ok(answer?)
}

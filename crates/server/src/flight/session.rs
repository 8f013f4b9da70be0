//! Who calls, for which database, and what the engine answers. The head of a call says who: `authorization` as on the
//! endpoints of 1.x (`Bearer`, `Token`, or Basic with a user of 1.x or a token as the password).

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, header};
use query::influxql::to_batch;
use query::{QueryError, SqlDescription, SqlRequest};

use super::arguments;
use super::commands::Query;
use crate::api_error::{ApiError, ApiResult};
use crate::auth;
use crate::metrics::TransferKind;
use crate::request::{Parameters, RequestError};
use crate::routes::v3::query::Caller;
use crate::scope;
use crate::state::AppState;

/// Where the head of a call names a database, the first one before the others.
const DATABASE: [&str; 4] = ["database", "bucket", "bucket-name", "iox-namespace-name"];

/// How base tables are called, where not `BASE TABLE`.
const BASE_TABLE_TYPE: &str = "x-influxdata-base-table-type";

/// Rows on their way to a client.
pub(super) struct Rows {
    pub(super) schema: SchemaRef,
    pub(super) batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
}

impl Rows {
    /// All rows at once.
    pub(super) fn of(batch: RecordBatch) -> Self {
        Self { schema: batch.schema(), batches: stream::iter([Ok(batch)]).boxed() }
    }
}

/// One call by somebody who is known.
pub(super) struct Session {
    pub(super) state: AppState,
    caller: Caller,
    headers: HeaderMap,
}

impl Session {
    /// Whoever stands behind the head of a call.
    pub(super) async fn open(state: AppState, headers: HeaderMap, address: Option<IpAddr>) -> ApiResult<Self> {
        let principal = auth::v1_principal(&state, &headers, &Parameters::default(), address).await?;
        let organisation = scope::own_organisation(&state, &principal)?.ok_or(RequestError::MissingOrganisation)?;
        Ok(Self { state, caller: Caller { principal, organisation }, headers })
    }

    /// The value of `authorization` that stands for the caller in the calls that follow. A password is hashed at each
    /// call that shows it, unless it is a token.
    pub(super) fn bearer(&self) -> String {
        let shown = self.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match auth::basic_credentials(&self.headers) {
            Some((_, password)) if self.state.catalog().authenticate_token(&password).is_ok() => {
                format!("Bearer {password}")
            }
            Some(_) => shown.to_owned(),
            None => format!("Bearer {}", shown.split_once(' ').map_or(shown, |(_, token)| token.trim())),
        }
    }

    /// The database of a query: what the query says, otherwise what the head says.
    fn database(&self, of_query: Option<&str>) -> ApiResult<String> {
        if let Some(name) = of_query.filter(|name| !name.is_empty()) {
            return Ok(name.to_owned());
        }
        let mut found: Option<&str> = None;
        for value in DATABASE.iter().flat_map(|name| self.headers.get_all(*name)) {
            let value = value.to_str().map_err(|_| ApiError::invalid("the name of the database is not ASCII"))?;
            if found.is_some_and(|found| found != value) {
                return Err(ApiError::invalid("the metadata of the call names more than one database"));
            }
            found = Some(value);
        }
        found.filter(|name| !name.is_empty()).map(str::to_owned).ok_or_else(|| {
            ApiError::invalid("no database: name it in the metadata of the call (`database`) or in the ticket")
        })
    }

    /// How the client wants base tables to be called.
    pub(super) fn base_table_type(&self) -> ApiResult<&'static str> {
        match self.headers.get(BASE_TABLE_TYPE).map(http::HeaderValue::as_bytes) {
            None | Some(b"BASE TABLE") => Ok("BASE TABLE"),
            Some(b"TABLE") => Ok("TABLE"),
            Some(_) => Err(ApiError::invalid(format!("{BASE_TABLE_TYPE} is BASE TABLE or TABLE"))),
        }
    }

    /// What a query would answer, without running it.
    pub(super) async fn describe(&self, query: &Query) -> ApiResult<SqlDescription> {
        let database = self.database(query.database.as_deref())?;
        self.caller.describe(&self.state, &database, sql_request(query)?).await
    }

    /// The rows of a query.
    pub(super) async fn run(&self, query: &Query) -> ApiResult<Rows> {
        let rows = self.rows(query).await;
        let status = rows.as_ref().map_or_else(|error| error.code().status(), |_| http::StatusCode::OK);
        let organisation = self.caller.organisation.id.to_string();
        self.state.metrics().transferred(TransferKind::Query, organisation, status, query.text.len() as u64);
        rows
    }

    async fn rows(&self, query: &Query) -> ApiResult<Rows> {
        if query.is_influxql {
            // A statement may name its database itself.
            let database = self.database(query.database.as_deref()).ok();
            let result = self.caller.influxql(&self.state, database, &query.text, Some(&query.params)).await?;
            if let Some(error) = result.error {
                return Err(ApiError::invalid(error));
            }
            return Ok(Rows::of(self.state.formatter().cpu.run(move || to_batch(&result.series)).await??));
        }
        let database = self.database(query.database.as_deref())?;
        let result = self.caller.sql(&self.state, &database, sql_request(query)?, None).await?;
        Ok(Rows { schema: result.schema(), batches: result.boxed() })
    }

    /// The columns of a table of the database.
    pub(super) async fn table_schema(&self, schema: &str, table: &str) -> ApiResult<SchemaRef> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let text = format!("SELECT * FROM {}.{}", quoted(schema), quoted(table));
        Ok(Arc::clone(&self.describe(&Query { text, ..Query::default() }).await?.schema))
    }
}

fn sql_request(query: &Query) -> ApiResult<SqlRequest> {
    Ok(SqlRequest {
        query: query.text.clone(),
        params: query.params.clone(),
        arguments: arguments::read(&query.arguments)?,
        ..SqlRequest::default()
    })
}

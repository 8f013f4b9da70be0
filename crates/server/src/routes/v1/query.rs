//! `GET` and `POST /query`: InfluxQL, one answer for each statement.
//!
//! A text that cannot be parsed is 400 and nothing of it runs. What fails later is an error inside of an answer with
//! 200, and the statements behind it are not run, as in InfluxDB.

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use query::influxql::{Parameters as Bound, parse};

use super::statements::{Runner, StatementResult};
use crate::api_error::{ApiError, ApiResult};
use crate::format::influx::{self, Epoch, Style};
use crate::limits;
use crate::metrics::TransferKind;
use crate::request::{Parameters, RequestError};
use crate::state::AppState;

/// The request, from its address and its body.
struct QueryRequest {
    address: Parameters,
    form: Parameters,
    /// The body where it is the query itself.
    text: Option<String>,
}

impl QueryRequest {
    fn get(&self, key: &str) -> Option<&str> {
        self.form.get(key).or_else(|| self.address.get(key))
    }

    fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| matches!(value, "true" | "1" | "t" | "T" | "TRUE" | "True"))
    }
}

/// Answers the statements of `q`.
pub(in crate::routes) async fn query(State(state): State<AppState>, request: Request) -> Response {
    match answer(&state, request).await {
        Ok(response) => response,
        Err(error) => error.into_v1_response(),
    }
}

async fn answer(state: &AppState, request: Request) -> ApiResult<Response> {
    let (parts, body) = request.into_parts();
    let address = Parameters::from_uri(&parts.uri)?;
    let (principal, organisation) = super::caller(state, &parts.headers, &address)?;
    let mut request = QueryRequest { address, form: Parameters::default(), text: None };
    if parts.method == Method::POST {
        let body = state.bodies().read_small_body(body, &parts.headers).await?;
        let content_type = content_type(&parts.headers);
        if content_type.starts_with("application/vnd.influxql") {
            let text = std::str::from_utf8(&body.bytes).map_err(|_| ApiError::invalid("the query is not UTF-8"))?;
            request.text = Some(text.to_owned());
        } else if content_type.starts_with("application/x-www-form-urlencoded") {
            request.form = Parameters::from_form(&body.bytes)?;
        }
    }
    let text = request.text.as_deref().or_else(|| request.get("q")).map(str::trim).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ApiError::invalid("missing required parameter \"q\""))?;
    let style = style(&request, &parts.headers)?;
    let query_bytes = text.len() as u64;
    let bound = request.get("params").map(parameters).transpose()?;
    let statements = parse(text, bound.as_ref()).map_err(|error| ApiError::influxql(&error.to_string()))?;
    let runner = Runner {
        state,
        principal: &principal,
        organisation: &organisation,
        database: request.get("db"),
        retention_policy: request.get("rp"),
    };
    let mut results: Vec<StatementResult> = Vec::with_capacity(statements.len());
    let mut failed = false;
    for statement in statements {
        let result = if failed {
            StatementResult::error("not executed")
        } else {
            runner.run(statement).await.unwrap_or_else(|error| StatementResult::error(error.influxql_text()))
        };
        failed |= result.error.is_some();
        results.push(result);
    }
    state.metrics().transferred(TransferKind::Query, organisation.id.to_string(), StatusCode::OK, query_bytes);
    Ok(influx::respond(results, style))
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.trim_start().to_ascii_lowercase()
}

/// How the answer is written.
fn style(request: &QueryRequest, headers: &HeaderMap) -> ApiResult<Style> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let types = accept.split(',').map(|entry| entry.split(';').next().unwrap_or_default().trim());
    let csv = types.map(str::to_ascii_lowercase).find_map(|entry| match entry.as_str() {
        "text/csv" => Some(Some("text/csv")),
        "application/csv" => Some(Some("application/csv")),
        "application/json" | "*/*" | "application/*" => Some(None),
        _ => None,
    });
    let chunk_rows = match request.get("chunk_size") {
        None => limits::CHUNK_ROWS,
        Some(text) => text.parse().ok().filter(|rows| *rows > 0).unwrap_or(limits::CHUNK_ROWS),
    };
    Ok(Style {
        csv: csv.flatten(),
        epoch: request.get("epoch").map(Epoch::from_unit),
        pretty: request.flag("pretty"),
        chunk_rows: request.flag("chunked").then_some(chunk_rows),
    })
}

/// The values of `$name`.
fn parameters(text: &str) -> ApiResult<Bound> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(RequestError::Json)?;
    let serde_json::Value::Object(object) = value else {
        return Err(ApiError::invalid("error parsing query parameters: they are no JSON object"));
    };
    Ok(query::influxql::bind(&object))
}

//! `GET` and `POST /query`: InfluxQL, one answer for each statement.
//!
//! A text that cannot be parsed is 400 and nothing of it runs. What fails later is an error inside of an answer with
//! 200, and the statements behind it are not run, as in InfluxDB.

use axum::extract::{Request, State};
use axum::response::Response;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, Method, StatusCode, header};
use query::influxql::{Parameters as Bound, Statement, parse};
use tracing::Instrument as _;

use super::answer::StatementResult;
use super::multipart;
use super::statements::Runner;
use crate::api_error::{ApiError, ApiResult};
use crate::format::influx::{self, Encoding, Epoch, Style};
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
    let (principal, organisation) = super::caller(state, &parts, &address).await?;
    let request = read(state, address, &parts, body).await?;
    let text = request.text.as_deref().or_else(|| request.get("q")).map(str::trim).filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ApiError::invalid("missing required parameter \"q\""))?;
    let style = style(&request, &parts.headers)?;
    let query_bytes = text.len() as u64;
    let bound = request.get("params").map(parameters).transpose()?;
    let statements = parse(text, bound.as_ref()).map_err(|error| ApiError::influxql(&error.to_string()))?;
    state.metrics().transferred(TransferKind::Query, organisation.id.to_string(), StatusCode::OK, query_bytes);
    let runner = Runner {
        state: state.clone(),
        principal,
        organisation,
        database: request.get("db").map(str::to_owned),
        retention_policy: request.get("rp").map(str::to_owned),
    };
    let count = statements.len();
    Ok(influx::respond(count, results(runner, statements), style).await)
}

/// Answers statements that came in another way than `/query`, in the form that the headers ask for.
pub(in crate::routes) async fn respond(
    runner: Runner,
    statements: Vec<Statement>,
    headers: &HeaderMap,
) -> ApiResult<Response> {
    let request = QueryRequest { address: Parameters::default(), form: Parameters::default(), text: None };
    let style = style(&request, headers)?;
    let count = statements.len();
    Ok(influx::respond(count, results(runner, statements), style).await)
}

/// The body of a `POST`: a form, a file that is uploaded, or the query itself.
async fn read(
    state: &AppState,
    address: Parameters,
    parts: &http::request::Parts,
    body: axum::body::Body,
) -> ApiResult<QueryRequest> {
    let mut request = QueryRequest { address, form: Parameters::default(), text: None };
    if parts.method != Method::POST {
        return Ok(request);
    }
    let body = state.bodies().read_small_body(body, &parts.headers).await?;
    let content_type = content_type(&parts.headers);
    let kind = content_type.to_ascii_lowercase();
    if kind.starts_with("application/vnd.influxql") {
        let text = std::str::from_utf8(&body.bytes).map_err(|_| ApiError::invalid("the query is not UTF-8"))?;
        request.text = Some(text.to_owned());
    } else if kind.starts_with("application/x-www-form-urlencoded") {
        request.form = Parameters::from_form(&body.bytes)?;
    } else if kind.starts_with("multipart/form-data") {
        let invalid = |cause: &str| ApiError::invalid(format!("the form is broken: {cause}"));
        let boundary = multipart::boundary(content_type).ok_or_else(|| invalid("the content type has no boundary"))?;
        request.form = multipart::fields(&body.bytes, boundary).map_err(invalid)?;
    }
    Ok(request)
}

/// The results of the statements, each run when it is asked for. Behind one that failed none is run.
fn results(runner: Runner, statements: Vec<Statement>) -> BoxStream<'static, StatementResult> {
    let span = tracing::Span::current();
    let state = (runner, statements.into_iter(), false);
    stream::unfold(state, move |(runner, mut statements, failed)| {
        async move {
            let statement = statements.next()?;
            let result = if failed {
                StatementResult::error("not executed")
            } else {
                runner.run(statement).await.unwrap_or_else(|error| StatementResult::error(error.influxql_text()))
            };
            let failed = failed || result.error.is_some();
            Some((result, (runner, statements, failed)))
        }
        .instrument(span.clone())
    })
    .boxed()
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.trim_start()
}

/// How the answer is written.
fn style(request: &QueryRequest, headers: &HeaderMap) -> ApiResult<Style> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let types = accept.split(',').map(|entry| entry.split(';').next().unwrap_or_default().trim());
    let encoding = types.map(str::to_ascii_lowercase).find_map(|entry| match entry.as_str() {
        "text/csv" => Some(Encoding::Csv("text/csv")),
        "application/csv" => Some(Encoding::Csv("application/csv")),
        "application/x-msgpack" => Some(Encoding::MessagePack),
        "application/json" | "*/*" | "application/*" => Some(Encoding::Json),
        _ => None,
    });
    let chunk_rows = match request.get("chunk_size") {
        None => limits::CHUNK_ROWS,
        Some(text) => text.parse().ok().filter(|rows| *rows > 0).unwrap_or(limits::CHUNK_ROWS),
    };
    let is_chunked = request.flag("chunked");
    // Clients that accept MessagePack read chunks as lines of JSON: InfluxDB's own for Python fails on others.
    let encoding = encoding.filter(|encoding| !(is_chunked && *encoding == Encoding::MessagePack));
    Ok(Style {
        encoding: encoding.unwrap_or(Encoding::Json),
        epoch: request.get("epoch").map(Epoch::from_unit),
        pretty: request.flag("pretty"),
        chunk_rows: is_chunked.then_some(chunk_rows),
    })
}

/// The values of `$name`.
fn parameters(text: &str) -> ApiResult<Bound> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(RequestError::Json)?;
    match value {
        serde_json::Value::Object(object) => Ok(query::influxql::bind(&object)),
        // What Go makes of a map that is not there.
        serde_json::Value::Null => Ok(query::influxql::bind(&serde_json::Map::new())),
        _ => Err(ApiError::invalid("error parsing query parameters: they are no JSON object")),
    }
}

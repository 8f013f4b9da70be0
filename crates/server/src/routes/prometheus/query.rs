//! `/api/v1/query` and `/api/v1/query_range`: PromQL.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use promql::{Query, QueryError, TimeRange, parse_duration_ms};

use super::{Asked, answer, answered, bad_parameter, time_ms};
use crate::api_error::{ApiError, ApiResult};
use crate::metrics::TransferKind;
use crate::request::Parameters;
use crate::state::AppState;

/// At one time, which is now where the request names none.
pub(super) async fn instant(State(state): State<AppState>, request: Request) -> Response {
    answered(
        evaluated(&state, request, |state, parameters| {
            let time_ms = time_ms(parameters, "time")?.unwrap_or_else(|| state.now_ns().div_euclid(1_000_000));
            let text = parameters.get("query").unwrap_or_default();
            Query::instant(text, time_ms, state.query().promql_limits()).map_err(|error| refused(&error))
        })
        .await,
    )
}

/// At many times.
pub(super) async fn range(State(state): State<AppState>, request: Request) -> Response {
    answered(
        evaluated(&state, request, |state, parameters| {
            let bound = |name: &str| {
                let missing = || bad_parameter(name, "cannot parse \"\" to a valid timestamp");
                time_ms(parameters, name)?.ok_or_else(missing)
            };
            let range = TimeRange { start_ms: bound("start")?, end_ms: bound("end")?, step_ms: step_ms(parameters)? };
            let text = parameters.get("query").unwrap_or_default();
            Query::range(text, range, state.query().promql_limits()).map_err(|error| refused(&error))
        })
        .await,
    )
}

async fn evaluated(
    state: &AppState,
    request: Request,
    query: impl Fn(&AppState, &Parameters) -> ApiResult<Query>,
) -> ApiResult<Response> {
    let Asked { target, parameters, .. } = Asked::of(state, request).await?;
    let query_bytes = parameters.get("query").map_or(0, str::len);
    let result = async {
        let query = query(state, &parameters)?;
        let snapshot = target.snapshot(state).await?;
        let (found, memory) = state.query().promql(snapshot, query).await.map_err(ApiError::promql)?;
        let text = move || {
            let text = answer::text(&found);
            drop((found, memory));
            text
        };
        Ok(answer::response(state.formatter().cpu.run(text).await?))
    };
    let result = result.await;
    let status = result.as_ref().map_or_else(|error: &ApiError| error.code().status(), |_| StatusCode::OK);
    target.transferred(state, TransferKind::Query, status, query_bytes);
    result
}

fn refused(error: &QueryError) -> ApiError {
    let name = match error {
        QueryError::Parse(_) | QueryError::Type(_) => "query",
        QueryError::Order | QueryError::Time => "end",
        QueryError::Step => "step",
        QueryError::Steps(_) => return ApiError::invalid(error.to_string()),
    };
    bad_parameter(name, error)
}

/// `step`: a duration, or seconds with a fraction.
fn step_ms(parameters: &Parameters) -> ApiResult<i64> {
    let text = parameters.get("step").unwrap_or_default();
    let seconds = text.parse::<f64>().ok().map(|seconds| (seconds * 1000.0).round());
    let ms = match seconds {
        Some(ms) if ms.abs() < 9.0e15 => Some(ms as i64),
        Some(_) => None,
        None => parse_duration_ms(text),
    };
    ms.ok_or_else(|| bad_parameter("step", format!("cannot parse {text:?} to a valid duration")))
}

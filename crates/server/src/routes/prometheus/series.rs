//! What series a bucket has: `/api/v1/series`, `labels` and `label/{name}/values`; and what Grafana asks of a server.

use std::collections::BTreeSet;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use promql::{Labels, Selection, parse_selector};
use query::promql::Wanted;

use super::{Asked, answer, answered, bad_parameter, time_ms};
use crate::api_error::{ApiError, ApiResult};
use crate::metrics::TransferKind;
use crate::state::AppState;

/// The version of Prometheus whose rules hold, by which Grafana knows what it may ask.
const PROMETHEUS_VERSION: &str = "3.0.0";

/// The labels of the series that are selected.
pub(super) async fn series(State(state): State<AppState>, request: Request) -> Response {
    answered(
        found(&state, request, true, |labels, _| {
            let mut text = String::new();
            answer::push_list(&mut text, labels, answer::push_labels);
            text
        })
        .await,
    )
}

/// The names of labels.
pub(super) async fn labels(State(state): State<AppState>, request: Request) -> Response {
    answered(
        found(&state, request, false, |labels, asked| {
            names(labels.iter().flat_map(|labels| labels.iter().map(|(name, _)| name)), asked)
        })
        .await,
    )
}

/// The values of a label.
pub(super) async fn values(State(state): State<AppState>, request: Request) -> Response {
    answered(
        found(&state, request, false, |labels, asked| {
            let name = asked.label.as_deref().unwrap_or_default();
            names(labels.iter().map(|labels| labels.get(name)).filter(|value| !value.is_empty()), asked)
        })
        .await,
    )
}

/// A list of texts, each once, at most as many as are wanted.
fn names<'a>(names: impl Iterator<Item = &'a str>, asked: &Asked) -> String {
    let names: BTreeSet<&str> = names.collect();
    let limit = asked.parameters.get("limit").and_then(|text| text.parse().ok()).filter(|limit| *limit > 0);
    let names: Vec<&str> = names.into_iter().take(limit.unwrap_or(usize::MAX)).collect();
    let mut text = String::new();
    answer::push_list(&mut text, &names, |text, name| answer::push_text(text, name));
    text
}

async fn found(
    state: &AppState,
    request: Request,
    needs_selector: bool,
    text: impl FnOnce(&[Labels], &Asked) -> String + Send + 'static,
) -> ApiResult<Response> {
    let asked = Asked::of(state, request).await?;
    let selections = selections(state, &asked, needs_selector)?;
    let snapshot = asked.target.snapshot(state).await?;
    let found = state.query().promql_series(snapshot, selections, Wanted::Labels).await.map_err(ApiError::promql);
    let status = found.as_ref().map_or_else(|error| error.code().status(), |_| StatusCode::OK);
    asked.target.transferred(state, TransferKind::Query, status, 0);
    let (found, memory) = found?;
    let text = move || {
        // What several selectors mean is one series.
        let labels: BTreeSet<Labels> = found.into_iter().flatten().map(|series| series.labels).collect();
        let labels: Vec<Labels> = labels.into_iter().collect();
        let text = answer::success(&text(&labels, &asked));
        drop(memory);
        text
    };
    Ok(answer::response(state.formatter().cpu.run(text).await?))
}

/// What `match[]`, `start` and `end` select; all series where nothing is asked for.
fn selections(state: &AppState, asked: &Asked, needs_selector: bool) -> ApiResult<Vec<Selection>> {
    let start_ms = time_ms(&asked.parameters, "start")?.unwrap_or(i64::MIN);
    let end_ms = time_ms(&asked.parameters, "end")?.unwrap_or(i64::MAX);
    if end_ms < start_ms {
        return Err(bad_parameter("end", "end timestamp must not be before start time"));
    }
    let limits = state.query().promql_limits();
    let selection = |text: &str| {
        let matchers = parse_selector(text, &limits).map_err(|error| bad_parameter("match[]", error))?;
        Ok(Selection { matchers, start_ms, end_ms })
    };
    let mut selections = asked.parameters.all("match[]").map(selection).collect::<ApiResult<Vec<Selection>>>()?;
    if selections.is_empty() && needs_selector {
        return Err(ApiError::invalid("no match[] parameter provided"));
    }
    if selections.is_empty() {
        selections.push(Selection { matchers: Vec::new(), start_ms, end_ms });
    }
    Ok(selections)
}

/// What metrics are about is not kept, so there is nothing.
pub(super) async fn metadata(State(state): State<AppState>, request: Request) -> Response {
    answered(Asked::of(&state, request).await.map(|_| answer::response(answer::success("{}"))))
}

/// The version, for whoever is somebody.
pub(super) async fn build_info(State(state): State<AppState>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let answer = async {
        let parameters = crate::request::Parameters::from_uri(&parts.uri)?;
        super::super::v1::caller(&state, &parts, &parameters).await?;
        let data = serde_json::json!({
            "version": PROMETHEUS_VERSION,
            "revision": state.commit(),
            "branch": "freshet",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        });
        Ok(answer::response(answer::success(&data.to_string())))
    };
    answered(answer.await)
}

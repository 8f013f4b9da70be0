//! The runs of a task: those that wait because somebody asked for them, those under way, and the last that are over.

use axum::extract::{Path, State};
use catalog::{Action, Document, Job, JobId, JobRun, job_of};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::runner::UnderWay;
use super::{Activity, running, seconds, status_of};
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json};
use crate::limits::{TASKS_A_PAGE, TASKS_A_PAGE_MAX};
use crate::request::Parameters;
use crate::routes::documents::content;
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// A run, whatever has come of it so far.
struct Run {
    id: JobId,
    task: JobId,
    status: &'static str,
    due_ns: i64,
    requested_ns: Option<i64>,
    started_ns: Option<i64>,
    finished_ns: Option<i64>,
    error: Option<String>,
}

impl Run {
    fn waiting(task: JobId, job: &Job) -> Self {
        Self {
            id: job.id,
            task,
            status: "scheduled",
            // The job is done up to the nanosecond before.
            due_ns: job.done_until_ns.saturating_add(1),
            requested_ns: job.requested_ns,
            started_ns: None,
            finished_ns: None,
            error: None,
        }
    }

    fn under_way(run: &UnderWay) -> Self {
        Self {
            id: run.id,
            task: run.task,
            status: "started",
            due_ns: run.due_ns,
            requested_ns: run.requested_ns,
            started_ns: Some(run.started_ns),
            finished_ns: None,
            error: None,
        }
    }

    fn over(run: &JobRun) -> Self {
        Self {
            id: run.id,
            task: run.job_id,
            status: status_of(run),
            due_ns: run.due_ns,
            requested_ns: run.requested_ns,
            started_ns: Some(run.started_ns),
            finished_ns: Some(run.finished_ns),
            error: run.error.clone(),
        }
    }

    /// What was done when.
    fn events(&self) -> Vec<Value> {
        let id = self.id.to_string();
        let event = |time_ns: i64, message: String| {
            let time = rfc3339_nano(time_ns);
            json!({ "runID": id, "time": time, "message": message })
        };
        let mut events = Vec::new();
        events.extend(self.started_ns.map(|time_ns| event(time_ns, "Started task from script".to_owned())));
        if let Some(time_ns) = self.finished_ns {
            events.extend(self.error.iter().map(|error| event(time_ns, error.clone())));
            events.push(event(time_ns, format!("Completed({})", self.status)));
        }
        events
    }

    fn show(&self) -> Value {
        let task = format!("/api/v2/tasks/{}", self.task);
        let own = format!("{task}/runs/{}", self.id);
        let mut answer = json!({
            "id": self.id.to_string(),
            "taskID": self.task.to_string(),
            "status": self.status,
            "scheduledFor": seconds(self.due_ns),
            "links": { "self": own, "task": task, "logs": format!("{own}/logs"), "retry": format!("{own}/retry") },
        });
        for (key, time_ns) in
            [("requestedAt", self.requested_ns), ("startedAt", self.started_ns), ("finishedAt", self.finished_ns)]
        {
            if let Some(time_ns) = time_ns {
                answer[key] = rfc3339_nano(time_ns).into();
            }
        }
        let events = self.events();
        if !events.is_empty() {
            answer["log"] = events.into();
        }
        answer
    }
}

fn job(found: &Document) -> ApiResult<JobId> {
    job_of(found).ok_or_else(|| ApiError::internal("a task has no job"))
}

/// All runs that are known, the newest first.
fn all(state: &AppState, id: JobId) -> Vec<Run> {
    let under_way = state.task_runs().of(id);
    let waiting = state.catalog().list_requested_runs(id);
    let waiting = waiting.iter().filter(|job| !under_way.iter().any(|run| run.id == job.id));
    let mut runs: Vec<Run> = waiting.map(|job| Run::waiting(id, job)).collect();
    let over = state.catalog().list_job_runs(id);
    // A run that has just ended may still be in the list of those under way.
    let is_over = |run: &&UnderWay| over.iter().any(|over| over.id == run.id);
    runs.extend(under_way.iter().filter(|run| !is_over(run)).map(Run::under_way));
    runs.extend(over.iter().map(|run| Run::over(run)));
    runs.sort_by_key(|run| std::cmp::Reverse(run.id));
    runs
}

fn one(state: &AppState, id: JobId, run: &str) -> ApiResult<Run> {
    let run: JobId = path_id(run)?;
    let found = all(state, id).into_iter().find(|candidate| candidate.id == run);
    found.ok_or_else(|| ApiError::not_found("failed to find run: run not found"))
}

fn time(text: &str, name: &str) -> ApiResult<i64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok().and_then(|time| time.timestamp_nanos_opt());
    time.ok_or_else(|| ApiError::invalid(format!("{name} must be a time such as 2026-01-01T00:00:00Z")))
}

/// `GET …/runs`: the newest first, narrowed by `after` (an id), `afterTime`, `beforeTime`, `limit`.
pub(in crate::routes) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    parameters: Parameters,
) -> ApiResult<Json<Value>> {
    let found = running(&state, &principal, &id, Action::Read)?;
    let limit = match parameters.get("limit") {
        None => TASKS_A_PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|count| (1..=TASKS_A_PAGE_MAX).contains(count))
            .ok_or_else(|| ApiError::invalid("failed to decode request: limit must be between 1 and 500"))?,
    };
    let after: Option<JobId> = parameters.id("after")?;
    let bound = |key: &str| parameters.get(key).map(|text| time(text, key)).transpose();
    let (from_ns, until_ns) = (bound("afterTime")?, bound("beforeTime")?);
    let mut runs = all(&state, job(&found)?);
    runs.retain(|run| {
        after.is_none_or(|after| run.id < after)
            && from_ns.is_none_or(|from_ns| run.due_ns > from_ns)
            && until_ns.is_none_or(|until_ns| run.due_ns < until_ns)
    });
    let own = format!("/api/v2/tasks/{}", found.id);
    let shown: Vec<Value> = runs.iter().take(limit).map(Run::show).collect();
    Ok(Json(json!({ "links": { "self": format!("{own}/runs"), "task": own }, "runs": shown })))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct RunRequest {
    scheduled_for: Option<String>,
}

/// Asks for a run, which the scheduler makes at once.
async fn request(state: &AppState, found: &Document, due_ns: i64) -> ApiResult<Value> {
    let asked = state.catalog().request_run(job(found)?, due_ns).await?;
    state.jobs().wake();
    Ok(Run::waiting(job(found)?, &asked).show())
}

/// `POST …/runs`: a run for a time, now if none is given.
pub(in crate::routes) async fn force(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<RunRequest>,
) -> ApiResult<Created<Value>> {
    let found = running(&state, &principal, &id, Action::Write)?;
    let due_ns = body.scheduled_for.as_deref().map(|text| time(text, "scheduledFor")).transpose()?;
    if !content::<Activity>(&found)?.is_active {
        return Err(ApiError::invalid("failed to force run: inactive task"));
    }
    Ok(Created(request(&state, &found, due_ns.unwrap_or_else(|| state.now_ns())).await?))
}

/// `GET …/runs/{run_id}`
pub(in crate::routes) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, run)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let found = running(&state, &principal, &id, Action::Read)?;
    Ok(Json(one(&state, job(&found)?, &run)?.show()))
}

/// `POST …/runs/{run_id}/retry`: another run for the same time.
pub(in crate::routes) async fn retry(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, run)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let found = running(&state, &principal, &id, Action::Write)?;
    let before = one(&state, job(&found)?, &run)?;
    Ok(Json(request(&state, &found, before.due_ns).await?))
}

/// `DELETE …/runs/{run_id}`: ends a run that is under way or waits.
pub(in crate::routes) async fn cancel(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, run)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let found = running(&state, &principal, &id, Action::Write)?;
    let (id, run) = (job(&found)?, one(&state, job(&found)?, &run)?);
    if state.task_runs().cancel(id, run.id) || state.catalog().withdraw_run(id, run.id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(ApiError::not_found("failed to cancel run: run not found"))
}

/// `GET …/logs`: what was done when, in all runs that are known, the newest run first.
pub(in crate::routes) async fn task_logs(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    let found = running(&state, &principal, &id, Action::Read)?;
    let events: Vec<Value> = all(&state, job(&found)?).iter().flat_map(Run::events).collect();
    Ok(Json(json!({ "events": events })))
}

/// `GET …/runs/{run_id}/logs`
pub(in crate::routes) async fn run_logs(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, run)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let found = running(&state, &principal, &id, Action::Read)?;
    Ok(Json(json!({ "events": one(&state, job(&found)?, &run)?.events() })))
}

//! What a run of a task, check or notification rule does: its script, with `now()` the scheduled time, with the rights
//! that both whoever wrote the script had and the owner of the task has now. What came of it is written into the bucket
//! `_tasks` too.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use catalog::{Credential, Document, JobId, PermissionSet, Principal, UserStatus, job_of};
use futures::StreamExt as _;
use jobs::{Due, RunError, RunResult};
use parking_lot::Mutex;
use query::QueryError;
use query::flux::{FluxMode, FluxRequest, parse};
use storage::{Precision, WriteRequest};
use tokio_util::sync::CancellationToken;

use super::TaskContent;
use crate::api_error::{ApiError, ApiResult};
use crate::flux_host::ScriptHost;
use crate::routes::bucket_info;
use crate::routes::documents::content;
use crate::routes::monitoring::script_of;
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// A run that is under way on this server.
#[derive(Debug, Clone)]
pub(in crate::routes) struct UnderWay {
    pub(in crate::routes) id: JobId,
    pub(in crate::routes) task: JobId,
    pub(in crate::routes) due_ns: i64,
    pub(in crate::routes) requested_ns: Option<i64>,
    pub(in crate::routes) started_ns: i64,
    cancel: CancellationToken,
}

/// The runs that are under way: as many as the scheduler makes at once. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct TaskRuns(Arc<Mutex<HashMap<JobId, UnderWay>>>);

impl TaskRuns {
    /// Those of a task.
    pub(in crate::routes) fn of(&self, task: JobId) -> Vec<UnderWay> {
        self.0.lock().values().filter(|run| run.task == task).cloned().collect()
    }

    /// Ends one of a task. Returns whether it was under way.
    pub(in crate::routes) fn cancel(&self, task: JobId, run: JobId) -> bool {
        let runs = self.0.lock();
        let found = runs.get(&run).filter(|found| found.task == task);
        found.inspect(|found| found.cancel.cancel()).is_some()
    }

    /// Ends all of a task.
    pub(in crate::routes) fn cancel_all(&self, task: JobId) {
        self.0.lock().values().filter(|run| run.task == task).for_each(|run| run.cancel.cancel());
    }

    /// Begins a run, unless as many of its task are under way as may be.
    fn begin(&self, run: UnderWay, at_once: usize) -> Option<Mark> {
        let mut runs = self.0.lock();
        if runs.values().filter(|other| other.task == run.task).count() >= at_once {
            return None;
        }
        let id = run.id;
        runs.insert(id, run);
        Some(Mark { runs: self.clone(), id })
    }
}

/// A run is under way for as long as this is there, also when it is dropped.
struct Mark {
    runs: TaskRuns,
    id: JobId,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.runs.0.lock().remove(&self.id);
    }
}

/// Runs a task for one time.
pub(in crate::routes) async fn run(state: AppState, due: Due) -> RunResult {
    let task = due.job.parent_id.unwrap_or(due.job.id);
    // Deleted meanwhile.
    let Some(found) = state.catalog().find_document_of_job(task) else { return Ok(()) };
    let Some(kept) = kept(&state, &found).map_err(|error| RunError::Failed(error.logged_message()))? else {
        return Ok(());
    };
    let under_way = UnderWay {
        id: due.run_id,
        task,
        due_ns: due.last_ns,
        requested_ns: due.job.requested_ns,
        started_ns: state.now_ns(),
        cancel: CancellationToken::new(),
    };
    let Some(_mark) = state.task_runs().begin(under_way.clone(), kept.concurrency) else {
        return Err(RunError::Again("as many runs of the task are under way as its concurrency allows".to_owned()));
    };
    let result = tokio::select! {
        () = under_way.cancel.cancelled() => Err(RunError::Canceled),
        result = run_script(&state, &found, &kept, due.last_ns) => result,
    };
    if !matches!(result, Err(RunError::Again(_)))
        && let Err(error) = record(&state, &found, &under_way, &result).await
    {
        tracing::warn!(%task, error = error.logged_message(), "a run cannot be noted in the bucket _tasks");
    }
    result
}

/// What a run needs to know.
struct Kept {
    flux: String,
    permissions: String,
    concurrency: usize,
}

/// What a task, check or notification rule runs; none if its endpoint rests.
fn kept(state: &AppState, found: &Document) -> ApiResult<Option<Kept>> {
    let Some(script) = script_of(state, found)? else {
        let TaskContent { flux, permissions, concurrency, .. } = content(found)?;
        return Ok(Some(Kept { flux, permissions, concurrency }));
    };
    let kept = Kept { flux: script.flux, permissions: script.permissions, concurrency: 1 };
    Ok(script.is_wanted.then_some(kept))
}

/// Whoever the script runs as.
fn principal(state: &AppState, found: &Document, kept: &Kept) -> Result<Principal, RunError> {
    let failed = |text: &str| RunError::Failed(text.to_owned());
    let owner = state.catalog().find_user(found.owner_id).map_err(|_| failed("the owner of the task is gone"))?;
    if owner.status != UserStatus::Active {
        return Err(failed("the owner of the task is inactive"));
    }
    let written = PermissionSet::from_stored(&kept.permissions).ok_or_else(|| failed("the task is damaged"))?;
    Ok(Principal {
        credential: Credential::Job(JobId::from_u64(found.id.get()).ok_or_else(|| failed("the task has no job"))?),
        user_id: owner.id,
        organisation_id: Some(found.organisation_id),
        permissions: written.intersection(&state.catalog().user_permissions(owner.id)),
    })
}

/// The scheduled time of the last run of a task that went well.
fn last_success(state: &AppState, found: &Document) -> Option<i64> {
    let runs = state.catalog().list_job_runs(job_of(found)?);
    runs.iter().rev().find(|run| run.error.is_none() && !run.is_canceled).map(|run| run.due_ns)
}

async fn run_script(state: &AppState, found: &Document, kept: &Kept, due_ns: i64) -> RunResult {
    let principal = principal(state, found, kept)?;
    let organisation = state.catalog().find_organisation(found.organisation_id);
    let organisation = organisation.map_err(|error| RunError::Failed(error.to_string()))?;
    let host = ScriptHost { state: state.clone(), principal, organisation };
    let read = |text: &str| parse(text).map_err(|error| failure(error.into()));
    let mut files = Vec::new();
    if kept.flux.contains("lastSuccess")
        && let Some(last) = last_success(state, found)
    {
        let time = rfc3339_nano(last);
        files.push(read(&format!("import \"influxdata/influxdb/tasks\"\noption tasks.lastSuccessTime = {time}"))?);
    }
    files.push(read(&kept.flux)?);
    let request = FluxRequest { files, params: None, now_ns: due_ns, host: Arc::new(host), mode: FluxMode::Run };
    let mut result = state.query().flux(request).await.map_err(failure)?;
    while let Some(part) = result.next().await {
        part.map_err(failure)?;
    }
    Ok(())
}

/// A script that finds no place is tried again later; one that takes too long would take too long again.
fn failure(error: QueryError) -> RunError {
    let is_passing = matches!(error, QueryError::Busy { .. });
    let text = ApiError::from(error).logged_message();
    if is_passing { RunError::Again(text) } else { RunError::Failed(text) }
}

/// Writes what came of a run into the bucket `_tasks`, in InfluxDB's form.
async fn record(state: &AppState, found: &Document, run: &UnderWay, result: &RunResult) -> Result<(), ApiError> {
    let catalog = state.catalog();
    let bucket = catalog.find_bucket_by_name(found.organisation_id, "_tasks")?;
    let organisation = catalog.find_organisation(found.organisation_id)?;
    let (status, error) = match result {
        Ok(()) => ("success", None),
        Err(RunError::Canceled) => ("canceled", None),
        Err(error) => ("failed", Some(error.to_string())),
    };
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let id = run.id.to_string();
    let event = |message: &str, time_ns: i64| {
        let time = rfc3339_nano(time_ns);
        serde_json::json!({ "runID": id, "time": time, "message": message })
    };
    let now_ns = state.now_ns();
    let mut events = vec![event("Started task from script", run.started_ns)];
    events.extend(error.iter().map(|error| event(error, now_ns)));
    events.push(event(&format!("Completed({status})"), now_ns));
    let mut line = format!("runs,status={status},taskID={} ", found.id);
    for (field, value) in [
        ("finishedAt", rfc3339_nano(now_ns)),
        ("logs", serde_json::Value::from(events).to_string()),
        ("name", found.name.clone()),
        ("runID", run.id.to_string()),
        ("scheduledFor", rfc3339_nano(run.due_ns)),
        ("startedAt", rfc3339_nano(run.started_ns)),
    ] {
        let _ = write!(line, "{field}={},", quoted(&value));
    }
    let requested = run.requested_ns.map(rfc3339_nano).unwrap_or_default();
    let _ = writeln!(line, "requestedAt={} {}", quoted(&requested), run.started_ns);
    let request = WriteRequest {
        bucket: Arc::new(bucket_info(&organisation, &bucket)),
        retention: (!bucket.retention.is_zero()).then_some(bucket.retention),
        body: line.into(),
        precision: Precision::Nanosecond,
    };
    state.engine().write(request).await?;
    Ok(())
}

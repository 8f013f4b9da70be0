//! `freshet task`: `/api/v2/tasks` with their runs and logs.

use freshet_client::{ApiRequest, Method};
use serde_json::{Value, json};

use super::{ManageError, Session, change, narrowed, object, take_list, with_session};
use crate::options::{
    IdOptions, RetryFailedOptions, RunTimeOptions, TaskCommand, TaskCreateOptions, TaskListOptions, TaskLogCommand,
    TaskLogOptions, TaskRunCommand, TaskRunListOptions, TaskRunRetryOptions, TaskUpdateOptions,
};
use crate::output::{Column, text};
use crate::script;

const PATH: &str = "api/v2/tasks";

/// The largest page of tasks that the server gives.
const PAGE: usize = 500;

const COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("Name", |row| text(row, "/name")),
    Column("Organization ID", |row| text(row, "/orgID")),
    Column("Organization", |row| text(row, "/org")),
    Column("Status", |row| text(row, "/status")),
    Column("Every", |row| text(row, "/every")),
    Column("Cron", |row| text(row, "/cron")),
];

const LOG_COLUMNS: &[Column] = &[
    Column("RunID", |row| text(row, "/runID")),
    Column("Time", |row| text(row, "/time")),
    Column("Message", |row| text(row, "/message")),
];

const RUN_COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("TaskID", |row| text(row, "/taskID")),
    Column("Status", |row| text(row, "/status")),
    Column("ScheduledFor", |row| text(row, "/scheduledFor")),
    Column("StartedAt", |row| text(row, "/startedAt")),
    Column("FinishedAt", |row| text(row, "/finishedAt")),
    Column("RequestedAt", |row| text(row, "/requestedAt")),
];

pub(super) async fn run(command: TaskCommand) -> Result<(), ManageError> {
    match command {
        TaskCommand::Create(options) => with_session(options, create).await,
        TaskCommand::List(options) => with_session(options, list).await,
        TaskCommand::Update(options) => with_session(options, update).await,
        TaskCommand::Delete(options) => with_session(options, delete).await,
        TaskCommand::RetryFailed(options) => with_session(options, retry_failed).await,
        TaskCommand::Log(TaskLogCommand::List(options)) => with_session(options, logs).await,
        TaskCommand::Run(TaskRunCommand::List(options)) => with_session(options, runs).await,
        TaskCommand::Run(TaskRunCommand::Retry(options)) => with_session(options, retry).await,
    }
}

async fn create(session: &Session, options: TaskCreateOptions) -> Result<(), ManageError> {
    let (key, organisation) = session.organisation(&options.organisation).ok_or(ManageError::NoOrganisation)?;
    let flux = script::read("script", options.script.script.as_deref(), options.script.file.as_deref())?;
    let body = object([
        (key, Some(json!(organisation))),
        ("flux", Some(json!(flux))),
        ("name", options.name.map(Value::from)),
        ("every", options.every.map(Value::from)),
        ("cron", options.cron.map(Value::from)),
    ]);
    session.print_one(&session.post(PATH, body).await?, COLUMNS)
}

/// The tasks that a request leaves, page after page behind the last one, up to a limit (0: all).
pub(super) async fn tasks(session: &Session, request: ApiRequest, limit: usize) -> Result<Vec<Value>, ManageError> {
    let mut tasks: Vec<Value> = Vec::new();
    loop {
        let wanted = if limit == 0 { PAGE } else { PAGE.min(limit - tasks.len()) };
        let last = tasks.last().map(|task| text(task, "/id"));
        let page = narrowed(request.clone(), [("limit", Some(wanted.to_string())), ("after", last)]);
        let found = take_list(&mut session.call(page).await?, "tasks")?;
        let is_last = found.len() < wanted;
        tasks.extend(found);
        if is_last || tasks.len() == limit {
            return Ok(tasks);
        }
    }
}

async fn list(session: &Session, options: TaskListOptions) -> Result<(), ManageError> {
    if let Some(id) = options.id {
        return session.print_all(&[session.get(&format!("{PATH}/{id}")).await?], COLUMNS);
    }
    let request = session.in_organisation(ApiRequest::new(Method::Get, PATH), &options.organisation);
    let request = narrowed(request, [("user", options.user_id)]);
    session.print_all(&tasks(session, request, options.limit).await?, COLUMNS)
}

async fn update(session: &Session, options: TaskUpdateOptions) -> Result<(), ManageError> {
    let given = options.script;
    let flux = match (&given.script, &given.file) {
        (None, None) => None,
        (script, file) => Some(script::read("script", script.as_deref(), file.as_deref())?),
    };
    let body = change([("flux", flux.map(Value::from)), ("status", options.status.map(Value::from))])?;
    session.print_one(&session.patch(&format!("{PATH}/{}", options.id), body).await?, COLUMNS)
}

async fn delete(session: &Session, options: IdOptions) -> Result<(), ManageError> {
    session.remove_one(&format!("{PATH}/{}", options.id), COLUMNS).await
}

async fn logs(session: &Session, options: TaskLogOptions) -> Result<(), ManageError> {
    let run = options.run_id.map(|id| format!("/runs/{id}")).unwrap_or_default();
    let mut answer = session.get(&format!("{PATH}/{}{run}/logs", options.task_id)).await?;
    session.print_all(&take_list(&mut answer, "events")?, LOG_COLUMNS)
}

async fn runs_of(
    session: &Session,
    task_id: &str,
    times: &RunTimeOptions,
    limit: usize,
) -> Result<Vec<Value>, ManageError> {
    let request = ApiRequest::new(Method::Get, format!("{PATH}/{task_id}/runs"));
    let filters =
        [("limit", Some(limit.to_string())), ("beforeTime", times.before.clone()), ("afterTime", times.after.clone())];
    take_list(&mut session.call(narrowed(request, filters)).await?, "runs")
}

async fn runs(session: &Session, options: TaskRunListOptions) -> Result<(), ManageError> {
    let runs = match options.run_id {
        Some(id) => vec![session.get(&format!("{PATH}/{}/runs/{id}", options.task_id)).await?],
        None => runs_of(session, &options.task_id, &options.times, options.limit).await?,
    };
    session.print_all(&runs, RUN_COLUMNS)
}

/// Asks for a run again, and says what came of it.
async fn retried(session: &Session, task_id: &str, run_id: &str) -> Result<Value, ManageError> {
    let path = format!("{PATH}/{task_id}/runs/{run_id}/retry");
    let new = session.call(ApiRequest::new(Method::Post, path)).await?;
    if !session.output.is_json() {
        let id = text(&new, "/id");
        crate::print_line(&format!("Retry for task {task_id}'s run {run_id} queued as run {id}."))?;
    }
    Ok(new)
}

async fn retry(session: &Session, options: TaskRunRetryOptions) -> Result<(), ManageError> {
    let new = retried(session, &options.task_id, &options.run_id).await?;
    if session.output.is_json() { session.print_one(&new, RUN_COLUMNS) } else { Ok(()) }
}

/// The lines are those of InfluxDB's command line; as JSON, the runs that were queued, or would be.
async fn retry_failed(session: &Session, options: RetryFailedOptions) -> Result<(), ManageError> {
    let task_ids = match options.id {
        Some(id) => vec![id],
        None => {
            let request = session.in_organisation(ApiRequest::new(Method::Get, PATH), &options.organisation);
            let tasks = tasks(session, request, options.task_limit).await?;
            tasks.iter().map(|task| text(task, "/id")).collect()
        }
    };
    let mut failed = Vec::new();
    for task_id in &task_ids {
        let runs = runs_of(session, task_id, &options.times, options.run_limit).await?;
        failed.extend(runs.into_iter().filter(|run| run["status"] == "failed"));
    }
    let mut queued = Vec::new();
    for run in &failed {
        let (task_id, run_id) = (text(run, "/taskID"), text(run, "/id"));
        if !options.dry_run {
            queued.push(retried(session, &task_id, &run_id).await?);
        } else if !session.output.is_json() {
            crate::print_line(&format!("Would retry for {run_id} run for Task {task_id}."))?;
        }
    }
    if session.output.is_json() {
        return session.print_all(if options.dry_run { &failed } else { &queued }, RUN_COLUMNS);
    }
    if options.dry_run {
        let (tasks, runs) = (task_ids.len(), failed.len());
        crate::print_line(&format!(
            "Dry run complete. Found {tasks} tasks with a total of {runs} runs to be retried\n\
             Rerun without '--dry-run' to execute"
        ))?;
    }
    Ok(())
}

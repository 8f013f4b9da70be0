//! `/api/v2/tasks`: scripts that run again and again (wire-api 2.5). A task is a document whose job has the same id.
//! Its runs are in `runs.rs`, what a run does in `runner.rs`. Checks and notification rules run so too: one of them and
//! its runs can be asked for by its id, but neither changed nor listed here.

pub(in crate::routes) mod runner;
pub(in crate::routes) mod runs;

use std::sync::Arc;

use axum::extract::{Path, State};
use catalog::{Action, Document, DocumentFilter, DocumentKind, JobRun, NewJob, Page, Permission, Principal, job_of};
use http::StatusCode;
use jobs::Schedule;
use query::flux::task::{Span, TaskChanges, TaskOptions, task_options, with_task_options};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::documents::{
    Documents, Shown, alone, content, document, draft, from_value, organisation_of_body, permission,
};
use super::monitoring::script_of;
use crate::api_error::{ApiError, ApiResult, Code};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json};
use crate::limits::{TASKS_A_PAGE, TASKS_A_PAGE_MAX};
use crate::request::{Parameters, percent_encode};
use crate::scope;
use crate::state::AppState;
use crate::times::rfc3339_nano;

const SECOND: i64 = 1_000_000_000;

/// Tasks.
pub(super) struct Tasks;

#[derive(Debug, Default, Deserialize)]
pub(super) struct TaskRequest {
    flux: Option<String>,
    status: Option<String>,
    description: Option<String>,
    name: Option<String>,
    every: Option<String>,
    cron: Option<String>,
    offset: Option<String>,
}

/// A task as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskContent {
    description: String,
    pub(super) is_active: bool,
    pub(super) flux: String,
    every: Option<String>,
    cron: Option<String>,
    offset: Option<String>,
    /// Runs at the same time.
    pub(super) concurrency: usize,
    /// When it is due, as the scheduler writes it, and how much later it runs.
    schedule: String,
    offset_ns: i64,
    /// The permissions of whoever wrote the script, as the catalog writes them.
    pub(super) permissions: String,
}

/// What all that runs says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Activity {
    pub(super) is_active: bool,
}

/// An empty duration or expression is not given.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The schedule of a period: months are times of the calendar, which divide a year.
fn schedule_of_period(every: &Span) -> ApiResult<Schedule> {
    let wrong = |cause: &str| ApiError::invalid(format!("invalid options: option \"every\" {cause}"));
    match (every.months, every.nanoseconds) {
        (0, period_ns) => Schedule::every(period_ns).map_err(|_| wrong("must be at least 1 second")),
        (months, 0) if (1..=12).contains(&months) && 12 % months == 0 => {
            let cron = if months == 12 { "0 0 1 1 *".to_owned() } else { format!("0 0 1 */{months} *") };
            format!("cron {cron}").parse().map_err(|_| wrong("cannot be a schedule"))
        }
        _ => Err(wrong("must be months that divide a year, or units up to weeks")),
    }
}

/// When a script with these options is due, and how many nanoseconds later it runs.
pub(super) fn schedule_of(options: &TaskOptions) -> ApiResult<(Schedule, i64)> {
    let wrong = |cause: String| ApiError::invalid(format!("invalid options: {cause}"));
    let schedule = match (&options.every, &options.cron) {
        (Some(every), _) => schedule_of_period(every)?,
        (None, cron) => {
            let text = format!("cron {}", cron.as_deref().unwrap_or_default());
            text.parse().map_err(|error: jobs::ScheduleError| wrong(error.to_string()))?
        }
    };
    match &options.offset {
        Some(offset) if offset.months != 0 => Err(wrong("option \"offset\" cannot have months or years".to_owned())),
        offset => Ok((schedule, offset.as_ref().map_or(0, |offset| offset.nanoseconds))),
    }
}

impl TaskContent {
    /// What the options of the script say.
    fn new(flux: String, description: String, is_active: bool) -> ApiResult<(String, Self)> {
        let wrong = |cause: String| ApiError::invalid(format!("invalid options: {cause}"));
        let options: TaskOptions = task_options(&flux).map_err(|error| wrong(error.to_string()))?;
        let (schedule, offset_ns) = schedule_of(&options)?;
        let content = Self {
            description,
            is_active,
            flux,
            every: options.every.map(|every| every.text),
            cron: options.cron,
            offset: given(options.offset.map(|offset| offset.text)),
            concurrency: options.concurrency.and_then(|count| usize::try_from(count).ok()).unwrap_or(1),
            schedule: schedule.to_string(),
            offset_ns,
            permissions: String::new(),
        };
        Ok((options.name, content))
    }

    /// The job; of a task that rests it is never due.
    fn job(&self, now_ns: i64) -> NewJob {
        let schedule = if self.is_active { self.schedule.clone() } else { Schedule::Never.to_string() };
        NewJob { schedule, offset_ns: self.offset_ns, done_until_ns: now_ns }
    }
}

pub(super) fn is_active(status: &str) -> ApiResult<bool> {
    match status {
        "active" => Ok(true),
        "inactive" => Ok(false),
        other => Err(ApiError::invalid(format!("invalid task status: {other:?} is neither active nor inactive"))),
    }
}

impl Documents for Tasks {
    const KIND: DocumentKind = DocumentKind::Task;
    const PATH: &'static str = "/api/v2/tasks";
    const LIST: &'static str = "tasks";
    type Request = TaskRequest;
    type Content = TaskContent;

    /// Without the permissions: those of the principal are put in where the script changes.
    fn change(request: TaskRequest, before: Option<(&str, TaskContent)>) -> ApiResult<(String, TaskContent)> {
        let (_, before) = before.unzip();
        let active = request.status.as_deref().filter(|status| !status.is_empty()).map(is_active).transpose()?;
        let changes = TaskChanges {
            name: given(request.name),
            every: given(request.every),
            cron: given(request.cron),
            offset: given(request.offset),
        };
        if changes.every.is_some() && changes.cron.is_some() {
            return Err(ApiError::invalid("invalid options: cannot use both cron and every in task options"));
        }
        let (flux, description, was_active, permissions) = match before {
            Some(before) => (before.flux, before.description, before.is_active, before.permissions),
            None => (String::new(), String::new(), true, String::new()),
        };
        let mut flux = given(request.flux).unwrap_or(flux);
        if changes != TaskChanges::default() {
            flux = with_task_options(&flux, &changes)
                .map_err(|error| ApiError::invalid(format!("invalid options: {error}")))?;
        }
        let description = request.description.unwrap_or(description);
        let (name, mut content) = TaskContent::new(flux, description, active.unwrap_or(was_active))?;
        content.permissions = permissions;
        Ok((name, content))
    }

    fn show(shown: &Shown<'_>, content: TaskContent) -> Value {
        let document = shown.document;
        let catalog = shown.state.catalog();
        let organisation = catalog.find_organisation(document.organisation_id).ok();
        let mut answer = json!({
            "links": shown.links::<Self>(&["labels", "logs", "members", "owners", "runs"]),
            "labels": shown.labels(),
            "id": document.id.to_string(),
            "orgID": document.organisation_id.to_string(),
            "org": organisation.map(|organisation| organisation.name.clone()).unwrap_or_default(),
            "ownerID": document.owner_id.to_string(),
            "name": document.name,
            "status": if content.is_active { "active" } else { "inactive" },
            "flux": content.flux,
            "createdAt": seconds(document.created_at_ns),
        });
        let mut put = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                answer[key] = value.into();
            }
        };
        put("description", given(Some(content.description)));
        put("every", content.every);
        put("cron", content.cron);
        put("offset", content.offset);
        let job = job_of(document).and_then(|id| catalog.find_job(id).ok());
        put("latestCompleted", job.as_ref().map(|job| seconds(job.done_until_ns)));
        put("updatedAt", (document.updated_at_ns != document.created_at_ns).then(|| seconds(document.updated_at_ns)));
        if let Some(last) = job.and_then(|job| catalog.list_job_runs(job.id).pop()) {
            put("lastRunStatus", Some(status_of(&last).to_owned()));
            put("lastRunError", last.error.clone());
        }
        answer
    }
}

/// Times of tasks are whole seconds.
pub(super) fn seconds(time_ns: i64) -> String {
    rfc3339_nano(time_ns - time_ns.rem_euclid(SECOND))
}

/// How a run ended.
pub(super) fn status_of(run: &JobRun) -> &'static str {
    match (run.is_canceled, &run.error) {
        (true, _) => "canceled",
        (false, Some(_)) => "failed",
        (false, None) => "success",
    }
}

/// The task of the path, if the principal may do this to it.
fn task(state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<Arc<Document>> {
    document::<Tasks>(state, who, id, action).map_err(|error| match error.code() {
        Code::NotFound => error.prefixed("failed to find task: "),
        _ => error,
    })
}

/// The same, or the check or notification rule that runs as a task does.
fn running(state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<Arc<Document>> {
    match state.catalog().find_document_of_job(path_id(id)?) {
        Some(found) if found.kind != DocumentKind::Task => {
            who.require(permission(action, &found))?;
            Ok(found)
        }
        _ => task(state, who, id, action),
    }
}

/// The permissions as the catalog writes them.
pub(super) fn stored_permissions(who: &Principal) -> ApiResult<String> {
    who.permissions.to_stored().map_err(ApiError::internal)
}

/// `GET`: those that the principal may read, by id, narrowed by `name`, `user`, `org`, `orgID`, `status`, `after`.
pub(super) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<Value>> {
    let wrong_limit = || ApiError::invalid("failed to decode request: limit must be between 1 and 500");
    let limit: usize = match parameters.get("limit") {
        None => TASKS_A_PAGE,
        Some(text) => {
            text.parse().ok().filter(|count| (1..=TASKS_A_PAGE_MAX).contains(count)).ok_or_else(wrong_limit)?
        }
    };
    let organisation = scope::named_organisation(&state, &parameters)?;
    let wanted = parameters.get("status").map(is_active).transpose()?;
    let filter = DocumentFilter {
        organisation_id: organisation.map(|organisation| organisation.id),
        owner_id: parameters.id("user")?,
        name: parameters.get("name").map(str::to_owned),
        ids: Vec::new(),
    };
    let after = parameters.get("after").map(catalog::id::parse_id).transpose()?.map(std::num::NonZeroU64::get);
    let page = Page { limit, offset: 0, after, descending: false };
    let visible = |found: &Document| {
        let has_status = |wanted| content::<TaskContent>(found).is_ok_and(|content| content.is_active == wanted);
        principal.allows(&permission(Action::Read, found)) && wanted.is_none_or(has_status)
    };
    let found = state.catalog().list_documents(Tasks::KIND, &filter, &page, visible);
    let mut tasks = found.iter().map(|found| alone::<Tasks>(&state, found)).collect::<ApiResult<Vec<Value>>>()?;
    if parameters.get("type") == Some("basic") {
        tasks.iter_mut().filter_map(Value::as_object_mut).for_each(|task| drop(task.remove("flux")));
    }
    let narrowed: String = ["name", "org", "orgID", "status", "type", "user"]
        .iter()
        .filter_map(|key| Some(format!("&{key}={}", percent_encode(parameters.get(key)?))))
        .collect();
    let at = |after: String| format!("{}?{after}limit={limit}{narrowed}", Tasks::PATH);
    let mut links = json!({ "self": at(after.map(|id| format!("after={id:016x}&")).unwrap_or_default()) });
    if let Some(last) = found.last().filter(|_| found.len() >= limit) {
        links["next"] = at(format!("after={}&", last.id)).into();
    }
    Ok(Json(json!({ "links": links, "tasks": tasks })))
}

/// `POST`
pub(super) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Created<Value>> {
    let organisation = organisation_of_body(&state, &body)?;
    principal.require(Permission::in_organisation(Action::Write, Tasks::KIND.resource_type(), organisation.id))?;
    let (name, mut new) = Tasks::change(from_value(body)?, None)?;
    new.permissions = stored_permissions(&principal)?;
    let job = new.job(state.now_ns());
    let place = (organisation.id, principal.user_id);
    let made = state.catalog().create_document_with_job(Tasks::KIND, place, draft((name, new))?, job).await?;
    state.jobs().wake();
    Ok(Created(alone::<Tasks>(&state, &made)?))
}

/// `GET …/{id}`
pub(super) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    let found = running(&state, &principal, &id, Action::Read)?;
    let Some(script) = script_of(&state, &found)? else { return Ok(Json(alone::<Tasks>(&state, &found)?)) };
    let active: Activity = content(&found)?;
    let (_, shown) = TaskContent::new(script.flux, String::new(), active.is_active)?;
    Ok(Json(Tasks::show(&Shown { state: &state, document: &found }, shown)))
}

/// `PATCH …/{id}`: what is not given stays. A script runs with no more rights than whoever wrote it has.
pub(super) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Json<Value>> {
    let found = task(&state, &principal, &id, Action::Write)?;
    let permissions = stored_permissions(&principal)?;
    let now_ns = state.now_ns();
    let change = |before: &Document| -> ApiResult<_> {
        let old: TaskContent = content(before)?;
        let script = old.flux.clone();
        let (name, mut new) = Tasks::change(from_value(body)?, Some((&before.name, old)))?;
        if new.flux != script {
            new.permissions = permissions;
        }
        let job = new.job(now_ns);
        Ok((draft((name, new))?, job))
    };
    let after = state.catalog().update_document_with_job(Tasks::KIND, found.id, change).await?;
    state.jobs().wake();
    Ok(Json(alone::<Tasks>(&state, &after)?))
}

/// `DELETE …/{id}`, with its runs. One that is under way is ended.
pub(super) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let found = task(&state, &principal, &id, Action::Write)?;
    state.catalog().delete_document(Tasks::KIND, found.id).await?;
    if let Some(id) = job_of(&found) {
        state.task_runs().cancel_all(id);
    }
    Ok(StatusCode::NO_CONTENT)
}

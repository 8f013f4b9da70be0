//! Checks, notification endpoints and notification rules (wire-api 2): documents like others, but that checks and
//! rules have jobs and endpoints have secrets. A check or rule has no task beside it: it is one itself, under the same
//! id, and its script is made when it runs, so that it is always that of the check, rule and endpoint as they are.

pub(in crate::routes) mod checks;
pub(in crate::routes) mod endpoints;
pub(in crate::routes) mod rules;

use axum::extract::{Path, State};
use catalog::{
    Action, Document, DocumentId, DocumentKind, NewJob, OrganisationId, Permission, Principal, Secret, job_of,
};
use http::StatusCode;
use jobs::Schedule;
use query::flux::monitoring::{Level, MonitoringError};
use query::flux::task::{TaskOptions, task_options};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::documents::{Documents, alone, content, document, draft, from_value, organisation_of_body};
use super::tasks::{is_active, schedule_of, seconds, status_of, stored_permissions};
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::JsonBody;
use crate::json::{Created, Json};
use crate::state::AppState;

/// Where such a document is or is to be, who wants it so, and how it is called.
pub(in crate::routes) struct Place<'a> {
    pub(in crate::routes) state: &'a AppState,
    pub(in crate::routes) principal: &'a Principal,
    pub(in crate::routes) organisation_id: OrganisationId,
    pub(in crate::routes) id: DocumentId,
    pub(in crate::routes) name: &'a str,
    /// As it is, if it is there.
    pub(in crate::routes) before: Option<&'a Document>,
}

/// What comes with a document when it is stored.
#[derive(Debug, Default)]
pub(in crate::routes) struct Beside {
    /// Its job, if its kind has one.
    pub(in crate::routes) job: Option<NewJob>,
    /// Secrets by key.
    pub(in crate::routes) secrets: Vec<(String, Secret)>,
}

/// A kind of such documents.
pub(in crate::routes) trait Monitored: Documents<Request: Clone + Sync> {
    /// Looks at the content as a whole, and completes it: keys of secrets, permissions.
    fn complete(place: &Place<'_>, content: &mut Self::Content) -> ApiResult<Beside>;

    /// What it runs, for kinds that run.
    fn script(state: &AppState, document: &Document) -> ApiResult<Option<Script>>;
}

/// What a job of a check or rule runs.
#[derive(Debug)]
pub(in crate::routes) struct Script {
    /// In Flux.
    pub(in crate::routes) flux: String,
    /// The permissions of whoever wrote it, as the catalog writes them.
    pub(in crate::routes) permissions: String,
    /// Whether it has somewhere to go to.
    pub(in crate::routes) is_wanted: bool,
}

/// When a check or rule runs.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(in crate::routes) struct Timing {
    is_active: bool,
    /// As it was given.
    every: String,
    offset: Option<String>,
    /// As the scheduler writes it.
    schedule: String,
    offset_ns: i64,
    /// The permissions of whoever made or changed it, as the catalog writes them.
    permissions: String,
}

impl Timing {
    /// The times that a script of it says.
    fn read(&mut self, flux: &str) -> ApiResult<()> {
        let wrong = |cause: String| ApiError::invalid(format!("invalid options: {cause}"));
        let options: TaskOptions = task_options(flux).map_err(|error| wrong(error.to_string()))?;
        let (schedule, offset_ns) = schedule_of(&options)?;
        if let Schedule::Every(period_ns) = schedule
            && offset_ns >= period_ns
        {
            return Err(ApiError::invalid("Offset should not be equal or greater than the interval"));
        }
        self.every = options.every.map(|every| every.text).unwrap_or_default();
        (self.schedule, self.offset_ns) = (schedule.to_string(), offset_ns);
        Ok(())
    }

    /// The job; of what rests it is never due. Whoever makes or changes its script gives it its rights.
    fn job(&mut self, place: &Place<'_>, flux: &str) -> ApiResult<NewJob> {
        // One whose endpoint is gone has no script, and gets a new one.
        let before = place.before.and_then(|before| script_of(place.state, before).ok().flatten());
        self.permissions = match before {
            Some(before) if before.flux == flux => before.permissions,
            _ => stored_permissions(place.principal)?,
        };
        let schedule = if self.is_active { self.schedule.clone() } else { Schedule::Never.to_string() };
        Ok(NewJob { schedule, offset_ns: self.offset_ns, done_until_ns: place.state.now_ns() })
    }

    /// Its part of an answer, with what came of the runs.
    fn show(&self, state: &AppState, document: &Document, answer: &mut Value) {
        answer["status"] = if self.is_active { "active" } else { "inactive" }.into();
        answer["every"] = self.every.as_str().into();
        if let Some(offset) = &self.offset {
            answer["offset"] = offset.as_str().into();
        }
        answer["taskID"] = document.id.to_string().into();
        let Some(job) = job_of(document).and_then(|id| state.catalog().find_job(id).ok()) else { return };
        answer["latestCompleted"] = seconds(job.done_until_ns).into();
        answer["latestScheduled"] = seconds(job.done_until_ns).into();
        if let Some(last) = state.catalog().list_job_runs(job.id).pop() {
            answer["lastRunStatus"] = status_of(&last).into();
            if let Some(error) = &last.error {
                answer["lastRunError"] = error.as_str().into();
            }
        }
    }
}

/// The status of a request; one that is not given is the one before, or active.
fn active(status: Option<&str>, before: Option<bool>) -> ApiResult<bool> {
    match status.filter(|status| !status.is_empty()) {
        Some(status) => is_active(status).map_err(|_| ApiError::invalid("invalid status")),
        None => Ok(before.unwrap_or(true)),
    }
}

/// The level of a request.
fn level(word: &str) -> ApiResult<Level> {
    let wrong = || ApiError::invalid(format!("invalid level {word:?}: there are CRIT, WARN, INFO, OK and ANY"));
    Level::from_word(word).ok_or_else(wrong)
}

/// What is wrong with a script is wrong with the request that it was made of.
fn unwritable(error: MonitoringError) -> ApiError {
    ApiError::invalid(error.to_string())
}

/// The script of a check or rule; none if it is neither.
pub(in crate::routes) fn script_of(state: &AppState, document: &Document) -> ApiResult<Option<Script>> {
    match document.kind {
        DocumentKind::Check => checks::Checks::script(state, document),
        DocumentKind::NotificationRule => rules::Rules::script(state, document),
        _ => Ok(None),
    }
}

/// Creates one, for `POST` and for templates.
pub(in crate::routes) async fn create_one<D: Monitored>(
    state: &AppState,
    principal: &Principal,
    organisation_id: OrganisationId,
    request: D::Request,
) -> ApiResult<std::sync::Arc<Document>> {
    principal.require(Permission::in_organisation(Action::Write, D::KIND.resource_type(), organisation_id))?;
    let (name, mut new) = D::change(request, None)?;
    let id = state.catalog().next_document_id();
    let place = Place { state, principal, organisation_id, id, name: &name, before: None };
    let Beside { job, secrets } = D::complete(&place, &mut new)?;
    if !secrets.is_empty() {
        state.catalog().put_secrets(organisation_id, state.secret_key(), secrets).await?;
    }
    let owner = (organisation_id, principal.user_id);
    let made = state.catalog().create_document_as(D::KIND, id, owner, draft((name, new))?, job).await?;
    state.jobs().wake();
    Ok(made)
}

/// Changes one, for `PATCH`, `PUT` and templates. What is not given stays, unless it is replaced.
pub(in crate::routes) async fn change_one<D: Monitored>(
    state: &AppState,
    principal: &Principal,
    found: &Document,
    request: D::Request,
    is_replaced: bool,
) -> ApiResult<std::sync::Arc<Document>> {
    let changed = |before: &Document| -> ApiResult<(String, D::Content, Beside)> {
        let old = if is_replaced { None } else { Some((before.name.as_str(), content(before)?)) };
        let (name, mut new) = D::change(request.clone(), old)?;
        let (organisation_id, id) = (before.organisation_id, before.id);
        let place = Place { state, principal, organisation_id, id, name: &name, before: Some(before) };
        let beside = D::complete(&place, &mut new)?;
        Ok((name, new, beside))
    };
    let (_, _, beside) = changed(found)?;
    if !beside.secrets.is_empty() {
        state.catalog().put_secrets(found.organisation_id, state.secret_key(), beside.secrets).await?;
    }
    let after = if job_of(found).is_some() {
        let change = |before: &Document| {
            let (name, new, beside) = changed(before)?;
            let job = beside.job.ok_or_else(|| ApiError::internal("a document with a job has none"))?;
            Ok((draft((name, new))?, job))
        };
        state.catalog().update_document_with_job(D::KIND, found.id, change).await
    } else {
        let change = |before: &Document| changed(before).and_then(|(name, new, _)| draft((name, new)));
        state.catalog().update_document(D::KIND, found.id, change).await
    };
    state.jobs().wake();
    after
}

/// `POST`
pub(in crate::routes) async fn create<D: Monitored>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Created<Value>> {
    let organisation = organisation_of_body(&state, &body)?;
    let made = create_one::<D>(&state, &principal, organisation.id, from_value(body)?).await?;
    Ok(Created(alone::<D>(&state, &made)?))
}

/// `PATCH …/{id}`: what is not given stays.
pub(in crate::routes) async fn update<D: Monitored>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Json<Value>> {
    changed::<D>(&state, &principal, &id, body, false).await
}

/// `PUT …/{id}`: what is not given is empty.
pub(in crate::routes) async fn replace<D: Monitored>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Json<Value>> {
    changed::<D>(&state, &principal, &id, body, true).await
}

async fn changed<D: Monitored>(
    state: &AppState,
    principal: &Principal,
    id: &str,
    body: Value,
    is_replaced: bool,
) -> ApiResult<Json<Value>> {
    let found = document::<D>(state, principal, id, Action::Write)?;
    let after = change_one::<D>(state, principal, &found, from_value(body)?, is_replaced).await?;
    Ok(Json(alone::<D>(state, &after)?))
}

/// `DELETE …/{id}`, with its runs and secrets. A run that is under way is ended.
pub(in crate::routes) async fn remove<D: Monitored>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let found = document::<D>(&state, &principal, &id, Action::Write)?;
    remove_one(&state, &found).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes one with what hangs on it.
pub(in crate::routes) async fn remove_one(state: &AppState, found: &Document) -> ApiResult<()> {
    state.catalog().delete_document(found.kind, found.id).await?;
    if let Some(id) = job_of(found) {
        state.task_runs().cancel_all(id);
    }
    if found.kind == DocumentKind::NotificationEndpoint {
        let own = format!("{}-", found.id);
        let mut names = state.catalog().list_secret_names(found.organisation_id);
        names.retain(|name| name.starts_with(&own));
        state.catalog().delete_secrets(found.organisation_id, &names).await?;
    }
    Ok(())
}

/// `GET …/{id}/query`: its script.
pub(in crate::routes) async fn query<D: Monitored>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    let found = document::<D>(&state, &principal, &id, Action::Read)?;
    let script = D::script(&state, &found)?;
    Ok(Json(json!({ "flux": script.map(|script| script.flux).unwrap_or_default() })))
}

//! `POST /api/v2/templates/apply`: makes the resources of templates, or says what that would do.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use catalog::{Permission, ResourceType, Secret};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kind::Kind;
use super::object::{Object, contents, read, unprocessable};
use super::plan::Plan;
use super::stacks::{self, EventKind};
use super::{Inside, text};
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::Json;
use crate::limits::{TEMPLATE_BYTES, TEMPLATE_REMOTES};
use crate::outgoing::Request;
use crate::state::AppState;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct ApplyRequest {
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(rename = "orgID")]
    org_id: Option<String>,
    #[serde(rename = "stackID")]
    stack_id: Option<String>,
    remotes: Option<Vec<Remote>>,
    templates: Option<Vec<Template>>,
    template: Option<Template>,
    env_refs: Option<BTreeMap<String, Value>>,
    secrets: Option<BTreeMap<String, String>>,
    actions: Option<Vec<Action>>,
}

#[derive(Debug, Deserialize)]
struct Remote {
    url: String,
}

#[derive(Debug, Deserialize)]
struct Template {
    #[serde(default)]
    sources: Option<Vec<String>>,
    contents: Option<Value>,
}

/// What is left out.
#[derive(Debug, Deserialize)]
struct Action {
    action: String,
    #[serde(default)]
    properties: Value,
}

impl Action {
    fn leaves_out(&self, object: &Object) -> ApiResult<bool> {
        let is_kind = || {
            let word = text(&self.properties, "kind");
            word == object.word || Kind::from_word(word) == Some(object.kind) && word == object.kind.word()
        };
        match self.action.as_str() {
            "skipKind" => Ok(is_kind()),
            "skipResource" => Ok(is_kind() && text(&self.properties, "resourceTemplateName") == object.meta_name),
            other => Err(ApiError::invalid(format!("invalid action type {other:?} provided for actions"))),
        }
    }
}

/// The objects of all templates of a request, and where they come from.
async fn gather(state: &AppState, request: &ApplyRequest) -> ApiResult<(Vec<Value>, Vec<String>)> {
    let (mut objects, mut sources) = (Vec::new(), Vec::new());
    for template in request.template.iter().chain(request.templates.iter().flatten()) {
        objects.extend(contents(template.contents.as_ref().unwrap_or(&Value::Null))?);
        sources.extend(template.sources.iter().flatten().cloned());
    }
    let remotes = request.remotes.as_deref().unwrap_or_default();
    if remotes.len() > TEMPLATE_REMOTES {
        return Err(unprocessable(format!("a request names {TEMPLATE_REMOTES} remote templates at most")));
    }
    for Remote { url } in remotes {
        let wrong = |cause: String| unprocessable(format!("the template at {url} cannot be had: {cause}"));
        let request = Request {
            method: Method::GET,
            url: url.clone(),
            headers: HeaderMap::new(),
            body: bytes::Bytes::new(),
            answer_bytes: TEMPLATE_BYTES,
        };
        let (status, body) = state.outgoing().send(request).await.map_err(|error| wrong(error.to_string()))?;
        if status != 200 {
            return Err(wrong(format!("the answer has the status {status}")));
        }
        let text = String::from_utf8(body.to_vec()).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
        objects.extend(contents(&Value::String(text))?);
        sources.push(url.clone());
    }
    Ok((objects, sources))
}

/// `POST`: 200 for a dry run, 201 when the resources are there.
pub(in crate::routes) async fn apply(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(request): JsonBody<ApplyRequest>,
) -> ApiResult<Response> {
    let org_id = request.org_id.as_deref().unwrap_or_default();
    let organisation = state.catalog().find_organisation(path_id(org_id)?)?;
    let inside = Inside::new(&state, &principal);
    let stack = match request.stack_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(stacks::stack(&state, &principal, id, catalog::Action::Write)?),
        None => None,
    };
    let (written, sources) = gather(&state, &request).await?;
    let (mut objects, open) = read(&written, request.env_refs.as_ref().unwrap_or(&BTreeMap::new()))?;
    for action in request.actions.iter().flatten() {
        let mut left_out = Vec::new();
        for object in &objects {
            left_out.push(action.leaves_out(object)?);
        }
        let mut left_out = left_out.into_iter();
        objects.retain(|_| !left_out.next().unwrap_or(false));
    }
    let members = stack.as_ref().map(stacks::members).transpose()?.unwrap_or_default();
    let mut plan = Plan::new(&inside, &organisation.id.to_string(), objects, &members).await?;
    let given = request.secrets.unwrap_or_default();
    let may_know = Permission::in_organisation(catalog::Action::Read, ResourceType::Secrets, organisation.id);
    let known =
        if principal.allows(&may_know) { state.catalog().list_secret_names(organisation.id) } else { Vec::new() };
    let missing: BTreeSet<String> =
        open.secrets.into_iter().filter(|key| !known.contains(key) && !given.contains_key(key)).collect();
    let is_dry = request.dry_run.unwrap_or(false);
    let mut stack_id = stack.as_ref().map(|stack| stack.id.to_string()).unwrap_or_default();
    let difference = plan.difference();
    if !is_dry {
        if let Some(key) = open.references.first() {
            return Err(unprocessable(format!("the template needs a value for the environment reference {key:?}")));
        }
        if let Some(key) = missing.first() {
            return Err(unprocessable(format!("the template needs the secret {key:?}")));
        }
        if !given.is_empty() {
            let write = catalog::Action::Write;
            principal.require(Permission::in_organisation(write, ResourceType::Secrets, organisation.id))?;
            let secrets = given.into_iter().map(|(key, value)| (key, Secret::from(value))).collect();
            state.catalog().put_secrets(organisation.id, state.secret_key(), secrets).await?;
        }
        plan.carry_out(&inside).await?;
        let kind = if stack.is_some() { EventKind::Update } else { EventKind::Create };
        let noted = stacks::note(&state, &principal, organisation.id, stack.as_deref(), kind, &sources, plan.members());
        stack_id = noted.await?.id.to_string();
    }
    let mut summary = plan.summary();
    summary["missingEnvRefs"] = json!(open.references);
    summary["missingSecrets"] = json!(missing);
    let nothing: [Value; 0] = [];
    let answer =
        json!({ "sources": sources, "stackID": stack_id, "diff": difference, "summary": summary, "errors": nothing });
    let status = if is_dry { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(answer)).into_response())
}

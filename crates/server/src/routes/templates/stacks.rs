//! `/api/v2/stacks`: what templates made, so that another application of them changes the same resources.

use std::sync::Arc;

use axum::extract::{Path, State};
use catalog::{
    Action, Document, DocumentDraft, DocumentFilter, DocumentKind, OrganisationId, Permission, Principal, ResourceType,
};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Inside;
use super::kind::Kind;
use super::object::API_VERSION;
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json};
use crate::limits::STACK_EVENTS;
use crate::request::Parameters;
use crate::routes::documents::{content, permission};
use crate::scope;
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// A resource of a stack.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) kind: Kind,
    pub(super) id: String,
    pub(super) meta_name: String,
    /// The meta names of its labels.
    pub(super) labels: Vec<String>,
}

impl Member {
    pub(super) fn is_of(&self, kind: Kind, meta_name: &str) -> bool {
        self.kind == kind && self.meta_name == meta_name
    }
}

/// What happened to a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EventKind {
    Create,
    Update,
    Uninstall,
}

/// A stack as it was after something happened to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Event {
    kind: EventKind,
    at_ns: i64,
    name: String,
    description: String,
    sources: Vec<String>,
    urls: Vec<String>,
    members: Vec<StoredMember>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredMember {
    kind: String,
    id: String,
    meta_name: String,
    labels: Vec<String>,
}

/// A stack as it is kept: the last events.
#[derive(Debug, Default, Serialize, Deserialize)]
struct StackContent {
    events: Vec<Event>,
}

fn draft(content: &StackContent) -> ApiResult<DocumentDraft> {
    let name = content.events.last().map(|event| event.name.clone()).unwrap_or_default();
    Ok(DocumentDraft { name, body: serde_json::to_string(content).map_err(ApiError::internal)? })
}

/// The stack of an id, if the principal may do this to it.
pub(super) fn stack(state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<Arc<Document>> {
    let found = state.catalog().find_document(DocumentKind::Stack, path_id(id)?)?;
    who.require(permission(action, &found))?;
    Ok(found)
}

/// The resources of a stack.
pub(super) fn members(stack: &Arc<Document>) -> ApiResult<Vec<Member>> {
    let kept: StackContent = content(stack)?;
    let last = kept.events.last().filter(|event| event.kind != EventKind::Uninstall);
    let member = |stored: &StoredMember| {
        let StoredMember { kind, id, meta_name, labels } = stored.clone();
        Some(Member { kind: Kind::from_word(&kind)?, id, meta_name, labels })
    };
    Ok(last.map(|event| event.members.iter().filter_map(member).collect()).unwrap_or_default())
}

/// What an event changes; what is not given stays.
#[derive(Debug, Default)]
struct Change {
    name: Option<String>,
    description: Option<String>,
    sources: Option<Vec<String>>,
    urls: Option<Vec<String>>,
    members: Option<Vec<Member>>,
}

impl StackContent {
    fn add(&mut self, kind: EventKind, at_ns: i64, change: Change) {
        let before = self.events.last().cloned();
        let before = before.unwrap_or(Event {
            kind,
            at_ns,
            name: String::new(),
            description: String::new(),
            sources: Vec::new(),
            urls: Vec::new(),
            members: Vec::new(),
        });
        let stored = |member: Member| StoredMember {
            kind: member.kind.word().to_owned(),
            id: member.id,
            meta_name: member.meta_name,
            labels: member.labels,
        };
        let members = change.members.map(|members| members.into_iter().map(stored).collect());
        self.events.push(Event {
            kind,
            at_ns,
            name: change.name.unwrap_or(before.name),
            description: change.description.unwrap_or(before.description),
            sources: change.sources.unwrap_or(before.sources),
            urls: change.urls.unwrap_or(before.urls),
            members: members.unwrap_or(before.members),
        });
        let too_many = self.events.len().saturating_sub(STACK_EVENTS);
        self.events.drain(..too_many);
    }
}

/// Notes an event of a stack; of one that is not there, its beginning.
async fn noted(
    state: &AppState,
    principal: &Principal,
    organisation_id: OrganisationId,
    stack: Option<&Document>,
    kind: EventKind,
    change: Change,
) -> ApiResult<Arc<Document>> {
    let now_ns = state.now_ns();
    let Some(stack) = stack else {
        principal.require(Permission::in_organisation(Action::Write, ResourceType::Documents, organisation_id))?;
        let mut kept = StackContent::default();
        kept.add(kind, now_ns, change);
        let draft = draft(&kept)?;
        let owner = principal.user_id;
        return Ok(state.catalog().create_document(DocumentKind::Stack, organisation_id, owner, draft).await?);
    };
    let update = |before: &Document| {
        let mut kept: StackContent = content(before)?;
        kept.add(kind, now_ns, change);
        draft(&kept)
    };
    state.catalog().update_document(DocumentKind::Stack, stack.id, update).await
}

/// Notes what an application made.
pub(super) async fn note(
    state: &AppState,
    principal: &Principal,
    organisation_id: OrganisationId,
    stack: Option<&Document>,
    kind: EventKind,
    sources: &[String],
    members: Vec<Member>,
) -> ApiResult<Arc<Document>> {
    let change = Change { sources: Some(sources.to_vec()), members: Some(members), ..Change::default() };
    noted(state, principal, organisation_id, stack, kind, change).await
}

/// A stack on the wire.
fn show(stack: &Document) -> ApiResult<Value> {
    let kept: StackContent = content(stack)?;
    let member = |member: &StoredMember| {
        let path = Kind::from_word(&member.kind).map(Kind::path).unwrap_or_default();
        let labels: Vec<Value> =
            member.labels.iter().map(|name| json!({ "kind": "Label", "metaName": name })).collect();
        json!({
            "apiVersion": API_VERSION,
            "kind": member.kind,
            "resourceID": member.id,
            "templateMetaName": member.meta_name,
            "associations": labels,
            "links": { "self": format!("{path}/{}", member.id) },
        })
    };
    let event = |event: &Event| {
        json!({
            "eventType": event.kind,
            "name": event.name,
            "description": event.description,
            "sources": event.sources,
            "urls": event.urls,
            "resources": event.members.iter().map(member).collect::<Vec<Value>>(),
            "updatedAt": rfc3339_nano(event.at_ns),
        })
    };
    Ok(json!({
        "id": stack.id.to_string(),
        "orgID": stack.organisation_id.to_string(),
        "createdAt": rfc3339_nano(stack.created_at_ns),
        "updatedAt": rfc3339_nano(stack.updated_at_ns),
        "events": kept.events.iter().map(event).collect::<Vec<Value>>(),
        "links": { "self": format!("/api/v2/stacks/{}", stack.id) },
    }))
}

/// `GET`: those that may be read, narrowed by `orgID`, `name` and `stackID`.
pub(in crate::routes) async fn list(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<Value>> {
    let organisation = scope::named_organisation(&state, &parameters)?;
    let filter = DocumentFilter {
        organisation_id: organisation.map(|organisation| organisation.id),
        owner_id: None,
        name: None,
        ids: parameters.ids("stackID")?,
    };
    let names: Vec<&str> = parameters.all("name").collect();
    let visible = |document: &Document| {
        principal.allows(&permission(Action::Read, document)) && (names.is_empty() || names.contains(&&*document.name))
    };
    let page = catalog::Page { limit: usize::MAX, offset: 0, after: None, descending: false };
    let found = state.catalog().list_documents(DocumentKind::Stack, &filter, &page, visible);
    let stacks = found.iter().map(|stack| show(stack)).collect::<ApiResult<Vec<Value>>>()?;
    Ok(Json(json!({ "stacks": stacks })))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct StackRequest {
    #[serde(rename = "orgID")]
    org_id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    urls: Option<Vec<String>>,
    #[serde(rename = "templateURLs")]
    template_urls: Option<Vec<String>>,
    additional_resources: Option<Vec<AdditionalResource>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdditionalResource {
    kind: String,
    #[serde(rename = "resourceID")]
    resource_id: String,
    template_meta_name: Option<String>,
}

impl StackRequest {
    fn change(self, before: Vec<Member>) -> ApiResult<Change> {
        let additional = self.additional_resources.unwrap_or_default().into_iter().map(|additional| {
            let wrong = || ApiError::invalid(format!("unsupported kind {:?}", additional.kind));
            let kind = Kind::from_word(&additional.kind).ok_or_else(wrong)?;
            let id: catalog::DocumentId = path_id(&additional.resource_id)?;
            let meta_name = additional.template_meta_name.unwrap_or_else(|| format!("{}-{id}", kind.list()));
            Ok(Member { kind, id: id.to_string(), meta_name, labels: Vec::new() })
        });
        let mut members = before;
        for member in additional.collect::<ApiResult<Vec<Member>>>()? {
            if !members.iter().any(|known| known.kind == member.kind && known.id == member.id) {
                members.push(member);
            }
        }
        Ok(Change {
            name: self.name,
            description: self.description,
            sources: None,
            urls: self.urls.or(self.template_urls),
            members: Some(members),
        })
    }
}

/// `POST`: an empty stack.
pub(in crate::routes) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(request): JsonBody<StackRequest>,
) -> ApiResult<Created<Value>> {
    let id: OrganisationId = path_id(request.org_id.as_deref().unwrap_or_default())?;
    let organisation = state.catalog().find_organisation(id)?;
    let change = request.change(Vec::new())?;
    let made = noted(&state, &principal, organisation.id, None, EventKind::Create, change).await?;
    Ok(Created(show(&made)?))
}

/// `GET …/{id}`
pub(in crate::routes) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    Ok(Json(show(&*stack(&state, &principal, &id, Action::Read)?)?))
}

/// `PATCH …/{id}`: its name, where its templates are, and resources that are to belong to it.
pub(in crate::routes) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<StackRequest>,
) -> ApiResult<Json<Value>> {
    let found = stack(&state, &principal, &id, Action::Write)?;
    let change = request.change(members(&found)?)?;
    let place = found.organisation_id;
    let after = noted(&state, &principal, place, Some(&*found), EventKind::Update, change).await?;
    Ok(Json(show(&after)?))
}

/// Removes the resources of a stack; those that others refer to last.
async fn remove_members(state: &AppState, principal: &Principal, found: &Arc<Document>) -> ApiResult<()> {
    let inside = Inside::new(state, principal);
    let mut members = members(found)?;
    members.sort_by_key(|member| std::cmp::Reverse(member.kind));
    for member in members {
        let path = format!("{}/{}", member.kind.path(), member.id);
        match inside.call(Method::DELETE, &path, None).await {
            Err(error) if error.code() != crate::api_error::Code::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// `POST …/{id}/uninstall`: removes its resources; the stack stays.
pub(in crate::routes) async fn uninstall(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    let found = stack(&state, &principal, &id, Action::Write)?;
    remove_members(&state, &principal, &found).await?;
    let change = Change { members: Some(Vec::new()), ..Change::default() };
    let place = found.organisation_id;
    let after = noted(&state, &principal, place, Some(&*found), EventKind::Uninstall, change).await?;
    Ok(Json(show(&after)?))
}

/// `DELETE …/{id}`, with its resources.
pub(in crate::routes) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let found = stack(&state, &principal, &id, Action::Write)?;
    remove_members(&state, &principal, &found).await?;
    state.catalog().delete_document(DocumentKind::Stack, found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

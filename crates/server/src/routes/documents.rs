//! Documents over HTTP: resources that the server keeps for its clients, such as dashboards and variables. The handlers
//! stand here once, for all kinds; what a kind holds and how it looks is its [`Documents`].

pub(super) mod cells;
pub(super) mod dashboards;
pub(super) mod notebooks;
pub(super) mod scrapers;
pub(super) mod telegrafs;
pub(super) mod variables;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use catalog::{
    Action, Document, DocumentDraft, DocumentFilter, DocumentKind, MappedResource, Organisation, OrganisationId, Page,
    Permission, Principal,
};
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::labels;
use super::mappings::Mapped;
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::Json;
use crate::paging::PageLinks;
use crate::request::{Parameters, RequestError};
use crate::scope;
use crate::state::AppState;

/// The links beside a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListLinks {
    /// Pages, of 20 entries unless the request says otherwise.
    Pages,
    /// The list itself, which is whole unless the request has a limit.
    This,
    /// None; the list is whole unless the request has a limit.
    None,
}

/// A kind of documents on the wire.
pub(super) trait Documents: Send + Sync + 'static {
    /// The kind in the catalog.
    const KIND: DocumentKind;
    /// The path of the list.
    const PATH: &'static str;
    /// The key of the entries in a list.
    const LIST: &'static str;
    /// The links beside them.
    const LINKS: ListLinks = ListLinks::Pages;
    /// The answer to a creation.
    const CREATED: StatusCode = StatusCode::CREATED;

    /// What a request may say; what is not given stays.
    type Request: DeserializeOwned + Send;
    /// What is kept.
    type Content: Serialize + DeserializeOwned + Send;

    /// Name and content after a request. `before` is there for a change, not for a new document and not for one that is
    /// replaced.
    fn change(request: Self::Request, before: Option<(&str, Self::Content)>) -> ApiResult<(String, Self::Content)>;

    /// Whether the content may be so, as far as that depends on other resources.
    fn check(_place: &Place<'_>, _content: &Self::Content) -> ApiResult<()> {
        Ok(())
    }

    /// The document on the wire.
    fn show(shown: &Shown<'_>, content: Self::Content) -> Value;

    /// The document on the wire where it is alone.
    fn show_alone(shown: &Shown<'_>, content: Self::Content) -> Value {
        Self::show(shown, content)
    }
}

/// Where a document is or is to be, and who wants it so.
pub(super) struct Place<'a> {
    pub(super) state: &'a AppState,
    pub(super) principal: &'a Principal,
    pub(super) organisation_id: OrganisationId,
}

/// A document that is shown.
pub(super) struct Shown<'a> {
    pub(super) state: &'a AppState,
    pub(super) document: &'a Document,
}

impl Shown<'_> {
    /// Its labels.
    pub(super) fn labels(&self) -> Value {
        labels::labels_of(self.state, self.document.resource())
    }

    /// The links to itself, its organisation, and these below it.
    pub(super) fn links<D: Documents>(&self, below: &[&str]) -> Map<String, Value> {
        let own = format!("{}/{}", D::PATH, self.document.id);
        let mut links = Map::new();
        links.extend(below.iter().map(|name| ((*name).to_owned(), format!("{own}/{name}").into())));
        links.insert("self".to_owned(), own.into());
        links
    }

    /// The link to its organisation.
    pub(super) fn organisation_link(&self) -> String {
        format!("/api/v2/orgs/{}", self.document.organisation_id)
    }
}

impl<D: Documents> Mapped for D {
    const AT: &'static str = D::PATH;

    fn resource(state: &AppState, who: &Principal, id: &str, action: Action) -> ApiResult<MappedResource> {
        Ok(document::<D>(state, who, id, action)?.resource())
    }
}

/// What a principal needs for this.
pub(super) fn permission(action: Action, document: &Document) -> Permission {
    let kind = document.kind.resource_type();
    Permission::on_one(action, kind, document.id.get(), Some(document.organisation_id))
}

/// The document of an id in the path, if the principal may do this to it.
pub(super) fn document<D: Documents>(
    state: &AppState,
    who: &Principal,
    id: &str,
    action: Action,
) -> ApiResult<Arc<Document>> {
    let found = state.catalog().find_document(D::KIND, path_id(id)?)?;
    who.require(permission(action, &found))?;
    Ok(found)
}

/// What a document keeps. Only this server writes it, so that anything else is damage.
pub(super) fn content<T: DeserializeOwned>(document: &Document) -> ApiResult<T> {
    serde_json::from_str(&document.body).map_err(ApiError::internal)
}

/// Name and content as the catalog keeps them.
pub(super) fn draft((name, content): (String, impl Serialize)) -> ApiResult<DocumentDraft> {
    Ok(DocumentDraft { name, body: serde_json::to_string(&content).map_err(ApiError::internal)? })
}

/// A part of a body that was read already.
pub(super) fn from_value<T: DeserializeOwned>(value: Value) -> ApiResult<T> {
    Ok(serde_json::from_value(value).map_err(RequestError::Json)?)
}

/// The document on the wire where it is alone.
pub(super) fn alone<D: Documents>(state: &AppState, document: &Document) -> ApiResult<Value> {
    Ok(D::show_alone(&Shown { state, document }, content(document)?))
}

/// The organisation that a body names by `orgID` or `org`.
pub(super) fn organisation_of_body(state: &AppState, body: &Value) -> ApiResult<Arc<Organisation>> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "orgID")]
        org_id: Option<String>,
        org: Option<String>,
    }
    let named: Named = from_value(body.clone())?;
    let pairs = [("orgID", named.org_id), ("org", named.org)];
    let pairs = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let organisation = scope::named_organisation(state, &Parameters::from_pairs(pairs))?;
    organisation.ok_or_else(|| ApiError::invalid("organization id must be provided"))
}

/// `GET` of the list: those that the principal may read, narrowed by `id`, `name`, `owner`, `org` and `orgID`.
pub(super) async fn list<D: Documents>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    parameters: Parameters,
) -> ApiResult<Json<Value>> {
    let organisation = scope::named_organisation(&state, &parameters)?;
    let mut page = parameters.page()?;
    if D::LINKS != ListLinks::Pages && parameters.get("limit").is_none() {
        page.limit = usize::MAX;
    }
    let filter = DocumentFilter {
        organisation_id: organisation.map(|organisation| organisation.id),
        owner_id: parameters.id("owner")?,
        name: parameters.get("name").map(str::to_owned),
        ids: parameters.ids("id")?,
    };
    let visible = |document: &Document| principal.allows(&permission(Action::Read, document));
    let documents = match parameters.get("sortBy") {
        None | Some("ID" | "CreatedAt") => state.catalog().list_documents(D::KIND, &filter, &page, visible),
        Some("UpdatedAt") => {
            let whole = Page { limit: usize::MAX, offset: 0, ..page };
            let mut all = state.catalog().list_documents(D::KIND, &filter, &whole, visible);
            all.sort_by_key(|document| document.updated_at_ns);
            if page.descending {
                all.reverse();
            }
            all.into_iter().skip(page.offset).take(page.limit).collect()
        }
        Some(_) => return Err(ApiError::invalid("sortBy must be ID, CreatedAt or UpdatedAt")),
    };
    let shown = documents.iter().map(|document| Ok(D::show(&Shown { state: &state, document }, content(document)?)));
    let entries = shown.collect::<ApiResult<Vec<Value>>>()?;
    let mut answer = Map::new();
    match D::LINKS {
        ListLinks::Pages => {
            let given = ["id", "name", "owner", "org", "orgID"].map(|key| (key, parameters.get(key)));
            answer.insert("links".to_owned(), json!(PageLinks::new(D::PATH, &page, &given, entries.len())));
        }
        ListLinks::This => {
            answer.insert("links".to_owned(), json!({ "self": D::PATH }));
        }
        ListLinks::None => {}
    }
    answer.insert(D::LIST.to_owned(), entries.into());
    Ok(Json(Value::Object(answer)))
}

/// `POST` to the list.
pub(super) async fn create<D: Documents>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Response> {
    let organisation = organisation_of_body(&state, &body)?;
    principal.require(Permission::in_organisation(Action::Write, D::KIND.resource_type(), organisation.id))?;
    let new = D::change(from_value(body)?, None)?;
    D::check(&Place { state: &state, principal: &principal, organisation_id: organisation.id }, &new.1)?;
    let made = state.catalog().create_document(D::KIND, organisation.id, principal.user_id, draft(new)?).await?;
    Ok((D::CREATED, Json(alone::<D>(&state, &made)?)).into_response())
}

/// `GET …/{id}`
pub(super) async fn find<D: Documents>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    let found = document::<D>(&state, &principal, &id, Action::Read)?;
    Ok(Json(alone::<D>(&state, &found)?))
}

/// `PATCH …/{id}`: what is not given stays.
pub(super) async fn update<D: Documents>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Json<Value>> {
    let found = document::<D>(&state, &principal, &id, Action::Write)?;
    let changed = |before: &Document| -> ApiResult<(String, D::Content)> {
        D::change(from_value(body.clone())?, Some((&before.name, content(before)?)))
    };
    check::<D>(&state, &principal, &found, &changed(&found)?.1)?;
    let after = state.catalog().update_document(D::KIND, found.id, |before| draft(changed(before)?)).await?;
    Ok(Json(alone::<D>(&state, &after)?))
}

/// `PUT …/{id}`: what is not given is empty.
pub(super) async fn replace<D: Documents>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Value>,
) -> ApiResult<Json<Value>> {
    let found = document::<D>(&state, &principal, &id, Action::Write)?;
    let new = D::change(from_value(body)?, None)?;
    check::<D>(&state, &principal, &found, &new.1)?;
    let draft = draft(new)?;
    let after = state.catalog().update_document(D::KIND, found.id, |_| ApiResult::Ok(draft)).await?;
    Ok(Json(alone::<D>(&state, &after)?))
}

fn check<D: Documents>(state: &AppState, who: &Principal, found: &Document, content: &D::Content) -> ApiResult<()> {
    D::check(&Place { state, principal: who, organisation_id: found.organisation_id }, content)
}

/// `DELETE …/{id}`, with its labels, members and owners.
pub(super) async fn remove<D: Documents>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let found = document::<D>(&state, &principal, &id, Action::Write)?;
    state.catalog().delete_document(D::KIND, found.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

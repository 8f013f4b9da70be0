//! `/api/v2/labels`, and the labels of resources: who may write the resource and read the label may put it on or off.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use catalog::{Action, CatalogError, Document, DocumentId, DocumentKind, MappedResource};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::documents::{Documents, ListLinks, Shown, content, permission};
use super::mappings::Mapped;
use crate::api_error::ApiResult;
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json, null_is_default};
use crate::state::AppState;

/// Labels.
pub(super) struct Labels;

#[derive(Debug, Deserialize)]
pub(super) struct LabelRequest {
    name: Option<String>,
    properties: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LabelContent {
    properties: BTreeMap<String, String>,
}

impl Documents for Labels {
    const KIND: DocumentKind = DocumentKind::Label;
    const PATH: &'static str = "/api/v2/labels";
    const LIST: &'static str = "labels";
    const LINKS: ListLinks = ListLinks::This;
    type Request = LabelRequest;
    type Content = LabelContent;

    /// A property with an empty value is taken away, as in InfluxDB.
    fn change(request: LabelRequest, before: Option<(&str, LabelContent)>) -> ApiResult<(String, LabelContent)> {
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        let mut properties = before.map(|before| before.properties).unwrap_or_default();
        properties.extend(request.properties.unwrap_or_default());
        properties.retain(|_, value| !value.is_empty());
        Ok((name, LabelContent { properties }))
    }

    fn show(shown: &Shown<'_>, content: LabelContent) -> Value {
        label(shown.document, &content)
    }

    fn show_alone(shown: &Shown<'_>, content: LabelContent) -> Value {
        wrapped(shown.document, &content)
    }
}

fn label(document: &Document, content: &LabelContent) -> Value {
    let mut answer = json!({
        "id": document.id.to_string(),
        "orgID": document.organisation_id.to_string(),
        "name": document.name,
    });
    if !content.properties.is_empty() {
        answer["properties"] = json!(content.properties);
    }
    answer
}

fn wrapped(document: &Document, content: &LabelContent) -> Value {
    json!({ "links": { "self": format!("{}/{}", Labels::PATH, document.id) }, "label": label(document, content) })
}

/// The labels of a resource, as they stand inside of it.
pub(super) fn labels_of(state: &AppState, resource: MappedResource) -> Value {
    let labels = state.catalog().list_labels(resource);
    // A label that cannot be read is one that is not shown.
    labels.iter().filter_map(|found| Some(label(found, &content(found).ok()?))).collect()
}

/// `GET …/{id}/labels`
pub(super) async fn list_on<R: Mapped>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    let resource = R::resource(&state, &principal, &id, Action::Read)?;
    Ok(Json(json!({ "links": { "self": Labels::PATH }, "labels": labels_of(&state, resource) })))
}

#[derive(Debug, Deserialize)]
pub(super) struct PutOnRequest {
    #[serde(rename = "labelID", default, deserialize_with = "null_is_default")]
    label_id: String,
}

/// `POST …/{id}/labels`. One that the resource has already is no error.
pub(super) async fn put_on<R: Mapped>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<PutOnRequest>,
) -> ApiResult<Created<Value>> {
    let resource = R::resource(&state, &principal, &id, Action::Write)?;
    let label_id: DocumentId = path_id(&request.label_id)?;
    let found = state.catalog().find_document(DocumentKind::Label, label_id)?;
    if !principal.allows(&permission(Action::Read, &found)) {
        return Err(CatalogError::DocumentNotFound(DocumentKind::Label).into());
    }
    let found = state.catalog().add_label(resource, label_id).await?;
    Ok(Created(wrapped(&found, &content(&found)?)))
}

/// `DELETE …/{id}/labels/{label_id}`
pub(super) async fn take_off<R: Mapped>(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, label_id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let resource = R::resource(&state, &principal, &id, Action::Write)?;
    state.catalog().remove_label(resource, path_id(&label_id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

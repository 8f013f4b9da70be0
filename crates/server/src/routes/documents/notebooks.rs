//! `/api/v2private/notebooks`: notebooks of the user interface. What one says is the interface's.

use catalog::DocumentKind;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Documents, ListLinks, Shown};
use crate::api_error::ApiResult;
use crate::times::rfc3339_nano;

/// Notebooks.
pub(in crate::routes) struct Notebooks;

#[derive(Debug, Deserialize)]
pub(in crate::routes) struct NotebookRequest {
    name: Option<String>,
    spec: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::routes) struct NotebookContent {
    spec: Value,
}

impl Documents for Notebooks {
    const KIND: DocumentKind = DocumentKind::Notebook;
    const PATH: &'static str = "/api/v2private/notebooks";
    const LIST: &'static str = "flows";
    const LINKS: ListLinks = ListLinks::None;
    const CREATED: StatusCode = StatusCode::OK;
    type Request = NotebookRequest;
    type Content = NotebookContent;

    fn change(
        request: NotebookRequest,
        before: Option<(&str, NotebookContent)>,
    ) -> ApiResult<(String, NotebookContent)> {
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        let spec = request.spec.or(before.map(|before| before.spec)).unwrap_or(json!({}));
        Ok((name, NotebookContent { spec }))
    }

    fn show(shown: &Shown<'_>, content: NotebookContent) -> Value {
        let document = shown.document;
        json!({
            "id": document.id.to_string(),
            "orgID": document.organisation_id.to_string(),
            "name": document.name,
            "spec": content.spec,
            "createdAt": rfc3339_nano(document.created_at_ns),
            "updatedAt": rfc3339_nano(document.updated_at_ns),
        })
    }
}

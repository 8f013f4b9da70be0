//! `/api/v2/telegrafs`: configurations that Telegraf fetches at its start (`telegraf --config URL`).

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use catalog::{Action, DocumentKind};
use http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Documents, ListLinks, Shown, alone, content, document};
use crate::api_error::ApiResult;
use crate::auth::Authenticated;
use crate::json::Json;
use crate::state::AppState;

/// Configurations of Telegraf.
pub(in crate::routes) struct Telegrafs;

#[derive(Debug, Deserialize)]
pub(in crate::routes) struct TelegrafRequest {
    name: Option<String>,
    description: Option<String>,
    config: Option<String>,
    metadata: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::routes) struct TelegrafContent {
    description: String,
    /// TOML, as it came.
    config: String,
    metadata: Value,
}

impl Documents for Telegrafs {
    const KIND: DocumentKind = DocumentKind::Telegraf;
    const PATH: &'static str = "/api/v2/telegrafs";
    const LIST: &'static str = "configurations";
    const LINKS: ListLinks = ListLinks::None;
    type Request = TelegrafRequest;
    type Content = TelegrafContent;

    fn change(
        request: TelegrafRequest,
        before: Option<(&str, TelegrafContent)>,
    ) -> ApiResult<(String, TelegrafContent)> {
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        let (description, config, metadata) = match before {
            Some(before) => (before.description, before.config, before.metadata),
            None => (String::new(), String::new(), json!({})),
        };
        let content = TelegrafContent {
            description: request.description.unwrap_or(description),
            config: request.config.unwrap_or(config),
            metadata: request.metadata.filter(|given| !given.is_null()).unwrap_or(metadata),
        };
        Ok((name, content))
    }

    fn show(shown: &Shown<'_>, content: TelegrafContent) -> Value {
        let document = shown.document;
        let mut answer = json!({
            "id": document.id.to_string(),
            "orgID": document.organisation_id.to_string(),
            "name": document.name,
            "config": content.config,
            "metadata": content.metadata,
            "labels": shown.labels(),
            "links": shown.links::<Self>(&["labels", "members", "owners"]),
        });
        if !content.description.is_empty() {
            answer["description"] = content.description.into();
        }
        answer
    }
}

/// The forms of one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Toml,
    Json,
    Attachment,
}

/// What `Accept` asks for, as far as it is known: the first of its kinds that is; TOML otherwise.
fn form(headers: &HeaderMap) -> Form {
    let values = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let mut kinds = values.flat_map(|value| value.split(',')).filter_map(|kind| kind.split(';').next());
    let known = kinds.find_map(|kind| match kind.trim() {
        "application/json" => Some(Form::Json),
        "application/octet-stream" => Some(Form::Attachment),
        "application/toml" | "*/*" | "application/*" => Some(Form::Toml),
        _ => None,
    });
    known.unwrap_or(Form::Toml)
}

/// `GET …/{id}` as TOML, JSON or a file to save.
pub(in crate::routes) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let found = document::<Telegrafs>(&state, &principal, &id, Action::Read)?;
    let form = form(&headers);
    if form == Form::Json {
        return Ok(Json(alone::<Telegrafs>(&state, &found)?).into_response());
    }
    let text = content::<TelegrafContent>(&found)?.config;
    if form == Form::Toml {
        return Ok(([(header::CONTENT_TYPE, "application/toml; charset=utf-8")], text).into_response());
    }
    let mut response = ([(header::CONTENT_TYPE, "application/octet-stream")], text).into_response();
    // A name may hold what a header may not.
    let safe: String =
        found.name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{safe}.toml\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn forms() {
        for (accept, expected) in [
            (None, Form::Toml),
            (Some("*/*"), Form::Toml),
            (Some("application/toml"), Form::Toml),
            (Some("application/json"), Form::Json),
            (Some("text/html, application/json;q=0.9"), Form::Json),
            (Some("application/octet-stream"), Form::Attachment),
            (Some("text/html"), Form::Toml),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(form(&headers), expected, "{accept:?}");
        }
    }
}

//! `/api/v2/notificationEndpoints`: where notifications go. What is secret about them is kept among the secrets of the
//! organisation, and an answer says under which key.

use catalog::{Document, DocumentId, DocumentKind, Secret};
use query::flux::monitoring::Authorization;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Beside, Monitored, Place, Script, active};
use crate::api_error::{ApiError, ApiResult};
use crate::routes::documents::{Documents, Shown};
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// Notification endpoints.
pub(in crate::routes) struct Endpoints;

/// How an answer names a secret instead of showing it.
const SECRET: &str = "secret: ";

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct EndpointRequest {
    name: Option<String>,
    description: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    url: Option<String>,
    headers: Option<Map<String, Value>>,
    token: Option<String>,
    username: Option<String>,
    password: Option<String>,
    auth_method: Option<String>,
    method: Option<String>,
    content_template: Option<String>,
    #[serde(rename = "clientURL")]
    client_url: Option<String>,
    routing_key: Option<String>,
}

/// A secret of an endpoint: its key, and its value where that has just been given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct SecretField {
    key: Option<String>,
    #[serde(skip)]
    given: Option<String>,
}

impl SecretField {
    /// What a request says: `secret: key` names one, an empty text is none, another is a new value.
    fn put(&mut self, text: Option<String>) {
        match text {
            None => {}
            Some(text) if text.is_empty() => *self = Self::default(),
            Some(text) => match text.strip_prefix(SECRET) {
                Some(key) => *self = Self { key: Some(key.to_owned()), given: None },
                None => *self = Self { key: None, given: Some(text) },
            },
        }
    }

    fn is_there(&self) -> bool {
        self.key.is_some() || self.given.is_some()
    }

    /// The key of a new value, and the value.
    fn complete(&mut self, id: DocumentId, suffix: &str) -> Option<(String, Secret)> {
        let value = self.given.take()?;
        let key = format!("{id}-{suffix}");
        self.key = Some(key.clone());
        Some((key, Secret::from(value)))
    }

    fn show(&self) -> Value {
        self.key.as_ref().map(|key| format!("{SECRET}{key}")).unwrap_or_default().into()
    }

    /// The key, for a script.
    pub(in crate::routes) fn key(&self) -> Option<String> {
        self.key.clone()
    }
}

/// An endpoint as it is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::routes) struct EndpointContent {
    pub(super) is_active: bool,
    description: String,
    pub(super) kind: String,
    pub(super) url: String,
    headers: Map<String, Value>,
    token: SecretField,
    username: SecretField,
    password: SecretField,
    auth_method: String,
    method: String,
    content_template: String,
    pub(super) client_url: String,
    routing_key: SecretField,
}

impl EndpointContent {
    /// What its requests say of who sends them.
    pub(super) fn authorization(&self) -> ApiResult<Authorization> {
        let missing = || ApiError::internal("an endpoint lacks the key of a secret");
        Ok(match self.auth_method.as_str() {
            "bearer" => Authorization::Bearer { token_key: self.token.key().ok_or_else(missing)? },
            "basic" => Authorization::Basic {
                username_key: self.username.key().ok_or_else(missing)?,
                password_key: self.password.key().ok_or_else(missing)?,
            },
            _ => Authorization::None,
        })
    }

    /// The key of its token.
    pub(super) fn token_key(&self) -> Option<String> {
        self.token.key()
    }

    /// The key of its routing key.
    pub(super) fn routing_key(&self) -> ApiResult<String> {
        self.routing_key.key().ok_or_else(|| ApiError::internal("an endpoint lacks its routing key"))
    }

    /// Whether it is whole, in InfluxDB's words.
    fn check(&self) -> ApiResult<()> {
        let wrong = |text: &str| Err(ApiError::invalid(text));
        let is_address = |url: &str| {
            let uri: Result<http::Uri, _> = url.parse();
            uri.is_ok_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https")))
        };
        match self.kind.as_str() {
            "http" if self.url.is_empty() => wrong("http endpoint URL is empty"),
            "http" | "slack" if !self.url.is_empty() && !is_address(&self.url) => {
                wrong("endpoint URL is invalid: it must begin with http:// or https:// and a host")
            }
            "http" if !matches!(self.method.as_str(), "POST" | "PUT" | "GET") => wrong("invalid http http method"),
            "http" if !matches!(self.auth_method.as_str(), "none" | "basic" | "bearer") => {
                wrong("invalid http auth method")
            }
            "http" if self.auth_method == "basic" && !(self.username.is_there() && self.password.is_there()) => {
                wrong("invalid http username/password for basic auth")
            }
            "http" if self.auth_method == "bearer" && !self.token.is_there() => {
                wrong("invalid http token for bearer auth")
            }
            "slack" if self.url.is_empty() && !self.token.is_there() => wrong("slack endpoint URL must be provided"),
            "pagerduty" if !self.routing_key.is_there() => wrong("pagerduty routing key is invalid"),
            "pagerduty" if !self.url.is_empty() && !is_address(&self.url) => {
                wrong("endpoint URL is invalid: it must begin with http:// or https:// and a host")
            }
            "http" | "slack" | "pagerduty" => Ok(()),
            other => Err(ApiError::invalid(format!(
                "invalid notification endpoint type {other:?}: there are http, slack and pagerduty"
            ))),
        }
    }
}

impl Documents for Endpoints {
    const KIND: DocumentKind = DocumentKind::NotificationEndpoint;
    const PATH: &'static str = "/api/v2/notificationEndpoints";
    const LIST: &'static str = "notificationEndpoints";
    type Request = EndpointRequest;
    type Content = EndpointContent;

    fn change(
        request: EndpointRequest,
        before: Option<(&str, EndpointContent)>,
    ) -> ApiResult<(String, EndpointContent)> {
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        if name.trim().is_empty() {
            return Err(ApiError::invalid("Notification Endpoint Name can't be empty"));
        }
        let was_active = before.as_ref().map(|before| before.is_active);
        let mut endpoint = before.unwrap_or_default();
        endpoint.is_active = active(request.status.as_deref(), was_active)?;
        for (place, given) in [
            (&mut endpoint.description, request.description),
            (&mut endpoint.kind, request.kind),
            (&mut endpoint.url, request.url),
            (&mut endpoint.auth_method, request.auth_method),
            (&mut endpoint.method, request.method),
            (&mut endpoint.content_template, request.content_template),
            (&mut endpoint.client_url, request.client_url),
        ] {
            if let Some(given) = given {
                *place = given;
            }
        }
        if let Some(headers) = request.headers {
            endpoint.headers = headers;
        }
        endpoint.token.put(request.token);
        endpoint.username.put(request.username);
        endpoint.password.put(request.password);
        endpoint.routing_key.put(request.routing_key);
        endpoint.check()?;
        Ok((name, endpoint))
    }

    fn show(shown: &Shown<'_>, endpoint: EndpointContent) -> Value {
        let document = shown.document;
        let mut answer = json!({
            "id": document.id.to_string(),
            "name": document.name,
            "orgID": document.organisation_id.to_string(),
            "status": if endpoint.is_active { "active" } else { "inactive" },
            "createdAt": rfc3339_nano(document.created_at_ns),
            "updatedAt": rfc3339_nano(document.updated_at_ns),
            "type": endpoint.kind,
            "labels": shown.labels(),
            "links": shown.links::<Self>(&["labels", "members", "owners"]),
        });
        if !endpoint.description.is_empty() {
            answer["description"] = endpoint.description.into();
        }
        match endpoint.kind.as_str() {
            "http" => {
                answer["url"] = endpoint.url.into();
                answer["token"] = endpoint.token.show();
                answer["username"] = endpoint.username.show();
                answer["password"] = endpoint.password.show();
                answer["authMethod"] = endpoint.auth_method.into();
                answer["method"] = endpoint.method.into();
                answer["contentTemplate"] = endpoint.content_template.into();
                if !endpoint.headers.is_empty() {
                    answer["headers"] = endpoint.headers.into();
                }
            }
            "slack" => {
                answer["url"] = endpoint.url.into();
                answer["token"] = endpoint.token.show();
            }
            _ => {
                answer["clientURL"] = endpoint.client_url.into();
                answer["routingKey"] = endpoint.routing_key.show();
                if !endpoint.url.is_empty() {
                    answer["url"] = endpoint.url.into();
                }
            }
        }
        answer
    }
}

impl Monitored for Endpoints {
    fn complete(place: &Place<'_>, endpoint: &mut EndpointContent) -> ApiResult<Beside> {
        let EndpointContent { token, username, password, routing_key, .. } = endpoint;
        let fields = [(token, "token"), (username, "username"), (password, "password"), (routing_key, "routing-key")];
        let secrets = fields.into_iter().filter_map(|(field, suffix)| field.complete(place.id, suffix)).collect();
        Ok(Beside { job: None, secrets })
    }

    fn script(_state: &AppState, _document: &Document) -> ApiResult<Option<Script>> {
        Ok(None)
    }
}

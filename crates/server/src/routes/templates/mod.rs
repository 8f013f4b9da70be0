//! `/api/v2/templates` and `/api/v2/stacks`: resources as texts, and what came of them.
//!
//! ```text
//! export ── what a client would be shown of a resource ── kind.rs ── object ── JSON or YAML
//! apply  ── object.rs: objects, references ── plan.rs: what is there already ── kind.rs ── requests ── the routes
//! ```
//!
//! Nothing here knows the catalog of any kind: resources are read and written by the same requests that a client would
//! send, with the permissions of whoever asks ([`Inside`]). The form of the objects is InfluxDB's
//! (`apiVersion: influxdata.com/v2alpha1`).

mod apply;
mod charts;
mod export;
mod kind;
mod object;
mod plan;
mod stacks;
mod yaml;

use axum::Router;
use axum::body::{Body, to_bytes};
use catalog::Principal;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

pub(super) use self::apply::apply;
pub(super) use self::export::export;
pub(super) use self::stacks::{create, find, list, remove, uninstall, update};

use crate::api_error::{ApiError, ApiResult, Code};
use crate::state::AppState;

/// Bytes of an answer that a template is made of: a dashboard is the largest, and a document is not larger.
const ANSWER_BYTES: usize = 8 << 20;

/// The routes of resources for one principal, without a socket.
struct Inside {
    router: Router,
    principal: Principal,
}

impl Inside {
    fn new(state: &AppState, principal: &Principal) -> Self {
        Self { router: super::protected_routes().with_state(state.clone()), principal: principal.clone() }
    }

    /// What is answered to a request; an error if it is refused.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> ApiResult<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header("accept", "application/json");
        if let Some(extensions) = request.extensions_mut() {
            extensions.insert(self.principal.clone());
        }
        let request = request.body(Body::from(body)).map_err(ApiError::internal)?;
        let response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let body = to_bytes(response.into_body(), ANSWER_BYTES).await.map_err(ApiError::internal)?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let answer: Value = serde_json::from_slice(&body).map_err(ApiError::internal)?;
        if status.is_success() {
            return Ok(answer);
        }
        let text = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Err(ApiError::new(Code::from_word(&text("code")).unwrap_or(Code::Internal), text("message")))
    }

    async fn get(&self, path: &str) -> ApiResult<Value> {
        self.call(Method::GET, path, None).await
    }
}

/// A text in a record; empty if there is none.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

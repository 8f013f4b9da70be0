//! What editors ask about Flux: `POST /api/v2/query/ast`, `POST /api/v2/query/analyze`,
//! `GET /api/v2/query/suggestions` and `GET /api/v2/query/suggestions/{name}`. Nothing is run and no data is looked at,
//! so that a token is all that is needed.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use query::QueryError;
use query::flux::{ScriptError, Suggestion};
use serde::{Deserialize, Serialize};

use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::JsonBody;
use crate::json::{self, Json};
use crate::state::AppState;

/// A script to look at.
#[derive(Debug, Deserialize)]
pub(in crate::routes) struct ToolBody {
    #[serde(default)]
    query: String,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The tree of a script.
pub(in crate::routes) async fn syntax_tree(
    Authenticated(_): Authenticated,
    JsonBody(body): JsonBody<ToolBody>,
) -> ApiResult<Response> {
    let tree = query::flux::syntax_tree(&body.query);
    let tree = tree.map_err(|error| ApiError::invalid(format!("invalid AST: {}", error.message)))?;
    let text = Bytes::from(format!("{{\"ast\":{tree}}}"));
    Ok(([(header::CONTENT_TYPE, json::CONTENT_TYPE)], text).into_response())
}

/// What is wrong with a script.
#[derive(Debug, Serialize)]
struct Analysis {
    errors: Vec<AnalysisError>,
}

#[derive(Debug, Serialize)]
struct AnalysisError {
    line: u32,
    column: u32,
    character: u32,
    message: String,
}

/// Checks a script: its text, its names, its types.
pub(in crate::routes) async fn analyze(
    Authenticated(_): Authenticated,
    JsonBody(body): JsonBody<ToolBody>,
) -> ApiResult<Response> {
    if let Some(kind) = body.kind.as_deref().filter(|kind| !matches!(*kind, "" | "flux")) {
        return Err(ApiError::invalid(format!("unknown query type: {kind}")));
    }
    if body.query.is_empty() {
        return Err(ApiError::invalid("request body requires a query"));
    }
    let error = |error: ScriptError| AnalysisError {
        line: error.line,
        column: error.column,
        character: 0,
        message: error.message,
    };
    let errors = query::flux::analyze(&body.query).map_err(QueryError::from)?;
    Ok(Json(Analysis { errors: errors.into_iter().map(error).collect() }).into_response())
}

/// A function for an editor.
#[derive(Debug, Serialize)]
struct Function {
    name: String,
    params: std::collections::BTreeMap<String, &'static str>,
}

impl From<Suggestion> for Function {
    fn from(suggestion: Suggestion) -> Self {
        Self { name: suggestion.name, params: suggestion.params }
    }
}

#[derive(Debug, Serialize)]
struct Functions {
    funcs: Vec<Function>,
}

/// All functions that every script has.
pub(in crate::routes) async fn suggestions(
    State(_): State<AppState>,
    Authenticated(_): Authenticated,
) -> ApiResult<Response> {
    let suggestions = query::flux::suggestions().map_err(QueryError::from)?;
    Ok(Json(Functions { funcs: suggestions.into_iter().map(Function::from).collect() }).into_response())
}

/// One of them.
pub(in crate::routes) async fn suggestion(
    Authenticated(_): Authenticated,
    Path(name): Path<String>,
) -> ApiResult<Response> {
    let suggestions = query::flux::suggestions().map_err(QueryError::from)?;
    let found = suggestions.into_iter().find(|suggestion| suggestion.name == name);
    let found = found.ok_or_else(|| ApiError::not_found(format!("could not find function \"{name}\"")))?;
    Ok(Json(Function::from(found)).into_response())
}

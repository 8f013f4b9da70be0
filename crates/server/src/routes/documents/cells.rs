//! `/api/v2/dashboards/{id}/cells`: the cells of a dashboard and what they show, which is kept as it came.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use catalog::{Action, Document};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::dashboards::{Cell, CellRequest, DashboardContent, Dashboards};
use super::{Documents as _, alone, content, document, draft};
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::extract::{JsonBody, path_id};
use crate::json::{Created, Json};
use crate::state::AppState;

/// The place of the cell of an id in the path.
fn place(content: &DashboardContent, id: &str) -> ApiResult<usize> {
    let id = format!("{:016x}", path_id::<catalog::DocumentId>(id)?.get());
    let found = content.cells.iter().position(|cell| cell.id == id);
    found.ok_or_else(|| ApiError::not_found("cell not found"))
}

/// Changes the content of a dashboard, and returns what `change` says with it.
async fn change<T: Send>(
    state: &AppState,
    found: &Document,
    change: impl FnOnce(&mut DashboardContent) -> ApiResult<T> + Send,
) -> ApiResult<T> {
    let mut answer = None;
    let update = |before: &Document| {
        let mut content: DashboardContent = content(before)?;
        answer = Some(change(&mut content)?);
        draft((before.name.clone(), content))
    };
    state.catalog().update_document(Dashboards::KIND, found.id, update).await?;
    answer.ok_or_else(|| ApiError::internal("a dashboard was changed without an answer"))
}

/// A place that [`place`] or `add` gave.
fn cell(content: &mut DashboardContent, place: usize) -> ApiResult<&mut Cell> {
    content.cells.get_mut(place).ok_or_else(|| ApiError::not_found("cell not found"))
}

/// `POST`: a new cell.
pub(in crate::routes) async fn create(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<CellRequest>,
) -> ApiResult<Created<Value>> {
    let found = document::<Dashboards>(&state, &principal, &id, Action::Write)?;
    let dashboard = found.id.to_string();
    let shown = change(&state, &found, |content| {
        let place = content.add(request)?;
        Ok(cell(content, place)?.show(&dashboard))
    });
    Ok(Created(shown.await?))
}

/// `PUT`: these cells in place of all.
pub(in crate::routes) async fn replace(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    JsonBody(requests): JsonBody<Vec<CellRequest>>,
) -> ApiResult<Response> {
    let found = document::<Dashboards>(&state, &principal, &id, Action::Write)?;
    change(&state, &found, |content| content.set_cells(requests)).await?;
    let after = state.catalog().find_document(Dashboards::KIND, found.id)?;
    Ok((StatusCode::CREATED, Json(alone::<Dashboards>(&state, &after)?)).into_response())
}

/// `PATCH …/{cell_id}`: what is not given stays.
pub(in crate::routes) async fn update(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, cell_id)): Path<(String, String)>,
    JsonBody(request): JsonBody<CellRequest>,
) -> ApiResult<Json<Value>> {
    let found = document::<Dashboards>(&state, &principal, &id, Action::Write)?;
    let dashboard = found.id.to_string();
    let shown = change(&state, &found, |content| {
        let place = place(content, &cell_id)?;
        let cell = cell(content, place)?;
        cell.change(request);
        Ok(cell.show(&dashboard))
    });
    Ok(Json(shown.await?))
}

/// `DELETE …/{cell_id}`
pub(in crate::routes) async fn remove(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, cell_id)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let found = document::<Dashboards>(&state, &principal, &id, Action::Write)?;
    change(&state, &found, |content| {
        let place = place(content, &cell_id)?;
        content.cells.remove(place);
        Ok(())
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The view of a cell.
fn view(dashboard: &str, cell: &Cell) -> Value {
    let own = format!("{}/{dashboard}/cells/{}", Dashboards::PATH, cell.id);
    json!({ "id": cell.id, "name": cell.name, "links": { "self": own }, "properties": cell.properties })
}

/// `GET …/{cell_id}/view`
pub(in crate::routes) async fn find_view(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, cell_id)): Path<(String, String)>,
) -> ApiResult<Json<Value>> {
    let found = document::<Dashboards>(&state, &principal, &id, Action::Read)?;
    let mut content: DashboardContent = content(&found)?;
    let place = place(&content, &cell_id)?;
    Ok(Json(view(&found.id.to_string(), cell(&mut content, place)?)))
}

#[derive(Debug, Deserialize)]
pub(in crate::routes) struct ViewRequest {
    name: Option<String>,
    properties: Option<Value>,
}

/// `PATCH …/{cell_id}/view`: what is not given stays.
pub(in crate::routes) async fn update_view(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path((id, cell_id)): Path<(String, String)>,
    JsonBody(request): JsonBody<ViewRequest>,
) -> ApiResult<Json<Value>> {
    let found = document::<Dashboards>(&state, &principal, &id, Action::Write)?;
    let dashboard = found.id.to_string();
    let shown = change(&state, &found, |content| {
        let place = place(content, &cell_id)?;
        let cell = cell(content, place)?;
        let ViewRequest { name, properties } = request;
        cell.change(CellRequest { name, properties, ..CellRequest::default() });
        Ok(view(&dashboard, cell))
    });
    Ok(Json(shown.await?))
}

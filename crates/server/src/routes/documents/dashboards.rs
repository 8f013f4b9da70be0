//! `/api/v2/dashboards`: dashboards. What a cell shows is kept as it came; only clients understand it.

use axum::extract::{Path, State};
use catalog::{Action, DocumentKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Documents, Shown, alone, content, document};
use crate::api_error::{ApiError, ApiResult};
use crate::auth::Authenticated;
use crate::json::Json;
use crate::limits::DASHBOARD_CELLS;
use crate::request::Parameters;
use crate::state::AppState;
use crate::times::rfc3339_nano;

/// Dashboards.
pub(in crate::routes) struct Dashboards;

#[derive(Debug, Deserialize)]
pub(in crate::routes) struct DashboardRequest {
    name: Option<String>,
    description: Option<String>,
    cells: Option<Vec<CellRequest>>,
}

/// A cell as a request gives it.
#[derive(Debug, Default, Deserialize)]
pub(in crate::routes) struct CellRequest {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) x: Option<i32>,
    pub(super) y: Option<i32>,
    pub(super) w: Option<i32>,
    pub(super) h: Option<i32>,
    pub(super) properties: Option<Value>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::routes) struct DashboardContent {
    pub(super) description: String,
    pub(super) cells: Vec<Cell>,
    /// The number of the next cell.
    #[serde(default)]
    pub(super) next_cell: u64,
}

/// A cell: where it stands, and what it shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::routes) struct Cell {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) w: i32,
    pub(super) h: i32,
    pub(super) properties: Value,
}

impl DashboardContent {
    /// Adds a cell and returns its place. Ids are numbers of their own in a dashboard, like all ids never used again.
    pub(super) fn add(&mut self, request: CellRequest) -> ApiResult<usize> {
        if self.cells.len() >= DASHBOARD_CELLS {
            return Err(ApiError::invalid(format!("a dashboard has {DASHBOARD_CELLS} cells at most")));
        }
        self.next_cell += 1;
        let properties = request.properties.filter(|given| !given.is_null());
        self.cells.push(Cell {
            id: format!("{:016x}", self.next_cell),
            name: request.name.unwrap_or_default(),
            x: request.x.unwrap_or_default(),
            y: request.y.unwrap_or_default(),
            w: request.w.unwrap_or_default(),
            h: request.h.unwrap_or_default(),
            properties: properties.unwrap_or_else(|| json!({ "shape": "empty" })),
        });
        Ok(self.cells.len() - 1)
    }

    /// Puts these cells in place of all. One with an id that is there keeps what it shows, unless the request says what
    /// it is to show.
    pub(super) fn set_cells(&mut self, requests: Vec<CellRequest>) -> ApiResult<()> {
        let before = std::mem::take(&mut self.cells);
        for request in requests {
            let known = before.iter().find(|cell| request.id.as_ref() == Some(&cell.id));
            let Some(known) = known else {
                self.add(request)?;
                continue;
            };
            let mut cell = known.clone();
            cell.change(request);
            self.cells.push(cell);
        }
        Ok(())
    }
}

impl Cell {
    /// What is not given stays.
    pub(super) fn change(&mut self, request: CellRequest) {
        self.x = request.x.unwrap_or(self.x);
        self.y = request.y.unwrap_or(self.y);
        self.w = request.w.unwrap_or(self.w);
        self.h = request.h.unwrap_or(self.h);
        if let Some(name) = request.name {
            self.name = name;
        }
        if let Some(properties) = request.properties.filter(|given| !given.is_null()) {
            self.properties = properties;
        }
    }

    /// The cell without what it shows.
    pub(super) fn show(&self, dashboard: &str) -> Value {
        let own = format!("{}/{dashboard}/cells/{}", Dashboards::PATH, self.id);
        let links = json!({ "self": own, "view": format!("{own}/view") });
        json!({ "id": self.id, "x": self.x, "y": self.y, "w": self.w, "h": self.h, "links": links })
    }
}

impl Documents for Dashboards {
    const KIND: DocumentKind = DocumentKind::Dashboard;
    const PATH: &'static str = "/api/v2/dashboards";
    const LIST: &'static str = "dashboards";
    type Request = DashboardRequest;
    type Content = DashboardContent;

    fn change(
        request: DashboardRequest,
        before: Option<(&str, DashboardContent)>,
    ) -> ApiResult<(String, DashboardContent)> {
        let (name, before) = before.unzip();
        let name = request.name.or(name.map(str::to_owned)).unwrap_or_default();
        let empty = DashboardContent { description: String::new(), cells: Vec::new(), next_cell: 0 };
        let mut content = before.unwrap_or(empty);
        if let Some(description) = request.description {
            content.description = description;
        }
        if let Some(cells) = request.cells {
            content.set_cells(cells)?;
        }
        Ok((name, content))
    }

    fn show(shown: &Shown<'_>, content: DashboardContent) -> Value {
        let document = shown.document;
        let id = document.id.to_string();
        let mut links = shown.links::<Self>(&["cells", "labels", "members", "owners"]);
        links.insert("org".to_owned(), shown.organisation_link().into());
        json!({
            "id": id,
            "orgID": document.organisation_id.to_string(),
            "name": document.name,
            "description": content.description,
            "meta": {
                "createdAt": rfc3339_nano(document.created_at_ns),
                "updatedAt": rfc3339_nano(document.updated_at_ns),
            },
            "cells": content.cells.iter().map(|cell| cell.show(&id)).collect::<Vec<_>>(),
            "labels": shown.labels(),
            "links": links,
        })
    }
}

/// `GET …/{id}`; with `include=properties` the cells have their names and what they show.
pub(in crate::routes) async fn find(
    State(state): State<AppState>,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
    parameters: Parameters,
) -> ApiResult<Json<Value>> {
    let found = document::<Dashboards>(&state, &principal, &id, Action::Read)?;
    let mut answer = alone::<Dashboards>(&state, &found)?;
    if parameters.get("include") == Some("properties")
        && let Some(shown) = answer["cells"].as_array_mut()
    {
        let content: DashboardContent = content(&found)?;
        for (cell, shown) in content.cells.into_iter().zip(shown) {
            shown["name"] = cell.name.into();
            shown["properties"] = cell.properties;
        }
    }
    Ok(Json(answer))
}

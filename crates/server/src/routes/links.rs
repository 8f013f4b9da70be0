//! `GET /api/v2`: where the resources are.

use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::json::Json;

/// The links that this server follows itself; InfluxDB's map has more.
pub(super) async fn links() -> Response {
    Json(json!({
        "authorizations": "/api/v2/authorizations",
        "buckets": "/api/v2/buckets",
        "checks": "/api/v2/checks",
        "dashboards": "/api/v2/dashboards",
        "delete": "/api/v2/delete",
        "flags": "/api/v2/flags",
        "labels": "/api/v2/labels",
        "me": "/api/v2/me",
        "notificationEndpoints": "/api/v2/notificationEndpoints",
        "notificationRules": "/api/v2/notificationRules",
        "orgs": "/api/v2/orgs",
        "query": {
            "analyze": "/api/v2/query/analyze",
            "ast": "/api/v2/query/ast",
            "self": "/api/v2/query",
            "sql": "/api/v3/query_sql",
            "suggestions": "/api/v2/query/suggestions",
        },
        "scrapers": "/api/v2/scrapers",
        "setup": "/api/v2/setup",
        "signin": "/api/v2/signin",
        "signout": "/api/v2/signout",
        "sources": "/api/v2/sources",
        "swagger": "/api/v2/swagger.json",
        "system": { "health": "/health", "metrics": "/metrics" },
        "tasks": "/api/v2/tasks",
        "telegrafs": "/api/v2/telegrafs",
        "users": "/api/v2/users",
        "variables": "/api/v2/variables",
        "write": "/api/v2/write",
    }))
    .into_response()
}

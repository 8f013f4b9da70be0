//! `GET /api/v2`: where the resources are.

use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::json::Json;

/// The links that this server follows itself; InfluxDB's map has more.
pub(super) async fn links() -> Response {
    Json(json!({
        "authorizations": "/api/v2/authorizations",
        "buckets": "/api/v2/buckets",
        "delete": "/api/v2/delete",
        "me": "/api/v2/me",
        "orgs": "/api/v2/orgs",
        "query": { "sql": "/api/v3/query_sql" },
        "setup": "/api/v2/setup",
        "signin": "/api/v2/signin",
        "signout": "/api/v2/signout",
        "system": { "health": "/health", "metrics": "/metrics" },
        "users": "/api/v2/users",
        "write": "/api/v2/write",
    }))
    .into_response()
}

//! The endpoints of InfluxDB 3 (wire-api section 4). A database is the bucket of its name, in the organisation of the
//! token unless `org` or `orgID` names another.

mod caches;
mod databases;
pub(crate) mod query;
mod tables;
mod tokens;
mod write;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use catalog::Principal;
use http::{Method, StatusCode};

use self::query::Caller;
use crate::api_error::{ApiResult, V3Error};
use crate::auth;
use crate::request::{Parameters, RequestError};
use crate::scope;
use crate::serve::PeerAddress;
use crate::state::AppState;

/// Routes behind [`authenticate`].
pub(super) fn protected_routes() -> Router<AppState> {
    Router::new()
        .route("/api/v3/write_lp", post(write::write))
        .route("/api/v3/query_sql", get(query::sql).post(query::sql))
        .route("/api/v3/query_influxql", get(query::influxql).post(query::influxql))
        .route(
            "/api/v3/configure/database",
            get(databases::list).post(databases::create).put(databases::update).delete(databases::remove),
        )
        .route(
            "/api/v3/configure/database/retention_period",
            post(databases::set_retention).delete(databases::clear_retention),
        )
        .route("/api/v3/configure/table", post(tables::create).delete(tables::remove))
        .route("/api/v3/configure/last_cache", post(caches::create_last).delete(caches::remove_last))
        .route("/api/v3/configure/distinct_cache", post(caches::create_distinct).delete(caches::remove_distinct))
        .route("/api/v3/configure/token", get(tokens::list).delete(tokens::remove))
        .route("/api/v3/configure/token/named_admin", post(tokens::create))
        .route("/api/v3/configure/token/admin/regenerate", post(tokens::regenerate))
}

/// The first token of all can be had without one.
pub(super) fn open_routes() -> Router<AppState> {
    Router::new().route("/api/v3/configure/token/admin", post(tokens::create_first))
}

/// Stands before the routes of InfluxDB 3: `Bearer`, `Token`, or Basic with a token as the password.
pub(super) async fn authenticate(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    // No route has this method, and whoever asks for the others need not be known.
    if request.method() == Method::OPTIONS {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let headers = request.headers();
    let principal = if auth::basic_credentials(headers).is_some() {
        let address = request.extensions().get::<PeerAddress>().map(|PeerAddress(address)| address.ip());
        auth::v1_principal(&state, headers, &Parameters::default(), address).await
    } else {
        auth::principal(&state, headers).await.map_err(Into::into)
    };
    match principal {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(error) => V3Error::from(error).into_response(),
    }
}

/// Whoever asks, and for which organisation: the one that is named, otherwise the caller's own.
fn caller(state: &AppState, principal: Principal, parameters: &Parameters) -> ApiResult<Caller> {
    let organisation = match scope::named_organisation(state, parameters)? {
        Some(named) => named,
        None => scope::own_organisation(state, &principal)?.ok_or(RequestError::MissingOrganisation)?,
    };
    Ok(Caller { principal, organisation })
}

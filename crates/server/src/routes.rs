//! The table of all routes: which path is served where, and which of them need a principal.
//!
//! A route is either in [`open_routes`], with the reason, or behind authentication. Every handler behind it names the
//! permission that it needs before it looks at anything else.

mod authorizations;
mod backup;
mod buckets;
mod compact;
mod dbrps;
mod deletes;
mod export;
mod flush;
mod flux;
mod health;
mod legacy;
mod links;
mod mappings;
mod me;
mod metrics;
mod orgs;
mod password;
mod prometheus;
mod setup;
mod signin;
mod stats;
mod users;
pub(crate) mod v1;
pub(crate) mod v3;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) use self::deletes::DeleteBodyError;

use crate::auth::authenticate;
use crate::flight;
use crate::middleware::{answer_panic, observe, path_not_found, strip_trailing_slashes, with_body_for_405};
use crate::state::AppState;

pub(crate) use self::buckets::{bucket_info, finish_drops};

/// Runs the jobs of the catalog until the returned future is dropped.
pub(crate) async fn run_jobs(state: AppState) {
    let runner = Arc::new(v1::continuous::JobRunner::new(state.clone()));
    state.jobs().run(runner).await;
}

impl AppState {
    /// Runs the jobs that are due by the server's clock, and returns how many there were.
    /// [`serve`](crate::serve()) does so by itself; this is for who sets the clock.
    pub async fn run_due_jobs(&self) -> usize {
        let runner: Arc<dyn jobs::Runner> = Arc::new(v1::continuous::JobRunner::new(self.clone()));
        self.jobs().run_due(&runner).await
    }
}

/// The whole server as one router.
pub fn app(state: AppState) -> Router {
    let routes = protected_routes()
        .route_layer(from_fn_with_state(state.clone(), authenticate))
        .merge(v3::protected_routes().route_layer(from_fn_with_state(state.clone(), v3::authenticate)))
        .merge(open_routes())
        .merge(prometheus::routes())
        .merge(v3::open_routes())
        .fallback(path_not_found)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(state.clone(), observe))
                .layer(CatchPanicLayer::custom(answer_panic)),
        )
        .with_state(state);
    // Slashes are stripped before the router looks at the path, so around the router and not inside it.
    let normalised =
        ServiceBuilder::new().map_request(strip_trailing_slashes).map_response(with_body_for_405).service(routes);
    Router::new().fallback_service(normalised)
}

/// Routes without a principal: what a client needs before it has one, what orchestrators and scrapers ask without one,
/// and those that look at credentials themselves (signin, passwords, write, the endpoints of 1.x, Flight).
fn open_routes() -> Router<AppState> {
    Router::new()
        .route("/health", get(health::health))
        .route("/api/v1/health", get(health::health_of_influxdb_3))
        .route("/ready", get(health::ready))
        .route("/ping", get(health::ping))
        .route("/metrics", get(metrics::metrics))
        .route("/api/v2", get(links::links))
        .route("/debug/vars", get(stats::debug_vars))
        .route("/api/v2/setup", get(setup::is_allowed).post(setup::onboard))
        .route("/api/v2/signin", post(signin::signin))
        .route("/api/v2/signout", post(signin::signout))
        .route("/api/v2/me/password", put(password::change_own))
        .route("/api/v2/users/{id}/password", put(password::change).merge(password::admin_route()))
        .route("/api/v2/write", post(write::write))
        .route("/write", post(v1::write::write))
        .route("/query", get(v1::query::query).post(v1::query::query))
        .route("/arrow.flight.protocol.FlightService/{method}", post(flight::call))
}

/// Routes behind authentication.
fn protected_routes() -> Router<AppState> {
    Router::new()
        .route("/api/v2/me", get(me::me))
        .route("/api/v2/orgs", get(orgs::list).post(orgs::create))
        .route("/api/v2/orgs/{id}", get(orgs::find).patch(orgs::update).delete(orgs::remove))
        .route("/api/v2/orgs/{id}/members", get(mappings::org_members).post(mappings::add_org_member))
        .route("/api/v2/orgs/{id}/members/{user_id}", delete(mappings::remove_org_member))
        .route("/api/v2/orgs/{id}/owners", get(mappings::org_owners).post(mappings::add_org_owner))
        .route("/api/v2/orgs/{id}/owners/{user_id}", delete(mappings::remove_org_owner))
        .route("/api/v2/buckets", get(buckets::list).post(buckets::create))
        .route("/api/v2/buckets/{id}", get(buckets::find).patch(buckets::update).delete(buckets::remove))
        .route("/api/v2/buckets/{id}/labels", get(buckets::labels))
        .route("/api/v2/buckets/{id}/members", get(mappings::bucket_members).post(mappings::add_bucket_member))
        .route("/api/v2/buckets/{id}/members/{user_id}", delete(mappings::remove_bucket_member))
        .route("/api/v2/buckets/{id}/owners", get(mappings::bucket_owners).post(mappings::add_bucket_owner))
        .route("/api/v2/buckets/{id}/owners/{user_id}", delete(mappings::remove_bucket_owner))
        .route("/api/v2/users", get(users::list).post(users::create))
        .route("/api/v2/users/{id}", get(users::find).patch(users::update).delete(users::remove))
        .route("/api/v2/authorizations", get(authorizations::list).post(authorizations::create))
        .route(
            "/api/v2/authorizations/{id}",
            get(authorizations::find).patch(authorizations::update).delete(authorizations::remove),
        )
        .route("/api/v2/dbrps", get(dbrps::list).post(dbrps::create))
        .route("/api/v2/dbrps/{id}", get(dbrps::find).patch(dbrps::update).delete(dbrps::remove))
        .route("/private/legacy/authorizations", get(legacy::list).post(legacy::create))
        .route("/private/legacy/authorizations/{id}", get(legacy::find).patch(legacy::update).delete(legacy::remove))
        .route("/private/legacy/authorizations/{id}/password", post(legacy::set_password))
        .route("/api/v2/delete", post(deletes::delete))
        .route("/api/v2/query", post(flux::query))
        .route("/api/v2/query/ast", post(flux::tools::syntax_tree))
        .route("/api/v2/query/analyze", post(flux::tools::analyze))
        .route("/api/v2/query/suggestions", get(flux::tools::suggestions))
        .route("/api/v2/query/suggestions/{name}", get(flux::tools::suggestion))
        .route("/api/freshet/v1/flush", post(flush::flush))
        .route("/api/freshet/v1/compact", post(compact::compact))
        .route("/api/freshet/v1/backup", post(backup::backup))
        .route("/api/freshet/v1/export", get(export::export))
}

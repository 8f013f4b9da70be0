//! The table of all routes: which path is served where, and which of them need a principal.
//!
//! A route is either in [`open_routes`], with the reason, or behind authentication. Every handler behind it names the
//! permission that it needs before it looks at anything else.

mod about;
mod authorizations;
mod backup;
mod buckets;
mod compact;
mod dbrps;
mod deletes;
mod describe;
mod documents;
mod export;
mod flush;
mod flux;
mod health;
mod labels;
mod legacy;
mod links;
mod mappings;
mod me;
mod metrics;
mod monitoring;
mod orgs;
mod password;
mod prometheus;
mod secrets;
mod setup;
mod signin;
mod stats;
mod tasks;
mod templates;
mod users;
pub(crate) mod v1;
pub(crate) mod v3;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) use self::deletes::DeleteBodyError;
pub(crate) use self::tasks::runner::TaskRuns;

use self::about::{Remotes, Replications};
use self::documents::dashboards::{self, Dashboards};
use self::documents::notebooks::Notebooks;
use self::documents::scrapers::Scrapers;
use self::documents::telegrafs::{self, Telegrafs};
use self::documents::variables::Variables;
use self::documents::{Documents, cells};
use self::labels::Labels;
use self::mappings::{Buckets, Mapped, Members, Orgs, Owners};
use self::monitoring::Monitored;
use self::monitoring::checks::Checks;
use self::monitoring::endpoints::Endpoints;
use self::monitoring::rules::Rules;
use self::tasks::{Tasks, runs};
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
        .route("/api/v2/swagger.json", get(describe::swagger))
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
        .route("/api/v2/buckets", get(buckets::list).post(buckets::create))
        .route("/api/v2/buckets/{id}", get(buckets::find).patch(buckets::update).delete(buckets::remove))
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
        .route("/api/v2/query/explain", post(flux::explain))
        .route("/api/v2/query/ast", post(flux::tools::syntax_tree))
        .route("/api/v2/query/analyze", post(flux::tools::analyze))
        .route("/api/v2/query/suggestions", get(flux::tools::suggestions))
        .route("/api/v2/query/suggestions/{name}", get(flux::tools::suggestion))
        .route("/api/freshet/v1/flush", post(flush::flush))
        .route("/api/freshet/v1/compact", post(compact::compact))
        .route("/api/freshet/v1/backup", post(backup::backup))
        .route("/api/freshet/v1/export", get(export::export))
        .merge(people::<Orgs>("/api/v2/orgs"))
        .merge(people::<Buckets>("/api/v2/buckets"))
        .merge(labelled::<Buckets>("/api/v2/buckets"))
        .merge(document_routes())
        .merge(task_routes())
        .merge(monitoring_routes())
        .merge(template_routes())
        .merge(other_resource_routes())
}

/// Documents, with what can be on them.
fn document_routes() -> Router<AppState> {
    Router::new()
        .route("/api/v2/labels", get(documents::list::<Labels>).post(documents::create::<Labels>))
        .route("/api/v2/labels/{id}", one::<Labels>())
        .route("/api/v2/variables", get(documents::list::<Variables>).post(documents::create::<Variables>))
        .route("/api/v2/variables/{id}", one::<Variables>().put(documents::replace::<Variables>))
        .merge(labelled::<Variables>("/api/v2/variables"))
        .route("/api/v2/dashboards", get(documents::list::<Dashboards>).post(documents::create::<Dashboards>))
        .route(
            "/api/v2/dashboards/{id}",
            get(dashboards::find).patch(documents::update::<Dashboards>).delete(documents::remove::<Dashboards>),
        )
        .route("/api/v2/dashboards/{id}/cells", post(cells::create).put(cells::replace))
        .route("/api/v2/dashboards/{id}/cells/{cell_id}", patch(cells::update).delete(cells::remove))
        .route("/api/v2/dashboards/{id}/cells/{cell_id}/view", get(cells::find_view).patch(cells::update_view))
        .merge(people::<Dashboards>("/api/v2/dashboards"))
        .merge(labelled::<Dashboards>("/api/v2/dashboards"))
        .route("/api/v2/telegrafs", get(documents::list::<Telegrafs>).post(documents::create::<Telegrafs>))
        .route(
            "/api/v2/telegrafs/{id}",
            get(telegrafs::find).put(documents::replace::<Telegrafs>).delete(documents::remove::<Telegrafs>),
        )
        .merge(people::<Telegrafs>("/api/v2/telegrafs"))
        .merge(labelled::<Telegrafs>("/api/v2/telegrafs"))
        .route("/api/v2/scrapers", get(documents::list::<Scrapers>).post(documents::create::<Scrapers>))
        .route("/api/v2/scrapers/{id}", one::<Scrapers>())
        .merge(people::<Scrapers>("/api/v2/scrapers"))
        .merge(labelled::<Scrapers>("/api/v2/scrapers"))
        .route("/api/v2private/notebooks", get(documents::list::<Notebooks>).post(documents::create::<Notebooks>))
        .route("/api/v2private/notebooks/{id}", one::<Notebooks>().put(documents::replace::<Notebooks>))
}

/// Tasks and their runs.
fn task_routes() -> Router<AppState> {
    Router::new()
        .route("/api/v2/tasks", get(tasks::list).post(tasks::create))
        .route("/api/v2/tasks/{id}", get(tasks::find).patch(tasks::update).delete(tasks::remove))
        .route("/api/v2/tasks/{id}/logs", get(runs::task_logs))
        .route("/api/v2/tasks/{id}/runs", get(runs::list).post(runs::force))
        .route("/api/v2/tasks/{id}/runs/{run_id}", get(runs::find).delete(runs::cancel))
        .route("/api/v2/tasks/{id}/runs/{run_id}/logs", get(runs::run_logs))
        .route("/api/v2/tasks/{id}/runs/{run_id}/retry", post(runs::retry))
        .merge(people::<Tasks>("/api/v2/tasks"))
        .merge(labelled::<Tasks>("/api/v2/tasks"))
}

/// Templates and stacks.
fn template_routes() -> Router<AppState> {
    Router::new()
        .route("/api/v2/templates/export", post(templates::export))
        .route("/api/v2/templates/apply", post(templates::apply))
        .route("/api/v2/stacks", get(templates::list).post(templates::create))
        .route("/api/v2/stacks/{id}", get(templates::find).patch(templates::update).delete(templates::remove))
        .route("/api/v2/stacks/{id}/uninstall", post(templates::uninstall))
}

/// Checks, notification endpoints and notification rules.
fn monitoring_routes() -> Router<AppState> {
    Router::new()
        .route("/api/v2/checks", get(documents::list::<Checks>).post(monitoring::create::<Checks>))
        .route("/api/v2/checks/{id}", monitored::<Checks>())
        .route("/api/v2/checks/{id}/query", get(monitoring::query::<Checks>))
        .merge(people::<Checks>("/api/v2/checks"))
        .merge(labelled::<Checks>("/api/v2/checks"))
        .route("/api/v2/notificationEndpoints", get(documents::list::<Endpoints>).post(monitoring::create::<Endpoints>))
        .route("/api/v2/notificationEndpoints/{id}", monitored::<Endpoints>())
        .merge(people::<Endpoints>("/api/v2/notificationEndpoints"))
        .merge(labelled::<Endpoints>("/api/v2/notificationEndpoints"))
        .route("/api/v2/notificationRules", get(documents::list::<Rules>).post(monitoring::create::<Rules>))
        .route("/api/v2/notificationRules/{id}", monitored::<Rules>())
        .route("/api/v2/notificationRules/{id}/query", get(monitoring::query::<Rules>))
        .merge(people::<Rules>("/api/v2/notificationRules"))
        .merge(labelled::<Rules>("/api/v2/notificationRules"))
}

/// Secrets, what clients ask about the server, and what it does not do.
fn other_resource_routes() -> Router<AppState> {
    Router::new()
        .route("/api/v2/orgs/{id}/secrets", get(secrets::list).patch(secrets::store))
        .route("/api/v2/orgs/{id}/secrets/{key}", post(secrets::remove_several).delete(secrets::remove))
        .route("/api/v2/resources", get(about::resources))
        .route("/api/v2/flags", get(about::flags))
        .route("/api/v2/config", get(about::config))
        .route("/api/v2/sources", get(about::sources).post(about::create_source))
        .route("/api/v2/sources/{id}", get(about::find_source))
        .route("/api/v2/sources/{id}/health", get(about::source_health))
        .route("/api/v2/remotes", get(about::none_of::<Remotes>).post(about::refuse::<Remotes>))
        .route("/api/v2/remotes/{id}", get(about::not_there::<Remotes>))
        .route("/api/v2/replications", get(about::none_of::<Replications>).post(about::refuse::<Replications>))
        .route("/api/v2/replications/{id}", get(about::not_there::<Replications>))
}

/// `GET`, `PATCH` and `DELETE` of one document.
fn one<D: Documents>() -> MethodRouter<AppState> {
    get(documents::find::<D>).patch(documents::update::<D>).delete(documents::remove::<D>)
}

/// `GET`, `PATCH`, `PUT` and `DELETE` of a check, notification endpoint or notification rule.
fn monitored<D: Monitored>() -> MethodRouter<AppState> {
    get(documents::find::<D>)
        .patch(monitoring::update::<D>)
        .put(monitoring::replace::<D>)
        .delete(monitoring::remove::<D>)
}

/// The members and owners of the resources of a path.
fn people<R: Mapped>(path: &str) -> Router<AppState> {
    Router::new()
        .route(&format!("{path}/{{id}}/members"), get(mappings::list::<R, Members>).post(mappings::add::<R, Members>))
        .route(&format!("{path}/{{id}}/members/{{user_id}}"), delete(mappings::remove::<R, Members>))
        .route(&format!("{path}/{{id}}/owners"), get(mappings::list::<R, Owners>).post(mappings::add::<R, Owners>))
        .route(&format!("{path}/{{id}}/owners/{{user_id}}"), delete(mappings::remove::<R, Owners>))
}

/// The labels on the resources of a path.
fn labelled<R: Mapped>(path: &str) -> Router<AppState> {
    Router::new()
        .route(&format!("{path}/{{id}}/labels"), get(labels::list_on::<R>).post(labels::put_on::<R>))
        .route(&format!("{path}/{{id}}/labels/{{label_id}}"), delete(labels::take_off::<R>))
}

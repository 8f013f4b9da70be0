//! `/health`, `/ready` and `/ping`: whether the server lives and can do its work. Nobody needs a token for them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use storage::Health as EngineHealth;

use crate::json::Json;
use crate::middleware::API_VERSION;
use crate::request::Parameters;
use crate::state::AppState;
use crate::times::{go_duration, rfc3339_nano};

#[derive(Serialize)]
struct Health<'a> {
    name: &'static str,
    message: String,
    status: &'static str,
    checks: Vec<Check>,
    version: &'static str,
    commit: &'a str,
}

/// One part that is not well.
#[derive(Serialize)]
struct Check {
    name: &'static str,
    status: &'static str,
    message: String,
}

/// `GET /health`: 200 and `pass`, or 503 and `fail` with what is wrong. A server that still replays its log is well.
/// Nobody has to show a token here, so the answer names neither measurements nor paths; those stand in the log.
pub(super) async fn health(State(state): State<AppState>) -> Response {
    let mut checks = failing_checks(&state);
    let (status_code, status, message) = match checks.first() {
        None => (StatusCode::OK, "pass", "ready for queries and writes".to_owned()),
        Some(check) => (StatusCode::SERVICE_UNAVAILABLE, "fail", check.message.clone()),
    };
    checks.extend(clock_note(&state));
    let body = Health { name: "influxdb", message, status, checks, version: API_VERSION, commit: state.commit() };
    (status_code, Json(body)).into_response()
}

/// `GET /api/v1/health`, as InfluxDB 3 answers it: `OK`, or 503 with what is wrong.
pub(super) async fn health_of_influxdb_3(State(state): State<AppState>) -> Response {
    match failing_checks(&state).into_iter().next() {
        None => "OK".into_response(),
        Some(check) => (StatusCode::SERVICE_UNAVAILABLE, check.message).into_response(),
    }
}

fn failing_checks(state: &AppState) -> Vec<Check> {
    let fail = |name, message: String| Check { name, status: "fail", message };
    let status = state.engine().status();
    let wal = match &status.health {
        EngineHealth::Running | EngineHealth::Replaying => None,
        EngineHealth::Poisoned(_) => Some("the write-ahead log failed; writes are refused until a restart"),
        EngineHealth::OutOfSpace => Some("no space left on the device of the write-ahead log"),
    };
    let wal = wal.map(|message| fail("write-ahead log", message.to_owned()));
    let flush = match status.failing_tables.len() {
        0 => None,
        count => Some(fail("flush", format!("the last flush of {count} measurements failed; the log says why"))),
    };
    let store = status
        .failing_store
        .is_some()
        .then(|| fail("object store", "the last request to the object store failed; the log says why".to_owned()));
    wal.into_iter().chain(flush).chain(store).collect()
}

/// What an operator should know though nothing fails.
fn clock_note(state: &AppState) -> Option<Check> {
    let waits = state.engine().metrics().compaction.deletion_waits;
    waits.then(|| Check {
        name: "clock",
        status: "pass",
        message: "the clock has gone forward by more than a day; nothing is deleted for an hour of running".to_owned(),
    })
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    started: String,
    up: String,
}

/// `GET /ready`: since when the server answers.
pub(super) async fn ready(State(state): State<AppState>) -> Response {
    let started = rfc3339_nano(state.started_at_ns());
    Json(Ready { status: "ready", started, up: go_duration(state.up()) }).into_response()
}

/// `GET` and `HEAD /ping`: 204; what clients look for are the headers that every answer has. With `verbose` it is 200
/// and the version, as in InfluxDB 1.x.
pub(super) async fn ping(parameters: Parameters) -> Response {
    match parameters.get("verbose") {
        None | Some("0" | "false") => StatusCode::NO_CONTENT.into_response(),
        Some(_) => Json(Version { version: API_VERSION }).into_response(),
    }
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
}

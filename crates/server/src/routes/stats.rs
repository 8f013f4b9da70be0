//! The server's counters in the shapes of InfluxDB 1.x: modules with names, for `SHOW STATS`, `SHOW DIAGNOSTICS` and
//! `/debug/vars`. What is not counted here is left out; nothing is made up.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, json};

use crate::json::Json;
use crate::middleware::API_VERSION;
use crate::routes::metrics::resident_memory_bytes;
use crate::state::AppState;
use crate::times::{go_duration, rfc3339_nano};
use axum::response::IntoResponse as _;

/// A value of a module.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Number {
    Integer(i64),
    Text(String),
}

/// What one part of the server says of itself.
#[derive(Debug, Serialize)]
pub(super) struct Module {
    pub(super) name: &'static str,
    pub(super) tags: BTreeMap<&'static str, String>,
    #[serde(serialize_with = "as_map")]
    pub(super) values: Vec<(&'static str, Number)>,
}

fn as_map<S: serde::Serializer>(values: &[(&'static str, Number)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(name, value)| (name, value)))
}

fn module(name: &'static str, values: Vec<(&'static str, u64)>) -> Module {
    let number = |value: u64| Number::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let values = values.into_iter().map(|(name, value)| (name, number(value))).collect();
    Module { name, tags: BTreeMap::new(), values }
}

fn texts(name: &'static str, values: Vec<(&'static str, String)>) -> Module {
    let values = values.into_iter().map(|(name, value)| (name, Number::Text(value))).collect();
    Module { name, tags: BTreeMap::new(), values }
}

/// The counters.
pub(super) fn modules(state: &AppState) -> Vec<Module> {
    let engine = state.engine().metrics();
    let running = state.running().counts();
    let duration_ns = u64::try_from(running.finished_time.as_nanos()).unwrap_or(u64::MAX);
    let counts = state.catalog().counts();
    vec![
        module("runtime", vec![("Sys", resident_memory_bytes().unwrap_or_default())]),
        module(
            "queryExecutor",
            vec![
                ("queriesActive", running.active),
                ("queriesExecuted", running.started),
                ("queriesFinished", running.finished),
                ("queryDurationNs", duration_ns),
            ],
        ),
        module(
            "write",
            vec![
                ("pointReq", engine.points_written.saturating_add(engine.points_dropped)),
                ("writeDrop", engine.points_dropped),
                ("writeError", engine.writes_failed),
            ],
        ),
        module(
            "httpd",
            vec![
                ("pointsWrittenOK", engine.points_written),
                ("pointsWrittenDropped", engine.points_dropped),
                ("writeReqBytes", engine.bytes_received),
            ],
        ),
        module(
            "storage",
            vec![
                ("numMeasurements", engine.tables),
                ("numFiles", engine.files),
                ("diskBytes", engine.file_bytes),
                ("bufferedBytes", engine.unflushed_bytes),
                ("numBuckets", counts.buckets as u64),
            ],
        ),
    ]
}

/// What the server is, rather than what it does.
pub(super) fn diagnostics(state: &AppState) -> Vec<Module> {
    vec![
        texts("build", vec![("Commit", state.commit().to_owned()), ("Version", API_VERSION.to_owned())]),
        texts(
            "runtime",
            vec![("GOARCH", std::env::consts::ARCH.to_owned()), ("GOOS", std::env::consts::OS.to_owned())],
        ),
        texts(
            "system",
            vec![
                ("currentTime", rfc3339_nano(state.now_ns())),
                ("started", rfc3339_nano(state.started_at_ns())),
                ("uptime", go_duration(state.up())),
            ],
        ),
    ]
}

/// `GET /debug/vars`: the counters as InfluxDB 1.x exports them. As with `/metrics` no token is needed, and nothing
/// names a user's data.
pub(super) async fn debug_vars(State(state): State<AppState>) -> Response {
    let mut vars = Map::new();
    let (now, started) = (rfc3339_nano(state.now_ns()), rfc3339_nano(state.started_at_ns()));
    vars.insert("system".to_owned(), json!({ "currentTime": now, "started": started, "uptime": state.up().as_secs() }));
    // Of the process's arguments its name only: they may hold secrets.
    vars.insert("cmdline".to_owned(), json!(["freshet"]));
    let resident = resident_memory_bytes().unwrap_or_default();
    vars.insert("memstats".to_owned(), json!({ "Alloc": resident, "Sys": resident }));
    for module in modules(&state) {
        vars.insert(module.name.to_owned(), json!(module));
    }
    Json(vars).into_response()
}

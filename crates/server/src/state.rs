//! What all handlers share: the catalog, the engines, and the server's own bounded helpers. Cheap to clone.

use std::sync::Arc;

use catalog::{Catalog, Clock, SecretKey};
use jobs::Scheduler;
use query::QueryEngine;
use storage::Engine;
use tokio::time::Instant;

use crate::body::BodyReader;
use crate::budget::{ByteBudget, CpuPool};
use crate::format::Formatter;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::outgoing::Outgoing;
use crate::routes::TaskRuns;
use crate::running::RunningQueries;
use crate::throttle::SigninThrottle;

/// The name of this server among those that run the jobs of a catalog. A catalog is opened by one process at a time, so
/// there is no other.
const JOB_HOLDER: &str = "server";

/// How a request says which organisation it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// As InfluxDB OSS: `org` or `orgID` is required.
    #[default]
    Oss,
    /// As InfluxDB Cloud: the token's organisation is meant where none is named.
    Cloud,
}

/// What the server is told at its start.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// How requests name organisations.
    pub mode: Mode,
    /// The limits.
    pub limits: Limits,
    /// Where the time of day comes from.
    pub clock: Arc<dyn Clock>,
    /// The commit that the binary was built from, for /health and /metrics.
    pub commit: String,
    /// Whether a write of 1.x to a database that is not there makes it.
    pub auto_create_buckets: bool,
    /// What the secrets of organisations are encrypted with.
    pub secret_key: SecretKey,
    /// The settings that `/api/v2/config` shows to operators, by name; nothing secret is among them.
    pub settings: Vec<(String, String)>,
}

/// The state of one server.
#[derive(Debug, Clone)]
pub struct AppState {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    engine: Engine,
    query: QueryEngine,
    options: ServerOptions,
    bodies: BodyReader,
    body_budget: ByteBudget,
    formatter: Formatter,
    metrics: Metrics,
    throttle: SigninThrottle,
    running: RunningQueries,
    jobs: Scheduler,
    task_runs: TaskRuns,
    outgoing: Outgoing,
    started: Instant,
    started_at_ns: i64,
}

impl AppState {
    /// The state of a server over these.
    #[must_use]
    pub fn new(catalog: Catalog, engine: Engine, query: QueryEngine, options: ServerOptions) -> Self {
        let limits = &options.limits;
        let cpu = CpuPool::new(limits.cpu_tasks);
        let body_budget = ByteBudget::new(limits.bodies_in_flight_bytes);
        let inner = Inner {
            bodies: BodyReader::new(limits, body_budget.clone(), cpu.clone()),
            body_budget,
            formatter: Formatter { cpu, pretty_limit_bytes: limits.pretty_bytes },
            metrics: Metrics::default(),
            throttle: SigninThrottle::new(limits),
            running: RunningQueries::default(),
            jobs: Scheduler::new(catalog.clone(), Arc::clone(&options.clock), JOB_HOLDER),
            task_runs: TaskRuns::default(),
            outgoing: Outgoing::default(),
            started: Instant::now(),
            started_at_ns: options.clock.now_ns(),
            catalog,
            engine,
            query,
            options,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The resources.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// The points.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The languages.
    pub(crate) fn query(&self) -> &QueryEngine {
        &self.inner.query
    }

    pub(crate) fn mode(&self) -> Mode {
        self.inner.options.mode
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.options.limits
    }

    pub(crate) fn commit(&self) -> &str {
        &self.inner.options.commit
    }

    pub(crate) fn bodies(&self) -> &BodyReader {
        &self.inner.bodies
    }

    /// Bytes of bodies in flight.
    pub(crate) fn body_bytes(&self) -> u64 {
        self.inner.body_budget.used_bytes()
    }

    pub(crate) fn formatter(&self) -> &Formatter {
        &self.inner.formatter
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn throttle(&self) -> &SigninThrottle {
        &self.inner.throttle
    }

    pub(crate) fn running(&self) -> &RunningQueries {
        &self.inner.running
    }

    pub(crate) fn jobs(&self) -> &Scheduler {
        &self.inner.jobs
    }

    /// The runs of tasks that are under way.
    pub(crate) fn task_runs(&self) -> &TaskRuns {
        &self.inner.task_runs
    }

    /// The door to other servers.
    pub(crate) fn outgoing(&self) -> &Outgoing {
        &self.inner.outgoing
    }

    pub(crate) fn auto_create_buckets(&self) -> bool {
        self.inner.options.auto_create_buckets
    }

    /// What the secrets of organisations are encrypted with.
    pub(crate) fn secret_key(&self) -> &SecretKey {
        &self.inner.options.secret_key
    }

    /// The settings that operators may see.
    pub(crate) fn settings(&self) -> &[(String, String)] {
        &self.inner.options.settings
    }

    /// The time of day, in nanoseconds since the epoch.
    pub(crate) fn now_ns(&self) -> i64 {
        self.inner.options.clock.now_ns()
    }

    /// How long the server has been running.
    pub(crate) fn up(&self) -> std::time::Duration {
        self.inner.started.elapsed()
    }

    /// When it was started, in nanoseconds since the epoch.
    pub(crate) fn started_at_ns(&self) -> i64 {
        self.inner.started_at_ns
    }
}

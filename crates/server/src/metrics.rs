//! Counters of the server and their text for Prometheus.
//!
//! A small registry of our own: a few counters by labels whose values are bounded, plain numbers for the rest. What
//! other crates count is read when somebody asks and written by `routes/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use parking_lot::Mutex;

use crate::limits::{METRIC_SERIES, METRIC_USER_AGENTS};

/// Upper bounds of the buckets of durations, in seconds: Prometheus' defaults and two below, since a write is quick.
const DURATION_BOUNDS_S: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A histogram of durations.
#[derive(Debug, Clone, Default)]
struct DurationHistogram {
    counts: [u64; DURATION_BOUNDS_S.len()],
    count: u64,
    sum_s: f64,
}

impl DurationHistogram {
    fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        self.count += 1;
        self.sum_s += seconds;
        let slots = self.counts.iter_mut().zip(DURATION_BOUNDS_S);
        if let Some((slot, _)) = slots.into_iter().find(|(_, bound)| seconds <= *bound) {
            *slot += 1;
        }
    }
}

/// The labels of InfluxDB's `http_api_requests_total`. Every value comes from a bounded set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RequestLabels {
    method: &'static str,
    path: String,
    status: u16,
    user_agent: String,
}

#[derive(Debug, Default)]
struct RequestSeries {
    durations: DurationHistogram,
}

/// What was transferred by writes or queries of one organisation with one status.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TransferLabels {
    kind: TransferKind,
    organisation: String,
    status: u16,
}

#[derive(Debug, Default)]
struct TransferSeries {
    count: u64,
    request_bytes: u64,
}

/// What a request moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TransferKind {
    /// Points into the server.
    Write,
    /// Rows out of it.
    Query,
}

impl TransferKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Write => "http_write_request",
            Self::Query => "http_query_request",
        }
    }
}

#[derive(Debug, Default)]
struct Tables {
    requests: BTreeMap<RequestLabels, RequestSeries>,
    transfers: BTreeMap<TransferLabels, TransferSeries>,
    user_agents: Vec<String>,
    signin_failures: u64,
}

/// Counts one more as long as it lives, also when what it counts is dropped in the middle.
#[derive(Debug)]
pub(crate) struct Gauge(Arc<AtomicU64>);

impl Gauge {
    fn one_more(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The counters of one server.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    tables: Mutex<Tables>,
    in_flight: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
}

impl Metrics {
    /// A request begins; it is in flight until the result is dropped.
    pub(crate) fn request_started(&self) -> Gauge {
        Gauge::one_more(&self.in_flight)
    }

    /// A request was answered. `route` is the pattern that matched, such as `/api/v2/buckets/{id}`.
    pub(crate) fn request_finished(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        user_agent: Option<&str>,
        duration: Duration,
    ) {
        let path = route.map_or_else(|| "unknown".to_owned(), path_label);
        let mut tables = self.tables.lock();
        let user_agent = tables.user_agent_label(user_agent);
        let mut labels = RequestLabels { method: method_label(method), path, status: status.as_u16(), user_agent };
        if tables.requests.len() >= METRIC_SERIES && !tables.requests.contains_key(&labels) {
            labels.user_agent = "other".to_owned();
        }
        tables.requests.entry(labels).or_default().durations.observe(duration);
    }

    /// A write or a query of an organisation was answered.
    pub(crate) fn transferred(&self, kind: TransferKind, organisation: String, status: StatusCode, request_bytes: u64) {
        let labels = TransferLabels { kind, organisation, status: status.as_u16() };
        let mut tables = self.tables.lock();
        if tables.transfers.len() >= METRIC_SERIES && !tables.transfers.contains_key(&labels) {
            return;
        }
        let series = tables.transfers.entry(labels).or_default();
        series.count += 1;
        series.request_bytes += request_bytes;
    }

    /// A connection was accepted; it is open until the result is dropped.
    pub(crate) fn connection_opened(&self) -> Gauge {
        Gauge::one_more(&self.connections)
    }

    /// Somebody failed to sign in.
    pub(crate) fn signin_failed(&self) {
        self.tables.lock().signin_failures += 1;
    }

    /// Writes all counters.
    pub(crate) fn write_text(&self, text: &mut MetricsText) {
        let tables = self.tables.lock();
        write_requests(&tables, text);
        write_transfers(&tables, text);
        text.gauge("http_api_requests_in_flight", "Requests being answered.", self.in_flight.load(Ordering::Relaxed));
        text.gauge("http_connections", "Open connections.", self.connections.load(Ordering::Relaxed));
        text.counter("http_signin_failures_total", "Signins that were refused.", tables.signin_failures);
    }
}

fn write_requests(tables: &Tables, text: &mut MetricsText) {
    text.describe("http_api_requests_total", "counter", "Number of http requests received");
    for (labels, series) in &tables.requests {
        text.sample("http_api_requests_total", &labels.pairs(), series.durations.count);
    }
    let name = "http_api_request_duration_seconds";
    text.describe(name, "histogram", "Time taken to respond to HTTP request");
    for (labels, series) in &tables.requests {
        let pairs = labels.pairs();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let durations = &series.durations;
        text.histogram_series(name, &pairs, &DURATION_BOUNDS_S, &durations.counts, durations.count, durations.sum_s);
    }
}

fn write_transfers(tables: &Tables, text: &mut MetricsText) {
    for kind in [TransferKind::Write, TransferKind::Query] {
        let of_kind = || tables.transfers.iter().filter(move |(labels, _)| labels.kind == kind);
        let count = format!("{}_count", kind.prefix());
        text.describe(&count, "counter", "Number of requests");
        of_kind().for_each(|(labels, series)| text.sample(&count, &labels.pairs(), series.count));
        let bytes = format!("{}_bytes", kind.prefix());
        text.describe(&bytes, "counter", "Bytes of request bodies");
        of_kind().for_each(|(labels, series)| text.sample(&bytes, &labels.pairs(), series.request_bytes));
    }
}

impl RequestLabels {
    fn pairs(&self) -> [(&'static str, String); 6] {
        [
            ("handler", "platform".to_owned()),
            ("method", self.method.to_owned()),
            ("path", self.path.clone()),
            ("response_code", self.status.to_string()),
            ("status", format!("{}XX", self.status / 100)),
            ("user_agent", self.user_agent.clone()),
        ]
    }
}

impl TransferLabels {
    fn pairs(&self) -> [(&'static str, String); 2] {
        [("org_id", self.organisation.clone()), ("status", self.status.to_string())]
    }
}

impl Tables {
    /// The product of a user agent, without version; `other` for new ones once there are many.
    fn user_agent_label(&mut self, user_agent: Option<&str>) -> String {
        let Some(agent) = user_agent.filter(|agent| !agent.is_empty()) else {
            return "unknown".to_owned();
        };
        let product: String = agent.chars().take_while(|c| !matches!(c, '/' | ' ')).take(40).collect();
        if !self.user_agents.contains(&product) {
            if self.user_agents.len() >= METRIC_USER_AGENTS {
                return "other".to_owned();
            }
            self.user_agents.push(product.clone());
        }
        product
    }
}

/// `/api/v2/buckets/{id}` as InfluxDB's label: `/api/v2/buckets/:id`.
fn path_label(route: &str) -> String {
    route.replace('{', ":").replace('}', "")
}

/// The method, if it is one of HTTP's own; a client could send any word.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Builds Prometheus' text format 0.0.4.
#[derive(Debug, Default)]
pub(crate) struct MetricsText {
    text: String,
}

impl MetricsText {
    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    /// Begins a family; its samples follow.
    pub(crate) fn describe(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail, here and below.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A family of one number that only grows.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.describe(name, "counter", help);
        let _ = writeln!(self.text, "{name} {value}");
    }

    /// A family of one number.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: impl std::fmt::Display) {
        self.describe(name, "gauge", help);
        let _ = writeln!(self.text, "{name} {value}");
    }

    /// One sample with labels.
    pub(crate) fn sample(
        &mut self,
        name: &str,
        labels: &[(impl AsRef<str>, impl AsRef<str>)],
        value: impl std::fmt::Display,
    ) {
        self.text.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.text, " {value}");
    }

    /// The samples of one histogram; `counts` are those of each bucket alone, without the one above all bounds.
    pub(crate) fn histogram_series(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        bounds: &[f64],
        counts: &[u64],
        count: u64,
        sum: f64,
    ) {
        let mut cumulative = 0;
        for (bound, in_bucket) in bounds.iter().zip(counts) {
            cumulative += in_bucket;
            let _ = write!(self.text, "{name}_bucket");
            self.labels(labels, Some(&bound.to_string()));
            let _ = writeln!(self.text, " {cumulative}");
        }
        let _ = write!(self.text, "{name}_bucket");
        self.labels(labels, Some("+Inf"));
        let _ = writeln!(self.text, " {count}");
        let _ = write!(self.text, "{name}_sum");
        self.labels(labels, None);
        let _ = writeln!(self.text, " {sum}");
        let _ = write!(self.text, "{name}_count");
        self.labels(labels, None);
        let _ = writeln!(self.text, " {count}");
    }

    fn labels(&mut self, labels: &[(impl AsRef<str>, impl AsRef<str>)], bound: Option<&str>) {
        let pairs = labels.iter().map(|(key, value)| (key.as_ref(), value.as_ref()));
        let mut separator = '{';
        for (key, value) in pairs.chain(bound.map(|bound| ("le", bound))) {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.text, "{separator}{key}=\"{value}\"");
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(metrics: &Metrics) -> String {
        let mut text = MetricsText::default();
        metrics.write_text(&mut text);
        text.finish()
    }

    #[test]
    fn requests_are_counted_by_route_and_product() {
        let metrics = Metrics::default();
        for (agent, millis) in [("Telegraf/1.30 Go/1.22", 3), ("Telegraf/1.31", 700)] {
            let _in_flight = metrics.request_started();
            let route = Some("/api/v2/buckets/{id}");
            let duration = Duration::from_millis(millis);
            metrics.request_finished(&Method::GET, route, StatusCode::OK, Some(agent), duration);
        }
        let text = text(&metrics);
        let labels = concat!(
            r#"handler="platform",method="GET",path="/api/v2/buckets/:id","#,
            r#"response_code="200",status="2XX",user_agent="Telegraf""#
        );
        for line in [
            format!("http_api_requests_total{{{labels}}} 2"),
            format!("http_api_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 1"),
            format!("http_api_request_duration_seconds_bucket{{{labels},le=\"1\"}} 2"),
            format!("http_api_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 2"),
            "http_api_requests_in_flight 0".to_owned(),
        ] {
            assert!(text.lines().any(|candidate| candidate == line), "{line}\n{text}");
        }
    }

    #[test]
    fn clients_cannot_grow_the_tables() {
        let metrics = Metrics::default();
        for number in 0..1000 {
            let agent = format!("agent{number}/1");
            let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap_or_default();
            metrics.request_finished(&method, None, StatusCode::NOT_FOUND, Some(&agent), Duration::ZERO);
        }
        assert_eq!(metrics.tables.lock().requests.len(), METRIC_USER_AGENTS + 1);
    }

    #[test]
    fn label_values_are_escaped() {
        let mut text = MetricsText::default();
        text.sample("m", &[("a", "x\"y\\z\n")], 1);
        assert_eq!(text.finish(), "m{a=\"x\\\"y\\\\z\\n\"} 1\n");
    }
}

//! `GET /metrics`: what the server, the catalog and the engines count, in Prometheus' text format.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use catalog::DocumentKind;
use http::header;
use query::QueryMetrics;
use storage::EngineMetrics;
use storage::compact::plan::Reason;
use storage::store::retry::{StoreMetrics, StoreOperation};
use storage::wal::{SYNC_BOUNDS_US, SyncTimes};

use crate::metrics::MetricsText;
use crate::middleware::API_VERSION;
use crate::state::AppState;

/// No token is needed, as in InfluxDB: nothing here names a user's data beyond ids of organisations.
pub(super) async fn metrics(State(state): State<AppState>) -> Response {
    let mut text = MetricsText::default();
    write_server(&state, &mut text);
    state.metrics().write_text(&mut text);
    write_engine(&state.engine().metrics(), &mut text);
    write_compaction(&state.engine().metrics(), &mut text);
    write_wal(&state.engine().metrics(), &mut text);
    if let Some(store) = &state.engine().metrics().store {
        write_store(store, &mut text);
    }
    write_queries(&state.query().metrics(), &mut text);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.finish()).into_response()
}

fn write_server(state: &AppState, text: &mut MetricsText) {
    text.describe("influxdb_info", "gauge", "Information about the server.");
    let labels = [
        ("version", API_VERSION),
        ("commit", state.commit()),
        ("os", std::env::consts::OS),
        ("arch", std::env::consts::ARCH),
    ];
    text.sample("influxdb_info", &labels, 1);
    text.gauge("influxdb_uptime_seconds", "Seconds since the start.", state.up().as_secs_f64());
    let counts = state.catalog().counts();
    text.gauge("influxdb_organizations_total", "Number of total organizations on the server", counts.organisations);
    text.gauge("influxdb_buckets_total", "Number of total buckets on the server", counts.buckets);
    text.gauge("influxdb_users_total", "Number of total users on the server", counts.users);
    text.gauge("influxdb_tokens_total", "Number of total tokens on the server", counts.tokens);
    for (name, help, kind) in [
        ("influxdb_dashboards_total", "Number of total dashboards on the server", DocumentKind::Dashboard),
        ("influxdb_scrapers_total", "Number of total scrapers on the server", DocumentKind::Scraper),
        ("influxdb_telegrafs_total", "Number of total telegraf configurations on the server", DocumentKind::Telegraf),
    ] {
        text.gauge(name, help, state.catalog().count_documents(kind));
    }
    text.gauge("freshet_body_bytes", "Bytes of request bodies in flight.", state.body_bytes());
    if let Some(bytes) = resident_memory_bytes() {
        text.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", bytes);
    }
}

fn write_engine(metrics: &EngineMetrics, text: &mut MetricsText) {
    let mut counter = |name: &str, help: &str, value: u64| text.counter(name, help, value);
    counter("freshet_write_points_total", "Points that were stored.", metrics.points_written);
    counter("freshet_write_points_dropped_total", "Points refused in partial writes.", metrics.points_dropped);
    counter("freshet_write_failed_total", "Write requests that stored nothing.", metrics.writes_failed);
    counter("freshet_write_bytes_total", "Bytes of line protocol.", metrics.bytes_received);
    counter("freshet_flushes_total", "Flushes that committed something.", metrics.flushes);
    counter("freshet_flushed_rows_total", "Rows written by flushes.", metrics.flushed_rows);
    counter("freshet_flushed_bytes_total", "Bytes of Parquet written by flushes.", metrics.flushed_bytes);
    let mut gauge = |name: &str, help: &str, value: u64| text.gauge(name, help, value);
    gauge("freshet_buffer_bytes", "Bytes of rows that are in no committed file.", metrics.unflushed_bytes);
    gauge("freshet_tables", "Measurements of all buckets.", metrics.tables);
    gauge("freshet_files", "Live Parquet files.", metrics.files);
    gauge("freshet_file_bytes", "Their bytes.", metrics.file_bytes);
    gauge("freshet_file_rows", "Their rows.", metrics.file_rows);
    gauge("freshet_pending_deletes", "Deletes that are not applied to all files yet.", metrics.pending_deletes);
    gauge("freshet_failing_tables", "Tables whose last flush failed.", metrics.failing_tables);
}

fn write_compaction(metrics: &EngineMetrics, text: &mut MetricsText) {
    let compaction = &metrics.compaction;
    text.describe("freshet_compactions_total", "counter", "Groups of files that were merged, by reason.");
    for (reason, count) in Reason::ALL.iter().zip(compaction.merges) {
        text.sample("freshet_compactions_total", &[("reason", reason.as_str())], count);
    }
    let mut counter = |name: &str, help: &str, value: u64| text.counter(name, help, value);
    counter("freshet_compaction_failures_total", "Groups of files that could not be merged.", compaction.failures);
    counter("freshet_compaction_rows_read_total", "Rows that merges read.", compaction.rows_read);
    counter("freshet_compaction_rows_written_total", "Rows that merges wrote.", compaction.rows_written);
    counter("freshet_compaction_bytes_read_total", "Bytes of the files that merges read.", compaction.bytes_read);
    counter(
        "freshet_compaction_bytes_written_total",
        "Bytes of the files that merges wrote.",
        compaction.bytes_written,
    );
    counter("freshet_files_retired_total", "Files that went whole by retention.", compaction.files_retired);
    counter("freshet_files_deleted_total", "Files that were deleted.", compaction.files_deleted);
    counter("freshet_orphans_deleted_total", "Files of crashes that were deleted.", compaction.orphans_deleted);
    counter("freshet_snapshots_expired_total", "Snapshots of the catalog that expired.", compaction.snapshots_expired);
    text.counter("freshet_compaction_seconds_total", "Time that merges took.", compaction.time.as_secs_f64());
    let waiting = &compaction.waiting;
    let mut gauge = |name: &str, help: &str, value: u64| text.gauge(name, help, value);
    gauge("freshet_ended_files", "Files that only older snapshots name.", waiting.count);
    gauge("freshet_ended_file_bytes", "Their bytes, which wait for deletion.", waiting.bytes);
    gauge("freshet_scheduled_files", "Files on the list for deletion.", waiting.scheduled);
    let waits = u64::from(compaction.deletion_waits);
    gauge("freshet_deletion_waits", "1 while nothing is deleted because the clock jumped forward.", waits);
    // Since the start, as all counters; before the first flush nothing is known.
    let flushed = metrics.flushed_bytes.max(1) as f64;
    let amplification = if metrics.flushed_bytes == 0 { 1.0 } else { 1.0 + compaction.bytes_written as f64 / flushed };
    text.gauge("freshet_write_amplification", "Bytes written by flushes and merges for each flushed.", amplification);
}

fn write_wal(metrics: &EngineMetrics, text: &mut MetricsText) {
    let wal = &metrics.wal;
    let mut counter = |name: &str, help: &str, value: u64| text.counter(name, help, value);
    counter("freshet_wal_records_total", "Records that became durable.", wal.records);
    counter("freshet_wal_record_bytes_total", "Their bytes.", wal.record_bytes);
    counter("freshet_wal_overloads_total", "Appends refused because the queue was full.", wal.overloads);
    counter("freshet_wal_out_of_space_total", "Groups that found no space.", wal.out_of_space);
    counter("freshet_wal_failures_total", "Writes and syncs that failed.", wal.failures);
    let mut gauge = |name: &str, help: &str, value: u64| text.gauge(name, help, value);
    gauge("freshet_wal_queue_bytes", "Bytes of records in the queue.", wal.queue_bytes);
    gauge("freshet_wal_segments", "Segments on the disk.", wal.segments);
    gauge("freshet_wal_segment_bytes", "Their bytes that hold records.", wal.segment_bytes);
    write_sync_times(&wal.syncs, text);
}

fn write_sync_times(syncs: &SyncTimes, text: &mut MetricsText) {
    let name = "freshet_wal_sync_duration_seconds";
    text.describe(name, "histogram", "How long groups of records took to sync.");
    let bounds = SYNC_BOUNDS_US.map(|bound_us| bound_us as f64 / 1e6);
    let (counts, total_s) = (&syncs.counts, syncs.total_us as f64 / 1e6);
    let within_bounds = counts.get(..bounds.len()).unwrap_or_default();
    text.histogram_series(name, &[], &bounds, within_bounds, counts.iter().sum(), total_s);
}

fn write_store(store: &StoreMetrics, text: &mut MetricsText) {
    for (name, help, counts) in [
        ("freshet_object_store_requests_total", "Requests to the object store, tries again included.", store.requests),
        ("freshet_object_store_failures_total", "Those of them that failed.", store.failures),
    ] {
        text.describe(name, "counter", help);
        for (operation, count) in StoreOperation::ALL.iter().zip(counts) {
            text.sample(name, &[("operation", operation.as_str())], count);
        }
    }
    let mut counter = |name: &str, help: &str, value: u64| text.counter(name, help, value);
    counter("freshet_object_store_given_up_total", "Operations that failed after all tries.", store.given_up);
    counter("freshet_object_store_sent_bytes_total", "Bytes sent to the object store.", store.sent_bytes);
    counter("freshet_object_store_received_bytes_total", "Bytes read from it.", store.received_bytes);
    let failing = u64::from(store.failing);
    text.gauge("freshet_object_store_failing", "1 while the last operation was one that failed.", failing);
}

fn write_queries(metrics: &QueryMetrics, text: &mut MetricsText) {
    text.counter("freshet_queries_total", "Queries that were accepted.", metrics.started);
    text.counter("freshet_queries_failed_total", "Queries that ended in an error.", metrics.failed);
    text.gauge("freshet_queries_running", "Queries that run now.", metrics.running);
    text.gauge("freshet_query_memory_bytes", "Bytes given out by the memory pool of queries.", metrics.memory_bytes);
}

/// From `/proc`, where there is one.
pub(super) fn resident_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

//! Cases about what grows: files beside compaction, measurements, and the catalog that a start reads.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Instance, NANOSECONDS_PER_SECOND, Options, START_NS, authorized, bodies, cpu_lines, first_write_s, rate, show,
    shuffle,
};
use crate::error::BenchError;
use crate::http_connection::{Call, Connection};
use crate::servers::Server;
use crate::stopwatch::Stopwatch;

/// Ingest with compaction switched off, and the same beside compaction that always has something to merge.
pub(super) async fn beside_compaction(options: &Options, server: &dyn Server) -> Result<(), BenchError> {
    let mut alone = None;
    for (name, compactions) in [("alone", "0"), ("beside compaction", "1")] {
        let arguments = ["--compactions", compactions, "--flush-table-bytes", "16MiB"];
        let instance = Instance::start(options, server, &arguments).await?;
        // Twelve files that overlap in all of their time.
        let mut lines = cpu_lines(400, options.sized(8_640));
        shuffle(&mut lines);
        let parts: Vec<Vec<Vec<u8>>> = lines.chunks(lines.len().div_ceil(12)).map(<[_]>::to_vec).collect();
        for part in parts {
            instance.load(bodies(part.into_iter())).await;
            instance.flush().await?;
        }
        let busy = (compactions == "1").then(|| tokio::spawn(compact_again_and_again(instance.port)));
        let merged_before = instance.metric("freshet_compaction_rows_written_total").await?;
        let next = cpu_lines(400, options.sized(8_640)).into_iter();
        let loaded = instance.load(bodies(next)).await;
        let merged = instance.metric("freshet_compaction_rows_written_total").await? - merged_before;
        if let Some(busy) = busy {
            busy.abort();
        }
        let (rate, p99_ms) = (rate(&loaded), loaded.quantile_ms(0.99));
        let (rate_base, p99_base) = *alone.get_or_insert((rate, p99_ms));
        // Without a merge that ended meanwhile nothing was measured.
        let is_measured = compactions == "0" || merged > 0.0;
        let is_met = is_measured && loaded.failed_count == 0 && rate >= 0.8 * rate_base && p99_ms <= 2.0 * p99_base;
        let amplification = instance.metric("freshet_write_amplification").await?;
        let figure = format!(
            "{rate:.0} rows/s, p99 {p99_ms:.0} ms, {merged:.0} rows merged meanwhile, write amplification \
             {amplification:.2}"
        );
        show(&format!("ingest {name}"), &figure, "≥ 0.8 of the rate alone, p99 ≤ 2 ×", is_met);
    }
    Ok(())
}

async fn compact_again_and_again(port: u16) {
    let call = authorized(Call::post("/api/freshet/v1/compact", "{}")).header("content-type", "application/json");
    loop {
        // Refused while one runs, which is what is wanted.
        let _ = Connection::to(port).send(&call).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// 10,000 measurements, twenty rows each in every of ten rounds, with a flush after each and a token made meanwhile.
pub(super) async fn measurements(options: &Options, server: &dyn Server) -> Result<(), BenchError> {
    let count = options.sized(10_000);
    let instance = Instance::start(options, server, &["--memory-limit", "2GiB"]).await?;
    let organisation = organisation(instance.port).await?;
    let (mut first_mib, mut last_mib, mut token_ms, mut flush_s) = (0.0, 0.0, 0.0_f64, 0.0_f64);
    let mut failed_count = 0;
    for round in 0..10 {
        let lines = (0..count * 20).map(|row| {
            let (number, step) = (row % count, row / count + round * 20);
            format!("m{number},host=a v={row} {}\n", START_NS + step * 3 * NANOSECONDS_PER_SECOND).into_bytes()
        });
        failed_count += instance.load(bodies(lines)).await.failed_count;
        let stopwatch = Stopwatch::start();
        let (flushed, token) = tokio::join!(instance.flush(), slowest_token_ms(instance.port, &organisation));
        flushed?;
        flush_s = flush_s.max(stopwatch.elapsed().as_secs_f64());
        token_ms = token_ms.max(token?);
        last_mib = instance.process.resident_mib()?;
        if round == 1 {
            first_mib = last_mib;
        }
    }
    let flushes = instance.metric("freshet_flushes_total").await?;
    let is_compact = instance.compact()?;
    let files = instance.metric("freshet_files").await? / count as f64;
    let figure = format!(
        "resident {first_mib:.0} MiB after the second round, {last_mib:.0} MiB after the tenth; {flushes:.0} flushes, \
         the slowest {flush_s:.1} s with its files; a token in at most {token_ms:.0} ms; {files:.2} files a measurement"
    );
    let is_met = failed_count == 0 && is_compact && files <= 2.0 && token_ms <= 200.0 && last_mib <= 1.25 * first_mib;
    show("10,000 measurements", &figure, "memory flat, token ≤ 200 ms, ≤ 2 files each", is_met);
    Ok(())
}

async fn organisation(port: u16) -> Result<String, BenchError> {
    let answer = Connection::to(port).send(&authorized(Call::get("/api/v2/orgs"))).await?;
    let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    Ok(value.pointer("/orgs/0/id").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned())
}

/// Makes tokens for a second, and says how long the slowest took.
async fn slowest_token_ms(port: u16, organisation: &str) -> Result<f64, BenchError> {
    let permission = serde_json::json!([{ "action": "read", "resource": { "type": "buckets" } }]);
    let body = serde_json::json!({ "orgID": organisation, "description": "bench", "permissions": permission });
    let call = authorized(Call::post("/api/v2/authorizations", body.to_string()));
    let call = call.header("content-type", "application/json");
    let mut connection = Connection::to(port);
    let (begin, mut slowest_ms) = (Stopwatch::start(), 0.0_f64);
    while begin.elapsed() < Duration::from_secs(1) {
        let stopwatch = Stopwatch::start();
        let answer = connection.send(&call).await?;
        let took_ms = stopwatch.elapsed().as_secs_f64() * 1_000.0;
        slowest_ms = if answer.is_success() { slowest_ms.max(took_ms) } else { f64::INFINITY };
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(slowest_ms)
}

/// The first write after a crash, with a file in the catalog for each of 100,000 measurements and a full log.
pub(super) async fn restart_with_files(options: &Options, server: &dyn Server) -> Result<(), BenchError> {
    let count = options.sized(100_000);
    let arguments =
        ["--flush-table-bytes", "4GiB", "--flush-age", "1h", "--memory-limit", "8GiB", "--compactions", "0"];
    let instance = Instance::start(options, server, &arguments).await?;
    let lines = (0..count).map(|number| format!("m{number} v={number} {START_NS}\n").into_bytes());
    instance.load(bodies(lines)).await;
    instance.flush().await?;
    let files = instance.metric("freshet_files").await?;
    instance.load(super::log_bodies(options)).await;
    let log_mib = instance.metric("freshet_wal_segment_bytes").await? / 1_048_576.0;
    let start_s = first_write_s(instance).await?;
    let figure = format!("first write accepted after {start_s:.2} s with {log_mib:.0} MiB of log and {files:.0} files");
    let is_full = options.quick || (log_mib >= 512.0 && files >= 100_000.0);
    show("start with a large catalog", &figure, "< 2 s with 512 MiB and 100,000 files", start_s < 2.0 && is_full);
    Ok(())
}

impl Instance<'_> {
    /// Puts all rows into files.
    pub(super) async fn flush(&self) -> Result<(), BenchError> {
        let call = authorized(Call::post("/api/freshet/v1/flush", Bytes::from_static(b"{}")));
        let answer = Connection::to(self.port).send(&call.header("content-type", "application/json")).await?;
        if !answer.is_success() {
            eprintln!("flush: {} {}", answer.status, answer.text());
        }
        Ok(())
    }
}

//! How fast the engine takes TSBS-like rows without HTTP: parse, schema, WAL with fdatasync, buffer, flush.
//!
//! `cargo run --release -p storage --example ingest_speed -- [hosts] [rows] [writers]` prints rows a second and
//! CPU microseconds a row, counted until everything is in committed files.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use catalog::{BucketId, OrganisationId, SystemClock};
use storage::{BucketInfo, Engine, EngineOptions, Precision, WriteRequest};

/// Lines of a request, as the loaders of other benchmarks send.
const BATCH_LINES: usize = 5000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = |index, default| std::env::args().nth(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (hosts, rows, writers) = (argument(1, 400), argument(2, 2_000_000), argument(3, 4));
    let bodies: Arc<Vec<bytes::Bytes>> = Arc::new(bodies(hosts, rows));
    let raw_bytes: usize = bodies.iter().map(bytes::Bytes::len).sum();
    let folder = tempfile::tempdir()?;
    let engine = Engine::open(EngineOptions::new(folder.path(), 4 << 30, Arc::new(SystemClock))).await?;
    let (Some(organisation), Some(bucket)) = (OrganisationId::from_u64(1), BucketId::from_u64(1)) else {
        return Ok(());
    };
    let bucket = Arc::new(BucketInfo { organisation, organisation_name: "o".to_owned(), bucket, name: "b".to_owned() });
    let next = Arc::new(AtomicUsize::new(0));
    let (clock, cpu) = (tokio::time::Instant::now(), cpu_seconds()?);
    let mut tasks = Vec::new();
    for _ in 0..writers {
        let (engine, bucket, bodies, next) =
            (engine.clone(), Arc::clone(&bucket), Arc::clone(&bodies), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let request = WriteRequest {
                    bucket: Arc::clone(&bucket),
                    retention: None,
                    body: body.clone(),
                    precision: Precision::Nanosecond,
                };
                engine.write(request).await?;
            }
            Ok::<(), storage::WriteError>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let (written, written_cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let metrics = engine.metrics();
    engine.close().await?;
    let (closed, closed_cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
    let per_row = |seconds: f64| seconds * 1e6 / rows as f64;
    println!("{rows} rows of {hosts} hosts, {} MB, {writers} writers", raw_bytes / 1_000_000);
    println!("acknowledged: {:.0} rows/s, {:.2} µs CPU a row", rows as f64 / written, per_row(written_cpu));
    println!("flushed:      {:.0} rows/s, {:.2} µs CPU a row", rows as f64 / closed, per_row(closed_cpu));
    println!("WAL: {:.1} bytes a row, {} syncs", metrics.wal.record_bytes as f64 / rows as f64, metrics.wal.groups);
    let metrics = engine.metrics();
    println!("files: {}, {:.1} bytes a row", metrics.files, metrics.file_bytes as f64 / rows as f64);
    Ok(())
}

/// Rows by time, then host; ten tags, ten integers, about 346 bytes a line.
fn bodies(hosts: usize, rows: usize) -> Vec<bytes::Bytes> {
    const FIELDS: [&str; 10] =
        ["user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut values = vec![[50_i64; 10]; hosts];
    let mut bodies = Vec::new();
    let mut body = String::new();
    for row in 0..rows {
        let host = row % hosts;
        let time = 1_767_225_600_000_000_000 + (row / hosts) as u64 * 10_000_000_000;
        let _ = write!(
            body,
            "cpu,hostname=host_{host},region=eu-central-1,datacenter=eu-central-1a,rack={},os=Ubuntu16.04LTS,arch=x86,\
             team=SF,service={},service_version=1,service_environment=production ",
            host % 97,
            host % 19
        );
        let mut separator = "";
        if let Some(values) = values.get_mut(host) {
            for (name, value) in FIELDS.iter().zip(values) {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                *value = (*value + (random % 3) as i64 - 1).clamp(0, 100);
                let _ = write!(body, "{separator}usage_{name}={value}i");
                separator = ",";
            }
        }
        let _ = writeln!(body, " {time}");
        if (row + 1) % BATCH_LINES == 0 || row + 1 == rows {
            bodies.push(std::mem::take(&mut body).into());
        }
    }
    bodies
}

/// User and system time of this process.
fn cpu_seconds() -> Result<f64, std::io::Error> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    Ok((ticks(11) + ticks(12)) / 100.0)
}

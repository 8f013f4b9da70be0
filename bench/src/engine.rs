//! The benchmark `engine`: what the storage engine has to bear, each case on a server and a folder of its own, its
//! figures beside the target.
//!
//! Measured from outside: the time of answers, `/metrics` and `VmHWM`. A missed target is shown and does not end the
//! run; wrong or refused answers count as missed.

mod growth;
pub(crate) mod memory;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tempfile::TempDir;

use crate::cpu_data::{DataOptions, Generator};
use crate::error::BenchError;
use crate::http_connection::{Call, Connection};
use crate::ingest::{free_port, prepare_server};
use crate::load::{Body, LoadResult, load};
use crate::packages::Packages;
use crate::process::ServerProcess;
use crate::random::Random;
use crate::servers::{self, FRESHET_TOKEN, Server, ServerKind, encoded};
use crate::stopwatch::Stopwatch;

const LINES_PER_REQUEST: usize = 5_000;
const CONNECTIONS: usize = 4;
/// 2016-01-01T00:00:00Z in nanoseconds, as in the other benchmarks.
const START_NS: u64 = 1_451_606_400_000_000_000;
const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// What is run, and how.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The cases, in this order.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "order,fields,series,deletes,restart,compaction,measurements,catalog"
    )]
    only: Vec<Case>,
    /// A twentieth of the rows: whether it works, not how quick it is.
    #[arg(long)]
    quick: bool,
    /// The `freshet` program to measure; by default the one that `cargo xtask bench engine` builds.
    #[arg(long)]
    freshet_program: Option<PathBuf>,
    /// Where the servers' output is kept.
    #[arg(long, env = "FRESHET_BENCH_TOOLS_DIR", default_value = "target/tools")]
    tools_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Case {
    /// One day of 400 hosts: in order, shuffled, newest first.
    Order,
    /// 5,000 fields of which each of 1,000,000 points gives 20, at 512 MiB.
    Fields,
    /// 1,000,000 series of 10 rows at 768 MiB.
    Series,
    /// 1,000 deletes in a minute beside a query.
    Deletes,
    /// The first accepted write after the process was killed with a full log.
    Restart,
    /// Ingest alone and beside compaction, and how often each byte is written.
    Compaction,
    /// 10,000 measurements of 20 rows in each of ten rounds.
    Measurements,
    /// As `restart`, with 100,000 files in the catalog.
    Catalog,
}

impl Options {
    /// The full size, or what is left of it in the short form.
    fn sized(&self, full: u64) -> u64 {
        if self.quick { full / 20 } else { full }
    }
}

/// Runs the cases and prints a line for each figure.
pub(crate) fn run(options: &Options) -> Result<(), BenchError> {
    let packages = Packages::new(&options.tools_dir);
    let server = servers::provide(ServerKind::Freshet, options.freshet_program.as_deref(), &packages)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("| case | figure | target | |\n|---|---|---|---|");
    for case in &options.only {
        runtime.block_on(async {
            match case {
                Case::Order => order(options, server.as_ref()).await,
                Case::Fields => fields(options, server.as_ref()).await,
                Case::Series => series(options, server.as_ref()).await,
                Case::Deletes => deletes(options, server.as_ref()).await,
                Case::Restart => restart(options, server.as_ref()).await,
                Case::Compaction => growth::beside_compaction(options, server.as_ref()).await,
                Case::Measurements => growth::measurements(options, server.as_ref()).await,
                Case::Catalog => growth::restart_with_files(options, server.as_ref()).await,
            }
        })?;
    }
    Ok(())
}

fn show(case: &str, figure: &str, target: &str, is_met: bool) {
    println!("| {case} | {figure} | {target} | {} |", if is_met { "met" } else { "missed" });
}

/// A running server with its folder.
struct Instance<'a> {
    server: &'a dyn Server,
    arguments: Vec<&'a str>,
    folder: TempDir,
    log: PathBuf,
    port: u16,
    process: ServerProcess,
}

impl<'a> Instance<'a> {
    async fn start(options: &Options, server: &'a dyn Server, arguments: &[&'a str]) -> Result<Self, BenchError> {
        Self::start_in(&options.tools_dir, server, arguments).await
    }

    async fn start_in(tools_dir: &Path, server: &'a dyn Server, arguments: &[&'a str]) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir()?;
        let log = tools_dir.join("Freshet-engine.log");
        let port = free_port()?;
        let mut process = spawn(server, folder.path(), port, arguments, &log)?;
        prepare_server(server, port, &mut process).await?;
        Ok(Self { server, arguments: arguments.to_vec(), folder, log, port, process })
    }

    /// Kills the process as a crash would and starts another on the same folder, without waiting for it.
    fn crash_and_start(self) -> Result<Self, BenchError> {
        let Self { server, arguments, folder, log, process, .. } = self;
        drop(process);
        let port = free_port()?;
        let process = spawn(server, folder.path(), port, &arguments, &log)?;
        Ok(Self { server, arguments, folder, log, port, process })
    }

    async fn load(&self, bodies: Vec<Body>) -> LoadResult {
        let loaded = load(self.port, &self.server.write(), &Arc::new(bodies), CONNECTIONS).await;
        if let Some(error) = &loaded.first_error {
            eprintln!("{} requests failed, {} were repeated: {error}", loaded.failed_count, loaded.retried_count);
        }
        loaded
    }

    /// `freshet compact --wait`; whether it succeeded.
    fn compact(&self) -> Result<bool, BenchError> {
        let command = self.server.command(self.folder.path(), self.port);
        let program = command.get_program();
        let url = format!("http://127.0.0.1:{}", self.port);
        let mut compact = Command::new(program);
        compact.args(["compact", "--wait", "--url", &url, "--token", FRESHET_TOKEN]);
        let output = compact.output();
        let output =
            output.map_err(|source| BenchError::Start { program: program.to_string_lossy().into_owned(), source })?;
        if !output.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.status.success())
    }

    /// The sum of a metric over its labels; 0 if the server does not show it.
    async fn metric(&self, name: &str) -> Result<f64, BenchError> {
        let call = authorized(Call::get("/metrics"));
        Ok(metric_sum(&Connection::to(self.port).send(&call).await?.text(), name))
    }

    /// Answer and time of a SQL query.
    async fn query(&self, sql: &str) -> Result<(String, Duration), BenchError> {
        let stopwatch = Stopwatch::start();
        let answer = Connection::to(self.port).send(&query_call(sql)).await?;
        Ok((answer.text(), stopwatch.elapsed()))
    }

    fn peak_mib(&mut self) -> Result<f64, BenchError> {
        Ok(self.process.usage()?.peak_memory_kib as f64 / 1_024.0)
    }
}

fn spawn(
    server: &dyn Server,
    folder: &Path,
    port: u16,
    arguments: &[&str],
    log: &Path,
) -> Result<ServerProcess, BenchError> {
    ServerProcess::start(server.name(), server.command(&folder.join("data"), port).args(arguments), log)
}

fn authorized(call: Call) -> Call {
    call.header("authorization", format!("Token {FRESHET_TOKEN}"))
}

fn query_call(sql: &str) -> Call {
    let call = Call::get(format!("/api/v3/query_sql?db=b&format=json&q={}", encoded(sql)));
    authorized(call)
}

fn metric_sum(text: &str, name: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next()?.parse::<f64>().ok())?
    });
    values.sum()
}

fn rate(loaded: &LoadResult) -> f64 {
    loaded.row_count as f64 / loaded.elapsed.as_secs_f64()
}

/// Lines joined into bodies.
fn bodies(lines: impl Iterator<Item = Vec<u8>>) -> Vec<Body> {
    let mut lines = lines.peekable();
    let mut bodies = Vec::new();
    while lines.peek().is_some() {
        let part: Vec<_> = lines.by_ref().take(LINES_PER_REQUEST).collect();
        bodies.push(Body { bytes: Bytes::from(part.concat()), row_count: part.len() as u64 });
    }
    bodies
}

fn cpu_lines(hosts: u64, rows_per_host: u64) -> Vec<Vec<u8>> {
    let data = DataOptions { hosts, interval: 10, hours: 24, rows_per_host: Some(rows_per_host), seed: 123 };
    let mut generator = Generator::new(&data);
    let mut lines = Vec::new();
    let mut line = Vec::new();
    while generator.next_line(&mut line) {
        lines.push(std::mem::take(&mut line));
    }
    lines
}

fn shuffle(lines: &mut [Vec<u8>]) {
    let mut random = Random::new(5);
    for last in (1..lines.len()).rev() {
        lines.swap(last, random.below(last + 1));
    }
}

async fn order(options: &Options, server: &dyn Server) -> Result<(), BenchError> {
    let mut in_order = None;
    for name in ["in order", "shuffled", "newest first"] {
        let mut lines = cpu_lines(400, options.sized(8_640));
        match name {
            "shuffled" => shuffle(&mut lines),
            "newest first" => lines.reverse(),
            _ => {}
        }
        let instance = Instance::start(options, server, &[]).await?;
        let loaded = instance.load(bodies(lines.into_iter())).await;
        let is_compact = instance.compact()? && loaded.failed_count == 0;
        let (rate, files) = (rate(&loaded), instance.metric("freshet_files").await?);
        let (rate_base, files_base) = *in_order.get_or_insert((rate, files));
        let is_met = is_compact && rate >= 0.5 * rate_base && files <= 1.5 * files_base;
        let figure = format!("{rate:.0} rows/s, {files} files after compaction");
        show(&format!("order: {name}"), &figure, "≥ half of in order, ≤ 1.5 × its files", is_met);
    }
    Ok(())
}

async fn fields(options: &Options, server: &dyn Server) -> Result<(), BenchError> {
    let mut instance = Instance::start(options, server, &["--memory-limit", "512MiB"]).await?;
    let points = options.sized(1_000_000);
    let lines = (0..points).map(|point| {
        // Twenty neighbours, so that each field has the same number of values: a device that reports one of its parts.
        let first = point % 250 * 20;
        let values: Vec<_> = (first..first + 20).map(|field| format!("f{field}={point}")).collect();
        format!("wide {} {}\n", values.join(","), START_NS + point * NANOSECONDS_PER_SECOND).into_bytes()
    });
    let loaded = instance.load(bodies(lines)).await;
    let is_compact = instance.compact()?;
    let (answer, duration) = instance.query("SELECT count(f1) AS a, count(f4999) AS b FROM wide").await?;
    let is_right = answer.trim() == format!(r#"[{{"a":{0},"b":{0}}}]"#, points / 250);
    if !is_right {
        eprintln!("{answer}");
    }
    let peak_mib = instance.peak_mib()?;
    let figure = format!(
        "{:.0} points/s, {} requests refused, compacted: {is_compact}, query {:.0} ms, right: {is_right}, \
         peak {peak_mib:.0} MiB",
        rate(&loaded),
        loaded.failed_count,
        duration.as_secs_f64() * 1_000.0,
    );
    let is_met = is_compact && is_right && loaded.failed_count == 0 && peak_mib <= 640.0;
    show("5,000 fields at 512 MiB", &figure, "all succeed, peak ≤ 640 MiB", is_met);
    Ok(())
}

async fn series(options: &Options, server: &dyn Server) -> Result<(), BenchError> {
    let mut instance = Instance::start(options, server, &["--memory-limit", "768MiB"]).await?;
    let count = options.sized(1_000_000);
    let lines = (0..count * 10).map(|row| {
        let (number, step) = (row % count, row / count);
        format!("m,id=s{number} v={row} {}\n", START_NS + step * 60 * NANOSECONDS_PER_SECOND).into_bytes()
    });
    let loaded = instance.load(bodies(lines)).await;
    let (all, all_duration) = instance.query("SELECT count(*) AS n FROM m").await?;
    let (one, one_duration) = instance.query("SELECT count(*) AS n FROM m WHERE id = 's4711'").await?;
    let is_right = all.trim() == format!(r#"[{{"n":{}}}]"#, count * 10) && one.trim() == r#"[{"n":10}]"#;
    if !is_right {
        eprintln!("{all} {one}");
    }
    let peak_mib = instance.peak_mib()?;
    let figure = format!(
        "{:.0} rows/s, peak {peak_mib:.0} MiB, count(*) {:.0} ms, one series {:.0} ms, right: {is_right}",
        rate(&loaded),
        all_duration.as_secs_f64() * 1_000.0,
        one_duration.as_secs_f64() * 1_000.0,
    );
    show("1,000,000 series at 768 MiB", &figure, "peak < 1,024 MiB, both right", is_right && peak_mib < 1_024.0);
    Ok(())
}

/// The 95th percentile in milliseconds of a query that is asked again and again.
async fn query_p95_ms(instance: &Instance<'_>, span: Duration) -> Result<f64, BenchError> {
    let sql = "SELECT hostname, max(usage_user) AS u FROM cpu GROUP BY hostname";
    let mut latencies_ms = Vec::new();
    let stopwatch = Stopwatch::start();
    while stopwatch.elapsed() < span {
        latencies_ms.push(instance.query(sql).await?.1.as_secs_f64() * 1_000.0);
    }
    latencies_ms.sort_by(f64::total_cmp);
    Ok(LoadResult { latencies_ms, ..LoadResult::default() }.quantile_ms(0.95))
}

async fn deletes(options: &Options, server: &dyn Server) -> Result<(), BenchError> {
    let instance = Instance::start(options, server, &[]).await?;
    instance.load(bodies(cpu_lines(100, 3_600).into_iter())).await;
    instance.compact()?;
    let span = Duration::from_secs(options.sized(60));
    let before_ms = query_p95_ms(&instance, span / 3).await?;
    let (port, count) = (instance.port, options.sized(1_000));
    let sender = tokio::spawn(async move {
        let mut connection = Connection::to(port);
        let mut failed_count = 0;
        for number in 0..count {
            // RFC 3339 within the first day of the data.
            let (hour, minute, second) = (number * 10 / 3_600, number * 10 / 60 % 60, number * 10 % 60);
            let time = format!("2016-01-01T{hour:02}:{minute:02}:{second:02}Z");
            let predicate = format!("_measurement=\"cpu\" AND hostname=\"host_{}\"", number % 100);
            let body = serde_json::json!({ "start": time, "stop": time, "predicate": predicate });
            let call = authorized(Call::post("/api/v2/delete?org=o&bucket=b", body.to_string()));
            let call = call.header("content-type", "application/json");
            let answer = connection.send(&call).await;
            failed_count += u64::from(!answer.is_ok_and(|answer| answer.is_success()));
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        failed_count
    });
    let during_ms = query_p95_ms(&instance, span).await?;
    let failed_count = sender.await.unwrap_or(count);
    let figure = format!("p95 {before_ms:.1} ms before, {during_ms:.1} ms during, {failed_count} deletes failed");
    let is_met = failed_count == 0 && during_ms <= 1.5 * before_ms;
    show("1,000 deletes in a minute", &figure, "p95 ≤ 1.5 × before", is_met);
    Ok(())
}

async fn restart(options: &Options, server: &dyn Server) -> Result<(), BenchError> {
    let arguments = ["--flush-table-bytes", "4GiB", "--flush-age", "1h", "--memory-limit", "8GiB"];
    let instance = Instance::start(options, server, &arguments).await?;
    instance.load(log_bodies(options)).await;
    let log_mib = instance.metric("freshet_wal_segment_bytes").await? / 1_048_576.0;
    let start_s = first_write_s(instance).await?;
    let figure = format!("first write accepted after {start_s:.2} s with {log_mib:.0} MiB of log");
    show("start after kill -9", &figure, "< 2 s with 512 MiB", start_s < 2.0 && (options.quick || log_mib >= 512.0));
    Ok(())
}

/// Half a gigabyte for the log: random numbers, which its compression cannot make small.
fn log_bodies(options: &Options) -> Vec<Body> {
    let mut random = Random::new(7);
    let lines = (0..options.sized(7_500_000)).map(|row| {
        let values: Vec<_> = (0..10).map(|field| format!("f{field}={}", random.percentage())).collect();
        let time_ns = START_NS + row / 400 * NANOSECONDS_PER_SECOND;
        format!("m,host=h{} {} {time_ns}\n", row % 400, values.join(",")).into_bytes()
    });
    bodies(lines)
}

/// Kills the server, and says how many seconds after its next start the first write was accepted.
async fn first_write_s(instance: Instance<'_>) -> Result<f64, BenchError> {
    let server = instance.server;
    let stopwatch = Stopwatch::start();
    let mut instance = instance.crash_and_start()?;
    let mut write = server.write();
    write.body = Bytes::from_static(b"after v=1\n");
    let mut connection = Connection::to(instance.port);
    while !connection.send(&write).await.is_ok_and(|answer| answer.is_success()) {
        instance.process.usage()?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(stopwatch.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_over_longer_names() {
        let text = "# TYPE a gauge\na{t=\"x y\"} 2\na{t=\"z\"} 3\nab 7\n";
        assert_eq!((metric_sum(text, "a"), metric_sum(text, "ab"), metric_sum(text, "b")), (5.0, 7.0, 0.0));
    }

    #[test]
    fn shuffled_lines_are_the_same_lines() {
        let lines = cpu_lines(3, 50);
        let mut shuffled = lines.clone();
        shuffle(&mut shuffled);
        assert_ne!(shuffled, lines);
        shuffled.sort();
        let mut sorted = lines;
        sorted.sort();
        assert_eq!(shuffled, sorted);
    }

    #[test]
    fn bodies_hold_all_lines() {
        let bodies = bodies((0..LINES_PER_REQUEST + 1).map(|_| b"a\n".to_vec()));
        assert_eq!(bodies.iter().map(|body| body.row_count).collect::<Vec<_>>(), [LINES_PER_REQUEST as u64, 1]);
    }
}

//! The benchmark `ingest`: each server in turn is started on an empty folder, loaded, queried, stopped and measured.
//!
//! Bodies are made and compressed before the clock starts. CPU time is counted from the first request until the
//! server has stopped, so that work put off (flushes, merges) is not forgotten; the start itself is not counted.

use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cpu_data::{DataOptions, Generator};
use crate::error::BenchError;
use crate::http_connection::Connection;
use crate::load::{Body, load};
use crate::packages::Packages;
use crate::process::{ServerProcess, disk_usage_bytes};
use crate::report::{Run, markdown};
use crate::servers::{self, Server, ServerKind};
use crate::stopwatch::Stopwatch;

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const READY_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A server that has not shown all rows by then has lost some.
const QUERYABLE_TIMEOUT: Duration = Duration::from_secs(300);

/// Rare enough that the counting itself costs the server little.
const QUERYABLE_POLL_INTERVAL: Duration = Duration::from_millis(250);

/// What is loaded, and into what.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    data: DataOptions,
    /// Which servers, in this order.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "freshet")]
    servers: Vec<ServerKind>,
    /// How bodies are sent, each in a run of its own.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "plain,gzip")]
    bodies: Vec<Encoding>,
    /// Connections that send at the same time.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Lines of each request.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    lines_per_request: u64,
    /// The `freshet` program to measure; by default the one that `cargo xtask bench ingest` builds.
    #[arg(long)]
    freshet_program: Option<PathBuf>,
    /// Where other servers are unpacked.
    #[arg(long, env = "FRESHET_BENCH_TOOLS_DIR", default_value = "target/tools")]
    tools_dir: PathBuf,
    /// Where the servers keep their data; a new folder is made in it for each run and removed after it.
    #[arg(long)]
    work_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Encoding {
    Plain,
    Gzip,
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
        }
    }
}

/// Runs all of it and prints the table.
pub(crate) fn run(options: &Options) -> Result<(), BenchError> {
    let packages = Packages::new(&options.tools_dir);
    let servers = options
        .servers
        .iter()
        .map(|kind| servers::provide(*kind, options.freshet_program.as_deref(), &packages))
        .collect::<Result<Vec<_>, _>>()?;
    // One thread: what the loader takes, the server cannot have.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut runs = Vec::new();
    for encoding in &options.bodies {
        let bodies = Arc::new(prepare(options, *encoding)?);
        for server in &servers {
            runs.push(runtime.block_on(measure(options, server.as_ref(), *encoding, &bodies))?);
        }
    }
    println!("{}", conditions(options));
    print!("{}", markdown(&runs));
    Ok(())
}

/// Generates the rows as request bodies, compressed if asked for.
fn prepare(options: &Options, encoding: Encoding) -> Result<Vec<Body>, BenchError> {
    eprintln!("preparing {} rows, {} …", options.data.row_count(), encoding.name());
    let bodies = Generator::new(&options.data).bodies(options.lines_per_request);
    let bodies = bodies.map(|(bytes, row_count)| {
        let bytes = match encoding {
            Encoding::Plain => bytes,
            Encoding::Gzip => gzip(&bytes)?.into(),
        };
        Ok(Body { bytes, row_count })
    });
    bodies.collect::<io::Result<_>>().map_err(BenchError::Network)
}

/// Level 6, which client libraries use.
fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}

async fn measure(
    options: &Options,
    server: &dyn Server,
    encoding: Encoding,
    bodies: &Arc<Vec<Body>>,
) -> Result<Run, BenchError> {
    eprintln!("{}, {} …", server.name(), encoding.name());
    let folder = match &options.work_dir {
        Some(work_dir) => tempfile::tempdir_in(work_dir),
        None => tempfile::tempdir(),
    }?;
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).map_err(BenchError::at(&data_dir))?;
    let port = free_port()?;
    // Kept when the benchmark fails, so it stands outside the folder that goes.
    let log = options.tools_dir.join(format!("{}.log", server.name().replace([' ', '(', ')'], "-")));
    let mut process = ServerProcess::start(server.name(), &mut server.command(&data_dir, port), &log)?;
    prepare_server(server, port, &mut process).await?;

    let before = process.usage()?;
    let mut write = server.write();
    if encoding == Encoding::Gzip {
        write = write.header("content-encoding", "gzip");
    }
    let loaded = load(port, &write, bodies, options.connections).await;
    let queryable_after = wait_until_queryable(server, &options.data, port, loaded.row_count).await;
    process.usage()?;
    let mut usage = process.stop()?;
    usage.cpu_s -= before.cpu_s;
    let disk_bytes = disk_usage_bytes(&data_dir)?;
    Ok(Run { server: server.name(), encoding: encoding.name(), load: loaded, queryable_after, usage, disk_bytes })
}

/// Waits until the server answers, and sets it up.
pub(crate) async fn prepare_server(
    server: &dyn Server,
    port: u16,
    process: &mut ServerProcess,
) -> Result<(), BenchError> {
    let mut connection = Connection::to(port);
    let stopwatch = Stopwatch::start();
    while !connection.send(&server.ready()).await.is_ok_and(|answer| answer.is_success()) {
        process.usage()?;
        if stopwatch.elapsed() > READY_TIMEOUT {
            let (seconds, log) = (READY_TIMEOUT.as_secs(), process.log().to_owned());
            return Err(BenchError::TimedOut { server: server.name(), state: "ready", seconds, log });
        }
        tokio::time::sleep(READY_POLL_INTERVAL).await;
    }
    let Some(setup) = server.setup() else { return Ok(()) };
    let answer = connection.send(&setup).await?;
    if answer.is_success() {
        return Ok(());
    }
    Err(BenchError::Setup { server: server.name(), status: answer.status, body: answer.text() })
}

/// How long until a query sees all acknowledged rows; none if it does not in time.
pub(crate) async fn wait_until_queryable(
    server: &dyn Server,
    data: &DataOptions,
    port: u16,
    row_count: u64,
) -> Option<Duration> {
    let mut connection = Connection::to(port);
    let stopwatch = Stopwatch::start();
    let mut seen = None;
    while stopwatch.elapsed() < QUERYABLE_TIMEOUT {
        if let Ok(answer) = connection.send(&server.count(data)).await {
            seen = server.parse_count(&answer.text());
            if seen == Some(row_count) {
                return Some(stopwatch.elapsed());
            }
        }
        tokio::time::sleep(QUERYABLE_POLL_INTERVAL).await;
    }
    eprintln!("{}: a query sees {seen:?} of {row_count} rows", server.name());
    None
}

/// A port that nothing listens on. Another program could take it before the server does; then the server says so.
pub(crate) fn free_port() -> Result<u16, BenchError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// What a reader must know to compare: data, load and machine.
fn conditions(options: &Options) -> String {
    let data = &options.data;
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{} hosts, one row each {} s, {} rows, seed {}; {} connections, {} lines a request; {cores} cores, {}\n",
        data.hosts,
        data.interval,
        data.row_count(),
        data.seed,
        options.connections,
        options.lines_per_request,
        processor(Path::new("/proc/cpuinfo")),
    )
}

fn processor(cpuinfo: &Path) -> String {
    let text = std::fs::read_to_string(cpuinfo).unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("unknown processor".to_owned(), |(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn compressed_bodies_hold_the_same_rows() {
        let text = b"cpu usage=1i 1\n".repeat(100);
        let compressed = gzip(&text).unwrap();
        let mut decompressed = Vec::new();
        GzDecoder::new(compressed.as_slice()).read_to_end(&mut decompressed).unwrap();
        assert_eq!(decompressed, text);
        assert!(compressed.len() < text.len());
    }
}

//! The benchmark `memory`: the most memory that the process has resident, beside its limit, phase by phase.
//!
//! `VmHWM` is set back before each phase, so a phase answers for itself and for what the earlier ones left. Queries may
//! be refused with the error that names the limit; the process must not end, and nothing else may go wrong.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Instance, LoadResult, bodies, cpu_lines, query_call, show};
use crate::error::BenchError;
use crate::http_connection::Connection;
use crate::packages::Packages;
use crate::servers::{self, Server, ServerKind};

/// What a query says that was given too little memory.
const REFUSALS: [&str; 3] = ["memory limit", "Resources exhausted", "spill"];

/// The most that a process may have resident, in parts of its limit.
const ALLOWED: f64 = 1.25;

const HEAVY: [&str; 10] = [
    "SELECT hostname, date_trunc('minute', time) AS m, avg(usage_user) AS u FROM cpu GROUP BY hostname, m ORDER BY u",
    "SELECT count(*) AS n FROM (SELECT * FROM cpu ORDER BY usage_user, usage_idle, time)",
    "SELECT count(DISTINCT time) AS n FROM cpu",
    "SELECT count(DISTINCT concat(hostname, CAST(time AS VARCHAR))) AS n FROM cpu",
    "SELECT max(r) AS r FROM (SELECT row_number() OVER (PARTITION BY region ORDER BY time, hostname) AS r FROM cpu)",
    "SELECT time, sum(usage_user) AS a, sum(usage_system) AS b, sum(usage_idle) AS c FROM cpu GROUP BY time ORDER BY a",
    "SELECT median(usage_user) AS a, median(usage_idle) AS b, median(usage_nice) AS c FROM cpu",
    "SELECT hostname, array_agg(usage_user ORDER BY time) AS a FROM cpu WHERE hostname < 'host_2' GROUP BY hostname",
    "SELECT usage_user, usage_system, usage_idle, count(*) AS n FROM cpu GROUP BY 1, 2, 3 ORDER BY n DESC LIMIT 5",
    "SELECT count(*) AS n FROM (SELECT hostname, usage_user FROM cpu UNION SELECT hostname, usage_idle FROM cpu)",
];

const JOIN: &str = "SELECT count(*) AS n FROM cpu a JOIN cpu b ON a.time = b.time AND a.usage_user = b.usage_idle";

/// What is run, and how.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The limits, each on a server of its own.
    #[arg(long, value_name = "MIB", value_delimiter = ',', default_value = "512,2048")]
    limits: Vec<u32>,
    /// A twentieth of the rows: whether it works.
    #[arg(long)]
    quick: bool,
    /// Fail if a target is missed.
    #[arg(long)]
    strict: bool,
    /// The `freshet` program to measure; by default the one that `cargo xtask bench memory` builds.
    #[arg(long)]
    freshet_program: Option<PathBuf>,
    /// Where the servers' output is kept.
    #[arg(long, env = "FRESHET_BENCH_TOOLS_DIR", default_value = "target/tools")]
    tools_dir: PathBuf,
}

/// Runs the phases under each limit and prints a line for each.
pub(crate) fn run(options: &Options) -> Result<(), BenchError> {
    let packages = Packages::new(&options.tools_dir);
    let server = servers::provide(ServerKind::Freshet, options.freshet_program.as_deref(), &packages)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("| case | figure | target | |\n|---|---|---|---|");
    let mut missed = 0;
    for limit_mib in &options.limits {
        missed += runtime.block_on(under(options, server.as_ref(), *limit_mib))?;
    }
    if options.strict && missed > 0 { Err(BenchError::Missed { count: missed }) } else { Ok(()) }
}

/// The phases under one limit; how many missed their target.
async fn under(options: &Options, server: &dyn Server, limit_mib: u32) -> Result<usize, BenchError> {
    let limit = format!("{limit_mib}MiB");
    // The buffer fills to its share, and nothing of the log goes before the crash.
    let arguments = ["--memory-limit", &limit, "--flush-table-bytes", "4GiB", "--flush-age", "1h"];
    let mut instance = Instance::start_in(&options.tools_dir, server, &arguments).await?;
    let mut phases = Phases { limit_mib: f64::from(limit_mib), missed: 0 };
    // A larger limit gets more rows, so that the buffer is full in any case.
    let rows_per_host = if options.quick { 432 } else { 8_640 * u64::from(limit_mib.max(512)) / 512 };

    let loaded = instance.load(bodies(cpu_lines(400, rows_per_host.min(17_280)).into_iter())).await;
    phases.end("ingest", &mut instance, &described(&loaded), loaded.failed_count == 0)?;
    let mut instance = instance.crash_and_start()?;
    let expected = loaded.row_count;
    let count = instance.wait_for_count("cpu").await?;
    phases.end("replay", &mut instance, &format!("{count} rows"), count == expected)?;
    let is_compact = instance.compact()?;
    phases.end("compaction", &mut instance, &format!("done: {is_compact}"), is_compact)?;

    let queries: Vec<_> = HEAVY.map(|sql| tokio::spawn(ask(instance.port, sql))).into_iter().collect();
    let (mut answered, mut refused, mut wrong) = (0, 0, 0);
    for query in queries {
        match query.await.unwrap_or_else(|error| Outcome::Wrong(error.to_string())) {
            Outcome::Answered => answered += 1,
            Outcome::Refused => refused += 1,
            Outcome::Wrong(error) => {
                eprintln!("{error}");
                wrong += 1;
            }
        }
    }
    phases.end("ten queries at once", &mut instance, &format!("{answered} answered, {refused} refused"), wrong == 0)?;
    let joined = ask(instance.port, JOIN).await;
    let text = match &joined {
        Outcome::Answered => "answered",
        Outcome::Refused => "refused by the limit",
        Outcome::Wrong(error) => error,
    };
    phases.end("join of all rows", &mut instance, text, !matches!(joined, Outcome::Wrong(_)))?;
    let count = instance.wait_for_count("cpu").await?;
    phases.end("a count after it", &mut instance, &format!("{count} rows"), count == expected)?;
    Ok(phases.missed)
}

struct Phases {
    limit_mib: f64,
    missed: usize,
}

impl Phases {
    fn end(&mut self, name: &str, instance: &mut Instance<'_>, figure: &str, is_right: bool) -> Result<(), BenchError> {
        let peak_mib = instance.peak_mib()?;
        let allowed_mib = ALLOWED * self.limit_mib;
        let is_met = is_right && peak_mib <= allowed_mib;
        self.missed += usize::from(!is_met);
        let case = format!("{} MiB: {name}", self.limit_mib);
        show(&case, &format!("peak {peak_mib:.0} MiB, {figure}"), &format!("≤ {allowed_mib:.0} MiB"), is_met);
        instance.process.reset_peak()
    }
}

fn described(loaded: &LoadResult) -> String {
    let rate = loaded.row_count as f64 / loaded.elapsed.as_secs_f64();
    format!("{rate:.0} rows/s, {} requests repeated, {} failed", loaded.retried_count, loaded.failed_count)
}

enum Outcome {
    Answered,
    /// With the error that names the limit.
    Refused,
    Wrong(String),
}

async fn ask(port: u16, sql: &'static str) -> Outcome {
    match Connection::to(port).send(&query_call(sql)).await {
        Ok(answer) if answer.is_success() => Outcome::Answered,
        Ok(answer) => {
            let text = answer.text();
            match REFUSALS.iter().any(|refusal| text.contains(refusal)) {
                true => Outcome::Refused,
                false => Outcome::Wrong(format!("{} {text}: {sql}", answer.status)),
            }
        }
        Err(error) => Outcome::Wrong(format!("{error}: {sql}")),
    }
}

impl Instance<'_> {
    /// The rows of a table, once the server answers; queries wait for the replay.
    async fn wait_for_count(&mut self, table: &str) -> Result<u64, BenchError> {
        let call = Arc::new(query_call(&format!("SELECT count(*) AS n FROM {table}")));
        loop {
            let answer = Connection::to(self.port).send(&call).await;
            if let Ok(answer) = answer
                && answer.is_success()
            {
                let digits: String = answer.text().chars().filter(char::is_ascii_digit).collect();
                return Ok(digits.parse().unwrap_or_default());
            }
            self.process.usage()?;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

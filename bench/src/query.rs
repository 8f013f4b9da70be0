//! The benchmark `query`: each server is loaded with the data, settled, and asked the questions of the Time Series
//! Benchmark Suite: by one client while warm, by several at once, and right after a restart.
//!
//! Questions are drawn anew for each round, so no answer can be one that was kept. Answers of this project's server are
//! compared with DuckDB's over the same files; one that differs makes the run fail.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cpu_data::{DataOptions, Generator};
use crate::error::BenchError;
use crate::http_connection::{Call, Connection};
use crate::ingest::{free_port, prepare_server, wait_until_queryable};
use crate::load::{Body, load};
use crate::packages::{self, Packages};
use crate::process::ServerProcess;
use crate::questions::flux::Flux;
use crate::questions::influxql::InfluxQl;
use crate::questions::{KINDS, Kind, QueryLanguage, Question, draw, duckdb};
use crate::random::Random;
use crate::servers::{self, Server, ServerKind};
use crate::stopwatch::Stopwatch;

/// What is asked, and of which servers.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    data: DataOptions,
    /// Which servers, in this order; those that do not speak the language are left out.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "freshet")]
    servers: Vec<ServerKind>,
    /// The language of the questions.
    #[arg(long, value_enum, default_value = "influxql")]
    language: Language,
    /// Only kinds whose name contains this.
    #[arg(long, default_value = "")]
    kind: String,
    /// Questions of each kind in each round.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    questions: u64,
    /// Clients that ask at once in the round of many.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    clients: u64,
    /// Where the random numbers of the questions begin.
    #[arg(long, default_value_t = 42)]
    question_seed: u64,
    /// How many answers of each kind are compared with DuckDB's.
    #[arg(long, default_value_t = 3)]
    checked: usize,
    /// A Python with the packages of `tests/clients/python/requirements.txt`; without it nothing is compared.
    #[arg(long, env = "FRESHET_TEST_PYTHON")]
    python: Option<PathBuf>,
    /// The `freshet` program to measure; by default the one that `cargo xtask bench query` builds.
    #[arg(long)]
    freshet_program: Option<PathBuf>,
    /// Where other servers are unpacked.
    #[arg(long, env = "FRESHET_BENCH_TOOLS_DIR", default_value = "target/tools")]
    tools_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Influxql,
    Flux,
}

impl Language {
    fn get(self) -> &'static dyn QueryLanguage {
        match self {
            Self::Influxql => &InfluxQl,
            Self::Flux => &Flux,
        }
    }
}

/// The figures of one kind, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
struct Figures {
    median_ms: f64,
    p95_ms: f64,
    /// Of each request while several clients ask.
    many_median_ms: f64,
    many_per_s: f64,
    cold_ms: f64,
    answer_bytes: usize,
    failed: usize,
    /// Answers that were compared, and those of them that differed.
    checked: usize,
    different: usize,
}

/// Runs all of it and prints a table for each server.
pub(crate) fn run(options: &Options) -> Result<(), BenchError> {
    let packages = Packages::new(&options.tools_dir);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut different = 0;
    for kind in &options.servers {
        let server = servers::provide(*kind, options.freshet_program.as_deref(), &packages)?;
        let probe = draw(KINDS[0], &options.data, &mut Random::new(0), 1);
        let language = options.language.get();
        if probe.iter().all(|question| language.call(server.as_ref(), question).is_none()) {
            println!("{} does not speak {}: left out.\n", server.name(), language.name());
            continue;
        }
        let figures = runtime.block_on(measure(options, server.as_ref()))?;
        println!(
            "{}, {}: {} hosts, {} rows; {} questions of each kind, seed {}; {} clients at once\n",
            server.name(),
            language.name(),
            options.data.hosts,
            options.data.row_count(),
            options.questions,
            options.question_seed,
            options.clients
        );
        print!("{}", markdown(language, &figures));
        println!();
        different += figures.iter().map(|(_, figures)| figures.different).sum::<usize>();
    }
    if different > 0 { Err(BenchError::Different(different)) } else { Ok(()) }
}

async fn measure(options: &Options, server: &dyn Server) -> Result<Vec<(Kind, Figures)>, BenchError> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("data");
    std::fs::create_dir(&data_dir).map_err(BenchError::at(&data_dir))?;
    let port = free_port()?;
    let log = options.tools_dir.join("query.log");
    let start = || ServerProcess::start(server.name(), &mut server.command(&data_dir, port), &log);
    let mut process = start()?;
    prepare_server(server, port, &mut process).await?;
    fill(options, server, port).await?;
    let mut rounds = Rounds { options, server, language: options.language.get(), port, found: Vec::new() };
    for (place, kind) in KINDS.iter().filter(|kind| kind.name.contains(&options.kind)).enumerate() {
        eprintln!("{}, {} …", server.name(), kind.name);
        let figures = rounds.warm(*kind, place as u64, &data_dir).await?;
        rounds.found.push((*kind, figures));
    }
    // A server that has just started has read nothing; the kernel still has its files.
    for (kind, mut figures) in std::mem::take(&mut rounds.found) {
        process.stop()?;
        process = start()?;
        prepare_server(server, port, &mut process).await?;
        let question = draw(kind, &options.data, &mut Random::new(options.question_seed + 4_000), 1);
        let (times, _) = rounds.ask(&question, &mut figures).await;
        figures.cold_ms = quantile(times, 0.5);
        rounds.found.push((kind, figures));
    }
    process.stop()?;
    Ok(rounds.found)
}

/// Loads the data, waits until it is there, and has the server settle it.
async fn fill(options: &Options, server: &dyn Server, port: u16) -> Result<(), BenchError> {
    eprintln!("{}: loading {} rows …", server.name(), options.data.row_count());
    let bodies = Generator::new(&options.data).bodies(5_000);
    let bodies = Arc::new(bodies.map(|(bytes, row_count)| Body { bytes, row_count }).collect::<Vec<_>>());
    let loaded = load(port, &server.write(), &bodies, 4).await;
    if let Some(error) = loaded.first_error.filter(|_| loaded.failed_count > 0) {
        return Err(BenchError::Setup { server: server.name(), status: 0, body: error });
    }
    wait_until_queryable(server, &options.data, port, loaded.row_count).await;
    match server.settle(port) {
        Some(mut command) => packages::run(&mut command),
        None => Ok(()),
    }
}

/// The rounds of questions to one server.
struct Rounds<'a> {
    options: &'a Options,
    server: &'a dyn Server,
    language: &'static dyn QueryLanguage,
    port: u16,
    found: Vec<(Kind, Figures)>,
}

impl Rounds<'_> {
    /// One round to warm up, one that counts, one by many clients; each with questions of its own.
    async fn warm(&mut self, kind: Kind, place: u64, data_dir: &Path) -> Result<Figures, BenchError> {
        let options = self.options;
        let seed = options.question_seed.wrapping_add(place * 7_919);
        let questions = |round: u64, count: u64| {
            draw(kind, &options.data, &mut Random::new(seed.wrapping_add(round * 104_729)), count as usize)
        };
        let mut figures = Figures::default();
        self.ask(&questions(0, options.questions), &mut figures).await;
        let asked = questions(1, options.questions);
        let (times, answers) = self.ask(&asked, &mut figures).await;
        figures.answer_bytes = answers.iter().map(Vec::len).sum::<usize>() / answers.len().max(1);
        (figures.median_ms, figures.p95_ms) = (quantile(times.clone(), 0.5), quantile(times, 0.95));
        self.many(&questions(2, options.questions * options.clients), &mut figures).await;
        if let (Some(python), true) = (&options.python, self.server.is_lake()) {
            let checked: Vec<&Question> = asked.iter().take(options.checked).collect();
            let expected = duckdb::answers(python, data_dir, &checked)?;
            for ((question, expected), answer) in checked.iter().zip(&expected).zip(&answers) {
                figures.checked += 1;
                let rows = self.language.rows(question, answer);
                if !rows.as_deref().is_some_and(|rows| duckdb::equal(rows, expected)) {
                    figures.different += 1;
                    eprintln!("differs from DuckDB: {}", self.language.text(question));
                }
            }
        }
        Ok(figures)
    }

    fn calls(&self, questions: &[Question]) -> Vec<Call> {
        questions.iter().filter_map(|question| self.language.call(self.server, question)).collect()
    }

    /// Asks one question after the other over one connection: milliseconds and answers.
    async fn ask(&self, questions: &[Question], figures: &mut Figures) -> (Vec<f64>, Vec<Vec<u8>>) {
        let mut connection = Connection::to(self.port);
        let (mut times, mut answers) = (Vec::new(), Vec::new());
        for call in self.calls(questions) {
            let stopwatch = Stopwatch::start();
            let answer = connection.send(&call).await;
            times.push(stopwatch.elapsed().as_secs_f64() * 1e3);
            match answer {
                Ok(answer) if answer.is_success() => answers.push(answer.body.to_vec()),
                _ => {
                    figures.failed += 1;
                    answers.push(Vec::new());
                }
            }
        }
        (times, answers)
    }

    /// Asks the questions over several connections at once, each with its share of them.
    async fn many(&self, questions: &[Question], figures: &mut Figures) {
        let calls = self.calls(questions);
        let stopwatch = Stopwatch::start();
        let tasks: Vec<_> = calls
            .chunks(self.options.questions as usize)
            .map(|calls| {
                let (calls, mut connection) = (calls.to_vec(), Connection::to(self.port));
                tokio::spawn(async move {
                    let (mut times, mut failed) = (Vec::new(), 0);
                    for call in calls {
                        let stopwatch = Stopwatch::start();
                        let answer = connection.send(&call).await;
                        times.push(stopwatch.elapsed().as_secs_f64() * 1e3);
                        failed += usize::from(!answer.is_ok_and(|answer| answer.is_success()));
                    }
                    (times, failed)
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            match task.await {
                Ok((of_task, failed)) => {
                    times.extend(of_task);
                    figures.failed += failed;
                }
                Err(_) => figures.failed += 1,
            }
        }
        figures.many_per_s = times.len() as f64 / stopwatch.elapsed().as_secs_f64().max(1e-9);
        figures.many_median_ms = quantile(times, 0.5);
    }
}

/// The value that the given share of the values stay within.
fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((share * last as f64).round() as usize).copied().unwrap_or_default()
}

fn markdown(language: &dyn QueryLanguage, figures: &[(Kind, Figures)]) -> String {
    let mut text =
        "| query | median ms | p95 ms | wanted ms | | many: median ms | many: queries/s | cold ms | answer KB \
                    | failed | as DuckDB |\n|---|---:|---:|---:|---|---:|---:|---:|---:|---:|---|\n"
            .to_owned();
    for (kind, figures) in figures {
        let target_ms = language.target_ms(*kind);
        let verdict = if figures.median_ms <= target_ms { "met" } else { "missed" };
        let checked = match figures.checked {
            0 => "not compared".to_owned(),
            checked => format!("{} of {checked}", checked - figures.different),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} | {} | {verdict} | {:.2} | {:.0} | {:.1} | {:.1} | {} | {checked} |",
            kind.name,
            figures.median_ms,
            figures.p95_ms,
            target_ms,
            figures.many_median_ms,
            figures.many_per_s,
            figures.cold_ms,
            figures.answer_bytes as f64 / 1e3,
            figures.failed,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_one_row_with_its_verdict() {
        let figures = Figures { median_ms: 0.5, checked: 3, different: 1, ..Figures::default() };
        let text =
            markdown(&InfluxQl, &[(KINDS[0], figures.clone()), (KINDS[0], Figures { median_ms: 1.5, ..figures })]);
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(rows[0], "| single-groupby-1-1-1 | 0.50 | 0.00 | 1 | met | 0.00 | 0 | 0.0 | 0.0 | 0 | 2 of 3 |");
        assert!(rows[1].contains("| 1.50 | 0.00 | 1 | missed |"), "{}", rows[1]);
    }

    #[test]
    fn quantiles_need_no_order() {
        assert_eq!(quantile(vec![3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile((0..=100).map(f64::from).collect(), 0.95), 95.0);
        assert_eq!(quantile(Vec::new(), 0.5), 0.0);
    }
}

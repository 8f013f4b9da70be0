//! `cargo xtask oracle promql`: as many random queries of PromQL as wanted, asked of Debian's Prometheus and of this
//! server over the same samples.
//!
//! The test program is the one of `cargo xtask test`, which asks a few of them, in the same profile.

use clap::Parser;

use crate::bench;
use crate::command;
use crate::error::TaskError;
use crate::tools;
use crate::workspace::Workspace;

/// Which queries.
#[derive(Parser)]
#[command(name = "cargo xtask oracle promql", bin_name = "cargo xtask oracle promql")]
struct Options {
    /// How many are asked.
    #[arg(long, value_name = "COUNT", default_value_t = 3_000)]
    queries: u64,
    /// Where the random numbers begin.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
}

/// Whether the oracle of this language is meant.
pub(crate) fn is_meant(options: &bench::Options) -> bool {
    options.arguments.first().is_some_and(|language| language == "promql")
}

/// Asks; every difference is shown, and makes the run fail.
pub(crate) fn run(workspace: &Workspace, options: bench::Options) -> Result<(), TaskError> {
    let options = Options::parse_from(options.arguments);
    let mut test = command::cargo();
    test.current_dir(&workspace.root).args(["test", "--locked", "--workspace", "--test", "end_to_end"]);
    test.args(["--", "--nocapture", "answers_are_those_of_prometheus"]);
    test.env("FRESHET_TEST_PROMETHEUS", tools::prometheus(workspace)?);
    test.env("FRESHET_PROMQL_QUERIES", options.queries.to_string());
    test.env("FRESHET_PROMQL_SEED", options.seed.to_string());
    command::run(&mut test)
}

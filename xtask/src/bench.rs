//! `cargo xtask bench …`: builds the benchmark program optimised and runs it.
//!
//! All knowledge of what is measured, and of other products, is in the `bench` crate.

use std::process::Command;

use crate::command;
use crate::error::TaskError;
use crate::tools;
use crate::workspace::Workspace;

/// What is passed on to the benchmark program.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The benchmark (`ingest`, `query`, `engine`, `memory`, `line-protocol`, `generate`) and its options;
    /// `ingest --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
}

/// `cargo xtask oracle …`: the same program, whose benchmark `oracle` compares answers.
pub(crate) fn oracle(workspace: &Workspace, options: Options) -> Result<(), TaskError> {
    let arguments = std::iter::once("oracle".to_owned()).chain(options.arguments).collect();
    run(workspace, &Options { arguments })
}

/// Builds the program, and the server if that is what is measured, and runs it in the folder that the task was started
/// in, so that paths mean what was typed.
///
/// Both are built by one cargo with the profile that users build: the server apart, or by the running benchmark, would
/// get other features or variables, and all that is below it would be compiled anew.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    let mut build = command::cargo();
    build.current_dir(&workspace.root).args(["build", "--locked", "--release", "--package", "bench"]);
    let benchmark = options.arguments.first().map_or("", String::as_str);
    if matches!(benchmark, "ingest" | "query" | "engine" | "memory" | "oracle") {
        build.args(["--package", "freshet"]);
    }
    command::run(&mut build)?;
    let mut program = Command::new(workspace.target_dir.join("release").join("bench"));
    program.args(&options.arguments).env("FRESHET_BENCH_TOOLS_DIR", workspace.tools_dir()?);
    if benchmark == "query" && std::env::var_os("FRESHET_TEST_PYTHON").is_none() {
        // DuckDB says whether the answers are right.
        program.env("FRESHET_TEST_PYTHON", tools::provide(workspace)?.python);
    }
    command::run(&mut program)
}

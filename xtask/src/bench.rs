//! `cargo xtask bench …`: builds the server and the benchmark program optimised, and runs the latter.
//!
//! All knowledge of what is measured, and of other products, is in the `bench` crate.

use crate::command;
use crate::error::TaskError;
use crate::workspace::Workspace;

/// What is passed on to the benchmark program.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The benchmark (`generate`, `ingest`, …) and its options; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Builds what is needed and runs it.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    let tools_dir = workspace.tools_dir()?;
    let asks_for_help = options
        .arguments
        .iter()
        .any(|argument| argument == "--help" || argument == "-h");
    if options.arguments.first().is_some_and(|benchmark| benchmark == "ingest") && !asks_for_help {
        let build = ["build", "--locked", "--profile", "bench", "--package", "freshet"];
        command::run(command::cargo().current_dir(&workspace.root).args(build))?;
    }
    // Cargo puts the profile `bench` into the folder `release`.
    let server = workspace.target_dir.join("release").join("freshet");
    command::run(
        command::cargo()
            .args(["run", "--locked", "--profile", "bench", "--package", "bench", "--"])
            .args(&options.arguments)
            .env("FRESHET_BENCH_SERVER", server)
            .env("FRESHET_BENCH_TOOLS_DIR", tools_dir),
    )
}

//! `cargo xtask bench …`: builds the benchmark program optimised and runs it.
//!
//! All knowledge of what is measured, and of other products, is in the `bench` crate.

use crate::command;
use crate::error::TaskError;
use crate::workspace::Workspace;

/// What is passed on to the benchmark program.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The benchmark (`ingest`, `line-protocol`, `generate`) and its options; `ingest --help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Builds the program and runs it in the folder that the task was started in, so that paths mean what was typed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), TaskError> {
    command::run(
        command::cargo()
            .args(["run", "--locked", "--profile", "bench", "--package", "bench", "--"])
            .args(&options.arguments)
            .env("FRESHET_BENCH_TOOLS_DIR", workspace.tools_dir()?),
    )
}

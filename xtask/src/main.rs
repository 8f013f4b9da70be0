//! `cargo xtask`: the project's tasks in Rust, so that a fresh machine needs only cargo.
//!
//! One file per command. The tasks start other programs and read the tree; they depend on none of the
//! product's crates, so that they build in seconds and work while the product does not compile.

mod api;
mod bench;
mod ci;
mod command;
mod error;
mod faults;
mod promql_oracle;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::TaskError;
use crate::workspace::Workspace;

/// The tasks of the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// All that must hold before a change lands: formatting, tidy, clippy, documentation, dependencies, tests.
    Ci,
    /// Prepares what the tests need and runs them, doctests included.
    Test(test::Options),
    /// Makes as many random requests from the description of the API as wanted; none may get a server error.
    Api(api::Options),
    /// Runs the engine under random work and random faults, and holds it against a plain map.
    Faults(faults::Options),
    /// Checks the rules that the compiler and clippy do not see; see CONTRIBUTING.md.
    Tidy,
    /// Runs the benchmark program: `cargo xtask bench ingest --help` lists what it can do.
    Bench(bench::Options),
    /// Asks random queries of this server and of another one: `cargo xtask oracle influxql`, `oracle promql`.
    Oracle(bench::Options),
}

fn main() -> ExitCode {
    match run(Options::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), TaskError> {
    let workspace = Workspace::find()?;
    match task {
        Task::Ci => ci::run(&workspace),
        Task::Test(options) => {
            let totals = test::run(&workspace, &options)?;
            println!("\n{totals}");
            Ok(())
        }
        Task::Api(options) => api::run(&workspace, &options),
        Task::Faults(options) => faults::run(&workspace, &options),
        Task::Tidy => tidy::run(&workspace),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Oracle(options) if promql_oracle::is_meant(&options) => promql_oracle::run(&workspace, options),
        Task::Oracle(options) => bench::oracle(&workspace, options),
    }
}

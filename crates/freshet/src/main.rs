//! The program `freshet`: the server and the command line for it.
//!
//! ```text
//! options ── serve ── memory (shares), initial_setup ── storage · catalog · query ── server
//!         ├─ write, query, delete, administration, manage ── connection ── freshet-client
//!         ├─ config ── profiles
//!         ├─ recovery ── catalog
//!         ├─ flux_test ── query
//!         └─ config_docs, manual
//! ```
//!
//! This crate wires the others together. It holds no data, speaks no protocol and decides nothing about points.

mod administration;
mod allocator;
mod backup;
mod config;
mod config_docs;
mod connection;
mod data;
mod data_directory;
mod delete;
mod doctor;
mod flux_test;
mod initial_setup;
mod logging;
mod manage;
mod manual;
mod memory;
mod options;
mod output;
mod profiles;
mod progress;
mod prompt;
mod query;
mod recovery;
mod retention;
mod script;
mod serve;
mod write;

use std::fmt;
use std::process::ExitCode;

use clap::Parser as _;

use crate::options::{Command, CommandLine, FluxCommand};

/// Returns memory to the system sooner and fragments less than the system's allocator under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Why the program ends with exit code 1, by command.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Alias(#[from] options::AliasError),
    #[error(transparent)]
    Serve(#[from] serve::ServeCommandError),
    #[error(transparent)]
    Write(#[from] write::WriteCommandError),
    #[error(transparent)]
    Query(#[from] query::QueryCommandError),
    #[error(transparent)]
    Delete(#[from] delete::DeleteCommandError),
    #[error(transparent)]
    Backup(#[from] backup::BackupCommandError),
    #[error(transparent)]
    Restore(#[from] backup::RestoreError),
    #[error(transparent)]
    Doctor(#[from] doctor::DoctorCommandError),
    #[error(transparent)]
    Data(#[from] data::DataCommandError),
    #[error(transparent)]
    FluxTest(#[from] flux_test::FluxTestError),
    #[error(transparent)]
    Administration(#[from] administration::AdministrationError),
    #[error(transparent)]
    Manage(#[from] manage::ManageError),
    #[error(transparent)]
    Recovery(#[from] recovery::RecoveryError),
    #[error(transparent)]
    Config(#[from] config::ConfigCommandError),
    #[error(transparent)]
    Manual(#[from] manual::ManualError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot start the runtime: {0}")]
    Runtime(#[source] std::io::Error),
}

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("freshet: {}", WithCauses(&error));
            match &error {
                CommandError::Doctor(error) => ExitCode::from(error.exit_code()),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(command: Command) -> Result<(), CommandError> {
    let environment = &options::process_environment;
    let command = match command {
        Command::ConfigDocs => return Ok(config_docs::print()?),
        Command::Config(options) => return Ok(config::run(options)?),
        Command::Completion(options) => return Ok(manual::completion(&options)?),
        Command::Man(options) => return Ok(manual::write(&options)?),
        Command::Version => return Ok(print_line(concat!("freshet ", env!("CARGO_PKG_VERSION")))?),
        other => other,
    };
    if let Command::Serve(_) = command {
        allocator::restart_with_options();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::Runtime)?;
    let result = runtime.block_on(async {
        match command {
            Command::Serve(options) => Ok(serve::run(options.with_aliases(environment)?).await?),
            Command::Write(line) => Ok(write::run(*line).await?),
            Command::Query(options) => Ok(query::run(options.with_aliases(environment)?).await?),
            Command::Delete(options) => Ok(delete::run(*options.with_aliases(environment)?).await?),
            Command::Flush(options) => Ok(administration::flush(options.with_aliases(environment)?).await?),
            Command::Compact(options) => Ok(administration::compact(options.with_aliases(environment)?).await?),
            Command::Backup(options) => Ok(backup::run(options.with_aliases(environment)?).await?),
            Command::Restore(options) => Ok(backup::restore(options).await?),
            Command::Doctor(options) => Ok(doctor::run(options).await?),
            Command::Recovery(command) => Ok(recovery::run(command).await?),
            Command::Data(command) => Ok(data::run(command.with_aliases(environment)?).await?),
            Command::Flux(FluxCommand::Test(options)) => Ok(flux_test::run(options).await?),
            Command::Health(options) => Ok(administration::health(options.with_aliases(environment)?).await?),
            Command::Ping(options) => Ok(administration::ping(options.with_aliases(environment)?).await?),
            Command::Setup(options) => Ok(manage::setup(*options).await?),
            Command::Org(command) => Ok(manage::org(command).await?),
            Command::Bucket(command) => Ok(manage::bucket(command).await?),
            Command::User(command) => Ok(manage::user(command).await?),
            Command::Auth(command) => Ok(manage::auth(*command).await?),
            Command::Task(command) => Ok(manage::task(*command).await?),
            Command::Secret(command) => Ok(manage::secret(command).await?),
            Command::Telegrafs(options) => Ok(manage::telegrafs(*options).await?),
            Command::Export(options) => Ok(manage::export(*options).await?),
            Command::Apply(options) => Ok(manage::apply(*options).await?),
            Command::V1(command) => Ok(manage::v1(command).await?),
            Command::Config(_) | Command::Completion(_) | Command::Man(_) | Command::Version | Command::ConfigDocs => {
                Ok(())
            }
        }
    });
    // What still runs is a read of standard input that nobody waits for, or nothing.
    runtime.shutdown_background();
    result
}

/// Prints a line on standard output.
fn print_line(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}")
}

/// An error with all causes below it that it does not name itself, on one line.
struct WithCauses<'a>(&'a dyn std::error::Error);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        formatter.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Many libraries repeat their cause in their own message.
            if !said.contains(&text) {
                write!(formatter, ": {text}")?;
                said = text;
            }
            cause = error.source();
        }
        Ok(())
    }
}

//! Benchmarks: a deterministic data generator, an HTTP load runner, and this and other servers side by side.
//!
//! The only place that knows other products. It measures from outside, over HTTP and `/proc`, and never links the
//! engine; of our crates it uses `line_protocol` alone, to measure the parser by itself.
//!
//! Run it as `cargo xtask bench …`, which says where tools are kept.

mod cpu_data;
mod engine;
mod error;
mod http_connection;
mod ingest;
mod line_protocol_bench;
mod load;
mod oracle;
mod packages;
mod process;
mod query;
mod questions;
mod random;
mod report;
mod servers;
mod stopwatch;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::cpu_data::{DataOptions, Generator};
use crate::error::BenchError;

/// Benchmarks of Freshet.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", disable_help_subcommand = true)]
struct Options {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Writes the benchmark's data to a file as line protocol.
    Generate {
        #[command(flatten)]
        data: DataOptions,
        /// The file to write.
        #[arg(long)]
        output: PathBuf,
    },
    /// Loads the data over HTTP into one or more servers and prints a table.
    Ingest(ingest::Options),
    /// Asks the questions of the Time Series Benchmark Suite and prints a table.
    Query(query::Options),
    /// Puts the storage engine under the loads it has to bear, and compares its figures with their targets.
    Engine(engine::Options),
    /// Measures how much memory the server takes at most under its limit, whatever it does.
    Memory(engine::memory::Options),
    /// Asks random queries of this server and of another one, and shows every difference.
    Oracle(oracle::Options),
    /// Measures the line protocol parser alone, on one core.
    LineProtocol(line_protocol_bench::Options),
}

fn main() -> ExitCode {
    let result = match Options::parse().benchmark {
        Benchmark::Generate { data, output } => generate(&data, &output),
        Benchmark::Ingest(options) => ingest::run(&options),
        Benchmark::Query(options) => query::run(&options),
        Benchmark::Engine(options) => engine::run(&options),
        Benchmark::Memory(options) => engine::memory::run(&options),
        Benchmark::Oracle(options) => oracle::run(&options),
        Benchmark::LineProtocol(options) => {
            line_protocol_bench::run(&options);
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn generate(options: &DataOptions, path: &PathBuf) -> Result<(), BenchError> {
    let mut generator = Generator::new(options);
    let mut output = BufWriter::new(File::create(path).map_err(BenchError::at(path))?);
    let mut line = Vec::new();
    let mut byte_count = 0_u64;
    while generator.next_line(&mut line) {
        output.write_all(&line).map_err(BenchError::at(path))?;
        byte_count += line.len() as u64;
        line.clear();
    }
    output.flush().map_err(BenchError::at(path))?;
    println!("{}: {} rows, {byte_count} bytes", path.display(), generator.row_count());
    Ok(())
}

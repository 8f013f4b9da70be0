//! The benchmark `line-protocol`: the parser alone, on one core, from request bodies into columns.

use bytes::Bytes;
use line_protocol::{Limits, ParseOptions, Precision, parse};

use crate::cpu_data::{DataOptions, Generator};
use crate::stopwatch::Stopwatch;

/// What is parsed.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    data: DataOptions,
    /// Lines of each body.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    lines_per_request: u64,
    /// How often all bodies are parsed; the fastest round counts, as other work can only slow a round down.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

/// Parses everything and prints bytes and rows a second.
pub(crate) fn run(options: &Options) {
    let bodies: Vec<(Bytes, u64)> = Generator::new(&options.data).bodies(options.lines_per_request).collect();
    let byte_count: usize = bodies.iter().map(|(body, _)| body.len()).sum();
    let parse_options =
        ParseOptions { precision: Precision::Nanosecond, default_time_ns: 0, limits: Limits::default() };
    let mut best_s = f64::INFINITY;
    let mut row_count = 0;
    for _ in 0..options.rounds {
        row_count = 0;
        let stopwatch = Stopwatch::start();
        for (body, _) in &bodies {
            let batch = parse(body, &parse_options);
            row_count += batch.tables.iter().map(|table| table.times.len()).sum::<usize>();
        }
        best_s = best_s.min(stopwatch.elapsed().as_secs_f64());
    }
    println!("| bytes a line | rows | MB/s | rows/s | µs/row |\n|---:|---:|---:|---:|---:|");
    println!(
        "| {} | {row_count} | {:.0} | {:.0} | {:.3} |",
        byte_count / row_count.max(1),
        byte_count as f64 / 1e6 / best_s,
        row_count as f64 / best_s,
        best_s * 1e6 / row_count.max(1) as f64,
    );
}

//! Prints how long one core takes to parse queries, and to print them again: a panel of a Grafana dashboard with
//! template variables filled in, the smallest and the longest that are usual.
//!
//! `cargo run --release -p influxql --example parse_speed`

use std::hint::black_box;
use std::time::Instant;

use influxql::{ParseError, ParseOptions, parse_query};

/// Queries in one round.
const REPETITIONS: usize = 2_000;

/// The best of this many rounds counts, because other programs share the machine.
const ROUNDS: usize = 30;

const PANEL: &str = "SELECT mean(\"usage_user\") AS \"user\", non_negative_derivative(max(\"usage_system\"), 1s) * 100 \
    AS \"system\" FROM \"telegraf\".\"autogen\".\"cpu\" WHERE (\"host\" =~ /^(web-01|web-02|web-03)$/ AND \"cpu\" = \
    'cpu-total') AND time >= 1767225600000ms and time <= 1767229200000ms GROUP BY time(10s), \"host\" fill(null) \
    ORDER BY time ASC";

const SMALL: &str = "SHOW TAG VALUES FROM \"cpu\" WITH KEY = \"host\"";

/// The best time of one query, in microseconds.
fn microseconds(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = stopwatch();
        for _ in 0..REPETITIONS {
            run();
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    best * 1e6 / REPETITIONS as f64
}

/// The moment a measurement starts.
#[expect(clippy::disallowed_methods, reason = "the elapsed time is the result")]
fn stopwatch() -> Instant {
    Instant::now()
}

fn main() -> Result<(), ParseError> {
    let options = ParseOptions::default();
    let many_hosts = (0..50).map(|host| format!("\"host\" = 'web-{host:02}'")).collect::<Vec<_>>().join(" OR ");
    let long = format!("SELECT mean(\"usage_user\") FROM \"cpu\" WHERE ({many_hosts}) AND time > now() - 1h");
    for (label, text) in [("panel", PANEL), ("SHOW TAG VALUES", SMALL), ("50 hosts", &long)] {
        let query = parse_query(text, &options)?;
        let parse = microseconds(|| drop(black_box(parse_query(black_box(text), &options))));
        let print = microseconds(|| drop(black_box(black_box(&query).to_string())));
        println!("{label:<16} {:>5} bytes  parse {parse:>6.2} µs  print {print:>6.2} µs", text.len());
    }
    Ok(())
}

//! Prints how long one core takes to read scripts as dashboards send them, to format them and to write them as JSON.
//!
//! `cargo run --release -p flux --example parse_speed`

use std::hint::black_box;
use std::time::Instant;

use flux::{Limits, format, json, parse};

/// A panel of a dashboard, with its variables put in.
const PANEL: &str = r#"from(bucket: "telegraf")
  |> range(start: -1h, stop: now())
  |> filter(fn: (r) => r["_measurement"] == "cpu" and r["_field"] == "usage_user" and r["cpu"] == "cpu-total")
  |> filter(fn: (r) => r["host"] == "a" or r["host"] == "b" or r["host"] =~ /^web-[0-9]+$/)
  |> aggregateWindow(every: 1m, fn: mean, createEmpty: false)
  |> yield(name: "mean")
"#;

/// The best of this many rounds counts, because other programs share the machine.
const ROUNDS: usize = 200;

/// Repetitions of a round, because one is too short for a clock.
const REPETITIONS: u32 = 50;

fn measure(label: &str, mut work: impl FnMut()) {
    let mut best_us = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = stopwatch();
        for _ in 0..REPETITIONS {
            work();
        }
        best_us = best_us.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(REPETITIONS));
    }
    println!("{label:<32} {best_us:>9.2} µs");
}

/// The moment a measurement starts.
#[expect(clippy::disallowed_methods, reason = "the elapsed time is the result")]
fn stopwatch() -> Instant {
    Instant::now()
}

fn main() {
    let limits = Limits::default();
    let parsed = parse(PANEL, &limits);
    assert_eq!(parsed.errors, []);
    let twenty = PANEL.repeat(20).replace("from(", "x = from(");
    println!("a panel has {} bytes, twenty have {}", PANEL.len(), twenty.len());
    measure("parse a panel", || drop(black_box(parse(black_box(PANEL), &limits))));
    measure("parse twenty panels", || drop(black_box(parse(black_box(&twenty), &limits))));
    measure("format a panel", || drop(black_box(format(black_box(&parsed.file)))));
    measure("write a panel as JSON", || drop(black_box(json::write_file(black_box(&parsed.file)))));
}

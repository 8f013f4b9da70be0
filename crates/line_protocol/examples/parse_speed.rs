//! Prints how fast one core parses lines like those of the TSBS cpu-only workload: ten tags, ten integer fields, about
//! 346 bytes a line, bodies of 5,000 lines; once with 400 series that recur, once with 1,000,000 series.
//!
//! `cargo run --release -p line_protocol --example parse_speed`

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use line_protocol::{Limits, ParseOptions, Precision, parse};

/// Lines in a body.
const LINES_PER_BODY: u64 = 5_000;

/// The best of this many rounds counts for each body, because other programs share the machine.
const ROUNDS: usize = 15;

/// Parses all bodies several times and prints the sum of each one's best time.
fn measure(label: &str, series_count: u64, body_count: u64) {
    let bodies: Vec<String> = (0..body_count).map(|body| tsbs_body(body * LINES_PER_BODY, series_count)).collect();
    let bytes: usize = bodies.iter().map(String::len).sum();
    let lines = body_count * LINES_PER_BODY;
    let options = ParseOptions { precision: Precision::Nanosecond, default_time_ns: 0, limits: Limits::default() };
    let mut best_seconds = vec![f64::INFINITY; bodies.len()];
    for _ in 0..ROUNDS {
        for (body, best_seconds) in bodies.iter().zip(&mut best_seconds) {
            let start = stopwatch();
            let batch = black_box(parse(black_box(body.as_bytes()), &options));
            *best_seconds = best_seconds.min(start.elapsed().as_secs_f64());
            assert_eq!((batch.point_count as u64, batch.error_count), (LINES_PER_BODY, 0));
        }
    }
    let seconds: f64 = best_seconds.iter().sum();
    println!(
        "{label:<24} {:>6.0} MB/s  {:>6.3} µs/line  ({} bytes/line)",
        bytes as f64 / seconds / 1e6,
        seconds * 1e6 / lines as f64,
        bytes as u64 / lines,
    );
}

/// The moment a measurement starts.
#[expect(clippy::disallowed_methods, reason = "the elapsed time is the result")]
fn stopwatch() -> Instant {
    Instant::now()
}

/// One body: the lines from number `first` on, host by host, ten seconds between two rounds of all hosts.
fn tsbs_body(first: u64, series_count: u64) -> String {
    let mut body = String::new();
    for line in first..first + LINES_PER_BODY {
        let host = line % series_count;
        let time_ns = 1_767_225_600_000_000_000 + line / series_count * 10_000_000_000;
        let region = ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2"][host as usize % 5];
        let _ = write!(
            body,
            "cpu,hostname=host_{host},region={region},datacenter={region}{},rack={},os={},arch={},team={},service={},\
             service_version={},service_environment={} ",
            ["a", "b", "c"][host as usize % 3],
            mix(host) % 100,
            ["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"][host as usize % 3],
            ["x64", "x86"][host as usize % 2],
            ["SF", "NYC", "LON", "CHI"][host as usize % 4],
            mix(host + 1) % 20,
            mix(host + 2) % 2,
            ["production", "staging", "test"][mix(host + 3) as usize % 3],
        );
        let names = ["user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];
        for (index, name) in names.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            let _ = write!(body, "{separator}usage_{name}={}i", mix(line * 10 + index as u64) % 101);
        }
        let _ = writeln!(body, " {time_ns}");
    }
    body
}

/// A deterministic scrambling of a number (the finaliser of SplitMix64).
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn main() {
    measure("400 series", 400, 20);
    measure("1,000,000 series", 1_000_000, 200);
}

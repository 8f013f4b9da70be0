//! The data of the Time Series Benchmark Suite's use case `cpu-only`, as line protocol.
//!
//! Each host has ten tags drawn once and ten integer fields from 0 to 100, each a random walk with steps of deviation
//! 1, clamped at both ends. Rows are ordered by time, then by host, as a fleet of agents sends them. The same options
//! give the same bytes on every machine.

use std::io::Write;

use bytes::Bytes;

use crate::random::Random;

/// Fields of each row.
pub(crate) const FIELDS: [&str; 10] = [
    "usage_user",
    "usage_system",
    "usage_idle",
    "usage_nice",
    "usage_iowait",
    "usage_irq",
    "usage_softirq",
    "usage_steal",
    "usage_guest",
    "usage_guest_nice",
];

/// 2016-01-01T00:00:00Z, where the suite's data starts.
const START_S: u64 = 1_451_606_400;

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

const REGIONS: [(&str, &str); 9] = [
    ("us-east-1", "abce"),
    ("us-west-1", "ab"),
    ("us-west-2", "abc"),
    ("eu-west-1", "abc"),
    ("eu-central-1", "ab"),
    ("ap-southeast-1", "ab"),
    ("ap-southeast-2", "ab"),
    ("ap-northeast-1", "ac"),
    ("sa-east-1", "abc"),
];
const OPERATING_SYSTEMS: [&str; 3] = ["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"];
const ARCHITECTURES: [&str; 2] = ["x64", "x86"];
const TEAMS: [&str; 4] = ["SF", "NYC", "LON", "CHI"];
const ENVIRONMENTS: [&str; 3] = ["production", "staging", "test"];

/// Which data.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DataOptions {
    /// How many hosts report.
    #[arg(long, default_value_t = 400)]
    pub(crate) hosts: u64,
    /// Time between two rows of a host: `10s`, `1m`, `1h`.
    #[arg(long, default_value = "10s", value_parser = parse_duration_s)]
    pub(crate) interval: u64,
    /// How many hours of data.
    #[arg(long, default_value_t = 24)]
    pub(crate) hours: u64,
    /// How many rows for each host, in place of `--hours`.
    #[arg(long)]
    pub(crate) rows_per_host: Option<u64>,
    /// Other numbers of the same kind.
    #[arg(long, default_value_t = 123)]
    pub(crate) seed: u64,
}

impl DataOptions {
    fn rows_per_host(&self) -> u64 {
        self.rows_per_host.unwrap_or(self.hours * 3_600 / self.interval)
    }

    /// Time of the first row.
    pub(crate) fn start_s(&self) -> u64 {
        START_S
    }

    /// One interval behind the time of the last row.
    pub(crate) fn end_s(&self) -> u64 {
        START_S + self.rows_per_host() * self.interval
    }

    pub(crate) fn row_count(&self) -> u64 {
        self.hosts * self.rows_per_host()
    }
}

/// Seconds of a duration as a number and a unit; at least one second.
fn parse_duration_s(text: &str) -> Result<u64, String> {
    let unit_start = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_start);
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(format!("`{text}` has no unit s, m or h")),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    seconds.filter(|seconds| *seconds > 0).ok_or_else(|| format!("`{text}` is not a duration"))
}

struct Host {
    /// The line up to the space before the fields.
    key: Vec<u8>,
    usage: [f64; FIELDS.len()],
}

/// Writes the rows one by one.
pub(crate) struct Generator {
    hosts: Vec<Host>,
    random: Random,
    start_s: u64,
    interval_s: u64,
    row_count: u64,
    next_row: u64,
}

impl Generator {
    pub(crate) fn new(options: &DataOptions) -> Self {
        let mut random = Random::new(options.seed);
        let hosts = (0..options.hosts).map(|number| Host::new(number, &mut random)).collect();
        Self {
            hosts,
            random,
            start_s: options.start_s(),
            interval_s: options.interval,
            row_count: options.row_count(),
            next_row: 0,
        }
    }

    pub(crate) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// Appends the next line with its line feed; false at the end.
    pub(crate) fn next_line(&mut self, output: &mut Vec<u8>) -> bool {
        if self.next_row == self.row_count {
            return false;
        }
        let host_count = self.hosts.len() as u64;
        let step = self.next_row / host_count;
        let host = &mut self.hosts[(self.next_row % host_count) as usize];
        host.write_fields(output);
        host.walk(&mut self.random);
        let time_ns = (self.start_s + step * self.interval_s) * NANOSECONDS_PER_SECOND;
        // Writing to a Vec cannot fail.
        let _ = writeln!(output, " {time_ns}");
        self.next_row += 1;
        true
    }

    /// The remaining rows as request bodies of `lines_per_body` lines; the last may have fewer. Each with its count.
    pub(crate) fn bodies(mut self, lines_per_body: u64) -> impl Iterator<Item = (Bytes, u64)> {
        std::iter::from_fn(move || {
            let mut body = Vec::with_capacity(lines_per_body as usize * 350);
            let mut line_count = 0;
            while line_count < lines_per_body && self.next_line(&mut body) {
                line_count += 1;
            }
            (line_count > 0).then(|| (Bytes::from(body), line_count))
        })
    }
}

impl Host {
    fn new(number: u64, random: &mut Random) -> Self {
        let (region, zones) = REGIONS[random.below(REGIONS.len())];
        let zone = char::from(zones.as_bytes()[random.below(zones.len())]);
        let key = format!(
            "cpu,hostname=host_{number},region={region},datacenter={region}{zone},rack={},os={},arch={},team={},\
             service={},service_version={},service_environment={}",
            random.below(100),
            OPERATING_SYSTEMS[random.below(OPERATING_SYSTEMS.len())],
            ARCHITECTURES[random.below(ARCHITECTURES.len())],
            TEAMS[random.below(TEAMS.len())],
            random.below(20),
            random.below(2),
            ENVIRONMENTS[random.below(ENVIRONMENTS.len())],
        );
        let usage = std::array::from_fn(|_| random.percentage());
        Self { key: key.into_bytes(), usage }
    }

    fn walk(&mut self, random: &mut Random) {
        for usage in &mut self.usage {
            *usage = (*usage + random.normal()).clamp(0.0, 100.0);
        }
    }

    fn write_fields(&self, output: &mut Vec<u8>) {
        output.extend_from_slice(&self.key);
        for (index, (name, usage)) in FIELDS.iter().zip(self.usage).enumerate() {
            output.push(if index == 0 { b' ' } else { b',' });
            // Writing to a Vec cannot fail.
            let _ = write!(output, "{name}={}i", usage as i64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(hosts: u64, rows_per_host: u64, seed: u64) -> DataOptions {
        DataOptions { hosts, interval: 10, hours: 24, rows_per_host: Some(rows_per_host), seed }
    }

    fn text(options: &DataOptions) -> String {
        let mut generator = Generator::new(options);
        let mut output = Vec::new();
        while generator.next_line(&mut output) {}
        String::from_utf8_lossy(&output).into_owned()
    }

    #[test]
    fn the_same_options_give_the_same_bytes() {
        assert_eq!(text(&options(3, 4, 1)), text(&options(3, 4, 1)));
        assert_ne!(text(&options(3, 4, 1)), text(&options(3, 4, 2)));
    }

    #[test]
    fn rows_are_ordered_by_time_then_host_and_have_all_fields() {
        let text = text(&options(2, 3, 1));
        let rows: Vec<(&str, &str)> = text
            .lines()
            .map(|line| (&line["cpu,hostname=".len()..line.find(",region").unwrap_or(0)], &line[line.len() - 19..]))
            .collect();
        let times = ["1451606400000000000", "1451606410000000000", "1451606420000000000"];
        let expected: Vec<_> = times.iter().flat_map(|time| [("host_0", *time), ("host_1", *time)]).collect();
        assert_eq!(rows, expected);
        for line in text.lines() {
            for field in FIELDS {
                let value = line.split(&format!("{field}=")).nth(1).and_then(|rest| rest.split('i').next());
                assert!(value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value <= 100), "{line}");
            }
        }
    }

    #[test]
    fn lines_are_as_long_as_the_suite_has_them() {
        let text = text(&options(400, 10, 1));
        let mean = text.len() / text.lines().count();
        assert!((330..360).contains(&mean), "{mean} bytes");
    }

    #[test]
    fn bodies_hold_every_row_once() {
        let options = options(7, 3, 1);
        let bodies: Vec<_> = Generator::new(&options).bodies(5).collect();
        assert_eq!(bodies.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [5, 5, 5, 5, 1]);
        let joined: Vec<u8> = bodies.iter().flat_map(|(body, _)| body.to_vec()).collect();
        assert_eq!(String::from_utf8_lossy(&joined), text(&options));
    }

    #[test]
    fn durations_have_a_unit() {
        for (input, expected) in [("10s", Some(10)), ("2m", Some(120)), ("1h", Some(3_600)), ("10", None), ("0s", None)]
        {
            assert_eq!(parse_duration_s(input).ok(), expected, "{input}");
        }
    }
}

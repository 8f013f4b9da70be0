//! An oracle: random InfluxQL over the same data, asked of this server and of InfluxDB 1, and every difference shown.
//!
//! The data has no two points of a measurement at one time, since which of several comes first is left to chance in
//! InfluxDB. What differs on purpose is listed in [`EXPLAINED`]; anything else makes the run fail. A run is repeated by
//! its seed.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::BenchError;
use crate::http_connection::{Call, Connection};
use crate::ingest::{free_port, prepare_server};
use crate::packages::Packages;
use crate::process::ServerProcess;
use crate::random::Random;
use crate::servers::{self, Server, ServerKind, encoded};

/// Options of `oracle`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The language; there is one.
    #[arg(value_parser = ["influxql"])]
    language: String,
    /// How many queries are asked.
    #[arg(long, default_value_t = 2_000)]
    queries: usize,
    /// Where the random numbers begin.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// This server's program; the one beside this program if none is given.
    #[arg(long)]
    freshet_program: Option<PathBuf>,
    /// Where other servers are kept.
    #[arg(long, env = "FRESHET_BENCH_TOOLS_DIR")]
    tools_dir: PathBuf,
}

/// Parts of queries whose answers differ, and why. A query that has all parts of a line may differ.
const EXPLAINED: &[(&[&str], &str)] = &[
    (&["percentile("], "of equal values ours is the one at its rank by time; InfluxDB ends at a window that has none"),
    (&["mode("], "of values that are equally frequent ours is the one that came first"),
    (&["integral("], "InfluxDB mixes the windows of several series"),
    (&["distinct("], "InfluxDB gives values in the order of a hash table"),
    (&["holt_winters", " DESC"], "InfluxDB foretells nothing where the answer runs backwards"),
    (&["top(", " LIMIT"], "InfluxDB 1 cuts the points before it ranks them; InfluxDB 2 does not"),
    (&["bottom(", " LIMIT"], "the same"),
    (&["top(", " OFFSET"], "the same"),
    (&["bottom(", " OFFSET"], "the same"),
    (&["top(", " DESC"], "InfluxDB does not turn the points of a window"),
    (&["bottom(", " DESC"], "the same"),
    (&["), ", " LIMIT"], "InfluxDB cuts the points of each function, so an answer may have more rows"),
    (&[" OFFSET"], "InfluxDB 1 gives one row where there is an OFFSET and no LIMIT, and offsets each function"),
    (&[" SLIMIT"], "InfluxDB counts series that have no points in the time that is asked for"),
    (&["first(*)", "holt_winters", "fill("], "a text that only a forecast's rows lack is empty in InfluxDB"),
    (&["absent = 'x'"], "InfluxDB does not look at the types where there are no points"),
    (&["FROM (SELECT", "host"], "which of several points at one time comes first is left to chance"),
];

/// 2026-04-01T00:00:00Z.
const START_S: i64 = 1_775_001_600;
const SPAN_S: usize = 3_600;

/// How much two floats may differ, in parts of their size: a sum depends on the order of its parts.
const TOLERANCE: f64 = 1e-9;

/// Runs all of it.
pub(crate) fn run(options: &Options) -> Result<(), BenchError> {
    let packages = Packages::new(&options.tools_dir);
    let provide = |kind| servers::provide(kind, options.freshet_program.as_deref(), &packages);
    let (ours, theirs) = (provide(ServerKind::Freshet)?, provide(ServerKind::Influxdb1)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(compare(options, ours.as_ref(), theirs.as_ref()))
}

/// A server that has the data.
struct Running<'a> {
    server: &'a dyn Server,
    connection: Connection,
    _process: ServerProcess,
    _folder: tempfile::TempDir,
}

impl<'a> Running<'a> {
    async fn start(server: &'a dyn Server, lines: &str, tools_dir: &Path) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir()?;
        let data_dir = folder.path().join("data");
        std::fs::create_dir(&data_dir).map_err(BenchError::at(&data_dir))?;
        let port = free_port()?;
        let log = tools_dir.join(format!("oracle-{}.log", server.name().replace([' ', '(', ')'], "-")));
        let mut process = ServerProcess::start(server.name(), &mut server.command(&data_dir, port), &log)?;
        prepare_server(server, port, &mut process).await?;
        let mut connection = Connection::to(port);
        let mut write = server.write();
        write.body = lines.to_owned().into();
        let answer = connection.send(&write).await?;
        if !answer.is_success() {
            let (status, body) = (answer.status, answer.text());
            return Err(BenchError::Setup { server: server.name(), status, body });
        }
        Ok(Self { server, connection, _process: process, _folder: folder })
    }

    async fn ask(&mut self, query: &str) -> Result<(u16, String), BenchError> {
        let mut call = Call::get(format!("/query?db=b&q={}", encoded(query)));
        call.headers = self.server.write().headers;
        let answer = self.connection.send(&call).await?;
        Ok((answer.status, answer.text()))
    }
}

async fn compare(options: &Options, ours: &dyn Server, theirs: &dyn Server) -> Result<(), BenchError> {
    let mut random = Random::new(options.seed);
    let lines = data(&mut random);
    let mut ours = Running::start(ours, &lines, &options.tools_dir).await?;
    let mut theirs = Running::start(theirs, &lines, &options.tools_dir).await?;
    let mut reasons = std::collections::BTreeMap::<&str, usize>::new();
    let (mut same_count, mut empty_count, mut explained_count, mut different_count) = (0, 0, 0, 0);
    for _ in 0..options.queries {
        let query = query(&mut random, true);
        let (our_answer, their_answer) = (ours.ask(&query).await?, theirs.ask(&query).await?);
        if is_same(&our_answer, &their_answer) {
            same_count += 1;
            empty_count += usize::from(!their_answer.1.contains("\"series\""));
            continue;
        }
        let is_explained = |(parts, _): &&(&[&str], &str)| parts.iter().all(|part| query.contains(part));
        match EXPLAINED.iter().find(is_explained) {
            Some((_, reason)) => {
                explained_count += 1;
                *reasons.entry(*reason).or_insert(0) += 1;
            }
            None => {
                different_count += 1;
                let (ours, theirs) = (our_answer.1.trim(), their_answer.1.trim());
                println!("{query}\n  InfluxDB: {theirs}\n  ours:     {ours}");
            }
        }
    }
    println!(
        "{} queries with seed {}: {same_count} have the same answer (of them {empty_count} without rows), \
         {explained_count} differ with a reason, {different_count} differ",
        options.queries, options.seed
    );
    for (reason, count) in reasons {
        println!("  {count}: {reason}");
    }
    if different_count > 0 { Err(BenchError::Different(different_count)) } else { Ok(()) }
}

fn is_same(ours: &(u16, String), theirs: &(u16, String)) -> bool {
    let json = |text: &str| serde_json::from_str::<Value>(text);
    let (Ok(our_json), Ok(their_json)) = (json(&ours.1), json(&theirs.1)) else {
        return false;
    };
    // An error has more keys here, for clients of InfluxDB 2.
    match their_json.get("error") {
        Some(error) => ours.0 == theirs.0 && our_json.get("error") == Some(error),
        None => same(&our_json, &their_json),
    }
}

fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => match (ours.as_f64(), theirs.as_f64()) {
            (Some(ours), Some(theirs)) => (ours - theirs).abs() <= TOLERANCE * ours.abs().max(theirs.abs()).max(1e-9),
            _ => false,
        },
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().all(|(key, ours)| theirs.get(key).is_some_and(|theirs| same(ours, theirs)))
        }
        (ours, theirs) => ours == theirs,
    }
}

/// Three hosts in two regions, one without; fields of every type, now and then missing; a second measurement with
/// another set of tags and fields.
fn data(random: &mut Random) -> String {
    let mut lines = String::new();
    for second in 0..SPAN_S {
        if random.below(3) == 0 {
            continue;
        }
        let time = (START_S + second as i64) * 1_000_000_000;
        let tags = pick(random, &["host=a,region=eu", "host=b,region=us", "host=c"]);
        let mut fields = vec![format!("f={:.3}", random.percentage() - 30.0)];
        if random.below(4) > 0 {
            fields.push(format!("i={}i", random.below(1_000) as i64 - 500));
        }
        if random.below(3) == 0 {
            fields.push(format!("s=\"{}\"", pick(random, &["x", "y z", "\\\"q\\\""])));
        }
        if random.below(3) == 0 {
            fields.push(format!("b={}", random.below(2) == 0));
        }
        lines.push_str(&format!("m,{tags} {} {time}\n", fields.join(",")));
        if random.below(10) == 0 {
            lines.push_str(&format!("n,host=a,kind=k{} f={} {}\n", random.below(3), random.below(50), time + 500));
        }
    }
    lines
}

fn pick<'a>(random: &mut Random, choices: &[&'a str]) -> &'a str {
    choices.get(random.below(choices.len())).copied().unwrap_or_default()
}

fn maybe(random: &mut Random, of: usize, text: impl FnOnce(&mut Random) -> String) -> String {
    if random.below(of) == 0 { text(random) } else { String::new() }
}

/// A query. Most have an answer with rows; some are refused.
fn query(random: &mut Random, may_nest: bool) -> String {
    let is_grouped = random.below(2) == 0;
    let is_raw = !is_grouped && random.below(3) == 0;
    let fields: Vec<String> = if is_raw {
        (0..=random.below(2)).map(|_| raw_field(random)).collect()
    } else {
        (0..=random.below(2)).map(|_| call(random, is_grouped)).collect()
    };
    let source = match random.below(10) {
        0 => "m, n".to_owned(),
        1 => "/^[mn]$/".to_owned(),
        2 if may_nest => format!("({})", inner(random)),
        _ => "m".to_owned(),
    };
    let mut text = format!("SELECT {} FROM {source}{}", fields.join(", "), condition(random));
    let mut dimensions = Vec::new();
    if is_grouped {
        dimensions
            .push(pick(random, &["time(1m)", "time(7m)", "time(10m, 3m)", "time(5m, -1m)", "time(1h)"]).to_owned());
    }
    if random.below(2) == 0 {
        dimensions.push(pick(random, &["host", "region", "host, region", "*", "/^h/"]).to_owned());
    }
    if !dimensions.is_empty() {
        text.push_str(&format!(" GROUP BY {}", dimensions.join(", ")));
    }
    if is_grouped {
        text.push_str(&maybe(random, 2, |random| {
            format!(" fill({})", pick(random, &["none", "null", "previous", "linear", "0", "2.5"]))
        }));
    }
    text.push_str(&maybe(random, 5, |_| " ORDER BY time DESC".to_owned()));
    text.push_str(&maybe(random, 4, |random| format!(" LIMIT {}", 1 + random.below(8))));
    text.push_str(&maybe(random, 8, |random| format!(" OFFSET {}", random.below(5))));
    text.push_str(&maybe(random, 10, |random| format!(" SLIMIT {}", 1 + random.below(3))));
    text
}

/// A statement whose columns are called as those of the measurement.
fn inner(random: &mut Random) -> String {
    let condition = condition(random);
    match random.below(3) {
        0 => format!("SELECT f, i, host FROM m{condition}"),
        1 => format!("SELECT mean(f) AS f, max(i) AS i FROM m{condition} GROUP BY time(2m), host"),
        _ => format!("SELECT last(f) AS f, first(i) AS i FROM m{condition} GROUP BY host, region"),
    }
}

fn raw_field(random: &mut Random) -> String {
    pick(random, &["f", "i", "s", "b", "*", "f, host", "f + i", "f * 2", "i / 3", "-f", "i % 7", "abs(f)", "round(f)"])
        .to_owned()
}

fn call(random: &mut Random, is_grouped: bool) -> String {
    let field = pick(random, &["f", "f", "f", "i", "i", "s", "b", "*"]);
    let simple =
        ["count", "sum", "mean", "min", "max", "first", "last", "spread", "stddev", "median", "mode", "distinct"];
    let aggregate = match random.below(8) {
        0 => format!("percentile({field}, {})", random.below(101)),
        1 => format!("top(f, {})", 1 + random.below(4)),
        2 => format!("bottom(i, {})", 1 + random.below(4)),
        3 => format!("count(distinct({}))", pick(random, &["f", "i", "s"])),
        4 => format!("integral({field})"),
        _ => format!("{}({field})", pick(random, &simple)),
    };
    let number = pick(random, &["f", "i"]);
    match random.below(6) {
        0 => {
            let argument = if is_grouped {
                format!("{}({number})", pick(random, &["mean", "max", "last", "sum"]))
            } else {
                number.to_owned()
            };
            let transform = pick(
                random,
                &[
                    "derivative(#)",
                    "derivative(#, 10s)",
                    "non_negative_derivative(#)",
                    "difference(#)",
                    "non_negative_difference(#)",
                    "cumulative_sum(#)",
                    "moving_average(#, 3)",
                    "elapsed(#)",
                    "elapsed(#, 1s)",
                ],
            );
            transform.replace('#', &argument)
        }
        1 if is_grouped => {
            format!("holt_winters{}(first({number}), 3, {})", pick(random, &["", "_with_fit"]), random.below(4))
        }
        2 => format!("{aggregate} * 2"),
        _ => aggregate,
    }
}

/// Always with bounds of time: an open upper one is now, which is not the same for both.
fn condition(random: &mut Random) -> String {
    let from = START_S + random.below(SPAN_S / 2) as i64;
    let until = from + 1 + random.below(SPAN_S / 2) as i64;
    let more = maybe(random, 2, |random| {
        let part = pick(
            random,
            &[
                "host = 'a'",
                "host != 'a'",
                "host =~ /[ab]/",
                "host !~ /a/",
                "region = ''",
                "region != ''",
                "f > 10",
                "i <= 100",
                "f > 0 AND i > 0",
                "(host = 'a' OR host = 'b')",
                "s = 'x'",
                "b = true",
                "f > i",
                "absent = 'x'",
            ],
        );
        format!(" AND {part}")
    });
    format!(" WHERE time >= {from}s AND time < {until}s{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_the_same_for_a_seed() {
        let texts = |seed| {
            let mut random = Random::new(seed);
            (0..50).map(|_| query(&mut random, true)).collect::<Vec<_>>()
        };
        assert_eq!(texts(7), texts(7));
        assert_ne!(texts(7), texts(8));
    }

    #[test]
    fn answers_are_compared_as_json() {
        let compared = |ours: &str, theirs: &str| is_same(&(200, ours.to_owned()), &(200, theirs.to_owned()));
        assert!(compared(r#"{"a":[1,2.0000000000001]}"#, r#"{"a":[1.0,2]}"#));
        assert!(!compared(r#"{"a":[1,2.1]}"#, r#"{"a":[1,2]}"#));
        assert!(!compared(r#"{"a":[1]}"#, r#"{"a":[1,2]}"#));
        assert!(!compared(r#"{"a":1,"b":2}"#, r#"{"a":1}"#));
        assert!(compared(r#"{"code":"invalid","error":"x"}"#, r#"{"error":"x"}"#));
        assert!(!compared("x", "x"));
    }
}

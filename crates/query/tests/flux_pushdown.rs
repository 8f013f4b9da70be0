//! What the storage computes of a Flux script is what the interpreter makes out of rows: random pipelines over random
//! data, run both ways, give the same tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use catalog::{BucketId, ManualClock, OrganisationId};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use query::flux::{
    BucketReference, BucketRow, DatabaseRow, FluxError, FluxHost, FluxMode, FluxPart, FluxRequest, Value, parse,
};
use query::{QueryEngine, QueryOptions};
use storage::{BucketInfo, Engine, EngineOptions, Precision, Snapshot, WriteRequest};

/// 2026-01-01T00:00:00Z.
const NOW_NS: i64 = 1_767_225_600_000_000_000;

/// One bucket, as it was when the script began.
#[derive(Debug)]
struct OneBucket(Snapshot);

impl FluxHost for OneBucket {
    fn snapshot(&self, bucket: BucketReference) -> BoxFuture<'_, Result<Snapshot, FluxError>> {
        Box::pin(async move { if bucket.label() == "b" { Ok(self.0.clone()) } else { Err(bucket.not_found()) } })
    }

    fn buckets(&self) -> BoxFuture<'_, Result<Vec<BucketRow>, FluxError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn databases(&self) -> BoxFuture<'_, Result<Vec<DatabaseRow>, FluxError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn write(&self, bucket: BucketReference, _lines: String) -> BoxFuture<'_, Result<(), FluxError>> {
        Box::pin(async move { Err(bucket.not_found()) })
    }
}

struct Database {
    engine: Engine,
    queries: QueryEngine,
    bucket: Arc<BucketInfo>,
    _folder: tempfile::TempDir,
}

impl Database {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = EngineOptions::new(folder.path(), 1 << 30, Arc::new(ManualClock::new(NOW_NS)));
        let engine = Engine::open(options).await.unwrap();
        let bucket = BucketInfo {
            organisation: OrganisationId::from_u64(1).unwrap(),
            organisation_name: "o".to_owned(),
            bucket: BucketId::from_u64(16).unwrap(),
            name: "b".to_owned(),
        };
        let options = QueryOptions {
            memory_limit_bytes: 1 << 28,
            spill_dir: folder.path().join("spill"),
            spill_limit_bytes: 1 << 30,
            threads: 2,
            running: 4,
            waiting: 16,
            timeout: Duration::from_secs(60),
        };
        Self { engine, queries: QueryEngine::new(options).unwrap(), bucket: Arc::new(bucket), _folder: folder }
    }

    async fn write(&self, lines: String) {
        let request = WriteRequest {
            bucket: Arc::clone(&self.bucket),
            retention: None,
            body: lines.into(),
            precision: Precision::Second,
        };
        assert_eq!(self.engine.write(request).await.unwrap().dropped, None);
    }

    async fn run(&self, script: &str, mode: FluxMode) -> Result<String, String> {
        let snapshot = self.engine.snapshot(self.bucket.bucket, None).await.unwrap();
        let file = parse(script).unwrap_or_else(|error| panic!("{script}: {error}"));
        let host = Arc::new(OneBucket(snapshot));
        let request = FluxRequest { files: vec![file], now_ns: NOW_NS, host, params: None, mode };
        let mut result = self.queries.flux(request).await.map_err(|error| error.to_string())?;
        let mut text = String::new();
        while let Some(part) = result.next().await {
            show(&part.map_err(|error| error.to_string())?, &mut text);
        }
        Ok(text)
    }

    /// Runs a script both ways. Returns the lines of the answer; 0 if it is an error.
    async fn check(&self, script: &str) -> usize {
        let pushed = self.run(script, FluxMode::Run).await;
        let interpreted = self.run(script, FluxMode::Interpret).await;
        assert_eq!(pushed, interpreted, "{script}\npushed:\n{}", pushed.as_deref().unwrap_or_default());
        pushed.map_or(0, |text| text.lines().count())
    }
}

/// All that annotated CSV shows of a part of an answer, and what null and the empty text keep apart.
fn show(part: &FluxPart, text: &mut String) {
    let table = match part {
        FluxPart::Result(name) => return writeln!(text, "# {name}").unwrap(),
        FluxPart::Table(table) => table,
    };
    let label = |column: &query::flux::Column| {
        let star = if table.key().contains(&column.label) { "*" } else { "" };
        format!("{}:{}{star}", column.label, column.data.column_type().name())
    };
    let labels: Vec<String> = table.columns().iter().map(label).collect();
    let key: Vec<String> = table.key().columns().iter().map(|(label, value)| format!("{label}={value}")).collect();
    writeln!(text, "{} | {}", labels.join(","), key.join(",")).unwrap();
    for row in 0..table.rows() {
        let cell = |column: &query::flux::Column| match column.data.value(row) {
            Value::Null => "-".to_owned(),
            value => value.to_string(),
        };
        writeln!(text, "{}", table.columns().iter().map(cell).collect::<Vec<String>>().join(",")).unwrap();
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }
}

/// Some lines: three measurements with tags and fields of their own, gaps, and fields that are missing now and then.
/// Sums of the floats are exact.
fn lines(random: &mut Random, start: usize) -> String {
    let mut text = String::new();
    for measurement in ["m", "n", "o"] {
        for host in 0..1 + random.below(4) {
            let region = random.pick(&["", ",region=a", ",region=b", ",Zone=z"]);
            let mut time = start + random.below(5);
            for _ in 0..random.below(60) {
                time += if random.one_in(20) { random.below(90) } else { 10 };
                let mut fields = vec![
                    format!("f={}", random.below(1000) as f64 / 8.0),
                    format!("g={}", random.below(20) as f64 / 2.0 - 5.0),
                ];
                if measurement != "o" {
                    fields.push(format!("i={}i", random.below(20) as i64 - 10));
                    fields.push(format!("u={}u", random.below(1000)));
                }
                if measurement == "m" {
                    fields.push(format!("b={}", random.one_in(2)));
                    fields.push(format!("s=\"t{}\"", random.below(9)));
                }
                fields.retain(|_| random.below(5) > 0);
                if !fields.is_empty() {
                    text += &format!("{measurement},host=h{host}{region} {} {time}\n", fields.join(","));
                }
            }
        }
    }
    text
}

fn filters(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(4) {
        let condition = random.pick(&[
            r#"r._measurement == "m""#,
            r#"r._measurement == "n" or r._measurement == "o""#,
            r#"r._measurement =~ /[mn]/ and r._field == "i""#,
            r#"r._field == "f""#,
            r#"r._field == "f" or r._field == "g""#,
            r#"r._field != "s" and r._field != "b""#,
            r#"r.host == "h1""#,
            r#"r.host == "h0" or r.host == "h2""#,
            r#"r.host =~ /h[12]/"#,
            r#"r.region != "a""#,
            r#"exists r.region"#,
            r#"not exists r.region"#,
            r#"r.region == "b" or r._field == "g""#,
            "r._value > 60.0",
            "r._value <= 3",
            r#"r._value > 20 and r._field == "u""#,
            r#"r._field == "f" and r._value < 50.0 or r.host == "h1""#,
            r#"r.host == "h1" or r._value > 4.0"#,
            r#"r._value == "t3""#,
            r#"r.nothing == "x""#,
            r#"r.nothing != "x""#,
        ]);
        text += &format!("\n    |> filter(fn: (r) => {condition})");
    }
    text
}

fn group(random: &mut Random) -> String {
    let columns = random.pick(&[
        "",
        r#"columns: ["host"]"#,
        r#"columns: ["_field"]"#,
        r#"columns: ["_measurement", "_field"]"#,
        r#"columns: ["_field", "_measurement", "region"]"#,
        r#"columns: ["region", "Zone"]"#,
        r#"columns: ["host"], mode: "except""#,
        r#"columns: ["_time", "_value", "host"], mode: "except""#,
        r#"columns: ["_time", "_value", "_start", "_field"], mode: "except""#,
        r#"columns: ["_value"]"#,
    ]);
    format!("\n    |> group({columns})")
}

const SIMPLE: [&str; 12] =
    ["count", "mean", "sum", "min", "max", "first", "last", "spread", "stddev", "median", "unique", "distinct"];

/// What makes fewer rows of the tables.
fn reduction(random: &mut Random) -> String {
    let every = random.pick(&["30s", "60s", "300s", "7s", "1mo", "45m"]);
    match random.below(8) {
        0..=3 => {
            let function = random.pick(&SIMPLE[..9]);
            let more = random.pick(&[
                "",
                "",
                ", createEmpty: false",
                ", createEmpty: false",
                ", offset: 7s",
                ", offset: -13s, createEmpty: false",
                r#", timeSrc: "_start""#,
                r#", timeSrc: "_start", createEmpty: false"#,
                ", period: 90s",
                r#", location: {zone: "Europe/Paris", offset: 0h}"#,
                r#", timeDst: "t""#,
            ]);
            // A table has a row for each window.
            let every = if more.contains("createEmpty: false") { every } else { random.pick(&["60s", "300s", "1h"]) };
            format!("\n    |> aggregateWindow(every: {every}, fn: {function}{more})")
        }
        4 => {
            let function = random.pick(&SIMPLE[..9]);
            let empty = random.pick(&["", ", createEmpty: true", ", offset: 3s"]);
            let every = if empty.contains("true") { "300s" } else { every };
            format!("\n    |> window(every: {every}{empty})\n    |> {function}()")
        }
        5 => format!("\n    |> {}(column: \"_value\")", random.pick(&SIMPLE)),
        6 => format!("\n    |> {}()", random.pick(&SIMPLE[..8])),
        _ => random
            .pick(&[
                "\n    |> limit(n: 3)",
                "\n    |> limit(n: 2, offset: 4)",
                "\n    |> keys()",
                "\n    |> keys()\n    |> keep(columns: [\"_value\"])\n    |> distinct()",
                "\n    |> keep(columns: [\"host\"])\n    |> group()\n    |> distinct(column: \"host\")",
                "\n    |> keep(columns: [\"region\"])\n    |> group()\n    |> distinct(column: \"region\")",
                "\n    |> keep(columns: [\"_field\"])\n    |> group()\n    |> distinct(column: \"_field\")",
                "\n    |> keep(columns: [\"_measurement\"])\n    |> group()\n    |> distinct(column: \"_measurement\")",
                "\n    |> keep(columns: [\"Zone\"])\n    |> group()\n    |> distinct(column: \"Zone\")",
                "\n    |> distinct(column: \"host\")",
                "\n    |> sort(columns: [\"_time\"], desc: true)\n    |> limit(n: 4)",
            ])
            .to_owned(),
    }
}

fn tail(random: &mut Random) -> String {
    let steps = [
        r#"pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")"#,
        r#"pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
    |> filter(fn: (r) => r.f > 40.0)"#,
        r#"pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
    |> filter(fn: (r) => r.f > 40.0 and r.g <= 2.0 or r.host == "h2")"#,
        r#"pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
    |> group(columns: ["host"])"#,
        r#"pivot(rowKey: ["_time", "host"], columnKey: ["_field"], valueColumn: "_value")"#,
        r#"pivot(rowKey: ["_time"], columnKey: ["_measurement", "_field"], valueColumn: "_value")"#,
        r#"map(fn: (r) => ({r with _value: r._value * 2.0}))"#,
        r#"map(fn: (r) => ({host: r.host, v: float(v: r._value) / 4.0, big: r._value > 10}))"#,
        r#"filter(fn: (r) => r._value + 1.0 > 30.0 or exists r.region and r.host != "h1")"#,
        r#"sort(columns: ["_time"], desc: true)
    |> limit(n: 3)"#,
        r#"sort(columns: ["_time"])
    |> limit(n: 3)"#,
        r#"sort(columns: ["_time"], desc: true)
    |> limit(n: 2, offset: 1)"#,
        r#"group(columns: ["host"])"#,
        "group()",
        r#"keep(columns: ["_time", "_value", "host"])"#,
        r#"drop(columns: ["_start", "_stop"])"#,
        "difference()",
        r#"last()"#,
        r#"yield(name: "first")
    |> count()"#,
    ];
    if random.one_in(2) { String::new() } else { format!("\n    |> {}", random.pick(&steps)) }
}

/// The last windows of all tables together.
fn latest(random: &mut Random) -> String {
    let every = random.pick(&["30s", "60s", "300s", "7s"]);
    let function = random.pick(&SIMPLE[..9]);
    let more = random.pick(&["", ", offset: 7s", r#", timeSrc: "_start""#]);
    let limit = random.pick(&["n: 1", "n: 5", "n: 2, offset: 3", "n: 1000"]);
    format!(
        "\n    |> group()\n    |> aggregateWindow(every: {every}, fn: {function}{more}, createEmpty: false)\n    \
         |> sort(columns: [\"_time\"], desc: true)\n    |> limit({limit})"
    )
}

fn script(random: &mut Random) -> String {
    let from = random.below(1_500);
    let to = from + 1 + random.below(3_000);
    let mut text = format!("from(bucket: \"b\")\n    |> range(start: {from}, stop: {to})");
    text += &filters(random);
    if random.one_in(12) {
        return text + &latest(random);
    }
    if random.one_in(3) {
        text += &group(random);
    }
    if random.below(5) > 0 {
        text += &reduction(random);
    }
    text + &tail(random)
}

async fn random_pipelines(seeds: std::ops::Range<u64>) {
    let (mut count, mut lines_of_answers) = (0, 0);
    for seed in seeds {
        let mut random = Random(seed);
        let database = Database::open().await;
        for generation in 0..3 {
            let start = if random.one_in(2) { generation * 900 } else { random.below(1_500) };
            database.write(lines(&mut random, start)).await;
            if random.below(4) > 0 {
                database.engine.flush().await.unwrap();
            }
            for _ in 0..40 {
                count += 1;
                lines_of_answers += database.check(&script(&mut random)).await;
            }
        }
    }
    assert!(lines_of_answers > 20 * count, "{count} scripts gave {lines_of_answers} lines");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_pipelines_have_one_answer() {
    random_pipelines(0..8).await;
}

/// What can be said of a row, with errors among it.
const EXPRESSIONS: &[&str] = &[
    "r.f + r.g",
    "r.f - 1.5",
    "2.0 * r.f / r.g",
    "r.f % 7.0",
    "r.f ^ 2.0",
    "-r.f",
    "r.i + 3",
    "r.i * r.i - 7",
    "r.i / 4",
    "r.i % 3",
    "100 / r.i",
    "-r.i",
    "r.u + uint(v: 1)",
    "r.f + float(v: r.i)",
    "int(v: r.f) + r.i",
    "string(v: r.f) + r.s",
    "r.s + r.host",
    "r.s == \"t3\"",
    "r.s >= \"t5\"",
    "r.s =~ /[1-4]/",
    "r.s !~ /[1-4]/",
    "r.f > r.i",
    "r.i <= r.u",
    "r.f == r.g",
    "r.i != 3",
    "r.f >= 20",
    "20.0 > r.f",
    "r.b and r.f > 10.0",
    "r.b or r.i > 2",
    "not r.b",
    "exists r.s",
    "exists r.nothing",
    "r.nothing > 3.0",
    "r.host == \"h1\" and not exists r.i",
    "if r.b then r.f else r.g",
    "if r.f > 60.0 then \"high\" else if r.f > 20.0 then \"middle\" else \"low\"",
    "if exists r.i then r.i else 0",
    "if r.b then r.f else r.i",
    "\"${r.host}-${r.region}\"",
    "\"${r.host}: ${string(v: r.f)}\"",
    "r._time > 1970-01-01T00:10:00Z",
    "r._stop == r._time",
    "r.f + r.s",
    "r.b + r.b",
    "scale(x: r.f)",
    "scale(x: r.f, by: 3.0) > 100.0",
    "block(x: r.i)",
    "strings.toUpper(v: r.s)",
    "math.floor(x: r.f)",
    "contains(value: r.s, set: [\"t1\", \"t2\"])",
    "({r with f: 1.0}).f",
    "limits.low < r.f",
];

/// Functions of rows over columns of every type, with nulls in them: pivoted rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_of_rows_have_one_answer() {
    let mut random = Random(77);
    let database = Database::open().await;
    database.write(lines(&mut random, 0)).await;
    database.engine.flush().await.unwrap();
    database.write(lines(&mut random, 400)).await;
    let head = "import \"math\"\nimport \"strings\"\nlimits = {low: 25.0}\nscale = (x, by=2.0) => x * by\n\
                block = (x) => {\n    y = x * 2\n    return if y > 4 then y else x\n}\n\
                rows = from(bucket: \"b\") |> range(start: 0, stop: 3000)\n    \
                |> pivot(rowKey: [\"_time\"], columnKey: [\"_field\"], valueColumn: \"_value\")\n";
    let mut answered = 0;
    for expression in EXPRESSIONS {
        let mut answers = 0;
        for measurement in ["m", "n", "o"] {
            let of = format!("rows |> filter(fn: (r) => r._measurement == \"{measurement}\")");
            answers += database.check(&format!("{head}{of} |> map(fn: (r) => ({{r with new: {expression}}}))")).await;
            let other = format!("{head}{of} |> map(fn: (r) => ({{host: r.host, new: {expression}, _time: r._time}}))");
            answers += database.check(&other).await;
            answers += database.check(&format!("{head}{of} |> filter(fn: (r) => {expression})")).await;
        }
        answered += usize::from(answers > 0);
    }
    assert!(answered > 35, "only {answered} expressions have an answer");
}

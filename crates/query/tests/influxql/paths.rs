//! The direct path gives the answers that reading row by row gives: for every recorded statement, and for random ones
//! over random tables.
use super::*;

/// Runs a statement both ways.
async fn both(database: &Database, text: &str) -> [Result<Vec<Series>, String>; 2] {
    let snapshot = database.engine.snapshot(database.bucket.bucket, None).await.unwrap();
    let mut answers = Vec::new();
    for row_by_row in [false, true] {
        let statement = parse(text, None).unwrap().pop().unwrap();
        let mut databases = Databases::default();
        databases.insert((None, None), snapshot.clone());
        if row_by_row {
            databases.read_row_by_row();
        }
        let request = InfluxqlRequest { statement, databases, now_ns: NOW_NS };
        let answer = async { database.queries.influxql(request).await?.collect().await };
        answers.push(answer.await.map(|(series, _)| series).map_err(|error| error.to_string()));
    }
    answers.try_into().unwrap_or_else(|_| panic!("two answers"))
}

/// Equal but for the last digits of floats: sums of parts are added in another order.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => {
            left == right || (left - right).abs() <= 1e-9 * left.abs().max(right.abs()).max(1.0)
        }
        _ => left == right,
    }
}

async fn check(database: &Database, text: &str) -> usize {
    match both(database, text).await {
        [Ok(direct), Ok(plain)] => {
            let heads = |series: &[Series]| {
                let head = |series: &Series| (series.name.clone(), series.tags.clone(), series.rows.len());
                series.iter().map(head).collect::<Vec<_>>()
            };
            assert_eq!(heads(&direct), heads(&plain), "{text}");
            let mut count = 0;
            for (direct, plain) in direct.iter().zip(&plain) {
                for (left, right) in direct.rows.iter().zip(&plain.rows) {
                    let equal =
                        left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right));
                    assert!(equal, "{text}: {:?}\n{left:?}\n{right:?}", direct.tags);
                    count += 1;
                }
            }
            count
        }
        [direct, plain] => {
            assert_eq!(direct.map(|_| ()), plain.map(|_| ()), "{text}");
            0
        }
    }
}

#[tokio::test]
async fn recorded_statements_have_one_answer() {
    let database = Database::open(256 << 20).await;
    let data = include_str!("../../../../tests/golden/recorded/influxql_data.lp");
    // Half of it in a file, the other half in memory.
    let lines: Vec<&str> = data.lines().collect();
    for (place, half) in lines.chunks(lines.len().div_ceil(2)).enumerate() {
        database.write(half.join("\n")).await;
        if place == 0 {
            database.engine.flush().await.unwrap();
        }
    }
    let recorded = include_str!("../../../../tests/golden/recorded/influxql_2_9.jsonl");
    let (mut statements, mut rows) = (0, 0);
    for line in recorded.lines() {
        let exchange: serde_json::Value = serde_json::from_str(line).unwrap();
        let Ok(parsed) = parse(exchange["query"].as_str().unwrap(), None) else { continue };
        for statement in parsed {
            if matches!(&statement, query::influxql::Statement::Select(select) if select.target.is_none()) {
                statements += 1;
                // Not what depends on chance.
                if !statement.to_string().contains("sample(") {
                    rows += check(&database, &statement.to_string()).await;
                }
            }
        }
    }
    assert!(statements > 100 && rows > 1_000, "{statements} statements, {rows} rows");
}

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

/// Some lines: few series, many rows, gaps, and fields that are missing now and then.
fn lines(random: &mut Random, start: usize) -> String {
    let mut text = String::new();
    for host in 0..1 + random.below(4) {
        let region = random.pick(&["", ",region=a", ",region=b"]);
        let mut time = start + random.below(5);
        for _ in 0..random.below(120) {
            time += if random.below(20) == 0 { random.below(60) } else { 10 };
            let mut fields = vec![format!("i={}i", random.below(20) as i64 - 10)];
            fields.push(format!("f={}", random.below(1000) as f64 / 8.0));
            fields.push(format!("u={}i", random.below(1000)));
            fields.push(format!("b={}", random.below(2) == 0));
            fields.push(format!("s=\"t{}\"", random.below(9)));
            fields.retain(|_| random.below(5) > 0);
            if !fields.is_empty() {
                text += &format!("m,host=h{host}{region} {} {time}\n", fields.join(","));
            }
        }
    }
    text
}

/// The fields of a statement.
fn fields(random: &mut Random, is_raw: bool) -> String {
    if is_raw {
        return random.pick(&["*", "i, f", "f, host", "i + u, s", "b"]).to_owned();
    }
    let functions = ["count", "sum", "mean", "min", "max", "first", "last", "spread", "median", "stddev"];
    let call = |random: &mut Random| {
        let known = if random.below(4) == 0 { 10 } else { 8 };
        match random.pick(&functions[..known]) {
            function @ ("min" | "max") if random.below(3) == 0 => format!("{function}(b)"),
            function @ ("first" | "last" | "count") if random.below(3) == 0 => {
                format!("{function}({})", random.pick(&["b", "s"]))
            }
            function => format!("{function}({})", random.pick(&["i", "f", "u"])),
        }
    };
    match random.below(6) {
        0 => "max(f), host".to_owned(),
        1 => format!("mean({}) / 2 + 1", random.pick(&["i", "f"])),
        2 => format!("difference(mean({}))", random.pick(&["i", "f"])),
        _ => {
            let calls = (0..1 + random.below(3)).map(|place| format!("{} AS c{place}", call(random)));
            calls.collect::<Vec<_>>().join(", ")
        }
    }
}

fn conditions(random: &mut Random) -> Vec<String> {
    let mut conditions = Vec::new();
    let from = random.below(3_000);
    if random.below(3) > 0 {
        conditions.push(format!("time >= {from}s"));
    }
    if random.below(3) > 0 {
        conditions.push(format!("time < {}s", from + random.below(2_000)));
    }
    for _ in 0..random.below(3) {
        let condition = random.pick(&[
            "host = 'h1'",
            "(host = 'h0' OR host = 'h2')",
            "host =~ /h[12]/",
            "region = ''",
            "region != 'a'",
            "f > 60",
            "i <= 3.5",
            "i = 2",
            "(f < 20 OR host = 'h3')",
            "b = true",
            "s = 't3'",
            "u + i > 400",
            "nothing = 'x'",
        ]);
        conditions.push(condition.to_owned());
    }
    conditions
}

fn statement(random: &mut Random) -> String {
    let is_raw = random.below(3) == 0;
    let fields = fields(random, is_raw);
    let mut text = format!("SELECT {fields} FROM m");
    let conditions = conditions(random);
    if !conditions.is_empty() {
        text += &format!(" WHERE {}", conditions.join(" AND "));
    }
    let mut groups = Vec::new();
    let can_have_windows = !is_raw && !fields.contains("host");
    if can_have_windows && random.below(2) == 0 || fields.contains("difference") {
        groups.push(format!("time({}s{})", random.pick(&["30", "60", "300"]), random.pick(&["", ", 7s", ", -13s"])));
    }
    let windows = !groups.is_empty();
    if random.below(2) == 0 {
        groups.push(random.pick(&["host", "region", "host, region", "*", "nothing"]).to_owned());
    }
    if !groups.is_empty() {
        text += &format!(" GROUP BY {}", groups.join(", "));
    }
    if windows {
        // Without bounds there would be millions of windows to fill.
        let fills = ["fill(none)", "fill(null)", "fill(previous)", "fill(linear)", "fill(7)"];
        let bounded = text.contains("time >=") && text.contains("time <");
        text += &format!(" {}", if bounded { random.pick(&fills) } else { "fill(none)" });
    }
    for (chance, words, number) in [(3, " ORDER BY time DESC", None), (3, " LIMIT ", Some(5)), (5, " OFFSET ", Some(3))]
    {
        if random.below(chance) == 0 {
            text += words;
            text += &number.map_or(String::new(), |number| (1 + random.below(number)).to_string());
        }
    }
    text
}

/// Statements that want the last values of series, which are kept from one to the next.
fn last_statement(random: &mut Random) -> String {
    let is_raw = random.below(2) == 0;
    let fields = if is_raw {
        random.pick(&["*", "i", "i, f, u, b", "f, host", "s", "i + u"])
    } else {
        random.pick(&["last(i)", "last(f), last(u)", "last(b)", "last(*)", "last(i) + last(u)"])
    };
    let mut text = format!("SELECT {fields} FROM m");
    let conditions = ["host = 'h1'", "region != 'a'", "time >= 700s", "time < 1500s", "time < 9000s", "i > 0"];
    let conditions: Vec<&str> = conditions.into_iter().filter(|_| random.below(6) == 0).collect();
    if !conditions.is_empty() {
        text += &format!(" WHERE {}", conditions.join(" AND "));
    }
    text += random.pick(&["", " GROUP BY host", " GROUP BY *", " GROUP BY region", " GROUP BY host, region"]);
    if is_raw {
        text += " ORDER BY time DESC LIMIT 1";
    }
    text
}

#[tokio::test]
async fn last_values_have_one_answer() {
    let mut rows = 0;
    for seed in 100..115 {
        let mut random = Random(seed);
        let database = Database::open(256 << 20).await;
        for generation in 0..5 {
            let start = if random.below(2) == 0 { generation * 2_000 } else { random.below(1_500) };
            database.write(lines(&mut random, start)).await;
            if random.below(4) > 0 {
                database.engine.flush().await.unwrap();
            }
            for _ in 0..12 {
                let text = last_statement(&mut random);
                rows += check(&database, &text).await;
            }
        }
    }
    assert!(rows > 1_000, "{rows} rows");
}

#[tokio::test]
async fn random_statements_have_one_answer() {
    let mut rows = 0;
    for seed in 0..25 {
        let mut random = Random(seed);
        let database = Database::open(256 << 20).await;
        for generation in 0..1 + random.below(4) {
            let start = if random.below(2) == 0 { generation * 2_000 } else { random.below(1_500) };
            database.write(lines(&mut random, start)).await;
            if random.below(3) > 0 {
                database.engine.flush().await.unwrap();
            }
        }
        for _ in 0..40 {
            let text = statement(&mut random);
            rows += check(&database, &text).await;
        }
    }
    assert!(rows > 10_000, "{rows} rows");
}

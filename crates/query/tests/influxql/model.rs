//! Last values, values of tags and numbers of series, which are kept for each file and read without points, against a
//! model: after late rows, rows written twice, deletes, flushes, compaction, restarts, and within a retention period.
use std::collections::{BTreeMap, BTreeSet};

use super::paths::Random;
use super::*;

/// A host and a region.
type Tags = (usize, usize);

/// The values of `f` and `g` by second.
type Rows = BTreeMap<i64, [Option<i64>; 2]>;

type Model = BTreeMap<Tags, Rows>;

const FIRST_S: i64 = NOW_NS / 1_000_000_000 - 20_000;

fn tags((host, region): (usize, usize)) -> String {
    format!(",host=h{host}{}", if region == 0 { String::new() } else { format!(",region=r{region}") })
}

/// Some rows, of which some are written already.
fn rows(random: &mut Random, model: &mut Model, value: &mut i64) -> String {
    let start = FIRST_S + random.below(18_000) as i64;
    let mut lines = String::new();
    for _ in 0..1 + random.below(60) {
        let series = (random.below(5), random.below(3));
        let time = start + random.below(300) as i64;
        *value += 1;
        let fields = match random.below(3) {
            0 => [Some(*value), None],
            1 => [None, Some(*value)],
            _ => [Some(*value), Some(-*value)],
        };
        let named = ["f", "g"].iter().zip(fields).filter_map(|(name, value)| Some(format!("{name}={}i", value?)));
        lines += &format!("m{} {} {time}\n", tags(series), named.collect::<Vec<_>>().join(","));
        let row = model.entry(series).or_default().entry(time).or_default();
        row.iter_mut().zip(fields).for_each(|(known, value)| *known = value.or(*known));
    }
    lines
}

/// Deletes some rows of a host, of a region, or of a time.
async fn delete(database: &Database, random: &mut Random, model: &mut Model) {
    let from = FIRST_S + random.below(18_000) as i64;
    let (condition, host, region, to) = match random.below(3) {
        0 => {
            let host = random.below(5);
            (format!("host = 'h{host}' AND time >= {from}s"), Some(host), None, i64::MAX)
        }
        1 => {
            let region = 1 + random.below(2);
            (format!("region = 'r{region}' AND time >= {from}s"), None, Some(region), i64::MAX)
        }
        _ => (format!("time >= {from}s AND time < {}s", from + 500), None, None, from + 500),
    };
    for filter in database.deletes(&format!("DELETE FROM m WHERE {condition}")).await.unwrap() {
        let (organisation, bucket) = (database.bucket.organisation, database.bucket.bucket);
        database.engine.delete(DeleteRequest { organisation, bucket, filter }).await.unwrap();
    }
    for ((_, _), rows) in model.iter_mut().filter(|((of_host, of_region), _)| {
        host.is_none_or(|host| host == *of_host) && region.is_none_or(|region| region == *of_region)
    }) {
        rows.retain(|time, _| *time < from || *time >= to);
    }
    model.retain(|_, rows| !rows.is_empty());
}

/// The model's rows that a retention period shows.
fn visible(model: &Model, retention: Option<Duration>) -> Model {
    let from = retention.map_or(i64::MIN, |retention| NOW_NS / 1_000_000_000 - retention.as_secs() as i64);
    let mut visible = model.clone();
    visible.values_mut().for_each(|rows| rows.retain(|time, _| *time >= from));
    visible.retain(|_, rows| !rows.is_empty());
    visible
}

async fn check(database: &Database, model: &Model, retention: Option<Duration>) {
    let model = visible(model, retention);
    let ask = async |text: &str| -> Vec<Series> {
        let mut request = database.request(text).await;
        let snapshot = database.engine.snapshot(database.bucket.bucket, retention).await.unwrap();
        request.databases = Databases::default();
        request.databases.insert((None, None), snapshot);
        database.queries.influxql(request).await.unwrap().collect().await.unwrap().0
    };
    let text = |value: &str| Value::Text(value.into());
    let values = |rows: Vec<Series>| -> Vec<Value> {
        rows.into_iter().flat_map(|series| series.rows).map(|row| row.last().unwrap().clone()).collect()
    };
    let hosts: BTreeSet<usize> = model.keys().map(|(host, _)| *host).collect();
    let expected: Vec<Value> = hosts.iter().map(|host| text(&format!("h{host}"))).collect();
    assert_eq!(values(ask("SHOW TAG VALUES FROM m WITH KEY = host").await), expected);
    let in_region: BTreeSet<usize> = model.keys().filter(|(_, region)| *region == 1).map(|(host, _)| *host).collect();
    let expected: Vec<Value> = in_region.iter().map(|host| text(&format!("h{host}"))).collect();
    assert_eq!(values(ask("SHOW TAG VALUES FROM m WITH KEY = host WHERE region = 'r1'").await), expected);
    let mut keys: Vec<String> = model.keys().map(|series| format!("m{}", tags(*series))).collect();
    keys.sort();
    let expected: Vec<Value> = keys.iter().map(|key| text(key)).collect();
    assert_eq!(values(ask("SHOW SERIES FROM m").await), expected);
    let count = values(ask("SHOW SERIES EXACT CARDINALITY").await);
    assert_eq!(count, if model.is_empty() { Vec::new() } else { vec![Value::Integer(model.len() as i64)] });
    let region = |region: usize| if region == 0 { String::new() } else { format!("r{region}") };
    let head = |series: &Series| series.tags.iter().map(|(_, value)| value.to_string()).collect::<Vec<_>>();
    // The last row of each series.
    let found = ask("SELECT f, g FROM m GROUP BY host, region ORDER BY time DESC LIMIT 1").await;
    let mut found: Vec<_> = found.into_iter().map(|mut series| (head(&series), series.rows.remove(0))).collect();
    found.sort_by(|left, right| left.0.cmp(&right.0));
    let number = |value: &Option<i64>| value.map_or(Value::Null, Value::Integer);
    let last = |((host, in_region), rows): (&Tags, &Rows)| {
        let (time, fields) = rows.last_key_value().unwrap();
        let row = vec![Value::Time(time * 1_000_000_000), number(&fields[0]), number(&fields[1])];
        (vec![format!("h{host}"), region(*in_region)], row)
    };
    assert_eq!(found, model.iter().map(last).collect::<Vec<_>>());
    // The last value of each field, which may be of different rows.
    let found = ask("SELECT last(f), last(g) FROM m GROUP BY host, region").await;
    let found: Vec<_> =
        found.into_iter().map(|mut series| (head(&series), series.rows.remove(0).split_off(1))).collect();
    let last_of = |rows: &Rows, field: usize| number(&rows.values().rev().find_map(|fields| fields[field]));
    let last = |((host, in_region), rows): (&Tags, &Rows)| {
        (vec![format!("h{host}"), region(*in_region)], vec![last_of(rows, 0), last_of(rows, 1)])
    };
    assert_eq!(found, model.iter().map(last).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_kept_of_files_is_that_of_the_model() {
    for seed in 0..6 {
        let mut random = Random(seed);
        let mut database = Database::open(256 << 20).await;
        let (mut model, mut value) = (Model::new(), 0);
        for _ in 0..40 {
            match random.below(12) {
                0..5 => database.write(rows(&mut random, &mut model, &mut value)).await,
                5..8 => drop(database.engine.flush().await.unwrap()),
                8..10 if !model.is_empty() => delete(&database, &mut random, &mut model).await,
                10 => drop(database.engine.compact().await.unwrap()),
                _ => database = database.restarted().await,
            }
            if random.below(2) == 0 {
                let retention = [None, Some(Duration::from_secs(5_000 + random.below(15_000) as u64))];
                check(&database, &model, retention[random.below(2)]).await;
            }
        }
        check(&database, &model, None).await;
    }
}

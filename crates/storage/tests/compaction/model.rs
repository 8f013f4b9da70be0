//! Random work against a map: late, overlapping and repeated points with some of their fields, new columns on the way,
//! flushes, merges, power failures and restarts. Whatever was done, the rows are those of the map.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use storage::disk::SimulatedDisk;

use crate::support::Database;

/// SplitMix64: a case is its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

type Key = (BTreeMap<&'static str, &'static str>, i64);

#[derive(Default)]
struct Model {
    points: BTreeMap<Key, BTreeMap<&'static str, String>>,
}

impl Model {
    fn rows(&self) -> Vec<String> {
        let row = |((tags, time), fields): (&Key, &BTreeMap<&'static str, String>)| {
            let mut cells: BTreeMap<String, String> = BTreeMap::new();
            cells.extend(tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            cells.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            cells.insert("time".to_owned(), format!("1970-01-01T00:00:00.{time:09}"));
            cells.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        let mut rows: Vec<String> = self.points.iter().map(row).collect();
        rows.sort();
        rows
    }

    /// Some points: as lines, and into the map. Later generations know more columns.
    fn write(&mut self, random: &mut Random, generation: usize) -> String {
        const TAGS: [(&str, [&str; 3]); 3] = [("t", ["a", "b", "ü"]), ("u", ["x", "y", "z"]), ("a", ["1", "2", "3"])];
        const FIELDS: [&str; 4] = ["f", "g", "s", "i"];
        let mut lines = String::new();
        // Mostly on, sometimes late, now and then all over the place.
        let (start, span) = match random.below(10) {
            0..6 => (generation as i64 * 40, 60),
            6..9 => (generation as i64 * 10, 100),
            _ => (0, 600),
        };
        for _ in 0..=random.below(25) {
            let mut tags = BTreeMap::new();
            for (name, values) in TAGS.iter().take(1 + generation / 3) {
                if random.below(10) < 7 {
                    tags.insert(*name, values[random.below(3) as usize]);
                }
            }
            let time = 1 + start + random.below(span) as i64;
            let fields = self.points.entry((tags.clone(), time)).or_default();
            let mut given = Vec::new();
            let known = (2 + generation / 2).min(FIELDS.len()) as u64;
            for (index, name) in FIELDS.iter().enumerate().take(known as usize) {
                if !given.is_empty() && random.below(2) == 0 {
                    continue;
                }
                let number = random.below(1000);
                let (written, shown) = match index {
                    0 => (format!("{number}.5"), format!("{number}.5")),
                    1 => (format!("{number}i"), number.to_string()),
                    2 => (format!("\"v{number}\""), format!("v{number}")),
                    _ => (format!("{number}u"), number.to_string()),
                };
                given.push(format!("{name}={written}"));
                fields.insert(name, shown);
            }
            let tags: String = tags.iter().map(|(name, value)| format!(",{name}={value}")).collect();
            lines += &format!("m{tags} {} {time}\n", given.join(","));
        }
        lines
    }
}

async fn open(folder: &Path, disk: &SimulatedDisk, random: &mut Random) -> Database {
    // Files of two kilobytes make many outputs of small tables; little memory makes small groups.
    let file_bytes = [2000, 6000, 1 << 20][random.below(3) as usize];
    Database::with(folder, |options| {
        options.compacted_file_bytes = file_bytes;
        options.wal_disk = Arc::new(disk.clone());
        options.keep_snapshots = Duration::from_secs(60);
    })
    .await
}

async fn run(seed: u64) -> u64 {
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new();
    let mut database = open(folder.path(), &disk, &mut random).await;
    let (mut model, mut merges) = (Model::default(), 0);
    for generation in 0..10 {
        let lines = model.write(&mut random, generation);
        database.write(&lines).await;
        match random.below(12) {
            0..5 => drop(database.engine.flush().await.unwrap()),
            5..7 => merges += database.engine.maintain().await.unwrap().merges as u64,
            7..9 => merges += database.engine.compact().await.unwrap().merges as u64,
            9 => {
                drop(database);
                disk.crash(seed + generation as u64);
                database = open(folder.path(), &disk, &mut random).await;
            }
            10 => {
                database.engine.close().await.unwrap();
                drop(database);
                database = open(folder.path(), &disk, &mut random).await;
            }
            _ => {}
        }
        database.clock.advance(Duration::from_secs(random.below(100)));
        if random.below(3) == 0 {
            assert_eq!(database.rows("m").await, model.rows(), "seed {seed}, generation {generation}");
        }
    }
    merges += database.engine.compact().await.unwrap().merges as u64;
    assert_eq!(database.rows("m").await, model.rows(), "seed {seed}, at the end");
    let table = database.table("m").await.unwrap();
    assert!(table.row_count_is_exact(), "seed {seed}: files overlap after a request to compact");
    assert_eq!(table.row_count_bound(), model.points.len() as u64, "seed {seed}");
    merges
}

/// Runs the seeds `first`, `first + 4`, ….
async fn run_every_fourth(first: u64) {
    let mut merges = 0;
    for seed in (first..SEEDS).step_by(4) {
        let result = tokio::spawn(run(seed)).await;
        merges += result.unwrap_or_else(|error| panic!("seed {seed} failed: {error}"));
    }
    assert!(merges > SEEDS / 4, "{merges} merges");
}

const SEEDS: u64 = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_work_reads_as_the_map_says_0() {
    run_every_fourth(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_work_reads_as_the_map_says_1() {
    run_every_fourth(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_work_reads_as_the_map_says_2() {
    run_every_fourth(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_work_reads_as_the_map_says_3() {
    run_every_fourth(3).await;
}

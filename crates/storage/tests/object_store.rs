//! The engine over an object store that fails in every way a cloud's does: nothing acknowledged is lost, nothing is
//! half there, and no object stays that nobody names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::ManualClock;
use storage::store::Store;
use storage::store::faults::{FaultRates, FaultyStore};
use storage::store::retry::RetryPolicy;
use storage::{Engine, EngineOptions, OpenError};
use support::Database;

/// 2026-01-01T00:00:00Z.
const NOW_NS: i64 = 1_767_225_600_000_000_000;

/// Patient enough for a busy machine.
const PATIENT: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_pause: Duration::from_micros(10),
    longest_pause: Duration::from_millis(1),
    deadline: Duration::from_secs(60),
    attempt_timeout: Duration::from_secs(60),
    breaker: Duration::ZERO,
};

/// Gives up soon.
const HASTY: RetryPolicy = RetryPolicy { attempts: 2, attempt_timeout: Duration::from_millis(200), ..PATIENT };

fn options(folder: &Path, faulty: &FaultyStore, policy: RetryPolicy) -> EngineOptions {
    let mut options = EngineOptions::new(folder, 1 << 30, Arc::new(ManualClock::new(NOW_NS)));
    options.store = Some(Store::remote(Arc::new(faulty.clone()), "s3://bucket/prefix/", policy));
    options.unnamed_object_age = Duration::ZERO;
    options.keep_snapshots = Duration::ZERO;
    options.compactions = 1;
    options
}

/// Longer than any test takes.
const AN_HOUR: Duration = Duration::from_secs(3600);

async fn open(folder: &Path, faulty: &FaultyStore, policy: RetryPolicy) -> Database {
    open_aged(folder, faulty, policy, Duration::ZERO).await
}

/// Objects that nobody names, and those of replaced files, are deleted from this age on. Before what is late has
/// arrived none may be, or it would come back.
async fn open_aged(folder: &Path, faulty: &FaultyStore, policy: RetryPolicy, age: Duration) -> Database {
    let options = EngineOptions { unnamed_object_age: age, keep_snapshots: age, ..options(folder, faulty, policy) };
    loop {
        match Engine::open(options.clone()).await {
            Ok(engine) => return Database::over(engine),
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// What every path of the catalog's live files is, from the store's side: all objects must be among them.
async fn assert_no_object_is_unnamed(database: &Database, faulty: &FaultyStore) {
    database.engine.compact().await.unwrap();
    database.engine.maintain().await.unwrap();
    database.engine.remove_orphans().await;
    let metrics = database.engine.metrics();
    let names = faulty.names().await.unwrap();
    assert_eq!(names.len() as u64, metrics.files, "{names:?}");
}

#[tokio::test]
async fn a_flush_whose_put_fails_keeps_its_rows_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = FaultyStore::new(1);
    let database = open(folder.path(), &faulty, PATIENT).await;
    database.write("m,t=a f=1 1\nn f=1 1").await;
    database.engine.flush().await.unwrap();
    faulty.set_rates(FaultRates::DOWN);
    database.write("m,t=a f=2 2\nn f=2 2").await;
    let failure = database.engine.flush().await.unwrap_err();
    assert!(failure.to_string().contains("503"), "{failure}");
    let status = database.engine.status();
    assert_eq!(status.failing_tables.len(), 2);
    assert!(status.failing_store.unwrap().contains("503"));
    assert!(database.engine.metrics().store.unwrap().failing);
    // Writes go on, and survive a crash while the store is away.
    database.write("m,t=a f=3 3").await;
    drop(database);
    let database = open(folder.path(), &faulty, PATIENT).await;
    database.write("m,t=a f=4 4").await;
    database.engine.flush().await.unwrap_err();
    faulty.set_rates(FaultRates::default());
    database.engine.flush().await.unwrap();
    let status = database.engine.status();
    assert_eq!((status.failing_tables.len(), status.failing_store), (0, None));
    assert_eq!(database.rows("m").await, ["f=1.0 t=a @1", "f=2.0 t=a @2", "f=3.0 t=a @3", "f=4.0 t=a @4"]);
    assert_eq!(database.rows("n").await, ["f=1.0 @1", "f=2.0 @2"]);
    assert_no_object_is_unnamed(&database, &faulty).await;
}

#[tokio::test]
async fn an_object_whose_answer_was_lost_is_removed_once_nothing_names_it() {
    let once = RetryPolicy { attempts: 1, ..PATIENT };
    for rates in
        [FaultRates { answer_lost: 1000, ..FaultRates::default() }, FaultRates { late: 1000, ..FaultRates::default() }]
    {
        for restarts in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let faulty = FaultyStore::new(2);
            let mut database = open(folder.path(), &faulty, once).await;
            database.write("m,t=a f=1 1").await;
            faulty.set_rates(rates);
            database.engine.flush().await.unwrap_err();
            faulty.set_rates(FaultRates::default());
            assert_eq!(faulty.names().await.unwrap().len(), 1, "it is there, and nobody names it");
            if restarts {
                drop(database);
                database = open(folder.path(), &faulty, once).await;
            }
            database.engine.flush().await.unwrap();
            assert_eq!(faulty.names().await.unwrap().len(), 2);
            database.engine.remove_orphans().await;
            assert_eq!(faulty.names().await.unwrap().len(), 1);
            assert_eq!(database.engine.metrics().compaction.orphans_deleted, 1);
            assert_eq!(database.rows("m").await, ["f=1.0 t=a @1"]);
        }
    }
}

#[tokio::test]
async fn nothing_is_listed_and_reads_are_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = FaultyStore::new(3);
    let database = open(folder.path(), &faulty, PATIENT).await;
    for flush in 0..3 {
        let lines: String = (0..500).map(|time| format!("m,t=a f={time},g={flush}i {time}\n")).collect();
        database.write(&lines).await;
        database.engine.flush().await.unwrap();
    }
    assert_eq!(faulty.take_asked().puts, 3, "a small file is one request");
    assert_eq!(database.rows("m").await.len(), 500);
    let asked = faulty.take_asked();
    assert_eq!((asked.puts, asked.heads, asked.lists, asked.deletes), (0, 0, 0, 0));
    // Footer and columns of each file; the one at the start asks whether the store is there.
    assert!((6..=7).contains(&asked.gets), "{asked:?}");
    assert_eq!(database.rows("m").await.len(), 500);
    assert!(faulty.take_asked().gets <= 4, "footers are kept");

    database.engine.close().await.unwrap();
    drop(database);
    let _ = faulty.take_asked();
    let database = open(folder.path(), &faulty, PATIENT).await;
    database.engine.replayed().await.unwrap();
    for _ in 0..3 {
        database.engine.maintain().await.unwrap();
        database.engine.flush().await.unwrap();
        database.engine.remove_orphans().await;
    }
    let asked = faulty.take_asked();
    assert_eq!((asked.puts, asked.heads, asked.lists, asked.deletes), (0, 0, 0, 0));
    assert!(asked.gets <= 1, "{asked:?}");
}

#[tokio::test]
async fn a_store_without_the_catalogs_files_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = FaultyStore::new(4);
    let database = open(folder.path(), &faulty, PATIENT).await;
    database.write("m f=1 1").await;
    database.engine.close().await.unwrap();
    drop(database);
    let empty = FaultyStore::new(5);
    let database = open(folder.path(), &empty, PATIENT).await;
    let cause = loop {
        match database.engine.status().failing_store {
            Some(cause) => break cause,
            None => tokio::task::yield_now().await,
        }
    };
    assert!(cause.contains("which the catalog names"), "{cause}");
}

#[tokio::test]
async fn another_store_is_refused_until_the_files_are_said_to_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = FaultyStore::new(6);
    let database = open(folder.path(), &faulty, PATIENT).await;
    database.write("m f=1 1").await;
    database.engine.close().await.unwrap();
    drop(database);
    let refused = async |options: EngineOptions| loop {
        match Engine::open(options.clone()).await {
            Ok(_) => panic!("it opened"),
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => return error.to_string(),
        }
    };
    let in_directory = EngineOptions { store: None, ..options(folder.path(), &faulty, PATIENT) };
    let error = refused(in_directory).await;
    assert!(error.contains("the catalog's files are in s3://bucket/prefix/, and not in /"), "{error}");
    assert!(error.contains("--object-store-moved"), "{error}");
    let mut moved = options(folder.path(), &faulty, PATIENT);
    moved.store = Some(Store::remote(Arc::new(faulty.clone()), "s3://other/", PATIENT));
    assert!(refused(moved.clone()).await.contains("not in s3://other/"));
    moved.files_were_moved = true;
    let engine = Engine::open(moved.clone()).await.unwrap();
    drop(Database::over(engine));
    // Said once, it is known.
    moved.files_were_moved = false;
    loop {
        match Engine::open(moved.clone()).await {
            Ok(engine) => {
                let database = Database::over(engine);
                assert_eq!(database.rows("m").await, ["f=1.0 @1"]);
                break;
            }
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_directory_without_the_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let with_store = |directory: &Path, were_moved| {
        let mut options = EngineOptions::new(folder.path(), 1 << 30, Arc::new(ManualClock::new(NOW_NS)));
        options.store = Some(Store::local(directory).unwrap());
        options.files_were_moved = were_moved;
        options
    };
    let first = elsewhere.path().join("first");
    let engine = Engine::open(with_store(&first, false)).await.unwrap();
    let database = Database::over(engine);
    database.write("m f=1 1").await;
    database.engine.close().await.unwrap();
    drop(database);
    let open = async |directory: &Path, were_moved| loop {
        match Engine::open(with_store(directory, were_moved)).await {
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            result => return result,
        }
    };
    let second = elsewhere.path().join("second");
    let error = open(&second, false).await.unwrap_err();
    assert!(matches!(&error, OpenError::FilesMissing { .. }), "{error}");
    // Once the files are there, nothing has to be said.
    std::fs::remove_dir_all(&second).unwrap();
    std::fs::rename(&first, &second).unwrap();
    let database = Database::over(open(&second, false).await.unwrap());
    assert_eq!(database.rows("m").await, ["f=1.0 @1"]);
}

#[tokio::test]
async fn a_large_file_goes_in_parts_that_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let faulty = FaultyStore::new(7);
    let database = open(folder.path(), &faulty, RetryPolicy { attempts: 30, ..PATIENT }).await;
    // Text that does not compress: SplitMix64 in hexadecimal.
    let mut random = Random(7);
    let mut lines = String::new();
    for time in 0..30 {
        let text: String = (0..62_500).map(|_| format!("{:016x}", random.next())).collect();
        lines += &format!("m s=\"{text}\" {time}\n");
    }
    database.write(&lines).await;
    faulty.set_rates(FaultRates { refused: 200, answer_lost: 200, ..FaultRates::default() });
    database.engine.flush().await.unwrap();
    faulty.set_rates(FaultRates::default());
    assert!(faulty.take_asked().puts >= 4, "more than one part");
    assert_eq!(database.rows("m").await.len(), 30);
    let report = database.engine.compact().await.unwrap();
    assert_eq!(report.files_read, report.files_written);
    assert_no_object_is_unnamed(&database, &faulty).await;
}

/// SplitMix64: a case is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// Points of each measurement by tag and time.
type Model = BTreeMap<&'static str, BTreeMap<(u64, i64), u64>>;

fn write(model: &mut Model, random: &mut Random) -> String {
    let mut lines = String::new();
    for _ in 0..=random.below(20) {
        let measurement = ["m", "n", "o"][random.below(3) as usize];
        let (tag, time, value) = (random.below(3), random.below(200) as i64, random.below(1000));
        model.entry(measurement).or_default().insert((tag, time), value);
        lines += &format!("{measurement},t=t{tag} f={value}i {time}\n");
    }
    lines
}

async fn check(database: &Database, model: &Model, seed: u64) {
    for measurement in ["m", "n", "o"] {
        let points = model.get(measurement).into_iter().flatten();
        let mut expected: Vec<String> =
            points.map(|((tag, time), value)| format!("f={value} t=t{tag} @{time}")).collect();
        expected.sort();
        assert_eq!(database.rows(measurement).await, expected, "seed {seed}");
    }
}

fn rates(random: &mut Random) -> FaultRates {
    match random.below(4) {
        0 => FaultRates::default(),
        1 => FaultRates::DOWN,
        _ => FaultRates {
            refused: random.below(300),
            answer_lost: random.below(300),
            silent: random.below(5),
            late: random.below(200),
            broken_off: random.below(100),
        },
    }
}

async fn run(seed: u64) {
    let mut random = Random(seed);
    let folder = tempfile::tempdir().unwrap();
    let faulty = FaultyStore::new(seed);
    let mut model = Model::new();
    let mut database = open_aged(folder.path(), &faulty, HASTY, AN_HOUR).await;
    for _ in 0..30 {
        match random.below(10) {
            0..4 => database.write(&write(&mut model, &mut random)).await,
            4 | 5 => drop(database.engine.flush().await),
            6 => drop(database.engine.compact().await),
            7 => {
                let (first, length) = (random.below(200) as i64, random.below(30) as i64);
                database.delete((first, first + length), Vec::new()).await.unwrap();
                for points in model.values_mut() {
                    points.retain(|(_, time), _| !(first..=first + length).contains(time));
                }
                drop(database.engine.materialise_deletes().await);
            }
            8 => faulty.set_rates(rates(&mut random)),
            _ => {
                drop(database);
                let current = faulty.take_rates();
                let patient = open_aged(folder.path(), &faulty, PATIENT, AN_HOUR).await;
                check(&patient, &model, seed).await;
                drop(patient);
                faulty.set_rates(current);
                database = open_aged(folder.path(), &faulty, HASTY, AN_HOUR).await;
            }
        }
    }
    drop(database);
    // By then, what was late has arrived.
    faulty.set_rates(FaultRates::default());
    let _ = faulty.names().await.unwrap();
    let database = open(folder.path(), &faulty, PATIENT).await;
    check(&database, &model, seed).await;
    assert_no_object_is_unnamed(&database, &faulty).await;
    check(&database, &model, seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_store_does_the_rows_are_those_of_the_map() {
    // More by hand; each takes a tenth of a second, most of it for syncs and for requests without an answer.
    let seeds = std::env::var("FRESHET_STORE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(24);
    for seed in 0..seeds {
        run(seed).await;
    }
}

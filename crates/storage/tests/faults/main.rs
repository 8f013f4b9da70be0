//! The engine under random work and random faults, against a plain map: whatever was acknowledged is there, and what
//! was not is there whole or not at all. A case is its seed; `cargo xtask faults --seeds N --from S` runs as many as
//! wanted.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod model;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use story::{Story, Tally};

/// Seeds of a run that nobody asked more of.
const SEEDS: u64 = 200;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// A folder that needs no disk where the system has one.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An empty catalog, so that not each case has to make one.
fn template(folder: &Path) -> PathBuf {
    runtime().block_on(async {
        let database = support::Database::open(folder).await;
        database.engine.close().await.unwrap();
    });
    folder.join("catalog.sqlite")
}

fn run(seed: u64, template: &Path) -> Tally {
    let folder = folder();
    std::fs::copy(template, folder.path().join("catalog.sqlite")).unwrap();
    let runtime = runtime();
    let tally = runtime.block_on(Story::new(seed, folder.path()).run());
    runtime.shutdown_background();
    tally
}

#[test]
fn every_seed_reads_as_the_map_says() {
    let (from, count) = (number("FRESHET_FAULT_FROM", 0), number("FRESHET_FAULT_SEEDS", SEEDS));
    let template_folder = folder();
    let template = template(template_folder.path());
    let (next, stop) = (AtomicU64::new(from), AtomicBool::new(false));
    let (tally, failed) = (Mutex::new(Tally::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + count {
                        break;
                    }
                    match std::panic::catch_unwind(AssertUnwindSafe(|| run(seed, &template))) {
                        Ok(done) => tally.lock().add(&done),
                        Err(_) => {
                            failed.lock().push(seed);
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (tally, failed) = (tally.into_inner(), failed.into_inner());
    let again = |seed: &u64| format!("cargo xtask faults --seeds 1 --from {seed}");
    assert!(failed.is_empty(), "failed; again with: {}", failed.iter().map(again).collect::<Vec<_>>().join(", "));
    println!("{count} seeds from {from}: {tally:?}");
    if count >= SEEDS {
        tally.assert_varied(count);
    }
}

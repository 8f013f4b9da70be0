//! Every kind of fault, one at a time and mixed: what was said to be written is there whole, what is there can be read.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::Store;
use super::super::faults::{FaultRates, FaultyStore};
use super::*;

/// As often as the default, and quick.
const QUICK: RetryPolicy = RetryPolicy {
    attempts: 8,
    first_pause: Duration::from_micros(10),
    longest_pause: Duration::from_micros(50),
    deadline: Duration::from_secs(30),
    attempt_timeout: Duration::from_millis(50),
    breaker: Duration::ZERO,
};

fn store(seed: u64) -> (FaultyStore, Store) {
    let faulty = FaultyStore::new(seed);
    let store = Store::remote(Arc::new(faulty.clone()), "memory:///", QUICK);
    (faulty, store)
}

async fn whole(store: &Store, path: &Path, size: usize) -> Bytes {
    store.object_store().get_range(path, 0..size as u64).await.unwrap()
}

/// As the engine does: what could not be deleted is tried again.
async fn delete_until_gone(store: &Store) {
    let mut paths: Vec<String> = (0..20).map(|number| format!("a/{number}")).collect();
    for _ in 0..10 {
        let gone = store.delete_all(paths.clone()).await;
        paths.retain(|path| !gone.contains(path));
    }
    assert!(paths.is_empty(), "{paths:?}");
}

#[tokio::test]
async fn each_kind_of_fault_is_overcome() {
    let rate = 400;
    let none = FaultRates::default();
    for rates in [
        FaultRates { refused: rate, ..none },
        FaultRates { answer_lost: rate, ..none },
        FaultRates { silent: rate, ..none },
        FaultRates { late: rate, ..none },
        FaultRates { broken_off: rate, ..none },
    ] {
        let (faulty, store) = store(1);
        faulty.set_rates(rates);
        let objects = store.object_store();
        for number in 0..20 {
            let path = Path::from(format!("a/{number}"));
            let bytes = format!("object {number}");
            objects.put(&path, bytes.clone().into()).await.unwrap();
            assert_eq!(whole(&store, &path, bytes.len()).await, bytes);
        }
        let mut upload = objects.put_multipart(&Path::from("parts")).await.unwrap();
        for part in ["one ", "two ", "three"] {
            upload.put_part(part.into()).await.unwrap();
        }
        upload.complete().await.unwrap();
        assert_eq!(whole(&store, &Path::from("parts"), 13).await, "one two three", "{rates:?}");
        assert!(store.health().unwrap().metrics().failures.iter().sum::<u64>() > 0);
        assert_eq!(store.health().unwrap().failing(), None);
        delete_until_gone(&store).await;
        // What arrived late came back; deleting again is no failure.
        faulty.names().await.unwrap();
        delete_until_gone(&store).await;
        assert_eq!(faulty.names().await.unwrap(), ["parts"]);
    }
}

#[tokio::test]
async fn a_store_that_is_down_is_given_up_said_and_found_again() {
    let (faulty, store) = store(2);
    let path = Path::from("x");
    store.object_store().put(&path, "x".into()).await.unwrap();
    faulty.set_rates(FaultRates::DOWN);
    let _ = faulty.take_asked();
    store.object_store().put(&path, "y".into()).await.unwrap_err();
    assert_eq!(faulty.take_asked().puts, 8);
    let health = store.health().unwrap();
    assert!(health.failing().unwrap().contains("503"), "{health:?}");
    assert!(health.metrics().failing);
    assert_eq!(store.delete_all(vec!["x".to_owned()]).await.len(), 0);
    faulty.set_rates(FaultRates::default());
    assert_eq!(whole(&store, &path, 1).await, "x");
    assert_eq!(health.failing(), None);
    assert_eq!(health.metrics().given_up, 2);
}

#[tokio::test]
async fn while_a_store_is_down_most_operations_fail_at_once() {
    let faulty = FaultyStore::new(3);
    let policy = RetryPolicy { breaker: Duration::from_secs(3600), ..QUICK };
    let store = Store::remote(Arc::new(faulty.clone()), "memory:///", policy);
    faulty.set_rates(FaultRates::DOWN);
    for number in 0..100 {
        let error = store.object_store().put(&Path::from(format!("{number}")), "x".into()).await.unwrap_err();
        assert!(error.to_string().contains("503"), "{error}");
    }
    assert_eq!(faulty.take_asked().puts, 8, "the first operation only");
}

#[tokio::test]
async fn what_is_not_there_is_not_asked_for_again() {
    let (faulty, store) = store(4);
    let error = store.object_store().get_range(&Path::from("gone"), 0..1).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert_eq!(faulty.take_asked().gets, 1);
    // An object that is too short is damaged, however often it is read.
    store.object_store().put(&Path::from("short"), "abc".into()).await.unwrap();
    store.object_store().get_range(&Path::from("short"), 0..4).await.unwrap_err();
}

#[tokio::test]
async fn neighbouring_ranges_are_one_request() {
    let (faulty, store) = store(5);
    let path = Path::from("x");
    let bytes: Vec<u8> = (0..4_000_000_u32).map(|index| (index % 251) as u8).collect();
    store.object_store().put(&path, bytes.clone().into()).await.unwrap();
    let _ = faulty.take_asked();
    let ranges = [3_900_000..3_900_010, 5..10, 900_000..900_100];
    let read = store.object_store().get_ranges(&path, &ranges).await.unwrap();
    for (range, read) in ranges.iter().zip(read) {
        assert_eq!(read, bytes[range.start as usize..range.end as usize]);
    }
    let asked = faulty.take_asked();
    assert_eq!((asked.gets, asked.heads, asked.lists), (2, 0, 0));
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing_to_see() {
    let (faulty, store) = store(6);
    let mut upload = store.object_store().put_multipart(&Path::from("x")).await.unwrap();
    upload.put_part("one".into()).await.unwrap();
    faulty.set_rates(FaultRates::DOWN);
    upload.put_part("two".into()).await.unwrap_err();
    faulty.set_rates(FaultRates { answer_lost: 500, ..FaultRates::default() });
    upload.abort().await.unwrap();
    assert!(faulty.names().await.unwrap().is_empty());
}

#[test]
fn pauses_grow_up_to_a_bound_and_differ() {
    let policy = RetryPolicy { first_pause: Duration::from_millis(100), ..RetryPolicy::default() };
    for (attempt, whole_ms) in [(0, 100), (1, 200), (4, 1600), (10, 5000), (100, 5000)] {
        let pauses: Vec<Duration> = (0..64).map(|_| policy.pause(attempt)).collect();
        let whole = Duration::from_millis(whole_ms);
        assert!(pauses.iter().all(|pause| *pause <= whole && *pause >= whole / 2), "{pauses:?}");
        assert!(pauses.iter().any(|pause| pause != &pauses[0]));
    }
}

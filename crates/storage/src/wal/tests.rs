//! Tests of the WAL on a simulated disk: what was acknowledged is there, what was not is whole or absent, and damage
//! is never taken for data.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod crash;
mod damage;

use catalog::{BucketId, OrganisationId};
use line_protocol::{FieldValues, Presence};

use super::*;
use crate::delete::{DeleteFilter, DeleteSubject, DeleteTerm};
use crate::disk::{RealDisk, SimulatedDisk};
use crate::ids::{ColumnId, TableId};
use crate::rows::{FieldRows, RowBatch, SeriesKeys, TableRows};

const DIRECTORY: &str = "data/wal";

fn organisation() -> OrganisationId {
    OrganisationId::from_u64(7).unwrap()
}

fn bucket() -> BucketId {
    BucketId::from_u64(0xb0c4).unwrap()
}

/// A batch that says who it is, with `rows` rows.
fn batch(id: u64, rows: usize) -> RowBatch {
    let mut series = SeriesKeys::default();
    series.push([(ColumnId(2), "host")]);
    let values = FieldValues::Unsigned(vec![id; rows]);
    let columns = vec![FieldRows { column: ColumnId(3), values, presence: Presence::All }];
    let times = (0..rows as i64).map(|row| row.wrapping_mul(0x1234_5678_9abc_def1)).collect();
    let table = TableRows { table: TableId(1), series, row_series: vec![0; rows], times, columns };
    RowBatch { organisation: organisation(), bucket: bucket(), tables: vec![table] }
}

fn batch_id(batch: &RowBatch) -> u64 {
    match &batch.tables[0].columns[0].values {
        FieldValues::Unsigned(values) => values[0],
        other => panic!("{other:?}"),
    }
}

fn record(id: u64) -> EncodedRecord {
    EncodedRecord::write(&batch(id, 1)).unwrap()
}

fn options() -> WalOptions {
    WalOptions { allocate_bytes: 4_096, salt: 99, ..WalOptions::default() }
}

/// A WAL whose attachments are the batches' numbers, and a list of what it applied.
struct Fixture {
    disk: SimulatedDisk,
    wal: Wal<u64>,
    applied: Arc<Mutex<Vec<(u64, u64)>>>,
    replayed: Vec<(u64, u64)>,
}

fn open_at(disk: &SimulatedDisk, after: u64, options: WalOptions) -> Result<Fixture, RecoveryError> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let recovery = recover(&shared, Path::new(DIRECTORY), Sequence(after))?;
    let applied = Arc::new(Mutex::new(Vec::new()));
    let for_thread = Arc::clone(&applied);
    let on_durable = Box::new(move |sequence: Sequence, id| for_thread.lock().push((sequence.0, id)));
    let wal = Wal::start(shared, Path::new(DIRECTORY), recovery.log, options, on_durable).unwrap();
    let replayed = read(recovery.replay)?;
    Ok(Fixture { disk: disk.clone(), wal, applied, replayed })
}

fn open(disk: &SimulatedDisk) -> Fixture {
    open_at(disk, 0, options()).unwrap()
}

fn read(replay: Replay) -> Result<Vec<(u64, u64)>, RecoveryError> {
    replay.map(|item| item.map(|(sequence, record)| (sequence.0, record_id(&record)))).collect()
}

/// A drop of a bucket counts as record 0.
fn record_id(record: &Record) -> u64 {
    match record {
        Record::Write(batch) => batch_id(batch),
        Record::Delete { .. } | Record::BucketDrop { .. } => 0,
    }
}

/// What a start after `after` would find; the disk is not changed.
fn found(disk: &SimulatedDisk, after: u64) -> Result<Vec<(u64, u64)>, RecoveryError> {
    let copy = SimulatedDisk::new();
    copy.create_directory(Path::new(DIRECTORY)).unwrap();
    for name in disk.list(Path::new(DIRECTORY)).unwrap() {
        let path = Path::new(DIRECTORY).join(name);
        copy.set_contents(&path, &disk.contents(&path).unwrap());
    }
    let shared: Arc<dyn Disk> = Arc::new(copy);
    read(recover(&shared, Path::new(DIRECTORY), Sequence(after))?.replay)
}

impl Fixture {
    fn append(&self, id: u64) -> Result<u64, WalError> {
        self.wal.append(record(id), id)?.wait().map(|sequence| sequence.0)
    }

    fn applied(&self) -> Vec<(u64, u64)> {
        self.applied.lock().clone()
    }
}

#[test]
fn records_come_back_in_order() {
    let disk = SimulatedDisk::new();
    let first = open(&disk);
    assert!(first.replayed.is_empty());
    assert_eq!(first.append(11).unwrap(), 1);
    let dropped = EncodedRecord::bucket_drop(organisation(), bucket());
    assert_eq!(first.wal.append(dropped, 0).unwrap().wait().unwrap(), Sequence(2));
    assert_eq!(first.append(13).unwrap(), 3);
    assert_eq!(first.applied(), [(1, 11), (2, 0), (3, 13)]);
    assert_eq!(first.wal.durable_sequence(), Sequence(3));
    drop(first);
    disk.crash(1);

    let second = open(&disk);
    assert_eq!(second.replayed, [(1, 11), (2, 0), (3, 13)]);
    assert_eq!(second.append(14).unwrap(), 4);
    drop(second);
    assert_eq!(found(&disk, 2).unwrap(), [(3, 13), (4, 14)]);
    assert_eq!(found(&disk, 4).unwrap(), []);
}

#[test]
fn a_record_comes_back_as_it_was() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let log = recover(&disk, Path::new(DIRECTORY), Sequence::ZERO).unwrap().log;
    let wal = Wal::start(Arc::clone(&disk), Path::new(DIRECTORY), log, options(), Box::new(|_, ()| {})).unwrap();
    let rows = batch(5, 3_000);
    wal.append(EncodedRecord::write(&rows).unwrap(), ()).unwrap().wait().unwrap();
    let filter = DeleteFilter {
        time_range: (-1, i64::MAX),
        terms: vec![DeleteTerm {
            subject: DeleteSubject::Tag("host".to_owned()),
            is_equal: false,
            value: "\u{0}ü".to_owned(),
        }],
    };
    wal.append(EncodedRecord::delete(organisation(), bucket(), &filter), ()).unwrap().wait().unwrap();
    wal.append(EncodedRecord::bucket_drop(organisation(), bucket()), ()).unwrap().wait().unwrap();
    wal.close();
    let recovery = recover(&disk, Path::new(DIRECTORY), Sequence::ZERO).unwrap();
    assert_eq!(recovery.log.next_sequence(), Sequence(4));
    assert_eq!(recovery.log.torn_tail(), None);
    let records: Vec<Record> = recovery.replay.map(|item| item.unwrap().1).collect();
    let dropped = Record::BucketDrop { organisation: organisation(), bucket: bucket() };
    let deleted = Record::Delete { organisation: organisation(), bucket: bucket(), filter };
    assert_eq!(records, [Record::Write(rows), deleted, dropped]);
}

#[test]
fn all_that_wait_share_one_sync() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    log.append(1).unwrap();
    let before = disk.data_syncs();
    disk.hold_syncs();
    let held = log.wal.append(record(2), 2).unwrap();
    disk.wait_for_held_sync();
    let waiting: Vec<Append> = (3..103).map(|id| log.wal.append(record(id), id).unwrap()).collect();
    assert_eq!(log.applied(), [(1, 1)], "nothing is visible before its sync");
    assert_eq!(log.wal.metrics().queue_records, 100);
    disk.release_syncs();
    assert_eq!(held.wait().unwrap(), Sequence(2));
    for (append, expected) in waiting.into_iter().zip(3..) {
        assert_eq!(append.wait().unwrap(), Sequence(expected));
    }
    assert_eq!(disk.data_syncs() - before, 2);
    let metrics = log.wal.metrics();
    assert_eq!((metrics.records, metrics.groups, metrics.queue_records, metrics.queue_bytes), (102, 3, 0, 0));
    assert_eq!(metrics.syncs.counts.iter().sum::<u64>(), 3);
    assert_eq!((metrics.segments, metrics.durable_sequence), (1, 102));
    assert_eq!(metrics.segment_bytes, SEGMENT_HEADER_BYTES as u64 + metrics.record_bytes);
}

#[test]
fn a_group_has_a_limit() {
    let disk = SimulatedDisk::new();
    let two_records = 2 * record(1).byte_len();
    let log = open_at(&disk, 0, WalOptions { group_bytes: two_records, ..options() }).unwrap();
    disk.hold_syncs();
    let mut waiting = vec![log.wal.append(record(1), 1).unwrap()];
    disk.wait_for_held_sync();
    waiting.extend((2..7).map(|id| log.wal.append(record(id), id).unwrap()));
    disk.release_syncs();
    waiting.into_iter().for_each(|append| assert!(append.wait().is_ok()));
    assert_eq!(log.wal.metrics().groups, 4);
}

#[test]
fn the_callback_runs_before_the_writer_hears() {
    let log = open(&SimulatedDisk::new());
    for id in 1..200 {
        let sequence = log.append(id).unwrap();
        assert_eq!(log.applied().last(), Some(&(sequence, id)));
    }
}

#[tokio::test]
async fn appends_are_futures() {
    let log = open(&SimulatedDisk::new());
    let first = log.wal.append(record(1), 1).unwrap();
    let second = log.wal.append(record(2), 2).unwrap();
    assert_eq!(second.await.unwrap(), Sequence(2));
    assert_eq!(first.await.unwrap(), Sequence(1));
    drop(log.wal.append(record(3), 3).unwrap());
    log.wal.close();
    assert_eq!(log.applied(), [(1, 1), (2, 2), (3, 3)], "a writer that went away takes nothing back");
    assert!(matches!(log.wal.append(record(4), 4), Err(WalError::Closed)));
}

/// After a failure: nobody is told yes, nothing is applied, and a restart brings it in order.
fn check_poisoned(log: Fixture, failed: Append, waiting: Vec<Append>) {
    assert!(matches!(failed.wait(), Err(WalError::Poisoned(_))));
    for append in waiting {
        assert!(matches!(append.wait(), Err(WalError::Poisoned(_))));
    }
    assert!(matches!(log.append(9), Err(WalError::Poisoned(_))));
    assert!(matches!(log.wal.status(), WalStatus::Poisoned(_)));
    assert_eq!(log.applied(), [(1, 1)]);
    assert_eq!(log.wal.metrics().failures, 1);
    let disk = log.disk.clone();
    drop(log);
    disk.restart();
    let again = open(&disk);
    let survivors = again.replayed.len() as u64;
    assert!(again.replayed.iter().all(|(sequence, id)| sequence == id), "{:?}", again.replayed);
    assert!(survivors >= 1);
    assert_eq!(again.append(50).unwrap(), survivors + 1);
    drop(again);
    // What the restart found counts as durable, even what the failed sync had lost.
    disk.crash(5);
    let mut expected: Vec<(u64, u64)> = (1..=survivors).map(|id| (id, id)).collect();
    expected.push((survivors + 1, 50));
    assert_eq!(found(&disk, 0).unwrap(), expected);
}

#[test]
fn a_failed_sync_poisons() {
    let log = open(&SimulatedDisk::new());
    log.append(1).unwrap();
    log.disk.hold_syncs();
    log.disk.fail_sync_after(0);
    let failed = log.wal.append(record(2), 2).unwrap();
    log.disk.wait_for_held_sync();
    let waiting = (3..6).map(|id| log.wal.append(record(id), id).unwrap()).collect();
    log.disk.release_syncs();
    check_poisoned(log, failed, waiting);
}

#[test]
fn a_failed_write_poisons() {
    for kept_bytes in [0, 1, 50, 100] {
        let log = open(&SimulatedDisk::new());
        log.append(1).unwrap();
        log.disk.fail_write_after(0, kept_bytes);
        let failed = log.wal.append(record(2), 2).unwrap();
        check_poisoned(log, failed, Vec::new());
    }
}

#[test]
fn a_new_segment_that_cannot_be_synced_poisons() {
    // The header's data, then the directory.
    for syncs in [0, 1] {
        let log = open_at(&SimulatedDisk::new(), 0, WalOptions { segment_bytes: 150, ..options() }).unwrap();
        log.append(1).unwrap();
        log.disk.fail_sync_after(syncs);
        let failed = log.wal.append(record(2), 2).unwrap();
        check_poisoned(log, failed, Vec::new());
    }
}

#[test]
fn a_panic_of_the_callback_poisons() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let log = recover(&disk, Path::new(DIRECTORY), Sequence::ZERO).unwrap().log;
    let on_durable = Box::new(|_, id: u64| assert_ne!(id, 1, "as the test wants it"));
    let wal = Wal::start(disk, Path::new(DIRECTORY), log, options(), on_durable).unwrap();
    let append = wal.append(record(1), 1).unwrap();
    assert!(matches!(append.wait(), Err(WalError::Poisoned(_))));
    wal.close();
    assert!(matches!(wal.append(record(2), 2), Err(WalError::Poisoned(_))));
}

/// Fills the disk, sees it refuse, makes space, and sees it go on.
fn check_out_of_space(disk: &SimulatedDisk, free_bytes: u64, options: WalOptions) {
    let log = open_at(disk, 0, options).unwrap();
    let big = || EncodedRecord::write(&batch(77, 1_000)).unwrap();
    log.append(1).unwrap();
    let used = disk.contents(&Path::new(DIRECTORY).join("00000000000000000001.wal")).unwrap().len() as u64;
    disk.set_capacity(Some(used + free_bytes));
    for _ in 0..3 {
        assert!(matches!(log.wal.append(big(), 77).unwrap().wait(), Err(WalError::OutOfSpace(_))));
        assert!(matches!(log.wal.status(), WalStatus::OutOfSpace(_)));
    }
    assert_eq!(log.wal.metrics().out_of_space, 3);
    assert_eq!(found(disk, 0).unwrap(), [(1, 1)], "what was refused is not there");
    disk.set_capacity(None);
    assert_eq!(log.wal.append(big(), 78).unwrap().wait().unwrap(), Sequence(2));
    assert!(matches!(log.wal.status(), WalStatus::Running));
    assert_eq!(log.append(3).unwrap(), 3);
    assert_eq!(log.applied(), [(1, 1), (2, 78), (3, 3)]);
    drop(log);
    disk.crash(2);
    assert_eq!(found(disk, 0).unwrap(), [(1, 1), (2, 77), (3, 3)]);
}

#[test]
fn a_full_disk_is_no_failure() {
    for free_bytes in [0, 1, 100, 5_000] {
        check_out_of_space(&SimulatedDisk::new(), free_bytes, options());
        // A new segment is needed, and does not fit.
        check_out_of_space(&SimulatedDisk::new(), free_bytes, WalOptions { segment_bytes: 500, ..options() });
        // Without allocation it is the write that fails, half done.
        let disk = SimulatedDisk::new();
        disk.disable_allocation();
        check_out_of_space(&disk, free_bytes, options());
        let disk = SimulatedDisk::new();
        disk.disable_allocation();
        check_out_of_space(&disk, free_bytes, WalOptions { segment_bytes: 500, ..options() });
    }
}

#[test]
fn a_full_disk_that_cannot_be_cut_back_poisons() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    log.append(1).unwrap();
    disk.set_capacity(Some(4_100));
    disk.fail_sync_after(0);
    let big = EncodedRecord::write(&batch(2, 1_000)).unwrap();
    assert!(matches!(log.wal.append(big, 2).unwrap().wait(), Err(WalError::Poisoned(_))));
    assert!(matches!(log.append(3), Err(WalError::Poisoned(_))));
}

#[test]
fn an_empty_disk_that_is_full_recovers() {
    let disk = SimulatedDisk::new();
    let log = open(&disk);
    disk.set_capacity(Some(100));
    assert!(matches!(log.append(1), Err(WalError::OutOfSpace(_))));
    assert!(disk.list(Path::new(DIRECTORY)).unwrap().is_empty());
    disk.set_capacity(None);
    assert_eq!(log.append(1).unwrap(), 1);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let check = |options: WalOptions, fits: usize| {
        let disk = SimulatedDisk::new();
        let log = open_at(&disk, 0, options).unwrap();
        disk.hold_syncs();
        let held = log.wal.append(record(0), 0).unwrap();
        disk.wait_for_held_sync();
        let waiting: Vec<_> = (0..fits).map(|_| log.wal.append(record(0), 0).unwrap()).collect();
        assert!(matches!(log.wal.append(record(0), 0), Err(WalError::Overloaded { records, .. }) if records == fits));
        assert_eq!(log.wal.metrics().overloads, 1);
        disk.release_syncs();
        held.wait().unwrap();
        waiting.into_iter().for_each(|append| assert!(append.wait().is_ok()));
        log.append(0).unwrap();
    };
    let bytes = record(0).byte_len();
    check(WalOptions { queue_records: 10, ..options() }, 10);
    check(WalOptions { queue_bytes: 3 * bytes, ..options() }, 3);
    // A record that is larger than the queue gets in alone.
    check(WalOptions { queue_bytes: 1, ..options() }, 1);
}

#[test]
fn segments_are_rotated_and_only_those_nobody_needs_are_deleted() {
    for low_water in 0..=20 {
        let disk = SimulatedDisk::new();
        let segment_bytes = (SEGMENT_HEADER_BYTES + 3 * record(1).byte_len()) as u64;
        let log = open_at(&disk, 0, WalOptions { segment_bytes, ..options() }).unwrap();
        for id in 1..=20 {
            assert_eq!(log.append(id).unwrap(), id);
        }
        let before = log.wal.metrics().segments;
        assert_eq!(before, 7);
        let deleted = log.wal.delete_through(Sequence(low_water)).unwrap() as u64;
        assert_eq!(log.wal.metrics().segments, before - deleted);
        assert_eq!(disk.list(Path::new(DIRECTORY)).unwrap().len() as u64, before - deleted);
        assert_eq!(deleted, (low_water / 3).min(6), "{low_water}");
        drop(log);
        disk.crash(low_water);
        let again = open_at(&disk, low_water, options()).unwrap();
        assert_eq!(again.replayed, (low_water + 1..=20).map(|id| (id, id)).collect::<Vec<_>>());
        assert_eq!(again.wal.metrics().segments, before - deleted);
        assert_eq!(again.wal.delete_through(Sequence(20)).unwrap() as u64, before - deleted - 1);
        assert_eq!(again.append(21).unwrap(), 21);
    }
}

#[test]
fn a_file_system_without_allocation_will_do() {
    let disk = SimulatedDisk::new();
    disk.disable_allocation();
    let log = open_at(&disk, 0, WalOptions { segment_bytes: 1_000, ..options() }).unwrap();
    (1..50).for_each(|id| assert_eq!(log.append(id).unwrap(), id));
    drop(log);
    disk.crash(1);
    assert_eq!(found(&disk, 0).unwrap().len(), 49);
}

#[test]
fn writers_on_a_real_disk_agree_with_what_comes_back() {
    let temporary = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let directory = temporary.path().join("wal");
    let log = recover(&disk, &directory, Sequence::ZERO).unwrap().log;
    let small = WalOptions { segment_bytes: 8_192, ..options() };
    let wal = Wal::start(Arc::clone(&disk), &directory, log, small, Box::new(|_, _: u64| {})).unwrap();
    let mut acknowledged = Vec::new();
    std::thread::scope(|scope| {
        let writer = |first: u64| {
            let wal = &wal;
            scope.spawn(move || {
                let append = |id| (wal.append(record(id), id).unwrap().wait().unwrap().0, id);
                (first..first + 100).map(append).collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = [1_000, 2_000, 3_000, 4_000].map(writer).into_iter().collect();
        threads.into_iter().for_each(|thread| acknowledged.extend(thread.join().unwrap()));
    });
    drop(wal);
    acknowledged.sort_unstable();
    let recovery = recover(&disk, &directory, Sequence::ZERO).unwrap();
    assert_eq!(read(recovery.replay).unwrap(), acknowledged);
    assert_eq!(recovery.log.next_sequence(), Sequence(401));
}

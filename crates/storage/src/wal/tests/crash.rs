//! Power failures at any point of random work, many times over the same WAL.
//!
//! The writer is driven without its thread, so that a seed gives the same run every time.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::disk::simulated::Random;

/// What must be true of the WAL, kept beside it.
#[derive(Default)]
struct Model {
    /// Records that were acknowledged, or found at a start and so made durable.
    durable: BTreeMap<u64, u64>,
    /// Everything that was ever appended.
    issued: BTreeSet<u64>,
    /// What was refused with the promise that it is not there.
    refused: BTreeSet<u64>,
    /// The watermark that the catalog holds.
    low_water: u64,
}

impl Model {
    fn check_found(&mut self, found: &[(u64, u64)], seed: u64) {
        let sequences: Vec<u64> = found.iter().map(|(sequence, _)| *sequence).collect();
        let contiguous: Vec<u64> = (self.low_water + 1..).take(found.len()).collect();
        assert_eq!(sequences, contiguous, "seed {seed}");
        for (sequence, id) in self.durable.range(self.low_water + 1..) {
            assert!(found.contains(&(*sequence, *id)), "seed {seed}: lost record {sequence}, batch {id}");
        }
        let ids: BTreeSet<u64> = found.iter().map(|(_, id)| *id).collect();
        assert_eq!(ids.len(), found.len(), "seed {seed}: a batch came twice");
        assert!(ids.is_subset(&self.issued), "seed {seed}: a batch was invented");
        assert!(ids.is_disjoint(&self.refused), "seed {seed}: a batch that was refused came back");
        self.durable.extend(found.iter().copied());
    }
}

/// One run of the program, from a start to a power failure or a kill.
struct Life {
    writer: Writer<u64>,
    shared: Arc<Shared<u64>>,
    applied: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl Life {
    fn start(disk: &SimulatedDisk, model: &mut Model, options: &WalOptions, seed: u64) -> Self {
        let shared_disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let directory = Path::new(DIRECTORY);
        let recovery = recover(&shared_disk, directory, Sequence(model.low_water))
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        model.check_found(&read(recovery.replay).unwrap(), seed);
        let applied = Arc::new(Mutex::new(Vec::new()));
        let for_writer = Arc::clone(&applied);
        let on_durable = Box::new(move |sequence: Sequence, id| for_writer.lock().push((sequence.0, id)));
        let shared = Arc::new(Shared::new(&recovery.log));
        let (for_shared, options) = (Arc::clone(&shared), options.clone());
        let writer = Writer::new(for_shared, shared_disk, directory.to_owned(), recovery.log, options, on_durable);
        Self { writer, shared, applied }
    }

    /// Commits a group of new records; `false` if the WAL is poisoned.
    fn commit(&mut self, model: &mut Model, random: &mut Random) -> bool {
        let mut receivers = Vec::new();
        let group = (0..=random.below(5)).map(|_| {
            let id = model.issued.len() as u64 + 1;
            model.issued.insert(id);
            let record = EncodedRecord::write(&batch(id, 1 + random.below(200) as usize)).unwrap();
            let (waiter, receiver) = oneshot::channel();
            receivers.push((id, receiver));
            Pending { record, attachment: id, waiter }
        });
        let group = group.collect();
        self.writer.commit(group);
        let mut healthy = true;
        for (id, mut receiver) in receivers {
            match receiver.try_recv().unwrap() {
                Ok(sequence) => {
                    assert!(self.applied.lock().contains(&(sequence.0, id)));
                    assert_eq!(model.durable.insert(sequence.0, id), None);
                }
                Err(WalError::OutOfSpace(_)) => {
                    model.refused.insert(id);
                }
                Err(error) => {
                    assert!(matches!(error, WalError::Poisoned(_)));
                    healthy = false;
                }
            }
        }
        healthy
    }

    /// Commits a watermark to the catalog, which is on another disk, then deletes.
    fn delete(&self, disk: &SimulatedDisk, model: &mut Model, random: &mut Random) {
        let last = model.durable.last_key_value().map_or(0, |(sequence, _)| *sequence);
        model.low_water += random.below(last - model.low_water + 1);
        let mut segments = self.shared.segments.lock();
        let low_water = Sequence(model.low_water);
        // It may fail when the power does.
        let _ = segments::delete_through(disk, Path::new(DIRECTORY), &mut segments.sealed, low_water);
    }
}

/// Brings trouble, or none.
fn inject(disk: &SimulatedDisk, random: &mut Random) {
    match random.below(8) {
        0..=3 => disk.cut_power_after(random.below(60)),
        4 => disk.fail_sync_after(random.below(20)),
        5 => disk.fail_write_after(random.below(20), random.below(3_000) as usize),
        6 => disk.set_capacity(Some(random.below(30_000))),
        _ => {}
    }
}

fn run(seed: u64) {
    let mut random = Random::new(seed);
    let disk = SimulatedDisk::new();
    if random.below(4) == 0 {
        disk.disable_allocation();
    }
    let options =
        WalOptions { segment_bytes: 500 + random.below(20_000), allocate_bytes: 1 + random.below(8_000), ..options() };
    let mut model = Model::default();
    for _ in 0..6 {
        let mut life = Life::start(&disk, &mut model, &options, seed);
        inject(&disk, &mut random);
        for _ in 0..random.below(25) {
            if !life.commit(&mut model, &mut random) {
                break;
            }
            if random.below(6) == 0 {
                life.delete(&disk, &mut model, &mut random);
            }
        }
        disk.set_capacity(None);
        if random.below(3) == 0 {
            // A kill, then perhaps a power failure before the next start.
            disk.restart();
        } else {
            disk.crash(random.next_u64());
        }
    }
    let last = Life::start(&disk, &mut model, &options, seed);
    assert!(last.applied.lock().is_empty());
}

#[test]
fn acknowledged_records_survive_and_others_are_whole_or_absent() {
    (0..400).for_each(run);
}

#[test]
fn a_crash_during_recovery_does_no_harm() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let disk = SimulatedDisk::new();
        let options = WalOptions { segment_bytes: 3_000, ..options() };
        let mut model = Model::default();
        let mut life = Life::start(&disk, &mut model, &options, seed);
        disk.cut_power_after(10 + random.below(40));
        while life.commit(&mut model, &mut random) {}
        for _ in 0..3 {
            disk.crash(random.next_u64());
            disk.cut_power_after(random.below(4));
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            // It fails for want of power, or succeeds; both leave a WAL that can be read.
            let _ = recover(&shared, Path::new(DIRECTORY), Sequence(model.low_water));
        }
        disk.crash(random.next_u64());
        Life::start(&disk, &mut model, &options, seed);
    }
}

#[test]
fn a_disk_that_lies_about_syncs_never_makes_the_wal_invent() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let disk = SimulatedDisk::new();
        let options = WalOptions { segment_bytes: 5_000, ..options() };
        let mut model = Model::default();
        let mut life = Life::start(&disk, &mut model, &options, seed);
        disk.set_lying_syncs(true);
        (0..20).for_each(|_| assert!(life.commit(&mut model, &mut random)));
        disk.crash(seed);
        // Such a disk may lose anything. What is left is either refused or the true beginning.
        if let Ok(found) = found(&disk, 0) {
            let expected: Vec<(u64, u64)> = model.durable.into_iter().take(found.len()).collect();
            assert_eq!(found, expected, "seed {seed}");
        }
    }
}

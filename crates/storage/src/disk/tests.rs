//! Tests of the disks: both do the same where nothing fails, and the simulated one loses what it should.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::PathBuf;

use super::simulated::{Random, SECTOR_BYTES};
use super::*;

fn read_all(file: &dyn DiskFile) -> Vec<u8> {
    let mut bytes = vec![0; file.length().unwrap() as usize];
    read_exact_at(file, 0, &mut bytes).unwrap();
    bytes
}

/// What both disks must do alike.
fn check_contract(disk: &dyn Disk, root: &Path) {
    let directory = root.join("a/b");
    assert_eq!(disk.list(&directory).unwrap_err().kind(), io::ErrorKind::NotFound);
    disk.create_directory(&directory).unwrap();
    disk.create_directory(&directory).unwrap();
    assert!(disk.list(&directory).unwrap().is_empty());

    let path = directory.join("two");
    assert_eq!(disk.open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    let file = disk.create(&path).unwrap();
    assert_eq!(disk.create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    file.write_at(0, b"hello").unwrap();
    file.write_at(3, b"p, world").unwrap();
    file.sync_data().unwrap();
    assert_eq!(read_all(file.as_ref()), b"help, world");
    file.allocate(13).unwrap();
    file.allocate(4).unwrap();
    assert_eq!(read_all(disk.open(&path).unwrap().as_ref()), b"help, world\0\0");
    file.truncate(4).unwrap();
    file.truncate(6).unwrap();
    assert_eq!(read_all(file.as_ref()), b"help\0\0");
    assert_eq!(file.read_at(6, &mut [0; 4]).unwrap(), 0);
    assert_eq!(file.read_at(100, &mut [0; 4]).unwrap(), 0);
    let past_end = read_exact_at(file.as_ref(), 4, &mut [0; 4]);
    assert_eq!(past_end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);

    disk.create(&directory.join("one")).unwrap();
    assert_eq!(disk.list(&directory).unwrap(), ["one", "two"]);
    disk.rename(&path, &directory.join("one")).unwrap();
    assert_eq!(disk.list(&directory).unwrap(), ["one"]);
    assert_eq!(read_all(disk.open(&directory.join("one")).unwrap().as_ref()), b"help\0\0");
    disk.remove(&directory.join("one")).unwrap();
    assert_eq!(disk.remove(&directory.join("one")).unwrap_err().kind(), io::ErrorKind::NotFound);
    disk.sync_directory(&directory).unwrap();
    assert!(disk.available_bytes(&directory).unwrap() > 0);
}

#[test]
fn both_disks_keep_the_contract() {
    let temporary = tempfile::tempdir().unwrap();
    check_contract(&RealDisk, temporary.path());
    check_contract(&SimulatedDisk::new(), Path::new("/root"));
}

fn simulated() -> (SimulatedDisk, PathBuf) {
    let disk = SimulatedDisk::new();
    disk.create_directory(Path::new("d")).unwrap();
    (disk, PathBuf::from("d/file"))
}

#[test]
fn a_crash_keeps_what_was_synced_and_sectors_of_the_rest() {
    let (mut kept_some, mut lost_some, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let (disk, path) = simulated();
        let file = disk.create(&path).unwrap();
        file.write_at(0, &[1; 700]).unwrap();
        file.sync_data().unwrap();
        disk.sync_directory(Path::new("d")).unwrap();
        file.write_at(700, &[2; 3 * SECTOR_BYTES]).unwrap();
        disk.crash(seed);
        assert!(file.length().is_err(), "the handle of the dead process");
        let bytes = disk.contents(&path).unwrap();
        assert_eq!(bytes[..700], [1; 700]);
        let rest = &bytes[700..];
        kept_some += u32::from(rest.contains(&2));
        lost_some += u32::from(rest.len() < 3 * SECTOR_BYTES);
        torn += u32::from(rest.windows(2).any(|pair| pair == [0, 2]));
        for (place, pair) in (700..).zip(rest.windows(2)) {
            assert!(pair[0] == pair[1] || (place + 1) % SECTOR_BYTES == 0, "torn inside a sector at {place}");
        }
    }
    assert!(kept_some > 20 && lost_some > 20 && torn > 5, "{kept_some} {lost_some} {torn}");
}

#[test]
fn names_need_a_sync_of_their_directory() {
    let (mut created, mut removed) = (0, 0);
    for seed in 0..50 {
        let (disk, path) = simulated();
        let old = Path::new("d/old");
        disk.set_contents(old, b"x");
        disk.create(&path).unwrap().sync_data().unwrap();
        disk.remove(old).unwrap();
        disk.crash(seed);
        created += u32::from(disk.contents(&path).is_some());
        removed += u32::from(disk.contents(old).is_none());
    }
    assert!((5..45).contains(&created) && (5..45).contains(&removed), "{created} {removed}");

    let (disk, path) = simulated();
    disk.create(&path).unwrap();
    disk.sync_directory(Path::new("d")).unwrap();
    disk.crash(0);
    assert!(disk.contents(&path).is_some());
}

#[test]
fn the_same_seed_gives_the_same_disk() {
    let run = |seed| {
        let (disk, path) = simulated();
        let file = disk.create(&path).unwrap();
        disk.sync_directory(Path::new("d")).unwrap();
        let mut random = Random::new(7);
        for _ in 0..20 {
            file.write_at(random.below(5_000), &vec![random.below(255) as u8; random.below(2_000) as usize]).unwrap();
        }
        disk.crash(seed);
        disk.contents(&path).unwrap()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_failed_sync_loses_its_writes_and_the_next_one_says_nothing() {
    let (disk, path) = simulated();
    let file = disk.create(&path).unwrap();
    disk.sync_directory(Path::new("d")).unwrap();
    file.write_at(0, b"lost").unwrap();
    disk.fail_sync_after(0);
    file.sync_data().unwrap_err();
    assert_eq!(disk.contents(&path).unwrap(), b"lost");
    file.sync_data().unwrap();
    disk.crash(0);
    assert_eq!(disk.contents(&path).unwrap(), b"");
}

#[test]
fn faults_do_what_they_say() {
    let (disk, path) = simulated();
    let file = disk.create(&path).unwrap();
    disk.set_capacity(Some(10));
    let error = file.write_at(0, &[1; 20]).unwrap_err();
    assert!(is_out_of_space(&error));
    assert_eq!(disk.contents(&path).unwrap(), [1; 10]);
    file.write_at(2, &[2; 8]).unwrap();
    assert!(is_out_of_space(&file.allocate(11).unwrap_err()));
    assert_eq!(disk.available_bytes(Path::new("d")).unwrap(), 0);
    disk.set_capacity(None);
    file.allocate(11).unwrap();

    disk.fail_write_after(1, 1);
    file.write_at(0, &[3; 2]).unwrap();
    file.write_at(0, &[4; 2]).unwrap_err();
    assert_eq!(disk.contents(&path).unwrap()[..2], [4, 3]);
    file.write_at(0, &[5; 2]).unwrap();

    disk.set_lying_syncs(true);
    disk.sync_directory(Path::new("d")).unwrap();
    file.sync_data().unwrap();
    disk.set_lying_syncs(false);
    assert!(disk.corrupt(&path, 0, 0x80));
    assert!(!disk.corrupt(&path, 11, 1));
    assert_eq!(disk.contents(&path).unwrap()[0], 0x85);

    disk.cut_power_after(1);
    file.write_at(0, &[6]).unwrap();
    file.write_at(1, &[6]).unwrap_err();
    file.length().unwrap_err();
    disk.open(&path).unwrap_err();
    disk.crash(3);
    assert!(disk.list(Path::new("d")).is_ok());
}

//! Damaged, cut and foreign files: recovered exactly up to a torn tail, or refused with the place and the cause.

use super::*;

fn segment(number: u64) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{number:020}.wal"))
}

/// The groups of [`one_segment`].
const GROUPS: [std::ops::RangeInclusive<u64>; 4] = [1..=1, 2..=3, 4..=4, 5..=7];
/// The records of the last group: the only ones that a power failure could have torn.
const LAST_GROUP: usize = 3;
const RECORDS: usize = 7;

/// The bytes of a segment with records 1 to 7, written in [`GROUPS`], with allocated space behind them.
fn one_segment() -> Vec<u8> {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new());
    let directory = Path::new(DIRECTORY);
    let log = recover(&disk, directory, Sequence::ZERO).unwrap().log;
    let shared = Arc::new(Shared::new(&log));
    let small = WalOptions { allocate_bytes: 1_024, ..options() };
    let for_writer = Arc::clone(&disk);
    let mut writer = Writer::new(shared, for_writer, directory.to_owned(), log, small, Box::new(|_, _: u64| {}));
    for group in GROUPS {
        let pending = |id| Pending { record: record(id), attachment: id, waiter: oneshot::channel().0 };
        writer.commit(group.map(pending).collect());
    }
    let file = disk.open(&segment(1)).unwrap();
    let mut bytes = vec![0; file.length().unwrap() as usize];
    crate::disk::read_exact_at(file.as_ref(), 0, &mut bytes).unwrap();
    bytes
}

/// Where record `index` (from 0) starts; `RECORDS` is the end of the last.
fn start_of(index: usize) -> usize {
    SEGMENT_HEADER_BYTES + index * record(1).byte_len()
}

fn disk_with(segments: &[(u64, &[u8])]) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_directory(Path::new(DIRECTORY)).unwrap();
    for (number, bytes) in segments {
        disk.set_contents(&segment(*number), bytes);
    }
    disk
}

fn first_records(count: usize) -> Vec<(u64, u64)> {
    (1..=count as u64).map(|id| (id, id)).collect()
}

/// Recovers, and if that succeeds writes on, loses power and recovers again.
fn recover_and_go_on(disk: &SimulatedDisk) -> Result<Vec<(u64, u64)>, RecoveryError> {
    let log = open_at(disk, 0, options())?;
    let replayed = log.replayed.clone();
    let next = replayed.len() as u64 + 1;
    assert_eq!(log.append(100).unwrap(), next);
    drop(log);
    disk.crash(1);
    let mut expected = replayed.clone();
    expected.push((next, 100));
    assert_eq!(found(disk, 0).unwrap(), expected);
    Ok(replayed)
}

fn damage_of(result: Result<Vec<(u64, u64)>, RecoveryError>) -> (u64, Damage) {
    match result {
        Err(RecoveryError::Damaged { offset, damage, .. }) => (offset, damage),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_segment_cut_anywhere_gives_the_records_before_the_cut() {
    let bytes = one_segment();
    assert!(bytes.len() > start_of(RECORDS) + 100);
    for length in 0..=start_of(RECORDS) + 1 {
        let whole = (0..RECORDS).filter(|index| start_of(index + 1) <= length).count();
        let found = recover_and_go_on(&disk_with(&[(1, &bytes[..length])]));
        assert_eq!(found.unwrap(), first_records(whole), "cut at {length}");
    }
}

#[test]
fn a_tail_of_zeros_after_any_byte_gives_the_records_before_it() {
    let bytes = one_segment();
    for length in SEGMENT_HEADER_BYTES..start_of(RECORDS) {
        let mut torn = bytes.clone();
        torn[length..].fill(0);
        let found = recover_and_go_on(&disk_with(&[(1, &torn)])).unwrap();
        // A record that ends in zeros is whole although they were never written.
        let whole = (0..RECORDS).filter(|index| bytes[..start_of(index + 1)] == torn[..start_of(index + 1)]).count();
        assert_eq!(found, first_records(whole), "zeros from {length}");
    }
}

#[test]
fn a_flipped_bit_is_a_torn_tail_or_refused() {
    let bytes = one_segment();
    let (mut refused, mut cut) = (0, 0);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let place = bit / 8;
        match found(&disk_with(&[(1, &flipped)]), 0) {
            Ok(found) => {
                cut += 1;
                let whole = (0..RECORDS).filter(|index| start_of(index + 1) <= place).count();
                assert_eq!(found, first_records(whole), "bit {bit}");
                assert!(found.len() >= RECORDS - LAST_GROUP, "bit {bit}: durable records were dropped");
            }
            Err(error) => {
                refused += 1;
                assert!(place < start_of(RECORDS - LAST_GROUP), "bit {bit}: {error}");
            }
        }
    }
    assert!(refused > 1_000 && cut > 1_000, "{refused} {cut}");
}

#[test]
fn a_flipped_bit_in_an_older_segment_is_refused() {
    let (disk, first) = two_segments();
    for bit in 0..first.len() * 8 {
        let mut flipped = first.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        disk.set_contents(&segment(1), &flipped);
        assert!(found(&disk, 0).is_err(), "bit {bit}");
        // Once files hold all its records nobody looks at them; the header is still read.
        assert_eq!(found(&disk, 3).is_ok(), bit / 8 >= SEGMENT_HEADER_BYTES, "bit {bit}");
    }
}

/// Records 1 to 3 in the first segment, 4 in the second; and the bytes of the first.
fn two_segments() -> (SimulatedDisk, Vec<u8>) {
    let disk = SimulatedDisk::new();
    let limit = start_of(3) as u64;
    let log = open_at(&disk, 0, WalOptions { segment_bytes: limit, ..options() }).unwrap();
    (1..=4).for_each(|id| assert_eq!(log.append(id).unwrap(), id));
    drop(log);
    let first = disk.contents(&segment(1)).unwrap();
    assert_eq!(disk.list(Path::new(DIRECTORY)).unwrap().len(), 2);
    (disk, first)
}

#[test]
fn an_older_segment_that_was_cut_is_refused() {
    let (disk, first) = two_segments();
    for length in 0..start_of(3) {
        disk.set_contents(&segment(1), &first[..length]);
        assert!(found(&disk, 0).is_err(), "cut at {length}");
    }
}

#[test]
fn a_torn_group_whose_later_records_survived_is_a_torn_tail() {
    // Records 5 to 7 were one write: its sectors reach the disk in any order.
    for torn in [4, 5] {
        let mut bytes = one_segment();
        bytes[start_of(torn)..start_of(torn + 1)].fill(0);
        let disk = disk_with(&[(1, &bytes)]);
        assert_eq!(recover_and_go_on(&disk).unwrap(), first_records(torn));
    }
    // Record 4 was durable before 5 was written.
    let mut bytes = one_segment();
    bytes[start_of(3)..start_of(4)].fill(0);
    let disk = disk_with(&[(1, &bytes)]);
    let expected = (start_of(3) as u64, Damage::Record { sequence: Sequence(4) });
    assert_eq!(damage_of(found(&disk, 0)), expected);
    assert_eq!(disk.contents(&segment(1)).unwrap(), bytes, "what is refused is left as it is");
    // Unless files hold it and all that follows.
    for after in 4..7 {
        assert_eq!(damage_of(found(&disk, after)), expected, "after {after}");
    }
    assert_eq!(found(&disk, 7).unwrap(), []);
}

#[test]
fn a_torn_tail_is_reported() {
    let bytes = one_segment();
    let disk: Arc<dyn Disk> = Arc::new(disk_with(&[(1, &bytes[..start_of(7) - 1])]));
    let log = recover(&disk, Path::new(DIRECTORY), Sequence::ZERO).unwrap().log;
    let (offset, length_before) = (start_of(6) as u64, start_of(7) as u64 - 1);
    assert_eq!(log.torn_tail(), Some(&TornTail { path: segment(1), offset, length_before }));
    assert_eq!(log.next_sequence(), Sequence(7));
}

#[test]
fn a_newer_version_is_refused() {
    let mut bytes = one_segment();
    bytes[8] = 9;
    let error = found(&disk_with(&[(1, &bytes)]), 0).unwrap_err();
    assert!(matches!(error, RecoveryError::NewerVersion { found: 9, supported: FORMAT_VERSION, .. }), "{error}");
    assert!(error.to_string().contains("version 9"), "{error}");
}

#[test]
fn missing_records_are_refused_unless_files_hold_them() {
    let bytes = one_segment();
    let header =
        |number, first_sequence, salt| segment::SegmentHeader { number, first_sequence, salt }.encode().to_vec();
    let empty = |number, first_sequence| header(number, first_sequence, 5);
    let check = |segments: &[(u64, &[u8])], after: u64, expected: Result<usize, u64>| match (
        found(&disk_with(segments), after),
        expected,
    ) {
        (Ok(found), Ok(count)) => assert_eq!(found.len(), count, "after {after}"),
        (Err(RecoveryError::Damaged { damage: Damage::Gap { expected, .. }, .. }), Err(sequence)) => {
            assert_eq!(expected.0, sequence, "after {after}");
        }
        (found, expected) => panic!("after {after}: {found:?} instead of {expected:?}"),
    };
    // The segment starts at 1, and 8 comes next.
    check(&[(1, &bytes), (2, &empty(2, 8))], 0, Ok(7));
    check(&[(1, &bytes), (2, &empty(2, 9))], 0, Err(8));
    check(&[(1, &bytes), (2, &empty(2, 9))], 7, Err(8));
    check(&[(1, &bytes), (2, &empty(2, 9))], 8, Ok(0));
    check(&[(1, &bytes), (2, &empty(2, 7))], 0, Err(8));
    check(&[(3, &empty(3, 5))], 3, Err(4));
    check(&[(3, &empty(3, 5))], 4, Ok(0));
    check(&[(3, &empty(3, 5))], 9, Ok(0));
}

#[test]
fn writing_goes_on_behind_the_files_when_the_wal_ends_before_them() {
    let disk = disk_with(&[(1, &one_segment())]);
    let log = open_at(&disk, 20, options()).unwrap();
    assert_eq!(log.append(100).unwrap(), 21);
    drop(log);
    disk.crash(1);
    assert_eq!(found(&disk, 20).unwrap(), [(21, 100)]);
    assert!(found(&disk, 10).is_err());
    let log = open_at(&disk, 21, options()).unwrap();
    assert_eq!(log.append(101).unwrap(), 22);
    assert_eq!(log.wal.delete_through(Sequence(22)).unwrap(), 1);
}

#[test]
fn names_and_headers_must_agree() {
    let bytes = one_segment();
    let error = found(&disk_with(&[(2, &bytes)]), 0);
    assert_eq!(damage_of(error), (0, Damage::WrongSegment(1)));

    let disk = disk_with(&[(1, &bytes)]);
    disk.set_contents(&Path::new(DIRECTORY).join("notes.txt"), b"");
    assert_eq!(found(&disk, 0).unwrap().len(), RECORDS);
    disk.set_contents(&Path::new(DIRECTORY).join("copy.wal"), b"");
    assert!(matches!(found(&disk, 0), Err(RecoveryError::StrangeName { .. })));
}

#[test]
fn a_segment_in_the_making_is_removed() {
    for torn in [Vec::new(), vec![0; 10], vec![0; 4_096], b"FRSHTWAL".to_vec()] {
        let disk = disk_with(&[(1, &one_segment()), (2, &torn)]);
        assert_eq!(recover_and_go_on(&disk).unwrap(), first_records(RECORDS));
        assert!(disk.contents(&segment(2)).is_none());
    }
    // With something behind its header it is no torn beginning.
    let mut torn = vec![0; 4_096];
    torn[200] = 1;
    let disk = disk_with(&[(1, &one_segment()), (2, &torn)]);
    assert_eq!(damage_of(found(&disk, 0)), (0, Damage::SegmentHeader));
}

/// A record whose checksums are right, made by hand.
fn forged(change: impl FnOnce(&mut record::RecordHeader)) -> Vec<u8> {
    let payload = b"not rows";
    let mut header = record::RecordHeader {
        payload_length: payload.len() as u32,
        payload_checksum: crc32c::crc32c(payload),
        kind: 1,
        encoding: 1,
        sequence: Sequence(1),
        durable_through: Sequence::ZERO,
        organisation: 1,
        bucket: 1,
    };
    change(&mut header);
    let mut bytes = segment::SegmentHeader { number: 1, first_sequence: 1, salt: 3 }.encode().to_vec();
    bytes.extend_from_slice(&header.encode(3));
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn records_that_make_no_sense_are_refused() {
    let sequence = Sequence(1);
    let check = |bytes: Vec<u8>, expected: Damage| {
        let (offset, damage) = damage_of(found(&disk_with(&[(1, &bytes)]), 0));
        assert_eq!((offset, damage), (SEGMENT_HEADER_BYTES as u64, expected));
    };
    check(forged(|header| header.kind = 4), Damage::UnknownType { sequence, kind: 4 });
    check(forged(|header| header.kind = 9), Damage::UnknownType { sequence, kind: 9 });
    check(forged(|header| header.bucket = 0), Damage::Owner { sequence });
    let error = DecodeError::UnknownEncoding(200);
    check(forged(|header| header.encoding = 200), Damage::Payload { sequence, error });
    check(
        forged(|header| (header.kind, header.encoding) = (2, 2)),
        Damage::Payload { sequence, error: DecodeError::UnknownEncoding(2) },
    );
    let (_, damage) = damage_of(found(&disk_with(&[(1, &forged(|header| header.kind = 2))]), 0));
    assert!(matches!(damage, Damage::Payload { .. }), "{damage}");
    let later = Sequence(2);
    check(forged(|header| header.sequence = later), Damage::Gap { expected: sequence, found: later });
    let (_, damage) = damage_of(found(&disk_with(&[(1, &forged(|_| {}))]), 0));
    assert!(matches!(damage, Damage::Payload { .. }), "{damage}");
}

#[test]
fn a_string_cannot_pass_for_a_record() {
    let header = record::RecordHeader {
        payload_length: 0,
        payload_checksum: 0,
        kind: 3,
        encoding: 0,
        sequence: Sequence(9),
        durable_through: Sequence(8),
        organisation: 1,
        bucket: 1,
    };
    assert_eq!(record::RecordHeader::decode(&header.encode(5), 5), Some(header));
    assert_eq!(record::RecordHeader::decode(&header.encode(5), 6), None);
}

#[test]
fn a_failing_disk_is_an_error_and_no_damage() {
    let disk = disk_with(&[(1, &one_segment())]);
    disk.cut_power_after(0);
    let shared: Arc<dyn Disk> = Arc::new(disk);
    let error = recover(&shared, Path::new(DIRECTORY), Sequence::ZERO).unwrap_err();
    assert!(matches!(error, RecoveryError::Disk(_)), "{error}");
}

//! The start: what is in the WAL, is it whole, where does writing go on.
//!
//! ```text
//! recover ── headers of all segments ── records of those that may hold one after `after`, checksums only
//!    │           the torn tail of the last one is cut, its last group is written again, all is synced
//!    ├── RecoveredLog ── Wal::start: writes are accepted
//!    └── Replay       ── on any thread, at the same time: the records after `after`, decoded
//! ```
//!
//! Anything that is not whole and not a torn tail is an error that names the file, the offset and the cause; nothing
//! is skipped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Damage, DiskFault, Operation, RecoveryError};
use super::reader::SegmentReader;
use super::record::Record;
use super::segment::{FORMAT_VERSION, HeaderError, SEGMENT_HEADER_BYTES, SegmentHeader, segment_number, segment_path};
use super::segments::SealedSegment;
use super::writer::ActiveSegment;
use crate::disk::{Disk, DiskFile};
use crate::ids::Sequence;

/// How much of the last group is written again at once.
const REWRITE_BYTES: usize = 1 << 20;

/// What was found, in two parts that go different ways.
#[derive(Debug)]
pub struct Recovery {
    /// Where writing goes on; for [`crate::wal::Wal::start`].
    pub log: RecoveredLog,
    /// The records that are in no file yet.
    pub replay: Replay,
}

/// A WAL that is whole and durable, to be written on.
#[derive(Debug)]
pub struct RecoveredLog {
    pub(crate) next_sequence: Sequence,
    pub(crate) next_number: u64,
    pub(crate) sealed: Vec<SealedSegment>,
    pub(crate) active: Option<ActiveSegment>,
    torn_tail: Option<TornTail>,
}

impl RecoveredLog {
    /// The sequence that the next record gets.
    #[must_use]
    pub fn next_sequence(&self) -> Sequence {
        self.next_sequence
    }

    /// What was cut off, for the log.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn_tail.as_ref()
    }
}

/// Bytes that were being written when the power failed; nobody was told that they are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// Where it was cut.
    pub offset: u64,
    /// How long it was before, allocated space included.
    pub length_before: u64,
}

/// Reads the WAL in `directory` (made if missing) and makes it ready to be written on. Every record up to `after` is in
/// files already; those records may be missing or damaged.
///
/// On return all records that were found are durable.
///
/// # Errors
/// [`RecoveryError`]: a newer version, damage, a gap after `after`, or a failure of the disk.
pub fn recover(disk: &Arc<dyn Disk>, directory: &Path, after: Sequence) -> Result<Recovery, RecoveryError> {
    let fault = |operation| move |source| DiskFault { operation, path: directory.to_owned(), source };
    disk.create_directory(directory).map_err(fault(Operation::Create))?;
    let found = open_segments(disk.as_ref(), directory)?;
    // A segment's name may be there without a sync having covered it: the process died between the two.
    disk.sync_directory(directory).map_err(fault(Operation::Sync))?;

    let first_missing = after.next();
    if let Some(first) = found.first().filter(|first| first.header.first_sequence > first_missing.0) {
        let found = Sequence(first.header.first_sequence);
        return Err(first.damaged(first.end(), Damage::Gap { expected: first_missing, found }));
    }
    let mut log = RecoveredLog {
        next_sequence: first_missing,
        next_number: found.last().map_or(1, |last| last.header.number + 1),
        sealed: Vec::new(),
        active: None,
        torn_tail: None,
    };
    let mut parts = Vec::new();
    let mut segments = found.into_iter().peekable();
    while let Some(segment) = segments.next() {
        let next_first = segments.peek().map(|next| next.header.first_sequence);
        match next_first {
            // All its records are in files; whether they are readable does not matter.
            Some(next_first) if next_first <= first_missing.0 => log.sealed.push(SealedSegment {
                number: segment.header.number,
                last: Sequence(next_first.saturating_sub(1)),
                bytes: segment.length,
            }),
            Some(next_first) => {
                let scan = scan(segment, after)?;
                scan.check_sealed(Sequence(next_first))?;
                log.sealed.push(scan.sealed());
                parts.extend(scan.replay_part());
            }
            None => {
                let scan = scan(segment, after)?;
                parts.extend(scan.replay_part());
                settle_last(scan, after, &mut log)?;
            }
        }
    }
    parts.reverse();
    Ok(Recovery { log, replay: Replay { disk: Arc::clone(disk), parts, current: None, failed: false } })
}

/// A segment whose header was read.
#[derive(Debug)]
struct FoundSegment {
    header: SegmentHeader,
    file: Box<dyn DiskFile>,
    path: PathBuf,
    length: u64,
}

impl FoundSegment {
    fn end(&self) -> u64 {
        SEGMENT_HEADER_BYTES as u64
    }

    fn damaged(&self, offset: u64, damage: Damage) -> RecoveryError {
        RecoveryError::Damaged { path: self.path.clone(), offset, damage }
    }
}

fn open_segments(disk: &dyn Disk, directory: &Path) -> Result<Vec<FoundSegment>, RecoveryError> {
    let names = disk.list(directory);
    let names = names.map_err(|source| DiskFault { operation: Operation::List, path: directory.to_owned(), source })?;
    let mut numbers = Vec::new();
    for name in names {
        let number = segment_number(&name);
        numbers.extend(number.map_err(|_| RecoveryError::StrangeName { path: directory.join(&name) })?);
    }
    numbers.sort_unstable();
    let last = numbers.last().copied();
    let mut segments = Vec::new();
    for number in numbers {
        let path = segment_path(directory, number);
        segments.extend(open_segment(disk, path, number, Some(number) == last)?);
    }
    Ok(segments)
}

/// Opens a segment and reads its header. The last one may have been in the making when the power failed: it is removed
/// if its header is unreadable and nothing follows, because a record is only written behind a durable header.
fn open_segment(
    disk: &dyn Disk,
    path: PathBuf,
    number: u64,
    is_last: bool,
) -> Result<Option<FoundSegment>, RecoveryError> {
    let fault = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| DiskFault { operation, path, source }
    };
    let file = disk.open(&path).map_err(fault(Operation::Open, &path))?;
    let length = file.length().map_err(fault(Operation::Read, &path))?;
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    if length >= SEGMENT_HEADER_BYTES as u64 {
        crate::disk::read_exact_at(file.as_ref(), 0, &mut bytes).map_err(fault(Operation::Read, &path))?;
    }
    match SegmentHeader::decode(&bytes) {
        Ok(header) if header.number != number => {
            Err(RecoveryError::Damaged { path, offset: 0, damage: Damage::WrongSegment(header.number) })
        }
        Ok(header) => Ok(Some(FoundSegment { header, file, path, length })),
        Err(HeaderError::NewerVersion(found)) => {
            Err(RecoveryError::NewerVersion { path, found, supported: FORMAT_VERSION })
        }
        Err(HeaderError::Damaged) => {
            let offset = length.min(SEGMENT_HEADER_BYTES as u64);
            let mut reader = SegmentReader::new(file, path, 0, offset, length);
            if is_last && reader.rest_is_zero()? {
                disk.remove(reader.path()).map_err(fault(Operation::Remove, reader.path()))?;
                return Ok(None);
            }
            let path = reader.path().to_owned();
            Err(RecoveryError::Damaged { path, offset: 0, damage: Damage::SegmentHeader })
        }
    }
}

/// What the records of a segment turned out to be.
#[derive(Debug)]
struct Scan {
    header: SegmentHeader,
    reader: SegmentReader,
    length: u64,
    /// The last record; the one before the segment's first if there is none.
    last: Sequence,
    /// Where the group of the last record starts: the only one that may not be durable.
    last_group_offset: u64,
    /// Where the first record after `after` starts.
    replay_offset: Option<u64>,
    /// Whether only allocated space follows the last record.
    is_clean: bool,
}

fn scan(segment: FoundSegment, after: Sequence) -> Result<Scan, RecoveryError> {
    let FoundSegment { header, file, path, length } = segment;
    let start = SEGMENT_HEADER_BYTES as u64;
    let mut reader = SegmentReader::new(file, path, header.salt, start, length);
    let mut expected = Sequence(header.first_sequence);
    let mut last_group = (Sequence::ZERO, start);
    let mut replay_offset = None;
    loop {
        let offset = reader.offset();
        let Some((record, _)) = reader.next_record()? else {
            break;
        };
        let damage = if record.sequence != expected {
            Err(Damage::Gap { expected, found: record.sequence })
        } else if record.sequence > after {
            replay_offset = replay_offset.or(Some(offset));
            record.check_known()
        } else {
            Ok(())
        };
        damage.map_err(|damage| RecoveryError::Damaged { path: reader.path().to_owned(), offset, damage })?;
        if record.durable_through != last_group.0 {
            last_group = (record.durable_through, offset);
        }
        expected = expected.next();
    }
    let is_clean = reader.rest_is_zero()?;
    let last = Sequence(expected.0.saturating_sub(1));
    Ok(Scan { header, reader, length, last, last_group_offset: last_group.1, replay_offset, is_clean })
}

impl Scan {
    /// A segment that another follows was whole and durable before the other was made.
    fn check_sealed(&self, next_first: Sequence) -> Result<(), RecoveryError> {
        let expected = self.last.next();
        let damage = if !self.is_clean {
            Damage::Record { sequence: expected }
        } else if next_first != expected {
            Damage::Gap { expected, found: next_first }
        } else {
            return Ok(());
        };
        Err(RecoveryError::Damaged { path: self.reader.path().to_owned(), offset: self.reader.offset(), damage })
    }

    fn sealed(&self) -> SealedSegment {
        SealedSegment { number: self.header.number, last: self.last, bytes: self.reader.offset() }
    }

    fn replay_part(&self) -> Option<ReplayPart> {
        let path = self.reader.path().to_owned();
        let (salt, end) = (self.header.salt, self.reader.offset());
        self.replay_offset.map(|offset| ReplayPart { path, salt, offset, end })
    }
}

/// Cuts a torn tail off the last segment and makes sure that what is left is durable.
fn settle_last(mut scan: Scan, after: Sequence, log: &mut RecoveredLog) -> Result<(), RecoveryError> {
    let end = scan.reader.offset();
    let path = scan.reader.path().to_owned();
    let lost = scan.last.next();
    // A record that is in a file may be unreadable, as long as nothing behind it is needed.
    if !scan.is_clean && scan.reader.durable_record_behind(lost, after)?.is_some() {
        return Err(RecoveryError::Damaged { path, offset: end, damage: Damage::Record { sequence: lost } });
    }
    let sealed = scan.sealed();
    let file = scan.reader.into_file();
    let mut length = scan.length;
    if !scan.is_clean {
        file.truncate(end).map_err(|source| DiskFault {
            operation: Operation::Truncate,
            path: path.clone(),
            source,
        })?;
        log.torn_tail = Some(TornTail { path: path.clone(), offset: end, length_before: length });
        length = end;
    }
    // The first group of a segment says nothing of the header's sync: it may have failed too.
    let is_first_group = scan.last_group_offset == SEGMENT_HEADER_BYTES as u64;
    make_durable(file.as_ref(), &path, if is_first_group { 0 } else { scan.last_group_offset }, end)?;
    if lost < log.next_sequence {
        // Files hold more than the WAL does (it was restored or lost records that it had synced). Sequences must be
        // without gaps inside a segment, so the next record opens a new one.
        log.sealed.push(sealed);
    } else {
        log.next_sequence = lost;
        let (number, salt) = (scan.header.number, scan.header.salt);
        log.active = Some(ActiveSegment { file, path, number, salt, end, length });
    }
    Ok(())
}

/// Writes what the last sync should have covered again, and syncs. The process may have died before that sync, or
/// because it failed; in that case Linux holds the bytes in its cache as if they were written, and only writing them
/// again makes a sync mean something.
fn make_durable(file: &dyn DiskFile, path: &Path, start: u64, end: u64) -> Result<(), DiskFault> {
    let fault = |operation| move |source| DiskFault { operation, path: path.to_owned(), source };
    let mut place = start;
    while place < end {
        let count = usize::try_from(end - place).unwrap_or(usize::MAX).min(REWRITE_BYTES);
        let mut bytes = vec![0; count];
        crate::disk::read_exact_at(file, place, &mut bytes).map_err(fault(Operation::Read))?;
        file.write_at(place, &bytes).map_err(fault(Operation::Write))?;
        place += count as u64;
    }
    file.sync_data().map_err(fault(Operation::Sync))
}

/// The records after the recovery's `after`, in order: an iterator that ends at its first error.
///
/// It reads up to where the WAL ended at recovery, so it may run while records are appended. Segments that it has not
/// read yet must not be deleted, which holds as long as the low-water mark follows the replay.
#[derive(Debug)]
pub struct Replay {
    disk: Arc<dyn Disk>,
    /// What is to come, the next one last.
    parts: Vec<ReplayPart>,
    current: Option<SegmentReader>,
    failed: bool,
}

#[derive(Debug)]
struct ReplayPart {
    path: PathBuf,
    salt: u64,
    offset: u64,
    end: u64,
}

impl Replay {
    /// Bytes of the WAL that are still to be read.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, SegmentReader::bytes_left);
        current + self.parts.iter().map(|part| part.end - part.offset).sum::<u64>()
    }

    fn read(&mut self) -> Result<Option<(Sequence, Record)>, RecoveryError> {
        loop {
            if self.current.as_ref().is_none_or(|reader| reader.bytes_left() == 0) {
                let Some(part) = self.parts.pop() else { return Ok(None) };
                let file = self.disk.open(&part.path);
                let file =
                    file.map_err(|source| DiskFault { operation: Operation::Open, path: part.path.clone(), source })?;
                self.current = Some(SegmentReader::new(file, part.path, part.salt, part.offset, part.end));
            }
            let Some(reader) = &mut self.current else {
                return Ok(None);
            };
            if reader.bytes_left() == 0 {
                continue;
            }
            let (path, offset) = (reader.path().to_owned(), reader.offset());
            return match reader.next_record()? {
                Some((header, payload)) => match header.decode_record(payload) {
                    Ok(record) => Ok(Some((header.sequence, record))),
                    Err(damage) => Err(RecoveryError::Damaged { path, offset, damage }),
                },
                // It was readable a moment ago.
                None => Err(RecoveryError::Damaged { path, offset, damage: Damage::Unstable }),
            };
        }
    }
}

impl Iterator for Replay {
    type Item = Result<(Sequence, Record), RecoveryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let result = self.read();
        self.failed = result.is_err();
        result.transpose()
    }
}

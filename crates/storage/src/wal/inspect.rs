//! Looks at the WAL without changing it: which records each segment holds, and where one cannot be read.
//!
//! Recovery stops at the first place that is neither whole nor a torn tail; this goes on behind it, so that somebody
//! can decide what to do. It judges by the same rules as `recovery`.

use std::path::{Path, PathBuf};

use super::error::DiskFault;
use super::record::{PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, Record, RecordHeader};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_number, segment_path};
use super::{Operation, RecoveryError};
use crate::disk::Disk;
use crate::ids::Sequence;

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InspectedSegment {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    /// The sequence that its header names first; `None` if the header cannot be read.
    pub(crate) first: Option<Sequence>,
    /// Of the records that can be read one after another from the start.
    pub(crate) last: Option<Sequence>,
    /// The greatest sequence that was seen, also behind a damaged place.
    pub(crate) greatest: Option<Sequence>,
    pub(crate) records: u64,
    /// Where reading stops although something follows, or where a record is missing.
    pub(crate) damage: Option<SegmentDamage>,
}

/// A place that stops the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentDamage {
    /// Everything before it is whole; 0: not even the header is.
    pub(crate) offset: u64,
    pub(crate) cause: String,
}

/// Reads all segments that a start would read, in order. `visit` gets each record behind `after` that can be read,
/// with whether it stands behind a damaged place of its segment.
///
/// # Errors
/// If the disk fails; damage is no error here.
pub(crate) fn inspect(
    disk: &dyn Disk,
    directory: &Path,
    after: Sequence,
    visit: &mut dyn FnMut(Sequence, bool, Record),
) -> Result<Vec<InspectedSegment>, RecoveryError> {
    let fault = |operation, path: &Path, source| DiskFault { operation, path: path.to_owned(), source };
    let names = match disk.list(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        names => names.map_err(|source| fault(Operation::List, directory, source))?,
    };
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name).ok().flatten()).collect();
    numbers.sort_unstable();
    let mut segments: Vec<InspectedSegment> = Vec::new();
    for (index, number) in numbers.iter().enumerate() {
        let path = segment_path(directory, *number);
        let file = disk.open(&path).map_err(|source| fault(Operation::Open, &path, source))?;
        let length = file.length().map_err(|source| fault(Operation::Read, &path, source))?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        crate::disk::read_exact_at(file.as_ref(), 0, &mut bytes)
            .map_err(|source| fault(Operation::Read, &path, source))?;
        let is_last = index + 1 == numbers.len();
        let segment = inspect_segment((path, *number), &bytes, (after, is_last), visit);
        segments.push(segment);
    }
    find_gaps(&mut segments, after);
    Ok(segments)
}

fn inspect_segment(
    (path, number): (PathBuf, u64),
    bytes: &[u8],
    (after, is_last): (Sequence, bool),
    visit: &mut dyn FnMut(Sequence, bool, Record),
) -> InspectedSegment {
    let mut segment =
        InspectedSegment { path, number, first: None, last: None, greatest: None, records: 0, damage: None };
    let header = bytes.first_chunk::<SEGMENT_HEADER_BYTES>().map(SegmentHeader::decode);
    let Some(Ok(header)) = header.filter(|header| header.is_ok_and(|header| header.number == number)) else {
        // The last one may have been in the making.
        if !is_last || bytes.iter().skip(SEGMENT_HEADER_BYTES).any(|byte| *byte != 0) {
            segment.damage = Some(SegmentDamage { offset: 0, cause: "its header cannot be read".to_owned() });
        }
        return segment;
    };
    segment.first = Some(Sequence(header.first_sequence));
    let mut expected = Sequence(header.first_sequence);
    let mut offset = SEGMENT_HEADER_BYTES;
    while let Some((record, payload)) = record_at(bytes, offset, header.salt) {
        if record.sequence != expected {
            break;
        }
        if record.sequence > after {
            match record.decode_record(payload) {
                Ok(decoded) => visit(record.sequence, false, decoded),
                Err(damage) => {
                    segment.damage = Some(SegmentDamage { offset: offset as u64, cause: damage.to_string() });
                    break;
                }
            }
        }
        segment.last = Some(record.sequence);
        segment.records += 1;
        expected = expected.next();
        offset += record.record_bytes() as usize;
    }
    segment.greatest = segment.last;
    let rest = bytes.get(offset..).unwrap_or_default();
    if rest.iter().all(|byte| *byte == 0) {
        return segment;
    }
    let proof = behind(bytes, offset, header.salt, (expected, after), &mut segment, visit);
    if (proof || !is_last) && segment.damage.is_none() {
        let cause = format!("record {expected} cannot be read");
        segment.damage = Some(SegmentDamage { offset: offset as u64, cause });
    }
    segment
}

/// Looks for whole records behind a place that cannot be read. Returns whether one proves that the place was durable.
fn behind(
    bytes: &[u8],
    start: usize,
    salt: u64,
    (lost, after): (Sequence, Sequence),
    segment: &mut InspectedSegment,
    visit: &mut dyn FnMut(Sequence, bool, Record),
) -> bool {
    let mut is_proved = false;
    let mut offset = start + 1;
    while offset + RECORD_HEADER_BYTES <= bytes.len() {
        let Some((record, payload)) = record_at(bytes, offset, salt).filter(|(record, _)| record.sequence > lost)
        else {
            offset += 1;
            continue;
        };
        is_proved |= record.sequence > after && (lost <= after || record.durable_through >= lost);
        segment.greatest = segment.greatest.max(Some(record.sequence));
        if record.sequence > after
            && let Ok(decoded) = record.decode_record(payload)
        {
            visit(record.sequence, true, decoded);
        }
        offset += record.record_bytes() as usize;
    }
    is_proved
}

/// The record that starts there, if there is a whole one.
fn record_at(bytes: &[u8], offset: usize, salt: u64) -> Option<(RecordHeader, &[u8])> {
    let rest = bytes.get(offset..)?;
    let header = RecordHeader::decode(rest.first_chunk()?, salt)?;
    let length = header.payload_length as usize;
    let payload = rest.get(RECORD_HEADER_BYTES..RECORD_HEADER_BYTES.checked_add(length)?)?;
    (length <= PAYLOAD_BYTES_MAX && crc32c::crc32c(payload) == header.payload_checksum).then_some((header, payload))
}

/// Notes damage that is not in a segment but between two, and forgets damage where a start does not read.
fn find_gaps(segments: &mut [InspectedSegment], after: Sequence) {
    let firsts: Vec<Option<Sequence>> = segments.iter().map(|segment| segment.first).collect();
    for (index, segment) in segments.iter_mut().enumerate() {
        let next = firsts.get(index + 1).copied().flatten();
        if next.is_some_and(|next| next <= after.next()) {
            segment.damage = None;
            continue;
        }
        let expected = segment.last.map(Sequence::next).or(segment.first);
        if let (None, Some(next), Some(expected)) = (&segment.damage, next, expected)
            && next != expected
        {
            let cause = format!("records {expected} to {} are missing behind it", next.0.saturating_sub(1));
            segment.damage = Some(SegmentDamage { offset: u64::MAX, cause });
        }
    }
    if let Some(first) = segments.first_mut()
        && let Some(found) = first.first.filter(|found| *found > after.next())
    {
        let cause = format!("records {} to {} are missing before it", after.next(), found.0.saturating_sub(1));
        first.damage = first.damage.take().or(Some(SegmentDamage { offset: u64::MAX, cause }));
    }
}

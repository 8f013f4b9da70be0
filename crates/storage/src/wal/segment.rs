//! A segment file: its name and its header. What follows the header is `record`'s.
//!
//! The layout stands in docs/formats/wal.md. All numbers are little-endian.

use std::path::{Path, PathBuf};

/// The first bytes of every segment.
const MAGIC: [u8; 8] = *b"FRSHTWAL";
/// The version of the format that is written, and the newest that is read.
pub const FORMAT_VERSION: u32 = 1;
/// The length of the header; the first record follows.
pub const SEGMENT_HEADER_BYTES: usize = 64;
const CHECKSUM_OFFSET: usize = 60;
const SUFFIX: &str = ".wal";

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Counts up from 1; also in the file's name.
    pub(crate) number: u64,
    /// The sequence of its first record.
    pub(crate) first_sequence: u64,
    /// Goes into the checksum of every record, so that bytes of another segment, or a client's imitation of a record
    /// inside a string, cannot pass for a record of this one.
    pub(crate) salt: u64,
}

/// Why bytes are not a header that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Damaged,
    NewerVersion(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_sequence.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes[..CHECKSUM_OFFSET]);
        bytes[CHECKSUM_OFFSET..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The version is looked at before the checksum: a newer one may keep its checksum elsewhere.
    pub(crate) fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Result<Self, HeaderError> {
        if bytes[..8] != MAGIC {
            return Err(HeaderError::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version > FORMAT_VERSION {
            return Err(HeaderError::NewerVersion(version));
        }
        if version == 0 || crc32c::crc32c(&bytes[..CHECKSUM_OFFSET]) != u32_at(bytes, CHECKSUM_OFFSET) {
            return Err(HeaderError::Damaged);
        }
        Ok(Self { number: u64_at(bytes, 16), first_sequence: u64_at(bytes, 24), salt: u64_at(bytes, 32) })
    }
}

/// The four bytes at `offset` as a number; 0 beyond the end (callers pass arrays that are long enough).
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// The eight bytes at `offset` as a number; 0 beyond the end (callers pass arrays that are long enough).
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// The path of a segment: twenty digits, so that names sort as numbers.
pub(crate) fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:020}{SUFFIX}"))
}

/// The number in a segment's file name; `Ok(None)` for a name that has not the suffix of a segment, `Err` for one that
/// has the suffix but is not one that [`segment_path`] makes.
pub(crate) fn segment_number(name: &str) -> Result<Option<u64>, StrangeName> {
    let Some(digits) = name.strip_suffix(SUFFIX) else {
        return Ok(None);
    };
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(StrangeName);
    }
    digits.parse().map(Some).map_err(|_| StrangeName)
}

/// A name with the suffix of a segment that is not a segment's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct StrangeName;

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader { number: 7, first_sequence: 1_000, salt: 0xdead_beef };

    #[test]
    fn headers_round_trip() {
        assert_eq!(SegmentHeader::decode(&HEADER.encode()), Ok(HEADER));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bytes = HEADER.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = HEADER.encode();
        bytes[8] = 2;
        assert_eq!(SegmentHeader::decode(&bytes), Err(HeaderError::NewerVersion(2)));
    }

    #[test]
    fn names_are_numbers() {
        let path = segment_path(Path::new("wal"), 42);
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "00000000000000000042.wal");
        let check = |name: &str, expected: Result<Option<u64>, StrangeName>| {
            assert_eq!(segment_number(name), expected, "{name}");
        };
        check(name, Ok(Some(42)));
        check("README", Ok(None));
        check("42.wal", Err(StrangeName));
        check("+0000000000000000042.wal", Err(StrangeName));
        check("99999999999999999999.wal", Err(StrangeName));
    }
}

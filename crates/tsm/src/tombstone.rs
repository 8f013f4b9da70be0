//! What was deleted from a TSM file: keys and times in a file beside it, in four versions.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Damage, ReadError};
use crate::limits::{KEY_BYTES_MAX, TOMBSTONE_BYTES_MAX};

const VERSION_2: [u8; 4] = 0x1502_u32.to_be_bytes();
const VERSION_3: [u8; 4] = 0x1503_u32.to_be_bytes();
const VERSION_4: [u8; 4] = 0x1504_u32.to_be_bytes();

/// In the length of a key: it is the beginning of keys. Such deletions were written before the release of 2.0 only.
const PREFIX: u32 = 1 << 31;
const KEY_LENGTH: u32 = 0x00ff_ffff;

/// A deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// The key, or the beginning of keys.
    pub key: Vec<u8>,
    /// Whether all keys are meant that begin so.
    pub is_prefix: bool,
    /// The first time that is deleted, in nanoseconds.
    pub min_time: i64,
    /// The last time that is deleted.
    pub max_time: i64,
}

/// Gives each deletion of a file to `take`.
///
/// # Errors
/// The system refuses, or the file is damaged; what stands before has been given.
pub fn read_tombstones(path: &Path, mut take: impl FnMut(Tombstone)) -> Result<(), ReadError> {
    let failed = |source| ReadError::io(path, source);
    let mut source = BufReader::new(File::open(path).map_err(failed)?);
    let head = source.fill_buf().map_err(failed)?;
    let version = head.first_chunk::<4>().copied().filter(|head| [VERSION_2, VERSION_3, VERSION_4].contains(head));
    let Some(version) = version else {
        // The first version is nothing but keys, each on a line.
        return lines(source, &mut take).map_err(|(at, error)| describe(path, at, error));
    };
    source.consume(4);
    let entries: Box<dyn Read> = match version {
        VERSION_2 => Box::new(source),
        // The fourth version is the third one, several times: readers of gzip take both as one stream.
        _ => Box::new(BufReader::new(MultiGzDecoder::new(source))),
    };
    let mut entries = Counted { source: entries.take(TOMBSTONE_BYTES_MAX), count: 4 };
    loop {
        let at = entries.count;
        match entry(&mut entries) {
            Ok(Some(tombstone)) => take(tombstone),
            Ok(None) if entries.count >= TOMBSTONE_BYTES_MAX => {
                return Err(ReadError::damaged(path, at, Damage::TooLarge));
            }
            Ok(None) => return Ok(()),
            Err(error) => return Err(describe(path, at, error)),
        }
    }
}

/// Offsets are those of the bytes after decompression.
fn describe(path: &Path, at: u64, error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::damaged(path, at, Damage::Short),
        io::ErrorKind::InvalidInput => ReadError::damaged(path, at, Damage::Compression),
        io::ErrorKind::InvalidData => ReadError::damaged(path, at, Damage::Key),
        io::ErrorKind::Unsupported => ReadError::damaged(path, at, Damage::Predicate),
        _ => ReadError::io(path, error),
    }
}

fn lines(mut source: impl BufRead, take: &mut impl FnMut(Tombstone)) -> Result<(), (u64, io::Error)> {
    let mut at = 0;
    loop {
        let mut key = Vec::new();
        let room = KEY_BYTES_MAX as u64;
        let count = source.by_ref().take(room).read_until(b'\n', &mut key).map_err(|error| (at, error))?;
        if count == 0 {
            return Ok(());
        }
        if count >= KEY_BYTES_MAX {
            return Err((at, io::ErrorKind::InvalidData.into()));
        }
        at += count as u64;
        if key.last() == Some(&b'\n') {
            key.pop();
        }
        if !key.is_empty() {
            take(Tombstone { key, is_prefix: false, min_time: i64::MIN, max_time: i64::MAX });
        }
    }
}

fn entry(source: &mut impl Read) -> io::Result<Option<Tombstone>> {
    let mut first = [0; 1];
    if source.read(&mut first)? == 0 {
        return Ok(None);
    }
    let mut rest = [0; 3];
    source.read_exact(&mut rest)?;
    let [first] = first;
    let [second, third, fourth] = rest;
    let word = u32::from_be_bytes([first, second, third, fourth]);
    let length = (word & KEY_LENGTH) as usize;
    if length > KEY_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // What else may stand in the highest bits is a predicate.
    if word & !(KEY_LENGTH | PREFIX) != 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut key = vec![0; length];
    source.read_exact(&mut key)?;
    let (mut min_time, mut max_time) = ([0; 8], [0; 8]);
    source.read_exact(&mut min_time)?;
    source.read_exact(&mut max_time)?;
    let (min_time, max_time) = (i64::from_be_bytes(min_time), i64::from_be_bytes(max_time));
    Ok(Some(Tombstone { key, is_prefix: word & PREFIX != 0, min_time, max_time }))
}

/// Counts what it gives.
struct Counted<R> {
    source: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(target)?;
        self.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::{PREFIX, ReadError, Tombstone, read_tombstones};
    use crate::Damage;

    fn entry(length_bits: u32, key: &str, min_time: i64, max_time: i64) -> Vec<u8> {
        let length = key.len() as u32 | length_bits;
        [&length.to_be_bytes(), key.as_bytes(), &min_time.to_be_bytes(), &max_time.to_be_bytes()].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> (Vec<Tombstone>, Result<(), ReadError>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut found = Vec::new();
        let result = read_tombstones(file.path(), |tombstone| found.push(tombstone));
        (found, result)
    }

    #[test]
    fn all_four_versions() {
        let tombstone = |key: &str, is_prefix, min_time, max_time| Tombstone {
            key: key.as_bytes().to_vec(),
            is_prefix,
            min_time,
            max_time,
        };
        let whole = |key| tombstone(key, false, i64::MIN, i64::MAX);
        let two = [entry(0, "a#!~#f", -1, 2), entry(0, "b#!~#f", 3, 4)].concat();
        let expected = [tombstone("a#!~#f", false, -1, 2), tombstone("b#!~#f", false, 3, 4)];
        let cases = [
            (b"a#!~#f\nb#!~#f\n".to_vec(), vec![whole("a#!~#f"), whole("b#!~#f")]),
            ([&[0, 0, 0x15, 2][..], &two].concat(), expected.to_vec()),
            ([&[0, 0, 0x15, 3][..], &gzip(&two)].concat(), expected.to_vec()),
            (
                [&[0, 0, 0x15, 4][..], &gzip(&two), &gzip(&entry(PREFIX, "c", 5, 6))].concat(),
                [&expected[..], &[tombstone("c", true, 5, 6)]].concat(),
            ),
            (vec![], vec![]),
        ];
        for (bytes, expected) in cases {
            let (found, result) = read(&bytes);
            assert_eq!(found, expected);
            result.unwrap();
        }
    }

    #[test]
    fn what_stands_before_damage_counts() {
        let mut cut = [&[0, 0, 0x15, 2][..], &entry(0, "a", 1, 2), &entry(0, "b", 1, 2)].concat();
        cut.pop();
        let (found, result) = read(&cut);
        assert_eq!(found.len(), 1);
        assert!(matches!(result, Err(ReadError::Damaged { offset: 25, damage: Damage::Short, .. })), "{result:?}");
        let (_, result) = read(&[&[0, 0, 0x15, 2][..], &entry(1 << 30, "a", 1, 2)].concat());
        assert!(matches!(result, Err(ReadError::Damaged { offset: 4, damage: Damage::Predicate, .. })), "{result:?}");
    }
}

//! A segment of the write-ahead log: entries of a type, a length and Snappy-compressed bytes.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::codec::snappy;
use crate::error::{Damage, ReadError};
use crate::limits::{KEY_BYTES_MAX, WAL_ENTRY_BYTES_MAX};
use crate::value::Value;

const WRITE: u8 = 1;
const DELETE: u8 = 2;
const DELETE_RANGE: u8 = 3;
const HEAD_BYTES: u64 = 5;

/// A value of a write, by its places in the entry's bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct WalValue {
    key: Range<usize>,
    /// In nanoseconds.
    pub time: i64,
    value: Scalar,
}

#[derive(Debug, Clone, PartialEq)]
enum Scalar {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    String(Range<usize>),
}

/// An entry.
#[derive(Debug, Clone, PartialEq)]
pub enum WalEntry {
    /// Values were written.
    Write {
        /// The entry, decompressed.
        bytes: Vec<u8>,
        /// What stands in it.
        values: Vec<WalValue>,
    },
    /// Values of keys were deleted.
    Delete {
        /// The keys.
        keys: Vec<Vec<u8>>,
        /// The first time, in nanoseconds.
        min_time: i64,
        /// The last time.
        max_time: i64,
    },
}

impl WalValue {
    /// Its key, out of the bytes of its entry.
    #[must_use]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.key.clone()).unwrap_or_default()
    }

    /// The value, out of the bytes of its entry.
    #[must_use]
    pub fn value<'a>(&self, bytes: &'a [u8]) -> Value<'a> {
        match &self.value {
            Scalar::Float(value) => Value::Float(*value),
            Scalar::Integer(value) => Value::Integer(*value),
            Scalar::Unsigned(value) => Value::Unsigned(*value),
            Scalar::Boolean(value) => Value::Boolean(*value),
            Scalar::String(range) => Value::String(bytes.get(range.clone()).unwrap_or_default()),
        }
    }
}

/// An open segment.
#[derive(Debug)]
pub struct WalSegment {
    path: PathBuf,
    source: BufReader<File>,
    at: u64,
    length: u64,
}

impl WalSegment {
    /// Opens it.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::io(path, source);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self { path: path.to_owned(), source: BufReader::new(file), at: 0, length })
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next entry begins.
    pub(crate) fn offset(&self) -> u64 {
        self.at
    }

    /// The next entry; none at the end.
    ///
    /// # Errors
    /// The system refuses, or the entry is damaged. A tail that was cut off by a crash is such damage, and then the
    /// end; behind an entry that is whole but wrong the next one follows.
    pub fn next_entry(&mut self) -> Result<Option<WalEntry>, ReadError> {
        let start = self.at;
        let left = self.length.saturating_sub(start);
        if left == 0 {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES as usize];
        if left < HEAD_BYTES {
            return Err(self.cut_off(start));
        }
        self.source.read_exact(&mut head).map_err(|source| self.failed(source))?;
        let [entry_type, length @ ..] = head;
        let length = u64::from(u32::from_be_bytes(length));
        if length > left - HEAD_BYTES {
            return Err(self.cut_off(start));
        }
        if length > WAL_ENTRY_BYTES_MAX as u64 {
            self.at = self.length;
            return Err(ReadError::damaged(&self.path, start, Damage::TooLarge));
        }
        let mut compressed = vec![0; length as usize];
        self.source.read_exact(&mut compressed).map_err(|source| self.failed(source))?;
        self.at += HEAD_BYTES + length;
        let entry = snappy(&compressed, WAL_ENTRY_BYTES_MAX).and_then(|bytes| decode_entry(entry_type, bytes));
        entry.map(Some).map_err(|damage| ReadError::damaged(&self.path, start, damage))
    }

    fn cut_off(&mut self, start: u64) -> ReadError {
        self.at = self.length;
        ReadError::damaged(&self.path, start, Damage::Short)
    }

    fn failed(&mut self, source: std::io::Error) -> ReadError {
        self.at = self.length;
        ReadError::io(&self.path, source)
    }
}

/// Reads an entry of a type, decompressed.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_entry(entry_type: u8, bytes: Vec<u8>) -> Result<WalEntry, Damage> {
    match entry_type {
        WRITE => {
            let values = write(&bytes)?;
            Ok(WalEntry::Write { bytes, values })
        }
        DELETE => {
            let keys = bytes.split(|byte| *byte == b'\n').filter(|key| !key.is_empty()).map(<[u8]>::to_vec);
            Ok(WalEntry::Delete { keys: keys.collect(), min_time: i64::MIN, max_time: i64::MAX })
        }
        DELETE_RANGE => {
            let mut reader = Reader { bytes: &bytes, at: 0 };
            let (min_time, max_time) = (i64::from_be_bytes(reader.array()?), i64::from_be_bytes(reader.array()?));
            let mut keys = Vec::new();
            while reader.at < bytes.len() {
                let length = u32::from_be_bytes(reader.array()?) as usize;
                if length > KEY_BYTES_MAX {
                    return Err(Damage::Key);
                }
                keys.push(bytes.get(reader.range(length)?).unwrap_or_default().to_vec());
            }
            Ok(WalEntry::Delete { keys, min_time, max_time })
        }
        other => Err(Damage::Type(other)),
    }
}

fn write(bytes: &[u8]) -> Result<Vec<WalValue>, Damage> {
    let mut reader = Reader { bytes, at: 0 };
    let mut values = Vec::new();
    while reader.at < bytes.len() {
        let [value_type] = reader.array()?;
        if !(1..=5).contains(&value_type) {
            return Err(Damage::Type(value_type));
        }
        let key_length = usize::from(u16::from_be_bytes(reader.array()?));
        let key = reader.range(key_length)?;
        let count = u32::from_be_bytes(reader.array()?);
        for _ in 0..count {
            let time = i64::from_be_bytes(reader.array()?);
            let value = match value_type {
                1 => Scalar::Float(f64::from_be_bytes(reader.array()?)),
                2 => Scalar::Integer(i64::from_be_bytes(reader.array()?)),
                3 => Scalar::Boolean(reader.array::<1>()? != [0]),
                4 => {
                    let length = u32::from_be_bytes(reader.array()?) as usize;
                    Scalar::String(reader.range(length)?)
                }
                _ => Scalar::Unsigned(u64::from_be_bytes(reader.array()?)),
            };
            values.push(WalValue { key: key.clone(), time, value });
        }
    }
    Ok(values)
}

/// Takes bytes one behind the other.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let bytes = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<N>).ok_or(Damage::Short)?;
        self.at += N;
        Ok(*bytes)
    }

    fn range(&mut self, length: usize) -> Result<Range<usize>, Damage> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len()).ok_or(Damage::Short)?;
        Ok(std::mem::replace(&mut self.at, end)..end)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Write as _;

    use super::{Damage, ReadError, Value, WalEntry, WalSegment};

    fn entry(entry_type: u8, plain: &[u8]) -> Vec<u8> {
        let compressed = snap::raw::Encoder::new().compress_vec(plain).unwrap();
        [&[entry_type][..], &(compressed.len() as u32).to_be_bytes(), &compressed].concat()
    }

    fn segment(bytes: &[u8]) -> (tempfile::NamedTempFile, WalSegment) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let segment = WalSegment::open(file.path()).unwrap();
        (file, segment)
    }

    fn values(value_type: u8, key: &str, time_and_value: &[u8]) -> Vec<u8> {
        let length = (key.len() as u16).to_be_bytes();
        [&[value_type][..], &length, key.as_bytes(), &1_u32.to_be_bytes(), time_and_value].concat()
    }

    #[test]
    fn every_entry() {
        let time = 7_i64.to_be_bytes();
        let plain = [
            values(1, "a", &[time, 1.5_f64.to_be_bytes()].concat()),
            values(2, "b", &[time, (-2_i64).to_be_bytes()].concat()),
            values(3, "c", &[&time[..], &[1]].concat()),
            values(4, "d", &[&time[..], &2_u32.to_be_bytes(), b"hi"].concat()),
            values(5, "e", &[time, u64::MAX.to_be_bytes()].concat()),
        ];
        let range = [&1_i64.to_be_bytes()[..], &2_i64.to_be_bytes(), &1_u32.to_be_bytes(), b"k"].concat();
        let (_file, mut segment) = segment(&[entry(1, &plain.concat()), entry(2, b"x\ny"), entry(3, &range)].concat());
        let Some(WalEntry::Write { bytes, values }) = segment.next_entry().unwrap() else { panic!("no write") };
        let found: Vec<_> = values.iter().map(|value| (value.key(&bytes), value.time, value.value(&bytes))).collect();
        let expected = [
            (&b"a"[..], 7, Value::Float(1.5)),
            (b"b", 7, Value::Integer(-2)),
            (b"c", 7, Value::Boolean(true)),
            (b"d", 7, Value::String(b"hi")),
            (b"e", 7, Value::Unsigned(u64::MAX)),
        ];
        assert_eq!(found, expected);
        let delete = |keys: &[&str], min_time, max_time| {
            let keys = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
            Some(WalEntry::Delete { keys, min_time, max_time })
        };
        assert_eq!(segment.next_entry().unwrap(), delete(&["x", "y"], i64::MIN, i64::MAX));
        assert_eq!(segment.next_entry().unwrap(), delete(&["k"], 1, 2));
        assert_eq!(segment.next_entry().unwrap(), None);
    }

    #[test]
    fn damage_and_what_stands_behind_it() {
        let good = entry(2, b"x");
        let mut cut = entry(2, b"yz");
        cut.pop();
        let (_file, mut segment) = segment(&[entry(1, b"\x09"), good.clone(), cut].concat());
        let damage = |result: Result<Option<WalEntry>, ReadError>| match result {
            Err(ReadError::Damaged { damage, offset, .. }) => (damage, offset),
            other => panic!("{other:?}"),
        };
        assert_eq!(damage(segment.next_entry()), (Damage::Type(9), 0));
        assert!(segment.next_entry().unwrap().is_some());
        assert_eq!(damage(segment.next_entry()), (Damage::Short, 16));
        assert_eq!(segment.next_entry().unwrap(), None);
    }
}

//! Rows on their way from the parser to the WAL and the buffer: columns with resolved ids, nothing left to decide.
//!
//! The same [`RowBatch`] is encoded into the WAL, applied to the buffer, and decoded at replay, so a replay can never
//! see another schema than the write did. Nothing here does I/O.

use catalog::{BucketId, OrganisationId};
use line_protocol::{FieldValues, Presence};

use crate::ids::{ColumnId, TableId};

/// The accepted points of one write request.
#[derive(Debug, Clone, PartialEq)]
pub struct RowBatch {
    /// The organisation that owns the bucket.
    pub organisation: OrganisationId,
    /// The bucket all points go to.
    pub bucket: BucketId,
    /// One entry a measurement; each has at least one row.
    pub tables: Vec<TableRows>,
}

/// The rows of one measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRows {
    /// The measurement's table.
    pub table: TableId,
    /// The distinct series of these rows.
    pub series: SeriesKeys,
    /// Per row: index into `series`.
    pub row_series: Vec<u32>,
    /// Per row: nanoseconds since the epoch.
    pub times: Vec<i64>,
    /// Per field that has a value in some row.
    pub columns: Vec<FieldRows>,
}

/// The values of one field in the rows of its table.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRows {
    /// The field's column.
    pub column: ColumnId,
    /// The values, as `presence` says.
    pub values: FieldValues,
    /// Which rows have one.
    pub presence: Presence,
}

/// Series keys, one after another in one allocation.
///
/// A key is, for each tag that the series has, by ascending column id: the column id and the value's length in bytes
/// (both as LEB128), then the value. Two series of a table are the same if and only if their keys are equal. The
/// series without tags has the empty key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesKeys {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl SeriesKeys {
    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all keys.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The key at `index`; empty for one that does not exist.
    #[must_use]
    pub fn get(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends.get(index - 1).copied().unwrap_or(0) as usize };
        let end = self.ends.get(index).copied().unwrap_or(0) as usize;
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Appends a key that is already encoded and returns its index.
    pub fn push_encoded(&mut self, key: &[u8]) -> u32 {
        self.bytes.extend_from_slice(key);
        self.finish_key()
    }

    /// Appends a key made of `tags`, which must come by ascending column id, and returns its index.
    pub fn push<'a>(&mut self, tags: impl IntoIterator<Item = (ColumnId, &'a str)>) -> u32 {
        for (column, value) in tags {
            put_varint(&mut self.bytes, column.0.unsigned_abs());
            put_varint(&mut self.bytes, value.len() as u64);
            self.bytes.extend_from_slice(value.as_bytes());
        }
        self.finish_key()
    }

    /// All keys in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len() as u32).map(|index| self.get(index))
    }

    fn finish_key(&mut self) -> u32 {
        self.ends.push(self.bytes.len() as u32);
        (self.ends.len() - 1) as u32
    }
}

/// The tags of an encoded series key, by ascending column id. Stops early at a key that is cut short or not UTF-8,
/// which only a damaged source can hold (the WAL reader checks keys with [`is_valid_series_key`] first).
pub fn series_key_tags(key: &[u8]) -> impl Iterator<Item = (ColumnId, &str)> {
    let mut rest = key;
    std::iter::from_fn(move || {
        let (column, after) = take_varint(rest)?;
        let (length, after) = take_varint(after)?;
        let (value, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
        rest = after;
        Some((ColumnId(i64::try_from(column).ok()?), std::str::from_utf8(value).ok()?))
    })
}

/// Whether `key` is a whole series key: ascending column ids, values that are UTF-8, no byte left over.
#[must_use]
pub fn is_valid_series_key(key: &[u8]) -> bool {
    let mut rest = key;
    let mut previous = 0;
    while !rest.is_empty() {
        let Some((column, after)) = take_varint(rest) else { return false };
        let Some((length, after)) = take_varint(after) else { return false };
        let Some((value, after)) = usize::try_from(length).ok().and_then(|n| after.split_at_checked(n)) else {
            return false;
        };
        if column <= previous || i64::try_from(column).is_err() || std::str::from_utf8(value).is_err() {
            return false;
        }
        previous = column;
        rest = after;
    }
    true
}

/// Appends `value` as LEB128: seven bits a byte, least significant first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a LEB128 number off the front of `bytes`; `None` if it is cut short or longer than 64 bits.
pub(crate) fn take_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if index == 9 && bits > 1 {
            return None;
        }
        value |= bits << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            bytes.push(7);
            assert_eq!(take_varint(&bytes), Some((value, &[7_u8][..])));
        }
        assert_eq!(take_varint(&[0x80]), None);
        assert_eq!(take_varint(&[0xff; 11]), None);
    }

    #[test]
    fn series_keys_hold_their_tags() {
        let mut keys = SeriesKeys::default();
        assert_eq!(keys.push([]), 0);
        assert_eq!(keys.push([(ColumnId(2), "a"), (ColumnId(300), "ü,= \\")]), 1);
        assert_eq!(series_key_tags(keys.get(0)).count(), 0);
        let tags: Vec<_> = series_key_tags(keys.get(1)).collect();
        assert_eq!(tags, [(ColumnId(2), "a"), (ColumnId(300), "ü,= \\")]);
        assert!(is_valid_series_key(keys.get(1)));
        assert!(is_valid_series_key(&[]));
        assert!(!is_valid_series_key(&keys.get(1)[..5]));
        assert_eq!(keys.iter().count(), 2);
    }
}

//! From the key of a line to its table and series: one hash for a key that came before, all the splitting for a new
//! one.

use super::Parser;
use crate::error::Cause;
use crate::key::{self, Fault, RawTag};
use crate::table::{Mark, TableBuilder, hash_bytes};

/// A series that was seen before, by the bytes of its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeriesEntry {
    /// Hash of the key, kept so that the map can grow without the keys.
    pub(super) hash: u64,
    /// Where the key starts in the body.
    pub(super) start: u32,
    /// Length of the key.
    pub(super) length: u32,
    /// Where the series is.
    pub(super) place: SeriesPlace,
}

/// Where a series is.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeriesPlace {
    /// Index of its table.
    pub(super) table: u32,
    /// Its index in the table.
    pub(super) series: u32,
}

/// What is known about a key once it is resolved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// First byte.
    pub(super) start: usize,
    /// The space behind it.
    pub(super) end: usize,
    /// Hash of the bytes.
    pub(super) hash: u64,
    /// Where its series is.
    pub(super) place: SeriesPlace,
    /// What its table held before this line.
    pub(super) mark: Mark,
    /// The series was added for this line.
    pub(super) is_new: bool,
    /// The table was added for this line.
    pub(super) is_new_table: bool,
}

impl Parser<'_> {
    /// Reads the key that starts at `begin` and finds its series, or adds it.
    #[inline(always)]
    pub(super) fn key(&mut self, begin: usize) -> Result<Key, Fault> {
        let bytes = self.bytes;
        let end = key::key_end(bytes, begin);
        let raw = bytes.get(begin..end).unwrap_or_default();
        let hash = hash_bytes(&self.hasher, raw);
        let is_same = |entry: &SeriesEntry| {
            let start = entry.start as usize;
            entry.hash == hash && bytes.get(start..start + entry.length as usize) == Some(raw)
        };
        match self.series.find(hash, is_same) {
            // Only keys that a space follows are in the map; one at the end of its line still lacks fields.
            Some(entry) if bytes.get(end) == Some(&b' ') => {
                let place = entry.place;
                let mark = self.tables.get(place.table as usize).map(TableBuilder::mark).unwrap_or_default();
                Ok(Key { start: begin, end, hash, place, mark, is_new: false, is_new_table: false })
            }
            _ => self.new_key(begin, end, hash),
        }
    }

    /// Splits a key that was not seen before and adds its series.
    #[inline(never)]
    fn new_key(&mut self, begin: usize, end: usize, hash: u64) -> Result<Key, Fault> {
        let bytes = self.bytes;
        // At the end of a line the `\r` of a line break is not part of the key.
        let has_fields = bytes.get(end) == Some(&b' ');
        let end = if !has_fields && bytes.get(end.wrapping_sub(1)) == Some(&b'\r') { end - 1 } else { end };
        if end - begin > self.limits.key_bytes {
            let cause = Cause::KeyTooLong { bytes: end - begin, limit: self.limits.key_bytes };
            return Err(Fault::new(begin, cause));
        }
        let measurement_end = key::measurement_end(bytes, begin, end);
        if measurement_end == begin {
            return Err(Fault::new(begin, Cause::MissingMeasurement));
        }
        let raw_measurement = self.text.get(begin..measurement_end).unwrap_or_default();
        let (index, is_new_table) = self.table_of(raw_measurement);
        let mut tags = std::mem::take(&mut self.tags);
        let key = match self.tables.get_mut(index as usize) {
            Some(table) => {
                let mark = table.mark();
                let series = split_tags(bytes, measurement_end, end, table, &mut tags).and_then(|()| {
                    if !has_fields {
                        return Err(Fault::new(end, Cause::MissingFields));
                    }
                    table.add_series(self.text, &tags, &self.hasher)
                });
                let place = SeriesPlace { table: index, series: *series.as_ref().unwrap_or(&0) };
                let key = Key { start: begin, end, hash, place, mark, is_new: true, is_new_table };
                series.map(|_| key).map_err(|fault| (fault, key))
            }
            // `table_of` answers with a table that exists.
            None => return Err(Fault::new(begin, Cause::MissingMeasurement)),
        };
        self.tags = tags;
        key.map_err(|(fault, key)| {
            self.roll_back(key, 0);
            fault
        })
    }

    /// The table of a measurement, and whether it was added just now. A new table is not in the index yet.
    #[inline(always)]
    fn table_of(&mut self, raw_measurement: &str) -> (u32, bool) {
        let tables = &self.tables;
        let is_same =
            |index: u32| tables.get(index as usize).is_some_and(|table| *table.raw_measurement == *raw_measurement);
        if is_same(self.last_table) {
            return (self.last_table, false);
        }
        let hash = hash_bytes(&self.hasher, raw_measurement.as_bytes());
        if let Some(&index) = self.table_index.find(hash, |&index| is_same(index)) {
            return (index, false);
        }
        let index = self.tables.len() as u32;
        self.tables.push(TableBuilder::new(raw_measurement));
        (index, true)
    }

    /// Makes the series, and the table if that is new too, known to the lines that follow.
    #[inline(always)]
    pub(super) fn remember(&mut self, key: Key) {
        let entry = SeriesEntry {
            hash: key.hash,
            start: key.start as u32,
            length: (key.end - key.start) as u32,
            place: key.place,
        };
        self.series.insert_unique(key.hash, entry, |entry| entry.hash);
        self.last_table = key.place.table;
        if key.is_new_table {
            let hash_of = |index: &u32| {
                let table = self.tables.get(*index as usize);
                table.map_or(0, |table| hash_bytes(&self.hasher, table.raw_measurement.as_bytes()))
            };
            self.table_index.insert_unique(hash_of(&key.place.table), key.place.table, hash_of);
        }
    }
}

/// Splits the tags of the key that ends at `end`, the measurement of which ends at `at`.
#[inline(always)]
fn split_tags(
    bytes: &[u8],
    mut at: usize,
    end: usize,
    table: &TableBuilder,
    tags: &mut Vec<RawTag>,
) -> Result<(), Fault> {
    tags.clear();
    while at < end {
        let tag = key::raw_tag(bytes, at + 1, end, table.guess_tag(tags.len()))?;
        at = tag.value_end;
        tags.push(tag);
    }
    Ok(())
}

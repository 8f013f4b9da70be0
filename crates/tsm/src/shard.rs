//! A shard: its files in the order in which they were written, and what fields they have.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::ReadError;
use crate::file::TsmFile;
use crate::key::{raw_measurement, split_key};
use crate::layout::ShardPlace;
use crate::rows::Rows;
use crate::tombstone::{Tombstone, read_tombstones};
use crate::value::{Value, ValueType};
use crate::wal::{WalEntry, WalSegment};

/// A TSM file and what was deleted from it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: TsmFile,
    pub(crate) tombstones: Tombstones,
}

/// Deletions of one file.
#[derive(Debug, Default)]
pub(crate) struct Tombstones {
    by_key: std::collections::HashMap<Vec<u8>, Vec<(i64, i64)>>,
    prefixes: Vec<Tombstone>,
}

impl Tombstones {
    pub(crate) fn add(&mut self, tombstone: Tombstone) {
        if tombstone.is_prefix {
            self.prefixes.push(tombstone);
        } else {
            let times = (tombstone.min_time, tombstone.max_time);
            self.by_key.entry(tombstone.key).or_default().push(times);
        }
    }

    /// The times, both ends included, that are deleted from a key.
    pub(crate) fn of(&self, key: &[u8]) -> Vec<(i64, i64)> {
        let mut times = self.by_key.get(key).cloned().unwrap_or_default();
        let prefixes = self.prefixes.iter().filter(|tombstone| key.starts_with(&tombstone.key));
        times.extend(prefixes.map(|tombstone| (tombstone.min_time, tombstone.max_time)));
        times
    }
}

/// The types of the fields of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// By measurement as it stands in keys, and field: the types, in their order, each once.
    types: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<ValueType>>>,
}

impl Fields {
    fn add(&mut self, key: &[u8], value_type: ValueType) {
        let Some((series, field)) = split_key(key) else { return };
        let measurement = raw_measurement(series);
        // Most keys name a field that is known, and must not cost memory.
        if let Some(types) = self.types.get_mut(measurement).and_then(|fields| fields.get_mut(field)) {
            if let Err(place) = types.binary_search(&value_type) {
                types.insert(place, value_type);
            }
            return;
        }
        self.types.entry(measurement.to_vec()).or_default().insert(field.to_vec(), vec![value_type]);
    }

    /// Takes those of another shard too.
    pub fn merge(&mut self, other: Self) {
        for (measurement, fields) in other.types {
            let known = self.types.entry(measurement).or_default();
            for (field, types) in fields {
                let known = known.entry(field).or_default();
                known.extend(types);
                known.sort_unstable();
                known.dedup();
            }
        }
    }

    /// The type that a field of a series has where shards differ: the first one in the order of types.
    #[must_use]
    pub fn value_type(&self, series: &[u8], field: &[u8]) -> Option<ValueType> {
        self.types.get(raw_measurement(series))?.get(field)?.first().copied()
    }

    /// Fields with more than one type: measurement as in keys, field, types.
    pub fn conflicts(&self) -> impl Iterator<Item = (&[u8], &[u8], &[ValueType])> {
        self.types.iter().flat_map(|(measurement, fields)| {
            let conflicts = fields.iter().filter(|(_, types)| types.len() > 1);
            conflicts.map(move |(field, types)| (measurement.as_slice(), field.as_slice(), types.as_slice()))
        })
    }
}

/// An open shard.
#[derive(Debug)]
pub struct Shard {
    pub(crate) sources: Vec<Source>,
    pub(crate) wal: Vec<PathBuf>,
    /// What could not be opened; [`Rows`] tells it first.
    pub(crate) errors: Vec<ReadError>,
}

impl Shard {
    /// Opens its files. Files that cannot be opened are told by [`Rows`] and left out.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn open(place: &ShardPlace) -> Result<Self, ReadError> {
        let mut shard = Self { sources: Vec::new(), wal: Vec::new(), errors: Vec::new() };
        let files = if place.data.is_dir() { files(&place.data, "tsm")? } else { Vec::new() };
        for path in files {
            let file = match TsmFile::open(&path) {
                Ok(file) => file,
                Err(error) => {
                    shard.errors.push(error);
                    continue;
                }
            };
            let mut tombstones = Tombstones::default();
            let beside = path.with_extension("tombstone");
            if beside.is_file()
                && let Err(error) = read_tombstones(&beside, |tombstone| tombstones.add(tombstone))
            {
                shard.errors.push(error);
            }
            shard.sources.push(Source { file, tombstones });
        }
        if let Some(wal) = &place.wal {
            shard.wal = files_of_log(wal)?;
        }
        Ok(shard)
    }

    /// Which fields there are. Damage is left to [`Rows`], which meets it again.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        for source in &self.sources {
            let mut index = source.file.index();
            while let Ok(true) = index.advance() {
                fields.add(index.key(), index.value_type());
            }
        }
        for path in &self.wal {
            let Ok(mut segment) = WalSegment::open(path) else { continue };
            loop {
                match segment.next_entry() {
                    Ok(Some(WalEntry::Write { bytes, values })) => {
                        for value in &values {
                            let value_type = Value::value_type(&value.value(&bytes));
                            fields.add(value.key(&bytes), value_type);
                        }
                    }
                    Ok(None) => break,
                    Ok(Some(WalEntry::Delete { .. })) | Err(_) => {}
                }
            }
        }
        fields
    }

    /// All that it holds.
    #[must_use]
    pub fn rows(self) -> Rows {
        Rows::new(self)
    }
}

fn files_of_log(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    files(path, "wal")
}

/// Files by their names, which count up.
fn files(path: &Path, extension: &str) -> Result<Vec<PathBuf>, ReadError> {
    let failed = |source| ReadError::io(path, source);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        if entry.extension().is_some_and(|ending| ending == extension) {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

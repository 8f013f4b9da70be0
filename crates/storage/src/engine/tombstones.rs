//! The deletes that are live: which tables they concern, which the registry has, and when nobody needs one any more.
//!
//! A table needs a tombstone as long as it holds older rows in the tombstone's times: in a buffer, on their way to a
//! file, or in a file that has not applied it. New rows are always newer, so the need only ever ends.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use catalog::BucketId;

use super::state::TableState;
use crate::delete::{DeleteFilter, Tombstone, Tombstones};
use crate::ids::{Sequence, TableId};
use crate::limits;
use crate::schema::Registry;

/// A tombstone that some table needs.
#[derive(Debug)]
struct Held {
    tombstone: Arc<Tombstone>,
    /// The catalog has committed it; until then its record must stay in the WAL.
    is_committed: bool,
}

/// All live deletes, and those that the registry still has although nobody needs them.
#[derive(Debug, Default)]
pub(super) struct LiveDeletes {
    held: BTreeMap<Sequence, Held>,
    forgotten: BTreeSet<Sequence>,
    /// Memory of the tombstones and of the tables' lists, as far as it was counted.
    bytes: usize,
}

/// The tables, as the state has them.
type Tables = HashMap<TableId, TableState>;

impl TableState {
    /// Whether it holds rows that the tombstone may mean.
    fn needs(&self, tombstone: &Tombstone) -> bool {
        self.holds_rows_before(Some(tombstone.sequence), &tombstone.filter)
    }

    /// Whether it holds rows in the filter's times that are older than `sequence` (`None`: than the next record).
    fn holds_rows_before(&self, sequence: Option<Sequence>, filter: &DeleteFilter) -> bool {
        let is_older = |first: Sequence| sequence.is_none_or(|sequence| first < sequence);
        let in_files = || {
            let mut files = self.files.iter();
            files.any(|file| is_older(file.deletes_applied) && filter.overlaps(file.time_range))
        };
        let in_pending = || {
            let mut pending = self.pending.iter().map(|pending| &pending.rows);
            pending.any(|rows| is_older(rows.sequences.0) && filter.overlaps(rows.time_range))
        };
        let in_buffer = || {
            let first = self.buffer.first_sequence().zip(self.buffer.time_range());
            first.is_some_and(|(first, times)| is_older(first) && filter.overlaps(times))
        };
        in_files() || in_pending() || in_buffer()
    }

    /// Puts a tombstone, the latest of all, into the list, and takes out those that it includes.
    fn push_tombstone(&mut self, tombstone: &Arc<Tombstone>) {
        let stays = |other: &&Arc<Tombstone>| !tombstone.filter.includes(&other.filter);
        let list = self.tombstones.iter().filter(stays).chain([tombstone]);
        self.tombstones = list.cloned().collect();
    }
}

/// The tables of a bucket that a filter can mean.
fn meant_tables(registry: &Registry, bucket: BucketId, filter: &DeleteFilter) -> Vec<TableId> {
    let entries = match filter.only_measurement() {
        Some(measurement) => registry.measurement(bucket, measurement).into_iter().collect(),
        None => registry.bucket_tables(bucket),
    };
    let meant = entries.iter().filter(|entry| filter.means_measurement(&entry.schema.measurement));
    meant.map(|entry| entry.schema.table).collect()
}

/// Whether some table holds rows that a delete of now may mean.
pub(super) fn means_something(tables: &Tables, registry: &Registry, bucket: BucketId, filter: &DeleteFilter) -> bool {
    let meant = meant_tables(registry, bucket, filter);
    meant.iter().filter_map(|table| tables.get(table)).any(|table| table.holds_rows_before(None, filter))
}

impl LiveDeletes {
    /// Adds a delete to the tables that it concerns: those that need it, or with `every_table` all that it can mean,
    /// because older rows are still being read back. Deletes come by ascending sequence.
    pub(super) fn add(
        &mut self,
        tables: &mut Tables,
        registry: &Registry,
        tombstone: Tombstone,
        (is_committed, every_table): (bool, bool),
    ) {
        if self.held.contains_key(&tombstone.sequence) {
            return;
        }
        let tombstone = Arc::new(tombstone);
        let mut count = 0;
        for table in meant_tables(registry, tombstone.bucket, &tombstone.filter) {
            let Some(state) = tables.get_mut(&table) else { continue };
            if every_table || state.needs(&tombstone) {
                state.push_tombstone(&tombstone);
                count += 1;
            }
        }
        if count > 0 {
            self.bytes += tombstone.filter.memory_bytes() + count * size_of::<Arc<Tombstone>>();
            self.held.insert(tombstone.sequence, Held { tombstone, is_committed });
        } else if is_committed {
            self.forgotten.insert(tombstone.sequence);
        }
    }

    /// Whether one more delete with this filter may be taken.
    pub(super) fn has_room(
        &self,
        tables: &Tables,
        registry: &Registry,
        bucket: BucketId,
        filter: &DeleteFilter,
    ) -> bool {
        let is_full = |table: &TableState| table.tombstones.len() >= limits::TOMBSTONES_PER_TABLE;
        let meant = meant_tables(registry, bucket, filter);
        self.bytes < limits::TOMBSTONE_BYTES && !meant.iter().filter_map(|table| tables.get(table)).any(is_full)
    }

    /// Takes tombstones from the tables that need them no more, and forgets those that no table needs.
    pub(super) fn trim(&mut self, tables: &mut Tables) {
        let mut needed: HashSet<Sequence> = HashSet::new();
        let mut list_bytes = 0;
        for table in tables.values_mut().filter(|table| !table.tombstones.is_empty()) {
            let list: Vec<_> = table.tombstones.iter().filter(|tombstone| table.needs(tombstone)).cloned().collect();
            needed.extend(list.iter().map(|tombstone| tombstone.sequence));
            list_bytes += list.len() * size_of::<Arc<Tombstone>>();
            if list.len() < table.tombstones.len() {
                table.tombstones = list.into();
            }
        }
        let forgotten = &mut self.forgotten;
        self.held.retain(|sequence, held| {
            let is_needed = needed.contains(sequence);
            if !is_needed && held.is_committed {
                forgotten.insert(*sequence);
            }
            is_needed
        });
        let held = self.held.values().map(|held| held.tombstone.filter.memory_bytes());
        self.bytes = list_bytes + held.sum::<usize>();
    }

    /// Forgets the deletes of a bucket that is gone; the catalog does so with the bucket.
    pub(super) fn remove_bucket(&mut self, bucket: BucketId) {
        self.held.retain(|_, held| held.tombstone.bucket != bucket);
    }

    /// What a commit with this watermark must write, and what it may remove.
    pub(super) fn to_commit(&self, watermark: Sequence) -> (Vec<Arc<Tombstone>>, Vec<Sequence>) {
        let new = self.held.range(..=watermark).filter(|(_, held)| !held.is_committed);
        (new.map(|(_, held)| Arc::clone(&held.tombstone)).collect(), self.forgotten.iter().copied().collect())
    }

    /// Notes what a commit wrote and removed.
    pub(super) fn committed(&mut self, new: &[Arc<Tombstone>], removed: &[Sequence]) {
        for tombstone in new {
            match self.held.get_mut(&tombstone.sequence) {
                Some(held) => held.is_committed = true,
                // Nobody needed it any more while it was being written.
                None => {
                    self.forgotten.insert(tombstone.sequence);
                }
            }
        }
        for sequence in removed {
            self.forgotten.remove(sequence);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }
}

/// The list of a table as a snapshot or a flush has it.
pub(super) fn tombstones_of(table: &TableState, through: Sequence) -> Tombstones {
    Tombstones { list: Arc::clone(&table.tombstones), through }
}

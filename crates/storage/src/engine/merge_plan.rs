//! What is to be merged next in all tables, for `compactor`: which table is looked at again, which group of it comes
//! first, and whether a planned group is still right when its turn comes.
//!
//! A table is planned when something about it changed since a plan found nothing to do, so that a pass over ten
//! thousand tables at rest compares some numbers of each and no more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use catalog::BucketId;

use super::Inner;
use super::state::TableState;
use super::tombstones::tombstones_of;
use crate::compact::input_memory_bytes;
use crate::compact::plan::{self, Effort, GroupLimits, PlanFile, Reason};
use crate::delete::{TableDelete, Tombstones};
use crate::ids::{FileId, Sequence, TableId};
use crate::limits;
use crate::scan::file::has_order;
use crate::table::{BucketInfo, DataFile, TableSchema};

/// Which tables are looked at.
#[derive(Debug)]
pub(super) enum Which {
    All,
    Only(HashSet<TableId>),
}

/// A group of one table that is to be merged.
pub(super) struct Work {
    pub(super) schema: Arc<TableSchema>,
    pub(super) bucket: BucketInfo,
    pub(super) inputs: Arc<[DataFile]>,
    pub(super) reason: Reason,
    /// Rows before this time are left out.
    pub(super) cutoff: i64,
    /// What they mean is left out.
    pub(super) deletes: Tombstones,
}

/// A table and what is known of it at one moment.
pub(super) struct Table {
    pub(super) schema: Arc<TableSchema>,
    pub(super) files: Arc<[DataFile]>,
    pub(super) cutoff: i64,
    pub(super) deletes: Tombstones,
}

impl Table {
    fn look(&self, quiet: bool) -> Look {
        let earliest = self.files.iter().map(|file| file.time_range.0).min().unwrap_or(i64::MAX);
        Look {
            files: newest_and_count(&self.files),
            columns: self.schema.columns.len(),
            deletes: (self.deletes.list.len(), self.deletes.list.last().map(|delete| delete.sequence)),
            cutoff: (earliest < self.cutoff).then_some(self.cutoff),
            quiet,
        }
    }
}

/// All that a background plan of a table depends on: as long as it stays, so does the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    files: (Option<FileId>, usize),
    columns: usize,
    deletes: (usize, Option<Sequence>),
    /// Where retention ends, if that is later than the earliest row.
    cutoff: Option<i64>,
    quiet: bool,
}

/// A table's newest file and their number: other ones mean that its files changed.
fn newest_and_count(files: &[DataFile]) -> (Option<FileId>, usize) {
    (files.iter().map(|file| file.file).max(), files.len())
}

/// What is remembered of a table between looks at it.
#[derive(Debug, Clone, Copy)]
struct Note {
    files: (Option<FileId>, usize),
    /// The running time at the last change.
    since: Duration,
    /// The running time at which a merge failed.
    failed: Option<Duration>,
    /// How it looked when nothing was to be done.
    settled: Option<Look>,
}

/// What is remembered of all tables.
#[derive(Debug, Default)]
pub(super) struct Notes {
    tables: HashMap<TableId, Note>,
}

impl Notes {
    /// Whether the table has not changed for a while, and may be tried at all; notes its files of now.
    fn look_at(&mut self, table: TableId, files: &[DataFile], now: Duration) -> (bool, bool) {
        let files = newest_and_count(files);
        let note = self.tables.entry(table).or_insert(Note { files, since: now, failed: None, settled: None });
        if note.files != files {
            *note = Note { files, since: now, ..*note };
        }
        let is_quiet = now.saturating_sub(note.since) >= limits::COMPACTION_QUIET;
        let may_be_tried = note.failed.is_none_or(|failed| now.saturating_sub(failed) >= limits::COMPACTION_RETRY);
        (is_quiet, may_be_tried)
    }

    fn is_settled(&self, table: TableId, look: Look) -> bool {
        self.tables.get(&table).is_some_and(|note| note.settled == Some(look))
    }

    fn settle(&mut self, table: TableId, look: Look) {
        if let Some(note) = self.tables.get_mut(&table) {
            note.settled = Some(look);
        }
    }

    /// Notes the running time at which a merge failed, or that it did not.
    pub(super) fn result(&mut self, table: TableId, failed: Option<Duration>) {
        if let Some(note) = self.tables.get_mut(&table) {
            note.failed = failed;
        }
    }

    /// Forgets tables that are no more.
    pub(super) fn retain(&mut self, mut exists: impl FnMut(TableId) -> bool) {
        self.tables.retain(|table, _| exists(*table));
    }
}

impl Inner {
    /// The tables that have files.
    pub(super) fn tables_with_files(&self, which: &Which) -> Vec<Table> {
        let lists: Vec<(TableId, Arc<[DataFile]>, Tombstones)> = {
            let state = self.shared.lock();
            let through = state.deletes_through();
            let list = |(id, live): (&TableId, &TableState)| {
                (!live.files.is_empty()).then(|| (*id, Arc::clone(&live.files), tombstones_of(live, through)))
            };
            match which {
                Which::All => state.tables.iter().filter_map(list).collect(),
                Which::Only(tables) => {
                    tables.iter().filter_map(|id| state.tables.get_key_value(id)).filter_map(list).collect()
                }
            }
        };
        let mut cutoffs: HashMap<BucketId, i64> = HashMap::new();
        let table = |(table, files, deletes): (TableId, Arc<[DataFile]>, Tombstones)| {
            let schema = Arc::clone(&self.shared.registry.table(table)?.schema);
            let cutoff = *cutoffs.entry(schema.bucket).or_insert_with(|| self.cutoff(schema.bucket));
            Some(Table { schema, files, cutoff, deletes })
        };
        lists.into_iter().filter_map(table).collect()
    }

    /// The most urgent group of each table, overlaps first: all that is to be settled, or what the background takes by
    /// itself. Files with rows after `bound` are left alone.
    pub(super) fn plan_merges(&self, settle: bool, bound: Sequence, which: &Which) -> Vec<Work> {
        let (mut work, mut planned) = (Vec::new(), 0);
        let now = self.compactor.running();
        for table in self.tables_with_files(which) {
            let id = table.schema.table;
            let (quiet, may_be_tried) = self.compactor.notes.lock().look_at(id, &table.files, now);
            let look = table.look(quiet);
            if !settle && (!may_be_tried || self.compactor.notes.lock().is_settled(id, look)) {
                continue;
            }
            let many_deletes = table.deletes.list.len() >= limits::TOMBSTONES_KEPT;
            let effort = if settle { Effort::Settle } else { Effort::Background { quiet, many_deletes } };
            planned += 1;
            match self.plan_table(&table, effort, bound) {
                Some(group) => work.push(group),
                // All files are within the bound of the background, as they come after the records that they hold.
                None if !settle => self.compactor.notes.lock().settle(id, look),
                None => {}
            }
        }
        self.compactor.counters.lock().tables_planned += planned;
        work.sort_by_key(|work| work.reason);
        work
    }

    fn plan_table(&self, table: &Table, effort: Effort, bound: Sequence) -> Option<Work> {
        let files = self.plan_files(table, bound);
        let limits = GroupLimits {
            file_bytes: self.options.compacted_file_bytes,
            group_bytes: limits::COMPACTION_GROUP_BYTES,
            group_files: limits::COMPACTION_GROUP_FILES,
            memory_bytes: self.compaction_memory_bytes() / 2,
        };
        let group = plan::next_group(&files, effort, table.cutoff, &limits)?;
        self.work(table, &group.files, group.reason)
    }

    /// The files without rows after `bound`, as a plan sees them.
    fn plan_files(&self, table: &Table, bound: Sequence) -> Vec<PlanFile> {
        let (columns, sort_tags) = (table.schema.columns.len(), table.schema.sort_tags());
        let batch_rows = self.batch_rows(columns);
        let deletes = TableDelete::resolve_all(&table.deletes.list, &table.schema);
        let files = table.files.iter().filter(|file| file.sequences.1 <= bound);
        let plan_file = |file: &DataFile| {
            let in_order = has_order(file, &sort_tags);
            // A file in another order is sorted in memory.
            let rows = if in_order { batch_rows } else { usize::MAX };
            PlanFile {
                file: file.file,
                time_range: file.time_range,
                sequences: file.sequences,
                size_bytes: file.size_bytes,
                memory_bytes: input_memory_bytes(file, columns, rows),
                in_order,
                has_deletes: deletes.iter().any(|delete| delete.sequence <= bound && delete.concerns(file)),
            }
        };
        files.map(plan_file).collect()
    }

    fn work(&self, table: &Table, group: &[FileId], reason: Reason) -> Option<Work> {
        let by_id: HashMap<FileId, &DataFile> = table.files.iter().map(|file| (file.file, file)).collect();
        let inputs = group.iter().map(|id| by_id.get(id).map(|file| (*file).clone()));
        Some(Work {
            schema: Arc::clone(&table.schema),
            bucket: self.shared.registry.bucket(table.schema.bucket)?,
            inputs: inputs.collect::<Option<_>>()?,
            reason,
            cutoff: table.cutoff,
            deletes: table.deletes.clone(),
        })
    }

    /// The same merge with the schema, retention and deletes of now; `None` if its files were replaced or ended since
    /// it was planned, or it may not be done any more.
    pub(super) fn renewed(&self, work: Work) -> Option<Work> {
        let only = Which::Only(HashSet::from([work.schema.table]));
        let table = self.tables_with_files(&only).pop()?;
        let group: Vec<FileId> = work.inputs.iter().map(|file| file.file).collect();
        let renewed = self.work(&table, &group, work.reason)?;
        plan::is_legal(&self.plan_files(&table, Sequence(u64::MAX)), &group).then_some(renewed)
    }
}

/// Cuts the work into what is committed together.
pub(super) fn batches(work: Vec<Work>) -> Vec<Vec<Work>> {
    let mut batches: Vec<(u64, Vec<Work>)> = Vec::new();
    for work in work {
        let bytes: u64 = work.inputs.iter().map(|file| file.size_bytes).sum();
        match batches.last_mut() {
            Some((total, batch))
                if *total + bytes <= limits::COMPACTION_BATCH_BYTES
                    && batch.len() < limits::COMPACTION_BATCH_GROUPS =>
            {
                *total += bytes;
                batch.push(work);
            }
            _ => batches.push((bytes, vec![work])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}

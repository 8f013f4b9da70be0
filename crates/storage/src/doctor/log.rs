//! The write-ahead log under the doctor's eyes: what stops a start, and how to start all the same.
//!
//! A damaged place is taken out like this: what stands before it is replayed into files by the engine itself, what
//! cannot be read is given up by raising the catalog's watermark behind it, and the segments after it are left for the
//! next start. The damaged segment is kept aside as it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::{Doctor, DoctorError, file_error};
use crate::disk::RealDisk;
use crate::engine::{Engine, EngineOptions, lock_directory};
use crate::ids::{Sequence, TableId};
use crate::lake::{Named, inspect_catalog, raise_watermark};
use crate::wal::{InspectedSegment, Record, inspect};

/// The end of the name of a segment that waits while what stands before it is replayed.
const LATER: &str = "later";

/// Memory for the replay; it flushes when a part of it is full.
const REPLAY_MEMORY_BYTES: u64 = 1 << 30;

/// A segment of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentReport {
    /// Its file.
    pub path: PathBuf,
    /// The first record, if the header can be read.
    pub first_sequence: Option<u64>,
    /// The last record that can be read from the start on.
    pub last_sequence: Option<u64>,
    /// How many that are.
    pub records: u64,
    /// Where a start stops, in bytes, and why.
    pub damage: Option<(u64, String)>,
}

/// Records of one table, or deletes of one bucket, that stand behind a damaged place and can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostRecords {
    /// The bucket's name, or its id where the catalog does not know it.
    pub bucket: String,
    /// The measurement; none for deletes and drops.
    pub measurement: Option<String>,
    /// `rows`, `deletes` or `bucket drops`.
    pub kind: &'static str,
    /// How many.
    pub count: u64,
    /// First and last record, inclusive.
    pub sequences: (u64, u64),
    /// Whether all of them are in files already, so that nothing of them is lost.
    pub is_in_files: bool,
}

/// What was taken out of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AsideReport {
    /// Where the damaged segment is kept.
    pub kept: Option<PathBuf>,
    /// Why it was taken out.
    pub cause: String,
    /// First and last record that a start reads no more, inclusive.
    pub given_up: (u64, u64),
    /// What of them can be read. Records that cannot be read are not in here.
    pub held: Vec<LostRecords>,
}

/// What stands behind the damaged place of a segment, by bucket, table and kind.
type Behind = BTreeMap<Key, Sum>;

/// Bucket, table if it is about one, kind of the records.
type Key = (u64, Option<TableId>, &'static str);

/// How many, first and last record.
type Sum = (u64, Sequence, Sequence);

impl Doctor {
    fn log_directory(&self) -> PathBuf {
        self.data_dir.join("wal")
    }

    pub(super) fn segments(&self, named: &Named) -> Result<Vec<SegmentReport>, DoctorError> {
        let found = inspect(&RealDisk, &self.log_directory(), named.watermark, &mut |_, _, _| {})?;
        Ok(found.iter().map(report).collect())
    }

    /// Takes the first damaged place out of the log, if there is one. Call it until there is none.
    ///
    /// # Errors
    /// [`DoctorError`]; a later call goes on where this one stopped.
    pub async fn set_damaged_segment_aside(&mut self) -> Result<Option<AsideReport>, DoctorError> {
        let directory = self.log_directory();
        bring_back(&directory)?;
        let named = inspect_catalog(&self.catalog_path()).await?;
        let mut behind = Behind::new();
        let mut note = |sequence, is_behind, record| {
            if is_behind {
                notice(&mut behind, sequence, record);
            }
        };
        let segments = inspect(&RealDisk, &directory, named.watermark, &mut note)?;
        let Some(index) = segments.iter().position(|segment| segment.damage.is_some()) else { return Ok(None) };
        let (segment, later) = (&segments[index], segments.get(index + 1..).unwrap_or_default());
        let (offset, cause) = segment.damage.as_ref().map_or((0, ""), |damage| (damage.offset, damage.cause.as_str()));
        let kept = self.cut(segment, offset)?;
        for segment in later {
            let waiting = segment.path.with_extension(LATER);
            std::fs::rename(&segment.path, &waiting).map_err(file_error(&waiting))?;
        }
        let is_missing_before = offset == u64::MAX && segment.first.is_some_and(|first| first > named.watermark.next());
        let first = if is_missing_before && index == 0 {
            let waiting = segment.path.with_extension(LATER);
            std::fs::rename(&segment.path, &waiting).map_err(file_error(&waiting))?;
            named.watermark.next()
        } else {
            segment.last.map(Sequence::next).or(segment.first).unwrap_or_else(|| named.watermark.next())
        };
        self.replay_before().await?;
        let next = if is_missing_before && index == 0 { segment.first } else { later.iter().find_map(|one| one.first) };
        let last = match next {
            Some(next) => Sequence(next.0.saturating_sub(1)),
            None => self.greatest(segment).await?,
        };
        raise_watermark(&self.catalog_path(), last).await?;
        bring_back(&directory)?;
        let held = held(&behind, &named);
        Ok(Some(AsideReport { kept, cause: cause.to_owned(), given_up: (first.0, last.0), held }))
    }

    /// Keeps a copy of the damaged segment, and takes everything from the damaged place on out of the original.
    fn cut(&self, segment: &InspectedSegment, offset: u64) -> Result<Option<PathBuf>, DoctorError> {
        if offset == u64::MAX {
            return Ok(None);
        }
        let name = segment.path.file_name().map(PathBuf::from).unwrap_or_default();
        let kept = self.aside()?.join(name);
        std::fs::copy(&segment.path, &kept).map_err(file_error(&kept))?;
        sync(&kept)?;
        if offset == 0 {
            std::fs::remove_file(&segment.path).map_err(file_error(&segment.path))?;
        } else {
            let file = std::fs::OpenOptions::new().write(true).open(&segment.path);
            let cut = file.and_then(|file| file.set_len(offset).and_then(|()| file.sync_all()));
            cut.map_err(file_error(&segment.path))?;
        }
        sync(&self.log_directory())?;
        Ok(Some(kept))
    }

    /// Has the engine put what stands before the damaged place into files.
    async fn replay_before(&mut self) -> Result<(), DoctorError> {
        // The engine takes the lock itself.
        self.lock = None;
        let clock = Arc::new(catalog::SystemClock);
        let store = self.elsewhere.clone();
        let options =
            EngineOptions { compactions: 0, store, ..EngineOptions::new(&self.data_dir, REPLAY_MEMORY_BYTES, clock) };
        let engine = Engine::open(options).await?;
        let flushed = engine.flush().await;
        let closed = engine.close().await;
        drop(engine);
        self.lock = Some(relock(&self.data_dir).await?);
        flushed?;
        Ok(closed?)
    }

    /// The greatest sequence that anybody has seen: the next record must come after it.
    async fn greatest(&self, segment: &InspectedSegment) -> Result<Sequence, DoctorError> {
        let named = inspect_catalog(&self.catalog_path()).await?;
        let of_files = named.live.iter().map(|file| file.sequences.1.max(file.deletes_applied));
        let all = of_files.chain(named.flushed.values().copied()).chain(segment.greatest).chain(segment.last);
        Ok(all.chain([named.watermark]).max().unwrap_or_default())
    }
}

/// Takes the lock back; the tasks of the engine may be at their end only now.
async fn relock(data_dir: &Path) -> Result<std::fs::File, DoctorError> {
    for _ in 0..1_000 {
        match lock_directory(data_dir) {
            Err(crate::engine::OpenError::InUse(_)) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            locked => return Ok(locked?),
        }
    }
    Ok(lock_directory(data_dir)?)
}

fn sync(path: &Path) -> Result<(), DoctorError> {
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(file_error(path))
}

/// Gives segments that wait their names back.
fn bring_back(directory: &Path) -> Result<(), DoctorError> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(()) };
    for entry in entries {
        let path = entry.map_err(file_error(directory))?.path();
        if path.extension().is_some_and(|extension| extension == LATER) {
            let name = path.with_extension("wal");
            std::fs::rename(&path, &name).map_err(file_error(&name))?;
        }
    }
    sync(directory)
}

fn report(segment: &InspectedSegment) -> SegmentReport {
    SegmentReport {
        path: segment.path.clone(),
        first_sequence: segment.first.map(|sequence| sequence.0),
        last_sequence: segment.last.map(|sequence| sequence.0),
        records: segment.records,
        damage: segment.damage.as_ref().map(|damage| (damage.offset, damage.cause.clone())),
    }
}

fn notice(behind: &mut Behind, sequence: Sequence, record: Record) {
    let mut add = |key, count| {
        let (total, first, last) = behind.entry(key).or_insert((0, sequence, sequence));
        *total += count;
        *first = (*first).min(sequence);
        *last = (*last).max(sequence);
    };
    match record {
        Record::Write(batch) => {
            for rows in batch.tables {
                add((batch.bucket.get(), Some(rows.table), "rows"), rows.times.len() as u64);
            }
        }
        Record::Delete { bucket, .. } => add((bucket.get(), None, "deletes"), 1),
        Record::BucketDrop { bucket, .. } => add((bucket.get(), None, "bucket drops"), 1),
    }
}

fn held(behind: &Behind, named: &Named) -> Vec<LostRecords> {
    let one = |((bucket, table, kind), (count, first, last)): (&Key, &Sum)| {
        let names = table.and_then(|table| named.tables.get(&table));
        let flushed = table.and_then(|table| named.flushed.get(&table)).copied().unwrap_or_default();
        let number = table.map(|table| format!("table {table}"));
        LostRecords {
            bucket: names.map_or_else(|| format!("{bucket:016x}"), |(bucket, _)| bucket.clone()),
            measurement: names.map(|(_, measurement)| measurement.clone()).or(number),
            kind,
            count: *count,
            sequences: (first.0, last.0),
            is_in_files: *kind == "rows" && flushed >= *last,
        }
    };
    behind.iter().map(one).collect()
}

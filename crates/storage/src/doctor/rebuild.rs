//! A new catalog from the footers of the files alone.
//!
//! Footers hold ids, names and kinds of columns, sequences, levels and inputs, so the tables are what they were, and
//! the log fits: its records behind the files are replayed. What only the catalog knew is lost: snapshots, and deletes
//! that some file had not applied and whose record the log does not hold any more. Names that only the catalog knew, of
//! measurements and columns that no file has, are made up where the log has rows for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::AsArray as _;
use catalog::database::Location;
use catalog::{BucketId, Catalog, SystemClock};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use serde::Serialize;

use super::choose::{Candidate, choose};
use super::statistics::statistics;
use super::{Doctor, DoctorError, file_error};
use crate::disk::RealDisk;
use crate::flush::{FooterColumn, FooterMetadata};
use crate::ids::{ColumnId, FileId, Sequence, TableId};
use crate::lake::{Lake, NewDataFile, Rebuilt};
use crate::limits;
use crate::rows::{TableRows, series_key_tags};
use crate::scan::FooterCache;
use crate::table::{BucketInfo, Column, ColumnKind, DataFile, TableSchema};
use crate::wal::{Record, inspect};

/// Rows that were deleted, are in a live file, and whose delete the new catalog does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostDelete {
    /// The data file.
    pub path: String,
    /// Bucket and measurement.
    pub table: (String, String),
    /// How many rows were deleted. They are visible again, unless the log still holds the delete.
    pub rows: u64,
}

/// What a rebuilt catalog holds, and what it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// Buckets.
    pub buckets: usize,
    /// Measurements.
    pub tables: usize,
    /// Data files that are live.
    pub files: usize,
    /// Rows in them; a point that several files hold counts more than once.
    pub rows: u64,
    /// Files that are not, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// Deletes that are known to be lost. Deletes of single fields leave no trace that could be found here.
    pub lost_deletes: Vec<LostDelete>,
    /// Names that were made up for what only the log has rows of.
    pub made_up: Vec<String>,
    /// Where the old catalog is kept, if there was one.
    pub old_catalog: Option<PathBuf>,
}

/// A file whose footer was read.
struct Read {
    candidate: Candidate,
    file: DataFile,
    footer: ArrowReaderMetadata,
}

/// A table as its files, and perhaps the log, show it.
struct Table {
    schema: TableSchema,
    /// The record up to which its rows are in files.
    flushed: Sequence,
    live: Vec<Read>,
}

impl Doctor {
    /// Writes a new catalog in place of the one that is there, which is kept aside.
    ///
    /// # Errors
    /// [`DoctorError`]; the old catalog is in its place then.
    pub async fn rebuild_catalog(&self) -> Result<RebuildReport, DoctorError> {
        let mut report = RebuildReport::default();
        let present = self.present().await?;
        let (delete_files, data_files): (Vec<String>, Vec<String>) = present
            .into_iter()
            .filter(|path| path.ends_with(".parquet"))
            .partition(|path| path.ends_with("-delete.parquet"));
        let known = self.known_buckets().await?;
        let mut by_table: BTreeMap<TableId, Vec<Read>> = BTreeMap::new();
        let reads: Vec<_> = data_files.iter().map(|path| self.read(path)).collect();
        let mut reads = futures::stream::iter(reads).buffer_unordered(limits::FOOTER_READS);
        while let Some(read) = reads.try_next().await? {
            match read {
                Ok(read) if known.as_ref().is_none_or(|known| known.contains_key(&read.bucket())) => {
                    by_table.entry(read.candidate.footer.table).or_default().push(read);
                }
                Ok(read) => {
                    report.left_out.push((read.file.path, "its bucket does not exist any more".to_owned()));
                }
                Err(left_out) => report.left_out.push(left_out),
            }
        }
        drop(reads);
        let mut tables: BTreeMap<TableId, Table> = BTreeMap::new();
        for (table, reads) in by_table {
            tables.extend(table_of(table, reads, &mut report).map(|of_files| (table, of_files)));
        }
        let watermark = self.follow_log(&mut tables, known.as_ref(), &mut report)?;
        report.lost_deletes = self.lost_deletes(&delete_files, &tables).await?;
        report.old_catalog = self.write(&tables, known.as_ref(), watermark).await?;
        report.tables = tables.len();
        report.files = tables.values().map(|table| table.live.len()).sum();
        report.rows = tables.values().flat_map(|table| &table.live).map(|read| read.file.row_count).sum();
        report.buckets = tables.values().map(|table| table.schema.bucket).collect::<BTreeSet<_>>().len();
        report.left_out.sort();
        Ok(report)
    }

    /// The buckets that exist; none if there is no database of resources, and then all do.
    async fn known_buckets(&self) -> Result<Option<HashMap<BucketId, BucketInfo>>, DoctorError> {
        let path = self.data_dir.join("resources.sqlite");
        if !path.exists() {
            return Ok(None);
        }
        let resources = Catalog::open(&path, Arc::new(SystemClock)).await?;
        let buckets = resources.buckets_with_organisations();
        let info = |(bucket, organisation): (Arc<catalog::Bucket>, String)| {
            let info = BucketInfo {
                organisation: bucket.organisation_id,
                organisation_name: organisation,
                bucket: bucket.id,
                name: bucket.name.clone(),
            };
            (bucket.id, info)
        };
        let known = buckets.into_iter().map(info).collect();
        resources.close().await;
        Ok(Some(known))
    }

    /// Reads a footer; a file that has none of ours is left out.
    async fn read(&self, path: &str) -> Result<Result<Read, (String, String)>, DoctorError> {
        let objects = self.store.object_store();
        let size_bytes = objects.head(&Path::from(path)).await?.size;
        let mut file = DataFile {
            file: FileId(0),
            table: TableId(0),
            path: path.to_owned(),
            row_count: 0,
            size_bytes,
            footer_size_bytes: 0,
            time_range: (0, 0),
            sequences: (Sequence::ZERO, Sequence::ZERO),
            deletes_applied: Sequence::ZERO,
            level: 0,
            sort_tags: Vec::new(),
        };
        let left_out = |cause: String| Ok(Err((path.to_owned(), cause)));
        let footer = match FooterCache::new(0).get(objects, &file).await {
            Ok(footer) => footer,
            Err(error) => return left_out(error.to_string()),
        };
        let said = match FooterMetadata::decode(footer.metadata().file_metadata()) {
            Ok(said) => said,
            Err(error) => return left_out(error.to_string()),
        };
        let end = objects.get_range(&Path::from(path), size_bytes.saturating_sub(8)..size_bytes).await?;
        file.footer_size_bytes = end.first_chunk().map_or(0, |length| u64::from(u32::from_le_bytes(*length)));
        file.row_count = u64::try_from(footer.metadata().file_metadata().num_rows()).unwrap_or_default();
        (file.table, file.time_range, file.sequences) = (said.table, said.time_range, said.sequences);
        (file.deletes_applied, file.level) = (said.deletes_applied, said.level);
        file.sort_tags.clone_from(&said.sort_tags);
        Ok(Ok(Read { candidate: Candidate { path: path.to_owned(), footer: said }, file, footer }))
    }

    /// Adds what only the log knows, and returns the watermark: the record before the first that the log holds, so
    /// that a start replays all of it; what tables have in files is skipped.
    fn follow_log(
        &self,
        tables: &mut BTreeMap<TableId, Table>,
        known: Option<&HashMap<BucketId, BucketInfo>>,
        report: &mut RebuildReport,
    ) -> Result<Sequence, DoctorError> {
        let mut new: BTreeMap<TableId, (BucketId, BTreeMap<ColumnId, ColumnKind>)> = BTreeMap::new();
        let mut visit = |_, _, record| {
            let Record::Write(batch) = record else { return };
            for rows in &batch.tables {
                let entry = new.entry(rows.table).or_insert_with(|| (batch.bucket, BTreeMap::new()));
                entry.1.extend(columns_of(rows));
            }
        };
        let segments = inspect(&RealDisk, &self.data_dir.join("wal"), Sequence::ZERO, &mut visit)?;
        for (table, (bucket, columns)) in new {
            let exists = known.is_none_or(|known| known.contains_key(&bucket));
            if !tables.contains_key(&table) && exists {
                let measurement = format!("recovered~{table}");
                report.made_up.push(format!("measurement {measurement}"));
                let (columns, tag_order) = (Vec::new(), Vec::new());
                let schema = TableSchema { table, bucket, measurement, columns, tag_order };
                tables.insert(table, Table { schema, flushed: Sequence::ZERO, live: Vec::new() });
            }
            let Some(table) = tables.get_mut(&table) else { continue };
            for (id, kind) in columns {
                if table.schema.column(id).is_none() {
                    let name = format!("recovered~{id}");
                    report.made_up.push(format!("column {name} of {}", table.schema.measurement));
                    table.schema.columns.push(Column { id, physical_name: name.clone(), name, kind });
                    table.schema.columns.sort_unstable_by_key(|column| column.id);
                }
            }
        }
        let of_files = tables.values().flat_map(|table| &table.live).map(|read| read.file.deletes_applied);
        let in_files = of_files.chain(tables.values().map(|table| table.flushed)).max().unwrap_or_default();
        let first = segments.iter().find_map(|segment| segment.first);
        let last = segments.iter().filter_map(|segment| segment.greatest.max(segment.first)).max();
        Ok(match first.zip(last) {
            // Sequences must never be given twice.
            Some((first, last)) if last.next() >= in_files => Sequence(first.0.saturating_sub(1)),
            _ => in_files,
        })
    }

    /// What the newest delete file of each live file says.
    async fn lost_deletes(
        &self,
        delete_files: &[String],
        tables: &BTreeMap<TableId, Table>,
    ) -> Result<Vec<LostDelete>, DoctorError> {
        let reads = tables.values().flat_map(|table| table.live.iter().map(move |read| (table, read)));
        let live: HashMap<&str, _> = reads.map(|(table, read)| (read.file.path.as_str(), (table, read))).collect();
        let mut lost: BTreeMap<String, LostDelete> = BTreeMap::new();
        let mut ascending = delete_files.to_vec();
        // Their names begin with the time at which they were made, and each holds all rows of those before.
        ascending.sort_unstable();
        for path in ascending {
            let bytes = self.store.object_store().get(&Path::from(path.as_str())).await?.bytes().await?;
            let Some((data_file, rows)) = deleted_rows(bytes) else { continue };
            let Some((path, (table, read))) = live.iter().find(|(path, _)| data_file.ends_with(**path)) else {
                continue;
            };
            let bucket = read.candidate.footer.bucket.name.clone();
            let table = (bucket, table.schema.measurement.clone());
            lost.insert((*path).to_owned(), LostDelete { path: (*path).to_owned(), table, rows });
        }
        Ok(lost.into_values().collect())
    }

    /// Makes the new catalog beside the old one, and gives it the name when it is whole.
    async fn write(
        &self,
        tables: &BTreeMap<TableId, Table>,
        known: Option<&HashMap<BucketId, BucketInfo>>,
        watermark: Sequence,
    ) -> Result<Option<PathBuf>, DoctorError> {
        let path = self.data_dir.join("catalog.sqlite.new");
        for leftover in [path.clone(), path.with_extension("new-wal"), path.with_extension("new-shm")] {
            if leftover.exists() {
                std::fs::remove_file(&leftover).map_err(file_error(&leftover))?;
            }
        }
        let mut buckets: BTreeMap<u64, BucketInfo> = BTreeMap::new();
        for table in tables.values() {
            let bucket = table.schema.bucket;
            let of_files = || table.live.iter().map(|read| read.candidate.footer.bucket.clone()).next_back();
            let info = known.and_then(|known| known.get(&bucket).cloned()).or_else(of_files);
            if let Some(info) = info {
                buckets.insert(bucket.get(), info);
            }
        }
        let nameless = |table: &&Table| !buckets.contains_key(&table.schema.bucket.get());
        if let Some(table) = tables.values().find(nameless) {
            let bucket = table.schema.bucket;
            return Err(DoctorError::Internal(format!("nothing tells the name of bucket {bucket}")));
        }
        let rebuilt = Rebuilt {
            buckets: buckets.into_values().collect(),
            tables: tables.values().map(|table| (table.schema.clone(), table.flushed)).collect(),
            files: tables
                .values()
                .flat_map(|table| table.live.iter().map(|read| new_file(read, &table.schema)))
                .collect(),
            watermark,
        };
        let (lake, _) =
            Lake::open(&Location::Sqlite(path.clone()), &self.files_root(), Arc::new(SystemClock), false).await?;
        let written = lake.rebuild(rebuilt).await;
        lake.close().await;
        written?;
        self.exchange(&path)
    }

    /// Puts the new catalog in the place of the old one.
    fn exchange(&self, new: &std::path::Path) -> Result<Option<PathBuf>, DoctorError> {
        let place = self.catalog_path();
        let mut kept = None;
        for name in ["catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite"] {
            let old = self.data_dir.join(name);
            if old.exists() {
                let target = self.aside()?.join(name);
                std::fs::rename(&old, &target).map_err(file_error(&target))?;
                kept = Some(target);
            }
        }
        std::fs::rename(new, &place).map_err(file_error(&place))?;
        let synced = std::fs::File::open(&self.data_dir).and_then(|folder| folder.sync_all());
        synced.map_err(file_error(&self.data_dir))?;
        Ok(kept)
    }
}

impl Read {
    fn bucket(&self) -> BucketId {
        self.candidate.footer.bucket.bucket
    }
}

/// The table that these files belong to, with those that are live.
fn table_of(table: TableId, reads: Vec<Read>, report: &mut RebuildReport) -> Option<Table> {
    let flushed = reads.iter().map(|read| read.file.sequences.1).max().unwrap_or_default();
    let mut columns: BTreeMap<ColumnId, Column> = BTreeMap::new();
    let mut ordered: Vec<&Read> = reads.iter().collect();
    ordered.sort_by_key(|read| (read.file.sequences.1, read.file.level));
    for read in &ordered {
        for column in &read.candidate.footer.columns {
            columns.insert(column.id, with_physical_name(column, read));
        }
    }
    let newest = &ordered.last()?.candidate.footer;
    let schema = TableSchema {
        table,
        bucket: newest.bucket.bucket,
        measurement: newest.measurement.clone(),
        columns: columns.into_values().collect(),
        tag_order: newest.sort_tags.clone(),
    };
    let (live, dropped) = choose(reads.iter().map(|read| read.candidate.clone()).collect());
    report.left_out.extend(dropped.into_iter().map(|(path, cause)| (path, cause.to_owned())));
    let live: BTreeSet<String> = live.into_iter().map(|candidate| candidate.path).collect();
    let mut live: Vec<Read> = reads.into_iter().filter(|read| live.contains(&read.file.path)).collect();
    live.sort_by(|left, right| (left.file.sequences, &left.file.path).cmp(&(right.file.sequences, &right.file.path)));
    Some(Table { schema, flushed, live })
}

/// The name that the column has in the file: what outside readers know it by.
fn with_physical_name(column: &FooterColumn, read: &Read) -> Column {
    let schema = read.footer.parquet_schema();
    let has_id = |leaf: &usize| {
        let leaf = schema.column(*leaf);
        let info = leaf.self_type().get_basic_info();
        info.has_id() && i64::from(info.id()) == column.id.0
    };
    let leaf = (0..schema.num_columns()).find(has_id);
    let physical_name = leaf.map_or_else(|| column.name.clone(), |leaf| schema.column(leaf).name().to_owned());
    Column { id: column.id, name: column.name.clone(), kind: column.kind, physical_name }
}

fn columns_of(rows: &TableRows) -> BTreeMap<ColumnId, ColumnKind> {
    let fields = rows.columns.iter().map(|field| (field.column, ColumnKind::Field(field.values.kind())));
    let tags = rows.series.iter().flat_map(series_key_tags).map(|(column, _)| (column, ColumnKind::Tag));
    fields.chain(tags).collect()
}

fn new_file(read: &Read, schema: &TableSchema) -> NewDataFile {
    let kind = |column: ColumnId| schema.column(column).map(|column| column.kind);
    let file = &read.file;
    NewDataFile {
        table: file.table,
        path: file.path.clone(),
        row_count: file.row_count,
        size_bytes: file.size_bytes,
        footer_size_bytes: file.footer_size_bytes,
        time_range: file.time_range,
        sequences: file.sequences,
        deletes_applied: file.deletes_applied,
        level: file.level,
        sort_tags: file.sort_tags.clone(),
        statistics: statistics(read.footer.metadata(), kind),
    }
}

/// The data file that a delete file is about, and how many rows of it are deleted.
fn deleted_rows(bytes: bytes::Bytes) -> Option<(String, u64)> {
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes).ok()?.with_batch_size(1);
    let rows = u64::try_from(reader.metadata().file_metadata().num_rows()).ok()?;
    reader = reader.with_limit(1);
    let batch = reader.build().ok()?.next()?.ok()?;
    let path = batch.column_by_name("file_path")?.as_string_opt::<i32>()?;
    Some((path.iter().next()??.to_owned(), rows))
}

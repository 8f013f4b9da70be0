//! The commit of a flush: the files of all its tables, their statistics and the watermarks, in one transaction.
//!
//! The statistics of a table are the merge of those before and those of the new files; files that are live already are
//! not read again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::load::parse_kind;
use super::sql::{self, NewSnapshot, Transaction, big_int};
use super::statistics::Bounds;
use super::{CommitError, Lake, LakeError, names, tombstones};
use crate::delete::Tombstone;
use crate::flush::WrittenFile;
use crate::ids::{ColumnId, FileId, Sequence, TableId};
use crate::table::{ColumnKind, ColumnStatistics, DataFile, StatisticsValue};

/// What a flush wants to be true at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlushCommit {
    /// The files, each of which is on the disk for good already.
    pub files: Vec<NewDataFile>,
    /// Per table, the sequence up to which its rows are in files now. It never goes back: a lower one is ignored.
    pub flushed: Vec<(TableId, Sequence)>,
    /// The order of the tags for tables that did not have one.
    pub tag_orders: Vec<(TableId, Vec<ColumnId>)>,
    /// The WAL record up to which everything is in files with this commit. It never goes back: a lower one is ignored.
    pub watermark: Sequence,
    /// Deletes whose records the watermark passes and that some file has not applied.
    pub deletes: Vec<Arc<Tombstone>>,
    /// Deletes that were committed before and that no file needs any more.
    pub forgotten_deletes: Vec<Sequence>,
}

/// A file that the catalog is to name: a [`DataFile`] without an id, and its statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDataFile {
    /// The table whose rows it holds.
    pub table: TableId,
    /// The path relative to the root of the files: [`super::table_directory`] and a file name.
    pub path: String,
    /// Rows in it.
    pub row_count: u64,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Length of the Parquet footer's metadata in bytes, as the last eight bytes of the file say it.
    pub footer_size_bytes: u64,
    /// Earliest and latest time in nanoseconds, both inclusive.
    pub time_range: (i64, i64),
    /// First and last WAL sequence of its rows, both inclusive.
    pub sequences: (Sequence, Sequence),
    /// What every delete up to this record means is not in it.
    pub deletes_applied: Sequence,
    /// 0 for a flush.
    pub level: u8,
    /// The tags that its rows are sorted by, in order.
    pub sort_tags: Vec<ColumnId>,
    /// What was measured of each column in the file, the time column included. A column without an entry is taken to
    /// be null in every row.
    pub statistics: Vec<ColumnStatistics>,
}

impl NewDataFile {
    /// What a flush wrote of a table.
    #[must_use]
    pub fn of(table: TableId, file: &WrittenFile) -> Self {
        Self {
            table,
            path: file.path.clone(),
            row_count: file.row_count,
            size_bytes: file.size_bytes,
            footer_size_bytes: file.footer_size_bytes,
            time_range: file.time_range,
            sequences: file.sequences,
            deletes_applied: file.deletes_applied,
            level: file.level,
            sort_tags: file.sort_tags.clone(),
            statistics: file.statistics.clone(),
        }
    }

    /// The file under the id that the catalog gives it.
    #[must_use]
    pub fn named(&self, file: FileId) -> DataFile {
        DataFile {
            file,
            table: self.table,
            path: self.path.clone(),
            row_count: self.row_count,
            size_bytes: self.size_bytes,
            footer_size_bytes: self.footer_size_bytes,
            time_range: self.time_range,
            sequences: self.sequences,
            deletes_applied: self.deletes_applied,
            level: self.level,
            sort_tags: self.sort_tags.clone(),
        }
    }
}

/// A table as the commit finds it and leaves it.
#[derive(Debug)]
pub(super) struct TableTotals {
    /// Where its files lie, relative to the root.
    directory: String,
    record_count: i64,
    next_row_id: i64,
    file_size_bytes: i64,
    columns: HashMap<ColumnId, ColumnTotals>,
    kinds: HashMap<ColumnId, ColumnKind>,
}

/// A row of `ducklake_table_column_stats`. A column that never had a value has no row, so that a row without bounds
/// means that they cannot be said.
#[derive(Debug, Clone, PartialEq)]
struct ColumnTotals {
    contains_null: bool,
    contains_nan: Option<bool>,
    bounds: Bounds,
}

pub(super) type Totals = HashMap<TableId, TableTotals>;

/// A row of `ducklake_data_file` and of `freshet_file`, all numbers as SQL has them.
pub(super) struct FileRow {
    pub(super) id: i64,
    table: i64,
    name: String,
    row_id_start: i64,
    row_count: i64,
    size_bytes: i64,
    footer_size_bytes: i64,
    sequences: (i64, i64),
    deletes_applied: i64,
}

impl Lake {
    /// Names the files of a flush, updates the statistics of their tables and moves the watermarks: all of it, or
    /// nothing. Gives back the files with their ids, in the order of the request. A commit without files makes no
    /// snapshot.
    ///
    /// # Errors
    /// [`CommitError::NotCommitted`], among others with [`LakeError::UnknownTable`] when a bucket was dropped in the
    /// meantime; [`CommitError::Unknown`] if the answer to the commit was lost.
    pub async fn commit_flush(&self, commit: &FlushCommit) -> Result<Vec<DataFile>, CommitError> {
        let mut transaction = self.begin().await?;
        let files = self.write_flush(&mut transaction, commit).await?;
        transaction.commit().await.map_err(CommitError::Unknown)?;
        Ok(files)
    }

    async fn write_flush(
        &self,
        transaction: &mut Transaction,
        commit: &FlushCommit,
    ) -> Result<Vec<DataFile>, LakeError> {
        let mut totals = commit_totals(transaction, commit).await?;
        let mut files = Vec::with_capacity(commit.files.len());
        if !commit.files.is_empty() {
            let mut snapshot = NewSnapshot::begin(transaction).await?;
            let mut rows = Vec::with_capacity(commit.files.len());
            for file in &commit.files {
                let table = totals.get_mut(&file.table).ok_or(LakeError::UnknownTable(file.table))?;
                let row = table.add_file(file, snapshot.take_file_id())?;
                files.push(file.named(FileId(row.id)));
                rows.push((row, file));
            }
            let changed = distinct(commit.files.iter().map(|file| file.table));
            for table in &changed {
                snapshot.change(format!("inserted_into_table:{table}"));
            }
            write_files(transaction, snapshot.id, &rows).await.map_err(LakeError::database("write files"))?;
            write_file_statistics(transaction, &rows).await?;
            let totals: Vec<_> = changed.iter().filter_map(|table| Some((*table, totals.get(table)?))).collect();
            write_totals(transaction, &totals).await.map_err(LakeError::database("write statistics of tables"))?;
            snapshot.write(transaction, self.clock.now_ns()).await?;
        }
        tombstones::write(transaction, commit).await?;
        write_watermarks(transaction, commit).await?;
        sql::statement("UPDATE freshet_watermark SET sequence = $1 WHERE sequence < $1")
            .bind(big_int("sequence", commit.watermark.0)?)
            .execute(transaction)
            .await
            .map_err(LakeError::database("write the watermark"))?;
        Ok(files)
    }
}

/// Each table once, in the order of its first mention.
pub(super) fn distinct(tables: impl Iterator<Item = TableId>) -> Vec<TableId> {
    let mut seen = HashSet::new();
    tables.filter(|table| seen.insert(*table)).collect()
}

impl TableTotals {
    /// Adds a file to the totals and makes its row.
    pub(super) fn add_file(&mut self, file: &NewDataFile, id: i64) -> Result<FileRow, LakeError> {
        let name = file.path.strip_prefix(&self.directory).filter(|name| !name.is_empty() && !name.contains('/'));
        let Some(name) = name else {
            return Err(LakeError::FilePath { path: file.path.clone(), directory: self.directory.clone() });
        };
        let row = FileRow {
            id,
            table: file.table.0,
            name: name.to_owned(),
            row_id_start: self.next_row_id,
            row_count: big_int("row count", file.row_count)?,
            size_bytes: big_int("file size", file.size_bytes)?,
            footer_size_bytes: big_int("footer size", file.footer_size_bytes)?,
            sequences: (big_int("sequence", file.sequences.0.0)?, big_int("sequence", file.sequences.1.0)?),
            deletes_applied: big_int("sequence", file.deletes_applied.0)?,
        };
        self.add_columns(&file.statistics);
        self.record_count = self.record_count.saturating_add(row.row_count);
        self.next_row_id = self.next_row_id.saturating_add(row.row_count);
        self.file_size_bytes = self.file_size_bytes.saturating_add(row.size_bytes);
        Ok(row)
    }

    /// Takes files out that are live no more. The bounds of columns stay: they may be wider than the values.
    pub(super) fn remove_files(&mut self, row_count: i64, size_bytes: i64) {
        self.record_count = self.record_count.saturating_sub(row_count).max(0);
        self.file_size_bytes = self.file_size_bytes.saturating_sub(size_bytes).max(0);
    }

    fn add_columns(&mut self, statistics: &[ColumnStatistics]) {
        let had_rows = self.record_count > 0;
        let given: HashSet<ColumnId> = statistics.iter().map(|column| column.column).collect();
        for (column, totals) in &mut self.columns {
            totals.contains_null |= !given.contains(column);
        }
        for column in statistics {
            let bounds = Bounds::of(column.range.as_ref()).both_or_none();
            let kind = self.kinds.get(&column.column).copied();
            let contains_nan = is_float(column).then_some(column.contains_nan);
            match self.columns.get_mut(&column.column) {
                Some(totals) => {
                    totals.contains_null |= column.null_count > 0;
                    totals.contains_nan = match (totals.contains_nan, contains_nan) {
                        (Some(left), Some(right)) => Some(left || right),
                        (left, right) => left.or(right),
                    };
                    if column.value_count > 0 {
                        totals.bounds = std::mem::take(&mut totals.bounds).merge(bounds, kind).both_or_none();
                    }
                }
                None if column.value_count > 0 => {
                    let contains_null = column.null_count > 0 || had_rows;
                    self.columns.insert(column.column, ColumnTotals { contains_null, contains_nan, bounds });
                }
                None => {}
            }
        }
    }
}

/// Whether the NaN flag has a meaning: in a column of floats.
fn is_float(column: &ColumnStatistics) -> bool {
    column.contains_nan || matches!(column.range, Some((StatisticsValue::Float(_), _)))
}

/// Reads where the tables of a commit stand.
async fn commit_totals(transaction: &mut Transaction, commit: &FlushCommit) -> Result<Totals, LakeError> {
    let mentioned = commit.files.iter().map(|file| file.table);
    let mentioned = mentioned.chain(commit.flushed.iter().map(|(table, _)| *table));
    let mentioned = distinct(mentioned.chain(commit.tag_orders.iter().map(|(table, _)| *table)));
    read_totals(transaction, &mentioned, &distinct(commit.files.iter().map(|file| file.table))).await
}

/// Reads where tables stand; the statistics only of those that are `changing`.
pub(super) async fn read_totals(
    transaction: &mut Transaction,
    tables: &[TableId],
    changing: &[TableId],
) -> Result<Totals, LakeError> {
    let ids: Vec<i64> = tables.iter().map(|id| id.0).collect();
    let mut totals = Totals::with_capacity(ids.len());
    let statement = "SELECT table_id, bucket_id FROM freshet_table WHERE table_id IN";
    let tables: Vec<(i64, i64)> =
        sql::select_in(transaction, statement, &ids).await.map_err(LakeError::database("look up tables"))?;
    for (table, bucket) in tables {
        let table = TableId(table);
        let directory = names::table_directory(sql::bucket_id(bucket)?, table);
        let (columns, kinds) = (HashMap::new(), HashMap::new());
        totals.insert(
            table,
            TableTotals { directory, record_count: 0, next_row_id: 0, file_size_bytes: 0, columns, kinds },
        );
    }
    if let Some(missing) = ids.iter().find(|id| !totals.contains_key(&TableId(**id))) {
        return Err(LakeError::UnknownTable(TableId(*missing)));
    }
    let changing: Vec<i64> = changing.iter().map(|id| id.0).collect();
    read_statistics(transaction, &mut totals, &changing).await?;
    Ok(totals)
}

type ColumnTotalsRow = (i64, i64, bool, Option<bool>, Option<String>, Option<String>);

/// Reads the statistics of tables that are to get files.
async fn read_statistics(transaction: &mut Transaction, totals: &mut Totals, ids: &[i64]) -> Result<(), LakeError> {
    let read = async {
        let statement =
            "SELECT table_id, record_count, next_row_id, file_size_bytes FROM ducklake_table_stats WHERE table_id IN";
        let tables: Vec<(i64, i64, i64, i64)> = sql::select_in(transaction, statement, ids).await?;
        let statement = "SELECT table_id, column_id, contains_null, contains_nan, min_value, max_value \
                         FROM ducklake_table_column_stats WHERE table_id IN";
        let columns: Vec<ColumnTotalsRow> = sql::select_in(transaction, statement, ids).await?;
        let statement = "SELECT table_id, column_id, kind FROM freshet_column WHERE table_id IN";
        let kinds: Vec<(i64, i64, String)> = sql::select_in(transaction, statement, ids).await?;
        Ok((tables, columns, kinds))
    };
    let (tables, columns, kinds) = read.await.map_err(LakeError::database("read statistics of tables"))?;
    for (table, record_count, next_row_id, file_size_bytes) in tables {
        if let Some(table) = totals.get_mut(&TableId(table)) {
            (table.record_count, table.next_row_id, table.file_size_bytes) =
                (record_count, next_row_id, file_size_bytes);
        }
    }
    for (table, column, contains_null, contains_nan, min, max) in columns {
        if let Some(table) = totals.get_mut(&TableId(table)) {
            let row = ColumnTotals { contains_null, contains_nan, bounds: Bounds { min, max } };
            table.columns.insert(ColumnId(column), row);
        }
    }
    for (table, column, kind) in kinds {
        if let Some(table) = totals.get_mut(&TableId(table)) {
            table.kinds.insert(ColumnId(column), parse_kind(&kind)?);
        }
    }
    Ok(())
}

pub(super) async fn write_files(
    transaction: &mut Transaction,
    snapshot_id: i64,
    rows: &[(FileRow, &NewDataFile)],
) -> Result<(), sqlx::Error> {
    let statement = (
        "INSERT INTO ducklake_data_file(data_file_id, table_id, begin_snapshot, path, path_is_relative, file_format, \
         record_count, file_size_bytes, footer_size, row_id_start)",
        "",
    );
    sql::insert(transaction, statement, 8, rows, |values, (row, _)| {
        values.bind(row.id).bind(row.table).bind(snapshot_id).bind(row.name.as_str());
        values.literal("TRUE").literal("'parquet'").bind(row.row_count).bind(row.size_bytes);
        values.bind(row.footer_size_bytes).bind(row.row_id_start);
    })
    .await?;
    let statement = (
        "INSERT INTO freshet_file(data_file_id, table_id, path, level, first_sequence, last_sequence, \
         deletes_applied, min_time_ns, max_time_ns, sort_tags)",
        "",
    );
    sql::insert(transaction, statement, 10, rows, |values, (row, file)| {
        values.bind(row.id).bind(row.table).bind(file.path.as_str()).bind(i64::from(file.level));
        values.bind(row.sequences.0).bind(row.sequences.1).bind(row.deletes_applied);
        values.bind(file.time_range.0).bind(file.time_range.1);
        values.bind(sql::column_list(&file.sort_tags));
    })
    .await
}

pub(super) async fn write_file_statistics(
    transaction: &mut Transaction,
    files: &[(FileRow, &NewDataFile)],
) -> Result<(), LakeError> {
    let mut rows = Vec::new();
    for (row, file) in files {
        for column in &file.statistics {
            let size_bytes = big_int("column size", column.size_bytes)?;
            let counts = (big_int("value count", column.value_count)?, big_int("null count", column.null_count)?);
            rows.push((row, column, size_bytes, counts, Bounds::of(column.range.as_ref())));
        }
    }
    let statement = (
        "INSERT INTO ducklake_file_column_stats(data_file_id, table_id, column_id, column_size_bytes, value_count, \
         null_count, min_value, max_value, contains_nan)",
        "",
    );
    sql::insert(transaction, statement, 9, &rows, |values, (row, column, size_bytes, counts, bounds)| {
        values.bind(row.id).bind(row.table).bind(column.column.0).bind(*size_bytes);
        values.bind(counts.0).bind(counts.1);
        values.bind(bounds.min.as_deref()).bind(bounds.max.as_deref());
        values.bind(is_float(column).then_some(column.contains_nan));
    })
    .await
    .map_err(LakeError::database("write statistics of files"))
}

/// Writes the statistics of tables, over those of before.
pub(super) async fn write_totals(
    transaction: &mut Transaction,
    tables: &[(TableId, &TableTotals)],
) -> Result<(), sqlx::Error> {
    let statement = (
        "INSERT INTO ducklake_table_stats(table_id, record_count, next_row_id, file_size_bytes)",
        " ON CONFLICT (table_id) DO UPDATE SET record_count = excluded.record_count, \
         next_row_id = excluded.next_row_id, file_size_bytes = excluded.file_size_bytes",
    );
    sql::insert(transaction, statement, 4, tables, |values, (table, totals)| {
        values.bind(table.0).bind(totals.record_count).bind(totals.next_row_id);
        values.bind(totals.file_size_bytes);
    })
    .await?;
    let columns: Vec<_> = tables
        .iter()
        .flat_map(|(table, totals)| totals.columns.iter().map(move |(column, row)| (*table, *column, row)))
        .collect();
    let statement = (
        "INSERT INTO ducklake_table_column_stats(table_id, column_id, contains_null, contains_nan, min_value, \
         max_value)",
        " ON CONFLICT (table_id, column_id) DO UPDATE SET contains_null = excluded.contains_null, \
         contains_nan = excluded.contains_nan, min_value = excluded.min_value, max_value = excluded.max_value",
    );
    sql::insert(transaction, statement, 6, &columns, |values, (table, column, row)| {
        values.bind(table.0).bind(column.0).bind(row.contains_null).bind(row.contains_nan);
        values.bind(row.bounds.min.as_deref()).bind(row.bounds.max.as_deref());
    })
    .await
}

/// Moves the watermarks and fixes the tag orders.
async fn write_watermarks(transaction: &mut Transaction, commit: &FlushCommit) -> Result<(), LakeError> {
    let mut flushed = Vec::with_capacity(commit.flushed.len());
    for (table, sequence) in &commit.flushed {
        flushed.push((table.0, big_int("sequence", sequence.0)?));
    }
    let write = async {
        // Both databases name the columns of VALUES column1, column2…
        let statement = (
            "UPDATE freshet_table SET flushed_sequence = given.column2 FROM (",
            ") AS given WHERE freshet_table.table_id = given.column1 \
             AND freshet_table.flushed_sequence < given.column2",
        );
        sql::insert(transaction, statement, 2, &flushed, |values, (table, sequence)| {
            values.bind(*table).bind(*sequence);
        })
        .await?;
        let statement = (
            "UPDATE freshet_table SET tag_order = given.column2 FROM (",
            ") AS given WHERE freshet_table.table_id = given.column1",
        );
        sql::insert(transaction, statement, 2, &commit.tag_orders, |values, (table, order)| {
            values.bind(table.0).bind(sql::column_list(order));
        })
        .await
    };
    write.await.map_err(LakeError::database("write watermarks"))
}

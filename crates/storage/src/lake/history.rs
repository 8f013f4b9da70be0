//! Earlier snapshots: which ones are kept, and what each of them shows of a bucket.
//!
//! A snapshot is what a reader of DuckLake sees at that version: its data files without the rows of its delete files,
//! with the columns that there were. Ended files have no row in the registry; what it would say stands in their
//! footers, which the caller reads. Nothing here changes anything.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use catalog::BucketId;

use super::load::{self, FileRow};
use super::sql::{self, Transaction};
use super::{Lake, LakeError};
use crate::ids::{ColumnId, FileId, TableId};
use crate::table::{DataFile, TableSchema};

/// A snapshot that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its id; later snapshots have greater ones.
    pub id: i64,
    /// When it was committed, in nanoseconds since the epoch, by the server's clock.
    pub time_ns: i64,
}

impl SnapshotInfo {
    /// Its time for people: RFC 3339, microseconds.
    #[must_use]
    pub fn time_text(&self) -> String {
        chrono::DateTime::from_timestamp_nanos(self.time_ns).to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
    }
}

/// How somebody names a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotSelector {
    /// The one with this id.
    Id(i64),
    /// The newest one at this time, in nanoseconds since the epoch.
    Time(i64),
}

/// A text that names no snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither the id of a snapshot nor a time like 2026-01-01T00:00:00Z")]
pub struct ParseSelectorError(String);

impl FromStr for SnapshotSelector {
    type Err = ParseSelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || ParseSelectorError(text.to_owned());
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map(Self::Id).map_err(|_| refuse());
        }
        let time = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| refuse())?;
        time.timestamp_nanos_opt().map(Self::Time).ok_or_else(refuse)
    }
}

/// A snapshot that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotKept {
    /// The oldest one that is.
    pub oldest: SnapshotInfo,
    /// The newest one.
    pub newest: SnapshotInfo,
}

/// What a snapshot shows of a table.
#[derive(Debug, Clone)]
pub(crate) struct PastTable {
    /// The table with the columns that it had.
    pub(crate) schema: TableSchema,
    /// Its files. Of those that are marked, sequences, times, level and order are still to be read from the footer.
    pub(crate) files: Vec<(DataFile, bool)>,
    /// The delete file of each file that has one.
    pub(crate) delete_files: HashMap<FileId, DataFile>,
}

type DeleteRow = (i64, i64, i64, String, i64, i64, i64);

impl Lake {
    /// The snapshots that are kept, the oldest first.
    ///
    /// # Errors
    /// [`LakeError`] if they cannot be read.
    pub async fn snapshots(&self) -> Result<Vec<SnapshotInfo>, LakeError> {
        let statement = sql::statement(
            "SELECT snapshot_id, CAST(snapshot_time AS VARCHAR) FROM ducklake_snapshot ORDER BY snapshot_id",
        );
        let rows: Vec<(i64, String)> = self.read("list snapshots", statement).await?;
        rows.into_iter().map(info).collect()
    }

    /// The snapshot that is meant; `Err` inside if it is not kept, or was never there.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn find_snapshot(&self, at: SnapshotSelector) -> Result<Result<SnapshotInfo, NotKept>, LakeError> {
        let mut transaction = self.database.begin_read().await?;
        let read = async {
            let found: Option<(i64, String)> = match at {
                SnapshotSelector::Id(id) => {
                    sql::statement(
                        "SELECT snapshot_id, CAST(snapshot_time AS VARCHAR) FROM ducklake_snapshot \
                         WHERE snapshot_id = $1",
                    )
                    .bind(id)
                    .optional_row(&mut transaction)
                    .await?
                }
                SnapshotSelector::Time(time_ns) => {
                    sql::statement(
                        "SELECT snapshot_id, CAST(snapshot_time AS VARCHAR) FROM ducklake_snapshot \
                         WHERE snapshot_time <= $1 ORDER BY snapshot_id DESC LIMIT 1",
                    )
                    .bind(sql::time(time_ns))
                    .optional_row(&mut transaction)
                    .await?
                }
            };
            let ends: Vec<(i64, String)> = sql::statement(
                "SELECT snapshot_id, CAST(snapshot_time AS VARCHAR) FROM ducklake_snapshot WHERE snapshot_id IN \
                 ((SELECT min(snapshot_id) FROM ducklake_snapshot), (SELECT max(snapshot_id) FROM ducklake_snapshot)) \
                 ORDER BY snapshot_id",
            )
            .rows(&mut transaction)
            .await?;
            Ok((found, ends))
        };
        let (found, ends) = read.await.map_err(LakeError::database("look up a snapshot"))?;
        if let Some(found) = found {
            return info(found).map(Ok);
        }
        let ends: Vec<SnapshotInfo> = ends.into_iter().map(info).collect::<Result<_, _>>()?;
        match (ends.first(), ends.last()) {
            (Some(oldest), Some(newest)) => Ok(Err(NotKept { oldest: *oldest, newest: *newest })),
            _ => Err(LakeError::Damaged("there is no snapshot".to_owned())),
        }
    }

    /// What a snapshot shows of a bucket's tables.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub(crate) async fn tables_at(&self, bucket: BucketId, snapshot: i64) -> Result<Vec<PastTable>, LakeError> {
        let mut transaction = self.database.begin_read().await?;
        let ids: Vec<i64> = sql::statement(
            "SELECT f.table_id FROM freshet_table f JOIN ducklake_table t ON t.table_id = f.table_id \
             WHERE f.bucket_id = $1 AND t.begin_snapshot <= $2 AND (t.end_snapshot IS NULL OR t.end_snapshot > $2) \
             ORDER BY f.table_id",
        )
        .bind(bucket.to_i64())
        .bind(snapshot)
        .values(&mut transaction)
        .await
        .map_err(LakeError::database("read the tables of a snapshot"))?;
        let mut tables: HashMap<TableId, PastTable> = HashMap::with_capacity(ids.len());
        let columns = columns_at(&mut transaction, bucket, snapshot).await?;
        for mut schema in load::schemas(&mut transaction, &ids).await? {
            schema.columns.retain(|column| columns.contains(&(schema.table, column.id)));
            schema.tag_order.retain(|column| columns.contains(&(schema.table, *column)));
            let (files, delete_files) = (Vec::new(), HashMap::new());
            tables.insert(schema.table, PastTable { schema, files, delete_files });
        }
        for (file, needs_footer) in files_at(&mut transaction, bucket, snapshot).await? {
            if let Some(table) = tables.get_mut(&file.table) {
                table.files.push((file, needs_footer));
            }
        }
        for (data_file, delete_file) in delete_files_at(&mut transaction, bucket, snapshot).await? {
            if let Some(table) = tables.get_mut(&delete_file.table) {
                table.delete_files.insert(data_file, delete_file);
            }
        }
        Ok(tables.into_values().collect())
    }
}

pub(super) fn info((id, time): (i64, String)) -> Result<SnapshotInfo, LakeError> {
    let time_ns = sql::parse_snapshot_time(&time);
    let time_ns = time_ns.ok_or_else(|| LakeError::Damaged(format!("snapshot {id} has the time {time:?}")))?;
    Ok(SnapshotInfo { id, time_ns })
}

async fn columns_at(
    transaction: &mut Transaction,
    bucket: BucketId,
    snapshot: i64,
) -> Result<HashSet<(TableId, ColumnId)>, LakeError> {
    let rows: Vec<(i64, i64)> = sql::statement(
        "SELECT c.table_id, c.column_id FROM ducklake_column c JOIN freshet_table f ON f.table_id = c.table_id \
         WHERE f.bucket_id = $1 AND c.begin_snapshot <= $2 AND (c.end_snapshot IS NULL OR c.end_snapshot > $2)",
    )
    .bind(bucket.to_i64())
    .bind(snapshot)
    .rows(transaction)
    .await
    .map_err(LakeError::database("read the columns of a snapshot"))?;
    Ok(rows.into_iter().map(|(table, column)| (TableId(table), ColumnId(column))).collect())
}

/// The data files, and whether the registry has forgotten them.
async fn files_at(
    transaction: &mut Transaction,
    bucket: BucketId,
    snapshot: i64,
) -> Result<Vec<(DataFile, bool)>, LakeError> {
    let rows: Vec<FileRow> = sql::statement(
        "SELECT d.data_file_id, d.table_id, s.path || t.path || d.path, d.record_count, d.file_size_bytes, \
         d.footer_size, coalesce(f.min_time_ns, 0), coalesce(f.max_time_ns, 0), coalesce(f.first_sequence, 0), \
         coalesce(f.last_sequence, 0), coalesce(f.deletes_applied, 0), coalesce(f.level, -1), \
         coalesce(f.sort_tags, '') \
         FROM ducklake_data_file d JOIN freshet_table b ON b.table_id = d.table_id \
         JOIN ducklake_table t ON t.table_id = d.table_id JOIN ducklake_schema s ON s.schema_id = t.schema_id \
         LEFT JOIN freshet_file f ON f.data_file_id = d.data_file_id \
         WHERE b.bucket_id = $1 AND d.begin_snapshot <= $2 AND (d.end_snapshot IS NULL OR d.end_snapshot > $2)",
    )
    .bind(bucket.to_i64())
    .bind(snapshot)
    .rows(transaction)
    .await
    .map_err(LakeError::database("read the files of a snapshot"))?;
    let file = |mut row: FileRow| {
        let is_forgotten = row.11 < 0;
        row.11 = row.11.max(0);
        Ok((load::file(row)?, is_forgotten))
    };
    rows.into_iter().map(file).collect()
}

/// The delete files, as far as their names and sizes go, each with its data file.
async fn delete_files_at(
    transaction: &mut Transaction,
    bucket: BucketId,
    snapshot: i64,
) -> Result<Vec<(FileId, DataFile)>, LakeError> {
    let rows: Vec<DeleteRow> = sql::statement(
        "SELECT d.data_file_id, d.delete_file_id, d.table_id, s.path || t.path || d.path, d.delete_count, \
         d.file_size_bytes, d.footer_size FROM ducklake_delete_file d \
         JOIN freshet_table b ON b.table_id = d.table_id \
         JOIN ducklake_table t ON t.table_id = d.table_id JOIN ducklake_schema s ON s.schema_id = t.schema_id \
         WHERE b.bucket_id = $1 AND d.begin_snapshot <= $2 AND (d.end_snapshot IS NULL OR d.end_snapshot > $2)",
    )
    .bind(bucket.to_i64())
    .bind(snapshot)
    .rows(transaction)
    .await
    .map_err(LakeError::database("read the delete files of a snapshot"))?;
    let file = |(data_file, id, table, path, rows, size, footer): DeleteRow| {
        let row = (id, table, path, rows, size, footer, 0, 0, 0, 0, 0, 0, String::new());
        Ok((FileId(data_file), load::file(row)?))
    };
    rows.into_iter().map(file).collect()
}

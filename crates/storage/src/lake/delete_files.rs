//! DuckLake delete files: which rows of a data file an outside reader leaves out.
//!
//! The engine itself never reads them, since its tombstones say the same. A data file has at most one that is live; a
//! new one replaces it and holds all of its rows.

use std::collections::HashMap;

use super::sql::{self, NewSnapshot, Transaction, big_int};
use super::{CommitError, Lake, LakeError, names};
use crate::ids::{FileId, TableId};

/// A delete file that lies in its table's directory, durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeleteFile {
    /// The table.
    pub table: TableId,
    /// The data file whose rows are deleted.
    pub file: FileId,
    /// The path relative to the root of the files.
    pub path: String,
    /// How many rows of the data file are deleted.
    pub delete_count: u64,
    /// Bytes of the delete file.
    pub size_bytes: u64,
    /// Length of its Parquet footer's metadata in bytes.
    pub footer_size_bytes: u64,
}

impl Lake {
    /// How many rows of each data file the live delete files hold.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn delete_counts(&self) -> Result<HashMap<FileId, u64>, LakeError> {
        let statement = "SELECT data_file_id, delete_count FROM ducklake_delete_file WHERE end_snapshot IS NULL";
        let rows: Vec<(i64, i64)> = self.read("read the delete files", sql::statement(statement)).await?;
        rows.into_iter().map(|(file, count)| Ok((FileId(file), sql::count("a delete count", count)?))).collect()
    }

    /// Names delete files in one snapshot, each in place of the one before. Those whose data file is not live any more
    /// are left out. Returns the paths of those that were.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit_delete_files(&self, files: &[NewDeleteFile]) -> Result<Vec<String>, CommitError> {
        let mut transaction = self.begin().await?;
        let (live, dead): (Vec<&NewDeleteFile>, Vec<&NewDeleteFile>) = {
            let ids: Vec<i64> = files.iter().map(|file| file.file.0).collect();
            let live = live_files(&mut transaction, &ids).await?;
            files.iter().partition(|file| live.contains_key(&file.file.0))
        };
        if !live.is_empty() {
            let mut snapshot = NewSnapshot::begin(&mut transaction).await?;
            let rows = rows(&mut transaction, &mut snapshot, &live).await?;
            write(&mut transaction, snapshot.id, &rows).await.map_err(LakeError::database("write delete files"))?;
            let mut changed: Vec<i64> = live.iter().map(|file| file.table.0).collect();
            changed.sort_unstable();
            changed.dedup();
            for table in changed {
                snapshot.change(format!("deleted_from_table:{table}"));
            }
            snapshot.write(&mut transaction, self.clock.now_ns()).await?;
        }
        transaction.commit().await.map_err(CommitError::Unknown)?;
        Ok(dead.into_iter().map(|file| file.path.clone()).collect())
    }
}

/// A row of `ducklake_delete_file`, all numbers as SQL has them.
struct Row {
    id: i64,
    table: i64,
    data_file: i64,
    name: String,
    counts: (i64, i64, i64),
}

/// Those of the data files that are live, with their bucket.
async fn live_files(transaction: &mut Transaction, ids: &[i64]) -> Result<HashMap<i64, i64>, LakeError> {
    let statement = "SELECT f.data_file_id, t.bucket_id FROM freshet_file f \
                     JOIN freshet_table t ON t.table_id = f.table_id \
                     JOIN ducklake_data_file d ON d.data_file_id = f.data_file_id \
                     WHERE d.end_snapshot IS NULL AND f.data_file_id IN";
    let rows: Vec<(i64, i64)> =
        sql::select_in(transaction, statement, ids).await.map_err(LakeError::database("look up data files"))?;
    Ok(rows.into_iter().collect())
}

async fn rows(
    transaction: &mut Transaction,
    snapshot: &mut NewSnapshot,
    files: &[&NewDeleteFile],
) -> Result<Vec<Row>, LakeError> {
    let ids: Vec<i64> = files.iter().map(|file| file.file.0).collect();
    let buckets = live_files(transaction, &ids).await?;
    let mut rows = Vec::with_capacity(files.len());
    for file in files {
        let bucket = buckets.get(&file.file.0).copied().unwrap_or_default();
        let directory = names::table_directory(sql::bucket_id(bucket)?, file.table);
        let Some(name) = file.path.strip_prefix(&directory) else {
            return Err(LakeError::FilePath { path: file.path.clone(), directory });
        };
        rows.push(Row {
            id: snapshot.take_file_id(),
            table: file.table.0,
            data_file: file.file.0,
            name: name.to_owned(),
            counts: (
                big_int("delete count", file.delete_count)?,
                big_int("file size", file.size_bytes)?,
                big_int("footer size", file.footer_size_bytes)?,
            ),
        });
    }
    Ok(rows)
}

/// Ends the live delete files of the same data files and writes the new ones.
async fn write(transaction: &mut Transaction, snapshot_id: i64, rows: &[Row]) -> Result<(), sqlx::Error> {
    for row in rows {
        let statement =
            "UPDATE ducklake_delete_file SET end_snapshot = $1 WHERE end_snapshot IS NULL AND data_file_id = $2";
        sql::statement(statement).bind(snapshot_id).bind(row.data_file).execute(transaction).await?;
    }
    let statement = (
        "INSERT INTO ducklake_delete_file(delete_file_id, table_id, begin_snapshot, data_file_id, path, \
         path_is_relative, format, delete_count, file_size_bytes, footer_size)",
        "",
    );
    sql::insert(transaction, statement, 8, rows, |values, row| {
        values.bind(row.id).bind(row.table).bind(snapshot_id).bind(row.data_file);
        values.bind(row.name.as_str()).literal("TRUE").literal("'parquet'");
        values.bind(row.counts.0).bind(row.counts.1).bind(row.counts.2);
    })
    .await
}

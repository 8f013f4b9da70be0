//! How long what is replaced or dropped stays: snapshots expire, then files that no snapshot shows are listed for
//! deletion, then whoever deletes them strikes them off the list.
//!
//! A crash between any two steps leaves rows that lead the next run on. The steps are those of DuckLake's own
//! `expire_snapshots` and `cleanup_old_files`, in the same tables.

use std::collections::HashSet;

use super::sql::{self, Transaction};
use super::{Lake, LakeError};
use crate::ids::FileId;

/// Files that are live no more and not deleted yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndedFiles {
    /// How many older snapshots still name.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many are on the list for deletion.
    pub scheduled: u64,
}

/// A file with its whole path.
type FileRow = (i64, String);

impl Lake {
    /// The time of the newest snapshot.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn newest_snapshot_ns(&self) -> Result<Option<i64>, LakeError> {
        let newest = sql::statement(
            "SELECT CAST(snapshot_time AS VARCHAR) FROM ducklake_snapshot ORDER BY snapshot_id DESC LIMIT 1",
        );
        let texts: Vec<(String,)> = self.read("read the newest snapshot", newest).await?;
        Ok(texts.first().and_then(|(text,)| sql::parse_snapshot_time(text)))
    }

    /// Removes the snapshots that were not the newest any more at `before_ns`. Those with a time after `latest_ns`
    /// come from a clock that was wrong: they do not count as young. The newest always stays. Returns how many went.
    ///
    /// # Errors
    /// [`LakeError`]; nothing is changed then.
    pub async fn expire_snapshots(&self, before_ns: i64, latest_ns: i64) -> Result<u64, LakeError> {
        let mut transaction = self.begin().await?;
        let expire = async {
            // By their order, since times may go back: the one before the first young one was the newest then.
            let first_young: Option<i64> = sql::statement(
                "SELECT min(snapshot_id) FROM ducklake_snapshot WHERE snapshot_time > $1 AND snapshot_time <= $2",
            )
            .bind(sql::time(before_ns))
            .bind(sql::time(latest_ns))
            .value(&mut transaction)
            .await?;
            let newest: i64 =
                sql::statement("SELECT max(snapshot_id) FROM ducklake_snapshot").value(&mut transaction).await?;
            let oldest_kept = first_young.map_or(newest, |first| first - 1);
            let gone = sql::statement("DELETE FROM ducklake_snapshot WHERE snapshot_id < $1")
                .bind(oldest_kept)
                .execute(&mut transaction)
                .await?;
            sql::statement("DELETE FROM ducklake_snapshot_changes WHERE snapshot_id < $1")
                .bind(oldest_kept)
                .execute(&mut transaction)
                .await?;
            Ok(gone)
        };
        let gone = expire.await.map_err(LakeError::database("expire snapshots"))?;
        transaction.commit().await.map_err(LakeError::database("commit the end of snapshots"))?;
        Ok(gone)
    }

    /// Moves at most `limit` files that no snapshot shows to the list for deletion. Returns how many.
    ///
    /// # Errors
    /// [`LakeError`]; nothing is changed then.
    pub async fn schedule_deletions(&self, limit: usize) -> Result<usize, LakeError> {
        let mut transaction = self.begin().await?;
        let now_ns = self.clock.now_ns();
        let schedule = async {
            let files: Vec<FileRow> = sql::statement(
                "SELECT d.id, s.path || t.path || d.path FROM \
                 (SELECT data_file_id AS id, table_id, path, end_snapshot FROM ducklake_data_file \
                 UNION ALL SELECT delete_file_id, table_id, path, end_snapshot FROM ducklake_delete_file) d \
                 JOIN ducklake_table t ON t.table_id = d.table_id JOIN ducklake_schema s ON s.schema_id = t.schema_id \
                 WHERE d.end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot) ORDER BY d.id LIMIT $1",
            )
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .rows(&mut transaction)
            .await?;
            let statement = (
                "INSERT INTO ducklake_files_scheduled_for_deletion(data_file_id, path, path_is_relative, \
                 schedule_start)",
                "",
            );
            sql::insert(&mut transaction, statement, 3, &files, |values, (id, path)| {
                values.bind(*id).bind(path.as_str()).literal("TRUE").bind(sql::time(now_ns));
            })
            .await?;
            let ids: Vec<i64> = files.iter().map(|(id, _)| *id).collect();
            // Data files and delete files have their ids from one counter.
            const FORGET: [&str; 3] = [
                "DELETE FROM ducklake_file_column_stats WHERE data_file_id",
                "DELETE FROM ducklake_data_file WHERE data_file_id",
                "DELETE FROM ducklake_delete_file WHERE delete_file_id",
            ];
            for statement in FORGET {
                sql::execute_in(&mut transaction, (statement, ""), None, &ids).await?;
            }
            Ok(ids.len())
        };
        let count = schedule.await.map_err(LakeError::database("list files for deletion"))?;
        transaction.commit().await.map_err(LakeError::database("commit the list of files for deletion"))?;
        Ok(count)
    }

    /// Removes the rows of schemas, tables and columns that no snapshot shows, of tables without files only.
    ///
    /// # Errors
    /// [`LakeError`]; nothing is changed then.
    pub async fn forget_dropped(&self) -> Result<(), LakeError> {
        let mut transaction = self.begin().await?;
        let forgotten =
            forget_dropped(&mut transaction).await.map_err(LakeError::database("forget what was dropped"))?;
        if forgotten {
            transaction.commit().await.map_err(LakeError::database("commit that what was dropped is forgotten"))?;
        }
        Ok(())
    }

    /// The files on the list for deletion, with their paths relative to the root of the files.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn scheduled_files(&self) -> Result<Vec<(FileId, String)>, LakeError> {
        let list = sql::statement(
            "SELECT data_file_id, path FROM ducklake_files_scheduled_for_deletion ORDER BY data_file_id",
        );
        let rows: Vec<FileRow> = self.read("read the list of files for deletion", list).await?;
        Ok(rows.into_iter().map(|(id, path)| (FileId(id), path)).collect())
    }

    /// Strikes files off the list for deletion, after they were deleted.
    ///
    /// # Errors
    /// [`LakeError`]; then they stay, and are deleted again.
    pub async fn forget_deleted(&self, files: &[FileId]) -> Result<(), LakeError> {
        let ids: Vec<i64> = files.iter().map(|file| file.0).collect();
        let mut transaction = self.begin().await?;
        let statement = ("DELETE FROM ducklake_files_scheduled_for_deletion WHERE data_file_id", "");
        let done = sql::execute_in(&mut transaction, statement, None, &ids).await;
        done.map_err(LakeError::database("strike files off the list for deletion"))?;
        transaction.commit().await.map_err(LakeError::database("commit the list of files for deletion"))
    }

    /// What is live no more and not deleted yet.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn ended_files(&self) -> Result<EndedFiles, LakeError> {
        let mut transaction = self.database.begin_read().await?;
        let read = async {
            let ended: (i64, i64) = sql::statement(
                "SELECT count(*), CAST(coalesce(sum(file_size_bytes), 0) AS BIGINT) FROM \
                 (SELECT file_size_bytes FROM ducklake_data_file WHERE end_snapshot >= 0 \
                 UNION ALL SELECT file_size_bytes FROM ducklake_delete_file WHERE end_snapshot >= 0) ended",
            )
            .row(&mut transaction)
            .await?;
            let scheduled: i64 = sql::statement("SELECT count(*) FROM ducklake_files_scheduled_for_deletion")
                .value(&mut transaction)
                .await?;
            Ok((ended, scheduled))
        };
        let ((count, bytes), scheduled) = read.await.map_err(LakeError::database("read what waits for deletion"))?;
        Ok(EndedFiles {
            count: sql::count("a count", count)?,
            bytes: sql::count("a size", bytes)?,
            scheduled: sql::count("a count", scheduled)?,
        })
    }

    /// The paths of all files that some row names, live or not, relative to the root of the files.
    ///
    /// # Errors
    /// [`LakeError`] if it cannot be read.
    pub async fn named_paths(&self) -> Result<HashSet<String>, LakeError> {
        let paths = sql::statement(
            "SELECT s.path || t.path || d.path FROM (SELECT table_id, path FROM ducklake_data_file \
             UNION ALL SELECT table_id, path FROM ducklake_delete_file) d \
             JOIN ducklake_table t ON t.table_id = d.table_id JOIN ducklake_schema s ON s.schema_id = t.schema_id \
             UNION ALL SELECT path FROM ducklake_files_scheduled_for_deletion",
        );
        let paths: Vec<(String,)> = self.read("read the paths of files", paths).await?;
        Ok(paths.into_iter().map(|(path,)| path).collect())
    }
}

/// Whether anything was to be forgotten.
async fn forget_dropped(transaction: &mut Transaction) -> Result<bool, sqlx::Error> {
    const FORGET: [&str; 10] = [
        "DELETE FROM ducklake_column WHERE table_id IN (SELECT table_id FROM freshet_gone)",
        "DELETE FROM ducklake_column_tag WHERE table_id IN (SELECT table_id FROM freshet_gone)",
        "DELETE FROM ducklake_tag WHERE object_id IN (SELECT table_id FROM freshet_gone)",
        "DELETE FROM ducklake_table_stats WHERE table_id IN (SELECT table_id FROM freshet_gone)",
        "DELETE FROM ducklake_table_column_stats WHERE table_id IN (SELECT table_id FROM freshet_gone)",
        "DELETE FROM ducklake_schema_versions WHERE table_id IN (SELECT table_id FROM freshet_gone)",
        "DELETE FROM ducklake_table WHERE table_id IN (SELECT table_id FROM freshet_gone)",
        "DELETE FROM ducklake_tag WHERE object_id IN (SELECT schema_id FROM ducklake_schema s WHERE s.end_snapshot <= \
         (SELECT min(snapshot_id) FROM ducklake_snapshot) \
         AND NOT EXISTS (SELECT 1 FROM ducklake_table t WHERE t.schema_id = s.schema_id))",
        "DELETE FROM ducklake_schema WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot) \
         AND NOT EXISTS (SELECT 1 FROM ducklake_table t WHERE t.schema_id = ducklake_schema.schema_id)",
        "DELETE FROM freshet_gone",
    ];
    let gone: i64 = sql::statement(
        "SELECT count(*) FROM ducklake_schema WHERE end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot)",
    )
    .value(transaction)
    .await?;
    if gone == 0 {
        return Ok(false);
    }
    sql::statement(
        "INSERT INTO freshet_gone(table_id) SELECT t.table_id FROM ducklake_table t \
         WHERE t.end_snapshot <= (SELECT min(snapshot_id) FROM ducklake_snapshot) \
         AND NOT EXISTS (SELECT 1 FROM ducklake_data_file d WHERE d.table_id = t.table_id) \
         AND NOT EXISTS (SELECT 1 FROM ducklake_delete_file d WHERE d.table_id = t.table_id)",
    )
    .execute(transaction)
    .await?;
    for statement in FORGET {
        sql::statement(statement).execute(transaction).await?;
    }
    Ok(true)
}

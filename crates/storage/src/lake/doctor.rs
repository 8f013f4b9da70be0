//! What the doctor asks of a catalog that no server has open, and the two rows that it may change by hand.

use std::collections::HashMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::load::{self, FileRow};
use super::{BUSY_TIMEOUT, CATALOG_FORMAT_VERSION, LakeError, sql};
use crate::ids::{Sequence, TableId};
use crate::table::DataFile;

/// All that a catalog names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    /// Where the catalog says that the files lie.
    pub(crate) data_path: String,
    /// The live data files.
    pub(crate) live: Vec<DataFile>,
    /// Path and size of the live delete files, and of what only older snapshots show.
    pub(crate) others: Vec<(String, u64)>,
    /// Files that are to be deleted, whether they are still there or not.
    pub(crate) scheduled: Vec<String>,
    /// Bucket and measurement of each table.
    pub(crate) tables: HashMap<TableId, (String, String)>,
    /// How far each table's rows are in files.
    pub(crate) flushed: HashMap<TableId, Sequence>,
    /// The record up to which everything is in files.
    pub(crate) watermark: Sequence,
}

/// Checks the database itself and reads what it names. Nothing is migrated or changed.
///
/// # Errors
/// [`LakeError`], among others if the database is damaged, or of another version than this program's.
pub(crate) async fn inspect(catalog_path: &Path) -> Result<Named, LakeError> {
    let mut connection = connect(catalog_path).await?;
    let checked: Vec<String> = sqlx::query_scalar("PRAGMA quick_check")
        .fetch_all(&mut connection)
        .await
        .map_err(LakeError::database("check"))?;
    if checked.first().is_none_or(|first| first != "ok") {
        return Err(LakeError::Damaged(checked.join("; ")));
    }
    let found: i64 = sqlx::query_scalar("SELECT version FROM freshet_format")
        .fetch_one(&mut connection)
        .await
        .map_err(LakeError::database("read its format"))?;
    if found > CATALOG_FORMAT_VERSION {
        return Err(LakeError::NewerVersion { found, supported: CATALOG_FORMAT_VERSION });
    }
    let named = read(&mut connection).await?;
    connection.close().await.map_err(LakeError::database("close"))?;
    Ok(named)
}

/// Moves the watermark forward: records up to it are given up, or known to be in files.
///
/// # Errors
/// [`LakeError`] if the database fails.
pub(crate) async fn raise_watermark(catalog_path: &Path, watermark: Sequence) -> Result<(), LakeError> {
    let mut connection = connect(catalog_path).await?;
    sqlx::query("UPDATE freshet_watermark SET sequence = $1 WHERE sequence < $1")
        .bind(sql::big_int("sequence", watermark.0)?)
        .execute(&mut connection)
        .await
        .map_err(LakeError::database("raise the watermark"))?;
    connection.close().await.map_err(LakeError::database("close"))
}

async fn connect(catalog_path: &Path) -> Result<SqliteConnection, LakeError> {
    let options = SqliteConnectOptions::new().filename(catalog_path).busy_timeout(BUSY_TIMEOUT);
    options.connect().await.map_err(LakeError::database("open"))
}

type TableRow = (i64, Vec<u8>, Vec<u8>, i64);

async fn read(connection: &mut SqliteConnection) -> Result<Named, LakeError> {
    let read = async {
        let live: Vec<FileRow> = sqlx::query_as(
            "SELECT f.data_file_id, f.table_id, f.path, d.record_count, d.file_size_bytes, d.footer_size, \
             f.min_time_ns, f.max_time_ns, f.first_sequence, f.last_sequence, f.deletes_applied, f.level, f.sort_tags \
             FROM freshet_file f JOIN ducklake_data_file d ON d.data_file_id = f.data_file_id \
             WHERE d.end_snapshot IS NULL ORDER BY f.data_file_id",
        )
        .fetch_all(&mut *connection)
        .await?;
        let others: Vec<(String, i64)> = sqlx::query_as(
            "SELECT s.path || t.path || d.path, d.file_size_bytes FROM \
             (SELECT table_id, path, file_size_bytes FROM ducklake_data_file WHERE end_snapshot >= 0 \
             UNION ALL SELECT table_id, path, file_size_bytes FROM ducklake_delete_file) d \
             JOIN ducklake_table t ON t.table_id = d.table_id JOIN ducklake_schema s ON s.schema_id = t.schema_id",
        )
        .fetch_all(&mut *connection)
        .await?;
        let scheduled: Vec<String> = sqlx::query_scalar("SELECT path FROM ducklake_files_scheduled_for_deletion")
            .fetch_all(&mut *connection)
            .await?;
        let tables: Vec<TableRow> = sqlx::query_as(
            "SELECT t.table_id, b.bucket_name, t.measurement, t.flushed_sequence FROM freshet_table t \
             JOIN freshet_bucket b ON b.bucket_id = t.bucket_id",
        )
        .fetch_all(&mut *connection)
        .await?;
        let watermark: i64 =
            sqlx::query_scalar("SELECT sequence FROM freshet_watermark").fetch_one(&mut *connection).await?;
        let data_path: Option<String> =
            sqlx::query_scalar("SELECT \"value\" FROM ducklake_metadata WHERE \"key\" = 'data_path'")
                .fetch_optional(&mut *connection)
                .await?;
        Ok((live, others, scheduled, tables, watermark, data_path))
    };
    let (live, others, scheduled, tables, watermark, data_path) =
        read.await.map_err(LakeError::database("read its files"))?;
    let mut named = Named {
        data_path: data_path.unwrap_or_default(),
        live: live.into_iter().map(load::file).collect::<Result<_, _>>()?,
        scheduled,
        watermark: Sequence(sql::count("a sequence", watermark)?),
        ..Named::default()
    };
    for (path, size) in others {
        named.others.push((path, sql::count("a file size", size)?));
    }
    for (table, bucket, measurement, flushed) in tables {
        named.tables.insert(TableId(table), (sql::name_text(bucket)?, sql::name_text(measurement)?));
        named.flushed.insert(TableId(table), Sequence(sql::count("a sequence", flushed)?));
    }
    Ok(named)
}

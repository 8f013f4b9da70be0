//! A copy of the catalog at one moment, made while it is in use.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use catalog::database::{Database, PostgresLocation};

use super::history::{self, SnapshotInfo};
use super::{BUSY_TIMEOUT, Lake, LakeError, MIGRATIONS, POSTGRES_MIGRATIONS, open_file, sql};
use crate::ids::FileId;

/// A file that the catalog names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// Its id.
    pub file: FileId,
    /// Its path relative to the root of the files.
    pub path: String,
    /// Its bytes.
    pub size_bytes: u64,
}

/// What stands in a copy of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogCopy {
    /// Its newest snapshot.
    pub newest: SnapshotInfo,
    /// The data and delete files that it names, those that only older snapshots show too, but for those that are to
    /// be deleted.
    pub files: Vec<NamedFile>,
}

/// Copies the catalog at `catalog_path` into `target`, which does not exist yet. Who writes the catalog meanwhile does
/// not wait for it; the copy is that of one moment between two transactions.
///
/// # Errors
/// [`LakeError`] if the database fails; the target is of no use then.
pub(crate) async fn copy_catalog(catalog_path: &Path, target: &Path) -> Result<CatalogCopy, LakeError> {
    let options = SqliteConnectOptions::new().filename(catalog_path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await.map_err(LakeError::database("open for a copy"))?;
    let target_text = target.to_str().ok_or_else(|| LakeError::FilesRoot(target.to_owned()))?;
    let copied = sqlx::query("VACUUM INTO $1").bind(target_text).execute(&mut connection).await;
    copied.map_err(LakeError::database("copy"))?;
    connection.close().await.map_err(LakeError::database("close after a copy"))?;
    read_copy(target).await
}

/// What stands in a copy.
///
/// # Errors
/// [`LakeError`] if the database fails.
pub(crate) async fn read_copy(target: &Path) -> Result<CatalogCopy, LakeError> {
    let options = SqliteConnectOptions::new().filename(target).read_only(true);
    let mut copy = options.connect().await.map_err(LakeError::database("open a copy"))?;
    let read = read(&mut copy).await?;
    copy.close().await.map_err(LakeError::database("close a copy"))?;
    Ok(read)
}

impl Lake {
    /// Copies this catalog in PostgreSQL, as it is now, into a new SQLite file. Its other transactions wait meanwhile.
    ///
    /// # Errors
    /// [`LakeError`] if a database fails; the file is of no use then.
    pub(crate) async fn copy_into(&self, target: &Path) -> Result<(), LakeError> {
        let options = SqliteConnectOptions::new().filename(target).create_if_missing(true);
        let file = Database::sqlite(options).await.map_err(LakeError::database("make a copy"))?;
        let copied = async {
            file.migrate(&MIGRATIONS, &POSTGRES_MIGRATIONS).await?;
            Ok(self.database.copy_rows_to(&file).await?)
        };
        let copied = copied.await;
        file.close().await;
        copied
    }

    /// Replaces all of this catalog in PostgreSQL by what the SQLite file has, in one transaction.
    ///
    /// # Errors
    /// [`LakeError`] if a database fails; the catalog is as it was then, unless the commit had no answer.
    pub(crate) async fn replace_by(&self, source: &Path) -> Result<(), LakeError> {
        let file = open_file(source).await?;
        let replaced = async {
            file.migrate(&MIGRATIONS, &POSTGRES_MIGRATIONS).await?;
            self.database.migrate(&MIGRATIONS, &POSTGRES_MIGRATIONS).await?;
            Ok(file.copy_rows_to(&self.database).await?)
        };
        let replaced = replaced.await;
        file.close().await;
        replaced
    }
}

/// Fills the schema of a PostgreSQL database, which does not hold anything yet, from a catalog in an SQLite file.
///
/// # Errors
/// [`LakeError`]; among others if the schema holds a catalog, or another data directory owns it.
pub async fn restore_catalog(
    source: &Path,
    location: &PostgresLocation,
    clock: std::sync::Arc<dyn catalog::Clock>,
) -> Result<(), LakeError> {
    let (lake, _) = Lake::connect(location, clock).await?;
    let restored = async {
        if lake.has_tables().await? {
            return Err(LakeError::NotEmpty { place: location.to_string() });
        }
        lake.replace_by(source).await
    };
    let restored = restored.await;
    lake.close().await;
    restored
}

async fn read(copy: &mut SqliteConnection) -> Result<CatalogCopy, LakeError> {
    let newest: (i64, String) = sqlx::query_as(
        "SELECT snapshot_id, CAST(snapshot_time AS VARCHAR) FROM ducklake_snapshot ORDER BY snapshot_id DESC LIMIT 1",
    )
    .fetch_one(&mut *copy)
    .await
    .map_err(LakeError::database("read the newest snapshot of a copy"))?;
    let files: Vec<(i64, String, i64)> = sqlx::query_as(
        "SELECT d.id, s.path || t.path || d.path, d.file_size_bytes FROM \
         (SELECT data_file_id AS id, table_id, path, file_size_bytes FROM ducklake_data_file \
         UNION ALL SELECT delete_file_id, table_id, path, file_size_bytes FROM ducklake_delete_file) d \
         JOIN ducklake_table t ON t.table_id = d.table_id JOIN ducklake_schema s ON s.schema_id = t.schema_id \
         ORDER BY d.id",
    )
    .fetch_all(&mut *copy)
    .await
    .map_err(LakeError::database("read the files of a copy"))?;
    let file = |(id, path, size): (i64, String, i64)| {
        Ok::<_, LakeError>(NamedFile { file: FileId(id), path, size_bytes: sql::count("a file size", size)? })
    };
    Ok(CatalogCopy { newest: history::info(newest)?, files: files.into_iter().map(file).collect::<Result<_, _>>()? })
}

//! The catalog: the tables of DuckLake 1.0 and the engine's own rows, in one SQL database (`catalog.sqlite`).
//!
//! Every change is one transaction over both, so that what an outside reader sees (DuckLake) and what the engine goes
//! on from (its registry and watermarks) never differ. Rows are written by DuckLake's specification, as DuckDB writes
//! them; `docs/formats/catalog.md` describes each table. The registry lives in SQL only: what the engine keeps of it in
//! memory is its own business.
//!
//! Nothing here reads or writes a data file, decides a column's type, or knows the WAL.

mod buckets;
mod commit;
mod delete_files;
mod error;
mod lifetime;
mod load;
mod names;
mod place;
mod register;
mod replace;
mod sql;
mod statistics;
#[cfg(test)]
mod tests;
mod tombstones;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use catalog::Clock;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use uuid::Uuid;

pub use commit::{FlushCommit, NewDataFile};
pub use delete_files::NewDeleteFile;
pub use error::{CommitError, LakeError};
pub use lifetime::EndedFiles;
pub use load::LakeState;
pub use names::table_directory;
pub use register::{NewColumn, NewTable, Registered, Registration};
pub use replace::Replacement;

use sql::{Database, Transaction};

/// The format of the catalog that this version writes, and the newest that it reads.
pub const CATALOG_FORMAT_VERSION: i64 = 2;

/// The DuckLake specification that the tables follow.
const DUCKLAKE_VERSION: &str = "1.0";

/// How long a statement waits for another process (a reader that copies the WAL back, say) before it fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The open catalog. Cheap to clone: clones share the one connection, so that transactions come one after another.
#[derive(Debug, Clone)]
pub struct Lake {
    pool: sqlx::Pool<Database>,
    clock: Arc<dyn Clock>,
}

impl Lake {
    /// Opens the catalog at `catalog_path`, creating it if there is none, and reads what is live in it.
    ///
    /// `files_root` is the absolute directory of the data files, or their URL. The catalog names it for outside
    /// readers; when the data directory was moved, the new place is written. See [`Self::place_files`] for any other
    /// change. `clock` gives the times of snapshots.
    ///
    /// # Errors
    /// [`LakeError`], among others if the catalog was written by a newer version; it is then left as it is.
    pub async fn open(
        catalog_path: &Path,
        files_root: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, LakeState), LakeError> {
        let data_path = data_path(files_root)?;
        let options = SqliteConnectOptions::new()
            .filename(catalog_path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(LakeError::database("open"))?;
        let lake = Self { pool, clock };
        lake.refuse_newer_format().await?;
        MIGRATIONS.run(&lake.pool).await?;
        lake.write_first_rows(&data_path).await?;
        let state = lake.load().await?;
        Ok((lake, state))
    }

    /// Closes the connection, after which every other operation fails. SQLite then folds its journal into the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that writes. It holds the writer's lock from the start, so that it cannot fail half-way because
    /// another process wrote after its first read.
    async fn begin(&self) -> Result<Transaction, LakeError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(LakeError::database("begin a transaction"))
    }

    /// Checks the format before the migrations touch anything. The question whether a table exists is the one
    /// statement that each database asks in its own way.
    async fn refuse_newer_format(&self) -> Result<(), LakeError> {
        let read = async {
            let tables: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'freshet_format'",
            )
            .fetch_one(&self.pool)
            .await?;
            if tables == 0 {
                return Ok(None);
            }
            sqlx::query_scalar::<_, i64>("SELECT version FROM freshet_format").fetch_optional(&self.pool).await
        };
        match read.await.map_err(LakeError::database("read its format"))? {
            Some(found) if found > CATALOG_FORMAT_VERSION => {
                Err(LakeError::NewerVersion { found, supported: CATALOG_FORMAT_VERSION })
            }
            _ => Ok(()),
        }
    }

    /// Writes what DuckDB writes into an empty catalog, and the place of the data files if it changed.
    async fn write_first_rows(&self, data_path: &str) -> Result<(), LakeError> {
        let mut transaction = self.begin().await?;
        let version = read_metadata(&mut transaction, "version").await?;
        match version {
            None => self.initialise(&mut transaction, data_path).await?,
            Some(found) if found != DUCKLAKE_VERSION => {
                return Err(LakeError::DuckLakeVersion { found, supported: DUCKLAKE_VERSION });
            }
            Some(_) => {
                place::follow_directory(&mut transaction, data_path).await?;
            }
        }
        transaction.commit().await.map_err(LakeError::database("commit its first rows"))
    }

    async fn initialise(&self, transaction: &mut Transaction, data_path: &str) -> Result<(), LakeError> {
        let metadata = [
            ("version", DUCKLAKE_VERSION),
            ("created_by", concat!("Freshet ", env!("CARGO_PKG_VERSION"))),
            ("data_path", data_path),
            ("encrypted", "false"),
        ];
        let write = async {
            let statement = ("INSERT INTO ducklake_metadata(\"key\", \"value\")", "");
            sql::insert(transaction, statement, 2, &metadata, |values, (key, value)| {
                values.push_bind(*key).push_bind(*value);
            })
            .await?;
            sqlx::query(
                "INSERT INTO ducklake_schema(schema_id, schema_uuid, begin_snapshot, schema_name, path, \
                 path_is_relative) VALUES (0, $1, 0, 'main', 'main/', TRUE)",
            )
            .bind(Uuid::now_v7().to_string())
            .execute(&mut **transaction)
            .await?;
            sqlx::query(
                "INSERT INTO ducklake_snapshot(snapshot_id, snapshot_time, schema_version, next_catalog_id, \
                 next_file_id) VALUES (0, $1, 0, 1, 0)",
            )
            .bind(sql::snapshot_time(self.clock.now_ns()))
            .execute(&mut **transaction)
            .await?;
            sqlx::query(
                "INSERT INTO ducklake_snapshot_changes(snapshot_id, changes_made) \
                 VALUES (0, 'created_schema:\"main\"')",
            )
            .execute(&mut **transaction)
            .await
        };
        write.await.map_err(LakeError::database("write its first rows"))?;
        Ok(())
    }
}

/// The directory of the data files as DuckLake wants it: absolute, with a slash at the end. A URL is as it is.
fn data_path(files_root: &Path) -> Result<String, LakeError> {
    if let Some(url) = files_root.to_str().filter(|path| place::is_url(path)) {
        return Ok(url.to_owned());
    }
    let path = std::path::absolute(files_root).map_err(|_| LakeError::FilesRoot(files_root.to_owned()))?;
    let path = path.to_str().ok_or_else(|| LakeError::FilesRoot(files_root.to_owned()))?;
    Ok(if path.ends_with('/') { path.to_owned() } else { format!("{path}/") })
}

async fn read_metadata(transaction: &mut Transaction, key: &str) -> Result<Option<String>, LakeError> {
    sqlx::query_scalar("SELECT \"value\" FROM ducklake_metadata WHERE \"key\" = $1 AND \"scope\" IS NULL")
        .bind(key)
        .fetch_optional(&mut **transaction)
        .await
        .map_err(LakeError::database("read its metadata"))
}

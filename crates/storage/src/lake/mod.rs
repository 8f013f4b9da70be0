//! The catalog: the tables of DuckLake 1.0 and the engine's own rows, in one SQL database: `catalog.sqlite`, or a
//! schema of PostgreSQL.
//!
//! Every change is one transaction over both, so that what an outside reader sees (DuckLake) and what the engine goes
//! on from (its registry and watermarks) never differ. Rows are written by DuckLake's specification, as DuckDB writes
//! them; `docs/formats/catalog.md` describes each table. The registry lives in SQL only: what the engine keeps of it in
//! memory is its own business.
//!
//! Nothing here reads or writes a data file, decides a column's type, or knows the WAL.

mod backup;
mod buckets;
mod commit;
mod delete_files;
mod doctor;
mod error;
mod history;
mod lifetime;
mod load;
mod names;
mod place;
mod rebuild;
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
use catalog::database::{Database, Location, Origin, PostgresLocation, Row, Statement};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

pub use backup::{CatalogCopy, NamedFile, restore_catalog};
pub(crate) use backup::{copy_catalog, read_copy};
pub use commit::{FlushCommit, NewDataFile};
pub use delete_files::NewDeleteFile;
pub(crate) use doctor::{Named, inspect as inspect_catalog, raise_watermark};
pub use error::{CommitError, LakeError};
pub(crate) use history::PastTable;
pub use history::{NotKept, ParseSelectorError, SnapshotInfo, SnapshotSelector};
pub use lifetime::EndedFiles;
pub use load::LakeState;
pub use names::table_directory;
pub(crate) use rebuild::Rebuilt;
pub use register::{NewColumn, NewTable, Registered, Registration};
pub use replace::Replacement;

use sql::Transaction;

/// The format of the catalog that this version writes, and the newest that it reads.
pub const CATALOG_FORMAT_VERSION: i64 = 2;

/// The DuckLake specification that the tables follow.
const DUCKLAKE_VERSION: &str = "1.0";

/// How long a statement waits for another process (a reader that copies the WAL back, say) before it fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// What PostgreSQL gets in place of a migration, by version: DuckDB gives the DuckLake tables other types there.
const POSTGRES_MIGRATIONS: [(i64, &str); 1] = [(1, include_str!("../../migrations/postgres/0001_ducklake.sql"))];

/// The open catalog. Cheap to clone: clones share the one connection, so that transactions come one after another.
#[derive(Debug, Clone)]
pub struct Lake {
    database: Database,
    clock: Arc<dyn Clock>,
}

impl Lake {
    /// Opens the catalog, creating it if there is none, and reads what is live in it.
    ///
    /// `files_root` is the absolute directory of the data files, or their URL. The catalog names it for outside
    /// readers; when the data directory was moved, the new place is written. See [`Self::place_files`] for any other
    /// change. `clock` gives the times of snapshots. `log_is_empty` says that there is no write-ahead log: what the
    /// catalog has is then all there is.
    ///
    /// # Errors
    /// [`LakeError`], among others if the catalog was written by a newer version; it is then left as it is.
    pub async fn open(
        location: &Location,
        files_root: &Path,
        clock: Arc<dyn Clock>,
        log_is_empty: bool,
    ) -> Result<(Self, LakeState), LakeError> {
        let data_path = data_path(files_root)?;
        let (database, origin) = match location {
            Location::Sqlite(path) => (open_file(path).await?, Origin::Known),
            Location::Postgres(location) => Database::postgres(location).await?,
        };
        let lake = Self { database, clock };
        let state = lake.prepare(&data_path, origin == Origin::New && log_is_empty).await;
        if state.is_err() {
            lake.close().await;
        }
        Ok((lake, state?))
    }

    async fn prepare(&self, data_path: &str, is_adopted: bool) -> Result<LakeState, LakeError> {
        self.refuse_newer_format().await?;
        self.database.migrate(&MIGRATIONS, &POSTGRES_MIGRATIONS).await?;
        self.write_first_rows(data_path).await?;
        if is_adopted {
            self.pass_lost_log().await?;
        }
        self.load().await
    }

    /// Opens the schema of a PostgreSQL database without looking at what it holds, and says whether it was this data
    /// directory's before. Nothing but the mark of its writer is changed.
    ///
    /// # Errors
    /// [`LakeError`], among others if another server has it open.
    pub(crate) async fn connect(
        location: &PostgresLocation,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Origin), LakeError> {
        let (database, origin) = Database::postgres(location).await?;
        Ok((Self { database, clock }, origin))
    }

    /// Closes the connection, after which every other operation fails. SQLite then folds its journal into the file.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// A transaction that writes.
    async fn begin(&self) -> Result<Transaction, LakeError> {
        Ok(self.database.begin_write().await?)
    }

    /// The rows of one statement, in a transaction of its own.
    async fn read<R: Row>(&self, operation: &'static str, statement: Statement) -> Result<Vec<R>, LakeError> {
        let mut transaction = self.database.begin_read().await?;
        statement.rows(&mut transaction).await.map_err(LakeError::database(operation))
    }

    /// Whether there is a catalog. The question is the one statement that each database asks in its own way.
    pub(crate) async fn has_tables(&self) -> Result<bool, LakeError> {
        let tables = sql::statement(if self.database.is_postgres() {
            "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'freshet_format'"
        } else {
            "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'freshet_format'"
        });
        let found: Vec<(i64,)> = self.read("look for its tables", tables).await?;
        Ok(found.first().is_some_and(|(count,)| *count > 0))
    }

    /// Checks the format before the migrations touch anything.
    pub(crate) async fn refuse_newer_format(&self) -> Result<(), LakeError> {
        if !self.has_tables().await? {
            return Ok(());
        }
        let version = sql::statement("SELECT version FROM freshet_format");
        let found: Vec<(i64,)> = self.read("read its format", version).await?;
        match found.first() {
            Some((found,)) if *found > CATALOG_FORMAT_VERSION => {
                Err(LakeError::NewerVersion { found: *found, supported: CATALOG_FORMAT_VERSION })
            }
            _ => Ok(()),
        }
    }

    /// Moves the watermark behind everything that the catalog names: the log that followed it is lost, and a new log
    /// must not give out sequences that files have.
    async fn pass_lost_log(&self) -> Result<(), LakeError> {
        const PASS: &str = "UPDATE freshet_watermark SET sequence = newest.sequence FROM (SELECT max(sequence) AS \
             sequence FROM (SELECT max(flushed_sequence) AS sequence FROM freshet_table UNION ALL \
             SELECT max(last_sequence) FROM freshet_file UNION ALL SELECT max(deletes_applied) FROM freshet_file \
             UNION ALL SELECT max(sequence) FROM freshet_delete) AS known) AS newest \
             WHERE freshet_watermark.sequence < newest.sequence";
        let mut transaction = self.begin().await?;
        let passed = sql::statement(PASS).execute(&mut transaction).await;
        passed.map_err(LakeError::database("pass the lost write-ahead log"))?;
        transaction.commit().await.map_err(LakeError::database("commit that the write-ahead log is lost"))
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
                values.bind(*key).bind(*value);
            })
            .await?;
            sql::statement(
                "INSERT INTO ducklake_schema(schema_id, schema_uuid, begin_snapshot, schema_name, path, \
                 path_is_relative) VALUES (0, $1, 0, 'main', 'main/', TRUE)",
            )
            .bind(sql::new_uuid())
            .execute(transaction)
            .await?;
            sql::statement(
                "INSERT INTO ducklake_snapshot(snapshot_id, snapshot_time, schema_version, next_catalog_id, \
                 next_file_id) VALUES (0, $1, 0, 1, 0)",
            )
            .bind(sql::time(self.clock.now_ns()))
            .execute(transaction)
            .await?;
            sql::statement(
                "INSERT INTO ducklake_snapshot_changes(snapshot_id, changes_made) \
                 VALUES (0, 'created_schema:\"main\"')",
            )
            .execute(transaction)
            .await
        };
        write.await.map_err(LakeError::database("write its first rows"))?;
        Ok(())
    }
}

async fn open_file(path: &Path) -> Result<Database, LakeError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    Database::sqlite(options).await.map_err(LakeError::database("open"))
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
    let found: Option<(String,)> =
        sql::statement("SELECT \"value\" FROM ducklake_metadata WHERE \"key\" = $1 AND \"scope\" IS NULL")
            .bind(key)
            .optional_row(transaction)
            .await
            .map_err(LakeError::database("read its metadata"))?;
    Ok(found.map(|(value,)| value))
}

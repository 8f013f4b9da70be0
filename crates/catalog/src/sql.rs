//! The SQL of the catalog: opening and migrating the file, reading everything once, and writing changes.
//!
//! The statements are valid in SQLite and PostgreSQL; the connection and its options are SQLite's. Nothing outside this
//! module contains SQL, and this module decides nothing.

mod load;
mod write;

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::error::{DamagedRowError, OpenError};
use crate::image::Image;

pub(crate) use load::load;
pub(crate) use write::write;

/// The row of state that says how far the migrations went.
const STATE: &str = include_str!("../migrations/0000_state.sql");
/// The migrations by number, starting with 1. The format version of a database is the number of the last one in it.
const MIGRATIONS: [&str; 2] =
    [include_str!("../migrations/0001_resources.sql"), include_str!("../migrations/0002_dropped_buckets.sql")];
/// How long to wait for another process that is just closing the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Only the owner may read password hashes and token digests.
const MODE: u32 = 0o600;

/// Why the rows could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Damaged(#[from] DamagedRowError),
}

/// An open database and what is in it.
pub(crate) struct Opened {
    pub(crate) connection: SqliteConnection,
    pub(crate) image: Image,
    pub(crate) last_id: u64,
}

/// Opens the file, creates or migrates it where needed, and reads everything.
pub(crate) async fn open(path: &Path) -> Result<Opened, OpenError> {
    prepare_file(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        // The image in memory is only right as long as nobody else writes.
        .locking_mode(SqliteLockingMode::Exclusive)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    let database_error = |source| database_error(path, source);
    let mut connection = options.connect().await.map_err(database_error)?;
    let found = migrate(&mut connection).await.map_err(database_error)?;
    let supported = supported_version();
    if found > supported {
        return Err(OpenError::NewerFormat { path: path.to_owned(), found, supported });
    }
    let (image, last_id) = load(&mut connection).await.map_err(|error| match error {
        LoadError::Database(source) => database_error(source),
        LoadError::Damaged(source) => OpenError::Damaged { path: path.to_owned(), source },
    })?;
    Ok(Opened { connection, image, last_id })
}

/// Creates the file before SQLite does, which would take the process's umask; the `-wal` file inherits its mode.
fn prepare_file(path: &Path) -> io::Result<()> {
    let created = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path);
    match created {
        Ok(file) => {
            file.sync_all()?;
            if let Some(directory) = path.parent() {
                let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
                File::open(directory)?.sync_all()?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    std::fs::set_permissions(path, Permissions::from_mode(MODE))
}

/// Applies the migrations that the database has not seen, each in a transaction with its number, and returns the
/// version. A newer database is left as it is.
async fn migrate(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::raw_sql(STATE).execute(&mut *connection).await?;
    let found: i64 =
        sqlx::query_scalar("SELECT format_version FROM catalog_state WHERE id = 1").fetch_one(&mut *connection).await?;
    let mut version = found;
    for (number, migration) in (1..).zip(MIGRATIONS) {
        if number <= found {
            continue;
        }
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(migration).execute(&mut *transaction).await?;
        sqlx::query("UPDATE catalog_state SET format_version = $1 WHERE id = 1")
            .bind(number)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        version = number;
    }
    Ok(version)
}

fn supported_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn database_error(path: &Path, source: sqlx::Error) -> OpenError {
    // SQLITE_BUSY; extended codes such as SQLITE_BUSY_RECOVERY have it in their lower byte.
    let busy = source.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok()).map(|code| code & 0xff);
    match busy {
        Some(5) => OpenError::InUse { path: path.to_owned() },
        _ => OpenError::Database { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests;

//! The SQL of the catalog: opening and migrating the file, reading everything once, and writing changes.
//!
//! The statements are valid in SQLite and PostgreSQL. Nothing outside this module and `database` contains SQL, and this
//! module decides nothing.

mod caches;
mod documents;
mod influxdb_1;
mod load;
mod write;

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous};

use crate::database::{Database, DatabaseError, Location, PostgresLocation, statement};
use crate::error::{DamagedRowError, OpenError};
use crate::image::Image;

pub(crate) use load::load;
pub(crate) use write::write;

/// The row of state that says how far the migrations went.
const STATE: &str = include_str!("../migrations/0000_state.sql");
/// The migrations by number, starting with 1. The format version of a database is the number of the last one in it.
const MIGRATIONS: [&str; 8] = [
    include_str!("../migrations/0001_resources.sql"),
    include_str!("../migrations/0002_dropped_buckets.sql"),
    include_str!("../migrations/0003_influxdb_1.sql"),
    include_str!("../migrations/0004_jobs.sql"),
    include_str!("../migrations/0005_documents.sql"),
    include_str!("../migrations/0006_influxdb_3.sql"),
    include_str!("../migrations/0007_tasks.sql"),
    include_str!("../migrations/0008_monitoring.sql"),
];
/// How long to wait for another process that is just closing the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
/// Only the owner may read password hashes and token digests.
const MODE: u32 = 0o600;

/// Why the rows could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Damaged(#[from] DamagedRowError),
}

impl From<sqlx::Error> for LoadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// An open database and what is in it.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) image: Image,
    pub(crate) last_id: u64,
}

/// Opens the database, creates or migrates it where needed, and reads everything.
pub(crate) async fn open(location: &Location) -> Result<Opened, OpenError> {
    let (database, place) = match location {
        Location::Sqlite(path) => (open_file(path).await?, path.display().to_string()),
        Location::Postgres(location) => {
            let (database, _) = Database::postgres(location).await.map_err(OpenError::Postgres)?;
            (database, location.to_string())
        }
    };
    let opened = read(database.clone(), &place).await;
    if opened.is_err() {
        database.close().await;
    }
    opened
}

async fn open_file(path: &Path) -> Result<Database, OpenError> {
    prepare_file(path).map_err(|source| OpenError::File { path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        // The image in memory is only right as long as nobody else writes.
        .locking_mode(SqliteLockingMode::Exclusive)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    Database::sqlite(options).await.map_err(|source| database_error(&path.display().to_string(), source.into()))
}

async fn read(database: Database, place: &str) -> Result<Opened, OpenError> {
    let found = migrate(&database).await.map_err(|source| database_error(place, source))?;
    let supported = supported_version();
    if found > supported {
        return Err(OpenError::NewerFormat { place: place.to_owned(), found, supported });
    }
    let (image, last_id) = load(&database).await.map_err(|error| match error {
        LoadError::Database(source) => database_error(place, source),
        LoadError::Damaged(source) => OpenError::Damaged { place: place.to_owned(), source },
    })?;
    Ok(Opened { database, image, last_id })
}

/// Copies the open database into a new SQLite file, whichever kind it is itself.
pub(crate) async fn copy(database: &Database, target: &Path) -> Result<(), DatabaseError> {
    let file = open_copy(target).await?;
    let copied = match migrate(&file).await {
        Ok(_) => database.copy_rows_to(&file).await,
        Err(error) => Err(error),
    };
    file.close().await;
    copied
}

/// Fills the schema of a PostgreSQL database, which does not hold anything yet, from an SQLite file.
///
/// # Errors
/// [`OpenError`]; among others if the schema holds something, or another data directory owns it.
pub async fn restore(source: &Path, location: &PostgresLocation) -> Result<(), OpenError> {
    let file = open_copy(source).await.map_err(OpenError::Postgres)?;
    let database = match Database::postgres(location).await {
        Ok((database, _)) => database,
        Err(error) => {
            file.close().await;
            return Err(OpenError::Postgres(error));
        }
    };
    let filled = fill(&file, &database, &location.to_string()).await;
    file.close().await;
    database.close().await;
    filled
}

async fn fill(file: &Database, database: &Database, place: &str) -> Result<(), OpenError> {
    let supported = supported_version();
    for copy in [file, database] {
        let found = migrate(copy).await.map_err(OpenError::Postgres)?;
        if found > supported {
            return Err(OpenError::NewerFormat { place: place.to_owned(), found, supported });
        }
    }
    let count = async {
        let mut transaction = database.begin_read().await?;
        Ok::<i64, DatabaseError>(statement("SELECT count(*) FROM users").value(&mut transaction).await?)
    };
    if count.await.map_err(OpenError::Postgres)? > 0 {
        return Err(OpenError::NotEmpty { place: place.to_owned() });
    }
    file.copy_rows_to(database).await.map_err(OpenError::Postgres)
}

/// An SQLite file that only we know of.
async fn open_copy(path: &Path) -> Result<Database, DatabaseError> {
    prepare_file(path).map_err(sqlx::Error::Io)?;
    // Rows come table by table, and refer to each other as they did in the source.
    Ok(Database::sqlite(SqliteConnectOptions::new().filename(path).foreign_keys(false)).await?)
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
async fn migrate(database: &Database) -> Result<i64, DatabaseError> {
    let mut transaction = database.begin_write().await?;
    transaction.execute_script(STATE).await?;
    let version = statement("SELECT format_version FROM catalog_state WHERE id = 1");
    let found: i64 = version.value(&mut transaction).await?;
    transaction.commit().await?;
    let mut version = found;
    for (number, migration) in (1..).zip(MIGRATIONS) {
        if number <= found {
            continue;
        }
        let mut transaction = database.begin_write().await?;
        transaction.execute_script(migration).await?;
        let update = statement("UPDATE catalog_state SET format_version = $1 WHERE id = 1").bind(number);
        update.execute(&mut transaction).await?;
        transaction.commit().await?;
        version = number;
    }
    Ok(version)
}

fn supported_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn database_error(place: &str, source: DatabaseError) -> OpenError {
    let DatabaseError::Sql(source) = source else { return OpenError::Postgres(source) };
    // SQLITE_BUSY; extended codes such as SQLITE_BUSY_RECOVERY have it in their lower byte.
    let code = source.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok()).map(|code| code & 0xff);
    match code {
        Some(5) => OpenError::InUse { place: place.to_owned() },
        _ => OpenError::Database { place: place.to_owned(), source },
    }
}

#[cfg(test)]
mod tests;

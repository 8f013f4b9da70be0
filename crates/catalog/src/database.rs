//! The one door to SQL databases, for the catalog of resources here and the lake's catalog in `storage`: an SQLite file
//! or a schema of a PostgreSQL database.
//!
//! ```text
//! Location ── Database::sqlite / Database::postgres ──▶ Database ── begin_write / begin_read ──▶ Transaction
//!                                                                      Statement {execute, rows, row} ──┘
//! ```
//!
//! Statements are plain SQL that both databases read: `$1` for parameters, `TRUE` and `FALSE`, no functions. What
//! differs is hidden here: how a connection is made, kept and given up, and how values are bound. A [`Database`] is the
//! only writer: transactions come one after another on one connection, and another server is kept out (see `postgres`).
//!
//! Nothing here knows a table, except the row that says who writes to a PostgreSQL schema.

mod location;
mod postgres;
mod statement;
mod transfer;

use std::sync::Arc;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

pub use location::{LAKE_SCHEMA, Location, LocationError, PostgresDatabase, PostgresLocation, RESOURCES_SUFFIX};
pub use postgres::Origin;
pub(crate) use statement::NulCharacterError;
pub use statement::{Argument, Row, Statement, Values, execute_in, insert, select_in, statement};

use postgres::{PostgresTransaction, Session};

/// Why a database could not be opened or a transaction not be begun. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The database refused or failed.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// PostgreSQL did not answer for as long as we wait.
    #[error("the database {place} cannot be reached: {source}")]
    Unreachable {
        /// The database, without its password.
        place: String,
        /// The last attempt's failure.
        source: sqlx::Error,
    },
    /// PostgreSQL answered, and does not let us in.
    #[error("the database {place} refuses: {source}")]
    Refused {
        /// The database, without its password.
        place: String,
        /// Its words.
        source: sqlx::Error,
    },
    /// Another server writes to the schema.
    #[error("the catalog {place} is in use by another server ({holder})")]
    InUse {
        /// The schema and database.
        place: String,
        /// Who, as far as PostgreSQL tells.
        holder: String,
    },
    /// Another server wrote to the schema while this one was not connected.
    #[error(
        "another server has taken the catalog {place} over while this one was not connected to it; this one changes \
         nothing any more, and has to be restarted"
    )]
    TakenOver {
        /// The schema and database.
        place: String,
    },
    /// The connection does not keep its session, as behind a pooler of transactions.
    #[error(
        "the catalog {place} does not keep the lock of this server: connect to PostgreSQL itself, or through a pooler \
         of sessions"
    )]
    LockLost {
        /// The schema and database.
        place: String,
    },
    /// The schema belongs to another data directory, whose write-ahead log and files it describes.
    #[error(
        "the catalog {place} belongs to the data directory with the id {found}, and this one has the id {given}; a \
         server over another directory would lose what the first one's write-ahead log holds (docs/formats/catalog.md \
         says what to do if that directory is gone for good)"
    )]
    OtherDataDirectory {
        /// The schema and database.
        place: String,
        /// The id in the schema.
        found: String,
        /// The id of this directory.
        given: String,
    },
    /// Two databases of which one was to be copied into the other do not have the same tables.
    #[error("the table {table} is not the same in both databases")]
    Tables {
        /// One that differs.
        table: String,
    },
    /// The database stores text in another encoding.
    #[error("the database {place} has the encoding {found}, and the catalog needs UTF8")]
    Encoding {
        /// The database.
        place: String,
        /// Its encoding.
        found: String,
    },
}

impl DatabaseError {
    /// Whether the same may succeed later without anybody's doing.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::InUse { .. } => true,
            Self::Sql(error) => is_connection_lost(error),
            _ => false,
        }
    }
}

/// Whether the connection, not the statement, failed: after it the transaction is gone, and another one may succeed.
#[must_use]
pub fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed => true,
        // Classes of PostgreSQL: connection exception, serialization failure and deadlock, too many connections,
        // operator intervention (a shutdown, a crash, a statement's time limit), the server's own input and output.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.len() == 5 && (["08", "40", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "53300")
        }),
        _ => false,
    }
}

/// A random identifier, 32 hexadecimal digits: of a server in its schema, of a data directory.
///
/// # Errors
/// If the operating system gives no random bytes.
pub fn random_id() -> Result<String, std::io::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// An open database. Clones share the one connection, so that transactions come one after another.
#[derive(Debug, Clone)]
pub struct Database {
    backend: Backend,
}

#[derive(Debug, Clone)]
enum Backend {
    Sqlite(sqlx::SqlitePool),
    Postgres(Arc<Session>),
}

/// A transaction. Dropped without [`Transaction::commit`] it leaves nothing.
#[derive(Debug)]
pub struct Transaction {
    backend: Open,
}

#[derive(Debug)]
enum Open {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(PostgresTransaction),
}

impl Database {
    /// Opens an SQLite file.
    ///
    /// # Errors
    /// Of the database.
    pub async fn sqlite(options: SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        Ok(Self { backend: Backend::Sqlite(pool.connect_with(options).await?) })
    }

    /// Opens a schema of a PostgreSQL database for writing, and makes it if it does not exist. Says whether it was
    /// bound to the data directory just now, or before.
    ///
    /// # Errors
    /// [`DatabaseError`]: among others when another server has it open, or another data directory owns it.
    pub async fn postgres(location: &PostgresLocation) -> Result<(Self, Origin), DatabaseError> {
        let (session, origin) = Session::open(location).await?;
        Ok((Self { backend: Backend::Postgres(Arc::new(session)) }, origin))
    }

    /// Whether it is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.backend, Backend::Postgres(_))
    }

    /// Applies the migrations that the database has not seen, each in a transaction. `overrides` are, by version, the
    /// texts that PostgreSQL gets in place of the common ones.
    ///
    /// # Errors
    /// Of the database, and if a migration that was applied is not the one we know.
    pub async fn migrate(
        &self,
        migrations: &'static Migrator,
        overrides: &[(i64, &'static str)],
    ) -> Result<(), MigrateError> {
        match &self.backend {
            Backend::Sqlite(pool) => migrations.run(pool).await,
            Backend::Postgres(session) => session.migrate(migrations, overrides).await,
        }
    }

    /// A transaction that writes. On SQLite it holds the writer's lock from the start, so that it cannot fail half-way
    /// because another process wrote after its first read; on PostgreSQL the session's lock keeps other servers out.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn begin_write(&self) -> Result<Transaction, DatabaseError> {
        let backend = match &self.backend {
            Backend::Sqlite(pool) => Open::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Backend::Postgres(session) => Open::Postgres(session.begin("BEGIN ISOLATION LEVEL REPEATABLE READ").await?),
        };
        Ok(Transaction { backend })
    }

    /// A transaction that reads everything as of one moment. It is on the writing connection too, so that it comes
    /// after a commit whose answer was lost.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn begin_read(&self) -> Result<Transaction, DatabaseError> {
        const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let backend = match &self.backend {
            Backend::Sqlite(pool) => Open::Sqlite(pool.begin().await?),
            Backend::Postgres(session) => Open::Postgres(session.begin(READ).await?),
        };
        Ok(Transaction { backend })
    }

    /// Closes the connection, after which every other operation fails. SQLite then folds its journal into the file.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(pool) => pool.close().await,
            Backend::Postgres(session) => session.close().await,
        }
    }
}

impl Transaction {
    /// Makes all of it lasting.
    ///
    /// # Errors
    /// Of the database; then it may have happened or not, and has to be read back.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        match self.backend {
            Open::Sqlite(transaction) => transaction.commit().await,
            Open::Postgres(transaction) => transaction.commit().await,
        }
    }

    /// Executes several statements without parameters, as a migration has them.
    ///
    /// # Errors
    /// Of the database.
    pub async fn execute_script(&mut self, script: &'static str) -> Result<(), sqlx::Error> {
        match &mut self.backend {
            Open::Sqlite(transaction) => sqlx::raw_sql(script).execute(&mut **transaction).await.map(|_| ()),
            Open::Postgres(transaction) => {
                transaction.run(async |connection| sqlx::raw_sql(script).execute(connection).await).await.map(|_| ())
            }
        }
    }
}

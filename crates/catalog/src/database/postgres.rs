//! One session with PostgreSQL, which is the only one that writes to a schema.
//!
//! The session holds an advisory lock on the schema, and every transaction runs in this session. So whoever writes
//! holds the lock: when the connection is lost, PostgreSQL rolls back and lets go of the lock together, and a new
//! session gets the lock only once the old one has come to its end. What it then reads is therefore final, also after
//! a commit whose answer was lost. A separate connection for the lock could not say that.
//!
//! A row in the schema says which server wrote last. A server that lost its connection and finds another's mark when
//! it is back has been replaced: what it has in memory is old, and it writes nothing any more. Each transaction looks
//! at both, the lock and the mark.
//!
//! Nothing is sent twice: a transaction that breaks is an error, only its beginning is tried again.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, SqlSafeStr as _};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep, timeout};

use super::{DatabaseError, PostgresLocation, is_connection_lost};

/// How long a connection is tried and the lock is waited for, before what needs it fails. Writers wait as long for new
/// columns, so it is short; flushes try again by themselves.
const CONNECT_FOR: Duration = Duration::from_secs(5);
/// The pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// The server ends a statement that takes longer; as long as SQLite waits for a lock.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// We give a connection up that is silent for longer: the server is gone, or the network.
const SILENCE: Duration = Duration::from_secs(45);
/// Migrations and the first reading may take longer than any statement of everyday.
const OPENING: Duration = Duration::from_secs(600);
/// The upper half of the advisory lock's key; the lower one is the schema's identifier in the database.
const LOCK_CLASS: i64 = 0x6672_6573;

/// Whether a schema had an owner before it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was bound to this data directory just now.
    New,
    /// It was bound to this data directory before.
    Known,
}

/// The session. One transaction at a time.
#[derive(Debug)]
pub(super) struct Session {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    options: PgConnectOptions,
    location: PostgresLocation,
    /// The mark of this server in the schema.
    server_id: String,
    connection: Option<PgConnection>,
    /// Set while a transaction is open: if a new one finds it set, the old one was dropped.
    unfinished: bool,
    /// Set for good when another server's mark was found.
    taken_over: bool,
    closed: bool,
}

/// A transaction of the session.
#[derive(Debug)]
pub(super) struct PostgresTransaction {
    state: OwnedMutexGuard<State>,
}

impl Session {
    /// Connects, makes the schema if it is missing, takes the lock and writes the mark of this server.
    pub(super) async fn open(location: &PostgresLocation) -> Result<(Self, Origin), DatabaseError> {
        let mut state = State {
            options: location.database.options().clone().disable_statement_logging(),
            location: location.clone(),
            server_id: super::random_id().map_err(sqlx::Error::Io)?,
            connection: None,
            unfinished: false,
            taken_over: false,
            closed: false,
        };
        let mut connection = state.connect().await?;
        let origin = state.take(&mut connection).await?;
        state.connection = Some(connection);
        Ok((Self { state: Arc::new(Mutex::new(state)) }, origin))
    }

    /// Begins a transaction by this statement. Nothing of it was sent before, so a lost connection is replaced once.
    pub(super) async fn begin(&self, statement: &'static str) -> Result<PostgresTransaction, DatabaseError> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        for is_last in [false, true] {
            state.prepare().await?;
            match state.begin(statement).await {
                Ok(()) => return Ok(PostgresTransaction { state }),
                Err(error) if !is_last && (is_lost(&error) || matches!(error, DatabaseError::LockLost { .. })) => {
                    tracing::warn!(%error, database = %state.location, "the connection to the catalog was lost");
                    state.connection = None;
                }
                Err(error) => return Err(error),
            }
        }
        Err(state.lock_lost())
    }

    pub(super) async fn migrate(
        &self,
        migrations: &'static Migrator,
        overrides: &[(i64, &'static str)],
    ) -> Result<(), MigrateError> {
        let text = |migration: &Migration| overrides.iter().find(|(version, _)| *version == migration.version);
        let adapted = migrations.iter().map(|migration| match text(migration) {
            Some((version, text)) => {
                let (description, kind) = (migration.description.clone(), migration.migration_type);
                Migration::new(*version, description, kind, text.into_sql_str(), false)
            }
            None => migration.clone(),
        });
        let mut adapted = Migrator::with_migrations(adapted.collect());
        // The session's own lock keeps others out, and theirs is one for the whole database.
        adapted.set_locking(false);
        let mut state = self.state.lock().await;
        state.prepare().await.map_err(|error| MigrateError::Source(error.into()))?;
        let connection = state.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        set_timeout(connection, OPENING).await?;
        adapted.run_direct(None, connection, false).await?;
        set_timeout(connection, STATEMENT_TIMEOUT).await?;
        Ok(())
    }

    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        state.closed = true;
        if let Some(connection) = state.connection.take() {
            // The lock goes with the session in any case; what was acknowledged is committed.
            let _ = timeout(CONNECT_FOR, connection.close()).await;
        }
    }
}

impl State {
    /// Makes sure that there is a connection, with nothing open on it.
    async fn prepare(&mut self) -> Result<(), DatabaseError> {
        if self.closed {
            return Err(sqlx::Error::PoolClosed.into());
        }
        if self.taken_over {
            return Err(self.is_taken_over());
        }
        if std::mem::take(&mut self.unfinished)
            && let Some(connection) = &mut self.connection
            && !matches!(timeout(SILENCE, connection.execute("ROLLBACK")).await, Ok(Ok(_)))
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let mut connection = self.connect().await?;
            self.lock(&mut connection).await?;
            // The mark is looked at by the transaction itself.
            self.connection = Some(connection);
        }
        Ok(())
    }

    /// A new connection with our settings; without the lock.
    async fn connect(&self) -> Result<PgConnection, DatabaseError> {
        let deadline = Instant::now() + CONNECT_FOR;
        loop {
            let attempt = timeout(CONNECT_FOR, async {
                let mut connection = self.options.connect().await?;
                self.set_up(&mut connection).await?;
                Ok(connection)
            });
            let source = match attempt.await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) if is_connection_lost(&error) => error,
                Ok(Err(source)) => {
                    return Err(DatabaseError::Refused { place: self.location.database.to_string(), source });
                }
                Err(_) => silence(),
            };
            if Instant::now() >= deadline {
                return Err(DatabaseError::Unreachable { place: self.location.database.to_string(), source });
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Settings that transactions rely on. A commit has to be on the disk of PostgreSQL, whatever its default is. A
    /// connection that died in between is to be noticed by the server too, which then lets go of the lock.
    async fn set_up(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let statement = "SELECT set_config('search_path', $1, false), set_config('timezone', 'UTC', false), \
             set_config('datestyle', 'ISO', false), \
             set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' \
             ELSE current_setting('synchronous_commit') END, false), \
             set_config('idle_in_transaction_session_timeout', '60s', false), \
             set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), \
             set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '30000', false)";
        sqlx::query(statement).bind(&self.location.schema).execute(&mut *connection).await?;
        set_timeout(connection, STATEMENT_TIMEOUT).await
    }

    /// Takes the advisory lock, for which a session that is coming to its end may have to be waited for.
    async fn lock(&self, connection: &mut PgConnection) -> Result<(), DatabaseError> {
        let deadline = Instant::now() + CONNECT_FOR;
        let statement = "SELECT pg_try_advisory_lock(($1 << 32) | $2::regnamespace::oid::bigint)";
        loop {
            let locking = sqlx::query_scalar(statement).bind(LOCK_CLASS).bind(&self.location.schema);
            if timeout(SILENCE, locking.fetch_one(&mut *connection)).await.map_err(|_| silence())?? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let holder = self.holder(connection).await?;
                return Err(DatabaseError::InUse { place: self.location.to_string(), holder });
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Who holds the lock.
    async fn holder(&self, connection: &mut PgConnection) -> Result<String, sqlx::Error> {
        let statement = "SELECT 'process ' || l.pid || ' of PostgreSQL' || coalesce(', connected from ' || \
             coalesce(a.client_addr::text, 'the same machine') || ' since ' || \
             to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '') \
             FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND l.objsubid = 1 \
             AND l.objid = $2::regnamespace::oid AND l.database = \
             (SELECT oid FROM pg_database WHERE datname = current_database())";
        let query = sqlx::query_scalar(statement).bind(LOCK_CLASS).bind(&self.location.schema);
        let found: Option<String> = query.fetch_optional(connection).await?;
        Ok(found.unwrap_or_else(|| "it has just gone".to_owned()))
    }

    /// At the start: makes the schema, locks it, and binds it to the data directory and this server.
    async fn take(&self, connection: &mut PgConnection) -> Result<Origin, DatabaseError> {
        let encoding: String = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut *connection).await?;
        if encoding != "UTF8" {
            return Err(DatabaseError::Encoding { place: self.location.database.to_string(), found: encoding });
        }
        let schema = &self.location.schema;
        let exists: bool = sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL")
            .bind(schema)
            .fetch_one(&mut *connection)
            .await?;
        if !exists {
            // The name was checked: it needs no quotation. Another server may do the same at the same time.
            let create = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
            if let Err(error) = connection.execute(AssertSqlSafe(create)).await
                && error.as_database_error().is_none_or(|error| !error.is_unique_violation())
            {
                return Err(error.into());
            }
        }
        self.lock(connection).await?;
        let table = "CREATE TABLE IF NOT EXISTS freshet_server(one_row BIGINT PRIMARY KEY CHECK (one_row = 1), \
                     data_directory VARCHAR NOT NULL, server_id VARCHAR NOT NULL)";
        connection.execute(table).await?;
        let mut transaction = connection.begin().await?;
        let found: Option<String> =
            sqlx::query_scalar("SELECT data_directory FROM freshet_server").fetch_optional(&mut *transaction).await?;
        let origin = match found {
            None => Origin::New,
            Some(found) if found == self.location.data_directory => Origin::Known,
            Some(found) => {
                let (place, given) = (self.location.to_string(), self.location.data_directory.clone());
                return Err(DatabaseError::OtherDataDirectory { place, found, given });
            }
        };
        sqlx::query(
            "INSERT INTO freshet_server(one_row, data_directory, server_id) VALUES (1, $1, $2) \
             ON CONFLICT (one_row) DO UPDATE SET server_id = excluded.server_id",
        )
        .bind(&self.location.data_directory)
        .bind(&self.server_id)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(origin)
    }

    /// Begins a transaction, and looks at the lock and the mark in it.
    async fn begin(&mut self, statement: &'static str) -> Result<(), DatabaseError> {
        let Some(connection) = &mut self.connection else { return Err(sqlx::Error::PoolClosed.into()) };
        self.unfinished = true;
        let check = "SELECT server_id, EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND pid = pg_backend_pid() AND classid::bigint = $1 AND objid = $2::regnamespace::oid AND objsubid = 1) \
             FROM freshet_server";
        let begin = async {
            connection.execute(statement).await?;
            let check = sqlx::query_as(check).bind(LOCK_CLASS).bind(&self.location.schema);
            check.fetch_optional(&mut *connection).await
        };
        let found: Option<(String, bool)> = timeout(SILENCE, begin).await.map_err(|_| silence())??;
        match found {
            Some((server, true)) if server == self.server_id => Ok(()),
            Some((server, false)) if server == self.server_id => Err(self.lock_lost()),
            // Another server's mark; or somebody removed ours, to give the schema to another directory. The lock goes
            // with the connection, since whoever comes next needs it.
            _ => {
                self.taken_over = true;
                self.connection = None;
                Err(self.is_taken_over())
            }
        }
    }

    fn is_taken_over(&self) -> DatabaseError {
        DatabaseError::TakenOver { place: self.location.to_string() }
    }

    fn lock_lost(&self) -> DatabaseError {
        DatabaseError::LockLost { place: self.location.to_string() }
    }
}

impl PostgresTransaction {
    /// Runs something on the connection. After a failure of the connection itself it is given up.
    pub(super) async fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let connection = self.state.connection.as_mut().ok_or_else(silence)?;
        let result = timeout(SILENCE, work(connection)).await.unwrap_or_else(|_| Err(silence()));
        if result.as_ref().is_err_and(is_connection_broken) {
            self.state.connection = None;
        }
        result
    }

    /// Commits. If the answer is lost, the next transaction comes after the end of this one, whatever that is.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.run(async |connection| connection.execute("COMMIT").await).await?;
        self.state.unfinished = false;
        Ok(())
    }
}

async fn set_timeout(connection: &mut PgConnection, limit: Duration) -> Result<(), sqlx::Error> {
    let statement = "SELECT set_config('statement_timeout', $1, false)";
    sqlx::query(statement).bind(limit.as_millis().to_string()).execute(connection).await.map(|_| ())
}

fn silence() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "PostgreSQL does not answer"))
}

fn is_lost(error: &DatabaseError) -> bool {
    matches!(error, DatabaseError::Sql(error) if is_connection_lost(error))
}

/// Whether no more can be said over this connection; a refused statement leaves it usable.
fn is_connection_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        other => is_connection_lost(other),
    }
}

#[cfg(test)]
mod tests;

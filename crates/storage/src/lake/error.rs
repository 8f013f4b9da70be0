//! Why an operation on the catalog failed.

use std::path::PathBuf;

use catalog::BucketId;
use catalog::database::{DatabaseError, is_connection_lost};
use line_protocol::FieldKind;

use crate::ids::TableId;

/// Why the catalog could not be opened, read or changed. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LakeError {
    /// The database refused or failed.
    #[error("the catalog failed to {operation}: {source}")]
    Database {
        /// What was being done.
        operation: &'static str,
        /// The database's own words.
        source: sqlx::Error,
    },
    /// The database could not be opened, or no transaction be begun.
    #[error("{0}")]
    Connection(#[source] DatabaseError),
    /// The tables could not be brought to this version's layout.
    #[error("the catalog could not be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Something was to be restored over what is there.
    #[error("the schema {place} holds a catalog already: name one that does not exist yet")]
    NotEmpty {
        /// The schema and database.
        place: String,
    },
    /// The catalog was written by a newer version.
    #[error("the catalog has format {found}, and this version reads up to format {supported}: use a newer Freshet")]
    NewerVersion {
        /// The format of the catalog.
        found: i64,
        /// The newest that this version reads.
        supported: i64,
    },
    /// The catalog is no DuckLake of the version that we write.
    #[error("the catalog is DuckLake {found}, and this version of Freshet writes DuckLake {supported}")]
    DuckLakeVersion {
        /// The version in its metadata.
        found: String,
        /// The version that we write.
        supported: &'static str,
    },
    /// The directory of the data files cannot be named in the catalog, because its path is not UTF-8.
    #[error("the path of the data directory is not valid UTF-8: {}", .0.display())]
    FilesRoot(PathBuf),
    /// The catalog names files in another place than the one that is to be used.
    #[error(
        "the catalog's files are in {recorded}, and not in {given}: start with the --object-store of that place, or \
         copy all files below it, under the same names, and start once with --object-store-moved"
    )]
    FilesElsewhere {
        /// Where they are by the catalog.
        recorded: String,
        /// Where they would be looked for.
        given: String,
    },
    /// A field exists with another type.
    #[error("field {field:?} of measurement {measurement:?} is {requested}, but exists as {existing}")]
    FieldTypeConflict {
        /// The table, `None` if it is being created by the same registration.
        table: Option<TableId>,
        /// Its measurement.
        measurement: String,
        /// The field.
        field: String,
        /// The type that it has.
        existing: FieldKind,
        /// The type that was asked for.
        requested: FieldKind,
    },
    /// The bucket is not registered, or was dropped.
    #[error("bucket {0} is not in the catalog")]
    UnknownBucket(BucketId),
    /// The table is not registered, or was dropped with its bucket.
    #[error("table {0} is not in the catalog")]
    UnknownTable(TableId),
    /// A file that was to be replaced is live no more.
    #[error("files of table {0} were replaced or dropped meanwhile")]
    FilesGone(TableId),
    /// A file does not lie in its table's directory.
    #[error("file {path:?} is not directly in directory {directory:?} of its table")]
    FilePath {
        /// The path that was given.
        path: String,
        /// Where it has to be.
        directory: String,
    },
    /// A number is larger than SQL's BIGINT.
    #[error("{what} {number} is too large for the catalog")]
    TooLarge {
        /// What it counts.
        what: &'static str,
        /// The number.
        number: u64,
    },
    /// A row says what no version of this program writes.
    #[error("the catalog is damaged: {0}")]
    Damaged(String),
}

impl From<DatabaseError> for LakeError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Sql(source) => Self::Database { operation: "begin a transaction", source },
            other => Self::Connection(other),
        }
    }
}

impl LakeError {
    /// For `map_err`: the database failed to do `operation` (an infinitive).
    pub(super) fn database(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { operation, source }
    }

    /// Whether the connection to the database failed: the same operation may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Database { source, .. } => is_connection_lost(source),
            Self::Connection(error) => error.is_temporary(),
            _ => false,
        }
    }

    /// Whether the catalog's disk is full: the same operation succeeds when there is space again.
    pub(crate) fn is_out_of_space(&self) -> bool {
        let Self::Database { source: sqlx::Error::Database(error), .. } = self else { return false };
        // SQLITE_FULL, also in the low byte of extended codes; PostgreSQL's disk_full.
        error.code().is_some_and(|code| code == "53100" || code.parse::<u32>().is_ok_and(|code| code & 0xff == 13))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_full_disk_is_told_from_other_failures() {
        let options = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
        let pool = options.connect("sqlite::memory:").await.unwrap();
        for statement in ["CREATE TABLE t (bytes BLOB)", "PRAGMA max_page_count = 4"] {
            sqlx::query(statement).execute(&pool).await.unwrap();
        }
        let failure = async |statement: &'static str| {
            LakeError::database("test")(sqlx::query(statement).execute(&pool).await.unwrap_err())
        };
        let full = failure("INSERT INTO t VALUES (zeroblob(1000000))").await;
        assert!(full.is_out_of_space(), "{full:?}");
        let unknown = failure("INSERT INTO nothing VALUES (1)").await;
        assert!(!unknown.is_out_of_space(), "{unknown:?}");
    }
}

/// Why a commit did not succeed, and whether it may have happened all the same.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nothing of it is in the catalog; it may be tried again.
    #[error("nothing was committed: {0}")]
    NotCommitted(#[from] LakeError),
    /// The answer to the commit itself was lost. It may have happened: read [`flushed_sequences`] before trying again.
    ///
    /// [`flushed_sequences`]: super::Lake::flushed_sequences
    #[error("whether the commit happened is not known: {0}")]
    Unknown(#[source] sqlx::Error),
}

impl CommitError {
    /// Whether the connection to the database failed: the same operation may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NotCommitted(error) => error.is_temporary(),
            Self::Unknown(error) => is_connection_lost(error),
        }
    }
}

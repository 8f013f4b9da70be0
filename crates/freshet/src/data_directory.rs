//! What ties a data directory to catalogs in PostgreSQL: an identifier in the file `catalog-id`, which the schemas name
//! too. The directory has the write-ahead log that follows the catalog; with another one's they would make no sense.
//!
//! Knows the files of the directory by name only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use catalog::database::{Location, PostgresDatabase};

/// Holds the identifier. The file is there if and only if the catalogs are in PostgreSQL.
const ID_FILE: &str = "catalog-id";
/// The catalog of a directory whose catalogs are SQLite files.
const SQLITE_CATALOG: &str = "catalog.sqlite";
/// Organisations, users and tokens of such a directory.
const RESOURCES: &str = "resources.sqlite";

/// Why a directory cannot be used with the catalogs that were asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirectoryError {
    #[error(
        "the data directory {} has its catalogs in SQLite files: start without --catalog, or with another data \
         directory",
        .0.display()
    )]
    HasSqlite(PathBuf),
    #[error("the data directory {} has its catalogs in PostgreSQL: start with --catalog", .0.display())]
    NeedsPostgres(PathBuf),
    #[error(
        "a repair of the data directory {} was not finished: its catalog.sqlite holds what it has come to; run \
         `freshet doctor` with the same --catalog again",
        .0.display()
    )]
    UnfinishedRepair(PathBuf),
    #[error("the file {} does not hold the identifier of a data directory", .0.display())]
    Damaged(PathBuf),
    #[error("cannot use the file {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// The identifier of the directory, which is made if there is none; empty with catalogs in SQLite.
///
/// # Errors
/// If the directory has its catalogs elsewhere than where they were asked for.
pub(crate) fn check(data_dir: &Path, is_postgres: bool) -> Result<String, DataDirectoryError> {
    let id = identify(data_dir, is_postgres)?;
    match !id.is_empty() && data_dir.join(SQLITE_CATALOG).exists() {
        true => Err(DataDirectoryError::UnfinishedRepair(data_dir.to_owned())),
        false => Ok(id),
    }
}

/// As [`check`], for who finishes a repair of a directory whose catalogs are in PostgreSQL.
///
/// # Errors
/// As there.
pub(crate) fn identify(data_dir: &Path, is_postgres: bool) -> Result<String, DataDirectoryError> {
    let path = data_dir.join(ID_FILE);
    let file_error = |source| DataDirectoryError::File { path: path.clone(), source };
    let stored = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(file_error(error)),
    };
    match (stored, is_postgres) {
        (None, false) => Ok(String::new()),
        (Some(_), false) => Err(DataDirectoryError::NeedsPostgres(data_dir.to_owned())),
        (Some(text), true) => {
            let id = text.trim();
            let is_sound = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_sound.then(|| id.to_owned()).ok_or(DataDirectoryError::Damaged(path))
        }
        (None, true) if data_dir.join(SQLITE_CATALOG).exists() => {
            Err(DataDirectoryError::HasSqlite(data_dir.to_owned()))
        }
        (None, true) => {
            make_id(data_dir, &path).map_err(file_error)?;
            identify(data_dir, true)
        }
    }
}

/// The file that is in every directory that a server has used.
pub(crate) fn file_of_catalogs(is_postgres: bool) -> &'static str {
    if is_postgres { ID_FILE } else { RESOURCES }
}

/// Where the catalog of organisations, users and tokens is; `id` is what [`check`] returned.
pub(crate) fn resources(data_dir: &Path, database: Option<&PostgresDatabase>, id: &str) -> Location {
    match database {
        Some(database) => Location::Postgres(database.resources(id)),
        None => Location::Sqlite(data_dir.join(RESOURCES)),
    }
}

/// A new identifier for a directory whose catalogs are about to go from SQLite files into PostgreSQL.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn identify_new(data_dir: &Path) -> Result<String, DataDirectoryError> {
    let path = data_dir.join(ID_FILE);
    make_id(data_dir, &path).map_err(|source| DataDirectoryError::File { path, source })?;
    identify(data_dir, true)
}

/// Writes the file as a whole, on the disk, or not at all. One that another process has just made stays.
fn make_id(data_dir: &Path, path: &Path) -> io::Result<()> {
    let unfinished = path.with_extension(std::process::id().to_string());
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&unfinished)?;
    writeln!(file, "{}", catalog::database::random_id()?)?;
    file.sync_all()?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(data_dir)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_directory_keeps_the_kind_of_its_catalogs() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(check(path, false).unwrap(), "");
        let id = check(path, true).unwrap();
        assert_eq!((id.len(), check(path, true).unwrap()), (32, id));
        assert!(matches!(check(path, false), Err(DataDirectoryError::NeedsPostgres(_))));
        fs::write(path.join(SQLITE_CATALOG), "").unwrap();
        assert!(matches!(check(path, true), Err(DataDirectoryError::UnfinishedRepair(_))));
        assert_eq!(identify(path, true).unwrap().len(), 32);
        fs::remove_file(path.join(SQLITE_CATALOG)).unwrap();
        fs::write(path.join(ID_FILE), "x").unwrap();
        assert!(matches!(check(path, true), Err(DataDirectoryError::Damaged(_))));

        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join(SQLITE_CATALOG), "").unwrap();
        assert!(matches!(check(other.path(), true), Err(DataDirectoryError::HasSqlite(_))));
        assert_eq!(check(other.path(), false).unwrap(), "");
    }
}

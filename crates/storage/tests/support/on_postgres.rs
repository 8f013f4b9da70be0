//! Where an engine's catalog is: beside its data, or in PostgreSQL when the tests run there.
#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

use std::path::Path;

use catalog::database::{PostgresDatabase, PostgresLocation};

/// The schema of PostgreSQL for an engine over this directory, the same each time and when the directory was moved;
/// none if the tests run on SQLite.
pub(crate) fn catalog_of(data_dir: &Path) -> Option<PostgresLocation> {
    let url = std::env::var(testkit::TEST_CATALOG).ok()?;
    let file = data_dir.join("catalog-id");
    if !file.exists() {
        std::fs::create_dir_all(data_dir).unwrap();
        std::fs::write(&file, catalog::database::random_id().unwrap()).unwrap();
    }
    let id = std::fs::read_to_string(file).unwrap();
    Some(PostgresDatabase::parse(&format!("{url}?schema=test_{id}")).unwrap().lake(&id))
}

/// How the reader in Python names the catalog of an engine over this directory.
pub(crate) fn reader_argument(data_dir: &Path) -> String {
    match catalog_of(data_dir) {
        Some(location) => format!("{}?schema={}", std::env::var(testkit::TEST_CATALOG).unwrap(), location.schema),
        None => data_dir.join("catalog.sqlite").to_str().unwrap().to_owned(),
    }
}

//! The file: its mode, its settings, its versions, and what it must not contain.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::testing::{Fixture, is_postgres, new_location};
use crate::{Catalog, SystemClock};

/// A database that was set up and closed.
async fn closed() -> (TempDir, Location) {
    let (fixture, _) = Fixture::onboarded().await;
    fixture.catalog.close().await;
    (fixture.directory, fixture.location)
}

/// Executes a statement past all rules.
async fn execute(location: &Location, statement: &'static str) {
    let database = match location {
        Location::Sqlite(path) => {
            Database::sqlite(SqliteConnectOptions::new().filename(path).foreign_keys(false)).await.unwrap()
        }
        Location::Postgres(location) => Database::postgres(location).await.unwrap().0,
    };
    let mut transaction = database.begin_write().await.unwrap();
    if is_postgres() {
        transaction.execute_script("SET LOCAL session_replication_role = replica").await.unwrap();
    }
    transaction.execute_script(statement).await.unwrap();
    transaction.commit().await.unwrap();
    database.close().await;
}

async fn open_error(location: &Location) -> OpenError {
    Catalog::open_at(location, Arc::new(SystemClock)).await.unwrap_err()
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    if is_postgres() {
        return;
    }
    let (fixture, _) = Fixture::onboarded().await;
    let modes = || -> Vec<(String, u32)> {
        let entries = std::fs::read_dir(fixture.directory.path()).unwrap().map(Result::unwrap);
        let mode = |entry: &std::fs::DirEntry| entry.metadata().unwrap().permissions().mode() & 0o777;
        entries.map(|entry| (entry.file_name().into_string().unwrap(), mode(&entry))).collect()
    };
    let found = modes();
    assert!(found.iter().any(|(name, _)| name == "resources.sqlite-wal"), "{found:?}");
    assert!(found.iter().all(|(_, mode)| *mode == 0o600), "{found:?}");
    fixture.catalog.close().await;
    std::fs::set_permissions(fixture.path(), Permissions::from_mode(0o644)).unwrap();
    let reopened = Catalog::open(fixture.path(), Arc::new(SystemClock)).await.unwrap();
    assert!(modes().iter().all(|(_, mode)| *mode == 0o600), "a mode that was widened is narrowed again");
    reopened.close().await;
}

#[tokio::test]
async fn the_settings_are_the_durable_ones() {
    let directory = TempDir::new().unwrap();
    let opened = open(&new_location(directory.path())).await.unwrap();
    let mut transaction = opened.database.begin_read().await.unwrap();
    if is_postgres() {
        let setting = statement("SELECT current_setting('synchronous_commit')");
        assert_eq!(setting.value::<String>(&mut transaction).await.unwrap(), "on");
        return;
    }
    let journal: String = statement("PRAGMA journal_mode").value(&mut transaction).await.unwrap();
    let locking: String = statement("PRAGMA locking_mode").value(&mut transaction).await.unwrap();
    let synchronous: i64 = statement("PRAGMA synchronous").value(&mut transaction).await.unwrap();
    let foreign: i64 = statement("PRAGMA foreign_keys").value(&mut transaction).await.unwrap();
    assert_eq!((journal.as_str(), locking.as_str(), synchronous, foreign), ("wal", "exclusive", 2, 1));
}

#[tokio::test]
async fn what_postgresql_cannot_store_is_refused_by_name() {
    let (fixture, _) = Fixture::onboarded().await;
    let created = fixture.catalog.create_organisation("nul\0", "", None).await;
    assert_eq!(created.is_err(), is_postgres());
    if let Err(error) = created {
        assert_eq!(error.class(), crate::Class::Invalid);
        assert_eq!(error.to_string(), "names and descriptions cannot have the character U+0000");
    }
    fixture.organisation("without").await;
}

#[tokio::test]
async fn a_newer_format_is_refused_and_left_alone() {
    let (_directory, location) = closed().await;
    execute(&location, "UPDATE catalog_state SET format_version = 999").await;
    for _ in 0..2 {
        let error = open_error(&location).await;
        let OpenError::NewerFormat { found, supported, .. } = &error else { panic!("{error}") };
        let known = supported_version();
        assert_eq!((*found, *supported), (999, known));
        let expected =
            format!("has format version 999, and this release knows versions up to {known}: start a newer release");
        assert!(error.to_string().ends_with(&expected), "{error}");
    }
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let (fixture, _) = Fixture::onboarded().await;
    let error = open_error(&fixture.location).await;
    match error {
        OpenError::Postgres(DatabaseError::InUse { .. }) if is_postgres() => {
            let text = error.to_string();
            assert!(text.contains(" is in use by another server (process "), "{text}");
        }
        error => assert!(matches!(error, OpenError::InUse { .. }) && !is_postgres(), "{error:?}"),
    }
}

#[tokio::test]
async fn damaged_rows_stop_the_start() {
    let check = async |statement: &'static str, table: &'static str, column: &'static str| {
        let (_directory, location) = closed().await;
        execute(&location, statement).await;
        let error = open_error(&location).await;
        let OpenError::Damaged { source, .. } = error else { panic!("{statement}: {error}") };
        assert_eq!(source, DamagedRowError { table, column }, "{statement}");
    };
    check("UPDATE organisations SET id = 0", "organisations", "id").await;
    check("UPDATE buckets SET bucket_type = 'x' WHERE name = 'b'", "buckets", "bucket_type").await;
    check("UPDATE buckets SET retention_ns = -1 WHERE name = 'b'", "buckets", "retention_ns").await;
    check("UPDATE users SET status = 'x'", "users", "status").await;
    check("UPDATE authorizations SET digest = 'x'", "authorizations", "digest").await;
    check("UPDATE authorizations SET permissions = '{}'", "authorizations", "permissions").await;
    check("UPDATE user_resource_mappings SET role = 'x'", "user_resource_mappings", "role").await;
}

#[tokio::test]
async fn what_is_no_database_is_not_opened() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("r.sqlite");
    std::fs::write(&path, [7; 4096]).unwrap();
    assert!(matches!(open_error(&Location::Sqlite(path)).await, OpenError::Database { .. }));
    let missing = directory.path().join("absent").join("r.sqlite");
    assert!(matches!(open_error(&Location::Sqlite(missing)).await, OpenError::File { .. }));
}

#[test]
fn the_migrations_are_portable() {
    for text in [STATE].iter().chain(&MIGRATIONS) {
        let text = text.to_uppercase();
        for word in ["AUTOINCREMENT", " OR REPLACE", " OR IGNORE", "DATETIME", "BLOB", "PRAGMA", "WITHOUT ROWID", "`"] {
            assert!(!text.contains(word), "{word}");
        }
        for line in text.lines().filter(|line| !line.trim_start().starts_with("--")) {
            assert!(!line.contains(" INTEGER"), "SQLite's INTEGER has 64 bits, PostgreSQL's 32: {line}");
        }
    }
}

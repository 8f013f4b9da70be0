//! Rows go from PostgreSQL to SQLite and back, and are the same.
#![allow(clippy::unwrap_used, reason = "tests")]

use sqlx::sqlite::SqliteConnectOptions;

use super::*;
use crate::database::PostgresDatabase;

const COMMON: &str = "CREATE TABLE parent(id BIGINT PRIMARY KEY, name VARCHAR NOT NULL); \
     CREATE TABLE child(id BIGINT REFERENCES parent(id), bytes BYTEA, \"order\" VARCHAR);";
const POSTGRES: &str = "CREATE TABLE kinds(flag BOOLEAN, at TIMESTAMPTZ, id UUID, number BIGINT)";
const SQLITE: &str = "CREATE TABLE kinds(flag BIGINT, at VARCHAR, id VARCHAR, number BIGINT)";

async fn script(database: &Database, script: &'static str) {
    let mut transaction = database.begin_write().await.unwrap();
    transaction.execute_script(script).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn sqlite(folder: &std::path::Path, name: &str) -> Database {
    let options = SqliteConnectOptions::new().filename(folder.join(name)).create_if_missing(true);
    let database = Database::sqlite(options).await.unwrap();
    script(&database, COMMON).await;
    script(&database, SQLITE).await;
    database
}

type Kinds = (Option<i64>, Option<String>, Option<String>, Option<i64>);

/// All rows, as SQLite has them.
async fn contents(database: &Database) -> (Vec<Kinds>, Vec<(i64, Option<Vec<u8>>, String)>, i64) {
    let mut transaction = database.begin_read().await.unwrap();
    let kinds = statement("SELECT flag, at, id, number FROM kinds ORDER BY number").rows(&mut transaction).await;
    let children = statement("SELECT id, bytes, \"order\" FROM child ORDER BY id").rows(&mut transaction).await;
    let parents = statement("SELECT count(*) FROM parent").value(&mut transaction).await;
    (kinds.unwrap(), children.unwrap(), parents.unwrap())
}

#[tokio::test]
async fn rows_go_to_sqlite_and_back_as_they_were() {
    let Some(url) = testkit::postgres_url() else { return };
    let postgres = async || {
        let location = PostgresDatabase::parse(&testkit::schema_url(&url)).unwrap().lake("directory");
        let (database, _) = Database::postgres(&location).await.unwrap();
        script(&database, COMMON).await;
        script(&database, POSTGRES).await;
        database
    };
    let folder = tempfile::tempdir().unwrap();
    let first = postgres().await;
    // More than a page of parents, to which children refer.
    script(&first, "INSERT INTO parent SELECT n, 'p' || n FROM generate_series(1, 5000) AS n").await;
    script(&first, "INSERT INTO child VALUES (7, '\\x00ff'::bytea, 'it''s'), (9, NULL, '')").await;
    script(
        &first,
        "INSERT INTO kinds VALUES (TRUE, '2026-01-02T03:04:05.1Z', '00000000-0000-0000-0000-0000000000aa', 1), \
         (FALSE, NULL, NULL, 2), (NULL, '2026-01-02T03:04:05Z', NULL, 3)",
    )
    .await;
    let one = sqlite(folder.path(), "one").await;
    // What the target held before goes, though others refer to it.
    script(&one, "INSERT INTO parent VALUES (1, 'old'); INSERT INTO child VALUES (1, NULL, 'old')").await;
    first.copy_rows_to(&one).await.unwrap();
    let found = contents(&one).await;
    let uuid = "00000000-0000-0000-0000-0000000000aa".to_owned();
    let kinds: Vec<Kinds> = vec![
        (Some(1), Some("2026-01-02 03:04:05.100000+00".to_owned()), Some(uuid), Some(1)),
        (Some(0), None, None, Some(2)),
        (None, Some("2026-01-02 03:04:05.000000+00".to_owned()), None, Some(3)),
    ];
    let children = vec![(7, Some(vec![0, 255]), "it's".to_owned()), (9, None, String::new())];
    assert_eq!(found, (kinds, children, 5_000));

    let second = postgres().await;
    one.copy_rows_to(&second).await.unwrap();
    let two = sqlite(folder.path(), "two").await;
    second.copy_rows_to(&two).await.unwrap();
    assert_eq!(contents(&two).await, found);
    let three = sqlite(folder.path(), "three").await;
    two.copy_rows_to(&three).await.unwrap();
    assert_eq!(contents(&three).await, found);
}

#[tokio::test]
async fn a_target_with_other_tables_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (sqlite(folder.path(), "source").await, sqlite(folder.path(), "target").await);
    script(&target, "CREATE TABLE more(n BIGINT); INSERT INTO parent VALUES (1, 'kept')").await;
    let error = source.copy_rows_to(&target).await.unwrap_err();
    assert!(matches!(&error, DatabaseError::Tables { table } if table == "more"), "{error}");
    assert_eq!(contents(&target).await.2, 1);
}

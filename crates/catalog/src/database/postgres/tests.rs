//! What happens to a session: its end in every place, other servers, other directories.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::database::{Database, PostgresDatabase, Transaction, statement};

/// A schema of its own; none if tests with PostgreSQL are left out.
fn location() -> Option<PostgresLocation> {
    let url = testkit::schema_url(&testkit::postgres_url()?);
    Some(PostgresDatabase::parse(&url).unwrap().lake("directory"))
}

/// A database with an empty table `t(n)`.
async fn with_table(location: &PostgresLocation) -> Database {
    let (database, origin) = Database::postgres(location).await.unwrap();
    assert_eq!(origin, Origin::New);
    let mut transaction = database.begin_write().await.unwrap();
    transaction.execute_script("CREATE TABLE t(n BIGINT PRIMARY KEY)").await.unwrap();
    transaction.commit().await.unwrap();
    database
}

async fn insert(transaction: &mut Transaction, number: i64) -> Result<(), sqlx::Error> {
    statement("INSERT INTO t(n) VALUES ($1)").bind(number).execute(transaction).await.map(|_| ())
}

async fn numbers(database: &Database) -> Vec<i64> {
    let mut transaction = database.begin_read().await.unwrap();
    statement("SELECT n FROM t ORDER BY n").values(&mut transaction).await.unwrap()
}

/// Ends the process of PostgreSQL that serves the session; on return it has ended.
async fn end_process(transaction: &mut Transaction) {
    let pid = statement("SELECT CAST(pg_backend_pid() AS BIGINT)").value::<i64>(transaction).await.unwrap();
    assert_eq!(testkit::postgres_sql(&format!("SELECT pg_terminate_backend({pid}, 10000)")), "t");
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_a_lost_session_is_replaced() {
    let Some(location) = location() else { return };
    let database = with_table(&location).await;
    let mut transaction = database.begin_write().await.unwrap();
    insert(&mut transaction, 1).await.unwrap();
    // Dropped, as when whoever asked has gone.
    drop(transaction);
    let mut transaction = database.begin_write().await.unwrap();
    insert(&mut transaction, 2).await.unwrap();
    let twice = insert(&mut transaction, 2).await.unwrap_err();
    assert!(!is_connection_lost(&twice), "{twice}");
    drop(transaction);
    assert_eq!(numbers(&database).await, [0; 0]);

    // The process ends in the middle: what comes then fails, and nothing of it is there.
    let mut transaction = database.begin_write().await.unwrap();
    insert(&mut transaction, 3).await.unwrap();
    end_process(&mut transaction).await;
    let lost = insert(&mut transaction, 4).await.unwrap_err();
    assert!(is_connection_lost(&lost), "{lost}");
    let lost = insert(&mut transaction, 5).await.unwrap_err();
    assert!(is_connection_lost(&lost), "{lost}");
    assert!(transaction.commit().await.is_err());
    let mut transaction = database.begin_write().await.unwrap();
    insert(&mut transaction, 6).await.unwrap();
    end_process(&mut transaction).await;
    assert!(is_connection_lost(&transaction.commit().await.unwrap_err()));
    assert_eq!(numbers(&database).await, [0; 0]);

    // Between two transactions nobody notices.
    let mut transaction = database.begin_read().await.unwrap();
    end_process(&mut transaction).await;
    drop(transaction);
    let mut transaction = database.begin_write().await.unwrap();
    insert(&mut transaction, 7).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(numbers(&database).await, [7]);
}

#[tokio::test]
async fn whoever_was_replaced_writes_nothing_any_more() {
    let Some(location) = location() else { return };
    let first = with_table(&location).await;
    let error = Database::postgres(&location).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, DatabaseError::InUse { .. }) && error.is_temporary(), "{text}");
    assert!(text.contains("is in use by another server (process ") && text.contains(" since "), "{text}");

    let mut transaction = first.begin_read().await.unwrap();
    end_process(&mut transaction).await;
    drop(transaction);
    let (second, origin) = Database::postgres(&location).await.unwrap();
    assert_eq!(origin, Origin::Known);
    // The second one has the lock, then it has gone; the first one is replaced all the same.
    let error = first.begin_write().await.unwrap_err();
    assert!(matches!(error, DatabaseError::InUse { .. }), "{error}");
    second.close().await;
    for _ in 0..2 {
        let error = first.begin_write().await.unwrap_err();
        assert!(matches!(error, DatabaseError::TakenOver { .. }) && !error.is_temporary(), "{error}");
        assert!(first.begin_read().await.is_err());
    }
    assert!(Database::postgres(&location).await.is_ok());
}

#[tokio::test]
async fn a_lock_that_was_let_go_is_taken_again_before_anything_is_written() {
    let Some(location) = location() else { return };
    let database = with_table(&location).await;
    let mut transaction = database.begin_write().await.unwrap();
    // As a pooler of transactions would do, which gives every transaction another session.
    transaction.execute_script("SELECT pg_advisory_unlock_all()").await.unwrap();
    transaction.commit().await.unwrap();
    let mut transaction = database.begin_write().await.unwrap();
    insert(&mut transaction, 1).await.unwrap();
    transaction.commit().await.unwrap();
    assert!(matches!(Database::postgres(&location).await, Err(DatabaseError::InUse { .. })));
}

#[tokio::test]
async fn a_schema_belongs_to_one_data_directory() {
    let Some(location) = location() else { return };
    with_table(&location).await.close().await;
    let other = PostgresLocation { data_directory: "other".to_owned(), ..location.clone() };
    let error = Database::postgres(&other).await.unwrap_err();
    assert!(matches!(error, DatabaseError::OtherDataDirectory { .. }) && !error.is_temporary(), "{error}");
    assert!(error.to_string().contains("belongs to the data directory with the id directory"), "{error}");
    assert_eq!(Database::postgres(&location).await.unwrap().1, Origin::Known);
    // What docs/formats/catalog.md says to do when the directory is lost. A server that still runs notices.
    let first = Database::postgres(&location).await.unwrap().0;
    testkit::postgres_sql(&format!("DELETE FROM {}.freshet_server", location.schema));
    assert!(matches!(first.begin_write().await, Err(DatabaseError::TakenOver { .. })));
    assert_eq!(Database::postgres(&other).await.unwrap().1, Origin::New);
}

#[tokio::test]
async fn a_server_that_refuses_or_is_away_is_told_apart_and_no_password_shown() {
    let Some(location) = location() else { return };
    let url = testkit::postgres_url().unwrap();
    let (user, rest) = url.rsplit_once('@').unwrap();
    let password = user.rsplit_once(':').unwrap().1;
    let open = async |url: String| {
        Database::postgres(&PostgresDatabase::parse(&url).unwrap().lake("directory")).await.unwrap_err()
    };
    let wrong = open(url.replace(password, "wr0ng")).await;
    assert!(matches!(wrong, DatabaseError::Refused { .. }) && !wrong.is_temporary(), "{wrong}");
    let unknown = open(format!("{url}_absent")).await;
    assert!(matches!(unknown, DatabaseError::Refused { .. }) && !unknown.is_temporary(), "{unknown}");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = rest.split_once('/').unwrap().0;
    let away = open(url.replace(host, &format!("127.0.0.1:{port}"))).await;
    assert!(matches!(away, DatabaseError::Unreachable { .. }) && away.is_temporary(), "{away}");
    for error in [wrong, unknown, away] {
        let text = format!("{error} {error:?} {location:?}");
        assert!(!text.contains(password) && !text.contains("wr0ng"), "{text}");
    }
}

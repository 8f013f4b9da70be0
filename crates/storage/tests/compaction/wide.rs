//! A table of more columns than one writer of files takes at once, few of them in each row.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::support::Database;

/// Per time: the fields and their values.
type Rows = BTreeMap<i64, BTreeMap<String, i64>>;

/// What the table holds, from the text of its rows.
async fn found(database: &Database) -> Rows {
    let mut found = Rows::new();
    for row in database.rows("m").await {
        let (fields, time) = row.split_once('@').unwrap();
        let fields = fields.split_whitespace().map(|field| {
            let (name, value) = field.split_once('=').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        assert!(found.insert(time.parse().unwrap(), fields.collect()).is_none(), "twice: {row}");
    }
    found
}

/// Writes rows that overlap with those of other rounds in time and fields.
async fn write(database: &Database, expected: &mut Rows, round: i64) {
    let mut lines = String::new();
    for point in 0..400 {
        let time = (point * 7 + round * 50) % 500;
        let fields: Vec<(String, i64)> =
            (0..3).map(|n| (format!("f{}", (point * 11 + n * 97 + round) % 300), point * 10 + round)).collect();
        let text: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}i")).collect();
        writeln!(lines, "m {} {time}", text.join(",")).unwrap();
        expected.entry(time).or_default().extend(fields);
    }
    database.write(&lines).await;
}

#[tokio::test]
async fn a_table_of_very_many_columns_keeps_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await;
    let mut expected = Rows::new();
    for round in 0..3 {
        write(&database, &mut expected, round).await;
        assert_eq!(found(&database).await, expected, "in memory, round {round}");
        database.engine.flush().await.unwrap();
        assert_eq!(found(&database).await, expected, "in files, round {round}");
    }
    database.engine.compact().await.unwrap();
    assert_eq!(database.engine.metrics().files, 1);
    assert_eq!(found(&database).await, expected, "merged");
    write(&database, &mut expected, 3).await;
    drop(database);
    let database = Database::open(folder.path()).await;
    assert_eq!(found(&database).await, expected, "replayed");
    database.engine.compact().await.unwrap();
    assert_eq!(found(&database).await, expected, "merged again");
}

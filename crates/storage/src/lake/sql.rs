//! What the lake's statements share: the values that the two databases store differently, and the DuckLake snapshot of
//! a transaction. The statements themselves stand with the operations; `catalog::database` runs them.

use catalog::BucketId;
pub(super) use catalog::database::{Argument, Transaction, execute_in, insert, select_in, statement};
use uuid::Uuid;

use super::LakeError;
use crate::ids::ColumnId;

/// The DuckLake snapshot that a transaction makes: its ids, and what changed.
///
/// The primary key on the snapshot's id also decides between two writers that start from the same snapshot: the second
/// one fails as a whole.
#[derive(Debug)]
pub(super) struct NewSnapshot {
    /// The new snapshot's id.
    pub(super) id: i64,
    /// The schema version to write; one more than before as soon as [`Self::change_schema`] was called.
    pub(super) schema_version: i64,
    schema_changed: bool,
    next_catalog_id: i64,
    next_file_id: i64,
    changes: Vec<String>,
}

impl NewSnapshot {
    /// Starts from the newest snapshot.
    pub(super) async fn begin(transaction: &mut Transaction) -> Result<Self, LakeError> {
        let newest = statement(
            "SELECT snapshot_id, schema_version, next_catalog_id, next_file_id FROM ducklake_snapshot \
             ORDER BY snapshot_id DESC LIMIT 1",
        );
        let (id, schema_version, next_catalog_id, next_file_id): (i64, i64, i64, i64) =
            newest.row(transaction).await.map_err(LakeError::database("read the newest snapshot"))?;
        let (schema_changed, changes) = (false, Vec::new());
        Ok(Self { id: id + 1, schema_version, schema_changed, next_catalog_id, next_file_id, changes })
    }

    /// An id for a new schema or table.
    pub(super) fn take_catalog_id(&mut self) -> i64 {
        self.next_catalog_id += 1;
        self.next_catalog_id - 1
    }

    /// An id for a new data file.
    pub(super) fn take_file_id(&mut self) -> i64 {
        self.next_file_id += 1;
        self.next_file_id - 1
    }

    /// Notes a change of data, in DuckLake's words.
    pub(super) fn change(&mut self, change: String) {
        self.changes.push(change);
    }

    /// Notes a change of the schema, in DuckLake's words; readers load the schema again.
    pub(super) fn change_schema(&mut self, change: String) {
        if !self.schema_changed {
            self.schema_changed = true;
            self.schema_version += 1;
        }
        self.changes.push(change);
    }

    /// Whether nothing was noted.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Writes the snapshot's rows. `now_ns` is the time in nanoseconds since the epoch.
    pub(super) async fn write(self, transaction: &mut Transaction, now_ns: i64) -> Result<(), LakeError> {
        let write = async {
            statement(
                "INSERT INTO ducklake_snapshot(snapshot_id, snapshot_time, schema_version, next_catalog_id, \
                 next_file_id) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(self.id)
            .bind(time(now_ns))
            .bind(self.schema_version)
            .bind(self.next_catalog_id)
            .bind(self.next_file_id)
            .execute(transaction)
            .await?;
            statement("INSERT INTO ducklake_snapshot_changes(snapshot_id, changes_made) VALUES ($1, $2)")
                .bind(self.id)
                .bind(self.changes.join(","))
                .execute(transaction)
                .await
        };
        write.await.map_err(LakeError::database("write a snapshot"))?;
        Ok(())
    }
}

/// A moment in nanoseconds since the epoch as a value: a TIMESTAMPTZ, or its text.
pub(super) fn time(now_ns: i64) -> Argument {
    Argument::Time(now_ns.div_euclid(1_000), snapshot_time(now_ns))
}

/// A new identifier as a value: a UUID, or its text.
pub(super) fn new_uuid() -> Argument {
    let uuid = Uuid::now_v7();
    Argument::Uuid(uuid.into_bytes(), uuid.to_string())
}

/// A time in DuckDB's form of a TIMESTAMPTZ: UTC, microseconds.
pub(super) fn snapshot_time(now_ns: i64) -> String {
    chrono::DateTime::from_timestamp_nanos(now_ns).format("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}

/// The time of such a text, in nanoseconds since the epoch.
pub(super) fn parse_snapshot_time(text: &str) -> Option<i64> {
    let utc = text.strip_suffix("+00")?;
    chrono::NaiveDateTime::parse_from_str(utc, "%Y-%m-%d %H:%M:%S%.f").ok()?.and_utc().timestamp_nanos_opt()
}

/// A name in the text of `ducklake_snapshot_changes`: in quotation marks, those inside doubled.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Column ids in one text column: separated by commas.
pub(super) fn column_list(columns: &[ColumnId]) -> String {
    columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// The column ids of such a text.
pub(super) fn parse_column_list(text: &str) -> Result<Vec<ColumnId>, LakeError> {
    let parse = |part: &str| part.parse().map(ColumnId);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let columns: Result<_, std::num::ParseIntError> = text.split(',').map(parse).collect();
    columns.map_err(|_| LakeError::Damaged(format!("{text:?} is no list of columns")))
}

/// The text of a name that is stored as bytes.
pub(super) fn name_text(bytes: Vec<u8>) -> Result<String, LakeError> {
    String::from_utf8(bytes).map_err(|_| LakeError::Damaged("a name is not UTF-8".to_owned()))
}

/// The bucket of a stored id.
pub(super) fn bucket_id(stored: i64) -> Result<BucketId, LakeError> {
    BucketId::from_i64(stored).ok_or_else(|| LakeError::Damaged("a bucket has id 0".to_owned()))
}

/// A count as SQL's BIGINT.
pub(super) fn big_int(what: &'static str, number: u64) -> Result<i64, LakeError> {
    i64::try_from(number).map_err(|_| LakeError::TooLarge { what, number })
}

/// A count from SQL's BIGINT.
pub(super) fn count(what: &'static str, stored: i64) -> Result<u64, LakeError> {
    u64::try_from(stored).map_err(|_| LakeError::Damaged(format!("{what} is {stored}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    #[test]
    fn texts_are_ducklakes() {
        assert_eq!(snapshot_time(1_763_812_061_880_636_789), "2025-11-22 11:47:41.880636+00");
        assert_eq!(parse_snapshot_time("2025-11-22 11:47:41.880636+00"), Some(1_763_812_061_880_636_000));
        assert_eq!(parse_snapshot_time("2025-11-22 11:47:41"), None);
        assert_eq!(quoted("my \"b.x"), "\"my \"\"b.x\"");
    }

    #[test]
    fn column_lists_round_trip() {
        for columns in [&[][..], &[ColumnId(2)], &[ColumnId(30), ColumnId(2), ColumnId(5)]] {
            assert_eq!(parse_column_list(&column_list(columns)).unwrap(), columns);
        }
        for broken in [",", "1,", "a", "1,,2", " 1"] {
            parse_column_list(broken).unwrap_err();
        }
    }
}

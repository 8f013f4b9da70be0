//! Buckets as DuckLake schemas: made, renamed, dropped; and the tags that tell an outside reader the real names.

use std::collections::HashSet;

use catalog::BucketId;

use super::register::BucketSchema;
use super::sql::{self, NewSnapshot, Transaction};
use super::{Lake, LakeError, names};
use crate::table::BucketInfo;

/// The tag with the real name of a table, as a JSON string; written where it is not the physical name.
pub(super) const NAME_TAG: &str = "freshet.name";
/// The tag with the name of a schema's bucket, as a JSON string.
const BUCKET_TAG: &str = "freshet.bucket";
/// The tag with the name of a schema's organisation, as a JSON string.
const ORGANISATION_TAG: &str = "freshet.organisation";

impl Lake {
    /// Writes the bucket's new name, or that of its organisation. Its schema is renamed in place, so that snapshots of
    /// before show the new name too; nothing else changes. A bucket that is not registered needs nothing.
    ///
    /// # Errors
    /// [`LakeError`] if the database fails.
    pub async fn rename_bucket(&self, bucket: &BucketInfo) -> Result<(), LakeError> {
        let mut transaction = self.begin().await?;
        let Some(current) = schema_of(&mut transaction, bucket.bucket).await? else {
            return Ok(());
        };
        let mut snapshot = NewSnapshot::begin(&mut transaction).await?;
        let renamed =
            update_names(&mut transaction, bucket).await.map_err(LakeError::database("write the names of a bucket"))?;
        if !renamed {
            return Ok(());
        }
        let name = free_schema_name(&mut transaction, bucket, Some(current.id)).await?;
        // DuckLake knows no renamed schema: to another writer it is as if one went and one came.
        snapshot.change_schema(format!("dropped_schema:{}", current.id));
        snapshot.change_schema(format!("created_schema:{}", sql::quoted(&name)));
        let write = async {
            sql::statement("UPDATE ducklake_schema SET schema_name = $1 WHERE schema_id = $2")
                .bind(&name)
                .bind(current.id)
                .execute(&mut transaction)
                .await?;
            sql::statement("UPDATE ducklake_tag SET end_snapshot = $1 WHERE object_id = $2 AND end_snapshot IS NULL")
                .bind(snapshot.id)
                .bind(current.id)
                .execute(&mut transaction)
                .await?;
            write_tags(&mut transaction, snapshot.id, &schema_tags(current.id, bucket)).await
        };
        write.await.map_err(LakeError::database("rename a bucket"))?;
        snapshot.write(&mut transaction, self.clock.now_ns()).await?;
        transaction.commit().await.map_err(LakeError::database("commit the new name of a bucket"))
    }

    /// Ends the bucket's schema, tables, columns and files with a new snapshot, and forgets them in the registry. Its
    /// files stay on the disk, as older snapshots still name them. A bucket that is not registered needs nothing.
    ///
    /// # Errors
    /// [`LakeError`] if the database fails.
    pub async fn drop_bucket(&self, bucket: BucketId) -> Result<(), LakeError> {
        let mut transaction = self.begin().await?;
        let Some(schema) = schema_of(&mut transaction, bucket).await? else {
            return Ok(());
        };
        let mut snapshot = NewSnapshot::begin(&mut transaction).await?;
        let tables: Vec<i64> =
            sql::statement("SELECT table_id FROM freshet_table WHERE bucket_id = $1 ORDER BY table_id")
                .bind(bucket.to_i64())
                .values(&mut transaction)
                .await
                .map_err(LakeError::database("read the tables of a bucket"))?;
        for table in tables {
            snapshot.change_schema(format!("dropped_table:{table}"));
        }
        snapshot.change_schema(format!("dropped_schema:{}", schema.id));
        end_rows(&mut transaction, snapshot.id, bucket, schema.id)
            .await
            .map_err(LakeError::database("drop a bucket"))?;
        snapshot.write(&mut transaction, self.clock.now_ns()).await?;
        transaction.commit().await.map_err(LakeError::database("commit the drop of a bucket"))
    }
}

/// Makes the schema of a bucket that has none.
pub(super) async fn register(
    transaction: &mut Transaction,
    snapshot: &mut NewSnapshot,
    bucket: &BucketInfo,
) -> Result<(), LakeError> {
    if schema_of(transaction, bucket.bucket).await?.is_some() {
        return Ok(());
    }
    let name = free_schema_name(transaction, bucket, None).await?;
    let schema_id = snapshot.take_catalog_id();
    snapshot.change_schema(format!("created_schema:{}", sql::quoted(&name)));
    let write = async {
        sql::statement(
            "INSERT INTO ducklake_schema(schema_id, schema_uuid, begin_snapshot, schema_name, path, \
             path_is_relative) VALUES ($1, $2, $3, $4, $5, TRUE)",
        )
        .bind(schema_id)
        .bind(sql::new_uuid())
        .bind(snapshot.id)
        .bind(&name)
        .bind(names::bucket_directory(bucket.bucket))
        .execute(transaction)
        .await?;
        sql::statement(
            "INSERT INTO freshet_bucket(bucket_id, bucket_name, organisation_id, organisation_name, schema_id) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(bucket.bucket.to_i64())
        .bind(bucket.name.as_bytes())
        .bind(bucket.organisation.to_i64())
        .bind(bucket.organisation_name.as_bytes())
        .bind(schema_id)
        .execute(transaction)
        .await?;
        write_tags(transaction, snapshot.id, &schema_tags(schema_id, bucket)).await
    };
    write.await.map_err(LakeError::database("create a schema"))
}

/// The schema of a registered bucket.
pub(super) async fn schema_of(
    transaction: &mut Transaction,
    bucket: BucketId,
) -> Result<Option<BucketSchema>, LakeError> {
    let row: Option<(i64, String)> = sql::statement(
        "SELECT s.schema_id, s.schema_name FROM freshet_bucket b JOIN ducklake_schema s ON s.schema_id = b.schema_id \
         WHERE b.bucket_id = $1",
    )
    .bind(bucket.to_i64())
    .optional_row(transaction)
    .await
    .map_err(LakeError::database("look up a bucket"))?;
    Ok(row.map(|(id, name)| BucketSchema { id, name }))
}

/// Stores the names of a registered bucket; whether they were others before.
async fn update_names(transaction: &mut Transaction, bucket: &BucketInfo) -> Result<bool, sqlx::Error> {
    let done = sql::statement(
        "UPDATE freshet_bucket SET bucket_name = $1, organisation_name = $2 \
         WHERE bucket_id = $3 AND (bucket_name <> $1 OR organisation_name <> $2)",
    )
    .bind(bucket.name.as_bytes())
    .bind(bucket.organisation_name.as_bytes())
    .bind(bucket.bucket.to_i64())
    .execute(transaction)
    .await?;
    Ok(done > 0)
}

/// A name that no live schema but `own` has.
async fn free_schema_name(
    transaction: &mut Transaction,
    bucket: &BucketInfo,
    own: Option<i64>,
) -> Result<String, LakeError> {
    let live: Vec<(i64, String)> =
        sql::statement("SELECT schema_id, schema_name FROM ducklake_schema WHERE end_snapshot IS NULL")
            .rows(transaction)
            .await
            .map_err(LakeError::database("read the names of schemas"))?;
    let taken: HashSet<String> =
        live.iter().filter(|(id, _)| Some(*id) != own).map(|(_, name)| names::fold(name)).collect();
    Ok(names::first_free(
        |attempt| names::schema_candidate(&bucket.organisation_name, &bucket.name, bucket.bucket, attempt),
        |name| taken.contains(name),
    ))
}

/// Ends the DuckLake rows of a bucket and removes its rows from the registry.
async fn end_rows(
    transaction: &mut Transaction,
    snapshot_id: i64,
    bucket: BucketId,
    schema_id: i64,
) -> Result<(), sqlx::Error> {
    const END_OF_TABLES: [&str; 6] = [
        "UPDATE ducklake_table SET end_snapshot = $1 WHERE end_snapshot IS NULL AND table_id IN \
         (SELECT table_id FROM freshet_table WHERE bucket_id = $2)",
        "UPDATE ducklake_column SET end_snapshot = $1 WHERE end_snapshot IS NULL AND table_id IN \
         (SELECT table_id FROM freshet_table WHERE bucket_id = $2)",
        "UPDATE ducklake_column_tag SET end_snapshot = $1 WHERE end_snapshot IS NULL AND table_id IN \
         (SELECT table_id FROM freshet_table WHERE bucket_id = $2)",
        "UPDATE ducklake_tag SET end_snapshot = $1 WHERE end_snapshot IS NULL AND object_id IN \
         (SELECT table_id FROM freshet_table WHERE bucket_id = $2)",
        "UPDATE ducklake_data_file SET end_snapshot = $1 WHERE end_snapshot IS NULL AND table_id IN \
         (SELECT table_id FROM freshet_table WHERE bucket_id = $2)",
        "UPDATE ducklake_delete_file SET end_snapshot = $1 WHERE end_snapshot IS NULL AND table_id IN \
         (SELECT table_id FROM freshet_table WHERE bucket_id = $2)",
    ];
    const END_OF_SCHEMA: [&str; 2] = [
        "UPDATE ducklake_schema SET end_snapshot = $1 WHERE end_snapshot IS NULL AND schema_id = $2",
        "UPDATE ducklake_tag SET end_snapshot = $1 WHERE end_snapshot IS NULL AND object_id = $2",
    ];
    const FORGET: [&str; 5] = [
        "DELETE FROM freshet_file WHERE table_id IN (SELECT table_id FROM freshet_table WHERE bucket_id = $1)",
        "DELETE FROM freshet_column WHERE table_id IN (SELECT table_id FROM freshet_table WHERE bucket_id = $1)",
        "DELETE FROM freshet_table WHERE bucket_id = $1",
        "DELETE FROM freshet_delete WHERE bucket_id = $1",
        "DELETE FROM freshet_bucket WHERE bucket_id = $1",
    ];
    for statement in END_OF_TABLES {
        sql::statement(statement).bind(snapshot_id).bind(bucket.to_i64()).execute(transaction).await?;
    }
    for statement in END_OF_SCHEMA {
        sql::statement(statement).bind(snapshot_id).bind(schema_id).execute(transaction).await?;
    }
    for statement in FORGET {
        sql::statement(statement).bind(bucket.to_i64()).execute(transaction).await?;
    }
    Ok(())
}

fn schema_tags(schema_id: i64, bucket: &BucketInfo) -> [(i64, &'static str, String); 2] {
    [
        (schema_id, BUCKET_TAG, tag_text(&bucket.name)),
        (schema_id, ORGANISATION_TAG, tag_text(&bucket.organisation_name)),
    ]
}

/// Writes tags of schemas and tables: object, key, value.
pub(super) async fn write_tags(
    transaction: &mut Transaction,
    snapshot_id: i64,
    tags: &[(i64, &'static str, String)],
) -> Result<(), sqlx::Error> {
    let statement = ("INSERT INTO ducklake_tag(object_id, begin_snapshot, \"key\", \"value\")", "");
    sql::insert(transaction, statement, 4, tags, |values, (object, key, value)| {
        values.bind(*object).bind(snapshot_id).bind(*key).bind(value.as_str());
    })
    .await
}

/// A real name in a tag: a JSON string, so that control characters and U+0000 have a form in SQL.
pub(super) fn tag_text(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

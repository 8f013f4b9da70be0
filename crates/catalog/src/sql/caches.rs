//! The rows of caches: read once, and written change by change.

use std::sync::Arc;

use super::LoadError;
use super::load::sound;
use crate::caches::Cache;
use crate::database::{Statement, Transaction, statement as sql};
use crate::id::{BucketId, CacheId};
use crate::image::{Change, Image};

/// Reads all of them.
pub(super) async fn load(transaction: &mut Transaction, image: &mut Image) -> Result<(), LoadError> {
    const TABLE: &str = "caches";
    type Row = (i64, String, i64, String, String, String, i64);
    let rows: Vec<Row> = sql("SELECT id, kind, bucket_id, table_name, name, definition, created_at_ns FROM caches")
        .rows(transaction)
        .await?;
    for (id, kind, bucket_id, table, name, definition, created_at_ns) in rows {
        let cache = Cache {
            id: sound(CacheId::from_i64(id), TABLE, "id")?,
            kind: sound(kind.parse().ok(), TABLE, "kind")?,
            bucket_id: sound(BucketId::from_i64(bucket_id), TABLE, "bucket_id")?,
            table,
            name,
            definition,
            created_at_ns,
        };
        image.apply(Change::PutCache(Arc::new(cache)));
    }
    Ok(())
}

/// A cache is never changed.
pub(super) fn put(cache: &Cache) -> Statement {
    sql("INSERT INTO caches (id, kind, bucket_id, table_name, name, definition, created_at_ns) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind(cache.id.to_i64())
    .bind(cache.kind.as_str())
    .bind(cache.bucket_id.to_i64())
    .bind(&cache.table)
    .bind(&cache.name)
    .bind(&cache.definition)
    .bind(cache.created_at_ns)
}

/// The statement that removes one.
pub(super) fn remove(id: CacheId) -> Statement {
    sql("DELETE FROM caches WHERE id = $1").bind(id.to_i64())
}

//! Last-value and distinct-value caches of InfluxDB 3: their definitions. What a definition says is not known here, and
//! what a cache holds neither.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::{BucketId, CacheId};
use crate::image::{Change, Image};
use crate::words::words;

/// Caches of one bucket. Each is looked at by every query that calls one of them by name.
pub const CACHES_PER_BUCKET_MAX: usize = 1_000;

words! {
    /// The kinds of caches.
    pub enum CacheKind, unknown is CacheKind {
        /// Last rows.
        Last = "last",
        /// Distinct values.
        Distinct = "distinct",
    }
}

/// A cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Its id.
    pub id: CacheId,
    /// Its kind.
    pub kind: CacheKind,
    /// The bucket of its table. It goes with it.
    pub bucket_id: BucketId,
    /// The measurement.
    pub table: String,
    /// Its name, unique among those of its kind in the measurement.
    pub name: String,
    /// A JSON object.
    pub definition: String,
    /// Nanoseconds since 1970.
    pub created_at_ns: i64,
}

/// A cache to create.
#[derive(Debug, Clone)]
pub struct NewCache {
    /// Its kind.
    pub kind: CacheKind,
    /// The bucket of its table.
    pub bucket_id: BucketId,
    /// The measurement.
    pub table: String,
    /// Its name.
    pub name: String,
    /// A JSON object.
    pub definition: String,
}

impl Catalog {
    /// Creates a cache.
    ///
    /// # Errors
    /// The bucket does not exist or has as many as it may, the table has one of the name, or SQL failed.
    pub async fn create_cache(&self, new: NewCache) -> Result<Arc<Cache>, CatalogError> {
        self.commit(|image| {
            if !image.buckets.contains_key(&new.bucket_id) {
                return Err(CatalogError::BucketNotFound);
            }
            if find(image, new.bucket_id, new.kind, &new.table, &new.name).is_some() {
                return Err(CatalogError::CacheExists);
            }
            if of_bucket(image, new.bucket_id).count() >= CACHES_PER_BUCKET_MAX {
                return Err(CatalogError::TooManyCaches);
            }
            let cache = Arc::new(Cache {
                id: self.ids().next(),
                kind: new.kind,
                bucket_id: new.bucket_id,
                table: new.table,
                name: new.name,
                definition: new.definition,
                created_at_ns: self.now_ns(),
            });
            Ok((vec![Change::PutCache(Arc::clone(&cache))], cache))
        })
        .await
    }

    /// The caches of a bucket, in the order in which they were made.
    #[must_use]
    pub fn list_caches(&self, bucket: BucketId) -> Vec<Arc<Cache>> {
        of_bucket(&self.image(), bucket).cloned().collect()
    }

    /// Deletes a cache.
    ///
    /// # Errors
    /// It does not exist, or SQL failed.
    pub async fn delete_cache(
        &self,
        bucket: BucketId,
        kind: CacheKind,
        table: &str,
        name: &str,
    ) -> Result<(), CatalogError> {
        self.commit(|image| {
            let found = find(image, bucket, kind, table, name).ok_or(CatalogError::CacheNotFound)?;
            Ok((vec![Change::RemoveCache(found.id)], ()))
        })
        .await
    }
}

fn of_bucket(image: &Image, bucket: BucketId) -> impl Iterator<Item = &Arc<Cache>> {
    image.caches.values().filter(move |cache| cache.bucket_id == bucket)
}

fn find<'a>(image: &'a Image, bucket: BucketId, kind: CacheKind, table: &str, name: &str) -> Option<&'a Arc<Cache>> {
    of_bucket(image, bucket).find(|cache| cache.kind == kind && cache.table == table && cache.name == name)
}

/// The changes that remove the caches of a bucket.
pub(crate) fn removals(image: &Image, bucket: BucketId) -> impl Iterator<Item = Change> {
    of_bucket(image, bucket).map(|cache| Change::RemoveCache(cache.id))
}

#[cfg(test)]
mod tests;

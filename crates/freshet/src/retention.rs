//! How long the points of a bucket are kept, as the storage engine asks for it: by the catalog of resources.

use std::sync::OnceLock;
use std::time::Duration;

use catalog::{BucketId, Catalog};
use storage::RetentionSource;

/// The catalog's word, once it is open: the engine opens first, since its lock guards the directory of both.
#[derive(Debug, Default)]
pub(crate) struct BucketRetention {
    catalog: OnceLock<Catalog>,
}

impl BucketRetention {
    /// From now on this catalog is asked.
    pub(crate) fn set(&self, catalog: Catalog) {
        // It is set once, in one place.
        let _ = self.catalog.set(catalog);
    }
}

impl RetentionSource for BucketRetention {
    fn retention(&self, bucket: BucketId) -> Option<Duration> {
        // A bucket that the catalog does not know is being dropped: retention has no business with it.
        let bucket = self.catalog.get()?.find_bucket(bucket).ok()?;
        bucket.retention_ns().and_then(|ns| u64::try_from(ns).ok()).map(Duration::from_nanos)
    }
}

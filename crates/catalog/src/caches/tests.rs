//! Caches over a catalog in a temporary directory.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::Class;
use crate::testing::{Fixture, assert_refused};

fn new(bucket_id: BucketId, kind: CacheKind, name: &str) -> NewCache {
    let (table, definition) = ("m".to_owned(), r#"{"count":1}"#.to_owned());
    NewCache { kind, bucket_id, table, name: name.to_owned(), definition }
}

#[tokio::test]
async fn a_cache_is_created_listed_and_deleted() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let bucket = setup.bucket.id;
    let made = fixture.catalog.create_cache(new(bucket, CacheKind::Last, "c")).await.unwrap();
    let again = fixture.catalog.create_cache(new(bucket, CacheKind::Last, "c")).await;
    assert_refused(again, Class::Conflict, "the cache exists already");
    let distinct = fixture.catalog.create_cache(new(bucket, CacheKind::Distinct, "c")).await.unwrap();
    fixture.reopen().await;
    assert_eq!(fixture.catalog.list_caches(bucket), [made, distinct]);
    fixture.catalog.delete_cache(bucket, CacheKind::Last, "m", "c").await.unwrap();
    let gone = fixture.catalog.delete_cache(bucket, CacheKind::Last, "m", "c").await;
    assert_refused(gone, Class::NotFound, "cache not found");
    let elsewhere = fixture.catalog.delete_cache(bucket, CacheKind::Distinct, "other", "c").await;
    assert_refused(elsewhere, Class::NotFound, "cache not found");
    fixture.reopen().await;
    assert_eq!(fixture.catalog.list_caches(bucket).len(), 1);
}

#[tokio::test]
async fn caches_go_with_their_bucket() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    fixture.catalog.create_cache(new(setup.bucket.id, CacheKind::Last, "c")).await.unwrap();
    fixture.catalog.delete_bucket(setup.bucket.id).await.unwrap();
    fixture.reopen().await;
    assert!(fixture.catalog.list_caches(setup.bucket.id).is_empty());
    let late = fixture.catalog.create_cache(new(setup.bucket.id, CacheKind::Last, "c")).await;
    assert_refused(late, Class::NotFound, "bucket not found");
}

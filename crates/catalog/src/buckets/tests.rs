//! Buckets: names, durations, lists, and what belongs to the system.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::testing::{Fixture, NOW_NS, assert_refused};
use crate::{Class, Role};

const HOUR: Duration = Duration::from_hours(1);

fn named(organisation_id: OrganisationId, name: &str) -> NewBucket {
    NewBucket {
        organisation_id,
        name: name.to_owned(),
        description: String::new(),
        retention: Duration::ZERO,
        shard_group_duration: None,
    }
}

#[tokio::test]
async fn names_follow_the_rules() {
    let fixture = Fixture::new().await;
    let organisation = fixture.organisation("o").await.id;
    let other = fixture.organisation("p").await.id;
    let catalog = &fixture.catalog;
    let bucket = catalog.create_bucket(named(organisation, "b")).await.unwrap();
    assert_eq!((bucket.bucket_type, bucket.retention_ns(), bucket.created_at_ns), (BucketType::User, None, NOW_NS));
    catalog.create_bucket(named(other, "b")).await.unwrap();
    catalog.create_bucket(named(organisation, "db/rp with spaces, Ünïcode_")).await.unwrap();

    let refused = [
        ("b", Class::Conflict, "bucket with name b already exists"),
        ("", Class::Invalid, "bucket name is empty"),
        ("_x", Class::Invalid, "bucket name _x is invalid. Buckets may not start with underscore"),
        ("a\"b", Class::Invalid, "bucket name a\"b is invalid. Bucket names may not include quotation marks"),
    ];
    let id = catalog.create_bucket(named(organisation, "renamed")).await.unwrap().id;
    for (name, class, message) in refused {
        assert_refused(catalog.create_bucket(named(organisation, name)).await, class, message);
        let update = BucketUpdate { name: Some(name.to_owned()), ..BucketUpdate::default() };
        assert_refused(catalog.update_bucket(id, update).await, class, message);
    }
    let unknown = OrganisationId::from_u64(1).unwrap();
    assert_refused(catalog.create_bucket(named(unknown, "b")).await, Class::NotFound, "organization not found");
}

#[tokio::test]
async fn durations_follow_the_rules_at_creation() {
    let fixture = Fixture::new().await;
    let organisation = fixture.organisation("o").await.id;
    let check = async |retention: Duration, shard: Option<Duration>, expected: Result<Duration, &str>| {
        let name = format!("{retention:?} {shard:?}");
        let new = NewBucket { retention, shard_group_duration: shard, ..named(organisation, &name) };
        let created = fixture.catalog.create_bucket(new).await;
        let shard = created.map(|bucket| bucket.shard_group_duration).map_err(|error| error.to_string());
        assert_eq!(shard, expected.map_err(str::to_owned), "{name}");
    };
    let short = Err("retention policy duration must be at least 1h0m0s");
    let long_shard = Err("retention policy duration must be greater than the shard duration");
    let (second, day) = (Duration::from_secs(1), HOUR * 24);
    check(Duration::ZERO, None, Ok(day * 7)).await;
    check(second, None, short).await;
    check(HOUR - second, None, short).await;
    check(HOUR, None, Ok(HOUR)).await;
    check(HOUR * 48 - second, None, Ok(HOUR)).await;
    check(HOUR * 48, None, Ok(day)).await;
    check(day * 180 - second, None, Ok(day)).await;
    check(day * 180, None, Ok(day * 7)).await;
    check(day, Some(Duration::ZERO), Ok(HOUR)).await;
    check(day, Some(HOUR * 2), Ok(HOUR * 2)).await;
    check(day, Some(second), Ok(HOUR)).await;
    check(day, Some(day), Ok(day)).await;
    check(day, Some(day + second), long_shard).await;
    check(Duration::ZERO, Some(day * 1000), Ok(day * 1000)).await;
    check(Duration::MAX, None, Ok(day * 7)).await;
    check(Duration::ZERO, Some(Duration::MAX), Ok(LONGEST)).await;
}

#[tokio::test]
async fn durations_follow_the_rules_at_an_update() {
    let fixture = Fixture::new().await;
    let organisation = fixture.organisation("o").await.id;
    let catalog = &fixture.catalog;
    let day = HOUR * 24;
    let new = NewBucket { retention: day * 7, ..named(organisation, "b") };
    let id = catalog.create_bucket(new).await.unwrap().id;
    let update = |retention: Option<Duration>, shard: Option<Duration>| {
        catalog.update_bucket(id, BucketUpdate { retention, shard_group_duration: shard, ..BucketUpdate::default() })
    };
    let message = "shard-group duration must also be updated to be smaller than new retention duration";
    assert_refused(update(Some(HOUR), None).await, Class::UnprocessableEntity, message);
    let message = "retention policy duration must be greater than the shard duration";
    assert_refused(update(Some(HOUR), Some(day)).await, Class::UnprocessableEntity, message);
    let message = "retention policy duration must be at least 1h0m0s";
    assert_refused(update(Some(HOUR / 2), None).await, Class::UnprocessableEntity, message);
    let durations = |bucket: Arc<Bucket>| (bucket.retention, bucket.shard_group_duration);
    assert_eq!(durations(catalog.find_bucket(id).unwrap()), (day * 7, day));
    assert_eq!(durations(update(Some(HOUR), Some(HOUR)).await.unwrap()), (HOUR, HOUR));
    assert_eq!(durations(update(Some(Duration::ZERO), None).await.unwrap()), (Duration::ZERO, HOUR));
    assert_eq!(durations(update(None, Some(Duration::ZERO)).await.unwrap()), (Duration::ZERO, day * 7));
    assert_eq!(durations(update(None, None).await.unwrap()), (Duration::ZERO, day * 7));
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let mut fixture = Fixture::new().await;
    let organisation = fixture.organisation("o").await.id;
    let new = NewBucket { description: "x".to_owned(), ..named(organisation, "before") };
    let id = fixture.catalog.create_bucket(new).await.unwrap().id;
    fixture.clock.advance(Duration::from_secs(1));
    let update = BucketUpdate { name: Some("after".to_owned()), ..BucketUpdate::default() };
    let after = fixture.catalog.update_bucket(id, update).await.unwrap();
    assert_eq!((after.name.as_str(), after.description.as_str()), ("after", "x"));
    assert_eq!((after.created_at_ns, after.updated_at_ns), (NOW_NS, NOW_NS + 1_000_000_000));
    assert!(fixture.catalog.find_bucket_by_name(organisation, "before").is_err());
    assert_eq!(fixture.catalog.find_bucket_by_name(organisation, "after").unwrap(), after);
    let update = BucketUpdate { description: Some(String::new()), ..BucketUpdate::default() };
    assert_eq!(fixture.catalog.update_bucket(id, update).await.unwrap().description, "");
    fixture.reopen().await;
    assert_eq!(fixture.catalog.find_bucket(id).unwrap().name, "after");
}

#[tokio::test]
async fn system_buckets_stay() {
    let fixture = Fixture::new().await;
    let organisation = fixture.organisation("o").await.id;
    let catalog = &fixture.catalog;
    let tasks = catalog.find_bucket_by_name(organisation, "_tasks").unwrap();
    assert_refused(catalog.delete_bucket(tasks.id).await, Class::Invalid, "system buckets cannot be deleted");
    let rename = BucketUpdate { name: Some("tasks".to_owned()), ..BucketUpdate::default() };
    let renamed = catalog.update_bucket(tasks.id, rename).await;
    assert_refused(renamed, Class::Invalid, "system buckets cannot be renamed");
    let update = BucketUpdate { name: Some("_tasks".to_owned()), retention: Some(HOUR * 240), ..Default::default() };
    assert_eq!(catalog.update_bucket(tasks.id, update).await.unwrap().retention, HOUR * 240);
}

#[tokio::test]
async fn a_deleted_bucket_is_gone_and_its_name_free() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let catalog = fixture.catalog.clone();
    let id = setup.bucket.id;
    catalog.add_mapping(MappedResource::bucket(id), setup.user.id, Role::Owner).await.unwrap();
    catalog.delete_bucket(id).await.unwrap();
    assert_refused(catalog.delete_bucket(id).await, Class::NotFound, "bucket not found");
    assert_refused(catalog.find_bucket(id), Class::NotFound, "bucket not found");
    assert_refused(catalog.update_bucket(id, Default::default()).await, Class::NotFound, "bucket not found");
    let by_name = catalog.find_bucket_by_name(setup.organisation.id, "b");
    assert_refused(by_name, Class::NotFound, "bucket \"b\" not found");
    assert!(catalog.image().mappings_of(MappedResource::bucket(id)).next().is_none());
    assert!(catalog.create_bucket(named(setup.organisation.id, "b")).await.unwrap().id > id);
    fixture.reopen().await;
}

/// The names of the buckets in a list.
fn listed(
    catalog: &Catalog,
    change: impl Fn(&mut BucketFilter, &mut Page),
    visible: impl Fn(&Bucket) -> bool,
) -> Result<Vec<String>, CatalogError> {
    let (mut filter, mut page) = (BucketFilter::default(), Page::default());
    change(&mut filter, &mut page);
    let found = catalog.list_buckets(&filter, &page, visible)?;
    Ok(found.iter().map(|bucket| bucket.name.clone()).collect())
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let fixture = Fixture::new().await;
    let catalog = &fixture.catalog;
    let (first, second) = (fixture.organisation("o").await.id, fixture.organisation("p").await.id);
    let id = catalog.create_bucket(named(first, "b")).await.unwrap().id;
    catalog.create_bucket(named(second, "b")).await.unwrap();
    let check = |change: &dyn Fn(&mut BucketFilter, &mut Page), expected: &[&str]| {
        assert_eq!(listed(catalog, change, |_| true).unwrap(), expected);
    };
    check(&|_, _| (), &["_tasks", "_monitoring", "_tasks", "_monitoring", "b", "b"]);
    check(&|_, page| (page.limit, page.offset, page.descending) = (2, 1, true), &["b", "_monitoring"]);
    check(&|_, page| page.after = Some(id.get()), &["b"]);
    check(&|filter, _| filter.organisation_id = Some(first), &["_tasks", "_monitoring", "b"]);
    check(&|filter, _| filter.id = Some(id), &["b"]);
    check(&|filter, _| (filter.id, filter.organisation_id) = (Some(id), Some(second)), &[]);
    check(&|filter, _| filter.name = Some("b".to_owned()), &["b", "b"]);
    check(&|filter, _| (filter.organisation_id, filter.name) = (Some(second), Some("b".to_owned())), &["b"]);
    check(&|filter, _| filter.name = Some("absent".to_owned()), &[]);
    assert_eq!(catalog.all_buckets().len(), 6);
    let limit = listed(catalog, |_, page| page.limit = 0, |_| true);
    assert_refused(limit, Class::Invalid, "limit must be between 1 and 100");
}

#[tokio::test]
async fn what_is_absent_or_hidden_is_not_found_by_a_list() {
    let fixture = Fixture::new().await;
    let catalog = &fixture.catalog;
    let (hidden, seen) = (fixture.organisation("o").await.id, fixture.organisation("p").await.id);
    let id = catalog.create_bucket(named(hidden, "b")).await.unwrap().id;
    let list = |change: &dyn Fn(&mut BucketFilter)| {
        listed(catalog, |filter, _| change(filter), |bucket| bucket.organisation_id == seen)
    };
    assert_eq!(list(&|_| ()).unwrap(), ["_tasks", "_monitoring"]);
    let absent = list(&|filter| (filter.organisation_id, filter.name) = (Some(seen), Some("absent".to_owned())));
    assert_refused(absent, Class::NotFound, "bucket \"absent\" not found");
    let named = list(&|filter| (filter.organisation_id, filter.name) = (Some(hidden), Some("b".to_owned())));
    assert_refused(named, Class::NotFound, "bucket \"b\" not found");
    assert_refused(list(&|filter| filter.id = Some(id)), Class::NotFound, "bucket not found");
    assert_refused(list(&|filter| filter.id = BucketId::from_u64(1)), Class::NotFound, "bucket not found");
}

#[tokio::test]
async fn a_deleted_bucket_is_remembered_until_its_points_are_dropped() {
    let (mut fixture, result) = Fixture::onboarded().await;
    let organisation = fixture.organisation("other").await;
    let id = result.bucket.id;
    fixture.catalog.delete_bucket(id).await.unwrap();
    let mut expected = vec![(result.organisation.id, id)];
    assert_eq!(fixture.catalog.dropped_buckets(), expected);
    let of_organisation = fixture.catalog.delete_organisation(organisation.id).await.unwrap();
    expected.extend(of_organisation.iter().map(|bucket| (organisation.id, *bucket)));
    fixture.reopen().await;
    assert_eq!(fixture.catalog.dropped_buckets(), expected);
    for (_, bucket) in expected {
        fixture.catalog.forget_dropped_bucket(bucket).await.unwrap();
        fixture.catalog.forget_dropped_bucket(bucket).await.unwrap();
    }
    fixture.reopen().await;
    assert_eq!(fixture.catalog.dropped_buckets(), []);
}

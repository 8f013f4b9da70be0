//! Organisations: rules, lists, and what a deletion takes along.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::testing::{Fixture, NOW_NS, assert_refused};
use crate::{
    AuthenticationError, AuthorizationStatus, BucketFilter, BucketType, Class, NewAuthorization, UserStatus,
    all_access_permissions,
};

#[tokio::test]
async fn an_organisation_starts_with_its_system_buckets() {
    let fixture = Fixture::new().await;
    let organisation = fixture.catalog.create_organisation("o", "text", None).await.unwrap();
    assert_eq!((organisation.name.as_str(), organisation.description.as_str()), ("o", "text"));
    assert_eq!((organisation.created_at_ns, organisation.updated_at_ns), (NOW_NS, NOW_NS));
    let filter = BucketFilter { organisation_id: Some(organisation.id), ..BucketFilter::default() };
    let buckets = fixture.catalog.list_buckets(&filter, &Page::default(), |_| true).unwrap();
    let found: Vec<_> =
        buckets.iter().map(|bucket| (bucket.name.as_str(), bucket.retention, bucket.bucket_type)).collect();
    let hours = Duration::from_hours;
    assert_eq!(found, [("_tasks", hours(72), BucketType::System), ("_monitoring", hours(168), BucketType::System)]);
}

#[tokio::test]
async fn names_are_unique_and_not_empty() {
    let fixture = Fixture::new().await;
    let catalog = &fixture.catalog;
    let first = fixture.organisation("o").await;
    fixture.organisation("p").await;
    let exists = "organization with name p already exists";
    assert_refused(catalog.create_organisation("p", "", None).await, Class::Conflict, exists);
    assert_refused(catalog.create_organisation(" ", "", None).await, Class::Invalid, "org name is empty");
    let rename = |name: &str| OrganisationUpdate { name: Some(name.to_owned()), description: None };
    assert_refused(catalog.update_organisation(first.id, rename("p")).await, Class::Conflict, exists);
    assert_refused(catalog.update_organisation(first.id, rename("")).await, Class::Invalid, "org name is empty");
    assert_eq!(catalog.update_organisation(first.id, rename("o")).await.unwrap().name, "o");
}

#[tokio::test]
async fn unknown_organisations_are_not_found() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let unknown = OrganisationId::from_u64(1).unwrap();
    let message = "organization not found";
    assert_refused(catalog.find_organisation(unknown), Class::NotFound, message);
    assert_refused(catalog.update_organisation(unknown, Default::default()).await, Class::NotFound, message);
    assert_refused(catalog.delete_organisation(unknown).await, Class::NotFound, message);
    let by_name = catalog.find_organisation_by_name("absent");
    assert_refused(by_name, Class::NotFound, "organization name \"absent\" not found");
    let no_user = UserId::from_u64(setup.organisation.id.get());
    assert_refused(catalog.create_organisation("q", "", no_user).await, Class::NotFound, "user not found");
}

#[tokio::test]
async fn a_rename_moves_the_name() {
    let mut fixture = Fixture::new().await;
    let id = fixture.organisation("before").await.id;
    fixture.clock.advance(Duration::from_secs(1));
    let update = OrganisationUpdate { name: Some("after".to_owned()), description: Some("new".to_owned()) };
    let after = fixture.catalog.update_organisation(id, update).await.unwrap();
    assert_eq!((after.created_at_ns, after.updated_at_ns), (NOW_NS, NOW_NS + 1_000_000_000));
    assert_eq!(after.description, "new");
    assert!(fixture.catalog.find_organisation_by_name("before").is_err());
    assert_eq!(fixture.catalog.find_organisation_by_name("after").unwrap().id, id);
    fixture.reopen().await;
    assert_eq!(fixture.catalog.find_organisation(id).unwrap(), after);
}

/// The names of the organisations in a list.
fn listed(
    catalog: &Catalog,
    change: impl Fn(&mut OrganisationFilter, &mut Page),
    visible: impl Fn(&Organisation) -> bool,
) -> Result<Vec<String>, CatalogError> {
    let (mut filter, mut page) = (OrganisationFilter::default(), Page::default());
    change(&mut filter, &mut page);
    let found = catalog.list_organisations(&filter, &page, visible)?;
    Ok(found.iter().map(|organisation| organisation.name.clone()).collect())
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    fixture.organisation("second").await;
    let third = catalog.create_organisation("third", "", Some(setup.user.id)).await.unwrap().id;
    let check = |change: &dyn Fn(&mut OrganisationFilter, &mut Page), expected: &[&str]| {
        assert_eq!(listed(catalog, change, |_| true).unwrap(), expected);
    };
    check(&|_, _| (), &["o", "second", "third"]);
    check(&|_, page| (page.limit, page.descending) = (2, true), &["third", "second"]);
    check(&|_, page| page.after = Some(setup.organisation.id.get()), &["second", "third"]);
    check(&|filter, _| filter.id = Some(third), &["third"]);
    check(&|filter, _| filter.name = Some("second".to_owned()), &["second"]);
    check(&|filter, _| (filter.id, filter.name) = (Some(third), Some("second".to_owned())), &[]);
    check(&|filter, _| filter.user_id = Some(setup.user.id), &["o", "third"]);
    check(&|filter, _| filter.user_id = UserId::from_u64(1), &[]);
    let limit = listed(catalog, |_, page| page.limit = 101, |_| true);
    assert_refused(limit, Class::Invalid, "limit must be between 1 and 100");
}

#[tokio::test]
async fn what_is_absent_or_hidden_is_not_found_by_a_list() {
    let fixture = Fixture::new().await;
    let catalog = &fixture.catalog;
    let hidden = fixture.organisation("hidden").await.id;
    fixture.organisation("seen").await;
    let list = |change: &dyn Fn(&mut OrganisationFilter)| {
        listed(catalog, |filter, _| change(filter), |organisation| organisation.name == "seen")
    };
    assert_eq!(list(&|_| ()).unwrap(), ["seen"]);
    for name in ["absent", "hidden"] {
        let message = format!("organization name \"{name}\" not found");
        assert_refused(list(&|filter| filter.name = Some(name.to_owned())), Class::NotFound, &message);
    }
    for id in [Some(hidden), OrganisationId::from_u64(1)] {
        assert_refused(list(&|filter| filter.id = id), Class::NotFound, "organization not found");
    }
}

#[tokio::test]
async fn a_deletion_takes_buckets_tokens_and_mappings_along() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let catalog = fixture.catalog.clone();
    let doomed = catalog.create_organisation("doomed", "", Some(setup.user.id)).await.unwrap();
    let bucket = catalog.find_bucket_by_name(doomed.id, "_tasks").unwrap();
    let other_user = catalog.create_user("v", UserStatus::Active).await.unwrap();
    catalog.add_mapping(MappedResource::bucket(bucket.id), other_user.id, Role::Member).await.unwrap();
    let new = NewAuthorization {
        organisation_id: doomed.id,
        user_id: setup.user.id,
        description: String::new(),
        status: AuthorizationStatus::Active,
        permissions: all_access_permissions(doomed.id).as_slice().to_vec(),
        token: None,
    };
    let token = catalog.create_authorization(new, None).await.unwrap().token;
    assert!(catalog.authenticate_token(token.expose()).is_ok());

    let dropped: BTreeSet<_> = catalog.delete_organisation(doomed.id).await.unwrap().into_iter().collect();
    assert_eq!(dropped.len(), 2);
    assert!(dropped.contains(&bucket.id));
    let refused = catalog.authenticate_token(token.expose()).unwrap_err();
    assert_eq!(refused, AuthenticationError::Unauthorized);
    assert!(catalog.find_bucket(bucket.id).is_err());
    assert!(catalog.find_bucket_by_name(doomed.id, "_tasks").is_err());
    assert!(catalog.image().mappings_of(MappedResource::bucket(bucket.id)).next().is_none());
    assert!(catalog.image().mappings_of(MappedResource::organisation(doomed.id)).next().is_none());
    assert_eq!(catalog.counts(), crate::Counts { organisations: 1, buckets: 3, users: 2, tokens: 1 });
    fixture.reopen().await;
    assert!(fixture.catalog.create_organisation("doomed", "", None).await.unwrap().id > doomed.id);
}

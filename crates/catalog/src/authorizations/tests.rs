//! Authorizations: creation, the right to grant, lists and changes.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::error::UnknownWordError;
use crate::permission::{Action, ResourceType, all_access_permissions, operator_permissions};
use crate::testing::{Fixture, NOW_NS, assert_refused};
use crate::{Class, OnboardingResult, UserStatus};

fn read_buckets(setup: &OnboardingResult) -> NewAuthorization {
    NewAuthorization {
        organisation_id: setup.organisation.id,
        user_id: setup.user.id,
        description: "text".to_owned(),
        status: AuthorizationStatus::Active,
        permissions: vec![Permission::in_organisation(Action::Read, ResourceType::Buckets, setup.organisation.id)],
        token: None,
    }
}

#[tokio::test]
async fn a_token_is_random_or_given() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let catalog = fixture.catalog.clone();
    let created = catalog.create_authorization(read_buckets(&setup), None).await.unwrap();
    assert_eq!(created.token.expose().len(), 88);
    let authorization = &created.authorization;
    assert_eq!((authorization.description.as_str(), authorization.created_at_ns), ("text", NOW_NS));
    let given = |token: &str| NewAuthorization { token: Some(Secret::from(token)), ..read_buckets(&setup) };
    let mine = catalog.create_authorization(given("mine"), None).await.unwrap();
    assert_eq!(mine.token.expose(), "mine");
    assert_eq!(catalog.create_authorization(given(""), None).await.unwrap().token.expose().len(), 88);
    let refused = catalog.create_authorization(given("mine"), None).await;
    assert_refused(refused, Class::Conflict, "token already exists");
    fixture.reopen().await;
    assert_eq!(fixture.catalog.find_authorization(authorization.id).unwrap(), created.authorization);
}

#[tokio::test]
async fn only_own_permissions_are_granted() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let all_access = all_access_permissions(setup.organisation.id);
    catalog.create_authorization(read_buckets(&setup), Some(&all_access)).await.unwrap();
    let everywhere = Permission::on_type(Action::Write, ResourceType::Buckets);
    let mut new = read_buckets(&setup);
    new.permissions.push(everywhere);
    let refused = catalog.create_authorization(new.clone(), Some(&all_access)).await;
    let message = "permission write:buckets is not allowed: write:buckets is unauthorized";
    assert_refused(refused, Class::Forbidden, message);
    catalog.create_authorization(new, Some(&operator_permissions())).await.unwrap();
}

#[tokio::test]
async fn organisation_user_and_permissions_are_needed() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let new = NewAuthorization { permissions: Vec::new(), ..read_buckets(&setup) };
    let refused = catalog.create_authorization(new, None).await;
    assert_refused(refused, Class::Invalid, "authorization must include permissions");
    let new = NewAuthorization { organisation_id: OrganisationId::from_u64(1).unwrap(), ..read_buckets(&setup) };
    let refused = catalog.create_authorization(new, None).await;
    assert_refused(refused, Class::NotFound, "organization not found");
    let new = NewAuthorization { user_id: UserId::from_u64(1).unwrap(), ..read_buckets(&setup) };
    assert_refused(catalog.create_authorization(new, None).await, Class::NotFound, "user not found");
}

/// The descriptions of the authorizations in a list.
fn listed(
    catalog: &Catalog,
    change: impl Fn(&mut AuthorizationFilter),
    visible: impl Fn(&Authorization) -> bool,
) -> Result<Vec<String>, CatalogError> {
    let mut filter = AuthorizationFilter::default();
    change(&mut filter);
    let found = catalog.list_authorizations(&filter, visible)?;
    Ok(found.iter().map(|authorization| authorization.description.clone()).collect())
}

#[tokio::test]
async fn lists_are_filtered() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let user = catalog.create_user("v", UserStatus::Active).await.unwrap().id;
    let organisation = fixture.organisation("p").await.id;
    let own = setup.organisation.id;
    for (description, organisation_id, user_id) in [("own v", own, user), ("p u", organisation, setup.user.id)] {
        let description = description.to_owned();
        let new = NewAuthorization { description, organisation_id, user_id, ..read_buckets(&setup) };
        catalog.create_authorization(new, None).await.unwrap();
    }
    let check = |change: &dyn Fn(&mut AuthorizationFilter), expected: &[&str]| {
        assert_eq!(listed(catalog, change, |_| true).unwrap(), expected);
    };
    check(&|_| (), &["u's Token", "own v", "p u"]);
    check(&|filter| filter.user_id = Some(user), &["own v"]);
    check(&|filter| filter.user = Some("u".to_owned()), &["u's Token", "p u"]);
    check(&|filter| filter.organisation_id = Some(own), &["u's Token", "own v"]);
    check(&|filter| filter.organisation = Some("p".to_owned()), &["p u"]);
    check(&|filter| (filter.user_id, filter.organisation_id) = (Some(user), Some(organisation)), &[]);
    assert_eq!(listed(catalog, |_| (), |seen| seen.user_id == user).unwrap(), ["own v"]);
    let unknown = listed(catalog, |filter| filter.user = Some("x".to_owned()), |_| true);
    assert_refused(unknown, Class::NotFound, "user not found");
    let unknown = listed(catalog, |filter| filter.organisation = Some("x".to_owned()), |_| true);
    assert_refused(unknown, Class::NotFound, "organization name \"x\" not found");
}

#[tokio::test]
async fn status_and_description_change_and_nothing_else() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let before = fixture.catalog.create_authorization(read_buckets(&setup), None).await.unwrap().authorization;
    fixture.clock.set_ns(NOW_NS + 5);
    let update = AuthorizationUpdate { status: Some(AuthorizationStatus::Inactive), description: Some("n".to_owned()) };
    let after = fixture.catalog.update_authorization(before.id, update).await.unwrap();
    let expected = Authorization {
        status: AuthorizationStatus::Inactive,
        description: "n".to_owned(),
        updated_at_ns: NOW_NS + 5,
        ..Authorization::clone(&before)
    };
    assert_eq!(*after, expected);
    fixture.reopen().await;
    assert_eq!(fixture.catalog.find_authorization(before.id).unwrap(), after);
    let unknown = "maybe".parse::<AuthorizationStatus>().unwrap_err();
    assert_eq!(unknown, UnknownWordError::AuthorizationStatus);
    assert_eq!(unknown.to_string(), "encodeAuthorization: unknown authorization status");
}

#[tokio::test]
async fn a_deleted_authorization_is_gone() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let catalog = fixture.catalog.clone();
    let created = catalog.create_authorization(read_buckets(&setup), None).await.unwrap();
    let id = created.authorization.id;
    catalog.delete_authorization(id).await.unwrap();
    assert!(catalog.authenticate_token(created.token.expose()).is_err());
    let message = "authorization not found";
    assert_refused(catalog.find_authorization(id), Class::NotFound, message);
    assert_refused(catalog.delete_authorization(id).await, Class::NotFound, message);
    let update = catalog.update_authorization(id, AuthorizationUpdate::default()).await;
    assert_refused(update, Class::NotFound, message);
    fixture.reopen().await;
}

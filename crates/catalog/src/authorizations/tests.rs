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
        permissions: vec![Permission::in_organisation(
            Action::Read,
            ResourceType::Buckets,
            setup.organisation.id,
        )],
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
    assert_eq!(
        (authorization.description.as_str(), authorization.created_at_ns),
        ("text", NOW_NS)
    );
    let given = |token: &str| NewAuthorization {
        token: Some(Secret::from(token)),
        ..read_buckets(&setup)
    };
    let mine = catalog.create_authorization(given("mine"), None).await.unwrap();
    assert_eq!(mine.token.expose(), "mine");
    assert_eq!(
        catalog
            .create_authorization(given(""), None)
            .await
            .unwrap()
            .token
            .expose()
            .len(),
        88
    );
    let refused = catalog.create_authorization(given("mine"), None).await;
    assert_refused(refused, Class::Conflict, "token already exists");
    fixture.reopen().await;
    assert_eq!(
        fixture.catalog.find_authorization(authorization.id).unwrap(),
        created.authorization
    );
}

#[tokio::test]
async fn only_own_permissions_are_granted() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let all_access = all_access_permissions(setup.organisation.id);
    catalog
        .create_authorization(read_buckets(&setup), Some(&all_access))
        .await
        .unwrap();
    let everywhere = Permission::on_type(Action::Write, ResourceType::Buckets);
    let mut new = read_buckets(&setup);
    new.permissions.push(everywhere);
    let refused = catalog.create_authorization(new.clone(), Some(&all_access)).await;
    let message = "permission write:buckets is not allowed: write:buckets is unauthorized";
    assert_refused(refused, Class::Forbidden, message);
    catalog
        .create_authorization(new, Some(&operator_permissions()))
        .await
        .unwrap();
}

#[tokio::test]
async fn organisation_user_and_permissions_are_needed() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let new = NewAuthorization {
        permissions: Vec::new(),
        ..read_buckets(&setup)
    };
    let refused = catalog.create_authorization(new, None).await;
    assert_refused(refused, Class::Invalid, "authorization must include permissions");
    let new = NewAuthorization {
        organisation_id: OrganisationId::from_u64(1).unwrap(),
        ..read_buckets(&setup)
    };
    let refused = catalog.create_authorization(new, None).await;
    assert_refused(refused, Class::NotFound, "organization not found");
    let new = NewAuthorization {
        user_id: UserId::from_u64(1).unwrap(),
        ..read_buckets(&setup)
    };
    assert_refused(
        catalog.create_authorization(new, None).await,
        Class::NotFound,
        "user not found",
    );
}

#[tokio::test]
async fn lists_are_filtered() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let user = catalog.create_user("v", UserStatus::Active).await.unwrap();
    let organisation = fixture.organisation("p").await;
    let new = |description: &str, organisation_id, user_id| NewAuthorization {
        description: description.to_owned(),
        organisation_id,
        user_id,
        ..read_buckets(&setup)
    };
    let own = setup.organisation.id;
    catalog
        .create_authorization(new("own v", own, user.id), None)
        .await
        .unwrap();
    catalog
        .create_authorization(new("p u", organisation.id, setup.user.id), None)
        .await
        .unwrap();
    let check = |filter: AuthorizationFilter, expected: &[&str]| {
        let found = catalog
            .list_authorizations(&filter, |seen| seen.description != "hidden")
            .unwrap();
        let texts: Vec<&str> = found.iter().map(|found| found.description.as_str()).collect();
        assert_eq!(texts, expected, "{filter:?}");
    };
    let all = AuthorizationFilter::default;
    check(all(), &["u's Token", "own v", "p u"]);
    check(
        AuthorizationFilter {
            user_id: Some(user.id),
            ..all()
        },
        &["own v"],
    );
    check(
        AuthorizationFilter {
            user: Some("u".to_owned()),
            ..all()
        },
        &["u's Token", "p u"],
    );
    check(
        AuthorizationFilter {
            organisation_id: Some(own),
            ..all()
        },
        &["u's Token", "own v"],
    );
    check(
        AuthorizationFilter {
            organisation: Some("p".to_owned()),
            ..all()
        },
        &["p u"],
    );
    check(
        AuthorizationFilter {
            user_id: Some(user.id),
            organisation: Some("p".to_owned()),
            ..all()
        },
        &[],
    );
    let list = |filter: AuthorizationFilter| catalog.list_authorizations(&filter, |seen| seen.user_id == user.id);
    assert_eq!(list(all()).unwrap().len(), 1);
    let unknown = AuthorizationFilter {
        user: Some("x".to_owned()),
        ..all()
    };
    assert_refused(list(unknown), Class::NotFound, "user not found");
    let unknown = AuthorizationFilter {
        organisation: Some("x".to_owned()),
        ..all()
    };
    assert_refused(list(unknown), Class::NotFound, "organization name \"x\" not found");
}

#[tokio::test]
async fn status_and_description_change_and_nothing_else() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let before = fixture
        .catalog
        .create_authorization(read_buckets(&setup), None)
        .await
        .unwrap()
        .authorization;
    fixture.clock.set_ns(NOW_NS + 5);
    let update = AuthorizationUpdate {
        status: Some(AuthorizationStatus::Inactive),
        description: Some("n".to_owned()),
    };
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

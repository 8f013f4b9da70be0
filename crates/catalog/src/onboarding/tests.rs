//! The first set-up: what it makes, what it refuses, and that it happens once.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::Class;
use crate::testing::{Fixture, PASSWORD, assert_refused, onboarding_request};

const DONE: &str = "onboarding has already been completed";

#[tokio::test]
async fn it_makes_a_user_an_organisation_a_bucket_and_an_operator_token() {
    let mut fixture = Fixture::new().await;
    assert!(fixture.catalog.is_onboarding_allowed());
    let request = OnboardingRequest { retention: Duration::from_hours(24), ..onboarding_request() };
    let result = fixture.catalog.onboard(request).await.unwrap();
    assert_eq!((result.user.name.as_str(), result.organisation.name.as_str()), ("u", "o"));
    assert_eq!((result.bucket.name.as_str(), result.bucket.retention), ("b", Duration::from_hours(24)));
    assert_eq!(result.bucket.organisation_id, result.organisation.id);
    assert_eq!(result.authorization.description, "u's Token");
    assert_eq!(result.authorization.permissions, operator_permissions());
    assert_eq!(result.token.expose().len(), 88);
    fixture.reopen().await;
    let catalog = &fixture.catalog;
    assert!(!catalog.is_onboarding_allowed());
    assert_eq!(catalog.verify_password("u", PASSWORD).await.unwrap(), result.user);
    assert_eq!(catalog.authenticate_token(result.token.expose()).unwrap().user_id, result.user.id);
    for resource in [MappedResource::INSTANCE, MappedResource::organisation(result.organisation.id)] {
        let owners = catalog.list_mappings(resource, Role::Owner).unwrap();
        assert_eq!(owners, [Arc::clone(&result.user)]);
    }
    assert_eq!(catalog.counts(), crate::Counts { organisations: 1, buckets: 3, users: 1, tokens: 1 });
}

#[tokio::test]
async fn it_happens_once() {
    let (mut fixture, _) = Fixture::onboarded().await;
    assert_refused(fixture.catalog.onboard(onboarding_request()).await, Class::Conflict, DONE);
    let incomplete = OnboardingRequest { username: "x".to_owned(), ..OnboardingRequest::default() };
    assert_refused(fixture.catalog.onboard(incomplete).await, Class::Conflict, DONE);
    fixture.reopen().await;
    assert_refused(fixture.catalog.onboard(onboarding_request()).await, Class::Conflict, DONE);
}

#[tokio::test]
async fn of_several_at_once_one_wins() {
    let fixture = Fixture::new().await;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let catalog = fixture.catalog.clone();
            tokio::spawn(async move { catalog.onboard(onboarding_request()).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert_eq!(error.to_string(), DONE),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(fixture.catalog.counts().users, 1);
}

#[tokio::test]
async fn broken_requests_are_refused_and_change_nothing() {
    let fixture = Fixture::new().await;
    let check = async |change: fn(&mut OnboardingRequest), class: Class, message: &str| {
        let mut request = onboarding_request();
        change(&mut request);
        assert_refused(fixture.catalog.onboard(request).await, class, message);
        assert!(fixture.catalog.is_onboarding_allowed());
        assert_eq!(fixture.catalog.counts(), crate::Counts { organisations: 0, buckets: 0, users: 0, tokens: 0 });
    };
    let unprocessable = Class::UnprocessableEntity;
    let missing = "onboarding failed: missing required fields [username,org,bucket]";
    check(|request| *request = OnboardingRequest::default(), unprocessable, missing).await;
    let missing = "onboarding failed: missing required fields [org]";
    check(|request| request.organisation.clear(), unprocessable, missing).await;
    let length = "passwords must be between 8 and 72 characters long";
    check(|request| request.password = Some(Secret::from("short")), Class::Invalid, length).await;
    let name = "bucket name _b is invalid. Buckets may not start with underscore";
    check(|request| request.bucket = "_b".to_owned(), Class::Invalid, name).await;
    let retention = "retention policy duration must be at least 1h0m0s";
    check(|request| request.retention = Duration::from_secs(1), unprocessable, retention).await;
}

#[tokio::test]
async fn password_and_token_are_optional() {
    let fixture = Fixture::new().await;
    let request = OnboardingRequest { password: None, token: Some(Secret::from("my-token")), ..onboarding_request() };
    let result = fixture.catalog.onboard(request).await.unwrap();
    assert_eq!(result.token.expose(), "my-token");
    assert!(fixture.catalog.authenticate_token("my-token").is_ok());
    let refused = fixture.catalog.verify_password("u", "").await;
    assert_refused(refused, Class::Unauthorized, "unauthorized access");
}

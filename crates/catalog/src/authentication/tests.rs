//! Who a token or a session key stands for.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::testing::Fixture;
use crate::{Action, AuthorizationUpdate, Class, SESSION_LENGTH, UserUpdate};

#[tokio::test]
async fn a_token_stands_for_its_user_organisation_and_permissions() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    for _ in 0..2 {
        let principal = fixture.catalog.authenticate_token(setup.token.expose()).unwrap();
        assert_eq!(principal.credential, Credential::Authorization(setup.authorization.id));
        assert_eq!((principal.user_id, principal.organisation_id), (setup.user.id, Some(setup.organisation.id)));
        let needed = Permission::on_bucket(Action::Write, setup.bucket.id, setup.organisation.id);
        assert!(principal.allows(&needed) && principal.require(needed).is_ok());
        fixture.reopen().await;
    }
}

#[tokio::test]
async fn a_session_stands_for_its_user() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let key = catalog.create_session(setup.user.id).await.unwrap().key;
    let principal = catalog.authenticate_session(key.expose()).unwrap();
    assert_eq!((principal.credential, principal.organisation_id), (Credential::Session, None));
    assert_eq!(principal.permissions, catalog.user_permissions(setup.user.id));
    fixture.clock.advance(SESSION_LENGTH);
    let refused = catalog.authenticate_session(key.expose()).unwrap_err();
    assert_eq!(refused, AuthenticationError::Unauthorized);
}

#[tokio::test]
async fn unknown_secrets_stand_for_nobody() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let token = setup.token.expose();
    let key = catalog.create_session(setup.user.id).await.unwrap().key;
    for wrong in ["", "x", &token[1..], &format!("{token} "), &token.to_lowercase(), key.expose()] {
        assert_eq!(catalog.authenticate_token(wrong).unwrap_err(), AuthenticationError::Unauthorized, "{wrong}");
    }
    for wrong in ["", "x", token] {
        assert_eq!(catalog.authenticate_session(wrong).unwrap_err(), AuthenticationError::Unauthorized, "{wrong}");
    }
}

#[tokio::test]
async fn inactive_users_and_tokens_are_told_apart() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let key = catalog.create_session(setup.user.id).await.unwrap().key;
    let token_status = async |status| {
        let update = AuthorizationUpdate { status: Some(status), description: None };
        catalog.update_authorization(setup.authorization.id, update).await.unwrap();
    };
    let user_status = async |status| {
        catalog.update_user(setup.user.id, UserUpdate { name: None, status: Some(status) }).await.unwrap();
    };
    let by_token = || catalog.authenticate_token(setup.token.expose()).err();
    let by_session = || catalog.authenticate_session(key.expose()).err();

    token_status(AuthorizationStatus::Inactive).await;
    assert_eq!((by_token(), by_session()), (Some(AuthenticationError::TokenInactive), None));
    user_status(UserStatus::Inactive).await;
    let user_inactive = Some(AuthenticationError::UserInactive);
    assert_eq!((by_token(), by_session()), (user_inactive, user_inactive));
    token_status(AuthorizationStatus::Active).await;
    assert_eq!(by_token(), user_inactive);
    user_status(UserStatus::Active).await;
    assert_eq!((by_token(), by_session()), (None, None));
}

#[test]
fn messages_and_classes_are_those_of_influxdb() {
    let check = |error: AuthenticationError, class: Class, message: &str| {
        assert_eq!((error.class(), error.to_string().as_str()), (class, message));
    };
    check(AuthenticationError::Unauthorized, Class::Unauthorized, "unauthorized access");
    check(AuthenticationError::UserInactive, Class::Forbidden, "User is inactive");
    check(AuthenticationError::TokenInactive, Class::Forbidden, "token is inactive");
}

#[tokio::test]
async fn a_token_that_ends_does_not_count_from_then_on() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let new = crate::NewAuthorization {
        organisation_id: setup.organisation.id,
        user_id: setup.user.id,
        description: String::new(),
        status: AuthorizationStatus::Active,
        permissions: setup.authorization.permissions.as_slice().to_vec(),
        token: None,
    };
    let end = crate::testing::NOW_NS + 1_000_000_000;
    let made = fixture.catalog.create_expiring_authorization(new, None, Some(end)).await.unwrap();
    fixture.reopen().await;
    fixture.clock.set_ns(end - 1);
    assert!(fixture.catalog.authenticate_token(made.token.expose()).is_ok());
    fixture.clock.set_ns(end);
    let ended = fixture.catalog.authenticate_token(made.token.expose());
    assert_eq!(ended.unwrap_err(), AuthenticationError::Unauthorized);
}

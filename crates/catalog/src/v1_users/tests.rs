//! Users of 1.x, over a catalog in a temporary directory.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::testing::{Fixture, assert_refused};
use crate::{Class, OnboardingResult, UserStatus, UserUpdate};

fn new(setup: &OnboardingResult, name: &str) -> NewV1User {
    NewV1User {
        name: name.to_owned(),
        status: AuthorizationStatus::Active,
        description: String::new(),
        organisation_id: setup.organisation.id,
        user_id: setup.user.id,
        permissions: Vec::new(),
    }
}

/// Whether the user may read and write the bucket of the setup.
fn rights(setup: &OnboardingResult, who: &Principal) -> (bool, bool) {
    let allows = |action| who.allows(&Permission::on_bucket(action, setup.bucket.id, setup.organisation.id));
    (allows(Action::Read), allows(Action::Write))
}

#[tokio::test]
async fn a_password_is_remembered_until_it_is_old_or_changed() {
    let (fixture, setup) = Fixture::onboarded().await;
    let user = fixture.catalog.create_v1_user(new(&setup, "agent"), Some("pw"), None).await.unwrap();
    let remembered = |password: &str| fixture.catalog.remembered_v1_user("agent", password);
    let is_known = |password: &str| matches!(remembered(password), Ok(V1Authentication::Known(_)));
    assert!(matches!(remembered("pw"), Ok(V1Authentication::NotRemembered)));
    assert!(matches!(fixture.catalog.remembered_v1_user("nobody", "pw"), Ok(V1Authentication::NoSuchUser)));
    let wrong = fixture.catalog.verify_v1_user("agent", "pwx").await;
    assert_refused(wrong, Class::Unauthorized, "unauthorized access");
    assert_refused(fixture.catalog.verify_v1_user("nobody", "pw").await, Class::Unauthorized, "unauthorized access");
    let who = fixture.catalog.verify_v1_user("agent", "pw").await.unwrap().unwrap();
    assert_eq!((who.credential, who.organisation_id), (Credential::V1User(user.id), Some(setup.organisation.id)));
    assert!(is_known("pw") && !is_known("pwx"));

    fixture.clock.advance(Duration::from_secs(299));
    assert!(is_known("pw"));
    fixture.clock.advance(Duration::from_secs(2));
    assert!(!is_known("pw"), "five minutes are over");

    fixture.catalog.verify_v1_user("agent", "pw").await.unwrap().unwrap();
    assert!(is_known("pw"));
    fixture.catalog.set_v1_password(user.id, "other", false).await.unwrap();
    assert!(!is_known("pw"), "it was changed");
    assert_refused(fixture.catalog.verify_v1_user("agent", "pw").await, Class::Unauthorized, "unauthorized access");
    fixture.catalog.verify_v1_user("agent", "other").await.unwrap().unwrap();
    fixture.catalog.delete_v1_user(user.id).await.unwrap();
    assert!(matches!(remembered("other"), Ok(V1Authentication::NoSuchUser)));
}

#[tokio::test]
async fn who_is_inactive_is_refused_though_the_password_is_right() {
    let (fixture, setup) = Fixture::onboarded().await;
    let user = fixture.catalog.create_v1_user(new(&setup, "agent"), Some("pw"), None).await.unwrap();
    let verify = || fixture.catalog.verify_v1_user("agent", "pw");
    let update = |status| V1UserUpdate { status: Some(status), ..V1UserUpdate::default() };
    fixture.catalog.update_v1_user(user.id, update(AuthorizationStatus::Inactive)).await.unwrap();
    assert_eq!(verify().await.unwrap().unwrap_err(), AuthenticationError::TokenInactive);
    fixture.catalog.update_v1_user(user.id, update(AuthorizationStatus::Active)).await.unwrap();
    let inactive = UserUpdate { status: Some(UserStatus::Inactive), ..UserUpdate::default() };
    fixture.catalog.update_user(setup.user.id, inactive).await.unwrap();
    assert_eq!(verify().await.unwrap().unwrap_err(), AuthenticationError::UserInactive);
    let remembered = fixture.catalog.remembered_v1_user("agent", "pw");
    assert_eq!(remembered.unwrap_err(), AuthenticationError::UserInactive);
}

#[tokio::test]
async fn grants_are_by_database_and_survive_a_restart() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let user = fixture.catalog.create_v1_user(new(&setup, "agent"), Some("pw"), None).await.unwrap();
    assert!(!user.is_admin());
    let cases = [
        (V1Privilege::None, (false, false)),
        (V1Privilege::Read, (true, false)),
        (V1Privilege::Write, (false, true)),
        (V1Privilege::All, (true, true)),
    ];
    for (privilege, expected) in cases {
        fixture.catalog.set_v1_grant(user.id, "b", privilege).await.unwrap();
        fixture.reopen().await;
        let who = fixture.catalog.verify_v1_user("agent", "pw").await.unwrap().unwrap();
        assert_eq!(rights(&setup, &who), expected, "{privilege}");
    }
    fixture.catalog.forget_v1_grants(setup.organisation.id, "b").await.unwrap();
    assert!(fixture.catalog.v1_grants(user.id).is_empty());
    let admin = fixture.catalog.set_v1_admin(user.id, true).await.unwrap();
    assert!(admin.is_admin());
    fixture.reopen().await;
    let who = fixture.catalog.verify_v1_user("agent", "pw").await.unwrap().unwrap();
    assert_eq!(rights(&setup, &who), (true, true));
    assert!(!fixture.catalog.set_v1_admin(user.id, false).await.unwrap().is_admin());
    // With whoever it acts for it goes.
    fixture.catalog.set_v1_grant(user.id, "b", V1Privilege::Read).await.unwrap();
    fixture.catalog.delete_user(setup.user.id).await.unwrap();
    fixture.reopen().await;
    assert!(fixture.catalog.list_v1_users().is_empty());
}

#[test]
fn what_is_taken_away_is_as_in_influxdb() {
    use V1Privilege::{All, None, Read, Write};
    for (held, taken, left) in [
        (All, Read, Write),
        (All, Write, Read),
        (All, All, None),
        (Read, Read, None),
        (Read, Write, Read),
        (Read, All, None),
        (Write, Write, None),
        (None, Read, None),
    ] {
        assert_eq!(held.without(taken), left, "{held} without {taken}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_user_is_refused() {
    let (fixture, setup) = Fixture::onboarded().await;
    let create = |name: &str, password: Option<&'static str>| {
        let new = new(&setup, name);
        let catalog = &fixture.catalog;
        async move { catalog.create_v1_user(new, password, None).await }
    };
    assert_refused(create("", None).await, Class::Invalid, "username required");
    let length = "passwords must be between 1 and 72 characters long";
    assert_refused(create("a", Some("")).await, Class::Invalid, length);
    let user = create("a", None).await.unwrap();
    assert_refused(create("a", None).await, Class::Conflict, "user already exists");
    // Without a password nobody signs in.
    assert_refused(fixture.catalog.verify_v1_user("a", "").await, Class::Unauthorized, "unauthorized access");
    let short = fixture.catalog.set_v1_password(user.id, "short", true).await;
    assert_refused(short, Class::Invalid, "passwords must be between 8 and 72 characters long");
    let beyond = NewV1User {
        permissions: vec![Permission::on_bucket(Action::Read, setup.bucket.id, setup.organisation.id)],
        ..new(&setup, "x")
    };
    let nothing = PermissionSet::new(Vec::new());
    let refused = fixture.catalog.create_v1_user(beyond, None, Some(&nothing)).await.unwrap_err();
    assert_eq!(refused.class(), Class::Forbidden);
}

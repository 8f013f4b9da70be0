//! Users and passwords.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::testing::{Fixture, PASSWORD, assert_refused};
use crate::{AuthenticationError, Class, MappedResource, Role};

#[tokio::test]
async fn names_are_unique_and_not_empty() {
    let fixture = Fixture::new().await;
    let catalog = &fixture.catalog;
    let first = catalog.create_user("u", UserStatus::Active).await.unwrap();
    catalog.create_user("v", UserStatus::Inactive).await.unwrap();
    let refused =
        [("v", Class::Conflict, "user with name v already exists"), ("", Class::Invalid, "user name is empty")];
    for (name, class, message) in refused {
        assert_refused(catalog.create_user(name, UserStatus::Active).await, class, message);
        let update = UserUpdate { name: Some(name.to_owned()), status: None };
        assert_refused(catalog.update_user(first.id, update).await, class, message);
    }
}

#[tokio::test]
async fn an_update_changes_name_and_status() {
    let mut fixture = Fixture::new().await;
    let user = fixture.catalog.create_user("u", UserStatus::Active).await.unwrap();
    let update = UserUpdate { name: Some("w".to_owned()), status: Some(UserStatus::Inactive) };
    let after = fixture.catalog.update_user(user.id, update).await.unwrap();
    assert_eq!((after.name.as_str(), after.status), ("w", UserStatus::Inactive));
    assert!(fixture.catalog.find_user_by_name("u").is_err());
    fixture.reopen().await;
    assert_eq!(fixture.catalog.find_user_by_name("w").unwrap(), after);
}

#[tokio::test]
async fn unknown_users_are_not_found() {
    let fixture = Fixture::new().await;
    let catalog = &fixture.catalog;
    let id = UserId::from_u64(9).unwrap();
    let message = "user not found";
    assert_refused(catalog.find_user(id), Class::NotFound, message);
    assert_refused(catalog.find_user_by_name("x"), Class::NotFound, message);
    assert_refused(catalog.update_user(id, UserUpdate::default()).await, Class::NotFound, message);
    assert_refused(catalog.delete_user(id).await, Class::NotFound, message);
    assert_refused(catalog.set_password(id, "long enough").await, Class::NotFound, message);
    assert_refused(catalog.create_session(id).await, Class::NotFound, message);
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let fixture = Fixture::new().await;
    let catalog = &fixture.catalog;
    for name in ["a", "b", "c"] {
        catalog.create_user(name, UserStatus::Active).await.unwrap();
    }
    let b = catalog.find_user_by_name("b").unwrap();
    let check = |filter: UserFilter, page: Page, expected: &[&str]| {
        let found = catalog.list_users(&filter, &page, |user| user.name != "c").unwrap();
        let names: Vec<&str> = found.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, expected, "{filter:?} {page:?}");
    };
    check(UserFilter::default(), Page::default(), &["a", "b"]);
    check(UserFilter::default(), Page { descending: true, limit: 1, ..Page::default() }, &["b"]);
    check(UserFilter { id: Some(b.id), name: None }, Page::default(), &["b"]);
    check(UserFilter { id: None, name: Some("a".to_owned()) }, Page::default(), &["a"]);
    check(UserFilter { id: Some(b.id), name: Some("a".to_owned()) }, Page::default(), &[]);
    for name in ["c", "absent"] {
        let filter = UserFilter { id: None, name: Some(name.to_owned()) };
        let result = catalog.list_users(&filter, &Page::default(), |user| user.name != "c");
        assert_refused(result, Class::NotFound, "user not found");
    }
}

#[tokio::test]
async fn a_password_is_verified_and_replaced() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let id = setup.user.id;
    let session = fixture.catalog.create_session(id).await.unwrap();
    assert_eq!(fixture.catalog.verify_password("u", PASSWORD).await.unwrap().id, id);
    let length = "passwords must be between 8 and 72 characters long";
    assert_refused(fixture.catalog.set_password(id, "short").await, Class::Invalid, length);
    fixture.catalog.set_password(id, "another one").await.unwrap();
    assert!(fixture.catalog.find_session(session.key.expose()).is_none(), "a new password ends sessions");
    fixture.reopen().await;
    let catalog = &fixture.catalog;
    assert_eq!(catalog.verify_password("u", "another one").await.unwrap().id, id);
    let no_password = catalog.create_user("v", UserStatus::Active).await.unwrap();
    for (name, password) in [("u", PASSWORD), ("u", ""), ("v", PASSWORD), ("v", ""), ("nobody", PASSWORD)] {
        let refused = catalog.verify_password(name, password).await;
        assert_refused(refused, Class::Unauthorized, "unauthorized access");
    }
    catalog.set_password(no_password.id, "12345678").await.unwrap();
    assert_eq!(catalog.verify_password("v", "12345678").await.unwrap(), no_password);
}

#[tokio::test]
async fn a_deletion_takes_everything_of_the_user_along() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let catalog = fixture.catalog.clone();
    let id = setup.user.id;
    catalog.add_mapping(MappedResource::bucket(setup.bucket.id), id, Role::Member).await.unwrap();
    let session = catalog.create_session(id).await.unwrap();
    catalog.delete_user(id).await.unwrap();
    let refused = catalog.authenticate_token(setup.token.expose()).unwrap_err();
    assert_eq!(refused, AuthenticationError::Unauthorized);
    let refused = catalog.authenticate_session(session.key.expose()).unwrap_err();
    assert_eq!(refused, AuthenticationError::Unauthorized);
    assert!(catalog.verify_password("u", PASSWORD).await.is_err());
    {
        let image = catalog.image();
        assert!(image.mappings.is_empty() && image.passwords.is_empty() && image.sessions.is_empty());
    }
    assert!(!catalog.is_onboarding_allowed(), "a server without users is not set up again");
    fixture.reopen().await;
    assert!(!fixture.catalog.is_onboarding_allowed());
}

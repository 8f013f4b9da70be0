//! The critical section: image and database stay the same, whatever fails or is dropped.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::task::{Context, Waker};

use super::*;
use crate::buckets::{Bucket, BucketType};
use crate::testing::{Fixture, NOW_NS, PASSWORD, assert_refused, is_postgres, onboarding_request};
use crate::{BucketId, Class, OnboardingRequest, OrganisationId, Secret, UserStatus};

/// A bucket whose organisation does not exist, which no rule has looked at: SQL refuses it.
fn orphan() -> Change {
    let bucket = Bucket {
        id: BucketId::from_u64(1).unwrap(),
        organisation_id: OrganisationId::from_u64(2).unwrap(),
        name: "orphan".to_owned(),
        description: String::new(),
        bucket_type: BucketType::User,
        retention: std::time::Duration::ZERO,
        shard_group_duration: std::time::Duration::ZERO,
        created_at_ns: 0,
        updated_at_ns: 0,
    };
    Change::PutBucket(Arc::new(bucket))
}

#[tokio::test]
async fn a_failed_change_leaves_no_trace() {
    let (mut fixture, _) = Fixture::onboarded().await;
    let user = fixture.catalog.find_user_by_name("u").unwrap();
    let before = fixture.catalog.image().clone();
    let failed = fixture.catalog.commit(|_| Ok((vec![Change::RemovePassword(user.id), orphan()], ()))).await;
    assert_refused(failed, Class::Internal, "An internal error has occurred - check server logs");
    assert!(*fixture.catalog.image() == before);
    fixture.catalog.create_user("v", UserStatus::Active).await.unwrap();
    fixture.reopen().await;
    assert!(fixture.catalog.verify_password("u", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_transaction_with_an_unknown_end_is_read_back() {
    let fixture = Fixture::new().await;
    let organisation = fixture.organisation("o").await;
    {
        // As after a panic between the commit and the image: the database is ahead.
        let mut writer = fixture.catalog.inner.writer.lock().await;
        writer.in_doubt = true;
        let database = writer.database.clone().unwrap();
        let renamed = crate::Organisation { name: "renamed".to_owned(), ..crate::Organisation::clone(&organisation) };
        sql::write(&database, &[Change::PutOrganisation(Arc::new(renamed))], 0).await.unwrap();
    }
    assert_eq!(fixture.catalog.find_organisation(organisation.id).unwrap().name, "o");
    let message = "organization with name renamed already exists";
    assert_refused(fixture.catalog.create_organisation("renamed", "", None).await, Class::Conflict, message);
    assert_eq!(fixture.catalog.find_organisation(organisation.id).unwrap().name, "renamed");
}

#[tokio::test]
async fn a_change_goes_on_when_nobody_waits_for_it() {
    let mut fixture = Fixture::new().await;
    for number in 0..20 {
        let name = format!("user {number}");
        let mut change = Box::pin(fixture.catalog.create_user(&name, UserStatus::Active));
        let polled = change.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        drop(change);
        // The next change waits for the dropped one.
        fixture.catalog.create_user(&format!("after {number}"), UserStatus::Active).await.unwrap();
        assert!(fixture.catalog.find_user_by_name(&name).is_ok());
    }
    fixture.reopen().await;
    assert_eq!(fixture.catalog.counts().users, 40);
}

#[tokio::test]
async fn of_equal_names_at_once_one_is_taken() {
    let mut fixture = Fixture::new().await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let catalog = fixture.catalog.clone();
            tokio::spawn(async move { catalog.create_organisation("same", "", None).await.is_ok() })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        created += usize::from(task.await.unwrap());
    }
    assert_eq!(created, 1);
    fixture.reopen().await;
}

#[tokio::test]
async fn a_closed_catalog_answers_and_changes_nothing() {
    let (fixture, setup) = Fixture::onboarded().await;
    fixture.catalog.close().await;
    fixture.catalog.close().await;
    assert!(fixture.catalog.authenticate_token(setup.token.expose()).is_ok());
    let refused = fixture.catalog.create_user("v", UserStatus::Active).await;
    assert_refused(refused, Class::Unavailable, "the resource database is closed");
    assert!(fixture.catalog.find_user_by_name("v").is_err());
}

#[tokio::test]
async fn ids_grow_over_a_restart_with_a_clock_that_went_back() {
    let mut fixture = Fixture::new().await;
    let deleted = fixture.catalog.create_user("u", UserStatus::Active).await.unwrap();
    fixture.catalog.delete_user(deleted.id).await.unwrap();
    fixture.clock.set_ns(NOW_NS - 86_400_000_000_000);
    fixture.reopen().await;
    let next = fixture.catalog.create_user("u", UserStatus::Active).await.unwrap();
    assert!(next.id > deleted.id);
}

#[tokio::test]
async fn no_secret_is_in_any_file() {
    if is_postgres() {
        return;
    }
    let fixture = Fixture::new().await;
    let catalog = &fixture.catalog;
    let request = OnboardingRequest { token: Some(Secret::from("a-chosen-token")), ..onboarding_request() };
    let setup = catalog.onboard(request).await.unwrap();
    let new = crate::NewAuthorization {
        organisation_id: setup.organisation.id,
        user_id: setup.user.id,
        description: "a visible text".to_owned(),
        status: crate::AuthorizationStatus::Active,
        permissions: setup.authorization.permissions.as_slice().to_vec(),
        token: None,
    };
    let random = catalog.create_authorization(new, None).await.unwrap().token;
    let session = catalog.create_session(setup.user.id).await.unwrap().key;
    let check = |when: &str| {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(fixture.directory.path()).unwrap() {
            bytes.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(contains("a visible text"), "{when}: the search finds what is there");
        for secret in ["a-chosen-token", PASSWORD, random.expose(), session.expose()] {
            assert!(!contains(secret), "{when}: {secret}");
        }
    };
    check("open");
    catalog.close().await;
    check("closed");
}

#[tokio::test]
async fn lists_ask_what_is_visible_without_the_lock() {
    let (fixture, _) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    // A look-up under the lock would wait for a writer that waits for the list.
    let unlocked = || catalog.inner.image.try_write().is_some();
    let page = crate::Page::default();
    let organisation = crate::OrganisationFilter { name: Some("o".to_owned()), ..Default::default() };
    assert_eq!(catalog.list_organisations(&organisation, &page, |_| unlocked()).unwrap().len(), 1);
    let bucket = crate::BucketFilter { name: Some("b".to_owned()), ..Default::default() };
    assert_eq!(catalog.list_buckets(&bucket, &page, |_| unlocked()).unwrap().len(), 1);
    let user = crate::UserFilter { name: Some("u".to_owned()), ..Default::default() };
    assert_eq!(catalog.list_users(&user, &page, |_| unlocked()).unwrap().len(), 1);
    assert_eq!(catalog.list_authorizations(&Default::default(), |_| unlocked()).unwrap().len(), 1);
}

//! Sessions: their key, end, renewal and number.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::testing::{Fixture, NOW_NS, assert_refused};
use crate::{Class, UserUpdate};

const MINUTE_NS: i64 = 60_000_000_000;

#[tokio::test]
async fn a_session_lasts_an_hour() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let new = fixture.catalog.create_session(setup.user.id).await.unwrap();
    assert_eq!(new.key.expose().len(), 88);
    assert_eq!((new.session.created_at_ns, new.session.expires_at_ns), (NOW_NS, NOW_NS + 60 * MINUTE_NS));
    fixture.reopen().await;
    let find = || fixture.catalog.find_session(new.key.expose());
    assert_eq!(find().unwrap(), new.session);
    fixture.clock.set_ns(NOW_NS + 60 * MINUTE_NS - 1);
    assert!(find().is_some());
    fixture.clock.set_ns(NOW_NS + 60 * MINUTE_NS);
    assert!(find().is_none());
    assert!(fixture.catalog.find_session("no key").is_none());
}

#[tokio::test]
async fn use_renews_a_session_near_its_end() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let key = fixture.catalog.create_session(setup.user.id).await.unwrap().key;
    let steps = [
        // Minutes since the start, and where the end is after a use at that time.
        (0, Some(60)),
        (55, Some(60)),
        (56, Some(61)),
        (60, Some(65)),
        (60, Some(65)),
        (64, Some(69)),
        (69, None),
    ];
    for (at, expected) in steps {
        fixture.clock.set_ns(NOW_NS + at * MINUTE_NS);
        fixture.catalog.renew_session(key.expose()).await.unwrap();
        let end = fixture.catalog.find_session(key.expose()).map(|session| session.expires_at_ns);
        assert_eq!(end, expected.map(|minutes| NOW_NS + minutes * MINUTE_NS), "use at {at} minutes");
    }
    fixture.catalog.renew_session("no key").await.unwrap();
    fixture.reopen().await;
}

#[tokio::test]
async fn expired_sessions_are_purged() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let old = fixture.catalog.create_session(setup.user.id).await.unwrap();
    fixture.clock.set_ns(old.session.expires_at_ns);
    assert_eq!(fixture.catalog.image().sessions.len(), 1);
    fixture.catalog.create_session(setup.user.id).await.unwrap();
    assert_eq!(fixture.catalog.image().sessions.len(), 1);
    fixture.reopen().await;
    fixture.clock.set_ns(NOW_NS);
    assert!(fixture.catalog.find_session(old.key.expose()).is_none(), "not even by a clock that goes back");
}

#[tokio::test]
async fn the_oldest_session_gives_way() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let other = catalog.create_user("v", crate::UserStatus::Active).await.unwrap();
    let of_other = catalog.create_session(other.id).await.unwrap();
    let mut keys = Vec::new();
    for second in 0..=SESSIONS_PER_USER_MAX {
        fixture.clock.set_ns(NOW_NS + i64::try_from(second).unwrap() * 1_000_000_000);
        keys.push(catalog.create_session(setup.user.id).await.unwrap().key);
    }
    let alive: Vec<bool> = keys.iter().map(|key| catalog.find_session(key.expose()).is_some()).collect();
    assert!(!alive[0] && alive[1..].iter().all(|alive| *alive), "{alive:?}");
    assert!(catalog.find_session(of_other.key.expose()).is_some(), "the bound is for each user");
}

#[tokio::test]
async fn a_deleted_session_is_gone() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let key = fixture.catalog.create_session(setup.user.id).await.unwrap().key;
    assert!(fixture.catalog.delete_session(key.expose()).await.unwrap());
    assert!(!fixture.catalog.delete_session(key.expose()).await.unwrap());
    assert!(fixture.catalog.find_session(key.expose()).is_none());
    let key = fixture.catalog.create_session(setup.user.id).await.unwrap().key;
    fixture.clock.advance(SESSION_LENGTH);
    assert!(!fixture.catalog.delete_session(key.expose()).await.unwrap(), "an expired one counts as none");
    assert!(fixture.catalog.image().sessions.is_empty());
    fixture.reopen().await;
}

#[tokio::test]
async fn inactive_users_get_no_session() {
    let (fixture, setup) = Fixture::onboarded().await;
    let update = UserUpdate { name: None, status: Some(UserStatus::Inactive) };
    fixture.catalog.update_user(setup.user.id, update).await.unwrap();
    let refused = fixture.catalog.create_session(setup.user.id).await;
    assert_refused(refused, Class::Forbidden, "User is inactive");
}

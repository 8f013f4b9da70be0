//! Mappings, stored and virtual, over a catalog in a temporary directory.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::testing::{Fixture, assert_refused};
use crate::{Class, NewBucket};

async fn bucket(fixture: &Fixture, organisation_id: OrganisationId, name: &str) -> Arc<Bucket> {
    let new = NewBucket {
        organisation_id,
        name: name.to_owned(),
        description: String::new(),
        retention: Duration::ZERO,
        shard_group_duration: None,
    };
    fixture.catalog.create_bucket(new).await.unwrap()
}

/// `database.policy`, with `*` for the default and `~` for one that is virtual; those of the system left out.
fn shown(fixture: &Fixture, organisation: OrganisationId) -> Vec<String> {
    let own = fixture.catalog.list_dbrps(organisation).into_iter().filter(|dbrp| !dbrp.database.starts_with('_'));
    let text = |dbrp: Dbrp| {
        let (default, kind) = (if dbrp.is_default { "*" } else { "" }, if dbrp.is_virtual { "~" } else { "" });
        format!("{}.{}{default}{kind}", dbrp.database, dbrp.retention_policy)
    };
    own.map(text).collect()
}

fn new(organisation_id: OrganisationId, bucket_id: BucketId, database: &str, policy: &str) -> NewDbrp {
    let (database, retention_policy) = (database.to_owned(), policy.to_owned());
    NewDbrp { organisation_id, database, retention_policy, is_default: false, bucket_id }
}

#[tokio::test]
async fn buckets_without_a_stored_mapping_have_a_virtual_one() {
    let (fixture, setup) = Fixture::onboarded().await;
    let organisation = setup.organisation.id;
    let (week, alone) = (bucket(&fixture, organisation, "b/week").await, bucket(&fixture, organisation, "x/day").await);
    assert_eq!(shown(&fixture, organisation), ["b.autogen*~", "b.week~", "x.day*~"]);
    let find = |database: &str, policy: Option<&str>| {
        fixture.catalog.find_dbrp_bucket(organisation, Some(database), policy).map(|bucket| bucket.id)
    };
    assert_eq!(find("b", None), Ok(setup.bucket.id));
    assert_eq!(find("b", Some("autogen")), Ok(setup.bucket.id));
    assert_eq!(find("b", Some("week")), Ok(week.id));
    assert_eq!(find("x", None), Ok(alone.id));
    assert_eq!(find("x", Some("")), Ok(alone.id));
    assert_eq!(find("x", Some("autogen")), Err(DbrpError::Policy("autogen".to_owned())));
    assert_eq!(find("y", None), Err(DbrpError::Database("y".to_owned())));
    assert_eq!(find("", None), Err(DbrpError::NoDatabase));
    assert_eq!(find("b/week", None), Err(DbrpError::Database("b/week".to_owned())));
}

#[tokio::test]
async fn stored_mappings_hide_virtual_ones_and_have_one_default() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let organisation = setup.organisation.id;
    let other = bucket(&fixture, organisation, "other").await;
    let first = fixture.catalog.create_dbrp(new(organisation, other.id, "db", "one")).await.unwrap();
    assert!(first.is_default, "the first of a database is its default");
    assert_eq!(shown(&fixture, organisation), ["b.autogen*~", "db.one*"]);
    let second = NewDbrp { is_default: true, ..new(organisation, setup.bucket.id, "db", "two") };
    let second = fixture.catalog.create_dbrp(second).await.unwrap();
    assert_eq!(shown(&fixture, organisation), ["db.one", "db.two*"]);
    fixture.reopen().await;
    assert_eq!(shown(&fixture, organisation), ["db.one", "db.two*"]);
    let found = fixture.catalog.find_dbrp_bucket(organisation, Some("db"), None).unwrap();
    assert_eq!(found.id, setup.bucket.id);

    let update = DbrpUpdate { retention_policy: Some("uno".to_owned()), is_default: Some(true) };
    fixture.catalog.update_dbrp(organisation, first.id, update).await.unwrap();
    assert_eq!(shown(&fixture, organisation), ["db.two", "db.uno*"]);
    let update = DbrpUpdate { is_default: Some(false), ..DbrpUpdate::default() };
    fixture.catalog.update_dbrp(organisation, first.id, update).await.unwrap();
    assert_eq!(shown(&fixture, organisation), ["db.two*", "db.uno"]);
    fixture.catalog.delete_dbrp(organisation, second.id).await.unwrap();
    assert_eq!(shown(&fixture, organisation), ["b.autogen*~", "db.uno*"]);
    // A bucket takes its mappings along, also those of an organisation that goes.
    fixture.catalog.delete_bucket(other.id).await.unwrap();
    assert_eq!(shown(&fixture, organisation), ["b.autogen*~"]);
    fixture.catalog.create_dbrp(new(organisation, setup.bucket.id, "db", "one")).await.unwrap();
    fixture.catalog.delete_organisation(organisation).await.unwrap();
    fixture.reopen().await;
    assert_eq!(fixture.catalog.list_dbrps(organisation), []);
}

#[tokio::test]
async fn a_virtual_policy_can_become_the_default() {
    let (fixture, setup) = Fixture::onboarded().await;
    let organisation = setup.organisation.id;
    bucket(&fixture, organisation, "b/week").await;
    fixture.catalog.set_default_policy(organisation, "b", "week").await.unwrap();
    assert_eq!(shown(&fixture, organisation), ["b.autogen~", "b.week*"]);
    fixture.catalog.set_default_policy(organisation, "b", "autogen").await.unwrap();
    assert_eq!(shown(&fixture, organisation), ["b.autogen*", "b.week"]);
    fixture.catalog.set_default_policy(organisation, "b", "week").await.unwrap();
    assert_eq!(shown(&fixture, organisation), ["b.autogen", "b.week*"]);
    let absent = fixture.catalog.set_default_policy(organisation, "b", "year").await;
    assert_refused(absent, Class::NotFound, "unable to find DBRP");
}

#[tokio::test]
async fn what_cannot_be_mapped_is_refused() {
    let (fixture, setup) = Fixture::onboarded().await;
    let organisation = setup.organisation.id;
    let create = |database: &str, policy: &str| {
        fixture.catalog.create_dbrp(new(organisation, setup.bucket.id, database, policy))
    };
    let text = "DBRP provided is invalid: database must contain at least one character and only be letters, numbers, \
                '_', '-', and '.'";
    for name in ["", ".", "..", "a/b", "a\\b", "a\u{7}"] {
        assert_refused(create(name, "rp").await, Class::Invalid, text);
    }
    create("db", "rp").await.unwrap();
    assert_refused(create("db", "rp").await, Class::Conflict, "DBRP already exists");
    let foreign = fixture.organisation("p").await;
    let of_another = fixture.catalog.create_dbrp(new(foreign.id, setup.bucket.id, "db", "rp")).await;
    assert_refused(of_another, Class::NotFound, "bucket not found");
    let id = fixture.catalog.list_dbrps(organisation).into_iter().find(|dbrp| !dbrp.is_virtual).unwrap().id;
    assert_refused(fixture.catalog.delete_dbrp(foreign.id, id).await, Class::NotFound, "unable to find DBRP");
}

/// The quick ways give what the list of all mappings says.
#[tokio::test]
async fn buckets_are_found_as_they_are_listed() {
    let (fixture, setup) = Fixture::onboarded().await;
    let organisation = setup.organisation.id;
    for name in ["b/week", "c", "c/day", "cc", "d/one", "d/two"] {
        bucket(&fixture, organisation, name).await;
    }
    let id = |name: &str| fixture.catalog.find_bucket_by_name(organisation, name).unwrap().id;
    for (bucket, database, policy) in [("c", "b", "other"), ("cc", "new", "rp"), ("d/one", "d", "autogen")] {
        fixture.catalog.create_dbrp(new(organisation, id(bucket), database, policy)).await.unwrap();
    }
    let all = fixture.catalog.list_dbrps(organisation);
    let databases: BTreeSet<&str> = all.iter().map(|dbrp| dbrp.database.as_str()).collect();
    for database in databases {
        let of_it: Vec<&Dbrp> = all.iter().filter(|dbrp| dbrp.database == database).collect();
        let find = |policy| fixture.catalog.find_dbrp_bucket(organisation, Some(database), policy);
        for dbrp in &of_it {
            assert_eq!(find(Some(&dbrp.retention_policy)).unwrap().id, dbrp.bucket_id, "{dbrp:?}");
        }
        let default = of_it.iter().find(|dbrp| dbrp.is_default).map(|dbrp| dbrp.bucket_id);
        assert_eq!(find(None).ok().map(|bucket| bucket.id), default, "{database}");
        let listed: BTreeSet<BucketId> = of_it.iter().map(|dbrp| dbrp.bucket_id).collect();
        let found = buckets_of(&fixture.catalog.image(), organisation, database);
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), listed, "{database}");
    }
    assert!(fixture.catalog.find_dbrp_bucket(organisation, Some("cc"), None).is_err());
}

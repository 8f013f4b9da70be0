//! Owners, members, and what their sessions may do.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::UserStatus;
use crate::error::Class;
use crate::testing::{Fixture, assert_refused};

#[tokio::test]
async fn owners_and_members_are_added_listed_and_removed() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let catalog = fixture.catalog.clone();
    let user = catalog.create_user("v", UserStatus::Active).await.unwrap();
    let bucket = MappedResource::bucket(setup.bucket.id);
    let names = |role: Role| -> Vec<String> {
        catalog.list_mappings(bucket, role).unwrap().iter().map(|user| user.name.clone()).collect()
    };
    assert!(names(Role::Owner).is_empty() && names(Role::Member).is_empty());
    assert_eq!(catalog.add_mapping(bucket, user.id, Role::Member).await.unwrap(), user);
    catalog.add_mapping(bucket, setup.user.id, Role::Owner).await.unwrap();
    assert_eq!((names(Role::Owner), names(Role::Member)), (vec!["u".to_owned()], vec!["v".to_owned()]));
    let message =
        format!("Unexpected error when assigning user to a resource: mapping for user {} already exists", user.id);
    assert_refused(catalog.add_mapping(bucket, user.id, Role::Owner).await, Class::Conflict, &message);
    let message = "user to resource mapping not found";
    assert_refused(catalog.remove_mapping(bucket, user.id, Role::Owner).await, Class::NotFound, message);
    fixture.reopen().await;
    fixture.catalog.remove_mapping(bucket, user.id, Role::Member).await.unwrap();
    assert!(fixture.catalog.list_mappings(bucket, Role::Member).unwrap().is_empty());
    fixture.reopen().await;
}

#[tokio::test]
async fn what_does_not_exist_has_no_owners() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let unknown = MappedResource::bucket(BucketId::from_u64(1).unwrap());
    assert_refused(catalog.list_mappings(unknown, Role::Owner), Class::NotFound, "bucket not found");
    let add = catalog.add_mapping(unknown, setup.user.id, Role::Owner).await;
    assert_refused(add, Class::NotFound, "bucket not found");
    let unknown = MappedResource::organisation(OrganisationId::from_u64(1).unwrap());
    assert_refused(catalog.list_mappings(unknown, Role::Owner), Class::NotFound, "organization not found");
    let nobody = UserId::from_u64(1).unwrap();
    let add = catalog.add_mapping(MappedResource::bucket(setup.bucket.id), nobody, Role::Owner).await;
    assert_refused(add, Class::NotFound, "user not found");
}

#[tokio::test]
async fn sessions_may_do_what_the_roles_of_their_user_allow() {
    let (fixture, setup) = Fixture::onboarded().await;
    let catalog = &fixture.catalog;
    let (organisation, bucket) = (setup.organisation.id, setup.bucket.id);
    let other = catalog.create_organisation("p", "", None).await.unwrap().id;
    let (read, write) = (Action::Read, Action::Write);
    let check = async |resource: Option<(MappedResource, Role)>, allowed: &[Permission], denied: &[Permission]| {
        let name = format!("{resource:?}");
        let user = catalog.create_user(&name, UserStatus::Active).await.unwrap().id;
        if let Some((resource, role)) = resource {
            catalog.add_mapping(resource, user, role).await.unwrap();
        }
        let held = catalog.user_permissions(user);
        for permission in allowed {
            assert!(held.allows(permission), "{name}: {permission}");
        }
        for permission in denied {
            assert!(!held.allows(permission), "{name}: {permission}");
        }
        assert!(held.allows(&Permission::on_user(write, user)), "everybody is master of itself");
        assert_eq!(held.allows(&Permission::on_user(read, setup.user.id)), name.contains("Instance"), "{name}");
    };
    let in_own = |action| Permission::on_bucket(action, bucket, organisation);
    let in_other = Permission::in_organisation(read, ResourceType::Buckets, other);
    let tasks = |action| Permission::in_organisation(action, ResourceType::Tasks, organisation);
    let own = |action| Permission::on_organisation(action, organisation);
    let instance = Some(MappedResource::INSTANCE);
    let of = |resource: Option<MappedResource>, role: Role| resource.map(|resource| (resource, role));
    check(None, &[], &[in_own(read), tasks(read), own(read), in_other]).await;
    let resource = Some(MappedResource::organisation(organisation));
    let all = [in_own(read), in_own(write), tasks(write), own(write)];
    check(of(resource, Role::Owner), &all, &[in_other]).await;
    let (reads, writes) = ([in_own(read), tasks(read), own(read)], [in_own(write), tasks(write), own(write), in_other]);
    check(of(resource, Role::Member), &reads, &writes).await;
    let resource = Some(MappedResource::bucket(bucket));
    check(of(resource, Role::Owner), &[in_own(read), in_own(write)], &[tasks(read), own(read), in_other]).await;
    check(of(resource, Role::Member), &[in_own(read)], &[in_own(write), tasks(read), in_other]).await;
    check(of(instance, Role::Owner), &[in_own(write), tasks(write), own(write), in_other], &[]).await;
    check(of(instance, Role::Member), &[in_own(read), in_other], &[in_own(write), own(write)]).await;
}

//! Matching, granting, texts and storage of permissions.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::error::UnknownWordError;

fn organisation(number: u64) -> OrganisationId {
    OrganisationId::from_u64(number).unwrap()
}

/// A permission in short: `write buckets org=1 id=2`.
fn permission(text: &str) -> Permission {
    let mut words = text.split(' ');
    let action = words.next().unwrap().parse().unwrap();
    let resource_type = words.next().unwrap().parse().unwrap();
    let mut resource = Resource { resource_type, id: None, organisation_id: None };
    for word in words {
        match word.split_once('=').unwrap() {
            ("id", id) => resource.id = Some(id.parse().unwrap()),
            ("org", id) => resource.organisation_id = Some(organisation(id.parse().unwrap())),
            _ => panic!("{word}"),
        }
    }
    Permission { action, resource }
}

#[test]
fn permissions_match_by_action_type_organisation_and_id() {
    let check = |held: &str, needed: &str, expected: bool| {
        assert_eq!(permission(held).matches(&permission(needed)), expected, "{held} for {needed}");
    };
    // The action is the same.
    check("read buckets", "read buckets", true);
    check("read buckets", "write buckets", false);
    check("write buckets", "read buckets", false);
    check("write instance", "read buckets org=1", false);
    // The instance is everything.
    check("read instance", "read buckets org=1 id=2", true);
    check("read instance", "read users id=3", true);
    check("read instance org=9", "read tasks", true);
    check("read buckets", "read instance", false);
    // The type is the same.
    check("read buckets", "read tasks", false);
    check("read buckets id=2", "read tasks id=2", false);
    // Neither organisation nor id: all.
    check("read buckets", "read buckets org=1", true);
    check("read buckets", "read buckets org=1 id=2", true);
    check("read users", "read users id=2", true);
    // An organisation: all in it.
    check("read buckets org=1", "read buckets org=1", true);
    check("read buckets org=1", "read buckets org=1 id=2", true);
    check("read buckets org=1", "read buckets org=2 id=2", false);
    check("read buckets org=1", "read buckets id=2", false);
    check("read buckets org=1", "read buckets", false);
    // An id: that one.
    check("read buckets id=2", "read buckets id=2", true);
    check("read buckets id=2", "read buckets org=1 id=2", true);
    check("read buckets id=2", "read buckets org=1 id=3", false);
    check("read buckets id=2", "read buckets org=1", false);
    check("read buckets id=2", "read buckets", false);
    // Both: that one, and not in another organisation.
    check("read buckets org=1 id=2", "read buckets org=1 id=2", true);
    check("read buckets org=1 id=2", "read buckets id=2", true);
    check("read buckets org=1 id=2", "read buckets org=3 id=2", false);
    check("read buckets org=1 id=2", "read buckets org=1 id=3", false);
    check("read buckets org=1 id=2", "read buckets org=1", false);
    check("read buckets org=1 id=2", "read buckets", false);
}

#[test]
fn nobody_grants_more_than_they_have() {
    let all_access = all_access_permissions(organisation(1));
    let check = |held: &PermissionSet, granted: &str, expected: bool| {
        assert_eq!(held.may_grant(&permission(granted)), expected, "{granted}");
    };
    for granted in ["read buckets", "write tasks org=2", "write users id=7", "write users org=1 id=7", "read orgs id=4"]
    {
        check(&operator_permissions(), granted, true);
    }
    check(&operator_permissions(), "read instance", false);
    check(&all_access, "read buckets org=1", true);
    check(&all_access, "write buckets org=1 id=2", true);
    check(&all_access, "write orgs id=1", true);
    check(&all_access, "read buckets", false);
    check(&all_access, "read buckets id=2", false);
    check(&all_access, "read buckets org=2", false);
    check(&all_access, "write orgs id=2", false);
    check(&all_access, "write orgs org=1 id=2", false);
    check(&all_access, "read users org=1", true);
    check(&all_access, "write users org=1 id=7", false);
    check(&all_access, "write instance org=1 id=1", false);
    check(&PermissionSet::new(Vec::new()), "read buckets org=1", false);
}

#[test]
fn a_granted_permission_never_reaches_further_than_the_granter() {
    let types = ["buckets", "users", "orgs", "instance"];
    let places = ["", " org=1", " org=2", " id=1", " id=2", " org=1 id=1", " org=1 id=2", " org=2 id=2"];
    let all = types.iter().flat_map(|kind| places.map(|place| permission(&format!("write {kind}{place}"))));
    // What the server checks: an organisation owns buckets, and nothing owns users and organisations.
    let needed = ["buckets org=1", "buckets org=2", "buckets org=1 id=1", "buckets org=2 id=2", "users", "users id=1"];
    let needed = needed.iter().chain(&["users id=2", "orgs", "orgs id=1", "orgs id=2"]);
    let needed: Vec<Permission> = needed.map(|text| permission(&format!("write {text}"))).collect();
    for held in all.clone() {
        let granter = PermissionSet::new(vec![held]);
        for granted in all.clone().filter(|granted| granter.may_grant(granted)) {
            for request in needed.iter().filter(|request| granted.matches(request)) {
                assert!(held.matches(request), "{held} granted {granted}, which reaches {request}");
            }
        }
    }
}

#[test]
fn an_operator_has_44_permissions_on_everything() {
    let set = operator_permissions();
    assert_eq!(ResourceType::ALL.len(), 23);
    assert_eq!(set.as_slice().len(), 44);
    for held in set.as_slice() {
        assert_eq!((held.resource.id, held.resource.organisation_id), (None, None), "{held}");
        assert_ne!(held.resource.resource_type, ResourceType::Instance);
    }
    assert!(set.allows(&permission("write buckets org=5 id=6")));
}

#[test]
fn all_access_has_44_permissions_in_one_organisation() {
    let set = all_access_permissions(organisation(1));
    assert_eq!(set.as_slice().len(), 44);
    let check = |needed: &str, expected: bool| assert_eq!(set.allows(&permission(needed)), expected, "{needed}");
    check("write buckets org=1 id=6", true);
    check("read tasks org=1", true);
    check("write orgs id=1", true);
    check("write buckets org=2 id=6", false);
    check("read orgs id=2", false);
    check("read users id=2", false);
}

#[test]
fn texts_are_those_of_influxdb() {
    let check = |short: &str, expected: &str| assert_eq!(permission(short).to_string(), expected);
    check("read buckets", "read:buckets");
    check("write buckets org=1", "write:orgs/0000000000000001/buckets");
    check("write buckets org=1 id=171", "write:orgs/0000000000000001/buckets/00000000000000ab");
    check("read users id=171", "read:users/00000000000000ab");
    check("write orgs id=1", "write:orgs/0000000000000001");
    let denied = PermissionSet::new(Vec::new()).require(permission("write buckets org=1 id=2")).unwrap_err();
    assert_eq!(denied.to_string(), "write:orgs/0000000000000001/buckets/0000000000000002 is unauthorized");
    assert_eq!(denied.class(), crate::Class::Unauthorized);
}

#[test]
fn words_are_parsed_exactly() {
    assert_eq!("read".parse(), Ok(Action::Read));
    assert_eq!("fly".parse::<Action>(), Err(UnknownWordError::Action));
    assert_eq!("notificationRules".parse(), Ok(ResourceType::NotificationRules));
    assert_eq!("notificationrules".parse::<ResourceType>(), Err(UnknownWordError::ResourceType));
    for resource_type in ResourceType::ALL {
        assert_eq!(resource_type.as_str().parse(), Ok(*resource_type));
    }
    let message = "invalid action type for permission: unknown action for permission";
    assert_eq!(UnknownWordError::Action.to_string(), message);
}

#[test]
fn sets_survive_sql() {
    let custom = ["read buckets", "write tasks org=1", "read users id=18446744073709551615", "write checks org=3 id=4"];
    let custom = PermissionSet::new(custom.iter().map(|short| permission(short)).collect());
    for set in [custom, operator_permissions(), all_access_permissions(organisation(7)), PermissionSet::new(vec![])] {
        assert_eq!(PermissionSet::from_stored(&set.to_stored().unwrap()), Some(set));
    }
}

#[test]
fn damaged_texts_are_no_sets() {
    let check = |text: &str| assert_eq!(PermissionSet::from_stored(text), None, "{text}");
    check("");
    check("{}");
    check(r#"[{"action":"fly","resource_type":"buckets"}]"#);
    check(r#"[{"action":"read","resource_type":"planets"}]"#);
    check(r#"[{"action":"read","resource_type":"buckets","id":"1"}]"#);
    check(r#"[{"action":"read","resource_type":"buckets","organisation":"0000000000000001"}]"#);
}

#[test]
fn an_intersection_allows_what_both_do() {
    let [one, two] = [1, 2].map(|id| OrganisationId::from_u64(id).unwrap());
    let bucket = |id| BucketId::from_u64(id).unwrap();
    let in_organisation = |organisation| Permission::in_organisation(Action::Read, ResourceType::Buckets, organisation);
    let on_bucket = Permission::on_one(Action::Read, ResourceType::Buckets, 7, None);
    let set = |permissions: &[Permission]| PermissionSet::new(permissions.to_vec());
    let all = set(&[Permission::on_type(Action::Read, ResourceType::Buckets)]);
    let both = |left: &PermissionSet, right: &PermissionSet| {
        assert_eq!(left.intersection(right), right.intersection(left));
        left.intersection(right)
    };
    assert_eq!(both(&all, &set(&[in_organisation(one)])), set(&[in_organisation(one)]));
    assert_eq!(both(&set(&[in_organisation(two)]), &set(&[in_organisation(one)])), set(&[]));
    let narrowed = both(&set(&[in_organisation(one)]), &set(&[on_bucket]));
    assert!(narrowed.allows(&Permission::on_bucket(Action::Read, bucket(7), one)));
    assert!(!narrowed.allows(&Permission::on_bucket(Action::Read, bucket(7), two)));
    assert!(!narrowed.allows(&Permission::on_bucket(Action::Read, bucket(8), one)));
    assert!(!narrowed.allows(&Permission::on_bucket(Action::Write, bucket(7), one)));
    let instance = set(&[Permission::on_type(Action::Read, ResourceType::Instance)]);
    assert_eq!(both(&instance, &all), all);
    let write = set(&[Permission::on_type(Action::Write, ResourceType::Buckets)]);
    assert_eq!(both(&write, &all), set(&[]));
}

//! `freshet auth`: tokens, `/api/v2/authorizations`.

use catalog::{Action, ResourceType};
use freshet_client::{ApiRequest, Method};
use serde_json::{Value, json};

use super::{ManageError, Session, id_of, narrowed, object, take_list};
use crate::options::{AuthCreateOptions, AuthListOptions, IdOptions};
use crate::output::{Column, text};

const PATH: &str = "api/v2/authorizations";

const COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("Description", |row| text(row, "/description")),
    Column("Token", |row| text(row, "/token")),
    Column("User Name", |row| text(row, "/user")),
    Column("User ID", |row| text(row, "/userID")),
    Column("Permissions", permissions),
];

/// `[read:orgs/<id>/buckets/<id> write:/tasks]`.
pub(super) fn permissions(authorization: &Value) -> String {
    let permissions = authorization["permissions"].as_array().into_iter().flatten();
    let words: Vec<String> = permissions
        .map(|permission| {
            let resource = &permission["resource"];
            let organisation = resource["orgID"].as_str().map(|id| format!("orgs/{id}")).unwrap_or_default();
            let id = resource["id"].as_str().map(|id| format!("/{id}")).unwrap_or_default();
            format!("{}:{organisation}/{}{id}", text(permission, "/action"), text(resource, "/type"))
        })
        .collect();
    format!("[{}]", words.join(" "))
}

/// A permission on one kind, narrowed to one resource or one organisation where they are given.
fn permission(action: Action, kind: ResourceType, id: Option<&str>, organisation_id: Option<&str>) -> Value {
    let resource = object([
        ("type", Some(json!(kind.as_str()))),
        ("id", id.map(Value::from)),
        ("orgID", organisation_id.map(Value::from)),
    ]);
    json!({ "action": action.as_str(), "resource": resource })
}

/// Permissions on buckets by their ids.
pub(super) fn on_buckets(action: Action, ids: &[String], organisation_id: &str) -> impl Iterator<Item = Value> {
    ids.iter().map(move |id| permission(action, ResourceType::Buckets, Some(id), Some(organisation_id)))
}

/// Organisations and users belong to no organisation, so a permission on them names none.
fn owner(kind: ResourceType, organisation_id: &str) -> Option<&str> {
    (!matches!(kind, ResourceType::Users | ResourceType::Orgs)).then_some(organisation_id)
}

/// What the flags ask for.
fn wanted(options: &AuthCreateOptions, organisation_id: &str) -> Result<Vec<Value>, ManageError> {
    let kinds = ResourceType::ALL.iter().copied().filter(|kind| *kind != ResourceType::Instance);
    let both = |kind| [(Action::Read, kind), (Action::Write, kind)];
    if options.operator {
        return Ok(kinds.flat_map(both).map(|(action, kind)| permission(action, kind, None, None)).collect());
    }
    if options.all_access {
        let owned = kinds.filter(|kind| owner(*kind, organisation_id).is_some()).flat_map(both);
        let mut wanted: Vec<Value> =
            owned.map(|(action, kind)| permission(action, kind, None, Some(organisation_id))).collect();
        wanted.extend(
            [Action::Read, Action::Write]
                .map(|action| permission(action, ResourceType::Orgs, Some(organisation_id), None)),
        );
        return Ok(wanted);
    }
    let mut wanted: Vec<Value> = on_buckets(Action::Read, &options.read_bucket, organisation_id).collect();
    wanted.extend(on_buckets(Action::Write, &options.write_bucket, organisation_id));
    let flags = options.permissions.0.iter();
    wanted.extend(flags.map(|(action, kind)| permission(*action, *kind, None, owner(*kind, organisation_id))));
    if wanted.is_empty() { Err(ManageError::NoPermission) } else { Ok(wanted) }
}

pub(super) async fn create(session: &Session, options: AuthCreateOptions) -> Result<(), ManageError> {
    let organisation_id = session.organisation_id(&options.organisation).await?;
    let user_id = match &options.user {
        Some(name) => {
            let request = ApiRequest::new(Method::Get, "api/v2/users").parameter("name", name);
            Some(id_of(&session.find_one(request, "users", "user", name).await?)?)
        }
        None => None,
    };
    let permissions = wanted(&options, &organisation_id)?;
    let body = object([
        ("orgID", Some(json!(organisation_id))),
        ("userID", user_id.map(Value::from)),
        ("description", options.description.map(Value::from)),
        ("permissions", Some(json!(permissions))),
    ]);
    session.print_one(&session.post(PATH, body).await?, COLUMNS)
}

pub(super) async fn list(session: &Session, options: AuthListOptions) -> Result<(), ManageError> {
    if let Some(id) = options.id {
        return session.print_all(&[session.get(&format!("{PATH}/{id}")).await?], COLUMNS);
    }
    let request = session.in_organisation(ApiRequest::new(Method::Get, PATH), &options.organisation);
    let request = narrowed(request, [("user", options.user), ("userID", options.user_id)]);
    // The list has no pages.
    session.print_all(&take_list(&mut session.call(request).await?, "authorizations")?, COLUMNS)
}

pub(super) async fn activate(session: &Session, options: IdOptions) -> Result<(), ManageError> {
    set_status(session, &options.id, "active").await
}

pub(super) async fn deactivate(session: &Session, options: IdOptions) -> Result<(), ManageError> {
    set_status(session, &options.id, "inactive").await
}

async fn set_status(session: &Session, id: &str, status: &str) -> Result<(), ManageError> {
    session.print_one(&session.patch(&format!("{PATH}/{id}"), json!({ "status": status })).await?, COLUMNS)
}

pub(super) async fn delete(session: &Session, options: IdOptions) -> Result<(), ManageError> {
    session.remove_one(&format!("{PATH}/{}", options.id), COLUMNS).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use clap::Parser as _;

    use super::*;
    use crate::options::{AuthCommand, Command, CommandLine};

    fn wanted_by(flags: &[&str]) -> Result<Vec<Value>, ManageError> {
        let line = CommandLine::try_parse_from([&["freshet", "auth", "create"], flags].concat()).unwrap();
        let Command::Auth(command) = line.command else { panic!("another command") };
        let AuthCommand::Create(options) = *command else { panic!("another command") };
        wanted(&options.own, "0000000000000001")
    }

    #[test]
    fn flags_become_permissions() {
        assert!(matches!(wanted_by(&[]), Err(ManageError::NoPermission)));
        let some = wanted_by(&["--read-bucket", "b1", "--write-bucket", "b2", "--write-tasks", "--read-user"]).unwrap();
        assert_eq!(
            permissions(&json!({ "permissions": some })),
            "[read:orgs/0000000000000001/buckets/b1 write:orgs/0000000000000001/buckets/b2 \
             write:orgs/0000000000000001/tasks read:/users]"
        );
        let operator = wanted_by(&["--operator"]).unwrap();
        assert!(operator.iter().all(|permission| permission["resource"]["orgID"].is_null()));
        assert_eq!(operator.len(), 2 * (ResourceType::ALL.len() - 1));
        let all = permissions(&json!({ "permissions": wanted_by(&["--all-access"]).unwrap() }));
        assert!(all.contains("write:/orgs/0000000000000001") && !all.contains("/users"), "{all}");
    }
}

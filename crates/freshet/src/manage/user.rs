//! `freshet user`: `/api/v2/users` and their passwords.

use freshet_client::{ApiRequest, Method};
use serde_json::json;

use super::{ManageError, Session, id_of, narrowed};
use crate::options::{IdOptions, ListOptions, UserCreateOptions, UserPasswordOptions, UserUpdateOptions};
use crate::output::{Column, text};
use crate::prompt;

const PATH: &str = "api/v2/users";

const COLUMNS: &[Column] = &[Column("ID", |row| text(row, "/id")), Column("Name", |row| text(row, "/name"))];

/// Makes the user, then a member of the organisation, then sets the password. The organisation is looked up first, so
/// that a wrong one leaves nothing behind.
pub(super) async fn create(session: &Session, options: UserCreateOptions) -> Result<(), ManageError> {
    let organisation_id = match session.organisation(&options.organisation) {
        Some(_) => Some(session.organisation_id(&options.organisation).await?),
        None => None,
    };
    let user = session.post(PATH, json!({ "name": options.name })).await?;
    let id = id_of(&user)?;
    if let Some(organisation_id) = organisation_id {
        let _ = session.post(&format!("api/v2/orgs/{organisation_id}/members"), json!({ "id": id })).await?;
    }
    if let Some(password) = options.password {
        let _ = session.post(&format!("{PATH}/{id}/password"), json!({ "password": password })).await?;
    }
    session.print_one(&user, COLUMNS)
}

pub(super) async fn list(session: &Session, options: ListOptions) -> Result<(), ManageError> {
    let request = narrowed(ApiRequest::new(Method::Get, PATH), [("id", options.id), ("name", options.name)]);
    session.print_all(&session.list(&request, "users", (0, 0)).await?, COLUMNS)
}

pub(super) async fn update(session: &Session, options: UserUpdateOptions) -> Result<(), ManageError> {
    let user = session.patch(&format!("{PATH}/{}", options.id), json!({ "name": options.name })).await?;
    session.print_one(&user, COLUMNS)
}

pub(super) async fn delete(session: &Session, options: IdOptions) -> Result<(), ManageError> {
    session.remove_one(&format!("{PATH}/{}", options.id), COLUMNS).await
}

pub(super) async fn password(session: &Session, options: UserPasswordOptions) -> Result<(), ManageError> {
    let user = session.resource(ApiRequest::new(Method::Get, PATH), (PATH, "users", "user"), &options.which).await?;
    let password = prompt::new_password(options.password)?;
    let path = format!("{PATH}/{}/password", id_of(&user)?);
    session.post(&path, json!({ "password": password })).await.map(drop)
}

//! `freshet secret`: `/api/v2/orgs/{id}/secrets`. Values go in and are never printed.

use serde_json::{Value, json};

use super::{ManageError, Session, take_list, with_session};
use crate::options::{OrganisationOptions, SecretCommand, SecretDeleteOptions, SecretUpdateOptions};
use crate::output::{Column, text};
use crate::prompt;

const COLUMNS: &[Column] =
    &[Column("Key", |row| text(row, "/key")), Column("Organization ID", |row| text(row, "/orgID"))];

const DELETED_COLUMNS: &[Column] = &[COLUMNS[0], COLUMNS[1], Column("Deleted", |row| text(row, "/deleted"))];

pub(super) async fn run(command: SecretCommand) -> Result<(), ManageError> {
    match command {
        SecretCommand::List(options) => with_session(options, list).await,
        SecretCommand::Update(options) => with_session(options, update).await,
        SecretCommand::Delete(options) => with_session(options, delete).await,
    }
}

fn path(organisation_id: &str) -> String {
    format!("api/v2/orgs/{organisation_id}/secrets")
}

async fn list(session: &Session, options: OrganisationOptions) -> Result<(), ManageError> {
    let organisation_id = session.organisation_id(&options).await?;
    let names = take_list(&mut session.get(&path(&organisation_id)).await?, "secrets")?;
    let rows: Vec<Value> = names.iter().map(|name| json!({ "key": name, "orgID": organisation_id })).collect();
    session.print_all(&rows, COLUMNS)
}

async fn update(session: &Session, options: SecretUpdateOptions) -> Result<(), ManageError> {
    let organisation_id = session.organisation_id(&options.organisation).await?;
    let value = prompt::secret(options.value)?;
    let _ = session.patch(&path(&organisation_id), json!({ &*options.key: value })).await?;
    session.print_one(&json!({ "key": options.key, "orgID": organisation_id }), COLUMNS)
}

async fn delete(session: &Session, options: SecretDeleteOptions) -> Result<(), ManageError> {
    let organisation_id = session.organisation_id(&options.organisation).await?;
    let body = json!({ "secrets": [options.key] });
    let _ = session.post(&format!("{}/delete", path(&organisation_id)), body).await?;
    let deleted = json!({ "key": options.key, "orgID": organisation_id, "deleted": true });
    session.print_one(&deleted, DELETED_COLUMNS)
}

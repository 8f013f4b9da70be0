//! `freshet org`: `/api/v2/orgs` with their members and owners.

use freshet_client::{ApiRequest, Method};
use serde_json::{Value, json};

use super::{ManageError, Session, change, narrowed, object, take_list, with_session};
use crate::options::{
    IdOptions, ListOptions, MembersAddOptions, MembersCommand, MembersRemoveOptions, NamedOrganisationOptions,
    OrgCommand, OrgCreateOptions, OrgUpdateOptions, OrganisationOptions,
};
use crate::output::{Column, text};

const PATH: &str = "api/v2/orgs";

const COLUMNS: &[Column] = &[Column("ID", |row| text(row, "/id")), Column("Name", |row| text(row, "/name"))];

const MEMBER_COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("Name", |row| text(row, "/name")),
    Column("User Type", |row| text(row, "/role")),
    Column("Status", |row| text(row, "/status")),
];

pub(super) async fn run(command: OrgCommand) -> Result<(), ManageError> {
    match command {
        OrgCommand::Create(options) => with_session(options, create).await,
        OrgCommand::List(options) => with_session(options, list).await,
        OrgCommand::Update(options) => with_session(options, update).await,
        OrgCommand::Delete(options) => with_session(options, delete).await,
        OrgCommand::Members(MembersCommand::List(options)) => with_session(options, members).await,
        OrgCommand::Members(MembersCommand::Add(options)) => with_session(options, add_member).await,
        OrgCommand::Members(MembersCommand::Remove(options)) => with_session(options, remove_member).await,
    }
}

async fn create(session: &Session, options: OrgCreateOptions) -> Result<(), ManageError> {
    let description = options.description.map(Value::from);
    let body = object([("name", Some(json!(options.name))), ("description", description)]);
    session.print_one(&session.post(PATH, body).await?, COLUMNS)
}

async fn list(session: &Session, options: ListOptions) -> Result<(), ManageError> {
    let request = narrowed(ApiRequest::new(Method::Get, PATH), [("orgID", options.id), ("org", options.name)]);
    session.print_all(&session.list(&request, "orgs", (0, 0)).await?, COLUMNS)
}

async fn update(session: &Session, options: OrgUpdateOptions) -> Result<(), ManageError> {
    let description = options.description.map(Value::from);
    let body = change([("name", options.name.map(Value::from)), ("description", description)])?;
    session.print_one(&session.patch(&format!("{PATH}/{}", options.id), body).await?, COLUMNS)
}

async fn delete(session: &Session, options: IdOptions) -> Result<(), ManageError> {
    session.remove_one(&format!("{PATH}/{}", options.id), COLUMNS).await
}

/// The path of the organisation that is meant.
async fn path(session: &Session, options: NamedOrganisationOptions) -> Result<String, ManageError> {
    let own = OrganisationOptions { org: options.name, org_id: options.id };
    Ok(format!("{PATH}/{}", session.organisation_id(&own).await?))
}

async fn members(session: &Session, options: NamedOrganisationOptions) -> Result<(), ManageError> {
    let path = path(session, options).await?;
    let mut people = take_list(&mut session.get(&format!("{path}/owners")).await?, "users")?;
    people.extend(take_list(&mut session.get(&format!("{path}/members")).await?, "users")?);
    session.print_all(&people, MEMBER_COLUMNS)
}

async fn add_member(session: &Session, options: MembersAddOptions) -> Result<(), ManageError> {
    let path = path(session, options.organisation).await?;
    let role = if options.owner { "owners" } else { "members" };
    let person = session.post(&format!("{path}/{role}"), json!({ "id": options.member })).await?;
    session.print_one(&person, MEMBER_COLUMNS)
}

/// As a member, or as the owner that it is.
async fn remove_member(session: &Session, options: MembersRemoveOptions) -> Result<(), ManageError> {
    let path = path(session, options.organisation).await?;
    let owners = take_list(&mut session.get(&format!("{path}/owners")).await?, "users")?;
    let is_owner = owners.iter().any(|owner| owner["id"] == options.member.as_str());
    let role = if is_owner { "owners" } else { "members" };
    session.remove(&format!("{path}/{role}/{}", options.member)).await
}

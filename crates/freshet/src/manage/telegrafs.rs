//! `freshet telegrafs`: `/api/v2/telegrafs`, configurations that agents fetch.

use std::path::Path;

use freshet_client::{ApiRequest, Method};
use serde_json::{Value, json};

use super::{ManageError, Session, change, object, take_list, with_session};
use crate::options::{
    TelegrafsCommand, TelegrafsCreateOptions, TelegrafsListOptions, TelegrafsOptions, TelegrafsRemoveOptions,
    TelegrafsUpdateOptions,
};
use crate::output::{Column, text};
use crate::script::{self, ScriptError};

const PATH: &str = "api/v2/telegrafs";

const COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("OrgID", |row| text(row, "/orgID")),
    Column("Name", |row| text(row, "/name")),
    Column("Description", |row| text(row, "/description")),
];

pub(super) async fn run(options: TelegrafsOptions) -> Result<(), ManageError> {
    match options.command {
        None => with_session(options.list, list).await,
        Some(TelegrafsCommand::Create(options)) => with_session(options, create).await,
        Some(TelegrafsCommand::Update(options)) => with_session(options, update).await,
        Some(TelegrafsCommand::Rm(options)) => with_session(options, remove).await,
    }
}

fn configuration(file: Option<&Path>) -> Result<String, ScriptError> {
    script::read("configuration", None, file)
}

async fn list(session: &Session, options: TelegrafsListOptions) -> Result<(), ManageError> {
    if let Some(id) = options.id {
        return session.print_all(&[session.get(&format!("{PATH}/{id}")).await?], COLUMNS);
    }
    let request = session.in_organisation(ApiRequest::new(Method::Get, PATH), &options.organisation);
    // The list has no pages.
    session.print_all(&take_list(&mut session.call(request).await?, "configurations")?, COLUMNS)
}

async fn create(session: &Session, options: TelegrafsCreateOptions) -> Result<(), ManageError> {
    let organisation_id = session.organisation_id(&options.organisation).await?;
    let content = options.content;
    let body = object([
        ("orgID", Some(json!(organisation_id))),
        ("name", content.name.map(Value::from)),
        ("description", content.description.map(Value::from)),
        ("config", Some(json!(configuration(content.file.as_deref())?))),
    ]);
    session.print_one(&session.post(PATH, body).await?, COLUMNS)
}

/// What is not given stays: the server replaces the whole, so what there is goes along.
async fn update(session: &Session, options: TelegrafsUpdateOptions) -> Result<(), ManageError> {
    let content = options.content;
    let config = content.file.as_deref().map(|file| configuration(Some(file))).transpose()?;
    let changes = change([
        ("name", content.name.map(Value::from)),
        ("description", content.description.map(Value::from)),
        ("config", config.map(Value::from)),
    ])?;
    let path = format!("{PATH}/{}", options.id);
    let mut body = session.get(&path).await?;
    for (name, value) in changes.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let request = ApiRequest::new(Method::Put, path).body(body);
    session.print_one(&session.call(request).await?, COLUMNS)
}

async fn remove(session: &Session, options: TelegrafsRemoveOptions) -> Result<(), ManageError> {
    let mut removed = Vec::new();
    for id in &options.id {
        let path = format!("{PATH}/{id}");
        removed.push(session.get(&path).await?);
        session.remove(&path).await?;
    }
    session.print_all(&removed, COLUMNS)
}

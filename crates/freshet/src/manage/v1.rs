//! `freshet v1 auth`: users of the 1.x API, `/private/legacy/authorizations`; `freshet v1 dbrp`: what its databases and
//! retention policies mean, `/api/v2/dbrps`.

use catalog::Action;
use freshet_client::{ApiRequest, Method};
use serde_json::{Value, json};

use super::auth::{on_buckets, permissions};
use super::{ManageError, Session, change, id_of, narrowed, object, take_list, with_session};
use crate::options::{
    DbrpCommand, DbrpCreateOptions, DbrpDeleteOptions, DbrpListOptions, DbrpUpdateOptions, V1AuthCommand,
    V1AuthCreateOptions, V1AuthListOptions, V1PasswordOptions, V1WhichOptions,
};
use crate::output::{Column, text};
use crate::prompt;

const USERS: &str = "private/legacy/authorizations";
const MAPPINGS: &str = "api/v2/dbrps";

const USER_COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("Description", |row| text(row, "/description")),
    Column("Name / Token", |row| text(row, "/token")),
    Column("User Name", |row| text(row, "/user")),
    Column("User ID", |row| text(row, "/userID")),
    Column("Permissions", permissions),
];

const MAPPING_COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("Database", |row| text(row, "/database")),
    Column("Bucket ID", |row| text(row, "/bucketID")),
    Column("Retention Policy", |row| text(row, "/retention_policy")),
    Column("Default", |row| text(row, "/default")),
    Column("Organization ID", |row| text(row, "/orgID")),
];

pub(super) async fn auth(command: V1AuthCommand) -> Result<(), ManageError> {
    match command {
        V1AuthCommand::Create(options) => with_session(options, create_user).await,
        V1AuthCommand::List(options) => with_session(options, list_users).await,
        V1AuthCommand::SetActive(options) => with_session(options, async |s, o| set_status(s, o, "active").await).await,
        V1AuthCommand::SetInactive(options) => {
            with_session(options, async |s, o| set_status(s, o, "inactive").await).await
        }
        V1AuthCommand::SetPassword(options) => with_session(options, set_password).await,
        V1AuthCommand::Delete(options) => with_session(options, delete_user).await,
    }
}

/// Makes the user, then sets its password, which is had first so that a mistyped one leaves nothing behind.
async fn create_user(session: &Session, options: V1AuthCreateOptions) -> Result<(), ManageError> {
    let organisation_id = session.organisation_id(&options.organisation).await?;
    let password = if options.no_password { None } else { Some(prompt::new_password(options.password)?) };
    let mut permissions: Vec<Value> = on_buckets(Action::Read, &options.read_bucket, &organisation_id).collect();
    permissions.extend(on_buckets(Action::Write, &options.write_bucket, &organisation_id));
    let body = object([
        ("token", Some(json!(options.username))),
        ("orgID", Some(json!(organisation_id))),
        ("description", options.description.map(Value::from)),
        ("permissions", Some(json!(permissions))),
    ]);
    let user = session.post(USERS, body).await?;
    if let Some(password) = password {
        let path = format!("{USERS}/{}/password", id_of(&user)?);
        let _ = session.post(&path, json!({ "password": password })).await?;
    }
    session.print_one(&user, USER_COLUMNS)
}

async fn list_users(session: &Session, options: V1AuthListOptions) -> Result<(), ManageError> {
    let request = session.in_organisation(ApiRequest::new(Method::Get, USERS), &options.organisation);
    let request = narrowed(request, [("token", options.username)]);
    session.print_all(&take_list(&mut session.call(request).await?, "authorizations")?, USER_COLUMNS)
}

async fn find_user(session: &Session, which: V1WhichOptions) -> Result<Value, ManageError> {
    if let Some(id) = which.id {
        return session.get(&format!("{USERS}/{id}")).await;
    }
    let name = which.username.unwrap_or_default();
    let request = ApiRequest::new(Method::Get, USERS).parameter("token", &name);
    session.find_one(request, "authorizations", "user of the 1.x API", &name).await
}

async fn set_status(session: &Session, which: V1WhichOptions, status: &str) -> Result<(), ManageError> {
    let path = format!("{USERS}/{}", id_of(&find_user(session, which).await?)?);
    session.print_one(&session.patch(&path, json!({ "status": status })).await?, USER_COLUMNS)
}

async fn set_password(session: &Session, options: V1PasswordOptions) -> Result<(), ManageError> {
    let user = find_user(session, options.which).await?;
    let password = prompt::new_password(options.password)?;
    session.post(&format!("{USERS}/{}/password", id_of(&user)?), json!({ "password": password })).await.map(drop)
}

async fn delete_user(session: &Session, which: V1WhichOptions) -> Result<(), ManageError> {
    let user = find_user(session, which).await?;
    session.remove(&format!("{USERS}/{}", id_of(&user)?)).await?;
    session.print_one(&user, USER_COLUMNS)
}

pub(super) async fn dbrp(command: DbrpCommand) -> Result<(), ManageError> {
    match command {
        DbrpCommand::Create(options) => with_session(options, create_mapping).await,
        DbrpCommand::List(options) => with_session(options, list_mappings).await,
        DbrpCommand::Update(options) => with_session(options, update_mapping).await,
        DbrpCommand::Delete(options) => with_session(options, delete_mapping).await,
    }
}

async fn create_mapping(session: &Session, options: DbrpCreateOptions) -> Result<(), ManageError> {
    let body = json!({
        "orgID": session.organisation_id(&options.organisation).await?,
        "bucketID": options.bucket_id,
        "database": options.db,
        "retention_policy": options.rp,
        "default": options.default,
    });
    session.print_one(&session.post(MAPPINGS, body).await?, MAPPING_COLUMNS)
}

async fn list_mappings(session: &Session, options: DbrpListOptions) -> Result<(), ManageError> {
    let request = session.in_organisation(ApiRequest::new(Method::Get, MAPPINGS), &options.organisation);
    let only_default = options.default.then(|| "true".to_owned());
    let filters = [
        ("id", options.id),
        ("bucketID", options.bucket_id),
        ("db", options.db),
        ("rp", options.rp),
        ("default", only_default),
    ];
    let request = narrowed(request, filters);
    session.print_all(&take_list(&mut session.call(request).await?, "content")?, MAPPING_COLUMNS)
}

/// The mapping of an answer, which wraps it.
fn content(mut answer: Value) -> Value {
    answer.get_mut("content").map_or(Value::Null, Value::take)
}

async fn update_mapping(session: &Session, options: DbrpUpdateOptions) -> Result<(), ManageError> {
    let is_default = options.default.then_some(json!(true));
    let body = change([("retention_policy", options.rp.map(Value::from)), ("default", is_default)])?;
    let path = format!("{MAPPINGS}/{}", options.id);
    let request = session.in_organisation(ApiRequest::new(Method::Patch, path), &options.organisation).body(body);
    session.print_one(&content(session.call(request).await?), MAPPING_COLUMNS)
}

async fn delete_mapping(session: &Session, options: DbrpDeleteOptions) -> Result<(), ManageError> {
    let path = format!("{MAPPINGS}/{}", options.id);
    let of = |method| session.in_organisation(ApiRequest::new(method, &*path), &options.organisation);
    let mapping = content(session.call(of(Method::Get)).await?);
    let _ = session.call(of(Method::Delete)).await?;
    session.print_one(&mapping, MAPPING_COLUMNS)
}

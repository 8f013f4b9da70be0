//! The commands for what a server keeps besides points, each one or a few requests to its API, with the flags and the
//! output of InfluxDB's command line.
//!
//! ```text
//! options ── Session (client, output, organisation) ── bucket · org · user · auth · v1 · setup ── output
//!                                                  └─ task · secret · telegrafs · export · apply
//! ```
//!
//! What is right and what is allowed, the server says. Nothing is kept here.

mod auth;
mod bucket;
mod org;
mod secret;
mod setup;
mod shell;
mod task;
mod telegrafs;
mod template;
mod user;
mod v1;

use clap::Args;
use freshet_client::{ApiRequest, Client, Method, RequestError};
use serde_json::Value;

use crate::connection::{self, ConnectionError};
use crate::options::{
    AliasError, ApplyOptions, AuthCommand, BucketCommand, Managed, OrgCommand, OrganisationOptions, ResourceOptions,
    SecretCommand, SetupOptions, TaskCommand, TelegrafsOptions, TemplateExportOptions, UserCommand, V1Command,
    process_environment,
};
use crate::output::{Column, Output};
use crate::profiles::ProfileError;
use crate::prompt::PromptError;
use crate::script::ScriptError;

/// Why such a command fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManageError {
    #[error(transparent)]
    Alias(#[from] AliasError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(transparent)]
    Script(#[from] ScriptError),
    #[error("give --name: there are profiles already, so the new one needs a name of its own")]
    NoProfileName,
    #[error("give --org or --org-id: whose is it?")]
    NoOrganisation,
    #[error("there is no {kind} {name:?}")]
    NotFound { kind: &'static str, name: String },
    #[error("the server's answer has no {0}")]
    Incomplete(&'static str),
    #[error("{0}")]
    Shell(String),
    #[error("nothing was done")]
    Declined,
    #[error("say what the token may do: --all-access, --operator, --read-bucket ID, --write-buckets, …")]
    NoPermission,
    #[error("say what is to be changed")]
    NoChange,
    #[error("say what is to be exported: --buckets ID, --dashboard-names NAME, --stack-id ID, …, or `export all`")]
    NothingToExport,
    #[error("give a template: --file, --template-url, --stack-id, or one on standard input")]
    NoTemplate,
    #[error("the filter {filter:?} is not {known}")]
    Filter { filter: String, known: &'static str },
    #[error("the value of {0} must be KEY=VALUE")]
    Pair(&'static str),
    #[error("the templates need values: give {flag} KEY=VALUE for {keys}")]
    Missing { flag: &'static str, keys: String },
    #[error("cannot use the file {}: {source}", path.display())]
    File { path: std::path::PathBuf, source: std::io::Error },
    #[error("cannot read from standard input: {0}")]
    Input(#[source] std::io::Error),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// `freshet setup`.
pub(crate) async fn setup(options: Managed<SetupOptions>) -> Result<(), ManageError> {
    setup::run(options).await
}

/// `freshet bucket …`.
pub(crate) async fn bucket(command: BucketCommand) -> Result<(), ManageError> {
    match command {
        BucketCommand::Create(options) => with_session(options, bucket::create).await,
        BucketCommand::List(options) => with_session(options, bucket::list).await,
        BucketCommand::Update(options) => with_session(options, bucket::update).await,
        BucketCommand::Delete(options) => with_session(options, bucket::delete).await,
    }
}

/// `freshet org …`.
pub(crate) async fn org(command: OrgCommand) -> Result<(), ManageError> {
    org::run(command).await
}

/// `freshet user …`.
pub(crate) async fn user(command: UserCommand) -> Result<(), ManageError> {
    match command {
        UserCommand::Create(options) => with_session(options, user::create).await,
        UserCommand::List(options) => with_session(options, user::list).await,
        UserCommand::Update(options) => with_session(options, user::update).await,
        UserCommand::Delete(options) => with_session(options, user::delete).await,
        UserCommand::Password(options) => with_session(options, user::password).await,
    }
}

/// `freshet auth …`.
pub(crate) async fn auth(command: AuthCommand) -> Result<(), ManageError> {
    match command {
        AuthCommand::Create(options) => with_session(options, auth::create).await,
        AuthCommand::List(options) => with_session(options, auth::list).await,
        AuthCommand::Active(options) => with_session(options, auth::activate).await,
        AuthCommand::Inactive(options) => with_session(options, auth::deactivate).await,
        AuthCommand::Delete(options) => with_session(options, auth::delete).await,
    }
}

/// `freshet task …`.
pub(crate) async fn task(command: TaskCommand) -> Result<(), ManageError> {
    task::run(command).await
}

/// `freshet secret …`.
pub(crate) async fn secret(command: SecretCommand) -> Result<(), ManageError> {
    secret::run(command).await
}

/// `freshet telegrafs …`.
pub(crate) async fn telegrafs(options: TelegrafsOptions) -> Result<(), ManageError> {
    telegrafs::run(options).await
}

/// `freshet export …`.
pub(crate) async fn export(options: TemplateExportOptions) -> Result<(), ManageError> {
    template::export(options).await
}

/// `freshet apply`.
pub(crate) async fn apply(options: Managed<ApplyOptions>) -> Result<(), ManageError> {
    with_session(options, template::apply).await
}

/// `freshet v1 …`.
pub(crate) async fn v1(command: V1Command) -> Result<(), ManageError> {
    match command {
        V1Command::Auth(command) => v1::auth(command).await,
        V1Command::Dbrp(command) => v1::dbrp(command).await,
        V1Command::Shell(options) => with_session(options, shell::run).await,
    }
}

/// One command's connection to the server.
struct Session {
    client: Client,
    output: Output,
    /// The organisation that is meant where the command names none.
    organisation: OrganisationOptions,
}

/// Opens the session of a command and runs it.
async fn with_session<T: Args>(
    options: Managed<T>,
    run: impl AsyncFnOnce(&Session, T) -> Result<(), ManageError>,
) -> Result<(), ManageError> {
    let (options, organisation) = options.with_aliases(&process_environment)?;
    let client = connection::client(&options.connection, |builder| builder)?;
    let session = Session { client, output: Output::new(options.output), organisation };
    run(&session, options.own).await
}

/// The largest page that the server gives.
const PAGE: usize = 100;

impl Session {
    async fn call(&self, request: ApiRequest) -> Result<Value, ManageError> {
        Ok(self.client.call(&request).await?)
    }

    async fn get(&self, path: &str) -> Result<Value, ManageError> {
        self.call(ApiRequest::new(Method::Get, path)).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, ManageError> {
        self.call(ApiRequest::new(Method::Post, path).body(body)).await
    }

    async fn patch(&self, path: &str, body: Value) -> Result<Value, ManageError> {
        self.call(ApiRequest::new(Method::Patch, path).body(body)).await
    }

    async fn remove(&self, path: &str) -> Result<(), ManageError> {
        self.call(ApiRequest::new(Method::Delete, path)).await.map(drop)
    }

    /// Removes what is at a path, and prints what it was.
    async fn remove_one(&self, path: &str, columns: &[Column]) -> Result<(), ManageError> {
        let resource = self.get(path).await?;
        self.remove(path).await?;
        self.print_one(&resource, columns)
    }

    /// The items of a list under `key`, page after page, up to a limit (0: all) after an offset.
    async fn list(
        &self,
        request: &ApiRequest,
        key: &'static str,
        (limit, offset): (usize, usize),
    ) -> Result<Vec<Value>, ManageError> {
        let mut items = Vec::new();
        loop {
            let wanted = if limit == 0 { PAGE } else { PAGE.min(limit - items.len()) };
            let page = request.clone().parameter("limit", wanted.to_string());
            let page = page.parameter("offset", (offset + items.len()).to_string());
            let mut answer = self.call(page).await?;
            let found = take_list(&mut answer, key)?;
            let is_last = found.len() < wanted;
            items.extend(found);
            if is_last || items.len() == limit {
                return Ok(items);
            }
        }
    }

    /// The only item under `key` that a filter leaves.
    async fn find_one(
        &self,
        request: ApiRequest,
        key: &'static str,
        kind: &'static str,
        name: &str,
    ) -> Result<Value, ManageError> {
        let mut answer = self.call(request).await?;
        let found = take_list(&mut answer, key)?.into_iter().next();
        found.ok_or_else(|| ManageError::NotFound { kind, name: name.to_owned() })
    }

    /// The organisation as a parameter: `orgID` or `org`. None where nothing names one.
    fn organisation<'a>(&'a self, own: &'a OrganisationOptions) -> Option<(&'static str, &'a str)> {
        let given = |text: &'a Option<String>| text.as_deref().filter(|text| !text.is_empty());
        [own, &self.organisation].into_iter().find_map(|options| {
            given(&options.org_id).map(|id| ("orgID", id)).or_else(|| given(&options.org).map(|name| ("org", name)))
        })
    }

    /// A request, narrowed to the organisation if one is named.
    fn in_organisation(&self, request: ApiRequest, own: &OrganisationOptions) -> ApiRequest {
        match self.organisation(own) {
            Some((name, value)) => request.parameter(name, value),
            None => request,
        }
    }

    /// The id of the organisation, asked for where only its name is known.
    async fn organisation_id(&self, own: &OrganisationOptions) -> Result<String, ManageError> {
        match self.organisation(own).ok_or(ManageError::NoOrganisation)? {
            ("orgID", id) => Ok(id.to_owned()),
            (_, name) => {
                let request = ApiRequest::new(Method::Get, "api/v2/orgs").parameter("org", name);
                id_of(&self.find_one(request, "orgs", "organisation", name).await?)
            }
        }
    }

    /// The one that is named, by its id or by its name.
    async fn resource(
        &self,
        request: ApiRequest,
        (path, key, kind): (&str, &'static str, &'static str),
        which: &ResourceOptions,
    ) -> Result<Value, ManageError> {
        match (&which.id, &which.name) {
            (Some(id), _) => self.get(&format!("{path}/{id}")).await,
            (None, name) => {
                let name = name.as_deref().unwrap_or_default();
                self.find_one(request.parameter("name", name), key, kind, name).await
            }
        }
    }

    fn print_one(&self, row: &Value, columns: &[Column]) -> Result<(), ManageError> {
        Ok(self.output.print_one(row, columns)?)
    }

    fn print_all(&self, rows: &[Value], columns: &[Column]) -> Result<(), ManageError> {
        Ok(self.output.print_all(rows, columns)?)
    }
}

/// Takes the array under a key out of an answer.
fn take_list(answer: &mut Value, key: &'static str) -> Result<Vec<Value>, ManageError> {
    match answer.get_mut(key).map(Value::take) {
        Some(Value::Array(items)) => Ok(items),
        Some(Value::Null) => Ok(Vec::new()),
        _ => Err(ManageError::Incomplete(key)),
    }
}

/// The id of what a server answered.
fn id_of(resource: &Value) -> Result<String, ManageError> {
    resource["id"].as_str().map(str::to_owned).ok_or(ManageError::Incomplete("id"))
}

/// A request, narrowed by those parameters that have a value.
fn narrowed<const N: usize>(request: ApiRequest, parameters: [(&str, Option<String>); N]) -> ApiRequest {
    let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    given.fold(request, |request, (name, value)| request.parameter(name, value))
}

/// The body of a change, which has to have a member.
fn change<const N: usize>(members: [(&str, Option<Value>); N]) -> Result<Value, ManageError> {
    if members.iter().all(|(_, value)| value.is_none()) { Err(ManageError::NoChange) } else { Ok(object(members)) }
}

/// An object of those members that have a value.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

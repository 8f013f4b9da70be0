//! `freshet recovery`: users, organisations and operator tokens for whoever may read the data directory, without a
//! server and without a token. The catalog belongs to one process at a time, so a running server keeps it out.

use std::path::PathBuf;
use std::sync::Arc;

use catalog::database::{LocationError, PostgresDatabase};
use catalog::{
    AuthorizationFilter, AuthorizationStatus, Catalog, CatalogError, NewAuthorization, OpenError, OrganisationFilter,
    Page, SystemClock, User, UserFilter, UserStatus, operator_permissions,
};
use serde_json::{Value, json};

use crate::data_directory::{self, DataDirectoryError};
use crate::options::{
    AliasError, CatalogOptions, CreateOperatorOptions, RecoveryAuthCommand, RecoveryCommand, RecoveryOrgCommand,
    RecoveryPasswordOptions, RecoveryUserCommand, process_environment,
};
use crate::output::{Column, Output, text};
use crate::prompt::{self, PromptError};

/// Why nothing was shown or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecoveryError {
    #[error(transparent)]
    Alias(#[from] AliasError),
    #[error("there is no catalog in the directory {}", .0.display())]
    NoCatalog(PathBuf),
    #[error(transparent)]
    Directory(#[from] DataDirectoryError),
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error("{0} (only one process may use it, so stop the server first)")]
    InUse(OpenError),
    #[error(transparent)]
    Open(OpenError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

const NAME_COLUMNS: &[Column] = &[Column("ID", |row| text(row, "/id")), Column("Name", |row| text(row, "/name"))];

const TOKEN_COLUMNS: &[Column] = &[
    Column("ID", |row| text(row, "/id")),
    Column("User Name", |row| text(row, "/user")),
    Column("User ID", |row| text(row, "/userID")),
    Column("Description", |row| text(row, "/description")),
    Column("Token", |row| text(row, "/token")),
    Column("Permissions", |row| {
        let texts = row["permissions"].as_array().into_iter().flatten().filter_map(Value::as_str);
        format!("[{}]", texts.collect::<Vec<_>>().join(" "))
    }),
];

/// Does what the options say.
pub(crate) async fn run(command: RecoveryCommand) -> Result<(), RecoveryError> {
    match command {
        RecoveryCommand::Auth(RecoveryAuthCommand::List(options)) => with_catalog(options, list_tokens).await,
        RecoveryCommand::Auth(RecoveryAuthCommand::CreateOperator(options)) => {
            let CreateOperatorOptions { catalog, username, org } = options;
            with_catalog(catalog, async |catalog, output| create_operator(catalog, output, &username, &org).await).await
        }
        RecoveryCommand::User(RecoveryUserCommand::List(options)) => {
            with_catalog(options, async |catalog, output| {
                let page = |page: &Page| catalog.list_users(&UserFilter::default(), page, |_| true);
                let rows = all(page, |user| (user.id.get(), named(&user.id, &user.name)))?;
                Ok(output.print_all(&rows, NAME_COLUMNS)?)
            })
            .await
        }
        RecoveryCommand::User(RecoveryUserCommand::Create(options)) => {
            with_password(options, async |catalog, name| catalog.create_user(name, UserStatus::Active).await).await
        }
        RecoveryCommand::User(RecoveryUserCommand::Update(options)) => {
            with_password(options, async |catalog, name| catalog.find_user_by_name(name)).await
        }
        RecoveryCommand::Org(RecoveryOrgCommand::List(options)) => {
            with_catalog(options, async |catalog, output| {
                let page = |page: &Page| catalog.list_organisations(&OrganisationFilter::default(), page, |_| true);
                let rows = all(page, |org| (org.id.get(), named(&org.id, &org.name)))?;
                Ok(output.print_all(&rows, NAME_COLUMNS)?)
            })
            .await
        }
        RecoveryCommand::Org(RecoveryOrgCommand::Create(options)) => {
            with_catalog(options.catalog, async |catalog, output| {
                let organisation = catalog.create_organisation(&options.org, "", None).await?;
                Ok(output.print_one(&named(&organisation.id, &organisation.name), NAME_COLUMNS)?)
            })
            .await
        }
    }
}

/// Opens the catalog of a directory, which has to be there, for one piece of work.
async fn with_catalog(
    options: CatalogOptions,
    work: impl AsyncFnOnce(&Catalog, Output) -> Result<(), RecoveryError>,
) -> Result<(), RecoveryError> {
    let output = Output::new(options.output.with_aliases(&process_environment)?);
    let database = options.catalog.as_deref().map(PostgresDatabase::parse).transpose()?;
    let directory = options.data_dir;
    if !directory.join(data_directory::file_of_catalogs(database.is_some())).exists() {
        return Err(RecoveryError::NoCatalog(directory));
    }
    let id = data_directory::check(&directory, database.is_some())?;
    let location = data_directory::resources(&directory, database.as_ref(), &id);
    let catalog = Catalog::open_at(&location, Arc::new(SystemClock)).await.map_err(|error| match error {
        in_use @ OpenError::InUse { .. } => RecoveryError::InUse(in_use),
        other => RecoveryError::Open(other),
    })?;
    let worked = work(&catalog, output).await;
    catalog.close().await;
    worked
}

/// A user, made or found, and its password, which is had first so that a mistyped one leaves nothing behind.
async fn with_password(
    options: RecoveryPasswordOptions,
    user: impl AsyncFnOnce(&Catalog, &str) -> Result<Arc<User>, CatalogError>,
) -> Result<(), RecoveryError> {
    let password = prompt::new_password(options.password)?;
    with_catalog(options.catalog, async |catalog, output| {
        catalog::check_password(&password)?;
        let user = user(catalog, &options.username).await?;
        catalog.set_password(user.id, &password).await?;
        Ok(output.print_one(&named(&user.id, &user.name), NAME_COLUMNS)?)
    })
    .await
}

fn named(id: &impl ToString, name: &str) -> Value {
    json!({ "id": id.to_string(), "name": name })
}

/// All entries of a list, page after page: each with its id and as it is printed.
fn all<T>(
    list: impl Fn(&Page) -> Result<Vec<Arc<T>>, CatalogError>,
    show: impl Fn(&T) -> (u64, Value),
) -> Result<Vec<Value>, CatalogError> {
    const PAGE: usize = 100;
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let found = list(&Page { limit: PAGE, offset: 0, after, descending: false })?;
        let count = found.len();
        for entry in found {
            let (id, row) = show(&entry);
            after = Some(id);
            rows.push(row);
        }
        if count < PAGE {
            return Ok(rows);
        }
    }
}

fn shown(catalog: &Catalog, authorization: &catalog::Authorization) -> Value {
    let user = catalog.find_user(authorization.user_id).map(|user| user.name.clone()).unwrap_or_default();
    let permissions: Vec<String> = authorization.permissions.as_slice().iter().map(ToString::to_string).collect();
    json!({
        "id": authorization.id.to_string(),
        "user": user,
        "userID": authorization.user_id.to_string(),
        "description": authorization.description,
        "permissions": permissions,
    })
}

async fn list_tokens(catalog: &Catalog, output: Output) -> Result<(), RecoveryError> {
    let found = catalog.list_authorizations(&AuthorizationFilter::default(), |_| true)?;
    let rows: Vec<Value> = found.iter().map(|authorization| shown(catalog, authorization)).collect();
    Ok(output.print_all(&rows, TOKEN_COLUMNS)?)
}

async fn create_operator(
    catalog: &Catalog,
    output: Output,
    username: &str,
    organisation: &str,
) -> Result<(), RecoveryError> {
    let user = catalog.find_user_by_name(username)?;
    let new = NewAuthorization {
        organisation_id: catalog.find_organisation_by_name(organisation)?.id,
        user_id: user.id,
        description: format!("{username}'s Recovery Token"),
        status: AuthorizationStatus::Active,
        permissions: operator_permissions().as_slice().to_vec(),
        token: None,
    };
    let created = catalog.create_authorization(new, None).await?;
    let mut row = shown(catalog, &created.authorization);
    row["token"] = created.token.expose().into();
    Ok(output.print_one(&row, TOKEN_COLUMNS)?)
}

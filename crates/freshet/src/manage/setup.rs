//! `freshet setup`: `/api/v2/setup`, and a profile of what it made.

use freshet_client::{ApiRequest, Method};
use serde_json::{Value, json};

use super::output::{Column, Output, text};
use super::{ManageError, object, prompt};
use crate::connection;
use crate::options::{Managed, SetupOptions, process_environment};
use crate::profiles::{self, Profile, ProfileError, Profiles};

const PATH: &str = "api/v2/setup";

const COLUMNS: &[Column] = &[
    Column("User", |row| text(row, "/user/name")),
    Column("Organization", |row| text(row, "/org/name")),
    Column("Bucket", |row| text(row, "/bucket/name")),
];

/// What has to be known and was perhaps not given.
struct Answers {
    username: String,
    password: String,
    org: String,
    bucket: String,
}

fn ask(options: &mut SetupOptions) -> Result<Answers, ManageError> {
    let username = prompt::text(options.username.take(), "Name of the first user", "--username")?;
    let password = match options.password.take() {
        Some(password) => password,
        None if options.force => return Err(ManageError::NotGiven("--password")),
        None => prompt::new_password(None)?,
    };
    let org = prompt::text(options.org.take(), "Name of the first organisation", "--org")?;
    let bucket = prompt::text(options.bucket.take(), "Name of the first bucket", "--bucket")?;
    Ok(Answers { username, password, org, bucket })
}

/// Sets the server up. The profile's name has to be free before anything is done. The token is the first one of the
/// server, where it is given.
pub(super) async fn run(options: Managed<SetupOptions>) -> Result<(), ManageError> {
    let token = options.connection.token.clone();
    let home = process_environment("HOME");
    // The profile may not exist yet, and what an active one says is about another server.
    let (mut options, _) = options.with_aliases(&|name| match name {
        "HOME" => None,
        other => process_environment(other),
    })?;
    let token = token.or_else(|| process_environment("INFLUX_TOKEN"));
    let path = profiles::path(options.connection.configs_path.as_deref(), home.as_deref());
    let mut profiles = Profiles::load(path.ok_or(ProfileError::NoHome)?)?;
    if profiles.find(&options.own.name).is_ok() {
        return Err(ProfileError::Exists(options.own.name).into());
    }
    options.connection.token = None;
    let client = connection::client(&options.connection, |builder| builder)?;
    let answers = ask(&mut options.own)?;
    if !options.own.force {
        let (username, org, bucket) = (&answers.username, &answers.org, &answers.bucket);
        let question = format!("Set the server up with user {username}, organisation {org} and bucket {bucket}?");
        if !prompt::agrees(&question)? {
            return Err(ManageError::Declined);
        }
    }
    let body = object([
        ("username", Some(json!(answers.username))),
        ("password", Some(json!(answers.password))),
        ("org", Some(json!(answers.org))),
        ("bucket", Some(json!(answers.bucket))),
        ("retentionPeriodSeconds", Some(json!(options.own.retention.as_secs()))),
        ("token", token.map(Value::from)),
    ]);
    let answer = client.call(&ApiRequest::new(Method::Post, PATH).body(body)).await?;
    let token = answer["auth"]["token"].as_str().ok_or(ManageError::Incomplete("token"))?;
    let url = connection::url(&options.connection).to_owned();
    profiles.add(&options.own.name, Profile::new(url, token.to_owned(), answers.org, true))?;
    profiles.save()?;
    Ok(Output::new(options.output).print_one(&answer, COLUMNS)?)
}

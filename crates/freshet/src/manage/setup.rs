//! `freshet setup`: `/api/v2/setup`, and a profile of what it made.

use freshet_client::{ApiRequest, Method};
use serde_json::{Value, json};

use super::{ManageError, object};
use crate::connection;
use crate::options::{Managed, SetupOptions, process_environment};
use crate::output::{Column, Output, text};
use crate::profiles::{self, Profile, ProfileError, Profiles};
use crate::prompt::{self, PromptError};

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
        None if options.force => return Err(PromptError::NotGiven("--password").into()),
        None => prompt::new_password(None)?,
    };
    let org = prompt::text(options.org.take(), "Name of the first organisation", "--org")?;
    let bucket = prompt::text(options.bucket.take(), "Name of the first bucket", "--bucket")?;
    Ok(Answers { username, password, org, bucket })
}

/// The name of the new profile, which has to be free, and has to be given where there are others: which of them is the
/// new one could not be told.
fn profile_name(given: Option<String>, profiles: &Profiles) -> Result<String, ManageError> {
    match given {
        Some(name) if profiles.find(&name).is_ok() => Err(ProfileError::Exists(name).into()),
        Some(name) => Ok(name),
        None if profiles.iter().next().is_some() => Err(ManageError::NoProfileName),
        None => Ok("default".to_owned()),
    }
}

/// Sets the server up: the one that is named, or that of the active profile. The new profile's name is settled before
/// anything is done. The token is the first one of the server, where it is given; a profile's is another server's.
pub(super) async fn run(options: Managed<SetupOptions>) -> Result<(), ManageError> {
    let token = options.connection.token.clone();
    let (mut options, _) = options.with_aliases(&process_environment)?;
    let token = token.or_else(|| process_environment("INFLUX_TOKEN"));
    let path = profiles::path(options.connection.configs_path.as_deref(), process_environment("HOME").as_deref());
    let mut profiles = Profiles::load(path.ok_or(ProfileError::NoHome)?)?;
    let name = profile_name(options.own.name.take(), &profiles)?;
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
    profiles.add(&name, Profile::new(url, token.to_owned(), answers.org, true))?;
    profiles.save()?;
    Ok(Output::new(options.output).print_one(&answer, COLUMNS)?)
}

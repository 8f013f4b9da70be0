//! Variables of InfluxDB's programs that mean an option of ours: those of its command line, and those of its official
//! container image, so that a compose file needs another image name and nothing else.

use std::path::PathBuf;

use super::{
    BackupOptions, CompactOptions, ConnectionOptions, DeleteOptions, InitOptions, Managed, OrganisationOptions,
    OutputOptions, ProfileFileOptions, QueryOptions, ServeOptions, TargetOptions, WriteOptions, parse_duration,
};
use crate::profiles::{self, Profile, ProfileError, Profiles};

/// Whose variable it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AliasKind {
    /// InfluxDB's command line.
    CommandLine,
    /// The official image; counts if [`IMAGE_MODE`] says `setup`. With `_FILE` behind it, it names a file that holds
    /// the value.
    Image,
}

/// One variable and the long name of the option that it means.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alias {
    pub(crate) option: &'static str,
    pub(crate) variable: &'static str,
    pub(crate) kind: AliasKind,
}

/// Says whether the official image sets an empty server up.
const IMAGE_MODE: &str = "DOCKER_INFLUXDB_INIT_MODE";

/// All of them.
pub(crate) const ALIASES: &[Alias] = &[
    command_line("url", "INFLUX_HOST"),
    command_line("token", "INFLUX_TOKEN"),
    command_line("org", "INFLUX_ORG"),
    command_line("org-id", "INFLUX_ORG_ID"),
    command_line("bucket", "INFLUX_BUCKET_NAME"),
    command_line("bucket-id", "INFLUX_BUCKET_ID"),
    command_line("configs-path", "INFLUX_CONFIGS_PATH"),
    command_line("configs-path", "INFLUX_CLI_CONFIGS_PATH"),
    command_line("active-config", "INFLUX_ACTIVE_CONFIG"),
    command_line("skip-verify", "INFLUX_SKIP_VERIFY"),
    command_line("json", "INFLUX_OUTPUT_JSON"),
    command_line("hide-headers", "INFLUX_HIDE_HEADERS"),
    image("init-username", "DOCKER_INFLUXDB_INIT_USERNAME"),
    image("init-password", "DOCKER_INFLUXDB_INIT_PASSWORD"),
    image("init-org", "DOCKER_INFLUXDB_INIT_ORG"),
    image("init-bucket", "DOCKER_INFLUXDB_INIT_BUCKET"),
    image("init-retention", "DOCKER_INFLUXDB_INIT_RETENTION"),
    image("init-token", "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN"),
];

const fn command_line(option: &'static str, variable: &'static str) -> Alias {
    Alias { option, variable, kind: AliasKind::CommandLine }
}

const fn image(option: &'static str, variable: &'static str) -> Alias {
    Alias { option, variable, kind: AliasKind::Image }
}

/// A variable of InfluxDB's programs that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AliasError {
    /// The image knows a mode that we do not.
    #[error("{IMAGE_MODE}={0:?} is not supported, only `setup` is")]
    Mode(String),
    /// The file that a variable names cannot be read.
    #[error("cannot read the file {path:?} that {variable} names: {source}")]
    File { variable: String, path: String, source: std::io::Error },
    /// Neither yes nor no.
    #[error("invalid value {value:?} of {variable}: expected true or false")]
    Switch { variable: &'static str, value: String },
    /// The profile cannot be had.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The value is not one for the option.
    #[error("invalid value {value:?} of {variable}: {source}")]
    Value { variable: &'static str, value: String, source: super::value::ValueError },
}

/// Looks a variable up. One that is empty or not text counts as not set.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The environment of the process.
pub(crate) fn process_environment(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

fn value_of(option: &str, environment: Environment<'_>) -> Result<Option<(&'static str, String)>, AliasError> {
    for alias in ALIASES.iter().filter(|alias| alias.option == option) {
        if let Some(value) = environment(alias.variable) {
            return Ok(Some((alias.variable, value)));
        }
        if alias.kind == AliasKind::Image {
            let variable = format!("{}_FILE", alias.variable);
            if let Some(path) = environment(&variable) {
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|source| AliasError::File { variable, path, source })?;
                // A secret is mounted as a file whose line end is no part of it.
                return Ok(Some((alias.variable, text.trim_end_matches(['\r', '\n']).to_owned())));
            }
        }
    }
    Ok(None)
}

fn fill(target: &mut Option<String>, option: &str, environment: Environment<'_>) -> Result<(), AliasError> {
    if target.is_none() {
        *target = value_of(option, environment)?.map(|(_, value)| value);
    }
    Ok(())
}

fn fill_path(target: &mut Option<PathBuf>, environment: Environment<'_>) -> Result<(), AliasError> {
    if target.is_none() {
        *target = value_of("configs-path", environment)?.map(|(_, value)| PathBuf::from(value));
    }
    Ok(())
}

/// A switch is on if it was given, or if its variable says so in one of the ways that InfluxDB's command line knows.
fn fill_switch(target: &mut bool, option: &str, environment: Environment<'_>) -> Result<(), AliasError> {
    if !*target && let Some((variable, value)) = value_of(option, environment)? {
        *target = match value.to_ascii_lowercase().as_str() {
            "1" | "t" | "true" => true,
            "0" | "f" | "false" => false,
            _ => return Err(AliasError::Switch { variable, value }),
        };
    }
    Ok(())
}

fn fill_from(target: &mut Option<String>, value: &str) {
    if target.is_none() && !value.is_empty() {
        *target = Some(value.to_owned());
    }
}

impl ServeOptions {
    /// Takes what the flags leave open from the image's variables.
    pub(crate) fn with_aliases(mut self: Box<Self>, environment: Environment<'_>) -> Result<Box<Self>, AliasError> {
        match environment(IMAGE_MODE).as_deref() {
            None => return Ok(self),
            Some("setup") => {}
            Some(mode) => return Err(AliasError::Mode(mode.to_owned())),
        }
        let InitOptions { init_username, init_password, init_org, init_bucket, init_retention, init_token } =
            &mut self.init;
        fill(init_username, "init-username", environment)?;
        fill(init_password, "init-password", environment)?;
        fill(init_org, "init-org", environment)?;
        fill(init_bucket, "init-bucket", environment)?;
        fill(init_token, "init-token", environment)?;
        if init_retention.is_none()
            && let Some((variable, value)) = value_of("init-retention", environment)?
        {
            let retention = parse_duration(&value);
            *init_retention = Some(retention.map_err(|source| AliasError::Value { variable, value, source })?);
        }
        Ok(self)
    }
}

impl ConnectionOptions {
    /// Takes what the flags leave open from the variables of InfluxDB's command line, and what those leave open from
    /// the profile.
    pub(crate) fn with_aliases(self, environment: Environment<'_>) -> Result<Self, AliasError> {
        Ok(self.with_profile(environment)?.0)
    }

    /// As [`Self::with_aliases`], with the profile, which names an organisation too.
    fn with_profile(mut self, environment: Environment<'_>) -> Result<(Self, Option<Profile>), AliasError> {
        fill(&mut self.url, "url", environment)?;
        fill(&mut self.token, "token", environment)?;
        fill(&mut self.active_config, "active-config", environment)?;
        fill_path(&mut self.configs_path, environment)?;
        fill_switch(&mut self.skip_verify, "skip-verify", environment)?;
        let profile = self.profile(environment)?;
        if let Some(profile) = &profile {
            fill_from(&mut self.url, &profile.url);
            fill_from(&mut self.token, &profile.token);
        }
        Ok((self, profile))
    }

    /// The profile that was named, or the active one.
    fn profile(&self, environment: Environment<'_>) -> Result<Option<Profile>, AliasError> {
        let named = self.active_config.as_deref().filter(|name| !name.is_empty());
        let Some(path) = profiles::path(self.configs_path.as_deref(), environment("HOME").as_deref()) else {
            return named.map_or(Ok(None), |_| Err(ProfileError::NoHome.into()));
        };
        let profiles = Profiles::load(path)?;
        Ok(match named {
            Some(name) => Some(profiles.find(name)?.clone()),
            None => profiles.active().map(|(_, profile)| profile.clone()),
        })
    }
}

impl ProfileFileOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(mut self, environment: Environment<'_>) -> Result<Self, AliasError> {
        fill_path(&mut self.configs_path, environment)?;
        self.output = self.output.with_aliases(environment)?;
        Ok(self)
    }
}

impl OutputOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(mut self, environment: Environment<'_>) -> Result<Self, AliasError> {
        fill_switch(&mut self.json, "json", environment)?;
        fill_switch(&mut self.hide_headers, "hide-headers", environment)?;
        Ok(self)
    }
}

impl<T: clap::Args> Managed<T> {
    /// As [`ConnectionOptions::with_aliases`], with the organisation that is meant where the options name none.
    pub(crate) fn with_aliases(self, environment: Environment<'_>) -> Result<(Self, OrganisationOptions), AliasError> {
        let (connection, profile) = self.connection.with_profile(environment)?;
        let mut organisation = OrganisationOptions::default();
        fill(&mut organisation.org_id, "org-id", environment)?;
        if organisation.org_id.is_none() {
            fill(&mut organisation.org, "org", environment)?;
            fill_from(&mut organisation.org, profile.as_ref().map_or("", |profile| &profile.org));
        }
        Ok((Self { connection, output: self.output.with_aliases(environment)?, ..self }, organisation))
    }
}

impl CompactOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(self, environment: Environment<'_>) -> Result<Self, AliasError> {
        Ok(Self { connection: self.connection.with_aliases(environment)?, ..self })
    }
}

impl BackupOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(self, environment: Environment<'_>) -> Result<Self, AliasError> {
        Ok(Self { connection: self.connection.with_aliases(environment)?, ..self })
    }
}

/// As [`ConnectionOptions::with_aliases`], for commands that speak of the data of an organisation.
pub(super) fn target_with_aliases(
    connection: ConnectionOptions,
    mut target: TargetOptions,
    environment: Environment<'_>,
) -> Result<(ConnectionOptions, TargetOptions), AliasError> {
    let (connection, profile) = connection.with_profile(environment)?;
    fill(&mut target.org, "org", environment)?;
    fill(&mut target.bucket, "bucket", environment)?;
    fill_from(&mut target.org, profile.as_ref().map_or("", |profile| &profile.org));
    Ok((connection, target))
}

/// Ids from the environment, where no name was given: an id counts before a name.
fn fill_ids(
    target: &TargetOptions,
    (org_id, bucket_id): (&mut Option<String>, &mut Option<String>),
    environment: Environment<'_>,
) -> Result<(), AliasError> {
    if target.org.is_none() {
        fill(org_id, "org-id", environment)?;
    }
    if target.bucket.is_none() {
        fill(bucket_id, "bucket-id", environment)?;
    }
    Ok(())
}

impl WriteOptions {
    /// As [`ConnectionOptions::with_aliases`]. Ids stand where names do, which servers take for either.
    pub(crate) fn with_aliases(mut self, environment: Environment<'_>) -> Result<Self, AliasError> {
        fill_ids(&self.target, (&mut self.org_id, &mut self.bucket_id), environment)?;
        let (connection, mut target) = target_with_aliases(self.connection, self.target, environment)?;
        target.org = self.org_id.take().or(target.org);
        target.bucket = self.bucket_id.take().or(target.bucket);
        Ok(Self { connection, target, ..self })
    }
}

impl QueryOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(self, environment: Environment<'_>) -> Result<Self, AliasError> {
        let (connection, target) = target_with_aliases(self.connection, self.target, environment)?;
        Ok(Self { connection, target, ..self })
    }
}

impl DeleteOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(mut self: Box<Self>, environment: Environment<'_>) -> Result<Box<Self>, AliasError> {
        fill_ids(&self.target, (&mut self.org_id, &mut self.bucket_id), environment)?;
        (self.connection, self.target) = target_with_aliases(self.connection, self.target, environment)?;
        Ok(self)
    }
}

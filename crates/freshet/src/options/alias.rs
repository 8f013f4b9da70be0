//! Variables of InfluxDB's programs that mean an option of ours: those of its command line, and those of its official
//! container image, so that a compose file needs another image name and nothing else.

use super::{
    BackupOptions, CompactOptions, ConnectionOptions, DeleteOptions, InitOptions, QueryOptions, ServeOptions,
    TargetOptions, WriteOptions, parse_duration,
};

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
    command_line("bucket", "INFLUX_BUCKET_NAME"),
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
    /// Takes what the flags leave open from the variables of InfluxDB's command line.
    pub(crate) fn with_aliases(mut self, environment: Environment<'_>) -> Result<Self, AliasError> {
        fill(&mut self.url, "url", environment)?;
        fill(&mut self.token, "token", environment)?;
        Ok(self)
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

impl TargetOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(super) fn with_aliases(mut self, environment: Environment<'_>) -> Result<Self, AliasError> {
        fill(&mut self.org, "org", environment)?;
        fill(&mut self.bucket, "bucket", environment)?;
        Ok(self)
    }
}

impl WriteOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(self, environment: Environment<'_>) -> Result<Self, AliasError> {
        let connection = self.connection.with_aliases(environment)?;
        let target = self.target.with_aliases(environment)?;
        Ok(Self { connection, target, ..self })
    }
}

impl QueryOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(self, environment: Environment<'_>) -> Result<Self, AliasError> {
        let connection = self.connection.with_aliases(environment)?;
        let target = self.target.with_aliases(environment)?;
        Ok(Self { connection, target, ..self })
    }
}

impl DeleteOptions {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(mut self: Box<Self>, environment: Environment<'_>) -> Result<Box<Self>, AliasError> {
        self.connection = self.connection.with_aliases(environment)?;
        self.target = self.target.with_aliases(environment)?;
        Ok(self)
    }
}

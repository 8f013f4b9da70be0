//! Where a database is: a path, or a URL whose password nobody gets to see.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

/// The schema of the lake's catalog, unless the URL names another.
pub const LAKE_SCHEMA: &str = "freshet";
/// Behind the name of the lake's schema, that of the resources.
pub const RESOURCES_SUFFIX: &str = "_resources";
/// PostgreSQL cuts names off at 63 bytes; the suffix has to fit too.
const SCHEMA_BYTES_MAX: usize = 63 - RESOURCES_SUFFIX.len();

/// Where a database is.
#[derive(Debug, Clone)]
pub enum Location {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A schema of a PostgreSQL database.
    Postgres(PostgresLocation),
}

/// A schema of a PostgreSQL database, and the data directory that it describes.
#[derive(Debug, Clone)]
pub struct PostgresLocation {
    /// The database.
    pub database: PostgresDatabase,
    /// The schema: lower-case letters, digits and underscores.
    pub schema: String,
    /// The id of the data directory. A schema belongs to one.
    pub data_directory: String,
}

/// A PostgreSQL database. Neither its `Debug` nor its `Display` form has the password.
#[derive(Clone)]
pub struct PostgresDatabase {
    /// In a box: a location is passed around beside a path, and this is twenty times as large.
    options: Box<PgConnectOptions>,
    schema: String,
}

/// Why a text is no address of a PostgreSQL database. It does not repeat the text, which may have a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It is no such URL at all.
    #[error("the catalog is no URL of the form postgres://user:password@host:port/database: {0}")]
    Url(String),
    /// The name of the schema is not one that needs no quotation.
    #[error(
        "the schema {0:?} of the catalog is not made of 1 to {SCHEMA_BYTES_MAX} lower-case letters, digits and \
         underscores, or starts with a digit or pg_"
    )]
    Schema(String),
}

impl PostgresDatabase {
    /// Reads `postgres://user:password@host:port/database?option=value`. The option `schema` names the schema of the
    /// lake; all others are those of `libpq`. What is not given comes from `PGHOST`, `PGUSER`, `PGPASSWORD`, the
    /// password file and so on.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn parse(url: &str) -> Result<Self, LocationError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(LocationError::Url("it does not start with postgres://".to_owned()));
        }
        let (address, options) = url.split_once('?').unwrap_or((url, ""));
        let mut schema = LAKE_SCHEMA.to_owned();
        let mut others = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("schema", name)) => name.clone_into(&mut schema),
                _ => others.push(option),
            }
        }
        check_schema(&schema)?;
        let options = PgConnectOptions::from_str(&format!("{address}?{}", others.join("&")))
            .map_err(|error| LocationError::Url(error.to_string()))?;
        Ok(Self { options: Box::new(options.application_name("freshet")), schema })
    }

    /// The schema of the lake's catalog.
    #[must_use]
    pub fn lake(&self, data_directory: &str) -> PostgresLocation {
        self.location(self.schema.clone(), data_directory)
    }

    /// The schema of the resources.
    #[must_use]
    pub fn resources(&self, data_directory: &str) -> PostgresLocation {
        self.location(format!("{}{RESOURCES_SUFFIX}", self.schema), data_directory)
    }

    fn location(&self, schema: String, data_directory: &str) -> PostgresLocation {
        PostgresLocation { database: self.clone(), schema, data_directory: data_directory.to_owned() }
    }

    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

fn check_schema(name: &str) -> Result<(), LocationError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts_well = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit()) && !name.starts_with("pg_");
    match starts_well && name.len() <= SCHEMA_BYTES_MAX && name.bytes().all(is_plain) {
        true => Ok(()),
        false => Err(LocationError::Schema(name.to_owned())),
    }
}

impl fmt::Display for PostgresDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        write!(formatter, "postgres://{}@", options.get_username())?;
        match options.get_socket() {
            Some(directory) => write!(formatter, "{}", directory.display())?,
            None => formatter.write_str(options.get_host())?,
        }
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        write!(formatter, ":{}/{database}", options.get_port())
    }
}

impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}?schema={}", self.schema)
    }
}

impl fmt::Display for PostgresLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} of {}", self.schema, self.database)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_url_names_database_and_schema_and_hides_the_password() {
        let database = PostgresDatabase::parse("postgres://joe:s3cr%40t@db.example:5433/metrics?schema=prod").unwrap();
        assert_eq!(database.to_string(), "postgres://joe@db.example:5433/metrics");
        for shown in [format!("{database:?}"), format!("{:?}", database.lake("d")), database.lake("d").to_string()] {
            assert!(shown.contains("prod") && !shown.contains("s3cr"), "{shown}");
        }
        assert_eq!(database.lake("d").schema, "prod");
        assert_eq!(database.resources("d").schema, "prod_resources");
        let plain = PostgresDatabase::parse("postgresql://joe@db/metrics").unwrap();
        assert_eq!((plain.lake("d").schema, plain.resources("d").schema.as_str()), {
            ("freshet".to_owned(), "freshet_resources")
        });
        let socket = PostgresDatabase::parse("postgres://joe@%2Fvar%2Frun%2Fpostgresql/m").unwrap();
        assert_eq!(socket.to_string(), "postgres://joe@/var/run/postgresql:5432/m");
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        let long = "s".repeat(SCHEMA_BYTES_MAX + 1);
        for schema in ["", "Prod", "1st", "pg_x", "a-b", "a\"b", "ü", long.as_str()] {
            let error = PostgresDatabase::parse(&format!("postgres://u:secret@h/d?schema={schema}")).unwrap_err();
            assert_eq!(error, LocationError::Schema(schema.to_owned()));
        }
        for url in ["", "mysql://u:secret@h/d", "catalog.sqlite", "postgres://u:secret@h:port/d", "postgres://[secret"]
        {
            let error = PostgresDatabase::parse(url).unwrap_err();
            assert!(matches!(error, LocationError::Url(_)) && !error.to_string().contains("secret"), "{error}");
        }
    }
}

//! Options of `freshet recovery`: a way in for whoever may read the data directory, with the flags of
//! `influxd recovery`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::OutputOptions;

/// What `freshet recovery` does.
#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryCommand {
    /// Tokens
    #[command(subcommand)]
    Auth(RecoveryAuthCommand),
    /// Users
    #[command(subcommand)]
    User(RecoveryUserCommand),
    /// Organisations
    #[command(subcommand)]
    Org(RecoveryOrgCommand),
}

/// Whose catalog it is, and how it is printed.
#[derive(Debug, Args)]
pub(crate) struct CatalogOptions {
    /// The data directory, which no server has open
    #[arg(long, env = "FRESHET_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// PostgreSQL database of the catalogs, as for `freshet serve`
    #[arg(long, env = "FRESHET_CATALOG", value_name = "URL", hide_env_values = true)]
    pub(crate) catalog: Option<String>,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// What `freshet recovery auth` does.
#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryAuthCommand {
    /// List tokens, without the secrets themselves, which nobody knows
    #[command(visible_aliases = ["ls", "find"])]
    List(CatalogOptions),
    /// Make a token of a user that may do everything; it is shown this once
    CreateOperator(CreateOperatorOptions),
}

#[derive(Debug, Args)]
pub(crate) struct CreateOperatorOptions {
    #[command(flatten)]
    pub(crate) catalog: CatalogOptions,
    /// Name of the user
    #[arg(long, value_name = "NAME")]
    pub(crate) username: String,
    /// Name of the organisation in which the token is made
    #[arg(long, value_name = "NAME")]
    pub(crate) org: String,
}

/// What `freshet recovery user` does.
#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryUserCommand {
    /// List users
    #[command(visible_aliases = ["ls", "find"])]
    List(CatalogOptions),
    /// Make a user
    Create(RecoveryPasswordOptions),
    /// Set a user's password
    Update(RecoveryPasswordOptions),
}

#[derive(Debug, Args)]
pub(crate) struct RecoveryPasswordOptions {
    #[command(flatten)]
    pub(crate) catalog: CatalogOptions,
    /// Name of the user
    #[arg(long, value_name = "NAME")]
    pub(crate) username: String,
    /// Password, 8 to 72 bytes; without it, it is asked for, or read from standard input
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
}

/// What `freshet recovery org` does.
#[derive(Debug, Subcommand)]
pub(crate) enum RecoveryOrgCommand {
    /// List organisations
    #[command(visible_aliases = ["ls", "find"])]
    List(CatalogOptions),
    /// Make an organisation
    Create(RecoveryOrgOptions),
}

#[derive(Debug, Args)]
pub(crate) struct RecoveryOrgOptions {
    #[command(flatten)]
    pub(crate) catalog: CatalogOptions,
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub(crate) org: String,
}

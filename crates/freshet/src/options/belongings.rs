//! Options of `freshet secret` and `freshet telegrafs`: what organisations keep for scripts and agents, with the flags
//! of InfluxDB's command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Managed, OrganisationOptions};

/// What `freshet secret` does.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// List the names of secrets
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<OrganisationOptions>),
    /// Set a secret
    Update(Managed<SecretUpdateOptions>),
    /// Delete a secret
    Delete(Managed<SecretDeleteOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct SecretUpdateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Its name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) key: String,
    /// Its value; without it, it is asked for, or read from standard input
    #[arg(long, short, value_name = "VALUE")]
    pub(crate) value: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretDeleteOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Its name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) key: String,
}

/// Options of `freshet telegrafs`: without more it lists.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TelegrafsOptions {
    #[command(subcommand)]
    pub(crate) command: Option<TelegrafsCommand>,
    #[command(flatten)]
    pub(crate) list: Managed<TelegrafsListOptions>,
}

/// What `freshet telegrafs` does besides.
#[derive(Debug, Subcommand)]
pub(crate) enum TelegrafsCommand {
    /// Make a configuration that agents fetch
    Create(Managed<TelegrafsCreateOptions>),
    /// Change a configuration
    Update(Managed<TelegrafsUpdateOptions>),
    /// Remove configurations
    #[command(visible_alias = "remove")]
    Rm(Managed<TelegrafsRemoveOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct TelegrafsListOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Only the one of this id
    #[arg(long, short, env = "FRESHET_ID", value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// What a configuration holds.
#[derive(Debug, Args)]
pub(crate) struct TelegrafContentOptions {
    /// What it is for
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// Its name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A file with the configuration in TOML; `-` is standard input
    #[arg(long, short, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct TelegrafsCreateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    #[command(flatten)]
    pub(crate) content: TelegrafContentOptions,
}

#[derive(Debug, Args)]
pub(crate) struct TelegrafsUpdateOptions {
    /// Its id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) content: TelegrafContentOptions,
}

#[derive(Debug, Args)]
pub(crate) struct TelegrafsRemoveOptions {
    /// Its id; may be given more than once
    #[arg(long, short, value_name = "ID", required = true, value_delimiter = ',')]
    pub(crate) id: Vec<String>,
}

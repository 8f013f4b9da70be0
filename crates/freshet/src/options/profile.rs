//! Options of `freshet config`: profiles of servers.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::OutputOptions;

/// Options of `freshet config`: without more it prints the active profile; with a name it makes that one active.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ConfigOptions {
    #[command(subcommand)]
    pub(crate) command: Option<ConfigCommand>,
    /// The profile that is active from now on; `-` is the one before
    #[arg(value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) file: ProfileFileOptions,
}

/// Where profiles are, and how they are shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProfileFileOptions {
    /// File of the profiles [default: ~/.influxdbv2/configs]
    #[arg(long, env = "FRESHET_CONFIGS_PATH", value_name = "FILE")]
    pub(crate) configs_path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// What `freshet config` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Make a profile
    Create(ConfigCreateOptions),
    /// List the profiles
    #[command(visible_alias = "ls")]
    List(ConfigListOptions),
    /// Change a profile
    #[command(visible_alias = "update")]
    Set(ConfigSetOptions),
    /// Remove profiles
    #[command(visible_alias = "remove")]
    Rm(ConfigRemoveOptions),
}

/// What a profile holds.
#[derive(Debug, Args)]
pub(crate) struct ConfigCreateOptions {
    /// Name of the profile
    #[arg(long, short = 'n', value_name = "NAME")]
    pub(crate) config_name: String,
    /// Address of the server
    #[arg(long, short = 'u', value_name = "URL")]
    pub(crate) host_url: String,
    /// Token
    #[arg(long, short, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Name of the organisation
    #[arg(long, short, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Make it the active one
    #[arg(long, short)]
    pub(crate) active: bool,
    #[command(flatten)]
    pub(crate) file: ProfileFileOptions,
}

/// No options of its own.
#[derive(Debug, Args)]
pub(crate) struct ConfigListOptions {
    #[command(flatten)]
    pub(crate) file: ProfileFileOptions,
}

/// What of a profile is changed.
#[derive(Debug, Args)]
pub(crate) struct ConfigSetOptions {
    /// Name of the profile
    #[arg(long, short = 'n', value_name = "NAME")]
    pub(crate) config_name: String,
    /// Address of the server
    #[arg(long, short = 'u', value_name = "URL")]
    pub(crate) host_url: Option<String>,
    /// Token
    #[arg(long, short, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Name of the organisation
    #[arg(long, short, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Make it the active one
    #[arg(long, short)]
    pub(crate) active: bool,
    #[command(flatten)]
    pub(crate) file: ProfileFileOptions,
}

/// Which profiles go.
#[derive(Debug, Args)]
pub(crate) struct ConfigRemoveOptions {
    /// Names of profiles
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
    #[command(flatten)]
    pub(crate) file: ProfileFileOptions,
}

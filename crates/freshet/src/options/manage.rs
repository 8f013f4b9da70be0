//! Options of the commands for what a server keeps besides points: organisations, users, buckets, tokens, the users and
//! databases of 1.x. The flags are those of InfluxDB's command line, so that its scripts run after a rename.
//!
//! Only the options that say where the server is, who asks and how the answer looks have variables: a variable for the
//! name of what is to be deleted would be a trap.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::permission_flags::PermissionFlags;
use super::{ConnectionOptions, parse_duration};

/// What each of these commands has besides its own options.
#[derive(Debug, Args)]
pub(crate) struct Managed<T: Args> {
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
    #[command(flatten)]
    pub(crate) own: T,
}

/// How the answer looks.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Print the server's JSON instead of a table
    #[arg(long, env = "FRESHET_JSON")]
    pub(crate) json: bool,
    /// Leave out the line with the names of the columns
    #[arg(long, env = "FRESHET_HIDE_HEADERS")]
    pub(crate) hide_headers: bool,
}

/// No options of its own.
#[derive(Debug, Args)]
pub(crate) struct NoOptions {}

/// Which organisation is meant.
#[derive(Debug, Default, Args)]
pub(crate) struct OrganisationOptions {
    /// Name of the organisation; otherwise that of the profile
    #[arg(long, short, env = "FRESHET_ORG", value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Id of the organisation, instead of --org
    #[arg(long, env = "FRESHET_ORG_ID", value_name = "ID")]
    pub(crate) org_id: Option<String>,
}

/// One resource by its name or its id.
#[derive(Debug, Args)]
#[group(required = true)]
pub(crate) struct ResourceOptions {
    /// Its id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Its name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// One resource by its id.
#[derive(Debug, Args)]
pub(crate) struct IdOptions {
    /// Its id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: String,
}

/// Which of a kind are listed.
#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// Only the one of this id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only the one of this name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Options of `freshet setup`.
#[derive(Debug, Args)]
pub(crate) struct SetupOptions {
    /// Name of the first user
    #[arg(long, short, env = "FRESHET_USERNAME", value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Password of the first user, 8 to 72 bytes; asked for at a terminal
    #[arg(long, short, env = "FRESHET_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// Name of the first organisation
    #[arg(long, short, env = "FRESHET_ORG", value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Name of the first bucket
    #[arg(long, short, env = "FRESHET_BUCKET", value_name = "NAME")]
    pub(crate) bucket: Option<String>,
    /// How long that bucket keeps points (72h, 30d, 1w); 0 is for ever
    #[arg(
        long, short, env = "FRESHET_RETENTION",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "0"
    )]
    pub(crate) retention: Duration,
    /// Ask for nothing
    #[arg(long, short, env = "FRESHET_FORCE")]
    pub(crate) force: bool,
    /// Name of the profile that is made; needed where there are others [default: default]
    #[arg(long, short, env = "FRESHET_NAME", value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// What `freshet bucket` does.
#[derive(Debug, Subcommand)]
pub(crate) enum BucketCommand {
    /// Make a bucket
    Create(Managed<BucketCreateOptions>),
    /// List the buckets of an organisation
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<BucketListOptions>),
    /// Change a bucket
    Update(Managed<BucketUpdateOptions>),
    /// Delete a bucket with all its points
    Delete(Managed<BucketDeleteOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct BucketCreateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Its name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: String,
    /// What it is for
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// How long it keeps points (72h, 30d, 1w); 0 is for ever
    #[arg(long, short, value_name = "DURATION", value_parser = parse_duration, default_value = "0")]
    pub(crate) retention: Duration,
    /// Length of InfluxDB's shard groups; kept for clients, without a meaning here
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) shard_group_duration: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct BucketListOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    #[command(flatten)]
    pub(crate) which: ListOptions,
    /// The most that are listed; 0 is all
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) limit: usize,
    /// How many are left out in front
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) offset: usize,
}

#[derive(Debug, Args)]
pub(crate) struct BucketUpdateOptions {
    /// Its id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: String,
    /// A new name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What it is for
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// How long it keeps points (72h, 30d, 1w); 0 is for ever
    #[arg(long, short, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) retention: Option<Duration>,
    /// Length of InfluxDB's shard groups; kept for clients, without a meaning here
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) shard_group_duration: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct BucketDeleteOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    #[command(flatten)]
    pub(crate) which: ResourceOptions,
}

/// What `freshet org` does.
#[derive(Debug, Subcommand)]
pub(crate) enum OrgCommand {
    /// Make an organisation
    Create(Managed<OrgCreateOptions>),
    /// List organisations
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<ListOptions>),
    /// Change an organisation
    Update(Managed<OrgUpdateOptions>),
    /// Delete an organisation with all that it has
    Delete(Managed<IdOptions>),
    /// Who belongs to an organisation
    #[command(subcommand)]
    Members(MembersCommand),
}

#[derive(Debug, Args)]
pub(crate) struct OrgCreateOptions {
    /// Its name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: String,
    /// What it is for
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OrgUpdateOptions {
    /// Its id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: String,
    /// A new name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// What it is for
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
}

/// What `freshet org members` does.
#[derive(Debug, Subcommand)]
pub(crate) enum MembersCommand {
    /// List members and owners
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<NamedOrganisationOptions>),
    /// Add a user
    Add(Managed<MembersAddOptions>),
    /// Remove a user
    Remove(Managed<MembersRemoveOptions>),
}

/// An organisation, where `-n` and `-i` are its own.
#[derive(Debug, Args)]
pub(crate) struct NamedOrganisationOptions {
    /// Name of the organisation; otherwise that of the profile
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Id of the organisation
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct MembersAddOptions {
    #[command(flatten)]
    pub(crate) organisation: NamedOrganisationOptions,
    /// Id of the user
    #[arg(long, short, value_name = "ID")]
    pub(crate) member: String,
    /// As an owner
    #[arg(long)]
    pub(crate) owner: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MembersRemoveOptions {
    #[command(flatten)]
    pub(crate) organisation: NamedOrganisationOptions,
    /// Id of the user
    #[arg(long, short, value_name = "ID")]
    pub(crate) member: String,
}

/// What `freshet user` does.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user; with an organisation, a member of it
    Create(Managed<UserCreateOptions>),
    /// List users
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<ListOptions>),
    /// Give a user another name
    Update(Managed<UserUpdateOptions>),
    /// Delete a user
    Delete(Managed<IdOptions>),
    /// Set a user's password
    Password(Managed<UserPasswordOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct UserCreateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Name of the user
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: String,
    /// Password, 8 to 72 bytes
    #[arg(long, short, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UserUpdateOptions {
    /// Id of the user
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: String,
    /// The new name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct UserPasswordOptions {
    #[command(flatten)]
    pub(crate) which: ResourceOptions,
    /// The new password, 8 to 72 bytes; without it, it is asked for, or read from standard input
    #[arg(long, short, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
}

/// What `freshet auth` does.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Make a token; it is shown this once
    Create(Managed<AuthCreateOptions>),
    /// List tokens, without the secrets themselves
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<AuthListOptions>),
    /// Let a token count again
    Active(Managed<IdOptions>),
    /// Let a token not count for a while
    Inactive(Managed<IdOptions>),
    /// Delete a token
    Delete(Managed<IdOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct AuthCreateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Name of the user whose token it is; otherwise the one who asks
    #[arg(long, short, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// What it is for
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// May do everything within the organisation
    #[arg(long)]
    pub(crate) all_access: bool,
    /// May do everything within all organisations
    #[arg(long, conflicts_with = "all_access")]
    pub(crate) operator: bool,
    /// May read the points of this bucket; may be given more than once
    #[arg(long, value_name = "ID")]
    pub(crate) read_bucket: Vec<String>,
    /// May write points into this bucket; may be given more than once
    #[arg(long, value_name = "ID")]
    pub(crate) write_bucket: Vec<String>,
    #[command(flatten)]
    pub(crate) permissions: PermissionFlags,
}

#[derive(Debug, Args)]
pub(crate) struct AuthListOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Only the one of this id
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only those of the user of this name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Only those of the user of this id
    #[arg(long, value_name = "ID")]
    pub(crate) user_id: Option<String>,
}

/// What `freshet v1` does.
#[derive(Debug, Subcommand)]
pub(crate) enum V1Command {
    /// Users of the 1.x API
    #[command(subcommand)]
    Auth(V1AuthCommand),
    /// Databases and retention policies of the 1.x API, and the buckets that they mean
    #[command(subcommand)]
    Dbrp(DbrpCommand),
    /// Run InfluxQL statements from a terminal or standard input
    Shell(Managed<NoOptions>),
}

/// What `freshet v1 auth` does.
#[derive(Debug, Subcommand)]
pub(crate) enum V1AuthCommand {
    /// Make a user of the 1.x API
    Create(Managed<V1AuthCreateOptions>),
    /// List users of the 1.x API
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<V1AuthListOptions>),
    /// Let a user in again
    SetActive(Managed<V1WhichOptions>),
    /// Let a user out for a while
    SetInactive(Managed<V1WhichOptions>),
    /// Set a user's password
    SetPassword(Managed<V1PasswordOptions>),
    /// Delete a user of the 1.x API
    Delete(Managed<V1WhichOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct V1AuthCreateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Name of the user
    #[arg(long, value_name = "NAME")]
    pub(crate) username: String,
    /// Password, 8 to 72 bytes; without it, it is asked for, or read from standard input
    #[arg(long, value_name = "PASSWORD", conflicts_with = "no_password")]
    pub(crate) password: Option<String>,
    /// Set no password yet
    #[arg(long)]
    pub(crate) no_password: bool,
    /// What it is for
    #[arg(long, short, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// May read this bucket; may be given more than once
    #[arg(long, value_name = "ID")]
    pub(crate) read_bucket: Vec<String>,
    /// May write into this bucket; may be given more than once
    #[arg(long, value_name = "ID")]
    pub(crate) write_bucket: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct V1AuthListOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Only the one of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
}

/// One user of the 1.x API.
#[derive(Debug, Args)]
#[group(required = true)]
pub(crate) struct V1WhichOptions {
    /// Id of the user
    #[arg(long, short, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Name of the user
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct V1PasswordOptions {
    #[command(flatten)]
    pub(crate) which: V1WhichOptions,
    /// The new password, 8 to 72 bytes; without it, it is asked for, or read from standard input
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
}

/// What `freshet v1 dbrp` does.
#[derive(Debug, Subcommand)]
pub(crate) enum DbrpCommand {
    /// Make a mapping
    Create(Managed<DbrpCreateOptions>),
    /// List mappings
    #[command(visible_aliases = ["ls", "find"])]
    List(Managed<DbrpListOptions>),
    /// Change a mapping
    Update(Managed<DbrpUpdateOptions>),
    /// Delete a mapping
    Delete(Managed<DbrpDeleteOptions>),
}

#[derive(Debug, Args)]
pub(crate) struct DbrpCreateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Id of the bucket
    #[arg(long, value_name = "ID")]
    pub(crate) bucket_id: String,
    /// Name of the database
    #[arg(long, value_name = "NAME")]
    pub(crate) db: String,
    /// Name of the retention policy
    #[arg(long, value_name = "NAME")]
    pub(crate) rp: String,
    /// It is the database's default
    #[arg(long)]
    pub(crate) default: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DbrpListOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Only the one of this id
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Only those to the bucket of this id
    #[arg(long, value_name = "ID")]
    pub(crate) bucket_id: Option<String>,
    /// Only those of this database
    #[arg(long, value_name = "NAME")]
    pub(crate) db: Option<String>,
    /// Only those of this retention policy
    #[arg(long, value_name = "NAME")]
    pub(crate) rp: Option<String>,
    /// Only defaults
    #[arg(long)]
    pub(crate) default: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DbrpUpdateOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Id of the mapping
    #[arg(long, value_name = "ID")]
    pub(crate) id: String,
    /// Another name of the retention policy
    #[arg(long, short, value_name = "NAME")]
    pub(crate) rp: Option<String>,
    /// It is the database's default
    #[arg(long)]
    pub(crate) default: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DbrpDeleteOptions {
    #[command(flatten)]
    pub(crate) organisation: OrganisationOptions,
    /// Id of the mapping
    #[arg(long, value_name = "ID")]
    pub(crate) id: String,
}

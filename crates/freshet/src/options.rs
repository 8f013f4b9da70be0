//! Every option of the program, once: the flags, the environment, `--help` and docs/config.md all come from here.
//!
//! The environment variable of an option is its long name in capitals behind `FRESHET_`. A flag counts before the
//! variable, and that before the variables that InfluxDB's programs know ([`ALIASES`]).

mod alias;
mod belongings;
mod manage;
mod permission_flags;
mod profile;
mod recovery;
mod task;
mod template;
mod tools;
mod value;
mod write;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use freshet_client::Precision;
use storage::StoreAddress;

pub(crate) use alias::{ALIASES, Alias, AliasError, AliasKind, process_environment};
pub(crate) use belongings::*;
pub(crate) use manage::*;
pub(crate) use profile::{ConfigCommand, ConfigCreateOptions, ConfigOptions, ConfigSetOptions, ProfileFileOptions};
pub(crate) use recovery::*;
pub(crate) use task::*;
pub(crate) use template::*;
pub(crate) use tools::{
    DataCommand, DataFormat, DoctorOptions, ExportOptions, FluxCommand, FluxTestOptions, ImportOptions, Repair,
    SourceOptions,
};
pub(crate) use value::{ByteSize, MemoryLimit, RateLimit, parse_duration};
pub(crate) use write::{Compression, InputOptions, LineFormat, WriteCommand, WriteCommandLine, WriteOptions};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "freshet",
    version,
    about = "A time-series database that speaks InfluxDB's protocols",
    long_about = None
)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What the program is to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server, until SIGTERM or SIGINT
    Serve(Box<ServeOptions>),
    /// Write line protocol or CSV from files, addresses or standard input
    Write(Box<WriteCommandLine>),
    /// Run a query and print its rows
    Query(Box<QueryOptions>),
    /// Delete points by time and predicate
    Delete(Box<DeleteOptions>),
    /// Have the server write all that it holds in memory into Parquet files
    Flush(ConnectionOptions),
    /// Have the server merge its Parquet files until none overlap, and apply retention
    Compact(CompactOptions),
    /// Copy all data of a running server into a directory; what is there already is not copied again
    Backup(BackupOptions),
    /// Make a data directory from a backup
    Restore(RestoreOptions),
    /// Look at a data directory that no server has open, and repair it
    Doctor(DoctorOptions),
    /// Get into a data directory whose tokens and passwords are lost, while no server has it open
    #[command(subcommand)]
    Recovery(RecoveryCommand),
    /// Export and import points
    #[command(subcommand)]
    Data(DataCommand),
    /// Work on Flux scripts
    #[command(subcommand)]
    Flux(FluxCommand),
    /// Set an empty server up: its first user, organisation, bucket and token; makes a profile of it
    Setup(Box<Managed<SetupOptions>>),
    /// Profiles of servers: show the active one, make another one active, add, change and remove them
    Config(ConfigOptions),
    /// Organisations
    #[command(subcommand)]
    Org(OrgCommand),
    /// Buckets
    #[command(subcommand)]
    Bucket(BucketCommand),
    /// Users
    #[command(subcommand)]
    User(UserCommand),
    /// Tokens
    #[command(subcommand)]
    Auth(Box<AuthCommand>),
    /// Scripts that run again and again, and their runs
    #[command(subcommand)]
    Task(Box<TaskCommand>),
    /// Secrets of organisations, which scripts use
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Configurations that Telegraf fetches: list, make, change and remove them
    Telegrafs(Box<TelegrafsOptions>),
    /// Export resources as a template: those that are named, all, or a stack's
    Export(Box<TemplateExportOptions>),
    /// Make or change the resources of templates
    Apply(Box<Managed<ApplyOptions>>),
    /// Users and databases of the 1.x API, and a shell for InfluxQL
    #[command(subcommand)]
    V1(V1Command),
    /// Print the completions of a shell: `freshet completion bash > /etc/bash_completion.d/freshet`
    Completion(CompletionOptions),
    /// Write manual pages into a directory
    Man(ManOptions),
    /// Ask whether the server is well; exit code 1 if it is not
    Health(ConnectionOptions),
    /// Print OK if the server is well; exit code 1 if it is not
    Ping(ConnectionOptions),
    /// Print the version of this program
    Version,
    /// Print docs/config.md
    #[command(hide = true)]
    ConfigDocs,
}

/// Options of `freshet serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Directory of all data; made if it does not exist
    #[arg(long, env = "FRESHET_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Where the Parquet files lie: file:///directory, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix;
    /// otherwise in the data directory. Keys come from the variables of the cloud (docs/object-stores.md)
    #[arg(long, env = "FRESHET_OBJECT_STORE", value_name = "URL")]
    pub(crate) object_store: Option<StoreAddress>,
    /// The files that the catalog says to be elsewhere have been moved to the object store, or back
    #[arg(long, env = "FRESHET_OBJECT_STORE_MOVED")]
    pub(crate) object_store_moved: bool,
    /// PostgreSQL database of the catalogs: postgres://user:password@host:port/database, with ?schema=NAME for another
    /// schema than freshet. Without it they are SQLite files in the data directory
    #[arg(long, env = "FRESHET_CATALOG", value_name = "URL", hide_env_values = true)]
    pub(crate) catalog: Option<String>,
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "FRESHET_HTTP_BIND", value_name = "ADDRESS", default_value = "127.0.0.1:8086")]
    pub(crate) http_bind: SocketAddr,
    /// Address and port of line protocol in datagrams (UDP), which has neither credentials nor answers; none by default
    #[arg(long, env = "FRESHET_UDP_BIND_ADDRESS", value_name = "ADDRESS", requires = "udp_bucket")]
    pub(crate) udp_bind_address: Option<SocketAddr>,
    /// Name or id of the bucket that datagrams are written into
    #[arg(long, env = "FRESHET_UDP_BUCKET", value_name = "NAME")]
    pub(crate) udp_bucket: Option<String>,
    /// Name of that bucket's organisation; the first one by default
    #[arg(long, env = "FRESHET_UDP_ORG", value_name = "NAME")]
    pub(crate) udp_org: Option<String>,
    /// Unit of the times in datagrams: ns, us, ms or s
    #[arg(long, env = "FRESHET_UDP_PRECISION", value_name = "UNIT", default_value = "ns")]
    pub(crate) udp_precision: Precision,
    /// How requests name their organisation
    #[arg(long, env = "FRESHET_MODE", value_name = "MODE", value_enum, default_value_t = Mode::Oss)]
    pub(crate) mode: Mode,
    /// Memory of the process: a number of bytes (512MiB, 2GB) or a part of what the machine or its container has (60%)
    #[arg(long, env = "FRESHET_MEMORY_LIMIT", value_name = "SIZE", default_value = "60%")]
    pub(crate) memory_limit: MemoryLimit,
    /// PEM file with the certificate and those that lead to its root; the server then speaks only TLS
    #[arg(long, env = "FRESHET_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, env = "FRESHET_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) init: InitOptions,
    /// Buffered bytes of one measurement that make it a Parquet file
    #[arg(long, env = "FRESHET_FLUSH_TABLE_BYTES", value_name = "SIZE", default_value = "64MiB")]
    pub(crate) flush_table_bytes: ByteSize,
    /// Age of a buffered point that makes its measurement a Parquet file
    #[arg(
        long, env = "FRESHET_FLUSH_AGE",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "10m"
    )]
    pub(crate) flush_age: Duration,
    /// Merges of Parquet files that run at the same time; 0 leaves merging to `freshet compact`
    #[arg(
        long,
        env = "FRESHET_COMPACTIONS",
        value_name = "COUNT",
        default_value = "1",
        value_parser = clap::value_parser!(u16).range(0..=64)
    )]
    pub(crate) compactions: u16,
    /// How long replaced files and the catalog's older snapshots stay, for outside readers and queries of the past
    #[arg(
        long, visible_alias = "snapshot-retention", env = "FRESHET_KEEP_SNAPSHOTS",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "1h"
    )]
    pub(crate) keep_snapshots: Duration,
    /// Tags and fields of one measurement; points that need more are refused
    #[arg(
        long,
        env = "FRESHET_MAX_COLUMNS_PER_MEASUREMENT",
        value_name = "COUNT",
        default_value = "10000",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub(crate) max_columns_per_measurement: u32,
    /// Measurements of one bucket; points of further ones are refused
    #[arg(
        long,
        env = "FRESHET_MAX_MEASUREMENTS_PER_BUCKET",
        value_name = "COUNT",
        default_value = "100000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) max_measurements_per_bucket: u32,
    /// The longest time of one query
    #[arg(
        long, env = "FRESHET_QUERY_TIMEOUT",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "5m"
    )]
    pub(crate) query_timeout: Duration,
    /// Disk space for what queries cannot hold in memory
    #[arg(long, env = "FRESHET_QUERY_SPILL_LIMIT", value_name = "SIZE", default_value = "10GiB")]
    pub(crate) query_spill_limit: ByteSize,
    /// Make the bucket of a database of 1.x when it is written to for the first time, if the writer may make buckets
    #[arg(long, env = "FRESHET_AUTO_CREATE_BUCKETS")]
    pub(crate) auto_create_buckets: bool,
    /// Key that the secrets of organisations are encrypted with, 64 hexadecimal digits. Without it the file secret.key
    /// in the data directory counts, which is made if there is none; a backup does not hold it
    #[arg(long, env = "FRESHET_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    pub(crate) secret_key: Option<String>,
    /// The longest silence within the body of a request, before it is answered 408
    #[arg(
        long, env = "FRESHET_BODY_STALL",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "30s"
    )]
    pub(crate) body_stall: Duration,
    /// How long a stopping server waits for requests in flight
    #[arg(long, env = "FRESHET_DRAIN", value_name = "DURATION", value_parser = parse_duration, default_value = "30s")]
    pub(crate) drain: Duration,
    /// What is logged: error, warn, info, debug, trace, also by module (info,storage=debug)
    #[arg(long, env = "FRESHET_LOG_LEVEL", value_name = "FILTER", default_value = "info")]
    pub(crate) log_level: String,
    /// How log lines look
    #[arg(long, env = "FRESHET_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// The first set-up of an empty server. Later starts ignore these.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "First start")]
pub(crate) struct InitOptions {
    /// Name of the first user
    #[arg(long, env = "FRESHET_INIT_USERNAME", value_name = "NAME")]
    pub(crate) init_username: Option<String>,
    /// Password of the first user, 8 to 72 bytes
    #[arg(long, env = "FRESHET_INIT_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub(crate) init_password: Option<String>,
    /// Name of the first organisation
    #[arg(long, env = "FRESHET_INIT_ORG", value_name = "NAME")]
    pub(crate) init_org: Option<String>,
    /// Name of the first bucket
    #[arg(long, env = "FRESHET_INIT_BUCKET", value_name = "NAME")]
    pub(crate) init_bucket: Option<String>,
    /// How long that bucket keeps points (72h, 30d, 1w); 0 is for ever
    #[arg(long, env = "FRESHET_INIT_RETENTION", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) init_retention: Option<Duration>,
    /// The operator token
    #[arg(long, env = "FRESHET_INIT_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) init_token: Option<String>,
}

/// How requests name their organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// `org` or `orgID` is required, as in InfluxDB OSS
    Oss,
    /// The token's organisation is meant where none is named, as in InfluxDB Cloud
    Cloud,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Where the server is and who asks.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectionOptions {
    /// Address of the server [default: http://127.0.0.1:8086]
    #[arg(long, visible_alias = "host", env = "FRESHET_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Token
    #[arg(long, short, env = "FRESHET_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// PEM file with a root certificate to trust besides those of the system
    #[arg(long, env = "FRESHET_CA_CERT", value_name = "FILE")]
    pub(crate) ca_cert: Option<PathBuf>,
    /// Trust any certificate, also one that somebody between here and the server made
    #[arg(long, env = "FRESHET_SKIP_VERIFY")]
    pub(crate) skip_verify: bool,
    /// Name of the profile that says what is left open here; otherwise the active one (`freshet config`)
    #[arg(long, short = 'c', env = "FRESHET_ACTIVE_CONFIG", value_name = "NAME")]
    pub(crate) active_config: Option<String>,
    /// File of the profiles [default: ~/.influxdbv2/configs]
    #[arg(long, env = "FRESHET_CONFIGS_PATH", value_name = "FILE")]
    pub(crate) configs_path: Option<PathBuf>,
}

/// Options of `freshet completion`.
#[derive(Debug, Args)]
pub(crate) struct CompletionOptions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Options of `freshet man`.
#[derive(Debug, Args)]
pub(crate) struct ManOptions {
    /// The directory; made if it does not exist
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

/// Options of `freshet compact`.
#[derive(Debug, Args)]
pub(crate) struct CompactOptions {
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    /// Wait until it is done, and print what was done
    #[arg(long, env = "FRESHET_WAIT")]
    pub(crate) wait: bool,
}

/// Options of `freshet backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupOptions {
    /// Directory of the backup; made if it does not exist
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    /// Read the files that are there already, and copy again those that are damaged
    #[arg(long, env = "FRESHET_VERIFY")]
    pub(crate) verify: bool,
    /// Show no progress
    #[arg(long, short, env = "FRESHET_QUIET")]
    pub(crate) quiet: bool,
}

/// Options of `freshet restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreOptions {
    /// Directory of the backup
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// The data directory to make; it must be empty or not exist
    #[arg(long, env = "FRESHET_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Where the data files go, if not into the data directory: as for `freshet serve`; nothing may be there
    #[arg(long, env = "FRESHET_OBJECT_STORE", value_name = "URL")]
    pub(crate) object_store: Option<StoreAddress>,
    /// PostgreSQL database of the catalogs, if they are not to be in the data directory: as for `freshet serve`; its
    /// schemas may not exist
    #[arg(long, env = "FRESHET_CATALOG", value_name = "URL", hide_env_values = true)]
    pub(crate) catalog: Option<String>,
    /// Show no progress
    #[arg(long, short, env = "FRESHET_QUIET")]
    pub(crate) quiet: bool,
}

/// Which data is meant.
#[derive(Debug, Args)]
pub(crate) struct TargetOptions {
    /// Name or id of the organisation; the token's own if the server can tell
    #[arg(long, short, env = "FRESHET_ORG", value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Name or id of the bucket
    #[arg(long, short, visible_alias = "database", env = "FRESHET_BUCKET", value_name = "NAME")]
    pub(crate) bucket: Option<String>,
}

/// Options of `freshet query`.
#[derive(Debug, Args)]
pub(crate) struct QueryOptions {
    /// The query; `-` reads it from standard input
    #[arg(value_name = "QUERY", required_unless_present = "file")]
    pub(crate) query: Option<String>,
    /// A file with the query
    #[arg(long, short, env = "FRESHET_FILE", value_name = "FILE", conflicts_with = "query")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
    /// Language of the query
    #[arg(long, env = "FRESHET_LANGUAGE", value_name = "LANGUAGE", value_enum, default_value_t = Language::Flux)]
    pub(crate) language: Language,
    /// An earlier snapshot instead of now: its id in system.snapshots, or a time such as 2026-01-01T00:00:00Z. SQL only
    #[arg(long, env = "FRESHET_SNAPSHOT", value_name = "SNAPSHOT")]
    pub(crate) snapshot: Option<String>,
    /// Form of the rows
    #[arg(long, env = "FRESHET_FORMAT", value_name = "FORMAT", value_enum, default_value_t = RowFormat::Table)]
    pub(crate) format: RowFormat,
    /// The same as --format csv: annotated CSV where the language is Flux
    #[arg(long, short, env = "FRESHET_RAW", conflicts_with = "format")]
    pub(crate) raw: bool,
    /// Print how the query would be done, and what of it the storage would do, instead of running it
    #[arg(long, env = "FRESHET_EXPLAIN")]
    pub(crate) explain: bool,
}

/// Options of `freshet delete`; the flags are those of `influx delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteOptions {
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
    /// Id of the organisation, instead of --org
    #[arg(long, env = "FRESHET_ORG_ID", value_name = "ID")]
    pub(crate) org_id: Option<String>,
    /// Id of the bucket, instead of --bucket
    #[arg(long, env = "FRESHET_BUCKET_ID", value_name = "ID")]
    pub(crate) bucket_id: Option<String>,
    /// The earliest time, for example 2024-05-01T00:00:00Z
    #[arg(long, env = "FRESHET_START", value_name = "TIME")]
    pub(crate) start: String,
    /// The latest time; points at that time are deleted too
    #[arg(long, env = "FRESHET_STOP", value_name = "TIME")]
    pub(crate) stop: String,
    /// Which points: comparisons with = and != joined by AND, of tags, _measurement and _field. Without it, all
    #[arg(long, short, env = "FRESHET_PREDICATE", value_name = "PREDICATE")]
    pub(crate) predicate: Option<String>,
}

/// Languages of queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Flux; the answer is CSV, with annotations where the form is csv
    Flux,
    /// SQL
    Sql,
    /// InfluxQL, one statement
    Influxql,
}

/// Forms of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A table for people
    Table,
    /// Comma-separated values with a header line
    Csv,
    /// One JSON array
    Json,
    /// One JSON object a line
    Jsonl,
}

#[cfg(test)]
mod tests;

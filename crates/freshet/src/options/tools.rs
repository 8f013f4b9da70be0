//! Options of the tools around a server's data: doctor, export and import.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use freshet_client::Precision;
use storage::StoreAddress;

use super::alias::{AliasError, Environment, target_with_aliases};
use super::{ConnectionOptions, TargetOptions};

/// Options of `freshet doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorOptions {
    /// The data directory, which no server has open
    #[arg(long, env = "FRESHET_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Where the data files lie, if not in the data directory: as for `freshet serve`
    #[arg(long, env = "FRESHET_OBJECT_STORE", value_name = "URL")]
    pub(crate) object_store: Option<StoreAddress>,
    /// PostgreSQL database of the catalogs, if they are not in the data directory: as for `freshet serve`
    #[arg(long, env = "FRESHET_CATALOG", value_name = "URL", hide_env_values = true)]
    pub(crate) catalog: Option<String>,
    /// Read every row of every file, not only sizes and footers
    #[arg(long, env = "FRESHET_DEEP")]
    pub(crate) deep: bool,
    /// What to put right
    #[arg(long, env = "FRESHET_REPAIR", value_name = "WHAT", value_enum, value_delimiter = ',')]
    pub(crate) repair: Vec<Repair>,
    /// Make a new catalog from the footers of the files alone; the old one is kept aside
    #[arg(long, env = "FRESHET_REBUILD_CATALOG")]
    pub(crate) rebuild_catalog: bool,
    /// Print one JSON object
    #[arg(long, env = "FRESHET_JSON")]
    pub(crate) json: bool,
}

/// What the doctor may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Repair {
    /// Take missing and damaged files out of the catalog; damaged ones are kept aside
    Files,
    /// Delete files that no row of the catalog names
    Orphans,
    /// Take damaged places out of the write-ahead log, and list what they held; the segments are kept aside
    Log,
}

/// What `freshet data` does.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Write points of a bucket into files or to standard output
    Export(ExportOptions),
    /// Write points from files into a bucket
    Import(ImportOptions),
}

/// Options of `freshet data export`.
#[derive(Debug, Args)]
pub(crate) struct ExportOptions {
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
    /// Only this measurement; may be given more than once
    #[arg(long, short, env = "FRESHET_MEASUREMENT", value_name = "NAME")]
    pub(crate) measurement: Vec<String>,
    /// The earliest time, for example 2024-05-01T00:00:00Z
    #[arg(long, env = "FRESHET_START", value_name = "TIME")]
    pub(crate) start: Option<String>,
    /// The end of the times; points at that time are left out
    #[arg(long, env = "FRESHET_STOP", value_name = "TIME")]
    pub(crate) stop: Option<String>,
    /// An earlier snapshot instead of now: its id in system.snapshots, or a time
    #[arg(long, env = "FRESHET_SNAPSHOT", value_name = "SNAPSHOT")]
    pub(crate) snapshot: Option<String>,
    /// Form of the points
    #[arg(long, env = "FRESHET_FORMAT", value_name = "FORMAT", value_enum, default_value_t = DataFormat::Lp)]
    pub(crate) format: DataFormat,
    /// Compress line protocol and CSV by gzip
    #[arg(long, env = "FRESHET_COMPRESS")]
    pub(crate) compress: bool,
    /// File to write; without it and without --directory, standard output
    #[arg(long, env = "FRESHET_OUTPUT", value_name = "FILE", conflicts_with = "directory")]
    pub(crate) output: Option<PathBuf>,
    /// Directory for a file of each measurement; made if it does not exist
    #[arg(long, env = "FRESHET_DIRECTORY", value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Print neither progress nor the summary
    #[arg(long, short, env = "FRESHET_QUIET")]
    pub(crate) quiet: bool,
}

/// Options of `freshet data import`.
#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// Files, or directories of them; `-` or none is standard input
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Directory of a stopped InfluxDB 1.x or 2.x instead of files. Each retention policy of 1.x becomes the bucket
    /// DATABASE/POLICY unless --bucket names one
    #[arg(
        long,
        env = "FRESHET_TSM",
        value_name = "DIR",
        conflicts_with_all = ["files", "format", "measurement", "tags"]
    )]
    pub(crate) tsm: Option<PathBuf>,
    /// Address of a running InfluxDB 1.x or 2.x, or Freshet, instead of files. Its buckets and retention policies are
    /// made, unless --bucket names one
    #[arg(
        long,
        env = "FRESHET_INFLUXDB",
        value_name = "URL",
        conflicts_with_all = ["files", "tsm", "format", "measurement", "tags"]
    )]
    pub(crate) influxdb: Option<String>,
    #[command(flatten)]
    pub(crate) source: SourceOptions,
    /// Of a directory or server only this DATABASE, DATABASE/POLICY, bucket or, in a directory of 2.x, id of a bucket;
    /// may be given more than once
    #[arg(long, env = "FRESHET_ONLY", value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    #[command(flatten)]
    pub(crate) connection: ConnectionOptions,
    #[command(flatten)]
    pub(crate) target: TargetOptions,
    /// Form of the files; without it, their names tell
    #[arg(long, env = "FRESHET_FORMAT", value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<DataFormat>,
    /// Unit of the times in line protocol: ns, us, ms or s
    #[arg(long, env = "FRESHET_PRECISION", value_name = "UNIT", default_value = "ns")]
    pub(crate) precision: Precision,
    /// Measurement of Parquet files that Freshet did not write
    #[arg(long, env = "FRESHET_MEASUREMENT", value_name = "NAME")]
    pub(crate) measurement: Option<String>,
    /// Columns of such files that are tags, besides dictionaries
    #[arg(long, env = "FRESHET_TAGS", value_name = "NAMES", value_delimiter = ',')]
    pub(crate) tags: Vec<String>,
    /// File that remembers how far the import is; when it is there, the import goes on from it
    #[arg(long, env = "FRESHET_STATE", value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Points that are sent together
    #[arg(
        long,
        env = "FRESHET_BATCH_LINES",
        value_name = "COUNT",
        default_value = "5000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) batch_lines: u32,
    /// How long a batch is tried again while the server is busy or away
    #[arg(
        long, env = "FRESHET_RETRY_TIME",
        value_name = "DURATION",
        value_parser = super::parse_duration,
        default_value = "3m"
    )]
    pub(crate) retry_time: std::time::Duration,
    /// Print neither progress nor the summary
    #[arg(long, short, env = "FRESHET_QUIET")]
    pub(crate) quiet: bool,
}

/// Who asks a server that is imported from, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceOptions {
    /// Token at the source, for 2.x
    #[arg(long, env = "FRESHET_SOURCE_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) source_token: Option<String>,
    /// Name or id of the organisation at the source, for 2.x
    #[arg(long, env = "FRESHET_SOURCE_ORG", value_name = "NAME")]
    pub(crate) source_org: Option<String>,
    /// Name of the user at the source, for 1.x
    #[arg(long, env = "FRESHET_SOURCE_USERNAME", value_name = "NAME", requires = "source_password")]
    pub(crate) source_username: Option<String>,
    /// Password at the source, for 1.x
    #[arg(long, env = "FRESHET_SOURCE_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub(crate) source_password: Option<String>,
    /// Length of the slices of time that are read, checked and noted one after another
    #[arg(
        long,
        env = "FRESHET_SLICE",
        value_name = "DURATION",
        value_parser = super::parse_duration,
        default_value = "1d"
    )]
    pub(crate) slice: std::time::Duration,
    /// Do not read back what was sent; for buckets that have other points already
    #[arg(long, env = "FRESHET_NO_VERIFY")]
    pub(crate) no_verify: bool,
}

/// What `freshet flux` does.
#[derive(Debug, Subcommand)]
pub(crate) enum FluxCommand {
    /// Run the test cases of Flux files, without a server
    Test(FluxTestOptions),
}

/// Options of `freshet flux test`.
#[derive(Debug, Args)]
pub(crate) struct FluxTestOptions {
    /// Files with test cases; of directories, all files whose names end in _test.flux
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Only test cases whose names have this in them
    #[arg(long, env = "FRESHET_NAME", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Tags of test cases to run; one with `option testing.tags` is only run when all of its tags are among them
    #[arg(long, env = "FRESHET_TAGS", value_name = "NAMES", value_delimiter = ',')]
    pub(crate) tags: Vec<String>,
}

/// Forms of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// Line protocol, plain or gzip
    Lp,
    /// Annotated CSV, plain or gzip
    Csv,
    /// Parquet, one file a measurement
    Parquet,
}

impl DataCommand {
    /// As [`ConnectionOptions::with_aliases`].
    pub(crate) fn with_aliases(self, environment: Environment<'_>) -> Result<Self, AliasError> {
        Ok(match self {
            Self::Export(options) => {
                let (connection, target) = target_with_aliases(options.connection, options.target, environment)?;
                Self::Export(ExportOptions { connection, target, ..options })
            }
            Self::Import(options) => {
                let (connection, target) = target_with_aliases(options.connection, options.target, environment)?;
                Self::Import(ImportOptions { connection, target, ..options })
            }
        })
    }
}

//! Options of `freshet write` and `freshet write dryrun`, with the flags of InfluxDB's command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use freshet_client::Precision;

use super::{ConnectionOptions, RateLimit, TargetOptions, parse_duration};

/// `freshet write`, or what it does besides.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct WriteCommandLine {
    #[command(subcommand)]
    pub(crate) command: Option<WriteCommand>,
    #[command(flatten)]
    pub(crate) options: WriteOptions,
}

/// What `freshet write` does besides writing.
#[derive(Debug, Subcommand)]
pub(crate) enum WriteCommand {
    /// Print the lines that would be written, to see what becomes of CSV
    Dryrun(Box<WriteOptions>),
}

/// Options of `freshet write`.
#[derive(Debug, Args)]
pub(crate) struct WriteOptions {
    #[command(flatten)]
    pub(crate) input: InputOptions,
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
    /// Unit of the times in the lines: ns, us, ms or s
    #[arg(long, short, env = "FRESHET_PRECISION", value_name = "UNIT", default_value = "ns")]
    pub(crate) precision: Precision,
    /// Lines that are sent together
    #[arg(
        long,
        env = "FRESHET_BATCH_LINES",
        value_name = "COUNT",
        default_value = "5000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub(crate) batch_lines: u32,
    /// Batches on their way at the same time. With more than one, the order of lines that write the same point is lost
    #[arg(
        long,
        env = "FRESHET_CONNECTIONS",
        value_name = "COUNT",
        default_value = "1",
        value_parser = clap::value_parser!(u16).range(1..=64)
    )]
    pub(crate) connections: u16,
    /// Whether batches are compressed on their way
    #[arg(
        long,
        env = "FRESHET_GZIP",
        value_name = "BOOL",
        default_value_t = true,
        num_args = 0..=1,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub(crate) gzip: bool,
    /// The most bytes of lines in a time: 5MB/5min, 17kBs
    #[arg(long, env = "FRESHET_RATE_LIMIT", value_name = "RATE")]
    pub(crate) rate_limit: Option<RateLimit>,
    /// How long a batch is tried again while the server is busy or away
    #[arg(
        long, env = "FRESHET_RETRY_TIME",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "3m"
    )]
    pub(crate) retry_time: Duration,
    /// Print neither progress nor the summary
    #[arg(long, short, env = "FRESHET_QUIET")]
    pub(crate) quiet: bool,
}

/// Where lines come from, and how they are read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputOptions {
    /// Files with line protocol or CSV, plain or gzip, or lines themselves; `-` or none is standard input
    #[arg(value_name = "FILE")]
    pub(crate) inputs: Vec<PathBuf>,
    /// A file, as FILE; may be given more than once
    #[arg(long, short, env = "FRESHET_FILE", value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// An address to read from (`influx write --url`); may be given more than once
    #[arg(long, short = 'u', env = "FRESHET_SOURCE_URL", value_name = "URL")]
    pub(crate) source_url: Vec<String>,
    /// Form of the input; without it, csv where the name ends so, otherwise lp
    #[arg(long, env = "FRESHET_FORMAT", value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<LineFormat>,
    /// A line of CSV in front of each input; may be given more than once
    #[arg(long, env = "FRESHET_HEADER", value_name = "LINE")]
    pub(crate) header: Vec<String>,
    /// Lines that are left out at the beginning of each input
    #[arg(long, alias = "skipHeader", env = "FRESHET_SKIP_HEADER", value_name = "COUNT", default_value = "0")]
    pub(crate) skip_header: u64,
    /// Tell rows of CSV that are no points, and go on with the next ones
    #[arg(long, alias = "skipRowOnError", env = "FRESHET_SKIP_ROW_ON_ERROR")]
    pub(crate) skip_row_on_error: bool,
    /// A file for rows and lines that are refused; rows of CSV that are no points then do not end the command
    #[arg(long, env = "FRESHET_ERRORS_FILE", value_name = "FILE")]
    pub(crate) errors_file: Option<PathBuf>,
    /// Names of columns have no types in them (`cpu|tag`)
    #[arg(long, alias = "xIgnoreDataTypeInColumnName", env = "FRESHET_PLAIN_COLUMN_NAMES")]
    pub(crate) plain_column_names: bool,
    /// Tell how the columns of CSV are understood
    #[arg(long, env = "FRESHET_DEBUG")]
    pub(crate) debug: bool,
    /// Encoding of the text, by its name at IANA
    #[arg(long, env = "FRESHET_ENCODING", value_name = "NAME", default_value = "UTF-8")]
    pub(crate) encoding: String,
    /// Compression of the input
    #[arg(long, env = "FRESHET_COMPRESSION", value_name = "FORM", value_enum, default_value_t = Compression::Auto)]
    pub(crate) compression: Compression,
    /// Bytes of the longest line, at most 16 MiB
    #[arg(long, env = "FRESHET_MAX_LINE_LENGTH", value_name = "BYTES", default_value = "16000000")]
    pub(crate) max_line_length: usize,
}

/// Forms of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineFormat {
    /// Line protocol
    Lp,
    /// Annotated CSV
    Csv,
}

/// Whether an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    /// Its first bytes tell
    Auto,
    /// It is not
    None,
    /// By gzip
    Gzip,
}

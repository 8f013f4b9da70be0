//! `freshet write`: line protocol or CSV from files, addresses or standard input into a bucket, batch by batch.
//!
//! ```text
//! bytes (gzip, encodings) ── input, csv (a thread that reads and numbers lines) ── bounded channel ── throttle
//!     ── delivery (sends, narrows errors down to lines) ── report (bar, errors, summary), rejected (errors file)
//! ```

mod bytes;
mod csv;
mod delivery;
mod input;
mod origin;
mod records;
mod rejected;
mod report;
mod streamed;
mod throttle;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use freshet_client::{Client, Precision, RequestError, RetryPolicy};
use futures::TryStreamExt as _;
use tokio::sync::mpsc;

use self::bytes::Encoding;
pub(crate) use self::bytes::decompressed;
pub(crate) use self::csv::{CsvOptions, CsvSource, QUERY_FAILED};
pub(crate) use self::delivery::{Delivery, DeliveryError};
pub(crate) use self::input::{BATCH_BYTES, Batch, Input, InputError, Piece};
use self::origin::{Opened, Origin, Reading};
pub(crate) use self::records::{RecordError, Records};
use self::rejected::Rejected;
pub(crate) use self::report::Report;
pub(crate) use self::streamed::Streamed;
use self::throttle::Throttle;
use crate::connection::{self, ConnectionError};
use crate::options::{AliasError, TargetOptions, WriteCommand, WriteCommandLine, WriteOptions, process_environment};

/// Batches that are read ahead: the reader is faster than the network, so one in hand is enough.
pub(crate) const BATCHES_AHEAD: usize = 2;

/// Why something was not stored, or could not be begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteCommandError {
    #[error(transparent)]
    Alias(#[from] AliasError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("give --bucket: where do the points go?")]
    NoBucket,
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("cannot read {url}: {source}")]
    Address { url: String, source: RequestError },
    #[error("the encoding {0:?} is not known; there are UTF-8, UTF-16LE, UTF-16BE, ISO-8859-1 and windows-1252")]
    Encoding(String),
    #[error("{origin}: --header belongs to CSV (--format csv)")]
    HeaderOfLines { origin: String },
    #[error("{origin}: {source}")]
    Input { origin: String, source: InputError },
    #[error("{origin}: {source}")]
    Records { origin: String, source: RecordError },
    #[error("{origin}, line {line}: {cause} (--skip-row-on-error goes on)")]
    Row { origin: String, line: u64, cause: String },
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error("{0} lines were not stored")]
    NotStored(u64),
    #[error("the thread that reads the input failed")]
    Reader,
    #[error("cannot write to {}: {source}", path.display())]
    Rejected { path: PathBuf, source: std::io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[source] std::io::Error),
}

/// Writes all inputs, one after the other, or prints their lines.
pub(crate) async fn run(line: WriteCommandLine) -> Result<(), WriteCommandError> {
    match line.command {
        None => write(line.options.with_aliases(&process_environment)?).await,
        Some(WriteCommand::Dryrun(options)) => print_lines(options.with_aliases(&process_environment)?).await,
    }
}

async fn write(options: WriteOptions) -> Result<(), WriteCommandError> {
    let client = connection::client(&options.connection, |builder| builder.gzip(options.gzip))?;
    let bucket =
        options.target.bucket.clone().filter(|bucket| !bucket.is_empty()).ok_or(WriteCommandError::NoBucket)?;
    let origins = origin::all(&options.input);
    let report = Report::start(origin::total_bytes(&origins), options.quiet);
    let rejected = Rejected::create(options.input.errors_file.as_deref())?;
    let writer = batch_writer(&client, bucket, &options.target, options.precision, options.retry_time);
    let work = Work {
        options: &options,
        client: &connection::anonymous_client(&options.connection)?,
        report: &report,
        rejected: &rejected,
        throttle: Throttle::new(options.rate_limit),
        delivery: Some(Delivery { writer, report: &report, rejected: Some(&rejected) }),
    };
    let mut result = Ok(());
    for origin in &origins {
        result = work.transfer(origin).await;
        if result.is_err() {
            break;
        }
    }
    let (_, lost) = report.finish();
    result?;
    // Rows that are skipped because that was asked for are told, and no failure.
    match lost - rejected.skipped() {
        0 => Ok(()),
        lost => Err(WriteCommandError::NotStored(lost)),
    }
}

/// `freshet write dryrun`
async fn print_lines(options: WriteOptions) -> Result<(), WriteCommandError> {
    let client = connection::anonymous_client(&options.connection)?;
    let rejected = Rejected::create(options.input.errors_file.as_deref())?;
    let report = Report::start(None, true);
    let throttle = Throttle::new(options.rate_limit);
    let work =
        Work { options: &options, client: &client, report: &report, rejected: &rejected, throttle, delivery: None };
    for origin in &origin::all(&options.input) {
        work.transfer(origin).await?;
    }
    match report.finish().1 - rejected.skipped() {
        0 => Ok(()),
        lost => Err(WriteCommandError::NotStored(lost)),
    }
}

/// The settings of a writer that sends each batch as a whole: the batches are made here, where lines have numbers.
pub(crate) fn batch_writer(
    client: &Client,
    bucket: String,
    target: &TargetOptions,
    precision: Precision,
    retry_time: Duration,
) -> freshet_client::BatchWriterBuilder {
    let retries_max = if retry_time.is_zero() { 0 } else { u32::MAX };
    let retry = RetryPolicy { total_max: retry_time, retries_max, ..RetryPolicy::default() };
    client
        .batch_writer(bucket)
        .org(target.org.clone().unwrap_or_default())
        .precision(precision)
        .batch_lines(usize::MAX)
        .batch_bytes(2 * input::LINE_BYTES_MAX)
        .queue_bytes(2 * input::LINE_BYTES_MAX)
        .interval(Duration::from_secs(3600))
        .retry(retry)
}

/// The size of all files together; unknown if one of them is a stream.
pub(crate) fn total_bytes(paths: &[PathBuf]) -> Option<u64> {
    let sizes = paths.iter().map(|path| {
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
        metadata.map(|metadata| metadata.len())
    });
    sizes.sum()
}

/// What one run of the command goes by.
struct Work<'a> {
    options: &'a WriteOptions,
    /// For addresses of inputs; it has no token.
    client: &'a Client,
    report: &'a Report,
    rejected: &'a Rejected,
    throttle: Throttle,
    /// Without it lines are printed.
    delivery: Option<Delivery<'a>>,
}

impl Work<'_> {
    /// Reads an input to its end, and sends or prints its lines.
    async fn transfer(&self, origin: &Origin) -> Result<(), WriteCommandError> {
        let input = &self.options.input;
        let encoding = Encoding::by_name(&input.encoding);
        let encoding = encoding.ok_or_else(|| WriteCommandError::Encoding(input.encoding.clone()))?;
        let unit_ns = match self.options.precision {
            Precision::Seconds => 1_000_000_000,
            Precision::Milliseconds => 1_000_000,
            Precision::Microseconds => 1_000,
            _ => 1,
        };
        let csv = CsvOptions { is_strict: false, has_types_in_names: !input.plain_column_names, unit_ns };
        let opened = Opened::open(origin, self.client, self.report, input.format).await?;
        let name = opened.name.clone();
        let reading = Reading {
            csv,
            encoding,
            compression: input.compression,
            headers: input.header.clone(),
            skip_lines: input.skip_header,
            tells_columns: input.debug,
            line_bytes_max: input.max_line_length,
            batch_lines: self.options.batch_lines as usize,
        };
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let reader = tokio::task::spawn_blocking(move || opened.read_all(&reading, &sender));
        let pieces = futures::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|piece| (Ok(piece), receiver))
        });
        let connections = if self.delivery.is_some() { usize::from(self.options.connections) } else { 1 };
        let name = name.as_str();
        pieces.try_for_each_concurrent(connections, |piece| self.take(name, piece)).await?;
        reader.await.map_err(|_| WriteCommandError::Reader)?
    }

    async fn take(&self, origin: &str, piece: Piece) -> Result<(), WriteCommandError> {
        match piece {
            Piece::Batch(batch) => {
                self.throttle.pass(batch.bytes()).await;
                match &self.delivery {
                    Some(delivery) => Ok(delivery.deliver(origin, &batch).await?),
                    None => {
                        let text = batch.text(0..batch.len()).as_bytes();
                        std::io::stdout().write_all(text).map_err(WriteCommandError::Output)
                    }
                }
            }
            Piece::Unreadable { line, cause, text: Some(text) } => {
                if !self.options.input.skip_row_on_error && !self.rejected.is_kept() {
                    return Err(WriteCommandError::Row { origin: origin.to_owned(), line, cause: cause.into_owned() });
                }
                self.report.refused(origin, line, line, &cause);
                self.rejected.skip(origin, line, &cause, &text)
            }
            Piece::Unreadable { line, cause, text: None } => {
                self.report.refused(origin, line, line, &cause);
                Ok(())
            }
            Piece::Refused { line, count, cause } => {
                self.report.refused_lines(origin, line, line, count, &cause);
                Ok(())
            }
        }
    }
}

/// Whether an argument is lines: `influx write` takes them as arguments and files by `--file`. Every line has a space
/// and `=` in it, so an argument that has both, and is not the name of a file, is meant as lines.
fn as_lines(argument: &Path) -> Option<&str> {
    let text = argument.to_str()?;
    let is_line = text.contains(' ') && text.contains('=') && !argument.exists();
    is_line.then_some(text)
}

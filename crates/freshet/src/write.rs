//! `freshet write`: line protocol from files or standard input into a bucket, batch by batch.
//!
//! ```text
//! input (a thread that reads and numbers lines) ── bounded channel ── delivery (sends, narrows errors down to lines)
//!                                                                        │
//!                                                                     report (bar, errors, summary)
//! ```

mod delivery;
mod input;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use freshet_client::{Client, Precision, RetryPolicy};
use futures::TryStreamExt as _;
use tokio::sync::mpsc;

pub(crate) use self::delivery::{Delivery, DeliveryError};
pub(crate) use self::input::{BATCH_BYTES, Batch, Input, InputError, Piece};
pub(crate) use self::report::Report;
use crate::connection::{self, ConnectionError};
use crate::options::{TargetOptions, WriteOptions};

/// Batches that are read ahead: the reader is faster than the network, so one in hand is enough.
pub(crate) const BATCHES_AHEAD: usize = 2;

/// Why something was not stored, or could not be begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteCommandError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("give --bucket: where do the points go?")]
    NoBucket,
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error("{origin}: {source}")]
    Input { origin: String, source: InputError },
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error("{0} lines were not stored")]
    NotStored(u64),
    #[error("the thread that reads the input failed")]
    Reader,
}

/// Writes all inputs, one after the other.
pub(crate) async fn run(options: WriteOptions) -> Result<(), WriteCommandError> {
    let client = connection::client(&options.connection, |builder| builder.gzip(options.gzip))?;
    let bucket =
        options.target.bucket.clone().filter(|bucket| !bucket.is_empty()).ok_or(WriteCommandError::NoBucket)?;
    let mut paths = options.file.clone();
    paths.extend_from_slice(&options.inputs);
    if paths.is_empty() {
        paths.push(PathBuf::from("-"));
    }
    let paths = &paths[..];
    let report = Report::start(total_bytes(paths), options.quiet);
    let writer = batch_writer(&client, bucket, &options.target, options.precision, options.retry_time);
    let delivery = Delivery { writer, report: &report };
    let mut result = Ok(());
    for path in paths {
        result = write_input(path, &options, &delivery, &report).await;
        if result.is_err() {
            break;
        }
    }
    let (_, lost) = report.finish();
    result?;
    if lost > 0 { Err(WriteCommandError::NotStored(lost)) } else { Ok(()) }
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

async fn write_input(
    path: &Path,
    options: &WriteOptions,
    delivery: &Delivery<'_>,
    report: &Report,
) -> Result<(), WriteCommandError> {
    let (origin, source) = open(path, report)?;
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let batch_lines = options.batch_lines as usize;
    let reader = tokio::task::spawn_blocking(move || read_all(source, batch_lines, &sender));
    let pieces = futures::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (Ok(piece), receiver))
    });
    let connections = usize::from(options.connections);
    let origin_name = origin.as_str();
    let sent = pieces
        .try_for_each_concurrent(connections, |piece| async move {
            match piece {
                Piece::Batch(batch) => delivery.deliver(origin_name, &batch).await,
                Piece::Unreadable { line, cause } => {
                    report.refused(origin_name, line, line, &cause);
                    Ok(())
                }
                Piece::Refused { line, count, cause } => {
                    report.refused_lines(origin_name, line, line, count, &cause);
                    Ok(())
                }
            }
        })
        .await;
    sent?;
    match reader.await {
        Ok(read) => read.map_err(|source| WriteCommandError::Input { origin, source }),
        Err(_) => Err(WriteCommandError::Reader),
    }
}

/// The lines that an argument means, and what they are called in messages.
fn open(path: &Path, report: &Report) -> Result<(String, Box<dyn std::io::Read + Send>), WriteCommandError> {
    if path == Path::new("-") {
        return Ok(("standard input".to_owned(), Box::new(report.count(std::io::stdin()))));
    }
    if let Some(line) = as_lines(path) {
        return Ok(("arguments".to_owned(), Box::new(report.count(std::io::Cursor::new(line.to_owned())))));
    }
    let file = std::fs::File::open(path);
    let file = file.map_err(|source| WriteCommandError::Open { path: path.to_owned(), source })?;
    Ok((path.display().to_string(), Box::new(report.count(file))))
}

/// `influx write` takes lines as arguments and files by `--file`. Every line has a space and `=` in it, so an argument
/// that has both, and is not the name of a file, is meant as lines.
fn as_lines(argument: &Path) -> Option<&str> {
    let text = argument.to_str()?;
    let is_line = text.contains(' ') && text.contains('=') && !argument.exists();
    is_line.then_some(text)
}

/// Reads to the end, or until nobody wants more.
fn read_all(
    source: Box<dyn std::io::Read + Send>,
    batch_lines: usize,
    sender: &mpsc::Sender<Piece>,
) -> Result<(), InputError> {
    let mut input = Input::new(source, batch_lines)?;
    while let Some(piece) = input.next_piece()? {
        if sender.blocking_send(piece).is_err() {
            break;
        }
    }
    Ok(())
}

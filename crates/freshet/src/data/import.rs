//! `freshet data import`: files of any of the forms into a bucket, line by line through `crate::write`.
//!
//! One batch is on its way at a time, so the order of lines stays and the state is simple: everything up to a line was
//! stored, or refused and told. Sending a line again after an interruption changes nothing.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::influxdb::RemoteError;
use super::parquet::{ParquetError, ParquetLines};
use super::state::{State, StateError};
use super::tsm::{TsmError, TsmLines};
use crate::connection::{self, ConnectionError};
use crate::options::{Compression, DataFormat, ImportOptions};
use crate::write::{
    BATCH_BYTES, BATCHES_AHEAD, Batch, CsvOptions, CsvSource, Delivery, DeliveryError, Input, InputError, Piece,
    RecordError, Report, batch_writer, decompressed, total_bytes,
};

/// Why something was not stored, or could not be begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("give --bucket: where do the points go?")]
    NoBucket,
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{}: its name does not tell its form; give --format", .0.display())]
    NoFormat(PathBuf),
    #[error("Parquet cannot be read from standard input: its index is at its end")]
    ParquetStream,
    #[error("{origin}: {source}")]
    Input { origin: String, source: SourceError },
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{refused} of {all} lines were not stored ({percent:.2} %)")]
    NotStored { refused: u64, all: u64, percent: f64 },
    #[error("the thread that reads the input failed")]
    Reader,
    #[error(transparent)]
    Tsm(Box<TsmError>),
    #[error(transparent)]
    Remote(Box<RemoteError>),
}

/// Why reading cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error(transparent)]
    Lines(#[from] InputError),
    #[error(transparent)]
    Records(#[from] RecordError),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
}

impl From<TsmError> for ImportError {
    fn from(error: TsmError) -> Self {
        Self::Tsm(Box::new(error))
    }
}

/// Imports all files, one after the other.
pub(crate) async fn run(options: ImportOptions) -> Result<(), ImportError> {
    let client = connection::client(&options.connection, |builder| builder.gzip(true))?;
    if let Some(directory) = &options.tsm {
        return super::tsm::run(directory, &client, &options).await;
    }
    if let Some(url) = &options.influxdb {
        return super::influxdb::run(url, &client, &options).await;
    }
    let bucket = options.target.bucket.clone().filter(|bucket| !bucket.is_empty()).ok_or(ImportError::NoBucket)?;
    let paths = files(&options.files)?;
    let mut state = State::open(options.state.as_deref())?;
    let report = Report::start(total_bytes(&paths), options.quiet);
    let writer = batch_writer(&client, bucket, &options.target, options.precision, options.retry_time);
    let delivery = Delivery { writer, report: &report, rejected: None };
    for path in &paths {
        if let Err(error) = import(path, &options, &delivery, &mut state).await {
            report.finish();
            return Err(error);
        }
    }
    finish(&report, state)
}

/// The end of an import without an error: nothing is left to resume, and what was refused counts.
pub(super) fn finish(report: &Report, state: State) -> Result<(), ImportError> {
    let (stored, refused) = report.finish();
    state.finish()?;
    match refused {
        0 => Ok(()),
        refused => {
            let all = stored + refused;
            Err(ImportError::NotStored { refused, all, percent: refused as f64 * 100.0 / all.max(1) as f64 })
        }
    }
}

/// The files themselves, those of directories by name.
fn files(given: &[PathBuf]) -> Result<Vec<PathBuf>, ImportError> {
    if given.is_empty() {
        return Ok(vec![PathBuf::from("-")]);
    }
    let mut paths = Vec::new();
    for path in given {
        let failed = |source| ImportError::Open { path: path.clone(), source };
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            // What an export was cut off in is none.
            if entry.is_file() && entry.extension().is_none_or(|extension| extension != "part") {
                inside.push(entry);
            }
        }
        inside.sort();
        paths.extend(inside);
    }
    Ok(paths)
}

fn format_of(path: &Path, options: &ImportOptions) -> Result<DataFormat, ImportError> {
    if let Some(format) = options.format {
        return Ok(format);
    }
    if path == Path::new("-") {
        return Ok(DataFormat::Lp);
    }
    let name = path.to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("lp" | "txt" | "line") => Ok(DataFormat::Lp),
        Some("csv") => Ok(DataFormat::Csv),
        Some("parquet") => Ok(DataFormat::Parquet),
        _ => Err(ImportError::NoFormat(path.to_owned())),
    }
}

async fn import(
    path: &Path,
    options: &ImportOptions,
    delivery: &Delivery<'_>,
    state: &mut State,
) -> Result<(), ImportError> {
    let report = delivery.report;
    let origin = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
    let size = std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default();
    let (through, refused_before) = state.begin(&origin, size)?;
    report.went_on(refused_before);
    let source = source(path, options, report)?;
    send_all(source, &origin, (through, refused_before), delivery, state).await
}

/// Sends what a source gives behind a line, and notes how far it is; `before` is that line and what was refused up to
/// it.
pub(super) async fn send_all(
    source: Source,
    origin: &str,
    before: (u64, u64),
    delivery: &Delivery<'_>,
    state: &mut State,
) -> Result<(), ImportError> {
    let (through, refused_before) = before;
    let report = delivery.report;
    let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD);
    let reader = tokio::task::spawn_blocking(move || read_all(source, through, &sender));
    let refused_at_start = report.lines_refused();
    while let Some(piece) = receiver.recv().await {
        let last = match piece {
            Piece::Batch(batch) => {
                delivery.deliver(origin, &batch).await?;
                batch.number(batch.len().saturating_sub(1))
            }
            Piece::Unreadable { line, cause, .. } => {
                report.refused(origin, line, line, &cause);
                line
            }
            // Its lines are still to come, so the state waits for them.
            Piece::Refused { line, count, cause } => {
                report.refused_lines(origin, line, line, count, &cause);
                continue;
            }
        };
        state.reached(origin, last, refused_before + report.lines_refused() - refused_at_start)?;
    }
    match reader.await {
        Ok(read) => read.map_err(|source| ImportError::Input { origin: origin.to_owned(), source }),
        Err(_) => Err(ImportError::Reader),
    }
}

/// One file or shard, whatever its form.
pub(super) enum Source {
    Lines(Input),
    Csv(Box<CsvSource>),
    Parquet(Box<ParquetSource>),
    Tsm(Box<TsmLines>),
}

/// The rows of a Parquet file, counted from 1.
pub(super) struct ParquetSource {
    lines: ParquetLines,
    row: u64,
    waiting: std::collections::VecDeque<Piece>,
}

fn source(path: &Path, options: &ImportOptions, report: &Report) -> Result<Source, ImportError> {
    let open_error = |source| ImportError::Open { path: path.to_owned(), source };
    let input_error = |source| ImportError::Input { origin: path.display().to_string(), source };
    let format = format_of(path, options)?;
    let batch_lines = options.batch_lines as usize;
    if format == DataFormat::Parquet {
        if path == Path::new("-") {
            return Err(ImportError::ParquetStream);
        }
        let lines = ParquetLines::open(path, options.measurement.as_deref(), &options.tags, batch_lines);
        let lines = lines.map_err(|error| input_error(error.into()))?;
        report.passed(std::fs::metadata(path).map(|metadata| metadata.len()).unwrap_or_default());
        return Ok(Source::Parquet(Box::new(ParquetSource { lines, row: 0, waiting: Default::default() })));
    }
    let bytes: Box<dyn Read + Send> = match path == Path::new("-") {
        true => Box::new(report.count(io::stdin())),
        false => Box::new(report.count(std::fs::File::open(path).map_err(open_error)?)),
    };
    let bytes = decompressed(bytes, Compression::Auto).map_err(open_error)?;
    Ok(match format {
        DataFormat::Csv => Source::Csv(Box::new(CsvSource::new(bytes, CsvOptions::STRICT, batch_lines))),
        _ => Source::Lines(Input::new(bytes, batch_lines)),
    })
}

/// Reads to the end, or until nobody wants more; what was dealt with before is left out.
fn read_all(mut source: Source, through: u64, sender: &mpsc::Sender<Piece>) -> Result<(), SourceError> {
    while let Some(piece) = source.next_piece()? {
        let piece = match piece {
            Piece::Batch(batch) => Piece::Batch(batch.after(through)),
            Piece::Unreadable { line, .. } | Piece::Refused { line, .. } if line <= through => continue,
            piece => piece,
        };
        let is_empty = matches!(&piece, Piece::Batch(batch) if batch.len() == 0);
        if !is_empty && sender.blocking_send(piece).is_err() {
            break;
        }
    }
    Ok(())
}

impl Source {
    fn next_piece(&mut self) -> Result<Option<Piece>, SourceError> {
        match self {
            Self::Lines(input) => Ok(input.next_piece()?),
            Self::Csv(source) => Ok(source.next_piece()?),
            Self::Parquet(source) => source.next_piece(),
            Self::Tsm(source) => Ok(source.next_piece()),
        }
    }
}

impl ParquetSource {
    fn next_piece(&mut self) -> Result<Option<Piece>, SourceError> {
        loop {
            if let Some(piece) = self.waiting.pop_front() {
                return Ok(Some(piece));
            }
            let Some(rows) = self.lines.next()? else { return Ok(None) };
            let mut batch = Batch::default();
            for row in rows {
                self.row += 1;
                match row {
                    Ok(line) => batch.push(self.row, &line),
                    Err(cause) => {
                        self.flush(&mut batch);
                        let cause = cause.into();
                        self.waiting.push_back(Piece::Unreadable { line: self.row, cause, text: None });
                    }
                }
                if batch.bytes() >= BATCH_BYTES {
                    self.flush(&mut batch);
                }
            }
            self.flush(&mut batch);
        }
    }

    fn flush(&mut self, batch: &mut Batch) {
        if batch.len() > 0 {
            self.waiting.push_back(Piece::Batch(std::mem::take(batch)));
        }
    }
}

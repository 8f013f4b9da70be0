//! Where lines come from: arguments, files, addresses, standard input. An input is opened, then read to its end in a
//! thread of its own.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use freshet_client::Client;
use tokio::sync::mpsc;

use super::bytes::{Encoding, decoded, decompressed};
use super::csv::{CsvOptions, CsvSource};
use super::input::{Input, InputError, Piece};
use super::report::Report;
use super::streamed::Streamed;
use super::{WriteCommandError, as_lines};
use crate::options::{Compression, InputOptions, LineFormat};

/// One input.
#[derive(Debug)]
pub(super) enum Origin {
    Arguments(String),
    Input,
    File(PathBuf),
    Address(String),
}

/// The inputs in the order of their kinds: files, addresses, arguments; standard input where there is none.
pub(super) fn all(options: &InputOptions) -> Vec<Origin> {
    let file = |path: &PathBuf| if path == Path::new("-") { Origin::Input } else { Origin::File(path.clone()) };
    let mut origins: Vec<Origin> = options.file.iter().map(file).collect();
    origins.extend(options.source_url.iter().cloned().map(Origin::Address));
    origins.extend(options.inputs.iter().map(|argument| match as_lines(argument) {
        Some(lines) => Origin::Arguments(lines.to_owned()),
        None => file(argument),
    }));
    if origins.is_empty() {
        origins.push(Origin::Input);
    }
    origins
}

/// The size of all files together; unknown if one of them is a stream.
pub(super) fn total_bytes(origins: &[Origin]) -> Option<u64> {
    let paths = origins.iter().map(|origin| match origin {
        Origin::File(path) => Some(path.clone()),
        _ => None,
    });
    super::total_bytes(&paths.collect::<Option<Vec<_>>>()?)
}

/// How inputs are read.
pub(super) struct Reading {
    pub(super) csv: CsvOptions,
    pub(super) encoding: Encoding,
    pub(super) compression: Compression,
    pub(super) headers: Vec<String>,
    pub(super) skip_lines: u64,
    pub(super) tells_columns: bool,
    pub(super) line_bytes_max: usize,
    pub(super) batch_lines: usize,
}

/// An input that is open.
pub(super) struct Opened {
    /// What it is called in messages.
    pub(super) name: String,
    source: Box<dyn Read + Send>,
    is_csv: bool,
}

/// Whether a name ends as those of CSV, plain or gzip.
fn is_csv_name(name: &str) -> bool {
    let name = name.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    name.strip_suffix(".gz").unwrap_or(&name).ends_with(".csv")
}

impl Opened {
    pub(super) async fn open(
        origin: &Origin,
        client: &Client,
        report: &Report,
        format: Option<LineFormat>,
    ) -> Result<Self, WriteCommandError> {
        let (name, source, is_csv): (_, Box<dyn Read + Send>, _) = match origin {
            Origin::Arguments(lines) => {
                ("arguments".to_owned(), Box::new(report.count(io::Cursor::new(lines.clone()))), false)
            }
            Origin::Input => ("standard input".to_owned(), Box::new(report.count(io::stdin())), false),
            Origin::File(path) => {
                let file = std::fs::File::open(path);
                let file = file.map_err(|source| WriteCommandError::Open { path: path.clone(), source })?;
                let name = path.display().to_string();
                let is_csv = is_csv_name(&name);
                (name, Box::new(report.count(file)), is_csv)
            }
            Origin::Address(url) => {
                let failed = |source| WriteCommandError::Address { url: url.clone(), source };
                let pieces = client.download(url).await.map_err(failed)?;
                (url.clone(), Box::new(report.count(Streamed::start(pieces))), is_csv_name(url))
            }
        };
        Ok(Self { name, source, is_csv: format.map_or(is_csv, |format| format == LineFormat::Csv) })
    }

    /// Reads to the end, or until nobody wants more.
    pub(super) fn read_all(self, reading: &Reading, sender: &mpsc::Sender<Piece>) -> Result<(), WriteCommandError> {
        let origin = self.name;
        let lines_error = |source| WriteCommandError::Input { origin: origin.clone(), source };
        let records_error = |source| WriteCommandError::Records { origin: origin.clone(), source };
        let source = decompressed(self.source, reading.compression);
        let source = source.map_err(|source| lines_error(InputError::Read { line: 1, source }))?;
        let source = decoded(source, reading.encoding);
        if self.is_csv {
            let mut csv = CsvSource::new(source, reading.csv, reading.batch_lines);
            if reading.tells_columns {
                csv.tell_columns();
            }
            csv.put_in_front(&reading.headers).map_err(records_error)?;
            csv.skip_lines(reading.skip_lines).map_err(records_error)?;
            return send_all(sender, || csv.next_piece().map_err(records_error));
        }
        if !reading.headers.is_empty() {
            return Err(WriteCommandError::HeaderOfLines { origin });
        }
        let mut input = Input::new(source, reading.batch_lines).line_bytes_max(reading.line_bytes_max);
        input.skip_lines(reading.skip_lines).map_err(lines_error)?;
        send_all(sender, || input.next_piece().map_err(lines_error))
    }
}

fn send_all(
    sender: &mpsc::Sender<Piece>,
    mut next: impl FnMut() -> Result<Option<Piece>, WriteCommandError>,
) -> Result<(), WriteCommandError> {
    while let Some(piece) = next()? {
        if sender.blocking_send(piece).is_err() {
            break;
        }
    }
    Ok(())
}

//! `freshet data export`: copies what the server sends, byte by byte. A file has its name only when it is whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use freshet_client::{Client, ExportFormat, ExportRequest, QueryError, RequestError, SqlQuery};
use futures::StreamExt as _;
use indicatif::ProgressBar;

use crate::connection::{self, ConnectionError};
use crate::options::{DataFormat, ExportOptions};
use crate::progress;

/// Why the export is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("give --bucket: whose points are meant?")]
    NoBucket,
    #[error("--compress is for line protocol and CSV; Parquet is compressed")]
    CompressedParquet,
    #[error("a Parquet file holds one measurement: give one --measurement, or --directory")]
    OneMeasurement,
    #[error("the measurements cannot be listed: {0}")]
    List(#[source] QueryError),
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("cannot write {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

/// Where bytes go.
enum Sink {
    Plain(Box<dyn Write>),
    Gzip(Box<GzEncoder<Box<dyn Write>>>),
}

impl Sink {
    fn new(target: Box<dyn Write>, compress: bool) -> Self {
        match compress {
            true => Self::Gzip(Box::new(GzEncoder::new(target, Compression::new(4)))),
            false => Self::Plain(target),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(target) => target.write_all(bytes),
            Self::Gzip(target) => target.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(mut target) => target.flush(),
            Self::Gzip(target) => target.finish()?.flush(),
        }
    }
}

/// Runs the export.
pub(crate) async fn run(options: ExportOptions) -> Result<(), ExportError> {
    let client = connection::client(&options.connection, |builder| builder)?;
    let bucket = options.target.bucket.clone().filter(|bucket| !bucket.is_empty()).ok_or(ExportError::NoBucket)?;
    if options.format == DataFormat::Parquet && options.compress {
        return Err(ExportError::CompressedParquet);
    }
    let format = match options.format {
        DataFormat::Lp => ExportFormat::LineProtocol,
        DataFormat::Csv => ExportFormat::Csv,
        DataFormat::Parquet => ExportFormat::Parquet,
    };
    let request = ExportRequest {
        bucket,
        org: options.target.org.clone().unwrap_or_default(),
        measurement: None,
        start: options.start.clone(),
        stop: options.stop.clone(),
        snapshot: options.snapshot.clone().filter(|snapshot| !snapshot.is_empty()),
        format,
    };
    let progress = progress::bytes(None, options.quiet);
    let count = match &options.directory {
        Some(directory) => into_directory(&client, &request, &options, directory, &progress).await?,
        None => into_one(&client, &request, &options, &progress).await?,
    };
    let bytes = progress.position();
    progress.finish_and_clear();
    if !options.quiet {
        eprintln!("{bytes} bytes exported in {count}");
    }
    Ok(())
}

/// Everything into one file, or to standard output.
async fn into_one(
    client: &Client,
    request: &ExportRequest,
    options: &ExportOptions,
    progress: &ProgressBar,
) -> Result<String, ExportError> {
    if options.format == DataFormat::Parquet && options.measurement.len() != 1 {
        return Err(ExportError::OneMeasurement);
    }
    let one = ExportRequest { measurement: None, ..request.clone() };
    let named = options.measurement.iter().map(|name| Some(name.clone()));
    let requests: Vec<ExportRequest> = match options.measurement.is_empty() {
        true => vec![one],
        false => named.map(|measurement| ExportRequest { measurement, ..request.clone() }).collect(),
    };
    match options.output.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => {
            into_file(client, &requests, path, options.compress, progress).await?;
            Ok("1 file".to_owned())
        }
        None => {
            let mut sink = Sink::new(Box::new(BufWriter::new(io::stdout())), options.compress);
            copy(client, &requests, progress, &mut |bytes| sink.write_all(bytes).map_err(ExportError::Output)).await?;
            sink.finish().map_err(ExportError::Output)?;
            Ok("1 stream".to_owned())
        }
    }
}

/// A file for each measurement.
async fn into_directory(
    client: &Client,
    request: &ExportRequest,
    options: &ExportOptions,
    directory: &Path,
    progress: &ProgressBar,
) -> Result<String, ExportError> {
    let file_error = |source| ExportError::File { path: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(file_error)?;
    let mut names = options.measurement.clone();
    if names.is_empty() {
        names = measurements(client, request).await?;
    }
    let ending = match (options.format, options.compress) {
        (DataFormat::Lp, false) => "lp",
        (DataFormat::Lp, true) => "lp.gz",
        (DataFormat::Csv, false) => "csv",
        (DataFormat::Csv, true) => "csv.gz",
        (DataFormat::Parquet, _) => "parquet",
    };
    for (index, name) in names.iter().enumerate() {
        let path = directory.join(format!("{}.{ending}", file_name(name, index)));
        let request = ExportRequest { measurement: Some(name.clone()), ..request.clone() };
        into_file(client, &[request], &path, options.compress, progress).await?;
    }
    Ok(format!("{} files", names.len()))
}

async fn measurements(client: &Client, request: &ExportRequest) -> Result<Vec<String>, ExportError> {
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox' ORDER BY table_name";
    let mut query = SqlQuery::new(&request.bucket, sql);
    query.org = Some(request.org.clone()).filter(|org| !org.is_empty());
    query.snapshot.clone_from(&request.snapshot);
    let rows = client.query_sql_rows(&query).await.map_err(ExportError::List)?;
    let name = |row: &freshet_client::Row| row.get("table_name")?.as_str().map(str::to_owned);
    Ok(rows.iter().filter_map(name).collect())
}

/// The measurement where it can be a file's name; other characters are written as `%XX`, and a long name is cut and
/// numbered.
fn file_name(measurement: &str, index: usize) -> String {
    use std::fmt::Write as _;
    let mut name = String::new();
    for byte in measurement.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            byte => {
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    if name.len() <= 200 { name } else { format!("{}~{index}", name.get(..200).unwrap_or_default()) }
}

async fn into_file(
    client: &Client,
    requests: &[ExportRequest],
    path: &Path,
    compress: bool,
    progress: &ProgressBar,
) -> Result<(), ExportError> {
    let failed = |source| ExportError::File { path: path.to_owned(), source };
    let part = path.with_added_extension("part");
    let file = File::create(&part).map_err(failed)?;
    let handle = file.try_clone().map_err(failed)?;
    let mut sink = Sink::new(Box::new(BufWriter::new(file)), compress);
    copy(client, requests, progress, &mut |bytes| sink.write_all(bytes).map_err(failed)).await?;
    sink.finish().map_err(failed)?;
    handle.sync_all().map_err(failed)?;
    std::fs::rename(&part, path).map_err(failed)
}

async fn copy(
    client: &Client,
    requests: &[ExportRequest],
    progress: &ProgressBar,
    take: &mut (dyn FnMut(&[u8]) -> Result<(), ExportError> + '_),
) -> Result<(), ExportError> {
    for (index, request) in requests.iter().enumerate() {
        if index > 0 && request.format == ExportFormat::Csv {
            // The line that ends a block of columns.
            take(b"\n")?;
        }
        let mut pieces = client.export(request).await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            take(&piece)?;
            progress.inc(piece.len() as u64);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn measurements_become_names_of_files() {
        for (measurement, expected) in [("cpu", "cpu"), ("a/b c", "a%2Fb%20c"), ("..", "%2E%2E"), ("ü", "%C3%BC")] {
            assert_eq!(file_name(measurement, 3), expected);
        }
        let long = file_name(&"x".repeat(300), 7);
        assert!(long.len() < 255 && long.ends_with("x~7"), "{long}");
    }
}

//! One table's buffered rows to Parquet files in the object store.

use std::sync::Arc;

use arrow::error::ArrowError;
use object_store::path::Path;
use parquet::errors::ParquetError;

use super::encode::{self, EncodeError, ROW_GROUP_ROWS};
use super::footer::{FooterColumn, FooterError, FooterMetadata};
use super::sort::{SeriesOrder, SortedRows, TooManyRows};
use super::upload::{self, FileSize, PartWriter};
use crate::buffered::BufferedRows;
use crate::ids::{ColumnId, Sequence};
use crate::store::Store;
use crate::table::{BucketInfo, ColumnStatistics, TableSchema};

const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Rows from which a file of its own for some days pays: one full row group. A file costs a sync, a row in the
/// catalog and a request to open, and below a row group it prunes no better than the row group would have.
const SPLIT_FILE_ROWS: usize = ROW_GROUP_ROWS;

/// Files that one flush of one table makes at most, however many days its rows span.
const FILES_PER_FLUSH: usize = 16;

/// A file that a flush wrote: durable, and not yet known to the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenFile {
    /// The path in the object store.
    pub path: String,
    /// Rows in it.
    pub row_count: u64,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Bytes of the Parquet footer's metadata.
    pub footer_size_bytes: u64,
    /// Earliest and latest time in nanoseconds, both inclusive.
    pub time_range: (i64, i64),
    /// First and last WAL sequence of the rows it was made from, both inclusive.
    pub sequences: (Sequence, Sequence),
    /// Every delete up to this record was applied to them; at least the last of `sequences`.
    pub deletes_applied: Sequence,
    /// 0 for a flush.
    pub level: u8,
    /// The tags that its rows are sorted by, in order.
    pub sort_tags: Vec<ColumnId>,
    /// Per column of the table at the time of writing, the time first.
    pub statistics: Vec<ColumnStatistics>,
}

/// Why a table could not be flushed. The rows stay where they were.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The rows cannot be sorted.
    #[error(transparent)]
    Sort(#[from] TooManyRows),
    /// The columns cannot be put together.
    #[error("cannot put the columns of a table together: {0}")]
    Arrow(#[from] ArrowError),
    /// The file cannot be encoded.
    #[error("cannot encode a Parquet file: {0}")]
    Parquet(#[from] ParquetError),
    /// The footer cannot be written.
    #[error(transparent)]
    Footer(#[from] FooterError),
    /// The object store does not take the file.
    #[error("cannot store a Parquet file: {0}")]
    Store(#[from] object_store::Error),
    /// The encoding thread did not end as it should.
    #[error("the thread that encodes a Parquet file failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl From<EncodeError> for FlushError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Arrow(error) => Self::Arrow(error),
            EncodeError::Parquet(error) => Self::Parquet(error),
            EncodeError::Footer(error) => Self::Footer(error),
        }
    }
}

/// Writes all rows of a table below `path_prefix`; on return the files are durable. Without rows, no file is written.
///
/// The tag order of `schema` must be fixed (see [`super::choose_tag_order`]). If one file fails, those written before
/// it are deleted again as far as the store lets us; nothing names them.
///
/// # Errors
/// If the rows cannot be encoded or stored.
pub async fn write_table(
    store: &Store,
    schema: &Arc<TableSchema>,
    bucket: &BucketInfo,
    rows: &BufferedRows,
    path_prefix: &str,
) -> Result<Vec<WrittenFile>, FlushError> {
    if rows.row_count == 0 {
        return Ok(Vec::new());
    }
    let (order, ranges) = {
        let (schema, rows) = (Arc::clone(schema), rows.clone());
        let prepare = move || (SeriesOrder::new(&schema, &rows.series, |_| true), split_by_day(&rows));
        tokio::task::spawn_blocking(prepare).await?
    };
    let order = Arc::new(order);
    let mut written: Vec<WrittenFile> = Vec::with_capacity(ranges.len());
    for time_range in ranges {
        let file = FileTask {
            schema: Arc::clone(schema),
            bucket: bucket.clone(),
            rows: rows.clone(),
            order: Arc::clone(&order),
            time_range,
        };
        match write_file(store, file, path_prefix).await {
            Ok(file) => written.push(file),
            Err(error) => {
                // An orphan costs space, and the flush has failed for a reason of its own.
                store.delete_unnamed(written.iter().map(|file| file.path.as_str())).await;
                return Err(error);
            }
        }
    }
    Ok(written)
}

/// The rows of one file.
struct FileTask {
    schema: Arc<TableSchema>,
    bucket: BucketInfo,
    rows: BufferedRows,
    order: Arc<SeriesOrder>,
    time_range: (i64, i64),
}

/// What the encoding thread returns.
struct Encoded {
    size: FileSize,
    row_count: u64,
    time_range: (i64, i64),
    statistics: Vec<ColumnStatistics>,
}

async fn write_file(store: &Store, task: FileTask, path_prefix: &str) -> Result<WrittenFile, FlushError> {
    let path = Path::from(format!("{path_prefix}/{}.parquet", uuid::Uuid::now_v7()));
    let (sequences, sort_tags) = (task.rows.sequences, task.schema.sort_tags());
    let deletes_applied = deletes_applied(&task.rows);
    let (writer, parts) = upload::channel();
    let encoder = tokio::task::spawn_blocking(move || encode_file(task, writer));
    let stored = store.write_new(&path, upload::store_parts(&**store.object_store(), &path, parts)).await;
    let encoded = encoder.await?;
    // A store that fails makes the encoder fail too: the store's word is the cause.
    stored?;
    let encoded = encoded?;
    Ok(WrittenFile {
        path: path.into(),
        row_count: encoded.row_count,
        size_bytes: encoded.size.size_bytes,
        footer_size_bytes: encoded.size.footer_size_bytes,
        time_range: encoded.time_range,
        sequences,
        deletes_applied,
        level: 0,
        sort_tags,
        statistics: encoded.statistics,
    })
}

/// A delete that is older than some of the rows cannot be applied later, when rows have no sequences of their own.
fn deletes_applied(rows: &BufferedRows) -> Sequence {
    rows.deletes_applied.max(rows.sequences.1)
}

fn encode_file(task: FileTask, writer: PartWriter) -> Result<Encoded, FlushError> {
    let FileTask { schema, bucket, rows, order, time_range } = task;
    let (sequences, deletes_applied) = (rows.sequences, deletes_applied(&rows));
    let sorted = SortedRows::sort(Arc::clone(&schema), rows, order, time_range)?;
    let times = sorted.times();
    let bounds = times.iter().copied().min().zip(times.iter().copied().max()).unwrap_or(time_range);
    let footer = FooterMetadata {
        bucket,
        table: schema.table,
        measurement: schema.measurement.clone(),
        columns: FooterColumn::of_schema(&schema),
        sort_tags: schema.sort_tags(),
        sequences,
        time_range: bounds,
        deletes_applied,
        level: 0,
        inputs: Vec::new(),
    };
    let (writer, statistics) = encode::encode_rows(&schema, &sorted, &footer, writer)?;
    let size = writer.finish().map_err(ParquetError::from)?;
    Ok(Encoded { size, row_count: sorted.len() as u64, time_range: bounds, statistics })
}

/// The time ranges (inclusive) of the files to write: one, unless there are rows for several files. Cuts are at
/// midnight UTC; neighbouring days share a file until it has [`SPLIT_FILE_ROWS`] rows.
fn split_by_day(rows: &BufferedRows) -> Vec<(i64, i64)> {
    let whole = vec![(i64::MIN, i64::MAX)];
    let (first, last) = rows.time_range;
    if rows.row_count < 2 * SPLIT_FILE_ROWS || first.div_euclid(DAY_NS) == last.div_euclid(DAY_NS) {
        return whole;
    }
    let mut row_counts = std::collections::BTreeMap::<i64, usize>::new();
    for chunk in &rows.chunks {
        // Rows come roughly by time: runs of one day are counted together.
        for days in chunk.times.chunk_by(|left, right| left.div_euclid(DAY_NS) == right.div_euclid(DAY_NS)) {
            let day = days.first().map_or(0, |time| time.div_euclid(DAY_NS));
            *row_counts.entry(day).or_default() += days.len();
        }
    }
    let file_rows = SPLIT_FILE_ROWS.max(rows.row_count.div_ceil(FILES_PER_FLUSH));
    let (mut ranges, mut start, mut gathered, mut left) = (Vec::new(), i64::MIN, 0, rows.row_count);
    for (day, row_count) in row_counts {
        gathered += row_count;
        left -= row_count;
        // What is left must be worth a file too, otherwise it goes with this one.
        if gathered >= file_rows && left >= SPLIT_FILE_ROWS {
            let end = day.saturating_add(1).saturating_mul(DAY_NS).saturating_sub(1);
            ranges.push((start, end));
            (start, gathered) = (end.saturating_add(1), 0);
        }
    }
    ranges.push((start, i64::MAX));
    ranges
}

#[cfg(test)]
#[path = "parquet/tests.rs"]
mod tests;

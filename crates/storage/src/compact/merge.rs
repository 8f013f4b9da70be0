//! The merge itself: a group of files in, files that do not overlap out.
//!
//! The inputs are read as one sorted stream, row group by row group, and each row goes to the file of its time: up to
//! [`Job::writers`] files are written side by side in one pass. For more files the inputs that reach into the next
//! stretch of time are read again. Everything happens on the one thread that calls [`Job::run`], apart from the bytes'
//! way to the store.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::TimestampNanosecondType;
use arrow::error::ArrowError;
use futures::TryStreamExt;
use object_store::path::Path;
use parquet::errors::ParquetError;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::flush::encode::{self, EncodeError, FileEncoder, FloatSamples};
use crate::flush::upload::{self, PartWriter};
use crate::flush::wide;
use crate::flush::{FooterColumn, FooterError, FooterMetadata, ROW_GROUP_ROWS, WrittenFile};
use crate::ids::Sequence;
use crate::scan::{self, ScanError, TableSnapshot};
use crate::store::Store;
use crate::table::{BucketInfo, DataFile, TableSchema};

/// Bytes of memory that a value takes once it is decoded: its eight bytes, validity, and the copy that is merged.
const DECODED_VALUE_BYTES: u64 = 24;

/// Memory of a column that is being encoded, beside what is encoded: a page and a dictionary, rarely a megabyte each.
const COLUMN_WRITER_BYTES: u64 = 256 << 10;

/// Memory of a file on its way to the store: three parts of eight megabytes.
const UPLOAD_BYTES: u64 = 24 << 20;

/// Why a group could not be merged. Nothing of it remains, and its files are as they were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompactionError {
    /// An input cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Rows cannot be put together.
    #[error("cannot divide rows among files: {0}")]
    Arrow(#[from] ArrowError),
    /// The output cannot be encoded.
    #[error("cannot encode a Parquet file: {0}")]
    Parquet(#[from] ParquetError),
    /// The footer cannot be written.
    #[error(transparent)]
    Footer(#[from] FooterError),
    /// The object store does not take the file.
    #[error("cannot store a Parquet file: {0}")]
    Store(#[from] object_store::Error),
    /// A task did not end as it should.
    #[error("a task of the merge failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// There is no thread to merge on.
    #[error("there is no thread for it: {0}")]
    Threads(String),
    /// The engine closes.
    #[error("the engine closes")]
    Closing,
}

impl From<EncodeError> for CompactionError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::Arrow(error) => Self::Arrow(error),
            EncodeError::Parquet(error) => Self::Parquet(error),
            EncodeError::Footer(error) => Self::Footer(error),
        }
    }
}

/// A group that is to be merged.
#[derive(Debug)]
pub(crate) struct Job {
    /// Where the files lie.
    pub(crate) store: Store,
    /// The table as it is now: the output has all its columns, in its order.
    pub(crate) schema: Arc<TableSchema>,
    /// Its bucket, for the footer.
    pub(crate) bucket: BucketInfo,
    /// The files of the group and nothing else; rows that it hides are not written.
    pub(crate) snapshot: Arc<TableSnapshot>,
    /// The same files.
    pub(crate) inputs: Arc<[DataFile]>,
    /// The directory of the output.
    pub(crate) path_prefix: String,
    /// Where all output files but the first begin, ascending.
    pub(crate) cuts: Vec<i64>,
    /// Files that are written at the same time.
    pub(crate) writers: usize,
    /// Rows that are read at once from each input.
    pub(crate) batch_rows: usize,
    /// Says when to stop.
    pub(crate) closing: watch::Receiver<bool>,
}

/// Memory for reading a file: one row group as it lies in the file, and the decoded rows of a batch.
#[must_use]
pub(crate) fn input_memory_bytes(file: &DataFile, columns: usize, batch_rows: usize) -> u64 {
    let batch_rows = (batch_rows as u64).min(file.row_count);
    row_group_bytes(file.size_bytes, file.row_count) + batch_rows * (columns as u64 + 1) * DECODED_VALUE_BYTES
}

/// Memory for writing a file of `file_bytes` with rows like those of the inputs.
#[must_use]
pub(crate) fn writer_memory_bytes(inputs: &[DataFile], columns: usize, file_bytes: u64) -> u64 {
    let (bytes, rows) =
        inputs.iter().fold((0, 0), |(bytes, rows), file| (bytes + file.size_bytes, rows + file.row_count));
    let encoded = if wide::is_wide(columns) {
        // One column at a time, beside what is gathered.
        wide::GATHERED_BYTES as u64 + COLUMN_WRITER_BYTES
    } else {
        (columns as u64 + 1) * COLUMN_WRITER_BYTES
    };
    row_group_bytes(bytes, rows) + encoded + UPLOAD_BYTES.min(bytes.min(file_bytes))
}

fn row_group_bytes(size_bytes: u64, row_count: u64) -> u64 {
    let row_groups = row_count.div_ceil(ROW_GROUP_ROWS as u64).max(1);
    size_bytes / row_groups
}

impl Job {
    /// Writes the output; on return its files are durable, and nothing names them yet. Runs on a thread that may
    /// block, which is not one of a runtime's own.
    ///
    /// # Errors
    /// [`CompactionError`]; what was written is removed again.
    pub(crate) fn run(&self, handle: &Handle) -> Result<Vec<WrittenFile>, CompactionError> {
        let samples = handle.block_on(self.float_samples())?;
        let starts: Vec<i64> = std::iter::once(i64::MIN).chain(self.cuts.iter().copied()).collect();
        let mut written = Vec::new();
        for (pass, starts_of_pass) in starts.chunks(self.writers.max(1)).enumerate() {
            let next = starts.get((pass + 1) * self.writers.max(1));
            let end = next.map_or(i64::MAX, |next| next - 1);
            if let Err(error) = self.pass(handle, starts_of_pass, end, &samples, &mut written) {
                handle.block_on(self.store.delete_unnamed(written.iter().map(|file| file.path.as_str())));
                return Err(error);
            }
        }
        Ok(written)
    }

    /// Reads the stretch of time from `starts[0]` to `end` once, and writes a file from each of `starts`.
    fn pass(
        &self,
        handle: &Handle,
        starts: &[i64],
        end: i64,
        samples: &FloatSamples,
        written: &mut Vec<WrittenFile>,
    ) -> Result<(), CompactionError> {
        let first = starts.first().copied().unwrap_or(i64::MIN);
        let mut rows = scan::merged(&self.snapshot, (first, end), self.batch_rows);
        let mut outputs: Vec<Option<Output>> = starts.iter().map(|_| None).collect();
        let mut write_all = || -> Result<(), CompactionError> {
            while let Some(batch) = handle.block_on(rows.try_next())? {
                if *self.closing.borrow() {
                    return Err(CompactionError::Closing);
                }
                for (index, batch) in divide(batch, starts)? {
                    let output = match &mut outputs[index] {
                        Some(output) => output,
                        empty => empty.insert(Output::begin(self, handle, samples)?),
                    };
                    output.write(batch)?;
                }
            }
            Ok(())
        };
        let failure = write_all().err();
        self.end_pass(handle, outputs, failure, written)
    }

    /// Ends the files of a pass, or takes them back.
    fn end_pass(
        &self,
        handle: &Handle,
        outputs: Vec<Option<Output>>,
        mut failure: Option<CompactionError>,
        written: &mut Vec<WrittenFile>,
    ) -> Result<(), CompactionError> {
        for output in outputs.into_iter().flatten() {
            if failure.is_none() {
                match output.finish(self, handle) {
                    Ok(file) => written.push(file),
                    Err(error) => failure = Some(error),
                }
            } else if let Some(cause) = output.abandon(handle) {
                // A store that fails makes the encoder fail too: the store's word is the cause.
                failure = Some(cause);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Some values of the float columns: from pieces of the largest file if most rows are in it, otherwise the first
    /// rows of several files.
    async fn float_samples(&self) -> Result<FloatSamples, CompactionError> {
        let columns: Vec<_> = encode::float_columns(&self.schema).collect();
        let mut samples: FloatSamples = columns.iter().map(|column| (*column, Vec::new())).collect();
        let total: u64 = self.inputs.iter().map(|file| file.row_count).sum();
        let pieces = encode::sample_pieces(usize::try_from(total).unwrap_or(usize::MAX));
        let mut files: Vec<&DataFile> = self.inputs.iter().collect();
        files.sort_unstable_by_key(|file| std::cmp::Reverse(file.row_count));
        // The writer of a wide table looks at each column itself.
        let is_sampled = !columns.is_empty() && !wide::is_wide(self.schema.columns.len());
        let Some(largest) = files.first().filter(|_| is_sampled) else { return Ok(samples) };
        let is_most = largest.row_count * 2 >= total;
        for (index, piece) in pieces.iter().enumerate() {
            let (file, share) = if is_most {
                (*largest, (index, pieces.len()))
            } else {
                (files.get(index).copied().unwrap_or(largest), (0, 1))
            };
            let sample = scan::sample(self.snapshot.parts(), file, share, &columns, piece.len()).await?;
            for ((_, arrays), array) in samples.iter_mut().zip(sample.unwrap_or_default()) {
                arrays.push(array);
            }
        }
        Ok(samples)
    }

    /// The union of the inputs' sequences.
    fn sequences(&self) -> (Sequence, Sequence) {
        let first = self.inputs.iter().map(|file| file.sequences.0).min().unwrap_or_default();
        let last = self.inputs.iter().map(|file| file.sequences.1).max().unwrap_or_default();
        (first, last)
    }

    /// What each input had applied already, and what the snapshot applies now.
    fn deletes_applied(&self) -> Sequence {
        let applied = self.inputs.iter().map(|file| file.deletes_applied).max().unwrap_or_default();
        applied.max(self.snapshot.parts().deletes.through)
    }

    fn footer(&self, time_range: (i64, i64)) -> FooterMetadata {
        let level = self.inputs.iter().map(|file| file.level).max().unwrap_or(0).saturating_add(1);
        FooterMetadata {
            bucket: self.bucket.clone(),
            table: self.schema.table,
            measurement: self.schema.measurement.clone(),
            columns: FooterColumn::of_schema(&self.schema),
            sort_tags: self.schema.sort_tags(),
            sequences: self.sequences(),
            deletes_applied: self.deletes_applied(),
            time_range,
            level,
            inputs: self.inputs.iter().map(|file| file.path.clone()).collect(),
        }
    }
}

/// The rows of a batch by the file that they go to: the last one that begins at or before their time.
fn divide(batch: RecordBatch, starts: &[i64]) -> Result<Vec<(usize, RecordBatch)>, ArrowError> {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
    let place = |time: i64| starts.partition_point(|start| *start <= time).saturating_sub(1);
    let Some((least, most)) = times.iter().min().zip(times.iter().max()) else { return Ok(Vec::new()) };
    let (first, last) = (place(*least), place(*most));
    if first == last {
        return Ok(vec![(first, batch)]);
    }
    let mut parts = Vec::with_capacity(last - first + 1);
    for index in first..=last {
        let from = starts[index];
        let end = starts.get(index + 1).copied();
        let is_in = |row: usize| from <= times[row] && end.is_none_or(|end| times[row] < end);
        let mask = BooleanArray::new(BooleanBuffer::collect_bool(times.len(), is_in), None);
        let part = filter_record_batch(&batch, &mask)?;
        if part.num_rows() > 0 {
            parts.push((index, part));
        }
    }
    Ok(parts)
}

/// A file that is being written.
struct Output {
    path: Path,
    encoder: FileEncoder<PartWriter>,
    stored: JoinHandle<object_store::Result<bool>>,
    row_count: u64,
    time_range: (i64, i64),
}

impl Output {
    fn begin(job: &Job, handle: &Handle, samples: &FloatSamples) -> Result<Self, CompactionError> {
        let path = Path::from(format!("{}{}.parquet", job.path_prefix, uuid::Uuid::now_v7()));
        let (writer, parts) = upload::channel();
        let encoder = FileEncoder::new(&job.schema, &job.schema.sort_tags(), samples, writer)?;
        let (store, target) = (job.store.clone(), path.clone());
        let stored = handle.spawn(async move {
            let storing = upload::store_parts(&**store.object_store(), &target, parts);
            store.write_new(&target, storing).await
        });
        Ok(Self { path, encoder, stored, row_count: 0, time_range: (i64::MAX, i64::MIN) })
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), CompactionError> {
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
        for time in times {
            self.time_range = (self.time_range.0.min(*time), self.time_range.1.max(*time));
        }
        self.row_count += batch.num_rows() as u64;
        let (_, arrays, _): (_, Vec<ArrayRef>, _) = batch.into_parts();
        Ok(self.encoder.write(arrays)?)
    }

    fn finish(self, job: &Job, handle: &Handle) -> Result<WrittenFile, CompactionError> {
        let footer = job.footer(self.time_range);
        let ended = self.encoder.finish(&footer).map_err(CompactionError::from).and_then(|(writer, statistics)| {
            let size = writer.finish().map_err(ParquetError::from)?;
            Ok((size, statistics))
        });
        handle.block_on(self.stored)??;
        let (size, statistics) = ended?;
        Ok(WrittenFile {
            path: self.path.into(),
            row_count: self.row_count,
            size_bytes: size.size_bytes,
            footer_size_bytes: size.footer_size_bytes,
            time_range: footer.time_range,
            sequences: footer.sequences,
            deletes_applied: footer.deletes_applied,
            level: footer.level,
            sort_tags: footer.sort_tags,
            statistics,
        })
    }

    /// Drops the file before its end, so that the store never shows it. Returns the store's own failure, if any.
    fn abandon(self, handle: &Handle) -> Option<CompactionError> {
        drop(self.encoder);
        match handle.block_on(self.stored) {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.into()),
            Err(error) => Some(error.into()),
        }
    }
}

#[cfg(test)]
#[path = "merge/tests.rs"]
mod tests;

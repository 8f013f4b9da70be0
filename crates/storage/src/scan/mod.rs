//! Consistent reading: the files and the buffered rows of a table at one moment, merged and without duplicates.
//!
//! ```text
//! TableSnapshot ── plan (groups that overlap in time, partitions) ── file / buffer sources ── merge ── batches
//! ```
//!
//! A snapshot never changes; it holds what it needs in memory and names immutable files. Nothing here writes.

mod buffer;
mod deleted;
mod direct;
pub(crate) mod file;
mod footers;
mod last;
mod layout;
mod merge;
mod pages;
mod plan;
mod positions;
mod project;
mod series;
mod sketch;
mod snapshot;
mod tags;
mod whole;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use futures::stream::BoxStream;
use parquet::errors::ParquetError;

pub(crate) use self::deleted::deleted_positions;
pub use self::footers::{FOOTER_CACHE_BYTES, FooterCache};
pub use self::plan::ScanPartition;
pub(crate) use self::plan::{merged, sample};
pub use self::positions::DeleteFiles;
pub use self::series::{RowsNeeded, SeriesBatch, SeriesPartition, SeriesPredicate, SeriesScanRequest};
pub use self::sketch::SeriesSketch;
pub use self::snapshot::{Snapshot, TableSnapshot, TableSnapshotParts};
pub use self::tags::{TagValueScan, TagValues, merge_tag_values};
pub(crate) use self::whole::read_all_rows;
use crate::flush::{FooterError, TooManyRows};

/// What a query wants of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanRequest {
    /// Columns of [`TableSnapshot::schema`] by index, in the order in which they are to come; `None`: all.
    pub projection: Option<Vec<usize>>,
    /// Earliest and latest time in nanoseconds, both inclusive: rows outside never come.
    pub time_range: (i64, i64),
    /// All of these hold for the rows that are wanted. A row for which one does not hold may still come.
    pub tag_filters: Vec<TagFilter>,
    /// A partition may stop after this many rows.
    pub limit: Option<usize>,
    /// Rows of a batch, at most.
    pub batch_rows: usize,
    /// How many partitions are wanted, at most.
    pub partitions: usize,
}

impl Default for ScanRequest {
    fn default() -> Self {
        Self {
            projection: None,
            time_range: (i64::MIN, i64::MAX),
            tag_filters: Vec::new(),
            limit: None,
            batch_rows: 8192,
            partitions: 1,
        }
    }
}

/// `tag IN (values)`. The empty string also stands for a series without the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFilter {
    /// The tag's index in [`TableSnapshot::schema`].
    pub column: usize,
    /// The values that are wanted.
    pub values: Vec<String>,
}

/// The answer to a [`ScanRequest`].
#[derive(Debug)]
pub struct Scan {
    /// The projected schema; every batch has it.
    pub schema: SchemaRef,
    /// At least one. A point (series and time) is in exactly one partition, once.
    pub partitions: Vec<ScanPartition>,
}

/// Batches of a scan.
pub type BatchStream = BoxStream<'static, Result<RecordBatch, ScanError>>;

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The request names a column that does not exist.
    #[error("the table has no column with index {index}")]
    NoColumn {
        /// The index.
        index: usize,
    },
    /// A tag filter names a column that is not a tag.
    #[error("the column with index {index} is not a tag")]
    NoTag {
        /// The index.
        index: usize,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Its path in the object store.
        path: Arc<str>,
        /// What is wrong.
        source: ParquetError,
    },
    /// A file's footer is not one that this program reads.
    #[error("cannot read {path}: {source}")]
    Footer {
        /// Its path in the object store.
        path: Arc<str>,
        /// What is wrong.
        source: FooterError,
    },
    /// Columns cannot be put together.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    /// The buffered rows cannot be sorted.
    #[error(transparent)]
    Sort(#[from] TooManyRows),
    /// A thread that reads or sorts rows did not end as it should.
    #[error("a thread that reads rows failed: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

#[cfg(test)]
mod tests;

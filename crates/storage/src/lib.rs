//! The storage engine: it takes batches of points, makes them durable, and gives back consistent snapshots of them.
//!
//! ```text
//! Engine::write ── schema (types decided, committed) ── wal (one fdatasync for all) ── buffer (visible)
//!                                                       │ size, age, close
//!                                                       └─ flush ── Parquet ── lake (one SQL transaction)
//! Engine::snapshot ── buffer + files ── scan (merged, last value that was given wins)
//! ```
//!
//! It knows Arrow, Parquet and the SQL of its own catalog. It never knows HTTP, tokens or a query language.

pub mod backup;
mod buffer;
pub mod buffered;
pub mod compact;
pub mod delete;
pub mod disk;
pub mod doctor;
mod engine;
pub mod error;
pub mod flush;
pub mod ids;
pub mod lake;
pub mod limits;
pub mod rows;
pub mod scan;
mod schema;
pub mod store;
pub mod table;
pub mod wal;

pub use delete::{DeleteFilter, DeleteSubject, DeleteTerm};
pub use engine::{
    Acceptance, Backup, BackupError, BucketError, CommitFault, CommitFaults, CompactFailure, CompactReport,
    CompactionMetrics, CreateTableError, DeleteFilesError, DeleteFilesReport, DeleteRequest, Engine, EngineMetrics,
    EngineOptions, EngineStatus, FlushFailure, FlushReport, Health, KeepForever, NoCommitFaults, OpenError,
    RetentionSource, SnapshotError, SnapshotHistory, TableDefinition, WriteOutcome, WriteRequest,
};
pub use error::{LimitError, ParseErrors, PartialWrite, RejectedLine, WriteError};
pub use ids::{ColumnId, FileId, Sequence, TableId};
pub use lake::{NotKept, ParseSelectorError, SnapshotInfo, SnapshotSelector};
pub use line_protocol::text as line_text;
pub use line_protocol::{FieldKind, Precision};
pub use scan::{
    RowsNeeded, Scan, ScanError, ScanPartition, ScanRequest, SeriesBatch, SeriesPartition, SeriesPredicate,
    SeriesScanRequest, SeriesSketch, Snapshot, TableSnapshot, TagFilter, TagValueScan, TagValues, merge_tag_values,
};
pub use schema::SchemaLimits;
pub use store::StoreAddress;
pub use table::{BucketInfo, Column, ColumnKind, TableSchema};

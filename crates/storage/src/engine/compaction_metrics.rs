//! What compaction, retention and deletion count.

use std::time::Duration;

use crate::compact::plan::Reason;
use crate::lake::EndedFiles;

/// Counters since the start, and what waits now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompactionMetrics {
    /// Merges by [`Reason`], in the order of [`Reason::ALL`].
    pub merges: [u64; Reason::ALL.len()],
    /// Tables whose files were looked through for something to merge; those at rest are not.
    pub tables_planned: u64,
    /// Merges that failed. Their files stay as they are, and are tried again later.
    pub failures: u64,
    /// Files that were read.
    pub files_read: u64,
    /// Files that were written.
    pub files_written: u64,
    /// Rows that were read.
    pub rows_read: u64,
    /// Rows that were written.
    pub rows_written: u64,
    /// Bytes of the files that were read.
    pub bytes_read: u64,
    /// Bytes of the files that were written.
    pub bytes_written: u64,
    /// Time that merges took.
    pub time: Duration,
    /// Files that went whole because all of their rows were past their retention.
    pub files_retired: u64,
    /// Snapshots that expired.
    pub snapshots_expired: u64,
    /// Files that were deleted.
    pub files_deleted: u64,
    /// Files that no row named, left by a crash, and deleted.
    pub orphans_deleted: u64,
    /// Files that are live no more and not deleted yet.
    pub waiting: EndedFiles,
    /// Whether nothing is deleted at present because the clock jumped forward.
    pub deletion_waits: bool,
}

//! What can go wrong with the WAL, by operation: appending, encoding, and recovery at the start.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::ids::Sequence;

/// A failed operation on the WAL's files.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct DiskFault {
    /// What was tried.
    pub operation: Operation,
    /// The file or directory.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// What the WAL does to files and directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Create a file or a directory.
    Create,
    /// Open a file.
    Open,
    /// List a directory.
    List,
    /// Read a file.
    Read,
    /// Write to a file.
    Write,
    /// Take space for a file.
    Allocate,
    /// Cut a file.
    Truncate,
    /// Sync a file or a directory.
    Sync,
    /// Remove a file.
    Remove,
    /// Run the WAL's thread.
    Run,
}

impl std::fmt::Display for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Open => "open",
            Self::List => "list",
            Self::Read => "read",
            Self::Write => "write to",
            Self::Allocate => "allocate space for",
            Self::Truncate => "truncate",
            Self::Sync => "sync",
            Self::Remove => "remove",
            Self::Run => "run the thread that writes",
        })
    }
}

/// Why a record was not appended. The record is not applied; after [`WalError::Poisoned`] it may still turn up, whole,
/// at the next start, as after any write whose answer got lost.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WalError {
    /// The queue is full: the disk is slower than the writers. Try again later.
    #[error("the WAL's queue is full: {records} records, {bytes} bytes")]
    Overloaded {
        /// Records in the queue.
        records: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The disk is full. Appends succeed again once there is space.
    #[error("no space for the WAL: {0}")]
    OutOfSpace(Arc<DiskFault>),
    /// A write or a sync failed, so what is on the disk is not known; nothing is appended until a restart.
    #[error("the WAL refuses all writes until a restart: {0}")]
    Poisoned(Arc<DiskFault>),
    /// [`crate::wal::Wal::close`] was called.
    #[error("the WAL is closed")]
    Closed,
}

/// Why rows cannot be encoded; the caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The columns of a table differ in length, or a row names a series that does not exist.
    #[error("the rows of a table do not fit together")]
    Inconsistent,
    /// The payload would be longer than a record may be.
    #[error("{bytes} bytes of rows are more than a WAL record may hold ({limit})")]
    TooLarge {
        /// The payload's length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// Why the bytes of a payload are not rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The payload ends too early.
    #[error("the payload ends inside {0}")]
    Truncated(&'static str),
    /// A value that the encoder never writes.
    #[error("the payload holds an impossible {0}")]
    Invalid(&'static str),
    /// Bytes are left over.
    #[error("{0} bytes follow the end of the payload")]
    Trailing(usize),
    /// The payload's encoding is not known.
    #[error("payload encoding {0} is not known to this version")]
    UnknownEncoding(u8),
}

/// Why the WAL cannot be read at the start. Nothing was changed on the disk, except that a torn tail may be gone.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] DiskFault),
    /// A newer version of the program wrote the segment.
    #[error("{} has WAL format version {found}, this program reads up to {supported}: use a newer one", path.display())]
    NewerVersion {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// Bytes that were durable are damaged.
    #[error("{} is damaged at offset {offset}: {damage}", path.display())]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// How.
        damage: Damage,
    },
    /// A file in the directory has the suffix of a segment but not its name.
    #[error("{} is not the name of a WAL segment", path.display())]
    StrangeName {
        /// The file.
        path: PathBuf,
    },
}

/// How a segment is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file does not begin with a segment's header.
    #[error("this is not the header of a WAL segment")]
    SegmentHeader,
    /// The header names another segment than the file's name.
    #[error("the header is that of segment {0}")]
    WrongSegment(u64),
    /// A record's checksum is wrong or the record is cut short, and it had been durable.
    #[error("record {sequence} is unreadable although it was durable once")]
    Record {
        /// The sequence that the record should have.
        sequence: Sequence,
    },
    /// Records are missing that are in no file yet.
    #[error("expected record {expected}, found {found}")]
    Gap {
        /// The sequence that should come.
        expected: Sequence,
        /// The one that is there.
        found: Sequence,
    },
    /// A record type that this version does not know.
    #[error("record {sequence} has type {kind}, which this version does not know")]
    UnknownType {
        /// The record.
        sequence: Sequence,
        /// Its type.
        kind: u8,
    },
    /// The checksum is right but the payload makes no sense.
    #[error("record {sequence}: {error}")]
    Payload {
        /// The record.
        sequence: Sequence,
        /// Why.
        error: DecodeError,
    },
    /// A record that was whole when the WAL was first read is not any more.
    #[error("a record changed while it was being read")]
    Unstable,
    /// The organisation or bucket is zero.
    #[error("record {sequence} names no organisation or bucket")]
    Owner {
        /// The record.
        sequence: Sequence,
    },
}

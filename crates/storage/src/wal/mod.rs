//! The write-ahead log: what makes a write durable, and what brings it back.
//!
//! ```text
//! EncodedRecord::write (caller's thread) ── Wal::append ── queue ── writer: one write, one fdatasync for all who wait
//!                                                                     └── on_durable ── 204
//! recover ── Wal::start (writes are accepted) and Replay (the records that are in no file yet), at the same time
//! files committed up to a sequence ── Wal::delete_through
//! ```
//!
//! | module     | role                                                    |
//! |------------|---------------------------------------------------------|
//! | `segment`  | a file's name and header                                |
//! | `record`   | the frame around a payload, the types of records        |
//! | `payload`  | rows ↔ bytes                                            |
//! | `writer`   | the thread: groups, sequences, syncs, rotation          |
//! | `segments` | which segments there are, deletion                      |
//! | `reader`   | records of a segment in order                           |
//! | `recovery` | the start: torn tails, damage, replay                   |
//! | `inspect`  | the same look without a change, and past damage         |
//! | `metrics`  | counters                                                |
//! | `error`    | what can go wrong                                       |
//!
//! The WAL knows nothing of files, catalogs or tables beyond ids. The format stands in docs/formats/wal.md.

mod error;
mod inspect;
mod metrics;
mod payload;
mod reader;
mod record;
mod recovery;
mod segment;
mod segments;
mod writer;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::disk::Disk;
use crate::ids::Sequence;
use metrics::Counters;
use writer::{Condition, Pending, Shared, Writer};

pub use error::{Damage, DecodeError, DiskFault, EncodeError, Operation, RecoveryError, WalError};
pub(crate) use inspect::{InspectedSegment, inspect};
pub use metrics::{SYNC_BOUNDS_US, SyncTimes, WalMetrics};
pub use record::{EncodedRecord, PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, Record};
pub use recovery::{RecoveredLog, Recovery, Replay, TornTail, recover};
pub use segment::{FORMAT_VERSION, SEGMENT_HEADER_BYTES};
pub use writer::OnDurable;

/// The limits of a WAL.
#[derive(Debug, Clone)]
pub struct WalOptions {
    /// Where a segment ends and the next begins; a group that is larger gets a segment of its own. Smaller segments
    /// are deleted sooner, larger ones are created less often.
    pub segment_bytes: u64,
    /// Space is taken in steps of this, so that most syncs need not write the file's length.
    pub allocate_bytes: u64,
    /// How much one sync may cover, so that the first of a long queue does not wait for the last.
    pub group_bytes: usize,
    /// Records that may wait; beyond it appends are refused at once.
    pub queue_records: usize,
    /// Bytes that may wait; beyond it appends are refused at once. A record that is larger is taken by an empty queue.
    pub queue_bytes: usize,
    /// A number that clients cannot guess: it goes into the checksums of records, so that no string that a client
    /// writes can be mistaken for a record when recovery searches damaged bytes. Random by default.
    pub salt: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            allocate_bytes: 8 << 20,
            group_bytes: 16 << 20,
            queue_records: 4_096,
            queue_bytes: 64 << 20,
            salt: RandomState::new().hash_one(0_u8),
        }
    }
}

/// A log that takes records and makes them durable. `A` is what the caller attaches to a record and gets back once it
/// is durable.
///
/// Dropping it is the same as [`Wal::close`].
pub struct Wal<A> {
    shared: Arc<Shared<A>>,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: WalOptions,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Whether appends have a chance.
#[derive(Debug, Clone)]
pub enum WalStatus {
    /// They have.
    Running,
    /// The last group found no space; the next may.
    OutOfSpace(Arc<DiskFault>),
    /// They are refused until a restart.
    Poisoned(Arc<DiskFault>),
}

impl<A: Send + 'static> Wal<A> {
    /// Starts the thread that writes behind what [`recover`] found in `directory`. Nothing is written yet.
    ///
    /// `on_durable(sequence, attachment)` runs on that thread for every record, in order of sequence, after the record
    /// is durable and before its writer hears of it. What it does is part of every writer's wait, so it must be short,
    /// and it must not append. If it panics the WAL is poisoned.
    ///
    /// # Errors
    /// [`WalError::Poisoned`] if the system gives no thread.
    pub fn start(
        disk: Arc<dyn Disk>,
        directory: &Path,
        log: RecoveredLog,
        options: WalOptions,
        on_durable: OnDurable<A>,
    ) -> Result<Self, WalError> {
        let shared = Arc::new(Shared::new(&log));
        let path = directory.to_owned();
        let (for_thread, for_disk) = (Arc::clone(&shared), Arc::clone(&disk));
        let writer = Writer::new(for_thread, for_disk, path, log, options.clone(), on_durable);
        let thread = std::thread::Builder::new().name("wal".to_owned()).spawn(|| writer.run()).map_err(|source| {
            let path = directory.to_owned();
            WalError::Poisoned(Arc::new(DiskFault { operation: Operation::Run, path, source }))
        })?;
        Ok(Self { shared, disk, directory: directory.to_owned(), options, thread: Mutex::new(Some(thread)) })
    }
}

impl<A> Wal<A> {
    /// Puts a record in the queue. Never blocks on the disk.
    ///
    /// The future resolves to the record's sequence once the record is durable and `on_durable` has run for it. To
    /// drop the future does not take the record back. Records get their sequences in the order of these calls.
    ///
    /// # Errors
    /// At once [`WalError::Overloaded`], [`WalError::Poisoned`] or [`WalError::Closed`]: nothing was put in the queue.
    /// Later, from the future, [`WalError::OutOfSpace`] or [`WalError::Poisoned`].
    pub fn append(&self, record: EncodedRecord, attachment: A) -> Result<Append, WalError> {
        let (waiter, receiver) = oneshot::channel();
        let bytes = record.byte_len();
        let mut queue = self.shared.queue.lock();
        if let Condition::Poisoned(fault) = &queue.condition {
            return Err(WalError::Poisoned(Arc::clone(fault)));
        }
        if queue.closed {
            return Err(WalError::Closed);
        }
        let is_full = queue.records.len() >= self.options.queue_records
            || queue.bytes.saturating_add(bytes) > self.options.queue_bytes;
        if is_full && !queue.records.is_empty() {
            Counters::add(&self.shared.counters.overloads, 1);
            return Err(WalError::Overloaded { records: queue.records.len(), bytes: queue.bytes });
        }
        queue.bytes += bytes;
        queue.records.push_back(Pending { record, attachment, waiter });
        drop(queue);
        self.shared.wake.notify_one();
        Ok(Append { receiver, directory: self.directory.clone() })
    }

    /// Deletes the segments whose records are all at or below `low_water`, and returns how many. The caller promises
    /// that those records are in files, and that the commit that says so is durable. The segment that is being written
    /// stays. The deletion is durable on return.
    ///
    /// # Errors
    /// Those of the disk. Segments that could not be deleted are tried again with the next call.
    pub fn delete_through(&self, low_water: Sequence) -> Result<usize, DiskFault> {
        let mut segments = self.shared.segments.lock();
        segments::delete_through(self.disk.as_ref(), &self.directory, &mut segments.sealed, low_water)
    }

    /// The last record that is durable and for which `on_durable` has run.
    #[must_use]
    pub fn durable_sequence(&self) -> Sequence {
        Sequence(self.shared.counters.durable_sequence.load(Ordering::Acquire))
    }

    /// Whether appends have a chance.
    #[must_use]
    pub fn status(&self) -> WalStatus {
        match &self.shared.queue.lock().condition {
            Condition::Running => WalStatus::Running,
            Condition::OutOfSpace(fault) => WalStatus::OutOfSpace(Arc::clone(fault)),
            Condition::Poisoned(fault) => WalStatus::Poisoned(Arc::clone(fault)),
        }
    }

    /// The numbers of now.
    #[must_use]
    pub fn metrics(&self) -> WalMetrics {
        let (queue_records, queue_bytes) = {
            let queue = self.shared.queue.lock();
            (queue.records.len() as u64, queue.bytes as u64)
        };
        let segments = self.shared.segments.lock();
        let sealed_bytes: u64 = segments.sealed.iter().map(|segment| segment.bytes).sum();
        WalMetrics {
            queue_records,
            queue_bytes,
            segments: segments.sealed.len() as u64 + u64::from(segments.active_bytes.is_some()),
            segment_bytes: sealed_bytes + segments.active_bytes.unwrap_or(0),
            ..self.shared.counters.read()
        }
    }

    /// Refuses new records, waits until those in the queue are durable (or refused), and ends the thread. Blocks.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // If it panicked the queue is poisoned, and everyone who waited has heard so.
            let _ = thread.join();
        }
    }
}

impl<A> Drop for Wal<A> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<A> fmt::Debug for Wal<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wal").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// A record on its way; see [`Wal::append`].
#[derive(Debug)]
#[must_use = "the record is durable only once this has resolved"]
pub struct Append {
    receiver: oneshot::Receiver<Result<Sequence, WalError>>,
    directory: PathBuf,
}

impl Append {
    /// Blocks until the record is durable, for threads that are not asynchronous.
    ///
    /// # Errors
    /// As the future.
    pub fn wait(self) -> Result<Sequence, WalError> {
        let answer = self.receiver.blocking_recv();
        answer.unwrap_or_else(|_| Err(WalError::Poisoned(Arc::new(writer::thread_ended(&self.directory)))))
    }
}

impl Future for Append {
    type Output = Result<Sequence, WalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receiver).poll(context).map(|answer| {
            answer.unwrap_or_else(|_| Err(WalError::Poisoned(Arc::new(writer::thread_ended(&self.directory)))))
        })
    }
}

#[cfg(test)]
mod tests;

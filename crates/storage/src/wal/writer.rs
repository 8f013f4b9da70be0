//! The thread that writes: it takes all that waits, writes it, syncs once, and tells everyone.
//!
//! ```text
//! append ── queue (bounded) ──► take a group ── sequences ── write ── fdatasync ── on_durable, wake (in order)
//!                                     ▲                                   │
//!                                     └── the next group has gathered meanwhile: no timer is needed
//! ```
//!
//! One group is on its way at a time, so only the last group of a segment can be torn. After a failed write or sync
//! the queue is poisoned. A full disk is no such failure as long as nothing of the group was synced: what was written
//! of it is cut off again, durably, before anyone is told.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::WalOptions;
use super::error::{DiskFault, Operation, WalError};
use super::metrics::{Counters, timed};
use super::record::EncodedRecord;
use super::recovery::RecoveredLog;
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_path};
use super::segments::SealedSegment;
use crate::disk::{Disk, DiskFile, is_out_of_space};
use crate::ids::Sequence;

/// How much is gathered before it is handed to the file system: enough to make system calls rare, little enough to
/// stay in the processor's cache.
const WRITE_BYTES: usize = 1 << 20;

/// What runs on the WAL's thread for each durable record, in order of sequence.
pub type OnDurable<A> = Box<dyn FnMut(Sequence, A) + Send>;

/// A record in the queue.
#[derive(Debug)]
pub(crate) struct Pending<A> {
    pub(crate) record: EncodedRecord,
    pub(crate) attachment: A,
    pub(crate) waiter: oneshot::Sender<Result<Sequence, WalError>>,
}

/// What the handle and the thread share.
#[derive(Debug)]
pub(crate) struct Shared<A> {
    pub(crate) queue: Mutex<Queue<A>>,
    pub(crate) wake: Condvar,
    pub(crate) segments: Mutex<Segments>,
    pub(crate) counters: Counters,
}

#[derive(Debug)]
pub(crate) struct Queue<A> {
    pub(crate) records: VecDeque<Pending<A>>,
    pub(crate) bytes: usize,
    pub(crate) closed: bool,
    pub(crate) condition: Condition,
}

/// Whether appends have a chance.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Running,
    OutOfSpace(Arc<DiskFault>),
    Poisoned(Arc<DiskFault>),
}

/// The segments on the disk.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    pub(crate) sealed: Vec<SealedSegment>,
    /// Bytes in use of the one that is being written, if there is one.
    pub(crate) active_bytes: Option<u64>,
}

impl<A> Shared<A> {
    /// An empty queue over what recovery found.
    pub(crate) fn new(log: &RecoveredLog) -> Self {
        let active_bytes = log.active.as_ref().map(|active| active.end);
        let counters = Counters::default();
        counters.durable_sequence.store(log.next_sequence.0.saturating_sub(1), Ordering::Release);
        Self {
            queue: Mutex::new(Queue {
                records: VecDeque::new(),
                bytes: 0,
                closed: false,
                condition: Condition::Running,
            }),
            wake: Condvar::new(),
            segments: Mutex::new(Segments { sealed: log.sealed.clone(), active_bytes }),
            counters,
        }
    }

    /// Refuses all that waits and all that will come.
    fn poison(&self, fault: &Arc<DiskFault>) {
        let mut queue = self.queue.lock();
        queue.condition = Condition::Poisoned(Arc::clone(fault));
        queue.bytes = 0;
        let waiting = std::mem::take(&mut queue.records);
        drop(queue);
        refuse(waiting, &WalError::Poisoned(Arc::clone(fault)));
    }
}

fn refuse<A>(records: impl IntoIterator<Item = Pending<A>>, error: &WalError) {
    for pending in records {
        // A waiter that went away does not need the answer.
        let _ = pending.waiter.send(Err(error.clone()));
    }
}

/// The segment that is being written.
#[derive(Debug)]
pub(crate) struct ActiveSegment {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    pub(crate) salt: u64,
    /// Where the next record goes; everything before is durable.
    pub(crate) end: u64,
    /// The length of the file, allocated space included.
    pub(crate) length: u64,
}

impl ActiveSegment {
    fn fault(&self, operation: Operation) -> impl FnOnce(std::io::Error) -> DiskFault {
        let path = self.path.clone();
        move |source| DiskFault { operation, path, source }
    }

    /// Takes space for `needed` more bytes.
    fn allocate(&mut self, needed: u64, options: &WalOptions) -> Result<(), DiskFault> {
        let end = self.end + needed;
        if end > self.length {
            let rounded = end.next_multiple_of(options.allocate_bytes.max(1)).min(options.segment_bytes);
            let length = rounded.max(end);
            self.file.allocate(length).map_err(self.fault(Operation::Allocate))?;
            self.length = length;
        }
        Ok(())
    }

    /// Cuts off what was written of a group, durably.
    fn cut_back(&mut self) -> Result<(), DiskFault> {
        self.file.truncate(self.end).map_err(self.fault(Operation::Truncate))?;
        self.length = self.end;
        self.file.sync_data().map_err(self.fault(Operation::Sync))
    }
}

/// Why a group is not durable.
enum GroupError {
    /// Nothing of it is on the disk; the next may have more luck.
    OutOfSpace(DiskFault),
    /// What is on the disk is not known.
    Failed(DiskFault),
}

impl From<DiskFault> for GroupError {
    fn from(fault: DiskFault) -> Self {
        Self::Failed(fault)
    }
}

/// The thread's own state.
pub(crate) struct Writer<A> {
    shared: Arc<Shared<A>>,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: WalOptions,
    next_sequence: Sequence,
    next_number: u64,
    active: Option<ActiveSegment>,
    on_durable: OnDurable<A>,
    buffer: Vec<u8>,
}

impl<A> Writer<A> {
    pub(crate) fn new(
        shared: Arc<Shared<A>>,
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        log: RecoveredLog,
        options: WalOptions,
        on_durable: OnDurable<A>,
    ) -> Self {
        let RecoveredLog { next_sequence, next_number, active, .. } = log;
        Self { shared, disk, directory, options, next_sequence, next_number, active, on_durable, buffer: Vec::new() }
    }

    /// Runs until the queue is closed and empty, or poisoned and closed.
    pub(crate) fn run(mut self) {
        // Should `on_durable` panic, nobody may wait for ever, and nothing may be appended that is not applied.
        let guard = PanicGuard { shared: Arc::clone(&self.shared), directory: self.directory.clone() };
        while let Some(group) = self.take_group() {
            self.commit(group);
        }
        drop(guard);
    }

    /// Waits for records and takes as many as make a group; `None` when the queue is closed and empty.
    fn take_group(&self) -> Option<Vec<Pending<A>>> {
        let mut queue = self.shared.queue.lock();
        while queue.records.is_empty() {
            if queue.closed {
                return None;
            }
            self.shared.wake.wait(&mut queue);
        }
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(pending) = queue.records.front() {
            let with_this = bytes + pending.record.byte_len();
            if !group.is_empty() && with_this > self.options.group_bytes {
                break;
            }
            bytes = with_this;
            group.extend(queue.records.pop_front());
        }
        queue.bytes = queue.bytes.saturating_sub(bytes);
        Some(group)
    }

    /// Makes a group durable and tells its writers, or tells them why not.
    pub(crate) fn commit(&mut self, group: Vec<Pending<A>>) {
        let bytes: u64 = group.iter().map(|pending| pending.record.byte_len() as u64).sum();
        match self.write_group(&group, bytes) {
            Ok(()) => self.announce(group, bytes),
            Err(GroupError::OutOfSpace(fault)) => {
                Counters::add(&self.shared.counters.out_of_space, 1);
                let fault = Arc::new(fault);
                self.shared.queue.lock().condition = Condition::OutOfSpace(Arc::clone(&fault));
                refuse(group, &WalError::OutOfSpace(fault));
            }
            Err(GroupError::Failed(fault)) => {
                Counters::add(&self.shared.counters.failures, 1);
                tracing::error!(error = %fault, "the WAL refuses all writes from now on");
                let fault = Arc::new(fault);
                // First the queue, then the group: whoever hears of the failure finds the WAL poisoned.
                self.shared.poison(&fault);
                refuse(group, &WalError::Poisoned(fault));
            }
        }
    }

    /// Everything of the group is durable: it becomes visible, then its writers hear of it.
    fn announce(&mut self, group: Vec<Pending<A>>, bytes: u64) {
        {
            let mut queue = self.shared.queue.lock();
            if matches!(queue.condition, Condition::OutOfSpace(_)) {
                queue.condition = Condition::Running;
            }
        }
        let counters = &self.shared.counters;
        Counters::add(&counters.records, group.len() as u64);
        Counters::add(&counters.record_bytes, bytes);
        Counters::add(&counters.groups, 1);
        let mut sequence = self.next_sequence;
        for pending in group {
            (self.on_durable)(sequence, pending.attachment);
            self.shared.counters.durable_sequence.store(sequence.0, Ordering::Release);
            // A waiter that went away does not need the answer.
            let _ = pending.waiter.send(Ok(sequence));
            sequence = sequence.next();
        }
        self.next_sequence = sequence;
    }

    /// Makes a group durable as the records from `next_sequence` on.
    fn write_group(&mut self, group: &[Pending<A>], bytes: u64) -> Result<(), GroupError> {
        let mut active = self.segment_for(bytes)?;
        let written = Self::write_into(&mut active, &mut self.buffer, self.next_sequence, group);
        let result = match written {
            Ok(end) => {
                let (synced, took) = timed(|| active.file.sync_data());
                self.shared.counters.record_sync(took);
                synced.map_err(active.fault(Operation::Sync)).map_err(GroupError::Failed).map(|()| active.end = end)
            }
            Err(fault) => Err(failure(fault, || active.cut_back())),
        };
        self.shared.segments.lock().active_bytes = Some(active.end);
        self.active = Some(active);
        result
    }

    /// Writes a group behind the durable end, and returns where it ends.
    fn write_into(
        active: &mut ActiveSegment,
        buffer: &mut Vec<u8>,
        first: Sequence,
        group: &[Pending<A>],
    ) -> Result<u64, DiskFault> {
        let durable_through = Sequence(first.0.saturating_sub(1));
        let mut end = active.end;
        let mut sequence = first;
        buffer.clear();
        for (index, pending) in group.iter().enumerate() {
            pending.record.append_to(buffer, sequence, durable_through, active.salt);
            sequence = sequence.next();
            if buffer.len() >= WRITE_BYTES || index + 1 == group.len() {
                active.file.write_at(end, buffer).map_err(active.fault(Operation::Write))?;
                end += buffer.len() as u64;
                buffer.clear();
            }
        }
        // One huge record must not keep its memory for ever.
        buffer.shrink_to(4 * WRITE_BYTES);
        Ok(end)
    }

    /// The segment that a group of `bytes` goes to, with space for it. A group is never split over two segments.
    fn segment_for(&mut self, bytes: u64) -> Result<ActiveSegment, GroupError> {
        let Some(mut active) = self.active.take() else {
            return self.create_segment(bytes);
        };
        let is_empty = active.end == SEGMENT_HEADER_BYTES as u64;
        let result = if is_empty || active.end + bytes <= self.options.segment_bytes {
            match active.allocate(bytes, &self.options) {
                Ok(()) => return Ok(active),
                Err(fault) => Err(failure(fault, || active.cut_back())),
            }
        } else {
            self.create_segment(bytes)
        };
        match result {
            Ok(created) => {
                let last = Sequence(self.next_sequence.0.saturating_sub(1));
                let sealed = SealedSegment { number: active.number, last, bytes: active.end };
                let mut segments = self.shared.segments.lock();
                segments.sealed.push(sealed);
                segments.active_bytes = Some(created.end);
                Ok(created)
            }
            Err(error) => {
                self.active = Some(active);
                Err(error)
            }
        }
    }

    /// Creates the next segment with space for `bytes` of records. Its header and its name are durable on return,
    /// before a record is written to it.
    fn create_segment(&mut self, bytes: u64) -> Result<ActiveSegment, GroupError> {
        let number = self.next_number;
        let path = segment_path(&self.directory, number);
        let fault = |operation, source| DiskFault { operation, path: path.clone(), source };
        let file = match self.disk.create(&path) {
            Ok(file) => file,
            Err(source) => return Err(failure(fault(Operation::Create, source), || Ok(()))),
        };
        let salt = self.options.salt ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let header = SegmentHeader { number, first_sequence: self.next_sequence.0, salt };
        let end = SEGMENT_HEADER_BYTES as u64;
        let mut active = ActiveSegment { file, path: path.clone(), number, salt, end: 0, length: 0 };
        let written = active
            .allocate(end + bytes, &self.options)
            .and_then(|()| active.file.write_at(0, &header.encode()).map_err(|source| fault(Operation::Write, source)));
        if let Err(error) = written {
            return Err(failure(error, || self.remove_segment(&active)));
        }
        active.end = end;
        active.file.sync_data().map_err(|source| fault(Operation::Sync, source))?;
        self.sync_directory()?;
        self.next_number += 1;
        Ok(active)
    }

    /// Removes a segment that could not be made.
    fn remove_segment(&self, active: &ActiveSegment) -> Result<(), DiskFault> {
        self.disk.remove(&active.path).map_err(active.fault(Operation::Remove))?;
        self.sync_directory()
    }

    fn sync_directory(&self) -> Result<(), DiskFault> {
        let path = self.directory.clone();
        self.disk.sync_directory(&path).map_err(|source| DiskFault { operation: Operation::Sync, path, source })
    }
}

/// What a fault before the sync means: no space, if what was written could be undone; otherwise a failure.
fn failure(fault: DiskFault, undo: impl FnOnce() -> Result<(), DiskFault>) -> GroupError {
    if !is_out_of_space(&fault.source) {
        return GroupError::Failed(fault);
    }
    match undo() {
        Ok(()) => GroupError::OutOfSpace(fault),
        Err(undo_fault) => GroupError::Failed(undo_fault),
    }
}

/// Poisons the queue if the thread ends by a panic.
struct PanicGuard<A> {
    shared: Arc<Shared<A>>,
    directory: PathBuf,
}

impl<A> Drop for PanicGuard<A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.poison(&Arc::new(thread_ended(&self.directory)));
        }
    }
}

/// The fault of a WAL whose thread has ended by a panic.
pub(crate) fn thread_ended(directory: &Path) -> DiskFault {
    let source = std::io::Error::other("the thread of the WAL panicked");
    DiskFault { operation: Operation::Run, path: directory.to_owned(), source }
}

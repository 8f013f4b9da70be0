//! The batching writer: its settings, its handle with the bounded queue, and what it reports.
//!
//! The task behind the queue, which builds batches and delivers them, stands in `worker`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, TryAcquireError, mpsc, oneshot};

use crate::client::{Client, system_time};
use crate::error::{WithCauses, WriteError};
use crate::lines::{BatchLimits, LineBlock, Lines};
use crate::point::system_time_to_ns;
use crate::retry::RetryPolicy;
use crate::write::Precision;

mod worker;

use worker::{Command, Deliver, Worker};

/// What a queued write costs besides its text: the command, the offsets of its lines, the allocations.
const COMMAND_OVERHEAD_BYTES: usize = 128;

/// Tells the time for points that have none, in nanoseconds since 1970.
type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Is told of each batch, or part of one, that was given up.
type OnError = Arc<dyn Fn(&BatchFailure) + Send + Sync>;

/// Why a writer cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// [`BatchWriterBuilder::start`] was called outside a tokio runtime.
    #[error("a batch writer needs a tokio runtime")]
    NoRuntime,
    /// A limit is zero or too large.
    #[error("{name} must be from 1 to {max}")]
    InvalidLimit {
        /// Which limit.
        name: &'static str,
        /// The largest value.
        max: usize,
    },
}

/// The lines were not taken into the queue; they come back to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue has no room now. Only [`BatchWriter::try_write`] says so.
    #[error("the queue of the writer is full")]
    Full {
        /// The lines, as they were given.
        lines: Lines,
    },
    /// The writer has been closed, or its runtime has stopped.
    #[error("the writer is closed")]
    Closed {
        /// The lines, as they were given.
        lines: Lines,
    },
}

impl QueueError {
    /// The lines, as they were given.
    #[must_use]
    pub fn into_lines(self) -> Lines {
        match self {
            Self::Full { lines } | Self::Closed { lines } => lines,
        }
    }
}

/// Lines that the writer gave up, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchFailure {
    /// The lines, with the times that they were sent with, so that writing them again doubles nothing.
    pub lines: String,
    /// The number of lines.
    pub line_count: usize,
    /// How many times they were sent.
    pub attempts: u32,
    /// What the last attempt met. After a 422 some of the lines are stored.
    pub error: WriteError,
}

/// What failed since the last [`BatchWriter::flush`], or since the start.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct WriteFailures {
    /// The failures in the order of their lines.
    pub failures: Vec<BatchFailure>,
    /// The number of lines that failed as well, but for which [`BatchWriterBuilder::failure_bytes_max`] left no room.
    /// They were handed to [`BatchWriterBuilder::on_error`].
    pub lines_not_kept: u64,
}

impl WriteFailures {
    fn is_empty(&self) -> bool {
        self.failures.is_empty() && self.lines_not_kept == 0
    }

    /// The number of lines that failed.
    #[must_use]
    pub fn line_count(&self) -> u64 {
        let kept: usize = self.failures.iter().map(|failure| failure.line_count).sum();
        self.lines_not_kept + kept as u64
    }
}

impl fmt::Display for WriteFailures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} lines were not written", self.line_count())?;
        match self.failures.first() {
            Some(first) => write!(formatter, ", the first because: {}", WithCauses(&first.error)),
            None => Ok(()),
        }
    }
}

/// Not all lines were written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// Some lines failed; each failure is returned once.
    #[error("{0}")]
    Failed(WriteFailures),
    /// The writer's task has ended: it was closed before, its runtime is shutting down, or
    /// [`BatchWriterBuilder::on_error`] panicked. What was still queued then is not written.
    #[error("the writer has stopped")]
    Stopped,
}

/// Settings of a [`BatchWriter`], made by [`Client::batch_writer`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `start`"]
pub struct BatchWriterBuilder {
    client: Client,
    settings: Settings,
    queue_bytes: usize,
    clock: Clock,
}

/// What the handle and its task share of the settings.
#[derive(Clone)]
struct Settings {
    bucket: String,
    org: String,
    org_id: Option<String>,
    precision: Precision,
    limits: BatchLimits,
    interval: Duration,
    gzip: bool,
    retry: RetryPolicy,
    failure_bytes_max: usize,
    on_error: Option<OnError>,
}

impl Client {
    /// Starts the settings of a writer that sends all its lines to one bucket, given by name or id.
    pub fn batch_writer(&self, bucket: impl Into<String>) -> BatchWriterBuilder {
        BatchWriterBuilder {
            settings: Settings {
                bucket: bucket.into(),
                org: String::new(),
                org_id: None,
                precision: Precision::Nanoseconds,
                limits: BatchLimits { lines: 5_000, bytes: 1 << 20 },
                interval: Duration::from_secs(1),
                gzip: self.gzip(),
                retry: RetryPolicy::default(),
                failure_bytes_max: 16 << 20,
                on_error: None,
            },
            client: self.clone(),
            queue_bytes: 16 << 20,
            clock: Arc::new(|| system_time_to_ns(system_time()).unwrap_or(i64::MAX - 1)),
        }
    }
}

impl BatchWriterBuilder {
    /// Sets the organisation by name or id; not sent if empty or not set.
    pub fn org(mut self, org: impl Into<String>) -> Self {
        self.settings.org = org.into();
        self
    }

    /// Sets the organisation by id.
    pub fn org_id(mut self, org_id: impl Into<String>) -> Self {
        self.settings.org_id = Some(org_id.into());
        self
    }

    /// Sets the unit of times: raw lines are read in it, points are rounded down to it; nanoseconds if not set.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.settings.precision = precision;
        self
    }

    /// Sends a batch as soon as it has so many lines; 5,000 if not set.
    pub fn batch_lines(mut self, batch_lines: usize) -> Self {
        self.settings.limits.lines = batch_lines;
        self
    }

    /// Sends a batch before it would grow beyond so many bytes (before compression); 1 MiB if not set. A line that is
    /// longer goes alone.
    pub fn batch_bytes(mut self, batch_bytes: usize) -> Self {
        self.settings.limits.bytes = batch_bytes;
        self
    }

    /// Sends a batch at the latest so long after its first line; 1 s if not set.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// Whether batches of at least 1,000 bytes are compressed; if not set, as
    /// [`ClientBuilder::gzip`](crate::ClientBuilder::gzip) says.
    pub fn gzip(mut self, gzip: bool) -> Self {
        self.settings.gzip = gzip;
        self
    }

    /// Bounds the lines that are accepted and not yet settled, those on their way included; 16 MiB if not set. Each
    /// write counts its text and a little more.
    pub fn queue_bytes(mut self, queue_bytes: usize) -> Self {
        self.queue_bytes = queue_bytes;
        self
    }

    /// Sets how failed attempts are repeated.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.settings.retry = retry;
        self
    }

    /// Calls `on_error` for each batch, or part of one, that is given up, at once and in the writer's task. It must
    /// not block, and if it panics the writer stops.
    pub fn on_error(mut self, on_error: impl Fn(&BatchFailure) + Send + Sync + 'static) -> Self {
        self.settings.on_error = Some(Arc::new(on_error));
        self
    }

    /// Bounds the text of failed lines that is kept for [`BatchWriter::flush`] and [`BatchWriter::close`] to return;
    /// 16 MiB if not set. Of failures beyond it only the number of lines is kept.
    pub fn failure_bytes_max(mut self, failure_bytes_max: usize) -> Self {
        self.settings.failure_bytes_max = failure_bytes_max;
        self
    }

    /// Starts the writer's task on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// There is no runtime, or a limit is out of range.
    pub fn start(self) -> Result<BatchWriter, StartError> {
        let client = self.client.clone();
        self.start_with(client)
    }

    fn start_with<D: Deliver>(self, target: D) -> Result<BatchWriter, StartError> {
        let runtime = Handle::try_current().map_err(|_none| StartError::NoRuntime)?;
        // A semaphore hands out at most this many permits at a time.
        let bytes_max = u32::MAX as usize;
        for (name, value, max) in [
            ("batch_lines", self.settings.limits.lines, usize::MAX),
            ("batch_bytes", self.settings.limits.bytes, bytes_max),
            ("queue_bytes", self.queue_bytes, bytes_max.min(Semaphore::MAX_PERMITS)),
        ] {
            if value == 0 || value > max {
                return Err(StartError::InvalidLimit { name, max });
            }
        }
        let (commands, receiver) = mpsc::unbounded_channel();
        let writer = BatchWriter {
            commands,
            room: Arc::new(Semaphore::new(self.queue_bytes)),
            queue_bytes: self.queue_bytes,
            precision: self.settings.precision,
            limits: self.settings.limits,
            clock: self.clock,
            counters: Arc::new(Counters::default()),
            closed: AtomicBool::new(false),
        };
        runtime.spawn(Worker::new(target, self.settings, receiver, Arc::clone(&writer.counters)).run());
        Ok(writer)
    }
}

impl fmt::Debug for BatchWriterBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BatchWriterBuilder")
            .field("bucket", &self.settings.bucket)
            .field("limits", &self.settings.limits)
            .field("interval", &self.settings.interval)
            .finish_non_exhaustive()
    }
}

/// Numbers of lines, for progress and for the warning at the end.
#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    written: AtomicU64,
    failed: AtomicU64,
}

/// Collects lines into batches and sends them from a task of its own, one batch at a time and in order.
///
/// - **Batches** go out when they are large enough or old enough, or on [`flush`](Self::flush).
/// - **Back-pressure**: what is accepted and not settled is bounded; beyond it [`write`](Self::write) waits and
///   [`try_write`](Self::try_write) returns the lines.
/// - **Retries**: an attempt that failed for a passing reason is repeated as [`RetryPolicy`] says, with the same
///   bytes. Lines without a time get one when they are accepted, so a batch that was stored although its answer was
///   lost is overwritten by itself, not doubled.
/// - **Refusals**: a batch that is too large for the server (413) is cut in halves; other refusals are final, logged,
///   told to [`on_error`](BatchWriterBuilder::on_error) and returned by the next [`flush`](Self::flush) or
///   [`close`](Self::close).
/// - **The end**: call [`close`](Self::close). Dropping the writer instead logs a warning; its task still tries to
///   deliver what is queued, for as long as the runtime lives, and nobody hears of failures but `on_error`.
///
/// All methods take `&self`, so a writer can be shared in an [`Arc`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use freshet_client::{Client, Point};
///
/// let client = Client::builder("http://127.0.0.1:8086").token("my-token").build()?;
/// let writer = client.batch_writer("metrics").org("factory").gzip(true).start()?;
/// for reading in 0..100_000_i64 {
///     writer.write(Point::builder("press").tag("line", "1").field("force", reading).build()?).await?;
/// }
/// writer.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct BatchWriter {
    /// Unbounded in commands, bounded in bytes by `room`.
    commands: mpsc::UnboundedSender<Command>,
    /// One permit for each byte that may still be accepted.
    room: Arc<Semaphore>,
    queue_bytes: usize,
    precision: Precision,
    limits: BatchLimits,
    clock: Clock,
    counters: Arc<Counters>,
    closed: AtomicBool,
}

impl BatchWriter {
    /// Puts lines into the queue, and waits for room where there is none. Lines without a time get the time of this
    /// call. Text that is larger than the whole queue is accepted once the queue is empty.
    ///
    /// If the future is dropped while it waits, none of the lines have been accepted.
    ///
    /// # Errors
    ///
    /// [`QueueError::Closed`] with the lines.
    pub async fn write(&self, lines: impl Into<Lines> + Send) -> Result<(), QueueError> {
        let lines = lines.into();
        let blocks = self.blocks(&lines);
        match Arc::clone(&self.room).acquire_many_owned(self.weight(&blocks)).await {
            Ok(permit) => self.enqueue(blocks, permit, lines),
            Err(AcquireError { .. }) => Err(QueueError::Closed { lines }),
        }
    }

    /// Puts lines into the queue if there is room for all of them now.
    ///
    /// # Errors
    ///
    /// [`QueueError::Full`] or [`QueueError::Closed`] with the lines, none of which have been accepted.
    pub fn try_write(&self, lines: impl Into<Lines>) -> Result<(), QueueError> {
        let lines = lines.into();
        let blocks = self.blocks(&lines);
        match Arc::clone(&self.room).try_acquire_many_owned(self.weight(&blocks)) {
            Ok(permit) => self.enqueue(blocks, permit, lines),
            Err(TryAcquireError::NoPermits) => Err(QueueError::Full { lines }),
            Err(TryAcquireError::Closed) => Err(QueueError::Closed { lines }),
        }
    }

    /// Sends what has been accepted so far, and waits until each line is written or given up.
    ///
    /// # Errors
    ///
    /// [`FlushError::Failed`] with everything that failed since the last flush.
    pub async fn flush(&self) -> Result<(), FlushError> {
        self.settle(Command::Flush).await
    }

    /// Accepts no more lines, sends what has been accepted, waits until each line is written or given up, and ends the
    /// writer's task. With a server that is down this takes as long as the [`RetryPolicy`] allows for each batch.
    ///
    /// Closing again does nothing. If the future is dropped, the task goes on to deliver.
    ///
    /// # Errors
    ///
    /// [`FlushError::Failed`] with everything that failed since the last flush.
    pub async fn close(&self) -> Result<(), FlushError> {
        let closed_before = self.closed.swap(true, Ordering::SeqCst);
        self.room.close();
        match self.settle(Command::Close).await {
            Err(FlushError::Stopped) if closed_before => Ok(()),
            result => result,
        }
    }

    /// The number of lines that the server has taken.
    #[must_use]
    pub fn lines_written(&self) -> u64 {
        self.counters.written.load(Ordering::Relaxed)
    }

    /// The number of lines that were given up. After a 422 some of them are stored.
    #[must_use]
    pub fn lines_failed(&self) -> u64 {
        self.counters.failed.load(Ordering::Relaxed)
    }

    /// The number of lines that are accepted and neither written nor given up.
    #[must_use]
    pub fn lines_pending(&self) -> u64 {
        let settled = self.lines_written() + self.lines_failed();
        self.counters.accepted.load(Ordering::Relaxed).saturating_sub(settled)
    }

    fn blocks(&self, lines: &Lines) -> Vec<LineBlock> {
        lines.to_blocks(self.precision, self.precision.convert_ns((self.clock)()), self.limits)
    }

    /// The number of permits that blocks need: at most all of them, or the lines could never be accepted.
    fn weight(&self, blocks: &[LineBlock]) -> u32 {
        let bytes: usize = blocks.iter().map(|block| block.text.len() + COMMAND_OVERHEAD_BYTES).sum();
        u32::try_from(bytes.min(self.queue_bytes)).unwrap_or(u32::MAX)
    }

    fn enqueue(&self, blocks: Vec<LineBlock>, permit: OwnedSemaphorePermit, lines: Lines) -> Result<(), QueueError> {
        let count: usize = blocks.iter().map(LineBlock::lines).sum();
        self.counters.accepted.fetch_add(count as u64, Ordering::Relaxed);
        self.commands.send(Command::Lines { blocks, permit }).map_err(|_stopped| {
            self.counters.accepted.fetch_sub(count as u64, Ordering::Relaxed);
            QueueError::Closed { lines }
        })
    }

    /// Sends a command that is answered with the failures up to it.
    async fn settle(&self, command: fn(oneshot::Sender<WriteFailures>) -> Command) -> Result<(), FlushError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_stopped| FlushError::Stopped)?;
        let failures = answer.await.map_err(|_stopped| FlushError::Stopped)?;
        if failures.is_empty() { Ok(()) } else { Err(FlushError::Failed(failures)) }
    }
}

impl Drop for BatchWriter {
    fn drop(&mut self) {
        if !self.closed.load(Ordering::SeqCst) {
            let lines_pending = self.lines_pending();
            tracing::warn!(lines_pending, "a batch writer was dropped without close; lines may be lost");
        }
    }
}

impl fmt::Debug for BatchWriter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BatchWriter").field("counters", &self.counters).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

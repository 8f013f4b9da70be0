//! The task behind a batching writer: gathers lines into batches, and delivers them one by one and in order.
//!
//! Delivery goes through [`Deliver`], so that tests need no server and can stop the clock.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::{BatchFailure, Counters, Settings, WriteFailures};
use crate::client::Client;
use crate::compress::{self, GZIP_BYTES_MIN};
use crate::error::{WithCauses, WriteError};
use crate::lines::LineBlock;
use crate::retry;
use crate::write::{ContentEncoding, PostWriteRequest};

/// Where batches go.
pub(super) trait Deliver: Send + Sync + 'static {
    /// Tries once.
    fn deliver(&self, request: &PostWriteRequest) -> impl Future<Output = Result<(), WriteError>> + Send;
}

impl Deliver for Client {
    async fn deliver(&self, request: &PostWriteRequest) -> Result<(), WriteError> {
        self.post_write(request).await
    }
}

/// What the handle asks of the task. Commands are worked off in order.
pub(super) enum Command {
    /// Take lines; the permit is their share of the queue, given back when they are settled.
    Lines { blocks: Vec<LineBlock>, permit: OwnedSemaphorePermit },
    /// Settle everything before this, and answer with what failed.
    Flush(oneshot::Sender<WriteFailures>),
    /// The same, then end.
    Close(oneshot::Sender<WriteFailures>),
}

/// What the task does next.
enum Event {
    Command(Command),
    /// The batch has waited long enough.
    Due,
    /// No command is left and none can come.
    End,
}

/// Lines that are sent together.
#[derive(Default)]
struct Batch {
    block: LineBlock,
    /// The share of the queue of all whole writes in the batch.
    permit: Option<OwnedSemaphorePermit>,
    /// When the batch is sent even if it is small; set with its first line.
    due: Option<Instant>,
}

impl Batch {
    fn hold(&mut self, permit: OwnedSemaphorePermit) {
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
    }
}

/// The task's state.
pub(super) struct Worker<D> {
    target: D,
    settings: Settings,
    commands: mpsc::UnboundedReceiver<Command>,
    counters: Arc<Counters>,
    batch: Batch,
    failures: WriteFailures,
    /// The bytes of text in `failures`.
    failure_bytes: usize,
}

impl<D: Deliver> Worker<D> {
    pub(super) fn new(
        target: D,
        settings: Settings,
        commands: mpsc::UnboundedReceiver<Command>,
        counters: Arc<Counters>,
    ) -> Self {
        let (batch, failures) = (Batch::default(), WriteFailures::default());
        Self { target, settings, commands, counters, batch, failures, failure_bytes: 0 }
    }

    /// Works until the writer is closed or dropped, and everything accepted is settled.
    pub(super) async fn run(mut self) {
        let mut closers = Vec::new();
        loop {
            match self.next_event().await {
                Event::Command(Command::Lines { blocks, permit }) => self.take(blocks, permit).await,
                Event::Command(Command::Flush(reply)) => {
                    self.send_batch().await;
                    self.answer(reply);
                }
                Event::Command(Command::Close(reply)) => {
                    // What other threads have sent by now is still received, and nothing after it.
                    self.commands.close();
                    closers.push(reply);
                }
                Event::Due => self.send_batch().await,
                Event::End => break,
            }
        }
        self.send_batch().await;
        for reply in closers {
            self.answer(reply);
        }
    }

    async fn next_event(&mut self) -> Event {
        let received = match self.batch.due {
            Some(due) => match timeout_at(due, self.commands.recv()).await {
                Ok(received) => received,
                Err(_elapsed) => return Event::Due,
            },
            None => self.commands.recv().await,
        };
        received.map_or(Event::End, Event::Command)
    }

    /// Adds the blocks of one write to the batch, and sends the batch each time that it is full.
    async fn take(&mut self, blocks: Vec<LineBlock>, permit: OwnedSemaphorePermit) {
        let limits = self.settings.limits;
        let mut permit = Some(permit);
        let mut blocks = blocks.into_iter().peekable();
        while let Some(block) = blocks.next() {
            if !self.batch.block.has_room(block.lines(), block.text.len(), limits) {
                self.send_batch().await;
            }
            self.batch.block.append(&block);
            // An interval too long for the clock means: never.
            self.batch.due = self.batch.due.or_else(|| Instant::now().checked_add(self.settings.interval));
            if blocks.peek().is_none()
                && let Some(permit) = permit.take()
            {
                self.batch.hold(permit);
            }
            if self.batch.block.is_full(limits) {
                self.send_batch().await;
            }
        }
    }

    /// Sends the batch, in halves where the server finds it too large, until each of its lines is settled.
    async fn send_batch(&mut self) {
        let Batch { mut block, permit, due: _ } = std::mem::take(&mut self.batch);
        let text = Bytes::from(std::mem::take(&mut block.text));
        // A stack of line ranges, the first lines on top. Halving keeps it below 64 entries.
        let mut parts: Vec<Range<usize>> = Vec::new();
        if !block.is_empty() {
            parts.push(0..block.lines());
        }
        while let Some(part) = parts.pop() {
            let lines = text.slice(block.byte_range(&part));
            match self.send_with_retries(lines.clone()).await {
                Ok(()) => {
                    self.counters.written.fetch_add(part.len() as u64, Ordering::Relaxed);
                }
                Err((error, _)) if error.is_too_large() && part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
                Err((error, attempts)) => self.give_up(&lines, part.len(), attempts, error),
            }
        }
        drop(permit);
    }

    /// Sends lines until they are written, refused for good or out of retries; with an error comes the number of
    /// attempts. Each attempt sends the same bytes.
    async fn send_with_retries(&self, lines: Bytes) -> Result<(), (WriteError, u32)> {
        let request = self.request(lines).await.map_err(|error| (error, 0))?;
        let started = Instant::now();
        let mut attempts = 0;
        loop {
            let Err(error) = self.target.deliver(&request).await else {
                return Ok(());
            };
            attempts += 1;
            let policy = &self.settings.retry;
            let wait = policy.wait(attempts, started.elapsed(), error.retry_after(), retry::random());
            let Some(wait) = wait.filter(|_| error.is_retryable()) else {
                return Err((error, attempts));
            };
            let wait_ms = wait.as_millis();
            tracing::warn!(attempts, wait_ms, error = %WithCauses(&error), "a write failed and will be repeated");
            sleep(wait).await;
        }
    }

    async fn request(&self, lines: Bytes) -> Result<PostWriteRequest, WriteError> {
        let settings = &self.settings;
        let (body, encoding) = if settings.gzip && lines.len() >= GZIP_BYTES_MIN {
            (compress::gzip(lines).await?, ContentEncoding::Gzip)
        } else {
            (lines, ContentEncoding::Identity)
        };
        Ok(PostWriteRequest {
            body,
            bucket: settings.bucket.clone(),
            org: settings.org.clone(),
            org_id: settings.org_id.clone(),
            precision: Some(settings.precision),
            content_encoding: Some(encoding),
        })
    }

    /// Reports lines that will not be written. The log names no data.
    fn give_up(&mut self, lines: &[u8], line_count: usize, attempts: u32, error: WriteError) {
        tracing::error!(line_count, attempts, error = %WithCauses(&error), "lines were not written");
        self.counters.failed.fetch_add(line_count as u64, Ordering::Relaxed);
        let lines = String::from_utf8_lossy(lines).into_owned();
        let failure = BatchFailure { lines, line_count, attempts, error };
        if let Some(on_error) = &self.settings.on_error {
            on_error(&failure);
        }
        if self.failure_bytes + failure.lines.len() <= self.settings.failure_bytes_max {
            self.failure_bytes += failure.lines.len();
            self.failures.failures.push(failure);
        } else {
            self.failures.lines_not_kept += line_count as u64;
        }
    }

    /// Hands out the failures so far. If nobody waits for them any more, they stay for the next who asks.
    fn answer(&mut self, reply: oneshot::Sender<WriteFailures>) {
        let failures = std::mem::take(&mut self.failures);
        match reply.send(failures) {
            Ok(()) => self.failure_bytes = 0,
            Err(failures) => self.failures = failures,
        }
    }
}

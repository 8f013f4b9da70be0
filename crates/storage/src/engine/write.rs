//! The life of a write: body → points → schema → WAL record → durable → visible.
//!
//! Parsing and encoding take milliseconds of a core for a large body, so they run on threads that may block, as many
//! as there are cores. The order of the steps is the promise: nothing is appended before its schema is committed,
//! nothing is acknowledged before it is durable and visible.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use line_protocol::{Batch, ParseOptions, Precision};

use super::registrar::{Failure, RegistrarError};
use super::{Durable, Inner};
use crate::buffer::PreparedRows;
use crate::error::{ParseErrors, PartialWrite, RejectedLine, RetentionBound, WriteError};
use crate::lake::NewTable;
use crate::limits;
use crate::schema::{self, PointRules, WritePlan};
use crate::table::BucketInfo;
use crate::wal::{EncodedRecord, WalError};

/// Points to be written.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The bucket they go to.
    pub bucket: Arc<BucketInfo>,
    /// How long the bucket keeps points; `None` for ever. Older points are dropped.
    pub retention: Option<Duration>,
    /// Line protocol, not compressed.
    pub body: Bytes,
    /// The unit of its timestamps.
    pub precision: Precision,
}

/// What becomes of the rest of a body where a line of it is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acceptance {
    /// A line that does not parse refuses the whole body; points that parse and cannot be stored are dropped one by
    /// one. As InfluxDB 2.
    #[default]
    WellFormed,
    /// Whatever can be stored is.
    Partial,
    /// Everything or nothing.
    Whole,
}

/// What became of a write that was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOutcome {
    /// Points that are durable and visible now.
    pub accepted: usize,
    /// Points that were not stored, or not whole, and why. The server answers 422 then.
    pub dropped: Option<PartialWrite>,
}

/// A batch on its way through the registry.
struct Planned {
    batch: Batch,
    plan: WritePlan,
}

/// A batch that only has to become durable.
struct Ready {
    record: EncodedRecord,
    rows: Vec<PreparedRows>,
}

/// What a worker thread made of a batch.
enum Step {
    Register(Box<Planned>),
    Append(Ready, WriteOutcome),
    Nothing(WriteOutcome),
}

impl Inner {
    pub(super) async fn write(
        self: &Arc<Self>,
        request: WriteRequest,
        acceptance: Acceptance,
    ) -> Result<WriteOutcome, WriteError> {
        self.check_accepting()?;
        self.wait_for_room().await?;
        let bytes = request.body.len();
        let result = self.write_admitted(request, acceptance).await;
        self.counters.write(bytes, &result);
        result
    }

    async fn write_admitted(
        self: &Arc<Self>,
        request: WriteRequest,
        acceptance: Acceptance,
    ) -> Result<WriteOutcome, WriteError> {
        let bucket = Arc::clone(&request.bucket);
        let retention = request.retention;
        let size_bytes = request.body.len();
        let inner = Arc::clone(self);
        let first = move || {
            let batch = inner.parse(&request, acceptance)?;
            inner.plan(batch, &request.bucket, retention, acceptance)
        };
        let mut step = self.on_worker(size_bytes, first).await?;
        // Two rounds decide everything: the first may find missing columns, and after they are registered the second
        // finds none. A third is needed only if the bucket is dropped and written to again meanwhile.
        for _ in 0..3 {
            match step {
                Step::Nothing(outcome) => return Ok(outcome),
                Step::Append(ready, outcome) => {
                    self.append(ready).await?;
                    return Ok(outcome);
                }
                Step::Register(planned) => {
                    let Planned { batch, plan } = *planned;
                    self.register(&bucket, plan).await?;
                    let (inner, bucket) = (Arc::clone(self), Arc::clone(&bucket));
                    step =
                        self.on_worker(size_bytes, move || inner.plan(batch, &bucket, retention, acceptance)).await?;
                }
            }
        }
        Err(WriteError::BucketDropped)
    }

    /// Runs CPU work: small pieces where they stand, large ones on a thread that may block.
    async fn on_worker<T: Send + 'static>(
        &self,
        size_bytes: usize,
        work: impl FnOnce() -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, WriteError> {
        if size_bytes <= limits::INLINE_PARSE_BYTES {
            return work();
        }
        let _permit = self.workers.acquire().await.map_err(|_| WriteError::Closed)?;
        tokio::task::spawn_blocking(work).await.map_err(|error| WriteError::Internal(error.to_string()))?
    }

    fn parse(&self, request: &WriteRequest, acceptance: Acceptance) -> Result<Batch, WriteError> {
        let options = ParseOptions {
            precision: request.precision,
            default_time_ns: self.options.clock.now_ns(),
            limits: line_protocol::Limits::default(),
        };
        let batch = line_protocol::parse(&request.body, &options);
        match batch.error_count {
            0 => Ok(batch),
            _ if acceptance == Acceptance::Partial => Ok(batch),
            count => Err(WriteError::Parse(ParseErrors { lines: batch.errors, count })),
        }
    }

    /// Decides which points are kept; encodes them if every column that they use is registered.
    fn plan(
        &self,
        batch: Batch,
        bucket: &BucketInfo,
        retention: Option<Duration>,
        acceptance: Acceptance,
    ) -> Result<Step, WriteError> {
        let bound = retention.map(|retention| self.retention_bound(retention));
        let registry = &self.shared.registry;
        if registry.is_dropped(bucket.bucket) {
            return Err(WriteError::BucketDropped);
        }
        let rules = PointRules { retention: bound, limits: self.options.schema_limits };
        let plan = schema::plan(registry, bucket.bucket, &batch, rules);
        if acceptance == Acceptance::Whole {
            let mut dropped = BatchCounts::of(&batch).dropped;
            dropped.merge(plan.dropped.clone());
            if !dropped.is_empty() {
                return Err(WriteError::Refused(Box::new(dropped)));
            }
        }
        if plan.kept_count == 0 {
            return Ok(Step::Nothing(outcome(&batch, plan)));
        }
        if !plan.missing.is_empty() || registry.bucket(bucket.bucket).is_none() {
            return Ok(Step::Register(Box::new(Planned { batch, plan })));
        }
        let outcome_parts = BatchCounts::of(&batch);
        let Some(rows) = schema::build_rows(registry, bucket, batch, &plan) else {
            return Err(WriteError::BucketDropped);
        };
        let record = EncodedRecord::write(&rows).map_err(|error| WriteError::Internal(error.to_string()))?;
        let rows = rows
            .tables
            .into_iter()
            .map(PreparedRows::new)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| WriteError::Internal(error.to_string()))?;
        Ok(Step::Append(Ready { record, rows }, outcome_parts.outcome(plan)))
    }

    fn retention_bound(&self, retention: Duration) -> RetentionBound {
        let duration_ns = i64::try_from(retention.as_nanos()).unwrap_or(i64::MAX);
        RetentionBound { duration_ns, oldest_time_ns: self.options.clock.now_ns().saturating_sub(duration_ns) }
    }

    async fn register(&self, bucket: &Arc<BucketInfo>, plan: WritePlan) -> Result<(), WriteError> {
        self.register_tables(bucket, plan.missing).await
    }

    /// Registers tables and columns, with their bucket.
    pub(super) async fn register_tables(
        &self,
        bucket: &Arc<BucketInfo>,
        tables: Vec<NewTable>,
    ) -> Result<(), WriteError> {
        self.registrar.register(Arc::clone(bucket), tables).await.map_err(|error| match error {
            RegistrarError::Overloaded => WriteError::Overloaded {
                what: "too many writes wait for new columns",
                retry_after_s: limits::RETRY_AFTER_S,
            },
            RegistrarError::Failed(Failure::OutOfSpace) => WriteError::OutOfSpace,
            RegistrarError::Failed(Failure::Unreachable(cause)) => {
                WriteError::CatalogUnreachable { cause, retry_after_s: limits::RETRY_AFTER_S }
            }
            RegistrarError::Failed(Failure::Catalog(cause)) => WriteError::Catalog(cause),
            RegistrarError::Closed => WriteError::Closed,
        })
    }

    async fn append(&self, ready: Ready) -> Result<(), WriteError> {
        let appended = self.wal.append(ready.record, Durable::Rows(ready.rows)).map_err(write_error)?;
        appended.await.map(|_| ()).map_err(write_error)
    }

    /// Waits while the buffer is full, for as long as a flush needs; then the write is refused.
    async fn wait_for_room(&self) -> Result<(), WriteError> {
        let has_room = || self.shared.lock().unflushed_bytes < self.buffer_limit_bytes;
        if has_room() {
            return Ok(());
        }
        let overloaded = WriteError::Overloaded { what: "the buffer is full", retry_after_s: limits::RETRY_AFTER_S };
        let Ok(_waiting) = self.waiting_writes.try_acquire() else { return Err(overloaded) };
        let wait = async {
            loop {
                let progress = self.flush_progress.notified();
                if has_room() {
                    return;
                }
                self.flush_wanted.notify_one();
                progress.await;
            }
        };
        tokio::time::timeout(limits::BUFFER_WAIT, wait).await.map_err(|_| overloaded)
    }
}

/// What the parser counted, kept while the batch itself is turned into rows.
struct BatchCounts {
    dropped: PartialWrite,
}

impl BatchCounts {
    fn of(batch: &Batch) -> Self {
        let mut dropped = PartialWrite::of(batch.dropped_count + batch.error_count);
        for error in &batch.errors {
            dropped.note(error.to_string());
            let (text, cause) = (error.text.clone(), error.cause.to_string());
            dropped.reject(RejectedLine { line: error.line, text, cause });
        }
        for point in &batch.dropped {
            let cause = point.reason.to_string();
            dropped.note(cause.clone());
            dropped.reject(RejectedLine { line: point.line, text: String::new(), cause });
        }
        for field in &batch.stripped {
            dropped.note(field.to_string());
        }
        Self { dropped }
    }

    fn outcome(self, plan: WritePlan) -> WriteOutcome {
        let mut dropped = plan.dropped;
        dropped.merge(self.dropped);
        WriteOutcome { accepted: plan.kept_count, dropped: (!dropped.is_empty()).then_some(dropped) }
    }
}

fn outcome(batch: &Batch, plan: WritePlan) -> WriteOutcome {
    BatchCounts::of(batch).outcome(plan)
}

/// A failure of the WAL as the writer's error.
pub(super) fn write_error(error: WalError) -> WriteError {
    match error {
        WalError::Overloaded { .. } => {
            WriteError::Overloaded { what: "too many writes wait for the disk", retry_after_s: limits::RETRY_AFTER_S }
        }
        WalError::OutOfSpace(_) => WriteError::OutOfSpace,
        WalError::Poisoned(cause) => WriteError::Poisoned { cause: cause.to_string() },
        WalError::Closed => WriteError::Closed,
    }
}

//! An object store whose operations are tried again, within bounds, and counted.
//!
//! A request that fails may have succeeded all the same: the answer can be lost. Since every data file has a name of
//! its own, writing the same bytes under it again does no harm, deleting again neither, and an upload whose completion
//! fails after a try without an answer is looked up by its name and size.
//!
//! While the store does not answer, most operations fail at once instead of waiting each for itself: one of them tries
//! after every [`RetryPolicy::breaker`]. This module never decides what becomes of the data of a failed operation.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartId,
    MultipartUpload, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, UploadPart, coalesce_ranges,
};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits;

/// Objects that one request deletes at most; S3's own limit.
const DELETE_BATCH: usize = 1000;

/// What all parts of a store share: an object store that also knows uploads by their id.
pub trait CloudStore: ObjectStore + MultipartStore {}

impl<T: ObjectStore + MultipartStore> CloudStore for T {}

/// How often and how long an operation is tried.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Tries in all.
    pub attempts: u32,
    /// The pause after the first try; each following one is twice as long, less up to a half of it by chance.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// No try begins later than this after the first.
    pub deadline: Duration,
    /// The longest time of one try.
    pub attempt_timeout: Duration,
    /// How long after an operation was given up others fail without a try.
    pub breaker: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: limits::STORE_ATTEMPTS,
            first_pause: limits::STORE_FIRST_PAUSE,
            longest_pause: limits::STORE_LONGEST_PAUSE,
            deadline: limits::STORE_DEADLINE,
            attempt_timeout: limits::STORE_ATTEMPT_TIMEOUT,
            breaker: limits::STORE_BREAKER,
        }
    }
}

impl RetryPolicy {
    /// The pause after the try of this number, from 0.
    fn pause(&self, attempt: u32) -> Duration {
        let whole = self.first_pause.saturating_mul(1 << attempt.min(20)).min(self.longest_pause);
        // Clients that failed together must not come back together. The end of a UUIDv7 is random.
        let [.., random] = uuid::Uuid::now_v7().into_bytes();
        whole.mul_f64(1.0 - f64::from(random) / 512.0)
    }
}

/// What is asked of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOperation {
    /// A whole object, or a step of an upload in parts.
    Put,
    /// A part of an object.
    Get,
    /// One object or many.
    Delete,
    /// Anything else; the engine needs none of it in its usual life.
    Other,
}

impl StoreOperation {
    /// All of them, in the order of the counters.
    pub const ALL: [Self; 4] = [Self::Put, Self::Get, Self::Delete, Self::Other];

    /// The name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Delete => "delete",
            Self::Other => "other",
        }
    }
}

/// What was asked of the store since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreMetrics {
    /// Requests by operation, those of further tries too.
    pub requests: [u64; 4],
    /// Those of them that failed.
    pub failures: [u64; 4],
    /// Operations that were given up.
    pub given_up: u64,
    /// Bytes that were sent.
    pub sent_bytes: u64,
    /// Bytes that were received.
    pub received_bytes: u64,
    /// 1 while the last operation that ended was given up.
    pub failing: bool,
}

/// Whether the store answers, and how often it was asked. Shared by all clones of a store.
#[derive(Debug, Default)]
pub struct StoreHealth {
    requests: [AtomicU64; 4],
    failures: [AtomicU64; 4],
    given_up: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    failing: Mutex<Option<Failing>>,
}

#[derive(Debug, Clone)]
struct Failing {
    cause: String,
    /// Set if the store did not answer, which says that it will not answer others either.
    unreachable_since: Option<Instant>,
}

impl StoreHealth {
    /// Why the operation that ended last was given up, if it was.
    #[must_use]
    pub fn failing(&self) -> Option<String> {
        self.failing.lock().as_ref().map(|failing| failing.cause.clone())
    }

    /// The numbers of now.
    #[must_use]
    pub fn metrics(&self) -> StoreMetrics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreMetrics {
            requests: self.requests.each_ref().map(read),
            failures: self.failures.each_ref().map(read),
            given_up: read(&self.given_up),
            sent_bytes: read(&self.sent_bytes),
            received_bytes: read(&self.received_bytes),
            failing: self.failing.lock().is_some(),
        }
    }

    /// Notes that an object is not there that must be.
    pub(super) fn misses(&self, cause: String) {
        tracing::error!(cause, "the object store is not the one of this catalog, or has lost objects");
        *self.failing.lock() = Some(Failing { cause, unreachable_since: None });
    }

    /// Notes an answer.
    pub(super) fn succeeded(&self) {
        if let Some(failing) = self.failing.lock().take() {
            tracing::info!(cause = failing.cause, "the object store answers again");
        }
    }

    fn gave_up(&self, error: &Error) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
        let unreachable_since = is_transient(error).then(Instant::now);
        let cause = with_causes(error);
        let before = self.failing.lock().replace(Failing { cause: cause.clone(), unreachable_since });
        if before.is_none() {
            tracing::error!(cause, "the object store fails");
        }
    }

    /// The failure that is taken for granted for `breaker` after it was seen. Renewed by the one that may try again.
    fn broken(&self, breaker: Duration) -> Option<Error> {
        let mut failing = self.failing.lock();
        let failing = failing.as_mut()?;
        let since = failing.unreachable_since.as_mut()?;
        if since.elapsed() >= breaker {
            *since = Instant::now();
            return None;
        }
        Some(failure(format!("not tried again yet after: {}", failing.cause)))
    }
}

/// An error with all that is under it: a client says of a refused connection only that it could not send a request.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

fn failure(cause: String) -> Error {
    Error::Generic { store: "object store", source: cause.into() }
}

/// Whether the same request may succeed later. What a client did wrong, or may not do, stays as it is.
fn is_transient(error: &Error) -> bool {
    matches!(error, Error::Generic { .. } | Error::JoinError { .. })
}

/// Whether the store is well and only has no such object. What is written needs none, so it has no such bucket.
fn is_answer(operation: StoreOperation, error: &Error) -> bool {
    const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "bucket does not exist"];
    let Error::NotFound { source, .. } = error else { return false };
    let cause = source.to_string();
    operation != StoreOperation::Put && !NO_BUCKET.iter().any(|code| cause.contains(code))
}

/// The store.
#[derive(Debug)]
pub(super) struct RetryingStore<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for RetryingStore<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[derive(Debug)]
struct Shared<T> {
    inner: Arc<T>,
    policy: RetryPolicy,
    health: Arc<StoreHealth>,
}

impl<T: CloudStore> Shared<T> {
    /// Runs one operation. `attempt` is told whether a try before it ended without a clear answer.
    async fn run<'a, R>(
        &self,
        operation: StoreOperation,
        attempt: impl Fn(bool) -> BoxFuture<'a, Result<R>> + Send,
    ) -> Result<R> {
        if let Some(error) = self.health.broken(self.policy.breaker) {
            return Err(error);
        }
        let start = Instant::now();
        let index = operation as usize;
        let count = |counters: &[AtomicU64; 4]| {
            if let Some(counter) = counters.get(index) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let mut number = 0;
        loop {
            count(&self.health.requests);
            let limit = self.policy.attempt_timeout;
            let tried = tokio::time::timeout(limit, attempt(number > 0)).await;
            let error = match tried.unwrap_or_else(|_| Err(failure(format!("no answer within {limit:?}")))) {
                Ok(result) => {
                    self.health.succeeded();
                    return Ok(result);
                }
                Err(error) => error,
            };
            count(&self.health.failures);
            number += 1;
            let pause = self.policy.pause(number - 1);
            let is_last = number >= self.policy.attempts || start.elapsed() + pause > self.policy.deadline;
            if is_answer(operation, &error) {
                self.health.succeeded();
                return Err(error);
            }
            if is_last || !is_transient(&error) {
                self.health.gave_up(&error);
                return Err(error);
            }
            tracing::debug!(%error, number, "a request to the object store is made again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn put(&self, path: &Path, payload: &PutPayload, options: &PutOptions) -> Result<PutResult> {
        let bytes = payload.content_length() as u64;
        let put = |_| {
            self.health.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.inner.put_opts(path, payload.clone(), options.clone()).boxed()
        };
        self.run(StoreOperation::Put, put).await
    }

    /// A range, whole: fewer bytes are a failure.
    async fn get_range(&self, path: &Path, range: Range<u64>) -> Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let get = |_| {
            let range = range.clone();
            async move {
                let start = range.start;
                let bytes = self.inner.get_range(path, range).await?;
                self.health.received_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                if bytes.len() as u64 == wanted {
                    return Ok(bytes);
                }
                let got = bytes.len();
                Err(failure(format!("{path}: {got} bytes instead of {wanted} from {start} on")))
            }
            .boxed()
        };
        self.run(StoreOperation::Get, get).await
    }

    /// Deletes what is left once, and takes off what is gone.
    async fn delete_once(&self, left: &Mutex<Vec<Path>>) -> Result<()> {
        let asked = left.lock().clone();
        let requests = stream::iter(asked.clone()).map(Ok).boxed();
        let mut answers = self.inner.delete_stream(requests).enumerate();
        let mut failed = None;
        // What is answered counts at once, since the rest may never be.
        while let Some((index, answer)) = answers.next().await {
            let gone = match answer {
                Ok(path) => Some(path),
                // Answers come in the order of the paths, unless a request for many failed as a whole.
                Err(Error::NotFound { .. }) if failed.is_none() => asked.get(index).cloned(),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            };
            left.lock().retain(|path| Some(path) != gone.as_ref());
        }
        match failed {
            None if left.lock().is_empty() => Ok(()),
            None => Err(failure("not all objects were deleted".to_owned())),
            Some(error) => Err(error),
        }
    }

    /// Deletes all that can be deleted, and says of each whether it is gone.
    async fn delete_all(&self, paths: Vec<Path>) -> Vec<Result<Path>> {
        let left = Mutex::new(paths.clone());
        let delete = |_| self.delete_once(&left).boxed();
        let ended = self.run(StoreOperation::Delete, delete).await;
        let left = left.into_inner();
        let cause = ended.err().map(|error| error.to_string()).unwrap_or_default();
        let answer = |path: Path| if left.contains(&path) { Err(failure(cause.clone())) } else { Ok(path) };
        paths.into_iter().map(answer).collect()
    }
}

impl<T: CloudStore> RetryingStore<T> {
    pub(super) fn new(inner: Arc<T>, policy: RetryPolicy, health: Arc<StoreHealth>) -> Self {
        Self { shared: Arc::new(Shared { inner, policy, health }) }
    }
}

impl<T: CloudStore> std::fmt::Display for RetryingStore<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shared.inner.fmt(formatter)
    }
}

#[async_trait]
impl<T: CloudStore> ObjectStore for RetryingStore<T> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.shared.put(location, &payload, &options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let create = |_| self.shared.inner.create_multipart(location);
        let id = self.shared.run(StoreOperation::Put, create).await?;
        let (shared, path) = (Arc::clone(&self.shared), location.clone());
        let upload = Arc::new(Upload { shared, path, id, parts: Mutex::default() });
        Ok(Box::new(RetryingUpload { upload, next_part: 0, size_bytes: 0 }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let Some(GetRange::Bounded(range)) = options.range.clone() else {
            let get = |_| self.shared.inner.get_opts(location, options.clone());
            return self.shared.run(StoreOperation::Other, get).await;
        };
        // Read to its end here, so that an answer that breaks off is asked for again.
        let bytes = self.shared.get_range(location, range.clone()).await?;
        let meta = ObjectMeta {
            location: location.clone(),
            last_modified: chrono::DateTime::UNIX_EPOCH,
            size: range.end,
            e_tag: None,
            version: None,
        };
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes: Attributes::new() })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let get = |range| self.shared.get_range(location, range);
        coalesce_ranges(ranges, get, OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let shared = Arc::clone(&self.shared);
        locations
            .try_chunks(DELETE_BATCH)
            .map_err(|error| error.1)
            .and_then(move |paths| {
                let shared = Arc::clone(&shared);
                async move { Ok(stream::iter(shared.delete_all(paths).await)) }
            })
            .try_flatten()
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.shared.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.shared.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.shared.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let copy = move |_| self.shared.inner.copy_opts(from, to, options.clone());
        self.shared.run(StoreOperation::Other, copy).await
    }
}

/// An upload in parts, each of which keeps its number over all tries.
#[derive(Debug)]
struct RetryingUpload<T: CloudStore> {
    upload: Arc<Upload<T>>,
    next_part: usize,
    size_bytes: u64,
}

#[derive(Debug)]
struct Upload<T: CloudStore> {
    shared: Arc<Shared<T>>,
    path: Path,
    id: MultipartId,
    parts: Mutex<Vec<(usize, PartId)>>,
}

impl<T: CloudStore> Upload<T> {
    async fn put_part(&self, number: usize, data: PutPayload) -> Result<()> {
        let health = &self.shared.health;
        let put = |_| {
            health.sent_bytes.fetch_add(data.content_length() as u64, Ordering::Relaxed);
            self.shared.inner.put_part(&self.path, &self.id, number, data.clone())
        };
        let part = self.shared.run(StoreOperation::Put, put).await?;
        self.parts.lock().push((number, part));
        Ok(())
    }

    async fn complete(&self, size_bytes: u64) -> Result<PutResult> {
        let mut parts = self.parts.lock().clone();
        parts.sort_unstable_by_key(|(number, _)| *number);
        let parts: Vec<PartId> = parts.into_iter().map(|(_, part)| part).collect();
        let complete = |is_repeated| self.complete_once(parts.clone(), size_bytes, is_repeated).boxed();
        self.shared.run(StoreOperation::Put, complete).await
    }

    async fn complete_once(&self, parts: Vec<PartId>, size_bytes: u64, is_repeated: bool) -> Result<PutResult> {
        let error = match self.shared.inner.complete_multipart(&self.path, &self.id, parts).await {
            Err(error) if is_repeated => error,
            result => return result,
        };
        // The try before may have done it, and then the upload is known no more. Nobody else has this name.
        match self.shared.inner.head(&self.path).await {
            Ok(found) if found.size == size_bytes => Ok(PutResult { e_tag: found.e_tag, version: found.version }),
            _ => Err(error),
        }
    }

    /// Takes the parts back. An upload that is known no more has none.
    async fn abort(&self) -> Result<()> {
        let abort = |_| self.shared.inner.abort_multipart(&self.path, &self.id);
        match self.shared.run(StoreOperation::Delete, abort).await {
            Err(Error::NotFound { .. }) => Ok(()),
            result => result,
        }
    }
}

#[async_trait]
impl<T: CloudStore> MultipartUpload for RetryingUpload<T> {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (upload, number) = (Arc::clone(&self.upload), self.next_part);
        self.next_part += 1;
        self.size_bytes += data.content_length() as u64;
        async move { upload.put_part(number, data).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let size_bytes = self.size_bytes;
        self.upload.complete(size_bytes).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

#[cfg(test)]
#[path = "retry/tests.rs"]
mod tests;

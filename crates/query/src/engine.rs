//! The query engine: one runtime of its own, so that a heavy query never keeps a write from its threads, one memory
//! pool, and a bound on how many queries run and wait.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryReservation, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use futures::{Stream, StreamExt as _};
use storage::{DeleteFilter, Snapshot};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::caches;
use crate::catalog::{CATALOG, SCHEMA, catalog_list};
use crate::error::{EngineError, QueryError};
use crate::flux::runtime::Runtime as FluxRuntime;
use crate::flux::{self, FluxError, FluxMode, FluxPart, FluxRequest};
use crate::influxql::{self, AnswerPart, HeldMemory, InfluxqlAnswer, InfluxqlRequest, RemovalRequest};
use crate::limits;
use crate::promql;
use crate::sql::{self, SqlDescription, SqlRequest};

/// What a [`QueryEngine`] may use.
#[derive(Debug, Clone)]
pub struct QueryOptions {
    /// Memory of all queries together; beyond it operators spill to disk, or the query fails with an error.
    pub memory_limit_bytes: usize,
    /// The folder for what does not fit into memory.
    pub spill_dir: PathBuf,
    /// Bytes of that folder.
    pub spill_limit_bytes: u64,
    /// Threads that run queries.
    pub threads: usize,
    /// Queries that run at the same time.
    pub running: usize,
    /// Queries that may wait for that; one more is refused.
    pub waiting: usize,
    /// The time that one query may take, from its planning to its last row.
    pub timeout: Duration,
}

/// Counters of the queries so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryMetrics {
    /// Queries that were accepted.
    pub started: u64,
    /// Queries that ended in an error.
    pub failed: u64,
    /// Queries that run now.
    pub running: usize,
    /// Bytes that the memory pool has given out.
    pub memory_bytes: usize,
}

/// Plans and runs queries. One for each process.
pub struct QueryEngine {
    options: QueryOptions,
    base: SessionState,
    environment: Arc<RuntimeEnv>,
    threads: Option<Runtime>,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    started: AtomicU64,
    failed: Arc<AtomicU64>,
}

impl fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryEngine").field("options", &self.options).finish_non_exhaustive()
    }
}

impl QueryEngine {
    /// Starts the query threads. The spill folder is made if it does not exist.
    pub fn new(options: QueryOptions) -> Result<Self, EngineError> {
        std::fs::create_dir_all(&options.spill_dir)?;
        let named = std::num::NonZeroUsize::new(limits::NAMED_MEMORY_CONSUMERS).unwrap_or(std::num::NonZeroUsize::MIN);
        let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_limit_bytes), named);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_temp_file_path(&options.spill_dir)
            .with_max_temp_directory_size(options.spill_limit_bytes)
            .build_arc()?;
        let mut config = SessionConfig::new()
            .with_information_schema(true)
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_batch_size(limits::BATCH_ROWS)
            .with_target_partitions(options.threads.max(1));
        if let Ok(depth) = limits::NESTING_DEPTH.to_string().parse() {
            config.options_mut().sql_parser.recursion_limit = depth;
        }
        let mut base = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::clone(&environment))
            .with_default_features()
            .with_query_planner(Arc::new(sql::Planner))
            .build();
        sql::register(&mut base)?;
        let threads = Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("query")
            .enable_all()
            .build()?;
        Ok(Self {
            base,
            environment,
            threads: Some(threads),
            running: Arc::new(Semaphore::new(options.running.max(1))),
            admitted: Arc::new(Semaphore::new(options.running.max(1) + options.waiting)),
            exports: Arc::new(Semaphore::new(limits::EXPORTS)),
            started: AtomicU64::new(0),
            failed: Arc::new(AtomicU64::new(0)),
            options,
        })
    }

    /// Runs a SQL query over `snapshot`. Returns when the first batch is there, so that most errors come before any
    /// row. The query ends when the result is dropped.
    pub async fn sql(&self, snapshot: Snapshot, request: SqlRequest) -> Result<QueryResult, QueryError> {
        let (admitted, threads) = self.admit()?;
        let (schema_sender, schema) = oneshot::channel();
        let (sender, mut batches) = mpsc::channel(limits::RESULT_QUEUE_BATCHES);
        let job = Job {
            base: self.base.clone(),
            snapshot,
            request,
            memory_limit_bytes: self.options.memory_limit_bytes,
            running: Arc::clone(&self.running),
            schema: Some(schema_sender),
            sender,
        };
        threads.spawn(job.run(self.options.timeout, admitted, Arc::clone(&self.failed)));
        let first = batches.recv().await;
        match (schema.await, first) {
            (_, Some(Err(error))) => Err(error),
            (Ok(schema), first) => Ok(QueryResult { schema, first: first.and_then(Result::ok), batches }),
            (Err(_), _) => Err(QueryError::Internal("the query ended without a word".to_owned())),
        }
    }

    /// Plans a SQL query and says what it would answer and what it needs. Nothing is read.
    ///
    /// # Errors
    /// As [`Self::sql`], as far as planning finds out.
    pub async fn describe_sql(
        &self,
        snapshot: Snapshot,
        mut request: SqlRequest,
    ) -> Result<SqlDescription, QueryError> {
        let base = self.base.clone();
        self.on_query_threads(move |_, limit| async move {
            let state = session(base, snapshot, &mut request);
            let refuse = |error| QueryError::from_datafusion(&error, limit);
            let logical = sql::plan(&state, &request, limit).await?;
            let parameters = sql::parameters(&logical).map_err(refuse)?;
            // A plan that lacks values cannot be run, but says what its rows are like.
            let schema = if parameters.fields().is_empty() {
                state.create_physical_plan(&logical).await.map_err(refuse)?.schema()
            } else {
                Arc::clone(logical.schema().inner())
            };
            Ok(SqlDescription { schema, parameters })
        })
        .await
    }

    /// Runs one InfluxQL statement over the snapshots that it brings, on the query threads. Returns when the first part
    /// of the answer is there, so that most errors come before any row. The query ends when the result is dropped.
    ///
    /// # Errors
    /// In the words of InfluxDB where the statement cannot be run.
    pub async fn influxql(&self, request: InfluxqlRequest) -> Result<InfluxqlAnswer, QueryError> {
        let (admitted, threads) = self.admit()?;
        let (sender, parts) = mpsc::channel(limits::RESULT_QUEUE_BATCHES);
        let job = InfluxqlJob {
            request,
            budget: influxql::Budget {
                reservation: MemoryConsumer::new("InfluxQL").register(&self.environment.memory_pool),
                limit_bytes: self.options.memory_limit_bytes,
            },
            running: Arc::clone(&self.running),
            sender,
        };
        threads.spawn(job.run(self.options.timeout, admitted, Arc::clone(&self.failed)));
        let mut answer =
            InfluxqlAnswer { first: None, parts, is_done: false, limit_bytes: self.options.memory_limit_bytes };
        let nothing = || QueryError::Internal("the query ended without a word".to_owned());
        answer.first = Some(answer.next().await.ok_or_else(nothing)??);
        Ok(answer)
    }

    /// Answers a PromQL query over a snapshot, on the query threads; its limits are [`Self::promql_limits`]. The query
    /// ends when the returned future is dropped; memory is held as for InfluxQL.
    ///
    /// # Errors
    /// In the words of Prometheus where the data does not allow it.
    pub async fn promql(
        &self,
        snapshot: Snapshot,
        query: ::promql::Query,
    ) -> Result<(::promql::Answer, HeldMemory), QueryError> {
        self.on_query_threads(|reservation, limit| promql::evaluate(snapshot, query, reservation, limit)).await
    }

    /// The series that some selections of PromQL mean, each by labels. Runs and ends as [`Self::promql`] does.
    ///
    /// # Errors
    /// If there is too little memory or time for them.
    pub async fn promql_series(
        &self,
        snapshot: Snapshot,
        selections: Vec<::promql::Selection>,
        wanted: promql::Wanted,
    ) -> Result<(Vec<Vec<::promql::SampleSeries>>, HeldMemory), QueryError> {
        let task = move |reservation, limit| promql::select(snapshot, selections, wanted, reservation, limit);
        self.on_query_threads(task).await
    }

    /// What a PromQL query may cost here: samples and intermediate values within a quarter of the memory for queries.
    #[must_use]
    pub fn promql_limits(&self) -> ::promql::Limits {
        let limits = ::promql::Limits::default();
        let values = self.options.memory_limit_bytes / 4 / size_of::<f64>();
        ::promql::Limits { values: limits.values.min(values), ..limits }
    }

    /// What the storage engine has to delete for an InfluxQL statement: all of it, in any order. Tags are looked up on
    /// the query threads; nothing is deleted here.
    ///
    /// # Errors
    /// In the words of InfluxDB where the statement cannot be run, or that it cannot be told by deletes.
    pub async fn influxql_deletes(&self, request: RemovalRequest) -> Result<Vec<DeleteFilter>, QueryError> {
        self.on_query_threads(|reservation, limit| influxql::deletes(request, reservation, limit)).await
    }

    /// Runs a Flux script. Returns when the first table is there, so that most errors come before any. The script ends
    /// when the result is dropped.
    ///
    /// # Errors
    /// In the words of InfluxDB where the script cannot be run.
    pub async fn flux(&self, request: FluxRequest) -> Result<FluxResult, QueryError> {
        let (admitted, threads) = self.admit()?;
        let canceled = CancelOnDrop(Arc::new(AtomicBool::new(false)));
        let timeout = self.options.timeout;
        // What a script waits for its turn is part of its time.
        let deadline = Box::pin(tokio::time::sleep(timeout));
        let running = tokio::time::timeout(timeout, Arc::clone(&self.running).acquire_owned());
        let running = running.await.map_err(|_| QueryError::Timeout(timeout))?.map_err(|_| closing())?;
        let (sender, parts) = mpsc::channel(limits::RESULT_QUEUE_BATCHES);
        let failed = Arc::clone(&self.failed);
        let mut result = FluxResult { first: None, parts, canceled, deadline, timeout, failed, is_done: false };
        let mut runtime = FluxRuntime::new(
            request.host,
            request.now_ns,
            threads.handle().clone(),
            MemoryConsumer::new("Flux").register(&self.environment.memory_pool),
            self.options.memory_limit_bytes,
            Arc::clone(&result.canceled.0),
        );
        runtime.pushes = request.mode != FluxMode::Interpret;
        runtime.explains = request.mode == FluxMode::Explain;
        let runtime = Arc::new(runtime);
        let files = request.files;
        let params = request.params.map(|fields| flux::value_of_json(&serde_json::Value::Object(fields)));
        let script = move || {
            let _permits = (admitted, running);
            if let Err(error) = flux::execute(&files, params, &runtime, &sender) {
                tracing::debug!(%error, "script failed");
                // Nobody waits for the error of a script whose result was dropped.
                let _ = sender.blocking_send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("flux".to_owned()).stack_size(limits::FLUX_STACK_BYTES);
        thread.spawn(script).map_err(|error| QueryError::Internal(error.to_string()))?;
        let first = result.next().await.transpose()?;
        result.first = first;
        Ok(result)
    }

    /// A place among those that run or wait, and the threads.
    fn admit(&self) -> Result<(OwnedSemaphorePermit, &Runtime), QueryError> {
        let refused = |_| QueryError::Busy { running: self.options.running, waiting: self.options.waiting };
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(refused)?;
        let threads = self.threads.as_ref().ok_or_else(closing)?;
        self.started.fetch_add(1, Ordering::Relaxed);
        Ok((admitted, threads))
    }

    /// Runs a task among the queries, within their number, their memory and their time.
    async fn on_query_threads<T, F>(
        &self,
        task: impl FnOnce(MemoryReservation, usize) -> F + Send + 'static,
    ) -> Result<T, QueryError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let (admitted, threads) = self.admit()?;
        let running = Arc::clone(&self.running);
        let reservation = MemoryConsumer::new("InfluxQL").register(&self.environment.memory_pool);
        let (limit, timeout) = (self.options.memory_limit_bytes, self.options.timeout);
        let task = async move {
            let _admitted = admitted;
            let _running = running.acquire_owned().await.map_err(|_| closing())?;
            task(reservation, limit).await
        };
        let timed =
            async move { tokio::time::timeout(timeout, task).await.unwrap_or(Err(QueryError::Timeout(timeout))) };
        let result = AbortOnDrop(threads.spawn(timed)).await;
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// A place for an export, and the threads that it runs on; none if all are taken.
    pub(crate) fn export_place(&self) -> Option<(OwnedSemaphorePermit, tokio::runtime::Handle)> {
        let permit = Arc::clone(&self.exports).try_acquire_owned().ok()?;
        Some((permit, self.threads.as_ref()?.handle().clone()))
    }

    /// The counters of now.
    #[must_use]
    pub fn metrics(&self) -> QueryMetrics {
        QueryMetrics {
            started: self.started.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            running: self.options.running.max(1).saturating_sub(self.running.available_permits()),
            memory_bytes: self.environment.memory_pool.reserved(),
        }
    }
}

impl Drop for QueryEngine {
    fn drop(&mut self) {
        // A runtime must not be dropped on a thread of another one while it waits for its tasks.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<Result<T, QueryError>>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, QueryError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|joined| joined.unwrap_or_else(|error| Err(QueryError::Internal(error.to_string()))))
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One query on the query threads.
struct Job {
    base: SessionState,
    snapshot: Snapshot,
    request: SqlRequest,
    memory_limit_bytes: usize,
    running: Arc<Semaphore>,
    schema: Option<oneshot::Sender<SchemaRef>>,
    sender: mpsc::Sender<Result<RecordBatch, QueryError>>,
}

impl Job {
    /// Runs to the end, to the timeout, or until nobody reads the result any more.
    async fn run(self, timeout: Duration, admitted: OwnedSemaphorePermit, failed: Arc<AtomicU64>) {
        let sender = self.sender.clone();
        let ended = tokio::select! {
            ended = tokio::time::timeout(timeout, self.execute()) => ended,
            () = sender.closed() => Ok(Ok(())),
        };
        if let Err(error) = ended.unwrap_or(Err(QueryError::Timeout(timeout))) {
            failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%error, "query failed");
            // Nobody waits for the error of a query whose result was dropped.
            let _ = sender.send(Err(error)).await;
        }
        drop(admitted);
    }

    async fn execute(mut self) -> Result<(), QueryError> {
        let closed = || QueryError::Internal("the query engine is closing".to_owned());
        let _running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| closed())?;
        let limit = self.memory_limit_bytes;
        let refuse = |error| QueryError::from_datafusion(&error, limit);
        let state = session(self.base, self.snapshot, &mut self.request);
        let logical = sql::plan(&state, &self.request, limit).await?;
        let physical = state.create_physical_plan(&logical).await.map_err(refuse)?;
        let mut batches = execute_stream(physical, state.task_ctx()).map_err(refuse)?;
        if let Some(schema) = self.schema.take() {
            // The reader may be gone already; then the sends below end the query.
            let _ = schema.send(batches.schema());
        }
        while let Some(batch) = batches.next().await {
            if self.sender.send(Ok(batch.map_err(refuse)?)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// One InfluxQL statement on the query threads.
struct InfluxqlJob {
    request: InfluxqlRequest,
    budget: influxql::Budget,
    running: Arc<Semaphore>,
    sender: mpsc::Sender<Result<AnswerPart, QueryError>>,
}

impl InfluxqlJob {
    /// Runs to the end, to the timeout, or until nobody reads the answer any more.
    async fn run(self, timeout: Duration, admitted: OwnedSemaphorePermit, failed: Arc<AtomicU64>) {
        let Self { request, budget, running, sender } = self;
        let parts = sender.clone();
        let statement = async {
            let _running = running.acquire_owned().await.map_err(|_| closing())?;
            influxql::execute(request, budget, parts).await
        };
        let ended = tokio::select! {
            () = sender.closed() => Ok(Ok(())),
            ended = tokio::time::timeout(timeout, statement) => ended,
        };
        if let Err(error) = ended.unwrap_or(Err(QueryError::Timeout(timeout)))
            // What has failed because its reader has left is no failure.
            && !sender.is_closed()
        {
            failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%error, "query failed");
            // Nobody waits for the error of a query whose answer was dropped.
            let _ = sender.send(Err(error)).await;
        }
        drop(admitted);
    }
}

/// The session of one query over a snapshot.
fn session(base: SessionState, snapshot: Snapshot, request: &mut SqlRequest) -> SessionState {
    let caches = caches::functions(&snapshot, std::mem::take(&mut request.caches));
    let catalogs = catalog_list(snapshot, request.history.take());
    let mut state = SessionStateBuilder::new_from_existing(base).with_catalog_list(catalogs).build();
    for (name, function) in caches {
        state.register_udtf(name, Arc::new(function));
    }
    // `now()` is one moment for the whole query: this one.
    state.mark_start_execution();
    state
}

/// The rows of a query: a stream of Arrow batches, all of [`QueryResult::schema`]. Dropping it ends the query.
#[derive(Debug)]
pub struct QueryResult {
    schema: SchemaRef,
    first: Option<RecordBatch>,
    batches: mpsc::Receiver<Result<RecordBatch, QueryError>>,
}

impl QueryResult {
    /// The schema of every batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Stream for QueryResult {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.first.take() {
            Some(batch) => Poll::Ready(Some(Ok(batch))),
            None => self.batches.poll_recv(context),
        }
    }
}

fn closing() -> QueryError {
    QueryError::Internal("the query engine is closing".to_owned())
}

/// Tells a script to end when nobody waits for it any more.
#[derive(Debug)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The results of a Flux script, one after another, each with its tables. Dropping it ends the script.
#[derive(Debug)]
pub struct FluxResult {
    first: Option<FluxPart>,
    parts: mpsc::Receiver<Result<FluxPart, FluxError>>,
    canceled: CancelOnDrop,
    deadline: Pin<Box<tokio::time::Sleep>>,
    timeout: Duration,
    failed: Arc<AtomicU64>,
    is_done: bool,
}

impl Stream for FluxResult {
    type Item = Result<FluxPart, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.is_done {
            return Poll::Ready(None);
        }
        let next = match self.parts.poll_recv(context) {
            Poll::Ready(next) => next.map(|part| part.map_err(QueryError::Flux)),
            Poll::Pending => match self.deadline.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => {
                    self.canceled.0.store(true, Ordering::Relaxed);
                    Some(Err(QueryError::Timeout(self.timeout)))
                }
            },
        };
        if !matches!(next, Some(Ok(_))) {
            self.is_done = true;
        }
        if matches!(next, Some(Err(_))) {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(next)
    }
}

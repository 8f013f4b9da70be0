//! The scheduler: what is due, who may run it, and what came of it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, CatalogError, Clock, Job, JobId, JobRun, Lease};
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use crate::limits;
use crate::schedule::Schedule;

/// What is to be done: one job, for one or several scheduled times.
#[derive(Debug, Clone)]
pub struct Due {
    /// The job.
    pub job: Arc<Job>,
    /// The first scheduled time that is not done, in nanoseconds since 1970, without the job's offset.
    pub first_ns: i64,
    /// The last one that is due. The same as the first, unless times were missed.
    pub last_ns: i64,
    /// The id of the run.
    pub run_id: JobId,
}

/// Why a run did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// It would fail again: its times count as done, with this error in the record.
    #[error("{0}")]
    Failed(String),
    /// The server is busy or out of something: it is tried again later, for the same times and what comes on top.
    #[error("{0}")]
    Again(String),
    /// Somebody ended it: its times count as done.
    #[error("canceled")]
    Canceled,
}

/// What came of a run.
pub type RunResult = Result<(), RunError>;

/// Whoever knows what jobs do.
pub trait Runner: Send + Sync + 'static {
    /// Does it. The future may be dropped when the server stops; the same run then comes again.
    fn run(&self, due: Due) -> BoxFuture<'static, RunResult>;

    /// How many scheduled times that were missed one run of the job may be for.
    fn times_a_run(&self, job: &Job) -> usize;
}

/// When a job that is to be tried again may be.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    until_ns: i64,
    wait: Duration,
}

/// The scheduler. Cheap to clone; all clones are the same.
#[derive(Debug, Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    holder: String,
    places: Arc<Semaphore>,
    running: Mutex<HashSet<JobId>>,
    waiting: Mutex<HashMap<JobId, Waiting>>,
    changed: Notify,
}

impl Scheduler {
    /// A scheduler for the jobs of a catalog. `holder` is the name of this server among those that share the catalog:
    /// a lease by that name is its own from before a restart, and does not stand in its way.
    #[must_use]
    pub fn new(catalog: Catalog, clock: Arc<dyn Clock>, holder: impl Into<String>) -> Self {
        let inner = Inner {
            catalog,
            clock,
            holder: holder.into(),
            places: Arc::new(Semaphore::new(limits::RUNS_AT_ONCE)),
            running: Mutex::default(),
            waiting: Mutex::default(),
            changed: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says that a job is new or has changed.
    pub fn wake(&self) {
        self.inner.changed.notify_one();
    }

    /// Runs what is due, again and again, until the returned future is dropped; runs under way are dropped with it.
    pub async fn run(&self, runner: Arc<dyn Runner>) {
        let mut runs = JoinSet::new();
        loop {
            let sleep = self.start_due(&runner, &mut runs);
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = self.inner.changed.notified() => {}
                Some(ended) = runs.join_next() => log_panic(ended),
            }
        }
    }

    /// Runs what is due now, and returns the number of runs when they have ended. Where more times were missed than a
    /// run is for, or something is tried again, more may be due afterwards.
    pub async fn run_due(&self, runner: &Arc<dyn Runner>) -> usize {
        let mut runs = JoinSet::new();
        self.start_due(runner, &mut runs);
        let count = runs.len();
        while let Some(ended) = runs.join_next().await {
            log_panic(ended);
        }
        count
    }

    /// Starts what is due and not running, and says how long nothing else will be.
    fn start_due(&self, runner: &Arc<dyn Runner>, runs: &mut JoinSet<()>) -> Duration {
        let now_ns = self.inner.clock.now_ns();
        let jobs = self.inner.catalog.list_jobs();
        self.forget_waiting(&jobs);
        let mut sleep = limits::LONGEST_SLEEP;
        for job in jobs {
            if self.inner.running.lock().contains(&job.id) {
                continue;
            }
            let schedule: Schedule = match job.schedule.parse() {
                Ok(schedule) => schedule,
                Err(error) => {
                    tracing::error!(job = %job.id, %error, "a job has no schedule");
                    continue;
                }
            };
            let Some(next) = schedule.next_after(job.done_until_ns) else { continue };
            let wait = self.inner.waiting.lock().get(&job.id).map_or(i64::MIN, |waiting| waiting.until_ns);
            let at_ns = next.saturating_add(job.offset_ns).max(wait);
            if at_ns > now_ns {
                sleep = sleep.min(Duration::from_nanos(at_ns.saturating_sub(now_ns).cast_unsigned()));
                continue;
            }
            let until_ns = now_ns.saturating_sub(job.offset_ns);
            let last = schedule.last_between(job.done_until_ns, until_ns, runner.times_a_run(&job));
            // A run that was asked for is known by the id of its job already.
            let run_id = if job.parent_id.is_some() { job.id } else { self.inner.catalog.next_run_id() };
            let due = Due { job: Arc::clone(&job), first_ns: next, last_ns: last.unwrap_or(next), run_id };
            self.inner.running.lock().insert(job.id);
            let guard = Running { inner: Arc::clone(&self.inner), id: job.id };
            runs.spawn(run_one(guard, due, Arc::clone(runner)));
        }
        sleep.max(limits::SHORTEST_SLEEP)
    }

    /// Jobs that are gone are not waited for.
    fn forget_waiting(&self, jobs: &[Arc<Job>]) {
        let mut waiting = self.inner.waiting.lock();
        if !waiting.is_empty() {
            waiting.retain(|id, _| jobs.binary_search_by_key(id, |job| job.id).is_ok());
        }
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a run of a job panicked");
    }
}

/// The mark of a job that runs here, also when its task is dropped or panics.
struct Running {
    inner: Arc<Inner>,
    id: JobId,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.running.lock().remove(&self.id);
    }
}

/// Leases a job, runs it, and notes what came of it.
async fn run_one(running: Running, due: Due, runner: Arc<dyn Runner>) {
    let inner = Arc::clone(&running.inner);
    // The semaphore is never closed.
    let Ok(_place) = Arc::clone(&inner.places).acquire_owned().await else { return };
    match inner.lease(due.job.id).await {
        Ok(Some(job)) if job.done_until_ns < due.last_ns => {}
        // Somebody else runs it, or has.
        Ok(_) | Err(CatalogError::JobNotFound) => return,
        Err(error) => {
            tracing::error!(job = %due.job.id, %error, "a job cannot be leased");
            inner.wait(due.job.id);
            return;
        }
    }
    let started_ns = inner.clock.now_ns();
    let work = runner.run(due.clone());
    let result = tokio::select! {
        result = work => result,
        () = inner.keep_lease(due.job.id) => Err(RunError::Again("another server has the job now".to_owned())),
    };
    let is_canceled = result == Err(RunError::Canceled);
    let error = match result {
        Ok(()) => None,
        Err(RunError::Canceled) => Some(RunError::Canceled.to_string()),
        Err(RunError::Failed(text)) => {
            tracing::warn!(job = %due.job.id, error = text, "a run of a job failed");
            Some(text)
        }
        Err(RunError::Again(text)) => {
            tracing::warn!(job = %due.job.id, error = text, "a run of a job is tried again later");
            inner.wait(due.job.id);
            return;
        }
    };
    inner.waiting.lock().remove(&due.job.id);
    let run = JobRun {
        job_id: due.job.id,
        id: due.run_id,
        first_due_ns: due.first_ns,
        due_ns: due.last_ns,
        requested_ns: due.job.requested_ns,
        is_canceled,
        started_ns,
        finished_ns: inner.clock.now_ns(),
        error,
    };
    if let Err(error) = inner.catalog.finish_job_run(&inner.holder, run).await {
        tracing::error!(job = %due.job.id, %error, "the end of a run cannot be noted, so it comes again");
        inner.wait(due.job.id);
    }
}

impl Inner {
    async fn lease(&self, id: JobId) -> Result<Option<Arc<Job>>, CatalogError> {
        let until_ns = self.clock.now_ns().saturating_add(nanoseconds(limits::LEASE));
        self.catalog.lease_job(id, Lease { holder: self.holder.clone(), until_ns }).await
    }

    /// Renews the lease for as long as nobody else has the job; then it returns.
    async fn keep_lease(&self, id: JobId) {
        loop {
            tokio::time::sleep(limits::LEASE_RENEWAL).await;
            match self.lease(id).await {
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(error) => tracing::warn!(job = %id, %error, "the lease of a job cannot be renewed"),
            }
        }
    }

    /// The job is not tried for a while, longer each time.
    fn wait(&self, id: JobId) {
        let mut waiting = self.waiting.lock();
        let wait = waiting.get(&id).map_or(limits::FIRST_RETRY, |before| (before.wait * 2).min(limits::LONGEST_RETRY));
        let until_ns = self.clock.now_ns().saturating_add(nanoseconds(wait));
        waiting.insert(id, Waiting { until_ns, wait });
    }
}

fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

//! Jobs: what is done again and again, how far each is, and who runs it now. When a job is due and what it does is not
//! known here; crate `jobs` knows.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::CatalogError;
use crate::id::JobId;
use crate::image::{Change, Image};
use crate::words::words;

/// The runs of a job that are remembered: enough to see whether it goes wrong always or now and then.
pub const RUNS_KEPT: usize = 100;

words! {
    /// Which part of the server runs a job.
    pub enum JobKind, unknown is JobKind {
        /// A continuous query of InfluxDB 1.x.
        ContinuousQuery = "continuous query",
        /// A task.
        Task = "task",
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Which part of the server runs it.
    pub kind: JobKind,
    /// Its schedule, as text.
    pub schedule: String,
    /// How much later than the schedule says it runs, in nanoseconds.
    pub offset_ns: i64,
    /// The last scheduled time that is done, in nanoseconds since 1970.
    pub done_until_ns: i64,
    /// Who runs it now, and until when that counts.
    pub lease: Option<Lease>,
    /// The job whose work is done, of a run that was asked for. Such a job is run once, and then is a run of the other.
    pub parent_id: Option<JobId>,
    /// When it was asked for, in nanoseconds since 1970.
    pub requested_ns: Option<i64>,
}

/// The right to run a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who has it: the name of a server.
    pub holder: String,
    /// Nanoseconds since 1970.
    pub until_ns: i64,
}

/// A job to create.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its schedule, as text.
    pub schedule: String,
    /// How much later than the schedule says it runs, in nanoseconds.
    pub offset_ns: i64,
    /// Scheduled times up to this one, in nanoseconds since 1970, are not run.
    pub done_until_ns: i64,
}

/// A run of a job that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// The job.
    pub job_id: JobId,
    /// The id of the run.
    pub id: JobId,
    /// The first scheduled time that it was for.
    pub first_due_ns: i64,
    /// The last one.
    pub due_ns: i64,
    /// When it was asked for, in nanoseconds since 1970; none if the schedule did.
    pub requested_ns: Option<i64>,
    /// When it began, in nanoseconds since 1970.
    pub started_ns: i64,
    /// When it ended.
    pub finished_ns: i64,
    /// What went wrong; none if nothing did.
    pub error: Option<String>,
    /// Whether somebody ended it.
    pub is_canceled: bool,
}

impl Catalog {
    /// All jobs, by id.
    #[must_use]
    pub fn list_jobs(&self) -> Vec<Arc<Job>> {
        self.image().jobs.values().cloned().collect()
    }

    /// The job of an id.
    ///
    /// # Errors
    /// [`CatalogError::JobNotFound`].
    pub fn find_job(&self, id: JobId) -> Result<Arc<Job>, CatalogError> {
        self.image().jobs.get(&id).cloned().ok_or(CatalogError::JobNotFound)
    }

    /// The last runs of a job, the oldest first.
    #[must_use]
    pub fn list_job_runs(&self, id: JobId) -> Vec<Arc<JobRun>> {
        self.image().job_runs.get(&id).map(|runs| runs.values().cloned().collect()).unwrap_or_default()
    }

    /// Takes or renews the right to run a job. Returns the job, or none if somebody else has it: a lease of another
    /// holder that is over does not count, and one of the same holder never stands in its way.
    ///
    /// # Errors
    /// There is no such job, or SQL failed.
    pub async fn lease_job(&self, id: JobId, lease: Lease) -> Result<Option<Arc<Job>>, CatalogError> {
        self.commit(|image| {
            let mut job = Job::clone(image.jobs.get(&id).ok_or(CatalogError::JobNotFound)?);
            let is_taken = |held: &Lease| held.holder != lease.holder && held.until_ns > self.now_ns();
            if job.lease.as_ref().is_some_and(is_taken) {
                return Ok((Vec::new(), None));
            }
            job.lease = Some(lease);
            let job = Arc::new(job);
            Ok((vec![Change::PutJob(Arc::clone(&job))], Some(job)))
        })
        .await
    }

    /// Notes a run that has ended: its scheduled times are done, and the job is free again, in one transaction. A run
    /// of a job that is gone, or whose lease another holder has now, changes nothing. Returns whether it counts.
    ///
    /// # Errors
    /// SQL failed.
    pub async fn finish_job_run(&self, holder: &str, mut run: JobRun) -> Result<bool, CatalogError> {
        self.commit(|image| {
            let Some(job) = image.jobs.get(&run.job_id) else { return Ok((Vec::new(), false)) };
            if job.lease.as_ref().is_none_or(|lease| lease.holder != holder) {
                return Ok((Vec::new(), false));
            }
            let mut changes = Vec::new();
            if let Some(parent) = job.parent_id {
                changes.push(Change::RemoveJob(job.id));
                if !image.jobs.contains_key(&parent) {
                    return Ok((changes, true));
                }
                (run.job_id, run.requested_ns) = (parent, job.requested_ns);
            } else {
                let mut job = Job::clone(job);
                job.lease = None;
                job.done_until_ns = job.done_until_ns.max(run.due_ns);
                changes.push(Change::PutJob(Arc::new(job)));
            }
            let runs = image.job_runs.get(&run.job_id);
            let old = runs.into_iter().flat_map(|runs| runs.keys());
            let too_many = runs.map_or(0, |runs| runs.len()).saturating_sub(RUNS_KEPT - 1);
            changes.extend(old.take(too_many).map(|id| Change::RemoveJobRun(run.job_id, *id)));
            changes.push(Change::PutJobRun(Arc::new(run)));
            Ok((changes, true))
        })
        .await
    }
}

pub(crate) fn new_job(id: JobId, kind: JobKind, new: NewJob) -> Job {
    let NewJob { schedule, offset_ns, done_until_ns } = new;
    Job { id, kind, schedule, offset_ns, done_until_ns, lease: None, parent_id: None, requested_ns: None }
}

/// The changes that remove a job with its runs.
pub(crate) fn removals(image: &Image, id: JobId) -> Vec<Change> {
    let runs = image.job_runs.get(&id).into_iter().flat_map(|runs| runs.keys());
    let mut changes: Vec<Change> = runs.map(|run| Change::RemoveJobRun(id, *run)).collect();
    changes.push(Change::RemoveJob(id));
    changes
}

#[cfg(test)]
mod tests;

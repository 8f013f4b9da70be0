//! Tasks, checks and notification rules: documents whose job has the same id, so that both come and go together. What a
//! job does is not known here.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::documents::{self, Document, DocumentDraft, DocumentKind};
use crate::error::CatalogError;
use crate::id::{DocumentId, JobId, OrganisationId, UserId};
use crate::image::{Change, Image};
use crate::jobs::{self, Job, JobKind, JobRun, NewJob};

/// Runs of one task that wait to be made on request: more than anybody asks for by hand.
pub const REQUESTED_RUNS_MAX: usize = 1_000;

/// The kinds of documents that have a job.
fn job_kind(kind: DocumentKind) -> Option<JobKind> {
    match kind {
        DocumentKind::Task | DocumentKind::Check | DocumentKind::NotificationRule => Some(JobKind::Task),
        _ => None,
    }
}

/// The document of a job, if it is that of one.
fn document_of(image: &Image, job: JobId) -> Option<&Arc<Document>> {
    let id = DocumentId::from_u64(job.get())?;
    let kinds = DocumentKind::ALL.iter().filter(|kind| job_kind(**kind).is_some());
    kinds.filter_map(|kind| image.documents.get(&(*kind, id))).next()
}

/// The job of a document, if its kind has one.
#[must_use]
pub fn job_of(document: &Document) -> Option<JobId> {
    job_kind(document.kind)?;
    JobId::from_u64(document.id.get())
}

impl Catalog {
    /// Creates a document with its job.
    ///
    /// # Errors
    /// As [`Catalog::create_document`].
    pub async fn create_document_with_job(
        &self,
        kind: DocumentKind,
        place: (OrganisationId, UserId),
        draft: DocumentDraft,
        job: NewJob,
    ) -> Result<Arc<Document>, CatalogError> {
        self.create_document_as(kind, self.next_document_id(), place, draft, Some(job)).await
    }

    /// Creates a document with an id of [`Catalog::next_document_id`], and its job if its kind has one.
    ///
    /// # Errors
    /// As [`Catalog::create_document`].
    pub async fn create_document_as(
        &self,
        kind: DocumentKind,
        id: DocumentId,
        place: (OrganisationId, UserId),
        draft: DocumentDraft,
        job: Option<NewJob>,
    ) -> Result<Arc<Document>, CatalogError> {
        self.commit(|image| {
            let document = documents::new(image, id, kind, place, draft, self.now_ns())?;
            let mut changes = Vec::new();
            if let Some(job) = job {
                let kind = job_kind(kind).ok_or(CatalogError::JobNotFound)?;
                let id = JobId::from_u64(id.get()).ok_or(CatalogError::JobNotFound)?;
                changes.push(Change::PutJob(Arc::new(jobs::new_job(id, kind, job))));
            }
            changes.push(Change::PutDocument(Arc::clone(&document)));
            Ok((changes, document))
        })
        .await
    }

    /// Changes a document with its job: `change` looks at both as they are, and says what the document is to hold and
    /// when it is to run. A schedule that stays as it is goes on where it is.
    ///
    /// # Errors
    /// As [`Catalog::update_document`].
    pub async fn update_document_with_job<E: From<CatalogError> + Send>(
        &self,
        kind: DocumentKind,
        id: DocumentId,
        change: impl FnOnce(&Document) -> Result<(DocumentDraft, NewJob), E> + Send,
    ) -> Result<Arc<Document>, E> {
        let mut refusal = None;
        let updated = self
            .commit(|image| {
                let before = image.documents.get(&(kind, id)).ok_or(CatalogError::DocumentNotFound(kind))?;
                let job_id = job_of(before).ok_or(CatalogError::JobNotFound)?;
                let job = image.jobs.get(&job_id).ok_or(CatalogError::JobNotFound)?;
                let (draft, new) = match change(before) {
                    Ok(changed) => changed,
                    Err(error) => {
                        refusal = Some(error);
                        return Ok((Vec::new(), Arc::clone(before)));
                    }
                };
                let after = documents::changed(image, before, draft, self.now_ns())?;
                let mut changes = vec![Change::PutDocument(Arc::clone(&after))];
                if (&job.schedule, job.offset_ns) != (&new.schedule, new.offset_ns) {
                    let mut job = Job::clone(job);
                    job.done_until_ns = job.done_until_ns.max(new.done_until_ns);
                    (job.schedule, job.offset_ns) = (new.schedule, new.offset_ns);
                    changes.push(Change::PutJob(Arc::new(job)));
                }
                Ok((changes, after))
            })
            .await?;
        refusal.map_or(Ok(updated), Err)
    }

    /// Asks for a run of a job for a scheduled time, at once. Its id is that of the run.
    ///
    /// # Errors
    /// There is no such job, too many runs wait already, or SQL failed.
    pub async fn request_run(&self, id: JobId, due_ns: i64) -> Result<Arc<Job>, CatalogError> {
        self.commit(|image| {
            let parent = image.jobs.get(&id).ok_or(CatalogError::JobNotFound)?;
            if requested_of(image, id).count() >= REQUESTED_RUNS_MAX {
                return Err(CatalogError::RunsTooMany);
            }
            let now_ns = self.now_ns();
            let job = Arc::new(Job {
                id: self.ids().next(),
                kind: parent.kind,
                schedule: format!("once {due_ns}"),
                // A time that is still to come is run for now too.
                offset_ns: now_ns.saturating_sub(due_ns).min(0),
                done_until_ns: due_ns.saturating_sub(1),
                lease: None,
                parent_id: Some(id),
                requested_ns: Some(now_ns),
            });
            Ok((vec![Change::PutJob(Arc::clone(&job))], job))
        })
        .await
    }

    /// Takes back a run that was asked for and has not begun. Returns whether there was one.
    ///
    /// # Errors
    /// SQL failed.
    pub async fn withdraw_run(&self, parent: JobId, run: JobId) -> Result<bool, CatalogError> {
        self.commit(|image| match image.jobs.get(&run).filter(|job| job.parent_id == Some(parent)) {
            Some(job) if job.lease.is_none() => Ok((vec![Change::RemoveJob(run)], true)),
            _ => Ok((Vec::new(), false)),
        })
        .await
    }

    /// The runs of a job that were asked for and are not over, the oldest first.
    #[must_use]
    pub fn list_requested_runs(&self, id: JobId) -> Vec<Arc<Job>> {
        requested_of(&self.image(), id).cloned().collect()
    }

    /// The task, check or notification rule whose job this is; none if it is gone or the job is of another kind.
    #[must_use]
    pub fn find_document_of_job(&self, job: JobId) -> Option<Arc<Document>> {
        document_of(&self.image(), job).cloned()
    }

    /// A run of a job that is over.
    #[must_use]
    pub fn find_job_run(&self, id: JobId, run: JobId) -> Option<Arc<JobRun>> {
        self.image().job_runs.get(&id)?.get(&run).cloned()
    }

    /// A new id, for a run.
    #[must_use]
    pub fn next_run_id(&self) -> JobId {
        self.ids().next()
    }
}

fn requested_of(image: &Image, id: JobId) -> impl Iterator<Item = &Arc<Job>> {
    image.jobs.values().filter(move |job| job.parent_id == Some(id))
}

/// The changes that remove the job of a document, if it has one, and what was asked of it.
pub(crate) fn removals(image: &Image, document: &Document) -> Vec<Change> {
    let Some(id) = job_of(document) else { return Vec::new() };
    let mut changes: Vec<Change> = requested_of(image, id).map(|job| Change::RemoveJob(job.id)).collect();
    changes.extend(jobs::removals(image, id));
    changes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::jobs::Lease;
    use crate::testing::{Fixture, NOW_NS};

    fn draft(name: &str) -> DocumentDraft {
        DocumentDraft { name: name.to_owned(), body: "{}".to_owned() }
    }

    fn every(period: i64, done_until_ns: i64) -> NewJob {
        NewJob { schedule: format!("every {period}"), offset_ns: 0, done_until_ns }
    }

    fn run_of(job: &Job, due_ns: i64) -> JobRun {
        JobRun {
            job_id: job.id,
            id: job.id,
            first_due_ns: due_ns,
            due_ns,
            requested_ns: None,
            started_ns: 1,
            finished_ns: 2,
            error: None,
            is_canceled: false,
        }
    }

    #[tokio::test]
    async fn a_task_comes_and_goes_with_its_job_and_runs() {
        let (mut fixture, setup) = Fixture::onboarded().await;
        let place = (setup.organisation.id, setup.user.id);
        let catalog = &fixture.catalog;
        let task =
            catalog.create_document_with_job(DocumentKind::Task, place, draft("t"), every(10, NOW_NS)).await.unwrap();
        let id = job_of(&task).unwrap();
        assert_eq!(catalog.find_job(id).unwrap().schedule, "every 10");
        let same = catalog
            .update_document_with_job(DocumentKind::Task, task.id, |_| {
                Ok::<_, CatalogError>((draft("u"), every(10, NOW_NS + 50)))
            })
            .await
            .unwrap();
        assert_eq!((same.name.as_str(), catalog.find_job(id).unwrap().done_until_ns), ("u", NOW_NS));
        catalog
            .update_document_with_job(DocumentKind::Task, task.id, |_| {
                Ok::<_, CatalogError>((draft("u"), every(20, NOW_NS + 50)))
            })
            .await
            .unwrap();
        assert_eq!(catalog.find_job(id).unwrap().done_until_ns, NOW_NS + 50, "a new schedule begins now");

        let asked = catalog.request_run(id, NOW_NS - 5).await.unwrap();
        let other = catalog.request_run(id, NOW_NS + 5).await.unwrap();
        assert_eq!((asked.offset_ns, other.offset_ns), (0, -5), "a time to come is run for at once");
        fixture.reopen().await;
        let catalog = &fixture.catalog;
        assert_eq!(catalog.list_requested_runs(id), [Arc::clone(&asked), Arc::clone(&other)]);
        assert!(catalog.withdraw_run(id, other.id).await.unwrap());
        assert!(!catalog.withdraw_run(id, other.id).await.unwrap());
        let lease = Lease { holder: "a".to_owned(), until_ns: NOW_NS + 100 };
        catalog.lease_job(asked.id, lease).await.unwrap().unwrap();
        assert!(!catalog.withdraw_run(id, asked.id).await.unwrap(), "it has begun");
        assert!(catalog.finish_job_run("a", run_of(&asked, NOW_NS - 5)).await.unwrap());
        fixture.reopen().await;
        let catalog = &fixture.catalog;
        assert!(catalog.list_requested_runs(id).is_empty());
        let run = catalog.find_job_run(id, asked.id).unwrap();
        assert_eq!((run.job_id, run.requested_ns), (id, Some(NOW_NS)), "it is a run of the task");
        catalog.request_run(id, NOW_NS).await.unwrap();
        catalog.delete_document(DocumentKind::Task, task.id).await.unwrap();
        fixture.reopen().await;
        assert!(fixture.catalog.list_jobs().is_empty());
        assert!(fixture.catalog.list_job_runs(id).is_empty());
    }
}

//! Jobs of continuous queries, over a catalog in a temporary directory.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use super::*;
use crate::NewContinuousQuery;
use crate::testing::{Fixture, NOW_NS, assert_refused};
use crate::{Class, OnboardingResult};

fn new(setup: &OnboardingResult, name: &str, statement: &str) -> NewContinuousQuery {
    NewContinuousQuery {
        organisation_id: setup.organisation.id,
        database: "b".to_owned(),
        name: name.to_owned(),
        user_id: setup.user.id,
        statement: statement.to_owned(),
        job: NewJob { schedule: "every 10".to_owned(), offset_ns: 0, done_until_ns: NOW_NS },
    }
}

fn new_run(job_id: JobId, first_due_ns: i64, due_ns: i64, error: Option<String>) -> JobRun {
    let id = JobId::from_i64(due_ns).unwrap();
    let (requested_ns, is_canceled) = (None, false);
    JobRun { job_id, id, first_due_ns, due_ns, requested_ns, started_ns: 1, finished_ns: 2, error, is_canceled }
}

fn lease(holder: &str, until_ns: i64) -> Lease {
    Lease { holder: holder.to_owned(), until_ns }
}

#[tokio::test]
async fn a_continuous_query_comes_and_goes_with_its_job() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let query = fixture.catalog.create_continuous_query(new(&setup, "q", "text")).await.unwrap();
    assert_eq!(fixture.catalog.create_continuous_query(new(&setup, "q", "text")).await.unwrap(), query);
    let other = fixture.catalog.create_continuous_query(new(&setup, "q", "another")).await;
    assert_refused(other, Class::Conflict, "continuous query already exists");
    fixture.catalog.create_continuous_query(new(&setup, "r", "text")).await.unwrap();
    fixture.reopen().await;
    let organisation = setup.organisation.id;
    let names = |fixture: &Fixture| -> Vec<String> {
        fixture.catalog.list_continuous_queries(organisation).iter().map(|query| query.name.clone()).collect()
    };
    assert_eq!(names(&fixture), ["q", "r"]);
    assert_eq!(fixture.catalog.find_continuous_query(query.id), Some(query));
    assert_eq!(fixture.catalog.list_jobs().len(), 2);
    assert!(fixture.catalog.delete_continuous_query(organisation, "b", "q").await.unwrap());
    assert!(!fixture.catalog.delete_continuous_query(organisation, "b", "q").await.unwrap());
    assert_eq!((names(&fixture).len(), fixture.catalog.list_jobs().len()), (1, 1));
    fixture.catalog.delete_continuous_queries(organisation, "other").await.unwrap();
    assert_eq!(names(&fixture).len(), 1);
    fixture.catalog.delete_continuous_queries(organisation, "b").await.unwrap();
    fixture.reopen().await;
    assert_eq!((names(&fixture).len(), fixture.catalog.list_jobs().len()), (0, 0));
}

#[tokio::test]
async fn one_holder_at_a_time_runs_a_job() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let id = fixture.catalog.create_continuous_query(new(&setup, "q", "text")).await.unwrap().id;
    let run = |due_ns: i64| JobRun {
        job_id: id,
        id: JobId::from_i64(due_ns).unwrap(),
        requested_ns: None,
        is_canceled: false,
        first_due_ns: due_ns,
        due_ns,
        started_ns: NOW_NS,
        finished_ns: NOW_NS,
        error: None,
    };
    assert!(fixture.catalog.lease_job(id, lease("a", NOW_NS + 100)).await.unwrap().is_some());
    assert!(fixture.catalog.lease_job(id, lease("b", NOW_NS + 200)).await.unwrap().is_none());
    assert!(fixture.catalog.lease_job(id, lease("a", NOW_NS + 300)).await.unwrap().is_some(), "renewed");
    assert!(!fixture.catalog.finish_job_run("b", run(NOW_NS + 10)).await.unwrap(), "it is not b's");
    fixture.clock.advance(Duration::from_nanos(300));
    assert!(fixture.catalog.lease_job(id, lease("b", NOW_NS + 500)).await.unwrap().is_some(), "a's is over");
    assert!(!fixture.catalog.finish_job_run("a", run(NOW_NS + 10)).await.unwrap(), "a comes too late");
    assert!(fixture.catalog.finish_job_run("b", run(NOW_NS + 20)).await.unwrap());
    fixture.reopen().await;
    let job = fixture.catalog.find_job(id).unwrap();
    assert_eq!((job.done_until_ns, job.lease.clone()), (NOW_NS + 20, None));
    assert_eq!(fixture.catalog.list_job_runs(id), [Arc::new(run(NOW_NS + 20))]);
}

#[tokio::test]
async fn only_the_last_runs_are_kept() {
    let (mut fixture, setup) = Fixture::onboarded().await;
    let id = fixture.catalog.create_continuous_query(new(&setup, "q", "text")).await.unwrap().id;
    let count = i64::try_from(RUNS_KEPT).unwrap();
    for number in 1..=count + 5 {
        fixture.catalog.lease_job(id, lease("a", NOW_NS + 100)).await.unwrap().unwrap();
        let error = (number % 2 == 0).then(|| "no".to_owned());
        let (due_ns, first_due_ns) = (number * 10, number * 10 - 5);
        let run = new_run(id, first_due_ns, due_ns, error);
        assert!(fixture.catalog.finish_job_run("a", run).await.unwrap());
    }
    fixture.reopen().await;
    let runs = fixture.catalog.list_job_runs(id);
    assert_eq!((runs.len(), runs[0].due_ns, runs[0].error.as_deref()), (RUNS_KEPT, 60, Some("no")));
    assert_eq!(runs.last().unwrap().due_ns, (count + 5) * 10);
    fixture.catalog.delete_continuous_queries(setup.organisation.id, "b").await.unwrap();
    assert!(fixture.catalog.list_job_runs(id).is_empty());
    let run = new_run(id, 1, 1, None);
    assert!(!fixture.catalog.finish_job_run("a", run).await.unwrap(), "the job is gone");
    assert_refused(fixture.catalog.lease_job(id, lease("a", 1)).await, Class::NotFound, "job not found");
}

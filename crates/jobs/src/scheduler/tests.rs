//! The scheduler over a real catalog, with a clock that the tests set.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use catalog::{ManualClock, NewContinuousQuery, NewJob, OnboardingRequest, OrganisationId};
use futures::FutureExt as _;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;

const SECOND: i64 = 1_000_000_000;
/// A whole number of minutes since 1970.
const START: i64 = 1_795_305_600 * SECOND;

/// Notes what it is asked, and answers what it is told.
#[derive(Default)]
struct Notes {
    seen: Mutex<Vec<(i64, i64)>>,
    answers: Mutex<Vec<RunResult>>,
    hold: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Runner for Notes {
    fn run(&self, due: Due) -> BoxFuture<'static, RunResult> {
        self.seen.lock().push(((due.first_ns - START) / SECOND, (due.last_ns - START) / SECOND));
        let answer = self.answers.lock().pop().unwrap_or(Ok(()));
        let hold = self.hold.lock().take();
        async move {
            if let Some(hold) = hold {
                let _ = hold.await;
            }
            answer
        }
        .boxed()
    }

    fn times_a_run(&self, _job: &Job) -> usize {
        limits::TIMES_A_RUN
    }
}

struct Fixture {
    catalog: Catalog,
    clock: Arc<ManualClock>,
    organisation: OrganisationId,
    directory: TempDir,
    notes: Arc<Notes>,
}

impl Fixture {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let clock = Arc::new(ManualClock::new(START));
        let path = directory.path().join("resources.sqlite");
        let catalog = Catalog::open(path, Arc::<ManualClock>::clone(&clock)).await.unwrap();
        let setup = catalog
            .onboard(OnboardingRequest {
                username: "u".to_owned(),
                organisation: "o".to_owned(),
                bucket: "b".to_owned(),
                ..OnboardingRequest::default()
            })
            .await
            .unwrap();
        let notes = Arc::new(Notes::default());
        Self { catalog, clock, organisation: setup.organisation.id, directory, notes }
    }

    fn scheduler(&self, holder: &str) -> Scheduler {
        Scheduler::new(self.catalog.clone(), Arc::<ManualClock>::clone(&self.clock), holder)
    }

    async fn job(&self, name: &str, schedule: &str, offset_s: i64) -> JobId {
        let new = NewContinuousQuery {
            organisation_id: self.organisation,
            user_id: catalog::UserId::from_u64(1).unwrap(),
            database: "b".to_owned(),
            name: name.to_owned(),
            statement: String::new(),
            job: NewJob { schedule: schedule.to_owned(), offset_ns: offset_s * SECOND, done_until_ns: START },
        };
        self.catalog.create_continuous_query(new).await.unwrap().id
    }

    /// Sets the time, runs what is due, and says which times were run.
    async fn at(&self, scheduler: &Scheduler, second: i64) -> Vec<(i64, i64)> {
        self.clock.set_ns(START + second * SECOND);
        let runner: Arc<dyn Runner> = Arc::clone(&self.notes) as Arc<dyn Runner>;
        scheduler.run_due(&runner).await;
        std::mem::take(&mut self.notes.seen.lock())
    }

    async fn restart(&mut self) {
        self.catalog.close().await;
        let path = self.directory.path().join("resources.sqlite");
        self.catalog = Catalog::open(path, Arc::<ManualClock>::clone(&self.clock)).await.unwrap();
    }
}

#[tokio::test]
async fn each_time_is_run_once_also_over_a_restart() {
    let mut fixture = Fixture::new().await;
    fixture.job("q", "every 10000000000", 0).await;
    let scheduler = fixture.scheduler("a");
    assert_eq!(fixture.at(&scheduler, 9).await, []);
    assert_eq!(fixture.at(&scheduler, 10).await, [(10, 10)]);
    assert_eq!(fixture.at(&scheduler, 10).await, []);
    assert_eq!(fixture.at(&scheduler, 19).await, []);
    fixture.restart().await;
    let scheduler = fixture.scheduler("a");
    assert_eq!(fixture.at(&scheduler, 19).await, [], "what was run is not run again");
    assert_eq!(fixture.at(&scheduler, 57).await, [(20, 50)], "what was missed is run for at once");
    assert_eq!(fixture.at(&scheduler, 5).await, [], "a clock that goes back makes nothing due");
    assert_eq!(fixture.at(&scheduler, 60).await, [(60, 60)]);
}

#[tokio::test]
async fn after_a_long_time_runs_are_of_a_bounded_size() {
    let fixture = Fixture::new().await;
    fixture.job("q", "every 1000000000", 0).await;
    let scheduler = fixture.scheduler("a");
    assert_eq!(fixture.at(&scheduler, 2_500).await, [(1, 1_000)]);
    assert_eq!(fixture.at(&scheduler, 2_500).await, [(1_001, 2_000)]);
    assert_eq!(fixture.at(&scheduler, 2_500).await, [(2_001, 2_500)]);
    assert_eq!(fixture.at(&scheduler, 2_500).await, []);
}

#[tokio::test]
async fn a_run_that_was_asked_for_is_made_once_at_once_and_is_one_of_the_job() {
    let fixture = Fixture::new().await;
    let id = fixture.job("q", "every 3600000000000", 0).await;
    let scheduler = fixture.scheduler("a");
    let past = fixture.catalog.request_run(id, START - 100 * SECOND).await.unwrap();
    let future = fixture.catalog.request_run(id, START + 500 * SECOND).await.unwrap();
    fixture.notes.answers.lock().push(Err(RunError::Canceled));
    let mut seen = fixture.at(&scheduler, 1).await;
    seen.sort_unstable();
    assert_eq!(seen, [(-100, -100), (500, 500)]);
    assert_eq!(fixture.at(&scheduler, 600).await, [], "neither comes again, and the schedule stays");
    let runs = fixture.catalog.list_job_runs(id);
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [past.id, future.id]);
    assert_eq!(runs.iter().filter(|run| run.is_canceled).count(), 1);
    assert!(runs.iter().all(|run| run.requested_ns == Some(START)));
    assert!(fixture.catalog.list_requested_runs(id).is_empty());
    fixture.catalog.request_run(id, START + 700 * SECOND).await.unwrap();
    fixture.notes.answers.lock().push(Err(RunError::Again("busy".to_owned())));
    assert_eq!(fixture.at(&scheduler, 601).await, [(700, 700)]);
    assert_eq!(fixture.at(&scheduler, 606).await, [(700, 700)], "what is to be tried again is");
}

#[tokio::test]
async fn an_offset_makes_it_later_and_names_the_same_time() {
    let fixture = Fixture::new().await;
    fixture.job("q", "every 60000000000", 15).await;
    fixture.job("r", "cron 30 * * * * *", 0).await;
    let scheduler = fixture.scheduler("a");
    assert_eq!(fixture.at(&scheduler, 29).await, []);
    assert_eq!(fixture.at(&scheduler, 30).await, [(30, 30)]);
    assert_eq!(fixture.at(&scheduler, 60).await, []);
    assert_eq!(fixture.at(&scheduler, 75).await, [(60, 60)]);
}

#[tokio::test]
async fn a_failure_is_remembered_and_what_is_to_be_tried_again_is() {
    let fixture = Fixture::new().await;
    let id = fixture.job("q", "every 10000000000", 0).await;
    let scheduler = fixture.scheduler("a");
    fixture.notes.answers.lock().push(Err(RunError::Failed("no such thing".to_owned())));
    assert_eq!(fixture.at(&scheduler, 10).await, [(10, 10)]);
    let runs = fixture.catalog.list_job_runs(id);
    assert_eq!(runs.last().unwrap().error.as_deref(), Some("no such thing"));
    assert_eq!(fixture.at(&scheduler, 19).await, [], "it counts as done");

    let busy = || Err(RunError::Again("busy".to_owned()));
    fixture.notes.answers.lock().extend([busy(), busy()]);
    assert_eq!(fixture.at(&scheduler, 20).await, [(20, 20)]);
    assert_eq!(fixture.at(&scheduler, 24).await, [], "five seconds later");
    assert_eq!(fixture.at(&scheduler, 25).await, [(20, 20)]);
    assert_eq!(fixture.at(&scheduler, 34).await, [], "then ten");
    assert_eq!(fixture.at(&scheduler, 35).await, [(20, 30)], "with what came on top");
    assert_eq!(fixture.catalog.list_job_runs(id).last().unwrap().error, None);
}

#[tokio::test]
async fn of_two_servers_one_runs_a_job() {
    let fixture = Fixture::new().await;
    let id = fixture.job("q", "every 10000000000", 0).await;
    let (first, second) = (fixture.scheduler("a"), fixture.scheduler("b"));
    let (release, hold) = oneshot::channel();
    *fixture.notes.hold.lock() = Some(hold);
    fixture.clock.set_ns(START + 10 * SECOND);
    let runner: Arc<dyn Runner> = Arc::clone(&fixture.notes) as Arc<dyn Runner>;
    let under_way = tokio::spawn({
        let (first, runner) = (first.clone(), Arc::clone(&runner));
        async move { first.run_due(&runner).await }
    });
    while fixture.notes.seen.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    fixture.notes.seen.lock().clear();
    assert_eq!(fixture.at(&second, 10).await, [], "the other one has it");
    assert_eq!(fixture.at(&first, 10).await, [], "it runs here already");
    release.send(()).unwrap();
    assert_eq!(under_way.await.unwrap(), 1);
    assert_eq!(fixture.at(&second, 10).await, [], "it is done");
    assert_eq!(fixture.at(&second, 20).await, [(20, 20)]);
    assert_eq!(fixture.catalog.list_job_runs(id).len(), 2);
}

#[tokio::test]
async fn a_run_that_was_cut_comes_again() {
    let mut fixture = Fixture::new().await;
    fixture.job("q", "every 10000000000", 0).await;
    let scheduler = fixture.scheduler("a");
    let (_release, hold) = oneshot::channel();
    *fixture.notes.hold.lock() = Some(hold);
    fixture.clock.set_ns(START + 10 * SECOND);
    let runner: Arc<dyn Runner> = Arc::clone(&fixture.notes) as Arc<dyn Runner>;
    let cut = tokio::spawn(async move { scheduler.run_due(&runner).await });
    while fixture.notes.seen.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    cut.abort();
    assert!(cut.await.unwrap_err().is_cancelled());
    fixture.notes.seen.lock().clear();
    fixture.restart().await;
    assert_eq!(fixture.at(&fixture.scheduler("b"), 11).await, [], "another server waits for the end of the lease");
    assert_eq!(fixture.at(&fixture.scheduler("a"), 11).await, [(10, 10)], "this one knows that it is its own");
    fixture.clock.set_ns(START);
}

/// The loop itself: it sleeps until something is due, and wakes for a new job.
#[tokio::test]
async fn the_loop_wakes_for_a_new_job() {
    let fixture = Fixture::new().await;
    let scheduler = fixture.scheduler("a");
    let runner: Arc<dyn Runner> = Arc::clone(&fixture.notes) as Arc<dyn Runner>;
    let running = tokio::spawn({
        let scheduler = scheduler.clone();
        async move { scheduler.run(runner).await }
    });
    fixture.clock.set_ns(START + 10 * SECOND);
    let id = fixture.job("q", "every 10000000000", 0).await;
    scheduler.wake();
    while fixture.catalog.list_job_runs(id).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*fixture.notes.seen.lock(), [(10, 10)]);
    running.abort();
}

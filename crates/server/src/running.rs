//! The statements of InfluxQL that run now, for `SHOW QUERIES` and `KILL QUERY`.
//!
//! An entry lives as long as its statement; there are never more than connections. Who may see or end one is not
//! decided here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use catalog::{OrganisationId, UserId};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A statement that runs.
#[derive(Debug, Clone)]
pub(crate) struct RunningQuery {
    pub(crate) id: u64,
    pub(crate) organisation: OrganisationId,
    pub(crate) user: UserId,
    pub(crate) database: String,
    /// The statement, without passwords.
    pub(crate) text: String,
    started: Instant,
    kill: CancellationToken,
}

impl RunningQuery {
    /// How long it has been running.
    pub(crate) fn duration(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn is_killed(&self) -> bool {
        self.kill.is_cancelled()
    }

    /// Ends it.
    pub(crate) fn kill(&self) {
        self.kill.cancel();
    }
}

#[derive(Debug, Default)]
struct Table {
    last_id: u64,
    queries: BTreeMap<u64, RunningQuery>,
    /// How many have ended, and how long they took together.
    finished: u64,
    finished_time: Duration,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunningQueries {
    table: Arc<Mutex<Table>>,
}

/// Counters of the statements so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RunningCounts {
    pub(crate) started: u64,
    pub(crate) active: u64,
    pub(crate) finished: u64,
    pub(crate) finished_time: Duration,
}

impl RunningQueries {
    /// Notes a statement; it runs until the result is dropped.
    pub(crate) fn start(
        &self,
        organisation: OrganisationId,
        user: UserId,
        database: String,
        text: String,
    ) -> RunningGuard {
        let mut table = self.table.lock();
        table.last_id += 1;
        let id = table.last_id;
        let (started, kill) = (Instant::now(), CancellationToken::new());
        let query = RunningQuery { id, organisation, user, database, text, started, kill: kill.clone() };
        table.queries.insert(id, query);
        RunningGuard { table: Arc::clone(&self.table), id, kill }
    }

    /// Those that run, the oldest first.
    pub(crate) fn list(&self) -> Vec<RunningQuery> {
        self.table.lock().queries.values().cloned().collect()
    }

    /// The counters of now.
    pub(crate) fn counts(&self) -> RunningCounts {
        let table = self.table.lock();
        RunningCounts {
            started: table.last_id,
            active: table.queries.len() as u64,
            finished: table.finished,
            finished_time: table.finished_time,
        }
    }
}

/// The mark of a statement that runs.
#[derive(Debug)]
pub(crate) struct RunningGuard {
    table: Arc<Mutex<Table>>,
    id: u64,
    kill: CancellationToken,
}

impl RunningGuard {
    /// Ready when somebody wants it to end.
    pub(crate) async fn killed(&self) {
        self.kill.cancelled().await;
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        if let Some(query) = table.queries.remove(&self.id) {
            table.finished += 1;
            table.finished_time += query.duration();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_statement_is_there_until_it_ends() {
        let running = RunningQueries::default();
        let (organisation, user) = (OrganisationId::from_u64(1).unwrap(), UserId::from_u64(2).unwrap());
        let start = |text: &str| running.start(organisation, user, "d".to_owned(), text.to_owned());
        let (first, second) = (start("a"), start("b"));
        let texts = || running.list().iter().map(|query| query.text.clone()).collect::<Vec<_>>();
        assert_eq!(texts(), ["a", "b"]);
        running.list()[1].kill();
        second.killed().await;
        assert!(running.list()[1].is_killed() && !running.list()[0].is_killed());
        drop(second);
        assert_eq!(texts(), ["a"]);
        drop(first);
        let counts = running.counts();
        assert_eq!((counts.started, counts.active, counts.finished), (2, 0, 2));
    }
}

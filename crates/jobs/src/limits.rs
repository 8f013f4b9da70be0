//! The limits of the scheduler, each with its reason.

use std::time::Duration;

/// Runs at the same time. They are queries and take their turn among those of users; more would only wait there.
pub(crate) const RUNS_AT_ONCE: usize = 4;

/// Scheduled times that one run is for at most, where several were missed: a run stays of a size that ends in time.
pub const TIMES_A_RUN: usize = 1_000;

/// How long a lease counts without being renewed: after a crash another server waits this long.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// How often a lease is renewed while its run goes on.
pub(crate) const LEASE_RENEWAL: Duration = Duration::from_secs(20);

/// The longest sleep: the clock may jump, and another server may have changed something.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// The shortest sleep: schedules are not finer than a second, and a loop must not spin.
pub(crate) const SHORTEST_SLEEP: Duration = Duration::from_millis(20);

/// How long a job waits after a run that is to be made again; twice as long each time.
pub(crate) const FIRST_RETRY: Duration = Duration::from_secs(5);

/// The longest of these waits.
pub(crate) const LONGEST_RETRY: Duration = Duration::from_secs(300);

/// The shortest period of a schedule.
pub(crate) const SHORTEST_PERIOD_NS: i64 = 1_000_000_000;

/// How far ahead the next time of a cron expression is looked for: 29 February comes within eight years.
pub(crate) const CRON_HORIZON_DAYS: i64 = 366 * 9;

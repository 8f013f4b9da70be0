//! One durable scheduler for everything that is done again and again: continuous queries and tasks.
//!
//! ```text
//! catalog: jobs (schedule, done until, lease) ── Scheduler: what is due? ── lease ── Runner::run ── run record
//! ```
//!
//! How far a job is stands in the catalog, so a restart goes on where it was: scheduled times that were missed are run
//! for then, many at once where that saves work. Before a run begins its lease is committed, and with its end the
//! times that it was for, in one transaction: a job runs once at a time, and a time is done once, unless the process
//! dies in the middle of a run; then that run is made again.
//!
//! What a job does is not known here. Time is asked of the catalog's [`Clock`](catalog::Clock), and nothing is written
//! but through the catalog.

mod cron;
mod limits;
mod schedule;
mod scheduler;

pub use cron::{Cron, CronError};
pub use limits::TIMES_A_RUN;
pub use schedule::{Schedule, ScheduleError};
pub use scheduler::{Due, RunError, RunResult, Runner, Scheduler};

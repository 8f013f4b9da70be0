//! The clock of the whole project, and the two clocks there are: the machine's and one that a test sets.
//!
//! Times are nanoseconds since 1970-01-01T00:00:00Z as `i64`, the unit of every stored time. Nothing here sleeps,
//! schedules or formats.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where every crate takes the time of day from. It may jump in both directions, as a machine's clock does.
pub trait Clock: Send + Sync + Debug {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    fn now_ns(&self) -> i64;
}

/// The machine's clock, held at the limits of `i64` (the years 1677 and 2262).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now_ns(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => duration_ns(after),
            Err(before) => duration_ns(before.duration()).saturating_neg(),
        }
    }
}

/// A clock that stands still until it is set or advanced. For tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ns: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `now_ns`.
    #[must_use]
    pub fn new(now_ns: i64) -> Self {
        Self { now_ns: AtomicI64::new(now_ns) }
    }

    /// Sets the time, forwards or backwards.
    pub fn set_ns(&self, now_ns: i64) {
        self.now_ns.store(now_ns, Ordering::SeqCst);
    }

    /// Moves the time forward by `step`.
    pub fn advance(&self, step: Duration) {
        self.now_ns.fetch_add(duration_ns(step), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ns(&self) -> i64 {
        self.now_ns.load(Ordering::SeqCst)
    }
}

/// A duration in nanoseconds, held at `i64::MAX` (292 years).
pub(crate) fn duration_ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_is_after_2020() {
        assert!(SystemClock.now_ns() > 1_577_836_800_000_000_000);
    }

    #[test]
    fn a_manual_clock_shows_what_it_was_set_to() {
        let clock = ManualClock::new(7);
        assert_eq!(clock.now_ns(), 7);
        clock.advance(Duration::from_secs(2));
        assert_eq!(clock.now_ns(), 2_000_000_007);
        clock.set_ns(-1);
        assert_eq!(clock.now_ns(), -1);
    }

    #[test]
    fn a_long_duration_is_held_at_the_limit() {
        assert_eq!(duration_ns(Duration::MAX), i64::MAX);
    }
}

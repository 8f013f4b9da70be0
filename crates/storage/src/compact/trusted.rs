//! The time that deletion goes by: a clock that is wrong must not destroy data.
//!
//! Trusted time starts where the catalog last was and follows the clock in steps of less than a day. A larger step
//! forward is either a long stop, or a clock that is wrong: queries hide by the clock, so a user can see what would go,
//! and deletion waits for an hour of running time. A step backwards is followed at once, since it keeps more.

use std::time::Duration;

use crate::limits::{CLOCK_STEP, CLOCK_WAIT};

/// Follows a clock with suspicion.
#[derive(Debug, Clone)]
pub(crate) struct TrustedTime {
    /// The clock when it was last looked at.
    seen_ns: i64,
    trusted_ns: i64,
    /// Since a step forward that was too large: the running time at the step, and the trusted time then.
    waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Duration,
    from_ns: i64,
}

/// What one look at the clock found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Observed {
    /// Nothing new.
    Usual,
    /// The clock has gone forward by so much that deletion waits from now on.
    Jumped {
        /// How far.
        step_ns: i64,
    },
    /// The wait is over: the clock is believed.
    Believed,
}

impl TrustedTime {
    /// Starts from the last time that is known to be true: that of the catalog's newest snapshot.
    #[must_use]
    pub(crate) fn new(start_ns: i64) -> Self {
        Self { seen_ns: start_ns, trusted_ns: start_ns, waiting: None }
    }

    /// Looks at the clock. `running` is how long the process has been running, by a clock that never jumps.
    pub(crate) fn observe(&mut self, now_ns: i64, running: Duration) -> Observed {
        let step_ns = now_ns.saturating_sub(self.seen_ns);
        self.seen_ns = now_ns;
        if step_ns > duration_ns(CLOCK_STEP) {
            let from_ns = self.trusted_ns;
            self.waiting = Some(Waiting { since: running, from_ns });
            return Observed::Jumped { step_ns };
        }
        let Some(waiting) = self.waiting else {
            self.trusted_ns = now_ns;
            return Observed::Usual;
        };
        let waited = running.saturating_sub(waiting.since);
        // Back where it was: the clock was wrong, and is right again.
        if waited >= CLOCK_WAIT || now_ns <= waiting.from_ns.saturating_add(duration_ns(waited + CLOCK_STEP)) {
            self.waiting = None;
            self.trusted_ns = now_ns;
            return Observed::Believed;
        }
        self.trusted_ns = waiting.from_ns.saturating_add(duration_ns(waited));
        Observed::Usual
    }

    /// What deletion takes for now: never after the clock.
    #[must_use]
    pub(crate) fn now_ns(&self) -> i64 {
        self.trusted_ns.min(self.seen_ns)
    }

    /// Whether deletion waits because the clock jumped.
    #[must_use]
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}

fn duration_ns(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    fn at(hours: i64) -> i64 {
        hours * duration_ns(HOUR)
    }

    #[test]
    fn small_steps_are_followed_in_both_directions() {
        let mut time = TrustedTime::new(at(100));
        for hours in [100, 101, 123, 90, 70, 72] {
            assert_eq!(time.observe(at(hours), HOUR), Observed::Usual);
            assert_eq!(time.now_ns(), at(hours));
        }
    }

    #[test]
    fn a_jump_is_believed_after_an_hour_of_running() {
        let mut time = TrustedTime::new(at(100));
        let year = 24 * 365;
        assert_eq!(time.observe(at(100 + year), MINUTE), Observed::Jumped { step_ns: at(year) });
        assert_eq!(time.now_ns(), at(100));
        assert!(time.is_waiting());
        assert_eq!(time.observe(at(100 + year), MINUTE * 60), Observed::Usual);
        assert_eq!(time.now_ns(), at(100) + duration_ns(MINUTE * 59), "meanwhile time goes on");
        assert_eq!(time.observe(at(101 + year), MINUTE * 61), Observed::Believed);
        assert_eq!(time.now_ns(), at(101 + year));
        assert!(!time.is_waiting());
    }

    #[test]
    fn a_jump_that_is_taken_back_does_nothing() {
        let mut time = TrustedTime::new(at(100));
        time.observe(at(9000), MINUTE);
        assert_eq!(time.observe(at(100), MINUTE * 2), Observed::Believed);
        assert_eq!(time.now_ns(), at(100));
        assert!(!time.is_waiting());
    }

    #[test]
    fn jumps_one_after_another_start_the_wait_again() {
        let mut time = TrustedTime::new(at(100));
        time.observe(at(1000), MINUTE);
        assert!(matches!(time.observe(at(2000), MINUTE * 50), Observed::Jumped { .. }));
        assert_eq!(time.observe(at(2000), MINUTE * 70), Observed::Usual);
        assert!(time.now_ns() < at(102));
        assert_eq!(time.observe(at(2000), MINUTE * 110), Observed::Believed);
    }

    #[test]
    fn a_clock_that_goes_back_far_keeps_more_and_its_return_waits() {
        let mut time = TrustedTime::new(at(10_000));
        assert_eq!(time.observe(at(0), MINUTE), Observed::Usual);
        assert_eq!(time.now_ns(), at(0));
        assert!(matches!(time.observe(at(10_000), MINUTE * 2), Observed::Jumped { .. }));
        assert_eq!(time.now_ns(), at(0));
        assert_eq!(time.observe(at(10_001), MINUTE * 70), Observed::Believed);
        assert_eq!(time.now_ns(), at(10_001));
    }
}

//! When a failed attempt is repeated: how often, how long, and after which wait. Sends nothing itself.

use std::time::Duration;

/// How a [`BatchWriter`](crate::BatchWriter) repeats attempts that failed for a passing reason
/// ([`WriteError::is_retryable`](crate::WriteError::is_retryable)).
///
/// The wait doubles from `delay_first` to `delay_max`, each shortened by up to a half at random, so that many writers
/// do not come back at once. Where the server asks for more (`Retry-After`), it gets that, up to `retry_after_max`,
/// plus up to a tenth at random.
///
/// ```
/// use std::time::Duration;
/// use freshet_client::RetryPolicy;
///
/// let impatient = RetryPolicy { retries_max: 2, total_max: Duration::from_secs(10), ..RetryPolicy::default() };
/// # drop(impatient);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The longest wait before the first repetition.
    pub delay_first: Duration,
    /// The longest wait before any repetition that the server did not ask to be later.
    pub delay_max: Duration,
    /// The longest `Retry-After` that is honoured in full; a longer one is cut to this.
    pub retry_after_max: Duration,
    /// How many repetitions follow a first attempt.
    pub retries_max: u32,
    /// No attempt starts later than this after the first one. The last wait is shortened to end here.
    pub total_max: Duration,
}

impl Default for RetryPolicy {
    /// 0.5 s doubling to 30 s, `Retry-After` up to 2 minutes, 10 repetitions, 3 minutes in all.
    fn default() -> Self {
        Self {
            delay_first: Duration::from_millis(500),
            delay_max: Duration::from_secs(30),
            retry_after_max: Duration::from_secs(120),
            retries_max: 10,
            total_max: Duration::from_secs(180),
        }
    }
}

impl RetryPolicy {
    /// The wait before the next attempt, or `None` if there is to be none.
    ///
    /// `attempts` have failed in the time `elapsed` since the first began; `random` is between 0 and 1.
    pub(crate) fn wait(
        &self,
        attempts: u32,
        elapsed: Duration,
        retry_after: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        let remaining = self.total_max.saturating_sub(elapsed);
        if attempts > self.retries_max || remaining.is_zero() {
            return None;
        }
        let doublings = attempts.saturating_sub(1).min(31);
        let longest = self.delay_first.saturating_mul(1 << doublings).min(self.delay_max);
        let own = longest.mul_f64(1.0 - random / 2.0);
        let asked = retry_after.map_or(Duration::ZERO, |asked| asked.min(self.retry_after_max));
        Some(own.max(asked.mul_f64(1.0 + random / 10.0)).min(remaining))
    }
}

/// A random number from 0 to 1; in the middle where the system has no randomness to give.
pub(crate) fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{RetryPolicy, random};

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn waits_double_up_to_their_limit_and_honour_the_server() {
        let policy = RetryPolicy {
            delay_first: seconds(1),
            delay_max: seconds(10),
            retry_after_max: seconds(60),
            retries_max: 6,
            total_max: seconds(200),
        };
        let check = |attempts, elapsed, retry_after: Option<u64>, random, expected_ms: Option<u64>| {
            let wait = policy.wait(attempts, seconds(elapsed), retry_after.map(seconds), random);
            assert_eq!(wait, expected_ms.map(Duration::from_millis), "{attempts} {elapsed} {retry_after:?} {random}");
        };
        check(1, 0, None, 0.0, Some(1_000));
        check(1, 0, None, 0.5, Some(750));
        check(1, 0, None, 1.0, Some(500));
        check(2, 0, None, 0.0, Some(2_000));
        check(4, 0, None, 0.0, Some(8_000));
        check(5, 0, None, 0.0, Some(10_000));
        check(6, 0, None, 0.0, Some(10_000));
        check(7, 0, None, 0.0, None);
        check(1, 0, Some(0), 0.0, Some(1_000));
        check(1, 0, Some(30), 0.0, Some(30_000));
        check(1, 0, Some(30), 1.0, Some(33_000));
        check(5, 0, Some(2), 0.0, Some(10_000));
        check(1, 0, Some(100_000), 0.0, Some(60_000));
        check(1, 0, Some(u64::MAX), 1.0, Some(66_000));
        check(1, 195, Some(30), 0.0, Some(5_000));
        check(1, 200, None, 0.0, None);
    }

    #[test]
    fn extreme_policies_do_not_overflow() {
        let policy = RetryPolicy {
            delay_first: Duration::MAX,
            delay_max: seconds(1),
            retries_max: u32::MAX,
            ..RetryPolicy::default()
        };
        assert_eq!(policy.wait(u32::MAX, Duration::ZERO, None, 0.0), Some(seconds(1)));
    }

    #[test]
    fn randomness_stays_in_its_range() {
        for _ in 0..1000 {
            assert!((0.0..=1.0).contains(&random()));
        }
    }
}

//! When a job is due: every so many nanoseconds, counted from 1970, by a cron expression in UTC, once, or never.

use std::fmt;
use std::str::FromStr;

use crate::cron::{Cron, CronError};
use crate::limits;

/// When a job is due, without its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// At all whole multiples of so many nanoseconds since 1970.
    Every(i64),
    /// At the times of a cron expression.
    Cron(Cron),
    /// At one time, in nanoseconds since 1970.
    Once(i64),
    /// Not at all: what rests, and keeps its record.
    Never,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It begins with neither `every` nor `cron`, or what follows is no number.
    #[error("a schedule is `every <nanoseconds>`, `cron <expression>`, `once <nanoseconds>` or `never`, not {0:?}")]
    Form(String),
    /// Jobs are not run more often than every second.
    #[error("a job runs every second at most")]
    TooOften,
    /// The expression is none.
    #[error(transparent)]
    Cron(#[from] CronError),
}

impl Schedule {
    /// A schedule of a period.
    ///
    /// # Errors
    /// [`ScheduleError::TooOften`].
    pub fn every(period_ns: i64) -> Result<Self, ScheduleError> {
        if period_ns < limits::SHORTEST_PERIOD_NS { Err(ScheduleError::TooOften) } else { Ok(Self::Every(period_ns)) }
    }

    /// The first time after this one, in nanoseconds since 1970; none if there is none.
    #[must_use]
    pub fn next_after(&self, time_ns: i64) -> Option<i64> {
        match self {
            Self::Every(period) => time_ns.div_euclid(*period).checked_add(1)?.checked_mul(*period),
            Self::Cron(cron) => cron.next_after(time_ns),
            Self::Once(at_ns) => Some(*at_ns).filter(|at_ns| *at_ns > time_ns),
            Self::Never => None,
        }
    }

    /// The last time that is not after `until_ns`, of at most `most` times behind `after_ns`; none if there is none.
    #[must_use]
    pub fn last_between(&self, after_ns: i64, until_ns: i64, most: usize) -> Option<i64> {
        let first = self.next_after(after_ns).filter(|first| *first <= until_ns)?;
        match self {
            Self::Every(period) => {
                let more = i64::try_from(most).unwrap_or(i64::MAX).saturating_sub(1).saturating_mul(*period);
                Some(until_ns.div_euclid(*period).saturating_mul(*period).min(first.saturating_add(more)))
            }
            Self::Cron(cron) => {
                let times = std::iter::successors(Some(first), |time| cron.next_after(*time));
                times.take(most.max(1)).take_while(|time| *time <= until_ns).last()
            }
            Self::Once(_) | Self::Never => Some(first),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(period) => write!(formatter, "every {period}"),
            Self::Cron(cron) => write!(formatter, "cron {cron}"),
            Self::Once(at_ns) => write!(formatter, "once {at_ns}"),
            Self::Never => formatter.write_str("never"),
        }
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        let form = || ScheduleError::Form(text.to_owned());
        if text == "never" {
            return Ok(Self::Never);
        }
        match text.split_once(' ').ok_or_else(form)? {
            ("every", period) => Self::every(period.parse().map_err(|_| form())?),
            ("cron", expression) => Ok(Self::Cron(expression.parse()?)),
            ("once", at_ns) => Ok(Self::Once(at_ns.parse().map_err(|_| form())?)),
            _ => Err(form()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn texts() {
        for text in ["every 1000000000", "every 3600000000000", "cron 0 */5 * * * *", "cron @hourly", "once 5", "never"]
        {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!("every 999999999".parse::<Schedule>(), Err(ScheduleError::TooOften));
        assert_eq!("every -5".parse::<Schedule>(), Err(ScheduleError::TooOften));
        for text in ["", "every", "every x", "often 5"] {
            assert_eq!(text.parse::<Schedule>(), Err(ScheduleError::Form(text.to_owned())));
        }
        assert!(matches!("cron x".parse::<Schedule>(), Err(ScheduleError::Cron(_))));
    }

    #[test]
    fn times_that_were_missed_are_counted_up_to_a_bound() {
        let schedule = Schedule::every(10 * SECOND).unwrap();
        let last = |after: i64, until: i64, most| schedule.last_between(after * SECOND, until * SECOND, most);
        assert_eq!(last(0, 9, 5), None);
        assert_eq!(last(0, 10, 5), Some(10 * SECOND));
        assert_eq!(last(3, 29, 5), Some(20 * SECOND));
        assert_eq!(last(0, 1_000, 5), Some(50 * SECOND));
        let hourly: Schedule = "cron @hourly".parse().unwrap();
        assert_eq!(hourly.last_between(0, 10 * 3600 * SECOND, 100), Some(10 * 3600 * SECOND));
        assert_eq!(hourly.last_between(0, 10 * 3600 * SECOND, 3), Some(3 * 3600 * SECOND));
        assert_eq!(hourly.last_between(0, 3599 * SECOND, 3), None);
        assert_eq!(Schedule::Every(i64::MAX).next_after(i64::MAX), None, "the end of time");
        assert_eq!((Schedule::Once(5).next_after(4), Schedule::Once(5).next_after(5)), (Some(5), None));
        assert_eq!(Schedule::Once(5).last_between(4, 100, 10), Some(5));
        assert_eq!((Schedule::Never.next_after(0), Schedule::Never.last_between(0, 100, 10)), (None, None));
    }

    proptest! {
        #[test]
        fn no_time_is_left_out_and_none_comes_twice(
            period in 1_i64..100,
            from in -1_000_i64..1_000,
            steps in 1_i64..50,
        ) {
            let schedule = Schedule::every(period * SECOND).unwrap();
            let (start, end) = (from * SECOND, (from + steps * period) * SECOND);
            let mut seen = Vec::new();
            let mut done = start;
            while let Some(next) = schedule.next_after(done).filter(|next| *next <= end) {
                seen.push(next);
                done = next;
            }
            prop_assert_eq!(seen.len() as i64, end.div_euclid(period * SECOND) - start.div_euclid(period * SECOND));
            prop_assert_eq!(seen.last().copied(), schedule.last_between(start, end, usize::MAX));
            prop_assert!(seen.iter().all(|time| time.rem_euclid(period * SECOND) == 0));
        }
    }
}

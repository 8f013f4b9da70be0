//! Continuous queries: which windows are computed at a scheduled time. The rules are those of InfluxDB 1.x
//! (services/continuous_querier), but a time that was missed is made up for.

use chrono_tz::Tz;
use influxql::ast::{CreateContinuousQuery, Select};
use influxql::{Expression, Operator};

use super::check;
use crate::ops::window::Windows;

/// Nobody runs more often than this, in nanoseconds.
const SHORTEST_EVERY: i64 = 1_000_000_000;

/// In a zone, days do not begin at whole days of UTC; they do begin at a whole quarter of an hour.
const ZONE_EVERY: i64 = 15 * 60 * 1_000_000_000;

/// When a continuous query runs, and over which windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContinuousWindows {
    windows: Windows,
    /// How often it runs, as the statement says.
    every: i64,
    /// How far it looks back.
    span: i64,
}

impl ContinuousWindows {
    /// What a statement asks for.
    ///
    /// # Errors
    /// In the words of InfluxDB: the statement is no query that can be run, or has no windows.
    pub fn of(statement: &CreateContinuousQuery, now_ns: i64) -> Result<Self, String> {
        let select = &statement.select;
        if select.is_raw() {
            return Err("continuous queries must be aggregate queries".to_owned());
        }
        let (window, offset) = check::check(select, now_ns, false)?
            .interval
            .ok_or_else(|| "GROUP BY requires at least one aggregate function".to_owned())?;
        let zone: Option<Tz> = select.time_zone.as_ref().and_then(|name| name.parse().ok());
        let given =
            |duration: Option<influxql::Duration>| duration.map(|duration| duration.0).filter(|given| *given > 0);
        let every = given(statement.resample_every).unwrap_or(window).max(SHORTEST_EVERY);
        let span = given(statement.resample_for).unwrap_or(window.max(every));
        let offset = offset.rem_euclid(window);
        Ok(Self { windows: Windows { every: window, offset, zone }, every, span })
    }

    /// The period of its schedule, in nanoseconds: how often it runs, or looks whether a window has ended.
    #[must_use]
    pub fn period_ns(&self) -> i64 {
        if self.windows.zone.is_some() { self.every.min(ZONE_EVERY) } else { self.every }
    }

    /// How much later than the schedule says it runs, in nanoseconds: its windows are moved by as much.
    #[must_use]
    pub fn offset_ns(&self) -> i64 {
        self.windows.offset % self.period_ns()
    }

    /// The span of time to compute for the scheduled times from `first_ns` to `last_ns`, with the first but without the
    /// last nanosecond; none if no window has ended.
    #[must_use]
    pub fn range(&self, first_ns: i64, last_ns: i64) -> Option<(i64, i64)> {
        let (first, last) = (first_ns.saturating_add(self.offset_ns()), last_ns.saturating_add(self.offset_ns()));
        let window = self.windows.every;
        let start = |time: i64| self.windows.bounds(time).0;
        let from = start(first.saturating_add(window).saturating_sub(self.span).saturating_sub(1));
        let until = start(last.saturating_add(window).saturating_sub(self.every.min(window)));
        (from < until).then_some((from, until))
    }
}

/// The statement over a span of time, with its start but without its end.
#[must_use]
pub fn within(select: &Select, (from_ns, until_ns): (i64, i64)) -> Select {
    let bound = |operator, time| Expression::binary(Expression::reference("time"), operator, Expression::Integer(time));
    let from = bound(Operator::GreaterOrEqual, from_ns);
    let begun = match &select.condition {
        None => from,
        Some(own) => Expression::binary(Expression::Paren(Box::new(own.clone())), Operator::And, from),
    };
    let condition = Expression::binary(begun, Operator::And, bound(Operator::Less, until_ns));
    Select { condition: Some(condition), ..select.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::super::{Statement, parse};
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn create(resample: &str, rest: &str) -> CreateContinuousQuery {
        let text =
            format!("CREATE CONTINUOUS QUERY q ON d {resample} BEGIN SELECT mean(v) INTO n FROM m GROUP BY {rest} END");
        match parse(&text, None).unwrap().pop() {
            Some(Statement::CreateContinuousQuery(create)) => create,
            other => panic!("{other:?}"),
        }
    }

    fn windows(resample: &str, rest: &str) -> ContinuousWindows {
        ContinuousWindows::of(&create(resample, rest), 0).unwrap()
    }

    /// The range in seconds of scheduled times in seconds.
    fn range(windows: &ContinuousWindows, first: i64, last: i64) -> Option<(i64, i64)> {
        let (from, until) = windows.range(first * SECOND, last * SECOND)?;
        Some((from / SECOND, until / SECOND))
    }

    #[test]
    fn the_window_that_has_ended_is_computed() {
        let plain = windows("", "time(60s)");
        assert_eq!((plain.period_ns(), plain.offset_ns()), (60 * SECOND, 0));
        assert_eq!(range(&plain, 600, 600), Some((540, 600)));
        assert_eq!(range(&plain, 600, 780), Some((540, 780)), "what was missed is made up for");
        let moved = windows("", "time(60s, 15s)");
        assert_eq!((moved.period_ns(), moved.offset_ns()), (60 * SECOND, 15 * SECOND));
        assert_eq!(range(&moved, 600, 600), Some((555, 615)));
        let back = windows("", "time(60s, -15s)");
        assert_eq!((back.offset_ns(), range(&back, 600, 600)), (45 * SECOND, Some((585, 645))));
    }

    #[test]
    fn resample_says_how_often_and_how_far() {
        // More often than a window: the one under way is computed too.
        let often = windows("RESAMPLE EVERY 30s", "time(60s)");
        assert_eq!(often.period_ns(), 30 * SECOND);
        assert_eq!(range(&often, 630, 630), Some((600, 660)));
        assert_eq!(range(&often, 660, 660), Some((600, 660)));
        // Less often: as many windows as have ended.
        let seldom = windows("RESAMPLE EVERY 120s", "time(60s)");
        assert_eq!(range(&seldom, 600, 600), Some((480, 600)));
        let far = windows("RESAMPLE FOR 180s", "time(60s)");
        assert_eq!(range(&far, 600, 600), Some((420, 600)));
        let both = windows("RESAMPLE EVERY 30s FOR 180s", "time(60s)");
        assert_eq!(range(&both, 630, 630), Some((480, 660)));
    }

    #[test]
    fn days_of_a_zone_end_at_its_midnight() {
        let daily = windows("", "time(1d) tz('Europe/Berlin')");
        assert_eq!(daily.period_ns(), 900 * SECOND);
        // 2026-03-29T22:00:00Z is midnight of the 30th; the 29th had 23 hours.
        let midnight = 1_774_821_600;
        assert_eq!(range(&daily, midnight, midnight), Some((midnight - 23 * 3600, midnight)));
        assert_eq!(range(&daily, midnight + 900, midnight + 1_800), None, "nothing has ended since");
    }

    #[test]
    fn short_windows_are_computed_many_at_once() {
        let short = windows("", "time(100ms)");
        assert_eq!(short.period_ns(), SECOND);
        assert_eq!(range(&short, 10, 10), Some((9, 10)));
    }

    #[test]
    fn what_cannot_be_continuous_is_refused() {
        let of = |text: &str| match parse(text, None).unwrap().pop() {
            Some(Statement::CreateContinuousQuery(create)) => ContinuousWindows::of(&create, 0).unwrap_err(),
            other => panic!("{other:?}"),
        };
        let raw = "CREATE CONTINUOUS QUERY q ON d BEGIN SELECT v INTO n FROM m END";
        assert_eq!(of(raw), "continuous queries must be aggregate queries");
        let unknown = "CREATE CONTINUOUS QUERY q ON d BEGIN SELECT foo(v) INTO n FROM m GROUP BY time(1m) END";
        assert_eq!(of(unknown), "undefined function foo()");
    }

    #[test]
    fn a_condition_of_its_own_stays() {
        let mut select = *create("", "time(60s)").select;
        assert!(within(&select, (5, 7)).to_string().contains("WHERE time >= 5 AND time < 7 GROUP BY"));
        select.condition =
            Some(Expression::binary(Expression::reference("a"), Operator::Or, Expression::reference("b")));
        assert!(within(&select, (5, 7)).to_string().contains("WHERE (a OR b) AND time >= 5 AND time < 7"));
    }
}

//! Windows of time: `GROUP BY time(d, offset)`, in a time zone or without one.
//!
//! A window begins at a multiple of its duration since 1970, moved by the offset; with a zone that is since 1970 on the
//! zone's clock, so a day begins at midnight there and has 23, 24 or 25 hours. Nothing here fails: at the ends of time
//! windows are cut.

use chrono::{DateTime, Offset as _, TimeZone as _};
use chrono_tz::Tz;

/// The first and the last time that a point may have: two from the ends of 64 bits, as in InfluxDB.
pub(crate) const MIN_TIME: i64 = i64::MIN + 2;
/// See [`MIN_TIME`].
pub(crate) const MAX_TIME: i64 = i64::MAX - 1;

/// How far the zone's clock is ahead of UTC at a moment, in nanoseconds.
pub(crate) fn zone_offset_ns(zone: Tz, time: i64) -> i64 {
    let utc = DateTime::from_timestamp_nanos(time).naive_utc();
    i64::from(zone.offset_from_utc_datetime(&utc).fix().local_minus_utc()) * 1_000_000_000
}

/// Windows of one length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Windows {
    /// Nanoseconds; more than zero.
    pub(crate) every: i64,
    /// By how much they are moved, less than `every` in either direction.
    pub(crate) offset: i64,
    /// The zone whose clock they follow; none is UTC.
    pub(crate) zone: Option<Tz>,
}

impl Windows {
    fn zone_offset(&self, time: i64) -> i64 {
        self.zone.map_or(0, |zone| zone_offset_ns(zone, time))
    }

    /// The window that holds `time`: its start, and the start of the next one.
    pub(crate) fn bounds(&self, time: i64) -> (i64, i64) {
        let every = i128::from(self.every);
        let moved = i128::from(time) - i128::from(self.offset);
        let zone = self.zone_offset(saturate(moved));
        let into = (moved + i128::from(zone)).rem_euclid(every);
        let mut start = (moved - into).max(i128::from(MIN_TIME)) + i128::from(self.offset);
        let mut end = (moved - into + every).min(i128::from(MAX_TIME)) + i128::from(self.offset);
        if self.zone.is_some() {
            let change = i128::from(zone) - i128::from(self.zone_offset(saturate(start)));
            if change != 0 && change.abs() < every {
                start += change;
            }
            let end_offset = self.zone_offset(saturate(end));
            let change = i128::from(zone) - i128::from(end_offset);
            // Time that is added belongs to the window before the switch. Where time is skipped, the end only moves if
            // the switch is within the window.
            if change != 0
                && change.abs() < every
                && (change > 0 || self.zone_offset(saturate(end + change)) == end_offset)
            {
                end += change;
            }
        }
        (saturate(start), saturate(end))
    }

    /// The start of the window behind the one that starts at `start`.
    pub(crate) fn next(&self, start: i64) -> i64 {
        self.step(start, self.every)
    }

    /// The start of the window before the one that starts at `start`.
    pub(crate) fn previous(&self, start: i64) -> i64 {
        self.step(start, self.every.saturating_neg())
    }

    /// One window on; where the zone's clock was moved in between, the step is as much longer or shorter.
    fn step(&self, start: i64, by: i64) -> i64 {
        let next = start.saturating_add(by);
        let change = self.zone_offset(start) - self.zone_offset(next.saturating_sub(1));
        if change != 0 && change.abs() < self.every { next.saturating_add(change) } else { next }
    }

    /// How many windows begin in a span of time, at most.
    pub(crate) fn count(&self, first: i64, last: i64) -> u64 {
        let span = (i128::from(last) - i128::from(first)).max(0);
        u64::try_from(span / i128::from(self.every.max(1)) + 1).unwrap_or(u64::MAX)
    }
}

fn saturate(time: i128) -> i64 {
    i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const HOUR: i64 = 3_600_000_000_000;

    fn windows(every: i64, offset: i64, zone: Option<&str>) -> Windows {
        Windows { every, offset, zone: zone.map(|name| name.parse().unwrap()) }
    }

    fn at(text: &str) -> i64 {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap()
    }

    #[test]
    fn windows_begin_at_multiples_of_their_length() {
        assert_eq!(windows(10, 0, None).bounds(25), (20, 30));
        assert_eq!(windows(10, 0, None).bounds(20), (20, 30));
        assert_eq!(windows(10, 0, None).bounds(-1), (-10, 0));
        assert_eq!(windows(10, 3, None).bounds(22), (13, 23));
        assert_eq!(windows(10, -3, None).bounds(22), (17, 27));
        assert_eq!(windows(10, 3, None).bounds(-8), (-17, -7));
    }

    #[test]
    fn days_follow_the_clock_of_the_zone() {
        let days = windows(24 * HOUR, 0, Some("Europe/Paris"));
        // The clock goes forward on 2026-03-29 and back on 2026-10-25.
        for (time, start, hours) in [
            ("2026-03-28T12:00:00Z", "2026-03-28T00:00:00+01:00", 24),
            ("2026-03-29T12:00:00Z", "2026-03-29T00:00:00+01:00", 23),
            ("2026-03-30T12:00:00Z", "2026-03-30T00:00:00+02:00", 24),
            ("2026-10-25T12:00:00Z", "2026-10-25T00:00:00+02:00", 25),
            ("2026-10-26T00:30:00Z", "2026-10-26T00:00:00+01:00", 24),
        ] {
            let (first, end) = days.bounds(at(time));
            assert_eq!(first, at(start), "{time}");
            assert_eq!((end - first) / HOUR, hours, "{time}");
            if hours == 24 {
                assert_eq!(days.next(first), end, "{time}");
            }
        }
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        for zone in [None, Some("Pacific/Apia")] {
            for every in [1, HOUR, i64::MAX] {
                for time in [i64::MIN, MIN_TIME, -1, 0, 1, MAX_TIME, i64::MAX] {
                    let windows = windows(every, every - 1, zone);
                    let (start, _) = windows.bounds(time);
                    windows.next(start);
                    windows.previous(start);
                    windows.count(start, time);
                }
            }
        }
    }
}

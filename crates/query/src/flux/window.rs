//! Windows of time as `window` cuts them: by nanoseconds or months, moved by an offset, on the clock of a location,
//! overlapping or with gaps.

use chrono_tz::Tz;

use super::duration::{Duration, add_months, month_of, start_of_month};
use super::error::{Code, FluxError, Result};
use super::stream::Bounds;
use super::value::{Record, Text, Value};
use crate::limits;
use crate::ops::window::zone_offset_ns;

/// The clock that windows follow.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Location {
    /// A zone with its rules; none is UTC.
    pub zone: Option<Tz>,
    /// How far the clock is ahead of the zone's, in nanoseconds.
    pub offset_ns: i64,
}

impl Location {
    /// The location of a record `{zone, offset}`.
    ///
    /// # Errors
    /// If there is no such zone.
    pub fn from_record(record: &Record) -> Result<Self> {
        let zone = match record.get("zone") {
            Some(Value::String(name)) if !matches!(&*name, "UTC" | "") => {
                let unknown = |_| FluxError::invalid(format!("unknown time zone {name}"));
                Some(name.parse::<Tz>().map_err(unknown)?)
            }
            _ => None,
        };
        let offset_ns = match record.get("offset") {
            Some(Value::Duration(offset)) => offset.nanoseconds,
            _ => 0,
        };
        Ok(Self { zone, offset_ns })
    }

    /// Whether it is UTC.
    #[must_use]
    pub fn is_utc(self) -> bool {
        self == Self::default()
    }

    fn ahead(self, time: i64) -> i64 {
        self.zone.map_or(0, |zone| zone_offset_ns(zone, time)).saturating_add(self.offset_ns)
    }

    /// What the clock shows at a moment.
    #[must_use]
    pub fn to_local(self, time: i64) -> i64 {
        time.saturating_add(self.ahead(time))
    }

    /// The moment at which the clock shows this; of two, or none, the one by the later rule.
    #[must_use]
    pub fn to_utc(self, local: i64) -> i64 {
        if self.is_utc() {
            return local;
        }
        let guess = local.saturating_sub(self.ahead(local));
        local.saturating_sub(self.ahead(guess))
    }
}

/// What `window` was asked for.
#[derive(Debug, Clone)]
pub struct WindowSpec {
    /// How far windows are from each other.
    pub every: Duration,
    /// How long they are; negative ones end where others begin.
    pub period: Duration,
    /// By how much they are moved.
    pub offset: Duration,
    /// The clock.
    pub location: Location,
    /// The column with the times of rows.
    pub time_column: Text,
    /// The column for the start of the window.
    pub start_column: Text,
    /// The column for its stop.
    pub stop_column: Text,
    /// Whether windows without rows come too.
    pub create_empty: bool,
}

impl WindowSpec {
    /// Checks the durations.
    ///
    /// # Errors
    /// In InfluxDB's words.
    pub fn check(&self) -> Result<()> {
        if self.every.is_zero() {
            let message = "window function requires at least one of \"every\" or \"period\" to be set and non-zero";
            return Err(FluxError::invalid(message));
        }
        if self.every.is_negative() {
            return Err(FluxError::invalid("duration used as an interval cannot be negative"));
        }
        if self.every.months != 0 && self.every.nanoseconds != 0 {
            return Err(FluxError::invalid("duration used as an interval cannot mix month and nanosecond units"));
        }
        Ok(())
    }

    /// Whether there is one window over everything.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.every == Duration::INFINITE
    }

    /// Whether InfluxDB's storage cuts such windows.
    pub(crate) fn is_simple(&self) -> bool {
        let columns = [&self.time_column, &self.start_column, &self.stop_column];
        self.every == self.period
            && !self.is_everything()
            && !self.offset.is_negative()
            && self.location.is_utc()
            && columns.iter().map(|column| &***column).eq(["_time", "_start", "_stop"])
    }

    /// The last window that does not begin after a moment, by its number.
    fn index_of(&self, time: i64) -> i64 {
        let back = self.offset.checked_neg().unwrap_or_default();
        let local = back.add_to(self.location.to_local(time));
        if self.every.months > 0 {
            return month_of(local, None).div_euclid(self.every.months);
        }
        local.div_euclid(self.every.nanoseconds.max(1))
    }

    /// What the clock shows when a window begins.
    fn local_start(&self, index: i64) -> i64 {
        let start = if self.every.months > 0 {
            start_of_month(index.saturating_mul(self.every.months), None)
        } else {
            index.saturating_mul(self.every.nanoseconds)
        };
        self.offset.add_to(start)
    }

    /// The start and stop of a window.
    fn window(&self, index: i64) -> Bounds {
        let start = self.local_start(index);
        let other = add_months(start, self.period.months, None).saturating_add(self.period.nanoseconds);
        let (start, stop) = if self.period.is_negative() { (other, start) } else { (start, other) };
        (self.location.to_utc(start), self.location.to_utc(stop))
    }

    /// The windows that hold a moment, by ascending start.
    #[must_use]
    pub fn windows_of(&self, time: i64) -> Vec<Bounds> {
        let holds = |window: &Bounds| window.0 <= time && time < window.1;
        let newest = self.index_of(time).saturating_add(1);
        let mut windows = Vec::new();
        if self.period.is_negative() {
            let mut index = newest.saturating_sub(1);
            loop {
                let window = self.window(index);
                if window.0 > time || windows.len() > limits::FLUX_WINDOWS {
                    break;
                }
                if holds(&window) {
                    windows.push(window);
                }
                index += 1;
            }
            return windows;
        }
        let mut index = newest;
        loop {
            let window = self.window(index);
            if holds(&window) {
                windows.push(window);
            }
            if window.1 <= time || windows.len() > limits::FLUX_WINDOWS {
                break;
            }
            index -= 1;
        }
        windows.reverse();
        windows
    }

    /// All windows that have a part between two moments.
    ///
    /// # Errors
    /// If there are too many.
    pub fn all(&self, bounds: Bounds) -> Result<Vec<Bounds>> {
        let mut windows = self.windows_of(bounds.0);
        let mut index = self.index_of(bounds.0).saturating_add(1);
        if let Some(last) = windows.last() {
            while self.window(index).0 <= last.0 {
                index += 1;
            }
        }
        loop {
            let window = self.window(index);
            if window.0 >= bounds.1 {
                return Ok(windows);
            }
            if window.1 > bounds.0 {
                windows.push(window);
            }
            if windows.len() > limits::FLUX_WINDOWS {
                let message = format!("more than {} windows, the limit for a table", limits::FLUX_WINDOWS);
                return Err(FluxError::new(Code::ResourceExhausted, message));
            }
            index += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn spec(every: &str, period: &str, offset: &str, zone: Option<Tz>) -> WindowSpec {
        WindowSpec {
            every: Duration::parse(every).unwrap(),
            period: Duration::parse(period).unwrap(),
            offset: Duration::parse(offset).unwrap(),
            location: Location { zone, offset_ns: 0 },
            time_column: Arc::from("_time"),
            start_column: Arc::from("_start"),
            stop_column: Arc::from("_stop"),
            create_empty: false,
        }
    }

    fn seconds(windows: Vec<Bounds>) -> Vec<(i64, i64)> {
        windows.into_iter().map(|(start, stop)| (start / 1_000_000_000, stop / 1_000_000_000)).collect()
    }

    #[test]
    fn windows_of_a_moment() {
        let of = |every, period, offset, time: i64| {
            seconds(spec(every, period, offset, None).windows_of(time * 1_000_000_000))
        };
        assert_eq!(of("20s", "20s", "0s", 20), [(20, 40)]);
        assert_eq!(of("20s", "40s", "0s", 25), [(0, 40), (20, 60)]);
        assert_eq!(of("20s", "5s", "0s", 27), []);
        assert_eq!(of("30s", "30s", "10s", 5), [(-20, 10)]);
        assert_eq!(of("20s", "-40s", "0s", 25), [(0, 40), (20, 60)]);
        // 1970-03-15 is in March.
        assert_eq!(of("1mo", "1mo", "0s", 73 * 86_400), [(59 * 86_400, 90 * 86_400)]);
    }

    #[test]
    fn windows_between_two_moments() {
        let all = spec("20s", "40s", "0s", None).all((0, 60_000_000_000)).unwrap();
        assert_eq!(seconds(all), [(-20, 20), (0, 40), (20, 60), (40, 80)]);
        let gaps = spec("20s", "5s", "0s", None).all((7_000_000_000, 41_000_000_000)).unwrap();
        assert_eq!(seconds(gaps), [(20, 25), (40, 45)]);
        assert!(spec("1ns", "1ns", "0s", None).all((0, 60_000_000_000)).is_err());
    }

    #[test]
    fn days_follow_the_clock_of_a_zone() {
        let paris = spec("1d", "1d", "0s", Some(chrono_tz::Europe::Paris));
        // 2026-03-29 has 23 hours there.
        let noon = 1_774_778_400_000_000_000;
        assert_eq!(seconds(paris.windows_of(noon)), [(1_774_738_800, 1_774_821_600)]);
    }
}

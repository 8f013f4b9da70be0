//! Flux durations: months beside nanoseconds, with one sign, and what they do to a time.

use std::fmt;

use chrono::{DateTime, Datelike as _, Months, NaiveDateTime};
use chrono_tz::Tz;
use flux::ast::DurationUnit;

use super::error::{FluxError, Result};
use crate::ops::window::zone_offset_ns;

/// A span of time. Months have no length of their own, so they are kept apart; both parts have the same sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Duration {
    /// Months.
    pub months: i64,
    /// Nanoseconds.
    pub nanoseconds: i64,
}

/// Units with their nanoseconds, the largest first.
const UNITS: [(&str, i64); 7] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

impl Duration {
    /// Longer than anything: one window over everything.
    pub const INFINITE: Self = Self { months: 0, nanoseconds: i64::MAX };

    /// A span without months.
    #[must_use]
    pub fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self { months: 0, nanoseconds }
    }

    /// The span of a literal's part; none if it is too long.
    #[must_use]
    pub fn from_part(magnitude: i64, unit: DurationUnit) -> Option<Self> {
        let months = |each: i64| magnitude.checked_mul(each).map(|months| Self { months, nanoseconds: 0 });
        match unit {
            DurationUnit::Year => months(12),
            DurationUnit::Month => months(1),
            DurationUnit::Nanosecond => Some(Self::from_nanoseconds(magnitude)),
            other => {
                let each = UNITS.iter().find(|(name, _)| *name == other.as_str()).map(|(_, each)| *each)?;
                magnitude.checked_mul(each).map(Self::from_nanoseconds)
            }
        }
    }

    /// Reads `1h30m`, with a sign perhaps.
    ///
    /// # Errors
    /// If it is not a duration.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || FluxError::invalid(format!("failed to parse duration: invalid duration \"{text}\""));
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut sum = Self::default();
        while !rest.is_empty() {
            let digits = rest.find(|character: char| !character.is_ascii_digit()).ok_or_else(invalid)?;
            let (number, behind) = rest.split_at(digits);
            let end = behind.find(|character: char| character.is_ascii_digit()).unwrap_or(behind.len());
            let (unit, behind) = behind.split_at(end);
            let magnitude = number.parse().map_err(|_| invalid())?;
            let unit = DurationUnit::from_text(unit).ok_or_else(invalid)?;
            let part = Self::from_part(magnitude, unit).ok_or_else(invalid)?;
            sum = sum.checked_add(part).ok_or_else(invalid)?;
            rest = behind;
        }
        if negative { sum.checked_neg().ok_or_else(invalid) } else { Ok(sum) }
    }

    /// Whether it has no length.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.months == 0 && self.nanoseconds == 0
    }

    /// Whether it goes back in time.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.months < 0 || self.nanoseconds < 0
    }

    /// The span in the other direction; none at the end of the numbers.
    #[must_use]
    pub fn checked_neg(self) -> Option<Self> {
        Some(Self { months: self.months.checked_neg()?, nanoseconds: self.nanoseconds.checked_neg()? })
    }

    /// Both spans; none if that is too long.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            nanoseconds: self.nanoseconds.checked_add(other.nanoseconds)?,
        })
    }

    /// So many of it; none if that is too long.
    #[must_use]
    pub fn checked_mul(self, times: i64) -> Option<Self> {
        Some(Self { months: self.months.checked_mul(times)?, nanoseconds: self.nanoseconds.checked_mul(times)? })
    }

    /// The time that is this much later: months first, to the last day of a month at most, then nanoseconds.
    #[must_use]
    pub fn add_to(self, time: i64) -> i64 {
        add_months(time, self.months, None).saturating_add(self.nanoseconds)
    }
}

/// The same moment of a day some months later, on the clock of a zone.
#[must_use]
pub fn add_months(time: i64, months: i64, zone: Option<Tz>) -> i64 {
    if months == 0 {
        return time;
    }
    let offset = zone.map_or(0, |zone| zone_offset_ns(zone, time));
    let local = DateTime::from_timestamp_nanos(time.saturating_add(offset)).naive_utc();
    let count = Months::new(u32::try_from(months.unsigned_abs()).unwrap_or(u32::MAX));
    let moved = if months < 0 { local.checked_sub_months(count) } else { local.checked_add_months(count) };
    let end = if months < 0 { i64::MIN } else { i64::MAX };
    moved.map_or(end, |moved| local_to_time(moved, zone, end))
}

/// The moment at which a zone's clock shows this.
fn local_to_time(local: NaiveDateTime, zone: Option<Tz>, otherwise: i64) -> i64 {
    let Some(nanoseconds) = local.and_utc().timestamp_nanos_opt() else { return otherwise };
    let Some(zone) = zone else { return nanoseconds };
    let guess = nanoseconds.saturating_sub(zone_offset_ns(zone, nanoseconds));
    nanoseconds.saturating_sub(zone_offset_ns(zone, guess))
}

/// The months since 1970 of a time on a zone's clock, with the start of its month.
#[must_use]
pub fn month_of(time: i64, zone: Option<Tz>) -> i64 {
    let offset = zone.map_or(0, |zone| zone_offset_ns(zone, time));
    let local = DateTime::from_timestamp_nanos(time.saturating_add(offset)).naive_utc();
    (i64::from(local.year()) - 1970) * 12 + i64::from(local.month0())
}

/// The first moment of a month, counted from January 1970, on a zone's clock.
#[must_use]
pub fn start_of_month(month: i64, zone: Option<Tz>) -> i64 {
    let end = if month < 0 { i64::MIN } else { i64::MAX };
    let year = i32::try_from(1970 + month.div_euclid(12)).ok();
    let month0 = u32::try_from(month.rem_euclid(12)).ok();
    let date = year.zip(month0).and_then(|(year, month0)| chrono::NaiveDate::from_ymd_opt(year, month0 + 1, 1));
    date.map_or(end, |date| local_to_time(date.and_time(chrono::NaiveTime::MIN), zone, end))
}

impl fmt::Display for Duration {
    /// As Flux writes it: `1y2mo3w4d5h6m7s8ms9us1ns`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return formatter.write_str("0ns");
        }
        if self.is_negative() {
            formatter.write_str("-")?;
        }
        let (mut months, mut rest) = (self.months.unsigned_abs(), self.nanoseconds.unsigned_abs());
        if months >= 12 {
            write!(formatter, "{}y", months / 12)?;
            months %= 12;
        }
        if months > 0 {
            write!(formatter, "{months}mo")?;
        }
        for (name, each) in UNITS {
            let each = each.unsigned_abs();
            if rest >= each {
                write!(formatter, "{}{name}", rest / each)?;
                rest %= each;
            }
        }
        if rest > 0 {
            write!(formatter, "{rest}ns")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["1h30m", "1y2mo3w4d5h6m7s8ms9us1ns", "-1mo", "0ns", "-90ns", "1w"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Duration::parse("90m").unwrap().to_string(), "1h30m");
        for text in ["", "1", "h", "1x", "-", "99999999999999999999h"] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
    }

    fn check(time: &str, duration: &str, expected: &str) {
        let nanoseconds = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_nanos_opt().unwrap();
        let moved = Duration::parse(duration).unwrap().add_to(nanoseconds(time));
        assert_eq!(moved, nanoseconds(expected), "{time} {duration}");
    }

    #[test]
    fn months_end_at_their_last_day() {
        check("2026-01-31T00:00:00Z", "1mo", "2026-02-28T00:00:00Z");
        check("2024-02-29T10:00:00Z", "-1y", "2023-02-28T10:00:00Z");
        check("2026-01-31T00:00:00Z", "1mo1d", "2026-03-01T00:00:00Z");
    }
}

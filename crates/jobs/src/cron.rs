//! Cron expressions: five fields (minute, hour, day of month, month, day of week), six with seconds in front, or a name
//! such as `@daily`. All times are in UTC.
//!
//! A field is `*`, a number, a range `a-b`, any of these with a step `/n`, or several with commas; months and days of
//! the week have English names too, and Sunday is 0 or 7. Where both days are given, either is enough, as everywhere.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Duration, NaiveDate, NaiveTime, Utc};

use crate::limits;

/// Why a text is no cron expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Neither five nor six fields, nor a known name.
    #[error(
        "a cron expression has 5 fields, or 6 with seconds in front, or is one of @hourly, @daily, @weekly, @monthly, \
         @yearly: {0:?}"
    )]
    Fields(String),
    /// A field makes no sense.
    #[error("cron expression {expression:?}: {field:?} is no {name}, which is {least} to {most}")]
    Field {
        /// The whole text.
        expression: String,
        /// The part of it.
        field: String,
        /// What it should be.
        name: &'static str,
        /// The smallest value.
        least: u32,
        /// The largest value.
        most: u32,
    },
    /// There is no such day, as 30 February.
    #[error("cron expression {0:?} is never due")]
    Never(String),
}

/// A set of small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers(u64);

impl Numbers {
    fn has(self, number: u32) -> bool {
        number < 64 && self.0 >> number & 1 == 1
    }

    fn first(self) -> u32 {
        self.0.trailing_zeros()
    }

    fn next_after(self, number: u32) -> Option<u32> {
        (number + 1..64).find(|candidate| self.has(*candidate))
    }
}

/// A cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    seconds: Numbers,
    minutes: Numbers,
    hours: Numbers,
    days: Numbers,
    months: Numbers,
    weekdays: Numbers,
    /// Whether a day has to be in both sets, because one of them is all days.
    both_days: bool,
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// What a field may be.
struct Kind {
    name: &'static str,
    least: u32,
    most: u32,
    /// Words for the values from `least` on.
    words: &'static [&'static str],
}

const SECOND: Kind = Kind { name: "second", least: 0, most: 59, words: &[] };
const MINUTE: Kind = Kind { name: "minute", least: 0, most: 59, words: &[] };
const HOUR: Kind = Kind { name: "hour", least: 0, most: 23, words: &[] };
const DAY: Kind = Kind { name: "day of a month", least: 1, most: 31, words: &[] };
const MONTH: Kind = Kind { name: "month", least: 1, most: 12, words: &MONTHS };
const WEEKDAY: Kind = Kind { name: "day of the week", least: 0, most: 7, words: &WEEKDAYS };

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let expanded = match text.trim() {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        let (second, rest) = match fields.as_slice() {
            [second, rest @ ..] if rest.len() == 5 => (*second, rest),
            rest if rest.len() == 5 => ("0", rest),
            _ => return Err(CronError::Fields(text.to_owned())),
        };
        let [minute, hour, day, month, weekday] = rest else { return Err(CronError::Fields(text.to_owned())) };
        let mut weekdays = numbers(weekday, &WEEKDAY, text)?;
        if weekdays.has(7) {
            weekdays = Numbers((weekdays.0 | 1) & 0x7f);
        }
        let cron = Self {
            text: text.to_owned(),
            seconds: numbers(second, &SECOND, text)?,
            minutes: numbers(minute, &MINUTE, text)?,
            hours: numbers(hour, &HOUR, text)?,
            days: numbers(day, &DAY, text)?,
            months: numbers(month, &MONTH, text)?,
            weekdays,
            both_days: day.starts_with('*') || weekday.starts_with('*'),
        };
        if cron.next_after(0).is_none() { Err(CronError::Never(text.to_owned())) } else { Ok(cron) }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// The numbers of a field.
fn numbers(field: &str, kind: &Kind, expression: &str) -> Result<Numbers, CronError> {
    let wrong = || CronError::Field {
        expression: expression.to_owned(),
        field: field.to_owned(),
        name: kind.name,
        least: kind.least,
        most: kind.most,
    };
    let number = |text: &str| -> Result<u32, CronError> {
        let lower = text.to_ascii_lowercase();
        let word = kind.words.iter().position(|word| *word == lower).and_then(|place| u32::try_from(place).ok());
        let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = match word {
            Some(place) => place + kind.least,
            None if is_digits => text.parse().map_err(|_| wrong())?,
            None => return Err(wrong()),
        };
        if (kind.least..=kind.most).contains(&number) { Ok(number) } else { Err(wrong()) }
    };
    let mut set = 0_u64;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            None => (part, 1),
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (kind.least, kind.most.min(if kind.most == 7 { 6 } else { kind.most })),
            Some((from, to)) => (number(from)?, number(to)?),
            None if part.contains('/') => (number(range)?, kind.most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(wrong());
        }
        (from..=to).step_by(step).for_each(|number| set |= 1 << number);
    }
    Ok(Numbers(set))
}

impl Cron {
    /// The first time after this one, in nanoseconds since 1970; none within the next years, or at the end of time.
    #[must_use]
    pub fn next_after(&self, time_ns: i64) -> Option<i64> {
        let second = DateTime::<Utc>::from_timestamp(time_ns.div_euclid(1_000_000_000), 0)? + Duration::seconds(1);
        let mut date = second.date_naive();
        let mut from = Some(second.time());
        for _ in 0..limits::CRON_HORIZON_DAYS {
            if self.is_day(date)
                && let Some(time) = self.time_from(from.unwrap_or(NaiveTime::MIN))
            {
                return date.and_time(time).and_utc().timestamp_nanos_opt();
            }
            date = date.succ_opt()?;
            from = None;
        }
        None
    }

    fn is_day(&self, date: NaiveDate) -> bool {
        let (in_month, in_week) = (self.days.has(date.day()), self.weekdays.has(date.weekday().num_days_from_sunday()));
        let is_day = if self.both_days { in_month && in_week } else { in_month || in_week };
        self.months.has(date.month()) && is_day
    }

    /// The first time of a day that is not before `from`.
    fn time_from(&self, from: NaiveTime) -> Option<NaiveTime> {
        use chrono::Timelike as _;
        let (mut hour, mut minute, mut second) = (from.hour(), from.minute(), from.second());
        if !self.hours.has(hour) {
            hour = self.hours.next_after(hour)?;
            (minute, second) = (self.minutes.first(), self.seconds.first());
        } else if !self.minutes.has(minute) {
            (hour, minute) = self.next_minute(hour, minute)?;
            second = self.seconds.first();
        } else if !self.seconds.has(second) {
            match self.seconds.next_after(second) {
                Some(next) => second = next,
                None => {
                    (hour, minute) = self.next_minute(hour, minute)?;
                    second = self.seconds.first();
                }
            }
        }
        NaiveTime::from_hms_opt(hour, minute, second)
    }

    fn next_minute(&self, hour: u32, minute: u32) -> Option<(u32, u32)> {
        match self.minutes.next_after(minute) {
            Some(minute) => Some((hour, minute)),
            None => Some((self.hours.next_after(hour)?, self.minutes.first())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// The times that follow 2026-01-01T00:00:00Z, a Thursday.
    fn times(expression: &str, count: usize) -> Vec<String> {
        let cron: Cron = expression.parse().unwrap();
        let start = "2026-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp_nanos_opt().unwrap();
        let times = std::iter::successors(cron.next_after(start), |time| cron.next_after(*time));
        times
            .take(count)
            .map(|time| DateTime::from_timestamp_nanos(time).format("%m-%d %H:%M:%S").to_string())
            .collect()
    }

    #[test]
    fn times_of_expressions() {
        for (expression, expected) in [
            ("* * * * *", ["01-01 00:01:00", "01-01 00:02:00", "01-01 00:03:00"]),
            ("*/20 * * * *", ["01-01 00:20:00", "01-01 00:40:00", "01-01 01:00:00"]),
            ("5/20 * * * *", ["01-01 00:05:00", "01-01 00:25:00", "01-01 00:45:00"]),
            ("30 */12 * * * *", ["01-01 00:00:30", "01-01 00:12:30", "01-01 00:24:30"]),
            ("*/25 59 23 * * *", ["01-01 23:59:00", "01-01 23:59:25", "01-01 23:59:50"]),
            ("0 6-8 * * *", ["01-01 06:00:00", "01-01 07:00:00", "01-01 08:00:00"]),
            ("15,45 0 * * *", ["01-01 00:15:00", "01-01 00:45:00", "01-02 00:15:00"]),
            ("0 0 * * mon-FRI", ["01-02 00:00:00", "01-05 00:00:00", "01-06 00:00:00"]),
            ("0 0 * * 7", ["01-04 00:00:00", "01-11 00:00:00", "01-18 00:00:00"]),
            ("0 0 13 * 5", ["01-02 00:00:00", "01-09 00:00:00", "01-13 00:00:00"]),
            ("0 0 31 * *", ["01-31 00:00:00", "03-31 00:00:00", "05-31 00:00:00"]),
            ("0 0 29 feb *", ["02-29 00:00:00", "02-29 00:00:00", "02-29 00:00:00"]),
            ("@hourly", ["01-01 01:00:00", "01-01 02:00:00", "01-01 03:00:00"]),
            ("@daily", ["01-02 00:00:00", "01-03 00:00:00", "01-04 00:00:00"]),
            ("@weekly", ["01-04 00:00:00", "01-11 00:00:00", "01-18 00:00:00"]),
            ("@monthly", ["02-01 00:00:00", "03-01 00:00:00", "04-01 00:00:00"]),
            ("@yearly", ["01-01 00:00:00", "01-01 00:00:00", "01-01 00:00:00"]),
        ] {
            assert_eq!(times(expression, 3), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for expression in ["", "* * * *", "* * * * * * *", "@often"] {
            assert_eq!(expression.parse::<Cron>(), Err(CronError::Fields(expression.to_owned())));
        }
        for expression in [
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "x * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "1, * * * *",
            "-1 * * * *",
            "+1 * * * *",
            "* * * foo *",
            "1-2-3 * * * *",
        ] {
            assert!(matches!(expression.parse::<Cron>(), Err(CronError::Field { .. })), "{expression}");
        }
        assert_eq!("0 0 30 2 *".parse::<Cron>(), Err(CronError::Never("0 0 30 2 *".to_owned())));
    }
}

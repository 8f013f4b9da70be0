//! Times in strings: `'2026-04-01'`, `'2026-04-01 12:30:00.5'`, `'2026-04-01T12:30:00+02:00'`. The parser leaves them
//! strings; the planner knows which strings are compared with `time`, and in which time zone.

/// A time that a string says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLiteral {
    /// A moment: nanoseconds since 1970 in UTC.
    Instant(i128),
    /// What a clock on the wall shows, in nanoseconds since it showed 1970; the moment depends on the time zone.
    Local(i128),
}

/// Why a string is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeLiteralError {
    /// It does not begin like a date, and is compared as the string that it is.
    #[error("not a timestamp string")]
    NotATime,
    /// It begins like a date.
    #[error("invalid timestamp string")]
    Invalid,
}

const SECONDS_PER_DAY: i64 = 86_400;
const NANOSECONDS_PER_SECOND: i128 = 1_000_000_000;

/// How many digits of a fraction of a second count; InfluxDB cuts off what follows.
const FRACTION_DIGITS: usize = 9;

impl TimeLiteral {
    /// The moment in nanoseconds since 1970 in UTC, where the clock on the wall is ahead of UTC by an offset. What is a
    /// moment already does not ask for it.
    pub const fn at_offset(self, offset_seconds: i32) -> i128 {
        match self {
            Self::Instant(nanoseconds) => nanoseconds,
            Self::Local(nanoseconds) => nanoseconds - offset_seconds as i128 * NANOSECONDS_PER_SECOND,
        }
    }
}

/// Reads `YYYY-MM-DD`, `YYYY-MM-DD HH:MM:SS[.fraction]` and RFC 3339.
///
/// # Errors
///
/// It does not look like a time, or does and is none (`2026-02-30`).
pub fn parse_time_literal(text: &str) -> Result<TimeLiteral, TimeLiteralError> {
    let mut reader = Reader { rest: text.as_bytes() };
    let (Some(year), Some(()), Some(month), Some(()), Some(day)) =
        (reader.digits(4), reader.byte(b'-'), reader.digits(2), reader.byte(b'-'), reader.digits(2))
    else {
        return Err(TimeLiteralError::NotATime);
    };
    let time = days(year, month, day).and_then(|days| reader.time_of_day(days * SECONDS_PER_DAY));
    time.ok_or(TimeLiteralError::Invalid)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// What follows the date.
    fn time_of_day(&mut self, date_seconds: i64) -> Option<TimeLiteral> {
        let nanoseconds = |seconds: i64, fraction: i64| {
            i128::from(date_seconds + seconds) * NANOSECONDS_PER_SECOND + i128::from(fraction)
        };
        let Some((separator, rest)) = self.rest.split_first() else {
            return Some(TimeLiteral::Local(nanoseconds(0, 0)));
        };
        self.rest = rest;
        // As in Go, the hour may have one digit.
        let hour = self.digits(2).or_else(|| self.digits(1))?;
        self.byte(b':')?;
        let minute = self.digits(2)?;
        self.byte(b':')?;
        let second = self.digits(2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = hour * 3_600 + minute * 60 + second;
        let fraction = self.fraction()?;
        let offset_seconds = match separator {
            b' ' => None,
            b'T' => Some(self.offset()?),
            _ => return None,
        };
        if !self.rest.is_empty() {
            return None;
        }
        Some(match offset_seconds {
            Some(offset_seconds) => TimeLiteral::Instant(nanoseconds(seconds - offset_seconds, fraction)),
            None => TimeLiteral::Local(nanoseconds(seconds, fraction)),
        })
    }

    /// A fraction of a second in nanoseconds.
    fn fraction(&mut self) -> Option<i64> {
        let Some((b'.' | b',', rest)) = self.rest.split_first() else {
            return Some(0);
        };
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = rest.split_at_checked(count)?;
        self.rest = rest;
        if digits.is_empty() {
            return None;
        }
        let padded = digits.iter().copied().chain(std::iter::repeat(b'0')).take(FRACTION_DIGITS);
        Some(padded.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }

    /// `Z`, `+hh:mm` or `-hh:mm`, in seconds.
    fn offset(&mut self) -> Option<i64> {
        let (sign, rest) = self.rest.split_first()?;
        self.rest = rest;
        let sign = match sign {
            b'Z' => return Some(0),
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let hours = self.digits(2)?;
        self.byte(b':')?;
        let minutes = self.digits(2)?;
        (hours <= 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        (*first == byte).then(|| self.rest = rest)
    }

    /// A number of so many digits.
    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.rest = rest;
        Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }
}

/// Days since 1970-01-01 of a date of the years 0 to 9999, none if there is no such date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last_day = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => return None,
    };
    if !(1..=last_day).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between the first of March of the year 0 and 1970-01-01.
    Some(year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<TimeLiteral, TimeLiteralError>) {
        assert_eq!(parse_time_literal(text), expected, "{text}");
    }

    #[test]
    fn dates_and_times() {
        check("1970-01-01", Ok(TimeLiteral::Local(0)));
        check("2026-04-01", Ok(TimeLiteral::Local(1_775_001_600_000_000_000)));
        check("2024-02-29", Ok(TimeLiteral::Local(1_709_164_800_000_000_000)));
        check("2026-04-01 12:30:00", Ok(TimeLiteral::Local(1_775_046_600_000_000_000)));
        check("2026-04-01 5:30:00", Ok(TimeLiteral::Local(1_775_021_400_000_000_000)));
        check("2026-04-01 12:30:00.5", Ok(TimeLiteral::Local(1_775_046_600_500_000_000)));
        check("2026-04-01 12:30:00.1234567899", Ok(TimeLiteral::Local(1_775_046_600_123_456_789)));
        check("2026-04-01T12:30:00Z", Ok(TimeLiteral::Instant(1_775_046_600_000_000_000)));
        check("2026-04-01T12:30:00.000000001Z", Ok(TimeLiteral::Instant(1_775_046_600_000_000_001)));
        check("2026-04-01T12:30:00+02:00", Ok(TimeLiteral::Instant(1_775_039_400_000_000_000)));
        check("2026-04-01T12:30:00-00:30", Ok(TimeLiteral::Instant(1_775_048_400_000_000_000)));
        check("1677-09-21T00:12:43.145224194Z", Ok(TimeLiteral::Instant(-9_223_372_036_854_775_806)));
        check("0000-01-01", Ok(TimeLiteral::Local(-62_167_219_200_000_000_000)));
        check("9999-12-31T23:59:59Z", Ok(TimeLiteral::Instant(253_402_300_799_000_000_000)));
    }

    #[test]
    fn strings_that_are_no_times() {
        for text in ["", "2026", "x2026-04-01", "2026-4-1", "now", "26-04-01", "2026/04/01"] {
            check(text, Err(TimeLiteralError::NotATime));
        }
        for text in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2026-04-01 ",
            "2026-04-01 12",
            "2026-04-01 12:30",
            "2026-04-01 24:00:00",
            "2026-04-01 12:60:00",
            "2026-04-01 12:30:60",
            "2026-04-01 12:30:00.",
            "2026-04-01 12:30:00Z",
            "2026-04-01T12:30:00",
            "2026-04-01t12:30:00Z",
            "2026-04-01T12:30:00+0200",
            "2026-04-01T12:30:00Zx",
            "2026-04-01é",
        ] {
            check(text, Err(TimeLiteralError::Invalid));
        }
    }

    #[test]
    fn a_clock_on_the_wall_needs_an_offset() {
        assert_eq!(TimeLiteral::Local(0).at_offset(3_600), -3_600_000_000_000);
        assert_eq!(TimeLiteral::Instant(0).at_offset(3_600), 0);
    }
}

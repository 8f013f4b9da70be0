//! Durations: `1h30m`, `10u`, `-5s`.

use std::fmt;

/// Units from the largest to the smallest, as they are printed. Both `u` and `µ` are read.
const UNITS: [(&str, i64); 8] = [
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("u", 1_000),
    ("ns", 1),
];

/// A span of time in nanoseconds. Displays in its largest whole unit: `90m`, not `1h30m`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(
    /// Nanoseconds; negative in `time(1h, -5m)`.
    pub i64,
);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not a sequence of numbers and units.
    #[error("invalid duration")]
    Invalid,
    /// It has more nanoseconds than 64 bits can count.
    #[error("overflowed duration {part}: choose a smaller duration or INF")]
    Overflow {
        /// The number and unit that did not fit.
        part: String,
    },
}

impl Duration {
    /// Reads `[-] digits unit {digits unit}`.
    ///
    /// InfluxDB wraps around where the sum of several parts is too large twice over; here that is an error as well.
    ///
    /// # Errors
    ///
    /// The text is none, or too long a time.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.is_empty() {
            return Err(DurationError::Invalid);
        }
        let mut sum = 0_i64;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let number: i64 = number.parse().map_err(|_| DurationError::Invalid)?;
            let (unit_bytes, unit) = unit(after).ok_or(DurationError::Invalid)?;
            let (name, after) = after.split_at(unit_bytes);
            let part = number.checked_mul(unit).and_then(|part| sum.checked_add(part));
            sum = part.ok_or_else(|| DurationError::Overflow { part: format!("{number}{name}") })?;
            rest = after;
        }
        Ok(Self(if negative { -sum } else { sum }))
    }
}

/// The unit that a text begins with: its length and its nanoseconds.
fn unit(text: &str) -> Option<(usize, i64)> {
    if text.starts_with('µ') {
        return Some(('µ'.len_utf8(), 1_000));
    }
    // Two letters first: `ms` is not `m` followed by `s`.
    let matching = UNITS.iter().filter(|(name, _)| text.starts_with(name));
    matching.max_by_key(|(name, _)| name.len()).map(|(name, unit)| (name.len(), *unit))
}

impl fmt::Display for Duration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return formatter.write_str("0s");
        }
        let whole = UNITS.iter().find(|(_, unit)| self.0 % unit == 0);
        let (name, unit) = whole.copied().unwrap_or(("ns", 1));
        write!(formatter, "{}{name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<i64, &str>) {
        let parsed = Duration::parse(text).map(|duration| duration.0).map_err(|error| error.to_string());
        assert_eq!(parsed, expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn every_unit_and_their_sums() {
        check("10ns", Ok(10));
        check("10u", Ok(10_000));
        check("10µ", Ok(10_000));
        check("15ms", Ok(15_000_000));
        check("100s", Ok(100_000_000_000));
        check("2m", Ok(120_000_000_000));
        check("2h", Ok(7_200_000_000_000));
        check("2d", Ok(172_800_000_000_000));
        check("2w", Ok(1_209_600_000_000_000));
        check("1h30m", Ok(5_400_000_000_000));
        check("30ms3000u", Ok(33_000_000));
        check("-5m30s", Ok(-330_000_000_000));
        check("0s", Ok(0));
    }

    #[test]
    fn what_is_no_duration() {
        for text in ["", "-", "3", "w", "ms", "1.2w", "10x", "10n", "1h30", "1y", "1H", "99999999999999999999s"] {
            check(text, Err("invalid duration"));
        }
        check("15251w", Err("overflowed duration 15251w: choose a smaller duration or INF"));
        check("15250w15250w15250w", Err("overflowed duration 15250w: choose a smaller duration or INF"));
    }

    #[test]
    fn prints_the_largest_whole_unit() {
        for text in ["0s", "3u", "1001u", "15ms", "100s", "90m", "2h", "8d", "2w", "7ns", "-5m"] {
            assert_eq!(Duration::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Duration::parse("7d").unwrap().to_string(), "1w");
        assert_eq!(Duration(i64::MIN).to_string(), "-9223372036854775808ns");
    }
}

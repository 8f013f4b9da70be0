//! The units in which a body may give its times.

/// Unit of the timestamps of a body. The v2 API allows the first four, v1 and v3 all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Nanoseconds.
    #[default]
    Nanosecond,
    /// Microseconds.
    Microsecond,
    /// Milliseconds.
    Millisecond,
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Whatever fits each timestamp, as InfluxDB 3 guesses it: below 5·10⁹ seconds, below 5·10¹² milliseconds, below
    /// 5·10¹⁵ microseconds, otherwise nanoseconds. All but nanoseconds mean times before the year 2128.
    Auto,
}

impl Precision {
    /// Nanoseconds in the unit of this timestamp.
    #[must_use]
    #[inline(always)]
    pub const fn scale_ns(self, timestamp: i64) -> i64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
            Self::Minute => 60 * 1_000_000_000,
            Self::Hour => 3_600 * 1_000_000_000,
            Self::Auto => match timestamp.unsigned_abs() {
                0..5_000_000_000 => 1_000_000_000,
                5_000_000_000..5_000_000_000_000 => 1_000_000,
                5_000_000_000_000..5_000_000_000_000_000 => 1_000,
                _ => 1,
            },
        }
    }

    /// The last whole unit at or before a time in nanoseconds since the epoch; the time itself if that lies beyond
    /// 64 bits.
    #[must_use]
    pub const fn truncate(self, time_ns: i64) -> i64 {
        match time_ns.checked_sub(time_ns.rem_euclid(self.scale_ns(i64::MAX))) {
            Some(truncated) => truncated,
            None => time_ns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Precision;

    #[test]
    fn truncates_towards_the_past() {
        let check = |precision: Precision, time_ns: i64, expected: i64| {
            assert_eq!(precision.truncate(time_ns), expected, "{precision:?} {time_ns}");
        };
        check(Precision::Nanosecond, 1_234_567_891, 1_234_567_891);
        check(Precision::Microsecond, 1_234_567_891, 1_234_567_000);
        check(Precision::Millisecond, 1_234_567_891, 1_234_000_000);
        check(Precision::Second, 1_234_567_891, 1_000_000_000);
        check(Precision::Minute, 61_000_000_000, 60_000_000_000);
        check(Precision::Hour, 7_200_000_000_001, 7_200_000_000_000);
        check(Precision::Second, -1, -1_000_000_000);
        check(Precision::Second, -1_000_000_000, -1_000_000_000);
        check(Precision::Second, i64::MIN, i64::MIN);
        check(Precision::Second, i64::MAX, 9_223_372_036_000_000_000);
        check(Precision::Auto, 1_234_567_891, 1_234_567_891);
    }
}

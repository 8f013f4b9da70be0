//! The Gregorian calendar in UTC, from seconds since 1970.

/// Parts of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
    /// From 1.
    pub(crate) day_of_year: i64,
    /// Sunday is 0.
    pub(crate) day_of_week: i64,
    pub(crate) days_in_month: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
}

/// Days before each month of a year of 365 days, and at its end.
const DAYS_BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days from 1970 to the start of a year.
fn days_before_year(year: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    // 477 leap days lie before 1970.
    (year - 1970) * 365 + leap_days - 477
}

impl Moment {
    /// The moment of some seconds since 1970. Beyond a hundred million years it is the last one there.
    pub(crate) fn of(seconds: i64) -> Self {
        const LARGEST_S: i64 = 3_155_695_200_000_000;
        let seconds = seconds.clamp(-LARGEST_S, LARGEST_S);
        let days = seconds.div_euclid(86_400);
        let of_day = seconds.rem_euclid(86_400);
        let mut year = 1970 + (days * 400).div_euclid(146_097);
        while days_before_year(year) > days {
            year -= 1;
        }
        while days_before_year(year + 1) <= days {
            year += 1;
        }
        let of_year = days - days_before_year(year);
        let leap = i64::from(is_leap(year));
        let before = |month: usize| DAYS_BEFORE[month] + if month >= 2 { leap } else { 0 };
        let month = (1..12).rev().find(|month| before(*month) <= of_year).unwrap_or(0);
        Self {
            year,
            month: month as i64 + 1,
            day: of_year - before(month) + 1,
            day_of_year: of_year + 1,
            day_of_week: (days + 4).rem_euclid(7),
            days_in_month: before(month + 1) - before(month),
            hour: of_day / 3600,
            minute: of_day % 3600 / 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (seconds, date, week, month_days) in [
            (0, (1970, 1, 1, 1), 4, 31),
            (-1, (1969, 12, 31, 365), 3, 31),
            (951_782_400, (2000, 2, 29, 60), 2, 29),
            (1_709_251_199, (2024, 2, 29, 60), 4, 29),
            (1_709_251_200, (2024, 3, 1, 61), 5, 31),
            (4_107_542_400, (2100, 3, 1, 60), 1, 31),
            (-2_203_891_200, (1900, 3, 1, 60), 4, 31),
            (1_735_689_599, (2024, 12, 31, 366), 2, 31),
        ] {
            let moment = Moment::of(seconds);
            assert_eq!((moment.year, moment.month, moment.day, moment.day_of_year), date, "{seconds}");
            assert_eq!((moment.day_of_week, moment.days_in_month), (week, month_days), "{seconds}");
        }
        let moment = Moment::of(1_709_251_199);
        assert_eq!((moment.hour, moment.minute), (23, 59));
    }
}

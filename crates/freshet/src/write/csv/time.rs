//! Times in cells: numbers, RFC 3339, or a layout as Go writes it (`2006-01-02 15:04:05`), in the zone of the table.

use chrono::format::{Fixed, Item, Numeric, Pad, Parsed};
use chrono::{DateTime, FixedOffset, Local, NaiveDateTime, TimeZone};

/// The zone of times that name none.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Zone {
    #[default]
    Utc,
    Fixed(FixedOffset),
    Named(chrono_tz::Tz),
    Local,
}

impl Zone {
    /// `+0100`, `Local` or a name such as `Europe/Prague`; nothing is UTC.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::Utc);
        }
        if text.eq_ignore_ascii_case("local") {
            return Ok(Self::Local);
        }
        let offset = || {
            let (sign, digits) = (text.get(..1)?, text.get(1..)?);
            let number: i32 = digits.parse().ok().filter(|_| digits.len() == 4)?;
            let seconds = number / 100 * 3600 + number % 100 * 60;
            FixedOffset::east_opt(if sign == "-" { -seconds } else { seconds })
        };
        if text.starts_with(['+', '-']) {
            return offset().map(Self::Fixed).ok_or_else(|| format!("the time zone {text:?} is not +hhmm or -hhmm"));
        }
        text.parse().map(Self::Named).map_err(|_| format!("the time zone {text:?} is not known"))
    }

    /// Nanoseconds since 1970 of what a clock in this zone shows; the earlier one of two.
    fn time_ns(self, shown: NaiveDateTime) -> Option<i64> {
        let utc = match self {
            Self::Utc => shown.and_utc(),
            Self::Fixed(offset) => offset.from_local_datetime(&shown).earliest()?.to_utc(),
            Self::Named(zone) => zone.from_local_datetime(&shown).earliest()?.to_utc(),
            Self::Local => Local.from_local_datetime(&shown).earliest()?.to_utc(),
        };
        utc.timestamp_nanos_opt()
    }
}

/// How a column writes times.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TimeFormat {
    /// A number or RFC 3339, whichever it is.
    Any,
    /// A number in the unit of the import.
    Number,
    /// `2006-01-02T15:04:05.999Z`
    Rfc3339,
    /// The parts of a layout.
    Layout(Vec<Item<'static>>),
}

impl TimeFormat {
    /// What stands behind `dateTime:`.
    pub(super) fn parse(format: Option<&str>) -> Result<Self, String> {
        match format {
            None | Some("") => Ok(Self::Any),
            Some("number") => Ok(Self::Number),
            Some("RFC3339" | "RFC3339Nano") => Ok(Self::Rfc3339),
            Some(layout) => items(layout).map(Self::Layout),
        }
    }

    /// The time in units of `unit_ns`.
    pub(super) fn time(&self, text: &str, zone: Zone, unit_ns: i64) -> Result<i64, String> {
        let wrong = || format!("{text:?} is no time that a point can have");
        let number = || text.parse::<i64>().ok();
        let rfc3339 = || DateTime::parse_from_rfc3339(text).ok().and_then(|time| time.timestamp_nanos_opt());
        let time_ns = match self {
            Self::Any | Self::Number if number().is_some() => return number().ok_or_else(wrong),
            Self::Number => None,
            Self::Any | Self::Rfc3339 => rfc3339(),
            Self::Layout(items) => by_layout(items, text, zone),
        };
        let time_ns = time_ns.ok_or_else(wrong)?;
        if time_ns % unit_ns != 0 {
            return Err(format!("{text:?} is more precise than the unit of the times"));
        }
        Ok(time_ns / unit_ns)
    }
}

fn by_layout(items: &[Item<'static>], text: &str, zone: Zone) -> Option<i64> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, items.iter()).ok()?;
    // What the layout leaves out is the beginning: of the year, the month, the day.
    if parsed.month().is_none() && parsed.ordinal().is_none() {
        parsed.set_month(1).ok()?;
    }
    if parsed.day().is_none() && parsed.ordinal().is_none() {
        parsed.set_day(1).ok()?;
    }
    if parsed.hour_mod_12().is_none() && parsed.hour_div_12().is_none() {
        parsed.set_hour(0).ok()?;
    }
    if parsed.minute().is_none() {
        parsed.set_minute(0).ok()?;
    }
    match parsed.offset() {
        Some(_) => parsed.to_datetime().ok()?.timestamp_nanos_opt(),
        None => zone.time_ns(parsed.to_naive_datetime_with_offset(0).ok()?),
    }
}

/// The parts of Go's reference time, the longer ones first where one begins as another.
const PARTS: [(&str, Item<'static>); 26] = [
    ("January", Item::Fixed(Fixed::LongMonthName)),
    ("Jan", Item::Fixed(Fixed::ShortMonthName)),
    ("Monday", Item::Fixed(Fixed::LongWeekdayName)),
    ("Mon", Item::Fixed(Fixed::ShortWeekdayName)),
    ("2006", Item::Numeric(Numeric::Year, Pad::Zero)),
    ("-07:00", Item::Fixed(Fixed::TimezoneOffsetColon)),
    ("-0700", Item::Fixed(Fixed::TimezoneOffset)),
    ("Z07:00", Item::Fixed(Fixed::TimezoneOffsetColonZ)),
    ("Z0700", Item::Fixed(Fixed::TimezoneOffsetZ)),
    ("002", Item::Numeric(Numeric::Ordinal, Pad::Zero)),
    ("01", Item::Numeric(Numeric::Month, Pad::Zero)),
    ("02", Item::Numeric(Numeric::Day, Pad::Zero)),
    ("03", Item::Numeric(Numeric::Hour12, Pad::Zero)),
    ("04", Item::Numeric(Numeric::Minute, Pad::Zero)),
    ("05", Item::Numeric(Numeric::Second, Pad::Zero)),
    ("06", Item::Numeric(Numeric::YearMod100, Pad::Zero)),
    ("15", Item::Numeric(Numeric::Hour, Pad::Zero)),
    ("PM", Item::Fixed(Fixed::UpperAmPm)),
    ("pm", Item::Fixed(Fixed::LowerAmPm)),
    ("_2", Item::Numeric(Numeric::Day, Pad::Space)),
    ("1", Item::Numeric(Numeric::Month, Pad::None)),
    ("2", Item::Numeric(Numeric::Day, Pad::None)),
    ("3", Item::Numeric(Numeric::Hour12, Pad::None)),
    ("4", Item::Numeric(Numeric::Minute, Pad::None)),
    ("5", Item::Numeric(Numeric::Second, Pad::None)),
    ("6", Item::Numeric(Numeric::YearMod100, Pad::None)),
];

fn items(layout: &str) -> Result<Vec<Item<'static>>, String> {
    let refuse = |cause: &str| Err(format!("the layout {layout:?} of times {cause}"));
    let mut items: Vec<Item<'static>> = Vec::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("MST") {
            return refuse("has a zone by its abbreviation, which may mean several");
        }
        if let Some((part, item)) = PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            items.push(item.clone());
            rest = rest.get(part.len()..).unwrap_or_default();
            continue;
        }
        let digits = rest.get(1..).map_or(0, |behind| behind.len() - behind.trim_start_matches(['0', '9']).len());
        if first == '.' && digits > 0 {
            items.push(Item::Fixed(Fixed::Nanosecond));
            rest = rest.get(1 + digits..).unwrap_or_default();
            continue;
        }
        items.push(Item::OwnedLiteral(first.to_string().into()));
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    let has_year = items.iter().any(|item| matches!(item, Item::Numeric(Numeric::Year | Numeric::YearMod100, _)));
    if has_year { Ok(items) } else { refuse("has no year") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn layouts_of_go_and_zones() {
        let time = |format, zone, text| TimeFormat::parse(Some(format))?.time(text, Zone::parse(zone)?, 1);
        let day_ns = 86_400_000_000_000;
        for (format, zone, text, expected) in [
            ("2006-01-02", "", "1970-01-02", Ok(day_ns)),
            ("2006-01-02", "-0500", "1970-01-01", Ok(5 * 3_600_000_000_000)),
            ("2006-01-02", "Europe/Prague", "1970-01-02", Ok(day_ns - 3_600_000_000_000)),
            ("2006-01-02 15:04:05.000", "", "1970-01-01 00:00:01.5", Ok(1_500_000_000)),
            ("2006-01-02 15:04:05", "", "1970-01-01 00:00:01.25", Err("is no time")),
            ("02/01/06 03:04 PM", "", "02/01/70 01:00 PM", Ok(day_ns + 13 * 3_600_000_000_000)),
            ("Jan _2 2006", "", "Jan  2 1970", Ok(day_ns)),
            ("2006-01-02T15:04:05Z07:00", "+0100", "1970-01-01T00:00:00-01:00", Ok(3_600_000_000_000)),
            ("2006-01-02T15:04:05Z07:00", "+0100", "1970-01-01T00:00:01Z", Ok(1_000_000_000)),
            ("2006002", "", "1970002", Ok(day_ns)),
            ("number", "", "-5", Ok(-5)),
            ("number", "", "1970-01-01T00:00:00Z", Err("is no time")),
            ("RFC3339", "", "1970-01-01T00:00:01Z", Ok(1_000_000_000)),
            ("RFC3339", "", "5", Err("is no time")),
            ("15:04", "", "10:00", Err("has no year")),
            ("2006 MST", "", "x", Err("abbreviation")),
            ("number", "nowhere", "1", Err("is not known")),
            ("number", "+1", "1", Err("is not +hhmm")),
        ] {
            match (time(format, zone, text), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{format} {text}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{format} {text}: {found}"),
                other => panic!("{format} {text}: {other:?}"),
            }
        }
        let seconds = |text| TimeFormat::Any.time(text, Zone::Utc, 1_000_000_000);
        assert_eq!((seconds("7"), seconds("1970-01-01T00:00:07Z")), (Ok(7), Ok(7)));
        assert!(seconds("1970-01-01T00:00:07.5Z").unwrap_err().contains("more precise"));
    }
}

//! Names and literals.

use chrono::{DateTime, FixedOffset};

use super::Meta;

/// A name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Identifier {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The name.
    pub name: String,
}

/// An integer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IntegerLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Its value.
    pub value: i64,
}

/// An unsigned integer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UnsignedIntegerLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Its value.
    pub value: u64,
}

/// A number with a point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FloatLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Its value.
    pub value: f64,
}

/// A string without interpolation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StringLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The text with escapes resolved.
    pub value: String,
}

/// `.name` or `."name"` where a value is expected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The label without its point.
    pub value: String,
}

/// A truth value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BooleanLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Its value.
    pub value: bool,
}

/// One part of a duration: `30m`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Duration {
    /// How many.
    pub magnitude: i64,
    /// Of what.
    pub unit: DurationUnit,
}

/// The units of a duration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DurationUnit {
    /// `y`: 12 months.
    Year,
    /// `mo`
    Month,
    /// `w`: 7 days.
    Week,
    /// `d`: 24 hours.
    Day,
    /// `h`
    Hour,
    /// `m`
    Minute,
    /// `s`
    Second,
    /// `ms`
    Millisecond,
    /// `us` or `µs`
    Microsecond,
    /// `ns`
    #[default]
    Nanosecond,
}

/// A span of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DurationLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// Its parts as written; they add up.
    pub values: Vec<Duration>,
}

/// A moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DateTimeLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The moment, with the offset as written; a date alone is its midnight in UTC.
    pub value: DateTime<FixedOffset>,
}

/// A regular expression. Whether it is a valid one is for its user to say: it needs an engine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegexpLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
    /// The pattern without its slashes, `\/` resolved.
    pub value: String,
}

/// `<-`: the parameter that takes the piped value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PipeLiteral {
    /// Place, comments, errors.
    pub meta: Meta,
}

/// Each unit with its text.
const UNITS: [(DurationUnit, &str); 10] = [
    (DurationUnit::Year, "y"),
    (DurationUnit::Month, "mo"),
    (DurationUnit::Week, "w"),
    (DurationUnit::Day, "d"),
    (DurationUnit::Hour, "h"),
    (DurationUnit::Minute, "m"),
    (DurationUnit::Second, "s"),
    (DurationUnit::Millisecond, "ms"),
    (DurationUnit::Microsecond, "us"),
    (DurationUnit::Nanosecond, "ns"),
];

impl DurationUnit {
    /// The unit as written.
    pub fn as_str(self) -> &'static str {
        UNITS.iter().find(|(unit, _)| *unit == self).map_or("", |(_, text)| text)
    }

    /// The unit with this text.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = if text == "µs" { "us" } else { text };
        UNITS.iter().find(|(_, candidate)| *candidate == text).map(|(unit, _)| *unit)
    }
}

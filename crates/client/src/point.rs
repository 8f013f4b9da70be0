//! One point, built from parts and written as a line of line protocol with exact escaping.
//!
//! What line protocol cannot express is an error here rather than other data there. Nothing is sent from this module.

use std::fmt::{self, Write};
use std::time::SystemTime;

use crate::write::Precision;

/// The largest distance from 1970 that InfluxDB stores, in nanoseconds: two below the largest of 64 bits.
const TIMESTAMP_NS_MAX: i64 = i64::MAX - 1;

/// Tag keys that InfluxDB keeps for itself.
const RESERVED_TAG_KEYS: [&str; 4] = ["_field", "_measurement", "time", "\0"];

/// The field key that InfluxDB keeps for itself.
const RESERVED_FIELD_KEY: &str = "time";

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FieldValue {
    /// A finite number of 64 bits.
    Float(f64),
    /// A signed integer, `42i` in line protocol.
    Integer(i64),
    /// An unsigned integer, `42u` in line protocol.
    Unsigned(u64),
    /// Text, at most 1 MiB on most servers.
    Text(String),
    /// True or false.
    Boolean(bool),
}

macro_rules! field_value_from {
    ($($source:ty => $variant:ident),* $(,)?) => {
        $(impl From<$source> for FieldValue {
            fn from(value: $source) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

field_value_from! {
    f32 => Float, f64 => Float,
    i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer,
    u8 => Unsigned, u16 => Unsigned, u32 => Unsigned, u64 => Unsigned,
    String => Text, &str => Text,
    bool => Boolean,
}

/// Which name of a point an error speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameKind {
    /// The measurement.
    Measurement,
    /// The key of a tag.
    TagKey,
    /// The value of a tag.
    TagValue,
    /// The key of a field.
    FieldKey,
}

impl fmt::Display for NameKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Measurement => "measurement",
            Self::TagKey => "tag key",
            Self::TagValue => "tag value",
            Self::FieldKey => "field key",
        })
    }
}

/// Why a point cannot be written as line protocol.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PointError {
    /// A measurement or a key is empty.
    #[error("an empty {kind}")]
    EmptyName {
        /// Which name.
        kind: NameKind,
    },
    /// A name has a line feed, which ends a line and has no escape.
    #[error("a line feed in the {kind} {name:?}")]
    LineFeed {
        /// Which name.
        kind: NameKind,
        /// The name.
        name: String,
    },
    /// A name ends in a backslash, which would escape the delimiter that follows.
    #[error("a backslash at the end of the {kind} {name:?}")]
    TrailingBackslash {
        /// Which name.
        kind: NameKind,
        /// The name.
        name: String,
    },
    /// A measurement starts with `#` (a comment), or a measurement or field key with a tab or U+0000 (skipped).
    #[error("the {kind} {name:?} starts with a character that is not read there")]
    IllegalStart {
        /// Which name.
        kind: NameKind,
        /// The name.
        name: String,
    },
    /// The name has a meaning of its own: `time`, `_field`, `_measurement`.
    #[error("the {kind} {name:?} is reserved")]
    Reserved {
        /// Which name.
        kind: NameKind,
        /// The name.
        name: String,
    },
    /// Two tags or two fields share a key.
    #[error("the {kind} {name:?} is given twice")]
    Duplicate {
        /// Which name.
        kind: NameKind,
        /// The name.
        name: String,
    },
    /// NaN or an infinity, which line protocol cannot express.
    #[error("the field {name:?} is {value}, not a finite number")]
    NotFinite {
        /// The key of the field.
        name: String,
        /// Its value.
        value: f64,
    },
    /// A point needs at least one field.
    #[error("no field")]
    NoFields,
    /// The time is outside 1677-09-21 to 2262-04-11.
    #[error("the time is out of range")]
    TimeOutOfRange,
}

/// One point, known to be well-formed.
///
/// ```
/// use freshet_client::{Point, Precision};
///
/// let point = Point::builder("cpu load")
///     .tag("host", "web=1")
///     .field("user", 0.25)
///     .field("cores", 8_u32)
///     .field("note", r#"a "quoted" word"#)
///     .timestamp_ns(1_700_000_000_123_456_789)
///     .build()?;
/// assert_eq!(
///     point.to_line(Precision::Milliseconds),
///     r#"cpu\ load,host=web\=1 user=0.25,cores=8u,note="a \"quoted\" word" 1700000000123"#,
/// );
/// # Ok::<(), freshet_client::PointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// Measurement, tag set and field set in line protocol.
    series_and_fields: String,
    timestamp_ns: Option<i64>,
}

impl Point {
    /// Starts a point of a measurement.
    pub fn builder(measurement: impl Into<String>) -> PointBuilder {
        PointBuilder { measurement: measurement.into(), tags: Vec::new(), fields: Vec::new(), time: Time::Absent }
    }

    /// The time in nanoseconds since 1970, or `None` where the time of writing counts.
    #[must_use]
    pub fn timestamp_ns(&self) -> Option<i64> {
        self.timestamp_ns
    }

    /// The line of line protocol, without a line feed; the time, if there is one, rounded down to the precision.
    #[must_use]
    pub fn to_line(&self, precision: Precision) -> String {
        let mut line = String::with_capacity(self.series_and_fields.len() + 20);
        self.write_line(&mut line, precision, None);
        line
    }

    /// Appends the line; `default_timestamp` is in units of `precision`.
    pub(crate) fn write_line(&self, line: &mut String, precision: Precision, default_timestamp: Option<i64>) {
        line.push_str(&self.series_and_fields);
        if let Some(timestamp) = self.timestamp_ns.map(|ns| precision.convert_ns(ns)).or(default_timestamp) {
            push(line, format_args!(" {timestamp}"));
        }
    }
}

/// Line protocol with nanoseconds.
impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_line(Precision::Nanoseconds))
    }
}

/// The time as the caller gave it; judged when the point is built.
#[derive(Debug, Clone, Copy)]
enum Time {
    Absent,
    Nanoseconds(i64),
    System(SystemTime),
}

/// Collects the parts of a [`Point`]; [`build`](Self::build) judges them all.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct PointBuilder {
    measurement: String,
    tags: Vec<(String, String)>,
    fields: Vec<(String, FieldValue)>,
    time: Time,
}

impl PointBuilder {
    /// Adds a tag. An empty value is the same as no tag, and is left out.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.tags.push((key.into(), value));
        }
        self
    }

    /// Adds a field. Signed integers become [`FieldValue::Integer`], unsigned ones [`FieldValue::Unsigned`].
    pub fn field(mut self, key: impl Into<String>, value: impl Into<FieldValue>) -> Self {
        self.fields.push((key.into(), value.into()));
        self
    }

    /// Sets the time, in nanoseconds since 1970.
    pub fn timestamp_ns(mut self, timestamp_ns: i64) -> Self {
        self.time = Time::Nanoseconds(timestamp_ns);
        self
    }

    /// Sets the time.
    pub fn timestamp(mut self, time: SystemTime) -> Self {
        self.time = Time::System(time);
        self
    }

    /// The point, with its tags in order of their keys, as servers store them.
    ///
    /// # Errors
    ///
    /// A name or value that line protocol cannot express or servers refuse, see [`PointError`].
    pub fn build(mut self) -> Result<Point, PointError> {
        self.tags.sort_unstable();
        self.check_names()?;
        let mut line = String::with_capacity(self.measurement.len() + 24 * (self.tags.len() + self.fields.len()));
        push_escaped(&mut line, &self.measurement, &[',', ' ']);
        for (key, value) in &self.tags {
            line.push(',');
            push_escaped(&mut line, key, &[',', '=', ' ']);
            line.push('=');
            push_escaped(&mut line, value, &[',', '=', ' ']);
        }
        let mut separator = ' ';
        for (key, value) in &self.fields {
            line.push(separator);
            push_escaped(&mut line, key, &[',', '=', ' ']);
            line.push('=');
            push_value(&mut line, key, value)?;
            separator = ',';
        }
        Ok(Point { series_and_fields: line, timestamp_ns: timestamp_ns(self.time)? })
    }

    fn check_names(&self) -> Result<(), PointError> {
        check_name(NameKind::Measurement, &self.measurement)?;
        let mut previous = None;
        for (key, value) in &self.tags {
            check_name(NameKind::TagKey, key)?;
            check_name(NameKind::TagValue, value)?;
            if RESERVED_TAG_KEYS.contains(&key.as_str()) {
                return Err(PointError::Reserved { kind: NameKind::TagKey, name: key.clone() });
            }
            if previous == Some(key) {
                return Err(PointError::Duplicate { kind: NameKind::TagKey, name: key.clone() });
            }
            previous = Some(key);
        }
        let mut keys = Vec::with_capacity(self.fields.len());
        for (key, _) in &self.fields {
            check_name(NameKind::FieldKey, key)?;
            if key == RESERVED_FIELD_KEY {
                return Err(PointError::Reserved { kind: NameKind::FieldKey, name: key.clone() });
            }
            keys.push(key);
        }
        keys.sort_unstable();
        if let Some([key, _]) = keys.array_windows().find(|[left, right]| left == right) {
            return Err(PointError::Duplicate { kind: NameKind::FieldKey, name: (*key).clone() });
        }
        if keys.is_empty() { Err(PointError::NoFields) } else { Ok(()) }
    }
}

/// Refuses what has no escape in line protocol; see the grammar in the InfluxDB documentation.
fn check_name(kind: NameKind, name: &str) -> Result<(), PointError> {
    let owned = || name.to_owned();
    let skipped_at_start: &[char] = match kind {
        NameKind::Measurement => &['#', '\t', '\0'],
        NameKind::FieldKey => &['\t', '\0'],
        NameKind::TagKey | NameKind::TagValue => &[],
    };
    if name.is_empty() {
        return Err(PointError::EmptyName { kind });
    }
    if name.contains('\n') {
        return Err(PointError::LineFeed { kind, name: owned() });
    }
    if name.ends_with('\\') {
        return Err(PointError::TrailingBackslash { kind, name: owned() });
    }
    if name.starts_with(skipped_at_start) {
        return Err(PointError::IllegalStart { kind, name: owned() });
    }
    Ok(())
}

/// A backslash goes before each special character and nowhere else: others stand for themselves in names.
fn push_escaped(line: &mut String, name: &str, special: &[char]) {
    for character in name.chars() {
        if special.contains(&character) {
            line.push('\\');
        }
        line.push(character);
    }
}

fn push_value(line: &mut String, key: &str, value: &FieldValue) -> Result<(), PointError> {
    match value {
        FieldValue::Float(number) if !number.is_finite() => {
            return Err(PointError::NotFinite { name: key.to_owned(), value: *number });
        }
        // The debug form is the shortest that reads back as the same number, with an exponent where that is shorter.
        FieldValue::Float(number) => push(line, format_args!("{number:?}")),
        FieldValue::Integer(number) => push(line, format_args!("{number}i")),
        FieldValue::Unsigned(number) => push(line, format_args!("{number}u")),
        FieldValue::Boolean(value) => push(line, format_args!("{value}")),
        FieldValue::Text(text) => {
            line.push('"');
            push_escaped(line, text, &['"', '\\']);
            line.push('"');
        }
    }
    Ok(())
}

/// Formatting into a `String` cannot fail; this is the one place that relies on it.
fn push(line: &mut String, arguments: fmt::Arguments<'_>) {
    let formatted = line.write_fmt(arguments);
    debug_assert!(formatted.is_ok());
}

fn timestamp_ns(time: Time) -> Result<Option<i64>, PointError> {
    let timestamp_ns = match time {
        Time::Absent => return Ok(None),
        Time::Nanoseconds(timestamp_ns) => Some(timestamp_ns),
        Time::System(time) => system_time_to_ns(time),
    };
    match timestamp_ns {
        Some(ns) if (-TIMESTAMP_NS_MAX..=TIMESTAMP_NS_MAX).contains(&ns) => Ok(Some(ns)),
        _ => Err(PointError::TimeOutOfRange),
    }
}

/// Nanoseconds since 1970, where 64 bits hold them.
pub(crate) fn system_time_to_ns(time: SystemTime) -> Option<i64> {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|ns| -ns),
    }
}

#[cfg(test)]
mod tests;

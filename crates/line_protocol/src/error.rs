//! Why a line was not stored: the causes of bad lines in InfluxDB's own words, and the reasons for which a point that
//! parses is still dropped or stripped. Errors are data here; nothing in this crate returns `Err` to its caller.

use std::fmt;

/// Why a line is not a point. The texts are those of InfluxDB 2 where it has one, because scripts match on them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The line starts with a comma.
    #[error("missing measurement")]
    MissingMeasurement,
    /// The line ends after the measurement and tags.
    #[error("missing fields")]
    MissingFields,
    /// A comma of the tag set is followed by nothing, a blank, a comma or `=`.
    #[error("missing tag key")]
    MissingTagKey,
    /// A tag has no `=`, or nothing after it.
    #[error("missing tag value")]
    MissingTagValue,
    /// A tag value holds an unescaped `=`.
    #[error("invalid tag format")]
    InvalidTagFormat,
    /// The same tag key occurs twice.
    #[error("duplicate tags")]
    DuplicateTags,
    /// The tag key is one that the store uses itself.
    #[error("cannot use reserved tag key {}", quoted(.0))]
    ReservedTagKey(
        /// The key.
        String,
    ),
    /// A field starts with `=`.
    #[error("missing field key")]
    MissingFieldKey,
    /// Nothing follows the `=` of a field.
    #[error("missing field value")]
    MissingFieldValue,
    /// A field has no `=`.
    #[error("invalid field format")]
    InvalidFieldFormat,
    /// A string has no closing quote.
    #[error("unbalanced quotes")]
    UnbalancedQuotes,
    /// Something follows the closing quote of a string (InfluxDB stores garbage here).
    #[error("text after closing quote")]
    TextAfterQuote,
    /// A value that begins like a number is none.
    #[error("invalid number")]
    InvalidNumber,
    /// A float is malformed or larger than 64 bits can hold.
    #[error("invalid float")]
    InvalidFloat,
    /// A value is neither number, string nor boolean.
    #[error("invalid boolean")]
    InvalidBoolean,
    /// An integer does not fit 64 bits.
    #[error("unable to parse integer {0}: strconv.ParseInt: parsing \"{0}\": value out of range")]
    IntegerOutOfRange(
        /// Its digits.
        String,
    ),
    /// An unsigned integer does not fit 64 bits.
    #[error("unable to parse unsigned {0}: strconv.ParseUint: parsing \"{0}\": value out of range")]
    UnsignedOutOfRange(
        /// Its digits.
        String,
    ),
    /// The timestamp is not a decimal integer.
    #[error("bad timestamp")]
    BadTimestamp,
    /// The timestamp is a lone minus sign.
    #[error("strconv.ParseInt: parsing \"-\": invalid syntax")]
    TimestampWithoutDigits,
    /// The timestamp does not fit 64 bits.
    #[error("strconv.ParseInt: parsing \"{0}\": value out of range")]
    TimestampOutOfRange(
        /// Its digits.
        String,
    ),
    /// The timestamp in its precision lies outside what 64 bits of nanoseconds can hold.
    #[error("time outside range -9223372036854775806 - 9223372036854775806")]
    TimeOutOfRange,
    /// Text follows the timestamp.
    #[error("point is invalid")]
    InvalidPoint,
    /// The series key, with the field key where that is what makes it too long.
    #[error("max key length exceeded: {bytes} > {limit}")]
    KeyTooLong {
        /// Its length, counted as InfluxDB counts it.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The line is longer than [`crate::Limits::line_bytes`].
    #[error("max line length exceeded: {bytes} > {limit}")]
    LineTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The line holds bytes that are not UTF-8.
    #[error("invalid UTF-8")]
    InvalidUtf8,
    /// A measurement would have more columns than [`crate::Limits::fields`] allows.
    #[error("too many distinct fields of a measurement in one batch: more than {limit}")]
    TooManyFields {
        /// The limit.
        limit: usize,
    },
    /// The body is longer than [`crate::limits::BODY_BYTES_MAX`]; reported for line 1, nothing is parsed.
    #[error("max body length exceeded: {bytes} > {limit}")]
    BodyTooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

/// A bad line. Displays as `unable to parse '<line>': <cause>`, the words of InfluxDB.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unable to parse '{text}': {cause}")]
pub struct LineError {
    /// Line number, from 1. Blank lines and comments count; a line break inside a string does not.
    pub line: u32,
    /// Byte position within the line where the parser gave up, from 1.
    pub column: u32,
    /// Why.
    pub cause: Cause,
    /// The line without leading blanks, cut to [`crate::Limits::reported_line_bytes`] (an ellipsis marks the cut).
    pub text: String,
}

/// A point that parses but cannot be stored; InfluxDB reports it as a partial write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedPoint {
    /// Line number, from 1.
    pub line: u32,
    /// Why.
    pub reason: DropReason,
}

/// Why a point was dropped. Displays as the reason that InfluxDB puts into its partial-write message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DropReason {
    /// A string field is longer than [`crate::Limits::string_bytes`].
    #[error("input field \"{field}\" on measurement \"{measurement}\" is too long, {bytes} > {limit}")]
    StringTooLong {
        /// The measurement, unescaped.
        measurement: String,
        /// The field key, unescaped.
        field: String,
        /// Length of the unescaped string.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The only field is called `time`, which is the name of the time column.
    #[error("invalid field name: input field \"time\" on measurement \"{measurement}\" is invalid")]
    OnlyFieldIsTime {
        /// The measurement, unescaped.
        measurement: String,
    },
}

/// A field called `time` that was left out of a point; the rest of the point is kept. Displays as InfluxDB's reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid field name: input field \"time\" on measurement \"{measurement}\" is invalid. \
     Field \"time\" has been stripped from point."
)]
pub struct StrippedField {
    /// Line number, from 1.
    pub line: u32,
    /// The measurement, unescaped.
    pub measurement: String,
}

/// Quotes a reserved tag key as Go's `%q` does, which is what InfluxDB prints.
fn quoted(name: &str) -> impl fmt::Display {
    fmt::from_fn(move |formatter| {
        use fmt::Write as _;
        formatter.write_char('"')?;
        for character in name.chars() {
            match character {
                other if other.is_ascii_control() => write!(formatter, "\\x{:02x}", u32::from(other))?,
                other => formatter.write_char(other)?,
            }
        }
        formatter.write_char('"')
    })
}

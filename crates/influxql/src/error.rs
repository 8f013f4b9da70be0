//! Why a text is not InfluxQL, in the words of InfluxDB 1.x, because scripts and clients match on them.

use std::fmt;

use crate::duration::DurationError;
use crate::limits::QUOTED_BYTES_MAX;

/// What InfluxDB 1.x writes in front of a [`ParseError`] in the answer to a query.
pub const PARSE_ERROR_PREFIX: &str = "error parsing query: ";

/// A place in the text. Lines and characters count from 1; a character is a Unicode scalar value, and `\r\n` is one.
///
/// As in InfluxDB, a string and a regular expression stand one character before their quote, and the end of the text
/// one behind where it is after a word or a blank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in its line.
    pub character: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}, char {}", self.line, self.character)
    }
}

/// Why a text was refused. Displays as InfluxDB's sentence, without [`PARSE_ERROR_PREFIX`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentence of each variant says what its fields are")]
pub enum ParseError {
    /// The grammar asks for something else here.
    #[error("found {found}, expected {expected} at {position}")]
    Unexpected { found: String, expected: String, position: Position },
    /// A regular expression has no closing slash in its line.
    #[error("bad regex:  at {position}")]
    UnclosedRegex { position: Position },
    /// A regular expression does not compile.
    #[error("{message} at {position}")]
    InvalidRegex { message: String, position: Position },
    /// An integer does not fit 64 bits.
    #[error("unable to parse integer at {position}")]
    IntegerTooLarge { position: Position },
    /// A number is larger than a float can be.
    #[error("unable to parse number at {position}")]
    NumberTooLarge { position: Position },
    /// An integer with a minus sign does not fit 64 bits.
    #[error("constant -{magnitude} underflows int64")]
    IntegerUnderflow { magnitude: u64 },
    /// A duration in an expression.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// A duration in an option of a statement.
    #[error("{cause} at {position}")]
    DurationOption { cause: DurationError, position: Position },
    /// A number in an option does not fit its type.
    #[error("strconv.{function}: parsing \"{digits}\": value out of range at {position}")]
    OptionTooLarge { function: &'static str, digits: String, position: Position },
    /// A number in an option lies outside its range.
    #[error("invalid value {value}: must be {minimum} <= n <= {maximum} at {position}")]
    OptionOutOfRange { value: i64, minimum: i64, maximum: i64, position: Position },
    /// A negative number, which only a parameter can be, behind `LIMIT` and its like.
    #[error("{clause} must be >= 0 at {position}")]
    NegativeCount { clause: &'static str, position: Position },
    /// An option is given twice.
    #[error("found duplicate {option} option at {position}")]
    DuplicateOption { option: &'static str, position: Position },
    /// A shard cannot last for ever.
    #[error("invalid duration INF for shard duration at {position}")]
    InfiniteShardDuration { position: Position },
    /// A name has more than three parts. InfluxDB gives no better place.
    #[error("too many segments in {name} at line 1, char 1")]
    TooManySegments { name: String },
    /// `DELETE` and `DROP SERIES` work on one database.
    #[error("database not supported at line 1, char 1")]
    DatabaseNotSupported,
    /// `DROP SERIES` works on all retention policies.
    #[error("retention policy not supported at line 1, char 1")]
    RetentionPolicyNotSupported,
    /// A comparison in the list of fields.
    #[error("invalid operator {operator} in SELECT clause at {position}; operator is intended for WHERE clause")]
    OperatorInField { operator: crate::Operator, position: Position },
    /// Rows are ordered by time only.
    #[error("only ORDER BY time supported at this time")]
    OrderByOther,
    /// `fill` without parentheses.
    #[error("fill must be a function call")]
    FillNotCall,
    /// `fill()`, or with more than one argument.
    #[error("fill requires an argument, e.g.: 0, null, none, previous, linear")]
    FillArguments,
    /// `fill` of a name that it does not know.
    #[error("expected number argument in fill()")]
    FillNotNumber,
    /// `tz` without parentheses.
    #[error("tz must be a function call")]
    ZoneNotCall,
    /// `tz()`, or with more than one argument.
    #[error("tz requires exactly one argument")]
    ZoneArguments,
    /// `tz` of something else than a string.
    #[error("expected string argument in tz()")]
    ZoneNotString,
    /// A time zone that [`crate::ParseOptions::zone_exists`] does not know.
    #[error("unable to find time zone {name}")]
    UnknownZone { name: String },
    /// A continuous query would look back less than one of its windows.
    #[error("FOR duration must be >= GROUP BY time duration: must be a minimum of {minimum}, got {given}")]
    ResampleTooShort { minimum: crate::Duration, given: crate::Duration },
    /// A `$` without a name.
    #[error("empty bound parameter")]
    EmptyParameter,
    /// A parameter that the request does not give.
    #[error("missing parameter: {name}")]
    MissingParameter { name: String },
    /// A parameter whose value is of no use.
    #[error("{message}")]
    InvalidParameter { message: String },
    /// The text is longer than [`crate::Limits::text_bytes`].
    #[error("query too long: {bytes} > {limit} bytes")]
    TextTooLong { bytes: usize, limit: usize },
    /// More statements than [`crate::Limits::statements`].
    #[error("too many statements in one query: more than {limit}")]
    TooManyStatements { limit: usize },
    /// Nested deeper than [`crate::Limits::nesting`].
    #[error("nested too deep: more than {limit} levels at {position}")]
    NestedTooDeep { limit: usize, position: Position },
    /// An expression higher than [`crate::Limits::height`].
    #[error("expression too long: more than {limit} operators at {position}")]
    ExpressionTooLong { limit: usize, position: Position },
}

/// A part of the text as an error quotes it.
pub(crate) fn quoted(text: &str) -> String {
    if text.len() <= QUOTED_BYTES_MAX {
        return text.to_owned();
    }
    let cut = text.floor_char_boundary(QUOTED_BYTES_MAX);
    format!("{}…", text.get(..cut).unwrap_or_default())
}

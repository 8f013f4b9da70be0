//! The values of a script: scalars, collections, functions and streams of tables.
//!
//! A value is cheap to clone: what may be large is shared. Null has no type of its own; columns have.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use super::duration::Duration;
use super::function::Function;
pub use super::library::regexp::Regexp;
use super::package::Package;
use super::stream::Stream;
use super::table::Table;

/// Text that many values share.
pub type Text = Arc<str>;

/// A value.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Not there.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A floating-point number.
    Float(f64),
    /// A text.
    String(Text),
    /// A moment in nanoseconds since 1970.
    Time(i64),
    /// A span of time.
    Duration(Duration),
    /// A compiled regular expression.
    Regexp(Arc<Regexp>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// Values of one type.
    Array(Arc<Vec<Value>>),
    /// Named values.
    Record(Record),
    /// Values by key, sorted by key.
    Dict(Arc<Vec<(Value, Value)>>),
    /// Something to call.
    Function(Function),
    /// A stream of tables that is not yet read.
    Stream(Stream),
    /// One table, as `tableFind` gives it.
    Table(Arc<Table>),
    /// An imported package.
    Package(Arc<Package>),
}

/// Named values: those of a record, or those of a row without copying it.
#[derive(Debug, Clone)]
pub enum Record {
    /// In the order in which they were given; no name twice.
    Fields(Arc<Vec<(Text, Value)>>),
    /// The columns of a row.
    Row(Arc<Table>, usize),
}

impl Record {
    /// A record of these values.
    #[must_use]
    pub fn new(fields: Vec<(Text, Value)>) -> Self {
        Self::Fields(Arc::new(fields))
    }

    /// The value of that name; none if there is none, which is something else than null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value> {
        match self {
            Self::Fields(fields) => fields.iter().find(|(known, _)| **known == *name).map(|(_, value)| value.clone()),
            Self::Row(table, row) => table.column(name).map(|column| column.value(*row)),
        }
    }

    /// All names and values.
    #[must_use]
    pub fn fields(&self) -> Vec<(Text, Value)> {
        match self {
            Self::Fields(fields) => fields.to_vec(),
            Self::Row(table, row) => {
                let field = |column: &super::table::Column| (Arc::clone(&column.label), column.data.value(*row));
                table.columns().iter().map(field).collect()
            }
        }
    }
}

impl Value {
    /// A text.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::String(Arc::from(text.as_ref()))
    }

    /// A list of texts.
    #[must_use]
    pub fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::Array(Arc::new(texts.into_iter().map(Value::text).collect()))
    }

    /// Whether it is not there.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The type in a word, as messages have it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Time(_) => "time",
            Self::Duration(_) => "duration",
            Self::Regexp(_) => "regexp",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "array",
            Self::Record(_) => "object",
            Self::Dict(_) => "dictionary",
            Self::Function(_) => "function",
            Self::Stream(_) => "stream",
            Self::Table(_) => "table",
            Self::Package(_) => "package",
        }
    }

    /// The numeric value of an int, uint or float.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "what Flux does too")]
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::UInt(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    /// Which comes first, for values of one type and for numbers; none for what has no order.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Int(left), Self::Int(right)) | (Self::Time(left), Self::Time(right)) => Some(left.cmp(right)),
            (Self::UInt(left), Self::UInt(right)) => Some(left.cmp(right)),
            (Self::Int(left), Self::UInt(right)) => Some(compare_mixed(*left, *right)),
            (Self::UInt(left), Self::Int(right)) => Some(compare_mixed(*right, *left).reverse()),
            (Self::String(left), Self::String(right)) => Some(left.cmp(right)),
            (Self::Bytes(left), Self::Bytes(right)) => Some(left.cmp(right)),
            (Self::Duration(left), Self::Duration(right)) => {
                Some((left.months, left.nanoseconds).cmp(&(right.months, right.nanoseconds)))
            }
            _ => self.as_number()?.partial_cmp(&other.as_number()?),
        }
    }

    /// Whether both are the same; values of types that cannot be compared are not.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Array(left), Self::Array(right)) => {
                left.len() == right.len() && left.iter().zip(right.iter()).all(|(left, right)| left.equals(right))
            }
            (Self::Record(left), Self::Record(right)) => {
                let (left, right) = (left.fields(), right.fields());
                let same = |(name, value): &(Text, Value)| {
                    right.iter().any(|(other, with)| other == name && value.equals(with))
                };
                left.len() == right.len() && left.iter().all(same)
            }
            (Self::Dict(left), Self::Dict(right)) => {
                let same = |(left, right): (&(Value, Value), &(Value, Value))| {
                    left.0.equals(&right.0) && left.1.equals(&right.1)
                };
                left.len() == right.len() && left.iter().zip(right.iter()).all(same)
            }
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }

    /// An order over all scalars, for sorting and for keys: nulls first, then by type, NaN behind all numbers.
    #[must_use]
    pub fn total_order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Null, _) => Ordering::Less,
            (_, Self::Null) => Ordering::Greater,
            (Self::Float(left), Self::Float(right)) => left.total_cmp(right),
            _ => self.compare(other).unwrap_or_else(|| self.rank().cmp(&other.rank())),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Int(_) => 2,
            Self::UInt(_) => 3,
            Self::Float(_) => 4,
            Self::String(_) => 5,
            Self::Time(_) => 6,
            Self::Duration(_) => 7,
            _ => 8,
        }
    }

    /// Bytes that are the same only for equal scalars of the same type: for maps of values.
    pub fn write_key(&self, key: &mut Vec<u8>) {
        key.push(self.rank());
        match self {
            Self::Bool(value) => key.push(u8::from(*value)),
            Self::Int(value) | Self::Time(value) => key.extend(value.to_le_bytes()),
            Self::UInt(value) => key.extend(value.to_le_bytes()),
            // Both zeros are one value.
            Self::Float(value) => key.extend((if *value == 0.0 { 0.0 } else { *value }).to_bits().to_le_bytes()),
            Self::String(value) => {
                key.extend((value.len() as u64).to_le_bytes());
                key.extend(value.as_bytes());
            }
            Self::Duration(value) => {
                key.extend(value.months.to_le_bytes());
                key.extend(value.nanoseconds.to_le_bytes());
            }
            _ => {}
        }
    }
}

fn compare_mixed(signed: i64, unsigned: u64) -> Ordering {
    u64::try_from(signed).map_or(Ordering::Less, |signed| signed.cmp(&unsigned))
}

impl fmt::Display for Value {
    /// The value as string interpolation and `display` show it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list =
            |open: &str, items: Vec<String>, close: &str| write!(formatter, "{open}{}{close}", items.join(", "));
        match self {
            Self::Null => formatter.write_str("<null>"),
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Int(value) => write!(formatter, "{value}"),
            Self::UInt(value) => write!(formatter, "{value}"),
            Self::Float(value) => formatter.write_str(&format_float(*value)),
            Self::String(value) => formatter.write_str(value),
            Self::Time(value) => {
                let time = chrono::DateTime::from_timestamp_nanos(*value);
                formatter.write_str(&time.to_rfc3339_opts(chrono::SecondsFormat::Nanos, true))
            }
            Self::Duration(value) => write!(formatter, "{value}"),
            Self::Regexp(value) => write!(formatter, "{}", value.as_str()),
            Self::Bytes(value) => {
                formatter.write_str("0x")?;
                value.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
            Self::Array(values) => list("[", values.iter().map(ToString::to_string).collect(), "]"),
            Self::Record(record) => {
                let mut fields = record.fields();
                fields.sort_by(|left, right| left.0.cmp(&right.0));
                list("{", fields.iter().map(|(name, value)| format!("{name}: {value}")).collect(), "}")
            }
            Self::Dict(entries) if entries.is_empty() => formatter.write_str("[:]"),
            Self::Dict(entries) => {
                list("[", entries.iter().map(|(key, value)| format!("{key}: {value}")).collect(), "]")
            }
            Self::Function(_) => formatter.write_str("<function>"),
            Self::Stream(_) | Self::Table(_) => formatter.write_str("<stream>"),
            Self::Package(package) => write!(formatter, "<package {}>", package.name),
        }
    }
}

/// A number as Go's `strconv` writes it with `'f', -1`: as many digits as it needs, no exponent.
#[must_use]
pub fn format_float(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        value.to_string()
    }
}

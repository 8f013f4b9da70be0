//! Values of the five types, one by one and by the block.

/// The types, in the order in which InfluxDB prefers them where shards differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueType {
    /// 64 bits, IEEE 754.
    Float,
    /// 64 bits with a sign.
    Integer,
    /// 64 bits without a sign.
    Unsigned,
    /// Bytes that should be UTF-8.
    String,
    /// True or false.
    Boolean,
}

impl ValueType {
    /// The name that InfluxDB gives it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::String => "string",
            Self::Boolean => "boolean",
        }
    }
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A float.
    Float(f64),
    /// An integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A string; nothing promises that it is UTF-8.
    String(&'a [u8]),
    /// A boolean.
    Boolean(bool),
}

impl Value<'_> {
    /// Its type.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::Float(_) => ValueType::Float,
            Self::Integer(_) => ValueType::Integer,
            Self::Unsigned(_) => ValueType::Unsigned,
            Self::String(_) => ValueType::String,
            Self::Boolean(_) => ValueType::Boolean,
        }
    }
}

/// Strings one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Strings {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(crate) fn push(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or_default();
        self.bytes.get(start..end)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// The values of a block, all of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Floats.
    Float(Vec<f64>),
    /// Integers.
    Integer(Vec<i64>),
    /// Unsigned integers.
    Unsigned(Vec<u64>),
    /// Strings.
    String(Strings),
    /// Booleans.
    Boolean(Vec<bool>),
}

impl Values {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Unsigned(values) => values.len(),
            Self::String(values) => values.len(),
            Self::Boolean(values) => values.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value<'_>> {
        Some(match self {
            Self::Float(values) => Value::Float(*values.get(index)?),
            Self::Integer(values) => Value::Integer(*values.get(index)?),
            Self::Unsigned(values) => Value::Unsigned(*values.get(index)?),
            Self::String(values) => Value::String(values.get(index)?),
            Self::Boolean(values) => Value::Boolean(*values.get(index)?),
        })
    }
}

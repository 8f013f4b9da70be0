//! Columns of tables: typed values with nulls. A clone shares them; what is the same in every row is kept once.

use std::sync::Arc;

use super::error::{FluxError, Result};
use super::value::{Text, Value};

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Truth values.
    Bool,
    /// Signed integers.
    Int,
    /// Unsigned integers.
    UInt,
    /// Floating-point numbers.
    Float,
    /// Texts.
    String,
    /// Moments.
    Time,
}

impl ColumnType {
    /// The type of a value, if a column can hold it.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(_) => Some(Self::Bool),
            Value::Int(_) => Some(Self::Int),
            Value::UInt(_) => Some(Self::UInt),
            Value::Float(_) => Some(Self::Float),
            Value::String(_) => Some(Self::String),
            Value::Time(_) => Some(Self::Time),
            _ => None,
        }
    }

    /// Flux's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::UInt => "uint",
            Self::Float => "float",
            Self::String => "string",
            Self::Time => "time",
        }
    }

    /// Whether one can calculate with its values.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Int | Self::UInt | Self::Float)
    }
}

/// The values of a column.
#[derive(Debug, Clone)]
pub enum Vector {
    /// The same in so many rows.
    Constant(ColumnType, Value, usize),
    /// Truth values.
    Bool(Arc<Vec<Option<bool>>>),
    /// Signed integers.
    Int(Arc<Vec<Option<i64>>>),
    /// Unsigned integers.
    UInt(Arc<Vec<Option<u64>>>),
    /// Floating-point numbers.
    Float(Arc<Vec<Option<f64>>>),
    /// Texts.
    String(Arc<Vec<Option<Text>>>),
    /// Moments in nanoseconds.
    Time(Arc<Vec<Option<i64>>>),
}

impl Vector {
    /// The same value in all rows.
    #[must_use]
    pub fn constant(kind: ColumnType, value: Value, rows: usize) -> Self {
        Self::Constant(kind, value, rows)
    }

    /// No value in any row.
    #[must_use]
    pub fn nulls(kind: ColumnType, rows: usize) -> Self {
        Self::Constant(kind, Value::Null, rows)
    }

    /// Values of one type, with nulls; the type is that of the first value, or `otherwise` if all are null.
    ///
    /// # Errors
    /// If a value is of another type, or of one that no column can hold.
    pub fn from_values(values: &[Value], otherwise: ColumnType) -> Result<Self> {
        let kind = values.iter().find_map(ColumnType::of).unwrap_or(otherwise);
        let mut builder = VectorBuilder::with_capacity(kind, values.len());
        values.iter().try_for_each(|value| builder.push(value))?;
        Ok(builder.finish())
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Constant(_, _, rows) => *rows,
            Self::Bool(values) => values.len(),
            Self::Int(values) | Self::Time(values) => values.len(),
            Self::UInt(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::String(values) => values.len(),
        }
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it holds.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Constant(kind, ..) => *kind,
            Self::Bool(_) => ColumnType::Bool,
            Self::Int(_) => ColumnType::Int,
            Self::UInt(_) => ColumnType::UInt,
            Self::Float(_) => ColumnType::Float,
            Self::String(_) => ColumnType::String,
            Self::Time(_) => ColumnType::Time,
        }
    }

    /// The value in a row; null behind the last one.
    #[must_use]
    pub fn value(&self, row: usize) -> Value {
        fn at<T: Clone>(values: &[Option<T>], row: usize, wrap: impl Fn(T) -> Value) -> Value {
            values.get(row).cloned().flatten().map_or(Value::Null, wrap)
        }
        match self {
            Self::Constant(_, value, rows) => {
                if row < *rows {
                    value.clone()
                } else {
                    Value::Null
                }
            }
            Self::Bool(values) => at(values, row, Value::Bool),
            Self::Int(values) => at(values, row, Value::Int),
            Self::UInt(values) => at(values, row, Value::UInt),
            Self::Float(values) => at(values, row, Value::Float),
            Self::String(values) => at(values, row, Value::String),
            Self::Time(values) => at(values, row, Value::Time),
        }
    }

    /// Whether a row has no value.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Constant(_, value, _) => value.is_null(),
            Self::Bool(values) => values.get(row).is_none_or(Option::is_none),
            Self::Int(values) | Self::Time(values) => values.get(row).is_none_or(Option::is_none),
            Self::UInt(values) => values.get(row).is_none_or(Option::is_none),
            Self::Float(values) => values.get(row).is_none_or(Option::is_none),
            Self::String(values) => values.get(row).is_none_or(Option::is_none),
        }
    }

    /// The values one after another.
    pub fn values(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.len()).map(|row| self.value(row))
    }

    /// The moment or integer in a row, as it is stored.
    #[must_use]
    pub fn integer(&self, row: usize) -> Option<i64> {
        match self {
            Self::Int(values) | Self::Time(values) => values.get(row).copied().flatten(),
            Self::Constant(_, Value::Int(value) | Value::Time(value), _) => Some(*value),
            _ => None,
        }
    }

    /// The number in a row as a float.
    #[must_use]
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Float(values) => values.get(row).copied().flatten(),
            _ => self.value(row).as_number(),
        }
    }

    /// These rows, in this order; a row may come more than once.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(values: &[Option<T>], rows: &[usize]) -> Arc<Vec<Option<T>>> {
            Arc::new(rows.iter().map(|row| values.get(*row).cloned().flatten()).collect())
        }
        match self {
            Self::Constant(kind, value, _) => Self::Constant(*kind, value.clone(), rows.len()),
            Self::Bool(values) => Self::Bool(pick(values, rows)),
            Self::Int(values) => Self::Int(pick(values, rows)),
            Self::UInt(values) => Self::UInt(pick(values, rows)),
            Self::Float(values) => Self::Float(pick(values, rows)),
            Self::String(values) => Self::String(pick(values, rows)),
            Self::Time(values) => Self::Time(pick(values, rows)),
        }
    }

    /// The rows from `start` to before `end`.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        fn cut<T: Clone>(values: &Arc<Vec<Option<T>>>, start: usize, end: usize) -> Arc<Vec<Option<T>>> {
            if start == 0 && end >= values.len() {
                return Arc::clone(values);
            }
            Arc::new(values.get(start..end.min(values.len())).unwrap_or_default().to_vec())
        }
        match self {
            Self::Constant(kind, value, rows) => {
                Self::Constant(*kind, value.clone(), end.min(*rows).saturating_sub(start))
            }
            Self::Bool(values) => Self::Bool(cut(values, start, end)),
            Self::Int(values) => Self::Int(cut(values, start, end)),
            Self::UInt(values) => Self::UInt(cut(values, start, end)),
            Self::Float(values) => Self::Float(cut(values, start, end)),
            Self::String(values) => Self::String(cut(values, start, end)),
            Self::Time(values) => Self::Time(cut(values, start, end)),
        }
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Constant(..) => size_of::<Self>(),
            Self::Bool(values) => values.len() * size_of::<Option<bool>>(),
            Self::Int(values) | Self::Time(values) => values.len() * size_of::<Option<i64>>(),
            Self::UInt(values) => values.len() * size_of::<Option<u64>>(),
            Self::Float(values) => values.len() * size_of::<Option<f64>>(),
            // Texts may be shared; what is counted is that they are not.
            Self::String(values) => {
                values.iter().map(|text| size_of::<Text>() + text.as_ref().map_or(0, |text| text.len() + 16)).sum()
            }
        }
    }
}

/// A column that is being filled.
#[derive(Debug, Clone)]
pub enum VectorBuilder {
    /// Truth values.
    Bool(Vec<Option<bool>>),
    /// Signed integers.
    Int(Vec<Option<i64>>),
    /// Unsigned integers.
    UInt(Vec<Option<u64>>),
    /// Floating-point numbers.
    Float(Vec<Option<f64>>),
    /// Texts.
    String(Vec<Option<Text>>),
    /// Moments.
    Time(Vec<Option<i64>>),
}

impl VectorBuilder {
    /// An empty column.
    #[must_use]
    pub fn new(kind: ColumnType) -> Self {
        Self::with_capacity(kind, 0)
    }

    /// An empty column with room for so many rows.
    #[must_use]
    pub fn with_capacity(kind: ColumnType, rows: usize) -> Self {
        match kind {
            ColumnType::Bool => Self::Bool(Vec::with_capacity(rows)),
            ColumnType::Int => Self::Int(Vec::with_capacity(rows)),
            ColumnType::UInt => Self::UInt(Vec::with_capacity(rows)),
            ColumnType::Float => Self::Float(Vec::with_capacity(rows)),
            ColumnType::String => Self::String(Vec::with_capacity(rows)),
            ColumnType::Time => Self::Time(Vec::with_capacity(rows)),
        }
    }

    /// What it holds.
    #[must_use]
    pub fn column_type(&self) -> ColumnType {
        match self {
            Self::Bool(_) => ColumnType::Bool,
            Self::Int(_) => ColumnType::Int,
            Self::UInt(_) => ColumnType::UInt,
            Self::Float(_) => ColumnType::Float,
            Self::String(_) => ColumnType::String,
            Self::Time(_) => ColumnType::Time,
        }
    }

    /// How many rows it has by now.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(values) => values.len(),
            Self::Int(values) | Self::Time(values) => values.len(),
            Self::UInt(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::String(values) => values.len(),
        }
    }

    /// Whether it has no rows yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more row.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn push(&mut self, value: &Value) -> Result<()> {
        match (&mut *self, value) {
            (Self::Bool(values), Value::Bool(value)) => values.push(Some(*value)),
            (Self::Int(values), Value::Int(value)) | (Self::Time(values), Value::Time(value)) => {
                values.push(Some(*value));
            }
            (Self::UInt(values), Value::UInt(value)) => values.push(Some(*value)),
            (Self::Float(values), Value::Float(value)) => values.push(Some(*value)),
            (Self::String(values), Value::String(value)) => values.push(Some(Arc::clone(value))),
            (_, Value::Null) => self.push_nulls(1),
            (column, value) => {
                let (wanted, given) = (column.column_type().name(), value.kind());
                return Err(FluxError::invalid(format!("a column of type {wanted} cannot hold a {given}")));
            }
        }
        Ok(())
    }

    /// Another value in a row that is there; one of another type is left out.
    pub fn set(&mut self, row: usize, value: &Value) {
        fn put<T>(values: &mut [Option<T>], row: usize, value: Option<T>) {
            if let Some(place) = values.get_mut(row) {
                *place = value;
            }
        }
        match (&mut *self, value) {
            (Self::Bool(values), Value::Bool(value)) => put(values, row, Some(*value)),
            (Self::Int(values), Value::Int(value)) | (Self::Time(values), Value::Time(value)) => {
                put(values, row, Some(*value));
            }
            (Self::UInt(values), Value::UInt(value)) => put(values, row, Some(*value)),
            (Self::Float(values), Value::Float(value)) => put(values, row, Some(*value)),
            (Self::String(values), Value::String(value)) => put(values, row, Some(Arc::clone(value))),
            (Self::Bool(values), Value::Null) => put(values, row, None),
            (Self::Int(values) | Self::Time(values), Value::Null) => put(values, row, None),
            (Self::UInt(values), Value::Null) => put(values, row, None),
            (Self::Float(values), Value::Null) => put(values, row, None),
            (Self::String(values), Value::Null) => put(values, row, None),
            _ => {}
        }
    }

    /// More rows without a value.
    pub fn push_nulls(&mut self, rows: usize) {
        fn extend<T: Clone>(values: &mut Vec<Option<T>>, rows: usize) {
            values.resize(values.len() + rows, None);
        }
        match self {
            Self::Bool(values) => extend(values, rows),
            Self::Int(values) | Self::Time(values) => extend(values, rows),
            Self::UInt(values) => extend(values, rows),
            Self::Float(values) => extend(values, rows),
            Self::String(values) => extend(values, rows),
        }
    }

    /// More rows, those of a column.
    ///
    /// # Errors
    /// If the column holds another type.
    pub fn append(&mut self, vector: &Vector) -> Result<()> {
        match (&mut *self, vector) {
            (Self::Bool(values), Vector::Bool(more)) => values.extend_from_slice(more),
            (Self::Int(values), Vector::Int(more)) | (Self::Time(values), Vector::Time(more)) => {
                values.extend_from_slice(more);
            }
            (Self::UInt(values), Vector::UInt(more)) => values.extend_from_slice(more),
            (Self::Float(values), Vector::Float(more)) => values.extend_from_slice(more),
            (Self::String(values), Vector::String(more)) => values.extend_from_slice(more),
            (builder, Vector::Constant(_, Value::Null, rows)) => builder.push_nulls(*rows),
            (builder, vector) => vector.values().try_for_each(|value| builder.push(&value))?,
        }
        Ok(())
    }

    /// The column.
    #[must_use]
    pub fn finish(self) -> Vector {
        match self {
            Self::Bool(values) => Vector::Bool(Arc::new(values)),
            Self::Int(values) => Vector::Int(Arc::new(values)),
            Self::UInt(values) => Vector::UInt(Arc::new(values)),
            Self::Float(values) => Vector::Float(Arc::new(values)),
            Self::String(values) => Vector::String(Arc::new(values)),
            Self::Time(values) => Vector::Time(Arc::new(values)),
        }
    }
}

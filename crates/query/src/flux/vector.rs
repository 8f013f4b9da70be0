//! Columns of tables: typed values with nulls. A clone shares them; what is the same in every row is kept once.
//!
//! Numbers, times and truth values are arrays of Arrow, as they come out of the storage; texts are shared one by one,
//! because scripts take them apart one by one.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Float64Array, Int64Array, NullBufferBuilder, PrimitiveArray,
    UInt64Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, ArrowPrimitiveType, DataType};

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

/// A slice shares the memory of its column unless it is less than one part in so many: then it is a copy.
const SLICE_SHARE: usize = 8;

/// The values of a column.
#[derive(Debug, Clone)]
pub enum Vector {
    /// The same in so many rows.
    Constant(ColumnType, Value, usize),
    /// Truth values.
    Bool(BooleanArray),
    /// Signed integers.
    Int(Int64Array),
    /// Unsigned integers.
    UInt(UInt64Array),
    /// Floating-point numbers.
    Float(Float64Array),
    /// Texts.
    String(Arc<Vec<Option<Text>>>),
    /// Moments in nanoseconds.
    Time(Int64Array),
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

    /// Texts.
    #[must_use]
    pub fn texts(values: Vec<Option<Text>>) -> Self {
        Self::String(Arc::new(values))
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

    /// The values of a field, as the storage has them.
    pub(crate) fn of_array(array: &ArrayRef) -> Self {
        match array.data_type() {
            DataType::Float64 => Self::Float(array.as_primitive().clone()),
            DataType::Int64 => Self::Int(array.as_primitive().clone()),
            DataType::UInt64 => Self::UInt(array.as_primitive().clone()),
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::Utf8 => Self::texts(array.as_string::<i32>().iter().map(|text| text.map(Text::from)).collect()),
            _ => Self::nulls(ColumnType::String, array.len()),
        }
    }

    /// Which rows have a value; none is all of them.
    pub(crate) fn validity(&self) -> Option<BooleanBuffer> {
        let nulls = match self {
            Self::Constant(_, value, rows) => return value.is_null().then(|| BooleanBuffer::new_unset(*rows)),
            Self::String(values) => {
                let is_there = |row: usize| values.get(row).is_some_and(Option::is_some);
                return values.contains(&None).then(|| BooleanBuffer::collect_bool(values.len(), is_there));
            }
            Self::Bool(values) => values.nulls(),
            Self::Int(values) | Self::Time(values) => values.nulls(),
            Self::UInt(values) => values.nulls(),
            Self::Float(values) => values.nulls(),
        };
        nulls.filter(|nulls| nulls.null_count() > 0).map(|nulls| nulls.inner().clone())
    }

    /// The same values, but only in these rows, of which each has one.
    pub(crate) fn only(self, rows: BooleanBuffer) -> Self {
        if rows.count_set_bits() == rows.len() {
            return self;
        }
        let nulls = Some(NullBuffer::new(rows));
        match self {
            Self::Bool(values) => Self::Bool(BooleanArray::new(values.values().clone(), nulls)),
            Self::Int(values) => Self::Int(Int64Array::new(values.values().clone(), nulls)),
            Self::UInt(values) => Self::UInt(UInt64Array::new(values.values().clone(), nulls)),
            Self::Float(values) => Self::Float(Float64Array::new(values.values().clone(), nulls)),
            Self::Time(values) => Self::Time(Int64Array::new(values.values().clone(), nulls)),
            Self::String(values) => {
                let is_there = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_valid(row));
                let text = |(row, text): (usize, &Option<Text>)| text.clone().filter(|_| is_there(row));
                Self::texts(values.iter().enumerate().map(text).collect())
            }
            Self::Constant(kind, value, _) => {
                let mut builder = VectorBuilder::new(kind);
                for is_valid in nulls.iter().flatten() {
                    // A constant is of its type.
                    if !is_valid || builder.push(&value).is_err() {
                        builder.push_nulls(1);
                    }
                }
                builder.finish()
            }
        }
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
        match self {
            Self::Constant(_, value, rows) => {
                if row < *rows {
                    value.clone()
                } else {
                    Value::Null
                }
            }
            Self::Bool(values) => is_there(values, row).then(|| values.value(row)).map_or(Value::Null, Value::Bool),
            Self::Int(values) => at(values, row).map_or(Value::Null, Value::Int),
            Self::UInt(values) => at(values, row).map_or(Value::Null, Value::UInt),
            Self::Float(values) => at(values, row).map_or(Value::Null, Value::Float),
            Self::String(values) => values.get(row).cloned().flatten().map_or(Value::Null, Value::String),
            Self::Time(values) => at(values, row).map_or(Value::Null, Value::Time),
        }
    }

    /// Whether a row has no value.
    #[must_use]
    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Constant(_, value, _) => value.is_null(),
            Self::Bool(values) => !is_there(values, row),
            Self::Int(values) | Self::Time(values) => !is_there(values, row),
            Self::UInt(values) => !is_there(values, row),
            Self::Float(values) => !is_there(values, row),
            Self::String(values) => values.get(row).is_none_or(Option::is_none),
        }
    }

    /// The values one after another.
    pub fn values(&self) -> impl Iterator<Item = Value> + '_ {
        (0..self.len()).map(|row| self.value(row))
    }

    /// Adds the bytes of [`Value::write_key`] for the value in a row.
    pub fn write_key(&self, row: usize, key: &mut Vec<u8>) {
        match self {
            Self::Constant(_, value, _) => value.write_key(key),
            column => column.value(row).write_key(key),
        }
    }

    /// The moment or integer in a row, as it is stored.
    #[must_use]
    pub fn integer(&self, row: usize) -> Option<i64> {
        match self {
            Self::Int(values) | Self::Time(values) => at(values, row),
            Self::Constant(_, Value::Int(value) | Value::Time(value), _) => Some(*value),
            _ => None,
        }
    }

    /// The number in a row as a float.
    #[must_use]
    pub fn number(&self, row: usize) -> Option<f64> {
        match self {
            Self::Float(values) => at(values, row),
            _ => self.value(row).as_number(),
        }
    }

    /// These rows, in this order; a row may come more than once. One that is not there has no value.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        match self {
            Self::Constant(kind, value, _) => Self::Constant(*kind, value.clone(), rows.len()),
            Self::Bool(values) => {
                let pick = |row: &usize| is_there(values, *row).then(|| values.value(*row));
                Self::Bool(rows.iter().map(pick).collect())
            }
            Self::Int(values) => Self::Int(pick(values, rows)),
            Self::UInt(values) => Self::UInt(pick(values, rows)),
            Self::Float(values) => Self::Float(pick(values, rows)),
            Self::String(values) => Self::texts(rows.iter().map(|row| values.get(*row).cloned().flatten()).collect()),
            Self::Time(values) => Self::Time(pick(values, rows)),
        }
    }

    /// The rows that are set. There are as many bits as rows.
    #[must_use]
    pub fn filter(&self, rows: &BooleanBuffer) -> Self {
        match self {
            Self::Constant(kind, value, _) => Self::Constant(*kind, value.clone(), rows.count_set_bits()),
            Self::Bool(values) => {
                let pick = |row: usize| is_there(values, row).then(|| values.value(row));
                Self::Bool(rows.set_indices().map(pick).collect())
            }
            Self::Int(values) => Self::Int(keep(values, rows)),
            Self::UInt(values) => Self::UInt(keep(values, rows)),
            Self::Float(values) => Self::Float(keep(values, rows)),
            Self::String(values) => {
                Self::texts(rows.set_indices().map(|row| values.get(row).cloned().flatten()).collect())
            }
            Self::Time(values) => Self::Time(keep(values, rows)),
        }
    }

    /// The rows from `start` to before `end`.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let end = end.min(self.len());
        let start = start.min(end);
        let len = end - start;
        // A few rows do not hold the memory of many.
        if len < self.len() / SLICE_SHARE {
            return self.take(&(start..end).collect::<Vec<usize>>());
        }
        match self {
            Self::Constant(kind, value, _) => Self::Constant(*kind, value.clone(), len),
            Self::Bool(values) => Self::Bool(values.slice(start, len)),
            Self::Int(values) => Self::Int(values.slice(start, len)),
            Self::UInt(values) => Self::UInt(values.slice(start, len)),
            Self::Float(values) => Self::Float(values.slice(start, len)),
            Self::String(values) if len == values.len() => Self::String(Arc::clone(values)),
            Self::String(values) => Self::texts(values.get(start..end).unwrap_or_default().to_vec()),
            Self::Time(values) => Self::Time(values.slice(start, len)),
        }
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Constant(..) => size_of::<Self>(),
            Self::Bool(values) => values.len().div_ceil(4),
            Self::Int(values) | Self::Time(values) => size_of_rows(values),
            Self::UInt(values) => size_of_rows(values),
            Self::Float(values) => size_of_rows(values),
            // Texts may be shared; what is counted is that they are not.
            Self::String(values) => {
                values.iter().map(|text| size_of::<Text>() + text.as_ref().map_or(0, |text| text.len() + 16)).sum()
            }
        }
    }
}

fn is_there(values: &dyn Array, row: usize) -> bool {
    row < values.len() && values.is_valid(row)
}

fn at<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    let value = values.values().get(row).copied()?;
    values.is_valid(row).then_some(value)
}

fn pick<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, rows: &[usize]) -> PrimitiveArray<T> {
    rows.iter().map(|row| at(values, *row)).collect()
}

/// The rows that are set, run by run.
fn keep<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, rows: &BooleanBuffer) -> PrimitiveArray<T> {
    let mut kept: Primitives<T::Native> = Primitives::with_capacity(rows.count_set_bits());
    for (start, end) in rows.set_slices() {
        kept.extend(&values.slice(start, end.min(values.len()).saturating_sub(start)));
    }
    kept.finish()
}

fn size_of_rows<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>) -> usize {
    std::mem::size_of_val::<[T::Native]>(values.values()) + values.nulls().map_or(0, |nulls| nulls.len().div_ceil(8))
}

/// Values of fixed size that are being gathered.
#[derive(Debug)]
pub struct Primitives<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

impl<T: Copy + Default> Primitives<T> {
    fn with_capacity(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows) }
    }

    fn push(&mut self, value: Option<T>) {
        self.values.push(value.unwrap_or_default());
        self.nulls.append(value.is_some());
    }

    fn push_times(&mut self, value: Option<T>, rows: usize) {
        self.values.resize(self.values.len() + rows, value.unwrap_or_default());
        if value.is_some() { self.nulls.append_n_non_nulls(rows) } else { self.nulls.append_n_nulls(rows) }
    }

    /// Another value in a row that is there.
    fn set(&mut self, row: usize, value: Option<T>) {
        let Some(place) = self.values.get_mut(row) else { return };
        *place = value.unwrap_or_default();
        if value.is_none() || !self.nulls.is_valid(row) {
            self.nulls.set_bit(row, value.is_some());
        }
    }
}

impl<T: ArrowNativeType> Primitives<T> {
    fn extend<P: ArrowPrimitiveType<Native = T>>(&mut self, values: &PrimitiveArray<P>) {
        self.values.extend_from_slice(values.values());
        match values.nulls().filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => self.nulls.append_buffer(nulls),
            None => self.nulls.append_n_non_nulls(values.len()),
        }
    }

    fn finish<P: ArrowPrimitiveType<Native = T>>(mut self) -> PrimitiveArray<P> {
        PrimitiveArray::new(ScalarBuffer::from(self.values), self.nulls.finish())
    }
}

/// A column that is being filled.
#[derive(Debug)]
pub enum VectorBuilder {
    /// Truth values.
    Bool(Primitives<bool>),
    /// Signed integers.
    Int(Primitives<i64>),
    /// Unsigned integers.
    UInt(Primitives<u64>),
    /// Floating-point numbers.
    Float(Primitives<f64>),
    /// Texts.
    String(Vec<Option<Text>>),
    /// Moments.
    Time(Primitives<i64>),
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
            ColumnType::Bool => Self::Bool(Primitives::with_capacity(rows)),
            ColumnType::Int => Self::Int(Primitives::with_capacity(rows)),
            ColumnType::UInt => Self::UInt(Primitives::with_capacity(rows)),
            ColumnType::Float => Self::Float(Primitives::with_capacity(rows)),
            ColumnType::String => Self::String(Vec::with_capacity(rows)),
            ColumnType::Time => Self::Time(Primitives::with_capacity(rows)),
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
            Self::Bool(column) => column.values.len(),
            Self::Int(column) | Self::Time(column) => column.values.len(),
            Self::UInt(column) => column.values.len(),
            Self::Float(column) => column.values.len(),
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
        self.push_times(value, 1)
    }

    /// So many more rows with the same value.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn push_times(&mut self, value: &Value, rows: usize) -> Result<()> {
        match (&mut *self, value) {
            (_, Value::Null) => self.push_nulls(rows),
            (Self::Float(column), Value::Float(value)) if rows == 1 => column.push(Some(*value)),
            (Self::Int(column), Value::Int(value)) if rows == 1 => column.push(Some(*value)),
            (Self::Bool(column), Value::Bool(value)) => column.push_times(Some(*value), rows),
            (Self::Int(column), Value::Int(value)) | (Self::Time(column), Value::Time(value)) => {
                column.push_times(Some(*value), rows);
            }
            (Self::UInt(column), Value::UInt(value)) => column.push_times(Some(*value), rows),
            (Self::Float(column), Value::Float(value)) => column.push_times(Some(*value), rows),
            (Self::String(values), Value::String(value)) => {
                values.resize(values.len() + rows, Some(Arc::clone(value)));
            }
            (column, value) => {
                let (wanted, given) = (column.column_type().name(), value.kind());
                return Err(FluxError::invalid(format!("a column of type {wanted} cannot hold a {given}")));
            }
        }
        Ok(())
    }

    /// Another value in a row that is there; one of another type is left out.
    pub fn set(&mut self, row: usize, value: &Value) {
        match (self, value) {
            (Self::Bool(column), Value::Bool(value)) => column.set(row, Some(*value)),
            (Self::Int(column), Value::Int(value)) | (Self::Time(column), Value::Time(value)) => {
                column.set(row, Some(*value));
            }
            (Self::UInt(column), Value::UInt(value)) => column.set(row, Some(*value)),
            (Self::Float(column), Value::Float(value)) => column.set(row, Some(*value)),
            (Self::Bool(column), Value::Null) => column.set(row, None),
            (Self::Int(column) | Self::Time(column), Value::Null) => column.set(row, None),
            (Self::UInt(column), Value::Null) => column.set(row, None),
            (Self::Float(column), Value::Null) => column.set(row, None),
            (Self::String(values), Value::String(_) | Value::Null) => {
                let text = if let Value::String(text) = value { Some(Arc::clone(text)) } else { None };
                if let Some(place) = values.get_mut(row) {
                    *place = text;
                }
            }
            _ => {}
        }
    }

    /// More rows without a value.
    pub fn push_nulls(&mut self, rows: usize) {
        match self {
            Self::Bool(column) => column.push_times(None, rows),
            Self::Int(column) | Self::Time(column) => column.push_times(None, rows),
            Self::UInt(column) => column.push_times(None, rows),
            Self::Float(column) => column.push_times(None, rows),
            Self::String(values) => values.resize(values.len() + rows, None),
        }
    }

    /// More rows, those of a column.
    ///
    /// # Errors
    /// If the column holds another type.
    pub fn append(&mut self, vector: &Vector) -> Result<()> {
        match (&mut *self, vector) {
            (Self::Int(column), Vector::Int(more)) | (Self::Time(column), Vector::Time(more)) => column.extend(more),
            (Self::UInt(column), Vector::UInt(more)) => column.extend(more),
            (Self::Float(column), Vector::Float(more)) => column.extend(more),
            (Self::String(values), Vector::String(more)) => values.extend_from_slice(more),
            (builder, Vector::Constant(_, value, rows)) => builder.push_times(value, *rows)?,
            (builder, vector) => vector.values().try_for_each(|value| builder.push(&value))?,
        }
        Ok(())
    }

    /// The column.
    #[must_use]
    pub fn finish(self) -> Vector {
        match self {
            Self::Bool(mut column) => {
                Vector::Bool(BooleanArray::new(BooleanBuffer::from(column.values), column.nulls.finish()))
            }
            Self::Int(column) => Vector::Int(column.finish()),
            Self::UInt(column) => Vector::UInt(column.finish()),
            Self::Float(column) => Vector::Float(column.finish()),
            Self::String(values) => Vector::texts(values),
            Self::Time(column) => Vector::Time(column.finish()),
        }
    }
}

//! Tables: columns of the same length and a group key, that is columns whose value is the same in all rows.
//!
//! A table never changes. What makes a new one of it shares the columns that stay.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;

use super::error::{FluxError, Result};
use super::runtime::Held;
use super::value::{Record, Text, Value};
use super::vector::{ColumnType, Vector, VectorBuilder};

/// A named column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub label: Text,
    /// Its values.
    pub data: Vector,
}

impl Column {
    /// A column.
    #[must_use]
    pub fn new(label: impl Into<Text>, data: Vector) -> Self {
        Self { label: label.into(), data }
    }
}

/// The columns that are the same in all rows of a table, by name.
#[derive(Debug, Clone, Default)]
pub struct GroupKey(Arc<[(Text, Value)]>);

impl GroupKey {
    /// The key of these columns.
    #[must_use]
    pub fn new(mut columns: Vec<(Text, Value)>) -> Self {
        columns.sort_by(|left, right| left.0.cmp(&right.0));
        columns.dedup_by(|later, earlier| later.0 == earlier.0);
        Self(columns.into())
    }

    /// Its columns by name, with their values.
    #[must_use]
    pub fn columns(&self) -> &[(Text, Value)] {
        &self.0
    }

    /// Whether that column is part of it.
    #[must_use]
    pub fn contains(&self, label: &str) -> bool {
        self.get(label).is_some()
    }

    /// The value of a column that is part of it.
    #[must_use]
    pub fn get(&self, label: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| **known == *label).map(|(_, value)| value)
    }

    /// The key without some columns.
    #[must_use]
    pub fn without(&self, drop: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(label, _)| !drop(label)).cloned().collect())
    }

    /// The key with a column more, or with another value for it.
    #[must_use]
    pub fn with(&self, label: &str, value: Value) -> Self {
        let mut columns = self.without(|known| known == label).0.to_vec();
        columns.push((Arc::from(label), value));
        Self::new(columns)
    }

    /// The key as a record.
    #[must_use]
    pub fn record(&self) -> Record {
        Record::new(self.0.to_vec())
    }

    /// Bytes that are the same only for equal keys.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * 24);
        for (label, value) in self.0.iter() {
            bytes.extend((label.len() as u32).to_le_bytes());
            bytes.extend(label.as_bytes());
            value.write_key(&mut bytes);
        }
        bytes
    }

    /// The order of tables: by the columns one after another, a missing one first.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        for (left, right) in self.0.iter().zip(other.0.iter()) {
            let labels = if Arc::ptr_eq(&left.0, &right.0) { Ordering::Equal } else { right.0.cmp(&left.0) };
            let order = labels.then_with(|| left.1.total_order(&right.1));
            if order != Ordering::Equal {
                return order;
            }
        }
        self.0.len().cmp(&other.0.len())
    }
}

/// A table.
#[derive(Debug, Clone)]
pub struct Table {
    key: GroupKey,
    columns: Vec<Column>,
    rows: usize,
    held: Option<Arc<Held>>,
}

impl Table {
    /// A table of these columns, all of the same length. Every column of the key has to be among them.
    #[must_use]
    pub fn new(key: GroupKey, columns: Vec<Column>) -> Self {
        let rows = columns.first().map_or(0, |column| column.data.len());
        debug_assert!(columns.iter().all(|column| column.data.len() == rows), "columns of different lengths");
        Self { key, columns, rows, held: None }
    }

    /// A table of one row: the columns of the key, and more of them behind.
    #[must_use]
    pub fn of_key(&self, rows: usize, more: Vec<Column>) -> Self {
        let is_key = |column: &&Column| self.key.contains(&column.label);
        let mut columns: Vec<Column> = self
            .columns
            .iter()
            .filter(is_key)
            .filter(|column| more.iter().all(|other| other.label != column.label))
            .map(|column| Column::new(Arc::clone(&column.label), self.key_vector(&column.label, rows)))
            .collect();
        columns.extend(more);
        Self::new(self.key.clone(), columns)
    }

    /// The value of a key's column, so many times.
    #[must_use]
    pub fn key_vector(&self, label: &str, rows: usize) -> Vector {
        let kind = self.column(label).map_or(ColumnType::String, Vector::column_type);
        Vector::Constant(kind, self.key.get(label).cloned().unwrap_or_default(), rows)
    }

    /// What is the same in all rows.
    #[must_use]
    pub fn key(&self) -> &GroupKey {
        &self.key
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The column of that name.
    #[must_use]
    pub fn column(&self, label: &str) -> Option<&Vector> {
        self.columns.iter().find(|column| *column.label == *label).map(|column| &column.data)
    }

    /// The place of the column of that name.
    #[must_use]
    pub fn index(&self, label: &str) -> Option<usize> {
        self.columns.iter().position(|column| *column.label == *label)
    }

    /// The same rows with another key and other columns.
    #[must_use]
    pub fn with(&self, key: GroupKey, columns: Vec<Column>) -> Self {
        let mut table = Self::new(key, columns);
        if table.columns.is_empty() {
            table.rows = self.rows;
        }
        table
    }

    /// The same rows with another key.
    #[must_use]
    pub fn with_key(&self, key: GroupKey) -> Self {
        Self { key, ..self.clone() }
    }

    /// With a column in the place of the one of that name, or behind all others.
    #[must_use]
    pub fn with_column(&self, label: &str, data: Vector) -> Self {
        let mut columns = self.columns.clone();
        match self.index(label).and_then(|index| columns.get_mut(index)) {
            Some(column) => column.data = data,
            None => columns.push(Column::new(label, data)),
        }
        Self::new(self.key.clone(), columns)
    }

    /// These rows, in this order.
    #[must_use]
    pub fn take(&self, rows: &[usize]) -> Self {
        let column = |column: &Column| Column::new(Arc::clone(&column.label), column.data.take(rows));
        let mut table = Self::new(self.key.clone(), self.columns.iter().map(column).collect());
        table.rows = rows.len();
        table
    }

    /// The rows that are set. There are as many bits as rows.
    #[must_use]
    pub fn filter(&self, rows: &BooleanBuffer) -> Self {
        let count = rows.count_set_bits();
        if count == self.rows {
            return self.clone();
        }
        let column = |column: &Column| Column::new(Arc::clone(&column.label), column.data.filter(rows));
        let mut table = Self::new(self.key.clone(), self.columns.iter().map(column).collect());
        table.rows = count;
        table
    }

    /// The rows from `start` to before `end`.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        let end = end.min(self.rows);
        let start = start.min(end);
        let column = |column: &Column| Column::new(Arc::clone(&column.label), column.data.slice(start, end));
        let mut table = Self::new(self.key.clone(), self.columns.iter().map(column).collect());
        table.rows = end - start;
        table
    }

    /// About how many bytes it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let columns = self.columns.iter().map(|column| column.data.bytes() + size_of::<Column>());
        columns.sum::<usize>() + size_of::<Self>()
    }

    /// Whether its memory is accounted for.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The table with what accounts for its memory.
    pub(crate) fn holding(mut self, held: Arc<Held>) -> Self {
        self.held = Some(held);
        self
    }
}

/// Puts tables of the same key together, in the order in which they come.
#[derive(Debug, Default)]
pub struct Merger {
    places: HashMap<Vec<u8>, usize>,
    parts: Vec<(GroupKey, Vec<Table>)>,
}

impl Merger {
    /// One more table.
    pub fn add(&mut self, table: Table) {
        let place = *self.places.entry(table.key().bytes()).or_insert(self.parts.len());
        match self.parts.get_mut(place) {
            Some((_, tables)) => tables.push(table),
            None => self.parts.push((table.key().clone(), vec![table])),
        }
    }

    /// The tables by their keys. Columns that some do not have are null there.
    ///
    /// # Errors
    /// If a column has different types.
    pub fn finish(mut self) -> Result<Vec<Table>> {
        self.parts.sort_by(|left, right| left.0.order(&right.0));
        self.parts.into_iter().map(|(key, tables)| concatenate(key, tables)).collect()
    }
}

/// One table of all rows.
fn concatenate(key: GroupKey, mut tables: Vec<Table>) -> Result<Table> {
    if tables.len() == 1
        && let Some(table) = tables.pop()
    {
        return Ok(table);
    }
    let mut labels: Vec<(Text, ColumnType)> = Vec::new();
    for column in tables.iter().flat_map(Table::columns) {
        let kind = column.data.column_type();
        match labels.iter().find(|(label, _)| *label == column.label) {
            None => labels.push((Arc::clone(&column.label), kind)),
            Some((_, known)) if *known != kind => {
                let (label, left, right) = (&column.label, known.name(), kind.name());
                let message =
                    format!("schema collision detected: column \"{label}\" is both of type {left} and {right}");
                return Err(FluxError::invalid(message));
            }
            Some(_) => {}
        }
    }
    let rows = tables.iter().map(Table::rows).sum();
    let column = |(label, kind): (Text, ColumnType)| {
        if let Some(value) = key.get(&label) {
            return Ok(Column::new(Arc::clone(&label), Vector::Constant(kind, value.clone(), rows)));
        }
        let mut builder = VectorBuilder::with_capacity(kind, rows);
        for table in &tables {
            match table.column(&label) {
                Some(data) => builder.append(data)?,
                None => builder.push_nulls(table.rows()),
            }
        }
        Ok(Column::new(label, builder.finish()))
    };
    let columns = labels.into_iter().map(column).collect::<Result<Vec<Column>>>()?;
    let mut table = Table::new(key, columns);
    table.rows = rows;
    Ok(table)
}

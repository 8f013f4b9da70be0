//! `pivot`.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::runtime::Runtime;
use super::super::stream::Shape;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[("pivot", pivot)];

/// What a pivot turns.
struct Spec {
    rows: Vec<Text>,
    columns: Vec<Text>,
    value: Text,
}

fn pivot(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let spec = Spec {
        rows: call.required("rowKey")?,
        columns: call.required("columnKey")?,
        value: call.required("valueColumn")?,
    };
    if let Some(label) = spec.rows.iter().find(|label| spec.columns.contains(label)) {
        return Err(FluxError::invalid(format!("column name found in both rowKey and columnKey: {label}")));
    }
    if spec.rows.contains(&spec.value) || spec.columns.contains(&spec.value) {
        let message = "value column name found in rowKey or columnKey";
        return Err(FluxError::invalid(format!("{message}: {}", spec.value)));
    }
    let shape =
        Shape::Pivot { rows: spec.rows.clone(), columns: spec.columns.clone(), value: Text::clone(&spec.value) };
    Ok(call.whole_shaped(vec![input], shape, move |runtime, inputs| {
        let mut outputs: Vec<Output> = Vec::new();
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        for table in inputs.into_iter().flatten() {
            let key = spec.key(&table)?;
            let place = *places.entry(key.bytes()).or_insert_with(|| {
                outputs.push(Output::new(key));
                outputs.len() - 1
            });
            if let Some(output) = outputs.get_mut(place) {
                output.add(&spec, runtime, &table)?;
            }
        }
        outputs.sort_by(|left, right| left.key.order(&right.key));
        outputs.into_iter().map(Output::finish).collect()
    }))
}

impl Spec {
    /// The key that is left of a table's.
    fn key(&self, table: &Table) -> Result<GroupKey> {
        let named = [("row key", &self.rows), ("column key", &self.columns)];
        for (what, labels) in named {
            if let Some(label) = labels.iter().find(|label| table.column(label).is_none()) {
                return Err(FluxError::invalid(format!("specified {what} column does not exist in table: {label}")));
            }
        }
        if table.column(&self.value).is_none() {
            let message = format!("specified value column does not exist in table: {}", self.value);
            return Err(FluxError::invalid(message));
        }
        Ok(table.key().without(|label| self.columns.iter().any(|known| **known == *label) || *self.value == *label))
    }
}

/// A table that is being made.
struct Output {
    key: GroupKey,
    /// The columns of the key and of rows, in the order in which they came.
    fixed: Vec<(Text, VectorBuilder)>,
    /// A column for each value of the column key.
    turned: Vec<(Text, VectorBuilder)>,
    places: HashMap<Text, usize>,
    rows: HashMap<Vec<u8>, usize>,
}

impl Output {
    fn new(key: GroupKey) -> Self {
        Self { key, fixed: Vec::new(), turned: Vec::new(), places: HashMap::new(), rows: HashMap::new() }
    }

    fn add(&mut self, spec: &Spec, runtime: &Arc<Runtime>, table: &Table) -> Result<()> {
        for column in table.columns() {
            let is_fixed = self.key.contains(&column.label) || spec.rows.contains(&column.label);
            if is_fixed && !self.fixed.iter().any(|(label, _)| *label == column.label) {
                let mut builder = VectorBuilder::new(column.data.column_type());
                builder.push_nulls(self.rows.len());
                self.fixed.push((Text::clone(&column.label), builder));
            }
        }
        let Some(values) = table.column(&spec.value) else { return Ok(()) };
        runtime.step(table.rows() as u64)?;
        let kind = values.column_type();
        let is_same = |label: &Text| matches!(table.column(label), Some(Vector::Constant(..)));
        let turned = match spec.columns.iter().all(is_same) && table.rows() > 0 {
            true => Some(self.turned(&column_label(spec, table, 0), kind)?),
            false => None,
        };
        let row_columns: Vec<Option<&Vector>> = spec.rows.iter().map(|label| table.column(label)).collect();
        let mut bytes = Vec::new();
        for row in 0..table.rows() {
            bytes.clear();
            for column in &row_columns {
                column.map(|column| column.value(row)).unwrap_or_default().write_key(&mut bytes);
            }
            let place = match self.rows.get(bytes.as_slice()) {
                Some(place) => *place,
                None => self.add_row(&bytes, table, row)?,
            };
            let column = match turned {
                Some(column) => column,
                None => self.turned(&column_label(spec, table, row), kind)?,
            };
            self.put(column, place, &values.value(row))?;
        }
        Ok(())
    }

    /// A row more, with the values of its fixed columns.
    fn add_row(&mut self, key: &[u8], table: &Table, row: usize) -> Result<usize> {
        let place = self.rows.len();
        self.rows.insert(key.to_vec(), place);
        for (label, builder) in &mut self.fixed {
            match table.column(label) {
                Some(column) => builder.push(&column.value(row))?,
                None => builder.push_nulls(1),
            }
        }
        Ok(place)
    }

    /// The place of a turned column, which is made if there is none.
    fn turned(&mut self, label: &Text, kind: ColumnType) -> Result<usize> {
        if self.fixed.iter().any(|(known, _)| known == label) {
            let message = format!(
                "value \"{label}\" appears in a column key column, but a column named \"{label}\" already exists; \
                 consider renaming \"{label}\""
            );
            return Err(FluxError::invalid(message));
        }
        let count = self.turned.len();
        let place = *self.places.entry(Text::clone(label)).or_insert(count);
        if place == count {
            self.turned.push((Text::clone(label), VectorBuilder::new(kind)));
        }
        let known = self.turned.get(place).map_or(kind, |(_, builder)| builder.column_type());
        if known != kind {
            let (left, right) = (known.name(), kind.name());
            let message = format!("schema collision detected: column \"{label}\" is both of type {left} and {right}");
            return Err(FluxError::invalid(message));
        }
        Ok(place)
    }

    /// Puts a value into a row of a turned column.
    fn put(&mut self, column: usize, row: usize, value: &Value) -> Result<()> {
        let Some((_, builder)) = self.turned.get_mut(column) else { return Ok(()) };
        if row >= builder.len() {
            builder.push_nulls(row - builder.len());
            return builder.push(value);
        }
        builder.set(row, value);
        Ok(())
    }

    fn finish(self) -> Result<Table> {
        let rows = self.rows.len();
        let column = |(label, mut builder): (Text, VectorBuilder)| {
            builder.push_nulls(rows.saturating_sub(builder.len()));
            Column::new(label, builder.finish())
        };
        let columns: Vec<Column> = self.fixed.into_iter().chain(self.turned).map(column).collect();
        Ok(Table::new(self.key, columns))
    }
}

/// The name of the column that a row's value goes to.
fn column_label(spec: &Spec, table: &Table, row: usize) -> Text {
    let text = |label: &Text| {
        let value = table.column(label).map(|column| column.value(row)).unwrap_or_default();
        if value.is_null() { "null".to_owned() } else { value.to_string() }
    };
    Text::from(spec.columns.iter().map(text).collect::<Vec<String>>().join("_"))
}

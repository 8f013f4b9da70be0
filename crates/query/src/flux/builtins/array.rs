//! Package `array`: tables out of records.

use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Record, Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[("from", from)];

fn from(call: &mut Call<'_>) -> Result<Value> {
    let rows: Arc<Vec<Value>> = call.required("rows")?;
    if rows.is_empty() {
        return Err(FluxError::invalid("rows must be non-empty"));
    }
    let record = |row: &Value| match row {
        Value::Record(record) => Ok(record.clone()),
        other => Err(FluxError::invalid(format!("expected a record but found {}", other.kind()))),
    };
    let records = rows.iter().map(record).collect::<Result<Vec<Record>>>()?;
    let table = table_of(&records)?;
    Ok(call.source(move |_| Ok(vec![table.clone()])))
}

/// One table of all records, without a group key.
pub(super) fn table_of(records: &[Record]) -> Result<Table> {
    let mut labels: Vec<Text> = Vec::new();
    for record in records {
        for (label, _) in record.fields() {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
    }
    let mut columns = Vec::with_capacity(labels.len());
    for label in labels {
        let values: Vec<Value> = records.iter().map(|record| record.get(&label).unwrap_or_default()).collect();
        if let Some(other) = values.iter().find(|value| !value.is_null() && ColumnType::of(value).is_none()) {
            let kind = other.kind();
            let message = format!("property \"{label}\" has type {kind}, which a column cannot have");
            return Err(FluxError::invalid(message));
        }
        // A property that no record has a value for has no type either.
        if values.iter().any(|value| !value.is_null()) {
            columns.push(Column::new(label, Vector::from_values(&values, ColumnType::String)?));
        }
    }
    Ok(Table::new(GroupKey::default(), columns))
}

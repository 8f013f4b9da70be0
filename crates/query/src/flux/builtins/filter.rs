//! `filter`.

use std::sync::Arc;

use super::super::columnar::{self, Calls};
use super::super::error::{FluxError, Result};
use super::super::function::{Call, Function};
use super::super::interpret::RowFunction;
use super::super::runtime::Runtime;
use super::super::stream::Shape;
use super::super::table::Table;
use super::super::value::{Text, Value};
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[("filter", filter)];

fn filter(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let function: Function = call.required("fn")?;
    let on_empty: Text = call.or("onEmpty", Text::from("drop"))?;
    let keeps_empty = match &*on_empty {
        "keep" => true,
        "drop" => false,
        other => return Err(FluxError::invalid(format!("onEmpty must be keep or drop, was {other}"))),
    };
    let shape = Shape::Filter { function: function.clone(), keeps_empty };
    Ok(call.shaped(input, shape, move |runtime, table| {
        let table = apply(runtime, &function, table)?;
        Ok((keeps_empty || table.rows() > 0).then_some(table))
    }))
}

/// The rows for which a function is true.
pub(crate) fn apply(runtime: &Arc<Runtime>, function: &Function, table: Table) -> Result<Table> {
    if let Some(rows) = columnar::mask(runtime, function, &table, Calls::Any) {
        return Ok(table.filter(&rows));
    }
    let name = row_parameter(function);
    let mut function = RowFunction::new(runtime, function);
    let (count, table) = (table.rows(), Arc::new(table));
    let mut rows = Vec::new();
    for row in 0..count {
        let value = function.row(&name, &table, row);
        match value.map_err(|error| error.context("failed to evaluate filter function"))? {
            Value::Bool(true) => rows.push(row),
            Value::Bool(false) | Value::Null => {}
            other => {
                let message = format!("failed to evaluate filter function: expected bool but found {}", other.kind());
                return Err(FluxError::invalid(message));
            }
        }
    }
    let table = Arc::try_unwrap(table).unwrap_or_else(|shared| Table::clone(&shared));
    Ok(if rows.len() == count { table } else { table.take(&rows) })
}

/// The name of the parameter that takes a row.
pub(crate) fn row_parameter(function: &Function) -> Text {
    let parameters = function.signature().parameters;
    parameters.into_iter().next().map_or_else(|| Text::from("r"), |parameter| parameter.name)
}

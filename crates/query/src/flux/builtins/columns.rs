//! What changes columns and leaves rows: `keep`, `drop`, `rename`, `duplicate`, `set`.

use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::{Call, Function};
use super::super::interpret::RowFunction;
use super::super::runtime::Runtime;
use super::super::stream::Shape;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Record, Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;

pub(super) const FUNCTIONS: Functions =
    &[("drop", drop_columns), ("duplicate", duplicate), ("keep", keep), ("rename", rename), ("set", set)];

/// Names, or a function of a name.
enum Choice {
    Names(Vec<Text>),
    Function(Function),
}

impl Choice {
    fn of(call: &Call<'_>, what: &str) -> Result<Self> {
        match (call.optional("columns")?, call.optional("fn")?) {
            (Some(names), None) => Ok(Self::Names(names)),
            (None, Some(function)) => Ok(Self::Function(function)),
            (Some(_), Some(_)) => {
                Err(FluxError::invalid(format!("{what} error: both column list and predicate provided")))
            }
            (None, None) => {
                Err(FluxError::invalid(format!("{what} error: neither column list nor predicate function provided")))
            }
        }
    }

    fn holds(&self, runtime: &Arc<Runtime>, label: &Text) -> Result<bool> {
        match self {
            Self::Names(names) => Ok(names.contains(label)),
            Self::Function(function) => match of_column(runtime, function, label)? {
                Value::Bool(value) => Ok(value),
                other => Err(FluxError::invalid(format!("expected bool but found {}", other.kind()))),
            },
        }
    }
}

/// The value of a function for the name of a column.
fn of_column(runtime: &Arc<Runtime>, function: &Function, label: &Text) -> Result<Value> {
    RowFunction::new(runtime, function).call(vec![(Text::from("column"), Value::String(Text::clone(label)))])
}

fn choose(call: &mut Call<'_>, what: &'static str, keeps: bool) -> Result<Value> {
    let input = call.stream("tables")?;
    let choice = Choice::of(call, what)?;
    let shape = match &choice {
        Choice::Names(names) if keeps => Shape::Keep { columns: names.clone() },
        _ => Shape::Other,
    };
    Ok(call.regroup_shaped(input, shape, move |runtime, table| {
        let mut columns = Vec::with_capacity(table.columns().len());
        for column in table.columns() {
            if choice.holds(runtime, &column.label)? == keeps {
                columns.push(column.clone());
            }
        }
        let is_gone = |label: &str| !columns.iter().any(|column| *column.label == *label);
        let key = table.key().without(is_gone);
        Ok(if columns.is_empty() { Vec::new() } else { vec![table.with(key, columns)] })
    }))
}

fn keep(call: &mut Call<'_>) -> Result<Value> {
    choose(call, "keep", true)
}

fn drop_columns(call: &mut Call<'_>) -> Result<Value> {
    choose(call, "drop", false)
}

fn rename(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let names: Option<Record> = call.optional("columns")?;
    let function: Option<Function> = call.optional("fn")?;
    let names = match (&names, &function) {
        (Some(names), None) => names.fields(),
        (None, Some(_)) => Vec::new(),
        (Some(_), Some(_)) => return Err(FluxError::invalid("rename error: both column list and function provided")),
        (None, None) => return Err(FluxError::invalid("rename error: neither column list nor function provided")),
    };
    Ok(call.regroup(input, move |runtime, table| {
        for (name, _) in &names {
            if table.column(name).is_none() {
                return Err(FluxError::invalid(format!("rename error: column \"{name}\" doesn't exist")));
            }
        }
        let mut renamed = Vec::with_capacity(table.columns().len());
        for column in table.columns() {
            let new = match &function {
                Some(function) => Some(of_column(runtime, function, &column.label)?),
                None => names.iter().find(|(name, _)| *name == column.label).map(|(_, new)| new.clone()),
            };
            match new {
                None => renamed.push(Text::clone(&column.label)),
                Some(Value::String(new)) => renamed.push(new),
                Some(other) => {
                    return Err(FluxError::invalid(format!("rename error: a {} is not a name", other.kind())));
                }
            }
        }
        Ok(vec![relabel(&table, &renamed)?])
    }))
}

/// The table with these names for its columns.
fn relabel(table: &Table, labels: &[Text]) -> Result<Table> {
    for (index, label) in labels.iter().enumerate() {
        if labels.iter().take(index).any(|known| known == label) {
            return Err(FluxError::invalid(format!("rename error: there are two columns with the name \"{label}\"")));
        }
    }
    let columns = table.columns().iter().zip(labels);
    let key = columns
        .clone()
        .filter_map(|(column, label)| table.key().get(&column.label).map(|value| (Text::clone(label), value.clone())));
    let key = GroupKey::new(key.collect());
    Ok(table.with(key, columns.map(|(column, label)| Column::new(Text::clone(label), column.data.clone())).collect()))
}

fn duplicate(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let (column, to): (Text, Text) = (call.required("column")?, call.required("as")?);
    let shape = Shape::Duplicate { column: Text::clone(&column), to: Text::clone(&to) };
    Ok(call.regroup_shaped(input, shape, move |_, table| {
        let missing = || FluxError::invalid(format!("duplicate error: column \"{column}\" doesn't exist"));
        let data = table.column(&column).cloned().ok_or_else(missing)?;
        let key = match (table.key().contains(&to), table.key().get(&column)) {
            (true, Some(value)) => table.key().with(&to, value.clone()),
            (true, None) => table.key().without(|label| *label == *to),
            (false, _) => table.key().clone(),
        };
        Ok(vec![table.with_column(&to, data).with_key(key)])
    }))
}

fn set(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let (label, value): (Text, Text) = (call.required("key")?, call.required("value")?);
    Ok(call.regroup(input, move |_, table| {
        let value = Value::String(Text::clone(&value));
        let key =
            if table.key().contains(&label) { table.key().with(&label, value.clone()) } else { table.key().clone() };
        let data = Vector::constant(ColumnType::String, value, table.rows());
        Ok(vec![table.with_column(&label, data).with_key(key)])
    }))
}

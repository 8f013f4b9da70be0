//! Values out of tables while the script is interpreted: `tableFind` and what follows it; `reduce`; names of columns.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::error::{Code, FluxError, Result};
use super::super::function::{Call, Function};
use super::super::interpret::RowFunction;
use super::super::runtime::Runtime;
use super::super::stream::{Run, Shape, node};
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Record, Text, Value};
use super::super::vector::Vector;
use super::Functions;
use super::read_columns::texts;
use super::statistics::column;

/// The first table whose key a function takes.
fn first_table(call: &mut Call<'_>) -> Result<Option<Table>> {
    let function: Function = call.required("fn")?;
    let input = call.stream("tables")?;
    for table in call.read_now(&input)? {
        let key = Value::Record(table.key().record());
        match call.invoke(&function, vec![("key", key)])? {
            Value::Bool(true) => return Ok(Some(table)),
            Value::Bool(false) | Value::Null => {}
            other => return Err(FluxError::invalid(format!("fn should give a bool, but gives a {}", other.kind()))),
        }
    }
    Ok(None)
}

fn table_find(call: &mut Call<'_>) -> Result<Value> {
    match first_table(call)? {
        Some(table) => Ok(Value::Table(Arc::new(table))),
        None => Err(FluxError::new(Code::NotFound, "no table found")),
    }
}

/// The table that was piped in.
fn table(call: &Call<'_>) -> Result<Arc<Table>> {
    match call.value("table") {
        Value::Table(table) => Ok(table),
        Value::Null => Err(FluxError::invalid("missing required keyword argument \"table\"")),
        other => {
            let kind = other.kind();
            Err(FluxError::invalid(format!("keyword argument \"table\" should be one table, but got {kind}")))
        }
    }
}

fn column_of(table: &Table, label: &str) -> Option<Value> {
    table.column(label).map(|vector| Value::Array(Arc::new(vector.values().collect())))
}

fn row_of(table: &Arc<Table>, index: i64) -> Option<Value> {
    let row = usize::try_from(index).ok().filter(|row| *row < table.rows())?;
    Some(Value::Record(Record::new(Record::Row(Arc::clone(table), row).fields())))
}

fn get_column(call: &mut Call<'_>) -> Result<Value> {
    let label: Text = call.required("column")?;
    column_of(&*table(call)?, &label).ok_or_else(|| FluxError::invalid(format!("cannot find column {label}")))
}

fn get_record(call: &mut Call<'_>) -> Result<Value> {
    let index = call.required("idx")?;
    row_of(&table(call)?, index).ok_or_else(|| FluxError::invalid(format!("index out of bounds: {index}")))
}

fn find_column(call: &mut Call<'_>) -> Result<Value> {
    let label: Text = call.required("column")?;
    let values = first_table(call)?.and_then(|table| column_of(&table, &label));
    Ok(values.unwrap_or_else(|| Value::Array(Arc::default())))
}

fn find_record(call: &mut Call<'_>) -> Result<Value> {
    let index = call.required("idx")?;
    let record = first_table(call)?.and_then(|table| row_of(&Arc::new(table), index));
    Ok(record.unwrap_or_else(|| Value::Record(Record::new(Vec::new()))))
}

/// One row for each table: its key and what the rows make of `identity`, one after another.
fn reduce(call: &mut Call<'_>) -> Result<Value> {
    let function: Function = call.required("fn")?;
    let identity: Record = call.required("identity")?;
    refuse_nulls(&identity)?;
    let input = call.stream("tables")?;
    let bounds = input.bounds();
    // The input goes by table by table; only the rows that come out are held.
    let run: Run = Box::new(move |runtime, inputs| {
        let mut reduced: Vec<Table> = Vec::new();
        let mut keys = HashSet::new();
        for table in inputs.into_iter().flatten() {
            let table = reduce_table(runtime, &function, &identity, table?)?;
            if !keys.insert(table.key().bytes()) {
                let key: Vec<String> =
                    table.key().columns().iter().map(|(label, value)| format!("{label}={value}")).collect();
                let message = format!("two reducers writing result to the same table: {{{}}}", key.join(","));
                return Err(FluxError::invalid(message));
            }
            reduced.push(runtime.holding(table)?);
        }
        reduced.sort_by(|left, right| left.key().order(right.key()));
        Ok(Box::new(reduced.into_iter().map(Ok)))
    });
    Ok(node(call.place.clone(), vec![input], Shape::Other, bounds, run))
}

fn refuse_nulls(record: &Record) -> Result<()> {
    match record.fields().iter().find(|(_, value)| value.is_null()) {
        Some((name, _)) => {
            let message = format!("null values are not supported for \"{name}\" in the reduce() function");
            Err(FluxError::invalid(message))
        }
        None => Ok(()),
    }
}

/// A property keeps the type that it begins with.
fn refuse_other_types(identity: &Record, accumulator: &Record) -> Result<()> {
    for (name, value) in accumulator.fields() {
        if let Some(first) = identity.get(&name)
            && first.kind() != value.kind()
        {
            let (wanted, given) = (first.kind(), value.kind());
            let message = format!("expected {wanted} but found {given} for \"{name}\" in the reduce() function");
            return Err(FluxError::invalid(message));
        }
    }
    Ok(())
}

fn reduce_table(runtime: &Arc<Runtime>, function: &Function, identity: &Record, table: Table) -> Result<Table> {
    let (row_name, accumulator_name) = (Text::from("r"), Text::from("accumulator"));
    let mut function = RowFunction::new(runtime, function);
    let table = Arc::new(table);
    let mut accumulator = identity.clone();
    for row in 0..table.rows() {
        let arguments = vec![
            (Arc::clone(&row_name), Value::Record(Record::Row(Arc::clone(&table), row))),
            (Arc::clone(&accumulator_name), Value::Record(accumulator)),
        ];
        accumulator = match function.call(arguments)? {
            Value::Record(record) => record,
            other => {
                let kind = other.kind();
                return Err(FluxError::invalid(format!("fn should give a record, but gives a {kind}")));
            }
        };
        refuse_nulls(&accumulator)?;
        refuse_other_types(identity, &accumulator)?;
    }
    let mut fields = accumulator.fields();
    fields.sort_by(|left, right| left.0.cmp(&right.0));
    let mut key = table.key().clone();
    let mut columns = Vec::with_capacity(fields.len());
    for (label, value) in fields {
        let Some(kind) = super::super::vector::ColumnType::of(&value) else {
            let given = value.kind();
            let message =
                format!("reduce object property \"{label}\" is {given} type which is not supported in a flux table");
            return Err(FluxError::invalid(message));
        };
        if key.contains(&label) {
            key = key.with(&label, value.clone());
        }
        columns.push(Column::new(label, Vector::constant(kind, value, 1)));
    }
    let row = table.of_key(1, columns);
    Ok(row.with_key(key))
}

/// Names as rows beside the key.
fn names(call: &mut Call<'_>, shape: fn(Text) -> Shape, names: fn(&Table) -> Vec<Text>) -> Result<Value> {
    let label = column(call)?;
    let input = call.stream("tables")?;
    Ok(call.shaped(input, shape(Text::clone(&label)), move |_, table| {
        let names = names(&table);
        if table.key().contains(&label) {
            // What the key's column held gives way to the names.
            let key: GroupKey = table.key().without(|known| known == &*label);
            let table = table.with_key(key);
            return Ok(Some(table.of_key(names.len(), vec![texts(&label, names)])));
        }
        Ok(Some(table.of_key(names.len(), vec![texts(&label, names)])))
    }))
}

fn key_labels(table: &Table) -> Vec<Text> {
    table.key().columns().iter().map(|(label, _)| Arc::clone(label)).collect()
}

fn column_labels(table: &Table) -> Vec<Text> {
    table.columns().iter().map(|column| Arc::clone(&column.label)).collect()
}

/// The functions of the universe that look into tables.
pub(super) const FUNCTIONS: Functions = &[
    ("tableFind", table_find),
    ("getColumn", get_column),
    ("getRecord", get_record),
    ("findColumn", find_column),
    ("findRecord", find_record),
    ("reduce", reduce),
    ("keys", |call| names(call, |column| Shape::Keys { column }, key_labels)),
    ("columns", |call| names(call, |_| Shape::Other, column_labels)),
];

//! `group`.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::stream::Shape;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::Vector;
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[("group", group)];

fn group(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let columns: Vec<Text> = call.or("columns", Vec::new())?;
    let mode: Text = call.or("mode", Text::from("by"))?;
    let except = match &*mode {
        "by" => false,
        "except" => true,
        _ => return Err(FluxError::invalid("invalid group mode: must be \"by\" or \"except\"")),
    };
    let columns = Arc::new(columns);
    let shape = Shape::Group { columns: Arc::clone(&columns), except };
    Ok(call.regroup_shaped(input, shape, move |runtime, table| {
        runtime.step(table.rows() as u64)?;
        split(&table, &columns, except)
    }))
}

/// The rows of a table by the values of these columns, or of all others. Columns that it does not have are left out.
pub(crate) fn split(table: &Table, columns: &[Text], except: bool) -> Result<Vec<Table>> {
    let is_key = |column: &&Column| columns.contains(&column.label) != except;
    let labels: Vec<Text> = table.columns().iter().filter(is_key).map(|column| Text::clone(&column.label)).collect();
    Ok(by_values(table, &labels))
}

/// The rows of a table by the values of some of its columns, which become its key; in the order of their first rows.
pub(crate) fn by_values(table: &Table, labels: &[Text]) -> Vec<Table> {
    let constant: Vec<(Text, Option<Value>)> = labels
        .iter()
        .map(|label| {
            let value = match table.column(label) {
                Some(Vector::Constant(_, value, _)) => Some(value.clone()),
                _ => table.key().get(label).cloned(),
            };
            (Text::clone(label), value)
        })
        .collect();
    if let Some(key) = constant.iter().map(|(label, value)| Some((Text::clone(label), value.clone()?))).collect() {
        return vec![table.with_key(GroupKey::new(key))];
    }
    let vectors: Vec<&Vector> = labels.iter().filter_map(|label| table.column(label)).collect();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..table.rows() {
        let mut bytes = Vec::new();
        vectors.iter().for_each(|vector| vector.value(row).write_key(&mut bytes));
        let place = *places.entry(bytes).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(rows) => rows.push(row),
            None => groups.push(vec![row]),
        }
    }
    let part = |rows: Vec<usize>| {
        let first = rows.first().copied().unwrap_or_default();
        let values = labels.iter().zip(&vectors).map(|(label, vector)| (Text::clone(label), vector.value(first)));
        let key = GroupKey::new(values.collect());
        let part = table.take(&rows);
        let columns = part.columns().iter().map(|column| match key.get(&column.label) {
            Some(value) => {
                let constant = Vector::constant(column.data.column_type(), value.clone(), rows.len());
                Column::new(Text::clone(&column.label), constant)
            }
            None => column.clone(),
        });
        part.with(key.clone(), columns.collect())
    };
    groups.into_iter().map(part).collect()
}

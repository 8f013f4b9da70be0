//! Package `csv`: tables out of annotated or plain CSV.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::Functions;
use super::conversion::parse_time;

pub(super) const FUNCTIONS: Functions = &[("from", from)];

fn from(call: &mut Call<'_>) -> Result<Value> {
    if call.has("file") || call.has("url") {
        return Err(FluxError::invalid("csv.from reads only the text of its argument csv, no files and no addresses"));
    }
    let text: Text = call.required("csv")?;
    let mode: Text = call.or("mode", Text::from("annotations"))?;
    let is_raw = match &*mode {
        "raw" => true,
        "annotations" => false,
        other => return Err(FluxError::invalid(format!("mode must be annotations or raw, was {other}"))),
    };
    Ok(call.source(move |runtime| {
        runtime.step(text.len() as u64)?;
        let rows = rows_of(&text)?;
        if is_raw { Ok(raw(rows).into_iter().collect()) } else { annotated(&rows) }
    }))
}

/// The fields of each line; a line without any is an empty list.
fn rows_of(text: &str) -> Result<Vec<Vec<String>>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rows = Vec::new();
    let mut characters = text.chars().peekable();
    let (mut row, mut field): (Vec<String>, String) = (Vec::new(), String::new());
    let mut is_begun = false;
    while let Some(character) = characters.next() {
        match character {
            '"' if field.is_empty() => {
                is_begun = true;
                loop {
                    match characters.next() {
                        Some('"') if characters.peek() == Some(&'"') => {
                            characters.next();
                            field.push('"');
                        }
                        Some('"') => break,
                        Some(other) => field.push(other),
                        None => {
                            let message = format!(
                                "failed to read csv: line {}: extraneous or missing \" in quoted-field",
                                rows.len() + 1
                            );
                            return Err(FluxError::invalid(message));
                        }
                    }
                }
            }
            ',' => {
                is_begun = true;
                row.push(std::mem::take(&mut field));
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                if is_begun {
                    row.push(std::mem::take(&mut field));
                }
                rows.push(std::mem::take(&mut row));
                is_begun = false;
            }
            other => {
                is_begun = true;
                field.push(other);
            }
        }
    }
    if is_begun {
        row.push(field);
        rows.push(row);
    }
    Ok(rows)
}

/// One table of texts, named by the first line.
fn raw(rows: Vec<Vec<String>>) -> Option<Table> {
    let mut rows = rows.into_iter().filter(|row| !row.is_empty());
    let labels = rows.next()?;
    let mut columns: Vec<Vec<Option<Text>>> = vec![Vec::new(); labels.len()];
    for row in rows {
        for (index, column) in columns.iter_mut().enumerate() {
            column.push(Some(Text::from(row.get(index).map_or("", String::as_str))));
        }
    }
    let column = |(label, values): (String, Vec<Option<Text>>)| Column::new(label, Vector::texts(values));
    Some(Table::new(GroupKey::default(), labels.into_iter().zip(columns).map(column).collect()))
}

/// What stands above the rows of a block.
#[derive(Default)]
struct Head {
    types: Vec<String>,
    groups: Vec<bool>,
    defaults: Vec<String>,
    labels: Vec<String>,
}

/// A column of a table.
struct Field {
    index: usize,
    label: Text,
    kind: ColumnType,
    /// How times are written.
    is_number_time: bool,
    is_key: bool,
    default: String,
}

/// Tables with annotations, one for each number in the column `table` of each block.
fn annotated(rows: &[Vec<String>]) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    let mut head = Head::default();
    let mut block: Vec<&[String]> = Vec::new();
    let mut is_open = false;
    for (number, row) in rows.iter().enumerate() {
        let first = row.first().map_or("", String::as_str);
        if row.is_empty() || (first.starts_with('#') && is_open) {
            if is_open {
                tables.extend(finish(&head, &block)?);
                (head, block, is_open) = (Head::default(), Vec::new(), false);
            }
            if row.is_empty() {
                continue;
            }
        }
        let rest = row.get(1..).unwrap_or_default();
        match first {
            "#datatype" => head.types = rest.to_vec(),
            "#group" => head.groups = rest.iter().map(|text| text == "true").collect(),
            "#default" => head.defaults = rest.to_vec(),
            other if other.starts_with('#') => {}
            _ if !is_open => {
                if head.types.is_empty() {
                    let message =
                        format!("failed to read metadata: missing expected annotation datatype, line {}", number + 1);
                    return Err(FluxError::invalid(message));
                }
                head.labels = rest.to_vec();
                is_open = true;
            }
            _ => block.push(rest),
        }
    }
    if is_open {
        tables.extend(finish(&head, &block)?);
    }
    Ok(tables)
}

impl Head {
    fn fields(&self) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        for (index, label) in self.labels.iter().enumerate() {
            if matches!(label.as_str(), "result" | "table" | "error" | "reference") && index < 2 {
                continue;
            }
            let name = self.types.get(index).map_or("", String::as_str);
            let kind = match name.split(':').next().unwrap_or_default() {
                "boolean" => ColumnType::Bool,
                "long" => ColumnType::Int,
                "unsignedLong" => ColumnType::UInt,
                "double" => ColumnType::Float,
                "string" | "duration" | "base64Binary" => ColumnType::String,
                "dateTime" => ColumnType::Time,
                other => return Err(FluxError::invalid(format!("unsupported column type \"{other}\""))),
            };
            fields.push(Field {
                index,
                label: Text::from(label.as_str()),
                kind,
                is_number_time: name == "dateTime:number",
                is_key: self.groups.get(index).copied().unwrap_or_default(),
                default: self.defaults.get(index).cloned().unwrap_or_default(),
            });
        }
        Ok(fields)
    }

    fn index(&self, label: &str) -> Option<usize> {
        self.labels.iter().position(|known| known == label)
    }
}

/// The tables of a block; without rows one that is empty, whose key is in the defaults.
fn finish(head: &Head, block: &[&[String]]) -> Result<Vec<Table>> {
    let fields = head.fields()?;
    let number_index = head.index("table");
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut tables: Vec<Vec<&[String]>> = Vec::new();
    for row in block {
        let number = number_index.and_then(|index| row.get(index)).map_or("", String::as_str);
        let place = *places.entry(number).or_insert(tables.len());
        match tables.get_mut(place) {
            Some(rows) => rows.push(row),
            None => tables.push(vec![row]),
        }
    }
    if tables.is_empty() {
        tables.push(Vec::new());
    }
    tables.into_iter().map(|rows| table(&fields, &rows)).collect()
}

fn table(fields: &[Field], rows: &[&[String]]) -> Result<Table> {
    let mut columns = Vec::with_capacity(fields.len());
    let mut key = Vec::new();
    for field in fields {
        let mut builder = VectorBuilder::with_capacity(field.kind, rows.len());
        for row in rows {
            builder.push(&field.value(row.get(field.index).map_or("", String::as_str))?)?;
        }
        let mut data = builder.finish();
        if field.is_key {
            let value = if rows.is_empty() { field.value("")? } else { data.value(0) };
            data = Vector::constant(field.kind, value.clone(), rows.len());
            key.push((Text::clone(&field.label), value));
        }
        columns.push(Column::new(Arc::clone(&field.label), data));
    }
    Ok(Table::new(GroupKey::new(key), columns))
}

impl Field {
    /// A cell's value; an empty one is the default, or null.
    fn value(&self, text: &str) -> Result<Value> {
        let text = if text.is_empty() { self.default.as_str() } else { text };
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let value = match self.kind {
            ColumnType::Bool => match text {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => None,
            },
            ColumnType::Int => text.parse().ok().map(Value::Int),
            ColumnType::UInt => text.parse().ok().map(Value::UInt),
            ColumnType::Float => text.parse().ok().map(Value::Float),
            ColumnType::String => Some(Value::text(text)),
            ColumnType::Time if self.is_number_time => text.parse().ok().map(Value::Time),
            ColumnType::Time => parse_time(text).map(Value::Time),
        };
        let kind = self.kind.name();
        value
            .ok_or_else(|| FluxError::invalid(format!("cannot read \"{text}\" of column \"{}\" as {kind}", self.label)))
    }
}

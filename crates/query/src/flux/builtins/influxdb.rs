//! Package `influxdata/influxdb`: what writes points and looks at buckets as a whole. Nothing is written here: lines go
//! through the door of the query's caller.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::{Call, Function};
use super::super::host::BucketReference;
use super::super::interpret::RowFunction;
use super::super::runtime::Runtime;
use super::super::source::Read;
use super::super::stream::{self, Run, Shape, node};
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Record, Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;
use super::filter::row_parameter;
use super::source::{bucket, refuse_host};
use crate::limits;

pub(super) const FUNCTIONS: Functions =
    &[("cardinality", cardinality), ("databases", databases), ("to", to), ("wideTo", wide_to)];

/// The same functions where every script has them.
pub(super) const UNIVERSE: Functions = &[("to", to)];

/// Which columns of a row are what of a point.
struct PointShape {
    time: Text,
    measurement: Text,
    /// None: all columns of texts that are nothing else.
    tags: Option<Vec<Text>>,
    fields: Fields,
}

/// Where the fields of a point come from.
enum Fields {
    /// `_field` and `_value`.
    Single,
    /// The properties of a function's record.
    Function(Function),
    /// All columns that are nothing else.
    Wide,
}

fn to(call: &mut Call<'_>) -> Result<Value> {
    refuse_host(call)?;
    let fields = match call.optional("fieldFn")? {
        Some(function) => Fields::Function(function),
        None => Fields::Single,
    };
    let shape = PointShape {
        time: call.or("timeColumn", Text::from("_time"))?,
        measurement: call.or("measurementColumn", Text::from("_measurement"))?,
        tags: call.optional("tagColumns")?,
        fields,
    };
    write_through(call, shape)
}

fn wide_to(call: &mut Call<'_>) -> Result<Value> {
    refuse_host(call)?;
    let (time, measurement) = (Text::from("_time"), Text::from("_measurement"));
    write_through(call, PointShape { time, measurement, tags: None, fields: Fields::Wide })
}

/// Writes each table when it comes by, and passes it on.
fn write_through(call: &mut Call<'_>, shape: PointShape) -> Result<Value> {
    let (input, bucket) = (call.stream("tables")?, bucket(call)?);
    Ok(call.per_table(input, move |runtime, table| {
        write(runtime, &bucket, &shape, &table)?;
        Ok(Some(table))
    }))
}

fn write(runtime: &Arc<Runtime>, bucket: &BucketReference, shape: &PointShape, table: &Table) -> Result<()> {
    for label in [&shape.time, &shape.measurement] {
        if table.column(label).is_none() {
            return Err(FluxError::invalid(format!("no column with label {label} exists")));
        }
    }
    let is_own = |label: &str| *label == *shape.time || *label == *shape.measurement;
    let is_tag = |column: &Column| match (&shape.tags, &shape.fields) {
        (Some(tags), _) => tags.contains(&column.label),
        (None, Fields::Wide) => table.key().contains(&column.label) && column.data.column_type() == ColumnType::String,
        (None, _) => column.data.column_type() == ColumnType::String && !matches!(&*column.label, "_field" | "_value"),
    };
    let mut tags: Vec<&Column> =
        table.columns().iter().filter(|column| !is_own(&column.label) && is_tag(column)).collect();
    tags.sort_by(|left, right| left.label.cmp(&right.label));
    let is_field = |column: &&Column| {
        let is_bound = matches!(&*column.label, "_start" | "_stop");
        !is_own(&column.label) && !is_bound && !tags.iter().any(|tag| tag.label == column.label)
    };
    let wide: Vec<&Column> = table.columns().iter().filter(is_field).collect();
    let row_table = Arc::new(table.clone());
    let mut function = match &shape.fields {
        Fields::Function(function) => Some((row_parameter(function), RowFunction::new(runtime, function))),
        _ => None,
    };
    let mut lines = String::new();
    for row in 0..table.rows() {
        runtime.step(1)?;
        let time = table.column(&shape.time).and_then(|column| column.integer(row));
        let measurement = table.column(&shape.measurement).map(|column| column.value(row)).unwrap_or_default();
        let (Some(time), Value::String(measurement)) = (time, measurement) else { continue };
        let fields: Vec<(Text, Value)> = match (&shape.fields, &mut function) {
            (Fields::Wide, _) => {
                wide.iter().map(|column| (Text::clone(&column.label), column.data.value(row))).collect()
            }
            (_, Some((name, function))) => match function.row(name, &row_table, row)? {
                Value::Record(record) => record.fields(),
                other => return Err(FluxError::invalid(format!("fieldFn must return a record, got {}", other.kind()))),
            },
            _ => single_field(&Record::Row(Arc::clone(&row_table), row))?,
        };
        let tags = tags.iter().map(|column| (&column.label, column.data.value(row)));
        line(&mut lines, &measurement, tags, &fields, time)?;
        if lines.len() >= limits::FLUX_WRITE_BYTES {
            runtime.handle.block_on(runtime.host.write(bucket.clone(), std::mem::take(&mut lines)))?;
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    runtime.handle.block_on(runtime.host.write(bucket.clone(), lines))
}

fn single_field(row: &Record) -> Result<Vec<(Text, Value)>> {
    match (row.get("_field"), row.get("_value")) {
        (Some(Value::String(field)), Some(value)) => Ok(vec![(field, value)]),
        (Some(Value::Null), _) => Ok(Vec::new()),
        (None, _) => Err(FluxError::invalid("no column with label _field exists")),
        _ => Err(FluxError::invalid("no column with label _value exists")),
    }
}

/// One point; nothing if it has no field with a value.
fn line<'a>(
    lines: &mut String,
    measurement: &str,
    tags: impl Iterator<Item = (&'a Text, Value)>,
    fields: &[(Text, Value)],
    time: i64,
) -> Result<()> {
    let mut text = escaped(measurement, &[',', ' '])?;
    for (label, value) in tags {
        let Value::String(value) = value else { continue };
        if !value.is_empty() {
            let special = [',', '=', ' '];
            let _ = write!(text, ",{}={}", escaped(label, &special)?, escaped(&value, &special)?);
        }
    }
    let mut separator = ' ';
    for (label, value) in fields {
        let value = match value {
            Value::Null => continue,
            Value::Float(value) if !value.is_finite() => continue,
            Value::Float(value) => value.to_string(),
            Value::Int(value) => format!("{value}i"),
            Value::UInt(value) => format!("{value}u"),
            Value::Bool(value) => value.to_string(),
            Value::Time(value) => format!("{value}i"),
            Value::String(value) => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
            other => {
                return Err(FluxError::invalid(format!("field {label} has type {}, which no field has", other.kind())));
            }
        };
        let _ = write!(text, "{separator}{}={value}", escaped(label, &[',', '=', ' '])?);
        separator = ',';
    }
    if separator == ',' {
        let _ = writeln!(lines, "{text} {time}");
    }
    Ok(())
}

/// A name as line protocol writes it.
fn escaped(text: &str, special: &[char]) -> Result<String> {
    if text.contains('\n') || text.ends_with('\\') {
        return Err(FluxError::invalid(format!("{text:?} cannot be the name or value of a tag, field or measurement")));
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    Ok(escaped)
}

/// How many series there are: all of a bucket, or those with points between two moments.
fn cardinality(call: &mut Call<'_>) -> Result<Value> {
    refuse_host(call)?;
    let bucket = bucket(call)?;
    let start = call.moment("start")?;
    let start = start.ok_or_else(|| FluxError::invalid("missing required keyword argument \"start\""))?;
    let stop = match call.moment("stop")? {
        Some(stop) => stop,
        None => call.interpreter.now()?,
    };
    let predicate: Option<Function> = call.optional("predicate")?;
    let place = call.place.clone();
    let empty = || -> Run { Box::new(|_, _| Ok(Box::new(std::iter::empty()))) };
    let mut tables = node(place.clone(), Vec::new(), Shape::Read(Arc::new(Read { bucket })), None, empty());
    for shape in [Some(Shape::Range), predicate.map(|function| Shape::Filter { function, keeps_empty: false })] {
        if let (Some(shape), Value::Stream(input)) = (shape, &tables) {
            tables = node(place.clone(), vec![input.clone()], shape, Some((start, stop)), empty());
        }
    }
    let Value::Stream(input) = tables else { return Ok(Value::Null) };
    let run: Run = Box::new(move |_, inputs| {
        let mut series = HashSet::new();
        for table in inputs.into_iter().flatten() {
            series.insert(table?.key().bytes());
        }
        let count = Value::Int(i64::try_from(series.len()).unwrap_or(i64::MAX));
        let column = Column::new("_value", Vector::constant(ColumnType::Int, count, 1));
        Ok(Box::new(std::iter::once(Ok(Table::new(GroupKey::default(), vec![column])))))
    });
    Ok(stream::node(place, vec![input], Shape::Other, None, run))
}

/// The buckets as databases and retention policies of InfluxDB 1.x.
fn databases(call: &mut Call<'_>) -> Result<Value> {
    refuse_host(call)?;
    Ok(call.source(|runtime| {
        let rows = runtime.handle.block_on(runtime.host.databases())?;
        let organisation = rows.first().map(|row| Value::text(&row.bucket.organisation_id)).unwrap_or_default();
        let text = |label: &str, value: fn(&super::super::host::DatabaseRow) -> &str| {
            let values = rows.iter().map(|row| Some(Text::from(value(row)))).collect();
            Column::new(label, Vector::texts(values))
        };
        let defaults = rows.iter().map(|row| Some(row.is_default)).collect();
        let periods = rows.iter().map(|row| Some(row.bucket.retention_period_ns)).collect();
        let columns = vec![
            Column::new("organizationID", Vector::constant(ColumnType::String, organisation.clone(), rows.len())),
            text("databaseName", |row| &row.database),
            text("retentionPolicy", |row| &row.policy),
            Column::new("retentionPeriod", Vector::Int(periods)),
            Column::new("default", Vector::Bool(defaults)),
            text("bucketID", |row| &row.bucket.id),
        ];
        let key = GroupKey::new(vec![(Text::from("organizationID"), organisation)]);
        Ok(vec![Table::new(key, columns)])
    }))
}

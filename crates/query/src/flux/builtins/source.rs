//! Where tables come from and what bounds them: `from`, `range`, `buckets`.

use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::host::{BucketReference, BucketRow};
use super::super::source::Read;
use super::super::stream::{Run, Shape, node, one_by_one};
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[("buckets", buckets), ("from", from), ("range", range)];

/// The bucket that a call names.
pub(super) fn bucket(call: &Call<'_>) -> Result<BucketReference> {
    let text = |name: &str| Ok(call.optional::<Text>(name)?.map(|text| text.to_string()));
    let bucket = BucketReference {
        name: text("bucket")?,
        id: text("bucketID")?,
        organisation: text("org")?,
        organisation_id: text("orgID")?,
    };
    match (&bucket.name, &bucket.id) {
        (None, None) => Err(FluxError::invalid("must specify bucket or bucketID")),
        (Some(_), Some(_)) => Err(FluxError::invalid("must specify only one of bucket or bucketID")),
        (Some(name), None) if name.is_empty() => Err(FluxError::invalid("bucket name cannot be empty")),
        _ => Ok(bucket),
    }
}

/// Scripts reach this server only.
pub(super) fn refuse_host(call: &Call<'_>) -> Result<()> {
    if call.has("host") {
        let name = &call.place.name;
        return Err(FluxError::invalid(format!(
            "{name} with a host would reach another server, which is not supported"
        )));
    }
    Ok(())
}

fn from(call: &mut Call<'_>) -> Result<Value> {
    refuse_host(call)?;
    let read = Arc::new(Read { bucket: bucket(call)? });
    // Read without bounds is refused before anything is read.
    let run: Run = Box::new(|_, _| Ok(Box::new(std::iter::empty())));
    Ok(node(call.place.clone(), Vec::new(), Shape::Read(read), None, run))
}

fn range(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let start = call.moment("start")?;
    let start = start.ok_or_else(|| FluxError::invalid("missing required keyword argument \"start\""))?;
    let stop = match call.moment("stop")? {
        Some(stop) => stop,
        None => call.interpreter.now()?,
    };
    if start >= stop {
        return Err(FluxError::invalid("cannot query an empty range"));
    }
    let bounds = match input.bounds() {
        Some((first, last)) => (start.max(first), stop.min(last)),
        None => (start, stop),
    };
    let run = one_by_one(move |runtime, table| {
        runtime.step(table.rows() as u64)?;
        cut(&table, bounds).map(Some)
    });
    Ok(node(call.place.clone(), vec![input], Shape::Range, Some(bounds), run))
}

/// The rows within bounds, which become part of the key.
fn cut(table: &Table, bounds: (i64, i64)) -> Result<Table> {
    let missing = || FluxError::invalid("range error: supplied time column _time doesn't exist");
    let times = table.column("_time").ok_or_else(missing)?;
    if times.column_type() != ColumnType::Time {
        return Err(FluxError::invalid("range error: provided column _time is not of type time"));
    }
    let within = |row: &usize| times.integer(*row).is_some_and(|time| bounds.0 <= time && time < bounds.1);
    let rows: Vec<usize> = (0..table.rows()).filter(within).collect();
    let table = if rows.len() == table.rows() { table.clone() } else { table.take(&rows) };
    let key = table.key().with("_start", Value::Time(bounds.0)).with("_stop", Value::Time(bounds.1));
    let bound =
        |label: &str, time: i64| Column::new(label, Vector::constant(ColumnType::Time, Value::Time(time), rows.len()));
    let ends = [bound("_start", bounds.0), bound("_stop", bounds.1)];
    let mut columns = table.columns().to_vec();
    let mut front = Vec::new();
    for end in ends {
        match columns.iter_mut().find(|column| column.label == end.label) {
            Some(column) => *column = end,
            None => front.push(end),
        }
    }
    front.append(&mut columns);
    Ok(table.with(key, front))
}

fn buckets(call: &mut Call<'_>) -> Result<Value> {
    refuse_host(call)?;
    Ok(call.source(|runtime| {
        let rows = runtime.handle.block_on(runtime.host.buckets())?;
        let text = |label: &str, value: fn(&BucketRow) -> &str| {
            let values = rows.iter().map(|row| Some(Text::from(value(row)))).collect();
            Column::new(label, Vector::texts(values))
        };
        let periods = rows.iter().map(|row| Some(row.retention_period_ns)).collect();
        let organisation = rows.first().map(|row| Value::text(&row.organisation_id)).unwrap_or_default();
        let columns = vec![
            text("name", |row| &row.name),
            text("id", |row| &row.id),
            Column::new("organizationID", Vector::constant(ColumnType::String, organisation.clone(), rows.len())),
            text("retentionPolicy", |row| &row.retention_policy),
            Column::new("retentionPeriod", Vector::Int(periods)),
        ];
        let key = GroupKey::new(vec![(Text::from("organizationID"), organisation)]);
        Ok(vec![Table::new(key, columns)])
    }))
}

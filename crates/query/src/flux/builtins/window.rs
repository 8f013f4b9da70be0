//! `window`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::duration::Duration;
use super::super::error::{Code, FluxError, Result};
use super::super::function::Call;
use super::super::stream::{Bounds, Shape};
use super::super::table::{Column, Table};
use super::super::value::{Record, Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::super::window::{Location, WindowSpec};
use super::Functions;
use crate::limits;

pub(super) const FUNCTIONS: Functions = &[("window", window)];

fn window(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let every: Option<Duration> = call.optional("every")?;
    let period: Option<Duration> = call.optional("period")?.filter(|period: &Duration| !period.is_zero());
    let every = every.filter(|every| !every.is_zero()).or(period).unwrap_or_default();
    let location = match call.optional::<Record>("location")? {
        Some(record) => Location::from_record(&record)?,
        None => Location::default(),
    };
    let text = |name: &str, default: &str| call.or(name, Text::from(default));
    let spec = Arc::new(WindowSpec {
        every,
        period: period.unwrap_or(every),
        offset: call.or("offset", Duration::default())?,
        location,
        time_column: text("timeColumn", "_time")?,
        start_column: text("startColumn", "_start")?,
        stop_column: text("stopColumn", "_stop")?,
        create_empty: call.or("createEmpty", false)?,
    });
    spec.check()?;
    let bounds = input.bounds();
    let shape = Shape::Window(Arc::clone(&spec));
    Ok(call.regroup_shaped(input, shape, move |runtime, table| {
        runtime.step(table.rows() as u64)?;
        let unbounded = || FluxError::invalid("nil bounds passed to window; use range to set the window range");
        cut(&spec, &table, bounds.ok_or_else(unbounded)?)
    }))
}

/// The windows of a table.
fn cut(spec: &WindowSpec, table: &Table, bounds: Bounds) -> Result<Vec<Table>> {
    let missing = || FluxError::invalid(format!("missing time column \"{}\"", spec.time_column));
    let times = table.column(&spec.time_column).ok_or_else(missing)?;
    if spec.is_everything() {
        return Ok(vec![part(spec, table, bounds)]);
    }
    let mut windows: BTreeMap<Bounds, Vec<usize>> = BTreeMap::new();
    if spec.create_empty {
        windows.extend(spec.all(bounds)?.into_iter().map(|window| (window, Vec::new())));
    }
    let mut count = 0;
    for row in 0..table.rows() {
        let Some(time) = times.integer(row) else { continue };
        for window in spec.windows_of(time) {
            // What lies outside of the range is in no window.
            if window.0 < bounds.1 && window.1 > bounds.0 {
                count += 1;
                windows.entry(window).or_default().push(row);
            }
        }
        if count > table.rows().saturating_add(limits::FLUX_WINDOW_ROWS) {
            let message =
                format!("windows overlap so much that more than {} rows come of them", limits::FLUX_WINDOW_ROWS);
            return Err(FluxError::new(Code::ResourceExhausted, message));
        }
    }
    let clip = |window: Bounds| (window.0.max(bounds.0), window.1.min(bounds.1));
    Ok(windows.into_iter().map(|(window, rows)| part(spec, &table.take(&rows), clip(window))).collect())
}

/// Rows of a window, with its bounds in the key.
fn part(spec: &WindowSpec, table: &Table, window: Bounds) -> Table {
    let mut columns = table.columns().to_vec();
    let mut key = table.key().clone();
    for (label, time) in [(&spec.start_column, window.0), (&spec.stop_column, window.1)] {
        let value = Value::Time(time);
        key = key.with(label, value.clone());
        let data = Vector::constant(ColumnType::Time, value, table.rows());
        match columns.iter_mut().find(|column| column.label == *label) {
            Some(column) => column.data = data,
            None => columns.push(Column::new(Text::clone(label), data)),
        }
    }
    table.with(key, columns)
}

//! Tables and values that come from nowhere else: package `generate`, the version, secrets.

use super::super::error::{FluxError, Result};
use super::super::function::{Call, Function};
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::Functions;
use crate::limits;

/// Rows at equal distances between two moments, with what a function makes of their numbers.
fn generate(call: &mut Call<'_>) -> Result<Value> {
    let missing = |name: &str| FluxError::invalid(format!("missing required keyword argument \"{name}\""));
    let start = call.moment("start")?.ok_or_else(|| missing("start"))?;
    let stop = call.moment("stop")?.ok_or_else(|| missing("stop"))?;
    let count: i64 = call.required("count")?;
    let function: Function = call.required("fn")?;
    let rows = usize::try_from(count).ok().filter(|rows| *rows <= limits::FLUX_ARRAY_LENGTH).ok_or_else(|| {
        FluxError::invalid(format!("count must be between 0 and {}, but is {count}", limits::FLUX_ARRAY_LENGTH))
    })?;
    let step = stop.saturating_sub(start) / count.max(1);
    let (mut times, mut values) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for number in 0..count {
        times.push(Value::Time(start.saturating_add(step.saturating_mul(number))));
        values.push(call.invoke(&function, vec![("n", Value::Int(number))])?);
    }
    let bound = |time: i64| Vector::constant(ColumnType::Time, Value::Time(time), rows);
    let columns = vec![
        Column::new("_start", bound(start)),
        Column::new("_stop", bound(stop)),
        Column::new("_time", Vector::from_values(&times, ColumnType::Time)?),
        Column::new("_value", Vector::from_values(&values, ColumnType::Int)?),
    ];
    let key = GroupKey::default().with("_start", Value::Time(start)).with("_stop", Value::Time(stop));
    let table = Table::new(key, columns);
    Ok(call.source(move |_| Ok(vec![table.clone()])))
}

/// The function of package `generate`.
pub(super) const GENERATE: Functions = &[("from", generate)];

/// The functions of package `runtime`.
pub(super) const RUNTIME: Functions =
    &[("version", |_| Ok(Value::text(concat!("freshet ", env!("CARGO_PKG_VERSION")))))];

/// The function of package `influxdata/influxdb/secrets`.
pub(super) const SECRETS: Functions = &[("get", |call| {
    let key: Text = call.required("key")?;
    Ok(Value::text(call.runtime().host.secret(&key)?))
})];

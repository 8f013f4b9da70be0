//! Aggregates: one row for each table, of the columns of its key and the result.

use super::super::error::Result;
use super::super::function::Call;
use super::super::stream::Shape;
use super::super::table::Column;
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector};
use super::{Functions, unsupported_aggregate, value_column};

pub(super) const FUNCTIONS: Functions = &[("count", count), ("mean", mean), ("sum", sum)];

/// An aggregate of one column: `run` makes of its values one value of a type.
///
/// # Errors
/// If the arguments are wrong.
pub fn aggregate(
    call: &mut Call<'_>,
    name: &'static str,
    run: impl Fn(&Vector) -> Result<(ColumnType, Value)> + Send + Sync + 'static,
) -> Result<Value> {
    let input = call.stream("tables")?;
    let column: Text = call.or("column", Text::from("_value"))?;
    let shape = Shape::Aggregate { name, column: Text::clone(&column) };
    Ok(call.shaped(input, shape, move |runtime, table| {
        runtime.step(table.rows() as u64)?;
        let (kind, value) = run(value_column(&table, &column)?)?;
        let result = Column::new(Text::clone(&column), Vector::constant(kind, value, 1));
        Ok(Some(table.of_key(1, vec![result])))
    }))
}

fn count(call: &mut Call<'_>) -> Result<Value> {
    // Rows without a value are counted too.
    aggregate(call, "count", |column| {
        Ok((ColumnType::Int, Value::Int(i64::try_from(column.len()).unwrap_or(i64::MAX))))
    })
}

#[allow(clippy::cast_precision_loss, reason = "what Flux does too")]
fn mean(call: &mut Call<'_>) -> Result<Value> {
    aggregate(call, "mean", |column| {
        let (mut sum, mut count) = (0.0, 0_u64);
        if !column.column_type().is_numeric() {
            return Err(unsupported_aggregate(column));
        }
        for value in (0..column.len()).filter_map(|row| column.number(row)) {
            sum += value;
            count += 1;
        }
        let mean = if count == 0 { Value::Null } else { Value::Float(sum / count as f64) };
        Ok((ColumnType::Float, mean))
    })
}

fn sum(call: &mut Call<'_>) -> Result<Value> {
    aggregate(call, "sum", |column| {
        let kind = column.column_type();
        if !kind.is_numeric() {
            return Err(unsupported_aggregate(column));
        }
        let mut sum = Value::Null;
        for value in column.values() {
            sum = match (sum, value) {
                (sum, Value::Null) => sum,
                (Value::Null, value) => value,
                (Value::Int(sum), Value::Int(value)) => Value::Int(sum.wrapping_add(value)),
                (Value::UInt(sum), Value::UInt(value)) => Value::UInt(sum.wrapping_add(value)),
                (Value::Float(sum), Value::Float(value)) => Value::Float(sum + value),
                (sum, _) => sum,
            };
        }
        Ok((kind, sum))
    })
}

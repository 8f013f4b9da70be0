//! Package `experimental/table`.

use super::super::error::Result;
use super::super::function::Call;
use super::super::stream::Shape;
use super::super::table::Column;
use super::super::value::{Text, Value};
use super::super::vector::Vector;
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[("fill", fill)];

/// Gives each table without rows one: the values of its key, and nothing else.
fn fill(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    Ok(call.shaped(input, Shape::FillEmpty, |_, table| {
        if table.rows() > 0 {
            return Ok(Some(table));
        }
        let column = |column: &Column| {
            let data = if table.key().contains(&column.label) {
                table.key_vector(&column.label, 1)
            } else {
                Vector::nulls(column.data.column_type(), 1)
            };
            Column::new(Text::clone(&column.label), data)
        };
        let columns = table.columns().iter().map(column).collect();
        Ok(Some(table.with(table.key().clone(), columns)))
    }))
}

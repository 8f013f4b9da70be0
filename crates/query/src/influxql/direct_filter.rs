//! The condition of a statement, parted for the direct path: what is decided once for a series, by its tags, and what
//! for each row.

use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _};
use arrow::buffer::{BooleanBuffer, MutableBuffer};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use influxql::Operator;
use storage::{SeriesBatch, SeriesPredicate};

use super::columns::{Column, Slot};
use super::node::Node;
use super::value::{Kind, Scalar, Value};
use crate::ops::window_aggregate::RowFilter;

/// Where the value of a slot is in a scan by series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By place in the request's tags.
    Tag(usize),
    /// By place in the request's fields.
    Field(usize),
    /// The table does not have it.
    Absent,
}

/// The two parts of a condition.
pub(super) fn part(
    condition: Option<&Node>,
    slots: &[Slot],
    places: &[Place],
) -> (Option<SeriesPredicate>, Option<RowFilter>) {
    let (mut of_series, mut of_rows) = (Vec::new(), Vec::new());
    for part in condition.map(Node::conjuncts).unwrap_or_default() {
        let mut used = Vec::new();
        part.slots(&mut used);
        let is_field = |slot: &usize| slots.get(*slot).and_then(|slot| slot.kind).is_some_and(|kind| kind != Kind::Tag);
        if used.iter().any(is_field) { of_rows.push(part.clone()) } else { of_series.push(part.clone()) }
    }
    let places: Arc<[Place]> = places.into();
    let series = (!of_series.is_empty()).then(|| {
        let places = Arc::clone(&places);
        let keep = move |tags: &[Option<&str>]| {
            let text = |slot: usize| match places.get(slot) {
                Some(Place::Tag(tag)) => tags.get(*tag).copied().flatten(),
                _ => None,
            };
            of_series.iter().all(|node| holds(node, &|slot| text(slot).map_or(Scalar::Null, Scalar::Text)))
        };
        Arc::new(keep) as SeriesPredicate
    });
    let rows = (!of_rows.is_empty()).then(|| {
        let filter = move |batch: &SeriesBatch| {
            let masks = of_rows.iter().map(|node| mask(node, batch, &places));
            masks.reduce(|left, right| &left & &right).unwrap_or_else(|| BooleanBuffer::new_set(batch.times.len()))
        };
        Arc::new(filter) as RowFilter
    });
    (series, rows)
}

fn holds<'a>(node: &'a Node, get: &impl Fn(usize) -> Scalar<'a>) -> bool {
    node.eval(get) == Scalar::Boolean(true)
}

/// The rows of a batch for which a part of the condition holds.
fn mask(node: &Node, batch: &SeriesBatch, places: &[Place]) -> BooleanBuffer {
    if let Some(mask) = comparison(node, batch, places) {
        return mask;
    }
    let columns: Vec<Column> = batch.columns.iter().map(Column::from_array).collect();
    let mut bits = MutableBuffer::new_null(batch.times.len());
    for (run, rows) in batch.runs.iter().enumerate() {
        let tags: Vec<Option<&str>> =
            places.iter().map(|place| if let Place::Tag(tag) = place { batch.tag(run, *tag) } else { None }).collect();
        for row in rows.clone() {
            let get = |slot: usize| match places.get(slot) {
                Some(Place::Field(field)) => columns.get(*field).map_or(Scalar::Null, |column| column.get(row)),
                Some(Place::Tag(_)) => tags.get(slot).copied().flatten().map_or(Scalar::Null, Scalar::Text),
                _ => Scalar::Null,
            };
            if holds(node, &get) {
                arrow::util::bit_util::set_bit(bits.as_slice_mut(), row);
            }
        }
    }
    BooleanBuffer::new(bits.into(), 0, batch.times.len())
}

/// The comparison of a number with a constant, all rows at once.
fn comparison(node: &Node, batch: &SeriesBatch, places: &[Place]) -> Option<BooleanBuffer> {
    let Node::Binary(operator, left, right) = node else { return None };
    let (Node::Slot(slot, Some(kind)), Node::Literal(literal)) = (&**left, &**right) else { return None };
    let Some(Place::Field(field)) = places.get(*slot) else { return None };
    let column: &ArrayRef = batch.columns.get(*field)?;
    let mask = match (column.data_type(), kind, literal) {
        (DataType::Float64, Kind::Float, Value::Float(_) | Value::Integer(_)) => {
            let literal = literal.as_scalar().as_f64()?;
            compare(column.as_primitive::<Float64Type>().values(), *operator, |value| value, literal)?
        }
        (DataType::Int64, Kind::Integer, Value::Float(literal)) => {
            compare(column.as_primitive::<Int64Type>().values(), *operator, |value| value as f64, *literal)?
        }
        (DataType::Int64, Kind::Integer, Value::Integer(literal)) => {
            compare(column.as_primitive::<Int64Type>().values(), *operator, |value| value, *literal)?
        }
        _ => return None,
    };
    // What is missing makes no comparison true.
    Some(match column.nulls() {
        Some(nulls) => &mask & nulls.inner(),
        None => mask,
    })
}

fn compare<T: Copy, V: PartialOrd + Copy>(
    values: &[T],
    operator: Operator,
    convert: impl Fn(T) -> V,
    literal: V,
) -> Option<BooleanBuffer> {
    let test = |test: fn(&V, &V) -> bool| {
        BooleanBuffer::collect_bool(values.len(), |row| {
            values.get(row).is_some_and(|value| test(&convert(*value), &literal))
        })
    };
    Some(match operator {
        Operator::Equal => test(V::eq),
        Operator::NotEqual => test(V::ne),
        Operator::Less => test(V::lt),
        Operator::LessOrEqual => test(V::le),
        Operator::Greater => test(V::gt),
        Operator::GreaterOrEqual => test(V::ge),
        _ => return None,
    })
}

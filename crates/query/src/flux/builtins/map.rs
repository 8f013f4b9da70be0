//! `map`: a row out of each row.
//!
//! The order of the columns follows InfluxDB. A function that it can evaluate over whole columns keeps the order in
//! which it names them; otherwise they come by name.

use std::sync::Arc;

use flux::ast::Operator;

use super::super::columnar;
use super::super::error::{FluxError, Result};
use super::super::function::{Call, Function};
use super::super::interpret::RowFunction;
use super::super::ir::{Expr, Lambda};
use super::super::runtime::Runtime;
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, VectorBuilder};
use super::Functions;
use super::filter::row_parameter;
use super::group::by_values;

pub(super) const FUNCTIONS: Functions = &[("map", map)];

fn map(call: &mut Call<'_>) -> Result<Value> {
    let input = call.stream("tables")?;
    let function: Function = call.required("fn")?;
    let keeps_order = match &function {
        Function::Closure(closure) => is_vectorizable(&closure.lambda),
        Function::Builtin(_) => false,
    };
    Ok(call.regroup(input, move |runtime, table| {
        if table.rows() == 0 {
            return Ok(Vec::new());
        }
        let table = mapped(runtime, &function, Arc::new(table), keeps_order)?;
        let labels: Vec<Text> = table.key().columns().iter().map(|(label, _)| Text::clone(label)).collect();
        // The values of the key may be other ones now.
        Ok(by_values(&table.with_key(GroupKey::default()), &labels))
    }))
}

/// A column of the result while rows are made.
struct Output {
    label: Text,
    builder: Option<VectorBuilder>,
    /// Rows without a value before the first one that has one.
    nulls: usize,
}

impl Output {
    fn push(&mut self, value: &Value) -> Result<()> {
        if value.is_null() {
            match &mut self.builder {
                Some(builder) => builder.push_nulls(1),
                None => self.nulls += 1,
            }
            return Ok(());
        }
        if self.builder.is_none() {
            let unsupported = || {
                let (label, kind) = (&self.label, value.kind());
                let message =
                    format!("map object property \"{label}\" is {kind} type which is not supported in a flux table");
                FluxError::invalid(message)
            };
            let mut builder = VectorBuilder::new(ColumnType::of(value).ok_or_else(unsupported)?);
            builder.push_nulls(self.nulls);
            self.builder = Some(builder);
        }
        match &mut self.builder {
            Some(builder) => builder.push(value),
            None => Ok(()),
        }
    }

    fn rows(&self) -> usize {
        self.builder.as_ref().map_or(self.nulls, VectorBuilder::len)
    }
}

fn mapped(runtime: &Arc<Runtime>, function: &Function, table: Arc<Table>, keeps_order: bool) -> Result<Table> {
    if let Some(fields) = columnar::fields(runtime, function, &table) {
        let mut columns: Vec<Column> = fields.into_iter().map(|(label, data)| Column::new(label, data)).collect();
        if !keeps_order {
            columns.sort_by(|left, right| left.label.cmp(&right.label));
        }
        return Ok(with_columns(&table, columns));
    }
    let name = row_parameter(function);
    let mut caller = RowFunction::new(runtime, function);
    let mut outputs: Vec<Output> = Vec::new();
    for row in 0..table.rows() {
        let value = caller.row(&name, &table, row);
        let value = value.map_err(|error| error.context("failed to evaluate map function"))?;
        let Value::Record(record) = value else {
            return Err(FluxError::invalid(format!("map function must return an object, got {}", value.kind())));
        };
        for (place, (label, value)) in record.fields().into_iter().enumerate() {
            // Rows nearly always have the same properties in the same order.
            let known = match outputs.get(place) {
                Some(output) if output.label == label => Some(place),
                _ => outputs.iter().position(|output| output.label == label),
            };
            let place = known.unwrap_or_else(|| {
                outputs.push(Output { label, builder: None, nulls: row });
                outputs.len() - 1
            });
            if let Some(output) = outputs.get_mut(place) {
                output.push(&value)?;
            }
        }
        for output in outputs.iter_mut().filter(|output| output.rows() <= row) {
            output.push(&Value::Null)?;
        }
    }
    if !keeps_order {
        outputs.sort_by(|left, right| left.label.cmp(&right.label));
    }
    let rows = table.rows();
    let column = |output: Output| {
        let data = match output.builder {
            Some(builder) => builder.finish(),
            None => {
                let kind = declared_type(function, &name, &output.label, &table)?;
                super::super::vector::Vector::nulls(kind, rows)
            }
        };
        Some(Column::new(output.label, data))
    };
    let columns: Vec<Column> = outputs.into_iter().filter_map(column).collect();
    Ok(with_columns(&table, columns))
}

/// The rows of a table with other columns; what is left of its key is still its key.
fn with_columns(table: &Table, columns: Vec<Column>) -> Table {
    let is_gone = |label: &str| !columns.iter().any(|column| *column.label == *label);
    let key = table.key().without(is_gone);
    table.with(key, columns)
}

/// The type of a property that is null in all rows, as far as the function's text tells.
fn declared_type(function: &Function, row: &str, label: &str, table: &Table) -> Option<ColumnType> {
    let Function::Closure(closure) = function else { return None };
    let Expr::Record(record) = &closure.lambda.result else { return None };
    match record.fields.iter().find(|(name, _)| **name == *label) {
        Some((_, value)) => expression_type(value, row, table),
        None => table.column(label).map(super::super::vector::Vector::column_type),
    }
}

fn expression_type(expression: &Expr, row: &str, table: &Table) -> Option<ColumnType> {
    match expression {
        Expr::Literal(value, _) => ColumnType::of(value),
        Expr::Member(object, name, _) if matches!(&**object, Expr::Name(known, _) if **known == *row) => {
            table.column(name).map(super::super::vector::Vector::column_type)
        }
        Expr::Interpolation(..) => Some(ColumnType::String),
        Expr::Binary(operator, pair, _) => match operator {
            Operator::Power => Some(ColumnType::Float),
            Operator::Addition
            | Operator::Subtraction
            | Operator::Multiplication
            | Operator::Division
            | Operator::Modulo => expression_type(&pair.0, row, table).or_else(|| expression_type(&pair.1, row, table)),
            _ => Some(ColumnType::Bool),
        },
        Expr::Logical(..) => Some(ColumnType::Bool),
        Expr::Unary(Operator::Not | Operator::Exists, ..) => Some(ColumnType::Bool),
        Expr::Unary(_, operand, _) => expression_type(operand, row, table),
        Expr::Conditional(parts, _) => {
            expression_type(&parts.1, row, table).or_else(|| expression_type(&parts.2, row, table))
        }
        Expr::Call(call) => match &*call.name {
            "bool" => Some(ColumnType::Bool),
            "int" => Some(ColumnType::Int),
            "uint" => Some(ColumnType::UInt),
            "float" => Some(ColumnType::Float),
            "string" => Some(ColumnType::String),
            "time" => Some(ColumnType::Time),
            _ => None,
        },
        _ => None,
    }
}

/// Whether InfluxDB evaluates the function over whole columns.
fn is_vectorizable(lambda: &Lambda) -> bool {
    let [parameter] = lambda.parameters.as_slice() else { return false };
    let row = &*parameter.name;
    let Expr::Record(record) = &lambda.result else { return false };
    let with = match &record.with {
        None => true,
        Some(with) => matches!(with, Expr::Name(name, _) if **name == *row),
    };
    with && lambda.body.is_empty() && record.fields.iter().all(|(_, value)| vectorizes(value, row))
}

fn vectorizes(expression: &Expr, row: &str) -> bool {
    match expression {
        Expr::Literal(value, _) => !matches!(value, Value::Duration(_) | Value::Regexp(_)),
        Expr::Member(object, ..) => matches!(&**object, Expr::Name(name, _) if **name == *row),
        Expr::Binary(operator, pair, _) => {
            !matches!(operator, Operator::RegexpMatch | Operator::NotRegexpMatch)
                && vectorizes(&pair.0, row)
                && vectorizes(&pair.1, row)
        }
        Expr::Logical(_, pair, _) => vectorizes(&pair.0, row) && vectorizes(&pair.1, row),
        Expr::Unary(operator, operand, _) => *operator != Operator::Exists && vectorizes(operand, row),
        Expr::Conditional(parts, _) => [&parts.0, &parts.1, &parts.2].into_iter().all(|part| vectorizes(part, row)),
        Expr::Call(call) => {
            *call.name == *"float" && call.arguments.iter().all(|argument| vectorizes(&argument.value, row))
        }
        _ => false,
    }
}

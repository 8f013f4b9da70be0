//! Functions of rows over all rows of a table at once: what a filter or a map computes out of columns.
//!
//! It either gives what calling the function for each row gives, or gives up. It gives up where it does not know how,
//! and where anything fails, be it in a row that the function would not have looked at: then the caller goes row by
//! row, which finds the error if there is one, with its words.

mod kernels;

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use flux::Location;
use flux::ast::Operator;

use super::builtins::conversion::convert;
use super::function::{Builtin, Closure, Function};
use super::interpret::{Interpreter, member};
use super::ir::{CallExpr, Expr, RecordExpr, Statement};
use super::library::strings::check_length;
use super::operators;
use super::package::Scope;
use super::runtime::{Place, Runtime};
use super::table::Table;
use super::value::{Text, Value};
use super::vector::{ColumnType, Vector};

/// How deep functions may call each other before it gives up.
const DEPTH_MAX: usize = 32;

/// What an expression is in all rows.
#[derive(Debug, Clone)]
pub(crate) enum Cells {
    /// The same in each.
    Scalar(Value),
    /// A value for each.
    Column(Vector),
    /// The row itself.
    Row,
    /// A record for each, by its properties.
    Fields(Vec<(Text, Cells)>),
}

/// What a function may do while it is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Call what is built in. Some of it waits, which threads that run futures must not.
    Any,
    /// Call only functions of scripts.
    Closures,
}

/// The rows for which a function of a row is true; none if it gives up.
pub(crate) fn mask(runtime: &Arc<Runtime>, function: &Function, table: &Table, calls: Calls) -> Option<BooleanBuffer> {
    let rows = table.rows();
    match evaluate(runtime, function, table, calls)? {
        Cells::Scalar(Value::Bool(true)) => Some(BooleanBuffer::new_set(rows)),
        Cells::Scalar(Value::Bool(false) | Value::Null) => Some(BooleanBuffer::new_unset(rows)),
        Cells::Column(Vector::Constant(_, Value::Null, _)) => Some(BooleanBuffer::new_unset(rows)),
        Cells::Column(column @ Vector::Bool(_)) => kernels::truths(&Cells::Column(column), rows),
        _ => None,
    }
}

/// The properties of the record that a function makes of each row, in their order; none if it gives up.
pub(crate) fn fields(runtime: &Arc<Runtime>, function: &Function, table: &Table) -> Option<Vec<(Text, Vector)>> {
    let rows = table.rows();
    let fields = match evaluate(runtime, function, table, Calls::Any)? {
        Cells::Row => columns(table),
        Cells::Fields(fields) => fields,
        _ => return None,
    };
    let field = |(label, cells): (Text, Cells)| match cells {
        Cells::Column(column) => Some((label, column)),
        // The type of a null is the caller's to find.
        Cells::Scalar(value) => {
            let kind = ColumnType::of(&value)?;
            Some((label, Vector::constant(kind, value, rows)))
        }
        Cells::Row | Cells::Fields(_) => None,
    };
    fields.into_iter().map(field).collect()
}

fn evaluate(runtime: &Arc<Runtime>, function: &Function, table: &Table, calls: Calls) -> Option<Cells> {
    if !runtime.pushes || table.rows() == 0 {
        return None;
    }
    let Function::Closure(closure) = function else { return None };
    let [parameter] = closure.lambda.parameters.as_slice() else { return None };
    runtime.step(table.rows() as u64).ok()?;
    let interpreter = Interpreter::new(Arc::clone(runtime));
    let mut evaluator = Evaluator { interpreter, table, calls, depth: 0 };
    evaluator.body(closure, vec![(Text::clone(&parameter.name), Cells::Row)])
}

/// The columns of a table as properties.
fn columns(table: &Table) -> Vec<(Text, Cells)> {
    table.columns().iter().map(|column| (Text::clone(&column.label), cells(&column.data))).collect()
}

fn cells(column: &Vector) -> Cells {
    match column {
        Vector::Constant(_, value, _) if !value.is_null() => Cells::Scalar(value.clone()),
        column => Cells::Column(column.clone()),
    }
}

/// Where names are looked up: in the function that is evaluated, then around it.
struct Names<'s> {
    locals: Vec<(Text, Cells)>,
    scope: &'s Scope,
}

impl Names<'_> {
    fn find(&self, name: &str) -> Option<Cells> {
        let local = self.locals.iter().rev().find(|(known, _)| **known == *name);
        match local {
            Some((_, cells)) => Some(cells.clone()),
            None => self.scope.lookup(name).map(Cells::Scalar),
        }
    }
}

struct Evaluator<'t> {
    interpreter: Interpreter,
    table: &'t Table,
    calls: Calls,
    depth: usize,
}

impl Evaluator<'_> {
    /// The result of a function with these arguments.
    fn body(&mut self, closure: &Closure, arguments: Vec<(Text, Cells)>) -> Option<Cells> {
        if self.depth >= DEPTH_MAX {
            return None;
        }
        self.depth += 1;
        let mut names = Names { locals: arguments, scope: &closure.scope };
        for statement in &closure.lambda.body {
            match statement {
                Statement::Assign(name, value, _) => {
                    let value = self.eval(value, &names)?;
                    names.locals.push((Text::clone(name), value));
                }
                Statement::Expression(expression) => {
                    self.eval(expression, &names)?;
                }
                _ => return None,
            }
        }
        let result = self.eval(&closure.lambda.result, &names);
        self.depth -= 1;
        result
    }

    fn eval(&mut self, expression: &Expr, names: &Names<'_>) -> Option<Cells> {
        let rows = self.table.rows();
        match expression {
            Expr::Literal(value, _) => Some(Cells::Scalar(value.clone())),
            Expr::Name(name, _) => names.find(name),
            Expr::Interpolation(parts, _) => self.interpolate(parts, names),
            Expr::Array(items, _) => {
                let item = |item: &Expr| match self.eval(item, names)? {
                    Cells::Scalar(value) => Some(value),
                    _ => None,
                };
                Some(Cells::Scalar(Value::Array(Arc::new(items.iter().map(item).collect::<Option<_>>()?))))
            }
            Expr::Record(record) => self.record(record, names),
            Expr::Call(call) => self.call(call, names),
            Expr::Member(object, name, location) => {
                let object = self.eval(object, names)?;
                self.member(&object, name, *location)
            }
            Expr::Unary(operator, operand, _) => {
                let operand = self.eval(operand, names)?;
                kernels::unary(*operator, &operand, rows)
            }
            Expr::Binary(operator, pair, _) => {
                let (left, right) = (self.eval(&pair.0, names)?, self.eval(&pair.1, names)?);
                binary(*operator, &left, &right, rows)
            }
            Expr::Logical(operator, pair, _) => {
                let left = self.eval(&pair.0, names)?;
                let right = self.eval(&pair.1, names)?;
                kernels::logical(*operator, &left, &right, rows)
            }
            Expr::Conditional(parts, _) => match self.eval(&parts.0, names)? {
                Cells::Scalar(Value::Bool(true)) => self.eval(&parts.1, names),
                Cells::Scalar(Value::Bool(false) | Value::Null) => self.eval(&parts.2, names),
                test @ Cells::Column(_) => {
                    let test = kernels::truths(&test, rows)?;
                    let (yes, no) = (self.eval(&parts.1, names)?, self.eval(&parts.2, names)?);
                    kernels::select(&test, &yes, &no)
                }
                _ => None,
            },
            Expr::Dict(..) | Expr::Function(_) | Expr::Index(..) => None,
        }
    }

    fn member(&self, object: &Cells, name: &str, location: Location) -> Option<Cells> {
        match object {
            Cells::Row => Some(self.table.column(name).map_or(Cells::Scalar(Value::Null), cells)),
            Cells::Fields(fields) => {
                let field = fields.iter().find(|(known, _)| **known == *name);
                Some(field.map_or(Cells::Scalar(Value::Null), |(_, cells)| cells.clone()))
            }
            Cells::Scalar(value) => member(value, name, location).ok().map(Cells::Scalar),
            Cells::Column(_) => None,
        }
    }

    fn record(&mut self, record: &RecordExpr, names: &Names<'_>) -> Option<Cells> {
        let mut fields = match &record.with {
            None => Vec::with_capacity(record.fields.len()),
            Some(with) => match self.eval(with, names)? {
                Cells::Row => columns(self.table),
                Cells::Fields(fields) => fields,
                Cells::Scalar(Value::Record(record)) => {
                    record.fields().into_iter().map(|(label, value)| (label, Cells::Scalar(value))).collect()
                }
                _ => return None,
            },
        };
        for (name, value) in &record.fields {
            let value = self.eval(value, names)?;
            match fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = value,
                None => fields.push((Text::clone(name), value)),
            }
        }
        Some(Cells::Fields(fields))
    }

    fn interpolate(&mut self, parts: &[Expr], names: &Names<'_>) -> Option<Cells> {
        let parts = parts.iter().map(|part| self.eval(part, names)).collect::<Option<Vec<Cells>>>()?;
        let is_scalar = parts.iter().all(|part| matches!(part, Cells::Scalar(_)));
        let rows = if is_scalar { 1 } else { self.table.rows() };
        let mut texts = Vec::with_capacity(rows);
        for row in 0..rows {
            let mut text = String::new();
            for part in &parts {
                let value = kernels::value(part, row)?;
                if value.is_null() {
                    return None;
                }
                text.push_str(&value.to_string());
                check_length(text.len()).ok()?;
            }
            texts.push(Some(Text::from(text)));
        }
        match texts.pop() {
            Some(Some(text)) if is_scalar => Some(Cells::Scalar(Value::String(text))),
            last => {
                texts.extend(last);
                Some(Cells::Column(Vector::texts(texts)))
            }
        }
    }

    fn call(&mut self, call: &CallExpr, names: &Names<'_>) -> Option<Cells> {
        let Cells::Scalar(Value::Function(function)) = self.eval(&call.callee, names)? else { return None };
        let pipe = match &call.pipe {
            Some(pipe) => Some(self.eval(pipe, names)?),
            None => None,
        };
        let mut arguments = Vec::with_capacity(call.arguments.len() + 1);
        for argument in &call.arguments {
            arguments.push((Text::clone(&argument.name), self.eval(&argument.value, names)?));
        }
        let signature = function.signature();
        if let Some(piped) = pipe {
            let parameter = signature.parameters.iter().find(|parameter| parameter.is_pipe)?;
            arguments.push((Text::clone(&parameter.name), piped));
        }
        match &function {
            Function::Closure(closure) => self.call_closure(closure, arguments),
            Function::Builtin(builtin) => self.call_builtin(builtin, &function, &arguments),
        }
    }

    fn call_closure(&mut self, closure: &Closure, mut arguments: Vec<(Text, Cells)>) -> Option<Cells> {
        let mut locals = Vec::with_capacity(closure.lambda.parameters.len());
        for parameter in &closure.lambda.parameters {
            let place = arguments.iter().position(|(name, _)| *name == parameter.name);
            let value = match (place, &parameter.default) {
                (Some(place), _) => arguments.swap_remove(place).1,
                (None, Some(default)) => self.eval(default, &Names { locals: Vec::new(), scope: &closure.scope })?,
                (None, None) => return None,
            };
            locals.push((Text::clone(&parameter.name), value));
        }
        if arguments.is_empty() { self.body(closure, locals) } else { None }
    }

    /// Calls something built in for each row, or once if all of its arguments are the same in all rows.
    fn call_builtin(&mut self, builtin: &Builtin, function: &Function, arguments: &[(Text, Cells)]) -> Option<Cells> {
        let is_simple = |cells: &Cells| match cells {
            Cells::Scalar(Value::Stream(_) | Value::Table(_) | Value::Function(_) | Value::Package(_)) => false,
            Cells::Scalar(_) | Cells::Column(_) => true,
            Cells::Row | Cells::Fields(_) => false,
        };
        // What takes nothing may give something else each time.
        if self.calls == Calls::Closures || arguments.is_empty() || !arguments.iter().all(|(_, it)| is_simple(it)) {
            return None;
        }
        if let (Some(kind), [(name, Cells::Column(column))]) = (conversion(builtin), arguments)
            && **name == *"v"
        {
            return converted(&builtin.name, kind, column);
        }
        let is_scalar = arguments.iter().all(|(_, cells)| matches!(cells, Cells::Scalar(_)));
        let rows = if is_scalar { 1 } else { self.table.rows() };
        let place = Place { name: Text::clone(&builtin.name), location: Location::default() };
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            let of_row = |(name, cells): &(Text, Cells)| Some((Text::clone(name), kernels::value(cells, row)?));
            let arguments = arguments.iter().map(of_row).collect::<Option<Vec<_>>>()?;
            values.push(self.interpreter.call(function, arguments, None, place.clone()).ok()?);
            self.interpreter.runtime.step(1).ok()?;
        }
        match values.pop() {
            Some(value) if is_scalar => Some(Cells::Scalar(value)),
            last => {
                values.extend(last);
                column_of(&values)
            }
        }
    }
}

/// The type that a conversion gives, if it is one.
fn conversion(builtin: &Builtin) -> Option<ColumnType> {
    let [parameter] = builtin.signature.parameters.as_slice() else { return None };
    if *parameter.name != *"v" {
        return None;
    }
    Some(match &*builtin.name {
        "bool" => ColumnType::Bool,
        "float" => ColumnType::Float,
        "int" => ColumnType::Int,
        "string" => ColumnType::String,
        "time" => ColumnType::Time,
        "uint" => ColumnType::UInt,
        _ => return None,
    })
}

fn converted(to: &str, kind: ColumnType, column: &Vector) -> Option<Cells> {
    if column.column_type() == kind {
        return Some(Cells::Column(column.clone()));
    }
    if let (Vector::Int(values), ColumnType::Float) = (column, kind) {
        return Some(Cells::Column(Vector::Float(values.unary(|value| value as f64))));
    }
    let mut builder = super::vector::VectorBuilder::with_capacity(kind, column.len());
    for value in column.values() {
        builder.push(&convert(to, &value).ok()?).ok()?;
    }
    Some(Cells::Column(builder.finish()))
}

/// A column of these values, or a null if all are.
fn column_of(values: &[Value]) -> Option<Cells> {
    let Some(kind) = values.iter().find_map(ColumnType::of) else {
        return values.iter().all(Value::is_null).then_some(Cells::Scalar(Value::Null));
    };
    Vector::from_values(values, kind).ok().map(Cells::Column)
}

fn binary(operator: Operator, left: &Cells, right: &Cells, rows: usize) -> Option<Cells> {
    match (left, right) {
        (Cells::Scalar(left), Cells::Scalar(right)) => operators::binary(operator, left, right).ok().map(Cells::Scalar),
        (Cells::Scalar(_) | Cells::Column(_), Cells::Scalar(_) | Cells::Column(_)) => {
            if kernels::is_null(left) || kernels::is_null(right) {
                return Some(Cells::Scalar(Value::Null));
            }
            if let Some(column) = kernels::binary(operator, left, right) {
                return Some(Cells::Column(column));
            }
            let value = |row: usize| {
                operators::binary(operator, &kernels::value(left, row)?, &kernels::value(right, row)?).ok()
            };
            column_of(&(0..rows).map(value).collect::<Option<Vec<Value>>>()?)
        }
        _ => None,
    }
}

//! Runs a script: values of expressions, calls, imports and options. Streams of tables are only described here; they
//! are read by [`super::stream`].

use std::sync::Arc;

use flux::Location;
use flux::ast::{LogicalOperator, Operator};

use super::error::{Code, FluxError, Result};
use super::function::{Call, Closure, Function};
use super::ir::{CallExpr, Expr, Program, RecordExpr, Statement};
use super::library::strings::check_length;
use super::lower::error_at;
use super::operators;
use super::package::{self, Package, Scope, load};
use super::runtime::{Place, Runtime};
use super::table::Table;
use super::value::{Record, Text, Value};
use crate::limits;

/// The result of an expression that nobody named.
const DEFAULT_RESULT: &str = "_result";

/// Evaluates expressions.
#[derive(Debug)]
pub struct Interpreter {
    /// What the running script shares.
    pub runtime: Arc<Runtime>,
    depth: usize,
    /// Whether it works on rows: then its errors have their place from the operation.
    on_rows: bool,
    /// The call of the user's script that is being answered.
    place: Option<Place>,
}

impl Interpreter {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        Self { runtime, depth: 0, on_rows: false, place: None }
    }

    /// `now()`, which a script may set.
    ///
    /// # Errors
    /// If the script set it to something else than a function that gives a time.
    pub fn now(&mut self) -> Result<i64> {
        let universe = load(&self.runtime, package::UNIVERSE)?;
        let Some(Value::Function(now)) = universe.and_then(|universe| universe.member("now")) else {
            return Err(FluxError::invalid("option \"now\" is not a function"));
        };
        let place = Place { name: Arc::from("now"), location: Location::default() };
        match self.call(&now, Vec::new(), None, place)? {
            Value::Time(time) => Ok(time),
            other => Err(FluxError::invalid(format!("option \"now\" gives a {}, not a time", other.kind()))),
        }
    }

    /// Runs the statements of a file in its package.
    pub(crate) fn run_program(&mut self, program: &Program, package: &Arc<Package>) -> Result<()> {
        for import in &program.imports {
            let Some(imported) = load(&self.runtime, &import.path)? else {
                let message = format!("invalid import path {}", import.path);
                return Err(error_at(import.location, &message));
            };
            let name = import.alias.clone().unwrap_or_else(|| Arc::clone(&imported.name));
            package.import(name, imported);
        }
        let scope = Scope::new(Arc::clone(package));
        for statement in &program.body {
            self.top_level(statement, &scope)?;
        }
        Ok(())
    }

    fn top_level(&mut self, statement: &Statement, scope: &Scope) -> Result<()> {
        match statement {
            Statement::Assign(name, value, _) => {
                let value = self.eval(value, scope)?;
                scope.package.define(Arc::clone(name), value);
            }
            Statement::Option { package, name, value, location } => {
                let value = self.eval(value, scope)?;
                self.set_option(package.as_deref(), name, value, *location, scope)?;
            }
            Statement::Expression(expression) => {
                let value = self.eval(expression, scope)?;
                if let Value::Stream(stream) = value
                    && scope.package.is_script()
                    && !self.runtime.is_result(&stream.0)
                {
                    self.runtime.add_result(DEFAULT_RESULT, stream)?;
                }
            }
            Statement::Return(_, location) => return Err(error_at(*location, "return outside of a function")),
            Statement::Builtin(name, ..) => {
                let value = package::builtin(&scope.package, statement)?;
                scope.package.define(Arc::clone(name), value);
            }
            Statement::TestCase => {}
        }
        Ok(())
    }

    fn set_option(
        &mut self,
        package: Option<&str>,
        name: &Text,
        value: Value,
        location: Location,
        scope: &Scope,
    ) -> Result<()> {
        let Some(package) = package else {
            scope.package.set_option(Arc::clone(name), value);
            return Ok(());
        };
        let Some(Value::Package(package)) = scope.package.lookup(package) else {
            return Err(error_at(location, &format!("undefined identifier {package}")));
        };
        if !package.has_option(name) {
            return Err(error_at(location, &format!("package {} has no option {name}", package.name)));
        }
        package.set_option(Arc::clone(name), value);
        Ok(())
    }

    /// The value of an expression.
    pub(crate) fn eval(&mut self, expression: &Expr, scope: &Scope) -> Result<Value> {
        self.depth += 1;
        if self.depth > limits::FLUX_DEPTH {
            let message = format!("calls and expressions stand in each other deeper than {}", limits::FLUX_DEPTH);
            return Err(FluxError::new(Code::ResourceExhausted, message));
        }
        let value = self.eval_inner(expression, scope);
        self.depth -= 1;
        value
    }

    fn eval_inner(&mut self, expression: &Expr, scope: &Scope) -> Result<Value> {
        match expression {
            Expr::Literal(value, _) => Ok(value.clone()),
            Expr::Name(name, location) => {
                scope.lookup(name).ok_or_else(|| error_at(*location, &format!("undefined identifier {name}")))
            }
            Expr::Interpolation(parts, _) => self.interpolate(parts, scope),
            Expr::Array(items, _) => {
                let items = items.iter().map(|item| self.eval(item, scope)).collect::<Result<Vec<Value>>>()?;
                Ok(Value::Array(Arc::new(items)))
            }
            Expr::Dict(entries, _) => {
                let mut dict = Vec::with_capacity(entries.len());
                for (key, value) in entries {
                    dict.push((self.eval(key, scope)?, self.eval(value, scope)?));
                }
                Ok(Value::Dict(Arc::new(dict_of(dict))))
            }
            Expr::Record(record) => self.record(record, scope),
            Expr::Function(lambda) => {
                let closure = Closure { lambda: Arc::clone(lambda), scope: scope.clone() };
                Ok(Value::Function(Function::Closure(Arc::new(closure))))
            }
            Expr::Call(call) => self.call_expression(call, scope),
            Expr::Member(object, name, location) => {
                let object = self.eval(object, scope)?;
                member(&object, name, *location)
            }
            Expr::Index(pair, _) => {
                let (array, index) = (self.eval(&pair.0, scope)?, self.eval(&pair.1, scope)?);
                index_of(&array, &index)
            }
            Expr::Unary(operator, operand, _) => self.unary(*operator, operand, scope),
            Expr::Binary(operator, pair, _) => {
                let (left, right) = (self.eval(&pair.0, scope)?, self.eval(&pair.1, scope)?);
                operators::binary(*operator, &left, &right)
            }
            Expr::Logical(operator, pair, _) => {
                let left = self.eval(&pair.0, scope)?;
                match (operator, left) {
                    (LogicalOperator::And, Value::Bool(true)) | (LogicalOperator::Or, Value::Bool(false)) => {
                        self.eval(&pair.1, scope)
                    }
                    (LogicalOperator::And, Value::Bool(false) | Value::Null) => Ok(Value::Bool(false)),
                    (LogicalOperator::Or, Value::Bool(true)) => Ok(Value::Bool(true)),
                    (LogicalOperator::Or, Value::Null) => self.eval(&pair.1, scope),
                    (_, other) => Err(FluxError::invalid(format!("expected bool but found {}", other.kind()))),
                }
            }
            Expr::Conditional(parts, _) => match self.eval(&parts.0, scope)? {
                Value::Bool(true) => self.eval(&parts.1, scope),
                Value::Bool(false) | Value::Null => self.eval(&parts.2, scope),
                other => Err(FluxError::invalid(format!("expected bool but found {}", other.kind()))),
            },
        }
    }

    fn interpolate(&mut self, parts: &[Expr], scope: &Scope) -> Result<Value> {
        let mut text = String::new();
        for part in parts {
            let value = self.eval(part, scope)?;
            if value.is_null() {
                return Err(FluxError::invalid("string expression evaluated to null"));
            }
            text.push_str(&value.to_string());
            check_length(text.len()).map_err(FluxError::invalid)?;
        }
        Ok(Value::text(text))
    }

    fn record(&mut self, record: &RecordExpr, scope: &Scope) -> Result<Value> {
        let mut fields = match &record.with {
            None => Vec::with_capacity(record.fields.len()),
            Some(with) => match self.eval(with, scope)? {
                Value::Record(with) => with.fields(),
                Value::Null => Vec::new(),
                other => return Err(FluxError::invalid(format!("a {} is not a record", other.kind()))),
            },
        };
        for (name, value) in &record.fields {
            let value = self.eval(value, scope)?;
            match fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = value,
                None => fields.push((Arc::clone(name), value)),
            }
        }
        Ok(Value::Record(Record::new(fields)))
    }

    fn unary(&mut self, operator: Operator, operand: &Expr, scope: &Scope) -> Result<Value> {
        let value = self.eval(operand, scope)?;
        match operator {
            Operator::Exists => Ok(Value::Bool(!value.is_null())),
            _ => operators::unary(operator, &value),
        }
    }

    fn call_expression(&mut self, call: &CallExpr, scope: &Scope) -> Result<Value> {
        self.runtime.step(1)?;
        let callee = self.eval(&call.callee, scope)?;
        let Value::Function(function) = callee else {
            return Err(error_at(call.location, &format!("cannot call a value of type {}", callee.kind())));
        };
        let pipe = call.pipe.as_ref().map(|pipe| self.eval(pipe, scope)).transpose()?;
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            arguments.push((Arc::clone(&argument.name), self.eval(&argument.value, scope)?));
        }
        let here = Place { name: Arc::clone(&call.name), location: call.location };
        // What a prelude calls is done for the user's call.
        if !scope.package.is_script() {
            let place = self.place.clone().unwrap_or(here);
            return self.call(&function, arguments, pipe, place);
        }
        let outer = self.place.replace(here.clone());
        let value = self.call(&function, arguments, pipe, here);
        self.place = outer;
        let on_rows = self.on_rows;
        value.map_err(|error| if on_rows { error } else { error.in_call(&call.name, call.location) })
    }

    /// Calls a function.
    ///
    /// # Errors
    /// If the arguments are not those that it takes, and what it says itself.
    pub fn call(
        &mut self,
        function: &Function,
        mut arguments: Vec<(Text, Value)>,
        pipe: Option<Value>,
        place: Place,
    ) -> Result<Value> {
        match function {
            Function::Builtin(builtin) => {
                let parameters = &builtin.signature.parameters;
                if let Some(piped) = pipe {
                    let Some(parameter) = parameters.iter().find(|parameter| parameter.is_pipe) else {
                        return Err(FluxError::invalid(format!(
                            "function {} does not take a piped value",
                            builtin.name
                        )));
                    };
                    arguments.push((Arc::clone(&parameter.name), piped));
                }
                let is_known = |name: &Text| parameters.iter().any(|parameter| parameter.name == *name);
                refuse_unused(arguments.iter().filter(|(name, _)| !is_known(name)))?;
                for parameter in parameters {
                    if !parameter.is_optional && !arguments.iter().any(|(name, _)| *name == parameter.name) {
                        return Err(missing(&parameter.name));
                    }
                }
                let mut call = Call { interpreter: self, place, arguments };
                (builtin.function)(&mut call)
            }
            Function::Closure(closure) => self.call_closure(closure, arguments, pipe),
        }
    }

    fn call_closure(
        &mut self,
        closure: &Closure,
        mut arguments: Vec<(Text, Value)>,
        pipe: Option<Value>,
    ) -> Result<Value> {
        let lambda = &closure.lambda;
        if let Some(piped) = pipe {
            let Some(parameter) = lambda.parameters.iter().find(|parameter| parameter.is_pipe) else {
                return Err(FluxError::invalid("the function does not take a piped value"));
            };
            arguments.push((Arc::clone(&parameter.name), piped));
        }
        let mut bindings = Vec::with_capacity(lambda.parameters.len());
        for parameter in &lambda.parameters {
            let place = arguments.iter().position(|(name, _)| *name == parameter.name);
            let value = match (place, &parameter.default) {
                (Some(place), _) => arguments.swap_remove(place).1,
                (None, Some(default)) => self.eval(default, &closure.scope)?,
                (None, None) => return Err(missing(&parameter.name)),
            };
            bindings.push((Arc::clone(&parameter.name), value));
        }
        refuse_unused(arguments.iter())?;
        let mut scope = closure.scope.with(bindings);
        for statement in &lambda.body {
            match statement {
                Statement::Assign(name, value, _) => {
                    let value = self.eval(value, &scope)?;
                    scope = scope.with(vec![(Arc::clone(name), value)]);
                }
                Statement::Expression(expression) => {
                    self.eval(expression, &scope)?;
                }
                Statement::Option { location, .. } => {
                    return Err(error_at(*location, "options are set outside of functions"));
                }
                Statement::Return(_, location) => return Err(error_at(*location, "nothing may follow a return")),
                Statement::Builtin(..) | Statement::TestCase => {}
            }
        }
        self.eval(&lambda.result, &scope)
    }
}

fn missing(name: &str) -> FluxError {
    FluxError::invalid(format!("missing required keyword argument \"{name}\""))
}

fn refuse_unused<'a>(arguments: impl Iterator<Item = &'a (Text, Value)>) -> Result<()> {
    let unused: Vec<&str> = arguments.map(|(name, _)| &**name).collect();
    if unused.is_empty() {
        return Ok(());
    }
    Err(FluxError::invalid(format!("unused arguments [{}]", unused.join(" "))))
}

/// The entries by key; a later one of the same key counts.
pub(crate) fn dict_of(entries: Vec<(Value, Value)>) -> Vec<(Value, Value)> {
    let mut sorted: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match sorted.binary_search_by(|(known, _)| known.total_order(&key)) {
            Ok(place) => sorted[place].1 = value,
            Err(place) => sorted.insert(place, (key, value)),
        }
    }
    sorted
}

/// `object.name`; what a record does not have is null.
pub(crate) fn member(object: &Value, name: &str, location: Location) -> Result<Value> {
    match object {
        Value::Record(record) => Ok(record.get(name).unwrap_or_default()),
        Value::Package(package) => {
            let missing = || error_at(location, &format!("record is missing label {name}"));
            package.member(name).ok_or_else(missing)
        }
        Value::Null => Ok(Value::Null),
        other => Err(error_at(location, &format!("a {} has no property {name}", other.kind()))),
    }
}

fn index_of(array: &Value, index: &Value) -> Result<Value> {
    match (array, index) {
        (Value::Array(values), Value::Int(index)) => {
            let place = usize::try_from(*index).ok().and_then(|index| values.get(index));
            let count = values.len();
            let message = || FluxError::invalid(format!("cannot access element {index} of array of length {count}"));
            place.cloned().ok_or_else(message)
        }
        (Value::Record(record), Value::String(name)) => Ok(record.get(name).unwrap_or_default()),
        (Value::Null, _) => Ok(Value::Null),
        (array, index) => {
            Err(FluxError::invalid(format!("cannot take element {} of a {}", index.kind(), array.kind())))
        }
    }
}

/// A function of the script that is called for rows or keys.
#[derive(Debug)]
pub struct RowFunction {
    interpreter: Interpreter,
    function: Function,
    place: Place,
}

impl RowFunction {
    /// Calls `function` for rows.
    #[must_use]
    pub fn new(runtime: &Arc<Runtime>, function: &Function) -> Self {
        let mut interpreter = Interpreter::new(Arc::clone(runtime));
        interpreter.on_rows = true;
        let place = Place { name: Arc::from("fn"), location: Location::default() };
        Self { interpreter, function: function.clone(), place }
    }

    /// The function's value for these arguments.
    ///
    /// # Errors
    /// Those of the function.
    pub fn call(&mut self, arguments: Vec<(Text, Value)>) -> Result<Value> {
        self.interpreter.runtime.step(1)?;
        self.interpreter.call(&self.function, arguments, None, self.place.clone())
    }

    /// The function's value for a row, which is its argument `r`.
    ///
    /// # Errors
    /// Those of the function.
    pub fn row(&mut self, name: &Text, table: &Arc<Table>, row: usize) -> Result<Value> {
        self.call(vec![(Arc::clone(name), Value::Record(Record::Row(Arc::clone(table), row)))])
    }
}

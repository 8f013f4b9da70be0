//! What is wrong with a script before it runs: names that mean nothing, arguments that are missing or not known, and
//! types that cannot be right.
//!
//! Types are followed from literals and declarations forward; what is not known fits everywhere. So nothing that
//! InfluxDB accepts is refused, and what it refuses after inferring types of parameters is found when it runs.

mod types;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use flux::Location;
use flux::ast::Operator;

use self::types::{FunctionType, Parameter, Type, package_types};
use super::Suggestion;
use super::error::{FluxError, Result};
use super::ir::{CallExpr, Expr, Lambda, Program, RecordExpr, Statement};
use super::package::{UNIVERSE, program};
use super::value::Text;

/// Checks the files of a script, in their order. `names` are known without being defined.
pub(crate) fn check(programs: &[Program], names: &[&str]) -> Result<()> {
    let errors = errors(programs, names)?;
    if errors.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> =
        errors.into_iter().map(|(location, message)| format!("error @{location}: {message}")).collect();
    Err(FluxError::invalid(lines.join("\n\n")))
}

/// What is wrong with the files of a script, and where.
pub(crate) fn errors(programs: &[Program], names: &[&str]) -> Result<Vec<(Location, String)>> {
    let universe = package_types(UNIVERSE)?.unwrap_or_default();
    let mut checker =
        Checker { scopes: vec![Scope::default()], universe, literal_records: HashSet::new(), errors: Vec::new() };
    names.iter().for_each(|name| checker.define(&Text::from(*name), Type::Any));
    for program in programs {
        checker.imports(program)?;
    }
    if checker.errors.is_empty() {
        for program in programs {
            checker.statements(&program.body)?;
        }
    }
    Ok(checker.errors)
}

/// The functions that every script has, for editors.
pub(crate) fn suggestions() -> Result<Vec<Suggestion>> {
    let types = package_types(UNIVERSE)?.unwrap_or_default();
    let suggestion = |(name, kind): (&Text, &Type)| match kind {
        Type::Function(function) if !name.starts_with('_') => {
            let parameter = |parameter: &Parameter| (parameter.name.to_string(), parameter.kind.word());
            Some(Suggestion { name: name.to_string(), params: function.parameters.iter().map(parameter).collect() })
        }
        _ => None,
    };
    let mut suggestions: Vec<Suggestion> = types.iter().filter_map(suggestion).collect();
    suggestions.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(suggestions)
}

/// Names with their types; of one file, function or block.
#[derive(Debug, Default)]
struct Scope(HashMap<Text, Type>);

struct Checker {
    scopes: Vec<Scope>,
    universe: Arc<HashMap<Text, Type>>,
    /// Names of a file whose values are written out as records: no other properties can be there at run time.
    literal_records: HashSet<Text>,
    errors: Vec<(Location, String)>,
}

impl Checker {
    fn error(&mut self, location: Location, message: &str) {
        self.errors.push((location, message.to_owned()));
    }

    fn define(&mut self, name: &Text, kind: Type) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.0.insert(Arc::clone(name), kind);
        }
    }

    fn lookup(&self, name: &str) -> Option<Type> {
        let mut scopes = self.scopes.iter().rev();
        scopes.find_map(|scope| scope.0.get(name)).or_else(|| self.universe.get(name)).cloned()
    }

    fn imports(&mut self, program_of: &Program) -> Result<()> {
        for import in &program_of.imports {
            match program(&import.path)? {
                None => self.error(import.location, &format!("invalid import path {}", import.path)),
                Some(package) => {
                    let name = import.alias.as_ref().unwrap_or(&package.package);
                    self.define(name, Type::Package(Arc::clone(&import.path)));
                }
            }
        }
        Ok(())
    }

    fn statements(&mut self, body: &[Statement]) -> Result<()> {
        let mut assigned: Vec<&Text> = Vec::new();
        for statement in body {
            match statement {
                Statement::Assign(name, value, location) => {
                    let kind = self.infer(value)?;
                    if assigned.contains(&name) {
                        self.error(*location, &format!("variable \"{name}\" reassigned"));
                    }
                    assigned.push(name);
                    self.note_record(name, value);
                    self.define(name, kind);
                }
                Statement::Option { package: None, name, value, .. } => {
                    let kind = self.infer(value)?;
                    self.note_record(name, value);
                    self.define(name, kind);
                }
                Statement::Option { package: Some(package), value, location, .. } => {
                    self.infer(value)?;
                    if self.lookup(package).is_none() {
                        self.error(*location, &format!("undefined identifier {package}"));
                    }
                }
                Statement::Expression(value) | Statement::Return(value, _) => {
                    self.infer(value)?;
                }
                Statement::Builtin(..) | Statement::TestCase => {}
            }
        }
        Ok(())
    }

    /// The type of an expression; what is wrong in it is noted.
    fn infer(&mut self, expression: &Expr) -> Result<Type> {
        Ok(match expression {
            Expr::Literal(value, _) => Type::of_value(value),
            Expr::Name(name, location) => match self.lookup(name) {
                Some(kind) => kind,
                None => {
                    self.error(*location, &format!("undefined identifier {name}"));
                    Type::Any
                }
            },
            Expr::Interpolation(parts, _) => {
                for part in parts {
                    self.infer(part)?;
                }
                Type::String
            }
            Expr::Array(items, _) => {
                let mut element = Type::Any;
                for item in items {
                    let kind = self.infer(item)?;
                    self.unify(&element, &kind, item.location(), "");
                    element = element.or(kind);
                }
                Type::Array(Box::new(element))
            }
            Expr::Dict(entries, _) => {
                for (key, value) in entries {
                    self.infer(key)?;
                    self.infer(value)?;
                }
                Type::Any
            }
            Expr::Record(record) => self.record(record)?,
            Expr::Function(lambda) => Type::Function(Arc::new(self.function(lambda, &[])?)),
            Expr::Call(call) => self.call(call)?,
            Expr::Member(object, name, location) => self.member(object, name, *location)?,
            Expr::Index(pair, _) => {
                self.infer(&pair.1)?;
                match self.infer(&pair.0)? {
                    Type::Array(element) => *element,
                    _ => Type::Any,
                }
            }
            Expr::Unary(operator, operand, _) => {
                let kind = self.infer(operand)?;
                match operator {
                    Operator::Exists => Type::Bool,
                    Operator::Not => {
                        self.unify(&Type::Bool, &kind, operand.location(), "");
                        Type::Bool
                    }
                    _ => kind,
                }
            }
            Expr::Binary(operator, pair, location) => self.binary(*operator, pair, *location)?,
            Expr::Logical(_, pair, _) => {
                for side in [&pair.0, &pair.1] {
                    let kind = self.infer(side)?;
                    self.unify(&Type::Bool, &kind, side.location(), "");
                }
                Type::Bool
            }
            Expr::Conditional(parts, _) => self.conditional(parts)?,
        })
    }

    fn conditional(&mut self, parts: &(Expr, Expr, Expr)) -> Result<Type> {
        let test = self.infer(&parts.0)?;
        self.unify(&Type::Bool, &test, parts.0.location(), "");
        let (consequent, alternate) = (self.infer(&parts.1)?, self.infer(&parts.2)?);
        self.unify(&consequent, &alternate, parts.2.location(), "");
        Ok(consequent.or(alternate))
    }

    fn unify(&mut self, expected: &Type, found: &Type, location: Location, behind: &str) -> bool {
        let messages = expected.mismatches(found);
        for message in &messages {
            self.error(location, &format!("{message}{behind}"));
        }
        messages.is_empty()
    }

    fn record(&mut self, record: &RecordExpr) -> Result<Type> {
        let mut fields = match &record.with {
            None => Some(Vec::new()),
            Some(with) => match self.infer(with)? {
                Type::Record(fields) => Some(fields),
                _ => None,
            },
        };
        for (name, value) in &record.fields {
            let kind = self.infer(value)?;
            if let Some(fields) = &mut fields {
                match fields.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => *known = kind,
                    None => fields.push((Arc::clone(name), kind)),
                }
            }
        }
        Ok(fields.map_or(Type::Any, Type::Record))
    }

    fn note_record(&mut self, name: &Text, value: &Expr) {
        let is_literal = matches!(value, Expr::Record(record) if record.with.is_none());
        match self.scopes.len() {
            1 if is_literal => self.literal_records.insert(Arc::clone(name)),
            1 => self.literal_records.remove(name),
            _ => false,
        };
    }

    /// Whether it names a record that is written out in the file.
    fn is_literal_record(&self, object: &Expr) -> bool {
        let Expr::Name(name, _) = object else { return false };
        let is_hidden = self.scopes.iter().skip(1).any(|scope| scope.0.contains_key(name));
        self.literal_records.contains(name) && !is_hidden
    }

    fn member(&mut self, object: &Expr, name: &Text, location: Location) -> Result<Type> {
        Ok(match self.infer(object)? {
            Type::Package(path) => match package_types(&path)?.unwrap_or_default().get(name) {
                Some(kind) => kind.clone(),
                None => {
                    self.error(location, &format!("record is missing label {name}"));
                    Type::Any
                }
            },
            Type::Record(fields) => match fields.into_iter().find(|(known, _)| known == name) {
                Some((_, kind)) => kind,
                None => {
                    if self.is_literal_record(object) {
                        self.error(location, &format!("record is missing label {name}"));
                    }
                    Type::Any
                }
            },
            _ => Type::Any,
        })
    }

    fn binary(&mut self, operator: Operator, pair: &(Expr, Expr), location: Location) -> Result<Type> {
        let (left, right) = (self.infer(&pair.0)?, self.infer(&pair.1)?);
        let constraint = match operator {
            Operator::Addition => "Addable",
            Operator::Subtraction => "Subtractable",
            Operator::Multiplication | Operator::Division | Operator::Modulo | Operator::Power => "Divisible",
            Operator::RegexpMatch | Operator::NotRegexpMatch => {
                self.unify(&Type::String, &left, pair.0.location(), "");
                self.unify(&Type::Regexp, &right, pair.1.location(), "");
                return Ok(Type::Bool);
            }
            _ => return Ok(Type::Bool),
        };
        // Times and durations are added at run time.
        if left.is_temporal() || right.is_temporal() {
            return Ok(Type::Any);
        }
        self.unify(&left, &right, pair.1.location(), "");
        let kind = left.or(right);
        let fits = match kind {
            Type::Any | Type::Int | Type::UInt | Type::Float => true,
            Type::String => constraint == "Addable",
            _ => false,
        };
        if !fits {
            self.error(location, &format!("{kind} is not {constraint}"));
        }
        Ok(kind)
    }

    /// The type of a function whose parameters have these types, where they are known.
    fn function(&mut self, lambda: &Lambda, known: &[(Text, Type)]) -> Result<FunctionType> {
        let mut parameters = Vec::with_capacity(lambda.parameters.len());
        let mut scope = Scope::default();
        for parameter in &lambda.parameters {
            let default = parameter.default.as_ref().map(|default| self.infer(default)).transpose()?;
            let given = known.iter().find(|(name, _)| *name == parameter.name).map(|(_, kind)| kind.clone());
            let kind = given.or(default).filter(|kind| !matches!(kind, Type::Duration)).unwrap_or(Type::Any);
            scope.0.insert(Arc::clone(&parameter.name), kind.clone());
            parameters.push(Parameter {
                name: Arc::clone(&parameter.name),
                kind,
                is_optional: parameter.default.is_some(),
                is_pipe: parameter.is_pipe,
            });
        }
        self.scopes.push(scope);
        self.statements(&lambda.body)?;
        let result = self.infer(&lambda.result)?;
        self.scopes.pop();
        Ok(FunctionType { parameters, result })
    }

    fn call(&mut self, call: &CallExpr) -> Result<Type> {
        let pipe = call.pipe.as_ref().map(|pipe| self.infer(pipe)).transpose()?;
        let callee = self.infer(&call.callee)?;
        let Type::Function(function) = callee else {
            for argument in &call.arguments {
                self.infer(&argument.value)?;
            }
            return Ok(Type::Any);
        };
        // What the letters of a declaration stand for in this call.
        let mut bound: HashMap<Text, Type> = HashMap::new();
        let piped = function.parameters.iter().find(|parameter| parameter.is_pipe);
        match (&pipe, piped) {
            (Some(kind), Some(parameter)) => parameter.kind.bind(kind, &mut bound),
            (Some(_), None) => self.error(call.location, "function does not take a pipe argument"),
            (None, _) => {}
        }
        for argument in &call.arguments {
            let parameter = function.parameters.iter().find(|parameter| parameter.name == argument.name);
            let Some(parameter) = parameter else {
                self.infer(&argument.value)?;
                let message = unexpected(&function, call, &argument.name);
                self.error(argument.value.location(), &message);
                continue;
            };
            let found = self.argument(&argument.value, &parameter.kind, &bound)?;
            let expected = parameter.kind.substitute(&bound);
            let behind = format!(" (argument {})", argument.name);
            if self.unify(&expected, &found, argument.value.location(), &behind) {
                parameter.kind.bind(&found, &mut bound);
            }
        }
        for parameter in &function.parameters {
            let is_given = call.arguments.iter().any(|argument| argument.name == parameter.name)
                || (parameter.is_pipe && pipe.is_some());
            if is_given || parameter.is_optional {
                continue;
            }
            if parameter.is_pipe {
                self.error(call.location, "missing pipe argument");
            } else {
                self.error(call.location, &format!("missing required argument {}", parameter.name));
            }
        }
        Ok(function.result.substitute(&bound))
    }

    /// The type of an argument; a function's parameters have the types that its place declares.
    fn argument(&mut self, value: &Expr, declared: &Type, bound: &HashMap<Text, Type>) -> Result<Type> {
        match (value, declared) {
            (Expr::Function(lambda), Type::Function(declared)) => {
                let known: Vec<(Text, Type)> = declared
                    .parameters
                    .iter()
                    .map(|parameter| (Arc::clone(&parameter.name), parameter.kind.substitute(bound)))
                    .collect();
                Ok(Type::Function(Arc::new(self.function(lambda, &known)?)))
            }
            _ => self.infer(value),
        }
    }
}

/// What is said of an argument that a function does not take: and what else it would take.
fn unexpected(function: &FunctionType, call: &CallExpr, name: &str) -> String {
    let is_free = |parameter: &&Parameter| {
        !parameter.is_pipe && !call.arguments.iter().any(|argument| argument.name == parameter.name)
    };
    let mut names: Vec<&Text> = function.parameters.iter().filter(is_free).map(|parameter| &parameter.name).collect();
    names.sort();
    let free: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    let expected = match free.split_last() {
        None => String::new(),
        Some((last, [])) => format!(" (Expected {last})"),
        Some((last, rest)) => format!(" (Expected one of {} or {last})", rest.join(", ")),
    };
    format!("found unexpected argument {name}{expected}")
}

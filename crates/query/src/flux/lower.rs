//! The syntax tree to what is run. Nothing is looked up here; what a text cannot mean is an error with its place.

use std::sync::Arc;

use flux::Location;
use flux::ast::{
    Assignment, Block, CallExpression, DurationLiteral, Expression, File, FunctionBody, FunctionExpression,
    ObjectExpression, Statement as Syntax, StringPart,
};

use super::duration::Duration;
use super::error::{FluxError, Result};
use super::ir::{Argument, CallExpr, Expr, Import, Lambda, Parameter, Program, RecordExpr, Statement};
use super::library::regexp::compile;
use super::value::{Regexp, Text, Value};

/// A whole file.
pub(crate) fn lower(file: &File) -> Result<Program> {
    let import = |declaration: &flux::ast::ImportDeclaration| Import {
        alias: declaration.alias.as_ref().map(|alias| text(&alias.name)),
        path: text(&declaration.path.value),
        location: declaration.meta.location,
    };
    Ok(Program {
        package: text(file.package_name()),
        imports: file.imports.iter().map(import).collect(),
        body: file.body.iter().map(statement).collect::<Result<_>>()?,
    })
}

/// An error of the script at a place of it.
pub(crate) fn error_at(location: Location, message: &str) -> FluxError {
    FluxError::invalid(format!("error @{location}: {message}"))
}

fn text(name: &str) -> Text {
    Arc::from(name)
}

fn statement(statement: &Syntax) -> Result<Statement> {
    let location = statement.meta().location;
    Ok(match statement {
        Syntax::Bad(bad) => return Err(error_at(location, &format!("invalid statement: {}", bad.text))),
        Syntax::Expression(node) => Statement::Expression(expression(&node.expression)?),
        Syntax::Variable(node) => Statement::Assign(text(&node.id.name), expression(&node.init)?, location),
        Syntax::Option(node) => match &node.assignment {
            Assignment::Variable(assignment) => Statement::Option {
                package: None,
                name: text(&assignment.id.name),
                value: expression(&assignment.init)?,
                location,
            },
            Assignment::Member(assignment) => {
                let Expression::Identifier(package) = &assignment.member.object else {
                    return Err(error_at(location, "option assignment needs the name of a package"));
                };
                Statement::Option {
                    package: Some(text(&package.name)),
                    name: text(assignment.member.property.name()),
                    value: expression(&assignment.init)?,
                    location,
                }
            }
        },
        Syntax::Return(node) => Statement::Return(expression(&node.argument)?, location),
        Syntax::Builtin(node) => Statement::Builtin(text(&node.id.name), Box::new(node.type_expression.clone())),
        Syntax::TestCase(_) => Statement::TestCase,
    })
}

fn boxed(node: &Expression) -> Result<Box<Expr>> {
    expression(node).map(Box::new)
}

fn pair(left: &Expression, right: &Expression) -> Result<Box<(Expr, Expr)>> {
    Ok(Box::new((expression(left)?, expression(right)?)))
}

fn expression(node: &Expression) -> Result<Expr> {
    let location = node.location();
    let literal = |value: Value| Expr::Literal(value, location);
    Ok(match node {
        Expression::Bad(bad) => return Err(error_at(location, &format!("invalid expression: {}", bad.text))),
        Expression::Identifier(name) if name.name == "true" => literal(Value::Bool(true)),
        Expression::Identifier(name) if name.name == "false" => literal(Value::Bool(false)),
        Expression::Identifier(name) => Expr::Name(text(&name.name), location),
        Expression::Integer(node) => literal(Value::Int(node.value)),
        Expression::UnsignedInteger(node) => literal(Value::UInt(node.value)),
        Expression::Float(node) => literal(Value::Float(node.value)),
        Expression::String(node) => literal(Value::text(&node.value)),
        Expression::Label(node) => literal(Value::text(&node.value)),
        Expression::Boolean(node) => literal(Value::Bool(node.value)),
        Expression::Duration(node) => literal(Value::Duration(duration(node)?)),
        Expression::DateTime(node) => {
            let time = node.value.timestamp_nanos_opt();
            literal(Value::Time(time.ok_or_else(|| error_at(location, "time is out of range"))?))
        }
        Expression::Regexp(node) => {
            literal(Value::Regexp(Arc::new(regex(&node.value).map_err(|error| error_at(location, &error.message))?)))
        }
        Expression::Pipe(_) => return Err(error_at(location, "<- is only a parameter's default")),
        Expression::StringExpression(node) => {
            let part = |part: &StringPart| match part {
                StringPart::Text(part) => Ok(Expr::Literal(Value::text(&part.value), part.meta.location)),
                StringPart::Interpolated(part) => expression(&part.expression),
            };
            Expr::Interpolation(node.parts.iter().map(part).collect::<Result<_>>()?, location)
        }
        Expression::Paren(node) => expression(&node.expression)?,
        Expression::Array(node) => {
            let items = node.elements.iter().map(|item| expression(&item.expression));
            Expr::Array(items.collect::<Result<_>>()?, location)
        }
        Expression::Dict(node) => {
            let entries = node.elements.iter().map(|item| Ok((expression(&item.key)?, expression(&item.value)?)));
            Expr::Dict(entries.collect::<Result<_>>()?, location)
        }
        Expression::Object(node) => record(node, location)?,
        Expression::Function(node) => Expr::Function(Arc::new(function(node)?)),
        Expression::Call(node) => call(node, None)?,
        Expression::PipeForward(node) => call(&node.call, Some(expression(&node.argument)?))?,
        Expression::Member(node) => Expr::Member(boxed(&node.object)?, text(node.property.name()), location),
        Expression::Index(node) => Expr::Index(pair(&node.array, &node.index)?, location),
        Expression::Unary(node) => Expr::Unary(node.operator, boxed(&node.argument)?, location),
        Expression::Binary(node) => Expr::Binary(node.operator, pair(&node.left, &node.right)?, location),
        Expression::Logical(node) => Expr::Logical(node.operator, pair(&node.left, &node.right)?, location),
        Expression::Conditional(node) => {
            let parts = (expression(&node.test)?, expression(&node.consequent)?, expression(&node.alternate)?);
            Expr::Conditional(Box::new(parts), location)
        }
    })
}

fn duration(node: &DurationLiteral) -> Result<Duration> {
    let mut sum = Some(Duration::default());
    for part in &node.values {
        let part = Duration::from_part(part.magnitude, part.unit);
        sum = sum.zip(part).and_then(|(sum, part)| sum.checked_add(part));
    }
    sum.ok_or_else(|| error_at(node.meta.location, "duration is out of range"))
}

/// Compiles a regular expression.
pub(crate) fn regex(pattern: &str) -> Result<Regexp> {
    compile(pattern).map_err(FluxError::invalid)
}

fn record(node: &ObjectExpression, location: Location) -> Result<Expr> {
    let with = node.with.as_ref().map(|with| Expr::Name(text(&with.source.name), with.source.meta.location));
    let mut fields: Vec<(Text, Expr)> = Vec::with_capacity(node.properties.len());
    for property in &node.properties {
        let name = property.key.name();
        let value = match &property.value {
            Some(value) => expression(value)?,
            None => Expr::Name(text(name), property.key.meta().location),
        };
        // A later value of the same name counts.
        match fields.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, known)) => *known = value,
            None => fields.push((text(name), value)),
        }
    }
    Ok(Expr::Record(Box::new(RecordExpr { with, fields, location })))
}

fn function(node: &FunctionExpression) -> Result<Lambda> {
    let parameter = |property: &flux::ast::Property| {
        let is_pipe = matches!(property.value, Some(Expression::Pipe(_)));
        let default = match &property.value {
            Some(value) if !is_pipe => Some(expression(value)?),
            _ => None,
        };
        Ok(Parameter { name: text(property.key.name()), default, is_pipe })
    };
    let parameters = node.parameters.iter().map(parameter).collect::<Result<_>>()?;
    let (body, result) = match &node.body {
        FunctionBody::Expression(result) => (Vec::new(), expression(result)?),
        FunctionBody::Block(block) => block_of(block)?,
    };
    Ok(Lambda { parameters, body, result, location: node.meta.location })
}

fn block_of(block: &Block) -> Result<(Vec<Statement>, Expr)> {
    let mut body = block.body.iter().map(statement).collect::<Result<Vec<Statement>>>()?;
    match body.pop() {
        Some(Statement::Return(result, _)) => Ok((body, result)),
        _ => Err(error_at(block.meta.location, "missing return statement in block")),
    }
}

fn call(node: &CallExpression, pipe: Option<Expr>) -> Result<Expr> {
    let callee = expression(&node.callee)?;
    let name = match &callee {
        Expr::Name(name, _) | Expr::Member(_, name, _) => Arc::clone(name),
        _ => text("<anonymous>"),
    };
    let mut arguments = Vec::new();
    for argument in &node.arguments {
        let Expr::Record(record) = expression(argument)? else {
            return Err(error_at(argument.location(), "arguments need names"));
        };
        if record.with.is_some() {
            return Err(error_at(record.location, "arguments cannot be taken from a record"));
        }
        arguments.extend(record.fields.into_iter().map(|(name, value)| Argument { name, value }));
    }
    Ok(Expr::Call(Box::new(CallExpr { name, callee, arguments, pipe, location: node.meta.location })))
}

//! `*`, regular expressions and `DISTINCT x`, written out: a list of fields of which each is one column.

use regex::Regex;

use influxql::Expression;
use influxql::ast::{Call, DataType, Field, Reference, Select, Wildcard};

use super::schema::SourceSchema;
use super::time_range::is_time;
use super::value::{Kind, MATH_FUNCTIONS};
use crate::limits;

/// A field of one column, and the name that it was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FlatField {
    pub(super) expression: Expression,
    pub(super) alias: Option<String>,
}

/// A regular expression of a query.
///
/// # Errors
/// If it is none, or too large.
pub(super) fn regex(text: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(text)
        .size_limit(limits::REGEX_BYTES)
        .build()
        .map_err(|error| format!("error parsing regexp: {error}"))
}

/// The tags of `GROUP BY`, sorted.
pub(super) fn dimensions(select: &Select, schema: &SourceSchema) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for dimension in &select.dimensions {
        match dimension {
            Expression::Reference(reference) => names.push(reference.name.clone()),
            Expression::Wildcard(_) => names.extend(schema.tags.iter().cloned()),
            Expression::Regex(text) => {
                let regex = regex(text)?;
                names.extend(schema.tags.iter().filter(|tag| regex.is_match(tag)).cloned());
            }
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// The columns that a wildcard stands for: fields and the tags that do not group, by name.
fn wildcard_columns(select: &Select, schema: &SourceSchema, dimensions: &[String]) -> Vec<(String, Kind)> {
    let all_tags_group =
        select.dimensions.iter().any(|dimension| matches!(dimension, Expression::Wildcard(_) | Expression::Regex(_)));
    let mut columns: Vec<(String, Kind)> = schema.fields.iter().map(|(name, kind)| (name.clone(), *kind)).collect();
    if !columns.is_empty() {
        let grouping = schema.tags.iter().filter(|_| !all_tags_group);
        let shown = schema.tag_columns.iter().filter(|tag| !schema.tags.contains(*tag));
        let tags = grouping.chain(shown).filter(|tag| !dimensions.contains(tag));
        columns.extend(tags.map(|tag| (tag.clone(), Kind::Tag)));
    }
    columns.sort();
    columns
}

/// The fields, one for each column, without the time.
///
/// # Errors
/// A regular expression that is none, a wildcard where none can be, or too many columns.
pub(super) fn fields(select: &Select, schema: &SourceSchema, dimensions: &[String]) -> Result<Vec<FlatField>, String> {
    let columns = wildcard_columns(select, schema, dimensions);
    let mut flat = Vec::new();
    for field in &select.fields {
        if is_time(&field.expression) {
            continue;
        }
        expand(field, &columns, select.target.is_some(), &mut flat)?;
        if flat.len() > limits::INFLUXQL_COLUMNS {
            return Err(format!("the query has more than {} columns", limits::INFLUXQL_COLUMNS));
        }
    }
    Ok(flat)
}

fn reference(name: &str, kind: Kind) -> Expression {
    let data_type = if kind == Kind::Tag { DataType::Tag } else { DataType::Field };
    Expression::Reference(Reference { name: name.to_owned(), data_type: Some(data_type) })
}

fn expand(
    field: &Field,
    columns: &[(String, Kind)],
    has_target: bool,
    flat: &mut Vec<FlatField>,
) -> Result<(), String> {
    match &field.expression {
        Expression::Wildcard(wildcard) => {
            let wanted = columns.iter().filter(|(_, kind)| match wildcard {
                Wildcard::All => true,
                Wildcard::Fields => *kind != Kind::Tag,
                Wildcard::Tags => *kind == Kind::Tag,
            });
            flat.extend(wanted.map(|(name, kind)| FlatField { expression: reference(name, *kind), alias: None }));
        }
        Expression::Regex(text) => {
            let regex = regex(text)?;
            let wanted = columns.iter().filter(|(name, _)| regex.is_match(name));
            flat.extend(wanted.map(|(name, kind)| FlatField { expression: reference(name, *kind), alias: None }));
        }
        Expression::Distinct(name) => {
            let call = Call { name: "distinct".to_owned(), arguments: vec![Expression::reference(name.as_str())] };
            flat.push(FlatField { expression: Expression::Call(call), alias: field.alias.clone() });
        }
        Expression::Call(call) => return expand_call(field, call, columns, has_target, flat),
        other => {
            let mut has_wildcard = false;
            other.walk(&mut |inner| {
                has_wildcard |= matches!(inner, Expression::Wildcard(_));
                !has_wildcard
            });
            if has_wildcard {
                return Err(format!("unsupported expression with wildcard: {other}"));
            }
            flat.push(FlatField { expression: other.clone(), alias: field.alias.clone() });
        }
    }
    Ok(())
}

/// A function whose innermost argument is a wildcard or regular expression stands for one column for each field.
fn expand_call(
    field: &Field,
    call: &Call,
    columns: &[(String, Kind)],
    has_target: bool,
    flat: &mut Vec<FlatField>,
) -> Result<(), String> {
    let mut innermost = call;
    while let Some(Expression::Call(inner)) = innermost.arguments.first() {
        innermost = inner;
    }
    let pattern = match innermost.arguments.first() {
        Some(Expression::Wildcard(Wildcard::Tags)) => {
            return Err(format!("unable to use tag wildcard in {}()", innermost.name));
        }
        Some(Expression::Wildcard(_)) => None,
        Some(Expression::Regex(text)) => Some(regex(text)?),
        _ => {
            flat.push(FlatField { expression: field.expression.clone(), alias: field.alias.clone() });
            // The tags of `top(field, tag, 3)` are columns of their own.
            if matches!(call.name.as_str(), "top" | "bottom") && !has_target {
                let tags = call.arguments.iter().skip(1).filter(|tag| matches!(tag, Expression::Reference(_)));
                flat.extend(tags.map(|tag| FlatField { expression: tag.clone(), alias: None }));
            }
            return Ok(());
        }
    };
    let name = field.alias.as_deref().unwrap_or(&call.name);
    for (column, kind) in columns {
        let is_wanted = match kind {
            Kind::Tag => false,
            Kind::Float | Kind::Integer => true,
            Kind::Unsigned => !innermost.name.starts_with("holt_winters"),
            Kind::String => takes_strings(&innermost.name),
            Kind::Boolean => takes_strings(&innermost.name) || matches!(innermost.name.as_str(), "min" | "max"),
        };
        if is_wanted && pattern.as_ref().is_none_or(|pattern| pattern.is_match(column)) {
            let expression = with_innermost(call, &reference(column, *kind));
            flat.push(FlatField { expression, alias: Some(format!("{name}_{column}")) });
        }
    }
    Ok(())
}

fn takes_strings(function: &str) -> bool {
    matches!(function, "count" | "first" | "last" | "distinct" | "elapsed" | "mode" | "sample")
}

/// The call with another innermost first argument.
fn with_innermost(call: &Call, argument: &Expression) -> Expression {
    let mut copy = call.clone();
    if let Some(first) = copy.arguments.first_mut() {
        *first = match first {
            Expression::Call(inner) => with_innermost(inner, argument),
            _ => argument.clone(),
        };
    }
    Expression::Call(copy)
}

/// The names of the columns: aliases first, then names made of the expressions, numbered where they are taken.
pub(super) fn column_names(fields: &[FlatField]) -> Vec<String> {
    let mut taken: std::collections::HashMap<String, usize> = std::collections::HashMap::new();
    for alias in fields.iter().filter_map(|field| field.alias.as_ref()) {
        taken.insert(alias.clone(), 1);
    }
    let mut name_of = |field: &FlatField| {
        if let Some(alias) = &field.alias {
            return alias.clone();
        }
        let mut name = expression_name(&field.expression);
        if let Some(mut number) = taken.get(&name).copied() {
            let free = loop {
                let candidate = format!("{name}_{number}");
                number += 1;
                if !taken.contains_key(&candidate) {
                    break candidate;
                }
            };
            taken.insert(name, number);
            name = free;
        }
        *taken.entry(name.clone()).or_default() += 1;
        name
    };
    fields.iter().map(&mut name_of).collect()
}

fn expression_name(expression: &Expression) -> String {
    match expression {
        Expression::Reference(reference) => reference.name.clone(),
        Expression::Call(call) => call.name.clone(),
        Expression::Paren(inner) => expression_name(inner),
        Expression::Binary(_) => {
            let mut names: Vec<&str> = Vec::new();
            expression.walk(&mut |inner| {
                match inner {
                    Expression::Reference(reference) => names.push(&reference.name),
                    Expression::Call(call) => {
                        names.push(&call.name);
                        return false;
                    }
                    _ => {}
                }
                true
            });
            names.join("_")
        }
        _ => String::new(),
    }
}

/// Whether a call is a function of numbers and not of points.
pub(super) fn is_math(call: &Call) -> bool {
    MATH_FUNCTIONS.contains(&call.name.as_str())
}

//! Packages `strings` and `regexp`: bindings.

use std::sync::Arc;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::library::{regexp, strings};
use super::super::value::{Regexp, Text, Value};
use super::Functions;

/// A text that has to be there.
pub(super) fn text(call: &Call<'_>, name: &str) -> Result<Text> {
    match call.value(name) {
        Value::String(text) => Ok(text),
        other => {
            let kind = other.kind();
            Err(FluxError::invalid(format!("expected argument \"{name}\" to be of type string, got type {kind}")))
        }
    }
}

fn one(call: &Call<'_>, function: fn(&str) -> String) -> Result<Value> {
    Ok(Value::text(function(&text(call, "v")?)))
}

fn number(call: &Call<'_>, other: &str, function: fn(&str, &str) -> i64) -> Result<Value> {
    Ok(Value::Int(function(&text(call, "v")?, &text(call, other)?)))
}

fn test(call: &Call<'_>, other: &str, function: fn(&str, &str) -> bool) -> Result<Value> {
    Ok(Value::Bool(function(&text(call, "v")?, &text(call, other)?)))
}

fn single(call: &Call<'_>, function: fn(u8) -> bool) -> Result<Value> {
    strings::single(&text(call, "v")?, function).map(Value::Bool).map_err(FluxError::invalid)
}

fn trim(call: &Call<'_>, start: bool, end: bool) -> Result<Value> {
    Ok(Value::text(strings::trim(&text(call, "v")?, &text(call, "cutset")?, start, end)))
}

fn split(call: &Call<'_>, keep: bool, has_count: bool) -> Result<Value> {
    let count = if has_count { call.required("i")? } else { -1 };
    Ok(Value::texts(strings::split(&text(call, "v")?, &text(call, "t")?, count, keep)))
}

fn replace(call: &Call<'_>, count: i64) -> Result<Value> {
    let replaced = strings::replace(&text(call, "v")?, &text(call, "t")?, &text(call, "u")?, count);
    replaced.map(Value::text).map_err(FluxError::invalid)
}

fn join(call: &Call<'_>) -> Result<Value> {
    let Some(parts) = call.optional::<Vec<Text>>("arr")? else {
        return Err(FluxError::invalid("expected elements of argument \"arr\" to be of type string"));
    };
    let separator = text(call, "v")?;
    let bytes = parts.iter().map(|part| part.len() + separator.len()).sum();
    strings::check_length(bytes).map_err(FluxError::invalid)?;
    let parts: Vec<&str> = parts.iter().map(|part| &**part).collect();
    Ok(Value::text(parts.join(&separator)))
}

/// The functions of package `strings`.
pub(super) const STRINGS: Functions = &[
    ("title", |call| one(call, strings::title)),
    ("toUpper", |call| one(call, strings::to_upper)),
    ("toLower", |call| one(call, strings::to_lower)),
    ("toTitle", |call| one(call, strings::to_title)),
    ("trimSpace", |call| one(call, |text| text.trim().to_owned())),
    ("trim", |call| trim(call, true, true)),
    ("trimLeft", |call| trim(call, true, false)),
    ("trimRight", |call| trim(call, false, true)),
    ("trimPrefix", |call| {
        let (value, prefix) = (text(call, "v")?, text(call, "prefix")?);
        Ok(Value::text(value.strip_prefix(&*prefix).unwrap_or(&value)))
    }),
    ("trimSuffix", |call| {
        let (value, suffix) = (text(call, "v")?, text(call, "suffix")?);
        Ok(Value::text(value.strip_suffix(&*suffix).unwrap_or(&value)))
    }),
    ("hasPrefix", |call| test(call, "prefix", |text, prefix| text.starts_with(prefix))),
    ("hasSuffix", |call| test(call, "suffix", |text, suffix| text.ends_with(suffix))),
    ("containsStr", |call| test(call, "substr", |text, part| text.contains(part))),
    ("containsAny", |call| test(call, "chars", |text, characters| strings::index_any(text, characters) >= 0)),
    ("equalFold", |call| test(call, "t", strings::equal_fold)),
    ("compare", |call| number(call, "t", strings::compare)),
    ("countStr", |call| number(call, "substr", strings::count)),
    ("index", |call| number(call, "substr", strings::index)),
    ("indexAny", |call| number(call, "chars", strings::index_any)),
    ("lastIndex", |call| number(call, "substr", strings::last_index)),
    ("lastIndexAny", |call| number(call, "chars", strings::last_index_any)),
    ("isDigit", |call| single(call, |byte| byte.is_ascii_digit())),
    ("isLetter", |call| single(call, |byte| byte.is_ascii_alphabetic())),
    ("isLower", |call| single(call, |byte| byte.is_ascii_lowercase())),
    ("isUpper", |call| single(call, |byte| byte.is_ascii_uppercase())),
    ("repeat", |call| {
        strings::repeat(&text(call, "v")?, call.required("i")?).map(Value::text).map_err(FluxError::invalid)
    }),
    ("replace", |call| {
        let count = call.required("i")?;
        replace(call, count)
    }),
    ("replaceAll", |call| replace(call, -1)),
    ("split", |call| split(call, false, false)),
    ("splitAfter", |call| split(call, true, false)),
    ("splitN", |call| split(call, false, true)),
    ("splitAfterN", |call| split(call, true, true)),
    ("joinStr", |call| join(call)),
    ("strlen", |call| Ok(Value::Int(strings::length(&text(call, "v")?)))),
    ("substring", |call| {
        Ok(Value::text(strings::substring(&text(call, "v")?, call.required("start")?, call.required("end")?)))
    }),
];

/// Replaces all matches, and stops where the result is longer than a string may be.
fn replace_bounded(expression: &Regexp, value: &str, to: &str) -> Result<String> {
    let mut replaced = String::with_capacity(value.len());
    let mut end = 0;
    for captures in expression.captures_iter(value) {
        let Some(found) = captures.get(0) else { continue };
        replaced.push_str(value.get(end..found.start()).unwrap_or_default());
        captures.expand(to, &mut replaced);
        strings::check_length(replaced.len()).map_err(FluxError::invalid)?;
        end = found.end();
    }
    replaced.push_str(value.get(end..).unwrap_or_default());
    Ok(replaced)
}

fn expression(call: &Call<'_>) -> Result<Arc<Regexp>> {
    call.required("r")
}

/// The functions of package `regexp`.
pub(super) const REGEXP: Functions = &[
    ("compile", |call| {
        let compiled = regexp::compile(&text(call, "v")?).map_err(FluxError::invalid)?;
        Ok(Value::Regexp(Arc::new(compiled)))
    }),
    ("quoteMeta", |call| Ok(Value::text(regexp::quote_meta(&text(call, "v")?)))),
    ("matchRegexpString", |call| Ok(Value::Bool(expression(call)?.is_match(&text(call, "v")?)))),
    ("findString", |call| {
        let value = text(call, "v")?;
        Ok(Value::text(expression(call)?.find(&value).map_or("", |found| found.as_str())))
    }),
    ("findStringIndex", |call| {
        let value = text(call, "v")?;
        let places = expression(call)?.find(&value).map_or_else(Vec::new, |found| vec![found.start(), found.end()]);
        let places = places.into_iter().map(|place| Value::Int(i64::try_from(place).unwrap_or(i64::MAX)));
        Ok(Value::Array(Arc::new(places.collect())))
    }),
    ("replaceAllString", |call| {
        let (value, to) = (text(call, "v")?, text(call, "t")?);
        Ok(Value::text(replace_bounded(&*expression(call)?, &value, &to)?))
    }),
    ("splitRegexp", |call| {
        Ok(Value::texts(regexp::split(&*expression(call)?, &text(call, "v")?, call.required("i")?)))
    }),
    ("getString", |call| Ok(Value::text(expression(call)?.as_str()))),
];

//! `display`: any value as a text for people, in the form of Flux.

use std::fmt::Write as _;

use super::super::error::{FluxError, Result};
use super::super::function::Call;
use super::super::library::strings::check_length;
use super::super::value::Value;
use super::Functions;

pub(super) const FUNCTIONS: Functions = &[("display", display)];

/// Lists of more items than this have a line for each.
const ITEMS_ON_A_LINE: usize = 3;

fn display(call: &mut Call<'_>) -> Result<Value> {
    let mut text = String::new();
    write_value(&call.value("v"), 0, &mut text)?;
    Ok(Value::text(text))
}

/// Writes a value. Lists that hold each other many times would be endless: the text has a limit.
fn write_value(value: &Value, indent: usize, text: &mut String) -> Result<()> {
    check_length(text.len()).map_err(FluxError::invalid)?;
    match value {
        Value::Float(number) => text.push_str(&format_float(*number)),
        Value::Array(values) => {
            let items = values.iter().map(|value| (None, value.clone()));
            write_items('[', ", ", items.collect(), ']', indent, text)?;
        }
        Value::Record(record) => {
            let mut fields = record.fields();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            let separator = if fields.len() > ITEMS_ON_A_LINE { "," } else { ", " };
            let items = fields.into_iter().map(|(name, value)| (Some(Value::String(name)), value));
            write_items('{', separator, items.collect(), '}', indent, text)?;
        }
        Value::Dict(entries) if !entries.is_empty() => {
            let items = entries.iter().map(|(key, value)| (Some(key.clone()), value.clone()));
            write_items('[', ", ", items.collect(), ']', indent, text)?;
        }
        value => {
            let _ = write!(text, "{value}");
        }
    }
    Ok(())
}

fn write_items(
    open: char,
    separator: &str,
    items: Vec<(Option<Value>, Value)>,
    close: char,
    indent: usize,
    text: &mut String,
) -> Result<()> {
    let has_lines = items.len() > ITEMS_ON_A_LINE;
    let line = |indent: usize, text: &mut String| {
        if has_lines {
            text.push('\n');
            text.push_str(&"    ".repeat(indent));
        }
    };
    text.push(open);
    for (place, (name, value)) in items.iter().enumerate() {
        if place > 0 {
            text.push_str(separator);
        }
        line(indent + 1, text);
        if let Some(name) = name {
            write_value(name, indent + 1, text)?;
            text.push_str(": ");
        }
        write_value(value, indent + 1, text)?;
    }
    line(indent, text);
    text.push(close);
    Ok(())
}

/// A number as Go's `%v` writes it: with an exponent from a million on, and below a ten-thousandth.
fn format_float(number: f64) -> String {
    let short = format!("{number:e}");
    let Some((mantissa, exponent)) = short.split_once('e') else { return super::super::value::format_float(number) };
    match exponent.parse::<i32>() {
        Ok(exponent) if number != 0.0 && !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => super::super::value::format_float(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_go() {
        for (number, expected) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (123_456.5, "123456.5"),
            (1_000_000.0, "1e+06"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (-1e100, "-1e+100"),
            (0.0, "0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(format_float(number), expected);
        }
    }
}

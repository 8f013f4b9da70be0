//! Results of Flux as InfluxDB's annotated CSV, byte for byte (wire-api section 2.2).
//!
//! Tables that follow each other with the same columns and key columns share one head. The text is made table by
//! table; nothing of what was written is kept but the shape of the last head.

use std::fmt::Write as _;

use query::flux::{ColumnType, FluxPart, Table, Value, format_float};
use query::influxql::format_time;

/// How the text is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Whether columns have their names above.
    pub(crate) header: bool,
    /// Between two cells.
    pub(crate) delimiter: char,
    /// The rows above the names, in the order in which they are wanted.
    pub(crate) annotations: [Option<Annotation>; 3],
}

/// A row above the names of columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Annotation {
    /// The types.
    Datatype,
    /// Which columns are of the key.
    Group,
    /// What empty cells stand for.
    Default,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { header: true, delimiter: ',', annotations: [None; 3] }
    }
}

/// The shape of a head: name, type and whether it is of the key, for each column.
type Shape = Vec<(query::flux::Text, ColumnType, bool)>;

/// Writes results as text.
#[derive(Debug)]
pub(crate) struct Encoder {
    dialect: Dialect,
    result: String,
    /// The number of the next table of the result.
    table: usize,
    /// The last head, unless its table was empty.
    head: Option<Shape>,
    is_open: bool,
}

impl Encoder {
    /// An encoder for one answer.
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, result: String::new(), table: 0, head: None, is_open: false }
    }

    /// Writes the next part of an answer.
    pub(crate) fn part(&mut self, part: &FluxPart, text: &mut String) {
        match part {
            FluxPart::Result(name) => {
                self.finish(text);
                (self.result, self.table, self.head, self.is_open) = (name.to_string(), 0, None, true);
            }
            FluxPart::Table(table) => self.table(table, text),
        }
    }

    /// Ends the last result.
    pub(crate) fn finish(&mut self, text: &mut String) {
        if self.is_open {
            text.push_str("\r\n");
            self.is_open = false;
        }
    }

    /// Writes an error that came after the first byte: a table of its own.
    pub(crate) fn error(&self, message: &str, text: &mut String) {
        text.push_str("\r\n");
        let delimiter = self.dialect.delimiter;
        for annotation in self.dialect.annotations.into_iter().flatten() {
            let (name, cell) = match annotation {
                Annotation::Datatype => ("#datatype", "string"),
                Annotation::Group => ("#group", "true"),
                Annotation::Default => ("#default", ""),
            };
            let _ = write!(text, "{name}{delimiter}{cell}{delimiter}{cell}\r\n");
        }
        let _ = write!(text, "{delimiter}error{delimiter}reference\r\n{delimiter}");
        write_cell(text, message, delimiter);
        let _ = write!(text, "{delimiter}\r\n");
    }

    fn table(&mut self, table: &Table, text: &mut String) {
        let column = |column: &query::flux::Column| {
            let is_key = table.key().contains(&column.label);
            (query::flux::Text::clone(&column.label), column.data.column_type(), is_key)
        };
        let shape: Shape = table.columns().iter().map(column).collect();
        let is_empty = table.rows() == 0;
        if is_empty || self.head.as_ref() != Some(&shape) {
            if self.table > 0 {
                text.push_str("\r\n");
            }
            self.head(table, &shape, text);
        }
        self.head = (!is_empty).then_some(shape);
        self.rows(table, text);
        self.table += 1;
    }

    fn head(&self, table: &Table, shape: &Shape, text: &mut String) {
        let delimiter = self.dialect.delimiter;
        let mut row = |first: &str, second: &str, third: &str, cells: &mut dyn Iterator<Item = String>| {
            let _ = write!(text, "{first}{delimiter}");
            write_cell(text, second, delimiter);
            let _ = write!(text, "{delimiter}{third}");
            for cell in cells {
                text.push(delimiter);
                write_cell(text, &cell, delimiter);
            }
            text.push_str("\r\n");
        };
        for annotation in self.dialect.annotations.into_iter().flatten() {
            match annotation {
                Annotation::Datatype => {
                    let cells = shape.iter().map(|(_, kind, _)| type_name(*kind).to_owned());
                    row("#datatype", "string", "long", &mut { cells });
                }
                Annotation::Group => {
                    row("#group", "false", "false", &mut shape.iter().map(|(_, _, is_key)| is_key.to_string()));
                }
                Annotation::Default if table.rows() > 0 => {
                    row("#default", &self.result, "", &mut shape.iter().map(|_| String::new()));
                }
                Annotation::Default => {
                    let cells = shape.iter().map(|(label, ..)| {
                        let mut cell = String::new();
                        write_value(&mut cell, table.key().get(label).unwrap_or(&Value::Null));
                        cell
                    });
                    row("#default", &self.result, &self.table.to_string(), &mut { cells });
                }
            }
        }
        if self.dialect.header {
            row("", "result", "table", &mut shape.iter().map(|(label, ..)| label.to_string()));
        }
    }

    fn rows(&self, table: &Table, text: &mut String) {
        let delimiter = self.dialect.delimiter;
        let has_default = self.dialect.annotations.contains(&Some(Annotation::Default));
        let mut start = String::from(delimiter);
        if !has_default {
            write_cell(&mut start, &self.result, delimiter);
        }
        let _ = write!(start, "{delimiter}{}", self.table);
        let mut cell = String::new();
        for row in 0..table.rows() {
            text.push_str(&start);
            for column in table.columns() {
                text.push(delimiter);
                match column.data.value(row) {
                    Value::String(value) => write_cell(text, &value, delimiter),
                    value => {
                        cell.clear();
                        write_value(&mut cell, &value);
                        write_cell(text, &cell, delimiter);
                    }
                }
            }
            text.push_str("\r\n");
        }
    }
}

fn type_name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Bool => "boolean",
        ColumnType::Int => "long",
        ColumnType::UInt => "unsignedLong",
        ColumnType::Float => "double",
        ColumnType::String => "string",
        ColumnType::Time => "dateTime:RFC3339",
    }
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => {
            let _ = write!(text, "{value}");
        }
        Value::UInt(value) => {
            let _ = write!(text, "{value}");
        }
        Value::Float(value) => text.push_str(&format_float(*value)),
        Value::String(value) => text.push_str(value),
        Value::Time(value) => text.push_str(&format_time(*value, None)),
        _ => {}
    }
}

/// Writes a cell, in quotes where Go's `encoding/csv` puts it into quotes.
fn write_cell(text: &mut String, cell: &str, delimiter: char) {
    let needs_quotes =
        cell == "\\." || cell.starts_with(char::is_whitespace) || cell.contains([delimiter, '"', '\r', '\n']);
    if !needs_quotes {
        text.push_str(cell);
        return;
    }
    text.push('"');
    for character in cell.chars() {
        match character {
            '"' => text.push_str("\"\""),
            '\n' => text.push_str("\r\n"),
            '\r' => {}
            other => text.push(other),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_as_go_does() {
        let check = |cell: &str, expected: &str| {
            let mut text = String::new();
            write_cell(&mut text, cell, ',');
            assert_eq!(text, expected, "{cell:?}");
        };
        check("", "");
        check("a b", "a b");
        check(" a", "\" a\"");
        check("a,b", "\"a,b\"");
        check("a\"b", "\"a\"\"b\"");
        check("a\r\nb", "\"a\r\nb\"");
        check("a\nb", "\"a\r\nb\"");
        check("\\.", "\"\\.\"");
    }

    #[test]
    fn values_have_no_exponent() {
        let check = |value: Value, expected: &str| {
            let mut text = String::new();
            write_value(&mut text, &value);
            assert_eq!(text, expected);
        };
        check(Value::Float(1e21), "1000000000000000000000");
        check(Value::Float(f64::INFINITY), "+Inf");
        check(Value::Float(f64::NAN), "NaN");
        check(Value::Time(1_500_000_000), "1970-01-01T00:00:01.5Z");
        check(Value::Null, "");
    }

    #[test]
    fn an_error_is_a_table_with_the_wanted_annotations() {
        let annotations = [Some(Annotation::Datatype), Some(Annotation::Group), Some(Annotation::Default)];
        let encoder = Encoder::new(Dialect { annotations, ..Dialect::default() });
        let mut text = String::new();
        encoder.error("a, b", &mut text);
        let head = "\r\n#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n";
        assert_eq!(text, format!("{head},\"a, b\",\r\n"));
    }
}

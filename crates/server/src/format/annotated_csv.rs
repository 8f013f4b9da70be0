//! Results of Flux as InfluxDB's annotated CSV, byte for byte (wire-api section 2.2).
//!
//! Tables that follow each other with the same columns and key columns share one head. The text is made some rows at a
//! time; nothing of what was written is kept but the shape of the last head.

use std::fmt::Write as _;
use std::ops::Range;

use arrow::array::{Array as _, BooleanArray, Float64Array, Int64Array, UInt64Array};
use query::flux::{ColumnType, Table, Value, Vector, format_float};
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

    /// Begins a result.
    pub(crate) fn result(&mut self, name: &str, text: &mut String) {
        self.finish(text);
        (self.result, self.table, self.head, self.is_open) = (name.to_owned(), 0, None, true);
    }

    /// Writes the rows of a table from `first` on, so many at most: with its head before the first one. Returns which
    /// row comes next; none if the table has ended.
    pub(crate) fn rows_of(&mut self, table: &Table, first: usize, most: usize, text: &mut String) -> Option<usize> {
        if first == 0 {
            self.begin(table, text);
        }
        let end = first.saturating_add(most).min(table.rows());
        self.rows(table, first..end, text);
        if end < table.rows() {
            return Some(end);
        }
        self.table += 1;
        None
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

    /// Writes what stands above the rows of a table.
    fn begin(&mut self, table: &Table, text: &mut String) {
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

    /// Writes some rows of a table whose head is written. What is the same in all of them is made once.
    fn rows(&self, table: &Table, rows: Range<usize>, text: &mut String) {
        let delimiter = self.dialect.delimiter;
        let has_default = self.dialect.annotations.contains(&Some(Annotation::Default));
        let mut start = String::from(delimiter);
        if !has_default {
            write_cell(&mut start, &self.result, delimiter);
        }
        let _ = write!(start, "{delimiter}{}", self.table);
        let mut cells = vec![Cells::Same(start)];
        for column in table.columns() {
            let next = Cells::of(&column.data, delimiter);
            match (cells.last_mut(), next) {
                (Some(Cells::Same(known)), Cells::Same(more)) => {
                    known.push(delimiter);
                    known.push_str(&more);
                }
                (Some(Cells::Same(known)), next) => {
                    known.push(delimiter);
                    cells.push(next);
                }
                (_, Cells::Same(more)) => cells.push(Cells::Same(format!("{delimiter}{more}"))),
                (_, next) => {
                    cells.push(Cells::Same(delimiter.into()));
                    cells.push(next);
                }
            }
        }
        cells.push(Cells::Same("\r\n".to_owned()));
        for row in rows {
            for cells in &mut cells {
                cells.write(row, delimiter, text);
            }
        }
    }
}

/// The cells of a column.
enum Cells<'a> {
    /// The same text in each row, quoted as it has to be, with what stands around it.
    Same(String),
    Bool(&'a BooleanArray),
    Int(&'a Int64Array),
    UInt(&'a UInt64Array),
    Float(&'a Float64Array),
    Text(&'a [Option<query::flux::Text>]),
    Time(&'a Int64Array, TimeWriter),
    /// Any values, where the delimiter is a character that numbers and times have.
    Any(&'a Vector),
}

impl<'a> Cells<'a> {
    fn of(column: &'a Vector, delimiter: char) -> Self {
        let is_in_numbers = delimiter.is_ascii_alphanumeric() || matches!(delimiter, '+' | '-' | '.' | ':');
        match column {
            Vector::Constant(_, value, _) => {
                let (mut plain, mut cell) = (String::new(), String::new());
                write_value(&mut plain, value);
                write_cell(&mut cell, &plain, delimiter);
                Self::Same(cell)
            }
            Vector::String(values) => Self::Text(values),
            column if is_in_numbers => Self::Any(column),
            Vector::Bool(values) => Self::Bool(values),
            Vector::Int(values) => Self::Int(values),
            Vector::UInt(values) => Self::UInt(values),
            Vector::Float(values) => Self::Float(values),
            Vector::Time(values) => Self::Time(values, TimeWriter::default()),
        }
    }

    fn write(&mut self, row: usize, delimiter: char, text: &mut String) {
        match self {
            Self::Same(cell) => text.push_str(cell),
            Self::Text(values) => {
                if let Some(Some(value)) = values.get(row) {
                    write_cell(text, value, delimiter);
                }
            }
            Self::Any(column) => {
                let mut cell = String::new();
                write_value(&mut cell, &column.value(row));
                write_cell(text, &cell, delimiter);
            }
            Self::Bool(values) if values.is_valid(row) => write_value(text, &Value::Bool(values.value(row))),
            Self::Int(values) if values.is_valid(row) => write_integer(text, values.value(row)),
            Self::UInt(values) if values.is_valid(row) => write_value(text, &Value::UInt(values.value(row))),
            Self::Float(values) if values.is_valid(row) => write_float(text, values.value(row)),
            Self::Time(values, writer) if values.is_valid(row) => writer.write(text, values.value(row)),
            Self::Bool(_) | Self::Int(_) | Self::UInt(_) | Self::Float(_) | Self::Time(..) => {}
        }
    }
}

/// Writes times, of which many are of one day.
#[derive(Default)]
struct TimeWriter {
    day: i64,
    /// The date with the `T` behind it; empty before the first one.
    date: String,
}

impl TimeWriter {
    fn write(&mut self, text: &mut String, time: i64) {
        const SECOND: i64 = 1_000_000_000;
        let day = time.div_euclid(86_400 * SECOND);
        if day != self.day || self.date.is_empty() {
            let whole = format_time(time, None);
            self.date = whole.split_inclusive('T').next().unwrap_or_default().to_owned();
            self.day = day;
        }
        text.push_str(&self.date);
        let rest = time.rem_euclid(86_400 * SECOND);
        let (seconds, fraction) = (rest / SECOND, rest % SECOND);
        for (value, mark) in [(seconds / 3_600, ':'), (seconds / 60 % 60, ':'), (seconds % 60, 'Z')] {
            text.push(char::from(b'0' + (value / 10) as u8));
            text.push(char::from(b'0' + (value % 10) as u8));
            if mark == ':' {
                text.push(mark);
            }
        }
        if fraction > 0 {
            let digits = format!(".{fraction:09}");
            text.push_str(digits.trim_end_matches('0'));
        }
        text.push('Z');
    }
}

fn write_integer(text: &mut String, value: i64) {
    let mut digits = [0; 20];
    let (mut rest, mut start) = (value.unsigned_abs(), digits.len());
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        text.push('-');
    }
    text.push_str(std::str::from_utf8(&digits[start..]).unwrap_or_default());
}

/// Whole numbers, of which data has many, without the search for the shortest digits.
fn write_float(text: &mut String, value: f64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.trunc() == value && value.abs() < EXACT && (value != 0.0 || value.is_sign_positive()) {
        write_integer(text, value as i64);
    } else {
        write_value(text, &Value::Float(value));
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
    fn columns_are_written_as_their_values_are() {
        let times = [0, 1_500_000_000, -1, 86_400_000_000_000, 1_451_610_000_000_000_007, i64::MIN, i64::MAX];
        let floats = [0.0, -0.0, 1.0, -17.0, 0.1, 1e15, 1e16, -1e300, 5e-324, f64::NAN, f64::NEG_INFINITY];
        let integers = [0, 7, -7, 10, 1_234_567_890, i64::MIN, i64::MAX];
        let columns = [
            Vector::Time(times.iter().map(|time| Some(*time)).chain([None]).collect()),
            Vector::Float(floats.iter().map(|value| Some(*value)).chain([None]).collect()),
            Vector::Int(integers.iter().map(|value| Some(*value)).chain([None]).collect()),
            Vector::UInt([Some(u64::MAX), None, Some(0)].into_iter().collect()),
            Vector::Bool([Some(true), None, Some(false)].into_iter().collect()),
            Vector::texts(vec![Some("a,b".into()), None, Some("".into()), Some(" c".into())]),
            Vector::constant(ColumnType::String, Value::text("x\"y"), 2),
        ];
        for column in columns {
            for delimiter in [',', '-', '0'] {
                let mut cells = Cells::of(&column, delimiter);
                for row in 0..column.len() {
                    let (mut text, mut plain, mut expected) = (String::new(), String::new(), String::new());
                    cells.write(row, delimiter, &mut text);
                    write_value(&mut plain, &column.value(row));
                    write_cell(&mut expected, &plain, delimiter);
                    assert_eq!(text, expected, "row {row} of {column:?} with {delimiter:?}");
                }
            }
        }
    }

    #[test]
    fn a_table_in_pieces_is_the_table() {
        let key = query::flux::GroupKey::new(vec![("k".into(), Value::text("v"))]);
        let constant = Vector::constant(ColumnType::String, Value::text("v"), 10);
        let columns = vec![
            query::flux::Column::new("k", constant),
            query::flux::Column::new("_value", Vector::Int((0..10).map(Some).collect())),
        ];
        let table = Table::new(key, columns);
        let written = |most: usize| {
            let mut encoder = Encoder::new(Dialect::default());
            let mut text = String::new();
            encoder.result("r", &mut text);
            for _ in 0..2 {
                let mut next = Some(0);
                while let Some(first) = next {
                    next = encoder.rows_of(&table, first, most, &mut text);
                }
            }
            encoder.finish(&mut text);
            text
        };
        let whole = written(100);
        assert!(whole.starts_with(",result,table,k,_value\r\n,r,0,v,0\r\n"), "{whole}");
        assert!(whole.ends_with(",r,1,v,9\r\n\r\n"), "{whole}");
        for most in [1, 3, 10] {
            assert_eq!(written(most), whole);
        }
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

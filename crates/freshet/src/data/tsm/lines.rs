//! Rows of a shard as lines of line protocol. A value of another type than its field has is cast where that loses no
//! more than digits of a float; what no line can hold is counted by its cause and told before its lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use storage::line_text;
use tsm::{Fields, ReadError, Rows, SeriesKey, Value, ValueType};

use crate::write::{BATCH_BYTES, Batch, Piece};

/// Rows between two looks at what was refused: a shard of nothing but such values must not go unheard, nor fill memory
/// with causes.
const ROWS_TOGETHER_MAX: usize = 100_000;

/// Causes that are kept apart at a time; a cause names a field, and fields are as many as somebody wishes.
const CAUSES_MAX: usize = 1_000;

/// Gives the lines of a shard.
pub(crate) struct TsmLines {
    rows: Rows,
    fields: Arc<Fields>,
    batch_lines: usize,
    row: u64,
    series: Vec<u8>,
    /// Measurement and tags of the series as in a line, or why there is no line.
    head: Result<String, &'static str>,
    refused: BTreeMap<String, u64>,
    /// A batch whose refusals go first.
    waiting: Option<Batch>,
}

/// A value as it goes into a line.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cast<'a> {
    As(Value<'a>),
    Text(&'static str),
    Impossible,
}

impl TsmLines {
    pub(crate) fn new(rows: Rows, fields: Arc<Fields>, batch_lines: usize) -> Self {
        Self {
            rows,
            fields,
            batch_lines,
            row: 0,
            series: Vec::new(),
            head: Ok(String::new()),
            refused: BTreeMap::new(),
            waiting: None,
        }
    }

    /// What was refused, then the batch; none at the end.
    pub(crate) fn next_piece(&mut self) -> Option<Piece> {
        if self.refused.is_empty() && self.waiting.is_none() {
            let batch = self.read();
            self.waiting = Some(batch).filter(|batch| batch.len() > 0);
        }
        if let Some((cause, count)) = self.refused.pop_first() {
            return Some(Piece::Refused { line: self.row, count, cause });
        }
        self.waiting.take().map(Piece::Batch)
    }

    fn read(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut line = String::new();
        for _ in 0..ROWS_TOGETHER_MAX {
            let Some(row) = self.rows.next() else { break };
            let row = match row {
                Ok(row) => row,
                Err(error) => {
                    refuse(&mut self.refused, damage(&error), 1);
                    continue;
                }
            };
            self.row += 1;
            if row.series != self.series || self.row == 1 {
                self.series = row.series.to_vec();
                self.head = head(row.series);
            }
            let Ok(head) = &self.head else {
                let cause = self.head.as_ref().err().copied().unwrap_or_default();
                let cause = format!("series {:?}: {cause}", String::from_utf8_lossy(&self.series));
                refuse(&mut self.refused, cause, row.fields().count() as u64);
                continue;
            };
            line.clear();
            line.push_str(head);
            let mut separator = ' ';
            for (field, value) in row.fields() {
                let value_type = self.fields.value_type(row.series, field).unwrap_or(value.value_type());
                let start = line.len();
                line.push(separator);
                match push_field(&mut line, field, value, value_type) {
                    Ok(()) => separator = ',',
                    Err(cause) => {
                        line.truncate(start);
                        let field = String::from_utf8_lossy(field);
                        refuse(&mut self.refused, format!("field {field:?}: {cause}"), 1);
                    }
                }
            }
            if separator == ',' {
                line.push_str(&format!(" {}", row.time));
                batch.push(self.row, &line);
            }
            if batch.len() >= self.batch_lines || batch.bytes() >= BATCH_BYTES || self.refused.len() >= CAUSES_MAX {
                break;
            }
        }
        batch
    }
}

fn refuse(refused: &mut BTreeMap<String, u64>, cause: String, count: u64) {
    *refused.entry(cause).or_default() += count;
}

fn damage(error: &ReadError) -> String {
    format!("what stands there is lost: {error}")
}

/// Measurement and tags as in a line.
fn head(series: &[u8]) -> Result<String, &'static str> {
    let key = SeriesKey::parse(series).map_err(|error| match error {
        tsm::SeriesKeyError::NotUtf8 => "a name is not UTF-8",
        tsm::SeriesKeyError::NoValue => "a tag has no value",
    })?;
    let names = std::iter::once(&key.measurement).chain(key.tags.iter().flat_map(|(name, value)| [name, value]));
    for name in names {
        writable(name)?;
    }
    if key.measurement.starts_with('#') {
        return Err("a line that begins with # is a comment");
    }
    let mut head = String::new();
    line_text::push_measurement(&mut head, &key.measurement);
    for (name, value) in &key.tags {
        head.push(',');
        line_text::push_name(&mut head, name);
        head.push('=');
        line_text::push_name(&mut head, value);
    }
    Ok(head)
}

/// What a line can hold as a name.
fn writable(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("a name is empty")
    } else if name.ends_with('\\') || name.contains('\n') {
        Err("a name ends in a backslash or has a line break, which no line can hold")
    } else {
        Ok(())
    }
}

fn push_field(line: &mut String, field: &[u8], value: Value<'_>, to: ValueType) -> Result<(), String> {
    let name = std::str::from_utf8(field).map_err(|_| "its name is not UTF-8".to_owned())?;
    writable(name)?;
    line_text::push_name(line, name);
    line.push('=');
    match cast(value, to) {
        Cast::As(Value::Float(value)) if value.is_finite() => line_text::push_float(line, value),
        Cast::As(Value::Float(_)) => return Err("a float is not finite".to_owned()),
        Cast::As(Value::Integer(value)) => line.push_str(&format!("{value}i")),
        Cast::As(Value::Unsigned(value)) => line.push_str(&format!("{value}u")),
        Cast::As(Value::Boolean(value)) => line.push_str(if value { "true" } else { "false" }),
        Cast::As(Value::String(value)) => {
            let text = std::str::from_utf8(value).map_err(|_| "a string is not UTF-8".to_owned())?;
            line_text::push_string(line, text);
        }
        Cast::Text(text) => line_text::push_string(line, text),
        Cast::Impossible => {
            let from = value.value_type().as_str();
            return Err(format!("a value of type {from} cannot become {}", to.as_str()));
        }
    }
    Ok(())
}

/// Integers become floats of the nearest value; a type is never made of another that could not hold the value.
fn cast(value: Value<'_>, to: ValueType) -> Cast<'_> {
    match (value, to) {
        (value, to) if value.value_type() == to => Cast::As(value),
        (Value::Integer(value), ValueType::Float) => Cast::As(Value::Float(value as f64)),
        (Value::Unsigned(value), ValueType::Float) => Cast::As(Value::Float(value as f64)),
        (Value::Unsigned(value), ValueType::Integer) => {
            i64::try_from(value).map_or(Cast::Impossible, |value| Cast::As(Value::Integer(value)))
        }
        (Value::Boolean(true), ValueType::String) => Cast::Text("true"),
        (Value::Boolean(false), ValueType::String) => Cast::Text("false"),
        _ => Cast::Impossible,
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, ValueType, head, push_field};

    #[test]
    fn values_are_cast_or_refused() {
        let field = |value, to| {
            let mut line = String::new();
            push_field(&mut line, b"f", value, to).map(|()| line)
        };
        let cases = [
            (Value::Integer(-3), ValueType::Float, Ok("f=-3.0")),
            (Value::Unsigned(u64::MAX), ValueType::Float, Ok("f=1.8446744073709552e19")),
            (Value::Unsigned(7), ValueType::Integer, Ok("f=7i")),
            (Value::Unsigned(u64::MAX), ValueType::Integer, Err("a value of type unsigned cannot become integer")),
            (Value::Boolean(true), ValueType::String, Ok("f=\"true\"")),
            (Value::Boolean(true), ValueType::Float, Err("a value of type boolean cannot become float")),
            (Value::String(b"1"), ValueType::Float, Err("a value of type string cannot become float")),
            (Value::String(b"a\"b"), ValueType::String, Ok("f=\"a\\\"b\"")),
            (Value::String(b"\xff"), ValueType::String, Err("a string is not UTF-8")),
            (Value::Float(f64::NAN), ValueType::Float, Err("a float is not finite")),
        ];
        for (value, to, expected) in cases {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(field(value, to), expected, "{value:?} {to:?}");
        }
    }

    #[test]
    fn names_are_written_or_refused() {
        assert_eq!(head(br"a\ b,k\==v\,w"), Ok(r"a\ b,k\==v\,w".to_owned()));
        assert_eq!(head(b"m,k=v\\"), Err("a name ends in a backslash or has a line break, which no line can hold"));
        assert_eq!(head(b"\xff"), Err("a name is not UTF-8"));
    }
}

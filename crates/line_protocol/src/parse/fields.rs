//! What follows the key of a line: the fields, each in a short way that assumes the name and type of the line before
//! and a long way that assumes nothing, and the time.

use super::series::Key;
use super::{Parser, Point};
use crate::batch::FieldValues;
use crate::error::Cause;
use crate::key::{self, Fault};
use crate::limits::Limits;
use crate::number;
use crate::table::TableBuilder;
use crate::value::{self, Value, end_of_line};

/// Bytes that InfluxDB counts between a series key and a field key.
const FIELD_KEY_SEPARATOR_BYTES: usize = 4;

/// Times that InfluxDB accepts, in nanoseconds; the two outermost values of 64 bits mean "no limit" there.
const TIMES_NS: std::ops::RangeInclusive<i64> = i64::MIN + 2..=i64::MAX - 1;

/// The field key that would hide the time column.
const TIME_FIELD: &str = "time";

impl Parser<'_> {
    /// Reads the fields from `at` on and returns where they end.
    #[inline(always)]
    pub(super) fn fields(&mut self, key: Key, mut at: usize, point: &mut Point) -> Result<usize, Fault> {
        let bytes = self.bytes;
        let key_bytes = key.end - key.start + FIELD_KEY_SEPARATOR_BYTES;
        loop {
            let fast = match self.tables.get_mut(key.place.table as usize) {
                Some(table) => fast_field(self.text, at, key_bytes, table, point.fields, &self.limits),
                None => None,
            };
            at = match fast {
                Some(end) => {
                    point.is_stored = true;
                    end
                }
                None => self.field(key, at, point)?,
            };
            point.fields += 1;
            if bytes.get(at) != Some(&b',') {
                return Ok(at);
            }
            at += 1;
        }
    }

    /// Reads one field of whatever name and type, and returns where it ends.
    #[inline(never)]
    fn field(&mut self, key: Key, at: usize, point: &mut Point) -> Result<usize, Fault> {
        let equals = self.field_key_end(at)?;
        let raw_name = self.text.get(at..equals).unwrap_or_default();
        let bytes = key.end - key.start + FIELD_KEY_SEPARATOR_BYTES + raw_name.len();
        if bytes > self.limits.key_bytes {
            return Err(Fault::new(at, Cause::KeyTooLong { bytes, limit: self.limits.key_bytes }));
        }
        let (value, end) = value::read(self.text, equals + 1)?;
        let Some(table) = self.tables.get_mut(key.place.table as usize) else {
            return Ok(end);
        };
        if raw_name == TIME_FIELD {
            point.is_stripped = true;
            table.skip_field(point.fields);
            return Ok(end);
        }
        if let Value::String(raw) = value
            && raw.len() > self.limits.string_bytes
        {
            let length = value::unescape_string(raw).len();
            if length > self.limits.string_bytes {
                point.too_long.get_or_insert_with(|| (key::unescape_name(raw_name), length));
                table.skip_field(point.fields);
                return Ok(end);
            }
        }
        let limit = self.limits.fields;
        if !table.place(point.fields, raw_name, &value, limit, &self.hasher) {
            return Err(Fault::new(at, Cause::TooManyFields { limit }));
        }
        point.is_stored = true;
        Ok(end)
    }

    /// The unescaped `=` that ends the field key which starts at `at`.
    fn field_key_end(&self, at: usize) -> Result<usize, Fault> {
        let bytes = self.bytes;
        let mut end = at;
        loop {
            let escaped = end > at && bytes.get(end - 1) == Some(&b'\\');
            match bytes.get(end) {
                Some(b'=') if end == at => return Err(Fault::new(at, Cause::MissingFieldKey)),
                Some(b'=') if !escaped => return Ok(end),
                Some(b',' | b' ') if !escaped => return Err(Fault::new(end, Cause::InvalidFieldFormat)),
                None | Some(b'\n') => return Err(Fault::new(end, Cause::InvalidFieldFormat)),
                Some(_) => end += 1,
            }
        }
    }

    /// Reads the time, if there is one, and the end of the line. Returns the time and where the next line starts.
    #[inline(always)]
    pub(super) fn time(&self, at: usize) -> Result<(i64, usize), Fault> {
        let bytes = self.bytes;
        let start = key::skip_blanks(bytes, at);
        if let Some(next) = end_of_line(bytes, start) {
            return Ok((self.default_time_ns, next));
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let Some((time, used)) = number::decimal(rest) else {
            return Err(self.time_fault(start));
        };
        let Some(time_ns) =
            time.checked_mul(self.precision.scale_ns(time)).filter(|time_ns| TIMES_NS.contains(time_ns))
        else {
            return Err(self.time_fault(start));
        };
        let mut end = start + used;
        if let Some(next) = end_of_line(bytes, end) {
            return Ok((time_ns, next));
        }
        while bytes.get(end) == Some(&b' ') {
            end += 1;
        }
        end_of_line(bytes, end).map(|next| (time_ns, next)).ok_or_else(|| self.time_fault(start))
    }

    /// What is wrong with the rest of a line that begins with a bad time.
    #[cold]
    fn time_fault(&self, start: usize) -> Fault {
        let bytes = self.bytes;
        let mut end = start + usize::from(bytes.get(start) == Some(&b'-'));
        while bytes.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        if bytes.get(end) != Some(&b' ') && end_of_line(bytes, end).is_none() {
            return Fault::new(end, Cause::BadTimestamp);
        }
        let digits = self.text.get(start..end).unwrap_or_default();
        let cause = match number::decimal(digits.as_bytes()) {
            None if digits == "-" => Cause::TimestampWithoutDigits,
            None => Cause::TimestampOutOfRange(number::quoted_digits(digits)),
            Some((time, _)) => match time.checked_mul(self.precision.scale_ns(time)) {
                Some(time_ns) if TIMES_NS.contains(&time_ns) => {
                    let text = end + bytes.iter().skip(end).take_while(|&&byte| byte == b' ').count();
                    return Fault::new(text, Cause::InvalidPoint);
                }
                _ => Cause::TimeOutOfRange,
            },
        };
        Fault::new(start, cause)
    }
}

/// Reads the field at `at` if it has the name and type of the field at that position in the line before, and stores
/// its value. Returns where it ends; `None` if anything is unusual, in which case nothing has happened.
#[inline(always)]
fn fast_field(
    text: &str,
    at: usize,
    key_bytes: usize,
    table: &mut TableBuilder,
    position: usize,
    limits: &Limits,
) -> Option<usize> {
    let bytes = text.as_bytes();
    let row = table.rows();
    let column = table.guess(position)?;
    let rest = bytes.get(at..)?.strip_prefix(&*column.raw)?;
    if column.end() != row || key_bytes + column.raw.len() > limits.key_bytes {
        return None;
    }
    let start = at + column.raw.len();
    match &mut column.values {
        FieldValues::Integer(values) => {
            let (value, used) = number::integer(rest)?;
            ends_plainly(rest, used)?;
            values.push(value);
            Some(start + used)
        }
        FieldValues::Float(values) => {
            let (value, used) = number::float(rest)?;
            ends_plainly(rest, used)?;
            values.push(value);
            Some(start + used)
        }
        FieldValues::Boolean(values) => {
            let (value, used) = number::boolean(rest)?;
            ends_plainly(rest, used)?;
            values.push(value);
            Some(start + used)
        }
        FieldValues::Unsigned(values) => {
            let (value, used) = number::unsigned(rest)?;
            ends_plainly(rest, used)?;
            values.push(value);
            Some(start + used)
        }
        FieldValues::String(values) => {
            if rest.first() != Some(&b'"') {
                return None;
            }
            let length = memchr::memchr2(b'"', b'\\', rest.get(1..)?)?;
            let is_plain = rest.get(1 + length) == Some(&b'"') && length <= limits.string_bytes;
            ends_plainly(rest, length + 2).filter(|()| is_plain)?;
            values.push(text.get(start + 1..start + 1 + length)?);
            Some(start + length + 2)
        }
    }
}

/// Whether a value is followed by a comma, a space or a line feed.
#[inline(always)]
fn ends_plainly(bytes: &[u8], at: usize) -> Option<()> {
    matches!(bytes.get(at)?, b',' | b' ' | b'\n').then_some(())
}

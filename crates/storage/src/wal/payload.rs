//! The payload of a write record: the rows of a batch, by columns.
//!
//! Decoding is total: any bytes give rows or a typed error, never a panic, and no count is believed before it was held
//! against the bytes that are left. The layout stands in docs/formats/wal.md.

use line_protocol::{FieldKind, FieldValues, StringColumn};

use super::error::{DecodeError, EncodeError};
use crate::ids::{ColumnId, TableId};
use crate::rows::{FieldRows, SeriesKeys, TableRows, is_valid_series_key, put_varint, take_varint};

/// Columns of variable-length numbers.
const COLUMNAR: u8 = 1;

/// Set in a column's kind byte if a bitmap of the rows that have a value follows.
const HAS_VALIDITY: u8 = 0x80;

/// Whether [`decode`] can read this encoding.
pub(crate) fn is_known_encoding(encoding: u8) -> bool {
    encoding == COLUMNAR
}

/// Appends the encoded tables to `out` and returns the encoding's number.
pub(crate) fn encode(tables: &[TableRows], out: &mut Vec<u8>) -> Result<u8, EncodeError> {
    put_varint(out, tables.len() as u64);
    for table in tables {
        encode_table(table, out)?;
    }
    Ok(COLUMNAR)
}

/// The tables that [`encode`] was given.
pub(crate) fn decode(encoding: u8, payload: &[u8]) -> Result<Vec<TableRows>, DecodeError> {
    if !is_known_encoding(encoding) {
        return Err(DecodeError::UnknownEncoding(encoding));
    }
    let mut input = Input { rest: payload };
    let table_count = input.count("the number of tables", 5)?;
    let tables = (0..table_count)
        .map(|_| decode_table(&mut input))
        .collect::<Result<_, _>>()?;
    match input.rest.len() {
        0 => Ok(tables),
        left => Err(DecodeError::Trailing(left)),
    }
}

fn encode_table(table: &TableRows, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    check_consistent(table)?;
    let rows = table.times.len();
    put_varint(out, zigzag(table.table.0));
    put_varint(out, table.series.len() as u64);
    for key in table.series.iter() {
        put_varint(out, key.len() as u64);
        out.extend_from_slice(key);
    }
    put_varint(out, rows as u64);
    out.reserve(rows * (2 + table.columns.len()));
    put_deltas(out, table.row_series.iter().map(|index| i64::from(*index)));
    put_deltas(out, table.times.iter().copied());
    put_varint(out, table.columns.len() as u64);
    for column in &table.columns {
        encode_column(column, rows, out);
    }
    Ok(())
}

fn check_consistent(table: &TableRows) -> Result<(), EncodeError> {
    let rows = table.times.len();
    let columns_fit = table.columns.iter().all(|column| {
        let bitmap_fits = column
            .validity
            .as_ref()
            .is_none_or(|bits| bits.len() == rows.div_ceil(8));
        column.values.len() == rows && bitmap_fits
    });
    let series_count = table.series.len() as u32;
    let series_exist = table.row_series.iter().all(|index| *index < series_count);
    if rows > 0 && table.row_series.len() == rows && columns_fit && series_exist {
        Ok(())
    } else {
        Err(EncodeError::Inconsistent)
    }
}

fn encode_column(column: &FieldRows, rows: usize, out: &mut Vec<u8>) {
    put_varint(out, zigzag(column.column.0));
    let kind = kind_number(column.values.kind());
    out.push(kind | if column.validity.is_some() { HAS_VALIDITY } else { 0 });
    if let Some(bits) = &column.validity {
        out.extend_from_slice(bits);
    }
    let present = Present {
        bits: column.validity.as_deref(),
        rows,
    };
    match &column.values {
        FieldValues::Float(values) => {
            present
                .pick(values)
                .for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
        }
        FieldValues::Integer(values) => put_deltas(out, present.pick(values).copied()),
        FieldValues::Unsigned(values) => put_deltas(out, present.pick(values).map(|value| value.cast_signed())),
        FieldValues::Boolean(values) => put_booleans(out, present.pick(values).copied()),
        FieldValues::String(values) => encode_strings(values, &present, out),
    }
}

fn encode_strings(values: &StringColumn, present: &Present<'_>, out: &mut Vec<u8>) {
    let rows = || {
        (0..present.rows)
            .filter(|row| present.is_present(*row))
            .map(|row| values.value(row))
    };
    rows().for_each(|text| put_varint(out, text.len() as u64));
    rows().for_each(|text| out.extend_from_slice(text.as_bytes()));
}

fn decode_table(input: &mut Input<'_>) -> Result<TableRows, DecodeError> {
    let table = TableId(unzigzag(input.varint("a table id")?));
    let series_count = input.count("the number of series", 1)?;
    let mut series = SeriesKeys::default();
    for _ in 0..series_count {
        let length = input.count("the length of a series key", 1)?;
        let key = input.bytes(length, "a series key")?;
        if !is_valid_series_key(key) {
            return Err(DecodeError::Invalid("series key"));
        }
        series.push_encoded(key);
    }
    // A row takes at least a byte for its series and one for its time.
    let rows = input.count("the number of rows", 2)?;
    if rows == 0 {
        return Err(DecodeError::Invalid("table without rows"));
    }
    let mut row_series = Vec::with_capacity(rows);
    for index in input.deltas(rows, "the series of the rows")? {
        let index = u32::try_from(index)
            .ok()
            .filter(|index| (*index as usize) < series_count);
        row_series.push(index.ok_or(DecodeError::Invalid("index of a series"))?);
    }
    let times = input.deltas(rows, "the times")?;
    let column_count = input.count("the number of columns", 2)?;
    let columns = (0..column_count)
        .map(|_| decode_column(input, rows))
        .collect::<Result<_, _>>()?;
    Ok(TableRows {
        table,
        series,
        row_series,
        times,
        columns,
    })
}

fn decode_column(input: &mut Input<'_>, rows: usize) -> Result<FieldRows, DecodeError> {
    let column = ColumnId(unzigzag(input.varint("a column id")?));
    let kind = input
        .bytes(1, "the kind of a column")?
        .first()
        .copied()
        .unwrap_or_default();
    let validity = match kind & HAS_VALIDITY {
        0 => None,
        _ => Some(input.bytes(rows.div_ceil(8), "a validity bitmap")?.to_vec()),
    };
    let present = Present {
        bits: validity.as_deref(),
        rows,
    };
    if !present.is_clean() {
        return Err(DecodeError::Invalid("validity bitmap"));
    }
    let count = present.count();
    let values = match kind & !HAS_VALIDITY {
        0 => FieldValues::Float(present.spread(input.floats(count)?)),
        1 => FieldValues::Integer(present.spread(input.deltas(count, "integers")?)),
        2 => {
            let values = input.deltas(count, "unsigned integers")?;
            FieldValues::Unsigned(present.spread(values.into_iter().map(i64::cast_unsigned).collect()))
        }
        3 => FieldValues::Boolean(present.spread(input.booleans(count)?)),
        4 => FieldValues::String(decode_strings(input, &present, count)?),
        _ => return Err(DecodeError::Invalid("kind of a column")),
    };
    Ok(FieldRows {
        column,
        values,
        validity,
    })
}

fn decode_strings(input: &mut Input<'_>, present: &Present<'_>, count: usize) -> Result<StringColumn, DecodeError> {
    input.check_count(count, 1, "the lengths of strings")?;
    let mut offsets = Vec::with_capacity(present.rows + 1);
    offsets.push(0_u32);
    let mut end = 0_u32;
    for row in 0..present.rows {
        if present.is_present(row) {
            let length = u32::try_from(input.varint("the length of a string")?).ok();
            end = length
                .and_then(|length| end.checked_add(length))
                .ok_or(DecodeError::Invalid("string length"))?;
        }
        offsets.push(end);
    }
    let bytes = std::str::from_utf8(input.bytes(end as usize, "strings")?);
    let bytes = bytes.map_err(|_| DecodeError::Invalid("string: not UTF-8"))?.to_owned();
    if offsets.iter().any(|offset| !bytes.is_char_boundary(*offset as usize)) {
        return Err(DecodeError::Invalid("string: cut inside a character"));
    }
    Ok(StringColumn { offsets, bytes })
}

fn kind_number(kind: FieldKind) -> u8 {
    match kind {
        FieldKind::Float => 0,
        FieldKind::Integer => 1,
        FieldKind::Unsigned => 2,
        FieldKind::Boolean => 3,
        FieldKind::String => 4,
    }
}

/// Which rows have a value.
struct Present<'a> {
    bits: Option<&'a [u8]>,
    rows: usize,
}

impl Present<'_> {
    fn is_present(&self, row: usize) -> bool {
        self.bits
            .is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
    }

    fn count(&self) -> usize {
        self.bits.map_or(self.rows, |bits| {
            bits.iter().map(|byte| byte.count_ones() as usize).sum()
        })
    }

    /// Whether the bits after the last row are zero.
    fn is_clean(&self) -> bool {
        let used = self.rows % 8;
        used == 0 || self.bits.and_then(<[u8]>::last).is_none_or(|byte| byte >> used == 0)
    }

    fn pick<'v, T>(&'v self, values: &'v [T]) -> impl Iterator<Item = &'v T> {
        values
            .iter()
            .enumerate()
            .filter(|(row, _)| self.is_present(*row))
            .map(|(_, value)| value)
    }

    /// Puts `values` (one for each row that has one) where they belong, with defaults between them.
    fn spread<T: Copy + Default>(&self, values: Vec<T>) -> Vec<T> {
        if self.bits.is_none() {
            return values;
        }
        let mut values = values.into_iter();
        let next = |row| {
            if self.is_present(row) {
                values.next().unwrap_or_default()
            } else {
                T::default()
            }
        };
        (0..self.rows).map(next).collect()
    }
}

fn put_deltas(out: &mut Vec<u8>, values: impl Iterator<Item = i64>) {
    let mut previous = 0_i64;
    for value in values {
        put_varint(out, zigzag(value.wrapping_sub(previous)));
        previous = value;
    }
}

fn put_booleans(out: &mut Vec<u8>, values: impl Iterator<Item = bool>) {
    let mut byte = 0_u8;
    let mut used = 0;
    for value in values {
        byte |= u8::from(value) << used;
        used += 1;
        if used == 8 {
            out.push(byte);
            (byte, used) = (0, 0);
        }
    }
    if used > 0 {
        out.push(byte);
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// What is left of a payload.
struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        let (value, rest) = take_varint(self.rest).ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(value)
    }

    fn bytes(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number of things that take at least `bytes_each` of the bytes that are left.
    fn count(&mut self, what: &'static str, bytes_each: usize) -> Result<usize, DecodeError> {
        let count = usize::try_from(self.varint(what)?).map_err(|_| DecodeError::Truncated(what))?;
        self.check_count(count, bytes_each, what)?;
        Ok(count)
    }

    fn check_count(&self, count: usize, bytes_each: usize, what: &'static str) -> Result<(), DecodeError> {
        if count > self.rest.len() / bytes_each {
            Err(DecodeError::Truncated(what))
        } else {
            Ok(())
        }
    }

    fn deltas(&mut self, count: usize, what: &'static str) -> Result<Vec<i64>, DecodeError> {
        self.check_count(count, 1, what)?;
        let mut values = Vec::with_capacity(count);
        let mut previous = 0_i64;
        for _ in 0..count {
            previous = previous.wrapping_add(unzigzag(self.varint(what)?));
            values.push(previous);
        }
        Ok(values)
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f64>, DecodeError> {
        let length = count.checked_mul(8).ok_or(DecodeError::Truncated("floats"))?;
        let (chunks, _) = self.bytes(length, "floats")?.as_chunks::<8>();
        Ok(chunks
            .iter()
            .map(|chunk| f64::from_bits(u64::from_le_bytes(*chunk)))
            .collect())
    }

    fn booleans(&mut self, count: usize) -> Result<Vec<bool>, DecodeError> {
        let bits = self.bytes(count.div_ceil(8), "booleans")?;
        let present = Present {
            bits: Some(bits),
            rows: count,
        };
        if !present.is_clean() {
            return Err(DecodeError::Invalid("booleans"));
        }
        Ok((0..count).map(|row| present.is_present(row)).collect())
    }
}

#[cfg(test)]
mod tests;

//! The payload of a write record: the rows of a batch, by columns.
//!
//! Decoding is total: any bytes give rows or a typed error, never a panic, and no count is believed before it was held
//! against the bytes that are left. The layout stands in docs/formats/wal.md.

use std::borrow::Cow;

use line_protocol::{FieldValues, Presence, StringColumn};

use super::error::{DecodeError, EncodeError};
use crate::ids::{ColumnId, TableId};
use crate::rows::{FieldRows, SeriesKeys, TableRows, is_valid_series_key, put_varint, take_varint};

/// The columnar encoding: variable-length differences, LZ4 for long texts.
const COLUMNAR: u8 = 1;

/// The same, with columns of which few rows have a value. A program that does not know it refuses the record.
const SPARSE_COLUMNAR: u8 = 2;

/// Set in a column's kind byte if a bitmap of the rows that have a value follows.
const HAS_VALIDITY: u8 = 0x80;

/// Set in a column's kind byte if the numbers of the rows that have a value follow.
const HAS_ROWS: u8 = 0x40;

/// The kinds of columns. Floats that are all whole numbers are written as integers: clients often send such.
mod kind {
    pub(super) const FLOAT: u8 = 0;
    pub(super) const INTEGER: u8 = 1;
    pub(super) const UNSIGNED: u8 = 2;
    pub(super) const BOOLEAN: u8 = 3;
    pub(super) const STRING: u8 = 4;
    pub(super) const WHOLE_FLOAT: u8 = 5;
}

/// Units that times may be multiples of, in nanoseconds, coarse ones first; a payload holds the index.
const TIME_UNITS_NS: [i64; 4] = [1_000_000_000, 1_000_000, 1_000, 1];

/// Texts shorter than this stay as they are: LZ4 gains little there.
const COMPRESSED_BYTES_MIN: usize = 1_024;
/// What LZ4 can make of one byte at most; a claim beyond it is a lie.
const COMPRESSION_RATIO_MAX: usize = 255;

/// Whether [`decode`] can read this encoding.
pub(crate) fn is_known_encoding(encoding: u8) -> bool {
    encoding == COLUMNAR || encoding == SPARSE_COLUMNAR
}

/// Appends the encoded tables to `out` and returns the encoding's number.
pub(crate) fn encode(tables: &[TableRows], out: &mut Vec<u8>) -> Result<u8, EncodeError> {
    put_varint(out, tables.len() as u64);
    for table in tables {
        encode_table(table, out)?;
    }
    let mut columns = tables.iter().flat_map(|table| &table.columns);
    let is_sparse = columns.any(|column| matches!(column.presence, Presence::Rows(_)));
    Ok(if is_sparse { SPARSE_COLUMNAR } else { COLUMNAR })
}

/// The tables that [`encode`] was given.
pub(crate) fn decode(encoding: u8, payload: &[u8]) -> Result<Vec<TableRows>, DecodeError> {
    if !is_known_encoding(encoding) {
        return Err(DecodeError::UnknownEncoding(encoding));
    }
    let mut input = Input { rest: payload, may_be_sparse: encoding == SPARSE_COLUMNAR };
    let table_count = input.count("the number of tables", 5)?;
    let tables = (0..table_count).map(|_| decode_table(&mut input)).collect::<Result<_, _>>()?;
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
    let mut keys = Vec::with_capacity(table.series.byte_len());
    for key in table.series.iter() {
        put_number(out, key.len() as u64);
        keys.extend_from_slice(key);
    }
    put_text(out, &keys);
    put_varint(out, rows as u64);
    out.reserve(2 * rows + table.columns.iter().map(|column| column.values.len()).sum::<usize>());
    put_deltas(out, table.row_series.iter().map(|index| i64::from(*index)));
    encode_times(&table.times, out);
    put_varint(out, table.columns.len() as u64);
    let references = references(&table.row_series, table.series.len());
    for column in &table.columns {
        encode_column(column, &references, out);
    }
    Ok(())
}

/// Per row, the row whose value its own is written as a difference to: the one before of the same series, as a series
/// changes little; for the first of a series the row before, as hosts resemble one another; the first row itself.
fn references(row_series: &[u32], series_count: usize) -> Vec<u32> {
    let mut last_rows = vec![u32::MAX; series_count];
    let mut references = Vec::with_capacity(row_series.len());
    for (row, series) in (0_u32..).zip(row_series) {
        let before = row.saturating_sub(1);
        // The caller has checked that every index names a series.
        references.push(last_rows.get_mut(*series as usize).map_or(before, |last| {
            let reference = if *last == u32::MAX { before } else { *last };
            *last = row;
            reference
        }));
    }
    references
}

fn encode_times(times: &[i64], out: &mut Vec<u8>) {
    let is_unit = |unit: &i64| times.iter().all(|time| time % unit == 0);
    let index = TIME_UNITS_NS.iter().position(is_unit).unwrap_or(TIME_UNITS_NS.len() - 1);
    out.push(index as u8);
    // A constant divisor in each arm spares a division per row.
    match index {
        0 => put_deltas(out, times.iter().map(|time| time / 1_000_000_000)),
        1 => put_deltas(out, times.iter().map(|time| time / 1_000_000)),
        2 => put_deltas(out, times.iter().map(|time| time / 1_000)),
        _ => put_deltas(out, times.iter().copied()),
    }
}

fn check_consistent(table: &TableRows) -> Result<(), EncodeError> {
    let rows = table.times.len();
    let columns_fit = table.columns.iter().all(|column| match &column.presence {
        Presence::All => column.values.len() == rows,
        Presence::Bits(bits) => column.values.len() == rows && bits.len() == rows.div_ceil(8),
        Presence::Rows(given) => column.values.len() == given.len() && are_rows(given, rows),
    });
    let series_count = table.series.len() as u32;
    let series_exist = table.row_series.iter().all(|index| *index < series_count);
    if rows > 0 && table.row_series.len() == rows && columns_fit && series_exist {
        Ok(())
    } else {
        Err(EncodeError::Inconsistent)
    }
}

/// Whether these are numbers of some of the rows, ascending.
fn are_rows(given: &[u32], rows: usize) -> bool {
    given.is_sorted_by(|left, right| left < right) && given.last().is_some_and(|last| (*last as usize) < rows)
}

/// The references of values without gaps: each to the value before.
fn neighbours(count: usize) -> Vec<u32> {
    (0..count as u32).map(|index| index.saturating_sub(1)).collect()
}

fn encode_column(column: &FieldRows, references: &[u32], out: &mut Vec<u8>) {
    let (bits, packed) = match &column.presence {
        Presence::All => (None, None),
        Presence::Bits(bits) => (Some(bits), None),
        Presence::Rows(given) => (None, Some(given)),
    };
    let neighbours = packed.map(|given| neighbours(given.len()));
    let references = neighbours.as_deref().unwrap_or(references);
    let present = Present { bits: bits.map(Vec::as_slice), rows: references.len() };
    let (kind, whole) = column_kind(&column.values, &present);
    put_varint(out, zigzag(column.column.0));
    let flags = if bits.is_some() { HAS_VALIDITY } else { 0 } | if packed.is_some() { HAS_ROWS } else { 0 };
    out.push(kind | flags);
    if let Some(bits) = bits {
        out.extend_from_slice(bits);
    }
    if let Some(given) = packed {
        put_varint(out, given.len() as u64);
        put_deltas(out, given.iter().map(|row| i64::from(*row)));
    }
    encode_values(&column.values, (kind, &whole), &present, references, out);
}

fn encode_values(
    values: &FieldValues,
    (kind, whole): (u8, &[i64]),
    present: &Present<'_>,
    references: &[u32],
    out: &mut Vec<u8>,
) {
    match values {
        FieldValues::Float(_) if kind == kind::WHOLE_FLOAT => put_differences(out, whole, present, references),
        FieldValues::Float(values) => {
            present.pick(values).for_each(|value| out.extend_from_slice(&value.to_bits().to_le_bytes()));
        }
        FieldValues::Integer(values) => put_differences(out, values, present, references),
        FieldValues::Unsigned(values) => {
            let values: Vec<i64> = values.iter().map(|value| value.cast_signed()).collect();
            put_differences(out, &values, present, references);
        }
        FieldValues::Boolean(values) => put_booleans(out, present.pick(values).copied()),
        FieldValues::String(values) => encode_strings(values, present, out),
    }
}

/// The kind of a column, and its values if they are floats that are whole numbers.
fn column_kind(values: &FieldValues, present: &Present<'_>) -> (u8, Vec<i64>) {
    let kind = match values {
        FieldValues::Float(values) => match whole_numbers(values, present) {
            Some(whole) => return (kind::WHOLE_FLOAT, whole),
            None => kind::FLOAT,
        },
        FieldValues::Integer(_) => kind::INTEGER,
        FieldValues::Unsigned(_) => kind::UNSIGNED,
        FieldValues::Boolean(_) => kind::BOOLEAN,
        FieldValues::String(_) => kind::STRING,
    };
    (kind, Vec::new())
}

/// The floats as integers, if each of them comes back with the same bits (so not -0.0).
fn whole_numbers(values: &[f64], present: &Present<'_>) -> Option<Vec<i64>> {
    let whole = |(row, value): (usize, &f64)| {
        let number = *value as i64;
        let is_same = (number as f64).to_bits() == value.to_bits();
        (is_same || !present.is_present(row)).then_some(number)
    };
    values.iter().enumerate().map(whole).collect()
}

fn encode_strings(values: &StringColumn, present: &Present<'_>, out: &mut Vec<u8>) {
    let mut text = Vec::with_capacity(values.bytes.len());
    for row in (0..present.rows).filter(|row| present.is_present(*row)) {
        let value = values.value(row);
        put_number(out, value.len() as u64);
        text.extend_from_slice(value.as_bytes());
    }
    put_text(out, &text);
}

fn decode_table(input: &mut Input<'_>) -> Result<TableRows, DecodeError> {
    let table = TableId(unzigzag(input.varint("a table id")?));
    let series = decode_series(input)?;
    // A row takes at least a byte for its series and one for its time.
    let rows = input.count("the number of rows", 2)?;
    if rows == 0 {
        return Err(DecodeError::Invalid("table without rows"));
    }
    let mut row_series = Vec::with_capacity(rows);
    for index in input.deltas(rows, "the series of the rows")? {
        let index = u32::try_from(index).ok().filter(|index| (*index as usize) < series.len());
        row_series.push(index.ok_or(DecodeError::Invalid("index of a series"))?);
    }
    let times = decode_times(input, rows)?;
    let references = references(&row_series, series.len());
    let column_count = input.count("the number of columns", 2)?;
    let columns = (0..column_count).map(|_| decode_column(input, &references)).collect::<Result<_, _>>()?;
    Ok(TableRows { table, series, row_series, times, columns })
}

fn decode_series(input: &mut Input<'_>) -> Result<SeriesKeys, DecodeError> {
    let count = input.count("the number of series", 1)?;
    let lengths = (0..count).map(|_| input.varint("the length of a series key")).collect::<Result<Vec<_>, _>>()?;
    let text = input.text("series keys")?;
    let mut rest = &*text;
    let mut series = SeriesKeys::default();
    for length in lengths {
        let split = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
        let (key, after) = split.ok_or(DecodeError::Truncated("a series key"))?;
        if !is_valid_series_key(key) {
            return Err(DecodeError::Invalid("series key"));
        }
        series.push_encoded(key);
        rest = after;
    }
    if rest.is_empty() { Ok(series) } else { Err(DecodeError::Trailing(rest.len())) }
}

fn decode_times(input: &mut Input<'_>, rows: usize) -> Result<Vec<i64>, DecodeError> {
    let index = input.byte("the unit of the times")?;
    let unit = TIME_UNITS_NS.get(usize::from(index)).ok_or(DecodeError::Invalid("unit of the times"))?;
    let mut times = input.deltas(rows, "the times")?;
    for time in &mut times {
        *time = time.checked_mul(*unit).ok_or(DecodeError::Invalid("time"))?;
    }
    Ok(times)
}

fn decode_column(input: &mut Input<'_>, references: &[u32]) -> Result<FieldRows, DecodeError> {
    let rows = references.len();
    let column = ColumnId(unzigzag(input.varint("a column id")?));
    let kind = input.byte("the kind of a column")?;
    if kind & HAS_ROWS != 0 && input.may_be_sparse {
        let given = decode_rows(input, rows)?;
        let references = neighbours(given.len());
        let present = Present { bits: None, rows: given.len() };
        let values = decode_values(input, kind & !HAS_ROWS, &present, &references)?;
        return Ok(FieldRows { column, values, presence: Presence::Rows(given) });
    }
    let presence = match kind & HAS_VALIDITY {
        0 => Presence::All,
        _ => Presence::Bits(input.bytes(rows.div_ceil(8), "a validity bitmap")?.to_vec()),
    };
    let present = Present { bits: if let Presence::Bits(bits) = &presence { Some(bits) } else { None }, rows };
    if !present.is_clean() {
        return Err(DecodeError::Invalid("validity bitmap"));
    }
    let values = decode_values(input, kind & !HAS_VALIDITY, &present, references)?;
    Ok(FieldRows { column, values, presence })
}

/// The numbers of the rows that have a value.
fn decode_rows(input: &mut Input<'_>, rows: usize) -> Result<Vec<u32>, DecodeError> {
    let count = input.count("the number of rows with a value", 1)?;
    let given = input.deltas(count, "the rows with a value")?;
    let given = given.into_iter().map(|row| u32::try_from(row).map_err(|_| DecodeError::Invalid("number of a row")));
    let given = given.collect::<Result<Vec<u32>, _>>()?;
    if are_rows(&given, rows) { Ok(given) } else { Err(DecodeError::Invalid("number of a row")) }
}

fn decode_values(
    input: &mut Input<'_>,
    kind: u8,
    present: &Present<'_>,
    references: &[u32],
) -> Result<FieldValues, DecodeError> {
    Ok(match kind {
        kind::FLOAT => FieldValues::Float(present.spread(input.floats(present.count())?)),
        kind::INTEGER => FieldValues::Integer(input.differences(present, references)?),
        kind::UNSIGNED => {
            let values = input.differences(present, references)?;
            FieldValues::Unsigned(values.into_iter().map(i64::cast_unsigned).collect())
        }
        kind::BOOLEAN => FieldValues::Boolean(present.spread(input.booleans(present.count())?)),
        kind::STRING => FieldValues::String(decode_strings(input, present)?),
        kind::WHOLE_FLOAT => {
            let values = input.differences(present, references)?;
            FieldValues::Float(values.into_iter().map(|value| value as f64).collect())
        }
        _ => return Err(DecodeError::Invalid("kind of a column")),
    })
}

fn decode_strings(input: &mut Input<'_>, present: &Present<'_>) -> Result<StringColumn, DecodeError> {
    input.check_count(present.count(), 1, "the lengths of strings")?;
    let mut offsets = Vec::with_capacity(present.rows + 1);
    offsets.push(0_u32);
    let mut end = 0_u32;
    for row in 0..present.rows {
        if present.is_present(row) {
            let length = u32::try_from(input.varint("the length of a string")?).ok();
            end = length.and_then(|length| end.checked_add(length)).ok_or(DecodeError::Invalid("string length"))?;
        }
        offsets.push(end);
    }
    let text = input.text("strings")?;
    if text.len() != end as usize {
        return Err(DecodeError::Invalid("length of the strings"));
    }
    let bytes = String::from_utf8(text.into_owned()).map_err(|_| DecodeError::Invalid("string: not UTF-8"))?;
    if offsets.iter().any(|offset| !bytes.is_char_boundary(*offset as usize)) {
        return Err(DecodeError::Invalid("string: cut inside a character"));
    }
    Ok(StringColumn { offsets, bytes })
}

/// Which rows have a value.
struct Present<'a> {
    bits: Option<&'a [u8]>,
    rows: usize,
}

impl Present<'_> {
    fn is_present(&self, row: usize) -> bool {
        self.bits.is_none_or(|bits| bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1))
    }

    fn count(&self) -> usize {
        self.bits.map_or(self.rows, |bits| bits.iter().map(|byte| byte.count_ones() as usize).sum())
    }

    /// Whether the bits after the last row are zero.
    fn is_clean(&self) -> bool {
        let used = self.rows % 8;
        used == 0 || self.bits.and_then(<[u8]>::last).is_none_or(|byte| byte >> used == 0)
    }

    fn pick<'v, T>(&'v self, values: &'v [T]) -> impl Iterator<Item = &'v T> {
        values.iter().enumerate().filter(|(row, _)| self.is_present(*row)).map(|(_, value)| value)
    }

    /// Puts `values` (one for each row that has one) where they belong, with defaults between them.
    fn spread<T: Copy + Default>(&self, values: Vec<T>) -> Vec<T> {
        if self.bits.is_none() {
            return values;
        }
        let mut values = values.into_iter();
        let next = |row| {
            if self.is_present(row) { values.next().unwrap_or_default() } else { T::default() }
        };
        (0..self.rows).map(next).collect()
    }
}

/// [`put_varint`] with a short way for the numbers that nearly all are.
#[inline]
fn put_number(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 { out.push(value as u8) } else { put_varint(out, value) }
}

/// Each value as its difference to the one before.
fn put_deltas(out: &mut Vec<u8>, values: impl Iterator<Item = i64>) {
    let mut previous = 0_i64;
    for value in values {
        put_number(out, zigzag(value.wrapping_sub(previous)));
        previous = value;
    }
}

/// Each value that is present as its difference to the one of its reference row, where absent ones, and the first
/// row's reference, count as 0.
fn put_differences(out: &mut Vec<u8>, values: &[i64], present: &Present<'_>, references: &[u32]) {
    for (row, (value, reference)) in values.iter().zip(references).enumerate() {
        if !present.is_present(row) {
            continue;
        }
        let reference = *reference as usize;
        let has_reference = row > 0 && present.is_present(reference);
        let base = if has_reference { values.get(reference).copied().unwrap_or_default() } else { 0 };
        put_number(out, zigzag(value.wrapping_sub(base)));
    }
}

/// Bytes with their length, by LZ4 where that makes a long text shorter by an eighth or more.
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_varint(out, text.len() as u64);
    if text.len() >= COMPRESSED_BYTES_MIN {
        let compressed = lz4_flex::block::compress(text);
        if compressed.len() < text.len() / 8 * 7 {
            put_varint(out, compressed.len() as u64);
            out.extend_from_slice(&compressed);
            return;
        }
    }
    // No text is compressed to nothing, so this says that it is not compressed.
    put_varint(out, 0);
    out.extend_from_slice(text);
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
    /// Whether the encoding has columns of few rows.
    may_be_sparse: bool,
}

impl<'a> Input<'a> {
    #[inline]
    fn varint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        let (value, rest) = take_varint(self.rest).ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(value)
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(*byte)
    }

    /// What [`put_text`] wrote.
    fn text(&mut self, what: &'static str) -> Result<Cow<'a, [u8]>, DecodeError> {
        let length = usize::try_from(self.varint(what)?).map_err(|_| DecodeError::Truncated(what))?;
        let compressed_length = self.count(what, 1)?;
        if compressed_length == 0 {
            return Ok(Cow::Borrowed(self.bytes(length, what)?));
        }
        let compressed = self.bytes(compressed_length, what)?;
        if length / COMPRESSION_RATIO_MAX > compressed_length {
            return Err(DecodeError::Invalid("length of a compressed text"));
        }
        let text = lz4_flex::block::decompress(compressed, length);
        let text = text.map_err(|_| DecodeError::Invalid("compressed text"))?;
        if text.len() == length {
            Ok(Cow::Owned(text))
        } else {
            Err(DecodeError::Invalid("length of a compressed text"))
        }
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
        if count > self.rest.len() / bytes_each { Err(DecodeError::Truncated(what)) } else { Ok(()) }
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

    /// What [`put_differences`] wrote, with 0 for the rows without a value.
    fn differences(&mut self, present: &Present<'_>, references: &[u32]) -> Result<Vec<i64>, DecodeError> {
        self.check_count(present.count(), 1, "numbers")?;
        let mut values = Vec::with_capacity(references.len());
        for (row, reference) in references.iter().enumerate() {
            if present.is_present(row) {
                let base: i64 = values.get(*reference as usize).copied().unwrap_or_default();
                values.push(base.wrapping_add(unzigzag(self.varint("numbers")?)));
            } else {
                values.push(0);
            }
        }
        Ok(values)
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f64>, DecodeError> {
        let length = count.checked_mul(8).ok_or(DecodeError::Truncated("floats"))?;
        let (chunks, _) = self.bytes(length, "floats")?.as_chunks::<8>();
        Ok(chunks.iter().map(|chunk| f64::from_bits(u64::from_le_bytes(*chunk))).collect())
    }

    fn booleans(&mut self, count: usize) -> Result<Vec<bool>, DecodeError> {
        let bits = self.bytes(count.div_ceil(8), "booleans")?;
        let present = Present { bits: Some(bits), rows: count };
        if !present.is_clean() {
            return Err(DecodeError::Invalid("booleans"));
        }
        Ok((0..count).map(|row| present.is_present(row)).collect())
    }
}

#[cfg(test)]
mod tests;

//! Tables under construction: one per measurement, with what makes the next line cheap (the tag keys and field keys
//! of the line before, in their order) and what makes a bad line leave no trace (marks to roll back to).

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::batch::{FieldColumn, FieldKind, FieldValues, Presence, SeriesSet, TableBatch, TagReference};
use crate::error::Cause;
use crate::key::{self, Fault, RawTag};
use crate::value::{self, Value};

/// A slot of [`TableBuilder::sequence`] whose field has no column.
const NO_COLUMN: u32 = u32::MAX;

/// Hashes bytes for the tables of names and series.
#[inline(always)]
pub(crate) fn hash_bytes(hasher: &RandomState, bytes: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Hashes a column's identity.
fn hash_column(hasher: &RandomState, name: &[u8], kind: FieldKind) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(name);
    hasher.write_u8(kind as u8);
    hasher.finish()
}

/// A tag key of a table.
#[derive(Debug)]
struct TagKey {
    /// As written, with the `=` behind it.
    raw: Box<[u8]>,
    /// Unescaped.
    name: String,
}

/// A column of a table.
#[derive(Debug)]
pub(crate) struct Column {
    /// Field key as written, with the `=` behind it.
    pub(crate) raw: Box<[u8]>,
    /// The row from which on the column exists; none before it has a value.
    base: usize,
    /// The values, without anything for rows that have none.
    pub(crate) values: FieldValues,
    /// Rows without value from `base` on, as half-open ranges in rising order.
    nulls: Vec<(u32, u32)>,
    /// Rows in `nulls`.
    null_count: usize,
}

impl Column {
    /// Field key as written.
    fn raw_name(&self) -> &[u8] {
        self.raw.split_last().map_or(&[], |(_, name)| name)
    }

    /// The first row that the column does not reach.
    #[inline(always)]
    pub(crate) fn end(&self) -> usize {
        self.base + self.null_count + self.values.len()
    }

    /// Makes the column end right before `row`: fills the gap, or takes back a value of that row.
    #[cold]
    fn align(&mut self, row: usize) {
        let end = self.end();
        if end < row {
            self.nulls.push((end as u32, row as u32));
            self.null_count += row - end;
        } else if end > row {
            self.values.pop();
        }
    }

    /// Stores the value for `row`. The value must be of the column's kind.
    fn place(&mut self, row: usize, value: &Value<'_>) {
        if self.end() != row {
            self.align(row);
        }
        match (&mut self.values, value) {
            (FieldValues::Float(values), Value::Float(value)) => values.push(*value),
            (FieldValues::Integer(values), Value::Integer(value)) => values.push(*value),
            (FieldValues::Unsigned(values), Value::Unsigned(value)) => values.push(*value),
            (FieldValues::Boolean(values), Value::Boolean(value)) => values.push(*value),
            (FieldValues::String(values), Value::String(raw)) => {
                if memchr::memchr(b'\\', raw.as_bytes()).is_none() {
                    values.push(raw);
                } else {
                    values.push(&value::unescape_string(raw));
                }
            }
            _ => debug_assert!(false, "a value is only placed in a column of its kind"),
        }
    }

    /// The column of all rows of the table. `None` if no row has a value, which happens when each of them was
    /// overwritten within its line by one of another kind.
    fn finish(mut self, rows: usize) -> Option<FieldColumn> {
        if self.end() != rows {
            self.align(rows);
        }
        if self.base > 0 {
            self.nulls.insert(0, (0, self.base as u32));
        }
        if self.values.is_empty() {
            return None;
        }
        let name = key::unescape_name(&String::from_utf8_lossy(self.raw_name()));
        let first_row = self.nulls.iter().fold(0, |row, &(start, end)| if start == row { end } else { row });
        let (values, presence) = if self.nulls.is_empty() {
            (self.values, Presence::All)
        } else if Presence::is_sparse(self.values.len(), rows) {
            let rows = present_rows(&self.nulls, rows, self.values.len());
            (self.values, Presence::Rows(rows))
        } else {
            (self.values.spread(&self.nulls, rows), Presence::Bits(pack_validity(&self.nulls, rows)))
        };
        Some(FieldColumn { name, first_row, values, presence })
    }
}

/// The rows that lie in none of the ranges; `count` of them.
fn present_rows(nulls: &[(u32, u32)], rows: usize, count: usize) -> Vec<u32> {
    let mut present = Vec::with_capacity(count);
    let mut next = 0;
    for &(start, end) in nulls {
        present.extend(next..start);
        next = end;
    }
    present.extend(next..rows as u32);
    present
}

/// Bits for the rows, 0 where a row lies in one of the ranges and behind the last row.
fn pack_validity(nulls: &[(u32, u32)], rows: usize) -> Vec<u8> {
    let mut bits = vec![0xff_u8; rows.div_ceil(8)];
    let past_the_end = (rows as u32, bits.len() as u32 * 8);
    for &(start, end) in nulls.iter().chain([&past_the_end]) {
        let mut row = start as usize;
        let end = end as usize;
        while row < end {
            let Some(byte) = bits.get_mut(row / 8) else { break };
            // Clears from `row` to the end of its byte or of the range, whichever comes first.
            let count = (8 - row % 8).min(end - row);
            *byte &= !((0xff_u8 >> (8 - count)) << (row % 8));
            row += count;
        }
    }
    bits
}

/// What a table held before the current line, to roll back to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    /// Tag keys.
    tag_keys: usize,
    /// Series.
    series: usize,
    /// Bytes of tag values.
    value_bytes: usize,
    /// Columns.
    columns: usize,
}

/// One measurement under construction.
#[derive(Debug)]
pub(crate) struct TableBuilder {
    /// Its name as written.
    pub(crate) raw_measurement: Box<str>,
    /// Tag keys by first appearance.
    tag_keys: Vec<TagKey>,
    /// `tag_keys` by raw name.
    tag_key_index: HashTable<u32>,
    /// The tag keys of the last new series, in the order of its line.
    shape: Vec<u32>,
    /// The positions of `shape`, sorted by tag key.
    shape_order: Vec<u32>,
    /// Distinct series.
    series: SeriesSet,
    /// Per row: series.
    row_series: Vec<u32>,
    /// Per row: nanoseconds.
    times: Vec<i64>,
    /// Per row: line number.
    lines: Vec<u32>,
    /// Columns by first appearance.
    columns: Vec<Column>,
    /// `columns` by raw name and kind.
    column_index: HashTable<u32>,
    /// Whether some field has columns of two kinds.
    mixed_kinds: bool,
    /// The columns of the last line's fields, in the order of that line; during a line also those it has touched.
    sequence: Vec<u32>,
}

impl TableBuilder {
    /// An empty table.
    pub(crate) fn new(raw_measurement: &str) -> Self {
        Self {
            raw_measurement: raw_measurement.into(),
            tag_keys: Vec::new(),
            tag_key_index: HashTable::new(),
            shape: Vec::new(),
            shape_order: Vec::new(),
            series: SeriesSet::default(),
            row_series: Vec::new(),
            times: Vec::new(),
            lines: Vec::new(),
            columns: Vec::new(),
            column_index: HashTable::new(),
            mixed_kinds: false,
            sequence: Vec::new(),
        }
    }

    /// Rows so far, which is also the index of the row under construction.
    #[inline(always)]
    pub(crate) fn rows(&self) -> usize {
        self.times.len()
    }

    /// The measurement, unescaped.
    pub(crate) fn measurement(&self) -> String {
        key::unescape_measurement(&self.raw_measurement)
    }

    /// The state to roll back to.
    #[inline(always)]
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            tag_keys: self.tag_keys.len(),
            series: self.series.len(),
            value_bytes: self.series.value_bytes(),
            columns: self.columns.len(),
        }
    }

    /// Ends the row under construction.
    #[inline(always)]
    pub(crate) fn finish_row(&mut self, series: u32, time_ns: i64, line: u32) {
        self.row_series.push(series);
        self.times.push(time_ns);
        self.lines.push(line);
    }

    /// Takes back all that the current line did: the row's values in the `touched` first fields of the sequence, and
    /// the columns, series and tag keys that it added.
    #[cold]
    pub(crate) fn roll_back(&mut self, mark: Mark, touched: usize, hasher: &RandomState) {
        let row = self.rows();
        for &index in self.sequence.iter().take(touched) {
            if let Some(column) = self.columns.get_mut(index as usize)
                && column.end() > row
            {
                column.align(row);
            }
        }
        // The sequence may still name these columns: it only guesses, and a guess is checked by name.
        while self.columns.len() > mark.columns {
            self.remove_last_column(hasher);
        }
        self.series.truncate(mark.series, mark.value_bytes);
        while self.tag_keys.len() > mark.tag_keys {
            let index = self.tag_keys.len() as u32 - 1;
            if let Some(tag_key) = self.tag_keys.pop() {
                let hash = hash_bytes(hasher, &tag_key.raw);
                if let Ok(entry) = self.tag_key_index.find_entry(hash, |&other| other == index) {
                    entry.remove();
                }
            }
            self.shape.clear();
            self.shape_order.clear();
        }
    }

    /// Removes the newest column.
    fn remove_last_column(&mut self, hasher: &RandomState) {
        let index = self.columns.len() as u32 - 1;
        if let Some(column) = self.columns.pop() {
            let hash = hash_column(hasher, column.raw_name(), column.values.kind());
            if let Ok(entry) = self.column_index.find_entry(hash, |&other| other == index) {
                entry.remove();
            }
        }
    }

    /// The column that the field at this position of the line had in the line before, unless kinds are mixed.
    #[inline(always)]
    pub(crate) fn guess(&mut self, position: usize) -> Option<&mut Column> {
        if self.mixed_kinds {
            return None;
        }
        self.columns.get_mut(*self.sequence.get(position)? as usize)
    }

    /// Records that the field at this position has no column.
    pub(crate) fn skip_field(&mut self, position: usize) {
        self.set_sequence(position, NO_COLUMN);
    }

    /// Stores a field's value in the row under construction, in a new column where there is none of that name and
    /// kind. A value that the row already has under that name, of whatever kind, gives way. False: the table would
    /// have more than `columns_max` columns.
    #[must_use]
    pub(crate) fn place(
        &mut self,
        position: usize,
        raw_name: &str,
        value: &Value<'_>,
        columns_max: usize,
        hasher: &RandomState,
    ) -> bool {
        let row = self.rows();
        let kind = value.kind();
        let index = match self.find_column(raw_name, kind, hasher) {
            Some(index) => index,
            None if self.columns.len() >= columns_max => return false,
            None => self.add_column(raw_name, kind, hasher),
        };
        self.set_sequence(position, index);
        if let Some(column) = self.columns.get_mut(index as usize) {
            column.place(row, value);
        }
        if self.mixed_kinds {
            self.remove_other_kinds(raw_name, kind, hasher);
        }
        true
    }

    /// Remembers the column of the field at this position.
    fn set_sequence(&mut self, position: usize, index: u32) {
        match self.sequence.get_mut(position) {
            Some(slot) => *slot = index,
            // Positions rise by one, so the sequence never has a hole.
            None => self.sequence.push(index),
        }
    }

    /// The column of that name and kind.
    fn find_column(&self, raw_name: &str, kind: FieldKind, hasher: &RandomState) -> Option<u32> {
        let hash = hash_column(hasher, raw_name.as_bytes(), kind);
        let matches = |column: &Column| column.values.kind() == kind && column.raw_name() == raw_name.as_bytes();
        self.column_index.find(hash, |&index| self.columns.get(index as usize).is_some_and(matches)).copied()
    }

    /// Adds a column for the row under construction.
    #[cold]
    fn add_column(&mut self, raw_name: &str, kind: FieldKind, hasher: &RandomState) -> u32 {
        let others = FieldKind::ALL.iter().filter(|&&other| other != kind);
        self.mixed_kinds |= others.into_iter().any(|&other| self.find_column(raw_name, other, hasher).is_some());
        let index = self.columns.len() as u32;
        self.columns.push(Column {
            raw: [raw_name.as_bytes(), b"="].concat().into(),
            base: self.rows(),
            values: FieldValues::new(kind),
            nulls: Vec::new(),
            null_count: 0,
        });
        let columns = &self.columns;
        let hash_of = |index: &u32| {
            columns
                .get(*index as usize)
                .map_or(0, |column| hash_column(hasher, column.raw_name(), column.values.kind()))
        };
        let hash = hash_of(&index);
        self.column_index.insert_unique(hash, index, hash_of);
        index
    }

    /// Takes back the value that the row under construction has under that name with another kind.
    #[cold]
    fn remove_other_kinds(&mut self, raw_name: &str, kind: FieldKind, hasher: &RandomState) {
        let row = self.rows();
        for other in FieldKind::ALL {
            if other == kind {
                continue;
            }
            let index = self.find_column(raw_name, other, hasher);
            if let Some(column) = index.and_then(|index| self.columns.get_mut(index as usize))
                && column.end() > row
            {
                column.align(row);
            }
        }
    }

    /// The tag key expected at this position of a new series, raw and with its index.
    #[inline(always)]
    pub(crate) fn guess_tag(&self, position: usize) -> Option<(&[u8], u32)> {
        let index = *self.shape.get(position)?;
        Some((&self.tag_keys.get(index as usize)?.raw, index))
    }

    /// Adds a series whose tags are in the order of the line.
    #[inline(always)]
    pub(crate) fn add_series(&mut self, text: &str, tags: &[RawTag], hasher: &RandomState) -> Result<u32, Fault> {
        if tags.len() != self.shape.len() || tags.iter().any(|tag| tag.guessed.is_none()) {
            self.set_shape(text, tags, hasher)?;
        }
        for &position in &self.shape_order {
            let (Some(tag), Some(&key)) = (tags.get(position as usize), self.shape.get(position as usize)) else {
                continue;
            };
            let raw = text.get(tag.value_start..tag.value_end).unwrap_or_default();
            let (start, end) = if tag.escaped {
                self.series.push_value(&key::unescape_name(raw))
            } else {
                self.series.push_value(raw)
            };
            self.series.push_tag(TagReference { key, start, end });
        }
        Ok(self.series.finish_series())
    }

    /// Takes over the tag keys of a line as the shape of the next series, adding those that are new.
    #[cold]
    fn set_shape(&mut self, text: &str, tags: &[RawTag], hasher: &RandomState) -> Result<(), Fault> {
        let mut shape = std::mem::take(&mut self.shape);
        shape.clear();
        self.shape_order.clear();
        for tag in tags {
            let index = match tag.guessed {
                Some(index) => index,
                None => {
                    self.tag_key(text.get(tag.key_start..tag.key_end).unwrap_or_default(), tag.key_start, hasher)?
                }
            };
            shape.push(index);
        }
        let name_of = |position: u32| {
            let index = shape.get(position as usize).copied().unwrap_or_default();
            self.tag_keys.get(index as usize).map_or("", |tag_key| tag_key.name.as_str())
        };
        self.shape_order.extend(0..shape.len() as u32);
        self.shape_order.sort_unstable_by(|&left, &right| name_of(left).cmp(name_of(right)).then(left.cmp(&right)));
        let duplicate = self.shape_order.windows(2).find_map(|pair| match pair {
            &[left, right] if name_of(left) == name_of(right) => tags.get(right as usize),
            _ => None,
        });
        if let Some(tag) = duplicate {
            self.shape_order.clear();
            return Err(Fault::new(tag.key_start, Cause::DuplicateTags));
        }
        self.shape = shape;
        Ok(())
    }

    /// The index of a tag key, which is added if it is new.
    fn tag_key(&mut self, raw: &str, at: usize, hasher: &RandomState) -> Result<u32, Fault> {
        let raw_with_equals: Box<[u8]> = [raw.as_bytes(), b"="].concat().into();
        let hash = hash_bytes(hasher, &raw_with_equals);
        let tag_keys = &self.tag_keys;
        let raw_of = |index: u32| tag_keys.get(index as usize).map_or(&[][..], |tag_key| &tag_key.raw);
        if let Some(&index) = self.tag_key_index.find(hash, |&index| raw_of(index) == &*raw_with_equals) {
            return Ok(index);
        }
        let name = key::unescape_name(raw);
        if key::RESERVED_TAG_KEYS.contains(&name.as_str()) {
            return Err(Fault::new(at, Cause::ReservedTagKey(name)));
        }
        let index = self.tag_keys.len() as u32;
        self.tag_key_index.insert_unique(hash, index, |&index| hash_bytes(hasher, raw_of(index)));
        self.tag_keys.push(TagKey { raw: raw_with_equals, name });
        Ok(index)
    }

    /// The finished table.
    pub(crate) fn finish(self) -> TableBatch {
        let rows = self.times.len();
        TableBatch {
            measurement: key::unescape_measurement(&self.raw_measurement),
            tag_keys: self.tag_keys.into_iter().map(|tag_key| tag_key.name).collect(),
            series: self.series,
            row_series: self.row_series,
            times: self.times,
            lines: self.lines,
            fields: self.columns.into_iter().filter_map(|column| column.finish(rows)).collect(),
        }
    }
}

//! What a parse returns: one table per measurement, values in columns, series in an arena. Plain data; the parser
//! builds it and the store reads it. Nothing here knows Arrow, but the shapes are Arrow's, so that buffers move over.

use std::fmt;

use crate::error::{DroppedPoint, LineError, StrippedField};

/// The points of one body, by measurement, and all that was wrong with the others.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// One per measurement that has at least one row, in order of first appearance.
    pub tables: Vec<TableBatch>,
    /// Points in `tables`.
    pub point_count: usize,
    /// The first bad lines, at most [`crate::Limits::reported_errors`] of them, in order.
    pub errors: Vec<LineError>,
    /// All bad lines.
    pub error_count: usize,
    /// The first points that parse but cannot be stored, at most as many as `errors`; they are not in `tables`.
    pub dropped: Vec<DroppedPoint>,
    /// All dropped points.
    pub dropped_count: usize,
    /// The first fields that were left out of points that are otherwise in `tables`, at most as many as `errors`.
    pub stripped: Vec<StrippedField>,
    /// All points with stripped fields.
    pub stripped_count: usize,
}

/// The rows of one measurement, in the order of their lines.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableBatch {
    /// Its name, unescaped.
    pub measurement: String,
    /// The distinct tag keys, unescaped, in order of first appearance.
    pub tag_keys: Vec<String>,
    /// The distinct series. Two spellings of one series (tags in another order) are two entries.
    pub series: SeriesSet,
    /// For each row the index of its series.
    pub row_series: Vec<u32>,
    /// For each row its time in nanoseconds since the epoch.
    pub times: Vec<i64>,
    /// For each row its line number, from 1.
    pub lines: Vec<u32>,
    /// The columns by name and kind, in order of first appearance: a field that comes with two types has two columns,
    /// and no row has a value in both. Each column has at least one value.
    pub fields: Vec<FieldColumn>,
}

impl TableBatch {
    /// Number of rows.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.times.len()
    }
}

/// The tag sets of a table: an arena, because a body may bring a million of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeriesSet {
    /// All tag values, unescaped, back to back.
    values: String,
    /// All tags, series by series, within a series sorted by the bytes of the tag key.
    tags: Vec<TagReference>,
    /// For each series where its tags end in `tags`.
    ends: Vec<u32>,
}

/// One tag of one series: its key and where its value lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TagReference {
    /// Index into [`TableBatch::tag_keys`].
    pub(crate) key: u32,
    /// First byte of the value in `values`.
    pub(crate) start: u32,
    /// One past its last byte.
    pub(crate) end: u32,
}

impl SeriesSet {
    /// Number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The tags of a series as (index into [`TableBatch::tag_keys`], unescaped value), sorted by the bytes of the tag
    /// key. Empty for a series without tags and for an index that does not exist.
    pub fn tags(&self, series: u32) -> impl Iterator<Item = (u32, &str)> {
        let index = series as usize;
        let start = if index == 0 { Some(0) } else { self.ends.get(index - 1).copied() };
        let range = start.zip(self.ends.get(index).copied()).map_or(0..0, |(start, end)| start as usize..end as usize);
        let tags = self.tags.get(range).unwrap_or_default();
        tags.iter().map(|tag| (tag.key, self.values.get(tag.start as usize..tag.end as usize).unwrap_or_default()))
    }

    /// Appends a value to the arena and returns where it lies.
    #[inline]
    pub(crate) fn push_value(&mut self, value: &str) -> (u32, u32) {
        let start = self.values.len();
        self.values.push_str(value);
        (start as u32, self.values.len() as u32)
    }

    /// Appends one tag to the series under construction.
    #[inline]
    pub(crate) fn push_tag(&mut self, tag: TagReference) {
        self.tags.push(tag);
    }

    /// Ends the series under construction and returns its index.
    #[inline]
    pub(crate) fn finish_series(&mut self) -> u32 {
        self.ends.push(self.tags.len() as u32);
        self.ends.len() as u32 - 1
    }

    /// Drops the values and tags that came after the first `series_count` series, finished or not.
    pub(crate) fn truncate(&mut self, series_count: usize, value_bytes: usize) {
        self.ends.truncate(series_count);
        self.tags.truncate(self.ends.last().map_or(0, |&end| end as usize));
        self.values.truncate(value_bytes);
    }

    /// Bytes of values so far; a mark for [`SeriesSet::truncate`].
    pub(crate) fn value_bytes(&self) -> usize {
        self.values.len()
    }
}

/// The values of one field of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldColumn {
    /// The field key, unescaped.
    pub name: String,
    /// The first row that has a value; its line is where the field was first used.
    pub first_row: u32,
    /// The values, as `presence` says.
    pub values: FieldValues,
    /// Which rows of the table have one.
    pub presence: Presence,
}

/// Which rows of its table a column has values for, and so how its values lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Every row.
    All,
    /// Those whose bit is 1: packed, least significant first, the bits after the last row 0. There is a value for each
    /// row, a default where the row has none.
    Bits(Vec<u8>),
    /// These, ascending: few of many (see [`Presence::is_sparse`]). There is a value for each of these and no other.
    Rows(Vec<u32>),
}

impl Presence {
    /// Whether so few of the rows have a value that only those are kept. A row's number takes half of what a value
    /// does, so this never costs memory; above it, slices of a column are found without a search.
    #[must_use]
    pub fn is_sparse(value_count: usize, row_count: usize) -> bool {
        value_count.saturating_mul(8) <= row_count
    }

    /// Where the value of a row lies; `None` if the row has none, or does not exist in a column of that many values.
    #[must_use]
    pub fn place(&self, row: usize, value_count: usize) -> Option<usize> {
        match self {
            Self::All => (row < value_count).then_some(row),
            Self::Bits(bits) => bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1).then_some(row),
            Self::Rows(rows) => rows.binary_search(&u32::try_from(row).ok()?).ok(),
        }
    }
}

impl FieldColumn {
    /// The type of the values.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        self.values.kind()
    }

    /// Whether the row has a value in this column.
    #[must_use]
    pub fn is_valid(&self, row: usize) -> bool {
        self.presence.place(row, self.values.len()).is_some()
    }
}

/// The values of a column by type.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValues {
    /// 64-bit floats, never NaN or infinite.
    Float(Vec<f64>),
    /// Signed 64-bit integers.
    Integer(Vec<i64>),
    /// Unsigned 64-bit integers.
    Unsigned(Vec<u64>),
    /// Booleans.
    Boolean(Vec<bool>),
    /// Strings.
    String(StringColumn),
}

impl FieldValues {
    /// The type of the values.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        match self {
            Self::Float(_) => FieldKind::Float,
            Self::Integer(_) => FieldKind::Integer,
            Self::Unsigned(_) => FieldKind::Unsigned,
            Self::Boolean(_) => FieldKind::Boolean,
            Self::String(_) => FieldKind::String,
        }
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Unsigned(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::String(values) => values.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An empty column of that kind.
    pub(crate) fn new(kind: FieldKind) -> Self {
        match kind {
            FieldKind::Float => Self::Float(Vec::new()),
            FieldKind::Integer => Self::Integer(Vec::new()),
            FieldKind::Unsigned => Self::Unsigned(Vec::new()),
            FieldKind::Boolean => Self::Boolean(Vec::new()),
            FieldKind::String => Self::String(StringColumn::default()),
        }
    }

    /// Takes back the last value.
    pub(crate) fn pop(&mut self) {
        match self {
            Self::Float(values) => drop(values.pop()),
            Self::Integer(values) => drop(values.pop()),
            Self::Unsigned(values) => drop(values.pop()),
            Self::Boolean(values) => drop(values.pop()),
            Self::String(values) => values.pop(),
        }
    }

    /// A value for each of that many rows: the given ones in their order, and defaults in the rows of `gaps`, which
    /// are half-open and ascend.
    pub(crate) fn spread(self, gaps: &[(u32, u32)], rows: usize) -> Self {
        match self {
            Self::Float(values) => Self::Float(spread(&values, gaps, rows)),
            Self::Integer(values) => Self::Integer(spread(&values, gaps, rows)),
            Self::Unsigned(values) => Self::Unsigned(spread(&values, gaps, rows)),
            Self::Boolean(values) => Self::Boolean(spread(&values, gaps, rows)),
            Self::String(values) => Self::String(values.spread(gaps, rows)),
        }
    }
}

fn spread<T: Copy + Default>(values: &[T], gaps: &[(u32, u32)], rows: usize) -> Vec<T> {
    let mut spread = Vec::with_capacity(rows);
    let mut rest = values;
    for (start, end) in gaps {
        let (before, after) = rest.split_at((*start as usize).saturating_sub(spread.len()).min(rest.len()));
        spread.extend_from_slice(before);
        spread.resize(*end as usize, T::default());
        rest = after;
    }
    spread.extend_from_slice(rest);
    spread
}

/// Strings back to back with their ends, as Arrow's string arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringColumn {
    /// Where each string starts in `bytes`; one more entry than rows, the first 0.
    pub offsets: Vec<u32>,
    /// The strings, unescaped.
    pub bytes: String,
}

impl Default for StringColumn {
    fn default() -> Self {
        Self { offsets: vec![0], bytes: String::new() }
    }
}

impl StringColumn {
    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The string of a row; empty where the row has none.
    #[must_use]
    pub fn value(&self, row: usize) -> &str {
        match (self.offsets.get(row), self.offsets.get(row + 1)) {
            (Some(&start), Some(&end)) => self.bytes.get(start as usize..end as usize).unwrap_or_default(),
            _ => "",
        }
    }

    /// Appends a row.
    #[inline]
    pub(crate) fn push(&mut self, value: &str) {
        self.bytes.push_str(value);
        self.offsets.push(self.bytes.len() as u32);
    }

    /// Takes back the last string.
    pub(crate) fn pop(&mut self) {
        if self.offsets.len() > 1 {
            self.offsets.pop();
            self.bytes.truncate(self.offsets.last().copied().unwrap_or_default() as usize);
        }
    }

    /// [`FieldValues::spread`] with empty strings.
    fn spread(self, gaps: &[(u32, u32)], rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        let mut rest = self.offsets.as_slice();
        for (start, end) in gaps {
            // An offset for the start of each string before the gap, and for each empty one in it the next start.
            let (before, after) = rest.split_at((*start as usize).saturating_sub(offsets.len()).min(rest.len()));
            offsets.extend_from_slice(before);
            offsets.resize(*end as usize, after.first().copied().unwrap_or_default());
            rest = after;
        }
        offsets.extend_from_slice(rest);
        Self { offsets, bytes: self.bytes }
    }
}

/// The five field types. Displays as InfluxDB names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FieldKind {
    /// 64-bit float.
    Float,
    /// Signed 64-bit integer.
    Integer,
    /// Unsigned 64-bit integer.
    Unsigned,
    /// Boolean.
    Boolean,
    /// String.
    String,
}

impl FieldKind {
    /// All kinds, in the order of their numbers.
    pub(crate) const ALL: [Self; 5] = [Self::Float, Self::Integer, Self::Unsigned, Self::Boolean, Self::String];
}

impl fmt::Display for FieldKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::Boolean => "boolean",
            Self::String => "string",
        })
    }
}

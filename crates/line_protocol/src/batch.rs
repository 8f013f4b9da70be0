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
    /// One value per row of the table, a default where the row has none.
    pub values: FieldValues,
    /// Packed bits, least significant first, 1 = has a value; `None` when every row has one. The bits after the last
    /// row are 0.
    pub validity: Option<Vec<u8>>,
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
        match &self.validity {
            None => row < self.values.len(),
            Some(bits) => bits.get(row / 8).is_some_and(|byte| byte >> (row % 8) & 1 == 1),
        }
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

    /// Cuts or fills with defaults to exactly that many rows.
    pub(crate) fn resize(&mut self, rows: usize) {
        match self {
            Self::Float(values) => values.resize(rows, 0.0),
            Self::Integer(values) => values.resize(rows, 0),
            Self::Unsigned(values) => values.resize(rows, 0),
            Self::Boolean(values) => values.resize(rows, false),
            Self::String(values) => values.resize(rows),
        }
    }

    /// Puts that many defaults before the first row.
    pub(crate) fn prepend(&mut self, rows: usize) {
        match self {
            Self::Float(values) => drop(values.splice(0..0, std::iter::repeat_n(0.0, rows))),
            Self::Integer(values) => drop(values.splice(0..0, std::iter::repeat_n(0, rows))),
            Self::Unsigned(values) => drop(values.splice(0..0, std::iter::repeat_n(0, rows))),
            Self::Boolean(values) => drop(values.splice(0..0, std::iter::repeat_n(false, rows))),
            Self::String(values) => drop(values.offsets.splice(0..0, std::iter::repeat_n(0, rows))),
        }
    }
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

    /// Cuts or fills with empty strings to exactly that many rows.
    pub(crate) fn resize(&mut self, rows: usize) {
        self.offsets.truncate(rows + 1);
        let end = self.offsets.last().copied().unwrap_or_default();
        self.bytes.truncate(end as usize);
        self.offsets.resize(rows + 1, end);
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

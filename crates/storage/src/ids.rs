//! Newtypes of the numbers that name things inside the engine. Organisations and buckets are named by `catalog`'s ids.

use std::fmt;

/// A table (one measurement of one bucket): DuckLake's `table_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub i64);

/// A column within its table: DuckLake's `column_id` and the Parquet field id. [`ColumnId::TIME`] is the time column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub i64);

impl ColumnId {
    /// The time column of every table.
    pub const TIME: Self = Self(1);
}

/// A data file: DuckLake's `data_file_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub i64);

/// The place of a WAL record in the order of all records; the first is 1. It is the only order that decides which of
/// two values of a point is the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first record.
    pub const ZERO: Self = Self(0);

    /// The sequence after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

macro_rules! display_number {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display_number!(TableId, ColumnId, FileId, Sequence);

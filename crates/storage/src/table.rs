//! What the engine knows of a table: its columns, their kinds and names, the tag order of its files, and the files.
//!
//! These are plain values that `lake` loads and commits, `schema` decides, and `flush` and `scan` read. No I/O here.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use catalog::{BucketId, OrganisationId};
use line_protocol::FieldKind;

use crate::ids::{ColumnId, FileId, Sequence, TableId};

/// A bucket as the engine keeps it: which DuckLake schema holds its tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInfo {
    /// The organisation's id.
    pub organisation: OrganisationId,
    /// The organisation's name, for the schema's name and the footers.
    pub organisation_name: String,
    /// The bucket's id; directories are named by it.
    pub bucket: BucketId,
    /// The bucket's name.
    pub name: String,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// A tag: text, null where the series does not have it.
    Tag,
    /// A field of one type, null where it was not given.
    Field(FieldKind),
}

/// A tag or field column of a table. The time column is implied: [`ColumnId::TIME`], physical name `time`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The id within the table.
    pub id: ColumnId,
    /// The name as it was written (unescaped).
    pub name: String,
    /// Tag or field, and the field's type.
    pub kind: ColumnKind,
    /// The name in the DuckLake catalog and in Parquet files; unique in the table without regard to case.
    pub physical_name: String,
}

/// The schema of a table. It only grows: a column is never changed or removed while the table lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// The table.
    pub table: TableId,
    /// The bucket it belongs to.
    pub bucket: BucketId,
    /// The measurement's name as it was written (unescaped).
    pub measurement: String,
    /// Tags and fields by ascending id.
    pub columns: Vec<Column>,
    /// The order of the tags in the sort key of files, fixed at the first flush by rising cardinality. A tag that
    /// is not listed came later and goes before all listed ones (latest first); see [`TableSchema::sort_tags`].
    pub tag_order: Vec<ColumnId>,
}

impl TableSchema {
    /// The column with this id.
    #[must_use]
    pub fn column(&self, id: ColumnId) -> Option<&Column> {
        self.columns.binary_search_by_key(&id, |column| column.id).ok().and_then(|index| self.columns.get(index))
    }

    /// The tag columns, by ascending id.
    pub fn tags(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.kind == ColumnKind::Tag)
    }

    /// The field columns, by ascending id.
    pub fn fields(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.kind != ColumnKind::Tag)
    }

    /// All tags in sort order: those that came after the order was fixed (latest first), then [`Self::tag_order`].
    /// Rows of every file are sorted by these (null first, then bytes ascending), then by time.
    #[must_use]
    pub fn sort_tags(&self) -> Vec<ColumnId> {
        let mut order: Vec<ColumnId> =
            self.tags().map(|column| column.id).filter(|id| !self.tag_order.contains(id)).collect();
        order.reverse();
        order.extend(&self.tag_order);
        order
    }

    /// The Arrow schema of files and of buffered rows: time, then all columns by ascending id, under physical names,
    /// each with its `PARQUET:field_id`.
    #[must_use]
    pub fn physical_schema(&self) -> SchemaRef {
        let time = physical_field("time", time_type(), false, ColumnId::TIME);
        let columns = self
            .columns
            .iter()
            .map(|column| physical_field(&column.physical_name, arrow_type(column.kind), true, column.id));
        Arc::new(Schema::new(std::iter::once(time).chain(columns).collect::<Vec<_>>()))
    }
}

/// The Arrow type of every time column: nanoseconds, no zone.
#[must_use]
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, None)
}

/// The Arrow type of a column's values in memory and in query results.
#[must_use]
pub fn arrow_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Tag => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        ColumnKind::Field(FieldKind::Float) => DataType::Float64,
        ColumnKind::Field(FieldKind::Integer) => DataType::Int64,
        ColumnKind::Field(FieldKind::Unsigned) => DataType::UInt64,
        ColumnKind::Field(FieldKind::Boolean) => DataType::Boolean,
        ColumnKind::Field(FieldKind::String) => DataType::Utf8,
    }
}

fn physical_field(name: &str, data_type: DataType, nullable: bool, id: ColumnId) -> Field {
    let metadata = [("PARQUET:field_id".to_owned(), id.to_string())];
    Field::new(name, data_type, nullable).with_metadata(metadata.into())
}

/// A Parquet file that the catalog names. Immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// The file.
    pub file: FileId,
    /// The table whose rows it holds.
    pub table: TableId,
    /// The path in the object store, relative to its root.
    pub path: String,
    /// Rows in it.
    pub row_count: u64,
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Length of the Parquet footer's metadata in bytes.
    pub footer_size_bytes: u64,
    /// Earliest and latest time in nanoseconds, both inclusive.
    pub time_range: (i64, i64),
    /// First and last WAL sequence of its rows, both inclusive.
    pub sequences: (Sequence, Sequence),
    /// What every delete up to this record means is not in it; all later ones are newer than its rows.
    pub deletes_applied: Sequence,
    /// 0 for a flush, higher for the output of compaction.
    pub level: u8,
    /// The tags that its rows are sorted by, in order; those of the table that are missing are null in every row.
    pub sort_tags: Vec<ColumnId>,
}

/// What a writer of a file measured of one column, for DuckLake's statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnStatistics {
    /// The column.
    pub column: ColumnId,
    /// Compressed bytes of the column in the file.
    pub size_bytes: u64,
    /// Rows with a value.
    pub value_count: u64,
    /// Rows without one.
    pub null_count: u64,
    /// Smallest and largest value; `None` if there is no value, or none that can be said.
    pub range: Option<(StatisticsValue, StatisticsValue)>,
    /// For floats: whether a NaN is among them.
    pub contains_nan: bool,
}

/// A bound of a column's values.
#[derive(Debug, Clone, PartialEq)]
pub enum StatisticsValue {
    /// Nanoseconds since the epoch.
    Time(i64),
    /// A float.
    Float(f64),
    /// A signed integer.
    Integer(i64),
    /// An unsigned integer.
    Unsigned(u64),
    /// A boolean.
    Boolean(bool),
    /// Text, whole: whoever stores it cuts it.
    Text(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(id: i64) -> Column {
        Column { id: ColumnId(id), name: format!("t{id}"), kind: ColumnKind::Tag, physical_name: format!("t{id}") }
    }

    #[test]
    fn later_tags_sort_before_the_fixed_order() {
        let Some(bucket) = BucketId::from_u64(1) else { unreachable!("1 is not zero") };
        let schema = TableSchema {
            table: TableId(1),
            bucket,
            measurement: "m".to_owned(),
            columns: vec![tag(2), tag(3), tag(5), tag(6)],
            tag_order: vec![ColumnId(3), ColumnId(2)],
        };
        assert_eq!(schema.sort_tags(), [6, 5, 3, 2].map(ColumnId));
        assert_eq!(schema.physical_schema().fields().len(), 5);
        assert_eq!(schema.column(ColumnId(5)).map(|column| column.name.as_str()), Some("t5"));
    }
}

//! What a bucket and a table hold at one moment, and the schema that queries see.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::footers::FooterCache;
use super::positions::DeleteFiles;
use super::{Scan, ScanError, ScanRequest, plan};
use crate::buffered::BufferedRows;
use crate::delete::{TableDelete, Tombstones};
use crate::ids::ColumnId;
use crate::store::Store;
use crate::table::{Column, ColumnKind, DataFile, TableSchema, arrow_type, time_type};

/// One consistent view of a bucket.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    tables: BTreeMap<String, Arc<TableSnapshot>>,
}

impl Snapshot {
    /// The view made of these tables.
    #[must_use]
    pub fn new(tables: impl IntoIterator<Item = TableSnapshot>) -> Self {
        let named = |table: TableSnapshot| (table.parts.schema.measurement.clone(), Arc::new(table));
        Self { tables: tables.into_iter().map(named).collect() }
    }

    /// All tables by name.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableSnapshot>> {
        self.tables.values()
    }

    /// The table of a measurement.
    #[must_use]
    pub fn table(&self, measurement: &str) -> Option<&Arc<TableSnapshot>> {
        self.tables.get(measurement)
    }
}

/// What a [`TableSnapshot`] is made of.
#[derive(Debug, Clone)]
pub struct TableSnapshotParts {
    /// The table. It knows every column of the files and the buffered rows.
    pub schema: Arc<TableSchema>,
    /// The files, in any order.
    pub files: Arc<[DataFile]>,
    /// The buffered rows, all later than the files; a later entry is later than an earlier one.
    pub buffers: Vec<BufferedRows>,
    /// The deletes that may mean some of the rows. Each source has them applied before it is merged with others.
    pub deletes: Tombstones,
    /// Of an earlier snapshot: the delete file of each file that has one. The rows in it never come.
    pub delete_files: Option<Arc<DeleteFiles>>,
    /// Where the files are.
    pub store: Store,
    /// The cache of the files' footers.
    pub footers: Arc<FooterCache>,
    /// Rows before this time (nanoseconds) are expired and never come; `i64::MIN` without retention.
    pub visible_from: i64,
}

/// One consistent view of a table.
#[derive(Debug)]
pub struct TableSnapshot {
    pub(super) parts: TableSnapshotParts,
    /// The columns of `query_schema`.
    pub(super) query_columns: Vec<ColumnId>,
    query_schema: SchemaRef,
}

impl TableSnapshot {
    /// The view made of these parts.
    #[must_use]
    pub fn new(parts: TableSnapshotParts) -> Self {
        let (query_columns, query_schema) = query_schema(&parts.schema);
        Self { parts, query_columns, query_schema }
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> &TableSnapshotParts {
        &self.parts
    }

    /// The table: measurement and columns with their kinds.
    #[must_use]
    pub fn table_schema(&self) -> &Arc<TableSchema> {
        &self.parts.schema
    }

    /// The schema of queries: `time`, then the tags by name, then the fields by name. A field that shares its name
    /// with a tag is called `name::field`.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.query_schema)
    }

    /// Whether the column of [`Self::schema`] with this index is a tag.
    #[must_use]
    pub fn is_tag(&self, index: usize) -> bool {
        let column = self.query_columns.get(index).and_then(|id| self.parts.schema.column(*id));
        column.is_some_and(|column| column.kind == ColumnKind::Tag)
    }

    /// The tag or field of the column of [`Self::schema`] with this index, under the name that it was written with.
    /// The time is none.
    #[must_use]
    pub fn column(&self, index: usize) -> Option<&Column> {
        self.query_columns.get(index).and_then(|id| self.parts.schema.column(*id))
    }

    /// The rows of all files and buffers: at least as many as a scan returns.
    #[must_use]
    pub fn row_count_bound(&self) -> u64 {
        let files: u64 = self.parts.files.iter().map(|file| file.row_count).sum();
        files + self.parts.buffers.iter().map(|rows| rows.row_count as u64).sum::<u64>()
    }

    /// The files and buffers: the range of times of each in nanoseconds, both inclusive, and how many rows it has.
    #[must_use]
    pub fn row_distribution(&self) -> Vec<((i64, i64), u64)> {
        let files = self.parts.files.iter().map(|file| (file.time_range, file.row_count));
        files.chain(self.parts.buffers.iter().map(|rows| (rows.time_range, rows.row_count as u64))).collect()
    }

    /// Whether some of the rows may be deleted, so that a scan returns fewer of them.
    #[must_use]
    pub fn has_deletes(&self) -> bool {
        !self.parts.deletes.list.is_empty() || self.parts.delete_files.is_some()
    }

    /// Whether a scan of everything returns exactly [`Self::row_count_bound`] rows.
    #[must_use]
    pub fn row_count_is_exact(&self) -> bool {
        let mut ranges: Vec<(i64, i64)> = self.parts.files.iter().map(|file| file.time_range).collect();
        ranges.sort_unstable();
        let all_visible = ranges.first().is_none_or(|(first, _)| *first >= self.parts.visible_from);
        let disjoint = ranges.windows(2).all(|pair| pair[0].1 < pair[1].0);
        let buffer_rows: usize = self.parts.buffers.iter().map(|rows| rows.row_count).sum();
        let is_whole = |file: &DataFile| {
            let mut later = self.parts.deletes.list.iter().filter(|delete| delete.sequence > file.deletes_applied);
            later.all(|delete| !delete.filter.overlaps(file.time_range))
        };
        let no_delete_files = self.parts.delete_files.is_none();
        all_visible && disjoint && no_delete_files && buffer_rows == 0 && self.parts.files.iter().all(is_whole)
    }

    /// What the deletes mean in this table.
    pub(super) fn table_deletes(&self) -> Vec<Arc<TableDelete>> {
        TableDelete::resolve_all(&self.parts.deletes.list, &self.parts.schema)
    }

    /// Plans a scan. Files are opened when a partition's stream is polled.
    ///
    /// # Errors
    /// If the request names a column that does not exist, or filters by a column that is not a tag.
    pub fn scan(self: &Arc<Self>, request: ScanRequest) -> Result<Scan, ScanError> {
        plan::plan(self, &request)
    }
}

/// The columns that queries see, and their schema.
fn query_schema(schema: &TableSchema) -> (Vec<ColumnId>, SchemaRef) {
    let by_name = |mut columns: Vec<&Column>| {
        columns.sort_unstable_by(|left, right| left.name.cmp(&right.name).then(left.id.cmp(&right.id)));
        columns.into_iter().cloned().collect::<Vec<Column>>()
    };
    let tags = by_name(schema.tags().collect());
    let fields = by_name(schema.fields().collect());
    // Names that are written in line protocol come first: `a::field` may itself be the name of a tag or field.
    let tag_names: HashSet<&str> = tags.iter().map(|tag| tag.name.as_str()).chain(["time"]).collect();
    let mut taken: HashSet<String> = tag_names.iter().map(|name| (*name).to_owned()).collect();
    taken.extend(fields.iter().map(|field| field.name.clone()));
    let mut columns = vec![ColumnId::TIME];
    let mut arrow_fields = vec![Field::new("time", time_type(), false)];
    for tag in &tags {
        columns.push(tag.id);
        arrow_fields.push(Field::new(&tag.name, arrow_type(ColumnKind::Tag), true));
    }
    for field in &fields {
        let mut name = field.name.clone();
        if tag_names.contains(name.as_str()) {
            while !taken.insert(name.clone()) {
                name.push_str("::field");
            }
        }
        columns.push(field.id);
        arrow_fields.push(Field::new(name, arrow_type(field.kind), true));
    }
    (columns, Arc::new(Schema::new(arrow_fields)))
}

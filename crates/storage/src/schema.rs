//! Which table and column each point goes to, and which points are refused.
//!
//! The [`Registry`] is the image in memory of what `lake` has committed. Against it [`plan`] decides, row by row and
//! without I/O, which points of a parsed batch are kept (the first writer of a field fixes its type) and which columns
//! must be registered first; [`build_rows`] then turns the kept points into a [`RowBatch`] of ids.
//! Nothing here registers anything: see `registrar`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use catalog::BucketId;
use line_protocol::{Batch, FieldColumn, FieldKind, FieldValues, Presence, StringColumn, TableBatch};
use parking_lot::RwLock;

use crate::error::{DropReason, PartialWrite, RejectedLine, RetentionBound};
use crate::ids::{ColumnId, TableId};
use crate::lake::{NewColumn, NewTable};
use crate::limits;
use crate::rows::{FieldRows, RowBatch, SeriesKeys, TableRows};
use crate::table::{BucketInfo, ColumnKind, TableSchema};

/// How large schemas may become. A point that would need more is dropped, and the others of its batch are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemaLimits {
    /// Measurements of one bucket.
    pub tables_per_bucket: usize,
    /// Tags and fields of one measurement.
    pub columns_per_table: usize,
}

impl Default for SchemaLimits {
    fn default() -> Self {
        Self { tables_per_bucket: limits::TABLES_PER_BUCKET, columns_per_table: limits::COLUMNS_PER_TABLE }
    }
}

/// A table's schema with its names indexed.
#[derive(Debug)]
pub(crate) struct TableEntry {
    /// The schema.
    pub(crate) schema: Arc<TableSchema>,
    tags: HashMap<String, ColumnId>,
    fields: HashMap<String, (ColumnId, FieldKind)>,
}

impl TableEntry {
    fn new(schema: TableSchema) -> Self {
        let mut tags = HashMap::new();
        let mut fields = HashMap::new();
        for column in &schema.columns {
            match column.kind {
                ColumnKind::Tag => tags.insert(column.name.clone(), column.id).map(|_| ()),
                ColumnKind::Field(kind) => fields.insert(column.name.clone(), (column.id, kind)).map(|_| ()),
            };
        }
        Self { schema: Arc::new(schema), tags, fields }
    }

    /// The column of a tag.
    #[must_use]
    pub(crate) fn tag(&self, name: &str) -> Option<ColumnId> {
        self.tags.get(name).copied()
    }

    /// The column and type of a field.
    #[must_use]
    pub(crate) fn field(&self, name: &str) -> Option<(ColumnId, FieldKind)> {
        self.fields.get(name).copied()
    }
}

/// The tables of one bucket by measurement.
#[derive(Debug, Clone)]
struct BucketEntry {
    info: BucketInfo,
    tables: BTreeMap<String, Arc<TableEntry>>,
}

#[derive(Debug, Default)]
struct RegistryState {
    buckets: HashMap<BucketId, BucketEntry>,
    tables: HashMap<TableId, Arc<TableEntry>>,
    /// Buckets that were dropped since the start. Ids are never used again.
    dropped: HashSet<BucketId>,
}

/// All committed buckets, tables and columns. Readers see a schema only after its transaction has returned.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    state: RwLock<RegistryState>,
}

impl Registry {
    /// Adds or replaces buckets and tables after they were committed.
    pub(crate) fn commit(
        &self,
        buckets: impl IntoIterator<Item = BucketInfo>,
        tables: impl IntoIterator<Item = TableSchema>,
    ) {
        let mut state = self.state.write();
        for info in buckets {
            match state.buckets.get_mut(&info.bucket) {
                Some(entry) => entry.info = info,
                None => {
                    state.buckets.insert(info.bucket, BucketEntry { info, tables: BTreeMap::new() });
                }
            }
        }
        for schema in tables {
            let entry = Arc::new(TableEntry::new(schema));
            state.tables.insert(entry.schema.table, Arc::clone(&entry));
            if let Some(bucket) = state.buckets.get_mut(&entry.schema.bucket) {
                bucket.tables.insert(entry.schema.measurement.clone(), entry);
            }
        }
    }

    /// Notes the order of the tags that a table's files now have.
    pub(crate) fn set_tag_order(&self, table: TableId, tag_order: Vec<ColumnId>) {
        let schema = self.table(table).map(|entry| TableSchema { tag_order, ..(*entry.schema).clone() });
        self.commit([], schema);
    }

    /// Forgets a bucket and its tables; returns the tables' ids.
    pub(crate) fn remove_bucket(&self, bucket: BucketId) -> Vec<TableId> {
        let mut state = self.state.write();
        state.dropped.insert(bucket);
        let Some(entry) = state.buckets.remove(&bucket) else { return Vec::new() };
        let tables: Vec<TableId> = entry.tables.values().map(|table| table.schema.table).collect();
        for table in &tables {
            state.tables.remove(table);
        }
        tables
    }

    /// Whether the bucket was dropped since the start.
    #[must_use]
    pub(crate) fn is_dropped(&self, bucket: BucketId) -> bool {
        self.state.read().dropped.contains(&bucket)
    }

    /// The bucket as it was registered, or `None` before its first point.
    #[must_use]
    pub(crate) fn bucket(&self, bucket: BucketId) -> Option<BucketInfo> {
        self.state.read().buckets.get(&bucket).map(|entry| entry.info.clone())
    }

    /// A table by id.
    #[must_use]
    pub(crate) fn table(&self, table: TableId) -> Option<Arc<TableEntry>> {
        self.state.read().tables.get(&table).map(Arc::clone)
    }

    /// A table by measurement.
    #[must_use]
    pub(crate) fn measurement(&self, bucket: BucketId, measurement: &str) -> Option<Arc<TableEntry>> {
        self.state.read().buckets.get(&bucket)?.tables.get(measurement).map(Arc::clone)
    }

    /// All tables of a bucket, by measurement.
    #[must_use]
    pub(crate) fn bucket_tables(&self, bucket: BucketId) -> Vec<Arc<TableEntry>> {
        let state = self.state.read();
        state.buckets.get(&bucket).map(|entry| entry.tables.values().map(Arc::clone).collect()).unwrap_or_default()
    }

    /// The number of tables of a bucket.
    #[must_use]
    pub(crate) fn table_count(&self, bucket: BucketId) -> usize {
        self.state.read().buckets.get(&bucket).map_or(0, |entry| entry.tables.len())
    }
}

/// What [`plan`] decided about a batch.
#[derive(Debug)]
pub(crate) struct WritePlan {
    /// Per table of the batch: which rows are kept.
    kept: Vec<KeptRows>,
    /// What has to be registered before [`build_rows`] can run; a bucket without registration counts as new.
    pub(crate) missing: Vec<NewTable>,
    /// The points that are refused.
    pub(crate) dropped: PartialWrite,
    /// The number of points that are kept.
    pub(crate) kept_count: usize,
}

/// The rows of a table batch that are kept.
#[derive(Debug)]
enum KeptRows {
    All,
    Some(Vec<bool>),
    None,
}

impl KeptRows {
    fn keeps(&self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::Some(kept) => kept.get(row).copied().unwrap_or(false),
            Self::None => false,
        }
    }
}

/// What a point is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PointRules {
    /// The lower end of the bucket's retention, if it has one: earlier points are dropped.
    pub(crate) retention: Option<RetentionBound>,
    /// How large schemas may become.
    pub(crate) limits: SchemaLimits,
}

/// Decides which points of `batch` are kept and what has to be registered for them.
///
/// Dropped is a point beyond the retention, a point with a field of another type than the field has (or got from an
/// earlier kept point of this batch), and a point that needs more tables or columns than a bucket or table may have.
pub(crate) fn plan(registry: &Registry, bucket: BucketId, batch: &Batch, rules: PointRules) -> WritePlan {
    let mut plan = WritePlan {
        kept: Vec::with_capacity(batch.tables.len()),
        missing: Vec::new(),
        dropped: PartialWrite::default(),
        kept_count: 0,
    };
    let mut new_tables = 0;
    for table in &batch.tables {
        let entry = registry.measurement(bucket, &table.measurement);
        let limit = rules.limits.tables_per_bucket;
        if entry.is_none() && registry.table_count(bucket) + new_tables >= limit {
            for row in 0..table.times.len() {
                let reason = DropReason::TooManyTables { measurement: table.measurement.clone(), limit };
                drop_row(&mut plan.dropped, table, row, reason);
            }
            plan.kept.push(KeptRows::None);
            continue;
        }
        let columns = new_columns(table, entry.as_deref(), &KeptRows::All);
        let kept = keep_rows(table, entry.as_deref(), columns.len(), rules, &mut plan.dropped);
        let kept_count = match &kept {
            KeptRows::All => table.times.len(),
            KeptRows::Some(rows) => rows.iter().filter(|kept| **kept).count(),
            KeptRows::None => 0,
        };
        if kept_count > 0 {
            plan.kept_count += kept_count;
            new_tables += usize::from(entry.is_none());
            let columns = match &kept {
                KeptRows::All => columns,
                _ => new_columns(table, entry.as_deref(), &kept),
            };
            if entry.is_none() || !columns.is_empty() {
                plan.missing.push(NewTable { bucket, measurement: table.measurement.clone(), columns });
            }
        }
        plan.kept.push(kept);
    }
    plan
}

/// The rows of `table` that follow the rules; all of them together need so many new columns.
fn keep_rows(
    table: &TableBatch,
    entry: Option<&TableEntry>,
    new_columns: usize,
    rules: PointRules,
    dropped: &mut PartialWrite,
) -> KeptRows {
    let too_old = rules.retention.is_some_and(|bound| table.times.iter().any(|time| *time < bound.oldest_time_ns));
    let registered = entry.map_or(0, |entry| entry.schema.columns.len());
    let too_wide = new_columns > 0 && registered + new_columns > rules.limits.columns_per_table;
    if !too_old && !too_wide && !has_type_conflict(table, entry) {
        return KeptRows::All;
    }
    let mut judge = Judge { table, entry, rules, decided: HashMap::new(), tags: HashSet::new(), columns: registered };
    let mut kept = vec![true; table.times.len()];
    for (row, keep) in kept.iter_mut().enumerate() {
        if let Err(reason) = judge.admit(row) {
            *keep = false;
            drop_row(dropped, table, row, reason);
        }
    }
    if kept.contains(&true) { KeptRows::Some(kept) } else { KeptRows::None }
}

/// Looks at the points of a table one by one, as if each were written after those before it.
struct Judge<'a> {
    table: &'a TableBatch,
    entry: Option<&'a TableEntry>,
    rules: PointRules,
    /// The fields of the points that were kept so far.
    decided: HashMap<&'a str, FieldKind>,
    /// Their tags that are not registered.
    tags: HashSet<u32>,
    /// Columns that the table has, with those of the points that were kept so far.
    columns: usize,
}

impl<'a> Judge<'a> {
    /// Keeps the point, or says why not.
    fn admit(&mut self, row: usize) -> Result<(), DropReason> {
        let table = self.table;
        let time_ns = table.times.get(row).copied().unwrap_or_default();
        if let Some(bound) = self.rules.retention.filter(|bound| time_ns < bound.oldest_time_ns) {
            return Err(DropReason::TooOld { bound, point: series_text(table, row), time_ns });
        }
        let fields = || table.fields.iter().filter(|field| field.is_valid(row));
        for field in fields() {
            if let Some(existing) = self.kind(&field.name).filter(|kind| *kind != field.values.kind()) {
                return Err(DropReason::FieldTypeConflict {
                    field: field.name.clone(),
                    measurement: table.measurement.clone(),
                    given: field.values.kind(),
                    existing,
                });
            }
        }
        let new_tags = self.new_tags(row);
        let new_fields: Vec<&FieldColumn> = fields().filter(|field| self.kind(&field.name).is_none()).collect();
        let limit = self.rules.limits.columns_per_table;
        let room = limit.saturating_sub(self.columns);
        let names = new_tags.iter().filter_map(|tag| table.tag_keys.get(*tag as usize));
        if let Some(column) = names.chain(new_fields.iter().map(|field| &field.name)).nth(room) {
            let (measurement, column) = (table.measurement.clone(), column.clone());
            return Err(DropReason::TooManyColumns { measurement, column, limit });
        }
        self.columns += new_tags.len() + new_fields.len();
        self.tags.extend(new_tags);
        for field in fields() {
            self.decided.entry(&field.name).or_insert(field.values.kind());
        }
        Ok(())
    }

    /// The type that a field has, or will have.
    fn kind(&self, name: &str) -> Option<FieldKind> {
        let registered = self.entry.and_then(|entry| entry.field(name)).map(|(_, kind)| kind);
        registered.or_else(|| self.decided.get(name).copied())
    }

    /// The tags of a point that nobody had before it.
    fn new_tags(&self, row: usize) -> Vec<u32> {
        let series = self.table.row_series.get(row).copied().unwrap_or_default();
        let tags = self.table.series.tags(series).map(|(tag, _)| tag);
        let is_registered = |tag: u32| {
            let name = self.table.tag_keys.get(tag as usize);
            name.zip(self.entry).is_some_and(|(name, entry)| entry.tag(name).is_some())
        };
        tags.filter(|tag| !self.tags.contains(tag) && !is_registered(*tag)).collect()
    }
}

/// Whether some field of the batch has another type than it is registered with, or two types within the batch.
fn has_type_conflict(table: &TableBatch, entry: Option<&TableEntry>) -> bool {
    let mut seen: HashMap<&str, FieldKind> = HashMap::with_capacity(table.fields.len());
    table.fields.iter().any(|field| {
        let kind = field.values.kind();
        let registered = entry.and_then(|entry| entry.field(&field.name));
        registered.is_some_and(|(_, registered)| registered != kind)
            || seen.insert(&field.name, kind).is_some_and(|other| other != kind)
    })
}

/// The columns that the kept rows use and that are not registered.
fn new_columns(table: &TableBatch, entry: Option<&TableEntry>, kept: &KeptRows) -> Vec<NewColumn> {
    let mut columns = Vec::new();
    let new_tags: Vec<usize> = (0..table.tag_keys.len())
        .filter(|index| table.tag_keys.get(*index).is_some_and(|key| entry.and_then(|entry| entry.tag(key)).is_none()))
        .collect();
    if !new_tags.is_empty() {
        let used = used_tags(table, kept);
        for index in new_tags {
            if let Some(name) = table.tag_keys.get(index).filter(|_| used.get(index).copied().unwrap_or(false)) {
                columns.push(NewColumn { name: name.clone(), kind: ColumnKind::Tag });
            }
        }
    }
    for field in &table.fields {
        if entry.and_then(|entry| entry.field(&field.name)).is_none() && has_kept_value(field, kept, table.times.len())
        {
            columns.push(NewColumn { name: field.name.clone(), kind: ColumnKind::Field(field.values.kind()) });
        }
    }
    columns
}

/// Per tag key of the batch: whether the series of some kept row has it.
fn used_tags(table: &TableBatch, kept: &KeptRows) -> Vec<bool> {
    let mut used_series = vec![matches!(kept, KeptRows::All); table.series.len()];
    if let KeptRows::Some(rows) = kept {
        for (series, _) in table.row_series.iter().zip(rows).filter(|(_, kept)| **kept) {
            if let Some(used) = used_series.get_mut(*series as usize) {
                *used = true;
            }
        }
    }
    let mut used = vec![false; table.tag_keys.len()];
    for (series, _) in used_series.iter().enumerate().filter(|(_, used)| **used) {
        for (key, _) in table.series.tags(series as u32) {
            if let Some(used) = used.get_mut(key as usize) {
                *used = true;
            }
        }
    }
    used
}

fn has_kept_value(field: &FieldColumn, kept: &KeptRows, rows: usize) -> bool {
    match (kept, &field.presence) {
        (KeptRows::All, _) => true,
        (_, Presence::Rows(given)) => given.iter().any(|row| kept.keeps(*row as usize)),
        _ => (0..rows).any(|row| kept.keeps(row) && field.is_valid(row)),
    }
}

/// The series of a row in line protocol, for a message.
/// Counts a point that is not stored, and names its line.
fn drop_row(dropped: &mut PartialWrite, table: &TableBatch, row: usize, reason: DropReason) {
    if dropped.lines().len() < limits::REJECTED_LINES {
        let line = table.lines.get(row).copied().unwrap_or_default();
        dropped.reject(RejectedLine { line, text: point_text(table, row), cause: reason.to_string() });
    }
    dropped.add(reason);
}

/// How a point begins in line protocol, without quotes and escapes.
fn point_text(table: &TableBatch, row: usize) -> String {
    let mut text = series_text(table, row);
    let mut separator = ' ';
    for field in table.fields.iter().filter(|field| field.is_valid(row)) {
        if text.len() >= limits::REJECTED_LINE_BYTES {
            break;
        }
        text.push(separator);
        text.push_str(&field.name);
        text.push('=');
        match &field.values {
            FieldValues::Float(values) => text.extend(values.get(row).map(f64::to_string)),
            FieldValues::Integer(values) => text.extend(values.get(row).map(|value| format!("{value}i"))),
            FieldValues::Unsigned(values) => text.extend(values.get(row).map(|value| format!("{value}u"))),
            FieldValues::Boolean(values) => text.extend(values.get(row).map(bool::to_string)),
            FieldValues::String(values) => {
                let value = values.value(row);
                text.push_str(value.get(..value.floor_char_boundary(limits::REJECTED_LINE_BYTES)).unwrap_or_default());
            }
        }
        separator = ',';
    }
    text.extend(table.times.get(row).map(|time| format!(" {time}")));
    text.truncate(text.floor_char_boundary(limits::REJECTED_LINE_BYTES));
    text
}

fn series_text(table: &TableBatch, row: usize) -> String {
    let mut text = table.measurement.clone();
    let series = table.row_series.get(row).copied().unwrap_or_default();
    for (key, value) in table.series.tags(series) {
        text.push(',');
        text.push_str(table.tag_keys.get(key as usize).map_or("", String::as_str));
        text.push('=');
        text.push_str(value);
    }
    text
}

/// Turns the kept points into rows of ids. `None` if a table or column of a kept point is not registered, which is so
/// only when its bucket was dropped since [`plan`] ran.
pub(crate) fn build_rows(registry: &Registry, bucket: &BucketInfo, batch: Batch, plan: &WritePlan) -> Option<RowBatch> {
    let mut tables = Vec::with_capacity(batch.tables.len());
    for (table, kept) in batch.tables.into_iter().zip(&plan.kept) {
        if matches!(kept, KeptRows::None) {
            continue;
        }
        let entry = registry.measurement(bucket.bucket, &table.measurement)?;
        tables.push(build_table(table, &entry, kept)?);
    }
    Some(RowBatch { organisation: bucket.organisation, bucket: bucket.bucket, tables })
}

fn build_table(table: TableBatch, entry: &TableEntry, kept: &KeptRows) -> Option<TableRows> {
    let table = match kept {
        KeptRows::Some(rows) => filter_rows(table, rows),
        _ => table,
    };
    let tags: Vec<Option<ColumnId>> = table.tag_keys.iter().map(|key| entry.tag(key)).collect();
    let mut series = SeriesKeys::default();
    let mut key: Vec<(ColumnId, &str)> = Vec::new();
    for index in 0..table.series.len() as u32 {
        key.clear();
        for (tag, value) in table.series.tags(index) {
            // A tag that only dropped points use is not registered; the series of those points are written nowhere.
            if let Some(column) = tags.get(tag as usize).copied().flatten() {
                key.push((column, value));
            }
        }
        key.sort_unstable_by_key(|(column, _)| *column);
        series.push(key.iter().copied());
    }
    let mut columns = Vec::with_capacity(table.fields.len());
    for field in table.fields {
        let (column, kind) = entry.field(&field.name)?;
        if kind == field.values.kind() {
            columns.push(FieldRows { column, values: field.values, presence: field.presence });
        }
    }
    Some(TableRows { table: entry.schema.table, series, row_series: table.row_series, times: table.times, columns })
}

/// The table batch without the rows that are not kept, and without fields that no kept row has.
fn filter_rows(mut table: TableBatch, kept: &[bool]) -> TableBatch {
    let rows: Vec<usize> = kept.iter().enumerate().filter(|(_, kept)| **kept).map(|(row, _)| row).collect();
    table.row_series = take(&table.row_series, &rows);
    table.times = take(&table.times, &rows);
    table.lines = take(&table.lines, &rows);
    table.fields = table.fields.iter().filter_map(|field| filter_field(field, &rows)).collect();
    table
}

fn filter_field(field: &FieldColumn, rows: &[usize]) -> Option<FieldColumn> {
    let value_count = field.values.len();
    let place = |(new, row): (usize, &usize)| Some((new as u32, field.presence.place(*row, value_count)?));
    let (given, places): (Vec<u32>, Vec<usize>) = rows.iter().enumerate().filter_map(place).unzip();
    if given.is_empty() {
        return None;
    }
    let values = match &field.values {
        FieldValues::Float(values) => FieldValues::Float(take(values, &places)),
        FieldValues::Integer(values) => FieldValues::Integer(take(values, &places)),
        FieldValues::Unsigned(values) => FieldValues::Unsigned(take(values, &places)),
        FieldValues::Boolean(values) => FieldValues::Boolean(take(values, &places)),
        FieldValues::String(values) => {
            let mut taken = StringColumn::default();
            for place in places {
                taken.bytes.push_str(values.value(place));
                taken.offsets.push(taken.bytes.len() as u32);
            }
            FieldValues::String(taken)
        }
    };
    let presence = if given.len() == rows.len() { Presence::All } else { Presence::Rows(given) };
    Some(FieldColumn { name: field.name.clone(), first_row: 0, values, presence })
}

fn take<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().filter_map(|row| values.get(*row).copied()).collect()
}

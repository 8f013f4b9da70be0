//! Which sources are read by which partition: sources that overlap in time are merged, all others stand alone.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use futures::{StreamExt, TryStreamExt, stream};

use super::merge::{self, MergeColumns};
use super::project::Rows;
use super::snapshot::{TableSnapshot, TableSnapshotParts};
use super::{BatchStream, Scan, ScanError, ScanRequest, buffer, file};
use crate::buffered::BufferedRows;
use crate::delete::TableDelete;
use crate::flush::{ROW_GROUP_ROWS, wide};
use crate::ids::ColumnId;
use crate::table::{ColumnKind, DataFile, TableSchema};

/// What all sources of a stream have in common.
#[derive(Debug)]
pub(super) struct SourceOptions {
    pub(super) schema: Arc<TableSchema>,
    /// The columns that a source returns, in that order.
    pub(super) columns: Vec<ColumnId>,
    pub(super) filters: Vec<SeriesFilter>,
    /// Inclusive.
    pub(super) time_range: (i64, i64),
    pub(super) batch_rows: usize,
}

/// A [`super::TagFilter`] by column id, its values ascending.
#[derive(Debug, Clone)]
pub(super) struct SeriesFilter {
    pub(super) column: ColumnId,
    pub(super) values: Vec<String>,
}

impl SeriesFilter {
    /// Whether a series with that value of the tag is wanted.
    pub(super) fn matches(&self, value: Option<&str>) -> bool {
        self.values.binary_search_by(|wanted| wanted.as_str().cmp(value.unwrap_or(""))).is_ok()
    }
}

/// What a source does not have applied.
pub(super) type Deletes = Arc<[Arc<TableDelete>]>;

/// Where rows come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    File(DataFile, Deletes),
    Buffer(BufferedRows, Deletes),
}

impl Source {
    fn time_range(&self) -> (i64, i64) {
        match self {
            Self::File(file, _) => file.time_range,
            Self::Buffer(rows, _) => rows.time_range,
        }
    }

    fn row_count(&self) -> u64 {
        match self {
            Self::File(file, _) => file.row_count,
            Self::Buffer(rows, _) => rows.row_count as u64,
        }
    }
}

/// Sources that must be read together: one alone, or several that overlap in time, by ascending sequence.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) sources: Vec<Source>,
    /// Of a single file: which part of its row groups, and of how many parts.
    share: (usize, usize),
    /// About how many rows it has, to spread the work by.
    pub(super) row_count: u64,
}

impl Unit {
    /// A source that is read alone.
    pub(super) fn of_source(source: Source) -> Self {
        Self { row_count: source.row_count(), sources: vec![source], share: (0, 1) }
    }
}

/// A part of a scan that one thread reads.
#[derive(Debug, Clone)]
pub struct ScanPartition {
    /// Whether its rows come sorted by the table's tags in sort order, then by time.
    pub sorted: bool,
    units: Vec<Unit>,
    common: Arc<Common>,
}

/// What all units of a scan have in common.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) snapshot: Arc<TableSnapshot>,
    /// The projected columns, and their schema.
    pub(super) projection: Vec<ColumnId>,
    pub(super) schema: SchemaRef,
    pub(super) filters: Vec<SeriesFilter>,
    pub(super) time_range: (i64, i64),
    pub(super) batch_rows: usize,
    pub(super) limit: Option<usize>,
    /// Whether rows must come in the table's order, even those of a file that stands alone.
    pub(super) sorted: bool,
}

/// Plans the scan of a snapshot.
pub(super) fn plan(snapshot: &Arc<TableSnapshot>, request: &ScanRequest) -> Result<Scan, ScanError> {
    plan_units(snapshot, request, |units| units)
}

/// Plans a scan in which no source is merged with others.
pub(super) fn plan_apart(snapshot: &Arc<TableSnapshot>, request: &ScanRequest) -> Result<Scan, ScanError> {
    let apart = |units: Vec<Unit>| units.into_iter().flat_map(|unit| unit.sources).map(Unit::of_source).collect();
    plan_units(snapshot, request, apart)
}

fn plan_units(
    snapshot: &Arc<TableSnapshot>,
    request: &ScanRequest,
    arrange: impl FnOnce(Vec<Unit>) -> Vec<Unit>,
) -> Result<Scan, ScanError> {
    let table_schema = snapshot.schema();
    let all: Vec<usize> = (0..table_schema.fields().len()).collect();
    let indices = request.projection.as_ref().unwrap_or(&all);
    let column = |index: usize| snapshot.query_columns.get(index).copied().ok_or(ScanError::NoColumn { index });
    let projection = indices.iter().map(|index| column(*index)).collect::<Result<Vec<ColumnId>, ScanError>>()?;
    let schema: SchemaRef = Arc::new(table_schema.project(indices)?);
    let time_range = (request.time_range.0.max(snapshot.parts.visible_from), request.time_range.1);
    let common = Arc::new(Common {
        snapshot: Arc::clone(snapshot),
        projection,
        schema: SchemaRef::clone(&schema),
        filters: series_filters(snapshot, &request.tag_filters)?,
        time_range,
        batch_rows: wide::batch_rows(request.batch_rows.max(1), indices.len()),
        limit: request.limit,
        sorted: false,
    });
    let units = split_files(arrange(groups(snapshot, time_range)), request.partitions.max(1));
    let partitions = assign(units, request.partitions.max(1)).into_iter().map(|units| ScanPartition {
        sorted: is_sorted(&units, &snapshot.parts.schema),
        units,
        common: Arc::clone(&common),
    });
    Ok(Scan { schema, partitions: partitions.collect() })
}

/// All rows of the snapshot's files within `time_range` (inclusive), each point once, in the order and with the columns
/// of a file that is written now: what compaction writes.
pub(crate) fn merged(snapshot: &Arc<TableSnapshot>, time_range: (i64, i64), batch_rows: usize) -> BatchStream {
    let schema = &snapshot.parts.schema;
    let columns = schema.columns.iter().map(|column| column.id);
    let time_range = (time_range.0.max(snapshot.parts.visible_from), time_range.1);
    let common = Arc::new(Common {
        snapshot: Arc::clone(snapshot),
        projection: std::iter::once(ColumnId::TIME).chain(columns).collect(),
        schema: schema.physical_schema(),
        filters: Vec::new(),
        time_range,
        batch_rows: batch_rows.max(1),
        limit: None,
        sorted: true,
    });
    let clip = |file: &DataFile| (file.time_range.0.max(time_range.0), file.time_range.1.min(time_range.1));
    let overlaps = |file: &&DataFile| clip(file).0 <= clip(file).1;
    let mut files: Vec<&DataFile> = snapshot.parts.files.iter().filter(overlaps).collect();
    files.sort_unstable_by_key(|file| (file.sequences, file.file));
    let deletes = snapshot.table_deletes();
    let sources = files.into_iter().filter_map(|file| source_of_file(file, &deletes, clip(file)));
    let sources: Vec<Source> = sources.collect();
    // One unit, whether its sources overlap or not: the order of files goes by tags before time.
    let row_count = sources.iter().map(Source::row_count).sum();
    unit_stream(Unit { sources, share: (0, 1), row_count }, &common)
}

/// The first rows of one part (`share.0` of `share.1`) of a file, only those columns: a sample of its values.
pub(crate) async fn sample(
    parts: &TableSnapshotParts,
    file: &DataFile,
    share: (usize, usize),
    columns: &[ColumnId],
    rows: usize,
) -> Result<Option<Vec<ArrayRef>>, ScanError> {
    let options = Arc::new(SourceOptions {
        schema: Arc::clone(&parts.schema),
        columns: columns.to_vec(),
        filters: Vec::new(),
        time_range: (i64::MIN, i64::MAX),
        batch_rows: rows.max(1),
    });
    // What is deleted is as good a sample as what stays.
    let first = file::stream(parts, file.clone(), Deletes::default(), share, options).try_next().await?;
    Ok(first.map(|rows| rows.columns))
}

/// Tag filters by column id.
pub(super) fn series_filters(
    snapshot: &TableSnapshot,
    filters: &[super::TagFilter],
) -> Result<Vec<SeriesFilter>, ScanError> {
    let filter = |filter: &super::TagFilter| {
        let index = filter.column;
        let column = *snapshot.query_columns.get(index).ok_or(ScanError::NoColumn { index })?;
        if snapshot.parts.schema.column(column).map(|column| column.kind) != Some(ColumnKind::Tag) {
            return Err(ScanError::NoTag { index });
        }
        let mut values = filter.values.clone();
        values.sort_unstable();
        Ok(SeriesFilter { column, values })
    };
    filters.iter().map(filter).collect()
}

/// The sources with rows in `time_range`, those that overlap within it together, by ascending time.
pub(super) fn groups(snapshot: &TableSnapshot, time_range: (i64, i64)) -> Vec<Unit> {
    let mut files: Vec<&DataFile> = snapshot.parts.files.iter().collect();
    files.sort_unstable_by_key(|file| (file.sequences, file.file));
    let buffers = snapshot.parts.buffers.iter().filter(|rows| rows.row_count > 0);
    let deletes = snapshot.table_deletes();
    let clip = |(first, last): (i64, i64)| (first.max(time_range.0), last.min(time_range.1));
    // The index in this list is the order of writing.
    let sources = files.into_iter().filter_map(|file| source_of_file(file, &deletes, clip(file.time_range)));
    let all: Deletes = deletes.as_slice().into();
    let sources = sources.chain(buffers.map(|rows| Source::Buffer(rows.clone(), Arc::clone(&all))));
    let mut by_time: Vec<((i64, i64), usize, Source)> = sources
        .enumerate()
        .map(|(order, source)| (clip(source.time_range()), order, source))
        .filter(|((first, last), _, _)| first <= last)
        .collect();
    by_time.sort_by_key(|(range, order, _)| (*range, *order));

    let mut units: Vec<Vec<(usize, Source)>> = Vec::new();
    let mut reach = i64::MIN;
    for ((first, last), order, source) in by_time {
        match units.last_mut() {
            Some(unit) if first <= reach => unit.push((order, source)),
            _ => units.push(vec![(order, source)]),
        }
        reach = reach.max(last);
    }
    let unit = |mut sources: Vec<(usize, Source)>| {
        sources.sort_by_key(|(order, _)| *order);
        let sources: Vec<Source> = sources.into_iter().map(|(_, source)| source).collect();
        Unit { row_count: sources.iter().map(Source::row_count).sum(), sources, share: (0, 1) }
    };
    units.into_iter().map(unit).collect()
}

/// A file with the deletes that it has not applied and that mean some of the wanted times; `None` if one of them takes
/// all of it.
fn source_of_file(file: &DataFile, deletes: &[Arc<TableDelete>], wanted: (i64, i64)) -> Option<Source> {
    let concern = |delete: &&Arc<TableDelete>| delete.concerns(file) && delete.overlaps(wanted);
    let pending: Vec<Arc<TableDelete>> = deletes.iter().filter(concern).cloned().collect();
    let is_gone = pending.iter().any(|delete| delete.takes_all_of(wanted));
    (!is_gone).then(|| Source::File(file.clone(), pending.into()))
}

/// Cuts large files that stand alone into parts, so that all partitions have work.
pub(super) fn split_files(units: Vec<Unit>, partitions: usize) -> Vec<Unit> {
    let total: u64 = units.iter().map(|unit| unit.row_count).sum();
    let split = |unit: Unit| -> Vec<Unit> {
        let is_file = matches!(unit.sources.as_slice(), [Source::File(..)]);
        let fair = (unit.row_count as u128 * partitions as u128).div_ceil(u128::from(total.max(1))) as usize;
        let row_groups = (unit.row_count as usize).div_ceil(ROW_GROUP_ROWS);
        let count = if is_file { fair.min(row_groups).max(1) } else { 1 };
        let part = |index| Unit { share: (index, count), row_count: unit.row_count / count as u64, ..unit.clone() };
        (0..count).map(part).collect()
    };
    units.into_iter().flat_map(split).collect()
}

/// Spreads the units over at most that many partitions, the largest first, each to the partition with fewest rows.
fn assign(units: Vec<Unit>, partitions: usize) -> Vec<Vec<Unit>> {
    let count = partitions.min(units.len()).max(1);
    let mut by_size: Vec<(usize, Unit)> = units.into_iter().enumerate().collect();
    by_size.sort_by_key(|(_, unit)| std::cmp::Reverse(unit.row_count));
    let mut assigned: Vec<(u64, Vec<(usize, Unit)>)> = vec![(0, Vec::new()); count];
    for (order, unit) in by_size {
        if let Some((row_count, units)) = assigned.iter_mut().min_by_key(|(row_count, units)| (*row_count, units.len()))
        {
            *row_count += unit.row_count;
            units.push((order, unit));
        }
    }
    let in_order = |(_, mut units): (u64, Vec<(usize, Unit)>)| {
        units.sort_by_key(|(order, _)| *order);
        units.into_iter().map(|(_, unit)| unit).collect()
    };
    assigned.into_iter().map(in_order).collect()
}

/// One unit at most, and if that is a file, one in the table's order.
fn is_sorted(units: &[Unit], schema: &TableSchema) -> bool {
    match units {
        [] => true,
        [unit] => match unit.sources.as_slice() {
            [Source::File(file, _)] => file::has_order(file, &schema.sort_tags()),
            _ => true,
        },
        _ => false,
    }
}

impl ScanPartition {
    /// One unit alone.
    pub(super) fn of_unit(unit: Unit, common: &Arc<Common>) -> Self {
        Self {
            sorted: is_sorted(std::slice::from_ref(&unit), &common.snapshot.parts.schema),
            units: vec![unit],
            common: Arc::clone(common),
        }
    }

    /// The rows, from the start.
    #[must_use]
    pub fn stream(&self) -> BatchStream {
        let common = Arc::clone(&self.common);
        let units = stream::iter(self.units.clone()).map(move |unit| unit_stream(unit, &common)).flatten().boxed();
        match self.common.limit {
            None => units,
            Some(limit) => limited(units, limit),
        }
    }

    /// The rows of its sources: at least as many as its stream returns. A part of a file counts as the whole file,
    /// since which rows its row groups hold is known only when it is opened.
    #[must_use]
    pub fn row_count_bound(&self) -> u64 {
        self.units.iter().flat_map(|unit| &unit.sources).map(Source::row_count).sum()
    }
}

/// The first `limit` rows; the source is not polled again after them.
fn limited(batches: BatchStream, limit: usize) -> BatchStream {
    stream::try_unfold((batches, limit), |(mut batches, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let Some(batch) = batches.try_next().await? else {
            return Ok(None);
        };
        let batch = if batch.num_rows() > left { batch.slice(0, left) } else { batch };
        let left = left - batch.num_rows();
        Ok(Some((batch, (batches, left))))
    })
    .boxed()
}

fn unit_stream(unit: Unit, common: &Arc<Common>) -> BatchStream {
    let alone = match unit.sources.as_slice() {
        [Source::File(file, _)] => !common.sorted || file::has_order(file, &common.snapshot.parts.schema.sort_tags()),
        sources => sources.len() == 1,
    };
    let columns = if alone { distinct(&common.projection) } else { merge_columns(common) };
    let indices: Vec<usize> =
        common.projection.iter().filter_map(|wanted| columns.iter().position(|column| column == wanted)).collect();
    let schema = &common.snapshot.parts.schema;
    let merge_columns = MergeColumns { tag_count: schema.tags().count(), columns: columns.len() };
    let options = Arc::new(SourceOptions {
        schema: Arc::clone(schema),
        columns,
        filters: common.filters.clone(),
        time_range: common.time_range,
        batch_rows: common.batch_rows,
    });
    let parts = &common.snapshot.parts;
    let mut sources = Vec::with_capacity(unit.sources.len());
    for source in unit.sources {
        sources.push(match source {
            Source::Buffer(rows, deletes) => buffer::stream(rows, deletes, Arc::clone(&options)),
            Source::File(file, deletes) if alone || file::has_order(&file, &schema.sort_tags()) => {
                file::stream(parts, file, deletes, unit.share, Arc::clone(&options))
            }
            Source::File(file, deletes) => merge::sorted(
                file::stream(parts, file, deletes, unit.share, Arc::clone(&options)),
                merge_columns,
                common.batch_rows,
            ),
        });
    }
    let rows = match (sources.pop(), sources.is_empty()) {
        (None, _) => stream::empty().boxed(),
        (Some(only), true) => only,
        (Some(last), false) => {
            sources.push(last);
            merge::stream(sources, merge_columns, common.batch_rows)
        }
    };
    let schema = SchemaRef::clone(&common.schema);
    rows.map(move |rows: Result<Rows, ScanError>| Ok(rows?.into_batch(&indices, &schema)?)).boxed()
}

fn distinct(columns: &[ColumnId]) -> Vec<ColumnId> {
    let mut distinct: Vec<ColumnId> = Vec::with_capacity(columns.len());
    for column in columns {
        if !distinct.contains(column) {
            distinct.push(*column);
        }
    }
    distinct
}

/// All tags in sort order, the time, then the wanted fields.
fn merge_columns(common: &Common) -> Vec<ColumnId> {
    let mut columns = common.snapshot.parts.schema.sort_tags();
    columns.push(ColumnId::TIME);
    columns.extend(&common.projection);
    distinct(&columns)
}

//! A Parquet file as a source of a scan: pruned by row group and page, filtered by time and tags, columns by field id.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter, RowSelection,
};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescriptor;

use super::ScanError;
use super::plan::{Deletes, SeriesFilter, SourceOptions};
use super::positions;
use super::project::{self, Rows};
use super::snapshot::TableSnapshotParts;
use crate::delete::{Eraser, RowDeletes};
use crate::ids::ColumnId;
use crate::table::DataFile;

/// Whether the rows of the file come in the order of `sort_tags`: those that the file lacks are null in every row.
pub(crate) fn has_order(file: &DataFile, sort_tags: &[ColumnId]) -> bool {
    sort_tags.iter().filter(|tag| file.sort_tags.contains(tag)).eq(&file.sort_tags)
}

/// The wanted rows of one part of a file (part `share.0` of `share.1` of its row groups), in the file's order.
pub(super) fn stream(
    parts: &TableSnapshotParts,
    file: DataFile,
    deletes: Deletes,
    share: (usize, usize),
    options: Arc<SourceOptions>,
) -> BoxStream<'static, Result<Rows, ScanError>> {
    let (store, footers) = (Arc::clone(parts.store.object_store()), Arc::clone(&parts.footers));
    let delete_file = parts.delete_files.as_ref().and_then(|files| files.of(file.file).cloned());
    let opening = async move {
        let footer = footers.get(&store, &file).await?;
        let deleted = match delete_file {
            Some(delete_file) => positions::read(&store, &delete_file).await?,
            None => Vec::new(),
        };
        let reader = StoreReader::new(store, &file.path);
        let task = FileTask { path: file.path.as_str().into(), share, deleted, deletes, options };
        task.open(reader, footer)
    };
    stream::once(opening).try_flatten().boxed()
}

/// Which rows of a file are wanted, and of which columns.
struct FileTask {
    path: Arc<str>,
    share: (usize, usize),
    /// Rows that are left out, by position, ascending.
    deleted: Vec<u64>,
    deletes: Deletes,
    options: Arc<SourceOptions>,
}

impl FileTask {
    fn open(
        self,
        reader: StoreReader,
        footer: ArrowReaderMetadata,
    ) -> Result<BoxStream<'static, Result<Rows, ScanError>>, ScanError> {
        let Self { path, share, deleted, deletes, options } = self;
        let pruner = Pruner::new(&footer, &options, &deletes);
        let row_groups = pruner.row_groups(share);
        if row_groups.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let eraser = Eraser::of(&deletes);
        let columns = columns_to_read(&options, eraser.as_ref(), &pruner.leaves);
        let leaves: Vec<Option<usize>> = columns.iter().map(|column| pruner.leaves.find(*column)).collect();
        let schema = footer.parquet_schema();
        let mask = ProjectionMask::leaves(schema, leaves.iter().copied().flatten());
        let predicates = pruner.predicates(&row_groups, schema);
        let selection =
            positions::without(pruner.page_selection(&row_groups), &deleted, footer.metadata(), &row_groups);
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer.clone())
            .with_projection(mask)
            .with_row_groups(row_groups)
            .with_batch_size(options.batch_rows);
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        if !predicates.is_empty() {
            builder = builder.with_row_filter(RowFilter::new(predicates));
        }
        let failed = move |source| ScanError::File { path: Arc::clone(&path), source };
        let batches = builder.build().map_err(&failed)?;
        let places = places(&leaves);
        Ok(batches
            .map_err(failed)
            .map(move |batch| {
                let Rows { columns: arrays, len } = arrange(&batch?, &places, &columns, &options);
                let Some(eraser) = &eraser else { return Ok(Rows { columns: arrays, len }) };
                let mut left = eraser.erase(&columns, arrays, len)?;
                left.arrays.truncate(options.columns.len());
                Ok(Rows { columns: left.arrays, len: left.len })
            })
            .try_filter(|rows| futures::future::ready(rows.len > 0))
            .boxed())
    }
}

/// The wanted columns, and behind them what an eraser needs besides.
fn columns_to_read(options: &SourceOptions, eraser: Option<&Eraser>, leaves: &Leaves) -> Vec<ColumnId> {
    let mut columns = options.columns.clone();
    if let Some(eraser) = eraser {
        let fields = options.schema.fields().map(|field| field.id).filter(|id| leaves.find(*id).is_some());
        for column in eraser.columns().into_iter().chain(fields) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
    }
    columns
}

/// Where each wanted column stands in the reader's batches, which hold the wanted leaves by ascending leaf.
fn places(leaves: &[Option<usize>]) -> Vec<Option<usize>> {
    let mut present: Vec<usize> = leaves.iter().copied().flatten().collect();
    present.sort_unstable();
    leaves.iter().map(|leaf| leaf.and_then(|leaf| present.binary_search(&leaf).ok())).collect()
}

fn arrange(batch: &RecordBatch, places: &[Option<usize>], columns: &[ColumnId], options: &SourceOptions) -> Rows {
    let len = batch.num_rows();
    let column = |(place, id): (&Option<usize>, &ColumnId)| match place {
        Some(index) => ArrayRef::clone(batch.column(*index)),
        None => project::nulls(&options.schema, *id, len),
    };
    Rows { columns: places.iter().zip(columns).map(column).collect(), len }
}

/// The Parquet leaf of each column of a file, by field id.
#[derive(Debug)]
pub(super) struct Leaves(Vec<(ColumnId, usize)>);

impl Leaves {
    pub(super) fn new(schema: &SchemaDescriptor) -> Self {
        let id = |leaf: usize| {
            let info = schema.column(leaf).self_type().get_basic_info().clone();
            info.has_id().then(|| (ColumnId(i64::from(info.id())), leaf))
        };
        let mut leaves: Vec<(ColumnId, usize)> = (0..schema.num_columns()).filter_map(id).collect();
        leaves.sort_unstable();
        Self(leaves)
    }

    pub(super) fn find(&self, column: ColumnId) -> Option<usize> {
        self.0.binary_search_by_key(&column, |(id, _)| *id).ok().map(|index| self.0[index].1)
    }
}

/// What is known of the values of some rows: bounds (wider than or equal to the truth) and nulls.
struct Bounds<'a> {
    /// `None`: not known, or no value at all when `only_nulls`.
    range: Option<(&'a [u8], &'a [u8])>,
    may_have_nulls: bool,
    only_nulls: bool,
}

impl Bounds<'_> {
    /// Whether a row that the filter wants may be among them.
    fn may_match(&self, filter: &SeriesFilter) -> bool {
        let wants_null = filter.values.first().is_some_and(String::is_empty);
        if self.only_nulls {
            return wants_null;
        }
        if wants_null && self.may_have_nulls {
            return true;
        }
        let Some((least, most)) = self.range else { return true };
        filter.values.iter().any(|value| least <= value.as_bytes() && value.as_bytes() <= most)
    }
}

/// Decides what of a file need not be read.
pub(super) struct Pruner<'a> {
    metadata: &'a Arc<ParquetMetaData>,
    leaves: Leaves,
    options: &'a SourceOptions,
    deletes: &'a Deletes,
}

impl<'a> Pruner<'a> {
    pub(super) fn new(footer: &'a ArrowReaderMetadata, options: &'a SourceOptions, deletes: &'a Deletes) -> Self {
        Self { metadata: footer.metadata(), leaves: Leaves::new(footer.parquet_schema()), options, deletes }
    }

    /// The row groups of the share that may hold wanted rows.
    pub(super) fn row_groups(&self, (index, count): (usize, usize)) -> Vec<usize> {
        let total = self.metadata.num_row_groups();
        let share = total * index / count..total * (index + 1) / count;
        share.filter(|group| self.may_have_rows(self.metadata.row_group(*group))).collect()
    }

    fn may_have_rows(&self, group: &RowGroupMetaData) -> bool {
        let (first, last) = self.options.time_range;
        let bounds = self.time_bounds(group);
        let in_time = bounds.is_none_or(|(least, most)| least <= last && first <= most);
        let is_gone = bounds.is_some_and(|bounds| self.deletes.iter().any(|delete| delete.takes_all_of(bounds)));
        in_time
            && !is_gone
            && self.options.filters.iter().all(|filter| self.tag_bounds(group, filter.column).may_match(filter))
    }

    fn time_bounds(&self, group: &RowGroupMetaData) -> Option<(i64, i64)> {
        match group.column(self.leaves.find(ColumnId::TIME)?).statistics()? {
            Statistics::Int64(values) => values.min_opt().copied().zip(values.max_opt().copied()),
            _ => None,
        }
    }

    fn tag_bounds<'b>(&self, group: &'b RowGroupMetaData, column: ColumnId) -> Bounds<'b> {
        let Some(leaf) = self.leaves.find(column) else {
            // The file is older than the tag.
            return Bounds { range: None, may_have_nulls: true, only_nulls: true };
        };
        let Some(statistics) = group.column(leaf).statistics() else {
            return Bounds { range: None, may_have_nulls: true, only_nulls: false };
        };
        let nulls = statistics.null_count_opt();
        Bounds {
            range: statistics.min_bytes_opt().zip(statistics.max_bytes_opt()),
            may_have_nulls: nulls != Some(0),
            only_nulls: nulls == u64::try_from(group.num_rows()).ok(),
        }
    }

    /// Rows of those row groups whose page may hold wanted rows; `None` if all may.
    fn page_selection(&self, row_groups: &[usize]) -> Option<RowSelection> {
        let (indexes, offsets) = (self.metadata.column_index()?, self.metadata.offset_index()?);
        let total: usize = row_groups.iter().map(|group| self.group_rows(*group)).sum();
        let mut wanted: Vec<Range<usize>> = std::iter::once(0..total).collect();
        let filters = self.options.filters.iter().map(|filter| (filter.column, Some(filter)));
        for (column, filter) in filters.chain([(ColumnId::TIME, None)]) {
            let Some(leaf) = self.leaves.find(column) else { continue };
            let mut kept: Vec<Range<usize>> = Vec::new();
            let mut start = 0;
            for group in row_groups {
                let rows = self.group_rows(*group);
                let index = indexes.get(*group).and_then(|leaves| leaves.get(leaf));
                let pages = offsets.get(*group).and_then(|leaves| leaves.get(leaf)).map(|pages| pages.page_locations());
                let (Some(index), Some(pages)) = (index, pages) else {
                    kept.push(start..start + rows);
                    start += rows;
                    continue;
                };
                for (page, location) in pages.iter().enumerate() {
                    let first = location.first_row_index as usize;
                    let end = pages.get(page + 1).map_or(rows, |next| next.first_row_index as usize);
                    if self.page_may_match(index, page, filter) {
                        kept.push(start + first..start + end);
                    }
                }
                start += rows;
            }
            wanted = intersect(&wanted, &kept);
        }
        let is_all = wanted.iter().map(Range::len).sum::<usize>() == total;
        (!is_all).then(|| RowSelection::from_consecutive_ranges(wanted.into_iter(), total))
    }

    fn group_rows(&self, group: usize) -> usize {
        self.metadata.row_group(group).num_rows() as usize
    }

    /// Whether a page of a tag (with its filter) or of the time (without) may hold wanted rows.
    fn page_may_match(&self, index: &ColumnIndexMetaData, page: usize, filter: Option<&SeriesFilter>) -> bool {
        match (index, filter) {
            (ColumnIndexMetaData::BYTE_ARRAY(values), Some(filter)) => Bounds {
                range: values.min_value(page).zip(values.max_value(page)),
                may_have_nulls: index.null_count(page) != Some(0),
                only_nulls: index.is_null_page(page),
            }
            .may_match(filter),
            (ColumnIndexMetaData::INT64(values), None) => {
                let (first, last) = self.options.time_range;
                let bounds = values.min_value(page).zip(values.max_value(page));
                bounds.is_none_or(|(least, most)| *least <= last && first <= *most)
            }
            _ => true,
        }
    }

    /// The filters that not all rows of the row groups are known to pass, tags first: they usually leave less.
    fn predicates(&self, row_groups: &[usize], schema: &SchemaDescriptor) -> Vec<Box<dyn ArrowPredicate>> {
        let mut predicates: Vec<Box<dyn ArrowPredicate>> = Vec::new();
        for filter in &self.options.filters {
            // Without the column all rows are null, and the row groups were kept because null is wanted.
            let Some(leaf) = self.leaves.find(filter.column) else {
                continue;
            };
            let filter = filter.clone();
            let mask = ProjectionMask::leaves(schema, [leaf]);
            predicates.push(Box::new(ArrowPredicateFn::new(mask, move |batch| Ok(matching(&batch, &filter)))));
        }
        let (first, last) = self.options.time_range;
        let is_within = |group: &usize| {
            let bounds = self.time_bounds(self.metadata.row_group(*group));
            bounds.is_some_and(|(least, most)| first <= least && most <= last)
        };
        if let Some(leaf) = self.leaves.find(ColumnId::TIME).filter(|_| !row_groups.iter().all(is_within)) {
            let mask = ProjectionMask::leaves(schema, [leaf]);
            predicates.push(Box::new(ArrowPredicateFn::new(mask, move |batch| within(&batch, first, last))));
        }
        predicates.extend(self.not_deleted(schema));
        predicates
    }

    /// Lets through the rows that no delete takes.
    fn not_deleted(&self, schema: &SchemaDescriptor) -> Option<Box<dyn ArrowPredicate>> {
        let deletes = RowDeletes::of(self.deletes)?;
        // The reader gives columns by ascending leaf.
        let mut found: Vec<(usize, ColumnId)> =
            deletes.columns().into_iter().filter_map(|id| Some((self.leaves.find(id)?, id))).collect();
        found.sort_unstable();
        let mask = ProjectionMask::leaves(schema, found.iter().map(|(leaf, _)| *leaf));
        let ids: Vec<ColumnId> = found.into_iter().map(|(_, id)| id).collect();
        let kept = move |batch: RecordBatch| Ok(deletes.kept(&ids, batch.columns(), batch.num_rows()));
        Some(Box::new(ArrowPredicateFn::new(mask, kept)))
    }
}

/// The overlaps of two ascending lists of disjoint ranges.
fn intersect(left: &[Range<usize>], right: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut result, mut l, mut r) = (Vec::new(), 0, 0);
    while let (Some(a), Some(b)) = (left.get(l), right.get(r)) {
        let overlap = a.start.max(b.start)..a.end.min(b.end);
        if !overlap.is_empty() {
            result.push(overlap);
        }
        if a.end < b.end { l += 1 } else { r += 1 }
    }
    result
}

/// Per row whether its tag, the only column of the batch, passes the filter. Each dictionary value is looked at once.
fn matching(batch: &RecordBatch, filter: &SeriesFilter) -> BooleanArray {
    let dictionary = batch.column(0).as_dictionary::<Int32Type>();
    let values = dictionary.values().as_string::<i32>();
    let wanted: Vec<bool> = values.iter().map(|value| filter.matches(value)).collect();
    let null_wanted = filter.matches(None);
    let keys = dictionary.keys();
    let row = |row: usize| {
        if keys.is_null(row) { null_wanted } else { wanted[keys.value(row) as usize] }
    };
    BooleanArray::new(BooleanBuffer::collect_bool(keys.len(), row), None)
}

/// Per row whether its time, the only column of the batch, lies in the range.
fn within(batch: &RecordBatch, first: i64, last: i64) -> Result<BooleanArray, ArrowError> {
    let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values();
    let row = |row: usize| first <= times[row] && times[row] <= last;
    Ok(BooleanArray::new(BooleanBuffer::collect_bool(times.len(), row), None))
}

/// Reads ranges of one object.
#[derive(Debug)]
pub(super) struct StoreReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
}

impl StoreReader {
    pub(super) fn new(store: Arc<dyn ObjectStore>, path: &str) -> Self {
        Self { store, path: Path::from(path) }
    }
}

fn store_error(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for StoreReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.store.get_range(&self.path, range).map_err(store_error).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(store_error) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        // Footers come from the cache.
        async { Err(ParquetError::General("the footer of a data file is read by the footer cache".to_owned())) }.boxed()
    }
}

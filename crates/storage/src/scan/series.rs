//! Scans by series: batches of fields and times with the runs of rows that belong to one series, and what its tags are.
//!
//! Of a file that stands alone, tags and mostly times come from the [`Layout`] of its row groups, so only wanted rows
//! of wanted fields are decoded, where the caller is, without a stream. All else (buffers, files that overlap in time,
//! pending deletes, series of a few rows) goes through the ordinary scan and is parted into runs by its tags. Both
//! give the same rows.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{Int32Type, TimestampNanosecondType};
use futures::TryStreamExt;
use parquet::arrow::arrow_reader::RowSelection;

use super::direct::{DirectReader, MaybeColumns, OpenFile};
use super::file::Pruner;
use super::last::LastPiece;
use super::layout::{Layout, NO_TAG, Runs};
use super::plan::{self, Common, Source, SourceOptions, Unit};
use super::snapshot::TableSnapshot;
use super::{BatchStream, ScanError, ScanPartition, TagFilter, project};
use crate::flush::{PAGE_ROWS, ROW_GROUP_ROWS};
use crate::ids::ColumnId;
use crate::table::ColumnKind;

/// Unwanted rows between wanted ones that are decoded with them: skipping costs about as much.
const GAP_ROWS: u32 = 256;

/// Values that are worth a thread of their own: decoding them takes about half a millisecond.
const PARTITION_VALUES: u64 = 200_000;

/// Says from the values of [`SeriesScanRequest::tags`], in that order, whether a series is wanted; `None` is a tag that
/// the series does not have.
pub type SeriesPredicate = Arc<dyn Fn(&[Option<&str>]) -> bool + Send + Sync>;

/// Which rows of a series are enough. Of both last ones, other rows of the series may come too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RowsNeeded {
    /// All of them.
    #[default]
    All,
    /// The last one in which any of the wanted fields has a value.
    LastWithAnyField,
    /// For each wanted field the last one in which it has a value.
    LastWithAllFields,
}

/// What a query wants of a table, series by series.
#[derive(Clone)]
pub struct SeriesScanRequest {
    /// Tags whose values the caller wants of each run, by index in [`TableSnapshot::schema`]. If they are not all tags
    /// of the table, a run may hold rows of several series, one behind the other.
    pub tags: Vec<usize>,
    /// Fields by index in [`TableSnapshot::schema`], in the order in which their columns are to come.
    pub fields: Vec<usize>,
    /// Earliest and latest time in nanoseconds, both inclusive: rows outside never come.
    pub time_range: (i64, i64),
    /// All of these hold for the rows that come.
    pub tag_filters: Vec<TagFilter>,
    /// Runs for which this is false never come.
    pub keep: Option<SeriesPredicate>,
    /// Which rows of each series are enough.
    pub rows: RowsNeeded,
    /// Rows of a batch, at most.
    pub batch_rows: usize,
    /// How many partitions are wanted, at most; there are fewer if they would have little to do.
    pub partitions: usize,
}

/// Some rows of a table. Only those in `runs` count.
#[derive(Debug)]
pub struct SeriesBatch {
    /// The time of each row in nanoseconds.
    pub times: Vec<i64>,
    /// The wanted fields, in the order of the request.
    pub columns: Vec<ArrayRef>,
    /// Rows with the same values of the wanted tags, ascending and disjoint. Times ascend within each.
    pub runs: Vec<Range<usize>>,
    pub(super) tags: Vec<RunTags>,
}

/// A wanted tag of the runs of a batch.
#[derive(Debug)]
pub(super) struct RunTags {
    keys: Vec<i32>,
    values: StringArray,
}

impl RunTags {
    /// A tag of some runs of a row group.
    pub(super) fn of(runs: &Runs, column: ColumnId, places: &[usize]) -> Self {
        match runs.tag(column) {
            Some(tag) => Self { keys: places.iter().map(|run| tag.keys[*run]).collect(), values: tag.values.clone() },
            None => Self { keys: vec![NO_TAG; places.len()], values: StringArray::new_null(0) },
        }
    }
}

impl SeriesBatch {
    /// The value of a wanted tag (by place in the request) in a run (by place in `runs`); `None` if it has none.
    #[must_use]
    pub fn tag(&self, run: usize, tag: usize) -> Option<&str> {
        let tag = self.tags.get(tag)?;
        let key = *tag.keys.get(run)?;
        usize::try_from(key).ok().map(|key| tag.values.value(key))
    }

    /// Bytes of memory that its rows take.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.times.len() * 8 + self.columns.iter().map(|column| column.get_array_memory_size()).sum::<usize>()
    }
}

/// A part of a scan that one thread reads. The rows of the first partition come before those of the second, and so on:
/// by time from file to file, within a file in its order.
pub struct SeriesPartition {
    pieces: VecDeque<Piece>,
    current: Option<Current>,
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) common: Arc<Common>,
    pub(super) tags: Vec<ColumnId>,
    pub(super) fields: Vec<ColumnId>,
    keep: Option<SeriesPredicate>,
    pub(super) rows: RowsNeeded,
    pub(super) batch_rows: usize,
}

/// What is read at a time.
enum Piece {
    Direct(Box<DirectPiece>),
    Last(Box<LastPiece>),
    Ready(SeriesBatch),
    Plain(Unit),
}

/// Some rows of a row group.
pub(super) struct DirectPiece {
    file: Arc<OpenFile>,
    group: usize,
    layout: Arc<Layout>,
    runs: Vec<SelectedRun>,
    /// The rows that are decoded: those of the runs and short gaps between them.
    ranges: Vec<Range<usize>>,
}

struct SelectedRun {
    run: usize,
    rows: Range<u32>,
    /// The place of its first row among those that are decoded.
    at: usize,
}

enum Current {
    Direct { piece: Box<DirectPiece>, reader: Box<DirectReader>, passed: usize, next: usize },
    Plain(BatchStream),
}

/// Plans the scan and finds out where the wanted series are; layouts that are not known yet are read for it.
pub(super) async fn plan(
    snapshot: &Arc<TableSnapshot>,
    request: &SeriesScanRequest,
) -> Result<Vec<SeriesPartition>, ScanError> {
    let column =
        |index: &usize| snapshot.query_columns.get(*index).copied().ok_or(ScanError::NoColumn { index: *index });
    let tag = |index: &usize| {
        let column = column(index)?;
        let is_tag = snapshot.parts.schema.column(column).is_some_and(|column| column.kind == ColumnKind::Tag);
        if is_tag { Ok(column) } else { Err(ScanError::NoTag { index: *index }) }
    };
    let tags = request.tags.iter().map(tag).collect::<Result<Vec<_>, ScanError>>()?;
    let fields = request.fields.iter().map(column).collect::<Result<Vec<_>, ScanError>>()?;
    let indices: Vec<usize> = std::iter::once(&0).chain(&request.tags).chain(&request.fields).copied().collect();
    let common = Arc::new(Common {
        snapshot: Arc::clone(snapshot),
        projection: std::iter::once(ColumnId::TIME).chain(tags.iter().chain(&fields).copied()).collect(),
        schema: Arc::new(snapshot.schema().project(&indices)?),
        filters: plan::series_filters(snapshot, &request.tag_filters)?,
        time_range: (request.time_range.0.max(snapshot.parts.visible_from), request.time_range.1),
        batch_rows: request.batch_rows.max(1),
        limit: None,
        sorted: false,
    });
    let shared =
        Shared { tags, fields, keep: request.keep.clone(), rows: request.rows, batch_rows: common.batch_rows, common };
    let shared = Arc::new(shared);
    let partitions = request.partitions.max(1);
    let mut pieces: Vec<(u64, Piece)> = Vec::new();
    for unit in plan::groups(snapshot, shared.common.time_range) {
        match shared.direct_pieces(&unit).await? {
            Some(direct) => pieces.extend(direct),
            None => {
                let columns = shared.common.projection.len() as u64 + 1;
                let parts = plan::split_files(vec![unit], partitions).into_iter();
                pieces.extend(parts.map(|unit| (unit.row_count * columns, Piece::Plain(unit))));
            }
        }
    }
    Ok(spread(pieces, partitions, &shared))
}

/// Parts the pieces into partitions of about the same cost, in their order.
fn spread(pieces: Vec<(u64, Piece)>, partitions: usize, shared: &Arc<Shared>) -> Vec<SeriesPartition> {
    let total: u64 = pieces.iter().map(|(cost, _)| cost).sum();
    let count = (total / PARTITION_VALUES).clamp(1, partitions as u64);
    let partition = || SeriesPartition { pieces: VecDeque::new(), current: None, shared: Arc::clone(shared) };
    let mut spread = vec![partition()];
    let mut gathered = 0;
    for (cost, piece) in pieces {
        // A piece belongs where its middle lies.
        let middle = u128::from(gathered + cost / 2) * u128::from(count);
        let is_begun = spread.last().is_some_and(|last| !last.pieces.is_empty());
        if is_begun && (spread.len() as u64) < count && middle >= u128::from(total) * spread.len() as u128 {
            spread.push(partition());
        }
        if let Some(last) = spread.last_mut() {
            last.pieces.push_back(piece);
        }
        gathered += cost;
    }
    spread
}

impl Shared {
    /// The wanted rows of a file that stands alone, with what reading them costs in values; `None` if the unit has to
    /// be read in the ordinary way.
    async fn direct_pieces(&self, unit: &Unit) -> Result<Option<Vec<(u64, Piece)>>, ScanError> {
        let [Source::File(file, deletes)] = unit.sources.as_slice() else { return Ok(None) };
        let parts = &self.common.snapshot.parts;
        let has_delete_file = parts.delete_files.as_ref().is_some_and(|files| files.of(file.file).is_some());
        if !deletes.is_empty() || has_delete_file {
            return Ok(None);
        }
        let file = Arc::new(OpenFile::open(&parts.store, &parts.footers, file).await?);
        let options = SourceOptions {
            schema: Arc::clone(&parts.schema),
            columns: Vec::new(),
            filters: self.common.filters.clone(),
            time_range: self.common.time_range,
            batch_rows: self.batch_rows,
        };
        // Where times behind the wanted ones are in the file, its last rows are not those that are wanted.
        let last_suffices = self.rows != RowsNeeded::All && file.file.time_range.1 <= self.common.time_range.1;
        let groups = Pruner::new(&file.footer, &options, deletes).row_groups((0, 1));
        let mut pieces = Vec::with_capacity(groups.len());
        for group in groups {
            let layout = file.layout(group).await?;
            let Layout::Runs(runs) = &*layout else { return Ok(None) };
            let selected = self.select(runs);
            if selected.is_empty() {
                continue;
            }
            let columns = (self.fields.len() + usize::from(runs.times_are_stored())).max(1);
            let all_rows = cost(&selected) * columns as u64;
            if last_suffices {
                let known = (selected.len() * columns) as u64;
                let (file, layout) = (Arc::clone(&file), Arc::clone(&layout));
                let piece = LastPiece { file, group, layout, selected };
                let cost = if piece.is_known(&self.fields) { known } else { all_rows };
                pieces.push((cost, Piece::Last(Box::new(piece))));
                continue;
            }
            let piece = DirectPiece::new(Arc::clone(&file), group, Arc::clone(&layout), selected);
            pieces.push((all_rows, Piece::Direct(Box::new(piece))));
        }
        Ok(Some(pieces))
    }

    /// The wanted runs of a row group and their wanted rows.
    fn select(&self, runs: &Runs) -> Vec<(usize, Range<u32>)> {
        let mut filters = Vec::with_capacity(self.common.filters.len());
        for filter in &self.common.filters {
            match runs.tag(filter.column) {
                Some(tag) => {
                    // Each value is looked at once.
                    let wanted: Vec<bool> = tag.values.iter().map(|value| filter.matches(value)).collect();
                    filters.push((&tag.keys, wanted, filter.matches(None)));
                }
                None if filter.matches(None) => {}
                None => return Vec::new(),
            }
        }
        let tags: Vec<_> = self.tags.iter().map(|tag| runs.tag(*tag)).collect();
        let mut values: Vec<Option<&str>> = vec![None; tags.len()];
        let mut selected = Vec::new();
        for run in 0..runs.len() {
            let passes = |(keys, wanted, without): &(&Vec<i32>, Vec<bool>, bool)| {
                usize::try_from(keys[run]).map_or(*without, |key| wanted[key])
            };
            if !filters.iter().all(passes) {
                continue;
            }
            if let Some(keep) = &self.keep {
                for (value, tag) in values.iter_mut().zip(&tags) {
                    let key = tag.filter(|tag| tag.keys[run] != NO_TAG).map(|tag| (tag, tag.keys[run] as usize));
                    *value = key.map(|(tag, key)| tag.values.value(key));
                }
                if !keep(&values) {
                    continue;
                }
            }
            let rows = runs.rows_within(run, self.common.time_range);
            if !rows.is_empty() {
                selected.push((run, rows));
            }
        }
        selected
    }

    /// The rows of a batch of the ordinary scan, parted into runs.
    fn part(&self, batch: &RecordBatch) -> SeriesBatch {
        let len = batch.num_rows();
        let times = batch.column(0).as_primitive::<TimestampNanosecondType>().values().to_vec();
        let dictionaries: Vec<_> =
            (0..self.tags.len()).map(|tag| batch.column(tag + 1).as_dictionary::<Int32Type>()).collect();
        let key = |tag: usize, row: usize| {
            let dictionary = dictionaries[tag];
            let key = dictionary.keys().is_valid(row).then(|| dictionary.keys().value(row));
            key.filter(|key| dictionary.values().is_valid(*key as usize)).unwrap_or(NO_TAG)
        };
        let mut tags: Vec<RunTags> = dictionaries
            .iter()
            .map(|tag| RunTags { keys: Vec::new(), values: tag.values().as_string::<i32>().clone() })
            .collect();
        let mut runs = Vec::new();
        let mut start = 0;
        while start < len {
            let keys: Vec<i32> = (0..self.tags.len()).map(|tag| key(tag, start)).collect();
            let same = |row: &usize| {
                // Another series begins where the time does not go on.
                times.get(row - 1) < times.get(*row)
                    && keys.iter().enumerate().all(|(tag, known)| key(tag, *row) == *known)
            };
            let end = start + 1 + (start + 1..len).take_while(same).count();
            let value =
                |(key, tag): (&i32, &RunTags)| usize::try_from(*key).ok().map(|key| tag.values.value(key).to_owned());
            let keeps = self.keep.as_ref().is_none_or(|keep| {
                let values: Vec<Option<String>> = keys.iter().zip(&tags).map(value).collect();
                keep(&values.iter().map(Option::as_deref).collect::<Vec<_>>())
            });
            if keeps {
                runs.push(start..end);
                tags.iter_mut().zip(keys).for_each(|(tag, key)| tag.keys.push(key));
            }
            start = end;
        }
        SeriesBatch { times, columns: batch.columns()[1 + self.tags.len()..].to_vec(), runs, tags }
    }

    /// The rows that a piece gave, with the runs that are among them.
    fn assemble(
        &self,
        piece: &DirectPiece,
        arrays: MaybeColumns,
        window: Range<usize>,
        next: &mut usize,
    ) -> SeriesBatch {
        let len = window.len();
        let mut times = vec![0; len];
        let (mut batch_runs, mut places) = (Vec::new(), Vec::new());
        let Layout::Runs(runs) = &*piece.layout else { return SeriesBatch::empty() };
        let stored = if runs.times_are_stored() { arrays.last().cloned().flatten() } else { None };
        if let Some(stored) = &stored {
            times.copy_from_slice(stored.as_primitive::<TimestampNanosecondType>().values());
        }
        while let Some(selected) = piece.runs.get(*next).filter(|selected| selected.at < window.end) {
            let all = selected.at..selected.at + selected.rows.len();
            let (from, to) = (all.start.max(window.start), all.end.min(window.end));
            let mut rows = from - window.start..to - window.start;
            if stored.is_some() {
                let (first, last) = self.common.time_range;
                let within = &times[rows.clone()];
                let (skip, take) =
                    (within.partition_point(|time| *time < first), within.partition_point(|time| *time <= last));
                rows = rows.start + skip..rows.start + take.max(skip);
            } else {
                let of_run = selected.rows.start + (from - all.start) as u32;
                runs.fill_times(selected.run, of_run..of_run + (to - from) as u32, &mut times[rows.clone()]);
            }
            if !rows.is_empty() {
                batch_runs.push(rows);
                places.push(selected.run);
            }
            if all.end > window.end {
                break;
            }
            *next += 1;
        }
        let schema = &self.common.snapshot.parts.schema;
        let column =
            |(array, id): (Option<ArrayRef>, &ColumnId)| array.unwrap_or_else(|| project::nulls(schema, *id, len));
        SeriesBatch {
            times,
            columns: arrays.into_iter().zip(&self.fields).map(column).collect(),
            tags: self.tags.iter().map(|tag| RunTags::of(runs, *tag, &places)).collect(),
            runs: batch_runs,
        }
    }
}

/// Rows that have to be decoded for some runs: pages are decoded from their start.
fn cost(selected: &[(usize, Range<u32>)]) -> u64 {
    let rows = selected.iter().map(|(_, rows)| rows.len() + PAGE_ROWS / 2).sum::<usize>();
    rows.min(ROW_GROUP_ROWS) as u64
}

impl SeriesBatch {
    fn empty() -> Self {
        Self { times: Vec::new(), columns: Vec::new(), runs: Vec::new(), tags: Vec::new() }
    }
}

impl DirectPiece {
    pub(super) fn new(
        file: Arc<OpenFile>,
        group: usize,
        layout: Arc<Layout>,
        selected: Vec<(usize, Range<u32>)>,
    ) -> Self {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut runs = Vec::with_capacity(selected.len());
        let mut before = 0;
        for (run, rows) in selected {
            let (start, end) = (rows.start as usize, rows.end as usize);
            match ranges.last_mut() {
                Some(last) if start <= last.end + GAP_ROWS as usize => last.end = end,
                last => {
                    before += last.map_or(0, |last| last.len());
                    ranges.push(start..end);
                }
            }
            let at = before + start - ranges.last().map_or(start, |range| range.start);
            runs.push(SelectedRun { run, rows, at });
        }
        Self { file, group, layout, runs, ranges }
    }

    async fn open(&self, shared: &Shared) -> Result<DirectReader, ScanError> {
        let mut columns = shared.fields.clone();
        if matches!(&*self.layout, Layout::Runs(runs) if runs.times_are_stored()) {
            columns.push(ColumnId::TIME);
        }
        let total = self.file.metadata().row_group(self.group).num_rows() as usize;
        let decoded: usize = self.ranges.iter().map(Range::len).sum();
        let selection =
            (decoded < total).then(|| RowSelection::from_consecutive_ranges(self.ranges.iter().cloned(), total));
        self.file.read(self.group, &columns, selection, shared.batch_rows).await
    }
}

impl SeriesPartition {
    /// The wanted rows that are still to be read: of rows that are not sorted out by series yet, all.
    #[must_use]
    pub fn row_count_bound(&self) -> u64 {
        let rows = |piece: &Piece| match piece {
            Piece::Direct(piece) => piece.runs.iter().map(|run| run.rows.len() as u64).sum(),
            Piece::Last(piece) => piece.selected.iter().map(|(_, rows)| rows.len() as u64).sum(),
            Piece::Ready(batch) => batch.times.len() as u64,
            Piece::Plain(unit) => unit.row_count,
        };
        self.pieces.iter().map(rows).sum()
    }

    /// The next rows; `None` behind the last ones. Decoding happens in here and takes up to some milliseconds.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub async fn next(&mut self) -> Result<Option<SeriesBatch>, ScanError> {
        loop {
            match &mut self.current {
                None => match self.pieces.pop_front() {
                    None => return Ok(None),
                    Some(Piece::Direct(piece)) => {
                        let reader = Box::new(piece.open(&self.shared).await?);
                        self.current = Some(Current::Direct { piece, reader, passed: 0, next: 0 });
                    }
                    Some(Piece::Last(piece)) => {
                        let (batches, rest) = piece.read(&self.shared).await?;
                        let rest = rest.map(|rest| Piece::Direct(Box::new(rest)));
                        let next: Vec<Piece> = batches.into_iter().map(Piece::Ready).chain(rest).collect();
                        next.into_iter().rev().for_each(|piece| self.pieces.push_front(piece));
                    }
                    Some(Piece::Ready(batch)) => return Ok(Some(batch)),
                    Some(Piece::Plain(unit)) => {
                        let partition = ScanPartition::of_unit(unit, &self.shared.common);
                        self.current = Some(Current::Plain(partition.stream()));
                    }
                },
                Some(Current::Direct { piece, reader, passed, next }) => match reader.next_columns()? {
                    Some((arrays, len)) => {
                        let window = *passed..*passed + len;
                        *passed = window.end;
                        return Ok(Some(self.shared.assemble(piece, arrays, window, next)));
                    }
                    None => self.current = None,
                },
                Some(Current::Plain(batches)) => match batches.try_next().await? {
                    Some(batch) => return Ok(Some(self.shared.part(&batch))),
                    None => self.current = None,
                },
            }
        }
    }
}

impl TableSnapshot {
    /// Plans a scan by series. Layouts of row groups that no scan has seen yet are read here.
    ///
    /// # Errors
    /// If the request names a column that does not exist or takes a field for a tag, or if a file cannot be read.
    pub async fn scan_series(self: &Arc<Self>, request: &SeriesScanRequest) -> Result<Vec<SeriesPartition>, ScanError> {
        plan(self, request).await
    }
}

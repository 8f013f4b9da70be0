//! Raw rows of one table, read series by series and sent while they are read.
//!
//! ```text
//! table ── scan by series ── rows that are wanted, still as columns ── merge by time ── rows ── answer
//! ```
//!
//! What takes little memory is read at once. All else is read in [slices](super::slices), each of which is sent before
//! the next one is read: of groups in the order of the answer, and of times where a single group is large. The heap of
//! the merge begins anew with each slice of times, so rows of different series at one time may then come in another
//! order than in a small answer, as in InfluxDB from shard to shard.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array as _, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter;
use storage::{RowsNeeded, SeriesBatch, SeriesPartition, SeriesScanRequest, TableSnapshot};

use super::answer::Sink;
use super::columns::Column;
use super::direct::{Columns, dimensions, measurement, partitions, place_in};
use super::direct_filter::{Place, part};
use super::execute::{Budget, Series, scan_range};
use super::groups::ENTRY_BYTES;
use super::merge::{Merge, SeriesRows};
use super::node::Node;
use super::plan::Plan;
use super::schema::TableColumns;
use super::slices::{SliceMemory, TimeSlices, group_ranges};
use super::value::{Kind, Scalar, Value};
use crate::error::QueryError;
use crate::limits;
use crate::ops::window_aggregate::{RowFilter, each_partition, failed};

/// The values of the tags of a group that the table has, and those of all tags of a series.
pub(super) type TagTexts = Vec<Arc<str>>;

/// The rows of some groups.
type RawGroups = BTreeMap<TagTexts, BTreeMap<TagTexts, VecDeque<Segment>>>;

/// Rows of one table.
pub(super) struct RawPlan<'a> {
    plan: &'a Plan,
    table: Arc<TableSnapshot>,
    known: TableColumns,
    columns: Arc<[String]>,
    scan: SeriesScanRequest,
    rows: Arc<RawRows>,
}

/// How rows become those of the answer.
struct RawRows {
    /// Tags of the groups, and behind them all tags of the series by name, by place in the request.
    group_tags: usize,
    series_tags: Vec<usize>,
    nodes: Vec<Node>,
    places: Vec<Place>,
    /// Of these fields one must be there.
    required: Vec<usize>,
    filter: Option<RowFilter>,
    descending: bool,
    /// Rows of a series that are shown, at most.
    most: usize,
}

/// Rows of one series in a batch.
struct Segment {
    batch: Arc<HeldBatch>,
    run: usize,
    rows: Range<usize>,
}

/// A batch, and the memory that it takes as long as a row of it is to come.
struct HeldBatch {
    batch: SeriesBatch,
    columns: Vec<Column>,
    bytes: usize,
    memory: Arc<SliceMemory>,
}

impl Drop for HeldBatch {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

/// What is left of the page of a group.
pub(super) struct Page {
    skip: usize,
    left: usize,
    /// Whether rows of it have been sent.
    is_open: bool,
}

impl<'a> RawPlan<'a> {
    pub(super) fn new(plan: &'a Plan, table: &Arc<TableSnapshot>, fields: &[Node], required: &[usize]) -> Self {
        let mut columns = Columns::new(plan, table);
        let group_tags = columns.tags.len();
        let all: Vec<usize> = columns.known.tags.iter().map(|(_, index)| *index).collect();
        let series_tags = all.into_iter().map(|index| place_in(&mut columns.tags, index)).collect();
        let required_nodes: Vec<Node> = required.iter().map(|slot| Node::Slot(*slot, None)).collect();
        let places = columns.places(plan, fields.iter().chain(&plan.condition).chain(&required_nodes));
        let (keep, filter) = part(plan.condition.as_ref(), &plan.slots, &places);
        let field = |slot: &usize| match places.get(*slot) {
            Some(Place::Field(field)) => Some(*field),
            _ => None,
        };
        let rows = RawRows {
            group_tags,
            series_tags,
            nodes: fields.to_vec(),
            required: required.iter().filter_map(field).collect(),
            places,
            filter,
            descending: plan.descending,
            most: plan.page.end().unwrap_or(usize::MAX),
        };
        // Of each series one row is shown at most, and any value of a field that is read makes it one.
        let only_last = rows.most == 1
            && rows.descending
            && rows.filter.is_none()
            && (0..columns.fields.len()).all(|field| rows.required.contains(&field));
        let scan = SeriesScanRequest {
            tag_filters: columns.tag_filters(plan),
            tags: columns.tags,
            fields: columns.fields,
            rows: if only_last { RowsNeeded::LastWithAnyField } else { RowsNeeded::All },
            time_range: scan_range(plan),
            keep,
            batch_rows: limits::BATCH_ROWS,
            partitions: partitions(),
        };
        let names = std::iter::once(&plan.time_name).chain(&plan.columns).cloned().collect();
        let table = Arc::clone(table);
        Self { plan, table, known: columns.known, columns: names, scan, rows: Arc::new(rows) }
    }

    /// Reads all rows and sends them.
    ///
    /// # Errors
    /// If there are too many groups, if memory runs out, or if a file cannot be read.
    pub(super) async fn run(&self, budget: &Budget, sink: &mut Sink) -> Result<(), QueryError> {
        if self.rows.required.is_empty() {
            return Ok(());
        }
        let partitions = self.table.scan_series(&self.scan).await.map_err(failed)?;
        let rows: u64 = partitions.iter().map(SeriesPartition::row_count_bound).sum();
        let slice_rows = self.slice_rows(budget);
        let is_one_group = self.plan.dimensions.is_empty();
        let only_last = self.scan.rows != RowsNeeded::All;
        let is_short = is_one_group && rows > limits::EARLY_STOP_ROWS && self.rows.most as u64 <= rows / 4;
        if only_last || (rows <= slice_rows && !is_short) {
            let cap_bytes = if only_last { usize::MAX } else { 4 * SliceMemory::target_bytes(budget) };
            let memory = SliceMemory::new(budget, cap_bytes);
            match self.read(partitions, &memory).await {
                Ok(groups) => return self.send_groups(groups, sink).await,
                Err(QueryError::Memory { .. }) if !only_last => {}
                Err(error) => return Err(error),
            }
        }
        if is_one_group {
            let first = if is_short { limits::EARLY_STOP_ROWS.max(2 * self.rows.most as u64) } else { slice_rows };
            return self.by_time(Vec::new(), rows, first.min(slice_rows), budget, sink).await;
        }
        self.by_groups(budget, sink).await
    }

    /// How many rows are read at a time. Conditions on fields usually leave few of them.
    fn slice_rows(&self, budget: &Budget) -> u64 {
        let row_bytes = 16 + 10 * self.scan.fields.len();
        let rows = (SliceMemory::target_bytes(budget) / row_bytes) as u64;
        if self.rows.filter.is_some() { rows * limits::SLICE_GROWTH } else { rows }
    }

    /// Reads the groups slice by slice, in the order of the answer.
    async fn by_groups(&self, budget: &Budget, sink: &mut Sink) -> Result<(), QueryError> {
        let memory = SliceMemory::new(budget, usize::MAX);
        let mut groups = self.group_rows(&memory).await?;
        if self.rows.descending {
            groups.reverse();
        }
        let mut target = self.slice_rows(budget);
        let mut rest = groups.as_slice();
        while let Some((range, rows)) = group_ranges(rest, target) {
            let slice = rest.get(..range).unwrap_or_default();
            let (Some((first, _)), Some((last, _))) = (slice.first(), slice.last()) else { break };
            rest = rest.get(range..).unwrap_or_default();
            if rows > target && range == 1 {
                self.by_time(first.clone(), rows, target, budget, sink).await?;
                continue;
            }
            let bounds = if self.rows.descending { (last, first) } else { (first, last) };
            let scan = SeriesScanRequest { keep: Some(self.keep_between(bounds)), ..self.scan.clone() };
            let memory = SliceMemory::new(budget, 4 * SliceMemory::target_bytes(budget));
            match self.read_slice(&scan, &memory).await {
                Ok(found) => {
                    target = memory.next_rows(target, rows);
                    self.send_groups(found, sink).await?;
                }
                // Fewer at a time, down to the rows of one group and some of its times.
                Err(QueryError::Memory { .. }) if rows > limits::SLICE_ROWS_MIN => {
                    target = (rows / limits::SLICE_GROWTH).max(limits::SLICE_ROWS_MIN);
                    rest = groups.get(groups.len() - rest.len() - range..).unwrap_or_default();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads one group slice by slice of the time.
    async fn by_time(
        &self,
        group: TagTexts,
        rows: u64,
        first: u64,
        budget: &Budget,
        sink: &mut Sink,
    ) -> Result<(), QueryError> {
        let distribution = self.table.row_distribution();
        let mut slices = TimeSlices::new(distribution, self.scan.time_range, rows, self.rows.descending);
        let keep = if group.is_empty() { self.scan.keep.clone() } else { Some(self.keep_between((&group, &group))) };
        let mut page = self.page();
        let mut target = first;
        while let Some(time_range) = slices.next(target) {
            let scan = SeriesScanRequest { time_range, keep: keep.clone(), ..self.scan.clone() };
            let is_least = target <= limits::SLICE_ROWS_MIN;
            let cap_bytes = if is_least { usize::MAX } else { 4 * SliceMemory::target_bytes(budget) };
            let memory = SliceMemory::new(budget, cap_bytes);
            match self.read_slice(&scan, &memory).await {
                Ok(groups) => {
                    target = memory.next_rows(target, target);
                    slices.pass(time_range);
                    for (tags, series) in groups {
                        self.send_rows(&tags, series, &mut page, sink).await?;
                    }
                }
                Err(QueryError::Memory { .. }) if !is_least => {
                    target = (target / limits::SLICE_GROWTH).max(limits::SLICE_ROWS_MIN);
                }
                Err(error) => return Err(error),
            }
            if page.left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Series whose groups are between two ones, both inclusive.
    fn keep_between(&self, (first, last): (&TagTexts, &TagTexts)) -> storage::SeriesPredicate {
        let (first, last, keep) = (first.clone(), last.clone(), self.scan.keep.clone());
        Arc::new(move |tags: &[Option<&str>]| {
            let group = || tags.iter().take(first.len()).map(|tag| tag.unwrap_or_default());
            let above = group().cmp(first.iter().map(AsRef::as_ref)).is_ge();
            let within = above && group().cmp(last.iter().map(AsRef::as_ref)).is_le();
            within && keep.as_ref().is_none_or(|keep| keep(tags))
        })
    }

    /// All groups and how many rows they may have, from the tags alone.
    async fn group_rows(&self, memory: &Arc<SliceMemory>) -> Result<Vec<(TagTexts, u64)>, QueryError> {
        let scan = SeriesScanRequest { fields: Vec::new(), ..self.scan.clone() };
        let partitions = self.table.scan_series(&scan).await.map_err(failed)?;
        let most = self.rows.most;
        let counts = each_partition(partitions, |mut partition| {
            let (rows, memory) = (Arc::clone(&self.rows), Arc::clone(memory));
            async move {
                let mut counts: BTreeMap<TagTexts, u64> = BTreeMap::new();
                while let Some(batch) = partition.next().await.map_err(failed)? {
                    for (run, range) in batch.runs.iter().enumerate() {
                        let group = rows.group_of(&batch, run);
                        let shown = range.len().min(most) as u64;
                        match counts.get_mut(&group) {
                            Some(count) => *count += shown,
                            None => {
                                memory.take(key_bytes(&group))?;
                                counts.insert(group, shown);
                            }
                        }
                    }
                    tokio::task::yield_now().await;
                }
                Ok(counts)
            }
        })
        .await?;
        let mut all: BTreeMap<TagTexts, u64> = BTreeMap::new();
        counts.into_iter().flatten().for_each(|(group, rows)| *all.entry(group).or_default() += rows);
        check_groups(all.len())?;
        Ok(all.into_iter().collect())
    }

    async fn read_slice(&self, scan: &SeriesScanRequest, memory: &Arc<SliceMemory>) -> Result<RawGroups, QueryError> {
        self.read(self.table.scan_series(scan).await.map_err(failed)?, memory).await
    }

    /// All rows of some partitions, by group and series.
    async fn read(&self, partitions: Vec<SeriesPartition>, memory: &Arc<SliceMemory>) -> Result<RawGroups, QueryError> {
        let parts = each_partition(partitions, |mut partition| {
            let (rows, memory) = (Arc::clone(&self.rows), Arc::clone(memory));
            async move {
                let mut groups = RawGroups::new();
                while let Some(batch) = partition.next().await.map_err(failed)? {
                    rows.add(batch, &mut groups, &memory)?;
                    tokio::task::yield_now().await;
                }
                Ok(groups)
            }
        })
        .await?;
        let mut all = RawGroups::new();
        for (group, series) in parts.into_iter().flatten() {
            let known = all.entry(group).or_default();
            for (tags, mut segments) in series {
                let before = known.entry(tags).or_default();
                before.append(&mut segments);
                self.rows.cut(before);
            }
            check_groups(all.len())?;
        }
        Ok(all)
    }

    /// Sends groups that are whole.
    async fn send_groups(&self, groups: RawGroups, sink: &mut Sink) -> Result<(), QueryError> {
        let mut groups: Vec<_> = groups.into_iter().collect();
        if self.rows.descending {
            groups.reverse();
        }
        for (tags, series) in groups {
            self.send_rows(&tags, series, &mut self.page(), sink).await?;
        }
        Ok(())
    }

    fn page(&self) -> Page {
        let page = &self.plan.page;
        Page { skip: page.offset, left: page.limit.unwrap_or(usize::MAX), is_open: false }
    }

    /// Sends rows of one group, as far as its page shows them.
    async fn send_rows(
        &self,
        tags: &TagTexts,
        series: BTreeMap<TagTexts, VecDeque<Segment>>,
        page: &mut Page,
        sink: &mut Sink,
    ) -> Result<(), QueryError> {
        let cursor = |segments| SeriesCursor::new(Arc::clone(&self.rows), segments);
        let mut cursors: Vec<SeriesCursor> = series.into_values().map(cursor).collect();
        if self.rows.descending {
            cursors.reverse();
        }
        let mut rows = Merge::new(cursors, self.rows.descending);
        while page.skip > 0 && rows.skip_row() {
            page.skip -= 1;
        }
        let most = sink.rows_of_part(self.columns.len());
        while page.left > 0 {
            let part: Vec<Vec<Value>> = rows.by_ref().take(most.min(page.left)).collect();
            if part.is_empty() {
                break;
            }
            page.left -= part.len();
            if page.is_open {
                sink.extend(part).await?;
            } else {
                page.is_open = true;
                let tags = dimensions(self.plan, &self.known, tags.iter().map(|tag| Some(&**tag)));
                sink.add(Series {
                    name: measurement(&self.table).to_string(),
                    tags: self.plan.dimensions.iter().cloned().zip(tags).collect(),
                    columns: Arc::clone(&self.columns),
                    rows: part,
                    zone: self.plan.zone,
                })
                .await?;
            }
            // Other queries and the end of this one have to have a turn.
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

fn check_groups(groups: usize) -> Result<(), QueryError> {
    if groups > limits::INFLUXQL_SERIES {
        return Err(QueryError::Plan(format!("the query has more than {} series", limits::INFLUXQL_SERIES)));
    }
    Ok(())
}

/// Bytes that the tags of a group or a series take as a key.
fn key_bytes(tags: &TagTexts) -> usize {
    ENTRY_BYTES + tags.iter().map(|tag| tag.len() + 32).sum::<usize>()
}

impl RawRows {
    fn group_of(&self, batch: &SeriesBatch, run: usize) -> TagTexts {
        (0..self.group_tags).map(|place| Arc::from(batch.tag(run, place).unwrap_or_default())).collect()
    }

    fn series_of(&self, batch: &SeriesBatch, run: usize) -> TagTexts {
        self.series_tags.iter().map(|place| Arc::from(batch.tag(run, *place).unwrap_or_default())).collect()
    }

    /// Takes in the rows of a batch that are wanted.
    fn add(&self, mut batch: SeriesBatch, groups: &mut RawGroups, memory: &Arc<SliceMemory>) -> Result<(), QueryError> {
        if let Some(wanted) = self.wanted(&batch) {
            keep_rows(&mut batch, &wanted)?;
        }
        if batch.runs.iter().all(Range::is_empty) {
            return Ok(());
        }
        let bytes = batch.size_bytes() + batch.runs.len() * ENTRY_BYTES;
        memory.take(bytes)?;
        let columns = batch.columns.iter().map(Column::from_array).collect();
        let held = Arc::new(HeldBatch { batch, columns, bytes, memory: Arc::clone(memory) });
        for (run, rows) in held.batch.runs.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let group = groups.entry(self.group_of(&held.batch, run)).or_default();
            let tags = self.series_of(&held.batch, run);
            if !group.contains_key(&tags) {
                memory.take(2 * key_bytes(&tags))?;
            }
            let segments = group.entry(tags).or_default();
            segments.push_back(Segment { batch: Arc::clone(&held), run, rows: rows.clone() });
            self.cut(segments);
        }
        Ok(())
    }

    /// Drops segments of which no row can be shown.
    fn cut(&self, segments: &mut VecDeque<Segment>) {
        let mut rows: usize = if self.most == usize::MAX { 0 } else { segments.iter().map(|one| one.rows.len()).sum() };
        while rows > self.most {
            let last = if self.descending { segments.front() } else { segments.back() };
            match last.map(|last| last.rows.len()) {
                Some(len) if rows - len >= self.most => {
                    rows -= len;
                    if self.descending {
                        segments.pop_front()
                    } else {
                        segments.pop_back()
                    };
                }
                _ => break,
            }
        }
    }

    /// Which rows of a batch may be shown; none is all of those in its runs.
    fn wanted(&self, batch: &SeriesBatch) -> Option<BooleanBuffer> {
        let mut mask = self.filter.as_ref().map(|filter| filter(batch));
        if let Some(some) = self.with_value(batch) {
            mask = Some(mask.map_or_else(|| some.clone(), |mask| &mask & &some));
        }
        let in_runs: usize = batch.runs.iter().map(Range::len).sum();
        if self.most == usize::MAX && in_runs == batch.times.len() {
            return mask;
        }
        let shown: usize = batch.runs.iter().map(|rows| rows.len().min(self.most)).sum();
        // What is decoded beside the runs is not worth its memory where it is much.
        if mask.is_none() && shown >= batch.times.len() / 2 {
            return None;
        }
        let mask = mask.unwrap_or_else(|| BooleanBuffer::new_set(batch.times.len()));
        let mut wanted = arrow::array::BooleanBufferBuilder::new(batch.times.len());
        wanted.append_n(batch.times.len(), false);
        for rows in &batch.runs {
            let of_run = mask.slice(rows.start, rows.len());
            let count = of_run.count_set_bits();
            let skip = if self.descending { count.saturating_sub(self.most) } else { 0 };
            of_run.set_indices().skip(skip).take(self.most).for_each(|row| wanted.set_bit(rows.start + row, true));
        }
        Some(wanted.finish())
    }

    /// The rows in which one of the required fields has a value; none is all of them.
    fn with_value(&self, batch: &SeriesBatch) -> Option<BooleanBuffer> {
        let mut some: Option<BooleanBuffer> = None;
        for field in &self.required {
            let Some(column) = batch.columns.get(*field) else { continue };
            let valid = column.nulls().filter(|nulls| nulls.null_count() > 0)?.inner();
            some = Some(some.map_or_else(|| valid.clone(), |some| &some | valid));
        }
        some
    }
}

/// Leaves only some rows in a batch; its runs stay, some of them without rows.
fn keep_rows(batch: &mut SeriesBatch, wanted: &BooleanBuffer) -> Result<(), QueryError> {
    let mut kept = 0;
    for rows in &mut batch.runs {
        let count = wanted.slice(rows.start, rows.len()).count_set_bits();
        *rows = kept..kept + count;
        kept += count;
    }
    if kept == batch.times.len() {
        return Ok(());
    }
    batch.times = wanted.set_indices().filter_map(|row| batch.times.get(row).copied()).collect();
    let wanted = BooleanArray::new(wanted.clone(), None);
    for column in &mut batch.columns {
        *column = filter(column, &wanted).map_err(|error| QueryError::Internal(error.to_string()))?;
    }
    Ok(())
}

/// Where a column of the answer comes from, in one segment.
enum Cell {
    Constant(Value),
    Field(usize, Option<Kind>),
    /// By place in the nodes.
    Computed(usize),
}

/// The rows of one series, in the order of the answer.
struct SeriesCursor {
    raw: Arc<RawRows>,
    segments: VecDeque<Segment>,
    current: Option<(Segment, Vec<Cell>)>,
}

impl SeriesCursor {
    fn new(raw: Arc<RawRows>, mut segments: VecDeque<Segment>) -> Self {
        // Files come by time, so this sorts what is sorted already, unless a scan comes to do it otherwise.
        segments.make_contiguous().sort_by_key(Segment::first_time);
        let mut cursor = Self { raw, segments, current: None };
        cursor.open_next();
        cursor
    }

    fn open_next(&mut self) {
        let next = if self.raw.descending { self.segments.pop_back() } else { self.segments.pop_front() };
        self.current = next.map(|segment| {
            let cells = self.raw.cells(&segment);
            (segment, cells)
        });
    }
}

impl Segment {
    fn time(&self, row: usize) -> i64 {
        self.batch.batch.times.get(row).copied().unwrap_or_default()
    }

    fn first_time(&self) -> i64 {
        self.time(self.rows.start)
    }
}

impl SeriesRows for SeriesCursor {
    type Row = Vec<Value>;

    fn time(&self) -> Option<i64> {
        self.current.as_ref().map(|(segment, _)| segment.time(next_row(&segment.rows, self.raw.descending)))
    }

    fn row(&mut self) -> Option<Vec<Value>> {
        let (segment, cells) = self.current.as_ref()?;
        Some(self.raw.row(segment, next_row(&segment.rows, self.raw.descending), cells))
    }

    fn pass(&mut self) {
        let Some((segment, _)) = &mut self.current else { return };
        if self.raw.descending {
            segment.rows.end -= 1;
        } else {
            segment.rows.start += 1;
        }
        if segment.rows.is_empty() {
            self.open_next();
        }
    }
}

/// Of rows that are not empty.
fn next_row(rows: &Range<usize>, descending: bool) -> usize {
    if descending { rows.end.saturating_sub(1) } else { rows.start }
}

impl RawRows {
    /// Where the columns of the answer come from; what is the same in all rows of the segment is made once.
    fn cells(&self, segment: &Segment) -> Vec<Cell> {
        let batch = &segment.batch.batch;
        let cell = |(at, node): (usize, &Node)| match node {
            Node::Slot(slot, kind) => match self.places.get(*slot) {
                Some(Place::Field(field)) => Cell::Field(*field, *kind),
                Some(Place::Tag(tag)) => {
                    let text = batch.tag(segment.run, *tag).map_or(Scalar::Null, Scalar::Text);
                    Cell::Constant(kind.map_or(text, |kind| text.cast(kind)).to_value())
                }
                _ => Cell::Constant(Value::Null),
            },
            _ => Cell::Computed(at),
        };
        self.nodes.iter().enumerate().map(cell).collect()
    }

    fn row(&self, segment: &Segment, row: usize, cells: &[Cell]) -> Vec<Value> {
        let columns = &segment.batch.columns;
        let field = |field: usize| columns.get(field).map_or(Scalar::Null, |column| column.get(row));
        let get = |slot: usize| match self.places.get(slot) {
            Some(Place::Field(place)) => field(*place),
            Some(Place::Tag(tag)) => segment.batch.batch.tag(segment.run, *tag).map_or(Scalar::Null, Scalar::Text),
            _ => Scalar::Null,
        };
        let mut values = Vec::with_capacity(cells.len() + 1);
        values.push(Value::Time(segment.time(row)));
        values.extend(cells.iter().map(|cell| match cell {
            Cell::Constant(value) => value.clone(),
            Cell::Field(place, kind) => {
                let value = field(*place);
                kind.map_or(value, |kind| value.cast(kind)).to_value()
            }
            Cell::Computed(at) => self.nodes.get(*at).map_or(Value::Null, |node| node.eval(&get).to_value()),
        }));
        values
    }
}

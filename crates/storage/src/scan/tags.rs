//! What the tags of a table hold, without its points: the distinct values of one, about how many series there are, and
//! scans of tags alone.
//!
//! What is found out about a whole file is kept with its footer, and is never wrong, since files are immutable. It
//! serves where all rows of the file count. A file with pending deletes or with rows outside of the wanted times (those
//! past retention among them) is read, and so are buffered rows. Sources need no merge: of two versions of a point both
//! have its tags.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, AsArray, LargeStringArray, LargeStringBuilder, RecordBatch};
use arrow::datatypes::Int32Type;
use futures::TryStreamExt;
use hashbrown::HashSet;
use tokio::task::JoinSet;

use super::direct::OpenFile;
use super::footers::FooterCache;
use super::plan::{self, Common, Deletes, Source, Unit};
use super::sketch::{SeriesSketch, tag_hash};
use super::snapshot::TableSnapshot;
use super::{Scan, ScanError, ScanPartition, ScanRequest};
use crate::buffered::BufferedRows;
use crate::delete::without_deleted;
use crate::ids::ColumnId;
use crate::rows::series_key_tags;
use crate::table::{ColumnKind, DataFile};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 16 << 10;

/// Row groups of a file that are read at once: more would only take memory, a row group being some milliseconds.
const GROUPS_AT_ONCE: usize = 4;

/// Texts in ascending order, each once.
pub type TagValues = Arc<LargeStringArray>;

/// The distinct values of a tag, source by source.
#[derive(Debug)]
pub struct TagValueScan {
    snapshot: Arc<TableSnapshot>,
    column: ColumnId,
    time_range: (i64, i64),
    sources: VecDeque<Source>,
}

impl TagValueScan {
    /// The values of the next source, ascending; `None` behind the last one. Other sources may have the same ones: see
    /// [`merge_tag_values`].
    ///
    /// # Errors
    /// If a file cannot be read.
    pub async fn next(&mut self) -> Result<Option<TagValues>, ScanError> {
        let Some(source) = self.sources.pop_front() else { return Ok(None) };
        let (snapshot, column) = (&self.snapshot, self.column);
        let found = match source {
            Source::File(file, deletes) if is_whole(snapshot, &file, &deletes, self.time_range) => {
                of_file(snapshot, &file, column).await?
            }
            Source::Buffer(rows, deletes) => {
                let time_range = self.time_range;
                let task = move || {
                    let (rows, used) = used_series(rows, &deletes, time_range)?;
                    let values = used.iter().filter_map(|id| {
                        series_key_tags(rows.series.key(*id)).find(|(tag, _)| *tag == column).map(|(_, value)| value)
                    });
                    let distinct: HashSet<&str, foldhash::fast::RandomState> = values.collect();
                    Ok::<_, ScanError>(ascending(distinct))
                };
                tokio::task::spawn_blocking(task).await??
            }
            source => {
                let partition = partition(snapshot, vec![column], self.time_range, source)?;
                let mut batches = partition.stream();
                let mut distinct: HashSet<String, foldhash::fast::RandomState> = HashSet::default();
                while let Some(batch) = batches.try_next().await? {
                    add_used_values(&batch, &mut distinct);
                }
                ascending(distinct.iter().map(String::as_str))
            }
        };
        Ok(Some(Arc::new(found)))
    }
}

/// All values that are in some of the lists, ascending, each once.
#[must_use]
pub fn merge_tag_values(mut lists: Vec<TagValues>) -> TagValues {
    lists.retain(|list| !list.is_empty());
    match (lists.pop(), lists.is_empty()) {
        (None, _) => Arc::new(LargeStringArray::new_null(0)),
        (Some(only), true) => only,
        (Some(last), false) => {
            lists.push(last);
            Arc::new(ascending(lists.iter().flat_map(|list| list.iter().flatten())))
        }
    }
}

impl TableSnapshot {
    /// Plans the reading of the distinct values that a tag, by its index in [`Self::schema`], has in rows with those
    /// times (nanoseconds, both inclusive).
    ///
    /// # Errors
    /// If there is no such column, or if it is not a tag.
    pub fn tag_values(self: &Arc<Self>, tag: usize, time_range: (i64, i64)) -> Result<TagValueScan, ScanError> {
        let column = *self.query_columns.get(tag).ok_or(ScanError::NoColumn { index: tag })?;
        if self.parts.schema.column(column).map(|column| column.kind) != Some(ColumnKind::Tag) {
            return Err(ScanError::NoTag { index: tag });
        }
        let time_range = (time_range.0.max(self.parts.visible_from), time_range.1);
        Ok(TagValueScan { column, time_range, sources: sources(self, time_range), snapshot: Arc::clone(self) })
    }

    /// About how many series have rows, as a sketch that can be merged with those of other tables.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub async fn series_sketch(self: &Arc<Self>) -> Result<SeriesSketch, ScanError> {
        let time_range = (self.parts.visible_from, i64::MAX);
        let mut all = SeriesSketch::default();
        for source in sources(self, time_range) {
            match source {
                Source::File(file, deletes) if is_whole(self, &file, &deletes, time_range) => {
                    all.merge(&*sketch_of_file(self, &file).await?);
                }
                Source::Buffer(rows, deletes) => {
                    let task = move || {
                        let (rows, used) = used_series(rows, &deletes, time_range)?;
                        let mut sketch = SeriesSketch::default();
                        for id in used {
                            let hashes = series_key_tags(rows.series.key(id)).map(|(tag, value)| tag_hash(tag, value));
                            sketch.add(hashes.fold(0, u64::wrapping_add));
                        }
                        Ok::<_, ScanError>(sketch)
                    };
                    all.merge(&tokio::task::spawn_blocking(task).await??);
                }
                source => {
                    let tags: Vec<ColumnId> = self.parts.schema.tags().map(|tag| tag.id).collect();
                    // A table without tags has one series, of which a row tells as well.
                    let columns = if tags.is_empty() { vec![ColumnId::TIME] } else { tags.clone() };
                    let mut batches = partition(self, columns, time_range, source)?.stream();
                    let mut hasher = Hasher::new(tags);
                    while let Some(batch) = batches.try_next().await? {
                        hasher.add(batch.columns().iter().map(Some), batch.num_rows());
                    }
                    all.merge(&hasher.sketch);
                }
            }
        }
        all.compact();
        Ok(all)
    }

    /// Plans a scan of tags and the time, in which no source is merged with others: a point that was written twice may
    /// come twice, in different partitions, and nothing is sorted.
    ///
    /// # Errors
    /// If the request names a column that does not exist or that is neither the time nor a tag.
    pub fn scan_tags(self: &Arc<Self>, request: &ScanRequest) -> Result<Scan, ScanError> {
        let indices = request.projection.as_deref().unwrap_or(&[]);
        for index in indices {
            if *index != 0 && !self.is_tag(*index) {
                return Err(ScanError::NoTag { index: *index });
            }
        }
        plan::plan_apart(self, request)
    }
}

/// The sources with rows in `time_range`, each for itself.
fn sources(snapshot: &TableSnapshot, time_range: (i64, i64)) -> VecDeque<Source> {
    plan::groups(snapshot, time_range).into_iter().flat_map(|unit| unit.sources).collect()
}

/// Whether all rows of a file count.
fn is_whole(snapshot: &TableSnapshot, file: &DataFile, deletes: &Deletes, (first, last): (i64, i64)) -> bool {
    let has_delete_file = snapshot.parts.delete_files.as_ref().is_some_and(|files| files.of(file.file).is_some());
    deletes.is_empty() && !has_delete_file && first <= file.time_range.0 && file.time_range.1 <= last
}

/// The rows of one source.
fn partition(
    snapshot: &Arc<TableSnapshot>,
    columns: Vec<ColumnId>,
    time_range: (i64, i64),
    source: Source,
) -> Result<ScanPartition, ScanError> {
    let places = columns.iter().filter_map(|column| snapshot.query_columns.iter().position(|known| known == column));
    let common = Common {
        snapshot: Arc::clone(snapshot),
        schema: Arc::new(snapshot.schema().project(&places.collect::<Vec<_>>())?),
        projection: columns,
        filters: Vec::new(),
        time_range,
        batch_rows: BATCH_ROWS,
        limit: None,
        sorted: false,
    };
    Ok(ScanPartition::of_unit(Unit::of_source(source), &Arc::new(common)))
}

/// The buffered rows without those that are deleted, and the series of those that are left and have those times.
fn used_series(
    rows: BufferedRows,
    deletes: &Deletes,
    (first, last): (i64, i64),
) -> Result<(BufferedRows, Vec<u32>), ScanError> {
    let rows = without_deleted(rows, deletes)?;
    let mut is_used = vec![false; rows.series.len()];
    for chunk in &rows.chunks {
        for (series, time) in chunk.row_series.iter().zip(&chunk.times) {
            if let Some(is_used) = is_used.get_mut(*series as usize).filter(|_| first <= *time && *time <= last) {
                *is_used = true;
            }
        }
    }
    let used = is_used.iter().zip(0..).filter(|(is_used, _)| **is_used).map(|(_, id)| id).collect();
    Ok((rows, used))
}

/// Adds the values of a tag, the only column of the batch, that some row has.
fn add_used_values(batch: &RecordBatch, distinct: &mut HashSet<String, foldhash::fast::RandomState>) {
    let dictionary = batch.column(0).as_dictionary::<Int32Type>();
    let values = dictionary.values().as_string::<i32>();
    let mut is_used = vec![false; values.len()];
    for key in dictionary.keys().iter().flatten() {
        if let Some(is_used) = is_used.get_mut(key as usize) {
            *is_used = true;
        }
    }
    for (value, is_used) in values.iter().zip(is_used) {
        if let Some(value) = value.filter(|value| is_used && !distinct.contains(*value)) {
            distinct.insert(value.to_owned());
        }
    }
}

/// The texts in ascending order, each once.
fn ascending<'a>(texts: impl IntoIterator<Item = &'a str>) -> LargeStringArray {
    // The first bytes beside each text: most comparisons need no more, and these are where the sort looks.
    let head = |text: &str| {
        let mut head = [0; 16];
        let len = text.len().min(head.len());
        head[..len].copy_from_slice(&text.as_bytes()[..len]);
        u128::from_be_bytes(head)
    };
    let mut texts: Vec<(u128, &str)> = texts.into_iter().map(|text| (head(text), text)).collect();
    if !texts.is_sorted() {
        texts.sort_unstable();
    }
    texts.dedup();
    let mut builder =
        LargeStringBuilder::with_capacity(texts.len(), texts.iter().map(|(_, text)| text.len()).sum::<usize>());
    texts.into_iter().for_each(|(_, text)| builder.append_value(text));
    builder.finish()
}

/// The values of a tag in all rows of a file, from the cache or from the file.
async fn of_file(snapshot: &TableSnapshot, file: &DataFile, column: ColumnId) -> Result<LargeStringArray, ScanError> {
    let footers = &snapshot.parts.footers;
    if let Some(known) = footers.tag_values(file.file, column) {
        return Ok(known);
    }
    let open = Arc::new(OpenFile::open(&snapshot.parts.store, footers, file).await?);
    let lists = by_group(&open, move |file, group| async move { file.values_of_group(group, column).await }).await?;
    let values = match lists.as_slice() {
        [only] => only.clone(),
        lists => ascending(lists.iter().flat_map(|list| list.iter().flatten())),
    };
    footers.keep_tag_values(file.file, column, &values);
    Ok(values)
}

/// The sketch of all series of a file, from the cache or from the file.
async fn sketch_of_file(snapshot: &TableSnapshot, file: &DataFile) -> Result<Arc<SeriesSketch>, ScanError> {
    let footers: &Arc<FooterCache> = &snapshot.parts.footers;
    if let Some(known) = footers.series_sketch(file.file) {
        return Ok(known);
    }
    let open = Arc::new(OpenFile::open(&snapshot.parts.store, footers, file).await?);
    let sketches = by_group(&open, |file, group| async move { file.sketch_of_group(group).await }).await?;
    let mut all = SeriesSketch::default();
    sketches.iter().for_each(|sketch| all.merge(sketch));
    all.compact();
    let all = Arc::new(all);
    footers.keep_series_sketch(file.file, &all);
    Ok(all)
}

/// Reads the row groups of a file, some of them at a time; the results come in any order.
async fn by_group<T, F>(file: &Arc<OpenFile>, read: impl Fn(Arc<OpenFile>, usize) -> F) -> Result<Vec<T>, ScanError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, ScanError>> + Send + 'static,
{
    let groups = file.metadata().num_row_groups();
    let mut results = Vec::with_capacity(groups);
    let mut tasks = JoinSet::new();
    for group in 0..groups {
        if tasks.len() >= GROUPS_AT_ONCE
            && let Some(result) = tasks.join_next().await
        {
            results.push(result??);
        }
        tasks.spawn(read(Arc::clone(file), group));
    }
    while let Some(result) = tasks.join_next().await {
        results.push(result??);
    }
    Ok(results)
}

impl OpenFile {
    /// The values of a tag in a row group: its dictionary where that has all of them, else those of the rows.
    async fn values_of_group(&self, group: usize, column: ColumnId) -> Result<LargeStringArray, ScanError> {
        let Some(leaf) = self.leaves.find(column) else { return Ok(LargeStringArray::new_null(0)) };
        if let Some(dictionary) = self.dictionary(group, leaf).await? {
            return Ok(ascending(dictionary.iter().flatten()));
        }
        let mut reader = self.read(group, &[column], None, BATCH_ROWS).await?;
        let mut batches = Vec::new();
        while let Some((mut arrays, _)) = reader.next_columns()? {
            batches.extend(arrays.pop().flatten());
        }
        // Whatever a dictionary holds, some row of the file has it.
        let texts = batches
            .iter()
            .flat_map(|batch| batch.as_dictionary::<Int32Type>().values().as_string::<i32>().iter().flatten());
        Ok(ascending(texts))
    }

    async fn sketch_of_group(&self, group: usize) -> Result<SeriesSketch, ScanError> {
        let tags = self.file.sort_tags.clone();
        let mut reader = self.read(group, &tags, None, BATCH_ROWS).await?;
        let mut hasher = Hasher::new(tags);
        while let Some((arrays, len)) = reader.next_columns()? {
            hasher.add(arrays.iter().map(Option::as_ref), len);
        }
        Ok(hasher.sketch)
    }
}

/// Rows to a sketch of their series.
struct Hasher {
    tags: Vec<ColumnId>,
    sketch: SeriesSketch,
}

impl Hasher {
    fn new(tags: Vec<ColumnId>) -> Self {
        Self { tags, sketch: SeriesSketch::default() }
    }

    /// Adds rows: a dictionary for each tag, or none where no row has it.
    fn add<'a>(&mut self, arrays: impl Iterator<Item = Option<&'a arrow::array::ArrayRef>>, len: usize) {
        let mut hashes = vec![0_u64; len];
        for (tag, array) in self.tags.iter().zip(arrays) {
            let Some(dictionary) = array.and_then(|array| array.as_dictionary_opt::<Int32Type>()) else { continue };
            let values = dictionary.values().as_string::<i32>();
            // A value of the dictionary that no row of the batch has costs as much as one that rows have, so where
            // there are more values than rows they are looked at row by row.
            let of_values: Vec<u64> = if values.len() <= len {
                values.iter().map(|value| value.map_or(0, |value| tag_hash(*tag, value))).collect()
            } else {
                Vec::new()
            };
            let keys = dictionary.keys();
            for (row, hash) in hashes.iter_mut().enumerate() {
                if keys.is_valid(row) {
                    let key = keys.value(row) as usize;
                    let of_tag = of_values.get(key).copied();
                    let of_tag = of_tag
                        .unwrap_or_else(|| if values.is_valid(key) { tag_hash(*tag, values.value(key)) } else { 0 });
                    *hash = hash.wrapping_add(of_tag);
                }
            }
        }
        let mut before = None;
        for hash in hashes {
            if before != Some(hash) {
                self.sketch.add(hash);
            }
            before = Some(hash);
        }
    }
}

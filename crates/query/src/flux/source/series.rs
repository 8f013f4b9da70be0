//! Reads the rows of a measurement series by series, on all query threads: columns as the storage has them, without a
//! value for a row anywhere.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use storage::{RowsNeeded, SeriesBatch, SeriesPartition, SeriesPredicate, SeriesScanRequest};

use super::super::error::Result;
use super::super::runtime::Runtime;
use super::super::stream::Bounds;
use super::super::value::Text;
use super::super::vector::Vector;
use super::predicate::Predicate;
use super::target::Target;
use crate::error::QueryError;
use crate::limits;
use crate::ops::budget::Budget;
use crate::ops::window_aggregate::{each_partition, failed};

/// The rows of a series.
#[derive(Debug)]
pub(crate) struct Series {
    /// The values of the target's tags.
    pub(crate) tags: Vec<Option<Text>>,
    /// By time.
    pub(crate) chunks: Vec<Chunk>,
    /// For each field of the target whether any row has a wanted value, be it one that the chunk filter took out.
    pub(crate) has_field: Vec<bool>,
}

/// Rows of a series that were read at once.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) times: Int64Array,
    /// One for each field of the target; none where no row has a wanted value. A value that is not wanted is null.
    pub(crate) columns: Vec<Option<Vector>>,
}

/// Which rows of a chunk are wanted beside the target's own conditions; none if it cannot say. It gets the tags too.
pub(crate) type ChunkFilter = Arc<dyn Fn(&[Option<Text>], &Chunk) -> Option<BooleanBuffer> + Send + Sync>;

/// All series with wanted rows, and whether `filter` was used for all of their chunks.
pub(crate) fn read(
    runtime: &Arc<Runtime>,
    target: &Arc<Target>,
    bounds: Bounds,
    filter: Option<ChunkFilter>,
    budget: &Budget,
) -> Result<(Vec<Series>, bool)> {
    let request = SeriesScanRequest {
        tags: target.tags.iter().map(|(_, index)| *index).collect(),
        fields: target.fields.iter().map(|field| field.index).collect(),
        time_range: (bounds.0, bounds.1.saturating_sub(1)),
        tag_filters: target.filters.clone(),
        keep: keep(target),
        rows: RowsNeeded::All,
        batch_rows: limits::BATCH_ROWS,
        partitions: runtime.handle.metrics().num_workers(),
    };
    let work = Arc::new(Work { runtime: Arc::clone(runtime), target: Arc::clone(target), filter });
    let parts = runtime.wait(async {
        let partitions = target.table.scan_series(&request).await.map_err(failed)?;
        let parts = each_partition(partitions, |partition| Part::read(Arc::clone(&work), budget.child(), partition));
        let parts = parts.await?;
        let mut all = Vec::with_capacity(parts.len());
        for (part, child) in parts {
            budget.absorb(child)?;
            all.push(part);
        }
        Ok(all)
    })?;
    // Series that no row is left of were kept until here for their fields.
    let is_filtered = parts.iter().all(|part| part.is_filtered);
    let mut parts = parts.into_iter();
    let Some(mut all) = parts.next() else { return Ok((Vec::new(), true)) };
    for part in parts {
        for series in part.series {
            let place = all.place(series.tags);
            if let Some(known) = all.series.get_mut(place) {
                known.chunks.extend(series.chunks);
                known.add_fields(series.has_field.iter().copied());
            }
        }
    }
    all.series.retain(|series| !series.chunks.is_empty());
    Ok((all.series, is_filtered))
}

/// The series of which a field is wanted.
fn keep(target: &Arc<Target>) -> Option<SeriesPredicate> {
    if !target.fields.iter().any(|field| field.predicate.mentions_tags()) {
        return None;
    }
    let target = Arc::clone(target);
    Some(Arc::new(move |tags| {
        let tag = |name: &str| {
            let place = target.tags.iter().position(|(known, _)| **known == *name)?;
            tags.get(place).copied().flatten()
        };
        target.fields.iter().any(|field| field.predicate.may_hold(&tag))
    }))
}

struct Work {
    runtime: Arc<Runtime>,
    target: Arc<Target>,
    filter: Option<ChunkFilter>,
}

/// What one partition gives.
#[derive(Default)]
struct Part {
    series: Vec<Series>,
    places: HashMap<Vec<u8>, usize>,
    is_filtered: bool,
}

/// What is left of the condition of a field for one series.
enum Wanted {
    Nothing,
    All,
    Some(Predicate),
}

impl Part {
    async fn read(
        work: Arc<Work>,
        budget: Budget,
        mut partition: SeriesPartition,
    ) -> std::result::Result<(Self, Budget), QueryError> {
        let mut part = Self { is_filtered: true, ..Self::default() };
        while let Some(batch) = partition.next().await.map_err(failed)? {
            work.runtime.step(batch.times.len() as u64).map_err(QueryError::Flux)?;
            budget.charge(part.add(&work, batch))?;
            // Decoding never waits, and other queries and the end of this one have to have a turn.
            tokio::task::yield_now().await;
        }
        Ok((part, budget))
    }

    /// Takes in the rows of a batch. Returns about how many bytes of it are kept.
    fn add(&mut self, work: &Work, mut batch: SeriesBatch) -> usize {
        let times = ScalarBuffer::from(std::mem::take(&mut batch.times));
        let columns: Vec<Vector> = batch.columns.iter().map(Vector::of_array).collect();
        let mut bytes = 0;
        for (run, rows) in batch.runs.iter().enumerate() {
            let tags: Vec<Option<&str>> = (0..work.target.tags.len()).map(|tag| batch.tag(run, tag)).collect();
            let wanted = work.wanted(&tags);
            let column = |((wanted, column), array): ((&Wanted, &Vector), &arrow::array::ArrayRef)| {
                let column = match wanted {
                    Wanted::Nothing => return None,
                    Wanted::All => column.slice(rows.start, rows.end),
                    Wanted::Some(predicate) => {
                        let slice = array.slice(rows.start, rows.len());
                        let holds = super::super::pushdown::rows::of_values(predicate, &slice);
                        let column = column.slice(rows.start, rows.end);
                        let valid = column.validity();
                        column.only(valid.map_or(holds.clone(), |valid| &valid & &holds))
                    }
                };
                let has_values = column.validity().is_none_or(|valid| valid.count_set_bits() > 0);
                has_values.then_some(column)
            };
            let columns: Vec<Option<Vector>> = wanted.iter().zip(&columns).zip(&batch.columns).map(column).collect();
            if columns.iter().all(Option::is_none) {
                continue;
            }
            let times = Int64Array::new(times.slice(rows.start, rows.len()), None);
            let mut chunk = Chunk { times, columns };
            let place = self.place(self.last_tags(&tags));
            let Some(series) = self.series.get_mut(place) else { continue };
            series.add_fields(chunk.columns.iter().map(Option::is_some));
            match work.filter.as_ref().map(|filter| filter(&series.tags, &chunk)) {
                Some(None) => self.is_filtered = false,
                Some(Some(rows)) if rows.count_set_bits() == 0 => continue,
                Some(Some(rows)) => chunk = chunk.filter(&rows),
                None => {}
            }
            bytes += chunk.bytes();
            series.chunks.push(chunk);
        }
        bytes
    }

    /// The texts of tags; those of the last series again if it is the same.
    fn last_tags(&self, tags: &[Option<&str>]) -> Vec<Option<Text>> {
        match self.series.last() {
            Some(last) if last.tags.iter().map(Option::as_deref).eq(tags.iter().copied()) => last.tags.clone(),
            _ => tags.iter().map(|tag| tag.map(Text::from)).collect(),
        }
    }

    /// The place of a series, which is made if there is none.
    fn place(&mut self, tags: Vec<Option<Text>>) -> usize {
        if self.series.last().is_some_and(|last| last.tags == tags) {
            return self.series.len() - 1;
        }
        let mut key = Vec::with_capacity(tags.len() * 16);
        for tag in &tags {
            key.extend(tag.as_ref().map_or(u32::MAX, |text| text.len() as u32).to_le_bytes());
            key.extend(tag.as_deref().unwrap_or_default().as_bytes());
        }
        let next = self.series.len();
        let place = *self.places.entry(key).or_insert(next);
        if place == next {
            self.series.push(Series { tags, chunks: Vec::new(), has_field: Vec::new() });
        }
        place
    }
}

impl Work {
    /// What is wanted of each field of a series.
    fn wanted(&self, tags: &[Option<&str>]) -> Vec<Wanted> {
        let text = |name: &str| {
            let place = self.target.tags.iter().position(|(known, _)| **known == *name)?;
            tags.get(place).copied().flatten().map(Text::from)
        };
        let wanted = |field: &super::target::Field| match field.predicate.reduce(&text) {
            Predicate::Constant(false) => Wanted::Nothing,
            Predicate::Constant(true) => Wanted::All,
            other => Wanted::Some(other),
        };
        self.target.fields.iter().map(wanted).collect()
    }
}

impl Series {
    fn add_fields(&mut self, fields: impl ExactSizeIterator<Item = bool>) {
        self.has_field.resize(fields.len(), false);
        self.has_field.iter_mut().zip(fields).for_each(|(known, has)| *known |= has);
    }
}

impl Chunk {
    /// The rows that are set.
    fn filter(&self, rows: &BooleanBuffer) -> Self {
        if rows.count_set_bits() == rows.len() {
            return Self { times: self.times.clone(), columns: self.columns.clone() };
        }
        let Vector::Time(times) = Vector::Time(self.times.clone()).filter(rows) else {
            return Self { times: self.times.clone(), columns: self.columns.clone() };
        };
        let columns = self.columns.iter().map(|column| column.as_ref().map(|column| column.filter(rows))).collect();
        Self { times, columns }
    }

    fn bytes(&self) -> usize {
        let columns = self.columns.iter().flatten().map(|column| column.bytes() + size_of::<Vector>());
        self.times.len() * 8 + columns.sum::<usize>() + size_of::<Self>()
    }
}

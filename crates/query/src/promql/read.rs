//! Reads the series of a selection out of a snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, StringArray};
use arrow::datatypes::{Float64Type, Int64Type, UInt64Type};
use promql::{Labels, METRIC_NAME, Matcher, SampleSeries, Selection};
use storage::{RowsNeeded, SeriesBatch, SeriesScanRequest, Snapshot, TableSnapshot, TagFilter};

use super::metrics::{Metric, metrics};
use super::{Wanted, non_finite_value};
use crate::error::QueryError;
use crate::limits;
use crate::ops::budget::Budget;

/// Nanoseconds of a millisecond, in which Prometheus reckons.
const NS_PER_MS: i64 = 1_000_000;

/// Bytes of a series beside its samples and the texts of its labels: its places in lists and maps.
const SERIES_BYTES: usize = 256;

/// The series that are selected, by labels. With [`Wanted::Labels`] they have no samples.
pub(super) async fn select(
    snapshot: &Snapshot,
    selection: &Selection,
    wanted: Wanted,
    budget: &Budget,
) -> Result<Vec<SampleSeries>, QueryError> {
    let mut reader = Reader { selection, wanted, budget, series: Vec::new(), places: HashMap::new() };
    for table in snapshot.tables() {
        for metric in metrics(table, &selection.matchers) {
            reader.read(table, &metric).await?;
        }
    }
    let mut series = reader.series;
    series.iter_mut().for_each(in_order);
    series.sort_by(|left, right| left.labels.cmp(&right.labels));
    Ok(series)
}

/// Two metrics may have the same name and labels: a measurement `a` with a field `b`, and a measurement `a_b`.
fn in_order(series: &mut SampleSeries) {
    if series.times.is_sorted_by(|left, right| left < right) {
        return;
    }
    let mut samples: Vec<(i64, f64)> = series.times.iter().copied().zip(series.values.iter().copied()).collect();
    samples.sort_by_key(|(time, _)| *time);
    samples.dedup_by(|later, first| {
        let is_same = later.0 == first.0;
        if is_same {
            *first = *later;
        }
        is_same
    });
    (series.times, series.values) = samples.into_iter().unzip();
}

struct Reader<'a> {
    selection: &'a Selection,
    wanted: Wanted,
    budget: &'a Budget,
    series: Vec<SampleSeries>,
    places: HashMap<Labels, usize>,
}

impl Reader<'_> {
    async fn read(&mut self, table: &Arc<TableSnapshot>, metric: &Metric) -> Result<(), QueryError> {
        let columns = table.schema().fields().len();
        let tags: Vec<usize> = (1..columns).filter(|index| table.is_tag(*index)).collect();
        let name_of = |index: &usize| table.column(*index).map(|column| column.name.clone()).unwrap_or_default();
        let names: Vec<String> = tags.iter().map(name_of).collect();
        let conditions: Vec<&Matcher> =
            self.selection.matchers.iter().filter(|matcher| matcher.name != METRIC_NAME).collect();
        let place_of = |matcher: &Matcher| names.iter().position(|name| *name == matcher.name);
        let is_missing = |matcher: &&&Matcher| place_of(matcher).is_none();
        if conditions.iter().filter(is_missing).any(|matcher| !matcher.matches("")) {
            return Ok(());
        }
        let filter = |matcher: &&Matcher| {
            Some(TagFilter { column: *tags.get(place_of(matcher)?)?, values: matcher.wanted_values()? })
        };
        let checks: Vec<(usize, Matcher)> =
            conditions.iter().filter_map(|matcher| Some((place_of(matcher)?, (*matcher).clone()))).collect();
        let keep = move |values: &[Option<&str>]| {
            let value = |place: usize| values.get(place).copied().flatten().unwrap_or_default();
            checks.iter().all(|(place, matcher)| matcher.matches(value(*place)))
        };
        let fields = std::iter::once(metric.field).chain(metric.non_finite.filter(|other| *other != metric.field));
        let request = SeriesScanRequest {
            tag_filters: conditions.iter().filter_map(filter).collect(),
            tags,
            fields: fields.collect(),
            time_range: (
                self.selection.start_ms.saturating_mul(NS_PER_MS),
                self.selection.end_ms.saturating_mul(NS_PER_MS).saturating_add(NS_PER_MS - 1),
            ),
            keep: Some(Arc::new(keep)),
            rows: match self.wanted {
                Wanted::Samples => RowsNeeded::All,
                Wanted::Labels => RowsNeeded::LastWithAnyField,
            },
            batch_rows: limits::BATCH_ROWS,
            partitions: 1,
        };
        let failed = |error: storage::ScanError| QueryError::Internal(error.to_string());
        for mut partition in table.scan_series(&request).await.map_err(failed)? {
            while let Some(batch) = partition.next().await.map_err(failed)? {
                self.add(&batch, metric, &names)?;
                // A scan of rows in memory never waits, and the end of this query has to have a turn.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Adds the runs of a batch.
    fn add(&mut self, batch: &SeriesBatch, metric: &Metric, names: &[String]) -> Result<(), QueryError> {
        let Some(values) = batch.columns.first().map(Numbers::of) else { return Ok(()) };
        let texts = metric.non_finite.and_then(|_| batch.columns.last()).and_then(|array| array.as_string_opt::<i32>());
        let mut bytes = 0;
        for (run, rows) in batch.runs.iter().enumerate() {
            let value = |row: usize| values.get(row).or_else(|| non_finite_at(texts, row));
            if self.wanted == Wanted::Labels && !rows.clone().any(|row| value(row).is_some()) {
                continue;
            }
            let tags = names.iter().enumerate().filter_map(|(tag, name)| Some((name.as_str(), batch.tag(run, tag)?)));
            let labels = Labels::new(tags.chain([(METRIC_NAME, metric.name.as_str())]));
            let place = match self.places.get(&labels) {
                Some(place) => *place,
                None => {
                    bytes +=
                        SERIES_BYTES + labels.iter().map(|(name, value)| name.len() + value.len() + 64).sum::<usize>();
                    self.series.push(SampleSeries { labels: labels.clone(), ..SampleSeries::default() });
                    self.places.insert(labels, self.series.len() - 1);
                    self.series.len() - 1
                }
            };
            if self.wanted == Wanted::Labels {
                continue;
            }
            bytes += rows.len() * (size_of::<i64>() + size_of::<f64>());
            let Some(series) = self.series.get_mut(place) else { continue };
            for row in rows.clone() {
                let (Some(value), Some(time)) = (value(row), batch.times.get(row)) else { continue };
                let time = time.div_euclid(NS_PER_MS);
                match (series.times.last(), series.values.last_mut()) {
                    // Of those within a millisecond the last one counts.
                    (Some(last), Some(known)) if *last == time => *known = value,
                    _ => {
                        series.times.push(time);
                        series.values.push(value);
                    }
                }
            }
        }
        self.budget.charge(bytes)
    }
}

fn non_finite_at(texts: Option<&StringArray>, row: usize) -> Option<f64> {
    let texts = texts.filter(|texts| texts.is_valid(row))?;
    non_finite_value(texts.value(row))
}

/// A column of numbers. Booleans are 0 and 1, as in other bridges to Prometheus.
struct Numbers<'a>(&'a ArrayRef);

impl<'a> Numbers<'a> {
    fn of(array: &'a ArrayRef) -> Self {
        Self(array)
    }

    fn get(&self, row: usize) -> Option<f64> {
        let Self(array) = self;
        if !array.is_valid(row) {
            return None;
        }
        if let Some(floats) = array.as_primitive_opt::<Float64Type>() {
            return Some(floats.value(row));
        }
        if let Some(integers) = array.as_primitive_opt::<Int64Type>() {
            return Some(integers.value(row) as f64);
        }
        if let Some(integers) = array.as_primitive_opt::<UInt64Type>() {
            return Some(integers.value(row) as f64);
        }
        array.as_boolean_opt().map(|booleans| f64::from(u8::from(booleans.value(row))))
    }
}

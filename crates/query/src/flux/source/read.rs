//! Reads the points of a bucket as tables, one for each series and field, a measurement at a time.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type};
use futures::TryStreamExt as _;
use storage::{ScanRequest, Snapshot, TableSnapshot, TagFilter};

use super::super::error::{FluxError, Result};
use super::super::runtime::{Held, Runtime};
use super::super::stream::{Bounds, Tables};
use super::super::table::{Column, GroupKey, Table};
use super::super::value::{Text, Value};
use super::super::vector::{ColumnType, Vector, VectorBuilder};
use super::predicate::Predicate;
use super::target::{Field, Target};
use crate::limits;

/// The tables of a bucket.
pub(super) fn open(
    runtime: &Arc<Runtime>,
    snapshot: &Snapshot,
    bounds: Bounds,
    predicate: Option<Predicate>,
) -> Tables {
    let measurements: Vec<Arc<TableSnapshot>> = snapshot.tables().cloned().collect();
    let runtime = Arc::clone(runtime);
    let read = move |table: Arc<TableSnapshot>| -> Tables {
        match Target::new(&table, predicate.as_ref()) {
            None => Box::new(std::iter::empty()),
            Some(target) => match Reader::new(target, bounds).read(&runtime, &table) {
                Ok(tables) => Box::new(tables.into_iter().map(Ok)),
                Err(error) => Box::new(std::iter::once(Err(error))),
            },
        }
    };
    Box::new(measurements.into_iter().flat_map(read))
}

/// Reads one measurement.
#[derive(Debug)]
struct Reader {
    measurement: Text,
    bounds: Bounds,
    /// Names with their indices in the schema of queries.
    tags: Vec<(Text, usize)>,
    fields: Vec<Field>,
    filters: Vec<TagFilter>,
    series: Vec<Series>,
    places: HashMap<Vec<u8>, usize>,
    held: Vec<Arc<Held>>,
}

/// The points of a series.
#[derive(Debug)]
struct Series {
    tags: Vec<Option<Text>>,
    /// One for each field of the reader; none where the condition is false.
    fields: Vec<Option<Points>>,
}

/// The points of a field.
#[derive(Debug)]
struct Points {
    /// None if all values are wanted.
    predicate: Option<Predicate>,
    times: Vec<Option<i64>>,
    values: VectorBuilder,
}

impl Reader {
    fn new(target: Target, bounds: Bounds) -> Self {
        let Target { measurement, tags, fields, filters, .. } = target;
        let (series, places, held) = (Vec::new(), HashMap::new(), Vec::new());
        Self { measurement, bounds, tags, fields, filters, series, places, held }
    }

    fn read(mut self, runtime: &Arc<Runtime>, table: &Arc<TableSnapshot>) -> Result<Vec<Table>> {
        let columns = self.tags.iter().map(|(_, index)| *index).chain(self.fields.iter().map(|field| field.index));
        let request = ScanRequest {
            projection: Some(std::iter::once(0).chain(columns).collect()),
            time_range: (self.bounds.0, self.bounds.1.saturating_sub(1)),
            tag_filters: self.filters.clone(),
            limit: None,
            batch_rows: limits::BATCH_ROWS,
            partitions: 1,
        };
        let scan = table.scan(request).map_err(FluxError::internal)?;
        let types: Vec<ColumnType> = self.fields.iter().map(|field| field.kind).collect();
        for partition in &scan.partitions {
            let mut batches = partition.stream();
            while let Some(batch) = runtime.handle.block_on(batches.try_next()).map_err(FluxError::internal)? {
                runtime.step(batch.num_rows() as u64)?;
                self.held.push(runtime.hold(batch.get_array_memory_size())?);
                self.add(&batch, &types);
            }
        }
        Ok(self.finish())
    }

    /// Adds the rows of a batch: the time, the tags, the fields.
    fn add(&mut self, batch: &RecordBatch, types: &[ColumnType]) {
        let tags = batch.columns().get(1..=self.tags.len()).unwrap_or_default();
        let fields = batch.columns().get(1 + self.tags.len()..).unwrap_or_default();
        let Some(times) = batch.column(0).as_primitive_opt::<TimestampNanosecondType>() else { return };
        let keys: Vec<_> = tags.iter().filter_map(|tag| tag.as_dictionary_opt::<Int32Type>()).collect();
        let same = |left: usize, right: usize| keys.iter().all(|tag| tag.key(left) == tag.key(right));
        let mut start = 0;
        while start < batch.num_rows() {
            let mut end = start + 1;
            while end < batch.num_rows() && same(end - 1, end) {
                end += 1;
            }
            let place = self.series_at(tags, start, types);
            if let Some(series) = self.series.get_mut(place) {
                for (points, array) in series.fields.iter_mut().zip(fields) {
                    if let Some(points) = points {
                        points.append(times.values(), array, start, end);
                    }
                }
            }
            start = end;
        }
    }

    /// The series of a row.
    fn series_at(&mut self, tags: &[ArrayRef], row: usize, types: &[ColumnType]) -> usize {
        let mut key = Vec::with_capacity(tags.len() * 16);
        let values: Vec<Option<&str>> = tags.iter().map(|tag| tag_text(tag, row)).collect();
        for value in &values {
            key.extend((value.map_or(u32::MAX, |text| text.len() as u32)).to_le_bytes());
            key.extend(value.unwrap_or_default().as_bytes());
        }
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let tags: Vec<Option<Text>> = values.into_iter().map(|value| value.map(Arc::from)).collect();
        let text = |name: &str| {
            let index = self.tags.iter().position(|(tag, _)| **tag == *name)?;
            tags.get(index).cloned().flatten()
        };
        let points = |(field, kind): (&Field, &ColumnType)| {
            let predicate = match field.predicate.reduce(&text) {
                Predicate::Constant(false) => return None,
                Predicate::Constant(true) => None,
                other => Some(other),
            };
            Some(Points { predicate, times: Vec::new(), values: VectorBuilder::new(*kind) })
        };
        let fields = self.fields.iter().zip(types).map(points).collect();
        self.series.push(Series { tags, fields });
        self.places.insert(key, self.series.len() - 1);
        self.series.len() - 1
    }

    /// The tables of all series by their keys.
    fn finish(self) -> Vec<Table> {
        let mut tables = Vec::new();
        for series in self.series {
            for (field, points) in self.fields.iter().zip(series.fields) {
                let Some(points) = points.filter(|points| !points.times.is_empty()) else { continue };
                let rows = points.times.len();
                let times = [("_start", self.bounds.0), ("_stop", self.bounds.1)];
                let mut key: Vec<(Text, ColumnType, Value)> =
                    times.iter().map(|(name, time)| (Arc::from(*name), ColumnType::Time, Value::Time(*time))).collect();
                let text =
                    |name: &str, text: &Text| (Arc::from(name), ColumnType::String, Value::String(Arc::clone(text)));
                key.push(text("_field", &field.name));
                key.push(text("_measurement", &self.measurement));
                let tags = self.tags.iter().zip(&series.tags);
                key.extend(tags.filter_map(|((name, _), value)| value.as_ref().map(|value| text(name, value))));
                let constant = |(label, kind, value): &(Text, ColumnType, Value)| {
                    Column::new(Arc::clone(label), Vector::Constant(*kind, value.clone(), rows))
                };
                let mut columns: Vec<Column> = key.iter().take(2).map(constant).collect();
                columns.push(Column::new("_time", Vector::Time(Arc::new(points.times))));
                columns.push(Column::new("_value", points.values.finish()));
                columns.extend(key.iter().skip(2).map(constant));
                let key = GroupKey::new(key.into_iter().map(|(label, _, value)| (label, value)).collect());
                tables.push(Table::new(key, columns));
            }
        }
        tables.sort_by(|left, right| left.key().order(right.key()));
        tables
    }
}

fn tag_text(tag: &ArrayRef, row: usize) -> Option<&str> {
    let tag = tag.as_dictionary_opt::<Int32Type>()?;
    let texts = tag.values().as_string_opt::<i32>()?;
    tag.key(row).filter(|key| texts.is_valid(*key)).map(|key| texts.value(key))
}

impl Points {
    /// Adds the rows from `start` to before `end` that have a value.
    fn append(&mut self, times: &[i64], array: &ArrayRef, start: usize, end: usize) {
        let Self { predicate, times: known, values } = self;
        let wanted = |value: &dyn Fn() -> Value| predicate.as_ref().is_none_or(|predicate| predicate.holds(&value()));
        macro_rules! append {
            ($values:expr, $array:expr, $wrap:expr, $store:expr) => {
                for row in start..end {
                    if !$array.is_valid(row) {
                        continue;
                    }
                    let value = $store($array.value(row));
                    if wanted(&|| $wrap(value.clone())) {
                        known.push(times.get(row).copied());
                        $values.push(Some(value));
                    }
                }
            };
        }
        match values {
            VectorBuilder::Float(values) => {
                if let Some(array) = array.as_primitive_opt::<Float64Type>() {
                    append!(values, array, Value::Float, |value: f64| value);
                }
            }
            VectorBuilder::Int(values) => {
                if let Some(array) = array.as_primitive_opt::<Int64Type>() {
                    append!(values, array, Value::Int, |value: i64| value);
                }
            }
            VectorBuilder::UInt(values) => {
                if let Some(array) = array.as_primitive_opt::<UInt64Type>() {
                    append!(values, array, Value::UInt, |value: u64| value);
                }
            }
            VectorBuilder::Bool(values) => {
                if let Some(array) = array.as_boolean_opt() {
                    append!(values, array, Value::Bool, |value: bool| value);
                }
            }
            VectorBuilder::String(values) => {
                if let Some(array) = array.as_string_opt::<i32>() {
                    append!(values, array, Value::String, |value: &str| Text::from(value));
                }
            }
            VectorBuilder::Time(_) => {}
        }
    }
}

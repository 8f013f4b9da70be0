//! Fills the windows of one series after another. A series is in memory with its rows, its windows are made as they are
//! read, however many there are.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::array::make_comparator;
use arrow::array::{
    Array as _, ArrayRef, AsArray as _, Float64Array, Int64Array, RecordBatch, TimestampNanosecondArray, UInt64Array,
};
use arrow::compute::{SortOptions, concat_batches, partition, take};
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, TimestampNanosecondType, UInt64Type};
use datafusion::common::exec_err;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexOrdering, OrderingRequirements, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};
use futures::StreamExt as _;

use super::gap_fill::{Bins, Fill, GapFill};
use crate::limits;

/// The operator.
#[derive(Debug)]
pub(super) struct GapFillExec {
    input: Arc<dyn ExecutionPlan>,
    shape: Arc<Shape>,
    ordering: Option<LexOrdering>,
    properties: Arc<PlanProperties>,
}

/// What is filled how.
#[derive(Debug)]
struct Shape {
    time: usize,
    groups: usize,
    bins: Bins,
    fills: Vec<(Fill, usize)>,
    schema: SchemaRef,
}

impl GapFillExec {
    pub(super) fn new(node: &GapFill, schema: SchemaRef, input: Arc<dyn ExecutionPlan>) -> Self {
        let fills = node.fills.iter().map(|(fill, column, _)| (*fill, *column)).collect();
        let shape = Shape { time: node.time, groups: node.groups, bins: node.bins.clone(), fills, schema };
        Self::with_input(Arc::new(shape), input)
    }

    fn with_input(shape: Arc<Shape>, input: Arc<dyn ExecutionPlan>) -> Self {
        let columns = (0..shape.groups).filter(|column| *column != shape.time).chain([shape.time]);
        let sorted = columns.map(|column| {
            let name = shape.schema.field(column).name();
            PhysicalSortExpr::new(Arc::new(Column::new(name, column)), SortOptions::default())
        });
        let ordering = LexOrdering::new(sorted.collect::<Vec<_>>());
        let equivalence = match &ordering {
            Some(ordering) => EquivalenceProperties::new_with_orderings(Arc::clone(&shape.schema), [ordering.clone()]),
            None => EquivalenceProperties::new(Arc::clone(&shape.schema)),
        };
        let properties = PlanProperties::new(
            equivalence,
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { input, shape, ordering, properties: Arc::new(properties) }
    }
}

impl DisplayAs for GapFillExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "GapFillExec: groups={}, fills={}", self.shape.groups - 1, self.shape.fills.len())
    }
}

impl ExecutionPlan for GapFillExec {
    fn name(&self) -> &'static str {
        "GapFillExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn required_input_distribution(&self) -> Vec<Distribution> {
        vec![Distribution::SinglePartition]
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        vec![self.ordering.clone().map(OrderingRequirements::from)]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = children.try_into().or_else(|_| exec_err!("GapFillExec has one input"))?;
        Ok(Arc::new(Self::with_input(Arc::clone(&self.shape), input)))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let reservation = MemoryConsumer::new("GapFill").register(context.memory_pool());
        let input = self.input.execute(partition, context)?;
        let work = Work {
            shape: Arc::clone(&self.shape),
            input,
            reservation,
            rows: Vec::new(),
            whole: VecDeque::new(),
            series: None,
            is_over: false,
        };
        let batches = futures::stream::try_unfold(work, |mut work| async move {
            let batch = work.next().await?;
            Ok(batch.map(|batch| (batch, work)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.shape.schema), batches)))
    }
}

/// One run of the operator.
struct Work {
    shape: Arc<Shape>,
    input: SendableRecordBatchStream,
    reservation: MemoryReservation,
    /// Rows of a series whose end was not seen yet.
    rows: Vec<RecordBatch>,
    /// Series that are whole.
    whole: VecDeque<Vec<RecordBatch>>,
    /// The series that is given out.
    series: Option<Series>,
    is_over: bool,
}

impl Work {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(series) = &mut self.series {
                match series.next(&self.shape)? {
                    Some(batch) => return Ok(Some(batch)),
                    None => self.series = None,
                }
            }
            if let Some(rows) = self.whole.pop_front() {
                let schema = rows.first().map(RecordBatch::schema).unwrap_or_else(|| Arc::clone(&self.shape.schema));
                let rows = concat_batches(&schema, &rows)?;
                self.series = Some(Series::new(rows, &self.shape)?);
                continue;
            }
            self.reservation.resize(self.rows.iter().map(RecordBatch::get_array_memory_size).sum());
            match self.input.next().await.transpose()? {
                Some(batch) => self.take(batch)?,
                None if self.is_over => return Ok(None),
                None => {
                    self.is_over = true;
                    self.end_series();
                }
            }
        }
    }

    fn end_series(&mut self) {
        if !self.rows.is_empty() {
            self.whole.push_back(std::mem::take(&mut self.rows));
        }
    }

    fn take(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.reservation.try_grow(batch.get_array_memory_size())?;
        let keys: Vec<usize> = (0..self.shape.groups).filter(|column| *column != self.shape.time).collect();
        let columns: Vec<ArrayRef> = keys.iter().map(|column| Arc::clone(batch.column(*column))).collect();
        let ranges = match columns.is_empty() {
            true => std::iter::once(0..batch.num_rows()).collect(),
            false => partition(&columns)?.ranges(),
        };
        for range in ranges {
            let rows = batch.slice(range.start, range.len());
            if let Some(last) = self.rows.last()
                && !is_same_series(last, &rows, &keys)?
            {
                self.end_series();
            }
            self.rows.push(rows);
        }
        Ok(())
    }
}

/// Whether the last row of one batch and the first of the next are of one series.
fn is_same_series(before: &RecordBatch, after: &RecordBatch, keys: &[usize]) -> Result<bool> {
    for column in keys {
        let compare = make_comparator(before.column(*column), after.column(*column), SortOptions::default())?;
        if compare(before.num_rows() - 1, 0).is_ne() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A series whose windows are given out.
struct Series {
    rows: RecordBatch,
    times: TimestampNanosecondArray,
    /// The next row and the next window.
    row: usize,
    bin: u64,
    /// For each fill, the row of the last value; for lines, the rows that have one.
    last: Vec<Option<u64>>,
    given: Vec<Vec<usize>>,
}

impl Series {
    fn new(rows: RecordBatch, shape: &Shape) -> Result<Self> {
        let Some(times) = rows.column(shape.time).as_primitive_opt::<TimestampNanosecondType>().cloned() else {
            return exec_err!("the windows of a gap-filling query are not times");
        };
        let given = shape.fills.iter().map(|(fill, column)| match fill {
            Fill::Previous => Vec::new(),
            Fill::Linear => (0..rows.num_rows()).filter(|row| rows.column(*column).is_valid(*row)).collect(),
        });
        let given = given.collect();
        Ok(Self { rows, times, row: 0, bin: 0, last: vec![None; shape.fills.len()], given })
    }

    /// The next windows, with the row of each that has one.
    fn slots(&mut self, shape: &Shape) -> (Vec<i64>, Vec<Option<u64>>) {
        let (mut times, mut sources) = (Vec::new(), Vec::new());
        while times.len() < limits::BATCH_ROWS {
            let row = (self.row < self.times.len()).then(|| self.times.value(self.row));
            match (row, shape.bins.start_ns(self.bin)) {
                (None, None) => break,
                (Some(time), bin) if bin.is_none_or(|bin| time <= bin) => {
                    times.push(time);
                    sources.push(Some(self.row as u64));
                    self.row += 1;
                    self.bin += u64::from(bin == Some(time));
                }
                (_, bin) => {
                    times.extend(bin);
                    sources.push(None);
                    self.bin += 1;
                }
            }
        }
        (times, sources)
    }

    fn next(&mut self, shape: &Shape) -> Result<Option<RecordBatch>> {
        let (times, sources) = self.slots(shape);
        if times.is_empty() {
            return Ok(None);
        }
        let first = UInt64Array::from(vec![0_u64; times.len()]);
        let here = UInt64Array::from(sources.clone());
        let mut columns = Vec::with_capacity(shape.schema.fields().len());
        for (index, column) in self.rows.columns().iter().enumerate() {
            columns.push(match index {
                index if index == shape.time => {
                    let zone: Option<Arc<str>> = self.times.timezone().map(Into::into);
                    Arc::new(TimestampNanosecondArray::from(times.clone()).with_timezone_opt(zone)) as ArrayRef
                }
                index if index < shape.groups => take(column, &first, None)?,
                _ => take(column, &here, None)?,
            });
        }
        for (number, (fill, column)) in shape.fills.iter().enumerate() {
            let column = Arc::clone(self.rows.column(*column));
            columns.push(match fill {
                Fill::Previous => {
                    let last = &mut self.last[number];
                    let carried = sources.iter().map(|source| {
                        if let Some(row) = source.filter(|row| column.is_valid(*row as usize)) {
                            *last = Some(row);
                        }
                        *last
                    });
                    take(&column, &UInt64Array::from_iter(carried), None)?
                }
                Fill::Linear => lines(&column, &self.times, &self.given[number], &times)?,
            });
        }
        Ok(Some(RecordBatch::try_new(Arc::clone(&shape.schema), columns)?))
    }
}

/// Values on the lines between the rows that have one.
fn lines(column: &ArrayRef, row_times: &TimestampNanosecondArray, given: &[usize], times: &[i64]) -> Result<ArrayRef> {
    // The rows around a time; twice the same one at its own time.
    let around = |time: i64| {
        let next = given.partition_point(|row| row_times.value(*row) < time);
        let to = *given.get(next)?;
        let from = if row_times.value(to) == time { to } else { *given.get(next.checked_sub(1)?)? };
        Some((from, to))
    };
    let share = |from: usize, to: usize, time: i64| {
        let (start, end) = (row_times.value(from) as f64, row_times.value(to) as f64);
        if from == to { 0.0 } else { (time as f64 - start) / (end - start) }
    };
    Ok(match column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            let at = |time: &i64| {
                let (from, to) = around(*time)?;
                let (start, end) = (values.value(from), values.value(to));
                Some(if from == to { start } else { start + (end - start) * share(from, to, *time) })
            };
            Arc::new(times.iter().map(at).collect::<Float64Array>())
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            let at = |time: &i64| {
                let (from, to) = around(*time)?;
                let (start, end) = (values.value(from), values.value(to));
                let step = (end as f64 - start as f64) * share(from, to, *time);
                Some(if from == to { start } else { start.saturating_add(step as i64) })
            };
            Arc::new(times.iter().map(at).collect::<Int64Array>())
        }
        DataType::UInt64 => {
            let values = column.as_primitive::<UInt64Type>();
            let at = |time: &i64| {
                let (from, to) = around(*time)?;
                let (start, end) = (values.value(from), values.value(to));
                let step = (end as f64 - start as f64) * share(from, to, *time);
                Some(if from == to { start } else { start.saturating_add_signed(step as i64) })
            };
            Arc::new(times.iter().map(at).collect::<UInt64Array>())
        }
        other => return exec_err!("interpolate cannot be of {other}"),
    })
}

//! The last windows of all series together, `group() |> aggregateWindow(createEmpty: false) |> sort(columns: ["_time"],
//! desc: true) |> limit`: read from the end, no further back than there are windows to show.

use std::sync::Arc;

use super::super::error::Result;
use super::super::runtime::Runtime;
use super::super::source::column_order;
use super::super::source::target::Target;
use super::super::stream::{Shape, Stream};
use super::super::table::Table;
use super::lanes::{self, Wanted};
use super::pattern::{self, Pipeline};
use super::tables;

/// How much further back is read each time.
const GROWTH: i64 = 8;

/// Such a pipeline.
#[derive(Debug)]
pub(super) struct Latest<'a> {
    pub(super) pipeline: Pipeline<'a>,
    /// The end of `aggregateWindow`.
    windows: &'a Stream,
    count: usize,
    offset: usize,
}

/// The pipeline that ends here, if it is one.
pub(super) fn recognise(stream: &Stream) -> Option<Latest<'_>> {
    let Shape::Limit { count, offset } = stream.0.shape else { return None };
    let sort = stream.0.inputs.first()?;
    let Shape::Sort { columns, descending: true } = &sort.0.shape else { return None };
    if count == 0 || !matches!(columns.as_slice(), [only] if **only == *"_time") {
        return None;
    }
    let windows = sort.0.inputs.first()?;
    let pipeline = pattern::recognise(windows)?;
    let is_one_table = pipeline.group.is_some_and(|group| group.is_empty());
    let is_filled = pipeline.window.is_none_or(|window| window.create_empty);
    (is_one_table && !is_filled && pipeline.rejoin.is_some()).then_some(Latest { pipeline, windows, count, offset })
}

impl std::fmt::Display for Latest<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the last {} of {}", self.count.saturating_add(self.offset), self.pipeline)
    }
}

/// The tables of the pipeline: one, or none.
pub(super) fn make(runtime: &Arc<Runtime>, latest: &Latest<'_>, targets: &[Target]) -> Result<Option<Vec<Table>>> {
    let pipeline = &latest.pipeline;
    let Some(windows) = pipeline.windows() else { return Ok(None) };
    let wanted = latest.count.saturating_add(latest.offset);
    let bounds = pipeline.chain.bounds;
    let mut span = i64::try_from(wanted).unwrap_or(i64::MAX).saturating_mul(windows.every);
    loop {
        // Windows are read whole.
        let from = windows.bounds(bounds.1.saturating_sub(span).max(bounds.0)).0;
        let lanes = lanes::read(runtime, pipeline, targets, Wanted { from, keys: true })?;
        runtime.step(lanes.len() as u64)?;
        let tables = tables::make(pipeline, &lanes)?;
        let has_all = tables.first().is_some_and(|table| table.rows() >= wanted);
        if !has_all && from > bounds.0 {
            span = span.saturating_mul(GROWTH);
            continue;
        }
        let order = column_order(runtime, latest.windows);
        let shown = |table: Table| {
            let table = match order {
                Some(order) => table.with(table.key().clone(), order(&table)),
                None => table,
            };
            let rows: Vec<usize> = (0..table.rows()).rev().skip(latest.offset).take(latest.count).collect();
            table.take(&rows)
        };
        return Ok(Some(tables.into_iter().map(shown).collect()));
    }
}

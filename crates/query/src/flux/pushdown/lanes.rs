//! Reads the states of aggregates: for each series and field a [`Lane`] with what it is in each window. All fields of a
//! measurement whose condition is the same are aggregated in one pass over its wide table.

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use storage::{RowsNeeded, SeriesBatch, SeriesPredicate};

use super::super::error::Result;
use super::super::runtime::Runtime;
use super::super::source::predicate::Predicate;
use super::super::source::target::{Field, KeyTemplate, Target};
use super::super::table::GroupKey;
use super::super::value::Text;
use super::pattern::Pipeline;
use super::rows::mask;
use crate::limits;
use crate::ops::partial::{AggregateFunction, Partial};
use crate::ops::window_aggregate::{Aggregate, RowFilter, WindowAggregate, window_aggregate};

/// A field of a series: a table, as the interpreter would have read it.
#[derive(Debug)]
pub(super) struct Lane<'a> {
    pub(super) target: &'a Target,
    pub(super) field: &'a Field,
    /// The key of the table.
    pub(super) key: GroupKey,
    /// The tags that the series has.
    pub(super) tags: Arc<[Option<Text>]>,
    /// The windows with rows, by their starts, with the state in each; without windows one, which starts at 0.
    pub(super) states: Vec<(i64, Partial)>,
}

/// Which lanes are read, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Rows before this time do not count.
    pub(super) from: i64,
    /// Whether the lanes are to have their keys, and come by them.
    pub(super) keys: bool,
}

/// All lanes with rows: by measurement, then by key.
pub(super) fn read<'a>(
    runtime: &Arc<Runtime>,
    pipeline: &Pipeline<'_>,
    targets: &'a [Target],
    wanted: Wanted,
) -> Result<Vec<Lane<'a>>> {
    let mut lanes = Vec::new();
    if pipeline.chain.bounds.0 >= pipeline.chain.bounds.1 {
        return Ok(lanes);
    }
    for target in targets {
        let first = lanes.len();
        for fields in passes(target) {
            pass(runtime, pipeline, target, &fields, wanted, &mut lanes)?;
        }
        if wanted.keys
            && let Some(lanes) = lanes.get_mut(first..)
        {
            lanes.sort_by(|left, right| left.key.order(&right.key));
        }
    }
    Ok(lanes)
}

/// Which fields are read together: those with the same condition, if it does not look at values.
pub(super) fn passes(target: &Target) -> Vec<Vec<&Field>> {
    let mut passes: Vec<Vec<&Field>> = Vec::new();
    for field in &target.fields {
        let is_like =
            |pass: &&mut Vec<&Field>| pass.first().is_some_and(|first| first.predicate.is_like(&field.predicate));
        match passes.iter_mut().find(is_like).filter(|_| !field.predicate.mentions_value()) {
            Some(pass) => pass.push(field),
            None => passes.push(vec![field]),
        }
    }
    passes
}

/// Reads some fields of a measurement.
fn pass<'a>(
    runtime: &Arc<Runtime>,
    pipeline: &Pipeline<'_>,
    target: &'a Target,
    fields: &[&'a Field],
    wanted: Wanted,
    lanes: &mut Vec<Lane<'a>>,
) -> Result<()> {
    let Some(predicate) = fields.first().map(|field| &field.predicate) else { return Ok(()) };
    let (function, windows) = (pipeline.function, pipeline.windows());
    let row_filter = predicate.mentions_value().then(|| row_filter(target, predicate));
    let only_last = windows.is_none() && row_filter.is_none() && function == AggregateFunction::Last;
    let bounds = pipeline.chain.bounds;
    let request = WindowAggregate {
        table: Arc::clone(&target.table),
        tags: target.tags.iter().map(|(_, index)| *index).collect(),
        group_tags: target.tags.len(),
        fields: fields.iter().map(|field| field.index).collect(),
        time_range: (bounds.0.max(wanted.from), bounds.1.saturating_sub(1)),
        tag_filters: target.filters.clone(),
        series_filter: predicate.mentions_tags().then(|| series_filter(target, predicate)),
        row_filter,
        windows,
        aggregates: (0..fields.len()).map(|field| Aggregate { function, field }).collect(),
        rows: if only_last { RowsNeeded::LastWithAllFields } else { RowsNeeded::All },
        partitions: runtime.handle.metrics().num_workers(),
        groups_max: limits::FLUX_SERIES,
    };
    let budget = runtime.budget();
    let groups = runtime.wait(window_aggregate(request, &budget))?;
    let keys: Vec<KeyTemplate> = fields.iter().map(|field| KeyTemplate::new(bounds, target, Some(field))).collect();
    for group in groups {
        let tags: Arc<[Option<Text>]> = group.tags.into();
        for (at, (field, key)) in fields.iter().zip(&keys).enumerate() {
            let states = group.states.iter().skip(at).step_by(fields.len());
            let states: Vec<(i64, Partial)> = group
                .windows
                .iter()
                .zip(states)
                .filter(|(_, state)| **state != Partial::Empty)
                .map(|(start, state)| (*start, *state))
                .collect();
            if !states.is_empty() {
                let key = if wanted.keys { key.of(&tags) } else { GroupKey::default() };
                lanes.push(Lane { target, field, key, tags: Arc::clone(&tags), states });
            }
        }
    }
    Ok(())
}

/// The condition on the tags of a series.
pub(super) fn series_filter(target: &Target, predicate: &Predicate) -> SeriesPredicate {
    let names: Vec<Text> = target.tags.iter().map(|(name, _)| Arc::clone(name)).collect();
    let predicate = predicate.clone();
    Arc::new(move |tags| {
        let tag = |name: &str| {
            let place = names.iter().position(|known| **known == *name)?;
            tags.get(place).copied().flatten()
        };
        predicate.may_hold(&tag)
    })
}

/// The condition on the rows of the one field that is read.
pub(super) fn row_filter(target: &Target, predicate: &Predicate) -> RowFilter {
    let names: Vec<Text> = target.tags.iter().map(|(name, _)| Arc::clone(name)).collect();
    let predicate = predicate.clone();
    Arc::new(move |batch: &SeriesBatch| match batch.columns.first() {
        Some(column) => mask(&predicate, batch, column, &names),
        None => BooleanBuffer::new_unset(batch.times.len()),
    })
}

//! What there is in a bucket, as dashboards ask for it: the values of a tag, fields, measurements, and the labels of
//! group keys.
//!
//! ```text
//! from |> range |> filter… |> keep(columns: [c]) |> group() |> distinct(column: c)
//! from |> range |> filter… |> keys() |> keep(columns: ["_value"]) |> distinct()
//! ```
//!
//! The answers come from dictionaries, from the layouts of row groups and from where fields have their last values, all
//! of which the storage keeps for each file; values are read where a condition looks at them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::Array as _;
use storage::{RowsNeeded, TableSnapshot};

use super::super::error::{FluxError, Result};
use super::super::runtime::Runtime;
use super::super::source::target::{Field, KeyTemplate, Target};
use super::super::source::{Chain, chain};
use super::super::stream::{Bounds, Shape, Stream, Tables};
use super::super::table::{Column, GroupKey, Table};
use super::super::value::Text;
use super::super::vector::Vector;
use super::lanes::{passes, row_filter, series_filter};
use crate::limits;
use crate::ops::partial::{AggregateFunction, Partial};
use crate::ops::window_aggregate::{Aggregate, WindowAggregate, failed, window_aggregate};

/// Such a pipeline.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    pub(super) chain: Chain<'a>,
    pub(super) what: What<'a>,
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// The values of a column of group keys.
    Column(&'a str),
    /// The labels of group keys.
    Keys,
}

/// The pipeline that ends here, if it is one.
pub(super) fn recognise(stream: &Stream) -> Option<Listing<'_>> {
    let Shape::Distinct { column } = &stream.0.shape else { return None };
    let below = stream.0.inputs.first()?;
    let kept = |stream: &Stream, wanted: &str| {
        let Shape::Keep { columns } = &stream.0.shape else { return false };
        matches!(columns.as_slice(), [only] if **only == *wanted)
    };
    if let Shape::Group { columns, except: false } = &below.0.shape {
        let keep = below.0.inputs.first()?;
        let is_row = matches!(&**column, "_start" | "_stop" | "_time" | "_value");
        if is_row || !columns.is_empty() || !kept(keep, column) {
            return None;
        }
        return Some(Listing { chain: chain(keep.0.inputs.first()?)?, what: What::Column(column) });
    }
    let keys = below.0.inputs.first()?;
    let is_keys = matches!(&keys.0.shape, Shape::Keys { column } if **column == *"_value");
    if **column != *"_value" || !kept(below, "_value") || !is_keys {
        return None;
    }
    Some(Listing { chain: chain(keys.0.inputs.first()?)?, what: What::Keys })
}

impl std::fmt::Display for Listing<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.what {
            What::Column(column) => write!(formatter, "values of {column}"),
            What::Keys => formatter.write_str("labels of group keys"),
        }
    }
}

impl Listing<'_> {
    /// What there is to read; none if the interpreter has to see it.
    pub(super) fn targets(&self, runtime: &Arc<Runtime>) -> Result<Option<Vec<Target>>> {
        let targets = self.chain.targets(runtime)?;
        Ok(targets.filter(|targets| !targets.iter().any(Target::has_reserved_tag)))
    }
}

/// The table of the pipeline; none if the interpreter has to see it.
pub(super) fn open(runtime: &Arc<Runtime>, listing: &Listing<'_>) -> Result<Option<Tables>> {
    let Some(targets) = listing.targets(runtime)? else { return Ok(None) };
    let bounds = listing.chain.bounds;
    let values = match listing.what {
        _ if bounds.0 >= bounds.1 => Vec::new(),
        What::Column("_measurement") => measurements(runtime, &targets, bounds)?,
        What::Column("_field") => fields(runtime, &targets, bounds)?,
        What::Column(tag) => tag_values(runtime, &targets, bounds, tag)?,
        What::Keys => labels(runtime, &targets, bounds)?,
    };
    if values.is_empty() {
        return Ok(Some(Box::new(std::iter::empty())));
    }
    let column = Column::new("_value", Vector::texts(values.into_iter().map(Some).collect()));
    Ok(Some(Box::new(std::iter::once(Ok(Table::new(GroupKey::default(), vec![column]))))))
}

/// Whether any row of any series answers: all fields are wanted, and no condition looks further than at measurements.
fn wants_all(target: &Target) -> bool {
    let all = target.table.table_schema().fields().count();
    let is_free = |field: &Field| !field.predicate.mentions_tags() && !field.predicate.mentions_value();
    target.fields.len() == all && target.fields.iter().all(is_free)
}

fn measurements(runtime: &Arc<Runtime>, targets: &[Target], bounds: Bounds) -> Result<Vec<Text>> {
    let mut names = BTreeSet::new();
    for target in targets {
        if !existing(runtime, target, bounds, 0)?.is_empty() {
            names.insert(Arc::clone(&target.measurement));
        }
    }
    Ok(names.into_iter().collect())
}

fn fields(runtime: &Arc<Runtime>, targets: &[Target], bounds: Bounds) -> Result<Vec<Text>> {
    let mut names = BTreeSet::new();
    for target in targets {
        for (_, has_field) in existing(runtime, target, bounds, 0)? {
            let there = target.fields.iter().zip(has_field).filter(|(_, has)| *has);
            names.extend(there.map(|(field, _)| Arc::clone(&field.name)));
        }
    }
    Ok(names.into_iter().collect())
}

fn tag_values(runtime: &Arc<Runtime>, targets: &[Target], bounds: Bounds, tag: &str) -> Result<Vec<Text>> {
    let mut values: BTreeSet<Text> = BTreeSet::new();
    for target in targets {
        let Some(place) = target.tags.iter().position(|(name, _)| **name == *tag) else { continue };
        if wants_all(target) && target.filters.is_empty() && !target.table.has_deletes() {
            let index = target.tags.get(place).map_or(0, |(_, index)| *index);
            values.extend(dictionary(runtime, &target.table, index, bounds)?);
            continue;
        }
        let there = existing(runtime, target, bounds, target.tags.len())?;
        values.extend(there.iter().filter_map(|(tags, _)| tags.get(place).cloned().flatten()));
    }
    Ok(values.into_iter().collect())
}

/// The values of a tag in rows of a time range.
fn dictionary(runtime: &Arc<Runtime>, table: &Arc<TableSnapshot>, index: usize, bounds: Bounds) -> Result<Vec<Text>> {
    let budget = runtime.budget();
    runtime.wait(async {
        let mut scan = table.tag_values(index, (bounds.0, bounds.1.saturating_sub(1))).map_err(failed)?;
        let mut lists = Vec::new();
        while let Some(values) = scan.next().await.map_err(failed)? {
            // The list, and what is made of each value.
            budget.charge(values.get_array_memory_size() + values.len() * 64)?;
            lists.push(values);
        }
        Ok(storage::merge_tag_values(lists).iter().flatten().map(Text::from).collect())
    })
}

/// The labels of the keys of all tables, in the order in which they come.
fn labels(runtime: &Arc<Runtime>, targets: &[Target], bounds: Bounds) -> Result<Vec<Text>> {
    // For each set of tags the first key that has them.
    let mut keys: Vec<GroupKey> = Vec::new();
    for target in targets {
        let templates: Vec<KeyTemplate> =
            target.fields.iter().map(|field| KeyTemplate::new(bounds, target, Some(field))).collect();
        let mut first: BTreeMap<Vec<bool>, GroupKey> = BTreeMap::new();
        for (tags, has_field) in existing(runtime, target, bounds, target.tags.len())? {
            let template = templates.iter().zip(has_field).find(|(_, has)| *has);
            let Some(key) = template.map(|(template, _)| template.of(&tags)) else { continue };
            let shape: Vec<bool> = tags.iter().map(Option::is_some).collect();
            let known = first.entry(shape).or_insert_with(|| key.clone());
            if key.order(known).is_lt() {
                *known = key;
            }
        }
        let mut first: Vec<GroupKey> = first.into_values().collect();
        // Measurements come one after another.
        first.sort_by(GroupKey::order);
        keys.extend(first);
    }
    let mut labels: Vec<Text> = Vec::new();
    for (label, _) in keys.iter().flat_map(GroupKey::columns) {
        if !labels.contains(label) {
            labels.push(Arc::clone(label));
        }
    }
    Ok(labels)
}

/// The values of the first `group_tags` tags that some series have together, with the wanted fields of which they have
/// values.
type Existing = Vec<(Vec<Option<Text>>, Vec<bool>)>;

fn existing(runtime: &Arc<Runtime>, target: &Target, bounds: Bounds, group_tags: usize) -> Result<Existing> {
    let mut found: BTreeMap<Vec<Option<Text>>, Vec<bool>> = BTreeMap::new();
    for fields in passes(target) {
        let Some(predicate) = fields.first().map(|field| &field.predicate) else { continue };
        let row_filter = predicate.mentions_value().then(|| row_filter(target, predicate));
        let aggregates = (0..fields.len()).map(|field| Aggregate { function: AggregateFunction::Count, field });
        let request = WindowAggregate {
            table: Arc::clone(&target.table),
            tags: target.tags.iter().map(|(_, index)| *index).collect(),
            group_tags,
            fields: fields.iter().map(|field| field.index).collect(),
            time_range: (bounds.0, bounds.1.saturating_sub(1)),
            tag_filters: target.filters.clone(),
            series_filter: predicate.mentions_tags().then(|| series_filter(target, predicate)),
            // Where each field has its last value is known of whole files.
            rows: if row_filter.is_none() { RowsNeeded::LastWithAllFields } else { RowsNeeded::All },
            row_filter,
            windows: None,
            aggregates: aggregates.collect(),
            partitions: runtime.handle.metrics().num_workers(),
            groups_max: limits::FLUX_SERIES,
        };
        let budget = runtime.budget();
        for group in runtime.wait(window_aggregate(request, &budget))? {
            let has = |field: &Field| {
                let place = fields.iter().position(|known| known.index == field.index)?;
                group.states.get(place).map(|state| *state != Partial::Empty && *state != Partial::Count(0))
            };
            let here: Vec<bool> = target.fields.iter().map(|field| has(field).unwrap_or_default()).collect();
            if here.contains(&true) {
                let known = found.entry(group.tags).or_insert_with(|| vec![false; target.fields.len()]);
                known.iter_mut().zip(here).for_each(|(known, here)| *known |= here);
            }
        }
        if found.len() > limits::FLUX_SERIES {
            return Err(FluxError::invalid(format!("the query has more than {} series", limits::FLUX_SERIES)));
        }
    }
    Ok(found.into_iter().collect())
}

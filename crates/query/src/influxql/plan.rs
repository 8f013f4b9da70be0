//! A statement, resolved: what is read of which source, which functions see it, and what the columns are made of.

use std::sync::Arc;

use chrono_tz::Tz;
use influxql::ast::Fill;
use storage::TableSnapshot;

use super::aggregate::Function;
use super::columns::Slot;
use super::node::Node;
use super::time_range::TimeRange;
use super::transform::Transform;
use super::value::Kind;
use crate::ops::window::Windows;

/// Where rows come from.
#[derive(Debug, Clone)]
pub(super) enum PlannedSource {
    /// A measurement.
    Table(Arc<TableSnapshot>),
    /// The rows of another statement.
    Subquery(Box<Plan>),
}

/// A function and what is done with its results.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CallPlan {
    pub(super) function: Function,
    /// The slot of its argument; one that there is not has no points.
    pub(super) input: usize,
    /// What the argument is cast to.
    pub(super) input_kind: Kind,
    /// Functions of the results, the innermost first.
    pub(super) transforms: Vec<Transform>,
    /// The type of the function's own result.
    pub(super) kind: Kind,
    /// The bounds of what it sees: more than those of the statement where a transformation needs windows before.
    pub(super) range: TimeRange,
}

/// How rows become columns.
#[derive(Debug, Clone)]
pub(super) enum Projection {
    /// Each row is one of the result, if one of these slots has a value.
    Raw { fields: Vec<Node>, required: Vec<usize> },
    /// The nodes see the results of the calls, then the values beside the only selector.
    Calls {
        calls: Vec<CallPlan>,
        /// Slots of the values beside it.
        auxiliary: Vec<usize>,
        fields: Vec<Node>,
        /// Whether there is one function only, and it picks a point whose time is shown.
        is_selector: bool,
    },
}

/// A part of a list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PagePlan {
    /// None is all.
    pub(super) limit: Option<usize>,
    pub(super) offset: usize,
}

impl CallPlan {
    /// The type of its results, behind all transformations.
    pub(super) fn result_kind(&self) -> Kind {
        self.transforms.iter().fold(self.kind, |kind, transform| transform.result_kind(kind).unwrap_or(kind))
    }
}

impl PagePlan {
    /// How many entries have to be made; none is all.
    pub(super) fn end(&self) -> Option<usize> {
        self.limit.map(|limit| limit.saturating_add(self.offset))
    }

    /// Whether it may leave something out.
    pub(super) fn is_part(&self) -> bool {
        self.limit.is_some() || self.offset > 0
    }

    /// The entries of the page.
    pub(super) fn cut<T>(&self, entries: &mut Vec<T>) {
        entries.drain(..self.offset.min(entries.len()));
        entries.truncate(self.limit.unwrap_or(usize::MAX));
    }
}

/// A `SELECT`, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) sources: Vec<PlannedSource>,
    /// What is read of each source.
    pub(super) slots: Vec<Slot>,
    /// The tags of `GROUP BY`, sorted.
    pub(super) dimensions: Vec<String>,
    pub(super) windows: Option<Windows>,
    pub(super) range: TimeRange,
    pub(super) condition: Option<Node>,
    /// Tags that must have one of some values, which the scan can use.
    pub(super) tag_filters: Vec<(String, Vec<String>)>,
    pub(super) projection: Projection,
    /// Without the time.
    pub(super) columns: Vec<String>,
    /// The types of the columns, as far as they are known.
    pub(super) kinds: Vec<Option<Kind>>,
    /// What the time is called.
    pub(super) time_name: String,
    pub(super) fill: Fill,
    pub(super) page: PagePlan,
    pub(super) series_page: PagePlan,
    pub(super) descending: bool,
    pub(super) zone: Option<Tz>,
    /// Where random numbers begin.
    pub(super) seed: u64,
    /// Whether rows are looked at one by one even where there is a shorter way.
    pub(super) row_by_row: bool,
}

impl Plan {
    /// The tables of a plan that reads nothing else, in the order of the answer; none where rows are looked at one by
    /// one, or where two tables make one series.
    pub(super) fn raw_tables(&self) -> Option<Vec<&Arc<TableSnapshot>>> {
        if self.row_by_row {
            return None;
        }
        let mut tables = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            match source {
                PlannedSource::Table(table) => tables.push(table),
                PlannedSource::Subquery(_) => return None,
            }
        }
        let name = |table: &&Arc<TableSnapshot>| table.table_schema().measurement.clone();
        tables.sort_by_key(name);
        if tables.windows(2).any(|pair| pair.first().map(name) == pair.last().map(name)) {
            return None;
        }
        if self.descending {
            tables.reverse();
        }
        Some(tables)
    }
}

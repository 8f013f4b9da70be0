//! The groups of a statement while rows go by: one for each measurement and each combination of the tags of `GROUP BY`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::aggregate::{Row, State};
use super::columns::{Chunk, tag_values};
use super::merge::TimedRow;
use super::node::Node;
use super::plan::{CallPlan, Plan, Projection};
use super::value::{Scalar, Value};
use crate::limits;

/// The measurement and the values of the dimensions.
pub(super) type GroupKey = (Arc<str>, Vec<Arc<str>>);

/// What is kept of a group.
#[derive(Debug)]
pub(super) enum Group {
    /// Rows by series, each in the order of the answer.
    Raw(BTreeMap<Vec<Arc<str>>, VecDeque<TimedRow>>),
    /// For each call its states by the start of their windows.
    Calls(Vec<BTreeMap<i64, State>>),
}

/// All groups so far.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    plan: &'a Plan,
    pub(super) map: BTreeMap<GroupKey, Group>,
}

/// Bytes that a group or window takes beside its values.
pub(super) const ENTRY_BYTES: usize = 96;

impl<'a> Groups<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self { plan, map: BTreeMap::new() }
    }

    /// Takes in the rows of a chunk. Returns by how many bytes this grew.
    ///
    /// # Errors
    /// If there are more groups than may be.
    pub(super) fn add(&mut self, measurement: &Arc<str>, chunk: &Chunk) -> Result<usize, String> {
        let mask = self.plan.condition.as_ref().map(|condition| mask(condition, chunk));
        let passes = |row: usize| mask.as_ref().is_none_or(|mask| mask.get(row).copied().unwrap_or(false));
        let is_raw = matches!(self.plan.projection, Projection::Raw { .. });
        let columns = if is_raw { &chunk.series } else { &chunk.groups };
        let mut bytes = 0;
        for (start, end) in chunk.runs(columns) {
            if !(start..end).any(&passes) {
                continue;
            }
            let key = (Arc::clone(measurement), tag_values(&chunk.groups, start));
            if !self.map.contains_key(&key) {
                if self.map.len() >= limits::INFLUXQL_SERIES {
                    return Err(format!("the query has more than {} series", limits::INFLUXQL_SERIES));
                }
                bytes += ENTRY_BYTES + key.1.iter().map(|tag| tag.len() + 16).sum::<usize>();
            }
            let plan = self.plan;
            let group = self.map.entry(key).or_insert_with(|| match &plan.projection {
                Projection::Raw { .. } => Group::Raw(BTreeMap::new()),
                Projection::Calls { calls, .. } => Group::Calls(vec![BTreeMap::new(); calls.len()]),
            });
            match (&plan.projection, group) {
                (Projection::Raw { fields, required }, Group::Raw(series)) => {
                    let rows = series.entry(tag_values(&chunk.series, start)).or_default();
                    let raw = RawRows { plan, fields, required };
                    bytes += raw.add(rows, chunk, (start, end), &passes);
                }
                (Projection::Calls { calls, auxiliary, .. }, Group::Calls(states)) => {
                    for (call, states) in calls.iter().zip(states) {
                        let one = CallRows { plan, call, auxiliary };
                        bytes += one.add(states, chunk, (start, end), &passes);
                    }
                }
                _ => {}
            }
        }
        Ok(bytes)
    }
}

/// Which rows of a chunk a condition holds for.
fn mask(condition: &Node, chunk: &Chunk) -> Vec<bool> {
    let holds = |row: usize| {
        let get = |slot: usize| chunk.columns.get(slot).map_or(Scalar::Null, |column| column.get(row));
        condition.eval(&get) == Scalar::Boolean(true)
    };
    (0..chunk.times.len()).map(holds).collect()
}

struct RawRows<'a> {
    plan: &'a Plan,
    fields: &'a [Node],
    required: &'a [usize],
}

impl RawRows<'_> {
    fn add(
        &self,
        rows: &mut VecDeque<TimedRow>,
        chunk: &Chunk,
        (start, end): (usize, usize),
        passes: &impl Fn(usize) -> bool,
    ) -> usize {
        // More rows of one series than the page shows are never shown.
        let most = self.plan.page.end().unwrap_or(usize::MAX);
        let mut bytes = 0;
        for row in (start..end).filter(|row| passes(*row)) {
            if !self.plan.descending && rows.len() >= most {
                break;
            }
            let get = |slot: usize| chunk.columns.get(slot).map_or(Scalar::Null, |column| column.get(row));
            if self.required.iter().all(|slot| get(*slot) == Scalar::Null) {
                continue;
            }
            let values: Vec<Value> = self.fields.iter().map(|field| field.eval(&get).to_value()).collect();
            // A row that takes the place of another one costs nothing more.
            if rows.len() >= most {
                rows.pop_back();
            } else {
                bytes += ENTRY_BYTES / 2 + values.iter().map(Value::size_bytes).sum::<usize>();
            }
            let entry = (chunk.times.get(row).copied().unwrap_or_default(), values);
            if self.plan.descending {
                rows.push_front(entry);
            } else {
                rows.push_back(entry);
            }
        }
        bytes
    }
}

struct CallRows<'a> {
    plan: &'a Plan,
    call: &'a CallPlan,
    auxiliary: &'a [usize],
}

impl CallRows<'_> {
    fn add(
        &self,
        states: &mut BTreeMap<i64, State>,
        chunk: &Chunk,
        (start, end): (usize, usize),
        passes: &impl Fn(usize) -> bool,
    ) -> usize {
        let Some(input) = chunk.columns.get(self.call.input) else { return 0 };
        let function = &self.call.function;
        let (min, max) = (self.call.range.min.unwrap_or(i64::MIN), self.call.range.max.unwrap_or(i64::MAX));
        let windows = self.plan.windows.filter(|_| !function.is_whole());
        let mut bytes = 0;
        let mut row = start;
        while row < end {
            let Some(first) = chunk.times.get(row).copied() else { break };
            let (from, to) = windows.map_or((0, i64::MAX), |windows| windows.bounds(first));
            let mut state = states.remove(&from);
            let is_new = state.is_none();
            let segment = row;
            while row < end {
                let time = chunk.times.get(row).copied().unwrap_or_default();
                if windows.is_some() && row > segment && !(from..to).contains(&time) {
                    break;
                }
                let slots = |slot: usize| chunk.columns.get(slot).map_or(Scalar::Null, |column| column.get(row));
                let value = input.get(row).cast(self.call.input_kind);
                if (min..=max).contains(&time) && value != Scalar::Null && passes(row) {
                    let state = state.get_or_insert_with(|| State::new(function, self.plan.seed));
                    let row = Row { time, value, slots: &slots, auxiliary: self.auxiliary };
                    bytes += state.update(function, &row);
                }
                row += 1;
            }
            if let Some(state) = state {
                bytes += if is_new { ENTRY_BYTES } else { 0 };
                states.insert(from, state);
            }
        }
        bytes
    }
}

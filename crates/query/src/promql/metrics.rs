//! Which fields of a measurement are metrics, and under which names.

use promql::{METRIC_NAME, Matcher};
use storage::{ColumnKind, FieldKind, TableSnapshot};

use super::{NON_FINITE, VALUE};

/// A field as a metric. Columns are indices of the schema of queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) field: usize,
    /// What is no finite number.
    pub(super) non_finite: Option<usize>,
}

/// The metrics of a measurement whose names are wanted.
pub(super) fn metrics(table: &TableSnapshot, matchers: &[Matcher]) -> Vec<Metric> {
    let measurement = &table.table_schema().measurement;
    let columns = table.schema().fields().len();
    let column = |index: usize| Some((index, table.column(index)?));
    let text = |(_, column): &(usize, &storage::Column)| {
        column.name == NON_FINITE && column.kind == ColumnKind::Field(FieldKind::String)
    };
    let non_finite = (1..columns).filter_map(column).find(text).map(|(index, _)| index);
    let names: Vec<&Matcher> = matchers.iter().filter(|matcher| matcher.name == METRIC_NAME).collect();
    let metric = |(field, column): (usize, &storage::Column)| {
        let ColumnKind::Field(kind) = column.kind else { return None };
        if kind == FieldKind::String {
            return None;
        }
        let is_value = column.name == VALUE;
        let name = if is_value { measurement.clone() } else { format!("{measurement}_{}", column.name) };
        let non_finite = non_finite.filter(|_| is_value);
        names.iter().all(|matcher| matcher.matches(&name)).then_some(Metric { name, field, non_finite })
    };
    let mut found: Vec<Metric> = (1..columns).filter_map(column).filter_map(metric).collect();
    // A metric that never had a finite value.
    if let Some(only) = non_finite
        && !(1..columns).filter_map(column).any(|(_, column)| column.name == VALUE)
        && names.iter().all(|matcher| matcher.matches(measurement))
    {
        found.push(Metric { name: measurement.clone(), field: only, non_finite: Some(only) });
    }
    found
}

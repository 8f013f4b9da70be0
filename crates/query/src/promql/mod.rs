//! PromQL over snapshots: which measurements and fields are metrics, and their samples series by series.
//!
//! ```text
//! promql::Query ── selections ── metrics (names of measurements and fields) ── scan by series ── samples
//!               └─ evaluate ◀──────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The field `value` of a measurement is the metric of the measurement's name, as InfluxDB 1.x stores what Prometheus
//! writes. Any other field that is a number or a boolean is the metric `measurement_field`. Tags are labels. What line
//! protocol has no number for (NaN, infinities, the marker that a series has ended) stands as a text in the field
//! [`NON_FINITE`], so that no other language meets a NaN in its sums. Nothing here writes, or checks permissions.

mod metrics;
mod read;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::execution::memory_pool::MemoryReservation;
use promql::{Answer, EvalError, Query, SampleSeries, Selection};
use storage::Snapshot;

use crate::error::QueryError;
use crate::influxql::HeldMemory;
use crate::ops::budget::Budget;

/// The field that holds the samples of a metric.
pub const VALUE: &str = "value";

/// The field that holds what is no finite number, as one of the texts of [`non_finite_text`].
pub const NON_FINITE: &str = "non_finite";

const STALE: &str = "stale";

/// What stands in [`NON_FINITE`] for a value; none for a finite number, which stands in [`VALUE`].
#[must_use]
pub fn non_finite_text(value: f64) -> Option<&'static str> {
    match value {
        _ if promql::is_stale(value) => Some(STALE),
        _ if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

fn non_finite_value(text: &str) -> Option<f64> {
    Some(match text {
        STALE => promql::STALE_NAN,
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ => return None,
    })
}

/// What is wanted of the series of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All samples.
    Samples,
    /// The labels of the series that have any.
    Labels,
}

/// Answers a query.
pub(crate) async fn evaluate(
    snapshot: Snapshot,
    query: Query,
    reservation: MemoryReservation,
    limit_bytes: usize,
) -> Result<(Answer, HeldMemory), QueryError> {
    let budget = Budget { reservation, limit_bytes };
    let mut data: Vec<Arc<[SampleSeries]>> = Vec::with_capacity(query.selections().len());
    for (place, selection) in query.selections().iter().enumerate() {
        // What several selectors ask for is read once.
        let known = query.selections()[..place].iter().position(|known| known == selection);
        let series = match known.and_then(|known| data.get(known)) {
            Some(series) => Arc::clone(series),
            None => read::select(&snapshot, selection, Wanted::Samples, &budget).await?.into(),
        };
        data.push(series);
    }
    let canceled = CancelOnDrop(Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&canceled.0);
    // It may take seconds of a core without a pause.
    let evaluation = tokio::task::spawn_blocking(move || query.evaluate(&data, &|| flag.load(Ordering::Relaxed)));
    let answer = evaluation.await.map_err(|error| QueryError::Internal(error.to_string()))?;
    drop(canceled);
    let answer = answer.map_err(|error| match error {
        EvalError::Execution(_) | EvalError::TooManySamples { .. } | EvalError::Canceled => {
            QueryError::Execution(error.to_string())
        }
    })?;
    Ok((answer, HeldMemory(budget.reservation)))
}

/// The series of some selections, each by labels.
pub(crate) async fn select(
    snapshot: Snapshot,
    selections: Vec<Selection>,
    wanted: Wanted,
    reservation: MemoryReservation,
    limit_bytes: usize,
) -> Result<(Vec<Vec<SampleSeries>>, HeldMemory), QueryError> {
    let budget = Budget { reservation, limit_bytes };
    let mut found = Vec::with_capacity(selections.len());
    for selection in &selections {
        found.push(read::select(&snapshot, selection, wanted, &budget).await?);
    }
    Ok((found, HeldMemory(budget.reservation)))
}

/// Tells an evaluation to end when nobody waits for it any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_no_finite_number_has_a_text() {
        for value in [promql::STALE_NAN, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let back = non_finite_value(non_finite_text(value).unwrap()).unwrap();
            assert_eq!((back.is_nan(), promql::is_stale(back)), (value.is_nan(), promql::is_stale(value)), "{value}");
            assert!(value.is_nan() || back == value, "{value}");
        }
        assert_eq!((non_finite_text(1.5), non_finite_value("1.5")), (None, None));
    }
}

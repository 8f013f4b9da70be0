//! Samples and answers.

use crate::labels::Labels;

/// The value of a sample that says that its series has ended: one of the many NaN, by its bits (Prometheus,
/// `model/value/value.go`).
pub const STALE_NAN: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value says that its series has ended. Other NaN are values.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN.to_bits()
}

/// The samples of a series, by time; no two have the same.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SampleSeries {
    /// Its labels, with the name of the metric.
    pub labels: Labels,
    /// Milliseconds since 1970, ascending.
    pub times: Vec<i64>,
    /// As many values; [`STALE_NAN`] where the series ends.
    pub values: Vec<f64>,
}

/// What a query evaluates to. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A number at the time of the query.
    Scalar(i64, f64),
    /// A text at the time of the query.
    String(i64, String),
    /// A sample of each series, at the time of the query.
    Vector(i64, Vec<(Labels, f64)>),
    /// Samples of series: by labels those of a range query, as they were read those of a range selector.
    Matrix(Vec<SampleSeries>),
}

/// What a series is at each step. Where it has no sample there is [`STALE_NAN`], which no operation gives.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) values: Vec<f64>,
}

/// No sample at a step.
pub(crate) const ABSENT: f64 = STALE_NAN;

pub(crate) fn is_present(value: f64) -> bool {
    !is_stale(value)
}

impl Series {
    /// The same series with other values where it has some.
    pub(crate) fn map(mut self, function: impl Fn(usize, f64) -> f64) -> Self {
        for (step, value) in self.values.iter_mut().enumerate() {
            if is_present(*value) {
                *value = function(step, *value);
            }
        }
        self
    }

    pub(crate) fn has_samples(&self) -> bool {
        self.values.iter().any(|value| is_present(*value))
    }
}

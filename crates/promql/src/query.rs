//! A query: an expression with the times that it is evaluated at, and which samples it needs for that.

use crate::ast::{At, Expr, ExprKind, Selector, TimeShift, ValueType};
use crate::eval::{EvalError, Evaluator, Value};
use crate::labels::{Labels, Matcher};
use crate::limits::{LOOKBACK_MS, Limits};
use crate::parser::{self, ParseError};
use crate::value::{Answer, SampleSeries, is_present, is_stale};

/// The times of a query, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first.
    pub start_ms: i64,
    /// None is later.
    pub end_ms: i64,
    /// From one to the next.
    pub step_ms: i64,
}

/// Why there is no such query. Texts are Prometheus's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The text is none.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It cannot be evaluated over a range.
    #[error("invalid expression type {0:?} for range query, must be Scalar or instant Vector")]
    Type(&'static str),
    /// The end is before the start.
    #[error("end timestamp must not be before start time")]
    Order,
    /// The steps lead nowhere.
    #[error("zero or negative query resolution step widths are not accepted. Try a positive integer")]
    Step,
    /// There are too many of them.
    #[error("exceeded maximum resolution of {0} points per timeseries. Try decreasing the query resolution (?step=XX)")]
    Steps(usize),
    /// A time that is beyond all that can be reckoned with.
    #[error("the time of the query is out of bounds")]
    Time,
}

/// Which samples a selector of a query needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// All of these hold for the labels.
    pub matchers: Vec<Matcher>,
    /// The earliest time that may matter, in milliseconds, inclusive.
    pub start_ms: i64,
    /// The latest, inclusive.
    pub end_ms: i64,
}

/// Times beyond these cannot be asked for: with ranges and offsets they stay within 64 bits.
const TIME_BOUND_MS: i64 = 9_000_000_000_000_000;

/// An expression with its times.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    expr: Expr,
    range: TimeRange,
    is_instant: bool,
    limits: Limits,
    selections: Vec<Selection>,
}

impl Query {
    /// A query at one time, in milliseconds since 1970.
    ///
    /// # Errors
    /// If the text is no query.
    pub fn instant(text: &str, time_ms: i64, limits: Limits) -> Result<Self, QueryError> {
        let expr = parser::parse(text, &limits)?;
        if time_ms.abs() > TIME_BOUND_MS {
            return Err(QueryError::Time);
        }
        let range = TimeRange { start_ms: time_ms, end_ms: time_ms, step_ms: 1 };
        Ok(Self::new(expr, range, true, limits))
    }

    /// A query at many times.
    ///
    /// # Errors
    /// If the text is no query, or cannot be evaluated at these times.
    pub fn range(text: &str, range: TimeRange, limits: Limits) -> Result<Self, QueryError> {
        let expr = parser::parse(text, &limits)?;
        let value_type = expr.value_type();
        if !matches!(value_type, ValueType::Scalar | ValueType::Vector) {
            return Err(QueryError::Type(value_type.as_str()));
        }
        if range.start_ms.abs() > TIME_BOUND_MS || range.end_ms.abs() > TIME_BOUND_MS {
            return Err(QueryError::Time);
        }
        if range.end_ms < range.start_ms {
            return Err(QueryError::Order);
        }
        if range.step_ms <= 0 {
            return Err(QueryError::Step);
        }
        // As in Prometheus the steps beside the first one count.
        if (range.end_ms - range.start_ms) / range.step_ms > limits.steps as i64 {
            return Err(QueryError::Steps(limits.steps));
        }
        Ok(Self::new(expr, range, false, limits))
    }

    fn new(expr: Expr, range: TimeRange, is_instant: bool, limits: Limits) -> Self {
        let mut found = Vec::new();
        select(&expr, range, (range.start_ms, range.end_ms), &mut found);
        found.sort_by_key(|(index, _)| *index);
        let selections = found.into_iter().map(|(_, selection)| selection).collect();
        Self { expr, range, is_instant, limits, selections }
    }

    /// The samples that the query needs.
    #[must_use]
    pub fn selections(&self) -> &[Selection] {
        &self.selections
    }

    /// What the query evaluates to, over the series of each of [`Self::selections`], in their order, each by labels.
    /// Samples outside of the selected times do no harm. `is_canceled` is asked again and again.
    ///
    /// # Errors
    /// If the data does not allow it, it is too much, or the query is canceled.
    pub fn evaluate<S: AsRef<[SampleSeries]>>(
        &self,
        data: &[S],
        is_canceled: &dyn Fn() -> bool,
    ) -> Result<Answer, EvalError> {
        let data: Vec<&[SampleSeries]> = data.iter().map(AsRef::as_ref).collect();
        let mut evaluator = Evaluator::new(&data, self.range, self.limits, is_canceled)?;
        let steps = evaluator.steps();
        if self.is_instant && self.expr.value_type() == ValueType::Matrix {
            return evaluator.matrix_answer(&self.expr).map(Answer::Matrix);
        }
        let value = evaluator.eval(&self.expr, steps)?;
        let time = self.range.start_ms;
        Ok(match value {
            Value::Text(text) => Answer::String(time, text),
            Value::Scalar(values) if self.is_instant => {
                Answer::Scalar(time, values.first().copied().unwrap_or(f64::NAN))
            }
            Value::Vector(series) if self.is_instant => {
                let samples = series.into_iter().filter_map(|series| Some((series.labels, *series.values.first()?)));
                Answer::Vector(time, samples.filter(|(_, value)| is_present(*value)).collect())
            }
            Value::Scalar(values) => Answer::Matrix(vec![steps.samples(Labels::default(), &values)]),
            Value::Vector(series) => {
                let mut series: Vec<SampleSeries> =
                    series.into_iter().map(|series| steps.samples(series.labels, &series.values)).collect();
                series.retain(|series| !series.times.is_empty());
                series.sort_by(|left, right| left.labels.cmp(&right.labels));
                Answer::Matrix(series)
            }
        })
    }
}

/// The time that a modifier stands for at a step.
pub(crate) fn shifted(time: TimeShift, step_ms: i64, query: TimeRange) -> i64 {
    let base = match time.at {
        None => step_ms,
        Some(At::Start) => query.start_ms,
        Some(At::End) => query.end_ms,
        Some(At::Time(ms)) => ms,
    };
    base.saturating_sub(time.offset_ms)
}

/// What the selectors below an expression need that is evaluated from a time to another.
fn select(expr: &Expr, query: TimeRange, times: (i64, i64), found: &mut Vec<(usize, Selection)>) {
    let within = |time: TimeShift, range_ms: i64| {
        (shifted(time, times.0, query).saturating_sub(range_ms), shifted(time, times.1, query))
    };
    let mut push = |selector: &Selector, range_ms: i64| {
        let (start_ms, end_ms) = within(selector.time, range_ms);
        found.push((selector.index, Selection { matchers: selector.matchers.clone(), start_ms, end_ms }));
    };
    match &expr.kind {
        ExprKind::Selector(selector) => push(selector, LOOKBACK_MS),
        ExprKind::Range { selector, range_ms } => push(selector, *range_ms),
        ExprKind::Subquery(subquery) => select(&subquery.inner, query, within(subquery.time, subquery.range_ms), found),
        _ => expr.children().into_iter().for_each(|child| select(child, query, times, found)),
    }
}

impl crate::eval::Steps {
    /// The values at the steps that have one.
    fn samples(self, labels: Labels, values: &[f64]) -> SampleSeries {
        let present = values.iter().enumerate().filter(|(_, value)| !is_stale(**value));
        let (times, values) = present.map(|(step, value)| (self.time(step), *value)).unzip();
        SampleSeries { labels, times, values }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn selected(text: &str) -> Vec<(i64, i64)> {
        let range = TimeRange { start_ms: 1_000_000, end_ms: 2_000_000, step_ms: 1000 };
        let query = Query::range(text, range, Limits::default()).unwrap();
        query.selections().iter().map(|selection| (selection.start_ms, selection.end_ms)).collect()
    }

    #[test]
    fn selectors_need_their_lookback_range_and_offset() {
        assert_eq!(selected("x"), [(700_000, 2_000_000)]);
        assert_eq!(selected("x offset 1m + x @ 500"), [(640_000, 1_940_000), (200_000, 500_000)]);
        assert_eq!(selected("rate(x[1m] @ end())"), [(1_940_000, 2_000_000)]);
        assert_eq!(selected("max_over_time(x[10m:1m] offset 1m)"), [(1_000_000 - 960_000, 1_940_000)]);
    }

    #[test]
    fn times_that_cannot_be_asked_for() {
        let error = |text: &str, start_ms, end_ms, step_ms| {
            let range = TimeRange { start_ms, end_ms, step_ms };
            Query::range(text, range, Limits::default()).unwrap_err().to_string()
        };
        assert!(error("x[5m]", 0, 1, 1).starts_with("invalid expression type \"range vector\""));
        assert!(error("x", 1, 0, 1).contains("must not be before"));
        assert!(error("x", 0, 1, 0).contains("zero or negative"));
        assert!(error("x", 0, 11_001, 1).contains("exceeded maximum resolution of 11000 points"));
        assert!(error("x", i64::MIN + 1, 0, 1).contains("out of bounds"));
    }
}

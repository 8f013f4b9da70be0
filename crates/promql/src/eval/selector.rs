//! Selectors: the last sample before each step, and the samples of the range before it.

use std::borrow::Cow;

use super::{EvalError, Evaluator, Result, Steps};
use crate::ast::{Expr, ExprKind, Selector, Subquery, TimeShift};
use crate::limits::LOOKBACK_MS;
use crate::query::shifted;
use crate::value::{ABSENT, SampleSeries, Series, is_present, is_stale};

/// Series with the samples of a range before each step.
pub(super) struct Matrix<'a> {
    pub(super) series: Cow<'a, [SampleSeries]>,
    pub(super) range_ms: i64,
    pub(super) time: TimeShift,
}

/// The range of a step in a series. It leaves out its start, and has its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) times: &'a [i64],
    pub(super) values: &'a [f64],
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// The time of the step, from which the range may be far away.
    pub(super) step_ms: i64,
}

impl<'a> Evaluator<'a> {
    /// The last sample of each series at each step, as a number made of its time and its value.
    pub(super) fn selector(
        &mut self,
        selector: &Selector,
        steps: Steps,
        number: impl Fn(i64, f64) -> f64,
    ) -> Result<Vec<Series>> {
        let data = self.selected(selector)?;
        let mut found = Vec::new();
        for series in data {
            let mut place = 0;
            let mut value_at = |time_ms: i64| {
                while series.times.get(place).is_some_and(|time| *time <= time_ms) {
                    place += 1;
                }
                let Some(last) = place.checked_sub(1) else { return ABSENT };
                let (time, value) = (series.times[last], series.values[last]);
                let is_old = time <= time_ms.saturating_sub(LOOKBACK_MS);
                if is_old || is_stale(value) { ABSENT } else { number(time, value) }
            };
            let time = |step: usize| shifted(selector.time, steps.time(step), self.query);
            let values = match selector.time.at {
                // The same at all steps.
                Some(_) => vec![value_at(time(0)); steps.count],
                None => (0..steps.count).map(|step| value_at(time(step))).collect(),
            };
            let series = Series { labels: series.labels.clone(), values };
            if series.has_samples() {
                self.hold(steps.count)?;
                found.push(series);
            } else {
                self.work(steps.count)?;
            }
        }
        Ok(found)
    }

    fn selected(&self, selector: &Selector) -> Result<&'a [SampleSeries]> {
        let missing = || EvalError::execution("the samples of a selector are missing");
        self.data.get(selector.index).copied().ok_or_else(missing)
    }

    /// Time of the last sample where a selector stands, else of the step, in seconds.
    pub(super) fn timestamp(&mut self, expr: &Expr, steps: Steps) -> Result<Vec<Series>> {
        let series = match &expr.unwrapped().kind {
            ExprKind::Selector(selector) => self.selector(selector, steps, |time, _| time as f64 / 1000.0)?,
            _ => {
                let series = self.vector(expr, steps)?;
                let time = |series: Series| series.map(|step, _| steps.time(step) as f64 / 1000.0);
                series.into_iter().map(time).collect()
            }
        };
        super::merged(series.into_iter().map(super::unnamed).collect())
    }

    /// The series of a range selector or of a subquery.
    pub(super) fn matrix(&mut self, expr: &Expr, steps: Steps) -> Result<Matrix<'a>> {
        match &expr.unwrapped().kind {
            ExprKind::Range { selector, range_ms } => {
                let series = self.selected(selector)?;
                let has_stale = series.iter().any(|series| series.values.iter().any(|value| is_stale(*value)));
                let series = if has_stale { Cow::Owned(self.without_markers(series)?) } else { Cow::Borrowed(series) };
                Ok(Matrix { series, range_ms: *range_ms, time: selector.time })
            }
            ExprKind::Subquery(subquery) => self.subquery(subquery, steps),
            _ => Err(EvalError::execution("expected a range vector")),
        }
    }

    fn without_markers(&mut self, series: &[SampleSeries]) -> Result<Vec<SampleSeries>> {
        let mut kept = Vec::with_capacity(series.len());
        for series in series {
            self.hold(series.values.len())?;
            let pairs = series.times.iter().zip(&series.values).filter(|(_, value)| !is_stale(**value));
            let (times, values) = pairs.unzip();
            kept.push(SampleSeries { labels: series.labels.clone(), times, values });
        }
        Ok(kept)
    }

    /// Evaluates the inner expression once, at all the times that any step looks at.
    fn subquery(&mut self, subquery: &Subquery, steps: Steps) -> Result<Matrix<'a>> {
        let Subquery { inner, range_ms, step_ms, time } = subquery;
        let last_step = steps.count.saturating_sub(1);
        let earliest = shifted(*time, steps.time(0), self.query).saturating_sub(*range_ms);
        let latest = shifted(*time, steps.time(last_step), self.query);
        // Times of a subquery are multiples of its step, whatever the query's are.
        let start_ms = (earliest.div_euclid(*step_ms) + 1).saturating_mul(*step_ms);
        let count = if latest < start_ms { 0 } else { (latest - start_ms) / step_ms + 1 };
        let most = self.limits.subquery_steps;
        let count = usize::try_from(count).ok().filter(|count| *count <= most).ok_or_else(|| {
            EvalError::execution(format!("a subquery has more than {most} steps. Try a larger step or a smaller range"))
        })?;
        let matrix = |series| Matrix { series: Cow::Owned(series), range_ms: *range_ms, time: *time };
        if count == 0 {
            return Ok(matrix(Vec::new()));
        }
        let inner_steps = Steps { start_ms, step_ms: *step_ms, count };
        let mut series = Vec::new();
        for found in self.vector(inner, inner_steps)? {
            self.hold(count)?;
            let present = found.values.iter().enumerate().filter(|(_, value)| is_present(**value));
            let (times, values) = present.map(|(step, value)| (inner_steps.time(step), *value)).unzip();
            series.push(SampleSeries { labels: found.labels, times, values });
        }
        Ok(matrix(series))
    }

    /// The samples of a range themselves, as an instant query has them.
    pub(crate) fn matrix_answer(&mut self, expr: &Expr) -> Result<Vec<SampleSeries>> {
        let steps = self.steps();
        let matrix = self.matrix(expr, steps)?;
        let end = shifted(matrix.time, steps.time(0), self.query);
        let within = |series: &SampleSeries| {
            let from = series.times.partition_point(|time| *time <= end.saturating_sub(matrix.range_ms));
            let to = series.times.partition_point(|time| *time <= end).max(from);
            let (times, values) = (series.times[from..to].to_vec(), series.values[from..to].to_vec());
            SampleSeries { labels: series.labels.clone(), times, values }
        };
        let mut series: Vec<SampleSeries> = matrix.series.iter().map(within).collect();
        series.retain(|series| !series.times.is_empty());
        series.sort_by(|left, right| left.labels.cmp(&right.labels));
        Ok(series)
    }

    /// Calls a function with the window of each step that has samples.
    pub(super) fn windows(
        &mut self,
        matrix: &Matrix<'_>,
        steps: Steps,
        keeps_name: bool,
        function: &dyn Fn(usize, Window<'_>) -> Option<f64>,
    ) -> Result<Vec<Series>> {
        let mut found = Vec::new();
        for series in matrix.series.iter() {
            let (mut from, mut to) = (0, 0);
            let mut values = Vec::with_capacity(steps.count);
            for step in 0..steps.count {
                let end_ms = shifted(matrix.time, steps.time(step), self.query);
                let start_ms = end_ms.saturating_sub(matrix.range_ms);
                // Windows only move forward.
                while series.times.get(to).is_some_and(|time| *time <= end_ms) {
                    to += 1;
                }
                while from < to && series.times[from] <= start_ms {
                    from += 1;
                }
                self.work(1 + to - from)?;
                let window = Window {
                    times: &series.times[from..to],
                    values: &series.values[from..to],
                    start_ms,
                    end_ms,
                    step_ms: steps.time(step),
                };
                let value = if from < to { function(step, window) } else { None };
                values.push(value.unwrap_or(ABSENT));
            }
            let labels = if keeps_name { series.labels.clone() } else { series.labels.clone().without_name() };
            let series = Series { labels, values };
            if series.has_samples() {
                self.hold(steps.count)?;
                found.push(series);
            }
        }
        if keeps_name { Ok(found) } else { super::merged(found) }
    }
}

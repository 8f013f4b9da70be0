//! The evaluator: an expression at all steps at once, from the leaves up.
//!
//! The value of a node lives until its parent has used it; what lives at the same time is counted, and bounded.

mod absent;
mod aggregate;
mod binary;
mod elements;
mod histogram;
mod label;
mod matching;
mod number;
mod selector;
mod window;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::ast::{Expr, ExprKind};
use crate::functions::Function;
use crate::labels::Labels;
use crate::limits::{CHECK_VALUES, Limits};
use crate::query::TimeRange;
use crate::value::{SampleSeries, Series, is_present};

/// Why a query has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The data does not allow it.
    #[error("{0}")]
    Execution(String),
    /// More samples than may be held at the same time.
    #[error("query processing would load too many samples into memory in query execution (more than {limit})")]
    TooManySamples {
        /// The limit.
        limit: usize,
    },
    /// Nobody waits for the answer any more, or its time is over.
    #[error("query was canceled in expression evaluation")]
    Canceled,
}

impl EvalError {
    pub(super) fn execution(message: impl Into<String>) -> Self {
        Self::Execution(message.into())
    }
}

pub(super) type Result<T> = std::result::Result<T, EvalError>;

/// The times at which an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(super) start_ms: i64,
    pub(super) step_ms: i64,
    pub(super) count: usize,
}

impl Steps {
    pub(crate) fn time(self, step: usize) -> i64 {
        self.start_ms + step as i64 * self.step_ms
    }
}

/// What an expression is at each step.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Scalar(Vec<f64>),
    Vector(Vec<Series>),
    Text(String),
}

impl Value {
    /// How many numbers it holds.
    fn size(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::Vector(series) => series.iter().map(|series| series.values.len() + 4).sum(),
            Self::Text(_) => 1,
        }
    }
}

/// Evaluates expressions over samples.
pub(crate) struct Evaluator<'a> {
    data: &'a [&'a [SampleSeries]],
    query: TimeRange,
    limits: Limits,
    is_canceled: &'a dyn Fn() -> bool,
    /// Numbers that are held now.
    live: usize,
    /// Numbers since somebody asked whether the query is canceled.
    unchecked: usize,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        data: &'a [&'a [SampleSeries]],
        query: TimeRange,
        limits: Limits,
        is_canceled: &'a dyn Fn() -> bool,
    ) -> Result<Self> {
        let mut evaluator = Self { data, query, limits, is_canceled, live: 0, unchecked: 0 };
        let size = data.iter().flat_map(|series| series.iter()).map(|series| series.values.len()).sum();
        evaluator.hold(size)?;
        Ok(evaluator)
    }

    /// The steps of the query.
    pub(crate) fn steps(&self) -> Steps {
        let TimeRange { start_ms, end_ms, step_ms } = self.query;
        Steps { start_ms, step_ms, count: ((end_ms - start_ms) / step_ms) as usize + 1 }
    }

    /// Counts numbers that are held from now on.
    fn hold(&mut self, count: usize) -> Result<()> {
        self.live = self.live.saturating_add(count);
        if self.live > self.limits.values {
            return Err(EvalError::TooManySamples { limit: self.limits.values });
        }
        self.work(count)
    }

    /// Counts numbers that are looked at.
    fn work(&mut self, count: usize) -> Result<()> {
        self.unchecked = self.unchecked.saturating_add(count);
        if self.unchecked >= CHECK_VALUES {
            self.unchecked = 0;
            if (self.is_canceled)() {
                return Err(EvalError::Canceled);
            }
        }
        Ok(())
    }

    /// The value of an expression at all steps.
    pub(crate) fn eval(&mut self, expr: &Expr, steps: Steps) -> Result<Value> {
        let before = self.live;
        let value = self.node(expr, steps)?;
        // All that was held below has been used.
        self.live = before;
        self.hold(value.size())?;
        Ok(value)
    }

    fn node(&mut self, expr: &Expr, steps: Steps) -> Result<Value> {
        match &expr.kind {
            ExprKind::Number(number) => Ok(Value::Scalar(vec![*number; steps.count])),
            ExprKind::String(text) => Ok(Value::Text(text.clone())),
            ExprKind::Parens(inner) => self.eval(inner, steps),
            ExprKind::Negation(inner) => match self.eval(inner, steps)? {
                Value::Scalar(values) => Ok(Value::Scalar(values.into_iter().map(|value| -value).collect())),
                Value::Vector(series) => {
                    let negated = |series: Series| unnamed(series).map(|_, value| -value);
                    merged(series.into_iter().map(negated).collect()).map(Value::Vector)
                }
                text @ Value::Text(_) => Ok(text),
            },
            ExprKind::Selector(selector) => self.selector(selector, steps, |_, value| value).map(Value::Vector),
            ExprKind::Range { .. } | ExprKind::Subquery(_) => {
                // The parser lets none stand here.
                Err(EvalError::execution("a range vector is not allowed here"))
            }
            ExprKind::Call { function, arguments } => self.call(*function, arguments, steps),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate, steps).map(Value::Vector),
            ExprKind::Binary(binary) => self.binary(binary, steps),
        }
    }

    /// The value of an argument that is a vector.
    fn vector(&mut self, expr: &Expr, steps: Steps) -> Result<Vec<Series>> {
        match self.eval(expr, steps)? {
            Value::Vector(series) => Ok(series),
            Value::Scalar(_) | Value::Text(_) => Err(EvalError::execution("expected an instant vector")),
        }
    }

    /// The value of an argument that is a scalar.
    fn scalar(&mut self, expr: &Expr, steps: Steps) -> Result<Vec<f64>> {
        match self.eval(expr, steps)? {
            Value::Scalar(values) => Ok(values),
            Value::Vector(_) | Value::Text(_) => Err(EvalError::execution("expected a scalar")),
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expr], steps: Steps) -> Result<Value> {
        use Function as F;
        match function {
            F::Time => {
                let times = (0..steps.count).map(|step| steps.time(step) as f64 / 1000.0);
                Ok(Value::Scalar(times.collect()))
            }
            F::Pi => Ok(Value::Scalar(vec![std::f64::consts::PI; steps.count])),
            F::ScalarOf => self.scalar_of(arguments, steps).map(Value::Scalar),
            F::VectorOf => {
                let values = self.scalar(argument(arguments, 0)?, steps)?;
                Ok(Value::Vector(vec![Series { labels: Labels::default(), values }]))
            }
            F::Absent | F::AbsentOverTime => self.absent(argument(arguments, 0)?, steps).map(Value::Vector),
            F::HistogramQuantile => self.histogram_quantile(arguments, steps).map(Value::Vector),
            F::LabelReplace | F::LabelJoin => self.relabel(function, arguments, steps).map(Value::Vector),
            F::Sort | F::SortDesc | F::SortByLabel | F::SortByLabelDesc => {
                self.sort(function, arguments, steps).map(Value::Vector)
            }
            F::Timestamp => self.timestamp(argument(arguments, 0)?, steps).map(Value::Vector),
            _ if window::is_over_time(function) => self.over_time(function, arguments, steps).map(Value::Vector),
            _ => self.elements(function, arguments, steps).map(Value::Vector),
        }
    }

    /// The only sample of a vector; NaN where there is none or there are several.
    fn scalar_of(&mut self, arguments: &[Expr], steps: Steps) -> Result<Vec<f64>> {
        let series = self.vector(argument(arguments, 0)?, steps)?;
        self.work(series.len() * steps.count)?;
        let only = |step: usize| {
            let mut present = series.iter().map(|series| series.values[step]).filter(|value| is_present(*value));
            match (present.next(), present.next()) {
                (Some(value), None) => value,
                _ => f64::NAN,
            }
        };
        Ok((0..steps.count).map(only).collect())
    }

    /// Sorts the answer of an instant query; over a range the order means nothing.
    fn sort(&mut self, function: Function, arguments: &[Expr], steps: Steps) -> Result<Vec<Series>> {
        let mut series = self.vector(argument(arguments, 0)?, steps)?;
        let mut names = Vec::new();
        for argument in arguments.iter().skip(1) {
            names.push(text(argument)?);
        }
        if steps.count != 1 {
            return Ok(series);
        }
        let value = |series: &Series| series.values.first().copied().unwrap_or(f64::NAN);
        // NaN come last in both directions.
        let ascending = |left: &Series, right: &Series| {
            let (left, right) = (value(left), value(right));
            left.is_nan().cmp(&right.is_nan()).then_with(|| left.total_cmp(&right))
        };
        let descending = |left: &Series, right: &Series| {
            let (left, right) = (value(left), value(right));
            left.is_nan().cmp(&right.is_nan()).then_with(|| right.total_cmp(&left))
        };
        let by_label = |left: &Series, right: &Series| {
            let order = names.iter().map(|name| label::natural_order(left.labels.get(name), right.labels.get(name)));
            order.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then_with(|| left.labels.cmp(&right.labels))
        };
        match function {
            Function::Sort => series.sort_by(ascending),
            Function::SortDesc => series.sort_by(descending),
            Function::SortByLabel => series.sort_by(by_label),
            _ => series.sort_by(|left, right| by_label(right, left)),
        }
        Ok(series)
    }
}

/// An argument, which the parser has seen to be there.
fn argument(arguments: &[Expr], place: usize) -> Result<&Expr> {
    arguments.get(place).ok_or_else(|| EvalError::execution("an argument is missing"))
}

/// An argument that is a text.
fn text(expr: &Expr) -> Result<&str> {
    match &expr.unwrapped().kind {
        ExprKind::String(text) => Ok(text),
        _ => Err(EvalError::execution("expected a string")),
    }
}

fn unnamed(series: Series) -> Series {
    Series { labels: series.labels.without_name(), values: series.values }
}

/// Series that have got the same labels become one, where they have no samples at the same step.
fn merged(series: Vec<Series>) -> Result<Vec<Series>> {
    let mut places: HashMap<Labels, usize> = HashMap::with_capacity(series.len());
    let mut kept: Vec<Series> = Vec::with_capacity(series.len());
    for series in series {
        match places.entry(series.labels.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(kept.len());
                kept.push(series);
            }
            Entry::Occupied(entry) => {
                let known = &mut kept[*entry.get()];
                for (known, value) in known.values.iter_mut().zip(series.values) {
                    match (is_present(*known), is_present(value)) {
                        (true, true) => {
                            return Err(EvalError::execution("vector cannot contain metrics with the same labelset"));
                        }
                        (false, true) => *known = value,
                        (_, false) => {}
                    }
                }
            }
        }
    }
    Ok(kept)
}

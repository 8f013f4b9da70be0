//! `absent` and `absent_over_time`: one series where there is none, with the labels that the selector asks for.

use super::{Evaluator, Result, Steps};
use crate::ast::{Expr, ExprKind, ValueType};
use crate::labels::{Labels, METRIC_NAME, MatchKind, Matcher};
use crate::value::{ABSENT, Series, is_present};

impl Evaluator<'_> {
    pub(super) fn absent(&mut self, expr: &Expr, steps: Steps) -> Result<Vec<Series>> {
        let series = if expr.value_type() == ValueType::Matrix {
            let matrix = self.matrix(expr, steps)?;
            // With their names no two series are the same.
            self.windows(&matrix, steps, true, &|_, _| Some(1.0))?
        } else {
            self.vector(expr, steps)?
        };
        self.work(series.len() * steps.count)?;
        let missing = |step: usize| !series.iter().any(|series| is_present(series.values[step]));
        let values = (0..steps.count).map(|step| if missing(step) { 1.0 } else { ABSENT }).collect();
        let series = Series { labels: asked_labels(expr), values };
        Ok(if series.has_samples() { vec![series] } else { Vec::new() })
    }
}

/// The labels that a selector names one value for.
fn asked_labels(expr: &Expr) -> Labels {
    let matchers: &[Matcher] = match &expr.unwrapped().kind {
        ExprKind::Selector(selector) | ExprKind::Range { selector, .. } => &selector.matchers,
        _ => &[],
    };
    let of_label = |name: &str| matchers.iter().filter(|matcher| matcher.name == name).count();
    let is_asked = |matcher: &&Matcher| {
        matcher.kind == MatchKind::Equal && matcher.name != METRIC_NAME && of_label(&matcher.name) == 1
    };
    Labels::new(matchers.iter().filter(is_asked).map(|matcher| (matcher.name.as_str(), matcher.value.as_str())))
}

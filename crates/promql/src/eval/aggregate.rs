//! Aggregations: series by the labels of their group, step by step.

use std::collections::HashMap;

use super::{EvalError, Evaluator, Result, Steps, Value, number, text};
use crate::ast::{Aggregate, AggregateKind, Grouping};
use crate::labels::Labels;
use crate::print::number_text;
use crate::value::{ABSENT, Series, is_present};

/// Series of the same group, by place.
struct Group {
    labels: Labels,
    members: Vec<usize>,
}

impl Evaluator<'_> {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, steps: Steps) -> Result<Vec<Series>> {
        let parameter = match &aggregate.parameter {
            Some(parameter) if aggregate.kind != AggregateKind::CountValues => self.eval(parameter, steps)?,
            _ => Value::Scalar(Vec::new()),
        };
        let Value::Scalar(parameter) = parameter else { return Err(EvalError::execution("expected a scalar")) };
        let series = self.vector(&aggregate.inner, steps)?;
        let groups = grouped(&series, &aggregate.grouping);
        match aggregate.kind {
            AggregateKind::Topk | AggregateKind::Bottomk => {
                self.choose(aggregate.kind == AggregateKind::Topk, &parameter, series, &groups, steps)
            }
            AggregateKind::CountValues => {
                let label = aggregate.parameter.as_ref().ok_or_else(|| EvalError::execution("expected a label"))?;
                self.count_values(text(label)?, &series, &groups, steps)
            }
            kind => self.reduce(kind, &parameter, &series, groups, steps),
        }
    }

    /// One number for each group and step.
    fn reduce(
        &mut self,
        kind: AggregateKind,
        parameter: &[f64],
        series: &[Series],
        groups: Vec<Group>,
        steps: Steps,
    ) -> Result<Vec<Series>> {
        let mut reduced = Vec::with_capacity(groups.len());
        let mut present = Vec::new();
        for Group { labels, members } in groups {
            self.hold(steps.count)?;
            let mut values = Vec::with_capacity(steps.count);
            for step in 0..steps.count {
                present.clear();
                present.extend(members.iter().map(|member| series[*member].values[step]).filter(|v| is_present(*v)));
                self.work(members.len())?;
                let parameter = parameter.get(step).copied().unwrap_or(f64::NAN);
                values.push(if present.is_empty() { ABSENT } else { reduce(kind, parameter, &mut present) });
            }
            reduced.push(Series { labels, values });
        }
        Ok(reduced)
    }

    /// `topk` and `bottomk`: the series themselves, where they are among the first.
    fn choose(
        &mut self,
        is_top: bool,
        parameter: &[f64],
        series: Vec<Series>,
        groups: &[Group],
        steps: Steps,
    ) -> Result<Vec<Series>> {
        self.hold(series.iter().map(|series| series.values.len()).sum())?;
        let mut chosen: Vec<Vec<f64>> = series.iter().map(|_| vec![ABSENT; steps.count]).collect();
        let mut order = Vec::new();
        for group in groups {
            #[expect(clippy::needless_range_loop, reason = "a step is a column of two tables")]
            for step in 0..steps.count {
                let wanted = count_of(parameter.get(step).copied().unwrap_or(f64::NAN))?;
                let member = |member: &usize| (series[*member].values[step], *member);
                let mut present: Vec<(f64, usize)> =
                    group.members.iter().map(member).filter(|(value, _)| is_present(*value)).collect();
                self.work(group.members.len())?;
                // NaN come last in both directions.
                present.sort_by(|(left, _), (right, _)| {
                    let order = if is_top { right.total_cmp(left) } else { left.total_cmp(right) };
                    left.is_nan().cmp(&right.is_nan()).then(order)
                });
                present.truncate(wanted);
                for (value, member) in &present {
                    chosen[*member][step] = *value;
                }
                // At one time the answer is in the order of the values.
                if steps.count == 1 {
                    order.extend(present.into_iter().map(|(_, member)| member));
                }
            }
        }
        let mut found: Vec<Option<Series>> = series
            .into_iter()
            .zip(chosen)
            .map(|(series, values)| Some(Series { labels: series.labels, values }))
            .map(|series| series.filter(Series::has_samples))
            .collect();
        if steps.count == 1 {
            return Ok(order.into_iter().filter_map(|member| found.get_mut(member)?.take()).collect());
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// A series for each value, with the value as a label.
    fn count_values(&mut self, label: &str, series: &[Series], groups: &[Group], steps: Steps) -> Result<Vec<Series>> {
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut counted: Vec<Series> = Vec::new();
        for group in groups {
            for step in 0..steps.count {
                self.work(group.members.len())?;
                for value in group.members.iter().map(|member| series[*member].values[step]) {
                    if !is_present(value) {
                        continue;
                    }
                    let mut labels = group.labels.clone();
                    labels.set(label, &number_text(value));
                    let place = match places.get(&labels) {
                        Some(place) => *place,
                        None => {
                            self.hold(steps.count)?;
                            counted.push(Series { labels: labels.clone(), values: vec![ABSENT; steps.count] });
                            places.insert(labels, counted.len() - 1);
                            counted.len() - 1
                        }
                    };
                    let count = &mut counted[place].values[step];
                    *count = if is_present(*count) { *count + 1.0 } else { 1.0 };
                }
            }
        }
        Ok(counted)
    }
}

/// How many series `topk` takes.
fn count_of(parameter: f64) -> Result<usize> {
    if parameter.is_nan() || parameter >= i64::MAX as f64 || parameter <= i64::MIN as f64 {
        return Err(EvalError::execution(format!("Scalar value {} overflows int64", number_text(parameter))));
    }
    Ok(if parameter < 1.0 { 0 } else { parameter as usize })
}

/// The groups in the order of their first series.
fn grouped(series: &[Series], grouping: &Grouping) -> Vec<Group> {
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for (member, series) in series.iter().enumerate() {
        let labels = match grouping {
            Grouping::Only(names) => series.labels.only(names),
            Grouping::Without(names) => series.labels.without(names),
        };
        match places.get(&labels) {
            Some(place) => groups[*place].members.push(member),
            None => {
                places.insert(labels.clone(), groups.len());
                groups.push(Group { labels, members: vec![member] });
            }
        }
    }
    groups
}

fn reduce(kind: AggregateKind, parameter: f64, values: &mut [f64]) -> f64 {
    match kind {
        AggregateKind::Sum => number::sum(values),
        AggregateKind::Avg => number::mean(values),
        AggregateKind::Min => number::least(values),
        AggregateKind::Max => number::greatest(values),
        AggregateKind::Group => 1.0,
        AggregateKind::Stddev => number::variance(values).sqrt(),
        AggregateKind::Stdvar => number::variance(values),
        AggregateKind::Quantile => number::quantile(parameter, values),
        // The others choose or count, and never come here.
        AggregateKind::Count | AggregateKind::Topk | AggregateKind::Bottomk | AggregateKind::CountValues => {
            values.len() as f64
        }
    }
}

//! Operators between two vectors: which series of one side belongs to which of the other.

use std::collections::HashMap;

use super::binary::of_numbers;
use super::{EvalError, Evaluator, Result, Steps};
use crate::ast::{Binary, Cardinality, Grouping, Operator};
use crate::labels::Labels;
use crate::value::{ABSENT, Series, is_present};

/// The labels by which series match.
fn signature(labels: &Labels, matching: &Grouping) -> Labels {
    match matching {
        Grouping::Only(names) => labels.only(names),
        Grouping::Without(names) => labels.without(names),
    }
}

/// Series by their signature.
fn by_signature(series: &[Series], matching: &Grouping) -> HashMap<Labels, Vec<usize>> {
    let mut found: HashMap<Labels, Vec<usize>> = HashMap::new();
    for (place, series) in series.iter().enumerate() {
        found.entry(signature(&series.labels, matching)).or_default().push(place);
    }
    found
}

/// The result of a match: series by their labels, and what has been matched already.
struct Matches<'a> {
    binary: &'a Binary,
    steps: Steps,
    places: HashMap<Labels, usize>,
    series: Vec<Series>,
}

impl Matches<'_> {
    /// The place of the result with these labels.
    fn place(&mut self, labels: Labels) -> usize {
        if let Some(place) = self.places.get(&labels) {
            return *place;
        }
        self.series.push(Series { labels: labels.clone(), values: vec![ABSENT; self.steps.count] });
        self.places.insert(labels, self.series.len() - 1);
        self.series.len() - 1
    }

    /// The labels of the result of two series (Prometheus, `resultMetric`).
    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let Binary { operator, returns_bool, matching, cardinality, .. } = self.binary;
        let keeps_name = operator.is_comparison() && !returns_bool;
        let mut labels = if keeps_name { many.clone() } else { many.clone().without_name() };
        match cardinality {
            Cardinality::OneToOne => match matching {
                Grouping::Only(names) => labels.only(names),
                Grouping::Without(names) => {
                    names.iter().for_each(|name| labels.set(name, ""));
                    labels
                }
            },
            Cardinality::ManyToOne(names) | Cardinality::OneToMany(names) => {
                names.iter().for_each(|name| labels.set(name, one.get(name)));
                labels
            }
        }
    }
}

impl Evaluator<'_> {
    /// An operator on numbers between series that match.
    pub(super) fn matched(
        &mut self,
        binary: &Binary,
        left: Vec<Series>,
        right: Vec<Series>,
        steps: Steps,
    ) -> Result<Vec<Series>> {
        // The side of which one series matches stands on the right here.
        let is_swapped = matches!(binary.cardinality, Cardinality::OneToMany(_));
        let (many, one) = if is_swapped { (right, left) } else { (left, right) };
        let ones = by_signature(&one, &binary.matching);
        let manys = by_signature(&many, &binary.matching);
        for step in 0..steps.count {
            self.work(many.len() + one.len())?;
            let is_empty = |side: &[Series]| !side.iter().any(|series| is_present(series.values[step]));
            if ones.values().any(|places| places.len() > 1) && !is_empty(&many) {
                check_one(&one, &ones, step, if is_swapped { "left" } else { "right" })?;
            }
        }
        let mut matches = Matches { binary, steps, places: HashMap::new(), series: Vec::new() };
        let mut order: Vec<(&Labels, &Vec<usize>)> = manys.iter().collect();
        order.sort_by_key(|(_, places)| places.first());
        for (labels, places) in order {
            let Some(others) = ones.get(labels) else { continue };
            self.match_group(&mut matches, (&many, places), (&one, others), is_swapped)?;
        }
        matches.series.retain(Series::has_samples);
        Ok(matches.series)
    }

    /// The series of both sides that have the same signature.
    fn match_group(
        &mut self,
        matches: &mut Matches<'_>,
        (many, places): (&[Series], &[usize]),
        (one, others): (&[Series], &[usize]),
        is_swapped: bool,
    ) -> Result<()> {
        let Binary { operator, returns_bool, .. } = *matches.binary;
        let is_one_to_one = matches.binary.cardinality == Cardinality::OneToOne;
        let filters = operator.is_comparison() && !returns_bool;
        let mut taken = vec![false; if is_one_to_one { matches.steps.count } else { 0 }];
        for place in places {
            for other in others {
                self.work(matches.steps.count)?;
                self.hold(matches.steps.count)?;
                let (series, partner) = (&many[*place], &one[*other]);
                let result = matches.place(matches.labels(&series.labels, &partner.labels));
                for step in 0..matches.steps.count {
                    let (value, other) = (series.values[step], partner.values[step]);
                    if !is_present(value) || !is_present(other) {
                        continue;
                    }
                    let (left, right) = if is_swapped { (other, value) } else { (value, other) };
                    let found = of_numbers(operator, left, right);
                    if filters && found != 1.0 {
                        continue;
                    }
                    let slot = &mut matches.series[result].values[step];
                    if taken.get(step).copied().unwrap_or(false) {
                        let message = "many-to-one matching must be explicit (group_left/group_right)";
                        return Err(EvalError::execution(format!("multiple matches for labels: {message}")));
                    }
                    if is_present(*slot) && !is_one_to_one {
                        let message = "grouping labels must ensure unique matches";
                        return Err(EvalError::execution(format!("multiple matches for labels: {message}")));
                    }
                    if let Some(taken) = taken.get_mut(step) {
                        *taken = true;
                    }
                    // A filter keeps what stands on the left, whichever side has many.
                    *slot = if filters { left } else { found };
                }
            }
        }
        Ok(())
    }

    /// `and`, `or`, `unless`.
    pub(super) fn set_operation(
        &mut self,
        binary: &Binary,
        left: Vec<Series>,
        right: Vec<Series>,
        steps: Steps,
    ) -> Result<Vec<Series>> {
        self.work((left.len() + right.len()) * steps.count)?;
        let keep_where = |series: Series, others: Option<&Vec<bool>>, wanted: bool| {
            let is_there = |step: usize| others.is_some_and(|others| others[step]);
            series.map(|step, value| if is_there(step) == wanted { value } else { ABSENT })
        };
        let presence = |series: &[Series]| {
            let mut found: HashMap<Labels, Vec<bool>> = HashMap::new();
            for series in series {
                let steps = found.entry(signature(&series.labels, &binary.matching));
                let steps = steps.or_insert_with(|| vec![false; series.values.len()]);
                steps.iter_mut().zip(&series.values).for_each(|(known, value)| *known |= is_present(*value));
            }
            found
        };
        let mut kept = match binary.operator {
            Operator::Or => {
                let known = presence(&left);
                let missing = |series: Series| {
                    let others = known.get(&signature(&series.labels, &binary.matching));
                    keep_where(series, others, false)
                };
                let added: Vec<Series> = right.into_iter().map(missing).collect();
                super::merged(left.into_iter().chain(added).collect())?
            }
            operator => {
                let known = presence(&right);
                let keep = |series: Series| {
                    let others = known.get(&signature(&series.labels, &binary.matching));
                    keep_where(series, others, operator == Operator::And)
                };
                left.into_iter().map(keep).collect()
            }
        };
        kept.retain(Series::has_samples);
        Ok(kept)
    }
}

/// At a step there is at most one series of each signature.
fn check_one(one: &[Series], ones: &HashMap<Labels, Vec<usize>>, step: usize, side: &str) -> Result<()> {
    for (labels, places) in ones {
        let mut present = places.iter().filter(|place| is_present(one[**place].values[step]));
        if let (Some(first), Some(second)) = (present.next(), present.next()) {
            let (first, second) = (&one[*first].labels, &one[*second].labels);
            return Err(EvalError::execution(format!(
                "found duplicate series for the match group {labels} on the {side} hand-side of the operation: \
                 [{second}, {first}];many-to-many matching not allowed: matching labels must be unique on one side"
            )));
        }
    }
    Ok(())
}

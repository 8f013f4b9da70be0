//! `histogram_quantile` over the buckets of classic histograms: series with the label `le`.

use std::collections::HashMap;

use super::{Evaluator, Result, Steps, argument};
use crate::ast::Expr;
use crate::labels::Labels;
use crate::value::{ABSENT, Series, is_present};

/// The label that holds the upper bound of a bucket.
const BOUND: &str = "le";

/// What buckets may differ by without being wrong: the sums of floats do (Prometheus, `smallDeltaTolerance`).
const TOLERANCE: f64 = 1e-12;

/// A histogram: its labels, and the bounds of its buckets with their counts at each step.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, Vec<f64>)>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    bound: f64,
    count: f64,
}

impl Evaluator<'_> {
    pub(super) fn histogram_quantile(&mut self, arguments: &[Expr], steps: Steps) -> Result<Vec<Series>> {
        let quantiles = self.scalar(argument(arguments, 0)?, steps)?;
        let series = self.vector(argument(arguments, 1)?, steps)?;
        self.work(series.len() * steps.count)?;
        let mut places: HashMap<Labels, usize> = HashMap::new();
        let mut histograms: Vec<Histogram> = Vec::new();
        for series in series {
            let Ok(bound) = parse_bound(series.labels.get(BOUND)) else { continue };
            let mut labels = series.labels.without_name();
            labels.set(BOUND, "");
            let place = *places.entry(labels.clone()).or_insert_with(|| {
                histograms.push(Histogram { labels, buckets: Vec::new() });
                histograms.len() - 1
            });
            histograms[place].buckets.push((bound, series.values));
        }
        let quantile_of = |buckets: &[(f64, Vec<f64>)], step: usize| {
            let present = buckets.iter().map(|(bound, counts)| Bucket { bound: *bound, count: counts[step] });
            let mut present: Vec<Bucket> = present.filter(|bucket| is_present(bucket.count)).collect();
            if present.is_empty() { ABSENT } else { bucket_quantile(quantiles[step], &mut present) }
        };
        let answer = |Histogram { labels, buckets }: Histogram| Series {
            labels,
            values: (0..steps.count).map(|step| quantile_of(&buckets, step)).collect(),
        };
        Ok(histograms.into_iter().map(answer).collect())
    }
}

fn parse_bound(text: &str) -> std::result::Result<f64, std::num::ParseFloatError> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        other => other.parse(),
    }
}

/// The quantile, interpolated within its bucket (Prometheus, `bucketQuantile`).
fn bucket_quantile(quantile: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if quantile.is_nan() {
        return f64::NAN;
    }
    if quantile < 0.0 {
        return f64::NEG_INFINITY;
    }
    if quantile > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|left, right| left.bound.total_cmp(&right.bound));
    if buckets.last().is_none_or(|last| last.bound != f64::INFINITY) {
        return f64::NAN;
    }
    buckets.dedup_by(|later, first| {
        let is_same = later.bound == first.bound;
        first.count += if is_same { later.count } else { 0.0 };
        is_same
    });
    rise(buckets);
    let (count, last) = (buckets.len(), buckets.len() - 1);
    let observations = buckets[last].count;
    if count < 2 || observations == 0.0 || observations.is_nan() {
        return f64::NAN;
    }
    let rank = quantile * observations;
    let place = buckets[..last].iter().position(|bucket| bucket.count >= rank).unwrap_or(last);
    if place == last {
        return buckets[last - 1].bound;
    }
    let end = buckets[place].bound;
    if place == 0 {
        return if end <= 0.0 { end } else { end * (rank / buckets[0].count) };
    }
    let before = buckets[place - 1];
    before.bound + (end - before.bound) * ((rank - before.count) / (buckets[place].count - before.count))
}

/// Counts never fall from bucket to bucket; where scrapes made them, the largest so far stands.
fn rise(buckets: &mut [Bucket]) {
    let Some((first, later)) = buckets.split_first_mut() else { return };
    let mut most = first.count;
    for bucket in later {
        let is_about_same = (bucket.count - most).abs() <= TOLERANCE * bucket.count.abs().max(most.abs());
        if bucket.count < most || is_about_same {
            bucket.count = most;
        } else {
            most = bucket.count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_buckets() {
        let inf = f64::INFINITY;
        for (quantile, counts, expected) in [
            (0.5, &[(1.0, 10.0), (2.0, 20.0), (inf, 20.0)][..], 1.0),
            (0.75, &[(1.0, 10.0), (2.0, 20.0), (inf, 20.0)], 1.5),
            (0.25, &[(1.0, 10.0), (2.0, 20.0), (inf, 20.0)], 0.5),
            (1.0, &[(1.0, 10.0), (inf, 20.0)], 1.0),
            (0.5, &[(-1.0, 10.0), (inf, 10.0)], -1.0),
            (0.9, &[(2.0, 9.0), (1.0, 10.0), (inf, 10.0)], 0.9),
            (-1.0, &[(1.0, 1.0), (inf, 1.0)], -inf),
            (2.0, &[(1.0, 1.0), (inf, 1.0)], inf),
        ] {
            let mut buckets = counts.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect();
            let found = bucket_quantile(quantile, &mut buckets);
            assert!(found == expected || (found - expected).abs() < 1e-12, "{quantile} {counts:?}: {found}");
        }
        for counts in [&[(1.0, 1.0)][..], &[(f64::INFINITY, 1.0)], &[(1.0, 0.0), (f64::INFINITY, 0.0)]] {
            let mut buckets = counts.iter().map(|(bound, count)| Bucket { bound: *bound, count: *count }).collect();
            assert!(bucket_quantile(0.5, &mut buckets).is_nan(), "{counts:?}");
        }
    }
}

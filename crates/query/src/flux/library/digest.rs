//! A merging t-digest: the quantiles of many values from few weighted means, with the sizes and rules of InfluxDB's, so
//! that estimates are the same to the digit.

use std::f64::consts::PI;

/// A mean and the weight of the values behind it.
#[derive(Debug, Clone, Copy)]
struct Centroid {
    mean: f64,
    weight: f64,
}

/// Values, compressed.
#[derive(Debug, Clone)]
pub(crate) struct Digest {
    compression: f64,
    /// Sorted by mean, once values are merged.
    merged: Vec<Centroid>,
    merged_weight: f64,
    waiting: Vec<Centroid>,
    waiting_weight: f64,
    minimum: f64,
    maximum: f64,
}

impl Digest {
    /// An empty one. The larger the compression, the more means it keeps: about as many.
    pub(crate) fn new(compression: f64) -> Self {
        Self {
            compression,
            merged: Vec::new(),
            merged_weight: 0.0,
            waiting: Vec::new(),
            waiting_weight: 0.0,
            minimum: f64::MAX,
            maximum: f64::MIN,
        }
    }

    /// One more value; NaN is none.
    pub(crate) fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        self.waiting.push(Centroid { mean: value, weight: 1.0 });
        self.waiting_weight += 1.0;
        let size = self.compression.ceil();
        if self.waiting.len() as f64 > 8.0 * size || self.merged.len() as f64 > 2.0 * size {
            self.merge();
        }
    }

    fn merge(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.waiting);
        all.append(&mut self.merged);
        all.sort_by(|left, right| left.mean.total_cmp(&right.mean));
        self.merged_weight += std::mem::take(&mut self.waiting_weight);
        let total = self.merged_weight;
        let mut so_far = 0.0;
        let mut limit = total * self.quantile_at(1.0);
        for centroid in all {
            match self.merged.last_mut() {
                Some(last) if so_far + centroid.weight <= limit => {
                    last.weight += centroid.weight;
                    last.mean += centroid.weight * (centroid.mean - last.mean) / last.weight;
                }
                last => {
                    if last.is_some() {
                        limit = total * self.quantile_at(self.location_of(so_far / total) + 1.0);
                    }
                    self.merged.push(centroid);
                }
            }
            so_far += centroid.weight;
        }
        if let (Some(first), Some(last)) = (self.merged.first(), self.merged.last()) {
            self.minimum = self.minimum.min(first.mean);
            self.maximum = self.maximum.max(last.mean);
        }
    }

    fn quantile_at(&self, location: f64) -> f64 {
        ((location.min(self.compression) * PI / self.compression - PI / 2.0).sin() + 1.0) / 2.0
    }

    fn location_of(&self, quantile: f64) -> f64 {
        self.compression * ((2.0 * quantile - 1.0).asin() + PI / 2.0) / PI
    }

    /// The estimate for a quantile between 0 and 1; none without values.
    pub(crate) fn quantile(&mut self, quantile: f64) -> Option<f64> {
        self.merge();
        let (first, last) = (self.merged.first()?, self.merged.last()?);
        if self.merged.len() == 1 {
            return Some(first.mean);
        }
        let index = quantile * self.merged_weight;
        if index <= first.weight / 2.0 {
            return Some(self.minimum + 2.0 * index / first.weight * (first.mean - self.minimum));
        }
        // The weight up to the middle of a mean.
        let mut middle = first.weight / 2.0;
        for pair in self.merged.windows(2) {
            let [left, right] = pair else { continue };
            let next = middle + (left.weight + right.weight) / 2.0;
            if next >= index {
                return Some(between(left.mean, next - index, right.mean, index - middle));
            }
            middle = next;
        }
        let behind = index - self.merged_weight - last.weight / 2.0;
        Some(between(last.mean, behind, self.maximum, last.weight / 2.0 - behind))
    }
}

/// The weighted mean of two values, never outside of them.
fn between(left: f64, left_weight: f64, right: f64, right_weight: f64) -> f64 {
    let mean = (left * left_weight + right * right_weight) / (left_weight + right_weight);
    mean.min(left.max(right)).max(left.min(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantile(values: &[f64], quantile: f64) -> Option<f64> {
        let mut digest = Digest::new(1000.0);
        values.iter().for_each(|value| digest.add(*value));
        digest.quantile(quantile)
    }

    #[test]
    fn few_values_are_interpolated() {
        let values = [1.0, 2.5, 2.5, -4.0, 8.0, 0.0];
        assert_eq!(quantile(&values, 0.5), Some(1.75));
        assert_eq!(quantile(&values, 0.0), Some(-4.0));
        assert_eq!(quantile(&values, 1.0), Some(8.0));
        assert_eq!(quantile(&[10.0, 3.0, 7.25], 0.5), Some(7.25));
        assert_eq!(quantile(&[3.0, f64::NAN], 0.9), Some(3.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn many_values_are_estimated() {
        let values: Vec<f64> = (0..100_000).map(|value| f64::from((value * 7919) % 100_000)).collect();
        for (q, expected) in [(0.01, 1000.0), (0.5, 50_000.0), (0.99, 99_000.0), (0.999, 99_900.0)] {
            let estimate = quantile(&values, q).unwrap_or(f64::NAN);
            assert!((estimate - expected).abs() < 20.0, "{q}: {estimate}");
        }
    }
}

//! Numbers that describe a column. Rows without a value do not count, unless the rule says otherwise.

use std::collections::BTreeMap;

/// Count, mean and the sums of powers of what values are off from it, kept as values come.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    second: f64,
    third: f64,
}

impl Moments {
    /// Those of values.
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.add(value));
        moments
    }

    fn add(&mut self, value: f64) {
        let before = self.count;
        self.count += 1.0;
        let delta = value - self.mean;
        let share = delta / self.count;
        let term = delta * share * before;
        self.third += term * share * (self.count - 2.0) - 3.0 * share * self.second;
        self.second += term;
        self.mean += share;
    }
}

/// How values scatter around their mean: of a sample, or of everything there is. None without values, and NaN for a
/// sample of one.
pub(crate) fn standard_deviation(values: impl IntoIterator<Item = f64>, is_sample: bool) -> Option<f64> {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for value in values {
        count += 1.0;
        let delta = value - mean;
        mean += delta / count;
        squares += delta * (value - mean);
    }
    if count == 0.0 {
        return None;
    }
    let degrees = if is_sample { count - 1.0 } else { count };
    Some(if degrees == 0.0 { f64::NAN } else { (squares / degrees).sqrt() })
}

/// How lopsided values are around their mean, from sums of powers as InfluxDB adds them. None without values, NaN if
/// they are all the same.
pub(crate) fn skew(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let moments = Moments::of(values);
    if moments.count == 0.0 {
        return None;
    }
    if moments.count < 2.0 {
        return Some(f64::NAN);
    }
    // The power of 1.5 as Go computes it, to the last digit.
    let power = (0.5 * moments.second.ln()).exp() * moments.second;
    Some(moments.count.sqrt() * moments.third / power)
}

/// The values that come most often, sorted; none if all come equally often.
pub(crate) fn mode<K: Ord + Clone>(values: impl IntoIterator<Item = K>) -> Vec<K> {
    let mut counts: BTreeMap<K, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(0);
    if counts.values().all(|count| *count == most) {
        return Vec::new();
    }
    counts.into_iter().filter(|(_, count)| *count == most).map(|(value, _)| value).collect()
}

/// A quantile between 0 and 1 by interpolation between the two values around it; none without values.
pub(crate) fn exact_mean_quantile(mut values: Vec<f64>, quantile: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let place = quantile * last as f64;
    let (below, above) = (place.floor(), place.ceil());
    let (low, high) = (*values.get(below as usize)?, *values.get(above as usize)?);
    if below == above {
        return Some(low);
    }
    Some(low * (above - place) + high * (place - below))
}

/// Which of so many sorted values is the quantile; none without values.
pub(crate) fn exact_selector_place(count: usize, quantile: f64) -> Option<usize> {
    let last = count.checked_sub(1)?;
    let place = (quantile * count as f64).ceil() as usize;
    Some(place.saturating_sub(1).min(last))
}

/// The covariance of pairs, of a sample; or their correlation after Pearson. NaN for fewer than two pairs.
pub(crate) fn covariance(pairs: impl IntoIterator<Item = (f64, f64)>, is_correlation: bool) -> f64 {
    let (mut count, mut mean_x, mut mean_y) = (0.0, 0.0, 0.0);
    let (mut squares_x, mut squares_y, mut products) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        count += 1.0;
        let (delta_x, delta_y): (f64, f64) = (x - mean_x, y - mean_y);
        mean_x += delta_x / count;
        mean_y += delta_y / count;
        squares_x += delta_x * (x - mean_x);
        squares_y += delta_y * (y - mean_y);
        products += delta_x * (y - mean_y);
    }
    if count < 2.0 {
        f64::NAN
    } else if is_correlation {
        products / (squares_x * squares_y).sqrt()
    } else {
        products / (count - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 6] = [1.0, 2.5, 2.5, -4.0, 8.0, 0.0];
    const B: [f64; 3] = [10.0, 3.0, 7.25];

    #[test]
    fn deviation_and_skew() {
        assert_eq!(standard_deviation(A, true), Some(3.9200340134578764));
        assert_eq!(standard_deviation(A, false), Some(3.5784850922639815));
        assert_eq!(standard_deviation([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], false), Some(2.0));
        assert_eq!(standard_deviation(B, true), Some(3.526683994916471));
        assert_eq!(standard_deviation([], true), None);
        assert!(standard_deviation([1.0], true).is_some_and(f64::is_nan));
        assert_eq!(standard_deviation([1.0], false), Some(0.0));
        assert_eq!(skew(A), Some(0.2484317740423901));
        assert_eq!(skew(B), Some(-0.2552242175135737));
        assert_eq!(skew([1.5, -2.0, 9.0]), Some(0.41132575213164896));
        assert_eq!(skew([]), None);
    }

    #[test]
    fn modes() {
        assert_eq!(mode([5, 3, 3, 9, 1]), [3]);
        assert_eq!(mode([5, 3, 3, 5, 1]), [3, 5]);
        assert_eq!(mode([1, 2]), [0; 0]);
        assert_eq!(mode([1, 1]), [0; 0]);
        assert_eq!(mode::<i64>([]), [0; 0]);
    }

    #[test]
    fn quantiles() {
        assert_eq!(exact_mean_quantile(A.to_vec(), 0.25), Some(0.25));
        assert_eq!(exact_mean_quantile(B.to_vec(), 0.25), Some(5.125));
        assert_eq!(exact_mean_quantile(vec![1.5, -2.0, 9.0], 0.25), Some(-0.25));
        assert_eq!(exact_mean_quantile(vec![7.0], 1.0), Some(7.0));
        assert_eq!(exact_mean_quantile(vec![], 0.5), None);
        assert_eq!(exact_selector_place(6, 0.75), Some(4));
        assert_eq!(exact_selector_place(3, 0.75), Some(2));
        assert_eq!(exact_selector_place(3, 0.0), Some(0));
        assert_eq!(exact_selector_place(3, 1.0), Some(2));
        assert_eq!(exact_selector_place(0, 0.5), None);
    }

    #[test]
    fn covariances() {
        let pairs = [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)];
        assert_eq!(covariance(pairs, false), 2.0);
        assert_eq!(covariance(pairs, true), 1.0);
        assert!(covariance([], false).is_nan());
        assert!(covariance([(1.0, 1.0)], false).is_nan());
    }
}

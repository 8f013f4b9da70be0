//! Sums and quantiles of numbers, with the special cases of Prometheus.

/// A sum that keeps what rounding loses (Kahan, Neumaier).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    pub(super) fn add(&mut self, value: f64) {
        let total = self.total + value;
        if total.is_infinite() {
            self.lost = 0.0;
        } else if self.total.abs() >= value.abs() {
            self.lost += (self.total - total) + value;
        } else {
            self.lost += (value - total) + self.total;
        }
        self.total = total;
    }

    pub(super) fn value(self) -> f64 {
        self.total + self.lost
    }
}

pub(super) fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|value| sum.add(*value));
    sum.value()
}

/// The mean, also where the sum is too large for a number.
pub(super) fn mean(values: &[f64]) -> f64 {
    let total = sum(values);
    if total.is_finite() || values.iter().any(|value| !value.is_finite()) {
        return total / values.len() as f64;
    }
    let mut mean = 0.0;
    for (place, value) in values.iter().enumerate() {
        let count = (place + 1) as f64;
        mean += value / count - mean / count;
    }
    mean
}

/// The variance of all the values, not of a sample of them.
pub(super) fn variance(values: &[f64]) -> f64 {
    let mut mean = Sum::default();
    let mut squares = Sum::default();
    for (place, value) in values.iter().enumerate() {
        let delta = value - mean.value();
        mean.add(delta / (place + 1) as f64);
        squares.add(delta * (value - mean.value()));
    }
    squares.value() / values.len() as f64
}

/// The smallest number; NaN only where there is nothing else.
pub(super) fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, |least, value| if value < least || least.is_nan() { value } else { least })
}

/// The largest number; NaN only where there is nothing else.
pub(super) fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, |most, value| if value > most || most.is_nan() { value } else { most })
}

/// The quantile, interpolated between the two values beside it. NaN count as the smallest.
pub(super) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(|left, right| right.is_nan().cmp(&left.is_nan()).then_with(|| left.total_cmp(right)));
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor().max(0.0);
    let upper = (lower + 1.0).min((values.len() - 1) as f64);
    let weight = rank - rank.floor();
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}

/// Slope (in a second) and value at a time of the line that fits samples best. Times are in milliseconds.
pub(super) fn line(times: &[i64], values: &[f64], at_ms: i64) -> (f64, f64) {
    let Some(first) = values.first().copied() else { return (f64::NAN, f64::NAN) };
    if values.iter().all(|value| *value == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let [mut sum_x, mut sum_y, mut sum_xy, mut sum_xx] = [Sum::default(); 4];
    for (time, value) in times.iter().zip(values) {
        let x = (time - at_ms) as f64 / 1000.0;
        sum_x.add(x);
        sum_y.add(*value);
        sum_xy.add(x * value);
        sum_xx.add(x * x);
    }
    let count = values.len() as f64;
    let [sum_x, sum_y] = [sum_x.value(), sum_y.value()];
    let covariance = sum_xy.value() - sum_x * sum_y / count;
    let variance = sum_xx.value() - sum_x * sum_x / count;
    let slope = covariance / variance;
    (slope, sum_y / count - slope * sum_x / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_lose_nothing() {
        assert_eq!(sum(&[1e100, 1.0, -1e100]), 1.0);
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert!(mean(&[f64::INFINITY, 1.0]).is_infinite());
        assert_eq!(variance(&[1.0, 2.0, 3.0, 4.0]), 1.25);
    }

    #[test]
    fn quantiles_at_the_edges() {
        let mut values = [3.0, f64::NAN, 1.0];
        assert_eq!(quantile(1.0, &mut values), 3.0);
        assert!(quantile(0.0, &mut values).is_nan());
        assert_eq!(quantile(0.75, &mut values), 2.0);
        assert_eq!(quantile(-0.1, &mut values), f64::NEG_INFINITY);
        assert_eq!(quantile(1.1, &mut values), f64::INFINITY);
        assert!(quantile(0.5, &mut []).is_nan());
    }

    #[test]
    fn extremes_leave_out_nan() {
        assert_eq!(least(&[f64::NAN, 2.0, 1.0]), 1.0);
        assert_eq!(greatest(&[1.0, f64::NAN, 2.0]), 2.0);
        assert!(least(&[f64::NAN]).is_nan());
    }

    #[test]
    fn lines() {
        let (slope, value) = line(&[0, 1000, 2000], &[1.0, 3.0, 5.0], 3000);
        assert!((slope - 2.0).abs() < 1e-12 && (value - 7.0).abs() < 1e-12, "{slope} {value}");
        assert_eq!(line(&[0, 1000], &[4.0, 4.0], 0), (0.0, 4.0));
        assert!(line(&[0, 1000], &[f64::INFINITY; 2], 0).0.is_nan());
    }
}

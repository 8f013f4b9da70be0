//! Technical analysis: what traders read out of prices. A row without a value counts as one without a change.

use std::collections::VecDeque;

/// The change of each row to the last one that has a value; the first row has none.
fn changes(values: &[Option<f64>]) -> Vec<f64> {
    let mut previous = None;
    let change = |value: &Option<f64>| match (*value, previous) {
        (Some(value), before) => {
            previous = Some(value);
            before.map_or(0.0, |before: f64| value - before)
        }
        (None, _) => 0.0,
    };
    values.iter().map(change).collect()
}

/// Chande's momentum: how much more values rose than fell over the last `count` changes, between -100 and 100. The
/// first result is that of row `count`.
pub(crate) fn momentum(values: &[Option<f64>], count: usize) -> Vec<Option<f64>> {
    let changes = changes(values);
    let (mut up, mut down) = (0.0, 0.0);
    let mut results = Vec::new();
    for (row, change) in changes.iter().enumerate().skip(1) {
        up += change.max(0.0);
        down -= change.min(0.0);
        if row > count
            && let Some(old) = changes.get(row - count)
        {
            up -= old.max(0.0);
            down += old.min(0.0);
        }
        if row >= count {
            results.push(Some(100.0 * (up - down) / (up + down)));
        }
    }
    results
}

/// The relative strength index after Wilder, between 0 and 100. The first result is that of row `count`.
pub(crate) fn relative_strength(values: &[Option<f64>], count: usize) -> Vec<Option<f64>> {
    let (mut up, mut down) = (0.0, 0.0);
    let mut results = Vec::new();
    for (row, change) in changes(values).into_iter().enumerate().skip(1) {
        // The first averages are means, later ones move by one part of `count`.
        let share = 1.0 / row.min(count) as f64;
        up += (change.max(0.0) - up) * share;
        down += ((-change).max(0.0) - down) * share;
        if row >= count {
            results.push(Some(100.0 - 100.0 / (1.0 + up / down)));
        }
    }
    results
}

/// Kaufman's adaptive average: fast where values go straight, slow where they go to and fro. The first result is that
/// of row `count`.
pub(crate) fn adaptive_average(values: &[Option<f64>], count: usize) -> Vec<Option<f64>> {
    const FASTEST: f64 = 2.0 / 3.0;
    const SLOWEST: f64 = 2.0 / 31.0;
    let changes = changes(values);
    let mut window: VecDeque<f64> = VecDeque::with_capacity(count.min(values.len()) + 1);
    let mut last = 0.0;
    let (mut noise, mut average) = (0.0, 0.0);
    let mut results = Vec::new();
    for (row, (value, change)) in values.iter().zip(&changes).enumerate() {
        last = value.unwrap_or(last);
        window.push_back(last);
        noise += change.abs();
        if row < count {
            // The average begins with the value before the first result.
            average = last;
            continue;
        }
        let oldest = window.pop_front().unwrap_or(last);
        let efficiency = if noise == 0.0 { 0.0 } else { (last - oldest).abs() / noise };
        let weight: f64 = efficiency * (FASTEST - SLOWEST) + SLOWEST;
        average += weight.powi(2) * (last - average);
        noise -= changes.get(row + 1 - count).map_or(0.0, |old| old.abs());
        results.push(Some(average));
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn momentum_is_100_uphill_and_minus_100_downhill() {
        assert_eq!(momentum(&some(&[1.0, 2.0, 3.0, 4.0]), 2), some(&[100.0, 100.0]));
        assert_eq!(momentum(&some(&[4.0, 3.0, 2.0]), 2), some(&[-100.0]));
        assert_eq!(momentum(&some(&[1.0, 4.0, 3.0]), 2), some(&[50.0]));
        assert_eq!(momentum(&[Some(1.0), None, Some(2.0), Some(1.0)], 2), some(&[100.0, 0.0]));
        assert_eq!(momentum(&some(&[1.0]), 2), []);
    }

    #[test]
    fn strength_is_the_share_of_rises() {
        assert_eq!(relative_strength(&some(&[1.0, 2.0, 3.0]), 2), some(&[100.0]));
        assert_eq!(relative_strength(&some(&[3.0, 2.0, 1.0]), 2), some(&[0.0]));
        // Rises 3 and 0, falls 0 and 1: means of 1.5 and 0.5; then a fall of 1 more, by a half.
        assert_eq!(relative_strength(&some(&[1.0, 4.0, 3.0, 2.0]), 2), some(&[75.0, 50.0]));
    }

    #[test]
    fn an_adaptive_average_is_fast_on_a_straight_way() {
        let straight = adaptive_average(&some(&[1.0, 2.0, 3.0, 4.0]), 2);
        let expected = [2.0 + 4.0 / 9.0, 2.0 + 4.0 / 9.0 + (4.0 / 9.0) * (4.0 - 2.0 - 4.0 / 9.0)];
        for (result, expected) in straight.iter().zip(expected) {
            assert!(result.is_some_and(|result| (result - expected).abs() < 1e-12), "{straight:?}");
        }
        // To and fro: the efficiency is 0, and the weight the slowest.
        let slow = (2.0f64 / 31.0).powi(2);
        assert_eq!(adaptive_average(&some(&[1.0, 2.0, 1.0]), 2), some(&[2.0 + slow * (1.0 - 2.0)]));
    }
}

//! What a column becomes by going through its rows in order: differences, sums, averages, states.

/// How `difference` and `derivative` treat values that fall.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Falling {
    /// A fall has no difference: the counter was reset.
    pub(crate) non_negative: bool,
    /// With it: after a reset it counted from zero.
    pub(crate) initial_zero: bool,
}

impl Falling {
    /// The difference between a value and the one before, or none.
    fn apply(self, value: f64, difference: f64) -> Option<f64> {
        if !self.non_negative || difference >= 0.0 || difference.is_nan() {
            Some(difference)
        } else if self.initial_zero && value >= 0.0 {
            Some(value)
        } else {
            None
        }
    }
}

/// The difference of each row to the last row before it that has a value. The first row has none, or zero if one
/// counts from there.
pub(crate) fn difference(values: impl IntoIterator<Item = Option<f64>>, falling: Falling) -> Vec<Option<f64>> {
    let mut previous = None;
    let next = |value: Option<f64>| {
        let value = value?;
        match previous.replace(value) {
            Some(before) => falling.apply(value, value - before),
            None => first(falling).map(|()| 0.0),
        }
    };
    values.into_iter().map(next).collect()
}

/// [`difference`] of whole numbers.
pub(crate) fn integer_difference(values: impl IntoIterator<Item = Option<i128>>, falling: Falling) -> Vec<Option<i64>> {
    let mut previous = None;
    let next = |value: Option<i128>| {
        let value: i128 = value?;
        let difference = match previous.replace(value) {
            None => return first(falling).map(|()| 0),
            Some(before) => value - before,
        };
        let difference = match falling {
            Falling { non_negative: true, initial_zero: true } if difference < 0 && value >= 0 => value,
            Falling { non_negative: true, .. } if difference < 0 => return None,
            _ => difference,
        };
        // Differences wrap around as those of 64 bits do.
        Some(difference as i64)
    };
    values.into_iter().map(next).collect()
}

/// Whether a first row counts from zero.
fn first(falling: Falling) -> Option<()> {
    (falling.non_negative && falling.initial_zero).then_some(())
}

/// The change per `unit` nanoseconds of each row to the last row before it that has a value. Times ascend.
pub(crate) fn derivative(times: &[i64], values: &[Option<f64>], unit: f64, falling: Falling) -> Vec<Option<f64>> {
    let mut previous: Option<(i64, f64)> = None;
    let next = |(time, value): (&i64, &Option<f64>)| {
        let value = (*value)?;
        let (before, old) = previous.replace((*time, value))?;
        let elapsed = (i128::from(*time) - i128::from(before)) as f64 / unit;
        if falling.non_negative && value < old {
            // After a reset one counts from zero.
            return falling.initial_zero.then_some((value - 0.0) / elapsed).filter(|_| value >= 0.0);
        }
        Some((value - old) / elapsed)
    };
    times.iter().zip(values).map(next).collect()
}

/// Why times cannot be followed.
pub(crate) const UNSORTED: &str = "derivative found out-of-order times in time column";

/// The rows whose time is later than that of all before them.
///
/// # Errors
/// A time is missing, or earlier than one before it.
pub(crate) fn ascending(times: impl IntoIterator<Item = Option<i64>>) -> Result<Vec<usize>, &'static str> {
    let mut rows = Vec::new();
    let mut latest = None;
    for (row, time) in times.into_iter().enumerate() {
        let time = time.ok_or("derivative found null time in time column")?;
        match latest {
            Some(before) if time < before => return Err(UNSORTED),
            Some(before) if time == before => continue,
            _ => rows.push(row),
        }
        latest = Some(time);
    }
    Ok(rows)
}

/// The mean of the last `count` rows for each row that has so many behind it; of all rows for the last one if there are
/// fewer. Gives the first row that has a result, and the results from it on.
pub(crate) fn moving_average(values: &[Option<f64>], count: usize) -> (usize, Vec<Option<f64>>) {
    let mean = |window: &[Option<f64>]| {
        let (mut sum, mut seen) = (0.0, 0.0);
        for value in window.iter().flatten() {
            sum += value;
            seen += 1.0;
        }
        (seen > 0.0).then_some(sum / seen)
    };
    match values.len() {
        0 => (0, Vec::new()),
        rows if rows < count => (rows - 1, vec![mean(values)]),
        _ => (count - 1, sliding(values, count, mean)),
    }
}

/// The means of all windows, by one running sum as long as sums are exact enough.
fn sliding(values: &[Option<f64>], count: usize, mean: impl Fn(&[Option<f64>]) -> Option<f64>) -> Vec<Option<f64>> {
    // Short windows are added up anew: their sums do not drift.
    if count <= 64 {
        return values.windows(count).map(mean).collect();
    }
    let (mut sum, mut seen) = (0.0, 0usize);
    let mut means = Vec::with_capacity(values.len() - count + 1);
    for (row, value) in values.iter().enumerate() {
        if let Some(value) = value {
            sum += value;
            seen += 1;
        }
        if row >= count
            && let Some(Some(old)) = values.get(row - count)
        {
            sum -= old;
            seen -= 1;
        }
        if row + 1 >= count {
            means.push((seen > 0).then_some(sum / seen as f64));
        }
    }
    means
}

/// The exponential average: it begins with the mean of the first `count` rows, and a row without a value repeats it.
/// Gives the first row that has a result, and the results from it on.
pub(crate) fn exponential_average(values: &[Option<f64>], count: usize) -> (usize, Vec<Option<f64>>) {
    let weight = 2.0 / (count as f64 + 1.0);
    let start = count.min(values.len());
    let (first, rest) = values.split_at(start);
    if first.is_empty() {
        return (0, Vec::new());
    }
    let (sum, seen) = first.iter().flatten().fold((0.0, 0.0), |(sum, seen), value| (sum + value, seen + 1.0));
    let mut average = (seen > 0.0).then_some(sum / seen);
    let mut averages = vec![average];
    for value in rest {
        average = match (average, value) {
            (Some(average), Some(value)) => Some(value * weight + average * (1.0 - weight)),
            (None, value) => *value,
            (average, None) => average,
        };
        averages.push(average);
    }
    (start - 1, averages)
}

/// The rows in a state so far, and for how long in `unit` nanoseconds; both are -1 outside of it.
pub(crate) fn states(rows: impl IntoIterator<Item = (i64, bool)>, unit: i64) -> Vec<(i64, i64)> {
    let mut since = None;
    let mut count = 0;
    let next = |(time, is_in_state): (i64, bool)| {
        if !is_in_state {
            since = None;
            return (-1, -1);
        }
        let start = *since.get_or_insert_with(|| {
            count = 0;
            time
        });
        count += 1;
        (count, if unit > 0 { time.saturating_sub(start) / unit } else { 0 })
    };
    rows.into_iter().map(next).collect()
}

/// The area under the points in `unit` nanoseconds, each two joined by a line. With `bounds` the first and the last
/// line go on to them. None without points.
pub(crate) fn integral(points: &[(i64, f64)], unit: f64, bounds: Option<(i64, i64)>) -> Option<f64> {
    let area = |(from, left): (i64, f64), (to, right): (i64, f64)| {
        0.5 * (left + right) * ((i128::from(to) - i128::from(from)) as f64 / unit)
    };
    let (first, last) = (*points.first()?, *points.last()?);
    let mut sum = 0.0;
    if let Some((start, stop)) = bounds {
        let second = points.get(1).copied().unwrap_or(first);
        let before_last = points.len().checked_sub(2).and_then(|place| points.get(place)).copied().unwrap_or(last);
        sum += area((start, line(first, second, start)), first);
        sum += area(last, (stop, line(before_last, last, stop)));
    }
    for pair in points.windows(2) {
        if let [left, right] = pair {
            sum += area(*left, *right);
        }
    }
    Some(sum)
}

/// The value at a time on the line through two points; that of the first where they are at one time.
pub(crate) fn line((from, left): (i64, f64), (to, right): (i64, f64), at: i64) -> f64 {
    if from == to {
        return left;
    }
    let share = (i128::from(at) - i128::from(from)) as f64 / (i128::from(to) - i128::from(from)) as f64;
    left + (right - left) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESET: Falling = Falling { non_negative: true, initial_zero: false };
    const ZERO: Falling = Falling { non_negative: true, initial_zero: true };
    const NULLS: [Option<f64>; 4] = [Some(1.5), None, Some(-2.0), Some(9.0)];

    #[test]
    fn differences() {
        assert_eq!(difference(NULLS, Falling::default()), [None, None, Some(-3.5), Some(11.0)]);
        assert_eq!(difference(NULLS, RESET), [None, None, None, Some(11.0)]);
        assert_eq!(difference(NULLS, ZERO), [Some(0.0), None, None, Some(11.0)]);
        assert_eq!(difference([Some(10.0), Some(3.0)], ZERO), [Some(0.0), Some(3.0)]);
        let whole = [Some(5), Some(3), None, Some(9)];
        assert_eq!(integer_difference(whole, Falling::default()), [None, Some(-2), None, Some(6)]);
        assert_eq!(integer_difference(whole, ZERO), [Some(0), Some(3), None, Some(6)]);
        assert_eq!(integer_difference([Some(i128::from(u64::MAX)), Some(0)], RESET), [None, None]);
    }

    #[test]
    fn derivatives() {
        let times = [0, 10, 20, 30];
        assert_eq!(derivative(&times, &NULLS, 10.0, Falling::default()), [None, None, Some(-1.75), Some(11.0)]);
        assert_eq!(derivative(&times, &NULLS, 60.0, RESET), [None, None, None, Some(66.0)]);
        assert_eq!(derivative(&times[..2], &[Some(9.0), Some(3.0)], 10.0, ZERO), [None, Some(3.0)]);
        assert_eq!(ascending([Some(1), Some(1), Some(2)]), Ok(vec![0, 2]));
        assert_eq!(ascending([Some(1), Some(0)]), Err(UNSORTED));
        assert!(ascending([None]).is_err());
    }

    #[test]
    fn averages() {
        assert_eq!(moving_average(&NULLS, 2), (1, vec![Some(1.5), Some(-2.0), Some(3.5)]));
        assert_eq!(moving_average(&NULLS, 9), (3, vec![Some(8.5 / 3.0)]));
        assert_eq!(moving_average(&[None, None], 2), (1, vec![None]));
        assert_eq!(moving_average(&[], 2), (0, vec![]));
        let many: Vec<Option<f64>> = (0..200).map(|value| (value % 7 != 0).then(|| f64::from(value))).collect();
        let (start, means) = moving_average(&many, 65);
        assert_eq!(start, 64);
        for (row, mean) in means.iter().enumerate() {
            let window: Vec<f64> = many[row..row + 65].iter().copied().flatten().collect();
            assert_eq!(*mean, Some(window.iter().sum::<f64>() / window.len() as f64));
        }
        let (start, averages) = exponential_average(&NULLS, 2);
        assert_eq!((start, averages[0]), (1, Some(1.5)));
        assert!((averages[1].unwrap_or(0.0) + 0.833_333_333_333_333_3).abs() < 1e-15);
        assert_eq!(exponential_average(&[None, None], 2), (1, vec![None]));
        assert_eq!(exponential_average(&[Some(1.0), Some(2.0)], 5), (1, vec![Some(1.5)]));
    }

    #[test]
    fn states_are_counted_from_their_start() {
        let rows = [(0, true), (10, true), (20, false), (30, true), (45, true)];
        assert_eq!(states(rows, 5), [(1, 0), (2, 2), (-1, -1), (1, 0), (2, 3)]);
    }

    #[test]
    fn areas() {
        let points = [(0, 10.0), (10, 3.0), (20, 7.25)];
        assert_eq!(integral(&points, 10.0, None), Some(11.625));
        assert_eq!(integral(&points, 1.0, Some((0, 120))), Some(2966.25));
        assert_eq!(integral(&[(10, 2.0)], 1.0, Some((0, 20))), Some(40.0));
        assert_eq!(integral(&[(10, 2.0)], 1.0, None), Some(0.0));
        assert_eq!(integral(&[], 1.0, None), None);
    }
}

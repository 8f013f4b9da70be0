//! Histograms: bins, how many values are in each with all below it, and quantiles from such counts.

use crate::limits;

/// Upper bounds that are equally far apart, and infinity if wanted.
///
/// # Errors
/// There are too many or fewer than none.
pub(crate) fn linear_bins(start: f64, width: f64, count: i64, infinity: bool) -> Result<Vec<f64>, String> {
    bins(count, infinity, |place| start + place * width)
}

/// Upper bounds of which each is the one before times a factor, and infinity if wanted.
///
/// # Errors
/// There are too many or fewer than none.
pub(crate) fn logarithmic_bins(start: f64, factor: f64, count: i64, infinity: bool) -> Result<Vec<f64>, String> {
    let mut bound = start;
    bins(count, infinity, |place| {
        if place > 0.0 {
            bound *= factor;
        }
        bound
    })
}

fn bins(count: i64, infinity: bool, mut bound: impl FnMut(f64) -> f64) -> Result<Vec<f64>, String> {
    let count = usize::try_from(count).map_err(|_| format!("a histogram cannot have {count} bins"))?;
    if count > limits::FLUX_ARRAY_LENGTH {
        return Err(format!(
            "a histogram of {count} bins is too large, at most {} are possible",
            limits::FLUX_ARRAY_LENGTH
        ));
    }
    let mut bounds: Vec<f64> = (0..count).map(|place| bound(place as f64)).collect();
    if infinity {
        bounds.push(f64::INFINITY);
    }
    Ok(bounds)
}

/// How many values are at most as large as each bound; with `normalize` as a share of all. Bounds ascend.
///
/// # Errors
/// A value is greater than all bounds.
pub(crate) fn histogram(
    values: impl IntoIterator<Item = f64>,
    bounds: &[f64],
    normalize: bool,
) -> Result<Vec<f64>, String> {
    let mut counts = vec![0.0; bounds.len()];
    let mut total = 0.0;
    for value in values {
        // NaN is below no bound.
        let place = bounds.partition_point(|bound| value.is_nan() || value > *bound);
        let Some(count) = counts.get_mut(place) else {
            let (bins, last) = (bounds.len(), bounds.last().copied().unwrap_or(f64::NAN));
            return Err(format!("found value greater than any bin, {place} {bins} {value:.6} {last:.6}"));
        };
        *count += 1.0;
        total += 1.0;
    }
    let mut sum = 0.0;
    for count in &mut counts {
        sum += *count;
        *count = if normalize { sum / total } else { sum };
    }
    Ok(counts)
}

/// What to do when the counts of a histogram fall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NonMonotonic {
    /// It is an error.
    Error,
    /// The histogram has no quantile.
    Drop,
    /// A count is at least that of the bin before.
    Force,
}

/// The value below which a share of a histogram lies, on a line within its bin; the first bin begins at `minimum`. The
/// bins are pairs of upper bound and count with all below. None if it cannot be told.
///
/// # Errors
/// There are no bins, or counts fall.
pub(crate) fn quantile(
    mut bins: Vec<(f64, f64)>,
    quantile: f64,
    minimum: f64,
    falling: NonMonotonic,
) -> Result<Option<f64>, &'static str> {
    bins.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut highest = 0.0;
    for (_, count) in &mut bins {
        if *count < highest {
            match falling {
                NonMonotonic::Error => return Err("histogram records counts are not monotonic"),
                NonMonotonic::Drop => return Ok(None),
                NonMonotonic::Force => *count = highest,
            }
        }
        highest = *count;
    }
    let Some(&(last, total)) = bins.last() else { return Err("histogram is empty") };
    let rank = quantile * total;
    let place = bins.partition_point(|(_, count)| rank >= *count);
    let Some(&(upper, upper_count)) = bins.get(place) else { return Ok(Some(last)) };
    let (lower, lower_count) = match place.checked_sub(1).and_then(|before| bins.get(before)) {
        Some(&below) => below,
        None => (minimum, 0.0),
    };
    Ok(Some(if rank == lower_count || upper == f64::INFINITY {
        lower
    } else if lower == f64::NEG_INFINITY {
        upper
    } else {
        lower + (upper - lower) * ((rank - lower_count) / (upper_count - lower_count))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_bounds() {
        assert_eq!(linear_bins(0.0, 10.0, 3, true), Ok(vec![0.0, 10.0, 20.0, f64::INFINITY]));
        assert_eq!(linear_bins(0.0, 10.0, 0, false), Ok(vec![]));
        assert_eq!(logarithmic_bins(1.0, 2.0, 4, false), Ok(vec![1.0, 2.0, 4.0, 8.0]));
        assert!(linear_bins(0.0, 1.0, -1, false).is_err());
        assert!(linear_bins(0.0, 1.0, i64::MAX, false).is_err());
    }

    #[test]
    fn counts_add_up() {
        assert_eq!(histogram([1.0, 2.0, 2.5, 0.0], &[0.0, 2.0, 5.0], false), Ok(vec![1.0, 3.0, 4.0]));
        assert_eq!(histogram([1.0, 2.0, 2.5, 0.0], &[0.0, 2.0, 5.0], true), Ok(vec![0.25, 0.75, 1.0]));
        let message = "found value greater than any bin, 3 3 8.000000 5.000000";
        assert_eq!(histogram([8.0], &[0.0, 2.0, 5.0], false), Err(message.to_owned()));
    }

    #[test]
    fn quantiles() {
        let bins = || vec![(0.5, 5.0), (1.0, 10.0), (2.0, 20.0), (f64::INFINITY, 20.0)];
        let check =
            |q: f64, expected: f64| assert_eq!(quantile(bins(), q, 0.0, NonMonotonic::Error), Ok(Some(expected)));
        check(0.1, 0.2);
        check(0.25, 0.5);
        check(0.75, 1.5);
        check(1.0, f64::INFINITY);
        let falling = || vec![(2.0, 3.0), (1.0, 4.0)];
        assert!(quantile(falling(), 0.5, 0.0, NonMonotonic::Error).is_err());
        assert_eq!(quantile(falling(), 0.5, 0.0, NonMonotonic::Drop), Ok(None));
        assert_eq!(quantile(falling(), 0.5, 0.0, NonMonotonic::Force), Ok(Some(0.5)));
        assert!(quantile(vec![], 0.5, 0.0, NonMonotonic::Error).is_err());
    }
}

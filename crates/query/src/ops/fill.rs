//! Windows without points: what stands in their place.

use super::window::Windows;

/// What a window without points becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum FillWith<V> {
    /// A missing value.
    Missing,
    /// This one.
    Value(V),
    /// That of the window before, in the order of the answer.
    Previous,
    /// On the line between the windows around it; missing where one of them is.
    Linear,
}

/// A value that can lie on a line.
pub(crate) trait Interpolate: Clone {
    /// The value for a missing one.
    fn missing() -> Self;

    /// Whether it is missing.
    fn is_missing(&self) -> bool;

    /// The value at `at`, between this one at `from` and `next` at `to`.
    fn between(&self, next: &Self, from: i64, to: i64, at: i64) -> Self;
}

/// Puts a row into every window from `first` to `last` that has none. `rows` are in the order of the answer, with the
/// starts of their windows; for a descending answer `first` is later than `last`.
pub(crate) fn fill<V: Interpolate>(
    rows: Vec<(i64, V)>,
    windows: &Windows,
    (first, last): (i64, i64),
    descending: bool,
    with: &FillWith<V>,
) -> Vec<(i64, V)> {
    let mut filled = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    let mut expected = first;
    let mut previous: Option<(i64, V)> = None;
    let is_before = |left: i64, right: i64| if descending { left > right } else { left < right };
    loop {
        match rows.next_if(|(time, _)| !is_before(expected, *time)) {
            Some(row) => {
                let is_expected = row.0 == expected;
                if !row.1.is_missing() {
                    previous = Some(row.clone());
                } else {
                    previous = None;
                }
                filled.push(row);
                // Several rows may stand in one window.
                if !is_expected || rows.peek().is_some_and(|(time, _)| *time == expected) {
                    continue;
                }
            }
            None if is_before(last, expected) => break,
            None => {
                let value = match (with, &previous) {
                    (FillWith::Value(value), _) => value.clone(),
                    (FillWith::Previous, Some((_, value))) => value.clone(),
                    (FillWith::Linear, Some((from, value))) => match rows.peek() {
                        // Windows are counted, not nanoseconds, so that days of 23 hours count as one.
                        Some((to, next)) => {
                            let index = |time: i64| time / windows.every.max(1);
                            value.between(next, index(*from), index(*to), index(expected))
                        }
                        None => V::missing(),
                    },
                    _ => V::missing(),
                };
                filled.push((expected, value));
            }
        }
        let next = if descending { windows.previous(expected) } else { windows.next(expected) };
        if next == expected {
            break;
        }
        expected = next;
    }
    filled.extend(rows);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Interpolate for Option<f64> {
        fn missing() -> Self {
            None
        }

        fn is_missing(&self) -> bool {
            self.is_none()
        }

        fn between(&self, next: &Self, from: i64, to: i64, at: i64) -> Self {
            let (value, next) = ((*self)?, (*next)?);
            Some(value + (next - value) / (to - from) as f64 * (at - from) as f64)
        }
    }

    fn check(with: FillWith<Option<f64>>, descending: bool, expected: &[(i64, Option<f64>)]) {
        let windows = Windows { every: 10, offset: 0, zone: None };
        let mut rows = vec![(10, Some(1.0)), (40, Some(4.0))];
        let mut range = (0, 50);
        if descending {
            rows.reverse();
            range = (50, 0);
        }
        assert_eq!(fill(rows, &windows, range, descending, &with), expected, "{with:?}");
    }

    #[test]
    fn every_window_has_a_row() {
        let (one, four) = (Some(1.0), Some(4.0));
        check(FillWith::Missing, false, &[(0, None), (10, one), (20, None), (30, None), (40, four), (50, None)]);
        check(FillWith::Previous, false, &[(0, None), (10, one), (20, one), (30, one), (40, four), (50, four)]);
        check(
            FillWith::Linear,
            false,
            &[(0, None), (10, one), (20, Some(2.0)), (30, Some(3.0)), (40, four), (50, None)],
        );
        check(FillWith::Previous, true, &[(50, None), (40, four), (30, four), (20, four), (10, one), (0, one)]);
    }
}

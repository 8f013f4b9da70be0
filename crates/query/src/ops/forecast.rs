//! `holt_winters` of InfluxQL and `holtWinters` of Flux: fits a damped trend, and a season if there is one, to the
//! results of windows and goes on with them.
//!
//! Level, trend and season follow the multiplicative Holt-Winters recurrence with damping. Its factors and its start
//! are searched with the simplex of Nelder and Mead from 16 places, so that the squared errors of one step are the
//! least. Places, weights and the stop are those of InfluxDB, so results are the same up to the last digits.

use crate::limits;

/// The arguments of `holt_winters`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// How many values are foretold.
    pub(crate) values: usize,
    /// The windows of a season; below 2 there is none.
    pub(crate) season: usize,
    /// Whether the fitted values are shown as well.
    pub(crate) with_fit: bool,
    /// The length of a window in nanoseconds.
    pub(crate) every: i64,
}

/// The smallest of a sum of squares that is worth to go on for.
const TOLERANCE: f64 = 1e-4;
const ITERATIONS_MAX: usize = 1000;
/// Where the search for each of the four factors begins.
const GUESSES: [f64; 2] = [0.3, 0.7];
/// How much of the first value and of the first change a guess takes.
const GUESS_WEIGHT: f64 = 0.5;
/// Level and trend stand behind the four factors; seasons stand behind them.
const SEASONS_AT: usize = 6;

impl Forecast {
    /// The foretold values, from points in order of time: one for each window, be it NaN. A point that is NaN stands
    /// for a window without a value; the first is a number.
    ///
    /// # Errors
    /// There is more to fit than one query may.
    pub(crate) fn run(&self, points: &[(i64, f64)]) -> Result<Vec<(i64, f64)>, String> {
        let season = if self.season < 2 { 0 } else { self.season };
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(Vec::new()) };
        let windows = (self.rounded(last.0) / self.every).saturating_sub(self.rounded(first.0) / self.every);
        if points.len() < 2 || points.len() < season || windows <= 0 {
            return Ok(Vec::new());
        }
        let fitted = usize::try_from(windows).unwrap_or(usize::MAX).saturating_add(1);
        let work = fitted.saturating_add(season.saturating_mul(season) / limits::FORECAST_SEASON_SHARE);
        if work > limits::FORECAST_WORK || self.values > limits::FORECAST_VALUES {
            return Err(format!(
                "max-holt-winters-work limit exceeded: {fitted} windows with a season of {season} count as {work}, of \
                 at most {}, and {} values are foretold, of at most {}",
                limits::FORECAST_WORK,
                self.values,
                limits::FORECAST_VALUES
            ));
        }
        let observed = self.observed(points);
        let mut parameters = best_parameters(&observed, season);
        let all = follow(&observed, self.values, &mut parameters);
        let (skipped, start) = if self.with_fit { (0, first.0) } else { (observed.len(), last.0 + self.every) };
        let at =
            |place: usize| start.saturating_add(self.every.saturating_mul(i64::try_from(place).unwrap_or(i64::MAX)));
        let values = all.into_iter().skip(skipped).enumerate();
        Ok(values.map(|(place, value)| (at(place), value)).collect())
    }

    /// The time at a whole number of windows since 1970.
    fn rounded(&self, time: i64) -> i64 {
        let (whole, rest) = (time / self.every, time % self.every);
        (if rest > self.every / 2 { whole + 1 } else { whole }) * self.every
    }

    /// A value for each window; NaN where there is no point.
    fn observed(&self, points: &[(i64, f64)]) -> Vec<f64> {
        let mut observed = Vec::new();
        let mut time = i64::MIN;
        for &(at, value) in points {
            let at = self.rounded(at);
            if observed.is_empty() {
                observed.push(value);
                time = at;
            } else if at > time {
                time += self.every;
                while time != at {
                    observed.push(f64::NAN);
                    time += self.every;
                }
                observed.push(value);
            }
        }
        observed
    }
}

/// The parameters with the least error of those that the searches find.
fn best_parameters(observed: &[f64], season: usize) -> Vec<f64> {
    let mut start = vec![0.0; SEASONS_AT + season];
    guess(observed, season, &mut start);
    let mut best: Option<(f64, Vec<f64>)> = None;
    for place in 0..16 {
        for (digit, parameter) in start.iter_mut().take(4).enumerate() {
            *parameter = if (place >> (3 - digit)) & 1 == 0 { GUESSES[0] } else { GUESSES[1] };
        }
        let mut error = |parameters: &mut [f64]| squared_error(observed, parameters);
        let (found, parameters) = minimise(&mut error, &start);
        if best.as_ref().is_none_or(|(least, _)| found < *least) {
            best = Some((found, parameters));
        }
    }
    best.map_or(start, |(_, parameters)| parameters)
}

/// Level, trend and season to begin with.
fn guess(observed: &[f64], season: usize, parameters: &mut [f64]) {
    let get = |place: usize| observed.get(place).copied().unwrap_or(f64::NAN);
    let known = |value: f64| if value.is_nan() { 0.0 } else { value };
    let (level, trend) = if season == 0 {
        (GUESS_WEIGHT * get(0), known(GUESS_WEIGHT * (get(1) - get(0))))
    } else {
        let length = season as f64;
        let level = (0..season).map(|place| known(1.0 / length * get(place))).sum();
        let change = |place: usize| 1.0 / (length * length) * (get(season + place) - get(place));
        let trend = (0..season).map(|place| known(change(place))).sum();
        (level, trend)
    };
    for (place, parameter) in parameters.iter_mut().enumerate().skip(4) {
        *parameter = match place {
            4 => level,
            5 => trend,
            _ => known(get(place - SEASONS_AT) / level),
        };
    }
}

/// The fitted values, and so many behind them. Factors are brought into their bounds, and the seasons are left as they
/// are in the end: the search goes on from there.
fn follow(observed: &[f64], values: usize, parameters: &mut [f64]) -> Vec<f64> {
    let (head, seasons) = parameters.split_at_mut(SEASONS_AT.min(parameters.len()));
    let [alpha, beta, gamma, phi, level, trend] = head else { return Vec::new() };
    for factor in [&mut *alpha, &mut *beta, &mut *gamma, &mut *phi] {
        *factor = factor.clamp(0.0, 1.0);
    }
    let (alpha, beta, gamma, phi) = (*alpha, *beta, *gamma, *phi);
    let (mut level, mut trend, mut damping) = (*level, *trend, phi);
    let mut value = observed.first().copied().unwrap_or_default();
    let mut all = Vec::with_capacity(observed.len() + values);
    all.push(value);
    let length = seasons.len();
    // The place of the oldest season in the ring of them.
    let mut oldest = length.saturating_sub(1);
    for step in 1..observed.len() + values {
        let (mut before, mut ahead) = (1.0, 1.0);
        if length > 0 {
            let get = |place: usize| seasons.get(place % length).copied().unwrap_or(1.0);
            before = get(step + oldest);
            ahead = get(step + step % length + oldest);
        }
        let damped = level + phi * trend;
        let next_level = alpha * (value / before) + (1.0 - alpha) * damped;
        let next_trend = beta * (next_level - level) + (1.0 - beta) * phi * trend;
        let next_season = gamma * (value / damped) + (1.0 - gamma) * before;
        value = (next_level + damping * next_trend) * ahead;
        (level, trend) = (next_level, next_trend);
        damping += power(phi, step);
        if length > 0 {
            if let Some(season) = seasons.get_mut((step + oldest) % length) {
                *season = next_season;
            }
            oldest += 1;
        }
        all.push(value);
    }
    all
}

/// A power by repeated squaring, which rounds as InfluxDB's does: the search goes another way where last digits differ.
fn power(base: f64, exponent: usize) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest % 2 == 1 {
            result *= square;
        }
        square *= square;
        rest /= 2;
    }
    result
}

/// How wrong the fitted values are.
fn squared_error(observed: &[f64], parameters: &mut [f64]) -> f64 {
    let fitted = follow(observed, 0, parameters);
    let mut sum = 0.0;
    for (observed, fitted) in observed.iter().zip(fitted).filter(|(observed, _)| !observed.is_nan()) {
        if fitted.is_nan() {
            return f64::INFINITY;
        }
        sum += (fitted - observed) * (fitted - observed);
    }
    sum
}

/// A corner of the simplex.
#[derive(Debug, Clone)]
struct Vertex {
    at: Vec<f64>,
    error: f64,
}

/// The simplex method of Nelder and Mead, with reflection 1, contraction ½ and expansion 2. The function may change the
/// place that it is asked about.
fn minimise(error: &mut impl FnMut(&mut [f64]) -> f64, start: &[f64]) -> (f64, Vec<f64>) {
    let mut simplex = first_simplex(error, start);
    let mut evaluate = |mut at: Vec<f64>| {
        let error = error(&mut at);
        Vertex { at, error }
    };
    for _ in 0..ITERATIONS_MAX {
        let (worst, best) = extremes(&simplex);
        let second = second_worst(&simplex, worst, best);
        let errors = |place: usize| simplex.get(place).map_or(f64::INFINITY, |vertex| vertex.error);
        let (worst_error, best_error, second_error) = (errors(worst), errors(best), errors(second));
        let worst_at = simplex.get(worst).map_or_else(Vec::new, |vertex| vertex.at.clone());
        let centre = centre(&simplex, worst);
        let reflected = evaluate(between(&centre, &worst_at, -1.0));
        if reflected.error < second_error && reflected.error >= best_error {
            replace(&mut simplex, worst, reflected);
        } else if reflected.error < best_error {
            let expanded = evaluate(between(&centre, &reflected.at, 2.0));
            let better = if expanded.error < reflected.error { expanded } else { reflected };
            replace(&mut simplex, worst, better);
        } else if reflected.error >= second_error {
            let towards = if reflected.error < worst_error { &reflected.at } else { &worst_at };
            let contracted = evaluate(between(&centre, towards, 0.5));
            if contracted.error < worst_error {
                replace(&mut simplex, worst, contracted);
            } else {
                shrink(&mut simplex, best);
                // As in InfluxDB only these two are asked again.
                for place in [worst, second] {
                    if let Some(at) = simplex.get(place).map(|vertex| vertex.at.clone()) {
                        let vertex = evaluate(at);
                        replace(&mut simplex, place, vertex);
                    }
                }
            }
        }
        if deviation(&simplex) < TOLERANCE {
            break;
        }
    }
    let (_, best) = extremes(&simplex);
    let best = simplex.into_iter().nth(best).map_or_else(|| start.to_vec(), |vertex| vertex.at);
    let least = evaluate(best.clone());
    (least.error, best)
}

fn first_simplex(error: &mut impl FnMut(&mut [f64]) -> f64, start: &[f64]) -> Vec<Vertex> {
    let size = start.len() as f64;
    let root = (size + 1.0).sqrt() - 1.0;
    let (own, other) = ((root + size) / (size * 2.0_f64.sqrt()), root / (size * 2.0_f64.sqrt()));
    let corner = |corner: usize| {
        let step = |place: usize| match corner.checked_sub(1) {
            None => 0.0,
            Some(moved) if moved == place => own,
            Some(_) => other,
        };
        let mut at: Vec<f64> = start.iter().enumerate().map(|(place, value)| step(place) + value).collect();
        let error = error(&mut at);
        Vertex { at, error }
    };
    (0..=start.len()).map(corner).collect()
}

/// The places of the largest and of the smallest error, of equal ones the first.
fn extremes(simplex: &[Vertex]) -> (usize, usize) {
    let (mut worst, mut best) = (0, 0);
    let mut bounds = (f64::NEG_INFINITY, f64::INFINITY);
    for (place, vertex) in simplex.iter().enumerate() {
        if vertex.error > bounds.0 {
            (worst, bounds.0) = (place, vertex.error);
        }
        if vertex.error < bounds.1 {
            (best, bounds.1) = (place, vertex.error);
        }
    }
    (worst, best)
}

/// The place of the largest error below that of the worst; the best if there is none.
fn second_worst(simplex: &[Vertex], worst: usize, best: usize) -> usize {
    let error = |place: usize| simplex.get(place).map_or(f64::INFINITY, |vertex| vertex.error);
    let mut second = best;
    for place in 0..simplex.len() {
        if error(place) > error(second) && error(place) < error(worst) {
            second = place;
        }
    }
    second
}

/// The middle of all corners but one.
fn centre(simplex: &[Vertex], without: usize) -> Vec<f64> {
    let size = simplex.len().saturating_sub(1);
    let sum = |place: usize| {
        let others = simplex.iter().enumerate().filter(|(corner, _)| *corner != without);
        others.map(|(_, vertex)| vertex.at.get(place).copied().unwrap_or_default()).sum::<f64>()
    };
    (0..size).map(|place| sum(place) / size as f64).collect()
}

/// The place so much of the way from one place to another.
fn between(from: &[f64], to: &[f64], part: f64) -> Vec<f64> {
    from.iter().zip(to).map(|(from, to)| from + part * (to - from)).collect()
}

fn replace(simplex: &mut [Vertex], place: usize, vertex: Vertex) {
    if let Some(old) = simplex.get_mut(place) {
        *old = vertex;
    }
}

/// Brings all corners half the way to the best one.
fn shrink(simplex: &mut [Vertex], best: usize) {
    let Some(best_at) = simplex.get(best).map(|vertex| vertex.at.clone()) else { return };
    for (_, vertex) in simplex.iter_mut().enumerate().filter(|(place, _)| *place != best) {
        vertex.at = between(&best_at, &vertex.at, 0.5);
    }
}

/// How far the errors are from each other.
fn deviation(simplex: &[Vertex]) -> f64 {
    let size = simplex.len() as f64;
    let mean = simplex.iter().map(|vertex| vertex.error).sum::<f64>() / size;
    simplex.iter().map(|vertex| (vertex.error - mean).powi(2) / (size - 1.0)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn forecast(values: usize, season: usize, with_fit: bool) -> Forecast {
        Forecast { values, season, with_fit, every: 10 }
    }

    #[test]
    fn the_simplex_finds_the_valley_of_rosenbrock() {
        let mut rosenbrock = |at: &mut [f64]| {
            let (a, b) = (at[0], at[1]);
            100.0 * (b - a * a).powi(2) + (1.0 - a).powi(2)
        };
        let (least, at) = minimise(&mut rosenbrock, &[-1.2, 1.0]);
        assert!(least < 1e-3 && (at[0] - 1.0).abs() < 0.1 && (at[1] - 1.0).abs() < 0.1, "{least} at {at:?}");
    }

    #[test]
    fn a_line_goes_on() {
        let points: Vec<(i64, f64)> = (0..40).map(|place| (place * 10, 5.0 + place as f64)).collect();
        let ahead = forecast(3, 0, false).run(&points).unwrap();
        assert_eq!(ahead.iter().map(|point| point.0).collect::<Vec<_>>(), [400, 410, 420]);
        for ((_, value), expected) in ahead.iter().zip([45.0, 46.0, 47.0]) {
            assert!((value - expected).abs() < 1.5, "{value} is not {expected}");
        }
        let with_fit = forecast(3, 0, true).run(&points).unwrap();
        assert_eq!((with_fit.len(), with_fit[0]), (43, (0, 5.0)));
        assert_eq!(with_fit[40..], ahead);
    }

    #[test]
    fn windows_without_points_are_gone_over() {
        let points: Vec<(i64, f64)> =
            (0..40).filter(|place| *place != 7).map(|place| (place * 10, 5.0 + place as f64)).collect();
        assert_eq!(forecast(2, 0, true).run(&points).unwrap().len(), 42);
        assert_eq!(forecast(2, 0, false).observed(&points).len(), 40);
        assert!(forecast(2, 0, false).observed(&points)[7].is_nan());
    }

    #[test]
    fn too_few_points_foretell_nothing() {
        assert_eq!(forecast(2, 0, false).run(&[]).unwrap(), []);
        assert_eq!(forecast(2, 0, false).run(&[(0, 1.0)]).unwrap(), []);
        assert_eq!(forecast(2, 4, false).run(&[(0, 1.0), (10, 2.0), (20, 3.0)]).unwrap(), []);
    }

    #[test]
    fn work_has_a_bound() {
        let sparse = [(0, 1.0), (i64::MAX / 4, 2.0)];
        assert!(forecast(1, 0, false).run(&sparse).unwrap_err().contains("limit exceeded"));
        assert!(forecast(usize::MAX, 0, false).run(&[(0, 1.0), (10, 2.0)]).is_err());
    }
}

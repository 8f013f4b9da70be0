//! Functions of the samples of a range: rates and differences, and everything `_over_time`.

use super::selector::Window;
use super::{EvalError, Evaluator, Result, Steps, argument, number};
use crate::ast::Expr;
use crate::functions::Function;
use crate::value::Series;

/// Whether a function is one of these.
pub(super) fn is_over_time(function: Function) -> bool {
    use Function as F;
    matches!(
        function,
        F::AvgOverTime
            | F::Changes
            | F::CountOverTime
            | F::Delta
            | F::Deriv
            | F::DoubleExponentialSmoothing
            | F::FirstOverTime
            | F::HoltWinters
            | F::Idelta
            | F::Increase
            | F::Irate
            | F::LastOverTime
            | F::MadOverTime
            | F::MaxOverTime
            | F::MinOverTime
            | F::PredictLinear
            | F::PresentOverTime
            | F::QuantileOverTime
            | F::Rate
            | F::Resets
            | F::StddevOverTime
            | F::StdvarOverTime
            | F::SumOverTime
    )
}

impl Evaluator<'_> {
    pub(super) fn over_time(&mut self, function: Function, arguments: &[Expr], steps: Steps) -> Result<Vec<Series>> {
        // The quantile is the only one whose range comes last.
        let place = usize::from(function == Function::QuantileOverTime);
        let matrix = self.matrix(argument(arguments, place)?, steps)?;
        let mut parameters = Vec::new();
        for (_, argument) in arguments.iter().enumerate().filter(|(other, _)| *other != place) {
            parameters.push(self.scalar(argument, steps)?);
        }
        if matches!(function, Function::HoltWinters | Function::DoubleExponentialSmoothing) {
            check_factors(&parameters, matrix.series.is_empty())?;
        }
        let parameter = |place: usize, step: usize| {
            let values: Option<&Vec<f64>> = parameters.get(place);
            values.and_then(|values| values.get(step)).copied().unwrap_or(f64::NAN)
        };
        let keeps_name = matches!(function, Function::LastOverTime | Function::FirstOverTime);
        let value =
            |step: usize, window: Window<'_>| of_window(function, window, parameter(0, step), || parameter(1, step));
        self.windows(&matrix, steps, keeps_name, &value)
    }
}

/// Both factors of a smoothing lie between 0 and 1.
fn check_factors(parameters: &[Vec<f64>], has_nothing: bool) -> Result<()> {
    let names = ["smoothing", "trend"];
    for (values, name) in parameters.iter().zip(names) {
        if let Some(wrong) = values.iter().find(|factor| !(**factor > 0.0 && **factor < 1.0))
            && !has_nothing
        {
            let message = format!("invalid {name} factor. Expected: 0 < {} < 1, got: {wrong:.6}", &name[..1]);
            return Err(EvalError::execution(message));
        }
    }
    Ok(())
}

fn of_window(
    function: Function,
    window: Window<'_>,
    parameter: f64,
    second_parameter: impl Fn() -> f64,
) -> Option<f64> {
    use Function as F;
    let values = window.values;
    Some(match function {
        F::AvgOverTime => number::mean(values),
        F::Changes => {
            let differ = |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
            values.windows(2).filter(differ).count() as f64
        }
        F::CountOverTime => values.len() as f64,
        F::Delta => return extrapolated(window, false, false),
        F::Increase => return extrapolated(window, true, false),
        F::Rate => return extrapolated(window, true, true),
        F::Deriv => {
            let first = *window.times.first().filter(|_| values.len() >= 2)?;
            number::line(window.times, values, first).0
        }
        F::PredictLinear => {
            window.times.get(1)?;
            let (slope, now) = number::line(window.times, values, window.step_ms);
            slope * parameter + now
        }
        F::DoubleExponentialSmoothing | F::HoltWinters => return smoothed(values, parameter, second_parameter()),
        F::FirstOverTime => *values.first()?,
        F::LastOverTime => *values.last()?,
        F::Idelta => return instant(window, false),
        F::Irate => return instant(window, true),
        F::MadOverTime => {
            let mut sorted = values.to_vec();
            let median = number::quantile(0.5, &mut sorted);
            let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
            number::quantile(0.5, &mut distances)
        }
        F::MaxOverTime => number::greatest(values),
        F::MinOverTime => number::least(values),
        F::PresentOverTime => 1.0,
        F::QuantileOverTime => number::quantile(parameter, &mut values.to_vec()),
        F::Resets => values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64,
        F::StddevOverTime => number::variance(values).sqrt(),
        F::StdvarOverTime => number::variance(values),
        F::SumOverTime => number::sum(values),
        _ => return None,
    })
}

/// The difference over a range, reckoned from the samples in it to its bounds (Prometheus, `extrapolatedRate`): all the
/// way where the next sample may have been just outside, otherwise by half of the usual time between two. A counter
/// that starts again counts from zero, and is not taken below zero at the start of the range.
fn extrapolated(window: Window<'_>, is_counter: bool, is_rate: bool) -> Option<f64> {
    let (times, values) = (window.times, window.values);
    let [first_time, .., last_time] = *times else { return None };
    let [first, .., last] = *values else { return None };
    let mut difference = last - first;
    if is_counter {
        difference += values.windows(2).filter(|pair| pair[1] < pair[0]).map(|pair| pair[0]).sum::<f64>();
    }
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let sampled = seconds(last_time - first_time);
    let between = sampled / (values.len() - 1) as f64;
    let threshold = between * 1.1;
    let mut to_start = seconds(first_time - window.start_ms);
    if to_start >= threshold {
        to_start = between / 2.0;
    }
    if is_counter && difference > 0.0 && first >= 0.0 {
        to_start = to_start.min(sampled * (first / difference));
    }
    let mut to_end = seconds(window.end_ms - last_time);
    if to_end >= threshold {
        to_end = between / 2.0;
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if is_rate {
        factor /= seconds(window.end_ms - window.start_ms);
    }
    Some(difference * factor)
}

/// The difference of the last two samples; as a rate in a second.
fn instant(window: Window<'_>, is_rate: bool) -> Option<f64> {
    let [.., time_before, time] = *window.times else { return None };
    let [.., before, last] = *window.values else { return None };
    let difference = if is_rate && last < before { last } else { last - before };
    Some(if is_rate { difference / ((time - time_before) as f64 / 1000.0) } else { difference })
}

/// Double exponential smoothing: the level at the last sample, with the trend.
fn smoothed(values: &[f64], smoothing: f64, trending: f64) -> Option<f64> {
    let [first, second, ..] = *values else { return None };
    let (mut before, mut level, mut trend) = (0.0, first, second - first);
    for (place, value) in values.iter().enumerate().skip(1) {
        if place > 1 {
            trend = trending * (level - before) + (1.0 - trending) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (level + trend);
        (before, level) = (level, next);
    }
    Some(level)
}

//! Functions of single samples: mathematics, bounds, dates.

use super::{Evaluator, Result, Steps, argument, merged, unnamed};
use crate::ast::Expr;
use crate::calendar::Moment;
use crate::functions::Function;
use crate::labels::Labels;
use crate::value::{ABSENT, Series};

impl Evaluator<'_> {
    pub(super) fn elements(&mut self, function: Function, arguments: &[Expr], steps: Steps) -> Result<Vec<Series>> {
        let series = match arguments.first() {
            Some(_) => self.vector(argument(arguments, 0)?, steps)?,
            // Functions of dates are about the time of the step by themselves.
            None => {
                let values = (0..steps.count).map(|step| steps.time(step) as f64 / 1000.0).collect();
                vec![Series { labels: Labels::default(), values }]
            }
        };
        self.work(series.len() * steps.count)?;
        let mut parameters = Vec::new();
        for argument in arguments.iter().skip(1) {
            parameters.push(self.scalar(argument, steps)?);
        }
        let parameter = |place: usize, step: usize, default: f64| {
            let values: Option<&Vec<f64>> = parameters.get(place);
            values.and_then(|values| values.get(step)).copied().unwrap_or(default)
        };
        let element = |step: usize, value: f64| match function {
            Function::Clamp => {
                let (low, high) = (parameter(0, step, f64::NAN), parameter(1, step, f64::NAN));
                if high < low { ABSENT } else { larger(low, smaller(high, value)) }
            }
            Function::ClampMin => larger(parameter(0, step, f64::NAN), value),
            Function::ClampMax => smaller(parameter(0, step, f64::NAN), value),
            Function::Round => {
                let inverse = 1.0 / parameter(0, step, 1.0);
                (value * inverse + 0.5).floor() / inverse
            }
            _ => of_number(function, value),
        };
        let mapped = |series: Series| unnamed(series).map(element);
        merged(series.into_iter().map(mapped).collect())
    }
}

/// The larger one; NaN if one of them is.
fn larger(left: f64, right: f64) -> f64 {
    if left.is_nan() || right.is_nan() { f64::NAN } else { left.max(right) }
}

/// The smaller one; NaN if one of them is.
fn smaller(left: f64, right: f64) -> f64 {
    if left.is_nan() || right.is_nan() { f64::NAN } else { left.min(right) }
}

fn of_number(function: Function, value: f64) -> f64 {
    use Function as F;
    match function {
        F::Abs => value.abs(),
        F::Acos => value.acos(),
        F::Acosh => value.acosh(),
        F::Asin => value.asin(),
        F::Asinh => value.asinh(),
        F::Atan => value.atan(),
        F::Atanh => value.atanh(),
        F::Ceil => value.ceil(),
        F::Cos => value.cos(),
        F::Cosh => value.cosh(),
        F::Deg => value * 180.0 / std::f64::consts::PI,
        F::Exp => value.exp(),
        F::Floor => value.floor(),
        F::Ln => value.ln(),
        F::Log10 => value.log10(),
        F::Log2 => value.log2(),
        F::Rad => value * std::f64::consts::PI / 180.0,
        F::Sgn if value > 0.0 => 1.0,
        F::Sgn if value < 0.0 => -1.0,
        F::Sgn => value,
        F::Sin => value.sin(),
        F::Sinh => value.sinh(),
        F::Sqrt => value.sqrt(),
        F::Tan => value.tan(),
        F::Tanh => value.tanh(),
        _ => of_date(function, value),
    }
}

/// A part of the date of some seconds since 1970, in UTC.
fn of_date(function: Function, value: f64) -> f64 {
    if !value.is_finite() {
        return f64::NAN;
    }
    let moment = Moment::of(value as i64);
    let part = match function {
        Function::DayOfMonth => moment.day,
        Function::DayOfWeek => moment.day_of_week,
        Function::DayOfYear => moment.day_of_year,
        Function::DaysInMonth => moment.days_in_month,
        Function::Hour => moment.hour,
        Function::Minute => moment.minute,
        Function::Month => moment.month,
        Function::Year => moment.year,
        // All others have been answered before.
        _ => return f64::NAN,
    };
    part as f64
}

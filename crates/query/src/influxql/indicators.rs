//! Technical analysis: averages that weigh late points more, and what traders derive from them.
//!
//! Every indicator takes one value after another and gives one for each, of which the first ones are held back. The
//! rules are those of InfluxDB 1.7: how an average begins, how many values are held back, and that an infinite ratio is
//! no point. What one keeps grows with the points that it sees, never at once with its period.

use std::collections::VecDeque;

use influxql::Expression;
use influxql::ast::Call;

/// How an exponential average begins, before it has seen as many values as its period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Warmup {
    /// With a weight that is that of a shorter period.
    Exponential,
    /// As the mean.
    Simple,
}

/// Which indicator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndicatorKind {
    ExponentialMovingAverage(Warmup),
    DoubleExponentialMovingAverage(Warmup),
    TripleExponentialMovingAverage(Warmup),
    RelativeStrengthIndex(Warmup),
    TripleExponentialDerivative(Warmup),
    KaufmansEfficiencyRatio,
    KaufmansAdaptiveMovingAverage,
    /// Smoothed if it has a way to begin.
    ChandeMomentumOscillator(Option<Warmup>),
}

/// An indicator with its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Indicator {
    pub(super) kind: IndicatorKind,
    /// At least 1; at least 2 for an oscillator that is not smoothed.
    pub(super) period: u64,
    /// How many of the first results are left out; none is as many as it needs to be right.
    pub(super) hold: Option<u64>,
}

/// The names of all indicators.
pub(super) const INDICATORS: [&str; 8] = [
    "exponential_moving_average",
    "double_exponential_moving_average",
    "triple_exponential_moving_average",
    "relative_strength_index",
    "triple_exponential_derivative",
    "kaufmans_efficiency_ratio",
    "kaufmans_adaptive_moving_average",
    "chande_momentum_oscillator",
];

impl Indicator {
    /// The indicator that a call asks for. Its arguments are checked before.
    pub(super) fn of(call: &Call) -> Option<Self> {
        let whole = |place: usize| match call.arguments.get(place) {
            Some(Expression::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let warmup = match call.arguments.get(3) {
            Some(Expression::String(text)) if text == "simple" => Some(Warmup::Simple),
            Some(Expression::String(text)) if text == "exponential" => Some(Warmup::Exponential),
            _ => None,
        };
        let begin = warmup.unwrap_or(Warmup::Exponential);
        let kind = match call.name.as_str() {
            "exponential_moving_average" => IndicatorKind::ExponentialMovingAverage(begin),
            "double_exponential_moving_average" => IndicatorKind::DoubleExponentialMovingAverage(begin),
            "triple_exponential_moving_average" => IndicatorKind::TripleExponentialMovingAverage(begin),
            "relative_strength_index" => IndicatorKind::RelativeStrengthIndex(begin),
            "triple_exponential_derivative" => IndicatorKind::TripleExponentialDerivative(begin),
            "kaufmans_efficiency_ratio" => IndicatorKind::KaufmansEfficiencyRatio,
            "kaufmans_adaptive_moving_average" => IndicatorKind::KaufmansAdaptiveMovingAverage,
            "chande_momentum_oscillator" => IndicatorKind::ChandeMomentumOscillator(warmup),
            _ => return None,
        };
        // A negative hold is none, as if it were not given.
        Some(Self { kind, period: whole(1).unwrap_or(1).max(1), hold: whole(2) })
    }

    /// A result for each value, or none where it is held back.
    pub(super) fn run(&self, values: impl Iterator<Item = f64>) -> Vec<Option<f64>> {
        let mut machine = Machine::new(self.kind, self.period);
        let hold = self.hold.unwrap_or_else(|| self.values_to_warm_up());
        let drops_infinite = matches!(
            self.kind,
            IndicatorKind::TripleExponentialDerivative(_)
                | IndicatorKind::KaufmansEfficiencyRatio
                | IndicatorKind::KaufmansAdaptiveMovingAverage
        );
        let result = |(seen, value): (u64, f64)| {
            let result = machine.next(value);
            let is_held_back = seen <= hold || (drops_infinite && result.is_infinite());
            (!is_held_back).then_some(result)
        };
        (1..).zip(values).map(result).collect()
    }

    /// How many results come before the first that counts.
    fn values_to_warm_up(&self) -> u64 {
        let before = self.period.saturating_sub(1);
        let each = |warmup: Warmup, averages: u64| match warmup {
            Warmup::Exponential => before,
            Warmup::Simple => before.saturating_mul(averages),
        };
        match self.kind {
            IndicatorKind::ExponentialMovingAverage(_) => before,
            IndicatorKind::DoubleExponentialMovingAverage(warmup) => each(warmup, 2),
            IndicatorKind::TripleExponentialMovingAverage(warmup) => each(warmup, 3),
            IndicatorKind::TripleExponentialDerivative(warmup) => each(warmup, 3).saturating_add(1),
            IndicatorKind::RelativeStrengthIndex(_)
            | IndicatorKind::KaufmansEfficiencyRatio
            | IndicatorKind::KaufmansAdaptiveMovingAverage
            | IndicatorKind::ChandeMomentumOscillator(Some(_)) => self.period,
            IndicatorKind::ChandeMomentumOscillator(None) => before,
        }
    }
}

/// The state of an indicator.
enum Machine {
    Averages { averages: Vec<Average>, warmup: Warmup },
    Derivative { averages: Vec<Average>, warmup: Warmup, last: f64 },
    Strength(Movement),
    SmoothOscillator(Movement),
    Oscillator(Oscillator),
    Efficiency(Efficiency),
    Adaptive { efficiency: Efficiency, seen: u64, last: f64 },
}

impl Machine {
    fn new(kind: IndicatorKind, period: u64) -> Self {
        let averages = |count: usize, warmup: Warmup| vec![Average::new(period, warmup); count];
        match kind {
            IndicatorKind::ExponentialMovingAverage(warmup) => Self::Averages { averages: averages(1, warmup), warmup },
            IndicatorKind::DoubleExponentialMovingAverage(warmup) => {
                Self::Averages { averages: averages(2, warmup), warmup }
            }
            IndicatorKind::TripleExponentialMovingAverage(warmup) => {
                Self::Averages { averages: averages(3, warmup), warmup }
            }
            IndicatorKind::TripleExponentialDerivative(warmup) => {
                Self::Derivative { averages: averages(3, warmup), warmup, last: 0.0 }
            }
            IndicatorKind::RelativeStrengthIndex(warmup) => Self::Strength(Movement::new(period, warmup)),
            IndicatorKind::ChandeMomentumOscillator(Some(warmup)) => {
                Self::SmoothOscillator(Movement::new(period, warmup))
            }
            IndicatorKind::ChandeMomentumOscillator(None) => {
                Self::Oscillator(Oscillator::new(period.saturating_sub(1)))
            }
            IndicatorKind::KaufmansEfficiencyRatio => Self::Efficiency(Efficiency::new(period)),
            IndicatorKind::KaufmansAdaptiveMovingAverage => {
                Self::Adaptive { efficiency: Efficiency::new(period), seen: 0, last: 0.0 }
            }
        }
    }

    fn next(&mut self, value: f64) -> f64 {
        match self {
            Self::Averages { averages, warmup } => {
                let results = chain(averages, *warmup, value);
                match results.as_slice() {
                    [first, second] => 2.0 * first - second,
                    [first, second, third] => 3.0 * first - 3.0 * second + third,
                    _ => results.first().copied().unwrap_or(value),
                }
            }
            Self::Derivative { averages, warmup, last } => {
                let current = chain(averages, *warmup, value).last().copied().unwrap_or(value);
                let rate = (current / *last - 1.0) * 100.0;
                *last = current;
                rate
            }
            Self::Strength(movement) => {
                let (up, down) = movement.next(value);
                100.0 - 100.0 / (1.0 + up / down)
            }
            Self::SmoothOscillator(movement) => {
                let (up, down) = movement.next(value);
                100.0 * ((up - down) / (up + down))
            }
            Self::Oscillator(oscillator) => oscillator.next(value),
            Self::Efficiency(efficiency) => efficiency.next(value),
            Self::Adaptive { efficiency, seen, last } => {
                // Until it has seen a whole period and one more, it begins anew with the value before.
                if *seen <= efficiency.moves.period {
                    *last = efficiency.moves.newest().0;
                    *seen += 1;
                }
                let (fastest, slowest) = (2.0 / (2.0 + 1.0), 2.0 / (30.0 + 1.0));
                let weight: f64 = efficiency.next(value) * (fastest - slowest) + slowest;
                *last += weight.powi(2) * (value - *last);
                *last
            }
        }
    }
}

/// Averages of averages. With a simple beginning each waits until the one before it is warm, and repeats it until then.
fn chain(averages: &mut [Average], warmup: Warmup, value: f64) -> Vec<f64> {
    let mut current = value;
    let mut is_ready = true;
    let next = |average: &mut Average| {
        if is_ready {
            current = average.next(current);
            is_ready = average.is_warm() || warmup == Warmup::Exponential;
        }
        current
    };
    averages.iter_mut().map(next).collect()
}

/// One exponential moving average.
#[derive(Debug, Clone)]
struct Average {
    /// The values that it has seen, up to the period.
    count: u64,
    period: u64,
    /// The weight of a new value once it is warm.
    weight: f64,
    warmup: Warmup,
    last: f64,
}

impl Average {
    fn new(period: u64, warmup: Warmup) -> Self {
        Self { count: 0, period, weight: 2.0 / (period as f64 + 1.0), warmup, last: 0.0 }
    }

    fn is_warm(&self) -> bool {
        self.count == self.period
    }

    fn next(&mut self, value: f64) -> f64 {
        let count = self.count as f64;
        self.last = match self.warmup {
            _ if self.count == 0 => value,
            _ if self.is_warm() => (value - self.last) * self.weight + self.last,
            Warmup::Simple => (self.last * count + value) / (count + 1.0),
            Warmup::Exponential => (value - self.last) * (2.0 / (count + 2.0)) + self.last,
        };
        self.count = self.period.min(self.count + 1);
        self.last
    }
}

/// The averages of what values rise and of what they fall.
#[derive(Debug, Clone)]
struct Movement {
    up: Average,
    down: Average,
    last: f64,
}

impl Movement {
    fn new(period: u64, warmup: Warmup) -> Self {
        let average = Average { weight: 1.0 / period as f64, ..Average::new(period.saturating_add(1), warmup) };
        Self { up: average.clone(), down: average, last: 0.0 }
    }

    fn next(&mut self, value: f64) -> (f64, f64) {
        let up = if value > self.last { value - self.last } else { 0.0 };
        let down = if value < self.last { self.last - value } else { 0.0 };
        self.last = value;
        (self.up.next(up), self.down.next(down))
    }
}

/// The last values, each with its change. Before the first ones there are zeros.
#[derive(Debug, Clone)]
struct Moves {
    moves: VecDeque<(f64, f64)>,
    period: u64,
}

impl Moves {
    fn new(period: u64) -> Self {
        Self { moves: VecDeque::new(), period }
    }

    fn newest(&self) -> (f64, f64) {
        self.moves.back().copied().unwrap_or_default()
    }

    /// The one that is a period ago.
    fn oldest(&self) -> (f64, f64) {
        if self.moves.len() as u64 == self.period {
            self.moves.front().copied().unwrap_or_default()
        } else {
            (0.0, 0.0)
        }
    }

    fn push(&mut self, value: f64, change: f64) {
        if self.moves.len() as u64 == self.period {
            self.moves.pop_front();
        }
        self.moves.push_back((value, change));
    }
}

/// Chande's oscillator from the sums of what values rose and fell.
#[derive(Debug, Clone)]
struct Oscillator {
    moves: Moves,
    up: f64,
    down: f64,
    has_begun: bool,
}

impl Oscillator {
    fn new(period: u64) -> Self {
        Self { moves: Moves::new(period), up: 0.0, down: 0.0, has_begun: false }
    }

    fn next(&mut self, value: f64) -> f64 {
        let change = if self.has_begun { value - self.moves.newest().0 } else { 0.0 };
        self.has_begun = true;
        self.add(change, 1.0);
        let result = if self.up != 0.0 || self.down != 0.0 {
            100.0 * ((self.up - self.down) / (self.up + self.down))
        } else {
            0.0
        };
        self.add(self.moves.oldest().1, -1.0);
        self.moves.push(value, change);
        result
    }

    fn add(&mut self, change: f64, sign: f64) {
        if change > 0.0 {
            self.up += sign * change;
        } else if change < 0.0 {
            self.down -= sign * change;
        }
    }
}

/// Kaufman's ratio: how far values came, over the way that they went.
#[derive(Debug, Clone)]
struct Efficiency {
    moves: Moves,
    noise: f64,
}

impl Efficiency {
    fn new(period: u64) -> Self {
        Self { moves: Moves::new(period), noise: 0.0 }
    }

    fn next(&mut self, value: f64) -> f64 {
        let oldest = self.moves.oldest();
        let signal = (value - oldest.0).abs();
        let change = (value - self.moves.newest().0).abs();
        self.noise -= oldest.1;
        self.noise += change;
        self.moves.push(value, change);
        if signal == 0.0 || self.noise == 0.0 { 0.0 } else { signal / self.noise }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: IndicatorKind, period: u64, values: &[f64]) -> Vec<f64> {
        let indicator = Indicator { kind, period, hold: None };
        indicator.run(values.iter().copied()).into_iter().flatten().collect()
    }

    fn close(got: &[f64], expected: &[f64]) {
        let is_close = |(got, expected): (&f64, &f64)| (got - expected).abs() < 1e-4;
        assert!(got.len() == expected.len() && got.iter().zip(expected).all(is_close), "{got:?} is not {expected:?}");
    }

    fn rising_and_falling(most: i32) -> Vec<f64> {
        (1..=most).chain((1..most).rev()).map(f64::from).collect()
    }

    #[test]
    fn an_average_begins_simply_or_exponentially() {
        let values = [1.0, 2.0, 3.0, 4.0];
        let average = IndicatorKind::ExponentialMovingAverage;
        close(&run(average(Warmup::Simple), 2, &values), &[1.5, 2.5, 3.5]);
        // 1, then 2 with the weight 2/3, and so on.
        close(&run(average(Warmup::Exponential), 2, &values), &[1.666_667, 2.555_556, 3.518_519]);
    }

    /// A straight line is what the double and the triple average follow without a lag.
    #[test]
    fn higher_averages_follow_a_line() {
        let line: Vec<f64> = (0..400).map(f64::from).collect();
        for kind in [
            IndicatorKind::DoubleExponentialMovingAverage(Warmup::Simple),
            IndicatorKind::TripleExponentialMovingAverage(Warmup::Exponential),
        ] {
            let results = run(kind, 10, &line);
            close(&results[results.len() - 1..], &[399.0]);
        }
        let lagging = run(IndicatorKind::ExponentialMovingAverage(Warmup::Simple), 10, &line);
        close(&lagging[lagging.len() - 1..], &[399.0 - 4.5]);
    }

    #[test]
    fn so_many_results_are_held_back() {
        let values = rising_and_falling(30);
        let left_out = |kind: IndicatorKind| values.len() - run(kind, 5, &values).len();
        for (kind, expected) in [
            (IndicatorKind::ExponentialMovingAverage(Warmup::Simple), 4),
            (IndicatorKind::DoubleExponentialMovingAverage(Warmup::Exponential), 4),
            (IndicatorKind::DoubleExponentialMovingAverage(Warmup::Simple), 8),
            (IndicatorKind::TripleExponentialMovingAverage(Warmup::Simple), 12),
            (IndicatorKind::TripleExponentialDerivative(Warmup::Simple), 13),
            (IndicatorKind::TripleExponentialDerivative(Warmup::Exponential), 5),
            (IndicatorKind::RelativeStrengthIndex(Warmup::Simple), 5),
            (IndicatorKind::KaufmansEfficiencyRatio, 5),
            (IndicatorKind::KaufmansAdaptiveMovingAverage, 5),
            (IndicatorKind::ChandeMomentumOscillator(None), 4),
            (IndicatorKind::ChandeMomentumOscillator(Some(Warmup::Simple)), 5),
        ] {
            assert_eq!(left_out(kind), expected, "{kind:?}");
        }
        let none = Indicator { kind: IndicatorKind::KaufmansEfficiencyRatio, period: 5, hold: Some(0) };
        assert_eq!(none.run(values.iter().copied()).into_iter().flatten().count(), values.len());
    }

    #[test]
    fn momentum_is_100_uphill_and_minus_100_downhill() {
        let values = rising_and_falling(20);
        let plain = run(IndicatorKind::ChandeMomentumOscillator(None), 10, &values);
        close(&[plain[0], plain[plain.len() - 1]], &[100.0, -100.0]);
        let rising: Vec<f64> = (1..=20).map(f64::from).collect();
        close(&run(IndicatorKind::ChandeMomentumOscillator(Some(Warmup::Simple)), 10, &rising), &[100.0; 10]);
        close(&run(IndicatorKind::RelativeStrengthIndex(Warmup::Simple), 10, &rising), &[100.0; 10]);
    }

    #[test]
    fn efficiency_is_the_way_over_the_detours() {
        let ratio = |values: &[f64]| run(IndicatorKind::KaufmansEfficiencyRatio, 4, values);
        close(&ratio(&[1.0, 2.0, 3.0, 4.0, 5.0]), &[1.0]);
        close(&ratio(&[1.0, 3.0, 2.0, 4.0, 3.0]), &[2.0 / 6.0]);
        close(&ratio(&[1.0, 1.0, 1.0, 1.0, 1.0]), &[0.0]);
    }

    /// The whole way counts at once where nothing turned: the fastest weight is 2/3, squared.
    #[test]
    fn an_adaptive_average_is_fast_on_a_straight_way() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        let fastest = (2.0_f64 / 3.0).powi(2);
        close(&run(IndicatorKind::KaufmansAdaptiveMovingAverage, 4, &values), &[4.0 + fastest]);
    }

    #[test]
    fn the_rate_of_a_triple_average_is_in_percent() {
        let grows: Vec<f64> = (0..60).map(|power| 1.1_f64.powi(power)).collect();
        let rates = run(IndicatorKind::TripleExponentialDerivative(Warmup::Exponential), 3, &grows);
        close(&rates[rates.len() - 1..], &[10.0]);
    }
}

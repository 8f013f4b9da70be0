//! Random PromQL over random samples, repeatable by its seed.
//!
//! Samples lie 234 ms behind a whole second, steps of subqueries on whole seconds, and all times of queries half a
//! second behind one, so that no sample lies on the border of a range: there Debian's Prometheus, version 2.42, has
//! another rule than version 3. Nor is asked what is wrong in it or has been changed since: dates of NaN, the variance
//! of one NaN, the name of the metric behind `atan2` with a number, `predict_linear` and `timestamp` of a time by `@`
//! at several steps, `rate` of what has gaps and comes close to zero.

use std::fmt::Write as _;

use promql::{Labels, STALE_NAN, SampleSeries};

/// 2023-11-14T22:15:00Z and 234 ms.
pub(crate) const START_MS: i64 = 1_700_000_100_234;

/// From one sample to the next.
const STEP_MS: i64 = 15_000;

/// Samples of a series: less than an hour, which Prometheus takes in any order of series.
const SAMPLES: usize = 200;

/// A generator of numbers (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Between 0 and 1.
    fn share(&mut self) -> f64 {
        self.next() as f64 / (1_u64 << 53) as f64
    }

    fn pick<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

/// Counters with resets, gauges with gaps, NaN, infinities and ends, histograms, and series that describe others.
pub(crate) fn samples(random: &mut Random) -> Vec<SampleSeries> {
    let mut all = Vec::new();
    for job in ["a", "b"] {
        for instance in ["1", "2", "3"] {
            let labels = [("job", job), ("inst", instance)];
            all.push(counter(random, &[&[("__name__", "c_total")], &labels[..]].concat()));
            let zone = if instance == "3" { "" } else { job };
            all.push(gauge(random, &[&[("__name__", "g"), ("zone", zone)], &labels[..]].concat()));
        }
        let mut below = vec![0.0; SAMPLES];
        for bound in ["0.1", "0.5", "1", "+Inf"] {
            let more = counter(random, &[("__name__", "h_bucket"), ("job", job), ("le", bound)]);
            let add = |(low, value): (&f64, f64)| low + value;
            let values: Vec<f64> = below.iter().zip(more.values).map(add).collect();
            below.clone_from(&values);
            all.push(SampleSeries { values, ..more });
        }
        all.push(series(&[("__name__", "info"), ("job", job), ("ver", if job == "a" { "1.2" } else { "2" })], |_| {
            Some(1.0)
        }));
    }
    all
}

fn series(labels: &[(&str, &str)], mut value: impl FnMut(usize) -> Option<f64>) -> SampleSeries {
    let labels = Labels::new(labels.iter().copied());
    let sample = |place: usize| Some((START_MS + place as i64 * STEP_MS, value(place)?));
    let (times, values) = (0..SAMPLES).filter_map(sample).unzip();
    SampleSeries { labels, times, values }
}

fn counter(random: &mut Random, labels: &[(&str, &str)]) -> SampleSeries {
    // So large that no extrapolation reaches zero, about which the versions of Prometheus differ.
    let mut count = 5_000.0;
    let resets = !labels.contains(&("__name__", "h_bucket"));
    series(labels, |_| {
        count += random.below(20) as f64;
        if resets && random.below(60) == 0 {
            count = 3_000.0 + random.below(100) as f64;
        }
        Some(count)
    })
}

fn gauge(random: &mut Random, labels: &[(&str, &str)]) -> SampleSeries {
    let ends_at = if random.below(2) == 0 { SAMPLES } else { SAMPLES / 2 + random.below(SAMPLES / 4) };
    let begins_at = if random.below(3) == 0 { ends_at + 20 } else { SAMPLES };
    series(labels, |place| match place {
        _ if place == ends_at => Some(STALE_NAN),
        _ if place > ends_at && place < begins_at => None,
        _ => match random.below(80) {
            0..8 => None,
            8 => Some(f64::NAN),
            9 => Some(f64::INFINITY),
            _ => Some((random.share() - 0.3) * 1_000.0),
        },
    })
}

/// A vector.
pub(crate) fn vector(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return match random.below(4) {
            0 => over_time(random, 0),
            _ => selector(random),
        };
    }
    match random.below(12) {
        0 => selector(random),
        1 | 2 => over_time(random, depth - 1),
        3..6 => aggregation(random, depth - 1),
        6 | 7 => with_scalar(random, depth - 1),
        8 => matched(random),
        9 => {
            format!("({}) {} ({})", vector(random, depth - 1), random.pick(&["or", "unless", "and"]), vector(random, 0))
        }
        10 => element(random, depth - 1),
        _ => special(random, depth - 1),
    }
}

fn metric(random: &mut Random) -> String {
    let name = random.pick(&["c_total", "c_total", "g", "g", "g", "h_bucket", "info", "nothing"]);
    let matchers = ["", "", "", "{job=\"a\"}", "{inst!=\"2\"}", "{inst=~\"1|3\"}", "{job!~\"b.*\"}", "{zone=\"\"}"];
    format!("{name}{}", random.pick(&matchers))
}

fn time(random: &mut Random) -> String {
    match random.below(14) {
        0 => format!(" offset {}s", 1 + random.below(400)),
        1 => " offset -2m".to_owned(),
        2 => format!(" @ {}.5", START_MS / 1000 + random.below(3_000) as i64),
        3 => random.pick(&[" @ end()", " @ start()", " @ end() offset 3m"]).to_owned(),
        _ => String::new(),
    }
}

fn selector(random: &mut Random) -> String {
    format!("{}{}", metric(random), time(random))
}

fn range(random: &mut Random, depth: usize) -> String {
    if depth > 0 && random.below(3) == 0 {
        let step = random.pick(&["7s", "30s", "1m", ""]);
        return format!(
            "({})[{}:{step}]{}",
            // One within another would have whole seconds as borders.
            vector(random, 0),
            random.pick(&["1m", "5m", "13m"]),
            time(random)
        );
    }
    format!("{}[{}]{}", metric(random), random.pick(&["16s", "1m", "2m", "5m", "17m"]), time(random))
}

fn over_time(random: &mut Random, depth: usize) -> String {
    let functions = [
        "rate",
        "increase",
        "irate",
        "delta",
        "idelta",
        "deriv",
        "resets",
        "changes",
        "avg_over_time",
        "min_over_time",
        "max_over_time",
        "sum_over_time",
        "count_over_time",
        "stddev_over_time",
        "stdvar_over_time",
        "last_over_time",
        "present_over_time",
        "absent_over_time",
        "quantile_over_time",
        "predict_linear",
        "holt_winters",
    ];
    let range = range(random, depth);
    match random.pick(&functions) {
        "quantile_over_time" => format!("quantile_over_time({}, {range})", random.pick(&["0.3", "0.9", "1", "-1"])),
        "predict_linear" => {
            format!("predict_linear({}[3m], {})", random.pick(&["c_total", "g"]), random.pick(&["60", "-100", "3600"]))
        }
        "holt_winters" => format!("holt_winters({range}, 0.4, 0.2)"),
        function @ ("rate" | "increase") => {
            let metric = random.pick(&["c_total", "h_bucket", "c_total{job=\"a\"}"]);
            format!("{function}({metric}[{}]{})", random.pick(&["16s", "1m", "5m", "17m"]), time(random))
        }
        function => format!("{function}({range})"),
    }
}

fn aggregation(random: &mut Random, depth: usize) -> String {
    let grouping = random.pick(&["", " by (job)", " by (inst, none)", " without (inst)", " without (job, le)"]);
    match random.pick(&[
        "sum",
        "avg",
        "min",
        "max",
        "count",
        "group",
        "stddev",
        "stdvar",
        "quantile",
        "topk",
        "count_values",
    ]) {
        "quantile" => format!("quantile{grouping} ({}, {})", random.pick(&["0.5", "0.99", "2"]), vector(random, depth)),
        // Of equal values either may be the first.
        "topk" => format!("{}{grouping} ({}, g)", random.pick(&["topk", "bottomk"]), 1 + random.below(4)),
        "count_values" => format!("count_values{grouping} (\"v\", round(c_total, 100))"),
        function @ ("stddev" | "stdvar") => format!("{function}{grouping} (c_total)"),
        function => format!("{function}{grouping} ({})", vector(random, depth)),
    }
}

fn with_scalar(random: &mut Random, depth: usize) -> String {
    let scalar = match random.below(4) {
        0 => "scalar(info{job=\"a\"})".to_owned(),
        1 => "time() / 1e7".to_owned(),
        _ => random.pick(&["0", "2", "-3.5", "100", "1e3", "NaN"]).to_owned(),
    };
    let operator = random.pick(&["+", "-", "*", "/", "%", "^", ">", "<", ">=", "==", "!=", "> bool", "<= bool"]);
    match random.below(2) {
        0 => format!("({}) {operator} {scalar}", vector(random, depth)),
        _ => format!("{scalar} {operator} ({})", vector(random, depth)),
    }
}

/// Two vectors, some of which do not match one to one.
fn matched(random: &mut Random) -> String {
    let operator = random.pick(&["+", "-", "*", "/", ">", "<=", "!=", "> bool", "%"]);
    let pairs = [
        ("g", "c_total", ""),
        ("g", "c_total", "ignoring (zone)"),
        ("g", "info", "on (job) group_left"),
        ("c_total", "info", "on (job) group_left (ver)"),
        ("info", "rate(c_total[2m])", "on (job) group_right"),
        ("info", "g", "on (job) group_right (ver)"),
        ("sum by (job) (g)", "sum by (job) (c_total)", ""),
        ("g", "sum by (job) (g)", "on (job) group_left ()"),
        ("g", "g offset 1m", ""),
        ("g", "info", "on (job)"),
        ("info", "g", "on (job)"),
        ("g", "c_total", "on (inst) group_left"),
        ("h_bucket", "ignoring_le", "ignoring (le) group_left"),
        ("sum by (inst) (g)", "count by (inst) (g)", "ignoring (none)"),
    ];
    let (left, right, matching) = pairs[random.below(pairs.len())];
    let right = if right == "ignoring_le" { "h_bucket{le=\"+Inf\"}" } else { right };
    format!("{left} {operator} {matching} {right}")
}

fn element(random: &mut Random, depth: usize) -> String {
    let inner = vector(random, depth);
    match random.below(6) {
        0 => format!("round({inner}, {})", random.pick(&["1", "0.5", "10"])),
        1 => format!("clamp({inner}, -10, {})", random.pick(&["100", "-20"])),
        2 => format!("{}({inner}, 3)", random.pick(&["clamp_min", "clamp_max"])),
        3 => format!("-({inner})"),
        4 => format!(
            "{}({} * 3e5)",
            random.pick(&["month", "day_of_week", "hour", "minute", "days_in_month", "year", "day_of_year"]),
            random.pick(&["c_total", "h_bucket", "rate(c_total[2m])"])
        ),
        _ => {
            let functions =
                ["abs", "ceil", "floor", "sgn", "sqrt", "ln", "log2", "log10", "atan", "cos", "deg", "rad", "sinh"];
            format!("{}({inner})", random.pick(&functions))
        }
    }
}

fn special(random: &mut Random, depth: usize) -> String {
    let mut text = String::new();
    let _ = match random.below(9) {
        0 => write!(text, "histogram_quantile({}, h_bucket)", random.pick(&["0.5", "0.99", "-1", "0", "1"])),
        1 => write!(text, "histogram_quantile(0.7, sum by (le) (rate(h_bucket[{}])))", random.pick(&["1m", "5m"])),
        2 => write!(text, "label_replace({}, \"x\", \"<$1>\", \"job\", \"(.*)\")", vector(random, depth)),
        3 => write!(text, "label_replace({}, \"job\", \"all\", \"job\", \".*\")", vector(random, 0)),
        4 => write!(text, "label_join({}, \"x\", \"-\", \"job\", \"inst\")", vector(random, depth)),
        5 => write!(text, "absent({})", vector(random, depth)),
        6 => write!(text, "timestamp({})", metric(random)),
        7 => write!(text, "vector(scalar({}))", aggregation(random, 0)),
        _ => write!(text, "sort({})", vector(random, depth)),
    };
    text
}

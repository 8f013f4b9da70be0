//! Runs the text files of `tests/golden`: samples, queries, and what they answer.
//!
//! ```text
//! load 1m                             one sample a minute from 1970 on
//!   m{a="b"} 0+10x4 _ stale 7 NaN     start + step x count; a gap; the end of a series; numbers
//!
//! eval instant 5m m                   at a time
//!   m{a="b"} 40
//! eval range 0 10m 5m m               from, to, step; `_` where there is no sample
//!   m{a="b"} 0 _ 7
//! fail instant 0 m +                  part of the message
//!   unexpected end of input
//! ```
//!
//! The order of an instant answer counts behind `ordered`. A `load` adds to those before it; `clear` ends them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;

use promql::{
    Answer, Labels, Limits, Matcher, Query, STALE_NAN, SampleSeries, TimeRange, parse_duration_ms, parse_selector,
};

fn duration(text: &str) -> i64 {
    if text == "0" { 0 } else { parse_duration_ms(text).unwrap_or_else(|| panic!("no duration: {text}")) }
}

/// The labels of a line and the rest of it.
fn labels(line: &str) -> (Labels, &str) {
    let line = line.trim();
    let end = match (line.find('{'), line.find(' ')) {
        (Some(brace), space) if space.is_none_or(|space| brace < space) => line.find('}').unwrap() + 1,
        (_, space) => space.unwrap_or(line.len()),
    };
    let (series, rest) = line.split_at(end);
    if series == "{}" {
        return (Labels::default(), rest);
    }
    let matchers = parse_selector(series, &Limits::default()).unwrap_or_else(|error| panic!("{series}: {error}"));
    (Labels::new(matchers.into_iter().map(|Matcher { name, value, .. }| (name, value))), rest)
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// The values of a series; none where there is a gap.
fn values(text: &str) -> Vec<Option<f64>> {
    let mut values = Vec::new();
    for word in text.split_whitespace() {
        match (word, word.split_once('x')) {
            ("_", _) => values.push(None),
            ("stale", _) => values.push(Some(STALE_NAN)),
            (_, Some((progression, count))) => {
                let count: usize = count.parse().unwrap();
                let sign = progression[1..].find(['+', '-']).map_or(progression.len(), |place| place + 1);
                let (start, step) = progression.split_at(sign);
                let step = if step.is_empty() { 0.0 } else { number(step) };
                let gap = start == "_";
                let start = if gap { 0.0 } else { number(start) };
                values.extend((0..=count).map(|place| (!gap).then_some(start + step * place as f64)));
            }
            _ => values.push(Some(number(word))),
        }
    }
    values
}

fn select(data: &[SampleSeries], query: &Query) -> Vec<Vec<SampleSeries>> {
    let wanted = |selection: &promql::Selection| {
        let fits = |series: &&SampleSeries| {
            selection.matchers.iter().all(|matcher| matcher.matches(series.labels.get(&matcher.name)))
        };
        let within = |series: &SampleSeries| {
            let from = series.times.partition_point(|time| *time < selection.start_ms);
            let to = series.times.partition_point(|time| *time <= selection.end_ms).max(from);
            let (times, values) = (series.times[from..to].to_vec(), series.values[from..to].to_vec());
            SampleSeries { labels: series.labels.clone(), times, values }
        };
        let mut series: Vec<SampleSeries> = data.iter().filter(fits).map(within).collect();
        series.sort_by(|left, right| left.labels.cmp(&right.labels));
        series
    };
    query.selections().iter().map(wanted).collect()
}

/// One case: the words of its head, the query, and the lines of its answer.
struct Case<'a> {
    head: &'a str,
    lines: Vec<&'a str>,
    is_range: bool,
    fails: bool,
    is_ordered: bool,
    query: Result<Query, String>,
    times: Vec<i64>,
}

impl<'a> Case<'a> {
    fn of(head: &'a str, lines: Vec<&'a str>) -> Self {
        let (verb, rest) = head.split_once(' ').unwrap();
        let (kind, rest) = rest.split_once(' ').unwrap();
        let is_range = kind == "range";
        let mut words = rest.splitn(if is_range { 4 } else { 2 }, ' ');
        let mut next = || duration(words.next().unwrap());
        let start_ms = next();
        let (query, times) = if is_range {
            let (end_ms, step_ms) = (next(), next());
            let times = (start_ms..=end_ms).step_by(step_ms as usize).collect();
            (Query::range(words.next().unwrap(), TimeRange { start_ms, end_ms, step_ms }, Limits::default()), times)
        } else {
            (Query::instant(words.next().unwrap(), start_ms, Limits::default()), vec![start_ms])
        };
        let query = query.map_err(|error| error.to_string());
        Self { head, lines, is_range, fails: verb == "fail", is_ordered: verb == "ordered", query, times }
    }

    fn check(&self, data: &[SampleSeries]) {
        let answer = self
            .query
            .clone()
            .and_then(|query| query.evaluate(&select(data, &query), &|| false).map_err(|error| error.to_string()));
        if self.fails {
            let message = answer.expect_err(self.head);
            let part = self.lines.first().unwrap().trim();
            assert!(message.contains(part), "{}: {message}", self.head);
            return;
        }
        let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", self.head));
        let mut found = self.rows(answer);
        let expected = |line: &&str| {
            let (labels, rest) = labels(line);
            let mut values: Vec<Option<f64>> = values(rest);
            assert!(values.len() <= self.times.len().max(1) || !self.is_range, "{}: too many values", self.head);
            values.resize(self.times.len(), None);
            (labels, values)
        };
        let mut expected: Vec<_> = self.lines.iter().map(expected).collect();
        if !self.is_ordered {
            found.sort_by(|left, right| left.0.cmp(&right.0));
            expected.sort_by(|left, right| left.0.cmp(&right.0));
        }
        let is_same = found.len() == expected.len()
            && found.iter().zip(&expected).all(|(left, right)| left.0 == right.0 && same_values(&left.1, &right.1));
        assert!(is_same, "{}\nfound {found:#?}\nexpected {expected:#?}", self.head);
    }

    /// The answer as series with a value for each time.
    fn rows(&self, answer: Answer) -> Vec<(Labels, Vec<Option<f64>>)> {
        match answer {
            Answer::Scalar(_, value) => vec![(Labels::default(), vec![Some(value)])],
            Answer::Vector(_, samples) => {
                samples.into_iter().map(|(labels, value)| (labels, vec![Some(value)])).collect()
            }
            Answer::Matrix(series) => series.into_iter().map(|series| self.row(series)).collect(),
            Answer::String(_, text) => vec![(Labels::new([("text", text.as_str())]), vec![None])],
        }
    }

    fn row(&self, series: SampleSeries) -> (Labels, Vec<Option<f64>>) {
        if !self.is_range {
            // The samples of a range are only counted by their values.
            return (series.labels, series.values.into_iter().map(Some).collect());
        }
        let value = |time: &i64| series.times.binary_search(time).ok().map(|place| series.values[place]);
        (series.labels.clone(), self.times.iter().map(value).collect())
    }
}

fn same_values(left: &[Option<f64>], right: &[Option<f64>]) -> bool {
    let same = |pair: (&Option<f64>, &Option<f64>)| match pair {
        (Some(left), Some(right)) if left.is_nan() || right.is_nan() => left.is_nan() && right.is_nan(),
        (Some(left), Some(right)) => left == right || (left - right).abs() <= 1e-9 * right.abs().max(1e-3),
        (left, right) => left == right,
    };
    left.len() == right.len() && left.iter().zip(right).all(same)
}

fn run(text: &str) -> usize {
    let mut data: Vec<SampleSeries> = Vec::new();
    let mut cases = 0;
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with('#')).peekable();
    while let Some(head) = lines.next() {
        let mut body = Vec::new();
        while let Some(line) = lines.next_if(|line| line.starts_with(' ')) {
            body.push(line);
        }
        match head.split_once(' ') {
            None if head.is_empty() => {}
            None if head == "clear" => data.clear(),
            Some(("load", step)) => {
                let step = duration(step.trim());
                for line in body {
                    let (labels, rest) = labels(line);
                    let present =
                        values(rest).into_iter().enumerate().filter_map(|(place, value)| Some((place, value?)));
                    let (times, values) = present.map(|(place, value)| (place as i64 * step, value)).unzip();
                    data.push(SampleSeries { labels, times, values });
                }
            }
            Some(("eval" | "fail" | "ordered", _)) => {
                Case::of(head, body).check(&data);
                cases += 1;
            }
            _ => panic!("unknown line: {head}"),
        }
    }
    cases
}

#[test]
fn golden_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        cases += run(&std::fs::read_to_string(&path).unwrap());
    }
    assert!(cases >= 150, "{cases} cases");
}

#[test]
fn the_deepest_trees_fit_on_a_stack() {
    let data = [SampleSeries { labels: Labels::new([("__name__", "m")]), times: vec![0], values: vec![1.0] }];
    let chain = vec!["m"; 399].join("+");
    let nested = format!("{}m{}", "abs(-(".repeat(32), "))".repeat(32));
    let subqueries = format!("{}m{}", "max_over_time(".repeat(95), "[1m:1s])".repeat(95));
    for (text, expected) in [(chain, Some(399.0)), (nested, Some(1.0)), (subqueries, Some(1.0))] {
        let query = Query::instant(&text, 0, Limits::default()).unwrap();
        let answer = query.evaluate(&select(&data, &query), &|| false).unwrap();
        let Answer::Vector(_, samples) = answer else { panic!("{answer:?}") };
        assert_eq!(samples.first().map(|(_, value)| *value), expected);
    }
}

#[test]
fn what_is_too_much_or_canceled() {
    let series = |place: usize| {
        let labels = Labels::new([("__name__".to_owned(), "m".to_owned()), ("n".to_owned(), place.to_string())]);
        SampleSeries { labels, times: (0..1000).collect(), values: vec![1.0; 1000] }
    };
    let data: Vec<SampleSeries> = (0..100).map(series).collect();
    let range = TimeRange { start_ms: 0, end_ms: 999, step_ms: 1 };
    let evaluate = |text: &str, values: usize, is_canceled: bool| {
        let limits = Limits { values, ..Limits::default() };
        let query = Query::range(text, range, limits).unwrap();
        query.evaluate(&select(&data, &query), &|| is_canceled).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(evaluate("sum(m)", 1_000_000, false), Ok(()));
    assert_eq!(evaluate("sum(m) + sum(m) + sum(m)", 1_000_000, false), Ok(()), "what has been used does not count");
    for text in ["m", "m + m", "sum(m)", "count_over_time(m[1s])"] {
        assert!(evaluate(text, 50_000, false).unwrap_err().contains("too many samples"), "{text}");
        assert!(evaluate(text, 1_000_000, true).unwrap_err().contains("canceled"), "{text}");
    }
    let wide = Query::instant("max_over_time(m[10000d:1s])", 0, Limits::default()).unwrap();
    let error = wide.evaluate(&select(&data, &wide), &|| false).unwrap_err().to_string();
    assert!(error.contains("a subquery has more than 3000000 steps"), "{error}");
}

//! What the Time Series Benchmark Suite asks of its `cpu-only` data: ten kinds of questions, with hosts and times drawn
//! anew by a seed. A [`Question`] is plain data; a [`QueryLanguage`] makes a request of it and reads the answer back.

pub(crate) mod duckdb;
pub(crate) mod flux;
pub(crate) mod influxql;

use crate::cpu_data::DataOptions;
use crate::http_connection::Call;
use crate::random::Random;
use crate::servers::Server;

const HOUR_S: u64 = 3_600;

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kind {
    /// The suite's name of it.
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// How many fields are asked for, from the first one.
    pub(crate) fields: usize,
    /// Hosts that are drawn; all of them if 0.
    pub(crate) hosts: usize,
    /// Length of the time range; all times if 0.
    pub(crate) hours: u64,
    /// The median that is wanted of InfluxQL, in milliseconds.
    pub(crate) target_ms: f64,
}

/// What is made of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The maxima of windows of so many seconds, over all hosts together.
    Maxima { window_s: u64 },
    /// The means of each host and hour.
    Means,
    /// Whole rows whose first field is above 90.
    High,
    /// The last row of each host.
    Last,
    /// The maxima of the last five minutes before the end.
    LastMinutes,
}

const fn kind(name: &'static str, shape: Shape, fields: usize, hosts: usize, hours: u64, target_ms: f64) -> Kind {
    Kind { name, shape, fields, hosts, hours, target_ms }
}

const MINUTE: Shape = Shape::Maxima { window_s: 60 };

/// All kinds.
pub(crate) const KINDS: [Kind; 10] = [
    kind("single-groupby-1-1-1", MINUTE, 1, 1, 1, 1.0),
    kind("single-groupby-5-8-1", MINUTE, 5, 8, 1, 2.0),
    kind("single-groupby-5-1-12", MINUTE, 5, 1, 12, 4.0),
    kind("cpu-max-all-8", Shape::Maxima { window_s: HOUR_S }, 10, 8, 8, 6.0),
    kind("double-groupby-1", Shape::Means, 1, 0, 12, 15.0),
    kind("double-groupby-all", Shape::Means, 10, 0, 12, 70.0),
    kind("high-cpu-1", Shape::High, 10, 1, 12, 8.0),
    kind("high-cpu-all", Shape::High, 10, 0, 12, 300.0),
    kind("lastpoint", Shape::Last, 10, 0, 0, 4.0),
    kind("groupby-orderby-limit", Shape::LastMinutes, 1, 0, 0, 20.0),
];

/// A question.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Question {
    pub(crate) kind: Kind,
    /// The numbers of the hosts; all hosts if there are none.
    pub(crate) hosts: Vec<usize>,
    /// The first second that counts; none if there is no lower bound.
    pub(crate) start_s: Option<u64>,
    /// The first second that does not count any more; none if there is no upper bound.
    pub(crate) end_s: Option<u64>,
}

/// A row of an answer, in a form that answers in all languages can be brought to.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) struct Row {
    /// The host, where the question keeps hosts apart; otherwise empty.
    pub(crate) host: String,
    pub(crate) time_s: i64,
    /// The fields that are asked for, in their order.
    pub(crate) values: Vec<f64>,
}

/// A language in which questions are put.
pub(crate) trait QueryLanguage {
    /// Its name.
    fn name(&self) -> &'static str;

    /// The text of a query.
    fn text(&self, question: &Question) -> String;

    /// The median that is wanted, in milliseconds.
    fn target_ms(&self, kind: Kind) -> f64;

    /// The request for a query; none if the server does not speak the language.
    fn call(&self, server: &dyn Server, question: &Question) -> Option<Call>;

    /// The rows of an answer in any order, without those that have no value; none if it is not one.
    fn rows(&self, question: &Question, answer: &[u8]) -> Option<Vec<Row>>;
}

/// Draws questions of one kind.
pub(crate) fn draw(kind: Kind, data: &DataOptions, random: &mut Random, count: usize) -> Vec<Question> {
    let span_s = data.end_s() - data.start_s();
    let one = |random: &mut Random| {
        let mut hosts: Vec<usize> = Vec::new();
        let most = kind.hosts.min(data.hosts as usize);
        while hosts.len() < most {
            let host = random.below(data.hosts as usize);
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        let (start_s, end_s) = match kind.shape {
            Shape::Last => (None, None),
            Shape::LastMinutes => {
                let least = (2 * HOUR_S).min(span_s / 2);
                (None, Some(data.start_s() + least + random.below((span_s - least).max(1) as usize) as u64))
            }
            _ => {
                let length = (kind.hours * HOUR_S).min(span_s);
                let start = data.start_s() + random.below((span_s - length).max(1) as usize) as u64;
                (Some(start), Some(start + length))
            }
        };
        Question { kind, hosts, start_s, end_s }
    };
    (0..count).map(|_| one(random)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_stay_within_the_data_and_differ() {
        let data = DataOptions { hosts: 400, interval: 10, hours: 24, rows_per_host: None, seed: 1 };
        for kind in KINDS {
            let questions = draw(kind, &data, &mut Random::new(7), 20);
            for question in &questions {
                assert_eq!(question.hosts.len(), kind.hosts, "{}", kind.name);
                assert!(question.hosts.iter().all(|host| *host < 400));
                assert!(question.start_s.is_none_or(|start| start >= data.start_s()));
                assert!(question.end_s.is_none_or(|end| end <= data.end_s()));
            }
            let is_varied = questions.iter().any(|question| *question != questions[0]);
            assert_eq!(is_varied, kind.shape != Shape::Last, "{}", kind.name);
        }
    }

    #[test]
    fn data_shorter_than_a_range_is_asked_for_whole() {
        let data = DataOptions { hosts: 2, interval: 10, hours: 1, rows_per_host: None, seed: 1 };
        for kind in KINDS {
            for question in draw(kind, &data, &mut Random::new(7), 5) {
                assert_eq!(question.hosts.len(), kind.hosts.min(2));
                assert!(question.end_s.is_none_or(|end| end <= data.end_s()));
            }
        }
    }
}

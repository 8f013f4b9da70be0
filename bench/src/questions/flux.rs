//! The questions in Flux over `/api/v2/query`: fields are turned into columns where a question wants whole rows, as
//! dashboards do.

use std::collections::BTreeMap;

use super::influxql::seconds;
use super::{Kind, QueryLanguage, Question, Row, Shape};
use crate::cpu_data::FIELDS;
use crate::http_connection::Call;
use crate::servers::Server;

/// Flux.
pub(crate) struct Flux;

const PIVOT: &str = r#" |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")"#;

/// `from |> range |> filter`.
fn source(question: &Question) -> String {
    let any = |name: &str, values: Vec<String>| {
        let each: Vec<String> = values.iter().map(|value| format!("r.{name} == \"{value}\"")).collect();
        format!("({})", each.join(" or "))
    };
    let mut conditions = vec![r#"r._measurement == "cpu""#.to_owned()];
    if question.kind.fields < FIELDS.len() {
        let fields = FIELDS.iter().take(question.kind.fields).map(|field| (*field).to_owned());
        conditions.push(any("_field", fields.collect()));
    }
    if !question.hosts.is_empty() {
        conditions.push(any("hostname", question.hosts.iter().map(|host| format!("host_{host}")).collect()));
    }
    let stop = question.end_s.map_or(String::new(), |end| format!(", stop: {end}"));
    format!(
        "from(bucket: \"b\") |> range(start: {}{stop}) |> filter(fn: (r) => {})",
        question.start_s.unwrap_or_default(),
        conditions.join(" and ")
    )
}

/// `aggregateWindow` with the starts of the windows for their times.
fn windows(every_s: u64, function: &str) -> String {
    format!(" |> aggregateWindow(every: {every_s}s, fn: {function}, timeSrc: \"_start\", createEmpty: false)")
}

/// The seconds of the windows of a question, whose first one begins where the range does.
fn window_s(question: &Question) -> i64 {
    match question.kind.shape {
        Shape::Maxima { window_s } => window_s as i64,
        Shape::Means => 3_600,
        Shape::LastMinutes => 60,
        Shape::High | Shape::Last => 1,
    }
}

impl QueryLanguage for Flux {
    fn name(&self) -> &'static str {
        "Flux"
    }

    fn text(&self, question: &Question) -> String {
        let tail = match question.kind.shape {
            Shape::Maxima { window_s } => {
                format!(r#" |> group(columns: ["_field"]){}{PIVOT}"#, windows(window_s, "max"))
            }
            Shape::Means => format!(r#" |> group(columns: ["hostname", "_field"]){}{PIVOT}"#, windows(3_600, "mean")),
            Shape::High => format!("{PIVOT} |> filter(fn: (r) => r.{} > 90)", FIELDS[0]),
            Shape::Last => format!(" |> last(){PIVOT}"),
            Shape::LastMinutes => {
                format!(r#" |> group(){} |> sort(columns: ["_time"], desc: true) |> limit(n: 5)"#, windows(60, "max"))
            }
        };
        source(question) + &tail
    }

    /// Half as much again as of InfluxQL.
    fn target_ms(&self, kind: Kind) -> f64 {
        kind.target_ms * 1.5
    }

    fn call(&self, server: &dyn Server, question: &Question) -> Option<Call> {
        server.flux(&self.text(question))
    }

    fn rows(&self, question: &Question, answer: &[u8]) -> Option<Vec<Row>> {
        let text = std::str::from_utf8(answer).ok()?;
        let fields: Vec<&str> = FIELDS.iter().take(question.kind.fields).copied().collect();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rows = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let cells: Vec<&str> = line.split(',').collect();
            if cells.get(1) == Some(&"error") {
                return None;
            }
            if cells.get(1) == Some(&"result") {
                places = cells.iter().enumerate().map(|(place, label)| (*label, place)).collect();
                continue;
            }
            let cell = |label: &str| cells.get(*places.get(label)?).copied();
            let value = |field: &&str| cell(field).or_else(|| cell("_value"))?.parse::<f64>().ok();
            let values = fields.iter().map(value).collect::<Option<Vec<f64>>>()?;
            let time_s = seconds(cell("_time")?)?;
            let keeps_hosts = !matches!(question.kind.shape, Shape::Maxima { .. } | Shape::LastMinutes);
            let host = cell("hostname").filter(|_| keeps_hosts).unwrap_or_default();
            let time_s = time_s - time_s.rem_euclid(window_s(question));
            rows.push(Row { host: host.to_owned(), time_s, values });
        }
        Some(rows)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::super::KINDS;
    use super::*;

    fn question(name: &str) -> Question {
        let kind = *KINDS.iter().find(|kind| kind.name == name).unwrap();
        let hosts = (0..kind.hosts).map(|host| host + 3).collect();
        Question { kind, hosts, start_s: Some(10), end_s: Some(20) }
    }

    #[test]
    fn texts_ask_what_the_suite_asks() {
        let check = |name: &str, expected: &str| assert_eq!(Flux.text(&question(name)), expected);
        check(
            "single-groupby-1-1-1",
            "from(bucket: \"b\") |> range(start: 10, stop: 20) |> filter(fn: (r) => r._measurement == \"cpu\" and \
             (r._field == \"usage_user\") and (r.hostname == \"host_3\")) |> group(columns: [\"_field\"]) |> \
             aggregateWindow(every: 60s, fn: max, timeSrc: \"_start\", createEmpty: false) |> pivot(rowKey: \
             [\"_time\"], columnKey: [\"_field\"], valueColumn: \"_value\")",
        );
        check(
            "high-cpu-all",
            "from(bucket: \"b\") |> range(start: 10, stop: 20) |> filter(fn: (r) => r._measurement == \"cpu\") |> \
             pivot(rowKey: [\"_time\"], columnKey: [\"_field\"], valueColumn: \"_value\") |> filter(fn: (r) => \
             r.usage_user > 90)",
        );
        let last = Question { start_s: None, end_s: None, ..question("lastpoint") };
        assert!(
            Flux.text(&last).contains("|> range(start: 0) |> filter(fn: (r) => r._measurement == \"cpu\") |> last()")
        );
    }

    #[test]
    fn answers_become_rows() {
        let answer = ",result,table,_start,_time,hostname,usage_user\r\n,_result,0,2016-01-01T00:00:05Z,\
                      2016-01-01T01:00:00Z,host_1,4.5\r\n\r\n,result,table,_time,_value\r\n,_result,1,\
                      2016-01-01T01:00:07Z,3\r\n\r\n";
        let rows = Flux.rows(&question("double-groupby-1"), answer.as_bytes()).unwrap();
        let row = |host: &str, value: f64| Row { host: host.to_owned(), time_s: 1_451_610_000, values: vec![value] };
        assert_eq!(rows, [row("host_1", 4.5), row("", 3.0)]);
        assert_eq!(Flux.rows(&question("double-groupby-1"), b",error,reference\r\n,no,\r\n"), None);
    }
}

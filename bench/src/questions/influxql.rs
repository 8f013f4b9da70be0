//! The questions in InfluxQL over `/query`, in the forms that the suite itself uses.

use serde_json::Value;

use super::{Kind, QueryLanguage, Question, Row, Shape};
use crate::cpu_data::FIELDS;
use crate::http_connection::Call;
use crate::servers::Server;

/// InfluxQL.
pub(crate) struct InfluxQl;

fn functions(name: &str, question: &Question) -> String {
    let calls: Vec<String> = FIELDS.iter().take(question.kind.fields).map(|field| format!("{name}({field})")).collect();
    calls.join(", ")
}

fn conditions(question: &Question) -> Vec<String> {
    let mut conditions = Vec::new();
    if !question.hosts.is_empty() {
        let hosts: Vec<String> = question.hosts.iter().map(|host| format!("hostname = 'host_{host}'")).collect();
        conditions.push(format!("({})", hosts.join(" or ")));
    }
    conditions.extend(question.start_s.map(|start| format!("time >= {start}000000000")));
    conditions.extend(question.end_s.map(|end| format!("time < {end}000000000")));
    conditions
}

/// Seconds of a time in RFC 3339 with whole seconds in UTC.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    // Days since 1970 of the civil calendar, counted in years that begin in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    (text.get(19..) == Some("Z")).then_some(seconds)
}

impl QueryLanguage for InfluxQl {
    fn name(&self) -> &'static str {
        "InfluxQL"
    }

    fn text(&self, question: &Question) -> String {
        let mut conditions = conditions(question);
        let (columns, tail) = match question.kind.shape {
            Shape::Maxima { window_s } => (functions("max", question), format!(" GROUP BY time({window_s}s)")),
            Shape::Means => (functions("mean", question), " GROUP BY time(1h),hostname".to_owned()),
            Shape::High => {
                conditions.insert(0, format!("{} > 90.0", FIELDS[0]));
                ("*".to_owned(), String::new())
            }
            Shape::Last => ("*".to_owned(), r#" GROUP BY "hostname" ORDER BY time DESC LIMIT 1"#.to_owned()),
            Shape::LastMinutes => {
                (functions("max", question), " GROUP BY time(1m) ORDER BY time DESC LIMIT 5".to_owned())
            }
        };
        let keyword = if conditions.is_empty() { "" } else { " WHERE " };
        format!("SELECT {columns} FROM cpu{keyword}{}{tail}", conditions.join(" and "))
    }

    fn target_ms(&self, kind: Kind) -> f64 {
        kind.target_ms
    }

    fn call(&self, server: &dyn Server, question: &Question) -> Option<Call> {
        server.influxql(&self.text(question))
    }

    fn rows(&self, question: &Question, answer: &[u8]) -> Option<Vec<Row>> {
        let answer: Value = serde_json::from_slice(answer).ok()?;
        let result = answer.pointer("/results/0")?;
        if result.get("error").is_some() {
            return None;
        }
        let mut rows = Vec::new();
        for series in result.get("series").and_then(Value::as_array).into_iter().flatten() {
            let columns: Vec<&str> = series.get("columns")?.as_array()?.iter().filter_map(Value::as_str).collect();
            let place = |name: &str| columns.iter().position(|column| *column == name);
            // Functions stand in the order of the fields, whatever their columns are called.
            let is_row = matches!(question.kind.shape, Shape::High | Shape::Last);
            let fields = FIELDS.iter().take(question.kind.fields).enumerate();
            let places: Option<Vec<usize>> =
                fields.map(|(at, field)| if is_row { place(field) } else { Some(at + 1) }).collect();
            let (places, host_place) = (places?, place("hostname"));
            let host = series.pointer("/tags/hostname").and_then(Value::as_str).unwrap_or_default();
            for row in series.get("values")?.as_array()? {
                let values: Option<Vec<f64>> = places.iter().map(|place| row.get(place)?.as_f64()).collect();
                let Some(values) = values else { continue };
                let own = host_place.and_then(|place| row.get(place)?.as_str());
                let time_s = seconds(row.get(0)?.as_str()?)?;
                rows.push(Row { host: own.unwrap_or(host).to_owned(), time_s, values });
            }
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
    fn texts_are_those_of_the_suite() {
        let check = |name: &str, expected: &str| assert_eq!(InfluxQl.text(&question(name)), expected);
        check(
            "single-groupby-1-1-1",
            "SELECT max(usage_user) FROM cpu WHERE (hostname = 'host_3') and time >= 10000000000 and \
             time < 20000000000 GROUP BY time(60s)",
        );
        check(
            "double-groupby-1",
            "SELECT mean(usage_user) FROM cpu WHERE time >= 10000000000 and time < 20000000000 GROUP BY \
             time(1h),hostname",
        );
        check(
            "high-cpu-all",
            "SELECT * FROM cpu WHERE usage_user > 90.0 and time >= 10000000000 and time < 20000000000",
        );
        let last = Question { start_s: None, end_s: None, ..question("lastpoint") };
        assert_eq!(InfluxQl.text(&last), r#"SELECT * FROM cpu GROUP BY "hostname" ORDER BY time DESC LIMIT 1"#);
    }

    #[test]
    fn answers_become_rows() {
        let answer = r#"{"results":[{"statement_id":0,"series":[{"name":"cpu","tags":{"hostname":"host_1"},"columns":
            ["time","mean"],"values":[["2016-01-01T01:00:00Z",4.5],["2016-01-01T02:00:00Z",null]]}]}]}"#;
        let rows = InfluxQl.rows(&question("double-groupby-1"), answer.as_bytes()).unwrap();
        assert_eq!(rows, [Row { host: "host_1".to_owned(), time_s: 1_451_610_000, values: vec![4.5] }]);
        let failed = br#"{"results":[{"statement_id":0,"error":"no"}]}"#;
        assert_eq!(InfluxQl.rows(&question("double-groupby-1"), failed), None);
        assert_eq!(seconds("2024-02-29T23:59:59Z"), Some(1_709_251_199));
        assert_eq!(seconds("2024-02-29T23:59:59.5Z"), None);
    }
}

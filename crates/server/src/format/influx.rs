//! Answers to InfluxQL as InfluxDB 1.x writes them: JSON, JSON in chunks, or CSV.
//!
//! The text is made piece by piece as the client reads it, so an answer costs its rows and not its text besides.

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use query::influxql::{Series, Value, format_time};

use crate::routes::v1::StatementResult;

/// The unit of times that are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(i64);

impl Epoch {
    /// Of `epoch`; what InfluxDB does not know it takes for nanoseconds.
    pub(crate) fn from_unit(unit: &str) -> Self {
        Self(match unit {
            "u" | "µ" | "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => 1,
        })
    }
}

/// How an answer is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// The media type of a table, if one is wanted and not JSON.
    pub(crate) csv: Option<&'static str>,
    /// None is RFC 3339 in JSON and nanoseconds in CSV.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) pretty: bool,
    /// Rows of a chunk, if chunks are wanted.
    pub(crate) chunk_rows: Option<usize>,
}

/// Bytes of text that are made at once: some hundred microseconds of work.
const PIECE_BYTES: usize = 64 << 10;

/// The answer, which is made while it is sent.
pub(crate) fn respond(results: Vec<StatementResult>, style: Style) -> Response {
    let content_type = style.csv.unwrap_or("application/json");
    let writer =
        Writer { results, style, at: Place::default(), indenter: Indenter::default(), is_open: false, done: false };
    let pieces = futures::stream::iter(writer.map(Ok::<Bytes, std::convert::Infallible>));
    ([(header::CONTENT_TYPE, content_type)], Body::from_stream(pieces)).into_response()
}

/// The next thing to write.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    statement: usize,
    series: usize,
    row: usize,
}

/// Writes an answer piece by piece.
struct Writer {
    results: Vec<StatementResult>,
    style: Style,
    at: Place,
    indenter: Indenter,
    /// Whether the statement of `at` has begun.
    is_open: bool,
    done: bool,
}

impl Iterator for Writer {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut text = String::new();
        while !self.done && text.len() < PIECE_BYTES {
            match (self.style.csv.is_some(), self.style.chunk_rows) {
                (true, _) => self.csv(&mut text),
                (false, Some(rows)) => self.chunk(&mut text, rows),
                (false, None) => self.json(&mut text),
            }
        }
        if text.is_empty() {
            return None;
        }
        if self.style.pretty && self.style.csv.is_none() {
            text = self.indenter.indent(&text);
        }
        Some(Bytes::from(text))
    }
}

impl Writer {
    /// Goes on with the one document that holds everything.
    fn json(&mut self, text: &mut String) {
        if self.at.statement == 0 && !self.is_open {
            text.push_str("{\"results\":[");
        }
        let Some(result) = self.results.get(self.at.statement) else {
            text.push_str("]}\n");
            self.done = true;
            return;
        };
        if !self.is_open {
            self.is_open = true;
            let comma = if self.at.statement > 0 { "," } else { "" };
            let _ = write!(text, "{comma}{{\"statement_id\":{}", self.at.statement);
            if !result.series.is_empty() {
                text.push_str(",\"series\":[");
            }
        }
        if let Some(series) = result.series.get(self.at.series) {
            if self.at.row == 0 {
                if self.at.series > 0 {
                    text.push(',');
                }
                series_head(text, series);
            }
            while let Some(row) = series.rows.get(self.at.row) {
                if self.at.row > 0 {
                    text.push(',');
                }
                json_row(text, row, series, self.style.epoch);
                self.at.row += 1;
                if text.len() >= PIECE_BYTES {
                    return;
                }
            }
            text.push_str("]}");
            (self.at.series, self.at.row) = (self.at.series + 1, 0);
            return;
        }
        if !result.series.is_empty() {
            text.push(']');
        }
        if let Some(error) = &result.error {
            text.push_str(",\"error\":");
            json_text(text, error);
        }
        text.push('}');
        self.next_statement();
    }

    fn next_statement(&mut self) {
        // The rows that were written are not needed any more.
        if let Some(result) = self.results.get_mut(self.at.statement) {
            *result = StatementResult::default();
        }
        self.at = Place { statement: self.at.statement + 1, series: 0, row: 0 };
        self.is_open = false;
    }

    /// One document with at most so many rows of one series.
    fn chunk(&mut self, text: &mut String, most: usize) {
        let Some(result) = self.results.get(self.at.statement) else {
            self.done = true;
            return;
        };
        let _ = write!(text, "{{\"results\":[{{\"statement_id\":{}", self.at.statement);
        let mut more = false;
        if let Some(series) = result.series.get(self.at.series) {
            text.push_str(",\"series\":[");
            series_head(text, series);
            let end = self.at.row.saturating_add(most).min(series.rows.len());
            for (place, row) in series.rows.get(self.at.row..end).unwrap_or_default().iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                json_row(text, row, series, self.style.epoch);
            }
            text.push(']');
            let is_cut = end < series.rows.len();
            if is_cut {
                text.push_str(",\"partial\":true");
                self.at.row = end;
            } else {
                (self.at.series, self.at.row) = (self.at.series + 1, 0);
            }
            text.push_str("}]");
            more = is_cut || self.at.series < result.series.len();
        }
        if more {
            text.push_str(",\"partial\":true");
        }
        if let (Some(error), false) = (&result.error, more) {
            text.push_str(",\"error\":");
            json_text(text, error);
        }
        text.push_str("}]}\n");
        if !more {
            self.next_statement();
        }
    }

    /// Goes on with the table; errors have no place in it.
    fn csv(&mut self, text: &mut String) {
        let Some(result) = self.results.get(self.at.statement) else {
            self.done = true;
            return;
        };
        let Some(series) = result.series.get(self.at.series) else {
            let was_shown = !result.series.is_empty();
            self.next_statement();
            // A blank line parts statements that have rows.
            if was_shown && self.results.iter().skip(self.at.statement).any(|result| !result.series.is_empty()) {
                text.push('\n');
            }
            return;
        };
        if self.at.row == 0 {
            let before = self.at.series.checked_sub(1).and_then(|place| result.series.get(place));
            if before.is_none_or(|before| before.columns != series.columns) {
                if before.is_some() {
                    text.push('\n');
                }
                text.push_str("name,tags");
                for column in series.columns.iter() {
                    text.push(',');
                    csv_text(text, column);
                }
                text.push('\n');
            }
        }
        let tags: Vec<String> = series
            .tags
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(tag, value)| format!("{tag}={value}"))
            .collect();
        let tags = tags.join(",");
        while let Some(row) = series.rows.get(self.at.row) {
            csv_text(text, &series.name);
            text.push(',');
            csv_text(text, &tags);
            for value in row {
                text.push(',');
                csv_value(text, value, self.style.epoch);
            }
            text.push('\n');
            self.at.row += 1;
            if text.len() >= PIECE_BYTES {
                return;
            }
        }
        (self.at.series, self.at.row) = (self.at.series + 1, 0);
    }
}

/// A series up to its rows.
fn series_head(text: &mut String, series: &Series) {
    text.push('{');
    if !series.name.is_empty() {
        text.push_str("\"name\":");
        json_text(text, &series.name);
        text.push(',');
    }
    if !series.tags.is_empty() {
        text.push_str("\"tags\":{");
        for (place, (tag, value)) in series.tags.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            json_text(text, tag);
            text.push(':');
            json_text(text, value);
        }
        text.push_str("},");
    }
    text.push_str("\"columns\":[");
    for (place, column) in series.columns.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        json_text(text, column);
    }
    text.push_str("],\"values\":[");
}

fn json_row(text: &mut String, row: &[Value], series: &Series, epoch: Option<Epoch>) {
    text.push('[');
    for (place, value) in row.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        match value {
            Value::Null => text.push_str("null"),
            Value::Float(value) => json_float(text, *value),
            Value::Integer(value) => {
                let _ = write!(text, "{value}");
            }
            Value::Unsigned(value) => {
                let _ = write!(text, "{value}");
            }
            Value::Boolean(value) => text.push_str(if *value { "true" } else { "false" }),
            Value::Text(value) => json_text(text, value),
            Value::Time(time) => match epoch {
                Some(Epoch(unit)) => {
                    let _ = write!(text, "{}", time / unit);
                }
                None => json_text(text, &format_time(*time, series.zone)),
            },
        }
    }
    text.push(']');
}

/// A number as Go writes it: the shortest digits, with an exponent only for the very large and the very small.
fn json_float(text: &mut String, value: f64) {
    let size = value.abs();
    let _ = if !value.is_finite() {
        write!(text, "null")
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let digits = format!("{value:e}");
        let sign = if size >= 1e21 { digits.replace('e', "e+") } else { digits };
        write!(text, "{sign}")
    } else {
        write!(text, "{value}")
    };
}

fn json_text(text: &mut String, value: &str) {
    text.push('"');
    // U+2028 and U+2029 begin with this byte.
    let is_special = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | 0xe2);
    if !value.bytes().any(is_special) {
        text.push_str(value);
        text.push('"');
        return;
    }
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            // As Go does, so that an answer can stand in a page.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            character => text.push(character),
        }
    }
    text.push('"');
}

fn csv_value(text: &mut String, value: &Value, epoch: Option<Epoch>) {
    let _ = match value {
        Value::Null => Ok(()),
        Value::Float(value) => write!(text, "{value}"),
        Value::Integer(value) => write!(text, "{value}"),
        Value::Unsigned(value) => write!(text, "{value}"),
        Value::Boolean(value) => write!(text, "{value}"),
        Value::Time(time) => write!(text, "{}", time / epoch.map_or(1, |Epoch(unit)| unit)),
        Value::Text(value) => {
            csv_text(text, value);
            Ok(())
        }
    };
}

fn csv_text(text: &mut String, value: &str) {
    if value.contains([',', '"', '\n', '\r']) || value.starts_with([' ', '\t']) {
        text.push('"');
        text.push_str(&value.replace('"', "\"\""));
        text.push('"');
    } else {
        text.push_str(value);
    }
}

/// Breaks compact JSON into lines, four blanks a level, as it comes.
#[derive(Debug, Default)]
struct Indenter {
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// Whether the last character opened a list or an object.
    opened: bool,
}

impl Indenter {
    fn indent(&mut self, compact: &str) -> String {
        let mut pretty = String::with_capacity(compact.len() * 2);
        for character in compact.chars() {
            if self.in_text {
                pretty.push(character);
                self.in_text = self.escaped || character != '"';
                self.escaped = !self.escaped && character == '\\';
                continue;
            }
            let closes = matches!(character, ']' | '}');
            if closes {
                self.depth = self.depth.saturating_sub(1);
            }
            if self.opened != closes && (closes || self.opened) {
                self.line(&mut pretty);
            }
            self.opened = matches!(character, '[' | '{');
            pretty.push(character);
            match character {
                '[' | '{' => self.depth += 1,
                ',' => self.line(&mut pretty),
                ':' => pretty.push(' '),
                '"' => self.in_text = true,
                _ => {}
            }
        }
        pretty
    }

    fn line(&self, pretty: &mut String) {
        pretty.push('\n');
        for _ in 0..self.depth {
            pretty.push_str("    ");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use super::*;

    fn series(rows: usize) -> Series {
        Series {
            name: "m".to_owned(),
            tags: vec![("t".to_owned(), Arc::from("a,b"))],
            columns: ["time", "v"].map(str::to_owned).into_iter().collect(),
            rows: (0..rows)
                .map(|row| vec![Value::Time(row as i64 * 1_000_000_000), Value::Float(row as f64)])
                .collect(),
            zone: None,
        }
    }

    fn written(results: Vec<StatementResult>, style: Style) -> String {
        let writer =
            Writer { results, style, at: Place::default(), indenter: Indenter::default(), is_open: false, done: false };
        writer.flat_map(|piece| String::from_utf8(piece.to_vec()).unwrap().chars().collect::<Vec<_>>()).collect()
    }

    const JSON: Style = Style { csv: None, epoch: None, pretty: false, chunk_rows: None };

    #[test]
    fn answers_are_those_of_influxdb() {
        let answer =
            |series| vec![StatementResult { series, ..StatementResult::default() }, StatementResult::error("no <b>")];
        assert_eq!(
            written(answer(vec![series(2)]), JSON),
            concat!(
                r#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"t":"a,b"},"columns":["time","v"],"#,
                r#""values":[["1970-01-01T00:00:00Z",0],["1970-01-01T00:00:01Z",1]]}]},"#,
                r#"{"statement_id":1,"error":"no \u003cb\u003e"}]}"#,
                "\n"
            )
        );
        assert_eq!(
            written(answer(vec![]), Style { chunk_rows: Some(1), ..JSON }),
            concat!(
                "{\"results\":[{\"statement_id\":0}]}\n",
                "{\"results\":[{\"statement_id\":1,\"error\":\"no \\u003cb\\u003e\"}]}\n"
            )
        );
        let chunks = written(answer(vec![series(2)]), Style { chunk_rows: Some(1), ..JSON });
        assert_eq!(chunks.lines().count(), 3);
        assert!(
            chunks
                .lines()
                .next()
                .unwrap()
                .ends_with(r#""values":[["1970-01-01T00:00:00Z",0]],"partial":true}],"partial":true}]}"#)
        );
        let csv = Style { csv: Some("text/csv"), epoch: Some(Epoch::from_unit("s")), ..JSON };
        assert_eq!(written(answer(vec![series(2)]), csv), "name,tags,time,v\nm,\"t=a,b\",0,0\nm,\"t=a,b\",1,1\n");
        let pretty = written(vec![StatementResult::default()], Style { pretty: true, ..JSON });
        assert_eq!(pretty, "{\n    \"results\": [\n        {\n            \"statement_id\": 0\n        }\n    ]\n}\n");
    }

    #[test]
    fn large_answers_come_in_pieces() {
        let text = written(vec![StatementResult { series: vec![series(20_000)], ..StatementResult::default() }], JSON);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["results"][0]["series"][0]["values"].as_array().unwrap().len(), 20_000);
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        for (value, expected) in [
            (4.0, "4"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (0.000001, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (f64::NAN, "null"),
        ] {
            let mut text = String::new();
            json_float(&mut text, value);
            assert_eq!(text, expected);
        }
    }
}

//! Answers to InfluxQL as InfluxDB 1.x writes them: JSON, JSON in chunks, CSV, or MessagePack.
//!
//! A statement is run when the answer to the one before it is written, its rows come part by part, and their text is
//! made piece by piece as the client reads it: an answer costs a few parts at a time, and not its text besides. Only
//! MessagePack, which says first how many rows follow, needs the rows of a whole statement.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use http::header;
use query::influxql::{Series, Value, format_time};

use super::message_pack;
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

    /// A time in this unit.
    pub(super) fn of(self, time_ns: i64) -> i64 {
        time_ns / self.0
    }
}

/// What an answer is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    /// With the media type that the client knows it by.
    Csv(&'static str),
    MessagePack,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) encoding: Encoding,
    /// None is RFC 3339 in JSON and nanoseconds in CSV.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) pretty: bool,
    /// Rows of a chunk, if chunks are wanted.
    pub(crate) chunk_rows: Option<usize>,
}

/// Bytes of text that are made at once: some hundred microseconds of work.
const PIECE_BYTES: usize = 64 << 10;

/// The answer to so many statements, which is made while it is sent. What is ready at once is sent with its length.
pub(crate) async fn respond(statements: usize, results: BoxStream<'static, StatementResult>, style: Style) -> Response {
    let content_type = match style.encoding {
        Encoding::Json => "application/json",
        Encoding::Csv(media_type) => media_type,
        Encoding::MessagePack => "application/x-msgpack",
    };
    let mut answer = Answer { writer: Writer::new(style, statements), results, current: None };
    let first = answer.piece().await.unwrap_or_default();
    let body = if answer.writer.done {
        Body::from(first)
    } else {
        let rest = stream::unfold(answer, |mut answer| async move { Some((answer.piece().await?, answer)) });
        Body::from_stream(stream::iter([first]).chain(rest).map(Ok::<Bytes, std::convert::Infallible>))
    };
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// An answer on its way.
struct Answer {
    writer: Writer,
    results: BoxStream<'static, StatementResult>,
    current: Option<StatementResult>,
}

impl Answer {
    /// The next bytes; none at the end. Nothing that is written waits for what is not computed yet.
    async fn piece(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while !self.writer.done && out.len() < PIECE_BYTES {
            if self.writer.statement >= self.writer.statements {
                self.writer.end(&mut out);
                break;
            }
            let Some(result) = &mut self.current else {
                if !out.is_empty() {
                    break;
                }
                let next = self.results.next().await.unwrap_or_default();
                self.current = Some(if self.writer.style.encoding == Encoding::MessagePack {
                    next.whole().await.unwrap_or_else(|error| StatementResult::error(error.influxql_text()))
                } else {
                    next
                });
                continue;
            };
            if !self.writer.part(&mut out, result) {
                continue;
            }
            if !result.has_more() {
                self.writer.close(&mut out, result.error.as_deref());
                self.current = None;
            } else if out.is_empty() {
                result.advance().await;
                self.writer.next_part(result.continues);
            } else {
                break;
            }
        }
        (!out.is_empty()).then(|| Bytes::from(out))
    }
}

/// Writes an answer piece by piece.
struct Writer {
    statements: usize,
    style: Style,
    statement: usize,
    /// The next thing to write of the part that is there.
    at: Place,
    indenter: Indenter,
    /// Whether the document, or what of it is about the statement, has begun.
    is_open: bool,
    /// The series that is being written.
    series: Option<OpenSeries>,
    /// The columns of the table that is being written.
    columns: Option<Arc<[String]>>,
    /// Whether a table has rows already.
    has_rows: bool,
    done: bool,
}

/// The next thing to write of a part.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    series: usize,
    row: usize,
    /// Whether the first series has begun in the part before.
    continues: bool,
}

/// What has been written of a series, or of a chunk of it.
#[derive(Debug, Clone, Copy)]
struct OpenSeries {
    /// Whether there is a list of rows.
    has_values: bool,
    rows: usize,
}

impl Writer {
    fn new(style: Style, statements: usize) -> Self {
        Self {
            statements,
            style,
            statement: 0,
            at: Place::default(),
            indenter: Indenter::default(),
            is_open: false,
            series: None,
            columns: None,
            has_rows: false,
            done: false,
        }
    }

    /// What is there is another part of the same statement.
    fn next_part(&mut self, continues: bool) {
        self.at = Place { series: 0, row: 0, continues };
    }

    /// Goes on with a part. Returns whether it is written whole.
    fn part(&mut self, out: &mut Vec<u8>, result: &StatementResult) -> bool {
        match self.style.encoding {
            Encoding::MessagePack => self.message_pack(out, result),
            Encoding::Csv(_) => {
                let mut text = String::new();
                let is_whole = self.csv(&mut text, &result.series);
                out.extend_from_slice(text.as_bytes());
                is_whole
            }
            Encoding::Json => {
                let mut text = String::new();
                let is_whole = self.json(&mut text, &result.series);
                self.push_json(out, &text);
                is_whole
            }
        }
    }

    /// Ends a statement, all parts of which are written.
    fn close(&mut self, out: &mut Vec<u8>, error: Option<&str>) {
        if self.style.encoding == Encoding::Json {
            let mut text = String::new();
            let has_series = self.series.is_some();
            if !self.is_open {
                self.open(&mut text);
            }
            self.close_series(&mut text);
            if has_series {
                text.push(']');
            }
            if let Some(error) = error {
                text.push_str(",\"error\":");
                json_text(&mut text, error);
            }
            text.push_str(if self.style.chunk_rows.is_some() { "}]}\n" } else { "}" });
            self.push_json(out, &text);
        }
        self.is_open = false;
        (self.series, self.columns) = (None, None);
        self.statement += 1;
        self.next_part(false);
    }

    /// Writes what comes behind all results.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.done = true;
        if self.style.encoding == Encoding::Json && self.style.chunk_rows.is_none() {
            let head = if self.statements == 0 { "{\"results\":[" } else { "" };
            self.push_json(out, &format!("{head}]}}\n"));
        }
    }

    fn push_json(&mut self, out: &mut Vec<u8>, text: &str) {
        if self.style.pretty {
            out.extend_from_slice(self.indenter.indent(text).as_bytes());
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Begins the document of a chunk, or what the one document that holds everything says of the statement.
    fn open(&mut self, text: &mut String) {
        self.is_open = true;
        let is_first = self.style.chunk_rows.is_some() || self.statement == 0;
        let before = if is_first { "{\"results\":[" } else { "," };
        let _ = write!(text, "{before}{{\"statement_id\":{}", self.statement);
    }

    fn open_series(&mut self, text: &mut String, series: &Series) {
        if self.style.chunk_rows.is_some() && self.series.is_some() {
            self.close_chunk(text, false);
        }
        if !self.is_open {
            self.open(text);
        }
        self.close_series(text);
        text.push_str(if self.series.is_some() { "," } else { ",\"series\":[" });
        series_head(text, series);
        self.series = Some(OpenSeries { has_values: !series.rows.is_empty(), rows: 0 });
    }

    /// Ends a chunk that another one follows, perhaps with more rows of the same series.
    fn close_chunk(&mut self, text: &mut String, is_cut: bool) {
        if self.series.take().is_some_and(|series| series.has_values) {
            text.push(']');
        }
        text.push_str(if is_cut { ",\"partial\":true}]" } else { "}]" });
        text.push_str(",\"partial\":true}]}\n");
        self.is_open = false;
    }

    fn close_series(&self, text: &mut String) {
        if let Some(series) = &self.series {
            // As in Go, a list without entries is left out.
            text.push_str(if series.has_values { "]}" } else { "}" });
        }
    }

    /// Goes on with the one document that holds everything, or with documents of so many rows of one series.
    fn json(&mut self, text: &mut String, part: &[Series]) -> bool {
        while let Some(series) = part.get(self.at.series) {
            if self.at.row == 0 && !self.at.continues {
                self.open_series(text, series);
            }
            while let Some(row) = series.rows.get(self.at.row) {
                if self.style.chunk_rows.is_some_and(|most| self.series.is_some_and(|open| open.rows >= most)) {
                    self.close_chunk(text, true);
                    self.open_series(text, series);
                }
                if let Some(open) = &mut self.series {
                    if open.rows > 0 {
                        text.push(',');
                    }
                    open.rows += 1;
                }
                json_row(text, row, series, self.style.epoch);
                self.at.row += 1;
                if text.len() >= PIECE_BYTES {
                    return false;
                }
            }
            self.at = Place { series: self.at.series + 1, row: 0, continues: false };
            if text.len() >= PIECE_BYTES {
                return false;
            }
        }
        true
    }

    /// Goes on with the table; errors have no place in it.
    fn csv(&mut self, text: &mut String, part: &[Series]) -> bool {
        while let Some(series) = part.get(self.at.series) {
            if self.columns.as_ref().is_none_or(|columns| *columns != series.columns) {
                // A blank line parts what has other columns, and statements.
                if self.has_rows {
                    text.push('\n');
                }
                text.push_str("name,tags");
                for column in series.columns.iter() {
                    text.push(',');
                    csv_text(text, column);
                }
                text.push('\n');
                self.has_rows = true;
                self.columns = Some(Arc::clone(&series.columns));
            }
            let tags = series.tags.iter().filter(|(_, value)| !value.is_empty());
            let tags = tags.map(|(tag, value)| format!("{tag}={value}")).collect::<Vec<_>>().join(",");
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
                    return false;
                }
            }
            self.at = Place { series: self.at.series + 1, row: 0, continues: false };
        }
        true
    }

    /// Goes on with the one document that holds everything.
    fn message_pack(&mut self, out: &mut Vec<u8>, result: &StatementResult) -> bool {
        if !self.is_open {
            self.is_open = true;
            if self.statement == 0 {
                message_pack_results(out, self.statements);
            }
            message_pack_result(out, self.statement, result);
        }
        while let Some(series) = result.series.get(self.at.series) {
            if self.at.row == 0 {
                message_pack::series_head(out, series);
            }
            while let Some(row) = series.rows.get(self.at.row) {
                message_pack::row(out, row, self.style.epoch);
                self.at.row += 1;
                if out.len() >= PIECE_BYTES {
                    return false;
                }
            }
            self.at = Place { series: self.at.series + 1, row: 0, continues: false };
        }
        true
    }
}

fn message_pack_results(out: &mut Vec<u8>, results: usize) {
    message_pack::map(out, 1);
    message_pack::text(out, "results");
    message_pack::array(out, results);
}

/// A result up to its series. One with an error has none.
fn message_pack_result(out: &mut Vec<u8>, statement: usize, result: &StatementResult) {
    message_pack::map(out, 2);
    message_pack::text(out, "statement_id");
    message_pack::integer(out, i64::try_from(statement).unwrap_or(i64::MAX));
    match &result.error {
        Some(error) if result.series.is_empty() => {
            message_pack::text(out, "error");
            message_pack::text(out, error);
        }
        _ => {
            message_pack::text(out, "series");
            message_pack::array(out, result.series.len());
        }
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
    text.push(']');
    // As in Go, a list without entries is left out.
    if !series.rows.is_empty() {
        text.push_str(",\"values\":[");
    }
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
                Some(epoch) => {
                    let _ = write!(text, "{}", epoch.of(*time));
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
        Value::Time(time) => write!(text, "{}", epoch.map_or(*time, |epoch| epoch.of(*time))),
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

    fn bytes(results: Vec<StatementResult>, style: Style) -> Vec<u8> {
        let response = respond(results.len(), stream::iter(results).boxed(), style);
        let read = async { axum::body::to_bytes(response.await.into_body(), usize::MAX).await.unwrap() };
        futures::executor::block_on(read).to_vec()
    }

    fn written(results: Vec<StatementResult>, style: Style) -> String {
        String::from_utf8(bytes(results, style)).unwrap()
    }

    const JSON: Style = Style { encoding: Encoding::Json, epoch: None, pretty: false, chunk_rows: None };

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
        let csv = Style { encoding: Encoding::Csv("text/csv"), epoch: Some(Epoch::from_unit("s")), ..JSON };
        assert_eq!(written(answer(vec![series(2)]), csv), "name,tags,time,v\nm,\"t=a,b\",0,0\nm,\"t=a,b\",1,1\n");
        let twice = || StatementResult { series: vec![series(1)], ..StatementResult::default() };
        let tables = written(vec![twice(), StatementResult::default(), twice()], csv);
        assert_eq!(tables, "name,tags,time,v\nm,\"t=a,b\",0,0\n\nname,tags,time,v\nm,\"t=a,b\",0,0\n");
        assert_eq!(written(vec![], JSON), "{\"results\":[]}\n");
        let empty = StatementResult { series: vec![series(0)], ..StatementResult::default() };
        assert!(written(vec![empty], JSON).contains(r#""columns":["time","v"]}]}]}"#));
        let pretty = written(vec![StatementResult::default()], Style { pretty: true, ..JSON });
        assert_eq!(pretty, "{\n    \"results\": [\n        {\n            \"statement_id\": 0\n        }\n    ]\n}\n");
    }

    /// What InfluxDB 1.6.7 sent for the same rows, and errors with the number of their statement besides.
    #[test]
    fn message_pack_is_that_of_influxdb() {
        let style = Style { encoding: Encoding::MessagePack, ..JSON };
        let answer =
            |series| vec![StatementResult { series, ..StatementResult::default() }, StatementResult::error("no")];
        let mut expected = b"\x81\xa7results\x92\x82\xacstatement_id\x00\xa6series\x91\x84\xa4name\xa1m".to_vec();
        expected.extend(b"\xa4tags\x81\xa1t\xa3a,b\xa7columns\x92\xa4time\xa1v\xa6values\x91\x92\xc7\x0c\x05");
        expected.extend([0; 12]);
        expected.extend(b"\xcb\0\0\0\0\0\0\0\0\x82\xacstatement_id\x01\xa5error\xa2no");
        assert_eq!(bytes(answer(vec![series(1)]), style), expected);
    }

    /// What is written is sent before the next statement is run.
    #[test]
    fn an_answer_does_not_wait_for_later_statements() {
        let first = StatementResult { series: vec![series(1)], ..StatementResult::default() };
        let results = stream::iter([first]).chain(stream::pending()).boxed();
        let mut answer = Answer { writer: Writer::new(JSON, 2), results, current: None };
        let piece = futures::executor::block_on(answer.piece()).unwrap();
        assert!(piece.starts_with(b"{\"results\":[{\"statement_id\":0") && piece.ends_with(b"]}]}"), "{piece:?}");
    }

    /// However an answer comes in parts, its text is the same.
    #[test]
    fn parts_leave_no_trace_in_the_text() {
        let of_tag = |tag: &str, rows| Series { tags: vec![("t".to_owned(), Arc::from(tag))], ..series(rows) };
        let wide = Series { columns: ["time", "v", "w"].map(str::to_owned).into_iter().collect(), ..of_tag("c", 0) };
        let all = [of_tag("a", 7), of_tag("b", 1), of_tag("c", 3), wide, of_tag("d", 4)];
        let csv = Style { encoding: Encoding::Csv("text/csv"), ..JSON };
        let chunks = [1, 2, 3, 100].map(|rows| Style { chunk_rows: Some(rows), ..JSON });
        for style in chunks.into_iter().chain([JSON, csv, Style { pretty: true, ..JSON }]) {
            for error in [None, Some("broken")] {
                let text = |most: usize| {
                    let (mut writer, mut out) = (Writer::new(style, 2), Vec::new());
                    for _ in 0..2 {
                        for series in &all {
                            let parts = series.rows.len().div_ceil(most).max(1);
                            for part in 0..parts {
                                let rows = series.rows.iter().skip(part * most).take(most).cloned().collect();
                                let series = vec![Series { rows, ..series.clone() }];
                                writer.next_part(part > 0);
                                assert!(
                                    writer.part(&mut out, &StatementResult { series, ..StatementResult::default() })
                                );
                            }
                        }
                        // Nothing more came.
                        writer.next_part(false);
                        assert!(writer.part(&mut out, &StatementResult::default()));
                        writer.close(&mut out, error);
                    }
                    writer.end(&mut out);
                    String::from_utf8(out).unwrap()
                };
                let result = || StatementResult {
                    series: all.to_vec(),
                    error: error.map(str::to_owned),
                    ..StatementResult::default()
                };
                let whole = written(vec![result(), result()], style);
                for most in 1..=8 {
                    assert_eq!(text(most), whole, "{most} rows in {style:?}");
                }
            }
        }
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

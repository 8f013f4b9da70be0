//! InfluxDB 2.x, and Freshet: buckets over the JSON API, points over Flux.

use std::io::BufReader;

use chrono::{DateTime, SecondsFormat};
use freshet_client::{Client, FluxQuery};
use serde_json::Value;
use tokio::sync::mpsc;

use super::super::import::{ImportError, SourceError};
use super::{Checksum, Group, RemoteError, Slice, Table, call, get};
use crate::write::{BATCHES_AHEAD, CsvOptions, CsvSource, Piece, QUERY_FAILED, Streamed};

/// Buckets on one page.
const PAGE: usize = 100;

/// The times that ranges of Flux know; the last one is left out of every range.
const TIMES: (i64, i64) = (i64::MIN + 2, i64::MAX - 1);

/// One organisation of a server.
pub(super) struct FluxSource {
    pub(super) client: Client,
    pub(super) organisation: String,
}

/// A text as Flux writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' => quoted.push_str("\\x24"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn literal(time_ns: i64) -> String {
    DateTime::from_timestamp_nanos(time_ns.clamp(TIMES.0, TIMES.1)).to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// The points of a bucket in a range, perhaps of one measurement.
fn points(bucket: &str, measurement: Option<&str>, slice: Slice) -> String {
    let (start, stop) = (literal(slice.from_ns), literal(slice.to_ns));
    let range = format!("from(bucket: {}) |> range(start: {start}, stop: {stop})", quoted(bucket));
    match measurement {
        Some(name) => format!("{range} |> filter(fn: (r) => r._measurement == {})", quoted(name)),
        None => range,
    }
}

const ALL: Slice = Slice { from_ns: TIMES.0, to_ns: TIMES.1 };

impl FluxSource {
    /// Buckets that are not the server's own.
    pub(super) async fn groups(&self) -> Result<Vec<Group>, RemoteError> {
        let mut groups = Vec::new();
        loop {
            let request = get("api/v2/buckets").parameter("org", &self.organisation);
            let offset: usize = groups.len();
            let request = request.parameter("limit", PAGE.to_string()).parameter("offset", offset.to_string());
            let answer = call(&self.client, request, "for its buckets").await?;
            let buckets = answer["buckets"].as_array().cloned().unwrap_or_default();
            groups.extend(buckets.iter().cloned());
            if buckets.len() < PAGE {
                break;
            }
        }
        let text = |bucket: &Value, key: &str| bucket[key].as_str().unwrap_or_default().to_owned();
        let own = groups.iter().filter(|bucket| bucket["type"] != "system");
        Ok(own
            .map(|bucket| Group {
                name: text(bucket, "name"),
                retention_s: bucket["retentionRules"][0]["everySeconds"].as_u64().unwrap_or_default(),
                policy: None,
            })
            .collect())
    }

    /// The cells of the last column of a small answer.
    async fn column(&self, script: String, what: &str) -> Result<Vec<String>, RemoteError> {
        let query = FluxQuery { annotations: false, ..FluxQuery::new(&self.organisation, script) };
        let failed = |source| RemoteError::Query { what: what.to_owned(), source };
        let answer = self.client.query_flux(&query).await.map_err(failed)?;
        let malformed = |cause: String| RemoteError::Malformed { what: what.to_owned(), cause };
        let mut records = crate::write::Records::new(answer.as_ref());
        let (mut cells, mut is_first) = (Vec::new(), true);
        while let Some((_, record)) = records.next().map_err(|error| malformed(error.to_string()))? {
            let Some(row) = record.cells() else { return Err(malformed("it is not UTF-8".to_owned())) };
            let Some(last) = row.last() else {
                is_first = true;
                continue;
            };
            if is_first && last.text == "reference" {
                return Err(malformed("the query ended with an error".to_owned()));
            }
            if !is_first {
                cells.push(last.text.clone());
            }
            is_first = false;
        }
        Ok(cells)
    }

    pub(super) async fn tables(&self, group: &Group) -> Result<Vec<Table>, RemoteError> {
        let script = format!(
            "{} |> first() |> keep(columns: [\"_measurement\"]) |> group() |> distinct(column: \"_measurement\")",
            points(&group.name, None, ALL)
        );
        let names = self.column(script, "for the measurements of a bucket").await?;
        Ok(names.into_iter().map(|measurement| Table { measurement, fields: Vec::new() }).collect())
    }

    pub(super) async fn next_time(
        &self,
        group: &Group,
        table: &Table,
        from_ns: i64,
    ) -> Result<Option<i64>, RemoteError> {
        if from_ns >= TIMES.1 {
            return Ok(None);
        }
        let points = points(&group.name, Some(&table.measurement), Slice { from_ns, ..ALL });
        let script = format!(
            "{points} |> first() |> keep(columns: [\"_time\"]) |> group() |> sort(columns: [\"_time\"]) |> limit(n: 1)"
        );
        let what = "for the first time of a measurement";
        let Some(time) = self.column(script, what).await?.pop() else { return Ok(None) };
        let parsed = DateTime::parse_from_rfc3339(&time).ok().and_then(|time| time.timestamp_nanos_opt());
        let malformed = || RemoteError::Malformed { what: what.to_owned(), cause: format!("{time:?} is no time") };
        parsed.map(Some).ok_or_else(malformed)
    }

    /// Every value is a line of its own; the target puts those of one series and time together.
    pub(super) async fn read(
        &self,
        (group, table, slice): (&Group, &Table, Slice),
        sum: &mut Checksum,
        batch_lines: usize,
        mut take: impl AsyncFnMut(Piece) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let what = format!("for the points of {}/{}", group.name, table.measurement);
        let query = FluxQuery::new(&self.organisation, points(&group.name, Some(&table.measurement), slice));
        let failed = |source| RemoteError::Query { what: what.clone(), source };
        let stream = self.client.query_flux_stream(&query).await.map_err(failed)?;
        let bytes = Box::new(BufReader::new(Streamed::start(stream)));
        let mut csv = CsvSource::new(bytes, CsvOptions::STRICT, batch_lines);
        let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD);
        let reader = tokio::task::spawn_blocking(move || {
            while let Some(piece) = csv.next_piece()? {
                if sender.blocking_send(piece).is_err() {
                    break;
                }
            }
            Ok::<(), SourceError>(())
        });
        while let Some(piece) = receiver.recv().await {
            match &piece {
                Piece::Batch(batch) => (0..batch.len()).for_each(|line| sum.add(batch.text(line..line + 1))),
                Piece::Unreadable { cause, .. } if cause.starts_with(QUERY_FAILED) => {
                    return Err(RemoteError::Refused { what, message: cause.to_string() }.into());
                }
                Piece::Unreadable { .. } | Piece::Refused { .. } => {}
            }
            take(piece).await?;
        }
        let read = reader.await.map_err(|_| ImportError::Reader)?;
        read.map_err(|source| ImportError::Input { origin: what, source })
    }
}

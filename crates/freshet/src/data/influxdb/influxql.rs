//! InfluxDB 1.x over InfluxQL: databases and retention policies, field by field with its types, since an answer in JSON
//! does not tell an integer from a float.

use std::collections::BTreeMap;

use freshet_client::{ApiRequest, Client, Method};
use futures::StreamExt as _;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use storage::line_text;

use super::super::import::ImportError;
use super::{Checksum, Group, RemoteError, Slice, Table};
use crate::write::{BATCH_BYTES, Batch, Piece};

/// Databases that a server keeps for itself.
const OWN_DATABASES: [&str; 1] = ["_internal"];

/// Columns of one statement: a measurement of more is read in several.
const COLUMNS_MAX: usize = 200;

/// Bytes of one chunk of an answer, which the server makes of so many rows as it is told.
const CHUNK_BYTES_MAX: usize = 64 << 20;

/// Types of fields, the first of those that a field has in different shards counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FieldType {
    Float,
    Integer,
    Unsigned,
    String,
    Boolean,
}

impl FieldType {
    const ALL: [Self; 5] = [Self::Float, Self::Integer, Self::Unsigned, Self::String, Self::Boolean];

    fn as_str(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::String => "string",
            Self::Boolean => "boolean",
        }
    }
}

/// A field with the types that it has, the one that counts first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    name: String,
    types: Vec<FieldType>,
}

impl Field {
    /// With the one type that it has at the target.
    pub(super) fn as_stored(&self) -> Self {
        Self { name: self.name.clone(), types: self.types.iter().take(1).copied().collect() }
    }

    /// The types whose values are asked for: a statement casts numbers to the type that counts, and nothing else.
    fn columns(&self) -> impl Iterator<Item = (&Self, FieldType)> {
        let counts = self.types.first().copied();
        let is_number = |kind| kind < FieldType::String;
        self.types
            .iter()
            .filter(move |kind| counts.is_none_or(|first| first == **kind || !is_number(first) || !is_number(**kind)))
            .map(move |kind| (self, *kind))
    }

    /// The value of a column of this type as it stands in a line; why there is none.
    fn value(&self, kind: FieldType, raw: &str) -> Result<String, String> {
        let malformed = || format!("{raw} is no {}", kind.as_str());
        let counts = self.types.first().copied().unwrap_or(kind);
        let mut value = String::new();
        match (kind, counts) {
            (FieldType::Float, FieldType::Float) => {
                let number: f64 = raw.parse().map_err(|_| malformed())?;
                line_text::push_float(&mut value, number);
            }
            (FieldType::Integer, FieldType::Integer) => {
                value = format!("{}i", raw.parse::<i64>().map_err(|_| malformed())?);
            }
            (FieldType::Unsigned, FieldType::Unsigned) => {
                value = format!("{}u", raw.parse::<u64>().map_err(|_| malformed())?);
            }
            (FieldType::Boolean, FieldType::Boolean) => value = raw.to_owned(),
            (FieldType::Boolean, FieldType::String) => line_text::push_string(&mut value, raw),
            (FieldType::String, FieldType::String) => {
                let text: String = serde_json::from_str(raw).map_err(|_| malformed())?;
                line_text::push_string(&mut value, &text);
            }
            (from, to) => return Err(format!("a value of type {} cannot become {}", from.as_str(), to.as_str())),
        }
        Ok(value)
    }
}

/// A server.
pub(super) struct InfluxqlSource {
    client: Client,
    /// Name and password.
    user: Option<(String, String)>,
}

/// A part of an answer that comes in chunks.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow, default)]
    results: Vec<ChunkResult<'a>>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct ChunkResult<'a> {
    #[serde(borrow, default)]
    series: Vec<ChunkSeries<'a>>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct ChunkSeries<'a> {
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(borrow, default)]
    values: Vec<Vec<&'a RawValue>>,
}

/// A name as InfluxQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// Database and retention policy of a group.
fn policy(group: &Group) -> (&str, &str) {
    group.policy.as_ref().map_or(("", ""), |(database, policy, _)| (database, policy))
}

fn measurement(group: &Group, name: &str) -> String {
    let (database, policy) = policy(group);
    format!("{}.{}.{}", quoted(database), quoted(policy), quoted(name))
}

fn column(field: &Field, kind: FieldType) -> String {
    format!("{}::{}", quoted(&field.name), kind.as_str())
}

impl InfluxqlSource {
    pub(super) fn new(client: Client, user: Option<(String, String)>) -> Self {
        Self { client, user }
    }

    fn request(&self, statement: &str) -> ApiRequest {
        let request = ApiRequest::new(Method::Post, "query").parameter("q", statement).parameter("epoch", "ns");
        match &self.user {
            Some((name, password)) => request.parameter("u", name).parameter("p", password),
            None => request,
        }
    }

    /// The series of a statement's answer.
    async fn ask(&self, statement: &str) -> Result<Vec<Value>, RemoteError> {
        let what = || format!("{statement:?}");
        let answer = self.client.call(&self.request(statement)).await;
        let answer = answer.map_err(|source| RemoteError::Request { what: what(), source })?;
        let error = answer["error"].as_str().or_else(|| answer["results"][0]["error"].as_str());
        if let Some(message) = error {
            return Err(RemoteError::Refused { what: what(), message: message.to_owned() });
        }
        Ok(answer["results"][0]["series"].as_array().cloned().unwrap_or_default())
    }

    /// All rows of a statement's answer, each with the name of its series.
    async fn rows(&self, statement: &str) -> Result<Vec<(String, Vec<Value>)>, RemoteError> {
        let mut rows = Vec::new();
        for series in self.ask(statement).await? {
            let name = series["name"].as_str().unwrap_or_default();
            let values = series["values"].as_array().into_iter().flatten();
            rows.extend(values.map(|row| (name.to_owned(), row.as_array().cloned().unwrap_or_default())));
        }
        Ok(rows)
    }

    pub(super) async fn groups(&self) -> Result<Vec<Group>, RemoteError> {
        let mut groups = Vec::new();
        for (_, row) in self.rows("SHOW DATABASES").await? {
            let database = text(&row, 0);
            if OWN_DATABASES.contains(&database.as_str()) {
                continue;
            }
            let statement = format!("SHOW RETENTION POLICIES ON {}", quoted(&database));
            for (_, row) in self.rows(&statement).await? {
                let (policy, duration) = (text(&row, 0), text(&row, 1));
                let retention_s = crate::options::parse_duration(&duration).map_err(|error| {
                    RemoteError::Malformed { what: statement.clone(), cause: format!("{duration:?}: {error}") }
                })?;
                let is_default = row.last() == Some(&Value::Bool(true));
                groups.push(Group {
                    name: format!("{database}/{policy}"),
                    retention_s: retention_s.as_secs(),
                    policy: Some((database.clone(), policy, is_default)),
                });
            }
        }
        Ok(groups)
    }

    pub(super) async fn tables(&self, group: &Group) -> Result<Vec<Table>, RemoteError> {
        let (database, policy) = policy(group);
        let statement = format!("SHOW FIELD KEYS ON {} FROM {}./.*/", quoted(database), quoted(policy));
        let mut tables: BTreeMap<String, BTreeMap<String, Vec<FieldType>>> = BTreeMap::new();
        for (measurement, row) in self.rows(&statement).await? {
            let (name, kind) = (text(&row, 0), text(&row, 1));
            let kind = FieldType::ALL.into_iter().find(|known| known.as_str() == kind);
            let unknown = || format!("the field {name:?} of {measurement:?} has a type that is not known here");
            let kind = kind.ok_or_else(|| RemoteError::Malformed { what: statement.clone(), cause: unknown() })?;
            let types = tables.entry(measurement).or_default().entry(name).or_default();
            types.push(kind);
            types.sort_unstable();
        }
        let tables = tables.into_iter().map(|(measurement, fields)| {
            let fields = fields.into_iter().map(|(name, types)| Field { name, types }).collect();
            Table { measurement, fields }
        });
        Ok(tables.collect())
    }

    /// Database, name and statement of the continuous queries of the groups' databases.
    pub(super) async fn continuous_queries(
        &self,
        groups: &[Group],
    ) -> Result<Vec<(String, String, String)>, RemoteError> {
        let rows = self.rows("SHOW CONTINUOUS QUERIES").await?.into_iter();
        let of_groups = rows.filter(|(database, _)| groups.iter().any(|group| policy(group).0 == database));
        Ok(of_groups.map(|(database, row)| (database, text(&row, 0), text(&row, 1))).collect())
    }

    pub(super) async fn next_time(
        &self,
        group: &Group,
        table: &Table,
        from_ns: i64,
    ) -> Result<Option<i64>, RemoteError> {
        let mut first: Option<i64> = None;
        for columns in table.fields.chunks(COLUMNS_MAX) {
            let columns: Vec<String> =
                columns.iter().flat_map(Field::columns).map(|(field, kind)| column(field, kind)).collect();
            let place = measurement(group, &table.measurement);
            let columns = columns.join(", ");
            // The least time that a statement can name is two after the least of all.
            let from_ns = from_ns.max(i64::MIN + 2);
            let statement = format!("SELECT {columns} FROM {place} WHERE time >= {from_ns} ORDER BY time LIMIT 1");
            let time = self.rows(&statement).await?.first().and_then(|(_, row)| row.first()?.as_i64());
            first = first.into_iter().chain(time).min();
        }
        Ok(first)
    }

    pub(super) async fn read(
        &self,
        (group, table, slice): (&Group, &Table, Slice),
        sum: &mut Checksum,
        batch_lines: usize,
        mut take: impl AsyncFnMut(Piece) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let place = measurement(group, &table.measurement);
        let mut lines = Lines::new(&table.measurement, sum, batch_lines);
        for fields in table.fields.chunks(COLUMNS_MAX) {
            let columns: Vec<(&Field, FieldType)> = fields.iter().flat_map(Field::columns).collect();
            let names: Vec<String> = columns.iter().map(|(field, kind)| column(field, *kind)).collect();
            let statement = format!(
                "SELECT {} FROM {place} WHERE time >= {} AND time < {} GROUP BY *",
                names.join(", "),
                slice.from_ns.max(i64::MIN + 2),
                slice.to_ns
            );
            let what = format!("for the points of {place}");
            let request = self.request(&statement).parameter("chunked", "true");
            let request = request.parameter("chunk_size", batch_lines.min(10_000).to_string());
            let failed = |source| RemoteError::Request { what: what.clone(), source };
            let mut stream = self.client.call_stream(&request).await.map_err(failed)?;
            let mut waiting = Vec::new();
            while let Some(bytes) = stream.next().await {
                waiting.extend_from_slice(&bytes.map_err(failed)?);
                // A chunk is a line; of a line that is not whole the rest is still to come.
                while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
                    let rest = waiting.split_off(end + 1);
                    let chunk = std::mem::replace(&mut waiting, rest);
                    lines.take_chunk(&chunk, &columns, &what)?;
                    lines.give(&mut take, false).await?;
                }
                if waiting.len() > CHUNK_BYTES_MAX {
                    let cause = format!("a chunk has more than {} MiB", CHUNK_BYTES_MAX >> 20);
                    return Err(RemoteError::Malformed { what, cause }.into());
                }
            }
            if !waiting.trim_ascii().is_empty() {
                lines.take_chunk(&waiting, &columns, &what)?;
            }
        }
        lines.give(&mut take, true).await
    }
}

fn text(row: &[Value], index: usize) -> String {
    row.get(index).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Rows on their way to lines.
struct Lines<'a> {
    measurement: &'a str,
    sum: &'a mut Checksum,
    batch_lines: usize,
    batch: Batch,
    row: u64,
    /// Values that no line can hold, by their cause.
    refused: BTreeMap<String, u64>,
}

impl<'a> Lines<'a> {
    fn new(measurement: &'a str, sum: &'a mut Checksum, batch_lines: usize) -> Self {
        Self { measurement, sum, batch_lines, batch: Batch::default(), row: 0, refused: BTreeMap::new() }
    }

    fn take_chunk(&mut self, bytes: &[u8], columns: &[(&Field, FieldType)], what: &str) -> Result<(), RemoteError> {
        let malformed = |cause: String| RemoteError::Malformed { what: what.to_owned(), cause };
        let chunk: Chunk<'_> = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        let refused = |message: String| RemoteError::Refused { what: what.to_owned(), message };
        chunk.error.map_or(Ok(()), |message| Err(refused(message)))?;
        for result in chunk.results {
            result.error.map_or(Ok(()), |message| Err(refused(message)))?;
            for series in result.series {
                let mut head = String::new();
                line_text::push_measurement(&mut head, self.measurement);
                for (name, value) in series.tags.iter().filter(|(_, value)| !value.is_empty()) {
                    head.push(',');
                    line_text::push_name(&mut head, name);
                    head.push('=');
                    line_text::push_name(&mut head, value);
                }
                for row in &series.values {
                    let [time, values @ ..] = &row[..] else { return Err(malformed("a row is empty".to_owned())) };
                    if values.len() != columns.len() {
                        return Err(malformed(format!("{} values for {} columns", values.len(), columns.len())));
                    }
                    self.take_row(&head, time.get(), values, columns);
                }
            }
        }
        Ok(())
    }

    fn take_row(&mut self, head: &str, time: &str, values: &[&RawValue], columns: &[(&Field, FieldType)]) {
        self.row += 1;
        let mut line = String::new();
        for ((field, kind), raw) in columns.iter().zip(values) {
            if raw.get() == "null" {
                continue;
            }
            let mut name = String::new();
            line_text::push_name(&mut name, &field.name);
            match field.value(*kind, raw.get()) {
                Ok(value) => {
                    self.sum.add(&format!("{head} {name}={value} {time}\n"));
                    line.push_str(if line.is_empty() { head } else { "," });
                    if line.len() == head.len() {
                        line.push(' ');
                    }
                    line.push_str(&format!("{name}={value}"));
                }
                Err(cause) => *self.refused.entry(format!("field {:?}: {cause}", field.name)).or_default() += 1,
            }
        }
        if !line.is_empty() {
            self.batch.push(self.row, &format!("{line} {time}"));
        }
    }

    /// Gives away what was refused, and the batch if it is large enough or the last one.
    async fn give(
        &mut self,
        take: &mut impl AsyncFnMut(Piece) -> Result<(), ImportError>,
        is_last: bool,
    ) -> Result<(), ImportError> {
        for (cause, count) in std::mem::take(&mut self.refused) {
            take(Piece::Refused { line: self.row, count, cause }).await?;
        }
        let is_due = is_last || self.batch.len() >= self.batch_lines || self.batch.bytes() >= BATCH_BYTES;
        if is_due && self.batch.len() > 0 {
            take(Piece::Batch(std::mem::take(&mut self.batch))).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn field(types: &[FieldType]) -> Field {
        Field { name: "f".to_owned(), types: types.to_vec() }
    }

    #[test]
    fn fields_of_several_types_become_the_first_of_them() {
        use FieldType::{Boolean, Float, Integer, String};
        let columns = |field: Field| field.columns().map(|(_, kind)| kind).collect::<Vec<_>>();
        assert_eq!(columns(field(&[Float, Integer])), [Float], "the statement casts numbers");
        assert_eq!(columns(field(&[Integer, String, Boolean])), [Integer, String, Boolean]);
        assert_eq!(
            field(&[Float, String]).value(String, "\"x\"").unwrap_err(),
            "a value of type string cannot become float"
        );
        assert_eq!(field(&[String, Boolean]).value(Boolean, "true").unwrap(), "\"true\"");
        assert_eq!(field(&[Float]).value(Float, "0.1").unwrap(), "0.1");
        assert_eq!(field(&[Integer]).value(Integer, "9007199254740993").unwrap(), "9007199254740993i");
        assert!(field(&[Integer]).value(Integer, "1.5").is_err());
    }

    #[test]
    fn chunks_become_lines_and_every_value_is_summed() {
        use FieldType::{Float, String};
        let (number, text) = (field(&[Float]), Field { name: "s t".to_owned(), types: vec![String] });
        let columns = [(&number, Float), (&text, String)];
        let chunk = br#"{"results":[{"statement_id":0,"series":[{"name":"m","tags":{"a":"x y","b":""},
            "columns":["time","f","s t"],"values":[[1,1.5,null],[2,null,"q\"\n"],[3,null,null]],"partial":true}]}]}"#;
        let mut sum = Checksum::default();
        let mut lines = Lines::new("m m", &mut sum, 10);
        lines.take_chunk(chunk, &columns, "x").unwrap();
        let text = lines.batch.text(0..lines.batch.len()).to_owned();
        assert_eq!(text, "m\\ m,a=x\\ y f=1.5 1\nm\\ m,a=x\\ y s\\ t=\"q\\\"\n\" 2\n");
        let failed = lines.take_chunk(br#"{"results":[{"error":"timeout"}]}"#, &columns, "x").unwrap_err();
        assert!(matches!(failed, RemoteError::Refused { message, .. } if message == "timeout"));
        assert!(lines.take_chunk(br#"{"results":[{"series":[{"values":[[1,2]]}]}]}"#, &columns, "x").is_err());
        assert_eq!(sum.values, 2);
    }
}

//! What is measured: one file for each server, behind one trait of plain data.
//!
//! A [`Server`] says how it is started and which requests it takes; it does no I/O itself. All run on one port of
//! 127.0.0.1 with their data in one folder, and otherwise as they come.

mod freshet;
mod influxdb;
mod questdb;
mod victoriametrics;

use std::path::Path;
use std::process::Command;

use crate::cpu_data::DataOptions;
use crate::error::BenchError;
use crate::http_connection::Call;
use crate::packages::Packages;

pub(crate) use freshet::TOKEN as FRESHET_TOKEN;

/// A server that takes line protocol over HTTP.
pub(crate) trait Server {
    /// Name and version, for the table.
    fn name(&self) -> &'static str;

    /// Starts the server in the foreground.
    fn command(&self, data_dir: &Path, port: u16) -> Command;

    /// Answered with success once the server takes requests.
    fn ready(&self) -> Call;

    /// Sent once before the load.
    fn setup(&self) -> Option<Call> {
        None
    }

    /// Writes line protocol with nanoseconds; the body is filled in.
    fn write(&self) -> Call;

    /// Asks how many of the rows a query sees.
    fn count(&self, data: &DataOptions) -> Call;

    /// The number in the answer to `count`; none while the server does not know the table.
    fn parse_count(&self, answer: &str) -> Option<u64>;

    /// Asks a query in InfluxQL; none if the server does not speak it.
    fn influxql(&self, _query: &str) -> Option<Call> {
        None
    }

    /// Asks a query in Flux; none if the server does not speak it.
    fn flux(&self, _query: &str) -> Option<Call> {
        None
    }

    /// Has the running server bring its files in order, and ends when it has.
    fn settle(&self, _port: u16) -> Option<Command> {
        None
    }

    /// Whether its data directory holds a lake that DuckDB can attach.
    fn is_lake(&self) -> bool {
        false
    }
}

/// The servers by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ServerKind {
    Freshet,
    Questdb,
    Victoriametrics,
    Influxdb1,
}

/// Makes the server ready to be started: our own is built unless a program is given, others are downloaded if missing.
pub(crate) fn provide(
    kind: ServerKind,
    freshet_program: Option<&Path>,
    packages: &Packages,
) -> Result<Box<dyn Server>, BenchError> {
    Ok(match kind {
        ServerKind::Freshet => Box::new(freshet::Freshet::provide(freshet_program)?),
        ServerKind::Questdb => Box::new(questdb::Questdb::provide(packages)?),
        ServerKind::Victoriametrics => Box::new(victoriametrics::VictoriaMetrics::provide(packages)?),
        ServerKind::Influxdb1 => Box::new(influxdb::Influxdb1::provide(packages)?),
    })
}

/// A number in a JSON answer, by its JSON pointer; some servers send it as a string.
fn json_number(answer: &str, pointer: &str) -> Option<u64> {
    let value: serde_json::Value = serde_json::from_str(answer).ok()?;
    let value = value.pointer(pointer)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Percent-encodes a value of a query string.
pub(crate) fn encoded(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => output.push(char::from(byte)),
            _ => output.push_str(&format!("%{byte:02X}")),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_json() {
        assert_eq!(json_number(r#"[{"n":3}]"#, "/0/n"), Some(3));
        assert_eq!(json_number(r#"{"value":[1,"30"]}"#, "/value/1"), Some(30));
        assert_eq!(json_number(r#"{"error":"no table"}"#, "/0/n"), None);
        assert_eq!(json_number("busy", "/0/n"), None);
    }

    #[test]
    fn query_strings_are_encoded() {
        assert_eq!(encoded("count(*) a_b"), "count%28%2A%29%20a_b");
    }
}

//! `freshet v1 shell`: runs InfluxQL statements line by line, from a terminal or from standard input, through `/query`.
//!
//! Besides statements it knows `use NAME[.POLICY]`, `precision UNIT`, `format column|json|csv`, `help` and `exit`.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use freshet_client::{ApiRequest, Method};
use serde_json::Value;

use super::{ManageError, Session};
use crate::options::NoOptions;
use crate::output::{print_json, table};

const HELP: &str = "\
use NAME[.POLICY]            the database (and retention policy) of the statements that follow
precision rfc3339|ns|u|ms|s  how times are shown
format column|json|csv       how answers are shown
exit                         leave
Everything else is an InfluxQL statement, such as SHOW DATABASES.
";

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Column,
    Json,
    Csv,
}

/// What earlier lines have set.
#[derive(Debug)]
struct State {
    database: Option<String>,
    policy: Option<String>,
    epoch: Option<String>,
    format: Format,
}

/// What a line means.
#[derive(Debug, PartialEq)]
enum Line<'a> {
    Nothing,
    Exit,
    Help,
    /// Was a setting, and is done.
    Set,
    /// Was meant as a setting, but is none.
    Wrong(&'static str),
    Statement(&'a str),
}

impl State {
    fn take<'a>(&mut self, line: &'a str) -> Line<'a> {
        let line = line.trim().trim_end_matches(';').trim_end();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match word.to_ascii_lowercase().as_str() {
            "" => Line::Nothing,
            "exit" | "quit" => Line::Exit,
            "help" => Line::Help,
            "use" if rest.is_empty() => Line::Wrong("use which database?"),
            "use" => {
                let (database, policy) = split_database(rest);
                (self.database, self.policy) = (Some(database), policy);
                Line::Set
            }
            "precision" => match rest {
                "" | "rfc3339" => self.set_epoch(None),
                "ns" | "u" | "us" | "ms" | "s" | "m" | "h" => self.set_epoch(Some(rest)),
                _ => Line::Wrong("a precision is one of rfc3339, ns, u, ms, s, m, h"),
            },
            "format" => match rest {
                "column" | "table" => self.set_format(Format::Column),
                "json" => self.set_format(Format::Json),
                "csv" => self.set_format(Format::Csv),
                _ => Line::Wrong("a format is one of column, json, csv"),
            },
            _ => Line::Statement(line),
        }
    }

    fn set_epoch(&mut self, unit: Option<&str>) -> Line<'static> {
        self.epoch = unit.map(str::to_owned);
        Line::Set
    }

    fn set_format(&mut self, format: Format) -> Line<'static> {
        self.format = format;
        Line::Set
    }

    fn request(&self, statement: &str) -> ApiRequest {
        let mut request = ApiRequest::new(Method::Post, "query").parameter("q", statement);
        for (name, value) in [("db", &self.database), ("rp", &self.policy), ("epoch", &self.epoch)] {
            if let Some(value) = value {
                request = request.parameter(name, value);
            }
        }
        request
    }
}

/// `db`, `db.rp`, `"db".rp` and `"db"."rp"`.
fn split_database(text: &str) -> (String, Option<String>) {
    let unquoted = |text: &str| text.trim_matches('"').to_owned();
    let split = match text.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        Some((database, rest)) => Some((database, rest.strip_prefix('.').unwrap_or_default())),
        None => text.split_once('.'),
    };
    match split {
        Some((database, "")) => (unquoted(database), None),
        Some((database, policy)) => (unquoted(database), Some(unquoted(policy))),
        None => (unquoted(text), None),
    }
}

/// Reads lines until the end of the input or `exit`. At a terminal an error is shown and the next line read; a script
/// ends with its first error.
pub(super) async fn run(session: &Session, _options: NoOptions) -> Result<(), ManageError> {
    let is_terminal = io::stdin().is_terminal();
    let format = if session.output.is_json() { Format::Json } else { Format::Column };
    let mut state = State { database: None, policy: None, epoch: Some("ns".to_owned()), format };
    let mut text = String::new();
    loop {
        if is_terminal {
            print!("> ");
            io::stdout().flush()?;
        }
        text.clear();
        if io::stdin().lock().read_line(&mut text).map_err(ManageError::Input)? == 0 {
            return Ok(());
        }
        let outcome = match state.take(&text) {
            Line::Nothing | Line::Set => Ok(()),
            Line::Exit => return Ok(()),
            Line::Help => Ok(io::stdout().write_all(HELP.as_bytes())?),
            Line::Wrong(what) => Err(ManageError::Shell(what.to_owned())),
            Line::Statement(statement) => answer(session, &state, statement).await,
        };
        match outcome {
            Err(error @ ManageError::Output(_)) => return Err(error),
            Err(error) if is_terminal => writeln!(io::stderr(), "{error}")?,
            other => other?,
        }
    }
}

async fn answer(session: &Session, state: &State, statement: &str) -> Result<(), ManageError> {
    let answer = session.call(state.request(statement)).await?;
    if state.format == Format::Json {
        print_json(&answer)?;
    }
    for result in answer["results"].as_array().into_iter().flatten() {
        if state.format != Format::Json {
            for series in result["series"].as_array().into_iter().flatten() {
                print_series(series, state.format)?;
            }
        }
        if let Some(error) = result["error"].as_str() {
            return Err(ManageError::Shell(error.to_owned()));
        }
    }
    Ok(())
}

/// One series: its name and tags, then its rows.
fn print_series(series: &Value, format: Format) -> io::Result<()> {
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let cells = |row: &Value| row.as_array().into_iter().flatten().map(cell).collect::<Vec<_>>();
    let name = series["name"].as_str().unwrap_or_default();
    let tags: Vec<String> =
        series["tags"].as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", cell(value))).collect();
    let columns = cells(&series["columns"]);
    let rows: Vec<Vec<String>> = series["values"].as_array().into_iter().flatten().map(cells).collect();
    let mut output = io::stdout();
    if format == Format::Csv {
        let tags = tags.join(",");
        let line = |first: [&str; 2], row: &[String]| {
            let cells = first.into_iter().chain(row.iter().map(String::as_str)).map(csv_cell);
            cells.collect::<Vec<_>>().join(",") + "\n"
        };
        let mut text = line(["name", "tags"], &columns);
        text.extend(rows.iter().map(|row| line([name, &tags], row)));
        return output.write_all(text.as_bytes());
    }
    if !name.is_empty() {
        writeln!(output, "name: {name}")?;
    }
    if !tags.is_empty() {
        writeln!(output, "tags: {}", tags.join(", "))?;
    }
    let rule = columns.iter().map(|column| "-".repeat(column.chars().count())).collect();
    let lines: Vec<Vec<String>> = [columns, rule].into_iter().chain(rows).collect();
    writeln!(output, "{}", table(&lines))
}

fn csv_cell(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_settings_or_statements() {
        let mut state = State { database: None, policy: None, epoch: None, format: Format::Column };
        assert_eq!(state.take("  SHOW DATABASES; \n"), Line::Statement("SHOW DATABASES"));
        assert_eq!(state.take("\n"), Line::Nothing);
        assert_eq!(state.take("exit\n"), Line::Exit);
        assert!(matches!(state.take("use"), Line::Wrong(_)));
        assert!(matches!(state.take("precision fortnight"), Line::Wrong(_)));
        assert_eq!((state.take("precision ms"), state.epoch.as_deref()), (Line::Set, Some("ms")));
        assert_eq!((state.take("precision rfc3339"), state.epoch.as_deref()), (Line::Set, None));
        assert_eq!((state.take("FORMAT csv"), state.format), (Line::Set, Format::Csv));
        for (text, database, policy) in [
            ("use a", "a", None),
            ("use a.b", "a", Some("b")),
            ("use \"a.b\"", "a.b", None),
            ("use \"a.b\".\"c d\";", "a.b", Some("c d")),
        ] {
            assert_eq!(state.take(text), Line::Set);
            assert_eq!((state.database.as_deref(), state.policy.as_deref()), (Some(database), policy), "{text}");
        }
    }

    #[test]
    fn cells_of_csv_are_quoted_where_they_must_be() {
        assert_eq!(csv_cell("a b"), "a b");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}

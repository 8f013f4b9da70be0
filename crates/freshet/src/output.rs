//! How commands print resources: tables whose columns are set apart by tabs, as InfluxDB's command line prints them
//! so that `awk` and `cut` go on working, or JSON.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::options::OutputOptions;
use crate::profiles::Profile;

/// Columns of text begin at multiples of this.
const TAB: usize = 8;

/// A column: its header and what of a resource stands in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column(pub(crate) &'static str, pub(crate) fn(&Value) -> String);

/// Standard output in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    options: OutputOptions,
}

impl Output {
    pub(crate) fn new(options: OutputOptions) -> Self {
        Self { options }
    }

    /// Whether JSON is asked for.
    pub(crate) fn is_json(self) -> bool {
        self.options.json
    }

    /// Prints one resource.
    pub(crate) fn print_one(self, row: &Value, columns: &[Column]) -> io::Result<()> {
        if self.options.json { print_json(row) } else { self.print_table(std::slice::from_ref(row), columns) }
    }

    /// Prints a list.
    pub(crate) fn print_all(self, rows: &[Value], columns: &[Column]) -> io::Result<()> {
        if self.options.json { print_json(&json!(rows)) } else { self.print_table(rows, columns) }
    }

    fn print_table(self, rows: &[Value], columns: &[Column]) -> io::Result<()> {
        let header = columns.iter().map(|Column(header, _)| (*header).to_owned()).collect();
        let mut cells: Vec<Vec<String>> = if self.options.hide_headers { Vec::new() } else { vec![header] };
        cells.extend(rows.iter().map(|row| columns.iter().map(|Column(_, cell)| cell(row)).collect()));
        io::stdout().write_all(table(&cells).as_bytes())
    }
}

/// Prints JSON over several lines.
pub(crate) fn print_json(value: &Value) -> io::Result<()> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(value, &mut serializer)?;
    text.push(b'\n');
    io::stdout().write_all(&text)
}

/// Prints profiles, without their tokens.
pub(crate) fn print_profiles(options: OutputOptions, profiles: &[(&str, &Profile)]) -> io::Result<()> {
    let rows: Vec<Value> = profiles
        .iter()
        .map(|(name, profile)| json!({"name": name, "url": profile.url, "org": profile.org, "active": profile.active}))
        .collect();
    let columns = [
        Column("Active", |row| if row["active"] == true { "*".to_owned() } else { String::new() }),
        Column("Name", |row| text(row, "/name")),
        Column("URL", |row| text(row, "/url")),
        Column("Org", |row| text(row, "/org")),
    ];
    Output::new(options).print_all(&rows, &columns)
}

/// Rows of cells, a line each, with as many tabs behind each cell but the last as bring the next ones below each other.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (longest.unwrap_or_default() / TAB + 1) * TAB
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut lines = String::new();
    for row in rows {
        for (position, cell) in row.iter().enumerate() {
            lines.push_str(&on_one_line(cell));
            if position + 1 < row.len() {
                let missing = widths[position] - cell.chars().count();
                lines.push_str(&"\t".repeat(missing.div_ceil(TAB)));
            }
        }
        lines.push('\n');
    }
    lines
}

/// A cell that would break the table is printed with its escapes.
fn on_one_line(cell: &str) -> Cow<'_, str> {
    if cell.contains(char::is_control) { Cow::Owned(cell.escape_debug().to_string()) } else { Cow::Borrowed(cell) }
}

/// The text that a JSON pointer leads to; empty if there is none.
pub(crate) fn text(row: &Value, pointer: &str) -> String {
    match row.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

/// Seconds as InfluxDB's command line prints retentions: `infinite` or `72h0m0s`.
pub(crate) fn retention(seconds: u64) -> String {
    if seconds == 0 { "infinite".to_owned() } else { go_duration(Duration::from_secs(seconds)) }
}

/// A duration of whole seconds as Go prints it.
pub(crate) fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_stand_below_each_other_by_tabs() {
        let listed =
            rows(&[&["ID", "Name", "Retention"], &["0123456789abcdef", "b", "infinite"], &["1", "", "1h0m0s"]]);
        assert_eq!(table(&listed), "ID\t\t\tName\tRetention\n0123456789abcdef\tb\tinfinite\n1\t\t\t\t1h0m0s\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn a_cell_cannot_break_the_table() {
        assert_eq!(table(&rows(&[&["a\nb\t\u{1b}[2J", "c"]])), "a\\nb\\t\\u{1b}[2J\tc\n");
    }

    #[test]
    fn durations_are_those_of_go() {
        for (seconds, expected) in [(0, "infinite"), (59, "59s"), (60, "1m0s"), (259_200, "72h0m0s"), (3661, "1h1m1s")]
        {
            assert_eq!(retention(seconds), expected);
        }
    }
}

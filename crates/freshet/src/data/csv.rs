//! Annotated CSV to line protocol, record by record: what `freshet data export` and `influx write` use
//! (`#datatype measurement,tag,double,dateTime:number`), and what InfluxDB 2 answers to a Flux query (`#datatype`,
//! `#group`, `#default` with a first column of their own, `_measurement`, `_field`, `_value`, `_time`).
//!
//! A record that is no point is an error with its line; nothing is left out in silence.

use chrono::DateTime;
use storage::line_text;

use super::records::Cell;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ignored,
    Measurement,
    Tag,
    Time,
    Double,
    Long,
    UnsignedLong,
    Boolean,
    Text,
}

/// What a column is in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    Ignored,
    Measurement,
    Tag(String),
    Time,
    /// A field of this name.
    Field(String, Kind),
    /// The name of the field.
    FieldName,
    /// The value of the field whose name stands beside it.
    FieldValue(Kind),
}

/// Reads blocks.
#[derive(Debug, Default)]
pub(crate) struct AnnotatedCsv {
    kinds: Vec<Kind>,
    is_group: Vec<bool>,
    defaults: Vec<String>,
    /// Set by the row of names; annotations begin a new block.
    roles: Option<Vec<Role>>,
}

impl AnnotatedCsv {
    /// Takes a record: annotations and names are remembered, a point becomes a line (without its line feed).
    ///
    /// # Errors
    /// What is wrong with the record.
    pub(crate) fn take(&mut self, cells: &[Cell]) -> Result<Option<String>, String> {
        let Some(first) = cells.first() else {
            // An empty line ends the rows of a table; the next one may have names of its own.
            if self.has_own_column() {
                self.roles = None;
            }
            return Ok(None);
        };
        if !first.is_quoted && first.text.starts_with('#') {
            return self.annotation(cells).map(|()| None);
        }
        match &self.roles {
            None => self.names(cells).map(|()| None),
            Some(roles) => line(roles, &self.defaults, cells).map(Some),
        }
    }

    /// Whether the first column is that of the annotations, as in the answers to queries.
    fn has_own_column(&self) -> bool {
        self.kinds.first() == Some(&Kind::Ignored) && !self.is_group.is_empty()
    }

    fn annotation(&mut self, cells: &[Cell]) -> Result<(), String> {
        if self.roles.take().is_some() {
            *self = Self::default();
        }
        let texts = || cells.iter().map(|cell| cell.text.trim());
        let head = texts().next().unwrap_or_default();
        let (name, of_first) = head.split_once(' ').unwrap_or((head, ""));
        let values = std::iter::once(of_first).chain(texts().skip(1));
        match name {
            "#datatype" => {
                self.kinds = values.map(kind).collect::<Result<_, _>>()?;
                Ok(())
            }
            "#group" => {
                self.is_group = values.map(|value| value == "true").collect();
                Ok(())
            }
            "#default" => {
                self.defaults = values.map(str::to_owned).collect();
                Ok(())
            }
            "#" | "##" => Ok(()),
            other => Err(format!("the annotation {other} is not known here")),
        }
    }

    fn names(&mut self, cells: &[Cell]) -> Result<(), String> {
        if self.kinds.is_empty() {
            return Err("there is no #datatype annotation above the names of the columns".to_owned());
        }
        if cells.len() != self.kinds.len() {
            return Err(format!("there are {} names for {} types", cells.len(), self.kinds.len()));
        }
        let has_value =
            cells.iter().any(|cell| cell.text == "_value") && cells.iter().any(|cell| cell.text == "_field");
        let is_answer = self.has_own_column();
        let role = |(index, (cell, kind)): (usize, (&Cell, &Kind))| {
            let name = cell.text.clone();
            let is_group = self.is_group.get(index).copied().unwrap_or_default();
            match (name.as_str(), kind) {
                (_, Kind::Ignored) => Role::Ignored,
                (_, Kind::Measurement) => Role::Measurement,
                (_, Kind::Tag) => Role::Tag(name),
                ("result" | "table" | "_start" | "_stop", _) if is_answer => Role::Ignored,
                ("_measurement", _) if is_answer => Role::Measurement,
                ("_time", Kind::Time) if is_answer => Role::Time,
                ("_field", _) if is_answer && has_value => Role::FieldName,
                ("_value", kind) if is_answer && has_value => Role::FieldValue(*kind),
                (_, Kind::Text) if is_answer && (is_group || has_value) => Role::Tag(name),
                (_, Kind::Time) if is_answer => Role::Ignored,
                (_, Kind::Time) => Role::Time,
                (_, kind) => Role::Field(name, *kind),
            }
        };
        let roles: Vec<Role> = cells.iter().zip(&self.kinds).enumerate().map(role).collect();
        for (needed, what) in [(Role::Measurement, "measurement"), (Role::Time, "time")] {
            if !roles.contains(&needed) {
                return Err(format!("no column holds the {what}"));
            }
        }
        self.roles = Some(roles);
        Ok(())
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    Ok(match text {
        "" | "ignore" | "ignored" => Kind::Ignored,
        "measurement" => Kind::Measurement,
        "tag" => Kind::Tag,
        "dateTime" | "time" | "dateTime:RFC3339" | "dateTime:RFC3339Nano" | "dateTime:number" => Kind::Time,
        "double" => Kind::Double,
        "long" => Kind::Long,
        "unsignedLong" => Kind::UnsignedLong,
        "boolean" => Kind::Boolean,
        "string" => Kind::Text,
        other => return Err(format!("the type {other:?} is not known here")),
    })
}

fn line(roles: &[Role], defaults: &[String], cells: &[Cell]) -> Result<String, String> {
    if cells.len() != roles.len() {
        return Err(format!("there are {} cells for {} columns", cells.len(), roles.len()));
    }
    let (mut measurement, mut tags, mut fields) = (None, String::new(), String::new());
    let (mut time, mut field_name, mut field_value) = (None, None, None);
    for (index, (role, cell)) in roles.iter().zip(cells).enumerate() {
        let default = defaults.get(index).map_or("", String::as_str);
        let text = if cell.text.is_empty() && !cell.is_quoted { default } else { cell.text.as_str() };
        // Two quotation marks are the empty text; nothing is nothing.
        let is_given = cell.is_quoted || !text.is_empty();
        match role {
            Role::Measurement if !text.is_empty() => measurement = Some(text),
            Role::Tag(name) if !text.is_empty() => {
                tags.push(',');
                line_text::push_name(&mut tags, name);
                tags.push('=');
                line_text::push_name(&mut tags, text);
            }
            Role::Time if !text.is_empty() => time = Some(time_ns(text)?),
            Role::Field(name, kind) if is_given => push_field(&mut fields, name, *kind, text)?,
            Role::FieldName => field_name = Some(text),
            Role::FieldValue(kind) => field_value = Some((*kind, text)),
            _ => {}
        }
    }
    if let (Some(name), Some((kind, text))) = (field_name, field_value) {
        push_field(&mut fields, name, kind, text)?;
    }
    let measurement = measurement.ok_or("the measurement is missing")?;
    let time = time.ok_or("the time is missing")?;
    if fields.is_empty() {
        return Err("there is no value of a field".to_owned());
    }
    let mut line = String::new();
    line_text::push_measurement(&mut line, measurement);
    line.push_str(&tags);
    line.push(' ');
    line.push_str(&fields);
    line.push_str(&format!(" {time}"));
    Ok(line)
}

fn push_field(fields: &mut String, name: &str, kind: Kind, text: &str) -> Result<(), String> {
    let refuse = |what: &str| format!("{text:?} in column {name:?} is no {what}");
    if !fields.is_empty() {
        fields.push(',');
    }
    line_text::push_name(fields, name);
    fields.push('=');
    match kind {
        Kind::Double => {
            let value: f64 = text.parse().map_err(|_| refuse("number"))?;
            if !value.is_finite() {
                return Err(refuse("number that a point can have"));
            }
            line_text::push_float(fields, value);
        }
        Kind::Long => {
            let value: i64 = text.parse().map_err(|_| refuse("integer"))?;
            fields.push_str(&format!("{value}i"));
        }
        Kind::UnsignedLong => {
            let value: u64 = text.parse().map_err(|_| refuse("unsigned integer"))?;
            fields.push_str(&format!("{value}u"));
        }
        Kind::Boolean => fields.push_str(match text {
            "true" | "True" | "TRUE" | "t" | "T" | "1" => "true",
            "false" | "False" | "FALSE" | "f" | "F" | "0" => "false",
            _ => return Err(refuse("boolean")),
        }),
        Kind::Text => line_text::push_string(fields, text),
        Kind::Ignored | Kind::Measurement | Kind::Tag | Kind::Time => return Err(refuse("value of a field")),
    }
    Ok(())
}

/// Nanoseconds since 1970, or RFC 3339.
fn time_ns(text: &str) -> Result<i64, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let time = DateTime::parse_from_rfc3339(text).ok().and_then(|time| time.timestamp_nanos_opt());
    time.ok_or_else(|| format!("{text:?} is no time that a point can have"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::records::{Record, Records};
    use super::*;

    /// The lines, or the errors with a mark before them.
    fn lines(text: &str) -> Vec<String> {
        let mut records = Records::new(text.as_bytes());
        let mut csv = AnnotatedCsv::default();
        let mut found = Vec::new();
        while let Some((number, record)) = records.next().unwrap() {
            let Record::Cells(cells) = record else { continue };
            match csv.take(&cells) {
                Ok(line) => found.extend(line),
                Err(error) => found.push(format!("{number}: {error}")),
            }
        }
        found
    }

    #[test]
    fn blocks_of_an_export() {
        let text = "#datatype measurement,tag,double,long,unsignedLong,boolean,string,dateTime:number\n\
                    _measurement,t,f,i,u,b,s,time\n\
                    \"a b\",\"x=1,\",1.5,-5,18446744073709551615,true,\"\",-7\n\
                    m,,,,,,\"say \"\"hi\"\"\n\",8\n\
                    m,,,,,,,9\n\
                    \n\
                    #datatype measurement,double,dateTime:RFC3339\nm,g,time\nn,1e300,1970-01-01T00:00:01Z\n";
        assert_eq!(
            lines(text),
            [
                "a\\ b,t=x\\=1\\, f=1.5,i=-5i,u=18446744073709551615u,b=true,s=\"\" -7",
                "m s=\"say \\\"hi\\\"\n\" 8",
                "6: there is no value of a field",
                "n g=1e300 1000000000",
            ]
        );
    }

    #[test]
    fn answers_of_influxdb_2() {
        let text = "#group,false,false,true,true,false,false,true,true,true\r\n\
                    #datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,\
                    double,string,string,string\r\n\
                    #default,_result,,,,,,,,\r\n\
                    ,result,table,_start,_stop,_time,_value,_field,_measurement,host\r\n\
                    ,,0,1970-01-01T00:00:00Z,1971-01-01T00:00:00Z,1970-01-01T00:00:01Z,2.5,usage,cpu,a\r\n\
                    \r\n\
                    #group,false,false,true,false,false,true\r\n\
                    #datatype,string,long,string,dateTime:RFC3339,long,string\r\n\
                    #default,_result,,,,,\r\n\
                    ,result,table,_measurement,_time,count,host\r\n\
                    ,,1,cpu,1970-01-01T00:00:02Z,7,b\r\n";
        assert_eq!(lines(text), ["cpu,host=a usage=2.5 1000000000", "cpu,host=b count=7i 2000000000"]);
    }

    #[test]
    fn what_is_no_point_is_told_with_its_line() {
        for (text, expected) in [
            ("m,f\nm,1\n", "1: there is no #datatype annotation above the names of the columns"),
            ("#datatype measurement,double\nm,f\n", "2: no column holds the time"),
            ("#datatype double,time\nf,t\n", "2: no column holds the measurement"),
            ("#datatype measurement,decimal\n", "1: the type \"decimal\" is not known here"),
            ("#constant measurement,m\n", "1: the annotation #constant is not known here"),
            ("#datatype measurement,double,time\nm,f,t\nx,abc,1\n", "3: \"abc\" in column \"f\" is no number"),
            (
                "#datatype measurement,double,time\nm,f,t\nx,NaN,1\n",
                "3: \"NaN\" in column \"f\" is no number that a point can have",
            ),
            ("#datatype measurement,double,time\nm,f,t\nx,1,soon\n", "3: \"soon\" is no time that a point can have"),
            ("#datatype measurement,double,time\nm,f,t\nx,1\n", "3: there are 2 cells for 3 columns"),
            ("#datatype measurement,double,time\nm,f,t\n,1,1\n", "3: the measurement is missing"),
        ] {
            assert_eq!(lines(text)[0], expected, "{text}");
        }
    }
}

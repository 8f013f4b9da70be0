//! Annotated CSV to line protocol, record by record: what `freshet data export` and `influx write` use
//! (`#datatype measurement,tag,double,dateTime:number`), and what InfluxDB 2 answers to a Flux query (`#datatype`,
//! `#group`, `#default` with a first column of their own, `_measurement`, `_field`, `_value`, `_time`). Types may stand
//! in the names of columns (`cpu|tag`, `n|long|0`), and `#constant`, `#concat` and `#timezone` add to what files have.
//!
//! A record that is no point is an error with its line; nothing is left out in silence.

mod source;
mod time;
mod value;

use storage::line_text;

pub(crate) use self::source::CsvSource;
use self::time::{TimeFormat, Zone};
use self::value::Kind;
use super::records::Cell;

/// What stands before the message of a query that ended with an error after its first rows.
pub(crate) const QUERY_FAILED: &str = "the query ended with an error: ";

/// How tables are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CsvOptions {
    /// Every row has a time, and as many cells as there are columns.
    pub(crate) is_strict: bool,
    /// `cpu|tag` in the row of names is a name and a type.
    pub(crate) has_types_in_names: bool,
    /// Unit of the times in the lines, in nanoseconds; numbers in cells have it already.
    pub(crate) unit_ns: i64,
}

impl CsvOptions {
    /// For files whose rows are all points with times in nanoseconds.
    pub(crate) const STRICT: Self = Self { is_strict: true, has_types_in_names: true, unit_ns: 1 };
}

/// What a column is in a line.
#[derive(Debug, Clone, PartialEq)]
enum Role {
    Ignored,
    Measurement,
    Tag(String),
    Time(TimeFormat),
    /// A field of this name.
    Field(String, Kind),
    /// The name of the field.
    FieldName,
    /// The value of the field whose name stands beside it.
    FieldValue(Kind),
}

/// Where the texts of a column come from.
#[derive(Debug, Clone, PartialEq)]
enum Texts {
    /// The cells at this place.
    Cells(usize),
    /// The default, always.
    Constant,
    /// Texts and, between them, columns by their places.
    Joined(Vec<(String, Option<usize>)>),
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    role: Role,
    texts: Texts,
    /// Counts where the cell is empty.
    default: String,
}

/// A column that an annotation adds to all rows.
#[derive(Debug, Clone)]
struct Added {
    type_name: String,
    name: String,
    text: String,
    is_joined: bool,
}

/// Reads blocks.
#[derive(Debug)]
pub(crate) struct AnnotatedCsv {
    options: CsvOptions,
    types: Vec<String>,
    is_group: Vec<bool>,
    defaults: Vec<String>,
    added: Vec<Added>,
    zone: Zone,
    /// The row of names; annotations of columns begin a new block.
    names: Option<Vec<String>>,
    columns: Vec<Column>,
    /// The block is the error that a query ended with.
    is_failure: bool,
}

impl AnnotatedCsv {
    pub(crate) fn new(options: CsvOptions) -> Self {
        Self {
            options,
            types: Vec::new(),
            is_group: Vec::new(),
            defaults: Vec::new(),
            added: Vec::new(),
            zone: Zone::Utc,
            names: None,
            columns: Vec::new(),
            is_failure: false,
        }
    }

    /// Takes a record: annotations and names are remembered, a point becomes a line (without its line feed).
    ///
    /// # Errors
    /// What is wrong with the record.
    pub(crate) fn take(&mut self, cells: &[Cell]) -> Result<Option<String>, String> {
        let Some(first) = cells.first() else {
            // An empty line ends the rows of a table; the next one may have names of its own.
            if self.has_own_column() {
                self.names = None;
            }
            return Ok(None);
        };
        if !first.is_quoted && first.text.starts_with('#') {
            return self.annotation(cells).map(|()| None);
        }
        if self.names.is_some() {
            return self.line(cells).map(Some);
        }
        if self.has_own_column() && cells.iter().map(|cell| cell.text.as_str()).eq(["", "error", "reference"]) {
            self.is_failure = true;
            return Ok(None);
        }
        if self.is_failure {
            let message = cells.get(1).map_or("", |cell| cell.text.as_str());
            return Err(format!("{QUERY_FAILED}{message}"));
        }
        let names: Vec<String> = cells.iter().map(|cell| cell.text.clone()).collect();
        self.columns = self.columns(&names)?;
        self.names = Some(names);
        Ok(None)
    }

    /// The columns of the block, as they are told to whoever looks for a mistake.
    pub(crate) fn describe(&self) -> String {
        self.columns.iter().fold("columns:".to_owned(), |text, column| format!("{text}\n  {column:?}"))
    }

    /// Whether the block is at its row of names or its first rows.
    pub(crate) fn has_names(&self) -> bool {
        self.names.is_some()
    }

    /// Whether the first column is that of the annotations, as in the answers to queries.
    fn has_own_column(&self) -> bool {
        self.types.first().is_some_and(String::is_empty) && !self.is_group.is_empty()
    }

    fn annotation(&mut self, cells: &[Cell]) -> Result<(), String> {
        let texts: Vec<&str> = cells.iter().map(|cell| cell.text.trim()).collect();
        let head = texts.first().copied().unwrap_or_default();
        let (name, of_first) = head.split_once(' ').unwrap_or((head, ""));
        let of_first = of_first.trim_start();
        let rest = texts.get(1..).unwrap_or_default();
        let values = || std::iter::once(of_first).chain(rest.iter().copied());
        if let "#datatype" | "#group" | "#default" = name
            && self.names.take().is_some()
        {
            // A new block, in the zone of the file.
            *self = Self { zone: self.zone, ..Self::new(self.options) };
        }
        match name {
            "#datatype" => {
                self.types = values().map(str::to_owned).collect();
                // A type that is not known is told where it stands.
                self.types.iter().try_for_each(|text| role("", text, false).map(drop))
            }
            "#group" => {
                self.is_group = values().map(|value| value == "true").collect();
                Ok(())
            }
            "#default" => {
                self.defaults = values().map(str::to_owned).collect();
                Ok(())
            }
            "#constant" | "#concat" => {
                let mut values = values().skip(usize::from(of_first.is_empty()));
                let mut next = || values.next().unwrap_or_default().to_owned();
                let (type_name, name, text) = (next(), next(), next());
                self.add(Added { type_name, name, text, is_joined: head.starts_with("#concat") })
            }
            "#timezone" => {
                self.zone = Zone::parse(if of_first.is_empty() { rest.first().unwrap_or(&"") } else { of_first })?;
                Ok(())
            }
            "#" | "##" => Ok(()),
            other => Err(format!("the annotation {other} is not known here")),
        }
    }

    /// Adds a column; measurement and time need no name, so what stands in its place is the text.
    fn add(&mut self, mut added: Added) -> Result<(), String> {
        let is_nameless = matches!(role(&added.name, &added.type_name, false)?, Role::Measurement | Role::Time(_));
        if is_nameless && added.text.is_empty() {
            added.text = std::mem::take(&mut added.name);
        }
        self.added.push(added);
        if let Some(names) = self.names.take() {
            self.columns = self.columns(&names)?;
            self.names = Some(names);
        }
        Ok(())
    }

    fn columns(&self, names: &[String]) -> Result<Vec<Column>, String> {
        if !self.types.is_empty() && names.len() != self.types.len() {
            return Err(format!("there are {} names for {} types", names.len(), self.types.len()));
        }
        let bare: Vec<&str> = names.iter().map(|name| self.bare_name(name).0).collect();
        let has_value = bare.contains(&"_value") && bare.contains(&"_field");
        let mut columns = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let (name, in_name) = self.bare_name(name);
            let declared = self.types.get(index).map_or("", String::as_str);
            let (type_name, of_name) = if declared.is_empty() { in_name } else { (declared, None) };
            let is_group = self.is_group.get(index).copied().unwrap_or_default();
            let default = of_name.map(str::to_owned).or_else(|| self.defaults.get(index).cloned()).unwrap_or_default();
            let role = match self.has_own_column() {
                true => answered(name, type_name, is_group, has_value)?,
                false => role(name, type_name, has_value)?,
            };
            columns.push(Column { role, texts: Texts::Cells(index), default });
        }
        for added in &self.added {
            let role = role(&added.name, &added.type_name, false)?;
            let texts = if added.is_joined { joined(&added.text, &bare)? } else { Texts::Constant };
            columns.push(Column { role, texts, default: added.text.clone() });
        }
        let is_there = |wanted: fn(&Role) -> bool| columns.iter().any(|column| wanted(&column.role));
        if !is_there(|role| matches!(role, Role::Measurement)) {
            return Err("no column holds the measurement".to_owned());
        }
        if self.options.is_strict && !is_there(|role| matches!(role, Role::Time(_))) {
            return Err("no column holds the time".to_owned());
        }
        Ok(columns)
    }

    /// A name without the type and the default in it.
    fn bare_name<'a>(&self, name: &'a str) -> (&'a str, (&'a str, Option<&'a str>)) {
        let parts = name.split_once('|').filter(|_| self.options.has_types_in_names);
        let Some((name, rest)) = parts else { return (name, ("", None)) };
        let (type_name, default) = rest.split_once('|').map_or((rest, None), |(kind, default)| (kind, Some(default)));
        (name, (type_name, default))
    }

    fn line(&self, cells: &[Cell]) -> Result<String, String> {
        let count = self.names.as_ref().map_or(0, Vec::len);
        if self.options.is_strict && cells.len() != count {
            return Err(format!("there are {} cells for {count} columns", cells.len()));
        }
        let (mut measurement, mut tags, mut fields) = (None, Vec::new(), String::new());
        let (mut time, mut field_name, mut field_value) = (None, None, None);
        let is_answer = self.has_own_column();
        for column in &self.columns {
            // Two quotation marks are the empty text; nothing is nothing.
            let (mut text, is_given) = column.text(cells, &self.columns);
            if is_answer && text.contains('\r') {
                // Answers write a line feed so, and have no carriage return besides.
                text = text.replace("\r\n", "\n");
            }
            match &column.role {
                Role::Measurement if !text.is_empty() => measurement = Some(text),
                Role::Tag(name) if !text.is_empty() => tags.push((name, text)),
                Role::Time(format) if !text.is_empty() => {
                    time = Some(format.time(&text, self.zone, self.options.unit_ns)?);
                }
                Role::Field(name, kind) if is_given => kind.push_field(&mut fields, name, &text)?,
                Role::FieldName => field_name = Some(text),
                // An answer writes the empty text as nothing, and has no rows without a value.
                Role::FieldValue(kind) if is_given || *kind == Kind::Text => field_value = Some((kind, text)),
                _ => {}
            }
        }
        if let (Some(name), Some((kind, text))) = (field_name, field_value) {
            kind.push_field(&mut fields, &name, &text)?;
        }
        let measurement = measurement.ok_or("the measurement is missing")?;
        if time.is_none() && self.options.is_strict {
            return Err("the time is missing".to_owned());
        }
        if fields.is_empty() {
            return Err("there is no value of a field".to_owned());
        }
        let mut line = String::new();
        line_text::push_measurement(&mut line, &measurement);
        // In one order, whatever that of the columns is.
        tags.sort_unstable();
        for (name, value) in &tags {
            line.push(',');
            line_text::push_name(&mut line, name);
            line.push('=');
            line_text::push_name(&mut line, value);
        }
        line.push(' ');
        line.push_str(&fields);
        if let Some(time) = time {
            line.push_str(&format!(" {time}"));
        }
        Ok(line)
    }
}

impl Column {
    /// The text of the column in a row, and whether there is one.
    fn text(&self, cells: &[Cell], columns: &[Column]) -> (String, bool) {
        let or_default = |cell: Option<&Cell>| match cell {
            Some(cell) if cell.is_quoted || !cell.text.is_empty() => (cell.text.clone(), true),
            _ => (self.default.clone(), !self.default.is_empty()),
        };
        match &self.texts {
            Texts::Cells(index) => or_default(cells.get(*index)),
            Texts::Constant => or_default(None),
            Texts::Joined(parts) => {
                let mut text = String::new();
                for (before, column) in parts {
                    text.push_str(before);
                    if let Some(column) = column.and_then(|place| columns.get(place)) {
                        text.push_str(&column.text(cells, &[]).0);
                    }
                }
                let is_given = !text.is_empty();
                (text, is_given)
            }
        }
    }
}

/// `${name}` in a text are columns.
fn joined(template: &str, names: &[&str]) -> Result<Texts, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("${") {
        let (name, next) = behind.split_once('}').ok_or_else(|| format!("{template:?} has no closing brace"))?;
        let place = names.iter().position(|known| *known == name);
        let place = place.ok_or_else(|| format!("{template:?} names the column {name:?}, which is not there"))?;
        parts.push((before.to_owned(), Some(place)));
        rest = next;
    }
    parts.push((rest.to_owned(), None));
    Ok(Texts::Joined(parts))
}

/// What a column is by its type, and where it has none, by its name.
fn role(name: &str, type_name: &str, has_value: bool) -> Result<Role, String> {
    let (kind, format) = type_name.split_once(':').map_or((type_name, None), |(kind, format)| (kind, Some(format)));
    let owned = || name.to_owned();
    Ok(match (kind, name) {
        ("ignore" | "ignored", _) | ("", "") => Role::Ignored,
        ("measurement", _) | ("", "_measurement") => Role::Measurement,
        ("tag", _) => Role::Tag(owned()),
        ("dateTime" | "time", _) | ("", "_time") => Role::Time(TimeFormat::parse(format)?),
        ("", "_field") if has_value => Role::FieldName,
        ("", "_value") if has_value => Role::FieldValue(Kind::AsIs),
        ("", _) if has_value => Role::Ignored,
        (kind, _) => Role::Field(owned(), Kind::parse(kind, format)?),
    })
}

/// What a column of an answer to a query is.
fn answered(name: &str, type_name: &str, is_group: bool, has_value: bool) -> Result<Role, String> {
    Ok(match (name, role(name, type_name, has_value)?) {
        ("result" | "table" | "_start" | "_stop", _) => Role::Ignored,
        ("_measurement", _) => Role::Measurement,
        ("_field", _) if has_value => Role::FieldName,
        ("_value", Role::Field(_, kind)) if has_value => Role::FieldValue(kind),
        (_, Role::Field(name, Kind::Text)) if is_group || has_value => Role::Tag(name),
        (name, Role::Time(_)) if name != "_time" => Role::Ignored,
        (_, role) => role,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::records::{Record, Records};
    use super::*;

    const LENIENT: CsvOptions = CsvOptions { is_strict: false, ..CsvOptions::STRICT };

    /// The lines, or the errors with a mark before them.
    fn lines(text: &str) -> Vec<String> {
        lines_by(CsvOptions::STRICT, text)
    }

    fn lines_by(options: CsvOptions, text: &str) -> Vec<String> {
        let mut records = Records::new(text.as_bytes());
        let mut csv = AnnotatedCsv::new(options);
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
            ("m,f\nm,1\n", "1: no column holds the measurement"),
            ("#datatype measurement,double\nm,f\n", "2: no column holds the time"),
            ("#datatype double,time\nf,t\n", "2: no column holds the measurement"),
            ("#datatype measurement,decimal\n", "1: the type \"decimal\" is not known here"),
            ("#constants measurement,m\n", "1: the annotation #constants is not known here"),
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

    #[test]
    fn an_answer_that_ends_with_an_error_says_so() {
        let text = "#datatype,string,long,string,dateTime:RFC3339,string,string\r\n\
                    #group,false,false,true,false,false,true\r\n#default,_result,,,,,\r\n\
                    ,result,table,_measurement,_time,_value,_field\r\n\
                    ,,0,m,1970-01-01T00:00:00Z,,empty\r\n\
                    ,,0,m,1970-01-01T00:00:00Z,\"a\r\nb\",text\r\n\r\n\
                    #datatype,string,string\r\n#group,true,true\r\n#default,,\r\n\
                    ,error,reference\r\n,out of memory,\r\n";
        let expected = ["m empty=\"\" 0", "m text=\"a\nb\" 0", "13: the query ended with an error: out of memory"];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn types_in_names_constants_zones_and_separators() {
        for (text, expected) in [
            // The examples of InfluxDB's documentation.
            (
                "m|measurement,cpu|tag,host|tag,time_steal|double,nothing|ignored,time|dateTime:number\n\
                 cpu,cpu1,rsavage.prod,0,a,1482669077000000000\n",
                &["cpu,cpu=cpu1,host=rsavage.prod time_steal=0.0 1482669077000000000"][..],
            ),
            (
                "#datatype measurement,tag,string,double,boolean,long,unsignedLong,duration,dateTime\n\
                 #default test,annotatedDatatypes,,,,,,\n\
                 m,name,s,d,b,l,ul,dur,time\n\
                 ,,str1,1.0,true,1,1,1ms,1\n\
                 ,,str2,2.0,false,2,2,2us,2020-01-11T10:10:10Z\n",
                &[
                    "test,name=annotatedDatatypes s=\"str1\",d=1.0,b=true,l=1i,ul=1u,dur=1000000i 1",
                    "test,name=annotatedDatatypes s=\"str2\",d=2.0,b=false,l=2i,ul=2u,dur=2000i 1578737410000000000",
                ],
            ),
            (
                "#constant measurement,test\n#constant tag,name,datetypeFormats\n#timezone -0500\n\
                 t|dateTime:2006-01-02|1970-01-02,\"d|double:,. \",\"b|boolean:y,Y:n,N|y\"\n\
                 1970-01-01,\"123.456,78\",\n,\"123 456,78\",Y\n",
                &[
                    "test,name=datetypeFormats d=123456.78,b=true 18000000000000",
                    "test,name=datetypeFormats d=123456.78,b=true 104400000000000",
                ],
            ),
            (
                "sep=;\nm|measurement;available|boolean:y,Y:|n;dt|dateTime:number\n\
                 test;nil;1\ntest;\";\";3\ntest;;4\ntest;Y;5\n",
                &[
                    "test available=false 1",
                    "test available=false 3",
                    "test available=false 4",
                    "test available=true 5",
                ],
            ),
            // Without times and with rows of fewer cells.
            ("m|measurement,a|long,b|long\ncpu,1\ncpu,,2\n", &["cpu a=1i", "cpu b=2i"]),
            ("#concat,measurement,${a}-${b}\n#constant,long,n,5\na|tag,b|ignored\nx,y\n", &["x-y,a=x n=5i"]),
            ("#concat,tag,t,${c}\nm|measurement\n", &["2: \"${c}\" names the column \"c\", which is not there"]),
            ("_measurement,_field,_value,_time,other\ncpu,n,5i,7,x\n", &["cpu n=5i 7"]),
        ] {
            assert_eq!(lines_by(LENIENT, text), expected, "{text}");
        }
        let no_types = CsvOptions { has_types_in_names: false, ..LENIENT };
        let text = "#datatype measurement,long\nm,a|b\ncpu,1\n";
        assert_eq!(lines_by(no_types, text), ["cpu a|b=1i"]);
        let seconds = CsvOptions { unit_ns: 1_000_000_000, ..LENIENT };
        let text = "m|measurement,n|long,t|dateTime\ncpu,1,5\ncpu,2,1970-01-01T00:00:06Z\n";
        assert_eq!(lines_by(seconds, text), ["cpu n=1i 5", "cpu n=2i 6"]);
    }
}

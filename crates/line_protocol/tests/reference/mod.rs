//! The slow, obvious parser: character by character, straight from the grammar, one owned map per point. It shares no
//! code with the crate, only its vocabulary of causes. [`assert_agrees`] compares the two on a body; property tests
//! and the fuzz target call it.

use std::collections::{BTreeMap, BTreeSet};

use line_protocol::{Batch, Cause, DropReason, FieldColumn, FieldValues, ParseOptions, Presence, TableBatch, parse};

/// A field value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Float(f64),
    Integer(i64),
    Unsigned(u64),
    Boolean(bool),
    String(String),
}

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) measurement: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<String, Value>,
    pub(crate) time_ns: i64,
}

/// What becomes of each line that is neither blank nor comment, by line number.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) points: BTreeMap<u32, Point>,
    pub(crate) errors: BTreeMap<u32, Cause>,
    pub(crate) dropped: BTreeMap<u32, DropReason>,
    pub(crate) stripped: BTreeSet<u32>,
}

/// Parses a body.
pub(crate) fn parse_slowly(body: &[u8], options: &ParseOptions) -> Outcome {
    let mut outcome = Outcome::default();
    for (index, line) in split_lines(body).into_iter().enumerate() {
        let number = index as u32 + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(start) = line.iter().position(|byte| !is_blank(*byte)) else {
            continue;
        };
        let line = &line[start..];
        if line[0] == b'#' {
            continue;
        }
        let Ok(text) = std::str::from_utf8(line) else {
            outcome.errors.insert(number, Cause::InvalidUtf8);
            continue;
        };
        match parse_line(text, options) {
            Err(cause) => {
                outcome.errors.insert(number, cause);
            }
            Ok(Line { dropped: Some(reason), .. }) => {
                outcome.dropped.insert(number, reason);
            }
            Ok(Line { point, is_stripped, .. }) => {
                outcome.points.insert(number, point);
                if is_stripped {
                    outcome.stripped.insert(number);
                }
            }
        }
    }
    outcome
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0)
}

/// Splits at line feeds outside strings; a string starts right after an unescaped `=` of the fields.
fn split_lines(body: &[u8]) -> Vec<&[u8]> {
    #[derive(PartialEq)]
    enum State {
        Start,
        Comment,
        Key,
        Fields,
        String,
    }
    let mut lines = Vec::new();
    let mut state = State::Start;
    let mut start = 0;
    let mut index = 0;
    while index < body.len() {
        let byte = body[index];
        let previous = if index > start { body[index - 1] } else { 0 };
        let before = if index > start + 1 { body[index - 2] } else { 0 };
        if byte == b'\n' && state != State::String {
            lines.push(&body[start..index]);
            start = index + 1;
            state = State::Start;
        } else {
            state = match state {
                State::Start if is_blank(byte) => State::Start,
                State::Start if byte == b'#' => State::Comment,
                State::Start => State::Key,
                State::Key if byte == b' ' && previous != b'\\' => State::Fields,
                State::Fields if byte == b'"' && previous == b'=' && before != b'\\' => State::String,
                State::String if byte == b'\\' => {
                    index += 1;
                    State::String
                }
                State::String if byte == b'"' => State::Fields,
                same => same,
            };
        }
        index += 1;
    }
    if start < body.len() {
        lines.push(&body[start..]);
    }
    lines
}

/// The fields of a line in their order, unescaped.
type FieldList = Vec<(String, Value)>;

/// A well-formed line.
struct Line {
    point: Point,
    dropped: Option<DropReason>,
    is_stripped: bool,
}

/// The position of the first of these characters that no backslash precedes.
fn find_unescaped(text: &str, wanted: &[char]) -> Option<usize> {
    let mut previous = ' ';
    for (index, character) in text.char_indices() {
        if wanted.contains(&character) && previous != '\\' {
            return Some(index);
        }
        previous = character;
    }
    None
}

/// Splits at every unescaped comma.
fn split_unescaped_commas(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(comma) = find_unescaped(rest, &[',']) {
        parts.push(&rest[..comma]);
        rest = &rest[comma + 1..];
    }
    parts.push(rest);
    parts
}

/// Drops each backslash that one of these characters follows.
fn unescape(raw: &str, escapable: &[char]) -> String {
    let characters: Vec<char> = raw.chars().collect();
    let is_escape = |index: usize| {
        characters[index] == '\\' && characters.get(index + 1).is_some_and(|next| escapable.contains(next))
    };
    (0..characters.len()).filter(|&index| !is_escape(index)).map(|index| characters[index]).collect()
}

fn parse_line(line: &str, options: &ParseOptions) -> Result<Line, Cause> {
    let limits = &options.limits;
    let (key, rest) = match find_unescaped(line, &[' ']) {
        Some(space) => (&line[..space], Some(&line[space..])),
        None => (line, None),
    };
    if key.len() > limits.key_bytes {
        return Err(Cause::KeyTooLong { bytes: key.len(), limit: limits.key_bytes });
    }
    let (measurement, tags) = match find_unescaped(key, &[',']) {
        Some(comma) => (&key[..comma], Some(&key[comma + 1..])),
        None => (key, None),
    };
    if measurement.is_empty() {
        return Err(Cause::MissingMeasurement);
    }
    let tags = tags.map_or(Ok(Vec::new()), parse_tags)?;
    let rest = rest.ok_or(Cause::MissingFields)?;
    let tags = check_tags(tags)?;
    let rest = rest.trim_start_matches(|character: char| u8::try_from(character).is_ok_and(is_blank));
    if rest.is_empty() {
        return Err(Cause::MissingFields);
    }
    let measurement = unescape(measurement, &[',', ' ']);
    let (fields, rest) = parse_fields(rest, key.len(), options)?;
    let time_ns = parse_time(rest, options)?;
    if line.len() > limits.line_bytes {
        return Err(Cause::LineTooLong { bytes: line.len(), limit: limits.line_bytes });
    }

    let mut stored = BTreeMap::new();
    let mut dropped = None;
    let mut is_stripped = false;
    for (field, value) in fields {
        match &value {
            _ if field == "time" => is_stripped = true,
            Value::String(string) if string.len() > limits.string_bytes && dropped.is_none() => {
                dropped = Some(DropReason::StringTooLong {
                    measurement: measurement.clone(),
                    field,
                    bytes: string.len(),
                    limit: limits.string_bytes,
                });
            }
            _ => drop(stored.insert(field, value)),
        }
    }
    if stored.is_empty() && dropped.is_none() {
        dropped = Some(DropReason::OnlyFieldIsTime { measurement: measurement.clone() });
    }
    Ok(Line { point: Point { measurement, tags, fields: stored, time_ns }, dropped, is_stripped })
}

fn parse_tags(text: &str) -> Result<Vec<(String, String)>, Cause> {
    let mut tags = Vec::new();
    for tag in split_unescaped_commas(text) {
        if tag.is_empty() || tag.starts_with('=') {
            return Err(Cause::MissingTagKey);
        }
        let equals = find_unescaped(tag, &['=']).ok_or(Cause::MissingTagValue)?;
        let (key, value) = (&tag[..equals], &tag[equals + 1..]);
        if value.is_empty() {
            return Err(Cause::MissingTagValue);
        }
        if find_unescaped(value, &['=']).is_some() {
            return Err(Cause::InvalidTagFormat);
        }
        tags.push((unescape(key, &[',', ' ', '=']), unescape(value, &[',', ' ', '='])));
    }
    Ok(tags)
}

fn check_tags(tags: Vec<(String, String)>) -> Result<BTreeMap<String, String>, Cause> {
    if let Some((key, _)) = tags.iter().find(|(key, _)| ["_field", "_measurement", "time", "\0"].contains(&&**key)) {
        return Err(Cause::ReservedTagKey(key.clone()));
    }
    let count = tags.len();
    let tags: BTreeMap<String, String> = tags.into_iter().collect();
    if tags.len() == count { Ok(tags) } else { Err(Cause::DuplicateTags) }
}

/// Fields in the order of the line, and the rest of the line.
fn parse_fields<'a>(text: &'a str, key_bytes: usize, options: &ParseOptions) -> Result<(FieldList, &'a str), Cause> {
    let limit = options.limits.key_bytes;
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        if rest.starts_with('=') {
            return Err(Cause::MissingFieldKey);
        }
        let equals = find_unescaped(rest, &['=', ',', ' ']).ok_or(Cause::InvalidFieldFormat)?;
        if !rest[equals..].starts_with('=') {
            return Err(Cause::InvalidFieldFormat);
        }
        let raw_name = &rest[..equals];
        let bytes = key_bytes + 4 + raw_name.len();
        if bytes > limit {
            return Err(Cause::KeyTooLong { bytes, limit });
        }
        let (value, after) = parse_value(&rest[equals + 1..])?;
        fields.push((unescape(raw_name, &[',', ' ', '=']), value));
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok((fields, after)),
        }
    }
}

fn parse_value(text: &str) -> Result<(Value, &str), Cause> {
    if text.is_empty() || text.starts_with([',', ' ']) {
        return Err(Cause::MissingFieldValue);
    }
    if let Some(string) = text.strip_prefix('"') {
        return parse_string(string);
    }
    let end = text.find([',', ' ']).unwrap_or(text.len());
    let (token, rest) = text.split_at(end);
    let value = match token {
        "t" | "T" | "true" | "True" | "TRUE" => Value::Boolean(true),
        "f" | "F" | "false" | "False" | "FALSE" => Value::Boolean(false),
        _ if token.starts_with(|first: char| first.is_ascii_digit() || ".-Nn".contains(first)) => parse_number(token)?,
        _ => return Err(Cause::InvalidBoolean),
    };
    Ok((value, rest))
}

fn parse_string(text: &str) -> Result<(Value, &str), Cause> {
    let mut string = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => {
                let rest = &text[index + 1..];
                if !rest.is_empty() && !rest.starts_with([',', ' ']) {
                    return Err(Cause::TextAfterQuote);
                }
                return Ok((Value::String(string), rest));
            }
            '\\' => match characters.next() {
                Some((_, escaped @ ('"' | '\\'))) => string.push(escaped),
                Some((_, other)) => string.extend(['\\', other]),
                None => {}
            },
            other => string.push(other),
        }
    }
    Err(Cause::UnbalancedQuotes)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character.is_ascii_digit())
}

fn parse_number(token: &str) -> Result<Value, Cause> {
    if let Some(number) = token.strip_suffix('i')
        && is_digits(number.strip_prefix('-').unwrap_or(number))
    {
        let short = number.chars().take(128).collect();
        return number.parse().map(Value::Integer).map_err(|_| Cause::IntegerOutOfRange(short));
    }
    if let Some(number) = token.strip_suffix('u')
        && is_digits(number)
    {
        let short = number.chars().take(128).collect();
        return number.parse().map(Value::Unsigned).map_err(|_| Cause::UnsignedOutOfRange(short));
    }
    // InfluxDB looks at the letters first and then has the whole thing parsed.
    let mut points = 0;
    let mut letters = 0;
    let mut previous = ' ';
    for (index, character) in token.char_indices() {
        let allowed = match character {
            '-' if index == 0 => true,
            '+' | '-' => "eE".contains(previous),
            'e' | 'E' => index > 0,
            '.' => points == 0,
            digit => digit.is_ascii_digit(),
        };
        if !allowed {
            return Err(Cause::InvalidNumber);
        }
        points += usize::from(character == '.');
        letters += usize::from(character != '.' && !(character == '-' && index == 0));
        previous = character;
    }
    if letters == 0 {
        return Err(Cause::InvalidNumber);
    }
    let (mantissa, exponent) = match token.find(['e', 'E']) {
        Some(letter) => (&token[..letter], Some(&token[letter + 1..])),
        None => (token, None),
    };
    let mantissa_is_good = mantissa.contains(|character: char| character.is_ascii_digit());
    let exponent_is_good =
        exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    match token.parse::<f64>() {
        Ok(value) if mantissa_is_good && exponent_is_good && value.is_finite() => Ok(Value::Float(value)),
        _ => Err(Cause::InvalidFloat),
    }
}

fn parse_time(text: &str, options: &ParseOptions) -> Result<i64, Cause> {
    let text = text.trim_start_matches(|character: char| u8::try_from(character).is_ok_and(is_blank));
    if text.is_empty() {
        return Ok(options.precision.truncate(options.default_time_ns));
    }
    let end = text.find(' ').unwrap_or(text.len());
    let (token, rest) = text.split_at(end);
    let digits = token.strip_prefix('-').unwrap_or(token);
    if token == "-" {
        return Err(Cause::TimestampWithoutDigits);
    }
    if !is_digits(digits) {
        return Err(Cause::BadTimestamp);
    }
    let time: i64 = token.parse().map_err(|_| Cause::TimestampOutOfRange(token.chars().take(128).collect()))?;
    let time_ns = i128::from(time) * i128::from(options.precision.scale_ns(time));
    if time_ns.abs() > 9_223_372_036_854_775_806 {
        return Err(Cause::TimeOutOfRange);
    }
    if rest.chars().any(|character| character != ' ') {
        return Err(Cause::InvalidPoint);
    }
    Ok(time_ns as i64)
}

/// Reads a batch back into points, and checks on the way what a batch promises about itself.
pub(crate) fn outcome_of(batch: &Batch) -> Outcome {
    assert_eq!(batch.errors.len(), batch.error_count, "more errors than are reported");
    assert_eq!(batch.dropped.len(), batch.dropped_count);
    assert_eq!(batch.stripped.len(), batch.stripped_count);
    let mut outcome = Outcome::default();
    let mut measurements = BTreeSet::new();
    for table in &batch.tables {
        assert!(measurements.insert(table.measurement.as_str()), "two tables {:?}", table.measurement);
        check_table(table);
        for row in 0..table.row_count() {
            let previous = outcome.points.insert(table.lines[row], point_of(table, row));
            assert!(previous.is_none(), "two points of line {}", table.lines[row]);
        }
    }
    assert_eq!(outcome.points.len(), batch.point_count);
    outcome.errors = batch.errors.iter().map(|error| (error.line, error.cause.clone())).collect();
    assert_eq!(outcome.errors.len(), batch.error_count, "two errors of one line");
    outcome.dropped = batch.dropped.iter().map(|dropped| (dropped.line, dropped.reason.clone())).collect();
    outcome.stripped = batch.stripped.iter().map(|stripped| stripped.line).collect();
    outcome
}

/// Shapes, order, and that nothing is there which no row uses.
fn check_table(table: &TableBatch) {
    let rows = table.row_count();
    assert!(rows > 0, "a table without rows");
    assert_eq!((table.row_series.len(), table.lines.len()), (rows, rows));
    assert!(table.lines.is_sorted());
    let used: BTreeSet<u32> = table.row_series.iter().copied().collect();
    assert!(used.into_iter().eq(0..table.series.len() as u32), "a series without rows");
    let mut used_keys = BTreeSet::new();
    for series in 0..table.series.len() as u32 {
        let keys: Vec<u32> = table.series.tags(series).map(|(key, _)| key).collect();
        assert!(keys.is_sorted_by_key(|&key| table.tag_keys[key as usize].as_bytes()));
        used_keys.extend(keys);
    }
    assert!(used_keys.into_iter().eq(0..table.tag_keys.len() as u32), "a tag key without series");
    let mut names = BTreeSet::new();
    for field in &table.fields {
        assert!(names.insert((field.name.as_str(), field.kind())), "two columns {} {}", field.name, field.kind());
        assert_eq!((0..rows).find(|&row| field.is_valid(row)), Some(field.first_row as usize), "{}", field.name);
        check_presence(field, rows);
        if let FieldValues::String(strings) = &field.values {
            assert_eq!(strings.offsets.first(), Some(&0));
            assert_eq!(strings.offsets.last().map(|&end| end as usize), Some(strings.bytes.len()));
        }
    }
}

/// Whether the values lie as the presence says, and it is the one for so many values.
fn check_presence(field: &FieldColumn, rows: usize) {
    let present = (0..rows).filter(|&row| field.is_valid(row)).count();
    match &field.presence {
        Presence::All => assert_eq!((field.values.len(), present), (rows, rows), "{}", field.name),
        Presence::Bits(bits) => {
            assert_eq!((bits.len(), field.values.len()), (rows.div_ceil(8), rows), "{}", field.name);
            assert!((rows..bits.len() * 8).all(|row| !field.is_valid(row)), "bits behind the last row");
            assert!(present < rows && !Presence::is_sparse(present, rows), "{}", field.name);
        }
        Presence::Rows(given) => {
            assert_eq!((field.values.len(), present), (given.len(), given.len()), "{}", field.name);
            assert!(given.is_sorted_by(|left, right| left < right) && Presence::is_sparse(present, rows));
        }
    }
}

fn point_of(table: &TableBatch, row: usize) -> Point {
    let tags = table.series.tags(table.row_series[row]);
    let tags = tags.map(|(key, value)| (table.tag_keys[key as usize].clone(), value.to_owned())).collect();
    let mut fields = BTreeMap::new();
    for field in &table.fields {
        let Some(place) = field.presence.place(row, field.values.len()) else { continue };
        let value = match &field.values {
            FieldValues::Float(values) => Value::Float(values[place]),
            FieldValues::Integer(values) => Value::Integer(values[place]),
            FieldValues::Unsigned(values) => Value::Unsigned(values[place]),
            FieldValues::Boolean(values) => Value::Boolean(values[place]),
            FieldValues::String(values) => Value::String(values.value(place).to_owned()),
        };
        assert!(fields.insert(field.name.clone(), value).is_none(), "two values of {} in row {row}", field.name);
    }
    Point { measurement: table.measurement.clone(), tags, fields, time_ns: table.times[row] }
}

/// Parses a body both ways and compares everything.
pub(crate) fn assert_agrees(body: &[u8], options: &ParseOptions) {
    let batch = parse(body, options);
    let fast = outcome_of(&batch);
    let slow = parse_slowly(body, options);
    assert_eq!(fast, slow, "body: {:?}", String::from_utf8_lossy(body));
}

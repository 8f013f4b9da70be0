//! The parser proper: walks a body line by line and fills tables. The usual line costs one search for the end of its
//! key, one hash of the key, and for each field one comparison of its name with that of the line before and one
//! number. Everything else is in functions of their own.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use memchr::memchr;

use crate::batch::{Batch, FieldValues};
use crate::error::{Cause, DropReason, DroppedPoint, LineError, StrippedField};
use crate::key::{self, Fault, RawTag};
use crate::limits::{BODY_BYTES_MAX, Limits};
use crate::number;
use crate::precision::Precision;
use crate::table::{Mark, TableBuilder, hash_bytes};
use crate::utf8;
use crate::value::{self, Value, end_of_line};

/// What the bytes alone do not say.
#[derive(Debug, Clone, Copy)]
pub struct ParseOptions {
    /// Unit of the timestamps.
    pub precision: Precision,
    /// Time in nanoseconds for lines without timestamp; it is truncated to the precision.
    pub default_time_ns: i64,
    /// What a body may cost.
    pub limits: Limits,
}

/// Bytes that InfluxDB counts between a series key and a field key.
const FIELD_KEY_SEPARATOR_BYTES: usize = 4;

/// Times that InfluxDB accepts, in nanoseconds; the two outermost values of 64 bits mean "no limit" there.
const TIMES_NS: std::ops::RangeInclusive<i64> = i64::MIN + 2..=i64::MAX - 1;

/// The field key that would hide the time column.
const TIME_FIELD: &str = "time";

/// Body bytes for which one slot of the series map is allocated up front. Lines are shorter, but often many share a
/// series.
const BODY_BYTES_PER_SERIES: usize = 1_024;

/// Parses a body. Never fails: what cannot be read or stored is described in the batch.
///
/// Lines with a byte that is not UTF-8 are bad lines. A body of more than [`BODY_BYTES_MAX`] bytes is one bad line.
#[must_use]
pub fn parse(body: &[u8], options: &ParseOptions) -> Batch {
    if body.len() > BODY_BYTES_MAX {
        let cause = Cause::BodyTooLong {
            bytes: body.len(),
            limit: BODY_BYTES_MAX,
        };
        let error = LineError {
            line: 1,
            column: 1,
            cause,
            text: String::new(),
        };
        return Batch {
            errors: vec![error],
            error_count: 1,
            ..Batch::default()
        };
    }
    match simdutf8::basic::from_utf8(body) {
        Ok(text) => Parser::new(body, text, &[], options).run(),
        Err(_) => {
            let masked = utf8::mask(body);
            Parser::new(body, &masked.text, &masked.damaged, options).run()
        }
    }
}

/// A series that was seen before, by the bytes of its key.
#[derive(Debug, Clone, Copy)]
struct SeriesEntry {
    /// Hash of the key, kept so that the map can grow without the keys.
    hash: u64,
    /// Where the key starts in the body.
    start: u32,
    /// Length of the key.
    length: u32,
    /// Where the series is.
    place: SeriesPlace,
}

/// Where a series is.
#[derive(Debug, Clone, Copy)]
struct SeriesPlace {
    /// Index of its table.
    table: u32,
    /// Its index in the table.
    series: u32,
}

/// What is known about a key once it is resolved.
#[derive(Debug, Clone, Copy)]
struct Key {
    /// First byte.
    start: usize,
    /// The space behind it.
    end: usize,
    /// Hash of the bytes.
    hash: u64,
    /// Where its series is.
    place: SeriesPlace,
    /// What its table held before this line.
    mark: Mark,
    /// The series was added for this line.
    is_new: bool,
    /// The table was added for this line.
    is_new_table: bool,
}

/// The point under construction.
#[derive(Debug, Default)]
struct Point {
    /// Number of fields read so far, counting those that are not stored.
    fields: usize,
    /// Whether one of them is stored.
    is_stored: bool,
    /// Whether a field `time` was left out.
    is_stripped: bool,
    /// The first string that is too long: its field and length.
    too_long: Option<(String, usize)>,
}

/// One parse.
struct Parser<'a> {
    /// The body as it came, for quoting.
    body: &'a [u8],
    /// The body as text of the same length.
    text: &'a str,
    /// `text` as bytes.
    bytes: &'a [u8],
    /// Positions in the body that are not UTF-8 and not yet passed.
    damaged: &'a [u32],
    /// What a body may cost.
    limits: Limits,
    /// Cells that all tables together may have.
    cells_max: usize,
    /// Cells that all tables together have.
    cells: usize,
    /// Nanoseconds in a unit of time.
    scale_ns: i64,
    /// Time of lines without timestamp.
    default_time_ns: i64,
    /// For all maps.
    hasher: RandomState,
    /// The series by key.
    series: HashTable<SeriesEntry>,
    /// The tables by first appearance.
    tables: Vec<TableBuilder>,
    /// `tables` by raw measurement.
    table_index: HashTable<u32>,
    /// The table of the last new series.
    last_table: u32,
    /// The tags of the key that is being split.
    tags: Vec<RawTag>,
    /// Everything but the tables.
    batch: Batch,
}

impl<'a> Parser<'a> {
    /// A parser at the start of a body. `text` is the body with the bytes at `damaged` masked.
    fn new(body: &'a [u8], text: &'a str, damaged: &'a [u32], options: &ParseOptions) -> Self {
        Self {
            body,
            text,
            bytes: text.as_bytes(),
            damaged,
            limits: options.limits,
            cells_max: options.limits.cells.max(body.len()),
            cells: 0,
            scale_ns: options.precision.scale_ns(),
            default_time_ns: options.precision.truncate(options.default_time_ns),
            hasher: RandomState::default(),
            series: HashTable::with_capacity(body.len() / BODY_BYTES_PER_SERIES),
            tables: Vec::new(),
            table_index: HashTable::new(),
            last_table: 0,
            tags: Vec::new(),
            batch: Batch::default(),
        }
    }

    /// Parses all lines.
    fn run(mut self) -> Batch {
        let mut at = 0;
        let mut line = 0;
        while at < self.bytes.len() {
            line += 1;
            at = self.line(at, line);
        }
        self.batch.tables = self.tables.into_iter().map(TableBuilder::finish).collect();
        self.batch
    }

    /// Parses the line that starts at `start` and returns where the next one starts.
    #[inline(always)]
    fn line(&mut self, start: usize, line: u32) -> usize {
        let begin = key::skip_blanks(self.bytes, start);
        if !self.damaged.is_empty() {
            self.pass_damage(begin);
        }
        if let Some(next) = end_of_line(self.bytes, begin) {
            return next;
        }
        if self.bytes.get(begin) == Some(&b'#') {
            let rest = self.bytes.get(begin..).unwrap_or_default();
            return memchr(b'\n', rest).map_or(self.bytes.len(), |offset| begin + offset + 1);
        }
        match self.point(begin, line) {
            Ok(next) => next,
            Err(fault) => self.refuse(start, begin, line, fault),
        }
    }

    /// Forgets the damage before `begin`: it was in refused lines and in comments.
    #[cold]
    fn pass_damage(&mut self, begin: usize) {
        let passed = self.damaged.partition_point(|&position| (position as usize) < begin);
        self.damaged = self.damaged.get(passed..).unwrap_or_default();
    }

    /// Parses a point and returns where the next line starts. After an error the tables are as before.
    #[inline(always)]
    fn point(&mut self, begin: usize, line: u32) -> Result<usize, Fault> {
        let key = self.key(begin)?;
        let mut point = Point::default();
        let result = self.fields_and_time(key, &mut point);
        match result {
            Ok((time_ns, next)) if point.is_stored && point.too_long.is_none() => {
                self.keep(key, time_ns, line);
                if point.is_stripped {
                    self.report_stripped(key, line);
                }
                Ok(next)
            }
            Ok((_, next)) => {
                self.report_dropped(key, &point, line);
                self.roll_back(key, point.fields);
                Ok(next)
            }
            Err(fault) => {
                self.roll_back(key, point.fields);
                Err(fault)
            }
        }
    }

    /// Reads the key that starts at `begin` and finds its series, or adds it.
    #[inline(always)]
    fn key(&mut self, begin: usize) -> Result<Key, Fault> {
        let bytes = self.bytes;
        let end = key::key_end(bytes, begin);
        let raw = bytes.get(begin..end).unwrap_or_default();
        let hash = hash_bytes(&self.hasher, raw);
        let is_same = |entry: &SeriesEntry| {
            let start = entry.start as usize;
            entry.hash == hash && bytes.get(start..start + entry.length as usize) == Some(raw)
        };
        match self.series.find(hash, is_same) {
            // Only keys that a space follows are in the map; one at the end of its line still lacks fields.
            Some(entry) if bytes.get(end) == Some(&b' ') => {
                let place = entry.place;
                let mark = self
                    .tables
                    .get(place.table as usize)
                    .map(TableBuilder::mark)
                    .unwrap_or_default();
                Ok(Key {
                    start: begin,
                    end,
                    hash,
                    place,
                    mark,
                    is_new: false,
                    is_new_table: false,
                })
            }
            _ => self.new_key(begin, end, hash),
        }
    }

    /// Splits a key that was not seen before and adds its series.
    #[inline(never)]
    fn new_key(&mut self, begin: usize, end: usize, hash: u64) -> Result<Key, Fault> {
        let bytes = self.bytes;
        if end - begin > self.limits.key_bytes {
            let cause = Cause::KeyTooLong {
                bytes: end - begin,
                limit: self.limits.key_bytes,
            };
            return Err(Fault::new(begin, cause));
        }
        // At the end of a line the `\r` of a line break is not part of the key.
        let has_fields = bytes.get(end) == Some(&b' ');
        let end = if !has_fields && bytes.get(end.wrapping_sub(1)) == Some(&b'\r') {
            end - 1
        } else {
            end
        };
        let measurement_end = key::measurement_end(bytes, begin, end);
        if measurement_end == begin {
            return Err(Fault::new(begin, Cause::MissingMeasurement));
        }
        let raw_measurement = self.text.get(begin..measurement_end).unwrap_or_default();
        let (index, is_new_table) = self.table_of(raw_measurement);
        let mut tags = std::mem::take(&mut self.tags);
        let key = match self.tables.get_mut(index as usize) {
            Some(table) => {
                let mark = table.mark();
                let series = split_tags(bytes, measurement_end, end, table, &mut tags).and_then(|()| {
                    if !has_fields {
                        return Err(Fault::new(end, Cause::MissingFields));
                    }
                    table.add_series(self.text, &tags, &self.hasher)
                });
                let place = SeriesPlace {
                    table: index,
                    series: *series.as_ref().unwrap_or(&0),
                };
                let key = Key {
                    start: begin,
                    end,
                    hash,
                    place,
                    mark,
                    is_new: true,
                    is_new_table,
                };
                series.map(|_| key).map_err(|fault| (fault, key))
            }
            // `table_of` answers with a table that exists.
            None => return Err(Fault::new(begin, Cause::MissingMeasurement)),
        };
        self.tags = tags;
        key.map_err(|(fault, key)| {
            self.roll_back(key, 0);
            fault
        })
    }

    /// The table of a measurement, and whether it was added just now. A new table is not in the index yet.
    #[inline(always)]
    fn table_of(&mut self, raw_measurement: &str) -> (u32, bool) {
        let tables = &self.tables;
        let is_same = |index: u32| {
            tables
                .get(index as usize)
                .is_some_and(|table| *table.raw_measurement == *raw_measurement)
        };
        if is_same(self.last_table) {
            return (self.last_table, false);
        }
        let hash = hash_bytes(&self.hasher, raw_measurement.as_bytes());
        if let Some(&index) = self.table_index.find(hash, |&index| is_same(index)) {
            return (index, false);
        }
        let index = self.tables.len() as u32;
        self.tables.push(TableBuilder::new(raw_measurement));
        (index, true)
    }

    /// Reads what follows the key. Returns the time and where the next line starts; the values are in their columns.
    #[inline(always)]
    fn fields_and_time(&mut self, key: Key, point: &mut Point) -> Result<(i64, usize), Fault> {
        let at = key::skip_blanks(self.bytes, key.end);
        if end_of_line(self.bytes, at).is_some() {
            return Err(Fault::new(at, Cause::MissingFields));
        }
        let at = self.fields(key, at, point)?;
        let (time_ns, next) = self.time(at)?;
        let length = next - key.start;
        let is_damaged = self.damaged.first().is_some_and(|&position| (position as usize) < next);
        if length > self.limits.line_bytes || is_damaged || !self.has_room(key) {
            return Err(self.line_fault(key, next));
        }
        Ok((time_ns, next))
    }

    /// Reads the fields from `at` on and returns where they end.
    #[inline(always)]
    fn fields(&mut self, key: Key, mut at: usize, point: &mut Point) -> Result<usize, Fault> {
        let bytes = self.bytes;
        let key_bytes = key.end - key.start + FIELD_KEY_SEPARATOR_BYTES;
        loop {
            let fast = match self.tables.get_mut(key.place.table as usize) {
                Some(table) => fast_field(self.text, at, key_bytes, table, point.fields, &self.limits),
                None => None,
            };
            at = match fast {
                Some(end) => {
                    point.is_stored = true;
                    end
                }
                None => self.field(key, at, point)?,
            };
            point.fields += 1;
            if bytes.get(at) != Some(&b',') {
                return Ok(at);
            }
            at += 1;
        }
    }

    /// Reads one field of whatever name and type, and returns where it ends.
    #[inline(never)]
    fn field(&mut self, key: Key, at: usize, point: &mut Point) -> Result<usize, Fault> {
        let equals = self.field_key_end(at)?;
        let raw_name = self.text.get(at..equals).unwrap_or_default();
        let bytes = key.end - key.start + FIELD_KEY_SEPARATOR_BYTES + raw_name.len();
        if bytes > self.limits.key_bytes {
            return Err(Fault::new(
                at,
                Cause::KeyTooLong {
                    bytes,
                    limit: self.limits.key_bytes,
                },
            ));
        }
        let (value, end) = value::read(self.text, equals + 1)?;
        let cells_max = self.cells_left_for(key);
        let Some(table) = self.tables.get_mut(key.place.table as usize) else {
            return Ok(end);
        };
        if raw_name == TIME_FIELD {
            point.is_stripped = true;
            table.skip_field(point.fields);
            return Ok(end);
        }
        if let Value::String(raw) = value
            && raw.len() > self.limits.string_bytes
        {
            let length = value::unescape_string(raw).len();
            if length > self.limits.string_bytes {
                point
                    .too_long
                    .get_or_insert_with(|| (key::unescape_name(raw_name), length));
                table.skip_field(point.fields);
                return Ok(end);
            }
        }
        if !table.place(point.fields, raw_name, &value, cells_max, &self.hasher) {
            return Err(Fault::new(at, Cause::TooSparse { limit: self.cells_max }));
        }
        point.is_stored = true;
        Ok(end)
    }

    /// The unescaped `=` that ends the field key which starts at `at`.
    fn field_key_end(&self, at: usize) -> Result<usize, Fault> {
        let bytes = self.bytes;
        let mut end = at;
        loop {
            let escaped = end > at && bytes.get(end - 1) == Some(&b'\\');
            match bytes.get(end) {
                Some(b'=') if end == at => return Err(Fault::new(at, Cause::MissingFieldKey)),
                Some(b'=') if !escaped => return Ok(end),
                Some(b',' | b' ') if !escaped => return Err(Fault::new(end, Cause::InvalidFieldFormat)),
                None | Some(b'\n') => return Err(Fault::new(end, Cause::InvalidFieldFormat)),
                Some(_) => end += 1,
            }
        }
    }

    /// Reads the time, if there is one, and the end of the line. Returns the time and where the next line starts.
    #[inline(always)]
    fn time(&self, at: usize) -> Result<(i64, usize), Fault> {
        let bytes = self.bytes;
        let start = key::skip_blanks(bytes, at);
        if let Some(next) = end_of_line(bytes, start) {
            return Ok((self.default_time_ns, next));
        }
        let rest = bytes.get(start..).unwrap_or_default();
        let Some((time, used)) = number::decimal(rest) else {
            return Err(self.time_fault(start));
        };
        let Some(time_ns) = time
            .checked_mul(self.scale_ns)
            .filter(|time_ns| TIMES_NS.contains(time_ns))
        else {
            return Err(self.time_fault(start));
        };
        let mut end = start + used;
        if let Some(next) = end_of_line(bytes, end) {
            return Ok((time_ns, next));
        }
        while bytes.get(end) == Some(&b' ') {
            end += 1;
        }
        end_of_line(bytes, end)
            .map(|next| (time_ns, next))
            .ok_or_else(|| self.time_fault(start))
    }

    /// What is wrong with the rest of a line that begins with a bad time.
    #[cold]
    fn time_fault(&self, start: usize) -> Fault {
        let bytes = self.bytes;
        let mut end = start + usize::from(bytes.get(start) == Some(&b'-'));
        while bytes.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        if bytes.get(end) != Some(&b' ') && end_of_line(bytes, end).is_none() {
            return Fault::new(end, Cause::BadTimestamp);
        }
        let digits = self.text.get(start..end).unwrap_or_default();
        let cause = match number::decimal(digits.as_bytes()) {
            None if digits == "-" => Cause::TimestampWithoutDigits,
            None => Cause::TimestampOutOfRange(number::quoted_digits(digits)),
            Some((time, _)) => match time.checked_mul(self.scale_ns) {
                Some(time_ns) if TIMES_NS.contains(&time_ns) => {
                    let text = end + bytes.iter().skip(end).take_while(|&&byte| byte == b' ').count();
                    return Fault::new(text, Cause::InvalidPoint);
                }
                _ => Cause::TimeOutOfRange,
            },
        };
        Fault::new(start, cause)
    }

    /// Whether the row of this key may be added.
    #[inline(always)]
    fn has_room(&self, key: Key) -> bool {
        let table = self.tables.get(key.place.table as usize);
        table.is_some_and(|table| table.cells_with_row() <= self.cells_left_for(key))
    }

    /// The cells that the table of this key may have in all.
    #[inline(always)]
    fn cells_left_for(&self, key: Key) -> usize {
        let own = self.tables.get(key.place.table as usize).map_or(0, TableBuilder::cells);
        self.cells_max.saturating_sub(self.cells - own)
    }

    /// Why a line that ends right before `next` is refused although all its parts are well-formed.
    #[cold]
    fn line_fault(&self, key: Key, next: usize) -> Fault {
        let (bytes, limit) = (next - key.start, self.limits.line_bytes);
        if bytes > limit {
            return Fault::new(key.start + limit, Cause::LineTooLong { bytes, limit });
        }
        match self.damaged.first() {
            Some(&position) if (position as usize) < next => Fault::new(position as usize, Cause::InvalidUtf8),
            _ => Fault::new(key.start, Cause::TooSparse { limit: self.cells_max }),
        }
    }

    /// Adds the finished point.
    #[inline(always)]
    fn keep(&mut self, key: Key, time_ns: i64, line: u32) {
        let Some(table) = self.tables.get_mut(key.place.table as usize) else {
            return;
        };
        self.cells += table.finish_row(key.place.series, time_ns, line);
        self.batch.point_count += 1;
        if key.is_new {
            self.remember(key);
        }
    }

    /// Makes the series, and the table if that is new too, known to the lines that follow.
    #[inline(always)]
    fn remember(&mut self, key: Key) {
        let entry = SeriesEntry {
            hash: key.hash,
            start: key.start as u32,
            length: (key.end - key.start) as u32,
            place: key.place,
        };
        self.series.insert_unique(key.hash, entry, |entry| entry.hash);
        self.last_table = key.place.table;
        if key.is_new_table {
            let hash_of = |index: &u32| {
                let table = self.tables.get(*index as usize);
                table.map_or(0, |table| hash_bytes(&self.hasher, table.raw_measurement.as_bytes()))
            };
            self.table_index
                .insert_unique(hash_of(&key.place.table), key.place.table, hash_of);
        }
    }

    /// Takes back what the line of this key did after its first `touched` fields, and the one after them.
    #[cold]
    fn roll_back(&mut self, key: Key, touched: usize) {
        if key.is_new_table {
            self.tables.pop();
        } else if let Some(table) = self.tables.get_mut(key.place.table as usize) {
            table.roll_back(key.mark, touched + 1, &self.hasher);
        }
    }

    /// Notes a point that parses but cannot be stored.
    #[cold]
    fn report_dropped(&mut self, key: Key, point: &Point, line: u32) {
        self.batch.dropped_count += 1;
        if self.batch.dropped.len() < self.limits.reported_errors {
            let measurement = self.measurement_of(key);
            let reason = match &point.too_long {
                Some((field, bytes)) => DropReason::StringTooLong {
                    measurement,
                    field: field.clone(),
                    bytes: *bytes,
                    limit: self.limits.string_bytes,
                },
                None => DropReason::OnlyFieldIsTime { measurement },
            };
            self.batch.dropped.push(DroppedPoint { line, reason });
        }
    }

    /// Notes a point that lost its field `time`.
    #[cold]
    fn report_stripped(&mut self, key: Key, line: u32) {
        self.batch.stripped_count += 1;
        if self.batch.stripped.len() < self.limits.reported_errors {
            let measurement = self.measurement_of(key);
            self.batch.stripped.push(StrippedField { line, measurement });
        }
    }

    /// The measurement of a key, unescaped.
    fn measurement_of(&self, key: Key) -> String {
        self.tables
            .get(key.place.table as usize)
            .map(TableBuilder::measurement)
            .unwrap_or_default()
    }

    /// Notes a bad line and returns where the next one starts. `start` is where the line starts, `begin` where its
    /// leading blanks end.
    #[cold]
    fn refuse(&mut self, start: usize, begin: usize, line: u32, fault: Fault) -> usize {
        let next = line_break(self.bytes, begin);
        let mut fault = fault;
        // Whatever else may be wrong with a line, garbled bytes in it come first: they may be the reason.
        if let Some(&position) = self.damaged.first()
            && (position as usize) < next
        {
            fault = Fault {
                at: position as usize,
                cause: Cause::InvalidUtf8,
            };
        }
        self.batch.error_count += 1;
        if self.batch.errors.len() < self.limits.reported_errors {
            let text = self.quote(begin, next);
            let column = (fault.at - start + 1) as u32;
            self.batch.errors.push(LineError {
                line,
                column,
                cause: fault.cause,
                text,
            });
        }
        next
    }

    /// The line from `begin` to the break before `next`, for an error.
    fn quote(&self, begin: usize, next: usize) -> String {
        let line = self.body.get(begin..next).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let limit = self.limits.reported_line_bytes;
        if line.len() <= limit {
            return String::from_utf8_lossy(line).into_owned();
        }
        // Cut between characters of the masked text, which has the same positions.
        let end = self.text.floor_char_boundary(begin + limit);
        let cut = self.body.get(begin..end).unwrap_or_default();
        format!("{}…", String::from_utf8_lossy(cut))
    }
}

/// Splits the tags of the key that ends at `end`, the measurement of which ends at `at`.
#[inline(always)]
fn split_tags(
    bytes: &[u8],
    mut at: usize,
    end: usize,
    table: &TableBuilder,
    tags: &mut Vec<RawTag>,
) -> Result<(), Fault> {
    tags.clear();
    while at < end {
        let tag = key::raw_tag(bytes, at + 1, end, table.guess_tag(tags.len()))?;
        at = tag.value_end;
        tags.push(tag);
    }
    Ok(())
}

/// Reads the field at `at` if it has the name and type of the field at that position in the line before, and stores
/// its value. Returns where it ends; `None` if anything is unusual, in which case nothing has happened.
#[inline(always)]
fn fast_field(
    text: &str,
    at: usize,
    key_bytes: usize,
    table: &mut TableBuilder,
    position: usize,
    limits: &Limits,
) -> Option<usize> {
    let bytes = text.as_bytes();
    let row = table.rows();
    let column = table.guess(position)?;
    let rest = bytes.get(at..)?.strip_prefix(&*column.raw)?;
    if column.end() != row || key_bytes + column.raw.len() > limits.key_bytes {
        return None;
    }
    let start = at + column.raw.len();
    match &mut column.values {
        FieldValues::Integer(values) => {
            let (value, used) = number::integer(rest)?;
            ends_plainly(rest, used)?;
            values.push(value);
            Some(start + used)
        }
        FieldValues::Float(values) => {
            let (value, used) = number::float(rest)?;
            ends_plainly(rest, used)?;
            values.push(value);
            Some(start + used)
        }
        FieldValues::Boolean(values) => {
            let (value, used) = number::boolean(rest)?;
            ends_plainly(rest, used)?;
            values.push(value);
            Some(start + used)
        }
        FieldValues::Unsigned(values) => {
            let (value, used) = number::unsigned(rest)?;
            ends_plainly(rest, used)?;
            values.push(value);
            Some(start + used)
        }
        FieldValues::String(values) => {
            if rest.first() != Some(&b'"') {
                return None;
            }
            let length = memchr::memchr2(b'"', b'\\', rest.get(1..)?)?;
            let is_plain = rest.get(1 + length) == Some(&b'"') && length <= limits.string_bytes;
            ends_plainly(rest, length + 2).filter(|()| is_plain)?;
            values.push(text.get(start + 1..start + 1 + length)?);
            Some(start + length + 2)
        }
    }
}

/// Whether a value is followed by a comma, a space or a line feed.
#[inline(always)]
fn ends_plainly(bytes: &[u8], at: usize) -> Option<()> {
    matches!(bytes.get(at)?, b',' | b' ' | b'\n').then_some(())
}

/// Where the line after the bad one at `begin` starts: after the first line feed outside a string. A string can only
/// start right after an unescaped `=` behind the first unescaped space, so that a stray quote elsewhere does not
/// swallow the lines that follow.
#[cold]
fn line_break(bytes: &[u8], begin: usize) -> usize {
    let mut at = key::key_end(bytes, begin);
    while let Some(&byte) = bytes.get(at) {
        let previous = at.checked_sub(1).and_then(|previous| bytes.get(previous));
        if byte == b'\n' {
            return at + 1;
        }
        if byte == b'=' && previous != Some(&b'\\') && bytes.get(at + 1) == Some(&b'"') {
            match value::closing_quote(bytes, at + 1) {
                Some(quote) => at = quote,
                None => return bytes.len(),
            }
        }
        at += 1;
    }
    bytes.len()
}

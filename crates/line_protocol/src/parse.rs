//! The parser proper: walks a body line by line and fills tables. The usual line costs one search for the end of its
//! key, one hash of the key, and for each field one comparison of its name with that of the line before and one
//! number: `series` and `fields`. Everything else is in functions of their own, much of it in `report`.

mod fields;
mod report;
mod series;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use memchr::memchr;

use series::{Key, SeriesEntry};

use crate::batch::Batch;
use crate::error::{Cause, LineError};
use crate::key::{self, Fault, RawTag};
use crate::limits::{BODY_BYTES_MAX, Limits};
use crate::precision::Precision;
use crate::table::TableBuilder;
use crate::utf8;
use crate::value::end_of_line;

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

/// Body bytes for which one slot of the series map is allocated up front. Lines are shorter, but often many share a
/// series.
const BODY_BYTES_PER_SERIES: usize = 1_024;

/// Parses a body. Never fails: what cannot be read or stored is described in the batch.
///
/// Lines with a byte that is not UTF-8 are bad lines. A body of more than [`BODY_BYTES_MAX`] bytes is one bad line.
#[must_use]
pub fn parse(body: &[u8], options: &ParseOptions) -> Batch {
    if body.len() > BODY_BYTES_MAX {
        let cause = Cause::BodyTooLong { bytes: body.len(), limit: BODY_BYTES_MAX };
        let error = LineError { line: 1, column: 1, cause, text: String::new() };
        return Batch { errors: vec![error], error_count: 1, ..Batch::default() };
    }
    match simdutf8::basic::from_utf8(body) {
        Ok(text) => Parser::new(body, text, &[], options).run(),
        Err(_) => {
            let masked = utf8::mask(body);
            Parser::new(body, &masked.text, &masked.damaged, options).run()
        }
    }
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
    /// The unit of timestamps.
    precision: Precision,
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
            precision: options.precision,
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

    /// Reads what follows the key. Returns the time and where the next line starts; the values are in their columns.
    #[inline(always)]
    fn fields_and_time(&mut self, key: Key, point: &mut Point) -> Result<(i64, usize), Fault> {
        let at = key::skip_blanks(self.bytes, key.end);
        if end_of_line(self.bytes, at).is_some() {
            return Err(Fault::new(at, Cause::MissingFields));
        }
        let at = self.fields(key, at, point)?;
        let (time_ns, next) = self.time(at)?;
        let is_damaged = self.damaged.first().is_some_and(|&position| (position as usize) < next);
        if next - key.start > self.limits.line_bytes || is_damaged {
            self.check_line(key, next)?;
        }
        Ok((time_ns, next))
    }

    /// Refuses a line that ends right before `next` although all its parts are well-formed.
    #[cold]
    fn check_line(&self, key: Key, next: usize) -> Result<(), Fault> {
        let (bytes, limit) = (self.without_break(key.start, next).len(), self.limits.line_bytes);
        if bytes > limit {
            return Err(Fault::new(key.start + limit, Cause::LineTooLong { bytes, limit }));
        }
        match self.damaged.first() {
            Some(&position) if (position as usize) < next => Err(Fault::new(position as usize, Cause::InvalidUtf8)),
            _ => Ok(()),
        }
    }

    /// Adds the finished point.
    #[inline(always)]
    fn keep(&mut self, key: Key, time_ns: i64, line: u32) {
        let Some(table) = self.tables.get_mut(key.place.table as usize) else {
            return;
        };
        table.finish_row(key.place.series, time_ns, line);
        self.batch.point_count += 1;
        if key.is_new {
            self.remember(key);
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
}

//! What is told about lines that are not stored as they stand, and where the line after a bad one starts. All of it is
//! off the usual path.

use super::series::Key;
use super::{Parser, Point};
use crate::error::{Cause, DropReason, DroppedPoint, LineError, StrippedField};
use crate::key::{self, Fault};
use crate::table::TableBuilder;
use crate::value;

impl<'a> Parser<'a> {
    /// Notes a point that parses but cannot be stored.
    #[cold]
    pub(super) fn report_dropped(&mut self, key: Key, point: &Point, line: u32) {
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
    pub(super) fn report_stripped(&mut self, key: Key, line: u32) {
        self.batch.stripped_count += 1;
        if self.batch.stripped.len() < self.limits.reported_errors {
            let measurement = self.measurement_of(key);
            self.batch.stripped.push(StrippedField { line, measurement });
        }
    }

    /// The measurement of a key, unescaped.
    fn measurement_of(&self, key: Key) -> String {
        self.tables.get(key.place.table as usize).map(TableBuilder::measurement).unwrap_or_default()
    }

    /// Notes a bad line and returns where the next one starts. `start` is where the line starts, `begin` where its
    /// leading blanks end.
    #[cold]
    pub(super) fn refuse(&mut self, start: usize, begin: usize, line: u32, fault: Fault) -> usize {
        let next = line_break(self.bytes, begin);
        let mut fault = fault;
        // Whatever else may be wrong with a line, garbled bytes in it come first: they may be the reason.
        if let Some(&position) = self.damaged.first()
            && (position as usize) < next
        {
            fault = Fault { at: position as usize, cause: Cause::InvalidUtf8 };
        }
        self.batch.error_count += 1;
        if self.batch.errors.len() < self.limits.reported_errors {
            let text = self.quote(begin, next);
            let column = (fault.at - start + 1) as u32;
            self.batch.errors.push(LineError { line, column, cause: fault.cause, text });
        }
        next
    }

    /// The line from `begin` to the break before `next`, for an error.
    fn quote(&self, begin: usize, next: usize) -> String {
        let line = self.without_break(begin, next);
        let limit = self.limits.reported_line_bytes;
        if line.len() <= limit {
            return String::from_utf8_lossy(line).into_owned();
        }
        // Cut between characters of the masked text, which has the same positions.
        let end = self.text.floor_char_boundary(begin + limit);
        let cut = self.body.get(begin..end).unwrap_or_default();
        format!("{}…", String::from_utf8_lossy(cut))
    }

    /// The line from `begin` on without the break before `next`, as it came.
    pub(super) fn without_break(&self, begin: usize, next: usize) -> &'a [u8] {
        let line = self.body.get(begin..next).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    }
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

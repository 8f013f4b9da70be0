//! Reads line protocol and cuts it into batches of whole lines that know their numbers.
//!
//! Whether a line is good is the server's judgement; here only its end is found.

use std::borrow::Cow;
use std::io::{self, BufRead, Read as _};
use std::ops::Range;

use freshet_client::Lines;

use super::records::skip_lines;

/// Bytes of one line: sixteen strings of the size that the server takes. It bounds what a quote that is never closed
/// can swallow.
pub(crate) const LINE_BYTES_MAX: usize = 16 << 20;

/// Line feeds within the strings of one line. Looking for the line's end starts anew with each.
const LINE_FEEDS_MAX: usize = 10_000;

/// Bytes of a batch, so that one of very long lines is not larger than a server takes.
pub(crate) const BATCH_BYTES: usize = 1 << 20;

/// Why reading cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// The file or stream, or its compression.
    #[error("line {line}: cannot be read: {source}")]
    Read { line: u64, source: io::Error },
    /// No end of the line in sight.
    #[error("line {line}: longer than {bytes_max} bytes, or with a quote that is never closed")]
    Endless { line: u64, bytes_max: usize },
}

/// Consecutive lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    text: String,
    /// Of each line: its number, counted from 1, and where it ends in the text.
    lines: Vec<(u64, usize)>,
}

impl Batch {
    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Some of the lines, as text.
    pub(crate) fn text(&self, lines: Range<usize>) -> &str {
        self.text.get(self.end_of(lines.start)..self.end_of(lines.end)).unwrap_or_default()
    }

    /// The number of a line in its file.
    pub(crate) fn number(&self, line: usize) -> u64 {
        self.lines.get(line).map_or(0, |(number, _)| *number)
    }

    fn end_of(&self, count: usize) -> usize {
        count.checked_sub(1).and_then(|last| self.lines.get(last)).map_or(0, |(_, end)| *end)
    }

    /// Bytes of all lines.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The lines with a greater number.
    pub(crate) fn after(self, number: u64) -> Self {
        let first = self.lines.partition_point(|(line, _)| *line <= number);
        if first == 0 {
            return self;
        }
        let mut rest = Self::default();
        (first..self.len()).for_each(|line| rest.push(self.number(line), self.text(line..line + 1)));
        rest
    }

    /// Adds a line; its line feed may be missing.
    pub(crate) fn push(&mut self, number: u64, line: &str) {
        self.text.push_str(line);
        if !line.ends_with('\n') {
            self.text.push('\n');
        }
        self.lines.push((number, self.text.len()));
    }
}

/// What the reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Lines to send.
    Batch(Batch),
    /// A line that cannot be sent, with its text if it is one.
    Unreadable { line: u64, cause: Cow<'static, str>, text: Option<String> },
    /// Values of the lines up to this one that no line can hold; it comes before the batch of these lines.
    Refused { line: u64, count: u64, cause: String },
}

/// One file or stream.
pub(crate) struct Input {
    source: Box<dyn BufRead + Send>,
    batch_lines: usize,
    line_bytes_max: usize,
    /// Line feeds so far.
    line_feeds: u64,
    batch: Batch,
    /// Found behind the batch that was returned last.
    unreadable: Option<Piece>,
}

/// A line as it was found.
enum Line {
    Text { number: u64, text: String },
    NotUtf8 { number: u64 },
    End,
}

impl Input {
    pub(crate) fn new(source: Box<dyn BufRead + Send>, batch_lines: usize) -> Self {
        let (batch, line_bytes_max) = (Batch::default(), LINE_BYTES_MAX);
        Self { source, batch_lines, line_bytes_max, line_feeds: 0, batch, unreadable: None }
    }

    /// Sets the longest line.
    pub(crate) fn line_bytes_max(self, line_bytes_max: usize) -> Self {
        Self { line_bytes_max: line_bytes_max.min(LINE_BYTES_MAX), ..self }
    }

    /// Leaves out the first lines.
    pub(crate) fn skip_lines(&mut self, count: u64) -> Result<(), InputError> {
        skip_lines(&mut self.source, count, &mut self.line_feeds)
            .map_err(|source| InputError::Read { line: self.line_feeds + 1, source })
    }

    /// The next batch or the next line that cannot be sent; none at the end.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Piece>, InputError> {
        if let Some(piece) = self.unreadable.take() {
            return Ok(Some(piece));
        }
        loop {
            match self.next_line()? {
                Line::Text { number, text } => {
                    self.batch.push(number, &text);
                    if self.batch.len() >= self.batch_lines || self.batch.text.len() >= BATCH_BYTES {
                        return Ok(self.take_batch());
                    }
                }
                Line::NotUtf8 { number } => {
                    let piece = Piece::Unreadable { line: number, cause: "the line is not UTF-8".into(), text: None };
                    if self.batch.len() == 0 {
                        return Ok(Some(piece));
                    }
                    self.unreadable = Some(piece);
                    return Ok(self.take_batch());
                }
                Line::End => return Ok(self.take_batch()),
            }
        }
    }

    fn take_batch(&mut self) -> Option<Piece> {
        let batch = std::mem::take(&mut self.batch);
        (batch.len() > 0).then_some(Piece::Batch(batch))
    }

    /// The next line that is neither empty nor a comment. A line feed within a string does not end it.
    fn next_line(&mut self) -> Result<Line, InputError> {
        let mut text = String::new();
        let mut number = self.line_feeds + 1;
        let mut feeds = 0;
        loop {
            let mut bytes = Vec::new();
            let room = self.line_bytes_max.saturating_sub(text.len()) as u64;
            let read = self.source.by_ref().take(room).read_until(b'\n', &mut bytes);
            read.map_err(|source| InputError::Read { line: self.line_feeds + 1, source })?;
            let is_end = bytes.is_empty();
            let has_feed = bytes.last() == Some(&b'\n');
            self.line_feeds += u64::from(has_feed);
            let Ok(piece) = std::str::from_utf8(&bytes) else { return Ok(Line::NotUtf8 { number }) };
            if text.is_empty() {
                let start = piece.trim_start_matches([' ', '\t', '\0', '\r', '\n']);
                if is_end {
                    return Ok(Line::End);
                }
                if has_feed && (start.is_empty() || start.starts_with('#')) {
                    number = self.line_feeds + 1;
                    continue;
                }
                if start.is_empty() || start.starts_with('#') {
                    return Ok(Line::End);
                }
            }
            let may_end = text.is_empty() || piece.contains('"');
            text.push_str(piece);
            if is_end || (may_end && Lines::complete_length(&text) == text.len()) {
                return Ok(Line::Text { number, text });
            }
            feeds += 1;
            if feeds > LINE_FEEDS_MAX || text.len() >= self.line_bytes_max {
                return Err(InputError::Endless { line: number, bytes_max: self.line_bytes_max });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Write as _;

    use super::super::bytes::decompressed;
    use super::*;
    use crate::options::Compression;

    fn pieces(bytes: &[u8], batch_lines: usize) -> Vec<Vec<(u64, String)>> {
        let source = Box::new(io::Cursor::new(bytes.to_vec()));
        let mut input = Input::new(decompressed(source, Compression::Auto).unwrap(), batch_lines);
        let mut pieces = Vec::new();
        while let Some(piece) = input.next_piece().unwrap() {
            pieces.push(match piece {
                Piece::Batch(batch) => {
                    let lines = 0..batch.len();
                    lines.map(|line| (batch.number(line), batch.text(line..line + 1).to_owned())).collect()
                }
                Piece::Unreadable { line, cause, .. } => vec![(line, cause.into_owned())],
                Piece::Refused { line, cause, .. } => vec![(line, cause)],
            });
        }
        pieces
    }

    fn check(bytes: &[u8], expected: &[&[(u64, &str)]]) {
        let expected: Vec<Vec<(u64, String)>> = expected
            .iter()
            .map(|piece| piece.iter().map(|(line, text)| (*line, (*text).to_owned())).collect())
            .collect();
        assert_eq!(pieces(bytes, 2), expected, "{:?}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn lines_have_the_numbers_of_their_file() {
        check(b"", &[]);
        check(b"\n \n# only a comment", &[]);
        check(b"a f=1", &[&[(1, "a f=1\n")]]);
        check(b"\n# c\na f=1\n\nb f=2\n", &[&[(3, "a f=1\n"), (5, "b f=2\n")]]);
        check(b"a f=1\r\nb f=2\nc f=3", &[&[(1, "a f=1\r\n"), (2, "b f=2\n")], &[(3, "c f=3\n")]]);
    }

    #[test]
    fn a_line_feed_in_a_string_ends_no_line_but_counts() {
        check(b"a s=\"x\ny\nz\",f=1 5\nb f=2\n", &[&[(1, "a s=\"x\ny\nz\",f=1 5\n"), (4, "b f=2\n")]]);
        // A line whose quote is never closed goes to the server as it is.
        check(b"a s=\"x\ny\n", &[&[(1, "a s=\"x\ny\n")]]);
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named_between_its_neighbours() {
        check(
            b"a f=1\nb\xff f=1\nc f=1\n\xff\n",
            &[&[(1, "a f=1\n")], &[(2, "the line is not UTF-8")], &[(3, "c f=1\n")], &[(4, "the line is not UTF-8")]],
        );
    }

    #[test]
    fn gzip_is_recognised_with_all_its_members() {
        let mut bytes = Vec::new();
        for text in ["a f=1\nb f", "=2\n"] {
            let mut encoder = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap();
        }
        check(&bytes, &[&[(1, "a f=1\n"), (2, "b f=2\n")]]);
        bytes.truncate(bytes.len() - 3);
        let source = Box::new(io::Cursor::new(bytes));
        let mut input = Input::new(decompressed(source, Compression::Auto).unwrap(), 10);
        assert!(matches!(input.next_piece(), Err(InputError::Read { line: 3, .. })));
    }

    #[test]
    fn what_has_no_end_is_refused_within_its_bounds() {
        for (bytes, line) in [
            ("a f=1\n".to_owned() + &"x".repeat(LINE_BYTES_MAX + 1), 2),
            ("a s=\"x".to_owned() + &"\n".repeat(LINE_FEEDS_MAX + 2), 1),
        ] {
            let mut input = Input::new(Box::new(io::Cursor::new(bytes.into_bytes())), 10);
            assert!(matches!(input.next_piece(), Err(InputError::Endless { line: found, .. }) if found == line));
        }
    }
}

//! Lines on their way into a batch: finding their ends in raw text, and giving a time to those that have none.
//!
//! Only as much of the grammar is read as that needs; whether a line is good is the server's judgement.

use std::ops::Range;

use crate::point::Point;
use crate::write::Precision;

/// What servers skip around a line, and the carriage return of a foreign line end.
const BLANKS: [char; 4] = [' ', '\t', '\0', '\r'];

/// What a writer accepts: points, or raw line protocol of one or more lines.
///
/// Raw lines carry their times in the precision of the writer they go to.
///
/// ```
/// use freshet_client::{Lines, Point};
///
/// let from_text: Lines = "cpu,host=a usage=0.5\ncpu,host=b usage=0.7".into();
/// let from_point: Lines = Point::builder("cpu").field("usage", 0.5).build()?.into();
/// # Ok::<(), freshet_client::PointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines(Source);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Text(String),
    Points(Vec<Point>),
}

impl From<String> for Lines {
    fn from(text: String) -> Self {
        Self(Source::Text(text))
    }
}

impl From<&str> for Lines {
    fn from(text: &str) -> Self {
        Self(Source::Text(text.to_owned()))
    }
}

impl From<Point> for Lines {
    fn from(point: Point) -> Self {
        Self(Source::Points(vec![point]))
    }
}

impl From<&Point> for Lines {
    fn from(point: &Point) -> Self {
        Self(Source::Points(vec![point.clone()]))
    }
}

impl From<Vec<Point>> for Lines {
    fn from(points: Vec<Point>) -> Self {
        Self(Source::Points(points))
    }
}

impl Lines {
    /// The length of the part of `text` that consists of whole lines, for those who read a file or a stream piece by
    /// piece: the rest belongs in front of the next piece. A line feed inside a string ends no line, so a quote that
    /// is never closed makes the rest grow, which the caller has to bound.
    ///
    /// ```
    /// use freshet_client::Lines;
    ///
    /// let piece = "cpu usage=0.5 1\nlog text=\"first\nsec";
    /// assert_eq!(&piece[..Lines::complete_length(piece)], "cpu usage=0.5 1\n");
    /// ```
    #[must_use]
    pub fn complete_length(text: &str) -> usize {
        let mut complete = 0;
        while let Some(length) = first_line_length(&text[complete..]) {
            complete += length;
        }
        complete
    }
}

/// The length of the first line with its line feed, if it has one; it may be empty or a comment.
fn first_line_length(text: &str) -> Option<usize> {
    let line = text.trim_start_matches(BLANKS);
    let end = if line.starts_with('#') { line.find('\n')? } else { scan_line(line.as_bytes()).0 };
    (end < line.len()).then_some(text.len() - line.len() + end + 1)
}

/// How large one request may become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) lines: usize,
    pub(crate) bytes: usize,
}

impl Lines {
    /// The lines as blocks that each fit into one batch, every line with a time: its own or `now`, which is in units
    /// of `precision`. A line longer than a batch gets a block of its own.
    pub(crate) fn to_blocks(&self, precision: Precision, now: i64, limits: BatchLimits) -> Vec<LineBlock> {
        let mut blocks = Blocks { limits, done: Vec::new(), open: LineBlock::default() };
        let mut line = String::new();
        match &self.0 {
            Source::Text(text) => {
                for raw in LineScanner::new(text) {
                    line.clear();
                    line.push_str(raw.text);
                    if raw.lacks_timestamp {
                        line.push(' ');
                        line.push_str(&now.to_string());
                    }
                    blocks.push(&line);
                }
            }
            Source::Points(points) => {
                for point in points {
                    line.clear();
                    point.write_line(&mut line, precision, Some(now));
                    blocks.push(&line);
                }
            }
        }
        blocks.finish()
    }
}

/// Blocks under construction.
struct Blocks {
    limits: BatchLimits,
    done: Vec<LineBlock>,
    open: LineBlock,
}

impl Blocks {
    fn push(&mut self, line: &str) {
        if !self.open.has_room(1, line.len() + 1, self.limits) {
            self.done.push(std::mem::take(&mut self.open));
        }
        self.open.push(line);
    }

    fn finish(mut self) -> Vec<LineBlock> {
        if !self.open.is_empty() {
            self.done.push(self.open);
        }
        self.done
    }
}

/// Consecutive lines, each ended by a line feed, with the offsets of their ends.
///
/// The offsets are kept because a batch may have to be cut in two, and a line feed inside a string is no end.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct LineBlock {
    pub(crate) text: String,
    line_ends: Vec<usize>,
}

impl LineBlock {
    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.line_ends.push(self.text.len());
    }

    /// Puts another block's lines behind these.
    pub(crate) fn append(&mut self, other: &Self) {
        let offset = self.text.len();
        self.text.push_str(&other.text);
        self.line_ends.extend(other.line_ends.iter().map(|end| offset + end));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.line_ends.is_empty()
    }

    /// The number of lines.
    pub(crate) fn lines(&self) -> usize {
        self.line_ends.len()
    }

    /// Whether so much more fits; anything fits into an empty block.
    pub(crate) fn has_room(&self, lines: usize, bytes: usize, limits: BatchLimits) -> bool {
        self.is_empty() || (self.lines() + lines <= limits.lines && self.text.len() + bytes <= limits.bytes)
    }

    /// Whether no further line could fit.
    pub(crate) fn is_full(&self, limits: BatchLimits) -> bool {
        self.lines() >= limits.lines || self.text.len() >= limits.bytes
    }

    /// Where some of the lines stand in the text.
    pub(crate) fn byte_range(&self, lines: &Range<usize>) -> Range<usize> {
        let end_of = |count: usize| match count {
            0 => 0,
            _ => self.line_ends.get(count - 1).copied().unwrap_or(self.text.len()),
        };
        end_of(lines.start)..end_of(lines.end)
    }
}

/// One line of a raw text, without its line feed.
#[derive(Debug, PartialEq, Eq)]
struct RawLine<'a> {
    text: &'a str,
    /// The line has fields and nothing behind them. False for a line that cannot be read so far.
    lacks_timestamp: bool,
}

/// Walks over the lines of a text, leaving out empty lines and comments.
struct LineScanner<'a> {
    rest: &'a str,
}

impl<'a> LineScanner<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for LineScanner<'a> {
    type Item = RawLine<'a>;

    fn next(&mut self) -> Option<RawLine<'a>> {
        loop {
            // Servers skip blanks before a line, so empty lines vanish here as well.
            self.rest = self.rest.trim_start_matches([' ', '\t', '\0', '\r', '\n']);
            if self.rest.is_empty() {
                return None;
            }
            if self.rest.starts_with('#') {
                self.rest = self.rest.find('\n').map_or("", |end| &self.rest[end..]);
                continue;
            }
            let (length, lacks_timestamp) = scan_line(self.rest.as_bytes());
            let (text, rest) = self.rest.split_at(length);
            self.rest = rest;
            // The carriage return of a foreign line end would stand between the fields and the time.
            let text = text.trim_end_matches(BLANKS);
            return Some(RawLine { text, lacks_timestamp });
        }
    }
}

/// The part of a line that the scanner is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Measurement and tag set, up to the first space without a backslash.
    Series,
    /// Blanks between series and fields.
    Gap,
    FieldKey,
    /// A field's value outside quotes.
    FieldValue,
    /// A field's value inside quotes, where blanks and line feeds are data.
    Quoted,
    /// Behind the fields, only blanks so far.
    Trailer,
    Timestamp,
}

/// The length of the first line of `bytes` up to its line feed, and whether it has fields but no time.
fn scan_line(bytes: &[u8]) -> (usize, bool) {
    let mut part = Part::Series;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\n' && part != Part::Quoted {
            break;
        }
        if byte == b'\\' && escapes(part, bytes.get(at + 1).copied()) {
            at += 2;
            continue;
        }
        part = match (part, byte) {
            (Part::Series, b' ') => Part::Gap,
            (Part::Gap, b' ' | b'\t' | b'\0' | b'\r') => Part::Gap,
            (Part::Gap, _) => Part::FieldKey,
            (Part::FieldKey, b'=') => Part::FieldValue,
            (Part::FieldValue, b',') => Part::FieldKey,
            (Part::FieldValue, b'"') => Part::Quoted,
            (Part::Quoted, b'"') => Part::FieldValue,
            (Part::FieldKey | Part::FieldValue, b' ') => Part::Trailer,
            (Part::Trailer, b' ' | b'\t' | b'\0' | b'\r') => Part::Trailer,
            (Part::Trailer, _) => Part::Timestamp,
            (part, _) => part,
        };
        at += 1;
    }
    (at.min(bytes.len()), matches!(part, Part::FieldValue | Part::Trailer))
}

/// Whether a backslash takes the meaning from the byte behind it.
fn escapes(part: Part, next: Option<u8>) -> bool {
    match part {
        Part::Series | Part::Gap | Part::FieldKey => matches!(next, Some(b',' | b'=' | b' ')),
        Part::Quoted => matches!(next, Some(b'"' | b'\\')),
        Part::FieldValue | Part::Trailer | Part::Timestamp => false,
    }
}

#[cfg(test)]
mod tests;

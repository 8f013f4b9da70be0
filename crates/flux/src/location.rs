//! Places in a source text. Lines and columns count from 1; a column is a byte, as in InfluxDB's messages.

use std::fmt;

/// A place between two bytes of the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, counted from 1; 0 where the place is not known.
    pub line: u32,
    /// The byte in its line, counted from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// The part of the source that a node was read from; all zero for a node that was not read from text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Location {
    /// The first byte.
    pub start: Position,
    /// The byte behind the last one.
    pub end: Position,
}

impl Location {
    /// Whether the node was read from text.
    pub fn is_known(&self) -> bool {
        self.start.line > 0 && self.start.column > 0 && self.end.line > 0 && self.end.column > 0
    }

    /// Whether the node begins and ends on different lines.
    pub fn is_multiline(&self) -> bool {
        self.start.line != self.end.line
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.start, self.end)
    }
}

/// Finds the text of a location in a source.
#[derive(Debug)]
pub(crate) struct LineIndex<'a> {
    source: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        let behind_breaks = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(index, _)| index + 1);
        Self { source, line_starts: std::iter::once(0).chain(behind_breaks).collect() }
    }

    /// The text at this location; none if the source has no such place.
    pub(crate) fn text(&self, location: Location) -> Option<&'a str> {
        self.source.get(self.offset(location.start)?..self.offset(location.end)?)
    }

    fn offset(&self, position: Position) -> Option<usize> {
        let line = usize::try_from(position.line).ok()?.checked_sub(1)?;
        let column = usize::try_from(position.column).ok()?.checked_sub(1)?;
        self.line_starts.get(line)?.checked_add(column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, start: (u32, u32), end: (u32, u32), expected: Option<&str>) {
        let position = |(line, column)| Position { line, column };
        let location = Location { start: position(start), end: position(end) };
        assert_eq!(LineIndex::new(source).text(location), expected, "{location} of {source:?}");
    }

    #[test]
    fn text_of_a_location() {
        check("ab\ncd\n", (1, 1), (1, 3), Some("ab"));
        check("ab\ncd\n", (1, 2), (2, 2), Some("b\nc"));
        check("ab\ncd\n", (3, 1), (3, 1), Some(""));
        check("ä", (1, 1), (1, 3), Some("ä"));
        check("ä", (1, 2), (1, 3), None);
        check("ab", (1, 3), (1, 1), None);
        check("ab", (0, 0), (0, 0), None);
        check("ab", (9, 1), (9, 2), None);
    }
}

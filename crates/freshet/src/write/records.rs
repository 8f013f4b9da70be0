//! Records of CSV (RFC 4180), one after another in constant memory, each with its line; and of each cell whether it was
//! in quotation marks, which tells an empty text from none.

use std::io::{self, BufRead};

/// Bytes of one record; what is longer has a quotation mark that is never closed.
const RECORD_BYTES_MAX: usize = 16 << 20;

/// Why there is no next record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordError {
    #[error("line {line}: cannot be read: {source}")]
    Read { line: u64, source: io::Error },
    #[error("line {line}: longer than {} MiB, or with a quotation mark that is never closed", RECORD_BYTES_MAX >> 20)]
    Endless { line: u64 },
}

/// A cell of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) is_quoted: bool,
}

/// A record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Its cells; a line without anything has none.
    Cells(Vec<Cell>),
    /// It is not UTF-8.
    NotUtf8,
}

impl Record {
    /// Its cells; none if it is not UTF-8.
    pub(crate) fn cells(&self) -> Option<&[Cell]> {
        match self {
            Self::Cells(cells) => Some(cells),
            Self::NotUtf8 => None,
        }
    }
}

/// Reads records.
pub(crate) struct Records<R> {
    source: R,
    /// Line feeds so far.
    line_feeds: u64,
    delimiter: char,
    /// The record that was returned last, as it was read.
    text: String,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, line_feeds: 0, delimiter: ',', text: String::new() }
    }

    /// Leaves out the next lines.
    pub(crate) fn skip_lines(&mut self, count: u64) -> Result<(), RecordError> {
        skip_lines(&mut self.source, count, &mut self.line_feeds)
            .map_err(|source| RecordError::Read { line: self.line_feeds + 1, source })
    }

    /// What stands between the cells of the records to come.
    pub(crate) fn set_delimiter(&mut self, delimiter: char) {
        self.delimiter = delimiter;
    }

    /// What stands between cells.
    pub(crate) fn delimiter(&self) -> char {
        self.delimiter
    }

    /// The record that was returned last, as it was read, without its line end; empty if it is not UTF-8.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The next record and the number of its first line, from 1; none at the end. A first line `sep=;` says what stands
    /// between cells.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Record)>, RecordError> {
        let Some((line, record)) = self.read()? else { return Ok(None) };
        let mut rest = self.text.strip_prefix("sep=").map(str::chars).filter(|_| line == 1);
        if let Some((delimiter, None)) = rest.as_mut().and_then(|rest| Some((rest.next()?, rest.next()))) {
            self.delimiter = delimiter;
            return self.read();
        }
        Ok(Some((line, record)))
    }

    fn read(&mut self) -> Result<Option<(u64, Record)>, RecordError> {
        let line = self.line_feeds + 1;
        let mut bytes = Vec::new();
        let mut quotes = 0_usize;
        loop {
            let before = bytes.len();
            let room = (RECORD_BYTES_MAX - before) as u64;
            let read = io::Read::take(&mut self.source, room).read_until(b'\n', &mut bytes);
            read.map_err(|source| RecordError::Read { line: self.line_feeds + 1, source })?;
            let piece = bytes.get(before..).unwrap_or_default();
            quotes += piece.iter().filter(|byte| **byte == b'"').count();
            let is_end = !piece.ends_with(b"\n");
            self.line_feeds += u64::from(!is_end);
            if bytes.is_empty() {
                return Ok(None);
            }
            if bytes.len() >= RECORD_BYTES_MAX {
                return Err(RecordError::Endless { line });
            }
            // Within quotation marks a line break is part of the text.
            if is_end || quotes.is_multiple_of(2) {
                break;
            }
        }
        self.text.clear();
        let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(Some((line, Record::NotUtf8))) };
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let text = if line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        self.text.push_str(text);
        Ok(Some((line, Record::Cells(cells(text, self.delimiter)))))
    }
}

/// Leaves out lines of a stream, and counts them.
pub(crate) fn skip_lines(source: &mut impl BufRead, count: u64, line_feeds: &mut u64) -> io::Result<()> {
    for _ in 0..count {
        if source.skip_until(b'\n')? == 0 {
            break;
        }
        *line_feeds += 1;
    }
    Ok(())
}

fn cells(text: &str, delimiter: char) -> Vec<Cell> {
    let mut cells = Vec::new();
    if text.is_empty() {
        return cells;
    }
    let mut rest = text;
    loop {
        let mut cell = Cell::default();
        if let Some(quoted) = rest.strip_prefix('"') {
            cell.is_quoted = true;
            rest = quoted;
            loop {
                let Some((before, after)) = rest.split_once('"') else {
                    cell.text.push_str(rest);
                    rest = "";
                    break;
                };
                cell.text.push_str(before);
                match after.strip_prefix('"') {
                    Some(after) => {
                        cell.text.push('"');
                        rest = after;
                    }
                    None => {
                        rest = after;
                        break;
                    }
                }
            }
        }
        let end = rest.find(delimiter).unwrap_or(rest.len());
        cell.text.push_str(rest.get(..end).unwrap_or_default());
        cells.push(cell);
        match rest.get(end + delimiter.len_utf8()..) {
            Some(after) => rest = after,
            None => return cells,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn all(text: &[u8]) -> Vec<(u64, Vec<String>)> {
        let mut records = Records::new(text);
        let mut found = Vec::new();
        while let Some((line, record)) = records.next().unwrap() {
            let Record::Cells(cells) = record else {
                found.push((line, vec!["not UTF-8".to_owned()]));
                continue;
            };
            let cell = |cell: Cell| if cell.is_quoted { format!("\"{}\"", cell.text) } else { cell.text };
            found.push((line, cells.into_iter().map(cell).collect()));
        }
        found
    }

    #[test]
    fn records_and_cells() {
        /// The line where a record begins, and its cells.
        type Record = (u64, &'static [&'static str]);
        let cases: &[(&str, &[Record])] = &[
            ("", &[]),
            ("a,b\n", &[(1, &["a", "b"])]),
            (
                "a,,\"\"\r\n\r\n\"x\"\"y\",\"1\n2\",\n",
                &[(1, &["a", "", "\"\""]), (2, &[]), (3, &["\"x\"y\"", "\"1\n2\"", ""])],
            ),
            ("\u{feff}a", &[(1, &["a"])]),
            ("\"a\nb\"\nc", &[(1, &["\"a\nb\""]), (3, &["c"])]),
        ];
        for (text, expected) in cases {
            let expected: Vec<(u64, Vec<String>)> = expected
                .iter()
                .map(|(line, cells)| (*line, cells.iter().map(|cell| (*cell).to_owned()).collect()))
                .collect();
            assert_eq!(all(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(all(b"a\n\xff\nb")[1], (2, vec!["not UTF-8".to_owned()]));
        let endless = format!("\"{}", "x\n".repeat(RECORD_BYTES_MAX / 2 + 1));
        assert!(matches!(Records::new(endless.as_bytes()).next(), Err(RecordError::Endless { line: 1 })));
    }
}

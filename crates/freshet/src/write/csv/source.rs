//! A stream of CSV, in batches of lines that know the numbers of their records.

use std::io::BufRead;

use super::super::input::{BATCH_BYTES, Batch, Piece};
use super::super::records::{Cell, Record, RecordError, Records};
use super::{AnnotatedCsv, CsvOptions};

/// One file or stream.
pub(crate) struct CsvSource {
    records: Records<Box<dyn BufRead + Send>>,
    csv: AnnotatedCsv,
    batch_lines: usize,
    /// Whether the columns of each block are told on standard error.
    tells_columns: bool,
    waiting: Option<Piece>,
}

impl CsvSource {
    pub(crate) fn new(source: Box<dyn BufRead + Send>, options: CsvOptions, batch_lines: usize) -> Self {
        let (records, csv) = (Records::new(source), AnnotatedCsv::new(options));
        Self { records, csv, batch_lines, tells_columns: false, waiting: None }
    }

    /// Leaves out the first lines of the stream.
    pub(crate) fn skip_lines(&mut self, count: u64) -> Result<(), RecordError> {
        self.records.skip_lines(count)
    }

    /// Reads records before those of the stream.
    pub(crate) fn put_in_front(&mut self, headers: &[String]) -> Result<(), RecordError> {
        let mut waiting = Batch::default();
        let text = headers.join("\n");
        let mut records = Records::new(text.as_bytes());
        while let Some((number, record)) = records.next()? {
            match self.take(&record) {
                Ok(line) => line.iter().for_each(|line| waiting.push(0, line)),
                Err(cause) => {
                    let cause = format!("--header {number}: {cause}");
                    self.waiting = Some(Piece::Unreadable { line: 0, cause: cause.into(), text: None });
                }
            }
        }
        self.records.set_delimiter(records.delimiter());
        if waiting.len() > 0 && self.waiting.is_none() {
            self.waiting = Some(Piece::Batch(waiting));
        }
        Ok(())
    }

    /// Tells the columns of each block on standard error.
    pub(crate) fn tell_columns(&mut self) {
        self.tells_columns = true;
    }

    fn take(&mut self, record: &Record) -> Result<Option<String>, String> {
        let cells: &[Cell] = match record {
            Record::Cells(cells) => cells,
            Record::NotUtf8 => return Err("the line is not UTF-8".to_owned()),
        };
        let had_names = self.csv.has_names();
        let taken = self.csv.take(cells);
        if self.tells_columns && !had_names && self.csv.has_names() {
            eprintln!("{}", self.csv.describe());
        }
        taken
    }

    /// The next batch or the next record that is no point; none at the end.
    pub(crate) fn next_piece(&mut self) -> Result<Option<Piece>, RecordError> {
        if let Some(piece) = self.waiting.take() {
            return Ok(Some(piece));
        }
        let mut batch = Batch::default();
        while let Some((number, record)) = self.records.next()? {
            match self.take(&record) {
                Ok(line) => line.iter().for_each(|line| batch.push(number, line)),
                Err(cause) => {
                    let text = Some(self.records.text().to_owned());
                    let piece = Piece::Unreadable { line: number, cause: cause.into(), text };
                    if batch.len() == 0 {
                        return Ok(Some(piece));
                    }
                    self.waiting = Some(piece);
                    break;
                }
            }
            if batch.len() >= self.batch_lines || batch.bytes() >= BATCH_BYTES {
                break;
            }
        }
        Ok((batch.len() > 0).then_some(Piece::Batch(batch)))
    }
}

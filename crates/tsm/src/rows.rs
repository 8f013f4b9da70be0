//! The rows of a shard: series by series in the order of keys, in each of them times ascending, and then the log.
//!
//! A block is decoded when its turn comes. So what is in memory are the blocks of one series that overlap: of each
//! field one from each file.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use crate::error::{Damage, ReadError};
use crate::file::{BlockEntry, IndexCursor, TsmFile};
use crate::key::split_key;
use crate::shard::{Shard, Source, Tombstones};
use crate::value::{Value, ValueType, Values};
use crate::wal::{WalEntry, WalSegment, WalValue};

/// No more times. No point has this one: blocks with it are refused.
const END: i64 = i64::MAX;

/// Values of one series and time.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The series as in keys.
    pub series: &'a [u8],
    /// In nanoseconds.
    pub time: i64,
    place: Place<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    Files { fields: &'a [FieldCursor], chosen: &'a [usize] },
    Log { bytes: &'a [u8], values: &'a [WalValue] },
}

impl<'a> Row<'a> {
    /// Its fields and their values.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> + use<'a> {
        let place = self.place;
        let count = match place {
            Place::Files { chosen, .. } => chosen.len(),
            Place::Log { values, .. } => values.len(),
        };
        (0..count).filter_map(move |index| match place {
            Place::Files { fields, chosen } => {
                let field = fields.get(*chosen.get(index)?)?;
                Some((field.name.as_slice(), field.value()?))
            }
            Place::Log { bytes, values } => {
                let value = values.get(index)?;
                let (_, field) = split_key(value.key(bytes))?;
                Some((field, value.value(bytes)))
            }
        })
    }
}

/// Gives rows, one at a time.
pub struct Rows {
    sources: Vec<Source>,
    indexes: Vec<IndexCursor>,
    errors: VecDeque<ReadError>,
    series: Vec<u8>,
    fields: Vec<FieldCursor>,
    /// The next time of each field, or [`END`].
    next_times: Vec<i64>,
    /// Fields of the row that was given last.
    chosen: Vec<usize>,
    log: Log,
}

/// What comes next.
enum Step {
    Error(ReadError),
    FileRow(i64),
    LogRow(Range<usize>),
    End,
}

impl Rows {
    pub(crate) fn new(shard: Shard) -> Self {
        let mut rows = Self {
            indexes: Vec::new(),
            errors: shard.errors.into(),
            series: Vec::new(),
            fields: Vec::new(),
            next_times: Vec::new(),
            chosen: Vec::new(),
            log: Log::new(shard.wal),
            sources: shard.sources,
        };
        for source in &rows.sources {
            let mut index = source.file.index();
            advance(&mut index, &mut rows.errors);
            rows.indexes.push(index);
        }
        rows
    }

    /// The next row, or what could not be read; behind it, reading goes on.
    #[expect(clippy::should_implement_trait, reason = "a row lends what the reader holds, which no iterator can")]
    pub fn next(&mut self) -> Option<Result<Row<'_>, ReadError>> {
        match self.step() {
            Step::End => None,
            Step::Error(error) => Some(Err(error)),
            Step::FileRow(time) => {
                let place = Place::Files { fields: &self.fields, chosen: &self.chosen };
                Some(Ok(Row { series: &self.series, time, place }))
            }
            Step::LogRow(range) => {
                let values = self.log.values.get(range)?;
                let first = values.first()?;
                let (series, _) = split_key(first.key(&self.log.bytes))?;
                Some(Ok(Row { series, time: first.time, place: Place::Log { bytes: &self.log.bytes, values } }))
            }
        }
    }

    fn step(&mut self) -> Step {
        for chosen in std::mem::take(&mut self.chosen) {
            if let (Some(field), Some(time)) = (self.fields.get_mut(chosen), self.next_times.get_mut(chosen)) {
                *time = field.advance(&self.sources, &mut self.errors);
            }
        }
        loop {
            if let Some(error) = self.errors.pop_front() {
                return Step::Error(error);
            }
            let time = self.next_times.iter().copied().min().unwrap_or(END);
            if time != END {
                let chosen = self.next_times.iter().enumerate().filter(|(_, next)| **next == time);
                self.chosen.extend(chosen.map(|(index, _)| index));
                return Step::FileRow(time);
            }
            if !self.next_series() {
                return self.log.step(&mut self.errors);
            }
        }
    }

    /// Opens the fields of the series with the smallest key.
    fn next_series(&mut self) -> bool {
        self.fields.clear();
        self.next_times.clear();
        let smallest = self.indexes.iter().enumerate().filter(|(_, index)| !index.key().is_empty());
        let Some((first, index)) = smallest.min_by_key(|(_, index)| index.key()) else { return false };
        let Some((series, _)) = split_key(index.key()) else {
            let path = self.sources.get(first).map(|source| source.file.path().to_owned()).unwrap_or_default();
            self.errors.push_back(ReadError::damaged(&path, index.offset(), Damage::Key));
            if let Some(index) = self.indexes.get_mut(first) {
                advance(index, &mut self.errors);
            }
            return true;
        };
        self.series.clear();
        self.series.extend_from_slice(series);
        for (source, index) in self.indexes.iter_mut().enumerate() {
            // All fields of a series stand together, and mostly in the same order in all files.
            let mut expected = 0;
            while let Some((series, field)) = split_key(index.key())
                && series == self.series
            {
                let is_same = |cursor: &FieldCursor| cursor.name == field;
                let place = match self.fields.get(expected) {
                    Some(cursor) if is_same(cursor) => expected,
                    _ => self.fields.iter().position(is_same).unwrap_or_else(|| {
                        self.fields.push(FieldCursor { name: field.to_vec(), runs: Vec::new(), winner: 0 });
                        self.fields.len() - 1
                    }),
                };
                expected = place + 1;
                let tombstones = self.sources.get(source).map(|source| &source.tombstones);
                if let Some(cursor) = self.fields.get_mut(place) {
                    cursor.add(source, index, tombstones);
                }
                advance(index, &mut self.errors);
            }
        }
        for field in &mut self.fields {
            self.next_times.push(field.open(&self.sources, &mut self.errors));
        }
        true
    }
}

fn advance(index: &mut IndexCursor, errors: &mut VecDeque<ReadError>) {
    if let Err(error) = index.advance() {
        errors.push_back(error);
    }
}

/// The values of one field of a series, merged from all files.
#[derive(Debug)]
struct FieldCursor {
    name: Vec<u8>,
    /// Those of later files stand behind, and win.
    runs: Vec<Run>,
    /// The run that has the value of the next time.
    winner: usize,
}

impl FieldCursor {
    /// Takes the blocks of a file, in runs that do not overlap.
    fn add(&mut self, source: usize, index: &IndexCursor, tombstones: Option<&Tombstones>) {
        let deleted = tombstones.map(|tombstones| tombstones.of(index.key())).unwrap_or_default();
        let mut last_time = None;
        for entry in index.entries() {
            if last_time.is_none_or(|last| entry.min_time <= last) {
                self.runs.push(Run::new(source, index.value_type(), deleted.clone()));
            }
            last_time = Some(entry.max_time);
            if let Some(run) = self.runs.last_mut() {
                run.entries.push_back(*entry);
            }
        }
    }

    fn open(&mut self, sources: &[Source], errors: &mut VecDeque<ReadError>) -> i64 {
        self.runs.iter_mut().for_each(|run| run.fill(sources, errors));
        self.choose()
    }

    /// Goes behind the current time and returns the next.
    fn advance(&mut self, sources: &[Source], errors: &mut VecDeque<ReadError>) -> i64 {
        let time = self.runs.get(self.winner).map_or(END, Run::time);
        for run in &mut self.runs {
            if run.time() == time {
                run.at += 1;
                run.fill(sources, errors);
            }
        }
        self.choose()
    }

    fn choose(&mut self) -> i64 {
        let mut time = END;
        for (index, run) in self.runs.iter().enumerate() {
            if run.time() <= time {
                (time, self.winner) = (run.time(), index);
            }
        }
        time
    }

    fn value(&self) -> Option<Value<'_>> {
        let run = self.runs.get(self.winner)?;
        run.values.get(run.at)
    }
}

/// Blocks of a field in one file that follow each other.
#[derive(Debug)]
struct Run {
    source: usize,
    value_type: ValueType,
    deleted: Vec<(i64, i64)>,
    entries: VecDeque<BlockEntry>,
    bytes: Vec<u8>,
    times: Vec<i64>,
    values: Values,
    at: usize,
}

impl Run {
    fn new(source: usize, value_type: ValueType, deleted: Vec<(i64, i64)>) -> Self {
        Self {
            source,
            value_type,
            deleted,
            entries: VecDeque::new(),
            bytes: Vec::new(),
            times: Vec::new(),
            values: Values::Float(Vec::new()),
            at: 0,
        }
    }

    fn time(&self) -> i64 {
        self.times.get(self.at).copied().unwrap_or(END)
    }

    fn is_deleted(&self, min_time: i64, max_time: i64) -> bool {
        self.deleted.iter().any(|(min, max)| *min <= min_time && max_time <= *max)
    }

    /// Goes to the next value that is not deleted, and reads blocks for it.
    fn fill(&mut self, sources: &[Source], errors: &mut VecDeque<ReadError>) {
        loop {
            while let Some(time) = self.times.get(self.at) {
                if self.deleted.is_empty() || !self.is_deleted(*time, *time) {
                    return;
                }
                self.at += 1;
            }
            self.at = 0;
            self.times.clear();
            let Some(entry) = self.entries.pop_front() else { return };
            let Some(source) = sources.get(self.source) else { return };
            if self.is_deleted(entry.min_time, entry.max_time) {
                continue;
            }
            if let Err(error) = self.read(&source.file, &entry) {
                self.times.clear();
                errors.push_back(error);
            }
        }
    }

    fn read(&mut self, file: &TsmFile, entry: &BlockEntry) -> Result<(), ReadError> {
        file.read_block(entry, self.value_type, &mut self.bytes, &mut self.times, &mut self.values)
    }
}

/// The write-ahead log, entry by entry.
struct Log {
    segments: VecDeque<std::path::PathBuf>,
    open: Option<WalSegment>,
    /// Of each key that was deleted: behind which entry, and what times.
    deletes: HashMap<Vec<u8>, Vec<(u64, i64, i64)>>,
    /// How many entries were read.
    entry: u64,
    bytes: Vec<u8>,
    /// By series and time.
    values: Vec<WalValue>,
    at: usize,
}

impl Log {
    fn new(segments: Vec<std::path::PathBuf>) -> Self {
        let mut log = Self {
            segments: segments.into(),
            open: None,
            deletes: HashMap::new(),
            entry: 0,
            bytes: Vec::new(),
            values: Vec::new(),
            at: 0,
        };
        // Once for the deletions, which mean what stands before them; errors are met again.
        let segments = log.segments.clone();
        while let Some(entry) = log.next_entry(&mut VecDeque::new()) {
            let WalEntry::Delete { keys, min_time, max_time } = entry else { continue };
            for key in keys {
                log.deletes.entry(key).or_default().push((log.entry, min_time, max_time));
            }
        }
        (log.segments, log.open, log.entry) = (segments, None, 0);
        log
    }

    fn next_entry(&mut self, errors: &mut VecDeque<ReadError>) -> Option<WalEntry> {
        loop {
            if let Some(segment) = &mut self.open {
                match segment.next_entry() {
                    Ok(Some(entry)) => {
                        self.entry += 1;
                        return Some(entry);
                    }
                    Ok(None) => self.open = None,
                    Err(error) => errors.push_back(error),
                }
                continue;
            }
            match WalSegment::open(&self.segments.pop_front()?) {
                Ok(segment) => self.open = Some(segment),
                Err(error) => errors.push_back(error),
            }
        }
    }

    fn step(&mut self, errors: &mut VecDeque<ReadError>) -> Step {
        while self.at >= self.values.len() {
            let entry = self.next_entry(errors);
            if let Some(error) = errors.pop_front() {
                if let Some(entry) = entry {
                    self.take(entry, errors);
                }
                return Step::Error(error);
            }
            match entry {
                Some(entry) => self.take(entry, errors),
                None => return Step::End,
            }
        }
        let start = self.at;
        let (series, time) = self.place(start);
        let is_same = |index: &usize| self.place(*index) == (series, time);
        let end = (start..self.values.len()).take_while(is_same).last().map_or(start, |last| last) + 1;
        self.at = end;
        Step::LogRow(start..end)
    }

    fn place(&self, index: usize) -> (&[u8], i64) {
        let Some(value) = self.values.get(index) else { return (&[], END) };
        (split_key(value.key(&self.bytes)).map(|(series, _)| series).unwrap_or_default(), value.time)
    }

    /// Puts the values of a write in order, without those that were deleted or written again in the same entry.
    fn take(&mut self, entry: WalEntry, errors: &mut VecDeque<ReadError>) {
        let WalEntry::Write { bytes, values } = entry else { return };
        let is_kept = |value: &WalValue| {
            let deletes = self.deletes.get(value.key(&bytes));
            let means =
                |delete: &(u64, i64, i64)| delete.0 > self.entry && delete.1 <= value.time && value.time <= delete.2;
            !deletes.is_some_and(|deletes| deletes.iter().any(means))
        };
        let (mut kept, mut without_field) = (Vec::with_capacity(values.len()), false);
        for value in values {
            if value.time == END || split_key(value.key(&bytes)).is_none() {
                without_field = true;
            } else if is_kept(&value) {
                kept.push(value);
            }
        }
        if without_field && let Some(segment) = &self.open {
            errors.push_back(ReadError::damaged(segment.path(), segment.offset(), Damage::Key));
        }
        let order = |value: &WalValue| {
            let (series, field) = split_key(value.key(&bytes)).unwrap_or_default();
            (series.to_vec(), value.time, field.to_vec())
        };
        // The sort is stable, so of equal ones the last is the latest.
        kept.sort_by_cached_key(order);
        kept.reverse();
        kept.dedup_by(|left, right| left.time == right.time && left.key(&bytes) == right.key(&bytes));
        kept.reverse();
        (self.bytes, self.values, self.at) = (bytes, kept, 0);
    }
}

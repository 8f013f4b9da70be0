//! Which files of a table are merged next, and why. Pure: no I/O, no clock, no lock.
//!
//! **The rule.** A group may be merged only if no file outside it overlaps it in time with a sequence between the
//! group's: the output has the union of the group's sequences, and such a file would be neither before nor after it.
//! So of any two files that overlap in time, the sequence intervals are disjoint, before a merge and after it.
//!
//! **Termination.** The files of an overlapping group hang together, so their output covers no time that they did not
//! cover, and covers it once: the time that is covered more than once shrinks with each such merge. A join takes files
//! with nothing in between, so it makes no overlap, and there are fewer files after it.
//!
//! **Write amplification.** In the background a group is taken only if enough of its bytes have to move anyway: see
//! `Candidate::is_worth_it` and `Window::is_worth_it`. When everything is to be settled, cost counts for less.

use crate::ids::{FileId, Sequence};
use crate::limits;

/// What a plan knows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFile {
    /// The file.
    pub file: FileId,
    /// Earliest and latest time, both inclusive.
    pub time_range: (i64, i64),
    /// First and last sequence, both inclusive.
    pub sequences: (Sequence, Sequence),
    /// Bytes of the file.
    pub size_bytes: u64,
    /// Memory that reading it takes.
    pub memory_bytes: u64,
    /// Whether its rows come in the order that the table has now.
    pub in_order: bool,
    /// Whether it may hold rows or values that were deleted after it was written.
    pub has_deletes: bool,
}

/// How much a plan may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What pays by itself. `quiet`: the table has not changed for a while, so that waiting for more files to merge
    /// with is in vain.
    Background {
        /// Whether the table is quiet.
        quiet: bool,
        /// Whether so many deletes wait for the table's files that readers feel them.
        many_deletes: bool,
    },
    /// Until no two files overlap, small ones are joined, and no row is past its retention.
    Settle,
}

/// Bounds of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// The size that files grow to.
    pub file_bytes: u64,
    /// Bytes of a group.
    pub group_bytes: u64,
    /// Files of a group.
    pub group_files: usize,
    /// Memory for reading a group.
    pub memory_bytes: u64,
}

/// Why files are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// They overlap in time: queries have to merge them, and outside readers may see a point twice.
    Overlap,
    /// Its rows are sorted otherwise than the table's are now.
    Resort,
    /// Some of its rows are past their retention.
    Retention,
    /// Some of its rows or values are deleted.
    Deletes,
    /// They are small neighbours in time.
    Join,
}

impl Reason {
    /// All reasons, the most urgent first.
    pub const ALL: [Self; 5] = [Self::Overlap, Self::Resort, Self::Retention, Self::Deletes, Self::Join];

    /// A word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overlap => "overlap",
            Self::Resort => "resort",
            Self::Retention => "retention",
            Self::Deletes => "deletes",
            Self::Join => "join",
        }
    }
}

/// Files that are to be replaced by what they hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The files by ascending sequence.
    pub files: Vec<FileId>,
    /// Why.
    pub reason: Reason,
}

/// The files of which no row is wanted any more: all are before `cutoff`.
#[must_use]
pub fn expired(files: &[PlanFile], cutoff: i64) -> Vec<FileId> {
    files.iter().filter(|file| file.time_range.1 < cutoff).map(|file| file.file).collect()
}

/// Whether the group may be merged: no file outside it overlaps it in time with a sequence between the group's.
#[must_use]
pub fn is_legal(files: &[PlanFile], group: &[FileId]) -> bool {
    let inside = || files.iter().filter(|file| group.contains(&file.file));
    let Some(hull) = inside().map(|file| file.time_range).reduce(hull) else { return false };
    let Some(sequences) = inside().map(|file| file.sequences).reduce(hull_of_sequences) else { return false };
    let disturbs = |file: &PlanFile| overlap(file.time_range, hull) && overlap(file.sequences, sequences);
    !files.iter().any(|file| !group.contains(&file.file) && disturbs(file))
}

/// The most urgent group of a table, or `None` if nothing is to be done. Rows before `cutoff` count as gone; files
/// of which no other row is left are not looked at (see [`expired`]).
#[must_use]
pub fn next_group(files: &[PlanFile], effort: Effort, cutoff: i64, limits: &GroupLimits) -> Option<Group> {
    let cut = |file: &PlanFile| (file.time_range.0.max(cutoff), file.time_range.1);
    let live = files.iter().filter(|file| file.time_range.1 >= cutoff);
    let mut live: Vec<PlanFile> = live.map(|file| PlanFile { time_range: cut(file), ..file.clone() }).collect();
    live.sort_unstable_by_key(|file| (file.time_range, file.file));
    let components = components(&live);
    overlapping(&components, effort, limits)
        .or_else(|| {
            let file = live.iter().find(|file| !file.in_order && file.memory_bytes <= limits.memory_bytes)?;
            Some(Group { files: vec![file.file], reason: Reason::Resort })
        })
        .or_else(|| {
            let is_cut = |file: &&PlanFile| file.time_range.0 < cutoff && file.time_range.1 >= cutoff;
            let file = files.iter().find(is_cut).filter(|_| effort == Effort::Settle)?;
            Some(Group { files: vec![file.file], reason: Reason::Retention })
        })
        .or_else(|| {
            let is_due = !matches!(effort, Effort::Background { quiet: false, many_deletes: false });
            let file = live.iter().find(|file| file.has_deletes).filter(|_| is_due)?;
            Some(Group { files: vec![file.file], reason: Reason::Deletes })
        })
        .or_else(|| neighbours(&components, effort, limits))
}

fn overlap<T: Ord>(left: (T, T), right: (T, T)) -> bool {
    left.0 <= right.1 && right.0 <= left.1
}

fn hull(left: (i64, i64), right: (i64, i64)) -> (i64, i64) {
    (left.0.min(right.0), left.1.max(right.1))
}

fn hull_of_sequences(left: (Sequence, Sequence), right: (Sequence, Sequence)) -> (Sequence, Sequence) {
    (left.0.min(right.0), left.1.max(right.1))
}

/// Files that hang together by overlapping in time, by ascending time; `files` must be so too.
fn components(files: &[PlanFile]) -> Vec<&[PlanFile]> {
    let (mut components, mut start, mut reach) = (Vec::new(), 0, i64::MIN);
    for (index, file) in files.iter().enumerate() {
        if index > start && file.time_range.0 > reach {
            components.push(&files[start..index]);
            start = index;
        }
        reach = reach.max(file.time_range.1);
    }
    if start < files.len() {
        components.push(&files[start..]);
    }
    components
}

/// A set of files of one component that satisfies the rule.
#[derive(Debug, Clone)]
struct Candidate<'a> {
    /// The component by ascending sequence.
    files: &'a [&'a PlanFile],
    members: Vec<bool>,
    count: usize,
    times: (i64, i64),
    sequences: (Sequence, Sequence),
    total_bytes: u64,
    memory_bytes: u64,
}

impl<'a> Candidate<'a> {
    fn new(files: &'a [&'a PlanFile], start: usize) -> Self {
        let first = files[start];
        let mut members = vec![false; files.len()];
        members[start] = true;
        Self {
            files,
            members,
            count: 1,
            times: first.time_range,
            sequences: first.sequences,
            total_bytes: first.size_bytes,
            memory_bytes: first.memory_bytes,
        }
    }

    /// Adds the last file before the group that overlaps it in time, and then whatever the rule asks for. `false` if
    /// there is no such file.
    fn grow(&mut self) -> bool {
        let before = |index: &usize| {
            let file = self.files[*index];
            !self.members[*index] && file.sequences.1 < self.sequences.0 && overlap(file.time_range, self.times)
        };
        let Some(next) = (0..self.files.len()).rev().find(before) else { return false };
        self.add(next);
        loop {
            let disturbs = |index: &usize| {
                let file = self.files[*index];
                !self.members[*index] && overlap(file.time_range, self.times) && overlap(file.sequences, self.sequences)
            };
            match (0..self.files.len()).find(disturbs) {
                Some(index) => self.add(index),
                None => return true,
            }
        }
    }

    fn add(&mut self, index: usize) {
        let file = self.files[index];
        self.members[index] = true;
        self.count += 1;
        self.times = hull(self.times, file.time_range);
        self.sequences = hull_of_sequences(self.sequences, file.sequences);
        self.total_bytes += file.size_bytes;
        self.memory_bytes += file.memory_bytes;
    }

    fn is_within(&self, limits: &GroupLimits) -> bool {
        // Two files are always merged: the group cannot be cut smaller.
        self.count <= 2
            || (self.count <= limits.group_files
                && self.total_bytes <= limits.group_bytes
                && self.memory_bytes <= limits.memory_bytes)
    }

    fn members(&self) -> impl Iterator<Item = &'a PlanFile> {
        self.files.iter().zip(&self.members).filter(|(_, member)| **member).map(|(file, _)| *file)
    }

    /// The bytes that have to move: all but the heaviest set of files that do not overlap each other. Of a large file
    /// with a small one on top it is the small one, of a new file over eight old neighbours the new one.
    fn moving_bytes(&self) -> u64 {
        let mut files: Vec<&PlanFile> = self.members().collect();
        files.sort_unstable_by_key(|file| file.time_range.1);
        // Per prefix of that order: the heaviest set in it.
        let mut heaviest = vec![0_u64];
        for (index, file) in files.iter().enumerate() {
            let before = files.partition_point(|other| other.time_range.1 < file.time_range.0);
            heaviest.push(heaviest[index].max(heaviest[before.min(index)] + file.size_bytes));
        }
        self.total_bytes - heaviest.last().copied().unwrap_or(0)
    }

    /// Whether merging pays. Each clause bounds how often a byte is rewritten:
    /// - of several files at least two fifths move: the files grow about fourfold each time;
    /// - in large groups a third moves: what comes late to files of full size pays three times its own bytes, once;
    /// - in a quiet table an eighth moves, or it is next to nothing.
    fn is_worth_it(&self, quiet: bool, limits: &GroupLimits) -> bool {
        let moving = self.moving_bytes();
        let is_part = |parts: u64, of: u64| moving.saturating_mul(of) >= self.total_bytes.saturating_mul(parts);
        (self.count >= limits::COMPACTION_FAN_IN && is_part(2, 5))
            || (self.total_bytes >= limits.file_bytes / 2 && is_part(1, 3))
            || (quiet && (is_part(1, 8) || self.total_bytes <= limits::COMPACTION_TINY_BYTES))
    }
}

/// The group of overlapping files that is to be merged first.
fn overlapping(components: &[&[PlanFile]], effort: Effort, limits: &GroupLimits) -> Option<Group> {
    let mut best: Option<(Vec<FileId>, Score)> = None;
    for component in components.iter().filter(|component| component.len() > 1) {
        let mut files: Vec<&PlanFile> = component.iter().collect();
        files.sort_unstable_by_key(|file| (file.sequences, file.file));
        let found = match effort {
            Effort::Background { quiet, .. } => best_paying(&files, quiet, limits),
            Effort::Settle => largest(&files, limits),
        };
        let Some((candidate, score)) = found else { continue };
        if best.as_ref().is_none_or(|(_, known)| score > *known) {
            best = Some((candidate, score));
        }
    }
    best.map(|(files, _)| Group { files, reason: Reason::Overlap })
}

/// Part of the bytes that move, in sixteenths; then the number of files.
type Score = (u64, usize);

/// All candidates from each start, small files first, within the limits.
fn candidates<'a>(files: &'a [&'a PlanFile], limits: &GroupLimits, mut consider: impl FnMut(&Candidate<'a>)) {
    let mut starts: Vec<usize> = (0..files.len()).collect();
    starts.sort_by_key(|index| (files[*index].size_bytes, std::cmp::Reverse(*index)));
    starts.truncate(limits::COMPACTION_STARTS);
    for start in starts {
        let mut candidate = Candidate::new(files, start);
        while candidate.grow() && candidate.is_within(limits) {
            consider(&candidate);
        }
    }
}

fn score(candidate: &Candidate<'_>) -> Score {
    (candidate.moving_bytes().saturating_mul(16) / candidate.total_bytes.max(1), candidate.count)
}

fn ids(candidate: &Candidate<'_>) -> Vec<FileId> {
    candidate.members().map(|file| file.file).collect()
}

fn best_paying(files: &[&PlanFile], quiet: bool, limits: &GroupLimits) -> Option<(Vec<FileId>, Score)> {
    let mut best: Option<(Vec<FileId>, Score)> = None;
    candidates(files, limits, |candidate| {
        if candidate.is_worth_it(quiet, limits) {
            let score = score(candidate);
            if best.as_ref().is_none_or(|(_, known)| score > *known) {
                best = Some((ids(candidate), score));
            }
        }
    });
    best
}

/// The candidate with most files within the limits; where the rule asks for more than they allow, the smallest one
/// beyond them, so that there always is one.
fn largest(files: &[&PlanFile], limits: &GroupLimits) -> Option<(Vec<FileId>, Score)> {
    let mut best: Option<(Vec<FileId>, usize, Score)> = None;
    candidates(files, limits, |candidate| {
        if best.as_ref().is_none_or(|(_, count, _)| candidate.count > *count) {
            best = Some((ids(candidate), candidate.count, score(candidate)));
        }
    });
    if let Some((files, _, score)) = best {
        return Some((files, score));
    }
    let grown = (0..files.len()).filter_map(|start| {
        let mut candidate = Candidate::new(files, start);
        candidate.grow().then_some(candidate)
    });
    let least = grown.min_by_key(|candidate| candidate.total_bytes)?;
    Some((ids(&least), score(&least)))
}

/// Neighbours in time, none of which overlaps another file.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    count: usize,
    total_bytes: u64,
    largest_bytes: u64,
    memory_bytes: u64,
}

impl Window {
    fn with(self, file: &PlanFile) -> Self {
        Self {
            count: self.count + 1,
            total_bytes: self.total_bytes + file.size_bytes,
            largest_bytes: self.largest_bytes.max(file.size_bytes),
            memory_bytes: self.memory_bytes + file.memory_bytes,
        }
    }

    fn is_within(&self, limits: &GroupLimits) -> bool {
        self.total_bytes <= limits.file_bytes
            && self.count <= limits.group_files
            && (self.count <= 2 || self.memory_bytes <= limits.memory_bytes)
    }

    /// Whether joining pays. In the background each byte is rewritten once for every fourfold growth of its file, and
    /// once more to reach the full size, after which no window has room for it.
    fn is_worth_it(&self, effort: Effort, limits: &GroupLimits) -> bool {
        let fan_in = limits::COMPACTION_FAN_IN;
        match effort {
            Effort::Background { .. } => {
                let grows = self.count >= fan_in && self.largest_bytes * fan_in as u64 <= self.total_bytes;
                let fills = self.total_bytes >= limits.file_bytes / 4 * 3 && self.largest_bytes * 2 <= self.total_bytes;
                grows || fills
            }
            Effort::Settle => {
                let others = self.total_bytes - self.largest_bytes;
                let is_small = self.total_bytes <= limits::SETTLED_SMALL_BYTES;
                self.count > 1 && (is_small || others * limits::SETTLED_FILL_PARTS >= self.largest_bytes)
            }
        }
    }
}

/// The most small neighbours that are to become one file.
fn neighbours(components: &[&[PlanFile]], effort: Effort, limits: &GroupLimits) -> Option<Group> {
    let mut best: Option<(usize, usize)> = None;
    for end in (0..components.len()).rev() {
        let mut window = Window::default();
        for start in (0..=end).rev() {
            let [file] = components[start] else { break };
            window = window.with(file);
            if !window.is_within(limits) {
                break;
            }
            let is_longer = best.is_none_or(|(start, end)| window.count > end - start + 1);
            if is_longer && window.is_worth_it(effort, limits) {
                best = Some((start, end));
            }
        }
    }
    let (start, end) = best?;
    let mut files: Vec<&PlanFile> = components[start..=end].iter().copied().flatten().collect();
    files.sort_unstable_by_key(|file| (file.sequences, file.file));
    Some(Group { files: files.into_iter().map(|file| file.file).collect(), reason: Reason::Join })
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;

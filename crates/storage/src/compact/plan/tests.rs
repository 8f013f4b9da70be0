//! The rule, single decisions, and simulations that measure the write amplification.
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::compact::{Weight, cuts};

const LIMITS: GroupLimits =
    GroupLimits { file_bytes: 128 << 20, group_bytes: 4 << 30, group_files: 64, memory_bytes: u64::MAX };

const BUSY: Effort = Effort::Background { quiet: false, many_deletes: false };
const QUIET: Effort = Effort::Background { quiet: true, many_deletes: false };

fn file(id: i64, time_range: (i64, i64), sequences: (u64, u64), size_bytes: u64) -> PlanFile {
    PlanFile {
        file: FileId(id),
        time_range,
        sequences: (Sequence(sequences.0), Sequence(sequences.1)),
        size_bytes,
        memory_bytes: 1,
        in_order: true,
        has_deletes: false,
    }
}

/// A table whose files are merged by the plan, without rows.
struct Simulation {
    files: Vec<PlanFile>,
    limits: GroupLimits,
    /// The bytes of a file of that many rows.
    size: fn(u64) -> u64,
    rows: std::collections::HashMap<FileId, u64>,
    next: i64,
    flushed_bytes: u64,
    flushed_rows: u64,
    written_bytes: u64,
    written_rows: u64,
    merges: u64,
}

impl Simulation {
    fn new(limits: GroupLimits, size: fn(u64) -> u64) -> Self {
        Self {
            files: Vec::new(),
            limits,
            size,
            rows: std::collections::HashMap::new(),
            next: 0,
            flushed_bytes: 0,
            flushed_rows: 0,
            written_bytes: 0,
            written_rows: 0,
            merges: 0,
        }
    }

    fn flush(&mut self, time_range: (i64, i64), rows: u64) {
        self.next += 1;
        let sequence = self.next as u64;
        let size = (self.size)(rows);
        self.files.push(file(self.next, time_range, (sequence, sequence), size));
        self.rows.insert(FileId(self.next), rows);
        self.flushed_bytes += size;
        self.flushed_rows += rows;
    }

    /// Merges one group; `false` if there is none.
    fn step(&mut self, effort: Effort, cutoff: i64) -> bool {
        let Some(group) = next_group(&self.files, effort, cutoff, &self.limits) else { return false };
        assert!(group.files.len() > 1 || group.reason != Reason::Join, "{group:?}");
        // Rows before the cutoff are gone, and with them what only overlaps there.
        let live = self.files.iter().filter(|file| file.time_range.1 >= cutoff);
        let cut = |file: &PlanFile| (file.time_range.0.max(cutoff), file.time_range.1);
        let live: Vec<_> = live.map(|file| PlanFile { time_range: cut(file), ..file.clone() }).collect();
        assert!(is_legal(&live, &group.files), "{group:?} of {live:?}");
        let (inputs, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.files).into_iter().partition(|file| group.files.contains(&file.file));
        self.files = rest;
        let weights: Vec<Weight> =
            inputs.iter().map(|f| Weight { time_range: f.time_range, size_bytes: f.size_bytes }).collect();
        let (first, last) = inputs.iter().map(|file| file.time_range).reduce(hull).unwrap();
        let first = first.max(cutoff);
        let sequences = inputs.iter().map(|file| file.sequences).reduce(hull_of_sequences).unwrap();
        let rows: u64 = inputs.iter().map(|file| self.rows[&file.file]).sum();
        let starts = cuts(&weights, cutoff, self.limits.file_bytes);
        let bounds: Vec<i64> = [first].into_iter().chain(starts).chain([last.saturating_add(1)]).collect();
        let pieces = bounds.len() as u64 - 1;
        for pair in bounds.windows(2) {
            self.next += 1;
            let rows = rows.div_ceil(pieces);
            let size = (self.size)(rows);
            self.files.push(PlanFile { sequences, ..file(self.next, (pair[0], pair[1] - 1), (0, 0), size) });
            self.rows.insert(FileId(self.next), rows);
            self.written_bytes += size;
            self.written_rows += rows;
        }
        self.merges += 1;
        true
    }

    fn run(&mut self, effort: Effort, cutoff: i64) -> u32 {
        let mut steps = 0;
        while self.step(effort, cutoff) {
            steps += 1;
            assert!(steps < 10_000, "it does not end: {:?}", self.files);
        }
        steps
    }

    fn overlaps(&self) -> usize {
        let mut ranges: Vec<_> = self.files.iter().map(|file| file.time_range).collect();
        ranges.sort_unstable();
        ranges.windows(2).filter(|pair| pair[0].1 >= pair[1].0).count()
    }

    fn amplification(&self) -> f64 {
        (self.flushed_bytes + self.written_bytes) as f64 / self.flushed_bytes as f64
    }

    fn print(&self, name: &str) {
        println!(
            "{name}: {} files, {} merges, write amplification {:.2} in bytes, {:.2} in rows",
            self.files.len(),
            self.merges,
            self.amplification(),
            (self.flushed_rows + self.written_rows) as f64 / self.flushed_rows as f64,
        );
    }
}

#[test]
fn a_file_with_a_sequence_between_is_in_the_way() {
    let files = [file(1, (0, 10), (1, 1), 1), file(2, (5, 15), (2, 2), 1), file(3, (8, 30), (3, 3), 1)];
    assert!(is_legal(&files, &[FileId(1), FileId(2)]));
    assert!(is_legal(&files, &[FileId(2), FileId(3)]));
    assert!(!is_legal(&files, &[FileId(1), FileId(3)]));
    // Elsewhere in time its sequence does not matter.
    let files = [file(1, (0, 10), (1, 1), 1), file(2, (50, 60), (2, 2), 1), file(3, (8, 30), (3, 3), 1)];
    assert!(is_legal(&files, &[FileId(1), FileId(3)]));
    // In a gap of the group it does: the output may reach over the gap.
    let files = [file(1, (0, 10), (1, 1), 1), file(2, (12, 13), (2, 2), 1), file(3, (20, 30), (3, 3), 1)];
    assert!(!is_legal(&files, &[FileId(1), FileId(3)]));
}

fn groups(files: &[PlanFile], effort: Effort) -> Option<(Vec<i64>, Reason)> {
    let group = next_group(files, effort, i64::MIN, &LIMITS)?;
    Some((group.files.iter().map(|file| file.0).collect(), group.reason))
}

#[test]
fn a_large_old_file_waits_for_a_fair_part_of_its_size() {
    const MIB: u64 = 1 << 20;
    let old = file(1, (0, 1000), (1, 100), 120 * MIB);
    let late =
        |count: i64, size| (0..count).map(move |n| file(10 + n, (400, 600), (200 + n as u64, 200 + n as u64), size));
    let with = |late: Vec<PlanFile>| [vec![old.clone()], late].concat();
    assert_eq!(groups(&with(late(1, MIB).collect()), BUSY), None);
    assert_eq!(groups(&with(late(1, MIB).collect()), QUIET), None, "rewriting 120 MiB for 1 MiB");
    assert_eq!(groups(&with(late(1, MIB).collect()), Effort::Settle), Some((vec![1, 10], Reason::Overlap)));
    assert_eq!(groups(&with(late(4, MIB).collect()), BUSY), Some((vec![10, 11, 12, 13], Reason::Overlap)));
    assert_eq!(groups(&with(late(1, 60 * MIB).collect()), BUSY), Some((vec![1, 10], Reason::Overlap)));
}

#[test]
fn a_quiet_table_is_cleaned_up() {
    let files = [file(1, (0, 10), (1, 1), 3000), file(2, (5, 6), (2, 2), 3000)];
    assert_eq!(groups(&files, BUSY), None);
    assert_eq!(groups(&files, QUIET), Some((vec![1, 2], Reason::Overlap)));
}

#[test]
fn overlaps_come_before_joins_and_small_neighbours_are_joined_by_fours() {
    let neighbours = |sizes: &[u64]| -> Vec<PlanFile> {
        sizes.iter().zip(1..).map(|(size, n)| file(n, (n * 10, n * 10 + 9), (n as u64, n as u64), *size)).collect()
    };
    assert_eq!(groups(&neighbours(&[1, 1, 1]), BUSY), None);
    assert_eq!(groups(&neighbours(&[1, 1, 1, 1]), BUSY), Some((vec![1, 2, 3, 4], Reason::Join)));
    assert_eq!(groups(&neighbours(&[4, 1, 1, 1]), BUSY), None);
    assert_eq!(groups(&neighbours(&[9, 1, 1, 1, 1]), BUSY), Some((vec![2, 3, 4, 5], Reason::Join)));
    assert_eq!(groups(&neighbours(&[9, 1]), Effort::Settle), Some((vec![1, 2], Reason::Join)));
    let mut files = neighbours(&[1, 1, 1, 1]);
    files.extend((0..4).map(|n| file(20 + n, (1000, 1010), (50 + n as u64, 50 + n as u64), 1)));
    assert_eq!(groups(&files, BUSY), Some((vec![20, 21, 22, 23], Reason::Overlap)));
}

#[test]
fn files_in_another_order_and_past_rows_are_rewritten() {
    let mut files = vec![file(1, (0, 10), (1, 1), 1000)];
    files[0].in_order = false;
    assert_eq!(groups(&files, BUSY), Some((vec![1], Reason::Resort)));
    files[0].in_order = true;
    let cutoff = |effort, cutoff| next_group(&files, effort, cutoff, &LIMITS).map(|group| group.reason);
    assert_eq!(cutoff(BUSY, 5), None);
    assert_eq!(cutoff(Effort::Settle, 5), Some(Reason::Retention));
    assert_eq!(cutoff(Effort::Settle, 0), None);
    assert_eq!(cutoff(Effort::Settle, 11), None, "it is retired whole");
    assert_eq!(expired(&files, 11), [FileId(1)]);
    assert_eq!(expired(&files, 10), []);
}

#[test]
fn a_group_keeps_within_its_memory_but_for_pairs() {
    let overlapping: Vec<PlanFile> =
        (1..=10).map(|n| PlanFile { memory_bytes: 10, ..file(n, (0, 100), (n as u64, n as u64), 1000) }).collect();
    for (memory_bytes, expected) in [(1, 2), (40, 4), (1000, 10)] {
        let limits = GroupLimits { memory_bytes, ..LIMITS };
        let group = next_group(&overlapping, Effort::Settle, i64::MIN, &limits).unwrap();
        assert_eq!(group.files.len(), expected, "{memory_bytes}");
    }
}

#[test]
fn a_new_file_over_many_old_neighbours_is_settled_beyond_the_limits() {
    // A sorted run of 100 files that came out of one merge, and a new file over all of it.
    let mut files: Vec<PlanFile> = (1..=100).map(|n| file(n, (n * 10, n * 10 + 9), (1, 50), 128 << 20)).collect();
    files.push(file(200, (0, 2000), (60, 60), 1 << 20));
    assert_eq!(groups(&files, BUSY), None);
    let (group, _) = groups(&files, Effort::Settle).unwrap();
    assert_eq!(group.len(), 101);
}

proptest! {
    /// Whatever is flushed and merged in whatever order: every group is legal, files that overlap have disjoint
    /// sequences, merging ends, and a settled table has no overlap.
    #[test]
    fn any_table_settles(
        flushes in prop::collection::vec((0_i64..1000, 0_i64..400, 1_u64..3000, 0_u8..6), 1..60),
        cutoff in prop::option::of(0_i64..1200),
        file_bytes in 500_u64..20_000,
        memory_bytes in 1_u64..40,
    ) {
        let limits = GroupLimits { file_bytes, group_bytes: file_bytes * 8, group_files: 8, memory_bytes };
        let mut table = Simulation::new(limits, |rows| rows + 10);
        let cutoff = cutoff.unwrap_or(i64::MIN);
        for (start, length, rows, then) in flushes {
            table.flush((start, start + length), rows);
            match then {
                0 => { table.step(BUSY, i64::MIN); }
                1 => { table.run(BUSY, i64::MIN); }
                2 => { table.run(QUIET, cutoff); }
                3 => { table.step(Effort::Settle, cutoff); }
                _ => {}
            }
            for left in &table.files {
                for right in table.files.iter().filter(|right| right.file != left.file) {
                    let both = overlap(left.time_range, right.time_range) && overlap(left.sequences, right.sequences);
                    prop_assert!(!both, "{left:?} {right:?}");
                }
            }
        }
        table.run(Effort::Settle, cutoff);
        table.files.retain(|file| file.time_range.1 >= cutoff);
        prop_assert_eq!(table.overlaps(), 0);
        prop_assert_eq!(next_group(&table.files, Effort::Settle, cutoff, &limits), None);
        prop_assert_eq!(next_group(&table.files, QUIET, cutoff, &limits).map(|group| group.reason), None);
    }
}

const MINUTE_NS: i64 = 60_000_000_000;

/// More than what `bytes_of_small_files` in tests/compaction measures of one series with one float.
fn narrow(rows: u64) -> u64 {
    1900 + rows * 4
}

/// `cargo test -p storage --lib compact::plan -- --nocapture amplification`: 700 tables of one series, a point a
/// minute, a flush every ten minutes, for 30 days. All tables are alike, so one is simulated.
#[test]
fn amplification_of_many_small_tables() {
    let mut table = Simulation::new(LIMITS, narrow);
    let mut most_files = 0;
    for flush in 0..30 * 144 {
        let start = flush * 10 * MINUTE_NS;
        table.flush((start, start + 9 * MINUTE_NS), 10);
        table.run(BUSY, i64::MIN);
        most_files = most_files.max(table.files.len());
    }
    table.print("700 small tables, each");
    assert!(most_files <= 30, "{most_files}");
    assert!(table.amplification() <= 4.0);
    table.run(Effort::Settle, i64::MIN);
    table.print("700 small tables, settled");
    assert!(table.files.len() <= 2);
    assert!(table.amplification() <= 4.0);
}

/// Flushes of 5 MB whose ends overlap, as when agents send what they gathered before the flush: every file overlaps
/// the one before.
#[test]
fn amplification_of_a_busy_table_whose_flushes_touch() {
    let mut table = Simulation::new(LIMITS, |rows| rows * 20);
    let mut most_files = 0;
    for flush in 0..2000 {
        let start = flush * 10 * MINUTE_NS;
        table.flush((start - MINUTE_NS / 2, start + 10 * MINUTE_NS), 250_000);
        table.run(BUSY, i64::MIN);
        most_files = most_files.max(table.files.iter().filter(|file| file.size_bytes < 64 << 20).count());
    }
    table.print("10 GB in 5 MB flushes that touch");
    assert!(most_files <= 30, "{most_files}");
    assert!(table.amplification() <= 6.0, "{}", table.amplification());
    table.run(Effort::Settle, i64::MIN);
    table.print("10 GB in 5 MB flushes that touch, settled");
    assert_eq!(table.overlaps(), 0);
}

/// In order, without any overlap.
#[test]
fn amplification_of_a_busy_table_in_order() {
    let mut table = Simulation::new(LIMITS, |rows| rows * 20);
    for flush in 0..2000 {
        let start = flush * 10 * MINUTE_NS;
        table.flush((start, start + 10 * MINUTE_NS - 1), 250_000);
        table.run(BUSY, i64::MIN);
    }
    table.print("10 GB in 5 MB flushes in order");
    assert!(table.amplification() <= 4.0, "{}", table.amplification());
}

/// Each flush has points from all over a year: the worst case. A byte moves when what is new is a fair part.
#[test]
fn amplification_of_a_backfill_in_random_order() {
    let mut table = Simulation::new(LIMITS, |rows| rows * 20);
    for _ in 0..1000 {
        table.flush((0, 365 * 1440 * MINUTE_NS), 250_000);
        table.run(BUSY, i64::MIN);
    }
    table.print("5 GB in 5 MB flushes over a whole year");
    assert!(table.amplification() <= 12.0, "{}", table.amplification());
    table.run(Effort::Settle, i64::MIN);
    table.print("5 GB in 5 MB flushes over a whole year, settled");
    assert_eq!(table.overlaps(), 0);
}

#[test]
fn files_with_deleted_rows_are_rewritten_when_it_is_worth_it() {
    let mut files = vec![file(1, (0, 9), (1, 1), 100 << 20), file(2, (10, 19), (2, 2), 100 << 20)];
    let many = Effort::Background { quiet: false, many_deletes: true };
    for effort in [BUSY, QUIET, many, Effort::Settle] {
        assert_eq!(next_group(&files, effort, i64::MIN, &LIMITS), None, "{effort:?}");
    }
    files[1].has_deletes = true;
    assert_eq!(next_group(&files, BUSY, i64::MIN, &LIMITS), None);
    for effort in [QUIET, many, Effort::Settle] {
        let group = next_group(&files, effort, i64::MIN, &LIMITS).unwrap();
        assert_eq!((group.files, group.reason), (vec![FileId(2)], Reason::Deletes), "{effort:?}");
    }
}

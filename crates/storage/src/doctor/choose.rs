//! Which of the files that lie in a store were live, by what their footers say. Pure.
//!
//! A merged file names its inputs, so files that were replaced are known as long as their successor is there. A merge
//! that was never committed is told from one that was by its end: outputs are written in the order of time, so of an
//! unfinished merge the end is missing, and all of its inputs are still there.

use std::collections::{HashMap, HashSet};

use crate::flush::FooterMetadata;

/// A file and its footer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) path: String,
    pub(super) footer: FooterMetadata,
}

/// The files of one table that were live, and the others with the reason.
pub(super) fn choose(candidates: Vec<Candidate>) -> (Vec<Candidate>, Vec<(String, &'static str)>) {
    let mut dropped: Vec<(String, &'static str)> = Vec::new();
    let unfinished = unfinished(&candidates);
    let (mut kept, others): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| !unfinished.contains(&candidate.path));
    let of_unfinished = |candidate: Candidate| (candidate.path, "an output of a merge that was not finished");
    dropped.extend(others.into_iter().map(of_unfinished));
    // The outputs first: what they replaced, and what that had replaced, is known then.
    kept.sort_by(|left, right| (right.footer.level, &left.path).cmp(&(left.footer.level, &right.path)));
    let named: HashSet<String> = kept.iter().flat_map(|candidate| candidate.footer.inputs.clone()).collect();
    let mut live: Vec<Candidate> = Vec::with_capacity(kept.len());
    for candidate in kept {
        if named.contains(&candidate.path) {
            dropped.push((candidate.path, "replaced by a merged file"));
        } else if live.iter().any(|other| is_older_form(&candidate.footer, &other.footer)) {
            dropped.push((candidate.path, "replaced by files that were merged again"));
        } else {
            live.push(candidate);
        }
    }
    live.sort_by(|left, right| (left.footer.sequences, &left.path).cmp(&(right.footer.sequences, &right.path)));
    (live, dropped)
}

/// Of two live files that overlap in time the sequences are disjoint; so this one is what the other was made from.
fn is_older_form(older: &FooterMetadata, newer: &FooterMetadata) -> bool {
    let overlaps = older.time_range.0 <= newer.time_range.1 && newer.time_range.0 <= older.time_range.1;
    let is_part = newer.sequences.0 <= older.sequences.0 && older.sequences.1 <= newer.sequences.1;
    older.level < newer.level && overlaps && is_part
}

/// Paths of outputs whose merge did not come to its end.
fn unfinished(candidates: &[Candidate]) -> HashSet<String> {
    let by_path: HashMap<&str, &Candidate> =
        candidates.iter().map(|candidate| (candidate.path.as_str(), candidate)).collect();
    let mut merges: HashMap<&[String], Vec<&Candidate>> = HashMap::new();
    for candidate in candidates.iter().filter(|candidate| !candidate.footer.inputs.is_empty()) {
        merges.entry(candidate.footer.inputs.as_slice()).or_default().push(candidate);
    }
    let mut found = HashSet::new();
    for (inputs, outputs) in merges {
        let inputs: Option<Vec<&&Candidate>> = inputs.iter().map(|path| by_path.get(path.as_str())).collect();
        let Some(inputs) = inputs else { continue };
        let end = |files: &mut dyn Iterator<Item = i64>| files.max();
        let of_inputs = end(&mut inputs.iter().map(|input| input.footer.time_range.1));
        let of_outputs = end(&mut outputs.iter().map(|output| output.footer.time_range.1));
        if of_outputs < of_inputs {
            found.extend(outputs.iter().map(|output| output.path.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use catalog::{BucketId, OrganisationId};

    use super::*;
    use crate::ids::{Sequence, TableId};
    use crate::table::BucketInfo;

    fn file(path: &str, level: u8, sequences: (u64, u64), time_range: (i64, i64), inputs: &[&str]) -> Candidate {
        let footer = FooterMetadata {
            bucket: BucketInfo {
                organisation: OrganisationId::from_u64(1).unwrap(),
                organisation_name: "o".to_owned(),
                bucket: BucketId::from_u64(2).unwrap(),
                name: "b".to_owned(),
            },
            table: TableId(7),
            measurement: "m".to_owned(),
            columns: Vec::new(),
            sort_tags: Vec::new(),
            sequences: (Sequence(sequences.0), Sequence(sequences.1)),
            time_range,
            deletes_applied: Sequence(sequences.1),
            level,
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
        };
        Candidate { path: path.to_owned(), footer }
    }

    fn live(files: &[Candidate]) -> Vec<String> {
        let (live, dropped) = choose(files.to_vec());
        assert_eq!(live.len() + dropped.len(), files.len());
        live.into_iter().map(|candidate| candidate.path).collect()
    }

    #[test]
    fn what_was_replaced_stays_gone() {
        let flushes = [file("a", 0, (1, 1), (0, 9), &[]), file("b", 0, (2, 2), (5, 20), &[])];
        assert_eq!(live(&flushes), ["a", "b"]);
        let merged = [&flushes[..], &[file("m", 1, (1, 2), (0, 20), &["a", "b"])]].concat();
        assert_eq!(live(&merged), ["m"]);
        // The inputs are gone already; so is one of them only.
        assert_eq!(live(&merged[2..]), ["m"]);
        assert_eq!(live(&merged[1..]), ["m"]);
        // A later flush beside it.
        let later = [&merged[..], &[file("c", 0, (3, 3), (0, 9), &[])]].concat();
        assert_eq!(live(&later), ["m", "c"]);
    }

    #[test]
    fn a_grandparent_that_outlived_its_child_stays_gone() {
        let files = [file("a", 0, (1, 1), (0, 9), &[]), file("n", 2, (1, 5), (0, 20), &["m", "d"])];
        assert_eq!(live(&files), ["n"]);
        // Of another stretch of time, or another sequence, it is no ancestor.
        let files = [file("a", 0, (1, 1), (30, 39), &[]), file("b", 0, (6, 6), (0, 9), &[]), files[1].clone()];
        assert_eq!(live(&files), ["a", "n", "b"]);
    }

    #[test]
    fn a_merge_that_was_cut_off_does_not_count() {
        let inputs = [file("a", 0, (1, 1), (0, 99), &[]), file("b", 0, (2, 2), (0, 50), &[])];
        let first = file("m1", 1, (1, 2), (0, 49), &["a", "b"]);
        let second = file("m2", 1, (1, 2), (50, 99), &["a", "b"]);
        assert_eq!(live(&[&inputs[..], std::slice::from_ref(&first)].concat()), ["a", "b"]);
        assert_eq!(live(&[&inputs[..], &[first.clone(), second.clone()]].concat()), ["m1", "m2"]);
        // An input is gone, so the merge was committed, and its end was deleted later.
        assert_eq!(live(&[inputs[0].clone(), first]), ["m1"]);
    }
}

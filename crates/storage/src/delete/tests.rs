//! What deletes mean, and how they are written down.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use crate::flush::fixtures::{Random, bucket, every_kind};
use crate::wal::DecodeError;

fn term(subject: DeleteSubject, is_equal: bool, value: &str) -> DeleteTerm {
    DeleteTerm { subject, is_equal, value: value.to_owned() }
}

fn tag(name: &str, is_equal: bool, value: &str) -> DeleteTerm {
    term(DeleteSubject::Tag(name.to_owned()), is_equal, value)
}

/// What the terms mean in a table `m` with the tags 2 `host` and 5 `region` and the fields 3, 4, 6, 7, 8.
fn resolved(terms: Vec<DeleteTerm>) -> Option<(Vec<i64>, DeletedFields)> {
    let filter = DeleteFilter { time_range: (1, 2), terms };
    let tombstone = Tombstone { sequence: Sequence(5), bucket: bucket().bucket, filter };
    let delete = TableDelete::resolve(&tombstone, &every_kind())?;
    Some((delete.tags.iter().map(|term| term.column.0).collect(), delete.fields))
}

#[test]
fn names_are_resolved_as_influxql_reads_absent_tags() {
    use DeleteSubject::{Field, Measurement};
    let all = |tags: &[i64]| Some((tags.to_vec(), DeletedFields::All));
    let some = |fields: &[i64]| Some((vec![], DeletedFields::Some(fields.iter().copied().map(ColumnId).collect())));
    assert_eq!(resolved(vec![]), all(&[]));
    assert_eq!(resolved(vec![term(Measurement, true, "m")]), all(&[]));
    assert_eq!(resolved(vec![term(Measurement, true, "n")]), None);
    assert_eq!(resolved(vec![term(Measurement, false, "m")]), None);
    assert_eq!(resolved(vec![term(Measurement, false, "n")]), all(&[]));
    assert_eq!(resolved(vec![tag("host", true, "a"), tag("region", false, "b")]), all(&[2, 5]));
    assert_eq!(resolved(vec![tag("rack", true, "a")]), None);
    assert_eq!(resolved(vec![tag("rack", false, "a")]), all(&[]));
    assert_eq!(resolved(vec![tag("rack", true, "")]), all(&[]));
    assert_eq!(resolved(vec![tag("rack", false, "")]), None);
    // A field is no tag.
    assert_eq!(resolved(vec![tag("f", true, "1")]), None);
    assert_eq!(resolved(vec![term(Field, true, "f")]), some(&[3]));
    assert_eq!(resolved(vec![term(Field, false, "f")]), some(&[4, 6, 7, 8]));
    assert_eq!(resolved(vec![term(Field, false, "f"), term(Field, false, "s")]), some(&[4, 6, 7]));
    assert_eq!(resolved(vec![term(Field, true, "f"), term(Field, true, "s")]), None);
    assert_eq!(resolved(vec![term(Field, true, "host")]), None);
    assert_eq!(resolved(vec![term(Field, false, "none")]), all(&[]));
}

#[test]
fn a_filter_includes_what_is_within_its_times() {
    let filter =
        |first, last, host: &str| DeleteFilter { time_range: (first, last), terms: vec![tag("host", true, host)] };
    assert!(filter(1, 9, "a").includes(&filter(1, 9, "a")));
    assert!(filter(1, 9, "a").includes(&filter(3, 4, "a")));
    assert!(!filter(1, 9, "a").includes(&filter(0, 4, "a")));
    assert!(!filter(1, 9, "a").includes(&filter(3, 10, "a")));
    assert!(!filter(1, 9, "a").includes(&filter(3, 4, "b")));
}

#[test]
fn filters_survive_their_bytes() {
    for seed in 0..200 {
        let mut filter = Random(seed).delete_filter(&every_kind(), (-50, 50));
        filter.terms.push(tag("\u{0}ü", false, &"x".repeat(seed as usize * 10)));
        let mut bytes = Vec::new();
        encode_filter(&filter, &mut bytes);
        assert_eq!(decode_filter(&bytes), Ok(filter.clone()), "seed {seed}");
        for end in 0..bytes.len() {
            assert!(matches!(decode_filter(&bytes[..end]), Err(DecodeError::Truncated(_))), "seed {seed}, {end} bytes");
        }
        bytes.push(0);
        assert_eq!(decode_filter(&bytes), Err(DecodeError::Trailing(1)));
    }
}

#[test]
fn bytes_that_are_no_terms_are_refused() {
    for (bytes, expected) in [
        (&[][..], DecodeError::Truncated("the number of terms")),
        (&[9, 0, 0], DecodeError::Truncated("the terms of a delete")),
        (&[1, 3, 0], DecodeError::Invalid("subject of a term")),
        (&[1, 0, 1, 0xff], DecodeError::Invalid("text of a delete: not UTF-8")),
        (&[1, 0, 200, 200], DecodeError::Truncated("a text of a delete")),
    ] {
        assert_eq!(decode_terms(bytes), Err(expected), "{bytes:?}");
    }
    // The layout of docs/formats/wal.md, byte by byte.
    let terms = [tag("t", false, "v"), term(DeleteSubject::Field, true, "")];
    assert_eq!(encode_terms(&terms), [2, 0x82, 1, b't', 1, b'v', 1, 0]);
    assert_eq!(decode_terms(&encode_terms(&terms)).unwrap(), terms);
}

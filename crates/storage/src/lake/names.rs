//! The one rule for names and paths that readers of the lake see.
//!
//! A name stays as it is where it is *safe* (not empty, no control character, at most 200 bytes) and *free* (no other
//! name of its scope equals it without regard to case). Otherwise it is made safe (control characters as `\xNN`, cut to
//! length with a checksum of the whole) and gets `~` and an id as a suffix, until it is free. Readers such as DuckDB
//! compare names without regard to the case of ASCII letters, others fold all letters: the comparison here folds all.
//!
//! Directories are named by ids only. Nothing here does I/O; who is free is the caller's knowledge.

use std::fmt::{self, Write as _};

use catalog::BucketId;

use crate::ids::TableId;

/// A physical name is at most this long, suffix included (one suffix: each further one may add its own length).
const NAME_LIMIT_BYTES: usize = 200;

/// The name of the time column, which no tag or field may take.
pub(crate) const TIME_COLUMN: &str = "time";

/// Schema names that exist in a reader already, or that it reads as something else.
const RESERVED_SCHEMAS: [&str; 6] = ["main", "information_schema", "pg_catalog", "public", "system", "temp"];

/// The directory of a bucket's tables, relative to the root of the files, with a slash at the end.
#[must_use]
pub(crate) fn bucket_directory(bucket: BucketId) -> String {
    format!("{bucket}/")
}

/// The directory of a table's files, relative to the root of the files, with a slash at the end:
/// `<bucket id, 16 hexadecimal digits>/<table id>/`.
#[must_use]
pub fn table_directory(bucket: BucketId, table: TableId) -> String {
    format!("{bucket}/{table}/")
}

/// `name` as it is compared: in lower case, letter by letter, so that the result does not depend on the context.
#[must_use]
pub(crate) fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// The `attempt`-th name (from 0) to try for a table or column called `name`. `None`: this attempt has no name,
/// go on with the next one. Every attempt from 1 on has one, and no two are equal.
#[must_use]
pub(crate) fn candidate(name: &str, id: impl fmt::Display, attempt: usize) -> Option<String> {
    if attempt == 0 {
        return is_safe(name).then(|| name.to_owned());
    }
    let suffix = format!("~{id}").repeat(attempt);
    Some(format!("{}{suffix}", safe_form(name, NAME_LIMIT_BYTES.saturating_sub(suffix.len()))))
}

/// As [`candidate`], for the schema of a bucket: its name, then `organisation.bucket`, then its name with its id.
#[must_use]
pub(crate) fn schema_candidate(organisation: &str, bucket: &str, id: BucketId, attempt: usize) -> Option<String> {
    let is_free_to_use = |name: &String| is_safe(name) && !RESERVED_SCHEMAS.contains(&fold(name).as_str());
    match attempt {
        0 => Some(bucket.to_owned()).filter(is_free_to_use),
        1 => Some(format!("{organisation}.{bucket}")).filter(is_free_to_use),
        _ => candidate(bucket, id, attempt - 1),
    }
}

/// The first candidate that is free, by a closure that knows which folded names are taken.
pub(crate) fn first_free(
    mut candidate: impl FnMut(usize) -> Option<String>,
    is_taken: impl Fn(&str) -> bool,
) -> String {
    let mut attempt = 0;
    loop {
        // A suffix grows with every attempt, so this ends after as many attempts as there are names at most.
        match candidate(attempt) {
            Some(name) if !is_taken(&fold(&name)) => return name,
            _ => attempt += 1,
        }
    }
}

fn is_safe(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_LIMIT_BYTES && !name.chars().any(char::is_control)
}

/// `name` without control characters and not longer than `limit_bytes`. The end of a longer one is replaced by a
/// checksum of the whole.
fn safe_form(name: &str, limit_bytes: usize) -> String {
    let mut safe = String::with_capacity(name.len().min(limit_bytes));
    // Escaping only adds, so nothing after the limit's worth of input can remain.
    for character in name.chars().take(limit_bytes + 1) {
        if character.is_control() {
            // Writing to a `String` cannot fail.
            let _ = write!(safe, "\\x{:02x}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    if safe.len() <= limit_bytes {
        return safe;
    }
    let checksum = format!("~{:08x}", crc32c::crc32c(name.as_bytes()));
    safe.truncate(safe.floor_char_boundary(limit_bytes.saturating_sub(checksum.len())));
    safe + &checksum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use super::*;

    fn pick(name: &str, taken: &[&str]) -> String {
        let taken: Vec<String> = taken.iter().map(|name| fold(name)).collect();
        first_free(|attempt| candidate(name, 7, attempt), |folded| taken.iter().any(|name| name == folded))
    }

    #[test]
    fn names_are_plain_where_they_can_be() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("cpu", &[], "cpu"),
            ("CPU usage, \"%\".x", &["cpu"], "CPU usage, \"%\".x"),
            ("cpu", &["mem"], "cpu"),
            // Taken without regard to case.
            ("cpu", &["cpu"], "cpu~7"),
            ("cpu", &["CPU"], "cpu~7"),
            ("Cpu", &["cpu"], "Cpu~7"),
            ("Größe", &["GRÖßE"], "Größe~7"),
            ("ΣΑΣ", &["σας"], "ΣΑΣ"), // σ and ς are different letters in lower case
            ("time", &["time"], "time~7"),
            ("TIME", &["time"], "TIME~7"),
            // The suffixed name may be somebody's plain name.
            ("cpu", &["cpu", "CPU~7"], "cpu~7~7"),
            ("cpu", &["cpu", "cpu~7", "cpu~7~7"], "cpu~7~7~7"),
            // Unsafe.
            ("", &[], "~7"),
            ("\0", &[], "\\x00~7"),
            ("a\0b\n", &[], "a\\x00b\\x0a~7"),
            ("del\u{7f}\u{85}", &[], "del\\x7f\\x85~7"),
            ("back\\x00slash", &[], "back\\x00slash"),
            ("日本語", &[], "日本語"),
            ("🌊", &[], "🌊"),
        ];
        for (name, taken, expected) in cases {
            assert_eq!(pick(name, taken), *expected, "{name:?} beside {taken:?}");
        }
    }

    #[test]
    fn long_names_are_cut_with_a_checksum() {
        for (name, is_plain) in [
            ("a".repeat(200), true),
            ("a".repeat(201), false),
            ("a".repeat(65_000), false),
            ("ü".repeat(100), true),
            ("ü".repeat(101), false),
            (format!("x{}", "🌊".repeat(300)), false),
            ("\u{1}".repeat(199), false),
            ("\0".repeat(65_000), false),
        ] {
            let picked = pick(&name, &[]);
            assert_eq!(picked == name, is_plain);
            assert!(picked.len() <= NAME_LIMIT_BYTES, "{} bytes", picked.len());
            assert!(is_safe(&picked));
            assert!(is_plain || picked.ends_with("~7"));
        }
        let (left, right) = (format!("{}1", "a".repeat(300)), format!("{}2", "a".repeat(300)));
        assert_ne!(candidate(&left, 7, 1), candidate(&right, 7, 1));
        assert_eq!(
            pick(&"b".repeat(201), &[]),
            format!("{}~{:08x}~7", "b".repeat(189), { crc32c::crc32c("b".repeat(201).as_bytes()) })
        );
    }

    #[test]
    fn schemas_name_their_organisation_only_where_they_must() {
        let bucket = BucketId::from_u64(0xab).unwrap();
        let long = "o".repeat(200);
        let cases: &[(&str, &str, &[&str], &str)] = &[
            ("acme", "metrics", &[], "metrics"),
            ("acme", "my.bucket \"x\"", &[], "my.bucket \"x\""),
            ("acme", "metrics", &["Metrics"], "acme.metrics"),
            ("acme", "metrics", &["metrics", "ACME.metrics"], "metrics~00000000000000ab"),
            ("acme", "main", &[], "acme.main"),
            ("acme", "MAIN", &[], "acme.MAIN"),
            ("acme", "information_schema", &[], "acme.information_schema"),
            ("acme", "a\u{1}", &[], "a\\x01~00000000000000ab"),
            (&long, "main", &[], "main~00000000000000ab"),
            ("acme", "", &[], "acme."),
        ];
        for (organisation, name, taken, expected) in cases {
            let picked = first_free(
                |attempt| schema_candidate(organisation, name, bucket, attempt),
                |folded| taken.iter().any(|name| fold(name) == folded),
            );
            assert_eq!(picked, *expected, "{organisation:?} {name:?} beside {taken:?}");
        }
    }

    #[test]
    fn directories_are_ids() {
        let bucket = BucketId::from_u64(0xab).unwrap();
        assert_eq!(bucket_directory(bucket), "00000000000000ab/");
        assert_eq!(table_directory(bucket, TableId(12)), "00000000000000ab/12/");
    }
}

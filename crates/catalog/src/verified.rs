//! Passwords that were found right a short while ago, so that a client that sends one with every request does not cost
//! a password hash every time.
//!
//! What is kept is no password: it is a SHA-256 over a random key of this process, the name and the password. An entry
//! counts for five minutes and only beside the argon2 hash that it was found right by, so a change of the password ends
//! it. The table is bounded; when it is full the oldest entry goes.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// How long a password counts as verified.
const REMEMBERED_NS: i64 = 5 * 60 * 1_000_000_000;
/// Users of 1.x that send requests within five minutes; 10,000 cost about 2 MiB.
const ENTRIES_MAX: usize = 10_000;

#[derive(Debug)]
struct Entry {
    hash: Arc<str>,
    verified_ns: i64,
}

/// The table. Its `Debug` shows neither the key nor the digests.
pub(crate) struct VerifiedPasswords {
    key: [u8; 32],
    entries: Mutex<HashMap<[u8; 32], Entry>>,
}

impl std::fmt::Debug for VerifiedPasswords {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("VerifiedPasswords").field("entries", &self.entries.lock().len()).finish_non_exhaustive()
    }
}

impl VerifiedPasswords {
    /// An empty table with a new key.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, entries: Mutex::default() })
    }

    /// Whether the password was found right by this hash a short while ago.
    pub(crate) fn knows(&self, name: &str, password: &str, hash: &str, now_ns: i64) -> bool {
        let digest = self.digest(name, password);
        let entries = self.entries.lock();
        // A clock that went back does not make an entry younger than it is.
        entries
            .get(&digest)
            .is_some_and(|entry| *entry.hash == *hash && (0..REMEMBERED_NS).contains(&(now_ns - entry.verified_ns)))
    }

    /// Notes that the password is the one of the hash.
    pub(crate) fn remember(&self, name: &str, password: &str, hash: Arc<str>, now_ns: i64) {
        let digest = self.digest(name, password);
        let mut entries = self.entries.lock();
        if entries.len() >= ENTRIES_MAX && !entries.contains_key(&digest) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.verified_ns).map(|(digest, _)| *digest);
            oldest.map(|digest| entries.remove(&digest));
        }
        entries.insert(digest, Entry { hash, verified_ns: now_ns });
    }

    fn digest(&self, name: &str, password: &str) -> [u8; 32] {
        let mut sha256 = Sha256::new();
        sha256.update(self.key);
        // The length parts the two, so that no other pair has the same bytes.
        sha256.update((name.len() as u64).to_le_bytes());
        sha256.update(name);
        sha256.update(password);
        sha256.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn an_entry_counts_for_its_pair_its_hash_and_its_time() {
        let table = VerifiedPasswords::new().unwrap();
        table.remember("ab", "c", "hash".into(), 1_000);
        assert!(table.knows("ab", "c", "hash", 1_000));
        assert!(table.knows("ab", "c", "hash", 1_000 + REMEMBERED_NS - 1));
        for (name, password, hash, now_ns) in [
            ("ab", "c", "hash", 1_000 + REMEMBERED_NS),
            ("ab", "c", "hash", 999),
            ("ab", "c", "other", 1_000),
            ("a", "bc", "hash", 1_000),
            ("ab", "d", "hash", 1_000),
        ] {
            assert!(!table.knows(name, password, hash, now_ns), "{name} {password} {hash} {now_ns}");
        }
        assert!(!format!("{table:?}").contains("hash"));
    }

    #[test]
    fn the_oldest_entry_goes_when_the_table_is_full() {
        let table = VerifiedPasswords::new().unwrap();
        for number in 0..=ENTRIES_MAX {
            table.remember(&number.to_string(), "p", "hash".into(), number as i64);
        }
        let now_ns = ENTRIES_MAX as i64;
        assert!(!table.knows("0", "p", "hash", now_ns) && table.knows("1", "p", "hash", now_ns));
        assert_eq!(table.entries.lock().len(), ENTRIES_MAX);
    }
}

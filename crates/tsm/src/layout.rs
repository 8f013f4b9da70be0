//! Where the shards lie in a directory of InfluxDB.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The system refuses.
    #[error("cannot read the directory {}: {source}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no shard.
    #[error(
        "{} is no directory of InfluxDB: it has neither data/DATABASE/POLICY/SHARD nor \
         engine/data/BUCKET/autogen/SHARD",
        .0.display()
    )]
    NoShards(PathBuf),
    /// A name that is no text.
    #[error("the name of {} is not UTF-8", .0.display())]
    Name(PathBuf),
}

/// A shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPlace {
    /// Name of the database; in 2.x the id of the bucket.
    pub database: String,
    /// Name of the retention policy; in 2.x always `autogen`.
    pub retention_policy: String,
    /// Its number.
    pub id: u64,
    /// Where its TSM files are.
    pub data: PathBuf,
    /// Where its write-ahead log is, if there is one.
    pub wal: Option<PathBuf>,
}

/// A directory of InfluxDB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// All shards, by database, retention policy and number.
    pub shards: Vec<ShardPlace>,
    /// `meta.db` of 1.x.
    pub meta: Option<PathBuf>,
}

impl Layout {
    /// Looks for shards. `directory` is that of the whole server, of the engine of 2.x, or `data` itself.
    ///
    /// # Errors
    /// There are none, or the system refuses.
    pub fn find(directory: &Path) -> Result<Self, LayoutError> {
        let roots = [directory.join("engine"), directory.to_owned()];
        let mut data = roots.iter().map(|root| root.join("data")).find(|data| data.is_dir());
        let root = match &data {
            Some(data) => data.parent(),
            None => directory.parent(),
        };
        let root = root.unwrap_or(directory).to_owned();
        let data = data.take().unwrap_or_else(|| directory.to_owned());
        let meta = Some(root.join("meta/meta.db")).filter(|meta| meta.is_file());
        // A database that was written to only a moment ago has its shard's folder, and all of its points in the log.
        let mut names = BTreeSet::new();
        for (tree, is_log) in [(data.clone(), false), (root.join("wal"), true)] {
            if is_log && !tree.is_dir() {
                continue;
            }
            for (database, path) in folders(&tree)? {
                for (policy, path) in folders(&path)? {
                    let shards = folders(&path)?.into_iter().filter_map(|(name, _)| name.parse::<u64>().ok());
                    names.extend(shards.map(|id| (database.clone(), policy.clone(), id)));
                }
            }
        }
        if names.is_empty() {
            return Err(LayoutError::NoShards(directory.to_owned()));
        }
        let place = |(database, retention_policy, id): (String, String, u64)| {
            let below = PathBuf::from(&database).join(&retention_policy).join(id.to_string());
            let wal = Some(root.join("wal").join(&below)).filter(|wal| wal.is_dir());
            ShardPlace { data: data.join(&below), wal, database, retention_policy, id }
        };
        Ok(Self { shards: names.into_iter().map(place).collect(), meta })
    }

    /// Whether it is one of 2.x: its databases are named by the ids of buckets.
    #[must_use]
    pub fn is_version_2(&self) -> bool {
        let is_id = |name: &str| name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.meta.is_none() && self.shards.iter().all(|shard| is_id(&shard.database))
    }
}

/// The folders in a folder, but for those of the server itself.
fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, LayoutError> {
    let failed = |source| LayoutError::Io { path: path.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?.path();
        if !entry.is_dir() {
            continue;
        }
        let name = entry.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name = name.ok_or_else(|| LayoutError::Name(entry.clone()))?;
        if name != "_series" {
            found.push((name, entry));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::{Layout, LayoutError};

    #[test]
    fn both_versions_and_what_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let make = |path: &str| std::fs::create_dir_all(directory.path().join(path)).unwrap();
        make("one/data/db/autogen/2/index");
        make("one/data/db/_series/00");
        make("one/data/db/week/10");
        make("one/wal/db/autogen/2");
        make("one/meta");
        std::fs::write(directory.path().join("one/meta/meta.db"), "").unwrap();
        make("two/engine/data/0123456789abcdef/autogen/1");
        make("two/engine/wal/0123456789abcdef/autogen/1");
        make("none/data");
        for place in ["one", "one/data"] {
            let layout = Layout::find(&directory.path().join(place)).unwrap();
            let names: Vec<_> = layout
                .shards
                .iter()
                .map(|shard| (shard.database.as_str(), shard.retention_policy.as_str(), shard.id, shard.wal.is_some()))
                .collect();
            assert_eq!(names, [("db", "autogen", 2, true), ("db", "week", 10, false)], "{place}");
            assert!(layout.meta.is_some() && !layout.is_version_2());
        }
        for place in ["two", "two/engine", "two/engine/data"] {
            let layout = Layout::find(&directory.path().join(place)).unwrap();
            assert!(layout.is_version_2() && layout.shards.len() == 1, "{layout:?}");
            assert!(layout.shards[0].data.is_dir() && layout.shards[0].wal.is_some(), "{layout:?}");
        }
        assert!(matches!(Layout::find(&directory.path().join("none")), Err(LayoutError::NoShards(_))));
        assert!(matches!(Layout::find(&directory.path().join("missing")), Err(LayoutError::Io { .. })));
    }
}

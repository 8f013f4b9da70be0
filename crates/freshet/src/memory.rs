//! How much memory the process may use, and how it is shared out. The only place that knows all shares.
//!
//! - 40 %: buffered points, active and being flushed (`storage::limits::BUFFER_SHARE`). A larger buffer makes larger
//!   files and fewer of them; a full one slows writers down.
//! - 25 %: bodies of requests in flight (`server::Limits::for_memory`). A body exists compressed, decompressed and
//!   parsed at the same time.
//! - 20 %: operators of queries ([`QUERY_SHARE`]). Beyond it they spill to disk, so more is only faster.
//! - 5 %: compaction (`storage::limits::COMPACTION_SHARE`). With less it merges fewer files at once.
//! - 10 %: everything else: schemas, caches of footers, Parquet writers, results on their way, the allocator's slack.
//!   It is bounded in its own places, by numbers and not by bytes.
//!
//! The storage engine and the server take their shares of the whole themselves; this module finds out how much the
//! whole is. Nothing here measures what is in use.

use std::path::{Path, PathBuf};

use crate::options::MemoryLimit;

/// The part of the whole that operators of queries may take.
const QUERY_SHARE: f64 = 0.2;

/// Less would leave nothing for buffer and queries beside the program itself, which takes about 50 MiB.
const LEAST_BYTES: u64 = 128 << 20;

/// Why there is no budget.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    /// The option is below what the program needs.
    #[error(
        "the memory limit of {} MiB is too small: the server needs at least {} MiB",
        .limit_bytes >> 20,
        LEAST_BYTES >> 20
    )]
    TooSmall {
        /// What the option amounts to.
        limit_bytes: u64,
    },
    /// A part was asked for, and nobody says of what.
    #[error("cannot tell how much memory this machine has: give --memory-limit as a number of bytes")]
    Unknown,
}

/// What the process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryBudget {
    /// All of it.
    pub(crate) total_bytes: u64,
    /// For the operators of queries.
    pub(crate) query_bytes: usize,
}

impl MemoryBudget {
    /// What the option means on this machine.
    pub(crate) fn new(limit: MemoryLimit) -> Result<Self, MemoryError> {
        Self::within(limit, || available_bytes(Path::new("/")))
    }

    fn within(limit: MemoryLimit, available: impl FnOnce() -> Option<u64>) -> Result<Self, MemoryError> {
        let total_bytes = match limit {
            MemoryLimit::Bytes(bytes) => bytes.0,
            MemoryLimit::Percent(percent) => {
                let available = available().ok_or(MemoryError::Unknown)?;
                available / 100 * u64::from(percent)
            }
        };
        if total_bytes < LEAST_BYTES {
            return Err(MemoryError::TooSmall { limit_bytes: total_bytes });
        }
        Ok(Self { total_bytes, query_bytes: (total_bytes as f64 * QUERY_SHARE) as usize })
    }
}

/// What this process can have at most: the least of the machine's memory and the limits of its control groups.
fn available_bytes(root: &Path) -> Option<u64> {
    let limits = group_limits(root).into_iter().chain(machine_bytes(root));
    limits.min()
}

/// `MemTotal` of `/proc/meminfo`.
fn machine_bytes(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The limits of the control groups of this process and of those around it; version 2 and version 1. In a container
/// the path that `/proc/self/cgroup` names often exists outside only, and the limit stands at the top.
fn group_limits(root: &Path) -> Vec<u64> {
    let mut limits = Vec::new();
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (top, file) = match controllers {
            "" => (root.join("sys/fs/cgroup"), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let own: PathBuf = top.join(group.trim_start_matches('/'));
        for directory in own.ancestors().take_while(|directory| directory.starts_with(&top)) {
            let text = std::fs::read_to_string(directory.join(file)).unwrap_or_default();
            // `max` says that there is none.
            limits.extend(text.trim().parse::<u64>());
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::options::ByteSize;

    fn machine(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        available_bytes(root.path())
    }

    #[test]
    fn the_least_limit_counts() {
        let meminfo = ("proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
        let group = ("proc/self/cgroup", "0::/a/b\n");
        assert_eq!(machine(&[]), None);
        assert_eq!(machine(&[meminfo]), Some(16 << 20));
        assert_eq!(machine(&[meminfo, group]), Some(16 << 20));
        assert_eq!(machine(&[meminfo, group, ("sys/fs/cgroup/a/b/memory.max", "max\n")]), Some(16 << 20));
        assert_eq!(machine(&[meminfo, group, ("sys/fs/cgroup/a/b/memory.max", "1000\n")]), Some(1000));
        assert_eq!(machine(&[meminfo, group, ("sys/fs/cgroup/a/memory.max", "2000\n")]), Some(2000));
        assert_eq!(machine(&[meminfo, group, ("sys/fs/cgroup/memory.max", "3000\n")]), Some(3000));
        let old_group = ("proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/1\n");
        let old_limit = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000\n");
        assert_eq!(machine(&[meminfo, old_group, old_limit]), Some(4000));
        let no_limit = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(machine(&[meminfo, old_group, no_limit]), Some(16 << 20));
    }

    #[test]
    fn budgets() {
        let total = |limit, available| MemoryBudget::within(limit, || available).map(|budget| budget.total_bytes);
        assert_eq!(total(MemoryLimit::Percent(60), Some(1000 << 20)).unwrap(), 600 << 20);
        assert_eq!(total(MemoryLimit::Bytes(ByteSize(256 << 20)), None).unwrap(), 256 << 20);
        assert!(matches!(total(MemoryLimit::Percent(60), None), Err(MemoryError::Unknown)));
        assert!(matches!(total(MemoryLimit::Bytes(ByteSize(1)), None), Err(MemoryError::TooSmall { .. })));
        assert!(matches!(total(MemoryLimit::Percent(10), Some(1 << 30)), Err(MemoryError::TooSmall { .. })));
    }

    #[test]
    fn the_shares_leave_room_for_the_rest() {
        let total_bytes = 1 << 30;
        let budget = MemoryBudget::within(MemoryLimit::Bytes(ByteSize(total_bytes)), || None).unwrap();
        let bodies = server::Limits::for_memory(total_bytes).bodies_in_flight_bytes as f64;
        let engine = total_bytes as f64 * (storage::limits::BUFFER_SHARE + storage::limits::COMPACTION_SHARE);
        let shared = engine + bodies + budget.query_bytes as f64;
        assert!(shared <= total_bytes as f64 * 0.9, "{shared}");
    }
}

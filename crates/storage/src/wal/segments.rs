//! Which segments there are, and which of them nobody needs any more.
//!
//! A segment may go when all its records are in files whose commit is durable: its last sequence is at or below the
//! low-water mark that the catalog holds. The one that is being written never goes. They go oldest first, but a power
//! failure may bring back any of those whose removal was not synced yet; recovery takes a gap among records up to the
//! low-water mark for what it is.

use std::path::Path;

use super::error::{DiskFault, Operation};
use super::segment::segment_path;
use crate::disk::Disk;
use crate::ids::Sequence;

/// A segment that is not written to any more. All of it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedSegment {
    pub(crate) number: u64,
    /// Its last record.
    pub(crate) last: Sequence,
    pub(crate) bytes: u64,
}

/// Removes the segments of `sealed` (oldest first) whose last record is at or below `low_water`, and returns how many.
/// One that cannot be removed stays in the list, for the next time.
pub(crate) fn delete_through(
    disk: &dyn Disk,
    directory: &Path,
    sealed: &mut Vec<SealedSegment>,
    low_water: Sequence,
) -> Result<usize, DiskFault> {
    let mut deleted = 0;
    while let Some(segment) = sealed.first().copied().filter(|segment| segment.last <= low_water) {
        let path = segment_path(directory, segment.number);
        match disk.remove(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(DiskFault { operation: Operation::Remove, path, source });
            }
        }
        sealed.remove(0);
        deleted += 1;
    }
    if deleted > 0 {
        let path = directory.to_owned();
        disk.sync_directory(directory).map_err(|source| DiskFault { operation: Operation::Sync, path, source })?;
    }
    Ok(deleted)
}

//! The seam to the file system that the WAL lives on: what it may ask of a disk, and what the disk promises.
//!
//! ```text
//! wal ── Disk ──┬── RealDisk       std::fs, fallocate, fdatasync
//!               └── SimulatedDisk  in memory; loses what was not synced, fails on demand
//! ```
//!
//! The calls block; they are made from threads that may. Nothing here knows what is in a file.

mod real;
pub mod simulated;

use std::fmt;
use std::io;
use std::path::Path;

pub use real::RealDisk;
pub use simulated::SimulatedDisk;

/// A file system. A file that was created, renamed or removed stays so after a power failure only once
/// [`Disk::sync_directory`] has returned for its directory.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory and its missing parents, durable on return. One that exists is left as it is.
    ///
    /// # Errors
    /// Those of the file system.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// The names of the files in a directory, sorted. Directories and names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` if there is no such directory.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// Those of the file system; what is durable is unknown then.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Creates an empty file for reading and writing.
    ///
    /// # Errors
    /// `AlreadyExists`, `StorageFull` and others of the file system.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` and others of the file system.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Renames a file within its directory and replaces one that has the new name.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` and others of the file system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Bytes that an ordinary user may still allocate on the file system of `directory`.
    ///
    /// # Errors
    /// Those of the file system.
    fn available_bytes(&self, directory: &Path) -> io::Result<u64>;
}

/// An open file. Written bytes are visible to every reader at once, and durable once [`DiskFile::sync_data`] has
/// returned.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// The length in bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn length(&self) -> io::Result<u64>;

    /// Reads up to `buffer.len()` bytes from `offset`; 0 means the end of the file.
    ///
    /// # Errors
    /// Those of the file system.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`; a longer file is the result of writing at its end.
    ///
    /// # Errors
    /// `StorageFull` and others of the file system; any part of `bytes` may have been written then.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file at least `length` bytes long, filled with zeros, with the space for it taken. A file system that
    /// cannot do so leaves the file as it is: allocation saves work, nothing relies on it.
    ///
    /// # Errors
    /// `StorageFull` and others of the file system; the file may be longer than before then.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Cuts the file, or fills it with zeros, to `length` bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Makes the contents and the length durable (fdatasync).
    ///
    /// # Errors
    /// Those of the file system. What of the writes since the last success is durable is unknown then and stays so:
    /// a later success says nothing about them.
    fn sync_data(&self) -> io::Result<()>;
}

/// Reads exactly `buffer.len()` bytes from `offset`.
///
/// # Errors
/// `UnexpectedEof` if the file ends before, and those of the file system.
pub fn read_exact_at(file: &dyn DiskFile, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(offset, buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                offset += count as u64;
                buffer = buffer.get_mut(count..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether an error says that the disk or the user's share of it is full, which may pass.
#[must_use]
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests;

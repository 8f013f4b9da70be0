//! Reads a segment's records in order, and looks for records behind a place where there is none.
//!
//! A reader never decides what an unreadable place means; that is `recovery`'s.

use std::path::{Path, PathBuf};

use super::error::{DiskFault, Operation};
use super::record::{PAYLOAD_BYTES_MAX, RECORD_HEADER_BYTES, RecordHeader};
use crate::disk::DiskFile;
use crate::ids::Sequence;

/// How much is read at once, unless a record is longer.
const CHUNK_BYTES: usize = 1 << 20;

/// A place in a segment, and the bytes behind it.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    salt: u64,
    /// Where the next record starts.
    offset: u64,
    /// Nothing is read from here on.
    end: u64,
    buffer: Vec<u8>,
    /// The place of the buffer's first byte.
    buffer_offset: u64,
}

impl SegmentReader {
    /// A reader of the records between two places of a segment.
    pub(crate) fn new(file: Box<dyn DiskFile>, path: PathBuf, salt: u64, offset: u64, end: u64) -> Self {
        Self { file, path, salt, offset, end, buffer: Vec::new(), buffer_offset: offset }
    }

    /// Where the next record starts, or would.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn bytes_left(&self) -> u64 {
        self.end - self.offset
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn into_file(self) -> Box<dyn DiskFile> {
        self.file
    }

    /// The next record whose checksums are right; `None` at the end, and where there is no such record. The reader
    /// stays there then.
    pub(crate) fn next_record(&mut self) -> Result<Option<(RecordHeader, &[u8])>, DiskFault> {
        let salt = self.salt;
        let left = self.bytes_left();
        let Some(bytes) = self.peek(RECORD_HEADER_BYTES)?.first_chunk() else {
            return Ok(None);
        };
        let Some(header) = RecordHeader::decode(bytes, salt) else {
            return Ok(None);
        };
        let length = header.payload_length as usize;
        if header.record_bytes() > left || length > PAYLOAD_BYTES_MAX {
            return Ok(None);
        }
        let bytes = self.peek(RECORD_HEADER_BYTES + length)?;
        let payload = bytes.get(RECORD_HEADER_BYTES..).unwrap_or_default();
        if payload.len() != length || crc32c::crc32c(payload) != header.payload_checksum {
            return Ok(None);
        }
        let start = (self.offset - self.buffer_offset) as usize + RECORD_HEADER_BYTES;
        self.offset += header.record_bytes();
        Ok(Some((header, self.buffer.get(start..start + length).unwrap_or_default())))
    }

    /// Whether all bytes from here to the end are zero: space that was allocated and never used.
    pub(crate) fn rest_is_zero(&mut self) -> Result<bool, DiskFault> {
        let mut place = self.offset;
        while place < self.end {
            let chunk = self.chunk_at(place, CHUNK_BYTES)?;
            if chunk.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            if chunk.is_empty() {
                break;
            }
            place += chunk.len() as u64;
        }
        Ok(true)
    }

    /// Looks behind the unreadable record `lost` for a record after `after` that proves that `lost` was durable once:
    /// it was written after the sync of `lost`. Of a `lost` up to `after`, which is in files, that is known anyway.
    ///
    /// A header is enough to prove it; the checksum with the segment's salt makes a chance hit as good as impossible,
    /// and the cheap look at the sequence first keeps the search at every byte fast.
    pub(crate) fn durable_record_behind(
        &mut self,
        lost: Sequence,
        after: Sequence,
    ) -> Result<Option<Sequence>, DiskFault> {
        let salt = self.salt;
        let records_max = (self.end - self.offset) / RECORD_HEADER_BYTES as u64;
        let mut place = self.offset;
        while place < self.end {
            let chunk = self.chunk_at(place, CHUNK_BYTES)?;
            for window in chunk.windows(RECORD_HEADER_BYTES) {
                let Some(bytes) = window.first_chunk::<RECORD_HEADER_BYTES>() else {
                    continue;
                };
                let sequence = super::segment::u64_at(bytes, 16);
                if sequence <= lost.0.max(after.0) || sequence - lost.0 > records_max {
                    continue;
                }
                let header = RecordHeader::decode(bytes, salt);
                if let Some(header) = header.filter(|header| lost <= after || header.durable_through >= lost) {
                    return Ok(Some(header.sequence));
                }
            }
            if chunk.len() < RECORD_HEADER_BYTES {
                break;
            }
            // The next chunk starts where the last window of this one did, plus one.
            place += (chunk.len() - RECORD_HEADER_BYTES + 1) as u64;
        }
        Ok(None)
    }

    /// The next `count` bytes, fewer at the end.
    fn peek(&mut self, count: usize) -> Result<&[u8], DiskFault> {
        self.chunk_at(self.offset, count)
    }

    /// `count` bytes from `place`, fewer at the end.
    fn chunk_at(&mut self, place: u64, count: usize) -> Result<&[u8], DiskFault> {
        let count = count.min(usize::try_from(self.end.saturating_sub(place)).unwrap_or(usize::MAX));
        let buffered =
            place >= self.buffer_offset && place + count as u64 <= self.buffer_offset + self.buffer.len() as u64;
        if !buffered {
            self.load(place, count)?;
        }
        let start = (place - self.buffer_offset) as usize;
        let rest = self.buffer.get(start..).unwrap_or_default();
        Ok(rest.get(..count).unwrap_or(rest))
    }

    /// Fills the buffer from `place` with at least `count` bytes, fewer at the end.
    fn load(&mut self, place: u64, count: usize) -> Result<(), DiskFault> {
        let left = usize::try_from(self.end.saturating_sub(place)).unwrap_or(usize::MAX);
        self.buffer.resize(count.max(CHUNK_BYTES).min(left), 0);
        self.buffer_offset = place;
        let mut filled = 0;
        while let Some(target) = self.buffer.get_mut(filled..).filter(|target| !target.is_empty()) {
            match self.file.read_at(place + filled as u64, target) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(DiskFault { operation: Operation::Read, path: self.path.clone(), source });
                }
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }
}

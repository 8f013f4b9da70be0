//! One TSM file: a head, blocks with checksums, an index by key, and where the index begins.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;

use crate::codec;
use crate::error::{Damage, ReadError};
use crate::limits::{BLOCK_BYTES_MAX, INDEX_READ_BYTES, KEY_BYTES_MAX};
use crate::value::{ValueType, Values};

const MAGIC: u32 = 0x16d1_16d1;
const VERSION: u8 = 1;
const HEAD_BYTES: u64 = 5;
const FOOT_BYTES: u64 = 8;
const ENTRY_BYTES: usize = 28;
const CHECKSUM_BYTES: usize = 4;

/// Where a block lies, and between which times its points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockEntry {
    /// The first time, in nanoseconds.
    pub min_time: i64,
    /// The last time, in nanoseconds.
    pub max_time: i64,
    /// Bytes from the beginning of the file.
    pub offset: u64,
    /// Bytes, with those of the checksum.
    pub size: u32,
}

/// An open file.
#[derive(Debug, Clone)]
pub struct TsmFile {
    path: Arc<PathBuf>,
    file: Arc<File>,
    index_start: u64,
    index_end: u64,
}

impl TsmFile {
    /// Opens it, and reads its head and foot.
    ///
    /// # Errors
    /// The system refuses, or it is no such file.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::io(path, source);
        let damaged = |offset, damage| Err(ReadError::damaged(path, offset, damage));
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length < HEAD_BYTES + FOOT_BYTES {
            return damaged(length, Damage::Short);
        }
        let mut head = [0; HEAD_BYTES as usize];
        file.read_exact_at(&mut head, 0).map_err(failed)?;
        let [magic @ .., version] = head;
        if u32::from_be_bytes(magic) != MAGIC {
            return damaged(0, Damage::Magic);
        }
        if version != VERSION {
            return damaged(4, Damage::Version(version.into()));
        }
        let index_end = length - FOOT_BYTES;
        let mut foot = [0; FOOT_BYTES as usize];
        file.read_exact_at(&mut foot, index_end).map_err(failed)?;
        let index_start = u64::from_be_bytes(foot);
        if !(HEAD_BYTES..=index_end).contains(&index_start) {
            return damaged(index_end, Damage::Short);
        }
        Ok(Self { path: Arc::new(path.to_owned()), file: Arc::new(file), index_start, index_end })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its keys from the first one on.
    #[must_use]
    pub fn index(&self) -> IndexCursor {
        let section = Section { file: Arc::clone(&self.file), at: self.index_start, end: self.index_end };
        IndexCursor {
            path: Arc::clone(&self.path),
            source: BufReader::with_capacity(INDEX_READ_BYTES, section),
            at: self.index_start,
            end: self.index_end,
            key: Vec::new(),
            value_type: ValueType::Float,
            entries: Vec::new(),
        }
    }

    /// Reads a block. `bytes`, `times` and `values` are memory that is used again.
    ///
    /// # Errors
    /// The system refuses, or the block is damaged: its checksum, its encoding, or times and type other than the
    /// index says.
    pub fn read_block(
        &self,
        entry: &BlockEntry,
        value_type: ValueType,
        bytes: &mut Vec<u8>,
        times: &mut Vec<i64>,
        values: &mut Values,
    ) -> Result<(), ReadError> {
        let damaged = |damage| ReadError::damaged(&self.path, entry.offset, damage);
        let end = entry.offset.checked_add(entry.size.into());
        if entry.offset < HEAD_BYTES || end.is_none_or(|end| end > self.index_start) {
            return Err(damaged(Damage::Short));
        }
        if entry.size > BLOCK_BYTES_MAX {
            return Err(damaged(Damage::TooLarge));
        }
        bytes.resize(entry.size as usize, 0);
        self.file.read_exact_at(bytes, entry.offset).map_err(|source| ReadError::io(&self.path, source))?;
        let (checksum, block) = bytes.split_first_chunk::<CHECKSUM_BYTES>().ok_or_else(|| damaged(Damage::Short))?;
        let mut sum = Crc::new();
        sum.update(block);
        if sum.sum() != u32::from_be_bytes(*checksum) {
            return Err(damaged(Damage::Checksum));
        }
        if let Some(byte) = block.first().filter(|byte| codec::value_type(**byte) != Ok(value_type)) {
            return Err(damaged(Damage::Type(*byte)));
        }
        codec::decode_block(block, times, values).map_err(damaged)?;
        let is_within = times.first().is_none_or(|first| *first >= entry.min_time)
            && times.last().is_none_or(|last| *last <= entry.max_time);
        if is_within { Ok(()) } else { Err(damaged(Damage::Times)) }
    }
}

/// A part of a file, read from its beginning on.
struct Section {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Section {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(target.len());
        let count = self.file.read_at(target.get_mut(..room).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Goes through the keys of a file in their order; holds one of them at a time.
pub struct IndexCursor {
    path: Arc<PathBuf>,
    source: BufReader<Section>,
    at: u64,
    end: u64,
    key: Vec<u8>,
    value_type: ValueType,
    entries: Vec<BlockEntry>,
}

impl IndexCursor {
    /// Goes to the next key; false at the end.
    ///
    /// # Errors
    /// The system refuses, or the index is damaged; there is nothing behind that can be found.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        self.key.clear();
        self.entries.clear();
        if self.at >= self.end {
            return Ok(false);
        }
        let start = self.at;
        let read = self.read_key();
        if read.is_err() {
            self.at = self.end;
            self.key.clear();
            self.entries.clear();
        }
        read.map(|()| true).map_err(|failure| match failure {
            Failure::Io(source) => ReadError::io(&self.path, source),
            Failure::Damaged(damage) => ReadError::damaged(&self.path, start, damage),
        })
    }

    fn read_key(&mut self) -> Result<(), Failure> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        if length == 0 || length > KEY_BYTES_MAX {
            return Err(Failure::Damaged(Damage::Key));
        }
        self.key.resize(length, 0);
        self.source.read_exact(&mut self.key)?;
        self.at += length as u64;
        let [value_type] = self.array()?;
        self.value_type = codec::value_type(value_type).map_err(Failure::Damaged)?;
        let count = u16::from_be_bytes(self.array()?);
        for _ in 0..count {
            let entry: [u8; ENTRY_BYTES] = self.array()?;
            self.entries.push(block_entry(&entry).ok_or(Failure::Damaged(Damage::Short))?);
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    /// Where the current key ends in the file, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// The key; empty before the first and behind the last one.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The type of its values.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// Its blocks.
    #[must_use]
    pub fn entries(&self) -> &[BlockEntry] {
        &self.entries
    }
}

fn block_entry(bytes: &[u8; ENTRY_BYTES]) -> Option<BlockEntry> {
    let (min_time, rest) = bytes.split_first_chunk::<8>()?;
    let (max_time, rest) = rest.split_first_chunk::<8>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let size = rest.first_chunk::<4>()?;
    Some(BlockEntry {
        min_time: i64::from_be_bytes(*min_time),
        max_time: i64::from_be_bytes(*max_time),
        offset: u64::from_be_bytes(*offset),
        size: u32::from_be_bytes(*size),
    })
}

/// Why a key cannot be read.
enum Failure {
    Io(io::Error),
    Damaged(Damage),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged(Damage::Short),
            _ => Self::Io(error),
        }
    }
}

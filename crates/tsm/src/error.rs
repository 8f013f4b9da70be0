//! Why something cannot be read.

use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// There are fewer bytes than a length says.
    #[error("the bytes end too early")]
    Short,
    /// The first bytes are not those of such a file.
    #[error("this is no file of that kind: its first bytes are others")]
    Magic,
    /// A version that no released InfluxDB writes.
    #[error("version {0} of the format is not known")]
    Version(u32),
    /// The checksum of a block.
    #[error("the checksum of the block is wrong")]
    Checksum,
    /// A type of values or entries that does not exist.
    #[error("the type {0} is not known")]
    Type(u8),
    /// An encoding that does not exist for the type.
    #[error("the encoding {0} is not known for this type")]
    Encoding(u8),
    /// A length or count above what InfluxDB writes.
    #[error("a length or count is larger than any that is written")]
    TooLarge,
    /// Another number of times than of values.
    #[error("the block has {times} times and {values} values")]
    Count {
        /// How many times.
        times: usize,
        /// How many values.
        values: usize,
    },
    /// Compressed bytes.
    #[error("the compressed bytes are damaged")]
    Compression,
    /// A key that is none, or in the wrong order.
    #[error("the key is damaged")]
    Key,
    /// Times that no point can have, or that do not ascend.
    #[error("the times are damaged")]
    Times,
    /// A deletion by predicate, which only a version before the first release wrote.
    #[error("a deletion by predicate cannot be applied")]
    Predicate,
}

/// Why a file cannot be read, or a part of it.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refuses.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes are not what they should be.
    #[error("{} is damaged at byte {offset}: {damage}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in it, in bytes from its beginning.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
}

impl ReadError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, offset: u64, damage: Damage) -> Self {
        Self::Damaged { path: path.to_owned(), offset, damage }
    }
}

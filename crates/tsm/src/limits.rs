//! What a file may ask for, each with its reason. The files are written by another program, may be damaged, and may
//! be made to harm; what a reader sets aside for a length that they claim is bounded here.

/// Points of one block. InfluxDB writes 1,000, its full compactions up to 100,000; eight bytes in the file can claim
/// any number.
pub const BLOCK_POINTS_MAX: usize = 1 << 20;

/// Bytes of one block in the file: a million points of ten bytes. An index entry can claim four gigabytes.
pub const BLOCK_BYTES_MAX: u32 = 64 << 20;

/// Bytes of the strings of one block. InfluxDB takes strings of 64 KiB, of which a block may hold a thousand.
pub const BLOCK_STRING_BYTES_MAX: usize = 256 << 20;

/// Bytes of one entry of a write-ahead log, decompressed. An entry is one write, and bodies of writes have 25 MB at
/// most unless somebody configured more.
pub const WAL_ENTRY_BYTES_MAX: usize = 256 << 20;

/// Bytes of one key: 64 KiB for the series by InfluxDB's own limit, and the field.
pub const KEY_BYTES_MAX: usize = 128 << 10;

/// Bytes of the tombstones of one file, decompressed. Dropping a million series of 200 bytes writes 220 MB.
pub const TOMBSTONE_BYTES_MAX: u64 = 1 << 30;

/// Bytes of `meta.db`. It names databases, users and shards; a thousand databases with years of shards are some
/// megabytes.
pub const META_BYTES_MAX: u64 = 256 << 20;

/// Bytes of an index that are read at a time.
pub const INDEX_READ_BYTES: usize = 64 << 10;

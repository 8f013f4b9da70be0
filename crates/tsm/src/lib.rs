//! The data directory of InfluxDB 1.x and 2.x, read without InfluxDB: rows out of TSM files, tombstones and the
//! write-ahead log.
//!
//! ```text
//! Layout   data/DB/RP/SHARD, wal/DB/RP/SHARD, meta/meta.db ── or engine/data/BUCKET/autogen/SHARD of 2.x
//! Shard    its *.tsm with *.tombstone, and its *.wal
//!   Fields   which fields of which types there are: from the indexes alone
//!   Rows     series by series, times ascending, then the log in its order
//! ```
//!
//! A key in these files is `measurement,tag=value#!~#field`, and each block says its type. So neither the series file
//! (`_series`), nor the series index, nor `fields.idx` is needed: they only repeat what the keys and blocks say.
//!
//! Pure but for reading the files: nothing is ever written, locked or repaired. Every length is checked against the
//! bytes that are there and against `limits`, whatever the files hold; damage is an error with file and offset, and
//! what stands behind it is still read where its place is known.

pub mod codec;
mod error;
mod file;
mod key;
mod layout;
pub mod limits;
mod meta;
mod rows;
mod shard;
mod tombstone;
mod value;
mod wal;

pub use error::{Damage, ReadError};
pub use file::{BlockEntry, IndexCursor, TsmFile};
pub use key::{SeriesKey, SeriesKeyError, split_key};
pub use layout::{Layout, LayoutError, ShardPlace};
pub use meta::{ContinuousQuery, Database, Meta, RetentionPolicy, User};
pub use rows::{Row, Rows};
pub use shard::{Fields, Shard};
pub use tombstone::{Tombstone, read_tombstones};
pub use value::{Strings, Value, ValueType, Values};
pub use wal::{WalEntry, WalSegment, WalValue, decode_entry};

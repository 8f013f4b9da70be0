//! From buffered rows to Parquet files: sorted, without duplicates, durable before they are named.
//!
//! ```text
//! BufferedRows ── sort (ranks, counting) ── encode (Parquet, on a blocking thread) ── parts ── object store
//! ```
//!
//! A flush writes files and says what it wrote; committing them to the catalog is `lake`'s work, and what is flushed
//! when is the engine's.

mod delete_file;
pub(crate) mod encode;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod footer;
mod measure;
mod parquet;
pub(crate) mod sort;
pub(crate) mod upload;
pub(crate) mod wide;

pub(crate) use self::delete_file::encode_delete_file;
pub(crate) use self::encode::{PAGE_ROWS, ROW_GROUP_ROWS};
pub use self::footer::{FooterColumn, FooterError, FooterMetadata};
pub use self::parquet::{FlushError, WrittenFile, write_table};
pub use self::sort::{TooManyRows, choose_tag_order};

//! The storage engine: it takes batches of points, makes them durable, and gives back consistent snapshots of them.
//!
//! ```text
//! Engine::write ── schema (types decided, committed) ── wal (one fdatasync for all who wait) ── buffer (visible)
//!                                                                                          │ size, age, close
//!                                                                                        flush ── Parquet ── lake (one SQL transaction)
//! Engine::snapshot ── buffer + files ── scan (merged, last value that was given wins)
//! ```
//!
//! It knows Arrow, Parquet and the SQL of its own catalog. It never knows HTTP, tokens or a query language.

pub mod disk;
pub mod ids;
pub mod lake;
pub mod rows;
pub mod table;
pub mod wal;

pub use ids::{ColumnId, FileId, Sequence, TableId};

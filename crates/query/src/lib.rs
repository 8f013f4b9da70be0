//! Queries over storage snapshots.
//!
//! ```text
//! text ── sql ── DataFusion logical plan ── table (filters → pruning) ── scan ── storage::ScanPartition
//! text ── influxql ── planner (names → slots, windows) ── groups ─────────────┤
//! text ── flux ── interpreter ── streams of tables ───────────────────────────┤
//! text ── promql ── selections of series ─────────────────────────────────────┤
//!                                                                             │
//! batches of Arrow ◀── bounded channel ◀── the query threads ◀────────────────┘
//! ```
//!
//! A query reads one [`storage::Snapshot`] and nothing else, on threads of its own, within a memory pool, a time limit
//! and a bounded number of neighbours. This crate never writes files and never knows HTTP.

mod caches;
mod catalog;
mod engine;
mod error;
mod export;
pub mod flux;
pub mod influxql;
mod limits;
mod ops;
pub mod promql;
mod scan;
mod sql;
mod system;
mod table;

pub use caches::{CacheDefinition, CacheKind, Caches};
pub use engine::{FluxResult, QueryEngine, QueryMetrics, QueryOptions, QueryResult};
pub use error::{EngineError, QueryError};
pub use export::ExportedRows;
pub use sql::{SqlDescription, SqlRequest};

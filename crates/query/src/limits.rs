//! The limits of queries that are not options, with their reasons.

/// Batches between the query threads and whoever reads the result: enough to keep both busy, few enough that a slow
/// reader holds a few megabytes at most.
pub(crate) const RESULT_QUEUE_BATCHES: usize = 4;

/// Rows of a batch, DataFusion's own default: larger ones leave the cache, smaller ones cost a call each.
pub(crate) const BATCH_ROWS: usize = 8192;

/// Nesting of expressions in a query's text. Each level takes stack in parser and planner.
pub(crate) const NESTING_DEPTH: usize = 100;

/// Bytes of a query's text. Generated queries reach tens of kilobytes.
pub(crate) const QUERY_BYTES: usize = 1 << 20;

/// Consumers that an out-of-memory message names.
pub(crate) const NAMED_MEMORY_CONSUMERS: usize = 3;

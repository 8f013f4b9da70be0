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

/// Columns of an InfluxQL answer: `SELECT *` over many measurements names all their fields.
pub(crate) const INFLUXQL_COLUMNS: usize = 50_000;

/// Groups of an InfluxQL query. Each is a series of the answer; more than this nobody reads, and the memory pool would
/// refuse soon after.
pub(crate) const INFLUXQL_SERIES: usize = 2_000_000;

/// Windows of one series of an InfluxQL answer, with those that are only filled: a year of half minutes.
pub(crate) const INFLUXQL_WINDOWS: u64 = 1_000_000;

/// Bytes of a compiled regular expression. The default of the crate is 10 MiB, and a query may have many.
pub(crate) const REGEX_BYTES: usize = 1 << 20;

/// Cells of a part of an InfluxQL answer on its way to the reader, with the head of each row: one to two megabytes.
pub(crate) const ANSWER_PART_CELLS: usize = 64 << 10;

/// Where there is little memory, a part takes this share of it: some are in the queue, one is made, one is read.
pub(crate) const ANSWER_PART_SHARE: usize = 64;

/// Bytes of the rows that an InfluxQL query for raw rows reads at a time, as columns. Larger slices decode fewer pages
/// twice.
pub(crate) const SLICE_BYTES: usize = 64 << 20;

/// Where there is little memory, a slice takes this share of it; other queries run too.
pub(crate) const SLICE_SHARE: usize = 16;

/// By how much the next slice may have more or fewer rows than the last one.
pub(crate) const SLICE_GROWTH: u64 = 8;

/// Rows of a slice, at least: a batch.
pub(crate) const SLICE_ROWS_MIN: u64 = BATCH_ROWS as u64;

/// Above this many rows, a query that shows few of them reads the first ones alone.
pub(crate) const EARLY_STOP_ROWS: u64 = 64 << 10;

/// Deletes that an InfluxQL statement may become in one bucket. Each is a record of the log, and every scan of a table
/// holds its rows against all of its deletes until the files are rewritten; the storage engine takes ten times as many
/// for one table.
pub(crate) const INFLUXQL_DELETES: usize = 1_000;

/// How deep expressions and calls of a Flux script may stand in each other. A level takes up to 8 kB of the script's
/// thread in a debug build; scripts nest below 300.
pub(crate) const FLUX_DEPTH: usize = 8_000;

/// Bytes of the stack of a Flux script's thread: [`FLUX_DEPTH`] levels. Only what is used becomes memory.
pub(crate) const FLUX_STACK_BYTES: usize = 128 << 20;

/// Steps of a Flux script: calls, and rows that operations look at. Minutes of one core; the time limit usually comes
/// first.
pub(crate) const FLUX_STEPS: u64 = 20_000_000_000;

/// Windows that one table may be cut into, with those that hold nothing: a year of half minutes.
pub(crate) const FLUX_WINDOWS: usize = 1_000_000;

/// Rows that windows may give beyond those that they get, where they overlap.
pub(crate) const FLUX_WINDOW_ROWS: usize = 20_000_000;

/// Exports at the same time: each keeps a disk or a network busy by itself.
pub(crate) const EXPORTS: usize = 2;

/// What one `holt_winters` may fit, in windows. Each is looked at by up to 16,000 tries of the search, which cost about
/// a millisecond together, and nothing else runs on the thread meanwhile.
pub(crate) const FORECAST_WORK: usize = 10_000;

/// The square of a season over this counts as windows: one step of the search moves as many corners as a season is
/// long, which is that much cheaper for each number than a window.
pub(crate) const FORECAST_SEASON_SHARE: usize = 32;

/// Values that one `holt_winters` foretells. Far behind the data they say nothing.
pub(crate) const FORECAST_VALUES: usize = 100_000;

/// Rows that a join of a Flux script gives. Each is a row of memory, and a join of two long columns on a value that all
/// rows share is their product.
pub(crate) const FLUX_JOIN_ROWS: usize = 20_000_000;

/// Bytes of a text that a function of a Flux script makes: as much as a query's whole answer usually has.
pub(crate) const FLUX_STRING_BYTES: usize = 64 << 20;

/// Values of an array that a function of a Flux script makes out of a number.
pub(crate) const FLUX_ARRAY_LENGTH: usize = 1_000_000;
/// Bytes of line protocol that `to` writes at once: large enough for one sync of the disk to be cheap, small beside the
/// memory of a query.
pub(crate) const FLUX_WRITE_BYTES: usize = 1 << 20;

/// How often a script that waits for a scan looks whether anybody still waits for the script.
pub(crate) const FLUX_CANCELED_AFTER: std::time::Duration = std::time::Duration::from_millis(50);

/// Series of a pipeline of Flux that the storage aggregates, each with its windows. The memory pool refuses soon after.
pub(crate) const FLUX_SERIES: usize = 5_000_000;

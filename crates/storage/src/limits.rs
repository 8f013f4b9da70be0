//! Every limit of the engine, with its reason. What a user may set is an option; what stands here is not.

use std::time::Duration;

/// Tables (measurements) of one bucket. Each costs about 2 KB of memory for its schema, so this is 200 MB.
pub const TABLES_PER_BUCKET: usize = 100_000;

/// Columns of one table. DuckDB and Parquet readers slow down with wider files; InfluxDB 3 Core stops at 500.
pub const COLUMNS_PER_TABLE: usize = 10_000;

/// Buffered bytes of a table that make it flush: files of some 5 MB, and at most a few seconds of work to replay.
pub const FLUSH_TABLE_BYTES: u64 = 64 << 20;

/// The age of the oldest buffered row that makes a flush. InfluxDB flushes a cold cache after the same time.
pub const FLUSH_AGE: Duration = Duration::from_secs(600);

/// How often the age of the buffer is looked at; small against [`FLUSH_AGE`].
pub const FLUSH_CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The pause before a failed flush is tried again without being asked for; the data stays in the WAL meanwhile.
pub const FLUSH_RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The part of the memory limit that buffered rows may take, active and being flushed together. The rest is for
/// requests, queries and the Parquet writers.
pub const BUFFER_SHARE: f64 = 0.4;

/// Seconds after which a client should try again when the buffer or a queue is full: a flush takes about this long.
pub const RETRY_AFTER_S: u32 = 1;

/// Writes that wait for their schema to be registered. One transaction serves all that wait.
pub const REGISTRATION_QUEUE: usize = 1024;

/// Rows from which a batch becomes a chunk of its own in the buffer. Smaller ones are gathered first, since a chunk
/// costs some hundred bytes and a pointer for every column.
pub const CHUNK_ROWS_MIN: usize = 512;

/// Rows of a gathered chunk. Larger chunks would make the copy at a snapshot noticeable to a writer.
pub const CHUNK_ROWS_MAX: usize = 65_536;

/// Body bytes up to which a write is parsed where it stands: handing it to another thread costs more.
pub const INLINE_PARSE_BYTES: usize = 16 << 10;

/// Reasons that one partial-write message spells out; the count covers all.
pub const DROP_REASONS: usize = 5;

/// Tables that one flush writes at the same time. Each holds the row group that it is building.
pub const FLUSH_CONCURRENCY: usize = 2;

/// How long a write waits for room in the buffer before it is refused: several times what a flush takes.
pub const BUFFER_WAIT: Duration = Duration::from_secs(5);

/// Writes that wait for room in the buffer. Each holds its body; the server bounds the bytes of all bodies.
pub const BUFFER_WAITING_WRITES: usize = 1024;

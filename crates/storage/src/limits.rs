//! Every limit of the engine, with its reason. What a user may set is an option; what stands here is not.

use std::time::Duration;

/// Tables (measurements) of one bucket, if no option says otherwise. Each costs about 2 KB of memory for its schema, so
/// this is 200 MB.
pub const TABLES_PER_BUCKET: usize = 100_000;

/// Columns of one table, if no option says otherwise. DuckDB and Parquet readers slow down with wider files; InfluxDB 3
/// Core stops at 500.
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

/// Lines that the answer to a partial write of InfluxDB 3 names one by one: as many as the parser reports.
pub const REJECTED_LINES: usize = 1_000;

/// Bytes of such a line that are kept: clients show its start.
pub const REJECTED_LINE_BYTES: usize = 128;

/// Reasons that one partial-write message spells out; the count covers all.
pub const DROP_REASONS: usize = 5;

/// Tables that one flush writes at the same time. Each holds the row group that it is building.
pub const FLUSH_CONCURRENCY: usize = 2;

/// How long a write waits for room in the buffer before it is refused: several times what a flush takes.
pub const BUFFER_WAIT: Duration = Duration::from_secs(5);

/// Writes that wait for room in the buffer. Each holds its body; the server bounds the bytes of all bodies.
pub const BUFFER_WAITING_WRITES: usize = 1024;

/// The part of the memory limit that compaction may take for reading and writing files. More would only let it merge
/// more files at once.
pub const COMPACTION_SHARE: f64 = 0.05;

/// Bytes that files grow to. Larger ones would make a rewrite for late data dearer, smaller ones cost a request each.
pub const COMPACTED_FILE_BYTES: u64 = 128 << 20;

/// Bytes that one merge reads: what it writes lies beside it until it is committed.
pub const COMPACTION_GROUP_BYTES: u64 = 4 << 30;

/// Files that one merge reads. Each is open, and each series is looked for in all of them.
pub const COMPACTION_GROUP_FILES: usize = 64;

/// Files that one merge writes at the same time; each holds the row group that it is building. For more of them the
/// inputs are read again.
pub const COMPACTION_WRITERS: usize = 8;

/// Files that are merged into one at least, so that a byte is rewritten once for a fourfold growth of its file. With
/// 4, two gigabytes from 5 MB flushes are written three times in all, and some dozen files of a table wait.
pub const COMPACTION_FAN_IN: usize = 4;

/// Bytes of a group that are rewritten in a quiet table whatever the gain: one page of the disk's cache.
pub const COMPACTION_TINY_BYTES: u64 = 256 << 10;

/// Overlapping files of a table from which a group may start to be looked for. Looking takes the square of it.
pub const COMPACTION_STARTS: usize = 256;

/// Bytes up to which a request to compact joins small neighbours whatever the gain.
pub const SETTLED_SMALL_BYTES: u64 = 8 << 20;

/// A request to compact joins smaller files to a large one if they are this part of it, so that asking often does not
/// rewrite large files often.
pub const SETTLED_FILL_PARTS: u64 = 16;

/// How often the background looks for files to merge, to retire and to delete.
pub const COMPACTION_INTERVAL: Duration = Duration::from_secs(30);

/// A table whose files have not changed for this long is quiet: longer than [`FLUSH_AGE`], so that a table with steady
/// writes never is.
pub const COMPACTION_QUIET: Duration = Duration::from_secs(900);

/// How long a table whose compaction failed is left alone.
pub const COMPACTION_RETRY: Duration = Duration::from_secs(600);

/// Merges that one commit puts into the catalog: many small ones share its sync, while none waits long for the others.
pub const COMPACTION_BATCH_GROUPS: usize = 64;

/// Bytes of merges that wait for each other's commit.
pub const COMPACTION_BATCH_BYTES: u64 = 64 << 20;

/// Requests to compact that wait for each other.
pub const COMPACTION_WAITING: usize = 16;

/// How long a snapshot is kept after the next one, if no option says otherwise: outside readers finish on it.
pub const KEEP_SNAPSHOTS: Duration = Duration::from_secs(3600);

/// Files whose rows one transaction moves to the deletion list, so that a flush does not wait long for it.
pub const DELETION_BATCH: usize = 1000;

/// The age from which a file that no catalog row names is an orphan of a crash. Long, so that whoever restored an old
/// catalog beside newer files has a day to notice.
pub const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);

/// How often orphans are looked for; a directory is listed for it.
pub const ORPHAN_INTERVAL: Duration = Duration::from_secs(6 * 3600);

/// A step of the clock that deletion follows at once; more is either a long stop or a wrong clock.
pub const CLOCK_STEP: Duration = Duration::from_secs(24 * 3600);

/// How long deletion waits after a larger step: time for a person to read the warning.
pub const CLOCK_WAIT: Duration = Duration::from_secs(3600);
/// Deletes that the rows of one table may wait for. A scan holds each batch against all of them that overlap it in
/// time, at some ten nanoseconds a row; rewriting the files ends the need.
pub const TOMBSTONES_PER_TABLE: usize = 10_000;

/// Deletes of a table from which its files are rewritten without them although it is busy: each scan holds its rows
/// against every one. Below, files wait until the table is quiet or somebody asks, as rewriting costs far more.
pub const TOMBSTONES_KEPT: usize = 32;

/// Memory of all deletes that are not applied everywhere, with a pointer for each table that one concerns.
pub const TOMBSTONE_BYTES: usize = 64 << 20;

/// Bytes of one delete's terms in memory, so that a few requests cannot fill [`TOMBSTONE_BYTES`].
pub const DELETE_FILTER_BYTES: usize = 64 << 10;

/// Seconds after which a delete should be tried again when there are too many: files are rewritten in about that time.
pub const DELETE_RETRY_AFTER_S: u32 = 30;

/// How often deletes are written into delete files for outside readers, all that came since together: each round reads
/// the files that they mean and makes a snapshot, and who needs it at once can ask.
pub const DELETE_FILES_INTERVAL: Duration = Duration::from_secs(240);

/// Tries of one operation of an object store. With the pauses below they span some ten seconds, in which a store that
/// asks to slow down, or fails over, comes back; after that it is the caller's turn, who keeps the data and retries.
pub const STORE_ATTEMPTS: u32 = 8;

/// The pause before the second try; each following one is twice as long.
pub const STORE_FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two tries.
pub const STORE_LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// No try of an operation begins later than this after the first one. Credentials live longer.
pub const STORE_DEADLINE: Duration = Duration::from_secs(60);

/// The longest time of one request to an object store, whatever its client thinks: twice the client's own default,
/// which suffices for eight megabytes at two megabits a second.
pub const STORE_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long operations fail without a try after one was given up: a flush of thousands of tables then ends soon, and is
/// tried again as a whole.
pub const STORE_BREAKER: Duration = Duration::from_secs(2);

/// How often a store that fails is asked whether it answers again.
pub const STORE_PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// Tables that one flush writes to an object store at the same time: a request takes some ten milliseconds, in which
/// others are made. A file that is small enough is held whole, some megabytes; of a larger one three parts are.
pub const STORE_FLUSH_CONCURRENCY: usize = 8;

/// The age from which an object that was written, or begun, and that no catalog row names is deleted. Longer than any
/// request takes, so that one that was taken for lost cannot arrive afterwards.
pub const UNNAMED_OBJECT_AGE: Duration = Duration::from_secs(600);

/// Lines of the list of objects under way from which it is written anew when most of them are settled.
pub const UPLOAD_LIST_LINES: usize = 4096;

/// Footers that are read at the same time where an earlier snapshot names files that the registry has forgotten: each
/// is one small read, of a disk or over a network.
pub const FOOTER_READS: usize = 16;

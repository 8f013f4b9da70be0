//! Every limit of the server, each with its reason. Nothing else in the crate holds a number that bounds something.

use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Rows of a chunk of an InfluxQL answer where the request does not say: InfluxDB's.
pub(crate) const CHUNK_ROWS: usize = 10_000;

/// Compressed bytes of an answer that go out together: enough for a packet or two, little enough to hold.
pub(crate) const GZIP_PIECE_BYTES: usize = 16 << 10;

/// Pieces of a backup that wait for a slow receiver: some of about 64 KiB keep the disk and the network both busy.
pub(crate) const BACKUP_PIECES: usize = 4;

/// Bytes of a remote write of Prometheus after decompression. Its senders pack some hundred kilobytes; what is decoded
/// takes up to eight times as much, all of which counts against the budget of bodies.
pub(crate) const REMOTE_WRITE_BYTES: u64 = 32 * MIB;

/// What a decoded message of Prometheus may take in memory for each of its bytes: labels of a few letters.
pub(crate) const REMOTE_WRITE_DECODED_RATIO: u64 = 8;

/// Bytes of line protocol that a remote write becomes at a time: one sync of the disk for each, whatever the labels
/// are that every sample repeats.
pub(crate) const REMOTE_WRITE_TEXT_BYTES: usize = 4 << 20;

/// Bytes of a datagram: the most that UDP can carry.
pub(crate) const DATAGRAM_BYTES: usize = 65_535;

/// Bytes of datagrams that are written together: one sync of the disk for each batch.
pub(crate) const UDP_BATCH_BYTES: usize = 1 << 20;

/// How long a datagram waits for others: InfluxDB's `batch-timeout`.
pub(crate) const UDP_BATCH_TIME: Duration = Duration::from_secs(1);

/// Queries of one remote read: Prometheus sends one, others some.
pub(crate) const REMOTE_READ_QUERIES: usize = 64;

/// Samples of one answer to a remote read, which is made in memory at some 20 bytes each.
pub(crate) const REMOTE_READ_SAMPLES: usize = 5_000_000;

/// Bytes of a message that a client of Flight sends: a query may have 1 MiB, its parameters come beside it, and
/// what is around them is small.
pub(crate) const FLIGHT_REQUEST_BYTES: usize = 3 << 20;

/// Bytes of the parameters of a prepared statement, which travel with each of its calls.
pub(crate) const FLIGHT_PARAMETER_BYTES: usize = 1 << 20;

/// Bytes of rows in one message to a client of Flight, about: half of what clients of gRPC accept by default.
pub(crate) const FLIGHT_MESSAGE_BYTES: usize = 2 << 20;

/// Bytes of the text of an error over gRPC. It stands in a header, and clients refuse heads beyond 8 KiB, where a byte
/// may take three.
pub(crate) const GRPC_MESSAGE_BYTES: usize = 2 << 10;

/// Columns that a cache of InfluxDB 3 may name, of each sort.
pub(crate) const CACHE_COLUMNS: usize = 64;

/// Rows of a last cache for each key, as in InfluxDB 3.
pub(crate) const CACHE_ROWS: u64 = 10;

/// Rows of a distinct cache, and how many it has where the request does not say: InfluxDB's default.
pub(crate) const DISTINCT_CACHE_ROWS: u64 = 100_000;

/// Seconds that a row of a cache may be old: 100 years.
pub(crate) const CACHE_AGE_S: u64 = 100 * 366 * 86_400;

/// Cells of a dashboard: more than anybody can look at.
pub(crate) const DASHBOARD_CELLS: usize = 500;

/// Tasks, and runs of one, in a list where the request does not say how many: InfluxDB's.
pub(crate) const TASKS_A_PAGE: usize = 100;

/// The most of them, InfluxDB's too.
pub(crate) const TASKS_A_PAGE_MAX: usize = 500;

/// Requests to other servers at the same time, of all scripts, notifications and templates.
pub(crate) const OUTGOING_AT_ONCE: usize = 32;

/// The time to reach another server.
pub(crate) const OUTGOING_CONNECT_TIME: Duration = Duration::from_secs(5);

/// The time for a whole request to another server with its answer: shorter than the
/// interval of most checks.
pub(crate) const OUTGOING_TIME: Duration = Duration::from_secs(10);

/// How often a request may be sent on to another place.
pub(crate) const OUTGOING_REDIRECTS: usize = 3;

/// Bytes of an answer to a notification, which nobody looks at.
pub(crate) const OUTGOING_ANSWER_BYTES: usize = 1 << 20;

/// Objects of the templates of a request, and of an export: whole organisations have some hundreds.
pub(crate) const TEMPLATE_OBJECTS: usize = 1_000;

/// How deep lists and objects of a template may stand in each other; those of dashboards stand ten deep.
pub(crate) const TEMPLATE_DEPTH: usize = 64;

/// Bytes of a template that the server fetches.
pub(crate) const TEMPLATE_BYTES: usize = 4 << 20;

/// Templates that the server fetches for one request.
pub(crate) const TEMPLATE_REMOTES: usize = 20;

/// Events of a stack that are remembered.
pub(crate) const STACK_EVENTS: usize = 20;

/// The limits of one server. [`Limits::for_memory`] fits those that cost memory to the memory there is.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a write body as it comes over the wire. 50 MiB is what InfluxDB Cloud documents for a request.
    pub write_body_bytes: u64,
    /// Bytes of a write body after decompression. 250 MiB is what InfluxDB Cloud documents; it also bounds what a
    /// compression bomb can cost.
    pub decompressed_body_bytes: u64,
    /// Bytes of all bodies that are being received, decompressed or written. Above it a request is answered 503.
    pub bodies_in_flight_bytes: u64,
    /// Bytes of a JSON or form body. The largest honest one is a token with a permission for each of a few thousand
    /// buckets; 1 MiB holds 8,000.
    pub json_body_bytes: u64,
    /// The longest silence within a body. Slower than any retransmission, short enough to free a stalled connection.
    pub body_stall: Duration,
    /// The longest time for a whole body, however it trickles: 50 MiB at 0.7 Mbit/s.
    pub body_total: Duration,
    /// Pieces of CPU work (decompression, encoding of results, password hashes) at the same time; more only wait for
    /// each other. Twice the cores keeps all of them busy while some pieces wait for memory.
    pub cpu_tasks: usize,
    /// Connections at the same time; the accept queue of the kernel holds the rest. Each costs a file descriptor, a few
    /// tens of KiB while it is honest, and at worst `CONNECTION_BUFFER_BYTES`.
    pub connections: usize,
    /// Streams of one HTTP/2 connection: as many requests as a client library keeps in flight, not more.
    pub http2_streams: u32,
    /// The time from the opening of a connection to its first request. Nobody opens one long before it is needed, and a
    /// connection that never says anything takes a place from others.
    pub first_request: Duration,
    /// The time from one request of a connection to the next, with its whole head (hyper has one timer for both). As
    /// InfluxDB's idle timeout: clients that write once a minute keep their connection.
    pub idle: Duration,
    /// The time for a TLS handshake.
    pub tls_handshake: Duration,
    /// How long a stopping server waits for requests in flight before it cuts them.
    pub drain: Duration,
    /// Bytes of Arrow data that the format `pretty` may hold, which needs all rows to know the widths of its columns.
    pub pretty_bytes: u64,
    /// Addresses of which failed signins are remembered. 4,096 addresses cost about 200 KiB; the oldest go first.
    pub signin_addresses: usize,
    /// Failed signins of one address that cost nothing: people mistype.
    pub signin_free_failures: u32,
    /// The longest wait that failed signins cause.
    pub signin_longest_wait: Duration,
}

impl Limits {
    /// The limits for a server that may use `memory_limit_bytes`: bodies get at most a quarter of it, one body at most
    /// half of that, and the buffers of all connections at most half of the memory.
    #[must_use]
    pub fn for_memory(memory_limit_bytes: u64) -> Self {
        let bodies_in_flight_bytes = (memory_limit_bytes / 4).clamp(16 * MIB, 2048 * MIB);
        let decompressed_body_bytes = (250 * MIB).min(bodies_in_flight_bytes / 2);
        Self {
            write_body_bytes: (50 * MIB).min(decompressed_body_bytes),
            decompressed_body_bytes,
            bodies_in_flight_bytes,
            pretty_bytes: (64 * MIB).min(memory_limit_bytes / 16),
            connections: usize::try_from(memory_limit_bytes / (2 * CONNECTION_BUFFER_BYTES as u64))
                .map_or(CONNECTIONS, |connections| connections.clamp(256, CONNECTIONS)),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            write_body_bytes: 50 * MIB,
            decompressed_body_bytes: 250 * MIB,
            bodies_in_flight_bytes: 512 * MIB,
            json_body_bytes: MIB,
            body_stall: Duration::from_secs(30),
            body_total: Duration::from_secs(600),
            cpu_tasks: 2 * cores,
            connections: CONNECTIONS,
            http2_streams: 256,
            first_request: Duration::from_secs(30),
            idle: Duration::from_secs(180),
            tls_handshake: Duration::from_secs(10),
            drain: Duration::from_secs(30),
            pretty_bytes: 64 * MIB,
            signin_addresses: 4096,
            signin_free_failures: 5,
            signin_longest_wait: Duration::from_secs(60),
        }
    }
}

/// The most connections: more than the writers of one server, and half of the file descriptors of a usual hard limit.
const CONNECTIONS: usize = 4096;

/// What one connection may hold that is not yet given to a handler, which is also the longest head of a request: the
/// longest address that the parser of addresses takes is 64 KiB, and headers come on top.
pub(crate) const CONNECTION_BUFFER_BYTES: usize = 128 * 1024;

/// The longest silence of a client whose request was answered before its body was read: longer than a packet takes to
/// be sent again, and a client that has read the answer stops sending at once.
pub(crate) const LINGER_SILENCE: Duration = Duration::from_secs(2);

/// How long the body of a request that was answered early is read to be thrown away: 50 MiB at 14 Mbit/s. Whoever is
/// slower may see a broken connection in place of the answer.
pub(crate) const LINGER_TOTAL: Duration = Duration::from_secs(30);

/// How often an HTTP/2 connection is asked whether somebody is there, and how long the answer may take: a peer that is
/// gone without a word is noticed within a minute.
pub(crate) const HTTP2_PING: Duration = Duration::from_secs(30);

/// Distinct user agents that /metrics tells apart; the rest are counted as `other`.
pub(crate) const METRIC_USER_AGENTS: usize = 32;

/// Distinct request series that /metrics keeps: paths × methods × statuses × user agents that really occur.
pub(crate) const METRIC_SERIES: usize = 4096;

/// Deletes of one InfluxQL statement that wait for the log at the same time: they share its syncs, and leave room for
/// the writes beside them.
pub(crate) const DELETES_AT_ONCE: usize = 32;

/// Bytes that are decompressed at a time, and the first room of a body whose length nobody knows.
pub(crate) const DECOMPRESS_STEP_BYTES: usize = 64 * 1024;

/// Largest zstd window, as a power of two: 8 MiB, which RFC 8878 asks every decoder to support. A larger one would let
/// a small body claim up to 2 GiB.
pub(crate) const ZSTD_WINDOW_LOG: u32 = 23;

/// Characters of a client's `X-Request-Id` that are kept: a UUID has 36.
pub(crate) const REQUEST_ID_CHARACTERS: usize = 128;

/// Seconds that a client is asked to wait when the server is out of memory for bodies: they are freed within one
/// request, so soon is right.
pub(crate) const BUSY_RETRY_AFTER_S: u32 = 1;

/// Seconds that a client is asked to wait when the disk is full: somebody has to make room.
pub(crate) const OUT_OF_SPACE_RETRY_AFTER_S: u32 = 10;

/// Seconds that a client is asked to wait when only a restart helps.
pub(crate) const POISONED_RETRY_AFTER_S: u32 = 30;

/// Bytes of text of a Flux answer that are made before they are sent: large enough for one call of the network, small
/// beside the buffers of a connection.
pub(crate) const FLUX_PIECE_BYTES: usize = 64 << 10;

/// Rows of a table that become text at once: a few milliseconds, after which other connections have a turn.
pub(crate) const FLUX_PIECE_ROWS: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_machines_get_small_bodies() {
        for (memory, in_flight, decompressed, compressed) in [
            (64 * MIB, 16 * MIB, 8 * MIB, 8 * MIB),
            (256 * MIB, 64 * MIB, 32 * MIB, 32 * MIB),
            (1024 * MIB, 256 * MIB, 128 * MIB, 50 * MIB),
            (64 * 1024 * MIB, 2048 * MIB, 250 * MIB, 50 * MIB),
        ] {
            let limits = Limits::for_memory(memory);
            assert_eq!(limits.bodies_in_flight_bytes, in_flight, "{memory}");
            assert_eq!(limits.decompressed_body_bytes, decompressed, "{memory}");
            assert_eq!(limits.write_body_bytes, compressed, "{memory}");
            assert!(limits.connections as u64 * CONNECTION_BUFFER_BYTES as u64 <= memory / 2, "{memory}");
        }
    }
}
